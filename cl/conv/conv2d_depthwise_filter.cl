/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The filter's gradient of depthwise convolution, over parts of the rows (n,p), which
 * conv2d_filter_gemm_sum.cl adds up:
 *
 *   partial[part,r,s,c] = sum over the part's n,p and over q of x[n,h,v,c] * dy[n,p,q,c]
 *   h = p * stride_h - top + r * dilation_h,  v = q * stride_w - left + s * dilation_w
 *
 * partial holds the sums between rows, of which a work-item takes all taps while they are near.
 *
 * Grid: QN_L0 work-items for each QN_L0 vectors of channels, of which C is a multiple; parts.
 * Build parameters: QN_DTYPE, QN_V. */
#include "common/types.clh"
#include "common/vec.clh"

#if QN_V == 1
#define QN_LOAD(p)     (*(p))
#define QN_STORE(v, p) (*(p) = (v))
#else
#define QN_LOAD(p)     QN_VN(vload)(0, p)
#define QN_STORE(v, p) QN_VN(vstore)(v, 0, p)
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_depthwise_filter)(
    __global const QN_T *restrict x, long x0, __global const QN_T *restrict dy, long dy0,
    __global float *restrict partial, long partial0, int N, int H, int W, int C, int P, int Q, int R, int S,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left, int parts)
{
    const int c = (int)get_global_id(0) * QN_V, part = (int)get_global_id(1);
    const int first = (int)((long)N * P * part / parts), last = (int)((long)N * P * (part + 1) / parts);

    if (c >= C)
        return;
    x += x0 + c;
    dy += dy0 + c;
    partial += partial0 + (long)part * R * S * C + c;
    for (int t = 0; t < R * S; t++)
        QN_STORE((QN_VF)(0.0f), partial + (long)t * C);
    for (int row = first; row < last; row++) {
        const int n = row / P, p = row % P;
        const long at = (long)row * Q;

        for (int t = 0; t < R * S; t++) {
            const int h = p * stride_h - top + t / S * dilation_h, v0 = t % S * dilation_w - left;
            const int q0 = v0 < 0 ? (stride_w - 1 - v0) / stride_w : 0; /* the columns where this tap meets x */
            const int q1 = W - 1 - v0 >= 0 ? min((W - 1 - v0) / stride_w + 1, Q) : 0;
            const long from = ((long)n * H + h) * W + v0;
            QN_VF sum[4];
            int q = q0;

            if (h < 0 || h >= H)
                continue;
            sum[0] = QN_LOAD(partial + (long)t * C);
            sum[1] = sum[2] = sum[3] = (QN_VF)(0.0f);
            for (; q + 4 <= q1; q += 4)
#pragma unroll
                for (int a = 0; a < 4; a++)
                    sum[a] += qn_vload(x, (from + (q + a) * stride_w) * C) * qn_vload(dy, (at + q + a) * C);
            for (; q < q1; q++)
                sum[0] += qn_vload(x, (from + q * stride_w) * C) * qn_vload(dy, (at + q) * C);
            QN_STORE((sum[0] + sum[1]) + (sum[2] + sum[3]), partial + (long)t * C);
        }
    }
}
