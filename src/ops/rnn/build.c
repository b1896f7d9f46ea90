/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: recurrence. */
#include <quern/graph_rnn.h>

#include "graph/graph.h"
#include "ops/gemm/gemm.h"
#include "ops/rnn/rnn.h"

static const qn_graph_rnn_opt defaults;

int32_t qni_rnn_activation(qn_act act, qn_act otherwise)
{
    return (int32_t)(act == QN_LINEAR ? otherwise : act == QN_IDENTITY ? QN_LINEAR : act);
}

static bool ready(qn_graph *g, qn_val x, qn_val recurrent, const qn_graph_rnn_opt *o)
{
    if (!g || g->status || !x.id || !recurrent.id)
        return false;
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i]) {
            qni_graph_fail(g, qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i));
            return false;
        }
    return true;
}

static qn_val build(qn_graph *g, const struct qni_op *op, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias,
                    qn_val extra, const qn_graph_rnn_opt *o, qn_rnn_result *result)
{
    const bool lstm = op == &qni_op_lstm;
    const qn_val in[QNI_RNN_INPUTS] = {x, recurrent, o->h0, o->c0, o->mask, extra, o->recurrent_drop};
    struct qni_rnn t = {.reverse = o->reverse, .order = o->order, .zero = o->zero_output, .clip = o->clip};
    qn_val all[QNI_RNN_INPUTS], out[QNI_MAX_OUT] = {{0}};

    t.act[0] = qni_rnn_activation(o->recurrent_act, QN_SIGMOID);
    t.alpha[0] = o->recurrent_alpha;
    t.act[1] = qni_rnn_activation(o->act, QN_TANH);
    t.alpha[1] = o->act_alpha;
    t.act[2] = o->hidden_act == QN_LINEAR ? t.act[1] : qni_rnn_activation(o->hidden_act, QN_TANH);
    t.alpha[2] = o->hidden_act == QN_LINEAR ? o->act_alpha : o->hidden_alpha;
    memcpy(all, in, sizeof(all));
    if (kernel.id) {
        const struct qni_matmul product = {0};

        all[QNI_RNN_X] = qni_node_bias_act(g, &qni_op_matmul, &product, (const qn_val[]){x, kernel}, 2, bias, QN_LINEAR, 0);
    } else if (bias.id) {
        all[QNI_RNN_X] = qn_graph_add(g, x, bias);
    }
    qni_node_add(g, op, &t, all, QNI_RNN_INPUTS, out);
    if (g->status)
        return (qn_val){0};
    if (result)
        *result = (qn_rnn_result){.y = out[QNI_RNN_Y], .h = out[QNI_RNN_H], .c = lstm ? out[QNI_RNN_C] : (qn_val){0}};
    return out[QNI_RNN_Y];
}

qn_val qn_graph_lstm(qn_graph *g, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias, const qn_graph_rnn_opt *opt,
                     qn_rnn_result *out)
{
    const qn_graph_rnn_opt *o = opt ? opt : &defaults;

    if (out)
        *out = (qn_rnn_result){{0}, {0}, {0}};
    if (!ready(g, x, recurrent, o))
        return (qn_val){0};
    if (o->reset_before || o->recurrent_bias.id)
        return qni_graph_fail(g, qni_error(QN_E_ARG, "lstm has no reset_before and no recurrent_bias"));
    return build(g, &qni_op_lstm, x, kernel, recurrent, bias, o->peephole, o, out);
}

qn_val qn_graph_gru(qn_graph *g, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias, const qn_graph_rnn_opt *opt,
                    qn_rnn_result *out)
{
    const qn_graph_rnn_opt *o = opt ? opt : &defaults;

    if (out)
        *out = (qn_rnn_result){{0}, {0}, {0}};
    if (!ready(g, x, recurrent, o))
        return (qn_val){0};
    if (o->c0.id || o->peephole.id || o->hidden_act || (o->reset_before && o->recurrent_bias.id))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "gru has no c0, peephole and hidden_act, and with reset_before no "
                                                     "recurrent_bias"));
    return build(g, o->reset_before ? &qni_op_gru_before : &qni_op_gru, x, kernel, recurrent, bias, o->recurrent_bias, o,
                 out);
}

qn_val qn_graph_simple_rnn(qn_graph *g, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias,
                           const qn_graph_rnn_opt *opt, qn_rnn_result *out)
{
    const qn_graph_rnn_opt *o = opt ? opt : &defaults;

    if (out)
        *out = (qn_rnn_result){{0}, {0}, {0}};
    if (!ready(g, x, recurrent, o))
        return (qn_val){0};
    if (o->c0.id || o->peephole.id || o->hidden_act || o->recurrent_act || o->reset_before || o->recurrent_bias.id)
        return qni_graph_fail(g, qni_error(QN_E_ARG, "a simple recurrence has neither gates nor a cell state"));
    return build(g, &qni_op_simple_rnn, x, kernel, recurrent, bias, (qn_val){0}, o, out);
}
