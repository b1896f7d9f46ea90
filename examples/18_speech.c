/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 18: from WAV files to a saved model that hears spoken digits.
 *
 * usage: 18_speech [FOLDER [MODEL]]
 *
 * The folder has files DIGIT_SPEAKER_NUMBER.wav; the last of each is kept for testing. Recordings become cepstra; those to
 * train on are shifted and get noise before, in every epoch anew. */
#include <quern/data_files.h>
#include <quern/quern.h>

#include <stdio.h>

enum { DIGITS = 3, SPEAKERS = 2, TAKES = 4 };

static const char *const digits[DIGITS] = { "zero", "one", "two" };

/* The recordings of takes first to last - 1. */
static qn_status open_takes(qn_dataset **out, const char *folder, int first, int last, qn_prep *prep)
{
    static const char *const speakers[SPEAKERS] = { "nicolas", "yweweler" };
    char name[DIGITS * SPEAKERS * TAKES][512];
    const char *path[DIGITS * SPEAKERS * TAKES];
    int32_t label[DIGITS * SPEAKERS * TAKES];
    int n = 0;

    for (int d = 0; d < DIGITS; d++)
        for (int s = 0; s < SPEAKERS; s++)
            for (int take = first; take < last; take++, n++) {
                snprintf(name[n], sizeof(name[n]), "%s/%d_%s_%d.wav", folder, d, speakers[s], take);
                path[n] = name[n];
                label[n] = d;
            }
    return qn_dataset_sounds(out, &(qn_files){ .path = path, .label = label, .files = n }, &(qn_sounds_opt){ .prep = prep });
}

static qn_status open_data(qn_dataset **train, qn_dataset **test, qn_prep **prep, const char *folder)
{
    const qn_prep_sound_opt opt = { .rate = 8000, .frames = 6000, .middle = true, .peak = 1,
                                    .features = { .kind = QN_FEATURE_MFCC, .fft = 256, .hop = 256, .mels = 32,
                                                  .coefficients = 13 } };
    qn_prep *plain = NULL;
    qn_dataset *first = NULL, *last = NULL, *noisy = NULL;
    qn_status st;

    if ((st = qn_prep_sound(&plain, &opt)) || (st = open_takes(&first, folder, 0, TAKES - 1, plain)) ||
        (st = open_takes(&last, folder, TAKES - 1, TAKES, plain)))
        goto done;
    /* Each coefficient to mean 0 and deviation 1, as measured here and saved with the model. */
    if ((st = qn_prep_sound_fit(prep, plain, first)) ||
        (st = qn_dataset_sound_augment(&noisy, first, &(qn_sound_augment_opt){ .shift = 0.05, .noise = 0.01 })) ||
        (st = qn_dataset_finish(train, noisy, *prep)))
        goto done;
    st = qn_dataset_finish(test, last, *prep);
done:
    qn_prep_release(&plain);
    qn_dataset_close(&first);
    qn_dataset_close(&last);
    qn_dataset_close(&noisy);
    return st;
}

static qn_status build(qn_model *m, qn_prep *prep)
{
    const qn_shape *in = &qn_prep_field(prep)->shape; /* [frames, coefficients] */
    qn_prep *names = NULL;
    qn_val x = qn_input(m, QN_F32, in->rank, in->dim);
    qn_status st;

    x = qn_lstm(m, x, &(qn_rnn_opt){ .units = 32 });
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = DIGITS, .act = QN_SOFTMAX }));
    if ((st = qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.01f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                     .metrics = { QN_ACCURACY } })) ||
        (st = qn_model_set_prep(m, QN_FIELD_INPUT, 0, prep)) || (st = qn_prep_classes(&names, NULL, digits, DIGITS)))
        return st;
    st = qn_model_set_prep(m, QN_FIELD_TARGET, 0, names);
    qn_prep_release(&names);
    return st;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "examples/data/spoken", *path = argc > 2 ? argv[2] : "digits.qn";
    qn_device *dev = NULL;
    qn_dataset *train = NULL, *test = NULL;
    qn_prep *prep = NULL;
    qn_model *m = NULL;
    qn_logs logs;
    char text[200];
    qn_status st;

    if ((st = open_data(&train, &test, &prep, folder)) || (st = qn_device_open(&dev, NULL, NULL)) ||
        (st = qn_model_create(&m, dev)) || (st = build(m, prep)))
        goto done;
    printf("%s\n", qn_prep_describe(prep, text, sizeof(text)));
    if ((st = qn_model_fit(m, train, &(qn_fit_opt){ .epochs = 30, .batch = 6, .progress = stdout })) ||
        (st = qn_model_save(m, path)))
        goto done;
    qn_model_destroy(&m);
    if (!(st = qn_model_load(&m, dev, path)) && !(st = qn_model_evaluate(m, test, 6, &logs)))
        printf("%.0f of %d new recordings are heard rightly\n", 6 * qn_logs_get(&logs, "accuracy"), DIGITS * SPEAKERS);
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_prep_release(&prep);
    qn_dataset_close(&train);
    qn_dataset_close(&test);
    return st != QN_OK;
}
