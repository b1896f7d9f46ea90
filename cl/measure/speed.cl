/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What a device is measured by: no operation uses them.
 *
 * move: y[i] = x[i] * scale for i < count, a multiple of run * QN_V * QN_L0; a work-item moves `run` vectors, side by side
 * where QN_L0 is 1, else in steps of a work-group.
 * compute: y[i] = the largest of the lanes of eight vectors v after `rounds` times v = v * factor + term; vector c
 * begins as x[0 .. QN_V) + c + i % 8.
 *
 * Grid: groups of QN_L0 work-items. Build parameters: QN_V. f32 only. */
#define QN_DTYPE 0
#include "common/types.clh"
#include "common/vec.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(move)(__global const float *restrict x, long x0, __global float *restrict y, long y0, long run, float scale)
{
    long at = ((long)get_global_id(0) - (long)get_local_id(0)) * run + (long)get_local_id(0);

    x += x0 + at * QN_V;
    y += y0 + at * QN_V;
    for (long i = 0; i < run; i++)
        qn_vstore(y, i * QN_L0 * QN_V, qn_vload(x, i * QN_L0 * QN_V) * scale);
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(compute)(__global const float *restrict x, long x0, __global float *restrict y, long y0, int rounds,
                      float factor, float term)
{
    long i = (long)get_global_id(0);
    /* Eight in flight keep a CPU core with two units of four cycles busy. */
    QN_VF v0 = qn_vload(x, x0) + (float)(i & 7);
    QN_VF v1 = v0 + 1.0f, v2 = v0 + 2.0f, v3 = v0 + 3.0f, v4 = v0 + 4.0f, v5 = v0 + 5.0f, v6 = v0 + 6.0f, v7 = v0 + 7.0f;

    for (int k = 0; k < rounds; k++) {
        v0 = v0 * factor + term;
        v1 = v1 * factor + term;
        v2 = v2 * factor + term;
        v3 = v3 * factor + term;
        v4 = v4 * factor + term;
        v5 = v5 * factor + term;
        v6 = v6 * factor + term;
        v7 = v7 * factor + term;
    }
    v0 = fmax(fmax(fmax(v0, v1), fmax(v2, v3)), fmax(fmax(v4, v5), fmax(v6, v7)));
    y[y0 + i] = qn_vmax(v0);
}
