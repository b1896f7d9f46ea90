/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * LSTM, GRU and the simple cell, forward and backward: a kernel each, of the same form. cl/rnn/ has the formulas. */
#include "ops/rnn/rnn.h"

#define NO (-1)

/* A kernel's operands besides the packed one, scratch and numbers, in its order. */
struct kernel {
    const struct qni_op *op;
    const char *source, *name;
    int vectors;         /* QN_J */
    bool by_gate;
    int states;          /* forward: a twice, h, and c of LSTM; backward: what is carried on, of h, and of c */
    int before[4];       /* inputs before the packed kernel */
    int after[8];        /* and after it; first steps, in scratch, follow */
    int out[7];
    int alpha[4];        /* activations that it has */
};

static const struct kernel kernels[] = {
    {&qni_op_lstm, "rnn/lstm", "lstm", 4, true, 4, {QNI_RNN_X, NO}, {QNI_RNN_MASK, QNI_RNN_EXTRA, QNI_RNN_DROP, NO},
     {QNI_RNN_Y, QNI_RNN_H, QNI_RNN_C, QNI_RNN_PREVIOUS, QNI_RNN_GATES, QNI_RNN_CELLS, NO}, {0, 1, 2, NO}},
    {&qni_op_gru, "rnn/gru", "gru", 3, true, 3, {QNI_RNN_X, NO}, {QNI_RNN_MASK, QNI_RNN_EXTRA, QNI_RNN_DROP, NO},
     {QNI_RNN_Y, QNI_RNN_H, QNI_RNN_PREVIOUS, QNI_RNN_GATES, NO}, {0, 1, NO}},
    {&qni_op_simple_rnn, "rnn/simple", "simple", 2, false, 3, {QNI_RNN_X, NO}, {QNI_RNN_MASK, QNI_RNN_DROP, NO},
     {QNI_RNN_Y, QNI_RNN_H, QNI_RNN_PREVIOUS, QNI_RNN_GATES, NO}, {1, NO}},
    {&qni_op_lstm_grad, "rnn/lstm_grad", "lstm_grad", 2, false, 2, {QNI_RNN_G_DY, QNI_RNN_G_DH, QNI_RNN_G_DC, NO},
     {QNI_RNN_G_GATES, QNI_RNN_G_CELLS, QNI_RNN_G_C0, QNI_RNN_G_MASK, QNI_RNN_G_EXTRA, QNI_RNN_G_DROP, NO},
     {QNI_RNN_G_DX, QNI_RNN_G_DH0, QNI_RNN_G_LAST, NO}, {0, 1, 2, NO}},
    {&qni_op_gru_grad, "rnn/gru_grad", "gru_grad", 2, false, 1, {QNI_RNN_G_DY, QNI_RNN_G_DH, NO},
     {QNI_RNN_G_GATES, QNI_RNN_G_PREVIOUS, QNI_RNN_G_MASK, QNI_RNN_G_DROP, NO},
     {QNI_RNN_G_DX, QNI_RNN_G_LAST, QNI_RNN_G_DH0, NO}, {0, 1, NO}},
    {&qni_op_simple_rnn_grad, "rnn/simple_grad", "simple_grad", 2, false, 1, {QNI_RNN_G_DY, QNI_RNN_G_DH, NO},
     {QNI_RNN_G_GATES, QNI_RNN_G_MASK, QNI_RNN_G_DROP, NO}, {QNI_RNN_G_DX, QNI_RNN_G_DH0, NO}, {1, NO}},
};

static const struct kernel *kernel_of(const struct qni_problem *p)
{
    size_t i = 0;

    while (i + 1 < QNI_COUNT(kernels) && kernels[i].op != p->op)
        i++;
    return &kernels[i];
}

/* A problem, its kernel and how it is shared out. */
struct work {
    const struct kernel *k;
    struct qni_rnn_numbers n;
    struct qni_rnn_tile t;
    int64_t area;            /* elements of a state */
    int64_t first;           /* where rows' first steps lie in scratch, behind the states */
};

static void look(struct work *w, const struct qni_problem *p, enum qni_rnn_way way)
{
    w->k = kernel_of(p);
    qni_rnn_numbers(&w->n, p);
    qni_rnn_tile(&w->t, p, way, w->k->vectors, w->k->by_gate);
    w->area = w->n.N * w->t.wide;
    w->first = w->k->states * w->area + (qni_rnn_is_grad(p->op) ? 2 * w->n.N * w->n.gates * w->n.U : 0);
}

static void launch(const struct work *w, const struct qni_problem *p, struct qni_recorder *r, int input, int flags)
{
    const struct qni_rnn *a = p->attr;
    const struct kernel *k = w->k;
    struct qni_launch *l = qni_launch_add(r, k->source, k->name);

    qni_rnn_define(r, l, p, &w->t);
    for (int i = 0; k->before[i] != NO; i++)
        qni_rnn_in(r, l, p, k->before[i]);
    qni_packed(r, l, input, QN_F32, 0);
    for (int i = 0; k->after[i] != NO; i++)
        qni_rnn_in(r, l, p, k->after[i]);
    qni_scratch(r, l, QN_I32, w->first);
    for (int i = 0; k->out[i] != NO; i++)
        qni_rnn_out(r, l, p, k->out[i]);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, w->n.N);
    qni_i32(r, l, w->n.T);
    qni_i32(r, l, w->n.U);
    qni_i32(r, l, w->t.rows_each);
    qni_i32(r, l, w->t.strips);
    qni_i32(r, l, w->t.strips_each);
    qni_i32(r, l, flags);
    qni_f32(r, l, a->clip);
    for (int i = 0; k->alpha[i] != NO; i++)
        qni_f32(r, l, a->alpha[k->alpha[i]]);
    qni_rnn_grid(r, l, &w->t);
    qni_work(l, (uint64_t)(2 * w->n.N * w->n.T * w->n.U * w->n.U * w->n.gates),
             (uint64_t)(w->n.N * w->n.T * w->n.U * (2 * w->n.gates + 3)) * sizeof(float));
}

/* ---- forward ---- */

static void sizes(const struct qni_problem *p, enum qni_rnn_way way, struct qni_sizes *out)
{
    struct work w;

    look(&w, p, way);
    out->packed[QNI_RNN_W] = qni_rnn_packed_bytes(&w.t, w.n.U);
    out->scratch = (size_t)(w.first + w.n.N) * sizeof(float);
}

static void pack(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    struct work w;

    look(&w, p, way);
    qni_rnn_pack(r, p, &w.t, QNI_RNN_W, false, w.n.U, 0, 0);
}

static void emit(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    struct qni_rnn_states at = {0};
    struct work w;

    look(&w, p, way);
    at.h = 2 * w.area;
    at.c = w.k->states > 3 ? 3 * w.area : -1;
    at.first = w.first;
    qni_rnn_begin(r, p, w.t.wide, &at);
    if (!w.n.T)
        return;
    qni_rnn_loop(r, &w.t, w.n.T);
    launch(&w, p, r, QNI_RNN_W, qni_rnn_flags(p));
    qni_rnn_loop_end(r, &w.t);
}

const struct qni_rnn_pass qni_rnn_forward = {sizes, pack, emit};

/* ---- gradient ---- */

static void back_sizes(const struct qni_problem *p, enum qni_rnn_way way, struct qni_sizes *out)
{
    struct work w;

    look(&w, p, way);
    out->packed[QNI_RNN_G_W] = qni_rnn_packed_bytes(&w.t, w.n.gates * w.n.U);
    out->scratch = (size_t)(w.first + w.n.N) * sizeof(float);
}

static void back_pack(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    struct work w;

    look(&w, p, way);
    qni_rnn_pack(r, p, &w.t, QNI_RNN_G_W, true, w.n.gates * w.n.U, 0, 0);
}

static void back_emit(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    const int flags = qni_rnn_flags_grad(p);
    /* One pass more gives the gradient of the first states. */
    const int64_t more = flags & (QNI_RNN_F_DH0 | QNI_RNN_F_DC0) ? 1 : 0;
    struct work w;

    look(&w, p, way);
    if (!w.n.T && !more)
        return;
    qni_rnn_begin_grad(r, p, w.first);
    qni_rnn_loop(r, &w.t, w.n.T + more);
    launch(&w, p, r, QNI_RNN_G_W, flags);
    qni_rnn_loop_end(r, &w.t);
}

const struct qni_rnn_pass qni_rnn_back = {back_sizes, back_pack, back_emit};
