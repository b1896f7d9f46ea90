/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * An encoder-decoder Transformer with padding trains as Keras trains it, from the same weights and batches:
 * tests/fixtures/keras_transformer.py, which wrote the losses, says which. */
#include <math.h>
#include <stdio.h>

#include "train/same.h"

enum { BATCH = 16, TIME = 8, WORDS = 12, SIZE = 16, HEADS = 2, UNITS = 32, STEPS = 100, SEED = 5 };

static uint32_t state;

static int below(int n)
{
    return same_below(&state, n);
}

/* Words 2.. in rows of 3 to TIME, to be said backwards; 1 begins, 0 is padding. */
static void make_batch(int32_t source[BATCH][TIME], int32_t before[BATCH][TIME], int32_t after[BATCH][TIME])
{
    memset(source, 0, sizeof(int32_t) * BATCH * TIME);
    memset(before, 0, sizeof(int32_t) * BATCH * TIME);
    memset(after, 0, sizeof(int32_t) * BATCH * TIME);
    for (int n = 0; n < BATCH; n++) {
        const int length = 3 + below(TIME - 2);

        for (int t = 0; t < length; t++)
            source[n][t] = after[n][length - 1 - t] = 2 + below(WORDS - 2);
        before[n][0] = 1;
        for (int t = 1; t < length; t++)
            before[n][t] = after[n][t - 1];
    }
}

static qn_val words(qn_model *m)
{
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ TIME });

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = WORDS, .units = SIZE, .mask_zero = true });
    return qn_position_embedding(m, x, &(qn_position_opt){ .sinusoidal = true });
}

static void parity(void)
{
    const qn_transformer_opt after_sum = { .heads = HEADS, .units = UNITS };
    const qn_transformer_opt before_part = { .heads = HEADS, .units = UNITS, .act = QN_GELU, .norm_first = true };
    static int32_t source[BATCH][TIME], before[BATCH][TIME], after[BATCH][TIME];
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/fixtures/keras_transformer.csv", "r");
    qn_model *m = NULL;
    double worst = 0, first = 0;
    char line[128];
    qn_logs logs;
    qn_val x, y;

    if (!f) {
        test_fail(__FILE__, __LINE__, "the losses cannot be read");
        return;
    }
    if (!test_device() || !CHECK_OK(qn_model_create(&m, test_device())))
        goto done;
    x = qn_transformer_encoder(m, words(m), &after_sum);
    y = qn_transformer_decoder(m, words(m), x, &before_part);
    y = qn_layernorm(m, y, &(qn_layernorm_opt){ .epsilon = 1e-5f });
    qn_model_output(m, qn_dense(m, y, &(qn_dense_opt){ .units = WORDS }));
    if (!CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(1e-3f), .from_logits = true,
                                                         .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY })))
        goto done;
    same_weights(m, SEED);
    state = 1;
    for (int step = 0; step < STEPS && !test_failed();) {
        int number;
        double f32, f64;

        if (!fgets(line, sizeof(line), f)) {
            test_fail(__FILE__, __LINE__, "the losses end at step %d", step);
            break;
        }
        if (sscanf(line, "%d,%lf,%lf", &number, &f32, &f64) != 3)
            continue;
        make_batch(source, before, after);
        CHECK_OK(qn_model_train_batch(m, (const void *[]){ source, before }, (const void *[]){ after }, NULL, BATCH, &logs));
        first = step ? first : f32;
        worst = fmax(worst, same_loss("transformer", step, qn_logs_get(&logs, "loss"), f32, f64, first));
        step++;
    }
    printf("# transformer: largest difference %.2g\n", worst);
done:
    qn_model_destroy(&m);
    fclose(f);
}

int main(void)
{
    test_run("an encoder and decoder with padding train as in Keras", parity);
    return test_end();
}
