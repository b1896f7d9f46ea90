/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs: one work-group a tile of C. */
#include "ops/gemm/gemm.h"

/* The more elements a work-item has, the fewer loads a multiplication costs. */
static const struct qni_gemm_tile tiles[] = {
    {128, 128, 8, 8, 256},
    {64, 64, 8, 8, 64},
    {32, 32, 4, 4, 64},
};

/* Where addresses take registers too (Intel's GPUs, see cl/common/narrow.clh) 8 by 8 do not fit. */
static const struct qni_gemm_tile simd_tiles[] = {
    {128, 64, 8, 4, 256},
    {64, 64, 8, 4, 128},
    {32, 32, 4, 4, 64},
};

#define DEPTH 8 /* QN_KT */

static const struct qni_gemm_tile *choose(struct qni_gemm_parts *parts, const struct qni_gemm *g,
                                          const struct qni_caps *caps)
{
    return qni_gemm_choose(parts, g, caps, caps->simd ? simd_tiles : tiles, QNI_COUNT(tiles), DEPTH);
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
    const struct qni_gemm_tile *t;
    struct qni_launch *l;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    t = choose(&parts, &g, p->caps);
    l = qni_launch_add(r, "gemm/gpu", "gemm");
    qni_define(r, l, "QN_KT", DEPTH);
    qni_define_simd(r, l, p->caps);
    qni_gemm_tile_launch(r, l, p, &g, &parts, t);
    qni_gemm_reduce(r, p, &g, &parts);
}

const struct qni_algo qni_gemm_gpu = {.name = "gpu", .applies = applies, .sizes = sizes, .emit = emit, .gpu = true};
