/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[index[i]] = 1 for i < I;  indices outside of y's L elements mark nothing
 *
 * Work-groups of QN_L0; (0): `run` indices where QN_L0 is 1, else an index, in steps of run.
 * Build parameters: QN_I: type of an index. y: i32. */
#define QN_CAT2(a, b) a##b
#define QN_CAT(a, b) QN_CAT2(a, b)
#define QN_NAME(name) QN_CAT(name, QN_SUFFIX)
#include "shape/index.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(mark)(__global const QN_I *restrict index, long index0, __global int *restrict y, long y0, long L, long I, long run)
{
    long i = (long)get_global_id(0) * (QN_L0 == 1 ? run : 1), end = QN_L0 == 1 ? min(I, i + run) : I, last = -1;

    index += index0;
    y += y0;
    for (; i < end; i += QN_L0 == 1 ? 1 : run) {
        long k = QN_NAME(index_of)(index[i], L);

        if (k >= 0 && k != last)
            atomic_or(y + k, 1);
        last = k;
    }
}
