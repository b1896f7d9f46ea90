/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What sources have in common that read raw things: classes by their names, parts to train on and to test with, and the
 * preparations of a saved model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/prep/prep.h"
#include "models.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

qn_status dataset_classes(struct dataset *d, const char *const *name, int64_t n)
{
    const char **sorted = qn_context_alloc(d->ctx, (size_t)n * sizeof(*sorted));
    int64_t kept = 0;
    qn_status st;

    if (!sorted)
        return QN_E_HOST_MEMORY;
    memcpy(sorted, name, (size_t)n * sizeof(*sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), by_name);
    for (int64_t i = 0; i < n; i++)
        if (!kept || strcmp(sorted[i], sorted[kept - 1]))
            sorted[kept++] = sorted[i];
    if (kept < 2)
        st = qn_error_set(QN_E_FORMAT, "the data are all of one class");
    else if (kept > DATASET_CLASSES)
        st = qn_error_set(QN_E_FORMAT, "the data have too many classes");
    else
        st = qn_prep_classes(&d->target, d->ctx, sorted, (int)kept);
    qn_context_free(d->ctx, sorted);
    return st;
}

qn_status dataset_saved_preps(struct dataset *d, const qn_model *m, qn_prep_kind input)
{
    qn_prep *in = qn_model_prep(m, QN_FIELD_INPUT, 0), *target = qn_model_prep(m, QN_FIELD_TARGET, 0);

    if (!in || !target || qn_prep_get_kind(in) != input || !qn_prep_class_count(target))
        return qn_error_set(QN_E_SHAPE, "the saved model is none for these data");
    d->input = qn_prep_retain(in);
    d->target = qn_prep_retain(target);
    return QN_OK;
}

int64_t dataset_train_samples(int64_t samples, double split)
{
    return (int64_t)floor((double)samples * (1 - split));
}

qn_status dataset_parts(struct dataset *d, qn_dataset **all, double split, bool train)
{
    qn_status st = QN_OK;

    if (split > 0.0) {
        st = qn_dataset_split(&d->train, &d->test, *all, split);
        if (!train)
            qn_dataset_close(&d->train);
        return st;
    }
    d->test = *all;
    *all = NULL;
    return QN_OK;
}

/* What is compressed is not: it cannot be read again from its middle. */
bool dataset_is_large(const char *path, const struct dataset_options *o)
{
    struct stat about;
    bool packed;
    FILE *f;

    if (stat(path, &about) || !S_ISREG(about.st_mode) || about.st_size <= o->keep_mib << 20 || !(f = fopen(path, "rb")))
        return false;
    packed = fgetc(f) == 0x1f && fgetc(f) == 0x8b;
    fclose(f);
    return !packed;
}
