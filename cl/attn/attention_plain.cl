/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Attention as its formula says, for what no tile takes; s is the score of attn/score.clh.
 *
 *   p[i,j] = exp(s[i,j] - lse[i]),  lse[i] = log sum over j of exp(s[i,j]),  y[i] = sum over j of p[i,j] v[j]
 *   dp[i,j] = dy[i] v[j],  ds[i,j] = p[i,j] (dp[i,j] - sum over c of dy[i,c] y[i,c])
 *   dq[i] = scale * sum over j of ds[i,j] k[j],  dk[j] = scale * sum over i of ds[i,j] q[i],
 *   dv[j] = sum over i of p[i,j] dy[i];  dk and dv are sums over the query heads of a key head, too
 *
 * p and ds stand in scratch, [B,Hq,Tq,Tk].
 * attention, attention_grad_rows: one work-item a row of it; all rows. attention_grad_keys: one a key; all B * Tk * Hkv.
 * Build parameters: QN_L0..2 and those of attn/score.clh. */
#define QN_DTYPE 0
#include "common/types.clh"
#include "common/narrow.clh"
#include "attn/score.clh"

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention)(QN_ATTN_PARAMETERS, __global float *restrict p, long p0, __global float *restrict y, long y0,
                        __global float *restrict lse, long lse0, long rows)
{
    const long row = get_global_id(0);
    const int i = (int)(row % Tq), h = (int)(row / Tq % Hq), hk = h / (Hq / Hkv);
    const long b = row / Tq / Hq;
    float m = QN_UNSEEN, sum = 0.0f;

    if (row >= rows)
        return;
    const struct QN_NAME(attn) a = QN_ATTN_HEAD(b, h);

    q += q0 + ((b * Tq + i) * Hq + h) * QN_D;
    k += k0 + (b * Tk * Hkv + hk) * QN_D;
    v += v0 + (b * Tk * Hkv + hk) * QN_DV;
    y += y0 + ((b * Tq + i) * Hq + h) * QN_DV;
    p += p0 + row * Tk;
    for (int j = 0; j < a.keys; j++) {
        float s = 0.0f;

        for (int d = 0; d < QN_D; d++)
            s += q[d] * k[(long)j * Hkv * QN_D + d];
        s = QN_NAME(attn_score)(&a, s * scale, i, j);
        p[j] = s;
        m = fmax(m, s);
    }
    for (int j = 0; j < a.keys; j++) {
        p[j] = QN_SEEN(p[j]) ? exp(p[j] - m) : 0.0f;
        sum += p[j];
    }
    for (int j = 0; j < a.keys; j++)
        p[j] *= sum == 0.0f ? 0.0f : QN_NAME(attn_keep)(&a, i, j) / sum;
    for (int c = 0; c < QN_DV; c++) {
        float t = 0.0f;

        for (int j = 0; j < a.keys; j++)
            if (p[j] != 0.0f)
                t += p[j] * v[(long)j * Hkv * QN_DV + c];
        y[c] = t;
    }
    lse[lse0 + row] = sum == 0.0f ? 0.0f : m + log(sum);
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention_grad_rows)(QN_ATTN_PARAMETERS, __global const float *restrict y, long y0,
                                  __global const float *restrict lse, long lse0, __global const float *restrict dy, long dy0,
                                  __global float *restrict p, long p0, __global float *restrict dq, long dq0, long rows)
{
    const long row = get_global_id(0);
    const int i = (int)(row % Tq), h = (int)(row / Tq % Hq), hk = h / (Hq / Hkv);
    const long b = row / Tq / Hq;
    __global float *ds;
    float delta = 0.0f;

    if (row >= rows)
        return;
    const struct QN_NAME(attn) a = QN_ATTN_HEAD(b, h);

    q += q0 + ((b * Tq + i) * Hq + h) * QN_D;
    k += k0 + (b * Tk * Hkv + hk) * QN_D;
    v += v0 + (b * Tk * Hkv + hk) * QN_DV;
    y += y0 + ((b * Tq + i) * Hq + h) * QN_DV;
    dy += dy0 + ((b * Tq + i) * Hq + h) * QN_DV;
    dq += dq0 + ((b * Tq + i) * Hq + h) * QN_D;
    p += p0 + row * Tk;
    ds = p + rows * Tk;
    for (int c = 0; c < QN_DV; c++)
        delta += dy[c] * y[c];
    for (int j = 0; j < Tk; j++) {
        float s = 0.0f, dp = 0.0f, slope = scale, keep, t, w;

        if (j >= a.keys) {
            p[j] = ds[j] = 0.0f;
            continue;
        }
        for (int d = 0; d < QN_D; d++)
            s += q[d] * k[(long)j * Hkv * QN_D + d];
        s *= scale;
        t = QN_NAME(attn_score)(&a, s, i, j);
        if (!QN_SEEN(t)) {
            p[j] = ds[j] = 0.0f;
            continue;
        }
        for (int c = 0; c < QN_DV; c++)
            dp += dy[c] * v[(long)j * Hkv * QN_DV + c];
        keep = QN_NAME(attn_keep)(&a, i, j);
        w = exp(t - lse[lse0 + row]);
        if (QN_SOFTCAP) {
            s = QN_NAME(attn_tanh)(&a, s);
            slope *= 1.0f - s * s;
        }
        p[j] = w * keep;
        ds[j] = w * (dp * keep - delta) * slope;
    }
    for (int d = 0; d < QN_D; d++) {
        float t = 0.0f;

        for (int j = 0; j < a.keys; j++)
            if (ds[j] != 0.0f)
                t += ds[j] * k[(long)j * Hkv * QN_D + d];
        dq[d] = t;
    }
}

__kernel QN_NARROW __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(attention_grad_keys)(__global const float *restrict q, long q0, __global const float *restrict dy, long dy0,
                                  __global const float *restrict p, long p0, __global float *restrict dk, long dk0,
                                  __global float *restrict dv, long dv0, int Tq, int Tk, int Hq, int Hkv, long rows,
                                  long keys)
{
    const long key = get_global_id(0);
    const int hk = (int)(key % Hkv), j = (int)(key / Hkv % Tk), group = Hq / Hkv;
    const long b = key / Hkv / Tk;

    if (key >= keys)
        return;
    q += q0 + b * Tq * Hq * QN_D;
    dy += dy0 + b * Tq * Hq * QN_DV;
    p += p0 + b * Hq * Tq * Tk + j;
    for (int d = 0; d < QN_D; d++) {
        float t = 0.0f;

        for (int h = hk * group; h < (hk + 1) * group; h++)
            for (int i = 0; i < Tq; i++)
                t += p[(rows + (long)h * Tq + i) * Tk] * q[((long)i * Hq + h) * QN_D + d];
        dk[dk0 + key * QN_D + d] = t;
    }
    for (int c = 0; c < QN_DV; c++) {
        float t = 0.0f;

        for (int h = hk * group; h < (hk + 1) * group; h++)
            for (int i = 0; i < Tq; i++)
                t += p[((long)h * Tq + i) * Tk] * dy[((long)i * Hq + h) * QN_DV + c];
        dv[dv0 + key * QN_DV + c] = t;
    }
}
