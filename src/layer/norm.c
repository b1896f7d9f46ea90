/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "layer/types.h"
#include "ops/norm/norm.h"

#define FIELD(kind, member) { #member, kind, offsetof(qn_batchnorm_opt, member) }

static const struct qni_field fields[] = {
    FIELD(QNI_FIELD_FLOAT, momentum), FIELD(QNI_FIELD_FLOAT, epsilon), FIELD(QNI_FIELD_BOOL, no_scale),
    FIELD(QNI_FIELD_BOOL, no_center), FIELD(QNI_FIELD_BOOL, frozen), { 0 }
};

static qn_val weight(qn_model *m, struct qni_layer *l, const char *name, int64_t c, qn_init init, bool trained)
{
    return qni_layer_weight(m, l, &(struct qni_weight){ .name = name, .shape = qni_shape(1, c), .init_default = init,
                                                       .trained = trained, .no_decay = true });
}

static qn_val build(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_batchnorm_opt *o = l->opt;
    struct qni_batch_norm attr = { .epsilon = o->epsilon != 0.0f ? o->epsilon : 1e-3f,
                                   .momentum = o->momentum != 0.0f ? o->momentum : 0.99f };
    qn_val operand[5] = { in[0] };
    qn_shape s;
    int64_t c;

    (void)n;
    if (!(attr.epsilon > 0.0f) || !(attr.momentum >= 0.0f && attr.momentum <= 1.0f))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "epsilon is %g and momentum %g, expected above 0, and 0 to 1",
                                           (double)attr.epsilon, (double)attr.momentum));
    if (!qni_layer_rank(m, in[0], 2, QN_MAX_RANK, &s) || !(c = qni_layer_axis(m, &s, s.rank - 1)))
        return (qn_val){ 0 };
    if (!o->no_scale)
        operand[1] = weight(m, l, "gamma", c, QN_INIT_ONES, !o->frozen);
    if (!o->no_center)
        operand[2] = weight(m, l, "beta", c, QN_INIT_ZEROS, !o->frozen);
    operand[3] = weight(m, l, "moving_mean", c, QN_INIT_ZEROS, false);
    operand[4] = weight(m, l, "moving_variance", c, QN_INIT_ONES, false);
    return qni_node_add(m->g, o->frozen ? &qni_op_batch_norm_inference : &qni_op_batch_norm, &attr, operand, 5, NULL);
}

const struct qni_layer_type qni_layer_batchnorm = {
    .name = "batch_normalization", .title = "BatchNormalization", .opt_bytes = sizeof(qn_batchnorm_opt),
    .name_offset = offsetof(qn_batchnorm_opt, name), .reuse_offset = SIZE_MAX,
    .reserved_offset = offsetof(qn_batchnorm_opt, reserved), .fields = fields, .mask = QNI_MASK_PASS, .build = build,
};

qn_val qn_batchnorm(qn_model *m, qn_val x, const qn_batchnorm_opt *opt)
{
    return qni_layer_add(m, &qni_layer_batchnorm, opt, &x, 1);
}

/* ---- over the last axes, and over groups of channels ---- */

#define LAYER_FIELD(kind, member) { #member, kind, offsetof(qn_layernorm_opt, member) }

static const struct qni_field layer_fields[] = {
    LAYER_FIELD(QNI_FIELD_FLOAT, epsilon), LAYER_FIELD(QNI_FIELD_INT, axes), LAYER_FIELD(QNI_FIELD_INT, groups),
    LAYER_FIELD(QNI_FIELD_BOOL, no_scale), LAYER_FIELD(QNI_FIELD_BOOL, no_center), LAYER_FIELD(QNI_FIELD_BOOL, frozen), { 0 }
};

/* The shape of gamma: the last `axes` axes. */
static bool last_axes(qn_model *m, qn_val x, int axes, qn_shape *out)
{
    qn_shape s;

    if (!qni_layer_rank(m, x, 2, QN_MAX_RANK, &s))
        return false;
    if (axes < 1 || axes >= s.rank) {
        qni_layer_fail(m, qni_error(QN_E_ARG, "axes is %d, expected 1 to %d", axes, s.rank - 1));
        return false;
    }
    *out = (qn_shape){ .rank = axes };
    for (int i = 0; i < axes; i++)
        if (!(out->dim[i] = qni_layer_axis(m, &s, s.rank - axes + i)))
            return false;
    return true;
}

static qn_val layer_weight(qn_model *m, struct qni_layer *l, const char *name, const qn_shape *shape, qn_init init)
{
    const qn_layernorm_opt *o = l->opt;

    return qni_layer_weight(m, l, &(struct qni_weight){ .name = name, .shape = *shape, .init_default = init,
                                                       .trained = !o->frozen, .no_decay = true });
}

static qn_val build_layernorm(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layernorm_opt *o = l->opt;
    const qn_graph_layer_norm_opt op = { .epsilon = o->epsilon, .axes = o->axes };
    qn_val gamma = { 0 }, beta = { 0 };
    qn_shape s;

    (void)n;
    if (!last_axes(m, in[0], o->axes ? o->axes : 1, &s))
        return gamma;
    if (!o->no_scale)
        gamma = layer_weight(m, l, "gamma", &s, QN_INIT_ONES);
    if (!o->no_center)
        beta = layer_weight(m, l, "beta", &s, QN_INIT_ZEROS);
    return qn_graph_layer_norm(m->g, in[0], gamma, beta, &op);
}

static qn_val build_rmsnorm(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layernorm_opt *o = l->opt;
    const qn_graph_layer_norm_opt op = { .epsilon = o->epsilon, .axes = o->axes };
    qn_val scale = { 0 };
    qn_shape s;

    (void)n;
    if (!last_axes(m, in[0], o->axes ? o->axes : 1, &s))
        return scale;
    if (!o->no_scale)
        scale = layer_weight(m, l, "scale", &s, QN_INIT_ONES);
    return qn_graph_rms_norm(m->g, in[0], scale, &op);
}

static qn_val build_groupnorm(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layernorm_opt *o = l->opt;
    const qn_graph_layer_norm_opt op = { .epsilon = o->epsilon, .axes = o->axes };
    qn_val gamma = { 0 }, beta = { 0 };
    qn_shape s;

    (void)n;
    if (!last_axes(m, in[0], 1, &s))
        return gamma;
    if (!o->no_scale)
        gamma = layer_weight(m, l, "gamma", &s, QN_INIT_ONES);
    if (!o->no_center)
        beta = layer_weight(m, l, "beta", &s, QN_INIT_ZEROS);
    return qn_graph_group_norm(m->g, in[0], o->groups ? o->groups : 32, gamma, beta, &op);
}

#define NORM_TYPE(id, title_text, build_function) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(qn_layernorm_opt), \
      .name_offset = offsetof(qn_layernorm_opt, name), .reuse_offset = SIZE_MAX, \
      .reserved_offset = offsetof(qn_layernorm_opt, reserved), .fields = layer_fields, .mask = QNI_MASK_PASS, \
      .build = build_function }

const struct qni_layer_type qni_layer_layernorm = NORM_TYPE("layer_normalization", "LayerNormalization", build_layernorm);
const struct qni_layer_type qni_layer_rmsnorm = NORM_TYPE("rms_normalization", "RMSNormalization", build_rmsnorm);
const struct qni_layer_type qni_layer_groupnorm = NORM_TYPE("group_normalization", "GroupNormalization", build_groupnorm);

qn_val qn_layernorm(qn_model *m, qn_val x, const qn_layernorm_opt *opt)
{
    return qni_layer_add(m, &qni_layer_layernorm, opt, &x, 1);
}

qn_val qn_rmsnorm(qn_model *m, qn_val x, const qn_layernorm_opt *opt)
{
    return qni_layer_add(m, &qni_layer_rmsnorm, opt, &x, 1);
}

qn_val qn_groupnorm(qn_model *m, qn_val x, const qn_layernorm_opt *opt)
{
    return qni_layer_add(m, &qni_layer_groupnorm, opt, &x, 1);
}
