/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layers of several inputs. */
#include "layer/types.h"

static const struct qni_field no_fields[] = { { 0 } };
static const struct qni_field axis_fields[] = { QNI_PLAIN(QNI_FIELD_INT, axis), { 0 } };

/* May two values be joined: of one rank, with sizes that are equal or 1? Else it fails. */
static bool fit(qn_model *m, qn_val x, qn_val y, int number)
{
    qn_shape a = qni_value_shape(m->g, x), b = qni_value_shape(m->g, y);
    bool fits = a.rank == b.rank;
    char s[160], t[160];

    for (int k = 0; fits && k < a.rank; k++)
        fits = a.dim[k] == b.dim[k] || (k > 0 && (a.dim[k] == 1 || b.dim[k] == 1));
    if (!fits)
        qni_layer_fail(m, qni_error(QN_E_SHAPE, "value %d has shape %s, expected %s", number,
                                    qni_shape_text(&b, s, sizeof(s)), qni_shape_text(&a, t, sizeof(t))));
    return fits && !m->g->status;
}

/* Values joined two by two; as Keras's merge layers, axes of size 1 are broadcast. */
static qn_val join(qn_model *m, const qn_val *in, int n, qn_val (*f)(qn_graph *, qn_val, qn_val))
{
    qn_val y = in[0];

    for (int i = 1; i < n; i++)
        y = fit(m, y, in[i], i) ? f(m->g, y, in[i]) : (qn_val){ 0 };
    return y;
}

/* As Keras: where one value is padding the other is the result. */
static qn_val join_real(qn_model *m, const qn_val *in, int n, qn_val (*f)(qn_graph *, qn_val, qn_val))
{
    qn_val y = in[0], real = qni_layer_mask_against(m, qni_layer_mask(m, in[0]), in[0]);

    for (int i = 1; i < n && fit(m, y, in[i], i); i++) {
        qn_val x = in[i], mask = qni_layer_mask_against(m, qni_layer_mask(m, x), x);

        if (mask.id)
            x = qn_graph_where(m->g, mask, x, y);
        if (real.id)
            y = qn_graph_where(m->g, real, y, x);
        real = mask.id && real.id ? qn_graph_logical_or(m->g, real, mask) : (qn_val){ 0 };
        y = f(m->g, y, x);
    }
    return m->g->status ? (qn_val){ 0 } : y;
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

static qn_val build_average(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    return qn_graph_affine(m->g, join(m, in, n, qn_graph_add), 1.0f / (float)n, 0.0f);
}

static qn_val build_maximum(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    return join_real(m, in, n, qn_graph_maximum);
}

static qn_val build_minimum(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    return join_real(m, in, n, qn_graph_minimum);
}

static bool two(qn_model *m, int n)
{
    if (n != 2)
        qni_layer_fail(m, qni_error(QN_E_ARG, "%d values, expected 2", n));
    return n == 2;
}

static qn_val build_subtract(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    return two(m, n) ? join(m, in, n, qn_graph_sub) : (qn_val){ 0 };
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
const struct qni_layer_type qni_layer_average = QNI_PLAIN_MASKED("average", "Average", no_fields, build_average, QNI_MASK_ANY);
const struct qni_layer_type qni_layer_maximum = QNI_PLAIN_MASKED("maximum", "Maximum", no_fields, build_maximum, QNI_MASK_ANY);
const struct qni_layer_type qni_layer_minimum = QNI_PLAIN_MASKED("minimum", "Minimum", no_fields, build_minimum, QNI_MASK_ANY);
const struct qni_layer_type qni_layer_subtract = QNI_PLAIN_MASKED("subtract", "Subtract", no_fields, build_subtract, QNI_MASK_ANY);
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

qn_val qn_subtract(qn_model *m, qn_val a, qn_val b)
{
    return qni_layer_add(m, &qni_layer_subtract, NULL, (qn_val[]){ a, b }, 2);
}

qn_val qn_average(qn_model *m, const qn_val *x, int n)
{
    return qni_layer_add(m, &qni_layer_average, NULL, x, n);
}

qn_val qn_maximum(qn_model *m, const qn_val *x, int n)
{
    return qni_layer_add(m, &qni_layer_maximum, NULL, x, n);
}

qn_val qn_minimum(qn_model *m, const qn_val *x, int n)
{
    return qni_layer_add(m, &qni_layer_minimum, NULL, x, n);
}

/* ---- dot ---- */

static const struct qni_field dot_fields[] = {
    { "axes", QNI_FIELD_INT2, offsetof(qn_dot_opt, axes) }, { "normalize", QNI_FIELD_BOOL, offsetof(qn_dot_opt, normalize) },
    { 0 }
};

/* x over its length along an axis, which counts as 1e-7 at least: Keras's epsilon. */
static qn_val unit(qn_model *m, qn_val x, int axis)
{
    qn_val square = qn_graph_reduce_sum_squares(m->g, x, &axis, 1, true);

    square = qn_graph_maximum(m->g, square, qn_graph_fill_like(m->g, square, QN_F32, 1e-14f));
    return qn_graph_mul(m->g, x, qn_graph_rsqrt(m->g, square));
}

static qn_val build_dot(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_dot_opt *o = l->opt;
    qn_val x[2], y;
    bool vector[2], inner[2]; /* inner: the axis is the first of two */
    int axis[2];
    qn_shape s[2];

    if (!two(m, n))
        return (qn_val){ 0 };
    for (int i = 0; i < 2; i++) {
        if (!qni_layer_rank(m, in[i], 2, 3, &s[i]))
            return (qn_val){ 0 };
        axis[i] = o->axes[i] ? o->axes[i] : s[i].rank - 1;
        if (axis[i] < 1 || axis[i] >= s[i].rank)
            return qni_layer_fail(m, qni_error(QN_E_ARG, "axis %d of value %d, expected 1 to %d", axis[i], i, s[i].rank - 1));
    }
    if (s[0].dim[axis[0]] != s[1].dim[axis[1]])
        return qni_layer_fail(m, qni_error(QN_E_SHAPE, "the axes to multiply have %lld and %lld elements",
                                           (long long)s[0].dim[axis[0]], (long long)s[1].dim[axis[1]]));
    for (int i = 0; i < 2; i++) {
        vector[i] = s[i].rank == 2;
        inner[i] = !vector[i] && axis[i] == 1;
        x[i] = o->normalize ? unit(m, in[i], axis[i]) : in[i];
        x[i] = vector[i] ? qn_graph_expand_dims(m->g, x[i], 1) : x[i]; /* [N,1,D] */
    }
    y = qn_graph_matmul(m->g, x[0], x[1], inner[0], !inner[1]); /* [N, a's rest, b's rest] */
    if (vector[0])
        return qn_graph_squeeze(m->g, y, 1);
    return vector[1] ? qn_graph_squeeze(m->g, y, 2) : y;
}

const struct qni_layer_type qni_layer_dot = {
    .name = "dot", .title = "Dot", .opt_bytes = sizeof(qn_dot_opt), .name_offset = offsetof(qn_dot_opt, name),
    .reuse_offset = SIZE_MAX, .reserved_offset = offsetof(qn_dot_opt, reserved), .fields = dot_fields, .build = build_dot,
};

qn_val qn_dot(qn_model *m, qn_val a, qn_val b, const qn_dot_opt *opt)
{
    return qni_layer_add(m, &qni_layer_dot, opt, (qn_val[]){ a, b }, 2);
}
