/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tables of numbers. The text is read in pieces and never kept: memory grows with the numbers. Values may stand in
 * double quotes, a quote in them doubled, as RFC 4180 has it; lines end in LF, CR LF or CR. */
#include <math.h>
#include <stdio.h>

#include "data/data.h"
#include "data/memory.h"

#define MOST_BYTES  (INT64_C(1) << 33)
#define MOST_LINE   ((size_t)1 << 24) /* bytes of one line */
#define PIECE       ((size_t)1 << 16)
#define END_OF_FILE (-1)

struct csv {
    qn_context *ctx;
    const qn_reader *reader;
    qn_csv_opt opt;
    unsigned char *piece;
    size_t at, have;
    int64_t total;    /* bytes read */
    int64_t line;     /* of the character that comes next, from 1 */
    int64_t row_line; /* where the row began */

    struct qni_text row; /* the values of one line, each ended by a zero */
    size_t *start;       /* [values] of each in row */
    size_t values, start_room;

    size_t columns; /* 0: not known yet */
    size_t label;   /* its column from 0; columns when there is none */
    float *x;
    size_t nx, x_room;
    void *y; /* f32 or i32: both of 4 bytes */
    size_t rows, y_room;
};

/* The next character, or END_OF_FILE; a failure is in *st. */
static int peek(struct csv *c, qn_status *st)
{
    if (c->at == c->have) {
        c->at = c->have = 0;
        if ((*st = qni_reader_read(c->reader, c->piece, PIECE, &c->have)) != QN_OK)
            return END_OF_FILE;
        c->total += (int64_t)c->have;
        if (c->total > c->opt.max_bytes) {
            *st = qni_error(QN_E_FORMAT, "%s: longer than the limit of %lld bytes", c->reader->name,
                            (long long)c->opt.max_bytes);
            return END_OF_FILE;
        }
        if (!c->have)
            return END_OF_FILE;
    }
    return c->piece[c->at];
}

/* Step over the end of a line, if there is one. */
static bool skip_line_end(struct csv *c, int ch, qn_status *st)
{
    if (ch != '\n' && ch != '\r')
        return false;
    c->at++;
    if (ch == '\r' && peek(c, st) == '\n')
        c->at++;
    c->line++;
    return true;
}

static qn_status add_chars(struct csv *c, const void *s, size_t n)
{
    if (n > MOST_LINE - c->row.length)
        return qni_error(QN_E_FORMAT, "%s: line %lld: longer than %zu bytes", c->reader->name, (long long)c->row_line,
                         MOST_LINE);
    qni_text_add_bytes(&c->row, s, n);
    return c->row.status;
}

/* The characters from here to a separator, to the end of the line, or to the end of what was read. */
static qn_status add_run(struct csv *c)
{
    const unsigned char *from = c->piece + c->at, *end = c->piece + c->have, *p = from;

    while (p < end && *p != (unsigned char)c->opt.separator && *p != '\n' && *p != '\r')
        p++;
    c->at += (size_t)(p - from);
    return add_chars(c, from, (size_t)(p - from));
}

/* What stands between two quotes; the opening one is behind us. */
static qn_status read_quoted(struct csv *c)
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
        if (ch == '"') {
            if (peek(c, &st) != '"')
                return st;
            c->at++;
        }
        if ((st = add_chars(c, &(char){(char)ch}, 1)) != QN_OK)
            return st;
    }
}

/* One value and the separator after it; *last at the end of the line. */
static qn_status read_value(struct csv *c, bool *last)
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
        if (*last || ch == c->opt.separator) {
            c->at += !*last;
            return add_chars(c, "", 1); /* the zero that ends the value */
        }
        if (ch == '"' && fresh && !quoted) {
            c->at++;
            quoted = true;
            st = read_quoted(c);
        } else if (ch == ' ' && fresh) {
            c->at++; /* before the value or its quote; what follows it is cut off later */
        } else {
            st = add_run(c);
        }
        if (st)
            return st;
    }
}

/* The values of the next line that is not empty; none at the end. */
static qn_status read_row(struct csv *c)
{
    bool last = false;
    qn_status st = QN_OK;
    int ch;

    c->values = 0;
    c->row.length = 0;
    while ((ch = peek(c, &st)) != END_OF_FILE && skip_line_end(c, ch, &st) && st == QN_OK)
        ;
    if (st || ch == END_OF_FILE)
        return st;
    c->row_line = c->line;
    while (!last)
        if ((st = read_value(c, &last)) != QN_OK)
            return st;
    return QN_OK;
}

static const char *value_text(const struct csv *c, size_t column, size_t *length)
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

static qn_status read_number(const struct csv *c, size_t column, double *out)
{
    size_t n;
    const char *s = value_text(c, column, &n);

    if (qni_parse_number(s, n, out) && isfinite((float)*out))
        return QN_OK;
    if (!n)
        return qni_error(QN_E_FORMAT, "%s: line %lld, column %zu: no value", c->reader->name, (long long)c->row_line,
                         column + 1);
    return qni_error(QN_E_FORMAT, "%s: line %lld, column %zu: expected a number, found \"%.*s\"%s", c->reader->name,
                     (long long)c->row_line, column + 1, (int)QNI_MIN(n, 40), s,
                     c->rows || c->opt.header != QN_CSV_AUTO ? "" : " (if this is the header, say so)");
}

/* The first line decides the number of columns, and may be the header: *used. */
static qn_status first_row(struct csv *c, bool *used)
{
    size_t numbers = 0, texts = 0, n;
    bool header;

    c->columns = c->values;
    for (size_t i = 0; i < c->values; i++) {
        double number;
        const char *s = value_text(c, i, &n);

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
            return qni_error(QN_E_FORMAT, "%s: no header, so no column named \"%.100s\"", c->reader->name,
                             c->opt.label_name);
        for (size_t i = 0; i < c->columns && c->label == c->columns; i++) {
            const char *s = value_text(c, i, &n);

            if (n == strlen(c->opt.label_name) && !memcmp(s, c->opt.label_name, n))
                c->label = i;
        }
        if (c->label == c->columns)
            return qni_error(QN_E_FORMAT, "%s: no column named \"%.100s\"", c->reader->name, c->opt.label_name);
    } else if (c->opt.label == 0) {
        c->label = c->columns - 1;
    } else if (c->opt.label > 0) {
        if ((size_t)c->opt.label > c->columns)
            return qni_error(QN_E_FORMAT, "%s: the label is column %d, but there are %zu columns", c->reader->name,
                             c->opt.label, c->columns);
        c->label = (size_t)c->opt.label - 1;
    }
    if (c->columns == 1 && c->label == 0)
        return qni_error(QN_E_FORMAT, "%s: one column only, expected features and a label, separated by '%c'",
                         c->reader->name, c->opt.separator);
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
                         c->reader->name, (long long)c->row_line, c->label + 1, v, c->opt.classes ? "to" : "or", most);
    }
    ((int32_t *)c->y)[c->rows] = (int32_t)v;
    return QN_OK;
}

static qn_status add_row(struct csv *c)
{
    qn_status st;

    if (c->values != c->columns)
        return qni_error(QN_E_FORMAT, "%s: line %lld: %zu values, expected %zu as in the first line", c->reader->name,
                         (long long)c->row_line, c->values, c->columns);
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
    qn_status st = QN_OK;

    peek(c, &st);
    if (c->have >= 3 && !memcmp(c->piece, "\xef\xbb\xbf", 3)) /* a byte order mark */
        c->at = 3;
    while (st == QN_OK && (st = read_row(c)) == QN_OK && c->values) {
        if (!c->columns && (st = first_row(c, &used)) != QN_OK)
            break;
        if (used)
            used = false;
        else
            st = add_row(c);
    }
    if (st == QN_OK && !c->rows)
        st = qni_error(QN_E_FORMAT, "%s: no line of numbers", c->reader->name);
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
    if (c->opt.separator < 0 || strchr("0123456789+-.eE\"\r\n ", c->opt.separator))
        return qni_error(QN_E_ARG,
                         "the separator may not be a digit, sign, point, quote, space or other such character");
    if (!c->opt.max_bytes)
        c->opt.max_bytes = MOST_BYTES;
    return QN_OK;
}

qn_status qn_dataset_csv_from(qn_dataset **out, const qn_reader *text, const qn_csv_opt *opt)
{
    struct csv c = {.reader = text, .line = 1, .row_line = 1};
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
    c.row.ctx = c.ctx;
    if ((st = qni_calloc(c.ctx, &c.piece, PIECE, 1)) != QN_OK || (st = read_table(&c)) != QN_OK)
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
    qni_text_free(&c.row);
    qni_free(c.ctx, &c.piece);
    qni_free(c.ctx, &c.start);
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
