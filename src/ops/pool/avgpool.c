/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/act.h"
#include "ops/pool/pool.h"

static const char *const tests[] = { "op/avgpool", "op/keras_nn", NULL };

static bool plain(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool lanes_apply(const struct qni_problem *p)
{
    return plain(p) && qni_pool_lanes_apply(p);
}

static void define_count(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l)
{
    const struct qni_pool *t = p->attr;

    qni_define(r, l, "QN_COUNT_PAD", t->count_include_pad && !t->global);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool groups)
{
    struct qni_pool_launch pl;

    qni_pool_begin(&pl, p, r, "pool/avgpool", "avgpool", &p->in[0], groups, false);
    define_count(p, r, pl.l);
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
    qn_val in[2];

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    in[0] = qni_grad_dy(c, 0);
    in[1] = qni_grad_in(c, 0);
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_avgpool_grad, c->attr, in, 2, NULL));
    return c->g->status;
}

const struct qni_op qni_op_avgpool = {
    .name = "avgpool", .family = "pool", .attr_bytes = sizeof(struct qni_pool), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .shape = qni_pool_shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};

/* ---- backward ---- */

static bool grad_apply(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;

    return !e->bias && !e->residual && !e->act && qni_act_by_result(e->act_grad, e->alpha);
}

static bool grad_lanes_apply(const struct qni_problem *p)
{
    return grad_apply(p) && qni_pool_lanes_apply(p);
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r, bool groups)
{
    struct qni_pool_launch pl;

    qni_pool_begin(&pl, p, r, "pool/avgpool", "avgpool_grad", &p->in[1], groups, true);
    define_count(p, r, pl.l);
    qni_in(r, pl.l, 0, p->in[0].dtype);
    qni_in(r, pl.l, p->epilogue.act_grad ? p->inputs - 1 : 0, p->in[1].dtype);
    qni_out(r, pl.l, 0, p->out[0].dtype);
    qni_pool_finish(&pl, p, r, groups, true);
    qni_f32(r, pl.l, p->epilogue.alpha);
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
    .name = "lanes", .applies = grad_lanes_apply, .emit = emit_grad_lanes, .gpu = true
};
static const struct qni_algo grad_vector = {
    .name = "vector", .applies = grad_apply, .emit = emit_grad_vector, .cpu = true
};
static const struct qni_algo *const grad_algos[] = { &grad_lanes, &grad_vector, NULL };

const struct qni_op qni_op_avgpool_grad = {
    .flags = QNI_OP_EPILOGUE,
    .name = "avgpool_grad", .family = "pool", .attr_bytes = sizeof(struct qni_pool), .min_inputs = 2, .max_inputs = 2,
    .outputs = 1, .shape = qni_pool_grad_shape, .algos = grad_algos, .tests = tests, .dtypes = "f32",
};
