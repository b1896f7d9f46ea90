/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rotary positions: of the first R elements of every head, pairs (u, w) are turned by an angle that grows with the place.
 *
 *   angle = (position + t) * base^(-2 n / R) for pair n,  u' = u cos(angle) - w sin(angle),  w' = w cos(angle) + u sin(angle)
 *   pair n is elements (n, n + R / 2), or with QN_INTERLEAVED (2 n, 2 n + 1)
 *
 * The gradient turns back (sign -1). Elements from R on are copied. log_base is -2 / R times the base's binary logarithm.
 * Global size: blocks of `each` work; work is (row, pair), rows are (sample, t), and pairs those of R and of the elements
 * behind it. Build parameters: QN_INTERLEAVED, QN_POSITION (0: none, 1: one number, 2: one a sample), QN_L0..2. */
#define QN_DTYPE 0
#include "common/types.clh"
#if !defined(QN_INTERLEAVED) || !defined(QN_POSITION)
#error "QN_INTERLEAVED and QN_POSITION are required"
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(rotary)(__global const float *restrict x, long x0, __global const int *restrict position, long position0,
                     __global float *restrict y, long y0, int T, int H, int D, int R, float log_base, float sign, long work,
                     int each)
{
    const int pairs = R / 2 + (D - R);

    for (int n = 0; n < each; n++) {
        const long at = get_global_id(0) / QN_L0 * (long)(QN_L0 * each) + (long)n * QN_L0 + get_local_id(0);
        const long row = at / pairs;
        const int pair = (int)(at % pairs), t = (int)(row % T);
        const int u = pair >= R / 2 ? pair + R / 2 : QN_INTERLEAVED ? 2 * pair : pair;
        const int w = QN_INTERLEAVED ? u + 1 : u + R / 2;
        __global const float *from = x + x0 + row * H * D;
        __global float *to = y + y0 + row * H * D;

        if (at >= work)
            return;
        if (pair >= R / 2) {
            for (int h = 0; h < H; h++)
                to[h * D + u] = from[h * D + u];
        } else {
            const int place = t + (QN_POSITION ? position[position0 + (QN_POSITION == 2 ? row / T : 0)] : 0);
            const float angle = (float)place * exp2(log_base * (float)pair), c = cos(angle), s = sin(angle) * sign;

            for (int h = 0; h < H; h++) {
                const float a = from[h * D + u], b = from[h * D + w];

                to[h * D + u] = a * c - b * s;
                to[h * D + w] = b * c + a * s;
            }
        }
    }
}
