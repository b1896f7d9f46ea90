/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A constant around a value. */
#include "ops/shape/shape.h"

static qn_status shape(struct qni_problem *p)
{
    const struct qni_pad *d = p->attr;
    qn_shape *y = &p->out[0].shape;

    p->outputs = 1;
    p->out[0] = p->in[0];
    if (d->axes < 0 || d->axes > y->rank)
        return qni_error(QN_E_SHAPE, "padding of %d axes of a value with %d", d->axes, y->rank);
    for (int a = 0; a < d->axes; a++) {
        if (d->before[a] < 0 || d->after[a] < 0 || d->before[a] > INT32_MAX || d->after[a] > INT32_MAX)
            return qni_error(QN_E_SHAPE, "padding of %lld and %lld", (long long)d->before[a], (long long)d->after[a]);
        y->dim[a] += d->before[a] + d->after[a];
    }
    return QN_OK;
}

static qn_status grad(struct qni_grad *c)
{
    const struct qni_pad *d = c->attr;
    struct qni_slice s = { .axes = d->axes };
    qn_val dy = qni_grad_dy(c, 0);

    for (int a = 0; a < d->axes; a++) {
        s.start[a] = d->before[a];
        s.stop[a] = d->after[a] ? -d->after[a] : INT64_MAX;
        s.step[a] = 1;
    }
    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_slice, &s, &dy, 1, NULL));
    return QN_OK;
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_pad *d = p->attr;
    struct qni_copy c = { .rank = p->in[0].shape.rank };

    qni_strides(&p->in[0].shape, c.in_stride);
    qni_strides(&p->out[0].shape, c.out_stride);
    for (int a = 0; a < c.rank; a++) {
        c.dim[a] = p->in[0].shape.dim[a];
        c.out_at += a < d->axes ? d->before[a] * c.out_stride[a] : 0;
    }
    qni_fill_emit(p, r, 0, (double)d->value, vector);
    qni_copy_emit(p, r, 0, 0, &c, vector);
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static void emit_group(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

static const struct qni_algo vector_algo = { .name = "vector", .applies = qni_shape_applies, .emit = emit_vector, .cpu = true };
static const struct qni_algo group_algo = { .name = "group", .applies = qni_shape_applies, .emit = emit_group, .gpu = true };
static const struct qni_algo *const algos[] = { &group_algo, &vector_algo, NULL };

const struct qni_op qni_op_pad = {
    .name = "pad", .family = "shape", .attr_bytes = sizeof(struct qni_pad), .min_inputs = 1, .max_inputs = 1,
    .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = qni_shape_tests, .dtypes = QNI_SHAPE_DTYPES,
};

qn_val qn_graph_pad(qn_graph *g, qn_val x, int axes, const int64_t *before, const int64_t *after, float value)
{
    struct qni_pad d = { .axes = axes, .value = value };

    if (axes < 0 || axes > QN_MAX_RANK || (axes && (!before || !after)))
        return qni_graph_fail(g, qni_error(QN_E_ARG, "padding of %d axes", axes));
    for (int a = 0; a < axes; a++) {
        d.before[a] = before[a];
        d.after[a] = after[a];
    }
    return qni_node_add(g, &qni_op_pad, &d, &x, 1, NULL);
}
