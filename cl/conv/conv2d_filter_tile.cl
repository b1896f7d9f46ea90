/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The filter's gradient for CPUs, in two passes: partial sums over parts of the pixels, then their sum.
 *
 *   dw[r,s,c,k] = sum over n,p,q of x[n, p * stride_h - top + r * dilation_h, q * stride_w - left + s * dilation_w, c]
 *                                   * dy[n,p,q,k]
 *
 * The pixels are cut into blocks of block_n images, block_p rows and block_q columns. A work-item copies a block of
 * dy and the patch of x that it meets to local memory, zeros around the image included, and then knows no edges and
 * no odd ends. In the patch the channels of filter columns that follow each other are neighbours: a run of span *
 * chunk_c values, where span is S, or 1 where columns are dilated (then each column is a tap of its own). A tile is
 * QN_MR values of a run times QN_NV * QN_VW channels k; its sums are in registers while it goes through a block, and
 * else in partial:
 *
 *   partial [part][group][block of k][chunk of c][tap][run, rounded up to QN_MR][QN_NV * QN_VW]
 *
 * Grid: blocks of k times chunks; groups; parts. Local size 1.
 * Local memory: patch + QN_MR floats, and block_n * block_p * block_q * QN_NV * QN_VW floats.
 * Build parameters: QN_VW, QN_NV, QN_MR. conv2d_filter_sum.cl adds the parts up. */
#include "common/types.clh"

#if !defined(QN_VW) || !defined(QN_NV) || !defined(QN_MR)
#error "QN_VW, QN_NV and QN_MR are required"
#endif
#define QN_BLOCK (QN_NV * QN_VW)
#include "conv/tile.clh"

/* count pieces of n floats, from_step and to_step apart; what is left of to_step becomes zero. */
static inline void QN_NAME(copy)(__local float *to, int to_step, __global const float *from,
                                 long from_step, int n, int count)
{
#pragma unroll 1
    for (int c = 0; c < count; c++, to += to_step, from += from_step) {
        int i = 0;

#pragma unroll 1
        for (; i + QN_VW <= n; i += QN_VW)
            QN_VSTORE(QN_VLOAD(from + i), to + i);
#pragma unroll 1
        for (; i < n; i++)
            to[i] = from[i];
#pragma unroll 1
        for (; i < to_step; i++)
            to[i] = 0.0f;
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_filter_tile)(
    __global const float *restrict x, long x0, __global const float *restrict dy, long dy0,
    __global float *restrict partial, long partial0, __local float *restrict patch, __local float *restrict block,
    int N, int H, int W, int C, int P, int Q, int K, int R, int S, int stride_h, int stride_w, int dilation_h,
    int dilation_w, int top, int left, int groups, int chunk_c, int span, int block_n, int block_p, int block_q,
    int parts, int items)
{
    const int group_c = C / groups, group_k = K / groups, group = (int)get_global_id(1), part = (int)get_global_id(2);
    const int chunks = (group_c + chunk_c - 1) / chunk_c;
    const int k0 = (int)(get_global_id(0) / chunks) * QN_BLOCK, c0 = (int)(get_global_id(0) % chunks) * chunk_c;
    const int lanes = min(group_k - k0, QN_BLOCK), cn = min(group_c - c0, chunk_c);
    const int across = (Q + block_q - 1) / block_q, down = (P + block_p - 1) / block_p;
    const int blocks = across * down * ((N + block_n - 1) / block_n);
    const int taps = R * (S / span), run = span * chunk_c, run_up = (run + QN_MR - 1) / QN_MR * QN_MR;
    const int whole = chunk_c == C;
    const int first = (int)((long)blocks * part / parts), last = (int)((long)blocks * (part + 1) / parts);

    x += x0 + group * group_c + c0;
    dy += dy0 + group * group_k + k0;
    partial +=
        partial0 + (((long)part * groups + group) * items + get_global_id(0)) * taps * run_up * QN_BLOCK;
    for (int b = first; b < last; b++) {
        const int q0 = b % across * block_q, p0 = b / across % down * block_p, n0 = b / across / down * block_n;
        const int qn = min(Q - q0, block_q), pn = min(P - p0, block_p), nn = min(N - n0, block_n);
        const int wide = (qn - 1) * stride_w + (S - 1) * dilation_w + 1;
        const int high = (pn - 1) * stride_h + (R - 1) * dilation_h + 1;
        const int left_v = q0 * stride_w - left, top_h = p0 * stride_h - top;
        const int v0 = clamp(-left_v, 0, wide), v1 = clamp(W - left_v, v0, wide);

        for (int i = 0; i < nn * high; i++) {
            __local float *to = patch + i * wide * chunk_c;
            const int h = top_h + i % high;
            __global const float *from = x + (((long)(n0 + i / high) * H + h) * W + left_v + v0) * C;

            if (h < 0 || h >= H || v0 > 0 || v1 < wide) {
#pragma unroll 1
                for (int j = 0; j < wide * chunk_c; j++)
                    to[j] = 0.0f;
            }
            to += v0 * chunk_c;
            if (h >= 0 && h < H)
                QN_NAME(copy)
            (to, whole ? (v1 - v0) * C : chunk_c, from, C, whole ? (v1 - v0) * C : cn, whole ? 1 : v1 - v0);
        }
        for (int i = 0; i < nn * pn; i++)
            QN_NAME(copy)
        (block + i * qn * QN_BLOCK, QN_BLOCK, dy + (((long)(n0 + i / pn) * P + p0 + i % pn) * Q + q0) * K, K, lanes,
         qn);
        for (int t = 0; t < taps; t++) {
            const int r = t / (S / span), s = t % (S / span);
            __local const float *at = patch + (r * dilation_h * wide + s * dilation_w) * chunk_c;

            for (int m = 0; m < run; m += QN_MR) {
                __global float *sums = partial + ((long)t * run_up + m) * QN_BLOCK;
                __local const float *g = block;
                QN_VF sum[QN_MR][QN_NV];

#pragma unroll
                for (int i = 0; i < QN_MR; i++)
#pragma unroll
                    for (int j = 0; j < QN_NV; j++)
                        sum[i][j] = b == first ? (QN_VF)(0.0f) : QN_VLOAD(sums + i * QN_BLOCK + j * QN_VW);
                for (int n = 0; n < nn; n++)
                    for (int p = 0; p < pn; p++) {
                        __local const float *a = at + (n * high + p * stride_h) * wide * chunk_c + m;

                        for (int q = 0; q < qn; q++) {
                            QN_VF gv[QN_NV];

#pragma unroll
                            for (int j = 0; j < QN_NV; j++)
                                gv[j] = QN_VLOAD(g + j * QN_VW);
#pragma unroll
                            for (int i = 0; i < QN_MR; i++) {
                                const QN_VF v = (QN_VF)(a[i]);

#pragma unroll
                                for (int j = 0; j < QN_NV; j++)
                                    sum[i][j] += v * gv[j];
                            }
                            g += QN_BLOCK;
                            a += stride_w * chunk_c;
                        }
                    }
#pragma unroll
                for (int i = 0; i < QN_MR; i++)
#pragma unroll
                    for (int j = 0; j < QN_NV; j++)
                        QN_VSTORE(sum[i][j], sums + i * QN_BLOCK + j * QN_VW);
            }
        }
    }
}
