/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Operations that move elements and compute nothing. */
#ifndef QNI_SHAPE_H
#define QNI_SHAPE_H

#include "graph/graph.h"
#include "ops/op.h"

enum qni_reshape_mode {
    QNI_RESHAPE_TO,     /* dim[rank]: -1 once: what is left; 0: this axis of the input */
    QNI_RESHAPE_EXACT,  /* the same, where 0 is 0 */
    QNI_RESHAPE_INSERT, /* axes of size 1, at the places of the result that mask names */
    QNI_RESHAPE_REMOVE  /* axes of size 1, at the places of the input that mask names */
};

struct qni_reshape {
    int32_t mode;
    uint32_t mask;
    int32_t rank;
    int64_t dim[QN_MAX_RANK];
};

extern const struct qni_op qni_op_reshape;

qn_val qni_insert_axes(qn_graph *g, qn_val x, uint32_t mask);
qn_val qni_remove_axes(qn_graph *g, qn_val x, uint32_t mask);
/* x with the shape of `like`, of as many elements. */
qn_val qni_reshape_like(qn_graph *g, qn_val x, qn_val like);

/* ---- copy.c: strided copies, what most of these operations are made of ---- */

/* Element [i0, i1, ...] of sizes dim goes from in + in_at + sum(i * in_stride) to out + out_at + sum(i * out_stride). */
struct qni_copy {
    int rank;
    int64_t dim[QN_MAX_RANK + 1], in_stride[QN_MAX_RANK + 1], out_stride[QN_MAX_RANK + 1];
    int64_t in_at, out_at;
};

/* Append the launch; nothing where there are no elements. Elements are moved as bits. vector: shaped for a CPU. */
void qni_copy_emit(const struct qni_problem *p, struct qni_recorder *r, int input, int output, const struct qni_copy *copy,
                   bool vector);
/* All of output 0 becomes zero bits (value 0), or the bits of `value` in its dtype. */
void qni_fill_emit(const struct qni_problem *p, struct qni_recorder *r, int output, double value, bool vector);
/* Row-major strides of a shape. */
void qni_strides(const qn_shape *shape, int64_t *stride);
/* An axis that may count from the end; -1 and a message when it is out of range. */
int qni_axis(int axis, int rank);

#endif
