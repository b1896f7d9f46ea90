/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Byte-pair encoding (Sennrich et al. 2016) over bytes. Learning looks at every different piece once for each pair that is
 * joined; what stands beside what is counted once and kept up to date. */
#include "data/text/text.h"

#define MOST_PAIRS ((size_t)1 << 24)

static uint64_t key_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static size_t scatter(uint64_t key, size_t slots)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key ^ key >> 32) & (slots - 1);
}

/* ---- the pairs that are joined ---- */

static size_t place_of(const struct qni_pairs *p, int32_t left, int32_t right)
{
    size_t i = scatter(key_of(left, right), p->slots);

    for (; p->slot[i]; i = (i + 1) & (p->slots - 1)) {
        const struct qni_pair *x = &p->pair[p->slot[i] - 1];

        if (x->left == left && x->right == right)
            break;
    }
    return i;
}

/* The number of a pair, or 0. */
static int32_t joined(const struct qni_pairs *p, int32_t left, int32_t right)
{
    const uint32_t slot = p->slots ? p->slot[place_of(p, left, right)] : 0;

    return slot ? (int32_t)slot - 1 + QNI_FIRST_PAIR : 0;
}

static qn_status more_slots(struct qni_pairs *p)
{
    const size_t slots = p->slots ? 2 * p->slots : 1024;
    uint32_t *slot = NULL;
    qn_status st;

    if ((st = qni_calloc(p->ctx, &slot, slots, sizeof(*slot))))
        return st;
    qni_free(p->ctx, &p->slot);
    p->slot = slot;
    p->slots = slots;
    for (size_t i = 0; i < p->pairs; i++)
        p->slot[place_of(p, p->pair[i].left, p->pair[i].right)] = (uint32_t)i + 1;
    return QN_OK;
}

const char *qni_pairs_text(const struct qni_pairs *p, int32_t number, char byte[1], size_t *bytes)
{
    const struct qni_pair *x;

    if (number >= 1 && number < QNI_FIRST_PAIR) {
        byte[0] = (char)(number - 1);
        *bytes = 1;
        return byte;
    }
    if (number < QNI_FIRST_PAIR || (size_t)(number - QNI_FIRST_PAIR) >= p->pairs)
        return NULL;
    x = &p->pair[number - QNI_FIRST_PAIR];
    *bytes = x->bytes;
    return p->text + x->at;
}

qn_status qni_pairs_add(struct qni_pairs *p, int32_t left, int32_t right)
{
    char byte[2][1], made[QNI_MOST_PIECE];
    size_t n[2] = {0, 0};
    const char *text[2] = {qni_pairs_text(p, left, byte[0], &n[0]), qni_pairs_text(p, right, byte[1], &n[1])};
    qn_status st;

    if (!text[0] || !text[1] || joined(p, left, right))
        return qni_error(QN_E_FORMAT, "pair %zu, %d and %d, %s", p->pairs, (int)left, (int)right,
                         text[0] && text[1] ? "is there already" : "is of numbers that are none");
    if (n[0] + n[1] > QNI_MOST_PIECE || p->pairs == MOST_PAIRS)
        return qni_error(QN_E_FORMAT, "pair %zu stands for more than %d bytes, or there are too many", p->pairs, QNI_MOST_PIECE);
    memcpy(made, text[0], n[0]);
    memcpy(made + n[0], text[1], n[1]);
    if ((2 * (p->pairs + 1) > p->slots && (st = more_slots(p))) ||
        (st = qni_reserve(p->ctx, &p->pair, &p->room, p->pairs, sizeof(*p->pair))) ||
        (st = qni_reserve(p->ctx, &p->text, &p->text_room, p->length + n[0] + n[1], 1)))
        return st;
    p->pair[p->pairs] = (struct qni_pair){left, right, p->length, n[0] + n[1]};
    memcpy(p->text + p->length, made, n[0] + n[1]);
    p->length += n[0] + n[1];
    p->slot[place_of(p, left, right)] = (uint32_t)p->pairs + 1;
    p->pairs++;
    return QN_OK;
}

void qni_pairs_free(struct qni_pairs *p)
{
    qni_free(p->ctx, &p->pair);
    qni_free(p->ctx, &p->text);
    qni_free(p->ctx, &p->slot);
    p->pairs = p->room = p->length = p->text_room = p->slots = 0;
}

size_t qni_pairs_join(const struct qni_pairs *p, int32_t *number, size_t count)
{
    for (;;) {
        int32_t first = INT32_MAX;
        size_t at = 0, to = 0;

        for (size_t i = 0; i + 1 < count; i++) {
            const int32_t made = joined(p, number[i], number[i + 1]);

            if (made && made < first) {
                first = made;
                at = i;
            }
        }
        if (first == INT32_MAX)
            return count;
        to = at;
        for (size_t i = at; i < count; i++) /* everywhere at once, from the left */
            if (i + 1 < count && joined(p, number[i], number[i + 1]) == first) {
                number[to++] = first;
                i++;
            } else {
                number[to++] = number[i];
            }
        count = to;
    }
}

/* ---- learning ---- */

struct counts {
    const qn_context *ctx;
    struct count {
        uint64_t key; /* 0: free */
        int64_t count;
    } *slot;
    size_t slots, used;
};

struct learning {
    struct counts counts;
    int32_t *number; /* of all pieces, one after another */
    size_t *start;   /* [pieces] */
    size_t *length;  /* [pieces] shrinks */
};

static struct count *find_count(const struct counts *c, uint64_t key)
{
    size_t i = scatter(key, c->slots);

    while (c->slot[i].key && c->slot[i].key != key)
        i = (i + 1) & (c->slots - 1);
    return &c->slot[i];
}

static qn_status more_counts(struct counts *c)
{
    struct counts more = {.ctx = c->ctx, .slots = c->slots ? 2 * c->slots : 4096, .used = c->used};
    qn_status st;

    if ((st = qni_calloc(c->ctx, &more.slot, more.slots, sizeof(*more.slot))))
        return st;
    for (size_t i = 0; i < c->slots; i++)
        if (c->slot[i].key)
            *find_count(&more, c->slot[i].key) = c->slot[i];
    qni_free(c->ctx, &c->slot);
    *c = more;
    return QN_OK;
}

static qn_status count_pair(struct counts *c, int32_t left, int32_t right, int64_t n)
{
    struct count *x;
    qn_status st;

    if (2 * (c->used + 1) > c->slots && (st = more_counts(c)))
        return st;
    x = find_count(c, key_of(left, right));
    c->used += !x->key;
    x->key = key_of(left, right);
    x->count += n;
    return QN_OK;
}

/* The pair that is there most often, of equal ones the one of the lowest numbers; NULL when none is there twice. */
static const struct count *most_often(const struct counts *c)
{
    const struct count *best = NULL;

    for (size_t i = 0; i < c->slots; i++) {
        const struct count *x = &c->slot[i];

        if (x->count >= 2 && (!best || x->count > best->count || (x->count == best->count && x->key < best->key)))
            best = x;
    }
    return best;
}

/* Join one pair in a piece and count what stands beside it anew. */
static qn_status join_in(struct learning *l, size_t piece, int64_t n, int32_t left, int32_t right, int32_t made)
{
    int32_t *x = l->number + l->start[piece];
    const size_t length = l->length[piece];
    size_t to = 0;
    qn_status st = QN_OK;

    for (size_t i = 0; i + 1 < length; i++)
        if ((st = count_pair(&l->counts, x[i], x[i + 1], -n)))
            return st;
    for (size_t i = 0; i < length; i++)
        if (i + 1 < length && x[i] == left && x[i + 1] == right) {
            x[to++] = made;
            i++;
        } else {
            x[to++] = x[i];
        }
    l->length[piece] = to;
    for (size_t i = 0; i + 1 < to && !st; i++)
        st = count_pair(&l->counts, x[i], x[i + 1], n);
    return st;
}

static bool has(const int32_t *x, size_t n, int32_t left, int32_t right)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (x[i] == left && x[i + 1] == right)
            return true;
    return false;
}

static qn_status begin(struct learning *l, const qn_context *ctx, const struct qni_words *pieces)
{
    size_t at = 0;
    qn_status st;

    l->counts.ctx = ctx;
    if ((st = qni_calloc(ctx, &l->number, pieces->length, sizeof(*l->number))) ||
        (st = qni_calloc(ctx, &l->start, pieces->words, sizeof(*l->start))) ||
        (st = qni_calloc(ctx, &l->length, pieces->words, sizeof(*l->length))))
        return st;
    for (size_t i = 0; i < pieces->words; i++) {
        const struct qni_word *w = &pieces->word[i];

        l->start[i] = at;
        l->length[i] = w->bytes;
        for (size_t k = 0; k < w->bytes; k++)
            l->number[at++] = (unsigned char)pieces->text[w->at + k] + 1;
        for (size_t k = 0; k + 1 < w->bytes; k++)
            if ((st = count_pair(&l->counts, l->number[l->start[i] + k], l->number[l->start[i] + k + 1], w->count)))
                return st;
    }
    return QN_OK;
}

qn_status qni_pairs_learn(struct qni_pairs *p, const struct qni_words *pieces, int64_t limit)
{
    struct learning l = {0};
    const struct count *best;
    qn_status st = begin(&l, p->ctx, pieces);

    while (!st && QNI_FIRST_PAIR + (int64_t)p->pairs < limit && p->pairs < MOST_PAIRS && (best = most_often(&l.counts))) {
        const int32_t left = (int32_t)(best->key >> 32), right = (int32_t)(best->key & UINT32_MAX);
        const int32_t made = QNI_FIRST_PAIR + (int32_t)p->pairs;

        st = qni_pairs_add(p, left, right);
        for (size_t i = 0; i < pieces->words && !st; i++)
            if (has(l.number + l.start[i], l.length[i], left, right))
                st = join_in(&l, i, pieces->word[i].count, left, right, made);
    }
    qni_free(p->ctx, &l.counts.slot);
    qni_free(p->ctx, &l.number);
    qni_free(p->ctx, &l.start);
    qni_free(p->ctx, &l.length);
    return st;
}
