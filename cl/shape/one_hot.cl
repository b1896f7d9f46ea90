/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[i, k] = index[i] == k;  a row of zeros where the index is out of range
 *
 * index: [I], y: [I, depth] f32; work-groups of QN_L0; (0): element of y, in steps of `jump`, a run of `run` each.
 * Build parameters: QN_I: type of an index. */
#define QN_CAT2(a, b) a##b
#define QN_CAT(a, b) QN_CAT2(a, b)
#define QN_NAME(name) QN_CAT(name, QN_SUFFIX)
#include "shape/index.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(one_hot)(__global const QN_I *restrict index, long index0, __global float *restrict y, long y0, long count,
                      long depth, long run, long jump)
{
    index += index0;
    y += y0;
    for (long first = (long)get_global_id(0) * run; first < count; first += jump)
        for (long e = first; e < min(count, first + run); e++) {
            long i = e / depth;

            y[e] = (long)index[i] == e - i * depth ? 1.0f : 0.0f;
        }
}
