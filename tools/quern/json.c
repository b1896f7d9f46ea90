/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "quern.h"

int utf8_character(const unsigned char *s)
{
    unsigned code;
    int n;

    if (s[0] < 0x80)
        return 1;
    n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    code = s[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    if ((n == 3 && code < 0x800) || (n == 4 && code < 0x10000) || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return n;
}

/* Text in quotes; bytes that are no UTF-8 become the replacement character. */
static void quote(FILE *out, const char *text)
{
    static const char escapes[][3] = { "\"\"", "\\\\", "\bb", "\ff", "\nn", "\rr", "\tt" };
    const unsigned char *s = (const unsigned char *)text;

    putc('"', out);
    while (*s) {
        int n = utf8_character(s);
        size_t e = 0;

        while (e < sizeof(escapes) / sizeof(escapes[0]) && (unsigned char)escapes[e][0] != *s)
            e++;
        if (e < sizeof(escapes) / sizeof(escapes[0]))
            fprintf(out, "\\%c", escapes[e][1]);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(out, "\\u%04x", *s);
        else if (n == 0)
            fputs("\\ufffd", out);
        else
            fwrite(s, 1, (size_t)n, out);
        s += n ? n : 1;
    }
    putc('"', out);
}

static void newline(struct json *j)
{
    if (j->lines && j->depth <= 2)
        fprintf(j->out, "\n%*s", 2 * j->depth, "");
    else if (j->lines && j->more)
        putc(' ', j->out);
}

static void begin(struct json *j, const char *key)
{
    if (j->more)
        putc(',', j->out);
    if (j->depth)
        newline(j);
    if (key) {
        quote(j->out, key);
        fputs(j->lines ? ": " : ":", j->out);
    }
    j->more = true;
}

static void open(struct json *j, const char *key, char bracket)
{
    begin(j, key);
    putc(bracket, j->out);
    j->depth++;
    j->more = false;
}

static void close(struct json *j, char bracket)
{
    bool any = j->more;

    j->depth--;
    j->more = false;
    if (any && j->depth <= 1)
        newline(j);
    putc(bracket, j->out);
    j->more = true;
    if (j->depth == 0) {
        putc('\n', j->out);
        j->more = false;
    }
}

void json_object(struct json *j, const char *key)
{
    open(j, key, '{');
}

void json_object_end(struct json *j)
{
    close(j, '}');
}

void json_array(struct json *j, const char *key)
{
    open(j, key, '[');
}

void json_array_end(struct json *j)
{
    close(j, ']');
}

void json_text(struct json *j, const char *key, const char *value)
{
    begin(j, key);
    if (value)
        quote(j->out, value);
    else
        fputs("null", j->out);
}

void json_int(struct json *j, const char *key, int64_t value)
{
    begin(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
    begin(j, key);
    fprintf(j->out, "%" PRIu64, value);
}

void json_real(struct json *j, const char *key, double value)
{
    char text[64];
    char *point;

    begin(j, key);
    if (!isfinite(value)) {
        fputs("null", j->out);
        return;
    }
    snprintf(text, sizeof(text), "%.7g", value);
    /* The one character besides digits, sign and exponent is the locale's decimal point. */
    point = text + strspn(text, "+-0123456789eE");
    if (*point) {
        char *rest = point + strcspn(point, "+-0123456789eE");

        *point = '.';
        memmove(point + 1, rest, strlen(rest) + 1);
    }
    fputs(text, j->out);
}

void json_bool(struct json *j, const char *key, bool value)
{
    begin(j, key);
    fputs(value ? "true" : "false", j->out);
}
