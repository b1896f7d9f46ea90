/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Samples in memory, borrowed or owned. Bytes may be converted to f32 when they are read. */
#include "data/data.h"
#include "data/memory.h"

struct memory {
    qn_dataset base;
    struct qni_memory_field field[QN_MAX_FIELDS];
    float table[256]; /* what a byte becomes */
};

/* Samples whose numbers follow each other are copied in one piece. */
static int64_t run_length(const int64_t *index, int64_t count)
{
    int64_t n = 1;

    while (n < count && index[n] == index[n - 1] + 1)
        n++;
    return n;
}

static qn_status read_memory(const qn_dataset *ds, const struct qni_read *r)
{
    const struct memory *m = (const struct memory *)ds;

    for (int f = 0; f < ds->fields; f++) {
        const unsigned char *data = m->field[f].data;
        unsigned char *out = r->out[f];
        size_t bytes = ds->sample_bytes[f];
        size_t stored = m->field[f].expand ? bytes / sizeof(float) : bytes;
        int64_t run;

        if (!out || !bytes)
            continue;
        for (int64_t i = 0; i < r->count; i += run) {
            const unsigned char *from = data + (size_t)r->index[i] * stored;

            run = run_length(r->index + i, r->count - i);
            if (m->field[f].expand) {
                float *to = (float *)(void *)out;

                for (size_t k = 0; k < stored * (size_t)run; k++)
                    to[k] = m->table[from[k]];
            } else {
                memcpy(out, from, bytes * (size_t)run);
            }
            out += bytes * (size_t)run;
        }
    }
    return QN_OK;
}

static void close_memory(qn_dataset *ds)
{
    struct memory *m = (struct memory *)ds;

    for (int f = 0; f < ds->fields; f++)
        qni_free(ds->ctx, &m->field[f].owned);
}

static const struct qni_dataset_kind memory_kind = {read_memory, close_memory};

qn_status qni_dataset_memory(qn_dataset **out, qn_context *ctx, int64_t samples, const qn_field *field, int fields,
                             const struct qni_memory_field *data, float divisor)
{
    struct memory *m;
    qn_status st;

    *out = NULL;
    if ((st = qni_dataset_new(&m, sizeof(*m), ctx, samples, field, fields)) != QN_OK)
        return st;
    memcpy(m->field, data, (size_t)fields * sizeof(*data));
    for (int i = 0; i < 256; i++)
        m->table[i] = (float)i / divisor;
    m->base.kind = &memory_kind;
    *out = &m->base;
    return QN_OK;
}

static qn_status copy_array(qn_context *ctx, struct qni_memory_field *to, const qn_array *from, int64_t samples)
{
    int64_t bytes;
    qn_status st;

    if ((st = qni_field_bytes(&from->field, samples, &bytes)) != QN_OK ||
        (st = qni_calloc(ctx, &to->owned, (size_t)bytes, 1)) != QN_OK)
        return st;
    if (bytes)
        memcpy(to->owned, from->data, (size_t)bytes);
    to->data = to->owned;
    return QN_OK;
}

qn_status qn_dataset_arrays(qn_dataset **out, int64_t samples, const qn_array *array, int arrays,
                            const qn_arrays_opt *opt)
{
    static const qn_arrays_opt defaults;
    struct qni_memory_field data[QN_MAX_FIELDS] = {{0}};
    qn_field field[QN_MAX_FIELDS];
    struct memory *m = NULL;
    qn_dataset *ds = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!opt)
        opt = &defaults;
    for (size_t i = 0; i < QNI_COUNT(opt->reserved); i++)
        if (opt->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the arrays' options is not zero", i);
    if (!array || arrays < 1 || arrays > QN_MAX_FIELDS)
        return qni_error(QN_E_ARG, "%d arrays, expected 1 to %d", array ? arrays : 0, QN_MAX_FIELDS);
    if (samples < 0)
        return qni_error(QN_E_ARG, "%lld samples, expected 0 or more", (long long)samples);
    for (int i = 0; i < arrays; i++) {
        field[i] = array[i].field;
        data[i].data = array[i].data;
    }
    if ((st = qni_dataset_memory(&ds, opt->context, samples, field, arrays, data, 1)) != QN_OK)
        goto done;
    m = (struct memory *)ds;
    for (int i = 0; i < arrays && !st; i++) {
        if (!array[i].data && samples && ds->sample_bytes[i])
            st = qni_error(QN_E_ARG, "the data of field %d ('%s') are NULL", i, ds->field[i].name);
        else if (opt->copy)
            st = copy_array(ds->ctx, &m->field[i], &array[i], samples);
    }
    if (st)
        goto done;
    *out = ds;
    ds = NULL;
done:
    qn_dataset_close(&ds);
    return st;
}
