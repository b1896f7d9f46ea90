/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_TOOL_DEVICES_H
#define QUERN_TOOL_DEVICES_H

#include "device/device.h"

/* ---- properties.c: everything a device can be asked ---- */

struct property_value {
    const char *name;
    struct qni_text text; /* reused from one to the next */
    bool shown;           /* false: the property belongs to a version or an extension the device has not */
};

enum property_result { PROPERTY_OK, PROPERTY_END };

/* The i-th property of a device as text; a failed query gives the error's name as the value. */
enum property_result property_get(struct property_value *out, size_t i, const struct qni_cl *cl,
                                  const struct qni_found *found);

/* ---- devices_table.c ---- */

void print_table(const struct qni_found *found, size_t count);

/* ---- devices.c ---- */

const char *device_type_name(qn_device_type type);

#endif
