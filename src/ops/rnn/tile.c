/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrence: which work-item makes which rows and units (cl/rnn/tile.clh), and the packed recurrent kernel. */
#include "ops/rnn/rnn.h"

#define GROUP_ITEMS 64
#define GROUP_BLOCK 16 /* units side by side in a work-group */
#define GROUP_ROWS  4
#define GROUP_TERMS 16 /* QN_KT */
#define PACK_TERMS  64
/* A recurrent kernel of so many bytes is read from memory in every step; then it pays to share out units where there
 * are fewer tiles of rows than compute units, though each step is a launch then. */
#define STREAM_BYTES (1 << 20)

/* Is it a single sample that nobody trains on? That has kernels of its own; training takes the same ones for any batch, so
 * that a last batch of one compiles nothing. */
static bool alone(const struct qni_problem *p, int64_t N)
{
    return N == 1 && !qni_rnn_is_grad(p->op) && !qni_rnn_wants(p, QNI_RNN_PREVIOUS) && !qni_rnn_wants(p, QNI_RNN_GATES);
}

/* Vectors of a CPU's tile that are added up at once, and its rows, so that sums, a row of the kernel's vectors and a
 * factor stay in registers. */
static int at_once(const struct qni_problem *p, int vectors, int64_t N)
{
    return vectors == 4 && !alone(p, N) ? 2 : vectors;
}

static int tile_rows(const struct qni_problem *p, int vectors, int64_t N)
{
    const bool many = p->caps->registers >= 32;

    if (alone(p, N))
        return 1;
    return vectors == 3 ? (many ? 8 : 4) : many ? 8 : 6;
}

void qni_rnn_tile(struct qni_rnn_tile *out, const struct qni_problem *p, enum qni_rnn_way way, int vectors, bool by_gate)
{
    struct qni_rnn_numbers n;
    int64_t units = QNI_MAX((int64_t)p->caps->units, 1), each;

    qni_rnn_numbers(&n, p);
    memset(out, 0, sizeof(*out));
    out->way = way;
    out->vectors = vectors;
    out->by_gate = by_gate;
    out->items = 1;
    if (way == QNI_RNN_GROUPS) {
        out->lanes = 1;
        out->block = GROUP_BLOCK;
        out->together = vectors;
        out->rows = GROUP_ROWS;
        out->items = GROUP_ITEMS;
        out->rows_each = GROUP_ITEMS / GROUP_BLOCK * GROUP_ROWS;
    } else {
        out->lanes = out->block = QNI_MAX(p->caps->vector, 4);
        out->together = at_once(p, vectors, n.N);
        out->rows = tile_rows(p, vectors, n.N);
        each = qni_ceil_div(n.N, units);
        out->rows_each = qni_round_up(QNI_MAX(each, 1), QNI_MAX(out->rows / 2, 1));
    }
    out->row_blocks = qni_ceil_div(n.N, out->rows_each);
    each = (int64_t)out->block * (by_gate ? 1 : vectors);
    out->strips = qni_ceil_div(n.U, each);
    out->wide = out->strips * each;
    out->strips_each = way == QNI_RNN_GROUPS ? 1 : out->strips;
    if (way == QNI_RNN_STEPS)
        out->strips_each = qni_ceil_div(out->strips, QNI_MAX(units / out->row_blocks, 1));
    out->strip_blocks = way == QNI_RNN_ROWS ? 1 : qni_ceil_div(out->strips, QNI_MAX(out->strips_each, 1));
}

/* Rounds of loops of a work-item that runs all steps, at most about so many. */
static int64_t rounds(const struct qni_problem *p, const struct qni_rnn_numbers *n)
{
    const int64_t rows = qni_ceil_div(n->N, QNI_MAX((int64_t)p->caps->units, 1));
    const int64_t tiles = qni_ceil_div(rows, QNI_MAX(tile_rows(p, n->gates, n->N) / 2, 1));

    return n->T * tiles * qni_ceil_div(n->U, QNI_MAX(p->caps->vector, 4)) * n->gates * n->U;
}

bool qni_rnn_applies(const struct qni_problem *p, enum qni_rnn_way way)
{
    struct qni_rnn_numbers n;

    if (!qni_epilogue_empty(&p->epilogue))
        return false;
    if (way == QNI_RNN_GROUPS)
        return p->caps->group_items >= GROUP_ITEMS && p->caps->group_size[0] >= GROUP_ITEMS &&
               p->caps->local_bytes >= 8 * 1024;
    qni_rnn_numbers(&n, p);
    if (way == QNI_RNN_ROWS)
        return !(p->caps->quirks & QNI_QUIRK_SHORT_LOOPS) || rounds(p, &n) < 65535;
    return qni_ceil_div(n.N, tile_rows(p, n.gates, n.N)) < (int64_t)p->caps->units &&
           n.gates * n.U * n.U * (int64_t)sizeof(float) >= STREAM_BYTES;
}

void qni_rnn_define(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                    const struct qni_rnn_tile *t)
{
    const struct qni_rnn *a = p->attr;
    struct qni_rnn_numbers n;

    qni_rnn_numbers(&n, p);
    qni_define(r, l, "QN_DTYPE", QN_F32);
    qni_define(r, l, "QN_GPU", t->way == QNI_RNN_GROUPS);
    qni_define(r, l, "QN_LOOP", t->way != QNI_RNN_ROWS);
    qni_define(r, l, "QN_V", t->lanes);
    qni_define(r, l, "QN_B", t->block);
    qni_define(r, l, "QN_J", t->vectors);
    qni_define(r, l, "QN_JT", t->together);
    qni_define(r, l, "QN_MR", t->rows);
    if (t->way == QNI_RNN_GROUPS) {
        qni_define(r, l, "QN_KT", GROUP_TERMS);
        qni_define_simd(r, l, p->caps);
    }
    if (n.gates > 1)
        qni_define(r, l, "QN_ACT_GATE", a->act[0]);
    qni_define(r, l, "QN_ACT_CELL", a->act[1]);
    if (n.gates == 4)
        qni_define(r, l, "QN_ACT_HIDDEN", a->act[2]);
}

void qni_rnn_grid(struct qni_recorder *r, struct qni_launch *l, const struct qni_rnn_tile *t)
{
    qni_grid(r, l, 3, (const int64_t[]){t->row_blocks, t->strip_blocks, 1}, (const int64_t[]){t->items, 1, 1});
}

void qni_rnn_loop(struct qni_recorder *r, const struct qni_rnn_tile *t, int64_t steps)
{
    if (t->way != QNI_RNN_ROWS)
        qni_loop_begin(r, steps, false);
}

void qni_rnn_loop_end(struct qni_recorder *r, const struct qni_rnn_tile *t)
{
    if (t->way != QNI_RNN_ROWS)
        qni_loop_end(r);
}

size_t qni_rnn_packed_bytes(const struct qni_rnn_tile *t, int64_t K)
{
    return (size_t)(t->strips * t->vectors * t->block * K) * sizeof(float);
}

void qni_rnn_pack(struct qni_recorder *r, const struct qni_problem *p, const struct qni_rnn_tile *t, int input,
                  bool transposed, int64_t K, int64_t column, int64_t extra)
{
    struct qni_rnn_numbers n;
    struct qni_launch *l;
    int64_t columns;

    qni_rnn_numbers(&n, p);
    columns = n.gates * n.U;
    if (!K || !n.U)
        return;
    l = qni_launch_add(r, "rnn/pack", "pack");
    qni_define(r, l, "QN_DTYPE", QN_F32);
    qni_define(r, l, "QN_B", t->block);
    qni_define(r, l, "QN_J", t->vectors);
    qni_define(r, l, "QN_JT", t->together);
    qni_define(r, l, "QN_EACH", PACK_TERMS);
    qni_in_at(r, l, input, QN_F32, column);
    qni_packed(r, l, input, QN_F32, extra);
    qni_i32(r, l, K);
    qni_i32(r, l, n.U);
    qni_i32(r, l, t->by_gate ? t->block : t->block * t->vectors);
    qni_i32(r, l, t->by_gate ? 0 : t->block);
    qni_i64(r, l, transposed ? 1 : columns);
    qni_i64(r, l, transposed ? columns : 1);
    qni_i64(r, l, t->by_gate ? n.U : 0);
    qni_grid(r, l, 2, (const int64_t[]){t->strips, qni_ceil_div(K, PACK_TERMS)}, (const int64_t[]){1, 1});
    qni_work(l, 0, (uint64_t)(2 * K * t->wide) * sizeof(float));
}
