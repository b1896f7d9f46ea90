/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rows of tables as arrays. */
#include <math.h>
#include <stdlib.h>

#include "data/prep/prep.h"
#include "data/table/table.h"

#define MOST_COLUMNS 8192
#define MOST_VALUES  256
#define MOST_WIDTH   (INT64_C(1) << 20)

struct column {
    char *name;
    bool category;
    double mean, deviation; /* of numbers: what is taken off, and divided by */
    double fill;            /* where one is missing */
    struct qni_words values; /* of a category */
};

struct rows {
    qn_prep base;
    struct column *column; /* [columns] */
    int columns;
    bool named;    /* the file they were fitted to names its columns */
    bool numbered; /* a category is one number */
    int label;     /* the place of the label among the file's columns, from 1; 0: none */
};

static int64_t width_of(const struct rows *t, const struct column *c)
{
    return c->category && !t->numbered ? (int64_t)c->values.words : 1;
}

static qn_status load_number(const struct column *c, const char *cell, float *out)
{
    double v = c->fill;

    if (cell && (!qni_parse_number(cell, strlen(cell), &v) || !isfinite(v) || !isfinite((float)((v - c->mean) / c->deviation))))
        return qni_error(QN_E_FORMAT, "column \"%.80s\": expected a number, found \"%.40s\"", c->name, cell);
    *out = (float)((v - c->mean) / c->deviation);
    return QN_OK;
}

static qn_status load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    const struct rows *t = (const struct rows *)p;
    float *out = sample;
    qn_status st;

    if (!raw->cell)
        return qni_prep_lacks("a table's row");
    if (raw->cells != t->columns)
        return qni_error(QN_E_FORMAT, "%lld values, expected %d", (long long)raw->cells, t->columns);
    for (int i = 0; i < t->columns; i++) {
        const struct column *c = &t->column[i];
        const char *cell = raw->cell[i];
        int64_t number;

        if (cell && (!*cell || !strcmp(cell, "?")))
            cell = NULL;
        if (!c->category) {
            if ((st = load_number(c, cell, out++)))
                return st;
            continue;
        }
        number = cell ? qni_words_find(&c->values, cell, strlen(cell)) : -1;
        if (t->numbered)
            *out++ = (float)(number + 1);
        for (size_t k = 0; k < c->values.words && !t->numbered; k++)
            *out++ = (int64_t)k == number ? 1.0f : 0.0f;
    }
    return QN_OK;
}

static void put(const qn_prep *p, struct qni_json_out *o)
{
    const struct rows *t = (const struct rows *)p;

    qni_json_put_bool(o, "named", t->named);
    qni_json_put_bool(o, "numbered", t->numbered);
    qni_json_put_int(o, "label", t->label);
    qni_json_open(o, "columns", '[');
    for (int i = 0; i < t->columns; i++) {
        const struct column *c = &t->column[i];

        qni_json_open(o, NULL, '{');
        qni_json_put_text(o, "name", c->name);
        if (c->category) {
            qni_json_open(o, "values", '[');
            for (size_t k = 0; k < c->values.words; k++)
                qni_json_put_text(o, NULL, qni_words_text(&c->values, k));
            qni_json_close(o, ']');
        } else {
            qni_json_put_double(o, "mean", c->mean);
            qni_json_put_double(o, "deviation", c->deviation);
            qni_json_put_double(o, "fill", c->fill);
        }
        qni_json_close(o, '}');
    }
    qni_json_close(o, ']');
}

/* Once the columns are there: the sample. False where it is too wide. */
static bool start(struct rows *t)
{
    int64_t width = 0;

    for (int i = 0; i < t->columns; i++)
        width += width_of(t, &t->column[i]);
    t->base.sample = (qn_field){"features", QN_FIELD_INPUT, QN_F32, {1, {width}}};
    return width >= 1 && width <= MOST_WIDTH;
}

static qn_status get_values(struct column *c, const struct qni_json_at *list)
{
    struct qni_json_at child = {0};
    const char *text;
    int64_t number;
    qn_status st;

    while (qni_json_next(list, &child)) {
        const size_t before = c->values.words;

        if ((st = qni_json_text(&child, &text)) || (st = qni_words_add(&c->values, text, strlen(text), &number)))
            return st;
        if (c->values.words == before)
            return qni_json_error(&child, "value \"%.80s\" is there twice", text);
    }
    return QN_OK;
}

static qn_status get_column(const qn_prep *p, struct column *c, const struct qni_json_at *at)
{
    struct qni_json_at list;
    const char *name;
    qn_status st;

    c->deviation = 1;
    if ((st = qni_json_get_text(at, "name", &name)) || (st = qni_strdup(p->ctx, &c->name, name)))
        return st;
    if ((c->category = qni_json_find(&list, at, "values")))
        return qni_json_type(&list) == QNI_JSON_ARRAY ? get_values(c, &list) : qni_json_expected(&list, "an array of texts");
    if ((st = qni_json_get_double(at, "mean", &c->mean)) || (st = qni_json_get_double(at, "deviation", &c->deviation)) ||
        (st = qni_json_get_double(at, "fill", &c->fill)))
        return st;
    if (!isfinite(c->mean) || !isfinite(c->deviation) || !isfinite(c->fill) || c->deviation <= 0.0 ||
        !isfinite((float)((c->fill - c->mean) / c->deviation)))
        return qni_json_error(at, "a number is out of range");
    return QN_OK;
}

static qn_status get(qn_prep *p, const struct qni_json_at *at)
{
    struct rows *t = (struct rows *)p;
    struct qni_json_at list, child = {0};
    int64_t label;
    size_t n;
    qn_status st;

    if ((st = qni_json_get_bool(at, "named", &t->named)) || (st = qni_json_get_bool(at, "numbered", &t->numbered)) ||
        (st = qni_json_get_int(at, "label", 0, MOST_COLUMNS, &label)) || (st = qni_json_member(&list, at, "columns")))
        return st;
    if (qni_json_type(&list) != QNI_JSON_ARRAY)
        return qni_json_expected(&list, "an array of columns");
    if ((st = qni_json_count(&list, &n)))
        return st;
    if (n < 1 || n > MOST_COLUMNS)
        return qni_json_error(&list, "%zu columns, expected 1 to %d", n, MOST_COLUMNS);
    if ((st = qni_calloc(p->ctx, &t->column, n, sizeof(*t->column))))
        return st;
    t->label = (int)label;
    t->columns = (int)n;
    for (size_t i = 0; i < n; i++)
        t->column[i].values.ctx = p->ctx;
    for (int i = 0; qni_json_next(&list, &child); i++)
        if ((st = get_column(p, &t->column[i], &child)))
            return st;
    return start(t) ? QN_OK : qni_json_error(&list, "no column makes anything, or too much");
}

static void describe(const qn_prep *p, struct qni_text *text)
{
    const struct rows *t = (const struct rows *)p;

    qni_text_add(text, "a row of %d: ", t->columns);
    for (int i = 0; i < t->columns; i++) {
        const struct column *c = &t->column[i];

        qni_text_add(text, "%s%s", i ? "; " : "", c->name);
        if (c->category)
            qni_text_add(text, ", one of %zu%s", c->values.words, t->numbered ? " as a number" : "");
        else if (c->mean != 0.0 || c->deviation != 1.0)
            qni_text_add(text, " less %g and divided by %g", c->mean, c->deviation);
        if (!c->category && c->fill != c->mean)
            qni_text_add(text, ", %g where it is missing", c->fill);
    }
}

static void close_rows(qn_prep *p)
{
    struct rows *t = (struct rows *)p;

    for (int i = 0; t->column && i < t->columns; i++) {
        qni_free(p->ctx, &t->column[i].name);
        qni_words_free(&t->column[i].values);
    }
    qni_free(p->ctx, &t->column);
}

const struct qni_prep_type qni_prep_table_type = {
    .name = "table",
    .kind = QN_PREP_TABLE,
    .bytes = sizeof(struct rows),
    .load = load,
    .put = put,
    .get = get,
    .describe = describe,
    .close = close_rows,
};

/* ---- fitting ---- */

/* What is found in a column, in passes over the rows. */
struct tally {
    int64_t numbers, others; /* cells; in fitted columns of numbers those that count */
    double sum, squares, least, most;
};

struct fit {
    const qn_table *table;
    qn_table_cursor *at;
    const int64_t *row;
    int64_t *sorted; /* [rows] where row is not in the file's order */
    int64_t rows;
    qn_prep_table_opt opt;
    struct rows *to;
    struct tally *tally; /* [to->columns] */
    int *column;         /* [to->columns] in the table */
    int good;            /* columns before the first with a fault, */
    char fault[1024];    /* which is this one */
};

/* One column's part in a pass; QN_E_FORMAT ends it for this column and those behind it. */
typedef qn_status look(const struct fit *f, const char *cell, struct column *c, struct tally *n, const struct qni_column *from);

static void keep_fault(struct fit *f, int column)
{
    qni_error_take(f->fault, sizeof(f->fault));
    f->good = column;
}

/* All rows in the file's order, each column's cells. The fault that counts is that of the first column that has one. */
static qn_status pass(struct fit *f, look *each)
{
    qn_status st;

    for (int64_t i = 0; i < f->rows && f->good; i++) {
        if ((st = qn_table_cursor_go(f->at, f->row ? f->row[i] : i)))
            return st;
        for (int k = 0; k < f->good; k++) {
            st = each(f, qn_table_cursor_cell(f->at, f->column[k]), &f->to->column[k], &f->tally[k],
                      &f->table->column[f->column[k]]);
            if (st && st != QN_E_FORMAT)
                return st;
            if (st)
                keep_fault(f, k);
        }
    }
    return QN_OK;
}

static bool parse(const char *cell, double *v)
{
    return cell && qni_parse_number(cell, strlen(cell), v);
}

static qn_status count(const struct fit *f, const char *cell, struct column *c, struct tally *n, const struct qni_column *from)
{
    double v;

    (void)f;
    (void)c;
    if (from->kind == QNI_COLUMN_ANY) {
        n->numbers += parse(cell, &v);
        n->others += cell && !parse(cell, &v);
    }
    return QN_OK;
}

static void find_category(const struct fit *f, struct column *c, const struct tally *n, const struct qni_column *from)
{
    c->category = from->kind == QNI_COLUMN_CATEGORY || from->kind == QNI_COLUMN_TEXT || n->others > n->numbers;
    for (int i = 0; i < f->opt.categories; i++)
        c->category = c->category || !strcmp(f->opt.category[i], from->name);
}

/* Numbers before texts, by size; texts by their bytes. */
static int by_value(const void *a, const void *b)
{
    const char *s = *(const char *const *)a, *t = *(const char *const *)b;
    double x = 0, y = 0;
    const bool p = qni_parse_number(s, strlen(s), &x), q = qni_parse_number(t, strlen(t), &y);

    if (p && q && x != y)
        return x < y ? -1 : 1;
    return p != q ? q - p : strcmp(s, t);
}

static qn_status sort_values(struct column *c)
{
    struct qni_words sorted = {.ctx = c->values.ctx};
    const char **text = NULL;
    int64_t number;
    qn_status st;

    if ((st = qni_calloc(c->values.ctx, &text, c->values.words, sizeof(*text))))
        return st;
    for (size_t i = 0; i < c->values.words; i++)
        text[i] = qni_words_text(&c->values, i);
    if (c->values.words)
        qsort(text, c->values.words, sizeof(*text), by_value);
    for (size_t i = 0; i < c->values.words && !st; i++)
        st = qni_words_add(&sorted, text[i], strlen(text[i]), &number);
    qni_free(c->values.ctx, &text);
    if (st) {
        qni_words_free(&sorted);
        return st;
    }
    qni_words_free(&c->values);
    c->values = sorted;
    return QN_OK;
}

static qn_status add_value(const struct fit *f, const char *cell, struct column *c)
{
    const int most = f->opt.most_values ? f->opt.most_values : MOST_VALUES;
    int64_t number;
    qn_status st;

    if ((st = qni_utf8_check(f->table->name, cell, strlen(cell))) || (st = qni_words_add(&c->values, cell, strlen(cell), &number)))
        return st;
    if (c->values.words > (size_t)most)
        return qni_error(QN_E_FORMAT, "%s: column \"%.80s\" has more than %d different values", f->table->name, c->name, most);
    return QN_OK;
}

static qn_status add_number(const struct fit *f, const char *cell, const struct column *c, struct tally *n)
{
    double v;

    if (!parse(cell, &v) || !isfinite((float)v))
        return f->opt.skip_bad ? QN_OK
                               : qni_error(QN_E_FORMAT, "%s: line %lld, column \"%.80s\": expected a number, found \"%.40s\"",
                                           f->table->name, (long long)qn_table_cursor_line(f->at), c->name, cell);
    n->numbers++;
    n->sum += v;
    n->least = fmin(n->least, v);
    n->most = fmax(n->most, v);
    return QN_OK;
}

static qn_status collect(const struct fit *f, const char *cell, struct column *c, struct tally *n, const struct qni_column *from)
{
    if (!cell || from->values.words)
        return QN_OK;
    return c->category ? add_value(f, cell, c) : add_number(f, cell, c, n);
}

static qn_status square(const struct fit *f, const char *cell, struct column *c, struct tally *n, const struct qni_column *from)
{
    double v;

    (void)f;
    (void)from;
    if (!c->category && parse(cell, &v) && isfinite((float)v))
        n->squares += (v - c->fill) * (v - c->fill);
    return QN_OK;
}

static qn_status fit_declared(const struct fit *f, struct column *c, const struct qni_words *declared)
{
    const int most = f->opt.most_values ? f->opt.most_values : MOST_VALUES;
    int64_t number;
    qn_status st = QN_OK;

    for (size_t i = 0; i < declared->words && !st; i++)
        st = qni_words_add(&c->values, qni_words_text(declared, i), declared->word[i].bytes, &number);
    return st || declared->words <= (size_t)most
               ? st
               : qni_error(QN_E_FORMAT, "%s: column \"%.80s\" has more than %d different values", f->table->name, c->name, most);
}

/* Between the passes that collect and that square: the mean. */
static void fit_mean(const struct fit *f)
{
    for (int k = 0; k < f->to->columns; k++)
        if (!f->to->column[k].category && f->tally[k].numbers)
            f->to->column[k].fill = f->tally[k].sum / (double)f->tally[k].numbers;
}

static void fit_scale(const struct fit *f, struct column *c, const struct tally *n)
{
    double v;

    if (f->opt.scale == QN_TABLE_AS_IS || !n->numbers)
        return;
    c->mean = f->opt.scale == QN_TABLE_MINMAX ? n->least : c->fill;
    v = f->opt.scale == QN_TABLE_MINMAX ? n->most - n->least : sqrt(n->squares / (double)n->numbers);
    c->deviation = v > 0 ? v : 1;
}

static qn_status check_opt(const struct fit *f)
{
    const qn_prep_table_opt *o = &f->opt;

    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if ((unsigned)o->scale > QN_TABLE_AS_IS || o->label < 0 || o->label > f->table->columns || o->most_values < 0 ||
        o->categories < 0 || (o->categories && !o->category))
        return qni_error(QN_E_ARG, "an option of the table's preparation is out of range");
    for (int i = 0; i < o->categories; i++) {
        int at = 0;

        while (o->category[i] && at < f->table->columns && strcmp(o->category[i], f->table->column[at].name))
            at++;
        if (!o->category[i] || at == f->table->columns)
            return qni_error(QN_E_ARG, "%s: there is no column \"%.80s\"", f->table->name, o->category[i] ? o->category[i] : "");
    }
    for (int64_t i = 0; f->row && i < f->rows; i++)
        if (f->row[i] < 0 || f->row[i] >= f->table->rows)
            return qni_error(QN_E_ARG, "row %lld of %lld", (long long)f->row[i], (long long)f->table->rows);
    return f->rows > 0 ? QN_OK : qni_error(QN_E_FORMAT, "%s: there is no row to fit to", f->table->name);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Sums do not depend on the order in which rows are named, and files are read from front to back. */
static qn_status sort_rows(struct fit *f)
{
    int64_t i = 1;
    qn_status st;

    while (f->row && i < f->rows && f->row[i] >= f->row[i - 1])
        i++;
    if (!f->row || i >= f->rows)
        return QN_OK;
    if ((st = qni_calloc(f->table->ctx, &f->sorted, (size_t)f->rows, sizeof(*f->sorted))))
        return st;
    memcpy(f->sorted, f->row, (size_t)f->rows * sizeof(*f->sorted));
    qsort(f->sorted, (size_t)f->rows, sizeof(*f->sorted), by_number);
    f->row = f->sorted;
    return QN_OK;
}

static qn_status add_columns(struct fit *f)
{
    struct rows *t = f->to;
    const int columns = f->table->columns;
    qn_status st;

    if ((st = qni_calloc(t->base.ctx, &t->column, (size_t)columns, sizeof(*t->column))) ||
        (st = qni_calloc(f->table->ctx, &f->column, (size_t)columns, sizeof(*f->column))) ||
        (st = qni_calloc(f->table->ctx, &f->tally, (size_t)columns, sizeof(*f->tally))))
        return st;
    for (int i = 0; i < columns; i++)
        if (i + 1 != f->opt.label) {
            struct column *c = &t->column[t->columns];

            f->column[t->columns++] = i;
            *c = (struct column){.values.ctx = t->base.ctx, .deviation = 1};
            if ((st = qni_strdup(t->base.ctx, &c->name, f->table->column[i].name)))
                return st;
        }
    f->good = t->columns;
    return QN_OK;
}

static qn_status find_kinds(struct fit *f)
{
    qn_status st = pass(f, count);

    for (int k = 0; k < f->good && !st; k++) {
        const struct qni_column *from = &f->table->column[f->column[k]];

        find_category(f, &f->to->column[k], &f->tally[k], from);
        f->tally[k] = (struct tally){.least = INFINITY, .most = -INFINITY};
        st = fit_declared(f, &f->to->column[k], &from->values);
        if (st == QN_E_FORMAT) {
            keep_fault(f, k);
            st = QN_OK;
        }
    }
    return st;
}

static qn_status fit_columns(struct fit *f)
{
    struct rows *t = f->to;
    qn_status st;

    if ((st = sort_rows(f)) || (st = add_columns(f)) || (st = find_kinds(f)) || (st = pass(f, collect)))
        return st;
    if (f->good < t->columns) {
        qni_error_put(f->fault);
        return QN_E_FORMAT;
    }
    fit_mean(f);
    if (f->opt.scale == QN_TABLE_STANDARD && (st = pass(f, square)))
        return st;
    for (int k = 0; k < t->columns && !st; k++) {
        struct column *c = &t->column[k];

        if (!c->category)
            fit_scale(f, c, &f->tally[k]);
        else if (!f->table->column[f->column[k]].values.words)
            st = sort_values(c);
    }
    if (!st && !start(t))
        st = qni_error(QN_E_FORMAT, "%s: its columns make no features, or more than %lld", f->table->name, (long long)MOST_WIDTH);
    return st;
}

qn_status qn_prep_table(qn_prep **out, const qn_table *table, const int64_t *row, int64_t rows, const qn_prep_table_opt *opt)
{
    struct fit f = {.table = table, .row = row, .rows = row ? rows : qn_table_rows(table)};
    qn_prep *p = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!table)
        return qni_error(QN_E_ARG, "the table is NULL");
    if (opt)
        f.opt = *opt;
    if ((st = check_opt(&f)) || (st = qni_prep_new(&f.to, table->ctx, &qni_prep_table_type)))
        return st;
    p = &f.to->base;
    f.to->named = table->named;
    f.to->numbered = f.opt.numbered;
    f.to->label = f.opt.label;
    if ((st = qn_table_cursor_open(&f.at, table)) || (st = fit_columns(&f)))
        goto done;
    *out = p;
    p = NULL;
done:
    qn_table_cursor_close(&f.at);
    qni_free(table->ctx, &f.sorted);
    qni_free(table->ctx, &f.column);
    qni_free(table->ctx, &f.tally);
    qn_prep_release(&p);
    return st;
}

/* ---- looking ---- */

int qn_prep_columns(const qn_prep *p)
{
    return p && p->type == &qni_prep_table_type ? ((const struct rows *)p)->columns : 0;
}

const char *qn_prep_column(const qn_prep *p, int column)
{
    return column >= 0 && column < qn_prep_columns(p) ? ((const struct rows *)p)->column[column].name : NULL;
}

qn_status qn_prep_table_match(const qn_prep *p, const qn_table *table, int *column)
{
    const struct rows *t = (const struct rows *)p;
    const int columns = qn_prep_columns(p);

    if (!columns || !table || !column)
        return qni_error(QN_E_ARG, columns ? "a pointer is NULL" : "the preparation is of no table");
    if (table->named && t->named) {
        for (int i = 0; i < columns; i++) {
            int at = 0;

            while (at < table->columns && strcmp(table->column[at].name, t->column[i].name))
                at++;
            if (at == table->columns)
                return qni_error(QN_E_FORMAT, "%s: there is no column \"%.80s\"", table->name, t->column[i].name);
            column[i] = at;
        }
        return QN_OK;
    }
    if (table->columns != columns && !(t->label && table->columns == columns + 1))
        return qni_error(QN_E_FORMAT, "%s: %d columns, expected %d", table->name, table->columns, columns);
    for (int i = 0; i < columns; i++)
        column[i] = i + (table->columns > columns && i + 1 >= t->label);
    return QN_OK;
}
