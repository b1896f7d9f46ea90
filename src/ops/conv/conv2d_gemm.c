/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs: the matrix product that a convolution is, with its operands gathered as they are needed. */
#include "ops/conv/conv.h"

#define SUM_ITEMS     64
#define ENOUGH_GROUPS 512 /* work-groups that keep any GPU busy */
#define PART_PIXELS   512 /* a part of the filter's gradient has at least so many */
#define PARTIAL_BYTES (64 << 20)

struct tile {
    int side;     /* of a work-group */
    int tm, tn;   /* results of a work-item */
    int64_t m, n; /* of a work-group */
};

/* Rows by columns of results; each work-item makes up to 8 by 4, fewer where work-groups would be few. */
static void cut(struct tile *t, const struct qni_problem *p, int64_t rows, int64_t columns, int64_t times)
{
    t->side = p->caps->group_items >= 256 && p->caps->group_size[0] >= 256 ? 16 : 8;
    t->tn = columns > 2 * t->side ? 4 : columns > t->side ? 2 : 1;
    t->n = t->tn * t->side;
    t->tm = 8;
    while (t->tm > 4 && qni_ceil_div(rows, t->tm * t->side) * qni_ceil_div(columns, t->n) * times < ENOUGH_GROUPS)
        t->tm /= 2;
    t->m = t->tm * t->side;
}

static bool fits(const struct qni_problem *p, const struct qni_conv_geometry *g)
{
    return p->caps->group_items >= 64 && p->caps->group_size[0] >= 64 && p->caps->local_bytes >= 16384 + 1024 &&
           g->N * g->P * g->Q <= INT32_MAX / 2 && g->N * g->H * g->W <= INT32_MAX / 2 &&
           g->C * g->R * g->S <= INT32_MAX / 2 && g->K * g->R * g->S <= INT32_MAX / 2 && g->H < 1 << 28 &&
           g->W < 1 << 28;
}

static void geometry_args(struct qni_recorder *r, struct qni_launch *l, const struct qni_conv_geometry *g,
                          bool backward)
{
    qni_i32(r, l, g->N);
    qni_i32(r, l, backward ? g->P : g->H);
    qni_i32(r, l, backward ? g->Q : g->W);
    qni_i32(r, l, backward ? g->K : g->C);
    qni_i32(r, l, backward ? g->H : g->P);
    qni_i32(r, l, backward ? g->W : g->Q);
    qni_i32(r, l, backward ? g->C : g->K);
    qni_i32(r, l, g->R);
    qni_i32(r, l, g->S);
    qni_i32(r, l, g->stride_h);
    qni_i32(r, l, g->stride_w);
    qni_i32(r, l, g->dilation_h);
    qni_i32(r, l, g->dilation_w);
    qni_i32(r, l, g->top);
    qni_i32(r, l, g->left);
    qni_i32(r, l, g->groups);
}

/* ---- forward and data gradient ---- */

static bool applies(const struct qni_problem *p)
{
    struct qni_conv_geometry g;

    qni_conv_geometry(&g, p);
    return qni_conv_epilogue(p) && fits(p, &g) && (int64_t)g.stride_h * g.stride_w <= 256;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    const struct qni_conv_operands o = qni_conv_operands(p);
    const bool backward = p->op == &qni_op_conv2d_backward_data;
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_gemm", "conv2d_gemm");
    struct qni_conv_geometry g;
    struct tile t;
    int64_t pixels, results, phases;

    qni_conv_geometry(&g, p);
    phases = backward ? (int64_t)g.stride_h * g.stride_w : 1;
    pixels = backward ? g.N * qni_ceil_div(g.H, g.stride_h) * qni_ceil_div(g.W, g.stride_w) : g.N * g.P * g.Q;
    results = backward ? g.group_c : g.group_k;
    cut(&t, p, pixels, results, g.groups * phases);
    qni_define(r, l, "QN_DTYPE", p->out[0].dtype);
    qni_define(r, l, "QN_G", t.side);
    qni_define(r, l, "QN_TM", t.tm);
    qni_define(r, l, "QN_TN", t.tn);
    qni_define_simd(r, l, p->caps);
    qni_define(r, l, "QN_BACKWARD", backward);
    qni_conv_define_epilogue(p, r, l);
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_in(r, l, o.bias, p->out[0].dtype);
    qni_in(r, l, o.residual, p->out[0].dtype);
    qni_in(r, l, o.aux, p->out[0].dtype);
    geometry_args(r, l, &g, backward);
    qni_i32(r, l, backward ? qni_conv_step(g.stride_h, g.dilation_h) : 1);
    qni_i32(r, l, backward ? qni_conv_step(g.stride_w, g.dilation_w) : 1);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 3, (const int64_t[]){qni_ceil_div(results, t.n), qni_ceil_div(pixels, t.m), g.groups * phases},
             (const int64_t[]){t.side * t.side, 1, 1});
    qni_conv_work(p, l);
}

/* ---- filter's gradient ---- */

static void filter_lay(struct qni_conv_geometry *g, struct tile *t, int64_t *parts, const struct qni_problem *p)
{
    int64_t groups, pixels, bytes;

    qni_conv_geometry(g, p);
    cut(t, p, g->R * g->S * g->group_c, g->group_k, ENOUGH_GROUPS);
    pixels = g->N * g->P * g->Q;
    bytes = (int64_t)sizeof(float) * g->R * g->S * g->group_c * g->K;
    groups = g->groups * qni_ceil_div(g->R * g->S * g->group_c, t->m) * qni_ceil_div(g->group_k, t->n);
    *parts = QNI_MIN(qni_ceil_div(ENOUGH_GROUPS, groups), pixels / PART_PIXELS);
    *parts = QNI_MAX(QNI_MIN(*parts, PARTIAL_BYTES / bytes), 1);
}

static bool filter_applies(const struct qni_problem *p)
{
    struct qni_conv_geometry g;

    qni_conv_geometry(&g, p);
    return qni_epilogue_empty(&p->epilogue) && fits(p, &g);
}

static void filter_sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_conv_geometry g;
    struct tile t;
    int64_t parts;

    filter_lay(&g, &t, &parts, p);
    out->scratch = parts > 1 ? sizeof(float) * (size_t)(parts * qni_elements(&p->out[0].shape)) : 0;
}

static void emit_filter(const struct qni_problem *p, struct qni_recorder *r)
{
    const int64_t total = qni_elements(&p->out[0].shape);
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_filter_gemm", "conv2d_filter_gemm");
    struct qni_conv_geometry g;
    struct tile t;
    int64_t parts;

    filter_lay(&g, &t, &parts, p);
    qni_define(r, l, "QN_DTYPE", p->out[0].dtype);
    qni_define(r, l, "QN_G", t.side);
    qni_define(r, l, "QN_TM", t.tm);
    qni_define(r, l, "QN_TN", t.tn);
    qni_define_simd(r, l, p->caps);
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    if (parts > 1)
        qni_scratch(r, l, QN_F32, 0);
    else
        qni_out(r, l, 0, QN_F32);
    geometry_args(r, l, &g, false);
    qni_i32(r, l, parts);
    qni_grid(
        r, l, 3,
        (const int64_t[]){qni_ceil_div(g.group_k, t.n), qni_ceil_div(g.R * g.S * g.group_c, t.m), g.groups * parts},
        (const int64_t[]){t.side * t.side, 1, 1});
    qni_conv_work(p, l);
    if (parts == 1)
        return;
    l = qni_launch_add(r, "conv/conv2d_filter_gemm_sum", "conv2d_filter_gemm_sum");
    qni_define(r, l, "QN_DTYPE", p->out[0].dtype);
    qni_scratch(r, l, QN_F32, 0);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_i64(r, l, total);
    qni_i32(r, l, parts);
    qni_grid(r, l, 1, (const int64_t[]){qni_ceil_div(total, SUM_ITEMS)}, (const int64_t[]){SUM_ITEMS});
    qni_work(l, 0, sizeof(float) * (uint64_t)((parts + 1) * total));
}

const struct qni_algo qni_conv2d_gemm = {.name = "implicit_gemm", .applies = applies, .emit = emit, .gpu = true};
const struct qni_algo qni_conv2d_backward_data_gemm = {
    .name = "implicit_gemm", .applies = applies, .emit = emit, .gpu = true};
const struct qni_algo qni_conv2d_backward_filter_gemm = {
    .name = "implicit_gemm", .applies = filter_applies, .sizes = filter_sizes, .emit = emit_filter, .gpu = true};
