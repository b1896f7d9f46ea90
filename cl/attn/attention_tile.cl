/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Attention for CPUs: a work-item makes the results of QN_QT queries of a head, going through the keys once, QN_KT at a
 * time. What it knows of a query: the largest score m so far, the sum l of exp(s - m), and o, the sum of exp(s - m) v;
 * when a larger score comes, l and o are multiplied by exp(m - new m).
 *
 * Global size: tiles of queries, B * Hq; local size 1. Build parameters: QN_QT, a multiple of two vectors, and those of
 * attn/tile.clh. */
#ifndef QN_QT
#error "QN_QT is required"
#endif
#include "attn/tile.clh"

/* One block of queries and one tile of keys [0, n), whose products stand in s. */
static inline void QN_NAME(weigh)(const struct QN_NAME(attn) *a, __local float *s, __local const float *keep,
                                  __local float *ml, QN_VF alpha[2], int i, int j0, int n)
{
    const bool whole = QN_NAME(whole)(a, i, j0, n);

#pragma unroll
    for (int c = 0; c < 2; c++) {
        const QN_VF before = QN_AT(ml, c * QN_V);
        QN_VF m = before, sum = (QN_VF)(0.0f), unused;

        if (whole) {
            for (int j = 0; j < n; j++) {
                const QN_VF v = QN_AT(s, j * QN_W + c * QN_V);

                m = v > m ? v : m;
            }
        } else {
            for (int j = 0; j < n; j++) {
                const QN_VF v = QN_NAME(scores)(a, QN_AT(s, j * QN_W + c * QN_V), &unused, i + c * QN_V, j0 + j);

                QN_PUT(s, j * QN_W + c * QN_V, v);
                m = v > m ? v : m;
            }
        }
        for (int j = 0; j < n; j++) {
            const QN_VF v = QN_AT(s, j * QN_W + c * QN_V);
            QN_VF p = QN_NAME(exp_of)(v - m);

            if (!whole)
                p = v <= -1e38f ? (QN_VF)(0.0f) : p;
            sum += p;
            if (QN_DROPOUT)
                p *= QN_AT(keep, j * QN_W + c * QN_V);
            QN_PUT(s, j * QN_W + c * QN_V, p);
        }
        alpha[c] = QN_NAME(exp_of)(before - m);
        QN_PUT(ml, c * QN_V, m);
        QN_PUT(ml, QN_QT + c * QN_V, QN_AT(ml, QN_QT + c * QN_V) * alpha[c] + sum);
    }
}

/* o[c][i] = o[c][i] * alpha[i] + sum over j of v[j][c] p[j][i] */
static inline void QN_NAME(sum_values)(__local float *o, __local const float *v, __local const float *p,
                                       const QN_VF alpha[2], int n)
{
    for (int c = 0; c < QN_DVP; c += QN_MR) {
        QN_VF sum[QN_MR][2];

#pragma unroll
        for (int r = 0; r < QN_MR; r++) {
            sum[r][0] = QN_AT(o, (c + r) * QN_QT) * alpha[0];
            sum[r][1] = QN_AT(o, (c + r) * QN_QT + QN_V) * alpha[1];
        }
        QN_NAME(tile)(sum, v + c, 1, QN_DVP, p, QN_W, n);
#pragma unroll
        for (int r = 0; r < QN_MR; r++) {
            QN_PUT(o, (c + r) * QN_QT, sum[r][0]);
            QN_PUT(o, (c + r) * QN_QT + QN_V, sum[r][1]);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention)(QN_ATTN_PARAMETERS, __global float *restrict y, long y0, __global float *restrict lse, long lse0)
{
    __local float kt[QN_KP * QN_D], vt[QN_KT * QN_DVP], qt[QN_D * QN_QT], o[QN_DVP * QN_QT], s[QN_KP * QN_W], ml[2 * QN_QT];
#if QN_DROPOUT
    __local float keep[QN_KT * QN_W];
#else
    __local float *keep = s;
#endif
    const int i0 = (int)get_global_id(0) * QN_QT, i1 = min(Tq, i0 + QN_QT);
    const int h = (int)(get_global_id(1) % Hq), hk = h / (Hq / Hkv);
    const long b = get_global_id(1) / Hq;
    const struct QN_NAME(attn) a = QN_ATTN_HEAD(b, h);
    const int last = QN_NAME(last_key)(&a, i1);

    q += q0 + ((b * Tq + i0) * Hq + h) * QN_D;
    k += k0 + (b * Tk * Hkv + hk) * QN_D;
    v += v0 + (b * Tk * Hkv + hk) * QN_DV;
    y += y0 + ((b * Tq + i0) * Hq + h) * QN_DV;
    lse += lse0 + (b * Hq + h) * Tq + i0;
    QN_NAME(load_columns)(qt, QN_QT, q, (long)Hq * QN_D, QN_D, i1 - i0, scale);
    for (int i = 0; i < QN_QT; i++) {
        ml[i] = QN_UNSEEN;
        ml[QN_QT + i] = 0.0f;
    }
    for (int i = 0; i < QN_DVP * QN_QT; i++)
        o[i] = 0.0f;
    for (int j0 = QN_NAME(first_key)(&a, i0) / QN_KT * QN_KT; j0 < last; j0 += QN_KT) {
        const int n = min(QN_KT, last - j0);

        QN_NAME(load_rows)(kt, QN_D, k + (long)j0 * Hkv * QN_D, (long)Hkv * QN_D, QN_D, n, QN_UP(n, QN_MR), 1.0f);
        QN_NAME(load_rows)(vt, QN_DVP, v + (long)j0 * Hkv * QN_DV, (long)Hkv * QN_DV, QN_DV, n, n, 1.0f);
        for (int i = 0; i0 + i < i1; i += QN_W) {
            const int seen = min(n, QN_NAME(last_key)(&a, min(i0 + i + QN_W, i1)) - j0);
            QN_VF alpha[2];

            if (seen <= 0 || QN_NAME(first_key)(&a, i0 + i) >= j0 + n)
                continue;
            QN_NAME(products)(s, QN_W, kt, QN_D, QN_D, qt + i, QN_QT, seen);
#if QN_DROPOUT
            QN_NAME(draw)(&a, keep, i0 + i, j0);
#endif
            QN_NAME(weigh)(&a, s, keep, ml + i, alpha, i0 + i, j0, seen);
            QN_NAME(sum_values)(o + i, vt, s, alpha, seen);
        }
    }
    for (int i = 0; i < i1 - i0; i++) {
        const float sum = ml[QN_QT + i], factor = sum > 0.0f ? 1.0f / sum : sum == 0.0f ? 0.0f : sum;

        for (int c = 0; c < QN_DV; c++)
            y[(long)i * Hq * QN_DV + c] = o[c * QN_QT + i] * factor;
        lse[i] = sum == 0.0f ? 0.0f : ml[i] + log(sum);
    }
}
