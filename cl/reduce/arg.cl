/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[a, b] = the first l at which x[a, l, b] is largest (QN_KIND 0) or smallest (1); a NaN beats all numbers
 *
 * x: [A, length, columns], y: [A * columns] i32; 0 where length is 0. Work-groups of QN_L0; (0): `run` elements
 * of y, which lie `apart` elements apart, so that neighbours read neighbours where QN_L0 is not 1.
 * Build parameters: QN_KIND, QN_T: float or int. */
#define QN_CAT2(a, b) a##b
#define QN_CAT(a, b) QN_CAT2(a, b)
#define QN_NAME(name) QN_CAT(name, QN_SUFFIX)
#ifndef QN_T
#error "QN_T is missing"
#endif
#if QN_KIND == 0
#define QN_BEATS(v, best) ((v) > (best) || ((v) != (v) && (best) == (best)))
#else
#define QN_BEATS(v, best) ((v) < (best) || ((v) != (v) && (best) == (best)))
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(arg)(__global const QN_T *restrict x, long x0, __global int *restrict y, long y0, long count, long length,
                  long columns, long run, long apart)
{
    long group = (long)get_global_id(0) / QN_L0, item = (long)get_local_id(0);

    x += x0;
    y += y0;
    for (long k = 0; k < run; k++) {
        long e = group * run * QN_L0 + item + k * apart, a = e / columns;
        __global const QN_T *p = x + a * length * columns + (e - a * columns);
        QN_T best;
        int at = 0;

        if (e >= count)
            return;
        if (length > 0)
            best = p[0];
        for (long l = 1; l < length; l++) {
            QN_T v = p[l * columns];

            if (QN_BEATS(v, best)) {
                best = v;
                at = (int)l;
            }
        }
        y[e] = at;
    }
}
