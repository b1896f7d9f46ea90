/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern predict: what a saved model makes of each sample. */
#include <math.h>
#include <string.h>

#include "models.h"

struct answer {
    const float *value;    /* [width] of one sample */
    int64_t width;
    int64_t sample;
    const double *target;  /* of all samples, or NULL */
    int64_t top;
};

/* The k-th largest value's place, given those before it; ties take the first. */
static int64_t next_best(const struct answer *a, int64_t before)
{
    int64_t best = -1;

    for (int64_t i = 0; i < a->width; i++) {
        float v = a->value[i];
        bool taken = before >= 0 && (v > a->value[before] || (!(v < a->value[before]) && i <= before));

        if (!taken && !isnan(v) && (best < 0 || v > a->value[best]))
            best = i;
    }
    return best;
}

static void show_text(const struct answer *a)
{
    int64_t at = -1;

    printf("%lld:", (long long)a->sample);
    if (a->width == 1)
        printf(" %.6g", (double)a->value[0]);
    for (int64_t k = 0; a->width > 1 && k < a->top && (at = next_best(a, at)) >= 0; k++)
        printf("%s %lld (%.4f)", k ? "," : "", (long long)at, (double)a->value[at]);
    if (a->target)
        printf(", is %.6g", a->target[a->sample]);
    printf("\n");
}

static void show_json(const struct answer *a)
{
    struct json j = { .out = stdout };
    int64_t at = -1;

    json_object(&j, NULL);
    json_int(&j, "sample", a->sample);
    if (a->width == 1) {
        json_real(&j, "value", (double)a->value[0]);
    } else {
        json_array(&j, "classes");
        for (int64_t k = 0; k < a->top && (at = next_best(a, at)) >= 0; k++) {
            json_object(&j, NULL);
            json_int(&j, "class", at);
            json_real(&j, "probability", (double)a->value[at]);
            json_object_end(&j);
        }
        json_array_end(&j);
    }
    if (a->target)
        json_real(&j, "label", a->target[a->sample]);
    json_object_end(&j);
}

struct job {
    const char *file, *device, *input;
    struct dataset_options data;
    int64_t batch, top, count;
    bool json;
};

struct state {
    qn_context *ctx;
    qn_device *dev;
    qn_model *m;
    struct dataset data;
    qn_dataset *part;
    double *target;
    float *out;
};

static qn_status predict(struct state *s, const struct job *job)
{
    qn_shape shape;
    struct answer a = { .width = 1, .top = job->top };
    int64_t samples;
    qn_status st;

    if ((st = open_device(&s->ctx, &s->dev, job->device)) || (st = qn_model_load(&s->m, s->dev, job->file)) ||
        (st = qn_model_output_shape(s->m, 0, &shape, NULL)))
        return st;
    st = job->input ? dataset_open_inputs(&s->data.test, s->ctx, job->input)
                    : dataset_open(&s->data, s->ctx, &job->data, false);
    if (st || (st = qn_dataset_take(&s->part, s->data.test, job->count > 0 ? job->count : INT64_MAX)) ||
        (st = dataset_targets(&s->target, s->ctx, s->part)))
        return st;
    for (int i = 1; i < shape.rank; i++)
        a.width *= shape.dim[i];
    samples = qn_dataset_samples(s->part);
    if (a.width < 1 || (samples && (uint64_t)samples > SIZE_MAX / sizeof(float) / (uint64_t)a.width))
        return qn_error_set(QN_E_UNSUPPORTED, "the model's output has no fixed size");
    if (!(s->out = qn_context_alloc(s->ctx, (size_t)(samples * a.width) * sizeof(float))))
        return QN_E_HOST_MEMORY;
    signals_begin(s->m);
    st = qn_model_predict_dataset(s->m, s->part, (void *[]){ s->out }, (int)job->batch);
    signals_end();
    if (st)
        return st;
    a.target = s->target;
    for (a.sample = 0; a.sample < samples; a.sample++) {
        a.value = s->out + a.sample * a.width;
        if (job->json)
            show_json(&a);
        else
            show_text(&a);
    }
    return QN_OK;
}

static int run(int argc, char **argv)
{
    struct job job = { .batch = 64, .top = 1 };
    const char *target = "class";
    const struct option options[] = {
        { "data", OPTION_TEXT, &job.data.name, "DATA", "digits, mnist, fashion-mnist (their test part) or csv:FILE" },
        { "data-dir", OPTION_TEXT, &job.data.dir, "DIR", "where mnist and fashion-mnist lie" },
        { "input", OPTION_TEXT, &job.input, "FILE", "instead: idx images, or a .csv of features alone" },
        { "top", OPTION_INT, &job.top, "K", "classes shown for each sample" },
        { "count", OPTION_INT, &job.count, "N", "only the first N samples; 0: all" },
        { "batch", OPTION_INT, &job.batch, "N", "samples at a time" },
        { "device", OPTION_TEXT, &job.device, "S", "see quern devices" },
        { "label", OPTION_TEXT, &job.data.label, "COLUMN",
          "csv: the label's, by number from 1 or name; else the last" },
        { "target", OPTION_TEXT, &target, "KIND", "csv: the label is a class or a number" },
        { "json", OPTION_FLAG, &job.json, NULL, "one object a line" },
    };
    const struct usage usage = {
        "predict", "FILE --data DATA | --input FILE [options]",
        "What a model that quern train saved makes of each sample: the likeliest classes with their\n"
        "probabilities, or a number; and the label where the data have one.\n\n"
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
    if (!job.data.name == !job.input)
        return usage_error(&usage, "either --data or --input is needed");
    if (job.batch < 1 || job.batch > 1 << 20 || job.top < 1 || job.count < 0 ||
        (strcmp(target, "class") && strcmp(target, "number")))
        return usage_error(&usage, "an option is out of range");
    job.file = argv[1];
    job.data.number = !strcmp(target, "number");
    st = predict(&s, &job);
    if (st == QN_E_CANCELLED && signals_caught())
        code = EXIT_SIGNAL + signals_caught();
    else
        code = st ? report("predict", st) : EXIT_DONE;
    if (s.ctx) {
        qn_context_free(s.ctx, s.out);
        qn_context_free(s.ctx, s.target);
    }
    qn_dataset_close(&s.part);
    dataset_close(&s.data);
    qn_model_destroy(&s.m);
    qn_device_close(&s.dev);
    qn_context_destroy(&s.ctx);
    return code;
}

const struct command command_predict = { "predict", run, "what a saved model makes of samples" };
