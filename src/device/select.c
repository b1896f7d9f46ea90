/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every device there is, and which one is meant. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "device/qualify.h"

/* ---- finding ---- */

/* A count a driver gave, before it sizes anything. */
#define MOST 4096

static qn_status get_platforms(cl_platform_id **out, cl_uint *count, qn_context *ctx, const struct qni_cl *cl)
{
    qn_status st = QN_OK;
    cl_uint n = 0;
    cl_int e = cl->GetPlatformIDs(0, NULL, &n);

    *out = NULL;
    *count = 0;
    if (e || n == 0) {
        if (e && e != CL_PLATFORM_NOT_FOUND_KHR)
            qni_log(ctx, QN_LOG_WARNING, "listing OpenCL platforms: %s", qni_cl_error_name(e));
        return QN_OK;
    }
    n = QNI_MIN(n, MOST);
    if ((st = qni_calloc(ctx, out, n, sizeof(**out))))
        return st;
    e = cl->GetPlatformIDs(n, *out, count);
    if (e) {
        qni_log(ctx, QN_LOG_WARNING, "listing OpenCL platforms: %s", qni_cl_error_name(e));
        *count = 0;
    }
    *count = QNI_MIN(*count, n);
    return QN_OK;
}

/* Many platforms have no device on most machines; a fault is a warning. */
static void warn_platform(qn_context *ctx, const struct qni_cl *cl, cl_platform_id platform, cl_int error)
{
    qn_log_level level = error == CL_DEVICE_NOT_FOUND ? QN_LOG_INFO : QN_LOG_WARNING;
    char name[128] = "";
    const char *hint = "";

    if (cl->GetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(name) - 1, name, NULL))
        snprintf(name, sizeof(name), "without a name");
    if (!strcmp(name, "Portable Computing Language")) {
        hint = " (PoCL does so when it cannot write its cache: see POCL_CACHE_DIR)";
        level = QN_LOG_WARNING;
    }
    qni_log(ctx, level, "OpenCL platform %s shows no device: %s%s", name, qni_cl_error_name(error), hint);
}

static qn_device_type info_type(cl_device_type type)
{
    switch (type) {
    case CL_DEVICE_TYPE_CPU:
        return QN_DEVICE_CPU;
    case CL_DEVICE_TYPE_GPU:
        return QN_DEVICE_GPU;
    case CL_DEVICE_TYPE_ACCELERATOR:
        return QN_DEVICE_ACCELERATOR;
    default:
        return QN_DEVICE_OTHER;
    }
}

void qni_device_info(qn_device_info *out, const struct qni_caps *caps)
{
    memcpy(out->platform, caps->platform, sizeof(out->platform));
    memcpy(out->name, caps->name, sizeof(out->name));
    memcpy(out->vendor, caps->vendor, sizeof(out->vendor));
    memcpy(out->driver, caps->driver, sizeof(out->driver));
    memcpy(out->version, caps->version, sizeof(out->version));
    out->type = info_type(caps->type);
    out->global_bytes = caps->global_bytes;
    out->alloc_bytes = caps->alloc_bytes;
    out->local_bytes = caps->local_bytes;
    out->compute_units = caps->units;
    out->clock_mhz = caps->clock_mhz;
    out->group_items = caps->group_items;
    out->free_bytes = caps->free_bytes;
    memcpy(out->uuid, caps->uuid, sizeof(out->uuid));
    memcpy(out->pci, caps->pci, sizeof(out->pci));
    out->verdict = caps->verdict;
}

/* Append one platform's devices. */
static qn_status add_platform(struct qni_found **found, size_t *count, size_t *capacity, qn_context *ctx,
                              const struct qni_cl *cl, cl_platform_id platform, int index)
{
    qn_status st = QN_OK;
    cl_device_id *ids = NULL;
    cl_uint n = 0, got = 0;
    cl_int e = cl->GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n);

    if (e || n == 0) {
        warn_platform(ctx, cl, platform, e ? e : CL_DEVICE_NOT_FOUND);
        goto done;
    }
    n = QNI_MIN(n, MOST);
    if ((st = qni_calloc(ctx, &ids, n, sizeof(*ids))))
        goto done;
    if ((e = cl->GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, ids, &got))) {
        warn_platform(ctx, cl, platform, e);
        goto done;
    }
    for (cl_uint i = 0; i < QNI_MIN(n, got); i++) {
        struct qni_found *f;

        if ((st = qni_reserve(ctx, found, capacity, *count, sizeof(**found))))
            goto done;
        f = &(*found)[(*count)++];
        memset(f, 0, sizeof(*f));
        f->platform = platform;
        f->id = ids[i];
        f->info.platform_index = index;
        f->info.device_index = (int)i;
        st = qni_caps_probe(&f->caps, ctx, cl, platform, ids[i]);
        if (st && st != QN_E_DEVICE)
            goto done;
        if (st)
            f->caps.available = false;
        st = QN_OK;
        qni_verdict_use(&f->caps, ctx);
        qni_device_info(&f->info, &f->caps);
        qni_speed_get(&f->info, ctx, &f->caps);
    }
done:
    qni_free(ctx, &ids);
    return st;
}

qn_status qni_device_find(struct qni_found **out, size_t *count, qn_context *ctx, const struct qni_cl *cl)
{
    qn_status st;
    struct qni_found *found = NULL;
    cl_platform_id *platforms = NULL;
    cl_uint n = 0;
    size_t used = 0, capacity = 0;

    *out = NULL;
    *count = 0;
    if ((st = get_platforms(&platforms, &n, ctx, cl)))
        goto done;
    for (cl_uint i = 0; i < n; i++)
        if ((st = add_platform(&found, &used, &capacity, ctx, cl, platforms[i], (int)i)))
            goto done;
    *out = found;
    *count = used;
    found = NULL;
done:
    qni_free(ctx, &platforms);
    qni_free(ctx, &found);
    return st;
}

/* ---- scoring ---- */

/* f32 multiply-adds a compute unit starts in a cycle; a rough figure that only has to rank. */
static double lanes(const struct qni_caps *caps)
{
    static const struct {
        const char *vendor;
        double lanes;
    } vendors[] = {
        { "nvidia", 128 }, { "advanced micro", 64 }, { "amd", 64 }, { "intel", 16 }, { "apple", 128 },
    };

    if (caps->type == CL_DEVICE_TYPE_CPU)
        return caps->vector;
    for (size_t i = 0; i < QNI_COUNT(vendors); i++)
        if (strcasestr(caps->vendor, vendors[i].vendor))
            return vendors[i].lanes;
    return 32;
}

/* Rank first (thousands of thousands), then estimated speed; a device of last resort ranks below its kind. */
static void score(struct qni_found *f)
{
    static const char *const kinds[] = { "other", "CPU", "accelerator", "integrated GPU", "dedicated GPU" };
    const struct qni_caps *caps = &f->caps;
    const char *why = qni_caps_unusable(caps);
    unsigned clock = caps->clock_mhz ? caps->clock_mhz : 1000;
    double gflops = 2e-3 * caps->units * clock * lanes(caps);
    int rank = caps->type == CL_DEVICE_TYPE_GPU ? (caps->unified ? 3 : 4)
               : caps->type == CL_DEVICE_TYPE_ACCELERATOR ? 2
               : caps->type == CL_DEVICE_TYPE_CPU ? 1 : 0;
    char text[sizeof(f->info.reason)];

    f->info.usable = !why;
    if (why) {
        snprintf(f->info.reason, sizeof(f->info.reason), "not usable: %s", why);
        return;
    }
    if (caps->quirks & QNI_QUIRK_LAST)
        gflops /= 100;
    f->info.score = 1e6 * rank + QNI_MIN(gflops, 999999.0);
    snprintf(text, sizeof(text), "%s, %u units at %u MHz%s, about %.0f GFLOP/s%s", kinds[rank], caps->units, clock,
             caps->clock_mhz ? "" : " (assumed)", gflops,
             caps->quirks & QNI_QUIRK_LAST ? " after a hundredfold discount for a slow implementation" : "");
    snprintf(f->info.reason, sizeof(f->info.reason), "%s", text);
}

/* ---- choosing ---- */

/* Is this device meant? A tool is only meant by what names it. */
static bool meant(const struct qni_expr *e, const struct qni_found *f, size_t index)
{
    bool named, fits = qni_expr_fits(e, f, index, &named);

    return fits && (named || !(f->caps.quirks & QNI_QUIRK_ASK));
}

/* "0:0 Portable Computing Language, pthread-...; 1:0 ..." */
static void list_names(char *text, size_t bytes, const struct qni_found *found, size_t count)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count && used < bytes; i++) {
        const qn_device_info *d = &found[i].info;
        int n = snprintf(text + used, bytes - used, "%s%d:%d %s, %s%s", i ? "; " : "", d->platform_index,
                         d->device_index, d->platform, d->name, d->usable ? "" : " (not usable)");

        used += n > 0 ? (size_t)n : 0;
    }
}

static qn_status nothing_fits(const struct qni_expr *e, const struct qni_found *found, size_t count, const char *origin)
{
    char names[600];
    const char *but = "";
    bool named;

    if (!count)
        return qni_error(QN_E_NO_DEVICE, "OpenCL is installed but shows no device: install a driver, on Debian and "
                         "Ubuntu pocl-opencl-icd (any CPU), intel-opencl-icd, mesa-opencl-icd or your vendor's driver");
    for (size_t i = 0; i < count; i++)
        if (meant(e, &found[i], i) && !found[i].info.usable)
            return qni_error(QN_E_NO_DEVICE, "device %s (%s) is %s", found[i].caps.name, found[i].caps.platform,
                             found[i].info.reason);
    list_names(names, sizeof(names), found, count);
    if (e->anything)
        return qni_error(QN_E_NO_DEVICE, "no device is chosen by itself; name one of: %s", names);
    for (size_t i = 0; i < count; i++)
        if (qni_expr_fits(e, &found[i], i, &named))
            but = " but tools that must be named";
    return qni_error(QN_E_NO_DEVICE, "no device fits '%.200s'%s%s; there are: %s", e->text, origin, but, names);
}

/* Put a sentence before the score's parts. */
static void explain(qn_device_info *info, const char *format, ...) QNI_PRINTF(2, 3);
static void explain(qn_device_info *info, const char *format, ...)
{
    char text[sizeof(info->reason)], old[sizeof(info->reason)];
    size_t used;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    memcpy(old, info->reason, sizeof(old));
    snprintf(info->reason, sizeof(info->reason), "%s", text);
    used = strlen(info->reason);
    snprintf(info->reason + used, sizeof(info->reason) - used, ": %s", old);
}

/* The shortest of the ways to name a device that fits no other one. */
static void name_devices(struct qni_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct qni_caps *c = &found[i].caps;
        qn_device_info *info = &found[i].info;
        bool uuid = *c->uuid, pci = *c->pci, name = *c->name && *c->platform && !strpbrk(c->name, "\"\t\n\r") &&
                                                    !strpbrk(c->platform, "\"\t\n\r");

        for (size_t k = 0; k < count; k++) {
            const struct qni_caps *other = &found[k].caps;

            uuid = uuid && (k == i || strcmp(c->uuid, other->uuid));
            pci = pci && (k == i || strcmp(c->pci, other->pci));
            name = name && (k == i || strcasecmp(c->name, other->name) || strcasecmp(c->platform, other->platform));
        }
        if (uuid || pci)
            snprintf(info->select, sizeof(info->select), "%s", uuid ? c->uuid : c->pci);
        else if (name)
            snprintf(info->select, sizeof(info->select), "platform=\"%s\" & name=\"%s\"", c->platform, c->name);
        else
            snprintf(info->select, sizeof(info->select), "%d:%d", info->platform_index, info->device_index);
    }
}

/* What the devices that fit are ranked by: their measured speed where it is asked for and known of all of them. */
static bool by_speed(const struct qni_expr *e, const struct qni_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (found[i].info.usable && meant(e, &found[i], i) && qni_speed_rate(&found[i].info) <= 0)
            return false;
    return e->fastest;
}

static void explain_all(const struct qni_expr *e, struct qni_found *found, size_t count, size_t best, bool env, bool speed)
{
    const char *how = speed ? ", by measured speed" : e->fastest ? ", by score: not all that fit are measured" : "";
    size_t usable = 0;

    for (size_t i = 0; i < count; i++)
        usable += found[i].info.usable;
    for (size_t i = 0; i < count; i++) {
        qn_device_info *info = &found[i].info;

        info->chosen = i == best;
        if (i == best && e->anything && usable == 1)
            explain(info, "the only one that can be used");
        else if (i == best && e->anything)
            explain(info, "the best of %zu", usable);
        else if (i == best)
            explain(info, "%s '%.60s'%s", env ? "QUERN_DEVICE is" : "asked for as", e->text, how);
        else if (info->usable && e->anything && found[i].caps.quirks & QNI_QUIRK_ASK)
            explain(info, "a tool, only used when it is named");
        else if (info->usable && !meant(e, &found[i], i))
            explain(info, "does not fit '%.60s'", e->text);
        else if (info->usable)
            explain(info, speed ? "a lower measured speed" : "a lower score");
    }
}

qn_status qni_device_choose(size_t *out, qn_context *ctx, struct qni_found *found, size_t count, const char *select)
{
    const char *env = select && *select ? NULL : qni_env(ctx, "QUERN_DEVICE");
    struct qni_expr e;
    size_t best = count;
    bool speed;
    qn_status st;

    *out = count;
    for (size_t i = 0; i < count; i++) {
        found[i].info.chosen = false;
        score(&found[i]);
    }
    name_devices(found, count);
    if ((st = qni_expr_parse(&e, env ? env : select ? select : ""))) {
        if (env)
            qni_error_prefix("QUERN_DEVICE: ");
        return st;
    }
    speed = by_speed(&e, found, count);
    for (size_t i = 0; i < count; i++) {
        const qn_device_info *a = &found[i].info, *b = best < count ? &found[best].info : NULL;

        if (a->usable && meant(&e, &found[i], i) &&
            (!b || (speed ? qni_speed_rate(a) > qni_speed_rate(b) : a->score > b->score)))
            best = i;
    }
    explain_all(&e, found, count, best, env != NULL, speed);
    *out = best;
    return best < count ? QN_OK : nothing_fits(&e, found, count, env ? " (QUERN_DEVICE)" : "");
}

qn_status qn_device_choose(qn_device_info *out, qn_context *ctx, const char *select)
{
    qn_status st;
    const struct qni_cl *cl;
    qn_context *c = NULL;
    struct qni_found *found = NULL;
    size_t n = 0, chosen;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    if ((st = qni_context_get(&c, ctx)) || (st = qni_cl_get(&cl, c)) || (st = qni_device_find(&found, &n, c, cl)) ||
        (st = qni_device_choose(&chosen, c, found, n, select)))
        goto done;
    *out = found[chosen].info;
done:
    if (c) {
        qni_free(c, &found);
        qni_context_release(&c);
    }
    return st;
}

qn_status qn_device_list(qn_device_info **out, size_t *count, qn_context *ctx)
{
    qn_status st;
    const struct qni_cl *cl;
    qn_context *c = NULL;
    struct qni_found *found = NULL;
    qn_device_info *list = NULL;
    size_t n = 0, chosen;

    if (!out || !count)
        return qni_error(QN_E_ARG, "%s is NULL", out ? "count" : "out");
    *out = NULL;
    *count = 0;
    if ((st = qni_context_get(&c, ctx)) || (st = qni_cl_get(&cl, c)) || (st = qni_device_find(&found, &n, c, cl)))
        goto done;
    if (n == 0)
        goto done;
    (void)qni_device_choose(&chosen, c, found, n, NULL); /* that nothing is chosen is an answer too */
    if ((st = qni_calloc(c, &list, n, sizeof(*list))))
        goto done;
    for (size_t i = 0; i < n; i++)
        list[i] = found[i].info;
    *out = list;
    *count = n;
done:
    if (c) {
        qni_free(c, &found);
        qni_context_release(&c);
    }
    return st;
}

void qn_device_list_free(qn_device_info **list, qn_context *ctx)
{
    if (!list || !*list)
        return;
    if (ctx) {
        qni_free(ctx, list);
    } else { /* the context that made it is gone, and it was one with the defaults */
        free(*list);
        *list = NULL;
    }
}
