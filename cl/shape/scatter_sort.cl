/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * dx[a, l, b] = sum over the i with index[i] = l of dy[a, i, b];  rows with none are not written
 *
 * dx: [A, L, B], index: [I], dy: [A, I, B]. The positions 0 .. I - 1 are sorted by their index, equal ones in order: a
 * radix sort by 8 bits of the index at a time, sort_count and sort_place once for each. An index outside the table
 * counts as L, after all others. In that order the rows of dy lie in runs; scatter_rows adds up each run within a
 * window of `window` positions, in order. The first sum of a row goes to dx, and that of a run which began before the
 * window to partial [A, windows, B]; scatter_join adds those to dx, windows in order. So no two work-items write one
 * element, and sums are taken in an order that only the sizes decide.
 *
 * counts: [blocks, 256] of blocks of `each` positions; order: [I]. Work-groups of QN_L0: 1 on a CPU.
 * Build parameters: QN_I: type of an index. f32. */
#define QN_CAT2(a, b) a##b
#define QN_CAT(a, b) QN_CAT2(a, b)
#define QN_NAME(name) QN_CAT(name, QN_SUFFIX)
#include "shape/index.clh"

#define DIGITS 256

static inline int QN_NAME(digit_of)(QN_I i, long L, int shift)
{
    long k = QN_NAME(index_of)(i, L);

    return (int)((k < 0 ? L : k) >> shift) & (DIGITS - 1);
}

/* counts[block, d] = positions of the block that have digit d. A block is `each` of the positions in `from`, or of
 * 0, 1, 2, ... where shift is 0. Grid: a work-group a block. */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(sort_count)(__global const QN_I *restrict index, long index0, __global const int *restrict from, long from0,
                         __global int *restrict counts, long counts0, long L, long I, long each, int shift)
{
    __local int count[DIGITS];
    long block = (long)(get_global_id(0) / QN_L0), i = block * each + (long)get_local_id(0), end = min(I, (block + 1) * each);

    index += index0;
    from += from0;
    counts += counts0 + block * DIGITS;
    for (int d = (int)get_local_id(0); d < DIGITS; d += QN_L0)
        count[d] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (; i < end; i += QN_L0) {
        int d = QN_NAME(digit_of)(index[shift ? from[i] : (int)i], L, shift);

#if QN_L0 == 1
        count[d]++;
#else
        atomic_inc(count + d);
#endif
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int d = (int)get_local_id(0); d < DIGITS; d += QN_L0)
        counts[d] = count[d];
}

/* The same positions to `to`, by their digit. Same grid. */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(sort_place)(__global const QN_I *restrict index, long index0, __global const int *restrict counts, long counts0,
                         __global const int *restrict from, long from0, __global int *restrict to, long to0, long L,
                         long I, long each, int blocks, int shift)
{
    __local int at[DIGITS], sum[QN_L0];
    const int lane = (int)get_local_id(0), own = DIGITS / QN_L0;
    const long block = (long)(get_global_id(0) / QN_L0), begin = block * each, end = min(I, begin + each);
    int place = 0;

    index += index0;
    counts += counts0;
    from += from0;
    to += to0;
    for (int d = lane * own; d < (lane + 1) * own; d++) { /* what comes before digit d of this block, within the lane's digits */
        int before = 0, after = 0;

        for (int k = 0; k < (int)block; k++)
            before += counts[k * DIGITS + d];
        for (int k = (int)block; k < blocks; k++)
            after += counts[k * DIGITS + d];
        at[d] = place + before;
        place += before + after;
    }
    sum[lane] = place;
    barrier(CLK_LOCAL_MEM_FENCE);
    place = 0;
    for (int k = 0; k < lane; k++)
        place += sum[k];
    for (int d = lane * own; d < (lane + 1) * own; d++)
        at[d] += place;
    barrier(CLK_LOCAL_MEM_FENCE);
#if QN_L0 == 1
    for (long i = begin; i < end; i++) {
        int p = shift ? from[i] : (int)i;

        to[at[QN_NAME(digit_of)(index[p], L, shift)]++] = p;
    }
#else
    __local int digit[QN_L0];

    for (long i = begin; i < end; i += QN_L0) {
        int p = 0, d = -1, lower = 0, higher = 0;

        if (i + lane < end) {
            p = shift ? from[i + lane] : (int)i + lane;
            d = QN_NAME(digit_of)(index[p], L, shift);
        }
        digit[lane] = d;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < QN_L0; k++) {
            lower += digit[k] == d && k < lane;
            higher += digit[k] == d && k > lane;
        }
        if (d >= 0)
            to[at[d] + lower] = p;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (d >= 0 && !higher)
            at[d] += lower + 1;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#endif
}

/* Grid: column blocks innermost, then windows, then a. A work-item's `width` columns are QN_L0 apart; width is 1 unless
 * QN_L0 is. window <= 64. */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(scatter_rows)(__global const float *restrict dy, long dy0, __global const QN_I *restrict index, long index0,
                           __global const int *restrict order, long order0, __global float *restrict dx, long dx0,
                           __global float *restrict partial, long partial0, long L, long B, long I, long width,
                           long column_blocks, int window, long windows)
{
    const long q = (long)(get_global_id(0) / QN_L0), w = q / column_blocks % windows, a = q / column_blocks / windows;
    const long b0 = q % column_blocks * width * QN_L0 + (long)get_local_id(0), b1 = min(B, b0 + width);
    const long begin = w * window;
    const int n = (int)min((long)window, I - begin);
    long last = -1;

    index += index0;
    order += order0 + begin;
    dy += dy0 + a * I * B;
    dx += dx0 + a * L * B;
    partial += partial0 + (a * windows + w) * B;
    if (w > 0)
        last = QN_NAME(index_of)(index[order[-1]], L);
#if QN_L0 == 1
    __global float *to = partial;
    bool fresh = true;

    for (int k = 0; k < n; k++) {
        __global const float *from = dy + order[k] * B;
        long l = QN_NAME(index_of)(index[order[k]], L), b = b0;

        if (l < 0)
            break;
        if (l != last) {
            to = dx + l * B;
            fresh = true;
        }
        if (fresh) {
            for (; b + 16 <= b1; b += 16)
                vstore16(vload16(0, from + b), 0, to + b);
            for (; b < b1; b++)
                to[b] = from[b];
        } else {
            for (; b + 16 <= b1; b += 16)
                vstore16(vload16(0, to + b) + vload16(0, from + b), 0, to + b);
            for (; b < b1; b++)
                to[b] += from[b];
        }
        last = l;
        fresh = false;
    }
#else
    __local int place[QN_L0], row[QN_L0];
    const int lane = (int)get_local_id(0);
    float sum = 0;
    long to = -1; /* the row of dx, or -1 for partial */

    if (lane < n) {
        place[lane] = order[lane];
        row[lane] = (int)QN_NAME(index_of)(index[order[lane]], L);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (b0 >= b1 || row[0] < 0)
        return;
    to = row[0] == last ? -1 : row[0];
    for (int k = 0; k < n && row[k] >= 0; k++) {
        sum += dy[place[k] * B + b0];
        if (k + 1 < n && row[k + 1] == row[k])
            continue;
        if (to < 0)
            partial[b0] = sum;
        else
            dx[to * B + b0] = sum;
        sum = 0;
        to = k + 1 < n ? row[k + 1] : 0;
    }
#endif
}

/* Grid: column blocks innermost, then windows but the first, then a; each is for the row that began in the window before, if
 * it goes on in this one. */
__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(scatter_join)(__global const QN_I *restrict index, long index0, __global const int *restrict order, long order0,
                           __global const float *restrict partial, long partial0, __global float *restrict dx, long dx0,
                           long L, long B, long width, long column_blocks, int window, long windows)
{
    const long q = (long)(get_global_id(0) / QN_L0), w = 1 + q / column_blocks % (windows - 1);
    const long a = q / column_blocks / (windows - 1);
    const long b0 = q % column_blocks * width * QN_L0 + (long)get_local_id(0), b1 = min(B, b0 + width);
    long l;

    index += index0;
    order += order0;
    partial += partial0 + a * windows * B;
    l = QN_NAME(index_of)(index[order[w * window]], L);
    if (l < 0 || QN_NAME(index_of)(index[order[w * window - 1]], L) != l)
        return;
    if (w > 1 && QN_NAME(index_of)(index[order[(w - 1) * window - 1]], L) == l)
        return;
    dx += dx0 + (a * L + l) * B;
    for (long v = w; v < windows && QN_NAME(index_of)(index[order[v * window]], L) == l; v++)
        for (long b = b0; b < b1; b++)
            dx[b] += partial[v * B + b];
}
