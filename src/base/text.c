/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

static bool make_room(struct qni_text *t, size_t n)
{
    size_t need;

    if (t->status)
        return false;
    if (qni_add_overflows(t->length, n, &need) || qni_add_overflows(need, 1, &need)) {
        t->status = qni_error(QN_E_HOST_MEMORY, "a text outgrew the address space");
        return false;
    }
    if (need > t->capacity)
        t->status = qni_reserve(t->ctx, &t->data, &t->capacity, need, 1);
    return t->status == QN_OK;
}

void qni_text_add_bytes(struct qni_text *t, const char *s, size_t n)
{
    if (!make_room(t, n))
        return;
    memcpy(t->data + t->length, s, n);
    t->length += n;
    t->data[t->length] = 0;
}

void qni_text_add(struct qni_text *t, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    if (n >= 0 && make_room(t, (size_t)n)) {
        vsnprintf(t->data + t->length, (size_t)n + 1, format, again);
        t->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void qni_text_free(struct qni_text *t)
{
    if (t->ctx)
        qni_free(t->ctx, &t->data);
    t->length = t->capacity = 0;
}

qn_status qni_text_give(struct qni_text *t, char *out, size_t most, size_t *bytes)
{
    const qn_status st = t->status;

    if (!st) {
        *bytes = t->length;
        if (most) {
            const size_t n = QNI_MIN(t->length, most - 1);

            memcpy(out, t->data, n);
            out[n] = 0;
        }
    }
    qni_text_free(t);
    return st;
}

const char *qni_float_text(float v, char *text, size_t bytes)
{
    if (isnan(v) || isinf(v)) {
        snprintf(text, bytes, "%s", isnan(v) ? "NAN" : v > 0 ? "INFINITY" : "-INFINITY");
        return text;
    }
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, bytes, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) /* the same locale on both sides */
            break;
    }
    for (char *c = text; *c; c++)
        if (!strchr("0123456789+-e", *c))
            *c = '.';
    if (!strpbrk(text, ".e") && strlen(text) + 3 <= bytes)
        strcat(text, ".0");
    return text;
}
