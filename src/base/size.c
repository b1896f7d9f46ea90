/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "base/base.h"

static const struct { const char *name; size_t bytes; } dtypes[] = {
    [QN_F32] = { "f32", 4 }, [QN_F16] = { "f16", 2 }, [QN_BF16] = { "bf16", 2 },
    [QN_I32] = { "i32", 4 }, [QN_I64] = { "i64", 8 }, [QN_U8] = { "u8", 1 },
};

size_t qn_dtype_bytes(qn_dtype dtype)
{
    return (unsigned)dtype < QNI_COUNT(dtypes) ? dtypes[dtype].bytes : 0;
}

const char *qn_dtype_name(qn_dtype dtype)
{
    return (unsigned)dtype < QNI_COUNT(dtypes) ? dtypes[dtype].name : "?";
}

bool qni_mul_overflows(size_t a, size_t b, size_t *out)
{
    return __builtin_mul_overflow(a, b, out);
}

bool qni_add_overflows(size_t a, size_t b, size_t *out)
{
    return __builtin_add_overflow(a, b, out);
}

qn_status qni_shape_elements(const qn_shape *shape, qn_dtype dtype, int64_t *out)
{
    int64_t n = 1, bytes, size = (int64_t)qn_dtype_bytes(dtype);
    bool empty = false;
    char text[160];

    if (!size)
        return qni_error(QN_E_ARG, "unknown dtype %d", (int)dtype);
    if (shape->rank < 0 || shape->rank > QN_MAX_RANK)
        return qni_error(QN_E_SHAPE, "rank is %d, expected 0 to %d", shape->rank, QN_MAX_RANK);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0)
            return qni_error(QN_E_SHAPE, "axis %d of %s has a negative size", i, qni_shape_text(shape, text, sizeof(text)));
        if (shape->dim[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(n, shape->dim[i], &n))
            return qni_error(QN_E_SHAPE, "%s has more than 2^63 elements", qni_shape_text(shape, text, sizeof(text)));
    }
    if (__builtin_mul_overflow(n, size, &bytes))
        return qni_error(QN_E_SHAPE, "%s has more than 2^63 bytes", qni_shape_text(shape, text, sizeof(text)));
    *out = empty ? 0 : n;
    return QN_OK;
}

int64_t qni_elements(const qn_shape *shape)
{
    int64_t n = 1;

    for (int i = 0; i < shape->rank; i++)
        n *= shape->dim[i];
    return n;
}

bool qni_shape_equal(const qn_shape *a, const qn_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

qn_shape qni_shape(int rank, ...)
{
    qn_shape s = { .rank = rank };
    va_list args;

    va_start(args, rank);
    for (int i = 0; i < rank && i < QN_MAX_RANK; i++)
        s.dim[i] = va_arg(args, int64_t);
    va_end(args);
    return s;
}

const char *qni_shape_text(const qn_shape *shape, char *text, size_t bytes)
{
    size_t n = 0;

    if (!bytes)
        return "";
    text[0] = 0;
    n += (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < shape->rank && i < QN_MAX_RANK && n < bytes; i++) {
        const char *comma = i ? ", " : "";

        if (shape->dim[i] == QN_ANY)
            n += (size_t)snprintf(text + n, bytes - n, "%sNone", comma);
        else
            n += (size_t)snprintf(text + n, bytes - n, "%s%" PRId64, comma, shape->dim[i]);
    }
    if (n < bytes)
        snprintf(text + n, bytes - n, "]");
    return text;
}
