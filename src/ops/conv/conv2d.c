/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/conv/conv.h"

static const char *const tests[] = {"op/conv2d", NULL};

/* A node of the family; x, which only gives a shape, may be invalid. */
static qn_val add(struct qni_grad *c, const struct qni_op *op, qn_val a, qn_val b, qn_val shape)
{
    const qn_val in[3] = {a, b, shape};

    return qni_node_add(c->g, op, c->attr, in, op->max_inputs, NULL);
}

/* The attributes with the size of filter w, for conv2d_backward_filter. */
static qn_val add_filter(struct qni_grad *c, qn_val x, qn_val dy, qn_val w)
{
    const struct qni_value *v = qni_value_get(c->g, w);
    struct qni_conv t = *(const struct qni_conv *)c->attr;
    const qn_val in[2] = {x, dy};

    if (!v)
        return (qn_val){0};
    t.filter[0] = v->shape.rank == 4 ? (int32_t)v->shape.dim[0] : 1;
    t.filter[1] = (int32_t)v->shape.dim[v->shape.rank - 3];
    return qni_node_add(c->g, &qni_op_conv2d_backward_filter, &t, in, 2, NULL);
}

/* ---- forward ---- */

/* clang-format off */
static const struct qni_algo *const forward_algos[] = {
    &qni_conv2d_depthwise, /* a channel a group */
    &qni_conv2d_gemm,   /* GPU */
    &qni_conv2d_narrow, /* CPU, a first layer */
    &qni_conv2d_tile,   /* CPU */
    &qni_conv2d_direct, /* any problem; keep it last */
    NULL
};
/* clang-format on */

static qn_status forward_grad(struct qni_grad *c)
{
    const qn_val x = qni_grad_in(c, 0), w = qni_grad_in(c, 1), dy = qni_grad_dy(c, 0);

    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0, add(c, &qni_op_conv2d_backward_data, dy, w, x));
    if (qni_grad_wants(c, 1))
        qni_grad_set(c, 1, add_filter(c, x, dy, w));
    return c->g->status;
}

const struct qni_op qni_op_conv2d = {
    .flags = QNI_OP_EPILOGUE,
    .name = "conv2d",
    .family = "conv",
    .attr_bytes = sizeof(struct qni_conv),
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .shape = qni_conv_shape,
    .grad = forward_grad,
    .algos = forward_algos,
    .tests = tests,
    .dtypes = "f32",
};

/* ---- the image's gradient, and transposed convolution ---- */

/* clang-format off */
static const struct qni_algo *const data_algos[] = {
    &qni_conv2d_backward_data_depthwise, /* a channel a group */
    &qni_conv2d_backward_data_gemm,   /* GPU */
    &qni_conv2d_backward_data_tile,   /* CPU */
    &qni_conv2d_backward_data_direct, /* any problem; keep it last */
    NULL
};
/* clang-format on */

static qn_status data_grad(struct qni_grad *c)
{
    const qn_val y = qni_grad_in(c, 0), w = qni_grad_in(c, 1), dx = qni_grad_dy(c, 0);

    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0, add(c, &qni_op_conv2d, dx, w, (qn_val){0}));
    if (qni_grad_wants(c, 1))
        qni_grad_set(c, 1, add_filter(c, dx, y, w));
    return c->g->status;
}

const struct qni_op qni_op_conv2d_backward_data = {
    .flags = QNI_OP_EPILOGUE,
    .name = "conv2d_backward_data",
    .family = "conv",
    .attr_bytes = sizeof(struct qni_conv),
    .min_inputs = 2,
    .max_inputs = 3,
    .outputs = 1,
    .shape = qni_conv_shape,
    .grad = data_grad,
    .algos = data_algos,
    .tests = tests,
    .dtypes = "f32",
};

/* ---- the filter's gradient ---- */

/* clang-format off */
static const struct qni_algo *const filter_algos[] = {
    &qni_conv2d_backward_filter_depthwise, /* a channel a group */
    &qni_conv2d_backward_filter_gemm,   /* GPU */
    &qni_conv2d_backward_filter_tile,   /* CPU */
    &qni_conv2d_backward_filter_direct, /* any problem; keep it last */
    NULL
};
/* clang-format on */

static qn_status filter_grad(struct qni_grad *c)
{
    const qn_val x = qni_grad_in(c, 0), y = qni_grad_in(c, 1), dw = qni_grad_dy(c, 0);

    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0, add(c, &qni_op_conv2d_backward_data, y, dw, x));
    if (qni_grad_wants(c, 1))
        qni_grad_set(c, 1, add(c, &qni_op_conv2d, x, dw, (qn_val){0}));
    return c->g->status;
}

const struct qni_op qni_op_conv2d_backward_filter = {
    .name = "conv2d_backward_filter",
    .family = "conv",
    .attr_bytes = sizeof(struct qni_conv),
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .shape = qni_conv_shape,
    .grad = filter_grad,
    .algos = filter_algos,
    .tests = tests,
    .dtypes = "f32",
};
