/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tables from CSV and ARFF files, as they stand there: cells of text, some of them missing. What is made of them for a
 * network is a preparation, qn_prep_table(), fitted to the rows that are trained on. */
#ifndef QUERN_DATA_TABLE_H
#define QUERN_DATA_TABLE_H

#include <quern/data_prep.h>

QN_BEGIN_DECLS

/** A table: in memory, or, where the file is too large for that, in the file. It does not change. */
typedef struct qn_table qn_table;

/** Options of qn_table_read(). */
typedef struct qn_table_opt {
    qn_context *context;   /**< retained; NULL: a default one */
    qn_csv_header header;  /**< of CSV: whether the first line names the columns */
    char separator;        /**< of CSV; 0: ',' */
    int64_t max_bytes;     /**< longest text accepted; 0: 2^31, and any where it is not kept */
    int64_t keep_bytes;    /**< qn_table_read: a longer file is not kept in memory, but read again where it is needed; 0: 2^31 */
    /** Is told about a row that has not as many values as the others, in a line, and the row is left out. NULL: an error. */
    void (*bad)(void *user, const char *line);
    void *user;            /**< handed to it */
    uintptr_t reserved[3]; /**< must be zero */
} qn_table_opt;

/**
 * A table from a CSV or ARFF file; which of them it is, its first word says and not its name.
 *
 * A cell that is empty or "?" is missing. Of ARFF files numeric, real, integer, string and nominal attributes are taken;
 * sparse rows and weights are not.
 *
 * Of a file longer than keep_bytes only the places of some rows are kept, in an eighth of keep_bytes or less; its rows are
 * read again when they are looked at, through a qn_table_cursor, and when a dataset of it is read. The file must stay as it
 * is until table and datasets are gone; where its size or time says that it did not, reading is QN_E_IO.
 *
 * @param out   receives it; the caller owns it; NULL on failure
 * @param path  the file
 * @param opt   NULL for the defaults
 *
 * @retval QN_E_ARG          a pointer is NULL or an option is out of range
 * @retval QN_E_IO           the file cannot be opened or read
 * @retval QN_E_FORMAT       not such a table; the message says file and line
 * @retval QN_E_UNSUPPORTED  an ARFF file with dates, relations or sparse rows
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_table_read(qn_table **out, const char *path, const qn_table_opt *opt);

/** As qn_table_read(), from a reader, which is borrowed during the call. */
QN_API qn_status qn_table_from(qn_table **out, const qn_reader *text, const qn_table_opt *opt);

/** Give a table up and clear the pointer; accepts NULL. Threads: any. */
QN_API void qn_table_destroy(qn_table **table);

/** Number of rows; 0 for NULL. Threads: any. */
QN_API int64_t qn_table_rows(const qn_table *table);
/** Number of columns; 0 for NULL. Threads: any. */
QN_API int qn_table_columns(const qn_table *table);
/** A column's name, lent; "1", "2", ... where the file names none; NULL where there is no such column. Threads: any. */
QN_API const char *qn_table_column(const qn_table *table, int column);
/** The column of a name, or of a number from 1 written out; -1 where there is none. Threads: any. */
QN_API int qn_table_find(const qn_table *table, const char *name);
/** A cell, lent; NULL where it is missing or there is none, and where the table is not in memory. Threads: any. */
QN_API const char *qn_table_cell(const qn_table *table, int64_t row, int column);
/** The line of the file that a row began in, from 1; 0 where the table is not in memory. Threads: any. */
QN_API int64_t qn_table_line(const qn_table *table, int64_t row);

/** A row of a table, whether it is in memory or not. */
typedef struct qn_table_cursor qn_table_cursor;

/**
 * A cursor, at no row yet. Rows one after another are read fastest.
 *
 * @param out    receives it; the caller owns it; NULL on failure
 * @param table  borrowed until the cursor is closed
 *
 * @retval QN_E_ARG          a pointer is NULL
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any; each needs its own cursor.
 */
QN_API qn_status qn_table_cursor_open(qn_table_cursor **out, const qn_table *table);

/**
 * Go to a row.
 *
 * @retval QN_E_ARG          the cursor is NULL or there is no such row
 * @retval QN_E_IO           the file cannot be read, or is not as it was when the table was made
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: one.
 */
QN_API qn_status qn_table_cursor_go(qn_table_cursor *cursor, int64_t row);

/** A cell of the row, lent until the cursor goes on; NULL where it is missing or there is none. Threads: one. */
QN_API const char *qn_table_cursor_cell(const qn_table_cursor *cursor, int column);
/** The line of the file that the row began in, from 1; 0 before the first. Threads: one. */
QN_API int64_t qn_table_cursor_line(const qn_table_cursor *cursor);
/** Give a cursor up and clear the pointer; accepts NULL. Threads: one. */
QN_API void qn_table_cursor_close(qn_table_cursor **cursor);

/**
 * What is remarkable about a table, in lines: missing values, rows that are there before, numbers far from the others.
 *
 * Far is more than five standard deviations from the column's mean. Nothing is changed.
 *
 * @param table  borrowed
 * @param out    [most] receives the text, cut where it is longer, with a zero; may be NULL when most is 0
 * @param most   its size
 * @param bytes  receives the whole text's length, without the zero
 *
 * @retval QN_E_ARG          a pointer is NULL
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_table_report(const qn_table *table, char *out, size_t most, size_t *bytes);

/** How numbers are brought to a common size. */
typedef enum qn_table_scale {
    QN_TABLE_STANDARD = 0, /**< less the mean, divided by the standard deviation (that of the whole, not of a sample) */
    QN_TABLE_MINMAX = 1,   /**< the smallest 0, the largest 1 */
    QN_TABLE_AS_IS = 2      /**< as they are */
} qn_table_scale;

/** Options of qn_prep_table(). */
typedef struct qn_prep_table_opt {
    int label;                   /**< column that is not for the input, counted from 1; 0: none */
    qn_table_scale scale;              /**< of columns of numbers */
    bool numbered;               /**< a category is one number, 1 for its first value; default: a 1 at its value's place, else 0 */
    const char *const *category; /**< [categories] names of columns of numbers that are categories nevertheless */
    int categories;              /**< how many */
    int most_values;             /**< different values that a category may have; 0: 256 */
    bool skip_bad;               /**< cells of a column of numbers that are none do not count; default: an error */
    uintptr_t reserved[3];       /**< must be zero */
} qn_prep_table_opt;

/**
 * A table's rows as arrays, fitted to some of them.
 *
 * A column is a category where the file says so, where the options name it, or where at least half of its cells are no
 * numbers; its values are those in the fitted rows, in the order of the file, of ARFF's list, or of their size. The sample
 * is f32 [width]: a place for a column of numbers, and one for each value of a category, or one for all. A missing number
 * is the fitted rows' mean; a missing category, or a value that was not there, is 0 everywhere. The raw thing is
 * qn_raw.cell, one for each of the preparation's columns in their order, NULL, "" or "?" where it is missing.
 *
 * @param out    receives it; the caller owns it; NULL on failure
 * @param table  borrowed
 * @param row    [rows] numbers of the rows to fit to; NULL: all
 * @param rows   how many
 * @param opt    NULL for the defaults
 *
 * @retval QN_E_ARG          a pointer is NULL or an option is out of range, or a column is named that there is none of
 * @retval QN_E_FORMAT       there is no row, a cell of a column of numbers is none, or a category has too many values
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_table(qn_prep **out, const qn_table *table, const int64_t *row, int64_t rows,
                               const qn_prep_table_opt *opt);

/** Number of columns that QN_PREP_TABLE takes; 0 for others and NULL. Threads: any. */
QN_API int qn_prep_columns(const qn_prep *prep);
/** A column's name, lent by the preparation; NULL where there is none. Threads: any. */
QN_API const char *qn_prep_column(const qn_prep *prep, int column);

/**
 * Which columns of a table a preparation takes.
 *
 * By name, where the file names its columns; else by place, as in the table it was fitted to, whose label may be left out.
 *
 * @param prep    of qn_prep_table()
 * @param table   borrowed
 * @param column  [qn_prep_columns()] receives them
 *
 * @retval QN_E_ARG     a pointer is NULL, or the preparation is of another kind
 * @retval QN_E_FORMAT  a column is not there
 *
 * Threads: any.
 */
QN_API qn_status qn_prep_table_match(const qn_prep *prep, const qn_table *table, int *column);

/** Options of qn_dataset_table(). */
typedef struct qn_dataset_table_opt {
    const int64_t *row;    /**< [rows] the rows, in this order; NULL: all */
    int64_t rows;          /**< how many */
    qn_prep *target;       /**< of numbers or classes; NULL: a dataset of inputs alone */
    int label;             /**< the target's column, counted from 1 */
    /** Is told about a row that cannot be used, and the row is left out. NULL: an error. */
    void (*bad)(void *user, const char *line);
    void *user;            /**< handed to it */
    uintptr_t reserved[4]; /**< must be zero */
} qn_dataset_table_opt;

/**
 * A table's rows, prepared: in memory; where the table is not, whenever they are read, by the threads that read.
 *
 * @param out    receives the dataset; the caller owns it; NULL on failure
 * @param table  borrowed
 * @param input  of qn_prep_table(); retained
 * @param opt    NULL for the defaults; the target's preparation is retained
 *
 * @retval QN_E_ARG          a pointer is NULL or an option is out of range
 * @retval QN_E_FORMAT       a cell is wrong or a label is missing; the message says file, line and column
 * @retval QN_E_IO           of a table that is not in memory: the file cannot be read or is not as it was; also of a read
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_dataset_table(qn_dataset **out, const qn_table *table, const qn_prep *input, const qn_dataset_table_opt *opt);

QN_END_DECLS

#endif
