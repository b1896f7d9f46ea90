/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For CPUs: one work-item a tile of queries, all in registers and a core's own cache. This file chooses the tiles. */
#include "ops/attn/attn.h"

#define KEYS 64 /* QN_KT */
/* Parts of the backward pass where one head of keys after another does not give every core its share. */
#define TASKS_EACH 2
#define MOST_PARTS 16

struct tiles {
    int lanes, rows;      /* QN_V, QN_MR */
    int64_t queries;      /* QN_QT, 0: no tile fits */
    int columns;          /* QN_NC */
    int64_t parts;        /* of the gradient; 0: one, straight into the results */
};

static int64_t floats(const struct tiles *t, const struct qni_attn *n, bool grad)
{
    const int64_t d = n->D + n->Dv + 2 * 2 * t->lanes;

    if (grad)
        return (KEYS + t->rows) * d + 3 * t->queries * d + 2 * (KEYS + t->rows + 1) * t->queries + 2 * KEYS * t->lanes;
    return (KEYS + t->rows + t->queries) * d + 4 * (KEYS + t->rows) * t->lanes + 2 * t->queries;
}

static void choose(struct tiles *t, const struct qni_attn *n, const struct qni_problem *p)
{
    const bool grad = p->op == &qni_op_attention_grad;
    /* Of a CPU, local memory is a share of the cache, which is good for no more than this. */
    const int64_t most = QNI_MIN((int64_t)p->caps->local_bytes, 384 * 1024);
    const int64_t tasks = n->B * n->Hkv, units = QNI_MAX((int64_t)p->caps->units, 1);
    int64_t width;

    *t = (struct tiles){ .lanes = QNI_MAX(p->caps->vector, 4), .rows = p->caps->registers >= 32 ? 8 : 6 };
    t->columns = n->D % (2 * t->lanes) || n->Dv % (2 * t->lanes) ? 1 : 2;
    width = (int64_t)t->columns * t->lanes;
    t->queries = grad ? 64 : 128;
    while (t->queries >= 2 * t->lanes && floats(t, n, grad) * (int64_t)sizeof(float) > most)
        t->queries /= 2;
    if (t->queries < 2 * t->lanes) {
        t->queries = 0;
        return;
    }
    if (tasks && tasks < TASKS_EACH * units)
        t->parts = QNI_MIN(QNI_MIN(qni_ceil_div(TASKS_EACH * units, tasks), MOST_PARTS),
                           n->Hq / n->Hkv * qni_ceil_div(n->Tq, t->queries));
    if (t->parts <= 1)
        t->parts = n->D % width || n->Dv % width ? 1 : 0;
}

static bool applies(const struct qni_problem *p)
{
    struct tiles t;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    choose(&t, &n, p);
    return qni_epilogue_empty(&p->epilogue) && t.queries > 0;
}

static void define(struct qni_recorder *r, struct qni_launch *l, const struct tiles *t)
{
    qni_define(r, l, "QN_V", t->lanes);
    qni_define(r, l, "QN_MR", t->rows);
    qni_define(r, l, "QN_QT", t->queries);
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    out->scratch = (size_t)qni_attn_spare(p) * sizeof(float);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l;
    struct tiles t;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    choose(&t, &n, p);
    if (!n.B || !n.Hq || !n.Tq)
        return;
    l = qni_launch_add(r, "attn/attention_tile", "attention");
    define(r, l, &t);
    qni_attn_arguments(r, l, p, &n);
    qni_attn_out(r, l, p, 0, 0);
    qni_attn_out(r, l, p, 1, 0);
    qni_grid(r, l, 2, (int64_t[]){ qni_ceil_div(n.Tq, t.queries), n.B * n.Hq }, (int64_t[]){ 1, 1 });
    qni_work(l, qni_attn_flops(p, &n, 2), 0);
}

/* ---- gradient ---- */

/* Elements of one part of dk and of dv. */
static int64_t part_elements(const struct tiles *t, const struct qni_attn *n, int64_t size)
{
    return n->B * n->Hkv * n->Tk * qni_round_up(size, (int64_t)t->columns * t->lanes);
}

static int64_t parts_elements(const struct tiles *t, const struct qni_attn *n)
{
    return t->parts * (part_elements(t, n, n->D) + part_elements(t, n, n->Dv));
}

static void sizes_grad(const struct qni_problem *p, struct qni_sizes *out)
{
    struct tiles t;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    choose(&t, &n, p);
    out->scratch = (size_t)(parts_elements(&t, &n) + qni_attn_spare(p)) * sizeof(float);
}

/* Adds the parts up. */
static void emit_sum(const struct qni_problem *p, struct qni_recorder *r, const struct tiles *t, const struct qni_attn *n)
{
    struct qni_launch *l = qni_launch_add(r, "attn/attention_tile_grad", "attention_grad_sum");
    const int64_t rows = n->B * n->Hkv * n->Tk, each = QNI_MAX(1, 16384 / (n->D + n->Dv));

    define(r, l, t);
    qni_define(r, l, "QN_NC", t->columns);
    qni_attn_flags(r, l, p, n);
    qni_scratch(r, l, QN_F32, 0);
    qni_attn_out(r, l, p, 1, parts_elements(t, n));
    qni_attn_out(r, l, p, 2, parts_elements(t, n));
    qni_i32(r, l, n->Tk);
    qni_i32(r, l, n->Hkv);
    qni_i64(r, l, rows);
    qni_i32(r, l, each);
    qni_i32(r, l, t->parts);
    qni_grid(r, l, 1, (int64_t[]){ qni_ceil_div(rows, each) }, (int64_t[]){ 1 });
    qni_work(l, 0, (uint64_t)(parts_elements(t, n) + rows * (n->D + n->Dv)) * sizeof(float));
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l;
    struct tiles t;
    struct qni_attn n;
    int64_t spare;

    qni_attn_numbers(&n, p);
    choose(&t, &n, p);
    if (!n.B || !n.Hq)
        return;
    spare = parts_elements(&t, &n);
    l = qni_launch_add(r, "attn/attention_tile_grad", "attention_grad");
    define(r, l, &t);
    qni_define(r, l, "QN_NC", t.columns);
    qni_attn_arguments(r, l, p, &n);
    for (int i = QNI_ATTN_Y; i <= QNI_ATTN_DY; i++)
        qni_in(r, l, i, QN_F32);
    qni_attn_out(r, l, p, 0, spare);
    if (t.parts) {
        qni_scratch(r, l, QN_F32, 0);
        qni_scratch(r, l, QN_F32, t.parts * part_elements(&t, &n, n.D));
    } else {
        qni_attn_out(r, l, p, 1, spare);
        qni_attn_out(r, l, p, 2, spare);
    }
    qni_i32(r, l, QNI_MAX(t.parts, 1));
    qni_i32(r, l, t.parts > 0);
    qni_i32(r, l, n.B * n.Hkv);
    qni_grid(r, l, 2, (int64_t[]){ QNI_MAX(t.parts, 1), n.B * n.Hkv }, (int64_t[]){ 1, 1 });
    qni_work(l, qni_attn_flops(p, &n, 5), 0);
    if (t.parts && n.Tk)
        emit_sum(p, r, &t, &n);
}

const struct qni_algo qni_attn_tile = { .name = "tile", .applies = applies, .sizes = sizes, .emit = emit, .cpu = true };
const struct qni_algo qni_attn_tile_grad = {
    .name = "tile", .applies = applies, .sizes = sizes_grad, .emit = emit_grad, .cpu = true
};
