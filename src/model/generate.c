/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Drawing from predictions, and continuing sequences. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include <quern/generate.h>

#include "model/model.h"
#include "ops/softmax/softmax.h"

#define STREAM UINT32_C(0x6e657874) /* "next": no operation's stream, which count up from 0 */

/* ---- one draw ---- */

struct candidate {
    float logit;
    int32_t number;
};

/* The largest first; of equal ones the first. */
static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static qn_status check_sampling(const qn_sampling *s)
{
    for (size_t i = 0; i < QNI_COUNT(s->reserved); i++)
        if (s->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the sampling is not zero", i);
    if (!(s->temperature >= 0.0f) || isinf(s->temperature) || s->top_k < 0 || !(s->top_p >= 0.0f && s->top_p <= 1.0f))
        return qni_error(QN_E_ARG, "temperature %g, top_k %d or top_p %g is out of range", (double)s->temperature, s->top_k,
                         (double)s->top_p);
    return QN_OK;
}

/* Uniform in [0, 1), by seed and draw. */
static double uniform(uint64_t seed, uint64_t draw)
{
    const uint32_t counter[4] = { (uint32_t)draw, (uint32_t)(draw >> 32), 0, STREAM };
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t word[4];

    qni_philox(word, counter, key);
    return ((double)word[0] + (double)(word[1] >> 11) * 0x1p-21) * 0x1p-32;
}

/* Of n candidates, sorted, by their probabilities. */
static int32_t draw_from(const struct candidate *c, int64_t n, const qn_sampling *s, double u)
{
    const double heat = s->temperature != 0.0f ? (double)s->temperature : 1, top = (double)c[0].logit;
    const double most = s->top_p != 0.0f ? (double)s->top_p : 1;
    double sum = 0, kept = 0, at = 0;
    int64_t last = 0;

    for (int64_t i = 0; i < n; i++)
        sum += exp(((double)c[i].logit - top) / heat);
    for (; last < n && (last == 0 || kept < most * sum); last++)
        kept += exp(((double)c[last].logit - top) / heat);
    for (int64_t i = 0; i < last; i++) {
        at += exp(((double)c[i].logit - top) / heat);
        if (u * kept < at)
            return c[i].number;
    }
    return c[0].number;
}

/* scratch: [n]. */
static qn_status draw_one(int32_t *out, const float *logits, int64_t n, const qn_sampling *s, uint64_t draw,
                          struct candidate *scratch)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < n; i++) {
        if (isnan(logits[i]) || logits[i] == INFINITY)
            return qni_error(QN_E_ARG, "logit %" PRId64 " of %" PRId64 " is %g", i, n, (double)logits[i]);
        if (logits[i] != -INFINITY)
            scratch[kept++] = (struct candidate){ logits[i], (int32_t)i };
    }
    if (!kept)
        return qni_error(QN_E_ARG, "all of %" PRId64 " logits are -infinity", n);
    qsort(scratch, (size_t)kept, sizeof(*scratch), compare);
    if (s->top_k && kept > s->top_k)
        kept = s->top_k;
    *out = s->greedy ? scratch[0].number : draw_from(scratch, kept, s, uniform(s->seed, draw));
    return QN_OK;
}

qn_status qn_sampling_draw(int32_t *out, const float *logits, int64_t n, const qn_sampling *sampling, uint64_t draw)
{
    static const qn_sampling defaults;
    const qn_sampling *s = sampling ? sampling : &defaults;
    struct candidate *scratch = NULL;
    qn_context *ctx = NULL;
    qn_status st;

    if (!out || !logits || n < 1 || n > INT32_MAX)
        return qni_error(QN_E_ARG, "out or logits is NULL, or there are %" PRId64 " logits", n);
    if ((st = check_sampling(s)) || (st = qn_context_create(&ctx, NULL)))
        return st;
    if (!(st = qni_calloc(ctx, &scratch, (size_t)n, sizeof(*scratch))))
        st = draw_one(out, logits, n, s, draw, scratch);
    qni_free(ctx, &scratch);
    qn_context_destroy(&ctx);
    return st;
}

/* ---- a sequence ---- */

struct generation {
    qn_model *m;
    struct qni_stepper *stepper; /* NULL: every number is drawn from a prediction for the whole window */
    int64_t T, V;
    bool probabilities;          /* the model's output has been through a softmax */
    int32_t *window;             /* [T] what the model sees, padded behind */
    int64_t count;               /* of them that are real */
    int64_t seen;                /* of these that the stepper has seen */
    float *prediction;           /* [T, V] */
    float *last;                 /* [V] of it: what follows the window */
    struct candidate *scratch;   /* [V] */
};

bool qni_model_probabilities(const qn_model *m)
{
    const struct qni_value *y = qni_value_get(m->g, m->output[0]);

    return y->kind == QNI_VALUE_NODE && m->g->node[y->node].op == &qni_op_softmax &&
           !((const struct qni_softmax *)m->g->node[y->node].attr)->log;
}

static qn_status check_model(struct generation *g)
{
    qn_shape in, out;
    qn_dtype dtype;
    char a[160], b[160];
    qn_status st;

    if (!g->m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled");
    if ((st = qn_model_input_shape(g->m, 0, &in, &dtype)) || (st = qn_model_output_shape(g->m, 0, &out, NULL)))
        return st;
    if (g->m->inputs != 1 || g->m->outputs != 1 || dtype != QN_I32 || in.rank != 2 || out.rank != 3 || in.dim[1] < 1 ||
        out.dim[1] != in.dim[1] || out.dim[2] < 1)
        return qni_error(QN_E_SHAPE, "the model reads %s %s and predicts %s, expected i32 [N,T] and [N,T,V]",
                         qn_dtype_name(dtype), qni_shape_text(&in, a, sizeof(a)), qni_shape_text(&out, b, sizeof(b)));
    g->T = in.dim[1];
    g->V = out.dim[2];
    g->probabilities = qni_model_probabilities(g->m);
    return QN_OK;
}

/* Show the stepper what it has not seen: all at once where it begins with several and nothing is carried. */
static qn_status see(struct generation *g)
{
    qn_status st = QN_OK;

    if (!g->seen && g->count > 1 && !g->stepper->carries) {
        st = qni_stepper_see(g->stepper, g->m, g->window, 0, g->count, g->prediction);
        g->last = g->prediction + (g->count - 1) * g->V;
        g->seen = g->count;
        return st;
    }
    for (; g->seen < g->count && !st; g->seen++)
        st = qni_stepper_see(g->stepper, g->m, g->window + g->seen, g->seen, 1, g->prediction);
    g->last = g->prediction;
    return st;
}

/* Put a number behind the window. A full one keeps its later half. */
static qn_status push(struct generation *g, int32_t number)
{
    qn_status st = QN_OK;

    if (g->count == g->T) {
        const int64_t kept = g->T / 2;

        if (g->stepper && !g->stepper->limited) {
            st = see(g);
            g->seen = kept;
        } else if (g->stepper) {
            st = qni_stepper_reset(g->stepper);
            g->seen = 0;
        }
        memmove(g->window, g->window + g->T - kept, (size_t)kept * sizeof(*g->window));
        g->count = kept;
    }
    g->window[g->count++] = number;
    return st;
}

static qn_status predict(struct generation *g)
{
    if (g->stepper)
        return see(g);
    g->last = g->prediction + (g->count - 1) * g->V;
    return qn_model_predict(g->m, (const void *[]){ g->window }, 1, (void *[]){ g->prediction }, 1);
}

static qn_status next(struct generation *g, const qn_sampling *s, uint64_t draw, int32_t *out)
{
    qn_status st = predict(g);

    if (st)
        return st;
    for (int64_t i = 0; i < g->V && g->probabilities; i++)
        g->last[i] = logf(g->last[i]);
    if (!(st = draw_one(out, g->last, g->V, s, draw, g->scratch)))
        st = push(g, *out);
    return st;
}

static qn_status run(struct generation *g, uint64_t first, int32_t *out, int64_t count, int64_t *drawn,
                     const qn_generate_opt *o)
{
    bool stop = false;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < count && !stop && !st; i++) {
        int32_t number = 0;

        if (atomic_load(&g->m->cancel))
            return qni_error(QN_E_CANCELLED, "generation was cancelled");
        if ((st = next(g, &o->sampling, first + (uint64_t)i, &number)))
            break;
        if (out)
            out[i] = number;
        ++*drawn;
        if (o->call)
            st = o->call(o->user, number, &stop);
    }
    return st;
}

qn_status qn_generate(qn_model *m, const int32_t *prompt, int64_t prompt_count, int32_t *out, int64_t count, int64_t *drawn,
                      const qn_generate_opt *opt)
{
    static const qn_generate_opt defaults;
    const qn_generate_opt *o = opt ? opt : &defaults;
    struct generation g = { .m = m };
    int64_t done = 0;
    qn_status st;

    if (drawn)
        *drawn = 0;
    if (!m || !prompt || prompt_count < 1 || count < 0)
        return qni_error(QN_E_ARG, "m or prompt is NULL, the prompt is empty, or count is negative");
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if ((st = check_sampling(&o->sampling)) || (st = check_model(&g)) ||
        (st = qni_calloc(m->ctx, &g.window, (size_t)g.T, sizeof(*g.window))) ||
        (st = qni_calloc(m->ctx, &g.prediction, (size_t)(g.T * g.V), sizeof(*g.prediction))) ||
        (st = qni_calloc(m->ctx, &g.scratch, (size_t)g.V, sizeof(*g.scratch))))
        goto done;
    if ((st = qni_model_whole(m)) || (!o->no_cache && ((st = qni_stepper_get(&g.stepper, m)) ||
                                                       (g.stepper && (st = qni_stepper_reset(g.stepper))))))
        goto done;
    atomic_store(&m->cancel, false);
    for (int64_t i = 0; i < prompt_count && !st; i++)
        st = push(&g, prompt[i]);
    if (!st)
        st = run(&g, (uint64_t)prompt_count, out, count, &done, o);
    if (drawn)
        *drawn = done;
done:
    qni_free(m->ctx, &g.window);
    qni_free(m->ctx, &g.prediction);
    qni_free(m->ctx, &g.scratch);
    return st;
}
