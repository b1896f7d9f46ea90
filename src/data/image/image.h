/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_DATA_IMAGE_H
#define QNI_DATA_IMAGE_H

#include <quern/data_image.h>

#include "base/base.h"

/* QN_E_ARG for sizes out of range. */
qn_status qni_image_check(const qn_image_size *size);

#endif
