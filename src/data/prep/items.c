/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Items one after another, as numbers or one-hot. */
#include "data/events/events.h"
#include "data/prep/prep.h"

struct items {
    qn_prep base;
    struct qni_words names; /* word i is item i + 1 */
    int64_t length;
    bool one_hot;
};

qn_status qni_prep_items_find(const qn_prep *p, const char *name, int64_t *number)
{
    const struct items *s = (const struct items *)p;

    if (!name)
        return qni_error(QN_E_ARG, "an item's name is NULL");
    *number = qni_words_find(&s->names, name, strlen(name)) + 1;
    return QN_OK;
}

static qn_status load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    const struct items *s = (const struct items *)p;
    int32_t *out = sample;
    int64_t to = s->length, number = 0;
    qn_status st;

    if (!raw->cell || raw->cells < 0)
        return qni_prep_lacks("items");
    for (int64_t i = raw->cells; i > 0 && to > 0; i--) {
        if ((st = qni_prep_items_find(p, raw->cell[i - 1], &number)))
            return st;
        if (number)
            out[--to] = (int32_t)number;
    }
    memset(out, 0, (size_t)to * sizeof(*out));
    return QN_OK;
}

static qn_status finish(const qn_prep *p, const void *sample, void *input)
{
    const struct items *s = (const struct items *)p;
    const size_t width = s->names.words + 1;
    const int32_t *in = sample;
    float *out = input;

    if (!s->one_hot) {
        memcpy(input, sample, (size_t)s->length * sizeof(*in));
        return QN_OK;
    }
    memset(out, 0, (size_t)s->length * width * sizeof(*out));
    for (int64_t i = 0; i < s->length; i++) {
        if (in[i] < 0 || (size_t)in[i] >= width)
            return qni_error(QN_E_ARG, "item %d, expected 0 to %zu", (int)in[i], width - 1);
        if (in[i])
            out[(size_t)i * width + (size_t)in[i]] = 1;
    }
    return QN_OK;
}

static void put(const qn_prep *p, struct qni_json_out *o)
{
    const struct items *s = (const struct items *)p;

    qni_json_put_int(o, "length", s->length);
    qni_json_put_bool(o, "one_hot", s->one_hot);
    qni_json_open(o, "items", '[');
    for (size_t i = 0; i < s->names.words; i++)
        qni_json_put_text(o, NULL, qni_words_text(&s->names, i));
    qni_json_close(o, ']');
}

static void start(struct items *s)
{
    const int64_t width = (int64_t)s->names.words + 1;

    s->base.sample = (qn_field){"items", QN_FIELD_INPUT, QN_I32, {1, {s->length}}};
    s->base.input = s->base.sample;
    if (s->one_hot) {
        s->base.input.dtype = QN_F32;
        s->base.input.shape = (qn_shape){2, {s->length, width}};
    }
}

static qn_status get(qn_prep *p, const struct qni_json_at *at)
{
    struct items *s = (struct items *)p;
    struct qni_json_at list, child = {0};
    const char *name;
    int64_t number;
    qn_status st;

    s->names.ctx = p->ctx;
    if ((st = qni_json_get_int(at, "length", 1, INT32_MAX, &s->length)) ||
        (st = qni_json_get_bool(at, "one_hot", &s->one_hot)) || (st = qni_json_member(&list, at, "items")))
        return st;
    if (qni_json_type(&list) != QNI_JSON_ARRAY)
        return qni_json_expected(&list, "an array of names");
    while (qni_json_next(&list, &child)) {
        const size_t before = s->names.words;

        if ((st = qni_json_text(&child, &name)) || (st = qni_words_add(&s->names, name, strlen(name), &number)))
            return st;
        if (s->names.words == before || number >= INT32_MAX - 1)
            return qni_json_error(&child, "item \"%.80s\" is there twice, or there are too many", name);
    }
    start(s);
    return s->names.words ? QN_OK : qni_json_expected(&list, "one item or more");
}

static void describe(const qn_prep *p, struct qni_text *t)
{
    const struct items *s = (const struct items *)p;

    qni_text_add(t, "the last %lld of %zu items%s", (long long)s->length, s->names.words, s->one_hot ? ", one-hot" : "");
}

static void close_items(qn_prep *p)
{
    qni_words_free(&((struct items *)p)->names);
}

const struct qni_prep_type qni_prep_items_type = {
    .name = "items",
    .kind = QN_PREP_ITEMS,
    .bytes = sizeof(struct items),
    .load = load,
    .finish = finish,
    .put = put,
    .get = get,
    .describe = describe,
    .close = close_items,
};

qn_status qn_prep_items(qn_prep **out, const qn_events *events, int64_t length, bool one_hot)
{
    struct items *s = NULL;
    qn_prep *p;
    int64_t number;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!events || length < 1 || length > INT32_MAX || !events->names.words)
        return qni_error(QN_E_ARG, "a length of %lld%s", (long long)length, !events ? ", events is NULL" : ", or no items");
    if ((st = qni_prep_new(&s, events->ctx, &qni_prep_items_type)))
        return st;
    p = &s->base;
    s->names.ctx = p->ctx;
    s->length = length;
    s->one_hot = one_hot;
    for (int64_t i = 1; i <= qn_events_items(events) && !st; i++) {
        const char *name = qn_events_item(events, i);

        st = qni_words_add(&s->names, name, strlen(name), &number);
    }
    start(s);
    if (st)
        qn_prep_release(&p);
    *out = p;
    return st;
}

int64_t qn_prep_item_count(const qn_prep *p)
{
    return p && p->type == &qni_prep_items_type ? (int64_t)((const struct items *)p)->names.words : 0;
}

const char *qn_prep_item(const qn_prep *p, int64_t number)
{
    return number >= 1 && number <= qn_prep_item_count(p) ? qni_words_text(&((const struct items *)p)->names, (size_t)number - 1)
                                                          : NULL;
}
