/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * CLBlast's product above the size from which it copies its operands: there versions before 1.6.3 are wrong with the parameters
 * GEMMK=1 and MWG not NWG, which their own tables have for some devices. */
#include <math.h>
#include <stdlib.h>

#include "blas/blas.h"
#include "checks.h"
#include "ops/gemm/gemm.h"

#define M       1953
#define N       1825
#define K       1697
#define SAMPLES 64

static float value(size_t i)
{
    return (float)((int)(i * 2654435761u >> 20 & 255) - 128) * 0x1p-7f;
}

/* Some elements of c against loops. */
static void compare(const float *a, const float *b, const float *c)
{
    for (size_t s = 0; s < SAMPLES && !check_failed(); s++) {
        const size_t m = s * 7919 % M, n = s * 104729 % N;
        double want = 0, scale = 0;

        for (size_t k = 0; k < K; k++) {
            want += (double)a[m * K + k] * (double)b[k * N + n];
            scale += fabs((double)a[m * K + k] * (double)b[k * N + n]);
        }
        if (!(fabs((double)c[m * N + n] - want) <= 1e-5 * scale + 1e-30))
            check_fail("element %zu, %zu is %.9g instead of %.9g", m, n, (double)c[m * N + n], want);
    }
}

static bool multiply(qn_device *dev, const float *a, const float *b, float *c, const struct qni_algo *algo)
{
    static const struct qni_matmul attr = { 0 };
    const qn_shape shapes[2] = { qni_shape(2, (int64_t)M, (int64_t)K), qni_shape(2, (int64_t)K, (int64_t)N) };
    const struct qni_desc in[2] = { { QN_F32, shapes[0] }, { QN_F32, shapes[1] } };
    int64_t scratch = 0;
    qn_tensor *t[4] = { NULL };
    qn_op *op = NULL;
    qn_status st;

    if (!(st = qni_primitive_create(&op, dev, &qni_op_matmul, &attr, in, 2, 0, 0, NULL, algo)))
        scratch = (int64_t)qn_op_scratch_bytes(op);
    if (!st && !(st = qn_tensor_create(&t[0], dev, QN_F32, 2, (int64_t[]){ M, K })) &&
        !(st = qn_tensor_create(&t[1], dev, QN_F32, 2, (int64_t[]){ K, N })) &&
        !(st = qn_tensor_create(&t[2], dev, QN_F32, 2, (int64_t[]){ M, N })) &&
        (!scratch || !(st = qn_tensor_create(&t[3], dev, QN_U8, 1, &scratch))) &&
        !(st = qn_tensor_write(t[0], a, (size_t)M * K * sizeof(float))) &&
        !(st = qn_tensor_write(t[1], b, (size_t)K * N * sizeof(float))) && !(st = qn_op_run(op, t, 2, &t[2], 1, t[3])))
        st = qn_tensor_read(t[2], c, (size_t)M * N * sizeof(float));
    if (st)
        check_fail("%s", qn_last_error());
    for (int i = 0; i < 4; i++)
        qn_tensor_destroy(&t[i]);
    qn_op_destroy(&op);
    return !st;
}

static void large(qn_device *dev)
{
    const struct qni_algo *algo = qni_algo_find(&qni_op_matmul, "clblast");
    float *a = malloc(((size_t)M * K + (size_t)K * N + (size_t)M * N) * sizeof(float));
    float *b = a ? a + (size_t)M * K : NULL, *c = a ? b + (size_t)K * N : NULL;

    for (size_t i = 0; a && i < (size_t)M * K + (size_t)K * N; i++)
        a[i] = value(i);
    if (!a)
        check_fail("no memory");
    else if (multiply(dev, a, b, c, algo))
        compare(a, b, c);
    free(a);
}

void check_blas(qn_device *dev, enum qni_level level)
{
    if (level == QNI_LEVEL_ALL && qni_algo_find(&qni_op_matmul, "clblast") && !(dev->caps.quirks & QNI_QUIRK_ASK) &&
        qni_blas_usable())
        check_one("matmul/clblast: a large product", true, large, dev);
}
