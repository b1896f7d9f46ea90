/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs: one work-group a tile of C. This file chooses the tile, and cuts K where there are too few of them. */
#include "ops/gemm/gemm.h"

struct tile {
    int rows, columns; /* QN_BM, QN_BN */
    int item_rows, item_columns;
    int depth; /* QN_KT */
};

/* Largest first: the more elements a work-item has, the fewer loads a multiplication costs. */
static const struct tile tiles[] = {
    {128, 128, 8, 8, 8}, /* 256 work-items */
    {64, 64, 8, 8, 8},   /* 64 */
    {32, 32, 4, 4, 8},   /* 64 */
};

/* Work-groups that a compute unit should get, and the least of K that is worth a part of its own. */
#define GROUPS_PER_UNIT 2
#define SPLIT_K         256

static int items_of(const struct tile *t)
{
    return t->rows / t->item_rows * (t->columns / t->item_columns);
}

static int64_t groups_of(const struct tile *t, const struct qni_gemm *g)
{
    return qni_ceil_div(g->M, t->rows) * qni_ceil_div(g->N, t->columns) * g->batch * g->sums;
}

static const struct tile *choose(struct qni_gemm_parts *parts, const struct qni_gemm *g, const struct qni_caps *caps)
{
    const int64_t want = GROUPS_PER_UNIT * QNI_MAX((int64_t)caps->units, 1);
    const struct tile *t = NULL;
    int64_t splits = 1;

    for (size_t i = 0; i < QNI_COUNT(tiles); i++) {
        const struct tile *s = &tiles[i];

        if ((size_t)items_of(s) > caps->group_items ||
            (g->M <= s->rows / 2 && g->N <= s->columns / 2 && i + 1 < QNI_COUNT(tiles)))
            continue;
        t = s;
        if (groups_of(t, g) >= want)
            break;
    }
    if (groups_of(t, g) < want)
        splits = QNI_MIN(qni_ceil_div(want, groups_of(t, g)), g->K / SPLIT_K);
    qni_gemm_cut(parts, g, splits, t->depth);
    return t;
}

static bool applies(const struct qni_problem *p)
{
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    return qni_gemm_epilogue(p) && qni_gemm_fits_int(&g) && p->caps->group_items >= 64 &&
           p->caps->local_bytes >= 24 * 1024;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_gemm_parts parts;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    choose(&parts, &g, p->caps);
    out->scratch = qni_gemm_scratch(&g, &parts);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_gemm_parts parts;
    const struct tile *t;
    struct qni_launch *l;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    t = choose(&parts, &g, p->caps);
    l = qni_launch_add(r, "gemm/gpu", "gemm");
    qni_define(r, l, "QN_BM", t->rows);
    qni_define(r, l, "QN_BN", t->columns);
    qni_define(r, l, "QN_TM", t->item_rows);
    qni_define(r, l, "QN_TN", t->item_columns);
    qni_define(r, l, "QN_KT", t->depth);
    qni_define(r, l, "QN_TA", g.ta);
    qni_define(r, l, "QN_TB", g.tb);
    qni_gemm_define_epilogue(r, l, parts.parts == 1 ? &p->epilogue : &(struct qni_epilogue){0});
    qni_gemm_arguments(r, l, p, &g, &parts);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 2,
             (int64_t[]){qni_ceil_div(g.M, t->rows) * qni_ceil_div(g.N, t->columns), qni_gemm_grid_batch(&g, &parts)},
             (int64_t[]){items_of(t), 1});
    qni_gemm_reduce(r, p, &g, &parts);
}

const struct qni_algo qni_gemm_gpu = {.name = "gpu", .applies = applies, .sizes = sizes, .emit = emit, .gpu = true};
