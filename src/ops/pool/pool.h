/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Pooling of images [N,H,W,C] and of sequences [N,T,C], which are images of height 1. */
#ifndef QNI_POOL_H
#define QNI_POOL_H

#include "ops/op.h"

struct qni_pool {
    int32_t size[2];           /* R, S */
    int32_t stride[2];         /* 0: the size */
    int32_t padding;           /* enum qn_padding */
    int32_t pad[4];            /* top, bottom, left, right, for QN_EXPLICIT; each smaller than the size */
    int32_t global;            /* the window is the whole image; size, stride and padding are ignored */
    int32_t count_include_pad; /* average: padding counts as zeros */
};

/* A problem's numbers; x is the image, y what pooling makes of it. */
struct qni_pool_geometry {
    int64_t N, H, W, C, P, Q;
    int R, S, stride_h, stride_w, top, left;
    bool overlap;
};

extern const struct qni_op qni_op_maxpool;      /* x -> y */
extern const struct qni_op qni_op_maxpool_grad; /* dy, x, y -> dx */
extern const struct qni_op qni_op_avgpool;      /* x -> y */
extern const struct qni_op qni_op_avgpool_grad; /* dy, x -> dx; x is not read, its shape is needed */

qn_status qni_pool_geometry(struct qni_pool_geometry *out, const struct qni_problem *p, const struct qni_desc *x);
/* Shape rules. */
qn_status qni_pool_shape(struct qni_problem *p);
qn_status qni_pool_grad_shape(struct qni_problem *p);
/* Does the device take work-groups of the lanes-shaped kernels? */
bool qni_pool_lanes_apply(const struct qni_problem *p);
/* A launch whose grid covers rows * columns * C, with the build parameters that all pooling kernels have. The caller adds
 * operands, then calls qni_pool_finish, which adds the numbers. */
struct qni_pool_launch {
    struct qni_launch *l;
    struct qni_pool_geometry g;
    int64_t rows, rows_each;
};
void qni_pool_begin(struct qni_pool_launch *out, const struct qni_problem *p, struct qni_recorder *r, const char *source,
                    const char *kernel, const struct qni_desc *x, bool lanes, bool over_input);
void qni_pool_finish(struct qni_pool_launch *pl, const struct qni_problem *p, struct qni_recorder *r, bool lanes,
                     bool over_input);

#endif
