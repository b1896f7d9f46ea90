/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The steady state: what a training step asks of OpenCL and of the allocator. Two runs, one with twice the steps an
 * epoch: whatever a step costs shows in the difference of their second epochs. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blas/blas.h"
#include "layer.h"
#include "test.h"

#define BATCH 8
#define STEPS 40
#define SIDE  28

static const struct layer *layer;
static const char *reason;
static atomic_llong allocations;

/* Counts of the second epoch. */
struct counts {
    int64_t call[LAYER_CALLS], blas, allocations;
};

static void *counting_alloc(void *user, size_t bytes)
{
    (void)user;
    allocations++;
    return malloc(bytes);
}

static void *counting_realloc(void *user, void *p, size_t bytes)
{
    (void)user;
    allocations++;
    return realloc(p, bytes);
}

static void plain_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static qn_status count(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    struct counts *c = user;

    (void)m;
    (void)stop;
    if (p->epoch != 1 || (p->event != QN_EVENT_EPOCH_BEGIN && p->event != QN_EVENT_EPOCH_END))
        return QN_OK;
    if (p->event == QN_EVENT_EPOCH_BEGIN) {
        layer->reset();
        allocations = 0;
        return QN_OK;
    }
    for (int i = 0; i < LAYER_CALLS; i++) {
        c->call[i] = layer->count((enum layer_call)i);
        c->blas += layer->count_blas((enum layer_call)i);
    }
    c->allocations = allocations;
    return QN_OK;
}

/* The small convolutional network, trained for two epochs of so many steps. */
static void train(qn_device *dev, int steps, struct counts *out)
{
    const size_t samples = (size_t)steps * BATCH;
    float *x = calloc(samples * SIDE * SIDE, sizeof(*x));
    int32_t *t = calloc(samples, sizeof(*t));
    qn_callback callback = {.call = count, .user = out};
    qn_dataset *data = NULL;
    qn_model *m = NULL;
    qn_val v;

    for (size_t i = 0; i < samples; i++) {
        t[i] = (int32_t)test_integer(10);
        for (size_t k = 0; k < SIDE * SIDE; k++)
            x[i * SIDE * SIDE + k] = (float)test_uniform();
    }
    const qn_array arrays[] = {
        {.field = {.role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = {3, {SIDE, SIDE, 1}}}, .data = x},
        {.field = {.role = QN_FIELD_TARGET, .dtype = QN_I32}, .data = t},
    };

    memset(out, 0, sizeof(*out));
    CHECK_OK(qn_dataset_arrays(&data, (int64_t)samples, arrays, 2, NULL));
    CHECK_OK(qn_model_create(&m, dev));
    v = qn_input(m, QN_F32, 3, (int64_t[]){SIDE, SIDE, 1});
    v = qn_conv2d(m, v, &(qn_conv_opt){.filters = 16, .kernel = {3, 3}, .act = QN_RELU});
    v = qn_maxpool2d(m, v, &(qn_pool_opt){.size = {2, 2}});
    v = qn_flatten(m, v);
    v = qn_dropout(m, v, 0.2f, NULL);
    v = qn_dense(m, v, &(qn_dense_opt){.units = 10, .act = QN_SOFTMAX});
    qn_model_output(m, v);
    if (CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_adam(1e-3f),
                                                       .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                       .metrics = {QN_ACCURACY}})))
        CHECK_OK(qn_model_fit(m, data,
                              &(qn_fit_opt){.epochs = 2, .batch = BATCH, .callbacks = &callback, .callback_count = 1}));
    qn_model_destroy(&m);
    qn_dataset_close(&data);
    free(x);
    free(t);
}

static void none(const struct counts *few, const struct counts *many, enum layer_call call)
{
    const int64_t more = many->call[call] - few->call[call];

    if (more)
        test_fail(__FILE__, __LINE__, "%d steps more make %lld calls of %s more", STEPS, (long long)more,
                  layer->name(call));
}

static void steady(void)
{
    const qn_context_opt opt = {.alloc = counting_alloc, .realloc = counting_realloc, .free = plain_free};
    static const enum layer_call never[] = {
        LAYER_CREATE_CONTEXT, LAYER_CREATE_QUEUE,   LAYER_CREATE_BUFFER,  LAYER_CREATE_PROGRAM, LAYER_BUILD_PROGRAM,
        LAYER_CREATE_KERNEL,  LAYER_RELEASE_BUFFER, LAYER_RELEASE_KERNEL, LAYER_SET_KERNEL_ARG, LAYER_MAP,
        LAYER_UNMAP,          LAYER_FINISH,         LAYER_USER_EVENT,     LAYER_BLOCKING};
    struct counts few, many;
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    int64_t reads, waits;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    if (!CHECK_OK(qn_context_create(&ctx, &opt)) || !CHECK_OK(qn_device_open(&dev, ctx, NULL)))
        return;
    dev->long_ns = UINT64_MAX; /* steps are not long, however busy the machine is */
    train(dev, STEPS, &few);
    train(dev, 2 * STEPS, &many);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        none(&few, &many, never[i]);
    CHECK_INT(many.allocations - few.allocations, 0);
    CHECK_INT(few.blas, 0);
    CHECK_INT(many.blas, 0);
    CHECK(few.call[LAYER_ND_RANGE] >= 3 * STEPS);
    CHECK_INT(many.call[LAYER_ND_RANGE], 2 * few.call[LAYER_ND_RANGE]);
    /* Two inputs and the step block each, without waiting. */
    CHECK_INT(many.call[LAYER_WRITE] - few.call[LAYER_WRITE], 3 * STEPS);
    /* Metrics come back a few times a second; a step waits for its slot at most. */
    reads = many.call[LAYER_READ];
    waits = many.call[LAYER_WAIT] - few.call[LAYER_WAIT];
    if (reads > STEPS / 2)
        test_fail(__FILE__, __LINE__, "%d steps read back %lld times", 2 * STEPS, (long long)reads);
    if (waits > STEPS + STEPS / 4)
        test_fail(__FILE__, __LINE__, "%d steps more wait %lld times more", STEPS, (long long)waits);
    for (int i = 0; test_failed() && i < LAYER_CALLS; i++)
        if (many.call[i])
            printf("# %s: %lld, %lld\n", layer->name((enum layer_call)i), (long long)few.call[i],
                   (long long)many.call[i]);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
}

static bool clblast_open(void)
{
    void *library = dlopen("libclblast.so.1", RTLD_LAZY | RTLD_NOLOAD);

    if (library)
        dlclose(library);
    return library != NULL;
}

/* What was not opened compiled no program. */
static void unopened(void)
{
    const bool open = clblast_open();

    if (!layer) {
        test_skip("%s", reason);
    } else if (!qni_blas_usable() || !clblast_open()) {
        test_skip("there is no libclblast.so.1");
    } else {
        CHECK(!open);
    }
}

int main(void)
{
    layer = layer_open(&reason);
    test_run("steady: a training step allocates nothing, sets no argument, waits for nothing but its slot", steady);
    test_run("steady: CLBlast is not even opened where none of its algorithms runs", unopened);
    return test_end();
}
