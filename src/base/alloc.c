/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "base/base.h"

/* Outputs are `void *` that point to the caller's typed pointer; memcpy keeps that within the aliasing rules. */

qn_status qni_calloc(const qn_context *ctx, void *out, size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;

    memcpy(out, &p, sizeof(p));
    if (qni_mul_overflows(n, size, &bytes))
        return qni_error(QN_E_HOST_MEMORY, "%zu elements of %zu bytes do not fit in an address space", n, size);
    p = ctx->opt.alloc(ctx->opt.user, bytes ? bytes : 1);
    if (!p)
        return qni_error(QN_E_HOST_MEMORY, "no host memory for %zu bytes", bytes);
    memset(p, 0, bytes ? bytes : 1);
    memcpy(out, &p, sizeof(p));
    return QN_OK;
}

qn_status qni_realloc(const qn_context *ctx, void *p, size_t n, size_t size)
{
    size_t bytes;
    void *old, *grown;

    memcpy(&old, p, sizeof(old));
    if (qni_mul_overflows(n, size, &bytes))
        return qni_error(QN_E_HOST_MEMORY, "%zu elements of %zu bytes do not fit in an address space", n, size);
    grown = ctx->opt.realloc(ctx->opt.user, old, bytes ? bytes : 1);
    if (!grown)
        return qni_error(QN_E_HOST_MEMORY, "no host memory for %zu bytes", bytes);
    memcpy(p, &grown, sizeof(grown));
    return QN_OK;
}

qn_status qni_reserve(const qn_context *ctx, void *p, size_t *capacity, size_t n, size_t size)
{
    size_t wanted;
    qn_status st;

    if (n < *capacity)
        return QN_OK;
    wanted = *capacity > SIZE_MAX / 2 ? SIZE_MAX : QNI_MAX(*capacity * 2, 16);
    if (wanted <= n)
        wanted = n + 1;
    st = qni_realloc(ctx, p, wanted, size);
    if (!st)
        *capacity = wanted;
    return st;
}

qn_status qni_strdup(const qn_context *ctx, char **out, const char *s)
{
    size_t n = strlen(s) + 1;
    qn_status st = qni_calloc(ctx, out, n, 1);

    if (!st)
        memcpy(*out, s, n);
    return st;
}

void qni_free(const qn_context *ctx, void *p)
{
    void *old, *none = NULL;

    memcpy(&old, p, sizeof(old));
    ctx->opt.free(ctx->opt.user, old);
    memcpy(p, &none, sizeof(none));
}
