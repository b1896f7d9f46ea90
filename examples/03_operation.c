/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 3: level 1, single operations.
 *
 * An operation is planned once for a device and shapes: that checks the shapes, chooses an algorithm and builds its
 * kernels. Running it only enqueues work. Scratch memory is the caller's: the plan says how many bytes. */
#include <quern/quern.h>

#include <math.h>
#include <stdio.h>

#define M 37
#define K 50
#define N 20

int main(void)
{
    static float a[M][K], b[K][N], bias[N], y[M][N];
    const qn_shape sa = { 2, { M, K } }, sb = { 2, { K, N } }, sbias = { 1, { N } }, sy = { 2, { M, N } };
    qn_tensor *ta = NULL, *tb = NULL, *tbias = NULL, *ty = NULL, *scratch = NULL;
    qn_device *dev = NULL;
    qn_op *op = NULL;
    double worst = 0.0;
    qn_status st;

    for (int i = 0; i < M * K; i++)
        a[i / K][i % K] = sinf((float)i);
    for (int i = 0; i < K * N; i++)
        b[i / N][i % N] = cosf((float)i);
    for (int i = 0; i < N; i++)
        bias[i] = 0.1f * (float)i;

    /* y = relu(a b + bias), all in one kernel where the algorithm can. */
    if ((st = qn_device_open(&dev, NULL, NULL)) ||
        (st = qn_op_matmul_plan(&op, dev, &sa, &sb, &(qn_op_matmul_opt){ .bias = true, .act = QN_RELU })))
        goto done;
    printf("matmul by the algorithm %s, %zu bytes of scratch\n", qn_op_algorithm(op), qn_op_scratch_bytes(op));
    if ((st = qn_tensor_create(&ta, dev, QN_F32, sa.rank, sa.dim)) || (st = qn_tensor_write(ta, a, sizeof(a))) ||
        (st = qn_tensor_create(&tb, dev, QN_F32, sb.rank, sb.dim)) || (st = qn_tensor_write(tb, b, sizeof(b))) ||
        (st = qn_tensor_create(&tbias, dev, QN_F32, 1, sbias.dim)) || (st = qn_tensor_write(tbias, bias, sizeof(bias))) ||
        (st = qn_tensor_create(&ty, dev, QN_F32, sy.rank, sy.dim)))
        goto done;
    if (qn_op_scratch_bytes(op) &&
        (st = qn_tensor_create(&scratch, dev, QN_U8, 1, (int64_t[]){ (int64_t)qn_op_scratch_bytes(op) })))
        goto done;

    /* Enqueued; the read then waits, since everything is in order. */
    if ((st = qn_op_run(op, (qn_tensor *[]){ ta, tb, tbias }, 3, &ty, 1, scratch)) ||
        (st = qn_tensor_read(ty, y, sizeof(y))))
        goto done;

    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            double sum = (double)bias[n];

            for (int k = 0; k < K; k++)
                sum += (double)a[m][k] * (double)b[k][n];
            worst = fmax(worst, fabs(fmax(sum, 0.0) - (double)y[m][n]));
        }
    printf("the largest difference from loops in double is %s\n", worst < 1e-5 ? "below 1e-5" : "TOO LARGE");
    if (worst >= 1e-5)
        st = qn_error_set(QN_E_INTERNAL, "the result is wrong");
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_tensor_destroy(&scratch);
    qn_tensor_destroy(&ty);
    qn_tensor_destroy(&tbias);
    qn_tensor_destroy(&tb);
    qn_tensor_destroy(&ta);
    qn_op_destroy(&op);
    qn_device_close(&dev);
    return st != QN_OK;
}
