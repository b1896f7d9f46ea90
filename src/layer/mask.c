/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Masks of sequences: how they travel from layer to layer, and the layers that make them. */
#include "layer/types.h"

qn_val qni_layer_mask(const qn_model *m, qn_val x)
{
    for (size_t i = 0; i < m->masks; i++)
        if (m->masked[i].value == x.id)
            return (qn_val){ m->masked[i].mask };
    return (qn_val){ 0 };
}

/* u8 of y's first axes, all but the last at most. */
static bool fits(qn_model *m, qn_val y, qn_val mask)
{
    const qn_shape s = qni_value_shape(m->g, y), t = qni_value_shape(m->g, mask);
    bool fit = t.rank >= 2 && t.rank <= s.rank && qni_value_get(m->g, mask)->dtype == QN_U8;
    char a[160], b[160];

    for (int i = 0; fit && i < t.rank; i++)
        fit = t.dim[i] == s.dim[i];
    if (!fit)
        qni_layer_fail(m, qni_error(QN_E_SHAPE, "a mask %s %s does not fit %s, expected u8 of its first axes",
                                    qn_dtype_name(qni_value_get(m->g, mask)->dtype), qni_shape_text(&t, a, sizeof(a)),
                                    qni_shape_text(&s, b, sizeof(b))));
    return fit;
}

void qni_layer_mask_set(qn_model *m, qn_val y, qn_val mask)
{
    qn_status st;

    if (m->g->status || !y.id || (mask.id && !fits(m, y, mask)))
        return;
    for (size_t i = 0; i < m->masks; i++)
        if (m->masked[i].value == y.id) {
            m->masked[i].mask = mask.id;
            return;
        }
    if (!mask.id)
        return;
    if ((st = qni_reserve(m->ctx, &m->masked, &m->mask_capacity, m->masks, sizeof(*m->masked))))
        qni_layer_fail(m, st);
    else
        m->masked[m->masks++] = (struct qni_masked){ y.id, mask.id };
}

void qni_layer_mask_follow(qn_model *m, const struct qni_layer *l)
{
    qn_val mask;

    if (m->g->status || !l->out.id || qni_layer_mask(m, l->out).id || l->type->mask == QNI_MASK_STOP)
        return;
    mask = qni_layer_mask(m, l->in[0]);
    for (int i = 1; i < l->inputs && l->type->mask == QNI_MASK_ANY && mask.id; i++) {
        const qn_val other = qni_layer_mask(m, l->in[i]);

        mask = other.id && other.id != mask.id ? qn_graph_logical_or(m->g, mask, other) : other.id ? mask : other;
    }
    if (mask.id)
        qni_layer_mask_set(m, l->out, mask);
}

qn_val qni_layer_mask_against(qn_model *m, qn_val mask, qn_val x)
{
    const int rank = qni_value_shape(m->g, x).rank;

    if (!mask.id)
        return mask;
    for (int i = qni_value_shape(m->g, mask).rank; i < rank; i++)
        mask = qn_graph_expand_dims(m->g, mask, i);
    return mask;
}

static qn_val number(qn_model *m, qn_dtype dtype, float v)
{
    return qn_graph_fill(m->g, dtype, 0, NULL, v);
}

/* ---- masking ---- */

struct masking_opt { float mask_value; };

static const struct qni_field no_fields[] = { { 0 } };
static const struct qni_field masking_fields[] = {
    { "mask_value", QNI_FIELD_FLOAT, offsetof(struct masking_opt, mask_value) }, { 0 }
};

static qn_val build_masking(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct masking_opt *o = l->opt;
    const int last = -1;
    qn_val real, mask, y;
    qn_shape s;

    (void)n;
    if (!qni_layer_rank(m, in[0], 3, QN_MAX_RANK, &s))
        return (qn_val){ 0 };
    real = qn_graph_cast(m->g, qn_graph_not_equal(m->g, in[0], number(m, QN_F32, o->mask_value)), QN_F32);
    real = qn_graph_reduce_max(m->g, real, &last, 1, true);
    mask = qn_graph_cast(m->g, qn_graph_squeeze(m->g, real, s.rank - 1), QN_U8);
    y = qn_graph_where(m->g, real, in[0], number(m, QN_F32, 0.0f));
    qni_layer_mask_set(m, y, mask);
    return y;
}

const struct qni_layer_type qni_layer_masking = {
    .name = "masking", .title = "Masking", .opt_bytes = sizeof(struct masking_opt), .name_offset = SIZE_MAX,
    .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = masking_fields, .build = build_masking,
};

qn_val qn_masking(qn_model *m, qn_val x, float mask_value)
{
    return qni_layer_add(m, &qni_layer_masking, &(struct masking_opt){ mask_value }, &x, 1);
}

/* ---- masks of one's own ---- */

static qn_val build_set(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const int64_t same[QN_MAX_RANK] = { 0 };
    const qn_val y = qn_graph_reshape(m->g, in[0], qni_value_shape(m->g, in[0]).rank, same);

    (void)l;
    if (n > 1 && !m->g->status)
        qni_layer_mask_set(m, y, qn_graph_not_equal(m->g, in[1], number(m, qni_value_get(m->g, in[1])->dtype, 0.0f)));
    return y;
}

static qn_val build_mask(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_val mask = qni_layer_mask(m, in[0]);

    (void)l;
    (void)n;
    return mask.id ? mask : qni_layer_fail(m, qni_error(QN_E_ARG, "the value has no mask"));
}

const struct qni_layer_type qni_layer_set_mask = QNI_PLAIN_TYPE("set_mask", "SetMask", no_fields, build_set);
const struct qni_layer_type qni_layer_mask_type = QNI_PLAIN_TYPE("mask", "Mask", no_fields, build_mask);

qn_val qn_set_mask(qn_model *m, qn_val x, qn_val mask)
{
    const qn_val in[2] = { x, mask };

    return qni_layer_add(m, &qni_layer_set_mask, NULL, in, mask.id ? 2 : 1);
}

qn_val qn_mask(qn_model *m, qn_val x)
{
    return m && qni_layer_mask(m, x).id ? qni_layer_add(m, &qni_layer_mask_type, NULL, &x, 1) : (qn_val){ 0 };
}
