/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Where the largest or smallest element is. */
#include "ops/reduce/reduce.h"

/* The reduced axes must lie side by side: [A, L, B]. */
static bool as_block(const qn_shape *x, uint32_t axes, int64_t *a, int64_t *l, int64_t *b)
{
    int64_t size[3] = { 1, 1, 1 };
    int part = 0;

    for (int i = 0; i < x->rank; i++) {
        bool reduced = axes >> i & 1;

        if (x->dim[i] == 1)
            continue;
        if (reduced && part == 0)
            part = 1;
        if (!reduced && part == 1)
            part = 2;
        if (reduced && part == 2)
            return false;
        size[part] *= x->dim[i];
    }
    *a = size[0];
    *l = size[1];
    *b = size[2];
    return true;
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_reduce *attr = p->attr;
    int64_t a, l, b;
    qn_status st = qni_reduce_shape(p);

    if (st)
        return st;
    p->out[0].dtype = QN_I32;
    if (attr->kind != QNI_REDUCE_ARGMAX && attr->kind != QNI_REDUCE_ARGMIN)
        return qni_error(QN_E_ARG, "reduction %d gives no index", attr->kind);
    if (p->in[0].dtype != QN_F32 && p->in[0].dtype != QN_I32)
        return qni_error(QN_E_ARG, "the index of an extremum of %s values: cast them first", qn_dtype_name(p->in[0].dtype));
    if (!as_block(&p->in[0].shape, attr->axes, &a, &l, &b) || l > INT32_MAX)
        return qni_error(QN_E_UNSUPPORTED, "%s: the index of an extremum is taken over neighbouring axes of less than 2^31 "
                                            "elements", p->op->name);
    return QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_reduce *attr = p->attr;
    int64_t a = 0, l = 0, b = 0, n, local = vector ? 1 : 64, run;
    struct qni_launch *k;

    as_block(&p->in[0].shape, attr->axes, &a, &l, &b);
    n = a * b;
    if (!n)
        return;
    run = vector ? QNI_MAX(1, QNI_MAX(4096 / QNI_MAX(1, l), n / 1024)) : 1;
    k = qni_launch_add(r, "reduce/arg", "arg");
    qni_define(r, k, "QN_KIND", attr->kind == QNI_REDUCE_ARGMIN);
    qni_define_text(r, k, "QN_T", p->in[0].dtype == QN_I32 ? "int" : "float");
    qni_in(r, k, 0, p->in[0].dtype);
    qni_out(r, k, 0, QN_I32);
    qni_i64(r, k, n);
    qni_i64(r, k, l);
    qni_i64(r, k, b);
    qni_i64(r, k, run);
    qni_i64(r, k, local);
    qni_grid(r, k, 1, (int64_t[]){ qni_ceil_div(n, run * local) }, (int64_t[]){ local });
    qni_work(k, (uint64_t)(n * l), (uint64_t)(n * l + n) * 4);
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static bool applies(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static const struct qni_algo run_algo = { .name = "run", .applies = applies, .emit = emit_vector, .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = applies, .emit = emit_group, .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &run_algo, NULL };
static const char *const tests[] = { "op/reduce", NULL };

const struct qni_op qni_op_arg_reduce = {
    .name = "arg_reduce", .family = "reduce", .attr_bytes = sizeof(struct qni_reduce), .min_inputs = 1,
    .max_inputs = 1, .outputs = 1, .flags = QNI_OP_NO_GRADIENT, .shape = shape, .algos = algos, .tests = tests,
    .dtypes = "f32 i32",
};
