/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A text; what is accepted is written again, and must then read as the same. */
#include "io/json.h"

#include <stdlib.h>

#include "fuzz.h"

static void copy(struct qni_json_out *o, const struct qni_json_at *at)
{
    const char *key = qni_json_key(at), *text;
    struct qni_json_at child = {0};
    int64_t i;
    double d;
    bool b;

    switch (qni_json_type(at)) {
    case QNI_JSON_NULL:
        qni_json_put_null(o, key);
        return;
    case QNI_JSON_BOOL:
        fuzz_check(qni_json_bool(at, &b) == QN_OK, "a truth is none");
        qni_json_put_bool(o, key, b);
        return;
    case QNI_JSON_NUMBER:
        fuzz_check(qni_json_double(at, &d) == QN_OK, "a number is none");
        if (qni_json_int(at, INT64_MIN, INT64_MAX, &i) == QN_OK)
            qni_json_put_int(o, key, i);
        else
            qni_json_put_double(o, key, d);
        return;
    case QNI_JSON_TEXT:
        fuzz_check(qni_json_text(at, &text) == QN_OK, "a text is none");
        qni_json_put_text(o, key, text);
        return;
    case QNI_JSON_ARRAY:
    case QNI_JSON_OBJECT:
        break;
    }
    qni_json_open(o, key, qni_json_type(at) == QNI_JSON_ARRAY ? '[' : '{');
    while (qni_json_next(at, &child))
        copy(o, &child);
    qni_json_close(o, qni_json_type(at) == QNI_JSON_ARRAY ? ']' : '}');
}

static void write_text(struct qni_text *t, const struct qni_json *json, bool compact)
{
    struct qni_json_out o = {.text = t, .compact = compact};
    struct qni_json_at root = qni_json_root(json);

    copy(&o, &root);
    qni_json_expected(&root, "nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct qni_text first = {.ctx = fuzz_context()}, second = {.ctx = fuzz_context()};
    struct qni_json *json = NULL, *again = NULL;
    char *exact = malloc(bytes + 1);

    memcpy(exact, data, bytes);
    if (qni_json_parse(&json, fuzz_context(), "t", exact, bytes, 0) != QN_OK) {
        fuzz_check(!json && *qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
    } else {
        write_text(&first, json, bytes & 1);
        if (first.status == QN_OK) {
            fuzz_check(qni_json_parse(&again, fuzz_context(), "t", first.data, first.length, 0) == QN_OK,
                       "what was written cannot be read");
            write_text(&second, again, bytes & 1);
            fuzz_check(second.status == QN_OK && first.length == second.length &&
                           !memcmp(first.data, second.data, first.length),
                       "written again it differs");
        }
    }
    qni_json_free(&json);
    qni_json_free(&again);
    qni_text_free(&first);
    qni_text_free(&second);
    free(exact);
    return 0;
}
