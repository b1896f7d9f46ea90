/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Dense layers, activations, flatten and reshape. */
#include "layer/types.h"
#include "ops/act.h"
#include "ops/gemm/gemm.h"
#include "ops/softmax/softmax.h"

/* Keras's default parameters, where the option is 0. */
static float act_alpha(qn_act act, float alpha)
{
    if (alpha != 0.0f)
        return alpha;
    return act == QN_LEAKY_RELU ? 0.2f : act == QN_ELU ? 1.0f : 0.0f;
}

qn_val qni_layer_act(qn_model *m, qn_val x, qn_act act, float alpha)
{
    if ((unsigned)act > QN_LOG_SOFTMAX)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "there is no activation %d", (int)act));
    if (act == QN_SOFTMAX || act == QN_LOG_SOFTMAX) {
        struct qni_softmax attr = { .axis = -1, .log = act == QN_LOG_SOFTMAX };

        return qni_node_add(m->g, &qni_op_softmax, &attr, &x, 1, NULL);
    }
    return qn_graph_act(m->g, x, act, act_alpha(act, alpha));
}

qn_val qni_layer_linear(qn_model *m, const struct qni_op *op, const void *attr, const qn_val *in, int n, qn_val bias,
                        qn_act act, float alpha)
{
    qn_val y;

    if ((unsigned)act > QN_LOG_SOFTMAX)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "there is no activation %d", (int)act));
    alpha = act_alpha(act, alpha);
    if (act != QN_LINEAR && (!qni_act_pointwise(act) || !qni_act_by_result(act, alpha))) {
        y = qni_node_bias_act(m->g, op, attr, in, n, bias, QN_LINEAR, 0.0f);
        return qni_layer_act(m, y, act, alpha);
    }
    return qni_node_bias_act(m->g, op, attr, in, n, bias, act, alpha);
}

/* ---- dense ---- */

#define FIELD(kind, member) { #member, kind, offsetof(qn_dense_opt, member) }

static const struct qni_field dense_fields[] = {
    FIELD(QNI_FIELD_INT, units), FIELD(QNI_FIELD_ACT, act), FIELD(QNI_FIELD_FLOAT, act_alpha),
    FIELD(QNI_FIELD_BOOL, no_bias), FIELD(QNI_FIELD_INIT, kernel_init), FIELD(QNI_FIELD_INIT, bias_init),
    FIELD(QNI_FIELD_FLOAT, init_scale), FIELD(QNI_FIELD_FLOAT, kernel_l1), FIELD(QNI_FIELD_FLOAT, kernel_l2),
    FIELD(QNI_FIELD_FLOAT, bias_l1), FIELD(QNI_FIELD_FLOAT, bias_l2), FIELD(QNI_FIELD_BOOL, frozen), { 0 }
};

static qn_val build_dense(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_dense_opt *o = l->opt;
    struct qni_matmul attr = { 0 };
    qn_val kernel, bias = { 0 };
    qn_shape s;
    int64_t d;

    (void)n;
    if (o->units < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "units is %d, expected 1 or more", o->units));
    if (!qni_layer_rank(m, in[0], 2, QN_MAX_RANK, &s) || !(d = qni_layer_axis(m, &s, s.rank - 1)))
        return (qn_val){ 0 };
    kernel = qni_layer_weight(m, l, &(struct qni_weight){
        .name = "kernel", .shape = qni_shape(2, d, (int64_t)o->units), .init = o->kernel_init,
        .init_default = QN_INIT_GLOROT_UNIFORM, .init_scale = o->init_scale, .l1 = o->kernel_l1, .l2 = o->kernel_l2,
        .trained = !o->frozen });
    if (!o->no_bias)
        bias = qni_layer_weight(m, l, &(struct qni_weight){
            .name = "bias", .shape = qni_shape(1, (int64_t)o->units), .init = o->bias_init, .init_default = QN_INIT_ZEROS,
            .l1 = o->bias_l1, .l2 = o->bias_l2, .trained = !o->frozen, .no_decay = true });
    return qni_layer_linear(m, &qni_op_matmul, &attr, (qn_val[]){ in[0], kernel }, 2, bias, o->act, o->act_alpha);
}

const struct qni_layer_type qni_layer_dense = {
    .name = "dense", .title = "Dense", .opt_bytes = sizeof(qn_dense_opt), .name_offset = offsetof(qn_dense_opt, name),
    .reuse_offset = offsetof(qn_dense_opt, reuse), .reserved_offset = offsetof(qn_dense_opt, reserved),
    .fields = dense_fields, .mask = QNI_MASK_PASS, .build = build_dense,
};

qn_val qn_dense(qn_model *m, qn_val x, const qn_dense_opt *opt)
{
    return qni_layer_add(m, &qni_layer_dense, opt, &x, 1);
}

/* ---- layers with qn_layer_opt ---- */

static const struct qni_field no_fields[] = { { 0 } };
static const struct qni_field prelu_fields[] = { QNI_PLAIN(QNI_FIELD_INT, shared_axes), { 0 } };
static const struct qni_field act_fields[] = {
    QNI_PLAIN(QNI_FIELD_ACT, act), QNI_PLAIN(QNI_FIELD_FLOAT, act_alpha), QNI_PLAIN(QNI_FIELD_INT, axis), { 0 }
};

static qn_val build_activation(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;

    (void)n;
    if (o->axis && (o->act == QN_SOFTMAX || o->act == QN_LOG_SOFTMAX)) {
        qn_shape s;

        if (!qni_layer_rank(m, in[0], 2, QN_MAX_RANK, &s))
            return (qn_val){ 0 };
        if (o->axis < 1 || o->axis >= s.rank)
            return qni_layer_fail(m, qni_error(QN_E_ARG, "axis is %d, expected 1 to %d", o->axis, s.rank - 1));
        return (o->act == QN_SOFTMAX ? qn_graph_softmax : qn_graph_log_softmax)(m->g, in[0], o->axis);
    }
    return qni_layer_act(m, in[0], o->act, o->act_alpha);
}

const struct qni_layer_type qni_layer_activation = QNI_PLAIN_MASKED("activation", "Activation", act_fields, build_activation,
                                                                      QNI_MASK_PASS);

qn_val qn_activation(qn_model *m, qn_val x, qn_act act, const qn_layer_opt *opt)
{
    qn_layer_opt o = opt ? *opt : (qn_layer_opt){ 0 };

    o.act = act;
    if (act == QN_LEAKY_RELU && o.act_alpha == 0.0f)
        o.act_alpha = 0.3f; /* the layer's default; the function's is 0.2 */
    return qni_layer_add(m, &qni_layer_activation, &o, &x, 1);
}

static qn_val build_prelu(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;
    qn_shape s, slope = { 0 };

    (void)n;
    if (!qni_layer_rank(m, in[0], 2, QN_MAX_RANK, &s))
        return (qn_val){ 0 };
    if (o->shared_axes & 1u || o->shared_axes >> s.rank)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "shared_axes is %#x, expected bits 1 to %d", o->shared_axes, s.rank - 1));
    slope.rank = s.rank - 1;
    for (int i = 1; i < s.rank; i++)
        if (o->shared_axes >> i & 1)
            slope.dim[i - 1] = 1;
        else if (!(slope.dim[i - 1] = qni_layer_axis(m, &s, i)))
            return (qn_val){ 0 };
    return qn_graph_prelu(m->g, in[0], qni_layer_weight(m, l, &(struct qni_weight){
        .name = "alpha", .shape = slope, .init_default = QN_INIT_ZEROS, .trained = true }));
}

const struct qni_layer_type qni_layer_prelu = QNI_PLAIN_MASKED("p_re_lu", "PReLU", prelu_fields, build_prelu, QNI_MASK_PASS);

qn_val qn_prelu(qn_model *m, qn_val x, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_prelu, opt, &x, 1);
}

static qn_val build_flatten(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    (void)n;
    return qn_graph_flatten(m->g, in[0]);
}

const struct qni_layer_type qni_layer_flatten = QNI_PLAIN_TYPE("flatten", "Flatten", no_fields, build_flatten);

qn_val qn_flatten(qn_model *m, qn_val x)
{
    return qni_layer_add(m, &qni_layer_flatten, NULL, &x, 1);
}

struct reshape_opt { qn_shape shape; };

static const struct qni_field reshape_fields[] = { { "shape", QNI_FIELD_DIMS, offsetof(struct reshape_opt, shape) }, { 0 } };

static qn_val build_reshape(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct reshape_opt *o = l->opt;
    int64_t dim[QN_MAX_RANK] = { 0 };
    bool rest = false;

    (void)n;
    for (int i = 0; i < o->shape.rank; i++) {
        dim[i + 1] = o->shape.dim[i];
        rest |= dim[i + 1] == -1;
        if (dim[i + 1] < -1 || dim[i + 1] == 0)
            return qni_layer_fail(m, qni_error(QN_E_ARG, "axis %d of the new shape is %lld", i, (long long)dim[i + 1]));
    }
    (void)rest;
    return qn_graph_reshape(m->g, in[0], o->shape.rank + 1, dim);
}

const struct qni_layer_type qni_layer_reshape = {
    .name = "reshape", .title = "Reshape", .opt_bytes = sizeof(struct reshape_opt), .name_offset = SIZE_MAX,
    .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = reshape_fields, .build = build_reshape,
};

qn_val qn_reshape(qn_model *m, qn_val x, int rank, const int64_t *dim)
{
    struct reshape_opt o = { .shape = { .rank = rank } };

    if (!m || m->g->status)
        return (qn_val){ 0 };
    if (rank < 0 || rank >= QN_MAX_RANK || (rank && !dim))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "reshape: a sample has 0 to %d axes, found %d", QN_MAX_RANK - 1, rank));
    for (int i = 0; i < rank; i++)
        o.shape.dim[i] = dim[i];
    return qni_layer_add(m, &qni_layer_reshape, &o, &x, 1);
}
