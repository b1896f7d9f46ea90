/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The smallest test harness that does the job: TAP on stdout, one line a test.
 * A test function returns normally; failed checks are counted and explained. */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quern/quern.h>

/* Run a test and print its line. A name is "family: what is true". */
void test_run(const char *name, void (*f)(void));
/* The same with an argument, for tables of cases. */
void test_run_with(const char *name, void (*f)(const void *arg), const void *arg);
/* Say why the current test cannot run here; its line becomes "ok N - name # SKIP reason". Return right after it. */
void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Would a test of this name run? For work shared by several tests. */
bool test_selected(const char *name);
/* Print the plan line; the program's exit status. */
int test_end(void);

void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool test_failed(void); /* has the current test failed? */

#define CHECK(x)                    ((x) ? (void)0 : test_fail(__FILE__, __LINE__, "not true: %s", #x))
#define CHECK_OK(x)                 test_status(__FILE__, __LINE__, #x, (x), QN_OK, NULL)
/* The status, and a part the message must contain (NULL: any non-empty one). */
#define CHECK_STATUS(x, want, part) test_status(__FILE__, __LINE__, #x, (x), (want), (part))
#define CHECK_INT(a, b)             test_int(__FILE__, __LINE__, #a, (int64_t)(a), (int64_t)(b))
#define CHECK_STR(a, b)             test_str(__FILE__, __LINE__, #a, (a), (b))

bool test_status(const char *file, int line, const char *what, qn_status got, qn_status want, const char *part);
bool test_int(const char *file, int line, const char *what, int64_t got, int64_t want);
bool test_str(const char *file, int line, const char *what, const char *got, const char *want);

/* The device under test ($QUERN_DEVICE or the default), opened once; NULL and a failed test when there is none. */
qn_device *test_device(void);
/* Deterministic numbers: uniform in [-1, 1), and integers in [0, n). Seeded per test by its name; printed on failure. */
double test_uniform(void);
int64_t test_integer(int64_t n);
/* Seed them by another name, so that several tests see the same numbers. */
void test_seed(const char *name);

#endif
