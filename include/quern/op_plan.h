/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 1: planning single operations. Each function here makes a qn_op, which
 * quern/op.h runs: it checks the shapes, chooses an algorithm for the device
 * and builds its kernels. The same plan may be run as often as you like.
 *
 * All of them return
 *   QN_OK             planned
 *   QN_E_ARG          a pointer is NULL, an option is out of range, or there is no algorithm of that name
 *   QN_E_SHAPE        the shapes do not fit together; the message says what was expected
 *   QN_E_UNSUPPORTED  no algorithm does this on the device, or the one that was named does not
 *   QN_E_BUILD        a kernel did not build; see qn_device_build_log()
 *   QN_E_HOST_MEMORY, QN_E_DEVICE_MEMORY, QN_E_DEVICE
 * and then *out is NULL; the caller owns *out and gives it back with
 * qn_op_destroy(). Options may be NULL for the defaults. Threads: any. */
#ifndef QUERN_OP_PLAN_H
#define QUERN_OP_PLAN_H

#include <quern/graph_attention.h>
#include <quern/op.h>
#include <quern/optim.h>

QN_BEGIN_DECLS

/** Options of qn_op_matmul_plan(). */
typedef struct qn_op_matmul_opt {
    bool transpose_a;              /**< the last two axes of a are exchanged */
    bool transpose_b;              /**< the last two axes of b are exchanged */
    bool bias;                     /**< a third input [N] is added to every row */
    qn_act act;                    /**< applied last; those over an axis are operations of their own */
    float act_alpha;               /**< the activation's parameter, as it is */
    const char *algorithm;         /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4];         /**< must be zero */
} qn_op_matmul_opt;

/**
 * Matrix product: y = act(a b + bias).
 *
 * a [..,M,K], b [..,K,N] f32, y [..,M,N]; the axes before the matrices are a batch, equal or 1 or absent.
 * Inputs of qn_op_run(): a, b, bias if there is one.
 */
QN_API qn_status qn_op_matmul_plan(qn_op **out, qn_device *dev, const qn_shape *a, const qn_shape *b,
                                   const qn_op_matmul_opt *opt);

/** Options of the planned convolutions. Arrays are {height, width}; {2} alone is {2, 2}. */
typedef struct qn_op_conv2d_opt {
    int stride[2];         /**< default 1 */
    int dilation[2];       /**< default 1 */
    int groups;            /**< default 1 */
    qn_padding padding;    /**< default valid */
    int pad[4];            /**< top, bottom, left, right, for QN_EXPLICIT */
    int output_padding[2]; /**< transposed alone: rows and columns more at the end; 0: as Keras's None */
    bool bias;             /**< forward and transposed alone: one more input [K] is added */
    qn_act act;            /**< forward and transposed alone: applied last */
    float act_alpha;       /**< the activation's parameter, as it is */
    const char *algorithm; /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4]; /**< must be zero */
} qn_op_conv2d_opt;

/**
 * 2-D convolution: y[n,p,q,k] = act(sum over r,s,c of x[n,p*stride-top+r*dilation,..,c] w[r,s,c,k] + bias[k]).
 *
 * x [N,H,W,C], w [R,S,C/groups,K] f32, y [N,P,Q,K]. Inputs of qn_op_run(): x, w, bias if there is one.
 */
QN_API qn_status qn_op_conv2d_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_shape *w,
                                   const qn_op_conv2d_opt *opt);

/**
 * The gradient of a convolution's image.
 *
 * dy [N,P,Q,K], w [R,S,C/groups,K] f32, dx of the shape of x. Inputs of qn_op_run(): dy, w, x; x is not read.
 */
QN_API qn_status qn_op_conv2d_backward_data_plan(qn_op **out, qn_device *dev, const qn_shape *dy, const qn_shape *w,
                                                 const qn_shape *x, const qn_op_conv2d_opt *opt);

/**
 * The gradient of a convolution's filter.
 *
 * x [N,H,W,C], dy [N,P,Q,K] f32, dw [R,S,C/groups,K]. Inputs of qn_op_run(): x, dy.
 *
 * @param filter  {R, S}
 */
QN_API qn_status qn_op_conv2d_backward_filter_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_shape *dy,
                                                   const int filter[2], const qn_op_conv2d_opt *opt);

/**
 * Transposed convolution: what the data gradient does, of the size Keras 3 Conv2DTranspose gives it.
 *
 * x [N,P,Q,C], w [R,S,K,C] f32, y [N,H,W,K]; no groups. Inputs of qn_op_run(): x, w, bias if there is one.
 */
QN_API qn_status qn_op_conv2d_transpose_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_shape *w,
                                             const qn_op_conv2d_opt *opt);

/** Options of planned pooling. */
typedef struct qn_op_pool2d_opt {
    int size[2];           /**< window {height, width}; default 2; {3} alone is {3, 3} */
    int stride[2];         /**< default: the window */
    qn_padding padding;    /**< default valid */
    int pad[4];            /**< top, bottom, left, right, for QN_EXPLICIT */
    bool global;           /**< the window is the whole image */
    const char *algorithm; /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4]; /**< must be zero */
} qn_op_pool2d_opt;

/** Maximum over windows: x [N,H,W,C] to y [N,P,Q,C]; ties take the first. */
QN_API qn_status qn_op_maxpool2d_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_pool2d_opt *opt);

/** The gradient of qn_op_maxpool2d_plan()'s input. Inputs of qn_op_run(): dy [N,P,Q,C], x, y. */
QN_API qn_status qn_op_maxpool2d_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x,
                                               const qn_op_pool2d_opt *opt);

/** Mean over windows, padding left out: x [N,H,W,C] to y [N,P,Q,C]. */
QN_API qn_status qn_op_avgpool2d_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_pool2d_opt *opt);

/** The gradient of qn_op_avgpool2d_plan()'s input. Inputs of qn_op_run(): dy [N,P,Q,C], x; x is not read. */
QN_API qn_status qn_op_avgpool2d_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x,
                                               const qn_op_pool2d_opt *opt);

/**
 * Softmax over an axis, or its logarithm.
 *
 * @param x     f32; its shape is y's too
 * @param axis  negative counts from the end
 * @param log   the logarithm of it
 */
QN_API qn_status qn_op_softmax_plan(qn_op **out, qn_device *dev, const qn_shape *x, int axis, bool log);

/** The gradient of qn_op_softmax_plan()'s input. Inputs of qn_op_run(): dy, y. */
QN_API qn_status qn_op_softmax_backward_plan(qn_op **out, qn_device *dev, const qn_shape *y, int axis, bool log);

/** An activation of every element; QN_SOFTMAX and QN_LOG_SOFTMAX are over the last axis. x f32. */
QN_API qn_status qn_op_act_plan(qn_op **out, qn_device *dev, const qn_shape *x, qn_act act, float alpha);

/** What a reduction makes of the elements. */
typedef enum qn_reduction {
    QN_REDUCE_SUM = 0,
    QN_REDUCE_MEAN,
    QN_REDUCE_MAX,
    QN_REDUCE_MIN,
    QN_REDUCE_PROD,
    QN_REDUCE_SUM_SQUARES,
    QN_REDUCE_SUM_ABS
} qn_reduction;

/**
 * A reduction over axes, in an order that depends on sizes alone.
 *
 * @param x     f32
 * @param kind  what is made of the elements
 * @param axes  [n] each once, negative from the end; n 0: all
 * @param keep  the axes stay, with size 1
 */
QN_API qn_status qn_op_reduce_plan(qn_op **out, qn_device *dev, const qn_shape *x, qn_reduction kind, const int *axes,
                                   int n, bool keep);

/** Options of planned batch normalisation. */
typedef struct qn_op_batch_norm_opt {
    float epsilon;         /**< added to the variance; default 1e-3 */
    float momentum;        /**< of the moving averages; default 0.99 */
    bool no_gamma;         /**< that input is NULL at qn_op_run(): 1 */
    bool no_beta;          /**< that input is NULL at qn_op_run(): 0 */
    bool no_moving;        /**< those two inputs are NULL at qn_op_run() */
    const char *algorithm; /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4]; /**< must be zero */
} qn_op_batch_norm_opt;

/**
 * Batch normalisation with the batch's statistics: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta.
 *
 * x [..,C] f32. Inputs of qn_op_run(): x, gamma [C], beta [C], moving mean [C], moving variance [C]; the moving ones are
 * updated where they lie. Outputs: y, mean [C], 1 / standard deviation [C], which the gradient takes.
 */
QN_API qn_status qn_op_batch_norm_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_batch_norm_opt *opt);

/** Its gradient. Inputs: dy, x, gamma, mean, 1 / standard deviation. Outputs: dx, dgamma [C], dbeta [C]. */
QN_API qn_status qn_op_batch_norm_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x,
                                                const qn_op_batch_norm_opt *opt);

/** The same with a mean and variance that are given. Inputs: x, gamma, beta, mean, variance. Output: y. */
QN_API qn_status qn_op_batch_norm_inference_plan(qn_op **out, qn_device *dev, const qn_shape *x,
                                                 const qn_op_batch_norm_opt *opt);

/** The gradient of qn_op_act_plan()'s input, but for those over an axis. Inputs: dy, x, y. */
QN_API qn_status qn_op_act_backward_plan(qn_op **out, qn_device *dev, const qn_shape *x, qn_act act, float alpha);

/** Element-wise functions of one operand; quern/graph_math.h has their formulas. */
typedef enum qn_unary {
    QN_UNARY_NEG = 0, QN_UNARY_ABS, QN_UNARY_SIGN, QN_UNARY_EXP, QN_UNARY_LOG, QN_UNARY_SQRT, QN_UNARY_RSQRT,
    QN_UNARY_SQUARE, QN_UNARY_RECIPROCAL, QN_UNARY_SIN, QN_UNARY_COS, QN_UNARY_FLOOR, QN_UNARY_CEIL, QN_UNARY_ROUND,
    QN_UNARY_ERF
} qn_unary;

/** Element-wise functions of two operands; comparisons give u8, 0 or 1. */
typedef enum qn_binary {
    QN_BINARY_ADD = 0, QN_BINARY_SUB, QN_BINARY_MUL, QN_BINARY_DIV, QN_BINARY_POW, QN_BINARY_MINIMUM, QN_BINARY_MAXIMUM,
    QN_BINARY_EQUAL, QN_BINARY_NOT_EQUAL, QN_BINARY_LESS, QN_BINARY_LESS_EQUAL, QN_BINARY_GREATER,
    QN_BINARY_GREATER_EQUAL
} qn_binary;

/** y = f(x), f32, element by element. */
QN_API qn_status qn_op_unary_plan(qn_op **out, qn_device *dev, qn_unary f, const qn_shape *x);
/** y = f(a, b), f32; the shapes broadcast as numpy's. Inputs: a, b. */
QN_API qn_status qn_op_binary_plan(qn_op **out, qn_device *dev, qn_binary f, const qn_shape *a, const qn_shape *b);
/** y = condition != 0 ? a : b; condition u8, a and b f32, all broadcast. Inputs: condition, a, b. */
QN_API qn_status qn_op_where_plan(qn_op **out, qn_device *dev, const qn_shape *condition, const qn_shape *a,
                                  const qn_shape *b);
/** y = min(max(x, least), most), f32. */
QN_API qn_status qn_op_clip_plan(qn_op **out, qn_device *dev, const qn_shape *x, float least, float most);

/* ---- attention ---- */

/** Options of planned attention; quern/graph_attention.h says what they do. */
typedef struct qn_op_attention_opt {
    float scale;                /**< of the products; default 1 / sqrt(D) */
    float softcap;              /**< default none */
    float dropout;              /**< share of the weights dropped, in [0, 1), drawn by qn_op_set_step() */
    bool causal;                /**< a query sees the keys up to its own place only */
    qn_attention_anchor anchor; /**< default: the last query stands at the last key */
    int window;                 /**< only keys nearer than this to the query's place; default all */
    bool lengths;               /**< that input is there, else NULL at qn_op_run() */
    bool mask;                  /**< that input is there, else NULL at qn_op_run() */
    const qn_shape *bias;       /**< shape of an additive mask; NULL: that input is NULL at qn_op_run() */
    bool slopes;                /**< that input is there, else NULL at qn_op_run() */
    const char *algorithm;      /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4];      /**< must be zero */
} qn_op_attention_opt;

/**
 * Scaled dot-product attention, as qn_graph_attention().
 *
 * q [B,Tq,Hq,D], k [B,Tk,Hkv,D], v [B,Tk,Hkv,Dv] f32. Inputs of qn_op_run(): q, k, v, lengths [B] i32, mask [B,Tk] u8,
 * bias [B or 1, Hq or 1, Tq or 1, Tk] f32, slopes [Hq] f32. Outputs: y [B,Tq,Hq,Dv]; the logarithms of the sums
 * [B,Hq,Tq], which the gradient takes.
 */
QN_API qn_status qn_op_attention_plan(qn_op **out, qn_device *dev, const qn_shape *q, const qn_shape *k, const qn_shape *v,
                                      const qn_op_attention_opt *opt);

/** Its gradient. Inputs: the seven, y, the logarithms, dy [B,Tq,Hq,Dv]. Outputs: dq, dk, dv. Dropout drops the same weights
 *  as forwards where qn_op_set_step() was given the same numbers. */
QN_API qn_status qn_op_attention_backward_plan(qn_op **out, qn_device *dev, const qn_shape *q, const qn_shape *k,
                                               const qn_shape *v, const qn_op_attention_opt *opt);

/** Options of planned rotary positions. */
typedef struct qn_op_rotary_opt {
    float base;            /**< default 10000 */
    int dims;              /**< elements of a head that are turned, the first; even; default all */
    bool interleaved;      /**< pairs are neighbours; default: element n goes with n + dims / 2 */
    bool inverse;          /**< turns back, which is the gradient */
    int positions;         /**< numbers in the second input: 1, or one a sample; default 0: it is NULL at qn_op_run() */
    const char *algorithm; /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4]; /**< must be zero */
} qn_op_rotary_opt;

/** Rotary positions of x [B,T,H,D] f32, as qn_graph_rotary(). Inputs: x, position [positions] i32. */
QN_API qn_status qn_op_rotary_plan(qn_op **out, qn_device *dev, const qn_shape *x, const qn_op_rotary_opt *opt);

/**
 * Keys and values of new steps join a cache, as qn_graph_cache_append().
 *
 * @param cache_k    [B,C,H,D] f32
 * @param cache_v    [B,C,H,Dv] f32
 * @param steps      T, of k [B,T,H,D] and v [B,T,H,Dv]
 * @param positions  numbers in the last input: 1, or one a sample
 *
 * Inputs of qn_op_run(): cache_k (updated), cache_v (updated), k, v, position [positions] i32. Output: lengths [B] i32.
 */
QN_API qn_status qn_op_cache_append_plan(qn_op **out, qn_device *dev, const qn_shape *cache_k, const qn_shape *cache_v,
                                         int64_t steps, int positions);

/* ---- shapes; x and y of dtype ---- */

/** Axis a of y is axis axes[a] of x. @param axes [rank of x] each once; NULL: the opposite order */
QN_API qn_status qn_op_transpose_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, const int *axes);
/** x[0] .. x[n-1], 8 at most, one after the other along an axis; negative from the end. Inputs: all of them. */
QN_API qn_status qn_op_concat_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, int n, int axis);
/** Part of x, as qn_graph_slice(); one of these for each part splits. step NULL: 1 everywhere. */
QN_API qn_status qn_op_slice_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, int axes,
                                  const int64_t *start, const int64_t *stop, const int64_t *step);
/** x with before[a] and after[a] times `value` around axis a, for the first `axes` axes. */
QN_API qn_status qn_op_pad_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, int axes,
                                const int64_t *before, const int64_t *after, float value);
/** y[..,i..,..] = x[..,index[i..],..], as qn_graph_gather(). index i32. Inputs: x, index. */
QN_API qn_status qn_op_gather_plan(qn_op **out, qn_device *dev, qn_dtype dtype, const qn_shape *x, const qn_shape *index,
                                   int axis);
/** Its gradient: y of shape `shape` is zeros with values added up by index, in the order of the index. Inputs: values, index. */
QN_API qn_status qn_op_scatter_add_plan(qn_op **out, qn_device *dev, const qn_shape *values, const qn_shape *index,
                                        const qn_shape *shape, int axis);
/** [.., depth] f32: 1 where k = index, else 0. index i32. */
QN_API qn_status qn_op_one_hot_plan(qn_op **out, qn_device *dev, const qn_shape *index, int64_t depth);

/* ---- recurrence ---- */

/** Recurrent cells. U is the number of units, G that of columns of the kernels for each unit. */
typedef enum qn_op_rnn {
    QN_OP_LSTM = 0,  /**< G = 4: i f g o */
    QN_OP_GRU,       /**< G = 3: z r g */
    QN_OP_SIMPLE_RNN /**< G = 1 */
} qn_op_rnn;

/** Options of planned recurrence; those of the same name as in qn_graph_rnn_opt mean the same. */
typedef struct qn_op_rnn_opt {
    qn_act act;            /**< of the cell; default tanh; QN_IDENTITY: none */
    float act_alpha;       /**< its parameter, as it is */
    qn_act recurrent_act;  /**< of the gates; default sigmoid; QN_IDENTITY: none */
    float recurrent_alpha; /**< its parameter, as it is */
    qn_act hidden_act;     /**< LSTM: of the cell state on its way out; default: as act */
    float hidden_alpha;    /**< its parameter, as it is */
    bool h0;               /**< there is a state before the first step; else it is 0 */
    bool c0;               /**< LSTM: likewise of the cell state */
    bool mask;             /**< there is a mask */
    bool peephole;         /**< LSTM: there are peepholes */
    bool recurrent_bias;   /**< GRU, reset after the product: there is a recurrent bias */
    bool recurrent_drop;   /**< there are factors of the state */
    bool state_gradient;   /**< backward alone: there is a gradient of the last state */
    bool cell_gradient;    /**< backward of LSTM alone: there is a gradient of the last cell state */
    bool reverse;          /**< from the last time to the first */
    bool order;            /**< with reverse: outputs in the order of the steps, not of time */
    bool zero_output;      /**< outputs of masked steps are 0 */
    bool reset_before;     /**< GRU: the reset gate acts before the recurrent product */
    float clip;            /**< sums are limited to +-clip before their activation; 0: they are not */
    const char *algorithm; /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4]; /**< must be zero */
} qn_op_rnn_opt;

/**
 * Recurrence over sequences, as qn_graph_lstm(), qn_graph_gru() and qn_graph_simple_rnn().
 *
 * @param x  [N,T,G*U] f32: the input times its kernel, bias added, which qn_op_matmul_plan() gives
 *
 * Inputs of qn_op_run(), NULL where there is none: x; recurrent [U,G*U]; h0 [N,U]; c0 [N,U]; mask [N,T] u8; peepholes [3,U]
 * or the recurrent bias [3*U]; factors of the state [N,U].
 * Outputs: y [N,T,U]; the last state [N,U]; for the gradient: previous states [N,T,U] and gates; LSTM and GRU with
 * reset_before: cells [N,T,U]; LSTM: the last cell state [N,U].
 */
QN_API qn_status qn_op_rnn_plan(qn_op **out, qn_device *dev, qn_op_rnn cell, const qn_shape *x, const qn_op_rnn_opt *opt);

/**
 * The gradient of qn_op_rnn_plan(), with the same options.
 *
 * Inputs, NULL where there is none: gates; recurrent; dy; the gradients of the last state and of LSTM's last cell state;
 * LSTM: cells, c0; GRU: previous states; mask; peepholes; factors of the state; h0. In this order, twelve in all.
 * Outputs: dx [N,T,G*U]; dh0 [N,U]; LSTM: dc0 [N,U]; GRU, reset after the product: the gradient of the recurrent product
 * [N,T,3*U]. The recurrent kernel's gradient is the transposed previous states (times their factors) times that, or dx.
 */
QN_API qn_status qn_op_rnn_backward_plan(qn_op **out, qn_device *dev, qn_op_rnn cell, const qn_shape *x,
                                         const qn_op_rnn_opt *opt);

/* ---- losses, metrics, optimizers, dropout ---- */

/** Losses that are operations of their own. */
typedef enum qn_op_loss {
    QN_OP_SPARSE_CROSS_ENTROPY = 0, /**< targets: classes i32 [..] */
    QN_OP_CROSS_ENTROPY,            /**< targets: distributions [..,C] */
    QN_OP_BINARY_CROSS_ENTROPY,     /**< targets: 0 to 1 [..,C] */
    QN_OP_SQUARED_ERROR,
    QN_OP_ABSOLUTE_ERROR,
    QN_OP_HUBER
} qn_op_loss;

/** Options of planned losses. */
typedef struct qn_op_loss_opt {
    bool probabilities;    /**< cross-entropies: predictions are probabilities; default: logits */
    float label_smoothing; /**< cross-entropies but the sparse one */
    float delta;           /**< Huber; default 1 */
    bool each;             /**< a loss for every sample; default: their mean */
    bool weights;          /**< a third input of forward, f32, a weight for every sample */
    const char *algorithm; /**< by its name in `quern ops`; NULL: chosen */
    uintptr_t reserved[4]; /**< must be zero */
} qn_op_loss_opt;

/**
 * A loss. Samples are all axes of x [..,C] f32 but the last.
 *
 * Inputs of qn_op_run(): x, targets, weights or NULL. Outputs: the loss, [] or a sample's each; cross-entropies have two
 * more, which their gradient takes.
 */
QN_API qn_status qn_op_loss_plan(qn_op **out, qn_device *dev, qn_op_loss kind, const qn_shape *x,
                                 const qn_op_loss_opt *opt);
/** The gradient of x. Inputs: dloss, x, targets, weights or NULL, and of cross-entropies the two more outputs. */
QN_API qn_status qn_op_loss_backward_plan(qn_op **out, qn_device *dev, qn_op_loss kind, const qn_shape *x,
                                          const qn_op_loss_opt *opt);

/** Metrics that are operations of their own. */
typedef enum qn_op_metric {
    QN_OP_SPARSE_ACCURACY = 0, /**< targets: classes i32 [..] */
    QN_OP_ACCURACY,            /**< targets: distributions [..,C] */
    QN_OP_BINARY_ACCURACY,     /**< predictions above 0.5 against targets [..,C] */
    QN_OP_METRIC_SQUARED_ERROR,
    QN_OP_METRIC_ABSOLUTE_ERROR
} qn_op_metric;

/**
 * A metric, added to a state [4] f32 that starts as zeros: the value so far is (s[0] + s[1]) / (s[2] + s[3]).
 *
 * @param x    predictions [..,C] f32
 * @param top  accuracies by class: the target is among so many largest; 0: the first largest
 *
 * Inputs of qn_op_run(): state (updated), x, targets. No outputs.
 */
QN_API qn_status qn_op_metric_plan(qn_op **out, qn_device *dev, qn_op_metric kind, const qn_shape *x, int top);

/**
 * One optimizer step over n parameters; qn_op_set_step() gives its number and learning rate.
 *
 * @param optimizer  clipping by value is done, by norm refused
 * @param slots      receives the number of slots, or NULL
 *
 * Inputs of qn_op_run(): w [n] (updated), gradients [n], then three slots [n] (updated), NULL where the rule has none:
 * SGD 0 with momentum; Adam 0, 1 and 2 with amsgrad; RMSprop 0, 1 when centered, 2 with momentum; Adagrad 0, which starts
 * at `initial`; Adadelta and Adamax 0, 1; Lion 0. The others start as zeros. No outputs.
 */
QN_API qn_status qn_op_update_plan(qn_op **out, qn_device *dev, const qn_optimizer *optimizer, int64_t n,
                                   int *slots);

/** x [N,..] f32 with a share `rate` of its elements 0 and the others times 1 / (1 - rate), drawn by qn_op_set_step(). */
QN_API qn_status qn_op_dropout_plan(qn_op **out, qn_device *dev, const qn_shape *x, float rate);

/** Where in a training an operation stands. */
typedef struct qn_op_step {
    float lr;        /**< learning rate */
    uint64_t step;   /**< steps before this one */
    uint64_t sample; /**< samples before this batch */
    uint64_t seed;   /**< of random numbers. The gradient of dropout is dropout of dy with the same numbers here */
} qn_op_step;

/**
 * Set what optimizer steps and dropout go by in later runs; waits for earlier ones. All zero where it was never called.
 *
 * @retval QN_E_ARG  a NULL
 */
QN_API qn_status qn_op_set_step(qn_op *op, const qn_op_step *step);

QN_END_DECLS

#endif
