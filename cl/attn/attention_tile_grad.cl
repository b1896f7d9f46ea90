/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Attention's gradient for CPUs; attn/attention_plain.cl has the formula. A work-item has a head of keys of one sample, and
 * of its query heads every parts-th tile of QN_QT queries, beginning with its own. For each tile it goes through the keys,
 * keeps dq to itself, and adds to dk and dv where they stand: in the results, or with several parts in scratch, whose parts
 * attention_grad_sum adds in order.
 *
 * attention_grad: global size parts, B * Hkv. attention_grad_sum: global size blocks of `each` rows.
 * Local size 1. Build parameters: QN_QT, a multiple of two vectors, QN_NC vectors (1 or 2) of a head side by side in a
 * register tile, and those of attn/tile.clh. */
#if !defined(QN_QT) || !defined(QN_NC)
#error "QN_QT and QN_NC are required"
#endif
#include "attn/tile.clh"

#define QN_DC QN_UP(QN_D, QN_NC * QN_V)   /* head sizes in whole vectors */
#define QN_DVC QN_UP(QN_DV, QN_NC * QN_V)

/* c[r][n] += sum over i of a[i * step + r] b[i][n], rows [0, rows) of c, `apart` from each other. */
static inline void QN_NAME(add_rows)(__global float *c, long apart, int rows, __local const float *a, int row,
                                     __local const float *b, int width, int count)
{
    QN_VF sum[QN_MR][QN_NC];

#pragma unroll
    for (int r = 0; r < QN_MR; r++)
#pragma unroll
        for (int n = 0; n < QN_NC; n++)
            sum[r][n] = (QN_VF)(0.0f);
    for (int i = 0; i < count; i++) {
        QN_VF bv[QN_NC];

#pragma unroll
        for (int n = 0; n < QN_NC; n++)
            bv[n] = QN_AT(b, i * width + n * QN_V);
#pragma unroll
        for (int r = 0; r < QN_MR; r++) {
            const QN_VF av = (QN_VF)(a[r * row + i]);

#pragma unroll
            for (int n = 0; n < QN_NC; n++)
                sum[r][n] += av * bv[n];
        }
    }
#pragma unroll
    for (int r = 0; r < QN_MR; r++)
        if (r < rows) {
#pragma unroll
            for (int n = 0; n < QN_NC; n++)
                QN_PUT(c, r * apart + n * QN_V, QN_AT(c, r * apart + n * QN_V) + sum[r][n]);
        }
}

/* x[j][c] += sum over i of w[j][i] z[i][c] for keys [0, n) */
static inline void QN_NAME(add_keys)(__global float *x, long apart, __local const float *w, __local const float *z, int width,
                                     int n, int count)
{
    for (int c = 0; c < width; c += QN_NC * QN_V)
        for (int j = 0; j < n; j += QN_MR)
            QN_NAME(add_rows)(x + j * apart + c, apart, n - j, w + j * QN_QT, QN_QT, z + c, width, count);
}

/* dq[d][i] += sum over j of k[j][d] ds[j][i] */
static inline void QN_NAME(add_queries)(__local float *dq, __local const float *k, __local const float *ds, int n)
{
    for (int d = 0; d < QN_DP; d += QN_MR) {
        QN_VF sum[QN_MR][2];

#pragma unroll
        for (int r = 0; r < QN_MR; r++) {
            sum[r][0] = QN_AT(dq, (d + r) * QN_QT);
            sum[r][1] = QN_AT(dq, (d + r) * QN_QT + QN_V);
        }
        QN_NAME(tile)(sum, k + d, 1, QN_DP, ds, QN_QT, n);
#pragma unroll
        for (int r = 0; r < QN_MR; r++) {
            QN_PUT(dq, (d + r) * QN_QT, sum[r][0]);
            QN_PUT(dq, (d + r) * QN_QT + QN_V, sum[r][1]);
        }
    }
}

/* Products become weights, and products of dy and values become gradients of scores, for keys [0, n) and a block of queries
 * of which `sums` has lse, and QN_QT further on, delta. */
static inline void QN_NAME(weigh)(const struct QN_NAME(attn) *a, __local float *s, __local float *ds,
                                  __local const float *keep, __local const float *sums, int i, int j0, int n)
{
    const bool whole = QN_NAME(whole)(a, i, j0, n);

#pragma unroll
    for (int c = 0; c < 2; c++) {
        const QN_VF lse = QN_AT(sums, c * QN_V), delta = QN_AT(sums, QN_QT + c * QN_V);

        for (int j = 0; j < n; j++) {
            QN_VF v = QN_AT(s, j * QN_QT + c * QN_V), dp = QN_AT(ds, j * QN_QT + c * QN_V), t = (QN_VF)(0.0f), p;

            if (whole) {
                p = QN_NAME(exp_of)(v - lse);
            } else {
                v = QN_NAME(scores)(a, v, &t, i + c * QN_V, j0 + j);
                p = QN_NAME(exp_of)(v - lse);
                p = v <= -1e38f ? (QN_VF)(0.0f) : p;
            }
#if QN_DROPOUT
            const QN_VF kept = QN_AT(keep, j * QN_W + c * QN_V);

            dp = p * (dp * kept - delta);
            QN_PUT(s, j * QN_QT + c * QN_V, p * kept);
#else
            dp = p * (dp - delta);
            QN_PUT(s, j * QN_QT + c * QN_V, p);
#endif
#if QN_SOFTCAP
            dp *= 1.0f - t * t;
#endif
            QN_PUT(ds, j * QN_QT + c * QN_V, dp);
        }
    }
}

static inline void QN_NAME(zero_rows)(__global float *x, long apart, int width, int rows)
{
    for (int j = 0; j < rows; j++)
        for (int c = 0; c < width; c++)
            x[j * apart + c] = 0.0f;
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention_grad)(QN_ATTN_PARAMETERS, __global const float *restrict y, long y0,
                             __global const float *restrict lse, long lse0, __global const float *restrict dy, long dy0,
                             __global float *restrict dq, long dq0, __global float *restrict dk, long dk0,
                             __global float *restrict dv, long dv0, int parts, int in_parts,
                             int pairs)
{
    __local float kt[QN_KP * QN_DP], vt[QN_KP * QN_DV], qt[QN_D * QN_QT], dyt[QN_DV * QN_QT], qr[QN_QT * QN_DC],
        dyr[QN_QT * QN_DVC], dqt[QN_DP * QN_QT], s[QN_KP * QN_QT], ds[QN_KP * QN_QT], sums[2 * QN_QT];
#if QN_DROPOUT
    __local float keep[QN_KT * QN_W];
#else
    __local float *keep = s;
#endif
    const int part = (int)get_global_id(0), hk = (int)(get_global_id(1) % Hkv), group = Hq / Hkv;
    const long b = get_global_id(1) / Hkv, at = part * (long)pairs + get_global_id(1);
    const long apart_k = in_parts ? QN_DC : (long)Hkv * QN_D, apart_v = in_parts ? QN_DVC : (long)Hkv * QN_DV;
    const int tiles = (Tq + QN_QT - 1) / QN_QT;

    k += k0 + (b * Tk * Hkv + hk) * QN_D;
    v += v0 + (b * Tk * Hkv + hk) * QN_DV;
    dk += dk0 + (in_parts ? at * Tk * QN_DC : (b * Tk * Hkv + hk) * QN_D);
    dv += dv0 + (in_parts ? at * Tk * QN_DVC : (b * Tk * Hkv + hk) * QN_DV);
    QN_NAME(zero_rows)(dk, apart_k, in_parts ? QN_DC : QN_D, Tk);
    QN_NAME(zero_rows)(dv, apart_v, in_parts ? QN_DVC : QN_DV, Tk);
    for (int work = part; work < group * tiles; work += parts) {
        const int h = hk * group + work / tiles, i0 = work % tiles * QN_QT, i1 = min(Tq, i0 + QN_QT), rows = i1 - i0;
        const struct QN_NAME(attn) a = QN_ATTN_HEAD(b, h);
        const long q_at = ((b * Tq + i0) * Hq + h) * QN_D, y_at = ((b * Tq + i0) * Hq + h) * QN_DV;
        const int last = QN_NAME(last_key)(&a, i1);

        QN_NAME(load_columns)(qt, QN_QT, q + q0 + q_at, (long)Hq * QN_D, QN_D, rows, scale);
        QN_NAME(load_columns)(dyt, QN_QT, dy + dy0 + y_at, (long)Hq * QN_DV, QN_DV, rows, 1.0f);
        QN_NAME(load_rows)(qr, QN_DC, q + q0 + q_at, (long)Hq * QN_D, QN_D, rows, rows, scale);
        QN_NAME(load_rows)(dyr, QN_DVC, dy + dy0 + y_at, (long)Hq * QN_DV, QN_DV, rows, rows, 1.0f);
        for (int i = 0; i < QN_QT; i++) {
            float delta = 0.0f;

            for (int c = 0; c < QN_DV && i < rows; c++)
                delta += dyr[i * QN_DVC + c] * y[y0 + y_at + (long)i * Hq * QN_DV + c];
            sums[QN_QT + i] = delta;
            sums[i] = i < rows ? lse[lse0 + (b * Hq + h) * Tq + i0 + i] : 0.0f;
        }
        for (int i = 0; i < QN_DP * QN_QT; i++)
            dqt[i] = 0.0f;
        for (int j0 = QN_NAME(first_key)(&a, i0) / QN_KT * QN_KT; j0 < last; j0 += QN_KT) {
            const int n = min(QN_KT, last - j0);

            QN_NAME(load_rows)(kt, QN_DP, k + (long)j0 * Hkv * QN_D, (long)Hkv * QN_D, QN_D, n, QN_UP(n, QN_MR), 1.0f);
            QN_NAME(load_rows)(vt, QN_DV, v + (long)j0 * Hkv * QN_DV, (long)Hkv * QN_DV, QN_DV, n, QN_UP(n, QN_MR), 1.0f);
            for (int i = 0; i < QN_QT; i += QN_W) {
                int seen = i < rows ? min(n, QN_NAME(last_key)(&a, min(i0 + i + QN_W, i1)) - j0) : 0;

                if (seen > 0 && QN_NAME(first_key)(&a, i0 + i) < j0 + n) {
                    QN_NAME(products)(s + i, QN_QT, kt, QN_DP, QN_D, qt + i, QN_QT, seen);
                    QN_NAME(products)(ds + i, QN_QT, vt, QN_DV, QN_DV, dyt + i, QN_QT, seen);
#if QN_DROPOUT
                    QN_NAME(draw)(&a, keep, i0 + i, j0);
#endif
                    QN_NAME(weigh)(&a, s + i, ds + i, keep, sums + i, i0 + i, j0, seen);
                    QN_NAME(add_queries)(dqt + i, kt, ds + i, seen);
                } else {
                    seen = 0;
                }
                for (int j = seen; j < n; j++)
                    for (int l = 0; l < QN_W; l += QN_V) {
                        QN_PUT(s, j * QN_QT + i + l, (QN_VF)(0.0f));
                        QN_PUT(ds, j * QN_QT + i + l, (QN_VF)(0.0f));
                    }
            }
            QN_NAME(add_keys)(dv + j0 * apart_v, apart_v, s, dyr, QN_DVC, n, rows);
            QN_NAME(add_keys)(dk + j0 * apart_k, apart_k, ds, qr, QN_DC, n, rows);
        }
        for (int i = 0; i < rows; i++)
            for (int d = 0; d < QN_D; d++)
                dq[dq0 + q_at + (long)i * Hq * QN_D + d] = dqt[d * QN_QT + i] * scale;
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention_grad_sum)(__global const float *restrict from, long from0, __global float *restrict dk, long dk0,
                                 __global float *restrict dv, long dv0, int Tk, int Hkv, long rows, int each, int parts)
{
    const long first = get_global_id(0) * each, last = min(rows, first + each);

    /* A row is (sample, key head, key); scratch has dk of all parts, then dv. */
    for (long row = first; row < last; row++) {
        const long j = row % Tk, hk = row / Tk % Hkv, b = row / Tk / Hkv, to = (b * Tk + j) * Hkv + hk;
        __global const float *k = from + from0 + row * QN_DC, *v = from + from0 + parts * rows * QN_DC + row * QN_DVC;

        for (int d = 0; d < QN_D; d++) {
            float t = k[d];

            for (int p = 1; p < parts; p++)
                t += k[p * rows * QN_DC + d];
            dk[dk0 + to * QN_D + d] = t;
        }
        for (int c = 0; c < QN_DV; c++) {
            float t = v[c];

            for (int p = 1; p < parts; p++)
                t += v[p * rows * QN_DVC + c];
            dv[dv0 + to * QN_DV + c] = t;
        }
    }
}
