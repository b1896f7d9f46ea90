/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A copy of a model's weights and training state on the host: what is left when the device is lost or a training step
 * fails half way. */
#include "model/model.h"
#include "model/save.h"

static size_t bytes_of(const struct qni_variable *v)
{
    return (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype);
}

/* Do f for every weight (slot -1) and every slot of one, in the order of the copy and of saved files. */
static qn_status each(qn_model *m, unsigned char *at, qn_status (*f)(struct qni_state *s, size_t variable, int slot, void *p))
{
    int weights = qn_model_weights(m);
    qn_status st = QN_OK;

    for (int slot = -1; slot < m->state->slots; slot++)
        for (int i = 0; i < weights && !st; i++) {
            const struct qni_variable *v = &m->g->variable[i];

            if (slot >= 0 && !qni_has_slots(v))
                continue;
            st = f(m->state, (size_t)i, slot, at);
            at += bytes_of(v);
        }
    return st;
}

static size_t total_bytes(const qn_model *m)
{
    int weights = qn_model_weights(m);
    size_t n = 0;

    for (int i = 0; i < weights; i++) {
        const struct qni_variable *v = &m->g->variable[i];

        n += bytes_of(v) * (size_t)(1 + (qni_has_slots(v) ? m->state->slots : 0));
    }
    return n;
}

static qn_status write_one(struct qni_state *s, size_t variable, int slot, void *from)
{
    return qni_state_write(s, variable, slot, from);
}

/* The old copy stays whole until the new one is. */
qn_status qni_model_keep(qn_model *m)
{
    struct qni_kept new = { .step = m->step, .samples = m->samples, .epoch = m->epoch, .lr = m->lr };
    qn_status st;

    if (m->state->torn)
        return qni_error(QN_E_STATE, "a training step failed half way: there is nothing whole to copy");
    if ((st = qni_calloc(m->ctx, &new.bytes, total_bytes(m), 1)))
        return st;
    if ((st = each(m, new.bytes, qni_state_read)) || (st = qni_state_device_block(m->state, new.words, false))) {
        qni_free(m->ctx, &new.bytes);
        return st;
    }
    qni_free(m->ctx, &m->kept.bytes);
    m->kept = new;
    return QN_OK;
}

qn_status qn_model_keep(qn_model *m)
{
    qn_status st;

    if (!m || !m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled: it has no weights yet");
    if ((st = qni_model_drain(m, NULL)))
        return st;
    return qni_model_keep(m);
}

qn_status qni_model_whole(qn_model *m)
{
    struct qni_kept *k = &m->kept;
    qn_status st;

    if (!m->state->torn)
        return QN_OK;
    if ((st = qni_device_check(m->dev)))
        return st;
    if (!k->bytes)
        return qni_error(QN_E_STATE, "a training step failed half way and no copy of the weights was kept: load them again");
    if ((st = each(m, k->bytes, write_one)) || (st = qni_state_device_block(m->state, k->words, true)))
        return st;
    m->step = k->step;
    m->samples = k->samples;
    m->epoch = k->epoch;
    m->state->torn = false;
    qni_log(m->ctx, QN_LOG_WARNING, "a training step failed half way: the model goes on as it was after %lld steps",
            (long long)k->step);
    return QN_OK;
}

const struct qni_kept *qni_model_kept(const qn_model *m)
{
    return m->kept.bytes && (m->state->torn || qni_device_check(m->dev)) ? &m->kept : NULL;
}

const void *qni_kept_weight(const qn_model *m, const struct qni_kept *kept, int weight)
{
    const unsigned char *at = kept->bytes;

    for (int i = 0; i < weight; i++)
        at += bytes_of(&m->g->variable[i]);
    return at;
}
