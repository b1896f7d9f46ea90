/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: pooling, normalisation, softmax and losses. As all of level 2: nodes
 * are appended to g, the first mistake is remembered there and an invalid value
 * returned; one thread per graph. Options may be NULL for the defaults. */
#ifndef QUERN_GRAPH_NN_H
#define QUERN_GRAPH_NN_H

#include <quern/op.h>

QN_BEGIN_DECLS

/* ---- pooling: images [N,H,W,C] or sequences [N,T,C] ---- */

/** Options of qn_graph_maxpool() and qn_graph_avgpool(). Arrays are {height, width}; of sequences the first counts. */
typedef struct qn_graph_pool_opt {
    int size[2];            /**< default 2; {3} alone is {3, 3} */
    int stride[2];          /**< default: the size */
    qn_padding padding;     /**< default valid */
    int pad[4];             /**< top, bottom, left, right, for QN_EXPLICIT; of sequences before, after; below the size */
    bool count_include_pad; /**< avgpool: padding counts as zeros; default: it is left out, as in Keras */
    uintptr_t reserved[4];  /**< must be zero */
} qn_graph_pool_opt;

/**
 * Maximum over windows.
 *
 * y[n,p,q,c] = max over r,s of x[n,p*stride_h-top+r,q*stride_w-left+s,c]; padding never wins; a NaN is passed on.
 *
 * @param x  [N,H,W,C] or [N,T,C] f32
 *
 * Gradient: to the first of equal maxima. Source: Keras 3 MaxPooling2D.
 */
QN_API qn_val qn_graph_maxpool(qn_graph *g, qn_val x, const qn_graph_pool_opt *opt);

/** Mean over windows; otherwise as qn_graph_maxpool(). Source: Keras 3 AveragePooling2D. */
QN_API qn_val qn_graph_avgpool(qn_graph *g, qn_val x, const qn_graph_pool_opt *opt);

/* ---- normalisation ---- */

/** Options of qn_graph_batch_norm(). */
typedef struct qn_graph_batch_norm_opt {
    float epsilon;         /**< added to the variance; default 1e-3 */
    float momentum;        /**< of the moving averages; default 0.99; QN_ZERO_MOMENTUM for 0 */
    uintptr_t reserved[4]; /**< must be zero */
} qn_graph_batch_norm_opt;

/** As momentum: the moving averages become the last batch's. */
#define QN_ZERO_MOMENTUM (-1.0f)

/**
 * Batch normalisation over the last axis, all others being rows.
 *
 * y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with the batch's mean and (biased) variance; then
 * moving = moving * momentum + batch's * (1 - momentum). A plan for inference uses the moving averages and leaves them.
 *
 * @param x                [..,C] f32
 * @param gamma, beta      [C] f32 or invalid (id 0): 1 and 0
 * @param moving_mean      [C] f32 variable, updated; may be invalid together with the next
 * @param moving_variance  [C] f32 variable, updated
 *
 * Gradient: of x, gamma and beta. Source: Keras 3 BatchNormalization.
 */
QN_API qn_val qn_graph_batch_norm(qn_graph *g, qn_val x, qn_val gamma, qn_val beta, qn_val moving_mean,
                                  qn_val moving_variance, const qn_graph_batch_norm_opt *opt);

/**
 * The same with a mean and variance that are given and stay, in training too.
 *
 * @param mean  [C] f32 or invalid: 0
 *
 * Gradient: of x, gamma and beta.
 */
QN_API qn_val qn_graph_batch_norm_fixed(qn_graph *g, qn_val x, qn_val gamma, qn_val beta, qn_val mean, qn_val variance,
                                        const qn_graph_batch_norm_opt *opt);

/** Options of qn_graph_layer_norm(), qn_graph_rms_norm() and qn_graph_group_norm(). */
typedef struct qn_graph_layer_norm_opt {
    float epsilon;         /**< added to the variance; default 1e-3, of rms_norm 1e-6 */
    int axes;              /**< how many of the last axes are normalised over; default 1; not of group_norm */
    uintptr_t reserved[4]; /**< must be zero */
} qn_graph_layer_norm_opt;

/**
 * Layer normalisation over the last axes, each row by itself.
 *
 * y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with the row's mean and (biased) variance.
 *
 * @param x            [..,D] f32
 * @param gamma, beta  f32 of the normalised axes, or invalid (id 0): 1 and 0
 *
 * Gradient: of x, gamma and beta. Source: Keras 3 LayerNormalization.
 */
QN_API qn_val qn_graph_layer_norm(qn_graph *g, qn_val x, qn_val gamma, qn_val beta, const qn_graph_layer_norm_opt *opt);

/** y = x / sqrt(mean of x^2 + epsilon) * gamma; otherwise as qn_graph_layer_norm(). Source: Keras 3 RMSNormalization. */
QN_API qn_val qn_graph_rms_norm(qn_graph *g, qn_val x, qn_val gamma, const qn_graph_layer_norm_opt *opt);

/**
 * Group normalisation: mean and variance of each sample's groups of channels, over all positions.
 *
 * @param x            [N,..,C] f32, C fixed and a multiple of groups
 * @param gamma, beta  [C] f32 or invalid: 1 and 0
 *
 * Gradient: of x, gamma and beta. Source: Keras 3 GroupNormalization.
 */
QN_API qn_val qn_graph_group_norm(qn_graph *g, qn_val x, int groups, qn_val gamma, qn_val beta,
                                  const qn_graph_layer_norm_opt *opt);

/** exp(x) / sum exp(x) along an axis, negative from the end. f32. */
QN_API qn_val qn_graph_softmax(qn_graph *g, qn_val x, int axis);
/** x - log(sum exp(x)) along an axis, negative from the end. f32. */
QN_API qn_val qn_graph_log_softmax(qn_graph *g, qn_val x, int axis);

/* ---- losses ----
 *
 * Predictions are rows [..,C], all axes but the last being samples. weight is
 * invalid (id 0) or f32 of the samples' shape or of its first axes. Targets and
 * weights have no gradient. */

/** What becomes of the samples' losses. */
typedef enum qn_loss_reduction {
    QN_LOSS_MEAN = 0, /**< their sum over their number, which weights do not change: Keras's sum_over_batch_size */
    QN_LOSS_SUM,
    QN_LOSS_EACH        /**< a loss for every sample */
} qn_loss_reduction;

/** Options of the losses. */
typedef struct qn_graph_loss_opt {
    qn_loss_reduction reduction; /**< default mean */
    bool probabilities;     /**< predictions are probabilities, clipped to [1e-7, 1 - 1e-7]; default: logits */
    float label_smoothing;  /**< distributions: t (1 - s) + s / C; binary: t (1 - s) + s / 2 */
    bool ignore;            /**< classes: samples of class ignore_class give 0, and a mean does not count them */
    int ignore_class;       /**< with ignore */
    float delta;            /**< Huber: where the square ends; default 1 */
    uintptr_t reserved[4];  /**< must be zero */
} qn_graph_loss_opt;

/**
 * Cross-entropy, fused with softmax where predictions are logits.
 *
 * @param x  [..,C] f32 logits, or probabilities, which are divided by their sum first
 * @param t  classes i32, i64 or u8 [..] or [..,1]; or f32 distributions [..,C]
 *
 * A class outside [0, C) gives NaN for its sample, in the loss and in the gradient; nothing outside is read.
 * Source: Keras 3 SparseCategoricalCrossentropy, CategoricalCrossentropy.
 */
QN_API qn_val qn_graph_cross_entropy(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);

/** Binary cross-entropy, mean over the last axis; x, t [..,D] f32. Source: Keras 3 BinaryCrossentropy. */
QN_API qn_val qn_graph_binary_cross_entropy(qn_graph *g, qn_val x, qn_val t, qn_val weight,
                                            const qn_graph_loss_opt *opt);
/** (x - t)^2, mean over the last axis; x, t [..,D] f32. Source: Keras 3 MeanSquaredError. */
QN_API qn_val qn_graph_squared_error(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** |x - t|, mean over the last axis; x, t [..,D] f32. Source: Keras 3 MeanAbsoluteError. */
QN_API qn_val qn_graph_absolute_error(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** d^2 / 2 for d = |x - t| up to delta, then delta d - delta^2 / 2; mean over the last axis. Source: Keras 3 Huber. */
QN_API qn_val qn_graph_huber(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);

/* The rest are made of other operations; x, t [..,D] f32; of the options reduction alone counts. */

/** log(cosh(x - t)), mean over the last axis. Source: Keras 3 LogCosh. */
QN_API qn_val qn_graph_log_cosh(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** max(1 - t x, 0), mean over the last axis; t is -1 or 1, or everywhere 0 or 1. Source: Keras 3 Hinge. */
QN_API qn_val qn_graph_hinge(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** max(1 - t x, 0)^2, otherwise as qn_graph_hinge(). Source: Keras 3 SquaredHinge. */
QN_API qn_val qn_graph_squared_hinge(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** max(1 + max((1 - t) x) - sum(t x), 0) over the last axis; t one-hot. Source: Keras 3 CategoricalHinge. */
QN_API qn_val qn_graph_categorical_hinge(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** Sum over the last axis of t log(t / x), both clipped to [1e-7, 1]. Source: Keras 3 KLDivergence. */
QN_API qn_val qn_graph_kl_divergence(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** x - t log(x + 1e-7), mean over the last axis. Source: Keras 3 Poisson. */
QN_API qn_val qn_graph_poisson(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** Minus the cosine of the angle between x and t along the last axis. Source: Keras 3 CosineSimilarity. */
QN_API qn_val qn_graph_cosine_similarity(qn_graph *g, qn_val x, qn_val t, qn_val weight, const qn_graph_loss_opt *opt);
/** (log(1 + t) - log(1 + x))^2 of both from 1e-7, mean over the last axis. Source: Keras 3 MeanSquaredLogarithmicError. */
QN_API qn_val qn_graph_squared_logarithmic_error(qn_graph *g, qn_val x, qn_val t, qn_val weight,
                                                 const qn_graph_loss_opt *opt);
/** 100 |t - x| / max(|t|, 1e-7), mean over the last axis. Source: Keras 3 MeanAbsolutePercentageError. */
QN_API qn_val qn_graph_absolute_percentage_error(qn_graph *g, qn_val x, qn_val t, qn_val weight,
                                                 const qn_graph_loss_opt *opt);

QN_END_DECLS

#endif
