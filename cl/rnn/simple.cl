/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A simple recurrent cell over all steps: h' = cell(x + h W), x being the input product with its bias.
 *
 * A masked step has h' = h. x [N,T,U], mask [N,T], drop [N,U]; y, previous (the h that entered the step), gates (h' of
 * steps that are not masked, else 0) [N,T,U], h_last [N,U].
 * gates may lie where x does.
 *
 * state: rows of `wide` elements: a (h drop) of even and of odd steps, h, `area` elements each.
 * Grid and build parameters: rnn/tile.clh, rnn/rnn.clh. A strip is QN_J * QN_B units. */
#include "rnn/rnn.clh"

struct QN_NAME(simple) {
    __global const QN_T *x, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *y, *h_last, *previous, *gates;
    __global float *a, *h; /* a: that of the next step */
    int T, U, flags;
    long wide;
    float clip, alpha_cell;
};

static inline void QN_NAME(units)(const struct QN_NAME(simple) *p, int s, int row, int u, QN_VF sum)
{
    const int U = p->U, n = U - u, flags = p->flags;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u;
    QN_VF h = qn_vload(p->h, own), y, kept = 0.0f;

    if (flags & QN_RNN_PREVIOUS)
        QN_NAME(store_part)(h, p->previous + at * U + u, n);
    if (flags & QN_RNN_MASK && !p->mask[at]) {
        y = flags & QN_RNN_ZERO || (flags & QN_RNN_FIRST && s < p->first[row]) ? (QN_VF)(0.0f) : h;
    } else {
        sum += QN_NAME(load_part)(p->x + at * U + u, n);
        kept = y = h = QN_NAME(act_cell)(QN_CLIP(sum, p->clip), p->alpha_cell);
        qn_vstore(p->h, own, h);
    }
    qn_vstore(p->a, own, flags & QN_RNN_DROP ? h * QN_NAME(load_part)(p->drop + (long)row * U + u, n) : h);
    if (flags & QN_RNN_GATES)
        QN_NAME(store_part)(kept, p->gates + at * U + u, n);
    if (flags & QN_RNN_Y)
        QN_NAME(store_part)(y, p->y + ((long)row * p->T + QN_Y_TIME(p, s)) * U + u, n);
    if (s == p->T - 1 && flags & QN_RNN_LAST)
        QN_NAME(store_part)(h, p->h_last + (long)row * U + u, n);
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(simple)(__global const QN_T *x, long x0, __global const float *restrict w, long w0,
                     __global const uchar *restrict mask, long mask0, __global const QN_T *restrict drop, long drop0,
                     __global const int *restrict first, long first0, __global QN_T *restrict y, long y0,
                     __global QN_T *restrict h_last, long h_last0, __global QN_T *restrict previous, long previous0,
                     __global QN_T *gates, long gates0, __global float *state, long state0, int N, int T, int U,
                     int rows_each, int strips, int strips_each, int flags, float clip, float alpha_cell)
{
    const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, strips, strips_each);
    const long wide = (long)strips * (QN_J * QN_B), area = N * wide;
    struct QN_NAME(simple) p = { x + x0, drop + drop0, mask + mask0, first + first0, y + y0, h_last + h_last0,
                                 previous + previous0, gates + gates0, 0, state + state0 + 2 * area, T, U, flags, wide,
                                 clip, alpha_cell };
    QN_TILE_MEMORY;

#if QN_LOOP
    const int s = (int)QN_BLOCK(2, 1);
#else
    for (int s = 0; s < T; s++)
#endif
    {
        __global const float *a = state + state0 + (s & 1) * area;

        p.a = state + state0 + (~s & 1) * area;
        for (int strip = share.strip; strip < share.strips; strip++)
            for (int row = share.row; row < share.rows; row += QN_TILE_ROWS) {
                QN_VF sum[QN_MR][QN_J];

                QN_TILE(sum, a + row * wide, wide, share.rows - row, w + w0 + (long)strip * U * (QN_J * QN_B), U);
                QN_TILE_KEEP(sum);
#if QN_GPU
#pragma unroll
#else
#pragma unroll 1 /* the units' work is long */
#endif
                for (int i = 0; i < QN_MR; i++)
#if QN_GPU
#pragma unroll
#else
#pragma unroll 1 /* the units' work is long */
#endif
                    for (int j = 0; j < QN_J; j++) {
                        const int u = (strip * QN_J + j) * QN_B + QN_LANE;

                        if (row + QN_ITEM_ROW + i < share.rows && u < U)
                            QN_NAME(units)(&p, s, row + QN_ITEM_ROW + i, u, QN_TILE_SUM(sum, i, j));
                    }
            }
    }
}
