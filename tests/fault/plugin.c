/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The shared library loaded, used and unloaded again and again, and threads that outlive it. Argument: the library. */
#include "test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMES 4

static const char *path;

struct library {
    void *handle;
    __typeof__(qn_context_create) *context_create;
    __typeof__(qn_context_destroy) *context_destroy;
    __typeof__(qn_device_open) *device_open;
    __typeof__(qn_device_close) *device_close;
    __typeof__(qn_tensor_create) *tensor_create;
    __typeof__(qn_last_error) *last_error;
    __typeof__(qn_model_create) *model_create;
    __typeof__(qn_model_destroy) *model_destroy;
    __typeof__(qn_input) *input;
    __typeof__(qn_dense) *dense;
    __typeof__(qn_model_output) *model_output;
    __typeof__(qn_sgd) *sgd;
    __typeof__(qn_model_compile) *model_compile;
    __typeof__(qn_model_fit) *model_fit;
    __typeof__(qn_dataset_arrays) *dataset_arrays;
    __typeof__(qn_dataset_close) *dataset_close;
};

static bool load(struct library *q)
{
    const struct {
        const char *name;
        void *into;
    } wanted[] = {
        { "qn_context_create", &q->context_create }, { "qn_context_destroy", &q->context_destroy },
        { "qn_device_open", &q->device_open },       { "qn_device_close", &q->device_close },
        { "qn_tensor_create", &q->tensor_create },   { "qn_last_error", &q->last_error },
        { "qn_model_create", &q->model_create },     { "qn_model_destroy", &q->model_destroy },
        { "qn_input", &q->input },                   { "qn_dense", &q->dense },
        { "qn_model_output", &q->model_output },     { "qn_sgd", &q->sgd },
        { "qn_model_compile", &q->model_compile },   { "qn_model_fit", &q->model_fit },
        { "qn_dataset_arrays", &q->dataset_arrays }, { "qn_dataset_close", &q->dataset_close },
    };

    q->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; q->handle && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        void *symbol = dlsym(q->handle, wanted[i].name);

        CHECK(symbol);
        memcpy(wanted[i].into, &symbol, sizeof(symbol));
    }
    if (!q->handle)
        test_fail(__FILE__, __LINE__, "%s", dlerror());
    return !test_failed();
}

/* How often the process's map names the library. */
static int mapped(void)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash : path;
    FILE *f = fopen("/proc/self/maps", "r");
    char line[1024];
    int n = 0;

    while (f && fgets(line, sizeof(line), f))
        n += strstr(line, name) != NULL;
    if (f)
        fclose(f);
    return n;
}

static int count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static atomic_llong blocks;

static void *count_alloc(void *user, size_t bytes)
{
    (void)user;
    blocks++;
    return malloc(bytes);
}

static void *count_realloc(void *user, void *p, size_t bytes)
{
    (void)user;
    blocks += p == NULL;
    return realloc(p, bytes);
}

static void count_free(void *user, void *p)
{
    (void)user;
    blocks -= p != NULL;
    free(p);
}

/* Everything that makes threads: a plan is compiled, and a loader prepares batches. */
static void use(const struct library *q)
{
    static float x[32], y[32];
    const qn_array arrays[] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { 1, { 1 } } }, .data = x },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_F32, .shape = { 1, { 1 } } }, .data = y },
    };
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_dataset *data = NULL;
    qn_tensor *t = NULL;

    CHECK_INT(q->context_create(&ctx, &(qn_context_opt){ .alloc = count_alloc, .realloc = count_realloc, .free = count_free }),
              QN_OK);
    CHECK_INT(q->device_open(&dev, ctx, NULL), QN_OK);
    CHECK_INT(q->dataset_arrays(&data, 32, arrays, 2, &(qn_arrays_opt){ .context = ctx }), QN_OK);
    CHECK_INT(q->model_create(&m, dev), QN_OK);
    q->model_output(m, q->dense(m, q->input(m, QN_F32, 1, (int64_t[]){ 1 }), &(qn_dense_opt){ .units = 1 }));
    CHECK_INT(q->model_compile(m, &(qn_compile_opt){ .optimizer = q->sgd(0.1f), .loss = QN_MSE }), QN_OK);
    CHECK_INT(q->model_fit(m, data, &(qn_fit_opt){ .epochs = 2, .batch = 8, .threads = 2 }), QN_OK);
    CHECK_INT(q->tensor_create(&t, dev, QN_F32, -1, NULL), QN_E_SHAPE);
    CHECK(*q->last_error());
    q->model_destroy(&m);
    q->dataset_close(&data);
    q->device_close(&dev);
    q->context_destroy(&ctx);
}

/* The driver has threads of its own, which stay: so the first time is what the others are compared with. */
static void again(void)
{
    struct library q;
    int first = 0;

    CHECK_INT(mapped(), 0);
    for (int i = 0; i < TIMES && load(&q); i++) {
        CHECK(mapped() > 0);
        use(&q);
        CHECK_INT(blocks, 0);
        CHECK_INT(dlclose(q.handle), 0);
        CHECK_INT(mapped(), 0);
        if (i == 0)
            first = count_threads();
        CHECK_INT(count_threads(), first);
    }
}

/* ---- a thread that has an error message of the library's, and ends after it ---- */

static atomic_int stage;

static void await(int n)
{
    while (atomic_load(&stage) < n)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *outlive(void *arg)
{
    const struct library *q = arg;
    qn_tensor *t = NULL;

    if (q->tensor_create(&t, NULL, QN_F32, 0, NULL) != QN_E_ARG || !*q->last_error())
        return arg;
    atomic_store(&stage, 1);
    await(2);
    return NULL;
}

static void threads(void)
{
    struct library q;
    pthread_t thread;
    void *failed;

    for (int i = 0; i < TIMES && load(&q); i++) {
        atomic_store(&stage, 0);
        CHECK_INT(pthread_create(&thread, NULL, outlive, &q), 0);
        await(1);
        CHECK_INT(dlclose(q.handle), 0);
        CHECK_INT(mapped(), 0);
        atomic_store(&stage, 2);
        CHECK_INT(pthread_join(thread, &failed), 0);
        CHECK(!failed);
    }
}

int main(int argc, char **argv)
{
    path = argc > 1 ? argv[1] : "libquern.so.0";
    test_run("plugin: loaded, used and unloaded, it leaves no memory, no thread and no mapping", again);
    test_run("plugin: threads that used it end after it", threads);
    return test_end();
}
