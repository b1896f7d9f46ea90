/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: convolutions. */
#include <quern/graph_conv.h>

#include "graph/graph.h"
#include "ops/conv/conv.h"

static void pair(int32_t to[2], const int from[2], bool sequence)
{
    to[0] = sequence ? 1 : from[0];
    to[1] = sequence || !from[1] ? from[0] : from[1];
}

static qn_val build(qn_graph *g, const struct qni_op *op, qn_val x, qn_val w, qn_val bias, const qn_graph_conv_opt *opt)
{
    const qn_graph_conv_opt o = opt ? *opt : (qn_graph_conv_opt){0};
    struct qni_conv a = {.groups = o.groups, .padding = (int32_t)o.padding};
    const struct qni_value *v;
    bool sequence;

    if (!g || g->status || !x.id || !w.id)
        return (qn_val){0};
    for (size_t i = 0; i < QNI_COUNT(o.reserved); i++)
        if (o.reserved[i])
            return qni_graph_fail(g, qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i));
    v = qni_value_get(g, x);
    sequence = v && v->shape.rank == 3;
    pair(a.stride, o.stride, sequence);
    pair(a.dilation, o.dilation, sequence);
    pair(a.output_padding, o.output_padding, sequence);
    for (int i = 0; i < 4; i++)
        a.pad[i] = sequence ? (i < 2 ? 0 : o.pad[i - 2]) : o.pad[i];
    return qni_node_bias_act(g, op, &a, (qn_val[]){x, w}, 2, bias, (int)o.act, o.act_alpha);
}

qn_val qn_graph_conv(qn_graph *g, qn_val x, qn_val w, qn_val bias, const qn_graph_conv_opt *opt)
{
    return build(g, &qni_op_conv2d, x, w, bias, opt);
}

qn_val qn_graph_conv_transpose(qn_graph *g, qn_val x, qn_val w, qn_val bias, const qn_graph_conv_opt *opt)
{
    return build(g, &qni_op_conv2d_backward_data, x, w, bias, opt);
}
