/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What is remarkable about a table. */
#include <math.h>

#include "data/table/table.h"

#define FAR 5.0 /* standard deviations */

static void report_missing(const qn_table *t, struct qni_text *text)
{
    int64_t total = 0;
    int shown = 0;

    for (size_t i = 0; i < t->cells; i++)
        total += !t->cell[i];
    qni_text_add(text, "missing values: %lld", (long long)total);
    for (int c = 0; c < t->columns && total; c++) {
        int64_t n = 0;

        for (int64_t r = 0; r < t->rows; r++)
            n += !qn_table_cell(t, r, c);
        if (n)
            qni_text_add(text, "%s%s %lld", shown++ ? ", " : " (", t->column[c].name, (long long)n);
    }
    qni_text_add(text, "%s\n", shown ? ")" : "");
}

/* ---- rows that are there before ---- */

static uint64_t hash_row(const qn_table *t, int64_t row)
{
    uint64_t h = QNI_HASH_START;

    for (int c = 0; c < t->columns; c++) {
        const char *cell = qn_table_cell(t, row, c);

        h = qni_hash(h, cell ? cell : "?", cell ? strlen(cell) + 1 : 1);
    }
    return h;
}

static bool same_rows(const qn_table *t, int64_t a, int64_t b)
{
    for (int c = 0; c < t->columns; c++) {
        const char *x = qn_table_cell(t, a, c), *y = qn_table_cell(t, b, c);

        if (!x != !y || (x && strcmp(x, y)))
            return false;
    }
    return true;
}

static void report_repeated(const qn_table *t, struct qni_text *text)
{
    uint64_t slots = 64;
    int64_t *slot = NULL, repeated = 0, first = 0;

    while (slots < 2 * (uint64_t)t->rows)
        slots *= 2;
    if (text->status || (text->status = qni_calloc(t->ctx, &slot, (size_t)slots, sizeof(*slot))))
        return;
    for (int64_t r = 0; r < t->rows; r++) {
        uint64_t i = hash_row(t, r) & (slots - 1);

        while (slot[i] && !same_rows(t, slot[i] - 1, r))
            i = (i + 1) & (slots - 1);
        if (slot[i] && !repeated++)
            first = t->line[r];
        if (!slot[i])
            slot[i] = r + 1;
    }
    qni_free(t->ctx, &slot);
    qni_text_add(text, "rows that are there before: %lld", (long long)repeated);
    if (repeated)
        qni_text_add(text, " (the first in line %lld)", (long long)first);
    qni_text_add(text, "\n");
}

/* ---- numbers far from the others ---- */

static bool cell_number(const qn_table *t, int64_t row, int column, double *v)
{
    const char *s = qn_table_cell(t, row, column);

    return s && qni_parse_number(s, strlen(s), v) && isfinite(*v);
}

/* How many there are in a column of numbers, and the farthest one. */
static int64_t far_ones(const qn_table *t, int column, int64_t *farthest)
{
    double sum = 0, squares = 0, most = 0, v;
    int64_t n = 0, found = 0;

    for (int64_t r = 0; r < t->rows; r++)
        if (cell_number(t, r, column, &v)) {
            sum += v;
            n++;
        }
    if (n < 2 || 2 * n < t->rows || t->column[column].kind == QNI_COLUMN_CATEGORY)
        return 0;
    for (int64_t r = 0; r < t->rows; r++)
        if (cell_number(t, r, column, &v))
            squares += (v - sum / (double)n) * (v - sum / (double)n);
    for (int64_t r = 0; r < t->rows; r++) {
        const bool is = cell_number(t, r, column, &v);
        const double distance = is ? fabs(v - sum / (double)n) : 0;

        found += is && distance > FAR * sqrt(squares / (double)n);
        if (distance > most) {
            most = distance;
            *farthest = r;
        }
    }
    return found;
}

static void report_far(const qn_table *t, struct qni_text *text)
{
    int shown = 0;

    qni_text_add(text, "values beyond %g standard deviations: ", FAR);
    for (int c = 0; c < t->columns; c++) {
        int64_t row = 0;
        const int64_t n = far_ones(t, c, &row);

        if (n)
            qni_text_add(text, "%s%s %lld (as %s in line %lld)", shown++ ? ", " : "", t->column[c].name, (long long)n,
                         qn_table_cell(t, row, c), (long long)t->line[row]);
    }
    qni_text_add(text, "%s\n", shown ? "" : "none");
}

qn_status qn_table_report(const qn_table *t, char *out, size_t most, size_t *bytes)
{
    struct qni_text text = {0};

    if (!t || !bytes || (most && !out))
        return qni_error(QN_E_ARG, "a pointer is NULL");
    text.ctx = t->ctx;
    qni_text_add(&text, "%lld rows of %d columns\n", (long long)t->rows, t->columns);
    report_missing(t, &text);
    report_repeated(t, &text);
    report_far(t, &text);
    return qni_text_give(&text, out, most, bytes);
}
