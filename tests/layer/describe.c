/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * An OpenCL layer whose devices compile and run nothing, so that a program is soon through with asking for its kernels.
 * With $LAYER_GPU they say that they are a GPU which is not here: "ITEMS:LOCAL:UNITS", the most work-items of a group,
 * bytes of local memory, compute units; with "ITEMS:LOCAL:UNITS:SIMD" one of Intel's, whose threads are as many work-items wide
 * or twice as many. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl_layer.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

static cl_icd_dispatch next, mine;
static struct {
    size_t items;
    cl_ulong local;
    cl_uint units;
    size_t simd; /* or 0 */
} gpu;

static int a_kernel; /* all of them: nothing looks into one */

static cl_int CL_API_CALL platform_info(cl_platform_id p, cl_platform_info what, size_t bytes, void *to, size_t *needed)
{
    static const char name[] = "described"; /* no quirk is this one's */

    return gpu.items && what == CL_PLATFORM_NAME ? answer(name, sizeof(name), bytes, to, needed)
                                    : next.clGetPlatformInfo(p, what, bytes, to, needed);
}

static cl_int CL_API_CALL device_info(cl_device_id dev, cl_device_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_device_type type = CL_DEVICE_TYPE_GPU;
    const cl_device_local_mem_type local = CL_LOCAL;
    const size_t sizes[3] = { gpu.items, gpu.items, gpu.items };
    const cl_uint width = 1;
    const cl_bool unified = CL_FALSE;
    const char vendor[] = "Intel(R) Corporation";
    const char extensions[] = "cl_khr_fp16 cl_intel_subgroups cl_intel_required_subgroup_size";
    const size_t widths[] = { gpu.simd, 2 * gpu.simd };
    const struct {
        cl_device_info what;
        const void *from;
        size_t size;
        bool intel; /* asked of no other */
    } answers[] = {
        { CL_DEVICE_TYPE, &type, sizeof(type) },
        { CL_DEVICE_LOCAL_MEM_TYPE, &local, sizeof(local) },
        { CL_DEVICE_LOCAL_MEM_SIZE, &gpu.local, sizeof(gpu.local) },
        { CL_DEVICE_MAX_WORK_GROUP_SIZE, &gpu.items, sizeof(gpu.items) },
        { CL_DEVICE_MAX_WORK_ITEM_SIZES, sizes, sizeof(sizes) },
        { CL_DEVICE_MAX_COMPUTE_UNITS, &gpu.units, sizeof(gpu.units) },
        { CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &width, sizeof(width) },
        { CL_DEVICE_HOST_UNIFIED_MEMORY, &unified, sizeof(unified) },
        { CL_DEVICE_VENDOR, vendor, sizeof(vendor), true },
        { CL_DEVICE_EXTENSIONS, extensions, sizeof(extensions), true },
        { CL_DEVICE_SUB_GROUP_SIZES_INTEL, widths, sizeof(widths), true },
    };

    for (size_t i = 0; gpu.items && i < sizeof(answers) / sizeof(answers[0]); i++)
        if (answers[i].what == what && (gpu.simd || !answers[i].intel))
            return answer(answers[i].from, answers[i].size, bytes, to, needed);
    return next.clGetDeviceInfo(dev, what, bytes, to, needed);
}

/* The driver's platforms take only the types that their devices have. */
static cl_int CL_API_CALL device_ids(cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *to, cl_uint *found)
{
    return next.clGetDeviceIDs(p, gpu.items ? CL_DEVICE_TYPE_ALL : type, n, to, found);
}

static cl_int CL_API_CALL build_program(cl_program p, cl_uint n, const cl_device_id *dev, const char *options,
                                        void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    (void)n, (void)dev, (void)options;
    if (notify)
        notify(p, user);
    return CL_SUCCESS;
}

/* What was not built has no binary. */
static cl_int CL_API_CALL program_info(cl_program p, cl_program_info what, size_t bytes, void *to, size_t *needed)
{
    return what == CL_PROGRAM_BINARY_SIZES || what == CL_PROGRAM_BINARIES
               ? CL_INVALID_PROGRAM
               : next.clGetProgramInfo(p, what, bytes, to, needed);
}

static cl_kernel CL_API_CALL create_kernel(cl_program p, const char *name, cl_int *error)
{
    (void)p, (void)name;
    if (error)
        *error = CL_SUCCESS;
    return (cl_kernel)(void *)&a_kernel;
}

static cl_int CL_API_CALL release_kernel(cl_kernel k)
{
    (void)k;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL set_arg(cl_kernel k, cl_uint index, size_t bytes, const void *value)
{
    (void)k, (void)index, (void)bytes, (void)value;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL nd_range(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset,
                                   const size_t *global, const size_t *local, cl_uint waits, const cl_event *wait,
                                   cl_event *event)
{
    (void)k, (void)dims, (void)offset, (void)global, (void)local;
    return waits || event ? next.clEnqueueMarkerWithWaitList(q, waits, wait, event) : CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    const char name[] = "quern described GPU";

    if (what == CL_LAYER_API_VERSION)
        return answer(&version, sizeof(version), bytes, to, needed);
    return what == CL_LAYER_NAME ? answer(name, sizeof(name), bytes, to, needed) : CL_INVALID_VALUE;
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint n, const cl_icd_dispatch *target, cl_uint *n_out,
                                            const cl_icd_dispatch **out)
{
    const cl_uint known = sizeof(next) / sizeof(void *);
    const char *text = getenv("LAYER_GPU");
    unsigned long long items, local, units, simd = 0;

    if (n < offsetof(cl_icd_dispatch, clEnqueueBarrierWithWaitList) / sizeof(void *) + 1)
        return CL_INVALID_VALUE; /* older than OpenCL 1.2 */
    if (text && sscanf(text, "%llu:%llu:%llu:%llu", &items, &local, &units, &simd) >= 3) {
        gpu.items = (size_t)items;
        gpu.local = local;
        gpu.units = (cl_uint)units;
        gpu.simd = (size_t)simd;
    }
    memcpy(&next, target, (n < known ? n : known) * sizeof(void *));
    mine = next;
    mine.clGetPlatformInfo = platform_info;
    mine.clGetDeviceIDs = device_ids;
    mine.clGetDeviceInfo = device_info;
    mine.clBuildProgram = build_program;
    mine.clGetProgramInfo = program_info;
    mine.clCreateKernel = create_kernel;
    mine.clReleaseKernel = release_kernel;
    mine.clSetKernelArg = set_arg;
    mine.clEnqueueNDRangeKernel = nd_range;
    *n_out = known;
    *out = &mine;
    return CL_SUCCESS;
}
