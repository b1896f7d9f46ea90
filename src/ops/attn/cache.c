/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/attn/rotary.h"

#define GROUP_ITEMS 64

static const char *const tests[] = { "op/cache_append", NULL };

static qn_status shape(struct qni_problem *p)
{
    const qn_shape *k = &p->in[2].shape, *s = &p->in[4].shape;
    char a[160], b[160];

    for (int i = 0; i < 4; i++)
        if (p->in[i].dtype != QN_F32 || p->in[i].shape.rank != 4)
            return qni_error(QN_E_SHAPE, "%s: operand %d is %s %s, expected f32 [batch, time, heads, size]", p->op->name, i,
                             qn_dtype_name(p->in[i].dtype), qni_shape_text(&p->in[i].shape, a, sizeof(a)));
    for (int i = 0; i < 4; i++) {
        const qn_shape *x = &p->in[i].shape, *cache = &p->in[i % 2].shape;

        if (x->dim[0] != k->dim[0] || x->dim[1] != p->in[i < 2 ? 0 : 2].shape.dim[1] || x->dim[2] != cache->dim[2] ||
            x->dim[3] != cache->dim[3] || x->dim[1] > INT32_MAX / 2 || x->dim[2] * x->dim[3] > INT32_MAX)
            return qni_error(QN_E_SHAPE, "%s: %s does not fit a cache of %s", p->op->name,
                             qni_shape_text(x, a, sizeof(a)), qni_shape_text(cache, b, sizeof(b)));
    }
    if (p->in[4].dtype != QN_I32 || s->rank != 1 || (s->dim[0] != 1 && s->dim[0] != k->dim[0]))
        return qni_error(QN_E_SHAPE, "%s: the position is %s %s, expected i32, one or one for each sample", p->op->name,
                         qn_dtype_name(p->in[4].dtype), qni_shape_text(s, a, sizeof(a)));
    p->out[0] = (struct qni_desc){ QN_I32, qni_shape(1, k->dim[0]) };
    return QN_OK;
}

static bool applies(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue) && !(p->unwanted & 1);
}

static bool group_applies(const struct qni_problem *p)
{
    return applies(p) && p->caps->group_items >= GROUP_ITEMS;
}

static void emit_with(const struct qni_problem *p, struct qni_recorder *r, int64_t local)
{
    const qn_shape *k = &p->in[2].shape, *v = &p->in[3].shape;
    struct qni_launch *l = qni_launch_add(r, "attn/cache", "cache_append");

    qni_define(r, l, "QN_EACH", p->in[4].shape.dim[0] != 1);
    for (int i = 0; i < 4; i++)
        qni_in(r, l, i, QN_F32);
    qni_in(r, l, 4, QN_I32);
    qni_out(r, l, 0, QN_I32);
    qni_i32(r, l, k->dim[1]);
    qni_i32(r, l, p->in[0].shape.dim[1]);
    qni_i32(r, l, k->dim[2] * k->dim[3]);
    qni_i32(r, l, v->dim[2] * v->dim[3]);
    qni_grid(r, l, 1, (int64_t[]){ k->dim[0] * QNI_MAX(k->dim[1], 1) }, (int64_t[]){ local });
    qni_work(l, 0, 8 * (uint64_t)(qni_elements(k) + qni_elements(v)));
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_with(p, r, 1);
}

static void emit_group(const struct qni_problem *p, struct qni_recorder *r)
{
    emit_with(p, r, GROUP_ITEMS);
}

static const struct qni_algo group = { .name = "group", .applies = group_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo rows = { .name = "rows", .applies = applies, .emit = emit, .cpu = true };
static const struct qni_algo *const algos[] = {
    &group,
    &rows, /* always applies; keep it last */
    NULL
};

const struct qni_op qni_op_cache_append = {
    .name = "cache_append", .family = "cache", .min_inputs = 5, .max_inputs = 5, .outputs = 1, .updates = 3,
    .flags = QNI_OP_NO_GRADIENT, .shape = shape, .algos = algos, .tests = tests, .dtypes = "f32",
};
