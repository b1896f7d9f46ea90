/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 1's planner of an optimizer step. */
#include <quern/op_plan.h>

#include "ops/optim/optim.h"
#include "ops/primitive.h"
#include "optim/optim.h"

qn_status qn_op_update_plan(qn_op **out, qn_device *dev, const qn_optimizer *optimizer, int64_t n, int *slots)
{
    const qn_shape shape = { .rank = 1, .dim = { n } };
    struct qni_desc in[5];
    const struct qni_op *op;
    struct qni_update a;
    qn_optimizer o;
    unsigned bits;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !dev || !optimizer || n < 0)
        return qni_error(QN_E_ARG, "out, dev or the optimizer is NULL, or n is negative");
    if ((st = qni_optimizer_resolve(&o, optimizer)))
        return st;
    if (o.kind == QN_OPTIMIZER_NONE || o.clip_norm > 0.0f || o.global_clip_norm > 0.0f)
        return qni_error(QN_E_ARG, "no optimizer, or one that clips by norm");
    op = qni_optimizer_rule(&o, &a);
    bits = qni_update_slots(op, &a);
    for (int i = 0; i < 5; i++)
        in[i] = (struct qni_desc){ QN_F32, shape };
    if (!(st = qni_primitive_create(out, dev, op, &a, in, 5, (~bits & 7u) << 2, 0, NULL, NULL)) && slots)
        *slots = __builtin_popcount(bits);
    return st;
}
