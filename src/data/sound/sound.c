/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recordings in memory; windows, pre-emphasis, bands and derivatives. */
#include <math.h>

#include "data/sound/sound.h"

#define MOST_CHANNELS 1024
#define MOST_ORDER    16

struct sound {
    qn_sound sound;
    qn_context *ctx;
};

qn_status qn_sound_create(qn_sound **out, qn_context *ctx, int64_t frames, int channels, int rate)
{
    struct sound *s = NULL;
    qn_context *held = NULL;
    size_t n;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (frames < 0 || channels < 1 || channels > MOST_CHANNELS || rate < 1 || rate > QN_SOUND_MOST_RATE)
        return qni_error(QN_E_ARG, "%lld frames of %d channels at %d a second: out of range", (long long)frames, channels,
                         rate);
    if (qni_mul_overflows((size_t)frames, (size_t)channels, &n))
        return qni_error(QN_E_HOST_MEMORY, "%lld frames do not fit in an address space", (long long)frames);
    if ((st = qni_context_get(&held, ctx)))
        return st;
    if ((st = qni_calloc(held, &s, 1, sizeof(*s))) || (st = qni_calloc(held, &s->sound.sample, n, sizeof(float)))) {
        qni_free(held, &s);
        qni_context_release(&held);
        return st;
    }
    s->sound.frames = frames;
    s->sound.channels = channels;
    s->sound.rate = rate;
    s->ctx = held;
    *out = &s->sound;
    return QN_OK;
}

void qn_sound_destroy(qn_sound **sound)
{
    struct sound *s = sound ? (struct sound *)*sound : NULL;
    qn_context *ctx;

    if (!s)
        return;
    *sound = NULL;
    ctx = s->ctx;
    qni_free(ctx, &s->sound.sample);
    qni_free(ctx, &s);
    qni_context_release(&ctx);
}

qn_status qn_sound_convert(qn_sound **out, qn_context *ctx, const qn_sound *sound, int rate)
{
    qn_sound *mono = NULL, *result = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!sound || !sound->sample)
        return qni_error(QN_E_ARG, "the recording is NULL");
    if (rate < 0 || rate > QN_SOUND_MOST_RATE)
        return qni_error(QN_E_ARG, "a rate of %d, expected 1 to %d", rate, QN_SOUND_MOST_RATE);
    rate = rate ? rate : sound->rate;
    if ((st = qn_sound_create(&mono, ctx, sound->frames, 1, sound->rate)))
        return st;
    for (int64_t i = 0; i < sound->frames; i++) {
        double sum = 0;

        for (int c = 0; c < sound->channels; c++)
            sum += (double)sound->sample[i * sound->channels + c];
        mono->sample[i] = (float)(sum / sound->channels);
    }
    if (rate != sound->rate) {
        if ((st = qn_sound_create(&result, ctx, qn_sound_resampled(sound->frames, sound->rate, rate), 1, rate)) ||
            (st = qn_sound_resample(((struct sound *)mono)->ctx, result->sample, mono->sample, sound->frames, sound->rate, rate)))
            goto done;
        *out = result;
        result = NULL;
    } else {
        *out = mono;
        mono = NULL;
    }
done:
    qn_sound_destroy(&mono);
    qn_sound_destroy(&result);
    return st;
}

qn_status qni_sound_check(const float *out, const float *in, int64_t samples)
{
    if (samples < 0 || (samples && (!out || !in)))
        return qni_error(QN_E_ARG, samples < 0 ? "a negative number of samples" : "out or in is NULL");
    return QN_OK;
}

qn_status qn_sound_place(float *out, int64_t length, const float *in, int64_t frames, bool middle)
{
    const int64_t spare = length - frames, before = middle ? spare / 2 : 0; /* both negative where it is cut */
    const int64_t to = QNI_MAX(before, 0), from = QNI_MAX(-before, 0);

    if (length < 0 || frames < 0 || (length && !out) || (frames && !in))
        return qni_error(QN_E_ARG, length < 0 || frames < 0 ? "a negative number of samples" : "out or in is NULL");
    if (length)
        memset(out, 0, (size_t)length * sizeof(*out));
    if (length && frames)
        memcpy(out + to, in + from, (size_t)QNI_MIN(length, frames) * sizeof(*out));
    return QN_OK;
}

qn_status qn_window_make(float *out, qn_window window, int64_t n)
{
    /* cos(0), cos(1), cos(2) of the angle 2 pi i / n */
    static const double terms[][3] = {
        [QN_WINDOW_HANN] = {0.5, -0.5, 0},
        [QN_WINDOW_HAMMING] = {0.54, -0.46, 0},
        [QN_WINDOW_BLACKMAN] = {0.42, -0.5, 0.08},
        [QN_WINDOW_RECTANGULAR] = {1, 0, 0},
    };

    if (!out || n < 1 || (unsigned)window >= QNI_COUNT(terms))
        return qni_error(QN_E_ARG, "window %d of %lld numbers%s", (int)window, (long long)n, out ? "" : ", out is NULL");
    for (int64_t i = 0; i < n; i++) {
        const double angle = 2 * QNI_PI * (double)i / (double)n, *a = terms[window];

        out[i] = (float)(a[0] + a[1] * cos(angle) + a[2] * cos(2 * angle));
    }
    return QN_OK;
}

qn_status qn_sound_preemphasis(float *out, const float *in, int64_t frames, double coefficient)
{
    double before;
    qn_status st;

    if ((st = qni_sound_check(out, in, frames)) || !frames)
        return st;
    before = frames > 1 ? 2.0 * (double)in[0] - (double)in[1] : (double)in[0];
    for (int64_t i = 0; i < frames; i++) {
        const double now = (double)in[i];

        out[i] = (float)(i ? now - coefficient * before : now + before);
        before = now;
    }
    return QN_OK;
}

/* One section in place: b[0] (1 + sign z^-1)^taps over 1 + a[0] z^-1 + a[1] z^-2, taps 1 or 2. */
static void section(float *x, int64_t n, const double b[3], const double a[2])
{
    double s0 = 0, s1 = 0;

    for (int64_t i = 0; i < n; i++) {
        const double in = (double)x[i], out = b[0] * in + s0;

        s0 = b[1] * in - a[0] * out + s1;
        s1 = b[2] * in - a[1] * out;
        x[i] = (float)out;
    }
}

/* A Butterworth filter as sections of two poles, and one of one where the order is odd. warped: tan(pi f / rate). */
static void butterworth(float *x, int64_t n, double warped, bool high, int order)
{
    const double w = warped, w2 = w * w, sign = high ? -1 : 1;

    if (order % 2) {
        const double gain = high ? 1 / (1 + w) : w / (1 + w);

        section(x, n, (const double[]){gain, sign * gain, 0}, (const double[]){(w - 1) / (w + 1), 0});
    }
    for (int k = 0; k < order / 2; k++) {
        const double damping = 2 * sin(QNI_PI * (2 * k + 1) / (2 * order)); /* the pole pair's s^2 + damping s + 1 */
        const double norm = 1 / (1 + damping * w + w2), gain = (high ? 1 : w2) * norm;

        section(x, n, (const double[]){gain, 2 * sign * gain, gain},
                (const double[]){2 * (w2 - 1) * norm, (1 - damping * w + w2) * norm});
    }
}

qn_status qn_sound_band(float *out, const float *in, int64_t frames, int rate, double low, double high, int order)
{
    qn_status st;

    if ((st = qni_sound_check(out, in, frames)))
        return st;
    if (rate < 1 || rate > QN_SOUND_MOST_RATE || order < 1 || order > MOST_ORDER)
        return qni_error(QN_E_ARG, "rate %d or order %d is out of range", rate, order);
    if (!(low >= 0 && low < rate / 2.0) || !(high >= 0 && high < rate / 2.0) || (low > 0 && high > 0 && low >= high))
        return qni_error(QN_E_ARG, "a band from %g to %g Hz at %d frames a second", low, high, rate);
    if (frames)
        memmove(out, in, (size_t)frames * sizeof(*out));
    if (low > 0)
        butterworth(out, frames, tan(QNI_PI * low / rate), true, order);
    if (high > 0)
        butterworth(out, frames, tan(QNI_PI * high / rate), false, order);
    return QN_OK;
}

qn_status qn_sound_delta(float *out, const float *in, int64_t frames, int64_t columns, int width, int order)
{
    const int half = width / 2;
    double squares = 0, mean, norm = 0;

    if (!out || !in || columns < 1 || width < 3 || width % 2 == 0 || order < 1 || order > 2)
        return qni_error(QN_E_ARG, "derivatives of order %d, width %d, over %lld columns: out of range", order, width,
                         (long long)columns);
    if (frames < width)
        return qni_error(QN_E_SHAPE, "%lld frames, but the derivatives are fitted to %d", (long long)frames, width);
    for (int k = -half; k <= half; k++)
        squares += (double)k * k;
    mean = squares / width;
    for (int k = -half; k <= half; k++)
        norm += ((double)k * k - mean) * ((double)k * k - mean);
    for (int64_t t = 0; t < frames; t++) {
        const int64_t at = QNI_MIN(QNI_MAX(t, half), frames - 1 - half);

        for (int64_t c = 0; c < columns; c++) {
            double sum = 0;

            for (int k = -half; k <= half; k++)
                sum += (order == 1 ? k / squares : 2 * ((double)k * k - mean) / norm) * (double)in[(at + k) * columns + c];
            out[t * columns + c] = (float)sum;
        }
    }
    return QN_OK;
}
