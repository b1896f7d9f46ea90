/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Reverse-mode differentiation: nodes are visited from last to first, each
 * operation's rule adds nodes for its inputs' gradients, contributions to one
 * value are added in the order they arise. */
#include "graph/graph.h"

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

void qni_grad_set(struct qni_grad *c, int input, qn_val dx)
{
    int32_t id = c->g->node[c->node].in[input];

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
    c->gradient[id] = c->gradient[id].id ? qn_graph_add(c->g, c->gradient[id], dx) : dx;
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
    st = node->op->grad(&c);
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
