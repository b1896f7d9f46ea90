/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: attention. */
#include <math.h>

#include <quern/graph_attention.h>

#include "graph/graph.h"
#include "ops/attn/attn.h"
#include "ops/attn/rotary.h"

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

qn_val qn_graph_attention(qn_graph *g, qn_val q, qn_val k, qn_val v, const qn_graph_attention_opt *opt)
{
    const qn_graph_attention_opt o = opt ? *opt : (qn_graph_attention_opt){ 0 };
    struct qni_attention a = {
        .scale = o.scale, .softcap = o.softcap, .rate = o.dropout, .causal = o.causal, .anchor = (int32_t)o.anchor,
        .window = o.window,
    };
    const qn_val in[QNI_ATTN_INPUTS] = { q, k, v, o.lengths, o.mask, o.bias, o.slopes };

    if (!ready(g, q, o.reserved, QNI_COUNT(o.reserved)) || !k.id || !v.id)
        return NONE;
    if (o.dropout > 0) {
        if (g->streams >= 0x7fff)
            return qni_graph_fail(g, qni_error(QN_E_UNSUPPORTED, "a graph draws random numbers in at most 32767 places"));
        a.stream = ++g->streams;
    }
    return qni_node_add(g, &qni_op_attention, &a, in, QNI_ATTN_INPUTS, NULL);
}

qn_val qn_graph_rotary(qn_graph *g, qn_val x, qn_val position, const qn_graph_rotary_opt *opt)
{
    const qn_graph_rotary_opt o = opt ? *opt : (qn_graph_rotary_opt){ 0 };
    const struct qni_rotary a = { .base = o.base != 0 ? o.base : 10000.0f, .dims = o.dims, .interleaved = o.interleaved };

    if (!ready(g, x, o.reserved, QNI_COUNT(o.reserved)))
        return NONE;
    return qni_node_add(g, &qni_op_rotary, &a, (const qn_val[2]){ x, position }, 2, NULL);
}

qn_val qn_graph_cache_append(qn_graph *g, qn_val cache_k, qn_val cache_v, qn_val k, qn_val v, qn_val position)
{
    const qn_val in[5] = { cache_k, cache_v, k, v, position };

    if (!ready(g, cache_k, NULL, 0))
        return NONE;
    for (int i = 0; i < 5; i++) {
        const struct qni_value *value = qni_value_get(g, in[i]);

        if (!value)
            return NONE;
        if (i < 2 && (value->kind != QNI_VALUE_STATE || g->variable[value->variable].trainable))
            return qni_graph_fail(g, qni_error(QN_E_ARG, "a cache must be a variable that is frozen"));
    }
    return qni_node_add(g, &qni_op_cache_append, NULL, in, 5, NULL);
}

qn_val qn_graph_alibi_slopes(qn_graph *g, int heads)
{
    float slope[1024];
    int power = 1;
    const qn_shape shape = qni_shape(1, (int64_t)heads);

    if (!g || g->status)
        return NONE;
    if (heads < 1 || heads > (int)QNI_COUNT(slope))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "%d heads, expected 1 to %zu", heads, QNI_COUNT(slope)));
    while (2 * power <= heads)
        power *= 2;
    for (int i = 0; i < power; i++)
        slope[i] = (float)exp2(-8.0 * (i + 1) / power);
    for (int i = power; i < heads; i++)
        slope[i] = (float)exp2(-4.0 * (2 * (i - power) + 1) / power);
    return qni_constant(g, QN_F32, &shape, slope);
}

qn_val qn_graph_sinusoidal(qn_graph *g, int64_t time, int64_t size)
{
    const qn_shape shape = qni_shape(2, time, size);
    int64_t n;
    float *value = NULL;
    qn_val v;
    qn_status st;

    if (!g || g->status)
        return NONE;
    if (time < 0 || size < 0 || (st = qni_shape_elements(&shape, QN_F32, &n)))
        return qni_graph_fail(g, qni_error(QN_E_SHAPE, "positions [%lld,%lld] are out of range", (long long)time,
                                           (long long)size));
    if ((st = qni_calloc(g->ctx, &value, (size_t)n + 1, sizeof(*value))))
        return qni_graph_fail(g, st);
    for (int64_t t = 0; t < time; t++)
        for (int64_t d = 0; d < size; d++) {
            const double angle = (double)t * pow(10000.0, -(double)(d / 2 * 2) / (double)size);

            value[t * size + d] = (float)(d % 2 ? cos(angle) : sin(angle));
        }
    v = qni_constant(g, QN_F32, &shape, value);
    qni_free(g->ctx, &value);
    return v;
}
