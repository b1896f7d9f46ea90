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

/** What is known of a device's soundness, by its self-test. */
typedef enum qn_verdict_state {
    QN_VERDICT_UNTESTED = 0,  /**< nothing; the device is used as it is */
    QN_VERDICT_GOOD = 1,      /**< all that was tested is right */
    QN_VERDICT_PARTLY = 2,    /**< some is wrong: such algorithms and features are left out */
    QN_VERDICT_BAD = 3        /**< it does not compute rightly: it is not used */
} qn_verdict_state;

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
    qn_verdict_state verdict; /**< of the self-test, see qn_device_qualify() */
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

/** What became of a check. */
typedef enum qn_check_result {
    QN_CHECK_PASSED = 0,
    QN_CHECK_FAILED = 1,
    QN_CHECK_SKIPPED = 2,   /**< the device has not what it is about */
    QN_CHECK_CRASHED = 3,   /**< it ended the helper program */
    QN_CHECK_TIMED_OUT = 4
} qn_check_result;

/** One check of a self-test, as it ends. */
typedef struct qn_check {
    const char *name;        /**< "device: two queues", or "operation/algorithm: case"; lent for the call, as is text */
    const char *text;        /**< what is wrong, or else there is to say; "" */
    qn_check_result result;  /**< what became of it */
    bool needed;             /**< a device that fails it, or all algorithms of its operation, is not used */
    double ms;               /**< it took; 0 where it did not end */
} qn_check;

/** How to test a device. Zero means the default. */
typedef struct qn_qualify_opt {
    bool quick;              /**< only such algorithms as are preferred on the device, and the last resort of each operation */
    int limit_s;             /**< seconds that a check may take; 0: 120 */
    void (*visit)(void *user, const qn_check *check); /**< called after each, on this thread; or NULL */
    void *user;              /**< handed to visit */
    uintptr_t reserved[4];   /**< must be zero */
} qn_qualify_opt;

/** The outcome of a self-test. */
typedef struct qn_verdict {
    qn_verdict_state state;  /**< in a word */
    bool quick;              /**< not all algorithms were tested */
    int passed;              /**< checks that did */
    int failed;              /**< those that did not, crashed or timed out */
    int skipped;             /**< those the device has nothing for */
    int left_out;            /**< algorithms that are not used on the device */
    char algorithms[2048];   /**< their names, "operation/algorithm", separated by blanks */
    char text[320];          /**< all this in a line, with the first thing that is wrong */
} qn_verdict;

/** "not tested", "good", "partly" or "bad"; "?" for any other number. Threads: any. */
QN_API const char *qn_verdict_name(qn_verdict_state state);

/**
 * The verdict that is kept of a device.
 *
 * It belongs to this device with this driver and this version of the library; any other is not tested.
 *
 * @param out     receives it; untouched on failure
 * @param ctx     borrowed; NULL for the defaults
 * @param select  as for qn_device_open(), and a device with a bad verdict may be meant too; borrowed
 *
 * @retval QN_OK             out is set, perhaps to QN_VERDICT_UNTESTED
 * @retval QN_E_ARG          out is NULL, or select is no expression; the message has the column
 * @retval QN_E_NO_DEVICE    nothing matches; the message lists what there is or says what to install
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any.
 */
QN_API qn_status qn_device_verdict(qn_verdict *out, qn_context *ctx, const char *select);

/**
 * Test a device, and keep the verdict for every device that is opened from then on.
 *
 * A program of its own does it, quern-qualify, so that a driver that crashes or hangs takes nothing else down; what it was at
 * counts as failed, and another one goes on. It compares the device with the host: compiling, memory, barriers, built-in
 * functions, queues, and every algorithm of every operation. It takes from some seconds to minutes, most of them for
 * compilers. docs/devices.md says what is tested and what follows.
 *
 * @param out     receives the verdict; untouched on failure
 * @param ctx     borrowed; NULL for the defaults; not one with no_helper
 * @param select  as for qn_device_verdict(); borrowed
 * @param opt     borrowed; NULL for the defaults
 *
 * @retval QN_OK             tested, well or badly; kept where the context has a store
 * @retval QN_E_ARG          an argument is NULL or out of range, or select is no expression
 * @retval QN_E_NO_DEVICE    nothing matches; the message lists what there is or says what to install
 * @retval QN_E_IO           there is no helper program, or it cannot be started
 * @retval QN_E_FORMAT       the helper program is not this version's
 * @retval QN_E_DEVICE       the helper program does not see the same device
 * @retval QN_E_UNSUPPORTED  the context starts no helper programs
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any. The process must not reap children that are not its own.
 */
QN_API qn_status qn_device_qualify(qn_verdict *out, qn_context *ctx, const char *select, const qn_qualify_opt *opt);

/** Whether a device's work is given to an algorithm. */
typedef enum qn_algorithm_state {
    QN_ALGORITHM_USED = 0,     /**< yes, where it applies */
    QN_ALGORITHM_LEFT_OUT = 1, /**< no: the self-test found it wrong */
    QN_ALGORITHM_UNTRIED = 2,  /**< no: it uses one maker's instructions, and the self-test has not passed it */
    QN_ALGORITHM_QUALIFIED = 3, /**< yes, because the self-test has passed it; one that rounds operands, where the context's
                                     matmul lets it */
    QN_ALGORITHM_ABSENT = 4    /**< no: it calls a library that is not there */
} qn_algorithm_state;

/** An algorithm of an operation, on a device; texts are lent for the call. */
typedef struct qn_algorithm {
    const char *operation;    /**< "matmul" */
    const char *name;         /**< "implicit_gemm" */
    const char *family;       /**< of operations: $QUERN_ALGO "FAMILY=NAME" gets the algorithm whatever its state */
    qn_algorithm_state state; /**< in a word */
    const char *reason;       /**< why its state is one of those that mean no; "" */
} qn_algorithm;

/** What takes an algorithm. */
typedef void qn_algorithm_fn(void *user, const qn_algorithm *algorithm);

/** "used", "left out", "untried", "qualified" or "absent"; "?" for any other number. Threads: any. */
QN_API const char *qn_algorithm_state_name(qn_algorithm_state state);

/**
 * Every algorithm of every operation, an operation's best ones first, with what the device's self-test means for it.
 *
 * @param ctx     borrowed; NULL for the defaults
 * @param select  as for qn_device_verdict(); borrowed
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
QN_API qn_status qn_device_algorithms(qn_context *ctx, const char *select, qn_algorithm_fn *visit, void *user);

/** Wait until all queued work is done. @retval QN_E_DEVICE or QN_E_DEVICE_LOST what went wrong. Threads: any. */
QN_API qn_status qn_device_finish(qn_device *dev);

QN_END_DECLS

#endif
