/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * An OpenCL layer that counts calls and can make them fail, or worse. The ICD loader puts it between the library under test and
 * the driver when $OPENCL_LAYERS names it; layer_open() does that for the own process. */
#ifndef LAYER_H
#define LAYER_H

#include <stdbool.h>
#include <stdint.h>

enum layer_call {
    LAYER_CREATE_CONTEXT,
    LAYER_CREATE_QUEUE,
    LAYER_CREATE_BUFFER,
    LAYER_RELEASE_BUFFER,
    LAYER_CREATE_PROGRAM, /* from source or binary */
    LAYER_BUILD_PROGRAM,
    LAYER_CREATE_KERNEL,
    LAYER_RELEASE_KERNEL,
    LAYER_SET_KERNEL_ARG,
    LAYER_ND_RANGE,
    LAYER_READ,
    LAYER_WRITE,
    LAYER_COPY,
    LAYER_FILL,
    LAYER_MAP,
    LAYER_UNMAP,
    LAYER_MARKER, /* and barriers */
    LAYER_WAIT,   /* clWaitForEvents */
    LAYER_EVENT_INFO,
    LAYER_PROFILING_INFO,
    LAYER_EVENT_CALLBACK,
    LAYER_USER_EVENT,
    LAYER_FLUSH,
    LAYER_FINISH,
    LAYER_PLATFORM_INFO, /* and which platforms and devices there are */
    LAYER_DEVICE_INFO,
    LAYER_PROGRAM_INFO,  /* and of builds and kernels */
    LAYER_ANY,           /* all of these, numbered together */
    LAYER_BLOCKING, /* reads, writes and maps that wait; also counted as what they are */
    LAYER_CALLS
};

/* Functions of the layer. All may be called from any thread. */
struct layer {
    bool (*loaded)(void);                      /* has the OpenCL loader taken it? */
    const char *(*name)(enum layer_call call); /* "clCreateBuffer" */
    void (*reset)(void);                       /* counts to 0, no failures, nothing lost, slow, spoiled or harmed */
    /* Calls since then: the library's own, and those that CLBlast made. */
    int64_t (*count)(enum layer_call call);
    int64_t (*count_blas)(enum layer_call call);
    /* Let `after` calls pass, then have `times` of them return error (0: all from then on). */
    void (*fail)(enum layer_call call, int64_t after, int64_t times, int error);
    /* Let `after` calls of any kind pass; then the device is lost: every call fails, and only what it gives back is gone. */
    void (*lose)(int64_t after);
    void (*delay)(int most_us);  /* before each call, at random */
    void (*spoil)(void);         /* from now on programs' binaries are garbage */
    /* Do what is worse than an error: "DEED:CALL:AFTER:TEXT", several with semicolons, or NULL for no harm. AFTER such calls
     * pass; then the next ones crash (SIGSEGV), hang, or are refuse(d), and launches flip bits of what the kernel wrote, or
     * skip its last work-group. TEXT: only builds of programs whose source has it, or launches of kernels whose part of their
     * program has it; "": all. What was made before is not known. */
    void (*harm)(const char *text);
    int64_t (*bytes)(void);      /* of buffers that exist now; the driver may let go of one a little after its release */
    int64_t (*peak_bytes)(void); /* the most since reset */
};

/* Put the layer before the driver of this process: call it before anything opens OpenCL. NULL and a reason for
 * test_skip() where the loader knows no layers. */
const struct layer *layer_open(const char **reason);

#endif
