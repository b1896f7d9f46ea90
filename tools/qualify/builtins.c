/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The built-in functions our kernels use, in f32, against the host's in double: as exact as OpenCL 1.2 (7.4) has it, in units of
 * the last place. Numbers too small to be normal may be flushed to 0. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "checks.h"

#define POINTS  2048
#define SPECIAL 6
#define N       (POINTS + SPECIAL)

static double divide(double x)
{
    return 1.7 / x;
}

static double inverse_root(double x)
{
    return 1 / sqrt(x);
}

static double power(double x)
{
    return pow(x, 1.25);
}

static double fused(double x)
{
    return x * x - 1.3;
}

/* In the order of the kernel. The points lie between low and high, evenly or, where both are positive, by their logarithms. */
static const struct {
    const char *name;
    double (*f)(double);
    double ulps, low, high;
} functions[] = {
    { "exp", exp, 3, -87, 88 },       { "exp2", exp2, 3, -125, 127 },        { "expm1", expm1, 3, -20, 80 },
    { "log", log, 3, 1e-37, 1e38 },   { "log2", log2, 3, 1e-37, 1e38 },      { "log1p", log1p, 2, -0.99, 50 },
    { "sqrt", sqrt, 3, 1e-37, 1e38 }, { "1/sqrt", inverse_root, 5.5, 1e-37, 1e38 }, { "division", divide, 2.5, 1e-30, 1e30 },
    { "tanh", tanh, 5, -12, 12 },     { "erf", erf, 16, -5, 5 },             { "erfc", erfc, 16, -3, 9 },
    { "sin", sin, 4, -20, 20 },       { "cos", cos, 4, -20, 20 },            { "pow", power, 16, 1e-20, 1e20 },
    { "floor", floor, 0, -1000, 1000 }, { "rint", rint, 0, -1000, 1000 },    { "fma", fused, 0.5, 0.1, 10 },
};

static const char source[] =
    "__kernel void f(__global const float *x, __global float *y)\n"
    "{ int i = (int)get_global_id(0), k = 0;\n"
    "#define NEXT(e) { float v = x[k * N + i]; y[k * N + i] = e; k++; }\n"
    "  NEXT(exp(v)) NEXT(exp2(v)) NEXT(expm1(v)) NEXT(log(v)) NEXT(log2(v)) NEXT(log1p(v)) NEXT(sqrt(v)) NEXT(1.0f / sqrt(v))\n"
    "  NEXT(1.7f / v) NEXT(tanh(v)) NEXT(erf(v)) NEXT(erfc(v)) NEXT(sin(v)) NEXT(cos(v)) NEXT(pow(v, 1.25f)) NEXT(floor(v))\n"
    "  NEXT(rint(v)) NEXT(fma(v, v, -1.3f)) }\n";

/* The host's result: constants are such as the kernel has them. */
static double wanted(size_t k, float x)
{
    if (functions[k].f == divide)
        return (double)1.7f / (double)x;
    if (functions[k].f == fused)
        return (double)x * (double)x - (double)1.3f;
    return functions[k].f((double)x);
}

static double ulp(double v)
{
    int e;

    frexp(v, &e);
    return ldexp(1, QNI_MAX(e - 1, -126) - 23);
}

static void fill(float *x)
{
    static const float special[SPECIAL] = { 0.0f, -0.0f, INFINITY, -INFINITY, NAN, -1.0f };

    for (size_t k = 0; k < QNI_COUNT(functions); k++) {
        const double low = functions[k].low, high = functions[k].high;

        for (size_t i = 0; i < POINTS; i++) {
            const double t = ((double)i + 0.37) / POINTS;

            x[k * N + i] = (float)(low > 0 ? exp(log(low) + t * (log(high) - log(low))) : low + t * (high - low));
        }
        memcpy(x + k * N + POINTS, special, sizeof(special));
    }
}

/* How many times the allowed error one result has. */
static double judge(size_t k, float x, float y)
{
    const double want = wanted(k, x), allowed = functions[k].ulps * ulp(want) + fabs(want) * DBL_EPSILON * 4;

    if (isnan(want) || isinf(want))
        return (isnan(want) ? isnan(y) : y == (float)want) ? 0 : INFINITY;
    if ((float)want == y || (fabs(want) < (double)FLT_MIN && fabsf(y) <= FLT_MIN))
        return 0;
    return isnan(y) ? (double)INFINITY : allowed > 0 ? fabs((double)y - want) / allowed : (double)INFINITY;
}

static void builtins(qn_device *dev)
{
    const size_t bytes = QNI_COUNT(functions) * N * sizeof(float);
    float *x = malloc(bytes), *y = calloc(1, bytes);
    struct check_program p = { 0 };
    double worst = 0;
    size_t by = 0;
    char options[32];

    snprintf(options, sizeof(options), "-DN=%d", N);
    if (!x || !y)
        check_fail("no memory");
    else
        fill(x);
    if (!check_failed() && program_create(&p, dev, source, options, "f") && program_buffer(&p, 0, bytes, x) &&
        program_buffer(&p, 1, bytes, y) && program_run(&p, N, 0) && program_read(&p, 1, bytes, y))
        for (size_t i = 0; i < QNI_COUNT(functions) * N && !check_failed(); i++) {
            const double error = judge(i / N, x[i], y[i]);

            if (error > 1)
                check_fail("%s of %.9g is %.9g instead of %.9g: %.3g units of the last place, not %g", functions[i / N].name,
                           (double)x[i], (double)y[i], wanted(i / N, x[i]), error * functions[i / N].ulps, functions[i / N].ulps);
            if (error > worst) {
                worst = error;
                by = i / N;
            }
        }
    check_note("at worst %s, %.1f units of the last place of %g", functions[by].name, worst * functions[by].ulps,
               functions[by].ulps);
    program_destroy(&p);
    free(x);
    free(y);
}

void check_builtins(qn_device *dev)
{
    check_one("device: built-in functions", false, builtins, dev);
}
