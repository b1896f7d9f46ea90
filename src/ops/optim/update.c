/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>

#include "ops/optim/optim.h"

#define GROUP_ITEMS 256
#define ROW_ITEMS 64 /* for rows, which are short */
#define CPU_CHUNK 8192
#define SCALE 5 /* inputs */
#define USED 6

static const char *const tests[] = { "op/update", NULL };

/* The order of the kernel's QN_RULE. */
enum rule { RULE_SGD, RULE_ADAM, RULE_RMSPROP, RULE_ADAGRAD, RULE_ADADELTA, RULE_ADAMAX, RULE_LION };

static enum rule rule_of(const struct qni_op *op)
{
    static const struct qni_op *const ops[] = { &qni_op_sgd, &qni_op_adam, &qni_op_rmsprop, &qni_op_adagrad,
                                                &qni_op_adadelta, &qni_op_adamax, &qni_op_lion };
    size_t i = 0;

    while (ops[i] != op)
        i++;
    return (enum rule)i;
}

unsigned qni_update_slots(const struct qni_op *op, const struct qni_update *t)
{
    switch (rule_of(op)) {
    case RULE_SGD: return t->momentum != 0;
    case RULE_ADAM: return t->amsgrad ? 7 : 3;
    case RULE_RMSPROP: return 1u | (t->centered ? 2 : 0) | (t->momentum != 0 ? 4 : 0);
    case RULE_ADADELTA:
    case RULE_ADAMAX: return 3;
    case RULE_ADAGRAD:
    case RULE_LION: break;
    }
    return 1;
}

static bool given(const struct qni_problem *p, int input)
{
    return input < p->inputs && !(p->absent >> input & 1);
}

static qn_status check_part(const struct qni_problem *p)
{
    const struct qni_update *t = p->attr;
    const int64_t n = qni_elements(&p->in[0].shape);
    int64_t count = t->count;

    if (given(p, USED)) {
        if (p->in[USED].dtype != QN_I32)
            return qni_error(QN_E_ARG, "%s: which rows are used is i32", p->op->name);
        count = qni_elements(&p->in[USED].shape) * t->units;
    }
    if (t->first < 0 || t->first > n || count < 0 || count > n - t->first)
        return qni_error(QN_E_SHAPE, "%s: elements %lld to %lld of %lld", p->op->name, (long long)t->first,
                         (long long)(t->first + count), (long long)n);
    return QN_OK;
}

static qn_status shape(struct qni_problem *p)
{
    const unsigned slots = qni_update_slots(p->op, p->attr);
    char a[160], b[160];

    for (int i = 0; i < SCALE; i++) {
        const bool wanted = i < 2 || (slots >> (i - 2) & 1);

        if (given(p, i) != wanted)
            return qni_error(QN_E_ARG, "%s: input %d is %s", p->op->name, i, wanted ? "missing" : "not used");
        if (wanted && (p->in[i].dtype != QN_F32 || !qni_shape_equal(&p->in[i].shape, &p->in[0].shape)))
            return qni_error(QN_E_SHAPE, "%s: input %d is %s %s, expected f32 %s", p->op->name, i,
                             qn_dtype_name(p->in[i].dtype), qni_shape_text(&p->in[i].shape, a, sizeof(a)),
                             qni_shape_text(&p->in[0].shape, b, sizeof(b)));
    }
    if (given(p, SCALE) && (p->in[SCALE].dtype != QN_F32 || qni_elements(&p->in[SCALE].shape) != 1))
        return qni_error(QN_E_SHAPE, "%s: the scale is no single f32 number", p->op->name);
    return check_part(p);
}

static bool apply(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

static bool wide_apply(const struct qni_problem *p)
{
    return apply(p) && p->caps->group_items >= GROUP_ITEMS && p->caps->group_size[0] >= GROUP_ITEMS;
}

static int variant(const struct qni_problem *p)
{
    const struct qni_update *t = p->attr;

    switch (rule_of(p->op)) {
    case RULE_SGD: return t->nesterov != 0;
    case RULE_ADAM: return t->amsgrad != 0;
    case RULE_RMSPROP: return t->centered != 0;
    case RULE_ADAGRAD:
    case RULE_ADADELTA:
    case RULE_ADAMAX:
    case RULE_LION: break;
    }
    return 0;
}

/* The rule's own numbers, as the kernel lists them. */
static void numbers(const struct qni_problem *p, float out[4])
{
    const struct qni_update *t = p->attr;

    memset(out, 0, 4 * sizeof(*out));
    switch (rule_of(p->op)) {
    case RULE_SGD:
        out[0] = t->momentum;
        break;
    case RULE_ADAM:
        /* As Keras: the moments take 1 - beta of the number given, alpha the powers of beta in f32. With 0.999 that is 6.5e-6 of
         * every step, enough to part from Keras at some relu or max pool within 50 steps. */
        out[0] = (float)(1 - t->beta1);
        out[1] = (float)(1 - t->beta2);
        out[2] = (float)log((double)(float)t->beta1);
        out[3] = (float)log((double)(float)t->beta2);
        break;
    case RULE_RMSPROP:
        out[0] = t->rho;
        out[1] = t->momentum;
        break;
    case RULE_ADADELTA:
        out[0] = t->rho;
        break;
    case RULE_ADAMAX:
        out[0] = (float)(1 - (double)t->beta1);
        out[1] = (float)t->beta2;
        out[2] = (float)log((double)t->beta1);
        break;
    case RULE_LION:
        out[0] = (float)t->beta1;
        out[1] = (float)t->beta2;
        break;
    case RULE_ADAGRAD:
        break;
    }
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool wide)
{
    const struct qni_update *t = p->attr;
    const bool rows = given(p, USED);
    const int64_t each = rows ? QNI_MAX(1, t->units) : 1, items = rows ? ROW_ITEMS : GROUP_ITEMS;
    const int64_t count = t->count ? t->count : qni_elements(&p->in[0].shape) - t->first; /* elements */
    const int64_t n = rows ? qni_elements(&p->in[USED].shape) : count;                    /* of `each` elements */
    const unsigned slots = qni_update_slots(p->op, t);
    const int64_t local[1] = { wide ? items : 1 };
    const int64_t chunk = QNI_MAX(1, (wide ? items * 4 : CPU_CHUNK) / each);
    const int64_t groups[1] = { qni_ceil_div(n, chunk) };
    struct qni_launch *l = rows ? qni_launch_add(r, "optim/update_rows", "update_rows")
                                : qni_launch_add(r, "optim/update", "update");
    int arrays = 3;
    float number[4];

    qni_define(r, l, "QN_V", wide ? 4 : p->caps->vector);
    qni_define(r, l, "QN_RULE", rule_of(p->op));
    qni_define(r, l, "QN_VARIANT", variant(p));
    qni_define(r, l, "QN_SLOT_BITS", slots);
    qni_define(r, l, "QN_SCALE", given(p, SCALE));
    qni_in_at(r, l, 0, QN_F32, t->first);
    qni_in_at(r, l, 1, QN_F32, t->first);
    for (int k = 0; k < 3; k++) {
        qni_in_at(r, l, slots >> k & 1 ? 2 + k : 0, QN_F32, t->first); /* one that is not there is not touched */
        arrays += slots >> k & 1 ? 2 : 0;
    }
    qni_in(r, l, given(p, SCALE) ? SCALE : 1, QN_F32);
    qni_step(r, l);
    qni_device_block(r, l);
    if (rows)
        qni_in(r, l, USED, QN_I32);
    qni_i64(r, l, n);
    qni_i32(r, l, chunk);
    if (rows)
        qni_i64(r, l, t->units);
    qni_i64(r, l, t->decay_end < 0 ? n * each : t->decay_end - t->first);
    qni_f32(r, l, t->weight_decay);
    qni_f32(r, l, t->clipvalue);
    qni_f32(r, l, t->epsilon);
    numbers(p, number);
    for (int k = 0; k < 4; k++)
        qni_f32(r, l, number[k]);
    qni_grid(r, l, 1, groups, local);
    qni_work(l, (uint64_t)(n * each) * 10, (uint64_t)(n * each * arrays) * sizeof(float));
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, false);
}

static void emit_lanes(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, true);
}

static const struct qni_algo lanes = { .name = "lanes", .applies = wide_apply, .emit = emit_lanes, .gpu = true };
static const struct qni_algo vector = { .name = "vector", .applies = apply, .emit = emit_vector, .cpu = true };
static const struct qni_algo *const algos[] = { &lanes, &vector, NULL };

#define UPDATES (1u << 0 | 1u << 2 | 1u << 3 | 1u << 4)

#define RULE(id) \
    { .name = id, .family = "optim", .attr_bytes = sizeof(struct qni_update), .min_inputs = 2, .max_inputs = 7, \
      .flags = QNI_OP_NO_GRADIENT, .updates = UPDATES, .shape = shape, .algos = algos, .tests = tests, .dtypes = "f32" }

const struct qni_op qni_op_sgd = RULE("sgd");
const struct qni_op qni_op_adam = RULE("adam");
const struct qni_op qni_op_rmsprop = RULE("rmsprop");
const struct qni_op qni_op_adagrad = RULE("adagrad");
const struct qni_op qni_op_adadelta = RULE("adadelta");
const struct qni_op qni_op_adamax = RULE("adamax");
const struct qni_op qni_op_lion = RULE("lion");

/* ---- the step counter ---- */

static qn_status advance_shape(struct qni_problem *p)
{
    if (p->in[0].dtype != QN_I32 || qni_elements(&p->in[0].shape) < 1)
        return qni_error(QN_E_SHAPE, "%s takes the device's step block", p->op->name);
    return QN_OK;
}

static void advance_emit(const struct qni_problem *p, struct qni_recorder *r)
{
    static const int64_t one[1] = { 1 };
    struct qni_launch *l = qni_launch_add(r, "optim/advance", "advance");

    (void)p;
    qni_in(r, l, 0, QN_I32);
    qni_grid(r, l, 1, one, one);
    qni_work(l, 0, 8);
}

static const struct qni_algo advance = { .name = "one", .applies = apply, .emit = advance_emit, .cpu = true, .gpu = true };
static const struct qni_algo *const advance_algos[] = { &advance, NULL };

const struct qni_op qni_op_advance = {
    .name = "advance", .family = "optim", .min_inputs = 1, .max_inputs = 1, .flags = QNI_OP_NO_GRADIENT, .updates = 1,
    .shape = advance_shape, .algos = advance_algos, .tests = tests, .dtypes = "i32",
};
