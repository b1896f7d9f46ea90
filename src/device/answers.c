/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A device's answers as text: for people, and as clinfo --raw writes them. */
#include <inttypes.h>
#include <string.h>

#include "device/answers.h"

#define N(name) CL_##name, "CL_" #name

static const struct name {
    enum qni_answer kind;
    uint64_t value;
    const char *raw, *name;
} names[] = {
    { TYPE_SET, N(DEVICE_TYPE_DEFAULT), "default" },
    { TYPE_SET, N(DEVICE_TYPE_CPU), "CPU" },
    { TYPE_SET, N(DEVICE_TYPE_GPU), "GPU" },
    { TYPE_SET, N(DEVICE_TYPE_ACCELERATOR), "accelerator" },
    { TYPE_SET, N(DEVICE_TYPE_CUSTOM), "custom" },
    { FP_SET, N(FP_DENORM), "denormals" },
    { FP_SET, N(FP_INF_NAN), "infinity and NaN" },
    { FP_SET, N(FP_ROUND_TO_NEAREST), "round to nearest" },
    { FP_SET, N(FP_ROUND_TO_ZERO), "round to zero" },
    { FP_SET, N(FP_ROUND_TO_INF), "round to infinity" },
    { FP_SET, N(FP_FMA), "fma" },
    { FP_SET, N(FP_SOFT_FLOAT), "in software" },
    { FP_SET, N(FP_CORRECTLY_ROUNDED_DIVIDE_SQRT), "correctly rounded divide and sqrt" },
    { CACHE_CHOICE, N(NONE), "none" },
    { CACHE_CHOICE, N(READ_ONLY_CACHE), "read only" },
    { CACHE_CHOICE, N(READ_WRITE_CACHE), "read and write" },
    { LOCAL_CHOICE, N(NONE), "none" },
    { LOCAL_CHOICE, N(LOCAL), "local" },
    { LOCAL_CHOICE, N(GLOBAL), "global" },
    { EXEC_SET, N(EXEC_KERNEL), "OpenCL kernels" },
    { EXEC_SET, N(EXEC_NATIVE_KERNEL), "native kernels" },
    { QUEUE_SET, N(QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE), "out of order" },
    { QUEUE_SET, N(QUEUE_PROFILING_ENABLE), "profiling" },
    { QUEUE_SET, N(QUEUE_ON_DEVICE), "on device" },
    { QUEUE_SET, N(QUEUE_ON_DEVICE_DEFAULT), "default on device" },
    { AFFINITY_SET, N(DEVICE_AFFINITY_DOMAIN_NUMA), "NUMA" },
    { AFFINITY_SET, N(DEVICE_AFFINITY_DOMAIN_L4_CACHE), "L4" },
    { AFFINITY_SET, N(DEVICE_AFFINITY_DOMAIN_L3_CACHE), "L3" },
    { AFFINITY_SET, N(DEVICE_AFFINITY_DOMAIN_L2_CACHE), "L2" },
    { AFFINITY_SET, N(DEVICE_AFFINITY_DOMAIN_L1_CACHE), "L1" },
    { AFFINITY_SET, N(DEVICE_AFFINITY_DOMAIN_NEXT_PARTITIONABLE), "next" },
    { SVM_SET, N(DEVICE_SVM_COARSE_GRAIN_BUFFER), "coarse-grain buffers" },
    { SVM_SET, N(DEVICE_SVM_FINE_GRAIN_BUFFER), "fine-grain buffers" },
    { SVM_SET, N(DEVICE_SVM_FINE_GRAIN_SYSTEM), "fine-grain system" },
    { SVM_SET, N(DEVICE_SVM_ATOMICS), "atomics" },
    { ATOMIC_SET, N(DEVICE_ATOMIC_ORDER_RELAXED), "relaxed" },
    { ATOMIC_SET, N(DEVICE_ATOMIC_ORDER_ACQ_REL), "acquire and release" },
    { ATOMIC_SET, N(DEVICE_ATOMIC_ORDER_SEQ_CST), "sequential" },
    { ATOMIC_SET, N(DEVICE_ATOMIC_SCOPE_WORK_ITEM), "work-item" },
    { ATOMIC_SET, N(DEVICE_ATOMIC_SCOPE_WORK_GROUP), "work-group" },
    { ATOMIC_SET, N(DEVICE_ATOMIC_SCOPE_DEVICE), "device" },
    { ATOMIC_SET, N(DEVICE_ATOMIC_SCOPE_ALL_DEVICES), "all devices" },
    { ENQUEUE_SET, N(DEVICE_QUEUE_SUPPORTED), "supported" },
    { ENQUEUE_SET, N(DEVICE_QUEUE_REPLACEABLE_DEFAULT), "default can be replaced" },
    { DOT_SET, N(DEVICE_INTEGER_DOT_PRODUCT_INPUT_4x8BIT_PACKED_KHR), "4x8 bits packed" },
    { DOT_SET, N(DEVICE_INTEGER_DOT_PRODUCT_INPUT_4x8BIT_KHR), "4x8 bits" },
    { COMMAND_SET, N(COMMAND_BUFFER_CAPABILITY_KERNEL_PRINTF_KHR), "printing kernels" },
    { COMMAND_SET, N(COMMAND_BUFFER_CAPABILITY_DEVICE_SIDE_ENQUEUE_KHR), "device-side enqueue" },
    { COMMAND_SET, N(COMMAND_BUFFER_CAPABILITY_SIMULTANEOUS_USE_KHR), "simultaneous use" },
    { COMMAND_SET, N(COMMAND_BUFFER_CAPABILITY_OUT_OF_ORDER_KHR), "out of order" },
    { USM_SET, N(UNIFIED_SHARED_MEMORY_ACCESS_INTEL), "access" },
    { USM_SET, N(UNIFIED_SHARED_MEMORY_ATOMIC_ACCESS_INTEL), "atomic" },
    { USM_SET, N(UNIFIED_SHARED_MEMORY_CONCURRENT_ACCESS_INTEL), "concurrent" },
    { USM_SET, N(UNIFIED_SHARED_MEMORY_CONCURRENT_ATOMIC_ACCESS_INTEL), "concurrent atomic" },
    { FEATURE_SET, N(DEVICE_FEATURE_FLAG_DP4A_INTEL), "dp4a" },
    { FEATURE_SET, N(DEVICE_FEATURE_FLAG_DPAS_INTEL), "dpas" },
    { PARTITION_LIST, N(DEVICE_PARTITION_EQUALLY), "equally" },
    { PARTITION_LIST, N(DEVICE_PARTITION_BY_COUNTS), "by counts" },
    { PARTITION_LIST, N(DEVICE_PARTITION_BY_AFFINITY_DOMAIN), "by affinity" },
    { PARTITION_LIST, N(DEVICE_PARTITION_BY_NAMES_INTEL), "by names" },
};

static void add_separator(struct qni_text *t, const char *separator)
{
    if (t->length)
        qni_text_add(t, "%s", separator);
}

static void add_bytes(struct qni_text *t, uint64_t v)
{
    char text[32];

    qni_text_add(t, "%" PRIu64, v);
    if (v >= 1024)
        qni_text_add(t, " (%s)", qni_bytes_text(v, text, sizeof(text)));
}

/* The entry of a choice's value or a set's bit; NULL for one that has no name. */
static const struct name *find_name(enum qni_answer kind, uint64_t v)
{
    for (size_t i = 0; i < QNI_COUNT(names); i++)
        if (names[i].kind == kind && names[i].value == v)
            return &names[i];
    return NULL;
}

static void add_name(struct qni_text *t, enum qni_answer kind, uint64_t v, bool raw)
{
    const struct name *n = find_name(kind, v);

    add_separator(t, raw ? " | " : ", ");
    if (n)
        qni_text_add(t, "%s", raw ? n->raw : n->name);
    else
        qni_text_add(t, "0x%" PRIx64, v);
}

/* Every member of a set; clinfo has types from the last one on. */
static void add_set(struct qni_text *t, enum qni_answer kind, uint64_t v, bool raw)
{
    for (int i = 0; i < 64; i++) {
        uint64_t bit = UINT64_C(1) << (raw && kind == TYPE_SET ? 63 - i : i);

        if (v & bit)
            add_name(t, kind, bit, raw);
    }
    if (!v && !raw)
        qni_text_add(t, "none");
}

static void add_version(struct qni_text *t, cl_version v, bool raw)
{
    if (raw)
        qni_text_add(t, "%#x", v);
    else
        qni_text_add(t, "%u.%u.%u", CL_VERSION_MAJOR(v), CL_VERSION_MINOR(v), CL_VERSION_PATCH(v));
}

static void add_named_versions(struct qni_text *t, const unsigned char *data, size_t bytes, bool raw)
{
    cl_name_version v;

    for (size_t i = 0; i + sizeof(v) <= bytes; i += sizeof(v)) {
        memcpy(&v, data + i, sizeof(v));
        v.name[sizeof(v.name) - 1] = '\0';
        add_separator(t, raw ? " " : ", ");
        qni_text_add(t, raw ? "%s:" : "%s ", v.name);
        add_version(t, v.version, raw);
    }
}

static void add_sizes(struct qni_text *t, const unsigned char *data, size_t bytes, bool raw)
{
    size_t v;

    for (size_t i = 0; i + sizeof(v) <= bytes; i += sizeof(v)) {
        memcpy(&v, data + i, sizeof(v));
        add_separator(t, raw ? " " : ", ");
        qni_text_add(t, "%zu", v);
    }
}

static void add_partitions(struct qni_text *t, const unsigned char *data, size_t bytes, bool raw)
{
    intptr_t v = 0;

    for (size_t i = 0; i + sizeof(v) <= bytes; i += sizeof(v)) {
        memcpy(&v, data + i, sizeof(v));
        if (v)
            add_name(t, PARTITION_LIST, (uint64_t)v, raw);
    }
    if (!t->length)
        qni_text_add(t, raw ? "CL_NONE" : "none");
}

/* Driver text on one line; raw keeps the blanks at its end. */
static void add_text(struct qni_text *t, const unsigned char *data, size_t bytes, bool raw)
{
    size_t n = 0;

    while (n < bytes && data[n])
        n++;
    qni_text_add_bytes(t, (const char *)data, n);
    for (size_t i = 0; t->data && i < t->length; i++)
        if ((unsigned char)t->data[i] < ' ')
            t->data[i] = ' ';
    while (!raw && t->length && t->data[t->length - 1] == ' ')
        t->data[--t->length] = '\0';
}

/* Bytes in hexadecimal, with a dash before those whose bit is set. */
static void add_hex(struct qni_text *t, const unsigned char *data, size_t bytes, unsigned dashes)
{
    for (size_t i = 0; i < bytes; i++)
        qni_text_add(t, "%s%02x", i < 32 && dashes >> i & 1 ? "-" : "", data[i]);
}

/* A number of 4 or 8 bytes; false for any other size. */
static bool number(const unsigned char *data, size_t bytes, uint64_t *out)
{
    uint32_t v32;

    if (bytes == sizeof(v32)) {
        memcpy(&v32, data, sizeof(v32));
        *out = v32;
    } else if (bytes == sizeof(*out)) {
        memcpy(out, data, sizeof(*out));
    }
    return bytes == sizeof(v32) || bytes == sizeof(*out);
}

static void add_raw_number(struct qni_text *t, enum qni_answer kind, uint64_t v)
{
    if (kind == BOOL)
        qni_text_add(t, "%s", v ? "CL_TRUE" : "CL_FALSE");
    else if (kind == UINT_HEX)
        qni_text_add(t, "%#" PRIx64, v);
    else if (kind == VERSION)
        add_version(t, (cl_version)v, true);
    else if (kind == CACHE_CHOICE || kind == LOCAL_CHOICE)
        add_name(t, kind, v, true);
    else if (kind == OTHER_FP_SET)
        add_set(t, FP_SET, v & ~(uint64_t)CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT, true);
    else if (kind >= TYPE_SET)
        add_set(t, kind, v, true);
    else
        qni_text_add(t, "%" PRIu64, v);
}

static void add_number(struct qni_text *t, enum qni_answer kind, uint64_t v)
{
    char text[32];

    switch (kind) {
    case BOOL:
        qni_text_add(t, "%s", v ? "yes" : "no");
        break;
    case HANDLE:
        qni_text_add(t, "%s", v ? "yes" : "none");
        break;
    case UINT_HEX:
        qni_text_add(t, "0x%" PRIx64, v);
        break;
    case UINT_BITS:
        qni_text_add(t, "%" PRIu64 " bits (%s)", v, qni_bytes_text(v / 8, text, sizeof(text)));
        break;
    case UINT_BYTES:
    case ULONG_BYTES:
    case SIZE_BYTES:
        add_bytes(t, v);
        break;
    case VERSION:
        add_version(t, (cl_version)v, false);
        break;
    case CACHE_CHOICE:
    case LOCAL_CHOICE:
        add_name(t, kind, v, false);
        break;
    case OTHER_FP_SET:
        add_set(t, FP_SET, v, false);
        break;
    case UINT:
    case ULONG:
    case SIZE:
        qni_text_add(t, "%" PRIu64, v);
        break;
    default:
        add_set(t, kind, v, false);
    }
}

void qni_answer_add(struct qni_text *t, enum qni_answer kind, const unsigned char *data, size_t bytes, bool raw)
{
    cl_device_pci_bus_info_khr pci;
    uint64_t v = 0;

    if (kind == TEXT) {
        add_text(t, data, bytes, raw);
    } else if (kind == SIZES) {
        add_sizes(t, data, bytes, raw);
    } else if (kind == NAMED_VERSIONS) {
        add_named_versions(t, data, bytes, raw);
    } else if (kind == PARTITION_LIST) {
        add_partitions(t, data, bytes, raw);
    } else if (kind == BYTES_HEX || kind == UUID || kind == LUID) {
        add_hex(t, data, bytes, kind == UUID ? 0x550 : kind == LUID ? 0x4 : 0);
    } else if (kind == PCI && bytes == sizeof(pci)) {
        memcpy(&pci, data, sizeof(pci));
        qni_text_add(t, "%04x:%02x:%02x.%x", pci.pci_domain, pci.pci_bus, pci.pci_device, pci.pci_function);
    } else if (kind == PCI || !number(data, bytes, &v)) {
        qni_text_add(t, "an answer of %zu bytes", bytes);
    } else if (raw) {
        add_raw_number(t, kind, v);
    } else {
        add_number(t, kind, v);
    }
}
