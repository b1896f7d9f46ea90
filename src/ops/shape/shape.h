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

struct qni_transpose {
    int32_t rank;
    int32_t from[QN_MAX_RANK]; /* axis a of the result is axis from[a] of the input */
};

struct qni_concat {
    int32_t axis;
};

/* Python's start:stop:step for the first `axes` axes; the others are whole. */
#define QNI_SLICE_BEGIN INT64_MIN /* stop of a backward slice that goes to the very first element */
struct qni_slice {
    int32_t axes;
    int64_t start[QN_MAX_RANK], stop[QN_MAX_RANK], step[QN_MAX_RANK];
};

/* The input becomes that slice of zeros of `shape`, or of the shape of input 1, which is not read. */
struct qni_unslice {
    struct qni_slice slice;
    int32_t has_shape;
    qn_shape shape;
};

struct qni_pad {
    int32_t axes;
    int64_t before[QN_MAX_RANK], after[QN_MAX_RANK];
    float value;
};

struct qni_tile {
    int32_t axis;
    int32_t each;  /* each element `times` times in a row, else the whole axis */
    int64_t times;
};

struct qni_gather {
    int32_t axis;
};

/* (values, index): added into zeros of `shape`, or of the shape of input 2, which is not read. */
struct qni_scatter_add {
    int32_t axis;
    int32_t has_shape;
    qn_shape shape;
    int32_t named; /* only what an index speaks of will be read: the rest need not become zero */
};

struct qni_one_hot {
    int64_t depth;
};

/* i32 [rows]: 1 where any of the inputs, all of them indices, speaks of the row, else 0. */
struct qni_mark {
    int64_t rows;
};

extern const struct qni_op qni_op_reshape, qni_op_transpose, qni_op_concat, qni_op_slice, qni_op_unslice, qni_op_pad,
    qni_op_tile, qni_op_gather, qni_op_scatter_add, qni_op_one_hot, qni_op_mark;

/* What these operations have in common. */
#define QNI_SHAPE_DTYPES "f32 f16 bf16 i32 i64 u8"
extern const char *const qni_shape_tests[];
bool qni_shape_applies(const struct qni_problem *p);

qn_val qni_insert_axes(qn_graph *g, qn_val x, uint32_t mask);
qn_val qni_remove_axes(qn_graph *g, qn_val x, uint32_t mask);
/* x with the shape of `like`, of as many elements. */
qn_val qni_reshape_like(qn_graph *g, qn_val x, qn_val like);

/* ---- by index: gather.c, and scatter_sort.c, two algorithms of scatter_add ---- */

struct qni_index_sizes {
    int64_t a, l, b, i; /* x: [a, l, b], index: [i] */
};

void qni_index_sizes(const qn_shape *x, const qn_shape *index, int axis, struct qni_index_sizes *s);
/* QN_E_ARG for what is no index. */
qn_status qni_index_check(const struct qni_desc *d);
/* The kernels' type of an index. */
const char *qni_index_type(qn_dtype d);
extern const struct qni_algo qni_scatter_sort_vector, qni_scatter_sort_group;

/* ---- copy.c: strided copies, what most of these operations are made of ---- */

/* Element [i0, i1, ...] of sizes dim goes from in + in_at + sum(i * in_stride) to out + out_at + sum(i * out_stride). */
struct qni_copy {
    int rank;
    int64_t dim[QN_MAX_RANK + 1], in_stride[QN_MAX_RANK + 1], out_stride[QN_MAX_RANK + 1];
    int64_t in_at, out_at;
};

/* The same with axes merged that one stride walks on both sides, without axes of size 1, innermost first. */
void qni_copy_simplify(const struct qni_copy *c, struct qni_copy *out);
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
