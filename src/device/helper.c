/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A helper program: found beside what this code was loaded from, started in a process group of its own so that its children
 * end with it, and read line by line. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device/qualify.h"

extern char **environ;

#define NAME   "quern-qualify"
#define SLICE  100 /* ms between two looks whether it still lives */
#define MOST_S 1.0 /* that such a slice counts: one that took longer was a stop of this program, and perhaps of the helper */
#define LEAST  0.125 /* of a slice that counts, however little of it the helper had a processor: it may want one for ever */

/* From the folder of the library or the command, installed or as they are built. */
static const char *const places[] = {
    "../libexec/quern/" NAME, "../../libexec/quern/" NAME, NAME, "../qualify/" NAME, "../tools/qualify/" NAME,
};

/* ---- finding ---- */

/* path is "FOLDER/FILE"; look from FOLDER. */
static bool find_beside(char *out, size_t bytes, const char *file)
{
    const char *slash = strrchr(file, '/');

    for (size_t i = 0; slash && i < QNI_COUNT(places); i++) {
        int n = snprintf(out, bytes, "%.*s/%s", (int)(slash - file), file, places[i]);

        if (n > 0 && (size_t)n < bytes && access(out, X_OK) == 0)
            return true;
    }
    return false;
}

qn_status qni_helper_find(char *path, size_t bytes, const qn_context *ctx)
{
    const char *asked = qni_env(ctx, "QUERN_HELPER");
    char file[PATH_MAX];
    ssize_t n;
    Dl_info here;

    if (asked) {
        if (strlen(asked) < bytes && access(asked, X_OK) == 0) {
            memcpy(path, asked, strlen(asked) + 1);
            return QN_OK;
        }
        return qni_error(QN_E_IO, "the helper program %.300s (QUERN_HELPER) cannot be run: %s", asked, strerror(errno));
    }
    if (dladdr(places, &here) && here.dli_fname && realpath(here.dli_fname, file) && find_beside(path, bytes, file))
        return QN_OK;
    n = readlink("/proc/self/exe", file, sizeof(file) - 1);
    file[QNI_MAX(n, 0)] = '\0';
    if (find_beside(path, bytes, file))
        return QN_OK;
    snprintf(path, bytes, "%s", QUERN_LIBEXEC "/" NAME);
    if (access(path, X_OK) == 0)
        return QN_OK;
    return qni_error(QN_E_IO, "the helper program " NAME " is neither beside the library nor at " QUERN_LIBEXEC
                     ": install it, or say where it is by QUERN_HELPER");
}

/* ---- starting ---- */

/* A pipe whose ends are no descriptors that a child uses, and none that other programs inherit. */
static bool make_pipe(int ends[2])
{
    int low[2];

    if (pipe2(low, O_CLOEXEC))
        return false;
    ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, 16);
    ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, 16);
    close(low[0]);
    close(low[1]);
    if (ends[0] >= 0 && ends[1] >= 0)
        return true;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return false;
}

static int spawn(pid_t *pid, const char *path, char *const argv[], int out, int err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int e;

    if ((e = posix_spawn_file_actions_init(&files)))
        return e;
    if ((e = posix_spawnattr_init(&attributes))) {
        posix_spawn_file_actions_destroy(&files);
        return e;
    }
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    if (!(e = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)) &&
        !(e = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0)) &&
        !(e = posix_spawn_file_actions_adddup2(&files, err, 2)) &&
        !(e = posix_spawn_file_actions_adddup2(&files, out, QNI_HELPER_FD)))
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
        if (!(e = posix_spawn_file_actions_addclosefrom_np(&files, QNI_HELPER_FD + 1)))
#endif
            e = posix_spawn(pid, path, &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return e;
}

qn_status qni_helper_start(struct qni_helper *h, const char *path, char *const argv[])
{
    int out[2] = { -1, -1 }, err[2] = { -1, -1 }, e;
    pid_t pid = 0;

    memset(h, 0, sizeof(*h));
    h->out = h->err = -1;
    if (!make_pipe(out))
        return qni_error(QN_E_IO, "no pipe for a helper program: %s", strerror(errno));
    if (!make_pipe(err)) {
        e = errno;
        close(out[0]);
        close(out[1]);
        return qni_error(QN_E_IO, "no pipe for a helper program: %s", strerror(e));
    }
    e = spawn(&pid, path, argv, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    if (e) {
        close(out[0]);
        close(err[0]);
        return qni_error(QN_E_IO, "the helper program %.300s cannot be started: %s", path, strerror(e));
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    h->pid = (long)pid;
    h->out = out[0];
    h->err = err[0];
    return QN_OK;
}

/* ---- reading ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of processor time that its threads took; *ready: does one of them want more? Nothing where the system does not say. */
static double processor_time(long pid, bool *ready)
{
    const double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    char path[300], line[512];
    struct dirent *task;
    double sum = 0;
    DIR *tasks;

    *ready = false;
    snprintf(path, sizeof(path), "/proc/%ld/task", pid);
    tasks = opendir(path);
    while (tasks && (task = readdir(tasks))) {
        unsigned long user, system;
        const char *rest;
        char state;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%ld/task/%s/stat", pid, task->d_name);
        f = *task->d_name == '.' ? NULL : fopen(path, "re");
        if (f && fgets(line, sizeof(line), f) && (rest = strrchr(line, ')')) && /* its name may hold anything */
            sscanf(rest, ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &state, &user, &system) == 3) {
            sum += tick * (double)(user + system);
            *ready = *ready || state == 'R';
        }
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    return sum;
}

/* How much of a slice counts for the limit. */
static double counts(struct qni_helper *h, double slice)
{
    const double before = h->processor_s;
    bool ready;

    h->processor_s = processor_time(h->pid, &ready);
    return ready ? QNI_MIN(QNI_MAX(h->processor_s - before, LEAST * slice), slice) : slice;
}

/* Keep the last line of what is written there. */
static void read_complaints(struct qni_helper *h)
{
    char text[1024];
    ssize_t n;

    while ((n = read(h->err, text, sizeof(text) - 1)) > 0) {
        size_t end = (size_t)n, begin;

        while (end && (text[end - 1] == '\n' || text[end - 1] == '\r' || text[end - 1] == ' '))
            end--;
        for (begin = end; begin && text[begin - 1] != '\n';)
            begin--;
        if (end > begin)
            snprintf(h->complaint, sizeof(h->complaint), "%.*s", (int)QNI_MIN(end - begin, sizeof(h->complaint) - 1),
                     text + begin);
    }
    if (n == 0)
        h->err_closed = true;
}

static void read_text(struct qni_helper *h)
{
    ssize_t n = 1;

    while (h->used < sizeof(h->text) && (n = read(h->out, h->text + h->used, sizeof(h->text) - h->used)) > 0)
        h->used += (size_t)n;
    if (n == 0)
        h->out_closed = true;
}

/* One line of the text that was read. Lines that do not fit are no lines of ours. */
static bool take_line(struct qni_helper *h, char *line, size_t bytes)
{
    char *end;

    while ((end = memchr(h->text, '\n', h->used))) {
        size_t n = (size_t)(end - h->text);
        bool ours = !h->skipping && n < bytes;

        if (ours) {
            memcpy(line, h->text, n);
            line[n] = '\0';
        }
        h->skipping = false;
        h->used -= n + 1;
        memmove(h->text, end + 1, h->used);
        if (ours)
            return true;
    }
    if (h->used == sizeof(h->text)) {
        h->skipping = true;
        h->used = 0;
    }
    return false;
}

static void note_signal(struct qni_helper *h, int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        { SIGSEGV, " (SIGSEGV)" }, { SIGABRT, " (SIGABRT)" }, { SIGBUS, " (SIGBUS)" },
        { SIGILL, " (SIGILL)" },   { SIGFPE, " (SIGFPE)" },   { SIGKILL, " (SIGKILL)" },
    };
    const char *name = "";

    for (size_t i = 0; i < QNI_COUNT(names); i++)
        if (names[i].number == number)
            name = names[i].name;
    snprintf(h->how, sizeof(h->how), "signal %d%s", number, name);
    h->end = QNI_HELPER_CRASHED;
}

/* Has it ended? An application that reaps all children itself leaves us without the reason. */
static bool reap(struct qni_helper *h, int options)
{
    int state = 0;
    pid_t pid;

    do
        pid = waitpid((pid_t)h->pid, &state, options);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    h->pid = 0;
    if (h->end)
        return true;
    h->end = QNI_HELPER_ENDED;
    if (pid < 0)
        snprintf(h->how, sizeof(h->how), "no status is told");
    else if (WIFSIGNALED(state))
        note_signal(h, WTERMSIG(state));
    else
        snprintf(h->how, sizeof(h->how), "status %d", WEXITSTATUS(state));
    return true;
}

static void close_ends(struct qni_helper *h)
{
    if (h->out >= 0)
        close(h->out);
    if (h->err >= 0)
        close(h->err);
    h->out = h->err = -1;
}

/* Its children first: once it is reaped, its number may be another's. */
void qni_helper_stop(struct qni_helper *h)
{
    if (h->pid) {
        kill((pid_t)-h->pid, SIGKILL);
        reap(h, 0);
    }
    close_ends(h);
}

const char *qni_helper_line(struct qni_helper *h, char *line, size_t bytes, int limit_s)
{
    double waited = 0, last = now();

    for (;;) {
        struct pollfd ends[2] = { { .fd = h->out_closed ? -1 : h->out, .events = POLLIN },
                                  { .fd = h->err_closed ? -1 : h->err, .events = POLLIN } };
        siginfo_t ended = { 0 };
        size_t used;

        if (take_line(h, line, bytes))
            return line;
        if (!h->pid) {
            used = h->used;
            read_text(h);
            if (h->used == used)
                return NULL;
            continue;
        }
        if (waited > limit_s) {
            h->end = QNI_HELPER_TIMED_OUT;
            snprintf(h->how, sizeof(h->how), "no end after %d s", limit_s);
            qni_helper_stop(h);
            return NULL;
        }
        /* It is left to be reaped until its children are ended too; what it still wrote is read after that. */
        if (waitid(P_PID, (id_t)h->pid, &ended, WEXITED | WNOHANG | WNOWAIT) || ended.si_pid) {
            read_complaints(h);
            kill((pid_t)-h->pid, SIGKILL);
            reap(h, 0);
            continue;
        }
        poll(ends, 2, SLICE);
        waited += counts(h, QNI_MIN(now() - last, MOST_S));
        last = now();
        read_text(h);
        read_complaints(h);
    }
}
