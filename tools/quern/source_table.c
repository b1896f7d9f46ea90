/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tables: split at random, every class in the same shares, and prepared by what the training part is like. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef QUERN_TOOL_DATA
#include <quern/data_open.h>
#endif

#include "models.h"

#define LONGEST      4096
#define MOST_CLASSES 1000
#define REPORT       4096 /* bytes of one, mostly */

struct table {
    qn_table *cells;
    qn_table_cursor *at;
    int label;                       /* column, from 1 */
    int64_t *row[2];                 /* numbers of training and test rows; NULL: none, or all */
    int64_t rows[2];
    struct dataset *d;
    const struct dataset_options *o;
};

static qn_status fail(qn_status st, const char *what, const char *name)
{
    char text[LONGEST + 256];

    snprintf(text, sizeof(text), what, name);
    return qn_error_set(st, text);
}

static qn_status read_table(qn_table **out, qn_context *ctx, const char *path, int64_t keep_bytes, struct dataset *skipping)
{
    const qn_table_opt o = { .context = ctx, .keep_bytes = keep_bytes, .bad = skipping ? dataset_bad : NULL, .user = skipping };

#ifdef QUERN_TOOL_DATA
    return qn_table_gz(out, path, &o);
#else
    return qn_table_read(out, path, &o);
#endif
}

/* ---- the target ---- */

static int by_value(const void *a, const void *b)
{
    const char *s = *(const char *const *)a, *t = *(const char *const *)b;
    char *end_s, *end_t;
    const double x = strtod(s, &end_s), y = strtod(t, &end_t);

    if (!*end_s && !*end_t && x != y)
        return x < y ? -1 : 1;
    return strcmp(s, t);
}

struct names {
    const qn_context *ctx;
    char *name[MOST_CLASSES + 1]; /* in order */
    int n;
};

static qn_status add_name(struct names *s, const char *text)
{
    int low = 0, high = s->n;
    char *copy;

    while (low < high) {
        const int middle = (low + high) / 2;

        if (by_value(&s->name[middle], &text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (s->n > MOST_CLASSES || (low < s->n && !strcmp(s->name[low], text)))
        return QN_OK;
    if (!(copy = qn_context_alloc(s->ctx, strlen(text) + 1)))
        return QN_E_HOST_MEMORY;
    memmove(&s->name[low + 1], &s->name[low], (size_t)(s->n++ - low) * sizeof(*s->name));
    s->name[low] = strcpy(copy, text);
    return QN_OK;
}

/* The label's different values, in order. */
static qn_status class_names(struct table *t)
{
    struct names s = { .ctx = t->d->ctx };
    qn_status st = QN_OK;

    for (int64_t i = 0; i < qn_table_rows(t->cells) && !st && s.n <= MOST_CLASSES; i++) {
        const char *text;

        if (!(st = qn_table_cursor_go(t->at, i)) && (text = qn_table_cursor_cell(t->at, t->label - 1)))
            st = add_name(&s, text);
    }
    if (!st && (s.n < 1 || s.n > MOST_CLASSES))
        st = fail(QN_E_FORMAT, "column \"%.80s\" has no value, or more than 1000: is it a number? then use --target number",
                  qn_table_column(t->cells, t->label - 1));
    if (!st)
        st = qn_prep_classes(&t->d->target, t->d->ctx, (const char *const *)s.name, s.n);
    for (int i = 0; i < s.n; i++)
        qn_context_free(t->d->ctx, s.name[i]);
    return st;
}

static qn_status find_label(struct table *t)
{
    t->label = t->o->label ? qn_table_find(t->cells, t->o->label) + 1 : qn_table_columns(t->cells);
    if (t->label < 1)
        return fail(QN_E_FORMAT, "there is no column \"%.80s\"", t->o->label);
    if (qn_table_columns(t->cells) < 2)
        return fail(QN_E_FORMAT, "%s: one column only, expected features and a label", t->o->name);
    return QN_OK;
}

static qn_status make_target(struct table *t)
{
    if (t->o->model) {
        t->d->target = qn_prep_retain(qn_model_prep(t->o->model, QN_FIELD_TARGET, 0));
        return t->d->target ? QN_OK : qn_error_set(QN_E_SHAPE, "the model was not trained on a table");
    }
    return t->o->number ? QN_OK : class_names(t);
}

/* A number to predict, less its mean, so that errors stay in its units. Summed up in the file's order. */
static qn_status center_target(struct table *t)
{
    const int64_t rows = qn_table_rows(t->cells);
    unsigned char *train = qn_context_alloc(t->d->ctx, (size_t)rows);
    double sum = 0.0;
    int64_t n = 0;
    qn_status st = train ? QN_OK : QN_E_HOST_MEMORY;

    if (train)
        memset(train, !t->row[0], (size_t)rows);
    for (int64_t i = 0; train && t->row[0] && i < t->rows[0]; i++)
        train[t->row[0][i]] = 1;
    for (int64_t i = 0; i < rows && !st; i++)
        if (train[i] && !(st = qn_table_cursor_go(t->at, i))) {
            const char *text = qn_table_cursor_cell(t->at, t->label - 1);
            char *end;
            const double v = text ? strtod(text, &end) : 0.0;

            if (text && !*end && isfinite(v)) {
                sum += v;
                n++;
            }
        }
    qn_context_free(t->d->ctx, train);
    return st ? st : qn_prep_number(&t->d->target, t->d->ctx, qn_table_column(t->cells, t->label - 1), n ? sum / (double)n : 0.0,
                                    1.0);
}

/* ---- the parts ---- */

/* The rows as samples: their numbers, and their classes, 0 for all where the label is a number. */
static qn_status number_rows(qn_dataset **out, const struct table *t)
{
    const int64_t rows = qn_table_rows(t->cells);
    int64_t *number = qn_context_alloc(t->d->ctx, (size_t)rows * sizeof(*number));
    int32_t *class = qn_context_alloc(t->d->ctx, (size_t)rows * sizeof(*class));
    qn_status st = number && class ? QN_OK : QN_E_HOST_MEMORY;

    for (int64_t i = 0; i < rows && !st; i++) {
        const char *text;

        number[i] = i;
        if ((st = qn_table_cursor_go(t->at, i)))
            break;
        text = qn_table_cursor_cell(t->at, t->label - 1);
        if (!qn_prep_class_count(t->d->target) || !text || qn_prep_load(t->d->target, &(qn_raw){ .text = text }, &class[i]))
            class[i] = 0; /* one that the model does not know is refused when its row is read */
    }
    if (!st)
        st = qn_dataset_arrays(out, rows,
                               (const qn_array[]){ { { "row", QN_FIELD_INPUT, QN_I64, { 1, { 1 } } }, number },
                                                   { { "class", QN_FIELD_TARGET, QN_I32, { 0, { 0 } } }, class } },
                               2, &(qn_arrays_opt){ .context = t->d->ctx, .copy = true });
    qn_context_free(t->d->ctx, number);
    qn_context_free(t->d->ctx, class);
    return st;
}

static qn_status split(struct table *t)
{
    qn_dataset *all = NULL, *part[2] = { NULL };
    const double share[2] = { 1.0 - t->o->split, t->o->split };
    qn_status st;

    if (!(t->o->split > 0.0))
        return QN_OK;
    if (!(st = number_rows(&all, t)))
        st = qn_dataset_divide(part, share, 2, all, qn_prep_class_count(t->d->target) > 0, 0);
    for (int k = 0; k < 2 && !st; k++) {
        t->rows[k] = qn_dataset_samples(part[k]);
        if (!(t->row[k] = qn_context_alloc(t->d->ctx, (size_t)t->rows[k] * sizeof(*t->row[k]))))
            st = QN_E_HOST_MEMORY;
        for (int64_t i = 0; i < t->rows[k] && !st; i++)
            st = qn_dataset_read(part[k], &i, 1, (void *const[]){ &t->row[k][i], NULL });
    }
    qn_dataset_close(&all);
    qn_dataset_close(&part[0]);
    qn_dataset_close(&part[1]);
    return st;
}

static qn_status make_input(struct table *t)
{
    qn_prep *saved = t->o->model ? qn_model_prep(t->o->model, QN_FIELD_INPUT, 0) : NULL;

    if (t->o->model) {
        t->d->input = qn_prep_retain(saved);
        return qn_prep_columns(saved) ? QN_OK : qn_error_set(QN_E_SHAPE, "the model was not trained on a table");
    }
    return qn_prep_table(&t->d->input, t->cells, t->row[0], t->rows[0],
                         &(qn_prep_table_opt){ .label = t->label, .skip_bad = t->o->skip_bad });
}

/* Rows that stay in the file are kept once they were read, as many as the limit has room for. */
static qn_status part(qn_dataset **out, const struct table *t, int which)
{
    const qn_dataset_table_opt o = { .row = t->row[which], .rows = t->rows[which], .target = t->d->target, .label = t->label,
                                     .bad = t->o->skip_bad ? dataset_bad : NULL, .user = t->d };
    qn_dataset *rows = NULL;
    qn_status st = qn_dataset_table(out, t->cells, t->d->input, &o);

    if (st || qn_table_line(t->cells, 0))
        return st;
    rows = *out;
    st = qn_dataset_cache(out, rows, t->o->keep_mib << 20);
    qn_dataset_close(&rows);
    return st;
}

/* What cleaning found and did; the preparation says what is done to each column. */
static qn_status add_report(struct table *t)
{
    char done[256];
    size_t bytes = REPORT, room = 0;
    qn_status st = QN_OK;

    snprintf(done, sizeof(done), "done: missing numbers become their column's mean in the rows to train on, missing categories "
             "none of its values; %lld rows are left out\n", (long long)t->d->skipped);
    while (room <= bytes && !st) { /* once more where it is longer */
        room = bytes + 1;
        qn_context_free(t->d->ctx, t->d->report_owned);
        if (!(t->d->report_owned = qn_context_alloc(t->d->ctx, room + strlen(done))))
            return QN_E_HOST_MEMORY;
        st = qn_table_report(t->cells, t->d->report_owned, room, &bytes);
    }
    t->d->report = t->d->report_owned;
    if (!st)
        strcpy(t->d->report_owned + bytes, done);
    return st;
}

static qn_status open_parts(struct table *t, const char *path, bool train)
{
    const int64_t keep = t->o->keep_mib ? t->o->keep_mib << 20 : 1;
    struct dataset *d = t->d;
    qn_status st;

    if ((st = read_table(&t->cells, d->ctx, path, keep, t->o->skip_bad ? d : NULL)) || (st = find_label(t)) ||
        (st = qn_table_cursor_open(&t->at, t->cells)) || (st = make_target(t)) || (st = split(t)) ||
        (st = make_input(t)) || (!d->target && (st = center_target(t))) || (train && (st = part(&d->train, t, 0))) ||
        (st = part(&d->test, t, 1)))
        return st;
    return train ? add_report(t) : QN_OK;
}

static qn_status open_file(struct dataset *d, const struct dataset_options *o, const char *path, bool train)
{
    struct table t = { .d = d, .o = o };
    const qn_status st = open_parts(&t, path, train);

    qn_context_free(d->ctx, t.row[0]);
    qn_context_free(d->ctx, t.row[1]);
    qn_table_cursor_close(&t.at);
    qn_table_destroy(&t.cells);
    return st;
}

qn_status source_csv(struct dataset *d, const struct task *t, const struct dataset_options *o, bool train)
{
    (void)t;
    return open_file(d, o, strchr(o->name, ':') + 1, train);
}

/* Sets by name, of which the label is a number. */
qn_status source_table_set(struct dataset *d, const struct task *t, const struct dataset_options *o, bool train)
{
    static const char *const files[][2] = { { "winequality", "winequality-red.csv" }, { "auto-mpg", "autoMpg.arff" } };
    const char *dir = o->dir ? o->dir : qn_context_env(d->ctx, "QUERN_DATA");
    struct dataset_options number = *o;
    char path[LONGEST];
    size_t i = 0;

    (void)t;
    number.number = true;
    while (i < sizeof(files) / sizeof(files[0]) && strcmp(files[i][0], o->name))
        i++;
    if (!dir)
        return fail(QN_E_IO, "the folder of %s is not known: name it by --data-dir or QUERN_DATA", o->name);
    if (snprintf(path, sizeof(path), "%s/%s/%s", dir, files[i][0], files[i][1]) >= LONGEST)
        return qn_error_set(QN_E_ARG, "the folder's name is too long");
    return open_file(d, &number, path, train);
}

qn_status source_table_inputs(qn_dataset **out, qn_context *ctx, const qn_prep *prep, const char *path)
{
    qn_table *cells = NULL;
    qn_status st = read_table(&cells, ctx, path, 0, NULL);

    if (!st)
        st = qn_dataset_table(out, cells, prep, NULL);
    qn_table_destroy(&cells);
    return st;
}
