/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * to[i] = from[i] for i < n. Grid: groups of one work-item, which copies QN_EACH elements. Build parameter: QN_EACH. */
#include "common/types.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(copy)(__global const QN_T *restrict from, long from0, __global QN_T *restrict to, long to0, long n)
{
    const long first = (long)get_global_id(0) * QN_EACH, last = min(n, first + QN_EACH);

    for (long i = first; i < last; i++)
        to[to0 + i] = from[from0 + i];
}
