/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "io/json.h"

#include <inttypes.h>
#include <math.h>

static uint64_t bit(int depth)
{
    return UINT64_C(1) << (depth & 63);
}

static void new_line(struct qni_json_out *o)
{
    if (!o->compact)
        qni_text_add(o->text, "\n%*s", 2 * o->depth, "");
}

/* Comma, line end and key before a value; block: the value is an object. */
static void before(struct qni_json_out *o, const char *key, bool block)
{
    bool lines = key || block;

    if (o->depth > 0) {
        if (o->filled & bit(o->depth))
            qni_text_add(o->text, "%s", o->compact || lines ? "," : ", ");
        if (lines) {
            o->objects |= bit(o->depth);
            new_line(o);
        }
        o->filled |= bit(o->depth);
    }
    if (key) {
        qni_json_quote(o->text, key);
        qni_text_add(o->text, "%s", o->compact ? ":" : ": ");
    }
}

void qni_json_open(struct qni_json_out *o, const char *key, char bracket)
{
    before(o, key, bracket == '{');
    qni_text_add(o->text, "%c", bracket);
    if (o->depth >= 62 && !o->text->status)
        o->text->status = qni_error(QN_E_INTERNAL, "JSON deeper than 62");
    o->depth++;
    o->filled &= ~bit(o->depth);
    o->objects &= ~bit(o->depth);
}

void qni_json_close(struct qni_json_out *o, char bracket)
{
    bool lines = o->objects & bit(o->depth);

    o->depth--;
    if (lines)
        new_line(o);
    qni_text_add(o->text, "%c", bracket);
    if (o->depth == 0 && !o->compact)
        qni_text_add(o->text, "\n");
}

void qni_json_put_int(struct qni_json_out *o, const char *key, int64_t v)
{
    before(o, key, false);
    qni_text_add(o->text, "%" PRId64, v);
}

void qni_json_put_double(struct qni_json_out *o, const char *key, double v)
{
    const char *quote = isfinite(v) ? "" : "\"";
    char number[32];

    before(o, key, false);
    qni_double_text(v, number, sizeof(number));
    if (strcmp(number, "-0") == 0) /* which would read as the integer 0 */
        memcpy(number, "-0.0", sizeof("-0.0"));
    qni_text_add(o->text, "%s%s%s", quote, number, quote);
}

void qni_json_put_float(struct qni_json_out *o, const char *key, float v)
{
    char number[32];

    if (!isfinite(v)) {
        qni_json_put_double(o, key, (double)v);
        return;
    }
    before(o, key, false);
    qni_text_add(o->text, "%s", qni_float_text(v, number, sizeof(number)));
}

void qni_json_put_bool(struct qni_json_out *o, const char *key, bool v)
{
    before(o, key, false);
    qni_text_add(o->text, "%s", v ? "true" : "false");
}

void qni_json_put_text(struct qni_json_out *o, const char *key, const char *v)
{
    before(o, key, false);
    qni_json_quote(o->text, v);
}

void qni_json_put_null(struct qni_json_out *o, const char *key)
{
    before(o, key, false);
    qni_text_add(o->text, "null");
}

void qni_json_quote(struct qni_text *t, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t left = strlen(s), n;

    qni_text_add(t, "\"");
    while (left) {
        for (n = 0; n < left && p[n] >= 0x20 && p[n] < 0x7f && p[n] != '"' && p[n] != '\\'; n++)
            ; /* what stays as it is */
        if (n) {
            qni_text_add_bytes(t, (const char *)p, n);
        } else if (*p == '"' || *p == '\\') {
            qni_text_add(t, "\\%c", *p);
            n = 1;
        } else if (*p < 0x20 || *p == 0x7f) {
            if (*p == '\n' || *p == '\t')
                qni_text_add(t, *p == '\n' ? "\\n" : "\\t");
            else
                qni_text_add(t, "\\u%04x", *p);
            n = 1;
        } else if ((n = qni_utf8_length(p, left)) > 0) {
            qni_text_add_bytes(t, (const char *)p, n);
        } else {
            qni_text_add(t, "\xef\xbf\xbd");
            n = 1;
        }
        p += n;
        left -= n;
    }
    qni_text_add(t, "\"");
}
