/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Launches that take longer than the context allows are made in pieces: the same weights to the bit, and a training that is
 * cancelled ends in the middle of a step, which then does not count; so does one of long steps without a limit. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "layer.h"
#include "model/model.h"
#include "test.h"

#define BATCH 512
#define WIDE  384
#define STEPS 4

static const struct layer *layer;
static const char *reason;
static float x[BATCH][WIDE], y[BATCH][1], weights[WIDE * WIDE];

static qn_dataset *open_data(void)
{
    const qn_array array[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {1, {WIDE}}}, x}, {{NULL, QN_FIELD_TARGET, QN_F32, {1, {1}}}, y}};
    qn_dataset *ds = NULL;

    for (int i = 0; i < BATCH; i++) {
        for (int k = 0; k < WIDE; k++)
            x[i][k] = (float)test_uniform();
        y[i][0] = x[i][0] * x[i][1];
    }
    CHECK_OK(qn_dataset_arrays(&ds, BATCH, array, 2, NULL));
    return ds;
}

static qn_model *build(int launch_ms)
{
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_val v;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.launch_ms = launch_ms}));
    if (CHECK_OK(qn_device_open(&dev, ctx, NULL)) && CHECK_OK(qn_model_create(&m, dev))) {
        v = qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){WIDE}), &(qn_dense_opt){.units = WIDE, .act = QN_RELU});
        v = qn_dropout(m, qn_dense(m, v, &(qn_dense_opt){.units = WIDE, .act = QN_RELU}), 0.1f, NULL);
        qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){.units = 1}));
        CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_sgd(1e-2f), .loss = QN_MSE, .seed = 3}));
    }
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    return m;
}

/* Kernels of some steps of a batch, and a hash of what they made of the second layer's weights. */
static int64_t train(qn_model *m, qn_dataset *ds, int steps, uint64_t *bits)
{
    layer->reset();
    CHECK_OK(qn_model_fit(m, ds, &(qn_fit_opt){.epochs = steps, .batch = BATCH, .no_shuffle = true}));
    CHECK_OK(qn_model_weight_read(m, 2, weights, sizeof(weights)));
    *bits = qni_hash(QNI_HASH_START, weights, sizeof(weights));
    return layer->count(LAYER_ND_RANGE);
}

static void same_bits(void)
{
    qn_dataset *ds;
    qn_model *m[2];
    uint64_t bits[2] = {0, 1};
    int64_t launches[2], waits[2];

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    ds = open_data();
    for (int i = 0; i < 2; i++)
        m[i] = build(i ? 1 : -1);
    /* The second time it is known how to cut, and nothing more is waited for. */
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 2; i++) {
            launches[i] = train(m[i], ds, STEPS, &bits[i]);
            waits[i] = layer->count(LAYER_FINISH);
        }
        CHECK(bits[0] == bits[1]);
        if (launches[1] <= launches[0] || (waits[1] > waits[0]) == again)
            test_fail(__FILE__, __LINE__, "%d launches and %d waits, whole %d and %d", (int)launches[1], (int)waits[1],
                      (int)launches[0], (int)waits[0]);
    }
    for (int i = 0; i < 2; i++)
        qn_model_destroy(&m[i]);
    qn_dataset_close(&ds);
}

/* Of the process, on all its cores: what others do meanwhile does not count. */
static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define FEW 10
static int64_t launches_first = FEW; /* before it is cancelled */
static double cancelled;

static void *cancel_later(void *m)
{
    const int64_t launches = layer->count(LAYER_ND_RANGE);

    while (layer->count(LAYER_ND_RANGE) < launches + launches_first)
        usleep(1000);
    cancelled = cpu_seconds();
    qn_model_cancel(m);
    return NULL;
}

static void cancel(void)
{
    const double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    qn_dataset *ds;
    qn_model *m[2];
    uint64_t want = 0, got = 1;
    pthread_t thread;
    qn_status st = QN_OK;
    int steps;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    ds = open_data();
    m[0] = build(-1);
    m[1] = build(1);
    for (int i = 0; i < 3 && !test_failed(); i++) {
        CHECK_INT(pthread_create(&thread, NULL, cancel_later, m[1]), 0);
        CHECK_STATUS(qn_model_fit(m[1], ds, &(qn_fit_opt){.epochs = 1000, .batch = BATCH, .no_shuffle = true}), QN_E_CANCELLED,
                     "cancelled");
        CHECK((cpu_seconds() - cancelled) / cores < 0.1);
        pthread_join(thread, NULL);
    }
    steps = (int)m[1]->step + 1;
    train(m[1], ds, 1, &got);
    train(m[0], ds, steps, &want);
    CHECK(m[0]->step == m[1]->step && want == got);
    /* A prediction may be at its end before it is cancelled. */
    for (int i = 0; i < 20 && !st; i++) {
        CHECK_INT(pthread_create(&thread, NULL, cancel_later, m[1]), 0);
        st = qn_model_predict(m[1], (const void *[]){x}, BATCH, (void *[]){weights}, 1);
        pthread_join(thread, NULL);
    }
    CHECK_STATUS(st, QN_E_CANCELLED, "cancelled");
    CHECK_OK(qn_model_predict(m[1], (const void *[]){x}, BATCH, (void *[]){weights}, BATCH));
    for (int i = 0; i < 2; i++)
        qn_model_destroy(&m[i]);
    qn_dataset_close(&ds);
}

#define LARGE  768
#define LAYERS 12

/* Steps of more than 100 ms, of which two are on their way without a limit. */
static void cancel_long(void)
{
    static float samples[8 * LARGE][LARGE], targets[8 * LARGE][1];
    const qn_array array[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {1, {LARGE}}}, samples},
                              {{NULL, QN_FIELD_TARGET, QN_F32, {1, {1}}}, targets}};
    const double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_dataset *ds = NULL;
    qn_model *m = NULL;
    double after;
    pthread_t thread;
    qn_val v;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.launch_ms = -1}));
    if (!CHECK_OK(qn_device_open(&dev, ctx, NULL)) || !CHECK_OK(qn_model_create(&m, dev)))
        goto done;
    v = qn_input(m, QN_F32, 1, (int64_t[]){LARGE});
    for (int i = 0; i < LAYERS; i++)
        v = qn_dense(m, v, &(qn_dense_opt){.units = LARGE, .act = QN_TANH});
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){.units = 1}));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_sgd(1e-3f), .loss = QN_MSE}));
    CHECK_OK(qn_dataset_arrays(&ds, 8 * LARGE, array, 2, NULL));
    for (int i = 0; i < 3 && !test_failed(); i++) {
        const uint64_t steps = m->step;

        launches_first = 5 * LAYERS * 4;
        CHECK_INT(pthread_create(&thread, NULL, cancel_later, m), 0);
        CHECK_STATUS(qn_model_fit(m, ds, &(qn_fit_opt){.epochs = 1000, .batch = LARGE, .no_keep = true}), QN_E_CANCELLED,
                     "cancelled");
        after = (cpu_seconds() - cancelled) / cores;
        if (after >= 0.1 || m->step - steps < 4)
            test_fail(__FILE__, __LINE__, "%.3f s after it was cancelled, in step %d", after, (int)(m->step - steps) + 1);
        pthread_join(thread, NULL);
    }
done:
    launches_first = FEW;
    qn_model_destroy(&m);
    qn_dataset_close(&ds);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
}

int main(void)
{
    layer = layer_open(&reason);
    test_run("pieces: the same bits as whole", same_bits);
    test_run("pieces: a training is cancelled within a step", cancel);
    test_run("pieces: a training is cancelled within a long step without a limit", cancel_long);
    return test_end();
}
