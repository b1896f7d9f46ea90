/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 8: a model is saved, loaded, and trained on as if nothing had happened.
 *
 * usage: 08_save_load [FILE]
 *
 * The file holds architecture, weights and the optimizer's state; it is a safetensors file, so that other programs can
 * read the weights. It is written under another name first: a kill at any instant leaves the old file or the new one. */
#include <quern/quern.h>

#include <stdio.h>
#include <string.h>

#define SAMPLES 256

static qn_status build(qn_model **m, qn_device *dev)
{
    qn_status st = qn_model_create(m, dev);
    qn_val v;

    if (st)
        return st;
    v = qn_input(*m, QN_F32, 1, (int64_t[]){ 4 });
    v = qn_dense(*m, v, &(qn_dense_opt){ .units = 16, .act = QN_RELU });
    v = qn_dense(*m, v, &(qn_dense_opt){ .units = 1 });
    qn_model_output(*m, v);
    return qn_model_compile(*m, &(qn_compile_opt){ .optimizer = qn_adam(0.01f), .loss = QN_MSE });
}

int main(int argc, char **argv)
{
    static float x[SAMPLES][4], y[SAMPLES], a[SAMPLES], b[SAMPLES];
    const char *path = argc > 1 ? argv[1] : "lesson8.qn";
    const qn_array arrays[] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { 1, { 4 } } }, .data = x },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_F32, .shape = { 1, { 1 } } }, .data = y },
    };
    qn_device *dev = NULL;
    qn_dataset *data = NULL;
    qn_model *m = NULL, *other = NULL;
    qn_status st;

    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < 4; k++)
            x[i][k] = (float)((i * (k + 3) * 37) % 101) / 50.0f - 1.0f;
        y[i] = x[i][0] * x[i][1] - x[i][2] + 0.5f * x[i][3];
    }
    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_dataset_arrays(&data, SAMPLES, arrays, 2, NULL)) ||
        (st = build(&m, dev)) || (st = qn_model_fit(m, data, &(qn_fit_opt){ .epochs = 3 })) ||
        (st = qn_model_save(m, path)))
        goto done;

    /* Loaded in the same process here; it might be another machine. */
    if ((st = qn_model_load(&other, dev, path)))
        goto done;
    printf("loaded after %lld epochs, %d weights\n", (long long)qn_model_epochs(other), qn_model_weights(other));

    /* Both go on; same device, same driver: same bits. */
    if ((st = qn_model_fit(m, data, &(qn_fit_opt){ .epochs = 2 })) ||
        (st = qn_model_fit(other, data, &(qn_fit_opt){ .epochs = 2 })) ||
        (st = qn_model_predict(m, (const void *[]){ x }, SAMPLES, (void *[]){ a }, 0)) ||
        (st = qn_model_predict(other, (const void *[]){ x }, SAMPLES, (void *[]){ b }, 0)))
        goto done;
    printf("%s\n", memcmp(a, b, sizeof(a)) ? "they DIFFER" : "both predict the same, bit for bit");
    if (memcmp(a, b, sizeof(a)))
        st = qn_error_set(QN_E_INTERNAL, "the loaded model went another way");
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&other);
    qn_model_destroy(&m);
    qn_dataset_close(&data);
    qn_device_close(&dev);
    return st != QN_OK;
}
