/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Schedules of the learning rate: their numbers, and that training, saving and resuming follow them. What decays. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/test.h"
#include "model/model.h"

#define N 8
#define D 3

static float x[N][D], y[N][1];

/* Keras 3.15's ExponentialDecay (staircase and not), CosineDecay and PolynomialDecay of a rate of 1. */
static void numbers(void)
{
    static const struct {
        qn_schedule s;
        int64_t step;
        double want;
    } cases[] = {
        {{QN_SCHEDULE_CONSTANT}, 0, 1},
        {{QN_SCHEDULE_CONSTANT, .warmup = 4}, 0, 0},
        {{QN_SCHEDULE_CONSTANT, .warmup = 4}, 3, 0.75},
        {{QN_SCHEDULE_CONSTANT, .warmup = 4}, 4, 1},
        {{QN_SCHEDULE_STEP, .steps = 10, .rate = 0.5f}, 9, 1},
        {{QN_SCHEDULE_STEP, .steps = 10, .rate = 0.5f}, 25, 0.25},
        {{QN_SCHEDULE_EXPONENTIAL, .steps = 10, .rate = 0.5f}, 5, 0.70710678118654752},
        {{QN_SCHEDULE_EXPONENTIAL, .steps = 10, .rate = 0.5f, .warmup = 5}, 10, 0.70710678118654752},
        {{QN_SCHEDULE_COSINE, .steps = 100, .end = 0.1f}, 25, 0.86819805153394642},
        {{QN_SCHEDULE_COSINE, .steps = 100, .end = 0.1f, .warmup = 10}, 35, 0.86819805153394642},
        {{QN_SCHEDULE_COSINE, .steps = 100, .end = 0.1f}, 100, 0.1},
        {{QN_SCHEDULE_COSINE, .steps = 100}, 1000, 0},
        {{QN_SCHEDULE_POLYNOMIAL, .steps = 100, .end = 0.1f, .power = 2}, 30, 0.541},
        {{QN_SCHEDULE_POLYNOMIAL, .steps = 100, .end = 0.1f, .power = 1}, 101, 0.1},
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++)
        if (!(fabs(qn_schedule_factor(&cases[i].s, cases[i].step) - cases[i].want) < 1e-7))
            test_fail(__FILE__, __LINE__, "case %zu: %.9g, expected %.9g", i,
                      qn_schedule_factor(&cases[i].s, cases[i].step), cases[i].want);
    CHECK(qn_schedule_factor(NULL, 3) == 1);
}

static qn_model *model(qn_optimizer o)
{
    qn_model *m = NULL;
    qn_val v;

    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_input(m, QN_F32, 1, (int64_t[]){D});
    v = qn_layernorm(m, v, NULL);
    v = qn_dense(m, v, &(qn_dense_opt){.units = 1, .bias_init = QN_INIT_ONES});
    qn_model_output(m, v);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = o, .loss = QN_MSE, .seed = 5}));
    return m;
}

static void train(qn_model *m, int steps)
{
    for (int i = 0; i < steps; i++)
        CHECK_OK(qn_model_train_batch(m, (const void *[]){x}, (const void *[]){y}, NULL, N, NULL));
}

static void make_data(void)
{
    for (int n = 0; n < N; n++) {
        for (int d = 0; d < D; d++)
            x[n][d] = (float)test_uniform();
        y[n][0] = x[n][0] - x[n][1];
    }
}

static void same_weights(qn_model *a, qn_model *b)
{
    float v[2][16];

    for (int i = 0; i < qn_model_weights(a); i++) {
        qn_shape s;

        CHECK_OK(qn_model_weight_info(a, i, NULL, &s, NULL));
        CHECK_OK(qn_model_weight_read(a, i, v[0], (size_t)qni_elements(&s) * sizeof(float)));
        CHECK_OK(qn_model_weight_read(b, i, v[1], (size_t)qni_elements(&s) * sizeof(float)));
        CHECK(!memcmp(v[0], v[1], (size_t)qni_elements(&s) * sizeof(float)));
    }
}

/* A schedule does what setting the rate before each step does, and a saved model goes on in it. */
static void training(void)
{
    const qn_schedule s = {QN_SCHEDULE_COSINE, .warmup = 3, .steps = 8, .end = 0.25f};
    char path[] = "/tmp/quern_schedule_XXXXXX";
    const int fd = mkstemp(path);
    qn_optimizer plain = qn_adamw(0.05f, 0.1f), scheduled = plain;
    qn_model *a, *b, *c;

    if (!test_device())
        return;
    make_data();
    scheduled.schedule = s;
    a = model(plain);
    b = model(scheduled);
    for (int i = 0; i < 14; i++) {
        CHECK_OK(qn_model_set_lr(a, (float)((double)0.05f * qn_schedule_factor(&s, i))));
        train(a, 1);
    }
    train(b, 6);
    CHECK_OK(qn_model_save(b, path));
    CHECK_OK(qn_model_load(&c, test_device(), path));
    train(b, 8);
    train(c, 8);
    same_weights(a, b);
    same_weights(b, c);
    CHECK(qn_model_lr(c) == 0.05f);
    qn_model_destroy(&a);
    qn_model_destroy(&b);
    qn_model_destroy(&c);
    close(fd);
    unlink(path);
}

/* At a rate of 1 and a decay of 1, with nothing to learn, what decays becomes 0 in a step. */
static void what_decays(void)
{
    qn_optimizer o = qn_sgd(1);
    float gamma[D], kernel[D], bias[1];

    if (!test_device())
        return;
    memset(x, 0, sizeof(x)); /* gamma and kernel get no gradient */
    for (int n = 0; n < N; n++)
        y[n][0] = 1; /* what the bias says */
    o.weight_decay = 1;
    for (int only = 0; only < 2; only++) {
        qn_model *m;

        o.decay_matrices_only = only;
        m = model(o);
        train(m, 1);
        CHECK_OK(qn_model_weight_read(m, 0, gamma, sizeof(gamma)));
        CHECK_OK(qn_model_weight_read(m, 2, kernel, sizeof(kernel)));
        CHECK_OK(qn_model_weight_read(m, 3, bias, sizeof(bias)));
        for (int d = 0; d < D; d++)
            CHECK(kernel[d] == 0 && gamma[d] == (float)only);
        CHECK(bias[0] == (float)only);
        qn_model_destroy(&m);
    }
}

static void mistakes(void)
{
    static const qn_schedule wrong[] = {
        {QN_SCHEDULE_COSINE}, {QN_SCHEDULE_STEP, .steps = -1}, {(qn_schedule_kind)9, .steps = 1},
        {QN_SCHEDULE_COSINE, .steps = 1, .warmup = -1}, {QN_SCHEDULE_COSINE, .steps = 1, .end = NAN},
        {QN_SCHEDULE_POLYNOMIAL, .steps = 1, .power = -1}, {QN_SCHEDULE_STEP, .steps = 1, .reserved = {1}},
    };

    if (!test_device())
        return;
    for (size_t i = 0; i < QNI_COUNT(wrong); i++) {
        qn_optimizer o = qn_adam(0);
        qn_model *m = NULL;

        o.schedule = wrong[i];
        CHECK_OK(qn_model_create(&m, test_device()));
        qn_model_output(m, qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){1}), &(qn_dense_opt){.units = 1}));
        CHECK_STATUS(qn_model_compile(m, &(qn_compile_opt){.optimizer = o, .loss = QN_MSE}), QN_E_ARG, "schedule");
        qn_model_destroy(&m);
    }
}

int main(void)
{
    test_run("schedule: Keras's numbers", numbers);
    test_run("schedule: training, saving and resuming follow it", training);
    test_run("schedule: what weight decay leaves alone", what_decays);
    test_run("schedule: numbers out of range", mistakes);
    return test_end();
}
