/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The public planners of quern/op_plan.h: attention, rotary positions, the cache of keys and values. */
#include <quern/op_plan.h>

#include "ops/attn/attn.h"
#include "ops/attn/rotary.h"
#include "ops/primitive.h"

static struct qni_desc f32(const qn_shape *s)
{
    return (struct qni_desc){ QN_F32, *s };
}

/* Checks what all of them are given. shape: [n] those that a caller gave. */
static qn_status begin(qn_op **out, qn_device *dev, const qn_shape *const *shape, int n)
{
    if (out)
        *out = NULL;
    if (!out || !dev)
        return qni_error(QN_E_ARG, "%s is NULL", out ? "dev" : "out");
    for (int i = 0; i < n; i++) {
        if (!shape[i])
            return qni_error(QN_E_ARG, "shape %d is NULL", i);
        if (shape[i]->rank != 4)
            return qni_error(QN_E_SHAPE, "the rank of shape %d is %d, expected 4", i, shape[i]->rank);
    }
    return QN_OK;
}

static qn_status options(const struct qni_op *op, const char *name, const uintptr_t *reserved,
                         const struct qni_algo **algo)
{
    for (int i = 0; i < 4; i++)
        if (reserved[i])
            return qni_error(QN_E_ARG, "reserved[%d] of the options is not zero", i);
    *algo = name ? qni_algo_find(op, name) : NULL;
    if (name && !*algo)
        return qni_error(QN_E_ARG, "%s has no algorithm %s", op->name, name);
    return QN_OK;
}

/* ---- attention ---- */

static const qn_op_attention_opt attention_defaults;

/* The seven inputs of both, and which of them are not there. */
static unsigned operands(struct qni_desc in[QNI_ATTN_INPUTS], const qn_shape *q, const qn_shape *k, const qn_shape *v,
                         const qn_op_attention_opt *o)
{
    in[QNI_ATTN_Q] = f32(q);
    in[QNI_ATTN_K] = f32(k);
    in[QNI_ATTN_V] = f32(v);
    in[QNI_ATTN_LENGTHS] = (struct qni_desc){ QN_I32, qni_shape(1, q->dim[0]) };
    in[QNI_ATTN_PADDING] = (struct qni_desc){ QN_U8, qni_shape(2, q->dim[0], k->dim[1]) };
    in[QNI_ATTN_BIAS] = o->bias ? f32(o->bias) : f32(q);
    in[QNI_ATTN_SLOPES] = (struct qni_desc){ QN_F32, qni_shape(1, q->dim[2]) };
    return (o->lengths ? 0u : 1u << QNI_ATTN_LENGTHS) | (o->mask ? 0u : 1u << QNI_ATTN_PADDING) |
           (o->bias ? 0u : 1u << QNI_ATTN_BIAS) | (o->slopes ? 0u : 1u << QNI_ATTN_SLOPES);
}

static qn_status plan_attention(qn_op **out, qn_device *dev, const struct qni_op *op, const qn_shape *q, const qn_shape *k,
                                const qn_shape *v, const qn_op_attention_opt *opt)
{
    const qn_op_attention_opt *o = opt ? opt : &attention_defaults;
    const struct qni_attention a = {
        .scale = o->scale, .softcap = o->softcap, .rate = o->dropout, .stream = o->dropout > 0 ? 1 : 0, .causal = o->causal,
        .anchor = (int32_t)o->anchor, .window = o->window,
    };
    const bool backward = op == &qni_op_attention_grad;
    struct qni_desc in[QNI_ATTN_GRAD_INPUTS];
    const struct qni_algo *algo;
    struct qni_problem forward;
    unsigned absent;
    qn_status st;

    if ((st = begin(out, dev, (const qn_shape *const[]){ q, k, v }, 3)) || (st = options(op, o->algorithm, o->reserved, &algo)))
        return st;
    absent = operands(in, q, k, v, o);
    if (backward) {
        if ((st = qni_problem_init(&forward, &qni_op_attention, &a, in, QNI_ATTN_INPUTS, absent)))
            return st;
        in[QNI_ATTN_Y] = in[QNI_ATTN_DY] = forward.out[0];
        in[QNI_ATTN_LSE] = forward.out[1];
    }
    return qni_primitive_create(out, dev, op, &a, in, backward ? QNI_ATTN_GRAD_INPUTS : QNI_ATTN_INPUTS, absent, 0, NULL, algo);
}

qn_status qn_op_attention_plan(qn_op **out, qn_device *dev, const qn_shape *q, const qn_shape *k, const qn_shape *v,
                               const qn_op_attention_opt *opt)
{
    return plan_attention(out, dev, &qni_op_attention, q, k, v, opt);
}

qn_status qn_op_attention_backward_plan(qn_op **out, qn_device *dev, const qn_shape *q, const qn_shape *k,
                                        const qn_shape *v, const qn_op_attention_opt *opt)
{
    return plan_attention(out, dev, &qni_op_attention_grad, q, k, v, opt);
}

/* ---- positions and the cache ---- */

qn_status qn_op_rotary_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_rotary_opt *opt)
{
    static const qn_op_rotary_opt defaults;
    const qn_op_rotary_opt *o = opt ? opt : &defaults;
    const struct qni_rotary a = {
        .base = o->base != 0 ? o->base : 10000.0f, .dims = o->dims, .interleaved = o->interleaved, .inverse = o->inverse,
    };
    struct qni_desc in[2];
    const struct qni_algo *algo;
    qn_status st;

    if ((st = begin(out, dev, &x, 1)) || (st = options(&qni_op_rotary, o->algorithm, o->reserved, &algo)))
        return st;
    in[0] = f32(x);
    in[1] = (struct qni_desc){ QN_I32, qni_shape(1, (int64_t)o->positions) };
    return qni_primitive_create(out, dev, &qni_op_rotary, &a, in, 2, o->positions ? 0 : 2, 0, NULL, algo);
}

qn_status qn_op_cache_append_plan(qn_op **out, qn_device *dev, const qn_shape *cache_k, const qn_shape *cache_v,
                                  int64_t steps, int positions)
{
    struct qni_desc in[5];
    qn_status st;

    if ((st = begin(out, dev, (const qn_shape *const[]){ cache_k, cache_v }, 2)))
        return st;
    in[0] = in[2] = f32(cache_k);
    in[1] = in[3] = f32(cache_v);
    in[2].shape.dim[1] = in[3].shape.dim[1] = steps;
    in[4] = (struct qni_desc){ QN_I32, qni_shape(1, (int64_t)positions) };
    return qni_primitive_create(out, dev, &qni_op_cache_append, NULL, in, 5, 0, 0, NULL, NULL);
}
