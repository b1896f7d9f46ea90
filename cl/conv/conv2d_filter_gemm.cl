/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The filter's gradient for GPUs, as a matrix product that is never laid out, over parts of the pixels:
 *
 *   partial[part, (r,s,c), k] = sum over the part's pixels (n,p,q) of x[n, h, v, c] * dy[n,p,q,k]
 *   h = p * stride_h - top + r * dilation_h,  v = q * stride_w - left + s * dilation_w
 *
 * and dw = the sum of the parts (conv2d_filter_gemm_sum.cl); with one part partial is dw itself.
 *
 * A work-group of QN_G * QN_G makes QN_G * QN_TM rows (r,s,c) of QN_G * QN_TN channels k, QN_G pixels at a time through
 * local memory. Work-items that follow each other read and write channels that do.
 *
 * Grid: blocks of k; blocks of rows; groups times parts. Local size: QN_G * QN_G.
 * Build parameters: QN_DTYPE; QN_G, QN_TM, QN_TN. */
#include "common/types.clh"
#include "common/narrow.clh"

#if !defined(QN_G) || !defined(QN_TM) || !defined(QN_TN)
#error "QN_G, QN_TM and QN_TN are required"
#endif
#define QN_M (QN_G * QN_TM)
#define QN_N (QN_G * QN_TN)

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_filter_gemm)(
    __global const QN_T *restrict x, long x0, __global const QN_T *restrict dy, long dy0,
    __global float *restrict partial, long partial0, int N, int H, int W, int C, int P, int Q, int K, int R, int S,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left, int groups, int parts)
{
    __local float xs[QN_G * QN_M], gs[QN_G * QN_N];
    const int group_c = C / groups, group_k = K / groups, count = R * S * group_c;
    const int group = (int)QN_BLOCK(2, 1) % groups, part = (int)QN_BLOCK(2, 1) / groups;
    const int id = (int)get_local_id(0), lane = id % QN_G, line = id / QN_G;
    const int k0 = (int)QN_BLOCK(0, QN_G * QN_G) * QN_N, m0 = (int)QN_BLOCK(1, 1) * QN_M;
    const long pixels = (long)N * P * Q;
    const int first = (int)(pixels * part / parts), last = (int)(pixels * (part + 1) / parts);
    int q = (first + line) % Q, p = (first + line) / Q % P, n = (first + line) / Q / P; /* the pixel this one loads */
    int row[QN_TM], column[QN_TM], channel[QN_TM];                                      /* and its rows (r,s,c) */
    float sum[QN_TM][QN_TN];

    x += x0 + group * group_c;
    dy += dy0 + group * group_k;
    partial += partial0 + (long)part * count * K;
#pragma unroll
    for (int i = 0; i < QN_TM; i++) {
        const int m = m0 + lane + i * QN_G;

        row[i] = m < count ? m / group_c / S * dilation_h - top : -(1 << 30);
        column[i] = m / group_c % S * dilation_w - left;
        channel[i] = m % group_c;
    }
#pragma unroll
    for (int i = 0; i < QN_TM; i++)
#pragma unroll
        for (int j = 0; j < QN_TN; j++)
            sum[i][j] = 0.0f;
    for (int b = first; b < last; b += QN_G) {
#pragma unroll
        for (int i = 0; i < QN_TM; i++) {
            const int h = p * stride_h + row[i], v = q * stride_w + column[i];
            const int inside = b + line < last && h >= 0 && h < H && v >= 0 && v < W;

            xs[line * QN_M + lane + i * QN_G] =
                inside ? qn_load(x, (((long)n * H + h) * W + v) * C + channel[i]) : 0.0f;
        }
#pragma unroll
        for (int j = 0; j < QN_TN; j++) {
            const int k = k0 + lane + j * QN_G;

            gs[line * QN_N + lane + j * QN_G] =
                b + line < last && k < group_k ? qn_load(dy, (long)(b + line) * K + k) : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 2
        for (int t = 0; t < QN_G; t++) {
            float g[QN_TN];

#pragma unroll
            for (int j = 0; j < QN_TN; j++)
                g[j] = gs[t * QN_N + lane + j * QN_G];
#pragma unroll
            for (int i = 0; i < QN_TM; i++) {
                const float v = xs[t * QN_M + line * QN_TM + i];

#pragma unroll
                for (int j = 0; j < QN_TN; j++)
                    sum[i][j] += v * g[j];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        q += QN_G;
        while (q >= Q) {
            q -= Q;
            p++;
        }
        while (p >= P) {
            p -= P;
            n++;
        }
    }
#pragma unroll
    for (int i = 0; i < QN_TM; i++)
#pragma unroll
        for (int j = 0; j < QN_TN; j++) {
            const int m = m0 + line * QN_TM + i, k = k0 + lane + j * QN_G;

            if (m < count && k < group_k)
                partial[(long)m * K + group * group_k + k] = sum[i][j];
        }
}
