/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Looking at a parsed document: where a value is, what it is, and what it should have been. */
#include <math.h>
#include <stdio.h>

#include "io/json_nodes.h"

static const struct qni_json_node *node_of(const struct qni_json_at *at)
{
    return &at->json->node[at->node];
}

struct qni_json_at qni_json_root(const struct qni_json *json)
{
    return (struct qni_json_at){.json = json, .index = -1};
}

enum qni_json_type qni_json_type(const struct qni_json_at *at)
{
    return (enum qni_json_type)node_of(at)->type;
}

const char *qni_json_key(const struct qni_json_at *at)
{
    return at->up && at->index < 0 ? at->json->strings + node_of(at)->key : NULL;
}

/* "layers[3].config.units", or what of it fits. */
static size_t write_path(const struct qni_json_at *at, char *text, size_t bytes)
{
    size_t n = at->up ? write_path(at->up, text, bytes) : 0;
    int more = 0;

    if (at->up && at->index >= 0)
        more = snprintf(text + n, bytes - n, "[%lld]", (long long)at->index);
    else if (at->up)
        more = snprintf(text + n, bytes - n, "%s%.80s", n ? "." : "", qni_json_key(at));
    n += more > 0 ? (size_t)more : 0;
    return QNI_MIN(n, bytes - 1);
}

qn_status qni_json_error(const struct qni_json_at *at, const char *format, ...)
{
    char path[512] = "", text[512];
    va_list args;
    size_t n = write_path(at, path, sizeof(path));

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return qni_error(QN_E_FORMAT, "%s: %s%s%s", at->json->name, path, n ? ": " : "", text);
}

qn_status qni_json_expected(const struct qni_json_at *at, const char *want)
{
    const struct qni_json_node *n = node_of(at);
    char found[96], number[32];

    switch ((enum qni_json_type)n->type) {
    case QNI_JSON_NULL:
        snprintf(found, sizeof(found), "null");
        break;
    case QNI_JSON_BOOL:
        snprintf(found, sizeof(found), "%s", n->u.truth ? "true" : "false");
        break;
    case QNI_JSON_NUMBER:
        if (n->is_integer)
            snprintf(found, sizeof(found), "%lld", (long long)n->u.integer);
        else
            snprintf(found, sizeof(found), "%s", qni_double_text(n->u.real, number, sizeof(number)));
        break;
    case QNI_JSON_TEXT:
        snprintf(found, sizeof(found), "\"%.60s\"", at->json->strings + n->u.text);
        break;
    case QNI_JSON_ARRAY:
        snprintf(found, sizeof(found), "an array of %u", n->count);
        break;
    case QNI_JSON_OBJECT:
        snprintf(found, sizeof(found), "an object");
        break;
    }
    return qni_json_error(at, "expected %s, found %s", want, found);
}

qn_status qni_json_count(const struct qni_json_at *at, size_t *out)
{
    const struct qni_json_node *n = node_of(at);

    if (n->type != QNI_JSON_ARRAY && n->type != QNI_JSON_OBJECT)
        return qni_json_expected(at, "an array or an object");
    *out = n->count;
    return QN_OK;
}

bool qni_json_next(const struct qni_json_at *at, struct qni_json_at *child)
{
    const struct qni_json_node *n = node_of(at);
    bool array = n->type == QNI_JSON_ARRAY;

    if (!n->count) /* and all that are neither array nor object */
        return false;
    if (!child->json)
        *child = (struct qni_json_at){.json = at->json, .up = at, .node = at->node + 1, .index = array ? 0 : -1};
    else if (node_of(child)->end >= n->end)
        return false;
    else {
        child->node = node_of(child)->end;
        child->index += array;
    }
    return true;
}

bool qni_json_find(struct qni_json_at *out, const struct qni_json_at *object, const char *key)
{
    struct qni_json_at child = {0};

    if (node_of(object)->type != QNI_JSON_OBJECT)
        return false;
    while (qni_json_next(object, &child))
        if (strcmp(qni_json_key(&child), key) == 0) {
            *out = child;
            return node_of(&child)->type != QNI_JSON_NULL;
        }
    return false;
}

qn_status qni_json_member(struct qni_json_at *out, const struct qni_json_at *object, const char *key)
{
    struct qni_json_at child = {0};

    if (node_of(object)->type != QNI_JSON_OBJECT)
        return qni_json_expected(object, "an object");
    while (qni_json_next(object, &child))
        if (strcmp(qni_json_key(&child), key) == 0) {
            *out = child;
            return QN_OK;
        }
    return qni_json_error(object, "no \"%.80s\"", key);
}

qn_status qni_json_item(struct qni_json_at *out, const struct qni_json_at *array, size_t i)
{
    struct qni_json_at child = {0};
    size_t k = 0;

    if (node_of(array)->type != QNI_JSON_ARRAY)
        return qni_json_expected(array, "an array");
    for (; qni_json_next(array, &child); k++)
        if (k == i) {
            *out = child;
            return QN_OK;
        }
    return qni_json_error(array, "no item %zu: it has %zu", i, k);
}

qn_status qni_json_int(const struct qni_json_at *at, int64_t min, int64_t max, int64_t *out)
{
    const struct qni_json_node *n = node_of(at);
    char want[96];

    if (n->type == QNI_JSON_NUMBER && n->is_integer && n->u.integer >= min && n->u.integer <= max) {
        *out = n->u.integer;
        return QN_OK;
    }
    if (min == INT64_MIN && max == INT64_MAX)
        snprintf(want, sizeof(want), "an integer");
    else if (max == INT64_MAX && min == 1)
        snprintf(want, sizeof(want), "a positive integer");
    else if (max == INT64_MAX)
        snprintf(want, sizeof(want), "an integer, %lld or more", (long long)min);
    else
        snprintf(want, sizeof(want), "an integer from %lld to %lld", (long long)min, (long long)max);
    return qni_json_expected(at, want);
}

qn_status qni_json_double(const struct qni_json_at *at, double *out)
{
    const struct qni_json_node *n = node_of(at);
    const char *text = n->type == QNI_JSON_TEXT ? at->json->strings + n->u.text : "";

    if (n->type == QNI_JSON_NUMBER)
        *out = n->is_integer ? (double)n->u.integer : n->u.real;
    else if (strcmp(text, "NaN") == 0)
        *out = (double)NAN;
    else if (strcmp(text, "Infinity") == 0)
        *out = HUGE_VAL;
    else if (strcmp(text, "-Infinity") == 0)
        *out = -HUGE_VAL;
    else
        return qni_json_expected(at, "a number");
    return QN_OK;
}

qn_status qni_json_bool(const struct qni_json_at *at, bool *out)
{
    if (node_of(at)->type != QNI_JSON_BOOL)
        return qni_json_expected(at, "true or false");
    *out = node_of(at)->u.truth;
    return QN_OK;
}

qn_status qni_json_text(const struct qni_json_at *at, const char **out)
{
    if (node_of(at)->type != QNI_JSON_TEXT)
        return qni_json_expected(at, "a text");
    *out = at->json->strings + node_of(at)->u.text;
    return QN_OK;
}

qn_status qni_json_get_int(const struct qni_json_at *object, const char *key, int64_t min, int64_t max, int64_t *out)
{
    struct qni_json_at at;
    qn_status st = qni_json_member(&at, object, key);

    return st ? st : qni_json_int(&at, min, max, out);
}

qn_status qni_json_get_double(const struct qni_json_at *object, const char *key, double *out)
{
    struct qni_json_at at;
    qn_status st = qni_json_member(&at, object, key);

    return st ? st : qni_json_double(&at, out);
}

qn_status qni_json_get_bool(const struct qni_json_at *object, const char *key, bool *out)
{
    struct qni_json_at at;
    qn_status st = qni_json_member(&at, object, key);

    return st ? st : qni_json_bool(&at, out);
}

qn_status qni_json_get_text(const struct qni_json_at *object, const char *key, const char **out)
{
    struct qni_json_at at;
    qn_status st = qni_json_member(&at, object, key);

    return st ? st : qni_json_text(&at, out);
}
