/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern predict: what a saved model makes of each sample. */
#include <math.h>
#include <string.h>

#include "models.h"

struct answer {
    const char *name;      /* of the input; NULL: its number counts */
    const float *value;    /* [width] of one sample */
    int64_t width;
    int64_t sample;
    const double *target;  /* of all samples, or NULL */
    const qn_prep *meaning; /* of the output, or NULL */
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

    if (a->name)
        printf("%s:", a->name);
    else
        printf("%lld:", (long long)a->sample);
    if (a->width == 1)
        printf(" %.6g", qn_prep_undo(a->meaning, (double)a->value[0]));
    for (int64_t k = 0; a->width > 1 && k < a->top && (at = next_best(a, at)) >= 0; k++) {
        const char *class = qn_prep_class(a->meaning, (int)at);

        if (class)
            printf("%s %s (%.4f)", k ? "," : "", class, (double)a->value[at]);
        else
            printf("%s %lld (%.4f)", k ? "," : "", (long long)at, (double)a->value[at]);
    }
    if (a->target)
        printf(", is %.6g", qn_prep_undo(a->meaning, a->target[a->sample]));
    printf("\n");
}

static void show_classes(struct json *j, const struct answer *a)
{
    int64_t at = -1;

    json_array(j, "classes");
    for (int64_t k = 0; k < a->top && (at = next_best(a, at)) >= 0; k++) {
        json_object(j, NULL);
        json_int(j, "class", at);
        if (qn_prep_class(a->meaning, (int)at))
            json_text(j, "name", qn_prep_class(a->meaning, (int)at));
        json_real(j, "probability", (double)a->value[at]);
        json_object_end(j);
    }
    json_array_end(j);
}

static void show_json(const struct answer *a)
{
    struct json j = { .out = stdout };

    json_object(&j, NULL);
    if (a->name)
        json_text(&j, "input", a->name);
    else
        json_int(&j, "sample", a->sample);
    if (a->width == 1)
        json_real(&j, "value", qn_prep_undo(a->meaning, (double)a->value[0]));
    else
        show_classes(&j, a);
    if (a->target)
        json_real(&j, "label", qn_prep_undo(a->meaning, a->target[a->sample]));
    json_object_end(&j);
}

struct job {
    const char *file, *device, *input;
    const char *const *path; /* [paths] things to predict for */
    int paths;
    struct dataset_options data;
    int64_t batch, top, count, beam;
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
    struct answer answer;
    struct inputs *inputs;
    char *batch;       /* [job.batch] inputs */
    char **name;       /* [job.batch] of inputs, from qn_context_alloc */
    int64_t skipped;
};

static void show(const struct state *s, const struct job *job)
{
    if (job->json)
        show_json(&s->answer);
    else
        show_text(&s->answer);
}

/* ---- a dataset's samples ---- */

static qn_status open_data(struct state *s, struct job *job)
{
    qn_status st;

    job->data.model = s->m;
    st = job->input ? dataset_open_inputs(&s->data.test, s->ctx, s->m, job->input)
                    : dataset_open(&s->data, s->ctx, tasks_find(qn_model_note(s->m, "task")), &job->data, false);
    if (st || (st = qn_dataset_take(&s->part, s->data.test, job->count > 0 ? job->count : INT64_MAX)))
        return st;
    return dataset_targets(&s->target, s->ctx, s->part);
}

static qn_status predict_data(struct state *s, struct job *job)
{
    struct answer *a = &s->answer;
    int64_t samples;
    qn_status st;

    if ((st = open_data(s, job)))
        return st;
    samples = qn_dataset_samples(s->part);
    if (samples && (uint64_t)samples > SIZE_MAX / sizeof(float) / (uint64_t)a->width)
        return qn_error_set(QN_E_UNSUPPORTED, "too many samples at once: use --count");
    if (!(s->out = qn_context_alloc(s->ctx, (size_t)(samples * a->width) * sizeof(float))))
        return QN_E_HOST_MEMORY;
    if ((st = qn_model_predict_dataset(s->m, s->part, (void *[]){ s->out }, (int)job->batch)))
        return st;
    a->target = s->target;
    for (a->sample = 0; a->sample < samples; a->sample++) {
        a->value = s->out + a->sample * a->width;
        show(s, job);
    }
    return QN_OK;
}

/* ---- things as they come ---- */

static void skip(void *user, const char *line)
{
    struct state *s = user;

    fprintf(stderr, "quern predict: skipped: %s\n", line);
    s->skipped++;
}

/* The next one that can be used, prepared as number n of the batch; *more is false behind the last. */
static qn_status next_input(struct state *s, const struct job *job, int64_t n, size_t bytes, bool *more)
{
    const qn_prep *prep = qn_model_prep(s->m, QN_FIELD_INPUT, 0);
    struct input in;
    qn_status st;

    for (;;) {
        bool named = false;

        *more = false;
        if (!(st = inputs_next(s->inputs, &in))) {
            if (!in.name)
                return QN_OK;
            named = true;
            st = qn_prep_run(prep, &in.raw, s->batch + (size_t)n * bytes);
        }
        if (!st)
            break;
        if (named) {
            char text[1024];

            snprintf(text, sizeof(text), "%.500s: %.500s", in.name, qn_last_error());
            qn_error_set(st, text);
        }
        if (!job->data.skip_bad || st == QN_E_HOST_MEMORY)
            return st;
        skip(s, qn_last_error());
    }
    *more = true;
    if (!(s->name[n] = qn_context_alloc(s->ctx, strlen(in.name) + 1)))
        return QN_E_HOST_MEMORY;
    strcpy(s->name[n], in.name);
    return QN_OK;
}

static void free_names(struct state *s, const struct job *job)
{
    for (int64_t i = 0; s->name && i < job->batch; i++) {
        qn_context_free(s->ctx, s->name[i]);
        s->name[i] = NULL;
    }
}

static void show_translation(const struct job *job, const char *name, const char *text)
{
    struct json j = { .out = stdout };

    if (!job->json) {
        printf("%s: %s\n", name, text);
        return;
    }
    json_object(&j, NULL);
    json_text(&j, "input", name);
    json_text(&j, "text", text);
    json_object_end(&j);
}

static qn_status translate_batch(struct state *s, const struct job *job, int64_t n)
{
    char **text = qn_context_alloc(s->ctx, ((size_t)n + 1) * sizeof(*text));
    qn_status st;

    if (!text)
        return QN_E_HOST_MEMORY;
    st = translate(text, s->ctx, s->m, s->batch, n, (int)job->beam);
    for (int64_t i = 0; i < n; i++) {
        if (!st)
            show_translation(job, s->name[i], text[i]);
        qn_context_free(s->ctx, text[i]);
    }
    qn_context_free(s->ctx, text);
    fflush(stdout);
    free_names(s, job);
    return st;
}

static qn_status predict_batch(struct state *s, const struct job *job, int64_t n)
{
    struct answer *a = &s->answer;
    qn_status st = n ? qn_model_predict(s->m, (const void *[]){ s->batch }, n, (void *[]){ s->out }, (int)job->batch) : QN_OK;

    for (int64_t i = 0; i < n && !st; i++) {
        a->name = s->name[i];
        a->value = s->out + i * a->width;
        show(s, job);
    }
    fflush(stdout);
    free_names(s, job);
    return st;
}

static qn_status predict_inputs(struct state *s, const struct job *job)
{
    const qn_prep *prep = qn_model_prep(s->m, QN_FIELD_INPUT, 0);
    const qn_field *f = qn_prep_field(prep);
    size_t bytes = f ? qn_dtype_bytes(f->dtype) : 0;
    int64_t done = 0, n;
    bool more = true;
    qn_status st;

    if ((st = inputs_open(&s->inputs, s->ctx, prep, job->data.encoding, job->path, job->paths,
                          job->data.skip_bad ? skip : NULL, s)))
        return st;
    for (int i = 0; i < f->shape.rank; i++)
        bytes *= (size_t)f->shape.dim[i];
    s->batch = qn_context_alloc(s->ctx, (size_t)job->batch * bytes);
    s->out = qn_context_alloc(s->ctx, (size_t)(job->batch * s->answer.width) * sizeof(float));
    if (!s->batch || !s->out || !(s->name = qn_context_alloc(s->ctx, (size_t)job->batch * sizeof(*s->name))))
        return QN_E_HOST_MEMORY;
    memset(s->name, 0, (size_t)job->batch * sizeof(*s->name));
    while (!st && more && !signals_caught() && (!job->count || done < job->count)) {
        for (n = 0; more && n < job->batch && (!job->count || done < job->count); n += more, done += more)
            if ((st = next_input(s, job, n, bytes, &more)))
                break;
        if (n) { /* what came before a fault is answered */
            char fault[1024];
            const qn_status before = st;

            snprintf(fault, sizeof(fault), "%s", st ? qn_last_error() : "");
            if (!(st = translates(s->m) ? translate_batch(s, job, n) : predict_batch(s, job, n)) && before)
                st = qn_error_set(before, fault);
        }
    }
    if (s->skipped)
        fprintf(stderr, "quern predict: %lld skipped\n", (long long)s->skipped);
    return st;
}

static qn_status predict(struct state *s, struct job *job)
{
    qn_shape shape;
    qn_status st;

    if ((st = open_device(&s->ctx, &s->dev, job->device)) || (st = qn_model_load(&s->m, s->dev, job->file)) ||
        (st = qn_model_output_shape(s->m, 0, &shape, NULL)))
        return st;
    s->answer = (struct answer){ .width = 1, .top = job->top, .meaning = qn_model_prep(s->m, QN_FIELD_TARGET, 0) };
    for (int i = 1; i < shape.rank; i++)
        s->answer.width *= shape.dim[i];
    if (translates(s->m) && !job->paths)
        return qn_error_set(QN_E_UNSUPPORTED, "the model writes sentences: give it some, as INPUT");
    if (s->answer.width < 1)
        return qn_error_set(QN_E_UNSUPPORTED, "the model's output has no fixed size");
    signals_begin(s->m);
    st = job->paths ? predict_inputs(s, job) : predict_data(s, job);
    signals_end();
    return st;
}

static int run(int argc, char **argv)
{
    struct job job = { .batch = 64, .top = 1, .beam = 1 };
    const char *target = "class";
    const struct option options[] = {
        { "data", OPTION_TEXT, &job.data.name, "DATA", "the samples, as quern train --help lists data: the test part" },
        { "data-dir", OPTION_TEXT, &job.data.dir, "DIR", "where the sets that are known by name lie; else $QUERN_DATA" },
        { "input", OPTION_TEXT, &job.input, "FILE", "instead: idx images, or a .csv of features alone" },
        { "top", OPTION_INT, &job.top, "K", "classes shown for each sample" },
        { "beam", OPTION_INT, &job.beam, "N", "translations followed at once; 1: greedy" },
        { "count", OPTION_INT, &job.count, "N", "only the first N samples; 0: all" },
        { "batch", OPTION_INT, &job.batch, "N", "samples at a time" },
        { "device", OPTION_TEXT, &job.device, "S", "see quern devices" },
        { "label", OPTION_TEXT, &job.data.label, "COLUMN",
          "csv: the label's, by number from 1 or name; else the last" },
        { "target", OPTION_TEXT, &target, "KIND", "csv: the label is a class or a number" },
        { "encoding", OPTION_TEXT, &job.data.encoding, "NAME", "of texts, such as ISO-8859-1; else UTF-8" },
        { "hold-out", OPTION_TEXT, &job.data.hold_out, "PART", "sounds: only the files whose names have _PART_" },
        { "skip-bad", OPTION_FLAG, &job.data.skip_bad, NULL, "go on after what cannot be read, and count it" },
        { "json", OPTION_FLAG, &job.json, NULL, "one object a line" },
    };
    const struct usage usage = {
        "predict", "FILE INPUT... | --data DATA | --input FILE [options]",
        "What a model that quern train saved makes of things as they come, prepared as its training did, or of\n"
        "each sample: the likeliest classes with their probabilities, or a number; and the label where the data\n"
        "have one. INPUT is a file: a picture, a recording, texts or a table's rows, one a line; - is standard\n"
        "input.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no device, 130 and 143 ended by a signal.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    struct state s = { 0 };
    qn_status st;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc < 2)
        return usage_error(&usage, "the model's file is missing");
    if ((job.data.name != NULL) + (job.input != NULL) + (argc > 2) != 1)
        return usage_error(&usage, "one of INPUT, --data and --input is needed");
    if (job.batch < 1 || job.batch > 1 << 20 || job.top < 1 || job.count < 0 || job.beam < 1 || job.beam > 1024 ||
        (strcmp(target, "class") && strcmp(target, "number")))
        return usage_error(&usage, "an option is out of range");
    job.file = argv[1];
    job.path = (const char *const *)argv + 2;
    job.paths = argc - 2;
    job.data.number = !strcmp(target, "number");
    st = predict(&s, &job);
    code = signals_exit("predict", st);
    inputs_close(&s.inputs);
    if (s.ctx) {
        free_names(&s, &job);
        qn_context_free(s.ctx, s.name);
        qn_context_free(s.ctx, s.batch);
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
