/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[r, s] = scale * join over l of part s of x[r, l]
 *
 * x: [rows, length], y: [rows, parts]; part s is columns s * part .. (s + 1) * part - 1, cut off at length.
 * Work-groups of one; (0): a run of row_run rows, (1): part s. Four vectors of QN_N partial results, joined in a fixed
 * order; what is left of a part goes element by element.
 * Build parameters: QN_KIND, QN_DTYPE of x, QN_OUT of y, QN_N. */
#include "reduce/kind.clh"
#include "reduce/vector.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(rows_vector)(__global const QN_T *restrict x, long x0, __global QN_TO *restrict y, long y0, long rows,
                          long length, long part, long parts, long row_run, float scale)
{
    long s = (long)get_global_id(1), first = s * part, n = min(length - first, part);
    long r = (long)get_global_id(0) * row_run, end = min(rows, r + row_run);

    x += x0 + first;
    y += y0 + s;
    for (; r < end; r++) {
        __global const QN_T *p = x + r * length;
        QN_A result = QN_NEUTRAL;
        long l = 0;

        if (n >= QN_N) {
            QN_V a = (QN_V)(QN_NEUTRAL), b = a, c = a, d = a, v;
            QN_A lane[QN_N];

            for (; l + 4 * QN_N <= n; l += 4 * QN_N) {
                v = QN_VLOAD(p + l);
                v = QN_TAKE(v);
                a = QN_JOIN(a, v);
                v = QN_VLOAD(p + l + QN_N);
                v = QN_TAKE(v);
                b = QN_JOIN(b, v);
                v = QN_VLOAD(p + l + 2 * QN_N);
                v = QN_TAKE(v);
                c = QN_JOIN(c, v);
                v = QN_VLOAD(p + l + 3 * QN_N);
                v = QN_TAKE(v);
                d = QN_JOIN(d, v);
            }
            for (; l + QN_N <= n; l += QN_N) {
                v = QN_VLOAD(p + l);
                v = QN_TAKE(v);
                a = QN_JOIN(a, v);
            }
            a = QN_JOIN(a, b);
            c = QN_JOIN(c, d);
            a = QN_JOIN(a, c);
            QN_VSTORE(a, 0, lane);
            for (int w = QN_N / 2; w > 0; w /= 2)
                for (int k = 0; k < w; k++)
                    lane[k] = QN_JOIN(lane[k], lane[k + w]);
            result = lane[0];
        }
        for (; l < n; l++) {
            QN_A v = QN_LOAD(p, l);

            v = QN_TAKE(v);
            result = QN_JOIN(result, v);
        }
        result = QN_END(result, scale);
        QN_STORE(y, r * parts, result);
    }
}
