/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tables inside. */
#ifndef QNI_DATA_TABLE_H
#define QNI_DATA_TABLE_H

#include <quern/data_table.h>

#include "data/table/file.h"
#include "data/table/rows.h"
#include "data/text/text.h"

enum qni_column_kind {
    QNI_COLUMN_ANY,      /* its cells say what it is */
    QNI_COLUMN_NUMBER,   /* declared */
    QNI_COLUMN_CATEGORY, /* declared, with its values */
    QNI_COLUMN_TEXT      /* declared */
};

struct qni_column {
    char *name;
    enum qni_column_kind kind;
    struct qni_words values; /* as declared */
};

struct qn_table {
    qn_context *ctx;
    char *name; /* of the file */
    struct qni_column *column; /* [columns] */
    int columns;
    size_t column_room;
    bool named;    /* by the file */
    size_t *cell;  /* [rows, columns] place in text + 1; 0: missing */
    size_t cells, cell_room;
    char *text;    /* of the cells, each with its zero */
    size_t length, room;
    int64_t *line; /* [rows] */
    int64_t rows;
    size_t line_room;
    struct qni_row_file *file; /* its rows are read from there; NULL: they are in memory, in what stands above */
};

struct qn_table_cursor {
    const qn_table *table; /* NULL where the file is enough */
    int64_t row;           /* of a table in memory; -1: none */
    struct qni_row_cursor *in;
};

/* Another column, by its name. */
qn_status qni_table_add_column(qn_table *t, const char *name, size_t bytes, enum qni_column_kind kind);
/* arff.c: does a file begin so? in->piece is filled and nothing is taken. */
bool qni_arff_begins(const struct qni_rows *in);
/* The head, up to @data: the columns. */
qn_status qni_arff_head(qn_table *t, struct qni_rows *in);

#endif
