/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "ops/op.h"

/* More than any device holds. What algorithms work out from sizes below it fits in 64 bits, with room to round up. */
#define MOST_BYTES (INT64_C(1) << 48)

const struct qni_op *qni_op_find(const char *name)
{
    for (size_t i = 0; qni_ops[i]; i++)
        if (!strcmp(qni_ops[i]->name, name))
            return qni_ops[i];
    return NULL;
}

/* Also of an empty operand, whose other axes still make strides. */
static qn_status check_size(const struct qni_op *op, const char *what, int i, const struct qni_desc *d)
{
    qn_shape full = d->shape;
    int64_t n = 0;
    char text[160];
    qn_status st;

    for (int a = 0; a < full.rank && a < QN_MAX_RANK; a++)
        full.dim[a] = full.dim[a] ? full.dim[a] : 1;
    st = qni_shape_elements(&full, d->dtype, &n);
    if (st)
        qni_error_prefix("%s: %s %d: ", op->name, what, i);
    else if (n > MOST_BYTES / (int64_t)qn_dtype_bytes(d->dtype))
        st = qni_error(QN_E_SHAPE, "%s: %s %d: %s has more than 2^48 bytes", op->name, what, i,
                       qni_shape_text(&full, text, sizeof(text)));
    return st;
}

qn_status qni_problem_init(struct qni_problem *p, const struct qni_op *op, const void *attr, const struct qni_desc *in,
                           int inputs, unsigned absent)
{
    qn_status st;

    memset(p, 0, sizeof(*p));
    p->op = op;
    p->attr = attr;
    p->absent = absent;
    if (inputs < op->min_inputs || inputs > op->max_inputs)
        return qni_error(QN_E_ARG, "%s takes %d to %d inputs, found %d", op->name, op->min_inputs, op->max_inputs, inputs);
    p->inputs = inputs;
    p->outputs = op->outputs;
    for (int i = 0; i < inputs; i++) {
        if (absent & 1u << i)
            continue;
        p->in[i] = in[i];
        if ((st = check_size(op, "input", i, &in[i])))
            return st;
    }
    st = op->shape(p);
    for (int i = 0; i < p->outputs && !st; i++)
        st = check_size(op, "output", i, &p->out[i]);
    return st;
}

const struct qni_algo *qni_algo_find(const struct qni_op *op, const char *name)
{
    for (size_t i = 0; op->algos && op->algos[i]; i++)
        if (!strcmp(op->algos[i]->name, name))
            return op->algos[i];
    return NULL;
}

/* The algorithm "family=name" in a list "family=name,family=name" asks for, if the operation has it. */
static const struct qni_algo *forced(const struct qni_problem *p)
{
    const char *list = p->caps->algo;

    while (*list) {
        size_t n = strcspn(list, ",");
        size_t family = strcspn(list, "=");

        if (family < n && strlen(p->op->family) == family && !strncmp(list, p->op->family, family))
            for (size_t i = 0; p->op->algos[i]; i++) {
                const char *name = p->op->algos[i]->name;

                if (strlen(name) == n - family - 1 && !strncmp(list + family + 1, name, n - family - 1))
                    return p->op->algos[i];
            }
        list += n;
        list += *list == ',';
    }
    return NULL;
}

qn_status qni_problem_epilogue(struct qni_problem *p, const struct qni_epilogue *e, const struct qni_desc *operands)
{
    const struct qn_shape *y = &p->out[0].shape;
    int n = qni_epilogue_operands(e);
    char a[160], b[160];

    if (qni_epilogue_empty(e))
        return QN_OK;
    if (!(p->op->flags & QNI_OP_EPILOGUE))
        return qni_error(QN_E_UNSUPPORTED, "%s takes no epilogue", p->op->name);
    if (p->inputs + n > QNI_MAX_IN)
        return qni_error(QN_E_UNSUPPORTED, "%s: more than %d operands", p->op->name, QNI_MAX_IN);
    for (int i = 0; i < n; i++) {
        qn_shape want = *y;

        if (i == 0 && e->bias) {
            want.rank = 1;
            want.dim[0] = y->rank ? y->dim[y->rank - 1] : 1;
        }
        if (operands[i].dtype != p->out[0].dtype || !qni_shape_equal(&operands[i].shape, &want))
            return qni_error(QN_E_SHAPE, "%s: %s is %s %s, expected %s %s", p->op->name, i == 0 && e->bias ? "bias" : "operand",
                             qn_dtype_name(operands[i].dtype), qni_shape_text(&operands[i].shape, a, sizeof(a)),
                             qn_dtype_name(p->out[0].dtype), qni_shape_text(&want, b, sizeof(b)));
        p->in[p->inputs++] = operands[i];
    }
    p->epilogue = *e;
    return QN_OK;
}

/* TF32 is no worse than what bf16 and f16 are allowed. */
static bool is_allowed(const struct qni_caps *caps, const struct qni_algo *a)
{
    return !a->operands || a->operands == caps->matmul || (a->operands == QN_MATMUL_TF32 && caps->matmul);
}

bool qni_algo_usable(const struct qni_problem *p, const struct qni_algo *a)
{
    return !(*p->caps->left_out && qni_caps_left_out(p->caps, p->op->name, a->name)) &&
           (!a->untried || qni_caps_qualified(p->caps, p->op->name, a->name)) && is_allowed(p->caps, a) && a->applies(p);
}

enum qni_matrix qni_matrix_own(const struct qni_caps *caps, qn_matmul operands)
{
    if (operands == QN_MATMUL_TF32)
        return caps->matrix == QNI_MATRIX_NVIDIA ? QNI_MATRIX_NVIDIA : QNI_MATRIX_NONE;
    return operands == QN_MATMUL_F32 ? caps->matrix : caps->matrix_half;
}

enum qni_matrix qni_matrix_of(const struct qni_caps *caps, qn_matmul operands)
{
    const enum qni_matrix own = qni_matrix_own(caps, operands);

    return own ? own : QNI_MATRIX_NVIDIA;
}

bool qni_matrix_is_played(const struct qni_caps *caps, qn_matmul operands)
{
    return caps->matrix_played || !qni_matrix_own(caps, operands);
}

bool qni_matrix_usable(const struct qni_problem *p, const struct qni_algo *a)
{
    const enum qni_matrix own = qni_matrix_own(p->caps, a->operands);

    if (!own)
        return forced(p) == a;
    return own == QNI_MATRIX_NVIDIA || own == QNI_MATRIX_AMD || own == QNI_MATRIX_WMMA || p->caps->matrix_played ||
           p->caps->subgroups;
}

void qni_matrix_define(struct qni_recorder *r, struct qni_launch *l, const struct qni_caps *caps, qn_matmul operands)
{
    qni_define(r, l, "QN_MATRIX", qni_matrix_of(caps, operands));
    qni_define(r, l, "QN_OPERANDS", operands);
    qni_define(r, l, "QN_PLAYED", qni_matrix_is_played(caps, operands));
}

const struct qni_algo *qni_algo_prefer(const struct qni_problem *p)
{
    const struct qni_algo *want = forced(p), *any = NULL;

    if (want && want->applies(p)) /* also one that the self-test left out: who asks for it knows why */
        return want;
    if (want && !qni_epilogue_empty(&p->epilogue)) {
        qni_error(QN_E_UNSUPPORTED, "%s: the algorithm asked for, %s, takes no such epilogue", p->op->name, want->name);
        return NULL;
    }
    for (size_t i = 0; p->op->algos && p->op->algos[i]; i++) {
        const struct qni_algo *a = p->op->algos[i];
        bool preferred = p->caps->shape == QNI_CPU_SHAPED ? a->cpu : a->gpu;

        if ((any && !preferred) || !qni_algo_usable(p, a))
            continue;
        if (preferred)
            return a;
        /* Of those nobody prefers, the last: it is the one made for every device. */
        any = a;
    }
    for (size_t i = 0; any && p->op->algos[i]; i++)
        if (!p->op->algos[i]->cpu && !p->op->algos[i]->gpu && qni_algo_usable(p, p->op->algos[i]))
            any = p->op->algos[i];
    if (!any)
        qni_error(QN_E_UNSUPPORTED, "%s has no algorithm for this problem on %s%s", p->op->name, p->caps->name,
                  *p->caps->left_out ? " that passed the device's self-test" : "");
    return any;
}
