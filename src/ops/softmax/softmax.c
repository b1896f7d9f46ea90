/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/rows.h"
#include "ops/softmax/softmax.h"

#define GROUP_ITEMS 128
#define ITEM_ELEMENTS 8192

static const char *const tests[] = { "op/softmax", "op/keras_nn", NULL };

/* [outer, C, inner] */
struct view {
    int64_t outer, C, inner;
};

static int axis_of(const struct qni_problem *p)
{
    const struct qni_softmax *t = p->attr;

    return t->axis < 0 ? t->axis + p->in[0].shape.rank : t->axis;
}

static struct view view_of(const struct qni_problem *p)
{
    const qn_shape *s = &p->in[0].shape;
    const int axis = axis_of(p);
    struct view v = { 1, s->dim[axis], 1 };

    for (int i = 0; i < axis; i++)
        v.outer *= s->dim[i];
    for (int i = axis + 1; i < s->rank; i++)
        v.inner *= s->dim[i];
    return v;
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_softmax *t = p->attr;
    const int axis = axis_of(p);
    char a[160], b[160];

    if (p->in[0].dtype != QN_F32)
        return qni_error(QN_E_UNSUPPORTED, "%s takes f32, found %s", p->op->name, qn_dtype_name(p->in[0].dtype));
    if (axis < 0 || axis >= p->in[0].shape.rank || p->in[0].shape.dim[axis] > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: there is no axis %d in %s", p->op->name, (int)t->axis,
                         qni_shape_text(&p->in[0].shape, a, sizeof(a)));
    if (p->inputs > 1 && !qni_shape_equal(&p->in[0].shape, &p->in[1].shape))
        return qni_error(QN_E_SHAPE, "%s: the result %s and its gradient %s differ in shape", p->op->name,
                         qni_shape_text(&p->in[1].shape, a, sizeof(a)), qni_shape_text(&p->in[0].shape, b, sizeof(b)));
    p->out[0] = p->in[0];
    return QN_OK;
}

static void operands(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l)
{
    for (int i = 0; i < p->inputs; i++)
        qni_in(r, l, i, QN_F32);
    qni_out(r, l, 0, QN_F32);
}

static const char *kernel_of(const struct qni_problem *p)
{
    return p->inputs > 1 ? "softmax_grad" : "softmax";
}

static void work(const struct qni_problem *p, struct qni_launch *l)
{
    const uint64_t n = (uint64_t)qni_elements(&p->in[0].shape);

    qni_work(l, n * 6, n * 4 * (uint64_t)(p->inputs + 1));
}

/* ---- the last axis ---- */

static bool rows_apply(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue) && view_of(p).inner == 1;
}

static bool rows_lanes_apply(const struct qni_problem *p)
{
    return rows_apply(p) && qni_rows_wide_apply(p);
}

static void emit_rows(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_softmax *t = p->attr;
    const struct view v = view_of(p);
    struct qni_rows rows = { .rows = v.outer, .C = v.C };
    struct qni_launch *l;

    if (!v.C || !v.outer)
        return;
    qni_rows_plan(&rows, p, wide);
    l = qni_launch_add(r, "softmax/softmax", kernel_of(p));
    qni_rows_define(&rows, p, r, l);
    qni_define(r, l, "QN_LOG", t->log != 0);
    operands(p, r, l);
    qni_i32(r, l, rows.rows);
    qni_i32(r, l, rows.rows_each);
    qni_i32(r, l, rows.C);
    qni_rows_grid(&rows, r, l, rows.groups);
    work(p, l);
}

static void emit_rows_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_rows(p, r, false);
}

static void emit_rows_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_rows(p, r, true);
}

/* ---- any axis ---- */

static bool strided_apply(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool strided_lanes_apply(const struct qni_problem *p)
{
    return strided_apply(p) && qni_rows_wide_apply(p);
}

static void emit_strided(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_softmax *t = p->attr;
    const struct view v = view_of(p);
    const int64_t local[1] = { wide ? GROUP_ITEMS : 1 };
    int64_t width = 1, each = 1, blocks, groups[1];
    struct qni_launch *l;

    if (!v.C || !v.outer || !v.inner)
        return;
    while (!wide && 2 * width <= p->caps->vector && 2 * width <= v.inner)
        width *= 2;
    blocks = v.outer * qni_ceil_div(v.inner, width);
    if (!wide)
        each = QNI_MIN(qni_ceil_div(ITEM_ELEMENTS, v.C * width), 4096);
    groups[0] = qni_ceil_div(blocks, each * local[0]);
    l = qni_launch_add(r, "softmax/softmax_strided", kernel_of(p));
    qni_define(r, l, "QN_DTYPE", QN_F32);
    qni_define(r, l, "QN_V", width);
    qni_define(r, l, "QN_LOG", t->log != 0);
    operands(p, r, l);
    qni_i64(r, l, blocks);
    qni_i32(r, l, each);
    qni_i32(r, l, v.C);
    qni_i64(r, l, v.inner);
    qni_grid(r, l, 1, groups, local);
    work(p, l);
}

static void emit_strided_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_strided(p, r, false);
}

static void emit_strided_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_strided(p, r, true);
}

static const struct qni_algo rows_lanes = {
    .name = "lanes", .applies = rows_lanes_apply, .emit = emit_rows_lanes, .gpu = true
};
static const struct qni_algo rows_vector = {
    .name = "vector", .applies = rows_apply, .emit = emit_rows_vector, .cpu = true
};
static const struct qni_algo strided_lanes = {
    .name = "strided_lanes", .applies = strided_lanes_apply, .emit = emit_strided_lanes, .gpu = true
};
static const struct qni_algo strided_vector = {
    .name = "strided", .applies = strided_apply, .emit = emit_strided_vector, .cpu = true
};
static const struct qni_algo *const algos[] = {
    &rows_lanes,     /* the last axis */
    &rows_vector,
    &strided_lanes,  /* any axis */
    &strided_vector,
    NULL
};

static qn_status grad(struct qni_grad *c)
{
    qn_val in[2];

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_out(c, 0);
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_softmax_grad, c->attr, in, 2, NULL));
    return c->g->status;
}

const struct qni_op qni_op_softmax = {
    .name = "softmax", .family = "softmax", .attr_bytes = sizeof(struct qni_softmax), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};

const struct qni_op qni_op_softmax_grad = {
    .name = "softmax_grad", .family = "softmax", .attr_bytes = sizeof(struct qni_softmax), .min_inputs = 2,
    .max_inputs = 2, .outputs = 1, .shape = shape, .algos = algos, .tests = tests, .dtypes = "f32",
};
