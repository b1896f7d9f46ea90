/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * From events to sessions: order, pauses, what comes too seldom. */
#include "data/events/events.h"
#include "data/prep/prep.h"

/* By user, then by time, then as they came. */
static int compare(const void *user, uint32_t a, uint32_t b)
{
    const struct qni_event *e = user, *x = &e[a], *y = &e[b];

    if (x->user != y->user)
        return x->user < y->user ? -1 : 1;
    if (x->time < y->time || x->time > y->time)
        return x->time < y->time ? -1 : 1;
    return a < b ? -1 : a > b;
}

static qn_status in_order(const struct qni_events_reader *r, uint32_t **order)
{
    bool sorted = true;
    qn_status st;

    if (r->events > INT32_MAX)
        return qni_error(QN_E_UNSUPPORTED, "%s: more than 2^31 events", r->name);
    if ((st = qni_calloc(r->ctx, order, r->events, sizeof(**order))))
        return st;
    for (size_t i = 0; i < r->events; i++) {
        (*order)[i] = (uint32_t)i;
        sorted = sorted && (!i || compare(r->event, (uint32_t)i - 1, (uint32_t)i) < 0);
    }
    if (!sorted)
        qni_sort(*order, r->events, compare, r->event);
    return QN_OK;
}

/* The items that are often enough get new numbers, in their old order; number[old] is -1 for the others. */
static qn_status keep_items(qn_events *e, const struct qni_events_reader *r, int32_t *number)
{
    const struct qni_words *from = &r->items;
    qn_status st;

    for (size_t i = 0; i < r->events; i++)
        number[r->event[i].item]++;
    for (size_t i = 0; i < from->words; i++) {
        const char *name = qni_words_text(from, i);
        int64_t at = -1;

        if (number[i] >= r->opt.rarest && number[i] && (st = qni_words_add(&e->names, name, strlen(name), &at)))
            return st;
        number[i] = (int32_t)at;
    }
    return QN_OK;
}

/* The preparation's items have its numbers, however seldom they come. */
static qn_status copy_items(qn_events *e, const qn_prep *prep, int32_t *number)
{
    qn_status st = QN_OK;
    int64_t at;

    for (int64_t i = 0; i < qn_prep_item_count(prep) && !st; i++) {
        const char *name = qn_prep_item(prep, i + 1);

        st = qni_words_add(&e->names, name, strlen(name), &at);
        number[i] = (int32_t)i;
    }
    return st;
}

/* A session ends: it stays if it is long enough. */
static void end_session(qn_events *e, int64_t *filled, int64_t fewest)
{
    if (*filled - e->start[e->sessions] >= fewest && *filled > e->start[e->sessions])
        e->start[++e->sessions] = *filled;
    else
        *filled = e->start[e->sessions];
}

static void fill(qn_events *e, const struct qni_events_reader *r, const uint32_t *order, const int32_t *number)
{
    const struct qni_event *last = NULL;
    int64_t filled = 0;

    for (size_t i = 0; i < r->events; i++) {
        const struct qni_event *x = &r->event[order[i]];
        const int32_t item = number[x->item] + 1;

        if (last && (last->user != x->user || (r->opt.gap > 0 && x->time - last->time > r->opt.gap)))
            end_session(e, &filled, r->opt.fewest);
        last = x;
        if (!item || (r->opt.drop_repeats && filled > e->start[e->sessions] && e->item[filled - 1] == item))
            continue;
        e->item[filled++] = item;
    }
    end_session(e, &filled, r->opt.fewest);
}

qn_status qni_events_sessions(qn_events **out, struct qni_events_reader *r)
{
    const size_t items = r->opt.prep ? (size_t)qn_prep_item_count(r->opt.prep) : r->items.words;
    qn_events *e = NULL;
    uint32_t *order = NULL;
    int32_t *number = NULL;
    qn_status st;

    if ((st = qni_calloc(r->ctx, &e, 1, sizeof(*e))))
        return st;
    e->ctx = qni_context_retain(r->ctx);
    e->names.ctx = r->ctx;
    if ((st = in_order(r, &order)) || (st = qni_calloc(r->ctx, &number, items, sizeof(*number))) ||
        (st = r->opt.prep ? copy_items(e, r->opt.prep, number) : keep_items(e, r, number)) ||
        (st = qni_calloc(r->ctx, &e->item, r->events, sizeof(*e->item))) ||
        (st = qni_calloc(r->ctx, &e->start, r->events + 1, sizeof(*e->start))))
        goto done;
    fill(e, r, order, number);
    *out = e;
    e = NULL;
done:
    qni_free(r->ctx, &order);
    qni_free(r->ctx, &number);
    qn_events_destroy(&e);
    return st;
}

void qn_events_destroy(qn_events **events)
{
    qn_events *e = events ? *events : NULL;
    qn_context *ctx;

    if (!e)
        return;
    *events = NULL;
    ctx = e->ctx;
    qni_words_free(&e->names);
    qni_free(ctx, &e->item);
    qni_free(ctx, &e->start);
    qni_free(ctx, &e);
    qni_context_release(&ctx);
}

int64_t qn_events_sessions(const qn_events *e)
{
    return e ? e->sessions : 0;
}

const int32_t *qn_events_session(const qn_events *e, int64_t i, int64_t *count)
{
    const bool there = e && i >= 0 && i < e->sessions;

    if (count)
        *count = there ? e->start[i + 1] - e->start[i] : 0;
    return there ? e->item + e->start[i] : NULL;
}

int64_t qn_events_items(const qn_events *e)
{
    return e ? (int64_t)e->names.words : 0;
}

const char *qn_events_item(const qn_events *e, int64_t number)
{
    return number >= 1 && number <= qn_events_items(e) ? qni_words_text(&e->names, (size_t)number - 1) : NULL;
}
