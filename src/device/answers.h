/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What a device answers, as text; between properties.c and answers.c. */
#ifndef QNI_ANSWERS_H
#define QNI_ANSWERS_H

#include "device/device.h"

/* How an answer is read. */
enum qni_answer {
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
void qni_answer_add(struct qni_text *t, enum qni_answer kind, const unsigned char *data, size_t bytes, bool raw);

#endif
