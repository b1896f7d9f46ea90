/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef ANSWER_H
#define ANSWER_H

#include <string.h>

#include <CL/cl.h>

/* What every clGet...Info does with its last three arguments. */
static inline cl_int answer(const void *from, size_t size, size_t bytes, void *to, size_t *needed)
{
    if (to && bytes < size)
        return CL_INVALID_VALUE;
    if (to)
        memcpy(to, from, size);
    if (needed)
        *needed = size;
    return CL_SUCCESS;
}

#endif
