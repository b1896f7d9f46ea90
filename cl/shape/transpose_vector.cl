/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[a, j, i] = x[a, i, j];  x: [A, M, N], y: [A, N, M]
 *
 * A band is 16 rows of a matrix of x; work-groups of one, (0): a run of `run` bands. A tile of 16 by 16 goes through an
 * array, so that memory is read and written by whole vectors; what is left at the ends goes element by element.
 * Build parameters: QN_BYTES of an element. */
#include "shape/element.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(transpose_vector)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0, long M,
                               long N, long bands, long run)
{
    long band = (long)get_global_id(0) * run, last = min(bands, band + run), per = (M + 15) / 16;

    x += x0;
    y += y0;
    for (; band < last; band++) {
        long a = band / per, i = (band - a * per) * 16, j = 0;
        __global const QN_T *from = x + a * M * N + i * N;
        __global QN_T *to = y + a * M * N + i;

        if (i + 16 <= M)
            for (; j + 16 <= N; j += 16) {
                QN_T tile[16][16], turned[16][16];

                for (int k = 0; k < 16; k++)
                    vstore16(vload16(0, from + k * N + j), 0, tile[k]);
                for (int c = 0; c < 16; c++)
                    for (int k = 0; k < 16; k++)
                        turned[c][k] = tile[k][c];
                for (int c = 0; c < 16; c++)
                    vstore16(vload16(0, turned[c]), 0, to + (j + c) * M);
            }
        for (; j < N; j++)
            for (long k = 0; k < 16 && i + k < M; k++)
                to[j * M + k] = from[k * N + j];
    }
}
