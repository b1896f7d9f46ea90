/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrence: operands that may be missing, and what happens before the first step. */
#include "ops/rnn/rnn.h"

#define ITEMS 64 /* of a GPU's work-group: rows */

/* Bits of `given` in cl/rnn/begin.cl. */
enum {
    H0 = 1, C0 = 2, DROPS = 4, FIRSTS = 8, LAST_H = 16, LAST_C = 32, STATES = 64, BACKWARDS = 128, CELLS = 256
};

static int options(const struct qni_problem *p)
{
    const struct qni_rnn *t = p->attr;

    return (t->reverse ? QNI_RNN_F_REVERSE : 0) | (t->order ? QNI_RNN_F_ORDER : 0) | (t->zero ? QNI_RNN_F_ZERO : 0);
}

int qni_rnn_flags(const struct qni_problem *p)
{
    const struct qni_rnn *t = p->attr;
    const bool mask = qni_rnn_has(p, QNI_RNN_MASK);
    int f = options(p);

    f |= mask ? QNI_RNN_F_MASK : 0;
    f |= mask && !t->zero && qni_rnn_has(p, QNI_RNN_H0) ? QNI_RNN_F_FIRST : 0;
    f |= qni_rnn_has(p, QNI_RNN_EXTRA) ? QNI_RNN_F_EXTRA : 0;
    f |= qni_rnn_has(p, QNI_RNN_DROP) ? QNI_RNN_F_DROP : 0;
    f |= qni_rnn_wants(p, QNI_RNN_Y) ? QNI_RNN_F_Y : 0;
    f |= qni_rnn_wants(p, QNI_RNN_H) ? QNI_RNN_F_LAST : 0;
    f |= qni_rnn_wants(p, QNI_RNN_PREVIOUS) ? QNI_RNN_F_PREVIOUS : 0;
    f |= qni_rnn_wants(p, QNI_RNN_GATES) ? QNI_RNN_F_GATES : 0;
    f |= qni_rnn_wants(p, QNI_RNN_CELLS) ? QNI_RNN_F_CELLS : 0;
    f |= qni_rnn_wants(p, QNI_RNN_C) ? QNI_RNN_F_LAST_CELL : 0;
    return f;
}

int qni_rnn_flags_grad(const struct qni_problem *p)
{
    const struct qni_rnn *t = p->attr;
    const bool mask = qni_rnn_has(p, QNI_RNN_G_MASK), dy = qni_rnn_has(p, QNI_RNN_G_DY);
    const bool lstm = p->op == &qni_op_lstm_grad;
    int f = options(p);

    f |= mask ? QNI_RNN_F_MASK : 0;
    f |= mask && dy && !t->zero && qni_rnn_has(p, QNI_RNN_G_START) ? QNI_RNN_F_FIRST : 0;
    f |= qni_rnn_has(p, QNI_RNN_G_EXTRA) ? QNI_RNN_F_EXTRA : 0;
    f |= qni_rnn_has(p, QNI_RNN_G_DROP) ? QNI_RNN_F_DROP : 0;
    f |= dy ? QNI_RNN_F_Y : 0;
    f |= qni_rnn_has(p, QNI_RNN_G_DH) ? QNI_RNN_F_LAST : 0;
    f |= qni_rnn_has(p, QNI_RNN_G_DC) ? QNI_RNN_F_LAST_CELL : 0;
    f |= qni_rnn_has(p, QNI_RNN_G_C0) ? QNI_RNN_F_START : 0;
    f |= qni_rnn_wants(p, QNI_RNN_G_DX) ? QNI_RNN_F_DX : 0;
    f |= qni_rnn_wants(p, QNI_RNN_G_DH0) ? QNI_RNN_F_DH0 : 0;
    f |= qni_rnn_wants(p, QNI_RNN_G_LAST) ? (lstm ? QNI_RNN_F_DC0 : QNI_RNN_F_CELLS) : 0;
    return f;
}

void qni_rnn_in(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, int input)
{
    if (qni_rnn_has(p, input))
        qni_in(r, l, input, p->in[input].dtype);
    else
        qni_scratch(r, l, QN_F32, 0);
}

void qni_rnn_out(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, int output)
{
    if (qni_rnn_wants(p, output))
        qni_out(r, l, output, QN_F32);
    else
        qni_scratch(r, l, QN_F32, 0);
}

/* mask is input number `mask`; only with given & STATES are the other inputs those of the forward pass. */
static void begin(struct qni_recorder *r, const struct qni_problem *p, int mask, int given, int64_t wide,
                  const struct qni_rnn_states *at)
{
    const bool forward = given & (STATES | LAST_H | LAST_C);
    const int64_t items = p->caps->shape == QNI_GPU_SHAPED && p->caps->group_items >= ITEMS ? ITEMS : 1;
    struct qni_rnn_numbers n;
    struct qni_launch *l;

    qni_rnn_numbers(&n, p);
    l = qni_launch_add(r, "rnn/begin", "begin");
    qni_define(r, l, "QN_DTYPE", QN_F32);
    for (int i = QNI_RNN_H0; i <= QNI_RNN_DROP; i++)
        if (i != QNI_RNN_MASK && i != QNI_RNN_EXTRA)
            qni_rnn_in(r, l, p, forward ? i : QNI_MAX_IN);
    qni_rnn_in(r, l, p, mask);
    qni_scratch(r, l, QN_F32, at->a);
    qni_scratch(r, l, QN_F32, at->h);
    qni_scratch(r, l, QN_F32, QNI_MAX(at->c, 0));
    qni_scratch(r, l, QN_I32, at->first);
    qni_rnn_out(r, l, p, given & LAST_H ? QNI_RNN_H : QNI_MAX_OUT);
    qni_rnn_out(r, l, p, given & LAST_C ? QNI_RNN_C : QNI_MAX_OUT);
    qni_i32(r, l, n.N);
    qni_i32(r, l, n.T);
    qni_i32(r, l, n.U);
    qni_i32(r, l, wide);
    qni_i32(r, l, given);
    qni_grid(r, l, 1, (const int64_t[]){qni_ceil_div(n.N, items)}, (const int64_t[]){items});
}

void qni_rnn_begin(struct qni_recorder *r, const struct qni_problem *p, int64_t wide, const struct qni_rnn_states *at)
{
    const struct qni_rnn *t = p->attr;
    const int flags = qni_rnn_flags(p);
    struct qni_rnn_numbers n;
    int given = STATES | (at->c < 0 ? 0 : CELLS);

    qni_rnn_numbers(&n, p);
    given |= qni_rnn_has(p, QNI_RNN_H0) ? H0 : 0;
    given |= qni_rnn_has(p, QNI_RNN_C0) ? C0 : 0;
    given |= flags & QNI_RNN_F_DROP ? DROPS : 0;
    given |= flags & QNI_RNN_F_FIRST ? FIRSTS : 0;
    given |= t->reverse ? BACKWARDS : 0;
    if (!n.T) {
        given |= flags & QNI_RNN_F_LAST ? LAST_H : 0;
        given |= flags & QNI_RNN_F_LAST_CELL ? LAST_C : 0;
    }
    begin(r, p, QNI_RNN_MASK, given, wide, at);
}

void qni_rnn_begin_grad(struct qni_recorder *r, const struct qni_problem *p, int64_t first)
{
    const struct qni_rnn *t = p->attr;
    const struct qni_rnn_states at = {.first = first};

    if (qni_rnn_flags_grad(p) & QNI_RNN_F_FIRST)
        begin(r, p, QNI_RNN_G_MASK, FIRSTS | (t->reverse ? BACKWARDS : 0), 0, &at);
}
