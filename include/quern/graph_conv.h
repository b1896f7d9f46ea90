/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: convolution. As all of level 2: nodes are appended to g, the first
 * mistake is remembered there and an invalid value returned; one thread per
 * graph. Options may be NULL for the defaults. */
#ifndef QUERN_GRAPH_CONV_H
#define QUERN_GRAPH_CONV_H

#include <quern/op.h>

QN_BEGIN_DECLS

/** Options of the convolutions. Arrays are {height, width}, {2} alone is {2, 2}; of sequences the first counts. */
typedef struct qn_graph_conv_opt {
    int stride[2];         /**< default 1 */
    int dilation[2];       /**< default 1 */
    int groups;            /**< default 1 */
    qn_padding padding;    /**< default valid */
    int pad[4];            /**< top, bottom, left, right, for QN_EXPLICIT; of sequences before, after */
    int output_padding[2]; /**< transposed alone: rows and columns more at the end; 0: as Keras's None */
    qn_act act;            /**< applied last; default linear */
    float act_alpha;       /**< the activation's parameter, as it is */
    uintptr_t reserved[4]; /**< must be zero */
} qn_graph_conv_opt;

/**
 * Convolution (cross-correlation) of images, or of sequences, which are images of height 1.
 *
 * y[n,p,q,k] = act(sum over r,s,c of x[n,p*stride_h-top+r*dilation_h,q*stride_w-left+s*dilation_w,c] w[r,s,c,k]
 * + bias[k]); outside x are zeros; c runs over the channels of k's group.
 *
 * @param x     [N,H,W,C] or [N,T,D] f32
 * @param w     [R,S,C/groups,K] or [R,D/groups,K] f32
 * @param bias  [K] f32 or invalid (id 0)
 *
 * Gradient: of x, w and bias, as often as you like. Source: Keras 3 Conv2D, Conv1D.
 */
QN_API qn_val qn_graph_conv(qn_graph *g, qn_val x, qn_val w, qn_val bias, const qn_graph_conv_opt *opt);

/**
 * Transposed convolution: what qn_graph_conv() does to the gradient of its image.
 *
 * @param x     [N,P,Q,C] or [N,T,D] f32
 * @param w     [R,S,K,C] or [R,K,D] f32; with groups K is of one group
 * @param bias  [K*groups] f32 or invalid (id 0)
 *
 * Gradient: of x, w and bias, as often as you like. Source: Keras 3 Conv2DTranspose, Conv1DTranspose.
 */
QN_API qn_val qn_graph_conv_transpose(qn_graph *g, qn_val x, qn_val w, qn_val bias, const qn_graph_conv_opt *opt);

QN_END_DECLS

#endif
