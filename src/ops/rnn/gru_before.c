/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * GRU whose reset gate acts before the recurrent product: cl/rnn/gru_before.cl and gru_before_grad.cl. A step has two
 * phases, each with a packed kernel of its own: of z and r, and behind it of g. */
#include "ops/rnn/rnn.h"

/* ---- forward ---- */

/* Phase 1 makes strips of both gates, phase 2 strips of neighbours. */
static void tiles(struct qni_rnn_tile t[2], const struct qni_problem *p, enum qni_rnn_way way)
{
    qni_rnn_tile(&t[0], p, way, 2, true);
    qni_rnn_tile(&t[1], p, way, 2, false);
}

static void sizes(const struct qni_problem *p, enum qni_rnn_way way, struct qni_sizes *out)
{
    struct qni_rnn_numbers n;
    struct qni_rnn_tile t[2];

    qni_rnn_numbers(&n, p);
    tiles(t, p, way);
    out->packed[QNI_RNN_W] = qni_rnn_packed_bytes(&t[0], n.U) + qni_rnn_packed_bytes(&t[1], n.U);
    out->scratch = (size_t)(n.N * (4 * t[1].wide + 1)) * sizeof(float);
}

static int64_t second(const struct qni_rnn_tile *t, int64_t U)
{
    return (int64_t)(qni_rnn_packed_bytes(t, U) / sizeof(float));
}

static void pack(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    struct qni_rnn_numbers n;
    struct qni_rnn_tile t[2];

    qni_rnn_numbers(&n, p);
    tiles(t, p, way);
    qni_rnn_pack(r, p, &t[0], QNI_RNN_W, false, n.U, 0, 0);
    qni_rnn_pack(r, p, &t[1], QNI_RNN_W, false, n.U, 2 * n.U, second(t, n.U));
}

static void launch(const struct qni_problem *p, struct qni_recorder *r, const struct qni_rnn_tile t[2], int phases)
{
    const struct qni_rnn_tile *grid = &t[phases == 2];
    const struct qni_rnn *a = p->attr;
    struct qni_rnn_numbers n;
    struct qni_launch *l;
    int64_t area;

    qni_rnn_numbers(&n, p);
    area = n.N * t[1].wide;
    l = qni_launch_add(r, "rnn/gru_before", "gru_before");
    qni_rnn_define(r, l, p, &t[0]);
    qni_in(r, l, QNI_RNN_X, QN_F32);
    qni_packed(r, l, QNI_RNN_W, QN_F32, 0);
    qni_packed(r, l, QNI_RNN_W, QN_F32, second(t, n.U));
    qni_rnn_in(r, l, p, QNI_RNN_MASK);
    qni_rnn_in(r, l, p, QNI_RNN_DROP);
    qni_scratch(r, l, QN_I32, 4 * area);
    qni_rnn_out(r, l, p, QNI_RNN_Y);
    qni_rnn_out(r, l, p, QNI_RNN_H);
    qni_rnn_out(r, l, p, QNI_RNN_PREVIOUS);
    qni_rnn_out(r, l, p, QNI_RNN_GATES);
    qni_rnn_out(r, l, p, QNI_RNN_CELLS);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, n.N);
    qni_i32(r, l, n.T);
    qni_i32(r, l, n.U);
    qni_i32(r, l, t[0].rows_each);
    qni_i32(r, l, t[0].strips);
    qni_i32(r, l, t[1].strips);
    qni_i32(r, l, grid->way == QNI_RNN_ROWS ? t[0].strips : grid->strips_each);
    qni_i64(r, l, t[1].wide);
    qni_i64(r, l, area);
    qni_i32(r, l, qni_rnn_flags(p));
    qni_i32(r, l, phases);
    qni_f32(r, l, a->clip);
    qni_f32(r, l, a->alpha[0]);
    qni_f32(r, l, a->alpha[1]);
    qni_rnn_grid(r, l, grid);
    qni_work(l, (uint64_t)(2 * n.N * n.T * n.U * n.U * (phases == 3 ? 3 : phases == 1 ? 2 : 1)),
             (uint64_t)(n.N * n.T * n.U * (phases == 3 ? 10 : 5)) * sizeof(float));
}

static void emit(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    struct qni_rnn_numbers n;
    struct qni_rnn_tile t[2];
    int64_t area;

    qni_rnn_numbers(&n, p);
    tiles(t, p, way);
    area = n.N * t[1].wide;
    qni_rnn_begin(r, p, t[1].wide, &(struct qni_rnn_states){.h = 0, .a = area, .c = -1, .first = 4 * area});
    if (!n.T)
        return;
    qni_rnn_loop(r, &t[0], n.T);
    if (way == QNI_RNN_ROWS) {
        launch(p, r, t, 3);
    } else {
        launch(p, r, t, 1);
        launch(p, r, t, 2);
    }
    qni_rnn_loop_end(r, &t[0]);
}

const struct qni_rnn_pass qni_rnn_before = {sizes, pack, emit};

/* ---- gradient ---- */

static void back_tile(struct qni_rnn_tile *t, const struct qni_problem *p, enum qni_rnn_way way)
{
    qni_rnn_tile(t, p, way, 2, false);
}

static void back_sizes(const struct qni_problem *p, enum qni_rnn_way way, struct qni_sizes *out)
{
    struct qni_rnn_numbers n;
    struct qni_rnn_tile t;

    qni_rnn_numbers(&n, p);
    back_tile(&t, p, way);
    out->packed[QNI_RNN_G_W] = qni_rnn_packed_bytes(&t, 3 * n.U);
    out->scratch = (size_t)(n.N * (5 * n.U + t.wide + 1)) * sizeof(float);
}

static void back_pack(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    struct qni_rnn_numbers n;
    struct qni_rnn_tile t;

    qni_rnn_numbers(&n, p);
    back_tile(&t, p, way);
    qni_rnn_pack(r, p, &t, QNI_RNN_G_W, true, 2 * n.U, 0, 0);
    qni_rnn_pack(r, p, &t, QNI_RNN_G_W, true, n.U, 2 * n.U, second(&t, 2 * n.U));
}

static void back_launch(const struct qni_problem *p, struct qni_recorder *r, const struct qni_rnn_tile *t, int phases)
{
    const struct qni_rnn *a = p->attr;
    struct qni_rnn_numbers n;
    struct qni_launch *l;

    qni_rnn_numbers(&n, p);
    l = qni_launch_add(r, "rnn/gru_before_grad", "gru_before_grad");
    qni_rnn_define(r, l, p, t);
    qni_rnn_in(r, l, p, QNI_RNN_G_DY);
    qni_rnn_in(r, l, p, QNI_RNN_G_DH);
    qni_packed(r, l, QNI_RNN_G_W, QN_F32, 0);
    qni_packed(r, l, QNI_RNN_G_W, QN_F32, second(t, 2 * n.U));
    qni_rnn_in(r, l, p, QNI_RNN_G_GATES);
    qni_rnn_in(r, l, p, QNI_RNN_G_PREVIOUS);
    qni_rnn_in(r, l, p, QNI_RNN_G_MASK);
    qni_rnn_in(r, l, p, QNI_RNN_G_DROP);
    qni_scratch(r, l, QN_I32, n.N * (5 * n.U + t->wide));
    qni_rnn_out(r, l, p, QNI_RNN_G_DX);
    qni_rnn_out(r, l, p, QNI_RNN_G_DH0);
    qni_scratch(r, l, QN_F32, 0);
    qni_i32(r, l, n.N);
    qni_i32(r, l, n.T);
    qni_i32(r, l, n.U);
    qni_i32(r, l, t->rows_each);
    qni_i32(r, l, t->strips);
    qni_i32(r, l, t->strips_each);
    qni_i32(r, l, qni_rnn_flags_grad(p));
    qni_i32(r, l, phases);
    qni_f32(r, l, a->clip);
    qni_f32(r, l, a->alpha[0]);
    qni_f32(r, l, a->alpha[1]);
    qni_rnn_grid(r, l, t);
    qni_work(l, (uint64_t)(2 * n.N * n.T * n.U * n.U * (phases == 3 ? 3 : phases == 1 ? 2 : 1)),
             (uint64_t)(n.N * n.T * n.U * (phases == 3 ? 9 : 4)) * sizeof(float));
}

static void back_emit(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    struct qni_rnn_numbers n;
    struct qni_rnn_tile t;
    int64_t passes;

    qni_rnn_numbers(&n, p);
    back_tile(&t, p, way);
    passes = n.T + (qni_rnn_wants(p, QNI_RNN_G_DH0) ? 1 : 0);
    if (!passes)
        return;
    qni_rnn_begin_grad(r, p, n.N * (5 * n.U + t.wide));
    qni_rnn_loop(r, &t, passes);
    if (way == QNI_RNN_ROWS) {
        back_launch(p, r, &t, 3);
    } else {
        back_launch(p, r, &t, 1);
        back_launch(p, r, &t, 2);
    }
    qni_rnn_loop_end(r, &t);
}

const struct qni_rnn_pass qni_rnn_before_back = {back_sizes, back_pack, back_emit};
