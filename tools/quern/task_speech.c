/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recordings of words by class: a recurrent layer over cepstra, or convolutions over mel bands. */
#include "models.h"

struct listener {
    qn_val (*build)(qn_model *m, qn_val x, const qn_shape *sample);
};

static qn_val build_lstm(qn_model *m, qn_val x, const qn_shape *sample)
{
    (void)sample;
    x = qn_lstm(m, x, &(qn_rnn_opt){ .units = 64, .dropout = 0.2f });
    return qn_dropout(m, x, 0.3f, NULL);
}

/* Three times 3x3 filters over time and pitch, twice as many each time. */
static qn_val build_cnn(qn_model *m, qn_val x, const qn_shape *sample)
{
    x = qn_reshape(m, x, 3, (const int64_t[]){ sample->dim[0], sample->dim[1], 1 });
    for (int filters = 16; filters <= 64; filters *= 2) {
        x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = filters, .kernel = { 3, 3 }, .padding = QN_SAME, .no_bias = true });
        x = qn_activation(m, qn_batchnorm(m, x, &(qn_batchnorm_opt){ .momentum = 0.9f }), QN_RELU, NULL);
        x = qn_maxpool2d(m, x, NULL);
    }
    return qn_dropout(m, qn_flatten(m, x), 0.5f, NULL);
}

static qn_status build(qn_model *m, const struct task *t, const struct dataset *d)
{
    const struct listener *l = t->own;
    char text[128];
    qn_val x;

    if (!d->input || qn_prep_get_kind(d->input) != QN_PREP_SOUND || !d->classes) {
        snprintf(text, sizeof(text), "model %s takes recordings: use it with sounds:FOLDER", t->name);
        return qn_error_set(QN_E_SHAPE, text);
    }
    x = l->build(m, qn_input(m, QN_F32, d->sample.rank, d->sample.dim), &d->sample);
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)d->classes, .act = QN_SOFTMAX }));
    return QN_OK;
}

static void compile(qn_compile_opt *o, const struct task *t, const struct training *how)
{
    (void)t;
    if (how->steps > 1)
        o->optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .steps = how->steps };
}

/* A word of up to three quarters of a second, equally loud, in frames of 32 ms every 16. */
#define WORD .rate = 8000, .frames = 6000, .middle = true, .peak = 1, .preemphasis = 0.97
#define FRAMES .fft = 256, .hop = 128, .mels = 40

static const struct task_sound cepstra = {
    .prep = { WORD, .features = { .kind = QN_FEATURE_MFCC, FRAMES, .coefficients = 20, .deltas = 1 } },
    .augment = { .shift = 0.1, .gain = 6, .noise = 0.01 },
};
static const struct task_sound bands = {
    .prep = { WORD, .features = { .kind = QN_FEATURE_LOG_MEL, FRAMES } },
    .augment = { .shift = 0.1, .gain = 6, .noise = 0.01 },
};

#define LISTENER .batch = 32, .lr = 2e-3, .build = build, .compile = compile

const struct task task_speech = {
    .name = "speech", .about = "of recordings: 20 cepstra and their derivatives every 16 ms, LSTM64, Dense", LISTENER,
    .epochs = 15, .own = &(const struct listener){ build_lstm }, .sound = &cepstra,
};
const struct task task_speech_cnn = {
    .name = "speech-cnn",
    .about = "of recordings: 40 mel bands, three times Conv 3x3 with batch normalisation and MaxPool2, Dense", LISTENER,
    .epochs = 8, .own = &(const struct listener){ build_cnn }, .sound = &bands,
};
