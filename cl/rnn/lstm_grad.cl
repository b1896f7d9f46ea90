/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradient of rnn/lstm.cl, from the last step to the first, and once more for the first states:
 *
 *   dh = dy + drop (dz' W^T) + (what masked steps carry on)     do = dh hidden(c')      dc = dc + dh o hidden'(c') + dz_o p_o
 *   dz_o = gate'(do)  dz_i = gate'(dc g)  dz_f = gate'(dc c)  dz_g = cell'(dc i)       dc <- dc f + dz_i p_i + dz_f p_f
 *
 * dz' is that of the step after. dx [N,T,4U] = dz; 0 where a step is masked. dh0, dc0 [N,U]. w is packed transposed.
 * dx may lie where gates does.
 *
 * state: a (dz) of even and odd passes [N,4U] each, then what is carried on of dh and dc, rows of `wide`, `area` each.
 * Grid and build parameters: rnn/tile.clh (passes + 1 steps), rnn/rnn.clh. A strip is QN_J * QN_B units. */
#include "rnn/rnn.clh"

struct QN_NAME(lstm_grad) {
    __global const QN_T *dy, *dh_last, *dc_last, *gates, *cells, *c0, *peephole, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *dx, *dh0, *dc0;
    __global float *a, *h, *c;
    int T, U, flags;
    long wide;
    float clip, alpha_gate, alpha_cell, alpha_hidden;
};

/* g times the derivative of a gate's activation with result y; of the cell's. */
static inline QN_VF QN_NAME(gate_back)(const struct QN_NAME(lstm_grad) *p, QN_VF g, QN_VF y)
{
    g = QN_NAME(act_gate_grad)(g, y, p->alpha_gate);
    if (p->clip > 0.0f) {
        const QN_VF least = QN_NAME(act_gate)((QN_VF)(-p->clip), p->alpha_gate);
        const QN_VF most = QN_NAME(act_gate)((QN_VF)(p->clip), p->alpha_gate);

        g = y == least || y == most ? (QN_VF)(0.0f) : g;
    }
    return g;
}

static inline QN_VF QN_NAME(cell_back)(const struct QN_NAME(lstm_grad) *p, QN_VF g, QN_VF y)
{
    g = QN_NAME(act_cell_grad)(g, y, p->alpha_cell);
    if (p->clip > 0.0f) {
        const QN_VF least = QN_NAME(act_cell)((QN_VF)(-p->clip), p->alpha_cell);
        const QN_VF most = QN_NAME(act_cell)((QN_VF)(p->clip), p->alpha_cell);

        g = y == least || y == most ? (QN_VF)(0.0f) : g;
    }
    return g;
}

static inline void QN_NAME(units)(const struct QN_NAME(lstm_grad) *p, int pass, int row, int u, QN_VF sum)
{
    const int U = p->U, n = U - u, flags = p->flags, s = p->T - 1 - pass;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u, short_own = (long)row * U + u;
    QN_VF dh = 0.0f, dc = 0.0f, dz[4];
    bool on;

    if (pass) {
        dh = qn_vload(p->h, own) + (flags & QN_RNN_DROP ? sum * QN_NAME(load_part)(p->drop + short_own, n) : sum);
        dc = qn_vload(p->c, own);
    } else {
        if (flags & QN_RNN_LAST)
            dh = QN_NAME(load_part)(p->dh_last + short_own, n);
        if (flags & QN_RNN_LAST_CELL)
            dc = QN_NAME(load_part)(p->dc_last + short_own, n);
    }
    if (s < 0) {
        if (flags & QN_RNN_DH0)
            QN_NAME(store_part)(dh, p->dh0 + short_own, n);
        if (flags & QN_RNN_DC0)
            QN_NAME(store_part)(dc, p->dc0 + short_own, n);
        return;
    }
    on = !(flags & QN_RNN_MASK) || p->mask[at];
    if (flags & QN_RNN_Y && (on || !(flags & QN_RNN_ZERO || (flags & QN_RNN_FIRST && s < p->first[row]))))
        dh += QN_NAME(load_part)(p->dy + ((long)row * p->T + QN_Y_TIME(p, s)) * U + u, n);
    if (on) {
        __global const QN_T *gates = p->gates + at * 4 * U + u;
        const QN_VF i = QN_NAME(load_part)(gates, n), f = QN_NAME(load_part)(gates + U, n);
        const QN_VF g = QN_NAME(load_part)(gates + 2 * (long)U, n), o = QN_NAME(load_part)(gates + 3 * (long)U, n);
        const QN_VF hc = QN_NAME(act_hidden)(QN_NAME(load_part)(p->cells + at * U + u, n), p->alpha_hidden);
        QN_VF before = 0.0f;

        if (s)
            before = QN_NAME(load_part)(p->cells + (at + (flags & QN_RNN_REVERSE ? 1 : -1)) * U + u, n);
        else if (flags & QN_RNN_START)
            before = QN_NAME(load_part)(p->c0 + short_own, n);
        dz[3] = QN_NAME(gate_back)(p, dh * hc, o);
        dc += QN_NAME(act_hidden_grad)(dh * o, hc, p->alpha_hidden);
        if (flags & QN_RNN_EXTRA)
            dc += dz[3] * QN_NAME(load_part)(p->peephole + 2 * (long)U + u, n);
        dz[0] = QN_NAME(gate_back)(p, dc * g, i);
        dz[1] = QN_NAME(gate_back)(p, dc * before, f);
        dz[2] = QN_NAME(cell_back)(p, dc * i, g);
        dc *= f;
        if (flags & QN_RNN_EXTRA)
            dc += dz[0] * QN_NAME(load_part)(p->peephole + u, n) + dz[1] * QN_NAME(load_part)(p->peephole + U + u, n);
        dh = 0.0f;
    } else {
        dz[0] = dz[1] = dz[2] = dz[3] = 0.0f;
    }
    qn_vstore(p->h, own, dh);
    qn_vstore(p->c, own, dc);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        QN_NAME(store_part)(dz[j], p->a + ((long)row * 4 + j) * U + u, n);
        if (flags & QN_RNN_DX)
            QN_NAME(store_part)(dz[j], p->dx + (at * 4 + j) * U + u, n);
    }
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(lstm_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict dh_last, long dh_last0,
                        __global const QN_T *restrict dc_last, long dc_last0, __global const float *restrict w, long w0,
                        __global const QN_T *gates, long gates0, __global const QN_T *restrict cells, long cells0,
                        __global const QN_T *restrict c0, long c00, __global const uchar *restrict mask, long mask0,
                        __global const QN_T *restrict peephole, long peephole0, __global const QN_T *restrict drop,
                        long drop0, __global const int *restrict first, long first0, __global QN_T *dx, long dx0,
                        __global QN_T *restrict dh0, long dh00, __global QN_T *restrict dc0, long dc00,
                        __global float *state, long state0, int N, int T, int U, int rows_each, int strips,
                        int strips_each, int flags, float clip, float alpha_gate, float alpha_cell,
                        float alpha_hidden)
{
    const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, strips, strips_each);
    const long wide = (long)strips * (QN_J * QN_B), lda = 4 * (long)U;
    struct QN_NAME(lstm_grad) p = { dy + dy0, dh_last + dh_last0, dc_last + dc_last0, gates + gates0, cells + cells0,
                                    c0 + c00, peephole + peephole0, drop + drop0, mask + mask0, first + first0, dx + dx0,
                                    dh0 + dh00, dc0 + dc00, 0, state + state0 + 2 * N * lda,
                                    state + state0 + 2 * N * lda + N * wide, T, U, flags, wide, clip, alpha_gate, alpha_cell,
                                    alpha_hidden };
    QN_TILE_MEMORY;

#if QN_LOOP
    const int pass = (int)QN_BLOCK(2, 1);
#else
    for (int pass = 0; pass < T + (flags & (QN_RNN_DH0 | QN_RNN_DC0) ? 1 : 0); pass++)
#endif
    {
        __global const float *a = state + state0 + (pass & 1) * N * lda;

        p.a = state + state0 + (~pass & 1) * N * lda;
        for (int strip = share.strip; strip < share.strips; strip++)
            for (int row = share.row; row < share.rows; row += QN_TILE_ROWS) {
                QN_VF sum[QN_MR][QN_J];

                QN_TILE(sum, a + row * lda, lda, share.rows - row, w + w0 + strip * lda * (QN_J * QN_B),
                        pass ? 4 * U : 0);
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
                            QN_NAME(units)(&p, pass, row + QN_ITEM_ROW + i, u,
                                           QN_TILE_SUM(sum, i, j));
                    }
            }
    }
}
