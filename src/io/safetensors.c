/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/json.h"

#define MOST_HEADER  ((uint64_t)100000000) /* the format's own limit */
#define HEADER_DEPTH 4                     /* root, tensor, shape; one to spare for a clear message */
#define MOST_AT_ONCE ((size_t)1 << 30)

struct qni_safetensors {
    qn_context *ctx;
    char *path;
    int fd;
    struct qni_json *header; /* owns the names and texts */
    struct qni_json_at root, metadata;
    bool has_metadata;
    struct qni_safetensors_entry *entry; /* by name */
    size_t entries;
};

/* Every type the format knows. */
static const struct {
    const char *name;
    int bytes;
    int dtype; /* -1: none of ours */
} types[] = {
    {"F32", 4, QN_F32}, {"F16", 2, QN_F16}, {"BF16", 2, QN_BF16}, {"I32", 4, QN_I32},
    {"I64", 8, QN_I64}, {"U8", 1, QN_U8},   {"F64", 8, -1},       {"I16", 2, -1},
    {"I8", 1, -1},      {"U16", 2, -1},     {"U32", 4, -1},       {"U64", 8, -1},
    {"BOOL", 1, -1},    {"F8_E4M3", 1, -1}, {"F8_E5M2", 1, -1},   {"C64", 8, -1},
};

const char *qni_safetensors_type(qn_dtype dtype)
{
    for (size_t i = 0; i < QNI_COUNT(types); i++)
        if (types[i].dtype == (int)dtype)
            return types[i].name;
    return NULL;
}

void qni_little_endian(void *data, size_t bytes, size_t size)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    unsigned char *p = data;

    for (size_t i = 0; size > 1 && i + size <= bytes; i += size)
        for (size_t k = 0; k < size / 2; k++) {
            unsigned char c = p[i + k];

            p[i + k] = p[i + size - 1 - k];
            p[i + size - 1 - k] = c;
        }
#else
    (void)data;
    (void)bytes;
    (void)size;
#endif
}

/* As many bytes as are asked for, from one place. */
static qn_status read_at(const struct qni_safetensors *s, int64_t offset, void *to, size_t bytes)
{
    char *p = to;

    while (bytes) {
        ssize_t n = pread(s->fd, p, QNI_MIN(bytes, MOST_AT_ONCE), (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return qni_error(QN_E_IO, "%s: cannot be read: %s", s->path, strerror(errno));
        if (n == 0)
            return qni_error(QN_E_FORMAT, "%s: truncated: ends at byte %lld, %zu more were expected", s->path,
                             (long long)offset, bytes);
        p += n;
        offset += n;
        bytes -= (size_t)n;
    }
    return QN_OK;
}

static qn_status read_shape(const struct qni_json_at *at, qn_shape *shape)
{
    struct qni_json_at dim = {0};
    size_t rank;
    qn_status st;

    if (qni_json_type(at) != QNI_JSON_ARRAY)
        return qni_json_expected(at, "an array of sizes");
    if ((st = qni_json_count(at, &rank)) != QN_OK)
        return st;
    if (rank > QN_MAX_RANK)
        return qni_json_error(at, "%zu axes, expected at most %d", rank, QN_MAX_RANK);
    shape->rank = (int)rank;
    for (int i = 0; qni_json_next(at, &dim); i++)
        if ((st = qni_json_int(&dim, 0, INT64_MAX, &shape->dim[i])) != QN_OK)
            return st;
    return QN_OK;
}

static qn_status read_type(const struct qni_json_at *at, struct qni_safetensors_entry *e, int *bytes)
{
    const char *name;
    qn_status st;

    if ((st = qni_json_text(at, &name)) != QN_OK)
        return st;
    for (size_t i = 0; i < QNI_COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0) {
            e->type = types[i].name;
            e->readable = types[i].dtype >= 0;
            e->dtype = e->readable ? (qn_dtype)types[i].dtype : QN_F32;
            *bytes = types[i].bytes;
            return QN_OK;
        }
    return qni_json_expected(at, "a type of values");
}

static qn_status read_entry(const struct qni_json_at *at, struct qni_safetensors_entry *e, int64_t data_bytes)
{
    struct qni_json_at type, shape, offsets, begin, end;
    int64_t from = 0, to = 0, want = 1;
    size_t members = 0;
    bool empty = false;
    int size = 0;
    qn_status st;

    e->name = qni_json_key(at);
    if ((st = qni_json_member(&type, at, "dtype")) != QN_OK || (st = read_type(&type, e, &size)) != QN_OK ||
        (st = qni_json_member(&shape, at, "shape")) != QN_OK || (st = read_shape(&shape, &e->shape)) != QN_OK ||
        (st = qni_json_member(&offsets, at, "data_offsets")) != QN_OK || (st = qni_json_count(at, &members)) != QN_OK)
        return st;
    if (members != 3)
        return qni_json_error(at, "%zu members, expected dtype, shape and data_offsets", members);
    if ((st = qni_json_item(&begin, &offsets, 0)) != QN_OK || (st = qni_json_item(&end, &offsets, 1)) != QN_OK ||
        (st = qni_json_int(&begin, 0, data_bytes, &from)) != QN_OK ||
        (st = qni_json_int(&end, from, data_bytes, &to)) != QN_OK || (st = qni_json_count(&offsets, &members)) != QN_OK)
        return st;
    if (members != 2)
        return qni_json_expected(&offsets, "two offsets");
    for (int i = 0; i < e->shape.rank; i++)
        if (e->shape.dim[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(want, e->shape.dim[i], &want))
            return qni_json_error(&shape, "the sizes' product overflows");
    if (__builtin_mul_overflow(want, (int64_t)size, &want))
        return qni_json_error(&shape, "the sizes' product overflows");
    e->bytes = empty ? 0 : want;
    e->offset = from;
    if (to - from != e->bytes)
        return qni_json_error(&offsets, "%lld bytes, but the shape needs %lld", (long long)(to - from),
                              (long long)e->bytes);
    return QN_OK;
}

static int compare_names(const void *user, uint32_t a, uint32_t b)
{
    const struct qni_safetensors_entry *e = user;

    return strcmp(e[a].name, e[b].name);
}

/* By place; empty ones first, where they share it. */
static int compare_places(const void *user, uint32_t a, uint32_t b)
{
    const struct qni_safetensors_entry *x = (const struct qni_safetensors_entry *)user + a,
                                       *y = (const struct qni_safetensors_entry *)user + b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* One after another from the first byte to the last: no gap, no overlap. */
static qn_status check_places(const struct qni_safetensors *s, const uint32_t *order, int64_t data_bytes)
{
    int64_t at = 0;

    for (size_t i = 0; i < s->entries; i++) {
        const struct qni_safetensors_entry *e = &s->entry[order[i]];

        if (e->offset != at)
            return qni_error(QN_E_FORMAT, "%s: %.200s: begins at byte %lld of the data, %s at %lld", s->path, e->name,
                             (long long)e->offset,
                             e->offset < at ? "but another tensor ends" : "after a gap that begins", (long long)at);
        at += e->bytes;
    }
    if (at != data_bytes)
        return qni_error(QN_E_FORMAT, "%s: %lld bytes of data, but the tensors end at %lld", s->path,
                         (long long)data_bytes, (long long)at);
    return QN_OK;
}

static qn_status check_metadata(const struct qni_json_at *metadata)
{
    struct qni_json_at child = {0};
    const char *text;
    char *end;
    long format;
    qn_status st;

    if (qni_json_type(metadata) != QNI_JSON_OBJECT)
        return qni_json_expected(metadata, "an object of texts");
    while (qni_json_next(metadata, &child)) {
        if ((st = qni_json_text(&child, &text)) != QN_OK)
            return st;
        if (strcmp(qni_json_key(&child), "quern.format") != 0)
            continue;
        format = strtol(text, &end, 10);
        if (end == text || *end || format < 1)
            return qni_json_expected(&child, "a format's number");
        if (format > QNI_SAFETENSORS_FORMAT) {
            qni_json_error(&child, "written by a newer Quern: format %s, this one reads up to %d", text,
                           QNI_SAFETENSORS_FORMAT);
            return QN_E_UNSUPPORTED;
        }
    }
    return QN_OK;
}

static qn_status read_entries(struct qni_safetensors *s, int64_t data_start, int64_t data_bytes)
{
    struct qni_safetensors_entry *unsorted = NULL;
    struct qni_json_at child = {0};
    uint32_t *order = NULL;
    size_t n = 0, members = 0;
    qn_status st;

    s->root = qni_json_root(s->header);
    if (qni_json_type(&s->root) != QNI_JSON_OBJECT)
        return qni_json_expected(&s->root, "an object");
    if ((st = qni_json_count(&s->root, &members)) != QN_OK ||
        (st = qni_calloc(s->ctx, &unsorted, members, sizeof(*unsorted))) != QN_OK ||
        (st = qni_calloc(s->ctx, &order, members, sizeof(*order))) != QN_OK ||
        (st = qni_calloc(s->ctx, &s->entry, members, sizeof(*s->entry))) != QN_OK)
        goto done;
    s->has_metadata = qni_json_find(&s->metadata, &s->root, "__metadata__");
    if (s->has_metadata && (st = check_metadata(&s->metadata)) != QN_OK) /* before a newer format is taken for damage */
        goto done;
    while (qni_json_next(&s->root, &child)) {
        if (strcmp(qni_json_key(&child), "__metadata__") == 0)
            continue;
        order[n] = (uint32_t)n;
        if ((st = read_entry(&child, &unsorted[n++], data_bytes)) != QN_OK)
            goto done;
    }
    qni_sort(order, n, compare_names, unsorted);
    for (size_t i = 0; i < n; i++) {
        s->entry[i] = unsorted[order[i]];
        order[i] = (uint32_t)i;
    }
    s->entries = n;
    qni_sort(order, n, compare_places, s->entry);
    if ((st = check_places(s, order, data_bytes)) != QN_OK)
        goto done;
    for (size_t i = 0; i < n; i++)
        s->entry[i].offset += data_start;
done:
    qni_free(s->ctx, &unsorted);
    qni_free(s->ctx, &order);
    return st;
}

static qn_status read_header(struct qni_safetensors *s)
{
    unsigned char length[8];
    uint64_t bytes = 0;
    struct stat about;
    char *text = NULL;
    qn_status st;

    if (fstat(s->fd, &about) != 0 || !S_ISREG(about.st_mode))
        return qni_error(QN_E_IO, "%s: not a regular file", s->path);
    if (about.st_size < 8)
        return qni_error(QN_E_FORMAT, "%s: %lld bytes, too short for a safetensors file", s->path,
                         (long long)about.st_size);
    if ((st = read_at(s, 0, length, 8)) != QN_OK)
        return st;
    for (int i = 7; i >= 0; i--)
        bytes = bytes << 8 | length[i];
    if (bytes > MOST_HEADER || bytes > (uint64_t)about.st_size - 8)
        return qni_error(QN_E_FORMAT,
                         "%s: a header of %llu bytes in a file of %lld: not a safetensors file, or damaged", s->path,
                         (unsigned long long)bytes, (long long)about.st_size);
    if ((st = qni_calloc(s->ctx, &text, (size_t)bytes, 1)) != QN_OK ||
        (st = read_at(s, 8, text, (size_t)bytes)) != QN_OK)
        goto done;
    if (!bytes || text[0] != '{') {
        st = qni_error(QN_E_FORMAT, "%s: the header does not begin with '{'", s->path);
        goto done;
    }
    if ((st = qni_json_parse(&s->header, s->ctx, s->path, text, (size_t)bytes, HEADER_DEPTH)) != QN_OK)
        goto done;
    st = read_entries(s, 8 + (int64_t)bytes, (int64_t)about.st_size - 8 - (int64_t)bytes);
done:
    qni_free(s->ctx, &text);
    return st;
}

qn_status qni_safetensors_open(struct qni_safetensors **out, qn_context *ctx, const char *path)
{
    struct qni_safetensors *s = NULL;
    qn_status st;

    *out = NULL;
    if ((st = qni_calloc(ctx, &s, 1, sizeof(*s))) != QN_OK)
        return st;
    s->ctx = qni_context_retain(ctx);
    s->fd = -1;
    if ((st = qni_strdup(ctx, &s->path, path)) != QN_OK)
        goto done;
    /* Not waiting for a writer where the name is a pipe's. */
    if ((s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0) {
        st = qni_error(QN_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
        goto done;
    }
    if ((st = read_header(s)) != QN_OK)
        goto done;
    *out = s;
    s = NULL;
done:
    qni_safetensors_close(&s);
    return st;
}

void qni_safetensors_close(struct qni_safetensors **file)
{
    struct qni_safetensors *s = *file;
    qn_context *ctx;

    if (!s)
        return;
    *file = NULL;
    ctx = s->ctx;
    if (s->fd >= 0)
        close(s->fd);
    qni_json_free(&s->header);
    qni_free(ctx, &s->path);
    qni_free(ctx, &s->entry);
    qni_free(ctx, &s);
    qni_context_release(&ctx);
}

size_t qni_safetensors_count(const struct qni_safetensors *s)
{
    return s->entries;
}

const struct qni_safetensors_entry *qni_safetensors_get(const struct qni_safetensors *s, size_t i)
{
    return i < s->entries ? &s->entry[i] : NULL;
}

const struct qni_safetensors_entry *qni_safetensors_find(const struct qni_safetensors *s, const char *name)
{
    size_t low = 0, high = s->entries;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, s->entry[middle].name);

        if (order == 0)
            return &s->entry[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *qni_safetensors_metadata(const struct qni_safetensors *s, const char *key)
{
    struct qni_json_at at;
    const char *text = NULL;

    if (s->has_metadata && qni_json_find(&at, &s->metadata, key))
        qni_json_text(&at, &text);
    return text;
}

qn_status qni_safetensors_read(const struct qni_safetensors *s, const struct qni_safetensors_entry *e, int64_t from,
                               void *to, size_t bytes)
{
    size_t size = qn_dtype_bytes(e->dtype);
    qn_status st;

    if (!e->readable)
        return qni_error(QN_E_UNSUPPORTED, "%s: %.200s: values of type %s", s->path, e->name, e->type);
    if (from < 0 || from > e->bytes || bytes > (uint64_t)(e->bytes - from) || (size_t)from % size || bytes % size)
        return qni_error(QN_E_SHAPE, "%s: %.200s: %zu bytes from byte %lld on, but it has %lld", s->path, e->name,
                         bytes, (long long)from, (long long)e->bytes);
    if ((st = read_at(s, e->offset + from, to, bytes)) == QN_OK)
        qni_little_endian(to, bytes, size);
    return st;
}
