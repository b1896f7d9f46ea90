/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "ops/optim/optim.h"

#define GROUP_ITEMS 128
#define PARTS 16

static const char *const tests[] = { "op/clip", NULL };

static qn_status shape(struct qni_problem *p)
{
    const struct qni_clip_norms *t = p->attr;

    if (p->in[0].dtype != QN_F32 || p->in[1].dtype != QN_I64 || p->in[1].shape.rank != 2 || p->in[1].shape.dim[1] != 2)
        return qni_error(QN_E_SHAPE, "%s takes f32 gradients and i64 bounds [segments, 2]", p->op->name);
    if (!(t->limit > 0))
        return qni_error(QN_E_ARG, "%s: the limit is not positive", p->op->name);
    return QN_OK;
}

static bool apply(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool wide_apply(const struct qni_problem *p)
{
    return p->caps->group_items >= GROUP_ITEMS && p->caps->group_size[0] >= GROUP_ITEMS && apply(p);
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    out->scratch = (size_t)p->in[1].shape.dim[0] * PARTS * sizeof(float);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_clip_norms *t = p->attr;
    const int64_t groups[2] = { PARTS, p->in[1].shape.dim[0] }, local[2] = { wide ? GROUP_ITEMS : 1, 1 };
    static const char *const kernel[2] = { "clip_sums", "clip_scale" };
    const uint64_t n = (uint64_t)qni_elements(&p->in[0].shape);

    for (int k = 0; k < 2; k++) {
        struct qni_launch *l = qni_launch_add(r, "optim/clip", kernel[k]);

        qni_define(r, l, "QN_PARTS", PARTS);
        qni_define(r, l, "QN_V", wide ? 1 : p->caps->vector);
        qni_in(r, l, 0, QN_F32);
        qni_in(r, l, 1, QN_I64);
        qni_scratch(r, l, QN_F32, 0);
        if (k == 1)
            qni_f32(r, l, t->limit);
        qni_grid(r, l, 2, groups, local);
        qni_work(l, n * 2, n * 4 * (k ? 2 : 1));
    }
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

const struct qni_op qni_op_clip_norms = {
    .name = "clip_norms", .family = "optim", .attr_bytes = sizeof(struct qni_clip_norms), .min_inputs = 2,
    .max_inputs = 2, .flags = QNI_OP_NO_GRADIENT, .updates = 1, .shape = shape, .algos = algos, .tests = tests,
    .dtypes = "f32",
};
