/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tables of numbers. The text is read in pieces and never kept: memory grows with the numbers. */
#include <math.h>
#include <stdio.h>

#include "data/data.h"
#include "data/memory.h"
#include "data/table/rows.h"

#define MOST_BYTES (INT64_C(1) << 33)

struct csv {
    qn_context *ctx;
    struct qni_rows in;
    qn_csv_opt opt;

    size_t columns; /* 0: not known yet */
    size_t label;   /* its column from 0; columns when there is none */
    float *x;
    size_t nx, x_room;
    void *y; /* f32 or i32: both of 4 bytes */
    size_t rows, y_room;
};

static qn_status read_number(const struct csv *c, size_t column, double *out)
{
    size_t n;
    const char *s = qni_rows_value(&c->in, column, &n);

    if (qni_parse_number(s, n, out) && isfinite((float)*out))
        return QN_OK;
    if (!n)
        return qni_error(QN_E_FORMAT, "%s: line %lld, column %zu: no value", c->in.reader->name, (long long)c->in.row_line,
                         column + 1);
    return qni_error(QN_E_FORMAT, "%s: line %lld, column %zu: expected a number, found \"%.*s\"%s", c->in.reader->name,
                     (long long)c->in.row_line, column + 1, (int)QNI_MIN(n, 40), s,
                     c->rows || c->opt.header != QN_CSV_AUTO ? "" : " (if this is the header, say so)");
}

/* The first line decides the number of columns, and may be the header: *used. */
static qn_status first_row(struct csv *c, bool *used)
{
    size_t numbers = 0, texts = 0, n;
    bool header;

    c->columns = c->in.values;
    for (size_t i = 0; i < c->in.values; i++) {
        double number;
        const char *s = qni_rows_value(&c->in, i, &n);

        if (qni_parse_number(s, n, &number))
            numbers++;
        else if (n)
            texts++;
    }
    header = c->opt.header == QN_CSV_YES || (c->opt.header == QN_CSV_AUTO && !numbers && texts);
    *used = header;
    c->label = c->columns;
    if (c->opt.label_name) {
        if (!header)
            return qni_error(QN_E_FORMAT, "%s: no header, so no column named \"%.100s\"", c->in.reader->name,
                             c->opt.label_name);
        for (size_t i = 0; i < c->columns && c->label == c->columns; i++) {
            const char *s = qni_rows_value(&c->in, i, &n);

            if (n == strlen(c->opt.label_name) && !memcmp(s, c->opt.label_name, n))
                c->label = i;
        }
        if (c->label == c->columns)
            return qni_error(QN_E_FORMAT, "%s: no column named \"%.100s\"", c->in.reader->name, c->opt.label_name);
    } else if (c->opt.label == 0) {
        c->label = c->columns - 1;
    } else if (c->opt.label > 0) {
        if ((size_t)c->opt.label > c->columns)
            return qni_error(QN_E_FORMAT, "%s: the label is column %d, but there are %zu columns", c->in.reader->name,
                             c->opt.label, c->columns);
        c->label = (size_t)c->opt.label - 1;
    }
    if (c->columns == 1 && c->label == 0)
        return qni_error(QN_E_FORMAT, "%s: one column only, expected features and a label, separated by '%c'",
                         c->in.reader->name, c->opt.separator);
    return QN_OK;
}

static qn_status add_label(struct csv *c, double v)
{
    qn_status st;

    if ((st = qni_reserve(c->ctx, &c->y, &c->y_room, c->rows, 4)) != QN_OK)
        return st;
    if (c->opt.label_dtype == QN_F32) {
        ((float *)c->y)[c->rows] = (float)v;
        return QN_OK;
    }
    if (!(v >= 0 && v < (c->opt.classes ? c->opt.classes : 2147483647.0)) || v != (double)(int32_t)v) {
        char most[16] = "more";

        if (c->opt.classes)
            snprintf(most, sizeof(most), "%d", c->opt.classes - 1);
        return qni_error(QN_E_FORMAT, "%s: line %lld, column %zu: the class is %g, expected an integer, 0 %s %s",
                         c->in.reader->name, (long long)c->in.row_line, c->label + 1, v, c->opt.classes ? "to" : "or", most);
    }
    ((int32_t *)c->y)[c->rows] = (int32_t)v;
    return QN_OK;
}

static qn_status add_row(struct csv *c)
{
    qn_status st;

    if (c->in.values != c->columns)
        return qni_error(QN_E_FORMAT, "%s: line %lld: %zu values, expected %zu as in the first line", c->in.reader->name,
                         (long long)c->in.row_line, c->in.values, c->columns);
    for (size_t i = 0; i < c->columns; i++) {
        double v;

        if ((st = read_number(c, i, &v)) != QN_OK)
            return st;
        if (i == c->label)
            st = add_label(c, v);
        else if ((st = qni_reserve(c->ctx, &c->x, &c->x_room, c->nx, sizeof(*c->x))) == QN_OK)
            c->x[c->nx++] = (float)v;
        if (st)
            return st;
    }
    c->rows++;
    return QN_OK;
}

static qn_status read_table(struct csv *c)
{
    bool used = false;
    qn_status st = qni_rows_fill(&c->in);

    while (st == QN_OK && (st = qni_rows_next(&c->in)) == QN_OK && c->in.values) {
        if (!c->columns && (st = first_row(c, &used)) != QN_OK)
            break;
        if (used)
            used = false;
        else
            st = add_row(c);
    }
    if (st == QN_OK && !c->rows)
        st = qni_error(QN_E_FORMAT, "%s: no line of numbers", c->in.reader->name);
    return st;
}

static qn_status check_opt(struct csv *c)
{
    for (size_t i = 0; i < QNI_COUNT(c->opt.reserved); i++)
        if (c->opt.reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the CSV options is not zero", i);
    if ((unsigned)c->opt.header > QN_CSV_NO || c->opt.label < QN_CSV_NO_LABEL || c->opt.classes < 0 ||
        c->opt.max_bytes < 0)
        return qni_error(QN_E_ARG, "header, label, classes or max_bytes of the CSV options is out of range");
    if (c->opt.label_dtype != QN_F32 && c->opt.label_dtype != QN_I32)
        return qni_error(QN_E_ARG, "labels of type %s, expected f32 or i32", qn_dtype_name(c->opt.label_dtype));
    if (c->opt.label && c->opt.label_name)
        return qni_error(QN_E_ARG, "the label's column is given by number and by name");
    if (c->opt.label_name && c->opt.header == QN_CSV_NO)
        return qni_error(QN_E_ARG, "the label's column is given by name, but there is no header");
    if (!c->opt.separator)
        c->opt.separator = ',';
    if ((unsigned char)c->opt.separator > 127 || strchr("0123456789+-.eE\"\r\n ", c->opt.separator))
        return qni_error(QN_E_ARG,
                         "the separator may not be a digit, sign, point, quote, space or other such character");
    if (!c->opt.max_bytes)
        c->opt.max_bytes = MOST_BYTES;
    return QN_OK;
}

qn_status qn_dataset_csv_from(qn_dataset **out, const qn_reader *text, const qn_csv_opt *opt)
{
    struct csv c = {.in.reader = text};
    struct qni_memory_field data[2] = {{0}};
    qn_field field[2] = {{.name = "features", .role = QN_FIELD_INPUT, .shape.rank = 1},
                         {.name = "label", .role = QN_FIELD_TARGET}};
    bool labelled;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!text || !text->read || !text->name)
        return qni_error(QN_E_ARG, "the reader%s", !text ? " is NULL" : " has no name or no read function");
    if (opt)
        c.opt = *opt;
    if ((st = check_opt(&c)) != QN_OK || (st = qni_context_get(&c.ctx, c.opt.context)) != QN_OK)
        return st;
    c.in.separator = c.opt.separator;
    c.in.max_bytes = c.opt.max_bytes;
    if ((st = qni_rows_begin(&c.in, c.ctx)) != QN_OK || (st = read_table(&c)) != QN_OK)
        goto done;
    /* The arrays have grown by doubling. */
    labelled = c.label < c.columns;
    if ((st = qni_realloc(c.ctx, &c.x, c.nx, sizeof(*c.x))) != QN_OK ||
        (labelled && (st = qni_realloc(c.ctx, &c.y, c.rows, 4)) != QN_OK))
        goto done;
    field[0].shape.dim[0] = (int64_t)(c.columns - labelled);
    field[1].dtype = c.opt.label_dtype;
    if (c.opt.label_dtype == QN_F32)
        field[1].shape = qni_shape(1, (int64_t)1);
    data[0].data = data[0].owned = c.x;
    data[1].data = data[1].owned = c.y;
    st = qni_dataset_memory(out, c.ctx, (int64_t)c.rows, field, labelled ? 2 : 1, data, 1);
    if (st == QN_OK) {
        c.x = NULL;
        c.y = NULL;
    }
done:
    qni_rows_end(&c.in);
    qni_free(c.ctx, &c.x);
    qni_free(c.ctx, &c.y);
    qni_context_release(&c.ctx);
    return st;
}

qn_status qn_dataset_csv(qn_dataset **out, const char *path, const qn_csv_opt *opt)
{
    struct qni_file_reader text = {.fd = -1};
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!path)
        return qni_error(QN_E_ARG, "path is NULL");
    if ((st = qni_file_reader_open(&text, path)) == QN_OK)
        st = qn_dataset_csv_from(out, &text.reader, opt);
    qni_file_reader_close(&text);
    return st;
}
