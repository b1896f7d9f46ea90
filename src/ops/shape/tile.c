/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Copies along one axis: the axis as a whole several times, or each element. */
#include "ops/reduce/reduce.h"
#include "ops/shape/shape.h"

static qn_status shape(struct qni_problem *p)
{
    const struct qni_tile *t = p->attr;
    qn_shape *y = &p->out[0].shape;

    p->outputs = 1;
    p->out[0] = p->in[0];
    if (t->axis < 0 || t->axis >= y->rank || t->times < 0)
        return qni_error(QN_E_SHAPE, "tile: axis %d of a value with %d axes, %lld times", t->axis, y->rank,
                         (long long)t->times);
    if (t->times && y->dim[t->axis] > INT64_MAX / t->times)
        return qni_error(QN_E_SHAPE, "tile: an axis of more than 2^63 elements");
    y->dim[t->axis] *= t->times;
    return QN_OK;
}

static void outer_inner(const qn_shape *x, int axis, int64_t *a, int64_t *b)
{
    *a = *b = 1;
    for (int i = 0; i < axis; i++)
        *a *= x->dim[i];
    for (int i = axis + 1; i < x->rank; i++)
        *b *= x->dim[i];
}

/* dy seen as [A, times, L, B] or [A, L, times, B], summed over the copies. At most one of the sizes may be unknown. */
static qn_status grad(struct qni_grad *c)
{
    const struct qni_tile t = *(const struct qni_tile *)c->attr;
    qn_val x = qni_grad_in(c, 0), dy;
    const struct qni_value *v = qni_value_get(c->g, x);
    int64_t a, b, l = v->shape.dim[t.axis], a2, b2, l2 = v->shape2.dim[t.axis];
    struct qni_reshape r = { .mode = QNI_RESHAPE_EXACT, .rank = 4 };
    uint32_t copies = t.each ? 4 : 2;

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    outer_inner(&v->shape, t.axis, &a, &b);
    outer_inner(&v->shape2, t.axis, &a2, &b2);
    r.dim[0] = a == a2 ? a : -1;
    r.dim[t.each ? 1 : 2] = l == l2 ? l : -1;
    r.dim[t.each ? 2 : 1] = t.times;
    r.dim[3] = b == b2 ? b : -1;
    dy = qni_grad_dy(c, 0);
    dy = qni_node_add(c->g, &qni_op_reshape, &r, &dy, 1, NULL);
    dy = qni_reduce_add(c->g, dy, QNI_REDUCE_SUM, copies, 0);
    qni_grad_set(c, 0, qni_reshape_like(c->g, dy, x));
    return QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_tile *t = p->attr;
    int64_t a, b, l = p->in[0].shape.dim[t->axis];
    struct qni_copy c = { .rank = 4 };

    outer_inner(&p->in[0].shape, t->axis, &a, &b);
    c.dim[0] = a;
    c.dim[1] = t->each ? l : t->times;
    c.dim[2] = t->each ? t->times : l;
    c.dim[3] = b;
    c.in_stride[0] = l * b;
    c.in_stride[1] = t->each ? b : 0;
    c.in_stride[2] = t->each ? 0 : b;
    c.in_stride[3] = 1;
    c.out_stride[0] = l * t->times * b;
    c.out_stride[1] = c.dim[2] * b;
    c.out_stride[2] = b;
    c.out_stride[3] = 1;
    qni_copy_emit(p, r, 0, 0, &c, vector);
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static const struct qni_algo vector_algo = { .name = "vector", .applies = qni_shape_applies, .emit = emit_vector, .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = qni_shape_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &vector_algo, NULL };

const struct qni_op qni_op_tile = {
    .name = "tile", .family = "shape", .attr_bytes = sizeof(struct qni_tile), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = qni_shape_tests, .dtypes = QNI_SHAPE_DTYPES,
};

/* ---- level 2 ---- */

static qn_val along(qn_graph *g, qn_val x, int axis, int64_t times, bool each)
{
    const struct qni_value *v = qni_value_get(g, x);
    struct qni_tile t = { .times = times, .each = each };

    if (!v)
        return (qn_val){ 0 };
    if ((t.axis = qni_axis(axis, v->shape.rank)) < 0)
        return qni_graph_fail(g, QN_E_SHAPE);
    return times == 1 ? x : qni_node_add(g, &qni_op_tile, &t, &x, 1, NULL);
}

qn_val qn_graph_tile(qn_graph *g, qn_val x, const int64_t *times, int n)
{
    const struct qni_value *v = qni_value_get(g, x);

    if (!v)
        return (qn_val){ 0 };
    if (n != v->shape.rank || (n && !times))
        return qni_graph_fail(g, qni_error(QN_E_SHAPE, "tile of a value with %d axes by %d numbers", v->shape.rank, n));
    for (int a = 0; a < n; a++)
        x = along(g, x, a, times[a], false);
    return x;
}

qn_val qn_graph_repeat(qn_graph *g, qn_val x, int axis, int64_t times)
{
    return along(g, x, axis, times, true);
}
