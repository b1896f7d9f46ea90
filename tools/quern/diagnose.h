/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Why OpenCL shows no device, or not the one that is expected, and what to do about it. */
#ifndef QUERN_TOOL_DIAGNOSE_H
#define QUERN_TOOL_DIAGNOSE_H

#include <stdbool.h>
#include <stdio.h>

/* Where to look; tests look elsewhere. */
struct diagnosis {
    FILE *out;                                   /* two lines a finding: what it is, and what to do */
    const char *root;                            /* put before every path: "" */
    int (*access)(const char *path, int mode);   /* access() */
    bool loader;                                 /* the OpenCL library was opened */
    int findings;                                /* counted here */
};

void diagnose(struct diagnosis *d);

#endif
