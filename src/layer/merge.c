/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layers of several inputs, and padding. */
#include "layer/types.h"

static const struct qni_field no_fields[] = { { 0 } };
static const struct qni_field axis_fields[] = { QNI_PLAIN(QNI_FIELD_INT, axis), { 0 } };
static const struct qni_field pad_fields[] = { QNI_PLAIN(QNI_FIELD_INT4, pad), { 0 } };

/* Values joined two by two, all of one shape: Keras's merge layers broadcast, but the first size rule is ours. */
static qn_val join(qn_model *m, const qn_val *in, int n, qn_val (*f)(qn_graph *, qn_val, qn_val))
{
    qn_val y = in[0];

    for (int i = 1; i < n; i++) {
        qn_shape a = qni_value_shape(m->g, in[0]), b = qni_value_shape(m->g, in[i]);
        char s[160], t[160];

        if (!qni_shape_equal(&a, &b))
            return qni_layer_fail(m, qni_error(QN_E_SHAPE, "value %d has shape %s, expected %s", i,
                                               qni_shape_text(&b, s, sizeof(s)), qni_shape_text(&a, t, sizeof(t))));
        y = f(m->g, y, in[i]);
    }
    return y;
}

static qn_val build_add(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    return join(m, in, n, qn_graph_add);
}

/* As Keras: a factor counts as 1 where its mask says padding, and the product as 0 where all of them say so. */
static qn_val build_multiply(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    qn_val x[QNI_LAYER_INPUTS] = { { 0 } }, real = { 0 }, y;
    bool all = true;

    (void)l;
    for (int i = 0; i < n; i++) {
        const qn_val mask = qni_layer_mask_against(m, qni_layer_mask(m, in[i]), in[i]);

        x[i] = mask.id ? qn_graph_where(m->g, mask, in[i], qn_graph_fill_like(m->g, in[i], QN_F32, 1.0f)) : in[i];
        all &= mask.id != 0;
        if (all)
            real = real.id ? qn_graph_logical_or(m->g, real, mask) : mask;
    }
    y = join(m, x, n, qn_graph_mul);
    return all ? qn_graph_where(m->g, real, y, qn_graph_fill_like(m->g, y, QN_F32, 0.0f)) : y;
}

/* As Keras: an input without a mask counts as real throughout; beside each other along the last axis a step is real where
 * one of them is. */
static void concatenate_masks(qn_model *m, const qn_val *in, int n, int axis, qn_val y)
{
    const qn_shape s = qni_value_shape(m->g, y);
    qn_val mask[QNI_LAYER_INPUTS], joint;
    int rank = 0;

    for (int i = 0; i < n; i++) {
        mask[i] = qni_layer_mask(m, in[i]);
        if (mask[i].id)
            rank = qni_value_shape(m->g, mask[i]).rank;
    }
    if (!rank || m->g->status)
        return;
    for (int i = 0; i < n; i++) {
        int64_t start[QN_MAX_RANK] = { 0 }, stop[QN_MAX_RANK], dim[QN_MAX_RANK] = { 0 };

        if (mask[i].id)
            continue;
        for (int k = 0; k < QN_MAX_RANK; k++)
            stop[k] = k < rank ? INT64_MAX : 1;
        mask[i] = qn_graph_reshape(m->g, qn_graph_slice(m->g, in[i], s.rank, start, stop, NULL), rank, dim);
        mask[i] = qn_graph_fill_like(m->g, mask[i], QN_U8, 1.0f);
    }
    axis += axis < 0 ? s.rank : 0;
    joint = mask[0];
    if (axis < rank)
        joint = qn_graph_concat(m->g, mask, n, axis);
    else
        for (int i = 1; i < n; i++)
            joint = qn_graph_logical_or(m->g, joint, mask[i]);
    qni_layer_mask_set(m, y, joint);
}

static qn_val build_concatenate(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;
    const int axis = o->axis ? o->axis : -1;
    const qn_val y = qn_graph_concat(m->g, in, n, axis);

    concatenate_masks(m, in, n, axis, y);
    return y;
}

const struct qni_layer_type qni_layer_add_type = QNI_PLAIN_MASKED("add", "Add", no_fields, build_add, QNI_MASK_ANY);
const struct qni_layer_type qni_layer_multiply = QNI_PLAIN_MASKED("multiply", "Multiply", no_fields, build_multiply,
                                                                    QNI_MASK_ANY);
const struct qni_layer_type qni_layer_concatenate = QNI_PLAIN_TYPE("concatenate", "Concatenate", axis_fields, build_concatenate);

qn_val qn_add(qn_model *m, const qn_val *x, int n)
{
    return qni_layer_add(m, &qni_layer_add_type, NULL, x, n);
}

qn_val qn_multiply(qn_model *m, const qn_val *x, int n)
{
    return qni_layer_add(m, &qni_layer_multiply, NULL, x, n);
}

qn_val qn_concatenate(qn_model *m, const qn_val *x, int n, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_concatenate, opt, x, n);
}

static qn_val build_zero_padding(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;
    qn_shape s;
    int64_t before[4] = { 0, o->pad[0], o->pad[2], 0 }, after[4] = { 0, o->pad[1], o->pad[3], 0 };

    (void)n;
    if (!qni_layer_rank(m, in[0], 4, 4, &s))
        return (qn_val){ 0 };
    return qn_graph_pad(m->g, in[0], 4, before, after, 0.0f);
}

const struct qni_layer_type qni_layer_zero_padding2d = QNI_PLAIN_TYPE("zero_padding2d", "ZeroPadding2D", pad_fields,
                                                                 build_zero_padding);

qn_val qn_zero_padding2d(qn_model *m, qn_val x, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_zero_padding2d, opt, &x, 1);
}
