/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_DATA_MEMORY_H
#define QNI_DATA_MEMORY_H

#include "data/data.h"

struct qni_memory_field {
    const void *data; /* [samples, shape] */
    void *owned;      /* freed with the dataset; NULL when data are borrowed */
    bool expand;      /* data are bytes, the field is f32: byte / divisor */
};

/* A dataset of what lies in memory. The owned blocks are taken over on success only; they were allocated with the same
 * context, which therefore is not NULL where there are any. */
qn_status qni_dataset_memory(qn_dataset **out, qn_context *ctx, int64_t samples, const qn_field *field, int fields,
                             const struct qni_memory_field *data, float divisor);

#endif
