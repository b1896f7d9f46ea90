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

static bool check(qn_model *m, const qn_conv_opt *o, const struct qni_conv *a)
{
    const int numbers[] = { o->kernel[0], a->filter[0], a->filter[1], a->stride[0], a->stride[1], a->dilation[0],
                            a->dilation[1], a->groups };
    const char *const names[] = { "kernel", "kernel", "kernel", "stride", "stride", "dilation", "dilation", "groups" };

    for (size_t i = 0; i < QNI_COUNT(numbers); i++)
        if (numbers[i] < 1) {
            qni_layer_fail(m, qni_error(QN_E_ARG, "%s is %d, expected 1 or more", names[i], numbers[i]));
            return false;
        }
    return true;
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

static qn_val build(qn_model *m, struct qni_layer *l, const qn_val *in, bool flat, bool depthwise)
{
    const qn_conv_opt *o = l->opt;
    struct qni_conv a = attributes(o, flat);
    int filters = o->filters;
    qn_shape x, w;
    qn_val kernel, bias, y;
    int64_t c;

    if (!qni_layer_rank(m, in[0], flat ? 3 : 4, flat ? 3 : 4, &x) || !(c = qni_layer_axis(m, &x, x.rank - 1)))
        return (qn_val){ 0 };
    if (depthwise) {
        int multiplier = o->depth_multiplier ? o->depth_multiplier : 1;

        if (o->groups || multiplier < 1 || c > INT32_MAX / multiplier)
            return qni_layer_fail(m, qni_error(QN_E_ARG, "depthwise takes depth_multiplier 1 or more, and no groups"));
        a.groups = (int32_t)c;
        filters = (int)c * multiplier;
    }
    if (filters < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "filters is %d, expected 1 or more", filters));
    if (!check(m, o, &a))
        return (qn_val){ 0 };
    if (c % a.groups || filters % a.groups)
        return qni_layer_fail(m, qni_error(QN_E_SHAPE, "%lld channels and %d filters are not multiples of %d groups",
                                           (long long)c, filters, a.groups));
    if (depthwise)
        w = qni_shape(4, (int64_t)a.filter[0], (int64_t)a.filter[1], c, (int64_t)filters / c);
    else if (flat)
        w = qni_shape(3, (int64_t)a.filter[1], c / a.groups, (int64_t)filters);
    else
        w = qni_shape(4, (int64_t)a.filter[0], (int64_t)a.filter[1], c / a.groups, (int64_t)filters);
    kernel = weights(m, l, o, w, filters, &bias);
    if (depthwise) /* Keras's [R,S,C,M] is [R,S,1,C*M] in the same order */
        kernel = qn_graph_reshape(m->g, kernel, 4, (int64_t[]){ a.filter[0], a.filter[1], 1, filters });
    y = qni_layer_linear(m, &qni_op_conv2d, &a, (qn_val[]){ in[0], kernel }, 2, bias, o->act, o->act_alpha);
    return y;
}

static qn_val build_conv2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return build(m, l, in, false, false);
}

static qn_val build_conv1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return build(m, l, in, true, false);
}

static qn_val build_depthwise(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return build(m, l, in, false, true);
}

static qn_val build_transpose(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_conv_opt *o = l->opt;
    struct qni_conv a = attributes(o, false);
    qn_shape x;
    qn_val kernel, bias;
    int64_t c;

    (void)n;
    if (!qni_layer_rank(m, in[0], 4, 4, &x) || !(c = qni_layer_axis(m, &x, 3)))
        return (qn_val){ 0 };
    if (o->filters < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "filters is %d, expected 1 or more", o->filters));
    if (!check(m, o, &a))
        return (qn_val){ 0 };
    kernel = weights(m, l, o, qni_shape(4, (int64_t)a.filter[0], (int64_t)a.filter[1], (int64_t)o->filters, c), o->filters,
                     &bias);
    return qni_layer_linear(m, &qni_op_conv2d_backward_data, &a, (qn_val[]){ in[0], kernel }, 2, bias, o->act,
                            o->act_alpha);
}

#define CONV_TYPE(id, title_text, build_function) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(qn_conv_opt), .name_offset = offsetof(qn_conv_opt, name), \
      .reuse_offset = offsetof(qn_conv_opt, reuse), .reserved_offset = offsetof(qn_conv_opt, reserved), \
      .fields = fields, .build = build_function }

const struct qni_layer_type qni_layer_conv2d = CONV_TYPE("conv2d", "Conv2D", build_conv2d);
const struct qni_layer_type qni_layer_conv1d = CONV_TYPE("conv1d", "Conv1D", build_conv1d);
const struct qni_layer_type qni_layer_depthwise = CONV_TYPE("depthwise_conv2d", "DepthwiseConv2D", build_depthwise);
const struct qni_layer_type qni_layer_conv2d_transpose = CONV_TYPE("conv2d_transpose", "Conv2DTranspose", build_transpose);

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

qn_val qn_conv2d_transpose(qn_model *m, qn_val x, const qn_conv_opt *opt)
{
    return qni_layer_add(m, &qni_layer_conv2d_transpose, opt, &x, 1);
}
