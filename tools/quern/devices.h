/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_TOOL_DEVICES_H
#define QUERN_TOOL_DEVICES_H

#include "device/device.h"

/* ---- answers.c: what a device answers, as text ---- */

/* How an answer is read. */
enum answer_kind {
    TEXT,
    UINT,
    ULONG,
    SIZE,
    SIZES,         /* any number of size_t */
    UINT_BYTES,    /* amounts of memory */
    ULONG_BYTES,
    SIZE_BYTES,
    UINT_HEX,
    UINT_BITS,     /* an alignment in bits */
    BOOL,
    VERSION,       /* cl_version */
    NAMED_VERSIONS,
    BYTES_HEX,     /* as many bytes as there are */
    UUID,
    LUID,
    PCI,
    HANDLE,        /* present or not */
    /* Sets and choices: their names stand in the table below. 32 or 64 bits wide, by the answer's size. */
    TYPE_SET,
    FP_SET,
    OTHER_FP_SET,  /* of half and double: clinfo leaves out the flag that only float has by the standard */
    CACHE_CHOICE,
    LOCAL_CHOICE,
    EXEC_SET,
    QUEUE_SET,
    AFFINITY_SET,
    SVM_SET,
    ATOMIC_SET,
    ENQUEUE_SET,
    DOT_SET,
    COMMAND_SET,
    USM_SET,
    FEATURE_SET,
    PARTITION_LIST /* intptr_t choices, ended by 0 */
};

/* raw: as clinfo --raw has it, else for people. */
void add_answer(struct qni_text *t, enum answer_kind kind, const unsigned char *data, size_t bytes, bool raw);

/* ---- properties.c: everything a device can be asked ---- */

struct property_value {
    const char *name;
    struct qni_text text; /* reused from one to the next */
    bool shown;           /* false: the property belongs to a version or an extension the device has not */
    bool of_platform;
};

enum property_result { PROPERTY_OK, PROPERTY_END };

/* The i-th property of a device as text; a failed query gives the error's name as the value. raw: as clinfo --raw has it,
 * for a platform (found->id is NULL) or a device by itself. */
enum property_result property_get(struct property_value *out, size_t i, const struct qni_cl *cl,
                                  const struct qni_found *found, bool raw);

/* ---- devices_raw.c ---- */

/* Every platform and device in the format of clinfo --raw. */
qn_status print_raw(qn_context *ctx, const struct qni_cl *cl, const struct qni_found *found, size_t count);

/* ---- devices_table.c ---- */

void print_table(const struct qni_found *found, size_t count);

/* ---- devices.c ---- */

const char *device_type_name(qn_device_type type);

#endif
