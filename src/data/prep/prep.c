/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Preparations of every kind: their life, their two halves, and their JSON. */
#include "data/data.h"
#include "data/prep/prep.h"

static const struct qni_prep_type *const types[] = {
    &qni_prep_classes_type,
    &qni_prep_image_type,
    &qni_prep_items_type,
    &qni_prep_number_type,
    &qni_prep_sound_type,
    &qni_prep_table_type,
    &qni_prep_text_type,
};

qn_status qni_prep_new(void *out, qn_context *ctx, const struct qni_prep_type *type)
{
    qn_context *held = NULL;
    qn_prep *p = NULL;
    qn_status st;

    if ((st = qni_context_get(&held, ctx)))
        return st;
    if ((st = qni_calloc(held, &p, 1, type->bytes))) {
        qni_context_release(&held);
        return st;
    }
    atomic_init(&p->references, 1);
    p->ctx = held;
    p->type = type;
    memcpy(out, &p, sizeof(p));
    return QN_OK;
}

qn_prep *qni_prep_retain(qn_prep *p)
{
    atomic_fetch_add(&p->references, 1);
    return p;
}

qn_prep *qn_prep_retain(qn_prep *prep)
{
    return prep ? qni_prep_retain(prep) : NULL;
}

void qn_prep_release(qn_prep **prep)
{
    qn_prep *p = prep ? *prep : NULL;
    qn_context *ctx;

    if (!p)
        return;
    *prep = NULL;
    if (atomic_fetch_sub(&p->references, 1) > 1)
        return;
    ctx = p->ctx;
    p->type->close(p);
    qni_free(ctx, &p);
    qni_context_release(&ctx);
}

qn_prep_kind qn_prep_get_kind(const qn_prep *p)
{
    return p ? p->type->kind : QN_PREP_CLASSES;
}

const qn_field *qn_prep_sample(const qn_prep *p)
{
    return p ? &p->sample : NULL;
}

const qn_field *qn_prep_field(const qn_prep *p)
{
    return !p ? NULL : p->type->finish ? &p->input : &p->sample;
}

qn_status qni_prep_lacks(const char *what)
{
    return qni_error(QN_E_ARG, "the preparation takes %s, and there is none", what);
}

/* ---- the two halves ---- */

static size_t field_bytes(const qn_field *f)
{
    return (size_t)qni_elements(&f->shape) * qn_dtype_bytes(f->dtype);
}

qn_status qn_prep_load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    if (!p || !raw || !sample)
        return qni_error(QN_E_ARG, "a pointer is NULL");
    return p->type->load(p, raw, sample);
}

qn_status qn_prep_finish(const qn_prep *p, const void *sample, void *input)
{
    if (!p || !sample || !input)
        return qni_error(QN_E_ARG, "a pointer is NULL");
    if (p->type->finish)
        return p->type->finish(p, sample, input);
    memcpy(input, sample, field_bytes(&p->sample));
    return QN_OK;
}

qn_status qn_prep_run(const qn_prep *p, const qn_raw *raw, void *input)
{
    unsigned char *sample = NULL;
    qn_status st;

    if (!p || !raw || !input)
        return qni_error(QN_E_ARG, "a pointer is NULL");
    if (!p->type->finish)
        return p->type->load(p, raw, input);
    if ((st = qni_calloc(p->ctx, &sample, field_bytes(&p->sample), 1)))
        return st;
    if (!(st = p->type->load(p, raw, sample)))
        st = p->type->finish(p, sample, input);
    qni_free(p->ctx, &sample);
    return st;
}

/* ---- datasets ---- */

struct finish {
    qn_prep *prep;
    int at; /* of the input among the fields */
    int fields;
    size_t bytes[QN_MAX_FIELDS];
};

static qn_status finish_sample(void *user, const qn_sample *s)
{
    const struct finish *f = user;

    for (int i = 0; i < f->fields; i++)
        if (s->out[i] && i != f->at)
            memcpy(s->out[i], s->in[i], f->bytes[i]);
    return s->out[f->at] ? qn_prep_finish(f->prep, s->in[f->at], s->out[f->at]) : QN_OK;
}

static void close_finish(void *user)
{
    struct finish *f = user;
    qn_context *ctx = qni_context_retain(f->prep->ctx);

    qn_prep_release(&f->prep);
    qni_free(ctx, &f);
    qni_context_release(&ctx);
}

qn_status qni_prep_find_sample(int *out, const qn_prep *p, const qn_dataset *ds)
{
    char found[96], expected[96];
    int at = 0;

    while (at < ds->fields && ds->field[at].role != QN_FIELD_INPUT)
        at++;
    if (at == ds->fields)
        return qni_error(QN_E_SHAPE, "the dataset has no input");
    if (ds->field[at].dtype != p->sample.dtype || !qni_shape_equal(&ds->field[at].shape, &p->sample.shape))
        return qni_error(QN_E_SHAPE, "the dataset's input is %s %s, the preparation takes %s %s",
                         qn_dtype_name(ds->field[at].dtype), qni_shape_text(&ds->field[at].shape, found, sizeof(found)),
                         qn_dtype_name(p->sample.dtype), qni_shape_text(&p->sample.shape, expected, sizeof(expected)));
    *out = at;
    return QN_OK;
}

qn_status qn_dataset_finish(qn_dataset **out, qn_dataset *from, qn_prep *prep)
{
    qn_field field[QN_MAX_FIELDS];
    struct finish *f = NULL;
    qn_status st;
    int at = 0;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from || !prep)
        return qni_error(QN_E_ARG, "%s is NULL", from ? "prep" : "the source");
    if ((st = qni_prep_find_sample(&at, prep, from)) || (st = qni_calloc(prep->ctx, &f, 1, sizeof(*f))))
        return st;
    f->at = at;
    f->fields = from->fields;
    for (int i = 0; i < from->fields; i++) {
        field[i] = from->field[i];
        f->bytes[i] = field_bytes(&field[i]);
    }
    field[at] = *qn_prep_field(prep);
    f->prep = qni_prep_retain(prep);
    st = qn_dataset_map(out, from, &(qn_map_opt){.field = field, .fields = from->fields, .map = finish_sample,
                                                 .close = close_finish, .user = f});
    if (st)
        close_finish(f);
    return st;
}

/* ---- in words and as JSON ---- */

const char *qn_prep_describe(const qn_prep *p, char *text, size_t bytes)
{
    struct qni_text t = {0};

    if (!text || !bytes)
        return "";
    *text = 0;
    if (!p)
        return text;
    t.ctx = p->ctx;
    p->type->describe(p, &t);
    if (!t.status && t.data) {
        size_t n = QNI_MIN(t.length, bytes - 1);

        while (n < t.length && n && ((unsigned char)t.data[n] & 0xc0) == 0x80)
            n--; /* not within a character */
        memcpy(text, t.data, n);
        text[n] = 0;
    }
    qni_text_free(&t);
    return text;
}

void qni_prep_put(const qn_prep *p, struct qni_json_out *o, const char *key)
{
    qni_json_open(o, key, '{');
    qni_json_put_text(o, "kind", p->type->name);
    p->type->put(p, o);
    qni_json_close(o, '}');
}

qn_status qni_prep_get(qn_prep **out, qn_context *ctx, const struct qni_json_at *at)
{
    const char *kind;
    qn_prep *p = NULL;
    size_t i = 0;
    qn_status st;

    *out = NULL;
    if ((st = qni_json_get_text(at, "kind", &kind)))
        return st;
    while (i < QNI_COUNT(types) && strcmp(types[i]->name, kind))
        i++;
    if (i == QNI_COUNT(types)) {
        qni_json_error(at, "a preparation of kind \"%.40s\", which this version does not know", kind);
        return QN_E_UNSUPPORTED;
    }
    if ((st = qni_prep_new(&p, ctx, types[i])))
        return st;
    if ((st = types[i]->get(p, at)))
        qn_prep_release(&p);
    *out = p;
    return st;
}

qn_status qn_prep_to_json(const qn_prep *p, char *out, size_t most, size_t *bytes)
{
    struct qni_text text = {0};
    struct qni_json_out o = {.text = &text, .compact = true};

    if (!p || !bytes || (most && !out))
        return qni_error(QN_E_ARG, "a pointer is NULL");
    text.ctx = p->ctx;
    qni_prep_put(p, &o, NULL);
    return qni_text_give(&text, out, most, bytes);
}

qn_status qn_prep_from_json(qn_prep **out, qn_context *ctx, const char *name, const char *json, size_t bytes)
{
    struct qni_json *document = NULL;
    struct qni_json_at root;
    qn_context *held = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!name || !json)
        return qni_error(QN_E_ARG, "name or json is NULL");
    if ((st = qni_context_get(&held, ctx)))
        return st;
    if (!(st = qni_json_parse(&document, held, name, json, bytes, 0))) {
        root = qni_json_root(document);
        st = qni_prep_get(out, held, &root);
    }
    qni_json_free(&document);
    qni_context_release(&held);
    return st;
}
