/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * GRU over all steps, reset after the recurrent product; x is the input product with its bias, gates in the order z r g.
 *
 *   z = gate(x_z + h W_z + b_z)   r = gate(x_r + h W_r + b_r)   q = h W_g + b_g   g = cell(x_g + r q)   h' = z h + (1 - z) g
 *
 * A masked step has h' = h. x [N,T,3U], mask [N,T], b [3U], drop [N,U] (of h in the products alone); y, previous (the h that
 * entered the step) [N,T,U], gates (z r g q) [N,T,4U], h_last [N,U].
 *
 * state: rows of `wide` elements: a (h drop) of even and of odd steps, h, `area` elements each.
 * Grid and build parameters: rnn/tile.clh, rnn/rnn.clh. QN_J is 3. */
#include "rnn/rnn.clh"

struct QN_NAME(gru) {
    __global const QN_T *x, *bias, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *y, *h_last, *previous, *gates;
    __global float *a, *h; /* a: that of the next step */
    int T, U, flags;
    long wide;
    float clip, alpha_gate, alpha_cell;
};

static inline void QN_NAME(units)(const struct QN_NAME(gru) *p, int s, int row, int u, const QN_VF *sum)
{
    const int U = p->U, n = U - u, flags = p->flags;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u;
    QN_VF h = qn_vload(p->h, own), y, z = 0.0f, r = 0.0f, g = 0.0f, q = 0.0f;

    if (flags & QN_RNN_PREVIOUS)
        QN_NAME(store_part)(h, p->previous + at * U + u, n);
    if (flags & QN_RNN_MASK && !p->mask[at]) {
        y = flags & QN_RNN_ZERO || (flags & QN_RNN_FIRST && s < p->first[row]) ? (QN_VF)(0.0f) : h;
    } else {
        __global const QN_T *x = p->x + at * 3 * U + u;

        z = QN_NAME(load_part)(x, n) + sum[0];
        r = QN_NAME(load_part)(x + U, n) + sum[1];
        q = sum[2];
        if (flags & QN_RNN_EXTRA) {
            z += QN_NAME(load_part)(p->bias + u, n);
            r += QN_NAME(load_part)(p->bias + U + u, n);
            q += QN_NAME(load_part)(p->bias + 2 * (long)U + u, n);
        }
        z = QN_NAME(act_gate)(QN_CLIP(z, p->clip), p->alpha_gate);
        r = QN_NAME(act_gate)(QN_CLIP(r, p->clip), p->alpha_gate);
        g = QN_NAME(load_part)(x + 2 * (long)U, n) + r * q;
        g = QN_NAME(act_cell)(QN_CLIP(g, p->clip), p->alpha_cell);
        y = h = z * h + (1.0f - z) * g;
        qn_vstore(p->h, own, h);
    }
    qn_vstore(p->a, own, flags & QN_RNN_DROP ? h * QN_NAME(load_part)(p->drop + (long)row * U + u, n) : h);
    if (flags & QN_RNN_GATES) {
        __global QN_T *gates = p->gates + at * 4 * U + u;

        QN_NAME(store_part)(z, gates, n);
        QN_NAME(store_part)(r, gates + U, n);
        QN_NAME(store_part)(g, gates + 2 * (long)U, n);
        QN_NAME(store_part)(q, gates + 3 * (long)U, n);
    }
    if (flags & QN_RNN_Y)
        QN_NAME(store_part)(y, p->y + ((long)row * p->T + QN_Y_TIME(p, s)) * U + u, n);
    if (s == p->T - 1 && flags & QN_RNN_LAST)
        QN_NAME(store_part)(h, p->h_last + (long)row * U + u, n);
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gru)(__global const QN_T *restrict x, long x0, __global const float *restrict w, long w0,
                  __global const uchar *restrict mask, long mask0, __global const QN_T *restrict bias, long bias0,
                  __global const QN_T *restrict drop, long drop0, __global const int *restrict first, long first0,
                  __global QN_T *restrict y, long y0, __global QN_T *restrict h_last, long h_last0,
                  __global QN_T *restrict previous, long previous0, __global QN_T *restrict gates, long gates0,
                  __global float *state, long state0, int N, int T, int U, int rows_each, int strips, int strips_each,
                  int flags, float clip, float alpha_gate, float alpha_cell)
{
    const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, strips, strips_each);
    const long wide = (long)strips * QN_B, area = N * wide;
    struct QN_NAME(gru) p = { x + x0, bias + bias0, drop + drop0, mask + mask0, first + first0, y + y0, h_last + h_last0,
                              previous + previous0, gates + gates0, 0, state + state0 + 2 * area, T, U, flags, wide, clip,
                              alpha_gate, alpha_cell };
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
