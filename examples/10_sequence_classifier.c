/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 10: a sequence classifier. Waves of three forms, of a length, pitch and beginning of their own, among noise; the end
 * of a sequence is padding, which qn_masking() finds and the recurrent layers leave alone. */
#include <quern/quern.h>

#include <math.h>
#include <stdio.h>

#define BATCH 32
#define STEPS 300
#define T     40
#define FORMS 3
#define PADDING (-9.0f)

static float uniform(void)
{
    static uint32_t state = 11;

    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-24f;
}

/* Sine, square, saw. */
static float wave(int form, float turns)
{
    const float phase = turns - floorf(turns);

    return form == 0 ? sinf(6.2831853f * phase) : form == 1 ? (phase < 0.5f ? 1.0f : -1.0f) : 2.0f * phase - 1.0f;
}

static void make_batch(float x[BATCH][T], int32_t form[BATCH])
{
    for (int i = 0; i < BATCH; i++) {
        const int length = T / 2 + (int)(uniform() * (T / 2 + 1));
        const float pitch = 0.06f + 0.06f * uniform(), begin = uniform();

        form[i] = (int32_t)(uniform() * FORMS);
        for (int t = 0; t < T; t++)
            x[i][t] = t < length ? wave(form[i], begin + pitch * (float)t) + 0.2f * (uniform() - 0.5f) : PADDING;
    }
}

int main(void)
{
    float x[BATCH][T], p[BATCH][FORMS];
    int32_t form[BATCH];
    int right = 0;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_logs logs;
    qn_status st;
    qn_val v;

    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_model_create(&m, dev)))
        goto done;
    v = qn_masking(m, qn_input(m, QN_F32, 2, (int64_t[]){ T, 1 }), PADDING);
    v = qn_bidirectional(m, v, qn_gru, &(qn_rnn_opt){ .units = 24 }, QN_MERGE_CONCAT, NULL);
    v = qn_dense(m, v, &(qn_dense_opt){ .units = FORMS, .act = QN_SOFTMAX });
    qn_model_output(m, v);
    if ((st = qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.01f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                     .metrics = { QN_ACCURACY } })))
        goto done;
    for (int step = 1; step <= STEPS; step++) {
        const bool look = step == 1 || step % 100 == 0;

        make_batch(x, form);
        if ((st = qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ form }, NULL, BATCH, look ? &logs : NULL)))
            goto done;
        if (look)
            printf("step %d: loss %.3f\n", step, qn_logs_get(&logs, "loss"));
    }
    make_batch(x, form);
    if ((st = qn_model_predict(m, (const void *[]){ x }, BATCH, (void *[]){ p }, BATCH)))
        goto done;
    for (int i = 0; i < BATCH; i++) {
        int best = 0;

        for (int k = 1; k < FORMS; k++)
            best = p[i][k] > p[i][best] ? k : best;
        right += best == form[i];
    }
    printf("%d of %d new waves are told apart\n", right, BATCH);
    if (right < BATCH * 8 / 10)
        st = QN_E_INTERNAL;
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_device_close(&dev);
    return st != QN_OK;
}
