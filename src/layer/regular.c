/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layers against overfitting that act in training alone, and layers that scale by numbers that are given. */
#include <math.h>

#include "layer/types.h"

static bool check_rate(qn_model *m, float rate)
{
    if (!(rate >= 0.0f && rate < 1.0f))
        qni_layer_fail(m, qni_error(QN_E_ARG, "rate is %g, expected 0 or more and below 1", (double)rate));
    return !m->g->status;
}

/* ---- dropouts ---- */

static const struct qni_field rate_fields[] = { QNI_PLAIN(QNI_FIELD_FLOAT, rate), { 0 } };

static qn_val build_dropout(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;

    (void)n;
    return check_rate(m, o->rate) ? qn_graph_dropout(m->g, in[0], o->rate) : (qn_val){ 0 };
}

/* One draw for each channel of a sample: ones of that size, some of them dropped. */
static qn_val drop_channels(qn_model *m, const qn_layer_opt *o, qn_val x, int axes)
{
    const int64_t start[3] = { 0 }, stop[3] = { INT64_MAX, 1, 1 };
    qn_shape s;
    qn_val ones;

    if (!qni_layer_rank(m, x, axes + 2, axes + 2, &s) || !check_rate(m, o->rate))
        return (qn_val){ 0 };
    if (o->rate == 0.0f)
        return x;
    ones = qn_graph_fill_like(m->g, qn_graph_slice(m->g, x, axes + 1, start, stop, NULL), QN_F32, 1.0f);
    return qn_graph_mul(m->g, x, qn_graph_dropout(m->g, ones, o->rate));
}

static qn_val build_spatial1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return drop_channels(m, l->opt, in[0], 1);
}

static qn_val build_spatial2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return drop_channels(m, l->opt, in[0], 2);
}

static qn_val build_gaussian_dropout(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;

    (void)n;
    if (!check_rate(m, o->rate) || o->rate == 0.0f)
        return m->g->status ? (qn_val){ 0 } : in[0];
    return qn_graph_mul(m->g, in[0], qn_graph_noise(m->g, in[0], 1.0f, sqrtf(o->rate / (1.0f - o->rate))));
}

const struct qni_layer_type qni_layer_dropout = QNI_PLAIN_MASKED("dropout", "Dropout", rate_fields, build_dropout,
                                                                QNI_MASK_PASS);
const struct qni_layer_type qni_layer_spatial_dropout1d = QNI_PLAIN_MASKED("spatial_dropout1d", "SpatialDropout1D",
                                                                          rate_fields, build_spatial1d, QNI_MASK_PASS);
const struct qni_layer_type qni_layer_spatial_dropout2d = QNI_PLAIN_MASKED("spatial_dropout2d", "SpatialDropout2D",
                                                                          rate_fields, build_spatial2d, QNI_MASK_PASS);
const struct qni_layer_type qni_layer_gaussian_dropout = QNI_PLAIN_MASKED("gaussian_dropout", "GaussianDropout", rate_fields,
                                                                         build_gaussian_dropout, QNI_MASK_PASS);

static qn_val add_with_rate(qn_model *m, const struct qni_layer_type *type, qn_val x, float rate, const qn_layer_opt *opt)
{
    qn_layer_opt o = opt ? *opt : (qn_layer_opt){ 0 };

    o.rate = rate;
    return qni_layer_add(m, type, &o, &x, 1);
}

qn_val qn_dropout(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt)
{
    return add_with_rate(m, &qni_layer_dropout, x, rate, opt);
}

qn_val qn_spatial_dropout1d(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt)
{
    return add_with_rate(m, &qni_layer_spatial_dropout1d, x, rate, opt);
}

qn_val qn_spatial_dropout2d(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt)
{
    return add_with_rate(m, &qni_layer_spatial_dropout2d, x, rate, opt);
}

qn_val qn_gaussian_dropout(qn_model *m, qn_val x, float rate, const qn_layer_opt *opt)
{
    return add_with_rate(m, &qni_layer_gaussian_dropout, x, rate, opt);
}

/* ---- layers of two numbers ---- */

struct pair_opt {
    float a, b;
    const char *name;
};

#define PAIR_FIELD(id, member) { id, QNI_FIELD_FLOAT, offsetof(struct pair_opt, member) }
#define PAIR_TYPE(id, title_text, table, build_function, mask_rule) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(struct pair_opt), .name_offset = offsetof(struct pair_opt, name), \
      .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = table, .mask = mask_rule, \
      .build = build_function }

static const struct qni_field noise_fields[] = { PAIR_FIELD("deviation", a), { 0 } };
static const struct qni_field activity_fields[] = { PAIR_FIELD("l1", a), PAIR_FIELD("l2", b), { 0 } };
static const struct qni_field rescaling_fields[] = { PAIR_FIELD("scale", a), PAIR_FIELD("offset", b), { 0 } };

static qn_val build_noise(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct pair_opt *o = l->opt;

    (void)n;
    if (!(o->a >= 0.0f) || isinf(o->a))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "deviation is %g, expected 0 or more", (double)o->a));
    return o->a == 0.0f ? in[0] : qn_graph_add(m->g, in[0], qn_graph_noise(m->g, in[0], 0.0f, o->a));
}

static qn_val build_activity(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct pair_opt *o = l->opt;
    const int axis = 0;
    int axes[QN_MAX_RANK];
    qn_val sum = { 0 };
    qn_shape s;

    (void)n;
    if (!qni_layer_rank(m, in[0], 2, QN_MAX_RANK, &s))
        return (qn_val){ 0 };
    if (!(o->a >= 0.0f && o->b >= 0.0f))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "l1 or l2 is negative"));
    for (int i = 1; i < s.rank; i++)
        axes[i - 1] = i;
    if (o->a > 0.0f)
        sum = qn_graph_affine(m->g, qn_graph_reduce_sum_abs(m->g, in[0], axes, s.rank - 1, false), o->a, 0.0f);
    if (o->b > 0.0f) {
        qn_val squares = qn_graph_affine(m->g, qn_graph_reduce_sum_squares(m->g, in[0], axes, s.rank - 1, false), o->b, 0.0f);

        sum = sum.id ? qn_graph_add(m->g, sum, squares) : squares;
    }
    if (sum.id)
        qni_model_penalty(m, qn_graph_reduce_mean(m->g, sum, &axis, 1, false));
    return in[0];
}

static qn_val build_rescaling(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct pair_opt *o = l->opt;

    (void)n;
    return qn_graph_affine(m->g, in[0], o->a, o->b);
}

const struct qni_layer_type qni_layer_gaussian_noise = PAIR_TYPE("gaussian_noise", "GaussianNoise", noise_fields, build_noise,
                                                                QNI_MASK_PASS);
const struct qni_layer_type qni_layer_activity = PAIR_TYPE("activity_regularization", "ActivityRegularization",
                                                          activity_fields, build_activity, QNI_MASK_PASS);
const struct qni_layer_type qni_layer_rescaling = PAIR_TYPE("rescaling", "Rescaling", rescaling_fields, build_rescaling,
                                                           QNI_MASK_PASS);

static qn_val add_pair(qn_model *m, const struct qni_layer_type *type, qn_val x, float a, float b, const qn_layer_opt *opt)
{
    const struct pair_opt o = { a, b, opt ? opt->name : NULL };

    return qni_layer_add(m, type, &o, &x, 1);
}

qn_val qn_gaussian_noise(qn_model *m, qn_val x, float deviation, const qn_layer_opt *opt)
{
    return add_pair(m, &qni_layer_gaussian_noise, x, deviation, 0.0f, opt);
}

qn_val qn_activity_regularization(qn_model *m, qn_val x, float l1, float l2, const qn_layer_opt *opt)
{
    return add_pair(m, &qni_layer_activity, x, l1, l2, opt);
}

qn_val qn_rescaling(qn_model *m, qn_val x, float scale, float offset, const qn_layer_opt *opt)
{
    return add_pair(m, &qni_layer_rescaling, x, scale, offset, opt);
}

/* ---- normalisation by given numbers ---- */

static const struct qni_field no_fields[] = { { 0 } };

static qn_val build_normalization(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_normalization_opt *o = l->opt;
    qn_val mean, variance, deviation;
    qn_shape s;
    int64_t c;

    (void)n;
    if (!qni_layer_rank(m, in[0], 2, QN_MAX_RANK, &s) || !(c = qni_layer_axis(m, &s, s.rank - 1)))
        return (qn_val){ 0 };
    for (int64_t i = 0; o->variance && i < c; i++)
        if (!(o->variance[i] >= 0.0f))
            return qni_layer_fail(m, qni_error(QN_E_ARG, "variance[%lld] is %g, expected 0 or more", (long long)i,
                                               (double)o->variance[i]));
    mean = qni_layer_weight(m, l, &(struct qni_weight){ .name = "mean", .shape = qni_shape(1, c), .values = o->mean,
                                                       .init_default = QN_INIT_ZEROS });
    variance = qni_layer_weight(m, l, &(struct qni_weight){ .name = "variance", .shape = qni_shape(1, c),
                                                           .values = o->variance, .init_default = QN_INIT_ONES });
    deviation = qn_graph_sqrt(m->g, variance);
    deviation = qn_graph_maximum(m->g, deviation, qn_graph_fill_like(m->g, deviation, QN_F32, 1e-7f));
    return qn_graph_div(m->g, qn_graph_sub(m->g, in[0], mean), deviation);
}

const struct qni_layer_type qni_layer_normalization = {
    .name = "normalization", .title = "Normalization", .opt_bytes = sizeof(qn_normalization_opt),
    .name_offset = offsetof(qn_normalization_opt, name), .reuse_offset = offsetof(qn_normalization_opt, reuse),
    .reserved_offset = offsetof(qn_normalization_opt, reserved), .fields = no_fields, .build = build_normalization,
};

qn_val qn_normalization(qn_model *m, qn_val x, const qn_normalization_opt *opt)
{
    return qni_layer_add(m, &qni_layer_normalization, opt, &x, 1);
}
