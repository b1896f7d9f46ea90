/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "io/json.h"

#include <math.h>
#include <stdlib.h>

#include "test.h"

static qn_context *ctx;

static qn_status parse(struct qni_json **out, const char *text, size_t n)
{
    char *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read beyond */
    qn_status st;

    memcpy(exact, text, n);
    st = qni_json_parse(out, ctx, "m.json", exact, n, 8);
    free(exact);
    return st;
}

struct broken {
    const char *name, *text;
    size_t bytes;
    const char *part;
};

#define TEXT(s) s, sizeof(s) - 1

static const struct broken broken[] = {
    {"json: nothing", TEXT(""), "line 1, column 1: the text ends too early"},
    {"json: blanks", TEXT(" \n "), "line 2, column 2: the text ends too early"},
    {"json: byte order mark", TEXT("\xef\xbb\xbf{}"), "column 1: expected a value"},
    {"json: two values", TEXT("1 2"), "column 3: expected the end of the text"},
    {"json: a zero behind", TEXT("{}\0"), "column 3: expected the end"},
    {"json: comma behind", TEXT("[1,]"), "column 4: expected a value"},
    {"json: comma alone", TEXT("[,1]"), "column 2: expected a value"},
    {"json: no comma", TEXT("[1 2]"), "column 4: expected ',' or ']'"},
    {"json: wrong bracket", TEXT("[1}"), "column 3: expected ',' or ']'"},
    {"json: open array", TEXT("[1"), "ends too early"},
    {"json: open object", TEXT("{\"a\":1"), "ends too early"},
    {"json: comma in an object", TEXT("{\"a\":1,}"), "column 8: expected a key in quotes"},
    {"json: key without quotes", TEXT("{a:1}"), "column 2: expected a key in quotes"},
    {"json: no colon", TEXT("{\"a\" 1}"), "column 6: expected ':'"},
    {"json: key twice", TEXT("{\"a\":1,\"b\":2,\"\\u0061\":3}"), "has the key \"a\" twice"},
    {"json: words", TEXT("[True]"), "column 2: expected a value"},
    {"json: half a word", TEXT("nul"), "expected a value"},
    {"json: NaN", TEXT("NaN"), "expected a value"},
    {"json: leading zero", TEXT("01"), "expected a value"},
    {"json: minus alone", TEXT("-"), "expected a value"},
    {"json: plus", TEXT("+1"), "expected a value"},
    {"json: point alone", TEXT("1."), "ends too early"},
    {"json: no digit", TEXT("[1.x]"), "column 4: expected a digit"},
    {"json: exponent alone", TEXT("1e+"), "ends too early"},
    {"json: too large", TEXT("1e999"), "a number out of range"},
    {"json: hexadecimal", TEXT("0x1"), "expected the end"},
    {"json: open string", TEXT("\"ab"), "ends too early"},
    {"json: open escape", TEXT("\"\\"), "stands for no character"},
    {"json: wrong escape", TEXT("\"\\x41\""), "column 2: an escape that stands for no character"},
    {"json: short \\u", TEXT("\"\\u12"), "stands for no character"},
    {"json: \\u0000", TEXT("\"\\u0000\""), "stands for no character"},
    {"json: low surrogate", TEXT("\"\\udc00\""), "stands for no character"},
    {"json: high surrogate", TEXT("\"\\ud800\\u0041\""), "stands for no character"},
    {"json: high surrogate alone", TEXT("\"\\ud800\""), "stands for no character"},
    {"json: newline in a string", TEXT("\"a\nb\""), "a control character"},
    {"json: zero in a string", TEXT("\"a\0b\""), "a control character"},
    {"json: not UTF-8", TEXT("\"\xff\""), "not UTF-8"},
    {"json: cut UTF-8", TEXT("\"\xe2\x82\""), "not UTF-8"},
    {"json: overlong UTF-8", TEXT("\"\xc0\x80\""), "not UTF-8"},
    {"json: surrogate in UTF-8", TEXT("\"\xed\xa0\x80\""), "not UTF-8"},
    {"json: beyond Unicode", TEXT("\"\xf4\x90\x80\x80\""), "not UTF-8"},
    {"json: too deep", TEXT("[[[[[[[[[1]]]]]]]]]"), "column 9: too deep"},
    {"json: objects too deep", TEXT("[[[[[[[[{}]]]]]]]]"), "column 9: too deep"},
    {"json: comment", TEXT("[1] // x"), "expected the end"},
};

static void is_broken(const void *arg)
{
    const struct broken *b = arg;
    struct qni_json *j = (struct qni_json *)&j;

    CHECK_STATUS(parse(&j, b->text, b->bytes), QN_E_FORMAT, b->part);
    CHECK(!j);
    CHECK(strncmp(qn_last_error(), "m.json: line ", 13) == 0);
}

static void values(void)
{
    static const char text[] =
        " {\"int\": -42, \"min\": -9223372036854775808, \"max\": 9223372036854775807, \"big\": 9223372036854775808,\r\n"
        "\"real\": 1.5e1, \"zero\": -0, \"nan\": \"NaN\", \"inf\": \"-Infinity\", \"yes\": true, \"no\": false,\n"
        "\"none\": null, \"text\": \"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\xe2\x82\xac\", \"\": "
        "\"\",\n"
        "\"list\": [1, [2, {}], 3], \"empty\": [ ] } ";
    struct qni_json *j = NULL;
    struct qni_json_at root, at, item;
    int64_t i;
    double d;
    bool b;
    const char *s;
    size_t n;

    if (!CHECK_OK(parse(&j, text, sizeof(text) - 1)))
        return;
    root = qni_json_root(j);
    CHECK_OK(qni_json_get_int(&root, "int", -42, 0, &i));
    CHECK_INT(i, -42);
    CHECK_OK(qni_json_get_int(&root, "min", INT64_MIN, INT64_MAX, &i));
    CHECK_INT(i, INT64_MIN);
    CHECK_OK(qni_json_get_int(&root, "max", 0, INT64_MAX, &i));
    CHECK_INT(i, INT64_MAX);
    CHECK_STATUS(qni_json_get_int(&root, "big", 0, INT64_MAX, &i), QN_E_FORMAT,
                 "big: expected an integer, 0 or more, found 9.22");
    CHECK_OK(qni_json_get_double(&root, "big", &d));
    CHECK(d == 9223372036854775808.0);
    CHECK_OK(qni_json_get_double(&root, "real", &d));
    CHECK(d == 15);
    CHECK_OK(qni_json_get_double(&root, "int", &d));
    CHECK(d == -42);
    CHECK_OK(qni_json_get_double(&root, "nan", &d));
    CHECK(isnan(d));
    CHECK_OK(qni_json_get_double(&root, "inf", &d));
    CHECK(d == -HUGE_VAL);
    CHECK_OK(qni_json_get_bool(&root, "yes", &b));
    CHECK(b);
    CHECK_OK(qni_json_get_bool(&root, "no", &b));
    CHECK(!b);
    CHECK_OK(qni_json_get_text(&root, "text", &s));
    CHECK_STR(s, "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x82\xac");
    CHECK_OK(qni_json_get_text(&root, "", &s));
    CHECK_STR(s, "");
    CHECK(!qni_json_find(&at, &root, "none") && !qni_json_find(&at, &root, "nothing"));
    CHECK_OK(qni_json_member(&at, &root, "none"));
    CHECK(qni_json_type(&at) == QNI_JSON_NULL);
    CHECK_OK(qni_json_count(&root, &n));
    CHECK_INT(n, 15);
    CHECK_OK(qni_json_member(&at, &root, "empty"));
    CHECK_OK(qni_json_count(&at, &n));
    CHECK_INT(n, 0);
    item = (struct qni_json_at){0};
    CHECK(!qni_json_next(&at, &item));
    CHECK_OK(qni_json_member(&at, &root, "list"));
    CHECK_STR(qni_json_key(&at), "list");
    CHECK_OK(qni_json_item(&item, &at, 2));
    CHECK_OK(qni_json_int(&item, 3, 3, &i));
    CHECK(!qni_json_key(&item));
    n = 0;
    for (item = (struct qni_json_at){0}; qni_json_next(&at, &item); n++)
        CHECK_INT(item.index, n);
    CHECK_INT(n, 3);
    n = 0;
    for (item = (struct qni_json_at){0}; qni_json_next(&root, &item); n++)
        CHECK(qni_json_key(&item) != NULL);
    CHECK_INT(n, 15);
    qni_json_free(&j);
    CHECK(!j);
    qni_json_free(&j);
}

static void messages(void)
{
    static const char text[] = "{\"layers\": [{}, {\"config\": {\"units\": \"x\", \"rate\": true, \"list\": [1,2]}}]}";
    struct qni_json *j = NULL;
    struct qni_json_at root, layers, layer, config, at;
    int64_t i;
    double d;
    bool b;
    const char *s;

    CHECK_OK(parse(&j, text, sizeof(text) - 1));
    root = qni_json_root(j);
    CHECK_OK(qni_json_member(&layers, &root, "layers"));
    CHECK_OK(qni_json_item(&layer, &layers, 1));
    CHECK_OK(qni_json_member(&config, &layer, "config"));
    CHECK_STATUS(qni_json_get_int(&config, "units", 1, INT64_MAX, &i), QN_E_FORMAT,
                 "m.json: layers[1].config.units: expected a positive integer, found \"x\"");
    CHECK_STATUS(qni_json_get_int(&config, "rate", 0, 9, &i), QN_E_FORMAT,
                 "expected an integer from 0 to 9, found true");
    CHECK_STATUS(qni_json_get_int(&config, "list", INT64_MIN, INT64_MAX, &i), QN_E_FORMAT,
                 "layers[1].config.list: expected an integer, found an array of 2");
    CHECK_STATUS(qni_json_get_double(&config, "rate", &d), QN_E_FORMAT, "expected a number, found true");
    CHECK_STATUS(qni_json_get_double(&config, "units", &d), QN_E_FORMAT, "expected a number, found \"x\"");
    CHECK_STATUS(qni_json_get_bool(&layer, "config", &b), QN_E_FORMAT, "expected true or false, found an object");
    CHECK_STATUS(qni_json_get_text(&config, "missing", &s), QN_E_FORMAT, "m.json: layers[1].config: no \"missing\"");
    CHECK_STATUS(qni_json_get_text(&layers, "missing", &s), QN_E_FORMAT, "layers: expected an object, found an array");
    CHECK_STATUS(qni_json_item(&at, &layers, 2), QN_E_FORMAT, "layers: no item 2: it has 2");
    CHECK_STATUS(qni_json_item(&at, &config, 0), QN_E_FORMAT, "expected an array, found an object");
    CHECK_STATUS(qni_json_error(&root, "no sense"), QN_E_FORMAT, "m.json: no sense");
    qni_json_free(&j);
}

/* Many keys with a long common beginning, and a very deep text: no quadratic time, no deep stack. */
static void hostile(void)
{
    struct qni_text t = {.ctx = ctx};
    struct qni_json *j = NULL;
    char *deep = malloc(10000000);

    qni_text_add(&t, "{");
    for (int i = 0; i < 200000; i++)
        qni_text_add(&t, "%s\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d\":0", i ? "," : "", i);
    qni_text_add(&t, "}");
    CHECK_OK(parse(&j, t.data, t.length));
    qni_json_free(&j);
    qni_text_free(&t);
    memset(deep, '[', 10000000);
    CHECK_STATUS(parse(&j, deep, 10000000), QN_E_FORMAT, "too deep");
    free(deep);
}

static void writing(void)
{
    struct qni_text t = {.ctx = ctx};
    struct qni_json *j = NULL;
    struct qni_json_at root, at;
    const char *s;
    double d;

    for (int compact = 0; compact < 2; compact++) {
        struct qni_json_out o = {.text = &t, .compact = compact};

        t.length = 0;
        qni_json_open(&o, NULL, '{');
        qni_json_put_int(&o, "a", INT64_MIN);
        qni_json_open(&o, "list", '[');
        qni_json_put_int(&o, NULL, 1);
        qni_json_put_float(&o, NULL, 0.1f);
        qni_json_put_bool(&o, NULL, true);
        qni_json_put_null(&o, NULL);
        qni_json_close(&o, ']');
        qni_json_open(&o, "objects", '[');
        qni_json_open(&o, NULL, '{');
        qni_json_close(&o, '}');
        qni_json_open(&o, NULL, '{');
        qni_json_put_double(&o, "d", 0.1);
        qni_json_close(&o, '}');
        qni_json_close(&o, ']');
        qni_json_put_text(&o, "t", "a\"\\\n\x01\x7f\xe2\x82\xac\xff");
        qni_json_put_double(&o, "inf", HUGE_VAL);
        qni_json_put_double(&o, "minus", -0.0);
        qni_json_close(&o, '}');
        CHECK_OK(t.status);
        CHECK_STR(t.data, compact
                              ? "{\"a\":-9223372036854775808,\"list\":[1,0.1,true,null],\"objects\":[{},{\"d\":0.1}],"
                                "\"t\":\"a\\\"\\\\\\n\\u0001\\u007f\xe2\x82\xac\xef\xbf\xbd\",\"inf\":\"Infinity\",\"minus\":-0.0}"
                              : "{\n  \"a\": -9223372036854775808,\n  \"list\": [1, 0.1, true, null],\n"
                                "  \"objects\": [\n    {},\n    {\n      \"d\": 0.1\n    }\n  ],\n"
                                "  \"t\": \"a\\\"\\\\\\n\\u0001\\u007f\xe2\x82\xac\xef\xbf\xbd\",\n"
                                "  \"inf\": \"Infinity\",\n  \"minus\": -0.0\n}\n");
        CHECK_OK(parse(&j, t.data, t.length));
        root = qni_json_root(j);
        CHECK_OK(qni_json_get_text(&root, "t", &s));
        CHECK_STR(s, "a\"\\\n\x01\x7f\xe2\x82\xac\xef\xbf\xbd");
        CHECK_OK(qni_json_get_double(&root, "inf", &d));
        CHECK(d == HUGE_VAL);
        CHECK_OK(qni_json_get_double(&root, "minus", &d));
        CHECK(d == 0 && signbit(d));
        CHECK_OK(qni_json_member(&at, &root, "objects"));
        qni_json_free(&j);
    }
    qni_text_free(&t);
}

int main(void)
{
    if (qn_context_create(&ctx, &(qn_context_opt){.store_dir = ""}))
        return 99;
    test_run("json: values", values);
    test_run("json: messages name the place", messages);
    for (size_t i = 0; i < QNI_COUNT(broken); i++)
        test_run_with(broken[i].name, is_broken, &broken[i]);
    test_run("json: hostile texts take no time", hostile);
    test_run("json: writing", writing);
    qn_context_destroy(&ctx);
    return test_end();
}
