/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A step: feed, submit. No allocation, no argument, no wait but for a free slot. */
#include "graph/plan.h"

/* What went wrong in or after an update leaves weights that nobody may read. */
static qn_status step_failed(struct qni_plan *p, qn_status st)
{
    if (st && p->updates_weights)
        p->state->torn = true;
    return st;
}

static qn_status await(struct qni_plan *p, int slot)
{
    const struct qni_cl *cl = p->dev->cl;
    cl_int err;

    if (!p->done[slot])
        return QN_OK;
    err = cl->WaitForEvents(1, &p->done[slot]);
    cl->ReleaseEvent(p->done[slot]);
    p->done[slot] = NULL;
    return err ? step_failed(p, qni_device_error(p->dev, err, "waiting for a step")) : QN_OK;
}

qn_status qni_plan_begin(struct qni_plan *p, int *slot)
{
    qn_status st = qni_device_check(p->dev);

    if (st)
        return st;
    *slot = p->next;
    p->next = (p->next + 1) % QNI_PLAN_SLOTS;
    return await(p, *slot);
}

qn_status qni_plan_feed(struct qni_plan *p, int slot, size_t input, const void *from, size_t bytes)
{
    const struct qni_plan_input *in;
    cl_int err;

    if (input >= p->inputs)
        return qni_error(QN_E_ARG, "the plan has %zu inputs, not a number %zu", p->inputs, input);
    in = &p->input[input];
    if (in->bound)
        return qni_error(QN_E_STATE, "input %zu is a tensor and takes no array", input);
    if (bytes != in->bytes)
        return qni_error(QN_E_SHAPE, "input %zu has %zu bytes, planned for %zu", input, bytes, in->bytes);
    if (!bytes)
        return QN_OK;
    err = p->dev->cl->EnqueueWriteBuffer(p->dev->upload, in->storage[slot]->mem, CL_FALSE, in->storage[slot]->offset, bytes,
                                         from, 0, NULL, NULL);
    return err ? qni_device_error(p->dev, err, "uploading input %zu", input) : QN_OK;
}

/* Pack what the weights' last change made stale. */
static qn_status prepare(struct qni_plan *p)
{
    qn_status st = QN_OK;

    if (p->prepare && p->prepared != p->state->version)
        st = qni_exec_run(p->exec, p->dev->queue, 0, 0, p->prepare, 0, NULL, NULL);
    if (!st)
        p->prepared = p->state->version;
    return st;
}

static qn_status submit(struct qni_plan *p, int slot)
{
    const struct qni_cl *cl = p->dev->cl;
    cl_event uploaded = NULL;
    cl_int err;
    qn_status st;

    err = cl->EnqueueWriteBuffer(p->dev->upload, p->step[slot]->mem, CL_FALSE, p->step[slot]->offset,
                                 sizeof(p->words[slot]), p->words[slot], 0, NULL, &uploaded);
    if (err)
        return qni_device_error(p->dev, err, "writing the step block");
    if ((err = cl->Flush(p->dev->upload))) {
        st = qni_device_error(p->dev, err, "flushing the upload queue");
        goto done;
    }
    qni_pace_begin(p->exec);
    p->exec->cancel = p->cancel;
    if ((st = prepare(p)))
        goto done;
    if ((st = qni_exec_run(p->exec, p->dev->queue, slot, p->segment[0], p->segment[QNI_SEGMENT_UPDATE], 1, &uploaded, NULL)))
        goto done;
    p->exec->cancel = NULL; /* half an update would be none of the steps' weights */
    st = qni_exec_run(p->exec, p->dev->queue, slot, p->segment[QNI_SEGMENT_UPDATE], p->segment[QNI_SEGMENTS], 0, NULL,
                      &p->done[slot]);
    if (!st && (err = cl->Flush(p->dev->queue)))
        st = qni_device_error(p->dev, err, "flushing the queue");
    step_failed(p, st);
    if (p->updates_weights)
        p->state->version++;
done:
    cl->ReleaseEvent(uploaded);
    return st;
}

/* A driver that keeps kernels itself compiles them now, at their first launch: of processes that start together one
 * does it, and the others find them. */
static qn_status submit_first(struct qni_plan *p, int slot)
{
    int lock = qni_store_lock(p->dev->ctx, p->exec->built_key, QNI_STORE_LOCK_MS);
    qn_status st;

    p->compiled = true;
    st = submit(p, slot);
    if (!st && lock >= 0)
        st = step_failed(p, qni_queue_finish(p->dev, p->dev->queue));
    qni_store_unlock(lock);
    return st;
}

qn_status qni_plan_submit(struct qni_plan *p, int slot)
{
    return p->compiled ? submit(p, slot) : submit_first(p, slot);
}

qn_status qni_plan_read(struct qni_plan *p, size_t output, void *to, size_t bytes, bool block, cl_event *event)
{
    const struct qni_plan_output *o;
    cl_int err;

    if (output >= p->outputs)
        return qni_error(QN_E_ARG, "the plan has %zu outputs, not a number %zu", p->outputs, output);
    o = &p->output[output];
    if (bytes != o->bytes)
        return qni_error(QN_E_SHAPE, "output %zu has %zu bytes, found %zu", output, o->bytes, bytes);
    if (!bytes)
        return QN_OK;
    err = p->dev->cl->EnqueueReadBuffer(p->dev->queue, o->mem, block, o->offset, bytes, to, 0, NULL, event);
    return err ? qni_device_error(p->dev, err, "reading output %zu", output) : QN_OK;
}

qn_status qni_plan_finish(struct qni_plan *p)
{
    qn_status st = QN_OK, one;

    for (int s = 0; s < QNI_PLAN_SLOTS; s++)
        if ((one = await(p, s)) && !st)
            st = one;
    if ((one = qni_queue_finish(p->dev, p->dev->upload)) && !st)
        st = one;
    if ((one = qni_queue_finish(p->dev, p->dev->queue)) && !st)
        st = one;
    return step_failed(p, st);
}
