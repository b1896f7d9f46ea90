/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 21: a residual network (He et al. 2016) on a folder of pictures, changed anew in every epoch, with a rate that grows and
 * falls; the best epoch is what is saved.
 *
 * usage: 21_resnet [FOLDER [MODEL [EPOCHS]]]
 *
 * The folder has a folder of PNG and JPEG files for each class. Pictures of things, other than digits, may be mirrored as well
 * (.flip). */
#include <quern/quern.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 32, BATCH = 8, BLOCKS = 3, MOST = 64 }; /* 3 stages of 3 blocks of 2 convolutions, and 2 layers: ResNet-20 */

/* Files, read once; a share of every class for testing; the training part cut out anywhere, lighter or darker, with a hole. */
static qn_status open_parts(qn_dataset *out[2], qn_prep *picture, const char *folder)
{
    qn_dataset *files = NULL, *kept = NULL, *part[2] = { NULL }, *changed = NULL;
    qn_status st;

    if ((st = qn_dataset_images(&files, &(qn_files){ .folder = folder }, &(qn_images_opt){ .prep = picture })) ||
        (st = qn_dataset_cache(&kept, files, 1 << 28)) ||
        (st = qn_dataset_divide(part, (const double[]){ 0.75, 0.25 }, 2, kept, true, 0)) ||
        (st = qn_dataset_image_augment(&changed, part[0], &(qn_image_augment_opt){ .pad = 4, .height = SIDE, .width = SIDE,
                                                                                   .brightness = 0.2, .cutout = SIDE / 4 })) ||
        (st = qn_dataset_finish(&out[0], changed, picture)))
        goto done;
    st = qn_dataset_finish(&out[1], part[1], picture);
done:
    qn_dataset_close(&files);
    qn_dataset_close(&kept);
    qn_dataset_close(&part[0]);
    qn_dataset_close(&part[1]);
    qn_dataset_close(&changed);
    return st;
}

/* A convolution and its normalisation, which has the bias. */
static qn_val convolution(qn_model *m, qn_val x, int filters, int kernel, int stride)
{
    x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = filters, .kernel = { kernel }, .stride = { stride }, .padding = QN_SAME,
                                          .no_bias = true, .kernel_init = QN_INIT_HE_NORMAL, .kernel_l2 = 1e-4f });
    return qn_batchnorm(m, x, &(qn_batchnorm_opt){ .momentum = 0.9f });
}

/* Two of them learn what is to be added to what they are given, which goes around them; by 1x1 where its size changes. */
static qn_val block(qn_model *m, qn_val x, int filters, int stride)
{
    qn_val y = qn_activation(m, convolution(m, x, filters, 3, stride), QN_RELU, NULL);

    y = convolution(m, y, filters, 3, 1);
    if (stride > 1)
        x = convolution(m, x, filters, 1, stride);
    return qn_activation(m, qn_add(m, (qn_val[]){ x, y }, 2), QN_RELU, NULL);
}

/* An epoch is so many steps. */
static qn_status build(qn_model *m, int classes, int64_t epoch, int epochs)
{
    qn_optimizer o = qn_sgd_momentum(0.05f, 0.9f, false);
    qn_val x = qn_input(m, QN_F32, 3, (int64_t[]){ SIDE, SIDE, 3 });

    x = qn_activation(m, convolution(m, x, 16, 3, 1), QN_RELU, NULL);
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < BLOCKS; i++)
            x = block(m, x, 16 << stage, stage > 0 && i == 0 ? 2 : 1);
    qn_model_output(m, qn_dense(m, qn_global_avgpool(m, x, NULL), &(qn_dense_opt){ .units = classes, .act = QN_SOFTMAX }));
    /* From 0 up through the first epoch, and down to 0 along a cosine. */
    o.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .warmup = epoch, .steps = epoch * (epochs > 1 ? epochs - 1 : 1) };
    return qn_model_compile(m, &(qn_compile_opt){ .optimizer = o, .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                  .metrics = { QN_ACCURACY } });
}

/* How pictures become inputs and what outputs are called goes into the file with the model. */
static qn_status describe(qn_model *m, qn_dataset *ds, qn_prep *picture)
{
    const int classes = qn_dataset_classes(ds) < MOST ? qn_dataset_classes(ds) : MOST;
    const char *name[MOST];
    qn_prep *names = NULL;
    qn_status st;

    for (int i = 0; i < classes; i++)
        name[i] = qn_dataset_class(ds, i);
    if (!(st = qn_prep_classes(&names, NULL, name, classes)) && !(st = qn_model_set_prep(m, QN_FIELD_TARGET, 0, names)))
        st = qn_model_set_prep(m, QN_FIELD_INPUT, 0, picture);
    qn_prep_release(&names);
    return st;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "examples/data/digit-pictures", *path = argc > 2 ? argv[2] : "resnet.qn";
    const int epochs = argc > 3 ? atoi(argv[3]) : 20;
    qn_dataset *part[2] = { NULL };
    qn_callback best = { 0 };
    qn_prep *picture = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_logs logs;
    double known;
    qn_status st;

    if ((st = qn_prep_image(&picture, NULL, &(qn_prep_image_opt){ .height = SIDE, .width = SIDE, .mean = { 0.45f, 0.45f, 0.45f },
                                                                  .deviation = { 0.25f, 0.25f, 0.25f } })) ||
        (st = open_parts(part, picture, folder)) || (st = qn_device_open(&dev, NULL, NULL)) || (st = qn_model_create(&m, dev)) ||
        (st = build(m, qn_dataset_classes(part[0]), (qn_dataset_samples(part[0]) + BATCH - 1) / BATCH, epochs)) ||
        (st = describe(m, part[0], picture)) || (st = qn_checkpoint(&best, m, path, "val_accuracy")) ||
        (st = qn_model_fit(m, part[0], &(qn_fit_opt){ .epochs = epochs, .batch = BATCH, .validation = part[1],
                                                      .callbacks = &best, .callback_count = 1, .progress = stdout })))
        goto done;
    qn_callback_close(&best); /* it is the model's: first */
    qn_model_destroy(&m);
    if ((st = qn_model_load(&m, dev, path)) || (st = qn_model_evaluate(m, part[1], BATCH, &logs)))
        goto done;
    known = qn_logs_get(&logs, "accuracy");
    printf("after epoch %lld: %.0f of %lld new pictures are told apart\n", (long long)qn_model_epochs(m),
           known * (double)qn_dataset_samples(part[1]), (long long)qn_dataset_samples(part[1]));
    if (!(known * qn_dataset_classes(part[1]) >= 2))
        st = qn_error_set(QN_E_INTERNAL, "the network has learnt too little");
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_callback_close(&best);
    qn_model_destroy(&m);
    qn_dataset_close(&part[0]);
    qn_dataset_close(&part[1]);
    qn_prep_release(&picture);
    qn_device_close(&dev);
    return st != QN_OK;
}
