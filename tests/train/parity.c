/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The losses of training steps agree with Keras's, from the same weights and
 * batches: tests/fixtures/README.md has the rule, the networks and the data. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/same.h"

#define MOST_STEPS 128
#define PERIOD 3776

struct run {
    char name[48];
    int batch, steps;
    uint64_t seed;
    double f32[MOST_STEPS], f64[MOST_STEPS];
    double test_f32, test_f64;
};

static struct run runs[32];
static int run_count;

static int read_runs(void)
{
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/fixtures/keras_parity.csv", "r");
    char line[256];

    if (!f)
        return -1;
    while (fgets(line, sizeof(line), f)) {
        struct run *r = run_count ? &runs[run_count - 1] : NULL;
        char name[48];
        int batch, step;
        long seed;
        double a, b;

        if (sscanf(line, "%47[^,],%d,%ld,%d,%lf,%lf", name, &batch, &seed, &step, &a, &b) != 6)
            continue;
        if (!r || strcmp(r->name, name)) {
            if (run_count == (int)QNI_COUNT(runs))
                break;
            r = &runs[run_count++];
            memcpy(r->name, name, sizeof(name));
            r->batch = batch;
            r->seed = (uint64_t)seed;
        }
        if (step < 0) {
            r->test_f32 = a;
            r->test_f64 = b;
        } else if (step < MOST_STEPS) {
            r->f32[step] = a;
            r->f64[step] = b;
            r->steps = step + 1;
        }
    }
    fclose(f);
    return run_count ? 0 : -1;
}

/* ---- networks ---- */

static qn_val conv(qn_model *m, qn_val x, int filters)
{
    return qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = filters, .kernel = { 3 }, .act = QN_RELU });
}

static qn_val dense(qn_model *m, qn_val x, int units, qn_act act, const char *variant)
{
    qn_dense_opt o = { .units = units, .act = act };

    if (!strcmp(variant, "adam-l1"))
        o.kernel_l1 = 1e-4f;
    if (!strcmp(variant, "adam-l2"))
        o.kernel_l2 = 1e-3f;
    return qn_dense(m, x, &o);
}

static qn_val build(qn_model *m, const char *net, const char *variant)
{
    qn_val x = qn_input(m, QN_F32, 3, (int64_t[]){ 28, 28, 1 });

    if (!strcmp(net, "mlp")) {
        x = dense(m, qn_flatten(m, x), 128, QN_RELU, variant);
    } else if (!strcmp(net, "bnnet")) {
        x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = 8, .kernel = { 3 }, .no_bias = true });
        x = qn_activation(m, qn_batchnorm(m, x, NULL), QN_RELU, NULL);
        x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = 16, .kernel = { 3 }, .stride = { 2 }, .padding = QN_SAME,
                                              .no_bias = true });
        x = qn_activation(m, qn_batchnorm(m, x, NULL), QN_RELU, NULL);
        x = qn_flatten(m, qn_avgpool2d(m, x, &(qn_pool2d_opt){ .size = { 4 } }));
    } else {
        x = qn_maxpool2d(m, conv(m, x, 32), NULL);
        if (strcmp(net, "cnn-small"))
            x = qn_maxpool2d(m, conv(m, x, 64), NULL);
        x = dense(m, qn_flatten(m, x), strcmp(net, "cnn") ? 128 : 64, QN_RELU, variant);
    }
    return dense(m, x, 10, QN_SOFTMAX, variant);
}

static qn_optimizer optimizer(const char *v)
{
    qn_optimizer sgd = qn_sgd(0.05f), adam = qn_adam(1e-3f);

    if (!strcmp(v, "sgd-momentum") || !strcmp(v, "sgd-nesterov"))
        return qn_sgd_momentum(0.05f, 0.9f, !strcmp(v, "sgd-nesterov"));
    if (!strcmp(v, "sgd-weight-decay"))
        sgd.weight_decay = 0.01f;
    if (!strcmp(v, "adam-weight-decay"))
        adam.weight_decay = 0.01f;
    if (!strcmp(v, "sgd-clipnorm"))
        sgd.clip_norm = 0.25f;
    if (!strcmp(v, "adam-clipnorm"))
        adam.clip_norm = 0.25f;
    if (!strcmp(v, "sgd-global-clipnorm"))
        sgd.global_clip_norm = 0.25f;
    if (!strcmp(v, "sgd-clipvalue"))
        sgd.clip_value = 0.01f;
    if (!strcmp(v, "adam-eps")) {
        adam.beta1 = 0.8;
        adam.beta2 = 0.95;
        adam.epsilon = 1e-3f;
    }
    return strncmp(v, "sgd", 3) ? adam : sgd;
}

/* ---- data ---- */

static float images[PERIOD + 128][784], test_images[64][784];
static int32_t labels[PERIOD + 128], test_labels[64];

static bool read_digits(const char *name, int n, float (*x)[784], int32_t *t)
{
    static int64_t index[PERIOD];
    qn_dataset *ds = NULL;
    bool ok;

    for (int i = 0; i < n; i++)
        index[i] = i;
    ok = !qn_dataset_open(&ds, name, &(qn_dataset_opt){ .data_dir = TEST_SOURCE_DIR "/examples/data" }) &&
         !qn_dataset_read(ds, index, n, (void *[]){ x, t });
    qn_dataset_close(&ds);
    return ok;
}

/* ---- the test ---- */

static void check_run(const void *arg)
{
    const struct run *r = arg;
    char net[48];
    const char *slash = strchr(r->name, '/'), *variant = slash && slash[1] != 'b' ? slash + 1 : "adam";
    qn_device *dev = test_device();
    qn_model *m = NULL;
    qn_logs logs;
    double worst = 0;

    if (!dev)
        return;
    snprintf(net, sizeof(net), "%.*s", slash ? (int)(slash - r->name) : 40, r->name);
    CHECK_OK(qn_model_create(&m, dev));
    qn_model_output(m, build(m, net, variant));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = optimizer(variant),
                                                    .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY }));
    if (test_failed())
        goto done;
    same_weights(m, r->seed);
    for (int i = 0; i < r->steps && !test_failed(); i++) {
        int at = r->batch * i % PERIOD;

        CHECK_OK(qn_model_train_batch(m, (const void *[]){ images[at] }, (const void *[]){ labels + at }, NULL, r->batch,
                                      &logs));
        worst = fmax(worst, same_loss(r->name, i, qn_logs_get(&logs, "loss"), r->f32[i], r->f64[i], r->f32[0]));
    }
    /* Keras's number is without the penalty, ours with it. */
    if (!strstr(variant, "adam-l")) {
        CHECK_OK(qn_model_test_batch(m, (const void *[]){ test_images }, (const void *[]){ test_labels }, NULL, 64, &logs));
        if (!test_failed())
            same_loss(r->name, -1, qn_logs_get(&logs, "loss"), r->test_f32, r->test_f64, r->f32[0]);
    }
    printf("# %s: largest difference %.2g\n", r->name, worst);
done:
    qn_model_destroy(&m);
}

/* usage: parity [--gpu | PART_OF_A_RUN'S_NAME] */
int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";

    if (!strcmp(only, "--gpu")) { /* the algorithms made for GPUs, wherever this runs */
        setenv("QUERN_SHAPE", "gpu", 1);
        only = "";
    }
    if (read_runs() || !read_digits("digits:train", PERIOD, images, labels) ||
        !read_digits("digits:test", 64, test_images, test_labels)) {
        printf("Bail out! the fixtures or the digits cannot be read: %s\n", qn_last_error());
        return 1;
    }
    for (int i = 0; i < run_count; i++) {
        char name[80];

        snprintf(name, sizeof(name), "parity: %.47s", runs[i].name);
        if (strstr(runs[i].name, only))
            test_run_with(name, check_run, &runs[i]);
    }
    return test_end();
}
