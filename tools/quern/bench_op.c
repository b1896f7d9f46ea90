/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct work {
    struct bench *b;
    qn_op *op;
    qn_tensor *in[3], *out, *scratch;
    int inputs;
};

static qn_status step(void *user)
{
    struct work *w = user;
    qn_status st = qn_op_run(w->op, w->in, w->inputs, &w->out, 1, w->scratch);

    return st ? st : qn_device_finish(w->b->dev);
}

static qn_status make_tensor(qn_tensor **out, struct bench *b, const qn_shape *shape)
{
    size_t n = 1;
    float *values;
    qn_status st;

    for (int i = 0; i < shape->rank; i++)
        n *= (size_t)shape->dim[i];
    if ((st = qn_tensor_create(out, b->dev, QN_F32, shape->rank, shape->dim)))
        return st;
    if (!(values = malloc(n * sizeof(*values))))
        return qn_error_set(QN_E_HOST_MEMORY, "no memory for the operands");
    bench_fill(values, n);
    st = qn_tensor_write(*out, values, n * sizeof(*values));
    free(values);
    return st;
}

/* Give inputs of these shapes to a planned operation, and measure it; the operation is given up. */
static qn_status measure(struct bench *b, qn_op *op, struct figure *f, int inputs, const qn_shape *in)
{
    struct work w = { .b = b, .op = op, .inputs = inputs };
    qn_shape shape;
    char title[64];
    qn_status st = qn_op_output_shape(op, 0, &shape, NULL);

    for (int i = 0; i < inputs && !st; i++)
        st = make_tensor(&w.in[i], b, &in[i]);
    if (!st)
        st = qn_tensor_create(&w.out, b->dev, QN_F32, shape.rank, shape.dim);
    if (!st && qn_op_scratch_bytes(op))
        st = qn_tensor_create(&w.scratch, b->dev, QN_U8, 1, &(int64_t){ (int64_t)qn_op_scratch_bytes(op) });
    f->algorithm = qn_op_algorithm(op);
    if (!st)
        st = bench_measure(b, f, step, &w);
    snprintf(title, sizeof(title), "%s %s, %s", f->workload, f->phase, f->algorithm);
    if (!st && b->profile)
        profile_op(stdout, op, title);
    for (int i = 0; i < inputs; i++)
        qn_tensor_destroy(&w.in[i]);
    qn_tensor_destroy(&w.out);
    qn_tensor_destroy(&w.scratch);
    qn_op_destroy(&w.op);
    return st;
}

qn_status bench_gemm(struct bench *b)
{
    static const int64_t sizes[] = { 256, 512, 1024, 2048 };
    qn_status st = QN_OK;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !st; i++) {
        int64_t n = sizes[i];
        const qn_shape square = { 2, { n, n } };
        struct figure f = { .workload = "gemm", .phase = "forward", .n = n, .flops = 2.0 * (double)(n * n * n) };
        qn_op *op;

        if (!(st = qn_op_matmul_plan(&op, b->dev, &square, &square, NULL)))
            st = measure(b, op, &f, 2, (qn_shape[]){ square, square });
    }
    return st;
}

qn_status bench_conv(struct bench *b)
{
    int64_t N = b->batch ? b->batch : 32;
    const qn_shape x = { 4, { N, 56, 56, 64 } }, w = { 4, { 3, 3, 64, 64 } };
    const qn_op_conv2d_opt same = { .padding = QN_SAME };
    struct figure f = { .workload = "conv", .batch = N, .flops = 2.0 * (double)(N * 56 * 56) * 64 * 64 * 9 };
    qn_op *op;
    qn_status st;

    f.phase = "forward";
    if ((st = qn_op_conv2d_plan(&op, b->dev, &x, &w, &same)) || (st = measure(b, op, &f, 2, (qn_shape[]){ x, w })))
        return st;
    f.phase = "data_gradient";
    if ((st = qn_op_conv2d_backward_data_plan(&op, b->dev, &x, &w, &x, &same)) ||
        (st = measure(b, op, &f, 3, (qn_shape[]){ x, w, x })))
        return st;
    f.phase = "filter_gradient";
    if ((st = qn_op_conv2d_backward_filter_plan(&op, b->dev, &x, &x, (int[]){ 3, 3 }, &same)))
        return st;
    return measure(b, op, &f, 2, (qn_shape[]){ x, x });
}
