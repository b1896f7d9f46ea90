/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern evaluate: a saved model on a data set. */
#include <math.h>
#include <string.h>

#include "models.h"

static void show(const qn_logs *logs, int64_t samples, bool json)
{
    struct json j = { .out = stdout };

    if (!json) {
        printf("%lld samples:", (long long)samples);
        for (int i = 0; i < logs->n; i++)
            printf("%s %s %.4f", i ? "," : "", logs->name[i], logs->value[i]);
        printf("\n");
        return;
    }
    json_object(&j, NULL);
    json_text(&j, "event", "evaluated");
    json_int(&j, "samples", samples);
    for (int i = 0; i < logs->n; i++)
        json_real(&j, logs->name[i], logs->value[i]);
    json_object_end(&j);
}

static int run(int argc, char **argv)
{
    struct dataset_options data = { .keep_mib = DATASET_KEEP_MIB };
    const char *device = NULL, *target = "class";
    int64_t batch = 64;
    bool json = false;
    const struct option options[] = {
        { "data", OPTION_TEXT, &data.name, "DATA", "what to test with, as quern train --help lists it" },
        { "data-dir", OPTION_TEXT, &data.dir, "DIR", "where the sets that are known by name lie; else $QUERN_DATA" },
        { "batch", OPTION_INT, &batch, "N", "samples at a time" },
        { "device", OPTION_TEXT, &device, "S", "see quern devices" },
        { "label", OPTION_TEXT, &data.label, "COLUMN", "csv: the label's, by number from 1 or name; else the last" },
        { "target", OPTION_TEXT, &target, "KIND", "csv: the label is a class or a number" },
        { "split", OPTION_REAL, &data.split, "X", "csv: only the rows that quern train --split X kept for testing" },
        { "encoding", OPTION_TEXT, &data.encoding, "NAME", "lines: of the files, such as ISO-8859-1; else UTF-8" },
        { "hold-out", OPTION_TEXT, &data.hold_out, "PART", "sounds: only the files whose names have _PART_" },
        { "keep", OPTION_INT, &data.keep_mib, "N", "do not keep files of more than N MiB in memory, but read them again" },
        { "skip-bad", OPTION_FLAG, &data.skip_bad, NULL, "go on without what cannot be read, and count it" },
        { "json", OPTION_FLAG, &json, NULL, "one object" },
    };
    const struct usage usage = {
        "evaluate", "FILE --data DATA [options]",
        "Loss and metrics of a model that quern train saved.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no device, 130 and 143 ended by a signal.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    const struct task *t;
    struct dataset d = { 0 };
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_logs logs = { 0 };
    qn_status st;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc != 2)
        return usage_error(&usage, argc < 2 ? "the model's file is missing" : "unexpected argument %s", argv[argc - 1]);
    if (!data.name || batch < 1 || batch > 1 << 20 || !(data.split >= 0.0 && data.split < 1.0) ||
        data.keep_mib < 0 || data.keep_mib > 1 << 30 ||
        (strcmp(target, "class") && strcmp(target, "number")))
        return usage_error(&usage, data.name ? "an option is out of range" : "--data is missing");
    data.number = !strcmp(target, "number");
    if (!(st = open_device(&ctx, &dev, device)) && !(st = qn_model_load(&m, dev, argv[1])))
        data.model = m;
    t = m ? tasks_find(qn_model_note(m, "task")) : NULL;
    if (!st && !(st = dataset_open(&d, ctx, t, &data, false))) {
        signals_begin(m);
        st = task_evaluate(m, t, &d, (int)batch, &logs);
        signals_end();
        if (!st)
            show(&logs, qn_dataset_samples(d.test), json);
    }
    code = signals_exit("evaluate", st);
    dataset_close(&d);
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    return code;
}

const struct command command_evaluate = { "evaluate", run, "loss and metrics of a saved model" };
