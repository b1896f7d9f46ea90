/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Program binaries, memory that runs out, and speed. */
#include <stdlib.h>

#include "checks.h"
#include "device/qualify.h"

#define MOST_BUFFERS 64

static const char source[] = "__kernel void f(__global uint *y) { size_t i = get_global_id(0); y[i] = (uint)i * 5u + 3u; }\n";

static void run_five(struct check_program *p, const char *what)
{
    uint32_t y[256] = { 0 };

    if (program_buffer(p, 0, sizeof(y), y) && program_run(p, QNI_COUNT(y), 0) && program_read(p, 0, sizeof(y), y))
        for (uint32_t i = 0; i < QNI_COUNT(y) && !check_failed(); i++)
            if (y[i] != i * 5 + 3)
                check_fail("%s: element %u is %u instead of %u", what, i, y[i], i * 5 + 3);
}

/* A program's binary makes the same program. */
static void reload(struct check_program *p, qn_device *dev, const unsigned char *binary, size_t bytes)
{
    cl_int state = CL_SUCCESS, e;

    memset(p, 0, sizeof(*p));
    p->dev = dev;
    p->program = dev->cl->CreateProgramWithBinary(dev->context, 1, &dev->id, &bytes, &binary, &state, &e);
    if (!p->program) {
        check_cl(e ? e : CL_INVALID_BINARY, "clCreateProgramWithBinary");
        return;
    }
    if (!check_cl(state, "the binary") ||
        !check_cl(dev->cl->BuildProgram(p->program, 1, &dev->id, "", NULL, NULL), "clBuildProgram"))
        return;
    p->kernel = dev->cl->CreateKernel(p->program, "f", &e);
    if (!p->kernel)
        check_cl(e ? e : CL_INVALID_KERNEL, "clCreateKernel");
    else
        run_five(p, "a program of a binary");
}

static void binaries(qn_device *dev)
{
    struct check_program p, again = { 0 };
    unsigned char *binary = NULL;
    size_t bytes = 0;

    if (dev->caps.quirks & QNI_QUIRK_NO_BINARIES) {
        check_skip("this driver's are known not to be safe");
        return;
    }
    if (!program_create(&p, dev, source, "", "f"))
        goto done;
    run_five(&p, "a program of a source");
    if (check_failed() ||
        !check_cl(dev->cl->GetProgramInfo(p.program, CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes, NULL), "the binary's size"))
        goto done;
    if (!bytes || !(binary = calloc(1, bytes))) {
        check_fail("a binary of %zu bytes", bytes);
        goto done;
    }
    if (check_cl(dev->cl->GetProgramInfo(p.program, CL_PROGRAM_BINARIES, sizeof(binary), &binary, NULL), "the binary"))
        reload(&again, dev, binary, bytes);
    check_note("%zu bytes", bytes);
done:
    free(binary);
    program_destroy(&again);
    program_destroy(&p);
}

/* A buffer beyond all limits is refused; where memory is the device's own it is also used up; then it still computes. */
static void runs_out(qn_device *dev)
{
    cl_mem buffer[MOST_BUFFERS] = { NULL };
    struct check_program p;
    const uint64_t beyond = QNI_MAX(dev->caps.global_bytes, dev->caps.alloc_bytes);
    const bool own = dev->caps.type != CL_DEVICE_TYPE_CPU && !dev->caps.unified;
    uint64_t total = 0;
    cl_int e = CL_SUCCESS;
    int n = 0;

    if (beyond < SIZE_MAX / 4) {
        buffer[0] = dev->cl->CreateBuffer(dev->context, CL_MEM_READ_WRITE, (size_t)(2 * beyond), NULL, &e);
        if (buffer[0])
            check_fail("a buffer of %llu bytes is made where the device has %llu", (unsigned long long)(2 * beyond),
                       (unsigned long long)dev->caps.global_bytes);
        n = buffer[0] != NULL;
    }
    for (; own && n < MOST_BUFFERS && total < dev->caps.global_bytes + dev->caps.global_bytes / 4 && !check_failed(); n++) {
        buffer[n] = dev->cl->CreateBuffer(dev->context, CL_MEM_READ_WRITE, (size_t)dev->caps.alloc_bytes, NULL, &e);
        if (!buffer[n])
            break;
        total += dev->caps.alloc_bytes;
    }
    for (int i = 0; i < n; i++)
        if (buffer[i])
            dev->cl->ReleaseMemObject(buffer[i]);
    if (!check_failed() && program_create(&p, dev, source, "", "f"))
        run_five(&p, "after memory ran out");
    program_destroy(&p);
}

static void speed(qn_device *dev)
{
    double gflops = 0, gbytes = 0;

    if (dev->caps.quirks & QNI_QUIRK_ASK)
        check_skip("a tool");
    else if (qn_device_measure(&gflops, &gbytes, dev))
        check_fail("%s", qn_last_error());
    else
        check_note("%.4g GFLOP/s, %.3g GB/s", gflops, gbytes);
    check_speed(gflops, gbytes);
}

void check_resources(qn_device *dev)
{
    check_one(QNI_CHECK_BINARIES, false, binaries, dev);
    check_one("device: memory that runs out", false, runs_out, dev);
    check_one("device: speed", false, speed, dev);
}
