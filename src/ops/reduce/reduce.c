/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Reductions over any axes. Neighbouring axes of one kind are merged, then one
 * run of reduced axes after the other, the innermost first, is taken away:
 * [A, L, B] becomes [A, B]. A long L is cut into parts whose number depends on
 * sizes alone, and the parts' results are reduced in a second pass: equal bits
 * whatever the number of threads. */
#include "ops/reduce/reduce.h"

#define MAX_PASSES (2 * QN_MAX_RANK)
#define PART_ELEMENTS 32768 /* of x in a part: 128 KiB, some microseconds on one core */
#define MOST_PARTS 64

struct pass {
    int64_t a, length, b, part, parts;
    int64_t from, to;  /* elements into the scratch; -1: the operand */
    bool first;        /* reads the input: squares and absolute values are taken here */
    bool last;
};

struct passes {
    struct pass pass[MAX_PASSES];
    int n;
    int64_t scratch;   /* elements */
    int64_t terms;     /* elements of x for an element of y */
};

static void add_pass(struct passes *ps, int64_t a, int64_t length, int64_t b, int64_t parts)
{
    struct pass *p = &ps->pass[ps->n];

    *p = (struct pass){ .a = a, .length = length, .b = b, .from = -1, .first = ps->n == 0 };
    p->part = length ? qni_ceil_div(length, parts) : 0;
    p->parts = length ? qni_ceil_div(length, p->part) : 1;
    if (ps->n)
        p->from = ps->pass[ps->n - 1].to;
    p->to = ps->scratch;
    ps->scratch += qni_round_up(a * p->parts * b, 32);
    ps->n++;
}

/* All reduced axes are 1: a pass like that of the first one, were it longer, so that a batch of one takes the kernel that other
 * batches take. */
static void add_ones(struct passes *ps, unsigned axes, const qn_shape *x)
{
    int64_t a = 1;

    for (int i = 0; i < x->rank && !(axes >> i & 1); i++)
        a *= x->dim[i];
    add_pass(ps, a, 1, qni_elements(x) / QNI_MAX(a, 1), 1);
}

static void plan(const struct qni_problem *q, struct passes *ps)
{
    const struct qni_reduce *attr = q->attr;
    const qn_shape *x = &q->in[0].shape;
    int64_t size[QN_MAX_RANK];
    bool reduced[QN_MAX_RANK];
    int n = 0;

    memset(ps, 0, sizeof(*ps));
    ps->terms = 1;
    for (int i = 0; i < x->rank; i++) {
        bool r = attr->axes >> i & 1;

        if (r)
            ps->terms *= x->dim[i];
        if (x->dim[i] == 1)
            continue;
        if (n && reduced[n - 1] == r) {
            size[n - 1] *= x->dim[i];
        } else {
            size[n] = x->dim[i];
            reduced[n++] = r;
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        int64_t a = 1, b = 1, parts;

        if (!reduced[i])
            continue;
        for (int k = 0; k < i; k++)
            a *= size[k];
        for (int k = i + 1; k < n; k++)
            b *= reduced[k] ? 1 : size[k];
        /* So many pieces of work there are without parts, so many there should be. */
        parts = QNI_MIN(MOST_PARTS, a * size[i] * b / PART_ELEMENTS) / QNI_MAX(1, a * qni_ceil_div(b, 64));
        parts = QNI_MAX(1, QNI_MIN(parts, size[i]));
        add_pass(ps, a, size[i], b, parts);
        if (ps->pass[ps->n - 1].parts > 1)
            add_pass(ps, a, ps->pass[ps->n - 1].parts, b, 1);
    }
    if (!ps->n)
        add_ones(ps, attr->axes, x);
    ps->scratch = ps->pass[ps->n - 1].to;
    ps->pass[ps->n - 1].to = -1;
    ps->pass[ps->n - 1].last = true;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct passes ps;

    plan(p, &ps);
    out->scratch = (size_t)ps.scratch * sizeof(float);
}

static void add_operands(const struct qni_problem *q, const struct pass *p, struct qni_recorder *r, struct qni_launch *l)
{
    qn_dtype d = q->in[0].dtype, middle = d == QN_I32 ? QN_I32 : QN_F32;

    if (p->from < 0)
        qni_in(r, l, 0, d);
    else
        qni_scratch(r, l, middle, p->from);
    if (p->to < 0)
        qni_out(r, l, 0, d);
    else
        qni_scratch(r, l, middle, p->to);
    qni_define(r, l, "QN_DTYPE", p->from < 0 ? (int64_t)d : (int64_t)middle);
    qni_define(r, l, "QN_OUT", p->to < 0 ? (int64_t)d : (int64_t)middle);
}

static void define_kind(const struct qni_problem *q, const struct pass *p, struct qni_recorder *r, struct qni_launch *l)
{
    int kind = ((const struct qni_reduce *)q->attr)->kind;

    if (kind == QNI_REDUCE_MEAN || (!p->first && (kind == QNI_REDUCE_SUM_SQUARES || kind == QNI_REDUCE_SUM_ABS)))
        kind = QNI_REDUCE_SUM;
    qni_define(r, l, "QN_KIND", kind);
}

static float scale_of(const struct qni_problem *q, const struct passes *ps, const struct pass *p)
{
    const struct qni_reduce *attr = q->attr;

    return p->last && attr->kind == QNI_REDUCE_MEAN ? 1.0f / (float)ps->terms : 1.0f;
}

static void emit_rows_vector(const struct qni_problem *q, const struct pass *p, float scale, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "reduce/rows_vector", "rows_vector");
    int64_t run = QNI_MAX(1, QNI_MAX(8192 / QNI_MAX(1, p->part), qni_ceil_div(p->a, 4096)));

    add_operands(q, p, r, l);
    define_kind(q, p, r, l);
    qni_define(r, l, "QN_N", QNI_MAX(q->caps->vector, 4));
    qni_i64(r, l, p->a);
    qni_i64(r, l, p->length);
    qni_i64(r, l, p->part);
    qni_i64(r, l, p->parts);
    qni_i64(r, l, run);
    qni_f32(r, l, scale);
    qni_grid(r, l, 2, (int64_t[]){ qni_ceil_div(p->a, run), p->parts }, NULL);
}

static void emit_columns_vector(const struct qni_problem *q, const struct pass *p, float scale, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "reduce/columns_vector", "columns_vector");
    int lanes = QNI_MAX(q->caps->vector, 4);

    add_operands(q, p, r, l);
    define_kind(q, p, r, l);
    qni_define(r, l, "QN_N", lanes);
    qni_i64(r, l, p->length);
    qni_i64(r, l, p->b);
    qni_i64(r, l, p->part);
    qni_i64(r, l, p->parts);
    qni_i64(r, l, qni_ceil_div(p->b, 4 * lanes));
    qni_f32(r, l, scale);
    qni_grid(r, l, 2, (int64_t[]){ p->a * qni_ceil_div(p->b, 4 * lanes), p->parts }, NULL);
}

static void emit_rows_group(const struct qni_problem *q, const struct pass *p, float scale, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "reduce/rows_group", "rows_group");
    int64_t local = 128, width = 1;

    while (width < local && width * 4 < p->part)
        width *= 2;
    add_operands(q, p, r, l);
    define_kind(q, p, r, l);
    qni_i64(r, l, p->a);
    qni_i64(r, l, p->length);
    qni_i64(r, l, p->part);
    qni_i64(r, l, p->parts);
    qni_i32(r, l, width);
    qni_f32(r, l, scale);
    qni_grid(r, l, 2, (int64_t[]){ qni_ceil_div(p->a, local / width), p->parts }, (int64_t[]){ local, 1 });
}

static void emit_columns_group(const struct qni_problem *q, const struct pass *p, float scale, struct qni_recorder *r)
{
    struct qni_launch *l = qni_launch_add(r, "reduce/columns_group", "columns_group");

    add_operands(q, p, r, l);
    define_kind(q, p, r, l);
    qni_i64(r, l, p->length);
    qni_i64(r, l, p->b);
    qni_i64(r, l, p->part);
    qni_i64(r, l, p->parts);
    qni_i64(r, l, qni_ceil_div(p->b, 32));
    qni_f32(r, l, scale);
    qni_grid(r, l, 2, (int64_t[]){ p->a * qni_ceil_div(p->b, 32), p->parts }, (int64_t[]){ 32, 4 });
}

static void emit(const struct qni_problem *q, struct qni_recorder *r, bool vector)
{
    struct passes ps;

    if (!qni_elements(&q->out[0].shape))
        return;
    plan(q, &ps);
    for (int i = 0; i < ps.n; i++) {
        const struct pass *p = &ps.pass[i];
        float scale = scale_of(q, &ps, p);

        if (p->b == 1)
            (vector ? emit_rows_vector : emit_rows_group)(q, p, scale, r);
        else
            (vector ? emit_columns_vector : emit_columns_group)(q, p, scale, r);
        if (r->launches)
            qni_work(&r->launch[r->launches - 1], (uint64_t)(p->a * p->length * p->b),
                     (uint64_t)(p->a * (p->length + p->parts) * p->b) * 4);
    }
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static bool applies(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool group_applies(const struct qni_problem *p)
{
    return applies(p) && p->caps->group_items >= 128;
}

/* ---- shape and gradient, those of arg max too ---- */

qn_status qni_reduce_shape(struct qni_problem *p)
{
    const struct qni_reduce *attr = p->attr;
    const qn_shape *x = &p->in[0].shape;
    qn_shape y = { 0 };

    if (attr->kind < 0 || attr->kind >= QNI_REDUCE_KINDS)
        return qni_error(QN_E_ARG, "there is no reduction %d", attr->kind);
    if (attr->axes >> x->rank)
        return qni_error(QN_E_SHAPE, "a reduction over axes 0x%x, of a value with %d axes", attr->axes, x->rank);
    for (int a = 0; a < x->rank; a++)
        if (!(attr->axes >> a & 1))
            y.dim[y.rank++] = x->dim[a];
        else if (attr->keep >> a & 1)
            y.dim[y.rank++] = 1;
    p->outputs = 1;
    p->out[0].shape = y;
    p->out[0].dtype = p->in[0].dtype;
    return QN_OK;
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_reduce *attr = p->attr;
    qn_dtype d = p->in[0].dtype;
    qn_status st = qni_reduce_shape(p);

    if (st)
        return st;
    if (attr->kind >= QNI_REDUCE_ARGMAX)
        return qni_error(QN_E_ARG, "reduction %d is another operation", attr->kind);
    if (d > QN_I32 || (d == QN_I32 && attr->kind == QNI_REDUCE_MEAN))
        return qni_error(QN_E_ARG, "this reduction does not take %s values: cast them first", qn_dtype_name(d));
    return QN_OK;
}

static const struct qni_algo vector_algo = { .name = "vector", .applies = applies, .sizes = sizes, .emit = emit_vector,
                                             .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = group_applies, .sizes = sizes, .emit = emit_group,
                                            .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &vector_algo, NULL };
static const char *const tests[] = { "op/reduce", "grad/math", NULL };

const struct qni_op qni_op_reduce = {
    .name = "reduce", .family = "reduce", .attr_bytes = sizeof(struct qni_reduce), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .shape = shape, .grad = qni_reduce_grad, .algos = algos, .tests = tests, .dtypes = "f32 f16 bf16 i32",
};
