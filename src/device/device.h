/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Devices: the OpenCL library opened at run time, what a device can do, its
 * queues and its memory. */
#ifndef QNI_DEVICE_H
#define QNI_DEVICE_H

/* Include this before quern/cl.h. */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <quern/device.h>

#include "base/base.h"

/* ---- cl.c: the OpenCL entry points in use, found by dlsym; all of OpenCL 1.2, NULL never ---- */

struct qni_cl {
    void *library;
    cl_int (*GetPlatformIDs)(cl_uint, cl_platform_id *, cl_uint *);
    cl_int (*GetPlatformInfo)(cl_platform_id, cl_platform_info, size_t, void *, size_t *);
    cl_int (*GetDeviceIDs)(cl_platform_id, cl_device_type, cl_uint, cl_device_id *, cl_uint *);
    cl_int (*GetDeviceInfo)(cl_device_id, cl_device_info, size_t, void *, size_t *);
    cl_context (*CreateContext)(const cl_context_properties *, cl_uint, const cl_device_id *,
                                void (CL_CALLBACK *)(const char *, const void *, size_t, void *), void *, cl_int *);
    cl_int (*RetainContext)(cl_context);
    cl_int (*ReleaseContext)(cl_context);
    cl_int (*GetContextInfo)(cl_context, cl_context_info, size_t, void *, size_t *);
    cl_command_queue (*CreateCommandQueue)(cl_context, cl_device_id, cl_command_queue_properties, cl_int *);
    cl_int (*RetainCommandQueue)(cl_command_queue);
    cl_int (*ReleaseCommandQueue)(cl_command_queue);
    cl_int (*GetCommandQueueInfo)(cl_command_queue, cl_command_queue_info, size_t, void *, size_t *);
    cl_mem (*CreateBuffer)(cl_context, cl_mem_flags, size_t, void *, cl_int *);
    cl_mem (*CreateSubBuffer)(cl_mem, cl_mem_flags, cl_buffer_create_type, const void *, cl_int *);
    cl_int (*RetainMemObject)(cl_mem);
    cl_int (*ReleaseMemObject)(cl_mem);
    cl_int (*GetMemObjectInfo)(cl_mem, cl_mem_info, size_t, void *, size_t *);
    cl_program (*CreateProgramWithSource)(cl_context, cl_uint, const char **, const size_t *, cl_int *);
    cl_program (*CreateProgramWithBinary)(cl_context, cl_uint, const cl_device_id *, const size_t *,
                                          const unsigned char **, cl_int *, cl_int *);
    cl_int (*BuildProgram)(cl_program, cl_uint, const cl_device_id *, const char *,
                           void (CL_CALLBACK *)(cl_program, void *), void *);
    cl_int (*GetProgramInfo)(cl_program, cl_program_info, size_t, void *, size_t *);
    cl_int (*GetProgramBuildInfo)(cl_program, cl_device_id, cl_program_build_info, size_t, void *, size_t *);
    cl_int (*RetainProgram)(cl_program);
    cl_int (*ReleaseProgram)(cl_program);
    cl_kernel (*CreateKernel)(cl_program, const char *, cl_int *);
    cl_int (*ReleaseKernel)(cl_kernel);
    cl_int (*SetKernelArg)(cl_kernel, cl_uint, size_t, const void *);
    cl_int (*GetKernelInfo)(cl_kernel, cl_kernel_info, size_t, void *, size_t *);
    cl_int (*GetKernelWorkGroupInfo)(cl_kernel, cl_device_id, cl_kernel_work_group_info, size_t, void *, size_t *);
    cl_int (*EnqueueNDRangeKernel)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                                   const size_t *, cl_uint, const cl_event *, cl_event *);
    cl_int (*EnqueueReadBuffer)(cl_command_queue, cl_mem, cl_bool, size_t, size_t, void *, cl_uint,
                                const cl_event *, cl_event *);
    cl_int (*EnqueueWriteBuffer)(cl_command_queue, cl_mem, cl_bool, size_t, size_t, const void *, cl_uint,
                                 const cl_event *, cl_event *);
    cl_int (*EnqueueCopyBuffer)(cl_command_queue, cl_mem, cl_mem, size_t, size_t, size_t, cl_uint,
                                const cl_event *, cl_event *);
    cl_int (*EnqueueFillBuffer)(cl_command_queue, cl_mem, const void *, size_t, size_t, size_t, cl_uint,
                                const cl_event *, cl_event *);
    void *(*EnqueueMapBuffer)(cl_command_queue, cl_mem, cl_bool, cl_map_flags, size_t, size_t, cl_uint,
                              const cl_event *, cl_event *, cl_int *);
    cl_int (*EnqueueUnmapMemObject)(cl_command_queue, cl_mem, void *, cl_uint, const cl_event *, cl_event *);
    cl_int (*EnqueueMarkerWithWaitList)(cl_command_queue, cl_uint, const cl_event *, cl_event *);
    cl_int (*EnqueueBarrierWithWaitList)(cl_command_queue, cl_uint, const cl_event *, cl_event *);
    cl_int (*WaitForEvents)(cl_uint, const cl_event *);
    cl_int (*GetEventInfo)(cl_event, cl_event_info, size_t, void *, size_t *);
    cl_int (*GetEventProfilingInfo)(cl_event, cl_profiling_info, size_t, void *, size_t *);
    cl_int (*SetEventCallback)(cl_event, cl_int, void (CL_CALLBACK *)(cl_event, cl_int, void *), void *);
    cl_int (*RetainEvent)(cl_event);
    cl_int (*ReleaseEvent)(cl_event);
    cl_int (*Flush)(cl_command_queue);
    cl_int (*Finish)(cl_command_queue);
};

/* The library of this context, loaded on first use; QN_E_NO_DEVICE says what to install. */
qn_status qni_cl_get(const struct qni_cl **out, qn_context *ctx);
void qni_cl_unload(struct qni_cl *cl, const qn_context *ctx);
/* "CL_OUT_OF_RESOURCES" */
const char *qni_cl_error_name(cl_int error);
/* The status that fits an OpenCL error, with "<what>: CL_..." as the message; what says which call on what. */
qn_status qni_cl_error(cl_int error, const char *format, ...) QNI_PRINTF(2, 3);
/* The same for a call on an open device: errors that mean the device is gone also mark it lost. */
qn_status qni_device_error(qn_device *dev, cl_int error, const char *format, ...) QNI_PRINTF(3, 4);
/* QN_E_DEVICE_LOST with a message once the device is marked lost. */
qn_status qni_device_check(const qn_device *dev);

/* ---- caps.c: what a device can do, probed once when it is opened ---- */

/* How the algorithms for a device are shaped. */
enum qni_shape_class {
    QNI_CPU_SHAPED, /* vector tiles, work-groups of one */
    QNI_GPU_SHAPED  /* work-groups of 64 to 256, local memory, coalesced access */
};

/* Matrix instructions that our kernels know, by what cl/gemm/matrix.clh calls them. */
enum qni_matrix {
    QNI_MATRIX_NONE,
    QNI_MATRIX_NVIDIA,  /* mma.sync of TF32, bf16 and f16: compute capability 8.0 and above */
    QNI_MATRIX_AMD,     /* MFMA: of f32 gfx908, of bf16 and f16 gfx90a, and their successors */
    QNI_MATRIX_INTEL16, /* sub-groups of 16 that broadcast f32 */
    QNI_MATRIX_WMMA,    /* AMD's of bf16 and f16: gfx11 */
    QNI_MATRIX_XMX8,    /* Intel's of bf16 and f16, in sub-groups of 8 */
    QNI_MATRIX_XMX16,   /* in sub-groups of 16 */
    QNI_MATRIX_INTEL8   /* sub-groups of 8 that broadcast f32 */
};

/* Bits of qni_caps.quirks; quirks.c has the table with a reason for each. */
enum qni_quirk {
    QNI_QUIRK_NO_BINARIES = 1u << 0,    /* program binaries crash or fail: never store them */
    QNI_QUIRK_ONE_QUEUE = 1u << 1,      /* several queues are unsafe: upload through the compute queue */
    QNI_QUIRK_NO_USER_EVENTS = 1u << 2,
    QNI_QUIRK_ONE_THREAD = 1u << 3,     /* calls from several host threads assert: serialise */
    QNI_QUIRK_CPU = 1u << 4,            /* a CPU, whatever type it claims to be */
    QNI_QUIRK_LAST = 1u << 5,           /* works, but any other implementation for the same hardware is preferred */
    QNI_QUIRK_ASK = 1u << 6,            /* a tool, not for work: only opened when it is asked for by name or number */
    QNI_QUIRK_FINISH = 1u << 7,         /* clFinish returns too early: wait for a marker instead */
    QNI_QUIRK_OWN_CACHE = 1u << 8,      /* keeps compiled kernels itself: programs are not stored, see program/build.c */
    QNI_QUIRK_ONE_BUILD = 1u << 9,      /* programs are built one after another, whatever the threads: build one */
    QNI_QUIRK_THRICE = 1u << 10,        /* a kernel's code is compiled three times, a function's once: see program/once.c */
    QNI_QUIRK_SHORT_LOOPS = 1u << 11    /* a work-item's loops end after 65535 rounds in all */
};

struct qni_caps {
    enum qni_shape_class shape;
    cl_device_type type;
    char platform[128];
    char name[128];
    char vendor[128];
    char driver[128];
    char version[128];
    int cl_major, cl_minor;      /* OpenCL version of the device */
    uint64_t global_bytes;
    uint64_t alloc_bytes;        /* largest single buffer */
    uint64_t local_bytes;
    bool local_dedicated;        /* local memory is not part of global memory */
    size_t group_items;          /* largest work-group */
    size_t group_size[3];
    unsigned units;              /* compute units */
    unsigned clock_mhz;
    size_t align_bytes;          /* alignment of sub-ranges of a buffer, at least 128 */
    int vector;                  /* f32 lanes of a native vector: 1, 4, 8 or 16 */
    int registers;               /* native vector registers a tile may use: 16 or 32 */
    bool fp16, subgroups;
    int simd;                    /* width of threads to ask for where work-items need many registers; 0: as it comes */
    enum qni_matrix matrix;      /* of f32 */
    enum qni_matrix matrix_half; /* of bf16 and f16 */
    bool matrix_played;          /* for tests: the device has no such instructions, kernels are to play them */
    qn_matmul matmul;            /* what the context lets operands be rounded to */
    bool binaries;               /* programs' binaries are to be kept and used */
    bool available;              /* the driver says the device can be used */
    bool compiler;               /* it compiles OpenCL C */
    bool little_endian;
    bool unified;                /* shares the host's memory */
    char uuid[37];               /* "8680f206-0c00-...", or "" */
    char pci[16];                /* "0000:01:00.0", or "" */
    uint64_t free_bytes;         /* of global memory when it was asked; 0 where the driver does not say */
    unsigned quirks;
    char algo[256];              /* QUERN_ALGO when the device was opened, or "" */
    /* What follows from the self-test: see verdict.c. */
    qn_verdict_state verdict;
    unsigned tested_quirks;      /* of quirks, those that it found */
    char failed[280];            /* why the device is not used, or "" */
    char left_out[2560];         /* algorithms that are wrong: "op/algorithm op/algorithm " */
    char qualified[512];         /* likewise those that passed, of those that are off where they have not */
};

/* Fill caps for a device that may not be open yet. */
qn_status qni_caps_probe(struct qni_caps *out, qn_context *ctx, const struct qni_cl *cl, cl_platform_id platform,
                         cl_device_id id);

/* Why a device cannot be used at all; NULL when it can. */
const char *qni_caps_unusable(const struct qni_caps *caps);
/* Was an algorithm found wrong on this device? (verdict.c) */
bool qni_caps_left_out(const struct qni_caps *caps, const char *op, const char *algo);
/* Was one found right that is off otherwise? */
bool qni_caps_qualified(const struct qni_caps *caps, const char *op, const char *algo);

/* ---- quirks.c ---- */

/* All quirk bits of a device, by its platform, name and driver. */
unsigned qni_quirks_find(const struct qni_caps *caps);
/* The i-th table row that fits a device: its bits and why; false when there are no more. */
bool qni_quirks_get(const struct qni_caps *caps, size_t i, unsigned *bits, const char **reason);
/* "one_queue", for one bit. */
const char *qni_quirk_name(unsigned bit);
/* bits with those that a list names, such as $QUERN_QUIRKS "one_queue,-one_build": a '-' takes one away. *unknown points
 * to the last name that is none, or is NULL. */
unsigned qni_quirks_apply(unsigned bits, const char *text, const char **unknown);

/* ---- select.c: every device there is, and the one to open ---- */

struct qni_found {
    cl_platform_id platform;
    cl_device_id id;
    qn_device_info info;
    struct qni_caps caps;
};

/* Every device of every platform, in the loader's order; give it back with qni_free(ctx, &found). */
qn_status qni_device_find(struct qni_found **out, size_t *count, qn_context *ctx, const struct qni_cl *cl);
/* Score each, find the one that select (see qn_device_open) means, mark it and say why. */
qn_status qni_device_choose(size_t *out, qn_context *ctx, struct qni_found *found, size_t count, const char *select);

void qni_device_info(qn_device_info *out, const struct qni_caps *caps);

/* ---- expr.c: which device is meant ---- */

#define QNI_EXPR_BYTES 512
#define QNI_EXPR_NODES 64
#define QNI_EXPR_DEPTH 16

struct qni_expr_node {
    int kind, property, comparison;
    int left, right;         /* nodes */
    int platform, index;
    size_t start, length;    /* a word of the text */
    double number;
};

struct qni_expr {
    char text[QNI_EXPR_BYTES];
    struct qni_expr_node node[QNI_EXPR_NODES];
    int nodes, root;
    bool anything;           /* the text is empty */
    bool fastest;            /* the fastest of what fits is meant, else the best */
};

/* QN_E_ARG: the message has the column. */
qn_status qni_expr_parse(struct qni_expr *out, const char *text);
/* Does the index-th device of the list fit? named: it is the one, or one of those, that the text names. */
bool qni_expr_fits(const struct qni_expr *e, const struct qni_found *f, size_t index, bool *named);

/* ---- speed.c: what was measured of a device, kept in the store ---- */

#define QNI_SPEED_INTENSITY 16 /* f32 operations for a byte that is read or written: between a layer's and a matrix product's */

/* A key for what is kept of this device with this driver and this version of the library; what says of what kind. */
uint64_t qni_device_key(const struct qni_caps *caps, const char *what);
/* The measured figures of this device, driver and library; 0 where there are none. */
void qni_speed_get(qn_device_info *out, const qn_context *ctx, const struct qni_caps *caps);
void qni_speed_put(const qn_context *ctx, const struct qni_caps *caps, double gflops, double gbytes_per_s);
/* GFLOP/s of work with that intensity; 0 when not measured. */
double qni_speed_rate(const qn_device_info *info);

/* ---- device.c ---- */

struct qni_programs;
struct qni_pool;

struct qn_device {
    atomic_int references;
    qn_context *ctx;
    const struct qni_cl *cl;
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;   /* in order; all computing */
    cl_command_queue upload;  /* in order; inputs; the same queue under QNI_QUIRK_ONE_QUEUE */
    struct qni_caps caps;
    qn_device_info info;
    struct qni_programs *programs;                /* made by the program room on first use, under lock */
    void (*programs_destroy)(qn_device *dev);     /* set with programs; called when the device goes */
    struct qni_pool *pool;
    uint64_t launch_ns;       /* the most a launch is to take; 0: no limit; see program/pieces.c */
    uint64_t long_ns;         /* runs that take as long are waited for in between, for cancellations */
    bool profiling;           /* the compute queue measures; $QUERN_PROFILE */
    bool wrapped;             /* the application's context and queue */
    bool blas_tuned;          /* CLBlast has our parameters for this device; under lock */
    pthread_mutex_t lock;     /* programs, build log, blas_tuned */
    char *build_log;
    atomic_bool lost;
};

/* What operands may be rounded to, by its name; false: that is none. */
bool qni_matmul_read(qn_matmul *out, const char *text);
/* As qn_device_open(), with .profiling whatever $QUERN_PROFILE says. */
qn_status qni_device_open_measuring(qn_device **out, qn_context *ctx, const char *select);
qn_device *qni_device_retain(qn_device *dev);
void qni_device_release(qn_device **dev);
/* Wait for all that was enqueued on one of the device's queues. Instead of clFinish, which is not sound everywhere. */
qn_status qni_queue_finish(qn_device *dev, cl_command_queue queue);

/* ---- pool.c: storage, sub-allocated from chunks, counted ----
 *
 * A part of a chunk is handed out again the moment it is released, while earlier work may still be queued. That is
 * right because the compute queue is in order, and only because of that: the upload queue may touch nothing but
 * storage made by qni_storage_create_alone(), whose buffer OpenCL itself keeps until the work on it is done. */

struct qni_storage {
    atomic_int references;
    qn_device *dev;          /* retained */
    cl_mem mem;
    size_t offset;           /* bytes into mem, a multiple of caps.align_bytes */
    size_t bytes;
    struct qni_chunk *chunk; /* the chunk it is a part of, or NULL */
    size_t counted;          /* bytes of its own buffer in the pool's count; 0 for a part or an application's buffer */
};

/* bytes 0 gives storage that may be bound but not touched. QN_E_DEVICE_MEMORY names size, use and limit. */
qn_status qni_storage_create(struct qni_storage **out, qn_device *dev, size_t bytes);
/* A buffer of its own instead of a part of a chunk. */
qn_status qni_storage_create_alone(struct qni_storage **out, qn_device *dev, size_t bytes);
/* An application's buffer, retained. */
qn_status qni_storage_wrap(struct qni_storage **out, qn_device *dev, cl_mem mem);
struct qni_storage *qni_storage_retain(struct qni_storage *s);
void qni_storage_release(struct qni_storage **s);
qn_status qni_pool_create(struct qni_pool **out, qn_device *dev);
void qni_pool_destroy(struct qni_pool **pool, qn_device *dev);
/* "12.3 MiB"; returns text. */
const char *qni_bytes_text(uint64_t bytes, char *text, size_t size);
/* Bytes of all buffers held, now and at most; and how many buffers. Any may be NULL. */
void qni_pool_bytes(qn_device *dev, uint64_t *current, uint64_t *peak, size_t *buffers);

#endif
