/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Batch normalisation over the last axis; all others are rows. */
#ifndef QNI_NORM_H
#define QNI_NORM_H

#include "ops/op.h"

struct qni_batch_norm {
    float epsilon;   /* Keras: 1e-3 */
    float momentum;  /* Keras: 0.99; moving = moving * momentum + batch * (1 - momentum), the variance biased */
};

/* x, gamma, beta, moving mean, moving variance (both updated) -> y, mean, 1 / standard deviation. All but x may be absent,
 * the two moving ones only together. Takes residual and act as epilogue. */
extern const struct qni_op qni_op_batch_norm;
/* dy, x, gamma, mean, rstd -> dx, dgamma, dbeta. Takes act_grad as epilogue. */
extern const struct qni_op qni_op_batch_norm_grad;
/* x, gamma, beta, mean, variance -> y; gamma, beta and mean may be absent. Takes residual and act. */
extern const struct qni_op qni_op_batch_norm_inference;

#endif
