/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tokenizers beside Keras's, pairs of bytes, lines in other encodings, JSON. */
#include <stdlib.h>
#include <string.h>

#include "data/text/text.h"
#include "io/file.h"
#include "io/json.h"
#include "test.h"

#define MOST 400

/* Texts of a JSON array; lent by the document. */
static int64_t texts_of(const struct qni_json_at *array, const char *out[MOST])
{
    struct qni_json_at at = {0};
    int64_t n = 0;

    while (n < MOST && qni_json_next(array, &at))
        CHECK_OK(qni_json_text(&at, &out[n++]));
    return n;
}

static int64_t numbers_of(const struct qni_json_at *array, int32_t out[MOST])
{
    struct qni_json_at at = {0};
    int64_t n = 0, v = 0;

    while (n < MOST && qni_json_next(array, &at)) {
        CHECK_OK(qni_json_int(&at, INT32_MIN, INT32_MAX, &v));
        out[n++] = (int32_t)v;
    }
    return n;
}

static qn_tokenizer_opt options_of(const struct qni_json_at *c)
{
    qn_tokenizer_opt o = {.join_ideographs = true};
    struct qni_json_at at;
    int64_t limit = 0;
    bool truth;

    if (qni_json_find(&at, c, "char_level") && qni_json_bool(&at, &truth) == QN_OK && truth)
        o.kind = QN_TOKENS_CHARACTERS;
    if (qni_json_find(&at, c, "lower") && qni_json_bool(&at, &truth) == QN_OK)
        o.keep_case = !truth;
    if (qni_json_find(&at, c, "num_words") && qni_json_int(&at, 0, 1000, &limit) == QN_OK)
        o.limit = (int)limit;
    if (qni_json_find(&at, c, "filters"))
        CHECK_OK(qni_json_text(&at, &o.filters));
    if (qni_json_find(&at, c, "oov_token"))
        CHECK_OK(qni_json_text(&at, &o.unknown));
    return o;
}

/* Another one by way of JSON. */
static qn_tokenizer *again(const qn_tokenizer *t)
{
    qn_tokenizer *copy = NULL;
    size_t n = 0, m = 0;
    char *text, *second;

    CHECK_OK(qn_tokenizer_to_json(t, NULL, 0, &n));
    text = malloc(n + 1);
    CHECK_OK(qn_tokenizer_to_json(t, text, n + 1, &m));
    CHECK(n == m && strlen(text) == n);
    CHECK_OK(qn_tokenizer_from_json(&copy, NULL, "text", text, n));
    second = malloc(n + 1);
    CHECK_OK(qn_tokenizer_to_json(copy, second, n + 1, &m));
    CHECK_STR(second, text);
    free(text);
    free(second);
    return copy;
}

static void compare(const qn_tokenizer *t, int number, const char *text, const int32_t *want, int64_t n, const char *back)
{
    int32_t got[MOST];
    int64_t count = -1;
    char out[1000];
    size_t bytes;

    CHECK_OK(qn_tokenizer_encode(t, text, got, MOST, &count));
    if (count != n || memcmp(got, want, (size_t)n * sizeof(*got)))
        test_fail(__FILE__, __LINE__, "case %d, \"%s\": %lld numbers or others, expected %lld", number, text, (long long)count,
                  (long long)n);
    CHECK_OK(qn_tokenizer_decode(t, got, count, out, sizeof(out), &bytes));
    CHECK_INT(strlen(out), bytes);
    if (t->opt.kind == QN_TOKENS_WORDS) /* Keras puts blanks between characters as well */
        CHECK_STR(out, back);
}

static void token_case(int number, const struct qni_json_at *c)
{
    const qn_tokenizer_opt o = options_of(c);
    const char *text[MOST], *back[MOST];
    struct qni_json_at fits, fit = {0}, texts, numbers, row = {0}, backs;
    qn_tokenizer *t = NULL, *copy;
    int64_t n;

    CHECK_OK(qn_tokenizer_create(&t, &o));
    CHECK_OK(qni_json_member(&fits, c, "fit"));
    while (qni_json_next(&fits, &fit)) {
        n = texts_of(&fit, text);
        CHECK_OK(qn_tokenizer_fit(t, text, n));
    }
    copy = again(t);
    CHECK_OK(qni_json_member(&texts, c, "texts"));
    CHECK_OK(qni_json_member(&numbers, c, "numbers"));
    CHECK_OK(qni_json_member(&backs, c, "back"));
    n = texts_of(&texts, text);
    CHECK_INT(texts_of(&backs, back), n);
    for (int64_t i = 0; i < n && qni_json_next(&numbers, &row); i++) {
        int32_t want[MOST];
        const int64_t count = numbers_of(&row, want);

        for (int64_t k = 0; k < count; k++)
            CHECK(want[k] < qn_tokenizer_size(t));
        compare(t, number, text[i], want, count, back[i]);
        compare(copy, number, text[i], want, count, back[i]);
    }
    qn_tokenizer_destroy(&t);
    qn_tokenizer_destroy(&copy);
}

static void pad_case(const struct qni_json_at *c)
{
    struct qni_json_at rows, padded, row = {0}, want = {0};
    int64_t length = 0, value = 0;
    const char *padding = "", *cutting = "";

    CHECK_OK(qni_json_get_int(c, "length", 0, 100, &length));
    CHECK_OK(qni_json_get_int(c, "value", -9, 9, &value));
    CHECK_OK(qni_json_get_text(c, "padding", &padding));
    CHECK_OK(qni_json_get_text(c, "truncating", &cutting));
    CHECK_OK(qni_json_member(&rows, c, "rows"));
    CHECK_OK(qni_json_member(&padded, c, "padded"));
    while (qni_json_next(&rows, &row) && qni_json_next(&padded, &want)) {
        const qn_pad_opt o = {!strcmp(padding, "post"), !strcmp(cutting, "post"), (int32_t)value};
        int32_t in[MOST], out[MOST], expected[MOST];
        const int64_t n = numbers_of(&row, in);

        out[length] = 77;
        CHECK_INT(numbers_of(&want, expected), length);
        CHECK_OK(qn_sequence_pad(out, length, in, n, &o));
        CHECK(!memcmp(out, expected, (size_t)length * sizeof(*out)) && out[length] == 77);
    }
}

static void keras(void)
{
    struct qni_json *json = NULL;
    struct qni_json_at root, list, c = {0};
    qn_context *ctx = NULL;
    char *text = NULL;
    size_t bytes = 0;
    int cases = 0, pads = 0;

    CHECK_OK(qn_context_create(&ctx, NULL));
    if (CHECK_OK(qni_file_read(ctx, TEST_SOURCE_DIR "/tests/fixtures/keras_text.json", 1 << 22, &text, &bytes)) &&
        CHECK_OK(qni_json_parse(&json, ctx, "keras_text.json", text, bytes, 0))) {
        root = qni_json_root(json);
        CHECK_OK(qni_json_member(&list, &root, "tokens"));
        while (qni_json_next(&list, &c))
            token_case(cases++, &c);
        c = (struct qni_json_at){0};
        CHECK_OK(qni_json_member(&list, &root, "pads"));
        while (qni_json_next(&list, &c)) {
            pad_case(&c);
            pads++;
        }
    }
    CHECK(cases == 16 && pads == 5);
    qni_json_free(&json);
    qni_free(ctx, &text);
    qn_context_destroy(&ctx);
}

static void ideographs(void)
{
    const char *text[] = {"这是一个示例文本", "这是一个", "Hello 世界\xe3\x80\x80ok"};
    qn_tokenizer *t = NULL;
    int32_t got[16];
    int64_t n;
    char out[64];
    size_t bytes;

    CHECK_OK(qn_tokenizer_create(&t, NULL));
    CHECK_OK(qn_tokenizer_fit(t, text, 3));
    CHECK_OK(qn_tokenizer_encode(t, text[0], got, 16, &n));
    CHECK_INT(n, 8);
    for (int i = 0; i < 8; i++)
        CHECK_INT(got[i], i + 1);
    CHECK_OK(qn_tokenizer_decode(t, got, n, out, sizeof(out), &bytes));
    CHECK_STR(out, "这 是 一 个 示 例 文 本");
    CHECK_OK(qn_tokenizer_encode(t, text[2], got, 16, &n));
    CHECK_INT(n, 4);
    CHECK_OK(qn_tokenizer_encode(t, "无hello无", got, 16, &n));
    CHECK_INT(n, 1);
    CHECK_OK(qn_tokenizer_encode(t, "文本文本", got, 2, &n));
    CHECK_INT(n, 4);
    qn_tokenizer_destroy(&t);
}

/* The smallest pairs by hand, then a text there and back. */
static void pairs(void)
{
    static const char *const texts[] = {"abab abab cd", "", "这是一个示例文本 这是一个示例文本", "  two  blanks\n\n\tand 123 4.5\n",
                                        "hello hello, hello!", "İ ß \xf0\x9f\x8c\xbe"};
    const char *const first[] = {"ababab"};
    qn_tokenizer *t = NULL, *copy;
    char longest[3000];
    int32_t got[3000], other[3000];
    int64_t n, m;
    char out[4000];
    size_t bytes;

    CHECK_OK(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.kind = QN_TOKENS_PAIRS}));
    CHECK_OK(qn_tokenizer_encode(t, "ab", got, 8, &n));
    CHECK(n == 2 && got[0] == 'a' + 1 && got[1] == 'b' + 1);
    CHECK_OK(qn_tokenizer_fit(t, first, 1));
    CHECK_INT(qn_tokenizer_size(t), 259); /* ab three times, then abab twice, then nothing twice */
    CHECK_OK(qn_tokenizer_encode(t, "ababab", got, 8, &n));
    CHECK(n == 2 && got[0] == 258 && got[1] == 257);
    CHECK_STATUS(qn_tokenizer_fit(t, first, 1), QN_E_STATE, "already");
    qn_tokenizer_destroy(&t);

    CHECK_OK(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.kind = QN_TOKENS_PAIRS, .limit = 300}));
    CHECK_OK(qn_tokenizer_fit(t, texts, QNI_COUNT(texts)));
    CHECK(qn_tokenizer_size(t) > 270 && qn_tokenizer_size(t) <= 300);
    copy = again(t);
    memset(longest, 'h', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    for (size_t i = 0; i <= QNI_COUNT(texts); i++) {
        const char *text = i < QNI_COUNT(texts) ? texts[i] : longest;

        CHECK_OK(qn_tokenizer_encode(t, text, got, 3000, &n));
        CHECK_OK(qn_tokenizer_encode(copy, text, other, 3000, &m));
        CHECK(n == m && !memcmp(got, other, (size_t)n * sizeof(*got)));
        CHECK(n <= (int64_t)strlen(text));
        for (int64_t k = 0; k < n; k++)
            CHECK(got[k] > 0 && got[k] < qn_tokenizer_size(t));
        CHECK_OK(qn_tokenizer_decode(t, got, n, out, sizeof(out), &bytes));
        CHECK_STR(out, text);
    }
    CHECK_OK(qn_tokenizer_encode(t, "这是一个示例文本", got, 3000, &n));
    CHECK(n < 8); /* of 24 bytes */
    qn_tokenizer_destroy(&t);
    qn_tokenizer_destroy(&copy);
}

/* Learned pairs are those that plain counting finds. */
static void plain_counting(void)
{
    char text[600];
    const char *const texts[] = {text};
    qn_tokenizer *t = NULL;
    int32_t piece[600];
    size_t n = 0, pieces[300][2], count = 0;

    for (size_t i = 0; i + 1 < sizeof(text); i++)
        text[i] = "abcd   "[test_integer(7)];
    text[sizeof(text) - 1] = 0;
    CHECK_OK(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.kind = QN_TOKENS_PAIRS, .limit = 300}));
    CHECK_OK(qn_tokenizer_fit(t, texts, 1));
    {
        char room[2000];
        struct qni_split s = {.opt = &t->opt, .at = (unsigned char *)text, .left = strlen(text), .piece = room};

        while (qni_split_next(&s)) {
            pieces[count][0] = n;
            for (size_t i = 0; i < s.bytes; i++)
                piece[n++] = (unsigned char)s.piece[i] + 1;
            pieces[count++][1] = s.bytes;
        }
    }
    for (size_t k = 0; k < t->pairs.pairs && !test_failed(); k++) {
        int32_t best[2] = {0, 0};
        int most = 1;

        for (int32_t a = 1; a < QNI_FIRST_PAIR + (int32_t)k; a++)
            for (int32_t b = 1; b < QNI_FIRST_PAIR + (int32_t)k; b++) {
                int here = 0;

                if ((a < 257 && !strchr("abcd ", a - 1)) || (b < 257 && !strchr("abcd ", b - 1)))
                    continue;
                for (size_t p = 0; p < count; p++)
                    for (size_t i = 0; i + 1 < pieces[p][1]; i++)
                        here += piece[pieces[p][0] + i] == a && piece[pieces[p][0] + i + 1] == b;
                if (here > most) {
                    most = here;
                    best[0] = a;
                    best[1] = b;
                }
            }
        CHECK_INT(t->pairs.pair[k].left, best[0]);
        CHECK_INT(t->pairs.pair[k].right, best[1]);
        for (size_t p = 0; p < count; p++) {
            int32_t *x = piece + pieces[p][0];
            size_t to = 0;

            for (size_t i = 0; i < pieces[p][1]; i++, to++) {
                const bool joins = i + 1 < pieces[p][1] && x[i] == best[0] && x[i + 1] == best[1];

                x[to] = joins ? QNI_FIRST_PAIR + (int32_t)k : x[i];
                i += joins;
            }
            pieces[p][1] = to;
        }
    }
    CHECK(t->pairs.pairs > 20);
    qn_tokenizer_destroy(&t);
}

struct bytes {
    const char *at;
    size_t left;
};

static qn_status give(void *user, void *to, size_t bytes, size_t *got)
{
    struct bytes *b = user;

    *got = QNI_MIN(QNI_MIN(bytes, b->left), 3);
    memcpy(to, b->at, *got);
    b->at += *got;
    b->left -= *got;
    return QN_OK;
}

static qn_status lines_of(qn_lines **out, const char *text, size_t n, const char *encoding)
{
    struct bytes b = {text, n};

    return qn_lines_read_from(out, &(qn_reader){.name = "text", .read = give, .user = &b}, &(qn_lines_opt){.encoding = encoding});
}

static void lines(void)
{
    static const struct {
        const char *text, *encoding;
        int64_t lines;
        const char *first, *last;
    } cases[] = {
        {"", NULL, 0, NULL, NULL},
        {"a", NULL, 1, "a", "a"},
        {"a\n", NULL, 1, "a", "a"},
        {"\n\n", NULL, 2, "", ""},
        {"a\r\nb\rc\nd", NULL, 4, "a", "d"},
        {"\xef\xbb\xbfx\r", NULL, 1, "x", "x"},
        {"caf\xe9\n\xe0", "ISO-8859-1", 2, "caf\xc3\xa9", "\xc3\xa0"},
        {"\xc4\xe3\xba\xc3", "GBK", 1, "你好", "你好"},
        {"\x93\xfa\x96\x7b", "SHIFT_JIS", 1, "日本", "日本"},
        {"caf\xc3\xa9", "UTF-8", 1, "caf\xc3\xa9", "caf\xc3\xa9"},
    };
    char large[5000];
    qn_lines *l = NULL;
    qn_status st;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        st = lines_of(&l, cases[i].text, strlen(cases[i].text), cases[i].encoding);
        if (st == QN_E_UNSUPPORTED && i >= 6 && i < 9) /* a C library that has few encodings */
            continue;
        if (!CHECK_OK(st))
            continue;
        CHECK_INT(l->lines, cases[i].lines);
        if (l->lines) {
            CHECK_STR(l->line[0], cases[i].first);
            CHECK_STR(l->line[l->lines - 1], cases[i].last);
        }
        qn_lines_destroy(&l);
    }
    memset(large, '\xe9', sizeof(large)); /* becomes twice as long */
    st = lines_of(&l, large, sizeof(large), "ISO-8859-1");
    if (st != QN_E_UNSUPPORTED && CHECK_OK(st))
        CHECK_INT(strlen(l->line[0]), 2 * sizeof(large));
    qn_lines_destroy(&l);
    CHECK_STATUS(lines_of(&l, "a\xff", 2, NULL), QN_E_FORMAT, "text: byte 1 is not UTF-8");
    CHECK_STATUS(lines_of(&l, "a\0b", 3, NULL), QN_E_FORMAT, "text: byte 1 is zero");
    CHECK_STATUS(lines_of(&l, "abc\xff", 4, "UTF-8"), QN_E_FORMAT, "text: byte 3 is not UTF-8");
    CHECK_STATUS(lines_of(&l, "ab", 2, "NO-SUCH-ENCODING"), QN_E_UNSUPPORTED, "NO-SUCH-ENCODING");
    CHECK_STATUS(qn_lines_read(&l, "/nowhere/at/all", NULL), QN_E_IO, "/nowhere/at/all");
    CHECK(!l);
}

/* What a line's fault was said to be, one behind the other. */
static void note(void *user, const char *line)
{
    strcat(strcat((char *)user, line), ";");
}

/* Lines that are no text are empty and told about, those beside them stay. */
static void bad_lines(void)
{
    static const struct { const char *text; size_t n; const char *encoding, *lines, *said; } cases[] = {
        {"a\n\xe9z\r\nb", 7, NULL, "a||b|", "text: line 2: byte 0 is not UTF-8;"},
        {"x\0y\nb\xff", 6, NULL, "||", "text: line 1: byte 1 is zero: not a text;text: line 2: byte 1 is not UTF-8;"},
        {"\xef\xbb\xbf" "a\n\xc3", 6, NULL, "a||", "text: line 2: byte 0 is not UTF-8;"},
        {"a\n\xff\xff\nb\n\x81", 8, "GB18030", "a||b||", "text: line 2: not GB18030;text: line 4: not GB18030;"},
        {"good\n", 5, NULL, "good|", ""},
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        struct bytes b = {cases[i].text, cases[i].n};
        char said[200] = "", all[100] = "";
        const qn_lines_opt opt = {.encoding = cases[i].encoding, .bad = note, .user = said};
        qn_lines *l = NULL;
        const qn_status st = qn_lines_read_from(&l, &(qn_reader){.name = "text", .read = give, .user = &b}, &opt);

        if (st == QN_E_UNSUPPORTED && cases[i].encoding) /* a C library that has few encodings */
            continue;
        CHECK_OK(st);
        for (int64_t k = 0; l && k < l->lines; k++)
            strcat(strcat(all, l->line[k]), "|");
        CHECK_STR(all, cases[i].lines);
        CHECK_STR(said, cases[i].said);
        qn_lines_destroy(&l);
    }
}

/* Where a line end is two bytes, a byte left out would shift all that follows: an error as without .bad. */
static void bad_wide_lines(void)
{
    struct bytes b = {"a\0\n\0\0\xdc" "b\0", 8};
    char said[200] = "";
    const qn_lines_opt opt = {.encoding = "UTF-16LE", .bad = note, .user = said};
    qn_lines *l = NULL;
    const qn_status st = qn_lines_read_from(&l, &(qn_reader){.name = "text", .read = give, .user = &b}, &opt);

    if (st != QN_E_UNSUPPORTED)
        CHECK_STATUS(st, QN_E_FORMAT, "text: byte 4 is not UTF-16LE");
    CHECK(!l && !*said);
}

/* Real sentences in another encoding. */
static void reviews(void)
{
    const char *shared = getenv("QUERN_SHARED");
    qn_tokenizer *t = NULL;
    qn_dataset *ds = NULL;
    qn_lines *l = NULL;
    char path[512];
    qn_status st;
    FILE *f;

    snprintf(path, sizeof(path), "%s/data/rt-polarity/rt-polarity.pos", shared ? shared : TEST_SOURCE_DIR "/../shared");
    if (!(f = fopen(path, "rb"))) {
        test_skip("there is no shared/data/rt-polarity");
        return;
    }
    fclose(f);
    CHECK_STATUS(qn_lines_read(&l, path, NULL), QN_E_FORMAT, "not UTF-8");
    st = qn_lines_read(&l, path, &(qn_lines_opt){.encoding = "ISO-8859-1"});
    if (st == QN_E_UNSUPPORTED) {
        test_skip("the C library knows no ISO-8859-1");
        return;
    }
    if (!CHECK_OK(st))
        return;
    CHECK_INT(l->lines, 5331);
    for (int kind = QN_TOKENS_WORDS; kind <= QN_TOKENS_PAIRS; kind++) {
        CHECK_OK(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.kind = (qn_token_kind)kind, .limit = 1000, .unknown = "?"}));
        CHECK_OK(qn_tokenizer_fit(t, (const char *const *)l->line, l->lines));
        CHECK(qn_tokenizer_size(t) <= 1000);
        CHECK_OK(qn_dataset_texts(&ds, t, (const char *const *)l->line, NULL, l->lines, 50, NULL));
        CHECK_INT(qn_dataset_samples(ds), 5331);
        qn_dataset_close(&ds);
        qn_tokenizer_destroy(&t);
    }
    qn_lines_destroy(&l);
}

static void datasets(void)
{
    const char *text[] = {"one two two", "two three three three", ""};
    const int32_t label[] = {1, 0, 1};
    qn_tokenizer *t = NULL;
    qn_dataset *ds = NULL;
    int32_t x[3][3], y[3];

    CHECK_OK(qn_tokenizer_create(&t, NULL));
    CHECK_OK(qn_tokenizer_fit(t, text, 3));
    CHECK_OK(qn_dataset_texts(&ds, t, text, label, 3, 3, NULL));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0, 1, 2}, 3, (void *[]){x, y}));
    CHECK(!memcmp(x, (int32_t[3][3]){{3, 1, 1}, {2, 2, 2}, {0, 0, 0}}, sizeof(x)));
    CHECK(!memcmp(y, label, sizeof(y)));
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_texts(&ds, t, text, NULL, 3, 3, &(qn_pad_opt){.cut_behind = true}));
    CHECK_INT(qn_dataset_fields(ds), 1);
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){1}, 1, (void *[]){x}));
    CHECK_INT(x[0][0], 1);
    qn_dataset_close(&ds);
    text[1] = "\xff";
    CHECK_STATUS(qn_dataset_texts(&ds, t, text, label, 3, 3, NULL), QN_E_FORMAT, "text 1: ");
    CHECK_STATUS(qn_tokenizer_fit(t, text, 3), QN_E_FORMAT, "text 1: ");
    CHECK_STATUS(qn_dataset_texts(&ds, t, text, label, 3, 0, NULL), QN_E_ARG, "length 0");
    CHECK(!ds);
    qn_tokenizer_destroy(&t);
}

static void refused(void)
{
#define HEAD(kind)                                                                                                    \
    "{\"quern.tokenizer\":1,\"kind\":\"" kind "\",\"limit\":0,\"filters\":\"\",\"keep_case\":false,"                     \
    "\"join_ideographs\":false,"
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"", "file"},
        {"[]", "file"},
        {"{}", "quern.tokenizer"},
        {"{\"quern.tokenizer\":2}", "newer"},
        {HEAD("songs") "\"words\":[]}", "songs"},
        {HEAD("words") "\"words\":[\"a\"],\"counts\":[]}", "more words than counts"},
        {HEAD("words") "\"words\":[\"a\"],\"counts\":[1,2]}", "more counts than words"},
        {HEAD("words") "\"words\":[\"a\",\"a\"],\"counts\":[1,2]}", "there twice"},
        {HEAD("words") "\"words\":[\"\"],\"counts\":[1]}", "empty"},
        {HEAD("words") "\"words\":[\"a\"],\"counts\":[0]}", "counts[0]"},
        {HEAD("words") "\"words\":{},\"counts\":[0]}", "no array"},
        {HEAD("pairs") "\"pairs\":[98]}", "odd"},
        {HEAD("pairs") "\"pairs\":[98,257]}", "that are none"},
        {HEAD("pairs") "\"pairs\":[98,98,98,98]}", "there already"},
        {HEAD("pairs") "\"pairs\":[1,1,257,257,258,258,259,259,260,260,261,261,262,262,263,263,264,264]}", "more than 256 bytes"},
    };
    qn_tokenizer *t = NULL;
    size_t n;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        CHECK_STATUS(qn_tokenizer_from_json(&t, NULL, "file", cases[i].json, strlen(cases[i].json)), QN_E_FORMAT, cases[i].part);
        CHECK(!t);
    }
    CHECK_STATUS(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.kind = (qn_token_kind)3}), QN_E_ARG, "kind 3");
    CHECK_STATUS(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.limit = -1}), QN_E_ARG, "limit -1");
    CHECK_STATUS(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.kind = QN_TOKENS_PAIRS, .limit = 256}), QN_E_ARG, "256");
    CHECK_STATUS(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.filters = "\xff"}), QN_E_FORMAT, "filters");
    CHECK_STATUS(qn_tokenizer_fit(NULL, NULL, 0), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_tokenizer_to_json(NULL, NULL, 0, &n), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_sequence_pad(NULL, 3, NULL, 0, NULL), QN_E_ARG, "NULL");
}

int main(void)
{
    test_run("tokens: Keras's Tokenizer and pad_sequences", keras);
    test_run("tokens: Chinese by character", ideographs);
    test_run("tokens: pairs of bytes", pairs);
    test_run("tokens: pairs as plain counting finds them", plain_counting);
    test_run("tokens: lines and encodings", lines);
    test_run("tokens: lines that are no text are passed over", bad_lines);
    test_run("tokens: lines of wide characters are not", bad_wide_lines);
    test_run("tokens: texts as a dataset", datasets);
    test_run("tokens: film reviews", reviews);
    test_run("tokens: what is refused", refused);
    return test_end();
}
