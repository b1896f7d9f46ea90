/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Samples from the program's own functions: a source, and a function applied to every sample. */
#include "data/data.h"

#define ALIGN 64

struct source {
    qn_dataset base;
    qn_source source;
};

struct map {
    qn_dataset base;
    qn_dataset *from;
    qn_map_opt opt;
    size_t offset[QN_MAX_FIELDS]; /* of the source's fields in the scratch */
    size_t own;                   /* scratch of this dataset; the source's follows */
};

/* A function of the program failed: keep its message, or give one. */
static qn_status callback_status(qn_status st, const char *what)
{
    if (st == QN_OK)
        return QN_OK;
    if (!*qn_last_error())
        qni_error(st, "the dataset's %s function returned %d (%s)", what, (int)st, qn_status_name(st));
    return st > 0 ? QN_E_ARG : st;
}

static qn_status read_source(const qn_dataset *ds, const struct qni_read *r)
{
    const struct source *s = (const struct source *)ds;

    qni_error_put("");
    return callback_status(s->source.read(s->source.user, r->index, r->count, r->out), "read");
}

static void close_source(qn_dataset *ds)
{
    struct source *s = (struct source *)ds;

    if (s->source.close)
        s->source.close(s->source.user);
}

static const struct qni_dataset_kind source_kind = {read_source, close_source};

qn_status qn_dataset_source(qn_dataset **out, qn_context *ctx, const qn_source *source)
{
    struct source *s;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!source || !source->read)
        return qni_error(QN_E_ARG, "%s is NULL", source ? "source->read" : "source");
    for (size_t i = 0; i < QNI_COUNT(source->reserved); i++)
        if (source->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the source is not zero", i);
    if (source->samples < 0)
        return qni_error(QN_E_ARG, "%lld samples, expected 0 or more", (long long)source->samples);
    if ((st = qni_dataset_new(&s, sizeof(*s), ctx, source->samples, source->field, source->fields)) != QN_OK)
        return st;
    s->source = *source;
    s->base.kind = &source_kind;
    *out = &s->base;
    return QN_OK;
}

static qn_status read_map(const qn_dataset *ds, const struct qni_read *r)
{
    const struct map *m = (const struct map *)ds;
    void *in[QN_MAX_FIELDS], *out[QN_MAX_FIELDS];
    qn_sample sample = {.seed = r->seed, .epoch = r->epoch, .in = (const void *const *)in, .out = out};
    struct qni_read one = {.count = 1, .out = in, .scratch = r->scratch + m->own, .seed = r->seed, .epoch = r->epoch};
    qn_status st;

    for (int f = 0; f < m->from->fields; f++)
        in[f] = r->scratch + m->offset[f];
    for (int64_t i = 0; i < r->count; i++) {
        one.index = &r->index[i];
        if ((st = qni_dataset_read(m->from, &one)) != QN_OK)
            return st;
        for (int f = 0; f < ds->fields; f++)
            out[f] = r->out[f] ? (unsigned char *)r->out[f] + (size_t)i * ds->sample_bytes[f] : NULL;
        sample.index = r->index[i];
        qni_error_put("");
        if ((st = callback_status(m->opt.map(m->opt.user, &sample), "map")) != QN_OK)
            return st;
    }
    return QN_OK;
}

static void close_map(qn_dataset *ds)
{
    struct map *m = (struct map *)ds;

    if (m->opt.close)
        m->opt.close(m->opt.user);
    qn_dataset_close(&m->from);
}

static const struct qni_dataset_kind map_kind = {read_map, close_map};

static qn_status lay_out_scratch(struct map *m)
{
    size_t at = 0;

    for (int f = 0; f < m->from->fields; f++) {
        m->offset[f] = at;
        if (qni_add_overflows(at, m->from->sample_bytes[f], &at) || qni_add_overflows(at, ALIGN - 1, &at))
            return qni_error(QN_E_HOST_MEMORY, "a sample does not fit in an address space");
        at &= ~(size_t)(ALIGN - 1);
    }
    m->own = QNI_MAX(at, ALIGN);
    if (qni_add_overflows(m->own, m->from->scratch, &m->base.scratch))
        return qni_error(QN_E_HOST_MEMORY, "a sample does not fit in an address space");
    return QN_OK;
}

qn_status qn_dataset_map(qn_dataset **out, qn_dataset *from, const qn_map_opt *opt)
{
    struct map *m = NULL;
    qn_dataset *ds = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from || !opt || !opt->map)
        return qni_error(QN_E_ARG, "%s is NULL", !from ? "the source" : !opt ? "opt" : "opt->map");
    for (size_t i = 0; i < QNI_COUNT(opt->reserved); i++)
        if (opt->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the map's options is not zero", i);
    if (!opt->field && opt->fields)
        return qni_error(QN_E_ARG, "%d fields are announced, but field is NULL", opt->fields);
    st = qni_dataset_new(&m, sizeof(*m), from->ctx, from->samples, opt->field ? opt->field : from->field,
                         opt->field ? opt->fields : from->fields);
    if (st)
        return st;
    ds = &m->base;
    m->from = from;
    if ((st = lay_out_scratch(m)) != QN_OK)
        goto done;
    m->opt = *opt;
    m->opt.field = NULL;
    qni_dataset_retain(from);
    qni_dataset_keep_classes(ds, from);
    ds->kind = &map_kind;
    *out = ds;
    ds = NULL;
done:
    qn_dataset_close(&ds);
    return st;
}
