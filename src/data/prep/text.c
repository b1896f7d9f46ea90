/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Texts as sequences of numbers. */
#include "data/prep/prep.h"
#include "data/text/text.h"

struct text {
    qn_prep base;
    qn_tokenizer *tokenizer;
    int64_t length;
    qn_pad_opt pad;
    int32_t begin, end; /* numbers before and behind the text's; 0: none */
};

static qn_status load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    const struct text *s = (const struct text *)p;
    const int before = s->begin != 0;
    int32_t *number = NULL;
    int64_t count = 0;
    qn_status st;

    if (!raw->text)
        return qni_prep_lacks("a text");
    if ((st = qn_tokenizer_encode(s->tokenizer, raw->text, NULL, 0, &count)) ||
        (st = qni_calloc(p->ctx, &number, (size_t)count + 2, sizeof(*number))))
        return st;
    if (!(st = qn_tokenizer_encode(s->tokenizer, raw->text, number + before, count, &count))) {
        if (before)
            number[0] = s->begin;
        count += before;
        if (s->end)
            number[count++] = s->end;
        st = qn_sequence_pad(sample, s->length, number, count, &s->pad);
    }
    qni_free(p->ctx, &number);
    return st;
}

static void put(const qn_prep *p, struct qni_json_out *o)
{
    const struct text *s = (const struct text *)p;

    qni_json_put_int(o, "length", s->length);
    qni_json_put_bool(o, "pad_behind", s->pad.pad_behind);
    qni_json_put_bool(o, "cut_behind", s->pad.cut_behind);
    qni_json_put_int(o, "value", s->pad.value);
    if (s->begin)
        qni_json_put_int(o, "begin", s->begin);
    if (s->end)
        qni_json_put_int(o, "end", s->end);
    qni_tokenizer_put(s->tokenizer, o, "tokenizer");
}

static void start(struct text *s)
{
    s->base.sample = (qn_field){"text", QN_FIELD_INPUT, QN_I32, {1, {s->length}}};
}

/* One that may be missing, as it is where there is none, and in older files. */
static qn_status get_mark(const struct qni_json_at *at, const char *key, int32_t *mark)
{
    struct qni_json_at found;
    int64_t value = 0;
    qn_status st = qni_json_find(&found, at, key) ? qni_json_get_int(at, key, 1, INT32_MAX, &value) : QN_OK;

    *mark = (int32_t)value;
    return st;
}

static qn_status get(qn_prep *p, const struct qni_json_at *at)
{
    struct text *s = (struct text *)p;
    struct qni_json_at tokenizer;
    int64_t value;
    qn_status st;

    if ((st = qni_json_get_int(at, "length", 1, INT32_MAX, &s->length)) ||
        (st = qni_json_get_bool(at, "pad_behind", &s->pad.pad_behind)) ||
        (st = qni_json_get_bool(at, "cut_behind", &s->pad.cut_behind)) ||
        (st = qni_json_get_int(at, "value", INT32_MIN, INT32_MAX, &value)) || (st = get_mark(at, "begin", &s->begin)) ||
        (st = get_mark(at, "end", &s->end)) || (st = qni_json_member(&tokenizer, at, "tokenizer")))
        return st;
    s->pad.value = (int32_t)value;
    start(s);
    return qni_tokenizer_get(&s->tokenizer, p->ctx, &tokenizer);
}

static void describe(const qn_prep *p, struct qni_text *t)
{
    static const char *const kinds[] = {"words", "characters", "pairs of bytes"};
    const struct text *s = (const struct text *)p;

    qni_text_add(t, "text as %lld %s of %lld, padded %s and cut %s", (long long)s->length, kinds[s->tokenizer->opt.kind],
                 (long long)qn_tokenizer_size(s->tokenizer), s->pad.pad_behind ? "behind" : "before",
                 s->pad.cut_behind ? "behind" : "before");
    if (s->begin)
        qni_text_add(t, ", begun by %d", (int)s->begin);
    if (s->end)
        qni_text_add(t, ", ended by %d", (int)s->end);
}

static void close_text(qn_prep *p)
{
    qn_tokenizer_destroy(&((struct text *)p)->tokenizer);
}

const struct qni_prep_type qni_prep_text_type = {
    .name = "text",
    .kind = QN_PREP_TEXT,
    .bytes = sizeof(struct text),
    .load = load,
    .put = put,
    .get = get,
    .describe = describe,
    .close = close_text,
};

static qn_status copy_tokenizer(qn_tokenizer **out, const qn_tokenizer *t)
{
    size_t bytes = 0;
    char *json = NULL;
    qn_status st;

    if ((st = qn_tokenizer_to_json(t, NULL, 0, &bytes)) || (st = qni_calloc(t->ctx, &json, bytes + 1, 1)))
        return st;
    if (!(st = qn_tokenizer_to_json(t, json, bytes + 1, &bytes)))
        st = qn_tokenizer_from_json(out, t->ctx, "tokenizer", json, bytes);
    qni_free(t->ctx, &json);
    return st;
}

qn_status qn_prep_text(qn_prep **out, const qn_tokenizer *tokenizer, int64_t length, const qn_pad_opt *pad)
{
    return qn_prep_text_marked(out, tokenizer, length, pad, 0, 0);
}

qn_status qn_prep_text_marked(qn_prep **out, const qn_tokenizer *tokenizer, int64_t length, const qn_pad_opt *pad, int32_t begin,
                              int32_t end)
{
    struct text *s = NULL;
    qn_prep *p;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!tokenizer || length < 1 || length > INT32_MAX)
        return qni_error(QN_E_ARG, "a length of %lld%s", (long long)length, tokenizer ? "" : ", tokenizer is NULL");
    if (begin < 0 || end < 0)
        return qni_error(QN_E_ARG, "%d begins or %d ends a text", (int)begin, (int)end);
    if ((st = qni_prep_new(&s, tokenizer->ctx, &qni_prep_text_type)))
        return st;
    p = &s->base;
    s->length = length;
    s->pad = pad ? *pad : (qn_pad_opt){0};
    s->begin = begin;
    s->end = end;
    start(s);
    if ((st = copy_tokenizer(&s->tokenizer, tokenizer)))
        qn_prep_release(&p);
    *out = p;
    return st;
}

int32_t qn_prep_text_begin(const qn_prep *p)
{
    return p && p->type == &qni_prep_text_type ? ((const struct text *)p)->begin : 0;
}

int32_t qn_prep_text_end(const qn_prep *p)
{
    return p && p->type == &qni_prep_text_type ? ((const struct text *)p)->end : 0;
}

const qn_tokenizer *qn_prep_tokenizer(const qn_prep *p)
{
    return p && p->type == &qni_prep_text_type ? ((const struct text *)p)->tokenizer : NULL;
}
