/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Models of text, which say of each character what comes next. */
#include "models.h"

#define BLOCKS   4
#define FEATURES 128
#define HEADS    4
#define LAYERS   2
#define UNITS    256

struct writer {
    qn_val (*build)(qn_model *m, qn_val x, int characters);
    float weight_decay;
};

static qn_val build_gpt(qn_model *m, qn_val x, int characters)
{
    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = characters, .units = FEATURES });
    x = qn_position_embedding(m, x, NULL);
    for (int i = 0; i < BLOCKS; i++)
        x = qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = HEADS, .units = 4 * FEATURES, .act = QN_GELU,
                                                                .norm_first = true, .causal = true });
    return qn_layernorm(m, x, &(qn_layernorm_opt){ .epsilon = 1e-5f });
}

static qn_val build_lstm(qn_model *m, qn_val x, int characters)
{
    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = characters, .units = 64 });
    for (int i = 0; i < LAYERS; i++)
        x = qn_lstm(m, x, &(qn_rnn_opt){ .units = UNITS, .return_sequences = true });
    return x;
}

/* Logits of the next character for each of a text's. */
static qn_status build(qn_model *m, const struct task *t, const struct dataset *d)
{
    const struct writer *w = t->own;
    char text[128];
    qn_val x;

    if (d->sample.rank != 1 || !d->classes || d->input) {
        snprintf(text, sizeof(text), "model %s reads text: use it with text:FILE", t->name);
        return qn_error_set(QN_E_SHAPE, text);
    }
    x = w->build(m, qn_input(m, QN_I32, d->sample.rank, d->sample.dim), (int)d->classes);
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)d->classes }));
    return QN_OK;
}

/* AdamW with a rate that warms up and then falls along a cosine. */
static void compile(qn_compile_opt *o, const struct task *t, const struct training *how)
{
    const int64_t warmup = how->steps / 20 < 100 ? how->steps / 20 : 100;
    const struct writer *w = t->own;

    o->from_logits = true;
    o->optimizer = qn_adamw(how->lr != 0.0f ? how->lr : (float)t->lr, w->weight_decay);
    o->optimizer.beta2 = 0.99;
    o->optimizer.global_clip_norm = 1.0f;
    o->optimizer.decay_matrices_only = true;
    if (how->steps > 1)
        o->optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .warmup = warmup, .steps = how->steps - warmup,
                                               .end = 0.05f };
}

#define WRITER .batch = 16, .lr = 2e-3, .build = build, .compile = compile

const struct task task_gpt = {
    .name = "gpt", .about = "of text: 4 transformer blocks of 128 features with 4 heads, 128 characters at a time", WRITER,
    .own = &(const struct writer){ build_gpt, 0.1f },
};
const struct task task_lstm_char = {
    .name = "lstm-char", .about = "of text: two LSTM layers of 256 units, 128 characters at a time", WRITER,
    .own = &(const struct writer){ build_lstm, 0.01f },
};
