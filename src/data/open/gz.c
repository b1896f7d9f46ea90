/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Files that may be compressed with gzip (RFC 1952): one member or several, each with its checksum verified, nothing
 * but zeros after the last. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <quern/data_open.h>

#include "data/open/files.h"

#define PIECE     ((size_t)1 << 16)
#define MOST_RATE 1032 /* deflate makes at most so many bytes of one */

qn_status qnd_error(qn_status st, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    return qn_error_set(st, line);
}

static void *z_alloc(void *user, unsigned n, unsigned size)
{
    const struct qnd_file *f = user;

    return size && n > SIZE_MAX / size ? NULL : qn_context_alloc(f->ctx, (size_t)n * size);
}

static void z_release(void *user, void *p)
{
    const struct qnd_file *f = user;

    qn_context_free(f->ctx, p);
}

static qn_status read_raw(struct qnd_file *f, void *to, size_t bytes, size_t *got)
{
    ssize_t n;

    do
        n = read(f->fd, to, bytes < PIECE << 8 ? bytes : PIECE << 8);
    while (n < 0 && errno == EINTR);
    *got = 0;
    if (n < 0)
        return qnd_error(QN_E_IO, "%s: cannot be read: %s", f->reader.name, strerror(errno));
    *got = (size_t)n;
    f->total += n;
    return QN_OK;
}

/* Compressed bytes at hand, unless the file is over. */
static qn_status refill(struct qnd_file *f)
{
    if (f->at < f->have)
        return QN_OK;
    f->at = 0;
    return read_raw(f, f->piece, PIECE, &f->have);
}

static qn_status read_plain(struct qnd_file *f, unsigned char *to, size_t bytes, size_t *got)
{
    while (*got < bytes) {
        size_t n = f->have - f->at;
        qn_status st;

        if (!n) { /* what was read to see the first bytes is given: now straight */
            if ((st = read_raw(f, to + *got, bytes - *got, &n)) != QN_OK)
                return st;
            if (!n)
                return QN_OK;
        } else {
            n = n < bytes - *got ? n : bytes - *got;
            memcpy(to + *got, f->piece + f->at, n);
            f->at += n;
        }
        *got += n;
    }
    return QN_OK;
}

/* After a member: another one, or zeros to the end of the file. */
static qn_status next_member(struct qnd_file *f)
{
    qn_status st;

    if ((st = refill(f)) != QN_OK)
        return st;
    if (f->have && f->piece[f->at] == 0x1f) {
        f->in_member = true;
        if (inflateReset(&f->z) != Z_OK)
            return qnd_error(QN_E_INTERNAL, "%s: zlib cannot be reset", f->reader.name);
        return QN_OK;
    }
    while (f->have) {
        for (; f->at < f->have; f->at++)
            if (f->piece[f->at])
                return qnd_error(QN_E_FORMAT, "%s: byte %lld: neither the end nor another gzip member", f->reader.name,
                                 (long long)(f->total - (int64_t)(f->have - f->at)));
        if ((st = refill(f)) != QN_OK)
            return st;
    }
    f->ended = true;
    return QN_OK;
}

static qn_status inflate_some(struct qnd_file *f, unsigned char *to, size_t bytes, size_t *got)
{
    size_t most = bytes < (size_t)1 << 30 ? bytes : (size_t)1 << 30, used;
    qn_status st;
    int z;

    if ((st = refill(f)) != QN_OK)
        return st;
    if (!f->have)
        return qnd_error(QN_E_FORMAT, "%s: truncated: the compressed data stop after %lld bytes", f->reader.name,
                         (long long)f->total);
    f->z.next_in = f->piece + f->at;
    f->z.avail_in = (unsigned)(f->have - f->at);
    f->z.next_out = to;
    f->z.avail_out = (unsigned)most;
    z = inflate(&f->z, Z_NO_FLUSH);
    used = f->have - f->at - f->z.avail_in;
    f->at += used;
    *got = most - f->z.avail_out;
    if (z == Z_STREAM_END)
        f->in_member = false;
    else if (z == Z_MEM_ERROR)
        return qnd_error(QN_E_HOST_MEMORY, "%s: no memory to decompress", f->reader.name);
    else if ((z != Z_OK && z != Z_BUF_ERROR) || (!used && !*got))
        return qnd_error(QN_E_FORMAT, "%s: byte %lld: damaged gzip data: %s", f->reader.name,
                         (long long)(f->total - (int64_t)(f->have - f->at)), f->z.msg ? f->z.msg : "no progress");
    return QN_OK;
}

static qn_status read_file(void *user, void *to, size_t bytes, size_t *got)
{
    struct qnd_file *f = user;
    qn_status st = QN_OK;

    *got = 0;
    if (!f->gzip)
        return read_plain(f, to, bytes, got);
    while (*got < bytes && !f->ended && st == QN_OK) {
        size_t n = 0;

        if (!f->in_member)
            st = next_member(f);
        else if ((st = inflate_some(f, (unsigned char *)to + *got, bytes - *got, &n)) == QN_OK)
            *got += n;
    }
    return st;
}

static qn_status start_gzip(struct qnd_file *f)
{
    int z;

    f->z.zalloc = z_alloc;
    f->z.zfree = z_release;
    f->z.opaque = f;
    z = inflateInit2(&f->z, 15 + 16); /* the largest window, gzip's framing */
    if (z == Z_MEM_ERROR)
        return qnd_error(QN_E_HOST_MEMORY, "%s: no memory for zlib", f->reader.name);
    if (z != Z_OK)
        return qnd_error(QN_E_INTERNAL, "%s: zlib cannot be started (%d)", f->reader.name, z);
    f->gzip = f->z_open = f->in_member = true;
    return QN_OK;
}

qn_status qnd_file_open(struct qnd_file *f, const qn_context *ctx, const char *path)
{
    struct stat about;
    qn_status st;

    *f = (struct qnd_file){.reader = {.name = path, .read = read_file, .user = f}, .ctx = ctx, .fd = -1};
    if ((f->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return qnd_error(QN_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(f->fd, &about) != 0 || S_ISDIR(about.st_mode)) {
        st = qnd_error(QN_E_IO, "%s: is a folder, expected a file", path);
        goto done;
    }
    if (!(f->piece = qn_context_alloc(ctx, PIECE))) {
        st = QN_E_HOST_MEMORY;
        goto done;
    }
    while (f->have < 2) {
        size_t n;

        if ((st = read_raw(f, f->piece + f->have, PIECE - f->have, &n)) != QN_OK)
            goto done;
        if (!n)
            break;
        f->have += n;
    }
    if (f->have >= 2 && f->piece[0] == 0x1f && f->piece[1] == 0x8b && (st = start_gzip(f)) != QN_OK)
        goto done;
    if (S_ISREG(about.st_mode)) {
        int64_t size = about.st_size > 1 ? about.st_size : 1, rate = f->gzip ? MOST_RATE : 1;

        f->reader.most = size > INT64_MAX / rate ? INT64_MAX : size * rate;
    }
    return QN_OK;
done:
    qnd_file_close(f);
    return st;
}

void qnd_file_close(struct qnd_file *f)
{
    if (f->z_open)
        inflateEnd(&f->z);
    f->z_open = false;
    qn_context_free(f->ctx, f->piece);
    f->piece = NULL;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* ---- what libquern reads, from such files ---- */

struct opened {
    struct qnd_file file;
    qn_context *own; /* where the options have none */
};

/* Ready for close_file(), whether it succeeds or not. */
static qn_status open_file(struct opened *f, const char *path, qn_context **ctx)
{
    qn_status st;

    *f = (struct opened){.file.fd = -1};
    if (!path)
        return qnd_error(QN_E_ARG, "path is NULL");
    if ((st = qnd_find_context(&f->own, ctx)) != QN_OK)
        return st;
    return qnd_file_open(&f->file, *ctx, path);
}

static void close_file(struct opened *f)
{
    qnd_file_close(&f->file);
    qn_context_destroy(&f->own);
}

qn_status qn_dataset_idx_gz(qn_dataset **out, const char *images, const char *labels, const qn_idx_opt *opt)
{
    qn_idx_opt o = opt ? *opt : (qn_idx_opt){0};
    struct qnd_file y = {.fd = -1};
    struct opened x;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!images)
        return qnd_error(QN_E_ARG, "images is NULL");
    if ((st = open_file(&x, images, &o.context)) == QN_OK &&
        (!labels || (st = qnd_file_open(&y, o.context, labels)) == QN_OK))
        st = qn_dataset_idx_from(out, &x.file.reader, labels ? &y.reader : NULL, &o);
    qnd_file_close(&y);
    close_file(&x);
    return st;
}

qn_status qn_dataset_csv_gz(qn_dataset **out, const char *path, const qn_csv_opt *opt)
{
    qn_csv_opt o = opt ? *opt : (qn_csv_opt){0};
    struct opened f;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = open_file(&f, path, &o.context)) == QN_OK)
        st = qn_dataset_csv_from(out, &f.file.reader, &o);
    close_file(&f);
    return st;
}

qn_status qn_lines_gz(qn_lines **out, const char *path, const qn_lines_opt *opt)
{
    qn_lines_opt o = opt ? *opt : (qn_lines_opt){0};
    struct opened f;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = open_file(&f, path, &o.context)) == QN_OK)
        st = qn_lines_read_from(out, &f.file.reader, &o);
    close_file(&f);
    return st;
}

/* What is compressed cannot be read again from where a row begins: it is kept, or refused. */
struct kept {
    const struct qnd_file *file;
    int64_t read, most;
};

static qn_status read_kept(void *user, void *to, size_t bytes, size_t *got)
{
    struct kept *k = user;
    const qn_status st = k->file->reader.read(k->file->reader.user, to, bytes, got);

    k->read += st ? 0 : (int64_t)*got;
    if (st || k->read <= k->most)
        return st;
    return qnd_error(QN_E_FORMAT, "%s: longer than %lld bytes and compressed: only what is not may be larger than memory",
                     k->file->reader.name, (long long)k->most);
}

qn_status qn_table_gz(qn_table **out, const char *path, const qn_table_opt *opt)
{
    qn_table_opt o = opt ? *opt : (qn_table_opt){0};
    struct kept k = {.most = o.max_bytes || !o.keep_bytes ? INT64_MAX : o.keep_bytes};
    struct opened f;
    qn_reader text;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = open_file(&f, path, &o.context)))
        goto done;
    if (!f.file.gzip) {
        close_file(&f);
        return qn_table_read(out, path, opt);
    }
    k.file = &f.file;
    text = (qn_reader){f.file.reader.name, f.file.reader.most, read_kept, &k};
    st = qn_table_from(out, &text, &o);
done:
    close_file(&f);
    return st;
}
