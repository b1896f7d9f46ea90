/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_TOOL_BENCH_H
#define QUERN_TOOL_BENCH_H

#include "models.h"

#include <quern/op_plan.h>

#include "program/program.h"

struct bench {
    qn_context *ctx;
    qn_device *dev;
    qn_device_info device;
    const char *select;      /* --device */
    int64_t runs;            /* at most; 0: as many as fit in the time */
    double seconds;          /* for each figure, at least */
    int64_t batch;           /* 0: the workload's own */
    qn_matmul matmul;        /* --matmul */
    bool json, profile;
};

/* One line of results. */
struct figure {
    const char *workload, *phase, *algorithm; /* algorithm NULL: none was chosen */
    int64_t n, batch;        /* 0: not given */
    double flops;            /* of a run; 0: not given */
    double *ms;
    int64_t runs;
};

/* Run step for a while and print the figure; a few runs come before. */
qn_status bench_measure(struct bench *b, struct figure *f, qn_status (*step)(void *user), void *user);
/* Print a figure whose times are there; sorts them. */
void bench_print(const struct bench *b, struct figure *f);
double bench_now(void);      /* seconds, monotonic */
/* Uniform in [-1, 1), always the same. */
void bench_fill(float *to, size_t n);

/* ---- bench_op.c: single operations through level 1 ---- */
qn_status bench_gemm(struct bench *b);
qn_status bench_conv(struct bench *b);

/* ---- bench_attention.c ---- */
qn_status bench_attention(struct bench *b);

/* ---- bench_model.c: networks through level 3 ---- */
qn_status bench_cnn(struct bench *b);
qn_status bench_convstack(struct bench *b);
qn_status bench_lstm(struct bench *b);
qn_status bench_bigru(struct bench *b);
qn_status bench_lstm512(struct bench *b);
qn_status bench_gpt(struct bench *b);
/* Open the device, build cnn, train `steps` batches, say so on stdout: what the workloads below run as a child. */
qn_status bench_steps(struct bench *b, int64_t steps);

/* ---- bench_process.c: what only a process of its own shows ---- */
qn_status bench_startup(struct bench *b);
qn_status bench_memory(struct bench *b);

/* ---- profile.c ---- */

/* Time of each launch of a plan or an operation made under QUERN_PROFILE, largest first; then it counts from zero.
 * node_name may be NULL. */
void profile_print(FILE *to, struct qni_exec *e, const char *title,
                   const char *(*node_name)(const void *user, int node, char *text, size_t bytes), const void *user);
/* All plans of a model. */
void profile_model(FILE *to, qn_model *m, const char *title);
void profile_op(FILE *to, qn_op *op, const char *title);

#endif
