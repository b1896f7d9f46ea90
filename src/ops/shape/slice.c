/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Parts of a value, in steps forwards or backwards; and the other way round,
 * a part put into zeros, which is the gradient. */
#include "ops/shape/shape.h"

/* Python's rule for one axis: first element and number of elements. */
static void range(int64_t start, int64_t stop, int64_t step, int64_t size, int64_t *first, int64_t *count)
{
    int64_t least = step < 0 ? -1 : 0, most = step < 0 ? size - 1 : size;

    start = start < 0 ? (start < -size ? least : start + size) : QNI_MIN(start, most);
    if (stop == QNI_SLICE_BEGIN)
        stop = -1;
    else
        stop = stop < 0 ? (stop < -size ? least : stop + size) : QNI_MIN(stop, most);
    *first = start;
    *count = step > 0 ? (stop > start ? (stop - start - 1) / step + 1 : 0) : (start > stop ? (start - stop - 1) / -step + 1 : 0);
}

static qn_status cut(const struct qni_slice *s, const qn_shape *x, qn_shape *y, int64_t *first)
{
    char text[160];

    if (s->axes < 0 || s->axes > x->rank)
        return qni_error(QN_E_SHAPE, "slice of %d axes of %s", s->axes, qni_shape_text(x, text, sizeof(text)));
    *y = *x;
    memset(first, 0, QN_MAX_RANK * sizeof(*first));
    for (int a = 0; a < s->axes; a++) {
        if (s->step[a] == 0 || s->step[a] == INT64_MIN)
            return qni_error(QN_E_ARG, "slice: axis %d has step %lld", a, (long long)s->step[a]);
        range(s->start[a], s->stop[a], s->step[a], x->dim[a], &first[a], &y->dim[a]);
    }
    return QN_OK;
}

/* The copy between a whole and its part; in_*: the whole's. */
static void as_copy(const struct qni_slice *s, const qn_shape *whole, struct qni_copy *c)
{
    int64_t first[QN_MAX_RANK], stride[QN_MAX_RANK];
    qn_shape part;

    memset(c, 0, sizeof(*c));
    cut(s, whole, &part, first);
    qni_strides(whole, stride);
    qni_strides(&part, c->out_stride);
    c->rank = whole->rank;
    for (int a = 0; a < c->rank; a++) {
        c->dim[a] = part.dim[a];
        c->in_stride[a] = stride[a] * (a < s->axes && part.dim[a] > 1 ? s->step[a] : 1); /* one element: any step */
        c->in_at += stride[a] * first[a];
    }
}

static qn_status shape(struct qni_problem *p)
{
    int64_t first[QN_MAX_RANK];

    p->outputs = 1;
    p->out[0].dtype = p->in[0].dtype;
    return cut(p->attr, &p->in[0].shape, &p->out[0].shape, first);
}

static qn_status grad(struct qni_grad *c)
{
    const struct qni_slice *attr = c->attr;
    struct qni_unslice u = { .slice = *attr };
    qn_val x = qni_grad_in(c, 0), in[2] = { qni_grad_dy(c, 0), x };
    const struct qni_value *v = qni_value_get(c->g, x);

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    u.has_shape = qni_shape_equal(&v->shape, &v->shape2);
    u.shape = v->shape;
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_unslice, &u, in, u.has_shape ? 1 : 2, NULL));
    return QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    struct qni_copy c;

    as_copy(p->attr, &p->in[0].shape, &c);
    qni_copy_emit(p, r, 0, 0, &c, vector);
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static const struct qni_algo vector_algo = { .name = "vector", .applies = qni_shape_applies, .emit = emit_vector, .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = qni_shape_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &vector_algo, NULL };

const struct qni_op qni_op_slice = {
    .name = "slice", .family = "shape", .attr_bytes = sizeof(struct qni_slice), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = qni_shape_tests, .dtypes = QNI_SHAPE_DTYPES,
};

/* ---- a part in a whole of zeros ---- */

static qn_status unslice_shape(struct qni_problem *p)
{
    const struct qni_unslice *u = p->attr;
    int64_t first[QN_MAX_RANK];
    qn_shape part;
    char a[160], b[160];
    qn_status st;

    if (!u->has_shape && p->inputs < 2)
        return qni_error(QN_E_ARG, "a part to be put into a value of unknown shape");
    p->outputs = 1;
    p->out[0].dtype = p->in[0].dtype;
    p->out[0].shape = u->has_shape ? u->shape : p->in[1].shape;
    if ((st = cut(&u->slice, &p->out[0].shape, &part, first)))
        return st;
    if (!qni_shape_equal(&part, &p->in[0].shape))
        return qni_error(QN_E_SHAPE, "a part of shape %s, expected %s", qni_shape_text(&p->in[0].shape, a, sizeof(a)),
                         qni_shape_text(&part, b, sizeof(b)));
    return QN_OK;
}

static qn_status unslice_grad(struct qni_grad *c)
{
    const struct qni_unslice *u = c->attr;
    struct qni_slice s = u->slice;
    qn_val dy = qni_grad_dy(c, 0);

    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_slice, &s, &dy, 1, NULL));
    return QN_OK;
}

static void unslice_emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_unslice *u = p->attr;
    struct qni_copy c, back;

    as_copy(&u->slice, &p->out[0].shape, &c);
    back = c;
    memcpy(back.in_stride, c.out_stride, sizeof(c.out_stride));
    memcpy(back.out_stride, c.in_stride, sizeof(c.in_stride));
    back.in_at = c.out_at;
    back.out_at = c.in_at;
    qni_fill_emit(p, r, 0, 0, vector);
    qni_copy_emit(p, r, 0, 0, &back, vector);
}

static void unslice_vector(const struct qni_problem *p, struct qni_recorder *r) { unslice_emit(p, r, true); }
static void unslice_group(const struct qni_problem *p, struct qni_recorder *r) { unslice_emit(p, r, false); }

static const struct qni_algo unslice_vector_algo = {
    .name = "vector", .applies = qni_shape_applies, .emit = unslice_vector, .cpu = true };
static const struct qni_algo unslice_group_algo = {
    .name = "group", .applies = qni_shape_applies, .emit = unslice_group, .gpu = true };
static const struct qni_algo *const unslice_algos[] = { &unslice_group_algo, &unslice_vector_algo, NULL };

const struct qni_op qni_op_unslice = {
    .name = "unslice", .family = "shape", .attr_bytes = sizeof(struct qni_unslice), .min_inputs = 1, .max_inputs = 2,
    .outputs = 1, .shape = unslice_shape, .grad = unslice_grad, .algos = unslice_algos, .tests = qni_shape_tests,
    .dtypes = QNI_SHAPE_DTYPES,
};

/* ---- level 2 ---- */

qn_val qn_graph_slice(qn_graph *g, qn_val x, int axes, const int64_t *start, const int64_t *stop, const int64_t *step)
{
    struct qni_slice s = { .axes = axes };

    if (axes < 0 || axes > QN_MAX_RANK || (axes && (!start || !stop)))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "slice of %d axes", axes));
    for (int a = 0; a < axes; a++) {
        s.start[a] = start[a];
        s.stop[a] = stop[a];
        s.step[a] = step ? step[a] : 1;
    }
    return qni_node_add(g, &qni_op_slice, &s, &x, 1, NULL);
}

static qn_val slice_axis(qn_graph *g, qn_val x, int axis, int64_t start, int64_t stop, int64_t step)
{
    struct qni_slice s = { .axes = axis + 1 };

    for (int a = 0; a < axis; a++) {
        s.stop[a] = INT64_MAX;
        s.step[a] = 1;
    }
    s.start[axis] = start;
    s.stop[axis] = stop;
    s.step[axis] = step;
    return qni_node_add(g, &qni_op_slice, &s, &x, 1, NULL);
}

void qn_graph_split(qn_graph *g, qn_val x, int axis, const int64_t *size, int n, qn_val *out)
{
    const struct qni_value *v = qni_value_get(g, x);
    int64_t total = 0, at = 0, length;
    int a;

    for (int i = 0; i < n && out; i++)
        out[i] = (qn_val){ 0 };
    if (!v)
        return;
    if (n < 1 || !out) {
        qni_graph_fail(g, qni_error(QN_E_ARG, "split into %d parts", n));
        return;
    }
    if ((a = qni_axis(axis, v->shape.rank)) < 0) {
        qni_graph_fail(g, QN_E_SHAPE);
        return;
    }
    length = v->shape.dim[a];
    for (int i = 0; i < n; i++)
        total += size ? size[i] : length / n;
    if (length != v->shape2.dim[a] || total != length) {
        qni_graph_fail(g, qni_error(QN_E_SHAPE, "split of an axis of %lld into %d parts of %lld together",
                                    (long long)qni_value_shape(g, x).dim[a], n, (long long)total));
        return;
    }
    for (int i = 0; i < n; i++) {
        int64_t next = at + (size ? size[i] : length / n);

        out[i] = slice_axis(g, x, a, at, next, 1);
        at = next;
    }
}

qn_val qn_graph_pad_reflect(qn_graph *g, qn_val x, int axis, int64_t before, int64_t after)
{
    const struct qni_value *v = qni_value_get(g, x);
    qn_val part[3];
    int n = 0, a;

    if (!v)
        return (qn_val){ 0 };
    if ((a = qni_axis(axis, v->shape.rank)) < 0)
        return qni_graph_fail(g, QN_E_SHAPE);
    if (before < 0 || after < 0 || before >= v->shape.dim[a] || after >= v->shape.dim[a])
        return qni_graph_fail(g, qni_error(QN_E_SHAPE, "reflecting %lld and %lld elements of an axis of %lld", (long long)before,
                                           (long long)after, (long long)v->shape.dim[a]));
    if (before)
        part[n++] = slice_axis(g, x, a, before, 0, -1);
    part[n++] = x;
    if (after)
        part[n++] = slice_axis(g, x, a, -2, -2 - after, -1);
    return qn_graph_concat(g, part, n, a);
}
