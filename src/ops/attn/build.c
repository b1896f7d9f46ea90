/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: attention. */
#include <quern/graph_attention.h>

#include "graph/graph.h"
#include "ops/attn/attn.h"

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
