/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The numbers of a case, between double and what the device holds, and the epilogue in double. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "optest_internal.h"

void *optest_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p) {
        fprintf(stderr, "out of memory in a test\n");
        abort();
    }
    return p;
}

bool optest_is_float(qn_dtype dtype)
{
    return dtype == QN_F32 || dtype == QN_F16 || dtype == QN_BF16;
}

/* Round to `bits` bits of fraction, ties to even, denormal below 2^least. */
static double round_to(double v, int bits, int least)
{
    int e;

    if (v == 0 || !isfinite(v))
        return v;
    frexp(v, &e);
    e = QNI_MAX(e - 1, least) - bits;
    return ldexp(nearbyint(ldexp(v, -e)), e);
}

static uint16_t half_bits(double v)
{
    const double r = round_to(v, 10, -14), a = fabs(r);
    const unsigned sign = signbit(v) ? 0x8000u : 0;
    int e;

    if (isnan(v))
        return 0x7e00;
    if (a > 65504)
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x1p-14)
        return (uint16_t)(sign | (unsigned)ldexp(a, 24));
    frexp(a, &e);
    return (uint16_t)(sign | (unsigned)((e - 1 + 15) << 10) | ((unsigned)ldexp(a, 11 - e) & 0x3ff));
}

static double half_value(uint16_t h)
{
    const int e = h >> 10 & 31, f = h & 0x3ff;
    double v;

    if (e == 31)
        v = f ? (double)NAN : (double)INFINITY;
    else
        v = e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);
    return h & 0x8000 ? -v : v;
}

void optest_encode(unsigned char *to, qn_dtype dtype, double v)
{
    float f = (float)v;
    uint32_t w;
    uint16_t h;
    int32_t i32;
    int64_t i64;

    switch (dtype) {
    case QN_F32:
        memcpy(to, &f, 4);
        break;
    case QN_F16:
        h = half_bits(v);
        memcpy(to, &h, 2);
        break;
    case QN_BF16:
        f = (float)round_to(v, 7, -126);
        memcpy(&w, &f, 4);
        h = (uint16_t)(w >> 16);
        memcpy(to, &h, 2);
        break;
    case QN_I32:
        i32 = (int32_t)v;
        memcpy(to, &i32, 4);
        break;
    case QN_I64:
        i64 = (int64_t)v;
        memcpy(to, &i64, 8);
        break;
    case QN_U8:
        *to = (unsigned char)v;
        break;
    }
}

double optest_decode(const unsigned char *from, qn_dtype dtype)
{
    float f;
    uint32_t w;
    uint16_t h;
    int32_t i32;
    int64_t i64;

    switch (dtype) {
    case QN_F32:
        memcpy(&f, from, 4);
        return (double)f;
    case QN_F16:
        memcpy(&h, from, 2);
        return half_value(h);
    case QN_BF16:
        memcpy(&h, from, 2);
        w = (uint32_t)h << 16;
        memcpy(&f, &w, 4);
        return (double)f;
    case QN_I32:
        memcpy(&i32, from, 4);
        return i32;
    case QN_I64:
        memcpy(&i64, from, 8);
        return (double)i64;
    case QN_U8:
        return *from;
    }
    return (double)NAN;
}

void optest_fill(double *v, const struct qni_desc *d, enum optest_fill how, int64_t most)
{
    const int64_t n = qni_elements(&d->shape);
    const bool real = optest_is_float(d->dtype);
    const int64_t low = d->dtype == QN_U8 ? 0 : 100;

    for (int64_t i = 0; i < n; i++) {
        unsigned char bytes[8];

        switch (how) {
        case OPTEST_UNIFORM:
            v[i] = real ? test_uniform() : (double)(test_integer(low ? 200 : 256) - low);
            break;
        case OPTEST_POSITIVE:
            v[i] = real ? 0.6 + 0.5 * test_uniform() : (double)(1 + test_integer(100));
            break;
        case OPTEST_INTEGER:
            v[i] = (double)test_integer(most ? most : 10);
            break;
        case OPTEST_DISTINCT:
            v[i] = real ? ((double)(2 * i) + 1.3) / (double)n - 1 : (double)i; /* never 0 */
            break;
        case OPTEST_TIES:
            v[i] = (double)(test_integer(5) - (low ? 2 : 0));
            break;
        case OPTEST_ZERO_ONE:
            v[i] = (double)test_integer(2);
            break;
        }
        optest_encode(bytes, d->dtype, v[i]); /* the reference sees what the device sees */
        v[i] = optest_decode(bytes, d->dtype);
    }
    for (int64_t i = n - 1; how == OPTEST_DISTINCT && i > 0; i--) {
        const int64_t j = test_integer(i + 1);
        const double t = v[i];

        v[i] = v[j];
        v[j] = t;
    }
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double clip6(double x)
{
    return fmin(fmax(x, 0), 6);
}

#define SELU_SCALE 1.0507009873554805
#define SELU_ALPHA 1.6732632423543772

double optest_act(int act, double alpha, double x)
{
    switch (act) {
    case QN_LINEAR:
        return x;
    case QN_RELU:
        return x > 0 ? x : 0;
    case QN_LEAKY_RELU:
        return x > 0 ? x : alpha * x;
    case QN_RELU6:
        return clip6(x);
    case QN_ELU:
        return x > 0 ? x : alpha * expm1(x);
    case QN_SELU:
        return SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x));
    case QN_GELU:
        return 0.5 * x * erfc(-x * sqrt(0.5));
    case QN_GELU_TANH:
        return x * sigmoid(2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x));
    case QN_SIGMOID:
        return sigmoid(x);
    case QN_HARD_SIGMOID:
        return clip6(x + 3) / 6;
    case QN_TANH:
        return tanh(x);
    case QN_SOFTPLUS:
        return softplus(x);
    case QN_SOFTSIGN:
        return x / (1 + fabs(x));
    case QN_SWISH:
        return x * sigmoid(x);
    case QN_HARD_SWISH:
        return x * clip6(x + 3) / 6;
    case QN_MISH:
        return x * tanh(softplus(x));
    case QN_EXPONENTIAL:
        return exp(x);
    default:
        return (double)NAN;
    }
}

double optest_act_grad(int act, double alpha, double y)
{
    switch (act) {
    case QN_LINEAR:
        return 1;
    case QN_RELU:
        return y > 0;
    case QN_LEAKY_RELU:
        return y > 0 ? 1 : alpha;
    case QN_RELU6:
        return y > 0 && y < 6;
    case QN_ELU:
        return y > 0 ? 1 : y + alpha;
    case QN_SELU:
        return y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA;
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
        return (double)NAN;
    }
}

double optest_epilogue(const struct qni_problem *p, double *const *in, int64_t e, double v, double *scale)
{
    const struct qni_epilogue *ep = &p->epilogue;
    const qn_shape *s = &p->out[0].shape;
    int next = p->inputs - (ep->bias ? 1 : 0) - (ep->residual ? 1 : 0) - (ep->act_grad ? 1 : 0);

    if (ep->bias) {
        const double b = in[next++][s->rank ? e % s->dim[s->rank - 1] : 0];

        v += b;
        *scale += fabs(b);
    }
    if (ep->residual) {
        const double b = in[next++][e];

        v += b;
        *scale += fabs(b);
    }
    if (ep->act) {
        const double y = optest_act(ep->act, (double)ep->alpha, v);
        const double steepest = ep->act == QN_EXPONENTIAL ? y : 1.8 * fmax(1, fabs((double)ep->alpha));

        v = y;
        *scale = *scale * steepest + fabs(y);
    }
    if (ep->act_grad) {
        const double d = optest_act_grad(ep->act_grad, (double)ep->alpha, in[next++][e]);

        v *= d;
        *scale *= fmax(fabs(d), 1); /* 1 - y*y and the like cancel */
    }
    return v;
}

static struct qni_desc desc(qn_dtype dtype, int rank, va_list args)
{
    struct qni_desc d = {.dtype = dtype, .shape = {.rank = rank}};

    for (int i = 0; i < rank; i++)
        d.shape.dim[i] = va_arg(args, int);
    return d;
}

struct qni_desc optest_f32(int rank, ...)
{
    struct qni_desc d;
    va_list args;

    va_start(args, rank);
    d = desc(QN_F32, rank, args);
    va_end(args);
    return d;
}

struct qni_desc optest_desc(qn_dtype dtype, int rank, ...)
{
    struct qni_desc d;
    va_list args;

    va_start(args, rank);
    d = desc(dtype, rank, args);
    va_end(args);
    return d;
}
