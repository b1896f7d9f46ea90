/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: pooling, normalisation, softmax, losses. */
#include <quern/graph_math.h>
#include <quern/graph_nn.h>

#include "graph/graph.h"
#include "ops/loss/loss.h"
#include "ops/norm/norm.h"
#include "ops/pool/pool.h"
#include "ops/softmax/softmax.h"

#define NONE ((qn_val){ 0 })

/* Reserved words of options must be zero; a required value must be there. */
static bool ready(qn_graph *g, qn_val x, const uintptr_t *reserved, size_t n)
{
    if (!g || g->status || !x.id)
        return false;
    for (size_t i = 0; i < n; i++)
        if (reserved[i]) {
            qni_graph_fail(g, qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i));
            return false;
        }
    return true;
}

/* ---- pooling ---- */

static qn_val pool(qn_graph *g, const struct qni_op *op, qn_val x, const qn_graph_pool_opt *opt)
{
    const qn_graph_pool_opt o = opt ? *opt : (qn_graph_pool_opt){ 0 };
    const struct qni_value *v;
    struct qni_pool a = { .padding = (int32_t)o.padding, .count_include_pad = o.count_include_pad };

    if (!ready(g, x, o.reserved, QNI_COUNT(o.reserved)))
        return NONE;
    for (int i = 0; i < 2; i++) {
        a.size[i] = o.size[i] ? o.size[i] : o.size[0] ? o.size[0] : 2;
        a.stride[i] = o.stride[i] ? o.stride[i] : o.stride[0] ? o.stride[0] : a.size[i];
    }
    memcpy(a.pad, o.pad, sizeof(a.pad));
    v = qni_value_get(g, x);
    if (v && v->shape.rank == 3) { /* a sequence is an image of height 1 */
        a.size[1] = a.size[0];
        a.stride[1] = a.stride[0];
        a.size[0] = a.stride[0] = 1;
        a.pad[2] = o.pad[0];
        a.pad[3] = o.pad[1];
        a.pad[0] = a.pad[1] = 0;
    }
    return qni_node_add(g, op, &a, &x, 1, NULL);
}

qn_val qn_graph_maxpool(qn_graph *g, qn_val x, const qn_graph_pool_opt *opt)
{
    return pool(g, &qni_op_maxpool, x, opt);
}

qn_val qn_graph_avgpool(qn_graph *g, qn_val x, const qn_graph_pool_opt *opt)
{
    return pool(g, &qni_op_avgpool, x, opt);
}

/* ---- normalisation ---- */

static qn_val batch_norm(qn_graph *g, const struct qni_op *op, const qn_val in[5], const qn_graph_batch_norm_opt *opt)
{
    const qn_graph_batch_norm_opt o = opt ? *opt : (qn_graph_batch_norm_opt){ 0 };
    const struct qni_batch_norm a = {
        .epsilon = o.epsilon != 0 ? o.epsilon : 1e-3f,
        .momentum = o.momentum == 0 ? 0.99f : o.momentum == QN_ZERO_MOMENTUM ? 0 : o.momentum,
    };

    if (!ready(g, in[0], o.reserved, QNI_COUNT(o.reserved)))
        return NONE;
    if (!(a.epsilon > 0) || !(a.momentum >= 0 && a.momentum <= 1))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "batch norm: epsilon %g or momentum %g is out of range",
                                           (double)a.epsilon, (double)a.momentum));
    return qni_node_add(g, op, &a, in, 5, NULL);
}

qn_val qn_graph_batch_norm(qn_graph *g, qn_val x, qn_val gamma, qn_val beta, qn_val moving_mean, qn_val moving_variance,
                           const qn_graph_batch_norm_opt *opt)
{
    return batch_norm(g, &qni_op_batch_norm, (const qn_val[5]){ x, gamma, beta, moving_mean, moving_variance }, opt);
}

qn_val qn_graph_batch_norm_fixed(qn_graph *g, qn_val x, qn_val gamma, qn_val beta, qn_val mean, qn_val variance,
                                 const qn_graph_batch_norm_opt *opt)
{
    return batch_norm(g, &qni_op_batch_norm_inference, (const qn_val[5]){ x, gamma, beta, mean, variance }, opt);
}

static qn_val layer_norm(qn_graph *g, const struct qni_op *op, float epsilon, const qn_val *in, int n,
                         const qn_graph_layer_norm_opt *opt)
{
    const qn_graph_layer_norm_opt o = opt ? *opt : (qn_graph_layer_norm_opt){ 0 };
    const struct qni_layer_norm a = { .epsilon = o.epsilon != 0 ? o.epsilon : epsilon, .axes = o.axes ? o.axes : 1 };

    return ready(g, in[0], o.reserved, QNI_COUNT(o.reserved)) ? qni_node_add(g, op, &a, in, n, NULL) : NONE;
}

qn_val qn_graph_layer_norm(qn_graph *g, qn_val x, qn_val gamma, qn_val beta, const qn_graph_layer_norm_opt *opt)
{
    return layer_norm(g, &qni_op_layer_norm, 1e-3f, (const qn_val[3]){ x, gamma, beta }, 3, opt);
}

qn_val qn_graph_rms_norm(qn_graph *g, qn_val x, qn_val gamma, const qn_graph_layer_norm_opt *opt)
{
    return layer_norm(g, &qni_op_rms_norm, 1e-6f, (const qn_val[2]){ x, gamma }, 2, opt);
}

qn_val qn_graph_group_norm(qn_graph *g, qn_val x, int groups, qn_val gamma, qn_val beta, const qn_graph_layer_norm_opt *opt)
{
    const qn_graph_layer_norm_opt o = opt ? *opt : (qn_graph_layer_norm_opt){ 0 };
    const float epsilon = o.epsilon != 0 ? o.epsilon : 1e-3f;
    int64_t dim[QN_MAX_RANK] = { 0 };
    int axes[QN_MAX_RANK], n = 0;
    qn_val d, variance;
    qn_shape s;
    char text[160];

    if (!ready(g, x, o.reserved, QNI_COUNT(o.reserved)))
        return NONE;
    s = qni_value_shape(g, x);
    if (groups < 1 || s.rank < 2 || s.rank >= QN_MAX_RANK || s.dim[s.rank - 1] < 1 || s.dim[s.rank - 1] % groups || o.axes ||
        !(epsilon > 0))
        return qni_graph_fail(g, qni_error(QN_E_SHAPE, "group norm: %d groups of the channels of %s, epsilon %g", groups,
                                           qni_shape_text(&s, text, sizeof(text)), (double)epsilon));
    dim[s.rank - 1] = groups;
    dim[s.rank] = s.dim[s.rank - 1] / groups;
    for (int i = 1; i <= s.rank; i++)
        if (i != s.rank - 1)
            axes[n++] = i;
    d = qn_graph_reshape(g, x, s.rank + 1, dim);
    d = qn_graph_sub(g, d, qn_graph_reduce_mean(g, d, axes, n, true));
    variance = qn_graph_reduce_mean(g, qn_graph_square(g, d), axes, n, true);
    d = qn_graph_mul(g, d, qn_graph_rsqrt(g, qn_graph_affine(g, variance, 1.0f, epsilon)));
    dim[s.rank - 1] = s.dim[s.rank - 1];
    d = qn_graph_reshape(g, d, s.rank, dim);
    if (gamma.id)
        d = qn_graph_mul(g, d, gamma);
    return beta.id ? qn_graph_add(g, d, beta) : d;
}

/* ---- softmax ---- */

static qn_val softmax(qn_graph *g, qn_val x, int axis, bool log)
{
    const struct qni_softmax a = { .axis = axis, .log = log };

    return ready(g, x, NULL, 0) ? qni_node_add(g, &qni_op_softmax, &a, &x, 1, NULL) : NONE;
}

qn_val qn_graph_softmax(qn_graph *g, qn_val x, int axis)
{
    return softmax(g, x, axis, false);
}

qn_val qn_graph_log_softmax(qn_graph *g, qn_val x, int axis)
{
    return softmax(g, x, axis, true);
}

/* ---- losses ---- */

qn_val qn_graph_cross_entropy(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    const qn_graph_loss_opt o = opt ? *opt : (qn_graph_loss_opt){ 0 };
    struct qni_cross_entropy a = {
        .probabilities = o.probabilities, .reduction = (int32_t)o.reduction, .ignore = o.ignore,
        .ignore_class = o.ignore_class, .smoothing = o.label_smoothing,
    };
    const struct qni_value *v;

    if (!ready(g, x, o.reserved, QNI_COUNT(o.reserved)) || !(v = qni_value_get(g, t)))
        return NONE;
    a.dense = v->dtype == QN_F32;
    return qni_node_add(g, &qni_op_cross_entropy, &a, (const qn_val[3]){ x, t, weight }, 3, NULL);
}

static qn_val pointwise(qn_graph *g, enum qni_pointwise_kind kind, qn_val x, qn_val t, qn_val weight,
                        const qn_graph_loss_opt *opt)
{
    const qn_graph_loss_opt o = opt ? *opt : (qn_graph_loss_opt){ 0 };
    const struct qni_pointwise a = {
        .kind = (int32_t)(kind == QNI_BINARY_LOGITS && o.probabilities ? QNI_BINARY_PROBABILITIES : kind),
        .reduction = (int32_t)o.reduction, .delta = o.delta != 0 ? o.delta : 1, .smoothing = o.label_smoothing,
    };

    if (!ready(g, x, o.reserved, QNI_COUNT(o.reserved)) || !t.id)
        return NONE;
    return qni_node_add(g, &qni_op_pointwise_loss, &a, (const qn_val[3]){ x, t, weight }, 3, NULL);
}

qn_val qn_graph_binary_cross_entropy(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return pointwise(g, QNI_BINARY_LOGITS, x, t, weight, opt);
}

qn_val qn_graph_squared_error(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return pointwise(g, QNI_SQUARED, x, t, weight, opt);
}

qn_val qn_graph_absolute_error(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return pointwise(g, QNI_ABSOLUTE, x, t, weight, opt);
}

qn_val qn_graph_huber(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return pointwise(g, QNI_HUBER, x, t, weight, opt);
}
