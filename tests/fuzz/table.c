/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte of options, then a table, which is looked at and prepared: in memory, and where it is read again from its file. */
#include <stdlib.h>
#include <string.h>

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
    qn_table_report(t, text, sizeof(text), &bytes);
    if (qn_table_columns(t) > 64 || qn_prep_table(&p, t, NULL, 0, &opt))
        return;
    fuzz_dataset(qn_dataset_table(&ds, t, p, NULL), &ds);
    qn_prep_release(&p);
}

static void compare(const qn_table *kept, const qn_table *read)
{
    const int64_t rows = qn_table_rows(kept);
    qn_table_cursor *at = NULL;

    fuzz_check(qn_table_rows(read) == rows && qn_table_columns(read) == qn_table_columns(kept), "another table in the file");
    fuzz_check(qn_table_cursor_open(&at, read) == QN_OK, "no cursor");
    for (int64_t i = 0; rows && i < rows + 16; i++) { /* forwards, then some backwards: each is sought from a place before it */
        const int64_t row = i < rows ? i : rows * (rows + 15 - i) / 16;

        fuzz_check(qn_table_cursor_go(at, row) == QN_OK, "a row that was there cannot be read again");
        fuzz_check(qn_table_line(kept, row) > 0 && qn_table_cursor_line(at) == qn_table_line(kept, row), "a row of another line");
        for (int c = 0; c < qn_table_columns(kept); c++) {
            const char *x = qn_table_cell(kept, row, c), *y = qn_table_cursor_cell(at, c);

            fuzz_check(!x == !y && (!x || !strcmp(x, y)), "another cell");
        }
    }
    qn_table_cursor_close(&at);
}

static void ignore(void *user, const char *line)
{
    (void)user;
    (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_bytes b;
    qn_reader text = {"table", 0, fuzz_read, &b};
    qn_table_opt opt = {.context = fuzz_context()};
    qn_table *t = NULL, *read = NULL;
    qn_status st, again;

    if (bytes < 1)
        return 0;
    b = (struct fuzz_bytes){data + 1, bytes - 1, 0};
    opt.header = (qn_csv_header)(data[0] % 3);
    opt.separator = data[0] & 8 ? ';' : 0;
    opt.bad = data[0] & 4 ? ignore : NULL;
    opt.keep_bytes = 1;
    st = qn_table_from(&t, &text, &opt);
    again = qn_table_read(&read, fuzz_file(data + 1, bytes - 1), &opt);
    fuzz_check(st == again, "not the same fault in the file");
    if (!st) {
        use(t, data[0]);
        use(read, data[0]);
        if (qn_table_rows(t) * qn_table_columns(t) < 1 << 16)
            compare(t, read);
    }
    qn_table_destroy(&t);
    qn_table_destroy(&read);
    return 0;
}
