/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Masks of sequences: which layers pass them on, what losses and metrics make of them, and that they are saved. */
#include <math.h>
#include <unistd.h>

#include "harness/test.h"
#include "model/model.h"

#define N 5
#define T 4
#define D 3
#define C 3

static float x[N][T][D];
static int32_t target[N][T];
static bool real_step(int n, int t) { return (n * 3 + t) % 5 < 3 && n != 4; }

/* Padding is 9 throughout; one real step has a 9 in it. */
static void make_data(void)
{
    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++) {
            for (int d = 0; d < D; d++)
                x[n][t][d] = real_step(n, t) ? (float)test_uniform() : 9;
            target[n][t] = (int32_t)test_integer(C);
        }
    x[0][0][1] = 9;
}

static qn_model *begin(qn_val *v)
{
    qn_model *m = NULL;

    if (!test_device())
        return NULL;
    make_data();
    CHECK_OK(qn_model_create(&m, test_device()));
    *v = qn_input(m, QN_F32, 2, (int64_t[]){ T, D });
    return m;
}

static void rules(void)
{
    qn_val plain, a, b, both[2], some[2], y;
    qn_model *m = begin(&plain);

    if (!m)
        return;
    a = qn_masking(m, plain, 9);
    CHECK(qn_mask(m, a).id && !qn_mask(m, plain).id);
    b = qn_set_mask(m, plain, qn_input(m, QN_I32, 1, (int64_t[]){ T }));
    CHECK(qn_mask(m, b).id && qn_mask(m, b).id != qn_mask(m, a).id);
    CHECK(!qn_mask(m, qn_set_mask(m, b, (qn_val){ 0 })).id);
    y = qn_dense(m, a, &(qn_dense_opt){ .units = D });
    y = qn_activation(m, y, QN_TANH, NULL);
    y = qn_prelu(m, y, NULL);
    y = qn_batchnorm(m, y, NULL);
    y = qn_dropout(m, y, 0.5f, NULL);
    CHECK(qn_mask(m, y).id == qn_mask(m, a).id);
    both[0] = y;
    both[1] = b;
    some[0] = a;
    some[1] = plain;
    CHECK(qn_mask(m, qn_add(m, both, 2)).id && qn_mask(m, qn_multiply(m, both, 2)).id);
    CHECK(!qn_mask(m, qn_add(m, some, 2)).id && !qn_mask(m, qn_multiply(m, some, 2)).id);
    CHECK(qn_mask(m, qn_concatenate(m, some, 2, NULL)).id);
    CHECK(!qn_mask(m, qn_flatten(m, a)).id && !qn_mask(m, qn_global_avgpool(m, a, NULL)).id);
    CHECK(!qn_mask(m, qn_maxpool1d(m, a, NULL)).id);
    CHECK(!qn_mask(m, plain).id && qn_mask(m, a).id == qn_mask(m, a).id);
    CHECK_OK(qni_graph_status(m->g));
    qn_set_mask(m, a, qn_input(m, QN_U8, 1, (int64_t[]){ T + 1 }));
    CHECK_STATUS(qni_graph_status(m->g), QN_E_SHAPE, "does not fit");
    qn_model_destroy(&m);
}

/* Mean of the losses of the real steps, and the share of them whose largest output is the target. */
static void expect(const float *p, const float *weight, double *loss, double *accuracy)
{
    double sum = 0, hits = 0, weights = 0;
    int steps = 0;

    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++) {
            const float *row = p + (n * T + t) * C;
            const double w = weight ? (double)weight[n] : 1;
            int best = 0;

            if (!real_step(n, t))
                continue;
            for (int c = 1; c < C; c++)
                best = row[c] > row[best] ? c : best;
            sum -= w * log((double)row[target[n][t]]);
            hits += w * (best == target[n][t]);
            weights += w;
            steps++;
        }
    *loss = sum / steps;
    *accuracy = hits / weights;
}

static void check_logs(const qn_logs *logs, double loss, double accuracy)
{
    CHECK(fabs(qn_logs_get(logs, "loss") - loss) < 1e-5);
    CHECK(fabs(qn_logs_get(logs, "accuracy") - accuracy) < 1e-6);
}

static void losses(void)
{
    const float weight[N] = { 0.5f, 2, 1, 0.25f, 3 };
    const void *in[1] = { x }, *targets[1] = { target };
    float p[N * T * C];
    double loss, accuracy;
    qn_logs logs;
    qn_val v;
    qn_model *m = begin(&v);

    if (!m)
        return;
    v = qn_masking(m, v, 9);
    v = qn_dense(m, v, &(qn_dense_opt){ .units = C, .act = QN_SOFTMAX });
    qn_model_output(m, v);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY, .metrics = { QN_ACCURACY },
                                                    .optimizer = qn_sgd(0.1f), .seed = 3, .weighted_metrics = true }));
    CHECK_OK(qn_model_predict(m, in, N, (void *[]){ p }, 0));
    expect(p, NULL, &loss, &accuracy);
    CHECK_OK(qn_model_test_batch(m, in, targets, NULL, N, &logs));
    check_logs(&logs, loss, accuracy);
    expect(p, weight, &loss, &accuracy);
    CHECK_OK(qn_model_test_batch(m, in, targets, weight, N, &logs));
    check_logs(&logs, loss, accuracy);
    for (int i = 0; i < 30; i++)
        CHECK_OK(qn_model_train_batch(m, in, targets, NULL, N, &logs));
    CHECK_OK(qn_model_predict(m, in, N, (void *[]){ p }, 0));
    expect(p, NULL, &loss, &accuracy);
    CHECK_OK(qn_model_test_batch(m, in, targets, NULL, N, &logs));
    check_logs(&logs, loss, accuracy);
    /* Nothing but padding: no loss, and nothing to learn. */
    for (int i = 0; i < N * T * D; i++)
        (&x[0][0][0])[i] = 9;
    CHECK_OK(qn_model_train_batch(m, in, targets, NULL, N, &logs));
    CHECK(qn_logs_get(&logs, "loss") == 0);
    make_data();
    CHECK_OK(qn_model_predict(m, in, N, (void *[]){ p }, 0));
    CHECK(isfinite(p[0]));
    qn_model_destroy(&m);
}

/* Layers that work with masks, before and after saving. */
static void values_and_saving(void)
{
    char path[] = "/tmp/quern_mask_XXXXXX";
    const int fd = mkstemp(path);
    uint8_t own[N][T];
    const void *in[2] = { x, own };
    uint8_t mask[2][N][T], beside[2][N][T];
    float mean[2][N][D], product[2][N][T][D];
    qn_val v, a, b;
    qn_model *m = begin(&v);

    if (!m)
        return;
    a = qn_masking(m, v, 9);
    b = qn_set_mask(m, v, qn_input(m, QN_U8, 1, (int64_t[]){ T }));
    qn_model_output(m, qn_global_avgpool(m, a, NULL));
    qn_model_output(m, qn_multiply(m, (const qn_val[]){ a, b }, 2));
    v = qn_mask(m, qn_add(m, (const qn_val[]){ a, b }, 2));
    qn_model_output(m, qn_activation(m, v, QN_LINEAR, NULL));
    v = qn_mask(m, qn_concatenate(m, (const qn_val[]){ a, b }, 2, NULL));
    qn_model_output(m, qn_activation(m, v, QN_LINEAR, NULL));
    CHECK_OK(qn_model_compile(m, NULL));
    for (int n = 0; n < N; n++)
        for (int t = 0; t < T; t++)
            own[n][t] = (uint8_t)(t < n ? 7 : 0);
    CHECK_OK(qn_model_predict(m, in, N, (void *[]){ mean[0], product[0], mask[0], beside[0] }, 2));
    for (int n = 0; n < N; n++)
        for (int d = 0; d < D; d++) {
            double sum = 0;
            int steps = 0;

            for (int t = 0; t < T; t++) {
                const double one = real_step(n, t) ? (double)x[n][t][d] : 1, other = t < n ? (double)x[n][t][d] : 1;
                const double want = real_step(n, t) || t < n ? one * other : 0;

                sum += real_step(n, t) ? (double)x[n][t][d] : 0;
                steps += real_step(n, t);
                CHECK(fabs((double)product[0][n][t][d] - want) < 1e-5);
                CHECK(mask[0][n][t] == (real_step(n, t) || t < n) && beside[0][n][t] == mask[0][n][t]);
            }
            CHECK(steps ? fabs((double)mean[0][n][d] - sum / steps) < 1e-5 : isnan(mean[0][n][d]));
        }
    CHECK_OK(qn_model_save(m, path));
    qn_model_destroy(&m);
    CHECK_OK(qn_model_load(&m, test_device(), path));
    CHECK_OK(qn_model_predict(m, in, N, (void *[]){ mean[1], product[1], mask[1], beside[1] }, 2));
    CHECK(!memcmp(mean[0], mean[1], sizeof(mean[0])) && !memcmp(product[0], product[1], sizeof(product[0])));
    CHECK(!memcmp(mask[0], mask[1], sizeof(mask[0])));
    qn_model_destroy(&m);
    close(fd);
    unlink(path);
}

/* An embedding's padding gives zeros and trains nothing. */
static void padding(void)
{
    static const int32_t index[2][3] = {{ 1, 2, 1 }, { 0, 1, 3 }};
    const void *in[1] = { index };
    float before[4][2], after[4][2], y[2][3][2];
    qn_model *m = NULL;
    qn_val v;

    if (!test_device())
        return;
    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_input(m, QN_I32, 1, (int64_t[]){ 3 });
    v = qn_embedding(m, v, &(qn_embedding_opt){ .words = 4, .units = 2, .padding = true, .padding_index = 1 });
    qn_model_output(m, v);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .loss = QN_MSE, .optimizer = qn_sgd(1) }));
    CHECK_OK(qn_model_weight_read(m, 0, before[0], sizeof(before)));
    CHECK_OK(qn_model_predict(m, in, 2, (void *[]){ y }, 0));
    CHECK_OK(qn_model_train_batch(m, in, (const void *[]){ (float[12]){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } }, NULL, 2, NULL));
    CHECK_OK(qn_model_weight_read(m, 0, after[0], sizeof(after)));
    for (int n = 0; n < 2; n++)
        for (int t = 0; t < 3; t++)
            CHECK(y[n][t][1] == (index[n][t] == 1 ? 0 : before[index[n][t]][1]));
    for (int w = 0; w < 4; w++)
        CHECK((before[w][0] == after[w][0]) == (w == 1));
    qn_model_destroy(&m);
}

int main(void)
{
    test_run("mask: layers pass it on, join it or end it", rules);
    test_run("mask: losses and metrics count real steps", losses);
    test_run("mask: layers work with it, before and after saving", values_and_saving);
    test_run("embedding: padding gives zeros and trains nothing", padding);
    return test_end();
}
