/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A text's lines that are not kept. */
#include <stdio.h>

#include "data/table/file.h"
#include "data/text/text.h"

#define KEEP_BYTES (INT64_C(1) << 27)

struct qn_line_file {
    struct qni_row_file *rows; /* all there is; for the name */
};

/* The first byte of a line that is no text; its length where there is none. */
static size_t find_fault(const char *line, size_t bytes)
{
    uint32_t point;
    size_t at = 0;
    int used;

    while (at < bytes && (used = qni_utf8_decode((const unsigned char *)line + at, bytes - at, &point)))
        at += (size_t)used;
    return at;
}

/* A line that was just read, in the first pass. */
static qn_status check_line(const struct qni_row_cursor *c, const qn_lines_opt *o)
{
    const size_t bytes = c->in.row.length - 1, at = find_fault(c->in.row.data, bytes);
    const char *what;

    if (at == bytes)
        return QN_OK;
    what = c->in.row.data[at] ? "not UTF-8" : "zero: not a text";
    if (!o->bad)
        return qni_error(QN_E_FORMAT, "%s: byte %lld is %s", c->file->name, (long long)c->in.row_at + (long long)at, what);
    qni_error(QN_E_FORMAT, "%.400s: line %lld: byte %zu is %s", c->file->name, (long long)c->in.row_line, at, what);
    o->bad(o->user, qn_last_error());
    return QN_OK;
}

static qn_status find_lines(struct qni_row_file *f, const qn_lines_opt *o)
{
    struct qni_row_cursor *c = NULL;
    qn_status st;

    if ((st = qni_row_cursor_take(&c, f)))
        return st;
    c->in.max_bytes = o->max_bytes ? o->max_bytes : INT64_MAX;
    st = qni_rows_fill(&c->in);
    while (!st && qni_rows_line(&c->in, &st))
        if (!(st = check_line(c, o)))
            st = qni_row_file_add(f, c->in.row_at, c->in.row_line);
    qni_row_cursor_give(&c);
    return st;
}

static qn_status check_opt(const qn_lines_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->max_bytes < 0 || o->keep_bytes < 0)
        return qni_error(QN_E_ARG, "max_bytes or keep_bytes is negative");
    return QN_OK;
}

qn_status qn_line_file_open(qn_line_file **out, const char *path, const qn_lines_opt *opt)
{
    const qn_lines_opt o = opt ? *opt : (qn_lines_opt){0};
    qn_line_file *f = NULL;
    qn_context *ctx = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!path)
        return qni_error(QN_E_ARG, "path is NULL");
    if ((st = check_opt(&o)))
        return st;
    if (o.encoding && strcmp(o.encoding, "UTF-8"))
        return qni_error(QN_E_UNSUPPORTED, "%s: only UTF-8 is read line by line: convert it from %.100s first", path, o.encoding);
    if ((st = qni_context_get(&ctx, o.context)))
        return st;
    if ((st = qni_calloc(ctx, &f, 1, sizeof(*f))) ||
        (st = qni_row_file_open(&f->rows, ctx, path, o.keep_bytes ? o.keep_bytes : KEEP_BYTES)))
        goto done;
    f->rows->lines = true;
    f->rows->separator = '\n';
    if ((st = find_lines(f->rows, &o)))
        goto done;
    *out = f;
    f = NULL;
done:
    if (f)
        qni_row_file_release(&f->rows);
    qni_free(ctx, &f);
    qni_context_release(&ctx);
    return st;
}

int64_t qn_line_file_lines(const qn_line_file *f)
{
    return f ? f->rows->rows : 0;
}

qn_status qn_line_file_read(const qn_line_file *f, int64_t line, qn_status (*use)(void *user, char *text), void *user)
{
    struct qni_row_cursor *c = NULL;
    qn_status st;

    if (!f || !use)
        return qni_error(QN_E_ARG, "a pointer is NULL");
    if ((st = qni_row_cursor_take(&c, f->rows)))
        return st;
    if (!(st = qni_row_cursor_go(c, line))) {
        const size_t bytes = c->in.row.length - 1;

        if (find_fault(c->in.row.data, bytes) < bytes)
            c->in.row.data[0] = 0;
        st = use(user, c->in.row.data);
    }
    qni_row_cursor_give(&c);
    return st;
}

void qn_line_file_close(qn_line_file **file)
{
    qn_line_file *f = file ? *file : NULL;
    qn_context *ctx;

    if (!f)
        return;
    *file = NULL;
    ctx = qni_context_retain(f->rows->ctx);
    qni_row_file_release(&f->rows);
    qni_free(ctx, &f);
    qni_context_release(&ctx);
}
