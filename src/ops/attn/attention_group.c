/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs: one work-group a tile of queries, or of keys, through local memory. Heads wider than a work-group's registers
 * are shared by several, each of which makes the weights. */
#include "ops/attn/attn.h"

#define MOST_ITEMS  128
#define LEAST_ITEMS 64
#define CHUNK       32 /* QN_CHUNK */
/* Of a result in registers: the gradient of keys has two results. */
#define MOST_CHUNKS      4
#define MOST_GRAD_CHUNKS 2

static int64_t items_of(const struct qni_problem *p)
{
    return p->caps->group_items >= MOST_ITEMS ? MOST_ITEMS : LEAST_ITEMS;
}

/* QN_ROWS */
static int64_t rows_of(const struct qni_problem *p)
{
    return items_of(p) / 2;
}

static bool applies(const struct qni_problem *p)
{
    const int64_t rows = rows_of(p), local = ((rows / 4 + 1 + CHUNK / 4 + 1) * 16 + rows) * CHUNK;

    return qni_epilogue_empty(&p->epilogue) && p->caps->group_items >= LEAST_ITEMS && (int64_t)p->caps->local_bytes >= local;
}

/* Tiles of `rows` rows of so many heads; and blocks of chunks of `size` elements. */
static void grid(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l, int64_t rows, int64_t heads,
                 int64_t size, int64_t chunks)
{
    qni_grid(r, l, 2, (int64_t[]){ qni_ceil_div(rows, rows_of(p)) * heads, qni_ceil_div(size, chunks * CHUNK) },
             (int64_t[]){ items_of(p), 1 });
}

static int64_t chunks_of(const struct qni_attn *n)
{
    return QNI_MIN(qni_ceil_div(n->Dv, CHUNK), MOST_CHUNKS);
}

/* Softcap and dropout together take the registers of a chunk. */
static int64_t grad_chunks_of(const struct qni_problem *p, const struct qni_attn *n)
{
    const struct qni_attention *t = p->attr;
    const int64_t most = t->softcap > 0 && t->rate > 0 ? 1 : MOST_GRAD_CHUNKS;

    return QNI_MIN(qni_ceil_div(QNI_MAX(n->D, n->Dv), CHUNK), most);
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    out->scratch = (size_t)qni_attn_spare(p) * sizeof(float);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    if (!n.B || !n.Hq || !n.Tq)
        return;
    l = qni_launch_add(r, "attn/attention_group", "attention");
    qni_define(r, l, "QN_N", chunks_of(&n));
    qni_attn_arguments(r, l, p, &n);
    qni_attn_out(r, l, p, 0, 0);
    qni_attn_out(r, l, p, 1, 0);
    grid(p, r, l, n.Tq, n.B * n.Hq, n.Dv, chunks_of(&n));
    qni_work(l, qni_attn_flops(p, &n, 2), 0);
}

/* ---- gradient ---- */

/* Elements of delta, which scratch begins with. */
static int64_t delta_elements(const struct qni_attn *n)
{
    return qni_round_up(n->B * n->Hq * n->Tq, 64);
}

static void sizes_grad(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    out->scratch = (size_t)(delta_elements(&n) + qni_attn_spare(p)) * sizeof(float);
}

static struct qni_launch *begin_grad(const struct qni_problem *p, struct qni_recorder *r, const struct qni_attn *n,
                                     const char *kernel)
{
    struct qni_launch *l = qni_launch_add(r, "attn/attention_group_grad", kernel);

    qni_define(r, l, "QN_N", grad_chunks_of(p, n));
    qni_attn_arguments(r, l, p, n);
    return l;
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    if (n.B && n.Tq) {
        l = begin_grad(p, r, &n, "attention_grad_queries");
        for (int i = QNI_ATTN_Y; i <= QNI_ATTN_DY; i++)
            qni_in(r, l, i, QN_F32);
        qni_scratch(r, l, QN_F32, 0);
        qni_attn_out(r, l, p, 0, delta_elements(&n));
        grid(p, r, l, n.Tq, n.B * n.Hq, n.D, grad_chunks_of(p, &n));
        qni_work(l, qni_attn_flops(p, &n, 3), 0);
    }
    if (n.B && n.Tk && (p->unwanted & 6) != 6) {
        l = begin_grad(p, r, &n, "attention_grad_keys");
        qni_in(r, l, QNI_ATTN_LSE, QN_F32);
        qni_in(r, l, QNI_ATTN_DY, QN_F32);
        qni_scratch(r, l, QN_F32, 0);
        qni_attn_out(r, l, p, 1, delta_elements(&n));
        qni_attn_out(r, l, p, 2, delta_elements(&n));
        grid(p, r, l, n.Tk, n.B * n.Hkv, QNI_MAX(n.D, n.Dv), grad_chunks_of(p, &n));
        qni_work(l, qni_attn_flops(p, &n, 4), 0);
    }
}

const struct qni_algo qni_attn_group = {
    .name = "group", .applies = applies, .sizes = sizes, .emit = emit, .gpu = true, .cpu = true
};
const struct qni_algo qni_attn_group_grad = {
    .name = "group", .applies = applies, .sizes = sizes_grad, .emit = emit_grad, .gpu = true, .cpu = true
};
