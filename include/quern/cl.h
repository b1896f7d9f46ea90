/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Opt-in: Quern on an application's own OpenCL objects. Not included by quern.h. */
#ifndef QUERN_CL_H
#define QUERN_CL_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include <quern/tensor.h>

QN_BEGIN_DECLS

/**
 * Use an application's OpenCL context and queue.
 *
 * @param out      receives the device; the caller owns it; NULL on failure
 * @param ctx      retained; NULL for the defaults
 * @param context  retained
 * @param queue    of that context, in order; retained; all computing goes there
 *
 * @retval QN_OK          wrapped
 * @retval QN_E_ARG       a NULL, or an out-of-order queue, or a queue of another context
 * @retval QN_E_UNSUPPORTED  the device is older than OpenCL 1.2 or has no compiler
 * @retval QN_E_DEVICE    the driver refused
 *
 * Threads: any.
 */
QN_API qn_status qn_device_wrap(qn_device **out, qn_context *ctx, cl_context context, cl_command_queue queue);

/**
 * Use an application's buffer as a tensor's storage, without a copy.
 *
 * @param out           receives the tensor; the caller owns it; NULL on failure
 * @param dev           retained
 * @param mem           of the device's context; retained
 * @param offset_bytes  a multiple of the element size
 * @param dtype         element type
 * @param rank          0 to QN_MAX_RANK
 * @param dim           [rank] sizes, each 0 or more
 *
 * @retval QN_E_SHAPE  the tensor does not fit in the buffer
 *
 * Threads: any.
 */
QN_API qn_status qn_tensor_wrap(qn_tensor **out, qn_device *dev, cl_mem mem, size_t offset_bytes, qn_dtype dtype,
                                int rank, const int64_t *dim);

/** The OpenCL context of a device; lent. Threads: any. */
QN_API cl_context qn_device_cl_context(const qn_device *dev);

/** The in-order queue all computing goes to; lent. Threads: any. */
QN_API cl_command_queue qn_device_cl_queue(const qn_device *dev);

/** The buffer behind a tensor, lent, and where in it the tensor starts, bytes. Threads: any. */
QN_API cl_mem qn_tensor_cl_mem(const qn_tensor *t, size_t *offset_bytes);

QN_END_DECLS

#endif
