/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte that chooses the format and options, then a file of events; its sessions become samples, its items a preparation. */
#include <string.h>

#include <quern/data_events.h>
#include <quern/data_prep.h>

#include "fuzz.h"

static void walk(const qn_events *e)
{
    int64_t count;

    for (int64_t i = 0; i < qn_events_sessions(e); i++) {
        const int32_t *item = qn_events_session(e, i, &count);

        fuzz_check(count > 0, "an empty session");
        for (int64_t k = 0; k < count; k++)
            fuzz_check(qn_events_item(e, item[k]) != NULL, "an item without a name");
    }
}

static void sample(const qn_events *e, int part)
{
    qn_dataset *ds = NULL;
    int32_t items[3], next[3];

    fuzz_check(!qn_dataset_events(&ds, e, &(qn_events_dataset_opt){.length = 3, .part = (qn_events_part)part}), "no dataset");
    for (int64_t i = 0; i < qn_dataset_samples(ds); i++)
        fuzz_check(!qn_dataset_read(ds, &i, 1, (void *const[]){items, next}) && next[part == QN_EVENTS_SHIFTED ? 2 : 0] > 0,
                   "nothing is next");
    qn_dataset_close(&ds);
}

static void told(void *user, const char *line)
{
    (void)user;
    fuzz_check(*line && !strchr(line, '\n'), "told about nothing, or in more than a line");
}

/* The same where the text is not kept. */
static void compare(qn_status st, const qn_events *e, const uint8_t *data, size_t bytes, qn_events_opt opt)
{
    qn_events *file = NULL;

    opt.keep_bytes = 1;
    fuzz_check(qn_events_read(&file, fuzz_file(data + 1, bytes - 1), &opt) == st, "not the same fault in the file");
    fuzz_check(qn_events_sessions(file) == qn_events_sessions(e) && qn_events_items(file) == qn_events_items(e),
               "other sessions in the file");
    for (int64_t i = 0; i < qn_events_sessions(e); i++) {
        int64_t n, m;
        const int32_t *x = qn_events_session(e, i, &n), *y = qn_events_session(file, i, &m);

        fuzz_check(n == m && !memcmp(x, y, (size_t)n * sizeof(*x)), "another session in the file");
    }
    qn_events_destroy(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_bytes b;
    const qn_reader text = {"log", 0, fuzz_read, &b};
    qn_events_opt opt = {.context = fuzz_context(), .max_bytes = 1 << 16};
    qn_events *e = NULL;
    qn_prep *p = NULL;
    qn_status st;

    if (bytes < 1)
        return 0;
    b = (struct fuzz_bytes){data + 1, bytes - 1, 0};
    opt.format = (qn_events_format)(data[0] % 3);
    opt.gap = data[0] & 4 ? 2 : 0;
    opt.drop_repeats = data[0] & 8;
    opt.fewest = data[0] & 16 ? 2 : 0;
    opt.rarest = data[0] & 32 ? 2 : 0;
    opt.bad = data[0] & 128 ? told : NULL;
    st = qn_events_read_from(&e, &text, &opt);
    compare(st, e, data, bytes, opt);
    if (st) {
        fuzz_check(!e && *qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
        return 0;
    }
    walk(e);
    sample(e, data[0] >> 6);
    if (!qn_prep_items(&p, e, 3, false)) {
        qn_events *again = NULL;

        b.at = 0;
        opt.prep = p;
        fuzz_check(!qn_events_read_from(&again, &text, &opt), "the same file is refused with its own items");
        walk(again);
        qn_events_destroy(&again);
    }
    qn_prep_release(&p);
    qn_events_destroy(&e);
    return 0;
}
