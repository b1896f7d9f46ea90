/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Orders that queues and events promise. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "checks.h"
#include "device/qualify.h"

#define ITEMS  4096
#define BYTES  (ITEMS * sizeof(uint32_t))
#define CHAIN  200
#define ROUNDS 40

/* y = y * 3 + x + k, in another order a different number. */
static const char source[] = "__kernel void f(__global const uint *x, __global uint *y, uint k)\n"
                             "{ size_t i = get_global_id(0); y[i] = y[i] * 3 + x[i] + k; }\n";

static bool prepare(struct check_program *p, qn_device *dev)
{
    static const uint32_t zeros[ITEMS];

    return program_create(p, dev, source, "", "f") && program_buffer(p, 0, BYTES, zeros) && program_buffer(p, 1, BYTES, zeros);
}

static bool launch(struct check_program *p, cl_command_queue queue, uint32_t k, cl_uint waits, const cl_event *wait,
                   cl_event *event)
{
    const size_t items = ITEMS;
    const cl_uint number = k;

    return check_cl(p->dev->cl->SetKernelArg(p->kernel, 2, sizeof(number), &number), "clSetKernelArg") &&
           check_cl(p->dev->cl->EnqueueNDRangeKernel(queue, p->kernel, 1, NULL, &items, NULL, waits, wait, event),
                    "clEnqueueNDRangeKernel");
}

static void expect(struct check_program *p, cl_command_queue queue, uint32_t want, const char *what)
{
    static uint32_t y[ITEMS];

    if (check_failed() || !check_cl(p->dev->cl->EnqueueReadBuffer(queue, p->buffer[1], CL_TRUE, 0, BYTES, y, 0, NULL, NULL),
                                    "clEnqueueReadBuffer"))
        return;
    for (size_t i = 0; i < ITEMS && !check_failed(); i++)
        if (y[i] != want)
            check_fail("%s: element %zu is %u instead of %u", what, i, y[i], want);
}

static void in_order(qn_device *dev)
{
    struct check_program p;
    uint32_t want = 0;
    bool ok = prepare(&p, dev);

    for (uint32_t k = 0; k < CHAIN && ok; k++) {
        ok = launch(&p, dev->queue, k, 0, NULL, NULL);
        want = want * 3 + k;
    }
    expect(&p, dev->queue, want, "launches in order");
    program_destroy(&p);
}

/* As plans do it: one queue uploads what the other's launch waits for, into two buffers by turns. */
static void two_queues(qn_device *dev)
{
    static uint32_t x[ROUNDS][ITEMS];
    struct check_program p;
    cl_command_queue upload = NULL;
    cl_event used[2] = { NULL, NULL };
    cl_mem slot[2] = { NULL, NULL };
    uint32_t want = 0;
    cl_int e = CL_SUCCESS;
    bool ok = prepare(&p, dev);

    if (ok) {
        slot[0] = p.buffer[0];
        slot[1] = p.buffer[2] = dev->cl->CreateBuffer(dev->context, CL_MEM_READ_WRITE, BYTES, NULL, &e);
        upload = slot[1] ? dev->cl->CreateCommandQueue(dev->context, dev->id, 0, &e) : NULL;
        ok = upload || check_cl(e ? e : CL_INVALID_COMMAND_QUEUE, "a second queue and buffer");
    }
    for (uint32_t k = 0; k < ROUNDS && ok; k++) {
        cl_event *done = &used[k % 2], uploaded = NULL;

        for (size_t i = 0; i < ITEMS; i++)
            x[k][i] = k * 2654435761u;
        want = want * 3 + k * 2654435761u + k;
        ok = check_cl(dev->cl->EnqueueWriteBuffer(upload, slot[k % 2], CL_FALSE, 0, BYTES, x[k], *done != NULL, *done ? done : NULL,
                                                  &uploaded),
                      "clEnqueueWriteBuffer") &&
             check_cl(dev->cl->Flush(upload), "clFlush") &&
             check_cl(dev->cl->SetKernelArg(p.kernel, 0, sizeof(cl_mem), &slot[k % 2]), "clSetKernelArg");
        if (*done)
            dev->cl->ReleaseEvent(*done);
        *done = NULL;
        ok = ok && launch(&p, dev->queue, k, 1, &uploaded, done) && check_cl(dev->cl->Flush(dev->queue), "clFlush");
        if (uploaded)
            dev->cl->ReleaseEvent(uploaded);
    }
    expect(&p, dev->queue, want, "uploads and launches in turns");
    for (int i = 0; i < 2; i++)
        if (used[i])
            dev->cl->ReleaseEvent(used[i]);
    if (upload) {
        dev->cl->Finish(upload);
        dev->cl->ReleaseCommandQueue(upload);
    }
    program_destroy(&p);
}

static void out_of_order(qn_device *dev)
{
    cl_command_queue_properties properties = 0;
    struct check_program p;
    cl_command_queue queue;
    cl_event event = NULL;
    uint32_t want = 0;
    cl_int e;
    bool ok;

    if (dev->cl->GetDeviceInfo(dev->id, CL_DEVICE_QUEUE_PROPERTIES, sizeof(properties), &properties, NULL) ||
        !(properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)) {
        check_skip("none");
        return;
    }
    queue = dev->cl->CreateCommandQueue(dev->context, dev->id, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &e);
    if (!queue) {
        check_cl(e ? e : CL_INVALID_COMMAND_QUEUE, "clCreateCommandQueue");
        return;
    }
    ok = prepare(&p, dev);
    for (uint32_t k = 0; k < ROUNDS && ok; k++) {
        cl_event before = event;

        event = NULL;
        ok = launch(&p, queue, k, before != NULL, before ? &before : NULL, &event);
        if (before)
            dev->cl->ReleaseEvent(before);
        want = want * 3 + k;
    }
    if (ok && check_cl(dev->cl->Flush(queue), "clFlush") && check_cl(dev->cl->WaitForEvents(1, &event), "clWaitForEvents"))
        expect(&p, queue, want, "launches ordered by events");
    if (event)
        dev->cl->ReleaseEvent(event);
    dev->cl->Finish(queue);
    dev->cl->ReleaseCommandQueue(queue);
    program_destroy(&p);
}

/* What was enqueued, and even flushed, before clFinish is complete after it. */
static void finishes(qn_device *dev)
{
    struct check_program p;
    cl_event event = NULL;
    cl_int state = CL_QUEUED;
    bool ok = prepare(&p, dev);

    for (int round = 0; round < 5 && ok; round++) {
        for (uint32_t k = 0; k < CHAIN && ok; k++) {
            if (event)
                dev->cl->ReleaseEvent(event);
            event = NULL;
            ok = launch(&p, dev->queue, k, 0, NULL, &event);
        }
        ok = ok && check_cl(dev->cl->Flush(dev->queue), "clFlush") && check_cl(dev->cl->Finish(dev->queue), "clFinish") &&
             check_cl(dev->cl->GetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(state), &state, NULL),
                      "clGetEventInfo");
        if (ok && state != CL_COMPLETE)
            check_fail("a launch is not complete (%d) after clFinish", (int)state);
    }
    if (event) {
        dev->cl->WaitForEvents(1, &event);
        dev->cl->ReleaseEvent(event);
    }
    program_destroy(&p);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* Times run forward, and no launch takes longer than the host waited for it. */
static void profiling(qn_device *dev)
{
    static const cl_profiling_info names[4] = { CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
                                                CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END };
    struct check_program p;
    cl_ulong t[4] = { 0 };
    cl_event event = NULL;
    double begun, took;
    cl_int e;
    cl_command_queue queue = dev->cl->CreateCommandQueue(dev->context, dev->id, CL_QUEUE_PROFILING_ENABLE, &e);

    if (!queue) {
        check_cl(e ? e : CL_INVALID_COMMAND_QUEUE, "clCreateCommandQueue");
        return;
    }
    if (prepare(&p, dev) && launch(&p, queue, 0, 0, NULL, NULL) && check_cl(dev->cl->Finish(queue), "clFinish")) {
        begun = now();
        if (launch(&p, queue, 1, 0, NULL, &event) && check_cl(dev->cl->WaitForEvents(1, &event), "clWaitForEvents")) {
            took = now() - begun;
            for (int i = 0; i < 4; i++)
                check_cl(dev->cl->GetEventProfilingInfo(event, names[i], sizeof(t[i]), &t[i], NULL), "clGetEventProfilingInfo");
            if (!check_failed() && (t[0] > t[1] || t[1] > t[2] || t[2] > t[3]))
                check_fail("queued, submitted, started, ended at %llu, %llu, %llu, %llu ns", (unsigned long long)t[0],
                           (unsigned long long)t[1], (unsigned long long)t[2], (unsigned long long)t[3]);
            else if (!check_failed() && (double)(t[3] - t[2]) > 1.5 * took + 1e6)
                check_fail("a launch took %llu ns, and the host waited %.0f", (unsigned long long)(t[3] - t[2]), took);
        }
    }
    if (event)
        dev->cl->ReleaseEvent(event);
    dev->cl->Finish(queue);
    dev->cl->ReleaseCommandQueue(queue);
    program_destroy(&p);
}

struct worker {
    qn_device *dev;
    cl_int error;
    uint32_t got;
};

/* Compile and run on a queue of one's own; nothing is reported here. */
static void *work(void *arg)
{
    const char *text = "__kernel void f(__global uint *y) { y[0] = y[0] * 3u + 1u; }\n";
    struct worker *w = arg;
    const struct qni_cl *cl = w->dev->cl;
    const size_t one = 1;
    const uint32_t start = 1;
    cl_mem y = NULL;
    cl_kernel kernel = NULL;
    cl_program program = NULL;
    cl_command_queue queue = cl->CreateCommandQueue(w->dev->context, w->dev->id, 0, &w->error);

    if (queue && (program = cl->CreateProgramWithSource(w->dev->context, 1, &text, NULL, &w->error)) &&
        !(w->error = cl->BuildProgram(program, 1, &w->dev->id, "", NULL, NULL)) &&
        (kernel = cl->CreateKernel(program, "f", &w->error)) &&
        (y = cl->CreateBuffer(w->dev->context, CL_MEM_READ_WRITE, sizeof(w->got), NULL, &w->error)) &&
        !(w->error = cl->EnqueueWriteBuffer(queue, y, CL_TRUE, 0, sizeof(start), &start, 0, NULL, NULL)) &&
        !(w->error = cl->SetKernelArg(kernel, 0, sizeof(y), &y))) {
        for (int i = 0; i < 20 && !w->error; i++)
            w->error = cl->EnqueueNDRangeKernel(queue, kernel, 1, NULL, &one, NULL, 0, NULL, NULL);
        if (!w->error)
            w->error = cl->EnqueueReadBuffer(queue, y, CL_TRUE, 0, sizeof(w->got), &w->got, 0, NULL, NULL);
    }
    if (y)
        cl->ReleaseMemObject(y);
    if (kernel)
        cl->ReleaseKernel(kernel);
    if (program)
        cl->ReleaseProgram(program);
    if (queue)
        cl->ReleaseCommandQueue(queue);
    return NULL;
}

static void threads(qn_device *dev)
{
    struct worker worker[3] = { { dev, 0, 0 }, { dev, 0, 0 }, { dev, 0, 0 } };
    pthread_t thread[3];
    uint32_t want = 1;
    int started = 0;

    if (dev->caps.quirks & QNI_QUIRK_ONE_THREAD) {
        check_skip("this driver is known to be for one");
        return;
    }
    while (started < 3 && !pthread_create(&thread[started], NULL, work, &worker[started]))
        started++;
    for (int i = 0; i < 20; i++)
        want = want * 3 + 1;
    for (int i = 0; i < started; i++) {
        pthread_join(thread[i], NULL);
        check_cl(worker[i].error, "a thread of several");
        if (worker[i].got != want)
            check_fail("thread %d has %u instead of %u", i, worker[i].got, want);
    }
}

void check_queues(qn_device *dev)
{
    check_one("device: launches in order", true, in_order, dev);
    check_one(QNI_CHECK_QUEUES, false, two_queues, dev);
    check_one("device: a queue out of order", false, out_of_order, dev);
    check_one(QNI_CHECK_FINISH, false, finishes, dev);
    check_one("device: profiling", false, profiling, dev);
    check_one(QNI_CHECK_THREADS, false, threads, dev);
}
