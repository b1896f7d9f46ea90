/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "ops/metric/metric.h"
#include "ops/rows.h"

static const char *const tests[] = { "op/metric", "op/keras_nn", NULL };

static bool given(const struct qni_problem *p, int input)
{
    return input < p->inputs && !(p->absent >> input & 1);
}

static qn_status check_state(const struct qni_problem *p)
{
    if (p->in[0].dtype != QN_F32 || qni_elements(&p->in[0].shape) != QNI_METRIC_WORDS)
        return qni_error(QN_E_SHAPE, "%s: the state is not %d f32 numbers", p->op->name, QNI_METRIC_WORDS);
    return QN_OK;
}

static bool apply(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool wide_apply(const struct qni_problem *p)
{
    return apply(p) && qni_rows_wide_apply(p);
}

static struct qni_rows plan(const struct qni_problem *p, bool wide)
{
    struct qni_rows rows;

    (void)qni_rows_shape(&rows, p, 1, 3); /* the shape rule has seen it succeed */
    qni_rows_plan(&rows, p, wide);
    rows.vector = 1;
    return rows;
}

static void define(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l,
                   int kind, int dense, qn_dtype label)
{
    qni_rows_define(rows, p, r, l);
    qni_define(r, l, "QN_KIND", kind);
    qni_define(r, l, "QN_DENSE", dense);
    qni_define_text(r, l, "QN_LABEL", label == QN_I64 ? "long" : label == QN_U8 ? "uchar" : "int");
}

/* Rows of one sample share its weight: 1 / their number. */
static float share(const struct qni_problem *p, const struct qni_rows *rows)
{
    const qn_shape *s = &p->in[1].shape;
    const int64_t samples = s->rank > 1 ? s->dim[0] : 1;

    return samples && rows->rows ? (float)((double)samples / (double)rows->rows) : 0.0f;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out, bool wide)
{
    const struct qni_rows rows = plan(p, wide);

    out->scratch = rows.groups > 1 ? (size_t)rows.groups * 2 * sizeof(float) : 0;
}

static void sizes_vector(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, false);
}

static void sizes_lanes(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, true);
}

/* The launch that measures rows, and the one that adds up groups. The two kinds differ in one argument at the end. */
static void emit(const struct qni_problem *p, struct qni_recorder *r, bool wide, const char *kernel, int kind, int dense,
                 qn_dtype target, int top, float delta)
{
    const struct qni_rows rows = plan(p, wide);
    struct qni_launch *l = qni_launch_add(r, "metric/metric", kernel);

    define(&rows, p, r, l, kind, dense, target);
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    qni_in(r, l, 2, target);
    qni_in(r, l, given(p, 3) ? 3 : 1, QN_F32);
    if (rows.groups > 1)
        qni_scratch(r, l, QN_F32, 0);
    else
        qni_in(r, l, 0, QN_F32);
    qni_i32(r, l, rows.rows);
    qni_i32(r, l, rows.rows_each);
    qni_i32(r, l, rows.groups);
    qni_i32(r, l, rows.C);
    qni_i32(r, l, given(p, 3));
    qni_i32(r, l, rows.every);
    qni_f32(r, l, share(p, &rows));
    if (p->op == &qni_op_metric_class)
        qni_i32(r, l, top);
    else
        qni_f32(r, l, delta);
    qni_rows_grid(&rows, r, l, rows.groups);
    qni_work(l, 0, (uint64_t)(rows.rows * rows.C) * 4);
    if (rows.groups <= 1)
        return;
    l = qni_launch_add(r, "metric/metric", "metric_end");
    define(&rows, p, r, l, kind, dense, target);
    qni_in(r, l, 0, QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, rows.groups);
    qni_f32(r, l, share(p, &rows));
    qni_rows_grid(&rows, r, l, 1);
}

/* ---- classes ---- */

static qn_status class_shape(struct qni_problem *p)
{
    const struct qni_metric_class *t = p->attr;
    const qn_dtype dtype = p->in[2].dtype;
    struct qni_rows rows;
    char a[160], b[160];
    qn_status st;

    if ((st = check_state(p)) || (st = qni_rows_shape(&rows, p, 1, 3)))
        return st;
    if (t->dense ? dtype != QN_F32 : dtype != QN_I32 && dtype != QN_I64 && dtype != QN_U8)
        return qni_error(QN_E_ARG, "%s takes %s, found %s", p->op->name,
                         t->dense ? "f32 distributions" : "i32, i64 or u8 classes", qn_dtype_name(dtype));
    if (qni_elements(&p->in[2].shape) != (t->dense ? rows.rows * rows.C : rows.rows))
        return qni_error(QN_E_SHAPE, "%s: targets %s do not fit predictions %s", p->op->name,
                         qni_shape_text(&p->in[2].shape, a, sizeof(a)), qni_shape_text(&p->in[1].shape, b, sizeof(b)));
    return QN_OK;
}

static void class_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    const struct qni_metric_class *t = p->attr;

    emit(p, r, false, "metric_class", 0, t->dense != 0, p->in[2].dtype, t->top, 0);
}

static void class_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    const struct qni_metric_class *t = p->attr;

    emit(p, r, true, "metric_class", 0, t->dense != 0, p->in[2].dtype, t->top, 0);
}

static const struct qni_algo lanes_of_classes = {
    .name = "lanes", .applies = wide_apply, .sizes = sizes_lanes, .emit = class_lanes, .gpu = true
};
static const struct qni_algo vector_of_classes = {
    .name = "vector", .applies = apply, .sizes = sizes_vector, .emit = class_vector, .cpu = true
};
static const struct qni_algo *const class_algos[] = { &lanes_of_classes, &vector_of_classes, NULL };

const struct qni_op qni_op_metric_class = {
    .name = "metric_class", .family = "metric", .attr_bytes = sizeof(struct qni_metric_class), .min_inputs = 3,
    .max_inputs = 4, .flags = QNI_OP_NO_GRADIENT, .updates = 1, .shape = class_shape, .algos = class_algos,
    .tests = tests, .dtypes = "f32",
};

/* ---- point by point ---- */

static qn_status pointwise_shape(struct qni_problem *p)
{
    const struct qni_metric_pointwise *t = p->attr;
    struct qni_rows rows;
    char a[160], b[160];
    qn_status st;

    if ((st = check_state(p)) || (st = qni_rows_shape(&rows, p, 1, 3)))
        return st;
    if (p->in[2].dtype != QN_F32 || !qni_shape_equal(&p->in[2].shape, &p->in[1].shape))
        return qni_error(QN_E_SHAPE, "%s: targets are %s %s, expected f32 %s", p->op->name,
                         qn_dtype_name(p->in[2].dtype), qni_shape_text(&p->in[2].shape, a, sizeof(a)),
                         qni_shape_text(&p->in[1].shape, b, sizeof(b)));
    if (t->kind < 0 || t->kind > QNI_METRIC_BINARY_ACCURACY)
        return qni_error(QN_E_ARG, "%s: there is no kind %d", p->op->name, (int)t->kind);
    return QN_OK;
}

static void pointwise_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    const struct qni_metric_pointwise *t = p->attr;

    emit(p, r, false, "metric_pointwise", t->kind, 0, QN_F32, 0, t->delta);
}

static void pointwise_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    const struct qni_metric_pointwise *t = p->attr;

    emit(p, r, true, "metric_pointwise", t->kind, 0, QN_F32, 0, t->delta);
}

static const struct qni_algo lanes_of_points = {
    .name = "lanes", .applies = wide_apply, .sizes = sizes_lanes, .emit = pointwise_lanes, .gpu = true
};
static const struct qni_algo vector_of_points = {
    .name = "vector", .applies = apply, .sizes = sizes_vector, .emit = pointwise_vector, .cpu = true
};
static const struct qni_algo *const pointwise_algos[] = { &lanes_of_points, &vector_of_points, NULL };

const struct qni_op qni_op_metric_pointwise = {
    .name = "metric_pointwise", .family = "metric", .attr_bytes = sizeof(struct qni_metric_pointwise), .min_inputs = 3,
    .max_inputs = 4, .flags = QNI_OP_NO_GRADIENT, .updates = 1, .shape = pointwise_shape, .algos = pointwise_algos,
    .tests = tests, .dtypes = "f32",
};

/* ---- means of values ---- */

static qn_status mean_shape(struct qni_problem *p)
{
    qn_status st;

    if ((st = check_state(p)))
        return st;
    if (p->in[1].dtype != QN_F32 || (given(p, 2) && (p->in[2].dtype != QN_F32 ||
                                                     !qni_shape_equal(&p->in[1].shape, &p->in[2].shape))))
        return qni_error(QN_E_SHAPE, "%s takes f32 values, and f32 weights of their shape", p->op->name);
    return QN_OK;
}

static void mean_emit(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const int64_t n = qni_elements(&p->in[1].shape);
    const qn_shape *samples = given(p, 3) ? &p->in[3].shape : NULL;
    struct qni_rows rows = { .C = 1, .lanes = 1, .items = 1, .vector = 1 };
    struct qni_launch *l = qni_launch_add(r, "metric/metric", "metric_mean");

    if (wide)
        rows.items = rows.lanes = 128;
    define(&rows, p, r, l, 0, 0, QN_I32);
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    qni_in(r, l, given(p, 2) ? 2 : 1, QN_F32);
    qni_i64(r, l, n);
    qni_i32(r, l, given(p, 2));
    qni_f32(r, l, samples && samples->rank ? (float)samples->dim[0] : 1.0f);
    qni_rows_grid(&rows, r, l, n > 0);
    qni_work(l, 0, (uint64_t)n * 4);
}

static void mean_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    mean_emit(p, r, false);
}

static void mean_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    mean_emit(p, r, true);
}

static const struct qni_algo lanes_of_values = { .name = "lanes", .applies = wide_apply, .emit = mean_lanes, .gpu = true };
static const struct qni_algo vector_of_values = { .name = "vector", .applies = apply, .emit = mean_vector, .cpu = true };
static const struct qni_algo *const mean_algos[] = { &lanes_of_values, &vector_of_values, NULL };

const struct qni_op qni_op_metric_mean = {
    .name = "metric_mean", .family = "metric", .min_inputs = 2, .max_inputs = 4, .flags = QNI_OP_NO_GRADIENT,
    .updates = 1, .shape = mean_shape, .algos = mean_algos, .tests = tests, .dtypes = "f32",
};
