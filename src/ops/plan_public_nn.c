/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * More of the public planners of quern/op_plan.h: normalisation, element-wise work, shapes, recurrence, losses,
 * metrics. */
#include <quern/op_plan.h>

#include "graph/step.h"
#include "ops/eltwise/eltwise.h"
#include "ops/loss/loss.h"
#include "ops/metric/metric.h"
#include "ops/norm/norm.h"
#include "ops/primitive.h"
#include "ops/rnn/rnn.h"
#include "ops/shape/shape.h"

struct request {
    const struct qni_op *op;
    const void *attr;
    struct qni_desc in[QNI_MAX_IN];
    int inputs;
    unsigned absent;                 /* bits of inputs that are not there */
    const char *algorithm;
    const uintptr_t *reserved;       /* [4], or NULL */
};

static qn_status plan(qn_op **out, qn_device *dev, const struct request *rq)
{
    const struct qni_algo *algo = NULL;

    if (out)
        *out = NULL;
    if (!out || !dev)
        return qni_error(QN_E_ARG, "%s is NULL", out ? "dev" : "out");
    for (int i = 0; rq->reserved && i < 4; i++)
        if (rq->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%d] of the options is not zero", i);
    if (rq->algorithm && !(algo = qni_algo_find(rq->op, rq->algorithm)))
        return qni_error(QN_E_ARG, "%s has no algorithm %s", rq->op->name, rq->algorithm);
    return qni_primitive_create(out, dev, rq->op, rq->attr, rq->in, rq->inputs, rq->absent, 0, NULL, algo);
}

/* A shape that a caller gave is there and possible; else *out becomes NULL. */
static qn_status check(qn_op **out, const qn_shape *s, const char *name)
{
    if (out)
        *out = NULL;
    if (!s)
        return qni_error(QN_E_ARG, "the shape of %s is NULL", name);
    if (s->rank < 0 || s->rank > QN_MAX_RANK)
        return qni_error(QN_E_ARG, "the rank of %s is %d, expected 0 to %d", name, s->rank, QN_MAX_RANK);
    return QN_OK;
}

static struct qni_desc f32(const qn_shape *s)
{
    return (struct qni_desc){ QN_F32, *s };
}

/* ---- batch normalisation ---- */

static qn_status plan_norm(qn_op **out, qn_device *dev, const struct qni_op *op, int x_input, const qn_shape *x,
                           const qn_op_batch_norm_opt *opt)
{
    static const qn_op_batch_norm_opt defaults;
    const qn_op_batch_norm_opt *o = opt ? opt : &defaults;
    const bool backward = x_input == 1, inference = op == &qni_op_batch_norm_inference;
    struct qni_batch_norm a = { .epsilon = o->epsilon != 0.0f ? o->epsilon : 1e-3f,
                                .momentum = o->momentum != 0.0f ? o->momentum : 0.99f };
    struct request rq = { .op = op, .attr = &a, .inputs = 5, .algorithm = o->algorithm, .reserved = o->reserved };
    qn_shape channels = { .rank = 1 };
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if (x->rank < 1 || !(a.epsilon > 0.0f) || !(a.momentum >= 0.0f && a.momentum <= 1.0f))
        return qni_error(QN_E_ARG, "x has no axis, or epsilon %g or momentum %g is out of range", (double)a.epsilon,
                         (double)a.momentum);
    channels.dim[0] = x->dim[x->rank - 1];
    for (int i = 0; i < 5; i++)
        rq.in[i] = i <= x_input ? f32(x) : f32(&channels);
    if (o->no_gamma)
        rq.absent |= 1u << (x_input + 1);
    if (o->no_beta && !backward)
        rq.absent |= 1u << 2;
    if (o->no_moving && !backward && !inference)
        rq.absent |= 1u << 3 | 1u << 4;
    return plan(out, dev, &rq);
}

qn_status qn_op_batch_norm_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_batch_norm_opt *opt)
{
    return plan_norm(out, dev, &qni_op_batch_norm, 0, x, opt);
}

qn_status qn_op_batch_norm_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_batch_norm_opt *opt)
{
    return plan_norm(out, dev, &qni_op_batch_norm_grad, 1, x, opt);
}

qn_status qn_op_batch_norm_inference_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_batch_norm_opt *opt)
{
    return plan_norm(out, dev, &qni_op_batch_norm_inference, 0, x, opt);
}

/* ---- element by element ---- */

static qn_status plan_elements(qn_op **out, qn_device *dev, struct qni_elt_code code, const struct qni_desc *in, int n)
{
    struct qni_eltwise e = { .inputs = n, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN }, .code = { code } };
    struct request rq = { .op = code.kind == QNI_ELT_DROPOUT ? &qni_op_dropout : &qni_op_eltwise, .attr = &e, .inputs = n };

    for (int i = 0; i < n; i++)
        rq.in[i] = in[i];
    return plan(out, dev, &rq);
}

qn_status qn_op_act_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x, qn_act act, float alpha)
{
    const int kind = qni_elt_act_kind((int)act);
    struct qni_elt_code code = { .operand = { 0, -1, -1 }, .alpha = alpha };
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if (kind < 0)
        return qni_error(QN_E_ARG, "there is no activation %d of single elements", (int)act);
    if (kind == QNI_ELT_IDENTITY) {
        code.kind = QNI_ELT_IDENTITY;
    } else if (kind == QNI_ELT_EXP) {
        code.kind = QNI_ELT_MUL; /* dy y */
        code.operand[1] = 2;
    } else {
        code.kind = (uint8_t)qni_elt_info(kind)->grad_kind;
        code.operand[1] = qni_elt_info(kind)->grad_of == 'y' ? 2 : 1;
    }
    return plan_elements(out, dev, code, (struct qni_desc[]){ f32(x), f32(x), f32(x) }, 3);
}

qn_status qn_op_unary_plan(qn_op **out, qn_device *dev, qn_unary f, const qn_shape *x)
{
    static const uint8_t kinds[] = {
        [QN_UNARY_NEG] = QNI_ELT_NEG, [QN_UNARY_ABS] = QNI_ELT_ABS, [QN_UNARY_SIGN] = QNI_ELT_SIGN,
        [QN_UNARY_EXP] = QNI_ELT_EXP, [QN_UNARY_LOG] = QNI_ELT_LOG, [QN_UNARY_SQRT] = QNI_ELT_SQRT,
        [QN_UNARY_RSQRT] = QNI_ELT_RSQRT, [QN_UNARY_SQUARE] = QNI_ELT_SQUARE, [QN_UNARY_RECIPROCAL] = QNI_ELT_RECIPROCAL,
        [QN_UNARY_SIN] = QNI_ELT_SIN, [QN_UNARY_COS] = QNI_ELT_COS, [QN_UNARY_FLOOR] = QNI_ELT_FLOOR,
        [QN_UNARY_CEIL] = QNI_ELT_CEIL, [QN_UNARY_ROUND] = QNI_ELT_ROUND, [QN_UNARY_ERF] = QNI_ELT_ERF,
    };
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if ((unsigned)f >= QNI_COUNT(kinds))
        return qni_error(QN_E_ARG, "there is no function %d of one operand", (int)f);
    return plan_elements(out, dev, (struct qni_elt_code){ .kind = kinds[f], .operand = { 0, -1, -1 } },
                         (struct qni_desc[]){ f32(x) }, 1);
}

qn_status qn_op_binary_plan(qn_op **out, qn_device *dev, qn_binary f, const qn_shape *a, const qn_shape *b)
{
    static const uint8_t kinds[] = {
        [QN_BINARY_ADD] = QNI_ELT_ADD, [QN_BINARY_SUB] = QNI_ELT_SUB, [QN_BINARY_MUL] = QNI_ELT_MUL,
        [QN_BINARY_DIV] = QNI_ELT_DIV, [QN_BINARY_POW] = QNI_ELT_POW, [QN_BINARY_MINIMUM] = QNI_ELT_MIN,
        [QN_BINARY_MAXIMUM] = QNI_ELT_MAX, [QN_BINARY_EQUAL] = QNI_ELT_EQ, [QN_BINARY_NOT_EQUAL] = QNI_ELT_NE,
        [QN_BINARY_LESS] = QNI_ELT_LT, [QN_BINARY_LESS_EQUAL] = QNI_ELT_LE, [QN_BINARY_GREATER] = QNI_ELT_GT,
        [QN_BINARY_GREATER_EQUAL] = QNI_ELT_GE,
    };
    qn_status st;

    if ((st = check(out, a, "a")) || (st = check(out, b, "b")))
        return st;
    if ((unsigned)f >= QNI_COUNT(kinds))
        return qni_error(QN_E_ARG, "there is no function %d of two operands", (int)f);
    return plan_elements(out, dev, (struct qni_elt_code){ .kind = kinds[f], .operand = { 0, 1, -1 } },
                         (struct qni_desc[]){ f32(a), f32(b) }, 2);
}

qn_status qn_op_where_plan(qn_op **out, qn_device *dev, const qn_shape *condition, const qn_shape *a, const qn_shape *b)
{
    qn_status st;

    if ((st = check(out, condition, "condition")) || (st = check(out, a, "a")) || (st = check(out, b, "b")))
        return st;
    return plan_elements(out, dev, (struct qni_elt_code){ .kind = QNI_ELT_WHERE, .operand = { 0, 1, 2 } },
                         (struct qni_desc[]){ { QN_U8, *condition }, f32(a), f32(b) }, 3);
}

qn_status qn_op_clip_plan(qn_op **out, qn_device *dev, const qn_shape *x, float least, float most)
{
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    return plan_elements(out, dev, (struct qni_elt_code){ .kind = QNI_ELT_CLIP, .operand = { 0, -1, -1 }, .alpha = least,
                                                          .beta = most }, (struct qni_desc[]){ f32(x) }, 1);
}

qn_status qn_op_dropout_plan(qn_op **out, qn_device *dev, const qn_shape *x, float rate)
{
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if (!(rate >= 0.0f && rate < 1.0f))
        return qni_error(QN_E_ARG, "rate is %g, expected 0 or more and below 1", (double)rate);
    return plan_elements(out, dev, (struct qni_elt_code){ .kind = QNI_ELT_DROPOUT, .operand = { 0, -1, -1 }, .alpha = rate,
                                                          .beta = 1.0f / (1.0f - rate), .stream = 1 },
                         (struct qni_desc[]){ f32(x) }, 1);
}

/* ---- shapes ---- */

qn_status qn_op_transpose_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, const int *axes)
{
    struct qni_transpose a = { 0 };
    unsigned seen = 0;
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    a.rank = x->rank;
    for (int i = 0; i < x->rank; i++) {
        const int axis = axes ? axes[i] : x->rank - 1 - i;

        if (axis < 0 || axis >= x->rank || seen & 1u << axis)
            return qni_error(QN_E_ARG, "axes[%d] is %d, expected each of 0 to %d once", i, axis, x->rank - 1);
        seen |= 1u << axis;
        a.from[i] = axis;
    }
    return plan(out, dev, &(struct request){ .op = &qni_op_transpose, .attr = &a, .in = { { dtype, *x } }, .inputs = 1 });
}

qn_status qn_op_concat_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, int n, int axis)
{
    struct qni_concat a = { axis };
    struct request rq = { .op = &qni_op_concat, .attr = &a, .inputs = n };
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if (n < 1 || n > 8)
        return qni_error(QN_E_ARG, "%d values, expected 1 to 8", n);
    a.axis += axis < 0 ? x->rank : 0;
    for (int i = 0; i < n; i++) {
        if ((st = check(out, &x[i], "a value")))
            return st;
        rq.in[i] = (struct qni_desc){ dtype, x[i] };
    }
    return plan(out, dev, &rq);
}

qn_status qn_op_slice_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, int axes, const int64_t *start,
                           const int64_t *stop, const int64_t *step)
{
    struct qni_slice a = { .axes = axes };
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if (axes < 0 || axes > x->rank || (axes && (!start || !stop)))
        return qni_error(QN_E_ARG, "axes is %d of %d, or a list is NULL", axes, x->rank);
    for (int i = 0; i < axes; i++) {
        a.start[i] = start[i];
        a.stop[i] = stop[i];
        a.step[i] = step ? step[i] : 1;
    }
    return plan(out, dev, &(struct request){ .op = &qni_op_slice, .attr = &a, .in = { { dtype, *x } }, .inputs = 1 });
}

qn_status qn_op_pad_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, int axes, const int64_t *before,
                         const int64_t *after, float value)
{
    struct qni_pad a = { .axes = axes, .value = value };
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if (axes < 0 || axes > x->rank || (axes && (!before || !after)))
        return qni_error(QN_E_ARG, "axes is %d of %d, or a list is NULL", axes, x->rank);
    for (int i = 0; i < axes; i++) {
        a.before[i] = before[i];
        a.after[i] = after[i];
    }
    return plan(out, dev, &(struct request){ .op = &qni_op_pad, .attr = &a, .in = { { dtype, *x } }, .inputs = 1 });
}

static bool in_range(int *axis, int rank)
{
    *axis += *axis < 0 ? rank : 0;
    if (*axis < 0 || *axis >= rank)
        qni_error(QN_E_ARG, "the axis is out of range of %d axes", rank);
    return *axis >= 0 && *axis < rank;
}

qn_status qn_op_gather_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, const qn_shape *index, int axis)
{
    qn_status st;

    if ((st = check(out, x, "x")) || (st = check(out, index, "index")))
        return st;
    if (!in_range(&axis, x->rank))
        return QN_E_ARG;
    return plan(out, dev, &(struct request){ .op = &qni_op_gather, .attr = &(struct qni_gather){ axis },
                                             .in = { { dtype, *x }, { QN_I32, *index } }, .inputs = 2 });
}

qn_status qn_op_scatter_add_plan(qn_op **out, qn_device *dev, const qn_shape *values, const qn_shape *index,
                                 const qn_shape *shape, int axis)
{
    struct qni_scatter_add a = { .has_shape = true };
    qn_status st;

    if ((st = check(out, values, "values")) || (st = check(out, index, "index")) || (st = check(out, shape, "y")))
        return st;
    if (!in_range(&axis, shape->rank))
        return QN_E_ARG;
    a.axis = axis;
    a.shape = *shape;
    return plan(out, dev, &(struct request){ .op = &qni_op_scatter_add, .attr = &a,
                                             .in = { f32(values), { QN_I32, *index } }, .inputs = 2 });
}

qn_status qn_op_one_hot_plan(qn_op **out, qn_device *dev, const qn_shape *index, int64_t depth)
{
    qn_status st = check(out, index, "index");

    if (st)
        return st;
    return plan(out, dev, &(struct request){ .op = &qni_op_one_hot, .attr = &(struct qni_one_hot){ depth },
                                             .in = { { QN_I32, *index } }, .inputs = 1 });
}

/* ---- recurrence ---- */

struct recurrence {
    const struct qni_op *forward, *backward;
    int columns, saved;              /* of a kernel and of the gates, for each unit */
};

static qn_status recurrence(struct recurrence *r, qn_op_rnn cell, const qn_op_rnn_opt *o)
{
    static const struct recurrence all[] = {
        [QN_OP_LSTM] = { &qni_op_lstm, &qni_op_lstm_grad, 4, 4 },
        [QN_OP_GRU] = { &qni_op_gru, &qni_op_gru_grad, 3, 4 },
        [QN_OP_SIMPLE_RNN] = { &qni_op_simple_rnn, &qni_op_simple_rnn_grad, 1, 1 },
    };

    if ((unsigned)cell >= QNI_COUNT(all))
        return qni_error(QN_E_ARG, "there is no recurrent cell %d", (int)cell);
    if ((cell != QN_OP_LSTM && (o->c0 || o->peephole || o->hidden_act || o->cell_gradient)) ||
        (cell != QN_OP_GRU && (o->recurrent_bias || o->reset_before)) || (o->recurrent_bias && o->reset_before))
        return qni_error(QN_E_ARG, "c0, peephole, hidden_act and cell_gradient are LSTM's, reset_before and recurrent_bias "
                                   "GRU's, one of the two at most");
    *r = o->reset_before ? (struct recurrence){ &qni_op_gru_before, &qni_op_gru_before_grad, 3, 3 } : all[cell];
    return QN_OK;
}

static struct qni_rnn rnn_attr(const qn_op_rnn_opt *o)
{
    struct qni_rnn t = { .reverse = o->reverse, .order = o->order, .zero = o->zero_output, .clip = o->clip };

    t.act[0] = qni_rnn_activation(o->recurrent_act, QN_SIGMOID);
    t.alpha[0] = o->recurrent_alpha;
    t.act[1] = qni_rnn_activation(o->act, QN_TANH);
    t.alpha[1] = o->act_alpha;
    t.act[2] = o->hidden_act == QN_LINEAR ? t.act[1] : qni_rnn_activation(o->hidden_act, QN_TANH);
    t.alpha[2] = o->hidden_act == QN_LINEAR ? o->act_alpha : o->hidden_alpha;
    return t;
}

static qn_status sequence(qn_op **out, const qn_shape *x, int columns)
{
    qn_status st = check(out, x, "x");

    if (!st && (x->rank != 3 || x->dim[2] % columns))
        st = qni_error(QN_E_SHAPE, "x has %d axes, expected [N,T,%d*units]", x->rank, columns);
    return st;
}

qn_status qn_op_rnn_plan(qn_op **out, qn_device *dev, qn_op_rnn cell, const qn_shape *x, const qn_op_rnn_opt *opt)
{
    static const qn_op_rnn_opt defaults;
    const qn_op_rnn_opt *o = opt ? opt : &defaults;
    const struct qni_rnn attr = rnn_attr(o);
    const bool present[QNI_RNN_INPUTS] = { true, true, o->h0, o->c0, o->mask, o->peephole || o->recurrent_bias,
                                           o->recurrent_drop };
    struct request rq = { .attr = &attr, .inputs = QNI_RNN_INPUTS, .algorithm = o->algorithm, .reserved = o->reserved };
    struct recurrence r;
    qn_shape state;
    int64_t U;
    qn_status st;

    if (out)
        *out = NULL;
    if ((st = recurrence(&r, cell, o)) || (st = sequence(out, x, r.columns)))
        return st;
    rq.op = r.forward;
    U = x->dim[2] / r.columns;
    state = qni_shape(2, x->dim[0], U);
    for (int i = 0; i < QNI_RNN_INPUTS; i++) {
        rq.in[i] = f32(&state);
        rq.absent |= present[i] ? 0 : 1u << i;
    }
    rq.in[QNI_RNN_X] = f32(x);
    rq.in[QNI_RNN_W].shape = qni_shape(2, U, r.columns * U);
    rq.in[QNI_RNN_MASK] = (struct qni_desc){ QN_U8, qni_shape(2, x->dim[0], x->dim[1]) };
    rq.in[QNI_RNN_EXTRA].shape = cell == QN_OP_LSTM ? qni_shape(2, (int64_t)3, U) : qni_shape(1, 3 * U);
    return plan(out, dev, &rq);
}

qn_status qn_op_rnn_backward_plan(qn_op **out, qn_device *dev, qn_op_rnn cell, const qn_shape *x, const qn_op_rnn_opt *opt)
{
    static const qn_op_rnn_opt defaults;
    const qn_op_rnn_opt *o = opt ? opt : &defaults;
    const struct qni_rnn attr = rnn_attr(o);
    const bool lstm = cell == QN_OP_LSTM;
    const bool present[QNI_RNN_G_INPUTS] = { true, true, true, o->state_gradient, o->cell_gradient, lstm, o->c0,
                                             cell == QN_OP_GRU, o->mask, o->peephole, o->recurrent_drop, o->h0 };
    struct request rq = { .attr = &attr, .inputs = QNI_RNN_G_INPUTS, .algorithm = o->algorithm, .reserved = o->reserved };
    struct recurrence r;
    qn_shape state, steps;
    int64_t U;
    qn_status st;

    if (out)
        *out = NULL;
    if ((st = recurrence(&r, cell, o)) || (st = sequence(out, x, r.columns)))
        return st;
    rq.op = r.backward;
    U = x->dim[2] / r.columns;
    state = qni_shape(2, x->dim[0], U);
    steps = qni_shape(3, x->dim[0], x->dim[1], U);
    for (int i = 0; i < QNI_RNN_G_INPUTS; i++) {
        const bool all = i == QNI_RNN_G_DY || i == QNI_RNN_G_CELLS || i == QNI_RNN_G_PREVIOUS;

        rq.in[i] = f32(all ? &steps : &state);
        rq.absent |= present[i] ? 0 : 1u << i;
    }
    rq.in[QNI_RNN_G_GATES].shape = qni_shape(3, x->dim[0], x->dim[1], r.saved * U);
    rq.in[QNI_RNN_G_W].shape = qni_shape(2, U, r.columns * U);
    rq.in[QNI_RNN_G_MASK] = (struct qni_desc){ QN_U8, qni_shape(2, x->dim[0], x->dim[1]) };
    rq.in[QNI_RNN_G_EXTRA].shape = qni_shape(2, (int64_t)3, U);
    return plan(out, dev, &rq);
}

/* ---- losses ---- */

static qn_status plan_loss(qn_op **out, qn_device *dev, qn_op_loss kind, const qn_shape *x, const qn_op_loss_opt *opt,
                           bool backward)
{
    static const qn_op_loss_opt defaults;
    const qn_op_loss_opt *o = opt ? opt : &defaults;
    const bool sparse = kind == QN_OP_SPARSE_CROSS_ENTROPY, cross = sparse || kind == QN_OP_CROSS_ENTROPY;
    const int32_t reduction = o->each ? QNI_NONE : QNI_MEAN;
    struct qni_cross_entropy c = { .dense = !sparse, .probabilities = o->probabilities, .reduction = reduction,
                                   .smoothing = sparse ? 0.0f : o->label_smoothing };
    struct qni_pointwise p = { .reduction = reduction, .delta = o->delta != 0.0f ? o->delta : 1.0f,
                               .smoothing = o->label_smoothing };
    struct request rq = { .algorithm = o->algorithm, .reserved = o->reserved };
    qn_shape rows, saved = { .rank = 1 }, one = { 0 };
    int64_t n = 1;
    int i = 0;
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if ((unsigned)kind > QN_OP_HUBER || x->rank < 1)
        return qni_error(QN_E_ARG, "there is no loss %d, or x has no axis", (int)kind);
    if (!(o->label_smoothing >= 0.0f && o->label_smoothing < 1.0f))
        return qni_error(QN_E_ARG, "label_smoothing is %g, expected 0 or more and below 1", (double)o->label_smoothing);
    p.kind = kind == QN_OP_BINARY_CROSS_ENTROPY ? o->probabilities ? QNI_BINARY_PROBABILITIES : QNI_BINARY_LOGITS :
             kind == QN_OP_ABSOLUTE_ERROR ? QNI_ABSOLUTE : kind == QN_OP_HUBER ? QNI_HUBER : QNI_SQUARED;
    rows = *x;
    rows.rank--;
    for (int k = 0; k < rows.rank; k++)
        if (__builtin_mul_overflow(n, rows.dim[k], &n))
            return qni_error(QN_E_SHAPE, "x has too many elements");
    if (__builtin_mul_overflow(n, 2, &saved.dim[0]))
        return qni_error(QN_E_SHAPE, "x has too many elements");
    if (backward)
        rq.in[i++] = f32(o->each ? &rows : &one);
    rq.in[i++] = f32(x);
    rq.in[i++] = (struct qni_desc){ sparse ? QN_I32 : QN_F32, sparse ? rows : *x };
    rq.absent = o->weights ? 0 : 1u << i;
    rq.in[i++] = f32(&rows);
    if (cross && backward) {
        rq.in[i++] = f32(&saved);
        rq.in[i++] = f32(&one);
    }
    rq.inputs = i;
    rq.attr = cross ? (const void *)&c : &p;
    rq.op = cross ? backward ? &qni_op_cross_entropy_grad : &qni_op_cross_entropy
                  : backward ? &qni_op_pointwise_loss_grad : &qni_op_pointwise_loss;
    return plan(out, dev, &rq);
}

qn_status qn_op_loss_plan(qn_op **out, qn_device *dev, qn_op_loss kind, const qn_shape *x, const qn_op_loss_opt *opt)
{
    return plan_loss(out, dev, kind, x, opt, false);
}

qn_status qn_op_loss_backward_plan(qn_op **out, qn_device *dev, qn_op_loss kind, const qn_shape *x,
                                   const qn_op_loss_opt *opt)
{
    return plan_loss(out, dev, kind, x, opt, true);
}

/* ---- metrics ---- */

qn_status qn_op_metric_plan(qn_op **out, qn_device *dev, qn_op_metric kind, const qn_shape *x, int top)
{
    const bool sparse = kind == QN_OP_SPARSE_ACCURACY, by_class = sparse || kind == QN_OP_ACCURACY;
    const struct qni_metric_class c = { .dense = !sparse, .top = top };
    const struct qni_metric_pointwise p = {
        .kind = kind == QN_OP_BINARY_ACCURACY ? QNI_METRIC_BINARY_ACCURACY :
                kind == QN_OP_METRIC_ABSOLUTE_ERROR ? QNI_METRIC_ABSOLUTE : QNI_METRIC_SQUARED,
        .delta = 0.5f };
    const qn_shape state = { .rank = 1, .dim = { QNI_METRIC_WORDS } };
    qn_shape targets;
    qn_status st = check(out, x, "x");

    if (st)
        return st;
    if ((unsigned)kind > QN_OP_METRIC_ABSOLUTE_ERROR || x->rank < 1 || top < 0 || (top && !by_class))
        return qni_error(QN_E_ARG, "there is no metric %d of the %d largest, or x has no axis", (int)kind, top);
    targets = *x;
    targets.rank -= sparse;
    return plan(out, dev, &(struct request){
        .op = by_class ? &qni_op_metric_class : &qni_op_metric_pointwise, .attr = by_class ? (const void *)&c : &p,
        .in = { f32(&state), f32(x), { sparse ? QN_I32 : QN_F32, targets } }, .inputs = 3 });
}

/* ---- where in a training ---- */

qn_status qn_op_set_step(qn_op *op, const qn_op_step *step)
{
    uint32_t host[QNI_STEP_WORDS] = { 0 }, device[QNI_STEP_WORDS] = { 0 };

    if (!op || !step)
        return qni_error(QN_E_ARG, "op or step is NULL");
    memcpy(&host[QNI_STEP_LR], &step->lr, sizeof(step->lr));
    host[QNI_STEP_NUMBER] = (uint32_t)step->step;
    host[QNI_STEP_SAMPLE_LO] = (uint32_t)step->sample;
    host[QNI_STEP_SAMPLE_HI] = (uint32_t)(step->sample >> 32);
    host[QNI_STEP_SEED_LO] = (uint32_t)step->seed;
    host[QNI_STEP_SEED_HI] = (uint32_t)(step->seed >> 32);
    device[0] = (uint32_t)step->step; /* steps taken: cl/common/step.clh */
    return qni_primitive_set_blocks(op, host, device);
}
