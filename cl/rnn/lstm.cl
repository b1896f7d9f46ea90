/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * LSTM over all steps; x is the input product with its bias, gates in the order i f g o.
 *
 *   i = gate(x_i + h W_i + p_i c)   f = gate(x_f + h W_f + p_f c)   g = cell(x_g + h W_g)   c' = f c + i g
 *   o = gate(x_o + h W_o + p_o c')  h' = o hidden(c')
 *
 * A masked step has c' = c, h' = h. x [N,T,4U], mask [N,T], p [3,U] (i, f, o), drop [N,U]; y, previous (the h that entered
 * the step), cells (c') [N,T,U], gates (i f g o) [N,T,4U], h_last, c_last [N,U]. gates may lie where x does.
 *
 * state: rows of `wide` elements: a (h drop) of even and of odd steps, h, c, `area` elements each.
 * Grid and build parameters: rnn/tile.clh, rnn/rnn.clh. QN_J is 4. */
#include "rnn/rnn.clh"

struct QN_NAME(lstm) {
    __global const QN_T *x, *peephole, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *y, *h_last, *c_last, *previous, *gates, *cells;
    __global float *a, *h, *c; /* a: that of the next step */
    int T, U, flags;
    long wide;
    float clip, alpha_gate, alpha_cell, alpha_hidden;
};

/* Units u.. of a row of step s, from their sums. */
static inline void QN_NAME(units)(const struct QN_NAME(lstm) *p, int s, int row, int u, const QN_VF *sum)
{
    const int U = p->U, n = U - u, flags = p->flags;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u;
    QN_VF h = qn_vload(p->h, own), c = qn_vload(p->c, own), y;

    if (flags & QN_RNN_PREVIOUS)
        QN_NAME(store_part)(h, p->previous + at * U + u, n);
    if (flags & QN_RNN_MASK && !p->mask[at]) {
        y = flags & QN_RNN_ZERO || (flags & QN_RNN_FIRST && s < p->first[row]) ? (QN_VF)(0.0f) : h;
        if (flags & QN_RNN_GATES)
            for (int j = 0; j < 4; j++)
                QN_NAME(store_part)((QN_VF)(0.0f), p->gates + at * 4 * U + j * (long)U + u, n);
    } else {
        __global const QN_T *x = p->x + at * 4 * U + u;
        QN_VF i = QN_NAME(load_part)(x, n) + sum[0], f = QN_NAME(load_part)(x + U, n) + sum[1];
        QN_VF g = QN_NAME(load_part)(x + 2 * (long)U, n) + sum[2], o = QN_NAME(load_part)(x + 3 * (long)U, n) + sum[3];

        if (flags & QN_RNN_EXTRA) {
            i += QN_NAME(load_part)(p->peephole + u, n) * c;
            f += QN_NAME(load_part)(p->peephole + U + u, n) * c;
        }
        i = QN_NAME(act_gate)(QN_CLIP(i, p->clip), p->alpha_gate);
        f = QN_NAME(act_gate)(QN_CLIP(f, p->clip), p->alpha_gate);
        g = QN_NAME(act_cell)(QN_CLIP(g, p->clip), p->alpha_cell);
        c = f * c + i * g;
        if (flags & QN_RNN_EXTRA)
            o += QN_NAME(load_part)(p->peephole + 2 * (long)U + u, n) * c;
        o = QN_NAME(act_gate)(QN_CLIP(o, p->clip), p->alpha_gate);
        y = h = o * QN_NAME(act_hidden)(c, p->alpha_hidden);
        if (flags & QN_RNN_GATES) {
            __global QN_T *gates = p->gates + at * 4 * U + u;

            QN_NAME(store_part)(i, gates, n);
            QN_NAME(store_part)(f, gates + U, n);
            QN_NAME(store_part)(g, gates + 2 * (long)U, n);
            QN_NAME(store_part)(o, gates + 3 * (long)U, n);
        }
        qn_vstore(p->h, own, h);
        qn_vstore(p->c, own, c);
    }
    qn_vstore(p->a, own, flags & QN_RNN_DROP ? h * QN_NAME(load_part)(p->drop + (long)row * U + u, n) : h);
    if (flags & QN_RNN_CELLS)
        QN_NAME(store_part)(c, p->cells + at * U + u, n);
    if (flags & QN_RNN_Y)
        QN_NAME(store_part)(y, p->y + ((long)row * p->T + QN_Y_TIME(p, s)) * U + u, n);
    if (s == p->T - 1 && flags & QN_RNN_LAST)
        QN_NAME(store_part)(h, p->h_last + (long)row * U + u, n);
    if (s == p->T - 1 && flags & QN_RNN_LAST_CELL)
        QN_NAME(store_part)(c, p->c_last + (long)row * U + u, n);
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(lstm)(__global const QN_T *x, long x0, __global const float *restrict w, long w0,
                   __global const uchar *restrict mask, long mask0, __global const QN_T *restrict peephole, long peephole0,
                   __global const QN_T *restrict drop, long drop0, __global const int *restrict first, long first0,
                   __global QN_T *restrict y, long y0, __global QN_T *restrict h_last, long h_last0,
                   __global QN_T *restrict c_last, long c_last0, __global QN_T *restrict previous, long previous0,
                   __global QN_T *gates, long gates0, __global QN_T *restrict cells, long cells0,
                   __global float *state, long state0, int N, int T, int U, int rows_each, int strips, int strips_each,
                   int flags, float clip, float alpha_gate, float alpha_cell, float alpha_hidden)
{
    const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, strips, strips_each);
    const long wide = (long)strips * QN_B, area = N * wide;
    struct QN_NAME(lstm) p = { x + x0, peephole + peephole0, drop + drop0, mask + mask0, first + first0, y + y0,
                               h_last + h_last0, c_last + c_last0, previous + previous0, gates + gates0, cells + cells0,
                               0, state + state0 + 2 * area, state + state0 + 3 * area, T, U, flags, wide, clip,
                               alpha_gate, alpha_cell, alpha_hidden };
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
#if QN_GPU
#pragma unroll
#else
#pragma unroll 1 /* the units' work is long */
#endif
                for (int i = 0; i < QN_MR; i++)
                    if (row + QN_ITEM_ROW + i < share.rows && strip * QN_B + QN_LANE < U)
                        QN_NAME(units)(&p, s, row + QN_ITEM_ROW + i, strip * QN_B + QN_LANE, sum[i]);
            }
    }
}
