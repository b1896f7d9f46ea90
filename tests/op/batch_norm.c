/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/norm/norm.h"

static double act(const struct qni_epilogue *e, double v)
{
    return e->act == QN_RELU ? fmax(v, 0) : e->act == QN_TANH ? tanh(v) : v;
}

static double optional(double *const *in, int i, int64_t c, double other)
{
    return in[i] ? in[i][c] : other;
}

struct channel {
    double mean, variance, size; /* size: the mean of |x| */
};

static struct channel moments(const double *x, int64_t rows, int64_t C, int64_t c)
{
    struct channel m = {0, 0, 0};

    for (int64_t i = 0; i < rows; i++) {
        m.mean += x[i * C + c] / (double)rows;
        m.size += fabs(x[i * C + c]) / (double)rows;
    }
    for (int64_t i = 0; i < rows; i++)
        m.variance += (x[i * C + c] - m.mean) * (x[i * C + c] - m.mean) / (double)rows;
    return m;
}

static int64_t channels(const struct qni_desc *d)
{
    return d->shape.dim[d->shape.rank - 1];
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_batch_norm *t = p->attr;
    const double keep = (double)t->momentum;
    const int64_t C = channels(&p->in[0]), rows = C ? qni_elements(&p->in[0].shape) / C : 0;
    const double *residual = p->epilogue.residual ? in[5] : NULL;

    terms[0] = terms[1] = terms[2] = (double)rows;
    for (int64_t c = 0; c < C; c++) {
        const struct channel m = moments(in[0], rows, C, c);
        const double r = 1 / sqrt(m.variance + (double)t->epsilon), gamma = optional(in, 1, c, 1), beta = optional(in, 2, c, 0);

        for (int64_t i = c; i < rows * C; i += C) {
            const double n = (in[0][i] - m.mean) * r;

            out[0][i] = act(&p->epilogue, n * gamma + beta + (residual ? residual[i] : 0));
            scale[0][i] = (fabs(n) + (fabs(in[0][i]) + m.size) * r) * fabs(gamma) + fabs(beta) +
                          (residual ? fabs(residual[i]) : 0);
        }
        out[1][c] = m.mean;
        scale[1][c] = m.size;
        out[2][c] = r;
        scale[2][c] = r;
        if (in[3] && rows) {
            in[3][c] = in[3][c] * keep + m.mean * (1 - keep);
            in[4][c] = in[4][c] * keep + m.variance * (1 - keep);
        }
    }
}

static void ref_inference(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_batch_norm *t = p->attr;
    const int64_t C = channels(&p->in[0]);
    const double *residual = p->epilogue.residual ? in[5] : NULL;

    terms[0] = 4;
    for (int64_t i = 0; i < qni_elements(&p->in[0].shape); i++) {
        const int64_t c = i % C;
        const double f = optional(in, 1, c, 1) / sqrt(in[4][c] + (double)t->epsilon);
        const double mean = optional(in, 3, c, 0), beta = optional(in, 2, c, 0);

        out[0][i] = act(&p->epilogue, (in[0][i] - mean) * f + beta + (residual ? residual[i] : 0));
        scale[0][i] = (fabs(in[0][i]) + fabs(mean)) * fabs(f) + fabs(beta) + (residual ? fabs(residual[i]) : 0);
    }
}

static void prepare(const struct qni_problem *p, double *const *in)
{
    const struct qni_batch_norm *t = p->attr;
    const int64_t C = channels(&p->in[1]), rows = qni_elements(&p->in[1].shape) / C;

    for (int64_t c = 0; c < C; c++) {
        const struct channel m = moments(in[1], rows, C, c);

        in[3][c] = (float)m.mean;
        in[4][c] = (float)(1 / sqrt(m.variance + (double)t->epsilon));
    }
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const int64_t C = channels(&p->in[1]), rows = qni_elements(&p->in[1].shape) / C;

    terms[0] = terms[1] = terms[2] = (double)rows;
    for (int64_t c = 0; c < C; c++) {
        const double gamma = optional(in, 2, c, 1), mean = in[3][c], r = in[4][c];
        double sum = 0, dot = 0, sum_size = 0, dot_size = 0;

        for (int64_t i = c; i < rows * C; i += C) {
            const double n = (in[1][i] - mean) * r;

            sum += in[0][i];
            dot += in[0][i] * n;
            sum_size += fabs(in[0][i]);
            dot_size += fabs(in[0][i]) * (fabs(in[1][i]) + fabs(mean)) * r;
        }
        for (int64_t i = c; i < rows * C; i += C) {
            const double n = (in[1][i] - mean) * r, size = (fabs(in[1][i]) + fabs(mean)) * r;
            const double slope = p->epilogue.act_grad ? in[5][i] > 0 : 1;

            out[0][i] = gamma * r * (in[0][i] - sum / (double)rows - n * dot / (double)rows) * slope;
            scale[0][i] = fabs(gamma) * r * (fabs(in[0][i]) + sum_size / (double)rows + size * dot_size / (double)rows) * slope;
        }
        out[1][c] = dot;
        scale[1][c] = dot_size;
        out[2][c] = sum;
        scale[2][c] = sum_size;
    }
}

#define KERAS &(const struct qni_batch_norm){.epsilon = 1e-3f, .momentum = 0.99f}
#define CHANNELS(C) {QN_F32, {1, {C}}}, {QN_F32, {1, {C}}}, {QN_F32, {1, {C}}}, {QN_F32, {1, {C}}}
#define FILLS OPTEST_UNIFORM, OPTEST_POSITIVE, OPTEST_UNIFORM, OPTEST_UNIFORM, OPTEST_POSITIVE, OPTEST_UNIFORM
#define CASE(n, N, H, W, C, without, ...) \
    {.name = n, .op = &qni_op_batch_norm, .attr = KERAS, .inputs = 5, .in = {{QN_F32, {4, {N, H, W, C}}}, CHANNELS(C)}, \
     .fill = {FILLS}, .absent = without, .ref = ref, .no_grad = 24, .saved = 6, __VA_ARGS__}
#define INFERENCE(n, N, C, without, ...) \
    {.name = n, .op = &qni_op_batch_norm_inference, .attr = KERAS, .inputs = 5, .in = {{QN_F32, {2, {N, C}}}, CHANNELS(C)}, \
     .fill = {FILLS}, .absent = without, .ref = ref_inference, .no_grad = 24, __VA_ARGS__}
#define GRAD(n, N, C, without, ...) \
    {.name = n, .op = &qni_op_batch_norm_grad, .attr = KERAS, .inputs = 5, \
     .in = {{QN_F32, {2, {N, C}}}, {QN_F32, {2, {N, C}}}, {QN_F32, {1, {C}}}, {QN_F32, {1, {C}}}, {QN_F32, {1, {C}}}}, \
     .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM, OPTEST_UNIFORM}, .absent = without, .ref = ref_grad, .prepare = prepare, __VA_ARGS__}

/* Far from zero, where sums of squares would lose everything. */
static void far(const struct qni_problem *p, double *const *in)
{
    for (int64_t i = 0; i < qni_elements(&p->in[0].shape); i++)
        in[0][i] = (double)(float)(in[0][i] / 16 + 1000);
}

static const struct optest_case cases[] = {
    CASE("1", 1, 1, 1, 1, 0, .slack = 2),
    CASE("no images", 0, 2, 2, 3, 0, .slack = 1),
    CASE("no channels", 2, 2, 2, 0, 0, .slack = 1),
    CASE("tiny", 2, 2, 3, 3, 0, .small_grad = true),
    CASE("tiny without gamma and beta", 2, 2, 3, 2, 6, .small_grad = true),
    CASE("17 channels", 2, 5, 3, 17, 0, .unwanted = 6),
    CASE("70 channels", 2, 5, 7, 70, 24, .slack = 1),
    CASE("33 rows", 33, 1, 1, 64, 2, .slack = 1),
    CASE("260 channels", 3, 5, 7, 260, 4, .slack = 1),
    CASE("many rows", 32, 17, 17, 32, 0, .slack = 1),
    CASE("far from zero", 8, 9, 9, 5, 0, .prepare = far, .slack = 4),
    {.name = "relu", .op = &qni_op_batch_norm, .attr = KERAS, .inputs = 5, .in = {{QN_F32, {2, {99, 19}}}, CHANNELS(19)},
     .fill = {FILLS}, .ref = ref, .epilogue = {.act = QN_RELU}},
    {.name = "residual, relu", .op = &qni_op_batch_norm, .attr = KERAS, .inputs = 6,
     .in = {{QN_F32, {2, {99, 19}}}, CHANNELS(19), {QN_F32, {2, {99, 19}}}}, .fill = {FILLS}, .ref = ref,
     .epilogue = {.act = QN_RELU, .residual = true}},
    INFERENCE("1", 1, 1, 0, .slack = 1),
    INFERENCE("no rows", 0, 3, 0, .slack = 1),
    INFERENCE("17", 9, 17, 0, .small_grad = false),
    INFERENCE("tiny", 3, 5, 0, .small_grad = true),
    INFERENCE("tiny, no mean", 3, 5, 8, .small_grad = true),
    INFERENCE("without", 7, 33, 14, .slack = 1),
    INFERENCE("many rows", 5000, 64, 0, .epilogue = {.act = QN_RELU}),
    {.name = "residual", .op = &qni_op_batch_norm_inference, .attr = KERAS, .inputs = 6,
     .in = {{QN_F32, {2, {99, 19}}}, CHANNELS(19), {QN_F32, {2, {99, 19}}}}, .fill = {FILLS}, .ref = ref_inference,
     .epilogue = {.act = QN_TANH, .residual = true}, .slack = 2},
    GRAD("1", 1, 1, 0, .slack = 2),
    GRAD("3", 5, 3, 0, .slack = 1),
    GRAD("17, without gamma", 40, 17, 4, .slack = 1),
    GRAD("70", 99, 70, 0, .unwanted = 2),
    GRAD("only parameters", 99, 20, 0, .unwanted = 1),
    GRAD("many rows", 9001, 32, 0, .slack = 1),
    {.name = "relu", .op = &qni_op_batch_norm_grad, .attr = KERAS, .inputs = 6,
     .in = {{QN_F32, {2, {70, 37}}}, {QN_F32, {2, {70, 37}}}, {QN_F32, {1, {37}}}, {QN_F32, {1, {37}}}, {QN_F32, {1, {37}}},
            {QN_F32, {2, {70, 37}}}}, .ref = ref_grad, .prepare = prepare, .epilogue = {.act_grad = QN_RELU}},
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
