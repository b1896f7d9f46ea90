/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

static void *plain_alloc(void *user, size_t bytes)
{
    (void)user;
    return malloc(bytes);
}

static void *plain_realloc(void *user, void *p, size_t bytes)
{
    (void)user;
    return realloc(p, bytes);
}

static void plain_free(void *user, void *p)
{
    (void)user;
    free(p);
}

const char *qni_env(const qn_context *ctx, const char *name)
{
    const char *v = ctx->opt.no_environment ? NULL : getenv(name);

    return v && *v ? v : NULL;
}

/* Where programs are kept: the option, else $QUERN_CACHE, else $XDG_CACHE_HOME/quern, else ~/.cache/quern, else
 * %LOCALAPPDATA%/quern. */
static qn_status resolve_store(qn_context *ctx)
{
    struct qni_text t = { .ctx = ctx };
    const char *dir;

    if (ctx->opt.store_dir) {
        if (*ctx->opt.store_dir)
            qni_text_add(&t, "%s", ctx->opt.store_dir);
    } else if ((dir = qni_env(ctx, "QUERN_CACHE"))) {
        qni_text_add(&t, "%s", dir);
    } else if ((dir = getenv("XDG_CACHE_HOME")) && *dir == '/') {
        qni_text_add(&t, "%s/quern", dir);
    } else if ((dir = getenv("HOME")) && *dir == '/') {
        qni_text_add(&t, "%s/.cache/quern", dir);
    } else if ((dir = getenv("LOCALAPPDATA")) && *dir) { /* Windows's */
        qni_text_add(&t, "%s/quern", dir);
    }
    ctx->store_dir = t.data;
    ctx->opt.store_dir = NULL;
    return t.status;
}

qn_status qn_context_create(qn_context **out, const qn_context_opt *opt)
{
    qn_context_opt o = { 0 };
    qn_context *ctx = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (opt)
        o = *opt;
    for (size_t i = 0; i < QNI_COUNT(o.reserved); i++)
        if (o.reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the context's options is not zero", i);
    if (!!o.alloc != !!o.realloc || !!o.alloc != !!o.free)
        return qni_error(QN_E_ARG, "set all of alloc, realloc and free, or none");
    if (o.threads < 0)
        return qni_error(QN_E_ARG, "threads is %d, expected 0 or more", o.threads);
    if (o.launch_ms < -1)
        return qni_error(QN_E_ARG, "launch_ms is %d, expected -1 or more", o.launch_ms);
    if (o.matmul < QN_MATMUL_F32 || o.matmul > QN_MATMUL_F16)
        return qni_error(QN_E_ARG, "matmul is %d, expected 0 to %d", (int)o.matmul, (int)QN_MATMUL_F16);
    if (!o.alloc) {
        o.alloc = plain_alloc;
        o.realloc = plain_realloc;
        o.free = plain_free;
    }
    ctx = o.alloc(o.user, sizeof(*ctx));
    if (!ctx)
        return qni_error(QN_E_HOST_MEMORY, "no memory for a context (%zu bytes)", sizeof(*ctx));
    memset(ctx, 0, sizeof(*ctx));
    ctx->opt = o;
    atomic_init(&ctx->references, 1);
    if (pthread_mutex_init(&ctx->lock, NULL)) {
        o.free(o.user, ctx);
        return qni_error(QN_E_HOST_MEMORY, "no memory for a lock");
    }
    st = resolve_store(ctx);
    if (st)
        qni_context_release(&ctx);
    *out = ctx;
    return st;
}

void qn_context_destroy(qn_context **ctx)
{
    if (ctx)
        qni_context_release(ctx);
}

qn_context *qni_context_retain(qn_context *ctx)
{
    atomic_fetch_add_explicit(&ctx->references, 1, memory_order_relaxed);
    return ctx;
}

void qni_context_release(qn_context **ctx)
{
    qn_context *c = *ctx;

    *ctx = NULL;
    if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
        return;
    if (c->cl_unload)
        c->cl_unload(c->cl, c);
    qni_free(c, &c->store_dir);
    pthread_mutex_destroy(&c->lock);
    c->opt.free(c->opt.user, c);
}

qn_status qni_context_get(qn_context **out, qn_context *ctx)
{
    if (!ctx)
        return qn_context_create(out, NULL);
    *out = qni_context_retain(ctx);
    return QN_OK;
}

int qni_thread_limit(const qn_context *ctx)
{
    long cores = 1;

    if (ctx->opt.threads > 0)
        return ctx->opt.threads;
#ifdef __linux__
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set);
#endif
    cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 1 ? (int)cores : 1;
}

void qni_log(const qn_context *ctx, qn_log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;

    if (!ctx->opt.log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ctx->opt.log(ctx->opt.user, level, line);
}

void *qn_context_alloc(const qn_context *ctx, size_t bytes)
{
    void *p = NULL;

    if (!ctx)
        qni_error(QN_E_ARG, "the context is NULL");
    else
        qni_calloc(ctx, &p, bytes, 1); /* p stays NULL on failure */
    return p;
}

void qn_context_free(const qn_context *ctx, void *p)
{
    if (ctx)
        qni_free(ctx, &p);
}

const char *qn_context_env(const qn_context *ctx, const char *name)
{
    return ctx && name ? qni_env(ctx, name) : NULL;
}
