/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Models from files that save.c wrote, or somebody else: every number is
 * checked by the layer or option it is for. */
#include "io/json.h"
#include "io/safetensors.h"
#include "model/save.h"

/* ---- the architecture ---- */

static qn_status find_name(const struct qni_json_at *object, const char *key, const char *const *names, size_t n, int *out)
{
    struct qni_json_at at;
    const char *text;
    qn_status st;

    if ((st = qni_json_member(&at, object, key)) || (st = qni_json_text(&at, &text)))
        return st;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], text)) {
            *out = (int)i;
            return QN_OK;
        }
    return qni_json_error(&at, "\"%s\" is not known", text);
}

static qn_status get_float(const struct qni_json_at *object, const char *key, float *out)
{
    double v;
    qn_status st = qni_json_get_double(object, key, &v);

    if (!st)
        *out = (float)v;
    return st;
}

static qn_status get_ints(const struct qni_json_at *at, int n, void *to)
{
    struct qni_json_at child = { 0 };
    int64_t v;
    int value, i = 0;
    qn_status st;

    while (qni_json_next(at, &child)) {
        if (i == n)
            return qni_json_error(at, "more than %d numbers", n);
        if ((st = qni_json_int(&child, -1000000, 1000000, &v)))
            return st;
        value = (int)v;
        memcpy((char *)to + (size_t)i++ * sizeof(int), &value, sizeof(value));
    }
    return i == n ? QN_OK : qni_json_error(at, "%d numbers, expected %d", i, n);
}

static qn_status get_dims(const struct qni_json_at *at, int most, qn_shape *out)
{
    struct qni_json_at child = { 0 };
    qn_status st;

    memset(out, 0, sizeof(*out));
    if (qni_json_type(at) != QNI_JSON_ARRAY)
        return qni_json_expected(at, "an array of sizes");
    while (qni_json_next(at, &child)) {
        if (out->rank == most)
            return qni_json_error(at, "more than %d sizes", most);
        if ((st = qni_json_int(&child, -1, INT64_MAX, &out->dim[out->rank])))
            return st;
        out->rank++;
    }
    return QN_OK;
}

static qn_status get_enum(const struct qni_json_at *at, int (*find)(const char *), void *to)
{
    const char *text;
    int v;
    qn_status st = qni_json_text(at, &text);

    if (st)
        return st;
    if ((v = find(text)) < 0)
        return qni_json_error(at, "\"%s\" is not known", text);
    memcpy(to, &v, sizeof(v));
    return QN_OK;
}

static qn_status get_field(const struct qni_json_at *config, const struct qni_field *f, void *opt)
{
    char *to = (char *)opt + f->offset;
    struct qni_json_at at;
    qn_shape shape;
    int64_t v;
    double d;
    float x;
    int i;
    bool b;
    qn_status st;

    if (!qni_json_find(&at, config, f->name))
        return QN_OK; /* older files lack newer options: the default */
    switch (f->kind) {
    case QNI_FIELD_INT:
        if (!(st = qni_json_int(&at, INT32_MIN, INT32_MAX, &v))) {
            i = (int)v;
            memcpy(to, &i, sizeof(i));
        }
        return st;
    case QNI_FIELD_INT2: return get_ints(&at, 2, to);
    case QNI_FIELD_INT4: return get_ints(&at, 4, to);
    case QNI_FIELD_FLOAT:
        if (!(st = qni_json_double(&at, &d))) {
            x = (float)d;
            memcpy(to, &x, sizeof(x));
        }
        return st;
    case QNI_FIELD_BOOL:
        if (!(st = qni_json_bool(&at, &b)))
            memcpy(to, &b, sizeof(b));
        return st;
    case QNI_FIELD_U64:
        if (!(st = qni_json_int(&at, INT64_MIN, INT64_MAX, &v)))
            memcpy(to, &v, sizeof(v));
        return st;
    case QNI_FIELD_ACT: return get_enum(&at, qni_act_find, to);
    case QNI_FIELD_INIT: return get_enum(&at, qni_init_find, to);
    case QNI_FIELD_PADDING: return get_enum(&at, qni_padding_find, to);
    case QNI_FIELD_INTERPOLATION: return get_enum(&at, qni_interpolation_find, to);
    case QNI_FIELD_DIMS:
        if (!(st = get_dims(&at, QN_MAX_RANK - 1, &shape)))
            memcpy(to, &shape, sizeof(shape));
        return st;
    }
    return QN_E_INTERNAL;
}

static qn_status get_value(const qn_model *m, const struct qni_json_at *at, qn_val *out)
{
    int64_t v;
    qn_status st = qni_json_int(at, -(int64_t)m->inputs, (int64_t)m->layers - 1, &v);

    if (!st)
        *out = v < 0 ? m->input[-1 - v] : m->layer[v].out;
    return st;
}

static qn_status get_layer(qn_model *m, const struct qni_json_at *at)
{
    struct qni_json_at inputs, child = { 0 }, config;
    const struct qni_layer_type *type;
    const char *name, *kind, *reuse = NULL;
    qn_val in[QNI_LAYER_INPUTS];
    char *opt = NULL;
    int n = 0;
    qn_status st;

    if ((st = qni_json_get_text(at, "type", &kind)) || (st = qni_json_get_text(at, "name", &name)) ||
        (st = qni_json_member(&inputs, at, "inputs")) || (st = qni_json_member(&config, at, "config")))
        return st;
    if (qni_json_find(&child, at, "reuse") && (st = qni_json_text(&child, &reuse)))
        return st;
    if (!(type = qni_layer_type_find(kind)))
        return qni_json_error(at, "there is no layer type \"%s\"", kind);
    memset(&child, 0, sizeof(child));
    while (qni_json_next(&inputs, &child)) {
        if (n == QNI_LAYER_INPUTS)
            return qni_json_error(&inputs, "more than %d inputs", QNI_LAYER_INPUTS);
        if ((st = get_value(m, &child, &in[n++])))
            return st;
    }
    if ((st = qni_calloc(m->ctx, &opt, 1, type->opt_bytes)))
        return st;
    for (const struct qni_field *f = type->fields; f->name && !st; f++)
        st = get_field(&config, f, opt);
    if (!st) {
        if (type->name_offset != SIZE_MAX)
            memcpy(opt + type->name_offset, &name, sizeof(name));
        if (type->reuse_offset != SIZE_MAX && reuse)
            memcpy(opt + type->reuse_offset, &reuse, sizeof(reuse));
        qni_layer_add(m, type, opt, in, n);
        st = qni_graph_status(m->g);
    }
    qni_free(m->ctx, &opt);
    return st;
}

static qn_status get_inputs(qn_model *m, const struct qni_json_at *root)
{
    struct qni_json_at list, child = { 0 };
    qn_status st;

    if ((st = qni_json_member(&list, root, "inputs")))
        return st;
    while (qni_json_next(&list, &child)) {
        struct qni_json_at at;
        const char *name;
        qn_shape shape;
        int dtype;

        if ((st = qni_json_get_text(&child, "dtype", &name)) || (st = qni_json_member(&at, &child, "shape")) ||
            (st = get_dims(&at, QN_MAX_RANK - 1, &shape)))
            return st;
        for (dtype = 0; dtype <= QN_U8 && strcmp(name, qn_dtype_name((qn_dtype)dtype)); dtype++)
            ;
        if (dtype > QN_U8)
            return qni_json_error(&child, "there is no dtype \"%s\"", name);
        qn_input(m, (qn_dtype)dtype, shape.rank, shape.dim);
        if ((st = qni_graph_status(m->g)))
            return st;
    }
    return QN_OK;
}

static qn_status read_names(const struct qni_json_at *list, const char *const *names, size_t count, int *to, int most)
{
    struct qni_json_at child = { 0 };
    int n = 0;
    qn_status st;

    while (qni_json_next(list, &child)) {
        const char *text;
        size_t i = 0;

        if (n == most)
            return qni_json_error(list, "more than %d entries", most);
        if ((st = qni_json_text(&child, &text)))
            return st;
        while (i < count && strcmp(names[i], text))
            i++;
        if (i == count)
            return qni_json_error(&child, "\"%s\" is not known", text);
        to[n++] = (int)i;
    }
    return QN_OK;
}

static qn_status get_names(const struct qni_json_at *object, const char *key, const char *const *names, size_t count, int *to,
                           int most)
{
    struct qni_json_at list;
    const qn_status st = qni_json_member(&list, object, key);

    return st ? st : read_names(&list, names, count, to, most);
}

/* A list of names for each output. Older files have none. */
static qn_status get_output_metrics(const struct qni_json_at *compile, qn_compile_opt *c)
{
    struct qni_json_at list, child = { 0 };
    qn_status st;

    if (!qni_json_find(&list, compile, "output_metrics"))
        return QN_OK;
    for (int i = 0; qni_json_next(&list, &child); i++) {
        int names[QN_MAX_METRICS] = { 0 };

        if (i == QN_MAX_OUTPUTS)
            return qni_json_error(&list, "more than %d entries", QN_MAX_OUTPUTS);
        if ((st = read_names(&child, qni_metric_names, QNI_METRICS, names, QN_MAX_METRICS)))
            return st;
        for (int k = 0; k < QN_MAX_METRICS; k++)
            c->output_metrics[i][k] = (qn_metric)names[k];
    }
    return QN_OK;
}

/* Older files have neither. */
static qn_status get_schedule(const struct qni_json_at *at, qn_optimizer *p)
{
    struct qni_json_at s;
    int kind = 0;
    qn_status st;

    if (qni_json_find(&s, at, "decay_matrices_only") && (st = qni_json_bool(&s, &p->decay_matrices_only)))
        return st;
    if (!qni_json_find(&s, at, "schedule"))
        return QN_OK;
    if ((st = find_name(&s, "kind", qni_schedule_names, QNI_SCHEDULES, &kind)) ||
        (st = qni_json_get_int(&s, "warmup", 0, INT64_MAX, &p->schedule.warmup)) ||
        (st = qni_json_get_int(&s, "steps", 0, INT64_MAX, &p->schedule.steps)) ||
        (st = get_float(&s, "rate", &p->schedule.rate)) || (st = get_float(&s, "end", &p->schedule.end)) ||
        (st = get_float(&s, "power", &p->schedule.power)))
        return st;
    p->schedule.kind = (qn_schedule_kind)kind;
    return QN_OK;
}

static qn_status get_optimizer(const struct qni_json_at *at, qn_optimizer *p)
{
    struct qni_json_at newer;
    int kind = 0;
    qn_status st;

    if ((st = find_name(at, "kind", qni_optimizer_names, QNI_OPTIMIZERS, &kind)) ||
        (st = get_float(at, "lr", &p->lr)) || (st = get_float(at, "momentum", &p->momentum)) ||
        (st = qni_json_get_bool(at, "nesterov", &p->nesterov)) || (st = qni_json_get_double(at, "beta1", &p->beta1)) ||
        (st = qni_json_get_double(at, "beta2", &p->beta2)) || (st = get_float(at, "epsilon", &p->epsilon)) ||
        (st = qni_json_get_bool(at, "amsgrad", &p->amsgrad)) || (st = get_float(at, "weight_decay", &p->weight_decay)) ||
        (st = get_float(at, "clip_value", &p->clip_value)) || (st = get_float(at, "clip_norm", &p->clip_norm)) ||
        (st = get_float(at, "global_clip_norm", &p->global_clip_norm)))
        return st;
    p->kind = (qn_optimizer_kind)kind;
    /* Files of before these were there have optimizers that do not use them. */
    if (qni_json_find(&newer, at, "rho") &&
        ((st = get_float(at, "rho", &p->rho)) || (st = get_float(at, "initial", &p->initial)) ||
         (st = qni_json_get_bool(at, "centered", &p->centered))))
        return st;
    return get_schedule(at, p);
}

static qn_status get_compile(const struct qni_json_at *root, qn_compile_opt *c)
{
    struct qni_json_at at, optimizer, list, child = { 0 };
    int names[QN_MAX_OUTPUTS > QN_MAX_METRICS ? QN_MAX_OUTPUTS : QN_MAX_METRICS] = { 0 }, loss = 0, n = 0;
    int64_t v;
    qn_status st;

    if ((st = qni_json_member(&at, root, "compile")) || (st = qni_json_get_int(&at, "seed", INT64_MIN, INT64_MAX, &v)) ||
        (st = find_name(&at, "loss", qni_loss_names, QNI_LOSSES, &loss)) ||
        (st = qni_json_get_bool(&at, "from_logits", &c->from_logits)) ||
        (st = get_float(&at, "label_smoothing", &c->label_smoothing)) ||
        (st = get_names(&at, "metrics", qni_metric_names, QNI_METRICS, names, QN_MAX_METRICS)))
        return st;
    c->seed = (uint64_t)v;
    c->loss = (qn_loss)loss;
    for (int i = 0; i < QN_MAX_METRICS; i++)
        c->metrics[i] = (qn_metric)names[i];
    memset(names, 0, sizeof(names));
    if ((st = get_names(&at, "losses", qni_loss_names, QNI_LOSSES, names, QN_MAX_OUTPUTS)) ||
        (st = qni_json_get_int(&at, "top_k", 0, INT32_MAX, &v)) || (st = qni_json_member(&list, &at, "loss_weights")) ||
        (st = qni_json_member(&optimizer, &at, "optimizer")))
        return st;
    c->top_k = (int)v;
    for (int i = 0; i < QN_MAX_OUTPUTS; i++)
        c->losses[i] = (qn_loss)names[i];
    /* Before this was there, weights were the metrics' too. */
    c->weighted_metrics = true;
    if (qni_json_find(&child, &at, "weighted_metrics") && (st = qni_json_bool(&child, &c->weighted_metrics)))
        return st;
    memset(&child, 0, sizeof(child));
    while (qni_json_next(&list, &child) && n < QN_MAX_OUTPUTS) {
        double d;

        if ((st = qni_json_double(&child, &d)))
            return st;
        c->loss_weights[n++] = (float)d;
    }
    if ((st = get_output_metrics(&at, c)))
        return st;
    return get_optimizer(&optimizer, &c->optimizer);
}

static qn_status get_training(const struct qni_json_at *root, qn_model *m)
{
    struct qni_json_at at;
    int64_t step, samples;
    qn_status st;

    if ((st = qni_json_member(&at, root, "training")) || (st = qni_json_get_int(&at, "step", 0, INT64_MAX, &step)) ||
        (st = qni_json_get_int(&at, "samples", 0, INT64_MAX, &samples)) ||
        (st = qni_json_get_int(&at, "epoch", 0, INT64_MAX, &m->epoch)) || (st = get_float(&at, "lr", &m->lr)))
        return st;
    m->step = (uint64_t)step;
    m->samples = (uint64_t)samples;
    return QN_OK;
}

static qn_status get_key(const struct qni_json_at *at, uint64_t *key)
{
    const char *text = qni_json_key(at);

    *key = 0;
    for (int i = 0; i < 16; i++) {
        const char *digits = "0123456789abcdef", *d = text[i] ? strchr(digits, text[i]) : NULL;

        if (!d)
            return qni_json_error(at, "expected a key of 16 hexadecimal digits");
        *key = *key << 4 | (uint64_t)(d - digits);
    }
    return text[16] ? qni_json_error(at, "expected a key of 16 hexadecimal digits") : QN_OK;
}

/* Files of older versions name none; those of another device are of no use here. */
static qn_status get_choices(const struct qni_json_at *root, qn_model *m)
{
    struct qni_json_at at, list, child = { 0 };
    const char *text;
    char device[512];
    qn_status st;

    if (!qni_json_find(&at, root, "algorithms"))
        return QN_OK;
    if ((st = qni_json_get_text(&at, "device", &text)) || (st = qni_json_member(&list, &at, "chosen")))
        return st;
    qni_model_device_text(m, device, sizeof(device));
    if (strcmp(text, device)) {
        qni_log(m->ctx, QN_LOG_INFO, "the model was saved on %s: algorithms are chosen anew", text);
        return QN_OK;
    }
    while (qni_json_next(&list, &child)) {
        uint64_t key;

        if ((st = get_key(&child, &key)) || (st = qni_json_text(&child, &text)) ||
            (st = qni_choices_load(&m->choices, key, text)))
            return st;
    }
    return QN_OK;
}

/* Older files have none. */
static qn_status get_notes(const struct qni_json_at *root, qn_model *m)
{
    struct qni_json_at list, child = { 0 };
    const char *text;
    qn_status st = QN_OK;

    if (!qni_json_find(&list, root, "notes"))
        return QN_OK;
    if (qni_json_type(&list) != QNI_JSON_OBJECT)
        return qni_json_expected(&list, "an object of texts");
    while (!st && qni_json_next(&list, &child))
        if (!(st = qni_json_text(&child, &text)))
            st = qn_model_set_note(m, qni_json_key(&child), text);
    return st;
}

qn_status qni_model_from_text(qn_model **out, qn_device *dev, const char *name, const char *text)
{
    struct qni_json *json = NULL;
    struct qni_json_at root, list, child = { 0 };
    qn_compile_opt compile = { 0 };
    qn_model *m = NULL;
    qn_status st;

    *out = NULL;
    if ((st = qni_json_parse(&json, dev->ctx, name, text, strlen(text), 0)) || (st = qn_model_create(&m, dev)))
        goto done;
    root = qni_json_root(json);
    if ((st = get_inputs(m, &root)) || (st = qni_json_member(&list, &root, "layers")))
        goto done;
    while (qni_json_next(&list, &child))
        if ((st = get_layer(m, &child)))
            goto done;
    if ((st = qni_json_member(&list, &root, "outputs")))
        goto done;
    memset(&child, 0, sizeof(child));
    while (qni_json_next(&list, &child)) {
        qn_val v;

        if ((st = get_value(m, &child, &v)))
            goto done;
        qn_model_output(m, v);
    }
    if ((st = get_compile(&root, &compile)) || (st = qn_model_compile(m, &compile)) || (st = get_training(&root, m)) ||
        (st = get_choices(&root, m)) || (st = get_notes(&root, m)) || (st = qni_preps_get(m, &root)) ||
        (st = qni_history_get(m, &root)))
        goto done;
    *out = m;
    m = NULL;
done:
    /* What a file asks for and the model refuses is the file's fault. */
    if (st == QN_E_ARG || st == QN_E_SHAPE || st == QN_E_STATE) {
        qni_error_prefix("%s: ", name);
        st = QN_E_FORMAT;
    }
    qn_model_destroy(&m);
    qni_json_free(&json);
    return st;
}

/* ---- the tensors ---- */

static qn_status read_tensor(qn_model *m, const struct qni_safetensors *file, const char *path, int i, int slot, void *buffer)
{
    const struct qni_variable *v = &m->g->variable[i];
    const struct qni_safetensors_entry *e;
    char name[256], a[160], b[160];
    qn_status st;

    qni_tensor_name(v, slot, name, sizeof(name));
    if (!(e = qni_safetensors_find(file, name)))
        return qni_error(QN_E_FORMAT, "%s: there is no tensor %s", path, name);
    if (!e->readable || e->dtype != v->dtype || !qni_shape_equal(&e->shape, &v->shape))
        return qni_error(QN_E_FORMAT, "%s: tensor %s is %s %s, expected %s %s", path, name, e->type,
                         qni_shape_text(&e->shape, a, sizeof(a)), qn_dtype_name(v->dtype),
                         qni_shape_text(&v->shape, b, sizeof(b)));
    if ((st = qni_safetensors_read(file, e, 0, buffer, (size_t)e->bytes)))
        return st;
    return qni_state_write(m->state, (size_t)i, slot, buffer);
}

static qn_status read_tensors(qn_model *m, const struct qni_safetensors *file, const char *path, bool state)
{
    int weights = qn_model_weights(m);
    uint32_t words[QNI_BLOCK_WORDS];
    const struct qni_safetensors_entry *e;
    void *buffer = NULL;
    qn_status st;

    if ((st = qni_calloc(m->ctx, &buffer, qni_largest_weight(m), 1)))
        return st;
    for (int slot = -1; slot < (state ? m->state->slots : 0) && !st; slot++)
        for (int i = 0; i < weights && !st; i++)
            if (slot < 0 || qni_has_slots(&m->g->variable[i]))
                st = read_tensor(m, file, path, i, slot, buffer);
    qni_free(m->ctx, &buffer);
    if (st || !state)
        return st;
    e = qni_safetensors_find(file, "optimizer/device");
    if (!e || !e->readable || e->dtype != QN_I32 || e->bytes != (int64_t)sizeof(words))
        return qni_error(QN_E_FORMAT, "%s: tensor optimizer/device is missing or has another shape", path);
    if ((st = qni_safetensors_read(file, e, 0, words, sizeof(words))))
        return st;
    return qni_state_device_block(m->state, words, true);
}

qn_status qn_model_load(qn_model **out, qn_device *dev, const char *path)
{
    struct qni_safetensors *file = NULL;
    const char *text;
    qn_model *m = NULL;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !dev || !path)
        return qni_error(QN_E_ARG, "out, dev or path is NULL");
    if ((st = qni_safetensors_open(&file, dev->ctx, path)))
        return st;
    text = qni_safetensors_metadata(file, "quern.model");
    if (!text)
        st = qni_error(QN_E_FORMAT, "%s has weights but no model: load them into one with qn_model_load_weights()", path);
    else if (!(st = qni_model_from_text(&m, dev, path, text)))
        st = read_tensors(m, file, path, true);
    if (st)
        qn_model_destroy(&m);
    qni_safetensors_close(&file);
    *out = m;
    return st;
}

qn_status qn_model_load_weights(qn_model *m, const char *path)
{
    struct qni_safetensors *file = NULL;
    qn_status st;

    if (!m || !path)
        return qni_error(QN_E_ARG, "m or path is NULL");
    if (!m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled");
    if ((st = qni_model_drain(m, NULL)) || (st = qni_safetensors_open(&file, m->dev->ctx, path)))
        return st;
    if (!(st = read_tensors(m, file, path, false)))
        m->state->torn = false;
    qni_safetensors_close(&file);
    return st;
}
