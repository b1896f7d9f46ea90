/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The format of clinfo --raw, for scripts that read it: a line a property, devices marked [SUFFIX/NUMBER]. */
#include <dlfcn.h>
#include <string.h>

#include "device/property.h"
#include "devices.h"
#include "quern.h"

/* A platform, asked like a device that has no handle. */
struct platform {
    struct qni_found found;
    char suffix[32]; /* of its functions' names; what clinfo knows it by */
    cl_uint devices;
};

static void print_properties(struct qni_text *text, const struct qni_cl *cl, const struct qni_found *found, const char *prefix)
{
    struct qni_property v = { .text = *text };

    for (size_t i = 0; qni_property_get(&v, i, cl, found, true); i++)
        if (v.shown)
            printf("%s  %-46s  %s\n", prefix, v.name, v.text.data ? v.text.data : "");
    *text = v.text;
}

static qn_status find_platforms(struct platform **out, cl_uint *count, qn_context *ctx, const struct qni_cl *cl)
{
    cl_platform_id *ids = NULL;
    cl_uint n = 0;
    qn_status st = QN_OK;

    if (cl->GetPlatformIDs(0, NULL, &n) || n > 4096)
        n = 0;
    if ((st = qni_calloc(ctx, &ids, n, sizeof(*ids))) || (st = qni_calloc(ctx, out, n, sizeof(**out))))
        goto done;
    if (n && cl->GetPlatformIDs(n, ids, NULL))
        n = 0;
    for (cl_uint i = 0; i < n; i++) {
        struct platform *p = &(*out)[i];
        char version[128] = "";

        p->found.platform = ids[i];
        if (cl->GetPlatformInfo(ids[i], CL_PLATFORM_ICD_SUFFIX_KHR, sizeof(p->suffix) - 1, p->suffix, NULL))
            snprintf(p->suffix, sizeof(p->suffix), "P%u", i);
        if (cl->GetPlatformInfo(ids[i], CL_PLATFORM_VERSION, sizeof(version) - 1, version, NULL) ||
            sscanf(version, "OpenCL %3d.%3d", &p->found.caps.cl_major, &p->found.caps.cl_minor) != 2)
            p->found.caps.cl_major = p->found.caps.cl_minor = 0;
    }
    *count = n;
done:
    qni_free(ctx, &ids);
    return st;
}

/* What the OpenCL loader says of itself, where it says it. */
static void print_loader(const struct qni_cl *cl)
{
    static const struct {
        const char *name;
        cl_uint what;
    } asked[] = { { "CL_ICDL_NAME", 3 }, { "CL_ICDL_VENDOR", 4 }, { "CL_ICDL_VERSION", 2 }, { "CL_ICDL_OCL_VERSION", 1 } };
    void *(*find)(const char *) = NULL;
    cl_int (*ask)(cl_uint, size_t, void *, size_t *) = NULL;
    void *symbol = dlsym(cl->library, "clGetExtensionFunctionAddress");

    memcpy(&find, &symbol, sizeof(find));
    symbol = find ? find("clGetICDLoaderInfoOCLICD") : NULL;
    memcpy(&ask, &symbol, sizeof(ask));
    for (size_t i = 0; ask && i < QNI_COUNT(asked); i++) {
        char text[256] = "";

        if (!ask(asked[i].what, sizeof(text) - 1, text, NULL))
            printf("[OCLICD/*]   %-46s  %s\n", asked[i].name, text);
    }
}

static void print_platform(struct qni_text *text, const struct qni_cl *cl, const struct platform *p, int index,
                           const struct qni_found *found, size_t count, int width)
{
    char mark[64], prefix[80], name[256] = "";
    int n = 0, printed = 0;

    for (size_t i = 0; i < count; i++)
        n += found[i].info.platform_index == index;
    snprintf(mark, sizeof(mark), "[%s/*]", p->suffix);
    if (cl->GetPlatformInfo(p->found.platform, CL_PLATFORM_NAME, sizeof(name) - 1, name, NULL))
        name[0] = '\0';
    printf("%-*s    %-46s  %s\n", width, mark, "CL_PLATFORM_NAME", name);
    printf("%-*s  %-48s  %d\n", width, mark, "#DEVICES", n);
    for (size_t i = 0; i < count; i++) {
        if (found[i].info.platform_index != index)
            continue;
        if (printed++)
            printf("\n");
        snprintf(mark, sizeof(mark), "[%s/%d]", p->suffix, found[i].info.device_index);
        snprintf(prefix, sizeof(prefix), "%-*s  ", width, mark);
        print_properties(text, cl, &found[i], prefix);
    }
    printf("\n");
}

qn_status print_raw(qn_context *ctx, const struct qni_cl *cl, const struct qni_found *found, size_t count)
{
    struct platform *platform = NULL;
    struct qni_text text = { .ctx = ctx };
    cl_uint n = 0;
    int width = 0;
    qn_status st;

    if ((st = find_platforms(&platform, &n, ctx, cl)))
        goto done;
    printf("%-48s  %u\n", "#PLATFORMS", n);
    for (cl_uint i = 0; i < n; i++) {
        width = QNI_MAX(width, (int)strlen(platform[i].suffix) + 4);
        print_properties(&text, cl, &platform[i].found, "");
        printf("\n");
    }
    for (cl_uint i = 0; i < n; i++)
        print_platform(&text, cl, &platform[i], (int)i, found, count, width);
    print_loader(cl);
    st = text.status;
done:
    qni_text_free(&text);
    qni_free(ctx, &platform);
    return st;
}
