/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What is remarkable about a table. */
#include <math.h>

#include "data/table/table.h"

#define FAR           5.0 /* standard deviations */
#define LEAST_SLOTS   64
#define SLOTS_OF_FILE 8192 /* as many are allowed at least */

/* What is counted in a column. */
struct tally {
    int64_t missing, numbers;
    double sum, squares;
    double distance;  /* of the farthest number from the mean */
    int64_t far, row; /* how many are far, and the row of the farthest */
};

struct look {
    const qn_table *table;
    qn_table_cursor *at;
    struct tally *tally; /* [columns] */

    uint64_t *slot; /* [slots] of a table in memory a row's number + 1, else its hash; 0: empty */
    uint64_t slots, used, most_slots;
    int64_t repeated, first; /* rows that are there before, and the line of the first */
    int64_t compared;        /* rows that were looked for */
};

static bool cell_number(const struct look *l, int column, double *v)
{
    const char *s = qn_table_cursor_cell(l->at, column);

    return s && qni_parse_number(s, strlen(s), v) && isfinite(*v);
}

static double mean(const struct tally *n)
{
    return n->sum / (double)n->numbers;
}

/* ---- rows that are there before ---- */

static uint64_t hash_row(const struct look *l)
{
    uint64_t h = QNI_HASH_START;

    for (int c = 0; c < l->table->columns; c++) {
        const char *cell = qn_table_cursor_cell(l->at, c);

        h = qni_hash(h, cell ? cell : "?", cell ? strlen(cell) + 1 : 1);
    }
    return h ? h : 1;
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

/* Where the row stands among the slots, or would. */
static uint64_t find_row(const struct look *l, int64_t row, uint64_t hash)
{
    uint64_t i = hash & (l->slots - 1);

    while (l->slot[i] && (l->table->file ? l->slot[i] != hash : !same_rows(l->table, (int64_t)l->slot[i] - 1, row)))
        i = (i + 1) & (l->slots - 1);
    return i;
}

/* Twice as many slots, for hashes. */
static qn_status grow(struct look *l)
{
    uint64_t *old = l->slot;
    const uint64_t slots = l->slots;
    qn_status st;

    l->slot = NULL;
    l->slots *= 2;
    if ((st = qni_calloc(l->table->ctx, &l->slot, (size_t)l->slots, sizeof(*l->slot))))
        l->slot = old;
    for (uint64_t i = 0; i < slots && !st; i++)
        if (old[i])
            l->slot[find_row(l, 0, old[i])] = old[i];
    if (!st)
        qni_free(l->table->ctx, &old);
    return st;
}

/* Of a table in memory there is a slot for every row from the start; of others as many as are allowed. */
static qn_status compare_row(struct look *l, int64_t row)
{
    uint64_t hash, i;
    qn_status st;

    if (2 * l->used >= l->slots) {
        if (2 * l->slots > l->most_slots)
            return QN_OK;
        if ((st = grow(l)))
            return st;
    }
    hash = hash_row(l);
    i = find_row(l, row, hash);
    l->compared++;
    if (l->slot[i] && !l->repeated++)
        l->first = qn_table_cursor_line(l->at);
    if (!l->slot[i]) {
        l->slot[i] = l->table->file ? hash : (uint64_t)row + 1;
        l->used++;
    }
    return QN_OK;
}

static qn_status begin_rows(struct look *l)
{
    l->slots = LEAST_SLOTS;
    if (l->table->file)
        l->most_slots = QNI_MAX((uint64_t)l->table->file->keep_bytes / 8 / sizeof(*l->slot), SLOTS_OF_FILE);
    while (!l->table->file && l->slots < 2 * (uint64_t)l->table->rows + 2)
        l->slots *= 2;
    return qni_calloc(l->table->ctx, &l->slot, (size_t)l->slots, sizeof(*l->slot));
}

/* ---- passes over the rows ---- */

static qn_status count_row(struct look *l, int64_t row)
{
    double v;

    for (int c = 0; c < l->table->columns; c++) {
        l->tally[c].missing += !qn_table_cursor_cell(l->at, c);
        if (cell_number(l, c, &v)) {
            l->tally[c].sum += v;
            l->tally[c].numbers++;
        }
    }
    return compare_row(l, row);
}

static qn_status square_row(struct look *l, int64_t row)
{
    double v;

    for (int c = 0; c < l->table->columns; c++) {
        struct tally *n = &l->tally[c];

        if (!cell_number(l, c, &v))
            continue;
        v -= mean(n);
        n->squares += v * v;
        if (fabs(v) > n->distance) {
            n->distance = fabs(v);
            n->row = row;
        }
    }
    return QN_OK;
}

static qn_status measure_row(struct look *l, int64_t row)
{
    double v;

    (void)row;
    for (int c = 0; c < l->table->columns; c++) {
        struct tally *n = &l->tally[c];

        n->far += cell_number(l, c, &v) && fabs(v - mean(n)) > FAR * sqrt(n->squares / (double)n->numbers);
    }
    return QN_OK;
}

static qn_status pass(struct look *l, qn_status (*each)(struct look *l, int64_t row))
{
    qn_status st = QN_OK;

    for (int64_t r = 0; r < l->table->rows && !st; r++)
        if (!(st = qn_table_cursor_go(l->at, r)))
            st = each(l, r);
    return st;
}

/* ---- the text ---- */

static void report_missing(const struct look *l, struct qni_text *text)
{
    int64_t total = 0;
    int shown = 0;

    for (int c = 0; c < l->table->columns; c++)
        total += l->tally[c].missing;
    qni_text_add(text, "missing values: %lld", (long long)total);
    for (int c = 0; c < l->table->columns; c++)
        if (l->tally[c].missing)
            qni_text_add(text, "%s%s %lld", shown++ ? ", " : " (", l->table->column[c].name, (long long)l->tally[c].missing);
    qni_text_add(text, "%s\n", shown ? ")" : "");
}

static void report_repeated(const struct look *l, struct qni_text *text)
{
    qni_text_add(text, "rows that are there before: %lld", (long long)l->repeated);
    if (l->repeated)
        qni_text_add(text, " (the first in line %lld)", (long long)l->first);
    if (l->compared < l->table->rows)
        qni_text_add(text, " in the first %lld rows", (long long)l->compared);
    qni_text_add(text, "\n");
}

static qn_status report_far(const struct look *l, struct qni_text *text)
{
    int shown = 0;
    qn_status st;

    qni_text_add(text, "values beyond %g standard deviations: ", FAR);
    for (int c = 0; c < l->table->columns; c++) {
        const struct tally *n = &l->tally[c];

        if (n->numbers < 2 || 2 * n->numbers < l->table->rows || l->table->column[c].kind == QNI_COLUMN_CATEGORY || !n->far)
            continue;
        if ((st = qn_table_cursor_go(l->at, n->row)))
            return st;
        qni_text_add(text, "%s%s %lld (as %s in line %lld)", shown++ ? ", " : "", l->table->column[c].name, (long long)n->far,
                     qn_table_cursor_cell(l->at, c), (long long)qn_table_cursor_line(l->at));
    }
    qni_text_add(text, "%s\n", shown ? "" : "none");
    return QN_OK;
}

qn_status qn_table_report(const qn_table *t, char *out, size_t most, size_t *bytes)
{
    struct qni_text text = {0};
    struct look l = {.table = t};
    qn_status st;

    if (!t || !bytes || (most && !out))
        return qni_error(QN_E_ARG, "a pointer is NULL");
    text.ctx = t->ctx;
    if ((st = qn_table_cursor_open(&l.at, t)) || (st = qni_calloc(t->ctx, &l.tally, (size_t)t->columns, sizeof(*l.tally))) ||
        (st = begin_rows(&l)) || (st = pass(&l, count_row)) || (st = pass(&l, square_row)) || (st = pass(&l, measure_row)))
        goto done;
    qni_text_add(&text, "%lld rows of %d columns\n", (long long)t->rows, t->columns);
    report_missing(&l, &text);
    report_repeated(&l, &text);
    if (!(st = report_far(&l, &text)))
        st = qni_text_give(&text, out, most, bytes);
done:
    qni_text_free(&text);
    qni_free(t->ctx, &l.tally);
    qni_free(t->ctx, &l.slot);
    qn_table_cursor_close(&l.at);
    return st;
}
