/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "checks.h"
#include "program/program.h"

bool program_create(struct check_program *p, qn_device *dev, const char *source, const char *options, const char *kernel)
{
    char text[256];
    cl_int e;

    memset(p, 0, sizeof(*p));
    p->dev = dev;
    snprintf(text, sizeof(text), "%s %s", strstr(options, "-cl-std") ? "" : qni_build_options, options);
    p->program = dev->cl->CreateProgramWithSource(dev->context, 1, &source, NULL, &e);
    if (!p->program)
        return check_cl(e ? e : CL_INVALID_PROGRAM, "clCreateProgramWithSource");
    if ((e = dev->cl->BuildProgram(p->program, 1, &dev->id, text, NULL, NULL))) {
        char log[300] = "";

        dev->cl->GetProgramBuildInfo(p->program, dev->id, CL_PROGRAM_BUILD_LOG, sizeof(log) - 1, log, NULL);
        check_fail("clBuildProgram: %s: %s", qni_cl_error_name(e), log);
        return false;
    }
    p->kernel = dev->cl->CreateKernel(p->program, kernel, &e);
    return p->kernel || check_cl(e ? e : CL_INVALID_KERNEL, "clCreateKernel");
}

bool program_buffer(struct check_program *p, int i, size_t bytes, const void *data)
{
    cl_int e;

    p->buffer[i] = p->dev->cl->CreateBuffer(p->dev->context, CL_MEM_READ_WRITE, bytes, NULL, &e);
    if (!p->buffer[i])
        return check_cl(e ? e : CL_INVALID_MEM_OBJECT, "clCreateBuffer");
    return check_cl(p->dev->cl->SetKernelArg(p->kernel, (cl_uint)i, sizeof(cl_mem), &p->buffer[i]), "clSetKernelArg") &&
           (!data || check_cl(p->dev->cl->EnqueueWriteBuffer(p->dev->queue, p->buffer[i], CL_TRUE, 0, bytes, data, 0, NULL, NULL),
                              "clEnqueueWriteBuffer"));
}

bool program_run(struct check_program *p, size_t global, size_t local)
{
    return check_cl(p->dev->cl->EnqueueNDRangeKernel(p->dev->queue, p->kernel, 1, NULL, &global, local ? &local : NULL, 0, NULL,
                                                     NULL),
                    "clEnqueueNDRangeKernel") &&
           check_cl(p->dev->cl->Finish(p->dev->queue), "clFinish");
}

bool program_read(struct check_program *p, int i, size_t bytes, void *out)
{
    return check_cl(p->dev->cl->EnqueueReadBuffer(p->dev->queue, p->buffer[i], CL_TRUE, 0, bytes, out, 0, NULL, NULL),
                    "clEnqueueReadBuffer");
}

void program_destroy(struct check_program *p)
{
    for (size_t i = 0; i < QNI_COUNT(p->buffer); i++)
        if (p->buffer[i])
            p->dev->cl->ReleaseMemObject(p->buffer[i]);
    if (p->kernel)
        p->dev->cl->ReleaseKernel(p->kernel);
    if (p->program)
        p->dev->cl->ReleaseProgram(p->program);
    memset(p, 0, sizeof(*p));
}
