/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: nodes of one instruction each. The fusion pass makes programs of
 * them once a plan's sizes are known. */
#include "ops/eltwise/eltwise.h"
#include "ops/reduce/reduce.h"

static qn_val add_node(qn_graph *g, int kind, const qn_val *in, int inputs, float alpha, float beta)
{
    struct qni_eltwise e = { .inputs = inputs, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };

    e.code[0] = (struct qni_elt_code){ .kind = (uint8_t)kind, .operand = { 0, 1, 2 }, .alpha = alpha, .beta = beta };
    return qni_node_add(g, &qni_op_eltwise, &e, in, inputs, NULL);
}

qn_val qni_elt1(qn_graph *g, int kind, qn_val a, float alpha, float beta)
{
    return add_node(g, kind, &a, 1, alpha, beta);
}

qn_val qni_elt2(qn_graph *g, int kind, qn_val a, qn_val b, float alpha, float beta)
{
    return add_node(g, kind, (qn_val[]){ a, b }, 2, alpha, beta);
}

qn_val qni_elt3(qn_graph *g, int kind, qn_val a, qn_val b, qn_val c)
{
    return add_node(g, kind, (qn_val[]){ a, b, c }, 3, 0, 0);
}

/* Give a program the shape of a value: by its sizes where they are known, else by an input that is not read. */
static int take_shape(qn_graph *g, struct qni_eltwise *e, qn_val like, qn_val *in)
{
    const struct qni_value *v = qni_value_get(g, like);

    if (v && qni_shape_equal(&v->shape, &v->shape2)) {
        e->has_shape = true;
        e->shape = v->shape;
    } else {
        in[e->inputs++] = like;
    }
    return e->inputs;
}

qn_val qni_elt_fill_like(qn_graph *g, qn_val v, qn_dtype dtype, float alpha)
{
    struct qni_eltwise e = { .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };
    qn_val in[1];
    int n = take_shape(g, &e, v, in);

    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_FILL, .operand = { -1, -1, -1 }, .dtype = dtype, .alpha = alpha };
    return qni_node_add(g, &qni_op_eltwise, &e, in, n, NULL);
}

static qn_val fill(qn_graph *g, qn_dtype dtype, const qn_shape *shape, float value)
{
    struct qni_eltwise e = { .codes = 1, .outputs = 1, .out = { QNI_ELT_IN }, .has_shape = true, .shape = *shape };

    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_FILL, .operand = { -1, -1, -1 }, .dtype = dtype, .alpha = value };
    return qni_node_add(g, &qni_op_eltwise, &e, NULL, 0, NULL);
}

qn_val qni_elt_scalar(qn_graph *g, qn_dtype dtype, float alpha)
{
    return fill(g, dtype, &(qn_shape){ 0 }, alpha);
}

static bool has_shape_of(const qn_graph *g, qn_val x, qn_val like)
{
    const struct qni_value *a = qni_value_get(g, x), *b = qni_value_get(g, like);

    return a && b && qni_shape_equal(&a->shape, &b->shape) && qni_shape_equal(&a->shape2, &b->shape2);
}

qn_val qni_elt_broadcast_like(qn_graph *g, qn_val x, qn_val like)
{
    struct qni_eltwise e = { .inputs = 1, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };
    qn_val in[2] = { x };
    int n;

    if (has_shape_of(g, x, like))
        return x;
    n = take_shape(g, &e, like, in);
    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_IDENTITY, .operand = { 0, -1, -1 } };
    return qni_node_add(g, &qni_op_eltwise, &e, in, n, NULL);
}

qn_val qni_sum_to(qn_graph *g, qn_val dx, qn_val like)
{
    const struct qni_value *d = qni_value_get(g, dx), *x = qni_value_get(g, like);
    uint32_t axes = 0, keep = 0;

    if (!d || !x || has_shape_of(g, dx, like))
        return dx;
    for (int a = 0; a < d->shape.rank; a++) {
        int i = a - (d->shape.rank - x->shape.rank);

        if (i < 0 || (x->shape.dim[i] == 1 && d->shape.dim[a] != 1))
            axes |= 1u << a;
        if (i >= 0)
            keep |= 1u << a;
    }
    /* A gradient may be smaller than what it is the gradient of, as that of a constant is. */
    return axes ? qni_reduce_add(g, dx, QNI_REDUCE_SUM, axes, keep) : qni_elt_broadcast_like(g, dx, like);
}

/* ---- public ---- */

/* Of two dtypes the one that holds more: u8, i32, i64, f16, bf16, f32. */
static qn_dtype wider(qn_dtype a, qn_dtype b)
{
    static const int order[] = { [QN_F32] = 5, [QN_BF16] = 4, [QN_F16] = 3, [QN_I64] = 2, [QN_I32] = 1, [QN_U8] = 0 };

    return order[a] >= order[b] ? a : b;
}

static qn_val to_dtype(qn_graph *g, qn_val x, qn_dtype dtype)
{
    struct qni_eltwise e = { .inputs = 1, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };
    const struct qni_value *v = qni_value_get(g, x);

    if (v && v->dtype == dtype)
        return x;
    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_CAST, .operand = { 0, -1, -1 }, .dtype = dtype };
    return qni_node_add(g, &qni_op_eltwise, &e, &x, 1, NULL);
}

static qn_val promoted(qn_graph *g, int kind, qn_val a, qn_val b)
{
    const struct qni_value *va = qni_value_get(g, a), *vb = qni_value_get(g, b);

    if (va && vb && va->dtype != vb->dtype) {
        qn_dtype d = wider(va->dtype, vb->dtype);

        a = to_dtype(g, a, d);
        b = to_dtype(g, b, d);
    }
    return qni_elt2(g, kind, a, b, 0, 0);
}

/* Integers become f32 before a function of real numbers. */
static qn_val real(qn_graph *g, int kind, qn_val x, float alpha, float beta)
{
    const struct qni_value *v = qni_value_get(g, x);

    if (v && v->dtype > QN_BF16 && !qni_elt_info(kind)->ints)
        x = to_dtype(g, x, QN_F32);
    return qni_elt1(g, kind, x, alpha, beta);
}

qn_val qn_graph_add(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_ADD, a, b); }
qn_val qn_graph_sub(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_SUB, a, b); }
qn_val qn_graph_mul(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_MUL, a, b); }
qn_val qn_graph_minimum(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_MIN, a, b); }
qn_val qn_graph_maximum(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_MAX, a, b); }
qn_val qn_graph_equal(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_EQ, a, b); }
qn_val qn_graph_not_equal(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_NE, a, b); }
qn_val qn_graph_less(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_LT, a, b); }
qn_val qn_graph_less_equal(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_LE, a, b); }
qn_val qn_graph_greater(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_GT, a, b); }
qn_val qn_graph_greater_equal(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_GE, a, b); }
qn_val qn_graph_logical_and(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_AND, a, b); }
qn_val qn_graph_logical_or(qn_graph *g, qn_val a, qn_val b) { return promoted(g, QNI_ELT_OR, a, b); }
qn_val qn_graph_logical_not(qn_graph *g, qn_val x) { return qni_elt1(g, QNI_ELT_NOT, x, 0, 0); }
qn_val qn_graph_is_finite(qn_graph *g, qn_val x) { return real(g, QNI_ELT_IS_FINITE, x, 0, 0); }

static qn_val both_real(qn_graph *g, int kind, qn_val a, qn_val b)
{
    const struct qni_value *va = qni_value_get(g, a), *vb = qni_value_get(g, b);
    bool ints = va && vb && va->dtype > QN_BF16 && vb->dtype > QN_BF16;

    return promoted(g, kind, ints ? to_dtype(g, a, QN_F32) : a, ints ? to_dtype(g, b, QN_F32) : b);
}

qn_val qn_graph_div(qn_graph *g, qn_val a, qn_val b) { return both_real(g, QNI_ELT_DIV, a, b); }
qn_val qn_graph_pow(qn_graph *g, qn_val a, qn_val b) { return both_real(g, QNI_ELT_POW, a, b); }
qn_val qn_graph_prelu(qn_graph *g, qn_val x, qn_val slope) { return qni_elt2(g, QNI_ELT_PRELU, x, slope, 0, 0); }

qn_val qn_graph_where(qn_graph *g, qn_val condition, qn_val a, qn_val b)
{
    const struct qni_value *va = qni_value_get(g, a), *vb = qni_value_get(g, b);

    if (va && vb && va->dtype != vb->dtype) {
        qn_dtype d = wider(va->dtype, vb->dtype);

        a = to_dtype(g, a, d);
        b = to_dtype(g, b, d);
    }
    return qni_elt3(g, QNI_ELT_WHERE, condition, a, b);
}

qn_val qn_graph_identity(qn_graph *g, qn_val x) { return real(g, QNI_ELT_IDENTITY, x, 0, 0); }
qn_val qn_graph_stop_gradient(qn_graph *g, qn_val x) { return real(g, QNI_ELT_STOP_GRADIENT, x, 0, 0); }
qn_val qn_graph_neg(qn_graph *g, qn_val x) { return real(g, QNI_ELT_NEG, x, 0, 0); }
qn_val qn_graph_abs(qn_graph *g, qn_val x) { return real(g, QNI_ELT_ABS, x, 0, 0); }
qn_val qn_graph_sign(qn_graph *g, qn_val x) { return real(g, QNI_ELT_SIGN, x, 0, 0); }
qn_val qn_graph_exp(qn_graph *g, qn_val x) { return real(g, QNI_ELT_EXP, x, 0, 0); }
qn_val qn_graph_log(qn_graph *g, qn_val x) { return real(g, QNI_ELT_LOG, x, 0, 0); }
qn_val qn_graph_log1p(qn_graph *g, qn_val x) { return real(g, QNI_ELT_LOG1P, x, 0, 0); }
qn_val qn_graph_expm1(qn_graph *g, qn_val x) { return real(g, QNI_ELT_EXPM1, x, 0, 0); }
qn_val qn_graph_sqrt(qn_graph *g, qn_val x) { return real(g, QNI_ELT_SQRT, x, 0, 0); }
qn_val qn_graph_rsqrt(qn_graph *g, qn_val x) { return real(g, QNI_ELT_RSQRT, x, 0, 0); }
qn_val qn_graph_square(qn_graph *g, qn_val x) { return real(g, QNI_ELT_SQUARE, x, 0, 0); }
qn_val qn_graph_reciprocal(qn_graph *g, qn_val x) { return real(g, QNI_ELT_RECIPROCAL, x, 0, 0); }
qn_val qn_graph_sin(qn_graph *g, qn_val x) { return real(g, QNI_ELT_SIN, x, 0, 0); }
qn_val qn_graph_cos(qn_graph *g, qn_val x) { return real(g, QNI_ELT_COS, x, 0, 0); }
qn_val qn_graph_floor(qn_graph *g, qn_val x) { return real(g, QNI_ELT_FLOOR, x, 0, 0); }
qn_val qn_graph_ceil(qn_graph *g, qn_val x) { return real(g, QNI_ELT_CEIL, x, 0, 0); }
qn_val qn_graph_round(qn_graph *g, qn_val x) { return real(g, QNI_ELT_ROUND, x, 0, 0); }
qn_val qn_graph_erf(qn_graph *g, qn_val x) { return real(g, QNI_ELT_ERF, x, 0, 0); }
qn_val qn_graph_relu(qn_graph *g, qn_val x) { return real(g, QNI_ELT_RELU, x, 0, 0); }
qn_val qn_graph_sigmoid(qn_graph *g, qn_val x) { return real(g, QNI_ELT_SIGMOID, x, 0, 0); }
qn_val qn_graph_log_sigmoid(qn_graph *g, qn_val x) { return real(g, QNI_ELT_LOG_SIGMOID, x, 0, 0); }
qn_val qn_graph_tanh(qn_graph *g, qn_val x) { return real(g, QNI_ELT_TANH, x, 0, 0); }
qn_val qn_graph_clip(qn_graph *g, qn_val x, float least, float most) { return real(g, QNI_ELT_CLIP, x, least, most); }
qn_val qn_graph_affine(qn_graph *g, qn_val x, float scale, float shift) { return real(g, QNI_ELT_AFFINE, x, scale, shift); }

qn_val qn_graph_act(qn_graph *g, qn_val x, qn_act act, float alpha)
{
    int kind = qni_elt_act_kind(act);

    if (act == QN_SOFTMAX || act == QN_LOG_SOFTMAX) {
        const struct qni_op *op = qni_op_find(act == QN_SOFTMAX ? "softmax" : "log_softmax");

        if (op)
            return qni_node_add(g, op, NULL, &x, 1, NULL);
    }
    if (kind < 0)
        return qni_graph_fail(g, qni_error(QN_E_ARG, "there is no activation %d", (int)act));
    return act == QN_LINEAR ? x : real(g, kind, x, alpha, 0);
}

qn_val qn_graph_cast(qn_graph *g, qn_val x, qn_dtype dtype)
{
    return to_dtype(g, x, dtype);
}

/* Sizes from outside as a shape. */
static qn_status shape_of(int rank, const int64_t *dim, qn_shape *out)
{
    int64_t n;

    memset(out, 0, sizeof(*out));
    if (rank < 0 || rank > QN_MAX_RANK || (rank && !dim))
        return qni_error(QN_E_SHAPE, "a shape has 0 to %d axes, found %d", QN_MAX_RANK, rank);
    out->rank = rank;
    for (int a = 0; a < rank; a++)
        out->dim[a] = dim[a];
    return qni_shape_elements(out, QN_F32, &n);
}

qn_val qn_graph_fill(qn_graph *g, qn_dtype dtype, int rank, const int64_t *dim, float value)
{
    qn_shape s;
    qn_status st = shape_of(rank, dim, &s);

    return st ? qni_graph_fail(g, st) : fill(g, dtype, &s, value);
}

qn_val qn_graph_fill_like(qn_graph *g, qn_val like, qn_dtype dtype, float value)
{
    return qni_elt_fill_like(g, like, dtype, value);
}

qn_val qn_graph_broadcast_to(qn_graph *g, qn_val x, int rank, const int64_t *dim)
{
    struct qni_eltwise e = { .inputs = 1, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN }, .has_shape = true };
    qn_status st = shape_of(rank, dim, &e.shape);

    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_IDENTITY, .operand = { 0, -1, -1 } };
    return st ? qni_graph_fail(g, st) : qni_node_add(g, &qni_op_eltwise, &e, &x, 1, NULL);
}

qn_val qn_graph_broadcast_like(qn_graph *g, qn_val x, qn_val like)
{
    return qni_elt_broadcast_like(g, x, like);
}

/* ---- random ---- */

static qn_status take_stream(qn_graph *g, struct qni_elt_code *c)
{
    if (g->streams >= 0x7fff)
        return qni_error(QN_E_UNSUPPORTED, "a graph draws random numbers in at most 32767 places");
    c->stream = ++g->streams;
    return QN_OK;
}

qn_val qn_graph_dropout(qn_graph *g, qn_val x, float rate)
{
    struct qni_eltwise e = { .inputs = 1, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };
    qn_status st;

    if (!(rate >= 0 && rate < 1))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "dropout's rate is %g, expected 0 or more and less than 1", (double)rate));
    if (rate == 0)
        return x;
    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_DROPOUT, .operand = { 0, -1, -1 }, .alpha = rate,
                                       .beta = 1.0f / (1.0f - rate) };
    if ((st = take_stream(g, &e.code[0])))
        return qni_graph_fail(g, st);
    return qni_node_add(g, &qni_op_dropout, &e, &x, 1, NULL);
}

static qn_val draw_like(qn_graph *g, const struct qni_op *op, int kind, qn_val like, float alpha, float beta)
{
    struct qni_eltwise e = { .codes = 1, .outputs = 1, .out = { QNI_ELT_IN } };
    qn_val in[1];
    int n = take_shape(g, &e, like, in);
    qn_status st;

    e.code[0] = (struct qni_elt_code){ .kind = (uint8_t)kind, .operand = { -1, -1, -1 }, .alpha = alpha, .beta = beta };
    if ((st = take_stream(g, &e.code[0])))
        return qni_graph_fail(g, st);
    return qni_node_add(g, op, &e, in, n, NULL);
}

qn_val qn_graph_random_uniform(qn_graph *g, qn_val like, float low, float high)
{
    return draw_like(g, &qni_op_random, QNI_ELT_UNIFORM, like, low, high - low);
}

qn_val qn_graph_random_normal(qn_graph *g, qn_val like, float mean, float deviation)
{
    return draw_like(g, &qni_op_random, QNI_ELT_NORMAL, like, mean, deviation);
}

qn_val qn_graph_noise(qn_graph *g, qn_val like, float mean, float deviation)
{
    return draw_like(g, &qni_op_noise, QNI_ELT_NORMAL, like, mean, deviation);
}
