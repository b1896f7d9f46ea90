/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/act.h"
#include "ops/pool/pool.h"

static const char *const tests[] = { "op/maxpool", "op/keras_nn", NULL };

/* ---- forward ---- */

static bool plain(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool lanes_apply(const struct qni_problem *p)
{
    return plain(p) && qni_pool_lanes_apply(p);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool groups)
{
    struct qni_pool_launch pl;

    qni_pool_begin(&pl, p, r, "pool/maxpool", "maxpool", &p->in[0], groups, false);
    qni_in(r, pl.l, 0, p->in[0].dtype);
    qni_out(r, pl.l, 0, p->out[0].dtype);
    qni_pool_finish(&pl, p, r, groups, false);
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, false);
}

static void emit_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, true);
}

static const struct qni_algo lanes = { .name = "lanes", .applies = lanes_apply, .emit = emit_lanes, .gpu = true };
static const struct qni_algo vector = { .name = "vector", .applies = plain, .emit = emit_vector, .cpu = true };
static const struct qni_algo *const algos[] = { &lanes, &vector, NULL };

static qn_status grad(struct qni_grad *c)
{
    qn_val in[3];

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_in(c, 0);
    in[2] = qni_grad_out(c, 0);
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_maxpool_grad, c->attr, in, 3, NULL));
    return c->g->status;
}

const struct qni_op qni_op_maxpool = {
    .name = "maxpool", .family = "pool", .attr_bytes = sizeof(struct qni_pool), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .shape = qni_pool_shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};

/* ---- backward ---- */

static bool overlap(const struct qni_problem *p)
{
    struct qni_pool_geometry g;

    return !qni_pool_geometry(&g, p, &p->in[1]) && g.overlap;
}

static bool grad_epilogue(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;

    return !e->bias && !e->residual && !e->act && qni_act_by_result(e->act_grad, e->alpha);
}

static bool apart_apply(const struct qni_problem *p)
{
    return grad_epilogue(p) && !overlap(p);
}

static bool apart_lanes_apply(const struct qni_problem *p)
{
    return apart_apply(p) && qni_pool_lanes_apply(p);
}

static bool overlap_apply(const struct qni_problem *p)
{
    return grad_epilogue(p);
}

static bool overlap_lanes_apply(const struct qni_problem *p)
{
    return overlap_apply(p) && qni_pool_lanes_apply(p);
}

/* Without act_grad the kernel does not read aux; it is given the image. */
static int aux(const struct qni_problem *p)
{
    return p->epilogue.act_grad ? p->inputs - 1 : 1;
}

static void emit_apart(const struct qni_problem *p, struct qni_recorder *r, bool groups)
{
    struct qni_pool_launch pl;

    qni_pool_begin(&pl, p, r, "pool/maxpool", "maxpool_grad", &p->in[1], groups, false);
    qni_in(r, pl.l, 0, p->in[0].dtype);
    qni_in(r, pl.l, 1, p->in[1].dtype);
    qni_in(r, pl.l, 2, p->in[2].dtype);
    qni_in(r, pl.l, aux(p), p->in[1].dtype);
    qni_out(r, pl.l, 0, p->out[0].dtype);
    qni_pool_finish(&pl, p, r, groups, false);
    qni_f32(r, pl.l, p->epilogue.alpha);
}

static bool wide(const struct qni_problem *p)
{
    const struct qni_pool *t = p->attr;

    return t->global || (int64_t)t->size[0] * t->size[1] > 256;
}

static void overlap_sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    out->scratch = (size_t)qni_elements(&p->in[0].shape) * (wide(p) ? 4 : 1);
}

static void emit_overlap(const struct qni_problem *p, struct qni_recorder *r, bool groups)
{
    const qn_dtype which = wide(p) ? QN_I32 : QN_U8;
    struct qni_pool_launch pl;

    qni_pool_begin(&pl, p, r, "pool/maxpool_overlap", "maxpool_which", &p->in[1], groups, false);
    qni_define(r, pl.l, "QN_WIDE", wide(p));
    qni_in(r, pl.l, 1, p->in[1].dtype);
    qni_scratch(r, pl.l, which, 0);
    qni_pool_finish(&pl, p, r, groups, false);

    qni_pool_begin(&pl, p, r, "pool/maxpool_overlap", "maxpool_gather", &p->in[1], groups, true);
    qni_define(r, pl.l, "QN_WIDE", wide(p));
    qni_in(r, pl.l, 0, p->in[0].dtype);
    qni_scratch(r, pl.l, which, 0);
    qni_in(r, pl.l, aux(p), p->in[1].dtype);
    qni_out(r, pl.l, 0, p->out[0].dtype);
    qni_pool_finish(&pl, p, r, groups, true);
    qni_f32(r, pl.l, p->epilogue.alpha);
}

static void emit_apart_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_apart(p, r, false);
}

static void emit_apart_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_apart(p, r, true);
}

static void emit_overlap_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_overlap(p, r, false);
}

static void emit_overlap_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_overlap(p, r, true);
}

static const struct qni_algo grad_apart_lanes = {
    .name = "lanes", .applies = apart_lanes_apply, .emit = emit_apart_lanes, .gpu = true
};
static const struct qni_algo grad_apart_vector = {
    .name = "vector", .applies = apart_apply, .emit = emit_apart_vector, .cpu = true
};
static const struct qni_algo grad_overlap_lanes = {
    .name = "gather_lanes", .applies = overlap_lanes_apply, .sizes = overlap_sizes, .emit = emit_overlap_lanes, .gpu = true
};
static const struct qni_algo grad_overlap_vector = {
    .name = "gather", .applies = overlap_apply, .sizes = overlap_sizes, .emit = emit_overlap_vector, .cpu = true
};
static const struct qni_algo *const grad_algos[] = {
    &grad_apart_lanes,   /* windows that do not overlap */
    &grad_apart_vector,
    &grad_overlap_lanes, /* any windows */
    &grad_overlap_vector,
    NULL
};

static qn_status grad_shape(struct qni_problem *p)
{
    if (!qni_shape_equal(&p->in[0].shape, &p->in[2].shape))
        return qni_error(QN_E_SHAPE, "%s: the result and its gradient differ in shape", p->op->name);
    return qni_pool_grad_shape(p);
}

const struct qni_op qni_op_maxpool_grad = {
    .flags = QNI_OP_EPILOGUE,
    .name = "maxpool_grad", .family = "pool", .attr_bytes = sizeof(struct qni_pool), .min_inputs = 3, .max_inputs = 3,
    .outputs = 1, .shape = grad_shape, .algos = grad_algos, .tests = tests, .dtypes = "f32",
};
