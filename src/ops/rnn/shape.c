/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrence: what operands must look like. */
#include "ops/act.h"
#include "ops/rnn/rnn.h"

bool qni_rnn_is_grad(const struct qni_op *op)
{
    return op == &qni_op_lstm_grad || op == &qni_op_gru_grad || op == &qni_op_gru_before_grad ||
           op == &qni_op_simple_rnn_grad;
}

static bool is_lstm(const struct qni_op *op)
{
    return op == &qni_op_lstm || op == &qni_op_lstm_grad;
}

static bool is_before(const struct qni_op *op)
{
    return op == &qni_op_gru_before || op == &qni_op_gru_before_grad;
}

static bool is_simple(const struct qni_op *op)
{
    return op == &qni_op_simple_rnn || op == &qni_op_simple_rnn_grad;
}

bool qni_rnn_has(const struct qni_problem *p, int input)
{
    return input < p->inputs && !(p->absent >> input & 1);
}

bool qni_rnn_wants(const struct qni_problem *p, int output)
{
    return output < p->outputs && !(p->unwanted >> output & 1);
}

void qni_rnn_numbers(struct qni_rnn_numbers *out, const struct qni_problem *p)
{
    const bool grad = qni_rnn_is_grad(p->op);
    const qn_shape *s = &p->in[grad ? QNI_RNN_G_GATES : QNI_RNN_X].shape;

    out->gates = is_lstm(p->op) ? 4 : is_simple(p->op) ? 1 : 3;
    out->saved = out->gates == 3 && !is_before(p->op) ? 4 : out->gates;
    out->N = s->dim[0];
    out->T = s->dim[1];
    out->U = s->dim[2] / (grad ? out->saved : out->gates);
}

static qn_status expect(const struct qni_problem *p, int input, qn_dtype dtype, qn_shape want)
{
    char a[160], b[160];

    if (!qni_rnn_has(p, input) || (p->in[input].dtype == dtype && qni_shape_equal(&p->in[input].shape, &want)))
        return QN_OK;
    return qni_error(QN_E_SHAPE, "%s: input %d is %s %s, expected %s %s", p->op->name, input,
                     qn_dtype_name(p->in[input].dtype), qni_shape_text(&p->in[input].shape, a, sizeof(a)),
                     qn_dtype_name(dtype), qni_shape_text(&want, b, sizeof(b)));
}

static qn_status refuse(const struct qni_problem *p, int input, bool allowed)
{
    return allowed || !qni_rnn_has(p, input) ? QN_OK
                                             : qni_error(QN_E_ARG, "%s takes no input %d", p->op->name, input);
}

static qn_status check_attr(const struct qni_problem *p)
{
    const struct qni_rnn *t = p->attr;

    for (int i = 0; i < 3; i++)
        if (!qni_act_by_result(t->act[i], t->alpha[i]))
            return qni_error(QN_E_UNSUPPORTED, "%s: activation %d with parameter %g cannot be used in a recurrent cell: "
                             "its derivative is no function of its result", p->op->name, (int)t->act[i],
                             (double)t->alpha[i]);
    if (!(t->clip >= 0))
        return qni_error(QN_E_ARG, "%s: clip is %g, expected 0 or more", p->op->name, (double)t->clip);
    return QN_OK;
}

/* Input `input` must be f32 [N,T,k*U]. */
static qn_status check_sequence(const struct qni_problem *p, int input, int k)
{
    const qn_shape *s = &p->in[input].shape;
    char text[160];

    if (!qni_rnn_has(p, input) || p->in[input].dtype != QN_F32 || s->rank != 3 || s->dim[2] % k)
        return qni_error(QN_E_SHAPE, "%s: input %d is %s %s, expected f32 [N,T,%d*units]", p->op->name, input,
                         qn_dtype_name(p->in[input].dtype), qni_shape_text(s, text, sizeof(text)), k);
    if (s->dim[0] > INT32_MAX || s->dim[1] >= INT32_MAX || s->dim[2] > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: %s is too large", p->op->name, qni_shape_text(s, text, sizeof(text)));
    return QN_OK;
}

static void set(struct qni_desc *d, qn_shape s)
{
    d->dtype = QN_F32;
    d->shape = s;
}

qn_status qni_rnn_shape(struct qni_problem *p)
{
    const bool lstm = is_lstm(p->op);
    const int G = lstm ? 4 : is_simple(p->op) ? 1 : 3;
    struct qni_rnn_numbers n;
    qn_status st;

    if ((st = check_attr(p)) || (st = check_sequence(p, QNI_RNN_X, G)))
        return st;
    qni_rnn_numbers(&n, p);
    if (!qni_rnn_has(p, QNI_RNN_W))
        return qni_error(QN_E_ARG, "%s needs a recurrent kernel", p->op->name);
    if ((st = expect(p, QNI_RNN_W, QN_F32, qni_shape(2, n.U, G * n.U))) ||
        (st = expect(p, QNI_RNN_H0, QN_F32, qni_shape(2, n.N, n.U))) || (st = refuse(p, QNI_RNN_C0, lstm)) ||
        (st = expect(p, QNI_RNN_C0, QN_F32, qni_shape(2, n.N, n.U))) ||
        (st = expect(p, QNI_RNN_MASK, QN_U8, qni_shape(2, n.N, n.T))) ||
        (st = refuse(p, QNI_RNN_EXTRA, lstm || p->op == &qni_op_gru)) ||
        (st = expect(p, QNI_RNN_EXTRA, QN_F32, lstm ? qni_shape(2, (int64_t)3, n.U) : qni_shape(1, 3 * n.U))) ||
        (st = expect(p, QNI_RNN_DROP, QN_F32, qni_shape(2, n.N, n.U))))
        return st;
    set(&p->out[QNI_RNN_Y], qni_shape(3, n.N, n.T, n.U));
    set(&p->out[QNI_RNN_H], qni_shape(2, n.N, n.U));
    set(&p->out[QNI_RNN_PREVIOUS], qni_shape(3, n.N, n.T, n.U));
    set(&p->out[QNI_RNN_GATES], qni_shape(3, n.N, n.T, n.saved * n.U));
    if (p->outputs > QNI_RNN_CELLS)
        set(&p->out[QNI_RNN_CELLS], qni_shape(3, n.N, n.T, n.U));
    if (p->outputs > QNI_RNN_C)
        set(&p->out[QNI_RNN_C], qni_shape(2, n.N, n.U));
    return QN_OK;
}

qn_status qni_rnn_shape_grad(struct qni_problem *p)
{
    const bool lstm = is_lstm(p->op), simple = is_simple(p->op);
    const int S = lstm ? 4 : simple ? 1 : is_before(p->op) ? 3 : 4;
    struct qni_rnn_numbers n;
    qn_shape state, sequence;
    qn_status st;

    if ((st = check_attr(p)) || (st = check_sequence(p, QNI_RNN_G_GATES, S)))
        return st;
    qni_rnn_numbers(&n, p);
    state = qni_shape(2, n.N, n.U);
    sequence = qni_shape(3, n.N, n.T, n.U);
    if (!qni_rnn_has(p, QNI_RNN_G_W) || qni_rnn_has(p, QNI_RNN_G_CELLS) != lstm ||
        qni_rnn_has(p, QNI_RNN_G_PREVIOUS) != (!lstm && !simple))
        return qni_error(QN_E_ARG, "%s lacks what the forward pass saved, or has what it does not need", p->op->name);
    if ((st = expect(p, QNI_RNN_G_DY, QN_F32, sequence)) || (st = expect(p, QNI_RNN_G_DH, QN_F32, state)) ||
        (st = refuse(p, QNI_RNN_G_DC, lstm)) || (st = expect(p, QNI_RNN_G_DC, QN_F32, state)) ||
        (st = expect(p, QNI_RNN_G_W, QN_F32, qni_shape(2, n.U, n.gates * n.U))) ||
        (st = expect(p, QNI_RNN_G_CELLS, QN_F32, sequence)) || (st = refuse(p, QNI_RNN_G_C0, lstm)) ||
        (st = expect(p, QNI_RNN_G_C0, QN_F32, state)) || (st = expect(p, QNI_RNN_G_PREVIOUS, QN_F32, sequence)) ||
        (st = expect(p, QNI_RNN_G_MASK, QN_U8, qni_shape(2, n.N, n.T))) || (st = refuse(p, QNI_RNN_G_EXTRA, lstm)) ||
        (st = expect(p, QNI_RNN_G_EXTRA, QN_F32, qni_shape(2, (int64_t)3, n.U))) ||
        (st = expect(p, QNI_RNN_G_DROP, QN_F32, state)))
        return st;
    set(&p->out[QNI_RNN_G_DX], qni_shape(3, n.N, n.T, n.gates * n.U));
    set(&p->out[QNI_RNN_G_DH0], state);
    if (p->outputs > QNI_RNN_G_LAST)
        set(&p->out[QNI_RNN_G_LAST], lstm ? state : p->out[QNI_RNN_G_DX].shape);
    return QN_OK;
}
