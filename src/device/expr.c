/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Expressions that say which device is meant, such as "gpu & mem>4G & !vendor~AMD". The text comes from outside: its
 * length, its parts and its depth have limits, and a mistake is one line with the column.
 *
 *     either   = both { "|" both }
 *     both     = one { "&" one }
 *     one      = "!" one | "(" either ")" | property comparison value | word
 *
 * A word or value runs up to the next of & | ! ~ < > = " or to a closing parenthesis, so that it may hold blanks and
 * "(R)"; in quotes it may hold anything. A text without those signs is one word, as a device's name is. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "device/device.h"

#define SIGNS "&|!~<>=\""

enum kind { BOTH, EITHER, NOT, COMPARE, ANY, FASTEST, NUMBER, PLATFORM_DEVICE, PART };

enum comparison { CONTAINS, CONTAINS_NOT, EQUAL, NOT_EQUAL, LESS, AT_MOST, MORE, AT_LEAST };

/* Longer ones before those they begin with. */
static const struct {
    char sign[3];
    enum comparison comparison;
} comparisons[] = {
    { "!~", CONTAINS_NOT }, { "!=", NOT_EQUAL }, { "<=", AT_MOST }, { ">=", AT_LEAST }, { "==", EQUAL },
    { "~", CONTAINS },      { "=", EQUAL },      { "<", LESS },     { ">", MORE },
};

enum value { WORDS, ID, RELEASE, PLAIN_NUMBER, BYTES };

enum property {
    NAME, PLATFORM, VENDOR, TYPE, UUID, PCI, DRIVER, VERSION, MEMORY, FREE, ALLOC, LOCAL, UNITS, CLOCK, GROUP, SCORE, GFLOPS,
    BANDWIDTH
};

static const struct {
    const char *name;
    enum value value;
} properties[] = {
    [NAME] = { "name", WORDS },          [PLATFORM] = { "platform", WORDS },   [VENDOR] = { "vendor", WORDS },
    [TYPE] = { "type", WORDS },          [UUID] = { "uuid", ID },              [PCI] = { "pci", ID },
    [DRIVER] = { "driver", RELEASE },    [VERSION] = { "version", PLAIN_NUMBER }, [MEMORY] = { "mem", BYTES },
    [FREE] = { "free", BYTES },          [ALLOC] = { "alloc", BYTES },         [LOCAL] = { "local", BYTES },
    [UNITS] = { "units", PLAIN_NUMBER }, [CLOCK] = { "clock", PLAIN_NUMBER },  [GROUP] = { "group", PLAIN_NUMBER },
    [SCORE] = { "score", PLAIN_NUMBER }, [GFLOPS] = { "gflops", PLAIN_NUMBER }, [BANDWIDTH] = { "bandwidth", PLAIN_NUMBER },
};

static const char *const types[] = {
    [QN_DEVICE_OTHER] = "other", [QN_DEVICE_CPU] = "cpu", [QN_DEVICE_GPU] = "gpu", [QN_DEVICE_ACCELERATOR] = "accelerator",
};

/* ---- reading ---- */

struct reader {
    struct qni_expr *e;
    size_t at;
    int depth;
};

/* Where the next sign or word begins. */
static const char *here(struct reader *r)
{
    while (r->e->text[r->at] == ' ')
        r->at++;
    return r->e->text + r->at;
}

static qn_status wrong(const struct reader *r, size_t at, const char *format, ...) QNI_PRINTF(3, 4);
static qn_status wrong(const struct reader *r, size_t at, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return qni_error(QN_E_ARG, "device expression '%.60s', column %zu: %s", r->e->text, at + 1, text);
}

static qn_status add(struct reader *r, int *out, struct qni_expr_node node)
{
    if (r->e->nodes == QNI_EXPR_NODES)
        return wrong(r, r->at, "more than %d parts", QNI_EXPR_NODES);
    *out = r->e->nodes++;
    r->e->node[*out] = node;
    return QN_OK;
}

/* A word or value from here on: its place and length without blanks around it. */
static qn_status read_word(struct reader *r, size_t *start, size_t *length, bool *quoted)
{
    const char *text = here(r);
    size_t n = 0;
    int open = 0;

    *start = r->at;
    *quoted = *text == '"';
    if (*quoted) {
        n = strcspn(text + 1, "\"");
        if (!text[1 + n])
            return wrong(r, r->at, "the quotation mark is not closed");
        *start = r->at + 1;
        r->at += n + 2;
    } else {
        while (text[n] && !strchr(SIGNS, text[n]) && (text[n] != ')' || open)) {
            open += text[n] == '(' ? 1 : text[n] == ')' ? -1 : 0;
            n++;
        }
        r->at += n;
        while (n && text[n - 1] == ' ')
            n--;
    }
    *length = n;
    if (!n)
        return wrong(r, *start, "a word is missing");
    return QN_OK;
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && !strncasecmp(text, word, n);
}

static bool read_count(const char *text, size_t n, size_t *used, int *out)
{
    int v = 0;
    size_t i = 0;

    while (i < n && text[i] >= '0' && text[i] <= '9' && v < 100000)
        v = v * 10 + (text[i++] - '0');
    *out = v;
    *used = i;
    return i > 0;
}

/* The hexadecimal digits of a UUID, in lower case; true when it is one, with or without its dashes. */
static bool read_uuid(char out[33], const char *text, size_t n)
{
    size_t digits = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '-' && n == 36 && (i == 8 || i == 13 || i == 18 || i == 23))
            continue;
        if (!isxdigit((unsigned char)text[i]) || digits == 32)
            return false;
        out[digits++] = (char)tolower((unsigned char)text[i]);
    }
    out[digits] = '\0';
    return digits == 32;
}

/* "0000:01:00.0", or without the domain; hexadecimal. */
static bool read_pci(unsigned out[4], const char *text, size_t n)
{
    char copy[16];
    int used = 0;

    if (n >= sizeof(copy) || !n || strspn(text, "0123456789abcdefABCDEF:.") < n)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    if (sscanf(copy, "%4x:%2x:%2x.%1x%n", &out[0], &out[1], &out[2], &out[3], &used) == 4 && (size_t)used == n)
        return true;
    out[0] = 0;
    used = 0;
    return sscanf(copy, "%2x:%2x.%1x%n", &out[1], &out[2], &out[3], &used) == 3 && (size_t)used == n;
}

/* What a word by itself means. */
static struct qni_expr_node word_node(const char *all, size_t start, size_t n, bool quoted)
{
    struct qni_expr_node node = { .kind = PART, .start = start, .length = n };
    const char *text = all + start;
    char uuid[33];
    unsigned pci[4];
    size_t used, more;

    if (quoted)
        return node;
    for (size_t i = QN_DEVICE_CPU; i < QNI_COUNT(types); i++)
        if (is_word(text, n, types[i])) {
            node.kind = COMPARE;
            node.property = TYPE;
            node.comparison = EQUAL;
        }
    if (is_word(text, n, "best"))
        node.kind = ANY;
    if (is_word(text, n, "fastest"))
        node.kind = FASTEST;
    if (read_uuid(uuid, text, n) || read_pci(pci, text, n)) {
        node.kind = COMPARE;
        node.property = read_uuid(uuid, text, n) ? UUID : PCI;
        node.comparison = EQUAL;
    } else if (read_count(text, n, &used, &node.index) && used == n) {
        node.kind = NUMBER;
    } else if (used && used < n && text[used] == ':') {
        node.platform = node.index;
        if (read_count(text + used + 1, n - used - 1, &more, &node.index) && used + 1 + more == n)
            node.kind = PLATFORM_DEVICE;
    }
    return node;
}

/* A number, with K, M, G or T (of 1024 each) where bytes are meant. */
static bool read_number(double *out, const char *text, size_t n, bool bytes)
{
    static const char units[] = "KMGT";
    size_t digits = n;
    double scale = 1;

    if (bytes && digits && toupper((unsigned char)text[digits - 1]) == 'B')
        digits--;
    if (bytes && digits && text[digits - 1] == 'i' && digits < n)
        digits--;
    if (bytes && digits)
        for (int i = 0; units[i]; i++)
            if (toupper((unsigned char)text[digits - 1]) == units[i]) {
                scale = (double)(UINT64_C(1) << (10 * (i + 1)));
                digits--;
                break;
            }
    while (digits && digits < n && text[digits - 1] == ' ')
        digits--;
    if (!qni_parse_number(text, digits, out))
        return false;
    *out *= scale;
    return true;
}

static const char *takes(enum value value)
{
    return value == WORDS ? "~ !~ = !=" : value == ID ? "= !=" : value == RELEASE ? "~ !~ = != < <= > >=" : "= != < <= > >=";
}

static bool can_compare(enum value value, enum comparison c)
{
    return c == EQUAL || c == NOT_EQUAL || ((c == CONTAINS || c == CONTAINS_NOT) && (value == WORDS || value == RELEASE)) ||
           (c >= LESS && value >= RELEASE);
}

/* The value after "PROPERTY COMPARISON". */
static qn_status read_value(struct reader *r, int *out, enum property property, enum comparison comparison)
{
    struct qni_expr_node node = { .kind = COMPARE, .property = property, .comparison = comparison };
    enum value value = properties[property].value;
    const char *text;
    char uuid[33];
    unsigned pci[4];
    bool quoted, right = true;
    qn_status st;

    if ((st = read_word(r, &node.start, &node.length, &quoted)))
        return st;
    text = r->e->text + node.start;
    if (value == PLAIN_NUMBER || value == BYTES)
        right = read_number(&node.number, text, node.length, value == BYTES);
    else if (value == ID)
        right = property == UUID ? read_uuid(uuid, text, node.length) : read_pci(pci, text, node.length);
    if (!right)
        return wrong(r, node.start, "%s is compared with %s", properties[property].name,
                     value == BYTES           ? "bytes, such as 512M or 4G"
                     : value == PLAIN_NUMBER  ? "a number"
                     : property == UUID       ? "32 hexadecimal digits"
                                              : "an address such as 0000:01:00.0");
    return add(r, out, node);
}

static qn_status read_either(struct reader *r, int *out);

/* A word, or a property that is compared. */
static qn_status read_term(struct reader *r, int *out)
{
    size_t start, n;
    bool quoted;
    const char *next;
    qn_status st;

    if ((st = read_word(r, &start, &n, &quoted)))
        return st;
    next = here(r);
    for (size_t c = 0; c < QNI_COUNT(comparisons); c++) {
        const size_t sign = strlen(comparisons[c].sign);

        if (strncmp(next, comparisons[c].sign, sign))
            continue;
        for (size_t p = 0; !quoted && p < QNI_COUNT(properties); p++) {
            if (!is_word(r->e->text + start, n, properties[p].name))
                continue;
            if (!can_compare(properties[p].value, comparisons[c].comparison))
                return wrong(r, r->at, "%s takes %s", properties[p].name, takes(properties[p].value));
            r->at += sign;
            return read_value(r, out, (enum property)p, comparisons[c].comparison);
        }
        return wrong(r, start, "no property '%.*s'; there are name, platform, vendor, type, uuid, pci, driver, version, mem, "
                     "free, alloc, local, units, clock, group, score, gflops, bandwidth", (int)QNI_MIN(n, (size_t)40),
                     r->e->text + start);
    }
    return add(r, out, word_node(r->e->text, start, n, quoted));
}

static qn_status read_one(struct reader *r, int *out)
{
    const char sign = *here(r);
    const size_t start = r->at;
    struct qni_expr_node node = { .kind = NOT };
    qn_status st;

    if (sign != '!' && sign != '(')
        return read_term(r, out);
    if (r->depth == QNI_EXPR_DEPTH)
        return wrong(r, start, "more than %d levels", QNI_EXPR_DEPTH);
    r->depth++;
    r->at++;
    st = sign == '!' ? read_one(r, &node.left) : read_either(r, out);
    if (!st && sign == '!')
        st = add(r, out, node);
    if (!st && sign == '(' && *here(r) != ')')
        st = wrong(r, start, "the parenthesis is not closed");
    if (!st && sign == '(')
        r->at++;
    r->depth--;
    return st;
}

static qn_status read_both(struct reader *r, int *out)
{
    struct qni_expr_node node = { .kind = BOTH };
    qn_status st = read_one(r, out);

    while (!st && *here(r) == '&') {
        r->at += r->e->text[r->at + 1] == '&' ? 2 : 1;
        node.left = *out;
        if (!(st = read_one(r, &node.right)))
            st = add(r, out, node);
    }
    return st;
}

static qn_status read_either(struct reader *r, int *out)
{
    struct qni_expr_node node = { .kind = EITHER };
    qn_status st = read_both(r, out);

    while (!st && *here(r) == '|') {
        r->at += r->e->text[r->at + 1] == '|' ? 2 : 1;
        node.left = *out;
        if (!(st = read_both(r, &node.right)))
            st = add(r, out, node);
    }
    return st;
}

/* "fastest" says how to choose among what fits, so it stands beside the rest and not in an alternative. */
static bool asks_fastest(const struct qni_expr *e, int i)
{
    const struct qni_expr_node *n = &e->node[i];

    return n->kind == FASTEST || (n->kind == BOTH && (asks_fastest(e, n->left) || asks_fastest(e, n->right)));
}

static bool hides_fastest(const struct qni_expr *e, int i, bool hidden)
{
    const struct qni_expr_node *n = &e->node[i];

    if (n->kind == NOT)
        return hides_fastest(e, n->left, true);
    if (n->kind == BOTH || n->kind == EITHER)
        return hides_fastest(e, n->left, hidden || n->kind == EITHER) || hides_fastest(e, n->right, hidden || n->kind == EITHER);
    return hidden && n->kind == FASTEST;
}

qn_status qni_expr_parse(struct qni_expr *out, const char *text)
{
    struct reader r = { .e = out };
    size_t n = strlen(text);
    qn_status st;

    memset(out, 0, sizeof(*out));
    if (n >= sizeof(out->text))
        return qni_error(QN_E_ARG, "a device expression of %zu bytes is too long: at most %zu", n, sizeof(out->text) - 1);
    for (size_t i = 0; i < n; i++)
        if (iscntrl((unsigned char)text[i]))
            return qni_error(QN_E_ARG, "device expression, column %zu: a control character", i + 1);
    memcpy(out->text, text, n + 1);
    if (!*here(&r)) {
        out->anything = true;
        return add(&r, &out->root, (struct qni_expr_node){ .kind = ANY });
    }
    if (*here(&r) != '(' && !strpbrk(text, SIGNS)) {
        for (n = strlen(here(&r)); r.e->text[r.at + n - 1] == ' '; n--)
            ;
        st = add(&r, &out->root, word_node(out->text, r.at, n, false));
    } else {
        st = read_either(&r, &out->root);
        if (!st && *here(&r))
            st = wrong(&r, r.at, "expected & or | before '%.20s'", out->text + r.at);
    }
    if (!st && hides_fastest(out, out->root, false))
        st = wrong(&r, 0, "'fastest' stands neither under ! nor in an alternative");
    out->fastest = !st && asks_fastest(out, out->root);
    return st;
}

/* ---- asking ---- */

static const char *words_of(const struct qni_found *f, enum property p)
{
    return p == NAME ? f->caps.name : p == PLATFORM ? f->caps.platform : p == VENDOR ? f->caps.vendor
         : p == DRIVER ? f->caps.driver : types[f->info.type];
}

/* 0 where it is not known: comparing that is never true. */
static double number_of(const struct qni_found *f, enum property p)
{
    switch (p) {
    case VERSION: return f->caps.cl_major + f->caps.cl_minor / 10.0;
    case MEMORY: return (double)f->caps.global_bytes;
    case FREE: return (double)f->caps.free_bytes;
    case ALLOC: return (double)f->caps.alloc_bytes;
    case LOCAL: return (double)f->caps.local_bytes;
    case UNITS: return f->caps.units;
    case CLOCK: return f->caps.clock_mhz;
    case GROUP: return (double)f->caps.group_items;
    case SCORE: return f->info.score;
    case GFLOPS: return f->info.gflops;
    case BANDWIDTH: return f->info.gbytes_per_s;
    default: return 0;
    }
}

static bool holds(enum comparison c, double order)
{
    return c == EQUAL ? order == 0 : c == NOT_EQUAL ? order != 0 : c == LESS ? order < 0 : c == AT_MOST ? order <= 0
         : c == MORE ? order > 0 : order >= 0;
}

/* Numbers between anything else, one after another: 535.54 is before 535.113. */
static int compare_releases(const char *a, const char *b)
{
    while (*a || *b) {
        unsigned long long x, y;
        char *end;

        a += strcspn(a, "0123456789");
        b += strcspn(b, "0123456789");
        x = *a ? strtoull(a, &end, 10) : 0;
        a = *a ? end : a;
        y = *b ? strtoull(b, &end, 10) : 0;
        b = *b ? end : b;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

static bool same_id(const struct qni_found *f, enum property p, const char *text, size_t n)
{
    char a[33], b[33];
    unsigned x[4], y[4];

    if (p == UUID)
        return read_uuid(a, f->caps.uuid, strlen(f->caps.uuid)) && read_uuid(b, text, n) && !strcmp(a, b);
    return read_pci(x, f->caps.pci, strlen(f->caps.pci)) && read_pci(y, text, n) && !memcmp(x, y, sizeof(x));
}

static bool compare(const struct qni_expr *e, const struct qni_expr_node *node, const struct qni_found *f)
{
    const enum property p = (enum property)node->property;
    const enum comparison c = (enum comparison)node->comparison;
    char text[QNI_EXPR_BYTES];
    double v;

    memcpy(text, e->text + node->start, node->length);
    text[node->length] = '\0';
    switch (properties[p].value) {
    case ID:
        return *(p == UUID ? f->caps.uuid : f->caps.pci) && same_id(f, p, text, node->length) == (c == EQUAL);
    case PLAIN_NUMBER:
    case BYTES:
        v = number_of(f, p);
        return v > 0 && holds(c, p == VERSION ? (v - node->number) * (v - node->number) < 1e-9 ? 0 : v - node->number
                                              : v - node->number);
    default:
        if (c == CONTAINS || c == CONTAINS_NOT)
            return (strcasestr(words_of(f, p), text) != NULL) == (c == CONTAINS);
        if (c == EQUAL || c == NOT_EQUAL)
            return !strcasecmp(words_of(f, p), text) == (c == EQUAL);
        return *f->caps.driver && holds(c, compare_releases(f->caps.driver, text));
    }
}

static bool has_part(const struct qni_expr *e, const struct qni_expr_node *node, const struct qni_found *f)
{
    char text[QNI_EXPR_BYTES];

    memcpy(text, e->text + node->start, node->length);
    text[node->length] = '\0';
    return strcasestr(f->caps.platform, text) || strcasestr(f->caps.name, text);
}

/* named: a part that fits says which device, not what kind of one. */
static bool fits(const struct qni_expr *e, int i, const struct qni_found *f, size_t index, bool *named)
{
    const struct qni_expr_node *n = &e->node[i];
    bool left, right, left_named = false, right_named = false, is;

    *named = false;
    switch ((enum kind)n->kind) {
    case BOTH:
    case EITHER:
        left = fits(e, n->left, f, index, &left_named);
        right = fits(e, n->right, f, index, &right_named);
        is = n->kind == BOTH ? left && right : left || right;
        *named = is && (left_named || right_named);
        return is;
    case NOT: /* what it names is another one */
        return !fits(e, n->left, f, index, &left_named);
    case COMPARE:
        is = compare(e, n, f);
        *named = is && n->property != TYPE && properties[n->property].value <= ID &&
                 (n->comparison == EQUAL || n->comparison == CONTAINS);
        return is;
    case ANY:
    case FASTEST:
        return true;
    case NUMBER:
        return *named = index == (size_t)n->index;
    case PLATFORM_DEVICE:
        return *named = f->info.platform_index == n->platform && f->info.device_index == n->index;
    case PART:
        return *named = has_part(e, n, f);
    }
    return false;
}

bool qni_expr_fits(const struct qni_expr *e, const struct qni_found *f, size_t index, bool *named)
{
    return fits(e, e->root, f, index, named);
}
