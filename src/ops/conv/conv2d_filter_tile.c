/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The filter's gradient for CPUs: partial sums over parts of the pixels in tiles of vector registers, then their
 * sum. */
#include "ops/conv/conv.h"

#define BLOCK_PIXELS  64    /* of dy in local memory */
#define PATCH_FLOATS  12288 /* of x there, where that can be had */
#define PART_PIXELS   512   /* a part has at least so many */
#define MOST_PARTS    32
#define ENOUGH_ITEMS  64 /* work-items that keep any CPU busy */
#define PARTIAL_BYTES (64 << 20)
#define SUM_ROWS      16 /* of a run, for one work-item of the second pass */

struct plan {
    struct qni_conv_geometry g;
    struct qni_conv_tile tile;
    int64_t chunk_c, block_n, block_p, block_q, span, taps, run, run_up, items, parts, part_step, patch, block;
    int rows; /* of a tile */
};

/* The largest piece, at most `most`, that cuts n evenly but for rounding. */
static int64_t even(int64_t n, int64_t most)
{
    return n < 1 ? 1 : qni_ceil_div(n, qni_ceil_div(n, QNI_MAX(most, 1)));
}

static int64_t patch_floats(const struct plan *t)
{
    const struct qni_conv_geometry *g = &t->g;
    const int64_t high = (t->block_p - 1) * g->stride_h + (g->R - 1) * g->dilation_h + 1;
    const int64_t wide = (t->block_q - 1) * g->stride_w + (g->S - 1) * g->dilation_w + 1;

    return t->block_n * high * wide * t->chunk_c + t->rows;
}

static void lay(struct plan *t, const struct qni_problem *p)
{
    static const int rows[2][5] = {{0, 8, 6, 0, 0}, {0, 12, 8, 7, 6}};
    const struct qni_conv_geometry *g = &t->g;
    int64_t blocks, step;

    memset(t, 0, sizeof(*t));
    qni_conv_geometry(&t->g, p);
    t->tile = qni_conv_tile(p, g->group_k);
    t->chunk_c = even(g->group_c, 64);
    t->block_q = even(g->Q, BLOCK_PIXELS);
    t->block_p = even(g->P, BLOCK_PIXELS / t->block_q);
    t->block_n = t->block_p * t->block_q == g->P * g->Q ? even(g->N, BLOCK_PIXELS / (t->block_p * t->block_q)) : 1;
    while (patch_floats(t) > PATCH_FLOATS && t->block_n * t->block_p > 1) {
        t->block_p = t->block_n > 1 ? t->block_p : even(g->P, t->block_p / 2);
        t->block_n = t->block_n > 1 ? even(g->N, t->block_n / 2) : 1;
    }
    while (patch_floats(t) > PATCH_FLOATS && t->chunk_c > 16)
        t->chunk_c = even(g->group_c, t->chunk_c / 2);
    t->span = g->dilation_w == 1 ? g->S : 1;
    t->taps = g->R * (g->S / t->span);
    t->run = t->span * t->chunk_c;
    t->rows = (int)QNI_MIN(t->run, rows[p->caps->registers >= 32][t->tile.vectors]);
    t->run_up = qni_round_up(t->run, t->rows);
    t->items = qni_ceil_div(g->group_k, t->tile.block) * qni_ceil_div(g->group_c, t->chunk_c);
    blocks = qni_ceil_div(g->N, t->block_n) * qni_ceil_div(g->P, t->block_p) * qni_ceil_div(g->Q, t->block_q);
    step = g->groups * t->items * t->taps * t->run_up * t->tile.block;
    t->part_step = step;
    t->parts = QNI_MIN(MOST_PARTS, g->N * g->P * g->Q / PART_PIXELS);
    t->parts = QNI_MIN(t->parts, qni_ceil_div(ENOUGH_ITEMS, t->items * g->groups));
    t->parts = QNI_MIN(t->parts, PARTIAL_BYTES / 4 / QNI_MAX(step, 1));
    t->parts = QNI_MIN(QNI_MAX(1, t->parts), blocks); /* none of an empty batch: the sum is 0 */
    t->patch = patch_floats(t);
    t->block = t->block_n * t->block_p * t->block_q * t->tile.block;
}

static bool applies(const struct qni_problem *p)
{
    struct plan t;

    lay(&t, p);
    return qni_epilogue_empty(&p->epilogue) && t.g.N * t.g.P * t.g.Q <= INT32_MAX &&
           t.g.N * t.g.H * t.g.W <= INT32_MAX &&
           (uint64_t)(t.patch + t.block) * sizeof(float) <= p->caps->local_bytes / 4 * 3 && t.part_step <= INT32_MAX;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct plan t;

    lay(&t, p);
    out->scratch = sizeof(float) * (size_t)(QNI_MAX(t.parts, 1) * t.part_step);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_filter_tile", "conv2d_filter_tile");
    struct plan t;

    lay(&t, p);
    qni_define(r, l, "QN_VW", t.tile.lanes);
    qni_define(r, l, "QN_NV", t.tile.vectors);
    qni_define(r, l, "QN_MR", t.rows);
    qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_local(r, l, sizeof(float) * (size_t)t.patch);
    qni_local(r, l, sizeof(float) * (size_t)t.block);
    qni_i32(r, l, t.g.N);
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
    qni_i32(r, l, t.g.dilation_h);
    qni_i32(r, l, t.g.dilation_w);
    qni_i32(r, l, t.g.top);
    qni_i32(r, l, t.g.left);
    qni_i32(r, l, t.g.groups);
    qni_i32(r, l, t.chunk_c);
    qni_i32(r, l, t.span);
    qni_i32(r, l, t.block_n);
    qni_i32(r, l, t.block_p);
    qni_i32(r, l, t.block_q);
    qni_i32(r, l, t.parts);
    qni_i32(r, l, t.items);
    qni_grid(r, l, 3, (const int64_t[]){t.items, t.g.groups, t.parts}, NULL);
    qni_conv_work(p, l);

    l = qni_launch_add(r, "conv/conv2d_filter_sum", "conv2d_filter_sum");
    qni_define(r, l, "QN_VW", t.tile.lanes);
    qni_define(r, l, "QN_ROWS", SUM_ROWS);
    qni_scratch(r, l, QN_F32, 0);
    qni_out(r, l, 0, QN_F32);
    qni_i32(r, l, t.parts);
    qni_i64(r, l, t.part_step);
    qni_i32(r, l, t.tile.block);
    qni_i32(r, l, t.run);
    qni_i32(r, l, t.run_up);
    qni_i32(r, l, t.g.group_c);
    qni_i32(r, l, t.g.group_k);
    qni_i32(r, l, t.g.K);
    qni_i32(r, l, t.chunk_c);
    qni_i32(r, l, t.span);
    qni_i32(r, l, t.g.S);
    qni_i32(r, l, t.taps);
    qni_grid(r, l, 3, (const int64_t[]){t.items * t.g.groups, t.taps, qni_ceil_div(t.run, SUM_ROWS)}, NULL);
    qni_work(l, 0, sizeof(float) * (uint64_t)((t.parts + 1) * t.part_step));
}

const struct qni_algo qni_conv2d_backward_filter_tile = {
    .name = "tile", .applies = applies, .sizes = sizes, .emit = emit, .cpu = true};
