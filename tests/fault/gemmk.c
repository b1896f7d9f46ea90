/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The CLBlast library of a user whose device got tiles that versions before 1.6.3 compute wrongly: all that the real one
 * ($CLBLAST_REAL) does, with GEMMK=1 and MWG twice NWG. */
#define CL_TARGET_OPENCL_VERSION 120
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <clblast_c.h>

#define EXPORT __attribute__((visibility("default")))

static void find(void *to, const char *name)
{
    void *library = dlopen(getenv("CLBLAST_REAL"), RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, name) : NULL;

    if (!symbol)
        abort();
    memcpy(to, &symbol, sizeof(symbol));
}

EXPORT CLBlastStatusCode CLBlastSgemmWithTempBuffer(
    const CLBlastLayout layout, const CLBlastTranspose a_transpose, const CLBlastTranspose b_transpose, const size_t m,
    const size_t n, const size_t k, const float alpha, const cl_mem a, const size_t a0, const size_t a_ld, const cl_mem b,
    const size_t b0, const size_t b_ld, const float beta, cl_mem c, const size_t c0, const size_t c_ld,
    cl_command_queue *queue, cl_event *event, cl_mem temp)
{
    __typeof__(CLBlastSgemmWithTempBuffer) *real;

    find(&real, "CLBlastSgemmWithTempBuffer");
    return real(layout, a_transpose, b_transpose, m, n, k, alpha, a, a0, a_ld, b, b0, b_ld, beta, c, c0, c_ld, queue, event,
                temp);
}

EXPORT CLBlastStatusCode CLBlastSGemmTempBufferSize(const CLBlastLayout layout, const CLBlastTranspose a_transpose,
                                                    const CLBlastTranspose b_transpose, const size_t m, const size_t n,
                                                    const size_t k, const size_t a0, const size_t a_ld, const size_t b0,
                                                    const size_t b_ld, const size_t c0, const size_t c_ld,
                                                    cl_command_queue *queue, size_t *bytes)
{
    __typeof__(CLBlastSGemmTempBufferSize) *real;

    find(&real, "CLBlastSGemmTempBufferSize");
    return real(layout, a_transpose, b_transpose, m, n, k, a0, a_ld, b0, b_ld, c0, c_ld, queue, bytes);
}

EXPORT CLBlastStatusCode PUBLIC_API CLBlastOverrideParameters(const cl_device_id device, const char *kernel,
                                                              const CLBlastPrecision precision, const size_t n,
                                                              const char **names, const size_t *values)
{
    static const char *tile_names[] = {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB", "NDIMC", "NWG", "SA",
                                       "SB", "STRM", "STRN", "VWM", "VWN"};
    static const size_t tile[] = {1, 4, 1, 1, 4, 4, 32, 4, 4, 16, 0, 0, 0, 0, 4, 4};
    __typeof__(CLBlastOverrideParameters) *real;

    find(&real, "CLBlastOverrideParameters");
    if (!strcmp(kernel, "Xgemm"))
        return real(device, kernel, precision, sizeof(tile) / sizeof(tile[0]), tile_names, tile);
    return real(device, kernel, precision, n, names, values);
}
