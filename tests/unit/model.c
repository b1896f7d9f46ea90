/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Models: building and its mistakes, training, saving, several inputs. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/model.h"
#include "model_tests.h"

#define N 96
#define D 6

static float x[N][D], y[N];
static int32_t t[N];

/* Three classes by the larger of two sums. */
static void make_data(void)
{
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < D; k++)
            x[i][k] = (float)test_uniform();
        t[i] = x[i][0] + x[i][1] > 0.3f ? 0 : x[i][2] > x[i][3] ? 1 : 2;
        y[i] = x[i][0] - 2 * x[i][4];
    }
}

static qn_dataset *dataset(void)
{
    qn_array a[2] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { .rank = 1, .dim = { D } } }, .data = x },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_I32 }, .data = t },
    };
    qn_dataset *ds = NULL;

    CHECK_OK(qn_dataset_arrays(&ds, N, a, 2, NULL));
    return ds;
}

static qn_model *classifier(qn_device *dev, float dropout)
{
    qn_model *m = NULL;
    qn_val v;

    CHECK_OK(qn_model_create(&m, dev));
    v = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 17, .act = QN_TANH, .kernel_l2 = 1e-4f });
    if (dropout > 0)
        v = qn_dropout(m, v, dropout, NULL);
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 3, .act = QN_SOFTMAX });
    qn_model_output(m, v);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.02f), .seed = 7,
                                                    .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                    .metrics = { QN_ACCURACY } }));
    return m;
}

static void learns(void)
{
    qn_device *dev = test_device();
    qn_model *m;
    qn_dataset *ds;
    qn_history *h = NULL;
    qn_logs logs;
    float *p;

    if (!dev)
        return;
    make_data();
    m = classifier(dev, 0);
    ds = dataset();
    CHECK_OK(qn_model_fit_history(m, ds, &(qn_fit_opt){ .epochs = 40, .batch = 20, .validation_split = 0.25 }, &h));
    CHECK(h && h->epochs == 40 && h->steps == 40 * 4);
    CHECK(h && qn_logs_get(&h->epoch[39], "loss") < 0.4 * qn_logs_get(&h->epoch[0], "loss"));
    CHECK(h && qn_logs_get(&h->epoch[39], "val_accuracy") > 0.6);
    CHECK_OK(qn_model_evaluate(m, ds, 7, &logs));
    CHECK(qn_logs_get(&logs, "accuracy") > 0.85);
    /* Predictions are what evaluate counted, whatever the batch. */
    p = calloc(N * 3, sizeof(*p));
    CHECK_OK(qn_model_predict(m, (const void *[]){ x }, N, (void *[]){ p }, 13));
    int right = 0;
    for (int i = 0; i < N; i++) {
        int best = 0;

        for (int k = 1; k < 3; k++)
            best = p[3 * i + k] > p[3 * i + best] ? k : best;
        right += best == t[i];
        CHECK(fabsf(p[3 * i] + p[3 * i + 1] + p[3 * i + 2] - 1.0f) < 1e-5f);
    }
    CHECK(fabs((double)right / N - qn_logs_get(&logs, "accuracy")) < 1e-6);
    free(p);
    qn_history_free(&h, m);
    qn_dataset_close(&ds);
    qn_model_destroy(&m);
}

static void weights_of(qn_model *m, int i, float *to, size_t room)
{
    qn_shape s;

    CHECK_OK(qn_model_weight_info(m, i, NULL, &s, NULL));
    CHECK(qni_elements(&s) * (int64_t)sizeof(float) <= (int64_t)room);
    CHECK_OK(qn_model_weight_read(m, i, to, (size_t)qni_elements(&s) * sizeof(float)));
}

static void resumes(void)
{
    qn_device *dev = test_device();
    qn_model *whole, *first, *second = NULL;
    qn_dataset *ds;
    float a[256], b[256];
    char path[64];

    if (!dev)
        return;
    make_data();
    snprintf(path, sizeof(path), "/tmp/quern-model-%ld.qn", (long)getpid());
    ds = dataset();
    whole = classifier(dev, 0.3f);
    first = classifier(dev, 0.3f);
    CHECK_OK(qn_model_fit(whole, ds, &(qn_fit_opt){ .epochs = 4, .batch = 32 }));
    CHECK_OK(qn_model_fit(first, ds, &(qn_fit_opt){ .epochs = 2, .batch = 32 }));
    CHECK_OK(qn_model_save(first, path));
    CHECK_OK(qn_model_load(&second, dev, path));
    if (second) {
        CHECK_OK(qn_model_fit(second, ds, &(qn_fit_opt){ .epochs = 2, .batch = 32 }));
        CHECK_INT(qn_model_weights(second), qn_model_weights(whole));
        for (int i = 0; i < qn_model_weights(whole); i++) {
            memset(a, 0, sizeof(a));
            memset(b, 0, sizeof(b));
            weights_of(whole, i, a, sizeof(a));
            weights_of(second, i, b, sizeof(b));
            if (memcmp(a, b, sizeof(a)))
                test_fail(__FILE__, __LINE__, "weight %d differs after resuming", i);
        }
    }
    unlink(path);
    qn_model_destroy(&whole);
    qn_model_destroy(&first);
    qn_model_destroy(&second);
    qn_dataset_close(&ds);
}

/* Two inputs, a shared layer, a residual, two outputs with losses of their own. */
static void many(void)
{
    qn_device *dev = test_device();
    qn_model *m = NULL;
    qn_val a, b, s, r;
    qn_logs first = { 0 }, last = { 0 };

    if (!dev)
        return;
    make_data();
    CHECK_OK(qn_model_create(&m, dev));
    a = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    b = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    r = qn_dense(m, a, &(qn_dense_opt){ .units = 8, .act = QN_RELU, .name = "shared" });
    s = qn_dense(m, b, &(qn_dense_opt){ .units = 8, .act = QN_RELU, .reuse = "shared" });
    s = qn_add(m, (qn_val[]){ r, s }, 2);
    s = qn_concatenate(m, (qn_val[]){ s, a, b }, 3, NULL);
    qn_model_output(m, qn_dense(m, s, &(qn_dense_opt){ .units = 3 }));
    qn_model_output(m, qn_dense(m, s, &(qn_dense_opt){ .units = 1 }));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){
        .optimizer = qn_sgd_momentum(0.05f, 0.9f, true), .from_logits = true,
        .losses = { QN_SPARSE_CATEGORICAL_CROSSENTROPY, QN_MSE }, .loss_weights = { 1.0f, 0.5f } }));
    CHECK_INT(qn_model_weights(m), 6);
    for (int i = 0; i < 60; i++)
        CHECK_OK(qn_model_train_batch(m, (const void *[]){ x, x }, (const void *[]){ t, y }, NULL, N, i ? &last : &first));
    CHECK(qn_logs_get(&last, "loss") < 0.5 * qn_logs_get(&first, "loss"));
    CHECK(fabs(qn_logs_get(&last, "loss") - qn_logs_get(&last, "output_0_loss") -
               0.5 * qn_logs_get(&last, "output_1_loss")) < 1e-5);
    qn_model_destroy(&m);
}

/* The metric of an output is what its predictions say, before and after saving. */
static void check_output_metrics(qn_model *m)
{
    static float p[N][3], q[N];
    double right = 0, square = 0, absolute = 0;
    qn_logs logs = { 0 };

    CHECK_OK(qn_model_predict(m, (const void *[]){ x }, N, (void *[]){ p, q }, N));
    for (int i = 0; i < N; i++) {
        int best = 0;

        for (int c = 1; c < 3; c++)
            best = p[i][c] > p[i][best] ? c : best;
        right += best == t[i];
        square += (q[i] - y[i]) * (q[i] - y[i]);
        absolute += fabs(q[i] - y[i]);
    }
    CHECK_OK(qn_model_test_batch(m, (const void *[]){ x }, (const void *[]){ t, y }, NULL, N, &logs));
    CHECK_INT(logs.n, 7);
    CHECK(fabs(qn_logs_get(&logs, "top_k") - 1) < 1e-6); /* metrics keeps its plain names */
    CHECK(fabs(qn_logs_get(&logs, "output_0_accuracy") - right / N) < 1e-6);
    CHECK(fabs(qn_logs_get(&logs, "output_1_mae") - absolute / N) < 1e-5 * (1 + absolute / N));
    CHECK(fabs(qn_logs_get(&logs, "output_1_rmse") - sqrt(square / N)) < 1e-5 * (1 + square / N));
}

/* Metrics by output, their names in history and log, and that a file keeps them. */
static void output_metrics(void)
{
    const qn_array array[3] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { .rank = 1, .dim = { D } } }, .data = x },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_I32 }, .data = t },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_F32, .shape = { .rank = 1, .dim = { 1 } } }, .data = y },
    };
    qn_device *dev = test_device();
    qn_model *m = NULL, *loaded = NULL;
    qn_dataset *ds = NULL;
    qn_history *h = NULL;
    qn_callback log;
    char path[64], line[256] = "";
    FILE *f;
    qn_val v;

    if (!dev)
        return;
    make_data();
    snprintf(path, sizeof(path), "/tmp/quern-outputs-%ld", (long)getpid());
    unlink(path);
    CHECK_OK(qn_model_create(&m, dev));
    v = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = 3, .act = QN_SOFTMAX }));
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = 1 }));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){
        .optimizer = qn_sgd(0.1f), .losses = { QN_SPARSE_CATEGORICAL_CROSSENTROPY, QN_MSE }, .metrics = { QN_TOP_K }, .top_k = 3,
        .output_metrics = { { QN_ACCURACY }, { QN_METRIC_MAE, QN_METRIC_RMSE } } }));
    check_output_metrics(m);
    CHECK_OK(qn_dataset_arrays(&ds, N, array, 3, NULL));
    CHECK_OK(qn_csv_log(&log, m, path));
    CHECK_OK(qn_model_fit_history(m, ds, &(qn_fit_opt){ .batch = N, .validation = ds, .callbacks = &log, .callback_count = 1 },
                                  &h));
    qn_callback_close(&log);
    CHECK(h && qn_logs_get(&h->epoch[0], "val_output_1_mae") > 0);
    f = fopen(path, "r");
    CHECK(f && fgets(line, sizeof(line), f));
    CHECK(strstr(line, ",output_0_accuracy,output_1_mae,output_1_rmse,val_loss,"));
    CHECK(strstr(line, ",val_output_1_rmse\n"));
    if (f)
        fclose(f);
    CHECK_OK(qn_model_save(m, path));
    CHECK_OK(qn_model_load(&loaded, dev, path));
    check_output_metrics(loaded);
    unlink(path);
    qn_history_free(&h, m);
    qn_dataset_close(&ds);
    qn_model_destroy(&loaded);
    qn_model_destroy(&m);
}

static void mistakes(void)
{
    qn_device *dev = test_device();
    qn_dataset *ds;
    qn_model *m = NULL;
    qn_val v;

    if (!dev)
        return;
    make_data();
    ds = dataset();
    CHECK_OK(qn_model_create(&m, dev));
    CHECK_STATUS(qn_model_compile(m, NULL), QN_E_STATE, "no output");
    CHECK_STATUS(qn_model_fit(m, ds, NULL), QN_E_STATE, "not compiled");
    v = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    v = qn_conv2d(m, v, &(qn_conv2d_opt){ .filters = 3, .kernel = { 3 } });
    CHECK_INT(v.id, 0);
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 2 });
    qn_model_output(m, v);
    CHECK_STATUS(qn_model_compile(m, NULL), QN_E_SHAPE, "conv2d: the input has shape [None, 6], expected 4 axes");
    qn_model_destroy(&m);

    CHECK_OK(qn_model_create(&m, dev));
    v = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    qn_dense(m, v, &(qn_dense_opt){ .units = 0, .name = "nothing" });
    CHECK_STATUS(qn_model_compile(m, NULL), QN_E_ARG, "nothing: units is 0");
    qn_model_destroy(&m);

    CHECK_OK(qn_model_create(&m, dev));
    v = qn_input(m, QN_F32, 1, (int64_t[]){ D + 1 });
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = 3 }));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_sgd(0.1f), .from_logits = true,
                                                    .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY }));
    CHECK_STATUS(qn_model_fit(m, ds, NULL), QN_E_SHAPE, "field input of the data has shape [6]");
    qn_model_destroy(&m);

    CHECK_OK(qn_model_create(&m, dev));
    qn_model_output(m, qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){ D }), &(qn_dense_opt){ .units = 3 }));
    CHECK_STATUS(qn_model_compile(m, &(qn_compile_opt){ .loss = QN_MSE, .output_metrics = { [1] = { QN_METRIC_MAE } } }),
                 QN_E_ARG, "a metric for output 1, the model has 1 outputs");
    qn_model_destroy(&m);
    qn_dataset_close(&ds);
}

/* The curves as a picture of either kind, where gnuplot is installed; nothing else is left behind. */
static void check_drawn(const qn_model *m)
{
    static const char *const ends[2] = { "png", "svg" }, *const begins[2] = { "\x89PNG\r\n\x1a\n", "<?xml" };

    for (int i = 0; i < 2; i++) {
        char path[64], begin[16] = "";
        qn_status st;
        FILE *f;

        snprintf(path, sizeof(path), "/tmp/quern-curves-%ld.%s", (long)getpid(), ends[i]);
        if ((st = qn_history_plot(m, path)) == QN_E_UNSUPPORTED)
            return;
        CHECK_OK(st);
        f = fopen(path, "rb");
        CHECK(f && fread(begin, 1, sizeof(begin) - 1, f) > 8 && !strncmp(begin, begins[i], strlen(begins[i])));
        if (f)
            fclose(f);
        unlink(path);
    }
}

/* What the run came to is the model's too, and its file's. */
static void recorded(qn_model *m, const qn_history *h)
{
    qn_model *copy = NULL;
    char path[64];

    snprintf(path, sizeof(path), "/tmp/quern-history-%ld.qn", (long)getpid());
    CHECK_OK(qn_model_save(m, path));
    CHECK_OK(qn_model_load(&copy, test_device(), path));
    unlink(path);
    CHECK(qn_model_records(m) == 3 && qn_model_records(copy) == 3 && !qn_model_record(m, 3) && !qn_model_record(m, -1));
    for (int i = 0; i < 3 && qn_model_records(copy) == 3; i++) {
        const qn_record *a = qn_model_record(m, i), *b = qn_model_record(copy, i);

        CHECK(a->epoch == i + 1 && b->epoch == i + 1 && a->lr == b->lr && a->logs.n == h->epoch[i].n && b->logs.n == a->logs.n);
        for (int k = 0; k < a->logs.n; k++) {
            CHECK_STR(b->logs.name[k], h->epoch[i].name[k]);
            CHECK(a->logs.value[k] == h->epoch[i].value[k] && b->logs.value[k] == a->logs.value[k]);
        }
    }
    CHECK_STATUS(qn_history_plot(NULL, "a.svg"), QN_E_ARG, "m or path");
    CHECK_STATUS(qn_history_plot(copy, NULL), QN_E_ARG, "m or path");
    CHECK_STATUS(qn_history_plot(copy, "a.gif"), QN_E_ARG, "a.gif: curves are drawn as .svg or .png");
    check_drawn(copy);
    qn_model_destroy(&copy);
}

static void early(void)
{
    qn_device *dev = test_device();
    qn_callback cb[2] = { { 0 } };
    qn_history *h = NULL;
    qn_dataset *ds;
    qn_model *m;
    char path[64], line[256] = "";
    FILE *f;

    if (!dev)
        return;
    make_data();
    m = classifier(dev, 0);
    ds = dataset();
    snprintf(path, sizeof(path), "/tmp/quern-log-%ld.csv", (long)getpid());
    unlink(path);
    CHECK_OK(qn_early_stopping(&cb[0], m, &(qn_early_stopping_opt){ .patience = 2, .min_delta = 10.0 }));
    CHECK_OK(qn_csv_log(&cb[1], m, path));
    CHECK_OK(qn_model_fit_history(m, ds, &(qn_fit_opt){ .epochs = 20, .validation_split = 0.25, .callbacks = cb,
                                                        .callback_count = 2 }, &h));
    /* The first epoch is the best; two more without improvement end it. */
    CHECK(h && h->epochs == 3 && h->waited >= 0.0 && h->waited <= 1.0);
    recorded(m, h);
    qn_callback_close(&cb[0]);
    qn_callback_close(&cb[1]);
    f = fopen(path, "r");
    CHECK(f && fgets(line, sizeof(line), f));
    CHECK_STR(line, "epoch,loss,accuracy,val_loss,val_accuracy\n");
    if (f)
        fclose(f);
    unlink(path);
    qn_history_free(&h, m);
    qn_dataset_close(&ds);
    qn_model_destroy(&m);
}

int main(void)
{
    test_run("model: a classifier learns, evaluates and predicts", learns);
    test_run("model: training goes on bit for bit after save and load", resumes);
    test_run("model: several inputs and outputs, shared weights", many);
    test_run("model: metrics by output", output_metrics);
    test_run("model: mistakes are named", mistakes);
    test_run("model: early stopping and the CSV log", early);
    test_layer_types();
    test_layer_regular();
    return test_end();
}
