/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Resizing: the columns, then the rows, each a weighted mean of a run of numbers. */
#include <math.h>

#include "data/image/image.h"

/* Output number i is the sum of weight[i * taps + k] * in[first[i] + k]. */
struct filter {
    int64_t n, taps;
    int64_t *first; /* [n] */
    float *weight;  /* [n, taps] */
};

static int64_t taps_of(int64_t from, int64_t to, bool antialias)
{
    const int64_t wide = antialias && from > to ? 2 * qni_ceil_div(from, to) + 2 : 3;

    return QNI_MIN(wide, from);
}

static void make_filter(struct filter *f, int64_t from, bool antialias)
{
    const double ratio = (double)from / (double)f->n, reach = antialias ? fmax(ratio, 1) : 1;

    for (int64_t i = 0; i < f->n; i++) {
        const double middle = ((double)i + 0.5) * ratio;
        float *w = f->weight + i * f->taps;
        double sum = 0;

        f->first[i] = QNI_MIN(QNI_MAX((int64_t)floor(middle - reach), 0), from - f->taps);
        for (int64_t k = 0; k < f->taps; k++)
            sum += fmax(0, 1 - fabs((double)(f->first[i] + k) + 0.5 - middle) / reach);
        for (int64_t k = 0; k < f->taps; k++)
            w[k] = (float)(fmax(0, 1 - fabs((double)(f->first[i] + k) + 0.5 - middle) / reach) / sum);
    }
}

/* Bytes for a filter's two tables, and where they lie. */
static size_t filter_bytes(int64_t n, int64_t taps)
{
    return (size_t)n * sizeof(int64_t) + (size_t)qni_round_up(n * taps, 2) * sizeof(float);
}

static unsigned char *place_filter(struct filter *f, unsigned char *at, int64_t from, int64_t n, bool antialias)
{
    f->n = n;
    f->taps = taps_of(from, n, antialias);
    f->first = (int64_t *)at;
    f->weight = (float *)(at + (size_t)n * sizeof(int64_t));
    make_filter(f, from, antialias);
    return at + filter_bytes(n, f->taps);
}

size_t qn_image_resize_scratch(const qn_image_size *from, int64_t height, int64_t width)
{
    if (qni_image_check(from) || qni_image_check(&(qn_image_size){height, width, from->channels}))
        return 0;
    return filter_bytes(height, taps_of(from->height, height, true)) + filter_bytes(height, 3) +
           filter_bytes(width, taps_of(from->width, width, true)) + filter_bytes(width, 3) +
           (size_t)from->height * (size_t)width * (size_t)from->channels * sizeof(float);
}

qn_status qn_image_resize(float *out, int64_t height, int64_t width, const float *in, const qn_image_size *from,
                          bool antialias, void *scratch)
{
    struct filter down, across;
    unsigned char *at = scratch;
    float *middle;
    int64_t c, row;
    qn_status st;

    if (!out || !in || !scratch)
        return qni_error(QN_E_ARG, "out, in or scratch is NULL");
    if ((st = qni_image_check(from)) || (st = qni_image_check(&(qn_image_size){height, width, from->channels})))
        return st;
    at = place_filter(&down, at, from->height, height, antialias);
    at = place_filter(&across, at, from->width, width, antialias);
    middle = (float *)at; /* [from->height, width, channels] */
    c = from->channels;
    row = width * c;
    for (int64_t y = 0; y < from->height; y++)
        for (int64_t x = 0; x < width; x++) {
            const float *w = across.weight + x * across.taps, *p = in + (y * from->width + across.first[x]) * c;

            for (int64_t k = 0; k < c; k++) {
                float sum = 0;

                for (int64_t i = 0; i < across.taps; i++)
                    sum += w[i] * p[i * c + k];
                middle[y * row + x * c + k] = sum;
            }
        }
    for (int64_t y = 0; y < height; y++) {
        const float *w = down.weight + y * down.taps, *p = middle + down.first[y] * row;

        for (int64_t x = 0; x < row; x++)
            out[y * row + x] = w[0] * p[x];
        for (int64_t i = 1; i < down.taps; i++)
            for (int64_t x = 0; x < row; x++)
                out[y * row + x] += w[i] * p[i * row + x];
    }
    return QN_OK;
}
