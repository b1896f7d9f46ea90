/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradients of layer normalisation's gamma and beta, in two steps: chunks of rows, then the chunks in order.
 *
 *   sums[chunk][0][c] = sum of dy n, sums[chunk][1][c] = sum of dy, over the chunk's rows, n = (x - mean) rstd
 *   dgamma[c], dbeta[c] = sum over the chunks
 *
 * layer_norm_columns: (0) block of QN_L0 columns, (2) chunk of rows_each rows; QN_L1 rows at a time, joined by a tree.
 * layer_norm_merge: (0) QN_V columns a work-item, groups of QN_L0. wanted: bits 0 dgamma, 1 dbeta.
 * Build parameters: QN_DTYPE, QN_V, QN_RMS, QN_L0..2. */
#include "common/types.clh"
#include "common/vec.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(layer_norm_columns)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict x, long x0,
                                 __global const float *restrict mean, long mean0, __global const float *restrict rstd,
                                 long rstd0, __global float *restrict sums, long sums0, int rows, int rows_each, int C)
{
    __local float part[2][QN_L1][QN_L0];
    const int lane = (int)get_local_id(0), slot = (int)get_local_id(1);
    const int c = (int)get_global_id(0), chunk = (int)get_global_id(2);
    const int first = chunk * rows_each, last = min(rows, first + rows_each);
    float a = 0, b = 0;

    dy += dy0;
    x += x0;
    mean += mean0;
    rstd += rstd0;
    for (int row = first + slot; row < last && c < C; row += QN_L1) {
        const float d = qn_load(dy, (long)row * C + c), m = QN_RMS ? 0.0f : mean[row];

        a += d * (qn_load(x, (long)row * C + c) - m) * rstd[row];
        b += d;
    }
    part[0][slot][lane] = a;
    part[1][slot][lane] = b;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = QN_L1 / 2; k > 0; k /= 2) {
        if (slot < k) {
            part[0][slot][lane] += part[0][slot + k][lane];
            part[1][slot][lane] += part[1][slot + k][lane];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (slot == 0 && c < C) {
        sums[sums0 + (long)chunk * 2 * C + c] = part[0][0][lane];
        sums[sums0 + (long)chunk * 2 * C + C + c] = part[1][0][lane];
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(layer_norm_merge)(__global const float *restrict sums, long sums0, __global QN_T *restrict dgamma, long dgamma0,
                               __global QN_T *restrict dbeta, long dbeta0, int chunks, int C, int wanted)
{
    const int first = (int)get_global_id(0) * QN_V, last = min(C, first + QN_V);

    sums += sums0;
    for (int c = first; c < last; c++) {
        float a = 0, b = 0;

        for (int k = 0; k < chunks; k++) {
            a += sums[(long)k * 2 * C + c];
            b += sums[(long)k * 2 * C + C + c];
        }
        if (wanted & 1)
            qn_store(dgamma, dgamma0 + c, a);
        if (wanted & 2)
            qn_store(dbeta, dbeta0 + c, b);
    }
}
