/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Compile: losses, metrics and penalties join the graph, the weights get
 * storage and their first values. */
#include <stdio.h>

#include "model/model.h"
#include "ops/loss/loss.h"
#include "ops/metric/metric.h"
#include "ops/softmax/softmax.h"

static qn_loss loss_of(const qn_compile_opt *o, int output)
{
    return o->losses[output] ? o->losses[output] : o->loss;
}

static qn_status check(const qn_model *m, const qn_compile_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    for (int i = 0; i < QN_MAX_OUTPUTS; i++) {
        if ((unsigned)loss_of(o, i) > QN_MAPE)
            return qni_error(QN_E_ARG, "there is no loss %d", (int)loss_of(o, i));
        if (i >= m->outputs && (o->losses[i] || o->loss_weights[i] != 0.0f))
            return qni_error(QN_E_ARG, "there is a loss for output %d, the model has %d outputs", i, m->outputs);
        if (i >= m->outputs && o->output_metrics[i][0])
            return qni_error(QN_E_ARG, "there is a metric for output %d, the model has %d outputs", i, m->outputs);
        for (int k = 0; k < QN_MAX_METRICS; k++)
            if ((unsigned)o->output_metrics[i][k] > QN_PERPLEXITY)
                return qni_error(QN_E_ARG, "there is no metric %d", (int)o->output_metrics[i][k]);
    }
    for (int i = 0; i < QN_MAX_METRICS; i++)
        if ((unsigned)o->metrics[i] > QN_PERPLEXITY)
            return qni_error(QN_E_ARG, "there is no metric %d", (int)o->metrics[i]);
    if (o->top_k < 0 || !(o->label_smoothing >= 0.0f && o->label_smoothing < 1.0f))
        return qni_error(QN_E_ARG, "top_k or label_smoothing is out of range");
    return QN_OK;
}

/* The input targets come through: classes for the sparse loss, else of the output's shape. */
static qn_val add_target(qn_model *m, int output, qn_loss loss)
{
    qn_shape shape = qni_value_shape(m->g, m->output[output]);
    bool sparse = loss == QN_SPARSE_CATEGORICAL_CROSSENTROPY;
    char name[32];

    if (shape.rank < 2)
        return qni_graph_fail(m->g, qni_error(QN_E_SHAPE, "output %d has no axis beside the batch", output));
    if (sparse)
        shape.rank--;
    snprintf(name, sizeof(name), output ? "target_%d" : "target", output);
    return qni_input_add(m->g, name, sparse ? QN_I32 : QN_F32, &shape);
}

/* The logits behind a softmax, whose cross-entropy is then worked out in one go; else y itself. As Keras does. */
static qn_val logits_of(const qn_model *m, qn_val y, int32_t *probabilities)
{
    const struct qni_value *v = qni_value_get(m->g, y);
    const struct qni_node *node;

    *probabilities = !m->opt.from_logits;
    if (m->opt.from_logits || !v || v->kind != QNI_VALUE_NODE)
        return y;
    node = &m->g->node[v->node];
    if (node->op == &qni_op_softmax) {
        const struct qni_softmax *a = node->attr;

        if (!a->log && (a->axis == -1 || a->axis == v->shape.rank - 1)) {
            *probabilities = 0;
            return (qn_val){ node->in[0] };
        }
    }
    return y;
}

/* What the samples of an output weigh: the steps of its mask, times the sample weights. mean: the mean is to be that over the
 * real steps, as Keras's; 0 where none is real. */
static qn_val weight_of(qn_model *m, int output, qn_val weight, bool mean)
{
    const qn_val mask = qni_layer_mask(m, m->output[output]);
    qn_val w, share;

    if (!mask.id)
        return weight;
    w = qn_graph_cast(m->g, mask, QN_F32);
    if (mean) {
        share = qn_graph_reduce_mean(m->g, w, NULL, 0, false);
        w = qn_graph_div(m->g, w, qn_graph_maximum(m->g, share, qn_graph_fill_like(m->g, share, QN_F32, 1e-20f)));
    }
    return weight.id ? qn_graph_mul(m->g, w, qni_layer_mask_against(m, weight, w)) : w;
}

/* Losses made of other operations, from QN_LOG_COSH on. */
static qn_val (*const composed[])(qn_graph *, qn_val, qn_val, qn_val, const qn_graph_loss_opt *) = {
    qn_graph_log_cosh, qn_graph_hinge, qn_graph_squared_hinge, qn_graph_categorical_hinge, qn_graph_kl_divergence,
    qn_graph_poisson, qn_graph_cosine_similarity, qn_graph_squared_logarithmic_error, qn_graph_absolute_percentage_error,
};

static qn_val add_loss(qn_model *m, int output, qn_val weight)
{
    const qn_compile_opt *o = &m->opt;
    qn_loss loss = loss_of(o, output);
    qn_val in[3] = { m->output[output], m->target[output] };
    struct qni_pointwise point = { .delta = 1.0f, .smoothing = o->label_smoothing };
    struct qni_cross_entropy cross = { .smoothing = o->label_smoothing };

    if (loss == QN_LOSS_NONE)
        return (qn_val){ 0 };
    in[2] = weight_of(m, output, weight, true);
    if (loss >= QN_LOG_COSH)
        return composed[loss - QN_LOG_COSH](m->g, in[0], in[1], in[2], NULL);
    switch (loss) {
    case QN_LOSS_NONE: break;
    case QN_SPARSE_CATEGORICAL_CROSSENTROPY:
    case QN_CATEGORICAL_CROSSENTROPY:
        cross.dense = loss == QN_CATEGORICAL_CROSSENTROPY;
        if (!cross.dense)
            cross.smoothing = 0.0f;
        in[0] = logits_of(m, in[0], &cross.probabilities);
        return qni_node_add(m->g, &qni_op_cross_entropy, &cross, in, 3, NULL);
    case QN_BINARY_CROSSENTROPY: point.kind = o->from_logits ? QNI_BINARY_LOGITS : QNI_BINARY_PROBABILITIES; break;
    case QN_MSE: point.kind = QNI_SQUARED; break;
    case QN_MAE: point.kind = QNI_ABSOLUTE; break;
    case QN_HUBER: point.kind = QNI_HUBER; break;
    default: break; /* composed, above */
    }
    return qni_node_add(m->g, &qni_op_pointwise_loss, &point, in, 3, NULL);
}

void qni_model_penalty(qn_model *m, qn_val penalty)
{
    m->penalty = m->penalty.id ? qn_graph_add(m->g, m->penalty, penalty) : penalty;
}

/* l1 * sum|w| + l2 * sum(w^2) of every weight that has them, added to the loss. */
static qn_val add_penalties(qn_model *m, qn_val loss)
{
    int weights = qn_model_weights(m);

    if (m->penalty.id)
        loss = qn_graph_add(m->g, loss, m->penalty);
    for (int i = 0; i < weights; i++) {
        struct qni_variable v = m->g->variable[i];
        qn_val w = { v.value };

        if (v.l1 > 0.0f)
            loss = qn_graph_add(m->g, loss, qn_graph_affine(m->g, qn_graph_reduce_sum_abs(m->g, w, NULL, 0, false), v.l1, 0));
        if (v.l2 > 0.0f)
            loss = qn_graph_add(m->g, loss,
                                qn_graph_affine(m->g, qn_graph_reduce_sum_squares(m->g, w, NULL, 0, false), v.l2, 0));
    }
    return loss;
}

static qn_status add_meter(qn_model *m, const char *name, int *index)
{
    struct qni_variable v = { .dtype = QN_F32, .shape = qni_shape(1, (int64_t)4), .init = QN_INIT_ZEROS };
    char text[64];

    if (m->meters == (int)QNI_COUNT(m->meter))
        return qni_error(QN_E_ARG, "there are more than %zu losses and metrics", QNI_COUNT(m->meter));
    snprintf(text, sizeof(text), "meter/%s", name);
    v.name = text;
    qni_variable_add(m->g, &v);
    if (m->g->status)
        return qni_graph_status(m->g);
    *index = m->meters++;
    m->meter[*index].variable = (int)m->g->variables - 1;
    snprintf(m->meter[*index].name, sizeof(m->meter[*index].name), "%s", name);
    return QN_OK;
}

static const char *metric_name(qn_metric metric)
{
    switch (metric) {
    case QN_ACCURACY: return "accuracy";
    case QN_TOP_K: return "top_k";
    case QN_METRIC_MSE: return "mse";
    case QN_METRIC_MAE: return "mae";
    case QN_METRIC_RMSE: return "rmse";
    case QN_PRECISION: return "precision";
    case QN_RECALL: return "recall";
    case QN_PERPLEXITY: return "perplexity";
    case QN_METRIC_NONE: break;
    }
    return "?";
}

static qn_val meter_value(const qn_model *m, int index)
{
    return (qn_val){ m->g->variable[m->meter[index].variable].value };
}

/* Precision: the mean of targets as 0 or 1, weighed by predictions as 0 or 1; recall the other way round. */
static void sum_ratio(qn_model *m, bool recall, const qn_val in[4])
{
    const qn_val threshold = qn_graph_fill(m->g, QN_F32, 0, NULL, m->opt.from_logits ? 0.0f : 0.5f);
    const qn_val zero = qn_graph_fill(m->g, QN_F32, 0, NULL, 0.0f);
    qn_val said = qn_graph_cast(m->g, qn_graph_greater(m->g, in[1], threshold), QN_F32);
    qn_val is = qn_graph_cast(m->g, qn_graph_not_equal(m->g, in[2], zero), QN_F32);
    qn_val mean[3] = { in[0], recall ? said : is, recall ? is : said };

    if (in[3].id)
        mean[2] = qn_graph_mul(m->g, mean[2], qni_layer_mask_against(m, in[3], mean[2]));
    qni_node_add(m->g, &qni_op_metric_mean, NULL, mean, 3, NULL);
}

/* The mean cross-entropy, whatever the loss smooths; e to it is worked out where it is read. */
static void sum_cross_entropy(qn_model *m, bool dense, const qn_val in[4])
{
    struct qni_cross_entropy cross = { .dense = dense, .reduction = QNI_NONE };
    qn_val operand[2] = { logits_of(m, in[1], &cross.probabilities), in[2] }, mean[3] = { in[0] };

    mean[1] = qni_node_add(m->g, &qni_op_cross_entropy, &cross, operand, 2, NULL);
    if (in[3].id)
        mean[2] = qn_graph_mul(m->g, qni_layer_mask_against(m, in[3], mean[1]),
                               qn_graph_fill_like(m->g, mean[1], QN_F32, 1.0f));
    qni_node_add(m->g, &qni_op_metric_mean, NULL, mean, 3, NULL);
}

/* Nodes that sum up a meter's metric. */
static void sum_metric(qn_model *m, int index, qn_val weight)
{
    const qn_metric metric = m->meter[index].metric;
    const int of = m->meter[index].output;
    qn_val in[4] = { meter_value(m, index), m->output[of], m->target[of], weight_of(m, of, weight, false) };
    qn_loss loss = loss_of(&m->opt, of);
    struct qni_metric_class class = { .dense = loss == QN_CATEGORICAL_CROSSENTROPY || loss == QN_CATEGORICAL_HINGE ||
                                               loss == QN_KL_DIVERGENCE || loss == QN_COSINE_SIMILARITY,
                                      .top = metric == QN_TOP_K ? (m->opt.top_k ? m->opt.top_k : 5) : 0 };
    struct qni_metric_pointwise point = { .kind = metric == QN_METRIC_MAE ? QNI_METRIC_ABSOLUTE : QNI_METRIC_SQUARED };
    bool by_class = loss == QN_SPARSE_CATEGORICAL_CROSSENTROPY || class.dense;

    if ((metric == QN_ACCURACY || metric == QN_TOP_K) && by_class) {
        qni_node_add(m->g, &qni_op_metric_class, &class, in, 4, NULL);
        return;
    }
    if (metric == QN_PERPLEXITY && (loss == QN_SPARSE_CATEGORICAL_CROSSENTROPY || loss == QN_CATEGORICAL_CROSSENTROPY)) {
        sum_cross_entropy(m, loss == QN_CATEGORICAL_CROSSENTROPY, in);
        return;
    }
    if (metric == QN_TOP_K || metric == QN_PERPLEXITY || (loss == QN_SPARSE_CATEGORICAL_CROSSENTROPY && metric != QN_ACCURACY)) {
        qni_graph_fail(m->g, qni_error(QN_E_ARG, "the metric %s does not fit the loss", metric_name(metric)));
        return;
    }
    if (metric == QN_PRECISION || metric == QN_RECALL) {
        if (m->opt.from_logits && loss == QN_CATEGORICAL_CROSSENTROPY)
            qni_graph_fail(m->g, qni_error(QN_E_ARG, "the metric %s needs probabilities", metric_name(metric)));
        else
            sum_ratio(m, metric == QN_RECALL, in);
        return;
    }
    if (metric == QN_ACCURACY) {
        point.kind = QNI_METRIC_BINARY_ACCURACY;
        point.delta = m->opt.from_logits ? 0.0f : 0.5f;
    }
    qni_node_add(m->g, &qni_op_metric_pointwise, &point, in, 4, NULL);
}

/* Adds the mean loss of a batch to a meter. */
static void sum_loss(qn_model *m, int index, qn_val loss)
{
    qn_val in[4] = { meter_value(m, index), loss, { 0 }, m->output[0] };

    qni_node_add(m->g, &qni_op_metric_mean, NULL, in, 4, NULL);
}

/* The whole loss, and the nodes that sum up what is reported; once without and once with sample weights. */
static qn_status add_losses(qn_model *m, int variant, int whole, const int *each)
{
    qn_val weight = variant ? m->weight : (qn_val){ 0 };
    qn_val total = { 0 }, part[QN_MAX_OUTPUTS];

    for (int i = 0; i < m->outputs; i++) {
        float w = m->opt.loss_weights[i];
        qn_val loss;

        part[i] = add_loss(m, i, weight);
        if (!part[i].id)
            continue;
        loss = w != 0.0f && w != 1.0f ? qn_graph_affine(m->g, part[i], w, 0.0f) : part[i];
        total = total.id ? qn_graph_add(m->g, total, loss) : loss;
    }
    total = add_penalties(m, total);
    m->loss[variant] = total;
    m->update_first[variant] = m->g->nodes;
    qni_layer_carry_nodes(m);
    sum_loss(m, whole, total);
    for (int i = 0; i < m->outputs; i++)
        if (each[i] >= 0)
            sum_loss(m, each[i], part[i]);
    for (int i = 0; i < m->meters; i++)
        if (m->meter[i].metric)
            sum_metric(m, i, m->opt.weighted_metrics ? weight : (qn_val){ 0 });
    m->update_last[variant] = m->g->nodes;
    return qni_graph_status(m->g);
}

/* Meters of an output's metrics, named after it where prefix says so. */
static qn_status add_metrics(qn_model *m, int output, const qn_metric metric[QN_MAX_METRICS], bool prefix)
{
    qn_status st;

    if (metric[0] && !m->target[output].id)
        return qni_error(QN_E_ARG, "there are metrics of output %d, which has no loss", output);
    for (int i = 0; i < QN_MAX_METRICS && metric[i]; i++) {
        char name[32];
        int index;

        if (prefix)
            snprintf(name, sizeof(name), "output_%d_%s", output, metric_name(metric[i]));
        else
            snprintf(name, sizeof(name), "%s", metric_name(metric[i]));
        if ((st = add_meter(m, name, &index)))
            return st;
        m->meter[index].metric = metric[i];
        m->meter[index].output = output;
    }
    return QN_OK;
}

static qn_status add_objective(qn_model *m)
{
    int whole = -1, each[QN_MAX_OUTPUTS], losses = 0;
    qn_shape batch = { .rank = 1, .dim = { QN_ANY } };
    qn_status st = QN_OK;

    for (int i = 0; i < m->outputs; i++) {
        qn_loss loss = loss_of(&m->opt, i);

        each[i] = -1;
        if (loss && !m->g->status) {
            m->target[i] = add_target(m, i, loss);
            losses++;
        }
    }
    if (!losses || (st = qni_graph_status(m->g)))
        return st;
    m->weight = qni_input_add(m->g, "weight", QN_F32, &batch);
    if ((st = add_meter(m, "loss", &whole)))
        return st;
    for (int i = 0; i < m->outputs && losses > 1; i++) {
        char name[32];

        snprintf(name, sizeof(name), "output_%d_loss", i);
        if (m->target[i].id && (st = add_meter(m, name, &each[i])))
            return st;
    }
    if ((st = add_metrics(m, 0, m->opt.metrics, false)))
        return st;
    for (int i = 0; i < m->outputs; i++)
        if ((st = add_metrics(m, i, m->opt.output_metrics[i], m->outputs > 1)))
            return st;
    if (!(st = add_losses(m, 0, whole, each)))
        st = add_losses(m, 1, whole, each);
    return st;
}

qn_status qn_model_compile(qn_model *m, const qn_compile_opt *opt)
{
    static const qn_compile_opt none;
    qn_status st;

    if (!m)
        return qni_error(QN_E_ARG, "m is NULL");
    if ((st = qni_graph_status(m->g)))
        return st;
    if (m->compiled)
        return qni_error(QN_E_STATE, "the model is compiled already");
    if (!m->outputs)
        return qni_error(QN_E_STATE, "the model has no output");
    if ((st = check(m, opt ? opt : &none)) || (st = qni_optimizer_resolve(&m->optimizer, opt ? &opt->optimizer : &none.optimizer)))
        return st;
    m->opt = opt ? *opt : none;
    m->lr = m->optimizer.lr;
    m->update = qni_optimizer_plan(&m->optimizer);
    m->carry_first = m->g->nodes;
    qni_layer_carry_nodes(m);
    m->carry_last = m->g->nodes;
    if ((st = add_objective(m)) || (st = qni_graph_status(m->g)) ||
        (st = qni_state_create(&m->state, m->dev, m->g, m->update.slots)) || (st = qni_state_initialise(m->state, m->opt.seed)) ||
        (st = qni_state_reset_optimizer(m->state, &m->update))) {
        /* A model that failed to compile stays uncompiled and keeps the reason. */
        qni_graph_fail(m->g, st);
        return st;
    }
    m->compiled = true;
    return QN_OK;
}
