/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For CPUs: the convolution of few channels with small filters, row by row. */
#include "ops/conv/conv.h"

#define MOST_TERMS   32 /* of a result; measured: with more of them the tiles' set-up does not count */
#define MOST_PIXELS  7  /* of a tile: a row's last one is seldom full */
#define PATCH_FLOATS 8192
#define MOST_ROWS    16 /* of a work-item */
#define UNIT_ITEMS   8  /* work-items that every compute unit should get */

struct plan {
    struct qni_conv_geometry g;
    struct qni_conv_tile tile;
    int64_t wide; /* a row of x as the kernel copies it, in floats */
};

static void lay(struct plan *t, const struct qni_problem *p)
{
    qni_conv_geometry(&t->g, p);
    t->tile = qni_conv_tile(p, t->g.K);
    t->tile.pixels = QNI_MIN(t->tile.pixels, MOST_PIXELS);
    t->wide = ((qni_round_up(t->g.Q, t->tile.pixels) - 1) * t->g.stride_w + t->g.S) * t->g.C;
}

static bool applies(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;
    struct plan t;

    lay(&t, p);
    return t.g.groups == 1 && t.g.dilation_h == 1 && t.g.dilation_w == 1 && t.g.C <= MOST_TERMS && t.g.R <= MOST_TERMS &&
           t.g.S <= MOST_TERMS && t.g.R * t.g.S * t.g.C <= MOST_TERMS && t.g.K % t.tile.block == 0 && t.g.Q >= 4 &&
           qni_conv_epilogue(p) && !e->residual && !e->act_grad && e->act <= QN_RELU6 && t.g.R * t.wide <= PATCH_FLOATS &&
           (uint64_t)(t.g.R * t.wide) * sizeof(float) <= p->caps->local_bytes / 2 && t.g.N * t.g.P <= INT32_MAX / 2 &&
           t.g.H <= INT32_MAX / 2 && t.g.W * t.g.C <= INT32_MAX / 2;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct plan t;

    lay(&t, p);
    out->packed[1] = sizeof(float) * (size_t)(t.g.K * t.g.C * t.g.R * t.g.S);
}

static void pack(const struct qni_problem *p, int input, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_pack", "conv2d_pack");
    struct plan t;

    lay(&t, p);
    qni_in(r, l, input, QN_F32);
    qni_packed(r, l, input, QN_F32, 0);
    qni_i32(r, l, 0);
    qni_i32(r, l, t.tile.block);
    qni_i32(r, l, t.g.K);
    qni_i32(r, l, t.g.C);
    qni_i32(r, l, 1);
    qni_i32(r, l, t.g.K);
    qni_i32(r, l, t.g.K);
    qni_i64(r, l, t.g.C * t.g.K);
    qni_i32(r, l, (int64_t)t.g.R * t.g.S);
    qni_i32(r, l, t.g.S);
    qni_i32(r, l, 0);
    qni_grid(r, l, 2, (const int64_t[]){t.g.K / t.tile.block, (int64_t)t.g.R * t.g.S}, NULL);
    qni_work(l, 0, 2 * sizeof(float) * (uint64_t)qni_elements(&p->in[input].shape));
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_narrow", "conv2d_narrow");
    int64_t rows, each;
    struct plan t;

    lay(&t, p);
    rows = t.g.N * t.g.P;
    each = QNI_MAX(1, QNI_MIN(rows / (UNIT_ITEMS * QNI_MAX((int64_t)p->caps->units, 1)), MOST_ROWS));
    qni_define(r, l, "QN_VW", t.tile.lanes);
    qni_define(r, l, "QN_NV", t.tile.vectors);
    qni_define(r, l, "QN_PX", t.tile.pixels);
    qni_define(r, l, "QN_BIAS", p->epilogue.bias);
    qni_define(r, l, "QN_ACT", p->epilogue.act);
    qni_in(r, l, 0, QN_F32);
    qni_packed(r, l, 1, QN_F32, 0);
    qni_out(r, l, 0, QN_F32);
    qni_in(r, l, qni_conv_operands(p).bias, QN_F32);
    qni_local(r, l, sizeof(float) * (size_t)(t.g.R * t.wide));
    qni_i32(r, l, rows);
    qni_i32(r, l, each);
    qni_i32(r, l, t.g.H);
    qni_i32(r, l, t.g.W);
    qni_i32(r, l, t.g.C);
    qni_i32(r, l, t.g.P);
    qni_i32(r, l, t.g.Q);
    qni_i32(r, l, t.g.K);
    qni_i32(r, l, t.g.R);
    qni_i32(r, l, t.g.S);
    qni_i32(r, l, t.g.stride_h);
    qni_i32(r, l, t.g.stride_w);
    qni_i32(r, l, t.g.top);
    qni_i32(r, l, t.g.left);
    qni_i32(r, l, t.wide);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 1, (const int64_t[]){qni_ceil_div(rows, each)}, NULL);
    qni_conv_work(p, l);
}

const struct qni_algo qni_conv2d_narrow = {
    .name = "narrow", .applies = applies, .sizes = sizes, .pack = pack, .emit = emit, .cpu = true};
