/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A model's life, its inputs and outputs, and its weights one by one. */
#include <math.h>
#include <time.h>

#include "model/model.h"

double qni_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

qn_status qn_model_create(qn_model **out, qn_device *dev)
{
    qn_model *m = NULL;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !dev)
        return qni_error(QN_E_ARG, "out or dev is NULL");
    if ((st = qni_calloc(dev->ctx, &m, 1, sizeof(*m))))
        return st;
    m->dev = qni_device_retain(dev);
    m->ctx = dev->ctx;
    m->choices.ctx = m->ctx;
    atomic_init(&m->cancel, false);
    if ((st = qni_graph_create(&m->g, m->ctx, false)))
        qn_model_destroy(&m);
    *out = m;
    return st;
}

void qn_model_destroy(qn_model **model)
{
    qn_model *m = model ? *model : NULL;
    qn_device *dev;

    if (!m)
        return;
    *model = NULL;
    dev = m->dev;
    qni_stepper_free(m);
    qni_model_plans_free(m);
    qni_state_release(&m->state);
    for (size_t i = 0; i < m->layers; i++) {
        qni_free(m->ctx, &m->layer[i].name);
        qni_free(m->ctx, &m->layer[i].reuse);
        qni_free(m->ctx, &m->layer[i].opt);
    }
    qni_free(m->ctx, &m->layer);
    qni_free(m->ctx, &m->masked);
    qni_free(m->ctx, &m->kept.bytes);
    qni_choices_free(&m->choices);
    qni_notes_free(m);
    qni_history_free(m);
    qni_preps_free(m);
    qni_free(m->ctx, &m->stated);
    qni_free(m->ctx, &m->carried);
    if (m->g)
        qni_graph_destroy(&m->g);
    qni_free(dev->ctx, &m);
    qni_device_release(&dev);
}

qn_val qn_input(qn_model *m, qn_dtype dtype, int rank, const int64_t *dim)
{
    qn_shape shape = { .rank = rank + 1, .dim = { QN_ANY } };
    char name[32];
    qn_val v = { 0 };

    if (!m || m->g->status)
        return v;
    if (m->compiled)
        return qni_layer_fail(m, qni_error(QN_E_STATE, "the model is compiled: it takes no more inputs"));
    if (rank < 0 || rank >= QN_MAX_RANK || (rank && !dim))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "an input has 0 to %d axes beside the batch, found %d", QN_MAX_RANK - 1,
                                           rank));
    if (m->inputs == QNI_MAX_MODEL_IO)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "a model has at most %d inputs", QNI_MAX_MODEL_IO));
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 1 && dim[i] != QN_ANY)
            return qni_layer_fail(m, qni_error(QN_E_SHAPE, "axis %d of an input has size %lld, expected 1 or more", i,
                                               (long long)dim[i]));
        shape.dim[i + 1] = dim[i];
    }
    snprintf(name, sizeof(name), m->inputs ? "input_%d" : "input", m->inputs);
    v = qni_input_add(m->g, name, dtype, &shape);
    if (v.id)
        m->input[m->inputs++] = v;
    return v;
}

void qn_model_output(qn_model *m, qn_val v)
{
    if (!m || m->g->status)
        return;
    if (m->compiled)
        qni_layer_fail(m, qni_error(QN_E_STATE, "the model is compiled: it takes no more outputs"));
    else if (m->outputs == QN_MAX_OUTPUTS)
        qni_layer_fail(m, qni_error(QN_E_ARG, "a model has at most %d outputs", QN_MAX_OUTPUTS));
    else if (!qni_value_get(m->g, v))
        qni_layer_fail(m, qni_error(QN_E_ARG, "output %d is not a value of this model", m->outputs));
    else
        m->output[m->outputs++] = v;
}

qn_graph *qn_model_graph(qn_model *m)
{
    if (!m)
        return NULL;
    m->foreign = true;
    return m->g;
}

int qn_model_inputs(const qn_model *m)
{
    return m ? m->inputs : 0;
}

int qn_model_outputs(const qn_model *m)
{
    return m ? m->outputs : 0;
}

static qn_status io_shape(const qn_model *m, const qn_val *v, int n, int i, const char *what, qn_shape *shape, qn_dtype *dtype)
{
    if (!m || i < 0 || i >= n)
        return qni_error(QN_E_ARG, "the model has no %s %d", what, i);
    if (shape)
        *shape = qni_value_shape(m->g, v[i]);
    if (dtype)
        *dtype = qni_value_get(m->g, v[i])->dtype;
    return QN_OK;
}

qn_status qn_model_input_shape(const qn_model *m, int input, qn_shape *shape, qn_dtype *dtype)
{
    return io_shape(m, m ? m->input : NULL, m ? m->inputs : 0, input, "input", shape, dtype);
}

qn_status qn_model_output_shape(const qn_model *m, int output, qn_shape *shape, qn_dtype *dtype)
{
    return io_shape(m, m ? m->output : NULL, m ? m->outputs : 0, output, "output", shape, dtype);
}

/* Weights are the variables the layers made; meters come after them. */
int qn_model_weights(const qn_model *m)
{
    return !m ? 0 : m->meters ? m->meter[0].variable : (int)m->g->variables;
}

static qn_status find_weight(const qn_model *m, int weight, const struct qni_variable **out)
{
    if (!m || weight < 0 || weight >= qn_model_weights(m))
        return qni_error(QN_E_ARG, "the model has no weight %d", weight);
    *out = &m->g->variable[weight];
    return QN_OK;
}

qn_status qn_model_weight_info(const qn_model *m, int weight, const char **name, qn_shape *shape, bool *trained)
{
    const struct qni_variable *v = NULL;
    qn_status st = find_weight(m, weight, &v);

    if (st)
        return st;
    if (name)
        *name = v->name;
    if (shape)
        *shape = v->shape;
    if (trained)
        *trained = v->trainable;
    return QN_OK;
}

static qn_status check_weight(const qn_model *m, int weight, const void *p, size_t bytes)
{
    const struct qni_variable *v = NULL;
    qn_status st = find_weight(m, weight, &v);
    size_t want;

    if (st)
        return st;
    want = (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype);
    if (bytes != want)
        return qni_error(QN_E_SHAPE, "weight %s has %zu bytes, found %zu", v->name, want, bytes);
    if (!p && want)
        return qni_error(QN_E_ARG, "the array for weight %s is NULL", v->name);
    if (!m->state)
        return qni_error(QN_E_STATE, "the model is not compiled: it has no weights yet");
    return QN_OK;
}

qn_status qn_model_weight_read(qn_model *m, int weight, float *to, size_t bytes)
{
    qn_status st = check_weight(m, weight, to, bytes);
    const struct qni_kept *kept;

    if (st)
        return st;
    if (!qni_model_kept(m))
        st = qni_state_read(m->state, (size_t)weight, -1, to);
    if (!(kept = qni_model_kept(m)))
        return st;
    if (bytes)
        memcpy(to, qni_kept_weight(m, kept, weight), bytes);
    return QN_OK;
}

qn_status qn_model_weight_write(qn_model *m, int weight, const float *from, size_t bytes)
{
    qn_status st = check_weight(m, weight, from, bytes);

    return st ? st : qni_state_write(m->state, (size_t)weight, -1, from);
}

qn_status qn_model_set_lr(qn_model *m, float lr)
{
    if (!m || !(lr >= 0.0f) || isinf(lr))
        return qni_error(QN_E_ARG, "a learning rate is a finite number, 0 or more");
    m->lr = lr;
    return QN_OK;
}

int64_t qn_model_epochs(const qn_model *m)
{
    return m ? m->epoch : 0;
}

float qn_model_lr(const qn_model *m)
{
    return m ? m->lr : 0.0f;
}

void qn_model_cancel(qn_model *m)
{
    if (m)
        atomic_store(&m->cancel, true);
}

qn_status qn_model_plan_info(const qn_model *m, bool training, qn_plan_info *out)
{
    const struct qni_cached_plan *best = NULL;

    if (!m || !out)
        return qni_error(QN_E_ARG, "m or out is NULL");
    for (int i = 0; i < m->plans; i++)
        if ((m->plan[i].mode == QNI_MODE_TRAIN) == training && (!best || m->plan[i].rows > best->rows))
            best = &m->plan[i];
    if (!best)
        return qni_error(QN_E_STATE, "no batch has run yet");
    memset(out, 0, sizeof(*out));
    out->arena_bytes = best->plan->arena_bytes + best->plan->persistent_bytes;
    out->weight_bytes = (uint64_t)m->state->weight_elements * sizeof(float) *
                        (training ? 2 + (unsigned)m->state->slots : 1);
    out->launches = (int)best->plan->launches;
    out->kernels = (int)best->plan->kernels;
    out->library_calls = (int)best->plan->calls;
    out->kernels_built = (int)best->plan->exec->built;
    out->flops = best->plan->flops;
    return QN_OK;
}
