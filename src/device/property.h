/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Everything a device can be asked, and its answers as text. */
#ifndef QNI_PROPERTY_H
#define QNI_PROPERTY_H

#include "device/device.h"

struct qni_property {
    const char *name;
    struct qni_text text; /* reused from one to the next; its context set by the caller */
    bool shown;           /* false: the property belongs to a version or an extension the device has not */
};

/* The i-th property of a device as text, false after the last one; a failed query gives the error's name as the value.
 * raw: as clinfo --raw has it, for a platform (found->id is NULL) or a device by itself. */
bool qni_property_get(struct qni_property *out, size_t i, const struct qni_cl *cl, const struct qni_found *found, bool raw);

#endif
