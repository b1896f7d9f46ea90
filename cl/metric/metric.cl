/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Metrics that stay on the device: the rows of a batch are measured and added to state[4] = (sum, its compensation,
 * weight, its compensation); the metric is (state[0] + state[1]) / (state[2] + state[3]).
 *
 *   metric_class      1 where row x[row, 0..C) puts its class k first, else 0. top 0: no class before k has as much as
 *                     x_k and none after it more; top > 0: fewer than `top` classes have more, and all are finite. k is
 *                     classes[row], or with QN_DENSE 1 the first largest of targets[row, 0..C). Outside [0, C): 0.
 *   metric_pointwise  the mean over c of pointwise_cost(x[row, c], t[row, c])
 *   metric_mean       values[row]
 *   state += (sum of weight[row / every] * that, sum of weight[row / every]) * share
 *
 * Grid: groups of QN_L0 work-items, rows_each rows a group; see common/lanes.clh. Several groups leave two numbers each in
 * `partial` for metric_end, one group. Build parameters: QN_DTYPE, QN_V 1, QN_LANES, QN_KIND (loss/pointwise.clh),
 * QN_DENSE, QN_LABEL the type of classes, QN_L0..2. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/lanes.clh"
#include "loss/pointwise.clh"

#if QN_DENSE
#define QN_TARGET QN_T
#else
#define QN_TARGET QN_LABEL
#endif

/* s + v, what rounding took away added to c. */
static inline void QN_NAME(add_compensated)(__global float *s, float v)
{
    const float a = s[0], t = a + v;

    s[1] += fabs(a) >= fabs(v) ? (a - t) + v : (v - t) + a;
    s[0] = t;
}

static inline void QN_NAME(finish)(float sum, float weight, float share, int group, int groups,
                                   __global float *state, __global float *partial)
{
    if (groups == 1) {
        QN_NAME(add_compensated)(state, sum * share);
        QN_NAME(add_compensated)(state + 2, weight * share);
    } else {
        partial[2 * group] = sum;
        partial[2 * group + 1] = weight;
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(metric_class)(__global float *restrict state, long state0, __global const QN_T *restrict x, long x0,
                           __global const QN_TARGET *restrict target, long target0,
                           __global const float *restrict weight, long weight0, __global float *restrict partial,
                           long partial0, int rows, int rows_each, int groups, int C, int weighted, int every,
                           float share, int top)
{
    const int group = (int)(get_global_id(0) / QN_L0);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int first = group * rows_each, last = min(rows, first + rows_each);
    float total = 0, weights = 0;
    QN_LANES_BUFFER(buffer);

    x += x0;
    target += target0;
    weight += weight0;
    for (int base = first; base < last; base += QN_SLOTS) {
        const int row = min(base + slot, last - 1);
        __global const QN_T *xr = x + (long)row * C;
        const float w = weighted ? weight[row / every] : 1.0f;
        float best;
        int rivals = 0;
        long k;

#if QN_DENSE
        {
            __global const QN_T *tr = target + (long)row * C;
            float most = -INFINITY, place = (float)C; /* place: exact below 2^24 classes */

            for (int c = lane; c < C; c += QN_LANES)
                most = fmax(most, qn_load(tr, c));
            most = qn_lanes_max(most, QN_LANES, buffer);
            for (int c = C - 1 - lane; c >= 0; c -= QN_LANES)
                place = qn_load(tr, c) == most ? (float)c : place;
            k = (long)-qn_lanes_max(-place, QN_LANES, buffer);
        }
#else
        k = (long)target[row];
#endif
        best = (ulong)k < (ulong)C ? qn_load(xr, k) : NAN; /* not k >= 0: see cross_entropy.cl */
        if (top > 0) {
            for (int c = lane; c < C; c += QN_LANES) {
                const float v = qn_load(xr, c);

                rivals += v > best;
                rivals |= fabs(v) < INFINITY ? 0 : 1 << 30;
            }
        } else {
            for (int c = lane; c < C; c += QN_LANES) {
                const float v = qn_load(xr, c);

                rivals += (v > best) | ((v == best) & (c < k));
            }
        }
        rivals = (int)qn_lanes_sum((float)rivals, QN_LANES, buffer);
        if (base + slot < last && lane == 0) {
            total += best == best && rivals < max(top, 1) ? w : 0.0f;
            weights += w;
        }
    }
    total = qn_lanes_sum(total, QN_L0, buffer);
    weights = qn_lanes_sum(weights, QN_L0, buffer);
    if (get_local_id(0) == 0)
        QN_NAME(finish)(total, weights, share, group, groups, state + state0, partial + partial0);
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(metric_pointwise)(__global float *restrict state, long state0, __global const QN_T *restrict x, long x0,
                               __global const QN_T *restrict target, long target0,
                               __global const float *restrict weight, long weight0, __global float *restrict partial,
                               long partial0, int rows, int rows_each, int groups, int C, int weighted, int every,
                               float share, float delta)
{
    const int group = (int)(get_global_id(0) / QN_L0);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int first = group * rows_each, last = min(rows, first + rows_each);
    float total = 0, weights = 0;
    QN_LANES_BUFFER(buffer);

    x += x0;
    target += target0;
    weight += weight0;
    for (int base = first; base < last; base += QN_SLOTS) {
        const int row = min(base + slot, last - 1);
        const long start = (long)row * C;
        const float w = weighted ? weight[row / every] : 1.0f;
        float value = 0;

        for (int c = lane; c < C; c += QN_LANES)
            value += QN_NAME(pointwise_cost)(qn_load(x, start + c), qn_load(target, start + c), delta);
        value = qn_lanes_sum(value, QN_LANES, buffer);
        if (base + slot < last && lane == 0) {
            total += value / (float)C * w;
            weights += w;
        }
    }
    total = qn_lanes_sum(total, QN_L0, buffer);
    weights = qn_lanes_sum(weights, QN_L0, buffer);
    if (get_local_id(0) == 0)
        QN_NAME(finish)(total, weights, share, group, groups, state + state0, partial + partial0);
}

/* share is the weight of a single value. */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(metric_mean)(__global float *restrict state, long state0, __global const float *restrict values,
                          long values0, __global const float *restrict weight, long weight0, long n, int weighted,
                          float share)
{
    float total = 0, weights = 0;
    QN_LANES_BUFFER(buffer);

    state += state0;
    values += values0;
    weight += weight0;
    for (long i = (long)get_local_id(0); i < n; i += QN_L0) {
        const float w = weighted ? weight[i] : 1.0f;

        total += values[i] * w;
        weights += w;
    }
    total = qn_lanes_sum(total, QN_L0, buffer);
    weights = qn_lanes_sum(weights, QN_L0, buffer);
    if (get_local_id(0) == 0) {
        QN_NAME(add_compensated)(state, total * share);
        QN_NAME(add_compensated)(state + 2, weights * share);
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(metric_end)(__global float *restrict state, long state0, __global const float *restrict partial,
                         long partial0, int groups, float share)
{
    float total = 0, weights = 0;
    QN_LANES_BUFFER(buffer);

    state += state0;
    partial += partial0;
    for (int i = (int)get_local_id(0); i < groups; i += QN_L0) {
        total += partial[2 * i];
        weights += partial[2 * i + 1];
    }
    total = qn_lanes_sum(total, QN_L0, buffer);
    weights = qn_lanes_sum(weights, QN_L0, buffer);
    if (get_local_id(0) == 0) {
        QN_NAME(add_compensated)(state, total * share);
        QN_NAME(add_compensated)(state + 2, weights * share);
    }
}
