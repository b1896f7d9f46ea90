/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "device/device.h"
#include "test.h"

#include <quern/cl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static qn_context *make_context(void)
{
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, NULL));
    return ctx;
}

/* ---- choosing, on machines that are not here ---- */

static struct qni_found machine(int platform, int device, const char *platform_name, const char *name,
                                const char *vendor, cl_device_type type, bool unified, unsigned units, unsigned mhz)
{
    struct qni_found f = { .info = { .platform_index = platform, .device_index = device } };
    struct qni_caps *c = &f.caps;

    snprintf(c->platform, sizeof(c->platform), "%s", platform_name);
    snprintf(c->name, sizeof(c->name), "%s", name);
    snprintf(c->vendor, sizeof(c->vendor), "%s", vendor);
    c->quirks = qni_quirks_find(c);
    c->type = c->quirks & QNI_QUIRK_CPU ? CL_DEVICE_TYPE_CPU : type;
    c->unified = unified;
    c->units = units;
    c->clock_mhz = mhz;
    c->vector = 8;
    c->cl_major = 1;
    c->cl_minor = 2;
    c->available = c->compiler = c->little_endian = true;
    c->global_bytes = UINT64_C(8) << 30;
    c->alloc_bytes = UINT64_C(2) << 30;
    qni_device_info(&f.info, c);
    return f;
}

#define GPU         CL_DEVICE_TYPE_GPU
#define CPU         CL_DEVICE_TYPE_CPU
#define ACCELERATOR CL_DEVICE_TYPE_ACCELERATOR
#define NVIDIA      machine(0, 0, "NVIDIA CUDA", "GeForce RTX 3060", "NVIDIA Corporation", GPU, false, 28, 1777)
#define RADEON      machine(1, 0, "AMD Accelerated", "gfx1100", "Advanced Micro Devices", GPU, false, 96, 2500)
#define IRIS        machine(2, 0, "Intel(R) OpenCL HD", "Intel(R) Iris Xe", "Intel(R) Corporation", GPU, true, 96, 1350)
#define POCL        machine(3, 0, "Portable Computing Language", "pthread-haswell", "GenuineIntel", CPU, true, 16, 3000)
#define LLVMPIPE    machine(4, 0, "rusticl", "llvmpipe (LLVM 15)", "Mesa", GPU, true, 64, 4000)
#define OCLGRIND    machine(5, 0, "Oclgrind", "Oclgrind Simulator", "Oclgrind", GPU, false, 1, 1)
#define FPGA        machine(6, 0, "FPGA Emulation Platform", "Emulator", "Intel", ACCELERATOR, false, 16, 3000)
#define DSP         machine(7, 1, "Board", "DSP", "Maker", ACCELERATOR, false, 4, 800)

static void choosing(void)
{
    const struct qni_found all[] = { OCLGRIND, LLVMPIPE, POCL, IRIS, NVIDIA, RADEON, DSP, FPGA };
    static const struct {
        const char *have;   /* which of all[], by index */
        const char *select;
        int want;           /* index in all[]; -1: none */
        const char *part;   /* of the reason or the message */
    } cases[] = {
        { "01234567", "", 5, "the best of 8" },
        { "01234567", NULL, 5, "dedicated GPU" },
        { "0123467", "", 4, "dedicated GPU" },
        { "012367", "", 3, "integrated GPU" },
        { "01267", "", 6, "accelerator" },
        { "0127", "", 2, "CPU" },
        { "1", "", 1, "the only one" },
        { "12", "", 2, "16 units at 3000 MHz, about 768 GFLOP/s" },
        { "0", "", -1, "5:0 Oclgrind" },
        { "07", "", -1, "name one of" },
        { "0", "oclgrind", 0, "asked for as 'oclgrind'" },
        { "01234567", "0", 0, "'0'" },
        { "01234567", "4", 4, "'4'" },
        { "01234567", "8", -1, "no device fits '8'" },
        { "01234567", "99999999999", -1, "no device fits" },
        { "01234567", "7:1", 6, "'7:1'" },
        { "01234567", "7:0", -1, "7:1 Board, DSP" },
        { "01234567", "1:", -1, "no device fits '1:'" },
        { "01234567", "CPU", 2, "asked for as 'CPU'" },
        { "01234567", "gpu", 5, "'gpu'" },
        { "01234567", "accelerator", 6, "'accelerator'" },
        { "0", "gpu", -1, "tools that must be named" },
        { "01234567", "nvidia", 4, "'nvidia'" },
        { "01234567", "INTEL(R)", 3, "INTEL(R)" },
        { "01234567", "rusticl", 1, "hundredfold" },
        { "01234567", "voodoo", -1, "no device fits 'voodoo'" },
        { "", "", -1, "shows no device" },
    };
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_environment = true }));
    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        struct qni_found have[QNI_COUNT(all)];
        size_t n = strlen(cases[i].have), chosen = 99;
        int marked = 0;

        for (size_t k = 0; k < n; k++)
            have[k] = all[cases[i].have[k] - '0'];
        if (cases[i].want < 0) {
            CHECK_STATUS(qni_device_choose(&chosen, ctx, have, n, cases[i].select), QN_E_NO_DEVICE, cases[i].part);
            continue;
        }
        CHECK_OK(qni_device_choose(&chosen, ctx, have, n, cases[i].select));
        if (!CHECK_INT(chosen < n ? cases[i].have[chosen] - '0' : -1, cases[i].want))
            test_fail(__FILE__, __LINE__, "among %s, selected by '%s'", cases[i].have, cases[i].select);
        if (chosen < n && !strstr(have[chosen].info.reason, cases[i].part))
            test_fail(__FILE__, __LINE__, "'%s' is not in '%s'", cases[i].part, have[chosen].info.reason);
        for (size_t k = 0; k < n; k++)
            marked += have[k].info.chosen;
        CHECK_INT(marked, 1);
    }
    qn_context_destroy(&ctx);
}

static void not_usable(void)
{
    struct qni_found f[5] = { NVIDIA, NVIDIA, NVIDIA, NVIDIA, POCL };
    static const char *const why[] = { "not available", "no compiler", "older than", "no memory" };
    qn_context *ctx = NULL;
    size_t chosen;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_environment = true }));
    f[0].caps.available = false;
    f[1].caps.compiler = false;
    f[2].caps.cl_minor = 1;
    f[3].caps.global_bytes = 0;
    CHECK_OK(qni_device_choose(&chosen, ctx, f, 5, NULL));
    CHECK_INT(chosen, 4);
    for (int i = 0; i < 4; i++) {
        CHECK(!f[i].info.usable);
        CHECK(strstr(f[i].info.reason, why[i]));
    }
    CHECK_STATUS(qni_device_choose(&chosen, ctx, f, 5, "1"), QN_E_NO_DEVICE, "no compiler");
    CHECK_STATUS(qni_device_choose(&chosen, ctx, f, 5, "nvidia"), QN_E_NO_DEVICE, "not usable");
    qn_context_destroy(&ctx);
}

static void quirks(void)
{
    struct qni_found f = LLVMPIPE;
    const char *reason = NULL;
    unsigned bits = 0, all = 0;

    CHECK(f.caps.quirks & QNI_QUIRK_CPU);
    CHECK(f.caps.quirks & QNI_QUIRK_NO_BINARIES);
    CHECK(f.caps.quirks & QNI_QUIRK_SHORT_LOOPS);
    CHECK(!(f.caps.quirks & QNI_QUIRK_ASK));
    for (size_t i = 0; qni_quirks_get(&f.caps, i, &bits, &reason); i++) {
        all |= bits;
        CHECK(bits && reason && *reason);
    }
    CHECK_INT(all, f.caps.quirks);
    f = POCL;
    CHECK_INT(f.caps.quirks, QNI_QUIRK_OWN_CACHE | QNI_QUIRK_ONE_BUILD | QNI_QUIRK_THRICE);
    CHECK(!qni_quirks_get(&f.caps, 3, &bits, &reason));
    f = OCLGRIND;
    CHECK(f.caps.quirks & QNI_QUIRK_ASK && f.caps.quirks & QNI_QUIRK_NO_USER_EVENTS);

    CHECK_INT(qni_quirks_apply(0, "one_queue,,finish", &reason), QNI_QUIRK_ONE_QUEUE | QNI_QUIRK_FINISH);
    CHECK(!reason);
    CHECK_INT(qni_quirks_apply(0, "ask,one", &reason), QNI_QUIRK_ASK);
    CHECK_STR(reason, "one");
    CHECK_INT(qni_quirks_apply(QNI_QUIRK_CPU | QNI_QUIRK_ASK, "-cpu,finish", &reason), QNI_QUIRK_ASK | QNI_QUIRK_FINISH);
    CHECK(!reason);
    for (unsigned bit = 1; bit <= QNI_QUIRK_SHORT_LOOPS; bit <<= 1)
        CHECK_INT(qni_quirks_apply(0, qni_quirk_name(bit), &reason), bit);
    CHECK_STR(qni_quirk_name(1u << 31), "?");
}

/* ---- the devices that are here ---- */

static void listing(void)
{
    qn_device_info *list = NULL, here;
    size_t n = 0, chosen = 0;
    qn_context *ctx = make_context();

    CHECK_OK(qn_device_list(&list, &n, ctx));
    for (size_t i = 0; i < n; i++) {
        CHECK(list[i].name[0] && list[i].platform[0] && list[i].reason[0]);
        CHECK(list[i].alloc_bytes <= list[i].global_bytes && list[i].compute_units > 0);
        chosen += list[i].chosen;
        if (list[i].chosen) {
            CHECK_OK(qn_device_get_info(test_device(), &here));
            CHECK_STR(here.name, list[i].name);
            CHECK_STR(here.reason, list[i].reason);
        }
    }
    CHECK_INT(chosen, 1);
    qn_device_list_free(&list, ctx);
    CHECK(!list);
    qn_device_list_free(&list, ctx);
    CHECK_OK(qn_device_list(&list, &n, NULL));
    qn_device_list_free(&list, NULL);
    CHECK_STATUS(qn_device_list(NULL, &n, NULL), QN_E_ARG, "out");
    CHECK_STATUS(qn_device_list(&list, NULL, NULL), QN_E_ARG, "count");
    qn_context_destroy(&ctx);
}

/* Counts properties, and keeps one. */
struct seen {
    int n;
    char units[32];
};

static void see(void *user, const char *name, const char *value)
{
    struct seen *s = user;

    s->n++;
    if (!strcmp(name, "CL_DEVICE_MAX_COMPUTE_UNITS"))
        snprintf(s->units, sizeof(s->units), "%s", value);
}

/* What an open device is, is what would be chosen for it; and it can be asked. */
static void asking(void)
{
    struct seen s = { 0 };
    qn_device_info open, chosen = { 0 };
    char units[32];

    CHECK_OK(qn_device_get_info(test_device(), &open));
    CHECK_OK(qn_device_choose(&chosen, NULL, open.select));
    CHECK_STR(chosen.name, open.name);
    CHECK_STR(chosen.select, open.select);
    CHECK_OK(qn_device_properties(NULL, open.select, see, &s));
    snprintf(units, sizeof(units), "%u", open.compute_units);
    CHECK_STR(s.units, units);
    CHECK(s.n > 60);
    CHECK_STATUS(qn_device_choose(NULL, NULL, NULL), QN_E_ARG, "out");
    CHECK_STATUS(qn_device_choose(&chosen, NULL, "cpu &"), QN_E_ARG, "column 6");
    CHECK_STATUS(qn_device_choose(&chosen, NULL, "mem>1000000T"), QN_E_NO_DEVICE, "no device fits");
    CHECK_STR(chosen.select, open.select); /* untouched */
    CHECK_STATUS(qn_device_properties(NULL, NULL, NULL, NULL), QN_E_ARG, "visit");
    CHECK_STATUS(qn_device_properties(NULL, "voodoo", see, &s), QN_E_NO_DEVICE, "voodoo");
}

static void opening(void)
{
    qn_device *dev = NULL, *other = NULL;
    qn_device_info info;
    char select[32];
    uint64_t now = 9;

    CHECK_OK(qn_device_get_info(test_device(), &info));
    snprintf(select, sizeof(select), "%d:%d", info.platform_index, info.device_index);
    CHECK_OK(qn_device_open(&dev, NULL, select));
    CHECK_OK(qn_device_open(&other, NULL, info.name)); /* several at once */
    CHECK(dev != other && dev->context != other->context);
    CHECK_STR(qn_device_build_log(dev), "");
    CHECK_OK(qn_device_memory(dev, &now, NULL));
    CHECK_INT(now, 0);
    CHECK_OK(qn_device_finish(dev));
    CHECK(dev->caps.vector == 1 || dev->caps.vector == 4 || dev->caps.vector == 8 || dev->caps.vector == 16);
    CHECK(dev->caps.align_bytes >= 128 && (dev->caps.align_bytes & (dev->caps.align_bytes - 1)) == 0);
    qn_device_close(&dev);
    qn_device_close(&dev);
    qn_device_close(NULL);
    qn_device_close(&other);
    dev = test_device();
    CHECK_STATUS(qn_device_open(&other, NULL, "no such device"), QN_E_NO_DEVICE, info.name);
    CHECK(!other);
    CHECK_STATUS(qn_device_open(NULL, NULL, NULL), QN_E_ARG, "out");
    CHECK_STATUS(qn_device_get_info(NULL, &info), QN_E_ARG, "dev");
    CHECK_STATUS(qn_device_memory(NULL, NULL, NULL), QN_E_ARG, "dev");
    CHECK_STATUS(qn_device_finish(NULL), QN_E_ARG, "dev");
    CHECK_STR(qn_device_build_log(NULL), "");
}

/* Environment variables count, unless the context says that they do not. */
static void environment(void)
{
    static const struct {
        const char *name, *value;
    } set[] = { { "QUERN_SHAPE", "gpu" }, { "QUERN_VECTOR", "8" }, { "QUERN_ALGO", "conv=x,gemm=y" },
                { "QUERN_DEBUG_ALLOC", "1" }, { "QUERN_QUIRKS", "one_queue" } };
    qn_device *dev = NULL;
    qn_context *ctx = NULL;
    qn_device_info info;
    uint64_t now = 0;
    struct qni_storage *s = NULL;
    char endless[400] = "";

    CHECK_OK(qn_device_get_info(test_device(), &info));
    for (size_t i = 0; i < QNI_COUNT(set); i++)
        setenv(set[i].name, set[i].value, 1);
    CHECK_OK(qn_device_open(&dev, NULL, NULL));
    CHECK_INT(dev->caps.shape, QNI_GPU_SHAPED);
    CHECK_INT(dev->caps.vector, 8);
    CHECK_INT(dev->caps.registers, 16);
    CHECK(dev->upload == dev->queue);
    CHECK_STR(dev->caps.algo, "conv=x,gemm=y");
    CHECK_OK(qni_storage_create(&s, dev, 3));
    CHECK_OK(qn_device_memory(dev, &now, NULL));
    CHECK_INT(now, 3);
    qni_storage_release(&s);
    qn_device_close(&dev);
    memset(endless, 'a', sizeof(endless) - 1);
    setenv("QUERN_ALGO", endless, 1);
    CHECK_STATUS(qn_device_open(&dev, NULL, NULL), QN_E_ARG, "QUERN_ALGO is longer");

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_environment = true }));
    CHECK_OK(qn_device_open(&dev, ctx, info.name));
    CHECK_STR(dev->caps.algo, "");
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    for (size_t i = 0; i < QNI_COUNT(set); i++)
        unsetenv(set[i].name);
}

static void *open_and_close(void *arg)
{
    qn_device *dev = NULL;
    qn_tensor *t = NULL;
    float x = 1;

    for (int i = 0; i < 5; i++) {
        if (qn_device_open(&dev, NULL, NULL) || qn_tensor_create(&t, dev, QN_F32, 0, NULL) ||
            qn_tensor_write(t, &x, sizeof(x)))
            return arg;
        qn_device_close(&dev);
        qn_tensor_destroy(&t);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t thread[4];
    void *failed;

    if (test_device()->caps.quirks & QNI_QUIRK_ONE_THREAD) {
        test_skip("%s stands no calls from several threads", test_device()->caps.platform);
        return;
    }
    for (size_t i = 0; i < QNI_COUNT(thread); i++)
        CHECK_INT(pthread_create(&thread[i], NULL, open_and_close, thread), 0);
    for (size_t i = 0; i < QNI_COUNT(thread); i++) {
        CHECK_INT(pthread_join(thread[i], &failed), 0);
        CHECK(!failed);
    }
}

/* ---- an application's own objects ---- */

/* References to queue and mem together, after a command, for some drivers let the last one hold the queue; waits up to 200 ms
 * for them to be `enough`, for PoCL gives those of commands that are over back on a thread of its own. */
static cl_uint references(const struct qni_cl *cl, cl_command_queue queue, cl_mem mem, cl_uint enough)
{
    cl_uint of_queue = 0, of_mem = 0;
    char c;

    CHECK_INT(cl->EnqueueReadBuffer(queue, mem, CL_TRUE, 0, 1, &c, 0, NULL, NULL), 0);
    CHECK_INT(cl->Finish(queue), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(cl->GetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof(of_queue), &of_queue, NULL), 0);
        CHECK_INT(cl->GetMemObjectInfo(mem, CL_MEM_REFERENCE_COUNT, sizeof(of_mem), &of_mem, NULL), 0);
        if (of_queue + of_mem <= enough)
            break;
        usleep(2000);
    }
    return of_queue + of_mem;
}

static void wrapping(void)
{
    qn_device *own = test_device(), *dev = NULL;
    const struct qni_cl *cl = own->cl;
    cl_int e = 0;
    cl_context other = cl->CreateContext(NULL, 1, &own->id, NULL, NULL, &e);
    cl_command_queue queue = cl->CreateCommandQueue(other, own->id, 0, &e);
    cl_command_queue wild = cl->CreateCommandQueue(other, own->id, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &e);
    cl_mem mem = cl->CreateBuffer(other, CL_MEM_READ_WRITE, 100, NULL, &e);
    qn_tensor *t = NULL, *u = NULL;
    float in[4] = { 1, 2, 3, 4 }, out[4] = { 0 };
    size_t offset = 0;
    cl_uint before = references(cl, queue, mem, 2);

    CHECK_OK(qn_device_wrap(&dev, NULL, other, queue));
    if (!dev)
        return;
    CHECK(qn_device_cl_context(dev) == other && qn_device_cl_queue(dev) == queue);
    CHECK_OK(qn_tensor_wrap(&t, dev, mem, 8, QN_F32, 2, (int64_t[]){ 2, 2 }));
    CHECK(qn_tensor_cl_mem(t, &offset) == mem);
    CHECK_INT(offset, 8);
    CHECK_OK(qn_tensor_write(t, in, sizeof(in)));
    CHECK_INT(cl->EnqueueReadBuffer(queue, mem, CL_TRUE, 8, sizeof(out), out, 0, NULL, NULL), 0);
    CHECK(!memcmp(in, out, sizeof(in)));
    CHECK_OK(qn_tensor_create(&u, dev, QN_F32, 1, (int64_t[]){ 4 }));
    CHECK_OK(qn_tensor_copy(u, t));
    CHECK_OK(qn_tensor_read(u, out, sizeof(out)));
    CHECK(!memcmp(in, out, sizeof(in)));
    qn_tensor_destroy(&t);
    qn_tensor_destroy(&u);

    CHECK_OK(qn_tensor_wrap(&t, dev, mem, 96, QN_F32, 1, (int64_t[]){ 1 }));
    qn_tensor_destroy(&t);
    CHECK_OK(qn_tensor_wrap(&t, dev, mem, 100, QN_F32, 1, (int64_t[]){ 0 }));
    qn_tensor_destroy(&t);
    CHECK_STATUS(qn_tensor_wrap(&t, dev, mem, 96, QN_F32, 1, (int64_t[]){ 2 }), QN_E_SHAPE, "buffer of 100");
    CHECK_STATUS(qn_tensor_wrap(&t, dev, mem, 104, QN_F32, 1, (int64_t[]){ 0 }), QN_E_SHAPE, "100");
    CHECK_STATUS(qn_tensor_wrap(&t, dev, mem, 2, QN_F32, 1, (int64_t[]){ 1 }), QN_E_ARG, "multiple of 4");
    CHECK_STATUS(qn_tensor_wrap(&t, own, mem, 0, QN_F32, 1, (int64_t[]){ 1 }), QN_E_ARG, "another context");
    CHECK_STATUS(qn_tensor_wrap(&t, dev, NULL, 0, QN_F32, 1, (int64_t[]){ 1 }), QN_E_ARG, "mem");
    CHECK_STATUS(qn_tensor_wrap(&t, NULL, mem, 0, QN_F32, 1, (int64_t[]){ 1 }), QN_E_ARG, "dev");
    CHECK(qn_tensor_cl_mem(NULL, NULL) == NULL && qn_device_cl_queue(NULL) == NULL);
    qn_device_close(&dev);

    CHECK_STATUS(qn_device_wrap(&dev, NULL, own->context, queue), QN_E_ARG, "another context");
    if (wild)
        CHECK_STATUS(qn_device_wrap(&dev, NULL, other, wild), QN_E_ARG, "out of order");
    CHECK_STATUS(qn_device_wrap(&dev, NULL, NULL, queue), QN_E_ARG, "context");
    CHECK_STATUS(qn_device_wrap(&dev, NULL, other, NULL), QN_E_ARG, "queue");
    CHECK(!dev);

    /* What was lent is given back in full. */
    CHECK_INT(references(cl, queue, mem, before), before);
    cl->ReleaseMemObject(mem);
    cl->ReleaseCommandQueue(queue);
    if (wild)
        cl->ReleaseCommandQueue(wild);
    cl->ReleaseContext(other);
}

/* ---- errors ---- */

static void errors(void)
{
    static const struct {
        cl_int error;
        qn_status status;
        const char *part;
    } cases[] = {
        { CL_MEM_OBJECT_ALLOCATION_FAILURE, QN_E_DEVICE_MEMORY, "doing it 7 times: CL_MEM_OBJECT_ALLOCATION_FAILURE" },
        { CL_OUT_OF_RESOURCES, QN_E_DEVICE_MEMORY, "CL_OUT_OF_RESOURCES" },
        { CL_OUT_OF_HOST_MEMORY, QN_E_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY" },
        { CL_BUILD_PROGRAM_FAILURE, QN_E_BUILD, "CL_BUILD_PROGRAM_FAILURE" },
        { CL_INVALID_KERNEL_ARGS, QN_E_DEVICE, "CL_INVALID_KERNEL_ARGS" },
        { CL_DEVICE_NOT_AVAILABLE, QN_E_DEVICE_LOST, "CL_DEVICE_NOT_AVAILABLE" },
        { -9999, QN_E_DEVICE_LOST, "-9999" },
        { -12345, QN_E_DEVICE, "-12345" },
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++)
        CHECK_STATUS(qni_cl_error(cases[i].error, "doing it %d times", 7), cases[i].status, cases[i].part);
    CHECK_STR(qni_cl_error_name(0), "CL_SUCCESS");
}

static cl_int CL_API_CALL gone(cl_command_queue queue)
{
    (void)queue;
    return CL_DEVICE_NOT_AVAILABLE;
}

/* A device that vanished says so from then on, and can still be taken apart. */
static void lost(void)
{
    qn_device *dev = NULL;
    qn_tensor *t = NULL, *u = NULL;
    char c = 0;

    CHECK_OK(qn_device_open(&dev, NULL, NULL));
    CHECK_OK(qn_tensor_create(&t, dev, QN_U8, 0, NULL));
    CHECK_OK(qn_tensor_write(t, &c, 1));
    dev->ctx->cl->Finish = gone; /* this context's own table */
    dev->caps.quirks &= ~(unsigned)QNI_QUIRK_FINISH;
    CHECK_STATUS(qn_device_finish(dev), QN_E_DEVICE_LOST, "CL_DEVICE_NOT_AVAILABLE");
    CHECK_STATUS(qn_device_finish(dev), QN_E_DEVICE_LOST, "was lost earlier");
    CHECK_STATUS(qn_tensor_write(t, &c, 1), QN_E_DEVICE_LOST, "lost");
    CHECK_STATUS(qn_tensor_read(t, &c, 1), QN_E_DEVICE_LOST, "lost");
    CHECK_STATUS(qn_tensor_create(&u, dev, QN_U8, 0, NULL), QN_E_DEVICE_LOST, "lost");
    qn_device_close(&dev);
    qn_tensor_destroy(&t);
}

/* The option, or where it does not say the environment. */
static void rounding(void)
{
    static const struct {
        qn_matmul option;
        const char *text;
        qn_matmul matmul;
    } cases[] = { { QN_MATMUL_F32, NULL, QN_MATMUL_F32 },  { QN_MATMUL_BF16, NULL, QN_MATMUL_BF16 },
                  { QN_MATMUL_F32, "f16", QN_MATMUL_F16 }, { QN_MATMUL_TF32, "f16", QN_MATMUL_TF32 },
                  { QN_MATMUL_F32, "f32", QN_MATMUL_F32 } };
    qn_context *ctx = NULL;
    qn_device *dev = NULL;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        if (cases[i].text)
            setenv("QUERN_MATMUL", cases[i].text, 1);
        CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .matmul = cases[i].option }));
        if (CHECK_OK(qn_device_open(&dev, ctx, NULL)))
            CHECK_INT(dev->caps.matmul, cases[i].matmul);
        qn_device_close(&dev);
        qn_context_destroy(&ctx);
        unsetenv("QUERN_MATMUL");
    }
    setenv("QUERN_MATMUL", "f64", 1);
    CHECK_STATUS(qn_device_open(&dev, NULL, NULL), QN_E_ARG, "QUERN_MATMUL is 'f64'");
    unsetenv("QUERN_MATMUL");
    CHECK_STATUS(qn_context_create(&ctx, &(qn_context_opt){ .matmul = (qn_matmul)4 }), QN_E_ARG, "matmul is 4");
}

int main(void)
{
    test_run("device: the one that is meant is chosen, with the reason", choosing);
    test_run("device: one that cannot be used says why", not_usable);
    test_run("device: every quirk has a reason", quirks);
    test_run("device: the list has one chosen, and it is the one that opens", listing);
    test_run("device: choosing and asking without opening", asking);
    test_run("device: open, several at once, close", opening);
    test_run("device: the environment counts where the context lets it", environment);
    test_run("device: what operands may be rounded to", rounding);
    test_run("device: many threads open and close", threads);
    test_run("device: an application's context, queue and buffers", wrapping);
    test_run("device: OpenCL errors as what the caller can do", errors);
    test_run("device: a lost device stays lost", lost);
    return test_end();
}
