/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Softmax and log-softmax over an inner axis of [outer, C, inner]; formulas in softmax/softmax. Columns are taken QN_V at
 * a time, and the last vector of columns is moved back to end at inner, so inner >= QN_V.
 *
 * Grid: groups of QN_L0 work-items on `each` vectors of columns a work-item, of outer * ceil(inner / QN_V).
 * Build parameters: QN_DTYPE, QN_V, QN_LOG, QN_L0..2. */
#include "common/types.clh"
#include "common/vec.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(softmax)(__global const QN_T *restrict x, long x0, __global QN_T *restrict y, long y0, long blocks,
                      int each, int C, long inner)
{
    const long across = (inner + QN_V - 1) / QN_V;
    const long first = (long)(get_global_id(0) / QN_L0) * each * QN_L0, last = min(blocks, first + each * QN_L0);

    x += x0;
    y += y0;
    for (long i = first + (long)get_local_id(0); i < last; i += QN_L0) {
        const long at = i / across * C * inner + min(i % across * QN_V, inner - QN_V);
        QN_VF m = -INFINITY, s = 0;

        for (int c = 0; c < C; c++)
            m = fmax(m, qn_vload(x, at + c * inner));
        for (int c = 0; c < C; c++)
            s += exp(qn_vload(x, at + c * inner) - m);
        s = QN_LOG ? log(s) : (QN_VF)1 / s;
        for (int c = 0; c < C; c++) {
            const QN_VF z = qn_vload(x, at + c * inner) - m;

            qn_vstore(y, at + c * inner, QN_LOG ? z - s : exp(z) * s);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(softmax_grad)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict y, long y0,
                           __global QN_T *restrict dx, long dx0, long blocks, int each, int C, long inner)
{
    const long across = (inner + QN_V - 1) / QN_V;
    const long first = (long)(get_global_id(0) / QN_L0) * each * QN_L0, last = min(blocks, first + each * QN_L0);

    dy += dy0;
    y += y0;
    dx += dx0;
    for (long i = first + (long)get_local_id(0); i < last; i += QN_L0) {
        const long at = i / across * C * inner + min(i % across * QN_V, inner - QN_V);
        QN_VF s = 0;

        for (int c = 0; c < C; c++)
            s += QN_LOG ? qn_vload(dy, at + c * inner) : qn_vload(dy, at + c * inner) * qn_vload(y, at + c * inner);
        for (int c = 0; c < C; c++) {
            const QN_VF d = qn_vload(dy, at + c * inner), v = qn_vload(y, at + c * inner);

            qn_vstore(dx, at + c * inner, QN_LOG ? d - exp(v) * s : v * (d - s));
        }
    }
}
