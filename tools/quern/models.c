/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <string.h>

#include "models.h"

#define MOST_CONV 6

/* Convolutions of 3x3, then dense layers; the last one follows from the data. */
struct network {
    const char *name;
    int filters[MOST_CONV];  /* 0 ends the list */
    int stride[MOST_CONV];
    bool pool;               /* MaxPool2 after each convolution */
    bool norm;               /* same padding, no bias, batch normalisation before relu, global average at the end */
    int units;               /* of a dense layer with relu before the last one; 0: none */
};

static const struct network networks[] = {
    { "mlp", { 0 }, { 0 }, false, false, 128 },
    { "cnn", { 32, 64 }, { 1, 1 }, true, false, 64 },
    { "cnn-dense128", { 32, 64 }, { 1, 1 }, true, false, 128 },
    { "cnn-small", { 32 }, { 1 }, true, false, 128 },
    { "convstack", { 64, 64, 128, 128, 256, 256 }, { 1, 1, 2, 1, 2, 1 }, false, true, 0 },
};

#define NETWORKS (sizeof(networks) / sizeof(networks[0]))

/* Models of text, which say of each character what comes next. */
static void build_gpt(qn_model *m, const qn_shape *sample, int64_t characters);
static void build_lstm(qn_model *m, const qn_shape *sample, int64_t characters);

static const struct writer {
    const char *name;
    void (*build)(qn_model *m, const qn_shape *sample, int64_t characters);
    float weight_decay;
} writers[] = {
    { "gpt", build_gpt, 0.1f },
    { "lstm-char", build_lstm, 0.01f },
};

#define WRITERS (sizeof(writers) / sizeof(writers[0]))

static const struct network *find(const char *name)
{
    for (size_t i = 0; i < NETWORKS; i++)
        if (!strcmp(networks[i].name, name))
            return &networks[i];
    return NULL;
}

static const struct writer *find_writer(const char *name)
{
    for (size_t i = 0; i < WRITERS; i++)
        if (!strcmp(writers[i].name, name))
            return &writers[i];
    return NULL;
}

bool models_of_text(const char *name)
{
    return find_writer(name) != NULL;
}

bool models_has(const char *name)
{
    return find(name) || models_of_text(name);
}

const char *models_names(char *text, size_t bytes)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < NETWORKS && n < bytes; i++)
        n += (size_t)snprintf(text + n, bytes - n, "%s%s", i ? ", " : "", networks[i].name);
    for (size_t i = 0; i < WRITERS && n < bytes; i++)
        n += (size_t)snprintf(text + n, bytes - n, ", %s", writers[i].name);
    return text;
}

static qn_val convolutions(qn_model *m, qn_val x, const struct network *net)
{
    for (int i = 0; i < MOST_CONV && net->filters[i]; i++) {
        x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = net->filters[i], .kernel = { 3, 3 },
                                              .stride = { net->stride[i] },
                                              .padding = net->norm ? QN_SAME : QN_VALID, .no_bias = net->norm,
                                              .act = net->norm ? QN_LINEAR : QN_RELU });
        if (net->norm)
            x = qn_activation(m, qn_batchnorm(m, x, NULL), QN_RELU, NULL);
        if (net->pool)
            x = qn_maxpool2d(m, x, NULL);
    }
    return x;
}

/* ---- models of text ---- */

#define BLOCKS 4
#define FEATURES 128
#define HEADS 4

/* Logits of the next character for each of a text's. */
static void build_gpt(qn_model *m, const qn_shape *sample, int64_t characters)
{
    qn_val x = qn_input(m, QN_I32, sample->rank, sample->dim);

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = (int)characters, .units = FEATURES });
    x = qn_position_embedding(m, x, NULL);
    for (int i = 0; i < BLOCKS; i++)
        x = qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = HEADS, .units = 4 * FEATURES, .act = QN_GELU,
                                                                .norm_first = true, .causal = true });
    x = qn_layernorm(m, x, &(qn_layernorm_opt){ .epsilon = 1e-5f });
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)characters }));
}

#define LAYERS 2
#define UNITS 256

static void build_lstm(qn_model *m, const qn_shape *sample, int64_t characters)
{
    qn_val x = qn_input(m, QN_I32, sample->rank, sample->dim);

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = (int)characters, .units = 64 });
    for (int i = 0; i < LAYERS; i++)
        x = qn_lstm(m, x, &(qn_rnn_opt){ .units = UNITS, .return_sequences = true });
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)characters }));
}

qn_status models_build(qn_model **out, qn_device *dev, const char *name, const qn_shape *sample, int64_t classes)
{
    const struct network *net = find(name);
    const struct writer *writer = find_writer(name);
    char text[256];
    qn_status st;
    qn_val x;

    *out = NULL;
    if (writer) {
        if (sample->rank != 1 || !classes) {
            snprintf(text, sizeof(text), "model %s reads text: use it with text:FILE", name);
            return qn_error_set(QN_E_SHAPE, text);
        }
        if (!(st = qn_model_create(out, dev)))
            writer->build(*out, sample, classes);
        return st;
    }
    if (!net) {
        char names[128];

        snprintf(text, sizeof(text), "there is no model %.32s: choose one of %s", name,
                 models_names(names, sizeof(names)));
        return qn_error_set(QN_E_ARG, text);
    }
    if (net->filters[0] && sample->rank != 3) {
        snprintf(text, sizeof(text), "model %s takes images, and the data have none: use mlp", name);
        return qn_error_set(QN_E_SHAPE, text);
    }
    if ((st = qn_model_create(out, dev)))
        return st;
    x = convolutions(*out, qn_input(*out, QN_F32, sample->rank, sample->dim), net);
    if (net->norm)
        x = qn_global_avgpool(*out, x, NULL);
    else if (sample->rank > 1)
        x = qn_flatten(*out, x);
    if (net->units)
        x = qn_dense(*out, x, &(qn_dense_opt){ .units = net->units, .act = QN_RELU });
    x = qn_dense(*out, x, &(qn_dense_opt){ .units = classes ? (int)classes : 1,
                                           .act = classes ? QN_SOFTMAX : QN_LINEAR });
    qn_model_output(*out, x);
    return QN_OK;
}

qn_status models_compile(qn_model *m, const char *name, int64_t classes, float lr, int64_t steps, uint64_t seed)
{
    qn_compile_opt o = { .optimizer = qn_adam(lr), .loss = classes ? QN_SPARSE_CATEGORICAL_CROSSENTROPY : QN_MSE,
                         .metrics = { classes ? QN_ACCURACY : QN_METRIC_MAE }, .seed = seed };
    const struct writer *writer = find_writer(name);

    if (writer) {
        const int64_t warmup = steps / 20 < 100 ? steps / 20 : 100;

        o.from_logits = true;
        o.optimizer = qn_adamw(lr != 0.0f ? lr : 2e-3f, writer->weight_decay);
        o.optimizer.beta2 = 0.99;
        o.optimizer.global_clip_norm = 1.0f;
        o.optimizer.decay_matrices_only = true;
        if (steps > 1)
            o.optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .warmup = warmup, .steps = steps - warmup,
                                                  .end = 0.05f };
    }
    return qn_model_compile(m, &o);
}
