/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What is made of a device's answers, for devices that are not here. */
#include "device/device.h"
#include "test.h"

#include <string.h>

/* The device that answers: one at a time. */
static struct {
    const char *platform, *name, *vendor, *version, *extensions;
    cl_device_type type;
    cl_uint width, align_bits, capability;
    size_t subgroup_sizes[3];
    bool mute;
} now;

static cl_int answer(const void *from, size_t n, size_t size, void *value, size_t *got)
{
    if (got)
        *got = n;
    if (value && size < n)
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, from, n);
    return CL_SUCCESS;
}

static cl_int CL_API_CALL platform_info(cl_platform_id p, cl_platform_info what, size_t size, void *value, size_t *got)
{
    (void)p;
    if (what != CL_PLATFORM_NAME)
        return CL_INVALID_VALUE;
    return answer(now.platform, strlen(now.platform) + 1, size, value, got);
}

static cl_int CL_API_CALL device_info(cl_device_id d, cl_device_info what, size_t size, void *value, size_t *got)
{
    const size_t sizes[4] = { 64, 32, 16, 8 };

    (void)d;
    if (now.mute)
        return CL_INVALID_DEVICE;
    switch (what) {
    case CL_DEVICE_NAME: return answer(now.name, strlen(now.name) + 1, size, value, got);
    case CL_DEVICE_VENDOR: return answer(now.vendor, strlen(now.vendor) + 1, size, value, got);
    case CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV: return answer(&now.capability, sizeof(now.capability), size, value, got);
    case CL_DEVICE_SUB_GROUP_SIZES_INTEL: return answer(now.subgroup_sizes, sizeof(now.subgroup_sizes), size, value, got);
    case CL_DEVICE_VERSION: return answer(now.version, strlen(now.version) + 1, size, value, got);
    case CL_DEVICE_EXTENSIONS: return answer(now.extensions, strlen(now.extensions) + 1, size, value, got);
    case CL_DEVICE_TYPE: return answer(&now.type, sizeof(now.type), size, value, got);
    case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT: return answer(&now.width, sizeof(now.width), size, value, got);
    case CL_DEVICE_MEM_BASE_ADDR_ALIGN: return answer(&now.align_bits, sizeof(now.align_bits), size, value, got);
    case CL_DEVICE_MAX_WORK_GROUP_SIZE: return answer(&sizes[0], sizeof(sizes[0]), size, value, got);
    case CL_DEVICE_MAX_WORK_ITEM_SIZES: return answer(sizes, sizeof(sizes), size, value, got); /* four axes */
    default: return CL_INVALID_VALUE;
    }
}

static const struct qni_cl fake = { .GetPlatformInfo = platform_info, .GetDeviceInfo = device_info };

static void answers(void)
{
    static const struct {
        const char *platform, *name, *version;
        cl_device_type type;
        cl_uint width, align_bits;
        int vector, registers, version_number;
        enum qni_shape_class shape;
        size_t align_bytes;
    } cases[] = {
        { "PoCL", "a CPU", "OpenCL 3.0 PoCL", CL_DEVICE_TYPE_CPU, 16, 1024, 16, 32, 30, QNI_CPU_SHAPED, 128 },
        { "PoCL", "a CPU", "OpenCL 1.2", CL_DEVICE_TYPE_CPU, 8, 1024, 8, 16, 12, QNI_CPU_SHAPED, 128 },
        { "X", "a CPU", "OpenCL 1.2", CL_DEVICE_TYPE_CPU, 1, 8, 4, 16, 12, QNI_CPU_SHAPED, 128 },
        { "X", "a CPU", "OpenCL 1.2", CL_DEVICE_TYPE_CPU, 2, 8, 4, 16, 12, QNI_CPU_SHAPED, 128 },
        { "X", "a CPU", "OpenCL 1.2", CL_DEVICE_TYPE_CPU, 64, 8, 16, 32, 12, QNI_CPU_SHAPED, 128 },
        { "X", "a CPU", "OpenCL 1.2", CL_DEVICE_TYPE_CPU, 12, 8, 8, 16, 12, QNI_CPU_SHAPED, 128 },
        { "N", "a GPU", "OpenCL 3.0 CUDA", CL_DEVICE_TYPE_GPU, 1, 4096, 1, 16, 30, QNI_GPU_SHAPED, 512 },
        { "N", "a GPU", "OpenCL 2.1 ", CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_DEFAULT, 2, 0, 1, 16, 21, QNI_GPU_SHAPED,
          128 },
        { "N", "a GPU", "OpenCL 12", CL_DEVICE_TYPE_GPU, 4, 3000, 4, 16, 0, QNI_GPU_SHAPED, 512 },
        { "N", "all", "", CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_CPU, 0, 0, 1, 16, 0, QNI_GPU_SHAPED, 128 },
        { "N", "fast", "OpenCL 1.2", CL_DEVICE_TYPE_ACCELERATOR, 1, 0, 1, 16, 12, QNI_GPU_SHAPED, 128 },
        { "rusticl", " llvmpipe (x) \n", "OpenCL 3.0", CL_DEVICE_TYPE_GPU, 1, 4096, 4, 16, 30, QNI_CPU_SHAPED, 512 },
    };
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_environment = true }));
    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        struct qni_caps c;

        now.platform = cases[i].platform;
        now.name = cases[i].name;
        now.vendor = "";
        now.version = cases[i].version;
        now.extensions = i % 2 ? "cl_khr_fp16x xcl_khr_fp16 cl_intel_subgroups_s" : "cl_khr_fp16 cl_khr_subgroups";
        now.type = cases[i].type;
        now.width = cases[i].width;
        now.align_bits = cases[i].align_bits;
        CHECK_OK(qni_caps_probe(&c, ctx, &fake, NULL, NULL));
        if (!CHECK_INT(c.vector, cases[i].vector) || !CHECK_INT(c.registers, cases[i].registers) ||
            !CHECK_INT(c.shape, cases[i].shape) || !CHECK_INT(c.align_bytes, cases[i].align_bytes) ||
            !CHECK_INT(c.cl_major * 10 + c.cl_minor, cases[i].version_number))
            test_fail(__FILE__, __LINE__, "in case %zu", i);
        CHECK(c.fp16 == (i % 2 == 0) && c.subgroups == (i % 2 == 0));
        CHECK(!strchr(c.name, '\n') && c.name[0] != ' ');
        CHECK(c.group_items == 64 && c.group_size[0] == 64 && c.group_size[1] == 32 && c.group_size[2] == 16);
        CHECK(!c.available && qni_caps_unusable(&c)); /* it did not say that it is */
    }
    now.mute = true;
    CHECK_STATUS(qni_caps_probe(&(struct qni_caps){ 0 }, ctx, &fake, NULL, NULL), QN_E_DEVICE, "does not answer");
    qn_context_destroy(&ctx);
}

/* Matrix instructions and the width of threads are known by the maker's own driver. */
static void matrices(void)
{
    static const char nv[] = "cl_khr_icd cl_nv_device_attribute_query", amd[] = "cl_amd_device_attribute_query";
    static const char intel[] = "cl_intel_subgroups cl_intel_required_subgroup_size";
    static const char xmx[] =
        "cl_intel_subgroups cl_intel_required_subgroup_size cl_intel_subgroup_matrix_multiply_accumulate";
    static const struct {
        const char *name, *vendor, *extensions;
        cl_device_type type;
        cl_uint capability;
        size_t sizes[3];
        enum qni_matrix matrix;
        int simd;
        enum qni_matrix half;
    } cases[] = {
        { "A100", "NVIDIA Corporation", nv, CL_DEVICE_TYPE_GPU, 8, { 0 }, QNI_MATRIX_NVIDIA, 0, QNI_MATRIX_NVIDIA },
        { "H200", "NVIDIA Corporation", nv, CL_DEVICE_TYPE_GPU, 9, { 0 }, QNI_MATRIX_NVIDIA, 0, QNI_MATRIX_NVIDIA },
        { "T4", "NVIDIA Corporation", nv, CL_DEVICE_TYPE_GPU, 7, { 0 }, QNI_MATRIX_NONE },
        { "NVA0", "nouveau", "cl_khr_icd", CL_DEVICE_TYPE_GPU, 8, { 0 }, QNI_MATRIX_NONE },
        { "gfx90a:sramecc+:xnack-", "AMD", amd, CL_DEVICE_TYPE_GPU, 0, { 0 }, QNI_MATRIX_AMD, 0, QNI_MATRIX_AMD },
        { "gfx942", "AMD", amd, CL_DEVICE_TYPE_GPU, 0, { 0 }, QNI_MATRIX_AMD, 0, QNI_MATRIX_AMD },
        { "gfx908:xnack-", "AMD", amd, CL_DEVICE_TYPE_GPU, 0, { 0 }, QNI_MATRIX_AMD },
        { "gfx1100", "AMD", amd, CL_DEVICE_TYPE_GPU, 0, { 0 }, QNI_MATRIX_NONE, 0, QNI_MATRIX_WMMA },
        { "gfx1100", "Mesa", "cl_khr_icd", CL_DEVICE_TYPE_GPU, 0, { 0 }, QNI_MATRIX_NONE },
        { "gfx906", "AMD", amd, CL_DEVICE_TYPE_GPU, 0, { 0 }, QNI_MATRIX_NONE },
        { "gfx90a", "Mesa", "cl_khr_icd", CL_DEVICE_TYPE_GPU, 0, { 0 }, QNI_MATRIX_NONE },
        { "Arc", "Intel(R) Corporation", intel, CL_DEVICE_TYPE_GPU, 0, { 8, 16, 32 }, QNI_MATRIX_INTEL8, 8 },
        { "Max", "Intel(R) Corporation", intel, CL_DEVICE_TYPE_GPU, 0, { 32, 16 }, QNI_MATRIX_INTEL16, 16 },
        { "Arc", "Intel(R) Corporation", intel, CL_DEVICE_TYPE_GPU, 0, { 32, 32, 32 }, QNI_MATRIX_NONE, 32 },
        { "Arc", "Intel(R) Corporation", xmx, CL_DEVICE_TYPE_GPU, 0, { 8, 16, 32 }, QNI_MATRIX_INTEL8, 8, QNI_MATRIX_XMX8 },
        { "Max", "Intel(R) Corporation", xmx, CL_DEVICE_TYPE_GPU, 0, { 16, 32 }, QNI_MATRIX_INTEL16, 16, QNI_MATRIX_XMX16 },
        { "Arc", "Intel(R) Corporation", "cl_intel_subgroups", CL_DEVICE_TYPE_GPU, 0, { 16 }, QNI_MATRIX_NONE },
        { "Xeon", "Intel(R) Corporation", intel, CL_DEVICE_TYPE_CPU, 0, { 8, 16, 32 }, QNI_MATRIX_NONE },
    };
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_environment = true }));
    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        struct qni_caps c;

        now.mute = false;
        now.platform = "X";
        now.version = "OpenCL 3.0";
        now.name = cases[i].name;
        now.vendor = cases[i].vendor;
        now.extensions = cases[i].extensions;
        now.type = cases[i].type;
        now.capability = cases[i].capability;
        memcpy(now.subgroup_sizes, cases[i].sizes, sizeof(now.subgroup_sizes));
        CHECK_OK(qni_caps_probe(&c, ctx, &fake, NULL, NULL));
        if (!CHECK_INT(c.matrix, cases[i].matrix) || !CHECK_INT(c.matrix_half, cases[i].half) ||
            !CHECK_INT(c.simd, cases[i].simd) || c.matrix_played)
            test_fail(__FILE__, __LINE__, "in case %zu", i);
    }
    qn_context_destroy(&ctx);
}

int main(void)
{
    test_run("caps: what is made of a device's answers", answers);
    test_run("caps: matrix instructions and widths of threads are those of the maker's driver", matrices);
    return test_end();
}
