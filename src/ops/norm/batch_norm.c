/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/act.h"
#include "ops/norm/norm.h"

#define GROUP_ITEMS 128
#define ITEM_ELEMENTS 32768  /* of a CPU's work-item, at least */
#define CPU_CHUNKS 64        /* partial sums of a channel, at most */
#define GPU_CHUNKS 512
#define OWN 5                /* inputs of each of the three before the epilogue's */

static const char *const tests[] = { "op/batch_norm", "op/keras_nn", NULL };

/* ---- how channels and rows are shared out: cl/norm/channels.clh ---- */

struct plan {
    int64_t rows, C;
    int64_t vector, most;    /* QN_V, QN_B */
    int64_t lanes, slots;    /* QN_L0, QN_L1 */
    int64_t blocks;
    int64_t rows_each, chunks; /* of a reduction */
    int64_t rows_few, groups;  /* of a pass that only reads and writes */
};

static void make_plan(struct plan *out, const struct qni_problem *p, const qn_shape *x, bool wide)
{
    int64_t vectors, width;

    memset(out, 0, sizeof(*out));
    out->C = x->dim[x->rank - 1];
    out->rows = out->vector = out->most = out->lanes = out->slots = 1;
    for (int i = 0; i < x->rank - 1; i++)
        out->rows *= x->dim[i];
    if (wide) {
        while (out->lanes < 32 && out->lanes < out->C)
            out->lanes *= 2;
        out->slots = GROUP_ITEMS / out->lanes;
        out->blocks = qni_ceil_div(out->C, out->lanes);
        out->rows_each = QNI_MAX(out->slots * 16, qni_ceil_div(out->rows, GPU_CHUNKS));
        out->rows_few = out->slots * 4;
    } else {
        while (2 * out->vector <= p->caps->vector && 2 * out->vector <= out->C)
            out->vector *= 2;
        vectors = qni_ceil_div(out->C, out->vector);
        out->blocks = qni_ceil_div(vectors, 4);
        out->most = qni_ceil_div(vectors, QNI_MAX(out->blocks, 1));
        width = QNI_MAX(QNI_MIN(out->C, out->most * out->vector), 1);
        out->rows_few = qni_ceil_div(ITEM_ELEMENTS, width);
        out->rows_each = QNI_MAX(out->rows_few, qni_ceil_div(out->rows, CPU_CHUNKS));
    }
    out->chunks = qni_ceil_div(out->rows, out->rows_each);
    out->groups = qni_ceil_div(out->rows, out->rows_few);
}

static struct qni_launch *begin(const struct plan *s, const struct qni_problem *p, struct qni_recorder *r,
                                const char *kernel)
{
    struct qni_launch *l = qni_launch_add(r, "norm/batch_norm", kernel);

    qni_define(r, l, "QN_DTYPE", QN_F32);
    qni_define(r, l, "QN_V", s->vector);
    qni_define(r, l, "QN_B", s->most);
    qni_define(r, l, "QN_ACT", p->epilogue.act);
    qni_define(r, l, "QN_ACT_GRAD", p->epilogue.act_grad);
    qni_define(r, l, "QN_VARIANCE", p->op == &qni_op_batch_norm_inference);
    return l;
}

static void grid(const struct plan *s, struct qni_recorder *r, struct qni_launch *l, int64_t groups)
{
    const int64_t count[3] = { s->blocks, 1, groups }, local[3] = { s->lanes, s->slots, 1 };

    qni_grid(r, l, 3, count, local);
}

static void sizes_of_rows(const struct plan *s, struct qni_recorder *r, struct qni_launch *l, int64_t rows_each)
{
    qni_i32(r, l, s->rows);
    qni_i32(r, l, rows_each);
    qni_i32(r, l, s->C);
    qni_i32(r, l, s->blocks);
}

static bool given(const struct qni_problem *p, int input)
{
    return input < OWN && !(p->absent >> input & 1);
}

/* An operand that may be absent; the kernel then does not read what it gets instead. */
static void optional_in(struct qni_recorder *r, struct qni_launch *l, int input, bool there, int instead)
{
    qni_in(r, l, there ? input : instead, QN_F32);
}

static qn_status check_x(const struct qni_problem *p, int x)
{
    const qn_shape *s = &p->in[x].shape;
    char text[160];

    if (p->in[x].dtype != QN_F32 || s->rank < 1 || s->dim[s->rank - 1] > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s takes f32 [.., C], found %s %s", p->op->name, qn_dtype_name(p->in[x].dtype),
                         qni_shape_text(s, text, sizeof(text)));
    return QN_OK;
}

static qn_status check_channels(const struct qni_problem *p, int x, int from, int to)
{
    const int64_t C = p->in[x].shape.dim[p->in[x].shape.rank - 1];
    char text[160];

    for (int i = from; i < to; i++)
        if (given(p, i) && (p->in[i].dtype != QN_F32 || p->in[i].shape.rank != 1 || p->in[i].shape.dim[0] != C))
            return qni_error(QN_E_SHAPE, "%s: input %d is %s %s, expected f32 [%lld]", p->op->name, i,
                             qn_dtype_name(p->in[i].dtype), qni_shape_text(&p->in[i].shape, text, sizeof(text)),
                             (long long)C);
    return QN_OK;
}

static bool wide_enough(const struct qni_problem *p)
{
    return p->caps->group_items >= GROUP_ITEMS && p->caps->group_size[0] >= 32 && p->caps->group_size[1] >= GROUP_ITEMS;
}

/* ---- forward ---- */

static bool apply(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;

    return !e->bias && !e->act_grad && qni_act_pointwise(e->act);
}

static bool wide_apply(const struct qni_problem *p)
{
    return apply(p) && wide_enough(p);
}

/* Mean and 1 / standard deviation: outputs, or in scratch where nobody wants them. */
static void statistics(const struct plan *s, const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l)
{
    for (int i = 1; i < 3; i++)
        if (p->unwanted >> i & 1)
            qni_scratch(r, l, QN_F32, (i - 1) * s->C);
        else
            qni_out(r, l, i, QN_F32);
}

static void emit_apply(const struct plan *s, const struct qni_problem *p, struct qni_recorder *r, bool inference)
{
    const struct qni_batch_norm *t = p->attr;
    const bool mean = !inference || given(p, 3);
    struct qni_launch *l = begin(s, p, r, "batch_norm_apply");

    qni_in(r, l, 0, QN_F32);
    optional_in(r, l, 1, given(p, 1), 0);
    optional_in(r, l, 2, given(p, 2), 0);
    if (inference) {
        optional_in(r, l, 3, mean, 0);
        qni_in(r, l, 4, QN_F32);
    } else {
        statistics(s, p, r, l);
    }
    optional_in(r, l, p->inputs - 1, p->epilogue.residual, 0);
    qni_out(r, l, 0, QN_F32);
    sizes_of_rows(s, r, l, s->rows_few);
    qni_f32(r, l, t->epsilon);
    qni_f32(r, l, p->epilogue.alpha);
    qni_i32(r, l, given(p, 1) | given(p, 2) << 1 | mean << 2 | p->epilogue.residual << 3);
    grid(s, r, l, s->groups);
    qni_work(l, (uint64_t)(s->rows * s->C) * 3, (uint64_t)(s->rows * s->C) * 8);
}

static qn_status shape(struct qni_problem *p)
{
    qn_status st;

    if ((st = check_x(p, 0)) || (st = check_channels(p, 0, 1, OWN)))
        return st;
    if (given(p, 3) != given(p, 4))
        return qni_error(QN_E_ARG, "%s has one of the moving averages but not the other", p->op->name);
    p->out[0] = p->in[0];
    p->out[1].dtype = p->out[2].dtype = QN_F32;
    p->out[1].shape = p->out[2].shape = qni_shape(1, p->in[0].shape.dim[p->in[0].shape.rank - 1]);
    return QN_OK;
}

/* Scratch: mean, rstd, then the chunks' partial sums. */
static void sizes(const struct qni_problem *p, struct qni_sizes *out, const qn_shape *x, bool wide)
{
    struct plan s;

    make_plan(&s, p, x, wide);
    out->scratch = (size_t)((2 + 2 * s.chunks) * s.C) * sizeof(float);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_batch_norm *t = p->attr;
    struct qni_launch *l;
    struct plan s;

    make_plan(&s, p, &p->in[0].shape, wide);
    if (!s.C)
        return;
    l = begin(&s, p, r, "batch_norm_stats");
    qni_in(r, l, 0, QN_F32);
    qni_scratch(r, l, QN_F32, 2 * s.C);
    sizes_of_rows(&s, r, l, s.rows_each);
    grid(&s, r, l, s.chunks);
    qni_work(l, (uint64_t)(s.rows * s.C) * 3, (uint64_t)(s.rows * s.C) * 4);

    l = begin(&s, p, r, "batch_norm_merge");
    qni_in(r, l, 0, QN_F32);
    qni_scratch(r, l, QN_F32, 2 * s.C);
    statistics(&s, p, r, l);
    optional_in(r, l, 3, given(p, 3), 0);
    optional_in(r, l, 4, given(p, 4), 0);
    sizes_of_rows(&s, r, l, s.rows_each);
    qni_i32(r, l, s.chunks);
    qni_f32(r, l, t->epsilon);
    qni_f32(r, l, t->momentum);
    qni_f32(r, l, (float)(1 - (double)t->momentum));
    qni_i32(r, l, given(p, 3) << 2);
    grid(&s, r, l, 1);

    emit_apply(&s, p, r, false);
}

static void sizes_vector(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, &p->in[0].shape, false);
}

static void sizes_lanes(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, &p->in[0].shape, true);
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
    qn_val in[OWN], out[3];

    if (!qni_grad_dy(c, 0).id || (!qni_grad_wants(c, 0) && !qni_grad_wants(c, 1) && !qni_grad_wants(c, 2)))
        return QN_OK;
    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_in(c, 0);
    in[2] = qni_grad_in(c, 1);
    in[3] = qni_grad_out(c, 1);
    in[4] = qni_grad_out(c, 2);
    qni_node_add(c->g, &qni_op_batch_norm_grad, c->attr, in, OWN, out);
    if (c->g->status)
        return c->g->status;
    for (int i = 0; i < 3; i++)
        if (qni_grad_wants(c, i))
            qni_grad_set(c, i, out[i]);
    return c->g->status;
}

static qn_status infer(qn_graph *g, const struct qni_node *node, const qn_val *in, qn_val *out)
{
    if (!in[4].id) /* no moving averages: the batch's own, as in training */
        qni_node_add_epilogue(g, node->op, node->attr, in, node->inputs, &node->epilogue, out);
    else
        out[0] = qni_node_add_epilogue(g, &qni_op_batch_norm_inference, node->attr, in, node->inputs, &node->epilogue,
                                       NULL);
    return g->status;
}

const struct qni_op qni_op_batch_norm = {
    .name = "batch_norm", .family = "norm", .flags = QNI_OP_EPILOGUE,
    .attr_bytes = sizeof(struct qni_batch_norm), .min_inputs = OWN, .max_inputs = OWN, .outputs = 3, .updates = 1u << 3 | 1u << 4,
        .shape = shape, .grad = grad, .infer = infer,
    .algos = algos, .tests = tests, .dtypes = "f32",
};

/* ---- backward ---- */

static bool grad_apply(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;

    return !e->bias && !e->residual && !e->act && qni_act_by_result(e->act_grad, e->alpha);
}

static bool grad_wide_apply(const struct qni_problem *p)
{
    return grad_apply(p) && wide_enough(p);
}

static qn_status grad_shape(struct qni_problem *p)
{
    qn_status st;

    if ((st = check_x(p, 1)) || (st = check_channels(p, 1, 2, OWN)))
        return st;
    if (!qni_shape_equal(&p->in[0].shape, &p->in[1].shape))
        return qni_error(QN_E_SHAPE, "%s: the input and the result's gradient differ in shape", p->op->name);
    p->out[0] = p->in[1];
    p->out[1] = p->out[2] = p->in[3];
    return QN_OK;
}

/* Scratch as forward: the two sums, then the chunks'. */
static void emit_grad(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const int wanted = (int)(~p->unwanted >> 1 & 3);
    struct qni_launch *l;
    struct plan s;

    make_plan(&s, p, &p->in[1].shape, wide);
    if (!s.C)
        return;
    l = begin(&s, p, r, "batch_norm_grad_sums");
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    qni_in(r, l, 3, QN_F32);
    qni_in(r, l, 4, QN_F32);
    qni_scratch(r, l, QN_F32, 2 * s.C);
    sizes_of_rows(&s, r, l, s.rows_each);
    grid(&s, r, l, s.chunks);
    qni_work(l, (uint64_t)(s.rows * s.C) * 4, (uint64_t)(s.rows * s.C) * 8);

    l = begin(&s, p, r, "batch_norm_grad_merge");
    qni_scratch(r, l, QN_F32, 2 * s.C);
    qni_scratch(r, l, QN_F32, 0);
    for (int i = 1; i < 3; i++)
        if (wanted & i)
            qni_out(r, l, i, QN_F32);
        else
            qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, s.C);
    qni_i32(r, l, s.blocks);
    qni_i32(r, l, s.chunks);
    qni_i32(r, l, wanted);
    grid(&s, r, l, 1);

    if (p->unwanted & 1)
        return;
    l = begin(&s, p, r, "batch_norm_grad_apply");
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    optional_in(r, l, 2, given(p, 2), 3);
    qni_in(r, l, 3, QN_F32);
    qni_in(r, l, 4, QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_in(r, l, p->epilogue.act_grad ? p->inputs - 1 : 1, QN_F32);
    qni_out(r, l, 0, QN_F32);
    sizes_of_rows(&s, r, l, s.rows_few);
    qni_f32(r, l, s.rows ? (float)(1 / (double)s.rows) : 0);
    qni_f32(r, l, p->epilogue.alpha);
    qni_i32(r, l, given(p, 2));
    grid(&s, r, l, s.groups);
    qni_work(l, (uint64_t)(s.rows * s.C) * 6, (uint64_t)(s.rows * s.C) * 12);
}

static void grad_sizes_vector(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, &p->in[1].shape, false);
}

static void grad_sizes_lanes(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, out, &p->in[1].shape, true);
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

const struct qni_op qni_op_batch_norm_grad = {
    .name = "batch_norm_grad", .family = "norm", .flags = QNI_OP_EPILOGUE,
    .attr_bytes = sizeof(struct qni_batch_norm), .min_inputs = OWN, .max_inputs = OWN, .outputs = 3, .shape = grad_shape,
        .algos = grad_algos, .tests = tests, .dtypes = "f32",
};

/* ---- inference ---- */

static qn_status inference_shape(struct qni_problem *p)
{
    qn_status st;

    if ((st = check_x(p, 0)) || (st = check_channels(p, 0, 1, OWN)))
        return st;
    if (!given(p, 4))
        return qni_error(QN_E_ARG, "%s has no variance", p->op->name);
    p->out[0] = p->in[0];
    return QN_OK;
}

static void emit_inference_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    struct plan s;

    make_plan(&s, p, &p->in[0].shape, false);
    if (s.C)
        emit_apply(&s, p, r, true);
}

static void emit_inference_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    struct plan s;

    make_plan(&s, p, &p->in[0].shape, true);
    if (s.C)
        emit_apply(&s, p, r, true);
}

static const struct qni_algo inference_lanes = {
    .name = "lanes", .applies = wide_apply, .emit = emit_inference_lanes, .gpu = true
};
static const struct qni_algo inference_vector = {
    .name = "vector", .applies = apply, .emit = emit_inference_vector, .cpu = true
};
static const struct qni_algo *const inference_algos[] = { &inference_lanes, &inference_vector, NULL };

/* Gamma's and beta's: as in training, with the statistics given. */
static void inference_grad_scale(struct qni_grad *c)
{
    const struct qni_batch_norm *t = c->attr;
    qn_val in[OWN], out[3];

    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_in(c, 0);
    in[2] = qni_grad_in(c, 1);
    in[3] = qni_grad_in(c, 3);
    in[4] = qn_graph_rsqrt(c->g, qn_graph_affine(c->g, qni_grad_in(c, 4), 1, t->epsilon));
    if (!in[3].id)
        in[3] = qn_graph_fill_like(c->g, in[4], QN_F32, 0);
    qni_node_add(c->g, &qni_op_batch_norm_grad, t, in, OWN, out);
    for (int i = 1; i < 3; i++)
        if (qni_grad_wants(c, i))
            qni_grad_set(c, i, out[i]);
}

/* Statistics that are held fixed: the gradient by x is scaled as x was. */
static qn_status inference_grad(struct qni_grad *c)
{
    qn_val in[OWN] = { { 0 } };

    if (qni_grad_wants(c, 3) || qni_grad_wants(c, 4))
        return qni_error(QN_E_UNSUPPORTED, "batch_norm_inference has no gradient by its statistics");
    if (qni_grad_wants(c, 1) || qni_grad_wants(c, 2))
        inference_grad_scale(c);
    if (!qni_grad_wants(c, 0))
        return c->g->status;
    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_in(c, 1);
    in[4] = qni_grad_in(c, 4);
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_batch_norm_inference, c->attr, in, OWN, NULL));
    return c->g->status;
}

const struct qni_op qni_op_batch_norm_inference = {
    .name = "batch_norm_inference", .family = "norm", .flags = QNI_OP_EPILOGUE,
    .attr_bytes = sizeof(struct qni_batch_norm), .min_inputs = OWN, .max_inputs = OWN, .outputs = 1, .shape = inference_shape,
        .grad = inference_grad, .algos = inference_algos,
    .tests = tests, .dtypes = "f32",
};
