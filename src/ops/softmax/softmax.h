/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_SOFTMAX_H
#define QNI_SOFTMAX_H

#include "ops/op.h"

struct qni_softmax {
    int32_t axis;   /* negative: from the end */
    int32_t log;    /* the logarithm of it */
};

extern const struct qni_op qni_op_softmax;      /* x -> y of any rank from 1 */
extern const struct qni_op qni_op_softmax_grad; /* dy, y -> dx */

#endif
