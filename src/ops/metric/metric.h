/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Metrics: a batch is measured on the device and added to a small state there. The host sets the state to zeros, and
 * reads it when it likes. */
#ifndef QNI_METRIC_H
#define QNI_METRIC_H

#include "ops/op.h"

/* f32 numbers of a state: sum, its compensation, weight, its compensation. */
#define QNI_METRIC_WORDS 4

/* The metric's value; NaN before the first batch. */
static inline double qni_metric_value(const float state[QNI_METRIC_WORDS])
{
    return ((double)state[0] + (double)state[1]) / ((double)state[2] + (double)state[3]);
}

struct qni_metric_class {
    int32_t dense;    /* targets are distributions [.., C] whose largest is the class; else classes */
    int32_t top;      /* 0: the arg max, of equal ones the first; k: as tf.math.in_top_k, ties all count as in */
};

enum qni_metric_kind { QNI_METRIC_SQUARED, QNI_METRIC_ABSOLUTE, QNI_METRIC_HUBER, QNI_METRIC_BINARY_LOGITS,
                       QNI_METRIC_BINARY_PROBABILITIES, QNI_METRIC_BINARY_ACCURACY };

struct qni_metric_pointwise {
    int32_t kind;     /* enum qni_metric_kind; the first five as enum qni_pointwise_kind */
    float delta;      /* Huber's delta; the threshold of binary accuracy, Keras's is 0.5 */
};

/* Inputs: state [4] (updated), predictions [.., C], targets, weights (absent: 1; of the shape of the rows or of their
 * first axes). No outputs. A sample counts once, whatever its number of rows. */
extern const struct qni_op qni_op_metric_class;
extern const struct qni_op qni_op_metric_pointwise; /* targets of the predictions' shape; a row is its mean */
/* Inputs: state [4] (updated), values, weights of the same shape (may be absent), samples (may be absent; not read). A
 * value weighs the number of the samples' first axis: a mean loss counts as often as it has samples. */
extern const struct qni_op qni_op_metric_mean;

#endif
