/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 7: a training loop of one's own, batch by batch, with a learning rate that falls.
 *
 * qn_model_train_batch() only enqueues a step; it waits for the device when its result is asked for. So ask now and
 * then, not at every step. */
#include <quern/quern.h>

#include <math.h>
#include <stdio.h>

#define BATCH 32
#define STEPS 400

/* A batch of points and the sine of their distance from the origin. */
static void make_batch(float x[BATCH][2], float y[BATCH])
{
    static uint32_t state = 7;

    for (int i = 0; i < BATCH; i++) {
        for (int k = 0; k < 2; k++) {
            state = state * 1664525u + 1013904223u;
            x[i][k] = (float)(state >> 8) * 0x1p-22f - 2.0f;
        }
        y[i] = sinf(2.0f * sqrtf(x[i][0] * x[i][0] + x[i][1] * x[i][1]));
    }
}

int main(void)
{
    float x[BATCH][2], y[BATCH];
    double first = 0.0, last = 0.0;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_logs logs;
    qn_status st;
    qn_val v;

    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_model_create(&m, dev)))
        goto done;
    v = qn_input(m, QN_F32, 1, (int64_t[]){ 2 });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 64, .act = QN_TANH });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 64, .act = QN_TANH });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 1 });
    qn_model_output(m, v);
    if ((st = qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.01f), .loss = QN_MSE })))
        goto done;

    for (int step = 0; step < STEPS; step++) {
        bool look = step == 0 || (step + 1) % 100 == 0;

        make_batch(x, y);
        /* Half a cosine from 0.01 to 0. */
        if ((st = qn_model_set_lr(m, 0.005f * (1.0f + cosf(3.1416f * (float)step / STEPS)))) ||
            (st = qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ y }, NULL, BATCH, look ? &logs : NULL)))
            goto done;
        if (look) {
            last = qn_logs_get(&logs, "loss");
            first = step ? first : last;
            printf("step %d: loss %.4f, learning rate %.4f\n", step + 1, last, (double)qn_model_lr(m));
        }
    }
    if (!(last < first / 5.0))
        st = qn_error_set(QN_E_INTERNAL, "the network has learnt too little");
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_device_close(&dev);
    return st != QN_OK;
}
