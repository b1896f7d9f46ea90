/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sequences for sources: greedy and beam search with a model that reads both. */
#include <inttypes.h>
#include <math.h>

#include <quern/generate.h>

#include "model/model.h"

#define MOST_WIDTH   1024
#define MOST_PENALTY 10.0f
#define MOST_BATCH   (1 << 20)
#define USUAL_BATCH  64

/* A way to go on. */
struct candidate {
    double sum; /* of logarithms */
    int from;   /* which result goes on */
    int32_t number;
};

/* Where the search for one source stands. */
struct search {
    int live, finished;
    double best;  /* score of what out holds; -infinity: nothing */
    int32_t *out; /* [most] the caller's */
    int64_t *count;
};

struct beam {
    qn_model *m;
    const qn_beam_opt *o;
    int width;
    int64_t T, V, most;
    int64_t group;                /* sources that are searched for at once */
    size_t source_bytes;
    bool probabilities;
    char *source;                 /* [group, width] sources */
    int32_t *window, *next;       /* [group, width, T] what the model sees: begin, and results so far */
    double *sum, *next_sum;       /* [group, width] of their logarithms */
    float *prediction;            /* [group, width, T, V] */
    double *log_p;                /* [V] of one result's next number */
    struct candidate *kept;       /* [width] the likeliest first */
    struct search *search;        /* [group] */
};

/* ---- what is asked for ---- */

static qn_status check_options(const qn_beam_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->width < 0 || o->width > MOST_WIDTH || !(o->length_penalty >= 0.0f && o->length_penalty <= MOST_PENALTY) ||
        o->most < 0 || o->batch < 0 || o->batch > MOST_BATCH)
        return qni_error(QN_E_ARG, "width %d, length_penalty %g, most %" PRId64 " or batch %d is out of range", o->width,
                         (double)o->length_penalty, o->most, o->batch);
    return QN_OK;
}

static qn_status check_model(struct beam *b)
{
    qn_shape source, so_far, out;
    qn_dtype source_dtype, dtype;
    char s[160], t[160];
    qn_status st;

    if (!b->m->compiled)
        return qni_error(QN_E_STATE, "the model is not compiled");
    if (b->m->inputs != 2 || b->m->outputs != 1)
        return qni_error(QN_E_SHAPE, "the model has %d inputs and %d outputs, expected 2 and 1", b->m->inputs, b->m->outputs);
    if ((st = qn_model_input_shape(b->m, 0, &source, &source_dtype)) || (st = qn_model_input_shape(b->m, 1, &so_far, &dtype)) ||
        (st = qn_model_output_shape(b->m, 0, &out, NULL)))
        return st;
    if (dtype != QN_I32 || so_far.rank != 2 || out.rank != 3 || so_far.dim[1] < 1 || out.dim[1] != so_far.dim[1] ||
        out.dim[2] < 1 || out.dim[2] > INT32_MAX)
        return qni_error(QN_E_SHAPE, "the model reads %s %s and predicts %s, expected i32 [N,T] and [N,T,V]",
                         qn_dtype_name(dtype), qni_shape_text(&so_far, s, sizeof(s)), qni_shape_text(&out, t, sizeof(t)));
    b->source_bytes = qn_dtype_bytes(source_dtype);
    for (int i = 1; i < source.rank; i++) {
        if (source.dim[i] < 0)
            return qni_error(QN_E_SHAPE, "sources %s have no fixed size", qni_shape_text(&source, s, sizeof(s)));
        b->source_bytes *= (size_t)source.dim[i];
    }
    b->T = so_far.dim[1];
    b->V = out.dim[2];
    b->probabilities = qni_model_probabilities(b->m);
    return QN_OK;
}

static qn_status start(struct beam *b, int64_t n)
{
    const int64_t batch = b->o->batch ? b->o->batch : USUAL_BATCH;
    size_t rows;
    qn_status st;

    b->width = b->o->width ? b->o->width : 1;
    b->most = b->o->most ? b->o->most : b->T;
    if (b->most > b->T || b->o->end >= b->V)
        return qni_error(QN_E_ARG, "%" PRId64 " numbers are asked for, or %d is the end, of a model for %" PRId64 " of %" PRId64,
                         b->most, (int)b->o->end, b->T, b->V);
    b->group = batch > b->width ? batch / b->width : 1;
    b->group = n < b->group ? n : b->group;
    rows = (size_t)b->group * (size_t)b->width;
    if ((st = qni_calloc(b->m->ctx, &b->source, rows, b->source_bytes)) ||
        (st = qni_calloc(b->m->ctx, &b->window, rows, (size_t)b->T * sizeof(*b->window))) ||
        (st = qni_calloc(b->m->ctx, &b->next, rows, (size_t)b->T * sizeof(*b->next))) ||
        (st = qni_calloc(b->m->ctx, &b->sum, rows, sizeof(*b->sum))) ||
        (st = qni_calloc(b->m->ctx, &b->next_sum, rows, sizeof(*b->next_sum))) ||
        (st = qni_calloc(b->m->ctx, &b->prediction, rows, (size_t)(b->T * b->V) * sizeof(*b->prediction))) ||
        (st = qni_calloc(b->m->ctx, &b->log_p, (size_t)b->V, sizeof(*b->log_p))) ||
        (st = qni_calloc(b->m->ctx, &b->kept, (size_t)b->width, sizeof(*b->kept))))
        return st;
    return qni_calloc(b->m->ctx, &b->search, (size_t)b->group, sizeof(*b->search));
}

static void finish(struct beam *b)
{
    const qn_context *ctx = b->m->ctx;

    qni_free(ctx, &b->source);
    qni_free(ctx, &b->window);
    qni_free(ctx, &b->next);
    qni_free(ctx, &b->sum);
    qni_free(ctx, &b->next_sum);
    qni_free(ctx, &b->prediction);
    qni_free(ctx, &b->log_p);
    qni_free(ctx, &b->kept);
    qni_free(ctx, &b->search);
}

/* ---- a step ---- */

/* Wu et al. 2016, equation 14. */
static double penalty(const struct beam *b, int64_t length)
{
    return pow((5 + (double)length) / 6, (double)b->o->length_penalty);
}

/* Logarithms of the chances of one result's next number. */
static qn_status next_chances(struct beam *b, const float *y)
{
    double top = -HUGE_VAL, total = 0;

    for (int64_t v = 0; v < b->V; v++) {
        if (isnan(y[v]) || y[v] == INFINITY)
            return qni_error(QN_E_ARG, "prediction %" PRId64 " of %" PRId64 " is %g", v, b->V, (double)y[v]);
        b->log_p[v] = b->probabilities ? log((double)y[v]) : (double)y[v];
        top = b->log_p[v] > top ? b->log_p[v] : top;
    }
    if (!(top > -HUGE_VAL))
        return qni_error(QN_E_ARG, "all of %" PRId64 " predictions are %s", b->V, b->probabilities ? "0" : "-infinity");
    for (int64_t v = 0; v < b->V; v++)
        total += exp(b->log_p[v] - top);
    top += log(total);
    for (int64_t v = 0; v < b->V; v++)
        b->log_p[v] -= top;
    return QN_OK;
}

/* Put one in its place among those that are kept, behind equal ones; where all places are taken the last one goes. */
static void keep(struct beam *b, int *kept, int places, struct candidate c)
{
    int at = *kept;

    if (c.sum == -HUGE_VAL || (*kept == places && c.sum <= b->kept[places - 1].sum))
        return;
    if (*kept == places)
        at--;
    else
        ++*kept;
    for (; at > 0 && b->kept[at - 1].sum < c.sum; at--)
        b->kept[at] = b->kept[at - 1];
    b->kept[at] = c;
}

/* The likeliest ways to go on from all results of a source; k numbers are there. */
static qn_status choose(struct beam *b, const struct search *s, int64_t k, int *kept)
{
    const int64_t first = (s - b->search) * b->width;
    qn_status st;

    *kept = 0;
    for (int i = 0; i < s->live; i++) {
        if ((st = next_chances(b, b->prediction + ((first + i) * b->T + k) * b->V)))
            return st;
        for (int64_t v = 0; v < b->V; v++)
            keep(b, kept, b->width - s->finished, (struct candidate){ b->sum[first + i] + b->log_p[v], i, (int32_t)v });
    }
    return QN_OK;
}

/* A result of length numbers is finished: window holds all but the last. */
static void offer(struct beam *b, struct search *s, const int32_t *window, const struct candidate *c, int64_t length)
{
    const double score = c->sum / penalty(b, length);

    s->finished++;
    if (score <= s->best)
        return;
    s->best = score;
    memset(s->out, 0, (size_t)b->most * sizeof(*s->out));
    memcpy(s->out, window + 1, (size_t)(length - 1) * sizeof(*s->out));
    s->out[length - 1] = c->number;
    *s->count = length;
}

/* One source's results go on by a number; k are there. */
static qn_status advance(struct beam *b, struct search *s, int64_t k)
{
    const int64_t first = (s - b->search) * b->width;
    int kept, live = 0;
    qn_status st = choose(b, s, k, &kept);

    if (st)
        return st;
    for (int i = 0; i < kept; i++) {
        const struct candidate *c = &b->kept[i];
        const int32_t *from = b->window + (first + c->from) * b->T;
        int32_t *to = b->next + (first + live) * b->T;

        if (c->number == b->o->end || k + 1 == b->most) {
            offer(b, s, from, c, k + 1);
            continue;
        }
        memcpy(to, from, (size_t)(k + 1) * sizeof(*to));
        to[k + 1] = c->number;
        b->next_sum[first + live++] = c->sum;
    }
    /* The first is the likeliest, and the longer the more it is helped. */
    s->live = live && b->next_sum[first] / penalty(b, b->most) > s->best ? live : 0;
    memcpy(b->window + first * b->T, b->next + first * b->T, (size_t)(live * b->T) * sizeof(*b->window));
    memcpy(b->sum + first, b->next_sum + first, (size_t)live * sizeof(*b->sum));
    return QN_OK;
}

/* ---- a search ---- */

static void begin(struct beam *b, const char *source, int64_t n, int32_t *out, int64_t *count)
{
    for (int64_t i = 0; i < n * b->width; i++) {
        if (b->source_bytes)
            memcpy(b->source + (size_t)i * b->source_bytes, source + (size_t)(i / b->width) * b->source_bytes, b->source_bytes);
        memset(b->window + i * b->T, 0, (size_t)b->T * sizeof(*b->window));
        b->window[i * b->T] = b->o->begin;
        b->sum[i] = 0;
    }
    for (int64_t i = 0; i < n; i++)
        b->search[i] = (struct search){ .live = 1, .best = -HUGE_VAL, .out = out + i * b->most, .count = count + i };
}

/* n sources, as many as a group at most; what is missing in it stays as it was. */
static qn_status run(struct beam *b, int64_t n)
{
    const int64_t rows = b->group * b->width;
    bool more = true;
    qn_status st;

    for (int64_t k = 0; more && k < b->most; k++) {
        if (atomic_load(&b->m->cancel))
            return qni_error(QN_E_CANCELLED, "the search was cancelled");
        if ((st = qn_model_predict(b->m, (const void *[]){ b->source, b->window }, rows, (void *[]){ b->prediction }, (int)rows)))
            return st;
        more = false;
        for (int64_t i = 0; i < n; i++) {
            if (b->search[i].live && (st = advance(b, &b->search[i], k)))
                return st;
            more |= b->search[i].live > 0;
        }
    }
    return QN_OK;
}

qn_status qn_beam_search(qn_model *m, const void *source, int64_t n, int32_t *out, int64_t *count, double *score,
                         const qn_beam_opt *opt)
{
    struct beam b = { .m = m, .o = opt };
    qn_status st;

    if (!m || !opt || n < 0 || (n && (!source || !out || !count)))
        return qni_error(QN_E_ARG, "a pointer is NULL, or there are %" PRId64 " sources", n);
    if ((st = check_options(opt)) || (st = check_model(&b)) || (st = start(&b, n)) || (st = qni_model_whole(m)))
        goto done;
    atomic_store(&m->cancel, false);
    for (int64_t first = 0; first < n && !st; first += b.group) {
        const int64_t some = n - first < b.group ? n - first : b.group;

        begin(&b, (const char *)source + (size_t)first * b.source_bytes, some, out + first * b.most, count + first);
        st = run(&b, some);
        for (int64_t i = 0; i < some && score && !st; i++)
            score[first + i] = b.search[i].best;
    }
done:
    finish(&b);
    return st;
}
