/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/softmax/softmax.h"

struct view {
    int64_t outer, C, inner;
};

static struct view view_of(const struct qni_problem *p)
{
    const struct qni_softmax *t = p->attr;
    const qn_shape *s = &p->in[0].shape;
    const int axis = t->axis < 0 ? t->axis + s->rank : t->axis;
    struct view v = {1, s->dim[axis], 1};

    for (int i = 0; i < s->rank; i++) {
        v.outer *= i < axis ? s->dim[i] : 1;
        v.inner *= i > axis ? s->dim[i] : 1;
    }
    return v;
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_softmax *t = p->attr;
    const struct view v = view_of(p);

    terms[0] = (double)v.C;
    for (int64_t k = 0; k < v.outer * v.inner; k++) {
        const int64_t at = k / v.inner * v.C * v.inner + k % v.inner;
        double m = -INFINITY, s = 0;

        for (int64_t c = 0; c < v.C; c++)
            m = fmax(m, in[0][at + c * v.inner]);
        for (int64_t c = 0; c < v.C; c++)
            s += exp(in[0][at + c * v.inner] - m);
        for (int64_t c = 0; c < v.C; c++) {
            const double x = in[0][at + c * v.inner];
            double *y = &out[0][at + c * v.inner];

            *y = t->log ? x - m - log(s) : exp(x - m) / s;
            scale[0][at + c * v.inner] = t->log ? fabs(x) + fabs(m) + 1 : *y * (1 + fabs(x) + fabs(m));
        }
    }
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_softmax *t = p->attr;
    const struct view v = view_of(p);

    terms[0] = (double)v.C;
    for (int64_t k = 0; k < v.outer * v.inner; k++) {
        const int64_t at = k / v.inner * v.C * v.inner + k % v.inner;
        double s = 0, a = 0;

        for (int64_t c = at; c < at + v.C * v.inner; c += v.inner) {
            s += in[0][c] * (t->log ? 1 : in[1][c]);
            a += fabs(in[0][c]) * (t->log ? 1 : fabs(in[1][c]));
        }
        for (int64_t c = at; c < at + v.C * v.inner; c += v.inner) {
            const double d = in[0][c], y = in[1][c];

            out[0][c] = t->log ? d - exp(y) * s : y * (d - s);
            scale[0][c] = t->log ? fabs(d) + exp(y) * a : fabs(y) * (fabs(d) + a);
        }
    }
}

#define CASE(n, r, A, B, C, D, grad, ...) \
    {.name = n, .op = &qni_op_softmax, .attr = &(const struct qni_softmax){__VA_ARGS__}, .inputs = 1, \
     .in = {{QN_F32, {r, {A, B, C, D}}}}, .ref = ref, .small_grad = grad}
#define GRAD(n, r, A, B, C, D, ...) \
    {.name = n, .op = &qni_op_softmax_grad, .attr = &(const struct qni_softmax){__VA_ARGS__}, .inputs = 2, \
     .in = {{QN_F32, {r, {A, B, C, D}}}, {QN_F32, {r, {A, B, C, D}}}}, .ref = ref_grad}

static const struct optest_case cases[] = {
    CASE("1", 1, 1, 0, 0, 0, true, .axis = 0),
    CASE("no rows", 2, 0, 5, 0, 0, false, .axis = -1),
    CASE("no columns", 2, 5, 0, 0, 0, false, .axis = -1),
    CASE("10", 2, 64, 10, 0, 0, false, .axis = -1),
    CASE("3 x 5", 2, 3, 5, 0, 0, true, .axis = 1),
    CASE("log", 3, 3, 2, 7, 0, true, .axis = -1, .log = 1),
    CASE("1000", 2, 3, 1000, 0, 0, false, .axis = -1),
    CASE("3000 rows log", 2, 3000, 33, 0, 0, false, .axis = -1, .log = 1),
    CASE("2049", 2, 2, 2049, 0, 0, false, .axis = -1),
    CASE("first axis", 2, 5, 3, 0, 0, true, .axis = 0),
    CASE("middle axis", 4, 2, 3, 5, 7, false, .axis = 1),
    CASE("middle axis log", 3, 3, 4, 17, 0, false, .axis = -2, .log = 1),
    CASE("inner 1", 3, 3, 4, 1, 0, true, .axis = 1),
    GRAD("1", 1, 1, 0, 0, 0, .axis = 0),
    GRAD("no rows", 2, 0, 5, 0, 0, .axis = -1),
    GRAD("10", 2, 64, 10, 0, 0, .axis = -1),
    GRAD("log", 3, 3, 2, 17, 0, .axis = -1, .log = 1),
    GRAD("2049", 2, 2, 2049, 0, 0, .axis = -1),
    GRAD("middle axis", 4, 2, 3, 5, 7, .axis = 1),
    GRAD("middle axis log", 3, 3, 4, 17, 0, .axis = -2, .log = 1),
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
