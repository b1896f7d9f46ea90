/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/act.h"

qn_val qni_node_bias_act(qn_graph *g, const struct qni_op *op, const void *attr, const qn_val *in, int inputs, qn_val bias,
                         int act, float alpha)
{
    struct qni_epilogue e = { .bias = bias.id != 0 };
    qn_val operand[QNI_MAX_IN], y;
    bool apart = act != QN_LINEAR && !qni_act_by_result(act, alpha);

    if (inputs >= QNI_MAX_IN)
        return qni_graph_fail(g, qni_error(QN_E_INTERNAL, "%s has too many inputs for a bias", op->name));
    memcpy(operand, in, (size_t)inputs * sizeof(*in));
    if (e.bias)
        operand[inputs++] = bias;
    if (!apart) {
        e.act = act;
        e.alpha = alpha;
    }
    y = qni_node_add_epilogue(g, op, attr, operand, inputs, &e, NULL);
    return apart ? qn_graph_act(g, y, (qn_act)act, alpha) : y;
}
