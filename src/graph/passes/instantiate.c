/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * From the template to a graph at real sizes, with gradients and updates. */
#include "graph/passes.h"
#include "ops/eltwise/eltwise.h"

/* Which template nodes the request needs, backwards from what it asks for. */
static void mark_needed(const struct qni_plan_request *rq, bool *value, bool *node)
{
    const qn_graph *t = rq->graph;

    for (int i = 0; i < rq->outputs; i++)
        value[rq->output[i].id] = true;
    for (int i = 0; i < rq->wrts; i++)
        value[rq->wrt[i].id] = true;
    value[rq->loss.id] = true;
    for (size_t i = t->nodes; i-- > 0;) {
        const struct qni_node *n = &t->node[i];
        bool need = n->outputs == 0 && i >= rq->update_first && i < rq->update_last;

        for (int k = 0; k < n->outputs; k++)
            need |= value[n->out[k]];
        node[i] = need;
        for (int k = 0; k < n->inputs && need; k++)
            value[n->in[k]] = true;
    }
    value[0] = false;
}

static qn_status check_input(const struct qni_input *in, const qn_shape *shape)
{
    char a[160], b[160];
    bool fits = in->shape.rank == shape->rank;

    for (int i = 0; fits && i < shape->rank; i++)
        fits = in->shape.dim[i] == QN_ANY ? shape->dim[i] >= 0 : in->shape.dim[i] == shape->dim[i];
    if (!fits)
        return qni_error(QN_E_SHAPE, "input %s has shape %s, expected %s", in->name, qni_shape_text(shape, a, sizeof(a)),
                         qni_shape_text(&in->shape, b, sizeof(b)));
    return QN_OK;
}

static void copy_node(qn_graph *g, const qn_graph *t, const struct qni_node *n, bool training, qn_val *map)
{
    qn_val in[QNI_MAX_IN], out[QNI_MAX_OUT] = { { 0 } };

    for (int k = 0; k < n->inputs; k++)
        in[k] = map[n->in[k]];
    g->current_label = n->label;
    if (!training && n->op->infer) {
        qn_status st = n->op->infer(g, n, in, out);

        if (st)
            qni_graph_fail(g, st);
    } else {
        qni_node_add_epilogue(g, n->op, n->attr, in, n->inputs, &n->epilogue, out);
    }
    for (int k = 0; k < n->outputs; k++)
        map[n->out[k]] = out[k];
    (void)t;
}

static qn_status copy_leaves(qn_graph *g, const struct qni_plan_request *rq, const bool *needed, qn_val *map)
{
    const qn_graph *t = rq->graph;
    qn_status st;

    for (size_t i = 1; i < t->labels; i++)
        if ((st = qni_graph_label(g, t->label[i], NULL)))
            return st;
    /* All variables, so that their numbers agree with the template's and the state's. */
    for (size_t i = 0; i < t->variables; i++)
        map[t->variable[i].value] = qni_variable_add(g, &t->variable[i]);
    for (size_t i = 0; i < t->inputs; i++) {
        if (!needed[t->input[i].value])
            continue;
        if ((st = check_input(&t->input[i], &rq->input_shape[i])))
            return st;
        map[t->input[i].value] = qni_input_add(g, t->input[i].name, t->input[i].dtype, &rq->input_shape[i]);
        if (!g->status)
            g->value[map[t->input[i].value].id].input = (int)i;
    }
    for (size_t i = 1; i < t->values; i++)
        if (t->value[i].kind == QNI_VALUE_CONSTANT && needed[i])
            map[i] = qni_constant(g, t->value[i].dtype, &t->value[i].shape, t->value[i].bytes);
    return qni_graph_status(g);
}

qn_status qni_instantiate(qn_graph **out, const struct qni_plan_request *rq, qn_val **map_out)
{
    const qn_graph *t = rq->graph;
    bool *value = NULL, *node = NULL;
    qn_val *map = NULL;
    qn_graph *g = NULL;
    qn_status st;

    *out = NULL;
    *map_out = NULL;
    if ((st = qni_graph_status(t)))
        return st;
    if ((st = qni_calloc(t->ctx, &value, t->values, sizeof(*value))) ||
        (st = qni_calloc(t->ctx, &node, t->nodes, sizeof(*node))) ||
        (st = qni_calloc(t->ctx, &map, t->values, sizeof(*map))) || (st = qni_graph_create(&g, t->ctx, true)))
        goto done;
    g->streams = t->streams;
    mark_needed(rq, value, node);
    if ((st = copy_leaves(g, rq, value, map)))
        goto done;
    for (size_t i = 0; i < t->nodes; i++)
        if (node[i])
            copy_node(g, t, &t->node[i], rq->training, map);
    g->current_label = 0;
    if ((st = qni_graph_status(g)))
        goto done;
    *out = g;
    *map_out = map;
    g = NULL;
    map = NULL;
done:
    qni_free(t->ctx, &value);
    qni_free(t->ctx, &node);
    qni_free(t->ctx, &map);
    if (g)
        qni_graph_destroy(&g);
    return st;
}

static qn_val special(qn_graph *g, int which, int64_t elements, qn_dtype dtype)
{
    struct qni_value v = { .kind = QNI_VALUE_STATE, .dtype = dtype, .shape = qni_shape(1, elements), .variable = which };
    qn_val result = { 0 };
    qn_status st;

    v.shape2 = v.shape;
    if (g->status)
        return result;
    if ((st = qni_reserve(g->ctx, &g->value, &g->value_capacity, g->values, sizeof(*g->value))))
        return qni_graph_fail(g, st);
    result.id = (int32_t)g->values;
    g->value[g->values++] = v;
    return result;
}

/* The planner puts a final gradient where the optimizer reads it. A value that cannot be placed (a view, a state, one
 * that serves two variables) is copied first. */
static qn_val placeable(qn_graph *g, qn_val dx, int variable)
{
    const struct qni_value *v = qni_value_get(g, dx);

    if (!v)
        return dx;
    if (v->kind != QNI_VALUE_NODE || g->node[v->node].op->flags & QNI_OP_VIEW || v->gradient_of)
        dx = qni_elt1(g, QNI_ELT_IDENTITY, dx, 0, 0);
    if (!g->status)
        g->value[dx.id].gradient_of = 1 + variable;
    return dx;
}

static qn_status append_update(qn_graph *g, const struct qni_plan_request *rq, const struct qni_segment_table *table)
{
    int64_t n = rq->state->weight_elements;
    qn_val slot[QNI_MAX_OPTIMIZER_SLOTS], weights, gradients, device;
    qn_status st;

    weights = special(g, QNI_STATE_WEIGHTS, n, QN_F32);
    gradients = special(g, QNI_STATE_GRADIENTS, n, QN_F32);
    device = special(g, QNI_STATE_DEVICE, QNI_BLOCK_WORDS, QN_I32);
    for (int k = 0; k < rq->optimizer->slots; k++)
        slot[k] = special(g, QNI_STATE_SLOT - k, n, QN_F32);
    g->segment = QNI_SEGMENT_UPDATE;
    st = rq->optimizer->append(rq->optimizer->opt, g, weights, gradients, slot, device, table);
    return st ? st : qni_graph_status(g);
}

qn_status qni_append_training(qn_graph *g, const struct qni_plan_request *rq, const qn_val *map, qn_val *wrt_out)
{
    const qn_context *ctx = g->ctx;
    qn_val *wrt = NULL, *grad = NULL;
    int64_t *first = NULL, *count = NULL;
    const struct qni_variable **variable = NULL;
    size_t n = 0, most = g->variables + (size_t)rq->wrts;
    struct qni_segment_table table;
    qn_status st;

    if ((st = qni_calloc(ctx, &wrt, most, sizeof(*wrt))) || (st = qni_calloc(ctx, &grad, most, sizeof(*grad))) ||
        (st = qni_calloc(ctx, &first, most, sizeof(*first))) || (st = qni_calloc(ctx, &count, most, sizeof(*count))) ||
        (st = qni_calloc(ctx, &variable, most, sizeof(*variable))))
        goto done;
    if (rq->optimizer) {
        for (size_t i = 0; i < g->variables; i++)
            if (g->variable[i].trainable && g->variable[i].dtype == QN_F32) {
                first[n] = (int64_t)(rq->state->place[i].offset / sizeof(float));
                count[n] = qni_elements(&g->variable[i].shape);
                variable[n] = &g->variable[i];
                wrt[n++].id = g->variable[i].value;
            }
    } else {
        for (int i = 0; i < rq->wrts; i++)
            wrt[n++] = map[rq->wrt[i].id];
    }
    g->segment = QNI_SEGMENT_BACKWARD;
    if ((st = qni_differentiate(g, map[rq->loss.id], wrt, n, grad)))
        goto done;
    if (rq->optimizer) {
        for (size_t i = 0; i < n; i++)
            if (grad[i].id)
                placeable(g, grad[i], g->value[wrt[i].id].variable);
        table = (struct qni_segment_table){ .n = n, .first = first, .count = count, .variable = variable };
        st = append_update(g, rq, &table);
    } else {
        for (int i = 0; i < rq->wrts; i++)
            wrt_out[i] = grad[i].id ? grad[i] : qni_elt_fill_like(g, wrt[i], QN_F32, 0.0f);
        st = qni_graph_status(g);
    }
done:
    qni_free(ctx, &wrt);
    qni_free(ctx, &grad);
    qni_free(ctx, &first);
    qni_free(ctx, &count);
    qni_free(ctx, &variable);
    return st;
}
