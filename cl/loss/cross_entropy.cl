/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Cross-entropy of rows x[row, 0..C) with classes or with distributions t[row, 0..C), and its gradient. z_j = x_j - m,
 * m the row's maximum; clip() is to [1e-7, 1 - 1e-7].
 *
 *   QN_MODE 0  class k, logits           log(sum exp z) - z_k
 *           1  distribution, logits      sum_j t_j (log(sum exp z) - z_j)
 *           2  class k, probabilities    log(sum clip(x)) - log(clip(x_k))
 *           3  distribution, probab.     -sum_j t_j log(clip(x_j / sum x))
 *   loss = sum over rows of weight[row / every] * that, times the factor 1 / counted rows for a mean
 *   dx = dloss * factor * weight * d(that)/dx
 *
 * t is target * (1 - smoothing) + smoothing / C. weighted 0: all weights are 1. A class outside [0, C) gives NaN for its
 * row, loss and gradient; the class `ignore`, where ignoring is 1, gives zeros and is not counted.
 * saved[row] keeps what the gradient needs: 0 (m, 1/s), 1 (m, sum t / s), s = sum exp z; 2 (sum clip(x), 0);
 * 3 (sum x, sum of t_j where clip passes x_j / sum x).
 *
 * Grid: groups of QN_L0 work-items, rows_each rows a group; see common/lanes.clh.
 * Build parameters: QN_DTYPE, QN_V (C >= QN_V), QN_L0..2, QN_LANES, QN_MODE, QN_LABEL type of the classes. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/lanes.clh"
#include "loss/end.clh"

#define QN_LOW 1e-7f
#define QN_HIGH 0.9999999f /* 1 - 1e-7 */
#define QN_SPARSE (QN_MODE == 0 || QN_MODE == 2)

#if QN_SPARSE
#define QN_TARGET QN_LABEL
#else
#define QN_TARGET QN_T
#endif

/* Sum of f over a row: whole vectors, then the rest one by one. */
#define QN_ROW_VECTORS(c) for (int c = lane * QN_V; c + QN_V <= C; c += QN_LANES * QN_V)
#define QN_ROW_REST(c) for (int c = C / QN_V * QN_V + lane; c < C; c += QN_LANES)

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(cross_entropy)(__global const QN_T *restrict x, long x0, __global const QN_TARGET *restrict target,
                            long target0, __global const float *restrict weight, long weight0,
                            __global float *restrict loss, long loss0, __global float *restrict saved, long saved0,
                            __global float *restrict factor, long factor0, __global float *restrict partial,
                            long partial0, int rows, int rows_each, int groups, int C, int weighted, int every,
                            int ignoring, int ignore, float smoothing, int reduction, int wanted)
{
    const int group = (int)(get_global_id(0) / QN_L0);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int first = group * rows_each, last = min(rows, first + rows_each);
    float2 total = 0; /* loss, counted rows */
    QN_LANES_BUFFER(buffer);
    QN_LANES_PAIRS(pairs);

    x += x0;
    target += target0;
    weight += weight0;
    loss += loss0;
    saved += saved0;
    factor += factor0;
    partial += partial0;
    for (int base = first; base < last; base += QN_SLOTS) {
        const int row = min(base + slot, last - 1);
        __global const QN_T *xr = x + (long)row * C;
        float value, a = 0, b = 0, m = 0, s = 0;
        bool counts = true;

#if QN_MODE < 2
        {
            QN_VF vm = -INFINITY, vs = 0;

            QN_ROW_VECTORS(c)
                vm = fmax(vm, qn_vload(xr, c));
            m = qn_vmax(vm);
            QN_ROW_REST(c)
                m = fmax(m, qn_load(xr, c));
            m = qn_lanes_max(m, QN_LANES, buffer);
            QN_ROW_VECTORS(c)
                vs += exp(qn_vload(xr, c) - m);
            s = qn_vsum(vs);
            QN_ROW_REST(c)
                s += exp(qn_load(xr, c) - m);
        }
#else
        {
            QN_VF vs = 0;

            QN_ROW_VECTORS(c)
                vs += QN_MODE == 2 ? clamp(qn_vload(xr, c), (QN_VF)QN_LOW, (QN_VF)QN_HIGH) : qn_vload(xr, c);
            s = qn_vsum(vs);
            QN_ROW_REST(c)
                s += QN_MODE == 2 ? clamp(qn_load(xr, c), QN_LOW, QN_HIGH) : qn_load(xr, c);
        }
#endif
        s = qn_lanes_sum(s, QN_LANES, buffer);
#if QN_SPARSE
        {
            const long k = (long)target[row];

            if ((ulong)k < (ulong)C) /* llvmpipe (Mesa 22.3) finds a long made from an int >= 0 whatever it is */
                value = log(s) - (QN_MODE == 0 ? qn_load(xr, k) - m : log(clamp(qn_load(xr, k), QN_LOW, QN_HIGH)));
            else
                value = NAN;
            if (ignoring && k == ignore) {
                value = 0;
                counts = false;
            }
            a = QN_MODE == 0 ? m : s;
            b = QN_MODE == 0 ? 1.0f / s : 0.0f;
        }
#else
        {
            __global const QN_T *tr = target + (long)row * C;
            const float keep = 1.0f - smoothing, mix = smoothing / (float)C;
            float2 sum = 0; /* t f(x), t */

            for (int c = lane; c < C; c += QN_LANES) {
                const float t = qn_load(tr, c) * keep + mix;
                const float v = qn_load(xr, c);

                if (QN_MODE == 1) {
                    sum.s0 += t == 0.0f ? 0.0f : t * (v - m);
                    sum.s1 += t;
                } else {
                    const float q = v / s;

                    sum.s0 += t * log(clamp(q, QN_LOW, QN_HIGH));
                    sum.s1 += q >= QN_LOW && q <= QN_HIGH ? t : 0.0f;
                }
            }
            sum = qn_lanes_sum2(sum, QN_LANES, pairs);
            value = QN_MODE == 1 ? sum.s1 * log(s) - sum.s0 : -sum.s0;
            a = QN_MODE == 1 ? m : s;
            b = QN_MODE == 1 ? sum.s1 / s : sum.s1;
        }
#endif
        if (weighted)
            value *= weight[row / every];
        if (base + slot < last && lane == 0) {
            total += (float2)(value, counts ? 1.0f : 0.0f);
            if (wanted & 2) {
                saved[2 * (long)row] = a;
                saved[2 * (long)row + 1] = b;
            }
            if (reduction == 2 && (wanted & 1))
                loss[row] = value;
        }
    }
    total = qn_lanes_sum2(total, QN_L0, pairs);
    if (get_local_id(0) == 0) {
        if (groups == 1) {
            QN_NAME(loss_end)(total.s0, total.s1, loss, factor, reduction, wanted);
        } else {
            partial[2 * group] = total.s0;
            partial[2 * group + 1] = total.s1;
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(cross_entropy_end)(__global const float *restrict partial, long partial0, __global float *restrict loss,
                                long loss0, __global float *restrict factor, long factor0, int groups, int reduction,
                                int wanted)
{
    float2 total = 0; /* loss, counted rows */
    QN_LANES_PAIRS(pairs);

    partial += partial0;
    loss += loss0;
    factor += factor0;
    for (int i = (int)get_local_id(0); i < groups; i += QN_L0)
        total += (float2)(partial[2 * i], partial[2 * i + 1]);
    total = qn_lanes_sum2(total, QN_L0, pairs);
    if (get_local_id(0) == 0)
        QN_NAME(loss_end)(total.s0, total.s1, loss, factor, reduction, wanted);
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(cross_entropy_grad)(__global const float *restrict dloss, long dloss0, __global const QN_T *restrict x,
                                 long x0, __global const QN_TARGET *restrict target, long target0,
                                 __global const float *restrict weight, long weight0,
                                 __global const float *restrict saved, long saved0,
                                 __global const float *restrict factor, long factor0, __global QN_T *restrict dx,
                                 long dx0, int rows, int rows_each, int C, int weighted, int every, int ignoring,
                                 int ignore, float smoothing, int reduction)
{
    const int group = (int)(get_global_id(0) / QN_L0);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int first = group * rows_each, last = min(rows, first + rows_each);
    const float scale = factor[factor0];

    dloss += dloss0;
    x += x0;
    target += target0;
    weight += weight0;
    saved += saved0;
    dx += dx0;
    for (int row = first + slot; row < last; row += QN_SLOTS) {
        __global const QN_T *xr = x + (long)row * C;
        __global QN_T *dr = dx + (long)row * C;
        const float a = saved[2 * (long)row];
#if !QN_SPARSE || QN_MODE == 0
        const float b = saved[2 * (long)row + 1];
#endif
        float g = dloss[reduction == 2 ? row : 0] * scale;

        if (weighted)
            g *= weight[row / every];
#if QN_SPARSE
        const long k = (long)target[row];

        if ((ulong)k >= (ulong)C)
            g = NAN;
        if (ignoring && k == ignore) {
            QN_ROW_VECTORS(c)
                qn_vstore(dr, c, (QN_VF)0);
            QN_ROW_REST(c)
                qn_store(dr, c, 0.0f);
            continue;
        }
#if QN_MODE == 0
        const float f = g * b;

        QN_ROW_VECTORS(c)
            qn_vstore(dr, c, exp(qn_vload(xr, c) - a) * f);
        QN_ROW_REST(c)
            qn_store(dr, c, exp(qn_load(xr, c) - a) * f);
        /* The class's own element, by the lane that wrote it. */
        if ((ulong)k < (ulong)C && (k < C / QN_V * QN_V ? k / QN_V % QN_LANES : (k - C / QN_V * QN_V) % QN_LANES) == lane)
            qn_store(dr, k, (exp(qn_load(xr, k) - a) * b - 1.0f) * g);
#else
        for (int c = lane; c < C; c += QN_LANES) {
            const float v = qn_load(xr, c);
            const bool inside = v >= QN_LOW && v <= QN_HIGH;

            qn_store(dr, c, inside || isnan(g) ? (1.0f / a - (c == k ? 1.0f / v : 0.0f)) * g : 0.0f);
        }
#endif
#else
        __global const QN_T *tr = target + (long)row * C;
        const float keep = 1.0f - smoothing, mix = smoothing / (float)C;

#if QN_MODE == 1
        QN_ROW_VECTORS(c)
            qn_vstore(dr, c, (exp(qn_vload(xr, c) - a) * b - (qn_vload(tr, c) * keep + mix)) * g);
        QN_ROW_REST(c)
            qn_store(dr, c, (exp(qn_load(xr, c) - a) * b - (qn_load(tr, c) * keep + mix)) * g);
#else
        for (int c = lane; c < C; c += QN_LANES) {
            const float t = qn_load(tr, c) * keep + mix, q = qn_load(xr, c) / a;

            qn_store(dr, c, (b - (q >= QN_LOW && q <= QN_HIGH ? t / q : 0.0f)) / a * g);
        }
#endif
#endif
    }
}
