/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Matrix product for GPUs: C = epilogue(op(A) op(B)), one work-group a tile of C.
 *
 *   C[m,n] = epilogue(sum over k of A'[m,k] B'[k,n])
 *   A' is A [M,K], or with QN_TA the transpose of A [K,M];  B' is B [K,N], or with QN_TB the transpose of B [N,K].
 *
 * A work-group of QN_L0 makes QN_BM x QN_BN elements, a work-item QN_TM x QN_TN of them in groups of four rows and four
 * columns, which lie apart so that neighbours read neighbouring banks. Tiles of QN_KT columns of A' and rows of B' go
 * through local memory, twice: while one pair is multiplied the next is on its way in registers. What lies outside a
 * matrix is loaded as 0.
 *
 * One of several batches, and of several parts of K whose sums are stored apart (split_stride) for reduce.cl to add up.
 *
 * Global size: tiles of C * QN_L0; batches * splits. Local size: QN_L0, 1. QN_L0 = (QN_BM / QN_TM) * (QN_BN / QN_TN).
 * Build parameters: QN_DTYPE, QN_BM, QN_BN, QN_TM, QN_TN, QN_KT, QN_TA, QN_TB, and the epilogue:
 * QN_BIAS, QN_RESIDUAL, QN_ACT, QN_ACT_GRAD. QN_L0 must divide QN_BM * QN_KT and QN_BN * QN_KT; QN_TM and QN_TN are
 * multiples of 4. */
#if !defined(QN_BM) || !defined(QN_BN) || !defined(QN_TM) || !defined(QN_TN) || !defined(QN_KT)
#error "QN_BM, QN_BN, QN_TM, QN_TN and QN_KT are required"
#endif
#define QN_V 4
#include "common/types.clh"
#include "common/narrow.clh"
#include "common/vec.clh"
#include "gemm/epilogue.clh"

#define QN_ACROSS (QN_BN / QN_TN) /* work-items side by side */
#define QN_DOWN (QN_BM / QN_TM)   /* and below each other */
#define QN_ROW_A (QN_BM + 4)      /* floats of a tile's row in local memory; four are not used, for the banks */
#define QN_ROW_B (QN_BN + 4)
#include "gemm/tile.clh"

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gemm)(__global const QN_T *restrict a, long a0, __global const QN_T *restrict b, long b0,
                   __global QN_T *restrict c, long c0, __global const QN_T *restrict bias, long bias0,
                   __global const QN_T *restrict residual, long residual0, __global const QN_T *restrict aux, long aux0,
                   int M, int N, int K, long lda, long ldb, long ldc, long stride_a, long stride_b, long stride_c,
                   int splits, int split_k, long split_stride, float alpha)
{
    __local float4 tile_a[2][QN_KT * QN_ROW_A / 4], tile_b[2][QN_KT * QN_ROW_B / 4];
    const int tiles = (N + QN_BN - 1) / QN_BN;
    const int group = QN_BLOCK(0, QN_L0);
    const int m0 = group / tiles * QN_BM, n0 = group % tiles * QN_BN;
    const int tx = get_local_id(0) % QN_ACROSS, ty = get_local_id(0) / QN_ACROSS;
    const long batch = QN_BLOCK(1, 1) / splits;
    const int split = (int)(QN_BLOCK(1, 1) % splits);
    const int k0 = split * split_k, k1 = (int)min((long)K, (split + 1L) * split_k);
    float ra[QN_LOADS_A], rb[QN_LOADS_B];
    float4 sum[QN_TM][QN_TN / 4];
    int side = 0;

    a += a0 + batch * stride_a;
    b += b0 + batch * stride_b;
    c += c0 + batch * stride_c + split * split_stride;
    bias += bias0;
    residual += residual0 + batch * stride_c;
    aux += aux0 + batch * stride_c;
#pragma unroll
    for (int i = 0; i < QN_TM; i++)
#pragma unroll
        for (int j = 0; j < QN_TN / 4; j++)
            sum[i][j] = (float4)(0.0f);

    QN_NAME(load_a)(ra, a, lda, m0, k0, M, k1);
    QN_NAME(load_b)(rb, b, ldb, n0, k0, N, k1);
    QN_NAME(store_a)((__local float *)tile_a[0], ra);
    QN_NAME(store_b)((__local float *)tile_b[0], rb);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = k0; k < k1; k += QN_KT) {
        if (k + QN_KT < k1) {
            QN_NAME(load_a)(ra, a, lda, m0, k + QN_KT, M, k1);
            QN_NAME(load_b)(rb, b, ldb, n0, k + QN_KT, N, k1);
        }
#pragma unroll 1 /* more would ask for more registers than there are */
        for (int z = 0; z < QN_KT; z++) {
            float4 av[QN_TM / 4], bv[QN_TN / 4];

#pragma unroll
            for (int i = 0; i < QN_TM / 4; i++)
                av[i] = tile_a[side][z * (QN_ROW_A / 4) + i * QN_DOWN + ty];
#pragma unroll
            for (int j = 0; j < QN_TN / 4; j++)
                bv[j] = tile_b[side][z * (QN_ROW_B / 4) + j * QN_ACROSS + tx];
#pragma unroll
            for (int i = 0; i < QN_TM / 4; i++)
#pragma unroll
                for (int j = 0; j < QN_TN / 4; j++) {
                    sum[4 * i][j] += av[i].s0 * bv[j];
                    sum[4 * i + 1][j] += av[i].s1 * bv[j];
                    sum[4 * i + 2][j] += av[i].s2 * bv[j];
                    sum[4 * i + 3][j] += av[i].s3 * bv[j];
                }
        }
        side ^= 1;
        if (k + QN_KT < k1) {
            QN_NAME(store_a)((__local float *)tile_a[side], ra);
            QN_NAME(store_b)((__local float *)tile_b[side], rb);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#pragma unroll
    for (int i = 0; i < QN_TM; i++) {
        const int m = m0 + i / 4 * (QN_DOWN * 4) + ty * 4 + i % 4;

#pragma unroll
        for (int j = 0; j < QN_TN / 4; j++) {
            const int n = n0 + (j * QN_ACROSS + tx) * 4;
            const long at = m * ldc + n;

            if (m >= M || n >= N)
                continue;
            QN_NAME(store_part)(QN_NAME(finish)(sum[i][j], bias + n, residual + at, aux + at, alpha, N - n), c + at, N - n);
        }
    }
}
