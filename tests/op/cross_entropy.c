/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/loss/loss.h"

/* As the kernels clip: the ends are f32 numbers. */
#define LOW ((double)1e-7f)
#define HIGH ((double)0.9999999f)

struct row {
    const struct qni_cross_entropy *t;
    const double *x, *target, *weight; /* of this row; weight NULL: 1 */
    int64_t C;
};

static double clip(double v)
{
    return fmin(fmax(v, LOW), HIGH);
}

static bool inside(double v)
{
    return v >= LOW && v <= HIGH;
}

static double smooth(const struct row *r, int64_t c)
{
    return r->target[c] * (1 - (double)r->t->smoothing) + (double)r->t->smoothing / (double)r->C;
}

static bool ignored(const struct row *r)
{
    return !r->t->dense && r->t->ignore && r->target[0] == r->t->ignore_class;
}

static double maximum(const struct row *r)
{
    double m = -INFINITY;

    for (int64_t c = 0; c < r->C; c++)
        m = fmax(m, r->x[c]);
    return m;
}

/* The sum the row is divided by: of exp(x - max), of clip(x) or of x. */
static double divisor(const struct row *r)
{
    const double m = maximum(r);
    double s = 0;

    for (int64_t c = 0; c < r->C; c++)
        s += !r->t->probabilities ? exp(r->x[c] - m) : r->t->dense ? r->x[c] : clip(r->x[c]);
    return s;
}

static double loss_of(const struct row *r, double *scale)
{
    const double m = maximum(r), s = divisor(r);
    double v = 0;

    *scale = 0;
    if (ignored(r))
        return 0;
    if (!r->t->dense) {
        const int64_t k = (int64_t)r->target[0];

        if (k < 0 || k >= r->C)
            return NAN;
        *scale = fabs(log(s)) + (r->t->probabilities ? fabs(log(clip(r->x[k]))) : fabs(r->x[k]) + fabs(m)) + 1;
        return log(s) - (r->t->probabilities ? log(clip(r->x[k])) : r->x[k] - m);
    }
    for (int64_t c = 0; c < r->C; c++) {
        const double f = r->t->probabilities ? -log(clip(r->x[c] / s)) : log(s) + m - r->x[c];

        v += smooth(r, c) * f;
        *scale += fabs(smooth(r, c)) * (fabs(f) + 1);
    }
    return v;
}

static struct row row_of(const struct qni_problem *p, double *const *in, int x, int64_t i)
{
    struct qni_rows rows;
    struct row r = {.t = p->attr};

    CHECK_OK(qni_rows_shape(&rows, p, x, x + 2));
    r.C = rows.C;
    r.x = in[x] + i * rows.C;
    r.target = in[x + 1] + i * (r.t->dense ? rows.C : 1);
    if (x + 2 < p->inputs && in[x + 2])
        r.weight = in[x + 2] + i / rows.every;
    return r;
}

static int64_t row_count(const struct qni_problem *p, int x)
{
    struct qni_rows rows;

    CHECK_OK(qni_rows_shape(&rows, p, x, x + 2));
    return rows.rows;
}

static void save(const struct row *r, double saved[2])
{
    const double s = divisor(r);
    double b = 0;

    for (int64_t c = 0; c < r->C && r->t->dense; c++)
        b += !r->t->probabilities || inside(r->x[c] / s) ? smooth(r, c) : 0;
    saved[0] = r->t->probabilities ? s : maximum(r);
    saved[1] = r->t->probabilities ? b : (r->t->dense ? b : 1) / s;
}

static double factor_of(const struct qni_problem *p, double *const *in, int x)
{
    const struct qni_cross_entropy *t = p->attr;
    const int64_t rows = row_count(p, x);
    double counted = 0;

    for (int64_t i = 0; i < rows; i++) {
        const struct row r = row_of(p, in, x, i);

        counted += !ignored(&r);
    }
    return t->reduction == QNI_MEAN ? counted > 0 ? 1 / counted : 0 : 1;
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_cross_entropy *t = p->attr;
    const int64_t rows = row_count(p, 0);
    const double factor = factor_of(p, in, 0);
    double sum = 0, sum_scale = 0;

    for (int64_t i = 0; i < rows; i++) {
        const struct row r = row_of(p, in, 0, i);
        const double w = r.weight ? *r.weight : 1;
        double s, v = loss_of(&r, &s) * w;

        sum += v;
        sum_scale += s * fabs(w);
        if (t->reduction == QNI_NONE) {
            out[0][i] = v;
            scale[0][i] = s * fabs(w);
        }
        save(&r, out[1] + 2 * i);
        scale[1][2 * i] = fabs(out[1][2 * i]);
        scale[1][2 * i + 1] = fabs(out[1][2 * i + 1]);
        terms[0] = terms[1] = (double)(r.C + (t->reduction == QNI_NONE ? 0 : rows));
    }
    if (t->reduction != QNI_NONE) {
        out[0][0] = sum * factor;
        scale[0][0] = sum_scale * factor;
    }
    out[2][0] = scale[2][0] = factor;
    terms[2] = 1;
}

/* What the forward pass leaves for the gradient. */
static void prepare(const struct qni_problem *p, double *const *in)
{
    for (int64_t i = 0; i < row_count(p, 1); i++) {
        const struct row r = row_of(p, in, 1, i);

        save(&r, in[4] + 2 * i);
        in[4][2 * i] = (float)in[4][2 * i];
        in[4][2 * i + 1] = (float)in[4][2 * i + 1];
    }
    in[5][0] = (float)factor_of(p, in, 1);
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_cross_entropy *t = p->attr;

    for (int64_t i = 0; i < row_count(p, 1); i++) {
        const struct row r = row_of(p, in, 1, i);
        const double g = in[0][t->reduction == QNI_NONE ? i : 0] * (r.weight ? *r.weight : 1) * in[5][0];
        const double a = in[4][2 * i], b = in[4][2 * i + 1];
        const int64_t k = t->dense ? -1 : (int64_t)r.target[0];

        for (int64_t c = 0; c < r.C; c++) {
            const double x = r.x[c];
            double plus, minus;

            if (!t->probabilities) {
                plus = exp(x - a) * b;
                minus = t->dense ? smooth(&r, c) : c == k;
            } else if (t->dense) {
                plus = b / a;
                minus = inside(x / a) ? smooth(&r, c) / (x / a) / a : 0;
            } else {
                plus = inside(x) ? 1 / a : 0;
                minus = inside(x) && c == k ? 1 / x : 0;
            }
            out[0][i * r.C + c] = ignored(&r) ? 0 : !t->dense && (k < 0 || k >= r.C) ? NAN : (plus - minus) * g;
            scale[0][i * r.C + c] = ignored(&r) ? 0 : (plus * (1 + fabs(x)) + minus) * fabs(g);
        }
    }
    terms[0] = 4;
}

#define SPARSE(n, type, N, C, max, ...) \
    {.name = n, .op = &qni_op_cross_entropy, .attr = &(const struct qni_cross_entropy){__VA_ARGS__}, .inputs = 2, \
     .in = {{QN_F32, {2, {N, C}}}, {type, {1, {N}}}}, .fill = {OPTEST_POSITIVE, OPTEST_INTEGER}, .fill_max = {0, max}, \
     .ref = ref, .small_grad = (N) * (C) < 60 && (max) <= (C), .no_grad = ~1u, .saved = 6}
#define DENSE(n, N, T, C, ...) \
    {.name = n, .op = &qni_op_cross_entropy, .attr = &(const struct qni_cross_entropy){.dense = 1, __VA_ARGS__}, .inputs = 3, \
     .in = {{QN_F32, {3, {N, T, C}}}, {QN_F32, {3, {N, T, C}}}, {QN_F32, {1, {N}}}}, \
     .fill = {OPTEST_POSITIVE, OPTEST_POSITIVE, OPTEST_UNIFORM}, .ref = ref, .small_grad = (N) * (T) * (C) < 60, \
     .no_grad = ~1u, .saved = 6}

static const struct optest_case forward[] = {
    SPARSE("1 class", QN_I32, 1, 1, 1, 0),
    SPARSE("no rows", QN_I32, 0, 10, 10, 0),
    SPARSE("no rows, none", QN_I32, 0, 10, 10, .reduction = QNI_NONE),
    SPARSE("10 classes", QN_I32, 64, 10, 10, 0),
    SPARSE("i64", QN_I64, 3, 5, 5, 0),
    SPARSE("u8, sum", QN_U8, 7, 17, 17, .reduction = QNI_SUM),
    SPARSE("none", QN_I32, 7, 31, 31, .reduction = QNI_NONE),
    SPARSE("out of range", QN_I32, 9, 3, 5, .reduction = QNI_NONE),
    SPARSE("ignored", QN_I32, 9, 3, 3, .ignore = 1, .ignore_class = 1),
    SPARSE("ignored out of range", QN_U8, 9, 3, 4, .reduction = QNI_SUM, .ignore = 1, .ignore_class = 3),
    SPARSE("many rows", QN_I32, 3001, 10, 10, 0),
    SPARSE("many rows ignored", QN_I32, 3001, 3, 3, .ignore = 1),
    SPARSE("many classes", QN_I32, 5, 2049, 2049, 0),
    SPARSE("probabilities", QN_I32, 5, 10, 10, .probabilities = 1),
    SPARSE("probabilities, none", QN_U8, 5, 33, 33, .probabilities = 1, .reduction = QNI_NONE),
    {.name = "no gradient wanted", .op = &qni_op_cross_entropy, .attr = &(const struct qni_cross_entropy){0}, .inputs = 2,
     .in = {{QN_F32, {2, {5, 4}}}, {QN_I32, {2, {5, 1}}}}, .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 4},
     .unwanted = 6, .ref = ref},
    {.name = "sequences, weighted", .op = &qni_op_cross_entropy, .attr = &(const struct qni_cross_entropy){0}, .inputs = 3,
     .in = {{QN_F32, {3, {2, 3, 4}}}, {QN_I32, {2, {2, 3}}}, {QN_F32, {2, {2, 3}}}}, .ref = ref, .small_grad = true,
     .fill = {OPTEST_UNIFORM, OPTEST_INTEGER, OPTEST_POSITIVE}, .fill_max = {0, 4}, .no_grad = ~1u, .saved = 6},
    DENSE("dense", 2, 3, 5, 0),
    DENSE("dense, smoothed", 3, 1, 7, .smoothing = 0.1f),
    DENSE("dense, 40 classes", 3, 5, 40, .reduction = QNI_SUM, .smoothing = 0.25f),
    DENSE("dense probabilities", 2, 3, 5, .probabilities = 1),
    DENSE("dense probabilities, none", 4, 3, 18, .probabilities = 1, .reduction = QNI_NONE, .smoothing = 0.1f),
};

#define GRAD(n, type, N, C, max, ...) \
    {.name = n, .op = &qni_op_cross_entropy_grad, .attr = &(const struct qni_cross_entropy){__VA_ARGS__}, .inputs = 6, \
     .in = {{QN_F32, {0}}, {QN_F32, {2, {N, C}}}, {type, {1, {N}}}, {QN_F32, {1, {N}}}, {QN_F32, {2, {N, 2}}}, {QN_F32, {0}}}, \
     .fill = {OPTEST_POSITIVE, OPTEST_POSITIVE, OPTEST_INTEGER, OPTEST_UNIFORM}, .fill_max = {0, 0, max}, .ref = ref_grad, \
     .prepare = prepare}
#define DENSE_GRAD(n, N, C, ...) \
    {.name = n, .op = &qni_op_cross_entropy_grad, .attr = &(const struct qni_cross_entropy){.dense = 1, __VA_ARGS__}, .inputs = 6, \
     .in = {{QN_F32, {0}}, {QN_F32, {2, {N, C}}}, {QN_F32, {2, {N, C}}}, {QN_F32, {1, {N}}}, {QN_F32, {2, {N, 2}}}, \
      {QN_F32, {0}}}, \
     .absent = 8, .fill = {OPTEST_POSITIVE, OPTEST_POSITIVE, OPTEST_POSITIVE}, .ref = ref_grad, .prepare = prepare}

static const struct optest_case backward[] = {
    GRAD("1 class", QN_I32, 1, 1, 1, 0),
    GRAD("no rows", QN_I32, 0, 10, 10, 0),
    GRAD("10 classes", QN_I32, 64, 10, 10, 0),
    GRAD("u8, sum", QN_U8, 7, 17, 17, .reduction = QNI_SUM),
    GRAD("out of range", QN_I64, 9, 19, 30, 0),
    GRAD("ignored", QN_I32, 9, 3, 5, .ignore = 1, .ignore_class = 1),
    GRAD("many rows", QN_I32, 3001, 10, 10, 0),
    GRAD("many classes", QN_I32, 3, 2049, 2049, 0),
    GRAD("probabilities", QN_I32, 9, 19, 20, .probabilities = 1),
    DENSE_GRAD("dense", 7, 10, 0),
    DENSE_GRAD("dense, smoothed", 7, 33, .smoothing = 0.1f),
    DENSE_GRAD("dense probabilities", 7, 10, .probabilities = 1, .smoothing = 0.1f),
    {.name = "none", .op = &qni_op_cross_entropy_grad, .attr = &(const struct qni_cross_entropy){.reduction = QNI_NONE},
     .inputs = 6,
     .in = {{QN_F32, {1, {5}}}, {QN_F32, {2, {5, 4}}}, {QN_I32, {2, {5, 1}}}, {QN_F32, {0}}, {QN_F32, {2, {5, 2}}}, {QN_F32, {0}}},
     .absent = 8, .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 0, 4}, .ref = ref_grad,
     .prepare = prepare},
};

int main(void)
{
    optest_run(forward, QNI_COUNT(forward));
    optest_run(backward, QNI_COUNT(backward));
    return test_end();
}
