/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lay a filter [R,S,group_c,K] out for conv2d_tile.cl: zeros floats of 0, then
 * [group][block of results][r,s][term][block], results past the last one 0.
 *
 * Forward a result is a channel k and a term a channel c, backward the other way round: result_step and term_step are
 * their distances in w, results and terms their numbers in a group, group_k the distance of groups. flip: filter columns
 * last to first.
 *
 * Grid: groups times blocks; taps = R * S. Local size 1. */
#include "common/types.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2))) void QN_NAME(conv2d_pack)(
    __global const float *restrict w, long w0, __global float *restrict packed, long packed0, int zeros, int block, int results,
    int terms, int result_step, int term_step, int group_k, long tap_step, int taps, int S, int flip)
{
    const int blocks = (results + block - 1) / block, first = (int)(get_global_id(0) % blocks) * block;
    const int group = (int)(get_global_id(0) / blocks), n = min(results - first, block);
    const int s = (int)get_global_id(1) % S, tap = (int)get_global_id(1) + (flip ? S - 1 - 2 * s : 0); /* as packed */

    w += w0 + get_global_id(1) * tap_step + (long)group * group_k + (long)first * result_step;
    packed += packed0;
    if (get_global_id(0) == 0 && get_global_id(1) == 0)
        for (int i = 0; i < zeros; i++)
            packed[i] = 0.0f;
    packed += zeros + (get_global_id(0) * taps + tap) * terms * block;
    if (result_step == 1) {
        for (int t = 0; t < terms; t++)
            for (int j = 0; j < block; j++)
                packed[t * block + j] = j < n ? w[(long)t * term_step + j] : 0.0f;
    } else {
        for (int j = 0; j < block; j++)
            for (int t = 0; t < terms; t++)
                packed[t * block + j] = j < n ? w[(long)j * result_step + (long)t * term_step] : 0.0f;
    }
}
