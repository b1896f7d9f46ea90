/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Host memory that runs out at every single allocation in turn: each call says so, leaves nothing behind, and gives
 * NULL. */
#include "device/device.h"
#include "tensor/tensor.h"
#include "test.h"

#include <stdlib.h>

struct heap {
    long until;  /* allocations that still succeed; -1: all */
    long blocks; /* live */
};

static bool refuse(struct heap *h)
{
    if (h->until < 0)
        return false;
    return h->until == 0 || h->until-- == 0;
}

static void *give(void *user, size_t bytes)
{
    struct heap *h = user;
    void *p = refuse(h) ? NULL : malloc(bytes);

    h->blocks += p != NULL;
    return p;
}

static void *regive(void *user, void *old, size_t bytes)
{
    struct heap *h = user;
    void *p = refuse(h) ? NULL : realloc(old, bytes);

    h->blocks += p && !old;
    return p;
}

static void take(void *user, void *p)
{
    struct heap *h = user;

    h->blocks -= p != NULL;
    free(p);
}

/* Everything these rooms allocate for, once. */
static qn_status everything(qn_context *ctx)
{
    static const int64_t dim[] = { 3, 5 };
    qn_status st;
    qn_device *dev = NULL;
    qn_device_info *list = NULL;
    qn_tensor *t[3] = { NULL };
    size_t n;

    if ((st = qn_device_list(&list, &n, ctx)) || (st = qn_device_open(&dev, ctx, NULL)) ||
        (st = qn_tensor_create(&t[0], dev, QN_F32, 2, dim)) || (st = qn_tensor_view(&t[1], t[0], 3, 1, dim)) ||
        (st = qn_tensor_create(&t[2], dev, QN_U8, 1, (int64_t[]){ 5 << 20 })) || (st = qn_tensor_copy(t[1], t[1])))
        goto done;
done:
    CHECK(st != QN_OK || (dev && list && t[0] && t[1] && t[2]));
    for (int i = 0; i < 3; i++)
        qn_tensor_destroy(&t[i]);
    qn_device_list_free(&list, ctx);
    qn_device_close(&dev);
    return st;
}

static void every_allocation(void)
{
    qn_status st = QN_E_HOST_MEMORY;
    int runs = 0;

    for (long n = 0; st && runs < 500 && !test_failed(); n++, runs++) {
        struct heap heap = { .until = n };
        qn_context *ctx = NULL;
        const qn_context_opt opt = { .alloc = give, .realloc = regive, .free = take, .user = &heap };

        st = qn_context_create(&ctx, &opt);
        if (st == QN_OK)
            st = everything(ctx);
        else
            CHECK(!ctx);
        if (st)
            CHECK_STATUS(st, QN_E_HOST_MEMORY, NULL);
        qn_context_destroy(&ctx);
        CHECK_INT(heap.blocks, 0);
    }
    CHECK_OK(st);
    CHECK(runs > 8);
}

int main(void)
{
    test_run("device memory: host memory that runs out anywhere", every_allocation);
    return test_end();
}
