/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/loss/loss.h"

#define LOW ((double)1e-7f)
#define HIGH ((double)0.9999999f)

static double target_of(const struct qni_pointwise *t, double target)
{
    const double s = t->kind >= QNI_BINARY_LOGITS ? (double)t->smoothing : 0;

    return target * (1 - s) + s / 2;
}

static double cost(const struct qni_pointwise *t, double x, double y)
{
    const double d = fabs(x - y), delta = (double)t->delta;
    const double q = fmin(fmax(x, LOW), HIGH), rest = fmin(fmax(1 - x, LOW), HIGH);

    switch (t->kind) {
    case QNI_SQUARED: return d * d;
    case QNI_ABSOLUTE: return d;
    case QNI_HUBER: return d <= delta ? d * d / 2 : delta * d - delta * delta / 2;
    case QNI_BINARY_LOGITS: return fmax(x, 0) - x * y + log1p(exp(-fabs(x)));
    default: return -(y * log(q) + (1 - y) * log(rest));
    }
}

static double slope(const struct qni_pointwise *t, double x, double y)
{
    const double delta = (double)t->delta;

    switch (t->kind) {
    case QNI_SQUARED: return 2 * (x - y);
    case QNI_ABSOLUTE: return (x > y) - (x < y);
    case QNI_HUBER: return fmin(fmax(x - y, -delta), delta);
    case QNI_BINARY_LOGITS: return 1 / (1 + exp(-x)) - y;
    default: return x < LOW || x > HIGH ? 0 : (1 - y) / (1 - x) - y / x;
    }
}

/* A bound on what rounding the terms of cost and slope may do. */
static double size(const struct qni_pointwise *t, double x, double y)
{
    if (t->kind == QNI_BINARY_PROBABILITIES)
        return 2 * (fabs(y / x) + fabs((1 - y) / (1 - x))) + 2;
    return (fabs(x) + fabs(y)) * (fabs(x) + fabs(y) + 1) + 2;
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_pointwise *t = p->attr;
    struct qni_rows rows;
    double sum = 0, sizes = 0, factor;

    CHECK_OK(qni_rows_shape(&rows, p, 0, 2));
    terms[0] = (double)(rows.C + rows.rows);
    for (int64_t i = 0; i < rows.rows; i++) {
        const double w = p->inputs > 2 && in[2] ? in[2][i / rows.every] : 1;
        double v = 0, s = 0;

        for (int64_t c = i * rows.C; c < (i + 1) * rows.C; c++) {
            const double y = target_of(t, in[1][c]);

            v += cost(t, in[0][c], y) / (double)rows.C;
            s += size(t, in[0][c], y) / (double)rows.C;
        }
        if (t->reduction == QNI_NONE) {
            out[0][i] = v * w;
            scale[0][i] = s * fabs(w);
        }
        sum += v * w;
        sizes += s * fabs(w);
    }
    factor = t->reduction == QNI_MEAN && rows.rows ? 1 / (double)rows.rows : 1;
    if (t->reduction != QNI_NONE) {
        out[0][0] = sum * factor;
        scale[0][0] = sizes * factor;
    }
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_pointwise *t = p->attr;
    struct qni_rows rows;
    double factor;

    CHECK_OK(qni_rows_shape(&rows, p, 1, 3));
    factor = (t->reduction == QNI_MEAN && rows.rows ? 1 / (double)rows.rows : 1) / (double)rows.C;
    for (int64_t i = 0; i < rows.rows * rows.C; i++) {
        const double w = in[3] ? in[3][i / rows.C / rows.every] : 1;
        const double g = in[0][t->reduction == QNI_NONE ? i / rows.C : 0] * w * factor, y = target_of(t, in[2][i]);

        out[0][i] = slope(t, in[1][i], y) * g;
        scale[0][i] = size(t, in[1][i], y) * fabs(g);
    }
    terms[0] = 4;
}

#define CASE(n, N, T, D, how, w, ...) \
    {.name = n, .op = &qni_op_pointwise_loss, .attr = &(const struct qni_pointwise){__VA_ARGS__}, .inputs = 3, \
     .in = {{QN_F32, {3, {N, T, D}}}, {QN_F32, {3, {N, T, D}}}, {QN_F32, {1, {N}}}}, .absent = w ? 0 : 4, \
     .fill = {how, OPTEST_ZERO_ONE, OPTEST_UNIFORM}, .ref = ref, .small_grad = (N) * (T) * (D) < 60, .no_grad = ~1u}
#define GRAD(n, N, T, D, how, w, ...) \
    {.name = n, .op = &qni_op_pointwise_loss_grad, .attr = &(const struct qni_pointwise){__VA_ARGS__}, .inputs = 4, \
     .in = {{QN_F32, {0}}, {QN_F32, {3, {N, T, D}}}, {QN_F32, {3, {N, T, D}}}, {QN_F32, {2, {N, T}}}}, .absent = w ? 0 : 8, \
     .fill = {OPTEST_POSITIVE, how, OPTEST_ZERO_ONE, OPTEST_UNIFORM}, .ref = ref_grad}

/* Probabilities: below 1. */
static void halve(const struct qni_problem *p, double *const *in)
{
    const int x = p->inputs == 4;

    for (int64_t i = 0; i < qni_elements(&p->in[x].shape); i++)
        in[x][i] = (double)(float)(in[x][i] / 2);
}

static struct optest_case cases[] = {
    CASE("1", 1, 1, 1, OPTEST_UNIFORM, false, .kind = QNI_SQUARED),
    CASE("no rows", 0, 1, 3, OPTEST_UNIFORM, false, .kind = QNI_SQUARED),
    CASE("squared", 3, 2, 5, OPTEST_UNIFORM, true, .kind = QNI_SQUARED),
    CASE("squared, wide, sum", 2, 2, 333, OPTEST_UNIFORM, true, .kind = QNI_SQUARED, .reduction = QNI_SUM),
    CASE("squared, many rows", 2000, 10, 3, OPTEST_UNIFORM, false, .kind = QNI_SQUARED),
    CASE("absolute, none", 3, 2, 5, OPTEST_UNIFORM, true, .kind = QNI_ABSOLUTE, .reduction = QNI_NONE),
    CASE("huber", 3, 2, 5, OPTEST_UNIFORM, false, .kind = QNI_HUBER, .delta = 0.75f),
    CASE("huber 17", 3, 2, 17, OPTEST_UNIFORM, true, .kind = QNI_HUBER, .delta = 1),
    CASE("binary of logits", 3, 2, 5, OPTEST_UNIFORM, true, .kind = QNI_BINARY_LOGITS),
    CASE("binary of logits, smoothed", 30, 2, 1, OPTEST_UNIFORM, false, .kind = QNI_BINARY_LOGITS, .smoothing = 0.2f),
    CASE("binary of probabilities", 3, 2, 5, OPTEST_POSITIVE, true, .kind = QNI_BINARY_PROBABILITIES),
    CASE("binary of probabilities, smoothed", 3, 2, 19, OPTEST_POSITIVE, true, .kind = QNI_BINARY_PROBABILITIES, .smoothing = 0.1f),
    GRAD("1", 1, 1, 1, OPTEST_UNIFORM, false, .kind = QNI_SQUARED),
    GRAD("no rows", 0, 1, 3, OPTEST_UNIFORM, false, .kind = QNI_SQUARED),
    GRAD("squared", 3, 2, 33, OPTEST_UNIFORM, true, .kind = QNI_SQUARED),
    GRAD("squared, many rows", 2000, 10, 3, OPTEST_UNIFORM, false, .kind = QNI_SQUARED),
    GRAD("absolute", 3, 2, 17, OPTEST_TIES, true, .kind = QNI_ABSOLUTE, .reduction = QNI_SUM),
    GRAD("huber", 3, 2, 17, OPTEST_UNIFORM, false, .kind = QNI_HUBER, .delta = 0.75f),
    GRAD("binary of logits, smoothed", 3, 2, 17, OPTEST_UNIFORM, false, .kind = QNI_BINARY_LOGITS, .smoothing = 0.2f),
    GRAD("binary of probabilities", 3, 2, 17, OPTEST_POSITIVE, true, .kind = QNI_BINARY_PROBABILITIES),
    {.name = "none", .op = &qni_op_pointwise_loss_grad, .attr = &(const struct qni_pointwise){.reduction = QNI_NONE},
     .inputs = 4, .in = {{QN_F32, {1, {7}}}, {QN_F32, {2, {7, 3}}}, {QN_F32, {2, {7, 3}}}, {QN_F32, {0}}}, .absent = 8,
     .ref = ref_grad},
};

int main(void)
{
    for (size_t i = 0; i < QNI_COUNT(cases); i++)
        if (((const struct qni_pointwise *)cases[i].attr)->kind == QNI_BINARY_PROBABILITIES)
            cases[i].prepare = halve;
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
