/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * How fast a device is: two kernels of cl/measure/speed.cl, timed by the host's clock, their results checked. */
#include <inttypes.h>
#include <time.h>

#include "program/program.h"

#define MOVE          0 /* launches */
#define COMPUTE       1
#define VECTORS       64        /* that a work-item moves */
#define FEWEST_BYTES  (UINT64_C(64) << 20)
#define MOST_BYTES    (UINT64_C(256) << 20)
#define ENOUGH        0.03      /* seconds a timing lasts at least */
#define LONGEST_KERNEL 0.01     /* no launch is made longer once it takes this: displays wait for it */
#define MOST_ROUNDS   (1 << 20) /* so that every value is exact */
#define TIMINGS       3
#define CHAINS        8
#define START         1.5f
#define SAMPLES       1024

struct measurement {
    qn_device *dev;
    struct qni_exec *exec;
    struct qni_storage *x, *y;
    struct qni_bind bind[2];
    int64_t items, lanes, count, group;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* More than the caches hold, as far as there is memory. */
static int64_t choose_count(const struct measurement *m)
{
    const struct qni_caps *c = &m->dev->caps;
    cl_ulong cache = 0;
    uint64_t bytes = FEWEST_BYTES, piece = (uint64_t)(m->group * m->lanes * VECTORS) * sizeof(float);

    if (!m->dev->cl->GetDeviceInfo(m->dev->id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof(cache), &cache, NULL))
        bytes = QNI_MIN(QNI_MAX(bytes, cache), MOST_BYTES);
    bytes = QNI_MIN(bytes, QNI_MIN(c->alloc_bytes / 2, c->global_bytes / 8));
    return (int64_t)(QNI_MAX(bytes / piece, 1) * piece / sizeof(float));
}

static void record(struct measurement *m, struct qni_recorder *r)
{
    const int64_t local[1] = { m->group };
    struct qni_launch *l = qni_launch_add(r, "measure/speed", "move");

    qni_define(r, l, "QN_V", m->lanes);
    qni_in(r, l, 0, QN_F32);
    qni_out(r, l, 1, QN_F32);
    qni_i64(r, l, VECTORS);
    qni_f32(r, l, 2);
    qni_grid(r, l, 1, (int64_t[]){ m->count / (VECTORS * m->lanes * m->group) }, local);

    l = qni_launch_add(r, "measure/speed", "compute");
    qni_define(r, l, "QN_V", m->lanes);
    qni_in(r, l, 0, QN_F32);
    qni_out(r, l, 1, QN_F32);
    qni_i32(r, l, 1);
    qni_f32(r, l, 1);
    qni_f32(r, l, 1);
    qni_grid(r, l, 1, (int64_t[]){ m->items / m->group }, local);
}

static qn_status prepare(struct measurement *m)
{
    const struct qni_caps *c = &m->dev->caps;
    const bool cpu = c->shape == QNI_CPU_SHAPED;
    struct qni_recorder r;
    const float start = START;
    cl_int e;
    qn_status st;

    m->group = 1;
    while (!cpu && m->group < 256 && (size_t)m->group * 2 <= QNI_MIN(c->group_items, c->group_size[0]))
        m->group *= 2;
    m->lanes = cpu ? c->vector : 4;
    m->count = choose_count(m);
    m->items = QNI_MIN((int64_t)c->units * (cpu ? 4 : 64) * m->group, m->count / m->group * m->group);
    qni_recorder_init(&r, m->dev->ctx);
    record(m, &r);
    if ((st = qni_exec_create(&m->exec, m->dev, &r, 1, NULL)) ||
        (st = qni_storage_create_alone(&m->x, m->dev, (size_t)m->count * sizeof(float))) ||
        (st = qni_storage_create_alone(&m->y, m->dev, (size_t)m->count * sizeof(float))))
        goto done;
    m->bind[0] = (struct qni_bind){ m->x->mem, m->x->offset };
    m->bind[1] = (struct qni_bind){ m->y->mem, m->y->offset };
    e = m->dev->cl->EnqueueFillBuffer(m->dev->queue, m->x->mem, &start, sizeof(start), m->x->offset, m->x->bytes, 0, NULL, NULL);
    if (e)
        st = qni_device_error(m->dev, e, "filling %zu bytes", m->x->bytes);
done:
    qni_recorder_free(&r);
    return st;
}

static qn_status run(struct measurement *m, size_t launch, int times, double *seconds)
{
    qn_status st = QN_OK;
    const double begun = now();

    for (int i = 0; i < times && !st; i++)
        st = qni_exec_run(m->exec, m->dev->queue, 0, launch, launch + 1, 0, NULL, NULL);
    if (!st)
        st = qni_queue_finish(m->dev, m->dev->queue);
    *seconds = QNI_MAX(now() - begun, 1e-9);
    return st;
}

/* The least time of one launch, several enqueued together where one is short. */
static qn_status time_launch(struct measurement *m, size_t launch, double *best)
{
    double seconds = 0;
    int times = 1;
    qn_status st = run(m, launch, 1, &seconds); /* the first one may still compile */

    while (!st && !(st = run(m, launch, times, &seconds)) && seconds < ENOUGH && times < 1 << 14)
        times *= 2;
    *best = seconds / times;
    for (int i = 1; i < TIMINGS && !st; i++)
        if (!(st = run(m, launch, times, &seconds)))
            *best = QNI_MIN(*best, seconds / times);
    return st;
}

/* Every one of the first values is what it must be: a device that is fast and wrong is not measured. */
static qn_status check(struct measurement *m, float first, bool cycle)
{
    float got[SAMPLES];
    const int64_t n = QNI_MIN(cycle ? m->items : m->count, (int64_t)SAMPLES);
    cl_int e = m->dev->cl->EnqueueReadBuffer(m->dev->queue, m->y->mem, CL_TRUE, m->y->offset, (size_t)n * sizeof(float), got, 0,
                                             NULL, NULL);

    if (e)
        return qni_device_error(m->dev, e, "reading what was measured");
    for (int64_t i = 0; i < n; i++)
        if (got[i] != first + (cycle ? (float)(i & 7) : 0))
            return qni_error(QN_E_DEVICE, "%s computes wrongly: element %" PRId64 " is %g instead of %g", m->dev->caps.name, i,
                             (double)got[i], (double)(first + (cycle ? (float)(i & 7) : 0)));
    return QN_OK;
}

/* More rounds until a launch is long enough for its start not to count. */
static qn_status choose_rounds(struct measurement *m, int64_t *rounds)
{
    double seconds = 0;
    qn_status st = QN_OK;

    for (*rounds = 64; !st; *rounds *= 4) {
        m->exec->recorder.launch[COMPUTE].arg[2].i = *rounds;
        if ((st = qni_exec_bind(m->exec, 0, m->bind, 2)) || (*rounds == 64 && (st = run(m, COMPUTE, 1, &seconds))) ||
            (st = run(m, COMPUTE, 1, &seconds)) || seconds >= LONGEST_KERNEL / 4 || *rounds * 4 > MOST_ROUNDS)
            break;
    }
    return st;
}

qn_status qn_device_measure(double *gflops, double *gbytes_per_s, qn_device *dev)
{
    struct measurement m = { .dev = dev };
    double move = 0, compute = 0;
    int64_t rounds = 0;
    qn_status st;

    if (!dev || !gflops || !gbytes_per_s)
        return qni_error(QN_E_ARG, "%s is NULL", !dev ? "dev" : gflops ? "gbytes_per_s" : "gflops");
    if ((st = qni_device_check(dev)) || (st = prepare(&m)) || (st = qni_exec_bind(m.exec, 0, m.bind, 2)) ||
        (st = time_launch(&m, MOVE, &move)) || (st = check(&m, 2 * START, false)) || (st = choose_rounds(&m, &rounds)) ||
        (st = time_launch(&m, COMPUTE, &compute)) || (st = check(&m, START + CHAINS - 1 + (float)rounds, true)))
        goto done;
    *gflops = 2e-9 * (double)(m.items * m.lanes * CHAINS * rounds) / compute;
    *gbytes_per_s = 1e-9 * 2 * sizeof(float) * (double)m.count / move;
    qni_speed_put(dev->ctx, &dev->caps, *gflops, *gbytes_per_s);
done:
    qni_storage_release(&m.x);
    qni_storage_release(&m.y);
    qni_exec_destroy(&m.exec);
    return st;
}
