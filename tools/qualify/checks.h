/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The self-test of a device, a program of its own: a driver that crashes or hangs takes nothing along but this.
 *
 * What it finds goes to file descriptor 3, an object of JSON a line: a first line that says who speaks and of which device,
 * a line before each check, so that the reader knows what ended the program, a line after it, and a last one. */
#ifndef QUALIFY_CHECKS_H
#define QUALIFY_CHECKS_H

#include "device/qualify.h"

/* ---- report.c ---- */

/* Begin a check; false when it is to be left out, because an earlier process came as far. needed: a device that fails it
 * cannot be used. */
bool check_begin(const char *name, bool needed);
/* The check that runs failed, and why; the first reason counts. */
void check_fail(const char *format, ...) QNI_PRINTF(1, 2);
/* The same where an OpenCL call was refused. */
bool check_cl(cl_int error, const char *what);
/* It cannot be made here, and why. */
void check_skip(const char *format, ...) QNI_PRINTF(1, 2);
/* What else there is to say of one that passes. */
void check_note(const char *format, ...) QNI_PRINTF(1, 2);
/* Measured figures of the check that runs. */
void check_speed(double gflops, double gbytes_per_s);
bool check_failed(void);
void check_end(void);
/* Begin, make and end a check. */
void check_one(const char *name, bool needed, void (*check)(qn_device *dev), qn_device *dev);

/* Write to a descriptor; leave out so many checks, and those whose names have not a part (NULL: none), or one of
 * several that are separated by '|'; with needed_only also those that a device can be used without. */
void report_start(int fd, int from, const char *only, bool needed_only);
/* Which device it is: qni_verdict_key(). */
void report_device(uint64_t key);
void report_done(void);

/* ---- program.c: small programs for one check ---- */

struct check_program {
    qn_device *dev;
    cl_program program;
    cl_kernel kernel;
    cl_mem buffer[4];
};

/* Compile source, take its kernel of that name; false after a failure that was reported. Give it back all the same. */
bool program_create(struct check_program *p, qn_device *dev, const char *source, const char *options, const char *kernel);
/* Buffer i with these bytes, the kernel's argument i; data NULL leaves it as it is. */
bool program_buffer(struct check_program *p, int i, size_t bytes, const void *data);
/* Launch over one axis and wait; local 0 leaves the work-group to the driver. */
bool program_run(struct check_program *p, size_t global, size_t local);
bool program_read(struct check_program *p, int i, size_t bytes, void *out);
void program_destroy(struct check_program *p);

/* ---- the checks ---- */

void check_basics(qn_device *dev);     /* basics.c */
void check_features(qn_device *dev);   /* features.c */
void check_builtins(qn_device *dev);   /* builtins.c */
void check_queues(qn_device *dev);     /* queues.c */
void check_resources(qn_device *dev);  /* resources.c */
void check_operations(qn_device *dev, enum qni_level level); /* operations.c */
void check_blas(qn_device *dev, enum qni_level level);       /* blas.c; of all alone */

#endif
