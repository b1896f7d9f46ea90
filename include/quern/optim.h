/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_OPTIM_H
#define QUERN_OPTIM_H

#include <quern/types.h>

QN_BEGIN_DECLS

/** Optimizers. */
typedef enum qn_optimizer_kind {
    QN_OPTIMIZER_NONE = 0,
    QN_OPTIMIZER_SGD,
    QN_OPTIMIZER_ADAM,
    QN_OPTIMIZER_RMSPROP,
    QN_OPTIMIZER_ADAGRAD,
    QN_OPTIMIZER_ADADELTA,
    QN_OPTIMIZER_ADAMAX,
    QN_OPTIMIZER_LION
} qn_optimizer_kind;

/** How a learning rate falls from step to step. */
typedef enum qn_schedule_kind {
    QN_SCHEDULE_CONSTANT = 0,
    QN_SCHEDULE_STEP,        /**< rate^floor(t / steps) */
    QN_SCHEDULE_EXPONENTIAL, /**< rate^(t / steps) */
    QN_SCHEDULE_COSINE,      /**< end + (1 - end) (1 + cos(pi t / steps)) / 2, and end from t = steps on */
    QN_SCHEDULE_POLYNOMIAL   /**< end + (1 - end) (1 - t / steps)^power, and end from t = steps on */
} qn_schedule_kind;

/**
 * A schedule: what the learning rate is multiplied by, by the number of steps trained so far.
 *
 * It is worked out on the host for every step, and goes on where it was when a saved model is trained again. Keras 3's
 * ExponentialDecay, CosineDecay and PolynomialDecay, with shares of the rate instead of rates.
 */
typedef struct qn_schedule {
    qn_schedule_kind kind;  /**< default constant */
    int64_t warmup;         /**< steps in which the rate first grows from 0 in a straight line; t counts from there */
    int64_t steps;          /**< how long the fall takes, or what of it a factor is for; 1 or more but for constant */
    float rate;             /**< step, exponential: the factor; 0: 0.96 */
    float end;              /**< cosine, polynomial: the share that is left in the end; 0: nothing */
    float power;            /**< polynomial; 0: 1 */
    uintptr_t reserved[4];  /**< must be zero */
} qn_schedule;

/** What the learning rate of a step is multiplied by; step counts from 0. 1 for NULL. Threads: any. */
QN_API double qn_schedule_factor(const qn_schedule *schedule, int64_t step);

/** An optimizer and its numbers; zero means Keras's default. Make one with qn_sgd(), qn_adam(), ... */
typedef struct qn_optimizer {
    qn_optimizer_kind kind; /**< which */
    float lr;               /**< learning rate; 0: 0.01 for SGD, 0.001 for the others */
    float momentum;         /**< SGD, RMSprop: 0 none */
    bool nesterov;          /**< SGD with momentum */
    double beta1;           /**< Adam, Adamax, Lion: 0: 0.9 */
    double beta2;           /**< Adam, Adamax: 0: 0.999; Lion: 0: 0.99. double, since 1 - beta2 in float is off by 1e-5 */
    float rho;              /**< RMSprop: 0: 0.9; Adadelta: 0: 0.95 */
    float initial;          /**< Adagrad: what the sums of squares start at; 0: 0.1 */
    bool centered;          /**< RMSprop: the variance of gradients in place of their mean square */
    float epsilon;          /**< all but SGD and Lion: 0: 1e-7 */
    bool amsgrad;           /**< Adam */
    float weight_decay;     /**< decoupled: w -= lr * weight_decay * w before the update; 0 none */
    bool decay_matrices_only; /**< weight_decay leaves biases and the weights of normalisations; default: all decay, as Keras */
    qn_schedule schedule;   /**< of the learning rate; default constant */
    float clip_value;       /**< each gradient into [-v, v]; 0 none. At most one of the three */
    float clip_norm;        /**< each variable's gradient to at most this norm; 0 none */
    float global_clip_norm; /**< all gradients together to at most this norm; 0 none */
    uintptr_t reserved[4];  /**< must be zero */
} qn_optimizer;

/** Stochastic gradient descent: w -= lr g. lr 0: 0.01. Keras 3 SGD. Threads: any. */
QN_API qn_optimizer qn_sgd(float lr);

/** SGD with momentum: v = momentum v - lr g; w += v; with nesterov w += momentum v - lr g. Threads: any. */
QN_API qn_optimizer qn_sgd_momentum(float lr, float momentum, bool nesterov);

/**
 * Adam: m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= lr sqrt(1-b2^t)/(1-b1^t) m / (sqrt(v) + epsilon).
 *
 * The powers are those of b1 and b2 rounded to f32, as Keras's are.
 * lr 0: 0.001. Keras 3 Adam (Kingma and Ba 2015). Threads: any.
 */
QN_API qn_optimizer qn_adam(float lr);

/** Adam with decoupled weight decay; weight_decay 0: 0.004. Keras 3 AdamW (Loshchilov and Hutter 2019). Threads: any. */
QN_API qn_optimizer qn_adamw(float lr, float weight_decay);

/**
 * RMSprop: v = rho v + (1-rho) g^2; w -= lr g / sqrt(v + epsilon).
 *
 * centered: v - a^2 in place of v, a = rho a + (1-rho) g. momentum: m = momentum m + that step; w -= m. lr 0: 0.001.
 * Keras 3 RMSprop (Tieleman and Hinton 2012). Threads: any.
 */
QN_API qn_optimizer qn_rmsprop(float lr);

/** Adagrad: s += g^2; w -= lr g / sqrt(s + epsilon). lr 0: 0.001. Keras 3 Adagrad (Duchi et al. 2011). Threads: any. */
QN_API qn_optimizer qn_adagrad(float lr);

/**
 * Adadelta: v = rho v + (1-rho) g^2; d = g sqrt(u + epsilon) / sqrt(v + epsilon); u = rho u + (1-rho) d^2; w -= lr d.
 *
 * lr 0: 0.001; the paper has 1. Keras 3 Adadelta (Zeiler 2012). Threads: any.
 */
QN_API qn_optimizer qn_adadelta(float lr);

/** Adamax: m as Adam; u = max(b2 u, |g|); w -= lr / (1-b1^t) m / (u + epsilon). lr 0: 0.001. Keras 3 Adamax. Threads: any. */
QN_API qn_optimizer qn_adamax(float lr);

/** Lion: w -= lr sign(b1 m + (1-b1) g); m = b2 m + (1-b2) g. lr 0: 0.001. Keras 3 Lion (Chen et al. 2023). Threads: any. */
QN_API qn_optimizer qn_lion(float lr);

QN_END_DECLS

#endif
