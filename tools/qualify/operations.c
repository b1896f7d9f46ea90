/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every algorithm of every operation on small problems and on such as leave parts of tiles over: some cases of the tables of
 * tests/op, which know what is right. */
#include "operations.h"

#include <stdio.h>
#include <stdlib.h>

#include "blas/blas.h"
#include "checks.h"
#include "ops/op.h"
#include "optest_internal.h"

/* Cases that few kernels do for, as "operation: case"; each is run by every algorithm that takes it. After a '*', a part of the
 * case's name is enough. */
static const char *const wanted[] = {
    "matmul: 7x17x13",
    "matmul: 65x129x31, B transposed",
    "matmul: 137x150x255, both transposed",
    "matmul: batch 2 of 33x70x40",
    "matmul: 3x5x5003: K in parts",
    "matmul: 66x80x530, bias 1 residual 0 act 8 act_grad 11",
    "eltwise: several runs",
    "eltwise: middle",
    "eltwise: bias of 32, several runs",
    "eltwise: f32 to u8 saturates",
    "eltwise: f32 to f16",
    "eltwise: *wide gelu,",
    "eltwise: *wide tanh",
    "reduce: all, many",
    "reduce: first, 33 columns",
    "reduce: max of columns",
    "reduce: mean, global pool",
    "arg_reduce: columns",
    "arg_reduce: many",
    "softmax: 3 x 5",
    "softmax: 2049",
    "softmax: middle axis",
    "softmax_grad: 10",
    "softmax_grad: 2049",
    "softmax_grad: middle axis",
    "cross_entropy: 10 classes",
    "cross_entropy: many classes",
    "cross_entropy: dense, smoothed",
    "cross_entropy_grad: 10 classes",
    "cross_entropy_grad: many classes",
    "cross_entropy_grad: dense, smoothed",
    "pointwise_loss: squared",
    "pointwise_loss: binary of logits, smoothed",
    "pointwise_loss_grad: squared",
    "pointwise_loss_grad: binary of logits, smoothed",
    "metric_class: 10 classes, ties",
    "metric_class: many classes",
    "metric_pointwise: binary accuracy",
    "metric_mean: values, weights",
    "conv2d: uneven padding",
    "conv2d: a tile and a pixel",
    "conv2d: first layer of colour",
    "conv2d: depthwise of 37, stride 2",
    "conv2d: bias and relu, 50 channels",
    "conv2d_backward_data: uneven padding",
    "conv2d_backward_data: primes",
    "conv2d_backward_data: depthwise of 37, stride 2",
    "conv2d_backward_filter: uneven padding",
    "conv2d_backward_filter: primes",
    "conv2d_backward_filter: depthwise of 37, stride 2",
    "maxpool: 2x2, border left over, ties",
    "maxpool: 3x3 stride 2 same",
    "maxpool_grad: 2x2, border left over, ties",
    "maxpool_grad: 3x3 stride 2 same",
    "avgpool: uneven padding",
    "avgpool: global 64",
    "avgpool_grad: uneven padding",
    "avgpool_grad: global 64",
    "batch_norm: tiny",
    "batch_norm: 70 channels",
    "batch_norm_inference: 17",
    "batch_norm_inference: many rows",
    "batch_norm_grad: 3",
    "batch_norm_grad: 70",
    "layer_norm: tiny, 19 columns",
    "layer_norm: 1100 columns",
    "layer_norm_grad: 3",
    "layer_norm_grad: 1100 columns",
    "rms_norm: rms: 17 columns",
    "rms_norm: rms: 300 columns",
    "rms_norm_grad: rms: 3",
    "rms_norm_grad: rms: 129, without gamma",
    "lstm: all",
    "lstm: 33 x 3 x 40",
    "lstm: 2 x 2 x 300",
    "lstm_grad: all",
    "lstm_grad: 33 x 3 x 65",
    "lstm_grad: 2 x 2 x 300",
    "gru: all",
    "gru: 35 x 3 x 65",
    "gru: 1 x 3 x 310",
    "gru_grad: all",
    "gru_grad: 33 x 3 x 65",
    "gru_grad: 1 x 3 x 310",
    "gru_before: all",
    "gru_before: 35 x 3 x 65",
    "gru_before: 1 x 3 x 310",
    "gru_before_grad: all",
    "gru_before_grad: 33 x 3 x 65",
    "gru_before_grad: 1 x 3 x 310",
    "simple_rnn: all",
    "simple_rnn: 35 x 3 x 65",
    "simple_rnn: 1 x 3 x 600",
    "simple_rnn_grad: all",
    "simple_rnn_grad: 33 x 3 x 65",
    "simple_rnn_grad: 1 x 3 x 600",
    "state_load: some",
    "state_store: some",
    "attention: everything",
    "attention: tiles of everything",
    "attention: tiles",
    "attention_grad: everything",
    "attention_grad: tiles of everything",
    "attention_grad: tiles",
    "rotary: a part of a head",
    "rotary: many",
    "cache_append: several steps, some beyond the end",
    "cache_append: wide",
    "reshape: rest",
    "transpose: reversed",
    "transpose: 17 by 33",
    "transpose: large",
    "tile: each",
    "pad: a value",
    "slice: steps",
    "slice: large",
    "unslice: steps",
    "concat: middle axis",
    "concat: large, channels",
    "gather: stray indices",
    "gather: embedding",
    "scatter_add: stray indices",
    "scatter_add: crowded, many rows",
    "mark: two",
    "one_hot: labels",
    "one_hot: large, u8",
    "dropout: samples of 17",
    "dropout: several runs",
    "random: uniform",
    "random: normal",
    "noise: noise",
    "sgd: 17",
    "sgd: nesterov, decay",
    "adam: 8193",
    "adam: scaled, clipped, decayed",
    "adam: rows",
    "rmsprop: momentum",
    "adagrad: plain",
    "adadelta: plain",
    "adamax: plain",
    "lion: decay",
    "clip_norms: segments",
    "advance: one",
};

/* Operations that no training does without. */
static const char *const needed_ops[] = { "eltwise", "matmul", "reduce" };

/* Of those the cases of a brief test. */
static const char *const brief[] = {
    "matmul: 65x129x31, B transposed",
    "eltwise: several runs",
    "reduce: first, 33 columns",
};

static qn_device *device;
static enum qni_level tested;
static bool met[QNI_COUNT(wanted)];  /* cases that the tables have */
static char *seen[512];              /* "op/algorithm" of the checks, for operations_gaps() */
static size_t seen_count;

qn_device *operations_device(void)
{
    return device;
}

static void remember(const char *name, size_t n)
{
    for (size_t i = 0; i < seen_count; i++)
        if (strlen(seen[i]) == n && !strncmp(seen[i], name, n))
            return;
    if (seen_count < QNI_COUNT(seen) && (seen[seen_count] = strndup(name, n)))
        seen_count++;
}

/* Is a case of an operation the wanted one? colon: ": case". */
static bool is_case(const char *want, const char *name, size_t op, const char *colon)
{
    if (strncmp(want, name, op) != 0 || strncmp(want + op, ": ", 2) != 0)
        return false;
    return want[op + 2] == '*' ? strstr(colon, want + op + 3) != NULL : !strcmp(want + op, colon);
}

/* Would selection take it where nobody asks otherwise? The last of a list is for what the others decline, and for no brief
 * test. */
static bool is_preferred(const char *name, size_t op, size_t algo)
{
    for (size_t i = 0; qni_ops[i]; i++) {
        const struct qni_algo *const *a = qni_ops[i]->algos;

        if (strlen(qni_ops[i]->name) != op || strncmp(qni_ops[i]->name, name, op) != 0)
            continue;
        for (; *a; a++)
            if (strlen((*a)->name) == algo && !strncmp((*a)->name, name + op + 1, algo))
                return (!a[1] && tested != QNI_LEVEL_BRIEF) || (device->caps.shape == QNI_CPU_SHAPED ? (*a)->cpu : (*a)->gpu);
    }
    return false;
}

bool operation_wanted(const char *name, bool *needed)
{
    const char *const *cases = tested == QNI_LEVEL_BRIEF ? brief : wanted;
    const size_t count = tested == QNI_LEVEL_BRIEF ? QNI_COUNT(brief) : QNI_COUNT(wanted);
    const char *slash = strchr(name, '/'), *colon = slash ? strstr(slash, ": ") : NULL;
    size_t op = slash ? (size_t)(slash - name) : 0;
    bool found = false;

    if (!colon || !strncmp(slash, "/gradient:", strlen("/gradient:")))
        return false;
    for (size_t i = 0; i < count && !found; i++)
        if (is_case(cases[i], name, op, colon)) {
            found = true;
            met[i] = cases == wanted;
        }
    if (found && tested != QNI_LEVEL_ALL)
        found = is_preferred(name, op, (size_t)(colon - slash) - 1);
    if (found)
        remember(name, (size_t)(colon - name));
    for (size_t i = 0; needed && i < QNI_COUNT(needed_ops); i++)
        if (strlen(needed_ops[i]) == op && !strncmp(needed_ops[i], name, op))
            return *needed = found;
    if (needed)
        *needed = false;
    return found;
}

/* ---- building all kernels of a table at once, which takes most drivers far less time than each by itself ---- */

static struct qni_recorder launches;
static bool collecting;

bool operation_collect(const void *test)
{
    const struct optest_state *t = test;
    struct qni_sizes sizes = { 0 };

    if (!collecting)
        return false;
    if (t->algo->untried) /* a compiler that refuses it is to build the others */
        return true;
    if (t->algo->sizes)
        t->algo->sizes(&t->p, &sizes);
    for (int i = 0; i < t->p.inputs && t->algo->pack; i++)
        if (sizes.packed[i])
            t->algo->pack(&t->p, i, &launches);
    t->algo->emit(&t->p, &launches);
    return true;
}

bool operation_untried(const void *test)
{
    const struct optest_state *t = test;

    return t->algo->untried;
}

/* What cannot be built together is built when it is needed. */
static void build(void)
{
    cl_kernel *kernel = NULL;
    size_t built = 0;
    uint64_t key = 0;

    if (qni_calloc(device->ctx, &kernel, launches.launches, sizeof(*kernel)) || launches.status ||
        qni_kernels_get(device, launches.launch, launches.launches, kernel, &built, &key))
        check_fail("%s", qn_last_error());
    for (size_t i = 0; kernel && i < launches.launches; i++)
        if (kernel[i])
            device->cl->ReleaseKernel(kernel[i]);
    check_note("%zu", built);
    qni_free(device->ctx, &kernel);
}

static int gemm(void)
{
    return op_gemm(0, NULL);
}

static int attention(void)
{
    return op_attention(0, NULL);
}

/* Programs of tests/op; those of needed_ops come first. */
static const struct table {
    const char *name;
    int (*run)(void);
} tables[] = {
    { "device: builds kernels of products", gemm },
    { "device: builds kernels by element", op_eltwise },
    { "device: builds kernels of sums", op_reduce },
    { "device: builds kernels of softmax", op_softmax },
    { "device: builds kernels of cross entropy", op_cross_entropy },
    { "device: builds kernels of losses", op_pointwise_loss },
    { "device: builds kernels of metrics", op_metric },
    { "device: builds kernels of convolutions", op_conv2d },
    { "device: builds kernels of maxima", op_maxpool },
    { "device: builds kernels of averages", op_avgpool },
    { "device: builds kernels of batch norm", op_batch_norm },
    { "device: builds kernels of layer norm", op_layer_norm },
    { "device: builds kernels of recurrence", op_rnn },
    { "device: builds kernels of its gradient", op_rnn_grad },
    { "device: builds kernels of states", op_state },
    { "device: builds kernels of rotations", op_rotary },
    { "device: builds kernels of caches", op_cache_append },
    { "device: builds kernels of moves", op_shape },
    { "device: builds kernels of random numbers", op_random },
    { "device: builds kernels of updates", op_update },
    { "device: builds kernels of norms", op_clip },
    { "device: builds kernels of attention", attention },
};

/* What n tables check, after a check that builds their kernels together. */
static void check_tables(const char *name, bool needed, const struct table *table, size_t n)
{
    if (check_begin(name, needed)) {
        qni_recorder_init(&launches, device->ctx);
        collecting = true;
        for (size_t i = 0; i < n; i++)
            table[i].run();
        collecting = false;
        build();
        qni_recorder_free(&launches);
        check_end();
    }
    for (size_t i = 0; i < n; i++)
        table[i].run();
}

void check_operations(qn_device *dev, enum qni_level level)
{
    device = dev;
    tested = level;
    if (level == QNI_LEVEL_BRIEF)
        check_tables("device: builds kernels", true, tables, QNI_COUNT(needed_ops));
    for (size_t i = 0; i < QNI_COUNT(tables) && level != QNI_LEVEL_BRIEF; i++)
        check_tables(tables[i].name, false, &tables[i], 1);
}

int operations_gaps(void)
{
    int gaps = 0;

    for (size_t i = 0; i < QNI_COUNT(wanted); i++)
        if (!met[i]) {
            printf("no table has the case %s\n", wanted[i]);
            gaps++;
        }
    for (size_t i = 0; qni_ops[i]; i++)
        for (size_t a = 0; qni_ops[i]->algos && qni_ops[i]->algos[a]; a++) {
            char name[128];
            size_t k = 0;

            if (!strcmp(qni_ops[i]->algos[a]->name, "clblast") && !qni_blas_usable())
                continue;
            snprintf(name, sizeof(name), "%s/%s", qni_ops[i]->name, qni_ops[i]->algos[a]->name);
            while (k < seen_count && strcmp(seen[k], name) != 0)
                k++;
            if (k == seen_count) {
                printf("no check runs %s\n", name);
                gaps++;
            }
        }
    return gaps;
}
