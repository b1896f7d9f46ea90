/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "graph/graph.h"
#include "ops/attn/attn.h"

static const char *const tests[] = { "op/attention", NULL };

static bool given(const struct qni_problem *p, int i)
{
    return i < p->inputs && !(p->absent >> i & 1);
}

/* ---- shapes ---- */

static qn_status wrong(const struct qni_problem *p, int i, const char *name, const char *expected)
{
    char text[160];

    return qni_error(QN_E_SHAPE, "%s: %s is %s %s, expected %s", p->op->name, name, qn_dtype_name(p->in[i].dtype),
                     qni_shape_text(&p->in[i].shape, text, sizeof(text)), expected);
}

static qn_status check_tensors(const struct qni_problem *p)
{
    static const char *const names[] = { "q", "k", "v" };
    const qn_shape *q = &p->in[QNI_ATTN_Q].shape, *k = &p->in[QNI_ATTN_K].shape, *v = &p->in[QNI_ATTN_V].shape;

    for (int i = QNI_ATTN_Q; i <= QNI_ATTN_V; i++) {
        if (p->in[i].dtype != QN_F32)
            return qni_error(QN_E_UNSUPPORTED, "%s: %s is %s, expected f32", p->op->name, names[i],
                             qn_dtype_name(p->in[i].dtype));
        if (p->in[i].shape.rank != 4)
            return wrong(p, i, names[i], "[batch, time, heads, size]");
    }
    if (k->dim[0] != q->dim[0] || k->dim[3] != q->dim[3])
        return wrong(p, QNI_ATTN_K, "k", "the batch and head size of q");
    if (v->dim[0] != k->dim[0] || v->dim[1] != k->dim[1] || v->dim[2] != k->dim[2])
        return wrong(p, QNI_ATTN_V, "v", "the batch, time and heads of k");
    if (!k->dim[2] || q->dim[2] % k->dim[2] || !q->dim[3] || !v->dim[3])
        return qni_error(QN_E_SHAPE, "%s: %lld heads of queries are not a multiple of %lld of keys, or a head is empty",
                         p->op->name, (long long)q->dim[2], (long long)k->dim[2]);
    return QN_OK;
}

static qn_status check_masks(const struct qni_problem *p)
{
    const qn_shape *q = &p->in[QNI_ATTN_Q].shape, *k = &p->in[QNI_ATTN_K].shape, *s;

    s = &p->in[QNI_ATTN_LENGTHS].shape;
    if (given(p, QNI_ATTN_LENGTHS) &&
        (p->in[QNI_ATTN_LENGTHS].dtype != QN_I32 || s->rank != 1 || s->dim[0] != q->dim[0]))
        return wrong(p, QNI_ATTN_LENGTHS, "lengths", "i32, one for each sample");
    s = &p->in[QNI_ATTN_PADDING].shape;
    if (given(p, QNI_ATTN_PADDING) &&
        (p->in[QNI_ATTN_PADDING].dtype != QN_U8 || s->rank != 2 || s->dim[0] != q->dim[0] || s->dim[1] != k->dim[1]))
        return wrong(p, QNI_ATTN_PADDING, "the key mask", "u8, one for each key of each sample");
    s = &p->in[QNI_ATTN_SLOPES].shape;
    if (given(p, QNI_ATTN_SLOPES) &&
        (p->in[QNI_ATTN_SLOPES].dtype != QN_F32 || s->rank != 1 || s->dim[0] != q->dim[2]))
        return wrong(p, QNI_ATTN_SLOPES, "slopes", "f32, one for each head of q");
    if (given(p, QNI_ATTN_BIAS)) {
        const int64_t want[3] = { q->dim[0], q->dim[2], q->dim[1] };

        s = &p->in[QNI_ATTN_BIAS].shape;
        if (p->in[QNI_ATTN_BIAS].dtype != QN_F32 || s->rank != 4 || s->dim[3] != k->dim[1])
            return wrong(p, QNI_ATTN_BIAS, "the additive mask", "f32 [batch, heads, queries, keys]");
        for (int i = 0; i < 3; i++)
            if (s->dim[i] != 1 && s->dim[i] != want[i])
                return wrong(p, QNI_ATTN_BIAS, "the additive mask", "the sizes of q, or 1");
    }
    return QN_OK;
}

static qn_status check(const struct qni_problem *p)
{
    const struct qni_attention *t = p->attr;
    struct qni_attn n;
    qn_status st;

    if ((st = check_tensors(p)) || (st = check_masks(p)))
        return st;
    if (!isfinite(t->scale) || !(t->softcap >= 0 && isfinite(t->softcap)) || !(t->rate >= 0 && t->rate < 1) ||
        t->window < 0 || t->anchor < QNI_ATTN_END || t->anchor > QNI_ATTN_LENGTH)
        return qni_error(QN_E_ARG, "%s: scale %g, softcap %g, dropout %g or window %d is out of range", p->op->name,
                         (double)t->scale, (double)t->softcap, (double)t->rate, (int)t->window);
    if (t->anchor == QNI_ATTN_LENGTH && !given(p, QNI_ATTN_LENGTHS))
        return qni_error(QN_E_ARG, "%s: queries stand by lengths, and there are none", p->op->name);
    qni_attn_numbers(&n, p);
    if (!qni_attn_fits_int(&n))
        return qni_error(QN_E_UNSUPPORTED, "%s: a size is above %d", p->op->name, INT32_MAX / 2);
    if (t->rate > 0 && (double)n.Hq * (double)n.Tq * (double)qni_round_up(n.Tk, 64) > 4294967295.0)
        return qni_error(QN_E_UNSUPPORTED, "%s: dropout takes at most 2^32 weights in a sample", p->op->name);
    return QN_OK;
}

static qn_status shape(struct qni_problem *p)
{
    const qn_shape *q = &p->in[QNI_ATTN_Q].shape;
    qn_status st;

    if ((st = check(p)))
        return st;
    p->out[0] = (struct qni_desc){ QN_F32, qni_shape(4, q->dim[0], q->dim[1], q->dim[2], p->in[QNI_ATTN_V].shape.dim[3]) };
    p->out[1] = (struct qni_desc){ QN_F32, qni_shape(3, q->dim[0], q->dim[2], q->dim[1]) };
    return QN_OK;
}

static qn_status grad_shape(struct qni_problem *p)
{
    const qn_shape *q = &p->in[QNI_ATTN_Q].shape;
    qn_shape y, lse;
    qn_status st;

    if ((st = check(p)))
        return st;
    y = qni_shape(4, q->dim[0], q->dim[1], q->dim[2], p->in[QNI_ATTN_V].shape.dim[3]);
    lse = qni_shape(3, q->dim[0], q->dim[2], q->dim[1]);
    for (int i = QNI_ATTN_Y; i < QNI_ATTN_GRAD_INPUTS; i++)
        if (p->in[i].dtype != QN_F32 || !qni_shape_equal(&p->in[i].shape, i == QNI_ATTN_LSE ? &lse : &y))
            return wrong(p, i, i == QNI_ATTN_LSE ? "lse" : i == QNI_ATTN_Y ? "y" : "dy", "the forward operation's shape");
    for (int o = 0; o < 3; o++)
        p->out[o] = p->in[o];
    return QN_OK;
}

/* ---- what the algorithms share ---- */

void qni_attn_numbers(struct qni_attn *out, const struct qni_problem *p)
{
    const qn_shape *q = &p->in[QNI_ATTN_Q].shape, *k = &p->in[QNI_ATTN_K].shape;

    *out = (struct qni_attn){
        .B = q->dim[0], .Tq = q->dim[1], .Tk = k->dim[1], .Hq = q->dim[2], .Hkv = k->dim[2], .D = q->dim[3],
        .Dv = p->in[QNI_ATTN_V].shape.dim[3], .lengths = given(p, QNI_ATTN_LENGTHS),
        .padding = given(p, QNI_ATTN_PADDING), .bias = given(p, QNI_ATTN_BIAS), .slopes = given(p, QNI_ATTN_SLOPES),
    };
    if (out->bias) {
        const qn_shape *s = &p->in[QNI_ATTN_BIAS].shape;

        out->bias_i = s->dim[2] == 1 ? 0 : s->dim[3];
        out->bias_h = s->dim[1] == 1 ? 0 : s->dim[2] * s->dim[3];
        out->bias_b = s->dim[0] == 1 ? 0 : s->dim[1] * s->dim[2] * s->dim[3];
    }
}

bool qni_attn_fits_int(const struct qni_attn *n)
{
    const double most = INT32_MAX / 2;

    return (double)n->Tq * (double)n->Hq * (double)QNI_MAX(n->D, n->Dv) < most &&
           (double)n->Tk * (double)n->Hkv * (double)QNI_MAX(n->D, n->Dv) < most && (double)n->B * (double)n->Hq < most &&
           (double)n->Tk < most && (double)n->Tq < most;
}

void qni_attn_flags(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, const struct qni_attn *n)
{
    const struct qni_attention *t = p->attr;

    qni_define(r, l, "QN_D", n->D);
    qni_define(r, l, "QN_DV", n->Dv);
    qni_define(r, l, "QN_CAUSAL", t->causal != 0);
    qni_define(r, l, "QN_WINDOW", t->window != 0);
    qni_define(r, l, "QN_SOFTCAP", t->softcap > 0);
    qni_define(r, l, "QN_DROPOUT", t->rate > 0);
    qni_define(r, l, "QN_LENGTHS", n->lengths);
    qni_define(r, l, "QN_PADDING", n->padding);
    qni_define(r, l, "QN_BIAS", n->bias);
    qni_define(r, l, "QN_SLOPES", n->slopes);
}

void qni_attn_arguments(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                        const struct qni_attn *n)
{
    const struct qni_attention *t = p->attr;
    const int64_t offset = t->anchor == QNI_ATTN_START ? 0 : t->anchor == QNI_ATTN_END ? n->Tk - n->Tq : -n->Tq;

    qni_attn_flags(r, l, p, n);
    for (int i = QNI_ATTN_Q; i <= QNI_ATTN_V; i++)
        qni_in(r, l, i, QN_F32);
    qni_in(r, l, n->lengths ? QNI_ATTN_LENGTHS : 0, QN_I32);
    qni_in(r, l, n->padding ? QNI_ATTN_PADDING : 0, QN_U8);
    qni_in(r, l, n->bias ? QNI_ATTN_BIAS : 0, QN_F32);
    qni_in(r, l, n->slopes ? QNI_ATTN_SLOPES : 0, QN_F32);
    if (t->rate > 0)
        qni_step(r, l);
    else
        qni_in(r, l, 0, QN_F32);
    qni_i32(r, l, n->Tq);
    qni_i32(r, l, n->Tk);
    qni_i32(r, l, n->Hq);
    qni_i32(r, l, n->Hkv);
    qni_i32(r, l, offset);
    qni_i32(r, l, t->anchor == QNI_ATTN_LENGTH);
    qni_i32(r, l, t->window ? t->window : INT32_MAX / 2);
    qni_f32(r, l, t->scale != 0 ? t->scale : 1 / sqrtf((float)n->D));
    qni_f32(r, l, t->softcap);
    qni_f32(r, l, t->rate);
    qni_i32(r, l, t->stream);
    qni_i64(r, l, n->bias_b);
    qni_i64(r, l, n->bias_h);
    qni_i64(r, l, n->bias_i);
}

static int64_t spare_before(const struct qni_problem *p, int outputs)
{
    int64_t n = 0;

    for (int o = 0; o < outputs; o++)
        if (p->unwanted >> o & 1)
            n += qni_round_up(qni_elements(&p->out[o].shape), 64);
    return n;
}

void qni_attn_out(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, int o, int64_t spare)
{
    if (p->unwanted >> o & 1)
        qni_scratch(r, l, QN_F32, spare + spare_before(p, o));
    else
        qni_out(r, l, o, QN_F32);
}

int64_t qni_attn_spare(const struct qni_problem *p)
{
    return spare_before(p, p->outputs);
}

uint64_t qni_attn_flops(const struct qni_problem *p, const struct qni_attn *n, int64_t products)
{
    const struct qni_attention *t = p->attr;
    const uint64_t scores = (uint64_t)(n->B * n->Hq * n->Tq) * (uint64_t)n->Tk / (t->causal && n->Tq > 1 ? 2 : 1);

    return scores * (uint64_t)(products * (n->D + n->Dv));
}

/* ---- operations ---- */

static qn_status grad(struct qni_grad *c)
{
    qn_val in[QNI_ATTN_GRAD_INPUTS], out[3];

    if (qni_grad_wants(c, QNI_ATTN_BIAS) || qni_grad_wants(c, QNI_ATTN_SLOPES))
        return qni_error(QN_E_UNSUPPORTED, "attention: an additive mask and slopes have no gradient");
    if (qni_grad_dy(c, 1).id)
        return qni_error(QN_E_UNSUPPORTED, "attention: lse has no gradient");
    for (int i = 0; i < QNI_ATTN_INPUTS; i++)
        in[i] = qni_grad_in(c, i);
    in[QNI_ATTN_Y] = qni_grad_out(c, 0);
    in[QNI_ATTN_LSE] = qni_grad_out(c, 1);
    in[QNI_ATTN_DY] = qni_grad_dy(c, 0);
    qni_node_add(c->g, &qni_op_attention_grad, c->attr, in, QNI_ATTN_GRAD_INPUTS, out);
    for (int i = 0; i < 3 && !c->g->status; i++)
        if (qni_grad_wants(c, i))
            qni_grad_set(c, i, out[i]);
    return c->g->status;
}

/* Nothing is dropped where nothing is trained. */
static qn_status infer(qn_graph *g, const struct qni_node *node, const qn_val *in, qn_val *out)
{
    struct qni_attention t = *(const struct qni_attention *)node->attr;

    t.rate = 0;
    qni_node_add(g, &qni_op_attention, &t, in, node->inputs, out);
    return g->status;
}

static const struct qni_algo *const algos[] = {
    &qni_attn_tile,   /* what fits in local memory */
    &qni_attn_matrix_f16, /* the same where operands may be rounded, */
    &qni_attn_matrix_bf16,
    &qni_attn_matrix_tf32,
    &qni_attn_matrix, /* matrix instructions, where the self-test has passed it */
    &qni_attn_group,  /* work-groups of 128; of a CPU too where no tile fits, rather than the matrix */
    &qni_attn_plain,  /* always applies; keep it last */
    NULL
};

static const struct qni_algo *const grad_algos[] = {
    &qni_attn_tile_grad,   /* what fits in local memory */
    &qni_attn_matrix_f16_grad, /* the same where operands may be rounded, */
    &qni_attn_matrix_bf16_grad,
    &qni_attn_matrix_tf32_grad,
    &qni_attn_matrix_grad, /* matrix instructions, where the self-test has passed it */
    &qni_attn_group_grad,  /* work-groups of 128; of a CPU too where no tile fits, rather than the matrix */
    &qni_attn_plain_grad,  /* always applies; keep it last */
    NULL
};

const struct qni_op qni_op_attention = {
    .name = "attention", .family = "attention", .attr_bytes = sizeof(struct qni_attention), .min_inputs = QNI_ATTN_INPUTS,
    .max_inputs = QNI_ATTN_INPUTS, .outputs = 2, .flags = QNI_OP_RANDOM, .shape = shape, .grad = grad, .infer = infer,
    .algos = algos, .tests = tests, .dtypes = "f32",
};

const struct qni_op qni_op_attention_grad = {
    .name = "attention_grad", .family = "attention", .attr_bytes = sizeof(struct qni_attention),
    .min_inputs = QNI_ATTN_GRAD_INPUTS, .max_inputs = QNI_ATTN_GRAD_INPUTS, .outputs = 3, .flags = QNI_OP_RANDOM,
    .shape = grad_shape, .algos = grad_algos, .tests = tests, .dtypes = "f32",
};
