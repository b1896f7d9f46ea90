/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Events line by line, in the three ways in which they are written. */
#include <math.h>
#include <stdio.h>

#include "data/data.h"
#include "data/events/events.h"
#include "io/json.h"

#define MOST_COLUMNS 256
#define KEEP_BYTES   (INT64_C(1) << 30)

qn_status qni_events_fail(const struct qni_events_reader *r, const char *format, ...)
{
    char text[256];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    return qni_error(QN_E_FORMAT, "%s: line %lld: %s", r->name, (long long)r->line, text);
}

static qn_status number_of(struct qni_words *w, const char *text, int32_t *out)
{
    int64_t number;
    qn_status st = qni_words_add(w, text, strlen(text), &number);

    if (!st && number >= INT32_MAX)
        st = qni_error(QN_E_UNSUPPORTED, "more than 2^31 different names");
    if (!st)
        *out = (int32_t)number;
    return st;
}

qn_status qni_events_add(struct qni_events_reader *r, const char *user, const char *item, double time)
{
    struct qni_event e = {.time = time};
    qn_status st;

    if ((st = number_of(&r->users, user, &e.user)) || !item)
        return st;
    if (r->opt.prep) { /* its numbers, or none */
        int64_t known = 0;

        if ((st = qni_prep_items_find(r->opt.prep, item, &known)) || !known)
            return st;
        e.item = (int32_t)known - 1;
    } else if ((st = number_of(&r->items, item, &e.item))) {
        return st;
    }
    if ((st = qni_reserve(r->ctx, &r->event, &r->room, r->events, sizeof(*r->event))))
        return st;
    r->event[r->events++] = e;
    return QN_OK;
}

/* ---- separated values ---- */

qn_status qni_events_cells(const struct qni_events_reader *r, char *line, char **cell, int most, int *n)
{
    char *at = line, *to;

    for (*n = 0;; ++*n) {
        char *begin = at, stop;

        if (*at == '"') {
            begin = to = ++at;
            for (; *at && !(at[0] == '"' && at[1] != '"'); at++) {
                at += at[0] == '"';
                *to++ = *at;
            }
            if (!*at)
                return qni_events_fail(r, "a quote is not closed");
            at++;
            if (*at && *at != r->opt.separator)
                return qni_events_fail(r, "text behind a closing quote");
        } else {
            while (*at && *at != r->opt.separator)
                at++;
            to = at;
        }
        stop = *at;
        *to = 0;
        if (*n < most)
            cell[*n] = begin;
        if (!stop) {
            ++*n;
            return QN_OK;
        }
        at++;
    }
}

static qn_status read_time(const struct qni_events_reader *r, const char *text, double *out)
{
    if (!qni_parse_number(text, strlen(text), out))
        return qni_events_fail(r, "the time \"%.40s\" is no number", text);
    return QN_OK;
}

static qn_status read_names(struct qni_events_reader *r, char *line)
{
    const char *want[3] = {r->opt.user, r->opt.item, r->opt.time};
    char *cell[MOST_COLUMNS];
    int n;
    qn_status st;

    if ((st = qni_events_cells(r, line, cell, MOST_COLUMNS, &n)))
        return st;
    if (n > MOST_COLUMNS)
        return qni_events_fail(r, "%d columns, the limit is %d", n, MOST_COLUMNS);
    for (int k = 0; k < 3; k++) {
        r->column[k] = -1;
        for (int i = 0; i < n && r->column[k] < 0; i++)
            if (!strcmp(cell[i], want[k] ? want[k] : ((const char *[]){"user", "item", "time"})[k]))
                r->column[k] = i;
        if (r->column[k] < 0 && (k < 2 || want[k]))
            return qni_events_fail(r, "no column is called \"%.40s\"", want[k] ? want[k] : k ? "item" : "user");
    }
    return QN_OK;
}

static qn_status read_csv(struct qni_events_reader *r, char *line)
{
    char *cell[MOST_COLUMNS];
    double time = 0;
    int n;
    qn_status st;

    if (r->column[0] < 0)
        return read_names(r, line);
    if ((st = qni_events_cells(r, line, cell, MOST_COLUMNS, &n)))
        return st;
    for (int k = 0; k < 3; k++)
        if (r->column[k] >= n)
            return qni_events_fail(r, "%d values, expected %d or more", n, r->column[k] + 1);
    if (!*cell[r->column[0]] || !*cell[r->column[1]])
        return qni_events_fail(r, "the user or the item is empty");
    if (r->column[2] >= 0 && (st = read_time(r, cell[r->column[2]], &time)))
        return st;
    return qni_events_add(r, cell[r->column[0]], cell[r->column[1]], time);
}

/* ---- JSON lines ---- */

/* A text or a whole number, as text. */
static qn_status name_at(const struct qni_json_at *object, const char *key, char number[24], const char **out)
{
    struct qni_json_at at;
    int64_t v;
    qn_status st;

    if ((st = qni_json_member(&at, object, key)))
        return st;
    if (qni_json_type(&at) == QNI_JSON_TEXT)
        return qni_json_text(&at, out);
    if ((st = qni_json_int(&at, INT64_MIN, INT64_MAX, &v)))
        return qni_json_expected(&at, "a text or a whole number");
    snprintf(number, 24, "%lld", (long long)v);
    *out = number;
    return QN_OK;
}

static qn_status event_at(struct qni_events_reader *r, const struct qni_json_at *at, const char *user, bool listed)
{
    const char *key = r->opt.time ? r->opt.time : listed ? "ts" : "time";
    struct qni_json_at when;
    char number[24];
    const char *item;
    double time = 0;
    qn_status st;

    if ((st = name_at(at, r->opt.item ? r->opt.item : listed ? "aid" : "item", number, &item)))
        return st;
    if (qni_json_find(&when, at, key)) {
        if ((st = qni_json_double(&when, &time)))
            return st;
        if (!isfinite(time))
            return qni_json_expected(&when, "a finite number");
    } else if (r->opt.time) {
        return qni_json_member(&when, at, key);
    }
    return qni_events_add(r, user, item, time);
}

static qn_status read_json(struct qni_events_reader *r, char *line)
{
    struct qni_json *json = NULL;
    struct qni_json_at root, list, child = {0};
    char name[512], number[24];
    const char *user;
    bool listed;
    qn_status st;

    snprintf(name, sizeof(name), "%.400s: line %lld", r->name, (long long)r->line);
    if ((st = qni_json_parse(&json, r->ctx, name, line, strlen(line), 0)))
        return st;
    root = qni_json_root(json);
    listed = qni_json_find(&list, &root, r->opt.list);
    if ((st = name_at(&root, r->opt.user ? r->opt.user : listed ? "session" : "user", number, &user)))
        goto done;
    if (!listed) {
        st = event_at(r, &root, user, false);
        goto done;
    }
    if (qni_json_type(&list) != QNI_JSON_ARRAY) {
        st = qni_json_expected(&list, "an array of events");
        goto done;
    }
    st = qni_events_add(r, user, NULL, 0);
    while (!st && qni_json_next(&list, &child))
        st = event_at(r, &child, user, true);
done:
    qni_json_free(&json);
    return st;
}

/* ---- msweb ---- */

/* A page by its number: its item is its address. */
static qn_status add_page(struct qni_events_reader *r, const char *number, const char *address)
{
    const size_t before = r->pages.words;
    int64_t page;
    int32_t item = -1;
    qn_status st;

    if ((st = qni_words_add(&r->pages, number, strlen(number), &page)))
        return st;
    if (r->pages.words == before)
        return qni_events_fail(r, "page %.20s is there twice", number);
    if (!r->opt.prep && (st = number_of(&r->items, address, &item)))
        return st;
    if ((st = qni_reserve(r->ctx, &r->page_item, &r->page_room, before, sizeof(*r->page_item))))
        return st;
    if (r->opt.prep) {
        int64_t known = 0;

        if ((st = qni_prep_items_find(r->opt.prep, address, &known)))
            return st;
        item = (int32_t)known - 1;
    }
    r->page_item[before] = item;
    return QN_OK;
}

static qn_status add_visit(struct qni_events_reader *r, const char *number)
{
    const int64_t page = qni_words_find(&r->pages, number, strlen(number));
    qn_status st;

    if (r->user < 0)
        return qni_events_fail(r, "a visit before the first user");
    if (page < 0)
        return qni_events_fail(r, "there is no page %.20s", number);
    if (r->page_item[page] < 0)
        return QN_OK; /* not an item that the preparation knows */
    if ((st = qni_reserve(r->ctx, &r->event, &r->room, r->events, sizeof(*r->event))))
        return st;
    r->event[r->events++] = (struct qni_event){r->user, r->page_item[page], 0};
    return QN_OK;
}

static qn_status read_msweb(struct qni_events_reader *r, char *line)
{
    char *cell[5], kind = line[0];
    int n;
    qn_status st;

    if (kind == '\0' || line[1] != ',' || !strchr("ITNACV", kind))
        return qni_events_fail(r, "\"%.20s\" is no line of such a file", line);
    if (!strchr("ACV", kind))
        return QN_OK; /* about the file */
    if ((st = qni_events_cells(r, line, cell, 5, &n)))
        return st;
    if (n < (kind == 'A' ? 5 : 3))
        return qni_events_fail(r, "%d values, expected %d", n, kind == 'A' ? 5 : 3);
    if (kind == 'A')
        return add_page(r, cell[1], cell[4]);
    if (kind == 'C')
        return number_of(&r->users, cell[1], &r->user);
    return add_visit(r, cell[1]);
}

/* ---- all lines ---- */

static qn_status check(qn_events_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if ((unsigned)o->format > QN_EVENTS_MSWEB || !(o->gap >= 0) || o->fewest < 0 || o->rarest < 0 || o->max_bytes < 0 ||
        o->keep_bytes < 0 || o->separator == '"' || (unsigned char)o->separator > 0x7f)
        return qni_error(QN_E_ARG, "an option is out of range");
    if (o->prep && qn_prep_get_kind(o->prep) != QN_PREP_ITEMS)
        return qni_error(QN_E_ARG, "the preparation is not one of items");
    if (!o->separator || o->format == QN_EVENTS_MSWEB)
        o->separator = ',';
    if (!o->list)
        o->list = "events";
    return QN_OK;
}

static qn_status read_line(void *user, char *line)
{
    static qn_status (*const read[])(struct qni_events_reader *r, char *line) = {read_csv, read_json, read_msweb};
    struct qni_events_reader *r = user;
    const bool names = r->opt.format == QN_EVENTS_CSV && r->column[0] < 0;
    const char kind = *line;
    const size_t before = r->events;
    qn_status st = QN_OK;

    r->line++;
    if (kind)
        st = read[r->opt.format](r, line);
    if (r->opt.bad && (!kind || (st && kind == 'C')))
        r->user = -1; /* msweb: perhaps another user's visits follow */
    if (st == QN_E_FORMAT && r->opt.bad && !names) {
        r->opt.bad(r->opt.bad_context, qn_last_error());
        r->events = before;
        st = QN_OK;
    }
    return st;
}

static qn_status read_lines(struct qni_events_reader *r, const qn_reader *text, const qn_lines_opt *opt)
{
    qn_lines *lines = NULL;
    qn_status st = qn_lines_read_from(&lines, text, opt);

    for (int64_t i = 0; !st && i < lines->lines; i++)
        st = read_line(r, lines->line[i]);
    qn_lines_destroy(&lines);
    return st;
}

/* The same of a file whose text is not kept. */
static qn_status read_file(struct qni_events_reader *r, const char *path, const qn_lines_opt *opt)
{
    qn_line_file *lines = NULL;
    qn_status st = qn_line_file_open(&lines, path, opt);

    for (int64_t i = 0; !st && i < qn_line_file_lines(lines); i++)
        st = qn_line_file_read(lines, i, read_line, r);
    qn_line_file_close(&lines);
    return st;
}

/* From the text, or, where that is too long, from the file of its name. */
static qn_status read_events(qn_events **out, const qn_reader *text, const qn_events_opt *opt, bool is_file)
{
    struct qni_events_reader r = {.opt = opt ? *opt : (qn_events_opt){0}, .column = {-1, -1, -1}, .user = -1};
    qn_lines_opt lines;
    qn_status st;

    if ((st = check(&r.opt)) || (st = qni_context_get(&r.ctx, r.opt.context)))
        return st;
    r.users.ctx = r.items.ctx = r.pages.ctx = r.ctx;
    r.name = text ? text->name : NULL;
    lines = (qn_lines_opt){.context = r.ctx, .max_bytes = r.opt.max_bytes, .bad = r.opt.bad, .user = r.opt.bad_context};
    st = is_file && text->most > (r.opt.keep_bytes ? r.opt.keep_bytes : KEEP_BYTES) ? read_file(&r, text->name, &lines)
                                                                                    : read_lines(&r, text, &lines);
    if (!st)
        st = qni_events_sessions(out, &r);
    qni_words_free(&r.users);
    qni_words_free(&r.items);
    qni_words_free(&r.pages);
    qni_free(r.ctx, &r.event);
    qni_free(r.ctx, &r.page_item);
    qni_context_release(&r.ctx);
    return st;
}

qn_status qn_events_read_from(qn_events **out, const qn_reader *text, const qn_events_opt *opt)
{
    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    return read_events(out, text, opt, false);
}

qn_status qn_events_read(qn_events **out, const char *path, const qn_events_opt *opt)
{
    struct qni_file_reader f;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !path)
        return qni_error(QN_E_ARG, "out or path is NULL");
    if ((st = qni_file_reader_open(&f, path)))
        return st;
    st = read_events(out, &f.reader, opt, true);
    qni_file_reader_close(&f);
    return st;
}
