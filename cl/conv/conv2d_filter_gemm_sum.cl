/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The second pass of conv2d_filter_gemm.cl: dw[i] = the sum of partial[part, i], first part to last.
 *
 * Grid: work-items cover total, the elements of dw; any QN_L0. Build parameter: QN_DTYPE. */
#include "common/types.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_filter_gemm_sum)(
    __global const float *restrict partial, long partial0, __global QN_T *restrict dw, long dw0, long total, int parts)
{
    const long i = get_global_id(0);
    float sum = 0.0f;

    if (i >= total)
        return;
    for (int p = 0; p < parts; p++)
        sum += partial[partial0 + p * total + i];
    qn_store(dw, dw0 + i, sum);
}
