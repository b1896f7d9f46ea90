/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrence: the operations, and the three ways to run each of them. */
#include "ops/rnn/rnn.h"

static const char *const tests[] = {"op/rnn", "op/rnn_grad", NULL};

static const struct qni_rnn_pass *pass_of(const struct qni_problem *p)
{
    return p->op == &qni_op_gru_before        ? &qni_rnn_before
           : p->op == &qni_op_gru_before_grad ? &qni_rnn_before_back
           : qni_rnn_is_grad(p->op)           ? &qni_rnn_back
                                              : &qni_rnn_forward;
}

static bool empty(const struct qni_problem *p)
{
    struct qni_rnn_numbers n;

    qni_rnn_numbers(&n, p);
    return !n.N || !n.U;
}

static void sizes(const struct qni_problem *p, enum qni_rnn_way way, struct qni_sizes *out)
{
    if (!empty(p))
        pass_of(p)->sizes(p, way, out);
}

static void pack(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    pass_of(p)->pack(p, way, r);
}

static void emit(const struct qni_problem *p, enum qni_rnn_way way, struct qni_recorder *r)
{
    if (!empty(p))
        pass_of(p)->emit(p, way, r);
}

/* ---- a GPU: a launch a step, a work-group a tile ---- */

static bool groups_apply(const struct qni_problem *p)
{
    return qni_rnn_applies(p, QNI_RNN_GROUPS);
}

static void groups_sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, QNI_RNN_GROUPS, out);
}

static void groups_pack(const struct qni_problem *p, int input, struct qni_recorder *r)
{
    (void)input;
    pack(p, QNI_RNN_GROUPS, r);
}

static void groups_emit(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, QNI_RNN_GROUPS, r);
}

static const struct qni_algo groups = {.name = "groups", .applies = groups_apply, .sizes = groups_sizes, .pack = groups_pack,
                                      .emit = groups_emit, .gpu = true};

/* ---- a CPU, few rows of many units: a launch a step ---- */

static bool steps_apply(const struct qni_problem *p)
{
    return qni_rnn_applies(p, QNI_RNN_STEPS);
}

static void steps_sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, QNI_RNN_STEPS, out);
}

static void steps_pack(const struct qni_problem *p, int input, struct qni_recorder *r)
{
    (void)input;
    pack(p, QNI_RNN_STEPS, r);
}

static void steps_emit(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, QNI_RNN_STEPS, r);
}

static const struct qni_algo steps = {.name = "steps", .applies = steps_apply, .sizes = steps_sizes, .pack = steps_pack,
                                     .emit = steps_emit, .cpu = true};

/* ---- all steps in one launch ---- */

static bool rows_apply(const struct qni_problem *p)
{
    return qni_rnn_applies(p, QNI_RNN_ROWS);
}

static void rows_sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    sizes(p, QNI_RNN_ROWS, out);
}

static void rows_pack(const struct qni_problem *p, int input, struct qni_recorder *r)
{
    (void)input;
    pack(p, QNI_RNN_ROWS, r);
}

static void rows_emit(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, QNI_RNN_ROWS, r);
}

static const struct qni_algo rows = {.name = "rows", .applies = rows_apply, .sizes = rows_sizes, .pack = rows_pack,
                                    .emit = rows_emit, .cpu = true};

const struct qni_algo *const qni_rnn_algos[] = {
    &groups, /* work-groups of 64 */
    &steps,  /* fewer tiles of rows than compute units, and a kernel too large to stay in a cache */
    &rows,   /* always applies but where loops are short; keep it last */
    NULL
};

const struct qni_op qni_op_lstm = {
    .name = "lstm", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_INPUTS, .outputs = 6, .shape = qni_rnn_shape, .grad = qni_rnn_gradient,
    .infer = qni_rnn_infer, .algos = qni_rnn_algos, .tests = tests, .dtypes = "f32",
    .inplace = QNI_RNN_X + 1, .inplace_out = QNI_RNN_GATES,
};
const struct qni_op qni_op_lstm_grad = {
    .name = "lstm_grad", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_G_INPUTS, .outputs = 3, .shape = qni_rnn_shape_grad, .algos = qni_rnn_algos,
    .tests = tests, .dtypes = "f32",
    .inplace = QNI_RNN_G_GATES + 1, .inplace_out = QNI_RNN_G_DX,
};

const struct qni_op qni_op_gru = {
    .name = "gru", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_INPUTS, .outputs = 4, .shape = qni_rnn_shape, .grad = qni_rnn_gradient,
    .infer = qni_rnn_infer, .algos = qni_rnn_algos, .tests = tests, .dtypes = "f32",
};
const struct qni_op qni_op_gru_grad = {
    .name = "gru_grad", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_G_INPUTS, .outputs = 3, .shape = qni_rnn_shape_grad, .algos = qni_rnn_algos,
    .tests = tests, .dtypes = "f32",
};

const struct qni_op qni_op_gru_before = {
    .name = "gru_before", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_INPUTS, .outputs = 5, .shape = qni_rnn_shape, .grad = qni_rnn_gradient,
    .infer = qni_rnn_infer, .algos = qni_rnn_algos, .tests = tests, .dtypes = "f32",
    .inplace = QNI_RNN_X + 1, .inplace_out = QNI_RNN_GATES,
};
const struct qni_op qni_op_gru_before_grad = {
    .name = "gru_before_grad", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_G_INPUTS, .outputs = 2, .shape = qni_rnn_shape_grad, .algos = qni_rnn_algos,
    .tests = tests, .dtypes = "f32",
    .inplace = QNI_RNN_G_GATES + 1, .inplace_out = QNI_RNN_G_DX,
};

const struct qni_op qni_op_simple_rnn = {
    .name = "simple_rnn", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_INPUTS, .outputs = 4, .shape = qni_rnn_shape, .grad = qni_rnn_gradient,
    .infer = qni_rnn_infer, .algos = qni_rnn_algos, .tests = tests, .dtypes = "f32",
    .inplace = QNI_RNN_X + 1, .inplace_out = QNI_RNN_GATES,
};
const struct qni_op qni_op_simple_rnn_grad = {
    .name = "simple_rnn_grad", .family = "rnn", .attr_bytes = sizeof(struct qni_rnn), .min_inputs = 2,
    .max_inputs = QNI_RNN_G_INPUTS, .outputs = 2, .shape = qni_rnn_shape_grad, .algos = qni_rnn_algos,
    .tests = tests, .dtypes = "f32",
    .inplace = QNI_RNN_G_GATES + 1, .inplace_out = QNI_RNN_G_DX,
};
