/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Matrix product for CPUs: C = epilogue(op(A) op(B)), one work-item a block of C.
 *
 *   C[m,n] = epilogue(sum over k of A'[m,k] B'[k,n] (+ C[m,n] with QN_ACCUMULATE))
 *   A' is A [M,K], or with QN_TA the transpose of A [K,M];  B' is B [K,N], or with QN_TB the transpose of B [N,K].
 *
 * A work-item makes the rows [tm*mc, +mc) and columns [tn*nc, +nc) of C of one batch, K in steps of QN_KC: panels of
 * QN_NR columns of B' against tiles of QN_MR rows of A'. A tile's sums stay in registers. A panel of B' is read where
 * it is, or first copied to local memory in the order it is used (QN_PACK_B), which pays when many rows use it; the
 * columns past the last full panel are always copied, QN_V at a time, so nothing outside a tensor is read. A transposed
 * A is copied too, a block of QN_MC rows. Rows past the end repeat the last row and are not stored.
 *
 * One of several batches, and of several parts of K whose sums are stored apart (split_stride) for reduce.cl to add up.
 *
 * Global size: tiles of C; batches * splits. Local size: 1, 1.
 * Build parameters: QN_DTYPE, QN_V lanes of a vector, QN_NV vectors of a panel, QN_MR rows of a tile, QN_KC, QN_MC (a
 * multiple of QN_MR; with QN_TA), QN_TA, QN_TB, QN_PACK_B, QN_ACCUMULATE, and the epilogue: QN_BIAS, QN_RESIDUAL,
 * QN_ACT, QN_ACT_GRAD. */
#include "common/types.clh"
#include "common/vec.clh"

#if !defined(QN_V) || !defined(QN_NV) || !defined(QN_MR) || !defined(QN_KC) || !defined(QN_MC)
#error "QN_V, QN_NV, QN_MR, QN_KC and QN_MC are required"
#endif
#if !defined(QN_TA) || !defined(QN_TB) || !defined(QN_PACK_B) || !defined(QN_ACCUMULATE)
#error "QN_TA, QN_TB, QN_PACK_B and QN_ACCUMULATE are required"
#endif

#define QN_NR (QN_NV * QN_V)
#define QN_PUT(p, v) QN_CAT(vstore, QN_V)((v), 0, (p)) /* to local memory, which holds floats */
#include "gemm/epilogue.clh"

/* The lanes of a and b in turn: the first or the last half of them. Log2(QN_V) rounds of these transpose a block. */
#if QN_V == 4
#define QN_ZIP_LO(a, b) (float4)(a.s0, b.s0, a.s1, b.s1)
#define QN_ZIP_HI(a, b) (float4)(a.s2, b.s2, a.s3, b.s3)
#define QN_ROUNDS 2
#elif QN_V == 8
#define QN_ZIP_LO(a, b) (float8)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define QN_ZIP_HI(a, b) (float8)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define QN_ROUNDS 3
#elif QN_V == 16
#define QN_ZIP_LO(a, b) (float16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, \
                                  a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define QN_ZIP_HI(a, b) (float16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, \
                                  a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf)
#define QN_ROUNDS 4
#else
#error "QN_V must be 4, 8 or 16"
#endif

#if QN_TB
/* p[k][0..QN_V) = b[0..columns)[k]; the columns missing repeat the last one. */
static inline void QN_NAME(pack_lanes)(__local float *p, int width, __global const QN_T *b, long ldb,
                                       int columns, int kc)
{
    int k = 0;

    for (; k + QN_V <= kc; k += QN_V) {
        QN_VF r[QN_V], t[QN_V];

#pragma unroll
        for (int j = 0; j < QN_V; j++)
            r[j] = qn_vload(b, min(j, columns - 1) * ldb + k);
#pragma unroll
        for (int round = 0; round < QN_ROUNDS; round++) {
#pragma unroll
            for (int j = 0; j < QN_V / 2; j++) {
                t[2 * j] = QN_ZIP_LO(r[j], r[j + QN_V / 2]);
                t[2 * j + 1] = QN_ZIP_HI(r[j], r[j + QN_V / 2]);
            }
#pragma unroll
            for (int j = 0; j < QN_V; j++)
                r[j] = t[j];
        }
#pragma unroll
        for (int j = 0; j < QN_V; j++)
            QN_PUT(p + (k + j) * width, r[j]);
    }
    for (; k < kc; k++)
        for (int j = 0; j < QN_V; j++)
            p[k * width + j] = qn_load(b, min(j, columns - 1) * ldb + k);
}
#else
/* p[k][0..QN_V) = b[k][0..columns) */
static inline void QN_NAME(pack_lanes)(__local float *p, int width, __global const QN_T *b, long ldb,
                                       int columns, int kc)
{
    if (columns >= QN_V) {
        for (int k = 0; k < kc; k++)
            QN_PUT(p + k * width, qn_vload(b, k * ldb));
    } else {
        for (int k = 0; k < kc; k++)
            for (int j = 0; j < QN_V; j++)
                p[k * width + j] = qn_load(b, k * ldb + min(j, columns - 1));
    }
}
#endif

#if QN_TA
/* p[panel][k][0..QN_MR) = a[k][panel * QN_MR + ...]; rows past the end repeat the last one. */
static inline void QN_NAME(pack_a)(__local float *p, __global const QN_T *a, long lda, int rows,
                                   int kc)
{
    for (int m = 0; m < rows; m += QN_MR) {
        __local float *q = p + m * kc;

        if (m + QN_MR <= rows) {
            for (int k = 0; k < kc; k++)
#pragma unroll
                for (int i = 0; i < QN_MR; i++)
                    q[k * QN_MR + i] = qn_load(a, k * lda + m + i);
        } else {
            for (int k = 0; k < kc; k++)
                for (int i = 0; i < QN_MR; i++)
                    q[k * QN_MR + i] = qn_load(a, k * lda + min(m + i, rows - 1));
        }
    }
}
#define QN_A_AT(m) pa + (m - m0) * kc
#define QN_A_PANEL __local const float
#define QN_A(i, k) a[(k) * QN_MR + (i)]
#define QN_ROWS
#else
#define QN_A_AT(m) a + m * lda + k0
#define QN_A_PANEL __global const QN_T
#define QN_A(i, k) qn_load(row[i], k)
#define QN_ROWS __global const QN_T *row[QN_MR]; QN_NAME(find_rows)(row, a, lda, rows);

/* Where the rows of a tile begin. */
static inline void QN_NAME(find_rows)(__global const QN_T **row, __global const QN_T *a, long lda, int rows)
{
#pragma unroll
    for (int i = 0; i < QN_MR; i++)
        row[i] = a + min(i, rows - 1) * lda;
}
#endif

#if QN_TB
#define QN_B_AT(k, n) (b + (n) * ldb + (k))
#else
#define QN_B_AT(k, n) (b + (k) * ldb + (n))
#endif

/* The tiles: of a full panel, where it is or copied, and of the columns after the last one. */
#if QN_PACK_B
#define QN_PANEL(n) pb, QN_NR
#define QN_B_PANEL __local const float
#define QN_B(at) QN_CAT(vload, QN_V)(0, b + (at))
#else
#define QN_PANEL(n) QN_B_AT(k0, n), ldb
#define QN_B_PANEL __global const QN_T
#define QN_B(at) qn_vload(b, at)
#endif

static inline void QN_NAME(tile_panel)(QN_A_PANEL *a, long lda, QN_B_PANEL *b, long ldb,
                                       __global QN_T *c, long ldc, int rows, int kc, bool add)
{
    QN_VF sum[QN_MR][QN_NV];
    QN_ROWS

#pragma unroll
    for (int i = 0; i < QN_MR; i++)
#pragma unroll
        for (int j = 0; j < QN_NV; j++)
            sum[i][j] = (QN_VF)(0.0f);
    for (int k = 0; k < kc; k++) {
        QN_VF bv[QN_NV];

#pragma unroll
        for (int j = 0; j < QN_NV; j++)
            bv[j] = QN_B(k * ldb + j * QN_V);
#pragma unroll
        for (int i = 0; i < QN_MR; i++) {
            const QN_VF av = (QN_VF)(QN_A(i, k));

#pragma unroll
            for (int j = 0; j < QN_NV; j++)
                sum[i][j] += av * bv[j];
        }
    }
#pragma unroll
    for (int i = 0; i < QN_MR; i++)
        if (i < rows) {
#pragma unroll
            for (int j = 0; j < QN_NV; j++) {
                if (add)
                    sum[i][j] += qn_vload(c, i * ldc + j * QN_V);
                qn_vstore(c, i * ldc + j * QN_V, sum[i][j]);
            }
        }
}

static inline void QN_NAME(tile_rest)(QN_A_PANEL *a, long lda, __local const float *b,
                                      __global QN_T *c, long ldc, int rows, int columns, int kc, bool add)
{
    QN_VF sum[QN_MR];
    float t[QN_MR * QN_V];
    QN_ROWS

#pragma unroll
    for (int i = 0; i < QN_MR; i++)
        sum[i] = (QN_VF)(0.0f);
    for (int k = 0; k < kc; k++) {
        const QN_VF bv = QN_CAT(vload, QN_V)(0, b + k * QN_V);

#pragma unroll
        for (int i = 0; i < QN_MR; i++)
            sum[i] += (QN_VF)(QN_A(i, k)) * bv;
    }
#pragma unroll
    for (int i = 0; i < QN_MR; i++)
        QN_PUT(t + i * QN_V, sum[i]);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            qn_store(c, i * ldc + j, add ? t[i * QN_V + j] + qn_load(c, i * ldc + j) : t[i * QN_V + j]);
}

#if QN_BIAS || QN_RESIDUAL || QN_ACT || QN_ACT_GRAD
static inline void QN_NAME(epilogue)(__global QN_T *c, long ldc, __global const QN_T *bias,
                                     __global const QN_T *residual, __global const QN_T *aux,
                                     int rows, int columns, float alpha)
{
    for (int m = 0; m < rows; m++)
        for (int n = 0; n < columns; n += QN_V) {
            const long at = m * ldc + n;
            const int lanes = min(columns - n, QN_V);
            const QN_VF v = QN_NAME(load_part)(c + at, lanes);

            QN_NAME(store_part)(QN_NAME(finish)(v, bias + n, residual + at, aux + at, alpha, lanes), c + at, lanes);
        }
}
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gemm)(__global const QN_T *restrict a, long a0, __global const QN_T *restrict b, long b0,
                   __global QN_T *restrict c, long c0, __global const QN_T *restrict bias, long bias0,
                   __global const QN_T *restrict residual, long residual0, __global const QN_T *restrict aux, long aux0,
                   int M, int N, int K, long lda, long ldb, long ldc, long stride_a, long stride_b, long stride_c,
                   int splits, int split_k, long split_stride, int mc, int nc, float alpha)
{
#if QN_PACK_B
    __local float pb[QN_KC * QN_NR];
#else
    __local float pb[QN_KC * QN_V];
#endif
#if QN_TA
    __local float pa[QN_KC * QN_MC];
#endif
    const int across = (N + nc - 1) / nc;
    const int m0 = (int)(get_global_id(0) / across) * mc, n0 = (int)(get_global_id(0) % across) * nc;
    const int m1 = min(m0 + mc, M), n1 = min(n0 + nc, N);
    const long batch = get_global_id(1) / splits;
    const int split = (int)(get_global_id(1) % splits);
    const int k1 = (int)min((long)K, (split + 1L) * split_k);
    int k0 = split * split_k;
    bool first = true;

    a += a0 + batch * stride_a;
    b += b0 + batch * stride_b;
    c += c0 + batch * stride_c + split * split_stride;
    bias += bias0;
    residual += residual0 + batch * stride_c;
    aux += aux0 + batch * stride_c;
    do {
        const int kc = min(QN_KC, k1 - k0);
        const bool add = QN_ACCUMULATE || !first;

#if QN_TA
        QN_NAME(pack_a)(pa, a + k0 * lda + m0, lda, m1 - m0, kc);
#endif
        for (int n = n0; n < n1;) {
            const bool full = n + QN_NR <= n1;
            const int width = full ? QN_NR : QN_V, columns = min(width, n1 - n);

            if (QN_PACK_B || !full)
                for (int j = 0; j < columns; j += QN_V)
                    QN_NAME(pack_lanes)(pb + j, width, QN_B_AT(k0, n + j), ldb, min(columns - j, QN_V), kc);
            if (full)
                for (int m = m0; m < m1; m += QN_MR)
                    QN_NAME(tile_panel)(QN_A_AT(m), lda, QN_PANEL(n), c + m * ldc + n, ldc,
                                        min(m1 - m, QN_MR), kc, add);
            else
                for (int m = m0; m < m1; m += QN_MR)
                    QN_NAME(tile_rest)(QN_A_AT(m), lda, pb, c + m * ldc + n, ldc, min(m1 - m, QN_MR), columns, kc, add);
#if QN_BIAS || QN_RESIDUAL || QN_ACT || QN_ACT_GRAD
            if (k0 + kc >= k1)
                QN_NAME(epilogue)(c + m0 * ldc + n, ldc, bias + n, residual + m0 * ldc + n, aux + m0 * ldc + n,
                                  m1 - m0, columns, alpha);
#endif
            n += width;
        }
        first = false;
        k0 += kc;
    } while (k0 < k1);
}
