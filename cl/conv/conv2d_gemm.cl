/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Convolution and its data gradient for GPUs, as a matrix product that is never laid out:
 *
 *   y[pixel, j] = epilogue(sum over t of X[pixel, t] * F[t, j])
 *
 * A term t is (r, s, c): X gathers x, and F is the filter, of which the data gradient takes the channels the other way
 * round. x, y, phases and their steps are those of conv2d_tile.cl; H x W x C is what is read, P x Q x K what is made.
 *
 * A work-group of QN_G * QN_G makes QN_G * QN_TM pixels of QN_G * QN_TN channels, QN_G terms at a time through local
 * memory. Work-items that follow each other read terms that do (backward those of the filter too), and write channels
 * that do.
 *
 * Grid: blocks of channels in a group; blocks of pixels of the largest phase; groups times phases.
 * Local size: QN_G * QN_G.
 * Build parameters: QN_DTYPE; QN_G, QN_TM, QN_TN; QN_BACKWARD, QN_BIAS, QN_RESIDUAL 0 or 1; QN_ACT, QN_ACT_GRAD see
 * common/act.clh. */
#include "common/types.clh"
#include "common/narrow.clh"

#if !defined(QN_G) || !defined(QN_TM) || !defined(QN_TN) || !defined(QN_BACKWARD)
#error "QN_G, QN_TM, QN_TN and QN_BACKWARD are required"
#endif
#if !defined(QN_BIAS) || !defined(QN_RESIDUAL) || !defined(QN_ACT) || !defined(QN_ACT_GRAD)
#error "QN_BIAS, QN_RESIDUAL, QN_ACT and QN_ACT_GRAD are required"
#endif
#define QN_VF float
#define QN_M  (QN_G * QN_TM)
#define QN_N  (QN_G * QN_TN)
#include "common/act.clh"
#include "conv/phase.clh"

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_gemm)(
    __global const QN_T *restrict x, long x0, __global const QN_T *restrict w, long w0, __global QN_T *restrict y, long y0,
    __global const QN_T *restrict bias, long bias0, __global const QN_T *restrict residual, long residual0,
    __global const QN_T *restrict aux, long aux0, int N, int H, int W, int C, int P, int Q, int K, int R, int S, int stride_h,
    int stride_w, int dilation_h, int dilation_w, int top, int left, int groups, int step_h, int step_w, float alpha)
{
    __local float xs[QN_G * (QN_M + 1)], fs[QN_G * (QN_N + 1)];
    const int group_c = C / groups, group_k = K / groups;
    const int group = (int)QN_BLOCK(2, 1) % groups, phase = (int)QN_BLOCK(2, 1) / groups;
    const int part_h = QN_BACKWARD ? stride_h : 1, part_w = QN_BACKWARD ? stride_w : 1; /* phases */
    const int phase_h = phase / part_w, phase_w = phase % part_w;
    const int rows = (P - phase_h + part_h - 1) / part_h, columns = (Q - phase_w + part_w - 1) / part_w;
    const int pixels = N * rows * columns, m0 = (int)QN_BLOCK(1, 1) * QN_M;
    const int id = (int)get_local_id(0), lane = id % QN_G, line = id / QN_G;
    const int j0 = (int)QN_BLOCK(0, QN_G * QN_G) * QN_N;
    int move_h = stride_h, move_w = stride_w;   /* in x, for the next pixel of the phase */
    int tap_h = dilation_h, tap_w = dilation_w; /* in x, for the next filter row */
    int from_h = -top, from_w = -left, r0 = 0, s0 = 0;
    int taps_h = R, taps_w = S;    /* filter rows and columns of the phase */
    int r, s, c = lane;            /* the term that this work-item loads: the r-th row of the phase */
    int row[QN_TM], column[QN_TM]; /* and where the pixels it loads begin in x */
    long at[QN_TM];
    float sum[QN_TM][QN_TN];

    if (QN_BACKWARD) {
        r0 = QN_NAME(first_row)(phase_h, top, dilation_h, stride_h, step_h, R);
        s0 = QN_NAME(first_row)(phase_w, left, dilation_w, stride_w, step_w, S);
        from_h = (phase_h + top - r0 * dilation_h) / stride_h;
        from_w = (phase_w + left - s0 * dilation_w) / stride_w;
        tap_h = -(step_h * dilation_h / stride_h);
        tap_w = -(step_w * dilation_w / stride_w);
        taps_h = (R - r0 + step_h - 1) / step_h;
        taps_w = (S - s0 + step_w - 1) / step_w;
        move_h = move_w = 1;
    }
    x += x0 + group * group_c;
    w += w0;
    r = s = 0;
    while (c >= group_c) {
        c -= group_c;
        s++;
    }
    while (s >= taps_w && taps_w > 0) {
        s -= taps_w;
        r++;
    }
#pragma unroll
    for (int i = 0; i < QN_TM; i++) {
        const int m = m0 + line + i * QN_G, n = m / columns / rows;

        row[i] = m < pixels ? m / columns % rows * move_h + from_h : -(1 << 30);
        column[i] = m % columns * move_w + from_w;
        at[i] = (long)n * H * W * C;
    }
#pragma unroll
    for (int i = 0; i < QN_TM; i++)
#pragma unroll
        for (int j = 0; j < QN_TN; j++)
            sum[i][j] = 0.0f;
    for (int t0 = 0; t0 < taps_h * taps_w * group_c; t0 += QN_G) {
#pragma unroll
        for (int i = 0; i < QN_TM; i++) {
            const int h = row[i] + r * tap_h, v = column[i] + s * tap_w;
            const int inside = r < taps_h && h >= 0 && h < H && v >= 0 && v < W;

            xs[lane * (QN_M + 1) + line + i * QN_G] = inside ? qn_load(x, at[i] + ((long)h * W + v) * C + c) : 0.0f;
        }
#pragma unroll
        for (int i = 0; i < QN_TN; i++) {
#if QN_BACKWARD
            const int j = line + i * QN_G; /* a channel of the image; c is one of the result */
            const int inside = r < taps_h && j0 + j < group_k;
            const long from = (((long)(r0 + r * step_h) * S + s0 + s * step_w) * group_k + j0 + j) * C + group * group_c + c;

            fs[lane * (QN_N + 1) + j] = inside ? qn_load(w, from) : 0.0f;
#else
            const int j = lane + i * QN_G, t = t0 + line; /* terms are the filter's rows as they are */
            const int inside = t < R * S * group_c && j0 + j < group_k;

            fs[line * (QN_N + 1) + j] = inside ? qn_load(w, (long)t * K + group * group_k + j0 + j) : 0.0f;
#endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 2
        for (int t = 0; t < QN_G; t++) {
            float f[QN_TN];

#pragma unroll
            for (int j = 0; j < QN_TN; j++)
                f[j] = fs[t * (QN_N + 1) + lane + j * QN_G];
#pragma unroll
            for (int i = 0; i < QN_TM; i++) {
                const float v = xs[t * (QN_M + 1) + line * QN_TM + i];

#pragma unroll
                for (int j = 0; j < QN_TN; j++)
                    sum[i][j] += v * f[j];
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        c += QN_G;
        while (c >= group_c) {
            c -= group_c;
            s++;
        }
        while (s >= taps_w) {
            s -= taps_w;
            r++;
        }
    }
#pragma unroll
    for (int i = 0; i < QN_TM; i++) {
        const int m = m0 + line * QN_TM + i, n = m / columns / rows;
        const long out = (((long)n * P + m / columns % rows * part_h + phase_h) * Q + m % columns * part_w + phase_w) * K;

#pragma unroll
        for (int j = 0; j < QN_TN; j++) {
            const int k = group * group_k + j0 + lane + j * QN_G;
            float v = sum[i][j];

            if (m >= pixels || j0 + lane + j * QN_G >= group_k)
                continue;
#if QN_BIAS
            v += qn_load(bias, bias0 + k);
#endif
#if QN_RESIDUAL
            v += qn_load(residual, residual0 + out + k);
#endif
            v = qn_act(v, alpha);
#if QN_ACT_GRAD
            v = qn_act_grad(v, qn_load(aux, aux0 + out + k), alpha);
#endif
            qn_store(y, y0 + out + k, v);
        }
    }
}
