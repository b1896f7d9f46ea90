/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A GPU that also draws a screen is reset when a launch takes some seconds. So where a device has a limit, a launch that
 * would take longer is made in pieces: parts of its grid, one after another, by the offset of global ids. Kernels know
 * their place by get_global_id alone, and work-groups by nothing, so the result has the same bits.
 *
 * How long a launch takes is measured, in its first run: in pieces that are waited for, from small ones on. One that seems
 * long is measured again in the next runs, since the driver may have compiled it or done something else meanwhile. After
 * that nothing is waited for, until a run has more work than AHEAD_NS, or the limit if that is less: then the host stays
 * twice as far ahead at most, so that it hears soon of a cancellation.
 *
 * Where there is no limit nothing is measured. There a run is taken to need what lies between the beginnings of runs that are
 * made without a pause, and a launch its part of that, by what it reads, writes and calculates. */
#include <time.h>

#include "device/device.h"
#include "program/program.h"

#define TRIES        3
#define AHEAD_NS     25e6
#define LAUNCH_BYTES 4096 /* what a launch counts that says nothing of itself */

void qni_cut_init(struct qni_cut *c, const struct qni_launch *l)
{
    *c = (struct qni_cut){ .all = l->call != NULL };
    for (int i = 0; i < 3 && !l->call; i++) {
        const size_t n = l->global[i] / l->local[i];

        if (n > c->all) {
            c->all = n;
            c->axis = i;
        }
    }
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static qn_status check_cancel(const struct qni_exec *e)
{
    if (e->cancel && atomic_load(e->cancel))
        return qni_error(QN_E_CANCELLED, "cancelled within a step, which does not count");
    return QN_OK;
}

/* Groups for the first piece: what keeps the device busy, or what is known to be short. */
static size_t first_piece(const struct qni_exec *e, const struct qni_launch *l, const struct qni_cut *c)
{
    double n = e->dev->caps.units;

    for (int i = 0; i < 3 && !l->call; i++)
        n /= (double)(l->global[i] / l->local[i]);
    n *= (double)c->all;
    if (c->group_ns > 0)
        n = QNI_MAX(n, (double)e->dev->launch_ns / 8 / c->group_ns);
    return n > 1 ? (size_t)n : 1;
}

static void learn(struct qni_cut *c, double ns, size_t groups)
{
    const double each = QNI_MAX(ns, 1) / (double)groups;

    if (c->group_ns <= 0 || c->group_ns > each)
        c->group_ns = each;
}

static void decide(struct qni_cut *c, double limit)
{
    c->tries++;
    if (c->group_ns * (double)c->all <= limit / 2)
        c->groups = c->all;
    else if (c->tries == TRIES)
        c->groups = QNI_MIN(QNI_MAX((size_t)(limit / 2 / c->group_ns), 1), c->all);
}

static qn_status try_pieces(struct qni_exec *e, cl_command_queue queue, int slot, size_t i, const size_t offset[3])
{
    const double limit = (double)e->dev->launch_ns;
    struct qni_cut *c = &e->cut[i];
    size_t n = first_piece(e, &e->recorder.launch[i], c), groups;
    qn_status st = qni_queue_finish(e->dev, queue); /* what was queued before is not its time */
    double begun, ns;

    for (size_t first = 0; first < c->all && !st; first += groups) {
        groups = QNI_MIN(n, c->all - first);
        begun = now_ns();
        if ((st = qni_exec_piece(e, queue, slot, i, offset, first, groups)) || (st = qni_queue_finish(e->dev, queue)))
            break;
        ns = now_ns() - begun;
        learn(c, ns, groups);
        if (ns < limit / 8)
            n *= 2;
        else if (ns > limit / 2)
            n = QNI_MAX(n / 2, 1);
        st = check_cancel(e);
    }
    if (!st)
        decide(c, limit);
    return st;
}

/* Between launches and pieces: where much work has been queued, wait until what was queued before it is done. */
static qn_status pace(struct qni_exec *e, cl_command_queue queue, double ns)
{
    const struct qni_cl *cl = e->dev->cl;
    const double limit = (double)e->dev->launch_ns;
    cl_event mark = NULL;
    cl_int err;

    e->ahead_ns += ns;
    if (e->ahead_ns < (limit > 0 ? QNI_MIN(limit, AHEAD_NS) : AHEAD_NS))
        return QN_OK;
    e->ahead_ns = 0;
    err = cl->EnqueueMarkerWithWaitList(queue, 0, NULL, &mark);
    if (!err)
        err = cl->Flush(queue);
    if (e->mark) {
        const cl_int waited = cl->WaitForEvents(1, &e->mark);

        err = err ? err : waited;
        cl->ReleaseEvent(e->mark);
    }
    e->mark = mark;
    return err ? qni_device_error(e->dev, err, "waiting for a part of a step") : check_cancel(e);
}

qn_status qni_pieces_run(struct qni_exec *e, cl_command_queue queue, int slot, size_t i, const size_t offset[3])
{
    const struct qni_cut *c = &e->cut[i];
    qn_status st = QN_OK;
    size_t groups;

    if (!c->groups)
        return try_pieces(e, queue, slot, i, offset);
    for (size_t first = 0; first < c->all && !st; first += groups) {
        groups = QNI_MIN(c->groups, c->all - first);
        if (!(st = qni_exec_piece(e, queue, slot, i, offset, first, groups)))
            st = pace(e, queue, (double)groups * c->group_ns);
    }
    return st;
}

/* ---- without a limit ---- */

/* In bytes. */
static double work_of(const struct qni_launch *l)
{
    return (double)l->bytes + (double)l->flops / QNI_SPEED_INTENSITY + LAUNCH_BYTES;
}

void qni_pace_init(struct qni_exec *e)
{
    for (size_t i = 0; i < e->recorder.launches; i++) {
        const struct qni_launch *l = &e->recorder.launch[i];

        e->work += work_of(l) * (l->loop ? (double)e->recorder.loop[l->loop - 1].times : 1);
    }
}

/* Of the last two the shorter: before one of them there may have been a pause. */
void qni_pace_begin(struct qni_exec *e)
{
    const double now = now_ns(), gap = e->begun_ns > 0 ? now - e->begun_ns : 0;

    e->run_ns = QNI_MIN(gap, e->gap_ns);
    e->gap_ns = gap;
    e->begun_ns = now;
}

qn_status qni_pace(struct qni_exec *e, cl_command_queue queue, size_t i)
{
    if (!e->cancel || e->run_ns < (double)e->dev->long_ns)
        return QN_OK;
    return pace(e, queue, e->run_ns * work_of(&e->recorder.launch[i]) / e->work);
}
