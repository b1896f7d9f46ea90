/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[a, i, b] = x[a, index[i], b];  0 where the index is out of range
 *
 * x: [A, L, B], index: [I], y: [A, I, B]; (0): `run` of the A * I rows where QN_L0 is 1, else element, in steps
 * of run. Work-groups of QN_L0.
 * Build parameters: QN_BYTES of an element, QN_I: type of an index. */
#include "shape/element.clh"
#include "shape/index.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gather)(__global const QN_T *restrict x, long x0, __global const QN_I *restrict index, long index0,
                     __global QN_T *restrict y, long y0, long A, long L, long B, long I, long run)
{
    x += x0;
    index += index0;
    y += y0;
#if QN_L0 == 1
    long row = (long)get_global_id(0) * run, last = min(A * I, row + run);

    for (; row < last; row++) {
        long a = row / I, k = QN_NAME(index_of)(index[row - a * I], L), b = 0;
        __global const QN_T *from = x + (a * L + k) * B;
        __global QN_T *to = y + row * B;

        if (k < 0) {
            for (; b < B; b++)
                to[b] = 0;
            continue;
        }
        for (; b + 16 <= B; b += 16)
            vstore16(vload16(0, from + b), 0, to + b);
        for (; b < B; b++)
            to[b] = from[b];
    }
#else
    for (long e = (long)get_global_id(0); e < A * I * B; e += run) {
        long row = e / B, b = e - row * B, a = row / I, k = QN_NAME(index_of)(index[row - a * I], L);

        y[e] = k < 0 ? (QN_T)0 : x[(a * L + k) * B + b];
    }
#endif
}
