/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A driver for the ICD loader that is broken in one of these ways. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <CL/cl_icd.h>

#include <string.h>

#define EMPTY   0 /* has none of the entry points */
#define REFUSES 1 /* cannot list its platforms */
#define BARE    2 /* a platform without devices */
#define MUTE    3 /* a device that answers nothing */
#define BOASTS  4 /* says that it has thousands of millions of devices */
#define LONG    5 /* a device with endless names, and nothing else */

#if KIND != EMPTY

struct _cl_platform_id {
    cl_icd_dispatch *dispatch;
};

struct _cl_device_id {
    cl_icd_dispatch *dispatch;
};

#define SHOW __attribute__((visibility("default")))

static cl_int answer(const char *text, size_t size, void *value, size_t *got)
{
    size_t n = strlen(text) + 1;

    if (got)
        *got = n;
    if (value && size < n)
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, text, n);
    return CL_SUCCESS;
}

static cl_int CL_API_CALL get_platform_info(cl_platform_id platform, cl_platform_info what, size_t size, void *value,
                                            size_t *got)
{
    (void)platform;
    switch (what) {
    case CL_PLATFORM_EXTENSIONS: return answer("cl_khr_icd", size, value, got);
    case CL_PLATFORM_ICD_SUFFIX_KHR: return answer("FAKE", size, value, got);
    case CL_PLATFORM_NAME: return answer("Fake", size, value, got);
    case CL_PLATFORM_VERSION: return answer("OpenCL 1.2 fake", size, value, got);
    default: return CL_INVALID_VALUE;
    }
}

static struct _cl_device_id device;

static struct _cl_device_id device;

static cl_int CL_API_CALL get_device_ids(cl_platform_id platform, cl_device_type type, cl_uint n, cl_device_id *ids,
                                         cl_uint *count)
{
    (void)platform;
    (void)type;
    if (KIND == BARE)
        return CL_DEVICE_NOT_FOUND;
    if (count)
        *count = KIND == BOASTS ? 4000000000u : 1;
    if (ids && KIND == BOASTS)
        return CL_OUT_OF_HOST_MEMORY;
    if (ids && n)
        ids[0] = &device;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL get_device_info(cl_device_id id, cl_device_info what, size_t size, void *value, size_t *got)
{
    char text[5000];
    cl_device_type type = CL_DEVICE_TYPE_GPU;

    (void)id;
    if (KIND == MUTE)
        return CL_INVALID_DEVICE;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    if (what != CL_DEVICE_TYPE)
        return answer(text, size, value, got);
    if (got)
        *got = sizeof(type);
    if (value && size >= sizeof(type))
        memcpy(value, &type, sizeof(type));
    return CL_SUCCESS;
}

static cl_icd_dispatch dispatch = {
    .clGetPlatformInfo = get_platform_info,
    .clGetDeviceIDs = get_device_ids,
    .clGetDeviceInfo = get_device_info,
};

static struct _cl_platform_id fake = { &dispatch };
static struct _cl_device_id device = { &dispatch };

static cl_int CL_API_CALL get_platforms(cl_uint n, cl_platform_id *out, cl_uint *count)
{
    if (KIND == REFUSES)
        return CL_OUT_OF_HOST_MEMORY;
    if (count)
        *count = 1;
    if (out && n)
        out[0] = &fake;
    return CL_SUCCESS;
}

SHOW cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id platform, cl_platform_info what, size_t size, void *value,
                                          size_t *got)
{
    return get_platform_info(platform, what, size, value, got);
}

SHOW void *CL_API_CALL clGetExtensionFunctionAddress(const char *name)
{
    cl_int (CL_API_CALL *f)(cl_uint, cl_platform_id *, cl_uint *) = get_platforms;
    cl_int (CL_API_CALL *g)(cl_platform_id, cl_platform_info, size_t, void *, size_t *) = get_platform_info;
    void *p = NULL;

    if (!strcmp(name, "clIcdGetPlatformIDsKHR"))
        memcpy(&p, &f, sizeof(p));
    if (!strcmp(name, "clGetPlatformInfo"))
        memcpy(&p, &g, sizeof(p));
    return p;
}

SHOW cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint n, cl_platform_id *out, cl_uint *count);

SHOW cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint n, cl_platform_id *out, cl_uint *count)
{
    return get_platforms(n, out, count);
}

#else

extern int fake_nothing;
int fake_nothing;

#endif
