/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Which nodes run, and in what order. */
#include <stdlib.h>

#include "graph/passes.h"

static int by_place(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

qn_status qni_node_order(const qn_graph *g, int **order, size_t *n)
{
    int64_t *key = NULL;
    qn_status st;

    *order = NULL;
    *n = 0;
    if ((st = qni_calloc(g->ctx, &key, g->nodes, sizeof(*key))) ||
        (st = qni_calloc(g->ctx, order, g->nodes, sizeof(**order))))
        goto done;
    for (size_t i = 0; i < g->nodes; i++)
        if (!g->node[i].dead)
            key[(*n)++] = (int64_t)g->node[i].position << 32 | (int64_t)i;
    qsort(key, *n, sizeof(*key), by_place);
    for (size_t i = 0; i < *n; i++)
        (*order)[i] = (int)(key[i] & 0xffffffff);
done:
    qni_free(g->ctx, &key);
    return st;
}

qn_status qni_pass_dead(qn_graph *g, const qn_val *root, size_t roots)
{
    bool *used = NULL;
    int *order = NULL;
    size_t n;
    qn_status st;

    if ((st = qni_calloc(g->ctx, &used, g->values, sizeof(*used))) || (st = qni_node_order(g, &order, &n)))
        goto done;
    for (size_t i = 0; i < roots; i++)
        used[root[i].id] = true;
    for (size_t i = 1; i < g->values; i++)
        if (g->value[i].gradient_of)
            used[i] = true;
    while (n-- > 0) {
        struct qni_node *node = &g->node[order[n]];
        bool live = node->outputs == 0;

        for (int k = 0; k < node->outputs; k++)
            live |= used[node->out[k]];
        node->dead = !live;
        for (int k = 0; k < node->inputs && live; k++)
            used[node->in[k]] = true;
    }
done:
    qni_free(g->ctx, &used);
    qni_free(g->ctx, &order);
    return st;
}

qn_status qni_node_problem(struct qni_problem *p, const qn_graph *g, const struct qni_node *node, const struct qni_caps *caps)
{
    struct qni_desc desc[QNI_MAX_IN] = { 0 };
    unsigned absent = 0;
    int own = node->inputs - qni_epilogue_operands(&node->epilogue);
    qn_status st;

    for (int i = 0; i < node->inputs; i++) {
        desc[i].dtype = g->value[node->in[i]].dtype;
        desc[i].shape = g->value[node->in[i]].shape;
        if (!node->in[i])
            absent |= 1u << i;
    }
    if ((st = qni_problem_init(p, node->op, node->attr, desc, own, absent)) ||
        (st = qni_problem_epilogue(p, &node->epilogue, desc + own)))
        return st;
    p->caps = caps;
    p->ctx = g->ctx;
    p->choices = g->choices;
    return QN_OK;
}
