/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Images in memory; pieces and mirrors of arrays. */
#include "data/image/image.h"

#define MOST_CHANNELS 64

struct image {
    qn_image image;
    qn_context *ctx;
};

qn_status qn_image_create(qn_image **out, qn_context *ctx, int64_t height, int64_t width, int channels)
{
    struct image *i = NULL;
    qn_context *held = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (height < 1 || width < 1 || height > QN_IMAGE_MOST || width > QN_IMAGE_MOST || (channels != 1 && channels != 3))
        return qni_error(QN_E_ARG, "an image of %lld x %lld with %d channels: out of range", (long long)height,
                         (long long)width, channels);
    if ((st = qni_context_get(&held, ctx)))
        return st;
    if ((st = qni_calloc(held, &i, 1, sizeof(*i))) ||
        (st = qni_calloc(held, &i->image.pixel, (size_t)height * (size_t)width, (size_t)channels))) {
        qni_free(held, &i);
        qni_context_release(&held);
        return st;
    }
    i->image.height = height;
    i->image.width = width;
    i->image.channels = channels;
    i->ctx = held;
    *out = &i->image;
    return QN_OK;
}

void qn_image_destroy(qn_image **image)
{
    struct image *i = image ? (struct image *)*image : NULL;
    qn_context *ctx;

    if (!i)
        return;
    *image = NULL;
    ctx = i->ctx;
    qni_free(ctx, &i->image.pixel);
    qni_free(ctx, &i);
    qni_context_release(&ctx);
}

qn_status qn_image_floats(float *out, const qn_image *image, int channels)
{
    const int has = image ? image->channels : 0, want = channels ? channels : has;

    if (!out || !image || !image->pixel || (want != 1 && want != 3))
        return qni_error(QN_E_ARG, "%d channels are wanted%s", want, out && image ? "" : ", a pointer is NULL");
    for (int64_t i = 0; i < image->height * image->width; i++) {
        const unsigned char *p = image->pixel + i * has;

        for (int c = 0; c < want; c++)
            out[i * want + c] = has == 3 && want == 1 ? (float)(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]) / 255.0f
                                                      : (float)p[has == 1 ? 0 : c] / 255.0f;
    }
    return QN_OK;
}

qn_status qni_image_check(const qn_image_size *size)
{
    if (!size)
        return qni_error(QN_E_ARG, "the size is NULL");
    if (size->height < 1 || size->width < 1 || size->height > QN_IMAGE_MOST || size->width > QN_IMAGE_MOST ||
        size->channels < 1 || size->channels > MOST_CHANNELS)
        return qni_error(QN_E_ARG, "an image of %lld x %lld with %d channels: out of range", (long long)size->height,
                         (long long)size->width, size->channels);
    return QN_OK;
}

qn_status qn_image_crop(float *out, int64_t height, int64_t width, const float *in, const qn_image_size *from, int64_t top,
                        int64_t left, float value)
{
    qn_status st;

    if (!out || !in)
        return qni_error(QN_E_ARG, "out or in is NULL");
    if ((st = qni_image_check(from)) || (st = qni_image_check(&(qn_image_size){height, width, from->channels})))
        return st;
    if (top < -QN_IMAGE_MOST || top > QN_IMAGE_MOST || left < -QN_IMAGE_MOST || left > QN_IMAGE_MOST)
        return qni_error(QN_E_ARG, "row %lld, column %lld: out of range", (long long)top, (long long)left);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const int64_t v = top + y, u = left + x;
            float *to = out + (y * width + x) * from->channels;

            if (v >= 0 && v < from->height && u >= 0 && u < from->width)
                memcpy(to, in + (v * from->width + u) * from->channels, (size_t)from->channels * sizeof(*to));
            else
                for (int c = 0; c < from->channels; c++)
                    to[c] = value;
        }
    return QN_OK;
}

static void exchange(float *a, float *b, int n)
{
    for (int c = 0; c < n; c++) {
        const float t = a[c];

        a[c] = b[c];
        b[c] = t;
    }
}

qn_status qn_image_flip(float *image, const qn_image_size *size, bool vertical)
{
    int64_t h, w;
    qn_status st;

    if (!image)
        return qni_error(QN_E_ARG, "the image is NULL");
    if ((st = qni_image_check(size)))
        return st;
    h = vertical ? size->height / 2 : size->height;
    w = vertical ? size->width : size->width / 2;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            const int64_t v = vertical ? size->height - 1 - y : y, u = vertical ? x : size->width - 1 - x;

            exchange(image + (y * size->width + x) * size->channels, image + (v * size->width + u) * size->channels,
                     size->channels);
        }
    return QN_OK;
}
