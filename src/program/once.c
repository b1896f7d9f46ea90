/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For drivers with QNI_QUIRK_THRICE. They compile what a kernel says three times, but a function that it calls once: so
 * a kernel for work-groups of one becomes a function and a kernel that calls it. Of
 *
 *   __kernel __attribute__((...)) void QN_NAME(fill)(__global float *y, long y0)
 *   {
 *       ... get_global_id(0) ...
 *   }
 *
 * is made, with every line where it was,
 *
 *   static __attribute__((noinline)) void QN_NAME(fill_item)(__global float *y, long y0, size_t qn_id0, ...)
 *   {
 *       ... qn_id0 ...
 *   } __kernel __attribute__((...)) void QN_NAME(fill)(__global float *y, long y0) { QN_NAME(fill_item)(y, y0, ...); }
 *
 * A kernel with local memory of its own, which no function may have, or with parameters behind a macro stays as it is. */
#include <ctype.h>
#include <stdio.h>

#include "program/program.h"

#define MARK       "__kernel "
#define NAME       "void QN_NAME("
#define BODY_END   "\n}\n"
#define ID         "get_global_id("
#define GRID_TYPES ", size_t qn_id0, size_t qn_id1, size_t qn_id2"
#define GRID       ", get_global_id(0), get_global_id(1), get_global_id(2)"

struct piece { const char *at; size_t n; };

struct kernel {
    struct piece head;       /* "__kernel __attribute__((...)) void" */
    struct piece name;       /* in QN_NAME() */
    struct piece parameters; /* between the parentheses */
    struct piece body;       /* from its '{' to before its '}' */
};

static const char *find(const char *from, const char *end, const char *what)
{
    const char *at = strstr(from, what);

    return at && at + strlen(what) <= end ? at : NULL;
}

static bool declares_local(const struct piece *body)
{
    const char *end = body->at + body->n;

    for (const char *at = body->at; (at = find(at, end, "\n    __local ")); at++)
        if (memchr(at, '[', strcspn(at + 1, "=;") + 1))
            return true;
    return false;
}

/* The parameter that ends before `end` is named by its last word; a macro is its own only word. */
static bool parameter_name(struct piece *name, const char *begin, const char *end)
{
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    name->at = end;
    while (name->at > begin && (isalnum((unsigned char)name->at[-1]) || name->at[-1] == '_'))
        name->at--;
    name->n = (size_t)(end - name->at);
    while (begin < name->at && isspace((unsigned char)*begin))
        begin++;
    return name->n && begin < name->at;
}

static bool next_parameter(struct piece *name, const struct piece *parameters, const char **at)
{
    const char *end = parameters->at + parameters->n, *begin = *at, *comma;

    if (begin > end)
        return false;
    comma = memchr(begin, ',', (size_t)(end - begin));
    *at = comma ? comma + 1 : end + 1;
    return parameter_name(name, begin, comma ? comma : end);
}

static bool nameable(const struct piece *parameters)
{
    const char *at = parameters->at;
    struct piece name;

    while (next_parameter(&name, parameters, &at))
        ;
    return at > parameters->at + parameters->n && !memchr(parameters->at, '#', parameters->n) &&
           !memchr(parameters->at, '/', parameters->n);
}

/* The parts of the kernel that begins at `at`, if it is one that can be taken apart. */
static bool parse(struct kernel *k, const char *at)
{
    const char *end, *name = strstr(at, NAME), *open, *close;

    if (!name || !(end = strstr(at, BODY_END)) || name > end)
        return false;
    k->head = (struct piece){ at, (size_t)(name - at) + strlen("void") };
    k->name.at = name + strlen(NAME);
    k->name.n = strcspn(k->name.at, ")");
    open = k->name.at + k->name.n + 1;
    close = find(open, end, ")\n{");
    if (*open != '(' || !close)
        return false;
    k->parameters = (struct piece){ open + 1, (size_t)(close - open) - 1 };
    k->body = (struct piece){ close + 2, (size_t)(end - close) - 1 };
    return nameable(&k->parameters) && !declares_local(&k->body);
}

static void add_piece(struct qni_text *t, const struct piece *p)
{
    qni_text_add_bytes(t, p->at, p->n);
}

static void add_line(struct qni_text *t, const struct piece *p)
{
    const size_t first = t->length;

    add_piece(t, p);
    for (size_t i = first; i < t->length && !t->status; i++)
        if (t->data[i] == '\n')
            t->data[i] = ' ';
}

/* In a function outside the kernel this call would have it copied back into it. */
static void add_body(struct qni_text *t, const struct piece *body)
{
    const char *from = body->at, *end = body->at + body->n;
    const size_t n = strlen(ID);

    for (const char *at = from; (at = find(at, end, ID)); at += n) {
        if (at[n] < '0' || at[n] > '2' || at[n + 1] != ')')
            continue;
        qni_text_add_bytes(t, from, (size_t)(at - from));
        qni_text_add(t, "qn_id%c", at[n]);
        from = at + n + 2;
    }
    qni_text_add_bytes(t, from, (size_t)(end - from));
}

static void add_kernel(struct qni_text *t, const struct kernel *k)
{
    const char *at = k->parameters.at;
    struct piece name;
    bool more = false;

    qni_text_add(t, "static __attribute__((noinline)) %svoid QN_NAME(%.*s_item)(",
                 memchr(k->head.at, '\n', k->head.n) ? "\n" : "", (int)k->name.n, k->name.at);
    add_piece(t, &k->parameters);
    qni_text_add(t, GRID_TYPES ")\n");
    add_body(t, &k->body);
    qni_text_add(t, "} ");
    add_line(t, &k->head);
    qni_text_add(t, " QN_NAME(%.*s)(", (int)k->name.n, k->name.at);
    add_line(t, &k->parameters);
    qni_text_add(t, ") { QN_NAME(%.*s_item)(", (int)k->name.n, k->name.at);
    for (; next_parameter(&name, &k->parameters, &at); more = true)
        qni_text_add(t, "%s%.*s", more ? ", " : "", (int)name.n, name.at);
    qni_text_add(t, GRID "); }\n");
}

void qni_once_add(struct qni_text *t, const char *source)
{
    const char *from = source;
    struct kernel k;

    for (const char *at = source; (at = strstr(at, MARK)); at++) {
        if ((at > source && at[-1] != '\n') || !parse(&k, at))
            continue;
        qni_text_add_bytes(t, from, (size_t)(at - from));
        add_kernel(t, &k);
        from = k.body.at + k.body.n + strlen(BODY_END) - 1;
    }
    qni_text_add_bytes(t, from, strlen(from));
}
