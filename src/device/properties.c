/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Everything a device can be asked: a table of what to ask, how to read the
 * answer, and which version or extension it belongs to. */
#include <string.h>

#include "device/answers.h"
#include "device/property.h"

#define P(name) "CL_PLATFORM_" #name, CL_PLATFORM_##name
#define D(name) "CL_DEVICE_" #name, CL_DEVICE_##name
#define AMD     "cl_amd_device_attribute_query"
#define NV      "cl_nv_device_attribute_query"
#define INTEL   "cl_intel_device_attribute_query"
#define USM     "cl_intel_unified_shared_memory"

/* What is asked. */
enum asked { DEVICE, PLATFORM, KERNEL };

/* When a property is shown, besides version and extension. */
enum condition {
    ALWAYS,
    BEFORE_20, /* the device is older than OpenCL 2.0 */
    IMAGES,    /* it has images */
    CACHE,     /* it has a cache */
    OURS       /* not where clinfo is imitated, which has it not */
};

/* In clinfo's order. */
static const struct property {
    const char *name;
    cl_uint what;
    enum qni_answer kind;
    int version;           /* 20: since OpenCL 2.0 */
    const char *extension; /* or with this */
    enum asked of;
    enum condition condition;
} properties[] = {
    { P(NAME), TEXT, 0, NULL, PLATFORM },
    { P(VENDOR), TEXT, 0, NULL, PLATFORM },
    { P(VERSION), TEXT, 0, NULL, PLATFORM },
    { P(PROFILE), TEXT, 0, NULL, PLATFORM },
    { P(EXTENSIONS), TEXT, 0, NULL, PLATFORM },
    { P(EXTENSIONS_WITH_VERSION), NAMED_VERSIONS, 30, NULL, PLATFORM },
    { P(NUMERIC_VERSION), VERSION, 30, NULL, PLATFORM },
    { P(ICD_SUFFIX_KHR), TEXT, 99, "cl_khr_icd", PLATFORM },
    { P(HOST_TIMER_RESOLUTION), ULONG, 21, NULL, PLATFORM },
    { "CL_PLATFORM_MAX_KEYS_AMD", 0x403C, SIZE, 99, "cl_amd_object_metadata", PLATFORM },
    { P(SEMAPHORE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_semaphore", PLATFORM },
    { P(SEMAPHORE_IMPORT_HANDLE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_external_semaphore", PLATFORM },
    { P(SEMAPHORE_EXPORT_HANDLE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_external_semaphore", PLATFORM },
    { P(EXTERNAL_MEMORY_IMPORT_HANDLE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_external_memory", PLATFORM },
    { D(NAME), TEXT },
    { D(VENDOR), TEXT },
    { D(VENDOR_ID), UINT_HEX },
    { D(VERSION), TEXT },
    { D(UUID_KHR), UUID, 99, "cl_khr_device_uuid" },
    { "CL_DRIVER_UUID_KHR", CL_DRIVER_UUID_KHR, UUID, 99, "cl_khr_device_uuid" },
    { D(LUID_VALID_KHR), BOOL, 99, "cl_khr_device_uuid" },
    { D(LUID_KHR), LUID, 99, "cl_khr_device_uuid" },
    { D(NODE_MASK_KHR), UINT_HEX, 99, "cl_khr_device_uuid" },
    { D(NUMERIC_VERSION), VERSION, 30 },
    { "CL_DRIVER_VERSION", CL_DRIVER_VERSION, TEXT },
    { D(OPENCL_C_VERSION), TEXT },
    { D(OPENCL_C_ALL_VERSIONS), NAMED_VERSIONS, 30 },
    { D(OPENCL_C_FEATURES), NAMED_VERSIONS, 30 },
    { D(LATEST_CONFORMANCE_VERSION_PASSED), TEXT, 30 },
    { D(TYPE), TYPE_SET },
    { D(BOARD_NAME_AMD), TEXT, 99, AMD },
    { D(PCIE_ID_AMD), UINT_HEX, 99, AMD },
    { D(TOPOLOGY_AMD), BYTES_HEX, 99, AMD },
    { "CL_DEVICE_PCI_BUS_ID_NV", 0x4008, UINT_HEX, 99, NV },
    { "CL_DEVICE_PCI_SLOT_ID_NV", 0x4009, UINT_HEX, 99, NV },
    { "CL_DEVICE_PCI_DOMAIN_ID_NV", 0x400A, UINT_HEX, 99, NV },
    { D(PCI_BUS_INFO_KHR), PCI, 99, "cl_khr_pci_bus_info" },
    { D(PROFILE), TEXT },
    { D(AVAILABLE), BOOL },
    { D(COMPILER_AVAILABLE), BOOL },
    { D(LINKER_AVAILABLE), BOOL },
    { D(MAX_COMPUTE_UNITS), UINT },
    { D(AVAILABLE_ASYNC_QUEUES_AMD), UINT, 99, AMD },
    { D(SIMD_PER_COMPUTE_UNIT_AMD), UINT, 99, AMD },
    { D(SIMD_WIDTH_AMD), UINT, 99, AMD },
    { D(SIMD_INSTRUCTION_WIDTH_AMD), UINT, 99, AMD },
    { D(MAX_CLOCK_FREQUENCY), UINT },
    { D(COMPUTE_CAPABILITY_MAJOR_NV), UINT, 99, NV },
    { D(COMPUTE_CAPABILITY_MINOR_NV), UINT, 99, NV },
    { D(GFXIP_MAJOR_AMD), UINT, 99, AMD },
    { D(GFXIP_MINOR_AMD), UINT, 99, AMD },
    { D(PARTITION_MAX_SUB_DEVICES), UINT },
    { D(PARTITION_PROPERTIES), PARTITION_LIST },
    { D(PARTITION_AFFINITY_DOMAIN), AFFINITY_SET },
    { D(MAX_WORK_ITEM_DIMENSIONS), UINT },
    { D(MAX_WORK_ITEM_SIZES), SIZES },
    { D(MAX_WORK_GROUP_SIZE), SIZE },
    { D(PREFERRED_WORK_GROUP_SIZE_AMD), SIZE, 99, AMD },
    { D(MAX_WORK_GROUP_SIZE_AMD), SIZE, 99, AMD },
    { D(PREFERRED_WORK_GROUP_SIZE_MULTIPLE), SIZE, 30 },
    { "CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE", CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, SIZE, 0, NULL, KERNEL },
    { D(WARP_SIZE_NV), UINT, 99, NV },
    { D(WAVEFRONT_WIDTH_AMD), UINT, 99, AMD },
    { D(MAX_NUM_SUB_GROUPS), UINT, 21 },
    { D(MAX_NAMED_BARRIER_COUNT_KHR), UINT, 99, "cl_khr_subgroup_named_barrier" },
    { D(SUB_GROUP_SIZES_INTEL), SIZES, 99, "cl_intel_required_subgroup_size" },
    { D(PREFERRED_VECTOR_WIDTH_CHAR), UINT },
    { D(NATIVE_VECTOR_WIDTH_CHAR), UINT },
    { D(PREFERRED_VECTOR_WIDTH_SHORT), UINT },
    { D(NATIVE_VECTOR_WIDTH_SHORT), UINT },
    { D(PREFERRED_VECTOR_WIDTH_INT), UINT },
    { D(NATIVE_VECTOR_WIDTH_INT), UINT },
    { D(PREFERRED_VECTOR_WIDTH_LONG), UINT },
    { D(NATIVE_VECTOR_WIDTH_LONG), UINT },
    { D(PREFERRED_VECTOR_WIDTH_HALF), UINT },
    { D(NATIVE_VECTOR_WIDTH_HALF), UINT },
    { D(PREFERRED_VECTOR_WIDTH_FLOAT), UINT },
    { D(NATIVE_VECTOR_WIDTH_FLOAT), UINT },
    { D(PREFERRED_VECTOR_WIDTH_DOUBLE), UINT },
    { D(NATIVE_VECTOR_WIDTH_DOUBLE), UINT },
    { D(HALF_FP_CONFIG), OTHER_FP_SET, 99, "cl_khr_fp16" },
    { D(SINGLE_FP_CONFIG), FP_SET },
    { D(DOUBLE_FP_CONFIG), OTHER_FP_SET, 99, "cl_khr_fp64" },
    { D(ADDRESS_BITS), UINT },
    { D(ENDIAN_LITTLE), BOOL },
    { D(GLOBAL_MEM_SIZE), ULONG_BYTES },
    { D(GLOBAL_FREE_MEMORY_AMD), SIZES, 99, AMD },
    { D(GLOBAL_MEM_CHANNELS_AMD), UINT, 99, AMD },
    { D(GLOBAL_MEM_CHANNEL_BANKS_AMD), UINT, 99, AMD },
    { D(GLOBAL_MEM_CHANNEL_BANK_WIDTH_AMD), UINT_BYTES, 99, AMD },
    { D(ERROR_CORRECTION_SUPPORT), BOOL },
    { D(MAX_MEM_ALLOC_SIZE), ULONG_BYTES },
    { D(HOST_UNIFIED_MEMORY), BOOL },
    { D(INTEGRATED_MEMORY_NV), BOOL, 99, NV },
    { D(SVM_CAPABILITIES), SVM_SET, 20 },
    { D(HOST_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM },
    { D(DEVICE_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM },
    { D(SINGLE_DEVICE_SHARED_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM },
    { D(CROSS_DEVICE_SHARED_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM },
    { D(SHARED_SYSTEM_MEM_CAPABILITIES_INTEL), USM_SET, 99, USM },
    { D(MIN_DATA_TYPE_ALIGN_SIZE), UINT_BYTES },
    { D(MEM_BASE_ADDR_ALIGN), UINT_BITS },
    { D(PREFERRED_PLATFORM_ATOMIC_ALIGNMENT), UINT_BYTES, 20 },
    { D(PREFERRED_GLOBAL_ATOMIC_ALIGNMENT), UINT_BYTES, 20 },
    { D(PREFERRED_LOCAL_ATOMIC_ALIGNMENT), UINT_BYTES, 20 },
    { D(ATOMIC_MEMORY_CAPABILITIES), ATOMIC_SET, 30 },
    { D(ATOMIC_FENCE_CAPABILITIES), ATOMIC_SET, 30 },
    { D(MAX_GLOBAL_VARIABLE_SIZE), SIZE_BYTES, 20 },
    { D(GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE), SIZE_BYTES, 20 },
    { D(GLOBAL_MEM_CACHE_TYPE), CACHE_CHOICE },
    { D(GLOBAL_MEM_CACHE_SIZE), ULONG_BYTES, 0, NULL, DEVICE, CACHE },
    { D(GLOBAL_MEM_CACHELINE_SIZE), UINT_BYTES, 0, NULL, DEVICE, CACHE },
    { D(IMAGE_SUPPORT), BOOL },
    { D(MAX_SAMPLERS), UINT, 0, NULL, DEVICE, IMAGES },
    { D(IMAGE_MAX_BUFFER_SIZE), SIZE, 0, NULL, DEVICE, IMAGES },
    { D(IMAGE_MAX_ARRAY_SIZE), SIZE, 0, NULL, DEVICE, IMAGES },
    { D(IMAGE_BASE_ADDRESS_ALIGNMENT), UINT, 20, "cl_khr_image2d_from_buffer", DEVICE, IMAGES },
    { D(IMAGE_PITCH_ALIGNMENT), UINT, 20, "cl_khr_image2d_from_buffer", DEVICE, IMAGES },
    { D(IMAGE2D_MAX_HEIGHT), SIZE, 0, NULL, DEVICE, IMAGES },
    { D(IMAGE2D_MAX_WIDTH), SIZE, 0, NULL, DEVICE, IMAGES },
    { D(IMAGE3D_MAX_HEIGHT), SIZE, 0, NULL, DEVICE, IMAGES },
    { D(IMAGE3D_MAX_WIDTH), SIZE, 0, NULL, DEVICE, IMAGES },
    { D(IMAGE3D_MAX_DEPTH), SIZE, 0, NULL, DEVICE, IMAGES },
    { D(MAX_READ_IMAGE_ARGS), UINT, 0, NULL, DEVICE, IMAGES },
    { D(MAX_WRITE_IMAGE_ARGS), UINT, 0, NULL, DEVICE, IMAGES },
    { D(MAX_READ_WRITE_IMAGE_ARGS), UINT, 20, NULL, DEVICE, IMAGES },
    { D(PIPE_SUPPORT), BOOL, 30 },
    { D(MAX_PIPE_ARGS), UINT, 20 },
    { D(PIPE_MAX_ACTIVE_RESERVATIONS), UINT, 20 },
    { D(PIPE_MAX_PACKET_SIZE), UINT_BYTES, 20 },
    { D(LOCAL_MEM_TYPE), LOCAL_CHOICE },
    { D(LOCAL_MEM_SIZE), ULONG_BYTES },
    { D(LOCAL_MEM_SIZE_PER_COMPUTE_UNIT_AMD), UINT_BYTES, 99, AMD },
    { D(LOCAL_MEM_BANKS_AMD), UINT, 99, AMD },
    { D(REGISTERS_PER_BLOCK_NV), UINT, 99, NV },
    { D(MAX_CONSTANT_ARGS), UINT },
    { D(MAX_CONSTANT_BUFFER_SIZE), ULONG_BYTES },
    { D(PREFERRED_CONSTANT_BUFFER_SIZE_AMD), SIZE_BYTES, 99, AMD },
    { D(GENERIC_ADDRESS_SPACE_SUPPORT), BOOL, 30 },
    { D(MAX_PARAMETER_SIZE), SIZE_BYTES },
    { D(QUEUE_PROPERTIES), QUEUE_SET, 0, NULL, DEVICE, BEFORE_20 },
    { D(QUEUE_ON_HOST_PROPERTIES), QUEUE_SET, 20 },
    { D(DEVICE_ENQUEUE_CAPABILITIES), ENQUEUE_SET, 30 },
    { D(QUEUE_ON_DEVICE_PROPERTIES), QUEUE_SET, 20 },
    { D(QUEUE_ON_DEVICE_PREFERRED_SIZE), UINT_BYTES, 20 },
    { D(QUEUE_ON_DEVICE_MAX_SIZE), UINT_BYTES, 20 },
    { D(MAX_ON_DEVICE_QUEUES), UINT, 20 },
    { D(MAX_ON_DEVICE_EVENTS), UINT, 20 },
    { D(COMMAND_BUFFER_CAPABILITIES_KHR), COMMAND_SET, 99, "cl_khr_command_buffer" },
    { D(COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES_KHR), QUEUE_SET, 99, "cl_khr_command_buffer" },
    { D(PREFERRED_INTEROP_USER_SYNC), BOOL },
    { D(PROFILING_TIMER_RESOLUTION), SIZE },
    { D(PROFILING_TIMER_OFFSET_AMD), ULONG, 99, AMD },
    { D(EXECUTION_CAPABILITIES), EXEC_SET },
    { D(NON_UNIFORM_WORK_GROUP_SUPPORT), BOOL, 30 },
    { D(WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT), BOOL, 30 },
    { D(SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS), BOOL, 21 },
    { D(KERNEL_EXEC_TIMEOUT_NV), BOOL, 99, NV },
    { D(GPU_OVERLAP_NV), BOOL, 99, NV },
    { D(IL_VERSION), TEXT, 21, "cl_khr_il_program" },
    { D(ILS_WITH_VERSION), NAMED_VERSIONS, 30 },
    { D(SPIR_VERSIONS), TEXT, 99, "cl_khr_spir" },
    { D(PRINTF_BUFFER_SIZE), SIZE_BYTES },
    { D(BUILT_IN_KERNELS), TEXT },
    { D(BUILT_IN_KERNELS_WITH_VERSION), NAMED_VERSIONS, 30 },

    /* Rare ones; clinfo has them in other places. */
    { D(OPENCL_C_NUMERIC_VERSION_KHR), VERSION, 99, "cl_khr_extended_versioning" },
    { D(CXX_FOR_OPENCL_NUMERIC_VERSION_EXT), VERSION, 99, "cl_ext_cxx_for_opencl" },
    { D(PARTITION_TYPES_EXT), SIZES, 99, "cl_ext_device_fission" },
    { D(AFFINITY_DOMAINS_EXT), SIZES, 99, "cl_ext_device_fission" },
    { D(MAX_ATOMIC_COUNTERS_EXT), UINT, 99, "cl_ext_atomic_counters_32" },
    { D(TERMINATE_CAPABILITY_KHR), UINT_HEX, 99, "cl_khr_terminate_context" },
    { D(SEMAPHORE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_semaphore" },
    { D(SEMAPHORE_IMPORT_HANDLE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_external_semaphore" },
    { D(SEMAPHORE_EXPORT_HANDLE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_external_semaphore" },
    { D(EXTERNAL_MEMORY_IMPORT_HANDLE_TYPES_KHR), BYTES_HEX, 99, "cl_khr_external_memory" },
    { "CL_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT_NV", 0x4007, UINT, 99, NV },
    { "CL_DEVICE_MAX_REAL_TIME_COMPUTE_QUEUES_AMD", 0x404D, UINT, 99, AMD },
    { "CL_DEVICE_MAX_REAL_TIME_COMPUTE_UNITS_AMD", 0x404E, UINT, 99, AMD },
    { D(THREAD_TRACE_SUPPORTED_AMD), BOOL, 99, AMD },
    { "CL_DEVICE_NUM_P2P_DEVICES_AMD", 0x4088, UINT, 99, "cl_amd_copy_buffer_p2p" },
    { "CL_DEVICE_P2P_DEVICES_AMD", 0x4089, BYTES_HEX, 99, "cl_amd_copy_buffer_p2p" },
    { D(ME_VERSION_INTEL), UINT, 99, "cl_intel_advanced_motion_estimation" },
    { D(AVC_ME_VERSION_INTEL), UINT, 99, "cl_intel_device_side_avc_motion_estimation" },
    { D(AVC_ME_SUPPORTS_TEXTURE_SAMPLER_USE_INTEL), BOOL, 99, "cl_intel_device_side_avc_motion_estimation" },
    { D(AVC_ME_SUPPORTS_PREEMPTION_INTEL), BOOL, 99, "cl_intel_device_side_avc_motion_estimation" },
    { D(PLANAR_YUV_MAX_WIDTH_INTEL), SIZE, 99, "cl_intel_planar_yuv" },
    { D(PLANAR_YUV_MAX_HEIGHT_INTEL), SIZE, 99, "cl_intel_planar_yuv" },
    { D(QUEUE_FAMILY_PROPERTIES_INTEL), BYTES_HEX, 99, "cl_intel_command_queue_families" },
    { D(NUM_SIMULTANEOUS_INTEROPS_INTEL), UINT, 99, "cl_intel_simultaneous_sharing" },
    { D(COMPUTE_UNITS_BITFIELD_ARM), UINT_HEX, 99, "cl_arm_core_id" },
    { D(JOB_SLOTS_ARM), UINT_HEX, 99, "cl_arm_job_slot_selection" },
    { D(SVM_CAPABILITIES_ARM), SVM_SET, 99, "cl_arm_shared_virtual_memory" },
    { D(SCHEDULING_CONTROLS_CAPABILITIES_ARM), UINT_HEX, 99, "cl_arm_scheduling_controls" },
    { D(SUPPORTED_REGISTER_ALLOCATIONS_ARM), BYTES_HEX, 99, "cl_arm_scheduling_controls" },
    { D(MAX_WARP_COUNT_ARM), UINT, 99, "cl_arm_scheduling_controls" },
    { D(CONTROLLED_TERMINATION_CAPABILITIES_ARM), UINT_HEX, 99, "cl_arm_controlled_kernel_termination" },
    { D(EXT_MEM_PADDING_IN_BYTES_QCOM), SIZE, 99, "cl_qcom_ext_host_ptr" },
    { D(PAGE_SIZE_QCOM), SIZE, 99, "cl_qcom_ext_host_ptr" },
    { "CL_DEVICE_CORE_TEMPERATURE_ALTERA", 0x40F3, UINT, 99, "cl_altera_device_temperature" },

    { D(EXTENSIONS), TEXT },
    { D(EXTENSIONS_WITH_VERSION), NAMED_VERSIONS, 30 },

    /* What clinfo does not show. */
    { D(MUTABLE_DISPATCH_CAPABILITIES_KHR), UINT_HEX, 99, "cl_khr_command_buffer_mutable_dispatch", DEVICE, OURS },
    { D(IP_VERSION_INTEL), UINT_HEX, 99, INTEL, DEVICE, OURS },
    { D(ID_INTEL), UINT_HEX, 99, INTEL, DEVICE, OURS },
    { D(NUM_SLICES_INTEL), UINT, 99, INTEL, DEVICE, OURS },
    { D(NUM_SUB_SLICES_PER_SLICE_INTEL), UINT, 99, INTEL, DEVICE, OURS },
    { D(NUM_EUS_PER_SUB_SLICE_INTEL), UINT, 99, INTEL, DEVICE, OURS },
    { D(NUM_THREADS_PER_EU_INTEL), UINT, 99, INTEL, DEVICE, OURS },
    { D(FEATURE_CAPABILITIES_INTEL), FEATURE_SET, 99, INTEL, DEVICE, OURS },
    { D(SIMULTANEOUS_INTEROPS_INTEL), BYTES_HEX, 99, "cl_intel_simultaneous_sharing", DEVICE, OURS },
    { D(PARENT_DEVICE), HANDLE, 0, NULL, DEVICE, OURS },
    { D(PARTITION_TYPE), PARTITION_LIST, 0, NULL, DEVICE, OURS },
    { D(REFERENCE_COUNT), UINT, 0, NULL, DEVICE, OURS },
    { D(INTEGER_DOT_PRODUCT_CAPABILITIES_KHR), DOT_SET, 99, "cl_khr_integer_dot_product", DEVICE, OURS },
};

/* ---- asking ---- */

/* A kernel has to be made to be asked. */
static cl_int ask_kernel(const struct qni_cl *cl, const struct qni_found *f, const struct property *p, size_t bytes,
                         unsigned char *data, size_t *got)
{
    static const char *const source = "__kernel void f(__global int *x) { x[get_global_id(0)] = 0; }";
    cl_context_properties wanted[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)f->platform, 0 };
    cl_context context = NULL;
    cl_program program = NULL;
    cl_kernel kernel = NULL;
    cl_int e = CL_DEVICE_NOT_AVAILABLE;

    if (qni_caps_unusable(&f->caps))
        goto done;
    if (!(context = cl->CreateContext(wanted, 1, &f->id, NULL, NULL, &e)) ||
        !(program = cl->CreateProgramWithSource(context, 1, (const char *[]){ source }, NULL, &e)) ||
        (e = cl->BuildProgram(program, 1, &f->id, "", NULL, NULL)) || !(kernel = cl->CreateKernel(program, "f", &e)))
        goto done;
    e = cl->GetKernelWorkGroupInfo(kernel, f->id, p->what, bytes, data, got);
done:
    if (kernel)
        cl->ReleaseKernel(kernel);
    if (program)
        cl->ReleaseProgram(program);
    if (context)
        cl->ReleaseContext(context);
    return e;
}

static cl_int ask(const struct qni_cl *cl, const struct qni_found *f, const struct property *p, size_t bytes,
                  unsigned char *data, size_t *got)
{
    switch (p->of) {
    case PLATFORM:
        return cl->GetPlatformInfo(f->platform, p->what, bytes, data, got);
    case KERNEL:
        if (data)
            return ask_kernel(cl, f, p, bytes, data, got);
        *got = sizeof(size_t); /* it is not made only to learn that */
        return CL_SUCCESS;
    default:
        return cl->GetDeviceInfo(f->id, p->what, bytes, data, got);
    }
}

/* Failures stick in text. */
static bool has_extension(const struct qni_cl *cl, const struct qni_found *f, struct qni_text *text, const struct property *of)
{
    static const struct property lists[] = { [DEVICE] = { D(EXTENSIONS), TEXT },
                                             [PLATFORM] = { P(EXTENSIONS), TEXT, 0, NULL, PLATFORM } };
    const struct property *list = &lists[of->of == PLATFORM ? PLATFORM : DEVICE];
    unsigned char *data = NULL;
    size_t bytes = 0, n = strlen(of->extension);
    bool has = false;

    if (text->status || ask(cl, f, list, 0, NULL, &bytes) || bytes > (size_t)1 << 20 ||
        (text->status = qni_calloc(text->ctx, &data, bytes + 1, 1)))
        return false;
    if (!ask(cl, f, list, bytes, data, NULL))
        for (const char *p = (const char *)data; !has && (p = strstr(p, of->extension)); p += n)
            has = (p[n] == ' ' || p[n] == '\0') && (p == (const char *)data || p[-1] == ' ');
    qni_free(text->ctx, &data);
    return has;
}

static bool holds(const struct qni_cl *cl, const struct qni_found *f, enum condition condition, bool raw)
{
    cl_bool images = CL_TRUE;
    cl_device_mem_cache_type cache = CL_READ_WRITE_CACHE;

    switch (condition) {
    case BEFORE_20:
        return f->caps.cl_major < 2;
    case IMAGES: /* who does not answer is asked on */
        (void)cl->GetDeviceInfo(f->id, CL_DEVICE_IMAGE_SUPPORT, sizeof(images), &images, NULL);
        return images;
    case CACHE:
        (void)cl->GetDeviceInfo(f->id, CL_DEVICE_GLOBAL_MEM_CACHE_TYPE, sizeof(cache), &cache, NULL);
        return cache != CL_NONE;
    case OURS:
        return !raw;
    default:
        return true;
    }
}

bool qni_property_get(struct qni_property *out, size_t i, const struct qni_cl *cl, const struct qni_found *found, bool raw)
{
    const struct property *p;
    unsigned char *data = NULL;
    size_t bytes = 0, got = 0;
    cl_int e;

    if (i >= QNI_COUNT(properties))
        return false;
    p = &properties[i];
    out->name = p->name;
    out->text.length = 0;
    if (out->text.data)
        out->text.data[0] = '\0';
    out->shown = (p->of == PLATFORM) == !found->id || !raw;
    out->shown = out->shown && holds(cl, found, p->condition, raw) &&
                 (found->caps.cl_major * 10 + found->caps.cl_minor >= p->version ||
                  (p->extension && has_extension(cl, found, &out->text, p)));
    if (!out->shown)
        return true;

    e = ask(cl, found, p, 0, NULL, &bytes);
    if (e || bytes > (size_t)1 << 24) {
        qni_text_add(&out->text, "%s", e ? qni_cl_error_name(e) : "an answer that is too long");
        return true;
    }
    if (out->text.status || (out->text.status = qni_calloc(out->text.ctx, &data, bytes, 1)))
        return true;
    e = bytes ? ask(cl, found, p, bytes, data, &got) : CL_SUCCESS;
    if (e)
        qni_text_add(&out->text, "%s", qni_cl_error_name(e));
    else
        qni_answer_add(&out->text, p->kind, data, QNI_MIN(got, bytes), raw);
    qni_free(out->text.ctx, &data);
    return true;
}

qn_status qn_device_properties(qn_context *ctx, const char *select, qn_device_property_fn *visit, void *user)
{
    qn_status st;
    const struct qni_cl *cl;
    qn_context *c = NULL;
    struct qni_found *found = NULL;
    struct qni_property v = { 0 };
    size_t n = 0, chosen;

    if (!visit)
        return qni_error(QN_E_ARG, "visit is NULL");
    if ((st = qni_context_get(&c, ctx)) || (st = qni_cl_get(&cl, c)) || (st = qni_device_find(&found, &n, c, cl)) ||
        (st = qni_device_choose(&chosen, c, found, n, select)))
        goto done;
    v.text.ctx = c;
    for (size_t i = 0; !st && qni_property_get(&v, i, cl, &found[chosen], false); i++)
        if (!(st = v.text.status) && v.shown)
            visit(user, v.name, v.text.data ? v.text.data : "");
done:
    qni_text_free(&v.text);
    if (c) {
        qni_free(c, &found);
        qni_context_release(&c);
    }
    return st;
}
