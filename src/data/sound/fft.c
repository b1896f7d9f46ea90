/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Fourier transforms of real numbers, of any length. Two real numbers in turn are one complex number of a transform
 * half as long; lengths that are no power of two become a convolution with a chirp (Bluestein), whose transforms are. */
#include <math.h>

#include "data/sound/sound.h"

#define MOST (INT64_C(1) << 24)

struct qni_fft {
    int64_t n;     /* real numbers */
    int64_t m;     /* complex numbers: n / 2, or n where that is odd */
    int64_t p;     /* a power of two: m, or at least 2 m - 1 */
    double *root;  /* [p / 2] exp(-2 pi i k / p) */
    double *twist; /* [m + 1] exp(-2 pi i k / n), to part the two halves; NULL where n is odd */
    double *chirp; /* [m] exp(-pi i k^2 / m); NULL where m is a power of two */
    double *other; /* [p] the transform of the chirp's conjugate, over p */
};

static void unit(double *out, int64_t k, int64_t n)
{
    const double angle = -2 * QNI_PI * (double)(k % n) / (double)n;

    out[0] = cos(angle);
    out[1] = sin(angle);
}

/* Of p complex numbers in place. */
static void power_of_two(const struct qni_fft *f, double *x)
{
    for (int64_t i = 1, j = 0; i < f->p; i++) {
        int64_t bit = f->p >> 1;

        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j)
            for (int c = 0; c < 2; c++) {
                const double t = x[2 * i + c];

                x[2 * i + c] = x[2 * j + c];
                x[2 * j + c] = t;
            }
    }
    for (int64_t half = 1; half < f->p; half *= 2)
        for (int64_t first = 0; first < f->p; first += 2 * half)
            for (int64_t k = 0; k < half; k++) {
                const double *w = f->root + 2 * k * (f->p / (2 * half));
                double *a = x + 2 * (first + k), *b = a + 2 * half;
                const double re = b[0] * w[0] - b[1] * w[1], im = b[0] * w[1] + b[1] * w[0];

                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
}

static void multiply(double *a, const double *b)
{
    const double re = a[0] * b[0] - a[1] * b[1];

    a[1] = a[0] * b[1] + a[1] * b[0];
    a[0] = re;
}

/* Of m complex numbers in place, with room for p. */
static void transform(const struct qni_fft *f, double *x)
{
    if (!f->chirp) {
        power_of_two(f, x);
        return;
    }
    for (int64_t k = 0; k < f->m; k++)
        multiply(x + 2 * k, f->chirp + 2 * k);
    memset(x + 2 * f->m, 0, (size_t)(f->p - f->m) * 2 * sizeof(*x));
    power_of_two(f, x);
    for (int64_t k = 0; k < f->p; k++) {
        multiply(x + 2 * k, f->other + 2 * k);
        x[2 * k + 1] = -x[2 * k + 1]; /* the conjugate, so that the same transform goes back */
    }
    power_of_two(f, x);
    for (int64_t k = 0; k < f->m; k++) {
        x[2 * k + 1] = -x[2 * k + 1];
        multiply(x + 2 * k, f->chirp + 2 * k);
    }
}

void qni_fft_run(const struct qni_fft *f, double *out, const double *in, double *scratch)
{
    if (!f->twist) {
        for (int64_t i = 0; i < f->n; i++) {
            scratch[2 * i] = in[i];
            scratch[2 * i + 1] = 0;
        }
        transform(f, scratch);
        memcpy(out, scratch, (size_t)(f->n / 2 + 1) * 2 * sizeof(*out));
        return;
    }
    memcpy(scratch, in, (size_t)f->n * sizeof(*in));
    transform(f, scratch);
    for (int64_t k = 0; k <= f->m; k++) {
        const double *a = scratch + 2 * (k % f->m), *b = scratch + 2 * ((f->m - k) % f->m);
        const double even[2] = {(a[0] + b[0]) / 2, (a[1] - b[1]) / 2};
        double odd[2] = {(a[1] + b[1]) / 2, (b[0] - a[0]) / 2};

        multiply(odd, f->twist + 2 * k);
        out[2 * k] = even[0] + odd[0];
        out[2 * k + 1] = even[1] + odd[1];
    }
}

static qn_status make_chirp(struct qni_fft *f, const qn_context *ctx)
{
    qn_status st;

    if ((st = qni_calloc(ctx, &f->chirp, (size_t)f->m * 2, sizeof(double))) ||
        (st = qni_calloc(ctx, &f->other, (size_t)f->p * 2, sizeof(double))))
        return st;
    for (int64_t k = 0; k < f->m; k++) {
        double *c = f->chirp + 2 * k;

        unit(c, k * k % (2 * f->m), 2 * f->m);
        for (int c2 = 0; c2 < 2; c2++)
            f->other[2 * k + c2] = f->other[2 * ((f->p - k) % f->p) + c2] = (c2 ? -c[1] : c[0]) / (double)f->p;
    }
    power_of_two(f, f->other);
    return QN_OK;
}

qn_status qni_fft_create(struct qni_fft **out, const qn_context *ctx, int64_t n)
{
    struct qni_fft *f = NULL;
    qn_status st;

    *out = NULL;
    if (n < 1 || n > MOST)
        return qni_error(QN_E_ARG, "a Fourier transform of %lld numbers, expected 1 to %lld", (long long)n, (long long)MOST);
    if ((st = qni_calloc(ctx, &f, 1, sizeof(*f))))
        return st;
    f->n = n;
    f->m = n % 2 ? n : n / 2;
    for (f->p = 1; f->p < f->m;)
        f->p *= 2;
    if (f->p != f->m)
        for (; f->p < 2 * f->m - 1;)
            f->p *= 2;
    if ((st = qni_calloc(ctx, &f->root, (size_t)QNI_MAX(f->p, 2), sizeof(double))))
        goto done;
    for (int64_t k = 0; k < f->p / 2; k++)
        unit(f->root + 2 * k, k, f->p);
    if (n % 2 == 0) {
        if ((st = qni_calloc(ctx, &f->twist, (size_t)(f->m + 1) * 2, sizeof(double))))
            goto done;
        for (int64_t k = 0; k <= f->m; k++)
            unit(f->twist + 2 * k, k, n);
    }
    if ((f->m & (f->m - 1)) && (st = make_chirp(f, ctx)))
        goto done;
    *out = f;
    f = NULL;
done:
    qni_fft_destroy(&f, ctx);
    return st;
}

void qni_fft_destroy(struct qni_fft **fft, const qn_context *ctx)
{
    struct qni_fft *f = *fft;

    if (!f)
        return;
    qni_free(ctx, &f->root);
    qni_free(ctx, &f->twist);
    qni_free(ctx, &f->chirp);
    qni_free(ctx, &f->other);
    qni_free(ctx, fft);
}

size_t qni_fft_scratch(const struct qni_fft *f)
{
    return (size_t)QNI_MAX(f->p, f->n) * 2;
}
