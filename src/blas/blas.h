/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Matrix products by CLBlast, opened at run time. No other room includes its header. */
#ifndef QNI_BLAS_H
#define QNI_BLAS_H

#include "program/program.h"

/* C = op(A) op(B) + beta C, row-major, `times` times; strides and leading sizes in elements. */
struct qni_blas_gemm {
    bool ta, tb;
    int64_t M, N, K;
    int64_t lda, ldb, ldc;
    int64_t times, stride_a, stride_b, stride_c;
    float beta;
    bool sum; /* the products after the first are added to it */
};

/* Can it be used: was it there at build time, and does its library open? Allocates nothing of ours. */
bool qni_blas_usable(void);
/* Why it cannot, and what to install; NULL where it can. */
const char *qni_blas_lacks(void);
/* Bytes of scratch that a product may need. */
size_t qni_blas_gemm_scratch(const struct qni_blas_gemm *g);
/* Append a call record; the caller then adds the operands A, B, C and scratch. A library that is
 * missing is the recorder's failure, and its message says what to install. */
struct qni_launch *qni_blas_gemm(struct qni_recorder *r, const struct qni_blas_gemm *g);

/* ---- params.c: tuning parameters for devices that CLBlast's own table does not serve ---- */

struct qni_blas_params {
    const char *kernel;    /* CLBlast's name for the group */
    int count;
    const char *name[16];
    size_t value[16];
};

/* The i-th group for a device; NULL after the last. */
const struct qni_blas_params *qni_blas_params(const struct qni_caps *caps, size_t i);

#endif
