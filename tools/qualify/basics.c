/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What every kernel stands on: the compiler, memory, integers, vectors, barriers and atomics. */
#include <stdio.h>
#include <stdlib.h>

#include "checks.h"

#define ITEMS 1000

/* y[0..n) is what f says. */
static bool compare(const uint32_t *y, size_t n, uint32_t (*f)(uint32_t i), const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (y[i] != f((uint32_t)i)) {
            check_fail("%s: element %zu is %u instead of %u", what, i, y[i], f((uint32_t)i));
            return false;
        }
    return true;
}

static uint32_t tripled(uint32_t i)
{
    return (i ^ 0x5a5a) * 3 + i;
}

static void compiles(qn_device *dev)
{
    static const char source[] = "__kernel void f(__global const uint *x, __global uint *y)\n"
                                 "{ size_t i = get_global_id(0); y[i] = x[i] * 3 + (uint)i; }\n";
    uint32_t x[ITEMS], y[ITEMS] = { 0 };
    struct check_program p;

    for (uint32_t i = 0; i < ITEMS; i++)
        x[i] = i ^ 0x5a5a;
    if (program_create(&p, dev, source, "", "f") && program_buffer(&p, 0, sizeof(x), x) && program_buffer(&p, 1, sizeof(y), y) &&
        program_run(&p, ITEMS, 0) && program_read(&p, 1, sizeof(y), y))
        compare(y, ITEMS, tripled, "x * 3 + i");
    program_destroy(&p);
}

/* A mistake in a source is an error with a log. */
static void refuses(qn_device *dev)
{
    const char *source = "__kernel void f(__global uint *y) { y[0] = no_such_name; }\n";
    size_t bytes = 0;
    cl_int e;
    cl_program program = dev->cl->CreateProgramWithSource(dev->context, 1, &source, NULL, &e);

    if (!program) {
        check_cl(e ? e : CL_INVALID_PROGRAM, "clCreateProgramWithSource");
        return;
    }
    if (dev->cl->BuildProgram(program, 1, &dev->id, "", NULL, NULL) == CL_SUCCESS)
        check_fail("a program with a mistake compiles");
    else if (dev->cl->GetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes) || bytes < 2)
        check_fail("a program with a mistake has no log");
    dev->cl->ReleaseProgram(program);
}

#define BYTES  70001
#define PIECE  20011
#define FILLED 4096

/* Write, copy a piece to an odd place, fill another, map and change one, read. */
static cl_int move_bytes(qn_device *dev, cl_mem a, cl_mem b, const unsigned char *data, unsigned char *got)
{
    const uint32_t pattern = 0xdeadbeef;
    cl_command_queue q = dev->queue;
    unsigned char *mapped;
    cl_int e;

    if ((e = dev->cl->EnqueueWriteBuffer(q, a, CL_FALSE, 0, BYTES, data, 0, NULL, NULL)) ||
        (e = dev->cl->EnqueueWriteBuffer(q, b, CL_FALSE, 0, BYTES, data, 0, NULL, NULL)) ||
        (e = dev->cl->EnqueueCopyBuffer(q, a, b, 77, 30003, PIECE, 0, NULL, NULL)) ||
        (e = dev->cl->EnqueueFillBuffer(q, b, &pattern, sizeof(pattern), 128, FILLED, 0, NULL, NULL)))
        return e;
    mapped = dev->cl->EnqueueMapBuffer(q, b, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 60000, 100, 0, NULL, NULL, &e);
    if (!mapped)
        return e ? e : CL_MAP_FAILURE;
    for (int i = 0; i < 100; i++)
        mapped[i] ^= 0xff;
    if ((e = dev->cl->EnqueueUnmapMemObject(q, b, mapped, 0, NULL, NULL)))
        return e;
    return dev->cl->EnqueueReadBuffer(q, b, CL_TRUE, 0, BYTES, got, 0, NULL, NULL);
}

static void moves(qn_device *dev)
{
    unsigned char *data = malloc(2 * BYTES), *got = data ? data + BYTES : NULL;
    cl_int e;
    cl_mem a = data ? dev->cl->CreateBuffer(dev->context, CL_MEM_READ_WRITE, BYTES, NULL, &e) : NULL;
    cl_mem b = a ? dev->cl->CreateBuffer(dev->context, CL_MEM_READ_WRITE, BYTES, NULL, &e) : NULL;

    for (size_t i = 0; data && i < BYTES; i++)
        data[i] = (unsigned char)(i * 7 + (i >> 8));
    if (!b)
        check_fail("clCreateBuffer: %s", data ? qni_cl_error_name(e) : "no memory");
    else if (check_cl(move_bytes(dev, a, b, data, got), "writing, copying, filling, mapping, reading"))
        for (size_t i = 0; i < BYTES && !check_failed(); i++) {
            unsigned char want = data[i];

            if (i >= 30003 && i < 30003 + PIECE)
                want = data[i - 30003 + 77];
            if (i >= 128 && i < 128 + FILLED)
                want = (unsigned char)(0xdeadbeef >> 8 * (i % 4));
            if (i >= 60000 && i < 60100)
                want ^= 0xff;
            if (got[i] != want)
                check_fail("byte %zu is %d instead of %d", i, got[i], want);
        }
    if (a)
        dev->cl->ReleaseMemObject(a);
    if (b)
        dev->cl->ReleaseMemObject(b);
    free(data);
}

static uint32_t mixed(uint32_t i)
{
    const uint32_t x = i * 2654435761u + 12345;
    const uint64_t wide = (uint64_t)x * 0xd2511f53u;
    const int32_t s = (int32_t)(x >> 1) - 0x20000000;

    return (uint32_t)(wide >> 32) ^ (uint32_t)wide ^ (x / 77 + x % 77) ^ (uint32_t)(s / 1000) ^ (x << (i & 31)) ^
           (uint32_t)((wide * 0x9e3779b97f4a7c15u) >> 40);
}

static void integers(qn_device *dev)
{
    static const char source[] =
        "__kernel void f(__global uint *y)\n"
        "{ uint i = (uint)get_global_id(0), x = i * 2654435761u + 12345u;\n"
        "  ulong wide = (ulong)x * 0xd2511f53u; int s = (int)(x >> 1) - 0x20000000;\n"
        "  y[i] = mul_hi(x, 0xd2511f53u) ^ (x * 0xd2511f53u) ^ (x / 77u + x % 77u) ^ (uint)(s / 1000) ^ (x << (i & 31u)) ^\n"
        "         (uint)((wide * 0x9e3779b97f4a7c15ul) >> 40); }\n";
    uint32_t y[ITEMS] = { 0 };
    struct check_program p;

    if (program_create(&p, dev, source, "", "f") && program_buffer(&p, 0, sizeof(y), y) && program_run(&p, ITEMS, 0) &&
        program_read(&p, 0, sizeof(y), y))
        compare(y, ITEMS, mixed, "32 and 64 bits");
    program_destroy(&p);
}

/* Loads of vectors need the alignment of their elements alone. */
static void vectors(qn_device *dev)
{
    static const char source[] =
        "__kernel void f(__global const float *x, __global float *y)\n"
        "{ size_t i = get_global_id(0); __global const float *a = x + 1 + 17 * i; __global float *b = y + 3 + 17 * i;\n"
        "  float16 v = vload16(0, a); float8 w = vload8(0, a + 1); float4 u = vload4(0, a + 3);\n"
        "  v.lo += w; v.s89ab = select(v.s89ab, u, u > 0.0f); v = fmax(v, -1.0f) * 2.0f; v.s0 = v.sf; vstore16(v, 0, b);\n"
        "  b[16] = dot(u, u.wzyx); }\n";
    float x[17 * 16 + 1], y[17 * 16 + 3] = { 0 };
    struct check_program p;

    for (size_t i = 0; i < QNI_COUNT(x); i++)
        x[i] = (float)((int)(i * 37 % 19) - 9) * 0.25f;
    if (program_create(&p, dev, source, "", "f") && program_buffer(&p, 0, sizeof(x), x) && program_buffer(&p, 1, sizeof(y), y) &&
        program_run(&p, 16, 0) && program_read(&p, 1, sizeof(y), y))
        for (size_t i = 0; i < 16; i++) {
            const float *a = x + 1 + 17 * i, *b = y + 3 + 17 * i;
            float v[17];

            for (int k = 0; k < 16; k++) {
                v[k] = k < 8 ? a[k] + a[k + 1] : k < 12 && a[k - 5] > 0 ? a[k - 5] : a[k];
                v[k] = (v[k] > -1 ? v[k] : -1) * 2;
            }
            v[0] = v[15];
            v[16] = 2 * (a[3] * a[6] + a[4] * a[5]);
            for (int k = 0; k < 17; k++)
                if (b[k] != v[k])
                    check_fail("lane %d of item %zu is %g instead of %g", k, i, (double)b[k], (double)v[k]);
        }
    program_destroy(&p);
}

/* Each group turns its part around through local memory, and sums it as a tree. */
static void barriers(qn_device *dev)
{
    static const char source[] =
        "__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void f(__global const uint *x, __global uint *y)\n"
        "{ __local uint a[GROUP], b[GROUP]; uint l = (uint)get_local_id(0); size_t at = get_global_id(0) - l;\n"
        "  a[l] = b[l] = x[at + l]; barrier(CLK_LOCAL_MEM_FENCE);\n"
        "  for (uint n = GROUP / 2; n; n /= 2) { if (l < n) b[l] += b[l + n]; barrier(CLK_LOCAL_MEM_FENCE); }\n"
        "  y[at + l] = a[GROUP - 1 - l] * 7u + b[0]; }\n";
    uint32_t x[1024], y[1024];
    size_t most = QNI_MIN(QNI_MIN(dev->caps.group_items, dev->caps.group_size[0]), 256), groups[2] = { 1, 1 }, n = 0;

    for (size_t g = 2; g <= most; g *= 2)
        groups[1] = g;
    groups[0] = QNI_MIN(groups[1], 8);
    for (uint32_t i = 0; i < QNI_COUNT(x); i++)
        x[i] = i * 2654435761u;
    for (; n < 2 && !check_failed(); n++) {
        const size_t g = groups[n];
        struct check_program p;
        char options[32];

        memset(y, 0, sizeof(y));
        snprintf(options, sizeof(options), "-DGROUP=%zu", g);
        if (program_create(&p, dev, source, options, "f") && program_buffer(&p, 0, sizeof(x), x) &&
            program_buffer(&p, 1, sizeof(y), y) && program_run(&p, QNI_COUNT(x), g) && program_read(&p, 1, sizeof(y), y))
            for (size_t at = 0; at < QNI_COUNT(x); at += g) {
                uint32_t sum = 0;

                for (size_t l = 0; l < g; l++)
                    sum += x[at + l];
                for (size_t l = 0; l < g; l++)
                    if (y[at + l] != x[at + g - 1 - l] * 7 + sum)
                        check_fail("groups of %zu: element %zu is %u instead of %u", g, at + l, y[at + l],
                                   x[at + g - 1 - l] * 7 + sum);
            }
        program_destroy(&p);
    }
}

static void atomics(qn_device *dev)
{
    static const char source[] =
        "__kernel void f(__global uint *y)\n"
        "{ __local uint l[1]; uint i = (uint)get_global_id(0);\n"
        "  if (get_local_id(0) == 0) l[0] = 0; barrier(CLK_LOCAL_MEM_FENCE); atomic_inc(l); barrier(CLK_LOCAL_MEM_FENCE);\n"
        "  if (get_local_id(0) == 0) atomic_add(y, l[0]); atomic_max(y + 1, i * 3u); atomic_or(y + 2, 1u << (i & 31u));\n"
        "  uint old = y[3], was; do { was = old; old = atomic_cmpxchg(y + 3, was, was + 2u); } while (old != was);\n"
        "  atomic_min(y + 4, i + 5u); }\n";
    static const uint32_t start[5] = { 0, 0, 0, 0, ~0u }, want[5] = { 1024, 1023 * 3, ~0u, 2048, 5 };
    const size_t group = QNI_MIN(QNI_MIN(dev->caps.group_items, dev->caps.group_size[0]), 16);
    uint32_t y[5] = { 0 };
    struct check_program p;

    if (program_create(&p, dev, source, "", "f") && program_buffer(&p, 0, sizeof(start), start) &&
        program_run(&p, 1024, group == 16 ? 16 : 1) && program_read(&p, 0, sizeof(y), y))
        for (int i = 0; i < 5; i++)
            if (y[i] != want[i])
                check_fail("counter %d is %u instead of %u", i, y[i], want[i]);
    program_destroy(&p);
}

void check_basics(qn_device *dev)
{
    const bool groups = dev->caps.shape == QNI_GPU_SHAPED;

    check_one("device: compiles and runs a kernel", true, compiles, dev);
    check_one("device: refuses a wrong program", false, refuses, dev);
    check_one("device: memory", true, moves, dev);
    check_one("device: integers", true, integers, dev);
    check_one("device: vectors", true, vectors, dev);
    check_one("device: barriers and local memory", groups, barriers, dev);
    check_one("device: atomics", false, atomics, dev);
}
