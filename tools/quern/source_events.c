/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What users did: UCI's msweb with its own two parts, or a file of which the last item of each session is the test. */
#include <string.h>

#include <quern/data_events.h>

#include "models.h"

#define LENGTH 20 /* items that are looked back at */

static const char *const web[2] = { "msweb/anonymous-msweb.data", "msweb/anonymous-msweb.test" };

static bool ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n >= m && !strcmp(text + n - m, end);
}

static qn_events_format format_of(const char *path)
{
    if (ends_in(path, ".jsonl") || ends_in(path, ".ndjson") || ends_in(path, ".json"))
        return QN_EVENTS_JSON_LINES;
    return ends_in(path, ".csv") ? QN_EVENTS_CSV : QN_EVENTS_MSWEB;
}

/* Class 0 is no item. */
static qn_status name_classes(struct dataset *d, const qn_events *e)
{
    const int64_t n = qn_events_items(e) + 1;
    const char **name = qn_context_alloc(d->ctx, (size_t)n * sizeof(*name));
    qn_status st;

    if (!name)
        return QN_E_HOST_MEMORY;
    name[0] = "(none)";
    for (int64_t i = 1; i < n; i++)
        name[i] = qn_events_item(e, i);
    st = qn_prep_classes(&d->target, d->ctx, name, (int)n);
    qn_context_free(d->ctx, name);
    return st;
}

static qn_status read_events(qn_events **out, struct dataset *d, const char *path, qn_events_format format,
                             const struct dataset_options *o)
{
    const int64_t keep = o->keep_mib ? o->keep_mib << 20 : 1;
    const qn_events_opt opt = { .context = d->ctx, .format = format, .prep = d->input, .fewest = 2, .keep_bytes = keep,
                                .bad = o->skip_bad ? dataset_bad : NULL, .bad_context = d };

    return qn_events_read(out, path, &opt);
}

static qn_status samples(qn_dataset **out, const qn_events *e, qn_events_part part)
{
    return qn_dataset_events(out, e, &(qn_events_dataset_opt){ .length = LENGTH, .part = part });
}

/* The items are numbered in what there is to train on, or as in the saved model. */
static qn_status number_items(struct dataset *d, const struct dataset_options *o, const char *path, qn_events_format format,
                              qn_events **out)
{
    qn_status st;

    if (o->model)
        return dataset_saved_preps(d, o->model, QN_PREP_ITEMS);
    if ((st = read_events(out, d, path, format, o)))
        return st;
    if (qn_events_items(*out) < 1 || qn_events_items(*out) > DATASET_CLASSES) {
        char text[300];

        snprintf(text, sizeof(text), "%.200s: %lld items, expected 1 to %d", path, (long long)qn_events_items(*out),
                 DATASET_CLASSES);
        return qn_error_set(QN_E_FORMAT, text);
    }
    if ((st = qn_prep_items(&d->input, *out, LENGTH, false)))
        return st;
    return name_classes(d, *out);
}

static qn_status open_parts(struct dataset *d, const struct dataset_options *o, const char *path[2], qn_events_format format,
                            bool train)
{
    const bool one_file = !path[1];
    qn_events *e = NULL;
    qn_status st = number_items(d, o, path[0], format, &e);

    if (!st && !e && (one_file || train))
        st = read_events(&e, d, path[0], format, o);
    if (!st && train)
        st = samples(&d->train, e, one_file ? QN_EVENTS_EARLIER : QN_EVENTS_EACH);
    if (!st && !one_file) {
        qn_events_destroy(&e);
        st = read_events(&e, d, path[1], format, o);
    }
    if (!st)
        st = samples(&d->test, e, one_file ? QN_EVENTS_LAST : QN_EVENTS_EACH);
    qn_events_destroy(&e);
    return st;
}

qn_status source_events(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    const bool named = !strchr(o->name, ':');
    const char *dir = o->dir ? o->dir : qn_context_env(out->ctx, "QUERN_DATA");
    char place[2][4096];
    const char *path[2] = { named ? place[0] : strchr(o->name, ':') + 1, named ? place[1] : NULL };

    if (t ? !t->judge : !o->model)
        return qn_error_set(QN_E_SHAPE, "this model does not read what users did: use recsys or recsys-attention");
    if (named && !dir)
        return qn_error_set(QN_E_IO, "the folder that holds msweb is not known: name it by --data-dir or QUERN_DATA");
    for (int i = 0; i < 2 && named; i++)
        snprintf(place[i], sizeof(place[i]), "%.4000s/%s", dir, web[i]);
    return open_parts(out, o, path, named ? QN_EVENTS_MSWEB : format_of(path[0]), train);
}
