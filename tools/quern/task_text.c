/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sentences by class: an embedding of their words, then a recurrent layer, convolutions or a transformer block. */
#include "models.h"

#define UNITS   64
#define KERNELS 3

struct reader {
    qn_val (*build)(qn_model *m, qn_val x);
    float dropout; /* of whole features of the words */
};

static qn_val build_lstm(qn_model *m, qn_val x)
{
    return qn_lstm(m, x, &(qn_rnn_opt){ .units = UNITS });
}

/* Windows of 3, 4 and 5 words, each with the strongest answer that its filters give anywhere. */
static qn_val build_cnn(qn_model *m, qn_val x)
{
    qn_val part[KERNELS];

    for (int i = 0; i < KERNELS; i++) {
        part[i] = qn_conv1d(m, x, &(qn_conv_opt){ .filters = UNITS, .kernel = { 3 + i }, .act = QN_RELU });
        part[i] = qn_global_maxpool(m, part[i], NULL);
    }
    return qn_concatenate(m, part, KERNELS, NULL);
}

static qn_val build_transformer(qn_model *m, qn_val x)
{
    x = qn_position_embedding(m, x, NULL);
    x = qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = 4, .units = 2 * UNITS, .dropout = 0.3f });
    return qn_global_avgpool(m, x, NULL);
}

static qn_status build(qn_model *m, const struct task *t, const struct dataset *d)
{
    const struct reader *r = t->own;
    const int64_t words = qn_tokenizer_size(qn_prep_tokenizer(d->input));
    char text[128];
    qn_val x;

    if (!words || !d->classes) {
        snprintf(text, sizeof(text), "model %s reads sentences: use it with lines:FILE", t->name);
        return qn_error_set(QN_E_SHAPE, text);
    }
    x = qn_input(m, QN_I32, d->sample.rank, d->sample.dim);
    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = (int)words, .units = UNITS });
    x = r->build(m, qn_spatial_dropout1d(m, x, r->dropout, NULL));
    x = qn_dropout(m, x, 0.5f, NULL);
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)d->classes, .act = QN_SOFTMAX }));
    return QN_OK;
}

static void compile(qn_compile_opt *o, const struct task *t, const struct training *how)
{
    (void)t;
    if (how->steps > 1)
        o->optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .steps = how->steps };
}

static const struct task_words words = { .length = 48, .limit = 10000 };

#define READER .batch = 64, .build = build, .compile = compile, .words = &words

const struct task task_text = {
    .name = "text", .about = "of sentences: Embedding64, LSTM64, Dense", READER,
    .epochs = 3, .lr = 2e-3, .own = &(const struct reader){ build_lstm, 0.5f },
};
const struct task task_text_cnn = {
    .name = "text-cnn", .about = "of sentences: Embedding64, 64 filters of 3, 4 and 5 words each, maximum, Dense", READER,
    .epochs = 4, .lr = 2e-3, .own = &(const struct reader){ build_cnn, 0.5f },
};
const struct task task_text_transformer = {
    .name = "text-transformer", .about = "of sentences: Embedding64, positions, a transformer block with 4 heads, mean, Dense",
    READER, .epochs = 4, .own = &(const struct reader){ build_transformer, 0.3f },
};
