/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Reverse-mode differentiation: nodes are visited from last to first, each
 * operation's rule adds nodes for its inputs' gradients, contributions to one
 * value are added in the order they arise. */
#include "graph/graph.h"
#include "ops/eltwise/eltwise.h"

/* Declared here and weak only until the elementwise family brings it. */
qn_val qn_graph_add(qn_graph *g, qn_val a, qn_val b) __attribute__((weak));

struct reverse {
    qn_graph *g;
    size_t values, nodes;  /* of the forward part */
    bool *leads;           /* [values]: does it depend on something in wrt? */
    qn_val *gradient;      /* [values] */
};

qn_val qni_grad_in(const struct qni_grad *c, int input)
{
    return (qn_val){ c->g->node[c->node].in[input] };
}

qn_val qni_grad_out(const struct qni_grad *c, int output)
{
    return (qn_val){ c->g->node[c->node].out[output] };
}

qn_val qni_grad_dy(const struct qni_grad *c, int output)
{
    return c->gradient[c->g->node[c->node].out[output]];
}

bool qni_grad_wants(const struct qni_grad *c, int input)
{
    int32_t id = input < c->g->node[c->node].inputs ? c->g->node[c->node].in[input] : 0;

    return id && c->leads[id];
}

/* Add a contribution to the gradient of value id, which is input number `input` of the node. */
static void contribute(struct qni_grad *c, int32_t id, int input, qn_val dx)
{
    if (!id || !dx.id || !c->leads[id])
        return;
    if (!qni_shape_equal(&c->g->value[id].shape, &c->g->value[dx.id].shape)) {
        char a[160], b[160];

        qni_graph_fail(c->g, qni_error(QN_E_INTERNAL, "%s: the gradient of input %d has shape %s, expected %s",
                                       c->g->node[c->node].op->name, input,
                                       qni_shape_text(&c->g->value[dx.id].shape, a, sizeof(a)),
                                       qni_shape_text(&c->g->value[id].shape, b, sizeof(b))));
        return;
    }
    c->gradient[id] = c->gradient[id].id ? qni_elt2(c->g, QNI_ELT_ADD, c->gradient[id], dx, 0, 0) : dx;
}

void qni_grad_set(struct qni_grad *c, int input, qn_val dx)
{
    contribute(c, c->g->node[c->node].in[input], input, dx);
}

/* Back through y = act(z + bias + residual), so that the operation's own rule sees the gradient of z. */
static qn_status through_epilogue(struct qni_grad *c)
{
    const struct qni_node *node = &c->g->node[c->node];
    struct qni_epilogue e = node->epilogue;
    int32_t y = node->out[0], operand[QNI_MAX_IN];
    int next = node->inputs - qni_epilogue_operands(&e);
    qn_val dz = c->gradient[y];

    memcpy(operand, node->in, sizeof(operand));
    if (e.act_grad)
        return qni_error(QN_E_UNSUPPORTED, "%s with a fused gradient is not differentiated again", node->op->name);
    if (e.act) {
        const struct qni_elt_info *info = qni_elt_act_kind(e.act) < 0 ? NULL : qni_elt_info(qni_elt_act_kind(e.act));

        if (!info || !info->grad_kind || info->grad_of != 'y')
            return qni_error(QN_E_INTERNAL, "%s: this activation's gradient needs more than its result", node->op->name);
        dz = qni_elt2(c->g, info->grad_kind, dz, (qn_val){ y }, e.alpha, 0);
    }
    if (e.bias) {
        if (c->leads[operand[next]])
            contribute(c, operand[next], next, qni_sum_to(c->g, dz, (qn_val){ operand[next] }));
        next++;
    }
    if (e.residual)
        contribute(c, operand[next], next, dz);
    c->gradient[y] = dz;
    return c->g->status;
}

/* Which values depend on wrt, forwards. */
static void mark(struct reverse *r, const qn_val *wrt, size_t n)
{
    const qn_graph *g = r->g;

    for (size_t i = 0; i < n; i++)
        r->leads[wrt[i].id] = true;
    for (size_t i = 0; i < r->nodes; i++) {
        const struct qni_node *node = &g->node[i];
        bool leads = false;

        if (node->dead || node->op->flags & QNI_OP_NO_GRADIENT)
            continue;
        for (int k = 0; k < node->inputs; k++)
            leads |= r->leads[node->in[k]];
        for (int k = 0; k < node->outputs; k++)
            r->leads[node->out[k]] |= leads;
    }
    r->leads[0] = false;
}

static qn_status visit(struct reverse *r, int index)
{
    const struct qni_node *node = &r->g->node[index];
    struct qni_grad c = { .g = r->g, .node = index, .leads = r->leads, .gradient = r->gradient };
    bool flows = false, leads = false;
    qn_status st;

    for (int k = 0; k < node->outputs; k++) {
        flows |= r->gradient[node->out[k]].id != 0;
        leads |= r->leads[node->out[k]];
    }
    if (node->dead || !flows || !leads)
        return QN_OK;
    if (!node->op->grad)
        return qni_error(QN_E_UNSUPPORTED, "%s has no gradient", node->op->name);
    /* The rule adds nodes, which may move node->attr's owner but not attr itself. */
    c.attr = node->attr;
    r->g->current_label = node->label;
    if (!qni_epilogue_empty(&node->epilogue) && (st = through_epilogue(&c)))
        return st;
    st = r->g->node[index].op->grad(&c);
    return st ? st : r->g->status;
}

qn_status qni_differentiate(qn_graph *g, qn_val loss, const qn_val *wrt, size_t n, qn_val *grad)
{
    struct reverse r = { .g = g, .values = g->values, .nodes = g->nodes };
    int label = g->current_label;
    const struct qni_value *v = qni_value_get(g, loss);
    qn_status st;

    if (g->status)
        return qni_graph_status(g);
    if (!v || v->dtype != QN_F32 || qni_elements(&v->shape) != 1)
        return qni_error(QN_E_SHAPE, "the loss is no single f32 number");
    for (size_t i = 0; i < n; i++)
        if (!qni_value_get(g, wrt[i]))
            return qni_error(QN_E_ARG, "value %zu to differentiate by is not of this graph", i);
    if ((st = qni_calloc(g->ctx, &r.leads, r.values, sizeof(*r.leads))) ||
        (st = qni_calloc(g->ctx, &r.gradient, r.values, sizeof(*r.gradient))))
        goto done;
    mark(&r, wrt, n);
    r.gradient[loss.id] = qni_constant(g, QN_F32, &g->value[loss.id].shape, &(float){ 1.0f });
    for (size_t i = r.nodes; i-- > 0 && !st;)
        st = visit(&r, (int)i);
    for (size_t i = 0; i < n && !st; i++)
        grad[i] = r.gradient[wrt[i].id];
    if (!st)
        st = qni_graph_status(g);
done:
    g->current_label = label;
    qni_free(g->ctx, &r.leads);
    qni_free(g->ctx, &r.gradient);
    return st;
}
