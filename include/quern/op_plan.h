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

#include <quern/op.h>

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
    bool bias;             /**< forward alone: a third input [K] is added */
    qn_act act;            /**< forward alone: applied last */
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

QN_END_DECLS

#endif
