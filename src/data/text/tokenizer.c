/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tokenizers: learning, encoding, decoding. */
#include <limits.h>
#include <string.h>

#include "data/text/text.h"

#define DEFAULT_PAIRS 8192

static qn_status check(const qn_tokenizer_opt *o)
{
    qn_status st;

    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the tokenizer's options is not zero", i);
    if ((unsigned)o->kind > QN_TOKENS_PAIRS || o->limit < 0)
        return qni_error(QN_E_ARG, "kind %d or limit %d is out of range", (int)o->kind, o->limit);
    if (o->kind == QN_TOKENS_PAIRS && o->limit && o->limit < QNI_FIRST_PAIR)
        return qni_error(QN_E_ARG, "a limit of %d, but bytes alone take %d numbers", o->limit, QNI_FIRST_PAIR);
    if ((o->filters && (st = qni_utf8_check("filters", o->filters, strlen(o->filters)))) ||
        (o->unknown && (st = qni_utf8_check("unknown", o->unknown, strlen(o->unknown)))))
        return st;
    return QN_OK;
}

qn_status qn_tokenizer_create(qn_tokenizer **out, const qn_tokenizer_opt *opt)
{
    const qn_tokenizer_opt o = opt ? *opt : (qn_tokenizer_opt){0};
    qn_tokenizer *t = NULL;
    qn_context *held = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = check(&o)) || (st = qni_context_get(&held, o.context)))
        return st;
    if ((st = qni_calloc(held, &t, 1, sizeof(*t)))) {
        qni_context_release(&held);
        return st;
    }
    t->ctx = t->opt.context = held;
    t->words.ctx = t->pairs.ctx = held;
    t->opt = o;
    t->opt.filters = t->opt.unknown = NULL;
    if (!t->opt.limit && o.kind == QN_TOKENS_PAIRS)
        t->opt.limit = DEFAULT_PAIRS;
    if ((st = qni_strdup(held, (char **)&t->opt.filters, o.filters ? o.filters : QN_TOKENS_FILTERS)) ||
        (o.unknown && (st = qni_strdup(held, (char **)&t->opt.unknown, o.unknown))))
        goto done;
    *out = t;
    t = NULL;
done:
    qn_tokenizer_destroy(&t);
    return st;
}

void qn_tokenizer_destroy(qn_tokenizer **tokenizer)
{
    qn_tokenizer *t = tokenizer ? *tokenizer : NULL;
    qn_context *ctx;

    if (!t)
        return;
    *tokenizer = NULL;
    ctx = t->ctx;
    qni_words_free(&t->words);
    qni_pairs_free(&t->pairs);
    qni_free(ctx, &t->number);
    qni_free(ctx, &t->order);
    qni_free(ctx, &t->opt.filters);
    qni_free(ctx, &t->opt.unknown);
    qni_free(ctx, &t);
    qni_context_release(&ctx);
}

static int more_often(const void *user, uint32_t a, uint32_t b)
{
    const struct qni_word *word = user;

    if (word[a].count != word[b].count)
        return word[a].count > word[b].count ? -1 : 1;
    return a < b ? -1 : a > b;
}

qn_status qni_tokenizer_sort(qn_tokenizer *t)
{
    const int32_t first = t->opt.unknown ? 2 : 1;
    qn_status st;

    if ((st = qni_realloc(t->ctx, &t->number, t->words.words + 1, sizeof(*t->number))) ||
        (st = qni_realloc(t->ctx, &t->order, t->words.words + 1, sizeof(*t->order))))
        return st;
    for (size_t i = 0; i < t->words.words; i++)
        t->order[i] = (int32_t)i;
    qni_sort((uint32_t *)t->order, t->words.words, more_often, t->words.word);
    for (size_t i = 0; i < t->words.words; i++)
        t->number[t->order[i]] = first + (int32_t)i;
    return QN_OK;
}

static qn_status count_text(const qn_tokenizer *t, struct qni_words *words, const char *text)
{
    const size_t bytes = strlen(text);
    struct qni_split s = {.opt = &t->opt, .at = (const unsigned char *)text, .left = bytes};
    int64_t word;
    qn_status st;

    if ((st = qni_utf8_check("the text", text, bytes)) || (st = qni_calloc(t->ctx, &s.piece, qni_split_room(bytes), 1)))
        return st;
    while (!st && qni_split_next(&s))
        if (!(st = qni_words_add(words, s.piece, s.bytes, &word)))
            words->word[word].count++;
    qni_free(t->ctx, &s.piece);
    return st;
}

qn_status qn_tokenizer_fit_from(qn_tokenizer *t, const qn_text_source *source)
{
    const int64_t texts = source ? source->texts : 0;
    struct qni_words pieces = {.ctx = t ? t->ctx : NULL}, *words;
    qn_status st = QN_OK, sorted;

    if (!t || texts < 0 || !source || !source->text)
        return qni_error(QN_E_ARG, texts < 0 ? "a negative number of texts" : "the tokenizer or text is NULL");
    if (t->pairs.pairs)
        return qni_error(QN_E_STATE, "pairs were learned already");
    words = t->opt.kind == QN_TOKENS_PAIRS ? &pieces : &t->words;
    for (int64_t i = 0; i < texts && !st; i++) {
        const char *text = NULL;

        if ((st = source->text(source->user, i, &text)))
            break;
        if ((st = text ? count_text(t, words, text) : qni_error(QN_E_ARG, "it is NULL")))
            qni_error_prefix("text %lld: ", (long long)i);
    }
    if (t->opt.kind == QN_TOKENS_PAIRS && !st) {
        if ((st = qni_pairs_learn(&t->pairs, &pieces, t->opt.limit)))
            qni_pairs_free(&t->pairs);
    } else if (t->opt.kind != QN_TOKENS_PAIRS) {
        char message[512];

        qni_error_take(message, sizeof(message));
        sorted = qni_tokenizer_sort(t); /* also of what came before a bad text */
        if (st)
            qni_error_put(message);
        st = st ? st : sorted;
    }
    qni_words_free(&pieces);
    return st;
}

static qn_status next_of_list(void *user, int64_t i, const char **text)
{
    *text = ((const char *const *)user)[i];
    return QN_OK;
}

qn_status qn_tokenizer_fit(qn_tokenizer *t, const char *const *text, int64_t texts)
{
    if (texts > 0 && !text)
        return qni_error(QN_E_ARG, "the tokenizer or text is NULL");
    return qn_tokenizer_fit_from(t, &(qn_text_source){texts, next_of_list, (void *)text});
}

int64_t qn_tokenizer_size(const qn_tokenizer *t)
{
    int64_t n;

    if (!t)
        return 0;
    if (t->opt.kind == QN_TOKENS_PAIRS)
        return QNI_FIRST_PAIR + (int64_t)t->pairs.pairs;
    n = (int64_t)t->words.words + 1 + (t->opt.unknown != NULL);
    return t->opt.limit ? QNI_MIN(n, t->opt.limit) : n;
}

static void give(int32_t number, int32_t *out, int64_t most, int64_t *count)
{
    if (*count < most)
        out[*count] = number;
    ++*count;
}

static void encode_word(const qn_tokenizer *t, const struct qni_split *s, int32_t *out, int64_t most, int64_t *count)
{
    const int64_t word = qni_words_find(&t->words, s->piece, s->bytes);
    const int32_t number = word >= 0 ? t->number[word] : 0;

    if (number && (!t->opt.limit || number < t->opt.limit))
        give(number, out, most, count);
    else if (t->opt.unknown)
        give(1, out, most, count);
}

static void encode_piece(const qn_tokenizer *t, const struct qni_split *s, int32_t *out, int64_t most, int64_t *count)
{
    int32_t number[QNI_MOST_PIECE];
    size_t n = s->bytes;

    for (size_t i = 0; i < n; i++)
        number[i] = (unsigned char)s->piece[i] + 1;
    n = qni_pairs_join(&t->pairs, number, n);
    for (size_t i = 0; i < n; i++)
        give(number[i], out, most, count);
}

qn_status qn_tokenizer_encode(const qn_tokenizer *t, const char *text, int32_t *out, int64_t most, int64_t *count)
{
    const size_t bytes = text ? strlen(text) : 0;
    struct qni_split s = {.opt = t ? &t->opt : NULL, .at = (const unsigned char *)text, .left = bytes};
    qn_status st;

    if (!t || !text || !count || (most > 0 && !out))
        return qni_error(QN_E_ARG, "a pointer is NULL");
    if ((st = qni_utf8_check("the text", text, bytes)) || (st = qni_calloc(t->ctx, &s.piece, qni_split_room(bytes), 1)))
        return st;
    *count = 0;
    while (qni_split_next(&s))
        (t->opt.kind == QN_TOKENS_PAIRS ? encode_piece : encode_word)(t, &s, out, most, count);
    qni_free(t->ctx, &s.piece);
    return QN_OK;
}

/* What a number stands for, or NULL. */
static const char *text_of(const qn_tokenizer *t, int32_t number, char byte[1], size_t *bytes)
{
    const int64_t place = (int64_t)number - (t->opt.unknown ? 2 : 1);
    const bool too_large = t->opt.limit && number >= t->opt.limit;

    if (t->opt.kind == QN_TOKENS_PAIRS)
        return qni_pairs_text(&t->pairs, number, byte, bytes);
    if (number >= 1 && place >= 0 && place < (int64_t)t->words.words && !too_large) {
        *bytes = t->words.word[t->order[place]].bytes;
        return qni_words_text(&t->words, (size_t)t->order[place]);
    }
    if (number < 1 || !t->opt.unknown)
        return NULL;
    *bytes = strlen(t->opt.unknown);
    return t->opt.unknown;
}

qn_status qn_tokenizer_decode(const qn_tokenizer *t, const int32_t *number, int64_t count, char *out, size_t most, size_t *bytes)
{
    size_t n = 0;

    if (!t || !bytes || count < 0 || (count && !number) || (most && !out))
        return qni_error(QN_E_ARG, count < 0 ? "count is negative" : "a pointer is NULL");
    for (int64_t i = 0; i < count; i++) {
        char byte[1];
        size_t length = 0;
        const char *text = text_of(t, number[i], byte, &length);

        if (text && t->opt.kind == QN_TOKENS_WORDS && n) {
            if (n < most)
                out[n] = ' ';
            n++;
        }
        if (text && n < most)
            memcpy(out + n, text, QNI_MIN(length, most - n));
        n += length;
    }
    if (most)
        out[QNI_MIN(n, most - 1)] = 0;
    *bytes = n;
    return QN_OK;
}
