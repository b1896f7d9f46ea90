/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Attention's gradient for GPUs; attn/attention_plain.cl has the formula. Two passes make the weights again, tile by tile,
 * and nothing is added by two work-groups:
 * attention_grad_queries: a work-group has QN_ROWS queries of a head, goes through the keys, and makes QN_N chunks of dq;
 *   and delta, minus the sums over dy y, [B,Hq,Tq]. Global size: tiles of queries of B * Hq heads, blocks of chunks of D.
 * attention_grad_keys: a work-group has QN_ROWS keys of a head, goes through the queries of each head that uses them, and
 *   makes QN_N chunks of dk and of dv. Global size: tiles of keys of B * Hkv heads, blocks of chunks of D or Dv.
 * Local size QN_L0, 1. Build parameters: those of attn/group.clh. */
#include "attn/group.clh"

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention_grad_queries)(QN_ATTN_PARAMETERS, __global const float *restrict y, long y0,
                                     __global const float *restrict lse, long lse0, __global const float *restrict dy,
                                     long dy0, __global float *restrict delta, long delta0, __global float *restrict dq,
                                     long dq0)
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
    float d[4], e[4];
    float4 s[4], dp[4];
    QN_SUM o[QN_N][QN_SUMS];

    q += q0 + ((b * Tq + i0) * Hq + h) * QN_D;
    k += k0 + (b * Tk * Hkv + hk) * QN_D;
    v += v0 + (b * Tk * Hkv + hk) * QN_DV;
    y += y0 + ((b * Tq + i0) * Hq + h) * QN_DV;
    dy += dy0 + ((b * Tq + i0) * Hq + h) * QN_DV;
    lse += lse0 + (b * Hq + h) * Tq + i0;
    delta += delta0 + (b * Hq + h) * Tq + i0;
#pragma unroll
    for (int r = 0; r < 4; r++) {
        const long at = (4 * QN_Y + r) * (long)Hq * QN_DV;

        d[r] = e[r] = 0.0f;
        if (4 * QN_Y + r < rows) {
            for (int c = QN_X; c < QN_DV; c += 8)
                d[r] -= dy[at + c] * y[at + c];
            e[r] = lse[4 * QN_Y + r];
        }
    }
    s[0] = QN_NAME(over_columns)(zero, (float4)(d[0], d[1], d[2], d[3]), z, false);
    d[0] = s[0].s0;
    d[1] = s[0].s1;
    d[2] = s[0].s2;
    d[3] = s[0].s3;
    if (QN_X == 0 && first == 0) {
#pragma unroll
        for (int r = 0; r < 4; r++)
            if (4 * QN_Y + r < rows)
                delta[4 * QN_Y + r] = d[r];
    }
    QN_NAME(clear)(o);
    for (int j0 = QN_NAME(first_key)(&a, i0) / QN_COLUMNS * QN_COLUMNS; j0 < last; j0 += QN_COLUMNS) {
        const int n = min(last - j0, QN_COLUMNS), j = j0 + 4 * QN_X;
        __global const float *keys = k + (long)j0 * Hkv * QN_D;

        zero = QN_ZERO(j0);
#if QN_DROPOUT
        QN_NAME(draw)(zero, &a, keep, i0, QN_COLUMNS, rows, j0, 1, QN_COLUMNS / 16);
#endif
        QN_NAME(product)(zero, s, x, z, q, (long)Hq * QN_D, rows, keys, (long)Hkv * QN_D, n, QN_D, scale);
        QN_NAME(product)(QN_ZERO(j0 + 1), dp, x, z, dy, (long)Hq * QN_DV, rows, v + (long)j0 * Hkv * QN_DV, (long)Hkv * QN_DV, n,
                         QN_DV, 1.0f);
#pragma unroll
        for (int r = 0; r < 4; r++) {
            const int i = i0 + 4 * QN_Y + r;
            const uint flags = QN_NAME(flags)(zero, keep, r);
            float p[4] = {s[r].s0, s[r].s1, s[r].s2, s[r].s3}, g[4] = {dp[r].s0, dp[r].s1, dp[r].s2, dp[r].s3};

#pragma unroll
            for (int l = 0; l < 4; l++)
                QN_NAME(weigh)(&a, p + l, g + l, QN_NAME(kept)(&a, flags, l), e[r], d[r], i, j + l);
            dp[r] = (float4)(g[0], g[1], g[2], g[3]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        QN_NAME(put_weights)(zero, x, dp);
        QN_NAME(add)(QN_ZERO(j0 + 2), o, x, z, keys + first, (long)Hkv * QN_D, n, QN_D - first);
    }
    QN_NAME(rescale)(zero, o, x, (float4)(scale));
    QN_NAME(put)(zero, dq + dq0 + ((b * Tq + i0) * Hq + h) * QN_D + first, (long)Hq * QN_D, rows, QN_D - first, o);
}

#if !QN_SIMD || QN_N == 1 /* two results of more chunks would not leave enough registers there */
__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention_grad_keys)(QN_ATTN_PARAMETERS, __global const float *restrict lse, long lse0,
                                  __global const float *restrict dy, long dy0, __global const float *restrict delta,
                                  long delta0, __global float *restrict dk, long dk0, __global float *restrict dv, long dv0)
{
    __local float4 x[QN_X_SIZE], z[QN_Z_SIZE];
    __local uint keep[QN_KEEP_FLAGS];
    int zero = 0;
    const int tiles = (Tk + QN_ROWS - 1) / QN_ROWS, j0 = (int)(QN_BLOCK(0, QN_L0) % tiles) * QN_ROWS;
    const int rows = min(Tk - j0, QN_ROWS), first = (int)QN_BLOCK(1, 1) * QN_N * QN_CHUNK, group = Hq / Hkv;
    const int hk = (int)(QN_BLOCK(0, QN_L0) / tiles % Hkv);
    const long b = QN_BLOCK(0, QN_L0) / tiles / Hkv;
    float4 s[4], dp[4];
    QN_SUM ok[QN_N][QN_SUMS], ov[QN_N][QN_SUMS];

    q += q0 + b * Tq * Hq * QN_D;
    k += k0 + ((b * Tk + j0) * Hkv + hk) * QN_D;
    v += v0 + ((b * Tk + j0) * Hkv + hk) * QN_DV;
    dy += dy0 + b * Tq * Hq * QN_DV;
    lse += lse0 + b * Hq * Tq;
    delta += delta0 + b * Hq * Tq;
    QN_NAME(clear)(ok);
    QN_NAME(clear)(ov);
    for (int h = hk * group; h < (hk + 1) * group; h++) {
        const struct QN_NAME(attn) a = QN_ATTN_HEAD(b, h);
        const int last = j0 < a.keys ? QN_NAME(last_query)(&a, j0 + rows) : 0;

        for (int i0 = QN_NAME(first_query)(&a, j0); i0 < last; i0 += QN_COLUMNS) {
            const int n = min(last - i0, QN_COLUMNS);
            __global const float *queries = q + ((long)i0 * Hq + h) * QN_D;
            __global const float *grads = dy + ((long)i0 * Hq + h) * QN_DV;
            float p[4][4], g[4][4], lse_of[4], delta_of[4];
            uint flags[4];

            zero = QN_ZERO(i0);
#if QN_DROPOUT
            QN_NAME(draw)(zero, &a, keep, i0, 1, n, j0, QN_COLUMNS, QN_ROWS / 16);
#endif
            QN_NAME(product)(zero, s, x, z, k, (long)Hkv * QN_D, rows, queries, (long)Hq * QN_D, n, QN_D, scale);
            QN_NAME(product)(QN_ZERO(i0 + 1), dp, x, z, v, (long)Hkv * QN_DV, rows, grads, (long)Hq * QN_DV, n, QN_DV, 1.0f);
#pragma unroll
            for (int e = 0; e < 16; e++) { /* in the order in which x has them: so fewer registers hold part of a float4 */
                const int r = QN_TURNED ? e % 4 : e / 4, l = QN_TURNED ? e / 4 : e % 4;
                const int i = i0 + 4 * QN_X + l, at = h * Tq + min(i, Tq - 1);

                if (r == 0) {
                    lse_of[l] = lse[at];
                    delta_of[l] = delta[at];
                }
                if (l == 0) {
                    flags[r] = QN_NAME(flags)(zero, keep, r);
                    p[r][0] = s[r].s0, p[r][1] = s[r].s1, p[r][2] = s[r].s2, p[r][3] = s[r].s3;
                    g[r][0] = dp[r].s0, g[r][1] = dp[r].s1, g[r][2] = dp[r].s2, g[r][3] = dp[r].s3;
                }
                QN_NAME(weigh)(&a, &p[r][l], &g[r][l], QN_NAME(kept)(&a, flags[r], l), lse_of[l], delta_of[l], i,
                               j0 + 4 * QN_Y + r);
                if (l == 3) {
                    s[r] = (float4)(p[r][0], p[r][1], p[r][2], p[r][3]);
                    dp[r] = (float4)(g[r][0], g[r][1], g[r][2], g[r][3]);
                }
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            QN_NAME(put_weights)(zero, x, s);
            QN_NAME(add)(QN_ZERO(i0 + 2), ov, x, z, grads + first, (long)Hq * QN_DV, n, QN_DV - first);
            barrier(CLK_LOCAL_MEM_FENCE);
            QN_NAME(put_weights)(zero, x, dp);
            QN_NAME(add)(QN_ZERO(i0 + 3), ok, x, z, queries + first, (long)Hq * QN_D, n, QN_D - first);
        }
    }
    QN_NAME(rescale)(zero, ok, x, (float4)(scale));
    QN_NAME(put)(zero, dk + dk0 + ((b * Tk + j0) * Hkv + hk) * QN_D + first, (long)Hkv * QN_D, rows, QN_D - first, ok);
    QN_NAME(put)(zero, dv + dv0 + ((b * Tk + j0) * Hkv + hk) * QN_DV + first, (long)Hkv * QN_DV, rows, QN_DV - first, ov);
}
#endif
