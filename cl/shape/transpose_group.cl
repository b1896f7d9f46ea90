/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[a, j, i] = x[a, i, j];  x: [A, M, N], y: [A, N, M]
 *
 * Work-groups of 32 by 8 turn a tile of 32 by 32 over in local memory; (0): tile: columns of x innermost, then rows,
 * then a. Neighbours read neighbours and write neighbours.
 * Build parameters: QN_BYTES of an element. */
#include "shape/element.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(transpose_group)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0, long M,
                              long N, long tiles_n, long tiles_m)
{
    __local QN_T tile[32][33];
    long q = (long)(get_global_id(0) / 32);
    long j0 = q % tiles_n * 32, i0 = q / tiles_n % tiles_m * 32, a = q / tiles_n / tiles_m;
    int u = (int)get_local_id(0), v = (int)get_local_id(1);

    x += x0 + a * M * N;
    y += y0 + a * M * N;
    for (int k = v; k < 32; k += 8)
        if (i0 + k < M && j0 + u < N)
            tile[k][u] = x[(i0 + k) * N + j0 + u];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = v; k < 32; k += 8)
        if (j0 + k < N && i0 + u < M)
            y[(j0 + k) * M + i0 + u] = tile[u][k];
}
