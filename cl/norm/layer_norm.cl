/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layer normalisation over the last axis, and its gradients; rows are all other axes.
 *
 *   QN_RMS 0   m = mean of x, v = mean of (x - m)^2        QN_RMS 1   m = 0, v = mean of x^2
 *   r = 1 / sqrt(v + epsilon), n = (x - m) r               y = n gamma + beta
 *
 *   h = dy gamma                                           dx = r (h - mean of h - n mean of h n)
 *   (without the mean of h where QN_RMS is 1)              dgamma = sum dy n, dbeta = sum dy, over the rows
 *
 * Grid: groups of QN_L0 work-items, rows_each rows a group; see common/lanes.clh. With QN_L0 1 the gradient's group also
 * adds up its rows' part of dgamma and dbeta in sums[group][2][C]; elsewhere layer_norm_sums.cl does.
 * has: bits 0 gamma, 1 beta; forward 2: write m and r; backward 2: write dx, 3: add up sums, 4: add a residual to dx.
 * Build parameters: QN_DTYPE, QN_V (C >= QN_V), QN_LANES, QN_RMS, QN_L0..2. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/lanes.clh"

#define QN_GAMMA(c) (has & 1 ? qn_load(gamma, c) : 1.0f)
#define QN_VGAMMA(c) (has & 1 ? qn_vload(gamma, c) : (QN_VF)(1.0f))
#if QN_V == 1
#define QN_SUM(c, v) (sums[c] += (v))
#else
#define QN_SUM(c, v) QN_VN(vstore)(QN_VN(vload)(0, sums + (c)) + (v), 0, sums + (c))
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(layer_norm)(__global const QN_T *restrict x, long x0, __global const QN_T *restrict gamma, long gamma0,
                         __global const QN_T *restrict beta, long beta0, __global QN_T *restrict y, long y0,
                         __global float *restrict mean, long mean0, __global float *restrict rstd, long rstd0, int rows,
                         int rows_each, int C, float epsilon, int has)
{
    const int first = (int)(get_global_id(0) / QN_L0) * rows_each, last = min(rows, first + rows_each);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int whole = C / QN_V * QN_V;
    const float share = 1.0f / (float)C;
    QN_LANES_BUFFER(buffer);

    x += x0;
    gamma += gamma0;
    beta += beta0;
    y += y0;
    mean += mean0;
    rstd += rstd0;
    for (int base = first; base < last; base += QN_SLOTS) {
        const int row = min(base + slot, last - 1);
        __global const QN_T *xr = x + (long)row * C;
        __global QN_T *yr = y + (long)row * C;
        QN_VF vs = 0, vd;
        float m = 0, s, e, r;

        if (!QN_RMS) {
            for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V)
                vs += qn_vload(xr, c);
            s = qn_vsum(vs);
            for (int c = whole + lane; c < C; c += QN_LANES)
                s += qn_load(xr, c);
            m = qn_lanes_sum(s, QN_LANES, buffer) * share;
        }
        vs = 0;
        vd = 0;
        for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V) {
            const QN_VF d = qn_vload(xr, c) - m;

            vs += d * d;
            vd += d;
        }
        s = qn_vsum(vs);
        e = qn_vsum(vd);
        for (int c = whole + lane; c < C; c += QN_LANES) {
            const float d = qn_load(xr, c) - m;

            s += d * d;
            e += d;
        }
        s = qn_lanes_sum(s, QN_LANES, buffer);
        if (!QN_RMS) { /* what m was rounded by shows in the sum of x - m, which would be 0 */
            e = qn_lanes_sum(e, QN_LANES, buffer);
            s -= e * e * share;
        }
        r = 1.0f / sqrt(s * share + epsilon);
        if (base + slot < last) {
            for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V) {
                const QN_VF v = (qn_vload(xr, c) - m) * r * QN_VGAMMA(c);

                qn_vstore(yr, c, has & 2 ? v + qn_vload(beta, c) : v);
            }
            for (int c = whole + lane; c < C; c += QN_LANES) {
                const float v = (qn_load(xr, c) - m) * r * QN_GAMMA(c);

                qn_store(yr, c, has & 2 ? v + qn_load(beta, c) : v);
            }
            if (has & 4 && lane == 0) {
                rstd[row] = r;
                if (!QN_RMS)
                    mean[row] = m;
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(layer_norm_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict x, long x0,
                              __global const QN_T *restrict gamma, long gamma0, __global const float *restrict mean,
                              long mean0, __global const float *restrict rstd, long rstd0,
                              __global const QN_T *restrict residual, long residual0, __global QN_T *restrict dx,
                              long dx0, __global float *restrict sums, long sums0, int rows, int rows_each, int C, int has)
{
    const int group = (int)(get_global_id(0) / QN_L0);
    const int first = group * rows_each, last = min(rows, first + rows_each);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int whole = C / QN_V * QN_V;
    const float share = 1.0f / (float)C;
    QN_LANES_BUFFER(buffer);

    dy += dy0;
    x += x0;
    gamma += gamma0;
    mean += mean0;
    rstd += rstd0;
    residual += residual0;
    dx += dx0;
    sums += sums0 + (long)group * 2 * C;
#if QN_L0 == 1
    if (has & 8)
        for (int c = 0; c < 2 * C; c++)
            sums[c] = 0;
#endif
    for (int base = first; base < last; base += QN_SLOTS) {
        const int index = min(base + slot, last - 1);
        const long row = (long)index * C;
        const float m = QN_RMS ? 0.0f : mean[index], r = rstd[index];
        QN_VF va = 0, vb = 0;
        float a, b;

        for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V) {
            const QN_VF d = qn_vload(dy, row + c), n = (qn_vload(x, row + c) - m) * r, h = d * QN_VGAMMA(c);

            va += h;
            vb += h * n;
#if QN_L0 == 1
            if (has & 8) {
                QN_SUM(c, d * n);
                QN_SUM(C + c, d);
            }
#endif
        }
        a = qn_vsum(va);
        b = qn_vsum(vb);
        for (int c = whole + lane; c < C; c += QN_LANES) {
            const float d = qn_load(dy, row + c), n = (qn_load(x, row + c) - m) * r, h = d * QN_GAMMA(c);

            a += h;
            b += h * n;
#if QN_L0 == 1
            if (has & 8) {
                sums[c] += d * n;
                sums[C + c] += d;
            }
#endif
        }
        a = QN_RMS ? 0.0f : qn_lanes_sum(a, QN_LANES, buffer) * share;
        b = qn_lanes_sum(b, QN_LANES, buffer) * share;
        if (has & 4 && base + slot < last) {
            for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V) {
                const QN_VF n = (qn_vload(x, row + c) - m) * r;
                const QN_VF v = (qn_vload(dy, row + c) * QN_VGAMMA(c) - a - n * b) * r;

                qn_vstore(dx, row + c, has & 16 ? v + qn_vload(residual, row + c) : v);
            }
            for (int c = whole + lane; c < C; c += QN_LANES) {
                const float n = (qn_load(x, row + c) - m) * r;
                const float v = (qn_load(dy, row + c) * QN_GAMMA(c) - a - n * b) * r;

                qn_store(dx, row + c, has & 16 ? v + qn_load(residual, row + c) : v);
            }
        }
    }
}
