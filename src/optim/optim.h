/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_OPTIM_ROOM_H
#define QNI_OPTIM_ROOM_H

#include <quern/optim.h>

#include "graph/plan.h"

/* The optimizer with Keras's defaults in place of zeros; QN_E_ARG for numbers out of range. */
qn_status qni_optimizer_resolve(qn_optimizer *out, const qn_optimizer *in);
/* A schedule's defaults in place of zeros; QN_E_ARG for numbers out of range. */
qn_status qni_schedule_resolve(qn_schedule *s);
/* The operation of a resolved optimizer's step, and its attributes. */
struct qni_update;
const struct qni_op *qni_optimizer_rule(const qn_optimizer *o, struct qni_update *attr);
/* What a plan needs of a resolved optimizer, which is borrowed. */
struct qni_optimizer qni_optimizer_plan(const qn_optimizer *o);

#endif
