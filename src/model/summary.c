/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>

#include "model/model.h"

static int64_t parameters(const qn_model *m, const struct qni_layer *l, bool trained)
{
    int64_t n = 0;

    for (int i = l->first_variable; i < l->first_variable + l->variables; i++)
        if (m->g->variable[i].trainable == trained)
            n += qni_elements(&m->g->variable[i].shape);
    return n;
}

/* "(None, 28, 28, 1)" as Keras writes shapes. */
static const char *shape_text(const qn_model *m, qn_val v, char *text, size_t bytes)
{
    qn_shape s = qni_value_shape(m->g, v);
    size_t n;

    qni_shape_text(&s, text, bytes);
    n = strlen(text);
    if (n > 1) {
        text[0] = '(';
        text[n - 1] = ')';
    }
    return text;
}

/* Names of the values a layer reads. */
static void show_inputs(const qn_model *m, const struct qni_layer *l, FILE *to)
{
    for (int i = 0; i < l->inputs; i++) {
        const char *name = "?";

        for (size_t k = 0; k < m->layers; k++)
            if (m->layer[k].out.id == l->in[i].id)
                name = m->layer[k].name;
        for (int k = 0; k < m->inputs; k++)
            if (m->input[k].id == l->in[i].id)
                name = m->g->input[qni_value_get(m->g, l->in[i])->input].name;
        fprintf(to, "%s%s", i ? ", " : "", name);
    }
}

qn_status qn_model_summary(qn_model *m, FILE *to)
{
    int64_t trained = 0, frozen = 0;
    char text[160];
    bool plain = true;

    if (!m || !to)
        return qni_error(QN_E_ARG, "m or to is NULL");
    if (m->g->status)
        return qni_graph_status(m->g);
    /* A chain needs no column that says what is connected. */
    for (size_t i = 1; i < m->layers; i++)
        plain = plain && m->layer[i].inputs == 1 && m->layer[i].in[0].id == m->layer[i - 1].out.id;
    fprintf(to, "%-32s %-24s %12s%s\n", "Layer (type)", "Output shape", "Parameters", plain ? "" : "  From");
    for (int i = 0; i < m->inputs; i++)
        fprintf(to, "%-32s %-24s %12d\n", m->g->input[qni_value_get(m->g, m->input[i])->input].name,
                shape_text(m, m->input[i], text, sizeof(text)), 0);
    for (size_t i = 0; i < m->layers; i++) {
        const struct qni_layer *l = &m->layer[i];
        int64_t a = parameters(m, l, true), b = parameters(m, l, false);
        char name[128];

        snprintf(name, sizeof(name), "%s (%s)", l->name, l->type->title);
        fprintf(to, "%-32s %-24s %12" PRId64, name, shape_text(m, l->out, text, sizeof(text)), a + b);
        if (!plain) {
            fprintf(to, "  ");
            show_inputs(m, l, to);
        }
        fputc('\n', to);
        trained += a;
        frozen += b;
    }
    fprintf(to, "Parameters: %" PRId64 " (%.1f KiB), trained %" PRId64 ", not trained %" PRId64 "\n", trained + frozen,
            (double)(trained + frozen) * sizeof(float) / 1024.0, trained, frozen);
    return ferror(to) ? qni_error(QN_E_IO, "the summary cannot be written: %s", strerror(errno)) : QN_OK;
}
