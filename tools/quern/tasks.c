/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The models that quern train knows by name, and what they have in common. */
#include <string.h>

#include "models.h"

static const struct task *const tasks[] = {
    &task_linear, &task_mlp, &task_cnn, &task_cnn_dense128, &task_cnn_small, &task_convstack,
    &task_resnet20, &task_image, &task_image_resnet, &task_gpt, &task_lstm_char,
    &task_recsys, &task_recsys_attention, &task_text, &task_text_cnn, &task_text_transformer, &task_speech, &task_speech_cnn,
    &task_translate,
};

#define TASKS (sizeof(tasks) / sizeof(tasks[0]))

const struct task *tasks_find(const char *name)
{
    for (size_t i = 0; name && i < TASKS; i++)
        if (!strcmp(tasks[i]->name, name))
            return tasks[i];
    return NULL;
}

const char *tasks_names(char *text, size_t bytes)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < TASKS && n < bytes; i++)
        n += (size_t)snprintf(text + n, bytes - n, "%s%s", i ? ", " : "", tasks[i]->name);
    return text;
}

const char *tasks_name(size_t i, const char **about)
{
    if (i >= TASKS)
        return NULL;
    *about = tasks[i]->about;
    return tasks[i]->name;
}

static qn_status add_notes(qn_model *m, const struct task *t, const struct dataset *d)
{
    qn_status st;

    if ((st = qn_model_set_note(m, "task", t->name)) ||
        (d->vocabulary && (st = qn_model_set_note(m, "vocabulary", d->vocabulary))) ||
        (d->report && (st = qn_model_set_note(m, "data", d->report))) ||
        (d->input && (st = qn_model_set_prep(m, QN_FIELD_INPUT, 0, d->input))) ||
        (d->second && (st = qn_model_set_prep(m, QN_FIELD_INPUT, 1, d->second))))
        return st;
    return d->target ? qn_model_set_prep(m, QN_FIELD_TARGET, 0, d->target) : QN_OK;
}

qn_status task_build(qn_model **out, qn_device *dev, const struct task *t, const struct dataset *d)
{
    qn_status st;

    if ((st = qn_model_create(out, dev)))
        return st;
    if ((st = t->build(*out, t, d)) || (st = add_notes(*out, t, d)))
        qn_model_destroy(out);
    return st;
}

qn_status task_compile(qn_model *m, const struct task *t, const struct dataset *d, const struct training *how)
{
    const float lr = how->lr != 0.0f ? how->lr : t ? (float)t->lr : 0.0f;
    qn_compile_opt o = { .optimizer = qn_adam(lr), .loss = d->classes ? QN_SPARSE_CATEGORICAL_CROSSENTROPY : QN_MSE,
                         .metrics = { d->classes ? QN_ACCURACY : QN_METRIC_MAE }, .seed = how->seed };

    if (t && t->compile)
        t->compile(&o, t, how);
    return qn_model_compile(m, &o);
}

qn_status task_evaluate(qn_model *m, const struct task *t, const struct dataset *d, int batch, qn_logs *out)
{
    qn_status st = qn_model_evaluate(m, d->test, batch, out);

    return st || !t || !t->judge ? st : t->judge(m, t, d, out);
}

qn_status models_build(qn_model **out, qn_device *dev, const char *name, const qn_shape *sample, int64_t classes)
{
    const struct task *t = tasks_find(name);
    char text[512], names[256];

    *out = NULL;
    if (t)
        return task_build(out, dev, t, &(struct dataset){ .sample = *sample, .classes = classes });
    snprintf(text, sizeof(text), "there is no model %.32s: choose one of %s", name, tasks_names(names, sizeof(names)));
    return qn_error_set(QN_E_ARG, text);
}

qn_status models_compile(qn_model *m, const char *name, int64_t classes, float lr, int64_t steps, uint64_t seed)
{
    return task_compile(m, tasks_find(name), &(struct dataset){ .classes = classes },
                        &(struct training){ .lr = lr, .steps = steps, .seed = seed });
}
