/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Features of recordings. Every frame is cut out, windowed and transformed in double; then what the kind asks for. What
 * needs all frames together (the loudest, derivatives, scaling) follows. */
#include <math.h>

#include "data/sound/features.h"

#define MOST_FFT  (1 << 20)
#define MOST_MELS 4096
#define FLOOR     1e-10 /* the least power that has decibels */

/* A mel band: weights of the spectrum's lines from first on. */
struct band {
    int64_t first, lines;
    float *weight; /* [lines] into the table */
};

struct qn_features {
    atomic_int references;
    qn_context *ctx;
    qn_features_opt opt; /* with the defaults filled in */
    int64_t lines;       /* of the spectrum */
    int64_t base;        /* numbers of a frame without derivatives */
    float *window;       /* [opt.length] */
    struct qni_fft *fft;
    struct band *band;   /* [opt.mels] */
    float *weights;
    float *cosine;       /* [opt.coefficients, opt.mels] */
};

static double to_mel(double hz, bool htk)
{
    if (htk)
        return 2595 * log10(1 + hz / 700);
    return hz < 1000 ? hz * 3 / 200 : 15 + log(hz / 1000) * 27 / log(6.4);
}

static double from_mel(double mel, bool htk)
{
    if (htk)
        return 700 * (pow(10, mel / 2595) - 1);
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

/* Corner i of the bands, 0 to mels + 1, evenly apart in mel. */
static double corner(const qn_features_opt *o, int i)
{
    const double low = to_mel(o->low, o->htk), high = to_mel(o->high, o->htk);

    return from_mel(low + (high - low) * i / (o->mels + 1), o->htk);
}

static qn_status make_bands(qn_features *f)
{
    const qn_features_opt *o = &f->opt;
    const double step = (double)o->rate / o->fft; /* Hz from line to line */
    size_t at = 0, room = 0;
    qn_status st;

    if ((st = qni_calloc(f->ctx, &f->band, (size_t)o->mels, sizeof(*f->band))))
        return st;
    for (int i = 0; i < o->mels; i++) {
        struct band *b = &f->band[i];

        b->first = QNI_MIN((int64_t)ceil(corner(o, i) / step), f->lines);
        b->lines = QNI_MAX(QNI_MIN((int64_t)floor(corner(o, i + 2) / step), f->lines - 1) - b->first + 1, 0);
        room += (size_t)b->lines;
    }
    if ((st = qni_calloc(f->ctx, &f->weights, room, sizeof(float))))
        return st;
    for (int i = 0; i < o->mels; i++) {
        const double left = corner(o, i), middle = corner(o, i + 1), right = corner(o, i + 2);
        struct band *b = &f->band[i];

        b->weight = f->weights + at;
        at += (size_t)b->lines;
        for (int64_t k = 0; k < b->lines; k++) {
            const double hz = (double)(b->first + k) * step;
            const double w = fmin((hz - left) / (middle - left), (right - hz) / (right - middle));

            b->weight[k] = (float)(fmax(w, 0) * (o->no_area ? 1 : 2 / (right - left)));
        }
    }
    return QN_OK;
}

static qn_status make_cosine(qn_features *f)
{
    const qn_features_opt *o = &f->opt;
    qn_status st;

    if ((st = qni_calloc(f->ctx, &f->cosine, (size_t)o->coefficients * (size_t)o->mels, sizeof(float))))
        return st;
    for (int k = 0; k < o->coefficients; k++)
        for (int m = 0; m < o->mels; m++) {
            const double scale = sqrt((k ? 2.0 : 1.0) / o->mels);
            const double lift = o->lifter > 0 ? 1 + o->lifter / 2 * sin(QNI_PI * (k + 1) / o->lifter) : 1;

            f->cosine[k * o->mels + m] = (float)(lift * scale * cos(QNI_PI * k * (2 * m + 1) / (2.0 * o->mels)));
        }
    return QN_OK;
}

static bool has_bands(const qn_features_opt *o)
{
    return o->kind <= QN_FEATURE_MFCC;
}

static void fill_defaults(qn_features_opt *o)
{
    o->rate = o->rate ? o->rate : 22050;
    o->fft = o->fft ? o->fft : 2048;
    o->length = o->length ? o->length : o->fft;
    o->hop = o->hop ? o->hop : QNI_MAX(o->length / 4, 1);
    o->power = o->power != 0 ? o->power : o->kind == QN_FEATURE_MAGNITUDE ? 1 : 2;
    o->mels = o->mels ? o->mels : 128;
    o->high = o->high != 0 ? o->high : o->rate / 2.0;
    o->top_db = o->top_db != 0 ? o->top_db : 80;
    o->coefficients = o->coefficients ? o->coefficients : QNI_MIN(20, o->mels);
    o->delta_width = o->delta_width ? o->delta_width : 9;
}

static qn_status check(const qn_features_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the features' options is not zero", i);
    if ((unsigned)o->kind > QN_FEATURE_FRAMES || (unsigned)o->scale > QN_SCALE_WHOLE ||
        (unsigned)o->window > QN_WINDOW_RECTANGULAR)
        return qni_error(QN_E_ARG, "there is no kind %d, scale %d or window %d", (int)o->kind, (int)o->scale, (int)o->window);
    if (o->rate < 1 || o->rate > QN_SOUND_MOST_RATE)
        return qni_error(QN_E_ARG, "a rate of %d, expected 1 to %d", o->rate, QN_SOUND_MOST_RATE);
    if (o->fft < 1 || o->fft > MOST_FFT || o->length < 1 || o->length > o->fft || o->hop < 1)
        return qni_error(QN_E_ARG, "a window of %d in %d, every %d: out of range", o->length, o->fft, o->hop);
    if (o->mels < 1 || o->mels > MOST_MELS || o->coefficients < 1 || o->coefficients > o->mels)
        return qni_error(QN_E_ARG, "%d coefficients of %d mel bands: out of range", o->coefficients, o->mels);
    if (!(o->low >= 0 && o->low < o->high && o->high <= o->rate / 2.0))
        return qni_error(QN_E_ARG, "mel bands from %g to %g Hz, at %d frames a second", o->low, o->high, o->rate);
    if (!(o->power > 0 && o->power <= 16) || !(o->lifter >= 0 && o->lifter < 1e9) || !isfinite(o->top_db))
        return qni_error(QN_E_ARG, "power %g, lifter %g or top_db %g is out of range", o->power, o->lifter, o->top_db);
    if (o->deltas < 0 || o->deltas > 2 || o->delta_width < 3 || o->delta_width % 2 == 0 || o->delta_width > 9999)
        return qni_error(QN_E_ARG, "%d derivatives of width %d: out of range", o->deltas, o->delta_width);
    return QN_OK;
}

static int64_t base_width(const qn_features *f)
{
    switch (f->opt.kind) {
    case QN_FEATURE_LOG_MEL:
    case QN_FEATURE_MEL:
        return f->opt.mels;
    case QN_FEATURE_MFCC:
        return f->opt.coefficients;
    case QN_FEATURE_MAGNITUDE:
        return f->lines;
    case QN_FEATURE_STFT:
        return 2 * f->lines;
    case QN_FEATURE_FRAMES:
        break;
    }
    return f->opt.fft;
}

qn_status qn_features_create(qn_features **out, const qn_features_opt *opt)
{
    qn_features_opt o = opt ? *opt : (qn_features_opt){0};
    qn_context *held = NULL;
    qn_features *f = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    fill_defaults(&o);
    if ((st = check(&o)) || (st = qni_context_get(&held, o.context)))
        return st;
    if ((st = qni_calloc(held, &f, 1, sizeof(*f)))) {
        qni_context_release(&held);
        return st;
    }
    atomic_init(&f->references, 1);
    f->ctx = held;
    f->opt = o;
    f->lines = o.fft / 2 + 1;
    f->base = base_width(f);
    if ((st = qni_calloc(f->ctx, &f->window, (size_t)o.length, sizeof(float))) ||
        (st = qn_window_make(f->window, o.window, o.length)) || (st = qni_fft_create(&f->fft, f->ctx, o.fft)) ||
        (has_bands(&o) && (st = make_bands(f))) || (o.kind == QN_FEATURE_MFCC && (st = make_cosine(f))))
        goto done;
    *out = f;
    f = NULL;
done:
    qn_features_destroy(&f);
    return st;
}

qn_features *qni_features_retain(qn_features *f)
{
    atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
    return f;
}

const qn_features_opt *qni_features_opt(const qn_features *f)
{
    return &f->opt;
}

void qn_features_destroy(qn_features **features)
{
    qn_features *f = features ? *features : NULL;
    qn_context *ctx;

    if (!f)
        return;
    *features = NULL;
    if (atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) != 1)
        return;
    ctx = f->ctx;
    qni_fft_destroy(&f->fft, ctx);
    qni_free(ctx, &f->window);
    qni_free(ctx, &f->band);
    qni_free(ctx, &f->weights);
    qni_free(ctx, &f->cosine);
    qni_free(ctx, &f);
    qni_context_release(&ctx);
}

int64_t qn_features_frames(const qn_features *f, int64_t samples)
{
    if (!f || samples < 1)
        return 0;
    if (!f->opt.no_center)
        samples += f->opt.fft / 2 * 2; /* half a frame before and behind */
    return samples < f->opt.fft ? 0 : 1 + (samples - f->opt.fft) / f->opt.hop;
}

int64_t qn_features_width(const qn_features *f)
{
    return f ? f->base * (1 + f->opt.deltas) : 0;
}

/* Sample i of the recording, or of what is thought around it. */
static double sample_at(const float *in, int64_t samples, int64_t i, bool reflect)
{
    if (i >= 0 && i < samples)
        return (double)in[i];
    if (!reflect || samples < 2)
        return reflect ? (double)in[0] : 0;
    i %= 2 * (samples - 1);
    i += i < 0 ? 2 * (samples - 1) : 0;
    return (double)in[i < samples ? i : 2 * (samples - 1) - i];
}

/* The spectrum's line k to the power of .power. */
static double strength(const qn_features *f, const double *line)
{
    const double square = line[0] * line[0] + line[1] * line[1];

    return f->opt.power == 2 ? square : f->opt.power == 1 ? sqrt(square) : pow(square, f->opt.power / 2);
}

/* One frame's base numbers, cepstra still as mel bands. work: what one_frame_doubles() says. */
static void one_frame(const qn_features *f, float *out, const float *in, int64_t samples, int64_t first, double *work)
{
    const qn_features_opt *o = &f->opt;
    const int64_t margin = (o->fft - o->length) / 2;
    double *frame = work, *line = frame + o->fft;

    memset(frame, 0, (size_t)o->fft * sizeof(*frame));
    for (int64_t i = 0; i < o->length; i++)
        frame[margin + i] = (double)f->window[i] * sample_at(in, samples, first + margin + i, o->reflect);
    if (o->kind == QN_FEATURE_FRAMES) {
        for (int64_t i = 0; i < o->fft; i++)
            out[i] = (float)frame[i];
        return;
    }
    qni_fft_run(f->fft, line, frame, line + 2 * f->lines);
    if (o->kind == QN_FEATURE_STFT) {
        for (int64_t k = 0; k < 2 * f->lines; k++)
            out[k] = (float)line[k];
        return;
    }
    for (int64_t k = 0; k < f->lines; k++) {
        line[k] = strength(f, line + 2 * k);
        if (o->kind == QN_FEATURE_MAGNITUDE)
            out[k] = (float)line[k];
    }
    for (int m = 0; has_bands(o) && m < o->mels; m++) {
        const struct band *b = &f->band[m];
        double sum = 0;

        for (int64_t k = 0; k < b->lines; k++)
            sum += (double)b->weight[k] * line[b->first + k];
        out[m] = (float)sum;
    }
}

static size_t one_frame_doubles(const qn_features *f)
{
    return (size_t)f->opt.fft + 2 * (size_t)f->lines + qni_fft_scratch(f->fft);
}

static void to_decibels(float *x, int64_t n, double top_db)
{
    float loudest = -INFINITY;

    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)(10 * log10(fmax((double)x[i], FLOOR)));
        loudest = fmaxf(loudest, x[i]);
    }
    for (int64_t i = 0; i < n && top_db >= 0; i++)
        x[i] = fmaxf(x[i], loudest - (float)top_db);
}

static void to_cepstra(const qn_features *f, float *out, const float *mel, int64_t frames)
{
    for (int64_t t = 0; t < frames; t++)
        for (int k = 0; k < f->opt.coefficients; k++) {
            double sum = 0;

            for (int m = 0; m < f->opt.mels; m++)
                sum += (double)f->cosine[k * f->opt.mels + m] * (double)mel[t * f->opt.mels + m];
            out[t * f->opt.coefficients + k] = (float)sum;
        }
}

/* count numbers, stride apart, to mean 0 and deviation 1; equal ones to 0. */
static void standardise(float *x, int64_t count, int64_t stride)
{
    double mean = 0, square = 0;

    for (int64_t i = 0; i < count; i++)
        mean += (double)x[i * stride];
    mean /= (double)count;
    for (int64_t i = 0; i < count; i++)
        square += ((double)x[i * stride] - mean) * ((double)x[i * stride] - mean);
    square = sqrt(square / (double)count);
    for (int64_t i = 0; i < count; i++)
        x[i * stride] = (float)(((double)x[i * stride] - mean) / (square > 1e-8 ? square : 1));
}

/* [frames, base] and the derivatives side by side in [frames, width]. */
static qn_status put_together(const qn_features *f, float *out, const float *x, float *delta, int64_t frames)
{
    const int64_t width = qn_features_width(f);
    qn_status st;

    for (int order = 0; order <= f->opt.deltas; order++) {
        const float *from = order ? delta : x;

        if (order && (st = qn_sound_delta(delta, x, frames, f->base, f->opt.delta_width, order)))
            return st;
        for (int64_t t = 0; t < frames; t++)
            memcpy(out + t * width + order * f->base, from + t * f->base, (size_t)f->base * sizeof(*out));
    }
    return QN_OK;
}

qn_status qn_features_run(const qn_features *f, float *out, const float *in, int64_t samples)
{
    const int64_t frames = qn_features_frames(f, samples), width = qn_features_width(f);
    const int64_t before = f && !f->opt.no_center ? f->opt.fft / 2 : 0;
    float *x = NULL, *delta = NULL;
    double *work = NULL;
    int64_t columns;
    size_t most;
    qn_status st;

    if (!f || !out || !in)
        return qni_error(QN_E_ARG, "the features, out or in is NULL");
    if (frames < 1 || (f->opt.deltas && frames < f->opt.delta_width))
        return qni_error(QN_E_SHAPE, "%lld samples give %lld frames, expected %d or more", (long long)samples,
                         (long long)frames, f->opt.deltas ? f->opt.delta_width : 1);
    columns = f->opt.kind == QN_FEATURE_MFCC ? f->opt.mels : f->base;
    if (qni_mul_overflows((size_t)frames, (size_t)QNI_MAX(columns, width), &most))
        return qni_error(QN_E_HOST_MEMORY, "%lld frames do not fit in an address space", (long long)frames);
    if ((st = qni_calloc(f->ctx, &x, most, sizeof(*x))) ||
        (st = qni_calloc(f->ctx, &work, one_frame_doubles(f), sizeof(*work))) ||
        (st = qni_calloc(f->ctx, &delta, most, sizeof(*delta))))
        goto done;
    for (int64_t t = 0; t < frames; t++)
        one_frame(f, x + t * columns, in, samples, t * f->opt.hop - before, work);
    if (f->opt.kind == QN_FEATURE_LOG_MEL || f->opt.kind == QN_FEATURE_MFCC)
        to_decibels(x, frames * columns, f->opt.top_db);
    if (f->opt.kind == QN_FEATURE_MFCC) {
        to_cepstra(f, delta, x, frames);
        memcpy(x, delta, (size_t)(frames * f->base) * sizeof(*x));
    }
    if ((st = put_together(f, out, x, delta, frames)))
        goto done;
    for (int64_t c = 0; f->opt.scale == QN_SCALE_EACH && c < width; c++)
        standardise(out + c, frames, width);
    if (f->opt.scale == QN_SCALE_WHOLE)
        standardise(out, frames * width, 1);
done:
    qni_free(f->ctx, &x);
    qni_free(f->ctx, &delta);
    qni_free(f->ctx, &work);
    return st;
}
