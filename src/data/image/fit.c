/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Images of any size as arrays of one size. */
#include "data/image/image.h"

/* What of the image is used, and the size it gets. */
struct place {
    int64_t top, left;
    qn_image_size from, to;
};

static struct place find_place(const qn_image *image, const qn_image_size *size, qn_image_fit fit)
{
    const int64_t height = size->height, width = size->width;
    struct place p = {.from = {image->height, image->width, size->channels}, .to = *size};
    /* The image is, in proportion, wider than the array. */
    const bool wider = image->width * height > image->height * width;

    if (fit == QN_FIT_CROP && wider)
        p.from.width = (image->height * width + height - 1) / height;
    else if (fit == QN_FIT_CROP)
        p.from.height = (image->width * height + width - 1) / width;
    if (fit == QN_FIT_PAD && wider)
        p.to.height = (image->height * width + image->width - 1) / image->width;
    else if (fit == QN_FIT_PAD)
        p.to.width = (image->width * height + image->height - 1) / image->height;
    p.top = (image->height - p.from.height) / 2;
    p.left = (image->width - p.from.width) / 2;
    return p;
}

/* whole, cut, small and scratch are parts of one block. */
static qn_status bring(float *out, const qn_image_size *size, const qn_image *image, bool antialias, const struct place *p,
                       float *whole, float *cut, float *small, void *scratch)
{
    qn_status st;

    if ((st = qn_image_floats(whole, image, size->channels)) ||
        (st = qn_image_crop(cut, p->from.height, p->from.width, whole,
                            &(qn_image_size){image->height, image->width, size->channels}, p->top, p->left, 0)) ||
        (st = qn_image_resize(small, p->to.height, p->to.width, cut, &p->from, antialias, scratch)))
        return st;
    return qn_image_crop(out, size->height, size->width, small, &p->to, -((size->height - p->to.height) / 2),
                         -((size->width - p->to.width) / 2), 0);
}

static size_t floats_of(const qn_image_size *s)
{
    return ((size_t)s->height * (size_t)s->width * (size_t)s->channels + 1) / 2 * 2; /* what follows stays aligned to 8 */
}

qn_status qni_image_bring(float *out, const qn_context *ctx, const qn_image *image, const qn_image_size *size, qn_image_fit fit,
                          bool antialias)
{
    const struct place p = find_place(image, size, fit);
    const size_t whole = floats_of(&(qn_image_size){image->height, image->width, size->channels});
    const size_t cut = floats_of(&p.from), small = floats_of(&p.to);
    float *block = NULL;
    qn_status st;

    if (image->height == size->height && image->width == size->width)
        return qn_image_floats(out, image, size->channels);
    if ((st = qni_calloc(ctx, &block, 1, (whole + cut + small) * sizeof(float) +
                                             qn_image_resize_scratch(&p.from, p.to.height, p.to.width))))
        return st;
    st = bring(out, size, image, antialias, &p, block, block + whole, block + whole + cut, block + whole + cut + small);
    qni_free(ctx, &block);
    return st;
}
