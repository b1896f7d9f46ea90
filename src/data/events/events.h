/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_DATA_EVENTS_H
#define QNI_DATA_EVENTS_H

#include <quern/data_events.h>
#include <quern/data_prep.h>

#include "base/base.h"
#include "data/text/text.h"

struct qni_event {
    int32_t user, item; /* numbers of words */
    double time;
};

struct qn_events {
    qn_context *ctx;
    struct qni_words names; /* of items; word i is item i + 1 */
    int32_t *item;          /* of all sessions, one after another */
    int64_t *start;         /* [sessions + 1] in item */
    int64_t sessions;
};

/* ---- read.c: a file's lines ---- */

struct qni_events_reader {
    qn_context *ctx;
    qn_events_opt opt;         /* with the defaults */
    const char *name;          /* of the file */
    int64_t line;              /* from 1 */
    struct qni_words users, items;
    struct qni_event *event;
    size_t events, room;
    int column[3];             /* CSV: of user, item, time; -1: there is none */
    int32_t user;              /* msweb: whose visits follow; -1: nobody's */
    struct qni_words pages;    /* msweb: numbers of pages, and */
    int32_t *page_item;        /* [pages.words] their items */
    size_t page_room;
};

/* "FILE: line N: " + message, QN_E_FORMAT. */
qn_status qni_events_fail(const struct qni_events_reader *r, const char *format, ...) QNI_PRINTF(2, 3);
/* item NULL: the user alone is noted, so that users come in the order of the file. */
qn_status qni_events_add(struct qni_events_reader *r, const char *user, const char *item, double time);
/* A line's values, separated, perhaps in quotes; changed in place, the values end in zeros. *n receives how many, of which the
 * first most are given. */
qn_status qni_events_cells(const struct qni_events_reader *r, char *line, char **cell, int most, int *n);

/* ---- sessions.c ---- */

qn_status qni_events_sessions(qn_events **out, struct qni_events_reader *r);

/* ---- ../prep/items.c ---- */

/* An item's number in a preparation of items; 0 where it has none. */
qn_status qni_prep_items_find(const qn_prep *p, const char *name, int64_t *number);

#endif
