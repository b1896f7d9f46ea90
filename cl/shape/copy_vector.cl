/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[i . y_stride] = x[i . x_stride] for every index i of a block of `rank` axes
 *
 * d*, xs*, ys*: sizes and strides of the axes but the last, innermost (0) first; columns, xc, yc: those of the last.
 * Work-groups of one; (0): a run of column_run columns, (1): a run of row_run rows.
 * Build parameters: QN_BYTES of an element. */
#include "shape/element.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(copy_vector)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0, int rank,
                          long rows, long columns, long xc, long yc, long row_run, long column_run, long d0, long d1,
                          long d2, long d3, long d4, long d5, long d6, long xs0, long xs1, long xs2, long xs3, long xs4,
                          long xs5, long xs6, long xs7, long ys0, long ys1, long ys2, long ys3, long ys4, long ys5,
                          long ys6, long ys7)
{
    const long d[8] = { d0, d1, d2, d3, d4, d5, d6, 1 };
    const long xs[8] = { xs0, xs1, xs2, xs3, xs4, xs5, xs6, xs7 };
    const long ys[8] = { ys0, ys1, ys2, ys3, ys4, ys5, ys6, ys7 };
    long r = (long)get_global_id(1) * row_run, last = min(rows, r + row_run);
    long first = (long)get_global_id(0) * column_run, end = min(columns, first + column_run);

    x += x0;
    y += y0;
    for (; r < last; r++) {
        long q = r, xa = 0, ya = 0;

        for (int a = 0; a < rank - 2; a++) {
            long i = q % d[a];

            q /= d[a];
            xa += i * xs[a];
            ya += i * ys[a];
        }
        if (rank > 1) {
            xa += q * xs[rank - 2];
            ya += q * ys[rank - 2];
        }
        __global const QN_T *from = x + xa;
        __global QN_T *to = y + ya;
        long c = first;

        if (xc == 1 && yc == 1)
            for (; c + 16 <= end; c += 16)
                vstore16(vload16(0, from + c), 0, to + c);
        for (; c < end; c++)
            to[c * yc] = from[c * xc];
    }
}
