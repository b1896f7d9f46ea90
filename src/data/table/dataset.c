/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rows of tables as datasets: prepared once, in memory, or whenever they are read from a file that is not kept. */
#include "data/memory.h"
#include "data/prep/prep.h"
#include "data/table/table.h"

#define ALIGN 64

/* How a row becomes a sample. */
struct plan {
    const qn_prep *input, *target; /* target NULL: none */
    int *column;                   /* [columns of the input's preparation] */
    int label;                     /* column, from 1 */
    const char *name;              /* of the file */
};

/* The row that the cursor is at. cell: [columns of the preparation], for this thread. */
static qn_status load_row(const struct plan *p, const qn_table_cursor *at, const char **cell, void *x, void *y)
{
    const int columns = qn_prep_columns(p->input);
    qn_raw raw = {.cell = cell, .cells = columns};
    qn_status st = QN_OK;

    for (int i = 0; i < columns; i++)
        cell[i] = qn_table_cursor_cell(at, p->column[i]);
    if (x)
        st = qn_prep_load(p->input, &raw, x);
    if (!st && y) {
        raw = (qn_raw){.text = qn_table_cursor_cell(at, p->label - 1)};
        st = raw.text ? qn_prep_load(p->target, &raw, y) : qni_error(QN_E_FORMAT, "the label is missing");
    }
    if (st == QN_E_FORMAT)
        qni_error_prefix("%s: line %lld: ", p->name, (long long)qn_table_cursor_line(at));
    return st;
}

struct build {
    struct plan plan;
    const qn_table *table;
    const qn_dataset_table_opt *opt;
    qn_table_cursor *at;
    const char **cell;
    int64_t rows;        /* that are asked for */
    qn_field field[2];
    size_t bytes[2];     /* of a row's x and y */
    unsigned char *x, *y; /* [rows], or of one row */
    unsigned char *bad;  /* [rows of the table], a bit each: it cannot be used */
    int64_t bads;
    int64_t *row;        /* [kept] of a table that is not in memory */
};

static qn_status check(const struct build *b)
{
    const qn_dataset_table_opt *o = b->opt;

    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (!b->table || !qn_prep_columns(b->plan.input))
        return qni_error(QN_E_ARG, b->table ? "the preparation is of no table" : "the table is NULL");
    if (o->target && (o->label < 1 || o->label > b->table->columns))
        return qni_error(QN_E_ARG, "the label is column %d of %d", o->label, b->table->columns);
    for (int64_t i = 0; o->row && i < o->rows; i++)
        if (o->row[i] < 0 || o->row[i] >= b->table->rows)
            return qni_error(QN_E_ARG, "row %lld of %lld", (long long)o->row[i], (long long)b->table->rows);
    return QN_OK;
}

static int64_t row_at(const struct build *b, int64_t i)
{
    return b->opt->row ? b->opt->row[i] : i;
}

/* A row to the place `to`; one that cannot be used is told about, where that is wanted, and *used is false. */
static qn_status try_row(const struct build *b, int64_t row, int64_t to, bool *used)
{
    qn_status st;

    *used = false;
    if ((st = qn_table_cursor_go(b->at, row)))
        return st;
    st = load_row(&b->plan, b->at, b->cell, b->x + (size_t)to * b->bytes[0], b->y ? b->y + (size_t)to * b->bytes[1] : NULL);
    *used = !st;
    if (st != QN_E_FORMAT || !b->opt->bad)
        return st;
    b->opt->bad(b->opt->user, qn_last_error());
    return QN_OK;
}

static qn_status check_kept(const struct build *b, int64_t kept)
{
    return kept ? QN_OK : qni_error(QN_E_FORMAT, "%s: no row can be used", b->plan.name);
}

/* ---- in memory ---- */

static qn_status keep_rows(qn_dataset **out, struct build *b)
{
    qn_context *ctx = b->table->ctx;
    struct qni_memory_field data[2] = {{0}};
    int64_t kept = 0;
    bool used;
    qn_status st;

    if ((st = qni_calloc(ctx, &b->x, (size_t)b->rows, b->bytes[0])) ||
        (b->plan.target && (st = qni_calloc(ctx, &b->y, (size_t)b->rows, b->bytes[1]))))
        return st;
    for (int64_t i = 0; i < b->rows && !st; i++) {
        st = try_row(b, row_at(b, i), kept, &used);
        kept += used;
    }
    if (st || (st = check_kept(b, kept)))
        return st;
    data[0].data = data[0].owned = b->x;
    data[1].data = data[1].owned = b->y;
    if (!(st = qni_dataset_memory(out, ctx, kept, b->field, b->plan.target ? 2 : 1, data, 1)))
        b->x = b->y = NULL;
    return st;
}

/* ---- in the file ---- */

struct rows {
    qn_dataset base;
    struct plan plan;
    struct qni_row_file *file;
    int64_t *row; /* [samples] NULL: all, in their order */
};

static qn_status read_rows(const qn_dataset *ds, const struct qni_read *r)
{
    const struct rows *s = (const struct rows *)ds;
    qn_table_cursor at = {0};
    qn_status st = qni_row_cursor_take(&at.in, s->file);

    for (int64_t i = 0; i < r->count && !st; i++) {
        unsigned char *x = r->out[0], *y = ds->fields > 1 ? r->out[1] : NULL;

        if (!(st = qni_row_cursor_go(at.in, s->row ? s->row[r->index[i]] : r->index[i])))
            st = load_row(&s->plan, &at, (const char **)(void *)r->scratch, x ? x + (size_t)i * ds->sample_bytes[0] : NULL,
                          y ? y + (size_t)i * ds->sample_bytes[1] : NULL);
    }
    qni_row_cursor_give(&at.in);
    return st;
}

static void close_rows(qn_dataset *ds)
{
    struct rows *s = (struct rows *)ds;
    qn_prep *input = (qn_prep *)s->plan.input, *target = (qn_prep *)s->plan.target;

    qn_prep_release(&input);
    qn_prep_release(&target);
    qni_free(ds->ctx, &s->plan.column);
    qni_free(ds->ctx, &s->row);
    qni_row_file_release(&s->file);
}

static const struct qni_dataset_kind rows_kind = {read_rows, close_rows};

static bool has_bit(const unsigned char *bits, int64_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

static void set_bit(unsigned char *bits, int64_t i)
{
    bits[i / 8] = (unsigned char)(bits[i / 8] | 1 << i % 8);
}

/* Which rows cannot be used: a look at those that are asked for, in the file's order, which is fast. */
static qn_status find_bad(struct build *b)
{
    const size_t bytes = (size_t)b->table->rows / 8 + 1;
    unsigned char *wanted = NULL;
    qn_status st;

    if ((st = qni_calloc(b->table->ctx, &b->bad, bytes, 1)) || (st = qni_calloc(b->table->ctx, &wanted, bytes, 1)))
        return st;
    for (int64_t i = 0; i < b->rows; i++)
        set_bit(wanted, row_at(b, i));
    for (int64_t i = 0; i < b->table->rows && !st; i++)
        if (has_bit(wanted, i) && !(st = qn_table_cursor_go(b->at, i)) &&
            (st = load_row(&b->plan, b->at, b->cell, b->x, b->y)) == QN_E_FORMAT) {
            set_bit(b->bad, i);
            b->bads++;
            st = QN_OK;
        }
    qni_free(b->table->ctx, &wanted);
    return st;
}

/* The numbers of those that can; the others are told about in the order that was asked for, as those in memory are. */
static qn_status list_rows(struct build *b, int64_t *kept)
{
    bool used;
    qn_status st;

    if (!b->opt->row && !b->bads) {
        *kept = b->rows;
        return QN_OK;
    }
    if ((st = qni_calloc(b->table->ctx, &b->row, (size_t)b->rows, sizeof(*b->row))))
        return st;
    for (int64_t i = 0; i < b->rows && !st; i++) {
        const int64_t row = row_at(b, i);

        if (!has_bit(b->bad, row))
            b->row[(*kept)++] = row;
        else
            st = try_row(b, row, 0, &used);
    }
    return st ? st : check_kept(b, *kept);
}

static qn_status point_at_rows(qn_dataset **out, struct build *b)
{
    qn_context *ctx = b->table->ctx;
    struct rows *s = NULL;
    int64_t kept = 0;
    qn_status st;

    if ((st = qni_calloc(ctx, &b->x, 1, b->bytes[0])) ||
        (b->plan.target && (st = qni_calloc(ctx, &b->y, 1, b->bytes[1]))) || (st = find_bad(b)) || (st = list_rows(b, &kept)) ||
        (st = qni_dataset_new(&s, sizeof(*s), ctx, kept, b->field, b->plan.target ? 2 : 1)))
        return st;
    s->plan = b->plan;
    s->plan.input = qni_prep_retain((qn_prep *)b->plan.input);
    s->plan.target = b->plan.target ? qni_prep_retain((qn_prep *)b->plan.target) : NULL;
    s->file = qni_row_file_retain(b->table->file);
    s->plan.name = s->file->name;
    s->row = b->row;
    s->base.scratch = (size_t)qni_round_up((int64_t)sizeof(char *) * qn_prep_columns(b->plan.input), ALIGN);
    s->base.kind = &rows_kind;
    b->plan.column = NULL;
    b->row = NULL;
    *out = &s->base;
    return QN_OK;
}

qn_status qn_dataset_table(qn_dataset **out, const qn_table *table, const qn_prep *input, const qn_dataset_table_opt *opt)
{
    static const qn_dataset_table_opt defaults;
    struct build b = {.plan.input = input, .table = table, .opt = opt ? opt : &defaults};
    qn_context *ctx;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = check(&b)))
        return st;
    ctx = table->ctx;
    b.plan.target = b.opt->target;
    b.plan.label = b.opt->label;
    b.plan.name = table->name;
    b.rows = b.opt->row ? b.opt->rows : table->rows;
    for (int i = 0; i < 1 + (b.plan.target != NULL); i++) {
        b.field[i] = *qn_prep_field(i ? b.plan.target : input);
        b.bytes[i] = (size_t)qni_elements(&b.field[i].shape) * qn_dtype_bytes(b.field[i].dtype);
    }
    if ((st = qni_calloc(ctx, &b.plan.column, (size_t)qn_prep_columns(input), sizeof(*b.plan.column))) ||
        (st = qni_calloc(ctx, &b.cell, (size_t)qn_prep_columns(input), sizeof(*b.cell))) ||
        (st = qn_table_cursor_open(&b.at, table)) || (st = qn_prep_table_match(input, table, b.plan.column)))
        goto done;
    st = table->file ? point_at_rows(out, &b) : keep_rows(out, &b);
done:
    qn_table_cursor_close(&b.at);
    qni_free(ctx, &b.plan.column);
    qni_free(ctx, &b.cell);
    qni_free(ctx, &b.x);
    qni_free(ctx, &b.y);
    qni_free(ctx, &b.bad);
    qni_free(ctx, &b.row);
    return st;
}
