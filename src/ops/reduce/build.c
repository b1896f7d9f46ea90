/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Gradients of reductions, and level 2. */
#include "ops/eltwise/eltwise.h"
#include "ops/reduce/reduce.h"
#include "ops/shape/shape.h"

/* A result with the reduced axes back, at size 1, so that it broadcasts to x. */
static qn_val spread(qn_graph *g, qn_val y, const struct qni_reduce *attr)
{
    return qni_insert_axes(g, y, attr->axes & ~attr->keep);
}

/* dy shared out among the elements that are the extremum. */
static qn_val grad_extremum(qn_graph *g, qn_val x, qn_val y, qn_val dy, uint32_t axes)
{
    qn_val is = qn_graph_cast(g, qni_elt2(g, QNI_ELT_EQ, x, y, 0, 0), QN_F32);
    qn_val count = qni_reduce_add(g, is, QNI_REDUCE_SUM, axes, axes);

    return qni_elt2(g, QNI_ELT_MUL, is, qni_elt2(g, QNI_ELT_DIV, dy, count, 0, 0), 0, 0);
}

/* dy * (product of the others), which is not y / x where x is 0. */
static qn_val grad_product(qn_graph *g, qn_val x, qn_val dy, uint32_t axes)
{
    qn_val zero = qni_elt_scalar(g, QN_F32, 0), one = qni_elt_scalar(g, QN_F32, 1);
    qn_val is_zero = qni_elt2(g, QNI_ELT_EQ, x, zero, 0, 0);
    qn_val rest = qni_elt3(g, QNI_ELT_WHERE, is_zero, one, x);
    qn_val zeros = qni_reduce_add(g, qn_graph_cast(g, is_zero, QN_F32), QNI_REDUCE_SUM, axes, axes);
    qn_val product = qni_reduce_add(g, rest, QNI_REDUCE_PROD, axes, axes);
    qn_val at_zero = qni_elt3(g, QNI_ELT_WHERE, qni_elt2(g, QNI_ELT_EQ, zeros, one, 0, 0), product, zero);
    qn_val elsewhere = qni_elt3(g, QNI_ELT_WHERE, qni_elt2(g, QNI_ELT_EQ, zeros, zero, 0, 0),
                                qni_elt2(g, QNI_ELT_DIV, product, rest, 0, 0), zero);

    return qni_elt2(g, QNI_ELT_MUL, dy, qni_elt3(g, QNI_ELT_WHERE, is_zero, at_zero, elsewhere), 0, 0);
}

/* How many elements make one, as x's shape says: sum of ones, since the batch may be unknown. */
static qn_val grad_mean(qn_graph *g, qn_val x, qn_val dy, uint32_t axes)
{
    const struct qni_value *v = qni_value_get(g, x);
    int64_t n = 1, n2 = 1;

    for (int a = 0; v && a < v->shape.rank; a++)
        if (axes >> a & 1) {
            n *= v->shape.dim[a];
            n2 *= v->shape2.dim[a];
        }
    if (n == n2)
        return qni_elt1(g, QNI_ELT_AFFINE, dy, 1.0f / (float)n, 0);
    return qni_elt2(g, QNI_ELT_DIV, dy,
                    qni_reduce_add(g, qni_elt_fill_like(g, x, QN_F32, 1), QNI_REDUCE_SUM, axes, axes), 0, 0);
}

qn_status qni_reduce_grad(struct qni_grad *c)
{
    const struct qni_reduce attr = *(const struct qni_reduce *)c->attr;
    qn_graph *g = c->g;
    qn_val x = qni_grad_in(c, 0), y, dy, dx = { 0 };

    if (!qni_grad_wants(c, 0))
        return QN_OK;
    y = spread(g, qni_grad_out(c, 0), &attr);
    dy = spread(g, qni_grad_dy(c, 0), &attr);
    switch ((enum qni_reduce_kind)attr.kind) {
    case QNI_REDUCE_SUM: dx = dy; break;
    case QNI_REDUCE_MEAN: dx = grad_mean(g, x, dy, attr.axes); break;
    case QNI_REDUCE_MAX:
    case QNI_REDUCE_MIN: dx = grad_extremum(g, x, y, dy, attr.axes); break;
    case QNI_REDUCE_PROD: dx = grad_product(g, x, dy, attr.axes); break;
    case QNI_REDUCE_SUM_SQUARES: dx = qni_elt2(g, QNI_ELT_SQUARE_GRAD, dy, x, 0, 0); break;
    case QNI_REDUCE_SUM_ABS: dx = qni_elt2(g, QNI_ELT_ABS_GRAD, dy, x, 0, 0); break;
    case QNI_REDUCE_ARGMAX:
    case QNI_REDUCE_ARGMIN:
    case QNI_REDUCE_KINDS: return QN_OK;
    }
    qni_grad_set(c, 0, qni_elt_broadcast_like(g, dx, x));
    return QN_OK;
}

qn_val qni_reduce_add(qn_graph *g, qn_val x, enum qni_reduce_kind kind, uint32_t axes, uint32_t keep)
{
    struct qni_reduce attr = { .kind = kind, .axes = axes, .keep = keep };

    return qni_node_add(g, &qni_op_reduce, &attr, &x, 1, NULL);
}

/* Axes that may count from the end, as bits; none means all. */
static qn_status axes_of(const qn_graph *g, qn_val x, const int *axes, int n, uint32_t *out)
{
    const struct qni_value *v = qni_value_get(g, x);
    int rank = v ? v->shape.rank : 0;

    *out = n ? 0 : (1u << rank) - 1u;
    for (int i = 0; i < n && v; i++) {
        int a = qni_axis(axes[i], rank);

        if (a < 0)
            return QN_E_SHAPE;
        if (*out >> a & 1)
            return qni_error(QN_E_SHAPE, "axis %d is there twice", axes[i]);
        *out |= 1u << a;
    }
    return QN_OK;
}

static qn_val reduce(qn_graph *g, qn_val x, enum qni_reduce_kind kind, const int *axes, int n, bool keepdims)
{
    const struct qni_value *v = qni_value_get(g, x);
    uint32_t mask;
    qn_status st = axes_of(g, x, axes, n, &mask);

    if (st)
        return qni_graph_fail(g, st);
    if (v && (v->dtype == QN_U8 || (v->dtype == QN_I32 && kind == QNI_REDUCE_MEAN)))
        x = qn_graph_cast(g, x, kind == QNI_REDUCE_MEAN ? QN_F32 : QN_I32);
    return qni_reduce_add(g, x, kind, mask, keepdims ? mask : 0);
}

qn_val qn_graph_reduce_sum(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    return reduce(g, x, QNI_REDUCE_SUM, axes, n, keepdims);
}

qn_val qn_graph_reduce_mean(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    return reduce(g, x, QNI_REDUCE_MEAN, axes, n, keepdims);
}

qn_val qn_graph_reduce_max(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    return reduce(g, x, QNI_REDUCE_MAX, axes, n, keepdims);
}

qn_val qn_graph_reduce_min(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    return reduce(g, x, QNI_REDUCE_MIN, axes, n, keepdims);
}

qn_val qn_graph_reduce_prod(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    return reduce(g, x, QNI_REDUCE_PROD, axes, n, keepdims);
}

qn_val qn_graph_reduce_sum_squares(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    return reduce(g, x, QNI_REDUCE_SUM_SQUARES, axes, n, keepdims);
}

qn_val qn_graph_reduce_sum_abs(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    return reduce(g, x, QNI_REDUCE_SUM_ABS, axes, n, keepdims);
}

/* log(sum(exp(x - m))) + m, m the maximum, or 0 where that is not finite. */
qn_val qn_graph_reduce_logsumexp(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims)
{
    const struct qni_value *v = qni_value_get(g, x);
    uint32_t mask;
    qn_status st = axes_of(g, x, axes, n, &mask);
    qn_val m, y;

    if (st)
        return qni_graph_fail(g, st);
    if (v && v->dtype > QN_BF16)
        x = qn_graph_cast(g, x, QN_F32);
    m = qn_graph_stop_gradient(g, qni_reduce_add(g, x, QNI_REDUCE_MAX, mask, mask));
    m = qn_graph_where(g, qn_graph_is_finite(g, m), m, qn_graph_fill_like(g, m, QN_F32, 0));
    y = qn_graph_exp(g, qn_graph_sub(g, x, m));
    y = qn_graph_add(g, qn_graph_log(g, qni_reduce_add(g, y, QNI_REDUCE_SUM, mask, mask)), m);
    return keepdims ? y : qni_remove_axes(g, y, mask);
}

static qn_val arg_reduce(qn_graph *g, qn_val x, enum qni_reduce_kind kind, int axis, bool keepdims)
{
    const struct qni_value *v = qni_value_get(g, x);
    struct qni_reduce attr = { .kind = kind };
    qn_status st = axes_of(g, x, &axis, 1, &attr.axes);

    if (st)
        return qni_graph_fail(g, st);
    if (v && v->dtype != QN_F32 && v->dtype != QN_I32)
        x = qn_graph_cast(g, x, v->dtype == QN_U8 ? QN_I32 : QN_F32);
    attr.keep = keepdims ? attr.axes : 0;
    return qni_node_add(g, &qni_op_arg_reduce, &attr, &x, 1, NULL);
}

qn_val qn_graph_argmax(qn_graph *g, qn_val x, int axis, bool keepdims)
{
    return arg_reduce(g, x, QNI_REDUCE_ARGMAX, axis, keepdims);
}

qn_val qn_graph_argmin(qn_graph *g, qn_val x, int axis, bool keepdims)
{
    return arg_reduce(g, x, QNI_REDUCE_ARGMIN, axis, keepdims);
}
