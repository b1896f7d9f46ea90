/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layers that move elements: borders, larger images, other orders of axes. */
#include "layer/types.h"

static const struct qni_field pad_fields[] = { QNI_PLAIN(QNI_FIELD_INT4, pad), { 0 } };

/* ---- borders ---- */

/* pad as what stands before and after each axis; where all are 0, `otherwise` everywhere. False on failure. */
static bool border(qn_model *m, const qn_layer_opt *o, int axes, int otherwise, int64_t before[4], int64_t after[4])
{
    bool given = false;

    for (int i = 0; i < 2 * axes; i++) {
        given |= o->pad[i] != 0;
        if (o->pad[i] < 0) {
            qni_layer_fail(m, qni_error(QN_E_ARG, "pad[%d] is %d, expected 0 or more", i, o->pad[i]));
            return false;
        }
    }
    for (int i = 0; i < 4; i++)
        before[i] = after[i] = 0;
    for (int i = 0; i < axes; i++) {
        before[i + 1] = given ? o->pad[2 * i] : otherwise;
        after[i + 1] = given ? o->pad[2 * i + 1] : otherwise;
    }
    return true;
}

static qn_val zero_padding(qn_model *m, const struct qni_layer *l, qn_val x, int axes)
{
    int64_t before[4], after[4];
    qn_shape s;

    if (!qni_layer_rank(m, x, axes + 2, axes + 2, &s) || !border(m, l->opt, axes, 1, before, after))
        return (qn_val){ 0 };
    return qn_graph_pad(m->g, x, axes + 2, before, after, 0.0f);
}

static qn_val cropping(qn_model *m, const struct qni_layer *l, qn_val x, int axes, int otherwise)
{
    int64_t before[4], after[4];
    qn_shape s;

    if (!qni_layer_rank(m, x, axes + 2, axes + 2, &s) || !border(m, l->opt, axes, otherwise, before, after))
        return (qn_val){ 0 };
    for (int i = 1; i <= axes; i++) {
        if (s.dim[i] != QN_ANY && before[i] + after[i] >= s.dim[i])
            return qni_layer_fail(m, qni_error(QN_E_SHAPE, "nothing is left of axis %d of %lld elements", i,
                                               (long long)s.dim[i]));
        after[i] = after[i] ? -after[i] : INT64_MAX;
    }
    after[0] = INT64_MAX;
    return qn_graph_slice(m->g, x, axes + 1, before, after, NULL);
}

static qn_val build_zero_padding1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return zero_padding(m, l, in[0], 1);
}

static qn_val build_zero_padding2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return zero_padding(m, l, in[0], 2);
}

static qn_val build_cropping1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return cropping(m, l, in[0], 1, 1);
}

static qn_val build_cropping2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return cropping(m, l, in[0], 2, 0);
}

const struct qni_layer_type qni_layer_zero_padding1d = QNI_PLAIN_TYPE("zero_padding1d", "ZeroPadding1D", pad_fields,
                                                                     build_zero_padding1d);
const struct qni_layer_type qni_layer_zero_padding2d = QNI_PLAIN_TYPE("zero_padding2d", "ZeroPadding2D", pad_fields,
                                                                     build_zero_padding2d);
const struct qni_layer_type qni_layer_cropping1d = QNI_PLAIN_TYPE("cropping1d", "Cropping1D", pad_fields, build_cropping1d);
const struct qni_layer_type qni_layer_cropping2d = QNI_PLAIN_TYPE("cropping2d", "Cropping2D", pad_fields, build_cropping2d);

qn_val qn_zero_padding1d(qn_model *m, qn_val x, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_zero_padding1d, opt, &x, 1);
}

qn_val qn_zero_padding2d(qn_model *m, qn_val x, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_zero_padding2d, opt, &x, 1);
}

qn_val qn_cropping1d(qn_model *m, qn_val x, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_cropping1d, opt, &x, 1);
}

qn_val qn_cropping2d(qn_model *m, qn_val x, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_cropping2d, opt, &x, 1);
}

/* ---- upsampling ---- */

static const struct qni_field upsampling_fields[] = {
    { "size", QNI_FIELD_INT2, offsetof(qn_upsampling_opt, size) },
    { "interpolation", QNI_FIELD_INTERPOLATION, offsetof(qn_upsampling_opt, interpolation) }, { 0 }
};

/* Elements first to last + the axis's size of an axis. */
static qn_val part(qn_model *m, qn_val x, int axis, int64_t first, int64_t last)
{
    int64_t start[QN_MAX_RANK] = { 0 }, stop[QN_MAX_RANK];

    for (int i = 0; i <= axis; i++)
        stop[i] = INT64_MAX;
    start[axis] = first;
    stop[axis] = last;
    return qn_graph_slice(m->g, x, axis + 1, start, stop, NULL);
}

/* An axis `times` as long: sample r of a pixel stands (r + 0.5) / times - 0.5 from its centre, on the line to a neighbour. */
static qn_val stretch(qn_model *m, qn_val x, int axis, int times)
{
    qn_val edged = qn_graph_concat(m->g, (qn_val[]){ part(m, x, axis, 0, 1), x, part(m, x, axis, -1, INT64_MAX) }, 3, axis);
    qn_val before = part(m, edged, axis, 0, -2), after = part(m, edged, axis, 2, INT64_MAX), phase[64];
    int64_t dim[QN_MAX_RANK] = { 0 }; /* 0: as it was */
    int rank = qni_value_shape(m->g, x).rank;
    qn_shape s;

    for (int r = 0; r < times; r++) {
        float at = ((float)r + 0.5f) / (float)times - 0.5f, away = at < 0.0f ? -at : at;

        phase[r] = qn_graph_affine(m->g, x, 1.0f - away, 0.0f);
        if (away > 0.0f)
            phase[r] = qn_graph_add(m->g, phase[r], qn_graph_affine(m->g, at < 0.0f ? before : after, away, 0.0f));
    }
    x = qn_graph_stack(m->g, phase, times, axis + 1);
    s = qni_value_shape(m->g, x);
    dim[axis] = -1;
    for (int i = axis + 1; i < rank; i++) {
        if (s.dim[i + 1] == QN_ANY)
            return qni_layer_fail(m, qni_error(QN_E_SHAPE, "axis %d of the input must have a fixed size", i));
        dim[i] = s.dim[i + 1];
    }
    return qn_graph_reshape(m->g, x, rank, dim);
}

static qn_val upsampling(qn_model *m, const struct qni_layer *l, qn_val x, int axes)
{
    const qn_upsampling_opt *o = l->opt;
    int size[2] = { o->size[0] ? o->size[0] : 2, o->size[1] ? o->size[1] : o->size[0] ? o->size[0] : 2 };
    qn_shape s;

    if (!qni_layer_rank(m, x, axes + 2, axes + 2, &s))
        return (qn_val){ 0 };
    if ((unsigned)o->interpolation > QN_BILINEAR || (axes == 1 && o->interpolation))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "interpolation %d is not one of this layer", (int)o->interpolation));
    for (int i = axes - 1; i >= 0; i--) {
        if (size[i] < 1 || (size[i] > 64 && o->interpolation))
            return qni_layer_fail(m, qni_error(QN_E_ARG, "size is %d, expected 1 or more%s", size[i],
                                               o->interpolation ? ", up to 64" : ""));
        if (size[i] > 1)
            x = o->interpolation ? stretch(m, x, i + 1, size[i]) : qn_graph_repeat(m->g, x, i + 1, size[i]);
    }
    return x;
}

static qn_val build_upsampling1d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return upsampling(m, l, in[0], 1);
}

static qn_val build_upsampling2d(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)n;
    return upsampling(m, l, in[0], 2);
}

#define UPSAMPLING_TYPE(id, title_text, build_function) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(qn_upsampling_opt), \
      .name_offset = offsetof(qn_upsampling_opt, name), .reuse_offset = SIZE_MAX, \
      .reserved_offset = offsetof(qn_upsampling_opt, reserved), .fields = upsampling_fields, .build = build_function }

const struct qni_layer_type qni_layer_upsampling1d = UPSAMPLING_TYPE("up_sampling1d", "UpSampling1D", build_upsampling1d);
const struct qni_layer_type qni_layer_upsampling2d = UPSAMPLING_TYPE("up_sampling2d", "UpSampling2D", build_upsampling2d);

qn_val qn_upsampling1d(qn_model *m, qn_val x, const qn_upsampling_opt *opt)
{
    return qni_layer_add(m, &qni_layer_upsampling1d, opt, &x, 1);
}

qn_val qn_upsampling2d(qn_model *m, qn_val x, const qn_upsampling_opt *opt)
{
    return qni_layer_add(m, &qni_layer_upsampling2d, opt, &x, 1);
}

/* ---- axes ---- */

struct permute_opt { qn_shape axes; }; /* rank: how many; dim: the axes, counted from 1 */

static const struct qni_field permute_fields[] = { { "axes", QNI_FIELD_DIMS, offsetof(struct permute_opt, axes) }, { 0 } };

static qn_val build_permute(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct permute_opt *o = l->opt;
    int axes[QN_MAX_RANK] = { 0 };
    unsigned seen = 0;
    qn_shape s;

    (void)n;
    if (!qni_layer_rank(m, in[0], o->axes.rank + 1, o->axes.rank + 1, &s))
        return (qn_val){ 0 };
    for (int i = 0; i < o->axes.rank; i++) {
        int64_t axis = o->axes.dim[i];

        if (axis < 1 || axis > o->axes.rank || seen & 1u << axis)
            return qni_layer_fail(m, qni_error(QN_E_ARG, "axis[%d] is %lld, expected each of 1 to %d once", i,
                                               (long long)axis, o->axes.rank));
        seen |= 1u << axis;
        axes[i + 1] = (int)axis;
    }
    return qn_graph_transpose(m->g, in[0], axes, s.rank);
}

const struct qni_layer_type qni_layer_permute = {
    .name = "permute", .title = "Permute", .opt_bytes = sizeof(struct permute_opt), .name_offset = SIZE_MAX,
    .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = permute_fields, .build = build_permute,
};

qn_val qn_permute(qn_model *m, qn_val x, int rank, const int *axis)
{
    struct permute_opt o = { .axes = { .rank = rank } };

    if (!m || m->g->status)
        return (qn_val){ 0 };
    if (rank < 1 || rank >= QN_MAX_RANK || !axis)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "permute: a sample has 1 to %d axes, found %d", QN_MAX_RANK - 1, rank));
    for (int i = 0; i < rank; i++)
        o.axes.dim[i] = axis[i];
    return qni_layer_add(m, &qni_layer_permute, &o, &x, 1);
}

struct repeat_opt { int times; };

static const struct qni_field repeat_fields[] = { { "times", QNI_FIELD_INT, offsetof(struct repeat_opt, times) }, { 0 } };

static qn_val build_repeat_vector(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct repeat_opt *o = l->opt;
    qn_shape s;

    (void)n;
    if (!qni_layer_rank(m, in[0], 2, 2, &s))
        return (qn_val){ 0 };
    if (o->times < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "times is %d, expected 1 or more", o->times));
    return qn_graph_repeat(m->g, qn_graph_expand_dims(m->g, in[0], 1), 1, o->times);
}

const struct qni_layer_type qni_layer_repeat_vector = {
    .name = "repeat_vector", .title = "RepeatVector", .opt_bytes = sizeof(struct repeat_opt), .name_offset = SIZE_MAX,
    .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = repeat_fields, .build = build_repeat_vector,
};

qn_val qn_repeat_vector(qn_model *m, qn_val x, int times)
{
    return qni_layer_add(m, &qni_layer_repeat_vector, &(struct repeat_opt){ times }, &x, 1);
}
