/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Each variable's gradient limited to a norm: g = g * limit / max(norm, limit), norm = sqrt(sum g g) over the variable's
 * elements g[start[s] .. start[s] + count[s]) of a flat array; bounds = (start, count) of segment 0, 1, ...
 *
 *   clip_sums   partial[s * QN_PARTS + k] = sum of squares of part k of segment s
 *   clip_scale  every part adds its segment's partial sums in the same order and scales itself
 *
 * Grid: (QN_PARTS, segments) groups of QN_L0 work-items. Build parameters: QN_PARTS, QN_V, QN_L0..2. f32 only. */
#define QN_DTYPE 0
#define QN_LANES QN_L0
#include "common/types.clh"
#include "common/vec.clh"
#include "common/lanes.clh"

/* Part k of a segment: [first, last). */
static inline long QN_NAME(part)(__global const long *bounds, int s, int k)
{
    const long count = bounds[2 * s + 1], each = (count + QN_PARTS - 1) / QN_PARTS;

    return bounds[2 * s] + min(count, each * k);
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(clip_sums)(__global const float *restrict g, long g0, __global const long *restrict bounds, long bounds0,
                        __global float *restrict partial, long partial0)
{
    const int k = (int)(get_global_id(0) / QN_L0), s = (int)get_global_id(1);
    const long first = QN_NAME(part)(bounds + bounds0, s, k), last = QN_NAME(part)(bounds + bounds0, s, k + 1);
    const long whole = first + (last - first) / (QN_L0 * QN_V) * (QN_L0 * QN_V);
    QN_VF sum = 0;
    float total;
    QN_LANES_BUFFER(buffer);

    g += g0;
    for (long i = first + (long)get_local_id(0) * QN_V; i < whole; i += QN_L0 * QN_V) {
        const QN_VF v = qn_vload(g, i);

        sum += v * v;
    }
    total = qn_vsum(sum);
    for (long i = whole + (long)get_local_id(0); i < last; i += QN_L0)
        total += g[i] * g[i];
    total = qn_lanes_sum(total, QN_L0, buffer);
    if (get_local_id(0) == 0)
        partial[partial0 + (long)s * QN_PARTS + k] = total;
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(clip_scale)(__global float *restrict g, long g0, __global const long *restrict bounds, long bounds0,
                         __global const float *restrict partial, long partial0, float limit)
{
    const int k = (int)(get_global_id(0) / QN_L0), s = (int)get_global_id(1);
    const long first = QN_NAME(part)(bounds + bounds0, s, k), last = QN_NAME(part)(bounds + bounds0, s, k + 1);
    const long whole = first + (last - first) / (QN_L0 * QN_V) * (QN_L0 * QN_V);
    float norm = 0, f;

    g += g0;
    partial += partial0 + (long)s * QN_PARTS;
    for (int i = 0; i < QN_PARTS; i++)
        norm += partial[i];
    norm = sqrt(norm);
    f = norm > limit || norm != norm ? limit / norm : 1.0f;
    for (long i = first + (long)get_local_id(0) * QN_V; i < whole; i += QN_L0 * QN_V)
        qn_vstore(g, i, qn_vload(g, i) * f);
    for (long i = whole + (long)get_local_id(0); i < last; i += QN_L0)
        g[i] *= f;
}
