/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Matrix products: the operation's parameters, a problem's numbers, and what its algorithms share. */
#ifndef QNI_GEMM_H
#define QNI_GEMM_H

#include "ops/op.h"

/* The last two axes are matrices, the axes before them a batch; where one operand's batch is of one matrix it serves
 * all. No sizes here: a node may stand for several. */
struct qni_matmul {
    int32_t transpose_a, transpose_b;
    int32_t flat;      /* both operands are [all axes but the last, last axis]: the batch is part of the rows */
    int32_t sum_batch; /* the products of all batches are added up */
    int32_t lead;      /* so many axes of size 1 before the result's */
};

/* A matrix product in numbers. Strides and leading sizes are in elements. */
struct qni_gemm {
    int64_t batch, sums; /* products that are stored, and how many batches are added up in each */
    int64_t M, N, K;
    int64_t lda, ldb;           /* from one row of A or B, as it is in memory, to the next */
    int64_t stride_a, stride_b; /* from one batch to the next, 0 where there is one; of `sums` likewise */
    bool ta, tb;
};

extern const struct qni_op qni_op_matmul; /* a, b -> c = a b */

extern const struct qni_algo qni_gemm_cpu, qni_gemm_matrix, qni_gemm_matrix_tf32, qni_gemm_matrix_bf16, qni_gemm_matrix_f16,
    qni_gemm_gpu, qni_gemm_clblast, qni_gemm_simple;

/* The numbers of a problem that the shape rule accepted. */
void qni_gemm_numbers(struct qni_gemm *out, const struct qni_problem *p);
/* Does every size fit in an int, with room to round up? */
bool qni_gemm_fits_int(const struct qni_gemm *g);
/* Can act.clh do this epilogue? */
bool qni_gemm_epilogue(const struct qni_problem *p);

/* ---- parts.c: sums stored in parts, and what the tiled algorithms' launches have in common ---- */

/* K is cut into `splits` parts of split_k; with sums > 1 or splits > 1 a second launch adds sums * splits parts up. */
struct qni_gemm_parts {
    int64_t splits, split_k;
    int64_t parts;
};

/* How a work-group of a GPU makes a tile of C. */
struct qni_gemm_tile {
    int rows, columns;           /* QN_BM, QN_BN */
    int part_rows, part_columns; /* QN_TM, QN_TN: what a work-item makes, or a wave */
    int items;                   /* QN_L0 */
};

/* The tile of a list, largest first, that gives every compute unit enough work, and the parts for it. */
const struct qni_gemm_tile *qni_gemm_choose(struct qni_gemm_parts *parts, const struct qni_gemm *g,
                                            const struct qni_caps *caps, const struct qni_gemm_tile *tiles, size_t n,
                                            int depth);
/* At most `splits` parts, each a multiple of `step` long. */
void qni_gemm_cut(struct qni_gemm_parts *out, const struct qni_gemm *g, int64_t splits, int64_t step);
size_t qni_gemm_scratch(const struct qni_gemm *g, const struct qni_gemm_parts *parts);
/* Operands and numbers of gemm in cpu.cl, gpu.cl and matrix.cl up to split_stride. */
void qni_gemm_arguments(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                        const struct qni_gemm *g, const struct qni_gemm_parts *parts);
/* All of a launch of gemm in gpu.cl or matrix.cl that follows from its tile: the parameters, the arguments, the grid. */
void qni_gemm_tile_launch(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                          const struct qni_gemm *g, const struct qni_gemm_parts *parts, const struct qni_gemm_tile *t);
/* Batches on the grid's second axis. */
int64_t qni_gemm_grid_batch(const struct qni_gemm *g, const struct qni_gemm_parts *parts);
/* The second launch, where there are parts. */
void qni_gemm_reduce(struct qni_recorder *r, const struct qni_problem *p, const struct qni_gemm *g,
                     const struct qni_gemm_parts *parts);
/* The epilogue as build parameters, and as arguments: bias, residual, aux. Without one each is given input 0. */
void qni_gemm_define_epilogue(struct qni_recorder *r, struct qni_launch *l, const struct qni_epilogue *e);
void qni_gemm_epilogue_operands(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                                bool present);

#endif
