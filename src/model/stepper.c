/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A model once more, for one step of a sequence after the other: the same layers on the same weights, which keep what later
 * steps need of earlier ones. */
#include "layer/types.h"

/* ---- which layers can ---- */

static bool always(const struct qni_layer *l)
{
    (void)l;
    return true;
}

static bool last_axis(const struct qni_layer *l)
{
    return ((const qn_layernorm_opt *)l->opt)->axes <= 1;
}

static bool forward_only(const struct qni_layer *l)
{
    const qn_rnn_opt *o = l->opt;

    return l->inputs == 1 && o->return_sequences && !o->go_backwards;
}

static bool causal_self(const struct qni_layer *l)
{
    return ((const qn_attention_opt *)l->opt)->causal && l->inputs == 3 && l->in[0].id == l->in[1].id &&
           l->in[0].id == l->in[2].id;
}

/* Layers whose result at a step depends on that step and on what they keep, given values [N,T,..] without a mask. */
static const struct able {
    const struct qni_layer_type *type;
    bool (*may)(const struct qni_layer *l);
    bool places; /* it counts them */
} ables[] = {
    { &qni_layer_activation, always, false },     { &qni_layer_add_type, always, false },
    { &qni_layer_subtract, always, false },       { &qni_layer_multiply, always, false },
    { &qni_layer_average, always, false },        { &qni_layer_maximum, always, false },
    { &qni_layer_minimum, always, false },        { &qni_layer_dense, always, false },
    { &qni_layer_dropout, always, false },        { &qni_layer_gaussian_noise, always, false },
    { &qni_layer_gaussian_dropout, always, false }, { &qni_layer_spatial_dropout1d, always, false },
    { &qni_layer_rescaling, always, false },      { &qni_layer_embedding, always, false },
    { &qni_layer_embedding_logits, always, false }, { &qni_layer_layernorm, last_axis, false },
    { &qni_layer_rmsnorm, last_axis, false },     { &qni_layer_position, always, true },
    { &qni_layer_attention, causal_self, true },  { &qni_layer_group_attention, causal_self, true },
    { &qni_layer_lstm, forward_only, false },     { &qni_layer_gru, forward_only, false },
    { &qni_layer_simple_rnn, forward_only, false },
};

static const struct able *able(const struct qni_layer *l)
{
    for (size_t i = 0; i < QNI_COUNT(ables); i++)
        if (ables[i].type == l->type)
            return ables[i].may(l) ? &ables[i] : NULL;
    return NULL;
}

static bool can_step(const qn_model *m, bool *limited)
{
    if (m->foreign || m->masks || m->inputs != 1 || m->outputs != 1)
        return false;
    for (size_t i = 0; i < m->layers; i++) {
        const struct able *a = able(&m->layer[i]);

        if (!a)
            return false;
        *limited |= a->places;
    }
    return true;
}

/* ---- the model ---- */

/* What in the new model a value of the old one is: the input or a layer's result. */
static qn_val counterpart(const qn_model *old, const qn_model *m, qn_val v)
{
    if (v.id == old->input[0].id)
        return m->input[0];
    for (size_t i = 0; i < m->layers; i++)
        if (old->layer[i].out.id == v.id)
            return m->layer[i].out;
    return (qn_val){ 0 };
}

static qn_status copy_layer(const qn_model *old, qn_model *m, const struct qni_layer *l)
{
    const struct qni_layer_type *type = l->type;
    qn_val in[QNI_LAYER_INPUTS];
    char *opt = NULL;
    qn_status st;

    if ((st = qni_calloc(m->ctx, &opt, 1, type->opt_bytes)))
        return st;
    memcpy(opt, l->opt, type->opt_bytes);
    if (type->name_offset != SIZE_MAX)
        memcpy(opt + type->name_offset, &l->name, sizeof(l->name));
    if (type->reuse_offset != SIZE_MAX)
        memcpy(opt + type->reuse_offset, &l->reuse, sizeof(l->reuse));
    if (type == &qni_layer_lstm || type == &qni_layer_gru || type == &qni_layer_simple_rnn)
        ((qn_rnn_opt *)(void *)opt)->stateful = 1;
    for (int i = 0; i < l->inputs; i++)
        in[i] = counterpart(old, m, l->in[i]);
    qni_layer_add(m, type, opt, in, l->inputs);
    qni_free(m->ctx, &opt);
    return qni_graph_status(m->g);
}

static qn_status build(struct qni_stepper *s, qn_model *old)
{
    const qn_shape steps = { .rank = 2, .dim = { 1, QN_ANY } };
    qn_model *m = s->m;
    qn_status st;

    m->most_places = qni_value_shape(old->g, old->input[0]).dim[1];
    m->input[m->inputs++] = qni_input_add(m->g, "input", QN_I32, &steps);
    m->places = qni_input_add(m->g, "places", QN_I32, &steps);
    st = qni_graph_status(m->g);
    for (size_t i = 0; i < old->layers && !st; i++)
        st = copy_layer(old, m, &old->layer[i]);
    if (st)
        return st;
    m->output[m->outputs++] = counterpart(old, m, old->output[0]);
    m->carry_first = m->g->nodes;
    qni_layer_carry_nodes(m);
    m->carry_last = m->g->nodes;
    s->carries = m->carries > 0;
    if ((st = qni_graph_status(m->g)) || (st = qni_state_share(&m->state, old->state, m->g)) ||
        (st = qni_calloc(m->ctx, &s->place, (size_t)m->most_places, sizeof(*s->place))) ||
        (st = qni_calloc(m->ctx, &s->number, (size_t)m->most_places, sizeof(*s->number))))
        return st;
    for (int64_t i = 0; i < m->most_places; i++)
        s->place[i] = (int32_t)i;
    m->compiled = true;
    return QN_OK;
}

qn_status qni_stepper_get(struct qni_stepper **out, qn_model *m)
{
    bool limited = false;
    qn_status st;

    *out = m->stepper;
    if (m->stepper || m->stepless)
        return QN_OK;
    if (!can_step(m, &limited)) {
        m->stepless = true;
        return QN_OK;
    }
    if ((st = qni_calloc(m->ctx, &m->stepper, 1, sizeof(*m->stepper))))
        return st;
    m->stepper->limited = limited;
    if ((st = qn_model_create(&m->stepper->m, m->dev)) || (st = build(m->stepper, m))) {
        qni_stepper_free(m);
        return st;
    }
    *out = m->stepper;
    return QN_OK;
}

void qni_stepper_free(qn_model *m)
{
    struct qni_stepper *s = m->stepper;

    if (!s)
        return;
    if (s->whole)
        qni_plan_destroy(&s->whole);
    if (s->one)
        qni_plan_destroy(&s->one);
    qni_free(m->ctx, &s->place);
    qni_free(m->ctx, &s->number);
    qn_model_destroy(&s->m);
    qni_free(m->ctx, &m->stepper);
}

/* ---- steps ---- */

qn_status qni_stepper_reset(struct qni_stepper *s)
{
    return qn_model_reset_states(s->m);
}

static qn_status plan_of(struct qni_stepper *s, int64_t steps, struct qni_plan **plan)
{
    const qn_shape shape = { .rank = 2, .dim = { 1, steps } };
    const qn_shape shapes[2] = { shape, shape };
    const struct qni_plan_request rq = {
        .state = s->m->state, .graph = s->m->g, .choices = &s->m->choices, .input_shape = shapes, .output = s->m->output,
        .outputs = 1, .update_first = s->m->carry_first, .update_last = s->m->carry_last,
    };

    return *plan ? QN_OK : qni_plan_create(plan, &rq);
}

qn_status qni_stepper_see(struct qni_stepper *s, const qn_model *of, const int32_t *number, int64_t first, int64_t n,
                          float *prediction)
{
    const int64_t steps = n > 1 ? s->m->most_places : 1;
    struct qni_plan **plan = n > 1 ? &s->whole : &s->one, *p;
    int slot = 0;
    qn_status st;

    if ((st = plan_of(s, steps, plan)) || (st = qni_plan_begin(*plan, &slot)))
        return st;
    p = *plan;
    memset(s->number, 0, (size_t)steps * sizeof(*s->number));
    memcpy(s->number, number, (size_t)n * sizeof(*s->number));
    for (size_t i = 0; i < p->inputs && !st; i++)
        st = qni_plan_feed(p, slot, i, p->input[i].input ? s->place + (s->limited ? first : 0) : s->number,
                           (size_t)steps * sizeof(int32_t));
    if (st)
        return st;
    memset(p->words[slot], 0, sizeof(p->words[slot]));
    p->words[slot][QNI_STEP_ROWS] = 1;
    s->m->state->version = of->state->version; /* weights packed before they changed are packed again */
    if (!(st = qni_plan_submit(p, slot)))
        st = qni_plan_read(p, 0, prediction, p->output[0].bytes, true, NULL);
    return st;
}
