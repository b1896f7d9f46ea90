/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * dx[a, l, b] = sum over the i with index[i] = l, in order, of dy[a, i, b];  0 where there is none
 *
 * dx: [A, L, B], index: [I], dy: [A, I, B]. Each work-item owns a block of `width` columns and `height` rows of dx, and
 * walks over all indices: no two write one element, and the order is that of the indices.
 * Work-groups of QN_L0; (0): column block innermost, then row block, then a. A work-item's columns are QN_L0 apart, so
 * that neighbours touch neighbours; on a CPU QN_L0 is 1 and they are a run.
 * Build parameters: QN_I: type of an index. f32. */
#define QN_CAT2(a, b) a##b
#define QN_CAT(a, b) QN_CAT2(a, b)
#define QN_NAME(name) QN_CAT(name, QN_SUFFIX)
#include "shape/index.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(scatter_add)(__global const float *restrict dy, long dy0, __global const QN_I *restrict index, long index0,
                          __global float *restrict dx, long dx0, long L, long B, long I, long width, long height,
                          long column_blocks, long row_blocks)
{
    long q = (long)(get_global_id(0) / QN_L0), item = (long)get_local_id(0);
    long block = q % column_blocks, rows = q / column_blocks % row_blocks, a = q / column_blocks / row_blocks;
    long b0 = block * width * QN_L0 + item, b1 = min(B, b0 - item + width * QN_L0);
    long l0 = rows * height, l1 = min(L, l0 + height);

    if (b0 >= b1) /* more work-items than columns */
        return;
    dy += dy0 + a * I * B;
    index += index0;
    dx += dx0 + a * L * B;
    for (long l = l0; l < l1; l++)
        for (long b = b0; b < b1; b += QN_L0)
            dx[l * B + b] = 0;
    for (long i = 0; i < I; i++) {
        long l = QN_NAME(index_of)(index[i], L), b = b0;

        if (l < l0 || l >= l1)
            continue;
#if QN_L0 == 1
        for (; b + 16 <= b1; b += 16)
            vstore16(vload16(0, dx + l * B + b) + vload16(0, dy + i * B + b), 0, dx + l * B + b);
#endif
        for (; b < b1; b += QN_L0)
            dx[l * B + b] += dy[i * B + b];
    }
}
