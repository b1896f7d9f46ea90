/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The end of an optimizer step: one more has been taken. One work-item. */
#include "common/step.clh"
#define QN_CAT2(a, b) a##b
#define QN_CAT(a, b) QN_CAT2(a, b)
#define QN_NAME(name) QN_CAT(name, QN_SUFFIX)

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(advance)(__global int *restrict device, long device0)
{
    if (get_global_id(0) == 0)
        device[device0 + QN_DEVICE_ITERATION]++;
}
