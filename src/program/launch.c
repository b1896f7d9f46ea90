/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "program/program.h"

/* Room for a kernel to round up, and to step beyond the end once. */
#define MOST_INT (INT32_MAX - (1 << 24))

void qni_recorder_init(struct qni_recorder *r, const qn_context *ctx)
{
    memset(r, 0, sizeof(*r));
    r->ctx = ctx;
}

void qni_recorder_free(struct qni_recorder *r)
{
    if (!r->ctx)
        return;
    for (size_t i = 0; i < r->launches; i++) {
        if (r->launch[i].release)
            r->launch[i].release(r->launch[i].state);
        qni_free(r->ctx, &r->launch[i].state);
    }
    for (size_t i = 0; i < r->texts; i++)
        qni_free(r->ctx, &r->text[i]);
    qni_free(r->ctx, &r->launch);
    qni_free(r->ctx, &r->loop);
    qni_free(r->ctx, &r->text);
    memset(r, 0, sizeof(*r));
}

static struct qni_launch *append(struct qni_recorder *r)
{
    struct qni_launch *l;

    if (!r->status)
        r->status = qni_reserve(r->ctx, &r->launch, &r->capacity, r->launches, sizeof(*r->launch));
    if (r->status) {
        memset(&r->dummy, 0, sizeof(r->dummy));
        return &r->dummy;
    }
    l = &r->launch[r->launches++];
    memset(l, 0, sizeof(*l));
    l->loop = r->in_loop ? (int)r->loops : 0;
    l->node = -1;
    return l;
}

struct qni_launch *qni_launch_add(struct qni_recorder *r, const char *source, const char *kernel)
{
    struct qni_launch *l = append(r);

    l->source = source;
    l->kernel = kernel;
    return l;
}

static char *keep_text(struct qni_recorder *r, const char *text)
{
    char *copy = NULL;

    if (!r->status)
        r->status = qni_reserve(r->ctx, &r->text, &r->text_capacity, r->texts, sizeof(*r->text));
    if (!r->status)
        r->status = qni_strdup(r->ctx, &copy, text);
    if (!r->status)
        r->text[r->texts++] = copy;
    return copy;
}

struct qni_launch *qni_launch_add_text(struct qni_recorder *r, const char *text, const char *kernel)
{
    char *copy = keep_text(r, text);
    struct qni_launch *l = append(r);

    l->source = "generated";
    l->text = copy;
    l->kernel = kernel;
    return l;
}

struct qni_launch *qni_call_add(struct qni_recorder *r,
                                qn_status (*call)(void *state, qn_device *dev, cl_command_queue queue, const cl_mem *mem,
                                                  const int64_t *offset, cl_event *event),
                                void *state)
{
    struct qni_launch *l = append(r);

    if (l == &r->dummy) {
        qni_free(r->ctx, &state);
        return l;
    }
    l->source = "call";
    l->kernel = "call";
    l->call = call;
    l->state = state;
    return l;
}

void qni_loop_begin(struct qni_recorder *r, int64_t times, bool reverse)
{
    if (!r->status && r->in_loop)
        r->status = qni_error(QN_E_INTERNAL, "loops of launches do not nest");
    if (!r->status)
        r->status = qni_reserve(r->ctx, &r->loop, &r->loop_capacity, r->loops, sizeof(*r->loop));
    if (r->status)
        return;
    r->loop[r->loops++] = (struct qni_loop){ .first = (int)r->launches, .last = (int)r->launches,
                                             .times = times, .reverse = reverse };
    r->in_loop = true;
}

void qni_loop_end(struct qni_recorder *r)
{
    if (r->status || !r->in_loop)
        return;
    r->loop[r->loops - 1].last = (int)r->launches;
    r->in_loop = false;
}

void qni_define_text(struct qni_recorder *r, struct qni_launch *l, const char *name, const char *value)
{
    size_t n = strlen(l->options);
    int added = snprintf(l->options + n, sizeof(l->options) - n, "%s%s=%s", n ? " " : "", name, value);

    if (!r->status && (added < 0 || (size_t)added >= sizeof(l->options) - n))
        r->status = qni_error(QN_E_INTERNAL, "too many build parameters for kernel %s at %s", l->kernel, name);
}

void qni_define_simd(struct qni_recorder *r, struct qni_launch *l, const struct qni_caps *caps)
{
    if (caps->simd)
        qni_define(r, l, "QN_SIMD", caps->simd);
}

void qni_define(struct qni_recorder *r, struct qni_launch *l, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), value < 0 ? "(%" PRId64 ")" : "%" PRId64, value);
    qni_define_text(r, l, name, text);
}

static struct qni_arg *add_arg(struct qni_recorder *r, struct qni_launch *l, enum qni_arg_kind kind)
{
    if (l->args == QNI_MAX_ARGS) {
        if (!r->status)
            r->status = qni_error(QN_E_INTERNAL, "kernel %s has more than %d arguments", l->kernel, QNI_MAX_ARGS);
        return &r->dummy.arg[0];
    }
    l->arg[l->args] = (struct qni_arg){ .kind = kind };
    return &l->arg[l->args++];
}

static void add_tensor(struct qni_recorder *r, struct qni_launch *l, enum qni_arg_kind kind, int index, qn_dtype dtype,
                       int64_t extra)
{
    struct qni_arg *a = add_arg(r, l, kind);

    a->index = index;
    a->element = qn_dtype_bytes(dtype);
    a->i = extra;
}

void qni_in(struct qni_recorder *r, struct qni_launch *l, int input, qn_dtype dtype)
{
    add_tensor(r, l, QNI_ARG_IN, input, dtype, 0);
}

void qni_in_at(struct qni_recorder *r, struct qni_launch *l, int input, qn_dtype dtype, int64_t extra)
{
    add_tensor(r, l, QNI_ARG_IN, input, dtype, extra);
}

void qni_out(struct qni_recorder *r, struct qni_launch *l, int output, qn_dtype dtype)
{
    add_tensor(r, l, QNI_ARG_OUT, output, dtype, 0);
}

void qni_out_at(struct qni_recorder *r, struct qni_launch *l, int output, qn_dtype dtype, int64_t extra)
{
    add_tensor(r, l, QNI_ARG_OUT, output, dtype, extra);
}

void qni_scratch(struct qni_recorder *r, struct qni_launch *l, qn_dtype dtype, int64_t extra)
{
    add_tensor(r, l, QNI_ARG_SCRATCH, 0, dtype, extra);
}

void qni_packed(struct qni_recorder *r, struct qni_launch *l, int input, qn_dtype dtype, int64_t extra)
{
    add_tensor(r, l, QNI_ARG_PACKED, input, dtype, extra);
}

void qni_step(struct qni_recorder *r, struct qni_launch *l)
{
    add_tensor(r, l, QNI_ARG_STEP, 0, QN_I32, 0);
}

void qni_device_block(struct qni_recorder *r, struct qni_launch *l)
{
    add_tensor(r, l, QNI_ARG_DEVICE, 0, QN_I32, 0);
}

/* Sticks, and says of which operation. */
static void refuse(struct qni_recorder *r, qn_status status)
{
    r->status = status;
    if (r->of)
        qni_error_prefix("%s: ", r->of);
}

void qni_i32(struct qni_recorder *r, struct qni_launch *l, int64_t v)
{
    if (!r->status && (v < INT32_MIN || v > MOST_INT))
        refuse(r, qni_error(QN_E_UNSUPPORTED, "kernel %s: a size is %" PRId64 ", the most is %d", l->kernel, v, MOST_INT));
    add_arg(r, l, QNI_ARG_I32)->i = v;
}

void qni_i64(struct qni_recorder *r, struct qni_launch *l, int64_t v)
{
    add_arg(r, l, QNI_ARG_I64)->i = v;
}

void qni_f32(struct qni_recorder *r, struct qni_launch *l, float v)
{
    add_arg(r, l, QNI_ARG_F32)->f = v;
}

void qni_local(struct qni_recorder *r, struct qni_launch *l, size_t bytes)
{
    add_arg(r, l, QNI_ARG_LOCAL)->i = (int64_t)bytes;
}

void qni_grid(struct qni_recorder *r, struct qni_launch *l, int dims, const int64_t groups[], const int64_t local[])
{
    static const char *const names[3] = { "QN_L0", "QN_L1", "QN_L2" };

    l->dims = 3;
    for (int i = 0; i < 3; i++) {
        int64_t n = i < dims ? groups[i] : 1;
        int64_t m = i < dims && local ? local[i] : 1;
        size_t global = 0;

        if (!r->status && (n < 0 || m < 1 || qni_mul_overflows((size_t)n, (size_t)m, &global)))
            refuse(r, qni_error(QN_E_INTERNAL, "kernel %s: a grid of %" PRId64 " groups of %" PRId64, l->kernel, n, m));
        l->global[i] = global;
        l->local[i] = (size_t)m;
        qni_define(r, l, names[i], m);
    }
}

static bool same_kernel(const struct qni_launch *a, const struct qni_launch *b)
{
    return !strcmp(a->kernel, b->kernel) && !strcmp(a->source, b->source) && !strcmp(a->options, b->options) &&
           !a->text == !b->text && (!a->text || !strcmp(a->text, b->text));
}

size_t qni_recorder_kernels(const struct qni_recorder *r)
{
    size_t kernels = 0;

    for (size_t i = 0; i < r->launches; i++) {
        size_t k = 0;

        if (r->launch[i].call)
            continue;
        while (k < i && (r->launch[k].call || !same_kernel(&r->launch[i], &r->launch[k])))
            k++;
        kernels += k == i;
    }
    return kernels;
}

void qni_work(struct qni_launch *l, uint64_t flops, uint64_t bytes)
{
    l->flops = flops;
    l->bytes = bytes;
}
