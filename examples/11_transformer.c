/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 11: a Transformer that translates. An encoder reads a row of numbers with padding behind it, a decoder says it
 * backwards, one number after the other; attention finds the places. Masks come from the embedding: 0 is padding. */
#include <quern/quern.h>

#include <stdio.h>
#include <string.h>

enum { BATCH = 32, TIME = 8, NUMBERS = 12, SIZE = 32, STEPS = 400 };

static int below(int n)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return (int)(state >> 16) % n;
}

/* Rows of 3 to TIME numbers from 2; before is what the decoder has said so far, and begins with 1; after what it says next. */
static void make_batch(int32_t source[BATCH][TIME], int32_t before[BATCH][TIME], int32_t after[BATCH][TIME])
{
    memset(source, 0, sizeof(int32_t) * BATCH * TIME);
    memset(before, 0, sizeof(int32_t) * BATCH * TIME);
    memset(after, 0, sizeof(int32_t) * BATCH * TIME);
    for (int n = 0; n < BATCH; n++) {
        const int length = 3 + below(TIME - 2);

        for (int t = 0; t < length; t++)
            source[n][t] = after[n][length - 1 - t] = 2 + below(NUMBERS - 2);
        before[n][0] = 1;
        for (int t = 1; t < length; t++)
            before[n][t] = after[n][t - 1];
    }
}

static qn_val numbers(qn_model *m)
{
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ TIME });

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = NUMBERS, .units = SIZE, .mask_zero = true });
    return qn_position_embedding(m, x, NULL);
}

static qn_status build(qn_model *m)
{
    const qn_transformer_opt block = { .heads = 4, .units = 2 * SIZE, .act = QN_GELU, .norm_first = true };
    qn_val read = qn_layernorm(m, qn_transformer_encoder(m, numbers(m), &block), NULL);
    qn_val said = qn_layernorm(m, qn_transformer_decoder(m, numbers(m), read, &block), NULL);

    qn_model_output(m, qn_dense(m, said, &(qn_dense_opt){ .units = NUMBERS }));
    return qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(3e-3f), .from_logits = true,
                                                  .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                  .metrics = { QN_ACCURACY, QN_PERPLEXITY } });
}

/* Say the next number again and again, the likeliest each time: no step depends on later ones. */
static qn_status translate(qn_model *m, int32_t source[BATCH][TIME], int32_t said[BATCH][TIME])
{
    static float logits[BATCH][TIME][NUMBERS];
    int32_t before[BATCH][TIME] = { { 0 } };
    qn_status st = QN_OK;

    for (int n = 0; n < BATCH; n++)
        before[n][0] = 1;
    for (int t = 0; t < TIME && !st; t++) {
        st = qn_model_predict(m, (const void *[]){ source, before }, BATCH, (void *[]){ logits }, BATCH);
        for (int n = 0; n < BATCH; n++) {
            int best = 0;

            for (int k = 1; k < NUMBERS; k++)
                best = logits[n][t][k] > logits[n][t][best] ? k : best;
            said[n][t] = best;
            if (t + 1 < TIME)
                before[n][t + 1] = best;
        }
    }
    return st;
}

int main(void)
{
    int32_t source[BATCH][TIME], before[BATCH][TIME], after[BATCH][TIME], said[BATCH][TIME];
    qn_device *dev = NULL;
    qn_model *m = NULL;
    int right = 0;
    qn_logs logs;
    qn_status st;

    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_model_create(&m, dev)) || (st = build(m)))
        goto done;
    for (int step = 1; step <= STEPS; step++) {
        const bool look = step == 1 || step % 100 == 0;

        make_batch(source, before, after);
        if ((st = qn_model_train_batch(m, (const void *[]){ source, before }, (const void *[]){ after }, NULL, BATCH,
                                       look ? &logs : NULL)))
            goto done;
        if (look)
            printf("step %d: loss %.3f, perplexity %.2f\n", step, qn_logs_get(&logs, "loss"), qn_logs_get(&logs, "perplexity"));
    }
    make_batch(source, before, after);
    if ((st = translate(m, source, said)))
        goto done;
    for (int n = 0; n < BATCH; n++) {
        bool same = true;

        for (int t = 0; t < TIME && after[n][t]; t++)
            same &= said[n][t] == after[n][t];
        right += same;
    }
    printf("%d of %d new rows are said backwards\n", right, BATCH);
    if (right < BATCH * 8 / 10)
        st = qn_error_set(QN_E_INTERNAL, "the network has learnt too little");
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_device_close(&dev);
    return st != QN_OK;
}
