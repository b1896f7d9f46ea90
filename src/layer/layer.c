/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "model/model.h"
#include "ops/eltwise/eltwise.h"

static const char *const act_names[] = {
    [QN_LINEAR] = "linear", [QN_RELU] = "relu", [QN_LEAKY_RELU] = "leaky_relu", [QN_RELU6] = "relu6", [QN_ELU] = "elu",
    [QN_SELU] = "selu", [QN_GELU] = "gelu", [QN_GELU_TANH] = "gelu_tanh", [QN_SIGMOID] = "sigmoid",
    [QN_HARD_SIGMOID] = "hard_sigmoid", [QN_TANH] = "tanh", [QN_SOFTPLUS] = "softplus", [QN_SOFTSIGN] = "softsign",
    [QN_SWISH] = "swish", [QN_HARD_SWISH] = "hard_swish", [QN_MISH] = "mish", [QN_EXPONENTIAL] = "exponential",
    [QN_SOFTMAX] = "softmax", [QN_LOG_SOFTMAX] = "log_softmax", [QN_IDENTITY] = "identity",
};

static const char *const init_names[] = {
    [QN_INIT_DEFAULT] = "default", [QN_INIT_ZEROS] = "zeros", [QN_INIT_ONES] = "ones", [QN_INIT_CONSTANT] = "constant",
    [QN_INIT_UNIFORM] = "random_uniform", [QN_INIT_NORMAL] = "random_normal",
    [QN_INIT_TRUNCATED_NORMAL] = "truncated_normal", [QN_INIT_GLOROT_UNIFORM] = "glorot_uniform",
    [QN_INIT_GLOROT_NORMAL] = "glorot_normal", [QN_INIT_HE_UNIFORM] = "he_uniform", [QN_INIT_HE_NORMAL] = "he_normal",
    [QN_INIT_LECUN_UNIFORM] = "lecun_uniform", [QN_INIT_LECUN_NORMAL] = "lecun_normal",
    [QN_INIT_ORTHOGONAL] = "orthogonal", [QN_INIT_IDENTITY] = "identity",
};

static const char *const padding_names[] = { [QN_VALID] = "valid", [QN_SAME] = "same", [QN_EXPLICIT] = "explicit",
                                             [QN_CAUSAL] = "causal" };
static const char *const interpolation_names[] = { [QN_NEAREST] = "nearest", [QN_BILINEAR] = "bilinear" };

static int find_name(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return (int)i;
    return -1;
}

const char *qni_act_name(int act)
{
    return (unsigned)act < QNI_COUNT(act_names) ? act_names[act] : "?";
}

const char *qni_init_name(int init)
{
    return (unsigned)init < QNI_COUNT(init_names) ? init_names[init] : "?";
}

const char *qni_padding_name(int padding)
{
    return (unsigned)padding < QNI_COUNT(padding_names) ? padding_names[padding] : "?";
}

const char *qni_interpolation_name(int interpolation)
{
    return (unsigned)interpolation < QNI_COUNT(interpolation_names) ? interpolation_names[interpolation] : "?";
}

int qni_act_find(const char *name)
{
    return find_name(act_names, QNI_COUNT(act_names), name);
}

int qni_init_find(const char *name)
{
    return find_name(init_names, QNI_COUNT(init_names), name);
}

int qni_padding_find(const char *name)
{
    return find_name(padding_names, QNI_COUNT(padding_names), name);
}

int qni_interpolation_find(const char *name)
{
    return find_name(interpolation_names, QNI_COUNT(interpolation_names), name);
}

const struct qni_layer_type *qni_layer_type_find(const char *name)
{
    for (size_t i = 0; qni_layer_types[i]; i++)
        if (!strcmp(qni_layer_types[i]->name, name))
            return qni_layer_types[i];
    return NULL;
}

qn_val qni_layer_fail(qn_model *m, qn_status st)
{
    return qni_graph_fail(m->g, st);
}

static bool name_taken(const qn_model *m, const char *name)
{
    for (size_t i = 0; i < m->layers; i++)
        if (!strcmp(m->layer[i].name, name))
            return true;
    return false;
}

static qn_status choose_name(qn_model *m, struct qni_layer *l, const char *wanted)
{
    char name[96];

    if (wanted) {
        if (!*wanted || strlen(wanted) >= sizeof(name) - 16 || strchr(wanted, '/'))
            return qni_error(QN_E_ARG, "a layer's name has 1 to %zu bytes and no '/'", sizeof(name) - 17);
        if (name_taken(m, wanted))
            return qni_error(QN_E_ARG, "there are two layers %s", wanted);
        return qni_strdup(m->ctx, &l->name, wanted);
    }
    snprintf(name, sizeof(name), "%s", l->type->name);
    for (int i = 1; name_taken(m, name); i++)
        snprintf(name, sizeof(name), "%s_%d", l->type->name, i);
    return qni_strdup(m->ctx, &l->name, name);
}

/* A pointer member of an options struct, by offset; NULL where the type has none. */
static const char *text_option(const void *opt, size_t offset)
{
    const char *text = NULL;

    if (opt && offset != SIZE_MAX)
        memcpy(&text, (const char *)opt + offset, sizeof(text));
    return text;
}

static qn_status check_reserved(const struct qni_layer_type *type, const void *opt)
{
    uintptr_t reserved[4];

    if (!opt || type->reserved_offset == SIZE_MAX)
        return QN_OK;
    memcpy(reserved, (const char *)opt + type->reserved_offset, sizeof(reserved));
    for (size_t i = 0; i < QNI_COUNT(reserved); i++)
        if (reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    return QN_OK;
}

static void layer_free(qn_model *m, struct qni_layer *l)
{
    qni_free(m->ctx, &l->name);
    qni_free(m->ctx, &l->reuse);
    qni_free(m->ctx, &l->opt);
}

qn_val qni_layer_add(qn_model *m, const struct qni_layer_type *type, const void *opt, const qn_val *in, int n)
{
    struct qni_layer l = { .type = type, .inputs = n };
    const char *reuse = text_option(opt, type->reuse_offset);
    int previous;
    qn_val none = { 0 };
    qn_status st;

    if (!m)
        return none;
    if (m->g->status)
        return none;
    if (m->compiled)
        return qni_layer_fail(m, qni_error(QN_E_STATE, "%s: the model is compiled: it takes no more layers", type->name));
    if (n < 1 || n > QNI_LAYER_INPUTS || !in)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "%s: %d values, expected 1 to %d", type->name, n, QNI_LAYER_INPUTS));
    if ((st = qni_reserve(m->ctx, &m->layer, &m->layer_capacity, m->layers, sizeof(*m->layer))) ||
        (st = choose_name(m, &l, text_option(opt, type->name_offset))) ||
        (reuse && (st = qni_strdup(m->ctx, &l.reuse, reuse))) || (st = qni_calloc(m->ctx, &l.opt, 1, type->opt_bytes)) ||
        (st = qni_graph_label(m->g, l.name, &previous))) {
        layer_free(m, &l);
        return qni_layer_fail(m, st);
    }
    if (opt)
        memcpy(l.opt, opt, type->opt_bytes);
    for (int i = 0; i < n; i++) {
        l.in[i] = in[i];
        if (!qni_value_get(m->g, in[i]))
            qni_layer_fail(m, qni_error(QN_E_ARG, "value %d is not of this model", i));
    }
    if ((st = check_reserved(type, opt)))
        qni_layer_fail(m, st);
    l.first_variable = (int)m->g->variables;
    if (!m->g->status)
        l.out = type->build(m, &l, in, n);
    l.variables = (int)m->g->variables - l.first_variable;
    qni_layer_mask_follow(m, &l);
    m->g->current_label = previous;
    m->layer[m->layers++] = l;
    return m->g->status ? none : l.out;
}

qn_val qni_layer_weight(qn_model *m, struct qni_layer *l, const struct qni_weight *w)
{
    struct qni_variable v = { .dtype = QN_F32, .shape = w->shape, .init = w->init ? w->init : w->init_default,
                              .a = w->init_scale, .values = w->values, .trainable = w->trained, .l1 = w->l1, .l2 = w->l2,
                              .no_decay = w->no_decay, .lazy = w->lazy };
    char name[160];

    if (m->g->status)
        return (qn_val){ 0 };
    if ((unsigned)v.init > QN_INIT_IDENTITY)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "%s: there is no initialiser %d", w->name, v.init));
    if (v.l1 < 0 || v.l2 < 0)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "%s: a regulariser is negative", w->name));
    snprintf(name, sizeof(name), "%s/%s", l->reuse ? l->reuse : l->name, w->name);
    if (l->reuse) {
        char a[160], b[160];

        for (size_t i = 0; i < m->g->variables; i++) {
            if (strcmp(m->g->variable[i].name, name))
                continue;
            if (!qni_shape_equal(&m->g->variable[i].shape, &w->shape))
                return qni_layer_fail(m, qni_error(QN_E_SHAPE, "%s has shape %s, needed here: %s", name,
                                                   qni_shape_text(&m->g->variable[i].shape, a, sizeof(a)),
                                                   qni_shape_text(&w->shape, b, sizeof(b))));
            return (qn_val){ m->g->variable[i].value };
        }
        return qni_layer_fail(m, qni_error(QN_E_ARG, "there is no weight %s to reuse", name));
    }
    v.name = name;
    return qni_variable_add(m->g, &v);
}

bool qni_layer_rank(qn_model *m, qn_val x, int least, int most, qn_shape *shape)
{
    char text[160];

    *shape = qni_value_shape(m->g, x);
    if (m->g->status)
        return false;
    if (shape->rank >= least && shape->rank <= most)
        return true;
    qni_shape_text(shape, text, sizeof(text));
    if (least == most)
        qni_layer_fail(m, qni_error(QN_E_SHAPE, "the input has shape %s, expected %d axes with the batch", text, least));
    else
        qni_layer_fail(m, qni_error(QN_E_SHAPE, "the input has shape %s, expected %d to %d axes with the batch", text, least,
                                    most));
    return false;
}

int64_t qni_layer_axis(qn_model *m, const qn_shape *shape, int axis)
{
    char text[160];

    if (m->g->status)
        return 0;
    if (shape->dim[axis] != QN_ANY)
        return shape->dim[axis];
    qni_layer_fail(m, qni_error(QN_E_SHAPE, "axis %d of the input %s must have a fixed size", axis,
                                qni_shape_text(shape, text, sizeof(text))));
    return 0;
}
