/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "base/base.h"

uint64_t qni_hash(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < bytes; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    return h * UINT64_C(0x9e3779b97f4a7c15);
}

uint64_t qni_hash_text(uint64_t h, const char *s)
{
    return qni_hash(h, s, strlen(s) + 1);
}
