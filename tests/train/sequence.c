/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Networks of sequences train as Keras or PyTorch trains them, from the same weights and batches:
 * tests/fixtures/keras_recurrent.py and torch_gpt.py, which wrote the losses, say which. */
#include <math.h>
#include <stdio.h>

#include "train/same.h"

enum { BATCH = 16, STEPS = 100, SEED = 5 };

/* ---- an LSTM that classifies words ---- */

enum { WORDS = 12, LENGTH = 20 };

static void make_words(uint32_t *state, void *to, int32_t *target)
{
    int32_t (*x)[LENGTH] = to;

    for (int n = 0; n < BATCH; n++)
        for (int t = 0; t < LENGTH; t++)
            x[n][t] = same_below(state, WORDS);
    for (int n = 0; n < BATCH; n++)
        target[n] = x[n][LENGTH - 4] % 3;
}

static qn_val build_lstm(qn_model *m)
{
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ LENGTH });

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = WORDS, .units = 16 });
    return qn_dense(m, qn_lstm(m, x, &(qn_rnn_opt){ .units = 32 }), &(qn_dense_opt){ .units = 3 });
}

/* ---- GRUs in both directions, with padding before and behind ---- */

enum { TIME = 12, D = 3 };
#define PADDING 4.0f

static void make_steps(uint32_t *state, void *to, int32_t *target)
{
    float (*x)[TIME][D] = to;

    for (int i = 0; i < BATCH * TIME * D; i++)
        (&x[0][0][0])[i] = PADDING;
    for (int n = 0; n < BATCH; n++) {
        const int length = 4 + same_below(state, TIME - 3), begin = same_below(state, TIME - length + 1);

        for (int t = begin; t < begin + length; t++)
            for (int d = 0; d < D; d++)
                x[n][t][d] = (float)(same_below(state, 2048) - 1024) / 1024.0f;
        target[n] = 2 * (x[n][begin][0] > 0.0f) + (x[n][begin + length - 1][1] > 0.0f);
    }
}

static qn_val build_bigru(qn_model *m)
{
    qn_val x = qn_masking(m, qn_input(m, QN_F32, 2, (int64_t[]){ TIME, D }), PADDING);

    x = qn_bidirectional(m, x, qn_gru, &(qn_rnn_opt){ .units = 16, .return_sequences = true }, QN_MERGE_CONCAT, NULL);
    x = qn_bidirectional(m, x, qn_gru, &(qn_rnn_opt){ .units = 12 }, QN_MERGE_CONCAT, NULL);
    return qn_dense(m, x, &(qn_dense_opt){ .units = 4 });
}

/* ---- a GPT, by PyTorch's recipe ---- */

enum { CHARACTERS = 13, WINDOW = 16, SIZE = 32, WARMUP = 10 };

static void make_text(uint32_t *state, void *to, int32_t *target)
{
    int32_t (*x)[WINDOW] = to, (*y)[WINDOW] = (int32_t (*)[WINDOW])target;

    for (int n = 0; n < BATCH; n++) {
        const int first = same_below(state, CHARACTERS), step = 1 + same_below(state, CHARACTERS - 1);

        for (int t = 0; t < WINDOW; t++) {
            x[n][t] = (first + step * t) % CHARACTERS;
            y[n][t] = (first + step * (t + 1)) % CHARACTERS;
        }
    }
}

static qn_val build_gpt(qn_model *m)
{
    const qn_transformer_opt block = { .heads = 4, .units = 64, .act = QN_GELU, .norm_first = true, .causal = true };
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ WINDOW });

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = CHARACTERS, .units = SIZE });
    x = qn_position_embedding(m, x, NULL);
    for (int i = 0; i < 2; i++)
        x = qn_transformer_encoder(m, x, &block);
    x = qn_layernorm(m, x, &(qn_layernorm_opt){ .epsilon = 1e-5f });
    return qn_dense(m, x, &(qn_dense_opt){ .units = CHARACTERS });
}

static qn_optimizer adam(void)
{
    return qn_adam(5e-3f);
}

static qn_optimizer recipe(void)
{
    qn_optimizer o = qn_adamw(1e-2f, 0.1f);

    o.beta2 = 0.99;
    o.epsilon = 1e-8f;
    o.global_clip_norm = 1.0f;
    o.decay_matrices_only = true;
    o.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .warmup = WARMUP, .steps = STEPS - WARMUP, .end = 0.05f };
    return o;
}

/* ---- the test ---- */

static const struct run {
    const char *name, *file;
    qn_val (*build)(qn_model *m);
    void (*batch)(uint32_t *state, void *x, int32_t *target);
    qn_optimizer (*optimizer)(void);
} runs[] = {
    { "lstm", "keras_recurrent.csv", build_lstm, make_words, adam },
    { "bigru", "keras_recurrent.csv", build_bigru, make_steps, adam },
    { "gpt", "torch_gpt.csv", build_gpt, make_text, recipe },
};

/* The run's next line of losses. */
static bool next(FILE *f, const char *run, int step, double *f32, double *f64)
{
    char line[128], name[16];
    int number;

    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "%15[^,],%d,%lf,%lf", name, &number, f32, f64) == 4 && !strcmp(name, run))
            return number == step;
    return false;
}

static void train(qn_model *m, const struct run *r, FILE *f)
{
    static float x[BATCH * TIME * D];
    static int32_t numbers[BATCH * LENGTH], target[BATCH * WINDOW];
    void *in = r->batch == make_steps ? (void *)x : (void *)numbers;
    uint32_t state = 1;
    double f32 = 0, f64 = 0, first = 0, worst = 0;
    qn_logs logs;

    for (int step = 0; step < STEPS && !test_failed(); step++) {
        if (!next(f, r->name, step, &f32, &f64)) {
            test_fail(__FILE__, __LINE__, "the losses of %s end at step %d", r->name, step);
            return;
        }
        first = step ? first : f32;
        r->batch(&state, in, target);
        if (CHECK_OK(qn_model_train_batch(m, (const void *[]){ in }, (const void *[]){ target }, NULL, BATCH, &logs)))
            worst = fmax(worst, same_loss(r->name, step, qn_logs_get(&logs, "loss"), f32, f64, first));
    }
    printf("# %s: largest difference %.2g\n", r->name, worst);
}

static void check_run(const void *arg)
{
    const struct run *r = arg;
    qn_model *m = NULL;
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/tests/fixtures/%s", r->file);
    if (!(f = fopen(path, "r"))) {
        test_fail(__FILE__, __LINE__, "%s cannot be read", path);
        return;
    }
    if (!test_device() || !CHECK_OK(qn_model_create(&m, test_device())))
        goto done;
    qn_model_output(m, r->build(m));
    if (CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = r->optimizer(), .from_logits = true,
                                                        .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY }))) {
        same_weights(m, SEED);
        train(m, r, f);
    }
done:
    qn_model_destroy(&m);
    fclose(f);
}

int main(void)
{
    char name[32];

    for (size_t i = 0; i < QNI_COUNT(runs); i++) {
        snprintf(name, sizeof(name), "sequence: %s", runs[i].name);
        test_run_with(name, check_run, &runs[i]);
    }
    return test_end();
}
