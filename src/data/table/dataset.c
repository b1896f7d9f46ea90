/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rows of tables as datasets in memory. */
#include "data/memory.h"
#include "data/prep/prep.h"
#include "data/table/table.h"

struct build {
    const qn_table *table;
    const qn_prep *input;
    const qn_dataset_table_opt *opt;
    int *column;       /* [columns of the preparation] */
    const char **cell; /* likewise */
    unsigned char *x, *y;
    size_t x_bytes, y_bytes; /* of a row */
};

static qn_status load_row(const struct build *b, int64_t row, int64_t to)
{
    const qn_dataset_table_opt *o = b->opt;
    const int columns = qn_prep_columns(b->input);
    qn_raw raw = {.cell = b->cell, .cells = columns};
    qn_status st;

    for (int i = 0; i < columns; i++)
        b->cell[i] = qn_table_cell(b->table, row, b->column[i]);
    st = qn_prep_load(b->input, &raw, b->x + (size_t)to * b->x_bytes);
    if (!st && o->target) {
        raw = (qn_raw){.text = qn_table_cell(b->table, row, o->label - 1)};
        st = raw.text ? qn_prep_load(o->target, &raw, b->y + (size_t)to * b->y_bytes)
                      : qni_error(QN_E_FORMAT, "the label is missing");
    }
    if (st != QN_E_FORMAT)
        return st;
    qni_error_prefix("%s: line %lld: ", b->table->name, (long long)qn_table_line(b->table, row));
    return st;
}

static qn_status check(const struct build *b)
{
    const qn_dataset_table_opt *o = b->opt;

    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (!b->table || !qn_prep_columns(b->input))
        return qni_error(QN_E_ARG, b->table ? "the preparation is of no table" : "the table is NULL");
    if (o->target && (o->label < 1 || o->label > b->table->columns))
        return qni_error(QN_E_ARG, "the label is column %d of %d", o->label, b->table->columns);
    for (int64_t i = 0; o->row && i < o->rows; i++)
        if (o->row[i] < 0 || o->row[i] >= b->table->rows)
            return qni_error(QN_E_ARG, "row %lld of %lld", (long long)o->row[i], (long long)b->table->rows);
    return QN_OK;
}

static size_t bytes_of(const qn_field *f)
{
    return (size_t)qni_elements(&f->shape) * qn_dtype_bytes(f->dtype);
}

static qn_status load_rows(struct build *b, int64_t rows, int64_t *kept)
{
    const qn_dataset_table_opt *o = b->opt;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < rows && !st; i++) {
        st = load_row(b, o->row ? o->row[i] : i, *kept);
        *kept += !st;
        if (st == QN_E_FORMAT && o->bad) {
            o->bad(o->user, qn_last_error());
            st = QN_OK;
        }
    }
    return st || *kept ? st : qni_error(QN_E_FORMAT, "%s: no row can be used", b->table->name);
}

qn_status qn_dataset_table(qn_dataset **out, const qn_table *table, const qn_prep *input, const qn_dataset_table_opt *opt)
{
    static const qn_dataset_table_opt defaults;
    struct build b = {.table = table, .input = input, .opt = opt ? opt : &defaults};
    struct qni_memory_field data[2] = {{0}};
    qn_field field[2];
    qn_context *ctx;
    int64_t rows, kept = 0;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = check(&b)))
        return st;
    ctx = table->ctx;
    rows = b.opt->row ? b.opt->rows : table->rows;
    field[0] = *qn_prep_field(input);
    b.x_bytes = bytes_of(&field[0]);
    if (b.opt->target) {
        field[1] = *qn_prep_field(b.opt->target);
        b.y_bytes = bytes_of(&field[1]);
    }
    if ((st = qni_calloc(ctx, &b.column, (size_t)qn_prep_columns(input), sizeof(*b.column))) ||
        (st = qni_calloc(ctx, &b.cell, (size_t)qn_prep_columns(input), sizeof(*b.cell))) ||
        (st = qni_calloc(ctx, &b.x, (size_t)rows, b.x_bytes)) ||
        (b.y_bytes && (st = qni_calloc(ctx, &b.y, (size_t)rows, b.y_bytes))) ||
        (st = qn_prep_table_match(input, table, b.column)) || (st = load_rows(&b, rows, &kept)))
        goto done;
    data[0].data = data[0].owned = b.x;
    data[1].data = data[1].owned = b.y;
    if (!(st = qni_dataset_memory(out, ctx, kept, field, b.opt->target ? 2 : 1, data, 1)))
        b.x = b.y = NULL;
done:
    qni_free(ctx, &b.column);
    qni_free(ctx, &b.cell);
    qni_free(ctx, &b.x);
    qni_free(ctx, &b.y);
    return st;
}
