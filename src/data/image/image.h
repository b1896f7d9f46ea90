/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_DATA_IMAGE_H
#define QNI_DATA_IMAGE_H

#include <quern/data_image.h>

#include "base/base.h"

/* QN_E_ARG for sizes out of range. */
qn_status qni_image_check(const qn_image_size *size);
/* fit.c: an image of any size as an array of this one, 0 to 1. size->channels is 1 or 3. */
qn_status qni_image_bring(float *out, const qn_context *ctx, const qn_image *image, const qn_image_size *size, qn_image_fit fit,
                          bool antialias);

#endif
