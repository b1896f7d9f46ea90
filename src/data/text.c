/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Text, character by character: UTF-8 in, numbers by a vocabulary out. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "data/data.h"
#include "data/text/text.h"

#define STREAM     UINT32_C(0x74657874) /* "text": no operation's stream, which count up from 0 */
#define MOST_WORDS 65536

struct text {
    qn_dataset base;
    int32_t *number;   /* [characters] of this part */
    int64_t characters, length;
    bool random;
    char *vocabulary;  /* UTF-8 */
};

/* ---- vocabularies ---- */

struct words {
    uint32_t *point; /* by number */
    int32_t *number; /* [QNI_LAST_POINT + 1] by code point, -1 where there is none */
    int32_t count;
};

static void words_free(const qn_context *ctx, struct words *w)
{
    qni_free(ctx, &w->point);
    qni_free(ctx, &w->number);
}

static qn_status words_begin(const qn_context *ctx, struct words *w)
{
    qn_status st;

    if ((st = qni_calloc(ctx, &w->point, MOST_WORDS, sizeof(*w->point))) ||
        (st = qni_calloc(ctx, &w->number, (size_t)QNI_LAST_POINT + 1, sizeof(*w->number))))
        return st;
    for (uint32_t c = 0; c <= QNI_LAST_POINT; c++)
        w->number[c] = -1;
    return QN_OK;
}

static qn_status words_add(struct words *w, uint32_t point)
{
    if (w->number[point] >= 0)
        return qni_error(QN_E_ARG, "the vocabulary has character U+%04" PRIX32 " twice", point);
    if (w->count == MOST_WORDS)
        return qni_error(QN_E_UNSUPPORTED, "there are more than %d different characters", MOST_WORDS);
    w->point[w->count] = point;
    w->number[point] = w->count++;
    return QN_OK;
}

static qn_status words_given(struct words *w, const char *vocabulary)
{
    const unsigned char *at = (const unsigned char *)vocabulary;
    size_t n = strlen(vocabulary);
    uint32_t point;
    qn_status st = QN_OK;

    if (!n)
        return qni_error(QN_E_ARG, "the vocabulary is empty");
    while (n && !st) {
        const int bytes = qni_utf8_decode(at, n, &point);

        if (!bytes)
            return qni_error(QN_E_ARG, "the vocabulary is not UTF-8");
        st = words_add(w, point);
        at += bytes;
        n -= (size_t)bytes;
    }
    return st;
}

/* Those of the text, sorted by code point. */
static qn_status words_found(struct words *w, const uint32_t *point, int64_t n)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++)
        w->number[point[i]] = -2;
    for (uint32_t c = 0; c <= QNI_LAST_POINT && !st; c++)
        if (w->number[c] == -2) {
            w->number[c] = -1;
            st = words_add(w, c);
        }
    return st;
}

static qn_status words_text(const qn_context *ctx, const struct words *w, char **out)
{
    size_t n = 0;
    qn_status st = qni_calloc(ctx, out, (size_t)w->count * 4 + 1, 1);

    for (int32_t i = 0; i < w->count && !st; i++)
        n += (size_t)qni_utf8_encode(w->point[i], *out + n);
    return st;
}

/* ---- the dataset ---- */

static qn_status read_text(const qn_dataset *ds, const struct qni_read *r)
{
    const struct text *t = (const struct text *)ds;
    const size_t bytes = (size_t)t->length * sizeof(int32_t);

    for (int64_t i = 0; i < r->count; i++) {
        const uint64_t index = (uint64_t)r->index[i], epoch = (uint64_t)r->epoch;
        const uint64_t places = (uint64_t)(t->characters - t->length);
        uint64_t at = index * (uint64_t)t->length;

        if (t->random) {
            const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)epoch,
                                         STREAM ^ (uint32_t)(epoch >> 32)};
            const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
            uint32_t word[4];

            qni_philox(word, counter, key);
            at = (uint64_t)((double)word[0] * 0x1p-32 * (double)places + (double)word[1] * 0x1p-64 * (double)places);
            at = QNI_MIN(at, places - 1);
        }
        for (int f = 0; f < 2; f++)
            if (r->out[f])
                memcpy((char *)r->out[f] + (size_t)i * bytes, t->number + at + f, bytes);
    }
    return QN_OK;
}

static void close_text(qn_dataset *ds)
{
    struct text *t = (struct text *)ds;

    qni_free(ds->ctx, &t->number);
    qni_free(ds->ctx, &t->vocabulary);
}

static const struct qni_dataset_kind text_kind = {read_text, close_text};

const char *qn_dataset_vocabulary(const qn_dataset *ds)
{
    return ds && ds->kind == &text_kind ? ((const struct text *)ds)->vocabulary : NULL;
}

static qn_status decode_all(const qn_context *ctx, const char *name, const char *bytes, size_t n, uint32_t **out, int64_t *count)
{
    size_t at = 0;
    qn_status st = qni_calloc(ctx, out, n, sizeof(**out));

    *count = 0;
    while (at < n && !st) {
        const int used = qni_utf8_decode((const unsigned char *)bytes + at, n - at, *out + *count);

        if (!used)
            st = qni_error(QN_E_FORMAT, "%s: byte %zu is %s", name, at, bytes[at] ? "not UTF-8" : "zero: not a text");
        at += (size_t)used;
        *count += used > 0;
    }
    return st;
}

/* The part of the text that was asked for: its first character and their number. */
static qn_status cut(const qn_text_opt *o, const char *name, int64_t all, int64_t length, int64_t *first, int64_t *count)
{
    const double fraction = o->fraction == 0 ? 0.1 : QNI_MAX(o->fraction, 0);
    const int64_t kept = all - (int64_t)((double)all * fraction);

    *first = o->held_out ? kept : 0;
    *count = o->held_out ? all - kept : kept;
    if (*count <= length)
        return qni_error(QN_E_FORMAT, "%s: %" PRId64 " characters %s, expected more than %" PRId64, name, *count,
                         o->held_out ? "are held out" : "to train on", length);
    return QN_OK;
}

static qn_status make(qn_dataset **out, const qn_reader *r, const qn_text_opt *o, const qn_context *ctx)
{
    const int64_t length = o->length ? o->length : 128;
    const qn_field field[2] = {{"text", QN_FIELD_INPUT, QN_I32, {1, {length}}}, {"next", QN_FIELD_TARGET, QN_I32, {1, {length}}}};
    char *bytes = NULL;
    uint32_t *point = NULL;
    struct words words = {0};
    struct text *t = NULL;
    int64_t all = 0, first = 0, count = 0, samples;
    size_t n = 0;
    qn_status st;

    if ((st = qni_reader_all(ctx, r, o->max_bytes ? o->max_bytes : INT64_C(1) << 30, &bytes, &n)) ||
        (st = decode_all(ctx, r->name, bytes, n, &point, &all)) || (st = cut(o, r->name, all, length, &first, &count)) ||
        (st = words_begin(ctx, &words)) ||
        (st = o->vocabulary ? words_given(&words, o->vocabulary) : words_found(&words, point, all)))
        goto done;
    samples = o->held_out ? (count - 1) / length : o->samples ? o->samples : QNI_MAX(count / length, 1);
    if ((st = qni_dataset_new(&t, sizeof(*t), o->context, samples, field, 2)))
        goto done;
    t->base.kind = &text_kind;
    t->characters = count;
    t->length = length;
    t->random = !o->held_out;
    if ((st = qni_calloc(t->base.ctx, &t->number, (size_t)count, sizeof(*t->number))) ||
        (st = words_text(t->base.ctx, &words, &t->vocabulary)))
        goto done;
    for (int64_t i = 0; i < count && !st; i++)
        if ((t->number[i] = words.number[point[first + i]]) < 0)
            st = qni_error(QN_E_FORMAT, "%s: character U+%04" PRIX32 " is not of the vocabulary", r->name, point[first + i]);
    if (st)
        goto done;
    *out = &t->base;
    t = NULL;
done:
    if (t) {
        qn_dataset *ds = &t->base;

        qn_dataset_close(&ds);
    }
    words_free(ctx, &words);
    qni_free(ctx, &bytes);
    qni_free(ctx, &point);
    return st;
}

qn_status qn_dataset_text_from(qn_dataset **out, const qn_reader *text, const qn_text_opt *opt)
{
    static const qn_text_opt defaults;
    const qn_text_opt *o = opt ? opt : &defaults;
    qn_context *own = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!text || !text->read || !text->name)
        return qni_error(QN_E_ARG, "the reader, its function or its name is NULL");
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->length < 0 || o->samples < 0 || o->max_bytes < 0 || !(o->fraction < 1))
        return qni_error(QN_E_ARG, "length %d, samples %" PRId64 ", max_bytes %" PRId64 " or fraction %g is out of range",
                         o->length, o->samples, o->max_bytes, o->fraction);
    if (!o->context && (st = qn_context_create(&own, NULL)))
        return st;
    st = make(out, text, o, o->context ? o->context : own);
    qn_context_destroy(&own);
    return st;
}

qn_status qn_dataset_text(qn_dataset **out, const char *path, const qn_text_opt *opt)
{
    struct qni_file_reader f;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !path)
        return qni_error(QN_E_ARG, "out or path is NULL");
    if ((st = qni_file_reader_open(&f, path)))
        return st;
    st = qn_dataset_text_from(out, &f.reader, opt);
    qni_file_reader_close(&f);
    return st;
}

/* ---- numbers and characters of a vocabulary ---- */

qn_status qn_text_encode(const char *vocabulary, const char *text, int32_t *out, int64_t most, int64_t *count)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left;

    if (!vocabulary || !text || !count || (!out && most > 0))
        return qni_error(QN_E_ARG, "a pointer is NULL");
    *count = 0;
    for (left = strlen(text); left;) {
        const unsigned char *v = (const unsigned char *)vocabulary;
        size_t rest = strlen(vocabulary);
        uint32_t point, word = 0;
        const int bytes = qni_utf8_decode(at, left, &point);
        int32_t number = 0;

        if (!bytes)
            return qni_error(QN_E_FORMAT, "character %" PRId64 " of the text is not UTF-8", *count + 1);
        for (int used; rest && (used = qni_utf8_decode(v, rest, &word)) && word != point; number++) {
            v += used;
            rest -= (size_t)used;
        }
        if (!rest || word != point)
            return qni_error(QN_E_FORMAT, "character %" PRId64 " of the text, U+%04" PRIX32 ", is not of the vocabulary",
                             *count + 1, point);
        if (*count < most)
            out[*count] = number;
        ++*count;
        at += bytes;
        left -= (size_t)bytes;
    }
    return QN_OK;
}

void qn_text_decode(const char *vocabulary, int32_t number, char out[5])
{
    const unsigned char *v = (const unsigned char *)vocabulary;
    size_t rest = vocabulary ? strlen(vocabulary) : 0;
    uint32_t point;
    int used = 0;

    memset(out, 0, 5);
    while (rest && (used = qni_utf8_decode(v, rest, &point)) && number-- > 0) {
        v += used;
        rest -= (size_t)used;
    }
    if (rest && used)
        memcpy(out, v, (size_t)used);
}
