/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_TOOL_DEVICES_H
#define QUERN_TOOL_DEVICES_H

#include "device/qualify.h"
#include "ops/op.h"

/* ---- devices_raw.c ---- */

/* Every platform and device in the format of clinfo --raw. */
qn_status print_raw(qn_context *ctx, const struct qni_cl *cl, const struct qni_found *found, size_t count);

/* ---- devices_table.c ---- */

/* With the algorithms that a self-test changes, unless ctx is NULL. */
void print_table(const qn_context *ctx, const struct qni_found *found, size_t count);

/* ---- devices_qualify.c ---- */

struct qualifying {
    const char *select; /* NULL: every device that can be used, but tools */
    bool quick, json, all;
    int64_t limit_s;
};

/* Test devices and print what comes out; the exit code. */
int qualify_devices(const struct qualifying *q, qn_context *ctx, const struct qni_found *found, size_t count);

/* ---- devices.c ---- */

const char *device_type_name(qn_device_type type);

#endif
