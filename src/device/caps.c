/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What a device can do, as far as it can be asked. A query that fails leaves
 * the value that promises least. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "device/device.h"

/* NVIDIA's, which the headers lack. */
#define NV_PCI_BUS    0x4008
#define NV_PCI_SLOT   0x4009
#define NV_PCI_DOMAIN 0x400A

struct probe {
    qn_context *ctx;
    const struct qni_cl *cl;
    cl_platform_id platform;
    cl_device_id id;
    qn_status status; /* QN_E_HOST_MEMORY sticks; what a device does not answer is no failure */
};

/* A driver's text, cut to fit, without the spaces some put around it. */
static void tidy(char *text)
{
    size_t start = strspn(text, " \t\n");
    size_t n = strlen(text + start);

    while (n && isspace((unsigned char)text[start + n - 1]))
        n--;
    memmove(text, text + start, n);
    text[n] = '\0';
}

/* Any text a device or platform answers with, at whatever length; the caller frees it. NULL when there is none. */
static char *query_text(struct probe *p, bool of_platform, cl_uint what)
{
    size_t bytes = 0;
    cl_int e;
    char *text = NULL;

    e = of_platform ? p->cl->GetPlatformInfo(p->platform, what, 0, NULL, &bytes)
                    : p->cl->GetDeviceInfo(p->id, what, 0, NULL, &bytes);
    if (e || bytes > (size_t)1 << 20 || p->status || (p->status = qni_calloc(p->ctx, &text, bytes + 1, 1)))
        return NULL;
    e = of_platform ? p->cl->GetPlatformInfo(p->platform, what, bytes, text, NULL)
                    : p->cl->GetDeviceInfo(p->id, what, bytes, text, NULL);
    if (e)
        qni_free(p->ctx, &text);
    return text;
}

static void copy_text(struct probe *p, bool of_platform, cl_uint what, char *out, size_t bytes)
{
    char *text = query_text(p, of_platform, what);

    snprintf(out, bytes, "%s", text ? text : "");
    tidy(out);
    qni_free(p->ctx, &text);
}

/* A value of exactly this size; untouched when the device does not know it. */
static bool query(const struct probe *p, cl_device_info what, void *out, size_t bytes)
{
    unsigned char value[64];
    size_t got = 0;

    if (bytes > sizeof(value) || p->cl->GetDeviceInfo(p->id, what, bytes, value, &got) || got != bytes)
        return false;
    memcpy(out, value, bytes);
    return true;
}

static bool query_bool(const struct probe *p, cl_device_info what, bool fallback)
{
    cl_bool value;

    return query(p, what, &value, sizeof(value)) ? value != CL_FALSE : fallback;
}

static uint64_t query_u64(const struct probe *p, cl_device_info what)
{
    cl_ulong value = 0;

    query(p, what, &value, sizeof(value));
    return value;
}

static unsigned query_uint(const struct probe *p, cl_device_info what)
{
    cl_uint value = 0;

    query(p, what, &value, sizeof(value));
    return value;
}

/* "OpenCL 3.0 whatever"; 0.0 for anything else. */
static void parse_version(struct qni_caps *out)
{
    int used = 0;

    if (sscanf(out->version, "OpenCL %3d.%3d%n", &out->cl_major, &out->cl_minor, &used) != 2 || !used)
        out->cl_major = out->cl_minor = 0;
}

/* Is a word among the words of a text? */
static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static int power_below(int v, int most)
{
    int p = 1;

    while (p * 2 <= v && p * 2 <= most)
        p *= 2;
    return p;
}

/* Lanes of a vector register: as the device says; a CPU that says 1 vectorises by itself, but still has registers of
 * four at least. 2 is no width the kernels know. $QUERN_VECTOR takes a narrower machine's view, for tests. */
static void find_vector(const struct probe *p, struct qni_caps *out)
{
    int v = power_below((int)QNI_MIN(query_uint(p, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT), 16u), 16);
    const char *asked = qni_env(p->ctx, "QUERN_VECTOR");

    if (out->type == CL_DEVICE_TYPE_CPU)
        v = QNI_MAX(v, 4);
    if (asked && (!strcmp(asked, "1") || !strcmp(asked, "4") || !strcmp(asked, "8") || !strcmp(asked, "16")))
        v = atoi(asked);
    out->vector = v == 2 ? 1 : v;
    out->registers = out->vector == 16 ? 32 : 16;
}

/* One type: what the quirk table says, else the strongest the driver claims. */
static cl_device_type one_type(cl_device_type type, unsigned quirks)
{
    if (quirks & QNI_QUIRK_CPU)
        return CL_DEVICE_TYPE_CPU;
    if (type & CL_DEVICE_TYPE_GPU)
        return CL_DEVICE_TYPE_GPU;
    if (type & CL_DEVICE_TYPE_CPU)
        return CL_DEVICE_TYPE_CPU;
    return type & CL_DEVICE_TYPE_ACCELERATOR ? CL_DEVICE_TYPE_ACCELERATOR : CL_DEVICE_TYPE_CUSTOM;
}

static void find_shape(const struct probe *p, struct qni_caps *out)
{
    const char *asked = qni_env(p->ctx, "QUERN_SHAPE");

    out->shape = out->type == CL_DEVICE_TYPE_CPU ? QNI_CPU_SHAPED : QNI_GPU_SHAPED;
    if (asked && !strcmp(asked, "cpu"))
        out->shape = QNI_CPU_SHAPED;
    else if (asked && !strcmp(asked, "gpu"))
        out->shape = QNI_GPU_SHAPED;
}

/* Where a part of a buffer may start: the device's base alignment, in bits, but at least a cache line pair. */
static size_t find_align(const struct probe *p)
{
    size_t align = 128, want = query_uint(p, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;

    while (align < want && align < (size_t)1 << 20)
        align *= 2;
    return align;
}

/* The first three axes; a device may have more. */
static void find_group_size(const struct probe *p, struct qni_caps *out)
{
    size_t sizes[16], bytes = 0;

    out->group_size[0] = out->group_items;
    out->group_size[1] = out->group_size[2] = 1;
    if (!p->cl->GetDeviceInfo(p->id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof(sizes), sizes, &bytes))
        memcpy(out->group_size, sizes, QNI_MIN(bytes, sizeof(out->group_size)));
}

static void find_uuid(const struct probe *p, struct qni_caps *out)
{
    unsigned char id[CL_UUID_SIZE_KHR];
    size_t used = 0;

    if (!query(p, CL_DEVICE_UUID_KHR, id, sizeof(id)))
        return;
    for (size_t i = 0; i < sizeof(id); i++)
        used += (size_t)snprintf(out->uuid + used, sizeof(out->uuid) - used, "%s%02x",
                                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
}

/* By the first of the extensions that tell it. */
static void find_pci(const struct probe *p, struct qni_caps *out, const char *extensions)
{
    cl_device_pci_bus_info_khr khr = { 0 };
    cl_device_topology_amd amd;
    cl_uint bus = 0, slot = 0, domain = 0;

    if (has_word(extensions, "cl_khr_pci_bus_info") && query(p, CL_DEVICE_PCI_BUS_INFO_KHR, &khr, sizeof(khr))) {
        /* as it is */
    } else if (has_word(extensions, "cl_amd_device_attribute_query") &&
               query(p, CL_DEVICE_TOPOLOGY_AMD, &amd, sizeof(amd)) && amd.raw.type == CL_DEVICE_TOPOLOGY_TYPE_PCIE_AMD) {
        khr.pci_bus = (unsigned char)amd.pcie.bus;
        khr.pci_device = (unsigned char)amd.pcie.device;
        khr.pci_function = (unsigned char)amd.pcie.function;
    } else if (has_word(extensions, "cl_nv_device_attribute_query") && query(p, NV_PCI_BUS, &bus, sizeof(bus)) &&
               query(p, NV_PCI_SLOT, &slot, sizeof(slot))) {
        query(p, NV_PCI_DOMAIN, &domain, sizeof(domain));
        khr.pci_domain = domain;
        khr.pci_bus = bus;
        khr.pci_device = slot >> 3;
        khr.pci_function = slot & 7;
    } else {
        return;
    }
    snprintf(out->pci, sizeof(out->pci), "%04x:%02x:%02x.%x", khr.pci_domain & 0xffffu, khr.pci_bus & 0xffu,
             khr.pci_device & 0xffu, khr.pci_function & 0xfu);
}

/* Two numbers, in KiB: all that is free, and the largest piece. */
static void find_free(const struct probe *p, struct qni_caps *out)
{
    size_t free[2] = { 0 }, bytes = 0;

    if (!p->cl->GetDeviceInfo(p->id, CL_DEVICE_GLOBAL_FREE_MEMORY_AMD, sizeof(free), free, &bytes) &&
        bytes >= sizeof(free[0]))
        out->free_bytes = QNI_MIN((uint64_t)free[0], UINT64_MAX >> 10) << 10;
}

/* By what the makers' own drivers say; others that know the hardware have not these instructions in OpenCL C. */
static void find_matrix(const struct probe *p, struct qni_caps *out, const char *extensions)
{
    static const struct {
        const char *name; /* "gfx90a:sramecc+:xnack-" begins with it */
        enum qni_matrix matrix, half;
    } amd[] = {
        { "gfx908", QNI_MATRIX_AMD, QNI_MATRIX_NONE }, { "gfx90a", QNI_MATRIX_AMD, QNI_MATRIX_AMD },
        { "gfx94", QNI_MATRIX_AMD, QNI_MATRIX_AMD },   { "gfx950", QNI_MATRIX_AMD, QNI_MATRIX_AMD },
        { "gfx11", QNI_MATRIX_NONE, QNI_MATRIX_WMMA },
    };

    if (out->type != CL_DEVICE_TYPE_GPU)
        return;
    if (has_word(extensions, "cl_nv_device_attribute_query") && query_uint(p, CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV) >= 8)
        out->matrix = out->matrix_half = QNI_MATRIX_NVIDIA;
    for (size_t i = 0; i < QNI_COUNT(amd); i++)
        if (!strncmp(out->name, amd[i].name, strlen(amd[i].name)) && has_word(extensions, "cl_amd_device_attribute_query")) {
            out->matrix = amd[i].matrix;
            out->matrix_half = amd[i].half;
        }
}

/* Intel's GPUs run a thread of 8, 16 or 32 work-items in one set of registers: the narrowest threads leave each work-item the
 * most, 128 of 32 bits. */
static void find_simd(const struct probe *p, struct qni_caps *out, const char *extensions)
{
    size_t sizes[16], bytes = 0;

    if (out->type != CL_DEVICE_TYPE_GPU || !strstr(out->vendor, "Intel") ||
        !has_word(extensions, "cl_intel_required_subgroup_size") ||
        p->cl->GetDeviceInfo(p->id, CL_DEVICE_SUB_GROUP_SIZES_INTEL, sizeof(sizes), sizes, &bytes))
        return;
    for (size_t i = 0; i < bytes / sizeof(sizes[0]); i++)
        if (sizes[i] >= 8 && sizes[i] <= 32 && (!out->simd || (int)sizes[i] < out->simd))
            out->simd = (int)sizes[i];
    if (!has_word(extensions, "cl_intel_subgroups") || (out->simd != 8 && out->simd != 16))
        return;
    out->matrix = out->simd == 8 ? QNI_MATRIX_INTEL8 : QNI_MATRIX_INTEL16;
    if (has_word(extensions, "cl_intel_subgroup_matrix_multiply_accumulate"))
        out->matrix_half = out->simd == 8 ? QNI_MATRIX_XMX8 : QNI_MATRIX_XMX16;
}

static void find_extensions(struct probe *p, struct qni_caps *out)
{
    char *text = query_text(p, false, CL_DEVICE_EXTENSIONS);

    if (text) {
        out->fp16 = has_word(text, "cl_khr_fp16");
        out->subgroups = has_word(text, "cl_khr_subgroups") || has_word(text, "cl_intel_subgroups");
        if (has_word(text, "cl_khr_device_uuid"))
            find_uuid(p, out);
        find_pci(p, out, text);
        if (has_word(text, "cl_amd_device_attribute_query"))
            find_free(p, out);
        find_matrix(p, out, text);
        find_simd(p, out, text);
    }
    qni_free(p->ctx, &text);
}

qn_status qni_caps_probe(struct qni_caps *out, qn_context *ctx, const struct qni_cl *cl, cl_platform_id platform,
                         cl_device_id id)
{
    struct probe probe = { ctx, cl, platform, id, QN_OK }, *p = &probe;
    const char *algo = qni_env(ctx, "QUERN_ALGO"), *asked = qni_env(ctx, "QUERN_QUIRKS"), *unknown = NULL;
    const char *one_version = getenv("POCL_WORK_GROUP_SPECIALIZATION");
    cl_device_type type = 0;
    cl_device_local_mem_type local = 0;

    memset(out, 0, sizeof(*out));
    copy_text(p, true, CL_PLATFORM_NAME, out->platform, sizeof(out->platform));
    copy_text(p, false, CL_DEVICE_NAME, out->name, sizeof(out->name));
    copy_text(p, false, CL_DEVICE_VENDOR, out->vendor, sizeof(out->vendor));
    copy_text(p, false, CL_DRIVER_VERSION, out->driver, sizeof(out->driver));
    copy_text(p, false, CL_DEVICE_VERSION, out->version, sizeof(out->version));
    parse_version(out);
    if (p->status)
        return p->status;
    if (!query(p, CL_DEVICE_TYPE, &type, sizeof(type)))
        return qni_error(QN_E_DEVICE, "device '%s' of platform '%s' does not answer", out->name, out->platform);

    out->quirks = qni_quirks_find(out);
    if (one_version && !strcmp(one_version, "0")) /* PoCL's switch: a kernel has one version, which a binary holds */
        out->quirks &= ~(unsigned)QNI_QUIRK_OWN_CACHE;
    if (asked)
        out->quirks = qni_quirks_apply(out->quirks, asked, &unknown);
    if (unknown)
        qni_log(ctx, QN_LOG_WARNING, "QUERN_QUIRKS names an unknown quirk: %s", unknown);
    out->type = one_type(type, out->quirks);
    out->global_bytes = query_u64(p, CL_DEVICE_GLOBAL_MEM_SIZE);
    out->alloc_bytes = query_u64(p, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    out->local_bytes = query_u64(p, CL_DEVICE_LOCAL_MEM_SIZE);
    query(p, CL_DEVICE_LOCAL_MEM_TYPE, &local, sizeof(local));
    out->local_dedicated = local == CL_LOCAL;
    out->units = query_uint(p, CL_DEVICE_MAX_COMPUTE_UNITS);
    out->clock_mhz = query_uint(p, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    out->group_items = 1;
    query(p, CL_DEVICE_MAX_WORK_GROUP_SIZE, &out->group_items, sizeof(out->group_items));
    find_group_size(p, out);
    out->align_bytes = find_align(p);
    out->available = query_bool(p, CL_DEVICE_AVAILABLE, false);
    out->compiler = query_bool(p, CL_DEVICE_COMPILER_AVAILABLE, false);
    out->little_endian = query_bool(p, CL_DEVICE_ENDIAN_LITTLE, true);
    out->unified = query_bool(p, CL_DEVICE_HOST_UNIFIED_MEMORY, out->type == CL_DEVICE_TYPE_CPU);
    out->binaries = !(out->quirks & (QNI_QUIRK_NO_BINARIES | QNI_QUIRK_OWN_CACHE));
    find_extensions(p, out);
    find_vector(p, out);
    find_shape(p, out);
    if (p->status)
        return p->status;
    if (algo && (size_t)snprintf(out->algo, sizeof(out->algo), "%s", algo) >= sizeof(out->algo))
        return qni_error(QN_E_ARG, "QUERN_ALGO is longer than %zu characters", sizeof(out->algo) - 1);
    return QN_OK;
}

const char *qni_caps_unusable(const struct qni_caps *caps)
{
    if (*caps->failed)
        return caps->failed;
    if (!caps->available)
        return "the driver says it is not available";
    if (!caps->compiler)
        return "its driver has no compiler";
    if (caps->cl_major * 10 + caps->cl_minor < 12)
        return "it is older than OpenCL 1.2";
    if (!caps->little_endian)
        return "its bytes are in the other order than the files'";
    if (!caps->global_bytes || !caps->alloc_bytes || !caps->units)
        return "it reports no memory or no compute unit";
    return NULL;
}
