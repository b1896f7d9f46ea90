/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Convolutions. One options struct and one build serve them all. */
#include "layer/types.h"
#include "ops/conv/conv.h"

#define FIELD(kind, member) { #member, kind, offsetof(qn_conv_opt, member) }

static const struct qni_field fields[] = {
    FIELD(QNI_FIELD_INT, filters), FIELD(QNI_FIELD_INT2, kernel), FIELD(QNI_FIELD_INT2, stride),
    FIELD(QNI_FIELD_INT2, dilation), FIELD(QNI_FIELD_INT, groups), FIELD(QNI_FIELD_INT, depth_multiplier),
    FIELD(QNI_FIELD_PADDING, padding), FIELD(QNI_FIELD_INT4, pad), FIELD(QNI_FIELD_INT2, output_padding),
    FIELD(QNI_FIELD_ACT, act), FIELD(QNI_FIELD_FLOAT, act_alpha), FIELD(QNI_FIELD_BOOL, no_bias),
    FIELD(QNI_FIELD_INIT, kernel_init), FIELD(QNI_FIELD_INIT, bias_init), FIELD(QNI_FIELD_FLOAT, init_scale),
    FIELD(QNI_FIELD_FLOAT, kernel_l1), FIELD(QNI_FIELD_FLOAT, kernel_l2), FIELD(QNI_FIELD_FLOAT, bias_l1),
    FIELD(QNI_FIELD_FLOAT, bias_l2), FIELD(QNI_FIELD_BOOL, frozen), { 0 }
};

/* {2} alone is {2, 2}; nothing is the default. */
static void pair(int32_t to[2], const int from[2], int otherwise)
{
    to[0] = from[0] ? from[0] : otherwise;
    to[1] = from[1] ? from[1] : to[0];
}

static bool check(qn_model *m, const qn_conv_opt *o, const struct qni_conv *a, bool causal)
{
    const int numbers[] = { o->kernel[0], a->filter[0], a->filter[1], a->stride[0], a->stride[1], a->dilation[0],
                            a->dilation[1], a->groups };
    const char *const names[] = { "kernel", "kernel", "kernel", "stride", "stride", "dilation", "dilation", "groups" };

    for (size_t i = 0; i < QNI_COUNT(numbers); i++)
        if (numbers[i] < 1) {
            qni_layer_fail(m, qni_error(QN_E_ARG, "%s is %d, expected 1 or more", names[i], numbers[i]));
            return false;
        }
    if (o->padding == QN_CAUSAL && !causal)
        qni_layer_fail(m, qni_error(QN_E_ARG, "causal padding is for convolutions of sequences"));
    return !m->g->status;
}

static qn_val weights(qn_model *m, struct qni_layer *l, const qn_conv_opt *o, qn_shape shape, int64_t outputs, qn_val *bias)
{
    qn_val kernel = qni_layer_weight(m, l, &(struct qni_weight){
        .name = "kernel", .shape = shape, .init = o->kernel_init, .init_default = QN_INIT_GLOROT_UNIFORM,
        .init_scale = o->init_scale, .l1 = o->kernel_l1, .l2 = o->kernel_l2, .trained = !o->frozen });

    bias->id = 0;
    if (!o->no_bias)
        *bias = qni_layer_weight(m, l, &(struct qni_weight){
            .name = "bias", .shape = qni_shape(1, outputs), .init = o->bias_init, .init_default = QN_INIT_ZEROS,
            .l1 = o->bias_l1, .l2 = o->bias_l2, .trained = !o->frozen, .no_decay = true });
    return kernel;
}

/* The attributes of an options struct; a 1-D convolution works on width alone. */
static struct qni_conv attributes(const qn_conv_opt *o, bool flat)
{
    struct qni_conv a = { .padding = (int32_t)o->padding, .groups = o->groups ? o->groups : 1 };

    pair(a.filter, o->kernel, 0);
    pair(a.stride, o->stride, 1);
    pair(a.dilation, o->dilation, 1);
    for (int i = 0; i < 4; i++)
        a.pad[i] = o->pad[i];
    for (int i = 0; i < 2; i++)
        a.output_padding[i] = o->output_padding[i];
    if (flat) {
        a.output_padding[1] = a.output_padding[0];
        a.output_padding[0] = 0;
        a.filter[1] = a.filter[0];
        a.stride[1] = a.stride[0];
        a.dilation[1] = a.dilation[0];
        a.filter[0] = a.stride[0] = a.dilation[0] = 1;
        a.pad[2] = o->pad[0];
        a.pad[3] = o->pad[1];
        a.pad[0] = a.pad[1] = 0;
    }
    return a;
}

/* The input's channels; 0 on failure. */
static int64_t channels(qn_model *m, qn_val x, bool flat)
{
    qn_shape s;

    return qni_layer_rank(m, x, flat ? 3 : 4, flat ? 3 : 4, &s) ? qni_layer_axis(m, &s, s.rank - 1) : 0;
}

/* A filter's shape [R,S,in,out], or [R,in,out] of a sequence, whose filter counts as the width. */
static qn_shape filter_shape(const struct qni_conv *a, bool flat, int64_t in, int64_t out)
{
    return flat ? qni_shape(3, (int64_t)a->filter[1], in, out)
                : qni_shape(4, (int64_t)a->filter[0], (int64_t)a->filter[1], in, out);
}

static qn_val convolve(qn_model *m, struct qni_layer *l, qn_val x, bool flat)
{
    const qn_conv_opt *o = l->opt;
    struct qni_conv a = attributes(o, flat);
    int64_t c = channels(m, x, flat);
    qn_val kernel, bias;

    if (!c)
        return (qn_val){ 0 };
    if (o->filters < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "filters is %d, expected 1 or more", o->filters));
    if (!check(m, o, &a, flat))
        return (qn_val){ 0 };
    if (c % a.groups || o->filters % a.groups)
        return qni_layer_fail(m, qni_error(QN_E_SHAPE, "%lld channels and %d filters are not multiples of %d groups",
                                           (long long)c, o->filters, a.groups));
    kernel = weights(m, l, o, filter_shape(&a, flat, c / a.groups, o->filters), o->filters, &bias);
    return qni_layer_linear(m, &qni_op_conv2d, &a, (qn_val[]){ x, kernel }, 2, bias, o->act, o->act_alpha);
}

/* Attributes of a convolution of each channel by itself; false on failure. */
static bool depthwise(qn_model *m, const qn_conv_opt *o, int64_t c, bool flat, struct qni_conv *a, int64_t *outputs)
{
    int multiplier = o->depth_multiplier ? o->depth_multiplier : 1;

    *a = attributes(o, flat);
    if (o->groups || multiplier < 1 || c > INT32_MAX / multiplier) {
        qni_layer_fail(m, qni_error(QN_E_ARG, "depthwise takes depth_multiplier 1 or more, and no groups"));
        return false;
    }
    a->groups = (int32_t)c;
    *outputs = c * multiplier;
    return check(m, o, a, flat);
}

/* Keras's [R,S,C,M] is [R,S,1,C*M] in the same order. */
static qn_val one_group(qn_model *m, const struct qni_conv *a, bool flat, qn_val kernel, int64_t outputs)
{
    qn_shape s = filter_shape(a, flat, 1, outputs);

    return qn_graph_reshape(m->g, kernel, s.rank, s.dim);
}

static qn_val convolve_channels(qn_model *m, struct qni_layer *l, qn_val x, bool flat)
{
    const qn_conv_opt *o = l->opt;
    int64_t c = channels(m, x, flat), outputs;
    struct qni_conv a;
    qn_val kernel, bias;

    if (!c || !depthwise(m, o, c, flat, &a, &outputs))
        return (qn_val){ 0 };
    kernel = weights(m, l, o, filter_shape(&a, flat, c, outputs / c), outputs, &bias);
    kernel = one_group(m, &a, flat, kernel, outputs);
    return qni_layer_linear(m, &qni_op_conv2d, &a, (qn_val[]){ x, kernel }, 2, bias, o->act, o->act_alpha);
}

static qn_val convolve_separably(qn_model *m, struct qni_layer *l, qn_val x, bool flat)
{
    const qn_conv_opt *o = l->opt;
    struct qni_weight w = { .name = "depthwise_kernel", .init = o->kernel_init, .init_default = QN_INIT_GLOROT_UNIFORM,
                            .init_scale = o->init_scale, .l1 = o->kernel_l1, .l2 = o->kernel_l2, .trained = !o->frozen };
    struct qni_conv a, point = { .filter = { 1, 1 } };
    int64_t c = channels(m, x, flat), outputs;
    qn_val depth_kernel, point_kernel, bias = { 0 };

    if (!c || !depthwise(m, o, c, flat, &a, &outputs))
        return (qn_val){ 0 };
    if (o->filters < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "filters is %d, expected 1 or more", o->filters));
    w.shape = filter_shape(&a, flat, c, outputs / c);
    depth_kernel = one_group(m, &a, flat, qni_layer_weight(m, l, &w), outputs);
    w.name = "pointwise_kernel";
    w.shape = filter_shape(&point, flat, outputs, o->filters);
    point_kernel = qni_layer_weight(m, l, &w);
    if (!o->no_bias)
        bias = qni_layer_weight(m, l, &(struct qni_weight){
            .name = "bias", .shape = qni_shape(1, (int64_t)o->filters), .init = o->bias_init,
            .init_default = QN_INIT_ZEROS, .l1 = o->bias_l1, .l2 = o->bias_l2, .trained = !o->frozen, .no_decay = true });
    x = qni_node_add(m->g, &qni_op_conv2d, &a, (qn_val[]){ x, depth_kernel }, 2, NULL);
    return qni_layer_linear(m, &qni_op_conv2d, &point, (qn_val[]){ x, point_kernel }, 2, bias, o->act, o->act_alpha);
}

static qn_val convolve_back(qn_model *m, struct qni_layer *l, qn_val x, bool flat)
{
    const qn_conv_opt *o = l->opt;
    struct qni_conv a = attributes(o, flat);
    int64_t c = channels(m, x, flat);
    qn_val kernel, bias;

    if (!c)
        return (qn_val){ 0 };
    if (o->filters < 1 || o->groups > 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "filters is %d and groups %d, expected 1 or more, and none",
                                           o->filters, o->groups));
    if (!check(m, o, &a, false))
        return (qn_val){ 0 };
    kernel = weights(m, l, o, filter_shape(&a, flat, o->filters, c), o->filters, &bias);
    return qni_layer_linear(m, &qni_op_conv2d_backward_data, &a, (qn_val[]){ x, kernel }, 2, bias, o->act, o->act_alpha);
}

static qn_val build_conv2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve(m, l, in[0], false);
}

static qn_val build_conv1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve(m, l, in[0], true);
}

static qn_val build_depthwise2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve_channels(m, l, in[0], false);
}

static qn_val build_depthwise1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve_channels(m, l, in[0], true);
}

static qn_val build_separable2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve_separably(m, l, in[0], false);
}

static qn_val build_separable1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve_separably(m, l, in[0], true);
}

static qn_val build_transpose2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve_back(m, l, in[0], false);
}

static qn_val build_transpose1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return convolve_back(m, l, in[0], true);
}

#define CONV_TYPE(id, title_text, build_function) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(qn_conv_opt), .name_offset = offsetof(qn_conv_opt, name), \
      .reuse_offset = offsetof(qn_conv_opt, reuse), .reserved_offset = offsetof(qn_conv_opt, reserved), \
      .fields = fields, .build = build_function }

const struct qni_layer_type qni_layer_conv2d = CONV_TYPE("conv2d", "Conv2D", build_conv2d);
const struct qni_layer_type qni_layer_conv1d = CONV_TYPE("conv1d", "Conv1D", build_conv1d);
const struct qni_layer_type qni_layer_depthwise = CONV_TYPE("depthwise_conv2d", "DepthwiseConv2D", build_depthwise2d);
const struct qni_layer_type qni_layer_depthwise1d = CONV_TYPE("depthwise_conv1d", "DepthwiseConv1D", build_depthwise1d);
const struct qni_layer_type qni_layer_separable2d = CONV_TYPE("separable_conv2d", "SeparableConv2D", build_separable2d);
const struct qni_layer_type qni_layer_separable1d = CONV_TYPE("separable_conv1d", "SeparableConv1D", build_separable1d);
const struct qni_layer_type qni_layer_conv2d_transpose = CONV_TYPE("conv2d_transpose", "Conv2DTranspose", build_transpose2d);
const struct qni_layer_type qni_layer_conv1d_transpose = CONV_TYPE("conv1d_transpose", "Conv1DTranspose", build_transpose1d);

qn_val qn_conv2d(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_conv2d, opt, &x, 1);
}

qn_val qn_conv1d(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_conv1d, opt, &x, 1);
}

qn_val qn_depthwise_conv2d(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_depthwise, opt, &x, 1);
}

qn_val qn_depthwise_conv1d(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_depthwise1d, opt, &x, 1);
}

qn_val qn_separable_conv2d(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_separable2d, opt, &x, 1);
}

qn_val qn_separable_conv1d(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_separable1d, opt, &x, 1);
}

qn_val qn_conv2d_transpose(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_conv2d_transpose, opt, &x, 1);
}

qn_val qn_conv1d_transpose(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_conv1d_transpose, opt, &x, 1);
}
