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
 * outside x.
 *
 * Grid: blocks of channels in a group; tiles of the largest phase; groups times phases. Local size 1.
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
    int zero_count, int by_image, float alpha)
{
    const int group_c = C / groups, group_k = K / groups;
    const int group = (int)get_global_id(2) % groups, phase = (int)get_global_id(2) / groups;
    const int part_h = backward ? stride_h : 1, part_w = backward ? stride_w : 1; /* phases */
    const int phase_h = phase / part_w, phase_w = phase % part_w;
    const int rows = (P - phase_h + part_h - 1) / part_h, columns = (Q - phase_w + part_w - 1) / part_w;
    const int m0 = (int)get_global_id(1) * QN_PX, count = min(QN_PX, N * rows * columns - m0);
    const int k0 = (int)get_global_id(0) * QN_BLOCK, lanes = group_k - k0;
    int move_h = stride_h, move_w = stride_w;   /* in x, for the next pixel of the phase */
    int tap_h = dilation_h, tap_w = dilation_w; /* in x, for the next filter row */
    int from_h = -top, from_w = -left, r0 = 0, s0 = 0;
    const int flip = backward && stride_w == 1 && dilation_w == 1;    /* filter columns last to first: forwards in x */
    int fold = (!backward || flip) && dilation_w == 1 && groups == 1; /* a filter row meets neighbours in x: one long tap */
    int terms = group_c;
    long at[QN_PX], out[QN_PX];
    int row[QN_PX], column[QN_PX];
    __global const float *restrict zeros = w + w0;
    QN_VF sum[QN_PX][QN_NV];
    float done[QN_PX * QN_BLOCK];

    if (count <= 0)
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
    x += x0 + group * group_c;
    w += w0 + zero_count + ((long)group * ((group_k + QN_BLOCK - 1) / QN_BLOCK) + get_global_id(0)) * R * S * group_c * QN_BLOCK;
    y += y0;
    {
        const int place = by_image ? m0 / N : m0;
        int j = place % columns, i = place / columns % rows, n = by_image ? m0 % N : place / columns / rows;

#pragma unroll 1
        for (int a = 0; a < QN_PX; a++) {
            row[a] = i * move_h + from_h;
            column[a] = j * move_w + from_w;
            fold = fold && column[a] >= 0 && column[a] + S <= W;
            at[a] = (((long)n * H + row[a]) * W + column[a]) * C;
            out[a] = (((long)n * P + i * part_h + phase_h) * Q + j * part_w + phase_w) * K;
            if (a + 1 >= count)
                continue;
            if (by_image) {
                n++;
                j += n == N;
                n = n == N ? 0 : n;
            } else {
                j++;
            }
            i += j == columns;
            j = j == columns ? 0 : j;
            if (!by_image) {
                n += i == rows;
                i = i == rows ? 0 : i;
            }
        }
    }
#pragma unroll
    for (int a = 0; a < QN_PX; a++)
#pragma unroll
        for (int b = 0; b < QN_NV; b++)
            sum[a][b] = (QN_VF)(0.0f);
    if (fold) {
        step_w = S;
        terms = S * group_c;
    }
    for (int r = r0, th = 0; r < R; r += step_h, th += tap_h)
        for (int s = s0, tw = 0; s < S; s += step_w, tw += tap_w) {
            __global const float *restrict f = w + ((long)r * S + s) * group_c * QN_BLOCK;
            const long move = ((long)th * W + tw) * C;
            __global const float *p[QN_PX];
            int any = 0;

#pragma unroll
            for (int a = 0; a < QN_PX; a++) {
                const int inside = (uint)(row[a] + th) < (uint)H && (uint)(column[a] + tw) < (uint)W;

                p[a] = inside ? x + at[a] + move : zeros;
                any |= inside;
            }
            if (!any)
                continue;
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
            QN_VSTORE(sum[a][b], done + a * QN_BLOCK + b * QN_VW);
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
                QN_VF v = QN_VLOAD(done + a * QN_BLOCK + b * QN_VW);

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
        return;
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
            QN_VF v = QN_VLOAD(done + a * QN_BLOCK + b);

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
