/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Which rows of a table numbers speak of. */
#include "ops/shape/shape.h"

static qn_status shape(struct qni_problem *p)
{
    const struct qni_mark *m = p->attr;
    qn_status st = QN_OK;

    for (int k = 0; k < p->inputs && !st; k++)
        st = qni_index_check(&p->in[k]);
    p->outputs = 1;
    p->out[0] = (struct qni_desc){ QN_I32, qni_shape(1, m->rows) };
    return st ? st : m->rows < 0 ? qni_error(QN_E_SHAPE, "%lld rows", (long long)m->rows) : QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_mark *m = p->attr;
    const int64_t local = vector ? 1 : 64;

    qni_fill_emit(p, r, 0, 0, vector);
    for (int k = 0; k < p->inputs && m->rows; k++) {
        const int64_t n = qni_elements(&p->in[k].shape);
        const int64_t run = vector ? QNI_MAX(2048, qni_ceil_div(n, 4 * (int64_t)p->caps->units)) : 1;
        const int64_t groups = vector ? qni_ceil_div(n, run) : QNI_MIN(qni_ceil_div(n, local), 1024);
        struct qni_launch *l = qni_launch_add(r, "shape/mark", "mark");

        qni_define_text(r, l, "QN_I", qni_index_type(p->in[k].dtype));
        qni_in(r, l, k, p->in[k].dtype);
        qni_out(r, l, 0, QN_I32);
        qni_i64(r, l, m->rows);
        qni_i64(r, l, n);
        qni_i64(r, l, vector ? run : groups * local);
        qni_grid(r, l, 1, &groups, &local);
        qni_work(l, 0, (uint64_t)n * 8);
    }
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static const struct qni_algo vector_algo = { .name = "vector", .applies = qni_shape_applies, .emit = emit_vector, .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = qni_shape_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &vector_algo, NULL };

const struct qni_op qni_op_mark = {
    .name = "mark", .family = "shape", .attr_bytes = sizeof(struct qni_mark), .min_inputs = 1, .max_inputs = QNI_MAX_IN,
    .outputs = 1, .flags = QNI_OP_NO_GRADIENT, .shape = shape, .algos = algos, .tests = qni_shape_tests, .dtypes = "i32 i64 u8",
};
