/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradient of max-pooling whose windows overlap, in two steps and without atomics: which pixel won in each window,
 * then every pixel asks the windows it lies in.
 *
 *   which[n,p,q,c] = r * S + s of the first largest x in the window
 *   dx[n,h,w,c] = (sum over the windows p,q that hold h,w of dy[n,p,q,c] where which[n,p,q,c] is h,w) * act'(aux)
 *
 * Grid and build parameters as in pool/maxpool; a row of work is n*P + p in the first step and n*H + h in the second.
 * QN_WIDE 0: which is uchar, so R * S <= 256; 1: int. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/act.clh"

#if QN_WIDE
#define QN_WHICH int
#else
#define QN_WHICH uchar
#endif
#if QN_V == 1
#define QN_LOAD_WHICH(p, i) ((int)(p)[i])
#define QN_STORE_WHICH(p, i, v) ((p)[i] = (QN_WHICH)(v))
#else
#define QN_LOAD_WHICH(p, i) QN_VN(convert_int)(QN_VN(vload)(0, (p) + (i)))
#define QN_STORE_WHICH(p, i, v) QN_VN(vstore)(QN_VN(QN_CAT(convert_, QN_WHICH))(v), 0, (p) + (i))
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(maxpool_which)(__global const QN_T *restrict x, long x0, __global QN_WHICH *restrict which, long which0,
                            int rows, int rows_each, int H, int W, int C, int P, int Q, int R_, int S_, int stride_h_,
                            int stride_w_, int top, int left)
{
    const int R = QN_R ? QN_R : R_, S = QN_S ? QN_S : S_;
    const int stride_h = QN_STRIDE_H ? QN_STRIDE_H : stride_h_, stride_w = QN_STRIDE_W ? QN_STRIDE_W : stride_w_;
    const int first = (int)get_global_id(2) * rows_each;
    const int last = min(rows, first + rows_each);

    x += x0;
    which += which0;
    for (int row = first; row < last; row++) {
        const int n = row / P, p = row - n * P;
        const int h = p * stride_h - top;
        const int r0 = QN_PAD ? max(0, -h) : 0, r1 = QN_PAD ? min(R, H - h) : R;
        __global const QN_T *xn = x + (long)n * H * W * C;

        for (int q = (int)get_local_id(1); q < Q; q += QN_L1) {
            const int w = q * stride_w - left;
            const int s0 = QN_PAD ? max(0, -w) : 0, s1 = QN_PAD ? min(S, W - w) : S;

            for (int k = (int)get_local_id(0) * QN_V; k < C; k += QN_L0 * QN_V) {
                const int c = min(k, C - QN_V);
                QN_VF m = -INFINITY;
                QN_VI at = r0 * S + s0;

                for (int r = r0; r < r1; r++)
                    for (int s = s0; s < s1; s++) {
                        const QN_VF v = qn_vload(xn, ((long)(h + r) * W + w + s) * C + c);
                        const QN_VI better = (v > m) | ((v != v) & (m == m));

                        m = select(m, v, better);
                        at = select(at, (QN_VI)(r * S + s), better);
                    }
                QN_STORE_WHICH(which, ((long)row * Q + q) * C + c, at);
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(maxpool_gather)(__global const QN_T *restrict dy, long dy0, __global const QN_WHICH *restrict which,
                             long which0, __global const QN_T *restrict aux, long aux0, __global QN_T *restrict dx,
                             long dx0, int rows, int rows_each, int H, int W, int C, int P, int Q, int R_, int S_,
                             int stride_h_, int stride_w_, int top, int left, float alpha)
{
    const int R = QN_R ? QN_R : R_, S = QN_S ? QN_S : S_;
    const int stride_h = QN_STRIDE_H ? QN_STRIDE_H : stride_h_, stride_w = QN_STRIDE_W ? QN_STRIDE_W : stride_w_;
    const int first = (int)get_global_id(2) * rows_each;
    const int last = min(rows, first + rows_each);

    dy += dy0;
    which += which0;
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

                for (int p = p0; p < p1; p++)
                    for (int q = q0; q < q1; q++) {
                        const int here = (h + top - p * stride_h) * S + w + left - q * stride_w;
                        const long at = (((long)n * P + p) * Q + q) * C + c;

                        g += select((QN_VF)0, qn_vload(dy, at), QN_LOAD_WHICH(which, at) == (QN_VI)here);
                    }
#if QN_ACT_GRAD
                g = qn_act_grad(g, qn_vload(aux, i), alpha);
#endif
                qn_vstore(dx, i, g);
            }
        }
    }
}
