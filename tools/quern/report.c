/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern report: the page of a saved model on a data set. */
#include <string.h>

#include "page.h"

struct job {
    const char *file, *device, *to;
    struct dataset_options data;
    int64_t batch;
};

struct state {
    qn_context *ctx;
    qn_device *dev;
    qn_device_info device;
    qn_model *m;
    struct dataset data;
    struct page *page;
};

static qn_status write_page(struct state *s, struct job *job)
{
    const char *name;
    qn_logs test = { 0 };
    qn_status st;

    if ((st = open_device(&s->ctx, &s->dev, job->device)) || (st = qn_device_get_info(s->dev, &s->device)) ||
        (st = qn_model_load(&s->m, s->dev, job->file)))
        return st;
    name = qn_model_note(s->m, "task");
    job->data.model = s->m;
    if ((st = dataset_open(&s->data, s->ctx, tasks_find(name), &job->data, false)) ||
        (st = page_open(&s->page, &(struct page_run){ .m = s->m, .device = &s->device, .data = &s->data, .path = job->to,
                                                      .data_name = job->data.name, .model_name = name, .batch = job->batch,
                                                      .file = job->file,
                                                      .epochs = qn_model_epochs(s->m) })))
        return st;
    signals_begin(s->m);
    if (!(st = task_evaluate(s->m, tasks_find(name), &s->data, (int)job->batch, &test)))
        st = page_end(s->page, &test);
    signals_end();
    return st ? page_fail(s->page, st) : QN_OK;
}

static int run(int argc, char **argv)
{
    struct job job = { .batch = 64, .data.keep_mib = DATASET_KEEP_MIB };
    const char *target = "class";
    const struct option options[] = {
        { "data", OPTION_TEXT, &job.data.name, "DATA", "what to test with, as quern train --help lists it" },
        { "output", OPTION_TEXT, &job.to, "FILE.html", "where the page is written" },
        { "data-dir", OPTION_TEXT, &job.data.dir, "DIR", "where the sets that are known by name lie; else $QUERN_DATA" },
        { "batch", OPTION_INT, &job.batch, "N", "samples at a time" },
        { "device", OPTION_TEXT, &job.device, "S", "see quern devices" },
        { "label", OPTION_TEXT, &job.data.label, "COLUMN",
          "csv: the label's, by number from 1 or name; else the last" },
        { "target", OPTION_TEXT, &target, "KIND", "csv: the label is a class or a number" },
        { "split", OPTION_REAL, &job.data.split, "X", "csv: only the rows that quern train --split X kept for testing" },
        { "encoding", OPTION_TEXT, &job.data.encoding, "NAME", "lines: of the files, such as ISO-8859-1; else UTF-8" },
        { "hold-out", OPTION_TEXT, &job.data.hold_out, "PART", "sounds: only the files whose names have _PART_" },
        { "keep", OPTION_INT, &job.data.keep_mib, "N", "do not keep files of more than N MiB in memory, but read them again" },
        { "skip-bad", OPTION_FLAG, &job.data.skip_bad, NULL, "go on without what cannot be read, and count it" },
    };
    const struct usage usage = {
        "report", "FILE --data DATA --output FILE.html [options]",
        "The page that quern train --report writes at its end, for a model that quern train saved.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no device, 130 and 143 ended by a signal.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    struct state s = { 0 };
    qn_status st;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc != 2)
        return usage_error(&usage, argc < 2 ? "the model's file is missing" : "unexpected argument %s", argv[argc - 1]);
    if (!job.data.name || !job.to)
        return usage_error(&usage, job.to ? "--data is missing" : "--output is missing");
    if (job.batch < 1 || job.batch > 1 << 20 || !(job.data.split >= 0.0 && job.data.split < 1.0) ||
        job.data.keep_mib < 0 || job.data.keep_mib > 1 << 30 ||
        (strcmp(target, "class") && strcmp(target, "number")))
        return usage_error(&usage, "an option is out of range");
    job.file = argv[1];
    job.data.number = !strcmp(target, "number");
    st = write_page(&s, &job);
    code = signals_exit("report", st);
    page_close(&s.page);
    dataset_close(&s.data);
    qn_model_destroy(&s.m);
    qn_device_close(&s.dev);
    qn_context_destroy(&s.ctx);
    return code;
}

const struct command command_report = { "report", run, "a page that shows a saved model on a data set" };
