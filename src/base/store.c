/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A folder of files "KIND-KEY.bin": a header with checksum, then the bytes.
 * Written under a temporary name and renamed, so that processes may share it;
 * whatever does not check out is removed and made anew.
 *
 * Locks are "lock-XX", a few files for all keys. They are never removed, so nobody holds a file that others no longer
 * find; the system takes a lock from a process that dies. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define STORE_MAGIC UINT64_C(0x31304e524555510a) /* "\nQUERN01" */
#define STORE_ENTRY_BYTES (UINT64_C(256) << 20)
#define LOCKS             64
#define LOCK_PREFIX       "lock-"

struct header {
    uint64_t magic, key, bytes, checksum;
};

static int path_of(char *path, size_t size, const qn_context *ctx, uint64_t key, const char *kind, const char *suffix)
{
    int n = snprintf(path, size, "%s/%s-%016" PRIx64 "%s", ctx->store_dir, kind, key, suffix);

    return n > 0 && (size_t)n < size ? 0 : -1;
}

/* mkdir -p with mode 0700 */
static int make_folder(const char *dir)
{
    char path[1024];
    size_t n = strlen(dir);

    if (n >= sizeof(path))
        return -1;
    memcpy(path, dir, n + 1);
    for (size_t i = 1; i <= n; i++)
        if (path[i] == '/' || !path[i]) {
            char c = path[i];

            path[i] = 0;
            if (mkdir(path, 0700) && errno != EEXIST)
                return -1;
            path[i] = c;
        }
    return 0;
}

static bool read_all(int fd, void *to, size_t bytes)
{
    unsigned char *p = to;

    while (bytes) {
        ssize_t n = read(fd, p, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t bytes)
{
    const unsigned char *p = from;

    while (bytes) {
        ssize_t n = write(fd, p, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        bytes -= (size_t)n;
    }
    return true;
}

qn_status qni_store_get(const qn_context *ctx, uint64_t key, const char *kind, unsigned char **out, size_t *bytes)
{
    char path[1200];
    struct header h;
    struct stat info;
    unsigned char *data = NULL;
    qn_status st = QN_OK;
    int fd;

    *out = NULL;
    *bytes = 0;
    if (!ctx->store_dir || path_of(path, sizeof(path), ctx, key, kind, ".bin"))
        return QN_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait, should it be a pipe */
    if (fd < 0)
        return QN_OK;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode) || info.st_size < (off_t)sizeof(h) ||
        !read_all(fd, &h, sizeof(h)) || h.magic != STORE_MAGIC ||
        h.key != key || h.bytes > STORE_ENTRY_BYTES || h.bytes != (uint64_t)info.st_size - sizeof(h))
        goto damaged;
    st = qni_calloc(ctx, &data, (size_t)h.bytes, 1);
    if (st)
        goto done;
    if (!read_all(fd, data, (size_t)h.bytes) || qni_hash(QNI_HASH_START, data, (size_t)h.bytes) != h.checksum)
        goto damaged;
    futimens(fd, NULL); /* recently used: trimming takes the oldest */
    *out = data;
    *bytes = (size_t)h.bytes;
    data = NULL;
    goto done;
damaged:
    qni_log(ctx, QN_LOG_WARNING, "%s is damaged and is made anew", path);
    unlink(path);
done:
    qni_free(ctx, &data);
    close(fd);
    return st;
}

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

void qni_store_trim(const qn_context *ctx, uint64_t limit)
{
    struct entry { char name[128]; uint64_t bytes; struct timespec used; } *entry = NULL;
    size_t entries = 0, capacity = 0;
    uint64_t total = 0;
    struct dirent *d;
    DIR *dir = ctx->store_dir ? opendir(ctx->store_dir) : NULL;

    if (!dir)
        return;
    while ((d = readdir(dir))) {
        struct stat info;

        if (d->d_name[0] == '.' || !strncmp(d->d_name, LOCK_PREFIX, strlen(LOCK_PREFIX)) ||
            strlen(d->d_name) >= sizeof(entry->name) || fstatat(dirfd(dir), d->d_name, &info, AT_SYMLINK_NOFOLLOW) ||
            !S_ISREG(info.st_mode))
            continue;
        if (strstr(d->d_name, ".tmp") && info.st_mtime + 3600 < time(NULL)) { /* left by a process that died */
            unlinkat(dirfd(dir), d->d_name, 0);
            continue;
        }
        if (qni_reserve(ctx, &entry, &capacity, entries, sizeof(*entry)))
            break;
        memcpy(entry[entries].name, d->d_name, strlen(d->d_name) + 1);
        entry[entries].bytes = (uint64_t)info.st_size;
        entry[entries++].used = info.st_mtim;
        total += (uint64_t)info.st_size;
    }
    while (total > limit && entries) {
        size_t oldest = 0;

        for (size_t i = 1; i < entries; i++)
            if (is_before(entry[i].used, entry[oldest].used))
                oldest = i;
        unlinkat(dirfd(dir), entry[oldest].name, 0);
        total -= entry[oldest].bytes;
        entry[oldest] = entry[--entries];
    }
    qni_free(ctx, &entry);
    closedir(dir);
}

int qni_store_lock(const qn_context *ctx, uint64_t key, int limit_ms)
{
    char path[1200];
    int fd, n, waited = 0;

    if (!ctx->store_dir || make_folder(ctx->store_dir))
        return -1;
    n = snprintf(path, sizeof(path), "%s/" LOCK_PREFIX "%02x", ctx->store_dir, (unsigned)(key % LOCKS));
    if (n < 0 || (size_t)n >= sizeof(path))
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        const int ms = waited < 100 ? 5 : 25;

        if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= limit_ms) {
            qni_log(ctx, QN_LOG_WARNING, "%s: %s: going on without it", path,
                    waited >= limit_ms ? "held for too long" : strerror(errno));
            close(fd);
            return -1;
        }
        nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
        waited += ms;
    }
    return fd;
}

void qni_store_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

void qni_store_put(const qn_context *ctx, uint64_t key, const char *kind, const void *data, size_t bytes)
{
    char path[1200], temporary[1200], suffix[64];
    struct header h = { STORE_MAGIC, key, bytes, qni_hash(QNI_HASH_START, data, bytes) };
    bool ok;
    int fd;

    if (!ctx->store_dir || bytes > STORE_ENTRY_BYTES)
        return;
    /* Differs between processes by number and between threads by stack address; O_EXCL catches the rest. */
    snprintf(suffix, sizeof(suffix), ".%ld.%" PRIxPTR ".tmp", (long)getpid(), (uintptr_t)&h);
    if (make_folder(ctx->store_dir) || path_of(path, sizeof(path), ctx, key, kind, ".bin") ||
        path_of(temporary, sizeof(temporary), ctx, key, kind, suffix)) {
        qni_log(ctx, QN_LOG_WARNING, "%s cannot be made: compiled programs are not kept", ctx->store_dir);
        return;
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        qni_log(ctx, QN_LOG_WARNING, "%s: %s: compiled programs are not kept", temporary, strerror(errno));
        return;
    }
    ok = write_all(fd, &h, sizeof(h)) && write_all(fd, data, bytes);
    ok = !close(fd) && ok;
    if (!ok || rename(temporary, path)) {
        qni_log(ctx, QN_LOG_WARNING, "%s: %s: compiled programs are not kept", path, strerror(errno));
        unlink(temporary);
    }
}
