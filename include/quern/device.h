/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_DEVICE_H
#define QUERN_DEVICE_H

#include <quern/types.h>

QN_BEGIN_DECLS

/** Kinds of device. */
typedef enum qn_device_type {
    QN_DEVICE_OTHER = 0,
    QN_DEVICE_CPU = 1,
    QN_DEVICE_GPU = 2,
    QN_DEVICE_ACCELERATOR = 3
} qn_device_type;

/** What is known of a device before it is opened. */
typedef struct qn_device_info {
    char platform[128];       /**< name of the OpenCL platform */
    char name[128];           /**< of the device */
    char vendor[128];         /**< of the device */
    char driver[128];         /**< version of the driver */
    char version[128];        /**< as the device says it, such as "OpenCL 3.0 ..." */
    qn_device_type type;      /**< what it says it is */
    int platform_index;       /**< among the platforms */
    int device_index;         /**< within its platform */
    uint64_t global_bytes;    /**< device memory in all */
    uint64_t alloc_bytes;     /**< largest single buffer */
    uint64_t local_bytes;     /**< memory of a work-group */
    unsigned compute_units;   /**< as the device counts them */
    unsigned clock_mhz;       /**< at most; 0 when unknown */
    size_t group_items;       /**< largest work-group */
    uint64_t free_bytes;      /**< of global_bytes when asked; 0 where the driver does not say */
    char uuid[37];            /**< "8680f206-0c00-0332-faff-fffb8b1f0000"; "" where the driver does not say */
    char pci[16];             /**< "0000:01:00.0", hexadecimal; "" where the driver does not say */
    double gflops;            /**< measured, f32; 0: not measured */
    double gbytes_per_s;      /**< measured, device memory read and written; 0: not measured */
    bool usable;              /**< false: reason says why not */
    bool chosen;              /**< the one qn_device_open(..., NULL) opens */
    double score;             /**< higher is preferred among usable devices */
    char reason[256];         /**< why it is chosen, not chosen or not usable, with the score's parts */
    char select[288];         /**< names this device, and no other that is there now, to qn_device_open() */
} qn_device_info;

/**
 * List every device of every platform; a platform that fails is left out with a warning to the log.
 *
 * @param out    receives an array the caller gives back with qn_device_list_free(); NULL when count is 0
 * @param count  receives the number of devices
 * @param ctx    borrowed; NULL for the defaults
 *
 * @retval QN_OK             listed, perhaps none
 * @retval QN_E_NO_DEVICE    no OpenCL library; the message says what to install
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_device_list(qn_device_info **out, size_t *count, qn_context *ctx);

/** Free what qn_device_list() gave; accepts NULL. ctx must be the same as there. Threads: any. */
QN_API void qn_device_list_free(qn_device_info **list, qn_context *ctx);

/**
 * What qn_device_open() would open, without opening it.
 *
 * @param out     receives what is known of the device; untouched on failure
 * @param ctx     borrowed; NULL for the defaults
 * @param select  as for qn_device_open(); borrowed
 *
 * @retval QN_OK             chosen
 * @retval QN_E_ARG          out is NULL, or select is no expression; the message has the column
 * @retval QN_E_NO_DEVICE    nothing matches; the message lists what there is or says what to install
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_device_choose(qn_device_info *out, qn_context *ctx, const char *select);

/** What takes a property: OpenCL's name of it and the answer, for people; both lent for the call. */
typedef void qn_device_property_fn(void *user, const char *name, const char *value);

/**
 * Everything the device that select means, and its platform, can be asked, such as "CL_DEVICE_MAX_COMPUTE_UNITS"; a query
 * that fails has the error's name as its value. One of them compiles a small kernel.
 *
 * @param ctx     borrowed; NULL for the defaults
 * @param select  as for qn_device_open(), such as a qn_device_info's own; borrowed
 * @param visit   called for each, on this thread
 * @param user    handed to visit
 *
 * @retval QN_OK             all were given
 * @retval QN_E_ARG          visit is NULL, or select is no expression; the message has the column
 * @retval QN_E_NO_DEVICE    nothing matches; the message lists what there is or says what to install
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_device_properties(qn_context *ctx, const char *select, qn_device_property_fn *visit, void *user);

/**
 * Open a device.
 *
 * select is "" or NULL for $QUERN_DEVICE and else the best by score; "P:D" for platform and device index; "N" for
 * the N-th of the list; "cpu", "gpu" or "accelerator"; a UUID; a PCI address; "fastest", by what was measured; an
 * expression such as "gpu & mem>4G & !vendor~AMD"; anything else is a part of "platform name" or "device name", without
 * regard to case. docs/devices.md has all of it.
 *
 * @param out     receives the device; the caller owns it; NULL on failure
 * @param ctx     retained; NULL for a context with the defaults
 * @param select  borrowed
 *
 * @retval QN_OK           opened
 * @retval QN_E_ARG        out is NULL, or select is no expression; the message has the column
 * @retval QN_E_NO_DEVICE  nothing matches; the message lists what there is or says what to install
 * @retval QN_E_DEVICE     the driver refused
 *
 * Threads: any; a device may be used by many threads at once.
 */
QN_API qn_status qn_device_open(qn_device **out, qn_context *ctx, const char *select);

/** Give the device up and clear the pointer; accepts NULL. What was made on it keeps it alive. Threads: any. */
QN_API void qn_device_close(qn_device **dev);

/** What is known of an open device. @retval QN_E_ARG dev or out is NULL. Threads: any. */
QN_API qn_status qn_device_get_info(const qn_device *dev, qn_device_info *out);

/**
 * Device memory held by this library on this device, bytes: now, and the most so far.
 *
 * @retval QN_E_ARG  dev is NULL; current and peak may be NULL
 *
 * Threads: any.
 */
QN_API qn_status qn_device_memory(qn_device *dev, uint64_t *current, uint64_t *peak);

/**
 * Log of the last kernel build that failed, with our files and lines; "" if none did. Lent until the next one.
 *
 * Threads: any.
 */
QN_API const char *qn_device_build_log(qn_device *dev);

/**
 * Measure how fast a device is, in half a second or so, and keep the figures for what qn_device_list() and "fastest" say
 * from then on: f32 multiply-adds of registers, and the reading and writing of memory larger than the caches.
 *
 * What else the device does meanwhile counts. The figures belong to this device, driver and version of the library.
 *
 * @param gflops        receives 10^9 operations a second, a multiply-add counted as two
 * @param gbytes_per_s  receives 10^9 bytes a second, read and written together
 * @param dev           borrowed; its queue is used, and up to a quarter of its memory
 *
 * @retval QN_OK               measured; kept where the context has a store
 * @retval QN_E_ARG            an argument is NULL
 * @retval QN_E_DEVICE         the driver failed, or the device computes wrongly
 * @retval QN_E_DEVICE_MEMORY  no memory for it
 *
 * Threads: as for other work on dev.
 */
QN_API qn_status qn_device_measure(double *gflops, double *gbytes_per_s, qn_device *dev);

/** Wait until all queued work is done. @retval QN_E_DEVICE or QN_E_DEVICE_LOST what went wrong. Threads: any. */
QN_API qn_status qn_device_finish(qn_device *dev);

QN_END_DECLS

#endif
