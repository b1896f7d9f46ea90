/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A text's lines. What is not UTF-8 is converted by the C library's iconv. */
#include <errno.h>
#include <iconv.h>
#include <stdio.h>

#include "data/data.h"
#include "data/text/text.h"

#define MOST_BYTES (INT64_C(1) << 30)
#define NOT_UTF8   ((char)0xff) /* a byte that no text has */

struct lines {
    qn_lines lines;
    qn_context *ctx;
    char *text; /* all of them, each with its zero */
};

void qn_lines_destroy(qn_lines **lines)
{
    struct lines *l = lines ? (struct lines *)*lines : NULL;
    qn_context *ctx;

    if (!l)
        return;
    *lines = NULL;
    ctx = l->ctx;
    qni_free(ctx, &l->lines.line);
    qni_free(ctx, &l->text);
    qni_free(ctx, &l);
    qni_context_release(&ctx);
}

/* Is a line end one byte? Then the next line can be found behind bytes that mean nothing. */
static bool is_of_bytes(const char *encoding)
{
    iconv_t with = iconv_open(encoding, "UTF-8");
    char in[] = "\n", out[16], *from = in, *to = out;
    size_t left = 1, spare = sizeof(out);
    bool is;

    if (with == (iconv_t)-1)
        return false;
    is = iconv(with, &from, &left, &to, &spare) == 0 && spare == sizeof(out) - 1;
    iconv_close(with);
    return is;
}

/* From another encoding; *text and *n become what was made. With o->bad, a byte that means nothing becomes NOT_UTF8. */
static qn_status convert(const qn_context *ctx, const char *name, const qn_lines_opt *o, char **text, size_t *n)
{
    iconv_t with = iconv_open("UTF-8", o->encoding);
    char *made = NULL, *from = *text, *to;
    size_t left = *n, room = 0, spare, done = 0, result = 0;
    const bool mark = o->bad && is_of_bytes(o->encoding);
    bool ending = false;
    qn_status st = QN_OK;

    if (with == (iconv_t)-1)
        return qni_error(QN_E_UNSUPPORTED, "%s: this system knows no encoding '%.100s'", name, o->encoding);
    do {
        if (room - done < 64) {
            room = QNI_MAX(2 * room, *n + 128);
            if ((st = qni_realloc(ctx, &made, room, 1)))
                break;
        }
        to = made + done;
        spare = room - done - 1;
        ending = left == 0;
        result = iconv(with, ending ? NULL : &from, ending ? NULL : &left, &to, &spare);
        done = (size_t)(to - made);
        if (result == (size_t)-1 && errno != E2BIG && mark && left) {
            made[done++] = NOT_UTF8;
            from++;
            left--;
        } else if (result == (size_t)-1 && errno != E2BIG) {
            st = qni_error(QN_E_FORMAT, "%s: byte %zu is not %.100s", name, *n - left, o->encoding);
        }
    } while (!st && (!ending || result == (size_t)-1));
    iconv_close(with);
    if (st) {
        qni_free(ctx, &made);
        return st;
    }
    made[done] = 0;
    qni_free(ctx, text);
    *text = made;
    *n = done;
    return QN_OK;
}

/* A line that is no text is told about, and empty from then on. */
static void check_line(const struct lines *l, const char *name, const qn_lines_opt *o, char *line, size_t bytes)
{
    char place[512];

    snprintf(place, sizeof(place), "%.400s: line %lld", name, (long long)l->lines.lines);
    if (!qni_utf8_check(place, line, bytes))
        return;
    if (o->encoding)
        qni_error(QN_E_FORMAT, "%s: not %.100s", place, o->encoding);
    o->bad(o->user, qn_last_error());
    *line = 0;
}

/* Zeros for the line ends; the lines point into the text. */
static qn_status cut(struct lines *l, const char *name, const qn_lines_opt *o, size_t bytes)
{
    const bool mark = bytes >= 3 && memcmp(l->text, "\xef\xbb\xbf", 3) == 0;
    char *at = l->text + (mark ? 3 : 0), *end = l->text + bytes;
    size_t room = 0;
    qn_status st;

    while (at < end) {
        char *stop = at, *line = at;
        bool pair;

        while (stop < end && *stop != '\r' && *stop != '\n')
            stop++;
        pair = stop + 1 < end && stop[0] == '\r' && stop[1] == '\n';
        if ((st = qni_reserve(l->ctx, &l->lines.line, &room, (size_t)l->lines.lines, sizeof(char *))))
            return st;
        l->lines.line[l->lines.lines++] = line;
        at = stop + 1 + pair;
        *stop = 0;
        if (o->bad)
            check_line(l, name, o, line, (size_t)(stop - line));
    }
    return QN_OK;
}

qn_status qn_lines_read_from(qn_lines **out, const qn_reader *text, const qn_lines_opt *opt)
{
    const qn_lines_opt o = opt ? *opt : (qn_lines_opt){0};
    struct lines *l = NULL;
    qn_context *held = NULL;
    qn_lines *given;
    size_t bytes = 0;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!text || !text->read || !text->name)
        return qni_error(QN_E_ARG, "the reader, its function or its name is NULL");
    for (size_t i = 0; i < QNI_COUNT(o.reserved); i++)
        if (o.reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o.max_bytes < 0)
        return qni_error(QN_E_ARG, "max_bytes is %lld", (long long)o.max_bytes);
    if ((st = qni_context_get(&held, o.context)))
        return st;
    if ((st = qni_calloc(held, &l, 1, sizeof(*l)))) {
        qni_context_release(&held);
        return st;
    }
    l->ctx = held;
    if ((st = qni_reader_all(held, text, o.max_bytes ? o.max_bytes : MOST_BYTES, &l->text, &bytes)) ||
        (o.encoding && (st = convert(held, text->name, &o, &l->text, &bytes))) ||
        (!o.bad && (st = qni_utf8_check(text->name, l->text, bytes))) || (st = cut(l, text->name, &o, bytes)))
        goto done;
    *out = &l->lines;
    l = NULL;
done:
    given = l ? &l->lines : NULL;
    qn_lines_destroy(&given);
    return st;
}

qn_status qn_lines_read(qn_lines **out, const char *path, const qn_lines_opt *opt)
{
    struct qni_file_reader f;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !path)
        return qni_error(QN_E_ARG, "out or path is NULL");
    if ((st = qni_file_reader_open(&f, path)))
        return st;
    st = qn_lines_read_from(out, &f.reader, opt);
    qni_file_reader_close(&f);
    return st;
}
