/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What comes next: samples of sessions. */
#include "data/data.h"
#include "data/draw.h"
#include "data/events/events.h"

#define STREAM UINT32_C(0x6e656761) /* "nega": no operation's stream, which count up from 0 */

struct sample {
    int64_t first, place; /* in item: the session's begin, and what is to be foretold (shifted: the session's end) */
    int64_t end;          /* the session's */
};

struct events {
    qn_dataset base;
    qn_events_dataset_opt opt;
    int64_t items;
    int32_t *item;
    struct sample *sample;
};

/* The last items before a place, zeros before them. */
static void put_items(const struct events *e, const struct sample *s, int64_t end, int32_t *out)
{
    const int64_t count = QNI_MIN(end - s->first, e->opt.length), zeros = e->opt.length - count;

    memset(out, 0, (size_t)zeros * sizeof(*out));
    memcpy(out + zeros, e->item + end - count, (size_t)count * sizeof(*out));
}

/* An item that the session lacks; where it has nearly all, drawing ends and any item will do. */
static int32_t draw_other(const struct events *e, const struct sample *s, struct qni_draw *d)
{
    int32_t item = 1;

    for (int tries = 0; tries < 64; tries++) {
        bool there = false;

        item = (int32_t)qni_draw_integer(d, e->items) + 1;
        for (int64_t i = s->first; i < s->end && !there; i++)
            there = e->item[i] == item;
        if (!there)
            break;
    }
    return item;
}

static void read_shifted(const struct events *e, const struct sample *s, int32_t *items, int32_t *next)
{
    if (items)
        put_items(e, s, s->end - 1, items);
    if (next)
        put_items(e, &(struct sample){.first = s->first + 1}, s->end, next);
}

static qn_status read_events(const qn_dataset *ds, const struct qni_read *r)
{
    const struct events *e = (const struct events *)ds;
    const int64_t each = e->opt.negatives + 1, length = e->opt.length;

    for (int64_t i = 0; i < r->count; i++) {
        const struct sample *s = &e->sample[r->index[i] / each];
        const bool wanted = r->index[i] % each == 0;
        int32_t *items = r->out[0] ? (int32_t *)r->out[0] + i * length : NULL;

        if (e->opt.part == QN_EVENTS_SHIFTED) {
            read_shifted(e, s, items, r->out[1] ? (int32_t *)r->out[1] + i * length : NULL);
            continue;
        }
        if (items)
            put_items(e, s, s->place, items);
        if (!e->opt.negatives) {
            if (r->out[1])
                ((int32_t *)r->out[1])[i] = e->item[s->place];
            continue;
        }
        if (r->out[1]) {
            struct qni_draw d = qni_draw_begin(r->seed, r->epoch, r->index[i], STREAM);

            ((int32_t *)r->out[1])[i] = wanted ? e->item[s->place] : draw_other(e, s, &d);
        }
        if (r->out[2])
            ((float *)r->out[2])[i] = wanted;
    }
    return QN_OK;
}

static void close_events(qn_dataset *ds)
{
    struct events *e = (struct events *)ds;

    qni_free(ds->ctx, &e->item);
    qni_free(ds->ctx, &e->sample);
}

static const struct qni_dataset_kind events_kind = {read_events, close_events};

/* The samples of a session; sample NULL: only their number. */
static int64_t samples_of(const qn_events *events, int64_t i, qn_events_part part, struct sample *sample)
{
    const int64_t first = events->start[i], end = events->start[i + 1];
    const int64_t from = part == QN_EVENTS_EACH || part == QN_EVENTS_EARLIER ? first + 1 : end - 1;
    const int64_t to = part == QN_EVENTS_EARLIER ? end - 1 : end;

    if (end - first < 2)
        return 0;
    for (int64_t place = from; sample && place < to; place++)
        *sample++ = (struct sample){first, place, end};
    return to - from;
}

static int make_fields(qn_field field[3], const qn_events_dataset_opt *o)
{
    const bool shifted = o->part == QN_EVENTS_SHIFTED;

    field[0] = (qn_field){"items", QN_FIELD_INPUT, QN_I32, {1, {o->length}}};
    if (!o->negatives) {
        field[1] = (qn_field){"next", QN_FIELD_TARGET, QN_I32, {shifted, {o->length}}};
        return 2;
    }
    field[1] = (qn_field){"item", QN_FIELD_INPUT, QN_I32, {0, {0}}};
    field[2] = (qn_field){"wanted", QN_FIELD_TARGET, QN_F32, {1, {1}}};
    return 3;
}

static qn_status check(const qn_events *events, const qn_events_dataset_opt *o)
{
    if (!events || !o)
        return qni_error(QN_E_ARG, "%s is NULL", events ? "opt" : "events");
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->length < 1 || o->length > INT32_MAX || (unsigned)o->part > QN_EVENTS_SHIFTED || o->negatives < 0 ||
        o->negatives > 1000000 || (o->negatives && o->part == QN_EVENTS_SHIFTED))
        return qni_error(QN_E_ARG, "length %lld, part %d, %d negatives: out of range", (long long)o->length, (int)o->part,
                         o->negatives);
    return QN_OK;
}

qn_status qn_dataset_events(qn_dataset **out, const qn_events *events, const qn_events_dataset_opt *opt)
{
    struct events *e = NULL;
    qn_dataset *ds;
    qn_field field[3];
    int64_t samples = 0, at = 0;
    qn_status st;
    int fields;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = check(events, opt)))
        return st;
    for (int64_t i = 0; i < events->sessions; i++)
        samples += samples_of(events, i, opt->part, NULL);
    fields = make_fields(field, opt);
    if ((st = qni_dataset_new(&e, sizeof(*e), events->ctx, samples * (opt->negatives + 1), field, fields)))
        return st;
    ds = &e->base;
    e->opt = *opt;
    e->items = qn_events_items(events);
    if (!(st = qni_calloc(ds->ctx, &e->item, (size_t)events->start[events->sessions], sizeof(*e->item))) &&
        !(st = qni_calloc(ds->ctx, &e->sample, (size_t)samples, sizeof(*e->sample)))) {
        memcpy(e->item, events->item, (size_t)events->start[events->sessions] * sizeof(*e->item));
        for (int64_t i = 0; i < events->sessions; i++)
            at += samples_of(events, i, opt->part, e->sample + at);
        ds->kind = &events_kind;
        *out = ds;
        return QN_OK;
    }
    close_events(ds);
    qn_dataset_close(&ds);
    return st;
}
