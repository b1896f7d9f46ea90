/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the self-test of a device means for each algorithm. */
#include "device/qualify.h"
#include "ops/op.h"

/* Why one that was not passed is off. All of them use matrix instructions. */
static const char *why_untried(const struct qni_algo *a, const struct qni_caps *caps, const struct qni_verdict *v)
{
    if (!*caps->name)
        return "off until the device's self-test has passed it";
    if (!qni_matrix_own(caps, a->operands))
        return "the device has none of the instructions that it is made of";
    if (v->state == QN_VERDICT_UNTESTED || v->level != QNI_LEVEL_ALL)
        return "off until the device's self-test has passed it: quern devices --qualify";
    return "off, since nothing in the device's self-test could be asked of it";
}

qn_algorithm qni_algo_offered(const struct qni_op *op, const struct qni_algo *a, const struct qni_caps *caps,
                              const struct qni_verdict *v)
{
    qn_algorithm out = { .operation = op->name, .name = a->name, .family = op->family, .reason = "" };

    if (a->lacks && a->lacks()) {
        out.state = QN_ALGORITHM_ABSENT;
        out.reason = a->lacks();
    } else if (qni_caps_left_out(caps, op->name, a->name)) {
        const struct qni_finding *f = qni_verdict_find(v, op->name, a->name);

        out.state = QN_ALGORITHM_LEFT_OUT;
        out.reason = f ? f->reason : "the verdict is kept no more";
    } else if (a->untried && qni_caps_qualified(caps, op->name, a->name)) {
        out.state = QN_ALGORITHM_QUALIFIED;
    } else if (a->untried) {
        out.state = QN_ALGORITHM_UNTRIED;
        out.reason = why_untried(a, caps, v);
    }
    return out;
}

void qni_algos_offered(const struct qni_caps *caps, const struct qni_verdict *v, qn_algorithm_fn *visit, void *user)
{
    for (size_t i = 0; qni_ops[i]; i++)
        for (size_t a = 0; qni_ops[i]->algos && qni_ops[i]->algos[a]; a++) {
            const qn_algorithm one = qni_algo_offered(qni_ops[i], qni_ops[i]->algos[a], caps, v);

            visit(user, &one);
        }
}

/* ---- public ---- */

const char *qn_algorithm_state_name(qn_algorithm_state state)
{
    static const char *const names[] = { "used", "left out", "untried", "qualified", "absent" };

    return (unsigned)state < QNI_COUNT(names) ? names[state] : "?";
}

qn_status qn_device_algorithms(qn_context *ctx, const char *select, qn_algorithm_fn *visit, void *user)
{
    qn_status st;
    qn_context *c = NULL;
    struct qni_found *found = NULL;
    struct qni_verdict v;
    size_t chosen = 0;

    if (!visit)
        return qni_error(QN_E_ARG, "visit is NULL");
    if ((st = qni_context_get(&c, ctx)) || (st = qni_qualify_find(&found, &chosen, c, select)))
        goto done;
    qni_verdict_get(&v, c, &found[chosen].caps);
    qni_algos_offered(&found[chosen].caps, &v, visit, user);
done:
    if (c) {
        qni_free(c, &found);
        qni_context_release(&c);
    }
    return st;
}
