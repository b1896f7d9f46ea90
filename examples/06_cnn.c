/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 6: a convolutional network on images, with validation, a progress bar and early stopping.
 *
 * usage: 06_cnn [digits|mnist|fashion-mnist [EPOCHS]]
 *
 * The digits come with Quern. MNIST and Fashion-MNIST do not: set QUERN_DATA to the folder that has them. */
#include <quern/quern.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "digits";
    int epochs = argc > 2 ? atoi(argv[2]) : 4;
    char train_name[64], test_name[64];
    qn_device *dev = NULL;
    qn_dataset *train = NULL, *test = NULL;
    qn_model *m = NULL;
    qn_callback stopper = { 0 };
    qn_logs logs;
    qn_status st;
    qn_val x;

    snprintf(train_name, sizeof(train_name), "%s:train", name);
    snprintf(test_name, sizeof(test_name), "%s:test", name);
    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_dataset_open(&train, train_name, NULL)) ||
        (st = qn_dataset_open(&test, test_name, NULL)) || (st = qn_model_create(&m, dev)))
        goto done;

    /* Images are [height, width, channels]; the batch axis is added in front. */
    x = qn_input(m, QN_F32, 3, (int64_t[]){ 28, 28, 1 });
    x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = 32, .kernel = { 3, 3 }, .act = QN_RELU });
    x = qn_maxpool2d(m, x, NULL);
    x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = 64, .kernel = { 3, 3 }, .act = QN_RELU });
    x = qn_maxpool2d(m, x, NULL);
    x = qn_flatten(m, x);
    x = qn_dense(m, x, &(qn_dense_opt){ .units = 64, .act = QN_RELU });
    x = qn_dense(m, x, &(qn_dense_opt){ .units = 10, .act = QN_SOFTMAX });
    qn_model_output(m, x);
    if ((st = qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.0f), /* 0: 0.001 */
                                                     .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                     .metrics = { QN_ACCURACY } })) ||
        (st = qn_early_stopping(&stopper, m, &(qn_early_stopping_opt){ .patience = 2, .restore_best = true })))
        goto done;
    if ((st = qn_model_fit(m, train, &(qn_fit_opt){ .epochs = epochs, .batch = 64, .validation = test,
                                                    .callbacks = &stopper, .callback_count = 1, .progress = stdout })) ||
        (st = qn_model_evaluate(m, test, 64, &logs)))
        goto done;
    printf("test accuracy %.3f\n", qn_logs_get(&logs, "accuracy"));
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_callback_close(&stopper);
    qn_model_destroy(&m);
    qn_dataset_close(&test);
    qn_dataset_close(&train);
    qn_device_close(&dev);
    return st != QN_OK;
}
