/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * How a model's inputs were prepared, and what its targets mean. */
#include "data/prep/prep.h"
#include "model/save.h"

static const char *const sides[2] = {"inputs", "targets"};

static qn_prep **find(qn_model *m, qn_field_role role, int i)
{
    if (!m || (role != QN_FIELD_INPUT && role != QN_FIELD_TARGET) || i < 0 ||
        i >= (role == QN_FIELD_INPUT ? m->inputs : m->outputs))
        return NULL;
    return &m->prep[role == QN_FIELD_TARGET][i];
}

/* An input of any length takes every length. */
static bool suits(const qn_model *m, int i, const qn_field *f)
{
    const struct qni_value *v = qni_value_get(m->g, m->input[i]);
    const qn_shape s = qni_value_shape(m->g, m->input[i]);

    if (v->dtype != f->dtype || s.rank != f->shape.rank + 1)
        return false;
    for (int k = 1; k < s.rank; k++)
        if (s.dim[k] != QN_ANY && s.dim[k] != f->shape.dim[k - 1])
            return false;
    return true;
}

qn_status qn_model_set_prep(qn_model *m, qn_field_role role, int i, qn_prep *prep)
{
    qn_prep **at = find(m, role, i);
    const qn_field *f = qn_prep_field(prep);
    char found[96];

    if (!at)
        return qni_error(QN_E_ARG, m ? "there is no input or target %d" : "m is NULL", i);
    if (prep && role == QN_FIELD_INPUT && !suits(m, i, f))
        return qni_error(QN_E_SHAPE, "the preparation gives %s %s, which is not what input %d takes", qn_dtype_name(f->dtype),
                         qni_shape_text(&f->shape, found, sizeof(found)), i);
    if (prep)
        qni_prep_retain(prep);
    qn_prep_release(at);
    *at = prep;
    return QN_OK;
}

qn_prep *qn_model_prep(const qn_model *m, qn_field_role role, int i)
{
    qn_prep *const *at = m && i >= 0 && i < QNI_MAX_MODEL_IO ? &m->prep[role == QN_FIELD_TARGET][i] : NULL;

    return at && (role == QN_FIELD_INPUT || role == QN_FIELD_TARGET) ? *at : NULL;
}

void qni_preps_free(qn_model *m)
{
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < QNI_MAX_MODEL_IO; i++)
            qn_prep_release(&m->prep[side][i]);
}

void qni_preps_put(const qn_model *m, struct qni_json_out *o)
{
    qni_json_open(o, "preparation", '{');
    for (int side = 0; side < 2; side++) {
        qni_json_open(o, sides[side], '[');
        for (int i = 0; i < (side ? m->outputs : m->inputs); i++)
            if (m->prep[side][i])
                qni_prep_put(m->prep[side][i], o, NULL);
            else
                qni_json_put_null(o, NULL);
        qni_json_close(o, ']');
    }
    qni_json_close(o, '}');
}

qn_status qni_preps_get(qn_model *m, const struct qni_json_at *root)
{
    struct qni_json_at both, list;
    qn_context *ctx = m->dev->ctx;
    qn_status st = QN_OK;

    if (!qni_json_find(&both, root, "preparation"))
        return QN_OK; /* an older file */
    for (int side = 0; side < 2 && !st; side++) {
        struct qni_json_at child = {0};

        if ((st = qni_json_member(&list, &both, sides[side])))
            return st;
        for (int i = 0; !st && qni_json_next(&list, &child); i++) {
            qn_prep *p = NULL;

            if (qni_json_type(&child) != QNI_JSON_NULL && !(st = qni_prep_get(&p, ctx, &child)))
                st = qn_model_set_prep(m, side ? QN_FIELD_TARGET : QN_FIELD_INPUT, i, p);
            qn_prep_release(&p);
        }
    }
    return st;
}
