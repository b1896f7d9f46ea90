/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Attention for GPUs: a work-group makes QN_N chunks of the results of QN_ROWS queries of a head, going through the keys
 * once. What it knows of a query: the largest score m so far, the sum l of exp(s - m), and o, the sum of exp(s - m) v; when a
 * larger score comes, l and o are multiplied by exp(m - new m). l is summed over a work-item's own keys until the end.
 *
 * Global size: tiles of queries of B * Hq heads, blocks of QN_N chunks of Dv; local size QN_L0, 1. Build parameters: those of
 * attn/group.clh. */
#include "attn/group.clh"

/* Products become weights; m and l go on with them. Gives the factor of what was summed before. */
static inline float4 QN_NAME(weights)(int zero, const struct QN_NAME(attn) *a, float4 s[4], __local float4 *z,
                                      __local const uint *keep, float4 *m, float4 *l, int i, int j)
{
    float most[4], sum[4];
    float4 old = *m, now;

#pragma unroll
    for (int r = 0; r < 4; r++) {
        float t[4] = {s[r].s0, s[r].s1, s[r].s2, s[r].s3}, unused;

#pragma unroll
        for (int c = 0; c < 4; c++)
            t[c] = QN_NAME(score)(a, t[c], &unused, i + r, j + c);
        most[r] = fmax(fmax(t[0], t[1]), fmax(t[2], t[3]));
        s[r] = (float4)(t[0], t[1], t[2], t[3]);
    }
    now = fmax(old, QN_NAME(over_columns)(zero, (float4)(most[0], most[1], most[2], most[3]), z, true));
    *m = now;
    most[0] = now.s0;
    most[1] = now.s1;
    most[2] = now.s2;
    most[3] = now.s3;
#pragma unroll
    for (int r = 0; r < 4; r++) {
        const uint flags = QN_NAME(flags)(zero, keep, r);

        s[r] = QN_SEEN(s[r]) ? exp(s[r] - most[r]) : (float4)(0.0f);
        sum[r] = (s[r].s0 + s[r].s1) + (s[r].s2 + s[r].s3);
        s[r] *= (float4)(QN_NAME(kept)(a, flags, 0), QN_NAME(kept)(a, flags, 1), QN_NAME(kept)(a, flags, 2),
                         QN_NAME(kept)(a, flags, 3));
    }
    old = exp(old - now);
    *l = *l * old + (float4)(sum[0], sum[1], sum[2], sum[3]);
    return old;
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention)(QN_ATTN_PARAMETERS, __global float *restrict y, long y0, __global float *restrict lse, long lse0)
{
    __local float4 x[QN_X_SIZE], z[QN_Z_SIZE];
    __local uint keep[QN_KEEP_FLAGS];
    int zero = 0;
    const int tiles = (Tq + QN_ROWS - 1) / QN_ROWS, i0 = (int)(QN_BLOCK(0, QN_L0) % tiles) * QN_ROWS;
    const int rows = min(Tq - i0, QN_ROWS), first = (int)QN_BLOCK(1, 1) * QN_N * QN_CHUNK;
    const int h = (int)(QN_BLOCK(0, QN_L0) / tiles % Hq), hk = h / (Hq / Hkv);
    const long b = QN_BLOCK(0, QN_L0) / tiles / Hq;
    const struct QN_NAME(attn) a = QN_ATTN_HEAD(b, h);
    const int last = QN_NAME(last_key)(&a, i0 + rows);
    float4 m = (float4)(QN_UNSEEN), l = (float4)(0.0f), s[4];
    QN_SUM o[QN_N][QN_SUMS];

    q += q0 + ((b * Tq + i0) * Hq + h) * QN_D;
    k += k0 + (b * Tk * Hkv + hk) * QN_D;
    v += v0 + (b * Tk * Hkv + hk) * QN_DV + first;
    QN_NAME(clear)(o);
    for (int j0 = QN_NAME(first_key)(&a, i0) / QN_COLUMNS * QN_COLUMNS; j0 < last; j0 += QN_COLUMNS) {
        const int n = min(last - j0, QN_COLUMNS);
        float4 alpha;

        zero = QN_ZERO(j0);
#if QN_DROPOUT
        QN_NAME(draw)(zero, &a, keep, i0, QN_COLUMNS, rows, j0, 1, QN_COLUMNS / 16);
#endif
        QN_NAME(product)(zero, s, x, z, q, (long)Hq * QN_D, rows, k + (long)j0 * Hkv * QN_D, (long)Hkv * QN_D, n, QN_D, scale);
        alpha = QN_NAME(weights)(zero, &a, s, z, keep, &m, &l, i0 + 4 * QN_Y, j0 + 4 * QN_X);
        QN_NAME(put_weights)(zero, x, s);
        QN_NAME(rescale)(zero, o, x, alpha);
        QN_NAME(add)(zero, o, x, z, v + (long)j0 * Hkv * QN_DV, (long)Hkv * QN_DV, n, QN_DV - first);
    }
    l = QN_NAME(over_columns)(zero, l, z, false);
    QN_NAME(rescale)(zero, o, x, l == 0.0f ? (float4)(0.0f) : 1.0f / l);
    QN_NAME(put)(zero, y + y0 + ((b * Tq + i0) * Hq + h) * QN_DV + first, (long)Hq * QN_DV, rows, QN_DV - first, o);
    if (QN_X == 0 && first == 0) {
        const float4 t = l == 0.0f ? (float4)(0.0f) : m + log(l);
        const float value[4] = {t.s0, t.s1, t.s2, t.s3};

#pragma unroll
        for (int r = 0; r < 4; r++)
            if (4 * QN_Y + r < rows)
                lse[lse0 + (b * Hq + h) * Tq + i0 + 4 * QN_Y + r] = value[r];
    }
}
