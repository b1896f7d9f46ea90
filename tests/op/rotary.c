/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops/attn/rotary.h"
#include "optest.h"

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_rotary *t = p->attr;
    const qn_shape *s = &p->in[0].shape;
    const int64_t T = s->dim[1], H = s->dim[2], D = s->dim[3], R = t->dims ? t->dims : D;

    terms[0] = 2;
    for (int64_t row = 0; row < s->dim[0] * T * H; row++) {
        const int64_t b = row / H / T, step = row / H % T;
        const double place = (double)step + (!in[1] ? 0 : in[1][p->in[1].shape.dim[0] == 1 ? 0 : b]);
        const double *x = in[0] + row * D;
        double *y = out[0] + row * D, *size = scale[0] + row * D;

        for (int64_t d = R; d < D; d++)
            y[d] = x[d];
        for (int64_t n = 0; n < R / 2; n++) {
            const double angle = place * pow(t->base, -2 * (double)n / (double)R), c = cos(angle);
            const double a = sin(angle) * (t->inverse ? -1 : 1);
            const int64_t u = t->interleaved ? 2 * n : n, w = t->interleaved ? 2 * n + 1 : n + R / 2;

            y[u] = x[u] * c - x[w] * a;
            y[w] = x[w] * c + x[u] * a;
            size[u] = size[w] = (fabs(x[u]) + fabs(x[w])) * (1 + 4 * fabs(angle));
        }
    }
}

#define CASE(n, B, T, H, D, P, missing, grad, ...) \
    {.name = n, .op = &qni_op_rotary, .attr = &(const struct qni_rotary){__VA_ARGS__}, .inputs = 2, \
     .in = {{QN_F32, {4, {B, T, H, D}}}, {QN_I32, {1, {P}}}}, .fill = {[1] = OPTEST_INTEGER}, .fill_max = {[1] = 50}, \
     .absent = (missing) ? 2 : 0, .ref = ref, .small_grad = grad}

static const struct optest_case cases[] = {
    CASE("one pair", 1, 1, 1, 2, 1, true, true, .base = 10000),
    CASE("no samples", 0, 3, 2, 4, 1, true, false, .base = 10000),
    CASE("halves", 2, 3, 2, 6, 1, true, true, .base = 10000),
    CASE("neighbours", 2, 3, 2, 6, 1, true, true, .base = 10000, .interleaved = 1),
    CASE("from a place", 2, 3, 2, 6, 1, false, true, .base = 100),
    CASE("from a place of each sample", 3, 5, 2, 6, 3, false, true, .base = 10000, .interleaved = 1),
    CASE("a part of a head", 3, 5, 2, 9, 3, false, true, .base = 10000, .dims = 4),
    CASE("back", 3, 5, 2, 9, 3, false, true, .base = 10000, .dims = 8, .inverse = 1),
    CASE("many", 3, 67, 3, 64, 3, false, false, .base = 10000),
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
