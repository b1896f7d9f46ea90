/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The OpenCL library, opened at run time, and its errors in words. */
#include <dlfcn.h>
#include <stdio.h>

#include "device/device.h"
#include "os/os.h"

static const struct {
    const char *name;
    size_t offset;
} entries[] = {
#define ENTRY(f) { "cl" #f, offsetof(struct qni_cl, f) }
    ENTRY(GetPlatformIDs),
    ENTRY(GetPlatformInfo),
    ENTRY(GetDeviceIDs),
    ENTRY(GetDeviceInfo),
    ENTRY(CreateContext),
    ENTRY(RetainContext),
    ENTRY(ReleaseContext),
    ENTRY(GetContextInfo),
    ENTRY(CreateCommandQueue),
    ENTRY(RetainCommandQueue),
    ENTRY(ReleaseCommandQueue),
    ENTRY(GetCommandQueueInfo),
    ENTRY(CreateBuffer),
    ENTRY(CreateSubBuffer),
    ENTRY(RetainMemObject),
    ENTRY(ReleaseMemObject),
    ENTRY(GetMemObjectInfo),
    ENTRY(CreateProgramWithSource),
    ENTRY(CreateProgramWithBinary),
    ENTRY(BuildProgram),
    ENTRY(GetProgramInfo),
    ENTRY(GetProgramBuildInfo),
    ENTRY(RetainProgram),
    ENTRY(ReleaseProgram),
    ENTRY(CreateKernel),
    ENTRY(ReleaseKernel),
    ENTRY(SetKernelArg),
    ENTRY(GetKernelInfo),
    ENTRY(GetKernelWorkGroupInfo),
    ENTRY(EnqueueNDRangeKernel),
    ENTRY(EnqueueReadBuffer),
    ENTRY(EnqueueWriteBuffer),
    ENTRY(EnqueueCopyBuffer),
    ENTRY(EnqueueFillBuffer),
    ENTRY(EnqueueMapBuffer),
    ENTRY(EnqueueUnmapMemObject),
    ENTRY(EnqueueMarkerWithWaitList),
    ENTRY(EnqueueBarrierWithWaitList),
    ENTRY(WaitForEvents),
    ENTRY(GetEventInfo),
    ENTRY(GetEventProfilingInfo),
    ENTRY(SetEventCallback),
    ENTRY(RetainEvent),
    ENTRY(ReleaseEvent),
    ENTRY(Flush),
    ENTRY(Finish),
#undef ENTRY
};

static const char *const libraries[] = { QNI_OPENCL };

#define INSTALL                                                                                                        \
    "install an OpenCL loader and a driver, on Debian and Ubuntu ocl-icd-libopencl1 with pocl-opencl-icd (any CPU), "  \
    "intel-opencl-icd, mesa-opencl-icd or your vendor's driver"

/* Open the library named by $QUERN_OPENCL_LIBRARY, else the usual ones. What is opened stays mapped after the last
 * dlclose: drivers keep threads and exit handlers that would otherwise run into a hole. */
static void *open_library(const qn_context *ctx, char *why, size_t bytes)
{
    const char *name = qni_env(ctx, "QUERN_OPENCL_LIBRARY");
    const char *const *names = name ? &name : libraries;
    size_t n = name ? 1 : QNI_COUNT(libraries);

    why[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        const char *text = library ? NULL : dlerror();

        if (library)
            return library;
        if (i == 0)
            snprintf(why, bytes, "%s", text ? text : names[i]);
    }
    return NULL;
}

static qn_status load(struct qni_cl **out, const qn_context *ctx)
{
    qn_status st;
    struct qni_cl *cl = NULL;
    char why[256];

    if ((st = qni_calloc(ctx, &cl, 1, sizeof(*cl))))
        goto done;
    cl->library = open_library(ctx, why, sizeof(why));
    if (!cl->library) {
        st = qni_error(QN_E_NO_DEVICE, "no OpenCL library (%s): " INSTALL, why);
        goto done;
    }
    for (size_t i = 0; i < QNI_COUNT(entries); i++) {
        void *symbol = dlsym(cl->library, entries[i].name);

        if (!symbol) {
            st = qni_error(QN_E_NO_DEVICE, "the OpenCL library lacks %s, which OpenCL 1.2 has: " INSTALL,
                           entries[i].name);
            goto done;
        }
        /* POSIX promises that a function pointer fits in what dlsym gives; C only lets us copy its bytes. */
        memcpy((char *)cl + entries[i].offset, &symbol, sizeof(symbol));
    }
    *out = cl;
    cl = NULL;
done:
    qni_cl_unload(cl, ctx);
    return st;
}

qn_status qni_cl_get(const struct qni_cl **out, qn_context *ctx)
{
    qn_status st = QN_OK;

    pthread_mutex_lock(&ctx->lock);
    if (!ctx->cl && (st = load(&ctx->cl, ctx)) == QN_OK)
        ctx->cl_unload = qni_cl_unload;
    *out = ctx->cl;
    pthread_mutex_unlock(&ctx->lock);
    return st;
}

void qni_cl_unload(struct qni_cl *cl, const qn_context *ctx)
{
    if (!cl)
        return;
    if (cl->library)
        dlclose(cl->library);
    qni_free(ctx, &cl);
}

/* Every error of OpenCL 1.2 and of the extensions in use, with what its caller can do about it. */
static const struct {
    cl_int error;
    qn_status status;
    const char *name;
} errors[] = {
#define ERROR(e, s) { CL_##e, QN_E_##s, "CL_" #e }
    ERROR(DEVICE_NOT_FOUND, NO_DEVICE),
    ERROR(DEVICE_NOT_AVAILABLE, DEVICE_LOST),
    ERROR(COMPILER_NOT_AVAILABLE, UNSUPPORTED),
    ERROR(MEM_OBJECT_ALLOCATION_FAILURE, DEVICE_MEMORY),
    ERROR(OUT_OF_RESOURCES, DEVICE_MEMORY),
    ERROR(OUT_OF_HOST_MEMORY, HOST_MEMORY),
    ERROR(PROFILING_INFO_NOT_AVAILABLE, UNSUPPORTED),
    ERROR(MEM_COPY_OVERLAP, DEVICE),
    ERROR(IMAGE_FORMAT_MISMATCH, DEVICE),
    ERROR(IMAGE_FORMAT_NOT_SUPPORTED, DEVICE),
    ERROR(BUILD_PROGRAM_FAILURE, BUILD),
    ERROR(MAP_FAILURE, DEVICE),
    ERROR(MISALIGNED_SUB_BUFFER_OFFSET, DEVICE),
    ERROR(EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, DEVICE),
    ERROR(COMPILE_PROGRAM_FAILURE, BUILD),
    ERROR(LINKER_NOT_AVAILABLE, UNSUPPORTED),
    ERROR(LINK_PROGRAM_FAILURE, BUILD),
    ERROR(DEVICE_PARTITION_FAILED, DEVICE),
    ERROR(KERNEL_ARG_INFO_NOT_AVAILABLE, DEVICE),
    ERROR(INVALID_VALUE, DEVICE),
    ERROR(INVALID_DEVICE_TYPE, DEVICE),
    ERROR(INVALID_PLATFORM, DEVICE),
    ERROR(INVALID_DEVICE, DEVICE),
    ERROR(INVALID_CONTEXT, DEVICE),
    ERROR(INVALID_QUEUE_PROPERTIES, DEVICE),
    ERROR(INVALID_COMMAND_QUEUE, DEVICE),
    ERROR(INVALID_HOST_PTR, DEVICE),
    ERROR(INVALID_MEM_OBJECT, DEVICE),
    ERROR(INVALID_IMAGE_FORMAT_DESCRIPTOR, DEVICE),
    ERROR(INVALID_IMAGE_SIZE, DEVICE),
    ERROR(INVALID_SAMPLER, DEVICE),
    ERROR(INVALID_BINARY, DEVICE),
    ERROR(INVALID_BUILD_OPTIONS, BUILD),
    ERROR(INVALID_PROGRAM, DEVICE),
    ERROR(INVALID_PROGRAM_EXECUTABLE, DEVICE),
    ERROR(INVALID_KERNEL_NAME, DEVICE),
    ERROR(INVALID_KERNEL_DEFINITION, DEVICE),
    ERROR(INVALID_KERNEL, DEVICE),
    ERROR(INVALID_ARG_INDEX, DEVICE),
    ERROR(INVALID_ARG_VALUE, DEVICE),
    ERROR(INVALID_ARG_SIZE, DEVICE),
    ERROR(INVALID_KERNEL_ARGS, DEVICE),
    ERROR(INVALID_WORK_DIMENSION, DEVICE),
    ERROR(INVALID_WORK_GROUP_SIZE, DEVICE),
    ERROR(INVALID_WORK_ITEM_SIZE, DEVICE),
    ERROR(INVALID_GLOBAL_OFFSET, DEVICE),
    ERROR(INVALID_EVENT_WAIT_LIST, DEVICE),
    ERROR(INVALID_EVENT, DEVICE),
    ERROR(INVALID_OPERATION, DEVICE),
    ERROR(INVALID_GL_OBJECT, DEVICE),
    ERROR(INVALID_BUFFER_SIZE, DEVICE_MEMORY),
    ERROR(INVALID_MIP_LEVEL, DEVICE),
    ERROR(INVALID_GLOBAL_WORK_SIZE, DEVICE),
    ERROR(INVALID_PROPERTY, DEVICE),
    ERROR(INVALID_IMAGE_DESCRIPTOR, DEVICE),
    ERROR(INVALID_COMPILER_OPTIONS, BUILD),
    ERROR(INVALID_LINKER_OPTIONS, BUILD),
    ERROR(INVALID_DEVICE_PARTITION_COUNT, DEVICE),
    ERROR(INVALID_PIPE_SIZE, DEVICE),
    ERROR(INVALID_DEVICE_QUEUE, DEVICE),
    ERROR(INVALID_SPEC_ID, DEVICE),
    ERROR(MAX_SIZE_RESTRICTION_EXCEEDED, DEVICE),
    ERROR(PLATFORM_NOT_FOUND_KHR, NO_DEVICE),
#undef ERROR
    { -9999, QN_E_DEVICE_LOST, "NVIDIA's illegal access (-9999)" },
};

const char *qni_cl_error_name(cl_int error)
{
    if (error == CL_SUCCESS)
        return "CL_SUCCESS";
    for (size_t i = 0; i < QNI_COUNT(errors); i++)
        if (errors[i].error == error)
            return errors[i].name;
    return "an unknown OpenCL error";
}

static qn_status error_status(cl_int error)
{
    for (size_t i = 0; i < QNI_COUNT(errors); i++)
        if (errors[i].error == error)
            return errors[i].status;
    return QN_E_DEVICE;
}

static qn_status set_error(cl_int error, const char *format, va_list args)
{
    char what[512];
    const char *name = qni_cl_error_name(error);

    vsnprintf(what, sizeof(what), format, args);
    if (error_status(error) == QN_E_DEVICE && !strncmp(name, "an ", 3))
        return qni_error(QN_E_DEVICE, "%s: OpenCL error %d", what, error);
    return qni_error(error_status(error), "%s: %s", what, name);
}

qn_status qni_cl_error(cl_int error, const char *format, ...)
{
    qn_status st;
    va_list args;

    va_start(args, format);
    st = set_error(error, format, args);
    va_end(args);
    return st;
}

qn_status qni_device_error(qn_device *dev, cl_int error, const char *format, ...)
{
    qn_status st;
    va_list args;

    va_start(args, format);
    st = set_error(error, format, args);
    va_end(args);
    /* Our queues and contexts were valid when we made them: a driver that no longer knows them has lost the device. */
    if (error == CL_INVALID_COMMAND_QUEUE || error == CL_INVALID_CONTEXT || error == CL_INVALID_DEVICE)
        st = QN_E_DEVICE_LOST;
    if (st == QN_E_DEVICE_LOST)
        atomic_store(&dev->lost, true);
    return st;
}

qn_status qni_device_check(const qn_device *dev)
{
    if (atomic_load(&dev->lost))
        return qni_error(QN_E_DEVICE_LOST, "device %s was lost earlier: close it and open it again", dev->caps.name);
    return QN_OK;
}
