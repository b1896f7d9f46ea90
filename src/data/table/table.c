/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tables from CSV and ARFF files. */
#include <math.h>
#include <stdio.h>

#include "data/table/table.h"

#define MOST_BYTES   (INT64_C(1) << 31)
#define KEEP_BYTES   (INT64_C(1) << 31)
#define MOST_COLUMNS 8192

qn_status qni_table_add_column(qn_table *t, const char *name, size_t bytes, enum qni_column_kind kind)
{
    struct qni_column *c;
    qn_status st;

    if ((st = qni_reserve(t->ctx, &t->column, &t->column_room, (size_t)t->columns, sizeof(*t->column))))
        return st;
    c = &t->column[t->columns];
    *c = (struct qni_column){.kind = kind, .values.ctx = t->ctx};
    if ((st = qni_calloc(t->ctx, &c->name, bytes + 1, 1)))
        return st;
    memcpy(c->name, name, bytes);
    t->columns++;
    for (int i = 0; i < t->columns - 1; i++)
        if (!strcmp(t->column[i].name, c->name))
            return qni_error(QN_E_FORMAT, "%s: two columns are named \"%.80s\"", t->name, c->name);
    return qni_utf8_check(t->name, c->name, strlen(c->name));
}

/* ---- rows ---- */

static qn_status add_cell(qn_table *t, const char *s, size_t n)
{
    const bool missing = !n || (n == 1 && *s == '?');
    qn_status st;

    if ((st = qni_reserve(t->ctx, &t->cell, &t->cell_room, t->cells, sizeof(*t->cell))))
        return st;
    t->cell[t->cells++] = missing ? 0 : t->length + 1;
    if (missing)
        return QN_OK;
    for (size_t i = 0; i <= n; i++) {
        if ((st = qni_reserve(t->ctx, &t->text, &t->room, t->length, 1)))
            return st;
        t->text[t->length++] = i < n ? s[i] : 0;
    }
    return QN_OK;
}

static qn_status check_row(const qn_table *t, const struct qni_rows *in)
{
    size_t n;

    if (in->values != (size_t)t->columns)
        return qni_error(QN_E_FORMAT, "%s: line %lld: %zu values, expected %d as in the first line", t->name,
                         (long long)in->row_line, in->values, t->columns);
    for (int i = 0; i < t->columns; i++) {
        const char *s = qni_rows_value(in, (size_t)i, &n);

        if (memchr(s, 0, n))
            return qni_error(QN_E_FORMAT, "%s: line %lld, column %d: a zero byte", t->name, (long long)in->row_line, i + 1);
    }
    return QN_OK;
}

static qn_status add_row(qn_table *t, const struct qni_rows *in, const qn_table_opt *o)
{
    qn_status st = check_row(t, in);

    if (st && o->bad) {
        o->bad(o->user, qn_last_error());
        return QN_OK;
    }
    if (st)
        return st;
    if (t->file) {
        t->rows++;
        return qni_row_file_add(t->file, in->row_at, in->row_line);
    }
    if ((st = qni_reserve(t->ctx, &t->line, &t->line_room, (size_t)t->rows, sizeof(*t->line))))
        return st;
    for (int i = 0; i < t->columns && !st; i++) {
        size_t n;
        const char *s = qni_rows_value(in, (size_t)i, &n);

        st = add_cell(t, s, n);
    }
    t->line[t->rows++] = in->row_line;
    return st;
}

/* The first line of a CSV file: how many columns there are, and their names. */
static qn_status first_row(qn_table *t, const struct qni_rows *in, qn_csv_header header, bool *used)
{
    bool names = true;
    size_t n;
    qn_status st = QN_OK;

    for (size_t i = 0; i < in->values; i++) {
        const char *s = qni_rows_value(in, i, &n);
        double number;

        names = names && n && !memchr(s, 0, n) && !(n == 1 && *s == '?') && !qni_parse_number(s, n, &number);
    }
    *used = t->named = header == QN_CSV_YES || (header == QN_CSV_AUTO && names);
    if (in->values > MOST_COLUMNS)
        return qni_error(QN_E_FORMAT, "%s: more than %d columns", t->name, MOST_COLUMNS);
    for (size_t i = 0; i < in->values && !st; i++) {
        char number[24];
        const char *s = qni_rows_value(in, i, &n);

        snprintf(number, sizeof(number), "%zu", i + 1);
        st = *used && n ? qni_table_add_column(t, s, n, QNI_COLUMN_ANY)
                        : qni_table_add_column(t, number, strlen(number), QNI_COLUMN_ANY);
    }
    return st;
}

static qn_status read_rows(qn_table *t, struct qni_rows *in, const qn_table_opt *o)
{
    bool used = false;
    qn_status st;

    if ((st = qni_rows_fill(in)))
        return st;
    if (qni_arff_begins(in)) {
        in->arff = t->named = true;
        in->separator = ',';
        if ((st = qni_arff_head(t, in)))
            return st;
    }
    while ((st = qni_rows_next(in)) == QN_OK && in->values) {
        if (!t->columns && (st = first_row(t, in, o->header, &used)))
            return st;
        if (in->arff && *in->row.data == '{')
            return qni_error(QN_E_UNSUPPORTED, "%s: line %lld: sparse rows are not read", t->name, (long long)in->row_line);
        if (used)
            used = false;
        else if ((st = add_row(t, in, o)))
            return st;
    }
    if (t->file) {
        t->file->values = (size_t)t->columns;
        t->file->arff = in->arff;
        t->file->separator = in->separator;
    }
    return st || t->rows ? st : qni_error(QN_E_FORMAT, "%s: there is no row", t->name);
}

static qn_status check_opt(qn_table_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the table's options is not zero", i);
    o->separator = o->separator ? o->separator : ',';
    o->keep_bytes = o->keep_bytes ? o->keep_bytes : KEEP_BYTES;
    if ((unsigned)o->header > QN_CSV_NO || o->max_bytes < 0 || o->keep_bytes < 0 || (unsigned char)o->separator > 127 ||
        strchr("0123456789+-.eE\"'\r\n ?", o->separator))
        return qni_error(QN_E_ARG, "header, separator, max_bytes or keep_bytes of the table's options is out of range");
    return QN_OK;
}

static qn_status new_table(qn_table **out, qn_context *ctx, const char *name)
{
    qn_context *held = NULL;
    qn_status st;

    if ((st = qni_context_get(&held, ctx)))
        return st;
    if ((st = qni_calloc(held, out, 1, sizeof(**out)))) {
        qni_context_release(&held);
        return st;
    }
    (*out)->ctx = held;
    return qni_strdup(held, &(*out)->name, name);
}

qn_status qn_table_from(qn_table **out, const qn_reader *text, const qn_table_opt *opt)
{
    qn_table_opt o = opt ? *opt : (qn_table_opt){0};
    struct qni_rows in = {.reader = text};
    qn_table *t = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!text || !text->read || !text->name)
        return qni_error(QN_E_ARG, "the reader%s", !text ? " is NULL" : " has no name or no read function");
    if ((st = check_opt(&o)))
        return st;
    in.separator = o.separator;
    in.max_bytes = o.max_bytes ? o.max_bytes : MOST_BYTES;
    if ((st = new_table(&t, o.context, text->name)) || (st = qni_rows_begin(&in, t->ctx)) || (st = read_rows(t, &in, &o)))
        goto done;
    *out = t;
    t = NULL;
done:
    qni_rows_end(&in);
    qn_table_destroy(&t);
    return st;
}

/* A file that is not kept: where its rows are. */
static qn_status index_file(qn_table **out, const char *path, const qn_table_opt *opt)
{
    qn_table_opt o = *opt;
    struct qni_row_cursor *c = NULL;
    qn_table *t = NULL;
    qn_status st;

    if ((st = check_opt(&o)) || (st = new_table(&t, o.context, path)) ||
        (st = qni_row_file_open(&t->file, t->ctx, path, o.keep_bytes)) || (st = qni_row_cursor_take(&c, t->file)))
        goto done;
    c->in.separator = o.separator;
    c->in.max_bytes = o.max_bytes ? o.max_bytes : INT64_MAX;
    st = read_rows(t, &c->in, &o);
    qni_row_cursor_give(&c);
    if (st)
        goto done;
    *out = t;
    t = NULL;
done:
    qn_table_destroy(&t);
    return st;
}

qn_status qn_table_read(qn_table **out, const char *path, const qn_table_opt *opt)
{
    const qn_table_opt o = opt ? *opt : (qn_table_opt){0};
    struct qni_file_reader text = {.fd = -1};
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!path)
        return qni_error(QN_E_ARG, "path is NULL");
    if ((st = qni_file_reader_open(&text, path)))
        return st;
    st = text.reader.most > (o.keep_bytes ? o.keep_bytes : KEEP_BYTES) ? index_file(out, path, &o)
                                                                       : qn_table_from(out, &text.reader, opt);
    qni_file_reader_close(&text);
    return st;
}

void qn_table_destroy(qn_table **table)
{
    qn_table *t = table ? *table : NULL;
    qn_context *ctx;

    if (!t)
        return;
    *table = NULL;
    ctx = t->ctx;
    for (int i = 0; i < t->columns; i++) {
        qni_free(ctx, &t->column[i].name);
        qni_words_free(&t->column[i].values);
    }
    qni_free(ctx, &t->column);
    qni_free(ctx, &t->cell);
    qni_free(ctx, &t->text);
    qni_free(ctx, &t->line);
    qni_free(ctx, &t->name);
    qni_row_file_release(&t->file);
    qni_free(ctx, &t);
    qni_context_release(&ctx);
}

/* ---- looking ---- */

int64_t qn_table_rows(const qn_table *t)
{
    return t ? t->rows : 0;
}

int qn_table_columns(const qn_table *t)
{
    return t ? t->columns : 0;
}

const char *qn_table_column(const qn_table *t, int column)
{
    return t && column >= 0 && column < t->columns ? t->column[column].name : NULL;
}

int qn_table_find(const qn_table *t, const char *name)
{
    double number;

    for (int i = 0; name && i < qn_table_columns(t); i++)
        if (!strcmp(t->column[i].name, name))
            return i;
    if (name && qni_parse_number(name, strlen(name), &number) && number >= 1 && number <= qn_table_columns(t) &&
        number == (double)(int)number)
        return (int)number - 1;
    return -1;
}

const char *qn_table_cell(const qn_table *t, int64_t row, int column)
{
    size_t at;

    if (row < 0 || row >= qn_table_rows(t) || column < 0 || column >= t->columns || t->file)
        return NULL;
    at = t->cell[(size_t)row * (size_t)t->columns + (size_t)column];
    return at ? t->text + at - 1 : NULL;
}

int64_t qn_table_line(const qn_table *t, int64_t row)
{
    return row >= 0 && row < qn_table_rows(t) && !t->file ? t->line[row] : 0;
}
