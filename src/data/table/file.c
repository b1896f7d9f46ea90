/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rows by their number from a file that is not kept. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/table/file.h"

#define LEAST_BLOCKS 256
#define BLOCK_BYTES  1024 /* at first; doubled whenever there are too many blocks */

/* ---- the file ---- */

static void look(const struct stat *about, int64_t *bytes, int64_t changed[2])
{
    *bytes = (int64_t)about->st_size;
    changed[0] = (int64_t)about->st_mtim.tv_sec;
    changed[1] = (int64_t)about->st_mtim.tv_nsec;
}

static qn_status changed(const struct qni_row_file *f)
{
    return qni_error(QN_E_IO, "%s: changed while it was read", f->name);
}

/* Is it as it was when it was opened? */
static qn_status check(const struct qni_row_file *f)
{
    struct stat about;
    int64_t bytes, now[2];

    if (fstat(f->fd, &about))
        return qni_error(QN_E_IO, "%s: cannot be read: %s", f->name, strerror(errno));
    look(&about, &bytes, now);
    return bytes == f->bytes && now[0] == f->changed[0] && now[1] == f->changed[1] ? QN_OK : changed(f);
}

qn_status qni_row_file_open(struct qni_row_file **out, qn_context *ctx, const char *path, int64_t keep_bytes)
{
    struct qni_row_file *f = NULL;
    struct stat about;
    qn_status st;

    *out = NULL;
    if ((st = qni_calloc(ctx, &f, 1, sizeof(*f))))
        return st;
    atomic_init(&f->references, 1);
    f->ctx = qni_context_retain(ctx);
    f->keep_bytes = QNI_MAX(keep_bytes, 0);
    f->block_bytes = BLOCK_BYTES;
    f->most_blocks = QNI_MAX((size_t)f->keep_bytes / 8 / sizeof(*f->block), LEAST_BLOCKS);
    f->fd = -1;
    pthread_mutex_init(&f->lock, NULL);
    if ((st = qni_strdup(ctx, &f->name, path)))
        goto done;
    if ((f->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 || fstat(f->fd, &about))
        st = qni_error(QN_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    else
        look(&about, &f->bytes, f->changed);
    if (st)
        goto done;
    *out = f;
    f = NULL;
done:
    qni_row_file_release(&f);
    return st;
}

struct qni_row_file *qni_row_file_retain(struct qni_row_file *f)
{
    atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
    return f;
}

static void free_cursor(struct qni_row_cursor *c)
{
    qn_context *ctx = c->file->ctx;

    qni_rows_end(&c->in);
    qni_free(ctx, &c->cell);
    qni_free(ctx, &c);
}

void qni_row_file_release(struct qni_row_file **file)
{
    struct qni_row_file *f = *file;
    qn_context *ctx;

    *file = NULL;
    if (!f || atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) != 1)
        return;
    ctx = f->ctx;
    while (f->spare) {
        struct qni_row_cursor *c = f->spare;

        f->spare = c->next_spare;
        free_cursor(c);
    }
    if (f->fd >= 0)
        close(f->fd);
    pthread_mutex_destroy(&f->lock);
    qni_free(ctx, &f->block);
    qni_free(ctx, &f->name);
    qni_free(ctx, &f);
    qni_context_release(&ctx);
}

/* Every other block goes. */
static void thin(struct qni_row_file *f)
{
    for (size_t i = 1; 2 * i < f->blocks; i++)
        f->block[i] = f->block[2 * i];
    f->blocks = (f->blocks + 1) / 2;
    f->block_bytes *= 2;
}

qn_status qni_row_file_add(struct qni_row_file *f, int64_t offset, int64_t line)
{
    qn_status st;

    if (!f->blocks || offset - f->block[f->blocks - 1].offset >= f->block_bytes) {
        if (f->blocks == f->most_blocks)
            thin(f);
        if ((st = qni_reserve(f->ctx, &f->block, &f->block_room, f->blocks, sizeof(*f->block))))
            return st;
        f->block[f->blocks++] = (struct qni_row_block){offset, line, f->rows};
    }
    f->rows++;
    return QN_OK;
}

/* ---- cursors ---- */

static qn_status read_on(void *user, void *to, size_t bytes, size_t *got)
{
    struct qni_row_cursor *c = user;
    const size_t most = c->most ? QNI_MIN(c->most, bytes) : bytes;
    ssize_t n;
    qn_status st;

    *got = 0;
    c->most = 0;
    do
        n = pread(c->file->fd, to, most, (off_t)c->at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return qni_error(QN_E_IO, "%s: cannot be read: %s", c->file->name, strerror(errno));
    /* Looked at afterwards: what was read before a change is as it was. */
    if ((st = check(c->file)))
        return st;
    c->at += n;
    *got = (size_t)n;
    return QN_OK;
}

static qn_status make_cursor(struct qni_row_cursor **out, struct qni_row_file *f)
{
    struct qni_row_cursor *c;
    qn_status st;

    if ((st = qni_calloc(f->ctx, &c, 1, sizeof(*c))))
        return st;
    *c = (struct qni_row_cursor){.file = f, .reader = {.name = f->name, .read = read_on, .user = c}, .row = -1, .next = -1};
    c->in = (struct qni_rows){.reader = &c->reader, .separator = f->separator, .max_bytes = INT64_MAX, .arff = f->arff};
    if ((st = qni_rows_begin(&c->in, f->ctx))) {
        free_cursor(c);
        return st;
    }
    *out = c;
    return QN_OK;
}

qn_status qni_row_cursor_take(struct qni_row_cursor **out, struct qni_row_file *f)
{
    pthread_mutex_lock(&f->lock);
    if ((*out = f->spare))
        f->spare = (*out)->next_spare;
    pthread_mutex_unlock(&f->lock);
    if (!*out)
        return make_cursor(out, f);
    (*out)->row = -1;
    return QN_OK;
}

void qni_row_cursor_give(struct qni_row_cursor **cursor)
{
    struct qni_row_cursor *c = *cursor;
    struct qni_row_file *f;

    *cursor = NULL;
    if (!c)
        return;
    f = c->file;
    pthread_mutex_lock(&f->lock);
    c->next_spare = f->spare;
    f->spare = c;
    pthread_mutex_unlock(&f->lock);
}

static size_t find_block(const struct qni_row_file *f, int64_t row)
{
    size_t low = 0, high = f->blocks;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (f->block[middle].row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void seek_block(struct qni_row_cursor *c, size_t block)
{
    const struct qni_row_file *f = c->file;
    const struct qni_row_block *b = &f->block[block];
    const int64_t held = c->in.total - (int64_t)c->in.have;
    const int64_t end = block + 1 < f->blocks ? b[1].offset : f->bytes;

    if (b->offset >= held && b->offset < c->in.total) {
        c->in.at = (size_t)(b->offset - held);
    } else {
        c->in.at = c->in.have = 0;
        c->in.total = c->at = b->offset;
        c->most = (size_t)QNI_MAX(end - b->offset, 1);
    }
    c->in.line = b->line;
    c->next = b->row;
}

/* The cells of what was read; false where it is no row. */
static bool is_row(struct qni_row_cursor *c)
{
    if (c->in.values != c->file->values)
        return false;
    for (size_t i = 0; i < c->in.values; i++) {
        size_t n;
        const char *s = qni_rows_value(&c->in, i, &n);

        if (memchr(s, 0, n))
            return false;
        c->in.row.data[(size_t)(s - c->in.row.data) + n] = 0;
        c->cell[i] = n && strcmp(s, "?") ? s : NULL;
    }
    return true;
}

static qn_status read_to(struct qni_row_cursor *c, int64_t row)
{
    qn_status st;

    while (c->next <= row && c->file->lines) {
        st = QN_OK;
        if (!qni_rows_line(&c->in, &st))
            return st ? st : changed(c->file);
        c->next++;
    }
    while (c->next <= row) {
        if ((st = qni_rows_next(&c->in)))
            return st;
        if (!c->in.values)
            return changed(c->file);
        c->next += is_row(c);
    }
    return QN_OK;
}

qn_status qni_row_cursor_go(struct qni_row_cursor *c, int64_t row)
{
    const struct qni_row_file *f = c->file;
    size_t block;
    qn_status st;

    if (row < 0 || row >= f->rows)
        return qni_error(QN_E_ARG, "%s: row %lld of %lld", f->name, (long long)row, (long long)f->rows);
    if (c->row == row)
        return QN_OK;
    c->row = -1;
    if (c->cells != f->values && (st = qni_realloc(f->ctx, &c->cell, f->values, sizeof(*c->cell))))
        return st;
    c->cells = f->values;
    c->in.arff = f->arff;
    c->in.separator = f->separator;
    block = find_block(f, row);
    if (c->next < f->block[block].row || c->next > row)
        seek_block(c, block);
    if ((st = read_to(c, row))) {
        c->next = -1;
        c->in.at = c->in.have = 0; /* what is held may be of another file */
        c->in.total = -1;
        return st;
    }
    c->row = row;
    return QN_OK;
}
