/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte of options, then a table. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_bytes b;
    qn_reader text = {"table", 0, fuzz_read, &b};
    qn_csv_opt opt = {.context = fuzz_context()};
    qn_dataset *ds = NULL;

    if (bytes < 1)
        return 0;
    b = (struct fuzz_bytes){data + 1, bytes - 1, 0};
    opt.header = (qn_csv_header)(data[0] % 3);
    opt.label = data[0] >> 2 & 3 ? (data[0] >> 2 & 3) - 2 : 2;
    opt.label_dtype = data[0] & 16 ? QN_I32 : QN_F32;
    opt.classes = data[0] & 32 ? 3 : 0;
    opt.separator = data[0] & 64 ? ';' : 0;
    if (data[0] & 128 && opt.header != QN_CSV_NO) {
        opt.label = 0;
        opt.label_name = "b";
    }
    fuzz_dataset(qn_dataset_csv_from(&ds, &text, &opt), &ds);
    return 0;
}
