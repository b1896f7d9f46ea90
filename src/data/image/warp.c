/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Turning and moving: each pixel of the result looks up where it comes from. */
#include <math.h>

#include "data/image/image.h"

#define FAR 1e7

/* The pixel's number that stands at i, of n; -1: the value. */
static int64_t inside(int64_t i, int64_t n, qn_image_fill fill)
{
    if (i >= 0 && i < n)
        return i;
    switch (fill) {
    case QN_FILL_REFLECT:
        i %= 2 * n;
        i += i < 0 ? 2 * n : 0;
        return i < n ? i : 2 * n - 1 - i;
    case QN_FILL_NEAREST:
        return i < 0 ? 0 : n - 1;
    case QN_FILL_CONSTANT:
        break;
    }
    return -1;
}

static void look_up(float *to, const float *in, const qn_image_size *s, const qn_image_move *m, double y, double x)
{
    const int64_t v0 = (int64_t)floor(y), u0 = (int64_t)floor(x);
    const double b[2] = {1 - (y - (double)v0), y - (double)v0}, a[2] = {1 - (x - (double)u0), x - (double)u0};
    const float *corner[4];
    double weight[4];

    for (int i = 0; i < 4; i++) {
        const int64_t v = inside(v0 + i / 2, s->height, m->fill), u = inside(u0 + i % 2, s->width, m->fill);

        corner[i] = v < 0 || u < 0 ? NULL : in + (v * s->width + u) * s->channels;
        weight[i] = b[i / 2] * a[i % 2];
    }
    for (int c = 0; c < s->channels; c++) {
        double sum = 0;

        for (int i = 0; i < 4; i++)
            sum += weight[i] > 0 ? weight[i] * (double)(corner[i] ? corner[i][c] : m->value) : 0;
        to[c] = (float)sum;
    }
}

qn_status qn_image_warp(float *out, const float *in, const qn_image_size *size, const qn_image_move *move)
{
    double middle_y, middle_x, cosine, sine;
    qn_status st;

    if (!out || !in || !move)
        return qni_error(QN_E_ARG, "out, in or move is NULL");
    if ((st = qni_image_check(size)))
        return st;
    if (!(fabs(move->degrees) <= FAR) || !(fabs(move->down) <= FAR) || !(fabs(move->right) <= FAR) ||
        (unsigned)move->fill > QN_FILL_NEAREST)
        return qni_error(QN_E_ARG, "%g degrees, %g down, %g to the right or fill %d is out of range", move->degrees,
                         move->down, move->right, (int)move->fill);
    middle_y = (double)(size->height - 1) / 2;
    middle_x = (double)(size->width - 1) / 2;
    cosine = cos(move->degrees * 0.017453292519943295);
    sine = sin(move->degrees * 0.017453292519943295);
    for (int64_t y = 0; y < size->height; y++)
        for (int64_t x = 0; x < size->width; x++) {
            const double dy = (double)y - move->down - middle_y, dx = (double)x - move->right - middle_x;

            look_up(out + (y * size->width + x) * size->channels, in, size, move, middle_y + sine * dx + cosine * dy,
                    middle_x + cosine * dx - sine * dy);
        }
    return QN_OK;
}
