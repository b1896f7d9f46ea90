/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "data/image/image.h"

static float clip(double v)
{
    return v > 0 ? v < 1 ? (float)v : 1.0f : 0.0f;
}

static double grey(const float *p, int channels)
{
    return channels == 3 ? 0.2989 * (double)p[0] + 0.587 * (double)p[1] + 0.114 * (double)p[2] : (double)p[0];
}

static void contrast(float *p, int64_t pixels, int channels, double factor)
{
    double mean = 0;

    for (int64_t i = 0; i < pixels; i++)
        mean += grey(p + i * channels, channels);
    mean /= (double)pixels;
    for (int64_t i = 0; i < pixels * channels; i++)
        p[i] = clip(mean + factor * ((double)p[i] - mean));
}

/* The pixel's place on the colour wheel in [0,6), and back with another one. */
static void turn(float p[3], double share)
{
    const double high = fmax(fmax((double)p[0], (double)p[1]), (double)p[2]);
    const double low = fmin(fmin((double)p[0], (double)p[1]), (double)p[2]), range = high - low;
    double at;

    if (!(range > 0))
        return;
    if (high == (double)p[0])
        at = ((double)p[1] - (double)p[2]) / range;
    else if (high == (double)p[1])
        at = 2 + ((double)p[2] - (double)p[0]) / range;
    else
        at = 4 + ((double)p[0] - (double)p[1]) / range;
    at += 6 * share;
    for (int c = 0; c < 3; c++) { /* red is at 0, green at 2, blue at 4 */
        const double away = fabs(remainder(at - 2 * c, 6));

        p[c] = clip(low + range * fmin(fmax(2 - away, 0), 1));
    }
}

static bool in_range(double v)
{
    return v >= -1 && v <= 1e6;
}

qn_status qn_image_colour(float *image, const qn_image_size *size, const qn_image_tint *tint)
{
    int64_t pixels;
    int channels;
    qn_status st;

    if (!image || !tint)
        return qni_error(QN_E_ARG, "the image or tint is NULL");
    if ((st = qni_image_check(size)))
        return st;
    if (!in_range(tint->brightness) || !in_range(tint->contrast) || !in_range(tint->saturation) || !(fabs(tint->hue) <= 1))
        return qni_error(QN_E_ARG, "brightness %g, contrast %g, saturation %g or hue %g is out of range", tint->brightness,
                         tint->contrast, tint->saturation, tint->hue);
    pixels = size->height * size->width;
    channels = size->channels;
    for (int64_t i = 0; tint->brightness != 0 && i < pixels * channels; i++)
        image[i] = clip((1 + tint->brightness) * (double)image[i]);
    if (tint->contrast != 0)
        contrast(image, pixels, channels, 1 + tint->contrast);
    for (int64_t i = 0; tint->saturation != 0 && channels == 3 && i < pixels; i++) {
        const double mean = grey(image + i * 3, 3);

        for (int c = 0; c < 3; c++)
            image[i * 3 + c] = clip(mean + (1 + tint->saturation) * ((double)image[i * 3 + c] - mean));
    }
    for (int64_t i = 0; tint->hue != 0 && channels == 3 && i < pixels; i++)
        turn(image + i * 3, tint->hue);
    return QN_OK;
}
