/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte that chooses an encoding, then a text; one in UTF-8 also from a file. */
#include <string.h>

#include <quern/data_text.h>

#include "fuzz.h"

static void told(void *user, const char *line)
{
    fuzz_check(*line && !strchr(line, '\n'), "told about nothing, or in more than a line");
    ++*(int64_t *)user;
}

static qn_status is_line(void *user, char *text)
{
    fuzz_check(!strcmp(text, user), "another line in the file");
    return QN_OK;
}

/* The same lines where they are read again from a file. */
static void compare(qn_status st, const qn_lines *lines, const uint8_t *data, size_t bytes)
{
    int64_t bad = 0;
    const qn_lines_opt opt = {.context = fuzz_context(), .max_bytes = 1 << 16, .keep_bytes = 1,
                              .bad = data[0] & 4 ? told : NULL, .user = &bad};
    qn_line_file *file = NULL;

    fuzz_check(qn_line_file_open(&file, fuzz_file(data + 1, bytes - 1), &opt) == st, "not the same fault in the file");
    fuzz_check(st || qn_line_file_lines(file) == lines->lines, "as many lines");
    for (int64_t i = 0; !st && i < lines->lines; i++)
        fuzz_check(qn_line_file_read(file, i, is_line, lines->line[i]) == QN_OK, "a line cannot be read again");
    for (int64_t i = 16; !st && i-- > 0;) { /* some backwards: each is sought from the last known place before it */
        const int64_t line = lines->lines * i / 16;

        fuzz_check(!lines->lines || qn_line_file_read(file, line, is_line, lines->line[line]) == QN_OK, "nor backwards");
    }
    qn_line_file_close(&file);
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
    if (data[0] % 4 == 1)
        compare(st, lines, data, bytes);
    qn_lines_destroy(&lines);
    return 0;
}
