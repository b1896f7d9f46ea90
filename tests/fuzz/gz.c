/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A file that may be compressed, read as IDX and as CSV. */
#include <quern/data_open.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *path = fuzz_file(data, bytes);
    qn_idx_opt idx = {.context = fuzz_context(), .max_bytes = 1 << 24};
    qn_csv_opt csv = {.context = fuzz_context(), .max_bytes = 1 << 20};
    qn_dataset *ds = NULL;

    fuzz_dataset(qn_dataset_idx_gz(&ds, path, NULL, &idx), &ds);
    fuzz_dataset(qn_dataset_csv_gz(&ds, path, &csv), &ds);
    return 0;
}
