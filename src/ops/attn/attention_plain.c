/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The matrix of weights in scratch, simple loops: for problems and devices that nothing better takes. */
#include "ops/attn/attn.h"

static bool applies(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static int64_t matrix(const struct qni_attn *n)
{
    return n->B * n->Hq * n->Tq * n->Tk;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    out->scratch = (size_t)(matrix(&n) * (p->op == &qni_op_attention ? 1 : 2) + 64 + qni_attn_spare(p)) * sizeof(float);
}

static int64_t spare(const struct qni_problem *p, const struct qni_attn *n)
{
    return matrix(n) * (p->op == &qni_op_attention ? 1 : 2);
}

static void grid(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l, int64_t n)
{
    const int64_t local = p->caps->shape == QNI_GPU_SHAPED ? QNI_MIN(64, (int64_t)p->caps->group_items) : 1;

    qni_grid(r, l, 1, &(int64_t){ qni_ceil_div(n, local) }, &local);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l;
    struct qni_attn n;
    int64_t rows;

    qni_attn_numbers(&n, p);
    rows = n.B * n.Hq * n.Tq;
    if (!rows)
        return;
    l = qni_launch_add(r, "attn/attention_plain", "attention");
    qni_define_simd(r, l, p->caps);
    qni_attn_arguments(r, l, p, &n);
    qni_scratch(r, l, QN_F32, 0);
    qni_attn_out(r, l, p, 0, spare(p, &n));
    qni_attn_out(r, l, p, 1, spare(p, &n));
    qni_i64(r, l, rows);
    grid(p, r, l, rows);
    qni_work(l, qni_attn_flops(p, &n, 2), 0);
}

static void emit_keys(const struct qni_problem *p, struct qni_recorder *r, const struct qni_attn *n)
{
    struct qni_launch *l = qni_launch_add(r, "attn/attention_plain", "attention_grad_keys");

    /* The same unit as the launch before: the same build parameters. */
    qni_define_simd(r, l, p->caps);
    qni_attn_flags(r, l, p, n);
    qni_in(r, l, QNI_ATTN_Q, QN_F32);
    qni_in(r, l, QNI_ATTN_DY, QN_F32);
    qni_scratch(r, l, QN_F32, 0);
    qni_attn_out(r, l, p, 1, spare(p, n));
    qni_attn_out(r, l, p, 2, spare(p, n));
    qni_i32(r, l, n->Tq);
    qni_i32(r, l, n->Tk);
    qni_i32(r, l, n->Hq);
    qni_i32(r, l, n->Hkv);
    qni_i64(r, l, n->B * n->Hq * n->Tq);
    qni_i64(r, l, n->B * n->Tk * n->Hkv);
    grid(p, r, l, n->B * n->Tk * n->Hkv);
    qni_work(l, qni_attn_flops(p, n, 2), 0);
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_launch *l;
    struct qni_attn n;
    int64_t rows;

    qni_attn_numbers(&n, p);
    rows = n.B * n.Hq * n.Tq;
    if (rows) {
        l = qni_launch_add(r, "attn/attention_plain", "attention_grad_rows");
        qni_define_simd(r, l, p->caps);
        qni_attn_arguments(r, l, p, &n);
        qni_in(r, l, QNI_ATTN_Y, QN_F32);
        qni_in(r, l, QNI_ATTN_LSE, QN_F32);
        qni_in(r, l, QNI_ATTN_DY, QN_F32);
        qni_scratch(r, l, QN_F32, 0);
        qni_attn_out(r, l, p, 0, spare(p, &n));
        qni_i64(r, l, rows);
        grid(p, r, l, rows);
        qni_work(l, qni_attn_flops(p, &n, 3), 0);
    }
    if (n.B && n.Tk)
        emit_keys(p, r, &n);
}

const struct qni_algo qni_attn_plain = { .name = "plain", .applies = applies, .sizes = sizes, .emit = emit };
const struct qni_algo qni_attn_plain_grad = { .name = "plain", .applies = applies, .sizes = sizes, .emit = emit_grad };
