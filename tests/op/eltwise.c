/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The reference runs an element-wise program in float64, one element at a time. Every kind is a case, with extreme
 * operands where its formula could overflow; then ways of broadcasting, dtypes, and programs of several instructions. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/eltwise/eltwise.h"
#include "optest.h"

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double hard_sigmoid(double x) { return fmin(fmax(x / 6 + 0.5, 0), 1); }
static double wrap_u8(double x) { return x - 256 * floor(x / 256); }

static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/* f'(x) by its formula, for those with a kind of their own. */
static double gelu_slope(double x) { return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * M_PI); }
static double swish_slope(double x) { return sigmoid(x) * (1 + x * (1 - sigmoid(x))); }

static double gelu_tanh_slope(double x)
{
    double t = tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));

    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

static double mish_slope(double x)
{
    double t = tanh(softplus(x)), c = 1 / cosh(softplus(x));

    return t + x * sigmoid(x) * c * c;
}

static const double selu_scale = 1.0507009873554804934193349852946, selu_alpha = 1.6732632423543772848170429916717;

static double cast(double x, int from, int to)
{
    if (to <= QN_BF16)
        return x;
    if (from > QN_BF16)
        return to == QN_U8 ? wrap_u8(x) : x;
    x = trunc(x);
    return to == QN_U8 ? fmin(fmax(x, 0), 255) : to == QN_I32 ? fmin(fmax(x, INT32_MIN), INT32_MAX) : x;
}

/* *s: the sum of the absolute values of the terms. */
static double run_code(const struct qni_elt_code *c, qn_dtype from, const double *x, double *s)
{
    const double a = x[0], b = x[1], p = (double)c->alpha, q = (double)c->beta;

    switch ((enum qni_elt_kind)c->kind) {
    case QNI_ELT_IDENTITY:
    case QNI_ELT_STOP_GRADIENT: return a;
    case QNI_ELT_NEG: return from == QN_U8 ? wrap_u8(-a) : -a;
    case QNI_ELT_ABS: return fabs(a);
    case QNI_ELT_SIGN: return (a > 0) - (a < 0);
    case QNI_ELT_EXP: *s = exp(a) * (1 + fabs(a)); return exp(a);
    case QNI_ELT_LOG: *s = 1 + fabs(log(a)); return log(a);
    case QNI_ELT_LOG1P: return log1p(a);
    case QNI_ELT_EXPM1: return expm1(a);
    case QNI_ELT_SQRT: return sqrt(a);
    case QNI_ELT_RSQRT: return 1 / sqrt(a);
    case QNI_ELT_SQUARE: return from == QN_U8 ? wrap_u8(a * a) : a * a;
    case QNI_ELT_RECIPROCAL: return 1 / a;
    case QNI_ELT_SIN: *s = 1; return sin(a);
    case QNI_ELT_COS: *s = 1; return cos(a);
    case QNI_ELT_FLOOR: return floor(a);
    case QNI_ELT_CEIL: return ceil(a);
    case QNI_ELT_ROUND: return rint(a);
    case QNI_ELT_ERF: return erf(a);
    case QNI_ELT_RELU: return fmax(a, 0);
    case QNI_ELT_LEAKY_RELU: return a < 0 ? p * a : a;
    case QNI_ELT_RELU6: return fmin(fmax(a, 0), 6);
    case QNI_ELT_ELU: return a < 0 ? p * expm1(a) : a;
    case QNI_ELT_SELU: return selu_scale * (a < 0 ? selu_alpha * expm1(a) : a);
    case QNI_ELT_GELU: *s = fabs(a) * (0.1 + erfc(-a / sqrt(2))); return a * erfc(-a / sqrt(2)) / 2;
    case QNI_ELT_GELU_TANH: *s = fabs(a); return gelu_tanh(a);
    case QNI_ELT_SIGMOID: *s = sigmoid(a) * (1 + fabs(a)); return sigmoid(a);
    case QNI_ELT_HARD_SIGMOID: *s = fabs(a) / 6 + 0.5; return hard_sigmoid(a);
    case QNI_ELT_TANH: return tanh(a);
    case QNI_ELT_SOFTPLUS: *s = softplus(a) * (1 + fabs(a)); return softplus(a);
    case QNI_ELT_SOFTSIGN: return a / (1 + fabs(a));
    case QNI_ELT_SWISH: *s = fabs(a) * sigmoid(a) * (1 + fabs(a)); return a * sigmoid(a);
    case QNI_ELT_HARD_SWISH: *s = fabs(a) * (fabs(a) / 6 + 0.5); return a * hard_sigmoid(a);
    case QNI_ELT_MISH: *s = fabs(a * tanh(softplus(a))) * (1 + fabs(a)); return a * tanh(softplus(a));
    case QNI_ELT_LOG_SIGMOID: *s = softplus(-a) * (1 + fabs(a)); return -softplus(-a);
    case QNI_ELT_RELU_GRAD: return b > 0 ? a : 0;
    case QNI_ELT_LEAKY_RELU_GRAD: return b > 0 ? a : p * a;
    case QNI_ELT_RELU6_GRAD: return b > 0 && b < 6 ? a : 0;
    case QNI_ELT_ELU_GRAD: *s = fabs(a) * (1 + fabs(b) + p); return b > 0 ? a : a * (b + p);
    case QNI_ELT_SELU_GRAD: *s = 3 * fabs(a); return a * (b > 0 ? selu_scale : b + selu_scale * selu_alpha);
    case QNI_ELT_GELU_GRAD: *s = 2 * fabs(a); return a * gelu_slope(b);
    case QNI_ELT_GELU_TANH_GRAD: *s = fabs(a) * (4 + fabs(b)); return a * gelu_tanh_slope(b);
    case QNI_ELT_SIGMOID_GRAD: *s = fabs(a) * (fabs(b) + b * b); return a * b * (1 - b);
    case QNI_ELT_HARD_SIGMOID_GRAD: return b > 0 && b < 1 ? a / 6 : 0;
    case QNI_ELT_TANH_GRAD: *s = fabs(a) * (1 + b * b); return a * (1 - b * b);
    case QNI_ELT_SOFTPLUS_GRAD: return -a * expm1(-b);
    case QNI_ELT_SOFTSIGN_GRAD: *s = fabs(a) * (1 + b * b); return a * (1 - fabs(b)) * (1 - fabs(b));
    case QNI_ELT_SWISH_GRAD: *s = fabs(a) * (1 + fabs(b)); return a * swish_slope(b);
    case QNI_ELT_HARD_SWISH_GRAD: *s = fabs(a) * 2; return b < -3 ? 0 : b > 3 ? a : a * (b / 3 + 0.5);
    case QNI_ELT_MISH_GRAD: *s = fabs(a) * (1 + fabs(b)); return a * mish_slope(b);
    case QNI_ELT_SQRT_GRAD: return a / (2 * b);
    case QNI_ELT_RSQRT_GRAD: return -a * b * b * b / 2;
    case QNI_ELT_SQUARE_GRAD: return 2 * a * b;
    case QNI_ELT_RECIPROCAL_GRAD: return -a * b * b;
    case QNI_ELT_ERF_GRAD: *s = fabs(a) * (1 + b * b) * 2; return a * 2 / sqrt(M_PI) * exp(-b * b);
    case QNI_ELT_ABS_GRAD: return a * ((b > 0) - (b < 0));
    case QNI_ELT_CLIP_GRAD: return b < p || b > q ? 0 : a;
    case QNI_ELT_POW_GRAD: *s = fabs(b) * pow(a, b - 1) * (4 + fabs(b * log(a))); return b == 0 ? 0 : b * pow(a, b - 1);
    case QNI_ELT_POW_GRAD_EXPONENT: *s = fabs(b) * (1 + fabs(log(a))); return a > 0 ? b * log(a) : 0;
    case QNI_ELT_PRELU_GRAD: return b < 0 ? a * x[2] : a;
    case QNI_ELT_PRELU_GRAD_SLOPE: return b < 0 ? a * b : 0;
    case QNI_ELT_ADD: *s = fabs(a) + fabs(b); return from == QN_U8 ? wrap_u8(a + b) : a + b;
    case QNI_ELT_SUB: *s = fabs(a) + fabs(b); return from == QN_U8 ? wrap_u8(a - b) : a - b;
    case QNI_ELT_MUL: return from == QN_U8 ? wrap_u8(a * b) : a * b;
    case QNI_ELT_DIV: return a / b;
    case QNI_ELT_POW: *s = pow(a, b) * (4 + fabs(b * log(a))); return pow(a, b);
    case QNI_ELT_MIN: return isnan(a) || isnan(b) ? (double)NAN : fmin(a, b);
    case QNI_ELT_MAX: return isnan(a) || isnan(b) ? (double)NAN : fmax(a, b);
    case QNI_ELT_PRELU: return a < 0 ? a * b : a;
    case QNI_ELT_EQ: return a == b;
    case QNI_ELT_NE: return a != b;
    case QNI_ELT_LT: return a < b;
    case QNI_ELT_LE: return a <= b;
    case QNI_ELT_GT: return a > b;
    case QNI_ELT_GE: return a >= b;
    case QNI_ELT_AND: return a != 0 && b != 0;
    case QNI_ELT_OR: return a != 0 || b != 0;
    case QNI_ELT_NOT: return a == 0;
    case QNI_ELT_IS_FINITE: return isfinite(a);
    case QNI_ELT_WHERE: return a != 0 ? b : x[2];
    case QNI_ELT_CLIP: return fmin(fmax(a, p), q);
    case QNI_ELT_AFFINE: *s = fabs(p * a) + fabs(q); return p * a + q;
    case QNI_ELT_FILL: return p;
    case QNI_ELT_CAST: return cast(a, (int)from, (int)c->dtype);
    case QNI_ELT_DROPOUT:
    case QNI_ELT_UNIFORM:
    case QNI_ELT_NORMAL:
    case QNI_ELT_KINDS: break;
    }
    return (double)NAN;
}

static int64_t element_of(const qn_shape *in, const qn_shape *out, int64_t e)
{
    int64_t at = 0, stride = 1;

    for (int a = out->rank - 1; a >= 0; a--) {
        int i = a - (out->rank - in->rank);
        int64_t index = e % out->dim[a];

        e /= out->dim[a];
        if (i < 0)
            continue;
        at += in->dim[i] == 1 ? 0 : index * stride;
        stride *= in->dim[i];
    }
    return at;
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_eltwise *e = p->attr;
    qn_dtype types[QNI_ELT_IN + QNI_ELT_CODES];
    double v[QNI_ELT_IN + QNI_ELT_CODES], s[QNI_ELT_IN + QNI_ELT_CODES];

    for (int i = 0; i < p->inputs; i++)
        types[i] = p->in[i].dtype;
    CHECK_OK(qni_elt_types(e, types, types + QNI_ELT_IN));
    for (int64_t k = 0; k < qni_elements(&p->out[0].shape); k++) {
        for (int i = 0; i < p->inputs; i++) {
            v[i] = in[i][element_of(&p->in[i].shape, &p->out[0].shape, k)];
            s[i] = 0;
        }
        for (int j = 0; j < e->codes; j++) {
            const struct qni_elt_code *c = &e->code[j];
            double x[3] = {0}, own = -1, most = 0;

            for (int n = 0; n < qni_elt_info(c->kind)->arity; n++) {
                x[n] = v[c->operand[n]];
                most = fmax(most, s[c->operand[n]]);
            }
            v[QNI_ELT_IN + j] = run_code(c, qni_elt_info(c->kind)->arity ? types[c->operand[0]] : QN_F32, x, &own);
            s[QNI_ELT_IN + j] = most * 4 + (own < 0 ? fabs(v[QNI_ELT_IN + j]) : own);
        }
        for (int o = 0; o < e->outputs; o++) {
            out[o][k] = v[e->out[o]];
            scale[o][k] = s[e->out[o]];
            terms[o] = 2;
        }
    }
}

/* ---- every kind ---- */

static void wide(const struct qni_problem *p, double *const *in, double factor)
{
    for (int i = 0; i < p->inputs; i++)
        for (int64_t k = 0; k < qni_elements(&p->in[i].shape); k++)
            in[i][k] = (double)(float)(in[i][k] * factor);
}

/* Operands around 0 and far from it. */
static void extremes(const struct qni_problem *p, double *const *in)
{
    static const double far[] = {0, 20, -20, 60, -60, 85, -85, 3, -3, 6};

    wide(p, in, 6);
    for (int64_t k = 0; k < qni_elements(&p->in[0].shape) && k < (int64_t)QNI_COUNT(far); k++)
        in[p->inputs - 1][k] = far[k];
}

static void tens(const struct qni_problem *p, double *const *in) { wide(p, in, 10); }

static void hundreds(const struct qni_problem *p, double *const *in) { wide(p, in, 500); }

struct kind_case {
    int kind;
    enum optest_fill fill[3];
    float alpha, beta;
    void (*prepare)(const struct qni_problem *p, double *const *in);
    bool grad;
    unsigned no_grad;
};

#define U OPTEST_UNIFORM
#define P OPTEST_POSITIVE
#define D OPTEST_DISTINCT
#define Z OPTEST_ZERO_ONE

static const struct kind_case kinds[] = {
    {QNI_ELT_IDENTITY, {U}, .grad = true},
    {QNI_ELT_STOP_GRADIENT, {U}},
    {QNI_ELT_NEG, {U}, .grad = true},
    {QNI_ELT_ABS, {D}, .grad = true},
    {QNI_ELT_SIGN, {U}},
    {QNI_ELT_EXP, {U}, .prepare = tens},
    {QNI_ELT_EXP, {U}, .grad = true},
    {QNI_ELT_LOG, {P}, .grad = true},
    {QNI_ELT_LOG1P, {P}, .grad = true},
    {QNI_ELT_EXPM1, {U}, .grad = true},
    {QNI_ELT_SQRT, {P}, .grad = true},
    {QNI_ELT_RSQRT, {P}, .grad = true},
    {QNI_ELT_SQUARE, {U}, .grad = true},
    {QNI_ELT_RECIPROCAL, {P}, .grad = true},
    {QNI_ELT_SIN, {U}, .prepare = tens, .grad = true},
    {QNI_ELT_COS, {U}, .prepare = tens, .grad = true},
    {QNI_ELT_FLOOR, {U}, .prepare = tens},
    {QNI_ELT_CEIL, {U}, .prepare = tens},
    {QNI_ELT_ROUND, {OPTEST_TIES}},
    {QNI_ELT_ERF, {U}, .grad = true},
    {QNI_ELT_RELU, {D}, .grad = true},
    {QNI_ELT_LEAKY_RELU, {D}, .alpha = 0.2f, .grad = true},
    {QNI_ELT_RELU6, {D}, .prepare = tens, .grad = true},
    {QNI_ELT_ELU, {U}, .alpha = 0.7f, .prepare = extremes},
    {QNI_ELT_ELU, {D}, .alpha = 0.7f, .grad = true},
    {QNI_ELT_SELU, {U}, .prepare = extremes},
    {QNI_ELT_SELU, {D}, .grad = true},
    {QNI_ELT_GELU, {U}, .prepare = extremes},
    {QNI_ELT_GELU, {U}, .grad = true},
    {QNI_ELT_GELU_TANH, {U}, .prepare = extremes},
    {QNI_ELT_GELU_TANH, {U}, .grad = true},
    {QNI_ELT_SIGMOID, {U}, .prepare = extremes},
    {QNI_ELT_SIGMOID, {U}, .grad = true},
    {QNI_ELT_HARD_SIGMOID, {U}, .prepare = extremes},
    {QNI_ELT_HARD_SIGMOID, {D}, .grad = true},
    {QNI_ELT_TANH, {U}, .prepare = extremes},
    {QNI_ELT_TANH, {U}, .grad = true},
    {QNI_ELT_SOFTPLUS, {U}, .prepare = extremes},
    {QNI_ELT_SOFTPLUS, {U}, .grad = true},
    {QNI_ELT_SOFTSIGN, {U}, .prepare = extremes},
    {QNI_ELT_SOFTSIGN, {D}, .grad = true},
    {QNI_ELT_SWISH, {U}, .prepare = extremes},
    {QNI_ELT_SWISH, {U}, .grad = true},
    {QNI_ELT_HARD_SWISH, {U}, .prepare = extremes},
    {QNI_ELT_HARD_SWISH, {D}, .grad = true},
    {QNI_ELT_MISH, {U}, .prepare = extremes},
    {QNI_ELT_MISH, {U}, .grad = true},
    {QNI_ELT_LOG_SIGMOID, {U}, .prepare = extremes},
    {QNI_ELT_LOG_SIGMOID, {U}, .grad = true},
    {QNI_ELT_RELU_GRAD, {U, U}},
    {QNI_ELT_LEAKY_RELU_GRAD, {U, U}, .alpha = 0.2f},
    {QNI_ELT_RELU6_GRAD, {U, U}, .prepare = tens},
    {QNI_ELT_ELU_GRAD, {U, U}, .alpha = 1.5f},
    {QNI_ELT_SELU_GRAD, {U, U}},
    {QNI_ELT_GELU_GRAD, {U, U}, .prepare = extremes},
    {QNI_ELT_GELU_TANH_GRAD, {U, U}, .prepare = extremes},
    {QNI_ELT_SIGMOID_GRAD, {U, P}},
    {QNI_ELT_HARD_SIGMOID_GRAD, {U, U}},
    {QNI_ELT_TANH_GRAD, {U, U}},
    {QNI_ELT_SOFTPLUS_GRAD, {U, P}},
    {QNI_ELT_SOFTSIGN_GRAD, {U, U}},
    {QNI_ELT_SWISH_GRAD, {U, U}, .prepare = extremes},
    {QNI_ELT_HARD_SWISH_GRAD, {U, U}, .prepare = extremes},
    {QNI_ELT_MISH_GRAD, {U, U}, .prepare = extremes},
    {QNI_ELT_SQRT_GRAD, {U, P}},
    {QNI_ELT_RSQRT_GRAD, {U, P}},
    {QNI_ELT_SQUARE_GRAD, {U, U}},
    {QNI_ELT_RECIPROCAL_GRAD, {U, P}},
    {QNI_ELT_ERF_GRAD, {U, U}},
    {QNI_ELT_ABS_GRAD, {U, OPTEST_TIES}},
    {QNI_ELT_CLIP_GRAD, {U, U}, .alpha = -0.5f, .beta = 0.25f},
    {QNI_ELT_POW_GRAD, {P, U}},
    {QNI_ELT_POW_GRAD_EXPONENT, {P, P}},
    {QNI_ELT_PRELU_GRAD, {U, U, P}},
    {QNI_ELT_PRELU_GRAD_SLOPE, {U, U}},
    {QNI_ELT_ADD, {U, U}, .grad = true},
    {QNI_ELT_SUB, {U, U}, .grad = true},
    {QNI_ELT_MUL, {U, U}, .grad = true},
    {QNI_ELT_DIV, {U, P}, .grad = true},
    {QNI_ELT_POW, {P, U}, .grad = true},
    {QNI_ELT_MIN, {D, U}, .grad = true},
    {QNI_ELT_MAX, {D, U}, .grad = true},
    {QNI_ELT_PRELU, {D, P}, .grad = true},
    {QNI_ELT_EQ, {OPTEST_TIES, OPTEST_TIES}},
    {QNI_ELT_NE, {OPTEST_TIES, OPTEST_TIES}},
    {QNI_ELT_LT, {OPTEST_TIES, OPTEST_TIES}},
    {QNI_ELT_LE, {OPTEST_TIES, OPTEST_TIES}},
    {QNI_ELT_GT, {OPTEST_TIES, OPTEST_TIES}},
    {QNI_ELT_GE, {OPTEST_TIES, OPTEST_TIES}},
    {QNI_ELT_AND, {Z, Z}},
    {QNI_ELT_OR, {Z, Z}},
    {QNI_ELT_NOT, {Z}},
    {QNI_ELT_IS_FINITE, {U}},
    {QNI_ELT_WHERE, {Z, U, U}, .grad = true, .no_grad = 1},
    {QNI_ELT_CLIP, {D}, .alpha = -0.51f, .beta = 0.27f, .grad = true},
    {QNI_ELT_CLIP, {D}, .alpha = -0.51f, .beta = INFINITY, .grad = true},
    {QNI_ELT_AFFINE, {U}, .alpha = 0.3f, .beta = -2, .grad = true},
};

/* Kinds that are tested by one program, every one with inputs and an output of its own: building a kernel is what takes
 * the time. */
struct group {
    struct qni_eltwise program; /* first: a problem's attr points to it */
    const struct kind_case *kind[QNI_ELT_OUT];
    char name[256];
};

static void prepare_group(const struct qni_problem *p, double *const *in)
{
    const struct group *g = p->attr;

    for (int k = 0; k < g->program.codes; k++) {
        const int first = g->program.code[k].operand[0];
        struct qni_problem own = {.inputs = qni_elt_info(g->kind[k]->kind)->arity};

        memcpy(own.in, p->in + first, (size_t)own.inputs * sizeof(own.in[0]));
        if (g->kind[k]->prepare)
            g->kind[k]->prepare(&own, in + first);
    }
}

/* Add a kind to the group if there is room. Two rows' worth of vectors and a ragged end. */
static bool join(struct group *g, struct optest_case *c, const struct kind_case *kc)
{
    const struct qni_elt_info *info = qni_elt_info(kc->kind);
    const int first = c->inputs, n = g->program.codes;
    const size_t length = strlen(g->name);
    struct qni_elt_code *code = &g->program.code[n];

    if (n == QNI_ELT_OUT || first + info->arity > QNI_ELT_IN)
        return false;
    *code = (struct qni_elt_code){.kind = (uint8_t)kc->kind, .operand = {-1, -1, -1}, .alpha = kc->alpha, .beta = kc->beta};
    for (int i = 0; i < info->arity; i++) {
        code->operand[i] = (int8_t)(first + i);
        c->in[first + i] = optest_f32(2, 3, 13);
        c->fill[first + i] = kc->fill[i];
        if (!kc->grad || kc->no_grad >> i & 1)
            c->no_grad |= 1u << (first + i);
    }
    c->inputs += info->arity;
    c->small_grad |= kc->grad;
    g->kind[n] = kc;
    g->program.out[n] = (int8_t)(QNI_ELT_IN + n);
    g->program.inputs = c->inputs;
    g->program.codes = g->program.outputs = n + 1;
    snprintf(g->name + length, sizeof(g->name) - length, "%s%s%s", n ? ", " : "", kc->prepare ? "wide " : "", info->name);
    return true;
}

static void every_kind(void)
{
    for (size_t k = 0; k < QNI_COUNT(kinds);) {
        struct group g = {0};
        struct optest_case c = {.name = g.name, .op = &qni_op_eltwise, .attr = &g, .ref = ref, .slack = 2};

        c.prepare = prepare_group;
        while (k < QNI_COUNT(kinds) && join(&g, &c, &kinds[k]))
            k++;
        optest_run(&c, 1);
    }
}

/* ---- broadcasting ---- */

static const struct qni_eltwise add = {
    .inputs = 2, .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, .code = {{.kind = QNI_ELT_ADD, .operand = {0, 1, -1}}}};
static const struct qni_eltwise choose = {
    .inputs = 3, .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, .code = {{.kind = QNI_ELT_WHERE, .operand = {0, 1, 2}}}};

#define ADD(n, a, b, ...) {.name = n, .op = &qni_op_eltwise, .attr = &add, .inputs = 2, .in = {a, b}, .ref = ref, __VA_ARGS__}

static void broadcasting(void)
{
    const struct optest_case cases[] = {
        ADD("scalars", optest_f32(0), optest_f32(0), .small_grad = true),
        ADD("one element", optest_f32(1, 1), optest_f32(2, 1, 1), .small_grad = true),
        ADD("empty batch", optest_f32(2, 0, 5), optest_f32(1, 5)),
        ADD("15", optest_f32(1, 15), optest_f32(1, 15)),
        ADD("16", optest_f32(1, 16), optest_f32(1, 16)),
        ADD("17", optest_f32(1, 17), optest_f32(1, 17)),
        ADD("several runs", optest_f32(2, 331, 101), optest_f32(2, 331, 101)),
        ADD("a scalar", optest_f32(2, 7, 19), optest_f32(0), .small_grad = true),
        ADD("first a scalar", optest_f32(1, 1), optest_f32(2, 3, 5), .small_grad = true),
        ADD("bias", optest_f32(3, 3, 5, 33), optest_f32(1, 33), .small_grad = true),
        ADD("bias of 32, several runs", optest_f32(3, 40, 29, 32), optest_f32(1, 32)),
        ADD("per row", optest_f32(2, 5, 37), optest_f32(2, 5, 1), .small_grad = true),
        ADD("outer sum", optest_f32(2, 5, 1), optest_f32(2, 1, 18), .small_grad = true),
        ADD("middle", optest_f32(3, 3, 4, 5), optest_f32(3, 3, 1, 5), .small_grad = true),
        ADD("ends", optest_f32(3, 1, 4, 1), optest_f32(3, 3, 4, 5), .small_grad = true),
        ADD("alternating", optest_f32(5, 2, 1, 3, 1, 4), optest_f32(5, 1, 5, 1, 2, 1), .small_grad = true),
        ADD("eight axes", optest_f32(8, 2, 1, 2, 1, 3, 1, 2, 1), optest_f32(8, 1, 2, 1, 2, 1, 2, 1, 3)),
        ADD("long rows", optest_f32(2, 2, 40001), optest_f32(1, 40001)),
        {.name = "mask per row, scalar, whole", .op = &qni_op_eltwise, .attr = &choose, .inputs = 3,
         .in = {optest_desc(QN_U8, 2, 9, 1), optest_f32(0), optest_f32(2, 9, 21)},
         .fill = {OPTEST_ZERO_ONE}, .fill_max = {2}, .ref = ref, .small_grad = true, .no_grad = 1},
    };

    optest_run(cases, QNI_COUNT(cases));
}

/* ---- dtypes ---- */

#define CAST(n, from, to, ...) \
    {.name = n, .op = &qni_op_eltwise, .inputs = 1, .in = {optest_desc(from, 2, 3, 23)}, .ref = ref, \
     .attr = &(const struct qni_eltwise){.inputs = 1, .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, \
         .code = {{.kind = QNI_ELT_CAST, .operand = {0, -1, -1}, .dtype = to}}}, __VA_ARGS__}
#define MIXED(n, k, d, ...) \
    {.name = n, .op = &qni_op_eltwise, .inputs = 2, .in = {optest_desc(d, 2, 3, 23), optest_desc(d, 1, 23)}, .ref = ref, \
     .attr = &(const struct qni_eltwise){.inputs = 2, .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, \
         .code = {{.kind = QNI_ELT_##k, .operand = {0, 1, -1}}}}, __VA_ARGS__}

static void dtypes(void)
{
    const struct optest_case cases[] = {
        CAST("f32 to u8 saturates", QN_F32, QN_U8, .prepare = hundreds),
        CAST("f32 to i32", QN_F32, QN_I32, .prepare = hundreds),
        CAST("f32 to i64", QN_F32, QN_I64, .prepare = hundreds),
        CAST("f32 to f16", QN_F32, QN_F16, .slack = 1),
        CAST("f32 to bf16", QN_F32, QN_BF16, .slack = 1),
        CAST("f16 to f32", QN_F16, QN_F32, .slack = 1),
        CAST("bf16 to f32", QN_BF16, QN_F32, .slack = 1),
        CAST("u8 to f32", QN_U8, QN_F32, .fill = {OPTEST_INTEGER}, .fill_max = {256}),
        CAST("u8 to i64", QN_U8, QN_I64, .fill = {OPTEST_INTEGER}, .fill_max = {256}),
        CAST("i32 to u8 wraps", QN_I32, QN_U8, .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        CAST("i64 to u8 wraps", QN_I64, QN_U8, .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        CAST("i64 to i32", QN_I64, QN_I32, .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        CAST("i64 to f32", QN_I64, QN_F32, .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        CAST("i32 to i64", QN_I32, QN_I64, .fill = {OPTEST_INTEGER}, .fill_max = {1000}),
        MIXED("u8 sum wraps", ADD, QN_U8, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {256, 256}),
        MIXED("u8 difference wraps", SUB, QN_U8, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {256, 256}),
        MIXED("u8 product wraps", MUL, QN_U8, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {256, 256}),
        MIXED("u8 max", MAX, QN_U8, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {256, 256}),
        MIXED("i32 product", MUL, QN_I32, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {1000, 1000}),
        MIXED("i32 less", LT, QN_I32, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {9, 9}),
        MIXED("i64 sum", ADD, QN_I64, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {1000, 1000}),
        MIXED("i64 equal", EQ, QN_I64, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {5, 5}),
        MIXED("i64 min", MIN, QN_I64, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {5, 5}),
        MIXED("f16 sum", ADD, QN_F16, .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM}),
        MIXED("bf16 product", MUL, QN_BF16, .fill = {OPTEST_UNIFORM, OPTEST_UNIFORM}),
        {.name = "i64 chosen by f32", .op = &qni_op_eltwise, .attr = &choose, .inputs = 3, .ref = ref,
         .in = {optest_f32(2, 3, 19), optest_desc(QN_I64, 2, 3, 19), optest_desc(QN_I64, 0)},
         .fill = {OPTEST_ZERO_ONE, OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {2, 100, 100}},
        {.name = "f32 chosen by i64", .op = &qni_op_eltwise, .attr = &choose, .inputs = 3, .ref = ref,
         .in = {optest_desc(QN_I64, 2, 3, 19), optest_f32(2, 3, 19), optest_f32(0)}, .fill = {OPTEST_INTEGER}, .fill_max = {2}},
    };

    optest_run(cases, QNI_COUNT(cases));
}

/* ---- programs of several instructions ---- */

static void programs(void)
{
    /* d = a - b; y0 = d * d + s; y1 = d < 0; y2 = tanh(d); y3 = a */
    static const struct qni_eltwise four = {
        .inputs = 3, .codes = 5, .outputs = 4, .out = {QNI_ELT_IN + 2, QNI_ELT_IN + 4, QNI_ELT_IN + 3, 0},
        .code = {{.kind = QNI_ELT_SUB, .operand = {0, 1, -1}},
                 {.kind = QNI_ELT_SQUARE, .operand = {QNI_ELT_IN, -1, -1}},
                 {.kind = QNI_ELT_ADD, .operand = {QNI_ELT_IN + 1, 2, -1}},
                 {.kind = QNI_ELT_TANH, .operand = {QNI_ELT_IN, -1, -1}},
                 {.kind = QNI_ELT_LT, .operand = {0, 1, -1}}}};
    /* The second input counts for its shape alone. */
    static const struct qni_eltwise like = {
        .inputs = 2, .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, .code = {{.kind = QNI_ELT_IDENTITY, .operand = {0, -1, -1}}}};
    static const struct qni_eltwise fill = {
        .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, .has_shape = 1, .shape = {.rank = 2, .dim = {3, 17}},
        .code = {{.kind = QNI_ELT_FILL, .operand = {-1, -1, -1}, .dtype = QN_I64, .alpha = -7}}};
    static const struct qni_eltwise spread = {
        .inputs = 1, .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, .has_shape = 1, .shape = {.rank = 3, .dim = {4, 3, 17}},
        .code = {{.kind = QNI_ELT_IDENTITY, .operand = {0, -1, -1}}}};
    const struct optest_case cases[] = {
        {.name = "four outputs", .op = &qni_op_eltwise, .attr = &four, .inputs = 3, .ref = ref, .slack = 2,
         .in = {optest_f32(2, 5, 37), optest_f32(1, 37), optest_f32(2, 5, 1)}},
        {.name = "four outputs, two unwanted", .op = &qni_op_eltwise, .attr = &four, .inputs = 3, .ref = ref, .slack = 2,
         .in = {optest_f32(2, 5, 37), optest_f32(1, 37), optest_f32(2, 5, 1)}, .unwanted = 5},
        {.name = "another's shape", .op = &qni_op_eltwise, .attr = &like, .inputs = 2, .ref = ref,
         .in = {optest_f32(1, 17), optest_f32(3, 2, 5, 17)}, .small_grad = true, .no_grad = 2},
        {.name = "fill", .op = &qni_op_eltwise, .attr = &fill, .inputs = 0, .ref = ref},
        {.name = "broadcast", .op = &qni_op_eltwise, .attr = &spread, .inputs = 1, .ref = ref, .in = {optest_f32(2, 3, 1)},
         .small_grad = true},
    };

    optest_run(cases, QNI_COUNT(cases));
}

int main(void)
{
    dtypes();
    programs();
    every_kind();
    broadcasting();
    return test_end();
}
