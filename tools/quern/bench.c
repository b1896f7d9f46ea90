/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern bench: how fast this device is at what networks are made of. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define WARM 3
#define MOST_RUNS 100000

static const struct workload {
    const char *name;
    qn_status (*run)(struct bench *b);
    bool usual;              /* run when none is named */
    bool child;              /* starts processes: opens no device of its own */
    const char *about;
} workloads[] = {
    { "gemm", bench_gemm, true, false, "matrix products of 256, 512, 1024, 2048" },
    { "conv", bench_conv, true, false, "3x3 convolution, batch 32, 56x56, 64 to 64 channels, and both gradients" },
    { "cnn", bench_cnn, true, false, "the model cnn on 28x28 images: training with batch 64, inference with 64 and 1" },
    { "convstack", bench_convstack, true, false, "the model convstack on 32x32 images, batch 32" },
    { "attention", bench_attention, false, false, "causal attention, batch 4, 8 heads of 64, 512 steps; and with its gradient" },
    { "lstm", bench_lstm, false, false, "two LSTM of 128 units on 28 steps of 28: training, batch 64; inference, 64 and 1" },
    { "bigru", bench_bigru, false, false, "the same with a bidirectional GRU of 128 units" },
    { "lstm512", bench_lstm512, false, false, "the same with one LSTM of 512 units" },
    { "gpt", bench_gpt, false, false, "the model gpt, 128 characters of 65, training with batch 16" },
    { "startup", bench_startup, false, true,
      "a process's start to cnn's first trained batch, cold and with a warm store" },
    { "memory", bench_memory, false, true, "peak memory of training cnn with batch 64" },
};

#define WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bench_fill(float *to, size_t n)
{
    uint32_t state = 1;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        to[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void bench_print(const struct bench *b, struct figure *f)
{
    double median, rate;

    qsort(f->ms, (size_t)f->runs, sizeof(*f->ms), by_size);
    median = 0.5 * (f->ms[(f->runs - 1) / 2] + f->ms[f->runs / 2]);
    rate = f->flops > 0.0 && median > 0.0 ? f->flops / median * 1e-6 : 0.0;
    if (b->json) {
        struct json j = { .out = stdout };

        json_object(&j, NULL);
        json_text(&j, "workload", f->workload);
        json_text(&j, "phase", f->phase);
        if (f->n)
            json_int(&j, "n", f->n);
        if (f->batch)
            json_int(&j, "batch", f->batch);
        json_real(&j, "ms_median", median);
        json_real(&j, "ms_min", f->ms[0]);
        json_int(&j, "runs", f->runs);
        if (rate > 0.0)
            json_real(&j, "gflops", rate);
        if (f->algorithm)
            json_text(&j, "algorithm", f->algorithm);
        json_text(&j, "device", b->device.name);
        json_object_end(&j);
    } else {
        char size[32] = "";

        if (f->n || f->batch)
            snprintf(size, sizeof(size), "%s%lld", f->n ? "n " : "batch ", (long long)(f->n ? f->n : f->batch));
        printf("%-10s %-16s %-10s %10.3f ms median %10.3f ms least of %-6lld", f->workload, f->phase, size, median,
               f->ms[0], (long long)f->runs);
        if (rate > 0.0)
            printf(" %8.1f GFLOP/s", rate);
        printf("%s%s\n", f->algorithm ? "  " : "", f->algorithm ? f->algorithm : "");
    }
    fflush(stdout);
}

qn_status bench_measure(struct bench *b, struct figure *f, qn_status (*step)(void *user), void *user)
{
    int64_t most = b->runs ? b->runs : MOST_RUNS, capacity = 1024;
    double begun, limit = b->seconds;
    qn_status st = QN_OK;

    f->runs = 0;
    for (int i = 0; i < WARM && !st; i++)
        st = step(user);
    if (st)
        return st;
    if (!(f->ms = malloc((size_t)capacity * sizeof(*f->ms))))
        return qn_error_set(QN_E_HOST_MEMORY, "no memory for the times");
    begun = bench_now();
    while (!st && f->runs < most && (f->runs < 5 || bench_now() - begun < limit)) {
        double t = bench_now();

        if ((st = step(user)))
            break;
        if (f->runs == capacity) {
            double *more = realloc(f->ms, (size_t)(capacity *= 2) * sizeof(*more));

            if (!more)
                break;
            f->ms = more;
        }
        f->ms[f->runs++] = 1e3 * (bench_now() - t);
    }
    /* Under a profile every launch is waited for, so the times of whole runs mean nothing. */
    if (!st && !b->profile)
        bench_print(b, f);
    free(f->ms);
    f->ms = NULL;
    return st;
}

static const struct workload *find(const char *name)
{
    for (size_t i = 0; i < WORKLOADS; i++)
        if (!strcmp(workloads[i].name, name))
            return &workloads[i];
    return NULL;
}

static qn_status run_one(struct bench *b, const struct workload *w)
{
    qn_status st;

    if (!w->child && !b->dev &&
        ((st = open_rounding_device(&b->ctx, &b->dev, b->select, b->matmul)) || (st = qn_device_get_info(b->dev, &b->device))))
        return st;
    return w->run(b);
}

static const char *describe(char *text, size_t bytes)
{
    size_t n = 0;

    n += (size_t)snprintf(text, bytes, "Measure workloads, all of the first four when none is named:\n");
    for (size_t i = 0; i < WORKLOADS && n < bytes; i++)
        n += (size_t)snprintf(text + n, bytes - n, "  %-10s %s\n", workloads[i].name, workloads[i].about);
    if (n < bytes)
        snprintf(text + n, bytes - n, "Each run is waited for. Nothing else should be running.\n\n"
                                      "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no device.\n");
    return text;
}

static int run(int argc, char **argv)
{
    struct bench b = { .seconds = 2.0 };
    const char *matmul = NULL;
    int64_t steps = 0;
    const struct option options[] = {
        { "json", OPTION_FLAG, &b.json, NULL, "one object a line" },
        { "seconds", OPTION_REAL, &b.seconds, "X", "for each figure, and five runs at least" },
        { "runs", OPTION_INT, &b.runs, "N", "for each figure at most; 0: as many as fit" },
        { "batch", OPTION_INT, &b.batch, "N", "instead of the workload's own" },
        { "device", OPTION_TEXT, &b.select, "S", "see quern devices" },
        { "matmul", OPTION_TEXT, &matmul, "TYPE", "what operands may be rounded to: tf32, bf16, f16; else $QUERN_MATMUL" },
        { "profile", OPTION_FLAG, &b.profile, NULL, "the time of each kernel instead" },
        { "steps", OPTION_INT, &steps, "N", "with cnn: train N batches and end; startup and memory start this" },
    };
    char text[2048];
    const struct usage usage = {
        "bench", "[WORKLOAD]... [options]", describe(text, sizeof(text)), options, sizeof(options) / sizeof(options[0]),
    };
    qn_status st = QN_OK;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    for (int i = 1; i < argc; i++)
        if (!find(argv[i]))
            return usage_error(&usage, "there is no workload %s", argv[i]);
    if (b.runs < 0 || b.batch < 0 || b.batch > 1 << 20 || !(b.seconds >= 0.0) || steps < 0)
        return usage_error(&usage, "a number is out of range");
    if (matmul && !qni_matmul_read(&b.matmul, matmul))
        return usage_error(&usage, "--matmul is %s, expected f32, tf32, bf16 or f16", matmul);
    if (b.profile)
        setenv("QUERN_PROFILE", "1", 1);
    if (steps)
        st = bench_steps(&b, steps);
    for (size_t i = 0; argc == 1 && !steps && i < WORKLOADS && !st; i++)
        if (workloads[i].usual)
            st = run_one(&b, &workloads[i]);
    for (int i = 1; i < argc && !steps && !st; i++)
        st = run_one(&b, find(argv[i]));
    code = st ? report("bench", st) : EXIT_DONE;
    qn_device_close(&b.dev);
    qn_context_destroy(&b.ctx);
    return code;
}

const struct command command_bench = { "bench", run, "measure how fast a device is" };
