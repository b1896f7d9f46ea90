/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_TYPES_H
#define QUERN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quern/export.h>
#include <quern/status.h>

QN_BEGIN_DECLS

/** Element types. Kernels accumulate in f32; there is no f64. */
typedef enum qn_dtype {
    QN_F32 = 0,
    QN_F16 = 1,
    QN_BF16 = 2,
    QN_I32 = 3,
    QN_I64 = 4,
    QN_U8 = 5
} qn_dtype;

/** Most axes a tensor has. */
#define QN_MAX_RANK 8

/** An axis whose size is only known when data arrive, such as the batch. */
#define QN_ANY ((int64_t)-1)

/** Sizes of a contiguous, row-major tensor; rank 0 is a scalar. */
typedef struct qn_shape {
    int rank;                 /**< axes in use */
    int64_t dim[QN_MAX_RANK]; /**< their sizes, the slowest first */
} qn_shape;

/** A symbolic value of a graph or model. id 0 is the invalid value. */
typedef struct qn_val {
    int32_t id; /**< nothing to be read from outside, but 0 is the invalid value */
} qn_val;

/** Allocator, logger, store and limits; see quern/context.h. */
typedef struct qn_context qn_context;
/** An open OpenCL device; see quern/device.h. */
typedef struct qn_device qn_device;
/** Elements in device memory; see quern/tensor.h. */
typedef struct qn_tensor qn_tensor;
/** Symbolic values and operations; see quern/graph.h. */
typedef struct qn_graph qn_graph;
/** A network that is trained and used. */
typedef struct qn_model qn_model;
/** Where samples come from. */
typedef struct qn_dataset qn_dataset;
/** How inputs are prepared and what targets mean; see quern/data_prep.h. */
typedef struct qn_prep qn_prep;

/**
 * Bytes of one element; 0 for an unknown dtype.
 *
 * Threads: any.
 */
QN_API size_t qn_dtype_bytes(qn_dtype dtype);

/**
 * Name of a dtype, such as "f32"; "?" for an unknown one.
 *
 * Threads: any.
 */
QN_API const char *qn_dtype_name(qn_dtype dtype);

QN_END_DECLS

#endif
