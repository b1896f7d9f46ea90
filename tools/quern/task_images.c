/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Models of colour pictures. */
#include "models.h"

/* ---- resnet20 (He et al. 2016, section 4.2): three stages of three blocks, 16 to 64 filters ---- */

struct residual {
    int stem, stride;  /* filters and stride of the first convolution */
    bool pool;         /* and a MaxPool2 behind it */
    int stages, blocks, filters; /* the first stage's; each later one has twice as many, at half the size */
    float decay;       /* L2 of all kernels, which is half of what is called weight decay */
};

static qn_val convolution(qn_model *m, qn_val x, const struct residual *net, int filters, int kernel, int stride)
{
    return qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = filters, .kernel = { kernel }, .stride = { stride }, .padding = QN_SAME,
                                             .no_bias = true, .kernel_init = QN_INIT_HE_NORMAL, .kernel_l2 = net->decay });
}

static qn_val norm(qn_model *m, qn_val x)
{
    return qn_batchnorm(m, x, &(qn_batchnorm_opt){ .momentum = 0.9f, .epsilon = 1e-5f });
}

/* What goes around the two convolutions is brought to their size by a convolution of 1x1 where it has another. */
static qn_val block(qn_model *m, qn_val x, const struct residual *net, int filters, int stride, bool same)
{
    qn_val y = qn_activation(m, norm(m, convolution(m, x, net, filters, 3, stride)), QN_RELU, NULL);

    y = norm(m, convolution(m, y, net, filters, 3, 1));
    if (!same)
        x = norm(m, convolution(m, x, net, filters, 1, stride));
    return qn_activation(m, qn_add(m, (qn_val[]){ x, y }, 2), QN_RELU, NULL);
}

static qn_status needs_pictures(const struct task *t, const struct dataset *d)
{
    char text[128];

    if (d->sample.rank == 3 && d->classes)
        return QN_OK;
    snprintf(text, sizeof(text), "model %s takes pictures of classes, and the data have none", t->name);
    return qn_error_set(QN_E_SHAPE, text);
}

static qn_status build_residual(qn_model *m, const struct task *t, const struct dataset *d)
{
    const struct residual *net = t->own;
    qn_status st = needs_pictures(t, d);
    qn_val x;

    if (st)
        return st;
    x = convolution(m, qn_input(m, QN_F32, d->sample.rank, d->sample.dim), net, net->stem, 3, net->stride);
    x = qn_activation(m, norm(m, x), QN_RELU, NULL);
    if (net->pool)
        x = qn_maxpool2d(m, x, NULL);
    for (int stage = 0; stage < net->stages; stage++)
        for (int i = 0; i < net->blocks; i++) {
            const bool first = i == 0 && stage > 0;

            x = block(m, x, net, net->filters << stage, first ? 2 : 1, !first && (i || stage || net->stem == net->filters));
        }
    x = qn_global_avgpool(m, x, NULL);
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)d->classes, .act = QN_SOFTMAX,
                                                       .kernel_init = QN_INIT_HE_NORMAL, .kernel_l2 = net->decay }));
    return QN_OK;
}

/* SGD with momentum, a rate that grows for an epoch and then falls along a cosine. */
static void compile_residual(qn_compile_opt *o, const struct task *t, const struct training *how)
{
    o->optimizer = qn_sgd_momentum(how->lr != 0.0f ? how->lr : (float)t->lr, 0.9f, false);
    if (how->steps > 2 * how->epoch)
        o->optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .warmup = how->epoch,
                                               .steps = how->steps - how->epoch };
}

const struct task task_resnet20 = {
    .name = "resnet20",
    .about = "of pictures, 32x32: ResNet-20, changed by cutting and mirroring; SGD with momentum, cosine",
    .epochs = 20, .batch = 128, .lr = 0.1, .build = build_residual, .compile = compile_residual,
    .own = &(const struct residual){ 16, 1, false, 3, 3, 16, 2.5e-4f },
    .height = 32, .width = 32,
    .augment = &(const qn_image_augment_opt){ .pad = 4, .height = 32, .width = 32, .flip = true },
};
const struct task task_image_resnet = {
    .name = "image-resnet", .about = "of pictures, 224x224: a ResNet of four stages of one block, 16 to 128 filters",
    .epochs = 20, .batch = 16, .lr = 0.02, .build = build_residual, .compile = compile_residual,
    .own = &(const struct residual){ 16, 2, true, 4, 1, 16, 1e-4f },
    .height = 224, .width = 224,
    .augment = &(const qn_image_augment_opt){ .pad = 16, .height = 224, .width = 224, .flip = true },
};

/* ---- image ---- */

static qn_status build_image(qn_model *m, const struct task *t, const struct dataset *d)
{
    qn_status st = needs_pictures(t, d);
    qn_val x;

    if (st)
        return st;
    x = qn_input(m, QN_F32, d->sample.rank, d->sample.dim);
    x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = 32, .kernel = { 3, 3 }, .act = QN_RELU });
    x = qn_flatten(m, qn_maxpool2d(m, x, NULL));
    x = qn_dense(m, x, &(qn_dense_opt){ .units = 128, .act = QN_RELU });
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)d->classes, .act = QN_SOFTMAX }));
    return QN_OK;
}

const struct task task_image = {
    .name = "image", .about = "of pictures, 224x224: Conv32 3x3 relu, MaxPool2, Dense128 relu, Dense",
    .batch = 32, .build = build_image, .height = 224, .width = 224,
};
