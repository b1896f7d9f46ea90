/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Models that go step by step, whose driver fails at its k-th call of a kind, or whose host memory runs out at the k-th
 * allocation, while the stepper is made or runs. Whatever fails: there is a status and a line that says what, the model
 * then draws the numbers that it drew without faults, and nothing leaks. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <quern/generate.h>

#include "device/device.h"
#include "layer.h"
#include "test.h"

enum { T = 8, V = 7, SIZE = 8, PROMPT = 3, DRAWN = 9 };

static const struct layer *layer;
static const char *reason;

/* ---- host memory that can run out ---- */

static atomic_bool scarce, once; /* are allocations to fail, and a single one alone? */
static atomic_long left;         /* that still succeed */
static atomic_long blocks;       /* live */

static bool refuse(void)
{
    long n = scarce ? atomic_fetch_sub(&left, 1) : 1;

    return n == 0 || (n < 0 && !once);
}

static void *give(void *user, size_t bytes)
{
    void *p = refuse() ? NULL : malloc(bytes);

    (void)user;
    blocks += p != NULL;
    return p;
}

static void *regive(void *user, void *old, size_t bytes)
{
    void *p = refuse() ? NULL : realloc(old, bytes);

    (void)user;
    blocks += p && !old;
    return p;
}

static void take(void *user, void *p)
{
    (void)user;
    blocks -= p != NULL;
    free(p);
}

/* ---- the models ---- */

/* Keys and values are kept by place. */
static qn_val attention(qn_model *m, qn_val x)
{
    return qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = 2, .units = 8, .causal = true, .rotary = true });
}

/* States go from step to step. */
static qn_val recurrence(qn_model *m, qn_val x)
{
    return qn_lstm(m, x, &(qn_rnn_opt){ .units = SIZE, .return_sequences = true });
}

static qn_val (*const layers[])(qn_model *m, qn_val x) = { attention, recurrence };
static const char *const names[] = { "attention", "recurrence" };
static int32_t known[2][DRAWN]; /* drawn without faults */

static qn_status build(qn_model **out, qn_device *dev, int which)
{
    qn_model *m;
    qn_val x;
    qn_status st;

    if ((st = qn_model_create(out, dev)))
        return st;
    m = *out;
    x = qn_embedding(m, qn_input(m, QN_I32, 1, (int64_t[]){ T }), &(qn_embedding_opt){ .words = V, .units = SIZE,
                                                                                      .init_scale = 1 });
    qn_model_output(m, qn_dense(m, layers[which](m, x), &(qn_dense_opt){ .units = V }));
    return qn_model_compile(m, &(qn_compile_opt){ .seed = 3 });
}

static qn_status draw(qn_model *m, int32_t *out)
{
    const int32_t prompt[PROMPT] = { 1, 5, 2 };

    return qn_generate(m, prompt, PROMPT, out, DRAWN, NULL, &(qn_generate_opt){ .sampling = { .temperature = 0.7f, .seed = 9 } });
}

/* ---- a life ---- */

/* What has to fail, from the first number on. */
static struct fault {
    enum layer_call call;
    int64_t after;
    bool all;
    int error;   /* 0: none of the driver's */
    long memory; /* allocations that succeed; -1: all */
    bool warm;   /* there is a stepper already, and then the weights change */
} fault;

static void begin_fault(void)
{
    layer->reset();
    if (fault.error)
        layer->fail(fault.call, fault.after, !fault.all, fault.error);
    once = !fault.all;
    left = fault.memory;
    scarce = fault.memory >= 0;
}

static void end_fault(void)
{
    scarce = false;
    layer->reset();
}

/* Other weights: what was packed of the first ones is of no use. */
static qn_status change(qn_model *m)
{
    float w[4 * SIZE * SIZE];
    qn_status st = QN_OK;

    for (int i = 0; i < qn_model_weights(m) && !st; i++) {
        qn_shape shape;
        size_t n = 1;

        st = qn_model_weight_info(m, i, NULL, &shape, NULL);
        for (int a = 0; a < shape.rank; a++)
            n *= (size_t)shape.dim[a];
        if (!st && !(st = qn_model_weight_read(m, i, w, n * sizeof(*w)))) {
            for (size_t k = 0; k < n; k++)
                w[k] *= 3;
            st = qn_model_weight_write(m, i, w, n * sizeof(*w));
        }
    }
    return st;
}

/* Twice: the first time it makes the stepper, the second time it resets it. count: receives calls of the kind. */
static qn_status live(int which, int64_t *count)
{
    char message[512];
    int32_t out[DRAWN] = { 0 };
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_status st = QN_OK, after;

    if (!CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .alloc = give, .realloc = regive, .free = take })) ||
        !CHECK_OK(qn_device_open(&dev, ctx, NULL)) || !CHECK_OK(build(&m, dev, which)) ||
        (fault.warm && !CHECK_OK(draw(m, out))) || !CHECK_OK(change(m)))
        goto done;
    begin_fault();
    for (int i = 0; i < 2 && !st; i++) {
        memset(out, 0, sizeof(out));
        if (!(st = draw(m, out)) && known[which][0] >= 0)
            CHECK(!memcmp(out, known[which], sizeof(out)));
    }
    if (count)
        *count = layer->count(fault.call);
    snprintf(message, sizeof(message), "%s", qn_last_error());
    end_fault();
    if (st && (!*message || strchr(message, '\n')))
        test_fail(__FILE__, __LINE__, "%s, and no line that says why", qn_status_name(st));
    after = draw(m, out);
    if (after != QN_OK && !(after == QN_E_DEVICE_LOST && st == QN_E_DEVICE_LOST))
        test_fail(__FILE__, __LINE__, "after %s (%s): %s: %s", qn_status_name(st), message, qn_status_name(after),
                  qn_last_error());
    if (!after && known[which][0] >= 0 && memcmp(out, known[which], sizeof(out)) != 0)
        test_fail(__FILE__, __LINE__, "after %s (%s) the model draws other numbers", qn_status_name(st), message);
    if (!after)
        memcpy(known[which], out, sizeof(out));
done:
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    for (int i = 0; i < 2000 && layer->bytes(); i++)
        usleep(1000);
    if (blocks || layer->bytes())
        test_fail(__FILE__, __LINE__, "%ld blocks and %lld bytes on the device are left", (long)blocks,
                  (long long)layer->bytes());
    blocks = 0;
    return st;
}

/* Calls of a kind, or allocations, of a life without faults; the second one has everything compiled. */
static int64_t rehearse(int which, enum layer_call call, bool warm, long *allocations)
{
    const long many = 1 << 20;
    int64_t count = 0;

    fault = (struct fault){ .call = call, .memory = -1, .warm = warm };
    known[which][0] = -1;
    CHECK_OK(live(which, NULL));
    fault.memory = many;
    CHECK_OK(live(which, &count));
    *allocations = many - left;
    return count;
}

/* ---- the driver fails ---- */

static const struct {
    enum layer_call call;
    int error[2];
    int points;          /* at how many calls */
    bool survives;       /* a single failure need not end the run */
    bool warm;
} faults[] = {
    { LAYER_CREATE_BUFFER, { CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES }, 6, false },
    { LAYER_CREATE_PROGRAM, { CL_OUT_OF_HOST_MEMORY }, 1, true },
    { LAYER_CREATE_KERNEL, { CL_OUT_OF_RESOURCES }, 4, false },
    { LAYER_SET_KERNEL_ARG, { CL_OUT_OF_RESOURCES }, 4, false },
    { LAYER_ND_RANGE, { CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE }, 12, false },
    { LAYER_ND_RANGE, { CL_OUT_OF_RESOURCES }, 12, false, .warm = true },
    { LAYER_READ, { CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE }, 5, false },
    { LAYER_WRITE, { CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE }, 8, false },
    { LAYER_FILL, { CL_OUT_OF_RESOURCES }, 6, false },
    { LAYER_MARKER, { CL_OUT_OF_RESOURCES }, 5, false },
    { LAYER_WAIT, { CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST }, 4, true },
    { LAYER_FLUSH, { CL_OUT_OF_RESOURCES }, 5, false },
    { LAYER_FINISH, { CL_OUT_OF_RESOURCES }, 3, true },
};

/* The first ones in turn, where the stepper is made and packs its weights; then some of all the others. */
static int64_t at(int64_t p, int points, int64_t count)
{
    const int64_t first = points / 2;

    if (points >= count || p < first)
        return p;
    return points - first > 1 ? first + (p - first) * (count - 1 - first) / (points - first - 1) : count - 1;
}

static void driver(const void *arg)
{
    const int which = *(const int *)arg;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    for (size_t f = 0; f < sizeof(faults) / sizeof(faults[0]) && !test_failed(); f++) {
        long allocations;
        const int64_t count = rehearse(which, faults[f].call, faults[f].warm, &allocations);

        for (int e = 0; e < 2 && faults[f].error[e]; e++)
            for (int64_t p = 0; p < faults[f].points && p < count; p++)
                for (int all = 0; all < 2 && !test_failed(); all++) {
                    qn_status st;

                    fault = (struct fault){ .call = faults[f].call, .all = all, .error = faults[f].error[e], .memory = -1,
                                            .after = at(p, faults[f].points, count), .warm = faults[f].warm };
                    st = live(which, NULL);
                    if ((!st && !faults[f].survives) || test_failed())
                        test_fail(__FILE__, __LINE__, "%s: %s number %lld of %lld%s fails with %d: %s", names[which],
                                  layer->name(fault.call), (long long)fault.after, (long long)count,
                                  all ? " and all after it" : "", fault.error, qn_status_name(st));
                }
    }
}

/* ---- host memory runs out ---- */

static void memory(const void *arg)
{
    const int which = *(const int *)arg;
    long total = 0;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    rehearse(which, LAYER_READ, false, &total);
    CHECK(total > 100);
    for (long n = 0; n < total && !test_failed(); n += n < 60 ? 1 : 1 + total / 150) {
        qn_status st;

        fault = (struct fault){ .call = LAYER_READ, .all = n % 2, .memory = n };
        st = live(which, NULL);
        if ((st && st != QN_E_HOST_MEMORY) || test_failed())
            test_fail(__FILE__, __LINE__, "%s: allocation %ld of %ld%s fails: %s", names[which], n, total,
                      fault.all ? " and all after it" : "", qn_status_name(st));
    }
}

int main(void)
{
    layer = layer_open(&reason);
    for (int i = 0; i < 2; i++) {
        char name[96];

        snprintf(name, sizeof(name), "stepper: the driver fails: %s", names[i]);
        test_run_with(name, driver, &i);
        snprintf(name, sizeof(name), "stepper: host memory runs out: %s", names[i]);
        test_run_with(name, memory, &i);
    }
    return test_end();
}
