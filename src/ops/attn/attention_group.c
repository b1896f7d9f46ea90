/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs: one work-group a tile of queries, or of keys, through local memory. Heads wider than a work-group's registers
 * are shared by several, each of which makes the weights. */
#include "ops/attn/attn.h"

#define MOST_ITEMS  128
#define LEAST_ITEMS 64
#define CHUNK       32 /* QN_CHUNK */

static const struct qni_attn_groups groups = {
    .source = "attn/attention_group", .grad_source = "attn/attention_group_grad", .chunks = 4, .grad_chunks = 2,
};
/* Chunks of a result where addresses take registers too: Intel's GPUs, see cl/common/narrow.clh. */
#define MOST_SIMD_CHUNKS 2

static int64_t items_of(const struct qni_problem *p)
{
    return p->caps->group_items >= MOST_ITEMS ? MOST_ITEMS : LEAST_ITEMS;
}

/* QN_ROWS */
static int64_t rows_of(const struct qni_problem *p)
{
    return items_of(p) / 2;
}

bool qni_attn_group_applies(const struct qni_problem *p, int64_t local_bytes)
{
    return qni_epilogue_empty(&p->epilogue) && p->caps->group_items >= LEAST_ITEMS &&
           (int64_t)p->caps->local_bytes >= local_bytes;
}

static bool applies(const struct qni_problem *p)
{
    const int64_t rows = rows_of(p);

    return qni_attn_group_applies(p, ((rows / 4 + 1 + CHUNK / 4 + 1) * 16 + rows) * CHUNK);
}

/* Tiles of `rows` rows of so many heads; and blocks of chunks of `size` elements. */
static void grid(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l, int64_t rows, int64_t heads,
                 int64_t size, int64_t chunks)
{
    qni_grid(r, l, 2, (int64_t[]){ qni_ceil_div(rows, rows_of(p)) * heads, qni_ceil_div(size, chunks * CHUNK) },
             (int64_t[]){ items_of(p), 1 });
}

static int64_t chunks_of(const struct qni_attn_groups *t, const struct qni_problem *p, const struct qni_attn *n)
{
    return QNI_MIN(qni_ceil_div(n->Dv, CHUNK), p->caps->simd ? QNI_MIN(t->chunks, MOST_SIMD_CHUNKS) : t->chunks);
}

/* Softcap and dropout together take the registers of a chunk; of keys' two results one chunk is as much as MOST_SIMD_CHUNKS. */
static int64_t grad_chunks_of(const struct qni_attn_groups *t, const struct qni_problem *p, const struct qni_attn *n, bool keys)
{
    const struct qni_attention *a = p->attr;
    const int64_t most = (a->softcap > 0 && a->rate > 0) || (keys && p->caps->simd) ? 1 : t->grad_chunks;

    return QNI_MIN(qni_ceil_div(QNI_MAX(n->D, n->Dv), CHUNK), most);
}

/* A launch with the arguments that all have; N: QN_N. */
static struct qni_launch *begin(const struct qni_attn_groups *t, const struct qni_problem *p, struct qni_recorder *r,
                                const struct qni_attn *n, const char *source, const char *kernel, int64_t N)
{
    struct qni_launch *l = qni_launch_add(r, source, kernel);

    if (t->matrix) {
        qni_matrix_define(r, l, p->caps, t->operands);
        qni_define(r, l, "QN_N", N);
    } else {
        qni_define(r, l, "QN_MATRIX", 0);
        qni_define(r, l, "QN_N", N);
        qni_define_simd(r, l, p->caps);
    }
    qni_attn_arguments(r, l, p, n);
    return l;
}

void qni_attn_group_sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    out->scratch = (size_t)qni_attn_spare(p) * sizeof(float);
}

void qni_attn_group_emit(const struct qni_problem *p, struct qni_recorder *r, const struct qni_attn_groups *t)
{
    struct qni_launch *l;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    if (!n.B || !n.Hq || !n.Tq)
        return;
    l = begin(t, p, r, &n, t->source, "attention", chunks_of(t, p, &n));
    qni_attn_out(r, l, p, 0, 0);
    qni_attn_out(r, l, p, 1, 0);
    grid(p, r, l, n.Tq, n.B * n.Hq, n.Dv, chunks_of(t, p, &n));
    qni_work(l, qni_attn_flops(p, &n, 2), 0);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    qni_attn_group_emit(p, r, &groups);
}

/* ---- gradient ---- */

/* Elements of delta, which scratch begins with. */
static int64_t delta_elements(const struct qni_attn *n)
{
    return qni_round_up(n->B * n->Hq * n->Tq, 64);
}

void qni_attn_group_sizes_grad(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    out->scratch = (size_t)(delta_elements(&n) + qni_attn_spare(p)) * sizeof(float);
}

void qni_attn_group_emit_grad(const struct qni_problem *p, struct qni_recorder *r, const struct qni_attn_groups *t)
{
    struct qni_launch *l;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    if (n.B && n.Tq) {
        l = begin(t, p, r, &n, t->grad_source, "attention_grad_queries", grad_chunks_of(t, p, &n, false));
        for (int i = QNI_ATTN_Y; i <= QNI_ATTN_DY; i++)
            qni_in(r, l, i, QN_F32);
        qni_scratch(r, l, QN_F32, 0);
        qni_attn_out(r, l, p, 0, delta_elements(&n));
        grid(p, r, l, n.Tq, n.B * n.Hq, n.D, grad_chunks_of(t, p, &n, false));
        qni_work(l, qni_attn_flops(p, &n, 3), 0);
    }
    if (n.B && n.Tk && (p->unwanted & 6) != 6) {
        l = begin(t, p, r, &n, t->grad_source, "attention_grad_keys", grad_chunks_of(t, p, &n, true));
        qni_in(r, l, QNI_ATTN_LSE, QN_F32);
        qni_in(r, l, QNI_ATTN_DY, QN_F32);
        qni_scratch(r, l, QN_F32, 0);
        qni_attn_out(r, l, p, 1, delta_elements(&n));
        qni_attn_out(r, l, p, 2, delta_elements(&n));
        grid(p, r, l, n.Tk, n.B * n.Hkv, QNI_MAX(n.D, n.Dv), grad_chunks_of(t, p, &n, true));
        qni_work(l, qni_attn_flops(p, &n, 4), 0);
    }
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r)
{
    qni_attn_group_emit_grad(p, r, &groups);
}

const struct qni_algo qni_attn_group = {
    .name = "group", .applies = applies, .sizes = qni_attn_group_sizes, .emit = emit, .gpu = true, .cpu = true
};
const struct qni_algo qni_attn_group_grad = {
    .name = "group", .applies = applies, .sizes = qni_attn_group_sizes_grad, .emit = emit_grad, .gpu = true, .cpu = true
};
