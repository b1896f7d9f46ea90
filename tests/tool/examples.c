/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every lesson in examples/ runs and says what it promises. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA TEST_SOURCE_DIR "/examples/data"

/* Parts of what each prints, in order. */
static const struct lesson {
    const char *name;
    const char *says[3];
} lessons[] = {
    { "01_devices", { "compute units", "opened ", "bytes of it are in use" } },
    { "02_tensor",
      { "the middle row: 10 11 12 13", "0 1 2 3 -1 -1 -1 -1 20 21 22 23", "refused: " } },
    { "03_operation", { "matmul by the algorithm ", "below 1e-5" } },
    { "04_graph", { "before: loss ", "after: y = 3.00 x + 0.50" } },
    { "05_mlp", { "dense (Dense)", "accuracy ", "spiral 0 with probability" } },
    { "06_cnn", { "Epoch 1/1", "val_accuracy", "test accuracy 0." } },
    { "07_own_loop", { "step 1: loss", "step 400: loss" } },
    { "08_save_load", { "loaded after 3 epochs, 4 weights", "bit for bit" } },
    { "10_sequence_classifier", { "step 1: loss", "step 300: loss", "of 32 new waves are told apart" } },
    { "11_transformer", { "step 1: loss", "step 400: loss", "of 32 new rows are said backwards" } },
    { "12_text", { "step 1: loss", "step 150: loss", "That tossed the dog," } },
    { "09_interop", { "the last row ends in 0.6323 and adds up to 1.0000" } },
    { "13_embedded",
      { "of 128 new points are judged rightly", "the application's buffers: yes",
        "afterwards: 0 blocks of host memory, 1 reference" } },
    { "15_table", { "400 rows of 12 columns", "mini-batch, 32 hidden units: ", "a wine with a missing value: quality 5." } },
    { "16_images", { "4 classes, accuracy ", "two/03.png: two" } },
    { "17_text", { "200 sentences", "friendly! Likes it: yes", "slow service. Likes it: no" } },
    { "18_speech", { "24 times 13 cepstra, standardised", "Epoch 30/30", "of 6 new recordings are heard rightly" } },
    { "19_recsys", { "1500 users, 223 pages", "Epoch 5/5", "After /products and /msdownload comes /" } },
    { "20_translate", { "600 pairs", "She can swim. Elle sait nager.", "He can skate. Il " } },
    { "21_resnet", { "Epoch 12/12", "after epoch ", " of 16 new pictures are told apart" } },
    { "14_plugin", { "time 1: it is gone", "time 2: 2 * 0.25 - 1 is about -0.50", "time 2: it is gone" } },
};

static const char *const *paths;
static int path_count;

static void run(const void *arg)
{
    const struct lesson *l = arg;
    const char *at, *tmp = getenv("TMPDIR");
    struct command_result r;
    char file[256], arguments[1024];

    command_path = NULL;
    for (int i = 0; i < path_count; i++)
        if (strstr(paths[i], l->name))
            command_path = paths[i];
    if (!command_path) {
        test_skip("not built here");
        return;
    }
    snprintf(file, sizeof(file), "%.200s/quern-lesson-%ld.qn", tmp && *tmp ? tmp : "/tmp", (long)getpid());
    if (strstr(l->name, "15_"))
        snprintf(arguments, sizeof(arguments), "%s/winequality/red.csv %s", DATA, file);
    else if (strstr(l->name, "16_"))
        snprintf(arguments, sizeof(arguments), "%s/digit-pictures %s %s/digit-pictures/two/03.png", DATA, file, DATA);
    else if (strstr(l->name, "17_"))
        snprintf(arguments, sizeof(arguments), "%s/sentences/yelp.tsv %s", DATA, file);
    else if (strstr(l->name, "19_"))
        snprintf(arguments, sizeof(arguments), "%s/visits/msweb.data %s", DATA, file);
    else if (strstr(l->name, "20_"))
        snprintf(arguments, sizeof(arguments), "%s/translations/fra.tsv %s", DATA, file);
    else if (strstr(l->name, "21_"))
        snprintf(arguments, sizeof(arguments), "%s/digit-pictures %s 12", DATA, file);
    else if (strstr(l->name, "18_"))
        snprintf(arguments, sizeof(arguments), "%s/spoken %s", DATA, file);
    else
        snprintf(arguments, sizeof(arguments), "%s", strstr(l->name, "cnn") ? "digits 1" : strstr(l->name, "save") ? file : "");
    command_run(&r, arguments, 0);
    unlink(file);
    CHECK_STR(r.err, "");
    at = r.out;
    for (int i = 0; i < 3 && l->says[i] && at; i++) {
        at = strstr(at, l->says[i]);
        if (!at)
            test_fail(__FILE__, __LINE__, "it does not say \"%s\" in: %.600s", l->says[i], r.out);
    }
    command_free(&r);
}

int main(int argc, char **argv)
{
    char name[64];

    paths = (const char *const *)argv + 1;
    path_count = argc - 1;
    setenv("QUERN_DATA", DATA, 1);
    for (size_t i = 0; i < sizeof(lessons) / sizeof(lessons[0]); i++) {
        snprintf(name, sizeof(name), "examples: %s", lessons[i].name);
        test_run_with(name, run, &lessons[i]);
    }
    return test_end();
}
