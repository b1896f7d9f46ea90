/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rows of tables, one at a time. */
#include "data/table/table.h"

qn_status qn_table_cursor_open(qn_table_cursor **out, const qn_table *table)
{
    qn_table_cursor *c = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!table)
        return qni_error(QN_E_ARG, "the table is NULL");
    if ((st = qni_calloc(table->ctx, &c, 1, sizeof(*c))))
        return st;
    c->table = table;
    c->row = -1;
    if (table->file && (st = qni_row_cursor_take(&c->in, table->file)))
        qni_free(table->ctx, &c);
    *out = c;
    return st;
}

qn_status qn_table_cursor_go(qn_table_cursor *c, int64_t row)
{
    if (!c)
        return qni_error(QN_E_ARG, "the cursor is NULL");
    if (c->in)
        return qni_row_cursor_go(c->in, row);
    if (row < 0 || row >= c->table->rows)
        return qni_error(QN_E_ARG, "%s: row %lld of %lld", c->table->name, (long long)row, (long long)c->table->rows);
    c->row = row;
    return QN_OK;
}

const char *qn_table_cursor_cell(const qn_table_cursor *c, int column)
{
    if (!c || !c->in)
        return c ? qn_table_cell(c->table, c->row, column) : NULL;
    return c->in->row >= 0 && column >= 0 && (size_t)column < c->in->cells ? c->in->cell[column] : NULL;
}

int64_t qn_table_cursor_line(const qn_table_cursor *c)
{
    if (!c || !c->in)
        return c ? qn_table_line(c->table, c->row) : 0;
    return c->in->row >= 0 ? c->in->in.row_line : 0;
}

void qn_table_cursor_close(qn_table_cursor **cursor)
{
    qn_table_cursor *c = cursor ? *cursor : NULL;

    if (!c)
        return;
    *cursor = NULL;
    if (c->in)
        qni_row_cursor_give(&c->in);
    qni_free(c->table->ctx, &c);
}
