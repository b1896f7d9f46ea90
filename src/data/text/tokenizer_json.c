/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tokenizers as JSON: the options, and words with their counts in the order in which they came, or pairs. */
#include "data/prep/prep.h"
#include "data/text/text.h"
#include "io/json.h"

#define VERSION    1
#define MOST_COUNT (INT64_C(1) << 53)

static const char *const kinds[] = {"words", "characters", "pairs"};

void qni_tokenizer_put(const qn_tokenizer *t, struct qni_json_out *o, const char *key)
{
    qni_json_open(o, key, '{');
    qni_json_put_int(o, "quern.tokenizer", VERSION);
    qni_json_put_text(o, "kind", kinds[t->opt.kind]);
    qni_json_put_int(o, "limit", t->opt.limit);
    qni_json_put_text(o, "filters", t->opt.filters);
    qni_json_put_bool(o, "keep_case", t->opt.keep_case);
    qni_json_put_bool(o, "join_ideographs", t->opt.join_ideographs);
    if (t->opt.unknown)
        qni_json_put_text(o, "unknown", t->opt.unknown);
    if (t->opt.kind == QN_TOKENS_PAIRS) {
        qni_json_open(o, "pairs", '[');
        for (size_t i = 0; i < t->pairs.pairs; i++) {
            qni_json_put_int(o, NULL, t->pairs.pair[i].left);
            qni_json_put_int(o, NULL, t->pairs.pair[i].right);
        }
        qni_json_close(o, ']');
    } else {
        qni_json_open(o, "words", '[');
        for (size_t i = 0; i < t->words.words; i++)
            qni_json_put_text(o, NULL, qni_words_text(&t->words, i));
        qni_json_close(o, ']');
        qni_json_open(o, "counts", '[');
        for (size_t i = 0; i < t->words.words; i++)
            qni_json_put_int(o, NULL, t->words.word[i].count);
        qni_json_close(o, ']');
    }
    qni_json_close(o, '}');
}

qn_status qn_tokenizer_to_json(const qn_tokenizer *t, char *out, size_t most, size_t *bytes)
{
    struct qni_text text = {0};
    struct qni_json_out o = {.text = &text, .compact = true};

    if (!t || !bytes || (most && !out))
        return qni_error(QN_E_ARG, "a pointer is NULL");
    text.ctx = t->ctx;
    qni_tokenizer_put(t, &o, NULL);
    return qni_text_give(&text, out, most, bytes);
}

static qn_status read_options(qn_tokenizer_opt *o, const struct qni_json_at *root)
{
    struct qni_json_at unknown;
    const char *kind;
    int64_t limit, version;
    qn_status st;

    if ((st = qni_json_get_int(root, "quern.tokenizer", 1, INT32_MAX, &version)))
        return st;
    if (version > VERSION)
        return qni_json_error(root, "version %lld of a newer Quern", (long long)version);
    if ((st = qni_json_get_text(root, "kind", &kind)) || (st = qni_json_get_int(root, "limit", 0, INT32_MAX, &limit)) ||
        (st = qni_json_get_text(root, "filters", &o->filters)) ||
        (st = qni_json_get_bool(root, "keep_case", &o->keep_case)) ||
        (st = qni_json_get_bool(root, "join_ideographs", &o->join_ideographs)) ||
        (qni_json_find(&unknown, root, "unknown") && (st = qni_json_text(&unknown, &o->unknown))))
        return st;
    o->limit = (int)limit;
    for (size_t i = 0; i < QNI_COUNT(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0) {
            o->kind = (qn_token_kind)i;
            return QN_OK;
        }
    return qni_json_error(root, "kind \"%.40s\", expected words, characters or pairs", kind);
}

static qn_status read_words(qn_tokenizer *t, const struct qni_json_at *root)
{
    struct qni_json_at words, counts, word = {0}, count = {0};
    const char *text;
    int64_t number;
    qn_status st;

    if ((st = qni_json_member(&words, root, "words")) || (st = qni_json_member(&counts, root, "counts")))
        return st;
    if (qni_json_type(&words) != QNI_JSON_ARRAY || qni_json_type(&counts) != QNI_JSON_ARRAY)
        return qni_json_error(root, "words or counts is no array");
    while (qni_json_next(&words, &word)) {
        if (!qni_json_next(&counts, &count))
            return qni_json_error(&word, "more words than counts");
        if ((st = qni_json_text(&word, &text)) || (st = qni_words_add(&t->words, text, strlen(text), &number)))
            return st;
        if (!*text || (size_t)number + 1 != t->words.words || t->words.word[number].count)
            return qni_json_error(&word, "\"%.40s\" is empty or there twice", text);
        if ((st = qni_json_int(&count, 1, MOST_COUNT, &t->words.word[number].count)))
            return st;
    }
    if (qni_json_next(&counts, &count))
        return qni_json_error(&count, "more counts than words");
    return qni_tokenizer_sort(t);
}

static qn_status read_pairs(qn_tokenizer *t, const struct qni_json_at *root)
{
    struct qni_json_at pairs, at = {0};
    qn_status st;

    if ((st = qni_json_member(&pairs, root, "pairs")))
        return st;
    if (qni_json_type(&pairs) != QNI_JSON_ARRAY)
        return qni_json_expected(&pairs, "an array");
    while (qni_json_next(&pairs, &at)) {
        int64_t left, right;

        if ((st = qni_json_int(&at, 1, INT32_MAX, &left)))
            return st;
        if (!qni_json_next(&pairs, &at))
            return qni_json_error(&pairs, "an odd number of numbers");
        if ((st = qni_json_int(&at, 1, INT32_MAX, &right)))
            return st;
        if ((st = qni_pairs_add(&t->pairs, (int32_t)left, (int32_t)right))) {
            qni_error_prefix("pairs: ");
            return st;
        }
    }
    return QN_OK;
}

qn_status qni_tokenizer_get(qn_tokenizer **out, qn_context *ctx, const struct qni_json_at *at)
{
    qn_tokenizer_opt o = {.context = ctx};
    char why[256];
    qn_status st;

    *out = NULL;
    if ((st = read_options(&o, at)))
        return st;
    if ((st = qn_tokenizer_create(out, &o)) == QN_E_ARG) {
        qni_error_take(why, sizeof(why));
        st = qni_json_error(at, "%s", why);
    }
    if (st)
        return st;
    if ((st = o.kind == QN_TOKENS_PAIRS ? read_pairs(*out, at) : read_words(*out, at)))
        qn_tokenizer_destroy(out);
    return st;
}

qn_status qn_tokenizer_from_json(qn_tokenizer **out, qn_context *ctx, const char *name, const char *json, size_t bytes)
{
    struct qni_json *document = NULL;
    struct qni_json_at root;
    qn_context *held = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!name || !json)
        return qni_error(QN_E_ARG, "name or json is NULL");
    if ((st = qni_context_get(&held, ctx)))
        return st;
    if (!(st = qni_json_parse(&document, held, name, json, bytes, 0))) {
        root = qni_json_root(document);
        st = qni_tokenizer_get(out, held, &root);
    }
    qni_json_free(&document);
    qni_context_release(&held);
    return st;
}
