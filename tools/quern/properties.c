/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Everything a device can be asked: a table of what to ask, how to read the
 * answer, and which version or extension it belongs to. */
#include <inttypes.h>
#include <string.h>

#include "devices.h"

/* How an answer is read. */
enum kind {
    TEXT,
    UINT,
    ULONG,
    SIZE,
    SIZES,         /* any number of size_t */
    UINT_BYTES,    /* amounts of memory */
    ULONG_BYTES,
    SIZE_BYTES,
    UINT_HEX,
    UINT_BITS,     /* an alignment in bits */
    BOOL,
    VERSION,       /* cl_version */
    NAMED_VERSIONS,
    BYTES_HEX,     /* as many bytes as there are */
    PCI,
    HANDLE,        /* present or not */
    /* Sets and choices: their names stand in the table below. 32 or 64 bits wide, by the answer's size. */
    TYPE_SET,
    FP_SET,
    CACHE_CHOICE,
    LOCAL_CHOICE,
    EXEC_SET,
    QUEUE_SET,
    AFFINITY_SET,
    SVM_SET,
    ATOMIC_SET,
    ENQUEUE_SET,
    DOT_SET,
    COMMAND_SET,
    USM_SET,
    FEATURE_SET,
    PARTITION_LIST /* intptr_t choices, ended by 0 */
};

static const struct name {
    enum kind kind;
    uint64_t value;
    const char *name;
} names[] = {
    { TYPE_SET, CL_DEVICE_TYPE_DEFAULT, "default" },
    { TYPE_SET, CL_DEVICE_TYPE_CPU, "CPU" },
    { TYPE_SET, CL_DEVICE_TYPE_GPU, "GPU" },
    { TYPE_SET, CL_DEVICE_TYPE_ACCELERATOR, "accelerator" },
    { TYPE_SET, CL_DEVICE_TYPE_CUSTOM, "custom" },
    { FP_SET, CL_FP_DENORM, "denormals" },
    { FP_SET, CL_FP_INF_NAN, "infinity and NaN" },
    { FP_SET, CL_FP_ROUND_TO_NEAREST, "round to nearest" },
    { FP_SET, CL_FP_ROUND_TO_ZERO, "round to zero" },
    { FP_SET, CL_FP_ROUND_TO_INF, "round to infinity" },
    { FP_SET, CL_FP_FMA, "fma" },
    { FP_SET, CL_FP_SOFT_FLOAT, "in software" },
    { FP_SET, CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT, "correctly rounded divide and sqrt" },
    { CACHE_CHOICE, CL_NONE, "none" },
    { CACHE_CHOICE, CL_READ_ONLY_CACHE, "read only" },
    { CACHE_CHOICE, CL_READ_WRITE_CACHE, "read and write" },
    { LOCAL_CHOICE, CL_NONE, "none" },
    { LOCAL_CHOICE, CL_LOCAL, "local" },
    { LOCAL_CHOICE, CL_GLOBAL, "global" },
    { EXEC_SET, CL_EXEC_KERNEL, "OpenCL kernels" },
    { EXEC_SET, CL_EXEC_NATIVE_KERNEL, "native kernels" },
    { QUEUE_SET, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, "out of order" },
    { QUEUE_SET, CL_QUEUE_PROFILING_ENABLE, "profiling" },
    { QUEUE_SET, CL_QUEUE_ON_DEVICE, "on device" },
    { QUEUE_SET, CL_QUEUE_ON_DEVICE_DEFAULT, "default on device" },
    { AFFINITY_SET, CL_DEVICE_AFFINITY_DOMAIN_NUMA, "NUMA" },
    { AFFINITY_SET, CL_DEVICE_AFFINITY_DOMAIN_L4_CACHE, "L4" },
    { AFFINITY_SET, CL_DEVICE_AFFINITY_DOMAIN_L3_CACHE, "L3" },
    { AFFINITY_SET, CL_DEVICE_AFFINITY_DOMAIN_L2_CACHE, "L2" },
    { AFFINITY_SET, CL_DEVICE_AFFINITY_DOMAIN_L1_CACHE, "L1" },
    { AFFINITY_SET, CL_DEVICE_AFFINITY_DOMAIN_NEXT_PARTITIONABLE, "next" },
    { SVM_SET, CL_DEVICE_SVM_COARSE_GRAIN_BUFFER, "coarse-grain buffers" },
    { SVM_SET, CL_DEVICE_SVM_FINE_GRAIN_BUFFER, "fine-grain buffers" },
    { SVM_SET, CL_DEVICE_SVM_FINE_GRAIN_SYSTEM, "fine-grain system" },
    { SVM_SET, CL_DEVICE_SVM_ATOMICS, "atomics" },
    { ATOMIC_SET, CL_DEVICE_ATOMIC_ORDER_RELAXED, "relaxed" },
    { ATOMIC_SET, CL_DEVICE_ATOMIC_ORDER_ACQ_REL, "acquire and release" },
    { ATOMIC_SET, CL_DEVICE_ATOMIC_ORDER_SEQ_CST, "sequential" },
    { ATOMIC_SET, CL_DEVICE_ATOMIC_SCOPE_WORK_ITEM, "work-item" },
    { ATOMIC_SET, CL_DEVICE_ATOMIC_SCOPE_WORK_GROUP, "work-group" },
    { ATOMIC_SET, CL_DEVICE_ATOMIC_SCOPE_DEVICE, "device" },
    { ATOMIC_SET, CL_DEVICE_ATOMIC_SCOPE_ALL_DEVICES, "all devices" },
    { ENQUEUE_SET, CL_DEVICE_QUEUE_SUPPORTED, "supported" },
    { ENQUEUE_SET, CL_DEVICE_QUEUE_REPLACEABLE_DEFAULT, "default can be replaced" },
    { DOT_SET, CL_DEVICE_INTEGER_DOT_PRODUCT_INPUT_4x8BIT_PACKED_KHR, "4x8 bits packed" },
    { DOT_SET, CL_DEVICE_INTEGER_DOT_PRODUCT_INPUT_4x8BIT_KHR, "4x8 bits" },
    { COMMAND_SET, CL_COMMAND_BUFFER_CAPABILITY_KERNEL_PRINTF_KHR, "printf" },
    { COMMAND_SET, CL_COMMAND_BUFFER_CAPABILITY_DEVICE_SIDE_ENQUEUE_KHR, "device-side enqueue" },
    { COMMAND_SET, CL_COMMAND_BUFFER_CAPABILITY_SIMULTANEOUS_USE_KHR, "simultaneous use" },
    { COMMAND_SET, CL_COMMAND_BUFFER_CAPABILITY_OUT_OF_ORDER_KHR, "out of order" },
    { USM_SET, CL_UNIFIED_SHARED_MEMORY_ACCESS_INTEL, "access" },
    { USM_SET, CL_UNIFIED_SHARED_MEMORY_ATOMIC_ACCESS_INTEL, "atomic" },
    { USM_SET, CL_UNIFIED_SHARED_MEMORY_CONCURRENT_ACCESS_INTEL, "concurrent" },
    { USM_SET, CL_UNIFIED_SHARED_MEMORY_CONCURRENT_ATOMIC_ACCESS_INTEL, "concurrent atomic" },
    { FEATURE_SET, CL_DEVICE_FEATURE_FLAG_DP4A_INTEL, "dp4a" },
    { FEATURE_SET, CL_DEVICE_FEATURE_FLAG_DPAS_INTEL, "dpas" },
    { PARTITION_LIST, CL_DEVICE_PARTITION_EQUALLY, "equally" },
    { PARTITION_LIST, CL_DEVICE_PARTITION_BY_COUNTS, "by counts" },
    { PARTITION_LIST, CL_DEVICE_PARTITION_BY_AFFINITY_DOMAIN, "by affinity" },
    { PARTITION_LIST, CL_DEVICE_PARTITION_BY_NAMES_INTEL, "by names" },
};

#define P(name) "CL_PLATFORM_" #name, CL_PLATFORM_##name
#define D(name) "CL_DEVICE_" #name, CL_DEVICE_##name
#define AMD     "cl_amd_device_attribute_query"
#define NV      "cl_nv_device_attribute_query"
#define INTEL   "cl_intel_device_attribute_query"
#define USM     "cl_intel_unified_shared_memory"

static const struct property {
    const char *name;
    cl_uint what;
    enum kind kind;
    int version;           /* 20: since OpenCL 2.0 */
    const char *extension; /* or with this */
    bool of_platform;
} properties[] = {
    { P(NAME), TEXT, 0, NULL, true },
    { P(VENDOR), TEXT, 0, NULL, true },
    { P(VERSION), TEXT, 0, NULL, true },
    { P(PROFILE), TEXT, 0, NULL, true },
    { P(EXTENSIONS), TEXT, 0, NULL, true },
    { P(HOST_TIMER_RESOLUTION), ULONG, 21, NULL, true },
    { D(NAME), TEXT, 0, NULL, false },
    { D(VENDOR), TEXT, 0, NULL, false },
    { D(VENDOR_ID), UINT_HEX, 0, NULL, false },
    { D(VERSION), TEXT, 0, NULL, false },
    { "CL_DRIVER_VERSION", CL_DRIVER_VERSION, TEXT, 0, NULL, false },
    { D(OPENCL_C_VERSION), TEXT, 0, NULL, false },
    { D(PROFILE), TEXT, 0, NULL, false },
    { D(TYPE), TYPE_SET, 0, NULL, false },
    { D(AVAILABLE), BOOL, 0, NULL, false },
    { D(COMPILER_AVAILABLE), BOOL, 0, NULL, false },
    { D(LINKER_AVAILABLE), BOOL, 0, NULL, false },
    { D(UUID_KHR), BYTES_HEX, 99, "cl_khr_device_uuid", false },
    { "CL_DRIVER_UUID_KHR", CL_DRIVER_UUID_KHR, BYTES_HEX, 99, "cl_khr_device_uuid", false },
    { D(PCI_BUS_INFO_KHR), PCI, 99, "cl_khr_pci_bus_info", false },
    { D(BOARD_NAME_AMD), TEXT, 99, AMD, false },
    { D(TOPOLOGY_AMD), BYTES_HEX, 99, AMD, false },
    { "CL_DEVICE_PCI_BUS_ID_NV", 0x4008, UINT_HEX, 99, NV, false },
    { "CL_DEVICE_PCI_SLOT_ID_NV", 0x4009, UINT_HEX, 99, NV, false },

    { D(MAX_COMPUTE_UNITS), UINT, 0, NULL, false },
    { D(MAX_CLOCK_FREQUENCY), UINT, 0, NULL, false },
    { D(ADDRESS_BITS), UINT, 0, NULL, false },
    { D(ENDIAN_LITTLE), BOOL, 0, NULL, false },
    { D(EXECUTION_CAPABILITIES), EXEC_SET, 0, NULL, false },
    { D(COMPUTE_CAPABILITY_MAJOR_NV), UINT, 99, NV, false },
    { D(COMPUTE_CAPABILITY_MINOR_NV), UINT, 99, NV, false },
    { D(REGISTERS_PER_BLOCK_NV), UINT, 99, NV, false },
    { D(WARP_SIZE_NV), UINT, 99, NV, false },
    { D(GPU_OVERLAP_NV), BOOL, 99, NV, false },
    { D(KERNEL_EXEC_TIMEOUT_NV), BOOL, 99, NV, false },
    { D(INTEGRATED_MEMORY_NV), BOOL, 99, NV, false },
    { D(SIMD_PER_COMPUTE_UNIT_AMD), UINT, 99, AMD, false },
    { D(SIMD_WIDTH_AMD), UINT, 99, AMD, false },
    { D(SIMD_INSTRUCTION_WIDTH_AMD), UINT, 99, AMD, false },
    { D(WAVEFRONT_WIDTH_AMD), UINT, 99, AMD, false },
    { D(GFXIP_MAJOR_AMD), UINT, 99, AMD, false },
    { D(GFXIP_MINOR_AMD), UINT, 99, AMD, false },
    { D(AVAILABLE_ASYNC_QUEUES_AMD), UINT, 99, AMD, false },
    { D(IP_VERSION_INTEL), UINT_HEX, 99, INTEL, false },
    { D(ID_INTEL), UINT_HEX, 99, INTEL, false },
    { D(NUM_SLICES_INTEL), UINT, 99, INTEL, false },
    { D(NUM_SUB_SLICES_PER_SLICE_INTEL), UINT, 99, INTEL, false },
    { D(NUM_EUS_PER_SUB_SLICE_INTEL), UINT, 99, INTEL, false },
    { D(NUM_THREADS_PER_EU_INTEL), UINT, 99, INTEL, false },
    { D(FEATURE_CAPABILITIES_INTEL), FEATURE_SET, 99, INTEL, false },
    { D(SIMULTANEOUS_INTEROPS_INTEL), BYTES_HEX, 99, "cl_intel_simultaneous_sharing", false },

    { D(MAX_WORK_ITEM_DIMENSIONS), UINT, 0, NULL, false },
    { D(MAX_WORK_ITEM_SIZES), SIZES, 0, NULL, false },
    { D(MAX_WORK_GROUP_SIZE), SIZE, 0, NULL, false },
    { D(PREFERRED_WORK_GROUP_SIZE_AMD), SIZE, 99, AMD, false },
    { D(MAX_WORK_GROUP_SIZE_AMD), SIZE, 99, AMD, false },
    { D(PREFERRED_WORK_GROUP_SIZE_MULTIPLE), SIZE, 30, NULL, false },
    { D(NON_UNIFORM_WORK_GROUP_SUPPORT), BOOL, 30, NULL, false },
    { D(WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT), BOOL, 30, NULL, false },
    { D(MAX_NUM_SUB_GROUPS), UINT, 21, NULL, false },
    { D(SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS), BOOL, 21, NULL, false },
    { D(SUB_GROUP_SIZES_INTEL), SIZES, 99, "cl_intel_required_subgroup_size", false },
    { D(MAX_NAMED_BARRIER_COUNT_KHR), UINT, 99, "cl_khr_subgroup_named_barrier", false },
    { D(PREFERRED_VECTOR_WIDTH_CHAR), UINT, 0, NULL, false },
    { D(PREFERRED_VECTOR_WIDTH_SHORT), UINT, 0, NULL, false },
    { D(PREFERRED_VECTOR_WIDTH_INT), UINT, 0, NULL, false },
    { D(PREFERRED_VECTOR_WIDTH_LONG), UINT, 0, NULL, false },
    { D(PREFERRED_VECTOR_WIDTH_HALF), UINT, 0, NULL, false },
    { D(PREFERRED_VECTOR_WIDTH_FLOAT), UINT, 0, NULL, false },
    { D(PREFERRED_VECTOR_WIDTH_DOUBLE), UINT, 0, NULL, false },
    { D(NATIVE_VECTOR_WIDTH_CHAR), UINT, 0, NULL, false },
    { D(NATIVE_VECTOR_WIDTH_SHORT), UINT, 0, NULL, false },
    { D(NATIVE_VECTOR_WIDTH_INT), UINT, 0, NULL, false },
    { D(NATIVE_VECTOR_WIDTH_LONG), UINT, 0, NULL, false },
    { D(NATIVE_VECTOR_WIDTH_HALF), UINT, 0, NULL, false },
    { D(NATIVE_VECTOR_WIDTH_FLOAT), UINT, 0, NULL, false },
    { D(NATIVE_VECTOR_WIDTH_DOUBLE), UINT, 0, NULL, false },
    { D(HALF_FP_CONFIG), FP_SET, 99, "cl_khr_fp16", false },
    { D(SINGLE_FP_CONFIG), FP_SET, 0, NULL, false },
    { D(DOUBLE_FP_CONFIG), FP_SET, 0, NULL, false },

    { D(GLOBAL_MEM_SIZE), ULONG_BYTES, 0, NULL, false },
    { D(MAX_MEM_ALLOC_SIZE), ULONG_BYTES, 0, NULL, false },
    { D(GLOBAL_MEM_CACHE_TYPE), CACHE_CHOICE, 0, NULL, false },
    { D(GLOBAL_MEM_CACHE_SIZE), ULONG_BYTES, 0, NULL, false },
    { D(GLOBAL_MEM_CACHELINE_SIZE), UINT_BYTES, 0, NULL, false },
    { D(GLOBAL_FREE_MEMORY_AMD), SIZES, 99, AMD, false },
    { D(GLOBAL_MEM_CHANNELS_AMD), UINT, 99, AMD, false },
    { D(GLOBAL_MEM_CHANNEL_BANKS_AMD), UINT, 99, AMD, false },
    { D(GLOBAL_MEM_CHANNEL_BANK_WIDTH_AMD), UINT_BYTES, 99, AMD, false },
    { D(HOST_UNIFIED_MEMORY), BOOL, 0, NULL, false },
    { D(ERROR_CORRECTION_SUPPORT), BOOL, 0, NULL, false },
    { D(MEM_BASE_ADDR_ALIGN), UINT_BITS, 0, NULL, false },
    { D(MIN_DATA_TYPE_ALIGN_SIZE), UINT_BYTES, 0, NULL, false },
    { D(LOCAL_MEM_TYPE), LOCAL_CHOICE, 0, NULL, false },
    { D(LOCAL_MEM_SIZE), ULONG_BYTES, 0, NULL, false },
    { D(LOCAL_MEM_SIZE_PER_COMPUTE_UNIT_AMD), UINT_BYTES, 99, AMD, false },
    { D(LOCAL_MEM_BANKS_AMD), UINT, 99, AMD, false },
    { D(MAX_CONSTANT_BUFFER_SIZE), ULONG_BYTES, 0, NULL, false },
    { D(PREFERRED_CONSTANT_BUFFER_SIZE_AMD), SIZE_BYTES, 99, AMD, false },
    { D(MAX_CONSTANT_ARGS), UINT, 0, NULL, false },
    { D(MAX_PARAMETER_SIZE), SIZE_BYTES, 0, NULL, false },
    { D(MAX_GLOBAL_VARIABLE_SIZE), SIZE_BYTES, 20, NULL, false },
    { D(GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE), SIZE_BYTES, 20, NULL, false },
    { D(SVM_CAPABILITIES), SVM_SET, 20, NULL, false },
    { D(HOST_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM, false },
    { D(DEVICE_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM, false },
    { D(SINGLE_DEVICE_SHARED_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM, false },
    { D(CROSS_DEVICE_SHARED_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM, false },
    { D(SHARED_SYSTEM_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM, false },
    { D(ATOMIC_MEMORY_CAPABILITIES), ATOMIC_SET, 30, NULL, false },
    { D(ATOMIC_FENCE_CAPABILITIES), ATOMIC_SET, 30, NULL, false },
    { D(PREFERRED_PLATFORM_ATOMIC_ALIGNMENT), UINT_BYTES, 20, NULL, false },
    { D(PREFERRED_GLOBAL_ATOMIC_ALIGNMENT), UINT_BYTES, 20, NULL, false },
    { D(PREFERRED_LOCAL_ATOMIC_ALIGNMENT), UINT_BYTES, 20, NULL, false },
    { D(GENERIC_ADDRESS_SPACE_SUPPORT), BOOL, 30, NULL, false },

    { D(QUEUE_ON_HOST_PROPERTIES), QUEUE_SET, 0, NULL, false },
    { D(QUEUE_ON_DEVICE_PROPERTIES), QUEUE_SET, 20, NULL, false },
    { D(QUEUE_ON_DEVICE_PREFERRED_SIZE), UINT_BYTES, 20, NULL, false },
    { D(QUEUE_ON_DEVICE_MAX_SIZE), UINT_BYTES, 20, NULL, false },
    { D(MAX_ON_DEVICE_QUEUES), UINT, 20, NULL, false },
    { D(MAX_ON_DEVICE_EVENTS), UINT, 20, NULL, false },
    { D(DEVICE_ENQUEUE_CAPABILITIES), ENQUEUE_SET, 30, NULL, false },
    { D(COMMAND_BUFFER_CAPABILITIES_KHR), COMMAND_SET, 99, "cl_khr_command_buffer", false },
    { D(COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR), QUEUE_SET, 99, "cl_khr_command_buffer", false },
    { D(PROFILING_TIMER_RESOLUTION), SIZE, 0, NULL, false },
    { D(PROFILING_TIMER_OFFSET_AMD), ULONG, 99, AMD, false },
    { D(PRINTF_BUFFER_SIZE), SIZE_BYTES, 0, NULL, false },
    { D(PREFERRED_INTEROP_USER_SYNC), BOOL, 0, NULL, false },
    { D(PIPE_SUPPORT), BOOL, 30, NULL, false },
    { D(MAX_PIPE_ARGS), UINT, 20, NULL, false },
    { D(PIPE_MAX_ACTIVE_RESERVATIONS), UINT, 20, NULL, false },
    { D(PIPE_MAX_PACKET_SIZE), UINT_BYTES, 20, NULL, false },

    { D(PARENT_DEVICE), HANDLE, 0, NULL, false },
    { D(PARTITION_MAX_SUB_DEVICES), UINT, 0, NULL, false },
    { D(PARTITION_PROPERTIES), PARTITION_LIST, 0, NULL, false },
    { D(PARTITION_AFFINITY_DOMAIN), AFFINITY_SET, 0, NULL, false },
    { D(PARTITION_TYPE), PARTITION_LIST, 0, NULL, false },
    { D(REFERENCE_COUNT), UINT, 0, NULL, false },

    { D(IMAGE_SUPPORT), BOOL, 0, NULL, false },
    { D(MAX_READ_IMAGE_ARGS), UINT, 0, NULL, false },
    { D(MAX_WRITE_IMAGE_ARGS), UINT, 0, NULL, false },
    { D(MAX_READ_WRITE_IMAGE_ARGS), UINT, 20, NULL, false },
    { D(IMAGE2D_MAX_WIDTH), SIZE, 0, NULL, false },
    { D(IMAGE2D_MAX_HEIGHT), SIZE, 0, NULL, false },
    { D(IMAGE3D_MAX_WIDTH), SIZE, 0, NULL, false },
    { D(IMAGE3D_MAX_HEIGHT), SIZE, 0, NULL, false },
    { D(IMAGE3D_MAX_DEPTH), SIZE, 0, NULL, false },
    { D(IMAGE_MAX_BUFFER_SIZE), SIZE, 0, NULL, false },
    { D(IMAGE_MAX_ARRAY_SIZE), SIZE, 0, NULL, false },
    { D(IMAGE_PITCH_ALIGNMENT), UINT, 20, "cl_khr_image2d_from_buffer", false },
    { D(IMAGE_BASE_ADDRESS_ALIGNMENT), UINT, 20, "cl_khr_image2d_from_buffer", false },
    { D(MAX_SAMPLERS), UINT, 0, NULL, false },

    { D(IL_VERSION), TEXT, 21, "cl_khr_il_program", false },
    { D(ILS_WITH_VERSION), NAMED_VERSIONS, 30, NULL, false },
    { D(SPIR_VERSIONS), TEXT, 99, "cl_khr_spir", false },
    { D(BUILT_IN_KERNELS), TEXT, 0, NULL, false },
    { D(BUILT_IN_KERNELS_WITH_VERSION), NAMED_VERSIONS, 30, NULL, false },
    { D(NUMERIC_VERSION), VERSION, 30, NULL, false },
    { D(LATEST_CONFORMANCE_VERSION_PASSED), TEXT, 30, NULL, false },
    { D(OPENCL_C_ALL_VERSIONS), NAMED_VERSIONS, 30, NULL, false },
    { D(OPENCL_C_FEATURES), NAMED_VERSIONS, 30, NULL, false },
    { D(INTEGER_DOT_PRODUCT_CAPABILITIES_KHR), DOT_SET, 99, "cl_khr_integer_dot_product", false },
    { D(EXTENSIONS), TEXT, 0, NULL, false },
    { D(EXTENSIONS_WITH_VERSION), NAMED_VERSIONS, 30, NULL, false },
};

/* ---- reading answers ---- */

static void add_separator(struct qni_text *t)
{
    if (t->length)
        qni_text_add(t, ", ");
}

static void add_bytes(struct qni_text *t, uint64_t v)
{
    char text[32];

    qni_text_add(t, "%" PRIu64, v);
    if (v >= 1024)
        qni_text_add(t, " (%s)", qni_bytes_text(v, text, sizeof(text)));
}

/* A choice by its value, or every member of a set; what has no name is shown in hexadecimal. */
static void add_names(struct qni_text *t, enum kind kind, bool set, uint64_t v)
{
    uint64_t rest = v;

    for (size_t i = 0; i < QNI_COUNT(names); i++) {
        if (names[i].kind != kind || (set ? !(v & names[i].value) : v != names[i].value))
            continue;
        add_separator(t);
        qni_text_add(t, "%s", names[i].name);
        if (!set)
            return;
        rest &= ~names[i].value;
    }
    if (rest || (!set && v)) {
        add_separator(t);
        qni_text_add(t, "0x%" PRIx64, rest);
    } else if (!v && set) {
        qni_text_add(t, "none");
    }
}

static void add_version(struct qni_text *t, cl_version v)
{
    qni_text_add(t, "%u.%u.%u", CL_VERSION_MAJOR(v), CL_VERSION_MINOR(v), CL_VERSION_PATCH(v));
}

static void add_named_versions(struct qni_text *t, const unsigned char *data, size_t bytes)
{
    cl_name_version v;

    for (size_t i = 0; i + sizeof(v) <= bytes; i += sizeof(v)) {
        memcpy(&v, data + i, sizeof(v));
        v.name[sizeof(v.name) - 1] = '\0';
        add_separator(t);
        qni_text_add(t, "%s ", v.name);
        add_version(t, v.version);
    }
}

static void add_sizes(struct qni_text *t, const unsigned char *data, size_t bytes)
{
    size_t v;

    for (size_t i = 0; i + sizeof(v) <= bytes; i += sizeof(v)) {
        memcpy(&v, data + i, sizeof(v));
        add_separator(t);
        qni_text_add(t, "%zu", v);
    }
}

static void add_partitions(struct qni_text *t, const unsigned char *data, size_t bytes)
{
    intptr_t v = 0;

    for (size_t i = 0; i + sizeof(v) <= bytes; i += sizeof(v)) {
        memcpy(&v, data + i, sizeof(v));
        if (v)
            add_names(t, PARTITION_LIST, false, (uint64_t)v);
    }
    if (!t->length)
        qni_text_add(t, "none");
}

/* Driver text on one line. */
static void add_text(struct qni_text *t, const unsigned char *data, size_t bytes)
{
    size_t n = 0;

    while (n < bytes && data[n])
        n++;
    qni_text_add_bytes(t, (const char *)data, n);
    for (size_t i = 0; t->data && i < t->length; i++)
        if ((unsigned char)t->data[i] < ' ')
            t->data[i] = ' ';
    while (t->length && t->data[t->length - 1] == ' ')
        t->data[--t->length] = '\0';
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

static void add_number(struct qni_text *t, enum kind kind, uint64_t v)
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
        add_version(t, (cl_version)v);
        break;
    case CACHE_CHOICE:
    case LOCAL_CHOICE:
        add_names(t, kind, false, v);
        break;
    case UINT:
    case ULONG:
    case SIZE:
        qni_text_add(t, "%" PRIu64, v);
        break;
    default:
        add_names(t, kind, true, v);
    }
}

static void add_answer(struct qni_text *t, enum kind kind, const unsigned char *data, size_t bytes)
{
    cl_device_pci_bus_info_khr pci;
    uint64_t v = 0;

    if (kind == TEXT) {
        add_text(t, data, bytes);
    } else if (kind == SIZES) {
        add_sizes(t, data, bytes);
    } else if (kind == NAMED_VERSIONS) {
        add_named_versions(t, data, bytes);
    } else if (kind == PARTITION_LIST) {
        add_partitions(t, data, bytes);
    } else if (kind == BYTES_HEX) {
        for (size_t i = 0; i < bytes; i++)
            qni_text_add(t, "%02x", data[i]);
    } else if (kind == PCI && bytes == sizeof(pci)) {
        memcpy(&pci, data, sizeof(pci));
        qni_text_add(t, "%04x:%02x:%02x.%x", pci.pci_domain, pci.pci_bus, pci.pci_device, pci.pci_function);
    } else if (kind != PCI && number(data, bytes, &v)) {
        add_number(t, kind, v);
    } else {
        qni_text_add(t, "an answer of %zu bytes", bytes);
    }
}

/* ---- asking ---- */

static cl_int ask(const struct qni_cl *cl, const struct qni_found *f, const struct property *p, size_t bytes,
                  unsigned char *data, size_t *got)
{
    return p->of_platform ? cl->GetPlatformInfo(f->platform, p->what, bytes, data, got)
                          : cl->GetDeviceInfo(f->id, p->what, bytes, data, got);
}

static bool has_extension(const struct qni_cl *cl, const struct qni_found *f, const qn_context *ctx, const char *name)
{
    static const struct property list = { D(EXTENSIONS), TEXT, 0, NULL, false };
    unsigned char *data = NULL;
    size_t bytes = 0, n = strlen(name);
    bool has = false;

    if (ask(cl, f, &list, 0, NULL, &bytes) || qni_calloc(ctx, &data, bytes + 1, 1))
        return false;
    if (!ask(cl, f, &list, bytes, data, NULL))
        for (const char *p = (const char *)data; !has && (p = strstr(p, name)); p += n)
            has = (p[n] == ' ' || p[n] == '\0') && (p == (const char *)data || p[-1] == ' ');
    qni_free(ctx, &data);
    return has;
}

enum property_result property_get(struct property_value *out, size_t i, const struct qni_cl *cl,
                                  const struct qni_found *found)
{
    const struct property *p;
    unsigned char *data = NULL;
    size_t bytes = 0, got = 0;
    cl_int e;

    if (i >= QNI_COUNT(properties))
        return PROPERTY_END;
    p = &properties[i];
    out->name = p->name;
    out->text.length = 0;
    if (out->text.data)
        out->text.data[0] = '\0';
    out->shown = found->caps.cl_major * 10 + found->caps.cl_minor >= p->version ||
                 (p->extension && has_extension(cl, found, out->text.ctx, p->extension));
    if (!out->shown)
        return PROPERTY_OK;

    e = ask(cl, found, p, 0, NULL, &bytes);
    if (e || bytes > (size_t)1 << 24 || qni_calloc(out->text.ctx, &data, bytes, 1)) {
        qni_text_add(&out->text, "%s", e ? qni_cl_error_name(e) : "an answer that is too long");
        return PROPERTY_OK;
    }
    e = bytes ? ask(cl, found, p, bytes, data, &got) : CL_SUCCESS;
    if (e)
        qni_text_add(&out->text, "%s", qni_cl_error_name(e));
    else
        add_answer(&out->text, p->kind, data, QNI_MIN(got, bytes));
    qni_free(out->text.ctx, &data);
    return PROPERTY_OK;
}
