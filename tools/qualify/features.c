/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What a device may have, and is used only where it is right. */
#include <math.h>
#include <stdlib.h>

#include "checks.h"
#include "device/qualify.h"

#define HALVES 65536

static float half_value(uint32_t h)
{
    const int e = (int)(h >> 10 & 31), f = (int)(h & 0x3ff);
    const double v = e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);

    return (float)(h & 0x8000 ? -v : v);
}

/* Every half that is a number, to f32 and back, and where there is arithmetic, twice itself. */
static void convert_halves(qn_device *dev, bool arithmetic)
{
    static const char source[] = "#ifdef ARITHMETIC\n#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n#endif\n"
                                 "__kernel void f(__global half *x, __global float *y)\n"
                                 "{ size_t i = get_global_id(0); float v = vload_half(i, x); y[i] = v;\n"
                                 "#ifdef ARITHMETIC\n  half h = x[i]; x[i] = h + h * (half)0.5f;\n"
                                 "#else\n  vstore_half(v * 1.5f, i, x);\n#endif\n}\n";
    uint16_t *x = malloc(HALVES * sizeof(*x));
    float *y = malloc(HALVES * sizeof(*y));
    struct check_program p = { 0 };

    for (uint32_t i = 0; x && i < HALVES; i++)
        x[i] = (uint16_t)i;
    if (!x || !y)
        check_fail("no memory");
    else if (program_create(&p, dev, source, arithmetic ? "-DARITHMETIC" : "", "f") &&
             program_buffer(&p, 0, HALVES * sizeof(*x), x) && program_buffer(&p, 1, HALVES * sizeof(*y), NULL) &&
             program_run(&p, HALVES, 0) && program_read(&p, 1, HALVES * sizeof(*y), y) &&
             program_read(&p, 0, HALVES * sizeof(*x), x))
        for (uint32_t i = 0; i < HALVES && !check_failed(); i++) {
            const float v = half_value(i), got = half_value(x[i]), want = 1.5f * v;
            const bool number = (i >> 10 & 31) != 31, tiny = fabsf(v) < 0x1p-13f; /* may be flushed */

            if (number && y[i] != v && !(tiny && y[i] == 0))
                check_fail("half 0x%04x is %g instead of %g", i, (double)y[i], (double)v);
            else if (number && !tiny && fabsf(want) < 65000 && !(fabsf(got - want) <= fabsf(want) * 0x1p-10f))
                check_fail("1.5 times %g is %g", (double)v, (double)got);
        }
    program_destroy(&p);
    free(x);
    free(y);
}

static void half_storage(qn_device *dev)
{
    convert_halves(dev, false);
}

static void half_arithmetic(qn_device *dev)
{
    if (dev->caps.fp16)
        convert_halves(dev, true);
    else
        check_skip("no cl_khr_fp16");
}

/* The sum over each sub-group, told to all of it, and the place in it. */
static void subgroups(qn_device *dev)
{
    static const char source[] =
        "#pragma OPENCL EXTENSION cl_khr_subgroups : enable\n"
        "#pragma OPENCL EXTENSION cl_intel_subgroups : enable\n"
        "__kernel void f(__global const uint *x, __global uint4 *y)\n"
        "{ size_t i = get_global_id(0); uint v = x[i];\n"
        "  y[i] = (uint4)(sub_group_reduce_add(v), sub_group_broadcast(v, 0), get_sub_group_local_id(), get_sub_group_size()); }\n";
    const size_t group = QNI_MIN(QNI_MIN(dev->caps.group_items, dev->caps.group_size[0]), 64);
    uint32_t x[256], y[4 * 256] = { 0 };
    const char *options = dev->caps.cl_major >= 3 ? "-cl-std=CL3.0" : dev->caps.cl_major == 2 ? "-cl-std=CL2.0" : "";
    struct check_program p;

    if (!dev->caps.subgroups || group < 64) {
        check_skip("none");
        return;
    }
    for (uint32_t i = 0; i < QNI_COUNT(x); i++)
        x[i] = i * 2654435761u;
    if (program_create(&p, dev, source, options, "f") && program_buffer(&p, 0, sizeof(x), x) &&
        program_buffer(&p, 1, sizeof(y), y) && program_run(&p, QNI_COUNT(x), group) && program_read(&p, 1, sizeof(y), y))
        for (uint32_t i = 0; i < QNI_COUNT(x) && !check_failed(); i++) {
            const uint32_t at = y[4 * i + 2], n = y[4 * i + 3];
            uint32_t sum = 0;

            if (!n || n > group || at >= n || at > i || i - at + n > QNI_COUNT(x)) {
                check_fail("item %u is number %u of a sub-group of %u", i, at, n);
                break;
            }
            for (uint32_t k = i - at; k < i - at + n; k++)
                sum += x[k];
            if (y[4 * i] != sum || y[4 * i + 1] != x[i - at])
                check_fail("sub-groups of %u: the sum at item %u is %u instead of %u", n, i, y[4 * i], sum);
            check_note("of %u", n);
        }
    program_destroy(&p);
}

void check_features(qn_device *dev)
{
    check_one("device: half precision in memory", false, half_storage, dev);
    check_one(QNI_CHECK_HALF, false, half_arithmetic, dev);
    check_one(QNI_CHECK_SUBGROUPS, false, subgroups, dev);
}
