/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Values one after the other along an axis. Each is one strided copy. */
#include "ops/shape/shape.h"

static qn_status shape(struct qni_problem *p)
{
    const struct qni_concat *c = p->attr;
    qn_shape y = p->in[0].shape;
    char a[160], b[160];

    if (c->axis < 0 || c->axis >= y.rank)
        return qni_error(QN_E_SHAPE, "concat along axis %d of values with %d axes", c->axis, y.rank);
    for (int i = 1; i < p->inputs; i++) {
        qn_shape s = p->in[i].shape;

        if (p->in[i].dtype != p->in[0].dtype)
            return qni_error(QN_E_ARG, "concat takes values of one dtype, found %s and %s", qn_dtype_name(p->in[0].dtype),
                             qn_dtype_name(p->in[i].dtype));
        if (s.rank == y.rank)
            s.dim[c->axis] = y.dim[c->axis];
        if (!qni_shape_equal(&s, &y))
            return qni_error(QN_E_SHAPE, "concat along axis %d: %s does not go with %s", c->axis,
                             qni_shape_text(&p->in[i].shape, a, sizeof(a)),
                             qni_shape_text(&p->in[0].shape, b, sizeof(b)));
        if (y.dim[c->axis] > INT64_MAX - p->in[i].shape.dim[c->axis])
            return qni_error(QN_E_SHAPE, "concat gives an axis of more than 2^63 elements");
        y.dim[c->axis] += p->in[i].shape.dim[c->axis];
    }
    p->outputs = 1;
    p->out[0].dtype = p->in[0].dtype;
    p->out[0].shape = y;
    return QN_OK;
}

static qn_status grad(struct qni_grad *c)
{
    const struct qni_concat *attr = c->attr;
    int axis = attr->axis, inputs = c->g->node[c->node].inputs;
    struct qni_slice s = { .axes = axis + 1 };
    qn_val dy = qni_grad_dy(c, 0);

    for (int a = 0; a <= axis; a++) {
        s.step[a] = 1;
        s.stop[a] = INT64_MAX;
    }
    s.stop[axis] = 0;
    for (int i = 0; i < inputs; i++) {
        const struct qni_value *x = qni_value_get(c->g, qni_grad_in(c, i));

        if (x->shape.dim[axis] != x->shape2.dim[axis])
            return qni_error(QN_E_UNSUPPORTED, "the gradient of concat along an axis of unknown size");
        s.start[axis] = s.stop[axis];
        s.stop[axis] += x->shape.dim[axis];
        if (qni_grad_wants(c, i))
            qni_grad_set(c, i, qni_node_add(c->g, &qni_op_slice, &s, &dy, 1, NULL));
    }
    return QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_concat *c = p->attr;
    int64_t stride[QN_MAX_RANK], at = 0;

    qni_strides(&p->out[0].shape, stride);
    for (int i = 0; i < p->inputs; i++) {
        struct qni_copy k = { .rank = p->out[0].shape.rank, .out_at = at * stride[c->axis] };

        qni_strides(&p->in[i].shape, k.in_stride);
        for (int a = 0; a < k.rank; a++) {
            k.dim[a] = p->in[i].shape.dim[a];
            k.out_stride[a] = stride[a];
        }
        qni_copy_emit(p, r, i, 0, &k, vector);
        at += p->in[i].shape.dim[c->axis];
    }
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static const struct qni_algo vector_algo = { .name = "vector", .applies = qni_shape_applies, .emit = emit_vector, .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = qni_shape_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &vector_algo, NULL };

const struct qni_op qni_op_concat = {
    .name = "concat", .family = "shape", .attr_bytes = sizeof(struct qni_concat), .min_inputs = 1,
    .max_inputs = QNI_MAX_IN, .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = qni_shape_tests,
    .dtypes = QNI_SHAPE_DTYPES,
};

/* ---- level 2 ---- */

qn_val qn_graph_concat(qn_graph *g, const qn_val *x, int n, int axis)
{
    const struct qni_value *v = n > 0 ? qni_value_get(g, x[0]) : NULL;
    struct qni_concat c;
    qn_val sum;

    if (n < 1)
        return qni_graph_fail(g, qni_error(QN_E_ARG, "concat of no values"));
    if (!v)
        return (qn_val){ 0 };
    if ((c.axis = qni_axis(axis, v->shape.rank)) < 0)
        return qni_graph_fail(g, QN_E_SHAPE);
    /* More than an operation takes: the first ones first. */
    sum = qni_node_add(g, &qni_op_concat, &c, x, QNI_MIN(n, QNI_MAX_IN), NULL);
    for (int i = QNI_MAX_IN; i < n; i += QNI_MAX_IN - 1) {
        qn_val part[QNI_MAX_IN] = { sum };
        int m = QNI_MIN(n - i, QNI_MAX_IN - 1);

        memcpy(part + 1, x + i, (size_t)m * sizeof(*x));
        sum = qni_node_add(g, &qni_op_concat, &c, part, m + 1, NULL);
    }
    return sum;
}

qn_val qn_graph_stack(qn_graph *g, const qn_val *x, int n, int axis)
{
    qn_val part[64];
    const struct qni_value *v = n > 0 ? qni_value_get(g, x[0]) : NULL;
    int a;

    if (n < 1 || n > (int)QNI_COUNT(part))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "stack takes 1 to %zu values, found %d", QNI_COUNT(part), n));
    if (!v)
        return (qn_val){ 0 };
    if ((a = qni_axis(axis, v->shape.rank + 1)) < 0)
        return qni_graph_fail(g, QN_E_SHAPE);
    for (int i = 0; i < n; i++)
        part[i] = qni_insert_axes(g, x[i], 1u << a);
    return qn_graph_concat(g, part, n, a);
}
