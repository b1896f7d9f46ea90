/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layers of several inputs, and padding. */
#include "layer/types.h"

static const struct qni_field no_fields[] = { { 0 } };
static const struct qni_field axis_fields[] = { QNI_PLAIN(QNI_FIELD_INT, axis), { 0 } };
static const struct qni_field pad_fields[] = { QNI_PLAIN(QNI_FIELD_INT4, pad), { 0 } };

/* Values joined two by two, all of one shape: Keras's merge layers broadcast, but the first size rule is ours. */
static qn_val join(qn_model *m, const qn_val *in, int n, qn_val (*f)(qn_graph *, qn_val, qn_val))
{
    qn_val y = in[0];

    for (int i = 1; i < n; i++) {
        qn_shape a = qni_value_shape(m->g, in[0]), b = qni_value_shape(m->g, in[i]);
        char s[160], t[160];

        if (!qni_shape_equal(&a, &b))
            return qni_layer_fail(m, qni_error(QN_E_SHAPE, "value %d has shape %s, expected %s", i,
                                               qni_shape_text(&b, s, sizeof(s)), qni_shape_text(&a, t, sizeof(t))));
        y = f(m->g, y, in[i]);
    }
    return y;
}

static qn_val build_add(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    return join(m, in, n, qn_graph_add);
}

static qn_val build_multiply(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    (void)l;
    return join(m, in, n, qn_graph_mul);
}

static qn_val build_concatenate(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;

    return qn_graph_concat(m->g, in, n, o->axis ? o->axis : -1);
}

const struct qni_layer_type qni_layer_add_type = QNI_PLAIN_TYPE("add", "Add", no_fields, build_add);
const struct qni_layer_type qni_layer_multiply = QNI_PLAIN_TYPE("multiply", "Multiply", no_fields, build_multiply);
const struct qni_layer_type qni_layer_concatenate = QNI_PLAIN_TYPE("concatenate", "Concatenate", axis_fields, build_concatenate);

qn_val qn_add(qn_model *m, const qn_val *x, int n)
{
    return qni_layer_add(m, &qni_layer_add_type, NULL, x, n);
}

qn_val qn_multiply(qn_model *m, const qn_val *x, int n)
{
    return qni_layer_add(m, &qni_layer_multiply, NULL, x, n);
}

qn_val qn_concatenate(qn_model *m, const qn_val *x, int n, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_concatenate, opt, x, n);
}

static qn_val build_zero_padding(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_layer_opt *o = l->opt;
    qn_shape s;
    int64_t before[4] = { 0, o->pad[0], o->pad[2], 0 }, after[4] = { 0, o->pad[1], o->pad[3], 0 };

    (void)n;
    if (!qni_layer_rank(m, in[0], 4, 4, &s))
        return (qn_val){ 0 };
    return qn_graph_pad(m->g, in[0], 4, before, after, 0.0f);
}

const struct qni_layer_type qni_layer_zero_padding2d = QNI_PLAIN_TYPE("zero_padding2d", "ZeroPadding2D", pad_fields,
                                                                 build_zero_padding);

qn_val qn_zero_padding2d(qn_model *m, qn_val x, const qn_layer_opt *opt)
{
    return qni_layer_add(m, &qni_layer_zero_padding2d, opt, &x, 1);
}
