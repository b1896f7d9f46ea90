/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 14: Quern as a plug-in. The program starts without the library, loads it when it is wanted, has a network learn,
 * unloads it, and later does it all once more. Nothing of the first time is left when the second one begins.
 *
 * What has to be gone before the library is unloaded is only what it gave: models, devices, contexts. OpenCL's own library
 * and the driver stay, since they may keep threads. */
#include <quern/quern.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifndef QUERN_LIBRARY
#define QUERN_LIBRARY "libquern.so.0"
#endif

/* The functions in use, by the types that the headers give them. */
struct quern {
    void *library;
    __typeof__(qn_version) *version;
    __typeof__(qn_last_error) *last_error;
    __typeof__(qn_device_open) *device_open;
    __typeof__(qn_device_close) *device_close;
    __typeof__(qn_model_create) *model_create;
    __typeof__(qn_model_destroy) *model_destroy;
    __typeof__(qn_input) *input;
    __typeof__(qn_dense) *dense;
    __typeof__(qn_model_output) *model_output;
    __typeof__(qn_sgd) *sgd;
    __typeof__(qn_model_compile) *model_compile;
    __typeof__(qn_model_fit) *model_fit;
    __typeof__(qn_model_predict) *model_predict;
    __typeof__(qn_dataset_arrays) *dataset_arrays;
    __typeof__(qn_dataset_close) *dataset_close;
};

static bool load(struct quern *q)
{
    const struct {
        const char *name;
        void *into;
    } wanted[] = {
        { "qn_version", &q->version },
        { "qn_last_error", &q->last_error },
        { "qn_device_open", &q->device_open },
        { "qn_device_close", &q->device_close },
        { "qn_model_create", &q->model_create },
        { "qn_model_destroy", &q->model_destroy },
        { "qn_input", &q->input },
        { "qn_dense", &q->dense },
        { "qn_model_output", &q->model_output },
        { "qn_sgd", &q->sgd },
        { "qn_model_compile", &q->model_compile },
        { "qn_model_fit", &q->model_fit },
        { "qn_model_predict", &q->model_predict },
        { "qn_dataset_arrays", &q->dataset_arrays },
        { "qn_dataset_close", &q->dataset_close },
    };

    memset(q, 0, sizeof(*q));
    q->library = dlopen(QUERN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!q->library) {
        fprintf(stderr, "%s\n", dlerror());
        return false;
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        void *symbol = dlsym(q->library, wanted[i].name);

        if (!symbol) {
            fprintf(stderr, "%s\n", dlerror());
            return false;
        }
        memcpy(wanted[i].into, &symbol, sizeof(symbol));
    }
    return true;
}

/* Is it gone? The system says where it still is. */
static bool unload(struct quern *q)
{
    void *again;

    if (q->library && dlclose(q->library))
        return false;
    again = dlopen(QUERN_LIBRARY, RTLD_NOW | RTLD_NOLOAD);
    if (again)
        dlclose(again);
    return again == NULL;
}

/* y = 2 x - 1, learnt from 64 points; what is predicted for 0.25. */
static qn_status learn(const struct quern *q, float *at_quarter)
{
    static float x[64], y[64];
    const qn_array arrays[] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { 1, { 1 } } }, .data = x },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_F32, .shape = { 1, { 1 } } }, .data = y },
    };
    const float quarter = 0.25f;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_dataset *data = NULL;
    qn_status st;

    for (int i = 0; i < 64; i++) {
        x[i] = (float)i / 32.0f - 1.0f;
        y[i] = 2.0f * x[i] - 1.0f;
    }
    if ((st = q->device_open(&dev, NULL, NULL)) || (st = q->dataset_arrays(&data, 64, arrays, 2, NULL)) ||
        (st = q->model_create(&m, dev)))
        goto done;
    q->model_output(m, q->dense(m, q->input(m, QN_F32, 1, (int64_t[]){ 1 }), &(qn_dense_opt){ .units = 1 }));
    if ((st = q->model_compile(m, &(qn_compile_opt){ .optimizer = q->sgd(0.1f), .loss = QN_MSE, .seed = 1 })) ||
        (st = q->model_fit(m, data, &(qn_fit_opt){ .epochs = 40, .batch = 16 })))
        goto done;
    st = q->model_predict(m, (const void *[]){ &quarter }, 1, (void *[]){ at_quarter }, 1);
done:
    if (st)
        fprintf(stderr, "%s\n", q->last_error());
    q->model_destroy(&m);
    q->dataset_close(&data);
    q->device_close(&dev);
    return st;
}

int main(void)
{
    struct quern q;
    float found = 0.0f;

    for (int time = 1; time <= 2; time++) {
        if (!load(&q))
            return 1;
        printf("time %d: Quern %s is loaded\n", time, q.version());
        if (learn(&q, &found))
            return 1;
        printf("time %d: 2 * 0.25 - 1 is about %.2f\n", time, (double)found);
        if (!unload(&q)) {
            fprintf(stderr, "the library is still there\n");
            return 1;
        }
        printf("time %d: it is gone\n", time);
    }
    return found > -0.45f || found < -0.55f;
}
