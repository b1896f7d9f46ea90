/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A PNG or JPEG file. */
#include <string.h>

#include <quern/data_files.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const qn_image_read_opt opt = {.context = fuzz_context(), .max_pixels = 1 << 16};
    qn_image *image = NULL;
    qn_status st = qn_image_decode(&image, "image", data, bytes, &opt);
    float *out;

    if (st) {
        fuzz_check(!image, "an error and an image");
        fuzz_check(*qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
        return 0;
    }
    out = qn_context_alloc(opt.context, (size_t)(image->height * image->width) * 3 * sizeof(*out));
    fuzz_check(out && qn_image_floats(out, image, 3) == QN_OK, "accepted, but cannot be used");
    qn_context_free(opt.context, out);
    qn_image_destroy(&image);
    return 0;
}
