/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lines and their values, piece by piece. */
#include "data/table/rows.h"

#define MOST_LINE   ((size_t)1 << 24) /* bytes of one line */
#define PIECE       ((size_t)1 << 16)
#define END_OF_FILE (-1)

/* The next character, or END_OF_FILE; a failure is in *st. */
static int peek(struct qni_rows *c, qn_status *st)
{
    if (c->at == c->have) {
        c->at = c->have = 0;
        if ((*st = qni_reader_read(c->reader, c->piece, PIECE, &c->have)) != QN_OK)
            return END_OF_FILE;
        c->total += (int64_t)c->have;
        if (c->total > c->max_bytes) {
            *st = qni_error(QN_E_FORMAT, "%s: longer than the limit of %lld bytes", c->reader->name,
                            (long long)c->max_bytes);
            return END_OF_FILE;
        }
        if (!c->have)
            return END_OF_FILE;
    }
    return c->piece[c->at];
}

/* Step over the end of a line, if there is one. */
static bool skip_line_end(struct qni_rows *c, int ch, qn_status *st)
{
    if (ch != '\n' && ch != '\r')
        return false;
    c->at++;
    if (ch == '\r' && peek(c, st) == '\n')
        c->at++;
    c->line++;
    return true;
}

static qn_status add_chars(struct qni_rows *c, const void *s, size_t n)
{
    if (n > MOST_LINE - c->row.length)
        return qni_error(QN_E_FORMAT, "%s: line %lld: longer than %zu bytes", c->reader->name, (long long)c->row_line,
                         MOST_LINE);
    qni_text_add_bytes(&c->row, s, n);
    return c->row.status;
}

/* The characters from here to a separator, to the end of the line, or to the end of what was read. */
static qn_status add_run(struct qni_rows *c)
{
    const unsigned char *from = c->piece + c->at, *end = c->piece + c->have, *p = from;

    while (p < end && *p != (unsigned char)c->separator && *p != '\n' && *p != '\r')
        p++;
    c->at += (size_t)(p - from);
    return add_chars(c, from, (size_t)(p - from));
}

/* What stands between two quotes; the opening one is behind us. */
static qn_status read_quoted(struct qni_rows *c, int quote)
{
    qn_status st = QN_OK;
    int ch;

    for (;;) {
        ch = peek(c, &st);
        if (st)
            return st;
        if (ch == END_OF_FILE)
            return qni_error(QN_E_FORMAT, "%s: line %lld, column %zu: a quote is not closed", c->reader->name,
                             (long long)c->row_line, c->values);
        c->at++;
        if (ch == '\n')
            c->line++;
        if (ch == quote) {
            if (peek(c, &st) != quote)
                return st;
            c->at++;
        }
        if ((st = add_chars(c, &(char){(char)ch}, 1)) != QN_OK)
            return st;
    }
}

/* One value and the separator after it; *last at the end of the line. */
static qn_status read_value(struct qni_rows *c, bool *last)
{
    bool quoted = false;
    qn_status st = QN_OK;

    if ((st = qni_reserve(c->ctx, &c->start, &c->start_room, c->values, sizeof(*c->start))) != QN_OK)
        return st;
    c->start[c->values++] = c->row.length;
    for (;;) {
        bool fresh = c->row.length == c->start[c->values - 1];
        int ch = peek(c, &st);

        if (st)
            return st;
        *last = ch == END_OF_FILE || skip_line_end(c, ch, &st);
        if (st)
            return st;
        if (*last || ch == c->separator) {
            c->at += !*last;
            return add_chars(c, "", 1); /* the zero that ends the value */
        }
        if ((ch == '"' || (c->arff && ch == '\'')) && fresh && !quoted) {
            c->at++;
            quoted = true;
            st = read_quoted(c, ch);
        } else if (ch == ' ' && fresh) {
            c->at++; /* before the value or its quote; what follows it is cut off later */
        } else {
            st = add_run(c);
        }
        if (st)
            return st;
    }
}

/* A comment, up to the end of its line. */
static void skip_rest(struct qni_rows *c, qn_status *st)
{
    int ch;

    while ((ch = peek(c, st)) != END_OF_FILE && ch != '\n' && ch != '\r')
        c->at++;
}

/* The values of the next line that is not empty; none at the end. */
qn_status qni_rows_next(struct qni_rows *c)
{
    bool last = false;
    qn_status st = QN_OK;
    int ch = END_OF_FILE;

    c->values = 0;
    c->row.length = 0;
    while (st == QN_OK && (ch = peek(c, &st)) != END_OF_FILE) {
        if (c->arff && ch == '%')
            skip_rest(c, &st);
        else if (!skip_line_end(c, ch, &st))
            break;
    }
    if (st || ch == END_OF_FILE)
        return st;
    c->row_line = c->line;
    c->row_at = c->total - (int64_t)(c->have - c->at);
    while (!last)
        if ((st = read_value(c, &last)) != QN_OK)
            return st;
    return QN_OK;
}

const char *qni_rows_value(const struct qni_rows *c, size_t column, size_t *length)
{
    const char *s = c->row.data + c->start[column];
    size_t end = column + 1 < c->values ? c->start[column + 1] : c->row.length;
    size_t n = end - c->start[column] - 1;

    while (n && strchr(" \t\r\n", s[n - 1]) && s[n - 1])
        n--;
    while (n && *s && strchr(" \t\r\n", *s)) {
        s++;
        n--;
    }
    *length = n;
    return s;
}

qn_status qni_rows_fill(struct qni_rows *c)
{
    qn_status st = QN_OK;

    peek(c, &st);
    if (!st && c->have >= 3 && !memcmp(c->piece, "\xef\xbb\xbf", 3)) /* a byte order mark */
        c->at = 3;
    return st;
}

bool qni_rows_line(struct qni_rows *c, qn_status *st)
{
    int ch = END_OF_FILE;

    c->row.length = 0;
    c->row_line = c->line;
    c->row_at = c->total - (int64_t)(c->have - c->at);
    while (*st == QN_OK && (ch = peek(c, st)) != END_OF_FILE && !skip_line_end(c, ch, st)) {
        if (ch == c->separator) {
            *st = add_chars(c, &(char){(char)ch}, 1);
            c->at++;
        } else {
            *st = add_run(c);
        }
    }
    if (*st == QN_OK)
        *st = add_chars(c, "", 1);
    return *st == QN_OK && (ch != END_OF_FILE || c->row.length > 1);
}

qn_status qni_rows_begin(struct qni_rows *c, qn_context *ctx)
{
    c->ctx = ctx;
    c->row.ctx = ctx;
    c->line = c->row_line = 1;
    return qni_calloc(ctx, &c->piece, PIECE, 1);
}

void qni_rows_end(struct qni_rows *c)
{
    if (!c->ctx)
        return;
    qni_text_free(&c->row);
    qni_free(c->ctx, &c->piece);
    qni_free(c->ctx, &c->start);
}
