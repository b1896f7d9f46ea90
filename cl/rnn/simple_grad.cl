/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradient of rnn/simple.cl, from the last step to the first, and once more for the first state:
 *
 *   dh = dy + drop (dz' W^T) + (what masked steps carry on)      dz = cell'(dh)
 *
 * dz' is that of the step after. dx [N,T,U] = dz; 0 where a step is masked. dh0 [N,U]. w is packed transposed.
 * dx may lie where gates does.
 *
 * state: a (dz) of even and odd passes [N,U] each, then what is carried on of dh, rows of `wide`.
 * Grid and build parameters: rnn/tile.clh (passes steps), rnn/rnn.clh. A strip is QN_J * QN_B units. */
#include "rnn/rnn.clh"

struct QN_NAME(simple_grad) {
    __global const QN_T *dy, *dh_last, *gates, *drop;
    __global const uchar *mask;
    __global const int *first;
    __global QN_T *dx, *dh0;
    __global float *a, *h;
    int T, U, flags;
    long wide;
    float clip, alpha_cell;
};

/* g times the derivative of an activation with result y. */
static inline QN_VF QN_NAME(cell_back)(const struct QN_NAME(simple_grad) *p, QN_VF g, QN_VF y)
{
    g = QN_NAME(act_cell_grad)(g, y, p->alpha_cell);
    if (p->clip > 0.0f) {
        const QN_VF least = QN_NAME(act_cell)((QN_VF)(-p->clip), p->alpha_cell);
        const QN_VF most = QN_NAME(act_cell)((QN_VF)(p->clip), p->alpha_cell);

        g = y == least || y == most ? (QN_VF)(0.0f) : g;
    }
    return g;
}

static inline void QN_NAME(units)(const struct QN_NAME(simple_grad) *p, int pass, int row, int u, QN_VF sum)
{
    const int U = p->U, n = U - u, flags = p->flags, s = p->T - 1 - pass;
    const long at = (long)row * p->T + QN_TIME(p, s), own = row * p->wide + u, short_own = (long)row * U + u;
    QN_VF dh = 0.0f, dz = 0.0f;
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
        dz = QN_NAME(cell_back)(p, dh, QN_NAME(load_part)(p->gates + at * U + u, n));
        dh = 0.0f;
    }
    qn_vstore(p->h, own, dh);
    QN_NAME(store_part)(dz, p->a + short_own, n);
    if (flags & QN_RNN_DX)
        QN_NAME(store_part)(dz, p->dx + at * U + u, n);
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(simple_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict dh_last, long dh_last0,
                          __global const float *restrict w, long w0, __global const QN_T *gates, long gates0,
                          __global const uchar *restrict mask, long mask0, __global const QN_T *restrict drop, long drop0,
                          __global const int *restrict first, long first0, __global QN_T *dx, long dx0,
                          __global QN_T *restrict dh0, long dh00, __global float *state, long state0, int N, int T, int U,
                          int rows_each, int strips, int strips_each, int flags, float clip, float alpha_cell)
{
    const struct QN_NAME(share) share = QN_NAME(my_share)(N, rows_each, strips, strips_each);
    const long wide = (long)strips * (QN_J * QN_B), lda = U;
    struct QN_NAME(simple_grad) p = { dy + dy0, dh_last + dh_last0, gates + gates0, drop + drop0, mask + mask0,
                                      first + first0, dx + dx0, dh0 + dh00, 0, state + state0 + 2 * N * lda, T, U, flags,
                                      wide, clip, alpha_cell };
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
                        pass ? U : 0);
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
                            QN_NAME(units)(&p, pass, row + QN_ITEM_ROW + i, u, QN_TILE_SUM(sum, i, j));
                    }
            }
    }
}
