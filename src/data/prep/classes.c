/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Classes by name. */
#include "data/prep/prep.h"
#include "data/text/text.h"

struct classes {
    qn_prep base;
    struct qni_words names; /* numbered as the classes */
};

static qn_status load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    const struct classes *c = (const struct classes *)p;
    int64_t number;
    int32_t label;

    if (!raw->text)
        return qni_prep_lacks("a class's name");
    if ((number = qni_words_find(&c->names, raw->text, strlen(raw->text))) < 0)
        return qni_error(QN_E_FORMAT, "there is no class \"%.80s\"", raw->text);
    label = (int32_t)number;
    memcpy(sample, &label, sizeof(label));
    return QN_OK;
}

static void put(const qn_prep *p, struct qni_json_out *o)
{
    const struct classes *c = (const struct classes *)p;

    qni_json_open(o, "classes", '[');
    for (size_t i = 0; i < c->names.words; i++)
        qni_json_put_text(o, NULL, qni_words_text(&c->names, i));
    qni_json_close(o, ']');
}

static qn_status add(struct classes *c, const char *name)
{
    const size_t before = c->names.words;
    int64_t number;
    qn_status st = qni_words_add(&c->names, name, strlen(name), &number);

    if (!st && c->names.words == before)
        return qni_error(QN_E_ARG, "class \"%.80s\" is there twice", name);
    return st;
}

static void start(struct classes *c)
{
    c->names.ctx = c->base.ctx;
    c->base.sample = (qn_field){.name = "label", .role = QN_FIELD_TARGET, .dtype = QN_I32};
}

static qn_status get(qn_prep *p, const struct qni_json_at *at)
{
    struct classes *c = (struct classes *)p;
    struct qni_json_at list, child = {0};
    const char *name;
    qn_status st;

    start(c);
    if ((st = qni_json_member(&list, at, "classes")))
        return st;
    if (qni_json_type(&list) != QNI_JSON_ARRAY)
        return qni_json_expected(&list, "an array of names");
    while (qni_json_next(&list, &child)) {
        if ((st = qni_json_text(&child, &name)))
            return st;
        if ((st = add(c, name)))
            return st == QN_E_ARG ? qni_json_error(&child, "class \"%.80s\" is there twice", name) : st;
        if (c->names.words > INT32_MAX)
            return qni_json_error(&list, "too many classes");
    }
    return c->names.words ? QN_OK : qni_json_expected(&list, "one class or more");
}

static void describe(const qn_prep *p, struct qni_text *t)
{
    const struct classes *c = (const struct classes *)p;
    const size_t shown = QNI_MIN(c->names.words, 12);

    qni_text_add(t, "%zu classes: ", c->names.words);
    for (size_t i = 0; i < shown; i++)
        qni_text_add(t, "%s%s", i ? ", " : "", qni_words_text(&c->names, i));
    if (shown < c->names.words)
        qni_text_add(t, ", ...");
}

static void close_classes(qn_prep *p)
{
    qni_words_free(&((struct classes *)p)->names);
}

const struct qni_prep_type qni_prep_classes_type = {
    .name = "classes",
    .kind = QN_PREP_CLASSES,
    .bytes = sizeof(struct classes),
    .load = load,
    .put = put,
    .get = get,
    .describe = describe,
    .close = close_classes,
};

qn_status qn_prep_classes(qn_prep **out, qn_context *ctx, const char *const *name, int classes)
{
    struct classes *c = NULL;
    qn_prep *p;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!name || classes < 1)
        return qni_error(QN_E_ARG, "%d classes%s", classes, name ? "" : ", name is NULL");
    if ((st = qni_prep_new(&c, ctx, &qni_prep_classes_type)))
        return st;
    p = &c->base;
    start(c);
    for (int i = 0; i < classes && !st; i++)
        st = name[i] ? add(c, name[i]) : qni_error(QN_E_ARG, "class %d has no name", i);
    if (st)
        qn_prep_release(&p);
    *out = p;
    return st;
}

int qn_prep_class_count(const qn_prep *p)
{
    return p && p->type == &qni_prep_classes_type ? (int)((const struct classes *)p)->names.words : 0;
}

const char *qn_prep_class(const qn_prep *p, int i)
{
    return i >= 0 && i < qn_prep_class_count(p) ? qni_words_text(&((const struct classes *)p)->names, (size_t)i) : NULL;
}
