/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * An open device: its context, its two queues, and who keeps it alive. */
#include "device/qualify.h"

#include <quern/cl.h>

#define LONG_NS       50000000 /* two of which are no longer than a cancellation may take */
#define GPU_LAUNCH_MS 1000 /* half of what Windows and many Linux drivers allow where a screen is drawn */

qn_device *qni_device_retain(qn_device *dev)
{
    atomic_fetch_add_explicit(&dev->references, 1, memory_order_relaxed);
    return dev;
}

static cl_int finish(qn_device *dev, cl_command_queue queue)
{
    cl_event marker = NULL;
    cl_int e;

    if (!(dev->caps.quirks & QNI_QUIRK_FINISH))
        return dev->cl->Finish(queue);
    if ((e = dev->cl->EnqueueMarkerWithWaitList(queue, 0, NULL, &marker)))
        return e;
    e = dev->cl->WaitForEvents(1, &marker);
    dev->cl->ReleaseEvent(marker);
    return e;
}

static void destroy(qn_device *dev)
{
    qn_context *ctx = dev->ctx;

    /* Copies to and from the host may still run; their memory must not outlive us by accident. */
    if (dev->queue && !dev->wrapped)
        (void)finish(dev, dev->queue);
    if (dev->upload && dev->upload != dev->queue)
        (void)finish(dev, dev->upload);
    if (dev->programs_destroy)
        dev->programs_destroy(dev);
    qni_pool_destroy(&dev->pool, dev);
    if (dev->upload)
        dev->cl->ReleaseCommandQueue(dev->upload);
    if (dev->queue)
        dev->cl->ReleaseCommandQueue(dev->queue);
    if (dev->context)
        dev->cl->ReleaseContext(dev->context);
    pthread_mutex_destroy(&dev->lock);
    qni_free(ctx, &dev->build_log);
    qni_free(ctx, &dev);
    qni_context_release(&ctx);
}

void qni_device_release(qn_device **dev)
{
    qn_device *d = *dev;

    *dev = NULL;
    if (d && atomic_fetch_sub_explicit(&d->references, 1, memory_order_acq_rel) == 1)
        destroy(d);
}

void qn_device_close(qn_device **dev)
{
    if (dev)
        qni_device_release(dev);
}

/* A device with nothing but its context of ours; from here on destroy() cleans up. */
static qn_status start(qn_device **out, qn_context *ctx)
{
    qn_status st;
    qn_device *dev = NULL;

    if ((st = qni_calloc(ctx, &dev, 1, sizeof(*dev))))
        return st;
    atomic_init(&dev->references, 1);
    atomic_init(&dev->lost, false);
    if (pthread_mutex_init(&dev->lock, NULL)) {
        qni_free(ctx, &dev);
        return qni_error(QN_E_HOST_MEMORY, "no memory for a lock");
    }
    dev->ctx = qni_context_retain(ctx);
    *out = dev;
    return QN_OK;
}

/* The second queue, or the first once more where two are unsafe. */
static qn_status make_upload(qn_device *dev)
{
    cl_int e = CL_SUCCESS;

    if (dev->caps.quirks & QNI_QUIRK_ONE_QUEUE) {
        if ((e = dev->cl->RetainCommandQueue(dev->queue)))
            return qni_cl_error(e, "retaining the queue");
        dev->upload = dev->queue;
        return QN_OK;
    }
    dev->upload = dev->cl->CreateCommandQueue(dev->context, dev->id, 0, &e);
    return dev->upload ? QN_OK : qni_cl_error(e, "making the upload queue of %s", dev->caps.name);
}

/* The most a launch is to take: by the context's option, $QUERN_LAUNCH_MS, or the kind of device. */
static qn_status find_limit(qn_device *dev)
{
    const char *text = qni_env(dev->ctx, "QUERN_LAUNCH_MS");
    double ms = dev->ctx->opt.launch_ms;

    if (!(ms < 0 || ms > 0) && text && !qni_parse_number(text, strlen(text), &ms))
        return qni_error(QN_E_ARG, "QUERN_LAUNCH_MS is '%s', expected milliseconds", text);
    if (!(ms < 0 || ms > 0) && dev->caps.type == CL_DEVICE_TYPE_GPU)
        ms = GPU_LAUNCH_MS;
    dev->long_ns = LONG_NS;
    dev->launch_ns = ms > 0 ? (uint64_t)(QNI_MIN(ms, 1e9) * 1e6) : 0;
    return QN_OK;
}

bool qni_matmul_read(qn_matmul *out, const char *text)
{
    static const char *const names[] = {
        [QN_MATMUL_F32] = "f32", [QN_MATMUL_TF32] = "tf32", [QN_MATMUL_BF16] = "bf16", [QN_MATMUL_F16] = "f16" };

    for (size_t i = 0; i < QNI_COUNT(names); i++)
        if (!strcmp(text, names[i])) {
            *out = (qn_matmul)i;
            return true;
        }
    return false;
}

/* What operands may be rounded to: by the context's option or $QUERN_MATMUL. */
static qn_status find_matmul(qn_device *dev)
{
    const char *text = qni_env(dev->ctx, "QUERN_MATMUL");

    dev->caps.matmul = dev->ctx->opt.matmul;
    return dev->caps.matmul || !text || qni_matmul_read(&dev->caps.matmul, text)
               ? QN_OK
               : qni_error(QN_E_ARG, "QUERN_MATMUL is '%s', expected f32, tf32, bf16 or f16", text);
}

/* Choose a device; one that was never tested is tested first where that is wanted, and may then be another. */
static qn_status choose(struct qni_found **found, size_t *chosen, qn_context *ctx, const struct qni_cl *cl, const char *select)
{
    size_t count = 0;
    qn_status st;

    if ((st = qni_device_find(found, &count, ctx, cl)) || (st = qni_device_choose(chosen, ctx, *found, count, select)))
        return st;
    while (!st && qni_qualify_first(ctx, &(*found)[*chosen]) && qni_qualify_once(&(*found)[*chosen], ctx))
        st = qni_device_choose(chosen, ctx, *found, count, select);
    return st;
}

static void log_verdict(qn_context *ctx, const struct qni_caps *caps)
{
    struct qni_verdict v;

    if (caps->verdict != QN_VERDICT_PARTLY)
        return;
    qni_verdict_get(&v, ctx, caps);
    for (size_t i = 0; i < v.findings; i++)
        qni_log(ctx, QN_LOG_INFO, "%s: %s %s: %s", caps->name, v.finding[i].name,
                v.finding[i].algorithm ? "is left out" : "failed", v.finding[i].reason);
}

static qn_status open_device(qn_device **out, qn_context *ctx, const char *select, bool measuring)
{
    qn_status st;
    qn_context *c = NULL;
    qn_device *dev = NULL;
    struct qni_found *found = NULL;
    size_t i = 0;
    cl_int e = CL_SUCCESS;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = qni_context_get(&c, ctx)) || (st = start(&dev, c)) || (st = qni_cl_get(&dev->cl, c)) ||
        (st = choose(&found, &i, c, dev->cl, select)))
        goto done;

    dev->platform = found[i].platform;
    dev->id = found[i].id;
    dev->caps = found[i].caps;
    dev->info = found[i].info;
    dev->profiling = measuring || qni_env(c, "QUERN_PROFILE");
    dev->context = dev->cl->CreateContext(
        (cl_context_properties[]){ CL_CONTEXT_PLATFORM, (cl_context_properties)dev->platform, 0 }, 1, &dev->id, NULL,
        NULL, &e);
    if (!dev->context) {
        st = qni_cl_error(e, "making a context on %s", dev->caps.name);
        goto done;
    }
    dev->queue = dev->cl->CreateCommandQueue(dev->context, dev->id, dev->profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &e);
    if (!dev->queue) {
        st = qni_cl_error(e, "making a queue on %s", dev->caps.name);
        goto done;
    }
    if ((st = make_upload(dev)) || (st = qni_pool_create(&dev->pool, dev)) || (st = find_limit(dev)) ||
        (st = find_matmul(dev)))
        goto done;
    qni_log(c, QN_LOG_INFO, "device %d:%d %s, %s", found[i].info.platform_index, found[i].info.device_index,
            dev->caps.name, found[i].info.reason);
    log_verdict(c, &dev->caps);
    *out = dev;
    dev = NULL;
done:
    qn_device_close(&dev);
    if (c) {
        qni_free(c, &found);
        qni_context_release(&c);
    }
    return st;
}

qn_status qn_device_open(qn_device **out, qn_context *ctx, const char *select)
{
    return open_device(out, ctx, select, false);
}

qn_status qni_device_open_measuring(qn_device **out, qn_context *ctx, const char *select)
{
    return open_device(out, ctx, select, true);
}

/* The device, context and properties of an application's queue, checked. */
static qn_status inspect_queue(qn_device *dev, cl_context context, cl_command_queue queue)
{
    cl_command_queue_properties properties = 0;
    cl_context of = NULL;
    cl_int e;

    if ((e = dev->cl->GetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(of), &of, NULL)) ||
        (e = dev->cl->GetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof(dev->id), &dev->id, NULL)) ||
        (e = dev->cl->GetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof(properties), &properties, NULL)) ||
        (e = dev->cl->GetDeviceInfo(dev->id, CL_DEVICE_PLATFORM, sizeof(dev->platform), &dev->platform, NULL)))
        return qni_cl_error(e, "asking the application's queue");
    if (of != context)
        return qni_error(QN_E_ARG, "the queue belongs to another context");
    if (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
        return qni_error(QN_E_ARG, "the queue is out of order, and Quern needs one that is in order");
    dev->profiling = properties & CL_QUEUE_PROFILING_ENABLE;
    return QN_OK;
}

qn_status qn_device_wrap(qn_device **out, qn_context *ctx, cl_context context, cl_command_queue queue)
{
    qn_status st;
    qn_context *c = NULL;
    qn_device *dev = NULL;
    const char reason[] = "the application's own", *why;
    cl_int e;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!context || !queue)
        return qni_error(QN_E_ARG, "%s is NULL", context ? "queue" : "context");
    if ((st = qni_context_get(&c, ctx)) || (st = start(&dev, c)) || (st = qni_cl_get(&dev->cl, c)))
        goto done;
    dev->wrapped = true;
    if ((st = inspect_queue(dev, context, queue)) ||
        (st = qni_caps_probe(&dev->caps, c, dev->cl, dev->platform, dev->id)))
        goto done;
    qni_verdict_use(&dev->caps, c);
    if ((why = qni_caps_unusable(&dev->caps))) {
        st = qni_error(QN_E_UNSUPPORTED, "device %s cannot be used: %s", dev->caps.name, why);
        goto done;
    }
    if ((e = dev->cl->RetainContext(context))) {
        st = qni_cl_error(e, "retaining the application's context");
        goto done;
    }
    dev->context = context;
    if ((e = dev->cl->RetainCommandQueue(queue))) {
        st = qni_cl_error(e, "retaining the application's queue");
        goto done;
    }
    dev->queue = queue;
    if ((st = make_upload(dev)) || (st = qni_pool_create(&dev->pool, dev)) || (st = find_limit(dev)) ||
        (st = find_matmul(dev)))
        goto done;
    qni_device_info(&dev->info, &dev->caps);
    dev->info.usable = dev->info.chosen = true;
    dev->info.platform_index = dev->info.device_index = -1;
    memcpy(dev->info.reason, reason, sizeof(reason));
    *out = dev;
    dev = NULL;
done:
    qn_device_close(&dev);
    if (c)
        qni_context_release(&c);
    return st;
}

cl_context qn_device_cl_context(const qn_device *dev)
{
    return dev ? dev->context : NULL;
}

cl_command_queue qn_device_cl_queue(const qn_device *dev)
{
    return dev ? dev->queue : NULL;
}

qn_status qn_device_get_info(const qn_device *dev, qn_device_info *out)
{
    if (!dev || !out)
        return qni_error(QN_E_ARG, "%s is NULL", dev ? "out" : "dev");
    *out = dev->info;
    return QN_OK;
}

qn_status qn_device_memory(qn_device *dev, uint64_t *current, uint64_t *peak)
{
    if (!dev)
        return qni_error(QN_E_ARG, "dev is NULL");
    qni_pool_bytes(dev, current, peak, NULL);
    return QN_OK;
}

const char *qn_device_build_log(qn_device *dev)
{
    const char *log;

    if (!dev)
        return "";
    pthread_mutex_lock(&dev->lock);
    log = dev->build_log ? dev->build_log : "";
    pthread_mutex_unlock(&dev->lock);
    return log;
}

qn_status qni_queue_finish(qn_device *dev, cl_command_queue queue)
{
    /* Tried on a lost device too: what it copies from or to is about to be given back. */
    cl_int e = finish(dev, queue);

    if (atomic_load(&dev->lost))
        return qni_device_check(dev);
    return e ? qni_device_error(dev, e, "waiting for %s", dev->caps.name) : QN_OK;
}

qn_status qn_device_finish(qn_device *dev)
{
    qn_status st;

    if (!dev)
        return qni_error(QN_E_ARG, "dev is NULL");
    if ((st = qni_queue_finish(dev, dev->upload)))
        return st;
    return qni_queue_finish(dev, dev->queue);
}
