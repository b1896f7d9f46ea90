/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Models as safetensors files: weights by name, the optimizer's slots as
 * "optimizer/slotK/NAME", its device block as "optimizer/device", and in the
 * metadata "quern.model": architecture, compile options and counters as JSON.
 * docs/formats.md describes it. */
#include <inttypes.h>
#include <stdio.h>

#include <quern/version.h>

#include "io/json.h"
#include "io/safetensors.h"
#include "model/save.h"

const char *const qni_loss_names[QNI_LOSSES] = {
    [QN_LOSS_NONE] = "none", [QN_SPARSE_CATEGORICAL_CROSSENTROPY] = "sparse_categorical_crossentropy",
    [QN_CATEGORICAL_CROSSENTROPY] = "categorical_crossentropy", [QN_BINARY_CROSSENTROPY] = "binary_crossentropy",
    [QN_MSE] = "mse", [QN_MAE] = "mae", [QN_HUBER] = "huber",
    [QN_LOG_COSH] = "log_cosh", [QN_HINGE] = "hinge", [QN_SQUARED_HINGE] = "squared_hinge",
    [QN_CATEGORICAL_HINGE] = "categorical_hinge", [QN_KL_DIVERGENCE] = "kl_divergence", [QN_POISSON] = "poisson",
    [QN_COSINE_SIMILARITY] = "cosine_similarity", [QN_MSLE] = "msle", [QN_MAPE] = "mape",
};
const char *const qni_metric_names[QNI_METRICS] = {
    [QN_METRIC_NONE] = "none", [QN_ACCURACY] = "accuracy", [QN_TOP_K] = "top_k", [QN_METRIC_MSE] = "mse",
    [QN_METRIC_MAE] = "mae", [QN_METRIC_RMSE] = "rmse", [QN_PRECISION] = "precision", [QN_RECALL] = "recall",
    [QN_PERPLEXITY] = "perplexity",
};
const char *const qni_optimizer_names[QNI_OPTIMIZERS] = {
    [QN_OPTIMIZER_NONE] = "none", [QN_OPTIMIZER_SGD] = "sgd", [QN_OPTIMIZER_ADAM] = "adam",
    [QN_OPTIMIZER_RMSPROP] = "rmsprop", [QN_OPTIMIZER_ADAGRAD] = "adagrad", [QN_OPTIMIZER_ADADELTA] = "adadelta",
    [QN_OPTIMIZER_ADAMAX] = "adamax", [QN_OPTIMIZER_LION] = "lion",
};
const char *const qni_schedule_names[QNI_SCHEDULES] = {
    [QN_SCHEDULE_CONSTANT] = "constant", [QN_SCHEDULE_STEP] = "step", [QN_SCHEDULE_EXPONENTIAL] = "exponential",
    [QN_SCHEDULE_COSINE] = "cosine", [QN_SCHEDULE_POLYNOMIAL] = "polynomial",
};

/* ---- the architecture ---- */

static int int_at(const void *opt, size_t offset)
{
    int v;

    memcpy(&v, (const char *)opt + offset, sizeof(v));
    return v;
}

static void put_ints(struct qni_json_out *o, const char *key, const void *opt, size_t offset, int n)
{
    qni_json_open(o, key, '[');
    for (int i = 0; i < n; i++)
        qni_json_put_int(o, NULL, int_at(opt, offset + (size_t)i * sizeof(int)));
    qni_json_close(o, ']');
}

static void put_field(struct qni_json_out *o, const struct qni_field *f, const void *opt)
{
    const char *at = (const char *)opt + f->offset;
    qn_shape shape;
    uint64_t u;
    float v;
    bool b;

    switch (f->kind) {
    case QNI_FIELD_INT: qni_json_put_int(o, f->name, int_at(opt, f->offset)); break;
    case QNI_FIELD_INT2: put_ints(o, f->name, opt, f->offset, 2); break;
    case QNI_FIELD_INT4: put_ints(o, f->name, opt, f->offset, 4); break;
    case QNI_FIELD_FLOAT: memcpy(&v, at, sizeof(v)); qni_json_put_float(o, f->name, v); break;
    case QNI_FIELD_BOOL: memcpy(&b, at, sizeof(b)); qni_json_put_bool(o, f->name, b); break;
    case QNI_FIELD_U64: memcpy(&u, at, sizeof(u)); qni_json_put_int(o, f->name, (int64_t)u); break;
    case QNI_FIELD_ACT: qni_json_put_text(o, f->name, qni_act_name(int_at(opt, f->offset))); break;
    case QNI_FIELD_INIT: qni_json_put_text(o, f->name, qni_init_name(int_at(opt, f->offset))); break;
    case QNI_FIELD_PADDING: qni_json_put_text(o, f->name, qni_padding_name(int_at(opt, f->offset))); break;
    case QNI_FIELD_INTERPOLATION:
        qni_json_put_text(o, f->name, qni_interpolation_name(int_at(opt, f->offset)));
        break;
    case QNI_FIELD_DIMS:
        memcpy(&shape, at, sizeof(shape));
        qni_json_open(o, f->name, '[');
        for (int i = 0; i < shape.rank; i++)
            qni_json_put_int(o, NULL, shape.dim[i]);
        qni_json_close(o, ']');
        break;
    }
}

/* A value by where it comes from: layer i, or -1 - i for input i. */
static qn_status value_number(const qn_model *m, qn_val v, int64_t *out)
{
    for (int i = 0; i < m->inputs; i++)
        if (m->input[i].id == v.id) {
            *out = -1 - i;
            return QN_OK;
        }
    for (size_t i = 0; i < m->layers; i++)
        if (m->layer[i].out.id == v.id) {
            *out = (int64_t)i;
            return QN_OK;
        }
    return qni_error(QN_E_UNSUPPORTED, "the model has parts made with graph operations: save its weights instead");
}

static qn_status put_layers(struct qni_json_out *o, const qn_model *m)
{
    int64_t number = 0;
    qn_status st;

    qni_json_open(o, "layers", '[');
    for (size_t i = 0; i < m->layers; i++) {
        const struct qni_layer *l = &m->layer[i];

        qni_json_open(o, NULL, '{');
        qni_json_put_text(o, "type", l->type->name);
        qni_json_put_text(o, "name", l->name);
        if (l->reuse)
            qni_json_put_text(o, "reuse", l->reuse);
        qni_json_open(o, "inputs", '[');
        for (int k = 0; k < l->inputs; k++) {
            if ((st = value_number(m, l->in[k], &number)))
                return st;
            qni_json_put_int(o, NULL, number);
        }
        qni_json_close(o, ']');
        qni_json_open(o, "config", '{');
        for (const struct qni_field *f = l->type->fields; f->name; f++)
            put_field(o, f, l->opt);
        qni_json_close(o, '}');
        qni_json_close(o, '}');
    }
    qni_json_close(o, ']');
    return QN_OK;
}

static void put_compile(struct qni_json_out *o, const qn_model *m)
{
    const qn_compile_opt *c = &m->opt;
    const qn_optimizer *p = &m->optimizer;

    qni_json_open(o, "compile", '{');
    qni_json_put_int(o, "seed", (int64_t)c->seed);
    qni_json_put_text(o, "loss", qni_loss_names[c->loss]);
    qni_json_put_bool(o, "from_logits", c->from_logits);
    qni_json_put_float(o, "label_smoothing", c->label_smoothing);
    qni_json_put_int(o, "top_k", c->top_k);
    qni_json_put_bool(o, "weighted_metrics", c->weighted_metrics);
    qni_json_open(o, "metrics", '[');
    for (int i = 0; i < QN_MAX_METRICS; i++)
        qni_json_put_text(o, NULL, qni_metric_names[c->metrics[i]]);
    qni_json_close(o, ']');
    qni_json_open(o, "output_metrics", '[');
    for (int i = 0; i < m->outputs; i++) {
        qni_json_open(o, NULL, '[');
        for (int k = 0; k < QN_MAX_METRICS && c->output_metrics[i][k]; k++)
            qni_json_put_text(o, NULL, qni_metric_names[c->output_metrics[i][k]]);
        qni_json_close(o, ']');
    }
    qni_json_close(o, ']');
    qni_json_open(o, "losses", '[');
    for (int i = 0; i < QN_MAX_OUTPUTS; i++)
        qni_json_put_text(o, NULL, qni_loss_names[c->losses[i]]);
    qni_json_close(o, ']');
    qni_json_open(o, "loss_weights", '[');
    for (int i = 0; i < QN_MAX_OUTPUTS; i++)
        qni_json_put_float(o, NULL, c->loss_weights[i]);
    qni_json_close(o, ']');
    qni_json_open(o, "optimizer", '{');
    qni_json_put_text(o, "kind", qni_optimizer_names[p->kind]);
    qni_json_put_float(o, "lr", p->lr);
    qni_json_put_float(o, "momentum", p->momentum);
    qni_json_put_bool(o, "nesterov", p->nesterov);
    qni_json_put_double(o, "beta1", p->beta1);
    qni_json_put_double(o, "beta2", p->beta2);
    qni_json_put_float(o, "rho", p->rho);
    qni_json_put_float(o, "initial", p->initial);
    qni_json_put_bool(o, "centered", p->centered);
    qni_json_put_float(o, "epsilon", p->epsilon);
    qni_json_put_bool(o, "amsgrad", p->amsgrad);
    qni_json_put_float(o, "weight_decay", p->weight_decay);
    qni_json_put_bool(o, "decay_matrices_only", p->decay_matrices_only);
    qni_json_open(o, "schedule", '{');
    qni_json_put_text(o, "kind", qni_schedule_names[p->schedule.kind]);
    qni_json_put_int(o, "warmup", p->schedule.warmup);
    qni_json_put_int(o, "steps", p->schedule.steps);
    qni_json_put_float(o, "rate", p->schedule.rate);
    qni_json_put_float(o, "end", p->schedule.end);
    qni_json_put_float(o, "power", p->schedule.power);
    qni_json_close(o, '}');
    qni_json_put_float(o, "clip_value", p->clip_value);
    qni_json_put_float(o, "clip_norm", p->clip_norm);
    qni_json_put_float(o, "global_clip_norm", p->global_clip_norm);
    qni_json_close(o, '}');
    qni_json_close(o, '}');
}

void qni_model_device_text(const qn_model *m, char *text, size_t bytes)
{
    const struct qni_caps *c = &m->dev->caps;

    snprintf(text, bytes, "%s, %s, %s", c->platform, c->name, c->driver);
}

/* Which algorithms ran, and where: the same device goes on with the same ones. */
static void put_choices(struct qni_json_out *o, const qn_model *m)
{
    char text[512];

    qni_json_open(o, "algorithms", '{');
    qni_model_device_text(m, text, sizeof(text));
    qni_json_put_text(o, "device", text);
    qni_json_open(o, "chosen", '{');
    for (size_t i = 0; i < m->choices.n; i++) {
        snprintf(text, sizeof(text), "%016" PRIx64, m->choices.choice[i].key);
        qni_json_put_text(o, text, m->choices.choice[i].name);
    }
    qni_json_close(o, '}');
    qni_json_close(o, '}');
}

qn_status qni_model_text(struct qni_text *text, const qn_model *m, const struct qni_kept *kept)
{
    struct qni_json_out o = { .text = text, .compact = true };
    int64_t number = 0;
    qn_status st;

    qni_json_open(&o, NULL, '{');
    qni_json_put_text(&o, "quern", qn_version());
    qni_json_open(&o, "inputs", '[');
    for (int i = 0; i < m->inputs; i++) {
        qn_shape s = qni_value_shape(m->g, m->input[i]);

        qni_json_open(&o, NULL, '{');
        qni_json_put_text(&o, "dtype", qn_dtype_name(qni_value_get(m->g, m->input[i])->dtype));
        qni_json_open(&o, "shape", '[');
        for (int k = 1; k < s.rank; k++)
            qni_json_put_int(&o, NULL, s.dim[k]);
        qni_json_close(&o, ']');
        qni_json_close(&o, '}');
    }
    qni_json_close(&o, ']');
    if ((st = put_layers(&o, m)))
        return st;
    qni_json_open(&o, "outputs", '[');
    for (int i = 0; i < m->outputs; i++) {
        if ((st = value_number(m, m->output[i], &number)))
            return st;
        qni_json_put_int(&o, NULL, number);
    }
    qni_json_close(&o, ']');
    put_compile(&o, m);
    qni_json_open(&o, "notes", '{');
    for (int i = 0; i < m->notes; i++)
        qni_json_put_text(&o, m->note[i].key, m->note[i].text);
    qni_json_close(&o, '}');
    qni_preps_put(m, &o);
    qni_json_open(&o, "training", '{');
    qni_json_put_int(&o, "step", (int64_t)(kept ? kept->step : m->step));
    qni_json_put_int(&o, "samples", (int64_t)(kept ? kept->samples : m->samples));
    qni_json_put_int(&o, "epoch", kept ? kept->epoch : m->epoch);
    qni_json_put_float(&o, "lr", kept ? kept->lr : m->lr);
    qni_json_close(&o, '}');
    qni_history_put(m, kept ? kept->epoch : m->epoch, &o);
    put_choices(&o, m);
    qni_json_close(&o, '}');
    return text->status;
}

/* ---- writing ---- */

/* Which slot of which weight a tensor holds; slot -1: the weight itself. */
void qni_tensor_name(const struct qni_variable *v, int slot, char *name, size_t bytes)
{
    if (slot < 0)
        snprintf(name, bytes, "%s", v->name);
    else
        snprintf(name, bytes, "optimizer/slot%d/%s", slot, v->name);
}

bool qni_has_slots(const struct qni_variable *v)
{
    return v->trainable && v->dtype == QN_F32;
}

static qn_status declare(const qn_model *m, struct qni_safetensors_out *out, bool state)
{
    int weights = qn_model_weights(m);
    qn_shape words = qni_shape(1, (int64_t)QNI_BLOCK_WORDS);
    char name[256];
    qn_status st;

    for (int slot = -1; slot < (state ? m->state->slots : 0); slot++)
        for (int i = 0; i < weights; i++) {
            const struct qni_variable *v = &m->g->variable[i];

            if (slot >= 0 && !qni_has_slots(v))
                continue;
            qni_tensor_name(v, slot, name, sizeof(name));
            if ((st = qni_safetensors_declare(out, name, v->dtype, &v->shape)))
                return st;
        }
    return state ? qni_safetensors_declare(out, "optimizer/device", QN_I32, &words) : QN_OK;
}

/* From the device, or from the copy on the host. */
static qn_status write_tensors(const qn_model *m, struct qni_safetensors_out *out, bool state, const struct qni_kept *kept,
                               void *buffer)
{
    int weights = qn_model_weights(m);
    uint32_t words[QNI_BLOCK_WORDS];
    size_t tensor = 0, at = 0;
    qn_status st;

    for (int slot = -1; slot < (state ? m->state->slots : 0); slot++)
        for (int i = 0; i < weights; i++) {
            const struct qni_variable *v = &m->g->variable[i];
            size_t bytes = (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype);

            if (slot >= 0 && !qni_has_slots(v))
                continue;
            if ((!kept && (st = qni_state_read(m->state, (size_t)i, slot, buffer))) ||
                (st = qni_safetensors_write(out, tensor++, kept ? kept->bytes + at : buffer, bytes)))
                return st;
            at += bytes;
        }
    if (!state)
        return QN_OK;
    if (!kept && (st = qni_state_device_block(m->state, words, false)))
        return st;
    return qni_safetensors_write(out, tensor, kept ? kept->words : words, sizeof(words));
}

size_t qni_largest_weight(const qn_model *m)
{
    size_t most = 0;

    for (int i = 0; i < qn_model_weights(m); i++) {
        const struct qni_variable *v = &m->g->variable[i];

        most = QNI_MAX(most, (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype));
    }
    return most;
}

static qn_status write_file(qn_model *m, const char *path, bool state, const struct qni_kept *kept)
{
    struct qni_text text = { .ctx = m->ctx };
    struct qni_safetensors_out *out = NULL;
    void *buffer = NULL;
    qn_status st;

    if ((state && (st = qni_model_text(&text, m, kept))) || (st = qni_calloc(m->ctx, &buffer, qni_largest_weight(m), 1)) ||
        (st = qni_safetensors_create(&out, m->dev->ctx, path)) ||
        (state && (st = qni_safetensors_put_metadata(out, "quern.model", text.data))) || (st = declare(m, out, state)) ||
        (st = write_tensors(m, out, state, kept, buffer)))
        goto done;
    st = qni_safetensors_commit(&out);
done:
    if (out)
        qni_safetensors_discard(&out);
    qni_free(m->ctx, &buffer);
    qni_text_free(&text);
    return st;
}

static qn_status save(qn_model *m, const char *path, bool state)
{
    const struct qni_kept *kept;
    qn_status st;

    if (!m || !path)
        return qni_error(QN_E_ARG, "m or path is NULL");
    if (!m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled: it has no weights yet");
    if (m->state->torn && !m->kept.bytes)
        return qni_model_whole(m);
    if (!(kept = qni_model_kept(m))) {
        st = write_file(m, path, state, NULL);
        if (!st || !(kept = qni_model_kept(m)))
            return st;
    }
    qni_log(m->ctx, QN_LOG_WARNING, "%s: saved from the copy on the host, as the model was after %lld steps", path,
            (long long)kept->step);
    return write_file(m, path, state, kept);
}

qn_status qn_model_save(qn_model *m, const char *path)
{
    return save(m, path, true);
}

qn_status qn_model_save_weights(qn_model *m, const char *path)
{
    return save(m, path, false);
}
