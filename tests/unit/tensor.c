/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "tensor/tensor.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define DIMS(...) (const int64_t[]){ __VA_ARGS__ }

static void round_trip(void)
{
    static const struct {
        qn_dtype dtype;
        int rank;
        int64_t dim[4];
    } cases[] = {
        { QN_U8, 0, { 0 } },          { QN_U8, 1, { 1 } },        { QN_F16, 1, { 3 } },
        { QN_F32, 2, { 7, 5 } },      { QN_I64, 3, { 2, 1, 3 } }, { QN_BF16, 2, { 129, 3 } },
        { QN_I32, 4, { 3, 5, 7, 11 } }, { QN_U8, 1, { 65537 } },  { QN_F32, 2, { 1024, 1031 } },
        { QN_F32, 2, { 1100, 1031 } },
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        qn_tensor *t = NULL;
        unsigned char *in = NULL, *out = NULL;
        size_t bytes;

        if (!CHECK_OK(qn_tensor_create(&t, test_device(), cases[i].dtype, cases[i].rank, cases[i].dim)))
            return;
        bytes = (size_t)t->elements * qn_dtype_bytes(t->dtype);
        CHECK_INT(qn_tensor_shape(t).rank, cases[i].rank);
        CHECK_INT(qn_tensor_dtype(t), cases[i].dtype);
        in = malloc(bytes);
        out = calloc(bytes, 1);
        for (size_t b = 0; b < bytes; b++)
            in[b] = (unsigned char)test_integer(256);
        CHECK_OK(qn_tensor_write(t, in, bytes));
        CHECK_OK(qn_tensor_read(t, out, bytes));
        CHECK(!memcmp(in, out, bytes));
        memset(out, 0, bytes);
        CHECK_OK(qn_tensor_write_async(t, in, bytes));
        CHECK_OK(qn_tensor_read_async(t, out, bytes));
        CHECK_OK(qn_device_finish(test_device()));
        CHECK(!memcmp(in, out, bytes));
        qn_tensor_destroy(&t);
        free(in);
        free(out);
    }
}

static void empty(void)
{
    qn_tensor *t = NULL, *v = NULL, *u = NULL;

    CHECK_OK(qn_tensor_create(&t, test_device(), QN_F32, 3, DIMS(0, 5, 7)));
    CHECK_OK(qn_tensor_create(&u, test_device(), QN_F32, 1, DIMS(0)));
    CHECK_INT(qn_tensor_shape(t).dim[1], 5);
    CHECK_OK(qn_tensor_write(t, NULL, 0));
    CHECK_OK(qn_tensor_read(t, NULL, 0));
    CHECK_OK(qn_tensor_copy(u, t));
    CHECK_OK(qn_tensor_view(&v, t, 0, 2, DIMS(4, 0)));
    CHECK(t && t->storage->mem); /* may still be bound */
    qn_tensor_destroy(&v);
    qn_tensor_destroy(&u);
    qn_tensor_destroy(&t);
}

static void views(void)
{
    qn_tensor *t = NULL, *v = NULL, *w = NULL;
    float in[24], out[24] = { 0 };

    for (int i = 0; i < 24; i++)
        in[i] = (float)i;
    CHECK_OK(qn_tensor_create(&t, test_device(), QN_F32, 2, DIMS(6, 4)));
    CHECK_OK(qn_tensor_write(t, in, sizeof(in)));
    CHECK_OK(qn_tensor_view(&v, t, 4, 2, DIMS(4, 4)));
    CHECK_OK(qn_tensor_view(&w, v, 5, 1, DIMS(3)));
    qn_tensor_destroy(&t); /* the views keep the storage */
    CHECK_OK(qn_tensor_read(w, out, 12));
    CHECK(out[0] == 9 && out[1] == 10 && out[2] == 11);
    CHECK_OK(qn_tensor_write(w, in, 12));
    CHECK_OK(qn_tensor_read(v, out, 64));
    CHECK(out[4] == 8 && out[5] == 0 && out[6] == 1 && out[7] == 2 && out[8] == 12);
    qn_tensor_destroy(&t);
    CHECK_STATUS(qn_tensor_view(&t, v, 1, 1, DIMS(16)), QN_E_SHAPE, "reaches outside");
    CHECK(!t);
    CHECK_STATUS(qn_tensor_view(&t, v, -1, 1, DIMS(1)), QN_E_SHAPE, "outside");
    CHECK_STATUS(qn_tensor_view(&t, v, INT64_MAX, 1, DIMS(1)), QN_E_SHAPE, "outside");
    CHECK_STATUS(qn_tensor_view(&t, v, 0, 1, DIMS(INT64_MAX / 4)), QN_E_SHAPE, "outside");
    CHECK_STATUS(qn_tensor_view(&t, NULL, 0, 0, NULL), QN_E_ARG, NULL);
    qn_tensor_destroy(&v);
    qn_tensor_destroy(&w);
}

static void copies(void)
{
    qn_tensor *t = NULL, *u = NULL, *a = NULL, *b = NULL, *h = NULL;
    int32_t in[64], out[64];

    for (int i = 0; i < 64; i++)
        in[i] = i;
    CHECK_OK(qn_tensor_create(&t, test_device(), QN_I32, 1, DIMS(64)));
    CHECK_OK(qn_tensor_create(&u, test_device(), QN_I32, 2, DIMS(8, 8)));
    CHECK_OK(qn_tensor_create(&h, test_device(), QN_F32, 1, DIMS(64)));
    CHECK_OK(qn_tensor_write(t, in, sizeof(in)));
    CHECK_OK(qn_tensor_copy(u, t));
    CHECK_OK(qn_tensor_read(u, out, sizeof(out)));
    CHECK(!memcmp(in, out, sizeof(in)));

    /* Views that overlap, forwards and backwards, and one on itself. */
    CHECK_OK(qn_tensor_view(&a, t, 0, 1, DIMS(40)));
    CHECK_OK(qn_tensor_view(&b, t, 3, 1, DIMS(40)));
    CHECK_OK(qn_tensor_copy(b, a));
    CHECK_OK(qn_tensor_read(t, out, sizeof(out)));
    CHECK(!memcmp(out + 3, in, 160) && !memcmp(out, in, 12) && !memcmp(out + 43, in + 43, 84));
    CHECK_OK(qn_tensor_copy(a, b));
    CHECK_OK(qn_tensor_read(a, out, 160));
    CHECK(!memcmp(out, in, 160));
    CHECK_OK(qn_tensor_copy(a, a));

    CHECK_STATUS(qn_tensor_copy(u, a), QN_E_SHAPE, "40 elements");
    CHECK_STATUS(qn_tensor_copy(u, h), QN_E_SHAPE, "f32");
    CHECK_STATUS(qn_tensor_copy(NULL, h), QN_E_ARG, "to is NULL");
    qn_tensor_destroy(&a);
    qn_tensor_destroy(&b);
    qn_tensor_destroy(&h);
    qn_tensor_destroy(&t);
    qn_tensor_destroy(&u);
}

static void refusals(void)
{
    qn_tensor *t = (qn_tensor *)&t;
    qn_device *dev = test_device();
    char c[8] = { 0 };

    CHECK_STATUS(qn_tensor_create(NULL, dev, QN_F32, 0, NULL), QN_E_ARG, "out");
    CHECK_STATUS(qn_tensor_create(&t, NULL, QN_F32, 0, NULL), QN_E_ARG, "dev");
    CHECK(!t);
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, 1, NULL), QN_E_ARG, "dim");
    CHECK_STATUS(qn_tensor_create(&t, dev, (qn_dtype)77, 0, NULL), QN_E_ARG, "77");
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, 9, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1)), QN_E_SHAPE, "rank is 9");
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, -1, NULL), QN_E_SHAPE, "rank is -1");
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, 2, DIMS(3, -1)), QN_E_SHAPE, NULL);
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, 2, DIMS(INT64_C(1) << 31, INT64_C(1) << 31)), QN_E_SHAPE, NULL);
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_U8, 1, DIMS(INT64_MAX)), QN_E_DEVICE_MEMORY, "single buffer");
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, 1, DIMS(INT64_C(1) << 50)), QN_E_DEVICE_MEMORY, "in use");
    CHECK_OK(qn_tensor_create(&t, dev, QN_F32, 1, DIMS(1)));
    CHECK_STATUS(qn_tensor_write(t, c, 3), QN_E_SHAPE, "3 bytes");
    CHECK_STATUS(qn_tensor_write(t, NULL, 4), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_tensor_read(t, c, 8), QN_E_SHAPE, "8 bytes");
    CHECK_STATUS(qn_tensor_read(NULL, c, 8), QN_E_ARG, NULL);
    qn_tensor_destroy(&t);
    qn_tensor_destroy(&t);
    qn_tensor_destroy(NULL);
    CHECK_INT(qn_tensor_shape(NULL).rank, 0);
    CHECK_INT(qn_tensor_dtype(NULL), QN_F32);
}

/* A tensor keeps its device, whatever is closed first. */
static void any_order(void)
{
    qn_device *dev = NULL;
    qn_tensor *t = NULL, *v = NULL;
    float x = 3, y = 0;

    if (!CHECK_OK(qn_device_open(&dev, NULL, NULL)))
        return;
    CHECK_OK(qn_tensor_create(&t, dev, QN_F32, 0, NULL));
    qn_device_close(&dev);
    CHECK(!dev);
    CHECK_OK(qn_tensor_view(&v, t, 0, 1, DIMS(1)));
    CHECK_OK(qn_tensor_write(t, &x, 4));
    qn_tensor_destroy(&t);
    CHECK_OK(qn_tensor_read(v, &y, 4));
    CHECK(y == 3);
    qn_tensor_destroy(&v);
}

int main(void)
{
    test_run("tensor: what is written is read back", round_trip);
    test_run("tensor: no elements at all", empty);
    test_run("tensor: views share storage and stay inside", views);
    test_run("tensor: copies on the device, overlapping ones too", copies);
    test_run("tensor: wrong calls are refused with the reason", refusals);
    test_run("tensor: objects go in any order", any_order);
    return test_end();
}
