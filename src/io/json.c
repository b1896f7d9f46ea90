/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A document is one array of nodes: every value is followed by what is in it, and knows where that ends. Strings lie in
 * one block; they are never longer than they were in the text. */
#include "io/json_nodes.h"

#include <stdio.h>

#define MOST_BYTES ((size_t)1 << 30) /* so that 32 bits hold every position */

struct parser {
    struct qni_json *json;
    const char *name;
    const unsigned char *text;
    size_t bytes, at;
    int depth, max_depth;
    uint32_t *order; /* scratch to find keys that are twice */
    size_t order_room;
};

static qn_status fail_at(const struct parser *p, size_t at, const char *what)
{
    int64_t line = 1;
    size_t begin = 0;

    for (size_t i = 0; i < at && i < p->bytes; i++)
        if (p->text[i] == '\n') {
            line++;
            begin = i + 1;
        }
    return qni_error(QN_E_FORMAT, "%s: line %lld, column %zu: %s", p->name, (long long)line, at - begin + 1, what);
}

static qn_status fail(const struct parser *p, const char *what)
{
    return fail_at(p, p->at, p->at < p->bytes ? what : "the text ends too early");
}

static int look(const struct parser *p)
{
    return p->at < p->bytes ? p->text[p->at] : -1;
}

static int skip_blanks(struct parser *p)
{
    while (p->at < p->bytes && p->text[p->at] && strchr(" \t\r\n", p->text[p->at]))
        p->at++;
    return look(p);
}

size_t qni_utf8_length(const unsigned char *s, size_t n)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
    unsigned code;

    if (length < 2)
        return length;
    if (n < length)
        return 0;
    code = s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    return code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

static bool read_hex(struct parser *p, unsigned *out)
{
    *out = 0;
    if (p->bytes - p->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int c = p->text[p->at++];

        if (c >= '0' && c <= '9')
            *out = *out << 4 | (unsigned)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            *out = *out << 4 | (unsigned)((c | 32) - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* Behind "\u": the character, a pair of surrogates taken together. */
static bool read_unicode(struct parser *p, unsigned *code)
{
    unsigned low;

    if (!read_hex(p, code))
        return false;
    if (*code < 0xd800 || *code > 0xdfff)
        return *code != 0;
    if (*code > 0xdbff || p->bytes - p->at < 6 || p->text[p->at] != '\\' || p->text[p->at + 1] != 'u')
        return false;
    p->at += 2;
    if (!read_hex(p, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static size_t put_utf8(char *to, unsigned code)
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    if (n == 1) {
        to[0] = (char)code;
        return 1;
    }
    for (size_t i = n; i-- > 1; code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)((0xf00 >> n & 0xff) | code);
    return n;
}

static qn_status read_escape(struct parser *p, char *to, size_t *length)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    size_t begin = p->at - 1;
    int c = look(p);
    const char *known = c > 0 ? strchr(names, c) : NULL;
    unsigned code;

    p->at++;
    if (known) {
        to[(*length)++] = values[known - names];
        return QN_OK;
    }
    if (c != 'u' || !read_unicode(p, &code))
        return fail_at(p, begin, "an escape that stands for no character");
    *length += put_utf8(to + *length, code);
    return QN_OK;
}

/* At a quote: the string's place among the strings. */
static qn_status read_string(struct parser *p, uint32_t *out)
{
    char *to = p->json->strings + p->json->string_bytes;
    size_t length = 0, n;
    qn_status st;

    for (p->at++;;) {
        int c = look(p);

        if (c < 0)
            return fail(p, "");
        if (c < 0x20)
            return fail(p, "a control character in a string");
        if (c == '"')
            break;
        if (c == '\\') {
            p->at++;
            if ((st = read_escape(p, to, &length)) != QN_OK)
                return st;
            continue;
        }
        if (!(n = qni_utf8_length(p->text + p->at, p->bytes - p->at)))
            return fail(p, "not UTF-8");
        memcpy(to + length, p->text + p->at, n);
        length += n;
        p->at += n;
    }
    p->at++;
    to[length] = 0; /* there is room: the two quotes are not kept */
    *out = (uint32_t)p->json->string_bytes;
    p->json->string_bytes += length + 1;
    return QN_OK;
}

/* JSON's grammar is narrower than qni_parse_number()'s. */
static qn_status read_number(struct parser *p, struct qni_json_node *n)
{
    const char *s = (const char *)p->text + p->at;
    size_t begin = p->at, digits;
    bool integer = true, minus = look(p) == '-';
    uint64_t whole = 0;

    p->at += minus;
    for (digits = p->at; look(p) >= '0' && look(p) <= '9'; p->at++) {
        unsigned d = (unsigned)(look(p) - '0');

        if (whole > (UINT64_MAX - d) / 10)
            integer = false;
        else
            whole = 10 * whole + d;
    }
    if (p->at == digits || (p->text[digits] == '0' && p->at > digits + 1))
        return fail_at(p, begin, "expected a value");
    if (look(p) == '.') {
        integer = false;
        for (digits = ++p->at; look(p) >= '0' && look(p) <= '9'; p->at++)
            ;
        if (p->at == digits)
            return fail(p, "expected a digit");
    }
    if (look(p) == 'e' || look(p) == 'E') {
        integer = false;
        p->at++;
        if (look(p) == '-' || look(p) == '+')
            p->at++;
        for (digits = p->at; look(p) >= '0' && look(p) <= '9'; p->at++)
            ;
        if (p->at == digits)
            return fail(p, "expected a digit");
    }
    if (integer && whole <= (uint64_t)INT64_MAX + minus) {
        n->is_integer = true;
        n->u.integer = minus ? (int64_t)-whole : (int64_t)whole;
        return QN_OK;
    }
    if (!qni_parse_number(s, p->at - begin, &n->u.real))
        return fail_at(p, begin, "a number out of range");
    return QN_OK;
}

static qn_status read_word(struct parser *p, struct qni_json_node *n)
{
    static const struct {
        const char *word;
        enum qni_json_type type;
        bool truth;
    } words[] = {{"null", QNI_JSON_NULL, false}, {"true", QNI_JSON_BOOL, true}, {"false", QNI_JSON_BOOL, false}};

    for (size_t i = 0; i < QNI_COUNT(words); i++) {
        size_t length = strlen(words[i].word);

        if (p->bytes - p->at >= length && !memcmp(p->text + p->at, words[i].word, length)) {
            n->type = (uint8_t)words[i].type;
            n->u.truth = words[i].truth;
            p->at += length;
            return QN_OK;
        }
    }
    return fail(p, "expected a value");
}

static int compare_keys(const void *user, uint32_t a, uint32_t b)
{
    const struct qni_json *j = user;

    return strcmp(j->strings + j->node[a].key, j->strings + j->node[b].key);
}

static qn_status check_keys(struct parser *p, uint32_t object)
{
    const struct qni_json *j = p->json;
    uint32_t n = j->node[object].count, child = object + 1;
    qn_status st;

    if (n < 2)
        return QN_OK;
    if (n > p->order_room) {
        if ((st = qni_realloc(j->ctx, &p->order, n, sizeof(*p->order))) != QN_OK)
            return st;
        p->order_room = n;
    }
    for (uint32_t i = 0; i < n; i++, child = j->node[child].end)
        p->order[i] = child;
    qni_sort(p->order, n, compare_keys, j);
    for (uint32_t i = 1; i < n; i++)
        if (compare_keys(j, p->order[i - 1], p->order[i]) == 0) {
            char what[128];

            snprintf(what, sizeof(what), "the object that ends here has the key \"%.60s\" twice",
                     j->strings + j->node[p->order[i]].key);
            return fail_at(p, p->at - 1, what);
        }
    return QN_OK;
}

static qn_status read_value(struct parser *p, uint32_t key);

/* Behind the opening bracket: everything up to the closing one. */
static qn_status read_children(struct parser *p, uint32_t parent, bool object)
{
    int close = object ? '}' : ']';
    uint32_t key = 0;
    qn_status st;

    if (++p->depth > p->max_depth)
        return fail_at(p, p->at - 1, "too deep");
    if (skip_blanks(p) == close) {
        p->at++;
        p->depth--;
        return QN_OK;
    }
    for (;;) {
        if (object) {
            if (skip_blanks(p) != '"')
                return fail(p, "expected a key in quotes");
            if ((st = read_string(p, &key)) != QN_OK)
                return st;
            if (skip_blanks(p) != ':')
                return fail(p, "expected ':'");
            p->at++;
        }
        if ((st = read_value(p, key)) != QN_OK)
            return st;
        p->json->node[parent].count++;
        if (skip_blanks(p) == close)
            break;
        if (look(p) != ',')
            return fail(p, object ? "expected ',' or '}'" : "expected ',' or ']'");
        p->at++;
    }
    p->at++;
    p->depth--;
    return object ? check_keys(p, parent) : QN_OK;
}

static qn_status read_value(struct parser *p, uint32_t key)
{
    struct qni_json *j = p->json;
    struct qni_json_node n = {.key = key};
    uint32_t number = (uint32_t)j->nodes;
    int c = skip_blanks(p);
    qn_status st;

    if ((st = qni_reserve(j->ctx, &j->node, &j->node_room, j->nodes, sizeof(*j->node))) != QN_OK)
        return st;
    if (c == '"') {
        n.type = QNI_JSON_TEXT;
        st = read_string(p, &n.u.text);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        n.type = QNI_JSON_NUMBER;
        st = read_number(p, &n);
    } else if (c == '{' || c == '[') {
        n.type = c == '{' ? QNI_JSON_OBJECT : QNI_JSON_ARRAY;
        p->at++;
    } else {
        st = read_word(p, &n);
    }
    if (st)
        return st;
    j->node[j->nodes++] = n;
    if ((c == '{' || c == '[') && (st = read_children(p, number, c == '{')) != QN_OK)
        return st;
    j->node[number].end = (uint32_t)j->nodes;
    return QN_OK;
}

qn_status qni_json_parse(struct qni_json **out, qn_context *ctx, const char *name, const char *text, size_t bytes,
                         int depth)
{
    struct parser p = {
        .name = name, .text = (const unsigned char *)text, .bytes = bytes, .max_depth = depth ? depth : QNI_JSON_DEPTH};
    struct qni_json *j = NULL;
    qn_status st;

    *out = NULL;
    if (bytes > MOST_BYTES)
        return qni_error(QN_E_FORMAT, "%s: %zu bytes of JSON, the limit is %zu", name, bytes, MOST_BYTES);
    if ((st = qni_calloc(ctx, &j, 1, sizeof(*j))) != QN_OK)
        return st;
    j->ctx = qni_context_retain(ctx);
    p.json = j;
    if ((st = qni_strdup(ctx, &j->name, name)) != QN_OK || (st = qni_calloc(ctx, &j->strings, bytes, 1)) != QN_OK ||
        (st = read_value(&p, 0)) != QN_OK)
        goto done;
    if (skip_blanks(&p) != -1) {
        st = fail(&p, "expected the end of the text");
        goto done;
    }
    *out = j;
    j = NULL;
done:
    qni_free(ctx, &p.order);
    qni_json_free(&j);
    return st;
}

void qni_json_free(struct qni_json **json)
{
    struct qni_json *j = *json;
    qn_context *ctx;

    if (!j)
        return;
    *json = NULL;
    ctx = j->ctx;
    qni_free(ctx, &j->name);
    qni_free(ctx, &j->node);
    qni_free(ctx, &j->strings);
    qni_free(ctx, &j);
    qni_context_release(&ctx);
}
