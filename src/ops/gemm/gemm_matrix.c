/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs with matrix instructions: one work-group a tile of C, a wave a part of it. An algorithm for each thing that operands
 * may be rounded to. Who asks for one by name on a device that has no such instruction gets NVIDIA's, played. */
#include "ops/gemm/gemm.h"

#define SMALLEST 16 /* of each size, where it is not played: less fills no instruction */

/* Of operands of 32 and of 16 bits. */
#define DEPTH(operands) ((operands) < QN_MATMUL_BF16 ? 8 : 16) /* QN_KT */
#define TILES           3
#define LOCAL_BYTES     (32 * 1024)
#define PLAYED_BYTES    (64 * 1024) /* of tiles of 16 bits, what they are played with included; the last takes less than 32 KiB */

/* By enum qni_matrix. A part is a multiple of what an instruction makes, and the last has work-groups of 64. */
static const struct qni_gemm_tile tiles[][TILES] = {
    [QNI_MATRIX_NVIDIA] = {{128, 64, 32, 32, 256}, {64, 64, 32, 32, 128}, {32, 32, 32, 16, 64}},
    [QNI_MATRIX_AMD] = {{128, 128, 64, 64, 256}, {64, 64, 32, 32, 256}, {32, 32, 32, 32, 64}},
    [QNI_MATRIX_INTEL16] = {{64, 64, 16, 16, 256}, {32, 64, 16, 16, 128}, {32, 32, 16, 16, 64}},
    [QNI_MATRIX_INTEL8] = {{64, 64, 8, 16, 256}, {32, 64, 8, 16, 128}, {32, 32, 8, 16, 64}},
};
static const struct qni_gemm_tile half_tiles[][TILES] = {
    [QNI_MATRIX_NVIDIA] = {{128, 64, 32, 32, 256}, {64, 64, 32, 32, 128}, {32, 32, 32, 16, 64}},
    [QNI_MATRIX_AMD] = {{128, 64, 64, 32, 256}, {64, 64, 32, 32, 256}, {32, 32, 32, 32, 64}},
    [QNI_MATRIX_WMMA] = {{128, 64, 32, 32, 256}, {64, 64, 32, 16, 256}, {16, 32, 16, 16, 64}},
    [QNI_MATRIX_XMX8] = {{64, 64, 16, 8, 256}, {32, 64, 16, 8, 128}, {32, 32, 16, 8, 64}},
    [QNI_MATRIX_XMX16] = {{64, 64, 8, 32, 256}, {32, 64, 8, 32, 128}, {16, 32, 8, 16, 64}},
};

static const struct qni_gemm_tile *choose(struct qni_gemm_parts *parts, const struct qni_gemm *g,
                                          const struct qni_caps *caps, qn_matmul operands)
{
    const enum qni_matrix matrix = qni_matrix_of(caps, operands);
    const struct qni_gemm_tile *from = operands < QN_MATMUL_BF16 ? tiles[matrix] : half_tiles[matrix];
    const size_t skipped =
        operands >= QN_MATMUL_BF16 && qni_matrix_is_played(caps, operands) && caps->local_bytes < PLAYED_BYTES ? TILES - 1 : 0;

    return qni_gemm_choose(parts, g, caps, from + skipped, TILES - skipped, DEPTH(operands));
}

static bool applies(const struct qni_problem *p, const struct qni_algo *a)
{
    const bool played = qni_matrix_is_played(p->caps, a->operands);
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    if (!qni_gemm_epilogue(p) || !qni_gemm_fits_int(&g) || p->caps->group_items < 64 || p->caps->local_bytes < LOCAL_BYTES)
        return false;
    return qni_matrix_usable(p, a) && (played || (g.M >= SMALLEST && g.N >= SMALLEST && g.K >= SMALLEST));
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out, qn_matmul operands)
{
    struct qni_gemm_parts parts;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    choose(&parts, &g, p->caps, operands);
    out->scratch = qni_gemm_scratch(&g, &parts);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, qn_matmul operands)
{
    struct qni_gemm_parts parts;
    const struct qni_gemm_tile *t;
    struct qni_launch *l;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    if (!g.batch || !g.M || !g.N)
        return;
    t = choose(&parts, &g, p->caps, operands);
    l = qni_launch_add(r, "gemm/matrix", "gemm");
    qni_matrix_define(r, l, p->caps, operands);
    qni_define(r, l, "QN_KT", DEPTH(operands));
    qni_gemm_tile_launch(r, l, p, &g, &parts, t);
    qni_gemm_reduce(r, p, &g, &parts);
}

#define ALGORITHM(id, text, rounding)                                             \
    static bool applies_##id(const struct qni_problem *p)                         \
    {                                                                             \
        return applies(p, &qni_gemm_##id);                                        \
    }                                                                             \
    static void sizes_##id(const struct qni_problem *p, struct qni_sizes *out)    \
    {                                                                             \
        sizes(p, out, rounding);                                                  \
    }                                                                             \
    static void emit_##id(const struct qni_problem *p, struct qni_recorder *r)    \
    {                                                                             \
        emit(p, r, rounding);                                                     \
    }                                                                             \
    const struct qni_algo qni_gemm_##id = {.name = (text), .applies = applies_##id, .sizes = sizes_##id, .emit = emit_##id, \
                                           .gpu = true, .operands = (rounding), .untried = true};

ALGORITHM(matrix, "matrix", QN_MATMUL_F32)
ALGORITHM(matrix_tf32, "matrix_tf32", QN_MATMUL_TF32)
ALGORITHM(matrix_bf16, "matrix_bf16", QN_MATMUL_BF16)
ALGORITHM(matrix_f16, "matrix_f16", QN_MATMUL_F16)
