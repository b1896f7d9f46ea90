/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Average-pooling of images, channels last, and its gradient.
 *
 *   y[n,p,q,c] = (sum over the r,s inside the image of x[n, p*stride_h - top + r, q*stride_w - left + s, c]) / count
 *   dx[n,h,w,c] = (sum over the windows p,q that hold h,w of dy[n,p,q,c] / count) * act'(aux)
 *
 * count is the number of r,s inside the image, or R * S with QN_COUNT_PAD 1.
 *
 * Grid and build parameters as in pool/maxpool; a row of work is n*P + p, and n*H + h in the gradient. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/act.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(avgpool)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0,
                      int rows, int rows_each, int H, int W, int C, int P, int Q, int R_, int S_, int stride_h_,
                      int stride_w_, int top, int left)
{
    const int R = QN_R ? QN_R : R_, S = QN_S ? QN_S : S_;
    const int stride_h = QN_STRIDE_H ? QN_STRIDE_H : stride_h_, stride_w = QN_STRIDE_W ? QN_STRIDE_W : stride_w_;
    const int first = (int)get_global_id(2) * rows_each;
    const int last = min(rows, first + rows_each);

    x += x0;
    y += y0;
    for (int row = first; row < last; row++) {
        const int n = row / P, p = row - n * P;
        const int h = p * stride_h - top;
        const int r0 = QN_PAD ? max(0, -h) : 0, r1 = QN_PAD ? min(R, H - h) : R;
        __global const QN_T *xn = x + (long)n * H * W * C;

        for (int q = (int)get_local_id(1); q < Q; q += QN_L1) {
            const int w = q * stride_w - left;
            const int s0 = QN_PAD ? max(0, -w) : 0, s1 = QN_PAD ? min(S, W - w) : S;
            const float share = 1.0f / (QN_COUNT_PAD ? (float)R * (float)S
                                                     : fmax(1.0f, (float)(r1 - r0) * (float)(s1 - s0)));

            for (int k = (int)get_local_id(0) * QN_V; k < C; k += QN_L0 * QN_V) {
                const int c = min(k, C - QN_V);
                QN_VF sum = 0;

                for (int r = r0; r < r1; r++) {
                    QN_VF line = 0; /* summed apart: a global pool has long windows */

                    for (int s = s0; s < s1; s++)
                        line += qn_vload(xn, ((long)(h + r) * W + w + s) * C + c);
                    sum += line;
                }
                qn_vstore(y, ((long)row * Q + q) * C + c, sum * share);
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(avgpool_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict aux, long aux0,
                           __global QN_T *restrict dx, long dx0, int rows, int rows_each, int H, int W, int C, int P,
                           int Q, int R_, int S_, int stride_h_, int stride_w_, int top, int left, float alpha)
{
    const int R = QN_R ? QN_R : R_, S = QN_S ? QN_S : S_;
    const int stride_h = QN_STRIDE_H ? QN_STRIDE_H : stride_h_, stride_w = QN_STRIDE_W ? QN_STRIDE_W : stride_w_;
    const int first = (int)get_global_id(2) * rows_each;
    const int last = min(rows, first + rows_each);

    dy += dy0;
    aux += aux0;
    dx += dx0;
    for (int row = first; row < last; row++) {
        const int n = row / H, h = row - n * H;
        const int p1 = min(P, (h + top) / stride_h + 1);
        const int p0 = max(0, h + top - R + stride_h) / stride_h;

        for (int w = (int)get_local_id(1); w < W; w += QN_L1) {
            const int q1 = min(Q, (w + left) / stride_w + 1);
            const int q0 = max(0, w + left - S + stride_w) / stride_w;

            for (int k = (int)get_local_id(0) * QN_V; k < C; k += QN_L0 * QN_V) {
                const int c = min(k, C - QN_V);
                const long i = ((long)row * W + w) * C + c;
                QN_VF g = 0;

                for (int p = p0; p < p1; p++) {
                    const int y0 = p * stride_h - top;
                    const int high = QN_COUNT_PAD ? R : min(R, H - y0) - max(0, -y0);

                    for (int q = q0; q < q1; q++) {
                        const int x0 = q * stride_w - left;
                        const int wide = QN_COUNT_PAD ? S : min(S, W - x0) - max(0, -x0);

                        g += qn_vload(dy, (((long)n * P + p) * Q + q) * C + c) * (1.0f / ((float)high * (float)wide));
                    }
                }
#if QN_ACT_GRAD
                g = qn_act_grad(g, qn_vload(aux, i), alpha);
#endif
                qn_vstore(dx, i, g);
            }
        }
    }
}
