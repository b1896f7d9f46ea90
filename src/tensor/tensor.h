/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_TENSOR_H
#define QNI_TENSOR_H

#include <quern/tensor.h>

#include "device/device.h"

struct qn_tensor {
    struct qni_storage *storage;
    qn_dtype dtype;
    qn_shape shape;
    int64_t elements;
    size_t offset;    /* bytes from the start of the storage */
};

#endif
