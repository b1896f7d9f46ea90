/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Which values share storage: a view lives in its input's, and an output may
 * take over the storage of an input that nobody reads afterwards. */
#include "graph/passes.h"

#define FOREVER INT32_MAX

struct sharing {
    const qn_graph *g;
    int32_t *storage_of; /* [values] */
    int *last;           /* [values] the last place in the order that reads a storage, FOREVER for roots */
};

/* Is this the arena's own, to be taken over? */
static bool is_free(const struct sharing *s, int32_t storage)
{
    const struct qni_value *v = &s->g->value[storage];

    return v->kind == QNI_VALUE_NODE && !v->gradient_of;
}

/* The output that may take over an input's storage, or 0. */
static int32_t taker(const struct qni_node *node)
{
    return node->outputs ? node->out[node->op->inplace_out] : 0;
}

/* May that output of the node at a place take over the storage of input i? Each element of the result is stored by the
 * work-item that has read the input's elements at the same place, and nothing else reads them. */
static bool takes_over(const struct sharing *s, const struct qni_node *node, int i, int at)
{
    const struct qni_value *out = &s->g->value[taker(node)], *in = &s->g->value[node->in[i]];
    int32_t storage = s->storage_of[node->in[i]];

    if (!node->in[i] || out->kind != QNI_VALUE_NODE || out->gradient_of || !is_free(s, storage) ||
        s->last[storage] != at || in->dtype != out->dtype || !qni_shape_equal(&in->shape, &out->shape))
        return false;
    /* Every work-item reads a single element, also those that have nothing to do. */
    if (qni_elements(&out->shape) == 1)
        return false;
    /* The same storage once more, read in another order. */
    for (int k = 0; k < node->inputs; k++)
        if (node->in[k] && s->storage_of[node->in[k]] == storage &&
            !qni_shape_equal(&s->g->value[node->in[k]].shape, &out->shape))
            return false;
    return true;
}

/* The input that is taken over, or -1: the one the operation names, or any of an element-wise one. */
static int find_input(const struct sharing *s, const struct qni_node *node, int at)
{
    int i = node->op->inplace - 1;

    if (i < 0 || (i < node->inputs && takes_over(s, node, i, at)))
        return i;
    for (i = 0; i < node->inputs && node->op->flags & QNI_OP_ELEMENTWISE; i++)
        if (takes_over(s, node, i, at))
            return i;
    return -1;
}

/* Views alone first, for when each storage is read last; then, in order, the outputs that take over. */
static void share(struct sharing *s, const int *order, size_t n, const qn_val *root, size_t roots)
{
    const qn_graph *g = s->g;
    int32_t *of = s->storage_of;

    for (size_t at = 0; at < n; at++) {
        const struct qni_node *node = &g->node[order[at]];

        if (node->op->flags & QNI_OP_VIEW)
            of[node->out[0]] = of[node->in[0]];
        for (int k = 0; k < node->inputs; k++)
            s->last[of[node->in[k]]] = (int)at;
    }
    for (size_t i = 0; i < roots; i++)
        s->last[of[root[i].id]] = FOREVER;
    for (size_t at = 0; at < n; at++) {
        const struct qni_node *node = &g->node[order[at]];
        int32_t out = taker(node);
        int i;

        if (node->op->flags & QNI_OP_VIEW) {
            of[out] = of[node->in[0]];
        } else if (out && (i = find_input(s, node, (int)at)) >= 0) {
            int last = s->last[out];

            of[out] = of[node->in[i]];
            s->last[of[out]] = last > (int)at ? last : (int)at;
        }
    }
}

qn_status qni_share_storage(const qn_graph *g, const int *order, size_t n, const qn_val *root, size_t roots,
                            int32_t **storage_of)
{
    struct sharing s = { .g = g };
    qn_status st;

    if ((st = qni_calloc(g->ctx, storage_of, g->values, sizeof(**storage_of))) ||
        (st = qni_calloc(g->ctx, &s.last, g->values, sizeof(*s.last))))
        return st;
    s.storage_of = *storage_of;
    for (size_t i = 0; i < g->values; i++) {
        s.storage_of[i] = (int32_t)i;
        s.last[i] = -1;
    }
    share(&s, order, n, root, roots);
    qni_free(g->ctx, &s.last);
    return QN_OK;
}
