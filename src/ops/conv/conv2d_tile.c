/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For CPUs: tiles of pixels times channels in vector registers, on filters packed beforehand. Forward and data
 * gradient are one kernel. */
#include "ops/conv/conv.h"

#define MOST_INSIDE  0.93 /* measured */
#define MOST_TILES   16   /* of a work-item */
#define UNIT_ITEMS   8    /* work-items that every compute unit should get */

/* What is read and made, and the filter as seen from there. */
struct view {
    struct qni_conv_geometry g;
    struct qni_conv_tile tile;
    bool backward;
    int64_t results, terms; /* of a group */
    int64_t blocks, zeros;
    int phases_h, phases_w;
};

struct qni_conv_tile qni_conv_tile(const struct qni_problem *p, int64_t channels)
{
    /* Pixels by vectors; measured. With 16 registers two vectors are the most. */
    static const int pixels[2][5] = {{0, 10, 6, 0, 0}, {0, 14, 12, 7, 6}};
    const bool many = p->caps->registers >= 32;
    const int lanes = p->caps->vector >= 16 ? 16 : p->caps->vector >= 8 ? 8 : 4;
    const int64_t vectors = qni_ceil_div(channels, lanes);
    struct qni_conv_tile t = {.lanes = lanes};
    int64_t least = INT64_MAX;

    /* The fewest vectors in all, and of those the widest block. */
    for (int v = many ? 4 : 2; v > 0; v--) {
        const int64_t all = qni_round_up(vectors, v) + (v == 1 && vectors > 1 ? vectors : 0);

        if (all < least) {
            least = all;
            t.vectors = v;
        }
    }
    t.pixels = pixels[many][t.vectors];
    t.block = t.vectors * lanes;
    return t;
}

static void look(struct view *v, const struct qni_problem *p)
{
    memset(v, 0, sizeof(*v));
    qni_conv_geometry(&v->g, p);
    v->backward = p->op == &qni_op_conv2d_backward_data;
    v->results = v->backward ? v->g.group_c : v->g.group_k;
    v->terms = v->backward ? v->g.group_k : v->g.group_c;
    v->tile = qni_conv_tile(p, v->results);
    v->blocks = qni_ceil_div(v->results, v->tile.block);
    v->zeros = qni_round_up(v->terms * v->g.S, 16);
    v->phases_h = v->backward ? v->g.stride_h : 1;
    v->phases_w = v->backward ? v->g.stride_w : 1;
}

static bool applies(const struct qni_problem *p)
{
    struct view v;

    look(&v, p);
    return qni_conv_epilogue(p) && v.g.N * v.g.P * v.g.Q <= INT32_MAX / 2 && v.g.N * v.g.H * v.g.W <= INT32_MAX / 2 &&
           v.g.H * v.g.W * v.g.C <= INT64_MAX / 8 && v.g.K * v.g.group_c * v.g.R * v.g.S <= INT64_MAX / 8 &&
           (int64_t)v.phases_h * v.phases_w <= 256 && v.g.group_c * v.g.K <= INT32_MAX &&
           v.terms * v.g.S <= INT32_MAX / 2;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct view v;

    look(&v, p);
    out->packed[1] = sizeof(float) * (size_t)(v.zeros + v.g.groups * v.blocks * v.tile.block * v.terms * v.g.R * v.g.S);
}

static void pack(const struct qni_problem *p, int input, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_pack", "conv2d_pack");
    struct view v;
    int64_t groups[2];

    look(&v, p);
    qni_in(r, l, input, QN_F32);
    qni_packed(r, l, input, QN_F32, 0);
    qni_i32(r, l, v.zeros);
    qni_i32(r, l, v.tile.block);
    qni_i32(r, l, v.results);
    qni_i32(r, l, v.terms);
    qni_i32(r, l, v.backward ? v.g.K : 1);
    qni_i32(r, l, v.backward ? 1 : v.g.K);
    qni_i32(r, l, v.g.group_k);
    qni_i64(r, l, v.g.group_c * v.g.K);
    qni_i32(r, l, (int64_t)v.g.R * v.g.S);
    qni_i32(r, l, v.g.S);
    qni_i32(r, l, v.backward && v.g.stride_w == 1 && v.g.dilation_w == 1);
    groups[0] = v.g.groups * v.blocks;
    groups[1] = (int64_t)v.g.R * v.g.S;
    qni_grid(r, l, 2, groups, NULL);
    qni_work(l, 0, 2 * sizeof(float) * (uint64_t)qni_elements(&p->in[input].shape));
}

/* Pixels of x that one axis of filters meets, as a share of what they would meet without edges. */
static double inside(int64_t made, int64_t read, int stride, int dilation, int size, int before, bool backward)
{
    int64_t met = 0, all = 0;

    for (int64_t i = 0; i < made; i++)
        for (int r = 0; r < size; r++) {
            const int64_t at =
                backward ? i + before - (int64_t)r * dilation : i * stride - before + (int64_t)r * dilation;

            if (backward && at % stride)
                continue;
            met += at >= 0 && at < (backward ? read * stride : read);
            all++;
        }
    return all ? (double)met / (double)all : 1;
}

/* Does it pay to make a tile of one place in many images? It leaves out what lies outside, but reads from afar. */
static bool by_image(const struct view *v)
{
    const struct qni_conv_geometry *g = &v->g;
    const bool b = v->backward;

    if (g->N < v->tile.pixels || g->H > 64 || g->W > 64 || g->R > 16 || g->S > 16)
        return false;
    return inside(b ? g->H : g->P, b ? g->P : g->H, g->stride_h, g->dilation_h, g->R, g->top, b) *
               inside(b ? g->W : g->Q, b ? g->Q : g->W, g->stride_w, g->dilation_w, g->S, g->left, b) <
           MOST_INSIDE;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    const struct qni_conv_operands o = qni_conv_operands(p);
    struct qni_launch *l = qni_launch_add(r, "conv/conv2d_tile", "conv2d_tile");
    struct view v;
    int64_t groups[3], tiles;

    look(&v, p);
    qni_define(r, l, "QN_VW", v.tile.lanes);
    qni_define(r, l, "QN_NV", v.tile.vectors);
    qni_define(r, l, "QN_PX", v.tile.pixels);
    qni_conv_define_epilogue(p, r, l);
    qni_in(r, l, 0, QN_F32);
    qni_packed(r, l, 1, QN_F32, 0);
    qni_out(r, l, 0, QN_F32);
    qni_in(r, l, o.bias, QN_F32);
    qni_in(r, l, o.residual, QN_F32);
    qni_in(r, l, o.aux, QN_F32);
    qni_i32(r, l, v.g.N);
    qni_i32(r, l, v.backward ? v.g.P : v.g.H);
    qni_i32(r, l, v.backward ? v.g.Q : v.g.W);
    qni_i32(r, l, v.backward ? v.g.K : v.g.C);
    qni_i32(r, l, v.backward ? v.g.H : v.g.P);
    qni_i32(r, l, v.backward ? v.g.W : v.g.Q);
    qni_i32(r, l, v.backward ? v.g.C : v.g.K);
    qni_i32(r, l, v.g.R);
    qni_i32(r, l, v.g.S);
    qni_i32(r, l, v.g.stride_h);
    qni_i32(r, l, v.g.stride_w);
    qni_i32(r, l, v.g.dilation_h);
    qni_i32(r, l, v.g.dilation_w);
    qni_i32(r, l, v.g.top);
    qni_i32(r, l, v.g.left);
    qni_i32(r, l, v.g.groups);
    qni_i32(r, l, v.backward ? qni_conv_step(v.g.stride_h, v.g.dilation_h) : 1);
    qni_i32(r, l, v.backward ? qni_conv_step(v.g.stride_w, v.g.dilation_w) : 1);
    qni_i32(r, l, v.backward);
    qni_i32(r, l, v.zeros);
    qni_i32(r, l, by_image(&v));
    groups[0] = v.blocks;
    groups[1] = v.g.N * qni_ceil_div(v.backward ? v.g.H : v.g.P, v.phases_h) *
                qni_ceil_div(v.backward ? v.g.W : v.g.Q, v.phases_w);
    groups[1] = qni_ceil_div(groups[1], v.tile.pixels);
    groups[2] = (int64_t)v.g.groups * v.phases_h * v.phases_w;
    tiles = groups[0] * groups[1] * groups[2] / (UNIT_ITEMS * QNI_MAX((int64_t)p->caps->units, 1));
    tiles = QNI_MAX(1, QNI_MIN(tiles, MOST_TILES));
    groups[1] = qni_ceil_div(groups[1], tiles);
    qni_i32(r, l, tiles);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 3, groups, NULL);
    qni_conv_work(p, l);
}

const struct qni_algo qni_conv2d_tile = {
    .name = "tile", .applies = applies, .sizes = sizes, .pack = pack, .emit = emit, .cpu = true};
const struct qni_algo qni_conv2d_backward_data_tile = {
    .name = "tile", .applies = applies, .sizes = sizes, .pack = pack, .emit = emit, .cpu = true};
