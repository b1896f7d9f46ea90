/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "layer/types.h"
#include "ops/pool/pool.h"

#define FIELD(kind, member) { #member, kind, offsetof(qn_pool_opt, member) }

static const struct qni_field fields[] = {
    FIELD(QNI_FIELD_INT2, size), FIELD(QNI_FIELD_INT2, stride), FIELD(QNI_FIELD_PADDING, padding),
    FIELD(QNI_FIELD_INT4, pad), FIELD(QNI_FIELD_BOOL, keepdims), { 0 }
};

static qn_val pool(qn_model *m, const qn_pool_opt *o, qn_val x, const struct qni_op *op, bool flat)
{
    struct qni_pool a = { .padding = (int32_t)o->padding };
    qn_shape s;

    for (int i = 0; i < 2; i++) {
        a.size[i] = o->size[i] ? o->size[i] : o->size[0] ? o->size[0] : 2;
        a.stride[i] = o->stride[i] ? o->stride[i] : o->stride[0] ? o->stride[0] : a.size[i];
    }
    for (int i = 0; i < 4; i++)
        a.pad[i] = o->pad[i];
    if (flat) {
        a.size[1] = a.size[0];
        a.stride[1] = a.stride[0];
        a.size[0] = a.stride[0] = 1;
        a.pad[2] = o->pad[0];
        a.pad[3] = o->pad[1];
        a.pad[0] = a.pad[1] = 0;
    }
    if (!qni_layer_rank(m, x, flat ? 3 : 4, flat ? 3 : 4, &s))
        return (qn_val){ 0 };
    return qni_node_add(m->g, op, &a, &x, 1, NULL);
}

static qn_val build_maxpool2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return pool(m, l->opt, in[0], &qni_op_maxpool, false);
}

static qn_val build_avgpool2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return pool(m, l->opt, in[0], &qni_op_avgpool, false);
}

static qn_val build_maxpool1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return pool(m, l->opt, in[0], &qni_op_maxpool, true);
}

static qn_val build_avgpool1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return pool(m, l->opt, in[0], &qni_op_avgpool, true);
}

static qn_val global(qn_model *m, const qn_pool_opt *o, qn_val x,
                     qn_val (*reduce)(qn_graph *, qn_val, const int *, int, bool))
{
    int axes[QN_MAX_RANK];
    qn_shape s;

    if (!qni_layer_rank(m, x, 3, QN_MAX_RANK, &s))
        return (qn_val){ 0 };
    for (int i = 1; i < s.rank - 1; i++)
        axes[i - 1] = i;
    return reduce(m->g, x, axes, s.rank - 2, o->keepdims);
}

static qn_val build_global_max(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return global(m, l->opt, in[0], qn_graph_reduce_max);
}

/* As Keras: the mean of the real steps. */
static qn_val masked_mean(qn_model *m, const qn_pool_opt *o, qn_val x, qn_val mask)
{
    const int steps = 1;
    const qn_val real = qni_layer_mask_against(m, mask, x), zero = qn_graph_fill_like(m->g, x, QN_F32, 0.0f);
    const qn_val sum = qn_graph_reduce_sum(m->g, qn_graph_where(m->g, real, x, zero), &steps, 1, o->keepdims);

    return qn_graph_div(m->g, sum, qn_graph_reduce_sum(m->g, qn_graph_cast(m->g, real, QN_F32), &steps, 1, o->keepdims));
}

static qn_val build_global_avg(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_val mask = qni_layer_mask(m, in[0]);

    (void)n;
    if (mask.id && qni_value_shape(m->g, in[0]).rank == 3)
        return masked_mean(m, l->opt, in[0], mask);
    return global(m, l->opt, in[0], qn_graph_reduce_mean);
}

#define POOL_TYPE(id, title_text, build_function) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(qn_pool_opt), .name_offset = offsetof(qn_pool_opt, name), \
      .reuse_offset = SIZE_MAX, .reserved_offset = offsetof(qn_pool_opt, reserved), .fields = fields, \
      .build = build_function }

const struct qni_layer_type qni_layer_maxpool2d = POOL_TYPE("max_pooling2d", "MaxPooling2D", build_maxpool2d);
const struct qni_layer_type qni_layer_avgpool2d = POOL_TYPE("average_pooling2d", "AveragePooling2D", build_avgpool2d);
const struct qni_layer_type qni_layer_maxpool1d = POOL_TYPE("max_pooling1d", "MaxPooling1D", build_maxpool1d);
const struct qni_layer_type qni_layer_avgpool1d = POOL_TYPE("average_pooling1d", "AveragePooling1D", build_avgpool1d);
const struct qni_layer_type qni_layer_global_maxpool = POOL_TYPE("global_max_pooling", "GlobalMaxPooling", build_global_max);
const struct qni_layer_type qni_layer_global_avgpool = POOL_TYPE("global_average_pooling", "GlobalAveragePooling",
                                                                build_global_avg);

qn_val qn_maxpool2d(qn_model *m, qn_val x, const qn_pool_opt *opt)
{
    return qni_layer_add(m, &qni_layer_maxpool2d, opt, &x, 1);
}

qn_val qn_avgpool2d(qn_model *m, qn_val x, const qn_pool_opt *opt)
{
    return qni_layer_add(m, &qni_layer_avgpool2d, opt, &x, 1);
}

qn_val qn_maxpool1d(qn_model *m, qn_val x, const qn_pool_opt *opt)
{
    return qni_layer_add(m, &qni_layer_maxpool1d, opt, &x, 1);
}

qn_val qn_avgpool1d(qn_model *m, qn_val x, const qn_pool_opt *opt)
{
    return qni_layer_add(m, &qni_layer_avgpool1d, opt, &x, 1);
}

qn_val qn_global_maxpool(qn_model *m, qn_val x, const qn_pool_opt *opt)
{
    return qni_layer_add(m, &qni_layer_global_maxpool, opt, &x, 1);
}

qn_val qn_global_avgpool(qn_model *m, qn_val x, const qn_pool_opt *opt)
{
    return qni_layer_add(m, &qni_layer_global_avgpool, opt, &x, 1);
}
