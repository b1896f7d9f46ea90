/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Different texts and their numbers: a table of open addressing, at most half full. */
#include "data/text/text.h"

#define MOST_WORDS ((size_t)1 << 30)

static size_t place_of(const struct qni_words *w, const char *text, size_t bytes)
{
    size_t i = (size_t)qni_hash(QNI_HASH_START, text, bytes) & (w->slots - 1);

    while (w->slot[i]) {
        const struct qni_word *x = &w->word[w->slot[i] - 1];

        if (x->bytes == bytes && memcmp(w->text + x->at, text, bytes) == 0)
            break;
        i = (i + 1) & (w->slots - 1);
    }
    return i;
}

int64_t qni_words_find(const struct qni_words *w, const char *text, size_t bytes)
{
    return w->slots ? (int64_t)w->slot[place_of(w, text, bytes)] - 1 : -1;
}

static qn_status more_slots(struct qni_words *w)
{
    const size_t slots = w->slots ? 2 * w->slots : 64;
    uint32_t *slot = NULL;
    qn_status st;

    if ((st = qni_calloc(w->ctx, &slot, slots, sizeof(*slot))))
        return st;
    qni_free(w->ctx, &w->slot);
    w->slot = slot;
    w->slots = slots;
    for (size_t i = 0; i < w->words; i++)
        w->slot[place_of(w, w->text + w->word[i].at, w->word[i].bytes)] = (uint32_t)i + 1;
    return QN_OK;
}

qn_status qni_words_add(struct qni_words *w, const char *text, size_t bytes, int64_t *number)
{
    qn_status st;

    if ((*number = qni_words_find(w, text, bytes)) >= 0)
        return QN_OK;
    if (w->words == MOST_WORDS)
        return qni_error(QN_E_UNSUPPORTED, "more than %zu different words", MOST_WORDS);
    if ((2 * (w->words + 1) > w->slots && (st = more_slots(w))) ||
        (st = qni_reserve(w->ctx, &w->word, &w->word_room, w->words + 1, sizeof(*w->word))) ||
        (st = qni_reserve(w->ctx, &w->text, &w->room, w->length + bytes + 1, 1)))
        return st;
    w->word[w->words] = (struct qni_word){.at = w->length, .bytes = bytes};
    memcpy(w->text + w->length, text, bytes);
    w->text[w->length + bytes] = 0;
    w->length += bytes + 1;
    w->slot[place_of(w, text, bytes)] = (uint32_t)w->words + 1;
    *number = (int64_t)w->words++;
    return QN_OK;
}

void qni_words_free(struct qni_words *w)
{
    qni_free(w->ctx, &w->word);
    qni_free(w->ctx, &w->text);
    qni_free(w->ctx, &w->slot);
}
