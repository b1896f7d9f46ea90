/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Depthwise convolution and its data gradient, each channel by itself:
 *
 *   y[n,h,v,c] = epilogue(sum over r,s of x[n, i(h,r), j(v,s), c] * w[r,s,c])
 *
 * x, y, phases and their steps are those of conv2d_tile.cl; H x W is what is read, P x Q what is made.
 * A work-item makes rows of a phase, QN_V channels at a time, in tiles of QN_PX pixels where all filter columns meet x,
 * else pixel by pixel. The last vector of channels is moved back to end at C, so C >= QN_V.
 *
 * Grid: QN_L0 work-items side by side on the channels; 1; blocks of rows_each rows (n, row of the phase), times phases.
 * Build parameters: QN_DTYPE, QN_V, QN_PX; QN_BIAS, QN_RESIDUAL 0 or 1; QN_ACT, QN_ACT_GRAD see common/act.clh. */
#include "common/types.clh"
#include "common/narrow.clh"
#include "common/vec.clh"

#if !defined(QN_PX)
#error "QN_PX is required"
#endif
#if !defined(QN_BIAS) || !defined(QN_RESIDUAL) || !defined(QN_ACT) || !defined(QN_ACT_GRAD)
#error "QN_BIAS, QN_RESIDUAL, QN_ACT and QN_ACT_GRAD are required"
#endif
#include "common/act.clh"
#include "conv/phase.clh"

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_depthwise)(
    __global const QN_T *restrict x, long x0, __global const QN_T *restrict w, long w0, __global QN_T *restrict y,
    long y0, __global const QN_T *restrict bias, long bias0, __global const QN_T *restrict residual, long residual0,
    __global const QN_T *restrict aux, long aux0, int N, int H, int W, int C, int P, int Q, int R, int S, int stride_h,
    int stride_w, int dilation_h, int dilation_w, int top, int left, int step_h, int step_w, int backward,
    int rows_each, int blocks, float alpha)
{
    const int phase = (int)QN_BLOCK(2, 1) / blocks, block = (int)QN_BLOCK(2, 1) % blocks;
    const int part_h = backward ? stride_h : 1, part_w = backward ? stride_w : 1; /* phases */
    const int phase_h = phase / part_w, phase_w = phase % part_w;
    const int rows = (P - phase_h + part_h - 1) / part_h, columns = (Q - phase_w + part_w - 1) / part_w;
    int move_h = stride_h, move_w = stride_w;   /* in x, for the next pixel of the phase */
    int tap_h = dilation_h, tap_w = dilation_w; /* in x, for the next filter row */
    int from_h = -top, from_w = -left, r0 = 0, s0 = 0, reach, first, last;

    if (backward) {
        r0 = QN_NAME(first_row)(phase_h, top, dilation_h, stride_h, step_h, R);
        s0 = QN_NAME(first_row)(phase_w, left, dilation_w, stride_w, step_w, S);
        from_h = (phase_h + top - r0 * dilation_h) / stride_h;
        from_w = (phase_w + left - s0 * dilation_w) / stride_w;
        tap_h = -(step_h * dilation_h / stride_h);
        tap_w = -(step_w * dilation_w / stride_w);
        move_h = move_w = 1;
    }
    x += x0;
    w += w0;
    y += y0;
    /* Columns first to last - 1 of the phase meet x with every filter column. */
    reach = s0 < S ? (S - 1 - s0) / step_w * tap_w : 0;
    first = -(from_w + min(reach, 0));
    first = first > 0 ? (first + move_w - 1) / move_w : 0;
    last = W - 1 - from_w - max(reach, 0);
    last = last >= 0 ? min(last / move_w + 1, columns) : 0;
    for (int row = block * rows_each; row < min((block + 1) * rows_each, N * rows); row++) {
        const int n = row / rows, i = row % rows, h0 = i * move_h + from_h;
        __global const QN_T *xn = x + (long)n * H * W * C;
        const long out = (((long)n * P + i * part_h + phase_h) * Q + phase_w) * C;

        for (int k = (int)get_local_id(0) * QN_V; k < C; k += QN_L0 * QN_V) {
            const int c = min(k, C - QN_V);
            int j = 0;

            while (j < columns) {
                const int wide = j >= first && j + QN_PX <= last, pixels = wide ? QN_PX : 1;
                const int v0 = j * move_w + from_w;
                QN_VF sum[QN_PX];

#pragma unroll
                for (int a = 0; a < QN_PX; a++)
                    sum[a] = (QN_VF)(0.0f);
                for (int r = r0, h = h0; r < R; r += step_h, h += tap_h)
                    for (int s = s0, v = v0; s < S && h >= 0 && h < H; s += step_w, v += tap_w) {
                        const long at = ((long)h * W + v) * C + c;
                        const QN_VF f = qn_vload(w, ((long)r * S + s) * C + c);

                        if (wide) {
#pragma unroll
                            for (int a = 0; a < QN_PX; a++)
                                sum[a] += qn_vload(xn, at + (long)a * move_w * C) * f;
                        } else if (v >= 0 && v < W) {
                            sum[0] += qn_vload(xn, at) * f;
                        }
                    }
#pragma unroll
                for (int a = 0; a < QN_PX; a++) {
                    const long to = out + (long)(j + a) * part_w * C + c;
                    QN_VF t = sum[a];

                    if (a >= pixels)
                        continue;
#if QN_BIAS
                    t += qn_vload(bias, bias0 + c);
#endif
#if QN_RESIDUAL
                    t += qn_vload(residual, residual0 + to);
#endif
                    t = qn_act(t, alpha);
#if QN_ACT_GRAD
                    t = qn_act_grad(t, qn_vload(aux, aux0 + to), alpha);
#endif
                    qn_vstore(y, to, t);
                }
                j += pixels;
            }
        }
    }
}
