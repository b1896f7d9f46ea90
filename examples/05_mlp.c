/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 5: level 3, a small network on arrays of one's own.
 *
 * Points in two spirals are told apart by two dense layers. Zero in an options struct always means the default, which is
 * Keras's; building needs no checks, qn_model_compile() reports the first mistake with the layer's name. */
#include <quern/quern.h>

#include <math.h>
#include <stdio.h>

#define POINTS 1000

int main(void)
{
    static float x[POINTS][2];
    static int32_t spiral[POINTS];
    const qn_array arrays[] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { 1, { 2 } } }, .data = x },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_I32 }, .data = spiral },
    };
    float probability[1][2];
    qn_device *dev = NULL;
    qn_dataset *data = NULL;
    qn_model *m = NULL;
    qn_logs logs;
    qn_status st;
    qn_val v;

    for (int i = 0; i < POINTS; i++) {
        float along = 0.2f + 0.8f * (float)(i / 2) / (POINTS / 2), turn = 6.0f * along + 3.1416f * (float)(i % 2);

        x[i][0] = along * cosf(turn);
        x[i][1] = along * sinf(turn);
        spiral[i] = i % 2;
    }
    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_dataset_arrays(&data, POINTS, arrays, 2, NULL)) ||
        (st = qn_model_create(&m, dev)))
        goto done;

    v = qn_input(m, QN_F32, 1, (int64_t[]){ 2 });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 64, .act = QN_RELU });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 64, .act = QN_RELU });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 2, .act = QN_SOFTMAX });
    qn_model_output(m, v);
    if ((st = qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.01f),
                                                     .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                     .metrics = { QN_ACCURACY } })) ||
        (st = qn_model_summary(m, stdout)) || (st = qn_model_fit(m, data, &(qn_fit_opt){ .epochs = 40, .batch = 50 })) ||
        (st = qn_model_evaluate(m, data, 0, &logs)) ||
        (st = qn_model_predict(m, (const void *[]){ x }, 1, (void *[]){ probability }, 0)))
        goto done;
    printf("accuracy %.3f; the first point is of spiral 0 with probability %.3f\n", qn_logs_get(&logs, "accuracy"),
           (double)probability[0][0]);
    if (qn_logs_get(&logs, "accuracy") < 0.97)
        st = qn_error_set(QN_E_INTERNAL, "the network has learnt too little");
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_dataset_close(&data);
    qn_device_close(&dev);
    return st != QN_OK;
}
