/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Matrix product by the matrix instructions of some GPUs: C = epilogue(op(A) op(B)), one work-group a tile of C.
 *
 *   C[m,n] = epilogue(sum over k of A'[m,k] B'[k,n]), with A', B', batches and parts of K as in gpu.cl.
 *
 * A work-group of QN_L0 makes QN_BM x QN_BN elements, each of its waves of QN_WAVE work-items QN_TM x QN_TN of them, an
 * instruction's QN_IM x QN_IN at a time (matrix.clh). Tiles of QN_KT columns of A' and rows of B' go through local memory,
 * twice: while one pair is multiplied the next is on its way in registers.
 *
 * Global size: tiles of C * QN_L0; batches * splits. Local size: QN_L0, 1.
 * QN_L0 = (QN_BM / QN_TM) * (QN_BN / QN_TN) * QN_WAVE.
 * Build parameters: QN_DTYPE, QN_MATRIX, QN_PLAYED, QN_BM, QN_BN, QN_TM, QN_TN, QN_KT, QN_TA, QN_TB, and the epilogue:
 * QN_BIAS, QN_RESIDUAL, QN_ACT, QN_ACT_GRAD. QN_L0 must divide QN_BM * QN_KT and QN_BN * QN_KT; QN_IM, QN_IN and QN_IK must
 * divide QN_TM, QN_TN and QN_KT. */
#if !defined(QN_BM) || !defined(QN_BN) || !defined(QN_TM) || !defined(QN_TN) || !defined(QN_KT)
#error "QN_BM, QN_BN, QN_TM, QN_TN and QN_KT are required"
#endif
#define QN_V 1
#include "common/types.clh"
#include "common/vec.clh"
#include "gemm/epilogue.clh"
#include "gemm/matrix.clh"

#define QN_ROW_A (QN_BM + QN_BANKS) /* floats of a tile's row in local memory */
#define QN_ROW_B (QN_BN + QN_BANKS)
#include "gemm/tile.clh"

#define QN_ACROSS (QN_BN / QN_TN) /* waves side by side */
#define QN_DOWN_TILE (QN_TM / QN_IM)
#define QN_ACROSS_TILE (QN_TN / QN_IN)

/* The product of a pair of tiles: this wave's rows of A' and columns of B'. */
static inline void QN_NAME(multiply_tiles)(float (*sum)[QN_ACROSS_TILE][QN_FC], __local const float *tile_a,
                                           __local const float *tile_b, __local float *play, int lane)
{
#pragma unroll 1
    for (int z = 0; z < QN_KT; z += QN_IK) {
        struct QN_NAME(part_b) b[QN_ACROSS_TILE];

        QN_EACH
        for (int j = 0; j < QN_ACROSS_TILE; j++)
            QN_NAME(part_load_b)(&b[j], tile_b + z * QN_ROW_B + j * QN_IN, QN_ROW_B, 1, lane);
        QN_EACH
        for (int i = 0; i < QN_DOWN_TILE; i++) {
            struct QN_NAME(part_a) a;

            QN_NAME(part_load_a)(&a, tile_a + z * QN_ROW_A + i * QN_IM, 1, QN_ROW_A, lane);
            QN_EACH
            for (int j = 0; j < QN_ACROSS_TILE; j++)
                QN_NAME(part_multiply)(sum[i][j], &a, &b[j], play, lane);
        }
    }
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gemm)(__global const QN_T *restrict a, long a0, __global const QN_T *restrict b, long b0,
                   __global QN_T *restrict c, long c0, __global const QN_T *restrict bias, long bias0,
                   __global const QN_T *restrict residual, long residual0, __global const QN_T *restrict aux, long aux0,
                   int M, int N, int K, long lda, long ldb, long ldc, long stride_a, long stride_b, long stride_c,
                   int splits, int split_k, long split_stride, float alpha)
{
    __local float tile_a[2][QN_KT * QN_ROW_A], tile_b[2][QN_KT * QN_ROW_B], play[QN_L0 / QN_WAVE * QN_PLAY + 1];
    const int tiles = (N + QN_BN - 1) / QN_BN;
    const int group = QN_BLOCK(0, QN_L0);
    const int m0 = group / tiles * QN_BM, n0 = group % tiles * QN_BN;
    const int wave = QN_WAVE_ITEM() / QN_WAVE, lane = QN_WAVE_ITEM() % QN_WAVE;
    const int rows = wave / QN_ACROSS * QN_TM, columns = wave % QN_ACROSS * QN_TN; /* where the wave's part begins */
    const long batch = QN_BLOCK(1, 1) / splits;
    const int split = (int)(QN_BLOCK(1, 1) % splits);
    const int k0 = split * split_k, k1 = (int)min((long)K, (split + 1L) * split_k);
    float ra[QN_LOADS_A], rb[QN_LOADS_B];
    float sum[QN_DOWN_TILE][QN_ACROSS_TILE][QN_FC];
    int side = 0;

    a += a0 + batch * stride_a;
    b += b0 + batch * stride_b;
    c += c0 + batch * stride_c + split * split_stride;
    bias += bias0;
    residual += residual0 + batch * stride_c;
    aux += aux0 + batch * stride_c;
#pragma unroll
    for (int i = 0; i < QN_DOWN_TILE; i++)
#pragma unroll
        for (int j = 0; j < QN_ACROSS_TILE; j++)
#pragma unroll
            for (int e = 0; e < QN_FC; e++)
                sum[i][j][e] = 0.0f;

    QN_NAME(load_a)(ra, a, lda, m0, k0, M, k1);
    QN_NAME(load_b)(rb, b, ldb, n0, k0, N, k1);
    QN_NAME(store_a)(tile_a[0], ra);
    QN_NAME(store_b)(tile_b[0], rb);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = k0; k < k1; k += QN_KT) {
        if (k + QN_KT < k1) {
            QN_NAME(load_a)(ra, a, lda, m0, k + QN_KT, M, k1);
            QN_NAME(load_b)(rb, b, ldb, n0, k + QN_KT, N, k1);
        }
        QN_NAME(multiply_tiles)(sum, tile_a[side] + rows, tile_b[side] + columns, play + wave * QN_PLAY, lane);
        side ^= 1;
        if (k + QN_KT < k1) {
            QN_NAME(store_a)(tile_a[side], ra);
            QN_NAME(store_b)(tile_b[side], rb);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#pragma unroll
    for (int i = 0; i < QN_DOWN_TILE; i++)
#pragma unroll
        for (int j = 0; j < QN_ACROSS_TILE; j++)
#pragma unroll
            for (int e = 0; e < QN_FC; e++) {
                const int m = m0 + rows + i * QN_IM + QN_ROW_OF_C(lane, e);
                const int n = n0 + columns + j * QN_IN + QN_COLUMN_OF_C(lane, e);
                const long at = m * ldc + n;

                if (m < M && n < N)
                    qn_store(c, at, QN_NAME(finish)(sum[i][j][e], bias + n, residual + at, aux + at, alpha, 1));
            }
}
