/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrence: what runs over the steps of sequences. The product of all inputs with the input kernel, bias included, is a
 * matrix product of its own before; so are the gradients of both kernels behind. */
#ifndef QNI_RNN_RNN_H
#define QNI_RNN_RNN_H

#include "ops/op.h"

/* Parameters of every cell. */
struct qni_rnn {
    int32_t reverse;    /* from the last step to the first */
    int32_t order;      /* outputs lie in the order of the steps, not of time */
    int32_t zero;       /* outputs of masked steps are 0 */
    int32_t act[3];     /* enum qn_act: of gates, of the cell, of LSTM's hidden state */
    float alpha[3];
    float clip;         /* above 0: sums are limited before their activation */
};

/* What an option says, as it stands in act[]: QN_LINEAR is not set, QN_IDENTITY none. (build.c) */
int32_t qni_rnn_activation(qn_act act, qn_act otherwise);

/* Forward: U units; G columns of the kernel and S saved numbers for each unit.
 *
 *              G  S  gates in the order
 *   simple     1  1  h
 *   lstm       4  4  i f g o
 *   gru        3  4  z r g, and q = h W_g + b_g; the reset gate acts after the product
 *   gru_before 3  3  z r g; the reset gate acts before the product */
enum qni_rnn_in {
    QNI_RNN_X,          /* [N,T,G*U] */
    QNI_RNN_W,          /* [U,G*U] */
    QNI_RNN_H0,         /* [N,U] or absent */
    QNI_RNN_C0,         /* lstm: [N,U] or absent */
    QNI_RNN_MASK,       /* u8 [N,T] or absent; 0: the step carries the state on and repeats the output */
    QNI_RNN_EXTRA,      /* lstm: peepholes [3,U] (i f o); gru: recurrent bias [3*U]; or absent */
    QNI_RNN_DROP,       /* [N,U] or absent: factors of the state where it enters the recurrent product */
    QNI_RNN_INPUTS
};

enum qni_rnn_out {
    QNI_RNN_Y,          /* [N,T,U] */
    QNI_RNN_H,          /* [N,U]: the last state */
    QNI_RNN_PREVIOUS,   /* [N,T,U]: the state that entered each step; this and what follows is for the gradient */
    QNI_RNN_GATES,      /* [N,T,S*U] */
    QNI_RNN_CELLS,      /* lstm: cell states [N,T,U]; gru_before: r h drop [N,T,U] */
    QNI_RNN_C           /* lstm: [N,U]: the last cell state */
};

enum qni_rnn_grad_in {
    QNI_RNN_G_GATES,
    QNI_RNN_G_W,
    QNI_RNN_G_DY,       /* [N,T,U] or absent */
    QNI_RNN_G_DH,       /* [N,U] or absent */
    QNI_RNN_G_DC,       /* lstm: [N,U] or absent */
    QNI_RNN_G_CELLS,    /* lstm */
    QNI_RNN_G_C0,       /* lstm; or absent */
    QNI_RNN_G_PREVIOUS, /* gru, gru_before */
    QNI_RNN_G_MASK,
    QNI_RNN_G_EXTRA,    /* lstm */
    QNI_RNN_G_DROP,
    QNI_RNN_G_START,    /* any value, or absent: there was an h0, which matters to masked steps before the first other */
    QNI_RNN_G_INPUTS
};

enum qni_rnn_grad_out {
    QNI_RNN_G_DX,       /* [N,T,G*U] */
    QNI_RNN_G_DH0,      /* [N,U] */
    QNI_RNN_G_LAST      /* lstm: dc0 [N,U]; gru: gradient of what the recurrent product adds [N,T,3*U] */
};

extern const struct qni_op qni_op_lstm, qni_op_lstm_grad, qni_op_gru, qni_op_gru_grad, qni_op_gru_before,
    qni_op_gru_before_grad, qni_op_simple_rnn, qni_op_simple_rnn_grad;

/* States kept from batch to batch: state [B,U], batch [N,..] -> its first N rows; state [B,U], value [N,U]: put back. */
extern const struct qni_op qni_op_state_load, qni_op_state_store;

/* ---- shape.c ---- */

struct qni_rnn_numbers {
    int64_t N, T, U;
    int gates, saved;      /* G, S */
};

qn_status qni_rnn_shape(struct qni_problem *p);
qn_status qni_rnn_shape_grad(struct qni_problem *p);
void qni_rnn_numbers(struct qni_rnn_numbers *out, const struct qni_problem *p); /* of either kind */
bool qni_rnn_is_grad(const struct qni_op *op);
bool qni_rnn_has(const struct qni_problem *p, int input);
bool qni_rnn_wants(const struct qni_problem *p, int output);

/* ---- grad.c ---- */

qn_status qni_rnn_gradient(struct qni_grad *c);
qn_status qni_rnn_infer(qn_graph *g, const struct qni_node *node, const qn_val *in, qn_val *out);

/* ---- tile.c: how rows and units are shared out, and the packed recurrent kernel ---- */

enum qni_rnn_way {
    QNI_RNN_ROWS,          /* a work-item runs all steps of some rows */
    QNI_RNN_STEPS,         /* CPU: a launch a step, units shared out too */
    QNI_RNN_GROUPS         /* GPU: the same, a work-group a tile */
};

struct qni_rnn_tile {
    enum qni_rnn_way way;
    int lanes, block;      /* QN_V, QN_B */
    int vectors, together; /* QN_J, QN_JT */
    int rows;              /* QN_MR */
    bool by_gate;          /* the vectors are one of each gate, else neighbours */
    int64_t rows_each, row_blocks, strips, strips_each, strip_blocks;
    int64_t wide;          /* units, rounded up to whole strips */
    int64_t items;         /* of a work-group */
};

/* vectors: QN_J. */
void qni_rnn_tile(struct qni_rnn_tile *out, const struct qni_problem *p, enum qni_rnn_way way, int vectors, bool by_gate);
bool qni_rnn_applies(const struct qni_problem *p, enum qni_rnn_way way);
void qni_rnn_define(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                    const struct qni_rnn_tile *t);
void qni_rnn_grid(struct qni_recorder *r, struct qni_launch *l, const struct qni_rnn_tile *t);
/* Launches between these are run `steps` times where the way asks for it. */
void qni_rnn_loop(struct qni_recorder *r, const struct qni_rnn_tile *t, int64_t steps);
void qni_rnn_loop_end(struct qni_recorder *r, const struct qni_rnn_tile *t);
/* Bytes of K terms of a packed kernel, and the launch that packs columns [column, ...) of input w [U, columns]: the
 * kernel itself, or (transposed) K of its columns as terms. extra: elements into the packed operand. */
size_t qni_rnn_packed_bytes(const struct qni_rnn_tile *t, int64_t K);
void qni_rnn_pack(struct qni_recorder *r, const struct qni_problem *p, const struct qni_rnn_tile *t, int input,
                  bool transposed, int64_t K, int64_t column, int64_t extra);

/* ---- algos.c: the list of algorithms, which all cells share ---- */

extern const struct qni_algo *const qni_rnn_algos[];

/* What a pass over the steps needs and launches, by way. */
struct qni_rnn_pass {
    void (*sizes)(const struct qni_problem *p, enum qni_rnn_way way, struct qni_sizes *out);
    void (*pack)(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r);
    void (*emit)(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r);
};
extern const struct qni_rnn_pass qni_rnn_forward, qni_rnn_back;       /* cells.c */
extern const struct qni_rnn_pass qni_rnn_before, qni_rnn_before_back; /* gru_before.c */

/* ---- begin.c: operands that may be missing, first states ---- */

/* Bits of `flags` in cl/rnn/rnn.clh. */
enum qni_rnn_flag {
    QNI_RNN_F_MASK = 1, QNI_RNN_F_EXTRA = 2, QNI_RNN_F_DROP = 4, QNI_RNN_F_Y = 8, QNI_RNN_F_LAST = 16,
    QNI_RNN_F_LAST_CELL = 32, QNI_RNN_F_PREVIOUS = 64, QNI_RNN_F_GATES = 128, QNI_RNN_F_CELLS = 256,
    QNI_RNN_F_REVERSE = 512, QNI_RNN_F_ORDER = 1024, QNI_RNN_F_ZERO = 2048, QNI_RNN_F_FIRST = 4096,
    QNI_RNN_F_START = 8192, QNI_RNN_F_DX = 16384, QNI_RNN_F_DH0 = 32768, QNI_RNN_F_DC0 = 65536
};

int qni_rnn_flags(const struct qni_problem *p);
int qni_rnn_flags_grad(const struct qni_problem *p);
/* An operand, or where it is missing scratch, which the kernel then does not touch. */
void qni_rnn_in(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, int input);
void qni_rnn_out(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, int output);
/* Where states lie in scratch, in elements of 4 bytes. */
struct qni_rnn_states {
    int64_t a, h, c, first; /* a: what the first step's product reads; c: -1 for none */
};
/* The launch before the first step; nothing where there is nothing to do. */
void qni_rnn_begin(struct qni_recorder *r, const struct qni_problem *p, int64_t wide, const struct qni_rnn_states *at);
/* The same before a gradient: rows' first steps alone. */
void qni_rnn_begin_grad(struct qni_recorder *r, const struct qni_problem *p, int64_t first);

#endif
