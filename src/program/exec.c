/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "program/program.h"

qn_status qni_exec_create(struct qni_exec **out, qn_device *dev, struct qni_recorder *r)
{
    struct qni_exec *e = NULL;
    qn_status st;

    *out = NULL;
    if (r->status)
        return r->status;
    if ((st = qni_calloc(dev->ctx, &e, 1, sizeof(*e))))
        return st;
    e->dev = qni_device_retain(dev);
    e->recorder = *r;
    qni_recorder_init(r, r->ctx);
    if ((st = qni_calloc(dev->ctx, &e->kernel, e->recorder.launches, sizeof(*e->kernel))) ||
        (st = qni_calloc(dev->ctx, &e->call, e->recorder.launches, sizeof(*e->call))))
        goto done;
    for (size_t i = 0; i < e->recorder.launches; i++)
        if (e->recorder.launch[i].call && (st = qni_calloc(dev->ctx, &e->call[i], 1, sizeof(**e->call))))
            goto done;
    st = qni_kernels_get(dev, e->recorder.launch, e->recorder.launches, e->kernel, &e->built);
done:
    if (st)
        qni_exec_destroy(&e);
    *out = e;
    return st;
}

void qni_exec_destroy(struct qni_exec **exec)
{
    struct qni_exec *e = *exec;
    qn_device *dev;

    *exec = NULL;
    if (!e)
        return;
    dev = e->dev;
    for (size_t i = 0; i < e->recorder.launches; i++) {
        if (e->kernel && e->kernel[i])
            dev->cl->ReleaseKernel(e->kernel[i]);
        if (e->call)
            qni_free(dev->ctx, &e->call[i]);
    }
    qni_free(dev->ctx, &e->kernel);
    qni_free(dev->ctx, &e->call);
    qni_recorder_free(&e->recorder);
    qni_free(dev->ctx, &e);
    qni_device_release(&dev);
}

static bool is_tensor(enum qni_arg_kind kind)
{
    return kind <= QNI_ARG_DEVICE;
}

static qn_status bind_launch(struct qni_exec *e, size_t i, const struct qni_bind *bind, size_t binds)
{
    const struct qni_launch *l = &e->recorder.launch[i];
    const struct qni_cl *cl = e->dev->cl;
    cl_uint n = 0;

    for (int a = 0; a < l->args; a++) {
        const struct qni_arg *arg = &l->arg[a];
        cl_int v, err = CL_SUCCESS;

        if (is_tensor(arg->kind)) {
            const struct qni_bind *b;
            cl_long offset;

            if (arg->index < 0 || (size_t)arg->index >= binds)
                return qni_error(QN_E_INTERNAL, "kernel %s: argument %d has no buffer", l->kernel, a);
            b = &bind[arg->index];
            offset = (cl_long)(b->offset / arg->element) + arg->i;
            if (l->call) {
                e->call[i]->mem[a] = b->mem;
                e->call[i]->offset[a] = offset;
                continue;
            }
            err = cl->SetKernelArg(e->kernel[i], n++, sizeof(cl_mem), b->mem ? &b->mem : NULL);
            if (!err)
                err = cl->SetKernelArg(e->kernel[i], n++, sizeof(offset), &offset);
        } else if (l->call) {
            continue;
        } else if (arg->kind == QNI_ARG_I32) {
            v = (cl_int)arg->i;
            err = cl->SetKernelArg(e->kernel[i], n++, sizeof(v), &v);
        } else if (arg->kind == QNI_ARG_I64) {
            err = cl->SetKernelArg(e->kernel[i], n++, sizeof(cl_long), &(cl_long){ arg->i });
        } else if (arg->kind == QNI_ARG_F32) {
            err = cl->SetKernelArg(e->kernel[i], n++, sizeof(arg->f), &arg->f);
        } else {
            err = cl->SetKernelArg(e->kernel[i], n++, (size_t)arg->i, NULL);
        }
        if (err)
            return qni_cl_error(err, "argument %d of kernel %s of %s", a, l->kernel, l->source);
    }
    return QN_OK;
}

qn_status qni_exec_bind(struct qni_exec *e, size_t first, size_t last, const struct qni_bind *bind, size_t binds)
{
    qn_status st = QN_OK;

    for (size_t i = first; i < last && !st; i++)
        st = bind_launch(e, i, bind, binds);
    return st;
}

static qn_status enqueue(struct qni_exec *e, cl_command_queue queue, size_t i, int64_t iteration, cl_uint waits,
                         const cl_event *wait, cl_event *event)
{
    const struct qni_launch *l = &e->recorder.launch[i];
    size_t offset[3] = { l->offset[0], l->offset[1], l->offset[2] };
    cl_int err;

    if (l->call)
        return l->call(l->state, e->dev, queue, e->call[i]->mem, e->call[i]->offset, event);
    if (l->loop)
        offset[2] = (size_t)iteration;
    err = e->dev->cl->EnqueueNDRangeKernel(queue, e->kernel[i], (cl_uint)l->dims, offset, l->global, l->local, waits,
                                           waits ? wait : NULL, event);
    return err ? qni_cl_error(err, "enqueueing kernel %s of %s", l->kernel, l->source) : QN_OK;
}

/* How many commands [first,last) becomes; empty grids are dropped. */
static bool is_empty(const struct qni_launch *l)
{
    return !l->call && (!l->global[0] || !l->global[1] || !l->global[2]);
}

qn_status qni_exec_run(struct qni_exec *e, cl_command_queue queue, size_t first, size_t last, cl_uint waits,
                       const cl_event *wait, cl_event *event)
{
    const struct qni_cl *cl = e->dev->cl;
    qn_status st = QN_OK;
    cl_int err = CL_SUCCESS;

    if (waits)
        err = cl->EnqueueBarrierWithWaitList(queue, waits, wait, NULL);
    if (err)
        return qni_cl_error(err, "waiting for %u events", waits);
    for (size_t i = first; i < last && !st;) {
        const struct qni_launch *l = &e->recorder.launch[i];

        if (l->loop) {
            const struct qni_loop *loop = &e->recorder.loop[l->loop - 1];

            for (int64_t t = 0; t < loop->times && !st; t++)
                for (int j = loop->first; j < loop->last && !st; j++)
                    if (!is_empty(&e->recorder.launch[j]))
                        st = enqueue(e, queue, (size_t)j, loop->reverse ? loop->times - 1 - t : t, 0, NULL, NULL);
            i = (size_t)loop->last;
        } else {
            if (!is_empty(l))
                st = enqueue(e, queue, i, 0, 0, NULL, NULL);
            i++;
        }
    }
    if (!st && event) {
        err = cl->EnqueueMarkerWithWaitList(queue, 0, NULL, event);
        if (err)
            st = qni_cl_error(err, "marking the end of a run");
    }
    return st;
}
