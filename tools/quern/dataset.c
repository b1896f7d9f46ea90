/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <quern/data_open.h>

#include "data/loader.h"
#include "models.h"

static qn_status fail(qn_status st, const char *what, const char *name)
{
    char text[256];

    snprintf(text, sizeof(text), what, name);
    return qn_error_set(st, text);
}

#ifdef QUERN_TOOL_DATA

static qn_status open_csv(qn_dataset **out, const char *path, const qn_csv_opt *opt)
{
    return qn_dataset_csv_gz(out, path, opt);
}

static qn_status open_idx(qn_dataset **out, const char *path, const qn_idx_opt *opt)
{
    return qn_dataset_idx_gz(out, path, NULL, opt);
}

static qn_status open_named(qn_dataset **out, qn_context *ctx, const struct dataset_options *o, const char *part)
{
    char name[64];

    snprintf(name, sizeof(name), "%s:%s", o->name, part);
    return qn_dataset_open(out, name, &(qn_dataset_opt){ .context = ctx, .data_dir = o->dir });
}

#else /* without zlib there is no libquern-data */

static qn_status open_csv(qn_dataset **out, const char *path, const qn_csv_opt *opt)
{
    return qn_dataset_csv(out, path, opt);
}

static qn_status open_idx(qn_dataset **out, const char *path, const qn_idx_opt *opt)
{
    return qn_dataset_idx(out, path, NULL, opt);
}

static qn_status open_named(qn_dataset **out, qn_context *ctx, const struct dataset_options *o, const char *part)
{
    (void)ctx;
    (void)part;
    *out = NULL;
    return fail(QN_E_UNSUPPORTED, "%.100s: this command was built without zlib and knows csv:FILE alone", o->name);
}

#endif

/* Rows in an order that is always the same: tables are often sorted. */
static qn_status shuffle(qn_dataset **ds, const qn_context *ctx)
{
    int64_t n = qn_dataset_samples(*ds);
    int64_t *index = qn_context_alloc(ctx, (size_t)n * sizeof(*index));
    qn_dataset *mixed = NULL;
    qn_status st;

    if (!index)
        return QN_E_HOST_MEMORY;
    qni_permutation64((uint64_t *)index, (uint64_t)n, 0, 0);
    st = qn_dataset_select(&mixed, *ds, index, n);
    qn_context_free(ctx, index);
    if (!st) {
        qn_dataset_close(ds);
        *ds = mixed;
    }
    return st;
}

/* Plain numbers, for models that were saved without a preparation. */
static qn_status open_plain(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    qn_csv_opt csv = { .context = out->ctx, .label_dtype = o->number ? QN_F32 : QN_I32 };
    qn_dataset *all = NULL;
    qn_status st;

    (void)t;
    if (o->label && strspn(o->label, "0123456789") == strlen(o->label))
        csv.label = atoi(o->label);
    else
        csv.label_name = o->label;
    if ((st = open_csv(&all, o->name + 4, &csv)))
        return st;
    if (!train && !(o->split > 0.0)) {
        out->test = all;
        return QN_OK;
    }
    st = shuffle(&all, out->ctx);
    if (!st)
        st = qn_dataset_split(&out->train, &out->test, all, o->split);
    qn_dataset_close(&all);
    if (!train)
        qn_dataset_close(&out->train);
    return st;
}

/* The first nine tenths of a text to train on, the last to test with. */
static qn_status open_text(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    qn_text_opt text = { .context = out->ctx, .length = DATASET_TEXT_LENGTH,
                         .vocabulary = o->model ? qn_model_note(o->model, "vocabulary") : NULL };
    qn_status st = train ? qn_dataset_text(&out->train, o->name + 5, &text) : QN_OK;

    (void)t;
    text.held_out = true;
    if (!st)
        st = qn_dataset_text(&out->test, o->name + 5, &text);
    if (!st)
        out->vocabulary = qn_dataset_vocabulary(out->test);
    return st;
}

static const qn_field *find_field(const qn_dataset *ds, qn_field_role role, int *at)
{
    for (int i = 0; i < qn_dataset_fields(ds); i++)
        if (qn_dataset_field(ds, i)->role == role) {
            *at = i;
            return qn_dataset_field(ds, i);
        }
    return NULL;
}

qn_status dataset_targets(double **out, const qn_context *ctx, const qn_dataset *ds)
{
    int64_t n = qn_dataset_samples(ds), index;
    int at = 0;
    const qn_field *f = find_field(ds, QN_FIELD_TARGET, &at);
    void *buffer[QN_MAX_FIELDS] = { NULL };
    union { int32_t i; float f; } v;
    qn_status st = QN_OK;

    *out = NULL;
    if (!f || (f->dtype != QN_I32 && f->dtype != QN_F32) || f->shape.rank > 1 ||
        (f->shape.rank && f->shape.dim[0] != 1))
        return QN_OK;
    if (!(*out = qn_context_alloc(ctx, (size_t)n * sizeof(**out))))
        return QN_E_HOST_MEMORY;
    buffer[at] = &v;
    for (index = 0; index < n && !st; index++)
        if (!(st = qn_dataset_read(ds, &index, 1, buffer)))
            (*out)[index] = f->dtype == QN_I32 ? v.i : (double)v.f;
    if (st) {
        qn_context_free(ctx, *out);
        *out = NULL;
    }
    return st;
}

/* The largest class there is, plus one. */
static qn_status count_classes(int64_t *out, const qn_context *ctx, const qn_dataset *ds)
{
    double *target = NULL;
    qn_status st = dataset_targets(&target, ctx, ds);

    for (int64_t i = 0; target && i < qn_dataset_samples(ds); i++)
        if (target[i] >= (double)*out)
            *out = (int64_t)target[i] + 1;
    qn_context_free(ctx, target);
    return st;
}

static qn_status describe(struct dataset *d, qn_context *ctx)
{
    int at = 0;
    const qn_field *in = find_field(d->test, QN_FIELD_INPUT, &at), *target = find_field(d->test, QN_FIELD_TARGET, &at);
    qn_status st = QN_OK;

    if (in)
        d->sample = in->shape;
    if (d->vocabulary)
        return qn_text_encode(d->vocabulary, d->vocabulary, NULL, 0, &d->classes);
    if (!target || target->dtype != QN_I32)
        return QN_OK;
    if (d->second) { /* words and pairs, and the two that begin and end sentences */
        d->classes = qn_tokenizer_size(qn_prep_tokenizer(d->target)) + 2;
        return QN_OK;
    }
    if (qn_prep_class_count(d->target) || qn_dataset_classes(d->test)) {
        d->classes = qn_prep_class_count(d->target) ? qn_prep_class_count(d->target) : qn_dataset_classes(d->test);
        return QN_OK;
    }
    d->classes = 2;
    if (d->train)
        st = count_classes(&d->classes, ctx, d->train);
    return st ? st : count_classes(&d->classes, ctx, d->test);
}

static qn_status open_csv_table(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    return o->model && !qn_model_prep(o->model, QN_FIELD_INPUT, 0) ? open_plain(out, t, o, train) : source_csv(out, t, o, train);
}

/* What comes with Quern, and the sets of the same form. */
static qn_status open_parts(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    qn_status st = open_named(&out->test, out->ctx, o, "test");
    const qn_shape *s;
    int at = 0;

    (void)t;
    if (st || (train && (st = open_named(&out->train, out->ctx, o, "train"))))
        return st;
    s = &find_field(out->test, QN_FIELD_INPUT, &at)->shape;
    if (o->model || s->rank != 3)
        return QN_OK;
    /* The files hold samples; a picture from elsewhere becomes one like this. */
    return qn_prep_image(&out->input, out->ctx,
                         &(qn_prep_image_opt){ .height = (int)s->dim[0], .width = (int)s->dim[1], .channels = (int)s->dim[2],
                                               .fit = QN_FIT_PAD, .antialias = true });
}

static const struct source sources[] = {
    { "digits", open_parts, "UCI's optical digits, which come with Quern" },
    { "mnist", open_parts, "a folder's idx files, as published" },
    { "fashion-mnist", open_parts, "the same" },
    { "cifar10", source_image_set, "pictures, a folder for each class" },
    { "flowers", source_image_set, "the same" },
    { "images:FOLDER", source_images, "such a folder of your own" },
    { "csv:FILE", open_csv_table, "a table; its last column is what to learn, or --label" },
    { "arff:FILE", source_csv, "the same, in Weka's form" },
    { "winequality", source_table_set, "UCI's red wines, marked from 0 to 10" },
    { "auto-mpg", source_table_set, "UCI's cars and their miles per gallon" },
    { "text:FILE", open_text, "for gpt and lstm-char" },
    { "lines:[CLASS=]FILE,...", source_lines, "a sentence a line: a class's file, or its class behind a tab" },
    { "sounds:FOLDER", source_sounds, "WAV files, in a folder for each class or named CLASS_..." },
    { "pairs:FILE", source_pairs, "a sentence, a tab and its translation a line" },
    { "fra-eng", source_pairs, "Tatoeba's pairs, English and French" },
    { "events:FILE", source_events, "of users and items: .csv, .jsonl, or msweb's form" },
    { "msweb", source_events, "UCI's visits to a web site" },
};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

const char *dataset_name(size_t i, const char **about)
{
    if (i >= SOURCES)
        return NULL;
    *about = sources[i].about;
    return sources[i].name;
}

/* Bytes of what a source's names begin with, its colon included; 0: it has but one name. */
static size_t prefix(const struct source *s)
{
    const char *colon = strchr(s->name, ':');

    return colon ? (size_t)(colon + 1 - s->name) : 0;
}

static const struct source *find_source(const char *name)
{
    for (size_t i = 0; i < SOURCES; i++) {
        const size_t n = prefix(&sources[i]);

        if (n ? !strncmp(name, sources[i].name, n) : !strcmp(name, sources[i].name))
            return &sources[i];
    }
    return NULL;
}

qn_status dataset_open(struct dataset *out, qn_context *ctx, const struct task *t, const struct dataset_options *o, bool train)
{
    const struct source *source = find_source(o->name);
    qn_status st;

    *out = (struct dataset){ .ctx = ctx };
    if (!source)
        st = fail(QN_E_ARG, "no data are called %.100s: see quern train --help", o->name);
    else if (!o->name[prefix(source)])
        st = fail(QN_E_ARG, "%.100s needs a file's name behind it", o->name);
    else
        st = source->open(out, t, o, train);
    if (out->skipped)
        fprintf(stderr, "quern: %lld skipped\n", (long long)out->skipped);
    if (!st)
        st = describe(out, ctx);
    if (st)
        dataset_close(out);
    return st;
}

void dataset_close(struct dataset *d)
{
    qn_dataset_close(&d->train);
    qn_dataset_close(&d->test);
    qn_dataset_close(&d->heard);
    if (d->said)
        qn_context_free(d->ctx, d->said);
    d->said = NULL;
    qn_prep_release(&d->input);
    qn_prep_release(&d->second);
    qn_prep_release(&d->target);
    if (d->ctx)
        qn_context_free(d->ctx, d->report_owned);
    d->report = d->report_owned = NULL;
}

void dataset_bad(void *user, const char *line)
{
    struct dataset *d = user;

    d->skipped++;
    fprintf(stderr, "quern: skipped: %s\n", line);
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && !strcmp(text + n - m, end);
}

qn_status dataset_open_inputs(qn_dataset **out, qn_context *ctx, const qn_model *m, const char *path)
{
    const qn_prep *prep = qn_model_prep(m, QN_FIELD_INPUT, 0);

    if (qn_prep_columns(prep))
        return source_table_inputs(out, ctx, prep, path);
    if (ends_in(path, ".csv") || ends_in(path, ".csv.gz"))
        return open_csv(out, path, &(qn_csv_opt){ .context = ctx, .label = QN_CSV_NO_LABEL });
    return open_idx(out, path, &(qn_idx_opt){ .context = ctx });
}
