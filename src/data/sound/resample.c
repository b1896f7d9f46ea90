/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Another rate: up - 1 zeros behind each number, a low-pass filter, and of the result every down-th. Only what is kept is
 * computed, and the zeros are passed over. */
#include <math.h>

#include "data/sound/sound.h"

#define ZEROS 10 /* of the filter, to each side */
#define BETA  5.0

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t r = a % b;

        a = b;
        b = r;
    }
    return a;
}

int64_t qn_sound_resampled(int64_t frames, int from, int to)
{
    int64_t n;

    if (frames < 0 || from < 1 || to < 1 || from > QN_SOUND_MOST_RATE || to > QN_SOUND_MOST_RATE ||
        __builtin_mul_overflow(frames, (int64_t)to, &n))
        return 0;
    return n / from + (n % from != 0);
}

/* The modified Bessel function of order 0. */
static double bessel(double x)
{
    double sum = 1, term = 1;

    for (int k = 1; term > sum * 1e-17; k++) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

/* filter[0 .. 2 half]: Kaiser's window over a sine cardinal whose zeros are most apart; the sum is up. */
static void make_filter(double *filter, int64_t half, int64_t most, int64_t up)
{
    double sum = 0;

    for (int64_t i = 0; i <= 2 * half; i++) {
        const double t = (double)(i - half) / (double)most, r = (double)(i - half) / (double)half;
        const double cardinal = i == half ? 1 : sin(QNI_PI * t) / (QNI_PI * t);

        filter[i] = cardinal * bessel(BETA * sqrt(1 - r * r)) / bessel(BETA);
        sum += filter[i];
    }
    for (int64_t i = 0; i <= 2 * half; i++)
        filter[i] *= (double)up / sum;
}

qn_status qn_sound_resample(const qn_context *ctx, float *out, const float *in, int64_t frames, int from, int to)
{
    int64_t up, down, half, n;
    double *filter = NULL;
    qn_status st;

    if ((st = qni_sound_check(out, in, frames)))
        return st;
    if (!ctx || from < 1 || to < 1 || from > QN_SOUND_MOST_RATE || to > QN_SOUND_MOST_RATE)
        return qni_error(QN_E_ARG, ctx ? "rates of %d and %d, expected 1 to %d" : "there is no context", from, to,
                         QN_SOUND_MOST_RATE);
    n = qn_sound_resampled(frames, from, to);
    if (frames && !n)
        return qni_error(QN_E_ARG, "%lld frames are too many", (long long)frames);
    up = to / gcd(to, from);
    down = from / gcd(to, from);
    if (up == down) {
        if (frames)
            memmove(out, in, (size_t)frames * sizeof(*out));
        return QN_OK;
    }
    half = ZEROS * QNI_MAX(up, down);
    if ((st = qni_calloc(ctx, &filter, (size_t)(2 * half + 1), sizeof(*filter))))
        return st;
    make_filter(filter, half, QNI_MAX(up, down), up);
    for (int64_t i = 0; i < n; i++) {
        const int64_t middle = i * down; /* among the numbers with zeros between */
        int64_t first = middle > half ? (middle - half + up - 1) / up : 0, last = QNI_MIN((middle + half) / up, frames - 1);
        double sum = 0;

        for (int64_t j = first; j <= last; j++)
            sum += (double)in[j] * filter[middle + half - j * up];
        out[i] = (float)sum;
    }
    qni_free(ctx, &filter);
    return QN_OK;
}
