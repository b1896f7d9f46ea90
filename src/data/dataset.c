/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What all datasets share: fields, reference counts, the checks of a read. */
#include <stdio.h>

#include "data/data.h"

#define PAGE 4096

static const char *const role_names[] = {
    [QN_FIELD_INPUT] = "input", [QN_FIELD_TARGET] = "target", [QN_FIELD_WEIGHT] = "weight"};

qn_status qni_pages(const qn_context *ctx, void **block, unsigned char **aligned, size_t bytes)
{
    size_t all;
    qn_status st;

    *aligned = NULL;
    if (qni_add_overflows(bytes, PAGE - 1, &all))
        return qni_error(QN_E_HOST_MEMORY, "%zu bytes do not fit in an address space", bytes);
    if ((st = qni_calloc(ctx, block, all, 1)) == QN_OK)
        *aligned = (unsigned char *)(((uintptr_t)*block + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    return st;
}

qn_status qni_field_bytes(const qn_field *field, int64_t samples, int64_t *out)
{
    qn_shape all = {.rank = field->shape.rank + 1, .dim = {samples}};
    int64_t n;
    qn_status st;

    memcpy(all.dim + 1, field->shape.dim, (size_t)field->shape.rank * sizeof(all.dim[0]));
    if ((st = qni_shape_elements(&all, field->dtype, &n)) == QN_OK)
        *out = n * (int64_t)qn_dtype_bytes(field->dtype);
    return st;
}

static qn_status check_field(const qn_field *field, int i, int64_t samples)
{
    int64_t bytes;
    qn_status st;

    if ((unsigned)field->role >= QNI_COUNT(role_names))
        return qni_error(QN_E_ARG, "field %d: unknown role %d", i, (int)field->role);
    if (field->shape.rank < 0 || field->shape.rank > QN_MAX_RANK - 1)
        return qni_error(QN_E_SHAPE, "field %d: a sample of rank %d, expected 0 to %d", i, field->shape.rank,
                         QN_MAX_RANK - 1);
    if (field->role == QN_FIELD_WEIGHT && field->dtype != QN_F32)
        return qni_error(QN_E_SHAPE, "field %d: sample weights are %s, expected f32", i, qn_dtype_name(field->dtype));
    /* An empty dataset must not hide a sample that is too large. */
    if ((st = qni_field_bytes(field, 1, &bytes)) != QN_OK || (st = qni_field_bytes(field, samples, &bytes)) != QN_OK)
        qni_error_prefix("field %d: ", i);
    else if ((uint64_t)bytes > SIZE_MAX)
        st = qni_error(QN_E_SHAPE, "field %d: %lld bytes do not fit in an address space", i, (long long)bytes);
    return st;
}

static qn_status copy_fields(qn_dataset *ds, const qn_field *field)
{
    int of_role[QNI_COUNT(role_names)] = {0};
    qn_status st;

    for (int i = 0; i < ds->fields; i++) {
        char text[32];
        const char *name = field[i].name;
        int nth;

        if ((st = check_field(&field[i], i, QNI_MAX(ds->samples, 0))) != QN_OK)
            return st;
        nth = of_role[field[i].role]++;
        if (!name) {
            snprintf(text, sizeof(text), nth ? "%s_%d" : "%s", role_names[field[i].role], nth);
            name = text;
        }
        for (int j = 0; j < i; j++)
            if (strcmp(ds->field[j].name, name) == 0)
                return qni_error(QN_E_ARG, "fields %d and %d are both named '%.100s'", j, i, name);
        ds->field[i] = field[i];
        ds->field[i].name = NULL;
        if ((st = qni_strdup(ds->ctx, (char **)&ds->field[i].name, name)) != QN_OK)
            return st;
        ds->sample_bytes[i] = (size_t)qni_elements(&field[i].shape) * qn_dtype_bytes(field[i].dtype);
    }
    return QN_OK;
}

qn_status qni_dataset_new(void *out, size_t bytes, qn_context *ctx, int64_t samples, const qn_field *field, int fields)
{
    qn_dataset *ds = NULL;
    qn_context *held = NULL;
    qn_status st;

    memcpy(out, &ds, sizeof(ds));
    if (samples < 0 && samples != QN_ANY)
        return qni_error(QN_E_ARG, "%lld samples, expected 0 or more", (long long)samples);
    if (!field || fields < 1 || fields > QN_MAX_FIELDS)
        return qni_error(QN_E_ARG, "%d fields, expected 1 to %d", field ? fields : 0, QN_MAX_FIELDS);
    if ((st = qni_context_get(&held, ctx)) != QN_OK)
        return st;
    if ((st = qni_calloc(held, &ds, 1, bytes)) != QN_OK) {
        qni_context_release(&held);
        return st;
    }
    atomic_init(&ds->references, 1);
    ds->ctx = held;
    ds->samples = samples;
    ds->fields = fields;
    if ((st = qni_calloc(held, &ds->field, (size_t)fields, sizeof(*ds->field))) != QN_OK ||
        (st = qni_calloc(held, &ds->sample_bytes, (size_t)fields, sizeof(*ds->sample_bytes))) != QN_OK ||
        (st = copy_fields(ds, field)) != QN_OK)
        qn_dataset_close(&ds);
    memcpy(out, &ds, sizeof(ds));
    return st;
}

void qni_dataset_keep_classes(qn_dataset *ds, const qn_dataset *from)
{
    if ((ds->classes = from->classes))
        atomic_fetch_add_explicit(&ds->classes->references, 1, memory_order_relaxed);
}

static void release_classes(const qn_context *ctx, struct qni_classes **classes)
{
    struct qni_classes *c = *classes;

    *classes = NULL;
    if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
        return;
    qni_free(ctx, &c->text);
    qni_free(ctx, &c->name);
    qni_free(ctx, &c);
}

qn_status qn_dataset_name_classes(qn_dataset *ds, const char *const *name, int classes)
{
    struct qni_classes *c = NULL;
    size_t bytes = 0, at = 0;
    qn_status st;

    if (!ds || !name || classes < 1)
        return qni_error(QN_E_ARG, "%d classes%s", classes, ds && name ? "" : ", a pointer is NULL");
    if (ds->classes)
        return qni_error(QN_E_STATE, "the classes have names already");
    for (int i = 0; i < classes; i++) {
        if (!name[i])
            return qni_error(QN_E_ARG, "the name of class %d is NULL", i);
        bytes += strlen(name[i]) + 1;
    }
    if ((st = qni_calloc(ds->ctx, &c, 1, sizeof(*c))))
        return st;
    atomic_init(&c->references, 1);
    if ((st = qni_calloc(ds->ctx, &c->text, bytes, 1)) ||
        (st = qni_calloc(ds->ctx, &c->name, (size_t)classes, sizeof(*c->name))))
        goto done;
    for (; c->n < classes; c->n++) {
        c->name[c->n] = memcpy(c->text + at, name[c->n], strlen(name[c->n]) + 1);
        at += strlen(name[c->n]) + 1;
    }
    ds->classes = c;
    c = NULL;
done:
    release_classes(ds->ctx, &c);
    return st;
}

int qn_dataset_classes(const qn_dataset *ds)
{
    return ds && ds->classes ? ds->classes->n : 0;
}

const char *qn_dataset_class(const qn_dataset *ds, int i)
{
    return i >= 0 && i < qn_dataset_classes(ds) ? ds->classes->name[i] : NULL;
}

qn_dataset *qni_dataset_retain(qn_dataset *ds)
{
    atomic_fetch_add_explicit(&ds->references, 1, memory_order_relaxed);
    return ds;
}

void qn_dataset_close(qn_dataset **ds)
{
    qn_dataset *d = ds ? *ds : NULL;
    qn_context *ctx;

    if (!d)
        return;
    *ds = NULL;
    if (atomic_fetch_sub_explicit(&d->references, 1, memory_order_acq_rel) != 1)
        return;
    ctx = d->ctx;
    if (d->kind && d->kind->close)
        d->kind->close(d);
    for (int i = 0; d->field && i < d->fields; i++)
        qni_free(ctx, &d->field[i].name);
    qni_free(ctx, &d->field);
    qni_free(ctx, &d->sample_bytes);
    release_classes(ctx, &d->classes);
    qni_free(ctx, &d);
    qni_context_release(&ctx);
}

int64_t qn_dataset_samples(const qn_dataset *ds)
{
    return ds ? ds->samples : 0;
}

int qn_dataset_fields(const qn_dataset *ds)
{
    return ds ? ds->fields : 0;
}

const qn_field *qn_dataset_field(const qn_dataset *ds, int i)
{
    return ds && i >= 0 && i < ds->fields ? &ds->field[i] : NULL;
}

qn_status qn_dataset_read(const qn_dataset *ds, const int64_t *index, int64_t count, void *const *out)
{
    struct qni_read r = {.index = index, .count = count, .out = out};
    void *block = NULL;
    qn_status st = QN_OK;

    if (!ds || !out || (count > 0 && !index))
        return qni_error(QN_E_ARG, "%s is NULL", !ds ? "the dataset" : !out ? "out" : "index");
    if (count < 0)
        return qni_error(QN_E_ARG, "count is %lld, expected 0 or more", (long long)count);
    for (int64_t i = 0; i < count; i++)
        if (index[i] < 0 || (ds->samples != QN_ANY && index[i] >= ds->samples))
            return qni_error(QN_E_ARG, "index[%lld] is %lld, expected 0 to %lld", (long long)i, (long long)index[i],
                             (long long)ds->samples - 1);
    if (count == 0)
        return QN_OK;
    if (ds->scratch && (st = qni_pages(ds->ctx, &block, &r.scratch, ds->scratch)) != QN_OK)
        return st;
    st = qni_dataset_read(ds, &r);
    qni_free(ds->ctx, &block);
    return st;
}
