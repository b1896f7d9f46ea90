/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Steps on tensors, which are read and written where they are. */
#include "model/model.h"

/* One tensor of each input of the graph, by what it is for. */
static void sort(const qn_model *m, qn_tensor *const *in, qn_tensor *const *targets, qn_tensor *weights, qn_tensor **tensor)
{
    for (size_t i = 0; i < m->g->inputs; i++) {
        const int32_t value = m->g->input[i].value;
        int target = 0;

        if (m->weight.id == value)
            tensor[i] = weights;
        for (int k = 0; k < m->inputs; k++)
            if (m->input[k].id == value)
                tensor[i] = in[k];
        for (int k = 0; k < m->outputs; k++) {
            if (targets && m->target[k].id && m->target[k].id == value)
                tensor[i] = targets[target];
            target += m->target[k].id != 0;
        }
    }
}

/* The samples of the first input, on which the others must agree. */
static qn_status count_rows(const qn_model *m, qn_tensor *const *in, int64_t *rows)
{
    *rows = 0;
    for (int i = 0; i < m->inputs; i++)
        if (!in[i])
            return qni_error(QN_E_ARG, "there is no tensor for input %d", i);
    if (m->inputs && in[0]->shape.rank)
        *rows = in[0]->shape.dim[0];
    return QN_OK;
}

static qn_status one_batch(qn_model *m, enum qni_mode mode, qn_tensor *const *in, qn_tensor *const *targets,
                           qn_tensor *weights, qn_logs *out)
{
    qn_tensor *tensor[QNI_MAX_TENSORS] = { 0 };
    struct qni_feed feed = { .tensor = tensor, .weighted = weights != NULL };
    float numbers[QNI_COUNT(m->meter)][4];
    qn_status st;

    if (!m || !m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled");
    if (!m->loss[0].id)
        return qni_error(QN_E_STATE, "the model was compiled without a loss");
    if (!in || !targets)
        return qni_error(QN_E_ARG, "in or targets is NULL");
    if ((st = count_rows(m, in, &feed.rows)))
        return st;
    sort(m, in, targets, weights, tensor);
    if (out && (st = qni_meters_reset(m)))
        return st;
    if ((st = qni_model_step(m, mode, &feed, NULL)) || !out)
        return st;
    if ((st = qni_meters_read(m, true, numbers, NULL)))
        return st;
    memset(out, 0, sizeof(*out));
    qni_meters_logs(m, numbers, "", out);
    return QN_OK;
}

qn_status qn_model_train_tensors(qn_model *m, qn_tensor *const *in, qn_tensor *const *targets, qn_tensor *weights,
                                 qn_logs *out)
{
    if (m && m->compiled && m->optimizer.kind == QN_OPTIMIZER_NONE)
        return qni_error(QN_E_STATE, "the model was compiled without an optimizer");
    return one_batch(m, QNI_MODE_TRAIN, in, targets, weights, out);
}

qn_status qn_model_test_tensors(qn_model *m, qn_tensor *const *in, qn_tensor *const *targets, qn_tensor *weights,
                                qn_logs *out)
{
    return one_batch(m, QNI_MODE_TEST, in, targets, weights, out);
}

qn_status qn_model_predict_tensors(qn_model *m, qn_tensor *const *in, qn_tensor *const *out)
{
    qn_tensor *tensor[QNI_MAX_TENSORS] = { 0 };
    struct qni_feed feed = { .tensor = tensor };
    qn_status st;

    if (!m || !m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled");
    if (!in || !out)
        return qni_error(QN_E_ARG, "in or out is NULL");
    if ((st = count_rows(m, in, &feed.rows)))
        return st;
    sort(m, in, NULL, NULL, tensor);
    for (int i = 0; i < m->outputs; i++)
        tensor[m->g->inputs + (size_t)i] = out[i];
    return qni_model_step(m, QNI_MODE_PREDICT, &feed, NULL);
}
