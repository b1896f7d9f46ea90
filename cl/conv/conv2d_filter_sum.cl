/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The second pass of conv2d_filter_tile.cl: dw = the sum of partial over its parts, first to last.
 *
 * Grid: blocks of k times chunks times groups; taps; pieces of QN_ROWS values of a run. Local size 1.
 * Build parameters: QN_VW; QN_ROWS. */
#include "common/types.clh"
#include "conv/tile.clh"

#ifndef QN_ROWS
#error "QN_ROWS is required"
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_filter_sum)(
    __global const float *restrict partial, long partial0, __global float *restrict dw, long dw0, int parts,
    long part_step, int block, int run, int run_up, int group_c, int group_k, int K, int chunk_c, int span, int S, int taps)
{
    const int chunks = (group_c + chunk_c - 1) / chunk_c, blocks = (group_k + block - 1) / block;
    const int tap = (int)get_global_id(1), b = (int)get_global_id(0), group = b / chunks / blocks;
    const int k0 = b / chunks % blocks * block, c0 = b % chunks * chunk_c;
    const int first = (int)get_global_id(2) * QN_ROWS, last = min(first + QN_ROWS, run);
    const int r = tap / (S / span), s0 = tap % (S / span);

    partial += partial0 + ((long)b * taps + tap) * run_up * block;
    for (int m = first; m < last; m++) {
        const int c = c0 + m % chunk_c, s = s0 + m / chunk_c;
        __global float *to = dw + dw0 + (((long)r * S + s) * group_c + c) * K + group * group_k + k0;

        for (int j = 0; j < block && j < group_k - k0 && c < group_c; j += QN_VW) {
            __global const float *from = partial + (long)m * block + j;
            QN_VF sum = (QN_VF)(0.0f);

            for (int i = 0; i < parts; i++)
                sum += QN_VLOAD(from + i * part_step);
            QN_NAME(store_lanes)(sum, to + j, group_k - k0 - j);
        }
    }
}
