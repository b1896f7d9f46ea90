/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

#define MOST_AT_ONCE ((size_t)1 << 30) /* some systems refuse longer reads and writes */
#define TEMPORARIES  16                /* of one name at a time */
#define FIRST_BLOCK  ((size_t)1 << 16)

qn_status qni_file_read(const qn_context *ctx, const char *path, size_t max_bytes, char **data, size_t *bytes)
{
    struct stat about;
    char *text = NULL;
    size_t have = 0, room = FIRST_BLOCK;
    ssize_t n;
    qn_status st = QN_OK;
    int fd;

    *data = NULL;
    *bytes = 0;
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return qni_error(QN_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        if ((uint64_t)about.st_size > max_bytes) {
            st = qni_error(QN_E_FORMAT, "%s: %lld bytes long, the limit is %zu", path, (long long)about.st_size,
                           max_bytes);
            goto done;
        }
        room = (size_t)about.st_size + 2; /* one to see the end, one for the zero */
    }
    if ((st = qni_realloc(ctx, &text, room, 1)) != QN_OK)
        goto done;
    for (;;) {
        n = read(fd, text + have, QNI_MIN(room - have - 1, MOST_AT_ONCE));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
        if (have > max_bytes) {
            st = qni_error(QN_E_FORMAT, "%s: longer than the limit of %zu bytes", path, max_bytes);
            goto done;
        }
        if (have + 1 == room) {
            room *= 2; /* no overflow: room is at most twice max_bytes, which is in memory */
            if ((st = qni_realloc(ctx, &text, room, 1)) != QN_OK)
                goto done;
        }
    }
    if (n < 0) {
        st = qni_error(QN_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        goto done;
    }
    text[have] = 0;
    *data = text;
    *bytes = have;
    text = NULL;
done:
    close(fd);
    qni_free(ctx, &text);
    return st;
}

struct qni_file_out {
    qn_context *ctx;
    char *path;      /* where it will be, links followed */
    char *temporary; /* where it is */
    int fd;
    qn_status status;
};

/* Where the file itself is, if path is a link to one: that shall be replaced, not the link. */
static qn_status resolve(struct qni_file_out *f, const char *path)
{
    char real[PATH_MAX];
    struct stat about;

    if (lstat(path, &about) == 0 && S_ISLNK(about.st_mode) && realpath(path, real))
        path = real;
    if (stat(path, &about) == 0) {
        if (!S_ISREG(about.st_mode))
            return qni_error(QN_E_IO, "%s: cannot be written: not a regular file", path);
        if (access(path, W_OK) != 0)
            return qni_error(QN_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    }
    return qni_strdup(f->ctx, &f->path, path);
}

/* Open one temporary and lock it. A process that was killed has lost its lock, and what it left is used again; one that
 * has meanwhile given the file its name, or removed it, is seen by the file no longer being what the name says. */
static int open_locked(const char *name, bool *busy)
{
    *busy = false;
    for (int attempt = 0; attempt < 100; attempt++) {
        struct stat opened, named;
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

        if (fd < 0) {
            *busy = errno == EACCES; /* another user's */
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            *busy = true;
            close(fd);
            return -1;
        } /* where there are no locks the folder is not shared by two writers of one name */
        if (fstat(fd, &opened) == 0 && stat(name, &named) == 0 && opened.st_ino == named.st_ino &&
            opened.st_dev == named.st_dev && S_ISREG(opened.st_mode)) {
            if (ftruncate(fd, 0) == 0)
                return fd;
            close(fd);
            return -1;
        }
        close(fd);
    }
    *busy = true;
    return -1;
}

/* What follows the folder. */
static const char *file_name(const char *path)
{
    const char *name = path;

    for (; *path; path++)
        if (strchr(QNI_SEPARATORS, *path))
            name = path + 1;
    return name;
}

static qn_status open_temporary(struct qni_file_out *f)
{
    const char *name = file_name(f->path);
    int folder = (int)(name - f->path);
    size_t room = strlen(f->path) + 16;
    struct stat about;
    bool busy = true;
    qn_status st;

    if (!*name)
        return qni_error(QN_E_IO, "%s: is the name of a folder", f->path);
    if ((st = qni_calloc(f->ctx, &f->temporary, room, 1)) != QN_OK)
        return st;
    for (int i = 0; i < TEMPORARIES && f->fd < 0 && busy; i++) {
        snprintf(f->temporary, room, "%.*s.%s.tmp%d", folder, f->path, name, i);
        f->fd = open_locked(f->temporary, &busy);
    }
    if (f->fd < 0) {
        st = qni_error(QN_E_IO, "%s: cannot be created: %s", f->temporary,
                       busy ? "too many others write this file" : strerror(errno));
        qni_free(f->ctx, &f->temporary);
        return st;
    }
    /* A new file has what the process's mask leaves; another one keeps its permissions. */
    if (stat(f->path, &about) == 0 && fchmod(f->fd, about.st_mode & 0777) != 0 && errno != EPERM)
        return qni_error(QN_E_IO, "%s: its permissions cannot be set: %s", f->temporary, strerror(errno));
    return QN_OK;
}

qn_status qni_file_create(struct qni_file_out **out, qn_context *ctx, const char *path)
{
    struct qni_file_out *f = NULL;
    qn_status st;

    *out = NULL;
    if ((st = qni_calloc(ctx, &f, 1, sizeof(*f))) != QN_OK)
        return st;
    f->ctx = qni_context_retain(ctx);
    f->fd = -1;
    if ((st = resolve(f, path)) != QN_OK || (st = open_temporary(f)) != QN_OK)
        goto done;
    *out = f;
    f = NULL;
done:
    qni_file_discard(&f);
    return st;
}

qn_status qni_file_write_at(struct qni_file_out *f, int64_t offset, const void *data, size_t bytes)
{
    const char *from = data;

    if (f->status)
        return qni_error(f->status, "%s: an earlier write failed", f->path);
    while (bytes) {
        ssize_t n = pwrite(f->fd, from, QNI_MIN(bytes, MOST_AT_ONCE), (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return f->status =
                       qni_error(QN_E_IO, "%s: cannot be written: %s", f->path, n < 0 ? strerror(errno) : "no room");
        from += n;
        offset += n;
        bytes -= (size_t)n;
    }
    return QN_OK;
}

static qn_status flush_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    qn_status st = QN_OK;
    int n = slash ? (int)(slash - path) + 1 : 2, fd;

    if (n >= PATH_MAX)
        return QN_OK; /* the rename has succeeded: there is no such path */
    snprintf(folder, sizeof(folder), "%.*s", n, slash ? path : "./");
    if ((fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return QN_OK; /* a folder that may be written but not read */
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        st = qni_error(QN_E_IO, "%s: cannot be flushed: %s", folder, strerror(errno));
    close(fd);
    return st;
}

qn_status qni_file_commit(struct qni_file_out **out)
{
    struct qni_file_out *f = *out;
    qn_status st = f->status;

    if (st)
        qni_error(st, "%s: an earlier write failed", f->path);
    else if (fsync(f->fd) != 0)
        st = qni_error(QN_E_IO, "%s: cannot be flushed: %s", f->temporary, strerror(errno));
    else if (rename(f->temporary, f->path) != 0)
        st = qni_error(QN_E_IO, "%s: cannot be renamed to %s: %s", f->temporary, f->path, strerror(errno));
    if (st == QN_OK) {
        qni_free(f->ctx, &f->temporary); /* it is the file now */
        st = flush_folder(f->path);
    }
    qni_file_discard(out);
    return st;
}

void qni_file_discard(struct qni_file_out **out)
{
    struct qni_file_out *f = *out;
    qn_context *ctx;

    if (!f)
        return;
    *out = NULL;
    ctx = f->ctx;
    if (f->fd >= 0 && f->temporary)
        unlink(f->temporary); /* before the lock is lost */
    if (f->fd >= 0)
        close(f->fd);
    qni_free(ctx, &f->path);
    qni_free(ctx, &f->temporary);
    qni_free(ctx, &f);
    qni_context_release(&ctx);
}

qn_status qni_file_replace(qn_context *ctx, const char *path, const void *data, size_t bytes)
{
    struct qni_file_out *f = NULL;
    qn_status st;

    if ((st = qni_file_create(&f, ctx, path)) == QN_OK && (st = qni_file_write_at(f, 0, data, bytes)) == QN_OK)
        st = qni_file_commit(&f);
    if (f)
        qni_file_discard(&f);
    return st;
}
