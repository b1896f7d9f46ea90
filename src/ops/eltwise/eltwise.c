/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The operation: result dtypes and shape, and its gradient. */
#include "ops/eltwise/eltwise.h"

qn_status qni_broadcast(const qn_shape *a, const qn_shape *b, qn_shape *out, const char *what)
{
    qn_shape r = { .rank = QNI_MAX(a->rank, b->rank) };
    char ta[160], tb[160];

    for (int i = 0; i < r.rank; i++) {
        int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];

        if (da != db && da != 1 && db != 1)
            return qni_error(QN_E_SHAPE, "%s: shapes %s and %s do not broadcast", what, qni_shape_text(a, ta, sizeof(ta)),
                             qni_shape_text(b, tb, sizeof(tb)));
        r.dim[i] = da == 1 ? db : da;
    }
    *out = r;
    return QN_OK;
}

static qn_status operand_dtype(const struct qni_eltwise *e, int j, int n, const qn_dtype *in, const qn_dtype *results,
                               qn_dtype *out)
{
    int o = e->code[j].operand[n];

    if (o >= 0 && o < e->inputs)
        *out = in[o];
    else if (o >= QNI_ELT_IN && o < QNI_ELT_IN + j)
        *out = results[o - QNI_ELT_IN];
    else
        return qni_error(QN_E_ARG, "element-wise instruction %d reads operand %d, which is not there", j, o);
    return QN_OK;
}

static qn_status code_type(const struct qni_eltwise *e, int j, const qn_dtype *in, qn_dtype *results)
{
    const struct qni_elt_info *k = qni_elt_info(e->code[j].kind);
    qn_dtype d[3] = { QN_F32, QN_F32, QN_F32 };
    int first = 0;
    qn_status st;

    if (!k)
        return qni_error(QN_E_ARG, "there is no element-wise instruction %d", e->code[j].kind);
    for (int n = 0; n < k->arity; n++) {
        if ((st = operand_dtype(e, j, n, in, results, &d[n])))
            return st;
        if (!k->ints && d[n] > QN_BF16)
            return qni_error(QN_E_ARG, "%s takes floating-point values, found %s", k->name, qn_dtype_name(d[n]));
    }
    if (e->code[j].kind == QNI_ELT_WHERE)
        first = 1;
    for (int n = first + 1; n < k->arity; n++)
        if (d[n] != d[first])
            return qni_error(QN_E_ARG, "%s takes values of one dtype, found %s and %s", k->name, qn_dtype_name(d[first]),
                             qn_dtype_name(d[n]));
    switch (k->result) {
    case QNI_ELT_AS_OPERAND: results[j] = d[0]; break;
    case QNI_ELT_AS_SECOND: results[j] = d[1]; break;
    case QNI_ELT_BOOL: results[j] = QN_U8; break;
    case QNI_ELT_FLOAT: results[j] = QN_F32; break;
    case QNI_ELT_OWN_DTYPE:
        if (!qn_dtype_bytes((qn_dtype)e->code[j].dtype))
            return qni_error(QN_E_ARG, "%s: there is no dtype %u", k->name, e->code[j].dtype);
        results[j] = (qn_dtype)e->code[j].dtype;
        break;
    }
    return QN_OK;
}

qn_status qni_elt_types(const struct qni_eltwise *e, const qn_dtype *in, qn_dtype *out)
{
    qn_status st = QN_OK;

    for (int j = 0; j < e->codes && !st; j++)
        st = code_type(e, j, in, out);
    return st;
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_eltwise *e = p->attr;
    qn_dtype in[QNI_ELT_IN], types[QNI_ELT_CODES];
    qn_shape s = { 0 };
    qn_status st;

    if (e->inputs != p->inputs || e->inputs > QNI_ELT_IN || e->codes < 0 || e->codes > QNI_ELT_CODES || e->outputs < 1 ||
        e->outputs > QNI_ELT_OUT)
        return qni_error(QN_E_ARG, "a malformed element-wise program (%d inputs, found %d)", e->inputs, p->inputs);
    for (int i = 0; i < p->inputs; i++) {
        in[i] = p->in[i].dtype;
        if ((st = qni_broadcast(&s, &p->in[i].shape, &s, qni_elt_info(e->code[0].kind)->name)))
            return st;
    }
    if (e->has_shape) {
        qn_shape want;

        if ((st = qni_broadcast(&e->shape, &s, &want, "broadcast_to")))
            return st;
        if (!qni_shape_equal(&want, &e->shape)) {
            char a[160], b[160];

            return qni_error(QN_E_SHAPE, "shape %s does not broadcast to %s", qni_shape_text(&s, a, sizeof(a)),
                             qni_shape_text(&e->shape, b, sizeof(b)));
        }
        s = e->shape;
    }
    if ((st = qni_elt_types(e, in, types)))
        return st;
    p->outputs = e->outputs;
    for (int o = 0; o < e->outputs; o++) {
        int from = e->out[o];

        if (from < 0 || (from < QNI_ELT_IN ? from >= e->inputs : from - QNI_ELT_IN >= e->codes))
            return qni_error(QN_E_ARG, "element-wise output %d stores operand %d, which is not there", o, from);
        p->out[o].dtype = from < QNI_ELT_IN ? in[from] : types[from - QNI_ELT_IN];
        p->out[o].shape = s;
    }
    return QN_OK;
}

/* Is there anything to know about operand n of instruction j? */
static bool operand_wanted(const struct qni_grad *c, const struct qni_eltwise *e, int operand)
{
    return operand >= QNI_ELT_IN || (operand >= 0 && operand < e->inputs && qni_grad_wants(c, operand));
}

static void add_gradient(qn_graph *g, qn_val *sum, qn_val d)
{
    *sum = sum->id && d.id ? qni_elt2(g, QNI_ELT_ADD, *sum, d, 0, 0) : d.id ? d : *sum;
}

static void code_gradient(struct qni_grad *c, const struct qni_eltwise *e, int j, const qn_val *in, const qn_val *result,
                          qn_val *d)
{
    const struct qni_elt_info *k = qni_elt_info(e->code[j].kind);
    struct qni_elt_rule r = { .g = c->g, .code = &e->code[j], .y = result[j], .dy = d[QNI_ELT_IN + j] };

    if (!r.dy.id || (!k->grad && !k->grad_kind))
        return;
    for (int n = 0; n < k->arity; n++) {
        int o = e->code[j].operand[n];

        r.x[n] = o < QNI_ELT_IN ? in[o] : result[o - QNI_ELT_IN];
        r.wants[n] = operand_wanted(c, e, o);
    }
    if (k->grad)
        k->grad(&r);
    else
        r.d[0] = qni_elt2(c->g, k->grad_kind, r.dy, k->grad_of == 'x' ? r.x[0] : r.y, r.code->alpha, r.code->beta);
    for (int n = 0; n < k->arity; n++)
        if (r.wants[n])
            add_gradient(c->g, &d[e->code[j].operand[n]], r.d[n]);
}

/* Programs of several instructions are differentiated one instruction at a time, on values computed once more. */
static qn_status grad(struct qni_grad *c)
{
    const struct qni_eltwise *e = c->attr;
    qn_val in[QNI_ELT_IN], result[QNI_ELT_CODES] = { { 0 } }, d[QNI_ELT_IN + QNI_ELT_CODES] = { { 0 } };

    for (int i = 0; i < e->inputs; i++)
        in[i] = qni_grad_in(c, i);
    for (int j = 0; j < e->codes; j++) {
        struct qni_eltwise one = { .codes = 1, .outputs = 1, .out = { QNI_ELT_IN }, .has_shape = e->has_shape, .shape = e->shape };
        qn_val operands[3];
        const struct qni_elt_info *k = qni_elt_info(e->code[j].kind);

        if (e->codes == 1) {
            result[0] = qni_grad_out(c, 0);
            break;
        }
        one.inputs = k->arity;
        one.code[0] = e->code[j];
        for (int n = 0; n < k->arity; n++) {
            int o = e->code[j].operand[n];

            operands[n] = o < QNI_ELT_IN ? in[o] : result[o - QNI_ELT_IN];
            one.code[0].operand[n] = (int8_t)n;
        }
        result[j] = qni_node_add(c->g, &qni_op_eltwise, &one, operands, k->arity, NULL);
    }
    for (int o = 0; o < e->outputs; o++)
        add_gradient(c->g, &d[e->out[o]], qni_grad_dy(c, o));
    for (int j = e->codes - 1; j >= 0; j--)
        code_gradient(c, e, j, in, result, d);
    for (int i = 0; i < e->inputs; i++)
        if (d[i].id && qni_grad_wants(c, i))
            qni_grad_set(c, i, qni_sum_to(c->g, d[i], in[i]));
    return c->g->status;
}

static qn_status infer_dropout(qn_graph *g, const struct qni_node *node, const qn_val *in, qn_val *out)
{
    (void)g;
    (void)node;
    out[0] = in[0];
    return QN_OK;
}

/* The same program, with the mean in place of the draw. */
static qn_status infer_noise(qn_graph *g, const struct qni_node *node, const qn_val *in, qn_val *out)
{
    struct qni_eltwise e = *(const struct qni_eltwise *)node->attr;

    e.code[0] = (struct qni_elt_code){ .kind = QNI_ELT_FILL, .operand = { -1, -1, -1 }, .dtype = QN_F32,
                                       .alpha = e.code[0].alpha };
    out[0] = qni_node_add(g, &qni_op_eltwise, &e, in, node->inputs, NULL);
    return g->status;
}

static const struct qni_algo *const algos[] = {
    &qni_elt_coalesced,
    &qni_elt_vector, /* always applies */
    NULL
};

static const char *const tests[] = { "op/eltwise", "grad/math", NULL };
static const char *const random_tests[] = { "op/random", NULL };

const struct qni_op qni_op_eltwise = {
    .name = "eltwise", .family = "eltwise", .attr_bytes = sizeof(struct qni_eltwise),
    .min_inputs = 0, .max_inputs = QNI_ELT_IN, .outputs = 1, .flags = QNI_OP_ELEMENTWISE, .inplace = 1,
    .shape = shape, .grad = grad, .algos = algos, .tests = tests, .dtypes = "f32 f16 bf16 i32 i64 u8",
};

const struct qni_op qni_op_dropout = {
    .name = "dropout", .family = "eltwise", .attr_bytes = sizeof(struct qni_eltwise),
    .min_inputs = 1, .max_inputs = 1, .outputs = 1, .flags = QNI_OP_ELEMENTWISE | QNI_OP_RANDOM, .inplace = 1,
    .shape = shape, .grad = grad, .infer = infer_dropout, .algos = algos, .tests = random_tests, .dtypes = "f32 f16 bf16",
};

const struct qni_op qni_op_random = {
    .name = "random", .family = "eltwise", .attr_bytes = sizeof(struct qni_eltwise),
    .min_inputs = 0, .max_inputs = 1, .outputs = 1, .flags = QNI_OP_ELEMENTWISE | QNI_OP_RANDOM | QNI_OP_NO_GRADIENT,
    .shape = shape, .algos = algos, .tests = random_tests, .dtypes = "f32",
};

const struct qni_op qni_op_noise = {
    .name = "noise", .family = "eltwise", .attr_bytes = sizeof(struct qni_eltwise),
    .min_inputs = 0, .max_inputs = 1, .outputs = 1, .flags = QNI_OP_ELEMENTWISE | QNI_OP_RANDOM | QNI_OP_NO_GRADIENT,
    .shape = shape, .infer = infer_noise, .algos = algos, .tests = random_tests, .dtypes = "f32",
};
