/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The lines of CSV and ARFF files. Values may stand in double quotes, a quote in them doubled, as RFC 4180 has it; lines
 * end in LF, CR LF or CR. */
#ifndef QNI_DATA_ROWS_H
#define QNI_DATA_ROWS_H

#include "data/data.h"

/* Set reader, separator and max_bytes, all else zero. */
struct qni_rows {
    const qn_reader *reader;
    char separator;
    int64_t max_bytes;
    bool arff; /* single quotes too; lines that begin with % are comments */

    qn_context *ctx;
    unsigned char *piece;
    size_t at, have;
    int64_t total;    /* bytes read */
    int64_t line;     /* of the character that comes next, from 1 */
    int64_t row_line; /* where the row began */
    int64_t row_at;   /* its first byte in the text */

    struct qni_text row; /* the values of one line, each ended by a zero */
    size_t *start;       /* [values] of each in row */
    size_t values, start_room;
};

qn_status qni_rows_begin(struct qni_rows *c, qn_context *ctx);
void qni_rows_end(struct qni_rows *c);
/* Something in piece, unless the text is empty; for those who look before they read. */
qn_status qni_rows_fill(struct qni_rows *c);
/* The values of the next line that is not empty; none at the end. */
qn_status qni_rows_next(struct qni_rows *c);
/* One of them, without the spaces around it; no zero need stand behind it. */
const char *qni_rows_value(const struct qni_rows *c, size_t column, size_t *length);
/* The next line as it is, in row.data with a zero; false at the end, and on a failure, which is in *st. */
bool qni_rows_line(struct qni_rows *c, qn_status *st);

#endif
