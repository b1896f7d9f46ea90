/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/data.h"

#define MOST_AT_ONCE ((size_t)1 << 30) /* some systems refuse longer reads */
#define BLOCK        ((size_t)1 << 16) /* read at once where the length is not known */

static qn_status read_file(void *user, void *to, size_t bytes, size_t *got)
{
    struct qni_file_reader *f = user;
    size_t done = 0;

    *got = 0;
    while (done < bytes) {
        ssize_t n = read(f->fd, (char *)to + done, QNI_MIN(bytes - done, MOST_AT_ONCE));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return qni_error(QN_E_IO, "%s: cannot be read: %s", f->reader.name, strerror(errno));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return QN_OK;
}

qn_status qni_file_reader_open(struct qni_file_reader *f, const char *path)
{
    struct stat about;

    *f = (struct qni_file_reader){.reader = {.name = path, .read = read_file, .user = f}, .fd = -1};
    if ((f->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return qni_error(QN_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(f->fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        qni_file_reader_close(f);
        return qni_error(QN_E_IO, "%s: is a folder, expected a file", path);
    }
    if (fstat(f->fd, &about) == 0 && S_ISREG(about.st_mode))
        f->reader.most = QNI_MAX((int64_t)about.st_size, 1); /* 0 would mean that it is not known */
    return QN_OK;
}

void qni_file_reader_close(struct qni_file_reader *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

qn_status qni_reader_read(const qn_reader *r, void *to, size_t bytes, size_t *got)
{
    qn_status st;

    *got = 0;
    qni_error_put("");
    st = r->read(r->user, to, bytes, got);
    if (st == QN_OK && *got > bytes)
        return qni_error(QN_E_ARG, "%s: the read function gave %zu bytes where %zu were asked for", r->name, *got,
                         bytes);
    if (st == QN_OK)
        return QN_OK;
    if (!*qn_last_error())
        qni_error(st, "%s: the read function returned %d (%s)", r->name, (int)st, qn_status_name(st));
    return st > 0 ? QN_E_ARG : st;
}

qn_status qni_reader_all(const qn_context *ctx, const qn_reader *r, int64_t most, char **out, size_t *n)
{
    size_t got = 1, capacity = 0;
    qn_status st = QN_OK;

    *n = 0;
    while (got && !st) {
        if (capacity - *n < BLOCK + 1) {
            capacity = QNI_MAX(2 * capacity, 2 * BLOCK);
            if ((st = qni_realloc(ctx, out, capacity, 1)))
                return st;
        }
        st = qni_reader_read(r, *out + *n, BLOCK, &got);
        *n += got;
        if (!st && *n > (uint64_t)most)
            st = qni_error(QN_E_FORMAT, "%s: longer than %lld bytes", r->name, (long long)most);
    }
    if (!st)
        (*out)[*n] = 0;
    return st;
}
