/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The command's own helpers. */
#include "../../tools/quern/quern.h"
#include "test.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_text(const char *value, const char *want)
{
    char *text = NULL;
    size_t n = 0;
    struct json j = { .out = open_memstream(&text, &n) };

    json_array(&j, NULL);
    json_text(&j, NULL, value);
    json_array_end(&j);
    fclose(j.out);
    CHECK_STR(text, want);
    free(text);
}

static void quoting(void)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        { "", "[\"\"]\n" },
        { NULL, "[null]\n" },
        { "a\"b\\c/d", "[\"a\\\"b\\\\c/d\"]\n" },
        { "\b\f\n\r\t\x01\x1f\x7f", "[\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"]\n" },
        { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xbe", "[\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xbe\"]\n" },
        { "\xff", "[\"\\ufffd\"]\n" },
        { "\xc3", "[\"\\ufffd\"]\n" },                 /* cut off */
        { "\xc3(", "[\"\\ufffd(\"]\n" },
        { "\xc0\x80", "[\"\\ufffd\\ufffd\"]\n" },      /* too long a form */
        { "\xe0\x80\x80", "[\"\\ufffd\\ufffd\\ufffd\"]\n" },
        { "\xed\xa0\x80", "[\"\\ufffd\\ufffd\\ufffd\"]\n" }, /* half a surrogate pair */
        { "\xf4\x90\x80\x80", "[\"\\ufffd\\ufffd\\ufffd\\ufffd\"]\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_text(cases[i].value, cases[i].want);
}

static void nesting(void)
{
    char *text = NULL;
    size_t n = 0;
    struct json j = { .out = open_memstream(&text, &n) };

    setlocale(LC_ALL, ""); /* and whatever the decimal point is there */
    for (int lines = 0; lines < 2; lines++) {
        j.lines = lines;
        json_array(&j, NULL);
        json_object(&j, NULL);
        json_int(&j, "i", INT64_MIN);
        json_uint(&j, "u", UINT64_MAX);
        json_bool(&j, "b", true);
        json_object_end(&j);
        json_object(&j, NULL);
        json_array(&j, "r");
        json_real(&j, NULL, 1.5);
        json_real(&j, NULL, -1e-30);
        json_real(&j, NULL, (double)INFINITY);
        json_real(&j, NULL, (double)NAN);
        json_array_end(&j);
        json_object(&j, "empty");
        json_object_end(&j);
        json_object_end(&j);
        json_array_end(&j);
    }
    fclose(j.out);
    CHECK_STR(text,
              "[{\"i\":-9223372036854775808,\"u\":18446744073709551615,\"b\":true},"
              "{\"r\":[1.5,-1e-30,null,null],\"empty\":{}}]\n"
              "[\n  {\n    \"i\": -9223372036854775808,\n    \"u\": 18446744073709551615,\n    \"b\": true\n  },\n"
              "  {\n    \"r\": [1.5, -1e-30, null, null],\n    \"empty\": {}\n  }\n]\n");
    free(text);
}

static void options(void)
{
    static const struct {
        const char *line;      /* words after the command's name */
        int code;              /* -1: goes on */
        bool flag;
        int64_t epochs;
        double lr;
        const char *save, *rest;
    } cases[] = {
        { "", -1, false, 10, 0.5, NULL, "" },
        { "cnn", -1, false, 10, 0.5, NULL, "cnn " },
        { "--json cnn --epochs 3", -1, true, 3, 0.5, NULL, "cnn " },
        { "--epochs=-7 --lr=1e-3 --save=a=b", -1, false, -7, 1e-3, "a=b", "" },
        { "a - b -- --json", -1, false, 10, 0.5, NULL, "a - b --json " },
        { "--save --json", -1, false, 10, 0.5, "--json", "" },
        { "--epoch 3", EXIT_USAGE, 0, 0, 0, NULL, NULL },
        { "--epochs", EXIT_USAGE, 0, 0, 0, NULL, NULL },
        { "--epochs 3x", EXIT_USAGE, 0, 0, 0, NULL, NULL },
        { "--epochs 99999999999999999999", EXIT_USAGE, 0, 0, 0, NULL, NULL },
        { "--epochs=", EXIT_USAGE, 0, 0, 0, NULL, NULL },
        { "--lr fast", EXIT_USAGE, 0, 0, 0, NULL, NULL },
        { "--json=yes", EXIT_USAGE, 0, 0, 0, NULL, NULL },
        { "-x", EXIT_USAGE, 0, 0, 0, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool flag = false;
        int64_t epochs = 10;
        double lr = 0.5;
        const char *save = NULL;
        const struct option option[] = {
            { "json", OPTION_FLAG, &flag, NULL, "" }, { "epochs", OPTION_INT, &epochs, "N", "" },
            { "lr", OPTION_REAL, &lr, "X", "" },      { "save", OPTION_TEXT, &save, "FILE", "" },
        };
        const struct usage usage = { "test", "", "", option, 4 };
        char words[128], rest[128] = "", *argv[16] = { "test" };
        int argc = 1, code = -1;

        snprintf(words, sizeof(words), "%s", cases[i].line);
        for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
            argv[argc++] = w;
        if (!CHECK_INT(options_read(&usage, &argc, argv, &code), cases[i].code < 0) || cases[i].code >= 0) {
            CHECK_INT(code, cases[i].code);
            continue;
        }
        for (int a = 1; a < argc; a++)
            snprintf(rest + strlen(rest), sizeof(rest) - strlen(rest), "%s ", argv[a]);
        CHECK_STR(rest, cases[i].rest);
        CHECK_INT(flag, cases[i].flag);
        CHECK_INT(epochs, cases[i].epochs);
        CHECK(lr == cases[i].lr);
        CHECK_STR(save ? save : "", cases[i].save ? cases[i].save : "");
    }
}

int main(void)
{
    test_run("tool: JSON text is quoted, whatever the bytes", quoting);
    test_run("tool: JSON values, nested, in one line and in many", nesting);
    test_run("tool: options and their mistakes", options);
    return test_end();
}
