/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * An allocator that runs out of memory, for programs that look at what is left then: after `countdown` requests all fail, until it
 * is set again, and `blocks` is how many have not been given back. Any thread. */
#ifndef FAILING_H
#define FAILING_H

#include <stdatomic.h>
#include <stdlib.h>

static atomic_int countdown, blocks;

static void *failing_realloc(void *user, void *p, size_t bytes)
{
    void *q = atomic_fetch_sub(&countdown, 1) > 0 ? realloc(p, bytes) : NULL;

    (void)user;
    blocks += q && !p;
    return q;
}

static void *failing_alloc(void *user, size_t bytes)
{
    return failing_realloc(user, NULL, bytes);
}

static void counting_free(void *user, void *p)
{
    (void)user;
    blocks -= p != NULL;
    free(p);
}

#endif
