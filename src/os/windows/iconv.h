/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_ICONV_H
#define QNI_WINDOWS_ICONV_H

#include <errno.h>
#include <stddef.h>

/* No encoding is known but UTF-8, which needs no converting. */
typedef void *iconv_t;

static inline iconv_t iconv_open(const char *to, const char *from)
{
    (void)to;
    (void)from;
    errno = EINVAL;
    return (iconv_t)-1;
}

static inline size_t iconv(iconv_t with, char **from, size_t *left, char **to, size_t *spare)
{
    (void)with;
    (void)from;
    (void)left;
    (void)to;
    (void)spare;
    errno = EBADF;
    return (size_t)-1;
}

static inline int iconv_close(iconv_t with)
{
    (void)with;
    return 0;
}

#endif
