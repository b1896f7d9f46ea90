/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/norm/norm.h"

struct row {
    double mean, r, size; /* size: the mean of |x| */
};

static struct row moments(const double *x, int64_t C, double epsilon, bool rms)
{
    struct row m = {0, 0, 0};
    double variance = 0;

    for (int64_t c = 0; c < C; c++) {
        m.mean += rms ? 0 : x[c] / (double)C;
        m.size += rms ? 0 : fabs(x[c]) / (double)C;
    }
    for (int64_t c = 0; c < C; c++)
        variance += (x[c] - m.mean) * (x[c] - m.mean) / (double)C;
    m.r = 1 / sqrt(variance + epsilon);
    return m;
}

static int64_t columns(const struct qni_problem *p, int x)
{
    const struct qni_layer_norm *t = p->attr;
    const qn_shape *s = &p->in[x].shape;
    int64_t n = 1;

    for (int i = 0; i < t->axes; i++)
        n *= s->dim[s->rank - 1 - i];
    return n;
}

static bool is_rms(const struct qni_problem *p)
{
    return p->op == &qni_op_rms_norm || p->op == &qni_op_rms_norm_grad;
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_layer_norm *t = p->attr;
    const int64_t C = columns(p, 0), rows = qni_elements(&p->in[0].shape) / C;
    const bool rms = is_rms(p);
    const double *beta = rms ? NULL : in[2];
    const int rstd = rms ? 1 : 2;

    terms[0] = terms[1] = terms[rstd] = (double)C;
    for (int64_t n = 0; n < rows; n++) {
        const double *x = in[0] + n * C;
        const struct row m = moments(x, C, (double)t->epsilon, rms);

        for (int64_t c = 0; c < C; c++) {
            const double v = (x[c] - m.mean) * m.r, gamma = in[1] ? in[1][c] : 1, b = beta ? beta[c] : 0;

            out[0][n * C + c] = v * gamma + b;
            scale[0][n * C + c] = (fabs(v) + (fabs(x[c]) + m.size) * m.r) * fabs(gamma) + fabs(b);
        }
        if (!rms) {
            out[1][n] = m.mean;
            scale[1][n] = m.size;
        }
        out[rstd][n] = scale[rstd][n] = m.r;
    }
}

/* What the forward pass saved. */
static void prepare(const struct qni_problem *p, double *const *in)
{
    const struct qni_layer_norm *t = p->attr;
    const int64_t C = columns(p, 1), rows = qni_elements(&p->in[1].shape) / C;

    for (int64_t n = 0; n < rows; n++) {
        const struct row m = moments(in[1] + n * C, C, (double)t->epsilon, is_rms(p));

        if (!is_rms(p))
            in[3][n] = (float)m.mean;
        in[is_rms(p) ? 3 : 4][n] = (float)m.r;
    }
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const int64_t C = columns(p, 1), rows = qni_elements(&p->in[1].shape) / C;
    const bool rms = is_rms(p);
    const double *residual = p->epilogue.residual ? in[rms ? 4 : 5] : NULL;

    terms[0] = (double)C;
    terms[1] = terms[2] = (double)rows;
    for (int64_t c = 0; c < C; c++)
        for (int o = 1; o < p->outputs; o++)
            out[o][c] = scale[o][c] = 0;
    for (int64_t n = 0; n < rows; n++) {
        const double *dy = in[0] + n * C, *x = in[1] + n * C, mean = rms ? 0 : in[3][n], r = in[rms ? 3 : 4][n];
        double a = 0, b = 0, a_size = 0, b_size = 0;

        for (int64_t c = 0; c < C; c++) {
            const double h = dy[c] * (in[2] ? in[2][c] : 1), v = (x[c] - mean) * r, size = (fabs(x[c]) + fabs(mean)) * r;

            a += rms ? 0 : h / (double)C;
            b += h * v / (double)C;
            a_size += rms ? 0 : fabs(h) / (double)C;
            b_size += fabs(h) * size / (double)C;
            out[1][c] += dy[c] * v;
            scale[1][c] += fabs(dy[c]) * size;
            if (!rms) {
                out[2][c] += dy[c];
                scale[2][c] += fabs(dy[c]);
            }
        }
        for (int64_t c = 0; c < C; c++) {
            const double h = dy[c] * (in[2] ? in[2][c] : 1), v = (x[c] - mean) * r, size = (fabs(x[c]) + fabs(mean)) * r;

            out[0][n * C + c] = r * (h - a - v * b) + (residual ? residual[n * C + c] : 0);
            scale[0][n * C + c] = r * (fabs(h) + a_size + size * b_size) + (residual ? fabs(residual[n * C + c]) : 0);
        }
    }
}

#define KERAS &(const struct qni_layer_norm){.epsilon = 1e-3f, .axes = 1}
#define FINE &(const struct qni_layer_norm){.epsilon = 1e-6f, .axes = 1}
#define FILLS {OPTEST_UNIFORM, OPTEST_POSITIVE, OPTEST_UNIFORM}
#define ROWS(N, C) {QN_F32, {2, {N, C}}}
#define VECTOR(C) {QN_F32, {1, {C}}}
#define CASE(n, N, C, without, ...) \
    {.name = n, .op = &qni_op_layer_norm, .attr = KERAS, .inputs = 3, .in = {ROWS(N, C), VECTOR(C), VECTOR(C)}, \
     .fill = FILLS, .absent = without, .ref = ref, .saved = 6, __VA_ARGS__}
#define RMS(n, N, C, without, ...) \
    {.name = n, .op = &qni_op_rms_norm, .attr = FINE, .inputs = 2, .in = {ROWS(N, C), VECTOR(C)}, .fill = FILLS, \
     .absent = without, .ref = ref, .saved = 2, __VA_ARGS__}
#define GRAD(n, N, C, without, ...) \
    {.name = n, .op = &qni_op_layer_norm_grad, .attr = KERAS, .inputs = 5, \
     .in = {ROWS(N, C), ROWS(N, C), VECTOR(C), VECTOR(N), VECTOR(N)}, .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM}, \
     .absent = without, .ref = ref_grad, .prepare = prepare, __VA_ARGS__}
#define RMS_GRAD(n, N, C, without, ...) \
    {.name = n, .op = &qni_op_rms_norm_grad, .attr = FINE, .inputs = 4, .in = {ROWS(N, C), ROWS(N, C), VECTOR(C), VECTOR(N)}, \
     .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM}, .absent = without, .ref = ref_grad, .prepare = prepare, __VA_ARGS__}

/* Far from zero, where sums of squares would lose everything. */
static void far(const struct qni_problem *p, double *const *in)
{
    for (int64_t i = 0; i < qni_elements(&p->in[0].shape); i++)
        in[0][i] = (double)(float)(in[0][i] / 16 + 1000);
}

static const struct optest_case cases[] = {
    CASE("1", 1, 1, 0, .slack = 2),
    CASE("no rows", 0, 3, 0, .slack = 1),
    CASE("tiny", 3, 5, 0, .small_grad = true),
    CASE("tiny without gamma and beta", 2, 3, 6, .small_grad = true),
    CASE("tiny, 19 columns", 4, 19, 0, .small_grad = true),
    CASE("17 columns, nothing saved", 7, 17, 0, .unwanted = 6),
    CASE("mean alone is saved", 7, 17, 0, .unwanted = 4),
    CASE("128 columns", 37, 128, 2, .slack = 1),
    CASE("1100 columns", 130, 1100, 4, .slack = 1),
    CASE("many rows", 5000, 24, 0, .slack = 1),
    CASE("far from zero", 70, 33, 0, .prepare = far, .slack = 4),
    {.name = "two axes", .op = &qni_op_layer_norm, .attr = &(const struct qni_layer_norm){.epsilon = 1e-3f, .axes = 2},
     .inputs = 3, .in = {{QN_F32, {3, {4, 3, 5}}}, {QN_F32, {2, {3, 5}}}, {QN_F32, {2, {3, 5}}}}, .fill = FILLS, .ref = ref,
     .saved = 6, .small_grad = true},
    RMS("rms: 1", 1, 1, 0, .slack = 2),
    RMS("rms: no rows", 0, 3, 0, .slack = 1),
    RMS("rms: tiny", 3, 5, 0, .small_grad = true),
    RMS("rms: tiny without gamma", 3, 6, 2, .small_grad = true),
    RMS("rms: 17 columns", 31, 17, 0, .unwanted = 2),
    RMS("rms: 300 columns", 99, 300, 0, .slack = 1),
    GRAD("1", 1, 1, 0, .slack = 2),
    GRAD("no rows", 0, 3, 0, .slack = 1),
    GRAD("3", 5, 3, 0, .slack = 1),
    GRAD("17, without gamma", 40, 17, 4, .slack = 1),
    GRAD("70, no dbeta", 99, 70, 0, .unwanted = 4),
    GRAD("only parameters", 99, 20, 0, .unwanted = 1),
    GRAD("only dx", 33, 65, 0, .unwanted = 6),
    GRAD("1100 columns", 130, 1100, 0, .slack = 1),
    GRAD("many rows", 9001, 32, 0, .slack = 1),
    {.name = "residual", .op = &qni_op_layer_norm_grad, .attr = KERAS, .inputs = 6,
     .in = {ROWS(70, 37), ROWS(70, 37), VECTOR(37), VECTOR(70), VECTOR(70), ROWS(70, 37)}, .ref = ref_grad, .prepare = prepare,
     .epilogue = {.residual = true}},
    RMS_GRAD("rms: 1", 1, 1, 0, .slack = 2),
    RMS_GRAD("rms: 3", 5, 3, 0, .slack = 1),
    RMS_GRAD("rms: 129, without gamma", 65, 129, 4, .slack = 1),
    RMS_GRAD("rms: only dx", 65, 40, 0, .unwanted = 2),
    RMS_GRAD("rms: many rows", 3001, 32, 0, .slack = 1),
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
