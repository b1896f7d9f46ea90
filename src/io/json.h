/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * JSON (RFC 8259): strict reading of text that may be hostile, with messages that say where something is wrong and what
 * was expected there; and writing. Numbers do not depend on the locale. */
#ifndef QNI_IO_JSON_H
#define QNI_IO_JSON_H

#include "base/base.h"

/* ---- json.c, json_get.c: reading ---- */

struct qni_json; /* a document, read-only: many threads may look at it */

/* Depth of arrays and objects within each other that is accepted where 0 is given. */
#define QNI_JSON_DEPTH 64

/* Parse a whole text. Beside JSON's own rules: the text is UTF-8, no key is twice in one object, and no string contains
 * a zero. name is for messages ("model.json"); it and the text are not needed afterwards. Memory is bounded by a small
 * multiple of bytes. */
qn_status qni_json_parse(struct qni_json **out, qn_context *ctx, const char *name, const char *text, size_t bytes,
                         int depth);
void qni_json_free(struct qni_json **json);

enum qni_json_type { QNI_JSON_NULL, QNI_JSON_BOOL, QNI_JSON_NUMBER, QNI_JSON_TEXT, QNI_JSON_ARRAY, QNI_JSON_OBJECT };

/* A value and the way to it, for messages: `up` must stay where it is while this one is used. */
struct qni_json_at {
    const struct qni_json *json;
    const struct qni_json_at *up; /* NULL for the root */
    uint32_t node;
    int64_t index; /* in an array; -1 in an object */
};

struct qni_json_at qni_json_root(const struct qni_json *json);
enum qni_json_type qni_json_type(const struct qni_json_at *at);
/* The value's key in its object; NULL in an array and for the root. Lent by the document. */
const char *qni_json_key(const struct qni_json_at *at);
/* "NAME: layers[3].config.units: " + message, QN_E_FORMAT. */
qn_status qni_json_error(const struct qni_json_at *at, const char *format, ...) QNI_PRINTF(2, 3);
/* "NAME: layers[3].config.units: expected WANT, found "x"", QN_E_FORMAT. */
qn_status qni_json_expected(const struct qni_json_at *at, const char *want);

/* Number of members or items; an error when it is neither. */
qn_status qni_json_count(const struct qni_json_at *at, size_t *out);
/* Walk over an array's or object's children. Start with a zeroed child. False at the end, and for values that are
 * neither. */
bool qni_json_next(const struct qni_json_at *at, struct qni_json_at *child);
/* A member that must be there, or item i; an error that says what is missing. Walks: for long arrays use next. */
qn_status qni_json_member(struct qni_json_at *out, const struct qni_json_at *object, const char *key);
qn_status qni_json_item(struct qni_json_at *out, const struct qni_json_at *array, size_t i);
/* A member that may be left away: false, without a message, when it is, when it is null, or when this is no object. */
bool qni_json_find(struct qni_json_at *out, const struct qni_json_at *object, const char *key);

/* A value of one type, or an error that says what was expected and found; *out is untouched on failure. An integer has
 * neither point nor exponent. A double may also be one of the texts "NaN", "Infinity", "-Infinity". Text is lent. */
qn_status qni_json_int(const struct qni_json_at *at, int64_t min, int64_t max, int64_t *out);
qn_status qni_json_double(const struct qni_json_at *at, double *out);
qn_status qni_json_bool(const struct qni_json_at *at, bool *out);
qn_status qni_json_text(const struct qni_json_at *at, const char **out);
/* The same of a member that must be there. */
qn_status qni_json_get_int(const struct qni_json_at *object, const char *key, int64_t min, int64_t max, int64_t *out);
qn_status qni_json_get_double(const struct qni_json_at *object, const char *key, double *out);
qn_status qni_json_get_bool(const struct qni_json_at *object, const char *key, bool *out);
qn_status qni_json_get_text(const struct qni_json_at *object, const char *key, const char **out);

/* ---- json_out.c: writing ---- */

/* Zeroed but for text. Objects are indented, arrays of plain values stay on one line; compact leaves all spaces and
 * line ends away. Failures stick in text->status. */
struct qni_json_out {
    struct qni_text *text;
    bool compact;
    int depth;        /* of what is open */
    uint64_t filled;  /* a bit for each depth: something is in it */
    uint64_t objects; /* a bit for each depth: its children stand on lines of their own */
};

/* key is NULL in arrays and for the root. At most 63 deep. */
void qni_json_open(struct qni_json_out *o, const char *key, char bracket); /* '{' or '[' */
void qni_json_close(struct qni_json_out *o, char bracket);                 /* '}' or ']' */
void qni_json_put_int(struct qni_json_out *o, const char *key, int64_t v);
void qni_json_put_double(struct qni_json_out *o, const char *key, double v); /* NaN and infinity become texts */
void qni_json_put_float(struct qni_json_out *o, const char *key, float v);   /* in its shortest form */
void qni_json_put_bool(struct qni_json_out *o, const char *key, bool v);
void qni_json_put_text(struct qni_json_out *o, const char *key,
                       const char *v); /* bytes that are not UTF-8 become U+FFFD */
void qni_json_put_null(struct qni_json_out *o, const char *key);
/* A text alone, in quotes, escaped. */
void qni_json_quote(struct qni_text *t, const char *s);
/* Length of the UTF-8 character that begins at s, of n bytes at most; 0 when it is damaged. */
size_t qni_utf8_length(const unsigned char *s, size_t n);

#endif
