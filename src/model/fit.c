/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Runs over a dataset: fit, evaluate, predict. */
#include <inttypes.h>

#include "model/model.h"

#define READ_SECONDS 0.25 /* between two looks at the meters */

/* ---- what a dataset's fields are for ---- */

struct fields {
    int in[QNI_MAX_MODEL_IO], target[QNI_MAX_MODEL_IO], weight;
};

/* The graph's axes behind the batch must hold what a sample holds; [1] and a scalar are the same. */
static qn_status check_field(const qn_model *m, qn_val v, const qn_field *f)
{
    qn_shape want = qni_value_shape(m->g, v), have = f->shape;
    char a[160], b[160];
    bool fits;

    memmove(want.dim, want.dim + 1, sizeof(want.dim) - sizeof(want.dim[0]));
    want.rank--;
    fits = want.rank == have.rank;
    for (int i = 0; fits && i < want.rank; i++)
        fits = want.dim[i] == QN_ANY || want.dim[i] == have.dim[i];
    if (!fits && qni_elements(&have) == 1 && qni_elements(&want) == 1)
        fits = true;
    if (!fits)
        return qni_error(QN_E_SHAPE, "field %s of the data has shape %s, the model takes %s", f->name,
                         qni_shape_text(&have, a, sizeof(a)), qni_shape_text(&want, b, sizeof(b)));
    return QN_OK;
}

static qn_status match_fields(const qn_model *m, const qn_dataset *ds, bool targets, struct fields *out)
{
    int in = 0, target = 0, want = 0;
    qn_status st;

    memset(out, 0xff, sizeof(*out));
    for (int i = 0; i < qn_dataset_fields(ds); i++) {
        const qn_field *f = qn_dataset_field(ds, i);

        if (f->role == QN_FIELD_INPUT && in < m->inputs) {
            if ((st = check_field(m, m->input[in], f)))
                return st;
            out->in[in++] = i;
        } else if (f->role == QN_FIELD_TARGET && targets) {
            while (target < m->outputs && !m->target[target].id)
                target++;
            if (target == m->outputs)
                return qni_error(QN_E_SHAPE, "the data have more targets than the model has losses");
            if ((st = check_field(m, m->target[target], f)))
                return st;
            out->target[target++] = i;
        } else if (f->role == QN_FIELD_WEIGHT && targets && out->weight < 0) {
            out->weight = i;
        }
    }
    if (in < m->inputs)
        return qni_error(QN_E_SHAPE, "the data have %d inputs, the model takes %d", in, m->inputs);
    for (int i = 0; i < m->outputs; i++)
        want += targets && m->target[i].id && out->target[i] < 0;
    return want ? qni_error(QN_E_SHAPE, "the data have no target for %d of the model's outputs", want) : QN_OK;
}

static void fill_feed(const qn_model *m, const qn_dataset *ds, const struct fields *f, struct qni_loader *l,
                      const struct qni_batch *b, struct qni_feed *feed)
{
    memset(feed, 0, sizeof(*feed));
    feed->rows = b->samples;
    feed->run = true;
    feed->loader = l;
    feed->loader_slot = b->slot;
    for (int i = 0; i < m->inputs; i++) {
        feed->in[i] = b->field[f->in[i]];
        feed->in_dtype[i] = qn_dataset_field(ds, f->in[i])->dtype;
    }
    for (int i = 0; i < m->outputs; i++)
        if (f->target[i] >= 0) {
            feed->target[i] = b->field[f->target[i]];
            feed->target_dtype[i] = qn_dataset_field(ds, f->target[i])->dtype;
        }
    if (f->weight >= 0)
        feed->weight = b->field[f->weight];
}

/* ---- evaluate ---- */

static qn_status needs_loss(const qn_model *m)
{
    if (!m || !m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled");
    if (!m->loss[0].id)
        return qni_error(QN_E_STATE, "the model was compiled without a loss");
    return QN_OK;
}

static int64_t batch_of(int batch)
{
    return batch > 0 ? batch : 32;
}

static int loader_threads(int threads)
{
    return threads < 0 ? 0 : threads ? threads : 1;
}

static int loader_slots(int threads)
{
    return loader_threads(threads) + 2 * QNI_PLAN_SLOTS + 1;
}

static qn_status make_loader(struct qni_loader **out, const qn_model *m, qn_dataset *ds, int batch, bool shuffle, int threads)
{
    struct qni_loader_opt opt = { .batch = batch_of(batch), .shuffle = shuffle, .seed = m->opt.seed,
                                  .threads = loader_threads(threads), .slots = loader_slots(threads) };

    if (!ds)
        return qni_error(QN_E_ARG, "there is no dataset");
    if (batch < 0)
        return qni_error(QN_E_ARG, "the batch has %d samples, expected 1 or more", batch);
    return qni_loader_create(out, ds, &opt);
}

static qn_status evaluate(qn_model *m, qn_dataset *ds, int batch, int threads, const char *prefix, qn_logs *out)
{
    struct qni_loader *l = NULL;
    float numbers[QNI_COUNT(m->meter)][4];
    struct fields f;
    struct qni_batch b;
    struct qni_feed feed;
    qn_status st;

    if ((st = match_fields(m, ds, true, &f)) || (st = make_loader(&l, m, ds, batch, false, threads)) ||
        (st = qni_meters_reset(m)) || (st = qni_loader_start(l, 0, 0)))
        goto done;
    while (!(st = qni_loader_next(l, &b)) && b.samples) {
        fill_feed(m, ds, &f, l, &b, &feed);
        if ((st = qni_model_step(m, QNI_MODE_TEST, &feed, NULL)))
            break;
        if (atomic_load(&m->cancel)) {
            st = qni_error(QN_E_CANCELLED, "evaluation was cancelled");
            break;
        }
    }
    if (!st)
        st = qni_meters_read(m, true, numbers, NULL);
    if (!st)
        qni_meters_logs(m, numbers, prefix, out);
done:
    st = qni_model_end(m, l, st);
    qni_loader_destroy(&l);
    return st;
}

qn_status qn_model_evaluate(qn_model *m, qn_dataset *test, int batch, qn_logs *out)
{
    qn_logs logs = { 0 };
    qn_status st = needs_loss(m);

    if (st)
        return st;
    if (!test)
        return qni_error(QN_E_ARG, "there is no dataset");
    atomic_store(&m->cancel, false);
    st = evaluate(m, test, batch, 0, "", &logs);
    if (!st && out)
        *out = logs;
    return st;
}

/* ---- fit ---- */

struct run {
    qn_model *m;
    const qn_fit_opt *opt;
    qn_dataset *train, *validation;
    qn_dataset *first, *last;      /* owned parts of a validation split */
    struct qni_loader *loader;
    struct fields fields;
    struct qni_bar bar;
    qn_progress progress;
    qn_logs logs;
    float *weight;                 /* [slots, most] of samples, by class, or NULL */
    int64_t most;                  /* samples of a batch */
    int64_t target_elements;       /* of a sample */
    float numbers[1 + QN_MAX_METRICS + QN_MAX_OUTPUTS][4];
    cl_event reading;              /* of the meters, or NULL */
    double begun, looked;
    int64_t waited, samples;
    qn_history *history;
    bool stop;
};

static qn_status tell(struct run *r, qn_event event)
{
    qn_status st = QN_OK;

    r->progress.event = event;
    r->progress.logs = &r->logs;
    r->progress.seconds = qni_now() - r->begun;
    r->progress.samples_per_s = r->progress.seconds > 0.0 ? (double)r->samples / r->progress.seconds : 0.0;
    r->progress.waited = r->progress.seconds > 0.0 && r->loader
                             ? 1e-9 * (double)(qni_loader_waited_ns(r->loader) - r->waited) / r->progress.seconds : 0.0;
    qni_bar_show(&r->bar, &r->progress);
    for (int i = 0; i < r->opt->callback_count && !st; i++)
        if (r->opt->callbacks[i].call)
            st = r->opt->callbacks[i].call(r->opt->callbacks[i].user, r->m, &r->progress, &r->stop);
    return st;
}

/* A few times a second: ask for the meters, and report them when they are here. Never waits. */
static qn_status look(struct run *r)
{
    const struct qni_cl *cl = r->m->dev->cl;
    cl_int state = CL_QUEUED;
    qn_status st;

    if (!r->reading) {
        if (qni_now() - r->looked < READ_SECONDS)
            return QN_OK;
        r->looked = qni_now();
        return qni_meters_read(r->m, false, r->numbers, &r->reading);
    }
    if (cl->GetEventInfo(r->reading, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(state), &state, NULL) || state > CL_COMPLETE)
        return QN_OK;
    cl->ReleaseEvent(r->reading);
    r->reading = NULL;
    if (state < 0) {
        r->m->state->torn = true;
        return qni_device_error(r->m->dev, state, "reading the meters");
    }
    r->logs.n = 0;
    qni_meters_logs(r->m, r->numbers, "", &r->logs);
    st = tell(r, QN_EVENT_STEP);
    return st;
}

static void end_reading(struct run *r)
{
    if (!r->reading)
        return;
    r->m->dev->cl->WaitForEvents(1, &r->reading);
    r->m->dev->cl->ReleaseEvent(r->reading);
    r->reading = NULL;
}

static qn_status record_epoch(struct run *r)
{
    qn_history *h = r->history;
    qn_status st;

    if (!h)
        return QN_OK;
    if ((st = qni_realloc(r->m->ctx, &h->epoch, (size_t)h->epochs + 1, sizeof(*h->epoch))))
        return st;
    h->epoch[h->epochs++] = r->logs;
    return QN_OK;
}

/* ---- weights of classes ---- */

static qn_status prepare_classes(struct run *r)
{
    const qn_fit_opt *o = r->opt;
    const qn_loss loss = r->m->opt.losses[0] ? r->m->opt.losses[0] : r->m->opt.loss;
    const bool dense = loss == QN_CATEGORICAL_CROSSENTROPY;

    if (!o->class_weight && !o->classes)
        return QN_OK;
    r->target_elements = r->fields.target[0] < 0 ? 0 : qni_elements(&qn_dataset_field(r->train, r->fields.target[0])->shape);
    if (!o->class_weight || o->classes < 1 || r->m->outputs != 1 || r->target_elements != (dense ? o->classes : 1) ||
        (!dense && loss != QN_SPARSE_CATEGORICAL_CROSSENTROPY && loss != QN_BINARY_CROSSENTROPY))
        return qni_error(QN_E_ARG, "weights of %d classes do not fit a loss over %" PRId64 " numbers a sample", o->classes,
                         r->target_elements);
    r->most = QNI_MIN(batch_of(o->batch), QNI_MAX(qn_dataset_samples(r->train), 1));
    return qni_calloc(r->m->ctx, &r->weight, (size_t)loader_slots(o->threads) * (size_t)r->most, sizeof(*r->weight));
}

/* The class of a sample: a number, or where its distribution is largest. */
static int64_t class_of(const struct run *r, const struct qni_feed *feed, int64_t sample)
{
    const int64_t n = r->target_elements;
    const float *t = feed->target[0];
    int64_t best = 0;

    if (n == 1 || feed->target_dtype[0] != QN_F32)
        return qni_integer_at(t, feed->target_dtype[0], sample);
    for (int64_t k = 1; k < n; k++)
        best = t[sample * n + k] > t[sample * n + best] ? k : best;
    return best;
}

/* Weights go into the loader's slot, which is kept until they are uploaded. */
static qn_status weigh_classes(const struct run *r, const struct qni_batch *b, struct qni_feed *feed)
{
    float *weight = r->weight ? r->weight + (int64_t)b->slot * r->most : NULL;

    for (int64_t i = 0; weight && i < feed->rows; i++) {
        const int64_t class = class_of(r, feed, i);

        if (class < 0 || class >= r->opt->classes)
            return qni_error(QN_E_ARG, "sample %" PRId64 " of batch %" PRId64 " is of class %" PRId64
                             ", and there are weights of %d", i, b->number, class, r->opt->classes);
        weight[i] = r->opt->class_weight[class] * (feed->weight ? feed->weight[i] : 1.0f);
    }
    if (weight)
        feed->weight = weight;
    return QN_OK;
}

static qn_status run_epoch(struct run *r)
{
    qn_model *m = r->m;
    struct qni_batch b;
    struct qni_feed feed;
    qn_status st;

    r->logs.n = 0;
    r->samples = r->progress.step = 0;
    r->begun = r->looked = qni_now();
    r->waited = qni_loader_waited_ns(r->loader);
    if ((st = tell(r, QN_EVENT_EPOCH_BEGIN)) || (st = qni_meters_reset(m)) ||
        (st = qni_loader_start(r->loader, m->epoch, 0)))
        return st;
    while (!r->stop && !(st = qni_loader_next(r->loader, &b)) && b.samples) {
        fill_feed(m, r->train, &r->fields, r->loader, &b, &feed);
        if ((st = weigh_classes(r, &b, &feed)) || (st = qni_model_step(m, QNI_MODE_TRAIN, &feed, NULL)))
            return st;
        r->samples += b.samples;
        r->progress.step++;
        if (r->history)
            r->history->steps++;
        if (atomic_load(&m->cancel))
            return qni_error(QN_E_CANCELLED, "training was cancelled after step %lld of epoch %d",
                             (long long)r->progress.step, r->progress.epoch + 1);
        if ((st = look(r)))
            return st;
    }
    if (st)
        return st;
    end_reading(r);
    if ((st = qni_model_drain(m, r->loader)) || (st = qni_meters_read(m, true, r->numbers, NULL)))
        return st;
    m->epoch++;
    if (!r->opt->no_keep && (st = qni_model_keep(m)))
        return st;
    r->logs.n = 0;
    qni_meters_logs(m, r->numbers, "", &r->logs);
    if (r->validation && (st = evaluate(m, r->validation, r->opt->batch, r->opt->threads, "val_", &r->logs)))
        return st;
    if ((st = qni_history_add(m, &r->logs)) || (st = tell(r, QN_EVENT_EPOCH_END)))
        return st;
    return record_epoch(r);
}

static qn_status prepare_run(struct run *r)
{
    qn_model *m = r->m;
    qn_status st;

    if ((st = needs_loss(m)))
        return st;
    if (m->optimizer.kind == QN_OPTIMIZER_NONE)
        return qni_error(QN_E_STATE, "the model was compiled without an optimizer");
    if (!r->train)
        return qni_error(QN_E_ARG, "there is no dataset to train on");
    if (r->opt->epochs < 0)
        return qni_error(QN_E_ARG, "%d epochs, expected 1 or more", r->opt->epochs);
    if (r->opt->validation && r->opt->validation_split != 0.0)
        return qni_error(QN_E_ARG, "give validation data or a split, not both");
    r->validation = r->opt->validation;
    if (r->opt->validation_split != 0.0) {
        if ((st = qn_dataset_split(&r->first, &r->last, r->train, r->opt->validation_split)))
            return st;
        r->train = r->first;
        r->validation = r->last;
    }
    if ((st = match_fields(m, r->train, true, &r->fields)) || (st = prepare_classes(r)) || (st = qni_model_whole(m)) ||
        (!r->opt->no_keep && (st = qn_model_keep(m))) ||
        (st = make_loader(&r->loader, m, r->train, r->opt->batch, !r->opt->no_shuffle, r->opt->threads)))
        return st;
    qni_bar_init(&r->bar, r->opt->progress);
    r->progress.epochs = r->opt->first_epoch + (r->opt->epochs ? r->opt->epochs : 1);
    r->progress.steps = qni_loader_batches(r->loader);
    return QN_OK;
}

static qn_status fit(qn_model *m, qn_dataset *train, const qn_fit_opt *opt, qn_history *history)
{
    static const qn_fit_opt defaults;
    struct run r = { .m = m, .opt = opt ? opt : &defaults, .train = train, .history = history };
    double begun = qni_now();
    int64_t waited;
    qn_status st;

    if (m)
        atomic_store(&m->cancel, false);
    st = prepare_run(&r);
    for (r.progress.epoch = r.opt->first_epoch; !st && !r.stop && r.progress.epoch < r.progress.epochs; r.progress.epoch++)
        st = run_epoch(&r);
    if (!st)
        st = tell(&r, QN_EVENT_TRAIN_END);
    end_reading(&r);
    if (m && m->compiled)
        st = qni_model_end(m, r.loader, st);
    waited = r.loader ? qni_loader_waited_ns(r.loader) : 0;
    qni_loader_destroy(&r.loader);
    if (r.weight)
        qni_free(m->ctx, &r.weight);
    qn_dataset_close(&r.first);
    qn_dataset_close(&r.last);
    if (history) {
        history->seconds = qni_now() - begun;
        history->waited = history->seconds > 0.0 ? 1e-9 * (double)waited / history->seconds : 0.0;
    }
    return st;
}

qn_status qn_model_fit(qn_model *m, qn_dataset *train, const qn_fit_opt *opt)
{
    return fit(m, train, opt, NULL);
}

qn_status qn_model_fit_history(qn_model *m, qn_dataset *train, const qn_fit_opt *opt, qn_history **out)
{
    qn_status st;

    if (!m || !out)
        return qni_error(QN_E_ARG, "m or out is NULL");
    if ((st = qni_calloc(m->ctx, out, 1, sizeof(**out))))
        return st;
    return fit(m, train, opt, *out);
}

void qn_history_free(qn_history **h, qn_model *m)
{
    if (!h || !*h || !m)
        return;
    qni_free(m->ctx, &(*h)->epoch);
    qni_free(m->ctx, h);
}

/* ---- single batches ---- */

static qn_status one_batch(qn_model *m, enum qni_mode mode, const void *const *in, const void *const *targets,
                           const float *weights, int64_t samples, qn_logs *out)
{
    struct qni_feed feed = { .rows = samples, .weight = weights, .copy = true };
    float numbers[QNI_COUNT(m->meter)][4];
    qn_status st = needs_loss(m);

    if (st)
        return st;
    if (!in || !targets || samples < 0)
        return qni_error(QN_E_ARG, "in or targets is NULL, or samples is negative");
    for (int i = 0; i < m->inputs; i++) {
        feed.in[i] = in[i];
        feed.in_dtype[i] = qni_value_get(m->g, m->input[i])->dtype;
    }
    for (int i = 0, k = 0; i < m->outputs; i++)
        if (m->target[i].id) {
            feed.target[i] = targets[k++];
            feed.target_dtype[i] = qni_value_get(m->g, m->target[i])->dtype;
        }
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

qn_status qn_model_train_batch(qn_model *m, const void *const *in, const void *const *targets, const float *weights,
                               int64_t samples, qn_logs *out)
{
    if (m && m->compiled && m->optimizer.kind == QN_OPTIMIZER_NONE)
        return qni_error(QN_E_STATE, "the model was compiled without an optimizer");
    return one_batch(m, QNI_MODE_TRAIN, in, targets, weights, samples, out);
}

qn_status qn_model_test_batch(qn_model *m, const void *const *in, const void *const *targets, const float *weights,
                              int64_t samples, qn_logs *out)
{
    return one_batch(m, QNI_MODE_TEST, in, targets, weights, samples, out);
}

/* ---- predict ---- */

/* Enqueue the copies of a plan's outputs to their rows of the results. */
static qn_status read_outputs(qn_model *m, struct qni_cached_plan *c, void *const *out, int64_t row)
{
    qn_status st = QN_OK;

    for (int i = 0; i < m->outputs && !st; i++) {
        const struct qni_plan_output *o = &c->plan->output[i];
        size_t each = c->rows ? o->bytes / (size_t)c->rows : 0;

        if (out[i])
            st = qni_plan_read(c->plan, (size_t)i, (char *)out[i] + (size_t)row * each, o->bytes, false, NULL);
    }
    return st;
}

static qn_status needs_compiled(const qn_model *m)
{
    return m && m->compiled ? QN_OK : qni_error(QN_E_STATE, "the model is not compiled");
}

qn_status qn_model_predict_dataset(qn_model *m, qn_dataset *ds, void *const *out, int batch)
{
    struct qni_loader *l = NULL;
    struct fields f;
    struct qni_batch b;
    struct qni_feed feed;
    struct qni_cached_plan *c;
    qn_status st = needs_compiled(m);

    if (st)
        return st;
    if (!ds || !out)
        return qni_error(QN_E_ARG, "ds or out is NULL");
    atomic_store(&m->cancel, false);
    if ((st = match_fields(m, ds, false, &f)) || (st = make_loader(&l, m, ds, batch, false, 0)) ||
        (st = qni_loader_start(l, 0, 0)))
        goto done;
    while (!(st = qni_loader_next(l, &b)) && b.samples) {
        fill_feed(m, ds, &f, l, &b, &feed);
        if ((st = qni_model_step(m, QNI_MODE_PREDICT, &feed, &c)) || (st = read_outputs(m, c, out, b.first)))
            break;
        if (atomic_load(&m->cancel)) {
            st = qni_error(QN_E_CANCELLED, "prediction was cancelled");
            break;
        }
    }
done:
    st = qni_model_end(m, l, st);
    qni_loader_destroy(&l);
    return st;
}

qn_status qn_model_predict(qn_model *m, const void *const *in, int64_t samples, void *const *out, int batch)
{
    struct qni_cached_plan *c;
    qn_status st = needs_compiled(m);
    int64_t most = batch > 0 ? batch : 32;

    if (st)
        return st;
    if (!in || !out || samples < 0 || batch < 0)
        return qni_error(QN_E_ARG, "in or out is NULL, or samples or batch is negative");
    atomic_store(&m->cancel, false);
    for (int64_t row = 0; row < samples && !st; row += most) {
        struct qni_feed feed = { .rows = QNI_MIN(most, samples - row), .run = true };

        for (int i = 0; i < m->inputs; i++) {
            qn_shape shape = qni_value_shape(m->g, m->input[i]);
            size_t each = qn_dtype_bytes(qni_value_get(m->g, m->input[i])->dtype);

            for (int k = 1; k < shape.rank; k++)
                each *= (size_t)shape.dim[k];
            feed.in[i] = (const char *)in[i] + (size_t)row * each;
            feed.in_dtype[i] = qni_value_get(m->g, m->input[i])->dtype;
        }
        if (!(st = qni_model_step(m, QNI_MODE_PREDICT, &feed, &c)))
            st = read_outputs(m, c, out, row);
        if (!st && atomic_load(&m->cancel))
            st = qni_error(QN_E_CANCELLED, "prediction was cancelled");
    }
    return qni_model_end(m, NULL, st);
}
