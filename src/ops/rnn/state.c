/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * States that are kept from batch to batch: [B,U] for batches of up to B samples. A load takes as many rows as the batch
 * has, and no gradient goes through it; a store puts them back. */
#include "ops/rnn/rnn.h"

#define EACH 256

static const char *const tests[] = {"op/state", NULL};

/* Which of a node's values: [B,U] and [N,..]. */
enum { KEPT, BATCH };

static qn_status shape(struct qni_problem *p)
{
    const qn_shape *kept = &p->in[KEPT].shape, *batch = &p->in[BATCH].shape;
    const bool store = p->op == &qni_op_state_store;
    char a[160], b[160];

    if (p->in[KEPT].dtype != QN_F32 || kept->rank != 2 || batch->rank < 1 ||
        (store && (p->in[BATCH].dtype != QN_F32 || batch->rank != 2 || batch->dim[1] != kept->dim[1])))
        return qni_error(QN_E_SHAPE, "%s: a state %s does not fit %s", p->op->name,
                         qni_shape_text(kept, a, sizeof(a)), qni_shape_text(batch, b, sizeof(b)));
    if (!store) {
        p->out[0].dtype = QN_F32;
        p->out[0].shape = qni_shape(2, batch->dim[0], kept->dim[1]);
    }
    return QN_OK;
}

static bool applies(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    const int64_t rows = p->in[BATCH].shape.dim[0], most = p->in[KEPT].shape.dim[0], n = rows * p->in[KEPT].shape.dim[1];
    struct qni_launch *l;

    if (rows > most && !r->status)
        r->status = qni_error(QN_E_SHAPE, "%s: a batch of %lld samples meets states of at most %lld", p->op->name,
                              (long long)rows, (long long)most);
    if (!n)
        return;
    l = qni_launch_add(r, "rnn/copy", "copy");
    qni_define(r, l, "QN_DTYPE", QN_F32);
    qni_define(r, l, "QN_EACH", EACH);
    if (p->op == &qni_op_state_load) {
        qni_in(r, l, KEPT, QN_F32);
        qni_out(r, l, 0, QN_F32);
    } else {
        qni_in(r, l, BATCH, QN_F32);
        qni_in(r, l, KEPT, QN_F32);
    }
    qni_i64(r, l, n);
    qni_grid(r, l, 1, (const int64_t[]){qni_ceil_div(n, EACH)}, (const int64_t[]){1});
    qni_work(l, 0, (uint64_t)n * 8);
}

static const struct qni_algo copy = {.name = "copy", .applies = applies, .emit = emit, .cpu = true, .gpu = true};
static const struct qni_algo *const algos[] = {&copy, NULL};

const struct qni_op qni_op_state_load = {
    .name = "state_load", .family = "state", .min_inputs = 2, .max_inputs = 2, .outputs = 1,
    .flags = QNI_OP_NO_GRADIENT, .shape = shape, .algos = algos, .tests = tests, .dtypes = "f32",
};
const struct qni_op qni_op_state_store = {
    .name = "state_store", .family = "state", .min_inputs = 2, .max_inputs = 2, .outputs = 0, .updates = 1u << KEPT,
    .flags = QNI_OP_NO_GRADIENT, .shape = shape, .algos = algos, .tests = tests, .dtypes = "f32",
};
