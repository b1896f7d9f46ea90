/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The recurrent kernel as rnn/tile.clh reads it.
 *
 *   out[strip][j / QN_JT][k][j % QN_JT][b] = w[k * row + unit * step + j * gate],
 *   unit = strip * per_strip + j * per_j + b;  0 from U on
 *
 * Grid: strips, blocks of QN_EACH terms k. Build parameters: QN_B, QN_J, QN_JT, QN_EACH. */
#include "common/types.clh"

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(pack)(__global const QN_T *restrict w, long w0, __global float *restrict out, long out0, int K, int U,
                   int per_strip, int per_j, long row, long step, long gate)
{
    const int strip = (int)get_global_id(0), first = (int)get_global_id(1) * QN_EACH, last = min(K, first + QN_EACH);

    w += w0;
    out += out0 + (long)strip * K * (QN_J * QN_B);
    for (int j = 0; j < QN_J; j++) {
        __global float *to = out + ((long)(j / QN_JT) * K * QN_JT + j % QN_JT) * QN_B;
        const int unit = strip * per_strip + j * per_j;

        for (int k = first; k < last; k++)
            for (int b = 0; b < QN_B; b++)
                to[(long)k * (QN_JT * QN_B) + b] = unit + b < U ? qn_load(w, k * row + (unit + b) * step + j * gate) : 0;
    }
}
