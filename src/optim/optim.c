/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Optimizers: their numbers, and the nodes they append to a training plan. */
#include <math.h>

#include "ops/optim/optim.h"
#include "ops/shape/shape.h"
#include "optim/optim.h"

qn_optimizer qn_sgd(float lr)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_SGD, .lr = lr };
}

qn_optimizer qn_sgd_momentum(float lr, float momentum, bool nesterov)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_SGD, .lr = lr, .momentum = momentum, .nesterov = nesterov };
}

qn_optimizer qn_adam(float lr)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_ADAM, .lr = lr };
}

qn_optimizer qn_adamw(float lr, float weight_decay)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_ADAM, .lr = lr, .weight_decay = weight_decay != 0.0f ? weight_decay : 0.004f };
}

qn_optimizer qn_rmsprop(float lr)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_RMSPROP, .lr = lr };
}

qn_optimizer qn_adagrad(float lr)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_ADAGRAD, .lr = lr };
}

qn_optimizer qn_adadelta(float lr)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_ADADELTA, .lr = lr };
}

qn_optimizer qn_adamax(float lr)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_ADAMAX, .lr = lr };
}

qn_optimizer qn_lion(float lr)
{
    return (qn_optimizer){ .kind = QN_OPTIMIZER_LION, .lr = lr };
}

/* By kind: the operation, and what a zero means. */
static const struct {
    const struct qni_op *op;
    double beta1, beta2;
    float lr, rho, epsilon, initial;
} kinds[] = {
    [QN_OPTIMIZER_SGD] = { &qni_op_sgd, .lr = 0.01f },
    [QN_OPTIMIZER_ADAM] = { &qni_op_adam, .lr = 0.001f, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7f },
    [QN_OPTIMIZER_RMSPROP] = { &qni_op_rmsprop, .lr = 0.001f, .rho = 0.9f, .epsilon = 1e-7f },
    [QN_OPTIMIZER_ADAGRAD] = { &qni_op_adagrad, .lr = 0.001f, .epsilon = 1e-7f, .initial = 0.1f },
    [QN_OPTIMIZER_ADADELTA] = { &qni_op_adadelta, .lr = 0.001f, .rho = 0.95f, .epsilon = 1e-7f },
    [QN_OPTIMIZER_ADAMAX] = { &qni_op_adamax, .lr = 0.001f, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7f },
    [QN_OPTIMIZER_LION] = { &qni_op_lion, .lr = 0.001f, .beta1 = 0.9, .beta2 = 0.99 },
};

static float given(float v, float otherwise)
{
    return v != 0.0f ? v : otherwise;
}

static bool in_range(double v, double least, double most)
{
    return v >= least && v <= most; /* false for NaN */
}

qn_status qni_optimizer_resolve(qn_optimizer *out, const qn_optimizer *in)
{
    qn_optimizer o = *in;
    qn_status st;

    for (size_t i = 0; i < QNI_COUNT(o.reserved); i++)
        if (o.reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the optimizer is not zero", i);
    if ((unsigned)o.kind >= QNI_COUNT(kinds))
        return qni_error(QN_E_ARG, "there is no optimizer %d", (int)o.kind);
    o.lr = given(o.lr, kinds[o.kind].lr);
    o.beta1 = o.beta1 != 0.0 ? o.beta1 : kinds[o.kind].beta1;
    o.beta2 = o.beta2 != 0.0 ? o.beta2 : kinds[o.kind].beta2;
    o.rho = given(o.rho, kinds[o.kind].rho);
    o.epsilon = given(o.epsilon, kinds[o.kind].epsilon);
    o.initial = given(o.initial, kinds[o.kind].initial);
    if (!in_range(o.lr, 0.0f, INFINITY) || isinf(o.lr) || !in_range(o.momentum, 0.0f, 1.0f) ||
        !in_range(o.beta1, 0.0, 0.99999994) || !in_range(o.beta2, 0.0, 0.99999994) ||
        !in_range(o.rho, 0.0f, 0.99999994f) || !in_range(o.initial, 0.0f, 1e9f) || !in_range(o.epsilon, 0.0f, 1e9f) ||
        !in_range(o.weight_decay, 0.0f, 1e9f))
        return qni_error(QN_E_ARG, "a number of the optimizer is out of range");
    if (!in_range(o.clip_value, 0.0f, INFINITY) || !in_range(o.clip_norm, 0.0f, INFINITY) ||
        !in_range(o.global_clip_norm, 0.0f, INFINITY))
        return qni_error(QN_E_ARG, "a limit for clipping is negative");
    if ((st = qni_schedule_resolve(&o.schedule)))
        return st;
    if ((o.clip_value > 0.0f) + (o.clip_norm > 0.0f) + (o.global_clip_norm > 0.0f) > 1)
        return qni_error(QN_E_ARG, "at most one of clip_value, clip_norm and global_clip_norm");
    *out = o;
    return QN_OK;
}

/* ---- the update of a training plan ---- */

const struct qni_op *qni_optimizer_rule(const qn_optimizer *o, struct qni_update *attr)
{
    *attr = (struct qni_update){ .momentum = o->momentum, .beta1 = o->beta1, .beta2 = o->beta2, .epsilon = o->epsilon,
                                 .rho = o->rho, .centered = o->centered, .weight_decay = o->weight_decay,
                                 .clipvalue = o->clip_value, .nesterov = o->nesterov, .amsgrad = o->amsgrad,
                                 .decay_end = -1 };
    return kinds[o->kind].op;
}

/* min(1, limit / norm of x): what x is multiplied by. */
static qn_val norm_scale(qn_graph *g, qn_val x, float limit)
{
    qn_val norm = qn_graph_sqrt(g, qn_graph_reduce_sum_squares(g, x, NULL, 0, false));

    return qn_graph_minimum(g, qn_graph_affine(g, qn_graph_reciprocal(g, norm), limit, 0.0f),
                            qn_graph_fill_like(g, norm, QN_F32, 1.0f));
}

/* Each variable's gradient to a norm of at most limit, where it lies. */
static void clip_norms(qn_graph *g, qn_val gradients, float limit, const struct qni_segment_table *segments)
{
    const qn_shape shape = qni_shape(2, (int64_t)segments->n, (int64_t)2);
    qn_val in[2] = { gradients };
    int64_t *bounds = NULL;
    qn_status st = qni_calloc(g->ctx, &bounds, segments->n, 2 * sizeof(*bounds));

    if (st) {
        qni_graph_fail(g, st);
        return;
    }
    for (size_t i = 0; i < segments->n; i++) {
        bounds[2 * i] = segments->first[i];
        bounds[2 * i + 1] = segments->count[i];
    }
    in[1] = qni_constant(g, QN_I64, &shape, bounds);
    qni_free(g->ctx, &bounds);
    qni_node_add(g, &qni_op_clip_norms, &(struct qni_clip_norms){ limit }, in, 2, NULL);
}

/* 1 for each row that the variable's gathers take, or id 0 where something else reads the variable, or too many do. */
static qn_val used_rows(qn_graph *g, const struct qni_variable *v)
{
    qn_val index[QNI_MAX_IN];
    int n = 0;

    for (size_t i = 0; i < g->nodes; i++)
        for (int k = 0; k < g->node[i].inputs; k++) {
            const struct qni_node *node = &g->node[i];
            const struct qni_gather *t = node->attr;

            if (node->in[k] != v->value)
                continue;
            if (node->op != &qni_op_gather || k || t->axis || n == QNI_MAX_IN)
                return (qn_val){ 0 };
            index[n++].id = node->in[1];
        }
    return n ? qni_node_add(g, &qni_op_mark, &(struct qni_mark){ v->shape.dim[0] }, index, n, NULL) : (qn_val){ 0 };
}

/* Where nothing but the lazy update reads the variable's gradient, rows that are not used need not become zero. */
static void leave_other_rows(qn_graph *g, const struct qni_variable *v)
{
    size_t i = 0;

    while (i < g->values && g->value[i].gradient_of != 1 + g->value[v->value].variable)
        i++;
    if (i == g->values || g->node[g->value[i].node].op != &qni_op_scatter_add)
        return;
    for (size_t n = 0; n < g->nodes; n++)
        for (int k = 0; k < g->node[n].inputs; k++)
            if (g->node[n].in[k] == (int32_t)i)
                return;
    ((struct qni_scatter_add *)g->node[g->value[i].node].attr)->named = 1;
}

/* One node for all variables but the lazy ones, which lie behind the others, and one for each of those. norms: those of
 * gradients are read. */
static void append_rule(qn_graph *g, const struct qni_op *op, const struct qni_update *attr, qn_val in[7], bool norms,
                        const struct qni_segment_table *segments)
{
    struct qni_update a = *attr;
    bool lazy = false;

    for (size_t i = 0; i < segments->n; i++)
        if (segments->variable[i]->lazy && (!lazy || segments->first[i] < a.count)) {
            a.count = segments->first[i];
            lazy = true;
        }
    if (!lazy || a.count)
        qni_node_add(g, op, &a, in, 6, NULL);
    for (size_t i = 0; i < segments->n; i++) {
        const struct qni_variable *v = segments->variable[i];

        if (!v->lazy || !segments->count[i])
            continue;
        a.first = segments->first[i];
        a.count = segments->count[i];
        a.units = a.count / v->shape.dim[0];
        a.decay_end = -1;
        in[6] = used_rows(g, v);
        if (in[6].id && !norms)
            leave_other_rows(g, v);
        qni_node_add(g, op, &a, in, 7, NULL);
    }
}

static qn_status append(const void *opt, qn_graph *g, qn_val weights, qn_val gradients, const qn_val *slot, qn_val device,
                        const struct qni_segment_table *segments)
{
    const qn_optimizer *o = opt;
    struct qni_update attr;
    const struct qni_op *op = qni_optimizer_rule(o, &attr);
    unsigned slots = qni_update_slots(op, &attr);
    qn_val in[7] = { weights, gradients }, scale = { 0 };
    int next = 0;

    for (size_t i = 0; o->decay_matrices_only && i < segments->n; i++) /* those that do not decay lie behind the others */
        if (segments->variable[i]->no_decay && (attr.decay_end < 0 || segments->first[i] < attr.decay_end))
            attr.decay_end = segments->first[i];
    for (int k = 0; k < 3; k++)
        if (slots & 1u << k)
            in[2 + k] = slot[next++];
    if (o->clip_norm > 0.0f)
        clip_norms(g, gradients, o->clip_norm, segments);
    if (o->global_clip_norm > 0.0f)
        scale = norm_scale(g, gradients, o->global_clip_norm);
    in[5] = scale;
    append_rule(g, op, &attr, in, o->clip_norm > 0.0f || o->global_clip_norm > 0.0f, segments);
    qni_node_add(g, &qni_op_advance, NULL, &device, 1, NULL);
    return qni_graph_status(g);
}

struct qni_optimizer qni_optimizer_plan(const qn_optimizer *o)
{
    struct qni_optimizer p = { .append = append, .opt = o, .start = o->initial };
    struct qni_update attr;

    if (o->kind != QN_OPTIMIZER_NONE)
        p.slots = __builtin_popcount(qni_update_slots(qni_optimizer_rule(o, &attr), &attr));
    return p;
}
