/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Epilogues: an activation's gradient is fused into the node before it, and
 * what an algorithm declines is split off again. */
#include "graph/passes.h"
#include "ops/eltwise/eltwise.h"

/* May this operation carry act_grad? Those with compute-heavy algorithms say so by taking it for the problem at hand. */
static bool takes(const qn_graph *g, const struct qni_node *node, const struct qni_caps *caps)
{
    struct qni_problem p;

    return !qni_node_problem(&p, g, node, caps) && qni_algo_choose(&p);
}

static int32_t *find_output(struct qni_node *node, int32_t id)
{
    for (int k = 0; k < node->outputs; k++)
        if (node->out[k] == id)
            return &node->out[k];
    return NULL;
}

/* How many live nodes read each value, and whether it is a root. */
static qn_status count_readers(const qn_graph *g, const qn_val *root, size_t roots, int **readers)
{
    qn_status st;

    if ((st = qni_calloc(g->ctx, readers, g->values, sizeof(**readers))))
        return st;
    for (size_t i = 0; i < g->nodes; i++)
        for (int k = 0; k < g->node[i].inputs && !g->node[i].dead; k++)
            (*readers)[g->node[i].in[k]]++;
    for (size_t i = 0; i < roots; i++)
        (*readers)[root[i].id]++;
    for (size_t i = 1; i < g->values; i++)
        (*readers)[i] += g->value[i].gradient_of != 0;
    return QN_OK;
}

/* Activation whose gradient by its result the single instruction is; 0 if it is none. */
static int act_grad_of(const struct qni_eltwise *e, float *alpha)
{
    if (e->codes != 1 || e->outputs != 1 || e->inputs != 2 || e->code[0].operand[0] != 0 || e->code[0].operand[1] != 1)
        return 0;
    for (int act = 1; act <= QN_EXPONENTIAL; act++) {
        int kind = qni_elt_act_kind(act);
        const struct qni_elt_info *info = kind < 0 ? NULL : qni_elt_info(kind);

        if (info && info->grad_kind && info->grad_kind == e->code[0].kind && info->grad_of == 'y') {
            *alpha = e->code[0].alpha;
            return act;
        }
    }
    return 0;
}

static void fuse_one(qn_graph *g, int index, const int *readers, const struct qni_caps *caps)
{
    struct qni_node *grad = &g->node[index], *made, trial;
    float alpha = 0.0f;
    int act = act_grad_of(grad->attr, &alpha);
    const struct qni_value *dy = &g->value[grad->in[0]];
    int32_t result = grad->out[0];

    if (!act || readers[grad->in[0]] != 1 || dy->kind != QNI_VALUE_NODE || dy->output != 0 ||
        !qni_shape_equal(&dy->shape, &g->value[grad->in[1]].shape))
        return;
    made = &g->node[dy->node];
    if (made->op->flags & (QNI_OP_VIEW | QNI_OP_ELEMENTWISE) || !qni_epilogue_empty(&made->epilogue) ||
        made->inputs == QNI_MAX_IN)
        return;
    /* y must exist before the node runs. */
    if (g->value[grad->in[1]].kind == QNI_VALUE_NODE &&
        g->node[g->value[grad->in[1]].node].position >= made->position)
        return;
    trial = *made;
    trial.in[trial.inputs++] = grad->in[1];
    trial.epilogue.act_grad = act;
    trial.epilogue.alpha = alpha;
    if (!takes(g, &trial, caps))
        return;
    *made = trial;
    *find_output(made, grad->in[0]) = result;
    g->value[result].node = (int)(made - g->node);
    g->value[result].output = 0;
    grad->dead = true;
}

qn_status qni_pass_fuse_act_grad(qn_graph *g, const struct qni_caps *caps, const qn_val *root, size_t roots)
{
    int *readers = NULL;
    qn_status st;

    if ((st = count_readers(g, root, roots, &readers)))
        return st;
    for (size_t i = 0; i < g->nodes; i++)
        if (!g->node[i].dead && g->node[i].op == &qni_op_eltwise)
            fuse_one(g, (int)i, readers, caps);
    qni_free(g->ctx, &readers);
    return QN_OK;
}

/* Make nodes of node's epilogue; the last one produces its output 0. */
static qn_status split(qn_graph *g, int index)
{
    struct qni_node *node = &g->node[index];
    struct qni_epilogue e = node->epilogue;
    int own = node->inputs - qni_epilogue_operands(&e), next = own, position = node->position, segment = g->segment;
    int32_t result = node->out[0], in[QNI_MAX_IN], last;
    size_t before = g->nodes, values = g->values;
    qn_val v = { 0 };
    struct qni_value fresh = g->value[result];

    memcpy(in, node->in, sizeof(in));
    memset(&node->epilogue, 0, sizeof(node->epilogue));
    node->inputs = own;
    /* The node now makes a new value; the old one is what the chain ends in. */
    if (qni_reserve(g->ctx, &g->value, &g->value_capacity, values, sizeof(*g->value)))
        return QN_E_HOST_MEMORY;
    fresh.gradient_of = 0;
    fresh.bytes = NULL;
    g->value[values] = fresh;
    g->values++;
    node->out[0] = (int32_t)values;
    v.id = (int32_t)values;
    g->segment = node->segment;
    g->current_label = node->label;
    if (e.bias)
        v = qni_elt2(g, QNI_ELT_ADD, v, (qn_val){ in[next++] }, 0, 0);
    if (e.residual)
        v = qni_elt2(g, QNI_ELT_ADD, v, (qn_val){ in[next++] }, 0, 0);
    if (e.act)
        v = qni_elt1(g, qni_elt_act_kind(e.act), v, e.alpha, 0);
    if (e.act_grad)
        v = qni_elt2(g, qni_elt_info(qni_elt_act_kind(e.act_grad))->grad_kind, v, (qn_val){ in[next++] }, e.alpha, 0);
    g->segment = segment;
    if (g->status)
        return qni_graph_status(g);
    for (size_t i = before; i < g->nodes; i++)
        g->node[i].position = position;
    /* The chain's last value takes the old one's place. */
    last = v.id;
    g->node[g->value[last].node].out[0] = result;
    g->value[result].node = g->value[last].node;
    g->value[result].output = 0;
    return QN_OK;
}

qn_status qni_pass_split_epilogues(qn_graph *g, const struct qni_caps *caps)
{
    size_t nodes = g->nodes;
    qn_status st = QN_OK;

    for (size_t i = 0; i < nodes && !st; i++) {
        const struct qni_node *node = &g->node[i];
        struct qni_problem p;

        if (node->dead || qni_epilogue_empty(&node->epilogue))
            continue;
        if (!(st = qni_node_problem(&p, g, node, caps)) && !qni_algo_choose(&p))
            st = split(g, (int)i);
    }
    return st;
}
