/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The callbacks that come with the library. */
#include <errno.h>
#include <math.h>

#include "model/model.h"

void qn_callback_close(qn_callback *cb)
{
    if (!cb)
        return;
    if (cb->close)
        cb->close(cb->user);
    memset(cb, 0, sizeof(*cb));
}

/* ---- early stopping ---- */

struct stopping {
    qn_model *m;
    qn_context *ctx;
    char *monitor;
    int patience, waited;
    double min_delta, best;
    bool larger, restore;
    float **weights;             /* of the best epoch */
    int count;
};

static qn_status keep_weights(struct stopping *s)
{
    qn_status st;

    if (!s->weights) {
        s->count = qn_model_weights(s->m);
        if ((st = qni_calloc(s->ctx, &s->weights, (size_t)s->count, sizeof(*s->weights))))
            return st;
    }
    for (int i = 0; i < s->count; i++) {
        qn_shape shape;
        size_t n;

        if ((st = qn_model_weight_info(s->m, i, NULL, &shape, NULL)))
            return st;
        n = (size_t)qni_elements(&shape);
        if (!s->weights[i] && (st = qni_calloc(s->ctx, &s->weights[i], n, sizeof(float))))
            return st;
        if ((st = qn_model_weight_read(s->m, i, s->weights[i], n * sizeof(float))))
            return st;
    }
    return QN_OK;
}

static qn_status put_weights(struct stopping *s)
{
    qn_status st = QN_OK;

    for (int i = 0; s->weights && i < s->count && !st; i++) {
        qn_shape shape;

        if (!(st = qn_model_weight_info(s->m, i, NULL, &shape, NULL)))
            st = qn_model_weight_write(s->m, i, s->weights[i], (size_t)qni_elements(&shape) * sizeof(float));
    }
    return st;
}

static qn_status stopping_call(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    struct stopping *s = user;
    double v;

    (void)m;
    if (p->event == QN_EVENT_TRAIN_END)
        return s->restore ? put_weights(s) : QN_OK;
    if (p->event != QN_EVENT_EPOCH_END)
        return QN_OK;
    v = qn_logs_get(p->logs, s->monitor);
    if (isnan(v) && p->epoch == 0)
        return qni_error(QN_E_ARG, "early stopping watches %s, which is not logged", s->monitor);
    if (s->larger ? v > s->best + s->min_delta : v < s->best - s->min_delta) {
        s->best = v;
        s->waited = 0;
        return s->restore ? keep_weights(s) : QN_OK;
    }
    if (++s->waited >= QNI_MAX(s->patience, 1))
        *stop = true;
    return QN_OK;
}

static void stopping_close(void *user)
{
    struct stopping *s = user;
    qn_context *ctx = s->ctx;

    for (int i = 0; s->weights && i < s->count; i++)
        qni_free(ctx, &s->weights[i]);
    qni_free(ctx, &s->weights);
    qni_free(ctx, &s->monitor);
    qni_free(ctx, &s);
    qni_context_release(&ctx);
}

/* Callbacks outlive the model they watch, so each retains the context it allocates from. */
static qn_status make(void *out, size_t bytes, qn_model *m)
{
    return qni_calloc(m->ctx, out, 1, bytes);
}

qn_status qn_early_stopping(qn_callback *out, qn_model *m, const qn_early_stopping_opt *opt)
{
    const char *monitor = opt && opt->monitor ? opt->monitor : "val_loss";
    struct stopping *s;
    qn_status st;

    if (out)
        memset(out, 0, sizeof(*out));
    if (!out || !m)
        return qni_error(QN_E_ARG, "out or m is NULL");
    if (opt && (opt->patience < 0 || opt->min_delta < 0))
        return qni_error(QN_E_ARG, "patience and min_delta are 0 or more");
    if ((st = make(&s, sizeof(*s), m)))
        return st;
    s->ctx = qni_context_retain(m->dev->ctx);
    s->m = m;
    s->patience = opt ? opt->patience : 0;
    s->min_delta = opt ? opt->min_delta : 0.0;
    s->restore = opt && opt->restore_best;
    s->larger = (opt && opt->larger_is_better) || strstr(monitor, "acc");
    s->best = s->larger ? -INFINITY : INFINITY;
    if ((st = qni_strdup(m->ctx, &s->monitor, monitor))) {
        stopping_close(s);
        return st;
    }
    *out = (qn_callback){ .call = stopping_call, .close = stopping_close, .user = s };
    return QN_OK;
}

/* ---- CSV log ---- */

struct csv {
    qn_context *ctx;
    FILE *file;
    char *path;
};

static qn_status csv_call(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    struct csv *c = user;
    char text[32];

    (void)m;
    (void)stop;
    if (p->event != QN_EVENT_EPOCH_END)
        return QN_OK;
    if (ftell(c->file) == 0) {
        fprintf(c->file, "epoch");
        for (int i = 0; i < p->logs->n; i++)
            fprintf(c->file, ",%s", p->logs->name[i]);
        fputc('\n', c->file);
    }
    fprintf(c->file, "%d", p->epoch);
    for (int i = 0; i < p->logs->n; i++)
        fprintf(c->file, ",%s", qni_float_text((float)p->logs->value[i], text, sizeof(text)));
    fputc('\n', c->file);
    if (fflush(c->file) || ferror(c->file))
        return qni_error(QN_E_IO, "%s: %s", c->path, strerror(errno));
    return QN_OK;
}

static void csv_close(void *user)
{
    struct csv *c = user;
    qn_context *ctx = c->ctx;

    if (c->file)
        fclose(c->file);
    qni_free(ctx, &c->path);
    qni_free(ctx, &c);
    qni_context_release(&ctx);
}

qn_status qn_csv_log(qn_callback *out, qn_model *m, const char *path)
{
    struct csv *c;
    qn_status st;

    if (out)
        memset(out, 0, sizeof(*out));
    if (!out || !m || !path)
        return qni_error(QN_E_ARG, "out, m or path is NULL");
    if ((st = make(&c, sizeof(*c), m)))
        return st;
    c->ctx = qni_context_retain(m->dev->ctx);
    if ((st = qni_strdup(m->ctx, &c->path, path)))
        goto failed;
    c->file = fopen(path, "a");
    if (!c->file || fseek(c->file, 0, SEEK_END)) {
        st = qni_error(QN_E_IO, "%s: %s", path, strerror(errno));
        goto failed;
    }
    *out = (qn_callback){ .call = csv_call, .close = csv_close, .user = c };
    return QN_OK;
failed:
    csv_close(c);
    return st;
}

/* ---- checkpoint ---- */

struct checkpoint {
    qn_context *ctx;
    char *path, *monitor;        /* monitor NULL: after every epoch */
    double best;
    bool larger;
};

static qn_status checkpoint_call(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    struct checkpoint *c = user;

    (void)stop;
    if (p->event != QN_EVENT_EPOCH_END)
        return QN_OK;
    if (c->monitor) {
        double v = qn_logs_get(p->logs, c->monitor);

        if (isnan(v) && p->epoch == 0)
            return qni_error(QN_E_ARG, "the checkpoint watches %s, which is not logged", c->monitor);
        if (!(c->larger ? v > c->best : v < c->best))
            return QN_OK;
        c->best = v;
    }
    return qn_model_save(m, c->path);
}

static void checkpoint_close(void *user)
{
    struct checkpoint *c = user;
    qn_context *ctx = c->ctx;

    qni_free(ctx, &c->path);
    qni_free(ctx, &c->monitor);
    qni_free(ctx, &c);
    qni_context_release(&ctx);
}

qn_status qn_checkpoint(qn_callback *out, qn_model *m, const char *path, const char *monitor)
{
    struct checkpoint *c;
    qn_status st;

    if (out)
        memset(out, 0, sizeof(*out));
    if (!out || !m || !path)
        return qni_error(QN_E_ARG, "out, m or path is NULL");
    if ((st = make(&c, sizeof(*c), m)))
        return st;
    c->ctx = qni_context_retain(m->dev->ctx);
    c->larger = monitor && strstr(monitor, "acc");
    c->best = c->larger ? -INFINITY : INFINITY;
    if ((st = qni_strdup(m->ctx, &c->path, path)) || (monitor && (st = qni_strdup(m->ctx, &c->monitor, monitor)))) {
        checkpoint_close(c);
        return st;
    }
    *out = (qn_callback){ .call = checkpoint_call, .close = checkpoint_close, .user = c };
    return QN_OK;
}
