/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[a, s, b] = scale * join over l of part s of x[a, l, b]
 *
 * x: [A, length, columns], y: [A, parts, columns]; part s is rows s * part up to (s + 1) * part.
 * Work-groups of QN_L0 columns by QN_L1 rows (a power of two); (0): a and block of columns, (1): part s. Neighbours read
 * neighbouring columns; the rows' results are joined as a tree.
 * Build parameters: QN_KIND, QN_DTYPE of x, QN_OUT of y. */
#include "reduce/kind.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(columns_group)(__global const QN_T *restrict x, long x0, __global QN_TO *restrict y, long y0, long length,
                            long columns, long part, long parts, long blocks, float scale)
{
    __local QN_A shared[QN_L1][QN_L0];
    int i = (int)get_local_id(0), j = (int)get_local_id(1);
    long a = (long)(get_global_id(0) / QN_L0) / blocks, s = (long)(get_global_id(1) / QN_L1);
    long c = (long)get_global_id(0) - a * blocks * QN_L0;
    long first = s * part, n = min(length - first, part);
    QN_A w = QN_NEUTRAL;

    x += x0 + (a * length + first) * columns;
    y += y0 + (a * parts + s) * columns;
    if (c < columns)
        for (long l = j; l < n; l += QN_L1) {
            QN_A v = QN_LOAD(x, l * columns + c);

            v = QN_TAKE(v);
            w = QN_JOIN(w, v);
        }
    shared[j][i] = w;
    for (int h2 = QN_L1 / 2; h2 > 0; h2 /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (j < h2)
            shared[j][i] = QN_JOIN(shared[j][i], shared[j + h2][i]);
    }
    if (j == 0 && c < columns) {
        w = shared[0][i];
        w = QN_END(w, scale);
        QN_STORE(y, c, w);
    }
}
