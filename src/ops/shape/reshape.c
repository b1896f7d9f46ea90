/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Another shape for the same elements. In a plan it is a view; planned by
 * itself it copies. */
#include "ops/shape/shape.h"

static qn_status to(const struct qni_reshape *r, const qn_shape *x, qn_shape *y)
{
    int64_t n = 1, known = 1; /* without the axes that are copied, so that an empty batch keeps its other sizes */
    int rest = -1;
    char a[160], b[160];

    if (r->rank < 0 || r->rank > QN_MAX_RANK)
        return qni_error(QN_E_SHAPE, "a shape has 0 to %d axes, found %d", QN_MAX_RANK, r->rank);
    y->rank = r->rank;
    for (int i = 0; i < x->rank; i++)
        if (r->mode != QNI_RESHAPE_TO || i >= r->rank || r->dim[i])
            n *= x->dim[i];
    for (int i = 0; i < r->rank; i++) {
        y->dim[i] = r->dim[i];
        if (r->mode == QNI_RESHAPE_TO && r->dim[i] == 0 && i < x->rank) {
            y->dim[i] = x->dim[i];
            continue;
        }
        if (y->dim[i] < 0 && (rest >= 0 || y->dim[i] != -1))
            return qni_error(QN_E_SHAPE, "reshape to sizes of which %d is %lld: one may be -1", i, (long long)y->dim[i]);
        if (y->dim[i] == -1)
            rest = i;
        else if (y->dim[i] && known > INT64_MAX / y->dim[i])
            return qni_error(QN_E_SHAPE, "reshape to more than 2^63 elements");
        else
            known *= y->dim[i];
    }
    if (rest >= 0)
        y->dim[rest] = known ? n / known : 0;
    if (rest >= 0 ? y->dim[rest] * known != n : known != n)
        return qni_error(QN_E_SHAPE, "%s does not reshape to %s", qni_shape_text(x, a, sizeof(a)),
                         qni_shape_text(y, b, sizeof(b)));
    return QN_OK;
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_reshape *r = p->attr;
    const qn_shape *x = &p->in[0].shape;
    qn_shape y = { 0 };
    int taken = 0;
    qn_status st;
    char text[160];

    if ((r->mode == QNI_RESHAPE_TO || r->mode == QNI_RESHAPE_EXACT) && (st = to(r, x, &y)))
        return st;
    if (r->mode == QNI_RESHAPE_INSERT) {
        int rank = x->rank + __builtin_popcount(r->mask);

        if (rank > QN_MAX_RANK || r->mask >> rank)
            return qni_error(QN_E_SHAPE, "axes 0x%x are not in a result with %d axes", r->mask, rank);
        for (int i = 0; i < rank; i++)
            y.dim[y.rank++] = r->mask >> i & 1 ? 1 : x->dim[taken++];
    }
    for (int i = 0; i < x->rank && r->mode == QNI_RESHAPE_REMOVE; i++) {
        if (!(r->mask >> i & 1))
            y.dim[y.rank++] = x->dim[i];
        else if (x->dim[i] != 1)
            return qni_error(QN_E_SHAPE, "axis %d of %s is not 1 and cannot be removed", i,
                             qni_shape_text(x, text, sizeof(text)));
    }
    p->outputs = 1;
    p->out[0].dtype = p->in[0].dtype;
    p->out[0].shape = y;
    return QN_OK;
}

static qn_status grad(struct qni_grad *c)
{
    const struct qni_reshape r = *(const struct qni_reshape *)c->attr;
    qn_val dy = qni_grad_dy(c, 0);

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    qni_grad_set(c, 0, r.mode == QNI_RESHAPE_INSERT   ? qni_remove_axes(c->g, dy, r.mask)
                       : r.mode == QNI_RESHAPE_REMOVE ? qni_insert_axes(c->g, dy, r.mask)
                                                      : qni_reshape_like(c->g, dy, qni_grad_in(c, 0)));
    return QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_copy c = { .rank = 1, .dim = { qni_elements(&p->in[0].shape) }, .in_stride = { 1 }, .out_stride = { 1 } };

    qni_copy_emit(p, r, 0, 0, &c, p->caps->shape == QNI_CPU_SHAPED);
}

static const struct qni_algo copy = { .name = "copy", .applies = qni_shape_applies, .emit = emit };
static const struct qni_algo *const algos[] = { &copy, NULL };

const struct qni_op qni_op_reshape = {
    .name = "reshape", .family = "shape", .attr_bytes = sizeof(struct qni_reshape), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .flags = QNI_OP_VIEW, .shape = shape, .grad = grad, .algos = algos, .tests = qni_shape_tests,
    .dtypes = QNI_SHAPE_DTYPES,
};

/* ---- level 2 ---- */

qn_val qni_insert_axes(qn_graph *g, qn_val x, uint32_t mask)
{
    struct qni_reshape r = { .mode = QNI_RESHAPE_INSERT, .mask = mask };

    return mask ? qni_node_add(g, &qni_op_reshape, &r, &x, 1, NULL) : x;
}

qn_val qni_remove_axes(qn_graph *g, qn_val x, uint32_t mask)
{
    struct qni_reshape r = { .mode = QNI_RESHAPE_REMOVE, .mask = mask };

    return mask ? qni_node_add(g, &qni_op_reshape, &r, &x, 1, NULL) : x;
}

qn_val qni_reshape_like(qn_graph *g, qn_val x, qn_val like)
{
    qn_shape s = qni_value_shape(g, like);
    struct qni_reshape r = { .mode = QNI_RESHAPE_EXACT, .rank = s.rank };

    memcpy(r.dim, s.dim, sizeof(s.dim));
    return qni_node_add(g, &qni_op_reshape, &r, &x, 1, NULL);
}

qn_val qn_graph_reshape(qn_graph *g, qn_val x, int rank, const int64_t *dim)
{
    struct qni_reshape r = { .mode = QNI_RESHAPE_TO, .rank = rank };

    if (rank < 0 || rank > QN_MAX_RANK || (rank && !dim))
        return qni_graph_fail(g, qni_error(QN_E_SHAPE, "a shape has 0 to %d axes, found %d", QN_MAX_RANK, rank));
    if (rank)
        memcpy(r.dim, dim, (size_t)rank * sizeof(*dim));
    return qni_node_add(g, &qni_op_reshape, &r, &x, 1, NULL);
}

qn_val qn_graph_flatten(qn_graph *g, qn_val x)
{
    return qn_graph_reshape(g, x, 2, (int64_t[]){ 0, -1 });
}

qn_val qn_graph_expand_dims(qn_graph *g, qn_val x, int axis)
{
    const struct qni_value *v = qni_value_get(g, x);
    int a;

    if (!v)
        return (qn_val){ 0 };
    a = qni_axis(axis, v->shape.rank + 1);
    return a < 0 ? qni_graph_fail(g, QN_E_SHAPE) : qni_insert_axes(g, x, 1u << a);
}

qn_val qn_graph_squeeze(qn_graph *g, qn_val x, int axis)
{
    const struct qni_value *v = qni_value_get(g, x);
    int a;

    if (!v)
        return (qn_val){ 0 };
    a = qni_axis(axis, v->shape.rank);
    return a < 0 ? qni_graph_fail(g, QN_E_SHAPE) : qni_remove_axes(g, x, 1u << a);
}
