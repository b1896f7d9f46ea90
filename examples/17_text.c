/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 17: from a file of sentences to a saved model that judges new ones.
 *
 * usage: 17_text [SENTENCES [MODEL]]
 *
 * How words become numbers is saved with the model, so that whoever loads it asks in words. */
#include <quern/quern.h>

#include <stdio.h>
#include <string.h>

enum { LENGTH = 20, MOST = 4096 };

/* Lines "SENTENCE<TAB>0 or 1": the TABs become ends. */
static int64_t split(const qn_lines *lines, const char **text, int32_t *label)
{
    int64_t n = 0;

    for (int64_t i = 0; i < lines->lines && n < MOST; i++) {
        char *tab = strrchr(lines->line[i], '\t');

        if (!tab)
            continue;
        *tab = '\0';
        text[n] = lines->line[i];
        label[n++] = tab[1] == '1';
    }
    return n;
}

static qn_status build(qn_model *m, const qn_tokenizer *t, qn_prep *words)
{
    static const char *const names[] = { "no", "yes" };
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ LENGTH });
    qn_prep *likes = NULL;
    qn_status st;

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = (int)qn_tokenizer_size(t), .units = 16 });
    x = qn_conv1d(m, x, &(qn_conv_opt){ .filters = 32, .kernel = { 3 }, .act = QN_RELU });
    x = qn_dropout(m, qn_global_maxpool(m, x, NULL), 0.5f, NULL);
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = 2, .act = QN_SOFTMAX }));
    if ((st = qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.005f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                     .metrics = { QN_ACCURACY } })) ||
        (st = qn_model_set_prep(m, QN_FIELD_INPUT, 0, words)) || (st = qn_prep_classes(&likes, NULL, names, 2)))
        return st;
    st = qn_model_set_prep(m, QN_FIELD_TARGET, 0, likes);
    qn_prep_release(&likes);
    return st;
}

/* Load the model, and ask it. */
static qn_status ask(qn_device *dev, const char *path)
{
    static const char *const questions[] = { "The food was great and the staff is friendly!", "Not good, very slow service." };
    int32_t x[LENGTH];
    float y[2];
    qn_model *m = NULL;
    qn_status st = qn_model_load(&m, dev, path);

    for (int i = 0; i < 2 && !st; i++) {
        if ((st = qn_prep_run(qn_model_prep(m, QN_FIELD_INPUT, 0), &(qn_raw){ .text = questions[i] }, x)) ||
            (st = qn_model_predict(m, (const void *[]){ x }, 1, (void *[]){ y }, 1)))
            break;
        printf("%s Likes it: %s (%.2f)\n", questions[i], qn_prep_class(qn_model_prep(m, QN_FIELD_TARGET, 0), y[1] > y[0]),
               (double)(y[1] > y[0] ? y[1] : y[0]));
    }
    qn_model_destroy(&m);
    return st;
}

int main(int argc, char **argv)
{
    const char *sentences = argc > 1 ? argv[1] : "examples/data/sentences/yelp.tsv", *path = argc > 2 ? argv[2] : "likes.qn";
    static const char *text[MOST];
    static int32_t label[MOST];
    int64_t n;
    qn_lines *lines = NULL;
    qn_tokenizer *t = NULL;
    qn_prep *words = NULL;
    qn_dataset *ds = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_status st;

    /* A word that is new later on is "?". */
    if ((st = qn_lines_read(&lines, sentences, NULL)) || (st = qn_tokenizer_create(&t, &(qn_tokenizer_opt){ .unknown = "?" })))
        goto done;
    n = split(lines, text, label);
    printf("%lld sentences\n", (long long)n);
    if ((st = qn_tokenizer_fit(t, text, n)) || (st = qn_dataset_texts(&ds, t, text, label, n, LENGTH, NULL)) ||
        (st = qn_prep_text(&words, t, LENGTH, NULL)) || (st = qn_device_open(&dev, NULL, NULL)) ||
        (st = qn_model_create(&m, dev)) || (st = build(m, t, words)))
        goto done;
    if (!(st = qn_model_fit(m, ds, &(qn_fit_opt){ .epochs = 20, .batch = 16, .progress = stdout })) &&
        !(st = qn_model_save(m, path)))
        st = ask(dev, path);
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_dataset_close(&ds);
    qn_prep_release(&words);
    qn_tokenizer_destroy(&t);
    qn_lines_destroy(&lines);
    return st != QN_OK;
}
