/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * One work-item an element of the result: slow, short, and right for every problem on every device. */
#include "ops/conv/conv.h"

#define GROUP_ITEMS 64

static void emit(const struct qni_problem *p, struct qni_recorder *r, const char *kernel)
{
    const struct qni_conv_operands o = qni_conv_operands(p);
    const int64_t total = qni_elements(&p->out[0].shape);
    const int64_t local = QNI_MIN(GROUP_ITEMS, (int64_t)QNI_MIN(p->caps->group_items, p->caps->group_size[0]));
    const int64_t groups = qni_ceil_div(total, local);
    struct qni_conv_geometry g;
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_direct", kernel);

    qni_conv_geometry(&g, p);
    qni_define(r, l, "QN_DTYPE", p->out[0].dtype);
    qni_conv_define_epilogue(p, r, l);
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_in(r, l, o.bias, p->out[0].dtype);
    qni_in(r, l, o.residual, p->out[0].dtype);
    qni_in(r, l, o.aux, p->out[0].dtype);
    qni_i64(r, l, total);
    qni_i64(r, l, g.N);
    qni_i32(r, l, g.H);
    qni_i32(r, l, g.W);
    qni_i32(r, l, g.C);
    qni_i32(r, l, g.P);
    qni_i32(r, l, g.Q);
    qni_i32(r, l, g.K);
    qni_i32(r, l, g.R);
    qni_i32(r, l, g.S);
    qni_i32(r, l, g.stride_h);
    qni_i32(r, l, g.stride_w);
    qni_i32(r, l, g.dilation_h);
    qni_i32(r, l, g.dilation_w);
    qni_i32(r, l, g.top);
    qni_i32(r, l, g.left);
    qni_i32(r, l, g.group_c);
    qni_i32(r, l, g.group_k);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 1, &groups, &local);
    qni_conv_work(p, l);
}

static void emit_forward(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, "conv2d_direct");
}

static void emit_data(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, "conv2d_direct_data");
}

static void emit_filter(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, "conv2d_direct_filter");
}

const struct qni_algo qni_conv2d_direct = {.name = "direct", .applies = qni_conv_epilogue, .emit = emit_forward};
const struct qni_algo qni_conv2d_backward_data_direct = {
    .name = "direct", .applies = qni_conv_epilogue, .emit = emit_data};
const struct qni_algo qni_conv2d_backward_filter_direct = {
    .name = "direct", .applies = qni_conv_epilogue, .emit = emit_filter};
