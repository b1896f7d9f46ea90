/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Convolution for CPUs where a result sums few terms, as in a network's first layer: one work-item makes rows of y.
 *
 *   y[n,p,q,k] = act(sum over r,s,c of x[n, p * stride_h - top + r, q * stride_w - left + s, c] * w[r,s,c,k] + bias[k])
 *
 * There a tile's set-up would cost more than its sums. The rows of x that a row of y needs are copied to local memory,
 * zeros around the image included: wide floats each, in which a pixel's S * C values are neighbours. Then tiles of QN_PX
 * pixels by QN_NV * QN_VW channels follow each other without a question; pixels past the last one are not stored.
 *
 * The filter is packed by conv2d_pack.cl: [block of QN_NV * QN_VW channels][r][s][c][QN_NV * QN_VW]; K is made of whole
 * blocks.
 *
 * Grid: rows n * P + p of y by rows_each. Local size 1. Local memory: R * wide floats.
 * Build parameters: QN_VW, QN_NV, QN_PX; QN_BIAS 0 or 1; QN_ACT see common/act.clh, at most 3. */
#include "common/types.clh"

#if !defined(QN_VW) || !defined(QN_NV) || !defined(QN_PX) || !defined(QN_BIAS) || !defined(QN_ACT)
#error "QN_VW, QN_NV, QN_PX, QN_BIAS and QN_ACT are required"
#endif
#define QN_BLOCK (QN_NV * QN_VW)
#include "conv/tile.clh"
#include "common/act.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_narrow)(
    __global const float *restrict x, long x0, __global const float *restrict w, long w0, __global float *restrict y, long y0,
    __global const float *restrict bias, long bias0, __local float *restrict patch, int rows, int rows_each, int H, int W, int C,
    int P, int Q, int K, int R, int S, int stride_h, int stride_w, int top, int left, int wide, float alpha)
{
    const int first = (int)get_global_id(0) * rows_each, last = min(rows, first + rows_each);
    const int run = S * C, step = stride_w * C, before = left * C, inside = max(min(W * C, wide - before), 0);

    x += x0;
    w += w0;
    y += y0;
    bias += bias0;
    for (int row = first; row < last; row++) {
        const int n = row / P, h0 = (row - n * P) * stride_h - top;

        for (int r = 0; r < R; r++) {
            const int h = h0 + r, here = h >= 0 && h < H ? inside : 0;
            __global const float *from = x + ((long)n * H + h) * W * C;
            __local float *to = patch + r * wide;

            for (int j = 0; j < min(before, wide); j++)
                to[j] = 0.0f;
            for (int j = 0; j < here; j++)
                to[before + j] = from[j];
            for (int j = before + here; j < wide; j++)
                to[j] = 0.0f;
        }
        for (int k = 0; k < K; k += QN_BLOCK) {
            QN_VF bv[QN_NV];

#pragma unroll
            for (int b = 0; b < QN_NV; b++)
                bv[b] = QN_BIAS ? QN_VLOAD(bias + k + b * QN_VW) : (QN_VF)(0.0f);
            for (int q = 0; q < Q; q += QN_PX) {
                __global const float *f = w + (long)k * R * run;
                __global float *to = y + ((long)row * Q + q) * K + k;
                QN_VF sum[QN_PX][QN_NV];

#pragma unroll
                for (int a = 0; a < QN_PX; a++)
#pragma unroll
                    for (int b = 0; b < QN_NV; b++)
                        sum[a][b] = (QN_VF)(0.0f);
                for (int r = 0; r < R; r++) {
                    __local const float *p = patch + r * wide + q * step;

                    for (int j = 0; j < run; j++, f += QN_BLOCK) {
                        QN_VF fv[QN_NV];

#pragma unroll
                        for (int b = 0; b < QN_NV; b++)
                            fv[b] = QN_VLOAD(f + b * QN_VW);
#pragma unroll
                        for (int a = 0; a < QN_PX; a++) {
                            const QN_VF v = (QN_VF)(p[a * step + j]);

#pragma unroll
                            for (int b = 0; b < QN_NV; b++)
                                sum[a][b] += v * fv[b];
                        }
                    }
                }
#pragma unroll
                for (int a = 0; a < QN_PX; a++)
                    if (q + a < Q) {
#pragma unroll
                        for (int b = 0; b < QN_NV; b++)
                            QN_VSTORE(qn_act(sum[a][b] + bv[b], alpha), to + (long)a * K + b * QN_VW);
                    }
            }
        }
    }
}
