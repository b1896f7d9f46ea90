/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "ops/gemm/gemm.h"

/* Work-groups that a compute unit of a GPU should get, and the least of K that is worth a part of its own. */
#define GROUPS_PER_UNIT 2
#define SPLIT_K         256

void qni_gemm_cut(struct qni_gemm_parts *out, const struct qni_gemm *g, int64_t splits, int64_t step)
{
    out->split_k = qni_round_up(qni_ceil_div(QNI_MAX(g->K, 1), QNI_MAX(splits, 1)), step);
    out->splits = qni_ceil_div(QNI_MAX(g->K, 1), out->split_k);
    if (out->splits == 1)
        out->split_k = QNI_MAX(g->K, 1);
    out->parts = out->splits * g->sums;
}

static int64_t groups_of(const struct qni_gemm_tile *t, const struct qni_gemm *g)
{
    return qni_ceil_div(g->M, t->rows) * qni_ceil_div(g->N, t->columns) * g->batch * g->sums;
}

const struct qni_gemm_tile *qni_gemm_choose(struct qni_gemm_parts *parts, const struct qni_gemm *g,
                                            const struct qni_caps *caps, const struct qni_gemm_tile *tiles, size_t n,
                                            int depth)
{
    const int64_t want = GROUPS_PER_UNIT * QNI_MAX((int64_t)caps->units, 1);
    const struct qni_gemm_tile *t = NULL;
    int64_t splits = 1;

    for (size_t i = 0; i < n; i++) {
        const struct qni_gemm_tile *s = &tiles[i];

        if ((size_t)s->items > caps->group_items || (g->M <= s->rows / 2 && g->N <= s->columns / 2 && i + 1 < n))
            continue;
        t = s;
        if (groups_of(t, g) >= want)
            break;
    }
    if (groups_of(t, g) < want)
        splits = QNI_MIN(qni_ceil_div(want, groups_of(t, g)), g->K / SPLIT_K);
    qni_gemm_cut(parts, g, splits, depth);
    return t;
}

size_t qni_gemm_scratch(const struct qni_gemm *g, const struct qni_gemm_parts *parts)
{
    return parts->parts > 1 ? (size_t)(parts->parts * g->batch * g->M * g->N) * sizeof(float) : 0;
}

int64_t qni_gemm_grid_batch(const struct qni_gemm *g, const struct qni_gemm_parts *parts)
{
    return g->batch * parts->parts;
}

void qni_gemm_define_epilogue(struct qni_recorder *r, struct qni_launch *l, const struct qni_epilogue *e)
{
    qni_define(r, l, "QN_BIAS", e->bias);
    qni_define(r, l, "QN_RESIDUAL", e->residual);
    qni_define(r, l, "QN_ACT", e->act);
    qni_define(r, l, "QN_ACT_GRAD", e->act_grad);
}

void qni_gemm_epilogue_operands(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, bool present)
{
    const struct qni_epilogue *e = &p->epilogue;
    int next = p->inputs - qni_epilogue_operands(e);

    qni_in(r, l, present && e->bias ? next++ : 0, QN_F32);
    qni_in(r, l, present && e->residual ? next++ : 0, QN_F32);
    qni_in(r, l, present && e->act_grad ? next : 0, QN_F32);
}

void qni_gemm_arguments(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                        const struct qni_gemm *g, const struct qni_gemm_parts *parts)
{
    const bool whole = parts->parts == 1;
    const int64_t size = g->M * g->N;

    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    if (whole)
        qni_out(r, l, 0, p->out[0].dtype);
    else
        qni_scratch(r, l, QN_F32, 0);
    qni_gemm_epilogue_operands(r, l, p, whole);
    qni_i32(r, l, g->M);
    qni_i32(r, l, g->N);
    qni_i32(r, l, g->K);
    qni_i64(r, l, g->lda);
    qni_i64(r, l, g->ldb);
    qni_i64(r, l, g->N);
    qni_i64(r, l, g->stride_a);
    qni_i64(r, l, g->stride_b);
    /* With sums the batches are parts too: part s of batch z is number z * splits + s. */
    qni_i64(r, l, g->sums > 1 ? size * parts->splits : size);
    qni_i32(r, l, parts->splits);
    qni_i32(r, l, parts->split_k);
    qni_i64(r, l, g->sums > 1 ? size : size * g->batch);
    qni_work(l, 2 * (uint64_t)(g->batch * g->sums) * (uint64_t)size * (uint64_t)g->K,
             sizeof(float) * (uint64_t)(g->batch * g->sums) * (uint64_t)(g->M * g->K + g->K * g->N + size));
}

void qni_gemm_tile_launch(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                          const struct qni_gemm *g, const struct qni_gemm_parts *parts, const struct qni_gemm_tile *t)
{
    const int64_t tiles = qni_ceil_div(g->M, t->rows) * qni_ceil_div(g->N, t->columns);

    qni_define(r, l, "QN_BM", t->rows);
    qni_define(r, l, "QN_BN", t->columns);
    qni_define(r, l, "QN_TM", t->part_rows);
    qni_define(r, l, "QN_TN", t->part_columns);
    qni_define(r, l, "QN_TA", g->ta);
    qni_define(r, l, "QN_TB", g->tb);
    qni_gemm_define_epilogue(r, l, parts->parts == 1 ? &p->epilogue : &(struct qni_epilogue){0});
    qni_gemm_arguments(r, l, p, g, parts);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 2, (int64_t[]){tiles, qni_gemm_grid_batch(g, parts)}, (int64_t[]){t->items, 1});
}

void qni_gemm_reduce(struct qni_recorder *r, const struct qni_problem *p, const struct qni_gemm *g,
                     const struct qni_gemm_parts *parts)
{
    const bool cpu = p->caps->shape == QNI_CPU_SHAPED;
    const int64_t lanes = cpu ? QNI_MAX(p->caps->vector, 4) : 1, local = cpu ? 1 : 64, rows = g->batch * g->M;
    const int64_t all = rows * qni_ceil_div(g->N, lanes);
    const int64_t each = cpu ? QNI_MIN(QNI_MAX(qni_ceil_div(all, 4 * (int64_t)p->caps->units), 256), INT32_MAX / 2) : 1;
    struct qni_launch *l;

    if (parts->parts == 1)
        return;
    l = qni_launch_add(r, "gemm/reduce", "reduce");
    qni_define(r, l, "QN_V", lanes);
    qni_gemm_define_epilogue(r, l, &p->epilogue);
    qni_scratch(r, l, QN_F32, 0);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_gemm_epilogue_operands(r, l, p, true);
    qni_i64(r, l, rows);
    qni_i32(r, l, g->N);
    qni_i32(r, l, parts->parts);
    qni_i32(r, l, each);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 1, &(int64_t){qni_ceil_div(qni_ceil_div(all, each), local)}, &local);
    qni_work(l, (uint64_t)(parts->parts * rows * g->N), sizeof(float) * (uint64_t)((parts->parts + 1) * rows * g->N));
}
