/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "graph/graph.h"
#include "ops/attn/rotary.h"

#define ITEM_PAIRS 256
#define GROUP_ITEMS 64

static const char *const tests[] = { "op/rotary", NULL };

static bool given(const struct qni_problem *p, int i)
{
    return i < p->inputs && !(p->absent >> i & 1);
}

static int64_t rotated(const struct qni_problem *p)
{
    const struct qni_rotary *t = p->attr;

    return t->dims ? t->dims : p->in[0].shape.dim[3];
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_rotary *t = p->attr;
    const qn_shape *x = &p->in[0].shape, *s = &p->in[1].shape;
    char text[160];

    if (p->in[0].dtype != QN_F32 || x->rank != 4)
        return qni_error(QN_E_SHAPE, "%s: x is %s %s, expected f32 [batch, time, heads, size]", p->op->name,
                         qn_dtype_name(p->in[0].dtype), qni_shape_text(x, text, sizeof(text)));
    if (t->dims < 0 || rotated(p) % 2 || rotated(p) > x->dim[3] || !(t->base > 0))
        return qni_error(QN_E_ARG, "%s: %lld elements of %lld are turned, expected an even number; base %g", p->op->name,
                         (long long)rotated(p), (long long)x->dim[3], (double)t->base);
    if (x->dim[2] * x->dim[3] > INT32_MAX || x->dim[1] > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: %s has 2^31 steps, or elements of a step", p->op->name,
                         qni_shape_text(x, text, sizeof(text)));
    if (given(p, 1) && (p->in[1].dtype != QN_I32 || s->rank != 1 || (s->dim[0] != 1 && s->dim[0] != x->dim[0])))
        return qni_error(QN_E_SHAPE, "%s: the position is %s %s, expected i32, one or one for each sample", p->op->name,
                         qn_dtype_name(p->in[1].dtype), qni_shape_text(s, text, sizeof(text)));
    p->out[0] = p->in[0];
    return QN_OK;
}

static bool applies(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool group_applies(const struct qni_problem *p)
{
    return applies(p) && p->caps->group_items >= GROUP_ITEMS;
}

static void emit_with(const struct qni_problem *p, struct qni_recorder *r, int64_t local, int64_t each)
{
    const struct qni_rotary *t = p->attr;
    const qn_shape *x = &p->in[0].shape;
    const int64_t R = rotated(p), work = x->dim[0] * x->dim[1] * (x->dim[3] - R / 2);
    struct qni_launch *l;

    if (!qni_elements(x))
        return;
    l = qni_launch_add(r, "attn/rotary", "rotary");
    qni_define(r, l, "QN_INTERLEAVED", t->interleaved != 0);
    qni_define(r, l, "QN_POSITION", !given(p, 1) ? 0 : p->in[1].shape.dim[0] == 1 ? 1 : 2);
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, given(p, 1) ? 1 : 0, QN_I32);
    qni_out(r, l, 0, QN_F32);
    qni_i32(r, l, x->dim[1]);
    qni_i32(r, l, x->dim[2]);
    qni_i32(r, l, x->dim[3]);
    qni_i32(r, l, R);
    qni_f32(r, l, (float)(-2 * log2((double)t->base) / (double)QNI_MAX(R, 1)));
    qni_f32(r, l, t->inverse ? -1.0f : 1.0f);
    qni_i64(r, l, work);
    qni_i32(r, l, each);
    qni_grid(r, l, 1, (int64_t[]){ qni_ceil_div(work, local * each) }, (int64_t[]){ local });
    qni_work(l, 6 * (uint64_t)qni_elements(x) / 2, 8 * (uint64_t)qni_elements(x));
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_with(p, r, 1, ITEM_PAIRS);
}

static void emit_group(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_with(p, r, GROUP_ITEMS, 1);
}

static const struct qni_algo group = { .name = "group", .applies = group_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo rows = { .name = "rows", .applies = applies, .emit = emit, .cpu = true };
static const struct qni_algo *const algos[] = {
    &group,
    &rows, /* always applies; keep it last */
    NULL
};

static qn_status grad(struct qni_grad *c)
{
    struct qni_rotary t = *(const struct qni_rotary *)c->attr;
    const qn_val in[2] = { qni_grad_dy(c, 0), qni_grad_in(c, 1) };

    t.inverse = !t.inverse;
    qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_rotary, &t, in, 2, NULL));
    return c->g->status;
}

const struct qni_op qni_op_rotary = {
    .name = "rotary", .family = "rotary", .attr_bytes = sizeof(struct qni_rotary), .min_inputs = 2, .max_inputs = 2,
    .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32",
};
