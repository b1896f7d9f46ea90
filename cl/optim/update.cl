/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * One optimizer step over flat arrays, by the rule of update.clh. g is multiplied by *scale before.
 *
 * Grid: groups of QN_L0 work-items on `chunk` elements each. Build parameters: those of update.clh, QN_L0..2, QN_SCALE 0 or 1. */
#include "optim/update.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(update)(__global float *restrict w, long w0, __global const float *restrict g, long g0,
                     __global float *s0, long s00, __global float *s1, long s10, __global float *s2, long s20,
                     __global const float *restrict scale, long scale0, __global const uint *restrict step, long step0,
                     __global const uint *restrict device, long device0, long n, int chunk, long decay_end, float decay,
                     float clip, float epsilon, float p0, float p1, float p2, float p3)
{
    const long first = (long)(get_global_id(0) / QN_L0) * chunk;
    const long last = min(n, first + chunk);
    const float lr = as_float(step[step0 + QN_STEP_LR]);
    const float t = (float)(device[device0 + QN_DEVICE_ITERATION] + 1);
    const struct QN_NAME(rule) h = QN_NAME(rule_of)(lr, t, decay, QN_SCALE ? scale[scale0] : 1.0f, clip, epsilon, p0, p1, p2, p3);

    w += w0;
    g += g0;
    s0 += s00;
    s1 += s10;
    s2 += s20;
    for (long i = first + (long)get_local_id(0) * QN_V; i < last; i += QN_L0 * QN_V)
        QN_NAME(update_at)(w, g, s0, s1, s2, i, (int)min((long)QN_V, last - i), decay_end, h);
}
