/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layer normalisation over the last axes, and root-mean-square normalisation, which leaves the mean and beta out. */
#include "graph/graph.h"
#include "ops/norm/norm.h"
#include "ops/rows.h"

#define COLUMNS 32        /* a work-group's, of the gradients of gamma and beta on a GPU */
#define COLUMN_SLOTS 4
#define COLUMN_CHUNKS 128
#define MERGE_ITEMS 64

static const char *const tests[] = { "op/layer_norm", NULL };

static bool rms(const struct qni_problem *p)
{
    return p->op == &qni_op_rms_norm || p->op == &qni_op_rms_norm_grad;
}

static bool given(const struct qni_problem *p, int input)
{
    return !(p->absent >> input & 1);
}

/* Rows and columns of x: the last `axes` axes are the columns. */
static void size_of(const struct qni_problem *p, const qn_shape *x, struct qni_rows *out)
{
    const struct qni_layer_norm *t = p->attr;

    *out = (struct qni_rows){ .rows = 1, .C = 1 };
    for (int i = 0; i < x->rank; i++)
        *(i < x->rank - t->axes ? &out->rows : &out->C) *= x->dim[i];
}

static qn_status check_x(const struct qni_problem *p, int x)
{
    const struct qni_layer_norm *t = p->attr;
    const qn_shape *s = &p->in[x].shape;
    struct qni_rows n;
    char text[160];

    if (p->in[x].dtype != QN_F32 || t->axes < 1 || t->axes > s->rank)
        return qni_error(QN_E_SHAPE, "%s over %d axes takes f32 with as many, found %s %s", p->op->name, (int)t->axes,
                         qn_dtype_name(p->in[x].dtype), qni_shape_text(s, text, sizeof(text)));
    if (!(t->epsilon > 0))
        return qni_error(QN_E_ARG, "%s: epsilon is %g, expected above 0", p->op->name, (double)t->epsilon);
    size_of(p, s, &n);
    if (n.C < 1)
        return qni_error(QN_E_SHAPE, "%s over %d axes: nothing to normalise in %s", p->op->name, (int)t->axes,
                         qni_shape_text(s, text, sizeof(text)));
    if (n.rows > INT32_MAX || n.C > INT32_MAX)
        return qni_error(QN_E_UNSUPPORTED, "%s: %s has 2^31 rows or columns", p->op->name,
                         qni_shape_text(s, text, sizeof(text)));
    return QN_OK;
}

static qn_shape tail(const qn_shape *x, int axes)
{
    qn_shape s = { .rank = axes };

    for (int i = 0; i < axes; i++)
        s.dim[i] = x->dim[x->rank - axes + i];
    return s;
}

static qn_shape head(const qn_shape *x, int axes)
{
    qn_shape s = *x;

    s.rank -= axes;
    return s;
}

static qn_status check_like(const struct qni_problem *p, int input, const qn_shape *want)
{
    char a[160], b[160];

    if (given(p, input) && (p->in[input].dtype != QN_F32 || !qni_shape_equal(&p->in[input].shape, want)))
        return qni_error(QN_E_SHAPE, "%s: input %d is %s %s, expected f32 %s", p->op->name, input,
                         qn_dtype_name(p->in[input].dtype), qni_shape_text(&p->in[input].shape, a, sizeof(a)),
                         qni_shape_text(want, b, sizeof(b)));
    return QN_OK;
}

static struct qni_launch *begin(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r,
                                const char *source, const char *kernel)
{
    struct qni_launch *l = qni_launch_add(r, source, kernel);

    qni_rows_define(rows, p, r, l);
    qni_define(r, l, "QN_RMS", rms(p));
    return l;
}

/* An operand that may be absent; the kernel then does not read what it gets instead. */
static void optional_in(struct qni_recorder *r, struct qni_launch *l, int input, bool there, int instead)
{
    qni_in(r, l, there ? input : instead, QN_F32);
}

/* ---- forward ---- */

static qn_status shape(struct qni_problem *p)
{
    const struct qni_layer_norm *t = p->attr;
    const qn_shape *x = &p->in[0].shape;
    qn_shape gamma;
    qn_status st;

    if ((st = check_x(p, 0)))
        return st;
    gamma = tail(x, t->axes);
    for (int i = 1; i < p->inputs; i++)
        if ((st = check_like(p, i, &gamma)))
            return st;
    p->out[0] = p->in[0];
    p->out[1].dtype = p->out[2].dtype = QN_F32;
    p->out[1].shape = p->out[2].shape = head(x, t->axes);
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

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_layer_norm *t = p->attr;
    const int rstd = rms(p) ? 1 : 2, wanted = rms(p) ? 2 : 6;
    const bool beta = p->inputs > 2 && given(p, 2), statistics = (~p->unwanted & wanted) != 0;
    struct qni_rows rows;
    struct qni_launch *l;

    size_of(p, &p->in[0].shape, &rows);
    if (!rows.rows)
        return;
    qni_rows_plan(&rows, p, wide);
    l = begin(&rows, p, r, "norm/layer_norm", "layer_norm");
    qni_in(r, l, 0, QN_F32);
    optional_in(r, l, 1, given(p, 1), 0);
    optional_in(r, l, 2, beta, 0);
    qni_out(r, l, 0, QN_F32);
    for (int i = 1; i < 3; i++) {
        const int o = i == 1 ? 1 : rstd;

        if (p->unwanted >> o & 1)
            qni_scratch(r, l, QN_F32, (i - 1) * rows.rows);
        else
            qni_out(r, l, o, QN_F32);
    }
    qni_i32(r, l, rows.rows);
    qni_i32(r, l, rows.rows_each);
    qni_i32(r, l, rows.C);
    qni_f32(r, l, t->epsilon);
    qni_i32(r, l, given(p, 1) | beta << 1 | statistics << 2);
    qni_rows_grid(&rows, r, l, rows.groups);
    qni_work(l, (uint64_t)(rows.rows * rows.C) * 7, (uint64_t)(rows.rows * rows.C) * 8);
}

/* Statistics that nobody wants go to scratch. */
static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_rows rows;

    size_of(p, &p->in[0].shape, &rows);
    if (p->unwanted & 6)
        out->scratch = (size_t)rows.rows * 2 * sizeof(float);
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
    .name = "lanes", .applies = wide_apply, .sizes = sizes, .emit = emit_lanes, .gpu = true
};
static const struct qni_algo vector = {
    .name = "vector", .applies = apply, .sizes = sizes, .emit = emit_vector, .cpu = true
};
static const struct qni_algo *const algos[] = { &lanes, &vector, NULL };

static qn_status grad(struct qni_grad *c)
{
    const bool root = c->g->node[c->node].op == &qni_op_rms_norm;
    const int wanted = root ? 2 : 3;
    qn_val in[5], out[3];
    int n = 0;
    bool wants = false;

    for (int i = 0; i < wanted; i++)
        wants |= qni_grad_wants(c, i);
    if (!qni_grad_dy(c, 0).id || !wants)
        return QN_OK;
    in[n++] = qni_grad_dy(c, 0);
    in[n++] = qni_grad_in(c, 0);
    in[n++] = qni_grad_in(c, 1);
    if (!root)
        in[n++] = qni_grad_out(c, 1);
    in[n++] = qni_grad_out(c, root ? 1 : 2);
    qni_node_add(c->g, root ? &qni_op_rms_norm_grad : &qni_op_layer_norm_grad, c->attr, in, n, out);
    for (int i = 0; i < wanted && !c->g->status; i++)
        if (qni_grad_wants(c, i))
            qni_grad_set(c, i, out[i]);
    return c->g->status;
}

const struct qni_op qni_op_layer_norm = {
    .name = "layer_norm", .family = "norm", .attr_bytes = sizeof(struct qni_layer_norm), .min_inputs = 3,
    .max_inputs = 3, .outputs = 3, .shape = shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};
const struct qni_op qni_op_rms_norm = {
    .name = "rms_norm", .family = "norm", .attr_bytes = sizeof(struct qni_layer_norm), .min_inputs = 2,
    .max_inputs = 2, .outputs = 2, .shape = shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};

/* ---- backward ---- */

/* The input with 1 / standard deviation; the one with the mean, which rms has not, is before it. */
static int rstd_of(const struct qni_problem *p)
{
    return rms(p) ? 3 : 4;
}

static qn_status grad_shape(struct qni_problem *p)
{
    const struct qni_layer_norm *t = p->attr;
    const qn_shape *x = &p->in[1].shape;
    qn_shape gamma, rows;
    qn_status st;

    if ((st = check_x(p, 1)))
        return st;
    gamma = tail(x, t->axes);
    rows = head(x, t->axes);
    if ((st = check_like(p, 0, x)) || (st = check_like(p, 2, &gamma)))
        return st;
    for (int i = 3; i <= rstd_of(p); i++)
        if ((st = check_like(p, i, &rows)))
            return st;
    p->out[0] = p->in[1];
    p->out[1].dtype = p->out[2].dtype = QN_F32;
    p->out[1].shape = p->out[2].shape = gamma;
    return QN_OK;
}

static bool grad_apply(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;

    return !e->bias && !e->act && !e->act_grad;
}

static bool grad_wide_apply(const struct qni_problem *p)
{
    return grad_apply(p) && qni_rows_wide_apply(p) && p->caps->group_size[1] >= COLUMN_SLOTS;
}

/* Which gradients of gamma and beta are wanted: bits 0 and 1. */
static int wanted_sums(const struct qni_problem *p)
{
    return (int)(~p->unwanted >> 1) & (rms(p) ? 1 : 3);
}

/* How rows are shared out for them. */
static void chunks_of(const struct qni_rows *rows, bool wide, int64_t *rows_each, int64_t *chunks)
{
    *rows_each = wide ? QNI_MAX(COLUMN_SLOTS * 16, qni_ceil_div(rows->rows, COLUMN_CHUNKS)) : rows->rows_each;
    *chunks = qni_ceil_div(rows->rows, *rows_each);
}

static void grad_sizes(const struct qni_problem *p, struct qni_sizes *out, bool wide)
{
    struct qni_rows rows;
    int64_t each, chunks;

    size_of(p, &p->in[1].shape, &rows);
    qni_rows_plan(&rows, p, wide);
    chunks_of(&rows, wide, &each, &chunks);
    out->scratch = (size_t)(chunks * 2 * rows.C) * sizeof(float);
}

static void emit_columns(const struct qni_problem *p, struct qni_recorder *r, const struct qni_rows *rows)
{
    const int64_t local[3] = { COLUMNS, COLUMN_SLOTS, 1 };
    int64_t groups[3] = { qni_ceil_div(rows->C, COLUMNS), 1, 0 }, each;
    struct qni_launch *l = begin(rows, p, r, "norm/layer_norm_sums", "layer_norm_columns");

    chunks_of(rows, true, &each, &groups[2]);
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    qni_in(r, l, 3, QN_F32);
    qni_in(r, l, rstd_of(p), QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, rows->rows);
    qni_i32(r, l, each);
    qni_i32(r, l, rows->C);
    qni_grid(r, l, 3, groups, local);
    qni_work(l, (uint64_t)(rows->rows * rows->C) * 4, (uint64_t)(rows->rows * rows->C) * 8);
}

static void emit_merge(const struct qni_problem *p, struct qni_recorder *r, const struct qni_rows *rows, bool wide, int wanted)
{
    const int64_t local[3] = { wide ? MERGE_ITEMS : 1, 1, 1 };
    const int64_t groups[1] = { qni_ceil_div(rows->C, local[0] * rows->vector) };
    struct qni_launch *l = begin(rows, p, r, "norm/layer_norm_sums", "layer_norm_merge");
    int64_t each, chunks;

    chunks_of(rows, wide, &each, &chunks);
    qni_scratch(r, l, QN_F32, 0);
    for (int i = 1; i < 3; i++)
        if (wanted & i)
            qni_out(r, l, i, QN_F32);
        else
            qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, chunks);
    qni_i32(r, l, rows->C);
    qni_i32(r, l, wanted);
    qni_grid(r, l, 1, groups, local);
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const int wanted = wanted_sums(p);
    const bool dx = !(p->unwanted & 1), gamma = given(p, 2);
    struct qni_rows rows;
    struct qni_launch *l;

    size_of(p, &p->in[1].shape, &rows);
    qni_rows_plan(&rows, p, wide);
    if (rows.rows && (dx || (wanted && !wide))) {
        l = begin(&rows, p, r, "norm/layer_norm", "layer_norm_grad");
        qni_in(r, l, 0, QN_F32);
        qni_in(r, l, 1, QN_F32);
        optional_in(r, l, 2, gamma, 1);
        qni_in(r, l, 3, QN_F32);
        qni_in(r, l, rstd_of(p), QN_F32);
        qni_in(r, l, p->epilogue.residual ? p->inputs - 1 : 1, QN_F32);
        if (dx)
            qni_out(r, l, 0, QN_F32);
        else
            qni_scratch(r, l, QN_F32, 0);
        qni_scratch(r, l, QN_F32, 0);
        qni_i32(r, l, rows.rows);
        qni_i32(r, l, rows.rows_each);
        qni_i32(r, l, rows.C);
        qni_i32(r, l, gamma | dx << 2 | (wanted && !wide) << 3 | p->epilogue.residual << 4);
        qni_rows_grid(&rows, r, l, rows.groups);
        qni_work(l, (uint64_t)(rows.rows * rows.C) * 14, (uint64_t)(rows.rows * rows.C) * 12);
    }
    if (wanted && wide && rows.rows)
        emit_columns(p, r, &rows);
    if (wanted)
        emit_merge(p, r, &rows, wide, wanted);
}

static void grad_sizes_vector(const struct qni_problem *p, struct qni_sizes *out)
{
    grad_sizes(p, out, false);
}

static void grad_sizes_lanes(const struct qni_problem *p, struct qni_sizes *out)
{
    grad_sizes(p, out, true);
}

static void emit_grad_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_grad(p, r, false);
}

static void emit_grad_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_grad(p, r, true);
}

static const struct qni_algo grad_lanes = {
    .name = "lanes", .applies = grad_wide_apply, .sizes = grad_sizes_lanes, .emit = emit_grad_lanes, .gpu = true
};
static const struct qni_algo grad_vector = {
    .name = "vector", .applies = grad_apply, .sizes = grad_sizes_vector, .emit = emit_grad_vector, .cpu = true
};
static const struct qni_algo *const grad_algos[] = { &grad_lanes, &grad_vector, NULL };

const struct qni_op qni_op_layer_norm_grad = {
    .name = "layer_norm_grad", .family = "norm", .attr_bytes = sizeof(struct qni_layer_norm), .min_inputs = 5,
    .max_inputs = 5, .outputs = 3, .flags = QNI_OP_EPILOGUE, .shape = grad_shape, .algos = grad_algos, .tests = tests,
    .dtypes = "f32",
};
const struct qni_op qni_op_rms_norm_grad = {
    .name = "rms_norm_grad", .family = "norm", .attr_bytes = sizeof(struct qni_layer_norm), .min_inputs = 4,
    .max_inputs = 4, .outputs = 2, .flags = QNI_OP_EPILOGUE, .shape = grad_shape, .algos = grad_algos, .tests = tests,
    .dtypes = "f32",
};
