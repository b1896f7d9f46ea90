/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A helper program that plays a part, for tests/fault/qualify.c; $HELPER_PART names it, $HELPER_DEVICE is what it says of the
 * device, $HELPER_LOG the file it signs at each start. "real" becomes $HELPER_REAL, restricted to the checks in $HELPER_ONLY. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <quern/version.h>

static const char *part, *level = "";
static int from, checks;

static const char *env(const char *name)
{
    const char *v = getenv(name);

    return v ? v : "";
}

static void say(const char *text)
{
    if (write(3, text, strlen(text)) < 0)
        _exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* For some seconds another process has the processor. */
static void starve(void)
{
    const double end = now() + 3;
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    if (fork()) {
        sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
        while (now() < end)
            ;
    } else {
        while (now() < end)
            ;
        _exit(0);
    }
}

/* What the part does at this check, named or all of them ("*"). */
static void act(const char *name)
{
    const char *at = strchr(part, ':');

    if (!at || (strcmp(at + 1, name) != 0 && strcmp(at + 1, "*") != 0))
        return;
    if (!strncmp(part, "segv", 4)) {
        fprintf(stderr, "driver: something went wrong\n");
        signal(SIGSEGV, SIG_DFL); /* whatever a sanitizer makes of it */
        raise(SIGSEGV);
    } else if (!strncmp(part, "abort", 5)) {
        abort();
    } else if (!strncmp(part, "exit", 4)) {
        exit(7);
    } else if (!strncmp(part, "slow", 4)) {
        usleep(4500000);
    } else if (!strncmp(part, "starve", 6)) {
        starve();
    } else if (!strncmp(part, "hang", 4)) {
        if (fork() == 0) { /* a child that would outlive it, and holds its descriptors */
            FILE *f = fopen(env("HELPER_LOG"), "a");

            fprintf(f, "child %ld\n", (long)getpid());
            fclose(f);
        }
        for (;;)
            pause();
    }
}

static void check(const char *name, int needed)
{
    const char *at = strchr(part, ':');
    int brief = !strncmp(part, "wrong once", 10) || !strncmp(part, "wrong gone", 10); /* in a brief test alone */
    int wrong = !strncmp(part, "wrong", 5) && at && strstr(at + 1, name) && !(brief && strcmp(level, "--brief"));
    char line[512];

    if (checks++ < from)
        return;
    snprintf(line, sizeof(line), "{\"begin\":\"%s\",\"needed\":%s}\n", name, needed ? "true" : "false");
    say(line);
    act(name);
    snprintf(line, sizeof(line), "{\"end\":\"%s\",\"result\":\"%s\",\"ms\":1.5%s%s}\n", name, wrong ? "failed" : "passed",
             wrong ? ",\"text\":\"element 3 is \\\"nan\\\", not 1\"" : "",
             !strncmp(name, "softmax/", 8) ? ",\"qualifies\":true" : "");
    say(line);
}

int main(int argc, char **argv)
{
    FILE *f = fopen(env("HELPER_LOG"), "a");
    char line[128];

    part = env("HELPER_PART");
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--from") && i + 1 < argc)
            from = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--quick") || !strcmp(argv[i], "--brief"))
            level = argv[i];
    }
    if (f) {
        fprintf(f, "start %d %s\n", from, level);
        fclose(f);
    }
    if (!strcmp(part, "real")) {
        char *more[16] = { NULL };

        memcpy(more, argv, (size_t)argc * sizeof(*argv));
        more[argc] = (char *)"--only";
        more[argc + 1] = (char *)env("HELPER_ONLY");
        execv(env("HELPER_REAL"), more);
        return 1;
    }
    if (!strcmp(part, "stranger")) {
        say("hello\n");
        return 0;
    }
    if (!strcmp(part, "gone") || (!strncmp(part, "wrong gone", 10) && strcmp(level, "--brief"))) {
        fprintf(stderr, "cannot open libsomething.so\n");
        return 1;
    }
    snprintf(line, sizeof(line), "{\"quern\":\"%s\"}\n", !strcmp(part, "old") ? "0.0.1" : QN_VERSION_STRING);
    say(line);
    check("device: opened", 1);
    snprintf(line, sizeof(line), "{\"device\":\"%s\"}\n", !strcmp(part, "elsewhere") ? "0" : env("HELPER_DEVICE"));
    say(line);
    if (!strcmp(part, "garbage")) {
        for (int i = 0; i < 20000; i++)
            say("\xff\"{,:");
        say("\n{\n{\"begin\":\n\n{\"end\":\"device: memory\",\"result\":\"failed\"}\n");
    }
    check("device: memory", 1);
    check("device: two queues", 0);
    check("matmul/cpu: small", 1);
    check("matmul/cpu: large", 1);
    check("matmul/simple: small", 1);
    check("softmax/vector: small", 0);
    check("softmax/lanes: small", 0);
    say("{\"done\":8}\n");
    return 0;
}
