/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 1's public planners: each once, on numbers worked out by hand, and its
 * mistakes. The operations themselves are tested in op/. */
#include "test.h"

#include <math.h>

#include <quern/op_plan.h>

/* Run a planned operation on small arrays; the result is compared. */
static void run(qn_op *op, int inputs, const qn_shape *shape, const float *const *in, const float *want, int count)
{
    qn_tensor *t[4] = { NULL }, *y = NULL, *scratch = NULL;
    qn_shape out;
    qn_dtype dtype;
    float got[64];

    if (!op || !CHECK_OK(qn_op_output_shape(op, 0, &out, &dtype)))
        return;
    for (int i = 0; i < inputs; i++) {
        size_t n = 1;

        for (int a = 0; a < shape[i].rank; a++)
            n *= (size_t)shape[i].dim[a];
        CHECK_OK(qn_tensor_create(&t[i], test_device(), QN_F32, shape[i].rank, shape[i].dim));
        CHECK_OK(qn_tensor_write(t[i], in[i], n * sizeof(float)));
    }
    CHECK_OK(qn_tensor_create(&y, test_device(), dtype, out.rank, out.dim));
    if (qn_op_scratch_bytes(op))
        CHECK_OK(qn_tensor_create(&scratch, test_device(), QN_U8, 1, &(int64_t){ (int64_t)qn_op_scratch_bytes(op) }));
    CHECK_OK(qn_op_run(op, t, inputs, &y, 1, scratch));
    if (CHECK_OK(qn_tensor_read(y, got, (size_t)count * sizeof(float))))
        for (int i = 0; i < count; i++)
            if (!(fabsf(got[i] - want[i]) <= 1e-5f))
                test_fail(__FILE__, __LINE__, "element %d is %g, expected %g", i, (double)got[i], (double)want[i]);
    for (int i = 0; i < inputs; i++)
        qn_tensor_destroy(&t[i]);
    qn_tensor_destroy(&y);
    qn_tensor_destroy(&scratch);
}

static const qn_shape image = { 4, { 1, 3, 3, 1 } }, filter = { 4, { 2, 2, 1, 1 } }, inner = { 4, { 1, 2, 2, 1 } };
static const float x[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, w[] = { 1, 0, 0, -1 }, dy[] = { 1, 2, 3, 4 };

static void matmul(void)
{
    const qn_shape a = { 2, { 2, 3 } }, b = { 2, { 3, 2 } }, bt = { 2, { 2, 3 } }, bias = { 1, { 2 } };
    const float av[] = { 1, 2, 3, 4, 5, 6 }, bv[] = { 1, 0, 0, 1, 1, 1 }, btv[] = { 1, 0, 1, 0, 1, 1 };
    const float c[] = { -5, 0.5f };
    qn_op *op = NULL;

    CHECK_OK(qn_op_matmul_plan(&op, test_device(), &a, &b, NULL));
    run(op, 2, (qn_shape[]){ a, b }, (const float *[]){ av, bv }, (float[]){ 4, 5, 10, 11 }, 4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_matmul_plan(&op, test_device(), &a, &bt, &(qn_op_matmul_opt){ .transpose_b = true }));
    run(op, 2, (qn_shape[]){ a, bt }, (const float *[]){ av, btv }, (float[]){ 4, 5, 10, 11 }, 4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_matmul_plan(&op, test_device(), &a, &b, &(qn_op_matmul_opt){ .bias = true, .act = QN_RELU }));
    run(op, 3, (qn_shape[]){ a, b, bias }, (const float *[]){ av, bv, c }, (float[]){ 0, 5.5f, 5, 11.5f }, 4);
    qn_op_destroy(&op);
    CHECK_STATUS(qn_op_matmul_plan(&op, test_device(), &a, &a, NULL), QN_E_SHAPE, NULL);
    CHECK(!op);
}

static void conv2d(void)
{
    const qn_shape bias = { 1, { 1 } };
    qn_op *op = NULL;

    CHECK_OK(qn_op_conv2d_plan(&op, test_device(), &image, &filter, NULL));
    run(op, 2, (qn_shape[]){ image, filter }, (const float *[]){ x, w }, (float[]){ -4, -4, -4, -4 }, 4);
    CHECK(*qn_op_algorithm(op) != '\0');
    qn_op_destroy(&op);
    CHECK_OK(qn_op_conv2d_plan(&op, test_device(), &image, &filter,
                               &(qn_op_conv2d_opt){ .stride = { 2 }, .padding = QN_SAME, .bias = true,
                                                    .act = QN_RELU }));
    run(op, 3, (qn_shape[]){ image, filter, bias }, (const float *[]){ x, w, (float[]){ 5 } },
        (float[]){ 1, 8, 12, 14 }, 4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_conv2d_backward_data_plan(&op, test_device(), &inner, &filter, &image, NULL));
    run(op, 3, (qn_shape[]){ inner, filter, image }, (const float *[]){ dy, w, x },
        (float[]){ 1, 2, 0, 3, 3, -2, 0, -3, -4 }, 9);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_conv2d_backward_filter_plan(&op, test_device(), &image, &inner, (int[]){ 2, 2 }, NULL));
    run(op, 2, (qn_shape[]){ image, inner }, (const float *[]){ x, dy }, (float[]){ 37, 47, 67, 77 }, 4);
    qn_op_destroy(&op);
}

static void pool(void)
{
    const qn_op_pool2d_opt one = { .stride = { 1 } };
    qn_op *op = NULL;

    CHECK_OK(qn_op_maxpool2d_plan(&op, test_device(), &image, &one));
    run(op, 1, &image, (const float *[]){ x }, (float[]){ 5, 6, 8, 9 }, 4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_maxpool2d_backward_plan(&op, test_device(), &image, &one));
    run(op, 3, (qn_shape[]){ inner, image, inner }, (const float *[]){ dy, x, (float[]){ 5, 6, 8, 9 } },
        (float[]){ 0, 0, 0, 0, 1, 2, 0, 3, 4 }, 9);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_avgpool2d_plan(&op, test_device(), &image, &(qn_op_pool2d_opt){ .global = true }));
    run(op, 1, &image, (const float *[]){ x }, (float[]){ 5 }, 1);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_avgpool2d_backward_plan(&op, test_device(), &image, &one));
    run(op, 2, (qn_shape[]){ inner, image }, (const float *[]){ dy, x },
        (float[]){ 0.25f, 0.75f, 0.5f, 1, 2.5f, 1.5f, 0.75f, 1.75f, 1 }, 9);
    qn_op_destroy(&op);
}

static void rows(void)
{
    const qn_shape shape = { 2, { 2, 2 } };
    const float v[] = { 0, logf(3.0f), -1, -1 }, y[] = { 0.25f, 0.75f, 0.5f, 0.5f };
    qn_op *op = NULL;

    CHECK_OK(qn_op_softmax_plan(&op, test_device(), &shape, -1, false));
    run(op, 1, &shape, (const float *[]){ v }, y, 4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_softmax_backward_plan(&op, test_device(), &shape, 1, false));
    run(op, 2, (qn_shape[]){ shape, shape }, (const float *[]){ dy, y }, (float[]){ -0.1875f, 0.1875f, -0.25f, 0.25f },
        4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_act_plan(&op, test_device(), &shape, QN_LEAKY_RELU, 0.5f));
    run(op, 1, &shape, (const float *[]){ v }, (float[]){ 0, v[1], -0.5f, -0.5f }, 4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_act_plan(&op, test_device(), &shape, QN_SOFTMAX, 0.0f));
    run(op, 1, &shape, (const float *[]){ v }, y, 4);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_reduce_plan(&op, test_device(), &shape, QN_REDUCE_MEAN, (int[]){ -2 }, 1, true));
    run(op, 1, &shape, (const float *[]){ dy }, (float[]){ 2, 3 }, 2);
    qn_op_destroy(&op);
    CHECK_OK(qn_op_reduce_plan(&op, test_device(), &shape, QN_REDUCE_PROD, NULL, 0, false));
    run(op, 1, &shape, (const float *[]){ dy }, (float[]){ 24 }, 1);
    qn_op_destroy(&op);
}

static void mistakes(void)
{
    const qn_shape wrong = { 4, { 2, 2, 5, 1 } };
    qn_op *op = (qn_op *)1;

    CHECK_STATUS(qn_op_conv2d_plan(NULL, test_device(), &image, &filter, NULL), QN_E_ARG, "out");
    CHECK_STATUS(qn_op_conv2d_plan(&op, NULL, &image, &filter, NULL), QN_E_ARG, "dev");
    CHECK_STATUS(qn_op_conv2d_plan(&op, test_device(), NULL, &filter, NULL), QN_E_ARG, "input 0");
    CHECK(!op);
    CHECK_STATUS(qn_op_conv2d_plan(&op, test_device(), &image, &wrong, NULL), QN_E_SHAPE, NULL);
    CHECK_STATUS(qn_op_conv2d_plan(&op, test_device(), &image, &filter, &(qn_op_conv2d_opt){ .algorithm = "none" }),
                 QN_E_ARG, "no algorithm none");
    CHECK_STATUS(qn_op_conv2d_plan(&op, test_device(), &image, &filter, &(qn_op_conv2d_opt){ .reserved = { 0, 1 } }),
                 QN_E_ARG, "reserved[1]");
    CHECK_STATUS(qn_op_conv2d_plan(&op, test_device(), &image, &filter, &(qn_op_conv2d_opt){ .act = (qn_act)99 }),
                 QN_E_ARG, "activation");
    CHECK_STATUS(qn_op_conv2d_backward_data_plan(&op, test_device(), &inner, &filter, &image,
                                                 &(qn_op_conv2d_opt){ .bias = true }),
                 QN_E_ARG, "no bias");
    CHECK_STATUS(qn_op_conv2d_backward_filter_plan(&op, test_device(), &image, &inner, NULL, NULL), QN_E_ARG, "filter");
    CHECK_STATUS(qn_op_act_plan(&op, test_device(), &image, (qn_act)99, 0.0f), QN_E_ARG, "activation");
    CHECK_STATUS(qn_op_reduce_plan(&op, test_device(), &image, QN_REDUCE_SUM, (int[]){ 4 }, 1, false), QN_E_ARG,
                 "axis 4");
    CHECK_STATUS(qn_op_reduce_plan(&op, test_device(), &image, QN_REDUCE_SUM, (int[]){ 1, -3 }, 2, false), QN_E_ARG,
                 "twice");
    CHECK_STATUS(qn_op_maxpool2d_backward_plan(&op, test_device(), NULL, NULL), QN_E_ARG, "x is NULL");
    CHECK(!op);
}

int main(void)
{
    test_run("op_plan: matrix products", matmul);
    test_run("op_plan: convolution and its gradients", conv2d);
    test_run("op_plan: pooling and its gradients", pool);
    test_run("op_plan: softmax, activations, reductions", rows);
    test_run("op_plan: mistakes are named", mistakes);
    return test_end();
}
