/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: losses made of other operations. Differentiation and fusion know those already. */
#include <math.h>

#include <quern/graph_nn.h>

#include "graph/graph.h"

#define EPSILON 1e-7f /* Keras's */

static const int last[1] = { -1 };

static qn_val number(qn_graph *g, float v)
{
    return qn_graph_fill(g, QN_F32, 0, NULL, v);
}

/* Are the operands values, f32 and of one shape? Else the graph keeps the mistake. */
static bool ready(qn_graph *g, const char *name, qn_val x, qn_val t, const qn_graph_loss_opt *o)
{
    const struct qni_value *a, *b;
    char s[160], u[160];

    if (!g || g->status || !(a = qni_value_get(g, x)) || !(b = qni_value_get(g, t)))
        return false;
    for (size_t i = 0; o && i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i]) {
            qni_graph_fail(g, qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i));
            return false;
        }
    if (o && (unsigned)o->reduction > QN_LOSS_EACH)
        qni_graph_fail(g, qni_error(QN_E_ARG, "%s: there is no reduction %d", name, (int)o->reduction));
    else if (a->dtype != QN_F32 || b->dtype != QN_F32)
        qni_graph_fail(g, qni_error(QN_E_UNSUPPORTED, "%s takes f32, found %s and %s", name, qn_dtype_name(a->dtype),
                                    qn_dtype_name(b->dtype)));
    else if (a->shape.rank < 1 || !qni_shape_equal(&a->shape, &b->shape) || !qni_shape_equal(&a->shape2, &b->shape2))
        qni_graph_fail(g, qni_error(QN_E_SHAPE, "%s: predictions %s and targets %s, expected [.., C] twice", name,
                                    qni_shape_text(&a->shape, s, sizeof(s)), qni_shape_text(&b->shape, u, sizeof(u))));
    return !g->status;
}

/* Losses of the samples, weighed and reduced. Weights have the samples' shape, or that of their first axes. */
static qn_val finish(qn_graph *g, qn_val each, qn_val weight, const qn_graph_loss_opt *o)
{
    const int rank = qn_graph_shape(g, each).rank;

    if (weight.id) {
        int have = qn_graph_shape(g, weight).rank;

        for (; have > rank; have--)
            weight = qn_graph_squeeze(g, weight, have - 1);
        for (; have < rank; have++)
            weight = qn_graph_expand_dims(g, weight, have);
        each = qn_graph_mul(g, each, qn_graph_stop_gradient(g, weight));
    }
    if (o && o->reduction == QN_LOSS_EACH)
        return each;
    return o && o->reduction == QN_LOSS_SUM ? qn_graph_reduce_sum(g, each, NULL, 0, false)
                                            : qn_graph_reduce_mean(g, each, NULL, 0, false);
}

static qn_val mean(qn_graph *g, qn_val x)
{
    return qn_graph_reduce_mean(g, x, last, 1, false);
}

static qn_val sum(qn_graph *g, qn_val x)
{
    return qn_graph_reduce_sum(g, x, last, 1, false);
}

static qn_val log_cosh(qn_graph *g, qn_val x, qn_val t)
{
    qn_val d = qn_graph_abs(g, qn_graph_sub(g, x, t)); /* log((e^d + e^-d) / 2) without overflow */
    qn_val tail = qn_graph_log1p(g, qn_graph_exp(g, qn_graph_affine(g, d, -2.0f, 0.0f)));

    return mean(g, qn_graph_affine(g, qn_graph_add(g, d, tail), 1.0f, -0.6931471805599453f));
}

/* 1 - t x, at least 0. Targets of 0 and 1 alone become -1 and 1. */
static qn_val short_of_one(qn_graph *g, qn_val x, qn_val t)
{
    qn_val bit = qn_graph_logical_or(g, qn_graph_equal(g, t, number(g, 0.0f)), qn_graph_equal(g, t, number(g, 1.0f)));
    qn_val bits = qn_graph_reduce_min(g, qn_graph_cast(g, bit, QN_F32), NULL, 0, false);

    t = qn_graph_stop_gradient(g, qn_graph_where(g, bits, qn_graph_affine(g, t, 2.0f, -1.0f), t));
    return qn_graph_relu(g, qn_graph_affine(g, qn_graph_mul(g, t, x), -1.0f, 1.0f));
}

static qn_val hinge(qn_graph *g, qn_val x, qn_val t)
{
    return mean(g, short_of_one(g, x, t));
}

static qn_val squared_hinge(qn_graph *g, qn_val x, qn_val t)
{
    return mean(g, qn_graph_square(g, short_of_one(g, x, t)));
}

static qn_val categorical_hinge(qn_graph *g, qn_val x, qn_val t)
{
    qn_val right = sum(g, qn_graph_mul(g, t, x));
    qn_val wrong = qn_graph_reduce_max(g, qn_graph_mul(g, qn_graph_affine(g, t, -1.0f, 1.0f), x), last, 1, false);

    return qn_graph_relu(g, qn_graph_affine(g, qn_graph_sub(g, wrong, right), 1.0f, 1.0f));
}

static qn_val kl_divergence(qn_graph *g, qn_val x, qn_val t)
{
    x = qn_graph_clip(g, x, EPSILON, 1.0f);
    t = qn_graph_clip(g, t, EPSILON, 1.0f);
    return sum(g, qn_graph_mul(g, t, qn_graph_sub(g, qn_graph_log(g, t), qn_graph_log(g, x))));
}

static qn_val poisson(qn_graph *g, qn_val x, qn_val t)
{
    return mean(g, qn_graph_sub(g, x, qn_graph_mul(g, t, qn_graph_log(g, qn_graph_affine(g, x, 1.0f, EPSILON)))));
}

/* x over its length. */
static qn_val unit(qn_graph *g, qn_val x)
{
    qn_val square = qn_graph_reduce_sum_squares(g, x, last, 1, true);

    return qn_graph_mul(g, x, qn_graph_rsqrt(g, qn_graph_maximum(g, square, number(g, EPSILON * EPSILON))));
}

static qn_val cosine_similarity(qn_graph *g, qn_val x, qn_val t)
{
    return qn_graph_neg(g, sum(g, qn_graph_mul(g, unit(g, t), unit(g, x))));
}

static qn_val squared_logarithmic_error(qn_graph *g, qn_val x, qn_val t)
{
    x = qn_graph_log1p(g, qn_graph_clip(g, x, EPSILON, INFINITY));
    t = qn_graph_log1p(g, qn_graph_clip(g, t, EPSILON, INFINITY));
    return mean(g, qn_graph_square(g, qn_graph_sub(g, t, x)));
}

static qn_val absolute_percentage_error(qn_graph *g, qn_val x, qn_val t)
{
    qn_val size = qn_graph_clip(g, qn_graph_abs(g, t), EPSILON, INFINITY);

    return qn_graph_affine(g, mean(g, qn_graph_abs(g, qn_graph_div(g, qn_graph_sub(g, t, x), size))), 100.0f, 0.0f);
}

static qn_val loss(qn_graph *g, const char *name, qn_val (*each)(qn_graph *, qn_val, qn_val), qn_val x, qn_val t,
                   qn_val weight, const qn_graph_loss_opt *o)
{
    if (!ready(g, name, x, t, o))
        return (qn_val){ 0 };
    return finish(g, each(g, x, qn_graph_stop_gradient(g, t)), weight, o);
}

qn_val qn_graph_log_cosh(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "log cosh", log_cosh, x, t, weight, opt);
}

qn_val qn_graph_hinge(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "hinge", hinge, x, t, weight, opt);
}

qn_val qn_graph_squared_hinge(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "squared hinge", squared_hinge, x, t, weight, opt);
}

qn_val qn_graph_categorical_hinge(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "categorical hinge", categorical_hinge, x, t, weight, opt);
}

qn_val qn_graph_kl_divergence(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "KL divergence", kl_divergence, x, t, weight, opt);
}

qn_val qn_graph_poisson(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "Poisson loss", poisson, x, t, weight, opt);
}

qn_val qn_graph_cosine_similarity(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "cosine similarity", cosine_similarity, x, t, weight, opt);
}

qn_val qn_graph_squared_logarithmic_error(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "squared logarithmic error", squared_logarithmic_error, x, t, weight, opt);
}

qn_val qn_graph_absolute_percentage_error(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt)
{
    return loss(g, "absolute percentage error", absolute_percentage_error, x, t, weight, opt);
}
