/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The public planners of quern/op_plan.h: options become attributes, and the
 * operation's table entry does the rest. */
#include <quern/op_plan.h>

#include "ops/conv/conv.h"
#include "ops/eltwise/eltwise.h"
#include "ops/gemm/gemm.h"
#include "ops/op.h"
#include "ops/pool/pool.h"
#include "ops/reduce/reduce.h"
#include "ops/softmax/softmax.h"

/* What every planner ends in: f32 operands of these shapes. */
struct request {
    const struct qni_op *op;
    const void *attr;
    const qn_shape *in[3];
    int inputs;
    const qn_shape *bias;            /* NULL: none */
    int act;
    float alpha;
    const char *algorithm;
    const uintptr_t *reserved;       /* [4], or NULL */
};

static qn_status plan(qn_op **out, qn_device *dev, const struct request *rq)
{
    struct qni_epilogue e = { .bias = rq->bias != NULL, .act = rq->act, .alpha = rq->alpha };
    const struct qni_algo *algo = NULL;
    struct qni_desc in[4];
    int n = rq->inputs;

    if (!out || !dev)
        return qni_error(QN_E_ARG, "%s is NULL", out ? "dev" : "out");
    *out = NULL;
    for (int i = 0; i < n; i++) {
        if (!rq->in[i])
            return qni_error(QN_E_ARG, "the shape of input %d is NULL", i);
        in[i] = (struct qni_desc){ QN_F32, *rq->in[i] };
    }
    for (int i = 0; rq->reserved && i < 4; i++)
        if (rq->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%d] of the options is not zero", i);
    if ((unsigned)rq->act > QN_LOG_SOFTMAX)
        return qni_error(QN_E_ARG, "there is no activation %d", rq->act);
    if (rq->bias)
        in[n++] = (struct qni_desc){ QN_F32, *rq->bias };
    if (rq->algorithm && !(algo = qni_algo_find(rq->op, rq->algorithm)))
        return qni_error(QN_E_ARG, "%s has no algorithm %s", rq->op->name, rq->algorithm);
    return qni_primitive_create(out, dev, rq->op, rq->attr, in, n, 0, 0, qni_epilogue_empty(&e) ? NULL : &e, algo);
}

/* {2} alone is {2, 2}. */
static void pair(int32_t to[2], const int from[2])
{
    to[0] = from[0];
    to[1] = from[1] ? from[1] : from[0];
}

/* ---- matrix product ---- */

qn_status qn_op_matmul_plan(qn_op **out, qn_device *dev, const qn_shape *a, const qn_shape *b,
                            const qn_op_matmul_opt *opt)
{
    static const qn_op_matmul_opt defaults;
    const qn_op_matmul_opt *o = opt ? opt : &defaults;
    struct qni_matmul attr = { .transpose_a = o->transpose_a, .transpose_b = o->transpose_b };
    qn_shape bias = { .rank = 1 };

    if (b && b->rank > 1 && b->rank <= QN_MAX_RANK)
        bias.dim[0] = b->dim[b->rank - (o->transpose_b ? 2 : 1)];
    return plan(out, dev, &(struct request){ .op = &qni_op_matmul, .attr = &attr, .in = { a, b }, .inputs = 2,
                                             .bias = o->bias ? &bias : NULL, .act = (int)o->act, .alpha = o->act_alpha,
                                             .algorithm = o->algorithm, .reserved = o->reserved });
}

/* ---- convolution ---- */

static const qn_op_conv2d_opt conv_defaults;

static struct qni_conv conv_attr(const qn_op_conv2d_opt *opt)
{
    struct qni_conv a = { .groups = opt->groups, .padding = (int32_t)opt->padding };

    pair(a.stride, opt->stride);
    pair(a.dilation, opt->dilation);
    pair(a.output_padding, opt->output_padding);
    for (int i = 0; i < 4; i++)
        a.pad[i] = opt->pad[i];
    return a;
}

static qn_status forward_alone(const qn_op_conv2d_opt *opt)
{
    return opt->bias || opt->act ? qni_error(QN_E_ARG, "a gradient takes no bias and no activation") : QN_OK;
}

qn_status qn_op_conv2d_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_shape *w,
                            const qn_op_conv2d_opt *opt)
{
    const qn_op_conv2d_opt *o = opt ? opt : &conv_defaults;
    struct qni_conv a = conv_attr(o);
    qn_shape bias = { .rank = 1 };

    if (w && w->rank > 0 && w->rank <= QN_MAX_RANK)
        bias.dim[0] = w->dim[w->rank - 1];
    return plan(out, dev, &(struct request){ .op = &qni_op_conv2d, .attr = &a, .in = { x, w }, .inputs = 2,
                                             .bias = o->bias ? &bias : NULL, .act = (int)o->act, .alpha = o->act_alpha,
                                             .algorithm = o->algorithm, .reserved = o->reserved });
}

qn_status qn_op_conv2d_backward_data_plan(qn_op **out, qn_device *dev, const qn_shape *dy, const qn_shape *w,
                                          const qn_shape *x, const qn_op_conv2d_opt *opt)
{
    const qn_op_conv2d_opt *o = opt ? opt : &conv_defaults;
    struct qni_conv a = conv_attr(o);
    qn_status st = forward_alone(o);

    if (out)
        *out = NULL;
    return st ? st : plan(out, dev, &(struct request){ .op = &qni_op_conv2d_backward_data, .attr = &a,
                                                       .in = { dy, w, x }, .inputs = 3, .algorithm = o->algorithm,
                                                       .reserved = o->reserved });
}

qn_status qn_op_conv2d_backward_filter_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_shape *dy,
                                            const int filter[2], const qn_op_conv2d_opt *opt)
{
    const qn_op_conv2d_opt *o = opt ? opt : &conv_defaults;
    struct qni_conv a = conv_attr(o);
    qn_status st = forward_alone(o);

    if (out)
        *out = NULL;
    if (!st && !filter)
        st = qni_error(QN_E_ARG, "filter is NULL");
    if (st)
        return st;
    a.filter[0] = filter[0];
    a.filter[1] = filter[1];
    return plan(out, dev, &(struct request){ .op = &qni_op_conv2d_backward_filter, .attr = &a, .in = { x, dy },
                                             .inputs = 2, .algorithm = o->algorithm, .reserved = o->reserved });
}

qn_status qn_op_conv2d_transpose_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_shape *w,
                                      const qn_op_conv2d_opt *opt)
{
    const qn_op_conv2d_opt *o = opt ? opt : &conv_defaults;
    struct qni_conv a = conv_attr(o);
    qn_shape bias = { .rank = 1 };

    if (out)
        *out = NULL;
    if (o->groups > 1)
        return qni_error(QN_E_ARG, "a transposed convolution takes no groups");
    if (w && w->rank > 1 && w->rank <= QN_MAX_RANK)
        bias.dim[0] = w->dim[w->rank - 2];
    return plan(out, dev, &(struct request){ .op = &qni_op_conv2d_backward_data, .attr = &a, .in = { x, w }, .inputs = 2,
                                             .bias = o->bias ? &bias : NULL, .act = (int)o->act, .alpha = o->act_alpha,
                                             .algorithm = o->algorithm, .reserved = o->reserved });
}

/* ---- pooling ---- */

static const qn_op_pool2d_opt pool_defaults;

static struct qni_pool pool_attr(const qn_op_pool2d_opt *opt)
{
    struct qni_pool a = { .padding = (int32_t)opt->padding, .global = opt->global };

    pair(a.size, opt->size[0] ? opt->size : (const int[2]){ 2, 2 });
    pair(a.stride, opt->stride);
    for (int i = 0; i < 4; i++)
        a.pad[i] = opt->pad[i];
    return a;
}

static qn_status plan_pool(qn_op **out, qn_device *dev, const struct qni_op *op, const qn_shape *x,
                           const qn_op_pool2d_opt *opt)
{
    const qn_op_pool2d_opt *o = opt ? opt : &pool_defaults;
    struct qni_pool a = pool_attr(o);

    return plan(out, dev, &(struct request){ .op = op, .attr = &a, .in = { x }, .inputs = 1, .algorithm = o->algorithm,
                                             .reserved = o->reserved });
}

/* The gradient's own operands have the shape of the forward operation's result. */
static qn_status plan_pool_backward(qn_op **out, qn_device *dev, const struct qni_op *forward, const struct qni_op *op,
                                    int inputs, const qn_shape *x, const qn_op_pool2d_opt *opt)
{
    const qn_op_pool2d_opt *o = opt ? opt : &pool_defaults;
    struct qni_pool a = pool_attr(o);
    struct qni_problem p;
    qn_status st;

    if (out)
        *out = NULL;
    if (!x)
        return qni_error(QN_E_ARG, "the shape of x is NULL");
    if ((st = qni_problem_init(&p, forward, &a, &(struct qni_desc){ QN_F32, *x }, 1, 0)))
        return st;
    return plan(out, dev, &(struct request){ .op = op, .attr = &a, .in = { &p.out[0].shape, x, &p.out[0].shape },
                                             .inputs = inputs, .algorithm = o->algorithm, .reserved = o->reserved });
}

qn_status qn_op_maxpool2d_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_pool2d_opt *opt)
{
    return plan_pool(out, dev, &qni_op_maxpool, x, opt);
}

qn_status qn_op_maxpool2d_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_pool2d_opt *opt)
{
    return plan_pool_backward(out, dev, &qni_op_maxpool, &qni_op_maxpool_grad, 3, x, opt);
}

qn_status qn_op_avgpool2d_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_pool2d_opt *opt)
{
    return plan_pool(out, dev, &qni_op_avgpool, x, opt);
}

qn_status qn_op_avgpool2d_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_pool2d_opt *opt)
{
    return plan_pool_backward(out, dev, &qni_op_avgpool, &qni_op_avgpool_grad, 2, x, opt);
}

/* ---- softmax, activations, reductions ---- */

static qn_status plan_softmax(qn_op **out, qn_device *dev, const struct qni_op *op, int inputs, const qn_shape *x,
                              int axis, bool log)
{
    struct qni_softmax a = { .axis = axis, .log = log };

    return plan(out, dev, &(struct request){ .op = op, .attr = &a, .in = { x, x }, .inputs = inputs });
}

qn_status qn_op_softmax_plan(qn_op **out, qn_device *dev, const qn_shape *x, int axis, bool log)
{
    return plan_softmax(out, dev, &qni_op_softmax, 1, x, axis, log);
}

qn_status qn_op_softmax_backward_plan(qn_op **out, qn_device *dev, const qn_shape *y, int axis, bool log)
{
    return plan_softmax(out, dev, &qni_op_softmax_grad, 2, y, axis, log);
}

qn_status qn_op_act_plan(qn_op **out, qn_device *dev, const qn_shape *x, qn_act act, float alpha)
{
    struct qni_eltwise e = { .inputs = 1, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };
    int kind;

    if (act == QN_SOFTMAX || act == QN_LOG_SOFTMAX)
        return qn_op_softmax_plan(out, dev, x, -1, act == QN_LOG_SOFTMAX);
    kind = qni_elt_act_kind((int)act);
    if (out)
        *out = NULL;
    if (kind < 0)
        return qni_error(QN_E_ARG, "there is no activation %d", (int)act);
    e.code[0] = (struct qni_elt_code){ .kind = (uint8_t)kind, .operand = { 0, -1, -1 }, .alpha = alpha };
    return plan(out, dev, &(struct request){ .op = &qni_op_eltwise, .attr = &e, .in = { x }, .inputs = 1 });
}

qn_status qn_op_reduce_plan(qn_op **out, qn_device *dev, const qn_shape *x, qn_reduction kind, const int *axes, int n,
                            bool keep)
{
    struct qni_reduce a = { .kind = (int32_t)kind };

    if (out)
        *out = NULL;
    if (!x || x->rank < 0 || x->rank > QN_MAX_RANK || (n > 0 && !axes))
        return qni_error(QN_E_ARG, "x or axes is NULL, or the rank is out of range");
    if ((unsigned)kind > QN_REDUCE_SUM_ABS)
        return qni_error(QN_E_ARG, "there is no reduction %d", (int)kind);
    for (int i = 0; i < n; i++) {
        int axis = axes[i] < 0 ? axes[i] + x->rank : axes[i];

        if (axis < 0 || axis >= x->rank || a.axes & 1u << axis)
            return qni_error(QN_E_ARG, "axis %d of %d axes is out of range, or given twice", axes[i], x->rank);
        a.axes |= 1u << axis;
    }
    if (n <= 0)
        a.axes = (1u << x->rank) - 1u;
    a.keep = keep ? a.axes : 0;
    return plan(out, dev, &(struct request){ .op = &qni_op_reduce, .attr = &a, .in = { x }, .inputs = 1 });
}
