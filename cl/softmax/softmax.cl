/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Softmax and log-softmax over the last axis, and their gradients; m is the row's maximum.
 *
 *   QN_LOG 0   y_j = exp(x_j - m) / s, s = sum exp(x - m)    dx_j = y_j (dy_j - sum dy y)
 *   QN_LOG 1   y_j = x_j - m - log(s)                        dx_j = dy_j - exp(y_j) sum dy
 *
 * Grid: groups of QN_L0 work-items, rows_each rows a group; see common/lanes.clh.
 * Build parameters: QN_DTYPE, QN_V (C >= QN_V), QN_LANES, QN_LOG, QN_L0..2. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/lanes.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(softmax)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0, int rows,
                      int rows_each, int C)
{
    const int first = (int)(get_global_id(0) / QN_L0) * rows_each, last = min(rows, first + rows_each);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int whole = C / QN_V * QN_V;
    QN_LANES_BUFFER(buffer);

    x += x0;
    y += y0;
    for (int base = first; base < last; base += QN_SLOTS) {
        const int row = min(base + slot, last - 1);
        __global const QN_T *xr = x + (long)row * C;
        __global QN_T *yr = y + (long)row * C;
        QN_VF vm = -INFINITY, vs = 0;
        float m, s;

        for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V)
            vm = fmax(vm, qn_vload(xr, c));
        m = qn_vmax(vm);
        for (int c = whole + lane; c < C; c += QN_LANES)
            m = fmax(m, qn_load(xr, c));
        m = qn_lanes_max(m, QN_LANES, buffer);
        for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V)
            vs += exp(qn_vload(xr, c) - m);
        s = qn_vsum(vs);
        for (int c = whole + lane; c < C; c += QN_LANES)
            s += exp(qn_load(xr, c) - m);
        s = qn_lanes_sum(s, QN_LANES, buffer);
        s = QN_LOG ? log(s) : 1.0f / s;
        if (base + slot < last) {
            for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V)
                qn_vstore(yr, c, QN_LOG ? qn_vload(xr, c) - m - s : exp(qn_vload(xr, c) - m) * s);
            for (int c = whole + lane; c < C; c += QN_LANES)
                qn_store(yr, c, QN_LOG ? qn_load(xr, c) - m - s : exp(qn_load(xr, c) - m) * s);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(softmax_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict y, long y0,
                           __global QN_T *restrict dx, long dx0, int rows, int rows_each, int C)
{
    const int first = (int)(get_global_id(0) / QN_L0) * rows_each, last = min(rows, first + rows_each);
    const int lane = (int)get_local_id(0) % QN_LANES, slot = (int)get_local_id(0) / QN_LANES;
    const int whole = C / QN_V * QN_V;
    QN_LANES_BUFFER(buffer);

    dy += dy0;
    y += y0;
    dx += dx0;
    for (int base = first; base < last; base += QN_SLOTS) {
        const long row = (long)min(base + slot, last - 1) * C;
        QN_VF vs = 0;
        float s;

        for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V)
            vs += QN_LOG ? qn_vload(dy, row + c) : qn_vload(dy, row + c) * qn_vload(y, row + c);
        s = qn_vsum(vs);
        for (int c = whole + lane; c < C; c += QN_LANES)
            s += QN_LOG ? qn_load(dy, row + c) : qn_load(dy, row + c) * qn_load(y, row + c);
        s = qn_lanes_sum(s, QN_LANES, buffer);
        if (base + slot < last) {
            for (int c = lane * QN_V; c < whole; c += QN_LANES * QN_V) {
                const QN_VF d = qn_vload(dy, row + c), v = qn_vload(y, row + c);

                qn_vstore(dx, row + c, QN_LOG ? d - exp(v) * s : v * (d - s));
            }
            for (int c = whole + lane; c < C; c += QN_LANES) {
                const float d = qn_load(dy, row + c), v = qn_load(y, row + c);

                qn_store(dx, row + c, QN_LOG ? d - exp(v) * s : v * (d - s));
            }
        }
    }
}
