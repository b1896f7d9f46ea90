/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Convolution and its data gradient for CPUs: one work-item makes QN_PX pixels of QN_NV * QN_VW channels of the
 * result.
 *
 *   y[n,h,v,k] = epilogue(sum over r,s,c of x[n, i(h,r), j(v,s), c] * w[r,s,c,k])
 *
 * x is what is read, of H x W pixels and C channels, y what is made, of P x Q pixels and K channels: the image and
 * the result, or for the data gradient the result's gradient and the image's. Forward i = h * stride_h - top + r *
 * dilation_h; backward i = (h + top - r * dilation_h) / stride_h where that is whole. Backward, rows h with equal h
 * % stride_h use the same filter rows r, every step_h-th one from the first, and so read a dense part of x: they are
 * one phase, and phases are work of their own. Columns likewise.
 *
 * The filter is packed: zero_count zeros, which pixels outside x are read from, at least S * group_c of them, then
 * [group][block of QN_NV * QN_VW channels][r][s][c][QN_NV * QN_VW], channels past the last one zero; backward with a
 * stride and dilation of 1 along the columns s runs from last to first, so that x is always read forwards. A tile's pixels
 * follow each other in a phase, from row to row and image to image, so that no shape leaves lanes idle; or by_image,
 * from image to image and then column to column: then most tiles have one place, and skip the filter's parts that lie
 * outside x. A work-item makes so many tiles one after the other.
 *
 * Grid: blocks of channels in a group; the largest phase's tiles by so many; groups times phases. Local size 1.
 * Build parameters: QN_VW, QN_NV, QN_PX; QN_BIAS, QN_RESIDUAL 0 or 1; QN_ACT, QN_ACT_GRAD see common/act.clh. */
#include "common/types.clh"

#if !defined(QN_VW) || !defined(QN_NV) || !defined(QN_PX)
#error "QN_VW, QN_NV and QN_PX are required"
#endif
#if !defined(QN_BIAS) || !defined(QN_RESIDUAL) || !defined(QN_ACT) || !defined(QN_ACT_GRAD)
#error "QN_BIAS, QN_RESIDUAL, QN_ACT and QN_ACT_GRAD are required"
#endif
#define QN_BLOCK (QN_NV * QN_VW)
#include "conv/tile.clh"
#include "common/act.clh"
#include "conv/phase.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_tile)(
    __global const float *restrict x, long x0, __global const float *restrict w, long w0, __global float *restrict y, long y0,
    __global const float *restrict bias, long bias0, __global const float *restrict residual, long residual0,
    __global const float *restrict aux, long aux0, int N, int H, int W, int C, int P, int Q, int K, int R, int S, int stride_h,
    int stride_w, int dilation_h, int dilation_w, int top, int left, int groups, int step_h, int step_w, int backward,
    int zero_count, int by_image, int tiles, float alpha)
{
    const int group_c = C / groups, group_k = K / groups;
    const int group = (int)get_global_id(2) % groups, phase = (int)get_global_id(2) / groups;
    const int part_h = backward ? stride_h : 1, part_w = backward ? stride_w : 1; /* phases */
    const int phase_h = phase / part_w, phase_w = phase % part_w;
    const int rows = (P - phase_h + part_h - 1) / part_h, columns = (Q - phase_w + part_w - 1) / part_w;
    const int first = (int)get_global_id(1) * QN_PX * tiles, last = min(N * rows * columns, first + QN_PX * tiles);
    const int k0 = (int)get_global_id(0) * QN_BLOCK, lanes = group_k - k0;
    const int flip = backward && stride_w == 1 && dilation_w == 1; /* filter columns last to first: forwards in x */
    const int foldable = (!backward || flip) && dilation_w == 1 && groups == 1; /* a filter row meets neighbours in x */
    const int inner_size = by_image ? N : columns, middle_size = by_image ? columns : rows;
    int move_h = stride_h, move_w = stride_w;   /* in x, for the next pixel of the phase */
    int tap_h = dilation_h, tap_w = dilation_w; /* in x, for the next filter row */
    int from_h = -top, from_w = -left, r0 = 0, s0 = 0;
    int reach_h, reach_w, fit_h, fit_w; /* all taps lie in x for fit pixels from -reach, or from 0 */
    long step_from, step_to; /* to a tile's next pixel */
    int step_v;
    int inner, middle, outer;
    long at[QN_PX], out[QN_PX];
    int row[QN_PX], column[QN_PX];
    __global const float *restrict zeros = w + w0;
    QN_VF sum[QN_PX][QN_NV];
    QN_VF done[QN_PX][QN_NV];

    if (first >= last)
        return;
    if (backward) {
        r0 = QN_NAME(first_row)(phase_h, top, dilation_h, stride_h, step_h, R);
        s0 = QN_NAME(first_row)(phase_w, left, dilation_w, stride_w, step_w, S);
        from_h = (phase_h + top - r0 * dilation_h) / stride_h;
        from_w = (phase_w + left - s0 * dilation_w) / stride_w;
        tap_h = -(step_h * dilation_h / stride_h);
        tap_w = -(step_w * dilation_w / stride_w);
        if (flip) {
            from_w -= S - 1;
            tap_w = 1;
        }
        move_h = move_w = 1;
    }
    reach_h = (R - 1 - r0) / step_h * tap_h;
    reach_w = (S - 1 - s0) / step_w * tap_w;
    fit_h = max(H - (int)abs(reach_h), 0);
    fit_w = max(W - (int)abs(reach_w), 0);
    reach_h = min(reach_h, 0);
    reach_w = min(reach_w, 0);
    x += x0 + group * group_c;
    w += w0 + zero_count + ((long)group * ((group_k + QN_BLOCK - 1) / QN_BLOCK) + get_global_id(0)) * R * S * group_c * QN_BLOCK;
    y += y0;
    step_v = by_image ? 0 : move_w;
    step_from = by_image ? (long)H * W * C : (long)move_w * C;
    step_to = by_image ? (long)P * Q * K : (long)part_w * K;
    inner = first % inner_size;
    middle = first / inner_size % middle_size;
    outer = first / inner_size / middle_size;
#pragma unroll 1
    for (int m = first; m < last; m += QN_PX) {
        const int count = min(QN_PX, last - m);
        int whole = 1, fold = 1, terms = group_c, step = step_w;

#pragma unroll 1
        for (int a = 0; a < count;) { /* pixels of a row, or images of a place */
            const int end = min(count, a + inner_size - inner), n = by_image ? inner : outer;
            const int i = by_image ? outer : middle, j = by_image ? middle : inner, h = i * move_h + from_h;
            long to = (((long)n * P + i * part_h + phase_h) * Q + j * part_w + phase_w) * K, from;
            int v = j * move_w + from_w;

            from = (((long)n * H + h) * W + v) * C;
            inner += end - a;
            fold &= (uint)(v + reach_w) < (uint)fit_w;
#pragma unroll 1
            for (; a < end; a++) {
                row[a] = h;
                column[a] = v;
                at[a] = from;
                out[a] = to;
                v += step_v;
                from += step_from;
                to += step_to;
            }
            fold &= (uint)(v - step_v + reach_w) < (uint)fit_w;
            whole &= (uint)(h + reach_h) < (uint)fit_h;
            if (inner == inner_size) {
                inner = 0;
                if (++middle == middle_size) {
                    middle = 0;
                    outer++;
                }
            }
        }
#pragma unroll 1
        for (int a = count; a < QN_PX; a++) { /* made, not stored */
            row[a] = row[0];
            column[a] = column[0];
            at[a] = at[0];
        }
#pragma unroll
        for (int a = 0; a < QN_PX; a++)
#pragma unroll
            for (int b = 0; b < QN_NV; b++)
                sum[a][b] = (QN_VF)(0.0f);
        whole &= fold;
        if (fold && foldable) {
            step = S;
            terms = S * group_c;
        }
        for (int r = r0, th = 0; r < R; r += step_h, th += tap_h)
            for (int s = s0, tw = 0; s < S; s += step, tw += tap_w) {
                __global const float *restrict f = w + ((long)r * S + s) * group_c * QN_BLOCK;
                const long move = ((long)th * W + tw) * C;
                __global const float *p[QN_PX];

                if (whole) {
#pragma unroll
                    for (int a = 0; a < QN_PX; a++)
                        p[a] = x + at[a] + move;
                } else {
                    int any = 0;

#pragma unroll
                    for (int a = 0; a < QN_PX; a++) {
                        const int inside = (uint)(row[a] + th) < (uint)H && (uint)(column[a] + tw) < (uint)W;

                        p[a] = inside ? x + at[a] + move : zeros;
                        any |= inside;
                    }
                    if (!any)
                        continue;
                }
                for (int c = 0; c < terms; c++) {
                    QN_VF fv[QN_NV];

#pragma unroll
                    for (int b = 0; b < QN_NV; b++)
                        fv[b] = QN_VLOAD(f + c * QN_BLOCK + b * QN_VW);
#pragma unroll
                    for (int a = 0; a < QN_PX; a++) {
                        const QN_VF v = (QN_VF)(p[a][c]);

#pragma unroll
                        for (int b = 0; b < QN_NV; b++)
                            sum[a][b] += v * fv[b];
                    }
                }
            }
        /* Through memory, so that what follows is compiled once and not for every vector. */
#pragma unroll
        for (int a = 0; a < QN_PX; a++)
#pragma unroll
            for (int b = 0; b < QN_NV; b++)
                done[a][b] = sum[a][b];
#if QN_ACT <= 3 && QN_ACT_GRAD <= 3 /* short code, for every vector of a pixel */
        if (lanes >= QN_BLOCK) {
            QN_VF bv[QN_NV];

#pragma unroll
            for (int b = 0; b < QN_NV; b++)
                bv[b] = QN_BIAS ? QN_VLOAD(bias + bias0 + group * group_k + k0 + b * QN_VW) : (QN_VF)(0.0f);
#pragma unroll 1
            for (int a = 0; a < count; a++) {
                const long i = out[a] + group * group_k + k0;

#pragma unroll
                for (int b = 0; b < QN_NV; b++) {
                    QN_VF v = done[a][b];

#if QN_BIAS
                    v += bv[b];
#endif
#if QN_RESIDUAL
                    v += QN_VLOAD(residual + residual0 + i + b * QN_VW);
#endif
                    v = qn_act(v, alpha);
#if QN_ACT_GRAD
                    v = qn_act_grad(v, QN_VLOAD(aux + aux0 + i + b * QN_VW), alpha);
#endif
                    QN_VSTORE(v, y + i + b * QN_VW);
                }
            }
            continue;
        }
#endif
#pragma unroll 1
        for (int b = 0; b < QN_BLOCK && b < lanes; b += QN_VW) {
#if QN_BIAS
            const QN_VF bv = QN_NAME(load_lanes)(bias + bias0 + group * group_k + k0 + b, lanes - b);
#endif

#pragma unroll 1
            for (int a = 0; a < count; a++) {
                const long i = out[a] + group * group_k + k0 + b;
                QN_VF v = done[a][b / QN_VW];

#if QN_BIAS
                v += bv;
#endif
#if QN_RESIDUAL
                v += QN_NAME(load_lanes)(residual + residual0 + i, lanes - b);
#endif
                v = qn_act(v, alpha);
#if QN_ACT_GRAD
                v = qn_act_grad(v, QN_NAME(load_lanes)(aux + aux0 + i, lanes - b), alpha);
#endif
                QN_NAME(store_lanes)(v, y + i, lanes - b);
            }
        }
    }
}
