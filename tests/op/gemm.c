/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "optest.h"
#include "ops/gemm/gemm.h"

#define COMMA ,
#define N0 \
    {      \
        0  \
    }
#define TA               \
    {                    \
        .transpose_a = 1 \
    }
#define TB               \
    {                    \
        .transpose_b = 1 \
    }
#define TAB                                    \
    {                                          \
        .transpose_a = 1 COMMA.transpose_b = 1 \
    }

static double act(int a, double x, double alpha)
{
    switch (a) {
    case QN_RELU:
        return x > 0 ? x : 0;
    case QN_LEAKY_RELU:
        return x > 0 ? x : alpha * x;
    case QN_RELU6:
        return fmin(fmax(x, 0), 6);
    case QN_ELU:
        return x > 0 ? x : alpha * expm1(x);
    case QN_SELU:
        return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
    case QN_GELU:
        return x * 0.5 * erfc(-x * M_SQRT1_2);
    case QN_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case QN_SIGMOID:
        return 1 / (1 + exp(-x));
    case QN_HARD_SIGMOID:
        return fmin(fmax(x / 6 + 0.5, 0), 1);
    case QN_TANH:
        return tanh(x);
    case QN_SOFTPLUS:
        return log1p(exp(x));
    case QN_SOFTSIGN:
        return x / (1 + fabs(x));
    case QN_SWISH:
        return x / (1 + exp(-x));
    case QN_HARD_SWISH:
        return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    case QN_MISH:
        return x * tanh(log1p(exp(x)));
    case QN_EXPONENTIAL:
        return exp(x);
    default:
        return x;
    }
}

static double act_grad(int a, double y, double alpha)
{
    switch (a) {
    case QN_RELU:
        return y > 0;
    case QN_LEAKY_RELU:
        return y > 0 ? 1 : alpha;
    case QN_RELU6:
        return y > 0 && y < 6;
    case QN_ELU:
        return y < 0 ? y + alpha : 1;
    case QN_SELU:
        return y < 0 ? y + 1.0507009873554805 * 1.6732632423543772 : 1.0507009873554805;
    case QN_SIGMOID:
        return y * (1 - y);
    case QN_HARD_SIGMOID:
        return y > 0 && y < 1 ? 1.0 / 6 : 0;
    case QN_TANH:
        return 1 - y * y;
    case QN_SOFTPLUS:
        return -expm1(-y);
    case QN_SOFTSIGN:
        return (1 - fabs(y)) * (1 - fabs(y));
    case QN_EXPONENTIAL:
        return y;
    default:
        return 1;
    }
}

/* v and the absolute values behind it, through the epilogue. */
static void finish(const struct qni_problem *p, double *const *in, int64_t i, int64_t n, double *v, double *scale)
{
    const struct qni_epilogue *e = &p->epilogue;
    int next = p->inputs - qni_epilogue_operands(e);

    if (e->bias) {
        *v += in[next][n];
        *scale += fabs(in[next++][n]);
    }
    if (e->residual) {
        *v += in[next][i];
        *scale += fabs(in[next++][i]);
    }
    /* No activation here has a slope above 1.13 or adds more than its size at 0. */
    *scale = 1.2 * *scale * (e->act == QN_EXPONENTIAL ? exp(*v) + 1 : 1) + (e->act ? 1 : 0);
    *v = act(e->act, *v, (double)e->alpha);
    if (e->act_grad) {
        *v *= act_grad(e->act_grad, in[next][i], (double)e->alpha);
        *scale *= 4;
    }
}

/* An operand as matrices of rows and columns, as they lie in memory. */
struct matrices {
    const double *v;
    int64_t n, rows, columns;
    bool transpose;
};

static struct matrices matrices(const double *v, const qn_shape *s, bool transpose, bool flat)
{
    struct matrices a = {.v = v, .n = 1, .rows = 1, .columns = s->dim[s->rank - 1], .transpose = transpose};

    for (int i = 0; i < s->rank - 1; i++)
        if (flat || i == s->rank - 2)
            a.rows *= s->dim[i];
        else
            a.n *= s->dim[i];
    return a;
}

static double element(const struct matrices *a, int64_t batch, int64_t row, int64_t column)
{
    const int64_t from = (a->n == 1 ? 0 : batch) * a->rows * a->columns;

    return a->v[from + (a->transpose ? column * a->columns + row : row * a->columns + column)];
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_matmul *t = p->attr;
    const struct matrices a = matrices(in[0], &p->in[0].shape, t->transpose_a, t->flat);
    const struct matrices b = matrices(in[1], &p->in[1].shape, t->transpose_b, t->flat);
    const int64_t M = t->transpose_a ? a.columns : a.rows, K = t->transpose_a ? a.rows : a.columns;
    const int64_t N = t->transpose_b ? b.rows : b.columns, batches = a.n == 1 ? b.n : a.n;

    terms[0] = (double)(K * (t->sum_batch ? batches : 1));
    for (int64_t i = 0; i < (t->sum_batch ? 1 : batches) * M * N; i++) {
        const int64_t from = t->sum_batch ? 0 : i / N / M, to = t->sum_batch ? batches : from + 1;
        double v = 0, size = 0;

        for (int64_t z = from; z < to; z++)
            for (int64_t k = 0; k < K; k++) {
                const double term = element(&a, z, i / N % M, k) * element(&b, z, k, i % N);

                v += term;
                size += fabs(term);
            }
        finish(p, in, i, i % N, &v, &size);
        out[0][i] = v;
        scale[0][i] = isfinite(v) ? size : 0;
    }
}

#define CASE(text, rule, ...)                                                                                \
    {                                                                                                        \
        .name = text, .op = &qni_op_matmul, .attr = &(const struct qni_matmul)rule, .inputs = 2, .ref = ref, \
        __VA_ARGS__                                                                                          \
    }
#define TWO(a, b) .in = {a, b}

/* Numbers that are none spread over rows of the result, and over columns; an infinity meets zeros. */
static void not_finite(const struct qni_problem *p, double *const *in)
{
    const int64_t lda = p->in[0].shape.dim[1], ldb = p->in[1].shape.dim[1];

    in[0][lda + 2] = INFINITY;
    in[0][3 * lda + 1] = NAN;
    in[0][20 * lda + 7] = -INFINITY;
    in[0][21 * lda + 8] = p->caps->matmul == QN_MATMUL_F16 ? 0x1.ep15 : 0x1.8p127;
    in[1][2 * ldb + 5] = 0;
    in[1][7 * ldb + 6] = in[1][7 * ldb + 9] = 0.5;
    in[1][8 * ldb + 6] = 0.25;
    in[1][12 * ldb + 11] = -INFINITY;
    in[1][13 * ldb + 37] = NAN;
}

static void products(void (*run)(const struct optest_case *cases, size_t n))
{
    const struct optest_case cases[] = {
        CASE("1x1x1", N0, TWO(optest_f32(2, 1, 1), optest_f32(2, 1, 1)), .small_grad = true),
        CASE("no rows", N0, TWO(optest_f32(2, 0, 3), optest_f32(2, 3, 4))),
        CASE("no columns", N0, TWO(optest_f32(2, 2, 3), optest_f32(2, 3, 0))),
        CASE("K 0", N0, TWO(optest_f32(2, 3, 0), optest_f32(2, 0, 5))),
        CASE("K 0, both transposed", TAB, TWO(optest_f32(2, 0, 3), optest_f32(2, 5, 0))),
        CASE("empty batch", N0, TWO(optest_f32(3, 0, 3, 2), optest_f32(3, 0, 2, 5))),
        CASE("3x5x1", N0, TWO(optest_f32(2, 3, 1), optest_f32(2, 1, 5)), .small_grad = true),
        CASE("2x3x4", N0, TWO(optest_f32(2, 2, 4), optest_f32(2, 4, 3)), .small_grad = true),
        CASE("2x3x4, A transposed", TA, TWO(optest_f32(2, 4, 2), optest_f32(2, 4, 3)), .small_grad = true),
        CASE("2x3x4, B transposed", TB, TWO(optest_f32(2, 2, 4), optest_f32(2, 3, 4)), .small_grad = true),
        CASE("2x3x4, both transposed", TAB, TWO(optest_f32(2, 4, 2), optest_f32(2, 3, 4)), .small_grad = true),
        CASE("7x17x13", N0, TWO(optest_f32(2, 7, 13), optest_f32(2, 13, 17))),
        CASE("7x17x13, A transposed", TA, TWO(optest_f32(2, 13, 7), optest_f32(2, 13, 17))),
        CASE("7x17x13, B transposed", TB, TWO(optest_f32(2, 7, 13), optest_f32(2, 17, 13))),
        CASE("7x17x13, both transposed", TAB, TWO(optest_f32(2, 13, 7), optest_f32(2, 17, 13))),
        CASE("8x32x16", N0, TWO(optest_f32(2, 8, 16), optest_f32(2, 16, 32))),
        CASE("9x33x17, both transposed", TAB, TWO(optest_f32(2, 17, 9), optest_f32(2, 33, 17))),
        CASE("31x65x15", N0, TWO(optest_f32(2, 31, 15), optest_f32(2, 15, 65))),
        CASE("33x63x8, A transposed", TA, TWO(optest_f32(2, 8, 33), optest_f32(2, 8, 63))),
        CASE("65x129x31, B transposed", TB, TWO(optest_f32(2, 65, 31), optest_f32(2, 129, 31))),
        CASE("129x127x65", N0, TWO(optest_f32(2, 129, 65), optest_f32(2, 65, 127))),
        CASE("129x127x257, A transposed", TA, TWO(optest_f32(2, 257, 129), optest_f32(2, 257, 127))),
        CASE("137x150x255, both transposed", TAB, TWO(optest_f32(2, 255, 137), optest_f32(2, 150, 255))),
        CASE("130x1030x130: B is copied", N0, TWO(optest_f32(2, 130, 130), optest_f32(2, 130, 1030))),
        CASE("514x40x20, A transposed: A is copied", TA, TWO(optest_f32(2, 20, 514), optest_f32(2, 20, 40))),
        CASE("257x260x20: the largest tile", N0, TWO(optest_f32(2, 257, 20), optest_f32(2, 20, 260))),
        CASE("33x40x20: numbers that are none", N0, TWO(optest_f32(2, 33, 20), optest_f32(2, 20, 40)),
             .prepare = not_finite),
        CASE("1x100x300", N0, TWO(optest_f32(2, 1, 300), optest_f32(2, 300, 100))),
        CASE("1x100x300, B transposed", TB, TWO(optest_f32(2, 1, 300), optest_f32(2, 100, 300))),
        CASE("1x100x300, A transposed", TA, TWO(optest_f32(2, 300, 1), optest_f32(2, 300, 100))),
        CASE("300x1x100", N0, TWO(optest_f32(2, 300, 100), optest_f32(2, 100, 1))),
        CASE("3x5x5003: K in parts", N0, TWO(optest_f32(2, 3, 5003), optest_f32(2, 5003, 5))),
        CASE("16x40x20011: K in parts", N0, TWO(optest_f32(2, 16, 20011), optest_f32(2, 20011, 40))),
        CASE("17x35x5003, A transposed: K in parts", TA, TWO(optest_f32(2, 5003, 17), optest_f32(2, 5003, 35))),
    };

    run(cases, QNI_COUNT(cases));
}

static void batches(void (*run)(const struct optest_case *cases, size_t n))
{
    const struct optest_case cases[] = {
        CASE("batch 3", N0, TWO(optest_f32(3, 3, 4, 5), optest_f32(3, 3, 5, 2)), .small_grad = true),
        CASE("batch 2x3, both transposed", TAB, TWO(optest_f32(4, 2, 3, 5, 4), optest_f32(4, 2, 3, 6, 5)),
             .small_grad = true),
        CASE("one B for a batch", N0, TWO(optest_f32(3, 3, 4, 5), optest_f32(2, 5, 2)), .small_grad = true),
        CASE("one B for a batch of batches", N0, TWO(optest_f32(4, 2, 3, 4, 5), optest_f32(4, 1, 1, 5, 2)),
             .small_grad = true),
        CASE("one B for a batch, both transposed", TAB, TWO(optest_f32(3, 3, 5, 4), optest_f32(2, 2, 5)),
             .small_grad = true),
        CASE("one A for a batch", N0, TWO(optest_f32(2, 4, 5), optest_f32(3, 3, 5, 2)), .small_grad = true),
        CASE("one A for a batch, A transposed", TA, TWO(optest_f32(3, 1, 5, 4), optest_f32(3, 3, 5, 2)),
             .small_grad = true),
        CASE("a batch of 1 and none", N0, TWO(optest_f32(2, 4, 5), optest_f32(3, 1, 5, 2)), .small_grad = true),
        CASE("batch 2 of 33x70x40", N0, TWO(optest_f32(3, 2, 33, 40), optest_f32(3, 2, 40, 70))),
        CASE("flat", {.transpose_a = 1 COMMA.flat = 1}, TWO(optest_f32(3, 3, 4, 5), optest_f32(3, 3, 4, 2))),
        CASE("summed", {.sum_batch = 1 COMMA.lead = 1}, TWO(optest_f32(3, 3, 4, 5), optest_f32(3, 3, 5, 17))),
        CASE("summed, B transposed", {.sum_batch = 1 COMMA.transpose_b = 1},
             TWO(optest_f32(3, 7, 9, 5), optest_f32(3, 7, 33, 5))),
        CASE("summed over nothing", {.sum_batch = 1}, TWO(optest_f32(3, 0, 4, 5), optest_f32(3, 0, 5, 3))),
        CASE("summed, K in parts", {.sum_batch = 1}, TWO(optest_f32(3, 3, 4, 3001), optest_f32(3, 3, 3001, 5))),
    };

    run(cases, QNI_COUNT(cases));
}

static void epilogues(void (*run)(const struct optest_case *cases, size_t n))
{
    static const int by_result[] = {QN_RELU,         QN_LEAKY_RELU, QN_RELU6,    QN_ELU,      QN_SELU,       QN_SIGMOID,
                                    QN_HARD_SIGMOID, QN_TANH,       QN_SOFTPLUS, QN_SOFTSIGN, QN_EXPONENTIAL};
    static const struct {
        int m, n, k;
    } sizes[] = {{5, 7, 11}, {9, 49, 3}, {66, 80, 530}, {2, 6, 0}, {2, 20, 5000}};

    for (size_t s = 0; s < QNI_COUNT(sizes); s++) {
        const struct qni_desc a = optest_f32(2, sizes[s].m, sizes[s].k), b = optest_f32(2, sizes[s].k, sizes[s].n);
        const struct qni_desc c = optest_f32(2, sizes[s].m, sizes[s].n), bias = optest_f32(1, sizes[s].n);

        for (int f = 0; f < QN_SOFTMAX; f++) {
            char name[96];
            struct optest_case one = CASE(name, N0, TWO(a, b), .slack = 4);
            int n = 2;

            /* Every activation at the first size, two at the others. */
            if (s && f != QN_RELU && f != QN_SIGMOID)
                continue;
            one.epilogue = (struct qni_epilogue){.bias = f != 1, .residual = f % 3 == 0, .act = f, .alpha = 0.3f};
            one.epilogue.act_grad = f < (int)QNI_COUNT(by_result) ? by_result[f] : 0;
            if (f == 3)
                one.epilogue.act = 0;
            if (one.epilogue.bias)
                one.in[n++] = bias;
            if (one.epilogue.residual)
                one.in[n++] = c;
            if (one.epilogue.act_grad) {
                one.fill[n] = one.epilogue.act_grad == QN_SOFTPLUS || one.epilogue.act_grad == QN_EXPONENTIAL
                                  ? OPTEST_POSITIVE
                                  : OPTEST_UNIFORM;
                one.in[n++] = c;
            }
            one.inputs = n;
            snprintf(name, sizeof(name), "%dx%dx%d, bias %d residual %d act %d act_grad %d", sizes[s].m, sizes[s].n,
                     sizes[s].k, one.epilogue.bias, one.epilogue.residual, one.epilogue.act, one.epilogue.act_grad);
            run(&one, 1);
        }
    }
}

/* ---- matrix instructions ---- */

/* What an algorithm may round an operand to: to nearest, ties to even, but TF32's away from 0. */
static double rounded(double x, qn_matmul to)
{
    const int bits = to == QN_MATMUL_BF16 ? 8 : 11;
    int e;
    double y;

    if (to == QN_MATMUL_F32 || !isfinite(x) || x == 0)
        return x;
    frexp(x, &e);
    if (to == QN_MATMUL_F16)
        e = e < -13 ? -13 : e; /* as if it were normal */
    y = ldexp(x, bits - e);
    y = ldexp(to == QN_MATMUL_TF32 ? round(y) : rint(y), e - bits);
    return to == QN_MATMUL_F16 && fabs(y) > 65504 ? copysign(INFINITY, y) : y;
}

static void ref_rounded(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    double *copy[2];

    for (int i = 0; i < 2; i++) {
        const size_t n = (size_t)qni_elements(&p->in[i].shape);

        copy[i] = malloc(n * sizeof(double));
        for (size_t e = 0; e < n && copy[i]; e++)
            copy[i][e] = rounded(in[i][e], p->caps->matmul);
    }
    if (copy[0] && copy[1])
        ref(p, copy, out, scale, terms);
    free(copy[0]);
    free(copy[1]);
}

/* Numbers half way between two of bf16, f16 or TF32, and at the ends of f16, one to a row of A, the rest of which is 0. */
static void half_way(const struct qni_problem *p, double *const *in)
{
    static const double numbers[] = {
        0x1.01p0,  0x1.03p0,    -0x1.01p0,   0x1.010002p0, 0x1.002p0,     0x1.006p0,     -0x1.002p0, -0x1.006p0,
        0x1.1fep0, 0x1.fffffep0, 65519,      65520,        -65520,        65504,         0x1p-24,    0x1p-25,
        0x3p-26,   0x1.004p-14, -0x1.8p-24,  0x1.00effep3, -0x1.00f002p3, 0x1.ffeffep-1, INFINITY,   NAN,
    };
    const int64_t lda = p->in[0].shape.dim[1], ldb = p->in[1].shape.dim[1];

    for (size_t m = 0; m < QNI_COUNT(numbers); m++) {
        for (int64_t k = 0; k < lda; k++)
            in[0][(int64_t)m * lda + k] = 0;
        in[0][(int64_t)m * lda + (int64_t)m % lda] = numbers[m];
    }
    for (int64_t k = 0; k < lda; k++)
        in[1][k * ldb] = 1;
}

static void rounding(void (*run)(const struct optest_case *cases, size_t n))
{
    const struct optest_case cases[] = {
        CASE("33x40x20: numbers that are none", N0, TWO(optest_f32(2, 33, 20), optest_f32(2, 20, 40)),
             .prepare = not_finite),
        {.name = "24x5x20: numbers half way", .op = &qni_op_matmul, .attr = &(const struct qni_matmul){0}, .inputs = 2,
         TWO(optest_f32(2, 24, 20), optest_f32(2, 20, 5)), .prepare = half_way, .unrounded = true, .ref = ref_rounded},
        {.name = "33x40x20: rounded", .op = &qni_op_matmul, .attr = &(const struct qni_matmul){0}, .inputs = 2,
         TWO(optest_f32(2, 33, 20), optest_f32(2, 20, 40)), .unrounded = true, .ref = ref_rounded},
    };

    run(cases, QNI_COUNT(cases));
}

/* A build takes PoCL seconds: f16 lies as bf16 does. */
static void halves_played(const struct optest_case *cases, size_t n)
{
    static const enum qni_matrix makers[] = {QNI_MATRIX_NVIDIA, QNI_MATRIX_AMD, QNI_MATRIX_WMMA, QNI_MATRIX_XMX8,
                                             QNI_MATRIX_XMX16};

    for (size_t i = 0; i < QNI_COUNT(makers); i++)
        optest_run_played_as(cases, n, QN_MATMUL_BF16, makers[i]);
    optest_run_played_as(cases, n, QN_MATMUL_F16, QNI_MATRIX_NVIDIA);
    optest_run_played_as(cases, n, QN_MATMUL_TF32, QNI_MATRIX_NVIDIA);
}

static void few_played(void)
{
    static const enum qni_matrix makers[] = {QNI_MATRIX_NVIDIA, QNI_MATRIX_AMD, QNI_MATRIX_INTEL16, QNI_MATRIX_INTEL8};
    const struct optest_case cases[] = {
        CASE("33x40x20: numbers that are none", N0, TWO(optest_f32(2, 33, 20), optest_f32(2, 20, 40)),
             .prepare = not_finite),
        CASE("137x150x255, both transposed", TAB, TWO(optest_f32(2, 255, 137), optest_f32(2, 150, 255))),
        {.name = "66x80x53, bias, residual and relu",
         .op = &qni_op_matmul,
         .attr = &(const struct qni_matmul){0},
         .inputs = 4,
         .in = {optest_f32(2, 66, 53), optest_f32(2, 53, 80), optest_f32(1, 80), optest_f32(2, 66, 80)},
         .epilogue = {.bias = true, .residual = true, .act = QN_RELU},
         .ref = ref},
    };

    for (size_t i = 0; i < QNI_COUNT(makers); i++)
        optest_run_played_as(cases, QNI_COUNT(cases), QN_MATMUL_F32, makers[i]);
}

/* It is off until the device has qualified, and for small products. */
static void untried(void)
{
    const struct qni_matmul t = {0};
    struct qni_desc in[2] = {optest_f32(2, 256, 64), optest_f32(2, 64, 256)};
    struct qni_caps caps = optest_matrix_caps();
    struct qni_problem p;

    if (!CHECK_OK(qni_problem_init(&p, &qni_op_matmul, &t, in, 2, 0)))
        return;
    p.caps = &caps;
    CHECK(qni_gemm_matrix.applies(&p) && qni_algo_choose(&p) == &qni_gemm_gpu);
    snprintf(caps.qualified, sizeof(caps.qualified), "attention/matrix matmul/matri ");
    CHECK(qni_algo_choose(&p) == &qni_gemm_gpu);
    snprintf(caps.qualified, sizeof(caps.qualified), "attention/matrix matmul/matrix ");
    CHECK(qni_algo_choose(&p) == &qni_gemm_matrix);
    snprintf(caps.left_out, sizeof(caps.left_out), "matmul/matrix ");
    CHECK(qni_algo_choose(&p) == &qni_gemm_gpu);
    caps.left_out[0] = '\0';
    /* Nothing is rounded but by who is allowed to, and has qualified; TF32 is finer than what bf16 may do. */
    snprintf(caps.qualified, sizeof(caps.qualified), "matmul/matrix matmul/matrix_tf32 matmul/matrix_bf16 ");
    CHECK(qni_gemm_matrix_bf16.applies(&p) && qni_algo_choose(&p) == &qni_gemm_matrix);
    caps.matmul = QN_MATMUL_TF32;
    CHECK(qni_algo_choose(&p) == &qni_gemm_matrix_tf32);
    caps.matmul = QN_MATMUL_BF16;
    CHECK(qni_algo_choose(&p) == &qni_gemm_matrix_bf16);
    caps.matmul = QN_MATMUL_F16;
    CHECK(qni_algo_choose(&p) == &qni_gemm_matrix_tf32);
    caps.matrix_half = QNI_MATRIX_WMMA;
    snprintf(caps.qualified, sizeof(caps.qualified), "matmul/matrix_f16 ");
    caps.matrix = QNI_MATRIX_NONE;
    CHECK(qni_algo_choose(&p) == &qni_gemm_matrix_f16);
    caps.matrix = caps.matrix_half = QNI_MATRIX_NVIDIA;
    caps.matmul = QN_MATMUL_F32;
    snprintf(caps.algo, sizeof(caps.algo), "gemm=gpu");
    CHECK(qni_algo_choose(&p) == &qni_gemm_gpu);
    caps.algo[0] = '\0';
    p.in[0].shape.dim[0] = 15;
    CHECK(!qni_gemm_matrix.applies(&p) && qni_algo_choose(&p) == &qni_gemm_gpu);
    p.in[0].shape.dim[0] = 256;
    /* Nobody plays but who is asked to. */
    caps.matrix = QNI_MATRIX_NONE;
    CHECK(!qni_gemm_matrix.applies(&p) && qni_algo_choose(&p) == &qni_gemm_gpu);
    snprintf(caps.algo, sizeof(caps.algo), "gemm=matrix");
    CHECK(qni_gemm_matrix.applies(&p) && qni_algo_choose(&p) == &qni_gemm_matrix);
}

/* A mistake is named with the shapes it was made with. */
static void mistakes(void)
{
    const struct qni_matmul t = {0};
    struct qni_problem p;

    CHECK_STATUS(
        qni_problem_init(&p, &qni_op_matmul, &t, (struct qni_desc[]){optest_f32(2, 2, 3), optest_f32(2, 4, 5)}, 2, 0),
        QN_E_SHAPE, "[2, 3] and [4, 5]");
    CHECK_STATUS(
        qni_problem_init(&p, &qni_op_matmul, &t, (struct qni_desc[]){optest_f32(1, 3), optest_f32(2, 3, 5)}, 2, 0),
        QN_E_SHAPE, "1 axes");
    CHECK_STATUS(qni_problem_init(&p, &qni_op_matmul, &t,
                                  (struct qni_desc[]){optest_f32(3, 2, 2, 3), optest_f32(3, 3, 3, 5)}, 2, 0),
                 QN_E_SHAPE, "do not fit");
    CHECK_STATUS(qni_problem_init(&p, &qni_op_matmul, &t,
                                  (struct qni_desc[]){optest_desc(QN_I32, 2, 2, 3), optest_f32(2, 3, 5)}, 2, 0),
                 QN_E_UNSUPPORTED, "i32");
}

/* What does not fit in an int is left to the algorithm that counts in long. */
static void huge(void)
{
    const struct qni_matmul t = {0};
    struct qni_desc in[2] = {optest_f32(2, 1, 1), optest_f32(2, 1, 3)};
    qn_device *dev = test_device();
    struct qni_problem p;

    in[0].shape.dim[0] = INT64_C(3) << 30;
    if (!CHECK_OK(qni_problem_init(&p, &qni_op_matmul, &t, in, 2, 0)))
        return;
    p.caps = &dev->caps;
    CHECK(!qni_gemm_cpu.applies(&p) && !qni_gemm_gpu.applies(&p) && qni_gemm_simple.applies(&p));
    CHECK(qni_algo_choose(&p) == &qni_gemm_simple);
}

/* "played": every case as each maker's instructions do it. */
int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "played")) {
        products(optest_run_played);
        batches(optest_run_played);
        epilogues(optest_run_played);
        rounding(optest_run_played);
        return test_end();
    }
    products(optest_run);
    batches(optest_run);
    epilogues(optest_run);
    few_played();
    rounding(halves_played);
    test_run("matmul: an untried algorithm is off", untried);
    test_run("matmul: mistakes are explained", mistakes);
    test_run("matmul: more than 2^31 rows", huge);
    return test_end();
}
