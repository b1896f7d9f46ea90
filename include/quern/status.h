/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_STATUS_H
#define QUERN_STATUS_H

#include <quern/export.h>

QN_BEGIN_DECLS

/** What a call that can fail returns: what the caller can do about it. */
typedef enum qn_status {
    QN_OK = 0,
    QN_E_ARG = -1,           /**< an argument is NULL, out of range or contradictory: mend the call */
    QN_E_SHAPE = -2,         /**< shapes or dtypes do not fit together */
    QN_E_STATE = -3,         /**< called out of order, such as fit before compile */
    QN_E_HOST_MEMORY = -4,   /**< host memory ran out, or a size does not fit in size_t */
    QN_E_DEVICE_MEMORY = -5, /**< device memory ran out: use a smaller batch or another device */
    QN_E_NO_DEVICE = -6,     /**< no OpenCL library, platform or matching device */
    QN_E_DEVICE_LOST = -7,   /**< the device is gone: close it; host copies and checkpoints are whole */
    QN_E_DEVICE = -8,        /**< the driver refused a call; the message has its error name */
    QN_E_BUILD = -9,         /**< a kernel did not build; see qn_device_build_log() */
    QN_E_IO = -10,           /**< a file could not be read or written */
    QN_E_FORMAT = -11,       /**< a file's content is damaged or not of the expected format */
    QN_E_UNSUPPORTED = -12,  /**< valid, but not available on this device or in this build */
    QN_E_CANCELLED = -13,    /**< stopped at the caller's request */
    QN_E_INTERNAL = -14      /**< a fault of Quern's own: please report it */
} qn_status;

/**
 * Name of a status code, such as "QN_E_SHAPE".
 *
 * @return a constant string, never NULL; "unknown status" for other values
 *
 * Threads: any.
 */
QN_API const char *qn_status_name(qn_status status);

/**
 * What happened in this thread's last call that failed: one line, without a newline.
 *
 * @return the calling thread's message, valid until its next failing call; "" before the first
 *
 * Threads: any; every thread has its own message.
 */
QN_API const char *qn_last_error(void);

/**
 * Leave a message for qn_last_error(): for a program's own callbacks, which the library calls.
 *
 * @param status  returned as it is, so that a callback can end in `return qn_error_set(QN_E_IO, text);`
 * @param text    one line; copied, and cut when it is very long; NULL for none
 *
 * Threads: any; every thread has its own message.
 */
QN_API qn_status qn_error_set(qn_status status, const char *text);

QN_END_DECLS

#endif
