/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_TENSOR_H
#define QUERN_TENSOR_H

#include <quern/device.h>

QN_BEGIN_DECLS

/**
 * Create a tensor with contiguous storage; its content is undefined.
 *
 * @param out    receives the tensor; the caller owns it; NULL on failure
 * @param dev    retained
 * @param dtype  element type
 * @param rank   0 to QN_MAX_RANK
 * @param dim    [rank] sizes, each 0 or more
 *
 * @retval QN_OK               created
 * @retval QN_E_ARG            dev, out or dim is NULL, or the dtype is unknown
 * @retval QN_E_SHAPE          rank out of range, a negative size, or more than 2^63 bytes
 * @retval QN_E_DEVICE_MEMORY  the device has no room
 *
 * Threads: any.
 */
QN_API qn_status qn_tensor_create(qn_tensor **out, qn_device *dev, qn_dtype dtype, int rank, const int64_t *dim);

/**
 * Another view of elements of a tensor: shared storage, contiguous.
 *
 * @param out     receives the view; the caller owns it and may outlive the original
 * @param of      borrowed; its storage is retained
 * @param offset  first element, from the start of the original
 * @param rank    rank of the view
 * @param dim     [rank] sizes; offset + their product must lie inside the original
 *
 * @retval QN_E_SHAPE  the view reaches outside
 *
 * Threads: any.
 */
QN_API qn_status qn_tensor_view(qn_tensor **out, const qn_tensor *of, int64_t offset, int rank, const int64_t *dim);

/**
 * Give a tensor up and clear the pointer; accepts NULL. Memory that queued work still uses is released after it.
 *
 * Threads: any.
 */
QN_API void qn_tensor_destroy(qn_tensor **t);

/** Shape of a tensor; rank 0 for NULL. Threads: any. */
QN_API qn_shape qn_tensor_shape(const qn_tensor *t);

/** Element type of a tensor; QN_F32 for NULL. Threads: any. */
QN_API qn_dtype qn_tensor_dtype(const qn_tensor *t);

/**
 * Copy all elements from the host and wait.
 *
 * @param t      destination
 * @param from   bytes in native byte order, row-major
 * @param bytes  size of from; must equal the tensor's
 *
 * @retval QN_E_SHAPE  bytes does not equal the tensor's size
 *
 * Threads: one per tensor.
 */
QN_API qn_status qn_tensor_write(qn_tensor *t, const void *from, size_t bytes);

/** Copy all elements to the host and wait; as qn_tensor_write(). */
QN_API qn_status qn_tensor_read(const qn_tensor *t, void *to, size_t bytes);

/** Start a copy from the host; from must stay untouched until qn_device_finish(). Otherwise as qn_tensor_write(). */
QN_API qn_status qn_tensor_write_async(qn_tensor *t, const void *from, size_t bytes);

/** Start a copy to the host; to is complete after qn_device_finish(). Otherwise as qn_tensor_read(). */
QN_API qn_status qn_tensor_read_async(const qn_tensor *t, void *to, size_t bytes);

/** Copy one tensor to another of the same dtype and number of elements, on the device; enqueued, not waited for. */
QN_API qn_status qn_tensor_copy(qn_tensor *to, const qn_tensor *from);

QN_END_DECLS

#endif
