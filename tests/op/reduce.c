/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "ops/reduce/reduce.h"
#include "optest.h"

/* Where element e of x goes. */
static int64_t target(const qn_shape *x, uint32_t axes, int64_t e)
{
    int64_t at = 0, stride = 1;

    for (int a = x->rank - 1; a >= 0; a--) {
        if (!(axes >> a & 1)) {
            at += e % x->dim[a] * stride;
            stride *= x->dim[a];
        }
        e /= x->dim[a];
    }
    return at;
}

static double join(int kind, double a, double v)
{
    switch ((enum qni_reduce_kind)kind) {
    case QNI_REDUCE_SUM:
    case QNI_REDUCE_MEAN: return a + v;
    case QNI_REDUCE_SUM_SQUARES: return a + v * v;
    case QNI_REDUCE_SUM_ABS: return a + fabs(v);
    case QNI_REDUCE_MAX: return fmax(a, v);
    case QNI_REDUCE_MIN: return fmin(a, v);
    case QNI_REDUCE_PROD: return a * v;
    case QNI_REDUCE_ARGMAX:
    case QNI_REDUCE_ARGMIN:
    case QNI_REDUCE_KINDS: break;
    }
    return (double)NAN;
}

static double neutral(const struct qni_problem *p, int kind)
{
    bool ints = p->in[0].dtype == QN_I32;

    switch (kind) {
    case QNI_REDUCE_MAX: return ints ? (double)INT32_MIN : (double)-INFINITY;
    case QNI_REDUCE_MIN: return ints ? (double)INT32_MAX : (double)INFINITY;
    case QNI_REDUCE_PROD: return 1;
    default: return 0;
    }
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_reduce *r = p->attr;
    const qn_shape *x = &p->in[0].shape;
    const int64_t n = qni_elements(x), m = qni_elements(&p->out[0].shape);
    double count = 1;

    for (int a = 0; a < x->rank; a++)
        count *= r->axes >> a & 1 ? (double)x->dim[a] : 1;
    terms[0] = count;
    for (int64_t e = 0; e < m; e++) {
        out[0][e] = neutral(p, r->kind);
        scale[0][e] = 0;
    }
    for (int64_t e = 0; e < n; e++) {
        const int64_t at = target(x, r->axes, e);

        out[0][at] = join(r->kind, out[0][at], in[0][e]);
        scale[0][at] += fabs(in[0][e]) * (r->kind == QNI_REDUCE_SUM_SQUARES ? fabs(in[0][e]) : 1);
    }
    for (int64_t e = 0; e < m; e++) {
        if (r->kind == QNI_REDUCE_MEAN) {
            out[0][e] /= count;
            scale[0][e] /= count;
        } else if (r->kind == QNI_REDUCE_MAX || r->kind == QNI_REDUCE_MIN) {
            scale[0][e] = 0;
        } else if (r->kind == QNI_REDUCE_PROD) {
            scale[0][e] = fabs(out[0][e]);
        }
    }
}

static void ref_arg(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_reduce *r = p->attr;
    const qn_shape *x = &p->in[0].shape;
    const int64_t n = qni_elements(x), m = qni_elements(&p->out[0].shape);
    int64_t *seen = calloc((size_t)m + 1, sizeof(*seen));
    double *best = calloc((size_t)m + 1, sizeof(*best));

    for (int64_t e = 0; e < m; e++)
        out[0][e] = scale[0][e] = 0;
    for (int64_t e = 0; e < n; e++) {
        const int64_t at = target(x, r->axes, e);
        const double v = r->kind == QNI_REDUCE_ARGMAX ? in[0][e] : -in[0][e];

        if (!seen[at] || v > best[at] || (isnan(v) && !isnan(best[at]))) {
            best[at] = v;
            out[0][at] = (double)seen[at];
        }
        seen[at]++;
    }
    terms[0] = 0;
    free(seen);
    free(best);
}

static void nan_somewhere(const struct qni_problem *p, double *const *in)
{
    (void)p;
    in[0][3] = (double)NAN;
    in[0][5] = (double)NAN;
}

#define KIND(k, a, ...) {.kind = QNI_REDUCE_##k, .axes = (a), __VA_ARGS__}
#define CASE(n, r, i, ...) \
    {.name = n, .op = &qni_op_reduce, .attr = &(const struct qni_reduce)r, .inputs = 1, .in = {i}, .ref = ref, __VA_ARGS__}

static void sums(void)
{
    const struct optest_case cases[] = {
        CASE("a scalar", KIND(SUM, 0), optest_f32(0), .small_grad = true),
        CASE("no axis", KIND(SUM, 0), optest_f32(2, 3, 5), .small_grad = true),
        CASE("one element", KIND(SUM, 3), optest_f32(2, 1, 1), .small_grad = true),
        CASE("axes of 1", KIND(SUM_SQUARES, 5), optest_f32(3, 1, 4, 1), .small_grad = true),
        CASE("all", KIND(SUM, 3), optest_f32(2, 3, 7), .small_grad = true),
        CASE("all, many", KIND(SUM, 1), optest_f32(1, 300007)),
        CASE("last", KIND(SUM, 2), optest_f32(2, 5, 67), .small_grad = true),
        CASE("last, kept", KIND(SUM, 2, .keep = 2), optest_f32(2, 5, 15), .small_grad = true),
        CASE("last of 1000 rows", KIND(SUM, 2), optest_f32(2, 1000, 33)),
        CASE("last, long", KIND(SUM, 2), optest_f32(2, 3, 70001)),
        CASE("first", KIND(SUM, 1), optest_f32(2, 67, 5), .small_grad = true),
        CASE("first, 16 columns", KIND(SUM, 1), optest_f32(2, 9, 16)),
        CASE("first, 33 columns", KIND(SUM, 1), optest_f32(2, 9, 33)),
        CASE("first, 64 columns", KIND(SUM, 1), optest_f32(2, 9, 64)),
        CASE("first, 119 columns", KIND(SUM, 1), optest_f32(2, 9, 119)),
        CASE("bias gradient", KIND(SUM, 7), optest_f32(4, 8, 37, 31, 32)),
        CASE("bias gradient of 10", KIND(SUM, 7), optest_f32(4, 4, 37, 51, 10)),
        CASE("middle", KIND(SUM, 2), optest_f32(3, 3, 11, 5), .small_grad = true),
        CASE("ends", KIND(SUM, 5), optest_f32(3, 3, 11, 5), .small_grad = true),
        CASE("ends, long", KIND(SUM, 5), optest_f32(3, 31, 3, 5003)),
        CASE("every other", KIND(SUM, 0x55), optest_f32(8, 2, 3, 2, 3, 2, 1, 2, 2)),
        CASE("empty batch", KIND(SUM, 2), optest_f32(2, 0, 3)),
        CASE("empty axis", KIND(SUM, 1), optest_f32(2, 0, 3)),
        CASE("empty axis of two", KIND(SUM, 5), optest_f32(3, 0, 3, 4)),
    };

    optest_run(cases, QNI_COUNT(cases));
}

static void kinds(void)
{
    const struct optest_case cases[] = {
        CASE("mean", KIND(MEAN, 2), optest_f32(2, 5, 37), .small_grad = true),
        CASE("mean of columns", KIND(MEAN, 1), optest_f32(2, 37, 5), .small_grad = true),
        CASE("mean, global pool", KIND(MEAN, 6), optest_f32(4, 3, 7, 7, 20)),
        CASE("mean of two", KIND(MEAN, 5), optest_f32(3, 3, 4, 5), .small_grad = true),
        CASE("max", KIND(MAX, 2), optest_f32(2, 5, 37), .fill = {OPTEST_DISTINCT}, .small_grad = true),
        CASE("max, ties", KIND(MAX, 2), optest_f32(2, 5, 37), .fill = {OPTEST_TIES}),
        CASE("max of columns", KIND(MAX, 1), optest_f32(2, 19, 37), .fill = {OPTEST_DISTINCT}),
        CASE("max, all, many", KIND(MAX, 1), optest_f32(1, 300007)),
        CASE("max, empty axis", KIND(MAX, 1), optest_f32(2, 0, 3)),
        CASE("min", KIND(MIN, 1), optest_f32(2, 19, 7), .fill = {OPTEST_DISTINCT}, .small_grad = true),
        CASE("product", KIND(PROD, 2), optest_f32(2, 4, 6), .fill = {OPTEST_POSITIVE}, .small_grad = true),
        CASE("product with zeros", KIND(PROD, 2), optest_f32(2, 4, 4), .fill = {OPTEST_TIES}, .small_grad = true),
        CASE("product, empty axis", KIND(PROD, 1), optest_f32(2, 0, 3)),
        CASE("sum of squares", KIND(SUM_SQUARES, 3), optest_f32(2, 5, 37), .small_grad = true),
        CASE("sum of squares, many", KIND(SUM_SQUARES, 3), optest_f32(2, 500, 371)),
        CASE("sum of squares of two", KIND(SUM_SQUARES, 5), optest_f32(3, 3, 4, 5), .small_grad = true),
        CASE("sum of absolute values", KIND(SUM_ABS, 1), optest_f32(2, 5, 37), .fill = {OPTEST_DISTINCT}, .small_grad = true),
        CASE("f16", KIND(SUM, 2), optest_desc(QN_F16, 2, 5, 67)),
        CASE("f16 columns, many", KIND(MEAN, 1), optest_desc(QN_F16, 2, 5001, 17)),
        CASE("bf16", KIND(MAX, 1), optest_desc(QN_BF16, 2, 45, 37)),
        CASE("i32", KIND(SUM, 2), optest_desc(QN_I32, 2, 5, 67), .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        CASE("i32 columns", KIND(MAX, 1), optest_desc(QN_I32, 2, 45, 37), .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        CASE("i32, empty axis", KIND(MIN, 1), optest_desc(QN_I32, 2, 0, 7)),
    };

    optest_run(cases, QNI_COUNT(cases));
}

#define ARG(n, r, i, ...) \
    {.name = n, .op = &qni_op_arg_reduce, .attr = &(const struct qni_reduce)r, .inputs = 1, .in = {i}, .ref = ref_arg, __VA_ARGS__}

static void indices(void)
{
    const struct optest_case cases[] = {
        ARG("logits", KIND(ARGMAX, 2), optest_f32(2, 64, 10)),
        ARG("ties", KIND(ARGMAX, 2), optest_f32(2, 33, 17), .fill = {OPTEST_TIES}),
        ARG("least", KIND(ARGMIN, 2), optest_f32(2, 5, 67), .fill = {OPTEST_TIES}),
        ARG("columns", KIND(ARGMAX, 1), optest_f32(2, 31, 77), .fill = {OPTEST_TIES}),
        ARG("middle, kept", KIND(ARGMAX, 2, .keep = 2), optest_f32(3, 3, 5, 7)),
        ARG("all", KIND(ARGMIN, 3), optest_f32(2, 30, 7)),
        ARG("one", KIND(ARGMAX, 1), optest_f32(1, 1)),
        ARG("long", KIND(ARGMAX, 2), optest_f32(2, 3, 50001)),
        ARG("many", KIND(ARGMAX, 2), optest_f32(2, 5003, 3)),
        ARG("NaN", KIND(ARGMAX, 2), optest_f32(2, 2, 9), .prepare = nan_somewhere),
        ARG("i32", KIND(ARGMAX, 2), optest_desc(QN_I32, 2, 7, 9), .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        ARG("empty axis", KIND(ARGMAX, 1), optest_f32(2, 0, 3)),
        ARG("empty batch", KIND(ARGMAX, 2), optest_f32(2, 0, 3)),
    };

    optest_run(cases, QNI_COUNT(cases));
}

int main(void)
{
    indices();
    sums();
    kinds();
    return test_end();
}
