/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * GRU over all steps, reset before the recurrent product; x is the input product with its bias, gates in the order z r g.
 *
 *   z = gate(x_z + h W_z)   r = gate(x_r + h W_r)   g = cell(x_g + (r h) W_g)   h' = z h + (1 - z) g
 *
 * A masked step has h' = h. x [N,T,3U], mask [N,T], drop [N,U] (of h in the products alone); y, previous (the h that entered
 * the step), reset (r h drop) [N,T,U], gates (z r g) [N,T,3U], h_last [N,U].
 *
 * A step has two phases: 1 makes z and r of strips of QN_B units, 2 the rest of strips of QN_J * QN_B units, from w2.
 * `phases` says which of them a launch runs; both, where it runs all steps.
 * gates may lie where x does.
 *
 * state: rows of `wide` elements: h, h drop, r h drop, z, `area` elements each. QN_J is 2.
 * Grid and build parameters: rnn/tile.clh, rnn/rnn.clh. */
#include "rnn/rnn.clh"

struct QN_NAME(gru) {
    __global const QN_T *x, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *y, *h_last, *previous, *gates, *reset;
    __global float *h, *a, *rh, *z;
    int T, U, flags;
    long wide;
    float clip, alpha_gate, alpha_cell;
};

static inline void QN_NAME(gates)(const struct QN_NAME(gru) *p, int s, int row, int u, const QN_VF *sum)
{
    const int U = p->U, n = U - u, flags = p->flags;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u;
    QN_VF z = 0.0f, r = 0.0f, rh;

    if (!(flags & QN_RNN_MASK) || p->mask[at]) {
        __global const QN_T *x = p->x + at * 3 * U + u;

        z = QN_NAME(act_gate)(QN_CLIP(QN_NAME(load_part)(x, n) + sum[0], p->clip), p->alpha_gate);
        r = QN_NAME(act_gate)(QN_CLIP(QN_NAME(load_part)(x + U, n) + sum[1], p->clip), p->alpha_gate);
    }
    rh = r * qn_vload(p->a, own);
    qn_vstore(p->z, own, z);
    qn_vstore(p->rh, own, rh);
    if (flags & QN_RNN_GATES) {
        QN_NAME(store_part)(z, p->gates + at * 3 * U + u, n);
        QN_NAME(store_part)(r, p->gates + (at * 3 + 1) * U + u, n);
    }
    if (flags & QN_RNN_CELLS)
        QN_NAME(store_part)(rh, p->reset + at * U + u, n);
}

static inline void QN_NAME(units)(const struct QN_NAME(gru) *p, int s, int row, int u, QN_VF sum)
{
    const int U = p->U, n = U - u, flags = p->flags;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u;
    QN_VF h = qn_vload(p->h, own), y, g = 0.0f;

    if (flags & QN_RNN_PREVIOUS)
        QN_NAME(store_part)(h, p->previous + at * U + u, n);
    if (flags & QN_RNN_MASK && !p->mask[at]) {
        y = flags & QN_RNN_ZERO || (flags & QN_RNN_FIRST && s < p->first[row]) ? (QN_VF)(0.0f) : h;
    } else {
        const QN_VF z = qn_vload(p->z, own);

        sum += QN_NAME(load_part)(p->x + (at * 3 + 2) * U + u, n);
        g = QN_NAME(act_cell)(QN_CLIP(sum, p->clip), p->alpha_cell);
        y = h = z * h + (1.0f - z) * g;
        qn_vstore(p->h, own, h);
        qn_vstore(p->a, own, flags & QN_RNN_DROP ? h * QN_NAME(load_part)(p->drop + (long)row * U + u, n) : h);
    }
    if (flags & QN_RNN_GATES)
        QN_NAME(store_part)(g, p->gates + (at * 3 + 2) * U + u, n);
    if (flags & QN_RNN_Y)
        QN_NAME(store_part)(y, p->y + ((long)row * p->T + QN_Y_TIME(p, s)) * U + u, n);
    if (s == p->T - 1 && flags & QN_RNN_LAST)
        QN_NAME(store_part)(h, p->h_last + (long)row * U + u, n);
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gru_before)(__global const QN_T *x, long x0, __global const float *restrict w, long w0,
                         __global const float *restrict w2, long w20, __global const uchar *restrict mask, long mask0,
                         __global const QN_T *restrict drop, long drop0, __global const int *restrict first, long first0,
                         __global QN_T *restrict y, long y0, __global QN_T *restrict h_last, long h_last0,
                         __global QN_T *restrict previous, long previous0, __global QN_T *gates, long gates0,
                         __global QN_T *restrict reset, long reset0, __global float *state, long state0, int N, int T,
                         int U, int rows_each, int strips, int strips2, int strips_each, long wide, long area, int flags,
                         int phases, float clip, float alpha_gate, float alpha_cell)
{
    const struct QN_NAME(gru) p = { x + x0, drop + drop0, mask + mask0, first + first0, y + y0, h_last + h_last0,
                                    previous + previous0, gates + gates0, reset + reset0, state + state0,
                                    state + state0 + area, state + state0 + 2 * area, state + state0 + 3 * area, T, U,
                                    flags, wide, clip, alpha_gate, alpha_cell };
    QN_TILE_MEMORY;

#if QN_LOOP
    const int s = (int)QN_BLOCK(2, 1);
#else
    for (int s = 0; s < T; s++)
#endif
    {
        for (int phase = 1; phase <= 2; phase++) {
            const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, phase == 1 ? strips : strips2, strips_each);

            for (int strip = share.strip; phase & phases && strip < share.strips; strip++)
                for (int row = share.row; row < share.rows; row += QN_TILE_ROWS) {
                    __global const float *a = phase == 1 ? p.a : p.rh;
                    __global const float *by = (phase == 1 ? w + w0 : w2 + w20) + (long)strip * U * (QN_J * QN_B);
                    QN_VF sum[QN_MR][QN_J];

                    QN_TILE(sum, a + row * wide, wide, share.rows - row, by, U);
#if QN_GPU
#pragma unroll
#else
#pragma unroll 1 /* the units' work is long */
#endif
                    for (int i = 0; i < QN_MR; i++) {
                        const int r = row + QN_ITEM_ROW + i;

                        if (r >= share.rows)
                            continue;
                        if (phase == 1 && strip * QN_B + QN_LANE < U)
                            QN_NAME(gates)(&p, s, r, strip * QN_B + QN_LANE, sum[i]);
#if QN_GPU
#pragma unroll
#else
#pragma unroll 1 /* the units' work is long */
#endif
                        for (int j = 0; j < QN_J; j++)
                            if (phase == 2 && (strip * QN_J + j) * QN_B + QN_LANE < U)
                                QN_NAME(units)(&p, s, r, (strip * QN_J + j) * QN_B + QN_LANE, sum[i][j]);
                    }
                }
        }
    }
}
