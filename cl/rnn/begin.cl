/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Before the first step: the states to begin with, and the number of each row's first step that is not masked.
 *
 *   h[n,u] = h0[n,u] or 0,  a[n,u] = h[n,u] drop[n,u],  c[n,u] = c0[n,u] or 0, in rows of `wide` elements; zeros past U
 *   first[n] = least s where mask[n, time of s] != 0; T where there is none
 *
 * Grid: rows, QN_L0 at a time. With QN_RNN_LAST and QN_RNN_LAST_CELL the last states are these: there are no steps. */
#include "common/types.clh"

/* Bits of `given`. */
#define QN_H0 1
#define QN_C0 2
#define QN_DROPS 4
#define QN_FIRSTS 8
#define QN_LAST_H 16
#define QN_LAST_C 32
#define QN_STATES 64
#define QN_BACKWARDS 128
#define QN_CELLS 256

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(begin)(__global const QN_T *restrict h0, long h00, __global const QN_T *restrict c0, long c00,
                    __global const QN_T *restrict drop, long drop0, __global const uchar *restrict mask, long mask0,
                    __global float *restrict a, long a0, __global float *restrict h, long ha0,
                    __global float *restrict c, long ca0, __global int *restrict first, long first0,
                    __global QN_T *restrict h_last, long h_last0, __global QN_T *restrict c_last, long c_last0,
                    int N, int T, int U, int wide, int given)
{
    const int n = (int)get_global_id(0);

    if (n >= N)
        return;
    if (given & QN_FIRSTS) {
        __global const uchar *m = mask + mask0 + (long)n * T;
        int s = 0;

        while (s < T && !m[given & QN_BACKWARDS ? T - 1 - s : s])
            s++;
        first[first0 + n] = s;
    }
    for (int u = 0; u < wide; u++) {
        const long from = (long)n * U + u, to = (long)n * wide + u;
        const float hv = given & QN_H0 && u < U ? qn_load(h0, h00 + from) : 0;
        const float cv = given & QN_C0 && u < U ? qn_load(c0, c00 + from) : 0;

        if (given & QN_STATES) {
            h[ha0 + to] = hv;
            a[a0 + to] = given & QN_DROPS && u < U ? hv * qn_load(drop, drop0 + from) : hv;
        }
        if (given & QN_CELLS)
            c[ca0 + to] = cv;
        if (given & QN_LAST_H && u < U)
            qn_store(h_last, h_last0 + from, hv);
        if (given & QN_LAST_C && u < U)
            qn_store(c_last, c_last0 + from, cv);
    }
}
