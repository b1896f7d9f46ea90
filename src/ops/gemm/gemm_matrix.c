/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs with matrix instructions: one work-group a tile of C, a wave a part of it. Who asks for it by name on a device that
 * has none gets NVIDIA's, played. */
#include "ops/gemm/gemm.h"

#define DEPTH 8       /* QN_KT */
#define SMALLEST 16   /* of each size, where it is not played: less fills no instruction */

/* By enum qni_matrix. A part is a multiple of what an instruction makes, and the last has work-groups of 64. */
static const struct qni_gemm_tile tiles[][3] = {
    [QNI_MATRIX_NVIDIA] = {{128, 64, 32, 32, 256}, {64, 64, 32, 32, 128}, {32, 32, 32, 16, 64}},
    [QNI_MATRIX_AMD] = {{128, 128, 64, 64, 256}, {64, 64, 32, 32, 256}, {32, 32, 32, 32, 64}},
    [QNI_MATRIX_INTEL] = {{64, 64, 16, 16, 256}, {32, 64, 16, 16, 128}, {32, 32, 16, 16, 64}},
};
static const struct qni_gemm_tile intel_8_tiles[] = {{64, 64, 8, 16, 256}, {32, 64, 8, 16, 128}, {32, 32, 8, 16, 64}};

static const struct qni_gemm_tile *choose(struct qni_gemm_parts *parts, const struct qni_gemm *g,
                                          const struct qni_caps *caps)
{
    const enum qni_matrix matrix = qni_matrix_of(caps);
    const bool narrow = matrix == QNI_MATRIX_INTEL && qni_intel_wave(caps) == 8;

    return qni_gemm_choose(parts, g, caps, narrow ? intel_8_tiles : tiles[matrix], QNI_COUNT(tiles[0]), DEPTH);
}

static bool applies(const struct qni_problem *p)
{
    const struct qni_caps *caps = p->caps;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    if (!qni_gemm_epilogue(p) || !qni_gemm_fits_int(&g) || caps->group_items < 64 || caps->local_bytes < 32 * 1024)
        return false;
    return qni_matrix_usable(p, &qni_gemm_matrix) &&
           (qni_matrix_is_played(caps) || (g.M >= SMALLEST && g.N >= SMALLEST && g.K >= SMALLEST));
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
    l = qni_launch_add(r, "gemm/matrix", "gemm");
    qni_matrix_define(r, l, p->caps);
    qni_define(r, l, "QN_KT", DEPTH);
    qni_gemm_tile_launch(r, l, p, &g, &parts, t);
    qni_gemm_reduce(r, p, &g, &parts);
}

const struct qni_algo qni_gemm_matrix = {
    .name = "matrix", .applies = applies, .sizes = sizes, .emit = emit, .gpu = true, .untried = true};
