/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Keys and values of new steps join a cache: row position + t of sample b becomes row t of x; rows from C on are lost.
 * lengths[b] = position + T, within [0, C].
 *
 * Global size: QN_L0 work-items a row, B * T rows (one a sample where T is 0). Build parameters: QN_EACH (a position for each
 * sample, else one for all), QN_L0..2. */
#define QN_DTYPE 0
#include "common/types.clh"
#ifndef QN_EACH
#error "QN_EACH is required"
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(cache_append)(__global float *restrict ck, long ck0, __global float *restrict cv, long cv0,
                           __global const float *restrict k, long k0, __global const float *restrict v, long v0,
                           __global const int *restrict position, long position0, __global int *restrict lengths,
                           long lengths0, int T, int C, int nk, int nv)
{
    const int rows = max(T, 1), t = (int)(get_global_id(0) / QN_L0 % rows), i = (int)get_local_id(0);
    const long b = get_global_id(0) / QN_L0 / rows, first = max(position[position0 + (QN_EACH ? b : 0)], 0);

    if (t == 0 && i == 0)
        lengths[lengths0 + b] = (int)min(first + T, (long)C);
    if (T == 0 || first + t >= C)
        return;
    ck += ck0 + (b * C + first + t) * nk;
    cv += cv0 + (b * C + first + t) * nv;
    k += k0 + (b * T + t) * nk;
    v += v0 + (b * T + t) * nv;
    for (int d = i; d < nk; d += QN_L0)
        ck[d] = k[d];
    for (int d = i; d < nv; d += QN_L0)
        cv[d] = v[d];
}
