/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Text as a dataset: vocabularies, windows, and files that are none. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "harness/test.h"

struct bytes {
    const char *at;
    size_t left, most; /* most: at once */
};

static qn_status give(void *user, void *to, size_t bytes, size_t *got)
{
    struct bytes *b = user;

    *got = bytes < b->most ? bytes : b->most;
    *got = *got < b->left ? *got : b->left;
    memcpy(to, b->at, *got);
    b->at += *got;
    b->left -= *got;
    return QN_OK;
}

static qn_status from(qn_dataset **out, const char *text, size_t bytes, const qn_text_opt *opt)
{
    struct bytes b = {text, bytes, 1 << 20};

    return qn_dataset_text_from(out, &(qn_reader){.name = "text", .read = give, .user = &b}, opt);
}

static void vocabulary(void)
{
    /* One to four bytes a character. */
    static const char text[] = "ba\xc3\xa9" "a\xe2\x82\xac" "b\xf0\x9f\x8c\xbe" "\n";
    const qn_text_opt o = {.length = 3, .fraction = -1};
    qn_dataset *ds = NULL;
    int32_t number[16];
    int64_t n = 0;
    char out[5];

    CHECK_OK(from(&ds, text, strlen(text), &o));
    CHECK_STR(qn_dataset_vocabulary(ds), "\nab\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xbe");
    CHECK_OK(qn_text_encode(qn_dataset_vocabulary(ds), text, number, 16, &n));
    CHECK_INT(n, 8);
    for (int i = 0; i < 8; i++)
        CHECK_INT(number[i], ((const int[]){2, 1, 3, 1, 4, 2, 5, 0})[i]);
    qn_text_decode(qn_dataset_vocabulary(ds), 5, out);
    CHECK_STR(out, "\xf0\x9f\x8c\xbe");
    qn_text_decode(qn_dataset_vocabulary(ds), 3, out);
    CHECK_STR(out, "\xc3\xa9");
    qn_text_decode(qn_dataset_vocabulary(ds), 6, out);
    CHECK_STR(out, "");
    CHECK_STATUS(qn_text_encode("ab", "abc", number, 16, &n), QN_E_FORMAT, "U+0063");
    CHECK_STATUS(qn_text_encode("ab", "a\xff", number, 16, &n), QN_E_FORMAT, "UTF-8");
    CHECK_OK(qn_text_encode("ab", "abab", number, 2, &n));
    CHECK_INT(n, 4);
    qn_dataset_close(&ds);
    CHECK_STATUS(from(&ds, text, strlen(text), &(qn_text_opt){.length = 3, .fraction = -1, .vocabulary = "ab"}), QN_E_FORMAT,
                 "not of the vocabulary");
    CHECK_STATUS(from(&ds, text, strlen(text), &(qn_text_opt){.length = 3, .fraction = -1, .vocabulary = "aba"}), QN_E_ARG,
                 "twice");
    CHECK(!ds && !qn_dataset_vocabulary(NULL));
}

static void windows(void)
{
    char text[1001];
    const qn_text_opt train = {.length = 7, .fraction = 0.2}, held = {.length = 7, .fraction = 0.2, .held_out = true};
    int64_t index[114];
    int32_t x[114][7], y[114][7], again[114][7];
    void *const out[2] = {x, y};
    qn_dataset *ds = NULL;
    int places[1000] = {0}, different = 0;

    /* Each place of the text has a number of its own: three letters say it. */
    for (int i = 0; i < 1000; i++)
        text[i] = (char)('a' + (i * i + i / 7) % 23);
    for (int i = 0; i < 114; i++)
        index[i] = i;
    CHECK_OK(from(&ds, text, 1000, &train));
    CHECK_INT(qn_dataset_samples(ds), 800 / 7);
    CHECK_OK(qn_dataset_read(ds, index, 114, out));
    for (int i = 0; i < 114; i++) {
        int found = -1;

        for (int at = 0; at + 8 <= 800 && found < 0; at++) {
            bool same = true;

            for (int k = 0; k < 7 && same; k++)
                same = x[i][k] == text[at + k] - 'a' && y[i][k] == text[at + k + 1] - 'a';
            found = same ? at : -1;
        }
        CHECK(found >= 0);
        places[found >= 0 ? found : 0]++;
    }
    for (int i = 0; i < 1000; i++)
        different += places[i] > 0;
    CHECK(different > 60); /* at random, not all the same */
    CHECK_OK(qn_dataset_read(ds, index, 114, (void *const[2]){again, NULL}));
    CHECK(!memcmp(x, again, sizeof(x)));
    qn_dataset_close(&ds);
    CHECK_OK(from(&ds, text, 1000, &held));
    CHECK_INT(qn_dataset_samples(ds), 199 / 7);
    CHECK_OK(qn_dataset_read(ds, index, 28, out));
    for (int i = 0; i < 28; i++)
        for (int k = 0; k < 7; k++)
            CHECK(x[i][k] == text[800 + 7 * i + k] - 'a' && y[i][k] == text[801 + 7 * i + k] - 'a');
    qn_dataset_close(&ds);
}

/* Another epoch and another seed begin elsewhere. */
static void draws(void)
{
    char text[4000];
    int32_t x[3][16][9];
    int64_t index[16];
    qn_dataset *ds = NULL;

    for (int i = 0; i < 4000; i++)
        text[i] = (char)('a' + test_integer(26));
    for (int i = 0; i < 16; i++)
        index[i] = i;
    CHECK_OK(from(&ds, text, sizeof(text), &(qn_text_opt){.length = 9}));
    for (int k = 0; k < 3 && ds; k++)
        CHECK_OK(qni_dataset_read(ds, &(struct qni_read){.index = index, .count = 16, .out = (void *const[2]){x[k], NULL},
                                                         .seed = k == 1, .epoch = k == 2}));
    CHECK(memcmp(x[0], x[1], sizeof(x[0])) && memcmp(x[0], x[2], sizeof(x[0])));
    qn_dataset_close(&ds);
}

static void hostile(void)
{
    static const struct {
        const char *text;
        size_t bytes;
        const char *part;
    } cases[] = {
        {"", 0, "characters"},           {"abcd", 4, "characters"},      {"abcdefgh\0ijklmnopqr", 19, "zero"},
        {"abcdefghijkl\x80mnop", 17, "UTF-8"}, {"abcdefghijklmnop\xc3", 17, "UTF-8"}, {"abcdefghijklmno\xc0\x80p", 18, "UTF-8"},
        {"abcdefghijklm\xed\xa0\x80no", 18, "UTF-8"}, {"abcdefghijklm\xf4\x90\x80\x80no", 19, "UTF-8"},
    };
    qn_dataset *ds = NULL;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        CHECK_STATUS(from(&ds, cases[i].text, cases[i].bytes, &(qn_text_opt){.length = 4, .fraction = -1}), QN_E_FORMAT,
                     cases[i].part);
        CHECK(!ds);
    }
    CHECK_STATUS(from(&ds, "abcdefgh", 8, &(qn_text_opt){.length = 2, .max_bytes = 7}), QN_E_FORMAT, "longer");
    CHECK_STATUS(from(&ds, "abcdefgh", 8, &(qn_text_opt){.length = -2}), QN_E_ARG, "length");
    CHECK_STATUS(from(&ds, "abcdefgh", 8, &(qn_text_opt){.fraction = 1}), QN_E_ARG, "fraction");
    CHECK_STATUS(qn_dataset_text(&ds, "/nowhere/at/all", NULL), QN_E_IO, "cannot be opened");
    CHECK_STATUS(qn_dataset_text(&ds, "/", NULL), QN_E_IO, "folder");
}

int main(void)
{
    test_run("text: vocabulary and numbers", vocabulary);
    test_run("text: windows of both parts", windows);
    test_run("text: another seed or epoch draws others", draws);
    test_run("text: files that are none", hostile);
    return test_end();
}
