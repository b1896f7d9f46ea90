/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A text's words: between blanks, or character by character, or the pieces within which pairs of bytes are joined. */
#include "data/text/text.h"

enum group { LETTER, DIGIT, BLANK, OTHER };

/* Written without blanks: Hiragana, Katakana, and the blocks of ideographs. */
static bool ideograph(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x30ff) || (c >= 0x31f0 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x323af);
}

static bool blank(const qn_tokenizer_opt *o, uint32_t c)
{
    const unsigned char *at = (const unsigned char *)o->filters;
    size_t left = strlen(o->filters);
    uint32_t filter;

    if (c == ' ' || (c == 0x3000 && !o->join_ideographs))
        return true;
    for (int used; left && (used = qni_utf8_decode(at, left, &filter)); at += used, left -= (size_t)used)
        if (filter == c)
            return true;
    return false;
}

static int take(struct qni_split *s, uint32_t *point)
{
    const int used = qni_utf8_decode(s->at, s->left, point);

    s->at += used;
    s->left -= (size_t)used;
    return used;
}

/* The next character, in lower case where that is wanted; the bytes it took of the text. */
static int take_lower(struct qni_split *s, uint32_t *point)
{
    int used;

    if (s->waiting) {
        *point = s->waiting;
        s->waiting = 0;
        return 0;
    }
    used = take(s, point);
    if (s->opt->keep_case)
        return used;
    if (*point == 0x130) { /* the only one that becomes two */
        *point = 'i';
        s->waiting = 0x307;
    }
    *point = qni_lower(*point);
    return used;
}

static void put(struct qni_split *s, uint32_t c)
{
    s->bytes += (size_t)qni_utf8_encode(c, s->piece + s->bytes);
}

static bool next_word(struct qni_split *s)
{
    uint32_t c;

    while (s->left || s->waiting) {
        const int used = take_lower(s, &c);

        if (!s->opt->join_ideographs && ideograph(c)) {
            if (s->bytes) { /* it waits: what was before is a word */
                s->at -= used;
                s->left += (size_t)used;
            } else {
                put(s, c);
            }
            return true;
        }
        if (!blank(s->opt, c))
            put(s, c);
        else if (s->bytes)
            return true;
    }
    return s->bytes > 0;
}

static enum group group_of(uint32_t c)
{
    if (c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return LETTER;
    if (c >= '0' && c <= '9')
        return DIGIT;
    return c == ' ' || (c >= '\t' && c <= '\r') ? BLANK : OTHER;
}

/* Letters, digits, blanks or others in a row; a single blank belongs to what follows it. */
static bool next_piece(struct qni_split *s)
{
    enum group group = BLANK;

    while (s->left) {
        const unsigned char *at = s->at;
        uint32_t c;
        const int used = take(s, &c);
        const enum group g = group_of(c);

        if (s->bytes && ((g != group && !(s->bytes == 1 && s->piece[0] == ' ')) || s->bytes + (size_t)used > QNI_MOST_PIECE)) {
            s->at -= used;
            s->left += (size_t)used;
            return true;
        }
        if (g == BLANK && c == ' ' && s->bytes && s->left && group_of(*s->at) != BLANK) {
            s->at -= used; /* the last blank of several goes with the word behind it */
            s->left += (size_t)used;
            return true;
        }
        memcpy(s->piece + s->bytes, at, (size_t)used);
        s->bytes += (size_t)used;
        group = g;
    }
    return s->bytes > 0;
}

bool qni_split_next(struct qni_split *s)
{
    uint32_t c;

    s->bytes = 0;
    switch (s->opt->kind) {
    case QN_TOKENS_WORDS:
        return next_word(s);
    case QN_TOKENS_PAIRS:
        return next_piece(s);
    case QN_TOKENS_CHARACTERS:
        break;
    }
    if (!s->left && !s->waiting)
        return false;
    take_lower(s, &c);
    put(s, c);
    return true;
}
