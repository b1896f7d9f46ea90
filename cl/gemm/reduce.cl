/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The second pass of a matrix product whose sums were stored in parts.
 *
 *   c[m,n] = epilogue(part[0,m,n] + part[1,m,n] + ... + part[parts-1,m,n])
 *
 * in that order. c has `rows` rows of N; a work-item makes `each` vectors of QN_V columns, row after row.
 *
 * Global size: rows * ceil(N / QN_V) / each, rounded up to the local size, which is QN_L0, 1.
 * Build parameters: QN_DTYPE, QN_V lanes of a vector, and the epilogue: QN_BIAS, QN_RESIDUAL, QN_ACT,
 * QN_ACT_GRAD. */
#ifndef QN_V
#error "QN_V is required"
#endif
#include "common/types.clh"
#include "common/vec.clh"
#include "gemm/epilogue.clh"

static inline QN_VF QN_NAME(load_float)(__global const float *p, int columns)
{
#if QN_V == 1
    return p[0];
#else
    float t[QN_V];

    if (columns >= QN_V)
        return QN_CAT(vload, QN_V)(0, p);
    for (int j = 0; j < QN_V; j++)
        t[j] = p[min(j, columns - 1)];
    return QN_CAT(vload, QN_V)(0, t);
#endif
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(reduce)(__global const float *restrict part, long part0, __global QN_T *restrict c, long c0,
                     __global const QN_T *restrict bias, long bias0, __global const QN_T *restrict residual,
                     long residual0, __global const QN_T *restrict aux, long aux0, long rows, int N, int parts,
                     int each, float alpha)
{
    const int across = (N - 1) / QN_V + 1;
    const long all = rows * across;
    long at = get_global_id(0) * (long)each;
    const long end = min(at + each, all);

    part += part0;
    c += c0;
    bias += bias0;
    residual += residual0;
    aux += aux0;
    for (; at < end; at++) {
        const int n = (int)(at % across) * QN_V;
        const int columns = min(N - n, QN_V);
        const long i = at / across * N + n;
        QN_VF v = QN_NAME(load_float)(part + i, columns);

        for (int s = 1; s < parts; s++)
            v += QN_NAME(load_float)(part + s * (rows * N) + i, columns);
        QN_NAME(store_part)(QN_NAME(finish)(v, bias + n, residual + i, aux + i, alpha, columns), c + i, columns);
    }
}
