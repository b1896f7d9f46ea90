/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recordings as features. The sample is the recording at one rate and of one length; filters and features are the second
 * half, so that noise and shifts of the training pass through them as a microphone's would. */
#include <math.h>
#include <stddef.h>

#include "data/data.h"
#include "data/prep/prep.h"
#include "data/sound/features.h"

#define MOST_FRAMES   (INT64_C(1) << 28)
#define MOST_ELEMENTS (INT64_C(1) << 28) /* of an input */
#define LEAST_SPREAD  1e-8               /* a deviation below it is none */

struct recording {
    qn_prep base;
    qn_prep_sound_opt opt; /* with the defaults filled in; its context is not used */
    qn_features *features;
    float *mean, *deviation; /* [width] NULL: nothing is standardised */
};

/* The loudest sample to peak, whatever it was; silence stays. */
static void level(qn_sound *s, double peak)
{
    double loudest = 0;

    for (int64_t i = 0; i < s->frames; i++)
        loudest = fmax(loudest, fabs((double)s->sample[i]));
    for (int64_t i = 0; i < s->frames && loudest > 0; i++)
        s->sample[i] = (float)(peak / loudest * (double)s->sample[i]);
}

static qn_status load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    const struct recording *r = (const struct recording *)p;
    qn_sound *mono = NULL;
    qn_status st;

    if (!raw->sound)
        return qni_prep_lacks("a recording");
    if (raw->sound->frames < 1)
        return qni_error(QN_E_FORMAT, "the recording is empty");
    if ((st = qn_sound_convert(&mono, p->ctx, raw->sound, r->opt.rate)))
        return st;
    if (r->opt.peak > 0)
        level(mono, r->opt.peak);
    st = qn_sound_place(sample, r->opt.frames, mono->sample, mono->frames, r->opt.middle);
    qn_sound_destroy(&mono);
    return st;
}

static qn_status finish(const qn_prep *p, const void *sample, void *input)
{
    const struct recording *r = (const struct recording *)p;
    const int64_t n = r->opt.frames, width = qn_features_width(r->features);
    const bool filtered = r->opt.low > 0 || r->opt.high > 0;
    float *x = NULL, *out = input;
    qn_status st;

    if ((st = qni_calloc(p->ctx, &x, (size_t)n, sizeof(*x))))
        return st;
    memcpy(x, sample, (size_t)n * sizeof(*x));
    if ((r->opt.preemphasis != 0 && (st = qn_sound_preemphasis(x, x, n, r->opt.preemphasis))) ||
        (filtered && (st = qn_sound_band(x, x, n, r->opt.rate, r->opt.low, r->opt.high, r->opt.order))) ||
        (st = qn_features_run(r->features, out, x, n)))
        goto done;
    for (int64_t i = 0; r->mean && i < qni_elements(&p->input.shape); i++)
        out[i] = (out[i] - r->mean[i % width]) / r->deviation[i % width];
done:
    qni_free(p->ctx, &x);
    return st;
}

/* ---- JSON ---- */

enum item_type { FLAG, WHOLE, REAL, NAME };

/* A member of qn_features_opt; in files it has the same name. */
struct item {
    const char *name;
    enum item_type type;
    size_t at;
    const char *const *names; /* of NAME, by their numbers; NULL behind the last */
};

static const char *const kinds[] = {"log_mel", "mel", "mfcc", "magnitude", "stft", "frames", NULL};
static const char *const windows[] = {"hann", "hamming", "blackman", "rectangular", NULL};
static const char *const scales[] = {"none", "each", "whole", NULL};

#define AT(member) offsetof(qn_features_opt, member)

static const struct item items[] = {
    {"kind", NAME, AT(kind), kinds},
    {"fft", WHOLE, AT(fft), NULL},
    {"hop", WHOLE, AT(hop), NULL},
    {"length", WHOLE, AT(length), NULL},
    {"window", NAME, AT(window), windows},
    {"no_center", FLAG, AT(no_center), NULL},
    {"reflect", FLAG, AT(reflect), NULL},
    {"power", REAL, AT(power), NULL},
    {"mels", WHOLE, AT(mels), NULL},
    {"low", REAL, AT(low), NULL},
    {"high", REAL, AT(high), NULL},
    {"htk", FLAG, AT(htk), NULL},
    {"no_area", FLAG, AT(no_area), NULL},
    {"top_db", REAL, AT(top_db), NULL},
    {"coefficients", WHOLE, AT(coefficients), NULL},
    {"lifter", REAL, AT(lifter), NULL},
    {"deltas", WHOLE, AT(deltas), NULL},
    {"delta_width", WHOLE, AT(delta_width), NULL},
    {"scale", NAME, AT(scale), scales},
};

static void put_features(const qn_features_opt *o, struct qni_json_out *j)
{
    qni_json_open(j, "features", '{');
    for (size_t i = 0; i < QNI_COUNT(items); i++) {
        const struct item *m = &items[i];
        const void *at = (const char *)o + m->at;

        if (m->type == FLAG)
            qni_json_put_bool(j, m->name, *(const bool *)at);
        else if (m->type == WHOLE)
            qni_json_put_int(j, m->name, *(const int *)at);
        else if (m->type == REAL)
            qni_json_put_double(j, m->name, *(const double *)at);
        else
            qni_json_put_text(j, m->name, m->names[*(const int *)at]);
    }
    qni_json_close(j, '}');
}

static qn_status get_name(const struct item *m, const struct qni_json_at *at, int *out)
{
    const char *name;
    int i = 0;
    qn_status st;

    if ((st = qni_json_get_text(at, m->name, &name)))
        return st;
    while (m->names[i] && strcmp(m->names[i], name))
        i++;
    if (!m->names[i])
        return qni_json_error(at, "%s \"%.40s\" is not known", m->name, name);
    *out = i;
    return QN_OK;
}

static qn_status get_features(qn_features_opt *o, const struct qni_json_at *at)
{
    qn_status st = QN_OK;

    for (size_t i = 0; i < QNI_COUNT(items) && !st; i++) {
        const struct item *m = &items[i];
        void *to = (char *)o + m->at;
        int64_t v = 0;

        if (m->type == FLAG) {
            st = qni_json_get_bool(at, m->name, to);
        } else if (m->type == REAL) {
            st = qni_json_get_double(at, m->name, to);
        } else if (m->type == NAME) {
            st = get_name(m, at, to);
        } else if (!(st = qni_json_get_int(at, m->name, 0, INT32_MAX, &v))) {
            *(int *)to = (int)v;
        }
    }
    return st;
}

static void put_numbers(struct qni_json_out *j, const char *key, const float *x, int64_t n)
{
    qni_json_open(j, key, '[');
    for (int64_t i = 0; i < n; i++)
        qni_json_put_float(j, NULL, x[i]);
    qni_json_close(j, ']');
}

static void put(const qn_prep *p, struct qni_json_out *o)
{
    const struct recording *r = (const struct recording *)p;

    qni_json_put_int(o, "rate", r->opt.rate);
    qni_json_put_int(o, "frames", r->opt.frames);
    qni_json_put_bool(o, "middle", r->opt.middle);
    qni_json_put_double(o, "peak", r->opt.peak);
    qni_json_put_double(o, "preemphasis", r->opt.preemphasis);
    qni_json_put_double(o, "low", r->opt.low);
    qni_json_put_double(o, "high", r->opt.high);
    qni_json_put_int(o, "order", r->opt.order);
    put_features(&r->opt.features, o);
    if (r->mean) {
        put_numbers(o, "mean", r->mean, qn_features_width(r->features));
        put_numbers(o, "deviation", r->deviation, qn_features_width(r->features));
    }
}

/* An array of as many numbers as a frame has. */
static qn_status get_numbers(float **out, const struct recording *r, const struct qni_json_at *at, const char *key, bool positive)
{
    const int64_t width = qn_features_width(r->features);
    struct qni_json_at list, child = {0};
    double v;
    size_t n;
    qn_status st;

    if ((st = qni_json_member(&list, at, key)) || (st = qni_json_count(&list, &n)))
        return st;
    if (qni_json_type(&list) != QNI_JSON_ARRAY || n != (size_t)width)
        return qni_json_error(&list, "expected an array of %lld numbers", (long long)width);
    if ((st = qni_calloc(r->base.ctx, out, n, sizeof(float))))
        return st;
    for (size_t i = 0; qni_json_next(&list, &child); i++) {
        if ((st = qni_json_double(&child, &v)))
            return st;
        (*out)[i] = (float)v;
        if (!isfinite((*out)[i]) || (positive && !((*out)[i] > 0)))
            return qni_json_error(&child, "%g is out of range", v);
    }
    return QN_OK;
}

static qn_status check(const qn_prep_sound_opt *o)
{
    const double half = o->rate / 2.0;

    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->rate < 1 || o->rate > QN_SOUND_MOST_RATE || o->frames < 1 || o->frames > MOST_FRAMES)
        return qni_error(QN_E_ARG, "%lld frames at %d a second: out of range", (long long)o->frames, o->rate);
    if (!(o->peak >= 0 && o->peak <= 1e6) || !isfinite(o->preemphasis) || o->order < 1 || o->order > 16)
        return qni_error(QN_E_ARG, "peak %g, pre-emphasis %g or order %d is out of range", o->peak, o->preemphasis, o->order);
    if (!(o->low >= 0 && o->low < half) || !(o->high >= 0 && o->high < half) || (o->low > 0 && o->high > 0 && o->low >= o->high))
        return qni_error(QN_E_ARG, "a band from %g to %g Hz at %d frames a second", o->low, o->high, o->rate);
    return QN_OK;
}

/* From r->opt, which is checked, everything else but the standardisation. */
static qn_status start(struct recording *r)
{
    int64_t frames, width;
    qn_status st;

    r->opt.order = r->opt.order ? r->opt.order : 5;
    r->opt.features.rate = r->opt.rate;
    r->opt.features.context = r->base.ctx;
    if ((st = check(&r->opt)) || (st = qn_features_create(&r->features, &r->opt.features)))
        return st;
    r->opt.features = *qni_features_opt(r->features);
    frames = qn_features_frames(r->features, r->opt.frames);
    width = qn_features_width(r->features);
    if (frames < 1 || (r->opt.features.deltas && frames < r->opt.features.delta_width))
        return qni_error(QN_E_ARG, "a recording of %lld frames is too short for these features", (long long)r->opt.frames);
    if (width > MOST_ELEMENTS / frames)
        return qni_error(QN_E_ARG, "features of %lld by %lld numbers: too many", (long long)frames, (long long)width);
    r->base.sample = (qn_field){"sound", QN_FIELD_INPUT, QN_F32, {1, {r->opt.frames}}};
    r->base.input = (qn_field){"sound", QN_FIELD_INPUT, QN_F32, {2, {frames, width}}};
    return QN_OK;
}

static qn_status get(qn_prep *p, const struct qni_json_at *at)
{
    struct recording *r = (struct recording *)p;
    struct qni_json_at features, mean;
    int64_t rate, order;
    char why[256];
    qn_status st;

    if ((st = qni_json_get_int(at, "rate", 1, QN_SOUND_MOST_RATE, &rate)) ||
        (st = qni_json_get_int(at, "frames", 1, MOST_FRAMES, &r->opt.frames)) ||
        (st = qni_json_get_bool(at, "middle", &r->opt.middle)) ||
        (st = qni_json_get_double(at, "peak", &r->opt.peak)) ||
        (st = qni_json_get_double(at, "preemphasis", &r->opt.preemphasis)) ||
        (st = qni_json_get_double(at, "low", &r->opt.low)) || (st = qni_json_get_double(at, "high", &r->opt.high)) ||
        (st = qni_json_get_int(at, "order", 1, 16, &order)) || (st = qni_json_member(&features, at, "features")) ||
        (st = get_features(&r->opt.features, &features)))
        return st;
    r->opt.rate = (int)rate;
    r->opt.order = (int)order;
    if ((st = start(r)) == QN_E_ARG) {
        qni_error_take(why, sizeof(why));
        st = qni_json_error(at, "%s", why);
    }
    if (st || !qni_json_find(&mean, at, "mean"))
        return st;
    return (st = get_numbers(&r->mean, r, at, "mean", false)) ? st : get_numbers(&r->deviation, r, at, "deviation", true);
}

/* ---- life ---- */

static void describe(const qn_prep *p, struct qni_text *t)
{
    static const char *const what[] = {"mel bands in decibels", "mel bands", "cepstra", "spectral lines", "numbers of the spectrum",
                                       "numbers of the recording"};
    const struct recording *r = (const struct recording *)p;

    qni_text_add(t, "sound, %lld frames at %d a second, cut and filled %s; ", (long long)r->opt.frames, r->opt.rate,
                 r->opt.middle ? "on both sides" : "behind");
    if (r->opt.peak > 0)
        qni_text_add(t, "loudest %g; ", r->opt.peak);
    if (r->opt.preemphasis != 0)
        qni_text_add(t, "pre-emphasis %g; ", r->opt.preemphasis);
    if (r->opt.low > 0 || r->opt.high > 0)
        qni_text_add(t, "%g to %g Hz alone; ", r->opt.low, r->opt.high > 0 ? r->opt.high : r->opt.rate / 2.0);
    qni_text_add(t, "%lld times %lld %s%s%s", (long long)p->input.shape.dim[0], (long long)p->input.shape.dim[1],
                 what[r->opt.features.kind], r->opt.features.deltas ? " with derivatives" : "", r->mean ? ", standardised" : "");
}

static void close_recording(qn_prep *p)
{
    struct recording *r = (struct recording *)p;

    qn_features_destroy(&r->features);
    qni_free(p->ctx, &r->mean);
    qni_free(p->ctx, &r->deviation);
}

const struct qni_prep_type qni_prep_sound_type = {
    .name = "sound",
    .kind = QN_PREP_SOUND,
    .bytes = sizeof(struct recording),
    .load = load,
    .finish = finish,
    .put = put,
    .get = get,
    .describe = describe,
    .close = close_recording,
};

qn_status qn_prep_sound(qn_prep **out, const qn_prep_sound_opt *opt)
{
    struct recording *r = NULL;
    qn_prep *p;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!opt)
        return qni_error(QN_E_ARG, "opt is NULL");
    if ((st = qni_prep_new(&r, opt->context, &qni_prep_sound_type)))
        return st;
    p = &r->base;
    r->opt = *opt;
    r->opt.context = NULL;
    if ((st = start(r)))
        qn_prep_release(&p);
    *out = p;
    return st;
}

/* ---- standardising ---- */

/* Mean and deviation of each column over all frames of all samples, [width] doubles each. */
static qn_status measure(const struct recording *r, const qn_dataset *ds, int at, float *sample, float *input, double *mean,
                         double *spread)
{
    const int64_t width = qn_features_width(r->features), frames = r->base.input.shape.dim[0];
    void *buffer[QN_MAX_FIELDS] = {NULL};
    double count = 0;
    qn_status st;

    buffer[at] = sample;
    for (int64_t i = 0; i < qn_dataset_samples(ds); i++) {
        if ((st = qn_dataset_read(ds, &i, 1, buffer)) || (st = finish(&r->base, sample, input)))
            return st;
        for (int64_t t = 0; t < frames; t++) {
            count++;
            for (int64_t c = 0; c < width; c++) {
                const double v = (double)input[t * width + c], before = v - mean[c];

                mean[c] += before / count;
                spread[c] += before * (v - mean[c]); /* Welford's sum of squares */
            }
        }
    }
    for (int64_t c = 0; c < width; c++)
        spread[c] = sqrt(spread[c] / count);
    return QN_OK;
}

static qn_status fit(struct recording *r, const qn_dataset *ds, int at)
{
    const size_t width = (size_t)qn_features_width(r->features);
    qn_context *ctx = r->base.ctx;
    float *sample = NULL, *input = NULL;
    double *mean = NULL;
    qn_status st;

    if ((st = qni_calloc(ctx, &sample, (size_t)r->opt.frames, sizeof(*sample))) ||
        (st = qni_calloc(ctx, &input, (size_t)qni_elements(&r->base.input.shape), sizeof(*input))) ||
        (st = qni_calloc(ctx, &mean, 2 * width, sizeof(*mean))) ||
        (st = measure(r, ds, at, sample, input, mean, mean + width)) ||
        (st = qni_calloc(ctx, &r->mean, width, sizeof(float))) || (st = qni_calloc(ctx, &r->deviation, width, sizeof(float))))
        goto done;
    for (size_t c = 0; c < width; c++) {
        r->mean[c] = (float)mean[c];
        r->deviation[c] = mean[width + c] > LEAST_SPREAD ? (float)mean[width + c] : 1;
    }
done:
    qni_free(ctx, &sample);
    qni_free(ctx, &input);
    qni_free(ctx, &mean);
    return st;
}

qn_status qn_prep_sound_fit(qn_prep **out, const qn_prep *prep, const qn_dataset *ds)
{
    qn_prep_sound_opt o;
    qn_prep *p = NULL;
    qn_status st;
    int at;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!prep || prep->type != &qni_prep_sound_type || !ds)
        return qni_error(QN_E_ARG, !prep || !ds ? "a pointer is NULL" : "the preparation is none of recordings");
    if ((st = qni_prep_find_sample(&at, prep, ds)))
        return st;
    if (qn_dataset_samples(ds) < 1)
        return qni_error(QN_E_ARG, "there is no recording to measure");
    o = ((const struct recording *)prep)->opt;
    o.context = prep->ctx;
    if (!(st = qn_prep_sound(&p, &o)) && (st = fit((struct recording *)p, ds, at)))
        qn_prep_release(&p);
    *out = p;
    return st;
}
