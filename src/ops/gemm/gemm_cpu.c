/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For CPUs: one work-item a block of C. This file chooses the kernel's parameters and the blocks. */
#include "ops/gemm/gemm.h"

/* What a work-item costs beyond its multiplications, measured on PoCL 3.1 with AVX-512: copying a panel of B as rows of
 * A that could have been multiplied by it, the same for a block of A in columns of B, and a launch of a work-group in
 * multiply-adds. */
#define COPY_B_ROWS      6
#define TRANSPOSE_B_ROWS 9
#define COPY_A_COLUMNS   10
#define GROUP_COST       60000
/* Rows of B as far apart as this share too few sets of a cache, so its panels are copied. */
#define FAR_BYTES        4096
/* A second core must get at least this many multiply-adds for K to be cut, and so much more than C has elements. */
#define SPLIT_WORK       2000000
#define SPLIT_K          512
#define ROW_ELEMENTS     (1 << 19)

struct blocks {
    int lanes, vectors, rows; /* QN_V, QN_NV, QN_MR */
    int kc, mc_local;         /* QN_KC, QN_MC */
    int64_t mc, nc;
    bool pack_b;
    struct qni_gemm_parts parts;
};

static double time_of(const struct qni_gemm *g, const struct blocks *b, int64_t mc, int64_t nc, int64_t items,
                      double units)
{
    const double rows = (double)QNI_MIN(mc, g->M), columns = (double)QNI_MIN(nc, g->N);
    const double copy_b = b->pack_b ? (g->tb ? TRANSPOSE_B_ROWS : COPY_B_ROWS) : 1, copy_a = g->ta ? COPY_A_COLUMNS : 1;
    const double padded = (double)qni_round_up((int64_t)rows, b->rows);
    const double one = (padded + copy_b) * (columns + copy_a) * (double)b->parts.split_k + GROUP_COST;
    const double rounds = (double)qni_ceil_div(items, (int64_t)units);

    /* A quarter of a block more, since cores never start together nor are left alone. */
    return (rounds + 0.25) * one;
}

static void choose_blocks(struct blocks *b, const struct qni_gemm *g, int units)
{
    const int64_t mc_most = g->ta ? b->mc_local : 32 * b->rows;
    double best = 0;

    for (int64_t mc = b->rows; mc <= mc_most; mc *= 2)
        for (int64_t nc = (int64_t)b->lanes * b->vectors; nc <= 512; nc *= 2) {
            const int64_t items = qni_ceil_div(g->M, mc) * qni_ceil_div(g->N, nc) * qni_gemm_grid_batch(g, &b->parts);
            const double time = time_of(g, b, mc, nc, items, units);

            if (best <= 0 || time < best) {
                best = time;
                b->mc = mc;
                b->nc = nc;
            }
        }
}

static void choose(struct blocks *b, const struct qni_gemm *g, const struct qni_problem *p)
{
    const int64_t units = QNI_MAX((int64_t)p->caps->units, 1);
    int64_t tiles, splits;
    bool row;

    b->lanes = QNI_MAX(p->caps->vector, 4);
    /* A single row has a tile of its own only where the time to read B is what counts: for smaller products the usual
     * tile is quick enough, and a batch of one compiles nothing. */
    row = g->M == 1 && g->K * g->N >= ROW_ELEMENTS;
    b->rows = row ? 1 : p->caps->registers >= 32 ? 8 : 6;
    b->vectors = row ? 4 : 2;
    b->pack_b = g->tb || (g->M >= 128 && g->ldb * (int64_t)sizeof(float) >= FAR_BYTES);
    b->kc = p->caps->local_bytes >= 256 * 1024 ? 256 : 64;
    b->mc_local = b->rows * (p->caps->local_bytes >= 256 * 1024 ? 16 : 4);
    tiles = qni_ceil_div(g->M, b->rows) * qni_ceil_div(g->N, (int64_t)b->lanes * b->vectors) * g->batch * g->sums;
    splits = tiles >= 2 * units ? 1 : 2 * units / tiles;
    splits = QNI_MIN(splits, QNI_MIN(g->K / SPLIT_K, g->M * g->N * g->K * g->batch * g->sums / SPLIT_WORK));
    qni_gemm_cut(&b->parts, g, splits, b->kc);
    choose_blocks(b, g, (int)units);
}

static bool applies(const struct qni_problem *p)
{
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    return qni_gemm_epilogue(p) && qni_gemm_fits_int(&g) && p->caps->local_bytes >= 24 * 1024;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_gemm g;
    struct blocks b;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    choose(&b, &g, p);
    out->scratch = qni_gemm_scratch(&g, &b.parts);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l;
    struct qni_gemm g;
    struct blocks b;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    choose(&b, &g, p);
    l = qni_launch_add(r, "gemm/cpu", "gemm");
    qni_define(r, l, "QN_V", b.lanes);
    qni_define(r, l, "QN_NV", b.vectors);
    qni_define(r, l, "QN_MR", b.rows);
    qni_define(r, l, "QN_KC", b.kc);
    qni_define(r, l, "QN_MC", b.mc_local);
    qni_define(r, l, "QN_PACK_B", b.pack_b);
    qni_gemm_arguments(r, l, p, &g, &b.parts);
    qni_i32(r, l, b.mc);
    qni_i32(r, l, b.nc);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 2, (int64_t[]){qni_ceil_div(g.M, b.mc) * qni_ceil_div(g.N, b.nc), qni_gemm_grid_batch(&g, &b.parts)},
             (int64_t[]){1, 1});
    qni_gemm_reduce(r, p, &g, &b.parts);
}

const struct qni_algo qni_gemm_cpu = {.name = "cpu", .applies = applies, .sizes = sizes, .emit = emit, .cpu = true};
