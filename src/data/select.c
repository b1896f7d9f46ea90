/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Other numbers for the same samples: slices, lists of samples, datasets one after another. */
#include <math.h>

#include "data/data.h"

#define CHUNK 128 /* numbers translated at a time, on the stack */

struct selection {
    qn_dataset base;
    qn_dataset *from;
    int64_t first;
    int64_t *table; /* [samples] numbers in from; NULL: first + number */
};

struct chain {
    qn_dataset base;
    qn_dataset **from; /* [sources] */
    int64_t *start;    /* [sources] number of each one's first sample */
    int sources;
};

/* Part of a read: n samples from number `done` on, with new numbers. */
static qn_status read_part(const qn_dataset *ds, const qn_dataset *from, const struct qni_read *r, int64_t done,
                           const int64_t *index, int64_t n)
{
    struct qni_read part = *r;
    void *out[QN_MAX_FIELDS];

    for (int f = 0; f < ds->fields; f++)
        out[f] = r->out[f] ? (unsigned char *)r->out[f] + (size_t)done * ds->sample_bytes[f] : NULL;
    part.index = index;
    part.count = n;
    part.out = out;
    return qni_dataset_read(from, &part);
}

static qn_status read_selection(const qn_dataset *ds, const struct qni_read *r)
{
    const struct selection *s = (const struct selection *)ds;
    int64_t index[CHUNK], n;
    qn_status st;

    for (int64_t done = 0; done < r->count; done += n) {
        n = QNI_MIN(r->count - done, CHUNK);
        for (int64_t i = 0; i < n; i++)
            index[i] = s->table ? s->table[r->index[done + i]] : s->first + r->index[done + i];
        if ((st = read_part(ds, s->from, r, done, index, n)) != QN_OK)
            return st;
    }
    return QN_OK;
}

static void close_selection(qn_dataset *ds)
{
    struct selection *s = (struct selection *)ds;

    qni_free(ds->ctx, &s->table);
    qn_dataset_close(&s->from);
}

static const struct qni_dataset_kind selection_kind = {read_selection, close_selection};

static qn_status check_source(qn_dataset **out, const qn_dataset *from)
{
    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from)
        return qni_error(QN_E_ARG, "the source is NULL");
    if (from->samples == QN_ANY)
        return qni_error(QN_E_UNSUPPORTED, "the number of the source's samples is not known");
    return QN_OK;
}

qn_status qn_dataset_slice(qn_dataset **out, qn_dataset *from, int64_t first, int64_t count)
{
    struct selection *s;
    qn_status st;

    if ((st = check_source(out, from)) != QN_OK)
        return st;
    if (first < 0 || first > from->samples)
        return qni_error(QN_E_ARG, "first is %lld, expected 0 to %lld", (long long)first, (long long)from->samples);
    if (count == QN_ANY)
        count = from->samples - first;
    if (count < 0 || count > from->samples - first)
        return qni_error(QN_E_ARG, "%lld samples from %lld on, but there are %lld", (long long)count, (long long)first,
                         (long long)from->samples);
    if ((st = qni_dataset_new(&s, sizeof(*s), from->ctx, count, from->field, from->fields)) != QN_OK)
        return st;
    s->first = first;
    s->from = qni_dataset_retain(from);
    qni_dataset_keep_classes(&s->base, from);
    s->base.scratch = from->scratch;
    s->base.kind = &selection_kind;
    *out = &s->base;
    return QN_OK;
}

qn_status qn_dataset_take(qn_dataset **out, qn_dataset *from, int64_t count)
{
    qn_status st;

    if ((st = check_source(out, from)) != QN_OK)
        return st;
    if (count < 0)
        return qni_error(QN_E_ARG, "count is %lld, expected 0 or more", (long long)count);
    return qn_dataset_slice(out, from, 0, QNI_MIN(count, from->samples));
}

qn_status qn_dataset_select(qn_dataset **out, qn_dataset *from, const int64_t *index, int64_t count)
{
    struct selection *s;
    qn_dataset *ds;
    qn_status st;

    if ((st = check_source(out, from)) != QN_OK)
        return st;
    if (count < 0 || (count && !index))
        return qni_error(QN_E_ARG, count < 0 ? "count is negative" : "index is NULL");
    for (int64_t i = 0; i < count; i++)
        if (index[i] < 0 || index[i] >= from->samples)
            return qni_error(QN_E_ARG, "index[%lld] is %lld, expected 0 to %lld", (long long)i, (long long)index[i],
                             (long long)from->samples - 1);
    if ((st = qni_dataset_new(&s, sizeof(*s), from->ctx, count, from->field, from->fields)) != QN_OK)
        return st;
    ds = &s->base;
    if ((st = qni_calloc(ds->ctx, &s->table, (size_t)count, sizeof(*s->table))) != QN_OK) {
        qn_dataset_close(&ds);
        return st;
    }
    if (count)
        memcpy(s->table, index, (size_t)count * sizeof(*index));
    s->from = qni_dataset_retain(from);
    qni_dataset_keep_classes(&s->base, from);
    s->base.scratch = from->scratch;
    s->base.kind = &selection_kind;
    *out = ds;
    return QN_OK;
}

qn_status qn_dataset_split(qn_dataset **first, qn_dataset **last, qn_dataset *from, double fraction)
{
    int64_t at;
    qn_status st;

    if (!last)
        return qni_error(QN_E_ARG, "last is NULL");
    *last = NULL;
    if ((st = check_source(first, from)) != QN_OK)
        return st;
    if (!(fraction > 0 && fraction < 1))
        return qni_error(QN_E_ARG, "the fraction is %g, expected above 0 and below 1", fraction);
    at = (int64_t)floor((double)from->samples * (1.0 - fraction));
    if (at <= 0 || at >= from->samples)
        return qni_error(QN_E_ARG, "a fraction of %g of %lld samples leaves one part empty", fraction,
                         (long long)from->samples);
    if ((st = qn_dataset_slice(first, from, 0, at)) != QN_OK ||
        (st = qn_dataset_slice(last, from, at, QN_ANY)) != QN_OK)
        qn_dataset_close(first);
    return st;
}

/* The source that has a sample: the last one that starts at or before it. Empty ones start where the next does. */
static int source_of(const struct chain *c, int64_t index)
{
    int low = 0, high = c->sources;

    while (high - low > 1) {
        int middle = low + (high - low) / 2;

        if (c->start[middle] <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static qn_status read_chain(const qn_dataset *ds, const struct qni_read *r)
{
    const struct chain *c = (const struct chain *)ds;
    int64_t index[CHUNK], n;
    qn_status st;

    for (int64_t done = 0; done < r->count; done += n) {
        int k = source_of(c, r->index[done]);
        int64_t low = c->start[k], high = low + c->from[k]->samples;

        for (n = 0; n < CHUNK && done + n < r->count; n++) {
            int64_t at = r->index[done + n];

            if (at < low || at >= high)
                break;
            index[n] = at - low;
        }
        if ((st = read_part(ds, c->from[k], r, done, index, n)) != QN_OK)
            return st;
    }
    return QN_OK;
}

static void close_chain(qn_dataset *ds)
{
    struct chain *c = (struct chain *)ds;

    for (int i = 0; c->from && i < c->sources; i++)
        qn_dataset_close(&c->from[i]);
    qni_free(ds->ctx, &c->from);
    qni_free(ds->ctx, &c->start);
}

static const struct qni_dataset_kind chain_kind = {read_chain, close_chain};

static qn_status same_fields(const qn_dataset *a, const qn_dataset *b, int number)
{
    if (a->fields != b->fields)
        return qni_error(QN_E_SHAPE, "source %d has %d fields, the first one %d", number, b->fields, a->fields);
    for (int f = 0; f < a->fields; f++) {
        const qn_field *x = &a->field[f], *y = &b->field[f];
        char xs[160], ys[160];

        if (x->role != y->role || x->dtype != y->dtype || !qni_shape_equal(&x->shape, &y->shape))
            return qni_error(QN_E_SHAPE, "field '%.100s' of source %d is %s %s, expected %s %s as in the first one%s",
                             x->name, number, qn_dtype_name(y->dtype), qni_shape_text(&y->shape, ys, sizeof(ys)),
                             qn_dtype_name(x->dtype), qni_shape_text(&x->shape, xs, sizeof(xs)),
                             x->role != y->role ? ", in another role" : "");
    }
    return QN_OK;
}

qn_status qn_dataset_concat(qn_dataset **out, qn_dataset *const *from, int sources)
{
    struct chain *c = NULL;
    qn_dataset *ds = NULL;
    int64_t samples = 0;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from || sources < 1)
        return qni_error(QN_E_ARG, "%d sources, expected 1 or more", from ? sources : 0);
    for (int i = 0; i < sources; i++) {
        if (!from[i])
            return qni_error(QN_E_ARG, "source %d is NULL", i);
        if (from[i]->samples == QN_ANY)
            return qni_error(QN_E_UNSUPPORTED, "the number of the samples of source %d is not known", i);
        if ((st = same_fields(from[0], from[i], i)) != QN_OK)
            return st;
        if (samples > INT64_MAX - from[i]->samples)
            return qni_error(QN_E_SHAPE, "more than 2^63 samples");
        samples += from[i]->samples;
    }
    if ((st = qni_dataset_new(&c, sizeof(*c), from[0]->ctx, samples, from[0]->field, from[0]->fields)) != QN_OK)
        return st;
    ds = &c->base;
    ds->kind = &chain_kind;
    if ((st = qni_calloc(ds->ctx, &c->from, (size_t)sources, sizeof(*c->from))) != QN_OK ||
        (st = qni_calloc(ds->ctx, &c->start, (size_t)sources, sizeof(*c->start))) != QN_OK)
        goto done;
    qni_dataset_keep_classes(ds, from[0]);
    samples = 0;
    for (int i = 0; i < sources; i++) {
        c->from[i] = qni_dataset_retain(from[i]);
        c->sources = i + 1;
        c->start[i] = samples;
        samples += from[i]->samples;
        ds->scratch = QNI_MAX(ds->scratch, from[i]->scratch);
    }
    *out = ds;
    ds = NULL;
done:
    qn_dataset_close(&ds);
    return st;
}
