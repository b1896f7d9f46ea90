/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/loss/loss.h"
#include "ops/metric/metric.h"

/* The sum that was there and what it becomes; compensations take up what rounding loses, so only their total counts. */
static void add(double *state, double sum, double weight)
{
    const float s = (float)(state[0] + (float)sum), w = (float)(state[2] + (float)weight);

    state[1] += (state[0] + (float)sum) - s;
    state[0] = s;
    state[3] += (state[2] + (float)weight) - w;
    state[2] = w;
}

static int64_t first_largest(const double *v, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (v[i] > v[best])
            best = i;
    return best;
}

static bool right(const struct qni_metric_class *t, const double *x, const double *target, int64_t C)
{
    const int64_t k = t->dense ? first_largest(target, C) : (int64_t)target[0];
    int64_t more = 0;

    if (k < 0 || k >= C)
        return false;
    if (!t->top)
        return first_largest(x, C) == k;
    for (int64_t c = 0; c < C; c++)
        more += x[c] > x[k];
    return more < t->top;
}

static double cost(const struct qni_metric_pointwise *t, double x, double y)
{
    const double d = fabs(x - y), delta = (double)t->delta;

    switch (t->kind) {
    case QNI_METRIC_SQUARED: return d * d;
    case QNI_METRIC_ABSOLUTE: return d;
    case QNI_METRIC_HUBER: return d <= delta ? d * d / 2 : delta * d - delta * delta / 2;
    case QNI_METRIC_BINARY_LOGITS: return fmax(x, 0) - x * y + log1p(exp(-fabs(x)));
    case QNI_METRIC_BINARY_PROBABILITIES: return -(y * log(x) + (1 - y) * log(1 - x));
    default: return (x > delta) == (y != 0);
    }
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    struct qni_rows rows;
    double sum = 0, weight = 0, share;

    (void)out;
    (void)scale;
    CHECK_OK(qni_rows_shape(&rows, p, 1, 3));
    for (int64_t i = 0; i < rows.rows; i++) {
        const double w = p->inputs > 3 && in[3] ? in[3][i / rows.every] : 1;
        double v = 0;

        if (p->op == &qni_op_metric_class) {
            const struct qni_metric_class *t = p->attr;

            v = right(t, in[1] + i * rows.C, in[2] + i * (t->dense ? rows.C : 1), rows.C);
        } else {
            for (int64_t c = i * rows.C; c < (i + 1) * rows.C; c++)
                v += cost(p->attr, in[1][c], in[2][c]) / (double)rows.C;
        }
        sum += v * w;
        weight += w;
    }
    share = rows.rows ? (double)p->in[1].shape.dim[0] / (double)rows.rows : 0;
    add(in[0], sum * share, weight * share);
    terms[0] = p->op == &qni_op_metric_class ? 0 : (double)(rows.rows + rows.C);
    if (!rows.rows)
        terms[0] = 0;
}

static void ref_mean(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const int64_t n = qni_elements(&p->in[1].shape);
    const double share = p->inputs > 3 && !(p->absent & 8) ? (double)p->in[3].shape.dim[0] : 1;
    double sum = 0, weight = 0;

    (void)out;
    (void)scale;
    for (int64_t i = 0; i < n; i++) {
        const double w = p->inputs > 2 && in[2] ? in[2][i] : 1;

        sum += in[1][i] * w;
        weight += w;
    }
    if (n)
        add(in[0], sum * share, weight * share);
    terms[0] = (double)n;
}

/* A state as after some batches: the compensations are zero, so that they come out exact. */
static void prepare(const struct qni_problem *p, double *const *in)
{
    (void)p;
    in[0][0] = 1000;
    in[0][1] = 0;
    in[0][2] = 1024;
    in[0][3] = 0;
}

#define CLASS(n, type, N, C, max, how, k) \
    {.name = n, .op = &qni_op_metric_class, .attr = &(const struct qni_metric_class){.top = k}, .inputs = 3, \
     .in = {{QN_F32, {1, {4}}}, {QN_F32, {2, {N, C}}}, {type, {1, {N}}}}, .fill = {OPTEST_UNIFORM, how, OPTEST_INTEGER}, \
     .fill_max = {0, 0, max}, .ref = ref, .prepare = prepare}
#define POINTS(n, N, T, D, k, ...) \
    {.name = n, .op = &qni_op_metric_pointwise, .attr = &(const struct qni_metric_pointwise){.kind = k, __VA_ARGS__}, .inputs = 3, \
     .in = {{QN_F32, {1, {4}}}, {QN_F32, {3, {N, T, D}}}, {QN_F32, {3, {N, T, D}}}}, .ref = ref, .prepare = prepare, \
     .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM, OPTEST_ZERO_ONE}}

static const struct optest_case cases[] = {
    CLASS("1", QN_I32, 1, 1, 1, OPTEST_UNIFORM, 0),
    CLASS("no rows", QN_I32, 0, 5, 5, OPTEST_UNIFORM, 0),
    CLASS("10 classes, ties", QN_I32, 64, 10, 10, OPTEST_TIES, 0),
    CLASS("u8, out of range", QN_U8, 100, 3, 5, OPTEST_UNIFORM, 0),
    CLASS("i64, many rows", QN_I64, 5003, 10, 10, OPTEST_UNIFORM, 0),
    CLASS("many classes", QN_I32, 7, 1500, 3, OPTEST_TIES, 0),
    CLASS("top 5, ties", QN_I32, 99, 20, 22, OPTEST_TIES, 5),
    CLASS("top 1", QN_I32, 99, 4, 4, OPTEST_TIES, 1),
    CLASS("top 5 of 3", QN_I32, 9, 3, 3, OPTEST_UNIFORM, 5),
    {.name = "distributions, weighted", .op = &qni_op_metric_class, .attr = &(const struct qni_metric_class){.dense = 1},
     .inputs = 4, .in = {{QN_F32, {1, {4}}}, {QN_F32, {3, {8, 4, 5}}}, {QN_F32, {3, {8, 4, 5}}}, {QN_F32, {1, {8}}}},
     .fill = {OPTEST_UNIFORM, OPTEST_TIES, OPTEST_TIES, OPTEST_ZERO_ONE}, .ref = ref, .prepare = prepare},
    {.name = "distributions, top 2", .op = &qni_op_metric_class, .attr = &(const struct qni_metric_class){.dense = 1, .top = 2},
     .inputs = 3, .in = {{QN_F32, {1, {4}}}, {QN_F32, {2, {31, 40}}}, {QN_F32, {2, {31, 40}}}},
     .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM, OPTEST_TIES}, .ref = ref, .prepare = prepare},
    POINTS("binary accuracy", 8, 4, 16, QNI_METRIC_BINARY_ACCURACY, .delta = 0.5f),
    POINTS("binary accuracy at 0", 33, 1, 1, QNI_METRIC_BINARY_ACCURACY, .delta = 0),
    {.name = "one loss of 64 samples", .op = &qni_op_metric_mean, .inputs = 4, .absent = 4, .ref = ref_mean, .prepare = prepare,
     .in = {{QN_F32, {1, {4}}}, {QN_F32, {0}}, {0}, {QN_F32, {2, {64, 10}}}}, .fill = {OPTEST_UNIFORM, OPTEST_TIES}},
    {.name = "values", .op = &qni_op_metric_mean, .inputs = 2, .ref = ref_mean, .prepare = prepare,
     .in = {{QN_F32, {1, {4}}}, {QN_F32, {1, {300}}}}, .fill = {OPTEST_UNIFORM, OPTEST_TIES}},
    {.name = "values, weights", .op = &qni_op_metric_mean, .inputs = 3, .ref = ref_mean, .prepare = prepare,
     .in = {{QN_F32, {1, {4}}}, {QN_F32, {1, {30}}}, {QN_F32, {1, {30}}}}, .fill = {OPTEST_UNIFORM, OPTEST_TIES, OPTEST_ZERO_ONE}},
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
