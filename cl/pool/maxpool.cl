/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Max-pooling of images, channels last.
 *
 *   y[n,p,q,c] = max over r,s of x[n, p*stride_h - top + r, q*stride_w - left + s, c]
 *
 * Padding never wins, of equal values the first one does, and a NaN is passed on.
 *
 * Grid: work-groups (1, 1, blocks of rows n*P + p), QN_L0 * QN_L1 work-items: QN_L0 of them side by side on the
 * channels, in vectors of QN_V, QN_L1 on the columns. The last vector of channels is moved back to end at C, so C >= QN_V.
 *
 * Build parameters: QN_DTYPE, QN_V, QN_L0..2; QN_R, QN_S window size, or 0: given as arguments; QN_STRIDE_H,
 * QN_STRIDE_W, or 0; QN_PAD 0: no window reaches outside; QN_ACT_GRAD see common/act.clh (maxpool_grad). */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/act.clh"

/* A small window of known size is gone through without loops. */
#define QN_SMALL (QN_R > 0 && QN_R * QN_S <= 9)

/* Equal, a NaN to a NaN too: a maximum is NaN only where the window holds one, and then the first of them won. */
#define QN_EQUAL(a, b) (((a) == (b)) | ((a) != (a)))

static inline QN_VF QN_NAME(max_of)(QN_VF m, QN_VF x)
{
    return select(m, x, (x > m) | (x != x));
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(maxpool)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0,
                      int rows, int rows_each, int H, int W, int C, int P, int Q, int R_, int S_, int stride_h_,
                      int stride_w_, int top, int left)
{
    const int R = QN_R ? QN_R : R_, S = QN_S ? QN_S : S_;
    const int stride_h = QN_STRIDE_H ? QN_STRIDE_H : stride_h_, stride_w = QN_STRIDE_W ? QN_STRIDE_W : stride_w_;
    const int first = (int)get_global_id(2) * rows_each;
    const int last = min(rows, first + rows_each);
    const long line = (long)W * C;

    x += x0;
    y += y0;
    for (int row = first; row < last; row++) {
        const int n = row / P, p = row - n * P;
        const int h = p * stride_h - top;
        const int r0 = QN_PAD ? max(0, -h) : 0, r1 = QN_PAD ? min(R, H - h) : R;
        __global const QN_T *xn = x + (long)n * H * W * C;
        __global QN_T *yr = y + (long)row * Q * C;

        for (int q = (int)get_local_id(1); q < Q; q += QN_L1) {
            const int w = q * stride_w - left;
            const int s0 = QN_PAD ? max(0, -w) : 0, s1 = QN_PAD ? min(S, W - w) : S;

            for (int k = (int)get_local_id(0) * QN_V; k < C; k += QN_L0 * QN_V) {
                const int c = min(k, C - QN_V);
                const long at = ((long)h * W + w) * C + c;
                QN_VF m = -INFINITY;

#if QN_SMALL && !QN_PAD
#pragma unroll
#endif
                for (int r = r0; r < r1; r++)
#if QN_SMALL && !QN_PAD
#pragma unroll
#endif
                    for (int s = s0; s < s1; s++)
                        m = QN_NAME(max_of)(m, qn_vload(xn, at + r * line + s * C));
                qn_vstore(yr, (long)q * C + c, m);
            }
        }
    }
}

/* Windows that do not overlap: each pixel has one window or none.
 *
 *   dx[n,h,w,c] = dy[n,p,q,c] where x[n,h,w,c] is the first of its window that equals y[n,p,q,c], else 0
 *   dx = dx * act'(aux)
 *
 * A row of work is an output row p with the input rows from its window's first (the image's first for p = 0) to the
 * next window's first (the image's end for the last p); likewise along the columns. */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(maxpool_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict x, long x0,
                           __global const QN_T *restrict y, long y0, __global const QN_T *aux, long aux0,
                           __global QN_T *restrict dx, long dx0,
                           int rows, int rows_each, int H, int W, int C, int P, int Q, int R_, int S_, int stride_h_,
                           int stride_w_, int top, int left, float alpha)
{
    const int R = QN_R ? QN_R : R_, S = QN_S ? QN_S : S_;
    const int stride_h = QN_STRIDE_H ? QN_STRIDE_H : stride_h_, stride_w = QN_STRIDE_W ? QN_STRIDE_W : stride_w_;
    const int first = (int)get_global_id(2) * rows_each;
    const int last = min(rows, first + rows_each);
    const long line = (long)W * C;

    dy += dy0;
    x += x0;
    y += y0;
    aux += aux0;
    dx += dx0;
    for (int row = first; row < last; row++) {
        const int n = row / P, p = row - n * P;
        const int h0 = p * stride_h - top;
        const int h1 = p == 0 ? 0 : h0, h2 = p == P - 1 ? H : h0 + stride_h;
        const long image = (long)n * H * W * C;

        for (int q = (int)get_local_id(1); q < Q; q += QN_L1) {
            const int w0 = q * stride_w - left;
            const int w1 = q == 0 ? 0 : w0, w2 = q == Q - 1 ? W : w0 + stride_w;
            const int inside = h1 == h0 && h2 == h0 + R && w1 == w0 && w2 == w0 + S;

            for (int k = (int)get_local_id(0) * QN_V; k < C; k += QN_L0 * QN_V) {
                const int c = min(k, C - QN_V);
                const long at = ((long)row * Q + q) * C + c;
                const QN_VF best = qn_vload(y, at), d = qn_vload(dy, at);
                QN_VI open = -1; /* lanes whose winner is still to come */

                if (inside) {
                    const long corner = image + ((long)h0 * W + w0) * C + c;

#if QN_SMALL
#pragma unroll
#endif
                    for (int r = 0; r < R; r++)
#if QN_SMALL
#pragma unroll
#endif
                        for (int s = 0; s < S; s++) {
                            const long i = corner + r * line + s * C;
                            const QN_VF v = qn_vload(x, i);
                            const QN_VI hit = open & QN_EQUAL(v, best);
                            QN_VF g = select((QN_VF)0, d, hit);

                            open &= ~hit;
#if QN_ACT_GRAD
                            g = qn_act_grad(g, qn_vload(aux, i), alpha);
#endif
                            qn_vstore(dx, i, g);
                        }
                } else {
                    for (int h = h1; h < h2; h++)
                        for (int w = w1; w < w2; w++) {
                            const long i = image + ((long)h * W + w) * C + c;
                            const QN_VF v = qn_vload(x, i);
                            const QN_VI within = (QN_VI)(h >= h0 && h < h0 + R && w >= w0 && w < w0 + S ? -1 : 0);
                            const QN_VI hit = open & within & QN_EQUAL(v, best);
                            QN_VF g = select((QN_VF)0, d, hit);

                            open &= ~hit;
#if QN_ACT_GRAD
                            g = qn_act_grad(g, qn_vload(aux, i), alpha);
#endif
                            qn_vstore(dx, i, g);
                        }
                }
            }
        }
    }
}
