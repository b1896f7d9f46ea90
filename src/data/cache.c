/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Samples that are kept in memory from their first reading on. */
#include "data/data.h"

enum { EMPTY, FILLING, READY };

struct cache {
    qn_dataset base;
    qn_dataset *from;
    int64_t kept;          /* the first samples, as many as fit */
    size_t bytes;          /* of a sample, all fields */
    unsigned char *block;  /* [kept, bytes] */
    atomic_uchar *state;   /* [kept] */
};

/* A kept sample to where it is wanted, or from where all of it was read. */
static void copy(const struct cache *c, int64_t number, void *const *out, bool keep)
{
    unsigned char *at = c->block + (size_t)number * c->bytes;

    for (int f = 0; f < c->base.fields; f++) {
        const size_t bytes = c->base.sample_bytes[f];

        if (out[f] && bytes)
            memcpy(keep ? at : out[f], keep ? out[f] : at, bytes);
        at += bytes;
    }
}

static qn_status read_one(const struct cache *c, const struct qni_read *one, bool whole)
{
    const int64_t number = *one->index;
    unsigned char empty = EMPTY;
    qn_status st;

    if (number < c->kept && atomic_load_explicit(&c->state[number], memory_order_acquire) == READY) {
        copy(c, number, one->out, false);
        return QN_OK;
    }
    if ((st = qni_dataset_read(c->from, one)) || !whole || number >= c->kept)
        return st;
    /* Another thread may be keeping the same one. */
    if (atomic_compare_exchange_strong(&c->state[number], &empty, FILLING)) {
        copy(c, number, one->out, true);
        atomic_store_explicit(&c->state[number], READY, memory_order_release);
    }
    return QN_OK;
}

static qn_status read_cache(const qn_dataset *ds, const struct qni_read *r)
{
    const struct cache *c = (const struct cache *)ds;
    struct qni_read one = *r;
    void *out[QN_MAX_FIELDS];
    bool whole = true;
    qn_status st = QN_OK;

    for (int f = 0; f < ds->fields; f++)
        whole = whole && r->out[f];
    one.count = 1;
    one.out = out;
    for (int64_t i = 0; i < r->count && !st; i++) {
        for (int f = 0; f < ds->fields; f++)
            out[f] = r->out[f] ? (unsigned char *)r->out[f] + (size_t)i * ds->sample_bytes[f] : NULL;
        one.index = &r->index[i];
        st = read_one(c, &one, whole);
    }
    return st;
}

static void close_cache(qn_dataset *ds)
{
    struct cache *c = (struct cache *)ds;

    qni_free(ds->ctx, &c->block);
    qni_free(ds->ctx, &c->state);
    qn_dataset_close(&c->from);
}

static const struct qni_dataset_kind cache_kind = {read_cache, close_cache};

qn_status qn_dataset_cache(qn_dataset **out, qn_dataset *from, int64_t max_bytes)
{
    struct cache *c = NULL;
    qn_dataset *ds;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from || max_bytes < 0)
        return qni_error(QN_E_ARG, from ? "max_bytes is negative" : "the source is NULL");
    if (from->samples == QN_ANY)
        return qni_error(QN_E_UNSUPPORTED, "the number of the source's samples is not known");
    if ((st = qni_dataset_new(&c, sizeof(*c), from->ctx, from->samples, from->field, from->fields)) != QN_OK)
        return st;
    ds = &c->base;
    c->from = qni_dataset_retain(from);
    ds->kind = &cache_kind;
    ds->scratch = from->scratch;
    qni_dataset_keep_classes(ds, from);
    for (int f = 0; f < from->fields; f++)
        c->bytes += from->sample_bytes[f];
    c->kept = c->bytes ? QNI_MIN(from->samples, max_bytes / (int64_t)c->bytes) : 0;
    if ((st = qni_calloc(ds->ctx, &c->block, (size_t)c->kept, c->bytes)) ||
        (st = qni_calloc(ds->ctx, &c->state, (size_t)c->kept, sizeof(*c->state)))) {
        qn_dataset_close(&ds);
        return st;
    }
    *out = ds;
    return QN_OK;
}
