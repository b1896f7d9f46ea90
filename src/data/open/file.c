/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/open/files.h"

qn_status qnd_find_context(qn_context **own, qn_context **ctx)
{
    qn_status st;

    if (*ctx)
        return QN_OK;
    if ((st = qn_context_create(own, NULL)) == QN_OK)
        *ctx = *own;
    return st;
}

static qn_status read_all(int fd, const char *path, unsigned char *to, size_t bytes)
{
    size_t done = 0;

    while (done < bytes) {
        const size_t left = bytes - done, most = (size_t)1 << 30; /* some systems refuse longer reads */
        ssize_t n = read(fd, to + done, left < most ? left : most);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return qnd_error(QN_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (n == 0)
            return qnd_error(QN_E_IO, "%s: became shorter while it was read", path);
        done += (size_t)n;
    }
    return QN_OK;
}

qn_status qnd_read_file(unsigned char **out, size_t *bytes, const qn_context *ctx, const char *path, int64_t most)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    qn_status st = QN_OK;

    *out = NULL;
    if (fd < 0)
        return qnd_error(QN_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        st = qnd_error(QN_E_IO, "%s: is no file", path);
    else if (about.st_size == 0)
        st = qnd_error(QN_E_FORMAT, "%s: empty", path);
    else if (about.st_size > most)
        st = qnd_error(QN_E_FORMAT, "%s: %lld bytes, the limit is %lld", path, (long long)about.st_size, (long long)most);
    else if (!(*out = qn_context_alloc(ctx, (size_t)about.st_size)))
        st = QN_E_HOST_MEMORY;
    else
        st = read_all(fd, path, *out, *bytes = (size_t)about.st_size);
    if (st) {
        qn_context_free(ctx, *out);
        *out = NULL;
    }
    close(fd);
    return st;
}
