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

static const struct network *find(const char *name)
{
    for (size_t i = 0; i < NETWORKS; i++)
        if (!strcmp(networks[i].name, name))
            return &networks[i];
    return NULL;
}

bool models_has(const char *name)
{
    return find(name) != NULL;
}

const char *models_names(char *text, size_t bytes)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < NETWORKS && n < bytes; i++)
        n += (size_t)snprintf(text + n, bytes - n, "%s%s", i ? ", " : "", networks[i].name);
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

qn_status models_build(qn_model **out, qn_device *dev, const char *name, const qn_shape *sample, int64_t classes)
{
    const struct network *net = find(name);
    char text[256];
    qn_status st;
    qn_val x;

    *out = NULL;
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

qn_status models_compile(qn_model *m, int64_t classes, float lr, uint64_t seed)
{
    return qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(lr),
                                                  .loss = classes ? QN_SPARSE_CATEGORICAL_CROSSENTROPY : QN_MSE,
                                                  .metrics = { classes ? QN_ACCURACY : QN_METRIC_MAE },
                                                  .seed = seed });
}
