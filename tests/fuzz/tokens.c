/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte of options; then a text to learn from, to encode and to decode, or a tokenizer's JSON. */
#include <stdlib.h>
#include <string.h>

#include <quern/data_text.h>

#include "fuzz.h"

/* What it knows is written, read and written again as the same. */
static void write_again(const qn_tokenizer *t)
{
    qn_tokenizer *copy = NULL;
    size_t n, m;
    char *first, *second;

    fuzz_check(qn_tokenizer_to_json(t, NULL, 0, &n) == QN_OK, "no JSON");
    first = calloc(1, n + 1);
    second = calloc(1, n + 1);
    fuzz_check(qn_tokenizer_to_json(t, first, n + 1, &m) == QN_OK && m == n, "JSON of another length");
    fuzz_check(qn_tokenizer_from_json(&copy, fuzz_context(), "t", first, n) == QN_OK, "what was written cannot be read");
    fuzz_check(qn_tokenizer_to_json(copy, second, n + 1, &m) == QN_OK && m == n && !memcmp(first, second, n),
               "written again it differs");
    qn_tokenizer_destroy(&copy);
    free(first);
    free(second);
}

static void there_and_back(const qn_tokenizer *t, const char *text, bool pairs)
{
    const size_t bytes = strlen(text);
    int32_t *number = malloc((bytes * 2 + 1) * sizeof(*number));
    char *back = malloc(bytes + 1);
    int64_t count;
    size_t n;

    if (qn_tokenizer_encode(t, text, number, (int64_t)bytes * 2, &count) == QN_OK) {
        fuzz_check(count <= (int64_t)bytes * 2, "more numbers than bytes");
        for (int64_t i = 0; i < count; i++)
            fuzz_check(number[i] > 0 && number[i] < qn_tokenizer_size(t), "a number out of range");
        fuzz_check(qn_tokenizer_decode(t, number, count, back, bytes + 1, &n) == QN_OK, "cannot be decoded");
        fuzz_check(!pairs || (n == bytes && !memcmp(back, text, n)), "there and back it differs");
    }
    free(number);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    qn_tokenizer_opt opt = {.context = fuzz_context()};
    qn_tokenizer *t = NULL;
    char *text;

    if (bytes < 1)
        return 0;
    text = malloc(bytes);
    memcpy(text, data + 1, bytes - 1);
    text[bytes - 1] = 0;
    opt.kind = (qn_token_kind)(data[0] % 3);
    opt.limit = opt.kind == QN_TOKENS_PAIRS ? 300 : data[0] >> 2 & 3;
    opt.keep_case = data[0] & 16;
    opt.join_ideographs = data[0] & 32;
    opt.unknown = data[0] & 64 ? "?" : NULL;
    if (opt.unknown && opt.limit == 1)
        opt.limit = 2; /* else not even number 1 is below it */
    if (data[0] & 128) {
        if (qn_tokenizer_from_json(&t, opt.context, "t", text, bytes - 1) == QN_OK)
            write_again(t);
        else
            fuzz_check(!t && *qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
    } else {
        const char *const texts[] = {text};

        fuzz_check(qn_tokenizer_create(&t, &opt) == QN_OK, "no tokenizer");
        if (qn_tokenizer_fit(t, texts, 1) != QN_OK)
            fuzz_check(*qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
        there_and_back(t, text, opt.kind == QN_TOKENS_PAIRS);
        write_again(t);
    }
    qn_tokenizer_destroy(&t);
    free(text);
    return 0;
}
