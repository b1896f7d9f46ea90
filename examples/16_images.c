/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 16: pictures, from a folder for each class to a model that is asked about a file.
 *
 * One preparation brings the files to their size for training and, saved with the model, for prediction. Random changes stand
 * between its two halves and are made for training alone. */
#include <quern/quern.h>

#include <stdio.h>

enum { SIDE = 16, EPOCHS = 30, MOST = 64 };

/* Files, read once; a share of every class for testing; the training part changed at random. */
static qn_status open_parts(qn_dataset *out[2], qn_prep *picture, const char *folder)
{
    qn_dataset *files = NULL, *kept = NULL, *part[2] = { NULL }, *moved = NULL;
    qn_status st;

    if ((st = qn_dataset_images(&files, &(qn_files){ .folder = folder }, &(qn_images_opt){ .prep = picture })) ||
        (st = qn_dataset_cache(&kept, files, 1 << 28)) ||
        (st = qn_dataset_divide(part, (const double[]){ 0.75, 0.25 }, 2, kept, true, 0)) ||
        (st = qn_dataset_image_augment(&moved, part[0], &(qn_image_augment_opt){ .rotate = 8, .shift_height = 0.06,
                                                                                 .shift_width = 0.06 })) ||
        (st = qn_dataset_finish(&out[0], moved, picture)))
        goto done;
    st = qn_dataset_finish(&out[1], part[1], picture);
done:
    qn_dataset_close(&files);
    qn_dataset_close(&kept);
    qn_dataset_close(&part[0]);
    qn_dataset_close(&part[1]);
    qn_dataset_close(&moved);
    return st;
}

static qn_status train(qn_model *m, qn_dataset *part[2], qn_prep *picture)
{
    const char *name[MOST];
    const int classes = qn_dataset_classes(part[0]) < MOST ? qn_dataset_classes(part[0]) : MOST;
    qn_prep *names = NULL;
    qn_logs logs = { 0 };
    qn_val x = qn_input(m, QN_F32, 3, (int64_t[]){ SIDE, SIDE, 1 });
    qn_status st;

    for (int i = 0; i < classes; i++)
        name[i] = qn_dataset_class(part[0], i);
    x = qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = 16, .kernel = { 3 }, .act = QN_RELU });
    x = qn_flatten(m, qn_maxpool2d(m, x, NULL));
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = classes, .act = QN_SOFTMAX }));
    if ((st = qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.005f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                     .metrics = { QN_ACCURACY } })) ||
        (st = qn_prep_classes(&names, NULL, name, classes)) || (st = qn_model_set_prep(m, QN_FIELD_INPUT, 0, picture)) ||
        (st = qn_model_set_prep(m, QN_FIELD_TARGET, 0, names)) ||
        (st = qn_model_fit(m, part[0], &(qn_fit_opt){ .epochs = EPOCHS, .batch = 16 })) ||
        (st = qn_model_evaluate(m, part[1], 16, &logs)))
        goto done;
    printf("%d classes, accuracy %.2f\n", classes, qn_logs_get(&logs, "accuracy"));
    if (!(qn_logs_get(&logs, "accuracy") > 0.5))
        st = qn_error_set(QN_E_INTERNAL, "the network has learnt too little");
done:
    qn_prep_release(&names);
    return st;
}

/* As another program would, that has nothing but the two files. */
static qn_status ask(qn_device *dev, const char *model, const char *file)
{
    qn_image *image = NULL;
    qn_model *m = NULL;
    float x[SIDE * SIDE], y[MOST];
    int best = 0;
    qn_status st;

    if ((st = qn_model_load(&m, dev, model)) || (st = qn_image_read(&image, file, NULL)) ||
        (st = qn_prep_run(qn_model_prep(m, QN_FIELD_INPUT, 0), &(qn_raw){ .image = image }, x)) ||
        (st = qn_model_predict(m, (const void *[]){ x }, 1, (void *[]){ y }, 1)))
        goto done;
    for (int i = 1; i < qn_prep_class_count(qn_model_prep(m, QN_FIELD_TARGET, 0)); i++)
        best = y[i] > y[best] ? i : best;
    printf("%s: %s (%.2f)\n", file, qn_prep_class(qn_model_prep(m, QN_FIELD_TARGET, 0), best), (double)y[best]);
done:
    qn_image_destroy(&image);
    qn_model_destroy(&m);
    return st;
}

int main(int argc, char **argv)
{
    qn_dataset *part[2] = { NULL };
    qn_prep *picture = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_status st;

    if (argc != 4) {
        fprintf(stderr, "usage: 16_images FOLDER MODEL PICTURE\n");
        return 2;
    }
    if ((st = qn_prep_image(&picture, NULL, &(qn_prep_image_opt){ .height = SIDE, .width = SIDE, .channels = 1, .mean = { 0.3f },
                                                                  .deviation = { 0.35f } })) ||
        (st = open_parts(part, picture, argv[1])) || (st = qn_device_open(&dev, NULL, NULL)) || (st = qn_model_create(&m, dev)) ||
        (st = train(m, part, picture)) || (st = qn_model_save(m, argv[2])))
        goto done;
    st = ask(dev, argv[2], argv[3]);
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_dataset_close(&part[0]);
    qn_dataset_close(&part[1]);
    qn_prep_release(&picture);
    qn_device_close(&dev);
    return st != QN_OK;
}
