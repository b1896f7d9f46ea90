/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "page.h"

#define MOST_PIXELS 128 /* of an edge: larger pictures are thinned out */
#define HEADERS     54  /* bytes before the pixels */

/* XML has no control characters but these, and not the last two of the first plane. */
static bool allowed(const unsigned char *s, int n)
{
    return n > 1 ? !(n == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe) : *s >= 0x20 || *s == '\t' || *s == '\n';
}

void html_text(struct qni_text *t, const char *text)
{
    static const struct { char c; const char *entity; } entities[] = {
        { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
    };
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        int n = utf8_character(s);
        size_t e = 0;

        while (e < QNI_COUNT(entities) && entities[e].c != (char)*s)
            e++;
        if (e < QNI_COUNT(entities))
            qni_text_add(t, "%s", entities[e].entity);
        else if (n && allowed(s, n))
            qni_text_add_bytes(t, (const char *)s, (size_t)n);
        else
            qni_text_add(t, "&#65533;");
        s += n ? n : 1;
    }
}

void html_element(struct qni_text *t, const char *name, const char *format, ...)
{
    char text[4096];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    qni_text_add(t, "<%s>", name);
    html_text(t, text);
    qni_text_add(t, "</%.*s>\n", (int)strcspn(name, " "), name);
}

void html_fact(struct qni_text *t, const char *what, const char *value)
{
    if (!value)
        return;
    qni_text_add(t, "<tr>");
    html_element(t, "th", "%s", what);
    html_element(t, "td", "%s", value);
    qni_text_add(t, "</tr>\n");
}

void html_number(struct qni_text *t, const char *name, double value)
{
    if (isfinite(value))
        html_element(t, name, "%.6g", value);
    else
        html_element(t, name, "-");
}

/* ---- pictures: a bitmap in base64 ---- */

static void add_base64(struct qni_text *t, const unsigned char *b, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        const unsigned v = (unsigned)b[i] << 16 | (i + 1 < n ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0u);
        const char four[4] = { digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=',
                               i + 2 < n ? digit[v & 63] : '=' };

        qni_text_add_bytes(t, four, 4);
    }
}

static void put32(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(v >> 8 * i);
}

/* Rows go upwards, each a multiple of four bytes; pixels are blue, green, red. */
static void put_headers(unsigned char *b, size_t bytes, int64_t width, int64_t height)
{
    memset(b, 0, HEADERS);
    memcpy(b, "BM", 2);
    put32(b + 2, (uint32_t)bytes);
    put32(b + 10, HEADERS);
    put32(b + 14, HEADERS - 14);
    put32(b + 18, (uint32_t)width);
    put32(b + 22, (uint32_t)height);
    b[26] = 1;
    b[28] = 24;
}

static float value_at(const struct html_picture *p, const float *value, int64_t y, int64_t x, int64_t channel)
{
    const float v = value[y * p->step_y + x * p->step_x + (p->channels == 3 ? channel * p->step_channel : 0)];

    return isfinite(v) ? v : 0.0f;
}

static void find_range(const struct html_picture *p, const float *value, float range[2])
{
    range[0] = INFINITY;
    range[1] = -INFINITY;
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < p->width; x++)
            for (int64_t c = 0; c < p->channels; c++) {
                const float v = value_at(p, value, y, x, c);

                range[0] = v < range[0] ? v : range[0];
                range[1] = v > range[1] ? v : range[1];
            }
}

void html_picture(struct qni_text *t, const struct html_picture *p, const float *value, const char *about)
{
    const int64_t every = qni_ceil_div(QNI_MAX(p->height, p->width), MOST_PIXELS);
    const int64_t height = qni_ceil_div(p->height, every), width = qni_ceil_div(p->width, every);
    const size_t row = (size_t)qni_round_up(3 * width, 4), bytes = HEADERS + row * (size_t)height;
    unsigned char b[HEADERS + (3 * MOST_PIXELS + 4) * MOST_PIXELS] = { 0 };
    float range[2];

    find_range(p, value, range);
    put_headers(b, bytes, width, height);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < 3; c++) {
                const int64_t from = p->upside_down ? p->height - 1 - y * every : y * every;
                const float v = value_at(p, value, from, x * every, 2 - c);

                b[HEADERS + (size_t)(height - 1 - y) * row + (size_t)(3 * x + c)] =
                    (unsigned char)(range[1] > range[0] ? 255.0f * ((v - range[0]) / (range[1] - range[0])) : 0.0f);
            }
    qni_text_add(t, "<img alt=\"");
    html_text(t, about);
    qni_text_add(t, "\" width=\"%d\" height=\"%d\" src=\"data:image/bmp;base64,",
                 (int)(width * qni_ceil_div(96, QNI_MAX(width, height))), (int)(height * qni_ceil_div(96, QNI_MAX(width, height))));
    add_base64(t, b, bytes);
    qni_text_add(t, "\" />\n");
}
