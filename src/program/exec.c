/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "program/program.h"

/* One handle for each launch, and further ones for the slots of those that are slotted. */
static qn_status make_kernels(struct qni_exec *e, const bool *slotted)
{
    size_t n = e->recorder.launches, more;
    uint64_t key;
    qn_status st;

    if ((st = qni_kernels_get(e->dev, e->recorder.launch, n, e->kernel, &e->built, &e->built_key)))
        return st;
    for (int s = 1; s < e->slots; s++)
        for (size_t i = 0; i < n; i++) {
            const struct qni_launch *l = &e->recorder.launch[i];

            if (!slotted || !slotted[i]) {
                e->kernel[(size_t)s * n + i] = e->kernel[i];
                e->call[(size_t)s * n + i] = e->call[i];
            } else if (l->call) {
                st = qni_calloc(e->dev->ctx, &e->call[(size_t)s * n + i], 1, sizeof(**e->call));
            } else {
                st = qni_kernels_get(e->dev, l, 1, &e->kernel[(size_t)s * n + i], &more, &key);
            }
            if (st)
                return st;
        }
    return QN_OK;
}

qn_status qni_exec_create(struct qni_exec **out, qn_device *dev, struct qni_recorder *r, int slots, const bool *slotted)
{
    struct qni_exec *e = NULL;
    size_t n = r->launches;
    qn_status st;

    *out = NULL;
    if (r->status)
        return r->status;
    if ((st = qni_calloc(dev->ctx, &e, 1, sizeof(*e))))
        return st;
    e->dev = qni_device_retain(dev);
    e->slots = slots;
    e->recorder = *r;
    qni_recorder_init(r, r->ctx);
    if ((st = qni_calloc(dev->ctx, &e->cut, n, sizeof(*e->cut))) ||
        (st = qni_calloc(dev->ctx, &e->kernel, n * (size_t)slots, sizeof(*e->kernel))) ||
        (st = qni_calloc(dev->ctx, &e->call, n * (size_t)slots, sizeof(*e->call))))
        goto done;
    if (dev->profiling && !dev->wrapped && (st = qni_calloc(dev->ctx, &e->timing, n, sizeof(*e->timing))))
        goto done;
    for (size_t i = 0; i < n; i++)
        qni_cut_init(&e->cut[i], &e->recorder.launch[i]);
    qni_pace_init(e);
    for (size_t i = 0; i < n; i++)
        if (e->recorder.launch[i].call && (st = qni_calloc(dev->ctx, &e->call[i], 1, sizeof(**e->call))))
            goto done;
    st = make_kernels(e, slotted);
done:
    if (st)
        qni_exec_destroy(&e);
    *out = e;
    return st;
}

void qni_exec_destroy(struct qni_exec **exec)
{
    struct qni_exec *e = *exec;
    size_t n;
    qn_device *dev;

    *exec = NULL;
    if (!e)
        return;
    dev = e->dev;
    n = e->recorder.launches;
    for (size_t i = 0; e->kernel && e->call && i < n * (size_t)e->slots; i++) {
        if (e->kernel[i] && (i < n || e->kernel[i] != e->kernel[i % n]))
            dev->cl->ReleaseKernel(e->kernel[i]);
        if (i >= n && e->call[i] == e->call[i % n])
            e->call[i] = NULL;
    }
    for (size_t i = n * (size_t)e->slots; e->call && i-- > 0;)
        qni_free(dev->ctx, &e->call[i]);
    qni_free(dev->ctx, &e->kernel);
    qni_free(dev->ctx, &e->call);
    if (e->mark)
        dev->cl->ReleaseEvent(e->mark);
    qni_free(dev->ctx, &e->cut);
    qni_free(dev->ctx, &e->timing);
    qni_recorder_free(&e->recorder);
    qni_free(dev->ctx, &e);
    qni_device_release(&dev);
}

static bool is_tensor(enum qni_arg_kind kind)
{
    return kind <= QNI_ARG_DEVICE;
}

static qn_status bind_launch(struct qni_exec *e, int slot, size_t i, const struct qni_bind *bind, size_t binds)
{
    size_t k = (size_t)slot * e->recorder.launches + i;
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
                e->call[k]->mem[a] = b->mem;
                e->call[k]->offset[a] = offset;
                continue;
            }
            err = cl->SetKernelArg(e->kernel[k], n++, sizeof(cl_mem), b->mem ? &b->mem : NULL);
            if (!err)
                err = cl->SetKernelArg(e->kernel[k], n++, sizeof(offset), &offset);
        } else if (l->call) {
            continue;
        } else if (arg->kind == QNI_ARG_I32) {
            v = (cl_int)arg->i;
            err = cl->SetKernelArg(e->kernel[k], n++, sizeof(v), &v);
        } else if (arg->kind == QNI_ARG_I64) {
            err = cl->SetKernelArg(e->kernel[k], n++, sizeof(cl_long), &(cl_long){ arg->i });
        } else if (arg->kind == QNI_ARG_F32) {
            err = cl->SetKernelArg(e->kernel[k], n++, sizeof(arg->f), &arg->f);
        } else {
            err = cl->SetKernelArg(e->kernel[k], n++, (size_t)arg->i, NULL);
        }
        if (err)
            return qni_device_error(e->dev, err, "argument %d of kernel %s of %s", a, l->kernel, l->source);
    }
    return QN_OK;
}

qn_status qni_exec_bind(struct qni_exec *e, int slot, const struct qni_bind *bind, size_t binds)
{
    qn_status st = QN_OK;

    for (size_t i = 0; i < e->recorder.launches && !st; i++)
        st = bind_launch(e, slot, i, bind, binds);
    return st;
}

/* Wait for a launch and add its time; a call record may give no event. */
static qn_status measure(struct qni_exec *e, size_t i, cl_event event)
{
    const struct qni_cl *cl = e->dev->cl;
    cl_ulong begun = 0, ended = 0;
    cl_int err;

    if (!event)
        return QN_OK;
    err = cl->WaitForEvents(1, &event);
    if (!err)
        err = cl->GetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof(begun), &begun, NULL);
    if (!err)
        err = cl->GetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(ended), &ended, NULL);
    cl->ReleaseEvent(event);
    if (err)
        return qni_device_error(e->dev, err, "measuring kernel %s", e->recorder.launch[i].kernel);
    e->timing[i].ns += ended - begun;
    return QN_OK;
}

qn_status qni_exec_piece(struct qni_exec *e, cl_command_queue queue, int slot, size_t i, const size_t offset[3],
                         size_t first, size_t groups)
{
    size_t k = (size_t)slot * e->recorder.launches + i;
    const struct qni_launch *l = &e->recorder.launch[i];
    const int axis = e->cut[i].axis;
    size_t at[3] = { offset[0], offset[1], offset[2] }, global[3] = { l->global[0], l->global[1], l->global[2] };
    cl_event event = NULL, *measured = e->timing ? &event : NULL;
    qn_status st = QN_OK;
    cl_int err;

    if (l->call) {
        st = l->call(l->state, e->dev, queue, e->call[k]->mem, e->call[k]->offset, measured);
    } else {
        at[axis] += first * l->local[axis];
        global[axis] = groups * l->local[axis];
        err = e->dev->cl->EnqueueNDRangeKernel(queue, e->kernel[k], (cl_uint)l->dims, at, global, l->local, 0, NULL,
                                               measured);
        if (err)
            st = qni_device_error(e->dev, err, "enqueueing kernel %s of %s", l->kernel, l->source);
    }
    return st || !e->timing ? st : measure(e, i, event);
}

static qn_status enqueue(struct qni_exec *e, cl_command_queue queue, int slot, size_t i, int64_t iteration)
{
    const struct qni_launch *l = &e->recorder.launch[i];
    const size_t offset[3] = { l->offset[0], l->offset[1], l->loop ? (size_t)iteration : l->offset[2] };
    qn_status st;

    if (e->dev->launch_ns)
        st = qni_pieces_run(e, queue, slot, i, offset);
    else if (!(st = qni_exec_piece(e, queue, slot, i, offset, 0, e->cut[i].all)))
        st = qni_pace(e, queue, i);
    if (!st && e->timing)
        e->timing[i].runs++;
    return st;
}

/* A grid with nothing in it, which OpenCL refuses. */
static bool is_empty(const struct qni_launch *l)
{
    return !l->call && (!l->global[0] || !l->global[1] || !l->global[2]);
}

qn_status qni_exec_run(struct qni_exec *e, cl_command_queue queue, int slot, size_t first, size_t last, cl_uint waits,
                       const cl_event *wait, cl_event *event)
{
    const struct qni_cl *cl = e->dev->cl;
    qn_status st = QN_OK;
    cl_int err = CL_SUCCESS;

    e->ahead_ns = 0; /* steps that are short do not wait for one another */
    if (waits)
        err = cl->EnqueueBarrierWithWaitList(queue, waits, wait, NULL);
    if (err)
        return qni_device_error(e->dev, err, "waiting for %u events", waits);
    for (size_t i = first; i < last && !st;) {
        const struct qni_launch *l = &e->recorder.launch[i];

        if (l->loop) {
            const struct qni_loop *loop = &e->recorder.loop[l->loop - 1];

            for (int64_t t = 0; t < loop->times && !st; t++)
                for (int j = loop->first; j < loop->last && !st; j++)
                    if (!is_empty(&e->recorder.launch[j]))
                        st = enqueue(e, queue, slot, (size_t)j, loop->reverse ? loop->times - 1 - t : t);
            i = (size_t)loop->last;
        } else {
            if (!is_empty(l))
                st = enqueue(e, queue, slot, i, 0);
            i++;
        }
    }
    if (!st && event) {
        err = cl->EnqueueMarkerWithWaitList(queue, 0, NULL, event);
        if (err)
            st = qni_device_error(e->dev, err, "marking the end of a run");
    }
    return st;
}
