/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_CONTEXT_H
#define QUERN_CONTEXT_H

#include <quern/types.h>

QN_BEGIN_DECLS

/** Levels of a log message. */
typedef enum qn_log_level {
    QN_LOG_DEBUG = 0,
    QN_LOG_INFO = 1,
    QN_LOG_WARNING = 2
} qn_log_level;

/**
 * What the operands of matrix products and of attention may be rounded to before they are multiplied, where the device has
 * instructions for it that its self-test has passed: several times as fast on GPUs that have them. All that is stored stays
 * f32, and so does what is added up. u is the largest relative error of an operand:
 *   |error| <= (2 u + u^2) * sum over k of |A[m,k] B[k,n]|, beside f32's own.
 * A device that is faster with TF32 than with f32, and has nothing for bf16 or f16, takes TF32 for these.
 */
typedef enum qn_matmul {
    QN_MATMUL_F32 = 0,  /**< not at all */
    QN_MATMUL_TF32 = 1, /**< TF32, 11 bits and f32's range: u = 2^-11 */
    QN_MATMUL_BF16 = 2, /**< bf16, 8 bits and f32's range: u = 2^-8 */
    QN_MATMUL_F16 = 3   /**< f16, 11 bits: u = 2^-11 from 2^-14 on; less has an error of 2^-25, 65520 and more are infinite */
} qn_matmul;

/** What a program may replace. Zero means the default. */
typedef struct qn_context_opt {
    void *(*alloc)(void *user, size_t bytes);                       /**< malloc; thread-safe; NULL on failure */
    void *(*realloc)(void *user, void *p, size_t bytes);            /**< realloc; set all three or none */
    void (*free)(void *user, void *p);                              /**< free; accepts NULL */
    void (*log)(void *user, qn_log_level level, const char *line);  /**< nothing is logged without it; any thread */
    void *user;                                                     /**< handed to the four above */
    const char *store_dir;     /**< where compiled programs are kept; NULL: $QUERN_CACHE, else the XDG cache; "" : nowhere */
    int threads;               /**< most worker threads; 0: one per core */
    bool no_environment;       /**< ignore QUERN_* variables */
    bool no_helper;            /**< never start helper programs */
    bool qualify;              /**< test a device that no verdict is known of by a helper program before it is first opened: some
                                    seconds, a CPU briefly, see docs/devices.md */
    int launch_ms;             /**< most milliseconds a kernel may run before others have their turn, such as a screen:
                                    longer launches are made in pieces, with the same bits; to find those, the first runs
                                    of a launch wait; 0: $QUERN_LAUNCH_MS, else 1000 on GPUs and no limit elsewhere;
                                    -1: no limit */
    qn_matmul matmul;          /**< what operands may be rounded to; QN_MATMUL_F32: $QUERN_MATMUL, else not at all */
    uintptr_t reserved[7];     /**< must be zero */
} qn_context_opt;

/**
 * Create a context: allocator, logger, store and limits shared by the devices opened from it.
 *
 * @param out  receives the context; the caller owns it; NULL on failure
 * @param opt  copied; NULL for the defaults
 *
 * @retval QN_OK             created
 * @retval QN_E_ARG          out is NULL, a reserved word is set, launch_ms or matmul is none, or only some allocator functions are
 *                           given
 * @retval QN_E_HOST_MEMORY  out of memory
 *
 * Threads: any; a context may be used by many threads at once.
 */
QN_API qn_status qn_context_create(qn_context **out, const qn_context_opt *opt);

/**
 * Give a context up and clear the pointer. Devices opened from it keep what they need.
 *
 * @param ctx  the context, or NULL, or a pointer to NULL
 *
 * Threads: any.
 */
QN_API void qn_context_destroy(qn_context **ctx);

/* ---- for libraries on top of Quern, such as libquern-data ---- */

/**
 * Memory from the context's allocator.
 *
 * @param ctx    borrowed
 * @param bytes  0 gives a valid pointer as well
 *
 * @return zeroed memory for qn_context_free(); NULL with a message when there is none or ctx is NULL
 *
 * Threads: any.
 */
QN_API void *qn_context_alloc(const qn_context *ctx, size_t bytes);

/** Give memory of qn_context_alloc() back; accepts NULL. Threads: any. */
QN_API void qn_context_free(const qn_context *ctx, void *p);

/**
 * An environment variable.
 *
 * @return its value; NULL when it is unset or empty, or when the context ignores the environment
 *
 * Threads: any, as long as none changes the environment.
 */
QN_API const char *qn_context_env(const qn_context *ctx, const char *name);

QN_END_DECLS

#endif
