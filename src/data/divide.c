/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Parts drawn at random: training, validation and test. */
#include <math.h>

#include "data/data.h"
#include "data/loader.h"

struct division {
    const qn_dataset *from;
    const double *share;
    int parts;
    int64_t *order;    /* [samples] a permutation, later by class */
    int32_t *class;    /* [samples] of each sample; NULL: all alike */
    unsigned char *part; /* [samples] of each place in the order */
};

static qn_status read_classes(struct division *d)
{
    void *out[QN_MAX_FIELDS] = {NULL};
    const int64_t n = d->from->samples;
    int at = 0;
    qn_status st;

    while (at < d->from->fields && (d->from->field[at].role != QN_FIELD_TARGET || d->from->field[at].dtype != QN_I32 ||
                                    d->from->field[at].shape.rank))
        at++;
    if (at == d->from->fields)
        return qni_error(QN_E_SHAPE, "the dataset has no target that is one class a sample");
    if ((st = qni_calloc(d->from->ctx, &d->class, (size_t)n, sizeof(*d->class))))
        return st;
    for (int64_t i = 0; i < n && !st; i++) {
        out[at] = &d->class[i];
        if (!(st = qn_dataset_read(d->from, &i, 1, out)) && (d->class[i] < 0 || d->class[i] >= 1 << 24))
            st = qni_error(QN_E_SHAPE, "sample %lld is of class %d", (long long)i, d->class[i]);
    }
    return st;
}

/* The part of the k-th of n samples. */
static unsigned char part_of(const struct division *d, int64_t k, int64_t n)
{
    double sum = 0;

    for (int i = 0; i < d->parts - 1; i++) {
        sum += d->share[i];
        if (k < (int64_t)floor(sum * (double)n + 0.5))
            return (unsigned char)i;
    }
    return (unsigned char)(d->parts - 1);
}

static qn_status assign(struct division *d)
{
    const int64_t n = d->from->samples;
    int64_t *count = NULL, *seen;
    int32_t classes = 1;
    qn_status st;

    for (int64_t i = 0; d->class && i < n; i++)
        classes = QNI_MAX(classes, d->class[i] + 1);
    if ((st = qni_calloc(d->from->ctx, &count, (size_t)classes, 2 * sizeof(*count))))
        return st;
    seen = count + classes;
    for (int64_t i = 0; i < n; i++)
        count[d->class ? d->class[i] : 0]++;
    for (int64_t i = 0; i < n; i++) {
        const int32_t c = d->class ? d->class[d->order[i]] : 0;

        d->part[i] = part_of(d, seen[c]++, count[c]);
    }
    qni_free(d->from->ctx, &count);
    return QN_OK;
}

static qn_status take(qn_dataset **out, qn_dataset *from, const struct division *d, int part, int64_t *index)
{
    int64_t n = 0;

    for (int64_t i = 0; i < from->samples; i++)
        if (d->part[i] == part)
            index[n++] = d->order[i];
    if (!n)
        return qni_error(QN_E_ARG, "a share of %g of %lld samples leaves a part empty", d->share[part],
                         (long long)from->samples);
    return qn_dataset_select(out, from, index, n);
}

static qn_status check(qn_dataset **out, const double *share, int parts, const qn_dataset *from)
{
    double sum = 0;

    if (!out || !share || !from || parts < 1 || parts > 255)
        return qni_error(QN_E_ARG, "%d parts%s", parts, out && share && from ? "" : ", a pointer is NULL");
    for (int i = 0; i < parts; i++) {
        out[i] = NULL;
        if (!(share[i] > 0))
            return qni_error(QN_E_ARG, "part %d has a share of %g, expected above 0", i, share[i]);
        sum += share[i];
    }
    if (!(fabs(sum - 1) < 1e-6))
        return qni_error(QN_E_ARG, "the shares make %g, expected 1", sum);
    if (from->samples == QN_ANY)
        return qni_error(QN_E_UNSUPPORTED, "the number of the source's samples is not known");
    return QN_OK;
}

qn_status qn_dataset_divide(qn_dataset **out, const double *share, int parts, qn_dataset *from, bool by_class, uint64_t seed)
{
    struct division d = {.from = from, .share = share, .parts = parts};
    int64_t *index = NULL;
    qn_status st;

    if ((st = check(out, share, parts, from)))
        return st;
    if ((st = qni_calloc(from->ctx, &d.order, (size_t)from->samples, sizeof(*d.order))) ||
        (st = qni_calloc(from->ctx, &index, (size_t)from->samples, sizeof(*index))) ||
        (st = qni_calloc(from->ctx, &d.part, (size_t)from->samples, 1)) || (by_class && (st = read_classes(&d))))
        goto done;
    qni_permutation64((uint64_t *)d.order, (uint64_t)from->samples, seed, 0);
    if ((st = assign(&d)))
        goto done;
    for (int i = 0; i < parts && !st; i++)
        st = take(&out[i], from, &d, i, index);
    for (int i = 0; i < parts && st; i++)
        qn_dataset_close(&out[i]);
done:
    qni_free(from->ctx, &d.order);
    qni_free(from->ctx, &d.part);
    qni_free(from->ctx, &d.class);
    qni_free(from->ctx, &index);
    return st;
}
