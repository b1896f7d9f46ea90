/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_PRIMITIVE_H
#define QNI_PRIMITIVE_H

#include <quern/op.h>

#include "ops/op.h"

/* Words of the step and device blocks: cl/common/step.clh. */
#define QNI_STEP_WORDS 16

struct qn_op {
    qn_device *dev;
    struct qni_problem problem;
    void *attr;                      /* owned copy; problem.attr points to it */
    const struct qni_algo *algo;
    struct qni_sizes sizes;
    size_t scratch_bytes;            /* scratch and packed operands, each aligned */
    struct qni_exec *exec;
    struct qni_storage *blocks;      /* step block, then device block */
};

/* Set the step and device blocks an operation planned by itself reads (zeros at first), and read the device's back. */
qn_status qni_primitive_set_blocks(qn_op *op, const uint32_t step[QNI_STEP_WORDS], const uint32_t device[QNI_STEP_WORDS]);

/* Operands of an operation, in the order of a bind table. */
enum {
    QNI_BIND_IN = 0,
    QNI_BIND_OUT = QNI_BIND_IN + QNI_MAX_IN,
    QNI_BIND_SCRATCH = QNI_BIND_OUT + QNI_MAX_OUT,
    QNI_BIND_PACKED,
    QNI_BIND_STEP = QNI_BIND_PACKED + QNI_MAX_IN,
    QNI_BIND_DEVICE,
    QNI_BIND_COUNT
};
/* Index of an argument in such a table. */
int qni_bind_index(const struct qni_arg *arg);

#endif
