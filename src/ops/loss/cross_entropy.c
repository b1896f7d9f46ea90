/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "graph/graph.h"
#include "ops/loss/loss.h"

static const char *const tests[] = { "op/cross_entropy", "op/keras_nn", NULL };

/* ---- what both directions share ---- */

int64_t qni_wanted(const struct qni_problem *p)
{
    return (int64_t)(~p->unwanted & ((1u << p->outputs) - 1));
}

static qn_status check_targets(const struct qni_problem *p, int x)
{
    const struct qni_cross_entropy *t = p->attr;
    const qn_shape *s = &p->in[x].shape, *y = &p->in[x + 1].shape;
    const qn_dtype dtype = p->in[x + 1].dtype;
    const int leading = s->rank - 1;
    char a[160], b[160];
    bool fits;

    if (t->dense ? dtype != QN_F32 : dtype != QN_I32 && dtype != QN_I64 && dtype != QN_U8)
        return qni_error(QN_E_ARG, "%s takes %s, found %s", p->op->name,
                         t->dense ? "f32 distributions" : "i32, i64 or u8 classes", qn_dtype_name(dtype));
    fits = t->dense ? y->rank == s->rank : y->rank == leading || (y->rank == s->rank && y->dim[leading] == 1);
    for (int i = 0; fits && i < leading + t->dense; i++)
        fits = y->dim[i] == s->dim[i];
    if (!fits)
        return qni_error(QN_E_SHAPE, "%s: targets %s do not fit predictions %s", p->op->name,
                         qni_shape_text(y, a, sizeof(a)), qni_shape_text(s, b, sizeof(b)));
    if (t->reduction < QNI_MEAN || t->reduction > QNI_NONE)
        return qni_error(QN_E_ARG, "%s: there is no reduction %d", p->op->name, (int)t->reduction);
    if ((!t->dense && t->smoothing != 0) || (t->dense && t->ignore))
        return qni_error(QN_E_ARG, "%s: %s", p->op->name, t->dense ? "distributions have no class to ignore" :
                         "label smoothing needs distributions as targets");
    return QN_OK;
}

static qn_shape row_shape(const qn_shape *x)
{
    qn_shape s = *x;

    s.rank--;
    s.dim[s.rank] = 0;
    return s;
}

static void define(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l,
                   int x)
{
    const struct qni_cross_entropy *t = p->attr;
    const qn_dtype dtype = p->in[x + 1].dtype;

    qni_rows_define(rows, p, r, l);
    qni_define(r, l, "QN_MODE", t->probabilities * 2 + t->dense);
    qni_define_text(r, l, "QN_LABEL", dtype == QN_I64 ? "long" : dtype == QN_U8 ? "uchar" : "int");
}

static bool weighted(const struct qni_problem *p, int x)
{
    return x + 2 < p->inputs && !(p->absent >> (x + 2) & 1);
}

static void operands(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l, int x)
{
    qni_in(r, l, x, QN_F32);
    qni_in(r, l, x + 1, p->in[x + 1].dtype);
    qni_in(r, l, weighted(p, x) ? x + 2 : x, QN_F32);
}

static void options(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r,
                    struct qni_launch *l, int x)
{
    const struct qni_cross_entropy *t = p->attr;

    qni_i32(r, l, weighted(p, x));
    qni_i32(r, l, rows->every);
    qni_i32(r, l, t->ignore != 0);
    qni_i32(r, l, t->ignore_class);
    qni_f32(r, l, t->smoothing);
    qni_i32(r, l, t->reduction);
}

static bool apply(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool wide_apply(const struct qni_problem *p)
{
    return apply(p) && qni_rows_wide_apply(p);
}

/* ---- forward ---- */

static qn_status shape(struct qni_problem *p)
{
    const struct qni_cross_entropy *t = p->attr;
    struct qni_rows rows;
    qn_status st;

    if ((st = qni_rows_shape(&rows, p, 0, 2)) || (st = check_targets(p, 0)))
        return st;
    for (int i = 0; i < 3; i++)
        p->out[i] = (struct qni_desc){ .dtype = QN_F32 };
    if (t->reduction == QNI_NONE)
        p->out[0].shape = row_shape(&p->in[0].shape);
    p->out[1].shape = p->in[0].shape;
    p->out[1].shape.dim[p->in[0].shape.rank - 1] = 2;
    return QN_OK;
}

static struct qni_rows plan(const struct qni_problem *p, int x, bool wide)
{
    struct qni_rows rows;

    (void)qni_rows_shape(&rows, p, x, x + 2); /* the shape rule has seen it succeed */
    qni_rows_plan(&rows, p, wide);
    return rows;
}

/* An empty batch still writes its loss: 0 for a sum or a mean. */
static int64_t at_least_one(int64_t groups)
{
    return QNI_MAX(groups, 1);
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out, bool wide)
{
    const struct qni_rows rows = plan(p, 0, wide);

    out->scratch = (size_t)at_least_one(rows.groups) * 2 * sizeof(float);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_cross_entropy *t = p->attr;
    const struct qni_rows rows = plan(p, 0, wide);
    const int64_t groups = at_least_one(rows.groups);
    struct qni_launch *l = qni_launch_add(r, "loss/cross_entropy", "cross_entropy");

    define(&rows, p, r, l, 0);
    operands(p, r, l, 0);
    qni_out(r, l, 0, QN_F32);
    qni_out(r, l, 1, QN_F32);
    qni_out(r, l, 2, QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, rows.rows);
    qni_i32(r, l, rows.rows_each);
    qni_i32(r, l, groups);
    qni_i32(r, l, rows.C);
    options(&rows, p, r, l, 0);
    qni_i32(r, l, qni_wanted(p));
    qni_rows_grid(&rows, r, l, groups);
    qni_work(l, (uint64_t)(rows.rows * rows.C) * 4, (uint64_t)(rows.rows * rows.C) * 4);
    if (groups == 1)
        return;
    l = qni_launch_add(r, "loss/cross_entropy", "cross_entropy_end");
    define(&rows, p, r, l, 0);
    qni_scratch(r, l, QN_F32, 0);
    qni_out(r, l, 0, QN_F32);
    qni_out(r, l, 2, QN_F32);
    qni_i32(r, l, groups);
    qni_i32(r, l, t->reduction);
    qni_i32(r, l, qni_wanted(p));
    qni_rows_grid(&rows, r, l, 1);
}

static void sizes_vector(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, false);
}

static void sizes_lanes(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, true);
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, false);
}

static void emit_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, true);
}

static const struct qni_algo lanes = {
    .name = "lanes", .applies = wide_apply, .sizes = sizes_lanes, .emit = emit_lanes, .gpu = true
};
static const struct qni_algo vector = {
    .name = "vector", .applies = apply, .sizes = sizes_vector, .emit = emit_vector, .cpu = true
};
static const struct qni_algo *const algos[] = { &lanes, &vector, NULL };

static qn_status grad(struct qni_grad *c)
{
    qn_val in[6];

    if (qni_grad_wants(c, 1) || qni_grad_wants(c, 2))
        return qni_error(QN_E_UNSUPPORTED, "cross_entropy has no gradient by its targets or weights");
    if (!qni_grad_wants(c, 0) || !qni_grad_dy(c, 0).id)
        return QN_OK;
    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_in(c, 0);
    in[2] = qni_grad_in(c, 1);
    in[3] = c->g->node[c->node].inputs > 2 ? qni_grad_in(c, 2) : (qn_val){ 0 };
    in[4] = qni_grad_out(c, 1);
    in[5] = qni_grad_out(c, 2);
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_cross_entropy_grad, c->attr, in, 6, NULL));
    return c->g->status;
}

const struct qni_op qni_op_cross_entropy = {
    .name = "cross_entropy", .family = "loss", .attr_bytes = sizeof(struct qni_cross_entropy), .min_inputs = 2,
    .max_inputs = 3, .outputs = 3, .shape = shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};

/* ---- backward ---- */

static qn_status grad_shape(struct qni_problem *p)
{
    const struct qni_cross_entropy *t = p->attr;
    struct qni_rows rows;
    qn_status st;

    if ((st = qni_rows_shape(&rows, p, 1, 3)) || (st = check_targets(p, 1)))
        return st;
    if (qni_elements(&p->in[0].shape) != (t->reduction == QNI_NONE ? rows.rows : 1) ||
        qni_elements(&p->in[4].shape) != 2 * rows.rows || qni_elements(&p->in[5].shape) != 1)
        return qni_error(QN_E_SHAPE, "%s: the loss's gradient or what was saved does not fit %" PRId64 " rows",
                         p->op->name, rows.rows);
    p->out[0] = p->in[1];
    return QN_OK;
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_rows rows = plan(p, 1, wide);
    struct qni_launch *l = qni_launch_add(r, "loss/cross_entropy", "cross_entropy_grad");

    define(&rows, p, r, l, 1);
    qni_in(r, l, 0, QN_F32);
    operands(p, r, l, 1);
    qni_in(r, l, 4, QN_F32);
    qni_in(r, l, 5, QN_F32);
    qni_out(r, l, 0, QN_F32);
    qni_i32(r, l, rows.rows);
    qni_i32(r, l, rows.rows_each);
    qni_i32(r, l, rows.C);
    options(&rows, p, r, l, 1);
    qni_rows_grid(&rows, r, l, rows.groups);
    qni_work(l, (uint64_t)(rows.rows * rows.C) * 4, (uint64_t)(rows.rows * rows.C) * 8);
}

static void emit_grad_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_grad(p, r, false);
}

static void emit_grad_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_grad(p, r, true);
}

static const struct qni_algo grad_lanes = { .name = "lanes", .applies = wide_apply, .emit = emit_grad_lanes, .gpu = true };
static const struct qni_algo grad_vector = { .name = "vector", .applies = apply, .emit = emit_grad_vector, .cpu = true };
static const struct qni_algo *const grad_algos[] = { &grad_lanes, &grad_vector, NULL };

const struct qni_op qni_op_cross_entropy_grad = {
    .name = "cross_entropy_grad", .family = "loss", .attr_bytes = sizeof(struct qni_cross_entropy), .min_inputs = 6,
    .max_inputs = 6, .outputs = 1, .shape = grad_shape, .algos = grad_algos, .tests = tests, .dtypes = "f32",
};
