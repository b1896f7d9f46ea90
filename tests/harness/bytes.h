/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Bytes in memory as what a qn_reader reads: (qn_reader){"name", 0, give, &b}. */
#ifndef BYTES_H
#define BYTES_H

#include <string.h>

#include <quern/status.h>

struct bytes {
    const char *data;
    size_t bytes, at;
};

static inline qn_status give(void *user, void *to, size_t bytes, size_t *got)
{
    struct bytes *b = user;

    *got = bytes < b->bytes - b->at ? bytes : b->bytes - b->at;
    memcpy(to, b->data + b->at, *got);
    b->at += *got;
    return QN_OK;
}

#endif
