/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Processes that are killed at any instant while they write: what they said was kept is there, and whatever is there is
 * whole. With an argument also processes that start together. usage: fault_kill [KILLS] */
#include "model/model.h"
#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS  8
#define LARGE (192 << 10)

static int kills = 6;
static char folder[64], path[96];

/* A process that does work(to) until it is killed, some time after its first word. The last word it wrote; 0: none. */
static uint64_t killed(void (*work)(int to), int most_us)
{
    int pipes[2], left;
    uint64_t word = 0;
    pid_t child;

    CHECK_INT(pipe(pipes), 0);
    child = fork();
    if (!child) {
        close(pipes[0]);
        work(pipes[1]);
        _exit(1);
    }
    close(pipes[1]);
    if (CHECK_INT(read(pipes[0], &word, sizeof(word)), sizeof(word))) {
        usleep((unsigned)test_integer(most_us));
        kill(child, SIGKILL);
    }
    while (read(pipes[0], &word, sizeof(word)) == sizeof(word))
        ;
    close(pipes[0]);
    CHECK_INT(waitpid(child, &left, 0), child);
    CHECK(WIFSIGNALED(left) && WTERMSIG(left) == SIGKILL);
    return word;
}

static void say(int to, uint64_t word)
{
    if (write(to, &word, sizeof(word)) != sizeof(word))
        _exit(2);
}

/* ---- the store ---- */

static int warnings;

static void count_warnings(void *user, qn_log_level level, const char *line)
{
    (void)user;
    warnings += level == QN_LOG_WARNING;
    if (level == QN_LOG_WARNING)
        test_fail(__FILE__, __LINE__, "%s", line);
}

static qn_context *open_store(void)
{
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.store_dir = folder, .log = count_warnings}));
    return ctx;
}

/* Entry `round` of a key: its length and all its bytes follow from the round. */
static size_t make_entry(unsigned char *to, uint64_t round)
{
    const size_t bytes = sizeof(round) + (size_t)(round * 7919 % LARGE);

    memcpy(to, &round, sizeof(round));
    for (size_t i = sizeof(round); i < bytes; i++)
        to[i] = (unsigned char)(round * 31 + i * i);
    return bytes;
}

static uint64_t begun; /* the round a writer begins with */

static void write_store(int to)
{
    static unsigned char entry[LARGE + 8];
    qn_context *ctx = open_store();

    for (uint64_t round = begun;; round++) {
        qni_store_put(ctx, round % KEYS, "unit", entry, make_entry(entry, round));
        say(to, round);
    }
}

static void check_store(uint64_t last)
{
    static unsigned char want[LARGE + 8];
    qn_context *ctx = open_store();

    for (uint64_t key = 0; key < KEYS; key++) {
        unsigned char *data;
        size_t bytes;
        uint64_t round = 0;

        CHECK_OK(qni_store_get(ctx, key, "unit", &data, &bytes));
        if (data && bytes >= sizeof(round))
            memcpy(&round, data, sizeof(round));
        /* Not older than what was said; the last one that was begun may be there or not. */
        if (last >= KEYS && round + KEYS <= last)
            test_fail(__FILE__, __LINE__, "key %d has round %d after round %d", (int)key, (int)round, (int)last);
        if (data)
            CHECK(round % KEYS == key && bytes == make_entry(want, round) && !memcmp(data, want, bytes));
        qni_free(ctx, &data);
    }
    qn_context_destroy(&ctx);
}

static void store(void)
{
    for (int i = 0; i < 10 * kills && !test_failed(); i++) {
        begun = killed(write_store, 4000) + 1;
        check_store(begun - 1);
    }
    CHECK_INT(warnings, 0);
}

/* ---- a training that is saved after every epoch ---- */

#define SAMPLES 32

static qn_status open_data(qn_dataset **out)
{
    static float x[SAMPLES][4], y[SAMPLES][1];
    const qn_array array[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {1, {4}}}, x}, {{NULL, QN_FIELD_TARGET, QN_F32, {1, {1}}}, y}};

    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < 4; k++)
            x[i][k] = (float)((i >> k & 1) - 0.5);
        y[i][0] = x[i][0] * x[i][1];
    }
    return qn_dataset_arrays(out, SAMPLES, array, 2, NULL);
}

static qn_status build(qn_model **out, qn_device *dev)
{
    qn_model *m = NULL;
    qn_val v;
    qn_status st;

    if ((st = qn_model_create(out, dev)))
        return st;
    m = *out;
    v = qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){4}), &(qn_dense_opt){.units = 64, .act = QN_TANH});
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){.units = 1}));
    return qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_adam(1e-2f), .loss = QN_MSE, .seed = 3});
}

/* Goes on from the file that is there; says after each save how many epochs the file has. */
static void train(int to)
{
    qn_device *dev = NULL;
    qn_dataset *data = NULL;
    qn_model *m = NULL;
    uint64_t epochs;

    if (open_data(&data) || qn_device_open(&dev, NULL, NULL) ||
        (access(path, F_OK) ? build(&m, dev) : qn_model_load(&m, dev, path)))
        _exit(3);
    epochs = m->step;
    for (;;) {
        if (qn_model_fit(m, data, &(qn_fit_opt){.epochs = 1, .batch = SAMPLES}) || qn_model_save(m, path))
            _exit(4);
        say(to, ++epochs);
    }
}

static void look(int to)
{
    qn_device *dev = NULL;
    qn_model *m = NULL;

    if (qn_device_open(&dev, NULL, NULL) || qn_model_load(&m, dev, path))
        _exit(3);
    for (;;)
        say(to, m->step + 1);
}

static void training(void)
{
    uint64_t said = 0, found;

    for (int i = 0; i < kills && !test_failed(); i++) {
        const uint64_t now = killed(train, 60000);

        if (now <= said)
            test_fail(__FILE__, __LINE__, "went on to epoch %d, after %d had been saved", (int)now, (int)said);
        said = now;
    }
    found = killed(look, 1) - 1;
    if (found != said && found != said + 1)
        test_fail(__FILE__, __LINE__, "epoch %d is saved, %d was said to be", (int)found, (int)said);
}

/* ---- processes that start together, with nothing compiled ---- */

#define PROCESSES 10

/* Each trains for an epoch, with folders of their own for what is compiled; seconds of processor time they took. */
static double start_cold(int processes)
{
    char cache[96], command[160];
    struct rusage before, after;
    int left;

    snprintf(cache, sizeof(cache), "%s/cold-%d", folder, processes);
    CHECK_INT(mkdir(cache, 0700), 0);
    getrusage(RUSAGE_CHILDREN, &before);
    for (int i = 0; i < processes; i++)
        if (!fork()) {
            qn_device *dev = NULL;
            qn_dataset *data = NULL;
            qn_model *m = NULL;

            setenv("QUERN_CACHE", cache, 1);
            setenv("POCL_CACHE_DIR", cache, 1);
            _exit(open_data(&data) || qn_device_open(&dev, NULL, NULL) || build(&m, dev) ||
                  qn_model_fit(m, data, &(qn_fit_opt){.epochs = 1, .batch = SAMPLES}));
        }
    for (int i = 0; i < processes; i++)
        CHECK(wait(&left) > 0 && WIFEXITED(left) && WEXITSTATUS(left) == 0);
    getrusage(RUSAGE_CHILDREN, &after);
    snprintf(command, sizeof(command), "rm -r '%s'", cache);
    CHECK_INT(system(command), 0);
    return (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
           1e-6 * (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec);
}

/* Compiling is nearly all that they do. */
static void cold(void)
{
    const double one = start_cold(1), all = start_cold(PROCESSES);

    if (all > 4 * one)
        test_fail(__FILE__, __LINE__, "%d processes took %.1f s, one alone %.1f s", PROCESSES, all, one);
}

/* The same with what PoCL keeps of the versions of a kernel, which no binary holds. */
static void cold_own_cache(void)
{
    unsetenv("POCL_WORK_GROUP_SPECIALIZATION");
    cold();
}

static int temporaries(void)
{
    DIR *d = opendir(folder);
    int n = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, ".qn.tmp") != NULL;
    if (d)
        closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    char command[128];

    if (argc > 1)
        kills = atoi(argv[1]);
    snprintf(folder, sizeof(folder), "/tmp/quern-kill-XXXXXX");
    if (!mkdtemp(folder))
        return 99;
    snprintf(path, sizeof(path), "%s/m.qn", folder);
    if (argc > 1) {
        test_run("cold: of ten processes that start together one compiles", cold);
        test_run("cold: the same where the driver keeps kernels itself", cold_own_cache);
        setenv("POCL_WORK_GROUP_SPECIALIZATION", "0", 1);
    }
    test_run("kill: while the store is written", store);
    test_run("kill: while a training saves itself", training);
    if (temporaries() > 1)
        return 99;
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command) == 0 ? test_end() : 99;
}
