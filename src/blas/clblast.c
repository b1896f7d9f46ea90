/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * CLBlast makes its kernels, sets their arguments and enqueues them inside each call, so a product is a call record. */
#include <dlfcn.h>
#include <stdio.h>

#include "blas/blas.h"

#include <clblast_c.h>

#define INSTALL "install CLBlast, on Debian and Ubuntu libclblast1"

/* The entry points in use. */
struct entries {
    __typeof__(CLBlastSgemmWithTempBuffer) *gemm;
    __typeof__(CLBlastSGemmTempBufferSize) *temp_size;
    __typeof__(CLBlastOverrideParameters) *override;
};

struct product {
    struct qni_blas_gemm g;
    struct entries blas;
    size_t scratch;
    /* The part of a buffer that is scratch, as a buffer, for as long as the same part is given. */
    const struct qni_cl *cl;
    cl_mem temp, temp_of;
    size_t temp_at;
};

static const char *const libraries[] = {"libclblast.so.1", "libclblast.so", "libclblast.dylib", "libclblast.1.dylib",
                                        "clblast.dll"};

/* Opening again costs a look-up only, and nothing is ever unmapped: CLBlast keeps what it compiled. */
static void *open_library(char *why, size_t bytes)
{
    why[0] = '\0';
    for (size_t i = 0; i < QNI_COUNT(libraries); i++) {
        void *library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        const char *text = library ? NULL : dlerror();

        if (library)
            return library;
        if (i == 0)
            snprintf(why, bytes, "%s", text ? text : libraries[i]);
    }
    return NULL;
}

bool qni_blas_usable(void)
{
    char why[256];

    return open_library(why, sizeof(why)) != NULL;
}

const char *qni_blas_lacks(void)
{
    return qni_blas_usable() ? NULL : "the library that it calls is not there: " INSTALL;
}

static qn_status load(struct entries *out)
{
    const struct {
        const char *name;
        void *into;
    } wanted[] = {
        {"CLBlastSgemmWithTempBuffer", &out->gemm},
        {"CLBlastSGemmTempBufferSize", &out->temp_size},
        {"CLBlastOverrideParameters", &out->override},
    };
    char why[256];
    void *library = open_library(why, sizeof(why));

    if (!library)
        return qni_error(QN_E_UNSUPPORTED, "no CLBlast library (%s): " INSTALL, why);
    for (size_t i = 0; i < QNI_COUNT(wanted); i++) {
        void *symbol = dlsym(library, wanted[i].name);

        if (!symbol)
            return qni_error(QN_E_UNSUPPORTED, "the CLBlast library lacks %s: " INSTALL " 1.5.3 or later",
                             wanted[i].name);
        memcpy(wanted[i].into, &symbol, sizeof(symbol));
    }
    return QN_OK;
}

static qn_status failed(qn_device *dev, CLBlastStatusCode code, const struct qni_blas_gemm *g)
{
    if (code > -1024)
        return qni_device_error(dev, (cl_int)code, "CLBlast's product of %lld x %lld x %lld", (long long)g->M,
                                (long long)g->N, (long long)g->K);
    return qni_error(QN_E_DEVICE, "CLBlast's product of %lld x %lld x %lld: error %d", (long long)g->M, (long long)g->N,
                     (long long)g->K, (int)code);
}

/* CLBlast's parameters are the process's, by device: hand ours over once a device is opened. */
static qn_status tune(qn_device *dev, const struct entries *blas)
{
    const struct qni_blas_params *p;
    int code = 0;

    pthread_mutex_lock(&dev->lock);
    for (size_t i = 0; !dev->blas_tuned && !code && (p = qni_blas_params(&dev->caps, i)); i++) {
        const char *name[QNI_COUNT(p->name)];

        memcpy(name, p->name, sizeof(name));
        code = blas->override(dev->id, p->kernel, CLBlastPrecisionSingle, (size_t)p->count, name, p->value);
    }
    dev->blas_tuned = true;
    pthread_mutex_unlock(&dev->lock);
    return code ? qni_error(QN_E_DEVICE, "CLBlast takes no parameters for %s: error %d", dev->caps.name, code) : QN_OK;
}

static void drop_temp(struct product *s)
{
    if (s->temp)
        s->cl->ReleaseMemObject(s->temp);
    s->temp = NULL;
}

static qn_status find_temp(struct product *s, qn_device *dev, cl_mem mem, size_t at)
{
    const cl_buffer_region region = {.origin = at, .size = s->scratch};
    cl_int err;

    if (s->temp && s->temp_of == mem && s->temp_at == at)
        return QN_OK;
    drop_temp(s);
    s->cl = dev->cl;
    s->temp = dev->cl->CreateSubBuffer(mem, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &err);
    if (err) {
        s->temp = NULL;
        return qni_device_error(dev, err, "scratch of %zu bytes at %zu for CLBlast", s->scratch, at);
    }
    s->temp_of = mem;
    s->temp_at = at;
    return QN_OK;
}

static qn_status run(void *state, qn_device *dev, cl_command_queue queue, const cl_mem *mem, const int64_t *offset,
                     cl_event *event)
{
    struct product *s = state;
    const struct qni_blas_gemm *g = &s->g;
    const CLBlastTranspose ta = g->ta ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose tb = g->tb ? CLBlastTransposeYes : CLBlastTransposeNo;
    qn_status st;

    if ((st = tune(dev, &s->blas)) ||
        (s->scratch && (st = find_temp(s, dev, mem[3], (size_t)offset[3] * sizeof(float)))))
        return st;
    for (int64_t i = 0; i < g->times; i++) {
        const size_t a = (size_t)(offset[0] + i * g->stride_a), b = (size_t)(offset[1] + i * g->stride_b);
        const size_t c = (size_t)(offset[2] + i * g->stride_c);
        const size_t m = (size_t)g->M, n = (size_t)g->N, k = (size_t)g->K;
        CLBlastStatusCode code;
        size_t bytes = 0;

        code = s->blas.temp_size(CLBlastLayoutRowMajor, ta, tb, m, n, k, a, (size_t)g->lda, b, (size_t)g->ldb, c,
                                 (size_t)g->ldc, &queue, &bytes);
        if (code == CLBlastSuccess && bytes > s->scratch)
            return qni_error(QN_E_INTERNAL, "CLBlast wants %zu bytes of scratch, %zu were planned", bytes, s->scratch);
        if (code == CLBlastSuccess)
            code = s->blas.gemm(CLBlastLayoutRowMajor, ta, tb, m, n, k, 1.0f, mem[0], a, (size_t)g->lda, mem[1], b,
                                (size_t)g->ldb, g->sum && i ? 1.0f : g->beta, mem[2], c, (size_t)g->ldc, &queue,
                                i + 1 == g->times ? event : NULL, s->temp);
        if (code != CLBlastSuccess)
            return failed(dev, code, g);
    }
    return QN_OK;
}

static void release(void *state)
{
    drop_temp(state);
}

/* CLBlast pads and transposes each matrix into scratch where a kernel wants it so. Its tiles are at most 128 wide
 * and 32 deep in any parameter set of its table, and ours are smaller. */
size_t qni_blas_gemm_scratch(const struct qni_blas_gemm *g)
{
    const int64_t m = qni_round_up(g->M, 128), n = qni_round_up(g->N, 128), k = qni_round_up(g->K, 128);

    return (size_t)(m * k + k * n + m * n + 3 * 128) * sizeof(float);
}

struct qni_launch *qni_blas_gemm(struct qni_recorder *r, const struct qni_blas_gemm *g)
{
    struct product *s = NULL;
    struct qni_launch *l;

    if (!r->status)
        r->status = qni_calloc(r->ctx, &s, 1, sizeof(*s));
    if (!r->status) {
        s->g = *g;
        s->scratch = qni_blas_gemm_scratch(g);
        r->status = load(&s->blas);
    }
    l = qni_call_add(r, run, s);
    l->release = release;
    qni_work(l, 2 * (uint64_t)g->times * (uint64_t)g->M * (uint64_t)g->N * (uint64_t)g->K,
             sizeof(float) * (uint64_t)g->times * (uint64_t)(g->M * g->K + g->K * g->N + g->M * g->N));
    return l;
}
