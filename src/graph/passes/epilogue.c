/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Epilogues: a sum, an activation and an activation's gradient are fused into
 * the node before them, and what an algorithm declines is split off again. */
#include "graph/passes.h"
#include "ops/act.h"
#include "ops/eltwise/eltwise.h"

/* May this operation carry act_grad? Those with compute-heavy algorithms say so by taking it for the problem at hand. */
static bool takes(const qn_graph *g, const struct qni_node *node, const struct qni_caps *caps)
{
    struct qni_problem p;

    return !qni_node_problem(&p, g, node, caps) && qni_algo_choose(&p);
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

/* Activation by its result that the single instruction is; 0 if it is none. */
static int act_of(const struct qni_eltwise *e, float *alpha)
{
    if (e->codes != 1 || e->outputs != 1 || e->inputs != 1 || e->code[0].operand[0] != 0)
        return 0;
    for (int act = 1; act <= QN_EXPONENTIAL; act++)
        if (qni_elt_act_kind(act) == e->code[0].kind && qni_act_by_result(act, e->code[0].alpha)) {
            *alpha = e->code[0].alpha;
            return act;
        }
    return 0;
}

static bool is_sum(const struct qni_eltwise *e)
{
    return e->codes == 1 && e->outputs == 1 && e->inputs == 2 && e->code[0].kind == QNI_ELT_ADD &&
           e->code[0].operand[0] == 0 && e->code[0].operand[1] == 1;
}

/* Does a value exist before a node runs? */
static bool exists_before(const qn_graph *g, int32_t value, const struct qni_node *node)
{
    const struct qni_value *v = &g->value[value];

    return v->kind != QNI_VALUE_NODE || g->node[v->node].position < node->position;
}

/* The node that makes what `node` reads at `input`, if an epilogue may be added to it: nobody else reads it, and the
 * shape stays. */
static struct qni_node *maker(qn_graph *g, const struct qni_node *node, int input, const int *readers)
{
    const struct qni_value *v = &g->value[node->in[input]];
    struct qni_node *made;

    if (readers[node->in[input]] != 1 || v->kind != QNI_VALUE_NODE || v->output != 0 || v->gradient_of ||
        !qni_shape_equal(&v->shape, &g->value[node->out[0]].shape))
        return NULL;
    made = &g->node[v->node];
    return made->op->flags & QNI_OP_EPILOGUE && made->inputs < QNI_MAX_IN && made->segment == node->segment ? made : NULL;
}

/* Replace `node` by `trial`, which is its maker with a larger epilogue, if an algorithm takes that. */
static void fuse(qn_graph *g, struct qni_node *node, struct qni_node *made, const struct qni_node *trial,
                 const struct qni_caps *caps)
{
    int32_t result = node->out[0];

    if (!takes(g, trial, caps))
        return;
    *made = *trial;
    made->out[0] = result;
    g->value[result].node = (int)(made - g->node);
    g->value[result].output = 0;
    node->dead = true;
}

static void fuse_act_grad(qn_graph *g, struct qni_node *node, const int *readers, const struct qni_caps *caps)
{
    struct qni_node *made, trial;
    float alpha = 0.0f;
    int act = act_grad_of(node->attr, &alpha);

    if (!act || !(made = maker(g, node, 0, readers)) || !qni_epilogue_empty(&made->epilogue) ||
        !exists_before(g, node->in[1], made) ||
        !qni_shape_equal(&g->value[node->in[0]].shape, &g->value[node->in[1]].shape))
        return;
    trial = *made;
    trial.in[trial.inputs++] = node->in[1];
    trial.epilogue.act_grad = act;
    trial.epilogue.alpha = alpha;
    fuse(g, node, made, &trial, caps);
}

static void fuse_act(qn_graph *g, struct qni_node *node, const int *readers, const struct qni_caps *caps)
{
    struct qni_node *made, trial;
    float alpha = 0.0f;
    int act = act_of(node->attr, &alpha);

    if (!act || !(made = maker(g, node, 0, readers)) || made->epilogue.act || made->epilogue.act_grad)
        return;
    trial = *made;
    trial.epilogue.act = act;
    trial.epilogue.alpha = alpha;
    fuse(g, node, made, &trial, caps);
}

static void fuse_residual(qn_graph *g, struct qni_node *node, const int *readers, const struct qni_caps *caps)
{
    if (!is_sum(node->attr))
        return;
    for (int side = 0; side < 2 && !node->dead; side++) {
        struct qni_node *made = maker(g, node, side, readers), trial;
        int32_t other = node->in[1 - side];

        if (!made || made->epilogue.act || made->epilogue.act_grad || made->epilogue.residual ||
            !exists_before(g, other, made) || !qni_shape_equal(&g->value[other].shape, &g->value[node->out[0]].shape) ||
            g->value[other].dtype != g->value[node->out[0]].dtype)
            continue;
        trial = *made;
        trial.in[trial.inputs++] = other; /* behind the bias, where there is one */
        trial.epilogue.residual = true;
        fuse(g, node, made, &trial, caps);
    }
}

qn_status qni_pass_fuse_epilogues(qn_graph *g, const struct qni_caps *caps, const qn_val *root, size_t roots)
{
    int *readers = NULL;
    qn_status st;

    if ((st = count_readers(g, root, roots, &readers)))
        return st;
    for (size_t i = 0; i < g->nodes; i++) {
        if (!g->node[i].dead && g->node[i].op == &qni_op_eltwise)
            fuse_act_grad(g, &g->node[i], readers, caps);
        if (!g->node[i].dead && g->node[i].op == &qni_op_eltwise)
            fuse_residual(g, &g->node[i], readers, caps);
        if (!g->node[i].dead && g->node[i].op == &qni_op_eltwise)
            fuse_act(g, &g->node[i], readers, caps);
    }
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
