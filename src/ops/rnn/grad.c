/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrence: the gradient rule. One operation runs back over the steps; what it leaves gives the gradient of the recurrent
 * kernel as one matrix product over all steps, and of what is shared by all steps as sums. */
#include <quern/graph_math.h>

#include "graph/graph.h"
#include "ops/eltwise/eltwise.h"
#include "ops/gemm/gemm.h"
#include "ops/reduce/reduce.h"
#include "ops/rnn/rnn.h"

/* A' B over all steps of all samples. */
static qn_val product(qn_graph *g, qn_val a, qn_val b)
{
    const struct qni_matmul t = {.transpose_a = 1, .flat = 1};

    return qni_node_add(g, &qni_op_matmul, &t, (const qn_val[]){a, b}, 2, NULL);
}

static qn_val sum_of_steps(qn_graph *g, qn_val x)
{
    return qn_graph_reduce_sum(g, x, (const int[]){0, 1}, 2, false);
}

/* Numbers [from, to) of the last axis of [N,T,..]. */
static qn_val part(qn_graph *g, qn_val x, int64_t from, int64_t to)
{
    return qn_graph_slice(g, x, 3, (const int64_t[]){0, 0, from}, (const int64_t[]){INT64_MAX, INT64_MAX, to}, NULL);
}

/* The state that entered each step, as it entered the product. */
static qn_val entered(struct qni_grad *c)
{
    const qn_val previous = qni_grad_out(c, QNI_RNN_PREVIOUS), drop = qni_grad_in(c, QNI_RNN_DROP);

    return drop.id ? qn_graph_mul(c->g, previous, qn_graph_expand_dims(c->g, drop, 1)) : previous;
}

/* i and f look at the cell state before a step, o at the one after it. */
static qn_val peephole_gradient(struct qni_grad *c, qn_val dz, int64_t U)
{
    const struct qni_rnn *t = c->attr;
    const qn_val cells = qni_grad_out(c, QNI_RNN_CELLS), c0 = qni_grad_in(c, QNI_RNN_C0);
    qn_val first = c0, before, sum[3];
    qn_graph *g = c->g;

    if (!c0.id)
        first = qn_graph_fill_like(g, qni_grad_out(c, QNI_RNN_C), QN_F32, 0);
    first = qn_graph_expand_dims(g, first, 1);
    if (t->reverse)
        before = qn_graph_concat(g, (const qn_val[]){qn_graph_slice(g, cells, 2, (const int64_t[]){0, 1},
                                                                    (const int64_t[]){INT64_MAX, INT64_MAX}, NULL),
                                                     first}, 2, 1);
    else
        before = qn_graph_concat(g, (const qn_val[]){first, qn_graph_slice(g, cells, 2, (const int64_t[]){0, 0},
                                                                           (const int64_t[]){INT64_MAX, -1}, NULL)},
                                 2, 1);
    for (int i = 0; i < 3; i++) {
        const int gate = i == 2 ? 3 : i;

        sum[i] = sum_of_steps(g, qn_graph_mul(g, part(g, dz, gate * U, (gate + 1) * U), i == 2 ? cells : before));
    }
    return qn_graph_stack(g, sum, 3, 0);
}

static qn_val kernel_gradient(struct qni_grad *c, const struct qni_op *op, qn_val dr, int64_t U)
{
    qn_graph *g = c->g;

    if (op != &qni_op_gru_before)
        return product(g, entered(c), dr);
    return qn_graph_concat(g, (const qn_val[]){product(g, entered(c), part(g, dr, 0, 2 * U)),
                                               product(g, qni_grad_out(c, QNI_RNN_CELLS), part(g, dr, 2 * U, 3 * U))},
                           2, 1);
}

qn_status qni_rnn_gradient(struct qni_grad *c)
{
    const struct qni_op *op = c->g->node[c->node].op;
    const bool lstm = op == &qni_op_lstm, gru = op == &qni_op_gru, simple = op == &qni_op_simple_rnn;
    const struct qni_op *back = lstm ? &qni_op_lstm_grad : gru ? &qni_op_gru_grad : simple ? &qni_op_simple_rnn_grad
                                                                                           : &qni_op_gru_before_grad;
    qn_val in[QNI_RNN_G_INPUTS] = {{0}}, out[QNI_MAX_OUT] = {{0}}, dr;
    int64_t U;

    U = qni_value_get(c->g, qni_grad_in(c, QNI_RNN_W))->shape.dim[0];
    in[QNI_RNN_G_DY] = qni_grad_dy(c, QNI_RNN_Y);
    in[QNI_RNN_G_DH] = qni_grad_dy(c, QNI_RNN_H);
    in[QNI_RNN_G_W] = qni_grad_in(c, QNI_RNN_W);
    in[QNI_RNN_G_GATES] = qni_grad_out(c, QNI_RNN_GATES);
    if (lstm) {
        in[QNI_RNN_G_DC] = qni_grad_dy(c, QNI_RNN_C);
        in[QNI_RNN_G_CELLS] = qni_grad_out(c, QNI_RNN_CELLS);
        in[QNI_RNN_G_C0] = qni_grad_in(c, QNI_RNN_C0);
        in[QNI_RNN_G_EXTRA] = qni_grad_in(c, QNI_RNN_EXTRA);
    } else if (!simple) {
        in[QNI_RNN_G_PREVIOUS] = qni_grad_out(c, QNI_RNN_PREVIOUS);
    }
    in[QNI_RNN_G_MASK] = qni_grad_in(c, QNI_RNN_MASK);
    in[QNI_RNN_G_DROP] = qni_grad_in(c, QNI_RNN_DROP);
    in[QNI_RNN_G_START] = qni_grad_in(c, QNI_RNN_H0);
    if (!in[QNI_RNN_G_DY].id && !in[QNI_RNN_G_DH].id && !in[QNI_RNN_G_DC].id)
        return QN_OK;
    qni_node_add(c->g, back, c->attr, in, QNI_RNN_G_INPUTS, out);
    dr = gru ? out[QNI_RNN_G_LAST] : out[QNI_RNN_G_DX];
    if (qni_grad_wants(c, QNI_RNN_X))
        qni_grad_set(c, QNI_RNN_X, out[QNI_RNN_G_DX]);
    if (qni_grad_wants(c, QNI_RNN_H0))
        qni_grad_set(c, QNI_RNN_H0, out[QNI_RNN_G_DH0]);
    if (lstm && qni_grad_wants(c, QNI_RNN_C0))
        qni_grad_set(c, QNI_RNN_C0, out[QNI_RNN_G_LAST]);
    if (qni_grad_wants(c, QNI_RNN_W))
        qni_grad_set(c, QNI_RNN_W, kernel_gradient(c, op, dr, U));
    if (qni_grad_wants(c, QNI_RNN_EXTRA))
        qni_grad_set(c, QNI_RNN_EXTRA, lstm ? peephole_gradient(c, dr, U) : sum_of_steps(c->g, dr));
    return c->g->status;
}

/* Nothing is dropped where nothing is trained. */
qn_status qni_rnn_infer(qn_graph *g, const struct qni_node *node, const qn_val *in, qn_val *out)
{
    qn_val kept[QNI_RNN_INPUTS] = {{0}};

    for (int i = 0; i < node->inputs; i++)
        if (i != QNI_RNN_DROP)
            kept[i] = in[i];
    qni_node_add(g, node->op, node->attr, kept, node->inputs, out);
    return g->status;
}
