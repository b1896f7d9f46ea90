/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Dense layers, perhaps with convolutions of 3x3 before them; the last one follows from the data. */
#include "models.h"

#define MOST_CONV 6

struct network {
    int filters[MOST_CONV];  /* 0 ends the list */
    int stride[MOST_CONV];
    bool pool;               /* MaxPool2 after each convolution */
    bool norm;               /* same padding, no bias, batch normalisation before relu, global average at the end */
    int units;               /* of a dense layer with relu before the last one; 0: none */
};

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

static qn_status build(qn_model *m, const struct task *t, const struct dataset *d)
{
    const struct network *net = t->own;
    char text[128];
    qn_val x;

    if (net->filters[0] && d->sample.rank != 3) {
        snprintf(text, sizeof(text), "model %s takes images, and the data have none: use mlp", t->name);
        return qn_error_set(QN_E_SHAPE, text);
    }
    x = convolutions(m, qn_input(m, QN_F32, d->sample.rank, d->sample.dim), net);
    if (net->norm)
        x = qn_global_avgpool(m, x, NULL);
    else if (d->sample.rank > 1)
        x = qn_flatten(m, x);
    if (net->units)
        x = qn_dense(m, x, &(qn_dense_opt){ .units = net->units, .act = QN_RELU });
    x = qn_dense(m, x, &(qn_dense_opt){ .units = d->classes ? (int)d->classes : 1,
                                        .act = d->classes ? QN_SOFTMAX : QN_LINEAR });
    qn_model_output(m, x);
    return QN_OK;
}

/* The rate falls along a cosine, so that the last steps settle. */
static void settle(qn_compile_opt *o, const struct task *t, const struct training *how)
{
    (void)t;
    if (how->steps > 0)
        o->optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .steps = how->steps };
}

const struct task task_linear = {
    .name = "linear", .about = "Dense alone: linear regression, or logistic for classes", .lr = 0.05, .epochs = 200, .batch = 32,
    .build = build, .compile = settle, .own = &(const struct network){ { 0 } },
};
const struct task task_mlp = {
    .name = "mlp", .about = "Dense128 relu, Dense", .build = build,
    .own = &(const struct network){ .units = 128 },
};
const struct task task_cnn = {
    .name = "cnn", .about = "Conv32 3x3 relu, MaxPool2, Conv64 3x3 relu, MaxPool2, Dense64 relu, Dense", .build = build,
    .own = &(const struct network){ { 32, 64 }, { 1, 1 }, true, false, 64 },
};
const struct task task_cnn_dense128 = {
    .name = "cnn-dense128", .about = "the same with Dense128", .build = build,
    .own = &(const struct network){ { 32, 64 }, { 1, 1 }, true, false, 128 },
};
const struct task task_cnn_small = {
    .name = "cnn-small", .about = "Conv32 3x3 relu, MaxPool2, Dense128 relu, Dense", .build = build,
    .own = &(const struct network){ { 32 }, { 1 }, true, false, 128 },
};
const struct task task_convstack = {
    .name = "convstack",
    .about = "six 3x3 convolutions with batch normalisation, 64 to 256 filters, global average, Dense", .build = build,
    .own = &(const struct network){ { 64, 64, 128, 128, 256, 256 }, { 1, 1, 2, 1, 2, 1 }, false, true, 0 },
};
