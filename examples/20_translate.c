/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 20: from a file of sentences and their translations to a saved model that translates.
 *
 * usage: 20_translate [PAIRS [MODEL [SENTENCE...]]]
 *
 * An encoder reads a sentence; a decoder says of every place in the translation what comes next. Trained on whole translations
 * at once, it writes new ones piece by piece, by beam search. */
#include <quern/data_open.h>
#include <quern/quern.h>

#include <stdio.h>
#include <string.h>

enum { LENGTH = 16, FEATURES = 64, EPOCHS = 25, MOST = 20000 };

/* Of every pair of sentences: what is read, what is written so far, and what comes next. */
enum { READ, WRITTEN, NEXT, FIELDS };

/* Lines "SENTENCE<TAB>TRANSLATION": the TABs become ends; the two take turns. */
static int64_t split(const qn_lines *lines, const char **text)
{
    int64_t n = 0;

    for (int64_t i = 0; i < lines->lines && n < MOST; i++) {
        char *tab = strchr(lines->line[i], '\t');

        if (!tab)
            continue;
        *tab++ = '\0';
        tab[strcspn(tab, "\t")] = '\0';
        text[2 * n] = lines->line[i];
        text[2 * n + 1] = tab;
        n++;
    }
    return n;
}

/* Both languages share their pieces of words; two numbers more begin and end what is written. */
static qn_status prepare(qn_prep *prep[FIELDS], const char **text, int64_t n)
{
    const qn_pad_opt behind = { .pad_behind = true, .cut_behind = true };
    qn_tokenizer *t = NULL;
    qn_status st;

    if ((st = qn_tokenizer_create(&t, &(qn_tokenizer_opt){ .kind = QN_TOKENS_PAIRS, .limit = 2000 })) ||
        (st = qn_tokenizer_fit(t, text, 2 * n)) || (st = qn_prep_text(&prep[READ], t, LENGTH, &behind)) ||
        (st = qn_prep_text_marked(&prep[WRITTEN], t, LENGTH, &behind, (int32_t)qn_tokenizer_size(t), 0)))
        goto done;
    st = qn_prep_text_marked(&prep[NEXT], t, LENGTH, &behind, 0, (int32_t)qn_tokenizer_size(t) + 1);
done:
    qn_tokenizer_destroy(&t);
    return st;
}

static qn_status open_pairs(qn_dataset **out, qn_prep *prep[FIELDS], const char *path)
{
    static const char *const names[FIELDS] = { "sentence", "so_far", "translation" };
    static const char *text[2 * MOST];
    static int32_t number[FIELDS][MOST][LENGTH];
    qn_array array[FIELDS];
    int64_t n = 0;
    qn_lines *lines = NULL;
    qn_status st = qn_lines_gz(&lines, path, NULL);

    if (!st) {
        n = split(lines, text);
        st = prepare(prep, text, n);
    }
    for (int k = 0; k < FIELDS && !st; k++) {
        array[k] = (qn_array){ *qn_prep_field(prep[k]), number[k] };
        array[k].field.name = names[k];
        array[k].field.role = k == NEXT ? QN_FIELD_TARGET : QN_FIELD_INPUT;
        for (int64_t i = 0; i < n && !st; i++)
            st = qn_prep_run(prep[k], &(qn_raw){ .text = text[2 * i + (k != READ)] }, number[k][i]);
    }
    if (!st) {
        printf("%lld pairs\n", (long long)n);
        st = qn_dataset_arrays(out, n, array, FIELDS, NULL);
    }
    qn_lines_destroy(&lines);
    return st;
}

static qn_status build(qn_model *m, qn_prep *prep[FIELDS])
{
    const qn_transformer_opt block = { .heads = 4, .units = 2 * FEATURES, .dropout = 0.1f, .norm_first = true };
    const int words = qn_prep_text_end(prep[NEXT]) + 1;
    qn_val x[2];
    qn_status st = QN_OK;

    for (int k = READ; k <= WRITTEN; k++) {
        x[k] = qn_input(m, QN_I32, 1, (int64_t[]){ LENGTH });
        x[k] = qn_embedding(m, x[k], &(qn_embedding_opt){ .words = words, .units = FEATURES, .mask_zero = true });
        x[k] = qn_position_embedding(m, x[k], NULL);
    }
    x[READ] = qn_layernorm(m, qn_transformer_encoder(m, x[READ], &block), NULL);
    x[WRITTEN] = qn_layernorm(m, qn_transformer_decoder(m, x[WRITTEN], x[READ], &block), NULL);
    qn_model_output(m, qn_dense(m, x[WRITTEN], &(qn_dense_opt){ .units = words }));
    for (int k = 0; k < FIELDS && !st; k++)
        st = qn_model_set_prep(m, k == NEXT ? QN_FIELD_TARGET : QN_FIELD_INPUT, k == NEXT ? 0 : k, prep[k]);
    return st ? st : qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.003f), .from_logits = true,
                                                            .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY });
}

/* Load the model, and have it translate: the three preparations came with it. */
static qn_status ask(qn_device *dev, const char *path, const char *const *sentence, int sentences)
{
    qn_model *m = NULL;
    qn_status st = qn_model_load(&m, dev, path);
    const qn_prep *so_far = qn_model_prep(m, QN_FIELD_INPUT, 1), *next = qn_model_prep(m, QN_FIELD_TARGET, 0);
    const qn_beam_opt beam = { .width = 4, .length_penalty = 0.6f, .begin = qn_prep_text_begin(so_far),
                               .end = qn_prep_text_end(next) };

    for (int i = 0; i < sentences && !st; i++) {
        int32_t x[LENGTH], y[LENGTH];
        char text[512];
        int64_t count;
        size_t bytes;

        if (!(st = qn_prep_run(qn_model_prep(m, QN_FIELD_INPUT, 0), &(qn_raw){ .text = sentence[i] }, x)) &&
            !(st = qn_beam_search(m, x, 1, y, &count, NULL, &beam)) &&
            !(st = qn_tokenizer_decode(qn_prep_tokenizer(next), y, count, text, sizeof(text), &bytes)))
            printf("%s %s\n", sentence[i], text);
    }
    qn_model_destroy(&m);
    return st;
}

int main(int argc, char **argv)
{
    const char *pairs = argc > 1 ? argv[1] : "examples/data/translations/fra.tsv", *path = argc > 2 ? argv[2] : "french.qn";
    static const char *const some[] = { "She can swim.", "He can skate." }; /* only she can, in these pairs */
    qn_prep *prep[FIELDS] = { NULL };
    qn_dataset *ds = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_status st;

    if ((st = open_pairs(&ds, prep, pairs)) || (st = qn_device_open(&dev, NULL, NULL)) || (st = qn_model_create(&m, dev)) ||
        (st = build(m, prep)) ||
        (st = qn_model_fit(m, ds, &(qn_fit_opt){ .epochs = EPOCHS, .batch = 32, .progress = stdout })) ||
        (st = qn_model_save(m, path)))
        goto done;
    st = argc > 3 ? ask(dev, path, (const char *const *)argv + 3, argc - 3) : ask(dev, path, some, 2);
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_dataset_close(&ds);
    for (int k = 0; k < FIELDS; k++)
        qn_prep_release(&prep[k]);
    return st != QN_OK;
}
