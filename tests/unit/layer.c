/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The counting layer itself: other tests rest on its figures. */
#include "layer.h"
#include "test.h"

#define ELEMENTS 1000

static const struct layer *layer;
static const char *reason;

/* A tensor of its own buffer, for what follows. */
static qn_tensor *make(qn_device *dev, int64_t elements)
{
    qn_tensor *t = NULL;

    CHECK_OK(qn_tensor_create(&t, dev, QN_F32, 1, &elements));
    return t;
}

static void counts_calls(void)
{
    float host[ELEMENTS] = {1};
    qn_device *dev;
    qn_tensor *t;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    dev = test_device();
    t = make(dev, ELEMENTS);
    if (!t)
        return;
    layer->reset();
    CHECK_OK(qn_tensor_write(t, host, sizeof(host)));
    CHECK_INT(layer->count(LAYER_WRITE), 1);
    CHECK_INT(layer->count(LAYER_READ), 0);
    CHECK_OK(qn_tensor_read(t, host, sizeof(host)));
    CHECK_OK(qn_tensor_read(t, host, sizeof(host)));
    CHECK_INT(layer->count(LAYER_READ), 2);
    CHECK_INT(layer->count(LAYER_CREATE_BUFFER), 0);
    CHECK(layer->count(LAYER_BLOCKING) + layer->count(LAYER_WAIT) + layer->count(LAYER_FINISH) >= 3);
    CHECK_INT(layer->count_blas(LAYER_READ), 0);
    CHECK_OK(qn_device_finish(dev));
    CHECK(layer->count(LAYER_FINISH) >= 1);
    layer->reset();
    CHECK_INT(layer->count(LAYER_READ), 0);
    qn_tensor_destroy(&t);
}

static void makes_calls_fail(void)
{
    float host[ELEMENTS] = {1};
    qn_device *dev;
    qn_tensor *t;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    dev = test_device();
    t = make(dev, ELEMENTS);
    if (!t)
        return;
    layer->reset();
    layer->fail(LAYER_READ, 1, 2, -5);
    CHECK_OK(qn_tensor_read(t, host, sizeof(host)));
    CHECK(qn_tensor_read(t, host, sizeof(host)) != QN_OK);
    CHECK(qn_tensor_read(t, host, sizeof(host)) != QN_OK);
    CHECK_OK(qn_tensor_read(t, host, sizeof(host)));
    layer->fail(LAYER_WRITE, 0, 0, -5);
    for (int i = 0; i < 3; i++)
        CHECK(qn_tensor_write(t, host, sizeof(host)) != QN_OK);
    layer->reset();
    CHECK_OK(qn_tensor_write(t, host, sizeof(host)));
    qn_tensor_destroy(&t);
}

static void counts_bytes(void)
{
    const int64_t bytes = INT64_C(1) << 28;
    int64_t before;
    qn_tensor *t;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    layer->reset();
    before = layer->bytes();
    t = make(test_device(), bytes / 4);
    CHECK(layer->bytes() - before >= bytes);
    CHECK(layer->peak_bytes() >= layer->bytes());
    qn_tensor_destroy(&t);
    CHECK(layer->peak_bytes() - before >= bytes);
}

int main(void)
{
    layer = layer_open(&reason);
    test_run("layer: counts calls", counts_calls);
    test_run("layer: makes calls fail", makes_calls_fail);
    test_run("layer: counts the bytes of buffers", counts_bytes);
    return test_end();
}
