/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradient of rnn/gru_before.cl, from the last step to the first, and once more for the first state:
 *
 *   phase 1    dh = dy + drop (dzr' W^T) + (what is carried on)      dx_z = gate'(dh (h - g))     dx_g = cell'(dh (1 - z))
 *   phase 2    d = dx_g W_g^T       dx_r = gate'(d h drop)           carried on: dh z + d r drop, or dh where masked
 *
 * dzr' is dx_z and dx_r of the step after. dx [N,T,3U], 0 where a step is masked; dh0 [N,U]. w (of z and r) and w2 (of g) are
 * packed transposed.
 * dx may lie where gates does.
 *
 * state: dx_z and dx_r of even and odd passes [N,2U] each, dx_g [N,U], then what is carried on of dh, rows of `wide`.
 * Grid and build parameters: rnn/tile.clh (passes steps), rnn/rnn.clh. A strip is QN_J * QN_B units. `phases` says which
 * phases a launch runs. */
#include "rnn/rnn.clh"

struct QN_NAME(gru_grad) {
    __global const QN_T *dy, *dh_last, *gates, *previous, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *dx, *dh0;
    __global float *a, *dg, *h;
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
    QN_VF dh = 0.0f, dz = 0.0f, dg = 0.0f;
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
        const QN_VF z = QN_NAME(load_part)(p->gates + at * 3 * U + u, n);
        const QN_VF g = QN_NAME(load_part)(p->gates + (at * 3 + 2) * U + u, n);

        dz = QN_NAME(gate_back)(p, dh * (QN_NAME(load_part)(p->previous + at * U + u, n) - g), z);
        dg = QN_NAME(cell_back)(p, dh * (1.0f - z), g);
        dh *= z;
    }
    qn_vstore(p->h, own, dh);
    QN_NAME(store_part)(dz, p->a + (long)row * 2 * U + u, n);
    QN_NAME(store_part)(dg, p->dg + short_own, n);
    if (flags & QN_RNN_DX) {
        QN_NAME(store_part)(dz, p->dx + at * 3 * U + u, n);
        QN_NAME(store_part)(dg, p->dx + (at * 3 + 2) * U + u, n);
    }
}

static inline void QN_NAME(resets)(const struct QN_NAME(gru_grad) *p, int pass, int row, int u, QN_VF sum)
{
    const int U = p->U, n = U - u, flags = p->flags, s = p->T - 1 - pass;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u, short_own = (long)row * U + u;
    QN_VF dr = 0.0f;

    if (s < 0)
        return;
    if (!(flags & QN_RNN_MASK) || p->mask[at]) {
        const QN_VF r = QN_NAME(load_part)(p->gates + (at * 3 + 1) * U + u, n);

        if (flags & QN_RNN_DROP)
            sum *= QN_NAME(load_part)(p->drop + short_own, n);
        dr = QN_NAME(gate_back)(p, sum * QN_NAME(load_part)(p->previous + at * U + u, n), r);
        qn_vstore(p->h, own, qn_vload(p->h, own) + sum * r);
    }
    QN_NAME(store_part)(dr, p->a + ((long)row * 2 + 1) * U + u, n);
    if (flags & QN_RNN_DX)
        QN_NAME(store_part)(dr, p->dx + (at * 3 + 1) * U + u, n);
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gru_before_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict dh_last,
                              long dh_last0, __global const float *restrict w, long w0, __global const float *restrict w2,
                              long w20, __global const QN_T *gates, long gates0,
                              __global const QN_T *restrict previous, long previous0, __global const uchar *restrict mask,
                              long mask0, __global const QN_T *restrict drop, long drop0,
                              __global const int *restrict first, long first0, __global QN_T *dx, long dx0,
                              __global QN_T *restrict dh0, long dh00, __global float *state, long state0, int N, int T,
                              int U, int rows_each, int strips, int strips_each, int flags, int phases,
                              float clip, float alpha_gate, float alpha_cell)
{
    const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, strips, strips_each);
    const long wide = (long)strips * (QN_J * QN_B), lda = 2 * (long)U;
    struct QN_NAME(gru_grad) p = { dy + dy0, dh_last + dh_last0, gates + gates0, previous + previous0, drop + drop0,
                                   mask + mask0, first + first0, dx + dx0, dh0 + dh00, 0, state + state0 + 4 * (long)N * U,
                                   state + state0 + 5 * (long)N * U, T, U, flags, wide, clip, alpha_gate, alpha_cell };
    QN_TILE_MEMORY;

#if QN_LOOP
    const int pass = (int)QN_BLOCK(2, 1);
#else
    for (int pass = 0; pass < T + (flags & (QN_RNN_DH0 | QN_RNN_DC0) ? 1 : 0); pass++)
#endif
    {
        __global const float *a = state + state0 + (pass & 1) * N * lda;

        p.a = state + state0 + (~pass & 1) * N * lda;
        for (int phase = 1; phase <= 2; phase++)
            for (int strip = share.strip; phase & phases && strip < share.strips; strip++)
                for (int row = share.row; row < share.rows; row += QN_TILE_ROWS) {
                    __global const float *from = phase == 1 ? a + row * lda : p.dg + row * (long)U;
                    __global const float *by = phase == 1 ? w + w0 + strip * lda * (QN_J * QN_B)
                                                          : w2 + w20 + (long)strip * U * (QN_J * QN_B);
                    QN_VF sum[QN_MR][QN_J];

                    QN_TILE(sum, from, phase == 1 ? lda : U, share.rows - row, by, phase == 2 ? U : pass ? 2 * U : 0);
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
                            const int u = (strip * QN_J + j) * QN_B + QN_LANE, r = row + QN_ITEM_ROW + i;

                            if (r >= share.rows || u >= U)
                                continue;
                            if (phase == 1)
                                QN_NAME(units)(&p, pass, r, u, QN_TILE_SUM(sum, i, j));
                            else
                                QN_NAME(resets)(&p, pass, r, u, QN_TILE_SUM(sum, i, j));
                        }
                }
    }
}
