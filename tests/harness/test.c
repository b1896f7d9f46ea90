/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * TAP on stdout. The plan line comes last, so that a program that dies has none.
 *
 * $QUERN_TEST     run only tests whose name contains this text
 * $QUERN_DEVICE   the device under test, as qn_device_open() reads it */
#include "test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LINES 24 /* explanations of one test */

static struct {
    const char *name; /* of the test that runs, or NULL */
    int tests, failed, lines, checks_failed, outside;
    bool skipped;
    char reason[256];
    uint64_t seed, random;
    qn_device *device;
} run;

/* Where nothing else was asked for, tests see PoCL alone and keep what they compile in the build folder. Without
 * PoCL's entry they see whatever there is. */
__attribute__((constructor)) static void surroundings(void)
{
    if (!getenv("OCL_ICD_VENDORS") && access("/etc/OpenCL/vendors/pocl.icd", R_OK) == 0)
        setenv("OCL_ICD_VENDORS", "pocl.icd", 0);
#ifdef TEST_CACHE_DIR
    mkdir(TEST_CACHE_DIR, 0777);
    mkdir(TEST_CACHE_DIR "/pocl", 0777);
    mkdir(TEST_CACHE_DIR "/store", 0777);
    setenv("POCL_CACHE_DIR", TEST_CACHE_DIR "/pocl", 0);
    setenv("QUERN_CACHE", TEST_CACHE_DIR "/store", 0);
#endif
}

static uint64_t name_seed(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = run.random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

bool test_selected(const char *name)
{
    const char *only = getenv("QUERN_TEST");

    return !only || !*only || strstr(name, only);
}

static bool begin(const char *name)
{
    if (!test_selected(name))
        return false;
    run.name = name;
    run.lines = run.checks_failed = 0;
    run.skipped = false;
    test_seed(name);
    return true;
}

static void end(void)
{
    run.tests++;
    if (run.checks_failed) {
        if (run.lines > MOST_LINES)
            printf("# ... and %d lines more\n", run.lines - MOST_LINES);
        printf("# seed 0x%016llx\n", (unsigned long long)run.seed);
        printf("not ok %d - %s\n", run.tests, run.name);
        run.failed++;
    } else if (run.skipped) {
        printf("ok %d - %s # SKIP %s\n", run.tests, run.name, run.reason);
    } else {
        printf("ok %d - %s\n", run.tests, run.name);
    }
    fflush(stdout);
    run.name = NULL;
}

void test_run(const char *name, void (*f)(void))
{
    if (begin(name)) {
        f();
        end();
    }
}

void test_run_with(const char *name, void (*f)(const void *arg), const void *arg)
{
    if (begin(name)) {
        f(arg);
        end();
    }
}

void test_skip(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(run.reason, sizeof(run.reason), format, args);
    va_end(args);
    run.skipped = true;
}

int test_end(void)
{
    qn_device_close(&run.device);
    if (run.outside) { /* a check failed between tests: one more test that failed */
        run.tests++;
        run.failed++;
        printf("not ok %d - checks between tests\n", run.tests);
    }
    printf("1..%d\n", run.tests);
    fflush(stdout);
    return run.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

bool test_failed(void)
{
    return run.checks_failed > 0;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char text[2048];
    const char *base = strstr(file, "tests/");
    va_list args;

    if (run.name)
        run.checks_failed++;
    else
        run.outside++;
    if (++run.lines > MOST_LINES)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    printf("# %s:%d: %s\n", base ? base : file, line, text);
    fflush(stdout);
}

bool test_status(const char *file, int line, const char *what, qn_status got, qn_status want, const char *part)
{
    const char *message = got == QN_OK ? "" : qn_last_error();

    if (got != want) {
        test_fail(file, line, "%s: %s, not %s: \"%s\"", what, qn_status_name(got), qn_status_name(want), message);
        return false;
    }
    if (want == QN_OK)
        return true;
    if (!*message) {
        test_fail(file, line, "%s: %s without a message", what, qn_status_name(got));
        return false;
    }
    if (strchr(message, '\n')) {
        test_fail(file, line, "%s: a message of several lines: \"%s\"", what, message);
        return false;
    }
    if (part && !strstr(message, part)) {
        test_fail(file, line, "%s: the message does not say \"%s\": \"%s\"", what, part, message);
        return false;
    }
    return true;
}

bool test_int(const char *file, int line, const char *what, int64_t got, int64_t want)
{
    if (got == want)
        return true;
    test_fail(file, line, "%s: %lld, not %lld", what, (long long)got, (long long)want);
    return false;
}

bool test_str(const char *file, int line, const char *what, const char *got, const char *want)
{
    if (got && want && strcmp(got, want) == 0)
        return true;
    if (!got && !want)
        return true;
    test_fail(file, line, "%s: \"%s\", not \"%s\"", what, got ? got : "(null)", want ? want : "(null)");
    return false;
}

qn_device *test_device(void)
{
    if (!run.device && qn_device_open(&run.device, NULL, NULL) != QN_OK)
        test_fail(__FILE__, __LINE__, "no device to test on: %s", qn_last_error());
    return run.device;
}

void test_seed(const char *name)
{
    run.seed = run.random = name_seed(name);
}

double test_uniform(void)
{
    return (double)(next_random() >> 11) * 0x1p-52 - 1;
}

int64_t test_integer(int64_t n)
{
    return n > 0 ? (int64_t)(next_random() % (uint64_t)n) : 0;
}
