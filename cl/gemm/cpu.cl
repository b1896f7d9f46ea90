/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Matrix product for CPUs: C = epilogue(op(A) op(B)), one work-item a block of C.
 *
 *   C[m,n] = epilogue(sum over k of A'[m,k] B'[k,n])
 *   A' is A [M,K], or with QN_HOW_TA the transpose of A [K,M];  B' is B [K,N], or with QN_HOW_TB the transpose of B [N,K].
 *
 * A work-item makes the rows [tm*mc, +mc) and columns [tn*nc, +nc) of C of one batch, K in steps of kc: panels of QN_NR
 * columns of B' against tiles of QN_MR rows of A'. A tile's sums stay in registers. A panel of B' is read where it is, or
 * first copied in the order it is used (QN_HOW_COPY_B; always where B is transposed), which pays when many rows use it; the
 * columns past the last full panel are always copied, QN_V at a time, so nothing outside a tensor is read. A transposed A is
 * read where it is or copied likewise (QN_HOW_COPY_A). Copies go to this work-item's part of `pack`, pack_each elements
 * long: the panel, then the block of A. The last rows, where they are few, are made one by one; else rows past the end
 * repeat the last one and are not stored.
 *
 * One of several batches, and of several parts of K whose sums are stored apart (split_stride) for reduce.cl to add up.
 *
 * `how` is the sum of the bits below: shapes of a network differ in them, and it is to need one program. For the same
 * reason functions are not inlined: PoCL 3.1 compiles a kernel's own text three times, and what it calls once.
 *
 * Global size: tiles of C; batches * splits. Local size: 1, 1.
 * Build parameters: QN_DTYPE, QN_V lanes of a vector, QN_NV vectors of a panel, QN_MR rows of a tile, and of the epilogue
 * QN_ACT, QN_ACT_GRAD; both are 0 for relu, which `how` asks for. */
#include "common/types.clh"
#include "common/vec.clh"

#if !defined(QN_V) || !defined(QN_NV) || !defined(QN_MR)
#error "QN_V, QN_NV and QN_MR are required"
#endif
#if !defined(QN_ACT) || !defined(QN_ACT_GRAD)
#error "QN_ACT and QN_ACT_GRAD are required"
#endif
#include "common/act.clh"
#include "common/part.clh"

#define QN_NR (QN_NV * QN_V)
#define QN_FEW 2 /* rows that are made one by one when no more are left */
#define QN_ALONE static __attribute__((noinline))
/* What is soon stored to. PoCL's prefetch() does nothing, so clang is asked where it compiles for the CPU itself. */
#if defined(__clang__) && defined(__x86_64__)
#define QN_WANT(p) __builtin_prefetch((const void *)(size_t)(p), 1)
#else
#define QN_WANT(p)
#endif

/* The order of enum how in src/ops/gemm/gemm_cpu.c. */
#define QN_HOW_TA 1
#define QN_HOW_TB 2
#define QN_HOW_COPY_A 4
#define QN_HOW_COPY_B 8
#define QN_HOW_BIAS 16
#define QN_HOW_RESIDUAL 32
#define QN_HOW_RELU 64
#define QN_HOW_RELU_GRAD 128

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

/* ---- copies ---- */

/* p[k][0..QN_V) = b[0..columns)[k]; the columns missing repeat the last one. */
QN_ALONE void QN_NAME(copy_across)(__global QN_T *restrict p, int width, __global const QN_T *restrict b, long ldb,
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
            qn_vstore(p, (k + j) * width, r[j]);
    }
    for (; k < kc; k++)
        for (int j = 0; j < QN_V; j++)
            qn_store(p, k * width + j, qn_load(b, min(j, columns - 1) * ldb + k));
}

/* p[k][0..width) = b[k][0..columns), a multiple of QN_V lanes */
QN_ALONE void QN_NAME(copy_rows)(__global QN_T *restrict p, int width, __global const QN_T *restrict b, long ldb, int columns,
                                 int kc)
{
    if (columns == QN_NR) {
        for (int k = 0; k < kc; k++)
#pragma unroll
            for (int j = 0; j < QN_NR; j += QN_V)
                qn_vstore(p, k * QN_NR + j, qn_vload(b, k * ldb + j));
        return;
    }
    for (int k = 0; k < kc; k++)
        qn_vstore(p, k * width, QN_NAME(load_part)(b + k * ldb, columns));
}

/* p[tile][k][0..QN_MR) = a[k][tile * QN_MR + ...]; rows past the end repeat the last one. */
QN_ALONE void QN_NAME(copy_a)(__global QN_T *restrict p, __global const QN_T *restrict a, long lda, int rows, int kc)
{
    const int whole = rows / QN_MR * QN_MR;

    for (int k = 0; k < kc; k++) {
        for (int m = 0; m < whole; m += QN_MR)
#pragma unroll
            for (int i = 0; i < QN_MR; i++)
                qn_store(p, m * kc + k * QN_MR + i, qn_load(a, k * lda + m + i));
        for (int i = 0; whole < rows && i < QN_MR; i++)
            qn_store(p, whole * kc + k * QN_MR + i, qn_load(a, k * lda + min(whole + i, rows - 1)));
    }
}

/* ---- tiles: A'[i,k] = a[i * a_row + k * a_k]; what `from` holds, rows from_row apart, is added unless it is 0 ---- */

QN_ALONE void QN_NAME(tile)(__global const QN_T *a, long a_row, long a_k, __global const QN_T *b, long ldb,
                            __global QN_T *c, long ldc, __global const QN_T *from, long from_row, int rows, int kc)
{
    __global const QN_T *row[QN_MR];
    QN_VF sum[QN_MR][QN_NV];
    long at = 0;

#pragma unroll
    for (int i = 0; i < QN_MR; i++) {
        row[i] = a + min(i, rows - 1) * a_row;
#pragma unroll
        for (int j = 0; j < QN_NV; j++) {
            sum[i][j] = (QN_VF)(0.0f);
            QN_WANT(c + min(i, rows - 1) * ldc + j * QN_V);
        }
    }
    for (int k = 0; k < kc; k++) {
        QN_VF bv[QN_NV];

#pragma unroll
        for (int j = 0; j < QN_NV; j++)
            bv[j] = qn_vload(b, j * QN_V);
#pragma unroll
        for (int i = 0; i < QN_MR; i++) {
            const QN_VF av = (QN_VF)(qn_load(row[i], at));

#pragma unroll
            for (int j = 0; j < QN_NV; j++)
                sum[i][j] += av * bv[j];
        }
        at += a_k;
        b += ldb;
    }
#pragma unroll
    for (int i = 0; i < QN_MR; i++)
        if (i < rows) {
#pragma unroll
            for (int j = 0; j < QN_NV; j++) {
                if (from)
                    sum[i][j] += qn_vload(from, i * from_row + j * QN_V);
                qn_vstore(c, i * ldc + j * QN_V, sum[i][j]);
            }
        }
}

/* One row: two sums at a time, since one addition waits for the one before it. */
QN_ALONE void QN_NAME(tile_row)(__global const QN_T *a, long a_k, __global const QN_T *b, long ldb, __global QN_T *c,
                                __global const QN_T *from, int kc)
{
    QN_VF sum[2][QN_NV];

#pragma unroll
    for (int j = 0; j < QN_NV; j++)
        sum[0][j] = sum[1][j] = (QN_VF)(0.0f);
    for (int k = 0; k + 2 <= kc; k += 2) {
#pragma unroll
        for (int j = 0; j < QN_NV; j++) {
            sum[0][j] += (QN_VF)(qn_load(a, k * a_k)) * qn_vload(b, k * ldb + j * QN_V);
            sum[1][j] += (QN_VF)(qn_load(a, (k + 1) * a_k)) * qn_vload(b, (k + 1) * ldb + j * QN_V);
        }
    }
#pragma unroll
    for (int j = 0; j < QN_NV; j++) {
        if (kc % 2)
            sum[0][j] += (QN_VF)(qn_load(a, (kc - 1) * a_k)) * qn_vload(b, (kc - 1) * ldb + j * QN_V);
        sum[0][j] += sum[1][j];
        if (from)
            sum[0][j] += qn_vload(from, j * QN_V);
        qn_vstore(c, j * QN_V, sum[0][j]);
    }
}

/* The columns past the last full panel. */
QN_ALONE void QN_NAME(tile_rest)(__global const QN_T *a, long a_row, long a_k, __global const QN_T *b, __global QN_T *c,
                                 long ldc, __global const QN_T *from, long from_row, int rows, int columns, int kc)
{
    __global const QN_T *row[QN_MR];
    QN_VF sum[QN_MR];
    float t[QN_MR * QN_V];
    long at = 0;

#pragma unroll
    for (int i = 0; i < QN_MR; i++) {
        row[i] = a + min(i, rows - 1) * a_row;
        sum[i] = (QN_VF)(0.0f);
    }
    for (int k = 0; k < kc; k++) {
        const QN_VF bv = qn_vload(b, k * QN_V);

#pragma unroll
        for (int i = 0; i < QN_MR; i++)
            sum[i] += (QN_VF)(qn_load(row[i], at)) * bv;
        at += a_k;
    }
#pragma unroll
    for (int i = 0; i < QN_MR; i++)
        QN_VN(vstore)(sum[i], i, t);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            qn_store(c, i * ldc + j, from ? t[i * QN_V + j] + qn_load(from, i * from_row + j) : t[i * QN_V + j]);
}

/* What is left of the epilogue when the sums are stored; bias where a residual has gone before it. */
QN_ALONE void QN_NAME(epilogue)(__global QN_T *c, long ldc, __global const QN_T *bias, __global const QN_T *aux, int rows,
                                int columns, float alpha, int how)
{
    for (int n = 0; n < columns; n += QN_V) {
        const int lanes = min(columns - n, QN_V);
        const QN_VF add = how & QN_HOW_BIAS ? QN_NAME(load_part)(bias + n, lanes) : (QN_VF)(0.0f);

        for (int m = 0; m < rows; m++) {
            const long at = m * ldc + n;
            QN_VF v = QN_NAME(load_part)(c + at, lanes) + add;

            if (how & QN_HOW_RELU)
                v = v < 0.0f ? (QN_VF)(0.0f) : v;
            v = qn_act(v, alpha);
            if (how & QN_HOW_RELU_GRAD)
                v = QN_NAME(load_part)(aux + at, lanes) > 0.0f ? v : (QN_VF)(0.0f);
#if QN_ACT_GRAD
            v = qn_act_grad(v, QN_NAME(load_part)(aux + at, lanes), alpha);
#endif
            QN_NAME(store_part)(v, c + at, lanes);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(gemm)(__global const QN_T *a, long a0, __global const QN_T *b, long b0, __global QN_T *c, long c0,
                   __global const QN_T *bias, long bias0, __global const QN_T *residual, long residual0,
                   __global const QN_T *aux, long aux0, int M, int N, int K, long lda, long ldb, long ldc, long stride_a,
                   long stride_b, long stride_c, int splits, int split_k, long split_stride, __global QN_T *pack, long pack0,
                   long pack_each, int mc, int nc, int kc_most, int how, float alpha)
{
    const int across = (N + nc - 1) / nc;
    const int m0 = (int)(get_global_id(0) / across) * mc, n0 = (int)(get_global_id(0) % across) * nc;
    const int m1 = min(m0 + mc, M), n1 = min(n0 + nc, N);
    const long batch = get_global_id(1) / splits;
    const int split = (int)(get_global_id(1) % splits);
    const int k1 = (int)min((long)K, (split + 1L) * split_k);
    const bool ta = how & QN_HOW_TA, tb = how & QN_HOW_TB, more = how & QN_HOW_RESIDUAL;
    const int late = more ? how : how & ~QN_HOW_BIAS; /* a bias alone is what the sums begin with */
    const int later = QN_ACT | QN_ACT_GRAD | (late & (QN_HOW_BIAS | QN_HOW_RELU | QN_HOW_RELU_GRAD));
    int k0 = split * split_k;
    bool first = true;

    a += a0 + batch * stride_a;
    b += b0 + batch * stride_b;
    c += c0 + batch * stride_c + split * split_stride;
    bias += bias0;
    residual += residual0 + batch * stride_c;
    aux += aux0 + batch * stride_c;
    pack += pack0 + (get_global_id(1) * across * ((M + mc - 1) / mc) + get_global_id(0)) * pack_each;
    do {
        const int kc = min(kc_most, k1 - k0);
        __global QN_T *block = pack + kc_most * QN_NR;

        if (how & QN_HOW_COPY_A)
            QN_NAME(copy_a)(block, a + k0 * lda + m0, lda, m1 - m0, kc);
        for (int n = n0; n < n1;) {
            const bool full = n + QN_NR <= n1, copy = how & QN_HOW_COPY_B || !full;
            const int width = full ? QN_NR : QN_V, columns = min(width, n1 - n);
            __global const QN_T *panel = copy ? pack : b + k0 * ldb + n;
            __global const QN_T *from = !first ? c + n : more ? residual + n : how & QN_HOW_BIAS ? bias + n : 0;
            const long from_row = !first || more ? ldc : 0, panel_row = copy ? width : ldb;

            for (int j = 0; copy && tb && j < columns; j += QN_V)
                QN_NAME(copy_across)(pack + j, width, b + (n + j) * ldb + k0, ldb, min(columns - j, QN_V), kc);
            if (copy && !tb)
                QN_NAME(copy_rows)(pack, width, b + k0 * ldb + n, ldb, columns, kc);
            for (int m = m0; m < m1;) {
                const bool few = full && m1 - m <= QN_FEW;
                const int rows = few ? 1 : min(m1 - m, QN_MR);
                const long a_row = how & QN_HOW_COPY_A || ta ? 1 : lda, a_k = how & QN_HOW_COPY_A ? QN_MR : ta ? lda : 1;
                __global const QN_T *at = how & QN_HOW_COPY_A ? block + (m - m0) / QN_MR * QN_MR * kc + (m - m0) % QN_MR
                                          : ta                ? a + k0 * lda + m
                                                              : a + m * lda + k0;
                __global const QN_T *to = from ? from + m * from_row : 0;

                if (few)
                    QN_NAME(tile_row)(at, a_k, panel, panel_row, c + m * ldc + n, to, kc);
                else if (full)
                    QN_NAME(tile)(at, a_row, a_k, panel, panel_row, c + m * ldc + n, ldc, to, from_row, rows, kc);
                else
                    QN_NAME(tile_rest)(at, a_row, a_k, panel, c + m * ldc + n, ldc, to, from_row, rows, columns, kc);
                m += rows;
            }
            if (k0 + kc >= k1 && later)
                QN_NAME(epilogue)(c + m0 * ldc + n, ldc, bias + n, aux + m0 * ldc + n, m1 - m0, columns, alpha, late);
            n += width;
        }
        first = false;
        k0 += kc;
    } while (k0 < k1);
}
