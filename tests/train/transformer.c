/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * An encoder-decoder Transformer with padding trains as Keras trains it, from the same weights and batches:
 * tests/fixtures/keras_transformer.py, which wrote the losses, says which. */
#include <math.h>
#include <stdio.h>

#include "harness/test.h"
#include "model/model.h"

enum { BATCH = 16, TIME = 8, WORDS = 12, SIZE = 16, HEADS = 2, UNITS = 32, STEPS = 100, SEED = 5 };

static uint32_t state;

static int below(int n)
{
    state = state * 1664525u + 1013904223u;
    return (int)(state >> 16) % n;
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

/* Those of kernels and tables, as keras_parity.py makes them; the others start as Keras's do. */
static void set_weights(qn_model *m)
{
    float w[2048];
    uint64_t k = 0;

    for (int i = 0; i < qn_model_weights(m); i++) {
        const char *name;
        qn_shape s;
        int64_t n;
        double fan;

        CHECK_OK(qn_model_weight_info(m, i, &name, &s, NULL));
        if (!strstr(name, "kernel") && !strstr(name, "embeddings"))
            continue;
        n = qni_elements(&s);
        if (n > (int64_t)QNI_COUNT(w)) {
            test_fail(__FILE__, __LINE__, "%s has %lld elements", name, (long long)n);
            return;
        }
        fan = (double)(n / s.dim[s.rank - 1] + n / s.dim[s.rank - 2]);
        for (int64_t e = 0; e < n; e++) {
            uint64_t z = (((uint64_t)SEED << 48) + (k << 32) + (uint64_t)e + 1) * UINT64_C(0x9E3779B97F4A7C15);

            z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
            z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
            z = z ^ (z >> 31);
            w[e] = (float)(sqrt(6.0 / fan) * ((double)(z >> 40) / 8388608.0 - 1.0));
        }
        k++;
        CHECK_OK(qn_model_weight_write(m, i, w, (size_t)n * sizeof(*w)));
    }
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
    set_weights(m);
    state = 1;
    for (int step = 0; step < STEPS && !test_failed();) {
        int number;
        double f32, f64, loss, scale;

        if (!fgets(line, sizeof(line), f)) {
            test_fail(__FILE__, __LINE__, "the losses end at step %d", step);
            break;
        }
        if (sscanf(line, "%d,%lf,%lf", &number, &f32, &f64) != 3)
            continue;
        make_batch(source, before, after);
        CHECK_OK(qn_model_train_batch(m, (const void *[]){ source, before }, (const void *[]){ after }, NULL, BATCH, &logs));
        loss = qn_logs_get(&logs, "loss");
        first = step ? first : f32;
        scale = fmax(f32, first / 10);
        worst = fmax(worst, fabs(loss - f32) / scale);
        if (!(fabs(loss - f32) / scale <= fmax(1e-4, 4 * fabs(f32 - f64) / scale)))
            test_fail(__FILE__, __LINE__, "step %d: loss %.9g, Keras %.9g in f32, %.9g in f64", step, loss, f32, f64);
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
