/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Two IDX files: a byte of options, two bytes with the length of the first, the two. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_bytes x, y;
    qn_reader images = {"images", 0, fuzz_read, &x}, labels = {"labels", 0, fuzz_read, &y};
    qn_idx_opt opt = {.context = fuzz_context()};
    qn_dataset *ds = NULL;
    size_t first;

    if (bytes < 3)
        return 0;
    first = (size_t)data[1] << 8 | data[2];
    first = first < bytes - 3 ? first : bytes - 3;
    x = (struct fuzz_bytes){data + 3, first, 0};
    y = (struct fuzz_bytes){data + 3 + first, bytes - 3 - first, 0};
    opt.keep_u8 = data[0] & 1;
    opt.classes = data[0] & 2 ? 10 : 0;
    if (data[0] & 4)
        images.most = (int64_t)first + !first;
    fuzz_dataset(qn_dataset_idx_from(&ds, &images, data[0] & 8 ? NULL : &labels, &opt), &ds);
    return 0;
}
