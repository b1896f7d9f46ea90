/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What is written of each check, and tests/harness/test.h for the tables of tests/op, of which each test is a check here. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <quern/version.h>

#include "../quern/quern.h"
#include "checks.h"
#include "operations.h"
#include "test.h"

static struct {
    FILE *to;
    int from, checks; /* checks before from were made by an earlier process */
    const char *name, *only;
    bool needed_only, failed, skipped, qualifies;
    char text[400];
    double begun, gflops, gbytes_per_s;
    uint64_t random;
} run;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct json line(void)
{
    struct json j = { .out = run.to };

    json_object(&j, NULL);
    return j;
}

static void end_line(struct json *j)
{
    json_object_end(j);
    if (fflush(run.to)) /* nobody listens any more */
        _Exit(EXIT_FAILURE);
}

void report_start(int fd, int from, const char *only, bool needed_only)
{
    struct json j;

    run.to = fdopen(fd, "w");
    run.from = from;
    run.only = only;
    run.needed_only = needed_only;
    if (!run.to)
        _Exit(EXIT_FAILURE);
    j = line();
    json_text(&j, "quern", QN_VERSION_STRING);
    end_line(&j);
}

void report_device(uint64_t key)
{
    struct json j = line();
    char text[24];

    snprintf(text, sizeof(text), "%016llx", (unsigned long long)key);
    json_text(&j, "device", text);
    end_line(&j);
}

void report_done(void)
{
    struct json j = line();

    json_int(&j, "done", run.checks);
    end_line(&j);
}

/* Has a name one of the texts in run.only? */
static bool is_selected(const char *name)
{
    bool found = !run.only;

    for (const char *s = run.only; s && *s && !found;) {
        const size_t n = strcspn(s, "|");

        found = memmem(name, strlen(name), s, n) != NULL;
        s += n + (s[n] == '|');
    }
    return found;
}

bool check_begin(const char *name, bool needed)
{
    struct json j;

    if (!is_selected(name) || (run.needed_only && !needed) || run.checks++ < run.from)
        return false;
    run.name = name;
    run.failed = run.skipped = run.qualifies = false;
    run.text[0] = '\0';
    run.gflops = run.gbytes_per_s = 0;
    test_seed(name);
    j = line();
    json_text(&j, "begin", name);
    json_bool(&j, "needed", needed);
    end_line(&j);
    run.begun = now();
    return true;
}

static void say(const char *format, va_list args)
{
    vsnprintf(run.text, sizeof(run.text), format, args);
    for (char *p = run.text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

void check_fail(const char *format, ...)
{
    va_list args;

    if (run.failed)
        return;
    run.failed = true;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

bool check_cl(cl_int error, const char *what)
{
    if (error)
        check_fail("%s: %s", what, qni_cl_error_name(error));
    return !error;
}

void check_skip(const char *format, ...)
{
    va_list args;

    run.skipped = true;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void check_note(const char *format, ...)
{
    va_list args;

    if (run.failed)
        return;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void check_speed(double gflops, double gbytes_per_s)
{
    run.gflops = gflops;
    run.gbytes_per_s = gbytes_per_s;
}

bool check_failed(void)
{
    return run.failed;
}

void check_end(void)
{
    struct json j = line();

    json_text(&j, "end", run.name);
    json_text(&j, "result", run.failed ? "failed" : run.skipped ? "skipped" : "passed");
    json_real(&j, "ms", 1e3 * (now() - run.begun));
    if (run.qualifies)
        json_bool(&j, "qualifies", true);
    if (*run.text)
        json_text(&j, "text", run.text);
    if (run.gflops > 0) {
        json_real(&j, "gflops", run.gflops);
        json_real(&j, "gbytes_per_s", run.gbytes_per_s);
    }
    end_line(&j);
    run.name = NULL;
}

void check_one(const char *name, bool needed, void (*check)(qn_device *dev), qn_device *dev)
{
    if (!check_begin(name, needed))
        return;
    check(dev);
    check_end();
}

/* ---- test.h ---- */

bool test_selected(const char *name)
{
    return operation_wanted(name, NULL);
}

/* The tables' programs have tests of their own beside the cases; they are no checks. */
void test_run(const char *name, void (*f)(void))
{
    (void)name;
    (void)f;
}

void test_run_with(const char *name, void (*f)(const void *arg), const void *arg)
{
    bool needed;

    if (operation_wanted(name, &needed) && !operation_collect(arg) && check_begin(name, needed)) {
        run.qualifies = operation_untried(arg);
        f(arg);
        check_end();
    }
}

void test_skip(const char *format, ...)
{
    va_list args;

    run.skipped = true;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

int test_end(void)
{
    return EXIT_SUCCESS;
}

bool test_failed(void)
{
    return run.failed;
}

void test_fail(const char *file, int line_number, const char *format, ...)
{
    va_list args;

    (void)file;
    (void)line_number;
    if (run.failed)
        return;
    run.failed = true;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

bool test_status(const char *file, int line_number, const char *what, qn_status got, qn_status want, const char *part)
{
    (void)what;
    (void)part;
    if (got != want)
        test_fail(file, line_number, "%s: %s", qn_status_name(got), got ? qn_last_error() : "");
    return got == want;
}

bool test_int(const char *file, int line_number, const char *what, int64_t got, int64_t want)
{
    if (got != want)
        test_fail(file, line_number, "%s: %lld, not %lld", what, (long long)got, (long long)want);
    return got == want;
}

bool test_str(const char *file, int line_number, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        test_fail(file, line_number, "%s: \"%s\", not \"%s\"", what, got, want);
    return strcmp(got, want) == 0;
}

qn_device *test_device(void)
{
    return operations_device();
}

void test_seed(const char *name)
{
    run.random = qni_hash_text(QNI_HASH_START, name);
}

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = run.random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double test_uniform(void)
{
    return (double)(next_random() >> 11) * 0x1p-52 - 1;
}

int64_t test_integer(int64_t n)
{
    return n > 0 ? (int64_t)(next_random() % (uint64_t)n) : 0;
}
