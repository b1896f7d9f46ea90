/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Plays a target's corpus, and random changes of it, as an ordinary test.
 * usage: TARGET CORPUS_FOLDER MUTATIONS [FILE...]
 * With files, only those are played, as libFuzzer's reports are. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "test.h"

#define MOST_FILES 200
#define MOST_BYTES 65536

static struct {
    uint8_t *data;
    size_t bytes;
} corpus[MOST_FILES];
static int files, mutations;

static void load(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(MOST_BYTES);

    if (!f || files == MOST_FILES) {
        CHECK(f != NULL && files < MOST_FILES);
        free(data);
    } else {
        corpus[files].bytes = fread(data, 1, MOST_BYTES, f);
        corpus[files++].data = data;
    }
    if (f)
        fclose(f);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load_folder(const char *folder)
{
    char *names[MOST_FILES], path[4096];
    DIR *d = opendir(folder);
    struct dirent *entry;
    int n = 0;

    while (d && (entry = readdir(d)) && n < MOST_FILES)
        if (entry->d_name[0] != '.')
            names[n++] = strdup(entry->d_name);
    if (d)
        closedir(d);
    qsort(names, (size_t)n, sizeof(names[0]), compare_names); /* the same order everywhere */
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        load(path);
        free(names[i]);
    }
}

static void play(const uint8_t *data, size_t bytes)
{
    uint8_t *exact = malloc(bytes ? bytes : 1); /* so that a sanitizer sees a read beyond */

    memcpy(exact, data, bytes);
    LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
}

static void play_corpus(void)
{
    CHECK(files > 0);
    for (int i = 0; i < files; i++)
        play(corpus[i].data, corpus[i].bytes);
    play(corpus[0].data, 0);
}

/* One random change of data[n], room for 2 * MOST_BYTES; the new length. */
static size_t change(uint8_t *data, size_t n)
{
    static const uint8_t often[] = {0,   1,   0x7f, 0x80, 0xff, '"', ',', '{', '}',
                                    '[', ']', ':',  '\\', '\n', '0', '9', '-', 'e'};
    size_t at = (size_t)test_integer((int64_t)n + 1), length = (size_t)test_integer(16) + 1;
    int other = (int)test_integer(files);

    switch (test_integer(8)) {
    case 0: /* a bit */
        if (at < n)
            data[at] ^= (uint8_t)(1 << test_integer(8));
        return n;
    case 1: /* a byte */
        if (at < n)
            data[at] = often[test_integer(sizeof(often))];
        return n;
    case 2: /* a number up or down */
        if (at < n)
            data[at] = (uint8_t)(data[at] + test_integer(9) - 4);
        return n;
    case 3: /* the end away */
        return at;
    case 4: /* some away */
        length = length < n - at ? length : n - at;
        memmove(data + at, data + at + length, n - at - length);
        return n - length;
    case 5: /* one more */
        memmove(data + at + 1, data + at, n - at);
        data[at] = often[test_integer(sizeof(often))];
        return n + 1;
    case 6: /* some twice */
        length = length < n - at ? length : n - at;
        memmove(data + at + length, data + at, n - at);
        return n + length;
    default: /* the rest of another file */
        if (!corpus[other].bytes)
            return n;
        length = (size_t)test_integer((int64_t)corpus[other].bytes);
        memcpy(data + at, corpus[other].data + length, corpus[other].bytes - length);
        return at + corpus[other].bytes - length;
    }
}

static void play_changes(void)
{
    uint8_t *data = malloc(4 * MOST_BYTES);

    for (int i = 0; i < mutations; i++) {
        int from = (int)test_integer(files), changes = 1 + (int)test_integer(6);
        size_t n = corpus[from].bytes;

        memcpy(data, corpus[from].data, n);
        while (changes-- && n < 2 * MOST_BYTES)
            n = change(data, n);
        play(data, n);
    }
    free(data);
}

int main(int argc, char **argv)
{
    qn_context *ctx = fuzz_context();

    if (argc < 3) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER MUTATIONS [FILE...]\n", argv[0]);
        return 2;
    }
    mutations = atoi(argv[2]);
    if (argc == 3)
        load_folder(argv[1]);
    for (int i = 3; i < argc; i++)
        load(argv[i]);
    test_run("fuzz: the corpus", play_corpus);
    if (argc == 3)
        test_run("fuzz: random changes of the corpus", play_changes);
    for (int i = 0; i < files; i++)
        free(corpus[i].data);
    qn_context_destroy(&ctx);
    return test_end();
}
