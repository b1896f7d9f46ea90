/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Each channel by itself: vectors of channels, on CPUs and GPUs. */
#include "ops/conv/conv.h"

#define PIXELS        8     /* of a tile */
#define SIMD_PIXELS   4     /* where addresses take registers too: see cl/common/narrow.clh */
#define ITEM_PRODUCTS 65536 /* what a work-item of a CPU does at least */
#define GROUP_ITEMS   64    /* of a GPU */
#define SUM_ITEMS     64
#define MOST_PARTS    64
#define PART_PIXELS   512 /* a part of the filter's gradient has at least so many */
#define PARTIAL_BYTES (64 << 20)

static bool one_each(const struct qni_problem *p, struct qni_conv_geometry *g)
{
    qni_conv_geometry(g, p);
    return g->group_c == 1 && g->group_k == 1 && g->N * g->P * g->Q <= INT32_MAX / 2 &&
           g->N * g->H * g->W <= INT32_MAX / 2 && g->R * (int64_t)g->S <= INT32_MAX &&
           p->caps->group_items >= GROUP_ITEMS && p->caps->group_size[0] >= GROUP_ITEMS;
}

/* Lanes of a vector: as many as fit in C, or as divide it. */
static int lanes(const struct qni_problem *p, int64_t C, bool divide)
{
    const int most = p->caps->shape == QNI_CPU_SHAPED ? QNI_MIN(p->caps->vector, 16) : C % 4 == 0 ? 4 : 1;
    int v = 1;

    while (2 * v <= most && 2 * v <= C && (!divide || C % (2 * v) == 0))
        v *= 2;
    return v;
}

/* ---- forward and data gradient ---- */

static bool applies(const struct qni_problem *p)
{
    struct qni_conv_geometry g;

    return one_each(p, &g) && qni_conv_epilogue(p) && (int64_t)g.stride_h * g.stride_w <= 256;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    const struct qni_conv_operands o = qni_conv_operands(p);
    const bool b = p->op == &qni_op_conv2d_backward_data, cpu = p->caps->shape == QNI_CPU_SHAPED;
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_depthwise", "conv2d_depthwise");
    struct qni_conv_geometry g;
    int64_t phases, rows, columns, rows_each = 1, blocks, vectors, local = 1;
    int v;

    qni_conv_geometry(&g, p);
    v = lanes(p, g.C, false);
    vectors = qni_ceil_div(g.C, v);
    phases = b ? (int64_t)g.stride_h * g.stride_w : 1;
    rows = g.N * (b ? qni_ceil_div(g.H, g.stride_h) : g.P);
    columns = b ? qni_ceil_div(g.W, g.stride_w) : g.Q;
    if (cpu)
        rows_each = qni_ceil_div(ITEM_PRODUCTS, QNI_MAX(columns * vectors * g.R * g.S, 1));
    else
        while (local < GROUP_ITEMS && local < vectors)
            local *= 2;
    blocks = qni_ceil_div(rows, rows_each);
    qni_define(r, l, "QN_DTYPE", p->out[0].dtype);
    qni_define(r, l, "QN_V", v);
    qni_define(r, l, "QN_PX", !cpu && p->caps->simd ? SIMD_PIXELS : PIXELS);
    if (!cpu)
        qni_define_simd(r, l, p->caps);
    qni_conv_define_epilogue(p, r, l);
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_in(r, l, o.bias, p->out[0].dtype);
    qni_in(r, l, o.residual, p->out[0].dtype);
    qni_in(r, l, o.aux, p->out[0].dtype);
    qni_i32(r, l, g.N);
    qni_i32(r, l, b ? g.P : g.H);
    qni_i32(r, l, b ? g.Q : g.W);
    qni_i32(r, l, g.C);
    qni_i32(r, l, b ? g.H : g.P);
    qni_i32(r, l, b ? g.W : g.Q);
    qni_i32(r, l, g.R);
    qni_i32(r, l, g.S);
    qni_i32(r, l, g.stride_h);
    qni_i32(r, l, g.stride_w);
    qni_i32(r, l, g.dilation_h);
    qni_i32(r, l, g.dilation_w);
    qni_i32(r, l, g.top);
    qni_i32(r, l, g.left);
    qni_i32(r, l, b ? qni_conv_step(g.stride_h, g.dilation_h) : 1);
    qni_i32(r, l, b ? qni_conv_step(g.stride_w, g.dilation_w) : 1);
    qni_i32(r, l, b);
    qni_i32(r, l, rows_each);
    qni_i32(r, l, blocks);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 3, (const int64_t[]){1, 1, columns ? blocks * phases : 0}, (const int64_t[]){local, 1, 1});
    qni_conv_work(p, l);
}

/* ---- filter's gradient ---- */

static bool filter_applies(const struct qni_problem *p)
{
    struct qni_conv_geometry g;

    return one_each(p, &g) && qni_epilogue_empty(&p->epilogue);
}

static int64_t parts(const struct qni_conv_geometry *g)
{
    const int64_t bytes = (int64_t)sizeof(float) * g->R * g->S * g->C;

    return QNI_MAX(1, QNI_MIN(QNI_MIN(MOST_PARTS, g->N * g->P * g->Q / PART_PIXELS), PARTIAL_BYTES / bytes));
}

static void filter_sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_conv_geometry g;

    qni_conv_geometry(&g, p);
    out->scratch = sizeof(float) * (size_t)(parts(&g) * qni_elements(&p->out[0].shape));
}

static void emit_filter(const struct qni_problem *p, struct qni_recorder *r)
{
    const int64_t total = qni_elements(&p->out[0].shape);
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_depthwise_filter", "conv2d_depthwise_filter");
    struct qni_conv_geometry g;
    int64_t vectors, local = 1;
    int v;

    qni_conv_geometry(&g, p);
    v = lanes(p, g.C, true);
    vectors = qni_ceil_div(g.C, v);
    while (p->caps->shape == QNI_GPU_SHAPED && local < GROUP_ITEMS && local < vectors)
        local *= 2;
    qni_define(r, l, "QN_DTYPE", p->in[0].dtype);
    qni_define(r, l, "QN_V", v);
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, g.N);
    qni_i32(r, l, g.H);
    qni_i32(r, l, g.W);
    qni_i32(r, l, g.C);
    qni_i32(r, l, g.P);
    qni_i32(r, l, g.Q);
    qni_i32(r, l, g.R);
    qni_i32(r, l, g.S);
    qni_i32(r, l, g.stride_h);
    qni_i32(r, l, g.stride_w);
    qni_i32(r, l, g.dilation_h);
    qni_i32(r, l, g.dilation_w);
    qni_i32(r, l, g.top);
    qni_i32(r, l, g.left);
    qni_i32(r, l, parts(&g));
    qni_grid(r, l, 2, (const int64_t[]){qni_ceil_div(vectors, local), parts(&g)}, (const int64_t[]){local, 1});
    qni_conv_work(p, l);

    l = qni_launch_add(r, "conv/conv2d_filter_gemm_sum", "conv2d_filter_gemm_sum");
    qni_define(r, l, "QN_DTYPE", p->out[0].dtype);
    qni_scratch(r, l, QN_F32, 0);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_i64(r, l, total);
    qni_i32(r, l, parts(&g));
    qni_grid(r, l, 1, (const int64_t[]){qni_ceil_div(total, SUM_ITEMS)}, (const int64_t[]){SUM_ITEMS});
    qni_work(l, 0, sizeof(float) * (uint64_t)((parts(&g) + 1) * total));
}

const struct qni_algo qni_conv2d_depthwise = {
    .name = "depthwise", .applies = applies, .emit = emit, .cpu = true, .gpu = true};
const struct qni_algo qni_conv2d_backward_data_depthwise = {
    .name = "depthwise", .applies = applies, .emit = emit, .cpu = true, .gpu = true};
const struct qni_algo qni_conv2d_backward_filter_depthwise = {.name = "depthwise",
                                                              .applies = filter_applies,
                                                              .sizes = filter_sizes,
                                                              .emit = emit_filter,
                                                              .cpu = true,
                                                              .gpu = true};
