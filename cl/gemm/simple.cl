/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Matrix product for any problem on any device: one work-item makes one element of C.
 *
 *   C[b,m,n] = epilogue(sum over z, k of A[b,z](m,k) B[b,z](k,n))
 *
 * Element (m,k) of A is at m * row_a + k * column_a, so that a transpose is another pair of strides; z runs over `sums`
 * batches that are added up.
 *
 * Global size: all elements of C, rounded up to the local size QN_L0.
 * Build parameters: QN_DTYPE, and the epilogue: QN_BIAS, QN_RESIDUAL, QN_ACT, QN_ACT_GRAD. */
#define QN_V 1
#include "common/types.clh"
#include "common/vec.clh"
#include "gemm/epilogue.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gemm)(__global const QN_T *restrict a, long a0, __global const QN_T *restrict b, long b0,
                   __global QN_T *restrict c, long c0, __global const QN_T *restrict bias, long bias0,
                   __global const QN_T *restrict residual, long residual0, __global const QN_T *restrict aux, long aux0,
                   long all, long M, long N, long K, long row_a, long column_a, long row_b, long column_b,
                   long stride_a, long stride_b, long sums, long sum_a, long sum_b, float alpha)
{
    const long i = get_global_id(0);
    const long n = i % N, m = i / N % M, batch = i / N / M;
    QN_ACC v = 0;

    if (i >= all)
        return;
    a += a0 + batch * stride_a + m * row_a;
    b += b0 + batch * stride_b + n * column_b;
    c += c0;
    bias += bias0;
    residual += residual0;
    aux += aux0;
    for (long z = 0; z < sums; z++)
        for (long k = 0; k < K; k++)
            v += qn_load(a, z * sum_a + k * column_a) * qn_load(b, z * sum_b + k * row_b);
    qn_store(c, i, QN_NAME(finish)(v, bias + n, residual + i, aux + i, alpha, 1));
}
