/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "layer.h"

typedef cl_int (*get_platforms)(cl_uint, cl_platform_id *, cl_uint *);

/* The loader reads $OPENCL_LAYERS once, when it is first called; it stays loaded from then on. */
const struct layer *layer_open(const char **reason)
{
    void *opencl, *self;
    get_platforms platforms;
    const struct layer *l;
    cl_uint n;

    setenv("OPENCL_LAYERS", LAYER_PATH, 0); /* another's stays: then this one is not loaded */
    *reason = "the counting layer does not load";
    self = dlopen(LAYER_PATH, RTLD_NOW | RTLD_LOCAL);
    l = self ? dlsym(self, "layer_functions") : NULL;
    if (!l)
        return NULL;
    *reason = "no OpenCL loader";
    opencl = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!opencl)
        return NULL;
    *(void **)&platforms = dlsym(opencl, "clGetPlatformIDs");
    if (!platforms)
        return NULL;
    platforms(0, NULL, &n);
    *reason = "the OpenCL loader knows no layers";
    return l->loaded() ? l : NULL;
}
