/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * How well translations agree with those of people: BLEU. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/text/text.h"

#define ORDERS QN_BLEU_ORDERS

/* ---- words, as mteval-v13a parts them ---- */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ASCII's punctuation but for ' , - and . */
static bool alone(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

static bool stop(char c)
{
    return c == '.' || c == ',';
}

/* What two characters side by side mean, by pass; blanks go where it says so. */
static bool behind_stop(char a, char b) { return !digit(a) && stop(b); }
static bool before_stop(char a, char b) { return stop(a) && !digit(b); }
static bool digit_dash(char a, char b) { return digit(a) && b == '-'; }

static const struct pass {
    bool (*found)(char a, char b);
    const char *form; /* a and b stand for the two */
} passes[] = {
    { behind_stop, "a b " },
    { before_stop, " a b" },
    { digit_dash, "a b " },
};

/* From left to right; what was found is not looked at again. */
static size_t part(const struct pass *p, const char *from, size_t n, char *to)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n || !p->found(from[i], from[i + 1])) {
            to[m++] = from[i];
            continue;
        }
        for (const char *f = p->form; *f; f++)
            to[m++] = *f == 'a' ? from[i] : *f == 'b' ? from[i + 1] : ' ';
        i++;
    }
    return m;
}

static const struct entity {
    const char *from, *to;
} entities[] = {
    { "<skipped>", "" }, { "-\n", "" }, { "\n", " " }, { "&quot;", "\"" }, { "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" },
};

/* Replace all of one in place; it never becomes longer. */
static size_t replace(char *text, size_t n, const struct entity *e)
{
    const size_t from = strlen(e->from), to = strlen(e->to);
    size_t m = 0;

    for (size_t i = 0; i < n;) {
        if (n - i >= from && !memcmp(text + i, e->from, from)) {
            memcpy(text + m, e->to, to);
            m += to;
            i += from;
        } else {
            text[m++] = text[i++];
        }
    }
    return m;
}

static size_t part_room(size_t bytes)
{
    return 24 * (bytes + 2); /* blanks make one byte three, and each pass two of them four, at most */
}

/* A text into words with blanks between, in two rooms that take turns; which one it is in is what is given back. */
static char *part_all(const char *text, size_t n, char *a, char *b, size_t *parted)
{
    size_t m = 0;

    memcpy(a, text, n);
    for (size_t i = 0; i < QNI_COUNT(entities); i++)
        n = replace(a, n, &entities[i]);
    b[m++] = ' ';
    for (size_t i = 0; i < n; i++) {
        const bool apart = alone(a[i]);

        if (apart)
            b[m++] = ' ';
        b[m++] = a[i];
        if (apart)
            b[m++] = ' ';
    }
    b[m++] = ' ';
    for (size_t i = 0; i < QNI_COUNT(passes); i++) {
        char *other = a;

        m = part(&passes[i], b, m, a);
        a = b;
        b = other;
    }
    *parted = m;
    return b;
}

/* ---- numbers of words ---- */

/* Unicode's White_Space, and what Python takes for it too. */
static bool blank(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* A sentence as numbers of its words; equal words have equal ones. */
struct sentence {
    int32_t *word; /* [words] */
    int64_t words;
};

static qn_status number_words(struct sentence *s, struct qni_words *known, const char *text, size_t n)
{
    int64_t number;
    size_t at = 0, from = 0;
    qn_status st;

    while (at <= n) {
        uint32_t c = ' ';
        const size_t used = at < n ? (size_t)qni_utf8_decode((const unsigned char *)text + at, n - at, &c) : 1;

        if (blank(c)) {
            if (at > from) {
                if ((st = qni_words_add(known, text + from, at - from, &number)))
                    return st;
                s->word[s->words++] = (int32_t)number;
            }
            from = at + used;
        }
        at += used;
    }
    return QN_OK;
}

static qn_status read_sentence(struct sentence *s, struct qni_words *known, const char *name, const char *text)
{
    const size_t n = strlen(text), room = part_room(n);
    char *a = NULL, *b = NULL, *parted;
    size_t bytes = 0;
    qn_status st;

    if ((st = qni_utf8_check(name, text, n)) || (st = qni_calloc(known->ctx, &a, room, 1)) ||
        (st = qni_calloc(known->ctx, &b, room, 1)))
        goto done;
    parted = part_all(text, n, a, b, &bytes);
    if (!(st = qni_calloc(known->ctx, &s->word, bytes / 2 + 1, sizeof(*s->word))))
        st = number_words(s, known, parted, bytes);
done:
    qni_free(known->ctx, &a);
    qni_free(known->ctx, &b);
    return st;
}

/* ---- what is counted ---- */

struct gram {
    int32_t word[ORDERS];
};

static int by_words(const void *a, const void *b)
{
    const struct gram *x = a, *y = b;

    for (int i = 0; i < ORDERS; i++)
        if (x->word[i] != y->word[i])
            return x->word[i] < y->word[i] ? -1 : 1;
    return 0;
}

/* All runs of so many words, sorted. */
static int64_t list_grams(struct gram *g, const struct sentence *s, int order)
{
    int64_t n = 0;

    for (int64_t i = 0; i + order <= s->words; i++, n++) {
        g[n] = (struct gram){ { 0 } };
        memcpy(g[n].word, s->word + i, (size_t)order * sizeof(*s->word));
    }
    if (n)
        qsort(g, (size_t)n, sizeof(*g), by_words);
    return n;
}

/* How many equal ones stand at the front. */
static int64_t run_of(const struct gram *g, int64_t n)
{
    int64_t i = 1;

    while (i < n && !by_words(g, g + i))
        i++;
    return i;
}

static int64_t count_in(const struct gram *list, int64_t n, const struct gram *g)
{
    int64_t low = 0;

    for (int64_t high = n; low < high;) {
        const int64_t middle = low + (high - low) / 2;

        if (by_words(&list[middle], g) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && !by_words(&list[low], g) ? run_of(list + low, n - low) : 0;
}

/* A translation, [0], and those of people behind it. */
static qn_status count_matches(qn_bleu *b, const qn_context *ctx, const struct sentence *s, int sentences)
{
    struct gram *own = NULL, *theirs = NULL;
    int64_t most = 0, nearest = s[1].words;
    qn_status st;

    for (int i = 1; i < sentences; i++) {
        const int64_t far = llabs(s[i].words - s[0].words), near = llabs(nearest - s[0].words);

        most = s[i].words > most ? s[i].words : most;
        if (far < near || (far == near && s[i].words < nearest))
            nearest = s[i].words;
    }
    b->length += s[0].words;
    b->reference_length += nearest;
    if ((st = qni_calloc(ctx, &own, (size_t)s[0].words + 1, sizeof(*own))) ||
        (st = qni_calloc(ctx, &theirs, (size_t)(sentences - 1) * (size_t)(most + 1), sizeof(*theirs))))
        goto done;
    for (int order = 1; order <= ORDERS; order++) {
        const int64_t n = list_grams(own, &s[0], order);

        for (int i = 1; i < sentences; i++)
            list_grams(theirs + (i - 1) * (most + 1), &s[i], order);
        b->total[order - 1] += n;
        for (int64_t at = 0, same; at < n; at += same) {
            int64_t known = 0;

            same = run_of(own + at, n - at);
            for (int i = 1; i < sentences; i++) {
                const int64_t count = s[i].words < order ? 0 : s[i].words - order + 1;
                const int64_t there = count_in(theirs + (i - 1) * (most + 1), count, own + at);

                known = there > known ? there : known;
            }
            b->match[order - 1] += known < same ? known : same;
        }
    }
done:
    qni_free(ctx, &own);
    qni_free(ctx, &theirs);
    return st;
}

static void conclude(qn_bleu *b)
{
    double sum = 0;

    b->brevity = b->length >= b->reference_length ? 1 : b->length ? exp(1 - (double)b->reference_length / (double)b->length) : 0;
    for (int i = 0; i < ORDERS; i++) {
        b->precision[i] = b->total[i] ? 100 * (double)b->match[i] / (double)b->total[i] : 0;
        sum += log(b->precision[i]); /* -infinity where nothing matches: then the score is 0 */
    }
    b->score = b->brevity * exp(sum / ORDERS);
}

/* ---- in all ---- */

static qn_status add_text(qn_bleu *b, const qn_context *ctx, struct sentence *s, const char *text,
                          const char *const *reference, int references, int64_t number)
{
    struct qni_words known = { .ctx = ctx };
    char name[64];
    int n = 1;
    qn_status st;

    snprintf(name, sizeof(name), "translation %lld", (long long)number);
    st = read_sentence(&s[0], &known, name, text);
    for (int i = 0; i < references && !st; i++) {
        snprintf(name, sizeof(name), "reference %d of text %lld", i, (long long)number);
        if (reference[i])
            st = read_sentence(&s[n++], &known, name, reference[i]);
    }
    if (!st && n == 1)
        st = qni_error(QN_E_ARG, "text %lld has no reference", (long long)number);
    if (!st)
        st = count_matches(b, ctx, s, n);
    for (int i = 0; i < n; i++) {
        qni_free(ctx, &s[i].word);
        s[i].words = 0;
    }
    qni_words_free(&known);
    return st;
}

qn_status qn_text_bleu(qn_bleu *out, const char *const *text, const char *const *reference, int references, int64_t texts)
{
    qn_bleu b = { 0 };
    struct sentence *s = NULL;
    qn_context *ctx = NULL;
    qn_status st;

    if (!out || texts < 0 || references < 1 || (texts && (!text || !reference)))
        return qni_error(QN_E_ARG, "a pointer is NULL, or there are %lld texts with %d references", (long long)texts, references);
    if ((st = qn_context_create(&ctx, NULL)))
        return st;
    st = qni_calloc(ctx, &s, (size_t)references + 1, sizeof(*s));
    for (int64_t i = 0; i < texts && !st; i++)
        st = text[i] ? add_text(&b, ctx, s, text[i], reference + i * references, references, i)
                     : qni_error(QN_E_ARG, "translation %lld is NULL", (long long)i);
    if (!st) {
        conclude(&b);
        *out = b;
    }
    qni_free(ctx, &s);
    qn_context_destroy(&ctx);
    return st;
}
