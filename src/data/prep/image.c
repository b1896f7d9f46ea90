/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Pictures as arrays of one size. The sample is 0 to 1, so that colours can be changed; the input has its mean and
 * deviation taken off. */
#include <math.h>

#include "data/image/image.h"
#include "data/prep/prep.h"

#define MOST_PIXELS (INT64_C(1) << 26)

struct picture {
    qn_prep base;
    qn_prep_image_opt opt;
};

static const char *const fits[] = {"stretch", "crop", "pad"};

static qn_status load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    const qn_prep_image_opt *o = &((const struct picture *)p)->opt;

    if (!raw->image)
        return qni_prep_lacks("a picture");
    return qni_image_bring(sample, p->ctx, raw->image, &(qn_image_size){o->height, o->width, o->channels}, o->fit, o->antialias);
}

static qn_status finish(const qn_prep *p, const void *sample, void *input)
{
    const qn_prep_image_opt *o = &((const struct picture *)p)->opt;
    const int64_t pixels = (int64_t)o->height * o->width;
    const float *x = sample;
    float *y = input;

    for (int64_t i = 0; i < pixels; i++)
        for (int c = 0; c < o->channels; c++, x++, y++)
            *y = (*x - o->mean[c]) / (o->deviation[c] != 0.0f ? o->deviation[c] : 1.0f);
    return QN_OK;
}

static void put(const qn_prep *p, struct qni_json_out *o)
{
    const qn_prep_image_opt *opt = &((const struct picture *)p)->opt;

    qni_json_put_int(o, "height", opt->height);
    qni_json_put_int(o, "width", opt->width);
    qni_json_put_int(o, "channels", opt->channels);
    qni_json_put_text(o, "fit", fits[opt->fit]);
    qni_json_put_bool(o, "antialias", opt->antialias);
    for (int k = 0; k < 2; k++) {
        qni_json_open(o, k ? "deviation" : "mean", '[');
        for (int c = 0; c < opt->channels; c++)
            qni_json_put_float(o, NULL, k ? opt->deviation[c] : opt->mean[c]);
        qni_json_close(o, ']');
    }
}

static void start(struct picture *p)
{
    const qn_prep_image_opt *o = &p->opt;

    p->base.sample = (qn_field){"image", QN_FIELD_INPUT, QN_F32, {3, {o->height, o->width, o->channels}}};
    p->base.input = p->base.sample;
}

/* What is wrong with them, or NULL. */
static const char *fault(const qn_prep_image_opt *o)
{
    if (o->height < 1 || o->width < 1 || o->height > QN_IMAGE_MOST || o->width > QN_IMAGE_MOST ||
        (int64_t)o->height * o->width > MOST_PIXELS)
        return "the size is out of range";
    if (o->channels != 1 && o->channels != 3)
        return "channels is neither 1 nor 3";
    if ((unsigned)o->fit > QN_FIT_PAD)
        return "no such fit";
    for (int c = 0; c < o->channels; c++)
        if (!isfinite(o->mean[c]) || !isfinite(o->deviation[c]) || o->deviation[c] < 0.0f)
            return "a mean or deviation is out of range";
    return NULL;
}

static qn_status get_numbers(const struct qni_json_at *at, const char *key, float *to, int most)
{
    struct qni_json_at list, child = {0};
    double v;
    int n = 0;
    qn_status st;

    if ((st = qni_json_member(&list, at, key)))
        return st;
    while (qni_json_next(&list, &child)) {
        if ((st = qni_json_double(&child, &v)))
            return st;
        if (n < most)
            to[n] = (float)v;
        n++;
    }
    return n == most ? QN_OK : qni_json_expected(&list, "a number for each channel");
}

static qn_status get(qn_prep *p, const struct qni_json_at *at)
{
    qn_prep_image_opt *o = &((struct picture *)p)->opt;
    int64_t height, width, channels;
    const char *name;
    unsigned fit = 0;
    qn_status st;

    if ((st = qni_json_get_int(at, "height", 1, QN_IMAGE_MOST, &height)) ||
        (st = qni_json_get_int(at, "width", 1, QN_IMAGE_MOST, &width)) ||
        (st = qni_json_get_int(at, "channels", 1, 3, &channels)) || (st = qni_json_get_text(at, "fit", &name)) ||
        (st = qni_json_get_bool(at, "antialias", &o->antialias)) ||
        (st = get_numbers(at, "mean", o->mean, (int)channels)) ||
        (st = get_numbers(at, "deviation", o->deviation, (int)channels)))
        return st;
    while (fit < QNI_COUNT(fits) && strcmp(fits[fit], name))
        fit++;
    o->height = (int)height;
    o->width = (int)width;
    o->channels = (int)channels;
    o->fit = (qn_image_fit)fit;
    if (fault(o))
        return qni_json_error(at, "%s", fault(o));
    start((struct picture *)p);
    return QN_OK;
}

static void describe(const qn_prep *p, struct qni_text *t)
{
    static const char *const ways[] = {"stretched", "cut to its middle", "padded with black"};
    const qn_prep_image_opt *o = &((const struct picture *)p)->opt;
    bool plain = true;

    qni_text_add(t, "%s picture of %d x %d, %s%s, 0 to 1", o->channels == 1 ? "grey" : "colour", o->height, o->width, ways[o->fit],
                 o->antialias ? " and antialiased" : "");
    for (int c = 0; c < o->channels; c++)
        plain = plain && o->mean[c] == 0.0f && (o->deviation[c] == 0.0f || o->deviation[c] == 1.0f);
    for (int c = 0; c < o->channels && !plain; c++)
        qni_text_add(t, "%s%g", c ? ", " : ", less ", (double)o->mean[c]);
    for (int c = 0; c < o->channels && !plain; c++)
        qni_text_add(t, "%s%g", c ? ", " : " and divided by ", o->deviation[c] != 0.0f ? (double)o->deviation[c] : 1.0);
}

static void close_image(qn_prep *p)
{
    (void)p;
}

const struct qni_prep_type qni_prep_image_type = {
    .name = "image",
    .kind = QN_PREP_IMAGE,
    .bytes = sizeof(struct picture),
    .load = load,
    .finish = finish,
    .put = put,
    .get = get,
    .describe = describe,
    .close = close_image,
};

qn_status qn_prep_image(qn_prep **out, qn_context *ctx, const qn_prep_image_opt *opt)
{
    struct picture *p = NULL;
    qn_prep_image_opt o;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!opt)
        return qni_error(QN_E_ARG, "the options are NULL");
    for (size_t i = 0; i < QNI_COUNT(opt->reserved); i++)
        if (opt->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    o = *opt;
    o.channels = o.channels ? o.channels : 3;
    if (fault(&o))
        return qni_error(QN_E_ARG, "pictures of %d x %d with %d channels: %s", o.height, o.width, o.channels, fault(&o));
    if ((st = qni_prep_new(&p, ctx, &qni_prep_image_type)))
        return st;
    p->opt = o;
    start(p);
    *out = &p->base;
    return QN_OK;
}
