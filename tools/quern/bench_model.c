/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#include "model/model.h"

#define CLASSES 10

struct work {
    struct bench *b;
    qn_model *m;
    float *x, *y;            /* [batch, sample], [batch, CLASSES] */
    int32_t *label;
    int64_t batch;
};

static qn_status train(void *user)
{
    struct work *w = user;
    qn_status st = qn_model_train_batch(w->m, (const void *[]){ w->x }, (const void *[]){ w->label }, NULL, w->batch,
                                        NULL);

    return st ? st : qn_device_finish(w->b->dev);
}

static qn_status infer(void *user)
{
    struct work *w = user;

    return qn_model_predict(w->m, (const void *[]){ w->x }, w->batch, (void *[]){ w->y }, (int)w->batch);
}

static void free_work(struct work *w)
{
    qn_model_destroy(&w->m);
    free(w->x);
    free(w->y);
    free(w->label);
}

/* Random samples and labels. */
static qn_status make_data(struct work *w, struct bench *b, const qn_shape *sample, int64_t batch)
{
    size_t n = (size_t)batch;

    memset(w, 0, sizeof(*w));
    w->b = b;
    w->batch = batch;
    for (int i = 0; i < sample->rank; i++)
        n *= (size_t)sample->dim[i];
    w->x = malloc(n * sizeof(*w->x));
    w->y = malloc((size_t)batch * CLASSES * sizeof(*w->y));
    w->label = malloc((size_t)batch * sizeof(*w->label));
    if (!w->x || !w->y || !w->label)
        return qn_error_set(QN_E_HOST_MEMORY, "no memory for a batch");
    bench_fill(w->x, n);
    for (int64_t i = 0; i < batch; i++)
        w->label[i] = (int32_t)(i % CLASSES);
    return QN_OK;
}

static qn_status make_work(struct work *w, struct bench *b, const char *model, const qn_shape *sample, int64_t batch)
{
    qn_status st = make_data(w, b, sample, batch);

    if (!st && !(st = models_build(&w->m, b->dev, model, sample, CLASSES)))
        st = models_compile(w->m, model, CLASSES, 0.0f, 0, 0);
    return st;
}

static qn_status measure(struct bench *b, struct work *w, const char *workload, bool training, int64_t batch)
{
    struct figure f = { .workload = workload, .phase = training ? "train" : "infer", .batch = batch };
    char title[64];
    qn_status st;

    w->batch = batch;
    /* The first run makes the plan, which knows its work. */
    if ((st = training ? train(w) : infer(w)))
        return st;
    for (int i = 0; i < w->m->plans; i++)
        if (w->m->plan[i].rows == batch && w->m->plan[i].mode == (training ? QNI_MODE_TRAIN : QNI_MODE_PREDICT))
            f.flops = (double)w->m->plan[i].plan->flops;
    if ((st = bench_measure(b, &f, training ? train : infer, w)))
        return st;
    snprintf(title, sizeof(title), "%s %s, batch %lld", workload, f.phase, (long long)batch);
    if (b->profile)
        profile_model(stdout, w->m, title);
    return QN_OK;
}

qn_status bench_cnn(struct bench *b)
{
    const qn_shape sample = { 3, { 28, 28, 1 } };
    int64_t batch = b->batch ? b->batch : 64;
    struct work w;
    qn_status st = make_work(&w, b, "cnn", &sample, batch);

    if (!st)
        st = measure(b, &w, "cnn", true, batch);
    if (!st)
        st = measure(b, &w, "cnn", false, batch);
    if (!st && !b->batch)
        st = measure(b, &w, "cnn", false, 1);
    free_work(&w);
    return st;
}

/* ---- recurrent networks: 28 steps of 28 numbers, ten classes ---- */

static qn_val stacked(qn_model *m, qn_val x)
{
    x = qn_lstm(m, x, &(qn_rnn_opt){ .units = 128, .return_sequences = true });
    return qn_lstm(m, x, &(qn_rnn_opt){ .units = 128 });
}

static qn_val both_ways(qn_model *m, qn_val x)
{
    return qn_bidirectional(m, x, qn_gru, &(qn_rnn_opt){ .units = 128 }, QN_MERGE_CONCAT, NULL);
}

static qn_val wide(qn_model *m, qn_val x)
{
    return qn_lstm(m, x, &(qn_rnn_opt){ .units = 512 });
}

static qn_status make_recurrent(struct work *w, struct bench *b, qn_val (*layers)(qn_model *m, qn_val x), int64_t batch)
{
    const qn_shape sample = { 2, { 28, 28 } };
    qn_status st = make_data(w, b, &sample, batch);
    qn_val x;

    if (st || (st = qn_model_create(&w->m, b->dev)))
        return st;
    x = layers(w->m, qn_input(w->m, QN_F32, sample.rank, sample.dim));
    qn_model_output(w->m, qn_dense(w->m, x, &(qn_dense_opt){ .units = CLASSES, .act = QN_SOFTMAX }));
    return models_compile(w->m, "", CLASSES, 0.0f, 0, 0);
}

static qn_status recurrent(struct bench *b, const char *name, qn_val (*layers)(qn_model *m, qn_val x))
{
    const int64_t batch = b->batch ? b->batch : 64;
    struct work w;
    qn_status st = make_recurrent(&w, b, layers, batch);

    if (!st)
        st = measure(b, &w, name, true, batch);
    if (!st)
        st = measure(b, &w, name, false, batch);
    if (!st && !b->batch)
        st = measure(b, &w, name, false, 1);
    free_work(&w);
    return st;
}

qn_status bench_lstm(struct bench *b)
{
    return recurrent(b, "lstm", stacked);
}

qn_status bench_bigru(struct bench *b)
{
    return recurrent(b, "bigru", both_ways);
}

qn_status bench_lstm512(struct bench *b)
{
    return recurrent(b, "lstm512", wide);
}

qn_status bench_convstack(struct bench *b)
{
    const qn_shape sample = { 3, { 32, 32, 3 } };
    int64_t batch = b->batch ? b->batch : 32;
    struct work w;
    qn_status st = make_work(&w, b, "convstack", &sample, batch);

    if (!st)
        st = measure(b, &w, "convstack", true, batch);
    if (!st)
        st = measure(b, &w, "convstack", false, batch);
    free_work(&w);
    return st;
}

#define CHARACTERS 65

qn_status bench_gpt(struct bench *b)
{
    const qn_shape sample = { 1, { DATASET_TEXT_LENGTH } };
    const int64_t batch = b->batch ? b->batch : 16, n = batch * DATASET_TEXT_LENGTH;
    struct work w = { .b = b, .batch = batch };
    int32_t *text;
    qn_status st;

    w.x = malloc((size_t)n * sizeof(*w.x)); /* numbers of characters: four bytes as well */
    w.label = malloc((size_t)n * sizeof(*w.label));
    if (!w.x || !w.label) {
        st = qn_error_set(QN_E_HOST_MEMORY, "no memory for a batch");
        goto done;
    }
    text = (int32_t *)(void *)w.x;
    for (int64_t i = 0; i < n; i++) {
        text[i] = (int32_t)(i * 7919 % CHARACTERS);
        w.label[i] = (int32_t)((i + 1) * 7919 % CHARACTERS);
    }
    if (!(st = models_build(&w.m, b->dev, "gpt", &sample, CHARACTERS)) &&
        !(st = models_compile(w.m, "gpt", CHARACTERS, 0.0f, 0, 0)))
        st = measure(b, &w, "gpt", true, batch);
done:
    free_work(&w);
    return st;
}

qn_status bench_steps(struct bench *b, int64_t steps)
{
    const qn_shape sample = { 3, { 28, 28, 1 } };
    struct work w = { 0 };
    uint64_t peak = 0;
    qn_status st;

    if (!(st = open_rounding_device(&b->ctx, &b->dev, b->select, b->matmul)) && !(st = qn_device_get_info(b->dev, &b->device)))
        st = make_work(&w, b, "cnn", &sample, b->batch ? b->batch : 64);
    for (int64_t i = 0; i < steps && !st; i++)
        st = train(&w);
    if (!st)
        st = qn_device_memory(b->dev, NULL, &peak);
    if (!st) {
        printf("%llu %s\n", (unsigned long long)peak, b->device.name);
        fflush(stdout);
    }
    free_work(&w);
    return st;
}
