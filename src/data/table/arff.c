/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The head of ARFF files: comments, the relation's name, an attribute a line, and @data. */
#include <strings.h>

#include "data/table/table.h"

#define MOST_COLUMNS 8192

/* A line of the head, eaten from the left. */
struct head {
    const char *at;
    const char *file;
    int64_t line;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct head *h)
{
    while (is_blank(*h->at))
        h->at++;
}

static qn_status fault(const struct head *h, const char *what)
{
    return qni_error(QN_E_FORMAT, "%s: line %lld: %s", h->file, (long long)h->line, what);
}

/* A word, or what stands in quotes: lent from the line. ends: characters beside blanks that end a word. */
static qn_status take_word(struct head *h, const char *ends, const char **word, size_t *bytes)
{
    skip_blanks(h);
    if (*h->at == '\'' || *h->at == '"') {
        const char quote = *h->at++, *end = strchr(h->at, quote);

        if (!end)
            return fault(h, "a quote is not closed");
        *word = h->at;
        *bytes = (size_t)(end - h->at);
        h->at = end + 1;
        return QN_OK;
    }
    *word = h->at;
    while (*h->at && !is_blank(*h->at) && !strchr(ends, *h->at))
        h->at++;
    *bytes = (size_t)(h->at - *word);
    while (*bytes && is_blank((*word)[*bytes - 1]))
        --*bytes;
    return *bytes ? QN_OK : fault(h, "a name is missing");
}

/* { a, b, 'c d' } */
static qn_status take_values(struct head *h, struct qn_table *t)
{
    struct qni_column *c = &t->column[t->columns - 1];
    const char *word;
    size_t bytes;
    int64_t number;
    qn_status st;

    do {
        const size_t before = c->values.words;

        h->at++; /* the brace or a comma */
        if ((st = take_word(h, ",}", &word, &bytes)) || (st = qni_words_add(&c->values, word, bytes, &number)))
            return st;
        if (c->values.words == before)
            return fault(h, "a value is there twice");
        skip_blanks(h);
    } while (*h->at == ',');
    if (*h->at != '}')
        return fault(h, "expected a comma or a closing brace");
    return QN_OK;
}

static qn_status take_attribute(struct head *h, qn_table *t)
{
    static const char *const numbers[] = {"numeric", "real", "integer"};
    const char *name, *type;
    size_t bytes, type_bytes;
    enum qni_column_kind kind = QNI_COLUMN_ANY;
    qn_status st;

    if ((st = take_word(h, "{", &name, &bytes)))
        return st;
    skip_blanks(h);
    if (t->columns == MOST_COLUMNS)
        return fault(h, "too many attributes");
    if (*h->at == '{') {
        st = qni_table_add_column(t, name, bytes, QNI_COLUMN_CATEGORY);
        return st ? st : take_values(h, t);
    }
    if ((st = take_word(h, "", &type, &type_bytes)))
        return st;
    for (size_t i = 0; i < QNI_COUNT(numbers); i++)
        if (type_bytes == strlen(numbers[i]) && !strncasecmp(type, numbers[i], type_bytes))
            kind = QNI_COLUMN_NUMBER;
    if (type_bytes == 6 && !strncasecmp(type, "string", 6))
        kind = QNI_COLUMN_TEXT;
    if (kind == QNI_COLUMN_ANY)
        return qni_error(QN_E_UNSUPPORTED, "%s: line %lld: attributes of type %.*s are not read", h->file, (long long)h->line,
                         (int)QNI_MIN(type_bytes, 40), type);
    return qni_table_add_column(t, name, bytes, kind);
}

static bool begins_with(const char *text, const char *word)
{
    const size_t n = strlen(word);

    return !strncasecmp(text, word, n) && (!text[n] || is_blank(text[n]));
}

bool qni_arff_begins(const struct qni_rows *in)
{
    struct qni_rows look = *in;
    bool is = false;

    /* Comments and empty lines may stand before it, as many as the first piece holds. */
    while (look.at < look.have) {
        while (look.at < look.have && strchr(" \t\r\n", look.piece[look.at]) && look.piece[look.at])
            look.at++;
        if (look.at < look.have && look.piece[look.at] == '%') {
            while (look.at < look.have && look.piece[look.at] != '\n' && look.piece[look.at] != '\r')
                look.at++;
            continue;
        }
        is = look.have - look.at >= 9 && !strncasecmp((const char *)look.piece + look.at, "@relation", 9);
        break;
    }
    return is;
}

qn_status qni_arff_head(qn_table *t, struct qni_rows *in)
{
    qn_status st = QN_OK;

    while (qni_rows_line(in, &st)) {
        struct head h = {.at = in->row.data, .file = t->name, .line = in->row_line};

        if (strlen(h.at) + 1 != in->row.length)
            return fault(&h, "a zero byte");
        skip_blanks(&h);
        if (!*h.at || *h.at == '%' || begins_with(h.at, "@relation"))
            continue;
        if (begins_with(h.at, "@data"))
            return t->columns ? QN_OK : fault(&h, "no attribute stands before @data");
        if (!begins_with(h.at, "@attribute"))
            return fault(&h, "expected @attribute or @data");
        h.at += strlen("@attribute");
        if ((st = take_attribute(&h, t)))
            return st;
    }
    return st ? st : qni_error(QN_E_FORMAT, "%s: ends before @data", t->name);
}
