/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rows of a file that is too large for memory: where they are is found once, and they are read again whenever they are
 * wanted, by several threads at once. */
#ifndef QNI_DATA_ROW_FILE_H
#define QNI_DATA_ROW_FILE_H

#include "data/table/rows.h"

/* Where some of the rows begin; those between are found by reading on. */
struct qni_row_block {
    int64_t offset, line, row;
};

struct qni_row_file {
    atomic_int references;
    qn_context *ctx;
    char *name;
    int fd;
    int64_t keep_bytes;
    int64_t bytes, changed[2]; /* as it was when it was opened: size, and time of its last change */
    char separator;
    bool arff;
    bool lines;    /* rows are lines as they are, in.row.data, without cells; else */
    size_t values; /* of a row; lines with more or less of them, or with a zero byte, are no rows */
    int64_t rows;
    struct qni_row_block *block; /* [blocks] at most most_blocks, by offset */
    size_t blocks, block_room, most_blocks;
    int64_t block_bytes; /* from one block to the next, at least */
    pthread_mutex_t lock;
    struct qni_row_cursor *spare; /* a list of those that are not used now */
};

/* A place in a file: one thread's own. */
struct qni_row_cursor {
    struct qni_row_file *file;
    struct qni_row_cursor *next_spare;
    qn_reader reader; /* its user points here */
    struct qni_rows in;
    int64_t at;        /* offset that is read next */
    size_t most;       /* bytes of the next read at most; 0: as asked for */
    int64_t row, next; /* the row that is held and the one that comes next; -1: none */
    const char **cell; /* [values] of the row that is held; NULL where one is missing */
    size_t cells;
};

/* A regular file. The blocks take keep_bytes / 8 at most, or some KiB. */
qn_status qni_row_file_open(struct qni_row_file **out, qn_context *ctx, const char *path, int64_t keep_bytes);
void qni_row_file_release(struct qni_row_file **file);
struct qni_row_file *qni_row_file_retain(struct qni_row_file *f);
/* The next row begins there. */
qn_status qni_row_file_add(struct qni_row_file *f, int64_t offset, int64_t line);

/* One that nobody uses, at no row; at the file's start where it is new. To be given back before the file is released. */
qn_status qni_row_cursor_take(struct qni_row_cursor **out, struct qni_row_file *f);
void qni_row_cursor_give(struct qni_row_cursor **cursor);
/* To a row, 0 to rows - 1: its cells and in.row_line hold until the next call. */
qn_status qni_row_cursor_go(struct qni_row_cursor *c, int64_t row);

#endif
