/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Figures of whole processes: this command runs itself as a child. */
#include <errno.h>
#include <ftw.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

#define COLD_RUNS 3

struct child {
    double seconds;          /* from its start to its line */
    double rss_bytes;        /* at most */
    unsigned long long device_bytes;
    char device[128];
};

static qn_status fail(const char *what)
{
    char text[320];

    snprintf(text, sizeof(text), "%.250s: %s", what, strerror(errno));
    return qn_error_set(QN_E_IO, text);
}

/* "PEAK DEVICE NAME" */
static bool read_line(FILE *from, struct child *c)
{
    char line[256], *rest;

    if (!fgets(line, sizeof(line), from))
        return false;
    c->device_bytes = strtoull(line, &rest, 10);
    rest[strcspn(rest, "\n")] = '\0';
    snprintf(c->device, sizeof(c->device), "%.100s", *rest ? rest + 1 : rest);
    return true;
}

/* Train `steps` batches in a process of its own. */
static qn_status run_child(struct child *c, const struct bench *b, int steps)
{
    char count[16], batch[32];
    char *select = (char *)(b->select ? b->select : "");
    char *argv[] = { "quern", "bench", "cnn", "--steps", count, "--batch", batch, "--device", select, NULL };
    posix_spawn_file_actions_t actions;
    double begun = bench_now();
    struct rusage usage;
    FILE *from = NULL;
    int ends[2], state = 0, e;
    bool told;
    pid_t pid;

    memset(c, 0, sizeof(*c));
    snprintf(count, sizeof(count), "%d", steps);
    snprintf(batch, sizeof(batch), "%lld", (long long)b->batch);
    if (pipe(ends))
        return fail("a pipe");
    if ((errno = posix_spawn_file_actions_init(&actions)))
        return fail("starting a process");
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    e = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!e)
        from = fdopen(ends[0], "r");
    if (!from)
        close(ends[0]);
    if (e) {
        errno = e;
        return fail("starting a process");
    }
    told = from && read_line(from, c);
    c->seconds = bench_now() - begun;
    while (wait4(pid, &state, 0, &usage) < 0)
        if (errno != EINTR)
            return fail("waiting for a process");
    if (from)
        fclose(from);
    c->rss_bytes = 1024.0 * (double)usage.ru_maxrss;
    if (!told || !WIFEXITED(state) || WEXITSTATUS(state))
        return qn_error_set(WIFEXITED(state) && WEXITSTATUS(state) == EXIT_NO_DEVICE ? QN_E_NO_DEVICE : QN_E_IO,
                            "the process that was to be measured failed");
    return QN_OK;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s;
    (void)kind;
    (void)at;
    return remove(path);
}

/* Point our own store and PoCL's at a new folder. */
static qn_status use_store(char *dir, size_t bytes)
{
    const char *tmp = getenv("TMPDIR");
    char path[512];

    snprintf(dir, bytes, "%.200s/quern-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return fail(dir);
    snprintf(path, sizeof(path), "%s/quern", dir);
    setenv("QUERN_CACHE", path, 1);
    snprintf(path, sizeof(path), "%s/pocl", dir);
    setenv("POCL_CACHE_DIR", path, 1);
    return QN_OK;
}

static qn_status print(struct bench *b, const struct child *c, const char *phase, double *ms, int64_t runs)
{
    struct figure f = { .workload = "startup", .phase = phase, .ms = ms, .runs = runs };

    f.batch = b->batch ? b->batch : 64;
    snprintf(b->device.name, sizeof(b->device.name), "%s", c->device);
    bench_print(b, &f);
    return QN_OK;
}

static char *keep(const char *name)
{
    const char *value = getenv(name);

    return value ? strdup(value) : NULL;
}

static void put_back(const char *name, char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
    free(value);
}

qn_status bench_startup(struct bench *b)
{
    char *store = keep("QUERN_CACHE"), *pocl = keep("POCL_CACHE_DIR");
    int64_t warm_runs = b->runs ? b->runs : 5, cold_runs = b->runs && b->runs < COLD_RUNS ? b->runs : COLD_RUNS;
    double *ms = calloc((size_t)(warm_runs + COLD_RUNS), sizeof(*ms)), *warm = ms ? ms + COLD_RUNS : NULL;
    struct child c;
    qn_status st = ms ? QN_OK : qn_error_set(QN_E_HOST_MEMORY, "no memory for the times");

    for (int64_t i = 0; i < cold_runs && !st; i++) {
        char dir[256];

        if ((st = use_store(dir, sizeof(dir))))
            break;
        if (!(st = run_child(&c, b, 1)))
            ms[i] = 1e3 * c.seconds;
        for (int64_t k = 0; i + 1 == cold_runs && k < warm_runs && !st; k++)
            if (!(st = run_child(&c, b, 1)))
                warm[k] = 1e3 * c.seconds;
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    if (!st && !(st = print(b, &c, "cold", ms, cold_runs)))
        st = print(b, &c, "warm", warm, warm_runs);
    put_back("QUERN_CACHE", store);
    put_back("POCL_CACHE_DIR", pocl);
    free(ms);
    return st;
}

qn_status bench_memory(struct bench *b)
{
    struct child c;
    qn_status st = run_child(&c, b, 20);

    if (st)
        return st;
    if (b->json) {
        struct json j = { .out = stdout };

        json_object(&j, NULL);
        json_text(&j, "workload", "memory");
        json_text(&j, "phase", "train");
        json_int(&j, "batch", b->batch ? b->batch : 64);
        json_real(&j, "process_peak_bytes", c.rss_bytes);
        json_uint(&j, "device_peak_bytes", c.device_bytes);
        json_text(&j, "device", c.device);
        json_object_end(&j);
    } else {
        printf("%-10s %-16s batch %-4lld %10.1f MiB in the process, %.1f MiB in device buffers\n", "memory",
               "train", (long long)(b->batch ? b->batch : 64), c.rss_bytes / 1048576.0,
               (double)c.device_bytes / 1048576.0);
    }
    return QN_OK;
}
