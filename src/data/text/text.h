/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the parts of text share: UTF-8, lower case, lists of words, pairs of bytes. */
#ifndef QNI_DATA_TEXT_H
#define QNI_DATA_TEXT_H

#include <quern/data_text.h>

#include "base/base.h"

#define QNI_LAST_POINT UINT32_C(0x10ffff)

/* ---- utf8.c ---- */

/* One character of bytes[0..n), n at least 1: its bytes and code point; 0 where it is none. Zero is none. */
int qni_utf8_decode(const unsigned char *bytes, size_t n, uint32_t *point);
/* Its bytes, 1 to 4; no zero behind them. */
int qni_utf8_encode(uint32_t point, char *out);
/* QN_E_FORMAT where a text is not UTF-8, with the byte's number. */
qn_status qni_utf8_check(const char *name, const char *text, size_t bytes);

/* ---- lower.c ---- */

uint32_t qni_lower(uint32_t point);

/* ---- words.c: different texts, numbered from 0 in the order in which they came ---- */

struct qni_words {
    const qn_context *ctx;
    struct qni_word {
        size_t at; /* in text */
        size_t bytes;
        int64_t count;
    } *word;
    size_t words, word_room;
    char *text; /* one after another, each with a zero */
    size_t length, room;
    uint32_t *slot; /* [slots] a word's number + 1; 0: free */
    size_t slots;
};

/* A word's number, or -1. */
int64_t qni_words_find(const struct qni_words *w, const char *text, size_t bytes);
/* The same, but a word that is not there is put there, with count 0. */
qn_status qni_words_add(struct qni_words *w, const char *text, size_t bytes, int64_t *number);
void qni_words_free(struct qni_words *w);
static inline const char *qni_words_text(const struct qni_words *w, size_t number) { return w->text + w->word[number].at; }

/* ---- split.c: a text's words, one after another ---- */

struct qni_split {
    const qn_tokenizer_opt *opt;
    const unsigned char *at;
    size_t left;
    char *piece;  /* the word, in qni_split_room(text) bytes that the caller brings */
    size_t bytes; /* its length; no zero behind it */
    uint32_t waiting; /* the second half of a character whose lower case is two */
};

static inline size_t qni_split_room(size_t bytes) { return 3 * bytes + 8; }
/* Go on to the next word; false at the end. The text is UTF-8. */
bool qni_split_next(struct qni_split *s);

/* ---- pairs.c: byte-pair encoding ---- */

#define QNI_FIRST_PAIR 257 /* numbers 1 to 256 are bytes */
#define QNI_MOST_PIECE 256 /* bytes of a piece, and so of what a number stands for */

struct qni_pairs {
    const qn_context *ctx;
    struct qni_pair {
        int32_t left, right; /* numbers that are joined */
        size_t at;           /* in text, of what they make */
        size_t bytes;
    } *pair; /* [pairs] number QNI_FIRST_PAIR + i */
    size_t pairs, room;
    char *text;
    size_t length, text_room;
    uint32_t *slot; /* [slots] a pair's place + 1, by its two numbers */
    size_t slots;
};

void qni_pairs_free(struct qni_pairs *p);
/* Learn from counted pieces up to a number below limit. */
qn_status qni_pairs_learn(struct qni_pairs *p, const struct qni_words *pieces, int64_t limit);
/* QN_E_FORMAT where the numbers are none, the pair is there, or it would be longer than a piece. */
qn_status qni_pairs_add(struct qni_pairs *p, int32_t left, int32_t right);
/* Join a piece's numbers in place; those given are bytes + 1. Their number afterwards. */
size_t qni_pairs_join(const struct qni_pairs *p, int32_t *number, size_t count);
/* What a number stands for; byte[0] is used for single ones. NULL where there is none. */
const char *qni_pairs_text(const struct qni_pairs *p, int32_t number, char byte[1], size_t *bytes);

/* ---- tokenizer.c ---- */

struct qn_tokenizer {
    qn_context *ctx;
    qn_tokenizer_opt opt; /* filters and unknown are owned */
    struct qni_words words;
    int32_t *number; /* [words.words] of each word */
    int32_t *order;  /* [words.words] words by number */
    struct qni_pairs pairs;
};

/* Number the words by their counts. */
qn_status qni_tokenizer_sort(qn_tokenizer *t);

#endif
