/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For CPUs: one work-item a block of C. This file chooses the kernel's parameters and the blocks. */
#include "ops/gemm/gemm.h"

/* What a work-item costs beyond its multiplications, measured on PoCL 3.1 with AVX-512: reading a panel of B from afar as
 * rows of A that could have been multiplied by it, and copying it; the same for a block of A in columns of B; a pass over
 * an element of C, and a launch of a work-group, in multiply-adds. */
#define READ_B_ROWS      8
#define COPY_B_ROWS      14
#define TRANSPOSE_B_ROWS 20
#define READ_A_COLUMNS   10
#define COPY_A_COLUMNS   14
#define PASS_COST        20
#define GROUP_COST       60000
/* Rows as far apart as this share too few sets of a cache, so panels of B and blocks of a transposed A are copied. */
#define FAR_BYTES        2048
/* A second core must get at least this many multiply-adds for K to be cut, and so much more than C has elements. */
#define SPLIT_WORK       2000000
#define SPLIT_K          512
/* K in one go: panels of B stay in the second cache; a transposed A touches a line for each. */
#define STEP_K           512
#define STEP_K_ACROSS    256
#define MOST_COLUMNS     512

/* Bits of the kernel's `how`: the order of QN_HOW_... in cl/gemm/cpu.cl. */
enum how {
    HOW_TA = 1,
    HOW_TB = 2,
    HOW_COPY_A = 4,
    HOW_COPY_B = 8,
    HOW_BIAS = 16,
    HOW_RESIDUAL = 32,
    HOW_RELU = 64,
    HOW_RELU_GRAD = 128
};

struct blocks {
    int lanes, vectors, rows; /* QN_V, QN_NV, QN_MR */
    bool copy_a, copy_b;
    int64_t mc, nc, kc;
    struct qni_gemm_parts parts;
};

static int64_t panel(const struct blocks *b)
{
    return (int64_t)b->lanes * b->vectors;
}

static double time_of(const struct qni_gemm *g, const struct blocks *b, int64_t mc, int64_t nc, int64_t items,
                      double units)
{
    const double rows = (double)QNI_MIN(mc, g->M), columns = (double)QNI_MIN(nc, g->N);
    const double b_rows = !b->copy_b ? READ_B_ROWS : g->tb ? TRANSPOSE_B_ROWS : COPY_B_ROWS;
    const double a_columns = b->copy_a ? COPY_A_COLUMNS : READ_A_COLUMNS;
    const double padded = (double)qni_round_up((int64_t)rows, b->rows);
    const double passes = (double)qni_ceil_div(b->parts.split_k, b->kc);
    const double one = (padded + b_rows) * (columns + a_columns) * (double)b->parts.split_k +
                       passes * PASS_COST * rows * columns + GROUP_COST;
    const double rounds = (double)qni_ceil_div(items, (int64_t)units);

    /* A quarter of a block more, since cores never start together nor are left alone. */
    return (rounds + 0.25) * one;
}

static void choose_blocks(struct blocks *b, const struct qni_gemm *g, int units)
{
    double best = 0;

    for (int64_t mc = b->rows; mc <= 32 * b->rows; mc *= 2)
        for (int64_t nc = panel(b); nc <= MOST_COLUMNS; nc *= 2) {
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
    const double work = (double)g->M * (double)g->N * (double)g->K * (double)g->batch * (double)g->sums;
    int64_t tiles, splits;

    b->lanes = QNI_MAX(p->caps->vector, 4);
    b->rows = p->caps->registers >= 32 ? 8 : 6;
    b->vectors = 2;
    b->copy_a = g->ta && g->lda * (int64_t)sizeof(float) >= FAR_BYTES;
    b->copy_b = g->tb || (g->M >= 128 && g->ldb * (int64_t)sizeof(float) >= FAR_BYTES);
    b->kc = g->ta ? STEP_K_ACROSS : STEP_K;
    tiles = qni_ceil_div(g->M, b->rows) * qni_ceil_div(g->N, panel(b)) * g->batch * g->sums;
    splits = tiles >= 2 * units ? 1 : 2 * units / tiles;
    splits = QNI_MIN(splits, QNI_MIN(g->K / SPLIT_K, (int64_t)QNI_MIN(work / SPLIT_WORK, INT32_MAX)));
    qni_gemm_cut(&b->parts, g, splits, b->kc);
    choose_blocks(b, g, (int)units);
    b->kc = QNI_MIN(b->kc, QNI_MAX(b->parts.split_k, 1));
    b->mc = QNI_MIN(b->mc, qni_round_up(g->M, b->rows));
}

/* Elements of a work-item's copies: a panel of B, and a block of A. */
static int64_t pack_each(const struct qni_gemm *g, const struct blocks *b)
{
    const bool rest = b->copy_b || g->N % panel(b);

    return qni_round_up(b->kc * ((rest || b->copy_a ? panel(b) : 0) + (b->copy_a ? b->mc : 0)), b->lanes);
}

static int64_t blocks_of(const struct qni_gemm *g, const struct blocks *b)
{
    return qni_ceil_div(g->M, b->mc) * qni_ceil_div(g->N, b->nc);
}

/* Where the copies begin in the scratch, behind the sums in parts. */
static int64_t pack_begin(const struct qni_gemm *g, const struct blocks *b)
{
    return qni_round_up((int64_t)(qni_gemm_scratch(g, &b->parts) / sizeof(float)), b->lanes);
}

static bool applies(const struct qni_problem *p)
{
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    return qni_gemm_epilogue(p) && qni_gemm_fits_int(&g);
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_gemm g;
    struct blocks b;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    choose(&b, &g, p);
    out->scratch = (size_t)(pack_begin(&g, &b) + blocks_of(&g, &b) * qni_gemm_grid_batch(&g, &b.parts) * pack_each(&g, &b)) *
                   sizeof(float);
}

static int how_of(const struct qni_gemm *g, const struct blocks *b, const struct qni_epilogue *e)
{
    return (g->ta ? HOW_TA : 0) | (g->tb ? HOW_TB : 0) | (b->copy_a ? HOW_COPY_A : 0) | (b->copy_b ? HOW_COPY_B : 0) |
           (e->bias ? HOW_BIAS : 0) | (e->residual ? HOW_RESIDUAL : 0) | (e->act == QN_RELU ? HOW_RELU : 0) |
           (e->act_grad == QN_RELU ? HOW_RELU_GRAD : 0);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_epilogue e = {0};
    struct qni_launch *l;
    struct qni_gemm g;
    struct blocks b;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    choose(&b, &g, p);
    if (b.parts.parts == 1)
        e = p->epilogue;
    l = qni_launch_add(r, "gemm/cpu", "gemm");
    qni_define(r, l, "QN_V", b.lanes);
    qni_define(r, l, "QN_NV", b.vectors);
    qni_define(r, l, "QN_MR", b.rows);
    qni_define(r, l, "QN_ACT", e.act == QN_RELU ? 0 : e.act);
    qni_define(r, l, "QN_ACT_GRAD", e.act_grad == QN_RELU ? 0 : e.act_grad);
    qni_gemm_arguments(r, l, p, &g, &b.parts);
    if (pack_each(&g, &b))
        qni_scratch(r, l, QN_F32, pack_begin(&g, &b));
    else
        qni_in(r, l, 0, p->in[0].dtype); /* not touched */
    qni_i64(r, l, pack_each(&g, &b));
    qni_i32(r, l, b.mc);
    qni_i32(r, l, b.nc);
    qni_i32(r, l, b.kc);
    qni_i32(r, l, how_of(&g, &b, &e));
    qni_f32(r, l, e.alpha);
    qni_grid(r, l, 2, (int64_t[]){blocks_of(&g, &b), qni_gemm_grid_batch(&g, &b.parts)}, (int64_t[]){1, 1});
    qni_gemm_reduce(r, p, &g, &b.parts);
}

const struct qni_algo qni_gemm_cpu = {.name = "cpu", .applies = applies, .sizes = sizes, .emit = emit, .cpu = true};
