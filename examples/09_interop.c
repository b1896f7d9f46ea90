/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 9: Quern in a program that has an OpenCL context, queue and buffers of its own.
 *
 * The program's kernel fills a buffer, Quern computes softmax of it into another one, and the program reads that: all on
 * the program's in-order queue, so that nothing in between has to be waited for. */
#include <quern/cl.h>
#include <quern/quern.h>

#include <math.h>
#include <stdio.h>

#define ROWS 4
#define CLASSES 8

static const char source[] = "__kernel void fill(__global float *x) { x[get_global_id(0)] = get_global_id(0) % 8; }";

int main(void)
{
    const qn_shape shape = { 2, { ROWS, CLASSES } };
    const char *text = source;
    float y[ROWS][CLASSES];
    cl_platform_id platform;
    cl_device_id id;
    cl_context context = NULL;
    cl_command_queue queue = NULL;
    cl_program program = NULL;
    cl_kernel kernel = NULL;
    cl_mem in = NULL, out = NULL;
    size_t items = ROWS * CLASSES;
    qn_device *dev = NULL;
    qn_tensor *x = NULL, *result = NULL, *scratch = NULL;
    qn_op *softmax = NULL;
    cl_int e = CL_SUCCESS;
    qn_status st = QN_OK;
    double sum = 0.0;

    /* The program's own OpenCL. */
    if ((e = clGetPlatformIDs(1, &platform, NULL)) || (e = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL)))
        goto done;
    context = clCreateContext(NULL, 1, &id, NULL, NULL, &e);
    if (!e)
        queue = clCreateCommandQueue(context, id, 0, &e);
    if (!e)
        in = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof(y), NULL, &e);
    if (!e)
        out = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof(y), NULL, &e);
    if (!e)
        program = clCreateProgramWithSource(context, 1, &text, NULL, &e);
    if (!e)
        e = clBuildProgram(program, 1, &id, "", NULL, NULL);
    if (!e)
        kernel = clCreateKernel(program, "fill", &e);
    if (e || (e = clSetKernelArg(kernel, 0, sizeof(in), &in)))
        goto done;

    /* Quern on top of it: buffers become tensors without a copy. */
    if ((st = qn_device_wrap(&dev, NULL, context, queue)) ||
        (st = qn_tensor_wrap(&x, dev, in, 0, QN_F32, shape.rank, shape.dim)) ||
        (st = qn_tensor_wrap(&result, dev, out, 0, QN_F32, shape.rank, shape.dim)) ||
        (st = qn_op_softmax_plan(&softmax, dev, &shape, -1, false)))
        goto done;
    if (qn_op_scratch_bytes(softmax) &&
        (st = qn_tensor_create(&scratch, dev, QN_U8, 1, (int64_t[]){ (int64_t)qn_op_scratch_bytes(softmax) })))
        goto done;

    if ((e = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL)) ||
        (st = qn_op_run(softmax, &x, 1, &result, 1, scratch)) ||
        (e = clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof(y), y, 0, NULL, NULL)))
        goto done;
    for (int i = 0; i < CLASSES; i++)
        sum += (double)y[ROWS - 1][i];
    printf("the last row ends in %.4f and adds up to %.4f\n", (double)y[ROWS - 1][CLASSES - 1], sum);
    if (fabs(sum - 1.0) > 1e-5 || fabs((double)y[0][CLASSES - 1] - 0.6323) > 1e-3)
        st = qn_error_set(QN_E_INTERNAL, "the result is wrong");
done:
    if (e)
        fprintf(stderr, "OpenCL error %d\n", (int)e);
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_tensor_destroy(&scratch);
    qn_tensor_destroy(&result);
    qn_tensor_destroy(&x);
    qn_op_destroy(&softmax);
    qn_device_close(&dev);
    if (kernel)
        clReleaseKernel(kernel);
    if (program)
        clReleaseProgram(program);
    if (in)
        clReleaseMemObject(in);
    if (out)
        clReleaseMemObject(out);
    if (queue)
        clReleaseCommandQueue(queue);
    if (context)
        clReleaseContext(context);
    return e || st;
}
