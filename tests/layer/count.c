/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For a process of its own: $LAYER_REPORT names a file for the counts at its end; $LAYER_FAIL is "CALL:AFTER:TIMES:ERROR",
 * several with commas, such as "clCreateBuffer:3:1:-4"; $LAYER_HARM is what layer.h has of harm(); $LAYER_LOCAL_BYTES is the
 * most local memory that devices say they have. */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl_layer.h>

#include <execinfo.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "harm.h"
#include "layer.h"

#define DEEPEST 16

static cl_icd_dispatch next, mine;

static atomic_llong counts[2][LAYER_CALLS]; /* [made by CLBlast] */
static atomic_llong live, peak;
static struct {
    atomic_bool armed;
    atomic_llong left;  /* calls that still pass */
    atomic_llong times; /* then this many fail; negative: all */
    atomic_int error;
} plan[LAYER_CALLS];
static atomic_bool losing, spoiled;
static atomic_llong until_lost;
static atomic_int lag;
static cl_ulong most_local; /* bytes; 0: as much as there is */

static const char *const names[LAYER_CALLS] = {
    [LAYER_CREATE_CONTEXT] = "clCreateContext",
    [LAYER_CREATE_QUEUE] = "clCreateCommandQueue",
    [LAYER_CREATE_BUFFER] = "clCreateBuffer",
    [LAYER_RELEASE_BUFFER] = "clReleaseMemObject",
    [LAYER_CREATE_PROGRAM] = "clCreateProgram",
    [LAYER_BUILD_PROGRAM] = "clBuildProgram",
    [LAYER_CREATE_KERNEL] = "clCreateKernel",
    [LAYER_RELEASE_KERNEL] = "clReleaseKernel",
    [LAYER_SET_KERNEL_ARG] = "clSetKernelArg",
    [LAYER_ND_RANGE] = "clEnqueueNDRangeKernel",
    [LAYER_READ] = "clEnqueueReadBuffer",
    [LAYER_WRITE] = "clEnqueueWriteBuffer",
    [LAYER_COPY] = "clEnqueueCopyBuffer",
    [LAYER_FILL] = "clEnqueueFillBuffer",
    [LAYER_MAP] = "clEnqueueMapBuffer",
    [LAYER_UNMAP] = "clEnqueueUnmapMemObject",
    [LAYER_MARKER] = "clEnqueueMarkerWithWaitList",
    [LAYER_WAIT] = "clWaitForEvents",
    [LAYER_EVENT_INFO] = "clGetEventInfo",
    [LAYER_PROFILING_INFO] = "clGetEventProfilingInfo",
    [LAYER_EVENT_CALLBACK] = "clSetEventCallback",
    [LAYER_USER_EVENT] = "clCreateUserEvent",
    [LAYER_FLUSH] = "clFlush",
    [LAYER_FINISH] = "clFinish",
    [LAYER_PLATFORM_INFO] = "clGetPlatformInfo",
    [LAYER_DEVICE_INFO] = "clGetDeviceInfo",
    [LAYER_PROGRAM_INFO] = "clGetProgramInfo",
    [LAYER_ANY] = "any call",
    [LAYER_BLOCKING] = "blocking",
};

/* ---- who calls ---- */

struct range {
    uintptr_t first, last;
};

static int find_blas(struct dl_phdr_info *info, size_t bytes, void *data)
{
    struct range *r = data;

    (void)bytes;
    if (!info->dlpi_name || !strstr(info->dlpi_name, "libclblast"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            r->first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            r->last = r->first + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

static int made_by_blas(void)
{
    static _Thread_local struct range blas;
    void *frame[DEEPEST];
    int n;

    if (!blas.last && !dl_iterate_phdr(find_blas, &blas))
        return 0;
    n = backtrace(frame, DEEPEST);
    for (int i = 0; i < n; i++)
        if ((uintptr_t)frame[i] >= blas.first && (uintptr_t)frame[i] < blas.last)
            return 1;
    return 0;
}

static cl_int planned(enum layer_call call)
{
    if (!plan[call].armed || atomic_fetch_sub(&plan[call].left, 1) > 0)
        return CL_SUCCESS;
    if (plan[call].times >= 0 && atomic_fetch_sub(&plan[call].times, 1) <= 0)
        return CL_SUCCESS;
    return plan[call].error;
}

static void be_slow(int most_us)
{
    static _Thread_local unsigned state = 1;

    state = state * 1664525u + 1013904223u;
    usleep((state >> 16) % (unsigned)most_us);
}

/* Count a call, about a program or a kernel where it is; the error it must return, or CL_SUCCESS. */
static cl_int hit_of(enum layer_call call, cl_program p, cl_kernel k)
{
    const int blas = made_by_blas();
    cl_int e;

    atomic_fetch_add(&counts[blas][call], 1);
    atomic_fetch_add(&counts[blas][LAYER_ANY], 1);
    if (lag)
        be_slow(lag);
    if (losing && atomic_fetch_sub(&until_lost, 1) <= 0)
        return CL_DEVICE_NOT_AVAILABLE;
    if ((e = planned(LAYER_ANY)) || (e = planned(call)))
        return e;
    return harm_call(call, p, k);
}

static cl_int hit(enum layer_call call)
{
    return hit_of(call, NULL, NULL);
}

static void note_blocking(cl_bool blocking)
{
    if (blocking)
        atomic_fetch_add(&counts[made_by_blas()][LAYER_BLOCKING], 1);
}

static void *refuse(cl_int error, cl_int *out)
{
    if (out)
        *out = error;
    return NULL;
}

/* ---- the calls ---- */

static cl_context CL_API_CALL create_context(const cl_context_properties *properties, cl_uint n,
                                             const cl_device_id *dev,
                                             void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                                             void *user, cl_int *error)
{
    const cl_int e = hit(LAYER_CREATE_CONTEXT);

    return e ? refuse(e, error) : next.clCreateContext(properties, n, dev, notify, user, error);
}

static cl_command_queue CL_API_CALL create_queue(cl_context c, cl_device_id dev, cl_command_queue_properties p,
                                                 cl_int *error)
{
    const cl_int e = hit(LAYER_CREATE_QUEUE);

    return e ? refuse(e, error) : next.clCreateCommandQueue(c, dev, p, error);
}

/* The driver may hold on to a buffer beyond its last release, for work that is queued. */
static void CL_CALLBACK buffer_gone(cl_mem m, void *bytes)
{
    (void)m;
    atomic_fetch_sub(&live, (long long)(uintptr_t)bytes);
}

static cl_mem CL_API_CALL create_buffer(cl_context c, cl_mem_flags flags, size_t bytes, void *host, cl_int *error)
{
    const cl_int e = hit(LAYER_CREATE_BUFFER);
    cl_mem m;
    long long now, most;

    if (e)
        return refuse(e, error);
    m = next.clCreateBuffer(c, flags, bytes, host, error);
    harm_note_buffer(m);
    if (!m || next.clSetMemObjectDestructorCallback(m, buffer_gone, (void *)(uintptr_t)bytes))
        return m;
    now = atomic_fetch_add(&live, (long long)bytes) + (long long)bytes;
    most = peak;
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now))
        ;
    return m;
}

static cl_int CL_API_CALL release_buffer(cl_mem m)
{
    const cl_int e = hit(LAYER_RELEASE_BUFFER), real = next.clReleaseMemObject(m);

    return e ? e : real; /* gone all the same */
}

static cl_program CL_API_CALL create_source(cl_context c, cl_uint n, const char **text, const size_t *bytes,
                                            cl_int *error)
{
    const cl_int e = hit(LAYER_CREATE_PROGRAM);
    cl_program p = e ? refuse(e, error) : next.clCreateProgramWithSource(c, n, text, bytes, error);

    harm_note_program(p, n, text, bytes);
    return p;
}

static cl_program CL_API_CALL create_binary(cl_context c, cl_uint n, const cl_device_id *dev, const size_t *bytes,
                                            const unsigned char **binary, cl_int *status, cl_int *error)
{
    const cl_int e = hit(LAYER_CREATE_PROGRAM);

    return e ? refuse(e, error) : next.clCreateProgramWithBinary(c, n, dev, bytes, binary, status, error);
}

static cl_int CL_API_CALL build_program(cl_program p, cl_uint n, const cl_device_id *dev, const char *options,
                                        void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    const cl_int e = hit_of(LAYER_BUILD_PROGRAM, p, NULL);

    return e ? e : next.clBuildProgram(p, n, dev, options, notify, user);
}

static cl_kernel CL_API_CALL create_kernel(cl_program p, const char *name, cl_int *error)
{
    const cl_int e = hit_of(LAYER_CREATE_KERNEL, p, NULL);
    cl_kernel k = e ? refuse(e, error) : next.clCreateKernel(p, name, error);

    harm_note_kernel(k, p, name);
    return k;
}

static cl_int CL_API_CALL create_kernels(cl_program p, cl_uint n, cl_kernel *out, cl_uint *found)
{
    const cl_int e = hit(LAYER_CREATE_KERNEL);

    return e ? e : next.clCreateKernelsInProgram(p, n, out, found);
}

static cl_int CL_API_CALL release_kernel(cl_kernel k)
{
    const cl_int e = hit(LAYER_RELEASE_KERNEL), real = next.clReleaseKernel(k);

    return e ? e : real; /* likewise */
}

static cl_int CL_API_CALL set_arg(cl_kernel k, cl_uint index, size_t bytes, const void *value)
{
    const cl_int e = hit_of(LAYER_SET_KERNEL_ARG, NULL, k);

    harm_note_arg(k, index, bytes, value);
    return e ? e : next.clSetKernelArg(k, index, bytes, value);
}

static cl_int CL_API_CALL nd_range(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset,
                                   const size_t *global, const size_t *local, cl_uint waits, const cl_event *wait,
                                   cl_event *event)
{
    const cl_int e = hit(LAYER_ND_RANGE);

    return e ? e : harm_launch(&next, q, k, dims, offset, global, local, waits, wait, event);
}

static cl_int CL_API_CALL read_buffer(cl_command_queue q, cl_mem m, cl_bool blocking, size_t at, size_t bytes, void *to,
                                      cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int e = hit(LAYER_READ);

    note_blocking(blocking);
    return e ? e : next.clEnqueueReadBuffer(q, m, blocking, at, bytes, to, waits, wait, event);
}

static cl_int CL_API_CALL write_buffer(cl_command_queue q, cl_mem m, cl_bool blocking, size_t at, size_t bytes,
                                       const void *from, cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int e = hit(LAYER_WRITE);

    note_blocking(blocking);
    return e ? e : next.clEnqueueWriteBuffer(q, m, blocking, at, bytes, from, waits, wait, event);
}

static cl_int CL_API_CALL copy_buffer(cl_command_queue q, cl_mem from, cl_mem to, size_t from_at, size_t to_at,
                                      size_t bytes, cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int e = hit(LAYER_COPY);

    return e ? e : next.clEnqueueCopyBuffer(q, from, to, from_at, to_at, bytes, waits, wait, event);
}

static cl_int CL_API_CALL fill_buffer(cl_command_queue q, cl_mem m, const void *pattern, size_t size, size_t at,
                                      size_t bytes, cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int e = hit(LAYER_FILL);

    return e ? e : next.clEnqueueFillBuffer(q, m, pattern, size, at, bytes, waits, wait, event);
}

static void *CL_API_CALL map_buffer(cl_command_queue q, cl_mem m, cl_bool blocking, cl_map_flags flags, size_t at,
                                    size_t bytes, cl_uint waits, const cl_event *wait, cl_event *event, cl_int *error)
{
    const cl_int e = hit(LAYER_MAP);

    note_blocking(blocking);
    return e ? refuse(e, error) : next.clEnqueueMapBuffer(q, m, blocking, flags, at, bytes, waits, wait, event, error);
}

static cl_int CL_API_CALL unmap(cl_command_queue q, cl_mem m, void *p, cl_uint waits, const cl_event *wait,
                                cl_event *event)
{
    const cl_int e = hit(LAYER_UNMAP);

    return e ? e : next.clEnqueueUnmapMemObject(q, m, p, waits, wait, event);
}

static cl_int CL_API_CALL marker(cl_command_queue q, cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int e = hit(LAYER_MARKER);

    return e ? e : next.clEnqueueMarkerWithWaitList(q, waits, wait, event);
}

static cl_int CL_API_CALL barrier(cl_command_queue q, cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int e = hit(LAYER_MARKER);

    return e ? e : next.clEnqueueBarrierWithWaitList(q, waits, wait, event);
}

static cl_int CL_API_CALL wait_for(cl_uint n, const cl_event *event)
{
    const cl_int e = hit(LAYER_WAIT), real = next.clWaitForEvents(n, event);

    return e ? e : real; /* waits all the same: the caller is about to give memory back */
}

static cl_int CL_API_CALL event_info(cl_event event, cl_event_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_int e = hit(LAYER_EVENT_INFO);

    return e ? e : next.clGetEventInfo(event, what, bytes, to, needed);
}

static cl_int CL_API_CALL profiling_info(cl_event event, cl_profiling_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_int e = hit(LAYER_PROFILING_INFO);

    return e ? e : next.clGetEventProfilingInfo(event, what, bytes, to, needed);
}

static cl_int CL_API_CALL event_callback(cl_event event, cl_int when, void(CL_CALLBACK *f)(cl_event, cl_int, void *),
                                         void *user)
{
    const cl_int e = hit(LAYER_EVENT_CALLBACK);

    return e ? e : next.clSetEventCallback(event, when, f, user);
}

static cl_event CL_API_CALL user_event(cl_context c, cl_int *error)
{
    const cl_int e = hit(LAYER_USER_EVENT);

    return e ? refuse(e, error) : next.clCreateUserEvent(c, error);
}

static cl_int CL_API_CALL flush(cl_command_queue q)
{
    const cl_int e = hit(LAYER_FLUSH);

    return e ? e : next.clFlush(q);
}

static cl_int CL_API_CALL finish(cl_command_queue q)
{
    const cl_int e = hit(LAYER_FINISH), real = next.clFinish(q);

    return e ? e : real; /* likewise */
}

static cl_int CL_API_CALL platform_ids(cl_uint n, cl_platform_id *to, cl_uint *found)
{
    const cl_int e = hit(LAYER_PLATFORM_INFO);

    return e ? e : next.clGetPlatformIDs(n, to, found);
}

static cl_int CL_API_CALL platform_info(cl_platform_id p, cl_platform_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_int e = hit(LAYER_PLATFORM_INFO);

    return e ? e : next.clGetPlatformInfo(p, what, bytes, to, needed);
}

static cl_int CL_API_CALL device_ids(cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *to, cl_uint *found)
{
    const cl_int e = hit(LAYER_PLATFORM_INFO);

    return e ? e : next.clGetDeviceIDs(p, type, n, to, found);
}

static cl_int CL_API_CALL device_info(cl_device_id dev, cl_device_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_int e = hit(LAYER_DEVICE_INFO), real = e ? e : next.clGetDeviceInfo(dev, what, bytes, to, needed);
    cl_ulong *local = to;

    if (!real && local && what == CL_DEVICE_LOCAL_MEM_SIZE && most_local && *local > most_local)
        *local = most_local;
    return real;
}

static void spoil_binary(cl_program p, unsigned char *binary)
{
    size_t bytes = 0;

    if (!next.clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes, NULL))
        memset(binary, 0x5a, bytes);
}

static cl_int CL_API_CALL program_info(cl_program p, cl_program_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_int e = hit(LAYER_PROGRAM_INFO), real = e ? e : next.clGetProgramInfo(p, what, bytes, to, needed);

    if (!real && spoiled && what == CL_PROGRAM_BINARIES && to && bytes == sizeof(unsigned char *))
        spoil_binary(p, *(unsigned char **)to);
    return real;
}

static cl_int CL_API_CALL build_info(cl_program p, cl_device_id dev, cl_program_build_info what, size_t bytes, void *to,
                                     size_t *needed)
{
    const cl_int e = hit(LAYER_PROGRAM_INFO);

    return e ? e : next.clGetProgramBuildInfo(p, dev, what, bytes, to, needed);
}

static cl_int CL_API_CALL group_info(cl_kernel k, cl_device_id dev, cl_kernel_work_group_info what, size_t bytes, void *to,
                                     size_t *needed)
{
    const cl_int e = hit(LAYER_PROGRAM_INFO);

    return e ? e : next.clGetKernelWorkGroupInfo(k, dev, what, bytes, to, needed);
}

/* ---- what tests call ---- */

static bool loaded(void)
{
    return next.clGetPlatformIDs != NULL;
}

static const char *call_name(enum layer_call call)
{
    return names[call];
}

static void plan_harm(const char *text)
{
    harm_plan(text, names);
}

static void reset(void)
{
    for (int i = 0; i < LAYER_CALLS; i++) {
        counts[0][i] = counts[1][i] = 0;
        plan[i].armed = false;
    }
    losing = spoiled = false;
    lag = 0;
    peak = live;
    plan_harm(NULL);
}

static int64_t count(enum layer_call call)
{
    return counts[0][call];
}

static int64_t count_blas(enum layer_call call)
{
    return counts[1][call];
}

static void fail(enum layer_call call, int64_t after, int64_t times, int error)
{
    plan[call].armed = false;
    plan[call].left = after;
    plan[call].times = times ? times : -1;
    plan[call].error = error;
    plan[call].armed = true;
}

static void lose(int64_t after)
{
    until_lost = after;
    losing = true;
}

static void delay(int most_us)
{
    lag = most_us;
}

static void spoil(void)
{
    spoiled = true;
}

static int64_t bytes_now(void)
{
    return live;
}

static int64_t bytes_peak(void)
{
    return peak;
}

extern const struct layer layer_functions;
const struct layer layer_functions = {
    .loaded = loaded,
    .name = call_name,
    .reset = reset,
    .count = count,
    .count_blas = count_blas,
    .fail = fail,
    .lose = lose,
    .delay = delay,
    .spoil = spoil,
    .harm = plan_harm,
    .bytes = bytes_now,
    .peak_bytes = bytes_peak,
};

/* ---- what the loader calls ---- */

static void read_plan(const char *text)
{
    char name[64];
    long long after, times;
    int error, used;

    while (text && sscanf(text, "%63[^:]:%lld:%lld:%d%n", name, &after, &times, &error, &used) == 4) {
        for (int i = 0; i < LAYER_CALLS; i++)
            if (strcmp(name, names[i]) == 0)
                fail((enum layer_call)i, after, times, error);
        text += used;
        text += *text == ',';
    }
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("LAYER_REPORT");
    FILE *f = path && *path ? fopen(path, "w") : NULL;

    if (!f)
        return;
    for (int i = 0; i < LAYER_CALLS; i++)
        fprintf(f, "%s %lld %lld\n", names[i], (long long)counts[0][i], (long long)counts[1][i]);
    fprintf(f, "bytes %lld %lld\n", (long long)live, (long long)peak);
    fclose(f);
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t bytes, void *to, size_t *needed)
{
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    const char name[] = "quern call counter";
    const void *from = what == CL_LAYER_API_VERSION ? (const void *)&version : name;
    const size_t size = what == CL_LAYER_API_VERSION ? sizeof(version) : sizeof(name);

    if (what != CL_LAYER_API_VERSION && what != CL_LAYER_NAME)
        return CL_INVALID_VALUE;
    return answer(from, size, bytes, to, needed);
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint n, const cl_icd_dispatch *target, cl_uint *n_out,
                                            const cl_icd_dispatch **out)
{
    const cl_uint known = sizeof(next) / sizeof(void *);
    const char *local = getenv("LAYER_LOCAL_BYTES");
    void *frame[1];

    if (n < offsetof(cl_icd_dispatch, clEnqueueBarrierWithWaitList) / sizeof(void *) + 1)
        return CL_INVALID_VALUE; /* older than OpenCL 1.2 */
    memcpy(&next, target, (n < known ? n : known) * sizeof(void *));
    mine = next;
    mine.clCreateContext = create_context;
    mine.clCreateCommandQueue = create_queue;
    mine.clCreateBuffer = create_buffer;
    mine.clReleaseMemObject = release_buffer;
    mine.clCreateProgramWithSource = create_source;
    mine.clCreateProgramWithBinary = create_binary;
    mine.clBuildProgram = build_program;
    mine.clCreateKernel = create_kernel;
    mine.clCreateKernelsInProgram = create_kernels;
    mine.clReleaseKernel = release_kernel;
    mine.clSetKernelArg = set_arg;
    mine.clEnqueueNDRangeKernel = nd_range;
    mine.clEnqueueReadBuffer = read_buffer;
    mine.clEnqueueWriteBuffer = write_buffer;
    mine.clEnqueueCopyBuffer = copy_buffer;
    mine.clEnqueueFillBuffer = fill_buffer;
    mine.clEnqueueMapBuffer = map_buffer;
    mine.clEnqueueUnmapMemObject = unmap;
    mine.clEnqueueMarkerWithWaitList = marker;
    mine.clEnqueueBarrierWithWaitList = barrier;
    mine.clWaitForEvents = wait_for;
    mine.clGetEventInfo = event_info;
    mine.clGetEventProfilingInfo = profiling_info;
    mine.clSetEventCallback = event_callback;
    mine.clCreateUserEvent = user_event;
    mine.clFlush = flush;
    mine.clFinish = finish;
    mine.clGetPlatformIDs = platform_ids;
    mine.clGetPlatformInfo = platform_info;
    mine.clGetDeviceIDs = device_ids;
    mine.clGetDeviceInfo = device_info;
    mine.clGetProgramInfo = program_info;
    mine.clGetProgramBuildInfo = build_info;
    mine.clGetKernelWorkGroupInfo = group_info;
    backtrace(frame, 1); /* loads what it needs now, not in a counted call */
    read_plan(getenv("LAYER_FAIL"));
    plan_harm(getenv("LAYER_HARM"));
    if (local)
        most_local = strtoull(local, NULL, 10);
    *n_out = known;
    *out = &mine;
    return CL_SUCCESS;
}
