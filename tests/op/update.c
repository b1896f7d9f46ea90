/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/optim/optim.h"
#include "ops/primitive.h"

#define RATE 0.01f
#define TAKEN 6u /* steps before this one */

/* The learning rate's bits are those of 0.01f. */
static const uint32_t step_block[QNI_STEP_WORDS] = {0x3c23d70a};
static const uint32_t device_block[QNI_STEP_WORDS] = {TAKEN};

static double sgd(const struct qni_update *t, double w, double g, double s[3])
{
    const double m = (double)t->momentum, lr = (double)RATE;

    if (m == 0)
        return w - lr * g;
    s[0] = s[0] * m - g * lr;
    return w + (t->nesterov ? s[0] * m - g * lr : s[0]);
}

static double adam(const struct qni_update *t, double w, double g, double s[3])
{
    const double n = TAKEN + 1; /* the powers are of f32 numbers, as Keras's are */
    const double alpha = (double)RATE * sqrt(1 - pow((double)(float)t->beta2, n)) / (1 - pow((double)(float)t->beta1, n));

    s[0] += (g - s[0]) * (1 - t->beta1);
    s[1] += (g * g - s[1]) * (1 - t->beta2);
    if (t->amsgrad)
        s[2] = fmax(s[2], s[1]);
    return w - s[0] * alpha / (sqrt(s[t->amsgrad ? 2 : 1]) + (double)t->epsilon);
}

static double rmsprop(const struct qni_update *t, double w, double g, double s[3])
{
    const double rho = (double)t->rho;
    double v, by;

    v = s[0] = rho * s[0] + (1 - rho) * g * g;
    if (t->centered) {
        s[1] = rho * s[1] + (1 - rho) * g;
        v -= s[1] * s[1];
    }
    by = (double)RATE * g / sqrt(v + (double)t->epsilon);
    if (t->momentum != 0)
        by = s[2] = (double)t->momentum * s[2] + by;
    return w - by;
}

static double adagrad(const struct qni_update *t, double w, double g, double s[3])
{
    s[0] += g * g;
    return w - (double)RATE * g / sqrt(s[0] + (double)t->epsilon);
}

static double adadelta(const struct qni_update *t, double w, double g, double s[3])
{
    const double rho = (double)t->rho, e = (double)t->epsilon;
    double d;

    s[0] = rho * s[0] + (1 - rho) * g * g;
    d = g * sqrt(s[1] + e) / sqrt(s[0] + e);
    s[1] = rho * s[1] + (1 - rho) * d * d;
    return w - (double)RATE * d;
}

static double adamax(const struct qni_update *t, double w, double g, double s[3])
{
    s[0] += (g - s[0]) * (1 - (double)t->beta1);
    s[1] = fmax(s[1] * (double)t->beta2, fabs(g));
    return w - (double)RATE / (1 - pow((double)t->beta1, TAKEN + 1)) * s[0] / (s[1] + (double)t->epsilon);
}

static double lion(const struct qni_update *t, double w, double g, double s[3])
{
    const double b1 = (double)t->beta1, b2 = (double)t->beta2, c = s[0] * b1 + g * (1 - b1);

    s[0] = s[0] * b2 + g * (1 - b2);
    return w - (double)RATE * ((c > 0) - (c < 0));
}

static const struct {
    const struct qni_op *op;
    double (*f)(const struct qni_update *t, double w, double g, double s[3]);
} rules[] = {{&qni_op_sgd, sgd}, {&qni_op_adam, adam}, {&qni_op_rmsprop, rmsprop}, {&qni_op_adagrad, adagrad},
             {&qni_op_adadelta, adadelta}, {&qni_op_adamax, adamax}, {&qni_op_lion, lion}};

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_update *t = p->attr;
    const bool rows = p->inputs > 6 && in[6];
    const int64_t n = qni_elements(&p->in[0].shape), behind = t->count ? t->first + t->count : n;
    const int64_t end = rows ? t->first + qni_elements(&p->in[6].shape) * t->units : behind;

    (void)out;
    (void)scale;
    terms[0] = 8;
    for (int64_t i = t->first; i < end; i++) {
        if (rows && in[6][(i - t->first) / t->units] == 0)
            continue;
        double w = in[0][i], g = in[1][i] * (p->inputs > 5 && in[5] ? in[5][0] : 1), s[3] = {0};

        if (t->clipvalue > 0)
            g = fmin(fmax(g, -(double)t->clipvalue), (double)t->clipvalue);
        if (t->decay_end < 0 || i < t->decay_end)
            w -= w * (double)t->weight_decay * (double)RATE;
        for (int k = 0; k < 3; k++)
            s[k] = p->inputs > 2 + k && in[2 + k] ? in[2 + k][i] : 0;
        for (size_t r = 0; r < QNI_COUNT(rules); r++)
            if (p->op == rules[r].op)
                w = rules[r].f(t, w, g, s);
        in[0][i] = w;
        for (int k = 0; k < 3; k++)
            if (p->inputs > 2 + k && in[2 + k])
                in[2 + k][i] = s[k];
    }
}

static void count(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    (void)p;
    (void)out;
    (void)scale;
    in[0][0]++;
    terms[0] = 0;
}

#define CASE(n, rule, N, without, count, ...) \
    {.name = n, .op = &qni_op_##rule, .attr = &(const struct qni_update){__VA_ARGS__}, .inputs = count, \
     .in = {{QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {0}}}, \
     .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM, OPTEST_POSITIVE, OPTEST_POSITIVE, OPTEST_POSITIVE, OPTEST_POSITIVE}, \
     .absent = without, .ref = ref, .step = step_block, .device = device_block, .slack = 4}
/* The same, but only some of the rows behind `first`. */
#define ROWS(n, rule, N, without, used, ...) \
    {.name = n, .op = &qni_op_##rule, .attr = &(const struct qni_update){__VA_ARGS__}, .inputs = 7, \
     .in = {{QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {0}}, \
            {QN_I32, {1, {used}}}}, \
     .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM, OPTEST_POSITIVE, OPTEST_POSITIVE, OPTEST_POSITIVE, OPTEST_POSITIVE, \
              OPTEST_ZERO_ONE}, \
     .absent = without, .ref = ref, .step = step_block, .device = device_block, .slack = 4}
#define ADAM .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7f

static const struct optest_case cases[] = {
    CASE("1", sgd, 1, 0, 2, .decay_end = -1),
    CASE("nothing", sgd, 0, 0, 2, .decay_end = -1),
    CASE("17", sgd, 17, 0, 2, .clipvalue = 0.5f),
    CASE("momentum", sgd, 1000, 0, 3, .momentum = 0.9f),
    CASE("nesterov, decay", sgd, 1025, 0x18, 6, .momentum = 0.9f, .nesterov = 1, .weight_decay = 0.25f, .decay_end = 511),
    CASE("1", adam, 1, 0, 4, ADAM),
    CASE("15", adam, 15, 0, 4, ADAM),
    CASE("16", adam, 16, 0, 4, ADAM),
    CASE("8193", adam, 8193, 0, 4, ADAM),
    CASE("scaled, clipped, decayed", adam, 20011, 0x10, 6, ADAM, .clipvalue = 0.4f, .weight_decay = 0.5f, .decay_end = -1),
    CASE("some decay", adam, 100, 0, 4, ADAM, .weight_decay = 0.5f, .decay_end = 37),
    CASE("amsgrad", adam, 333, 0, 5, ADAM, .amsgrad = 1),
    CASE("betas 0", adam, 33, 0, 4, .epsilon = 1e-3f),
    CASE("a part", adam, 100, 0, 4, ADAM, .weight_decay = 0.5f, .decay_end = 37, .first = 5, .count = 77),
    ROWS("rows", sgd, 1025, 0x38, 64, .momentum = 0.9f, .weight_decay = 0.25f, .decay_end = -1, .first = 64, .units = 15),
    ROWS("rows", adam, 20011, 0x30, 151, ADAM, .decay_end = -1, .first = 11, .units = 130),
    ROWS("no rows", adam, 20011, 0x30, 0, ADAM, .decay_end = -1, .units = 130),
    CASE("plain", rmsprop, 100, 0, 3, .rho = 0.9f, .epsilon = 1e-7f),
    CASE("momentum", rmsprop, 100, 8, 5, .rho = 0.9f, .epsilon = 1e-7f, .momentum = 0.9f),
    CASE("plain", adagrad, 100, 0, 3, .epsilon = 1e-7f),
    CASE("1", adadelta, 1, 0, 4, .rho = 0.95f, .epsilon = 1e-7f),
    CASE("plain", adadelta, 1001, 0, 4, .rho = 0.95f, .epsilon = 1e-3f),
    CASE("1", adamax, 1, 0, 4, ADAM),
    CASE("plain", adamax, 1001, 0, 4, ADAM),
    CASE("1", lion, 1, 0, 3, .beta1 = 0.9f, .beta2 = 0.99f),
    CASE("decay", lion, 1001, 0, 3, .beta1 = 0.9f, .beta2 = 0.99f, .weight_decay = 0.5f, .decay_end = 37),
    {.name = "one", .op = &qni_op_advance, .inputs = 1, .in = {{QN_I32, {1, {16}}}}, .fill = {OPTEST_INTEGER},
     .fill_max = {1000}, .ref = count},
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
