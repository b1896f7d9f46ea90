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
