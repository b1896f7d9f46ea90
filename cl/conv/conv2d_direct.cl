/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Convolution and its two gradients, one work-item an element of the result; y[n,p,q,k], x[n,h,v,c], w[r,s,c,k].
 *
 *   h = p * stride_h - top + r * dilation_h,  v = q * stride_w - left + s * dilation_w
 *
 * C and K count all groups, group_c and group_k one; c of w is within its group.
 *
 * Grid: work-items cover total, the elements of the result; any QN_L0.
 * Build parameters: QN_DTYPE; QN_BIAS, QN_RESIDUAL 0 or 1; QN_ACT, QN_ACT_GRAD see common/act.clh. */
#include "common/types.clh"

#if !defined(QN_BIAS) || !defined(QN_RESIDUAL) || !defined(QN_ACT) || !defined(QN_ACT_GRAD)
#error "QN_BIAS, QN_RESIDUAL, QN_ACT and QN_ACT_GRAD are required"
#endif
#define QN_VF float
#include "common/act.clh"

/* Store sum as element i, of channel k. */
static inline void QN_NAME(finish)(__global QN_T *y, long i, int k, float sum,
                                   __global const QN_T *bias, __global const QN_T *residual,
                                   __global const QN_T *aux, float alpha)
{
#if QN_BIAS
    sum += qn_load(bias, k);
#endif
#if QN_RESIDUAL
    sum += qn_load(residual, i);
#endif
    sum = qn_act(sum, alpha);
#if QN_ACT_GRAD
    sum = qn_act_grad(sum, qn_load(aux, i), alpha);
#endif
    qn_store(y, i, sum);
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_direct)(
    __global const QN_T *restrict x, long x0, __global const QN_T *restrict w, long w0, __global QN_T *restrict y,
    long y0, __global const QN_T *restrict bias, long bias0, __global const QN_T *restrict residual, long residual0,
    __global const QN_T *restrict aux, long aux0, long total, long N, int H, int W, int C, int P, int Q, int K, int R,
    int S, int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left, int group_c, int group_k,
    float alpha)
{
    const long i = get_global_id(0);
    const int k = (int)(i % K), q = (int)(i / K % Q), p = (int)(i / K / Q % P);
    const long n = i / K / Q / P;
    float sum = 0.0f;

    if (i >= total)
        return;
    x += x0 + n * H * W * C + k / group_k * group_c;
    w += w0 + k;
    for (int r = 0; r < R; r++) {
        const int h = p * stride_h - top + r * dilation_h;

        for (int s = 0; s < S && h >= 0 && h < H; s++) {
            const int v = q * stride_w - left + s * dilation_w;

            if (v >= 0 && v < W)
                for (int c = 0; c < group_c; c++)
                    sum += qn_load(x, ((long)h * W + v) * C + c) * qn_load(w, (((long)r * S + s) * group_c + c) * K);
        }
    }
    QN_NAME(finish)(y + y0, i, k, sum, bias + bias0, residual + residual0, aux + aux0, alpha);
}

/* dx[n,h,v,c] = sum over r,s,k of dy[n,p,q,k] * w[r,s,c,k] */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_direct_data)(
    __global const QN_T *restrict dy, long dy0, __global const QN_T *restrict w, long w0, __global QN_T *restrict dx,
    long dx0, __global const QN_T *restrict bias, long bias0, __global const QN_T *restrict residual, long residual0,
    __global const QN_T *restrict aux, long aux0, long total, long N, int H, int W, int C, int P, int Q, int K, int R,
    int S, int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left, int group_c, int group_k,
    float alpha)
{
    const long i = get_global_id(0);
    const int c = (int)(i % C), v = (int)(i / C % W), h = (int)(i / C / W % H);
    const long n = i / C / W / H;
    const int k0 = c / group_c * group_k;
    float sum = 0.0f;

    if (i >= total)
        return;
    dy += dy0 + n * P * Q * K + k0;
    w += w0 + (long)(c % group_c) * K + k0;
    for (int r = 0; r < R; r++) {
        const int up = h + top - r * dilation_h, p = up / stride_h;

        for (int s = 0; s < S && up >= 0 && p < P && p * stride_h == up; s++) {
            const int across = v + left - s * dilation_w, q = across / stride_w;

            if (across >= 0 && q < Q && q * stride_w == across)
                for (int k = 0; k < group_k; k++)
                    sum += qn_load(dy, ((long)p * Q + q) * K + k) * qn_load(w, ((long)r * S + s) * group_c * K + k);
        }
    }
    QN_NAME(finish)(dx + dx0, i, c, sum, bias + bias0, residual + residual0, aux + aux0, alpha);
}

/* dw[r,s,c,k] = sum over n,p,q of x[n,h,v,c] * dy[n,p,q,k] */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_direct_filter)(
    __global const QN_T *restrict x, long x0, __global const QN_T *restrict dy, long dy0, __global QN_T *restrict dw,
    long dw0, __global const QN_T *restrict bias, long bias0, __global const QN_T *restrict residual, long residual0,
    __global const QN_T *restrict aux, long aux0, long total, long N, int H, int W, int C, int P, int Q, int K, int R,
    int S, int stride_h, int stride_w, int dilation_h, int dilation_w, int top, int left, int group_c, int group_k,
    float alpha)
{
    const long i = get_global_id(0);
    const int k = (int)(i % K), c = (int)(i / K % group_c), s = (int)(i / K / group_c % S),
              r = (int)(i / K / group_c / S);
    float sum = 0.0f;

    if (i >= total)
        return;
    x += x0 + k / group_k * group_c + c;
    dy += dy0 + k;
    for (long n = 0; n < N; n++)
        for (int p = 0; p < P; p++) {
            const int h = p * stride_h - top + r * dilation_h;
            float row = 0.0f;

            for (int q = 0; q < Q && h >= 0 && h < H; q++) {
                const int v = q * stride_w - left + s * dilation_w;

                if (v >= 0 && v < W)
                    row += qn_load(x, ((n * H + h) * W + v) * C) * qn_load(dy, ((n * P + p) * Q + q) * K);
            }
            sum += row;
        }
    QN_NAME(finish)(dw + dw0, i, k, sum, bias + bias0, residual + residual0, aux + aux0, alpha);
}
