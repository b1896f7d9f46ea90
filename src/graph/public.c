/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2's public face: graphs and their leaves, matrix products. */
#include "graph/graph.h"
#include "ops/gemm/gemm.h"

qn_status qn_graph_create(qn_graph **out, qn_context *ctx)
{
    qn_context *own = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = qni_context_get(&own, ctx)))
        return st;
    if ((st = qni_graph_create(out, own, false))) {
        qni_context_release(&own);
        return st;
    }
    (*out)->owned = own;
    return QN_OK;
}

void qn_graph_destroy(qn_graph **g)
{
    if (g && *g)
        qni_graph_destroy(g);
}

qn_status qn_graph_error(const qn_graph *g)
{
    return g ? qni_graph_status(g) : qni_error(QN_E_ARG, "the graph is NULL");
}

/* Sizes from outside as a shape; false with the graph's mistake noted. */
static bool shape_of(qn_graph *g, int rank, const int64_t *dim, bool any, qn_shape *out)
{
    memset(out, 0, sizeof(*out));
    if (!g || g->status)
        return false;
    if (rank < 0 || rank > QN_MAX_RANK || (rank && !dim)) {
        qni_graph_fail(g, qni_error(QN_E_ARG, "rank is %d, expected 0 to %d with as many sizes", rank, QN_MAX_RANK));
        return false;
    }
    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        out->dim[i] = dim[i];
        if (dim[i] < 0 && !(any && dim[i] == QN_ANY)) {
            qni_graph_fail(g, qni_error(QN_E_SHAPE, "axis %d has size %lld", i, (long long)dim[i]));
            return false;
        }
    }
    return true;
}

qn_val qn_graph_input(qn_graph *g, const char *name, qn_dtype dtype, int rank, const int64_t *dim)
{
    qn_shape shape;

    if (!shape_of(g, rank, dim, true, &shape))
        return (qn_val){ 0 };
    return qni_input_add(g, name ? name : "input", dtype, &shape);
}

qn_val qn_graph_constant(qn_graph *g, qn_dtype dtype, int rank, const int64_t *dim, const void *elements)
{
    qn_shape shape;

    if (!shape_of(g, rank, dim, false, &shape))
        return (qn_val){ 0 };
    if (!elements && qni_elements(&shape))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "a constant's elements are NULL"));
    return qni_constant(g, dtype, &shape, elements);
}

qn_val qn_graph_variable(qn_graph *g, const qn_variable_opt *opt)
{
    struct qni_variable v = { .dtype = QN_F32 };
    qn_shape shape;

    if (!g || g->status)
        return (qn_val){ 0 };
    if (!opt || !opt->name || !*opt->name)
        return qni_graph_fail(g, qni_error(QN_E_ARG, "a variable needs options with a name"));
    for (size_t i = 0; i < QNI_COUNT(opt->reserved); i++)
        if (opt->reserved[i])
            return qni_graph_fail(g, qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i));
    if ((unsigned)opt->init > QN_INIT_IDENTITY)
        return qni_graph_fail(g, qni_error(QN_E_ARG, "%s: there is no initialiser %d", opt->name, (int)opt->init));
    if (!shape_of(g, opt->rank, opt->dim, false, &shape))
        return (qn_val){ 0 };
    v.name = (char *)opt->name; /* copied, not kept */
    v.shape = shape;
    v.init = opt->init;
    v.a = opt->init_scale;
    v.trainable = !opt->frozen;
    return qni_variable_add(g, &v);
}

qn_shape qn_graph_shape(const qn_graph *g, qn_val v)
{
    return g ? qni_value_shape(g, v) : (qn_shape){ 0 };
}

qn_val qn_graph_matmul(qn_graph *g, qn_val a, qn_val b, bool transpose_a, bool transpose_b)
{
    struct qni_matmul attr = { .transpose_a = transpose_a, .transpose_b = transpose_b };

    if (!g || g->status)
        return (qn_val){ 0 };
    return qni_node_add(g, &qni_op_matmul, &attr, (qn_val[]){ a, b }, 2, NULL);
}

qn_val qn_graph_dense(qn_graph *g, qn_val x, qn_val kernel, qn_val bias, qn_act act, float alpha)
{
    struct qni_matmul attr = { 0 };

    if (!g || g->status)
        return (qn_val){ 0 };
    return qni_node_bias_act(g, &qni_op_matmul, &attr, (qn_val[]){ x, kernel }, 2, bias, (int)act, alpha);
}
