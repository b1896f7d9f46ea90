/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[r, s] = scale * join over l of part s of x[r, l]
 *
 * x: [rows, length], y: [rows, parts]; part s is columns s * part up to (s + 1) * part.
 * Work-groups of QN_L0; `width` work-items (a power of two up to QN_L0) share a row, so a group does QN_L0 / width rows;
 * (0): rows, (1): part s. Neighbours read neighbouring elements; their results are joined as a tree.
 * Build parameters: QN_KIND, QN_DTYPE of x, QN_OUT of y. */
#include "reduce/kind.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(rows_group)(__global const QN_T *restrict x, long x0, __global QN_TO *restrict y, long y0, long rows,
                         long length, long part, long parts, int width, float scale)
{
    __local QN_A shared[QN_L0];
    int item = (int)get_local_id(0), lane = item & (width - 1);
    long r = (long)(get_global_id(0) / (size_t)width), s = (long)get_global_id(1);
    long first = s * part, n = min(length - first, part);
    QN_A w = QN_NEUTRAL;

    x += x0 + first;
    y += y0;
    if (r < rows)
        for (long l = lane; l < n; l += width) {
            QN_A v = QN_LOAD(x, r * length + l);

            v = QN_TAKE(v);
            w = QN_JOIN(w, v);
        }
    shared[item] = w;
    for (int w2 = width / 2; w2 > 0; w2 /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < w2)
            shared[item] = QN_JOIN(shared[item], shared[item + w2]);
    }
    if (lane == 0 && r < rows) {
        w = shared[item];
        w = QN_END(w, scale);
        QN_STORE(y, r * parts + s, w);
    }
}
