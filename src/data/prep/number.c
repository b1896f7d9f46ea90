/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A number that a network predicts. */
#include <math.h>

#include "data/prep/prep.h"

struct number {
    qn_prep base;
    char *name;
    double mean, deviation;
};

static qn_status load(const qn_prep *p, const qn_raw *raw, void *sample)
{
    const struct number *n = (const struct number *)p;
    double v;
    float f;

    if (!raw->text)
        return qni_prep_lacks("a number");
    if (!qni_parse_number(raw->text, strlen(raw->text), &v) || !isfinite(v) || !isfinite((float)((v - n->mean) / n->deviation)))
        return qni_error(QN_E_FORMAT, "expected a number, found \"%.40s\"", raw->text);
    f = (float)((v - n->mean) / n->deviation);
    memcpy(sample, &f, sizeof(f));
    return QN_OK;
}

static void put(const qn_prep *p, struct qni_json_out *o)
{
    const struct number *n = (const struct number *)p;

    qni_json_put_text(o, "name", n->name);
    qni_json_put_double(o, "mean", n->mean);
    qni_json_put_double(o, "deviation", n->deviation);
}

static bool in_range(double mean, double deviation)
{
    return isfinite(mean) && isfinite(deviation) && deviation > 0.0;
}

static void start(struct number *n)
{
    n->base.sample = (qn_field){"label", QN_FIELD_TARGET, QN_F32, {1, {1}}};
}

static qn_status get(qn_prep *p, const struct qni_json_at *at)
{
    struct number *n = (struct number *)p;
    const char *name;
    qn_status st;

    start(n);
    if ((st = qni_json_get_text(at, "name", &name)) || (st = qni_json_get_double(at, "mean", &n->mean)) ||
        (st = qni_json_get_double(at, "deviation", &n->deviation)))
        return st;
    if (!in_range(n->mean, n->deviation))
        return qni_json_error(at, "a mean of %g and a deviation of %g", n->mean, n->deviation);
    return qni_strdup(p->ctx, &n->name, name);
}

static void describe(const qn_prep *p, struct qni_text *t)
{
    const struct number *n = (const struct number *)p;

    qni_text_add(t, "%s", *n->name ? n->name : "a number");
    if (n->mean != 0.0 || n->deviation != 1.0)
        qni_text_add(t, ", less %g and divided by %g", n->mean, n->deviation);
}

static void close_number(qn_prep *p)
{
    qni_free(p->ctx, &((struct number *)p)->name);
}

const struct qni_prep_type qni_prep_number_type = {
    .name = "number",
    .kind = QN_PREP_NUMBER,
    .bytes = sizeof(struct number),
    .load = load,
    .put = put,
    .get = get,
    .describe = describe,
    .close = close_number,
};

qn_status qn_prep_number(qn_prep **out, qn_context *ctx, const char *name, double mean, double deviation)
{
    struct number *n = NULL;
    qn_prep *p;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!in_range(mean, deviation))
        return qni_error(QN_E_ARG, "a mean of %g and a deviation of %g", mean, deviation);
    if ((st = qni_prep_new(&n, ctx, &qni_prep_number_type)))
        return st;
    p = &n->base;
    n->mean = mean;
    n->deviation = deviation;
    start(n);
    if ((st = qni_strdup(p->ctx, &n->name, name ? name : "")))
        qn_prep_release(&p);
    *out = p;
    return st;
}

double qn_prep_undo(const qn_prep *p, double value)
{
    const struct number *n = (const struct number *)p;

    return p && p->type == &qni_prep_number_type ? value * n->deviation + n->mean : value;
}

const char *qn_prep_name(const qn_prep *p)
{
    return p && p->type == &qni_prep_number_type ? ((const struct number *)p)->name : "";
}
