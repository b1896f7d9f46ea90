/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[i . y_stride] = x[i . x_stride] for every index i of a block of `rank` axes
 *
 * d*, xs*, ys*: sizes and strides of the axes, innermost (0) first; the outermost has no size.
 * Work-groups of QN_L0; (0): element, in steps of `jump`. QN_INDEX: uint where there are less than 2^31 elements.
 * Build parameters: QN_BYTES of an element, QN_INDEX. */
#include "shape/element.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(copy_group)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0, int rank,
                         long count, long jump, long d0, long d1, long d2, long d3, long d4, long d5, long d6, long d7,
                         long xs0, long xs1, long xs2, long xs3, long xs4, long xs5, long xs6, long xs7, long xs8,
                         long ys0, long ys1, long ys2, long ys3, long ys4, long ys5, long ys6, long ys7, long ys8)
{
    const long d[9] = { d0, d1, d2, d3, d4, d5, d6, d7, 1 };
    const long xs[9] = { xs0, xs1, xs2, xs3, xs4, xs5, xs6, xs7, xs8 };
    const long ys[9] = { ys0, ys1, ys2, ys3, ys4, ys5, ys6, ys7, ys8 };

    x += x0;
    y += y0;
    for (long e = (long)get_global_id(0); e < count; e += jump) {
        QN_INDEX q = (QN_INDEX)e;
        long xa = 0, ya = 0;

        for (int a = 0; a < 8; a++) {
            if (a < rank - 1) {
                QN_INDEX n = (QN_INDEX)d[a], i = q % n;

                q /= n;
                xa += (long)i * xs[a];
                ya += (long)i * ys[a];
            } else if (a == rank - 1) {
                xa += (long)q * xs[a];
                ya += (long)q * ys[a];
            }
        }
        if (rank == 9) {
            xa += (long)q * xs[8];
            ya += (long)q * ys[8];
        }
        y[ya] = x[xa];
    }
}
