/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Elements along an axis by number, and what follows from numbers: the
 * gradient, which adds up in the numbers' order, and one-hot rows. */
#include "ops/shape/shape.h"

const char *qni_index_type(qn_dtype d)
{
    return d == QN_I64 ? "long" : d == QN_U8 ? "uchar" : "int";
}

qn_status qni_index_check(const struct qni_desc *d)
{
    if (d->dtype != QN_I32 && d->dtype != QN_I64 && d->dtype != QN_U8)
        return qni_error(QN_E_ARG, "indices are i32, i64 or u8, found %s", qn_dtype_name(d->dtype));
    return QN_OK;
}

void qni_index_sizes(const qn_shape *x, const qn_shape *index, int axis, struct qni_index_sizes *s)
{
    *s = (struct qni_index_sizes){ 1, x->dim[axis], 1, qni_elements(index) };
    for (int k = 0; k < axis; k++)
        s->a *= x->dim[k];
    for (int k = axis + 1; k < x->rank; k++)
        s->b *= x->dim[k];
}

static qn_status gathered(const qn_shape *x, const struct qni_desc *index, int axis, qn_shape *y)
{
    qn_status st = qni_index_check(index);

    if (st)
        return st;
    if (axis < 0 || axis >= x->rank || x->rank - 1 + index->shape.rank > QN_MAX_RANK)
        return qni_error(QN_E_SHAPE, "gather along axis %d of a value with %d axes by indices with %d", axis, x->rank,
                         index->shape.rank);
    *y = (qn_shape){ 0 };
    for (int k = 0; k < axis; k++)
        y->dim[y->rank++] = x->dim[k];
    for (int k = 0; k < index->shape.rank; k++)
        y->dim[y->rank++] = index->shape.dim[k];
    for (int k = axis + 1; k < x->rank; k++)
        y->dim[y->rank++] = x->dim[k];
    return QN_OK;
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_gather *g = p->attr;

    p->outputs = 1;
    p->out[0].dtype = p->in[0].dtype;
    return gathered(&p->in[0].shape, &p->in[1], g->axis, &p->out[0].shape);
}

static qn_status grad(struct qni_grad *c)
{
    const struct qni_gather *attr = c->attr;
    struct qni_scatter_add s = { .axis = attr->axis };
    qn_val x = qni_grad_in(c, 0), in[3] = { qni_grad_dy(c, 0), qni_grad_in(c, 1), x };
    const struct qni_value *v = qni_value_get(c->g, x);

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    s.has_shape = qni_shape_equal(&v->shape, &v->shape2);
    s.shape = v->shape;
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_scatter_add, &s, in, s.has_shape ? 2 : 3, NULL));
    return QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_gather *g = p->attr;
    int64_t local = vector ? 1 : QNI_MIN(256, (int64_t)p->caps->group_items), groups, run;
    struct qni_launch *l;
    struct qni_index_sizes s;

    qni_index_sizes(&p->in[0].shape, &p->in[1].shape, g->axis, &s);
    if (s.a * s.i * s.b == 0)
        return;
    run = QNI_MAX(1, QNI_MAX(16384 / s.b, s.a * s.i / 64));
    groups = qni_ceil_div(s.a * s.i, run);
    if (!vector) {
        groups = QNI_MIN(qni_ceil_div(s.a * s.i * s.b, local), 1024);
        run = groups * local;
    }
    l = qni_launch_add(r, "shape/gather", "gather");
    qni_define(r, l, "QN_BYTES", (int64_t)qn_dtype_bytes(p->in[0].dtype));
    qni_define_text(r, l, "QN_I", qni_index_type(p->in[1].dtype));
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_out(r, l, 0, p->in[0].dtype);
    qni_i64(r, l, s.a);
    qni_i64(r, l, s.l);
    qni_i64(r, l, s.b);
    qni_i64(r, l, s.i);
    qni_i64(r, l, run);
    qni_grid(r, l, 1, (int64_t[]){ groups }, (int64_t[]){ local });
    qni_work(l, 0, 2 * (uint64_t)(s.a * s.i * s.b) * qn_dtype_bytes(p->in[0].dtype));
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static const struct qni_algo vector_algo = { .name = "vector", .applies = qni_shape_applies, .emit = emit_vector, .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = qni_shape_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &vector_algo, NULL };

const struct qni_op qni_op_gather = {
    .name = "gather", .family = "shape", .attr_bytes = sizeof(struct qni_gather), .min_inputs = 2, .max_inputs = 2,
    .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = qni_shape_tests, .dtypes = QNI_SHAPE_DTYPES,
};

/* ---- the gradient ---- */

static qn_status scatter_shape(struct qni_problem *p)
{
    const struct qni_scatter_add *s = p->attr;
    qn_shape y;
    char a[160], b[160];
    qn_status st;

    if (!s->has_shape && p->inputs < 3)
        return qni_error(QN_E_ARG, "values to be added into a value of unknown shape");
    p->outputs = 1;
    p->out[0].dtype = QN_F32;
    p->out[0].shape = s->has_shape ? s->shape : p->in[2].shape;
    if ((st = gathered(&p->out[0].shape, &p->in[1], s->axis, &y)))
        return st;
    if (p->in[0].dtype != QN_F32)
        return qni_error(QN_E_ARG, "scatter_add adds f32 values, found %s", qn_dtype_name(p->in[0].dtype));
    if (!qni_shape_equal(&y, &p->in[0].shape))
        return qni_error(QN_E_SHAPE, "values of shape %s, expected %s", qni_shape_text(&p->in[0].shape, a, sizeof(a)),
                         qni_shape_text(&y, b, sizeof(b)));
    return QN_OK;
}

static qn_status scatter_grad(struct qni_grad *c)
{
    const struct qni_scatter_add *s = c->attr;
    struct qni_gather g = { .axis = s->axis };

    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_gather, &g, (qn_val[]){ qni_grad_dy(c, 0), qni_grad_in(c, 1) }, 2, NULL));
    return QN_OK;
}

static void scatter_emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_scatter_add *attr = p->attr;
    int64_t local = vector ? 1 : 64, width, column_blocks, row_blocks, height;
    struct qni_launch *l;
    struct qni_index_sizes s;

    qni_index_sizes(&p->out[0].shape, &p->in[1].shape, attr->axis, &s);
    if (s.a * s.l * s.b == 0)
        return;
    width = vector ? QNI_MIN(s.b, 256) : 1;
    column_blocks = qni_ceil_div(s.b, width * local);
    row_blocks = QNI_MAX(1, QNI_MIN(s.l, (vector ? 4 * (int64_t)p->caps->units : 256) / (s.a * column_blocks)));
    height = qni_ceil_div(s.l, row_blocks);
    row_blocks = qni_ceil_div(s.l, height);
    l = qni_launch_add(r, "shape/scatter_add", "scatter_add");
    qni_define_text(r, l, "QN_I", qni_index_type(p->in[1].dtype));
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_out(r, l, 0, QN_F32);
    qni_i64(r, l, s.l);
    qni_i64(r, l, s.b);
    qni_i64(r, l, s.i);
    qni_i64(r, l, width);
    qni_i64(r, l, height);
    qni_i64(r, l, column_blocks);
    qni_i64(r, l, row_blocks);
    qni_grid(r, l, 1, (int64_t[]){ s.a * column_blocks * row_blocks }, (int64_t[]){ local });
    qni_work(l, (uint64_t)(s.a * s.i * s.b), (uint64_t)(s.a * (s.i + s.l) * s.b) * 4);
}

static void scatter_vector(const struct qni_problem *p, struct qni_recorder *r) { scatter_emit(p, r, true); }
static void scatter_group(const struct qni_problem *p, struct qni_recorder *r) { scatter_emit(p, r, false); }

static const struct qni_algo scatter_vector_algo = {
    .name = "vector", .applies = qni_shape_applies, .emit = scatter_vector, .cpu = true };
static const struct qni_algo scatter_group_algo = {
    .name = "group", .applies = qni_shape_applies, .emit = scatter_group, .gpu = true };
static const struct qni_algo *const scatter_algos[] = {
    &qni_scatter_sort_group, &qni_scatter_sort_vector, /* cost: the indices and the table */
    &scatter_group_algo, &scatter_vector_algo,         /* few indices, or few rows */
    NULL,
};

const struct qni_op qni_op_scatter_add = {
    .name = "scatter_add", .family = "shape", .attr_bytes = sizeof(struct qni_scatter_add), .min_inputs = 2,
    .max_inputs = 3, .outputs = 1, .shape = scatter_shape, .grad = scatter_grad, .algos = scatter_algos,
    .tests = qni_shape_tests, .dtypes = "f32",
};

/* ---- one-hot ---- */

static qn_status one_hot_shape(struct qni_problem *p)
{
    const struct qni_one_hot *o = p->attr;
    qn_status st = qni_index_check(&p->in[0]);

    if (st)
        return st;
    p->outputs = 1;
    p->out[0] = p->in[0];
    p->out[0].dtype = QN_F32;
    if (o->depth < 0 || p->in[0].shape.rank >= QN_MAX_RANK)
        return qni_error(QN_E_SHAPE, "one-hot rows of %lld for indices with %d axes", (long long)o->depth, p->in[0].shape.rank);
    p->out[0].shape.dim[p->out[0].shape.rank++] = o->depth;
    return QN_OK;
}

static void one_hot_emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_one_hot *o = p->attr;
    int64_t n = qni_elements(&p->out[0].shape), local = vector ? 1 : QNI_MIN(256, (int64_t)p->caps->group_items);
    int64_t run = vector ? 16384 : 1, groups = QNI_MIN(qni_ceil_div(n, run * local), 1024);
    struct qni_launch *l;

    if (!n)
        return;
    l = qni_launch_add(r, "shape/one_hot", "one_hot");
    qni_define_text(r, l, "QN_I", qni_index_type(p->in[0].dtype));
    qni_in(r, l, 0, p->in[0].dtype);
    qni_out(r, l, 0, QN_F32);
    qni_i64(r, l, n);
    qni_i64(r, l, o->depth);
    qni_i64(r, l, run);
    qni_i64(r, l, groups * local * run);
    qni_grid(r, l, 1, (int64_t[]){ groups }, (int64_t[]){ local });
    qni_work(l, 0, (uint64_t)n * 4);
}

static void one_hot_vector(const struct qni_problem *p, struct qni_recorder *r) { one_hot_emit(p, r, true); }
static void one_hot_group(const struct qni_problem *p, struct qni_recorder *r) { one_hot_emit(p, r, false); }

static const struct qni_algo one_hot_vector_algo = {
    .name = "vector", .applies = qni_shape_applies, .emit = one_hot_vector, .cpu = true };
static const struct qni_algo one_hot_group_algo = {
    .name = "group", .applies = qni_shape_applies, .emit = one_hot_group, .gpu = true };
static const struct qni_algo *const one_hot_algos[] = { &one_hot_group_algo, &one_hot_vector_algo, NULL };

const struct qni_op qni_op_one_hot = {
    .name = "one_hot", .family = "shape", .attr_bytes = sizeof(struct qni_one_hot), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .flags = QNI_OP_NO_GRADIENT, .shape = one_hot_shape, .algos = one_hot_algos,
    .tests = qni_shape_tests, .dtypes = "i32 i64 u8",
};

/* ---- level 2 ---- */

qn_val qn_graph_gather(qn_graph *g, qn_val x, qn_val index, int axis)
{
    const struct qni_value *v = qni_value_get(g, x);
    struct qni_gather a;

    if (!v)
        return (qn_val){ 0 };
    if ((a.axis = qni_axis(axis, v->shape.rank)) < 0)
        return qni_graph_fail(g, QN_E_SHAPE);
    return qni_node_add(g, &qni_op_gather, &a, (qn_val[]){ x, index }, 2, NULL);
}

qn_val qn_graph_one_hot(qn_graph *g, qn_val index, int64_t depth)
{
    struct qni_one_hot o = { .depth = depth };

    return qni_node_add(g, &qni_op_one_hot, &o, &index, 1, NULL);
}
