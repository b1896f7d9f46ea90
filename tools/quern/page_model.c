/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The page of a run: the model, and what its first layer looks for. */
#include <inttypes.h>
#include <string.h>

#include "model/model.h"
#include "page.h"

#define MOST_FILTERS 64

static int64_t parameters(const qn_model *m, const struct qni_layer *l)
{
    int64_t n = 0;

    for (int i = l->first_variable; i < l->first_variable + l->variables; i++)
        n += qni_elements(&m->g->variable[i].shape);
    return n;
}

static const char *shape_text(const qn_model *m, qn_val v, char *text, size_t bytes)
{
    const qn_shape s = qni_value_shape(m->g, v);

    return qni_shape_text(&s, text, bytes);
}

static const char *input_name(const qn_model *m, qn_val v)
{
    return m->g->input[qni_value_get(m->g, v)->input].name;
}

/* Where a value comes from. */
static const char *source_name(const qn_model *m, qn_val v)
{
    for (int i = 0; i < m->inputs; i++)
        if (m->input[i].id == v.id)
            return input_name(m, v);
    for (size_t i = 0; i < m->layers; i++)
        if (m->layer[i].out.id == v.id)
            return m->layer[i].name;
    return "?";
}

static void show_box(struct qni_text *t, const char *name, const char *type, const char *shape, int64_t n)
{
    qni_text_add(t, "<div class=\"layer\">");
    html_element(t, "b", "%s", name);
    html_element(t, "span", "%s", type);
    html_element(t, "span class=\"shape\"", "%s", shape);
    if (n)
        html_element(t, "span", "%" PRId64 " parameters", n);
    qni_text_add(t, "</div>\n");
}

/* An arrow from what stands above, or the names of where the values come from. */
static void show_arrow(struct qni_text *t, const qn_model *m, const struct qni_layer *l, qn_val above)
{
    qni_text_add(t, "<div class=\"arrow\">&#8595; ");
    for (int i = 0; i < l->inputs && (l->inputs > 1 || l->in[i].id != above.id); i++) {
        html_text(t, i ? ", " : "from ");
        html_text(t, source_name(m, l->in[i]));
    }
    qni_text_add(t, "</div>\n");
}

void page_layers(struct qni_text *t, const qn_model *m)
{
    char shape[160];
    int64_t n = 0;
    qn_val above = { 0 };

    qni_text_add(t, "<h2>Model</h2>\n<div class=\"model\">\n");
    for (int i = 0; i < m->inputs; i++) {
        above = m->input[i];
        show_box(t, input_name(m, above), "Input", shape_text(m, above, shape, sizeof(shape)), 0);
    }
    for (size_t i = 0; i < m->layers; i++) {
        const struct qni_layer *l = &m->layer[i];

        show_arrow(t, m, l, above);
        show_box(t, l->name, l->type->title, shape_text(m, l->out, shape, sizeof(shape)), parameters(m, l));
        n += l->reuse ? 0 : parameters(m, l);
        above = l->out;
    }
    qni_text_add(t, "</div>\n");
    html_element(t, "p", "%" PRId64 " parameters in all.", n);
}

/* ---- filters ---- */

/* The kernel of the first layer that has weights: [R,S,C,K], or [R,C,K] of a convolution along one axis. */
static int find_kernel(const qn_model *m, qn_shape *s)
{
    for (size_t i = 0; i < m->layers; i++) {
        const struct qni_layer *l = &m->layer[i];

        if (!l->variables)
            continue;
        *s = m->g->variable[l->first_variable].shape;
        return (!strcmp(l->type->title, "Conv2D") && s->rank == 4) || (!strcmp(l->type->title, "Conv1D") && s->rank == 3)
                   ? l->first_variable : -1;
    }
    return -1;
}

/* How one filter lies in the kernel: the planes of a colour picture, else one beside the other. */
static struct html_picture picture_of(const qn_shape *s)
{
    const int64_t filters = s->dim[s->rank - 1], channels = s->dim[s->rank - 2];

    if (s->rank == 3)
        return (struct html_picture){ .height = channels, .width = s->dim[0], .channels = 1, .step_y = filters,
                                      .step_x = channels * filters };
    return (struct html_picture){ .height = s->dim[0], .width = s->dim[1], .channels = channels == 3 ? 3 : 1,
                                  .step_y = s->dim[1] * channels * filters, .step_x = channels * filters,
                                  .step_channel = filters };
}

qn_status page_filters(struct qni_text *t, qn_model *m)
{
    qn_shape s;
    struct html_picture p;
    const int weight = find_kernel(m, &s);
    const size_t bytes = weight < 0 ? 0 : (size_t)qni_elements(&s) * sizeof(float);
    float *value = NULL;
    qn_status st;

    if (weight < 0)
        return QN_OK;
    if ((st = qni_calloc(m->ctx, &value, bytes, 1)) || (st = qn_model_weight_read(m, weight, value, bytes)))
        goto done;
    p = picture_of(&s);
    html_element(t, "h2", "Filters of the first layer");
    if (s.rank == 4 && s.dim[2] > 1 && s.dim[2] != 3)
        html_element(t, "p", "Of %lld channels the first one.", (long long)s.dim[2]);
    qni_text_add(t, "<div class=\"filters\">\n");
    for (int64_t k = 0; k < QNI_MIN(s.dim[s.rank - 1], MOST_FILTERS); k++) {
        char about[32];

        snprintf(about, sizeof(about), "filter %lld", (long long)k);
        html_picture(t, &p, value + k, about);
    }
    qni_text_add(t, "</div>\n");
done:
    qni_free(m->ctx, &value);
    return st;
}
