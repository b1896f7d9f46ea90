/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_AT_ONCE ((size_t)64 << 20)
#define MOST         ((size_t)256 << 20)
#define HEAD         16 /* keeps the size before each block */

static size_t in_use;

void fuzz_check(int truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static void *limited_realloc(void *user, void *p, size_t bytes)
{
    size_t old = 0;
    char *block = p ? (char *)p - HEAD : NULL;

    (void)user;
    if (block)
        memcpy(&old, block, sizeof(old));
    if (bytes > MOST_AT_ONCE || in_use - old + bytes > MOST || !(block = realloc(block, bytes + HEAD)))
        return NULL;
    in_use += bytes - old;
    memcpy(block, &bytes, sizeof(bytes));
    return block + HEAD;
}

static void *limited_alloc(void *user, size_t bytes)
{
    return limited_realloc(user, NULL, bytes);
}

static void limited_free(void *user, void *p)
{
    size_t bytes;

    (void)user;
    if (!p)
        return;
    memcpy(&bytes, (char *)p - HEAD, sizeof(bytes));
    in_use -= bytes;
    free((char *)p - HEAD);
}

qn_context *fuzz_context(void)
{
    static qn_context *ctx;

    if (!ctx)
        fuzz_check(qn_context_create(&ctx, &(qn_context_opt){.alloc = limited_alloc,
                                                             .realloc = limited_realloc,
                                                             .free = limited_free,
                                                             .store_dir = ""}) == QN_OK,
                   "no context");
    return ctx;
}

qn_status fuzz_read(void *user, void *to, size_t bytes, size_t *got)
{
    struct fuzz_bytes *b = user;

    *got = bytes < b->bytes - b->at ? bytes : b->bytes - b->at;
    if (*got)
        memcpy(to, b->data + b->at, *got);
    b->at += *got;
    return QN_OK;
}

void fuzz_header(uint8_t *data, size_t bytes)
{
    size_t end = bytes;

    while (end > 8 && data[end - 1] != '}')
        end--;
    for (int i = 0; i < 8 && end >= 8; i++)
        data[i] = (uint8_t)((uint64_t)(end - 8) >> 8 * i);
}

const char *fuzz_file(const uint8_t *data, size_t bytes)
{
    static char path[64];
    static int fd = -1;

    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    fuzz_check(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, bytes, 0) == (ssize_t)bytes, "no file");
    return path;
}

void fuzz_dataset(qn_status st, qn_dataset **ds)
{
    int64_t n = qn_dataset_samples(*ds), index[2] = {0, n - 1};
    void *out[QN_MAX_FIELDS] = {NULL};
    int fields = qn_dataset_fields(*ds);

    if (st) {
        fuzz_check(!*ds, "an error and a dataset");
        fuzz_check(*qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
        return;
    }
    for (int f = 0; f < fields; f++) {
        const qn_field *field = qn_dataset_field(*ds, f);
        size_t bytes = qn_dtype_bytes(field->dtype);

        for (int i = 0; i < field->shape.rank; i++)
            bytes *= (size_t)field->shape.dim[i];
        out[f] = bytes < MOST_AT_ONCE ? malloc(2 * bytes + 1) : NULL;
    }
    if (n > 0)
        fuzz_check(qn_dataset_read(*ds, index, 2, out) == QN_OK, "accepted, but cannot be read");
    for (int f = 0; f < fields; f++)
        free(out[f]);
    qn_dataset_close(ds);
}
