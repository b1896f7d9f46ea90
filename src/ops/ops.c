/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "ops/op.h"

const struct qni_op *qni_op_find(const char *name)
{
    for (size_t i = 0; qni_ops[i]; i++)
        if (!strcmp(qni_ops[i]->name, name))
            return qni_ops[i];
    return NULL;
}

qn_status qni_problem_init(struct qni_problem *p, const struct qni_op *op, const void *attr, const struct qni_desc *in,
                           int inputs, unsigned absent)
{
    memset(p, 0, sizeof(*p));
    p->op = op;
    p->attr = attr;
    p->absent = absent;
    if (inputs < op->min_inputs || inputs > op->max_inputs)
        return qni_error(QN_E_ARG, "%s takes %d to %d inputs, found %d", op->name, op->min_inputs, op->max_inputs, inputs);
    p->inputs = inputs;
    p->outputs = op->outputs;
    for (int i = 0; i < inputs; i++) {
        int64_t n;
        qn_status st;

        if (absent & 1u << i)
            continue;
        p->in[i] = in[i];
        if ((st = qni_shape_elements(&in[i].shape, in[i].dtype, &n)))
            return st;
    }
    return op->shape(p);
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

static bool has_epilogue(const struct qni_epilogue *e)
{
    return e->bias || e->residual || e->act || e->act_grad;
}

const struct qni_algo *qni_algo_choose(const struct qni_problem *p)
{
    const struct qni_algo *want = forced(p), *any = NULL;

    if (want && want->applies(p))
        return want;
    if (want && has_epilogue(&p->epilogue)) {
        qni_error(QN_E_UNSUPPORTED, "%s: the algorithm asked for, %s, takes no such epilogue", p->op->name, want->name);
        return NULL;
    }
    for (size_t i = 0; p->op->algos && p->op->algos[i]; i++) {
        const struct qni_algo *a = p->op->algos[i];
        bool preferred = p->caps->shape == QNI_CPU_SHAPED ? a->cpu : a->gpu;

        if ((any && !preferred) || !a->applies(p))
            continue;
        if (preferred)
            return a;
        /* Of those nobody prefers, the last: it is the one made for every device. */
        any = a;
    }
    for (size_t i = 0; any && p->op->algos[i]; i++)
        if (!p->op->algos[i]->cpu && !p->op->algos[i]->gpu && p->op->algos[i]->applies(p))
            any = p->op->algos[i];
    if (!any)
        qni_error(QN_E_UNSUPPORTED, "%s has no algorithm for this problem on %s", p->op->name, p->caps->name);
    return any;
}
