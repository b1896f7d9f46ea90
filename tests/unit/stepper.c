/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Models that go step by step, with what they keep of earlier steps: the same predictions and the same numbers drawn as from
 * whole sequences. */
#include <math.h>

#include <quern/generate.h>

#include "harness/test.h"
#include "model/model.h"

enum { T = 10, V = 11, SIZE = 16 };

/* ---- models ---- */

static qn_val begin(qn_model *m)
{
    const qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ T });

    return qn_embedding(m, x, &(qn_embedding_opt){ .words = V, .units = SIZE, .init_scale = 1, .name = "words" });
}

static qn_val learned(qn_model *m)
{
    const qn_transformer_opt block = { .heads = 4, .units = 24, .act = QN_GELU, .norm_first = true, .causal = true };
    qn_val x = qn_position_embedding(m, begin(m), &(qn_position_opt){ .length = T + 3 });

    for (int i = 0; i < 2; i++)
        x = qn_transformer_encoder(m, x, &block);
    return qn_dense(m, qn_layernorm(m, x, NULL), &(qn_dense_opt){ .units = V });
}

static qn_val rotary(qn_model *m)
{
    qn_val x = begin(m);

    x = qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = 4, .kv_heads = 2, .units = 24, .rms = true,
                                                            .norm_first = true, .causal = true, .rotary = true });
    x = qn_transformer_decoder(m, x, (qn_val){ 0 }, &(qn_transformer_opt){ .heads = 2, .units = 24, .rotary = true });
    return qn_embedding_logits(m, qn_dropout(m, x, 0.5f, NULL), "words");
}

static qn_val sines(qn_model *m)
{
    qn_val x = qn_position_embedding(m, begin(m), &(qn_position_opt){ .sinusoidal = true }), y;

    x = qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = 2, .units = 24, .causal = true, .alibi = true });
    y = qn_multi_head_attention(m, x, x, (qn_val){ 0 }, (qn_val){ 0 },
                                &(qn_attention_opt){ .heads = 2, .key_dim = 8, .value_dim = 6, .causal = true, .window = 3 });
    x = qn_add(m, (qn_val[]){ x, y }, 2);
    return qn_dense(m, x, &(qn_dense_opt){ .units = V, .act = QN_SOFTMAX });
}

static qn_val recurrent(qn_model *m)
{
    qn_val x = qn_lstm(m, begin(m), &(qn_rnn_opt){ .units = 12, .return_sequences = true });

    x = qn_gru(m, x, &(qn_rnn_opt){ .units = 12, .return_sequences = true, .stateful = 1 });
    return qn_dense(m, x, &(qn_dense_opt){ .units = V });
}

static qn_val both(qn_model *m)
{
    qn_val x = qn_simple_rnn(m, begin(m), &(qn_rnn_opt){ .units = SIZE, .return_sequences = true });

    x = qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = 2, .units = 24, .causal = true, .rotary = true });
    return qn_dense(m, x, &(qn_dense_opt){ .units = V });
}

static const struct kind {
    const char *name;
    qn_val (*build)(qn_model *m);
    bool limited, carries;
} kinds[] = {
    { "learned positions", learned, true, false }, { "rotary positions, grouped heads", rotary, true, false },
    { "sines, slopes, a window, probabilities", sines, true, false }, { "LSTM and GRU", recurrent, false, true },
    { "simple recurrence and attention", both, true, true },
};

static qn_model *make(qn_val (*build)(qn_model *m))
{
    qn_model *m = NULL;

    if (!test_device() || !CHECK_OK(qn_model_create(&m, test_device())))
        return NULL;
    qn_model_output(m, build(m));
    if (!CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .seed = 3, .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                         .optimizer = qn_sgd(0.1f), .from_logits = build != sines })))
        qn_model_destroy(&m);
    return m;
}

static void fill(int32_t *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = (int32_t)((test_uniform() + 1) * V) % V;
}

/* ---- predictions ---- */

static void same(const float *a, const float *b, int step)
{
    for (int k = 0; k < V; k++)
        if (!(fabs((double)a[k] - (double)b[k]) <= 2e-5))
            test_fail(__FILE__, __LINE__, "step %d, number %d: %.9g, of the whole %.9g", step, k, (double)a[k], (double)b[k]);
}

/* One by one, and, where nothing is carried, several at once and then one by one. */
static void predictions(const void *arg)
{
    const struct kind *k = arg;
    struct qni_stepper *s = NULL;
    static float whole[T][V], got[T][V];
    int32_t x[T];
    qn_model *m = make(k->build);

    if (!m)
        return;
    for (int round = 0; round < 2 && !test_failed(); round++) {
        const int at_once = k->carries ? 0 : 6 * round;

        fill(x, T);
        if (k->carries)
            CHECK_OK(qn_model_reset_states(m));
        CHECK_OK(qn_model_predict(m, (const void *[]){ x }, 1, (void *[]){ whole }, 1));
        CHECK_OK(qni_stepper_get(&s, m));
        CHECK(s && s->limited == k->limited && s->carries == k->carries);
        if (test_failed())
            break;
        CHECK_OK(qni_stepper_reset(s));
        if (at_once) {
            CHECK_OK(qni_stepper_see(s, m, x, 0, at_once, got[0]));
            for (int t = 0; t < at_once; t++)
                same(got[t], whole[t], t);
        }
        for (int t = at_once; t < T && !test_failed(); t++) {
            CHECK_OK(qni_stepper_see(s, m, x + t, t, 1, got[0]));
            same(got[0], whole[t], t);
        }
        /* The steps follow the weights. */
        CHECK_OK(qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ x }, NULL, 1, NULL));
    }
    qn_model_destroy(&m);
}

/* ---- numbers drawn ---- */

static void numbers(const void *arg)
{
    const struct kind *k = arg;
    enum { PROMPT = 4, MOST = 3 * T };
    const int count = k->limited ? MOST : T - PROMPT; /* what recurrent layers keep is longer than any window */
    const qn_generate_opt cached = { .sampling = { .temperature = 2, .seed = 9 } };
    qn_generate_opt plain = cached;
    int32_t prompt[PROMPT + MOST], a[MOST], b[MOST];
    qn_model *m = make(k->build);

    if (!m)
        return;
    plain.no_cache = true;
    fill(prompt, PROMPT);
    CHECK_OK(qn_generate(m, prompt, PROMPT, a, count, NULL, &cached));
    CHECK(m->stepper != NULL);
    if (k->build != recurrent) { /* whose GRU would go on from draw to draw */
        CHECK_OK(qn_generate(m, prompt, PROMPT, b, count, NULL, &plain));
        for (int i = 0; i < count; i++)
            CHECK_INT(b[i], a[i]);
    }
    CHECK_OK(qn_generate(m, prompt, PROMPT, a, MOST, NULL, &cached));
    for (int stop = 1; stop < MOST; stop += 8) { /* going on equals not having stopped */
        memcpy(prompt + PROMPT, a, (size_t)stop * sizeof(*a));
        CHECK_OK(qn_generate(m, prompt, PROMPT + stop, b, MOST - stop, NULL, &cached));
        for (int i = stop; i < MOST; i++)
            CHECK_INT(b[i - stop], a[i]);
    }
    qn_model_destroy(&m);
}

/* ---- models that cannot ---- */

static qn_val convolution(qn_model *m)
{
    return qn_conv1d(m, begin(m), &(qn_conv_opt){ .filters = V, .kernel = { 3 }, .padding = QN_CAUSAL });
}

static qn_val masked(qn_model *m)
{
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ T });

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = V, .units = SIZE, .mask_zero = true });
    return qn_dense(m, x, &(qn_dense_opt){ .units = V });
}

static qn_val backwards(qn_model *m)
{
    return qn_dense(m, qn_gru(m, begin(m), &(qn_rnn_opt){ .units = 4, .return_sequences = true, .go_backwards = true }),
                    &(qn_dense_opt){ .units = V });
}

static void unable(void)
{
    qn_val (*const builds[])(qn_model *m) = { convolution, masked, backwards };
    int32_t out[T];

    for (size_t i = 0; i < QNI_COUNT(builds); i++) {
        qn_model *m = make(builds[i]);

        if (!m)
            return;
        CHECK_OK(qn_generate(m, (const int32_t[]){ 3 }, 1, out, 3, NULL, NULL));
        CHECK(!m->stepper && m->stepless);
        qn_model_destroy(&m);
    }
}

int main(void)
{
    char name[80];

    for (size_t i = 0; i < QNI_COUNT(kinds); i++) {
        snprintf(name, sizeof(name), "stepper: predictions: %s", kinds[i].name);
        test_run_with(name, predictions, &kinds[i]);
        snprintf(name, sizeof(name), "stepper: numbers: %s", kinds[i].name);
        test_run_with(name, numbers, &kinds[i]);
    }
    test_run("stepper: models that cannot", unable);
    return test_end();
}
