/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * States of recurrent layers: those that callers ask for, and those kept from batch to batch. */
#include "model/model.h"
#include "ops/rnn/rnn.h"

void qni_layer_states_set(qn_model *m, qn_val y, const qn_val *state, int n)
{
    struct qni_stated *s;
    qn_status st;

    if (m->g->status)
        return;
    if ((st = qni_reserve(m->ctx, &m->stated, &m->stated_capacity, m->stateds, sizeof(*m->stated)))) {
        qni_layer_fail(m, st);
        return;
    }
    s = &m->stated[m->stateds++];
    *s = (struct qni_stated){ .value = y.id };
    for (int i = 0; i < n && i < (int)QNI_COUNT(s->state); i++)
        s->state[i] = state[i].id;
}

qn_val qni_layer_state_of(const qn_model *m, qn_val y, int which)
{
    for (size_t i = 0; i < m->stateds && which >= 0 && which < (int)QNI_COUNT(m->stated->state); i++)
        if (m->stated[i].value == y.id)
            return (qn_val){ m->stated[i].state[which] };
    return (qn_val){ 0 };
}

qn_val qni_layer_state(qn_model *m, const struct qni_layer *l, const char *name, qn_shape shape)
{
    struct qni_variable v = { .dtype = QN_F32, .shape = shape, .init = QN_INIT_ZEROS };
    char text[160];

    snprintf(text, sizeof(text), "%s/%s%s", l->name, m->places.id ? "step_" : "", name); /* steps keep their own */
    v.name = text;
    return qni_variable_add(m->g, &v);
}

qn_val qni_layer_place(qn_model *m)
{
    const int64_t zero[2] = { 0 }, one[2] = { 1, 1 };

    if (!m->places.id)
        return (qn_val){ 0 };
    return qn_graph_reshape(m->g, qn_graph_slice(m->g, m->places, 2, zero, one, NULL), 1, one);
}

void qni_layer_carry(qn_model *m, qn_val variable, qn_val value)
{
    qn_status st;

    if (m->g->status)
        return;
    if ((st = qni_reserve(m->ctx, &m->carried, &m->carried_capacity, m->carries, sizeof(*m->carried)))) {
        qni_layer_fail(m, st);
        return;
    }
    m->carried[m->carries++] = (struct qni_carried){ variable.id, value.id };
}

void qni_layer_carry_nodes(qn_model *m)
{
    for (size_t i = 0; i < m->carries; i++)
        qni_node_add(m->g, &qni_op_state_store, NULL,
                     (const qn_val[]){ { m->carried[i].variable }, { m->carried[i].value } }, 2, NULL);
}

qn_status qn_model_reset_states(qn_model *m)
{
    const cl_uint zero = 0;
    cl_int err = CL_SUCCESS;

    if (!m)
        return qni_error(QN_E_ARG, "m is NULL");
    if (!m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled");
    for (size_t i = 0; i < m->carries && !err; i++) {
        const struct qni_value *v = qni_value_get(m->g, (qn_val){ m->carried[i].variable });
        const struct qni_place *at = &m->state->place[v->variable];

        err = m->dev->cl->EnqueueFillBuffer(m->dev->queue, at->storage->mem, &zero, sizeof(zero),
                                            at->storage->offset + at->offset,
                                            (size_t)qni_elements(&v->shape) * sizeof(float), 0, NULL, NULL);
    }
    return err ? qni_device_error(m->dev, err, "setting states to zero") : QN_OK;
}
