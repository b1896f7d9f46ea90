/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte that chooses an encoding, then a text. */
#include <string.h>

#include <quern/data_text.h>

#include "fuzz.h"

static void told(void *user, const char *line)
{
    fuzz_check(*line && !strchr(line, '\n'), "told about nothing, or in more than a line");
    ++*(int64_t *)user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const encodings[] = {NULL, "UTF-8", "ISO-8859-1", "UTF-16LE"};
    struct fuzz_bytes b;
    const qn_reader text = {"text", 0, fuzz_read, &b};
    qn_lines_opt opt = {.context = fuzz_context(), .max_bytes = 1 << 16};
    qn_lines *lines = NULL;
    int64_t bad = 0;
    qn_status st;

    if (bytes < 1)
        return 0;
    b = (struct fuzz_bytes){data + 1, bytes - 1, 0};
    opt.encoding = encodings[data[0] % 4];
    opt.bad = data[0] & 4 ? told : NULL;
    opt.user = &bad;
    st = qn_lines_read_from(&lines, &text, &opt);
    if (st)
        fuzz_check(!lines && *qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
    for (int64_t i = 0; lines && i < lines->lines; i++)
        fuzz_check(!strpbrk(lines->line[i], "\r\n"), "a line with an end in it");
    fuzz_check(bad <= (lines ? lines->lines : 0) || st, "more faults than lines");
    qn_lines_destroy(&lines);
    return 0;
}
