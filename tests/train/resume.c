/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Training that is resumed goes on with the algorithms it began with, whatever would be chosen now: the same bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/save.h"
#include "test.h"

#define N    40
#define SIDE 8
#define MOST (1 << 18)

static float x[N][SIDE][SIDE][1];
static int32_t t[N];
static char path[64];
static int warnings;

static const char other[] = "conv=direct,gemm=simple"; /* not what any device prefers */

static void warn(void *user, qn_log_level level, const char *line)
{
    (void)user;
    if (level == QN_LOG_WARNING && strstr(line, "is not to be had"))
        warnings++;
}

/* A device that was opened while $QUERN_ALGO was so; NULL: unset. */
static qn_device *open_device(const char *algo)
{
    qn_context *ctx = NULL;
    qn_device *dev = NULL;

    if (algo)
        setenv("QUERN_ALGO", algo, 1);
    else
        unsetenv("QUERN_ALGO");
    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.log = warn}));
    CHECK_OK(qn_device_open(&dev, ctx, NULL));
    qn_context_destroy(&ctx);
    unsetenv("QUERN_ALGO");
    return dev;
}

static qn_model *network(qn_device *dev)
{
    qn_model *m = NULL;
    qn_val v;

    CHECK_OK(qn_model_create(&m, dev));
    v = qn_input(m, QN_F32, 3, (int64_t[]){SIDE, SIDE, 1});
    v = qn_conv2d(m, v, &(qn_conv2d_opt){.filters = 16, .kernel = {3, 3}, .act = QN_RELU});
    v = qn_conv2d(m, v, &(qn_conv2d_opt){.filters = 24, .kernel = {3, 3}});
    v = qn_activation(m, qn_batchnorm(m, v, NULL), QN_RELU, NULL);
    v = qn_dropout(m, qn_flatten(m, v), 0.1f, NULL);
    v = qn_dense(m, v, &(qn_dense_opt){.units = 33, .act = QN_TANH});
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){.units = 4, .act = QN_SOFTMAX}));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_adam(1e-2f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                   .metrics = {QN_ACCURACY}, .seed = 3}));
    return m;
}

static void train(qn_model *m, int epochs)
{
    const qn_array arrays[] = {
        {.field = {.role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = {3, {SIDE, SIDE, 1}}}, .data = x},
        {.field = {.role = QN_FIELD_TARGET, .dtype = QN_I32}, .data = t},
    };
    qn_dataset *data = NULL;

    CHECK_OK(qn_dataset_arrays(&data, N, arrays, 2, NULL));
    CHECK_OK(qn_model_fit(m, data, &(qn_fit_opt){.epochs = epochs, .batch = 16, .validation = data}));
    qn_dataset_close(&data);
}

/* Of all weights, in one array; how many floats. */
static size_t weights_of(qn_model *m, float *to)
{
    size_t n = 0;

    for (int i = 0; i < qn_model_weights(m); i++) {
        qn_shape s;
        size_t count;

        CHECK_OK(qn_model_weight_info(m, i, NULL, &s, NULL));
        count = (size_t)qni_elements(&s);
        CHECK_OK(qn_model_weight_read(m, i, to + n, count * sizeof(*to)));
        n += count;
    }
    return n;
}

static bool same(qn_model *a, qn_model *b)
{
    static float wa[MOST / 4], wb[MOST / 4];
    size_t n = weights_of(a, wa);

    return n > 1000 && n == weights_of(b, wb) && !memcmp(wa, wb, n * sizeof(*wa));
}

/* Two epochs without a pause, and the file after one of two. */
static qn_model *whole_and_half(qn_device *dev)
{
    qn_model *whole, *half;

    for (int i = 0; i < N; i++) {
        t[i] = i % 4;
        for (int k = 0; k < SIDE * SIDE; k++)
            x[i][k / SIDE][k % SIDE][0] = (float)test_uniform() + (float)(k % 4 == t[i]);
    }
    whole = network(dev);
    half = network(dev);
    train(whole, 2);
    train(half, 1);
    CHECK_OK(qn_model_save(half, path));
    qn_model_destroy(&half);
    return whole;
}

static void same_algorithms(void)
{
    qn_device *dev = open_device(NULL), *forced = open_device(other);
    qn_model *whole, *resumed = NULL, *fresh;

    if (!dev || !forced)
        return;
    whole = whole_and_half(dev);
    if (CHECK_OK(qn_model_load(&resumed, forced, path))) {
        train(resumed, 1);
        CHECK(same(whole, resumed));
    }
    /* The other algorithms do come to other bits. */
    fresh = network(forced);
    train(fresh, 2);
    CHECK(!same(whole, fresh));
    CHECK_INT(warnings, 0);
    qn_model_destroy(&whole);
    qn_model_destroy(&resumed);
    qn_model_destroy(&fresh);
    qn_device_close(&forced);
    qn_device_close(&dev);
}

/* Change every text in the file, in its own length; how often. */
static int replace(const char *from, const char *to)
{
    static char bytes[MOST];
    size_t n = 0, length = strlen(from);
    FILE *f = fopen(path, "rb");
    int count = 0;

    if (f) {
        n = fread(bytes, 1, sizeof(bytes), f);
        fclose(f);
    }
    for (size_t i = 0; i + length <= n; i++)
        if (!memcmp(bytes + i, from, length)) {
            memcpy(bytes + i, to, length);
            count++;
        }
    f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
        test_fail(__FILE__, __LINE__, "cannot write %s", path);
    return count;
}

/* Names that this library does not have: a note, and others. */
static void unknown_names(void)
{
    qn_device *dev = open_device(NULL), *direct = open_device("conv=direct");
    qn_model *whole, *resumed = NULL;
    char name[512], another[512];

    if (!dev || !direct)
        return;
    whole = whole_and_half(direct);
    CHECK(replace("\\\"direct\\\"", "\\\"Direct\\\"") > 3);
    warnings = 0;
    if (CHECK_OK(qn_model_load(&resumed, dev, path))) {
        train(resumed, 1);
        CHECK(warnings > 3);
        CHECK(!same(whole, resumed));
    }
    qn_model_destroy(&resumed);
    /* Another device's: chosen anew, in silence. */
    warnings = 0;
    qni_model_device_text(whole, name, sizeof(name));
    memcpy(another, name, sizeof(name));
    another[0] = '?';
    CHECK_INT(replace(name, another), 1);
    if (CHECK_OK(qn_model_load(&resumed, dev, path)))
        train(resumed, 1);
    CHECK_INT(warnings, 0);
    qn_model_destroy(&resumed);
    qn_model_destroy(&whole);
    qn_device_close(&direct);
    qn_device_close(&dev);
}

static void hostile(void)
{
    static const char *const changes[][3] = {
        {"\\\"algorithms\\\"", "\\\"algorithmz\\\"", ""}, /* an older file */
        {"\\\"chosen\\\"", "\\\"chozen\\\"", "chosen"},
        {"\\\"device\\\"", "\\\"devize\\\"", "device"},
    };
    qn_device *dev = open_device(NULL);
    qn_model *whole, *m = NULL;

    if (!dev)
        return;
    for (size_t i = 0; i < QNI_COUNT(changes); i++) {
        whole = whole_and_half(dev);
        CHECK_INT(replace(changes[i][0], changes[i][1]), 1);
        if (*changes[i][2])
            CHECK_STATUS(qn_model_load(&m, dev, path), QN_E_FORMAT, changes[i][2]);
        else
            CHECK_OK(qn_model_load(&m, dev, path));
        qn_model_destroy(&m);
        qn_model_destroy(&whole);
    }
    qn_device_close(&dev);
}

int main(void)
{
    snprintf(path, sizeof(path), "/tmp/quern-resume-%ld.qn", (long)getpid());
    test_run("resume: the algorithms of before, and so the bits", same_algorithms);
    test_run("resume: algorithms that are not to be had", unknown_names);
    test_run("resume: files without choices, and damaged ones", hostile);
    unlink(path);
    return test_end();
}
