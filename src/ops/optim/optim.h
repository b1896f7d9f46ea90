/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Optimizers: one launch over flat arrays of parameters, gradients and slots. The learning rate comes from the host's step
 * block, the number of steps taken from the device's. */
#ifndef QNI_OPTIM_H
#define QNI_OPTIM_H

#include "ops/op.h"

/* Zero is not a default here: whoever fills this knows Keras's. */
struct qni_update {
    float momentum;        /* SGD, RMSprop */
    double beta1, beta2;   /* Adam, Adamax, Lion */
    float rho;             /* RMSprop, Adadelta */
    float epsilon;
    float weight_decay;    /* w -= lr * weight_decay * w before the step */
    float clipvalue;       /* 0: none; the scaled gradient is clamped to +- clipvalue */
    int32_t nesterov, amsgrad, centered;
    int64_t decay_end;     /* elements from here on do not decay; -1: all do */
    int64_t first, count;  /* elements that are updated; count 0: all behind first */
    int64_t units;         /* of a row; only with `used` */
};

/* Inputs of all: w (updated), g, slot 0, slot 1, slot 2 (updated, absent where the rule has none), scale (a number that
 * g is multiplied by; may be absent), used (i32 [rows], may be absent: only rows of `units` elements where it is not 0 are
 * touched, from `first` on). No outputs.
 *   sgd      slot 0 momentum, only where momentum is not 0
 *   adam     slot 0 m, slot 1 v, slot 2 the largest v, only with amsgrad
 *   rmsprop  slot 0 v, slot 1 mean gradient, only when centered, slot 2 momentum, only where it is not 0
 *   adagrad  slot 0 the sum of squares; Keras starts it at 0.1
 *   adadelta slot 0 mean square of gradients, slot 1 of steps
 *   adamax   slot 0 m, slot 1 the decaying largest |g|
 *   lion     slot 0 m */
extern const struct qni_op qni_op_sgd, qni_op_adam, qni_op_rmsprop, qni_op_adagrad, qni_op_adadelta, qni_op_adamax,
    qni_op_lion;
/* Which slots a rule with these attributes has: bit k. */
unsigned qni_update_slots(const struct qni_op *op, const struct qni_update *attr);

struct qni_clip_norms { float limit; };
/* g (updated), bounds i64 [segments, 2]: first element and number of each variable. Each segment is scaled to a norm of at
 * most limit. No outputs. */
extern const struct qni_op qni_op_clip_norms;

/* The device's step block [words] i32 (updated): one more optimizer step was taken. */
extern const struct qni_op qni_op_advance;

#endif
