/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Normalisation. Batch normalisation is over all axes but the last, layer normalisation over the last ones. */
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

struct qni_layer_norm {
    float epsilon;   /* Keras: 1e-3; rms 1e-6 */
    int32_t axes;    /* how many of the last axes are normalised over */
};

/* x, gamma, beta -> y, mean, 1 / standard deviation, the latter two of the other axes. gamma and beta, of the normalised
 * axes, may be absent. */
extern const struct qni_op qni_op_layer_norm;
/* dy, x, gamma, mean, rstd -> dx, dgamma, dbeta. Takes residual as epilogue. */
extern const struct qni_op qni_op_layer_norm_grad;
/* x, gamma -> y, 1 / root of the mean square. */
extern const struct qni_op qni_op_rms_norm;
/* dy, x, gamma, rstd -> dx, dgamma. Takes residual. */
extern const struct qni_op qni_op_rms_norm_grad;

#endif
