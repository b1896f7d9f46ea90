/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A device that keeps bytes and computes nothing, for what is read onto one. Every copy is checked against its buffer. */
#include "device/device.h"

#include <stdlib.h>

#include "fuzz.h"

struct _cl_mem {
    size_t bytes;
    unsigned char data[];
};

static cl_mem create_buffer(cl_context c, cl_mem_flags flags, size_t bytes, void *host, cl_int *error)
{
    cl_mem m = calloc(1, sizeof(*m) + bytes);

    (void)c;
    (void)flags;
    (void)host;
    fuzz_check(m != NULL, "no memory for a buffer");
    m->bytes = bytes;
    *error = CL_SUCCESS;
    return m;
}

static cl_int release_buffer(cl_mem m)
{
    free(m);
    return CL_SUCCESS;
}

static unsigned char *part(cl_mem m, size_t at, size_t bytes)
{
    fuzz_check(bytes && at <= m->bytes && bytes <= m->bytes - at, "a copy beyond its buffer");
    return m->data + at;
}

static cl_int read_buffer(cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t bytes, void *to, cl_uint waits,
                          const cl_event *wait, cl_event *event)
{
    (void)q;
    (void)block;
    (void)wait;
    fuzz_check(!waits && !event, "events");
    memcpy(to, part(m, at, bytes), bytes);
    return CL_SUCCESS;
}

static cl_int write_buffer(cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t bytes, const void *from,
                           cl_uint waits, const cl_event *wait, cl_event *event)
{
    (void)q;
    (void)block;
    (void)wait;
    fuzz_check(!waits && !event, "events");
    memcpy(part(m, at, bytes), from, bytes);
    return CL_SUCCESS;
}

static cl_int fill_buffer(cl_command_queue q, cl_mem m, const void *pattern, size_t size, size_t at, size_t bytes,
                          cl_uint waits, const cl_event *wait, cl_event *event)
{
    unsigned char *to = part(m, at, bytes);

    (void)q;
    (void)wait;
    fuzz_check(!waits && !event && bytes % size == 0, "a fill of no whole pattern");
    for (size_t i = 0; i < bytes; i += size)
        memcpy(to + i, pattern, size);
    return CL_SUCCESS;
}

/* It takes half of all binaries, and touches every byte of them. */
static cl_program take_binary(cl_context c, cl_uint n, const cl_device_id *id, const size_t *bytes,
                              const unsigned char **binary, cl_int *state, cl_int *error)
{
    static struct { int unused; } taken;
    unsigned sum = 0;

    (void)c;
    (void)id;
    fuzz_check(n == 1, "several binaries");
    for (size_t i = 0; i < *bytes; i++)
        sum += binary[0][i];
    *state = CL_SUCCESS;
    *error = sum & 1 ? CL_INVALID_BINARY : CL_SUCCESS;
    return sum & 1 ? NULL : (cl_program)(void *)&taken;
}

static cl_int build(cl_program p, cl_uint n, const cl_device_id *id, const char *options,
                    void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    (void)p;
    (void)n;
    (void)id;
    (void)options;
    (void)notify;
    (void)user;
    return CL_SUCCESS;
}

static cl_int release_program(cl_program p)
{
    (void)p;
    return CL_SUCCESS;
}

static cl_int finish(cl_command_queue q)
{
    (void)q;
    return CL_SUCCESS;
}

qn_device *fuzz_device(qn_context *ctx)
{
    static const struct qni_cl cl = {
        .CreateBuffer = create_buffer, .ReleaseMemObject = release_buffer, .EnqueueReadBuffer = read_buffer,
        .EnqueueWriteBuffer = write_buffer, .EnqueueFillBuffer = fill_buffer, .CreateProgramWithBinary = take_binary,
        .BuildProgram = build, .ReleaseProgram = release_program, .Finish = finish,
    };
    qn_device *dev = calloc(1, sizeof(*dev));

    fuzz_check(dev != NULL, "no memory for a device");
    atomic_init(&dev->references, 1);
    dev->ctx = ctx;
    dev->cl = &cl;
    dev->caps = (struct qni_caps){ .global_bytes = 40 << 20, .alloc_bytes = 16 << 20, .align_bytes = 128, .units = 1,
                                   .group_items = 1, .vector = 4, .registers = 16, .binaries = true, .name = "none" };
    fuzz_check(pthread_mutex_init(&dev->lock, NULL) == 0 && qni_pool_create(&dev->pool, dev) == QN_OK, "no device");
    return dev;
}
