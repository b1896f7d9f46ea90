/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Losses: rows of predictions and targets become one number, or one a row. */
#ifndef QNI_LOSS_H
#define QNI_LOSS_H

#include "ops/rows.h"

enum qni_reduction {
    QNI_MEAN, /* over all rows that count: Keras's sum_over_batch_size; weights do not change the divisor */
    QNI_SUM,
    QNI_NONE  /* a loss for every row */
};

struct qni_cross_entropy {
    int32_t dense;           /* targets are distributions [.., C]; else classes [..] or [.., 1] */
    int32_t probabilities;   /* the predictions are; else logits */
    int32_t reduction;       /* enum qni_reduction */
    int32_t ignore;          /* classes: rows of class ignore_class give 0 and do not count */
    int32_t ignore_class;
    float smoothing;         /* distributions: t * (1 - smoothing) + smoothing / C */
};

enum qni_pointwise_kind { QNI_SQUARED, QNI_ABSOLUTE, QNI_HUBER, QNI_BINARY_LOGITS, QNI_BINARY_PROBABILITIES };

struct qni_pointwise {
    int32_t kind;            /* enum qni_pointwise_kind */
    int32_t reduction;
    float delta;             /* Huber */
    float smoothing;         /* binary: t * (1 - smoothing) + smoothing / 2 */
};

/* predictions, targets, weights (absent: 1) -> loss, saved, factor. Weights have the shape of the rows or of their first
 * axes. saved and factor are for the gradient alone. */
extern const struct qni_op qni_op_cross_entropy;
extern const struct qni_op qni_op_cross_entropy_grad; /* dloss, predictions, targets, weights, saved, factor -> dx */
/* predictions, targets of the same shape, weights -> loss; a row's loss is the mean over the last axis. */
extern const struct qni_op qni_op_pointwise_loss;
extern const struct qni_op qni_op_pointwise_loss_grad; /* dloss, predictions, targets, weights -> dx */

/* Bits of outputs that are wanted. */
int64_t qni_wanted(const struct qni_problem *p);

#endif
