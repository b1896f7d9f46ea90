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
    qn_prep *prep; /* brings them to their size */
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
    if ((st = qn_prep_load(s->prep, &(qn_raw){.image = image}, x)) == QN_OK)
        for (size_t i = 0; i < n; i++)
            out[i] = (unsigned char)lrintf(fminf(fmaxf(x[i], 0), 1) * 255.0f);
    qn_context_free(s->ctx, x);
    return st;
}

static qn_status read_one(const void *user, int64_t i, void *out)
{
    const struct images *s = user;
    qn_image *image = NULL;
    qn_status st;

    if ((st = read_image(&image, s->ctx, s->list.path[i], s->opt.max_bytes, s->opt.max_pixels)))
        return st;
    if (out)
        st = s->opt.keep_u8 ? bring_bytes(s, out, image) : qn_prep_load(s->prep, &(qn_raw){.image = image}, out);
    qn_image_destroy(&image);
    return st;
}

static qn_status read_images(void *user, const int64_t *index, int64_t count, void *const *out)
{
    const struct images *s = user;
    const size_t bytes = (size_t)s->opt.height * (size_t)s->opt.width * (size_t)s->opt.channels * (s->opt.keep_u8 ? 1 : 4);

    return qnd_list_samples(&s->list, index, count, out, bytes, read_one, s);
}

static void close_images(void *user)
{
    struct images *s = user;
    qn_context *own = s->own;

    qn_prep_release(&s->prep);
    qnd_list_free(&s->list);
    qn_context_free(s->ctx, s);
    qn_context_destroy(&own);
}

static qn_status check_images(qn_images_opt *o)
{
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i])
            return qnd_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    o->channels = o->channels ? o->channels : 3;
    o->max_bytes = o->max_bytes ? o->max_bytes : MOST_BYTES;
    o->max_pixels = o->max_pixels ? o->max_pixels : MOST_PIXELS;
    if (o->prep && qn_prep_get_kind(o->prep) != QN_PREP_IMAGE)
        return qnd_error(QN_E_ARG, "the preparation is of no pictures");
    if (o->height < 0 || o->width < 0 || o->height > QN_IMAGE_MOST || o->width > QN_IMAGE_MOST || !o->height != !o->width ||
        (o->channels != 1 && o->channels != 3) || (unsigned)o->fit > QN_FIT_PAD || o->max_bytes < 0 || o->max_pixels < 0)
        return qnd_error(QN_E_ARG, "images of %d x %d with %d channels, fit %d, or a limit: out of range", o->height, o->width,
                         o->channels, (int)o->fit);
    return QN_OK;
}

/* The size, where it was not given, is the first one's. */
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

static qn_status make_prep(struct images *s)
{
    const qn_images_opt *o = &s->opt;
    const qn_field *f = qn_prep_sample(o->prep);
    qn_status st;

    if (!o->prep) {
        if ((st = find_size(s)))
            return st;
        return qn_prep_image(&s->prep, s->ctx, &(qn_prep_image_opt){.height = o->height, .width = o->width, .fit = o->fit,
                                                                    .channels = o->channels, .antialias = o->antialias});
    }
    s->prep = qn_prep_retain(o->prep);
    s->opt.height = (int)f->shape.dim[0];
    s->opt.width = (int)f->shape.dim[1];
    s->opt.channels = (int)f->shape.dim[2];
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
    s->prep = NULL;
    if ((st = qnd_list_make(&s->list, s->ctx, files, ends)) || (st = qnd_list_check(&s->list, files, read_one, s)) ||
        (st = make_prep(s)))
        goto done;
    field[0] = (qn_field){"image", QN_FIELD_INPUT, o.keep_u8 ? QN_U8 : QN_F32,
                          {3, {s->opt.height, s->opt.width, s->opt.channels}}};
    st = qnd_list_dataset(out, &s->list, field, &(qn_source){.read = read_images, .close = close_images, .user = s});
    s = NULL;
done:
    if (s)
        close_images(s);
    return st;
}
