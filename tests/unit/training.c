/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What goes with training: perplexity, weights of classes, the best weights put back. */
#include <math.h>

#include "harness/test.h"
#include "model/model.h"

/* ---- perplexity ---- */

enum { N = 5, T = 3, V = 4 };

struct perplexity { bool dense, logits, masked, weighted; };

/* e to the mean of -log p over the steps that count. */
static double reference(const struct perplexity *c, float (*x)[T][V], int32_t (*target)[T], const float *weight)
{
    double sum = 0, count = 0;

    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++) {
            const double w = c->masked && t >= 1 + n % T ? 0 : c->weighted ? (double)weight[n] : 1;
            double all = 0;

            for (int k = 0; k < V; k++)
                all += c->logits ? exp((double)x[n][t][k]) : (double)x[n][t][k];
            sum -= w * log((c->logits ? exp((double)x[n][t][target[n][t]]) : (double)x[n][t][target[n][t]]) / all);
            count += w;
        }
    return exp(sum / count);
}

/* Above 0; probabilities add up to 1. */
static void make_outputs(float (*x)[T][V], bool probabilities)
{
    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++) {
            float sum = 0;

            for (int k = 0; k < V; k++)
                sum += x[n][t][k] = 1.1f + (float)test_uniform();
            for (int k = 0; k < V && probabilities; k++)
                x[n][t][k] /= sum;
        }
}

static void perplexity(void)
{
    static const struct perplexity cases[] = { { 0, 0, 0, 0 }, { 0, 1, 0, 0 }, { 1, 1, 0, 0 }, { 0, 1, 1, 0 },
                                               { 1, 0, 0, 1 }, { 0, 1, 1, 1 } };
    float x[N][T][V], hot[N][T][V], weight[N];
    int32_t target[N][T];

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        const struct perplexity *c = &cases[i];
        qn_model *m = NULL;
        double want, got;
        qn_logs logs;
        qn_val v;

        if (!test_device() || !CHECK_OK(qn_model_create(&m, test_device())))
            return;
        memset(hot, 0, sizeof(hot));
        make_outputs(x, !c->logits);
        for (int n = 0; n < N; n++) {
            weight[n] = 1.5f + (float)test_uniform();
            for (int t = 0; t < T; t++) {
                target[n][t] = (n * 7 + t * 3) % V;
                hot[n][t][target[n][t]] = 1;
                for (int k = 0; k < V && c->masked && t >= 1 + n % T; k++)
                    x[n][t][k] = 9;
            }
        }
        want = reference(c, x, target, weight);
        v = qn_input(m, QN_F32, 2, (int64_t[]){ T, V });
        if (c->masked)
            v = qn_masking(m, v, 9);
        qn_model_output(m, qn_activation(m, v, QN_LINEAR, NULL));
        CHECK_OK(qn_model_compile(m, &(qn_compile_opt){
            .from_logits = c->logits, .label_smoothing = c->dense ? 0.1f : 0.0f, .weighted_metrics = c->weighted,
            .loss = c->dense ? QN_CATEGORICAL_CROSSENTROPY : QN_SPARSE_CATEGORICAL_CROSSENTROPY,
            .metrics = { QN_ACCURACY, QN_PERPLEXITY } }));
        if (!test_failed() && CHECK_OK(qn_model_test_batch(m, (const void *[]){ x },
                                                           (const void *[]){ c->dense ? (void *)hot : (void *)target },
                                                           c->weighted ? weight : NULL, N, &logs))) {
            got = qn_logs_get(&logs, "perplexity");
            if (!(fabs(got - want) < 1e-5 * want))
                test_fail(__FILE__, __LINE__, "case %zu: perplexity %.9g, expected %.9g", i, got, want);
        }
        qn_model_destroy(&m);
    }
}

static void no_perplexity(void)
{
    qn_model *m = NULL;
    qn_val v;

    if (!test_device() || !CHECK_OK(qn_model_create(&m, test_device())))
        return;
    v = qn_input(m, QN_F32, 1, (int64_t[]){ 3 });
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = 2 }));
    CHECK_STATUS(qn_model_compile(m, &(qn_compile_opt){ .loss = QN_MSE, .metrics = { QN_PERPLEXITY } }), QN_E_ARG,
                 "perplexity does not fit");
    qn_model_destroy(&m);
}

/* ---- a classifier ---- */

enum { SAMPLES = 22, D = 3, CLASSES = 3, BATCH = 4 };

static float points[SAMPLES][D], weights[SAMPLES], hot[SAMPLES][CLASSES];
static int32_t classes[SAMPLES];

static qn_model *classifier(bool dense)
{
    qn_model *m = NULL;
    qn_val v;

    if (!test_device() || !CHECK_OK(qn_model_create(&m, test_device())))
        return NULL;
    v = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = CLASSES }));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){
        .optimizer = qn_sgd(0.3f), .from_logits = true, .seed = 4,
        .loss = dense ? QN_CATEGORICAL_CROSSENTROPY : QN_SPARSE_CATEGORICAL_CROSSENTROPY }));
    return m;
}

/* The same points with classes as numbers or distributions, and with or without weights. */
static qn_dataset *data(bool dense, bool weighted)
{
    const qn_array arrays[3] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { 1, { D } } }, .data = points },
        { .field = { .role = QN_FIELD_TARGET, .dtype = dense ? QN_F32 : QN_I32, .shape = { dense, { CLASSES } } },
          .data = dense ? (void *)hot : (void *)classes },
        { .field = { .role = QN_FIELD_WEIGHT, .dtype = QN_F32 }, .data = weights },
    };
    qn_dataset *ds = NULL;

    CHECK_OK(qn_dataset_arrays(&ds, SAMPLES, arrays, weighted ? 3 : 2, NULL));
    return ds;
}

static void make_points(void)
{
    memset(hot, 0, sizeof(hot));
    for (int i = 0; i < SAMPLES; i++) {
        classes[i] = i * 5 % CLASSES;
        hot[i][classes[i]] = 1;
        for (int k = 0; k < D; k++)
            points[i][k] = (float)test_uniform() + (k == classes[i]);
    }
}

static void kernel(qn_model *m, float to[D * CLASSES])
{
    CHECK_OK(qn_model_weight_read(m, 0, to, D * CLASSES * sizeof(*to)));
}

/* Weights of classes do what the same weights of samples do. */
static void class_weights(void)
{
    const float of_class[CLASSES] = { 0.5f, 2, 5 }, own[2] = { 1, 0.25f };

    for (int c = 0; c < 4; c++) {
        const bool dense = c & 1, weighted = c & 2;
        float a[D * CLASSES], b[D * CLASSES];
        qn_model *by_class = classifier(dense), *by_sample = classifier(dense);
        qn_dataset *ds, *all;

        if (!by_class || !by_sample)
            return;
        make_points();
        for (int i = 0; i < SAMPLES; i++)
            weights[i] = own[i & 1];
        ds = data(dense, weighted);
        CHECK_OK(qn_model_fit(by_class, ds, &(qn_fit_opt){ .epochs = 2, .batch = BATCH, .class_weight = of_class,
                                                           .classes = CLASSES }));
        for (int i = 0; i < SAMPLES; i++)
            weights[i] = of_class[classes[i]] * (weighted ? own[i & 1] : 1);
        all = data(dense, true);
        CHECK_OK(qn_model_fit(by_sample, all, &(qn_fit_opt){ .epochs = 2, .batch = BATCH }));
        kernel(by_class, a);
        kernel(by_sample, b);
        CHECK(!memcmp(a, b, sizeof(a)));
        CHECK_STATUS(qn_model_fit(by_class, ds, &(qn_fit_opt){ .class_weight = of_class, .classes = 2 }), QN_E_ARG,
                     dense ? "do not fit" : "there are weights of 2");
        qn_dataset_close(&ds);
        qn_dataset_close(&all);
        qn_model_destroy(&by_class);
        qn_model_destroy(&by_sample);
    }
}

/* ---- early stopping ---- */

struct record { float kernel[8][D * CLASSES]; int epochs; };

static qn_status note(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    struct record *r = user;

    (void)stop;
    if (p->event == QN_EVENT_EPOCH_END && r->epochs < 8)
        kernel(m, r->kernel[r->epochs++]);
    return QN_OK;
}

/* The loss falls, and where larger is better the first epoch stays the best. */
static void best_weights(void)
{
    for (int restore = 0; restore < 2; restore++) {
        struct record r = { .epochs = 0 };
        qn_callback cb[2] = { { .call = note, .user = &r } };
        qn_model *m = classifier(false);
        float now[D * CLASSES];
        qn_dataset *ds;

        if (!m)
            return;
        make_points();
        ds = data(false, false);
        CHECK_OK(qn_early_stopping(&cb[1], m, &(qn_early_stopping_opt){ .monitor = "loss", .larger_is_better = true,
                                                                        .patience = 2, .restore_best = restore }));
        CHECK_OK(qn_model_fit(m, ds, &(qn_fit_opt){ .epochs = 8, .batch = SAMPLES, .callbacks = cb, .callback_count = 2 }));
        CHECK_INT(r.epochs, 3);
        kernel(m, now);
        CHECK(!memcmp(now, r.kernel[restore ? 0 : 2], sizeof(now)));
        CHECK(memcmp(r.kernel[0], r.kernel[2], sizeof(now)));
        qn_callback_close(&cb[1]);
        qn_dataset_close(&ds);
        qn_model_destroy(&m);
    }
}

int main(void)
{
    test_run("training: perplexity", perplexity);
    test_run("training: a loss without perplexity", no_perplexity);
    test_run("training: weights of classes", class_weights);
    test_run("training: the best weights are put back", best_weights);
    return test_end();
}
