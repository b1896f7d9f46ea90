/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The store of compiled programs when things go wrong: damaged files, no room, no permission, processes that die or start
 * together; and compilers that refuse. */
#include "layer.h"
#include "program/program.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 10

static char folder[64];

static qn_context *context(const char *dir, int threads)
{
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .store_dir = dir, .threads = threads }));
    return ctx;
}

static void begin(void)
{
    snprintf(folder, sizeof(folder), "/tmp/quern-store-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void end(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    CHECK_INT(system(command), 0);
}

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static long files_like(const char *pattern)
{
    char command[256];
    long n = -1;
    FILE *f;

    snprintf(command, sizeof(command), "ls '%s' | grep -c '%s'", folder, pattern);
    f = popen(command, "r");
    if (f) {
        if (fscanf(f, "%ld", &n) != 1)
            n = -1;
        pclose(f);
    }
    return n;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- files ---- */

static bool holds(const qn_context *ctx, uint64_t key, const char *want)
{
    unsigned char *data;
    size_t bytes;
    bool same;

    CHECK_OK(qni_store_get(ctx, key, "unit", &data, &bytes));
    same = want ? data && bytes == strlen(want) && !memcmp(data, want, bytes) : !data;
    qni_free(ctx, &data);
    return same;
}

static void damaged(void)
{
    qn_context *ctx;
    int fd;

    begin();
    ctx = context(folder, 1);
    CHECK(holds(ctx, 7, NULL));
    qni_store_put(ctx, 7, "unit", "seven", 5);
    CHECK(holds(ctx, 7, "seven"));
    CHECK(holds(ctx, 8, NULL));
    /* Every length that is too short, one that is too long, each byte changed. */
    for (int cut = 0; cut <= 38; cut++) {
        CHECK_INT(truncate(path_of("unit-0000000000000007.bin"), cut == 37 ? 38 : cut == 38 ? 0 : cut), 0);
        CHECK(holds(ctx, 7, NULL));
        CHECK(access(path_of("unit-0000000000000007.bin"), F_OK) != 0);
        qni_store_put(ctx, 7, "unit", "seven", 5);
    }
    for (int at = 0; at < 37; at++) {
        unsigned char c = 0;

        fd = open(path_of("unit-0000000000000007.bin"), O_RDWR);
        CHECK_INT(pread(fd, &c, 1, at), 1);
        c ^= 0x10;
        CHECK_INT(pwrite(fd, &c, 1, at), 1);
        close(fd);
        CHECK(holds(ctx, 7, NULL));
        qni_store_put(ctx, 7, "unit", "seven", 5);
        CHECK(holds(ctx, 7, "seven"));
    }
    /* Another key's file, a pipe, a folder. */
    {
        char from[256];

        snprintf(from, sizeof(from), "%s", path_of("unit-0000000000000007.bin"));
        CHECK_INT(rename(from, path_of("unit-0000000000000009.bin")), 0);
    }
    CHECK(holds(ctx, 9, NULL));
    CHECK_INT(mkfifo(path_of("unit-000000000000000a.bin"), 0600), 0);
    CHECK(holds(ctx, 10, NULL));
    CHECK_INT(mkdir(path_of("unit-000000000000000b.bin"), 0700), 0);
    CHECK(holds(ctx, 11, NULL));
    qni_store_put(ctx, 11, "unit", "eleven", 6);
    CHECK(holds(ctx, 11, NULL));
    CHECK_INT(files_like("tmp"), 0);
    qn_context_destroy(&ctx);
    end();
}

static void bounded(void)
{
    static const unsigned char block[1000];
    qn_context *ctx;
    int lock;

    begin();
    ctx = context(folder, 1);
    lock = qni_store_lock(ctx, 1, 1000);
    for (uint64_t key = 1; key <= 6; key++) {
        char name[64];
        struct timespec when[2] = { { .tv_sec = 1000 + (time_t)key }, { .tv_sec = 1000 + (time_t)key } };

        qni_store_put(ctx, key, "unit", block, sizeof(block));
        snprintf(name, sizeof(name), "unit-%016llx.bin", (unsigned long long)key);
        CHECK_INT(utimensat(AT_FDCWD, path_of(name), when, 0), 0);
    }
    /* Reading makes an entry the newest. */
    {
        unsigned char *data;
        size_t bytes;

        CHECK_OK(qni_store_get(ctx, 1, "unit", &data, &bytes));
        CHECK_INT(bytes, sizeof(block));
        qni_free(ctx, &data);
    }
    qni_store_trim(ctx, 6 * 1032);
    CHECK_INT(files_like("^unit"), 6);
    qni_store_trim(ctx, 3 * 1032 + 1031);
    CHECK_INT(files_like("^unit"), 3);
    CHECK(!access(path_of("unit-0000000000000001.bin"), F_OK));
    CHECK(!access(path_of("unit-0000000000000006.bin"), F_OK));
    CHECK(access(path_of("unit-0000000000000004.bin"), F_OK) != 0);
    qni_store_trim(ctx, 0);
    CHECK_INT(files_like("^unit"), 0);
    CHECK_INT(files_like("^lock"), 1);
    qni_store_unlock(lock);
    qn_context_destroy(&ctx);
    end();
}

/* ---- locks ---- */

/* A process that holds key 5's lock until it is killed. */
static pid_t holder(const qn_context *ctx)
{
    int ready[2];
    char c;
    pid_t child;

    CHECK_INT(pipe(ready), 0);
    child = fork();
    if (!child) {
        int lock = qni_store_lock(ctx, 5, 1000);

        if (lock >= 0 && write(ready[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    CHECK_INT(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return child;
}

static void dead_holder(void)
{
    qn_context *ctx;
    double start;
    pid_t child;
    int lock, left;

    begin();
    ctx = context(folder, 1);
    child = holder(ctx);
    start = seconds();
    CHECK_INT(qni_store_lock(ctx, 5, 200), -1);
    CHECK(seconds() - start >= 0.19);
    lock = qni_store_lock(ctx, 6, 0); /* another key waits for nobody */
    CHECK(lock >= 0);
    qni_store_unlock(lock);
    CHECK_INT(kill(child, SIGKILL), 0);
    CHECK_INT(waitpid(child, &left, 0), child);
    lock = qni_store_lock(ctx, 5, 1000);
    CHECK(lock >= 0);
    qni_store_unlock(lock);
    qn_context_destroy(&ctx);
    end();
}

/* ---- programs ---- */

/* A launch of a generated kernel, one of many. */
static void add(struct qni_recorder *r, int number)
{
    char text[512];

    snprintf(text, sizeof(text),
             "#define JOIN2(a, b) a##b\n#define JOIN(a, b) JOIN2(a, b)\n"
             "__kernel void JOIN(fill, QN_SUFFIX)(__global int *x) { x[get_global_id(0)] = %d; }\n"
             "#undef JOIN\n#undef JOIN2\n", number);
    qni_launch_add_text(r, text, "fill");
}

/* Make kernels of `units` generated units; how many were compiled, or -1. */
static int built(const char *dir, int threads, int units)
{
    qn_context *ctx = context(dir, threads);
    qn_device *dev = NULL;
    struct qni_recorder r;
    cl_kernel kernel[16] = { NULL };
    size_t n = 0;
    uint64_t key;
    bool ok;

    if (qn_device_open(&dev, ctx, NULL)) {
        qn_context_destroy(&ctx);
        return -1;
    }
    qni_recorder_init(&r, ctx);
    for (int i = 0; i < units; i++)
        add(&r, i);
    ok = CHECK_OK(qni_kernels_get(dev, r.launch, r.launches, kernel, &n, &key));
    for (int i = 0; i < units; i++) {
        CHECK(!ok || kernel[i]);
        if (kernel[i])
            dev->cl->ReleaseKernel(kernel[i]);
    }
    qni_recorder_free(&r);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    return ok ? (int)n : -1;
}

/* Before this process has opened a device. */
static void together(void)
{
    pid_t child[PROCESSES];
    int left, sum = 0;

    begin();
    for (int i = 0; i < PROCESSES; i++)
        if (!(child[i] = fork()))
            _exit(built(folder, 1, 3) & 255);
    for (int i = 0; i < PROCESSES; i++) {
        CHECK_INT(waitpid(child[i], &left, 0), child[i]);
        CHECK(WIFEXITED(left) && WEXITSTATUS(left) <= 3);
        sum += WEXITSTATUS(left);
    }
    CHECK_INT(sum, 3);
    CHECK_INT(files_like("^program"), 1);
    CHECK_INT(files_like("^unit"), 3);
    end();
}

static void rebuilt(void)
{
    char command[200];

    if (!test_device())
        return;
    begin();
    CHECK_INT(built(folder, 1, 2), 2);
    CHECK_INT(built(folder, 1, 2), 0);
    snprintf(command, sizeof(command), "for f in %s/program*; do printf x >> $f; done", folder);
    CHECK_INT(system(command), 0);
    CHECK_INT(built(folder, 1, 2), 2);
    CHECK_INT(built(folder, 1, 3), 1); /* what is missing alone */
    CHECK_INT(built(folder, 1, 3), 0);
    end();
}

/* The driver gives bytes that it does not take back. */
static void garbage(void)
{
    const char *reason;
    const struct layer *layer = layer_open(&reason);

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    begin();
    layer->spoil();
    CHECK_INT(built(folder, 1, 2), 2);
    layer->reset();
    CHECK_INT(built(folder, 1, 2), 2);
    CHECK_INT(built(folder, 1, 2), 0);
    end();
}

static void nowhere(void)
{
    char under[128];
    FILE *f;

    if (!test_device())
        return;
    begin();
    snprintf(under, sizeof(under), "%s/file/store", folder);
    f = fopen(path_of("file"), "w");
    CHECK(f != NULL);
    if (f)
        fclose(f);
    CHECK_INT(built("/proc/quern", 1, 1), 1); /* not writable, for root neither */
    CHECK_INT(built(under, 1, 1), 1);
    CHECK_INT(built("", 1, 1), 1);
    end();
}

static void parallel(void)
{
    qn_device *dev = test_device();

    if (!dev)
        return;
    if (dev->caps.quirks & QNI_QUIRK_ONE_THREAD) {
        test_skip("a driver for one thread");
        return;
    }
    begin();
    CHECK_INT(built(folder, 3, 7), 7);
    CHECK_INT(files_like("^program"), 3);
    CHECK_INT(files_like("^unit"), 7);
    CHECK_INT(built(folder, 1, 7), 0);
    end();
}

/* Among units that are right one that is not: nothing is left, and it can be tried again. */
static void refused(const char *source, const char *text, const char *part)
{
    qn_device *dev = test_device();
    cl_kernel kernel[4] = { NULL };
    struct qni_recorder r;
    uint64_t key;
    size_t n;

    if (!dev)
        return;
    qni_recorder_init(&r, dev->ctx);
    add(&r, 100);
    add(&r, 101);
    if (text)
        qni_launch_add_text(&r, text, "wrong");
    else
        qni_launch_add(&r, source, "wrong");
    add(&r, 102);
    for (int twice = 0; twice < 2; twice++) {
        CHECK_STATUS(qni_kernels_get(dev, r.launch, r.launches, kernel, &n, &key), QN_E_BUILD, part);
        CHECK(strstr(qn_device_build_log(dev), part) != NULL);
        for (int i = 0; i < 4; i++)
            CHECK(!kernel[i]);
    }
    qni_recorder_free(&r);
}

static void refused_text(void)
{
    refused(NULL, "/* one */\n/* two */\nthis is no OpenCL C;\n", ":3:");
}

static void refused_file(void)
{
    refused("conv/conv2d_tile", NULL, "cl/conv/conv2d_tile.cl:");
}

int main(void)
{
    /* The store and the threads are tried whatever the driver does better without. */
    setenv("QUERN_QUIRKS", "-own_cache,-one_build", 1);
    test_run("store: a damaged file is removed and made anew", damaged);
    test_run("store: the least recently used entries go first", bounded);
    test_run("store: a lock has a time limit, and goes with its process", dead_holder);
    test_run("store: of ten processes that start together one compiles", together);
    test_run("store: a binary that the driver does not take is compiled again", garbage);
    test_run("store: a damaged program is compiled again", rebuilt);
    test_run("store: works without a folder to write to", nowhere);
    test_run("build: one program a thread", parallel);
    test_run("build: a generated kernel that does not compile is named with its line", refused_text);
    test_run("build: a kernel file that does not compile is named with its line", refused_file);
    return test_end();
}
