/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 12: a training loop of one's own over text, with a schedule, and a model that writes.
 *
 * A text becomes a data set of characters; causal convolutions say of each character what comes next; qn_generate()
 * draws from that, one character after another. The vocabulary travels with the model as a note. */
#include <quern/quern.h>

#include <stdio.h>
#include <string.h>

enum { BATCH = 16, TIME = 32, STEPS = 150 };

static const char rhyme[] =
    "This is the farmer sowing his corn,\nThat kept the cock that crowed in the morn,\n"
    "That waked the priest all shaven and shorn,\nThat married the man all tattered and torn,\n"
    "That kissed the maiden all forlorn,\nThat milked the cow with the crumpled horn,\n"
    "That tossed the dog,\nThat worried the cat,\nThat killed the rat,\nThat ate the malt\n"
    "That lay in the house that Jack built.\n";

/* The data set's bytes come from memory here; qn_dataset_text() takes a file. */
static qn_status give(void *user, void *to, size_t bytes, size_t *got)
{
    const char **at = user;
    size_t left = strlen(*at);

    *got = bytes < left ? bytes : left;
    memcpy(to, *at, *got);
    *at += *got;
    return QN_OK;
}

static qn_status build(qn_model *m, int64_t characters)
{
    qn_optimizer o = qn_adamw(0.01f, 0.01f);
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ TIME });

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = (int)characters, .units = 32 });
    for (int i = 0; i < 3; i++)
        x = qn_conv1d(m, x, &(qn_conv_opt){ .filters = 48, .kernel = { 3 }, .dilation = { 1 << i }, .padding = QN_CAUSAL,
                                            .act = QN_TANH });
    x = qn_layernorm(m, x, NULL);
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)characters }));
    o.global_clip_norm = 1.0f;
    o.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .warmup = 10, .steps = STEPS - 10, .end = 0.1f };
    return qn_model_compile(m, &(qn_compile_opt){ .optimizer = o, .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                  .from_logits = true, .metrics = { QN_ACCURACY } });
}

static qn_status train(qn_model *m, qn_dataset *ds)
{
    int32_t x[BATCH][TIME], y[BATCH][TIME];
    int64_t index[BATCH];
    qn_logs logs = { 0 };
    qn_status st;

    for (int step = 0; step < STEPS; step++) {
        bool look = step == 0 || (step + 1) % 50 == 0;

        /* Sample i begins at a place of its own, drawn by its number. */
        for (int i = 0; i < BATCH; i++)
            index[i] = step * BATCH + i;
        if ((st = qn_dataset_read(ds, index, BATCH, (void *const[]){ x, y })) ||
            (st = qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ y }, NULL, BATCH, look ? &logs : NULL)))
            return st;
        if (look)
            printf("step %d: loss %.4f\n", step + 1, qn_logs_get(&logs, "loss"));
    }
    return qn_logs_get(&logs, "loss") < 0.5 ? QN_OK : qn_error_set(QN_E_INTERNAL, "the network has learnt too little");
}

static qn_status write_one(void *user, int32_t number, bool *stop)
{
    char text[5];

    qn_text_decode(user, number, text);
    *stop = *text == '\n';
    printf("%s", text);
    return QN_OK;
}

int main(void)
{
    const char *at = rhyme, *vocabulary;
    const qn_reader reader = { .name = "rhyme", .read = give, .user = &at };
    int32_t prompt[64];
    int64_t n = 0;
    qn_device *dev = NULL;
    qn_dataset *ds = NULL;
    qn_model *m = NULL;
    qn_status st;

    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_model_create(&m, dev)) ||
        (st = qn_dataset_text_from(&ds, &reader, &(qn_text_opt){ .length = TIME, .fraction = -1, .samples = STEPS * BATCH })))
        goto done;
    vocabulary = qn_dataset_vocabulary(ds);
    if ((st = qn_text_encode(vocabulary, vocabulary, NULL, 0, &n)) || (st = build(m, n)) ||
        (st = qn_model_set_note(m, "vocabulary", vocabulary)) || (st = train(m, ds)))
        goto done;
    printf("That tossed the ");
    if ((st = qn_text_encode(vocabulary, "That tossed the ", prompt, 64, &n)))
        goto done;
    st = qn_generate(m, prompt, n, NULL, 40, NULL,
                     &(qn_generate_opt){ .sampling = { .greedy = true }, .call = write_one,
                                         .user = (void *)(uintptr_t)qn_model_note(m, "vocabulary") });
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_dataset_close(&ds);
    qn_model_destroy(&m);
    qn_device_close(&dev);
    return st != QN_OK;
}
