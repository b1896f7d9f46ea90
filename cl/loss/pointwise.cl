/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Losses that compare element by element: rows x[row, 0..C) with targets t[row, 0..C), and the gradient by x.
 *
 *   row's loss = weight[row / every] * (mean over c of pointwise_cost(x, t));  t = target * keep + mix
 *   loss = factor * sum of the rows' losses, or with `each_row` the rows' losses themselves
 *   dx = dloss * factor / C * weight * pointwise_slope(x, t)
 *
 * Grid: groups of QN_L0 work-items, rows_each rows a group; see common/lanes.clh. Several groups leave a sum each in
 * `partial` for pointwise_end, one group.
 * Build parameters: QN_DTYPE, QN_V (C >= QN_V), QN_LANES, QN_KIND (loss/pointwise.clh), QN_L0..2. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/lanes.clh"
#include "loss/pointwise.clh"

#if QN_V == 1
#define QN_FIRST(v) (v)
#else
#define QN_FIRST(v) ((v).s0)
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(pointwise)(__global const QN_T *restrict x, long x0, __global const QN_T *restrict target, long target0,
                        __global const float *restrict weight, long weight0, __global float *restrict loss, long loss0,
                        __global float *restrict partial, long partial0, int rows, int rows_each, int groups, int C,
                        int weighted, int every, int each_row, float factor, float keep, float mix, float delta)
{
    const int group = (int)(get_global_id(0) / QN_L0);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int first = group * rows_each, last = min(rows, first + rows_each);
    const int whole = C / QN_V * QN_V;
    float total = 0;
    QN_LANES_BUFFER(buffer);

    x += x0;
    target += target0;
    weight += weight0;
    loss += loss0;
    partial += partial0;
    for (int base = first; base < last; base += QN_SLOTS) {
        const int row = min(base + slot, last - 1);
        __global const QN_T *xr = x + (long)row * C, *tr = target + (long)row * C;
        QN_VF sum = 0;
        float rest = 0, value;

        for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V)
            sum += QN_NAME(pointwise_cost)(qn_vload(xr, c), qn_vload(tr, c) * keep + mix, delta);
        for (int c = whole + lane; c < C; c += QN_LANES)
            rest += QN_FIRST(QN_NAME(pointwise_cost)((QN_VF)qn_load(xr, c), (QN_VF)(qn_load(tr, c) * keep + mix),
                                                     delta));
        value = qn_lanes_sum(qn_vsum(sum) + rest, QN_LANES, buffer) / (float)C;
        if (weighted)
            value *= weight[row / every];
        if (base + slot < last && lane == 0) {
            total += value;
            if (each_row)
                loss[row] = value;
        }
    }
    total = qn_lanes_sum(total, QN_L0, buffer);
    if (get_local_id(0) == 0 && !each_row) {
        if (groups == 1)
            *loss = total * factor;
        else
            partial[group] = total;
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(pointwise_end)(__global const float *restrict partial, long partial0, __global float *restrict loss,
                            long loss0, int groups, float factor)
{
    float total = 0;
    QN_LANES_BUFFER(buffer);

    partial += partial0;
    for (int i = (int)get_local_id(0); i < groups; i += QN_L0)
        total += partial[i];
    total = qn_lanes_sum(total, QN_L0, buffer);
    if (get_local_id(0) == 0)
        loss[loss0] = total * factor;
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(pointwise_grad)(__global const float *restrict dloss, long dloss0, __global const QN_T *restrict x,
                             long x0, __global const QN_T *restrict target, long target0, __global const float *restrict weight,
                             long weight0, __global QN_T *restrict dx, long dx0, int rows, int rows_each, int C,
                             int weighted, int every, int each_row, float factor, float keep, float mix, float delta)
{
    const int first = (int)(get_global_id(0) / QN_L0) * rows_each, last = min(rows, first + rows_each);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int whole = C / QN_V * QN_V;

    dloss += dloss0;
    x += x0;
    target += target0;
    weight += weight0;
    dx += dx0;
    for (int row = first + slot; row < last; row += QN_SLOTS) {
        const long start = (long)row * C;
        const float g = dloss[each_row ? row : 0] * factor / (float)C * (weighted ? weight[row / every] : 1.0f);

        for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V) {
            const QN_VF t = qn_vload(target, start + c) * keep + mix;

            qn_vstore(dx, start + c, QN_NAME(pointwise_slope)(qn_vload(x, start + c), t, delta) * g);
        }
        for (int c = whole + lane; c < C; c += QN_LANES)
            qn_store(dx, start + c,
                     QN_FIRST(QN_NAME(pointwise_slope)((QN_VF)qn_load(x, start + c),
                                                       (QN_VF)(qn_load(target, start + c) * keep + mix), delta)) * g);
    }
}
