/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/loss/loss.h"

static const char *const tests[] = { "op/pointwise_loss", "op/keras_nn", NULL };

/* ---- what both directions share; x is the predictions' input ---- */

static bool weighted(const struct qni_problem *p, int x)
{
    return x + 2 < p->inputs && !(p->absent >> (x + 2) & 1);
}

static qn_status check(const struct qni_problem *p, int x, struct qni_rows *rows)
{
    const struct qni_pointwise *t = p->attr;
    char a[160], b[160];
    qn_status st;

    if ((st = qni_rows_shape(rows, p, x, x + 2)))
        return st;
    if (p->in[x + 1].dtype != QN_F32 || !qni_shape_equal(&p->in[x].shape, &p->in[x + 1].shape))
        return qni_error(QN_E_SHAPE, "%s: targets are %s %s, expected f32 %s", p->op->name,
                         qn_dtype_name(p->in[x + 1].dtype), qni_shape_text(&p->in[x + 1].shape, a, sizeof(a)),
                         qni_shape_text(&p->in[x].shape, b, sizeof(b)));
    if (t->kind < QNI_SQUARED || t->kind > QNI_BINARY_PROBABILITIES || t->reduction < QNI_MEAN || t->reduction > QNI_NONE)
        return qni_error(QN_E_ARG, "%s: there is no kind %d or no reduction %d", p->op->name, (int)t->kind,
                         (int)t->reduction);
    return QN_OK;
}

static struct qni_rows plan(const struct qni_problem *p, int x, bool wide)
{
    struct qni_rows rows;

    (void)qni_rows_shape(&rows, p, x, x + 2); /* the shape rule has seen it succeed */
    qni_rows_plan(&rows, p, wide);
    return rows;
}

static void define(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l)
{
    const struct qni_pointwise *t = p->attr;

    qni_rows_define(rows, p, r, l);
    qni_define(r, l, "QN_KIND", t->kind);
}

static float factor_of(const struct qni_problem *p, const struct qni_rows *rows)
{
    const struct qni_pointwise *t = p->attr;

    return t->reduction == QNI_MEAN && rows->rows ? (float)(1 / (double)rows->rows) : 1.0f;
}

static void options(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r,
                    struct qni_launch *l, int x)
{
    const struct qni_pointwise *t = p->attr;
    const bool binary = t->kind == QNI_BINARY_LOGITS || t->kind == QNI_BINARY_PROBABILITIES;
    const float smoothing = binary ? t->smoothing : 0;

    qni_i32(r, l, rows->C);
    qni_i32(r, l, weighted(p, x));
    qni_i32(r, l, rows->every);
    qni_i32(r, l, t->reduction == QNI_NONE);
    qni_f32(r, l, factor_of(p, rows));
    qni_f32(r, l, 1 - smoothing);
    qni_f32(r, l, smoothing / 2);
    qni_f32(r, l, t->delta);
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
    const struct qni_pointwise *t = p->attr;
    struct qni_rows rows;
    qn_status st;

    if ((st = check(p, 0, &rows)))
        return st;
    p->out[0] = (struct qni_desc){ .dtype = QN_F32 };
    if (t->reduction == QNI_NONE) {
        p->out[0].shape = p->in[0].shape;
        p->out[0].shape.dim[--p->out[0].shape.rank] = 0;
    }
    return QN_OK;
}

/* An empty batch still writes its loss, 0. */
static int64_t groups_of(const struct qni_rows *rows)
{
    return QNI_MAX(rows->groups, 1);
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out, bool wide)
{
    const struct qni_rows rows = plan(p, 0, wide);

    out->scratch = (size_t)groups_of(&rows) * sizeof(float);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_pointwise *t = p->attr;
    const struct qni_rows rows = plan(p, 0, wide);
    const int64_t groups = groups_of(&rows);
    struct qni_launch *l = qni_launch_add(r, "loss/pointwise", "pointwise");

    define(&rows, p, r, l);
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    qni_in(r, l, weighted(p, 0) ? 2 : 0, QN_F32);
    qni_out(r, l, 0, QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, rows.rows);
    qni_i32(r, l, rows.rows_each);
    qni_i32(r, l, groups);
    options(&rows, p, r, l, 0);
    qni_rows_grid(&rows, r, l, groups);
    qni_work(l, (uint64_t)(rows.rows * rows.C) * 3, (uint64_t)(rows.rows * rows.C) * 8);
    if (groups == 1 || t->reduction == QNI_NONE)
        return;
    l = qni_launch_add(r, "loss/pointwise", "pointwise_end");
    define(&rows, p, r, l);
    qni_scratch(r, l, QN_F32, 0);
    qni_out(r, l, 0, QN_F32);
    qni_i32(r, l, groups);
    qni_f32(r, l, factor_of(p, &rows));
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
    qn_val in[4];

    if (qni_grad_wants(c, 1) || qni_grad_wants(c, 2))
        return qni_error(QN_E_UNSUPPORTED, "pointwise_loss has no gradient by its targets or weights");
    if (!qni_grad_wants(c, 0))
        return QN_OK;
    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_in(c, 0);
    in[2] = qni_grad_in(c, 1);
    in[3] = c->g->node[c->node].inputs > 2 ? qni_grad_in(c, 2) : (qn_val){ 0 };
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_pointwise_loss_grad, c->attr, in, 4, NULL));
    return c->g->status;
}

const struct qni_op qni_op_pointwise_loss = {
    .name = "pointwise_loss", .family = "loss", .attr_bytes = sizeof(struct qni_pointwise), .min_inputs = 2,
    .max_inputs = 3, .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};

/* ---- backward ---- */

static qn_status grad_shape(struct qni_problem *p)
{
    const struct qni_pointwise *t = p->attr;
    struct qni_rows rows;
    qn_status st;

    if ((st = check(p, 1, &rows)))
        return st;
    if (qni_elements(&p->in[0].shape) != (t->reduction == QNI_NONE ? rows.rows : 1))
        return qni_error(QN_E_SHAPE, "%s: the loss's gradient does not fit the predictions", p->op->name);
    p->out[0] = p->in[1];
    return QN_OK;
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_rows rows = plan(p, 1, wide);
    struct qni_launch *l = qni_launch_add(r, "loss/pointwise", "pointwise_grad");

    define(&rows, p, r, l);
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    qni_in(r, l, 2, QN_F32);
    qni_in(r, l, weighted(p, 1) ? 3 : 0, QN_F32);
    qni_out(r, l, 0, QN_F32);
    qni_i32(r, l, rows.rows);
    qni_i32(r, l, rows.rows_each);
    options(&rows, p, r, l, 1);
    qni_rows_grid(&rows, r, l, rows.groups);
    qni_work(l, (uint64_t)(rows.rows * rows.C) * 3, (uint64_t)(rows.rows * rows.C) * 12);
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

const struct qni_op qni_op_pointwise_loss_grad = {
    .name = "pointwise_loss_grad", .family = "loss", .attr_bytes = sizeof(struct qni_pointwise), .min_inputs = 4,
    .max_inputs = 4, .outputs = 1, .shape = grad_shape, .algos = grad_algos, .tests = tests, .dtypes = "f32",
};
