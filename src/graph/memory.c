/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Greedy by size: the largest life first, each at the lowest offset where it
 * overlaps no life that is placed already and alive at the same time. */
#include <stdlib.h>

#include "graph/plan.h"

static int larger_first(const void *a, const void *b)
{
    const struct qni_life *x = *(const struct qni_life *const *)a, *y = *(const struct qni_life *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int by_offset(const void *a, const void *b)
{
    const struct qni_life *x = *(const struct qni_life *const *)a, *y = *(const struct qni_life *const *)b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Lowest offset in a chunk for l among the placed lives, which `near` has room for. */
static size_t lowest(const struct qni_life *l, struct qni_life *const *placed, size_t n, size_t chunk,
                     const struct qni_life **near)
{
    size_t count = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        if (placed[i]->chunk == chunk && placed[i]->first <= l->last && l->first <= placed[i]->last)
            near[count++] = placed[i];
    qsort(near, count, sizeof(*near), by_offset);
    for (size_t i = 0; i < count; i++) {
        if (near[i]->offset >= at && near[i]->offset - at >= l->bytes)
            break;
        at = QNI_MAX(at, near[i]->offset + near[i]->bytes);
    }
    return at;
}

qn_status qni_memory_plan(const qn_context *ctx, struct qni_life *life, size_t n, size_t align, size_t limit,
                          size_t **chunk_bytes, size_t *chunks)
{
    struct qni_life **order = NULL;
    const struct qni_life **near = NULL;
    size_t *bytes = NULL, count = 0, capacity = 0;
    qn_status st;

    *chunk_bytes = NULL;
    *chunks = 0;
    if ((st = qni_calloc(ctx, &order, n, sizeof(*order))) || (st = qni_calloc(ctx, &near, n, sizeof(*near))))
        goto done;
    for (size_t i = 0; i < n; i++) {
        size_t padded;

        if (qni_add_overflows(life[i].bytes, align - 1, &padded) || padded / align * align > limit) {
            st = qni_error(QN_E_DEVICE_MEMORY, "one buffer of %zu bytes is needed, the device's largest has %zu", life[i].bytes,
                           limit);
            goto done;
        }
        life[i].bytes = padded / align * align;
        order[i] = &life[i];
    }
    qsort(order, n, sizeof(*order), larger_first);
    for (size_t i = 0; i < n; i++) {
        size_t chunk;

        for (chunk = 0; chunk < count; chunk++) {
            order[i]->offset = lowest(order[i], order, i, chunk, near);
            if (order[i]->offset <= limit - order[i]->bytes)
                break;
        }
        if (chunk == count) {
            if ((st = qni_reserve(ctx, &bytes, &capacity, count, sizeof(*bytes))))
                goto done;
            bytes[count++] = 0;
            order[i]->offset = 0;
        }
        order[i]->chunk = chunk;
        bytes[chunk] = QNI_MAX(bytes[chunk], order[i]->offset + order[i]->bytes);
    }
    *chunk_bytes = bytes;
    *chunks = count;
    bytes = NULL;
done:
    qni_free(ctx, &bytes);
    qni_free(ctx, &near);
    qni_free(ctx, &order);
    return st;
}
