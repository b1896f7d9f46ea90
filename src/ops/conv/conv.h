/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Convolution of images [N,H,W,C] with filters [R,S,C/groups,K], and of sequences [N,T,D] with filters [R,D,K],
 * which are images and filters of height 1.
 *
 * Three operations, each of which is made of the other two when it is differentiated:
 *   conv2d                  x, w -> y          y[n,p,q,k] = sum over r,s,c of x[n,h,v,c] * w[r,s,c,k]
 *   conv2d_backward_data    dy, w, (x) -> dx   dx[n,h,v,c] = sum over r,s,k of dy[n,p,q,k] * w[r,s,c,k]
 *   conv2d_backward_filter  x, dy -> dw        dw[r,s,c,k] = sum over n,p,q of x[n,h,v,c] * dy[n,p,q,k]
 * where h = p * stride_h - top + r * dilation_h and v = q * stride_w - left + s * dilation_w lie inside the image,
 * and c, k are of the same group. A transposed convolution is conv2d_backward_data without its third input, which
 * only gives a shape. */
#ifndef QNI_CONV_H
#define QNI_CONV_H

#include "ops/op.h"

struct qni_conv {
    int32_t stride[2];         /* height, width; 0 is 1 */
    int32_t dilation[2];       /* 0 is 1 */
    int32_t groups;            /* 0 is 1 */
    int32_t padding;           /* enum qn_padding */
    int32_t pad[4];            /* top, bottom, left, right, for QN_EXPLICIT */
    int32_t filter[2];         /* R, S: conv2d_backward_filter's, which sees no filter */
    int32_t output_padding[2]; /* transposed: rows and columns at the end; 0: as Keras's None */
};

/* A problem's numbers; x is the image, y what convolution makes of it. */
struct qni_conv_geometry {
    int64_t N, H, W, C, P, Q, K; /* C and K of all groups */
    int R, S, stride_h, stride_w, dilation_h, dilation_w, top, left, groups;
    int64_t group_c, group_k; /* channels of one group */
};

extern const struct qni_op qni_op_conv2d;
extern const struct qni_op qni_op_conv2d_backward_data;
extern const struct qni_op qni_op_conv2d_backward_filter;

/* The shape rule of all three. */
qn_status qni_conv_shape(struct qni_problem *p);
/* The geometry of a problem of any of the three, from descriptors that its shape rule accepted. */
void qni_conv_geometry(struct qni_conv_geometry *out, const struct qni_problem *p);

/* Backward, every so manieth filter row meets the pixels of one phase. */
int qni_conv_step(int stride, int dilation);

/* Index of an epilogue operand; input 0, which no kernel then reads, where there is none. */
struct qni_conv_operands {
    int bias, residual, aux;
};
struct qni_conv_operands qni_conv_operands(const struct qni_problem *p);
/* Does every algorithm's epilogue take this? */
bool qni_conv_epilogue(const struct qni_problem *p);
/* Build parameters QN_BIAS, QN_RESIDUAL, QN_ACT, QN_ACT_GRAD. */
void qni_conv_define_epilogue(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l);
/* Useful work: flops, and each operand moved once. */
void qni_conv_work(const struct qni_problem *p, struct qni_launch *l);

/* How CPU-shaped kernels cut channels: blocks of vectors * lanes, in tiles of so many pixels. */
struct qni_conv_tile {
    int lanes, vectors, pixels, block;
};
struct qni_conv_tile qni_conv_tile(const struct qni_problem *p, int64_t channels);

extern const struct qni_algo qni_conv2d_depthwise, qni_conv2d_backward_data_depthwise,
    qni_conv2d_backward_filter_depthwise;
extern const struct qni_algo qni_conv2d_gemm, qni_conv2d_backward_data_gemm, qni_conv2d_backward_filter_gemm;
extern const struct qni_algo qni_conv2d_narrow;
extern const struct qni_algo qni_conv2d_tile, qni_conv2d_backward_data_tile, qni_conv2d_backward_filter_tile;
extern const struct qni_algo qni_conv2d_direct, qni_conv2d_backward_data_direct, qni_conv2d_backward_filter_direct;

#endif
