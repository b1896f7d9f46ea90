/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "device/device.h"
#include "tensor/tensor.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* A device of our own, so that counts start at 0; tiny: it must fit what Oclgrind calls its memory. */
static qn_device *fresh(void)
{
    qn_device *dev = NULL;

    CHECK_OK(qn_device_open(&dev, NULL, NULL));
    return dev;
}

static size_t buffers(qn_device *dev)
{
    size_t n;

    qni_pool_bytes(dev, NULL, NULL, &n);
    return n;
}

static uint64_t held(qn_device *dev)
{
    uint64_t now = 0;

    CHECK_OK(qn_device_memory(dev, &now, NULL));
    return now;
}

static void small_ones_share(void)
{
    qn_device *dev = fresh();
    struct qni_storage *s[100] = { NULL };
    uint64_t peak = 0;

    for (size_t i = 0; i < QNI_COUNT(s); i++) {
        CHECK_OK(qni_storage_create(&s[i], dev, i * 7));
        if (!s[i])
            return;
        CHECK(s[i]->mem && s[i]->chunk && s[i]->bytes == i * 7);
        CHECK_INT(s[i]->offset % dev->caps.align_bytes, 0);
    }
    CHECK_INT(buffers(dev), 1);
    for (size_t i = 0; i < QNI_COUNT(s); i++)
        qni_storage_release(&s[(i * 37) % QNI_COUNT(s)]);
    CHECK_INT(buffers(dev), 1); /* one is kept for the next */

    /* All ranges have grown together again: the whole chunk can be had in quarters. */
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(qni_storage_create(&s[i], dev, 4 * MIB));
        CHECK(s[i]->chunk && s[i]->offset == i * 4 * MIB);
    }
    CHECK_INT(buffers(dev), 1);
    CHECK_OK(qni_storage_create(&s[4], dev, 1));
    CHECK_INT(buffers(dev), 2);
    for (size_t i = 0; i < 5; i++)
        qni_storage_release(&s[i]);
    CHECK_INT(buffers(dev), 1);
    CHECK_OK(qn_device_memory(dev, NULL, &peak));
    CHECK_INT(peak, 32 * MIB);
    qn_device_close(&dev);
}

static void large_ones_alone(void)
{
    qn_device *dev = fresh();
    struct qni_storage *a = NULL, *b = NULL, *c = NULL, *again;

    CHECK_OK(qni_storage_create(&a, dev, 4 * MIB + 1));
    CHECK(!a->chunk && a->offset == 0);
    CHECK_INT(held(dev), 4 * MIB + dev->caps.align_bytes);
    CHECK_OK(qni_storage_create_alone(&b, dev, 5));
    CHECK(!b->chunk && b->mem != a->mem);
    CHECK_OK(qni_storage_create_alone(&c, dev, 0));
    CHECK(c->mem && c->bytes == 0);
    CHECK_INT(buffers(dev), 3);
    again = qni_storage_retain(a);
    qni_storage_release(&a);
    CHECK(!a && buffers(dev) == 3);
    qni_storage_release(&b);
    qni_storage_release(&c);
    qni_storage_release(&c);
    CHECK_INT(buffers(dev), 1);
    qni_storage_release(&again);
    CHECK_INT(held(dev), 0);
    qn_device_close(&dev);
}

/* Live ranges never overlap, whatever the order; checked by what stands in them. */
static void never_twice(void)
{
    enum { N = 60, STEPS = 600, WORDS = 50000 };
    qn_device *dev = fresh();
    qn_tensor *t[N] = { NULL };
    int32_t *data = malloc(WORDS * sizeof(*data));

    for (int step = 0; step < STEPS && !test_failed(); step++) {
        int i = (int)test_integer(N);

        if (t[i]) {
            size_t n = (size_t)t[i]->elements;

            CHECK_OK(qn_tensor_read(t[i], data, 4 * n));
            for (size_t k = 0; k < n; k++)
                if (data[k] != i) {
                    test_fail(__FILE__, __LINE__, "step %d: word %zu of %zu is %d, not %d", step, k, n, data[k], i);
                    break;
                }
            qn_tensor_destroy(&t[i]);
        } else {
            int64_t n = test_integer(4) ? test_integer(300) : test_integer(WORDS);

            CHECK_OK(qn_tensor_create(&t[i], dev, QN_I32, 1, &n));
            for (int64_t k = 0; k < n; k++)
                data[k] = i;
            CHECK_OK(qn_tensor_write(t[i], data, 4 * (size_t)n));
        }
    }
    for (int i = 0; i < N; i++)
        qn_tensor_destroy(&t[i]);
    CHECK_INT(buffers(dev), 1);
    free(data);
    qn_device_close(&dev);
}

/* Storage given back while a copy from it is queued: the copy has the old bytes, whoever got the range next. */
static void back_while_in_use(void)
{
    qn_device *dev = fresh();
    int64_t n = 200000;
    qn_tensor *from = NULL, *to = NULL, *next = NULL;
    int32_t *a = malloc(4 * (size_t)n), *b = malloc(4 * (size_t)n);

    CHECK_OK(qn_tensor_create(&to, dev, QN_I32, 1, &n));
    for (int round = 0; round < 20 && !test_failed(); round++) {
        for (int64_t i = 0; i < n; i++)
            a[i] = round;
        memset(b, 0xff, 4 * (size_t)n);
        CHECK_OK(qn_tensor_create(&from, dev, QN_I32, 1, &n));
        CHECK_OK(qn_tensor_write(from, a, 4 * (size_t)n));
        CHECK_OK(qn_tensor_copy(to, from));
        qn_tensor_destroy(&from);
        CHECK_OK(qn_tensor_create(&next, dev, QN_I32, 1, &n));
        CHECK_OK(qn_tensor_write_async(next, b, 4 * (size_t)n));
        qn_tensor_destroy(&next);
        CHECK_OK(qn_tensor_read(to, b, 4 * (size_t)n));
        CHECK(!memcmp(a, b, 4 * (size_t)n));
    }
    qn_tensor_destroy(&to);
    free(a);
    free(b);
    qn_device_close(&dev);
}

/* ---- no memory ---- */

static int budget; /* buffers that may still be made */
static cl_mem (*real_create)(cl_context, cl_mem_flags, size_t, void *, cl_int *);

static cl_mem CL_API_CALL scarce(cl_context context, cl_mem_flags flags, size_t bytes, void *host, cl_int *e)
{
    if (budget-- > 0)
        return real_create(context, flags, bytes, host, e);
    *e = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return NULL;
}

static void running_out(void)
{
    qn_device *dev = fresh();
    struct qni_storage *s = NULL, *u = NULL;
    uint64_t before;

    real_create = dev->cl->CreateBuffer;
    dev->ctx->cl->CreateBuffer = scarce; /* this context's own table */
    budget = 0;
    CHECK_STATUS(qni_storage_create(&s, dev, 3 * MIB / 2), QN_E_DEVICE_MEMORY, "no device memory for 1.5 MiB");
    CHECK(strstr(qn_last_error(), "0 bytes in use") && strstr(qn_last_error(), "CL_MEM_OBJECT_ALLOCATION_FAILURE"));
    CHECK(!s && held(dev) == 0);
    CHECK_STATUS(qni_storage_create_alone(&s, dev, 5), QN_E_DEVICE_MEMORY, "no device memory for");

    /* No room for a chunk, but for what was asked. */
    dev->caps.global_bytes = 2 * MIB;
    budget = 1;
    CHECK_OK(qni_storage_create(&s, dev, MIB));
    CHECK(s && !s->chunk);
    CHECK_STATUS(qni_storage_create(&u, dev, MIB + 1), QN_E_DEVICE_MEMORY, "1.0 MiB in use");
    CHECK(strstr(qn_last_error(), "2.0 MiB in all"));
    qni_storage_release(&s);

    /* An empty chunk that was kept gives way to what needs its room. */
    dev->caps.global_bytes = 20 * MIB;
    budget = 9;
    CHECK_OK(qni_storage_create(&s, dev, 1));
    qni_storage_release(&s);
    CHECK_INT(held(dev), 16 * MIB);
    CHECK_OK(qni_storage_create(&s, dev, 10 * MIB));
    CHECK_INT(held(dev), 10 * MIB);
    before = held(dev);
    dev->caps.alloc_bytes = 6 * MIB;
    CHECK_STATUS(qni_storage_create(&u, dev, 7 * MIB), QN_E_DEVICE_MEMORY, "6.0 MiB for a single buffer");
    CHECK_STATUS(qni_storage_create(&u, dev, SIZE_MAX), QN_E_DEVICE_MEMORY, NULL);
    CHECK_INT(held(dev), before);
    qni_storage_release(&s);
    CHECK_INT(held(dev), 0);
    qn_device_close(&dev);
}

/* ---- threads ---- */

static void *churn(void *arg)
{
    qn_device *dev = arg;
    struct qni_storage *s[16] = { NULL };
    unsigned state = (unsigned)(uintptr_t)&s;

    for (int i = 0; i < 2000; i++) {
        size_t k;

        state = state * 1664525u + 1013904223u;
        k = state >> 28;
        if (s[k])
            qni_storage_release(&s[k]);
        else if (qni_storage_create(&s[k], dev, state >> 14 & 0xffff))
            return arg;
    }
    for (size_t k = 0; k < QNI_COUNT(s); k++)
        qni_storage_release(&s[k]);
    return NULL;
}

static void threads(void)
{
    qn_device *dev = fresh();
    pthread_t thread[4];
    void *failed;

    if (dev->caps.quirks & QNI_QUIRK_ONE_THREAD) {
        test_skip("%s stands no calls from several threads", dev->caps.platform);
        qn_device_close(&dev);
        return;
    }
    for (size_t i = 0; i < QNI_COUNT(thread); i++)
        CHECK_INT(pthread_create(&thread[i], NULL, churn, dev), 0);
    for (size_t i = 0; i < QNI_COUNT(thread); i++) {
        CHECK_INT(pthread_join(thread[i], &failed), 0);
        CHECK(!failed);
    }
    CHECK_INT(buffers(dev), 1);
    qn_device_close(&dev);
}

static void amounts(void)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0 bytes" }, { 1023, "1023 bytes" }, { 1024, "1.0 KiB" }, { 1536, "1.5 KiB" }, { 1048575, "1023.9 KiB" },
        { UINT64_C(12576837632), "11.7 GiB" }, { UINT64_MAX, "15.9 EiB" },
    };
    char text[32];

    for (size_t i = 0; i < QNI_COUNT(cases); i++)
        CHECK_STR(qni_bytes_text(cases[i].bytes, text, sizeof(text)), cases[i].text);
}

int main(void)
{
    unsetenv("QUERN_DEBUG_ALLOC"); /* these tests are about sharing */
    test_run("pool: small storage shares a chunk and comes together again", small_ones_share);
    test_run("pool: large storage has a buffer of its own", large_ones_alone);
    test_run("pool: no range is handed out twice", never_twice);
    test_run("pool: a range given back while it is in use keeps its bytes", back_while_in_use);
    test_run("pool: running out names the amounts and leaves all whole", running_out);
    test_run("pool: many threads", threads);
    test_run("pool: amounts in words", amounts);
    return test_end();
}
