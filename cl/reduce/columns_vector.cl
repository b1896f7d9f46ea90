/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[a, s, b] = scale * join over l of part s of x[a, l, b]
 *
 * x: [A, length, columns], y: [A, parts, columns]; part s is rows s * part .. (s + 1) * part - 1, cut off at length.
 * Work-groups of one; (0): a and block of 4 * QN_N columns, (1): part s. A block narrower than four vectors is done in
 * loops over two or one, and over single columns, each with its results in registers.
 * Build parameters: QN_KIND, QN_DTYPE of x, QN_OUT of y, QN_N. */
#include "reduce/kind.clh"
#include "reduce/vector.clh"

static inline void QN_NAME(put)(__global QN_TO *y, QN_V v, float scale)
{
    QN_A lane[QN_N];

    QN_VSTORE(v, 0, lane);
    for (int k = 0; k < QN_N; k++) {
        QN_A w = QN_END(lane[k], scale);

        QN_STORE(y, k, w);
    }
}

static inline QN_V QN_NAME(next)(QN_V a, __global const QN_T *p)
{
    QN_V v = QN_VLOAD(p);

    v = QN_TAKE(v);
    return QN_JOIN(a, v);
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(columns_vector)(__global const QN_T *restrict x, long x0, __global QN_TO *restrict y, long y0, long length,
                             long columns, long part, long parts, long blocks, float scale)
{
    long a = (long)get_global_id(0) / blocks, s = (long)get_global_id(1);
    long c = ((long)get_global_id(0) - a * blocks) * 4 * QN_N, end = min(columns, c + 4 * QN_N);
    long first = s * part, n = min(length - first, part);
    QN_V none = (QN_V)(QN_NEUTRAL);

    x += x0 + (a * length + first) * columns;
    y += y0 + (a * parts + s) * columns;
    if (c + 4 * QN_N <= end) {
        QN_V v0 = none, v1 = none, v2 = none, v3 = none;
        __global const QN_T *p = x + c;

        for (long l = 0; l < n; l++, p += columns) {
            v0 = QN_NAME(next)(v0, p);
            v1 = QN_NAME(next)(v1, p + QN_N);
            v2 = QN_NAME(next)(v2, p + 2 * QN_N);
            v3 = QN_NAME(next)(v3, p + 3 * QN_N);
        }
        QN_NAME(put)(y + c, v0, scale);
        QN_NAME(put)(y + c + QN_N, v1, scale);
        QN_NAME(put)(y + c + 2 * QN_N, v2, scale);
        QN_NAME(put)(y + c + 3 * QN_N, v3, scale);
        return;
    }
    if (c + 2 * QN_N <= end) {
        QN_V v0 = none, v1 = none;
        __global const QN_T *p = x + c;

        for (long l = 0; l < n; l++, p += columns) {
            v0 = QN_NAME(next)(v0, p);
            v1 = QN_NAME(next)(v1, p + QN_N);
        }
        QN_NAME(put)(y + c, v0, scale);
        QN_NAME(put)(y + c + QN_N, v1, scale);
        c += 2 * QN_N;
    }
    if (c + QN_N <= end) {
        QN_V v0 = none;
        __global const QN_T *p = x + c;

        for (long l = 0; l < n; l++, p += columns)
            v0 = QN_NAME(next)(v0, p);
        QN_NAME(put)(y + c, v0, scale);
        c += QN_N;
    }
    for (; c < end; c++) {
        QN_A w = QN_NEUTRAL;

        for (long l = 0; l < n; l++) {
            QN_A v = QN_LOAD(x, l * columns + c);

            v = QN_TAKE(v);
            w = QN_JOIN(w, v);
        }
        w = QN_END(w, scale);
        QN_STORE(y, c, w);
    }
}
