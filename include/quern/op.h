/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 1: single operations. Plan one for a device and shapes, ask for its
 * scratch, enqueue it as often as you like. */
#ifndef QUERN_OP_H
#define QUERN_OP_H

#include <quern/tensor.h>

QN_BEGIN_DECLS

/** An operation planned for a device and shapes. */
typedef struct qn_op qn_op;

/** Activations; 0 is linear. */
typedef enum qn_act {
    QN_LINEAR = 0,
    QN_RELU,
    QN_LEAKY_RELU,     /**< alpha: negative slope */
    QN_RELU6,
    QN_ELU,            /**< alpha */
    QN_SELU,
    QN_GELU,           /**< by erf */
    QN_GELU_TANH,      /**< tanh approximation */
    QN_SIGMOID,
    QN_HARD_SIGMOID,
    QN_TANH,
    QN_SOFTPLUS,
    QN_SOFTSIGN,
    QN_SWISH,
    QN_HARD_SWISH,
    QN_MISH,
    QN_EXPONENTIAL,
    QN_SOFTMAX,        /**< over the last axis */
    QN_LOG_SOFTMAX,    /**< over the last axis */
    QN_IDENTITY        /**< linear, where 0 means another default: recurrent cells */
} qn_act;

/** What lies around an image for convolution and pooling. */
typedef enum qn_padding {
    QN_VALID = 0,      /**< nothing: windows stay inside */
    QN_SAME,           /**< zeros, so that the output is the input's size over the stride, rounded up; the odd one at the end */
    QN_EXPLICIT,       /**< given numbers: top, bottom, left, right */
    QN_CAUSAL          /**< convolution of sequences: zeros before, so that no output sees what comes after it */
} qn_padding;

/** Bytes of device scratch qn_op_run() needs; 0 for NULL. Threads: any. */
QN_API size_t qn_op_scratch_bytes(const qn_op *op);

/** Name of the algorithm that was chosen, such as "implicit_gemm"; "" for NULL. Threads: any. */
QN_API const char *qn_op_algorithm(const qn_op *op);

/** Number of outputs; 0 for NULL. Threads: any. */
QN_API int qn_op_outputs(const qn_op *op);

/** Shape and dtype of an output; either may be NULL. @retval QN_E_ARG no such output. Threads: any. */
QN_API qn_status qn_op_output_shape(const qn_op *op, int output, qn_shape *shape, qn_dtype *dtype);

/**
 * Enqueue an operation on its device's queue; nothing is waited for, but in the first runs where launches have a limit
 * (launch_ms of the context).
 *
 * @param op       planned; borrowed
 * @param in       [inputs] tensors, NULL where an optional input is absent; borrowed until the work is done
 * @param inputs   as at planning
 * @param out      [outputs] tensors, overwritten; NULL where not wanted at planning
 * @param outputs  at most as many as the operation has
 * @param scratch  at least qn_op_scratch_bytes() bytes, or NULL when that is 0
 *
 * @retval QN_OK           enqueued
 * @retval QN_E_ARG        a tensor is missing
 * @retval QN_E_SHAPE      a tensor differs from the plan in dtype or shape, or scratch is too small
 * @retval QN_E_DEVICE     driver error
 *
 * Threads: one per op.
 */
QN_API qn_status qn_op_run(qn_op *op, qn_tensor *const *in, int inputs, qn_tensor *const *out, int outputs,
                           qn_tensor *scratch);

/** Give an operation up and clear the pointer; accepts NULL. Threads: any. */
QN_API void qn_op_destroy(qn_op **op);

QN_END_DECLS

#endif
