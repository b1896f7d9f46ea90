/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * y[i] = value, as bits, for i < count
 *
 * Work-groups of QN_L0; (0): `run` elements; where QN_L0 is not 1, neighbours write neighbours, `run` apart.
 * Build parameters: QN_BYTES of an element. */
#include "shape/element.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(fill)(__global QN_T *restrict y, long y0, long count, long run, long value)
{
    long i = (long)get_global_id(0);
    QN_T v = (QN_T)value;

    y += y0;
#if QN_L0 == 1
    long end = min(count, (i + 1) * run);
    for (i *= run; i < end; i++)
        y[i] = v;
#else
    for (; i < count; i += run)
        y[i] = v;
#endif
}
