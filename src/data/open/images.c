/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Images from files, one or a dataset of them. */
#include <math.h>
#include <string.h>

#include "data/open/files.h"

#define MOST_BYTES  (INT64_C(1) << 28)
#define MOST_PIXELS (INT64_C(1) << 26)

struct images {
    qn_context *ctx;
    qn_context *own;
    struct qnd_list list;
    qn_images_opt opt;
};

qn_status qnd_image_fits(const char *name, int64_t height, int64_t width, int64_t max_pixels)
{
    if (height < 1 || width < 1 || height > QN_IMAGE_MOST || width > QN_IMAGE_MOST || width > max_pixels / height)
        return qnd_error(QN_E_FORMAT, "%s: %lld x %lld pixels, the limit is %lld", name, (long long)height, (long long)width,
                         (long long)max_pixels);
    return QN_OK;
}

static qn_status decode(qn_image **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                        int64_t max_pixels)
{
    if (bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
        return qnd_decode_png(out, ctx, name, data, bytes, max_pixels);
    if (bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0)
        return qnd_decode_jpeg(out, ctx, name, data, bytes, max_pixels);
    return qnd_error(QN_E_FORMAT, "%s: neither PNG nor JPEG: begins with bytes %02x %02x", name, bytes ? data[0] : 0,
                     bytes > 1 ? data[1] : 0);
}

static qn_status check_read(qn_image_read_opt *o, const qn_image_read_opt *opt)
{
    *o = opt ? *opt : (qn_image_read_opt){0};
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i])
            return qnd_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->max_bytes < 0 || o->max_pixels < 0)
        return qnd_error(QN_E_ARG, "max_bytes and max_pixels may not be negative");
    o->max_bytes = o->max_bytes ? o->max_bytes : MOST_BYTES;
    o->max_pixels = o->max_pixels ? o->max_pixels : MOST_PIXELS;
    return QN_OK;
}

qn_status qn_image_decode(qn_image **out, const char *name, const void *data, size_t bytes, const qn_image_read_opt *opt)
{
    qn_image_read_opt o;
    qn_context *own = NULL;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!name || !data)
        return qnd_error(QN_E_ARG, "name or data is NULL");
    if ((st = check_read(&o, opt)) || (st = qnd_find_context(&own, &o.context)))
        return st;
    st = decode(out, o.context, name, data, bytes, o.max_pixels);
    qn_context_destroy(&own);
    return st;
}

static qn_status read_image(qn_image **out, qn_context *ctx, const char *path, int64_t max_bytes, int64_t max_pixels)
{
    unsigned char *data = NULL;
    size_t bytes = 0;
    qn_status st;

    *out = NULL;
    if ((st = qnd_read_file(&data, &bytes, ctx, path, max_bytes)) == QN_OK)
        st = decode(out, ctx, path, data, bytes, max_pixels);
    qn_context_free(ctx, data);
    return st;
}

qn_status qn_image_read(qn_image **out, const char *path, const qn_image_read_opt *opt)
{
    qn_image_read_opt o;
    qn_context *own = NULL;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!path)
        return qnd_error(QN_E_ARG, "path is NULL");
    if ((st = check_read(&o, opt)) || (st = qnd_find_context(&own, &o.context)))
        return st;
    st = read_image(out, o.context, path, o.max_bytes, o.max_pixels);
    qn_context_destroy(&own);
    return st;
}

/* What of the image is used, and the size it gets. */
struct place {
    int64_t top, left;
    qn_image_size from, to;
};

static struct place find_place(const qn_image *image, const qn_images_opt *o)
{
    struct place p = {.from = {image->height, image->width, o->channels}, .to = {o->height, o->width, o->channels}};
    /* The image is, in proportion, wider than the sample. */
    const bool wider = image->width * o->height > image->height * o->width;

    if (o->fit == QN_FIT_CROP && wider)
        p.from.width = (image->height * o->width + o->height - 1) / o->height;
    else if (o->fit == QN_FIT_CROP)
        p.from.height = (image->width * o->height + o->width - 1) / o->width;
    if (o->fit == QN_FIT_PAD && wider)
        p.to.height = (image->height * o->width + image->width - 1) / image->width;
    else if (o->fit == QN_FIT_PAD)
        p.to.width = (image->width * o->height + image->height - 1) / image->height;
    p.top = (image->height - p.from.height) / 2;
    p.left = (image->width - p.from.width) / 2;
    return p;
}

/* whole, cut, small and scratch are parts of one block. */
static qn_status fit(float *out, const qn_image *image, const qn_images_opt *o, const struct place *p, float *whole, float *cut,
                     float *small, void *scratch)
{
    qn_status st;

    if ((st = qn_image_floats(whole, image, o->channels)) ||
        (st = qn_image_crop(cut, p->from.height, p->from.width, whole,
                            &(qn_image_size){image->height, image->width, o->channels}, p->top, p->left, 0)) ||
        (st = qn_image_resize(small, p->to.height, p->to.width, cut, &p->from, o->antialias, scratch)))
        return st;
    return qn_image_crop(out, o->height, o->width, small, &p->to, -((o->height - p->to.height) / 2),
                         -((o->width - p->to.width) / 2), 0);
}

static size_t floats_of(int64_t height, int64_t width, int channels)
{
    return ((size_t)height * (size_t)width * (size_t)channels + 1) / 2 * 2; /* so that what follows stays aligned to 8 */
}

static qn_status bring(const struct images *s, float *out, const qn_image *image)
{
    const qn_images_opt *o = &s->opt;
    const struct place p = find_place(image, o);
    const size_t whole = floats_of(image->height, image->width, o->channels);
    const size_t cut = floats_of(p.from.height, p.from.width, o->channels);
    const size_t small = floats_of(p.to.height, p.to.width, o->channels);
    float *block;
    qn_status st;

    if (image->height == o->height && image->width == o->width)
        return qn_image_floats(out, image, o->channels);
    block = qn_context_alloc(s->ctx, (whole + cut + small) * sizeof(float) +
                                         qn_image_resize_scratch(&p.from, p.to.height, p.to.width));
    if (!block)
        return QN_E_HOST_MEMORY;
    st = fit(out, image, o, &p, block, block + whole, block + whole + cut, block + whole + cut + small);
    qn_context_free(s->ctx, block);
    return st;
}

static qn_status bring_bytes(const struct images *s, unsigned char *out, const qn_image *image)
{
    const size_t n = (size_t)s->opt.height * (size_t)s->opt.width * (size_t)s->opt.channels;
    float *x;
    qn_status st;

    if (image->height == s->opt.height && image->width == s->opt.width && image->channels == s->opt.channels) {
        memcpy(out, image->pixel, n);
        return QN_OK;
    }
    if (!(x = qn_context_alloc(s->ctx, n * sizeof(*x))))
        return QN_E_HOST_MEMORY;
    if ((st = bring(s, x, image)) == QN_OK)
        for (size_t i = 0; i < n; i++)
            out[i] = (unsigned char)lrintf(fminf(fmaxf(x[i], 0), 1) * 255.0f);
    qn_context_free(s->ctx, x);
    return st;
}

static qn_status read_one(const struct images *s, int64_t i, void *out)
{
    qn_image *image = NULL;
    qn_status st;

    if ((st = read_image(&image, s->ctx, s->list.path[i], s->opt.max_bytes, s->opt.max_pixels)))
        return st;
    if (out)
        st = s->opt.keep_u8 ? bring_bytes(s, out, image) : bring(s, out, image);
    qn_image_destroy(&image);
    return st;
}

static qn_status read_images(void *user, const int64_t *index, int64_t count, void *const *out)
{
    const struct images *s = user;
    const size_t bytes = (size_t)s->opt.height * (size_t)s->opt.width * (size_t)s->opt.channels * (s->opt.keep_u8 ? 1 : 4);
    qn_status st = QN_OK;

    for (int64_t i = 0; i < count && !st; i++) {
        if (s->list.labelled && out[1])
            ((int32_t *)out[1])[i] = s->list.label[index[i]];
        if (out[0])
            st = read_one(s, index[i], (unsigned char *)out[0] + (size_t)i * bytes);
    }
    return st;
}

static void close_images(void *user)
{
    struct images *s = user;
    qn_context *own = s->own;

    qnd_list_free(&s->list);
    qn_context_free(s->ctx, s);
    qn_context_destroy(&own);
}

static qn_status try_image(void *user, int64_t i)
{
    return read_one(user, i, NULL);
}

static qn_status check_images(qn_images_opt *o)
{
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i])
            return qnd_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    o->channels = o->channels ? o->channels : 3;
    o->max_bytes = o->max_bytes ? o->max_bytes : MOST_BYTES;
    o->max_pixels = o->max_pixels ? o->max_pixels : MOST_PIXELS;
    if (o->height < 0 || o->width < 0 || o->height > QN_IMAGE_MOST || o->width > QN_IMAGE_MOST || !o->height != !o->width ||
        (o->channels != 1 && o->channels != 3) || (unsigned)o->fit > QN_FIT_PAD || o->max_bytes < 0 || o->max_pixels < 0)
        return qnd_error(QN_E_ARG, "images of %d x %d with %d channels, fit %d, or a limit: out of range", o->height, o->width,
                         o->channels, (int)o->fit);
    return QN_OK;
}

static qn_status find_size(struct images *s)
{
    qn_image *first = NULL;
    qn_status st;

    if (s->opt.height)
        return QN_OK;
    if ((st = read_image(&first, s->ctx, s->list.path[0], s->opt.max_bytes, s->opt.max_pixels)))
        return st;
    s->opt.height = (int)first->height;
    s->opt.width = (int)first->width;
    qn_image_destroy(&first);
    return QN_OK;
}

qn_status qn_dataset_images(qn_dataset **out, const qn_files *files, const qn_images_opt *opt)
{
    static const char *const ends[] = {".png", ".jpg", ".jpeg", NULL};
    qn_images_opt o = opt ? *opt : (qn_images_opt){0};
    qn_context *own = NULL;
    struct images *s;
    qn_field field[2];
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = check_images(&o)) || (st = qnd_find_context(&own, &o.context)))
        return st;
    if (!(s = qn_context_alloc(o.context, sizeof(*s)))) {
        qn_context_destroy(&own);
        return QN_E_HOST_MEMORY;
    }
    s->ctx = o.context;
    s->own = own;
    s->opt = o;
    if ((st = qnd_list_make(&s->list, s->ctx, files, ends)) || (st = qnd_list_check(&s->list, files, try_image, s)) ||
        (st = find_size(s)))
        goto done;
    field[0] = (qn_field){"image", QN_FIELD_INPUT, o.keep_u8 ? QN_U8 : QN_F32, {3, {s->opt.height, s->opt.width, o.channels}}};
    st = qnd_list_dataset(out, &s->list, field, &(qn_source){.read = read_images, .close = close_images, .user = s});
    s = NULL;
done:
    if (s)
        close_images(s);
    return st;
}
