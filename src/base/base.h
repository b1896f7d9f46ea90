/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The bottom room: messages, memory through the context's allocator, checked
 * sizes, text, hashes, random numbers, threads. It knows no OpenCL. */
#ifndef QNI_BASE_H
#define QNI_BASE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <quern/context.h>
#include <quern/types.h>

#define QNI_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define QNI_MIN(a, b) ((a) < (b) ? (a) : (b))
#define QNI_MAX(a, b) ((a) > (b) ? (a) : (b))
#define QNI_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* ---- status.c ---- */

/* Remember one line for qn_last_error() and return the code. The text needs no memory. */
qn_status qni_error(qn_status status, const char *format, ...) QNI_PRINTF(2, 3);
/* Put text before the message that is there: "layer 'dense_1': " + message. */
void qni_error_prefix(const char *format, ...) QNI_PRINTF(1, 2);
/* Keep a worker's message for the caller's thread, and bring it back. */
void qni_error_take(char *text, size_t bytes);
void qni_error_put(const char *text);

/* ---- context.c ---- */

struct qn_context {
    atomic_int references;
    qn_context_opt opt;
    char *store_dir;           /* resolved; NULL when nothing is to be kept */
    struct qni_cl *cl;         /* the OpenCL library, loaded by the device room under lock */
    void (*cl_unload)(struct qni_cl *cl, const qn_context *ctx); /* set with cl; called by the last release */
    pthread_mutex_t lock;
};

/* Retain ctx, or make a default one when ctx is NULL. */
qn_status qni_context_get(qn_context **out, qn_context *ctx);
qn_context *qni_context_retain(qn_context *ctx);
void qni_context_release(qn_context **ctx);
/* An environment variable, or NULL where the context ignores them or it is empty. */
const char *qni_env(const qn_context *ctx, const char *name);
/* The most threads to use at once: the option, else the cores that this process may run on. */
int qni_thread_limit(const qn_context *ctx);
void qni_log(const qn_context *ctx, qn_log_level level, const char *format, ...) QNI_PRINTF(3, 4);

/* ---- alloc.c: every byte of host memory goes through the context ---- */

/* n elements of size bytes each, zeroed; QN_E_HOST_MEMORY with a message on failure or overflow. n 0 gives a valid pointer. */
qn_status qni_calloc(const qn_context *ctx, void *out, size_t n, size_t size);
/* Grow *p to n elements; the new ones are not cleared; *p is untouched on failure. */
qn_status qni_realloc(const qn_context *ctx, void *p, size_t n, size_t size);
/* Make room for one more in an array that grows by doubling. */
qn_status qni_reserve(const qn_context *ctx, void *p, size_t *capacity, size_t n, size_t size);
qn_status qni_strdup(const qn_context *ctx, char **out, const char *s);
/* Free *p and clear it; accepts a pointer to NULL. */
void qni_free(const qn_context *ctx, void *p);

/* ---- size.c: arithmetic on sizes from outside ---- */

bool qni_mul_overflows(size_t a, size_t b, size_t *out);
bool qni_add_overflows(size_t a, size_t b, size_t *out);
/* Product of the dims; QN_E_SHAPE when a dim is negative or the product or its bytes exceed INT64_MAX. */
qn_status qni_shape_elements(const qn_shape *shape, qn_dtype dtype, int64_t *out);
/* For shapes already checked. */
int64_t qni_elements(const qn_shape *shape);
bool qni_shape_equal(const qn_shape *a, const qn_shape *b);
qn_shape qni_shape(int rank, ...); /* the dims as int64_t */
/* "[None, 28, 28, 1]"; returns text. */
const char *qni_shape_text(const qn_shape *shape, char *text, size_t bytes);
static inline int64_t qni_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t qni_round_up(int64_t a, int64_t b) { return qni_ceil_div(a, b) * b; }

/* ---- text.c: text that grows; the first failure sticks ---- */

struct qni_text {
    const qn_context *ctx;
    char *data;       /* always terminated once anything was added; NULL before */
    size_t length;
    size_t capacity;
    qn_status status;
};

void qni_text_add(struct qni_text *t, const char *format, ...) QNI_PRINTF(2, 3);
void qni_text_add_bytes(struct qni_text *t, const char *s, size_t n);
void qni_text_free(struct qni_text *t);
/* Its length, as many of its bytes as there is room for, and a zero; then it is freed. */
qn_status qni_text_give(struct qni_text *t, char *out, size_t most, size_t *bytes);
/* Shortest decimal text that reads back as the same float, with '.', whatever the locale; for OpenCL C and JSON. */
const char *qni_float_text(float v, char *text, size_t bytes);

/* ---- number.c ---- */

/* The whole text is a decimal number (no blanks, no "inf", no hexadecimal), finite as a double. */
bool qni_parse_number(const char *s, size_t n, double *out);
/* Short decimal text that reads back as the same double, with a point; "NaN", "Infinity", "-Infinity". 32 bytes are
 * enough. */
const char *qni_double_text(double v, char *text, size_t bytes);

/* ---- sort.c ---- */

/* Sort indices by a total order of what they stand for (equal ones end in no particular order). */
void qni_sort(uint32_t *index, size_t n, int (*compare)(const void *user, uint32_t a, uint32_t b), const void *user);

/* ---- hash.c: 64-bit FNV-1a with a final mix; for keys and checksums, not for security ---- */

#define QNI_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t qni_hash(uint64_t h, const void *data, size_t bytes);
uint64_t qni_hash_text(uint64_t h, const char *s); /* with the terminator, so that "a","b" differs from "ab","" */

/* ---- store.c: files kept for later processes ---- */

/* The bytes kept under a key, or QN_OK with *out NULL when there are none or they are damaged (then removed). */
qn_status qni_store_get(const qn_context *ctx, uint64_t key, const char *kind, unsigned char **out, size_t *bytes);
/* Keep bytes by writing a temporary name and renaming; failures are logged, never returned. */
void qni_store_put(const qn_context *ctx, uint64_t key, const char *kind, const void *data, size_t bytes);
/* Remove the least recently used entries until there are at most limit bytes. */
void qni_store_trim(const qn_context *ctx, uint64_t limit);

#define QNI_STORE_BYTES   (UINT64_C(512) << 20)
#define QNI_STORE_LOCK_MS 120000

/* Keep other processes from doing the same work at the same time: wait for the key's lock, at most limit_ms. -1 where it
 * stays taken or the folder takes no files; the work is then done all the same, perhaps twice. */
int qni_store_lock(const qn_context *ctx, uint64_t key, int limit_ms);
void qni_store_unlock(int lock);

/* ---- philox.c: Philox4x32-10 (Salmon et al. 2011), the same numbers as cl/common/philox.clh ---- */

void qni_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
/* Uniform in [0,1) with 24 bits, from one output word. */
static inline float qni_uniform(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

#endif
