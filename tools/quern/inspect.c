/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern inspect: what is in a model's file. */
#include <string.h>

#include "model/model.h"
#include "models.h"

#define WORDS 4096 /* of a preparation */

static int64_t parameters(const qn_model *m, const struct qni_layer *l)
{
    int64_t n = 0;

    for (int i = l->first_variable; i < l->first_variable + l->variables; i++)
        n += qni_elements(&m->g->variable[i].shape);
    return n;
}

/* ---- in words ---- */

static void show_preparation(const qn_model *m)
{
    char words[WORDS];

    for (int i = 0; i < qn_model_inputs(m); i++)
        if (qn_model_prep(m, QN_FIELD_INPUT, i))
            printf("Input %d: %s\n", i, qn_prep_describe(qn_model_prep(m, QN_FIELD_INPUT, i), words, sizeof(words)));
    for (int i = 0; i < qn_model_outputs(m); i++)
        if (qn_model_prep(m, QN_FIELD_TARGET, i))
            printf("Output %d: %s\n", i, qn_prep_describe(qn_model_prep(m, QN_FIELD_TARGET, i), words, sizeof(words)));
}

static void show_history(const qn_model *m)
{
    for (int64_t i = 0; i < qn_model_records(m); i++) {
        const qn_record *r = qn_model_record(m, i);

        printf("Epoch %lld: ", (long long)r->epoch);
        for (int k = 0; k < r->logs.n; k++)
            printf(" %s %.4f", r->logs.name[k], r->logs.value[k]);
        printf("\n");
    }
}

static qn_status show(qn_model *m)
{
    static const char *const notes[][2] = { { "task", "Model" }, { "trained on", "Trained on" }, { "data", "Data" } };
    qn_status st;

    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
        if (qn_model_note(m, notes[i][0]))
            printf("%s: %s\n", notes[i][1], qn_model_note(m, notes[i][0]));
    if ((st = qn_model_summary(m, stdout)))
        return st;
    printf("\n");
    show_preparation(m);
    printf("Trained for %lld epochs, %llu steps; the rate is %g\n", (long long)qn_model_epochs(m), (unsigned long long)m->step,
           (double)qn_model_lr(m));
    show_history(m);
    return QN_OK;
}

/* ---- as JSON ---- */

static void put_shape(struct json *j, const qn_shape *s)
{
    json_array(j, "shape");
    for (int i = 1; i < s->rank; i++)
        json_int(j, NULL, s->dim[i]);
    json_array_end(j);
}

static void put_layers(struct json *j, const qn_model *m)
{
    json_array(j, "layers");
    for (size_t i = 0; i < m->layers; i++) {
        const struct qni_layer *l = &m->layer[i];
        const qn_shape shape = qni_value_shape(m->g, l->out);

        json_object(j, NULL);
        json_text(j, "name", l->name);
        json_text(j, "type", l->type->title);
        put_shape(j, &shape);
        json_int(j, "parameters", parameters(m, l));
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_preparation(struct json *j, const qn_model *m, qn_field_role role, const char *key, int n)
{
    char words[WORDS];

    json_array(j, key);
    for (int i = 0; i < n; i++) {
        const qn_prep *p = qn_model_prep(m, role, i);

        json_text(j, NULL, p ? qn_prep_describe(p, words, sizeof(words)) : NULL);
    }
    json_array_end(j);
}

static void put_history(struct json *j, const qn_model *m)
{
    json_array(j, "history");
    for (int64_t i = 0; i < qn_model_records(m); i++) {
        const qn_record *r = qn_model_record(m, i);

        json_object(j, NULL);
        json_int(j, "epoch", r->epoch);
        json_real(j, "lr", (double)r->lr);
        for (int k = 0; k < r->logs.n; k++)
            json_real(j, r->logs.name[k], r->logs.value[k]);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put(const qn_model *m)
{
    struct json j = { .out = stdout };

    json_object(&j, NULL);
    json_text(&j, "task", qn_model_note(m, "task"));
    json_text(&j, "trained_on", qn_model_note(m, "trained on"));
    json_text(&j, "data", qn_model_note(m, "data"));
    put_layers(&j, m);
    put_preparation(&j, m, QN_FIELD_INPUT, "inputs", qn_model_inputs(m));
    put_preparation(&j, m, QN_FIELD_TARGET, "outputs", qn_model_outputs(m));
    json_int(&j, "epochs", qn_model_epochs(m));
    json_uint(&j, "steps", m->step);
    json_real(&j, "lr", (double)qn_model_lr(m));
    put_history(&j, m);
    json_object_end(&j);
}

static int run(int argc, char **argv)
{
    const char *device = NULL;
    bool json = false;
    const struct option options[] = {
        { "device", OPTION_TEXT, &device, "S", "see quern devices" },
        { "json", OPTION_FLAG, &json, NULL, "one object" },
    };
    const struct usage usage = {
        "inspect", "FILE [options]",
        "What is in a model that quern train saved: layers with shapes and parameters, how its inputs are\n"
        "prepared, what its outputs mean, what each epoch came to, and the device that trained it.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no device.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_status st;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc != 2)
        return usage_error(&usage, argc < 2 ? "the model's file is missing" : "unexpected argument %s", argv[argc - 1]);
    if (!(st = open_device(&ctx, &dev, device)) && !(st = qn_model_load(&m, dev, argv[1]))) {
        if (json)
            put(m);
        else
            st = show(m);
    }
    code = st ? report("inspect", st) : EXIT_DONE;
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    return code;
}

const struct command command_inspect = { "inspect", run, "what is in a saved model" };
