/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What layers do in training alone: the moments of their noise, whole channels dropped, penalties on the loss. */
#include "model_tests.h"

#include <math.h>
#include <stdlib.h>

#include "model/model.h"

#define N 32
#define H 4
#define W 5
#define C 16
#define ELEMENTS (N * H * W * C)

static qn_val spatial2d(qn_model *m, qn_val x)
{
    return qn_spatial_dropout2d(m, x, 0.25f, NULL);
}

static qn_val spatial1d(qn_model *m, qn_val x)
{
    return qn_spatial_dropout1d(m, qn_reshape(m, x, 2, (int64_t[]){H * W, C}), 0.25f, NULL);
}

static qn_val noise(qn_model *m, qn_val x)
{
    return qn_gaussian_noise(m, x, 0.5f, NULL);
}

static qn_val gaussian_dropout(qn_model *m, qn_val x)
{
    return qn_gaussian_dropout(m, x, 0.2f, NULL);
}

/* What a layer makes of twos, in training and in inference. */
static bool apply(qn_val (*layer)(qn_model *, qn_val), float *trained, float *inferred)
{
    static float x[ELEMENTS];
    const qn_shape shape = {4, {N, H, W, C}};
    qn_state *s = NULL;
    qn_plan *p = NULL;
    qn_model *m = NULL;
    qn_val y;
    bool ok;

    for (int i = 0; i < ELEMENTS; i++)
        x[i] = 2;
    ok = test_device() && CHECK_OK(qn_model_create(&m, test_device()));
    if (!ok)
        return false;
    y = layer(m, qn_input(m, QN_F32, 3, shape.dim + 1));
    ok = CHECK_OK(qn_state_create(&s, qn_model_graph(m), test_device(), NULL, 5));
    for (int training = 0; training < 2 && ok; training++) {
        ok = CHECK_OK(qn_plan_create(&p, s, &(qn_plan_opt){.input_shape = &shape, .training = training, .output = &y,
                                                           .outputs = 1})) &&
             CHECK_OK(qn_plan_run(p, (const void *[]){x}, (void *[]){training ? trained : inferred}, 0));
        qn_plan_destroy(&p);
    }
    qn_state_destroy(&s);
    for (int i = 0; i < ELEMENTS && ok; i++)
        if (inferred[i] != 2.0f) {
            test_fail(__FILE__, __LINE__, "in inference element %d is %g, expected 2", i, (double)inferred[i]);
            ok = false;
        }
    qn_model_destroy(&m);
    return ok;
}

static void drops_channels(void)
{
    static float y[ELEMENTS], z[ELEMENTS];

    for (int flat = 0; flat < 2; flat++) {
        int dropped = 0;

        if (!apply(flat ? spatial1d : spatial2d, y, z))
            return;
        for (int n = 0; n < N; n++)
            for (int c = 0; c < C; c++) {
                const float *first = y + n * H * W * C + c;

                dropped += *first == 0.0f;
                CHECK(*first == 0.0f || fabsf(*first - 2 / 0.75f) < 1e-6f);
                for (int i = 0; i < H * W; i++)
                    CHECK(first[i * C] == *first);
            }
        /* 512 draws: four standard deviations are 0.077. */
        CHECK(fabs(dropped / (double)(N * C) - 0.25) < 0.077);
    }
}

static void moments(const float *y, double mean, double deviation)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < ELEMENTS; i++)
        sum += (double)y[i];
    sum /= ELEMENTS;
    for (int i = 0; i < ELEMENTS; i++)
        squares += ((double)y[i] - sum) * ((double)y[i] - sum);
    squares = sqrt(squares / ELEMENTS);
    /* Four standard deviations of either estimate. */
    CHECK(fabs(sum - mean) < 4 * deviation / sqrt(ELEMENTS));
    CHECK(fabs(squares - deviation) < 4 * deviation / sqrt(2.0 * ELEMENTS));
}

static void makes_noise(void)
{
    static float y[ELEMENTS], z[ELEMENTS];

    if (apply(noise, y, z))
        moments(y, 2, 0.5);
    if (apply(gaussian_dropout, y, z))
        moments(y, 2, 2 * sqrt(0.2 / 0.8));
}

/* The penalty is part of the reported loss, in training and in evaluation, and its gradient moves the weights. */
static void penalises(void)
{
    const float x[4] = {1, -2, 3, 0.5f}, t[4] = {0};
    float w = 2, moved = 0;
    qn_model *m = NULL;
    qn_logs logs;
    qn_val y;

    if (!test_device())
        return;
    CHECK_OK(qn_model_create(&m, test_device()));
    y = qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){1}), &(qn_dense_opt){.units = 1, .no_bias = true});
    y = qn_activity_regularization(m, y, 0.25f, 0.5f, NULL);
    qn_model_output(m, y);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_sgd(0.1f), .loss = QN_MSE}));
    CHECK_OK(qn_model_weight_write(m, 0, &w, sizeof(w)));
    CHECK_OK(qn_model_test_batch(m, (const void *[]){x}, (const void *[]){t}, NULL, 4, &logs));
    /* sum |x| = 6.5, sum x^2 = 14.25: mean (wx)^2 + 0.25 mean |wx| + 0.5 mean (wx)^2 */
    CHECK(fabs(qn_logs_get(&logs, "loss") - (1.5 * 4 * 14.25 / 4 + 0.25 * 2 * 6.5 / 4)) < 1e-5);
    CHECK_OK(qn_model_train_batch(m, (const void *[]){x}, (const void *[]){t}, NULL, 4, NULL));
    CHECK_OK(qn_model_weight_read(m, 0, &moved, sizeof(moved)));
    CHECK(fabs((double)moved - (2 - 0.1 * (3 * 2 * 14.25 / 4 + 0.25 * 6.5 / 4))) < 1e-5);
    qn_model_destroy(&m);
}

/* An output that is an input, or a view of one. */
static void passes_through(void)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    float y[6] = {0}, z[6] = {0};
    qn_model *m = NULL;
    qn_val v;

    if (!test_device())
        return;
    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_input(m, QN_F32, 1, (int64_t[]){3});
    qn_model_output(m, qn_dropout(m, v, 0.5f, NULL));
    qn_model_output(m, qn_reshape(m, v, 2, (int64_t[]){3, 1}));
    CHECK_OK(qn_model_compile(m, NULL));
    CHECK_OK(qn_model_predict(m, (const void *[]){x}, 2, (void *[]){y, z}, 0));
    CHECK(!memcmp(x, y, sizeof(x)) && !memcmp(x, z, sizeof(x)));
    qn_model_destroy(&m);
}

/* Where one value is padding the other is the largest; where both are, the result is padding too. */
static void joins_real_steps(void)
{
    const float a[] = {1, 5, 3, 7}, b[] = {2, 4, 9, 8}, real_a[] = {1, 0, 1, 0}, real_b[] = {1, 1, 0, 0};
    float y[4] = {0}, mean = 0;
    qn_model *m = NULL;
    qn_val x[2], v;

    if (!test_device())
        return;
    CHECK_OK(qn_model_create(&m, test_device()));
    for (int i = 0; i < 2; i++)
        x[i] = qn_input(m, QN_F32, 2, (int64_t[]){4, 1});
    for (int i = 0; i < 2; i++)
        x[i] = qn_set_mask(m, x[i], qn_input(m, QN_F32, 1, (int64_t[]){4}));
    v = qn_maximum(m, x, 2);
    qn_model_output(m, v);
    qn_model_output(m, qn_global_avgpool(m, v, NULL));
    CHECK_OK(qn_model_compile(m, NULL));
    CHECK_OK(qn_model_predict(m, (const void *[]){a, b, real_a, real_b}, 1, (void *[]){y, &mean}, 0));
    CHECK(y[0] == 2 && y[1] == 4 && y[2] == 3);
    CHECK(fabsf(mean - 3) < 1e-6f);
    qn_model_destroy(&m);
}

static void mistake(qn_val (*layer)(qn_model *, qn_val), const char *part)
{
    qn_model *m = NULL;

    CHECK_OK(qn_model_create(&m, test_device()));
    qn_model_output(m, layer(m, qn_input(m, QN_F32, 3, (int64_t[]){4, 4, 2})));
    if (qn_model_compile(m, NULL) == QN_OK || !strstr(qn_last_error(), part))
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", qn_last_error(), part);
    qn_model_destroy(&m);
}

static qn_val causal_image(qn_model *m, qn_val x)
{
    return qn_conv2d(m, x, &(qn_conv_opt){.filters = 1, .kernel = {2}, .padding = QN_CAUSAL});
}

static qn_val causal_pool(qn_model *m, qn_val x)
{
    return qn_maxpool2d(m, x, &(qn_pool_opt){.padding = QN_CAUSAL});
}

static qn_val grouped_transpose(qn_model *m, qn_val x)
{
    return qn_conv2d_transpose(m, x, &(qn_conv_opt){.filters = 2, .kernel = {2}, .groups = 2});
}

static qn_val all_cropped(qn_model *m, qn_val x)
{
    return qn_cropping2d(m, x, &(qn_layer_opt){.pad = {2, 2, 0, 0}});
}

static qn_val axis_twice(qn_model *m, qn_val x)
{
    return qn_permute(m, x, 3, (int[]){1, 3, 1});
}

static qn_val bad_rate(qn_model *m, qn_val x)
{
    return qn_gaussian_dropout(m, x, 1.0f, NULL);
}

static qn_val bad_variance(qn_model *m, qn_val x)
{
    return qn_normalization(m, x, &(qn_normalization_opt){.variance = (const float[]){1, -1}});
}

static qn_val ranks_differ(qn_model *m, qn_val x)
{
    return qn_add(m, (qn_val[]){x, qn_flatten(m, x)}, 2);
}

static qn_val axes_differ(qn_model *m, qn_val x)
{
    return qn_dot(m, qn_reshape(m, x, 2, (int64_t[]){8, 4}), qn_reshape(m, x, 2, (int64_t[]){2, 16}), NULL);
}

static void mistakes(void)
{
    if (!test_device())
        return;
    mistake(causal_image, "conv2d: causal padding is for convolutions of sequences");
    mistake(causal_pool, "padding 3 is none of a pool");
    mistake(grouped_transpose, "conv2d_transpose: filters is 2 and groups 2");
    mistake(all_cropped, "cropping2d: nothing is left of axis 1 of 4 elements");
    mistake(axis_twice, "permute: axis[2] is 1, expected each of 1 to 3 once");
    mistake(bad_rate, "gaussian_dropout: rate is 1, expected 0 or more and below 1");
    mistake(bad_variance, "normalization: variance[1] is -1, expected 0 or more");
    mistake(ranks_differ, "add: value 1 has shape [None, 32], expected [None, 4, 4, 2]");
    mistake(axes_differ, "dot: the axes to multiply have 4 and 16 elements");
}

void test_layer_regular(void)
{
    test_run("layers: spatial dropout drops channels", drops_channels);
    test_run("layers: noise has its mean and deviation", makes_noise);
    test_run("layers: activity is penalised", penalises);
    test_run("layers: what passes through is copied", passes_through);
    test_run("layers: padding is no maximum", joins_real_steps);
    test_run("layers: mistakes are named", mistakes);
}
