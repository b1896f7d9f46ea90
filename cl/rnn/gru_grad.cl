/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradient of rnn/gru.cl, from the last step to the first, and once more for the first state:
 *
 *   dh = dy + drop (dr' W^T) + (what is carried on)       dx_g = cell'(dh (1 - z))        dx_z = gate'(dh (h - g))
 *   dx_r = gate'(dx_g q)       dr = dx_z dx_r (dx_g r)    carried on: dh z, or dh where the step is masked
 *
 * dr' is that of the step after. dx, dr [N,T,3U], 0 where a step is masked; dh0 [N,U]. w is packed transposed.
 *
 * state: a (dr) of even and odd passes [N,3U] each, then what is carried on of dh, rows of `wide`.
 * Grid and build parameters: rnn/tile.clh (passes steps), rnn/rnn.clh. A strip is QN_J * QN_B units. */
#include "rnn/rnn.clh"

struct QN_NAME(gru_grad) {
    __global const QN_T *dy, *dh_last, *gates, *previous, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *dx, *dr, *dh0;
    __global float *a, *h;
    int T, U, flags;
    long wide;
    float clip, alpha_gate, alpha_cell;
};

/* g times the derivative of an activation with result y. */
static inline QN_VF QN_NAME(gate_back)(const struct QN_NAME(gru_grad) *p, QN_VF g, QN_VF y)
{
    g = QN_NAME(act_gate_grad)(g, y, p->alpha_gate);
    if (p->clip > 0.0f) {
        const QN_VF least = QN_NAME(act_gate)((QN_VF)(-p->clip), p->alpha_gate);
        const QN_VF most = QN_NAME(act_gate)((QN_VF)(p->clip), p->alpha_gate);

        g = y == least || y == most ? (QN_VF)(0.0f) : g;
    }
    return g;
}

/* g times the derivative of an activation with result y. */
static inline QN_VF QN_NAME(cell_back)(const struct QN_NAME(gru_grad) *p, QN_VF g, QN_VF y)
{
    g = QN_NAME(act_cell_grad)(g, y, p->alpha_cell);
    if (p->clip > 0.0f) {
        const QN_VF least = QN_NAME(act_cell)((QN_VF)(-p->clip), p->alpha_cell);
        const QN_VF most = QN_NAME(act_cell)((QN_VF)(p->clip), p->alpha_cell);

        g = y == least || y == most ? (QN_VF)(0.0f) : g;
    }
    return g;
}

static inline void QN_NAME(units)(const struct QN_NAME(gru_grad) *p, int pass, int row, int u, QN_VF sum)
{
    const int U = p->U, n = U - u, flags = p->flags, s = p->T - 1 - pass;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u, short_own = (long)row * U + u;
    QN_VF dh = 0.0f, dx[3], dr = 0.0f;
    bool on;

    if (pass)
        dh = qn_vload(p->h, own) + (flags & QN_RNN_DROP ? sum * QN_NAME(load_part)(p->drop + short_own, n) : sum);
    else if (flags & QN_RNN_LAST)
        dh = QN_NAME(load_part)(p->dh_last + short_own, n);
    if (s < 0) {
        if (flags & QN_RNN_DH0)
            QN_NAME(store_part)(dh, p->dh0 + short_own, n);
        return;
    }
    on = !(flags & QN_RNN_MASK) || p->mask[at];
    if (flags & QN_RNN_Y && (on || !(flags & QN_RNN_ZERO || (flags & QN_RNN_FIRST && s < p->first[row]))))
        dh += QN_NAME(load_part)(p->dy + ((long)row * p->T + QN_Y_TIME(p, s)) * U + u, n);
    if (on) {
        __global const QN_T *gates = p->gates + at * 4 * U + u;
        const QN_VF z = QN_NAME(load_part)(gates, n), r = QN_NAME(load_part)(gates + U, n);
        const QN_VF g = QN_NAME(load_part)(gates + 2 * (long)U, n), q = QN_NAME(load_part)(gates + 3 * (long)U, n);

        dx[0] = QN_NAME(gate_back)(p, dh * (QN_NAME(load_part)(p->previous + at * U + u, n) - g), z);
        dx[2] = QN_NAME(cell_back)(p, dh * (1.0f - z), g);
        dx[1] = QN_NAME(gate_back)(p, dx[2] * q, r);
        dr = dx[2] * r;
        dh *= z;
    } else {
        dx[0] = dx[1] = dx[2] = 0.0f;
    }
    qn_vstore(p->h, own, dh);
#pragma unroll
    for (int j = 0; j < 3; j++) {
        QN_NAME(store_part)(j < 2 ? dx[j] : dr, p->a + ((long)row * 3 + j) * U + u, n);
        if (flags & QN_RNN_DX)
            QN_NAME(store_part)(dx[j], p->dx + (at * 3 + j) * U + u, n);
        if (flags & QN_RNN_CELLS)
            QN_NAME(store_part)(j < 2 ? dx[j] : dr, p->dr + (at * 3 + j) * U + u, n);
    }
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gru_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict dh_last, long dh_last0,
                       __global const float *restrict w, long w0, __global const QN_T *restrict gates, long gates0,
                       __global const QN_T *restrict previous, long previous0, __global const uchar *restrict mask,
                       long mask0, __global const QN_T *restrict drop, long drop0, __global const int *restrict first,
                       long first0, __global QN_T *restrict dx, long dx0, __global QN_T *restrict dr, long dr0,
                       __global QN_T *restrict dh0, long dh00, __global float *state, long state0, int N, int T, int U,
                       int rows_each, int strips, int strips_each, int flags, float clip, float alpha_gate,
                       float alpha_cell)
{
    const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, strips, strips_each);
    const long wide = (long)strips * (QN_J * QN_B), lda = 3 * (long)U;
    struct QN_NAME(gru_grad) p = { dy + dy0, dh_last + dh_last0, gates + gates0, previous + previous0, drop + drop0,
                                   mask + mask0, first + first0, dx + dx0, dr + dr0, dh0 + dh00, 0,
                                   state + state0 + 2 * N * lda, T, U, flags, wide, clip, alpha_gate, alpha_cell };
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
                        pass ? 3 * U : 0);
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
