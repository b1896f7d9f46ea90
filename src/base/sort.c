/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Heapsort: no memory, no bad case, and an order that does not depend on the C library. */
#include "base/base.h"

static void sink(uint32_t *a, size_t i, size_t n, int (*compare)(const void *, uint32_t, uint32_t), const void *user)
{
    uint32_t x = a[i];
    size_t child;

    while ((child = 2 * i + 1) < n) {
        if (child + 1 < n && compare(user, a[child], a[child + 1]) < 0)
            child++;
        if (compare(user, x, a[child]) >= 0)
            break;
        a[i] = a[child];
        i = child;
    }
    a[i] = x;
}

void qni_sort(uint32_t *index, size_t n, int (*compare)(const void *user, uint32_t a, uint32_t b), const void *user)
{
    for (size_t i = n / 2; i-- > 0;)
        sink(index, i, n, compare, user);
    while (n > 1) {
        uint32_t last = index[--n];

        index[n] = index[0];
        index[0] = last;
        sink(index, 0, n, compare, user);
    }
}
