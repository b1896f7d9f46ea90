/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "graph/graph.h"

qn_status qni_graph_create(qn_graph **out, const qn_context *ctx, bool concrete)
{
    qn_graph *g = NULL;
    qn_status st;

    *out = NULL;
    if ((st = qni_calloc(ctx, &g, 1, sizeof(*g))))
        return st;
    g->ctx = ctx;
    g->concrete = concrete;
    if ((st = qni_reserve(ctx, &g->value, &g->value_capacity, 0, sizeof(*g->value))) ||
        (st = qni_reserve(ctx, &g->label, &g->label_capacity, 0, sizeof(*g->label)))) {
        qni_graph_destroy(&g);
        return st;
    }
    memset(&g->value[0], 0, sizeof(g->value[0]));
    g->values = 1;
    g->label[0] = NULL;
    g->labels = 1;
    *out = g;
    return QN_OK;
}

void qni_graph_destroy(qn_graph **graph)
{
    qn_graph *g = *graph;
    qn_context *owned;

    *graph = NULL;
    if (!g)
        return;
    for (size_t i = 0; i < g->values; i++)
        qni_free(g->ctx, &g->value[i].bytes);
    for (size_t i = 0; i < g->nodes; i++)
        qni_free(g->ctx, &g->node[i].attr);
    for (size_t i = 0; i < g->variables; i++) {
        qni_free(g->ctx, &g->variable[i].name);
        qni_free(g->ctx, &g->variable[i].values);
    }
    for (size_t i = 0; i < g->inputs; i++)
        qni_free(g->ctx, &g->input[i].name);
    for (size_t i = 0; i < g->labels; i++)
        qni_free(g->ctx, &g->label[i]);
    qni_free(g->ctx, &g->value);
    qni_free(g->ctx, &g->node);
    qni_free(g->ctx, &g->variable);
    qni_free(g->ctx, &g->input);
    qni_free(g->ctx, &g->label);
    owned = g->owned;
    qni_free(g->ctx, &g);
    if (owned)
        qni_context_release(&owned);
}

qn_val qni_graph_fail(qn_graph *g, qn_status status)
{
    if (!g->status && status) {
        const char *label = g->label[g->current_label];

        if (label)
            qni_error_prefix("%s: ", label);
        g->status = status;
        qni_error_take(g->message, sizeof(g->message));
    }
    return (qn_val){ 0 };
}

qn_status qni_graph_status(const qn_graph *g)
{
    if (g->status)
        qni_error_put(g->message);
    return g->status;
}

qn_status qni_graph_label(qn_graph *g, const char *label, int *previous)
{
    char *copy = NULL;
    qn_status st;

    if (previous)
        *previous = g->current_label;
    if ((st = qni_reserve(g->ctx, &g->label, &g->label_capacity, g->labels, sizeof(*g->label))) ||
        (st = qni_strdup(g->ctx, &copy, label)))
        return st;
    g->label[g->labels] = copy;
    g->current_label = (int)g->labels++;
    return QN_OK;
}

const struct qni_value *qni_value_get(const qn_graph *g, qn_val v)
{
    return v.id > 0 && (size_t)v.id < g->values ? &g->value[v.id] : NULL;
}

qn_shape qni_value_shape(const qn_graph *g, qn_val v)
{
    const struct qni_value *x = qni_value_get(g, v);
    qn_shape s = { 0 };

    if (!x)
        return s;
    s = x->shape;
    for (int i = 0; i < s.rank; i++)
        if (x->shape2.dim[i] != s.dim[i])
            s.dim[i] = QN_ANY;
    return s;
}

static qn_status value_add(qn_graph *g, const struct qni_value *v, int32_t *id)
{
    qn_status st;

    if (g->values >= INT32_MAX)
        return qni_error(QN_E_UNSUPPORTED, "a graph has at most 2^31 values");
    if ((st = qni_reserve(g->ctx, &g->value, &g->value_capacity, g->values, sizeof(*g->value))))
        return st;
    *id = (int32_t)g->values;
    g->value[g->values++] = *v;
    return QN_OK;
}

/* Run the shape rule for one of the two nominal sizes. */
static qn_status infer(struct qni_problem *p, const qn_graph *g, const struct qni_op *op, const void *attr,
                       const struct qni_epilogue *epilogue, const qn_val *in, int inputs, bool second)
{
    struct qni_desc desc[QNI_MAX_IN] = { 0 };
    unsigned absent = 0;
    int own = inputs - qni_epilogue_operands(epilogue);
    qn_status st;

    for (int i = 0; i < inputs; i++) {
        const struct qni_value *v = qni_value_get(g, in[i]);

        if (v) {
            desc[i].dtype = v->dtype;
            desc[i].shape = second ? v->shape2 : v->shape;
        } else {
            absent |= 1u << i;
        }
    }
    if ((st = qni_problem_init(p, op, attr, desc, own, absent)))
        return st;
    return qni_problem_epilogue(p, epilogue, desc + own);
}

qn_val qni_node_add(qn_graph *g, const struct qni_op *op, const void *attr, const qn_val *in, int inputs, qn_val *out)
{
    return qni_node_add_epilogue(g, op, attr, in, inputs, &(struct qni_epilogue){ 0 }, out);
}

qn_val qni_node_add_epilogue(qn_graph *g, const struct qni_op *op, const void *attr, const qn_val *in, int inputs,
                             const struct qni_epilogue *epilogue, qn_val *out)
{
    struct qni_problem first, second;
    struct qni_node n = { .op = op, .inputs = inputs, .segment = g->segment, .label = g->current_label,
                          .epilogue = *epilogue, .position = (int)g->nodes };
    qn_val result = { 0 };
    qn_status st = QN_OK;

    for (int i = 0; out && i < op->outputs; i++)
        out[i].id = 0;
    if (g->status)
        return result;
    if (inputs < 0 || inputs > QNI_MAX_IN || op->outputs > QNI_MAX_OUT)
        return qni_graph_fail(g, qni_error(QN_E_UNSUPPORTED, "%s: %d inputs, the most is %d", op->name, inputs, QNI_MAX_IN));
    for (int i = 0; i < inputs; i++) {
        n.in[i] = in[i].id;
        if (in[i].id && !qni_value_get(g, in[i]))
            return qni_graph_fail(g, qni_error(QN_E_ARG, "%s: input %d is not a value of this graph", op->name, i));
        if (!in[i].id && (i == 0 || i >= inputs - qni_epilogue_operands(epilogue)))
            return qni_graph_fail(g, qni_error(QN_E_ARG, "%s: input %d is missing", op->name, i));
    }
    if ((st = infer(&first, g, op, attr, epilogue, in, inputs, false)) ||
        (!g->concrete && (st = infer(&second, g, op, attr, epilogue, in, inputs, true))) ||
        (st = qni_reserve(g->ctx, &g->node, &g->node_capacity, g->nodes, sizeof(*g->node))) ||
        (st = qni_calloc(g->ctx, &n.attr, 1, op->attr_bytes)))
        goto done;
    if (attr)
        memcpy(n.attr, attr, op->attr_bytes);
    n.outputs = first.outputs;
    for (int i = 0; i < n.outputs; i++) {
        struct qni_value v = { .kind = QNI_VALUE_NODE, .dtype = first.out[i].dtype, .shape = first.out[i].shape,
                               .node = (int)g->nodes, .output = i };

        v.shape2 = g->concrete ? v.shape : second.out[i].shape;
        if ((st = value_add(g, &v, &n.out[i])))
            goto done;
        if (out)
            out[i].id = n.out[i];
    }
    result.id = n.out[0];
    g->node[g->nodes++] = n;
    n.attr = NULL;
done:
    qni_free(g->ctx, &n.attr);
    return st ? qni_graph_fail(g, st) : result;
}

qn_val qni_constant(qn_graph *g, qn_dtype dtype, const qn_shape *shape, const void *bytes)
{
    struct qni_value v = { .kind = QNI_VALUE_CONSTANT, .dtype = dtype, .shape = *shape, .shape2 = *shape };
    qn_val result = { 0 };
    int64_t n;
    qn_status st;

    if (g->status)
        return result;
    if ((st = qni_shape_elements(shape, dtype, &n)) ||
        (st = qni_calloc(g->ctx, &v.bytes, (size_t)n, qn_dtype_bytes(dtype))))
        return qni_graph_fail(g, st);
    memcpy(v.bytes, bytes, (size_t)n * qn_dtype_bytes(dtype));
    if ((st = value_add(g, &v, &result.id))) {
        qni_free(g->ctx, &v.bytes);
        return qni_graph_fail(g, st);
    }
    return result;
}

qn_val qni_variable_add(qn_graph *g, const struct qni_variable *variable)
{
    struct qni_value v = { .kind = QNI_VALUE_STATE, .dtype = variable->dtype, .shape = variable->shape,
                           .shape2 = variable->shape, .variable = (int)g->variables };
    struct qni_variable copy = *variable;
    float *values = NULL;
    int64_t n;
    qn_status st;

    if (g->status)
        return (qn_val){ 0 };
    copy.name = NULL;
    for (size_t i = 0; i < g->variables; i++)
        if (!strcmp(g->variable[i].name, variable->name))
            return qni_graph_fail(g, qni_error(QN_E_ARG, "there are two variables %s", variable->name));
    if ((st = qni_shape_elements(&variable->shape, variable->dtype, &n)))
        qni_error_prefix("variable %s: ", variable->name);
    if (st || (st = qni_strdup(g->ctx, &copy.name, variable->name)) ||
        (variable->values && (st = qni_calloc(g->ctx, &values, (size_t)n, sizeof(*values)))) ||
        (st = qni_reserve(g->ctx, &g->variable, &g->variable_capacity, g->variables, sizeof(*g->variable))) ||
        (st = value_add(g, &v, &copy.value))) {
        qni_free(g->ctx, &copy.name);
        qni_free(g->ctx, &values);
        return qni_graph_fail(g, st);
    }
    if (values)
        memcpy(values, variable->values, (size_t)n * sizeof(*values));
    copy.values = values;
    g->variable[g->variables++] = copy;
    return (qn_val){ copy.value };
}

/* Nominal sizes of unknown axes: different, coprime, and unlike sizes that models use. */
static qn_shape nominal(const qn_shape *shape, int64_t size)
{
    qn_shape s = *shape;

    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] == QN_ANY)
            s.dim[i] = size;
    return s;
}

qn_val qni_input_add(qn_graph *g, const char *name, qn_dtype dtype, const qn_shape *shape)
{
    struct qni_value v = { .kind = QNI_VALUE_INPUT, .dtype = dtype, .shape = nominal(shape, 61),
                           .shape2 = nominal(shape, 67), .input = (int)g->inputs };
    struct qni_input input = { .dtype = dtype, .shape = *shape };
    int64_t n;
    qn_status st;

    if (g->status)
        return (qn_val){ 0 };
    if ((st = qni_shape_elements(&v.shape, dtype, &n)))
        qni_error_prefix("input %s: ", name);
    if (st || (st = qni_strdup(g->ctx, &input.name, name)) ||
        (st = qni_reserve(g->ctx, &g->input, &g->input_capacity, g->inputs, sizeof(*g->input))) ||
        (st = value_add(g, &v, &input.value))) {
        qni_free(g->ctx, &input.name);
        return qni_graph_fail(g, st);
    }
    g->input[g->inputs++] = input;
    return (qn_val){ input.value };
}
