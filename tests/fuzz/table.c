/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte of options, then a table, which is looked at and prepared. */
#include <stdlib.h>

#include <quern/data_table.h>

#include "fuzz.h"

static void use(const qn_table *t, uint8_t options)
{
    const qn_prep_table_opt opt = {.label = options >> 4 & 3, .scale = (qn_table_scale)(options >> 6 & 1),
                                   .numbered = options >> 7, .skip_bad = options >> 5 & 1};
    char text[64];
    qn_dataset *ds = NULL;
    qn_prep *p = NULL;
    size_t bytes;

    fuzz_check(qn_table_rows(t) > 0 && qn_table_columns(t) > 0, "an empty table");
    for (int64_t r = 0; r < qn_table_rows(t); r++)
        fuzz_check(qn_table_line(t, r) > 0, "a row without a line");
    qn_table_report(t, text, sizeof(text), &bytes);
    if (qn_table_columns(t) > 64 || qn_prep_table(&p, t, NULL, 0, &opt))
        return;
    fuzz_dataset(qn_dataset_table(&ds, t, p, NULL), &ds);
    qn_prep_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_bytes b;
    qn_reader text = {"table", 0, fuzz_read, &b};
    qn_table_opt opt = {.context = fuzz_context()};
    qn_table *t = NULL;

    if (bytes < 1)
        return 0;
    b = (struct fuzz_bytes){data + 1, bytes - 1, 0};
    opt.header = (qn_csv_header)(data[0] % 3);
    opt.separator = data[0] & 8 ? ';' : 0;
    if (qn_table_from(&t, &text, &opt) == QN_OK)
        use(t, data[0]);
    qn_table_destroy(&t);
    return 0;
}
