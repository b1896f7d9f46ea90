/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrent cells over all steps. Gradients here are finite differences of these loops; rnn_grad.c has loops of its own. */
#include <math.h>
#include <stdlib.h>

#include "optest.h"
#include "ops/rnn/rnn.h"

struct sizes {
    int64_t N, T, U;
    int G, S;
};

static struct sizes sizes_of(const struct qni_problem *p)
{
    const int G = p->op == &qni_op_lstm ? 4 : p->op == &qni_op_simple_rnn ? 1 : 3;

    return (struct sizes){p->in[QNI_RNN_X].shape.dim[0], p->in[QNI_RNN_X].shape.dim[1], p->in[QNI_RNN_W].shape.dim[0], G,
                          p->op == &qni_op_gru ? 4 : G};
}

static double activate(const struct qni_rnn *t, int which, double v)
{
    if (t->clip > 0)
        v = fmin(fmax(v, -(double)t->clip), (double)t->clip);
    return optest_act(t->act[which], (double)t->alpha[which], v);
}

/* One row while it runs. */
struct row {
    const struct qni_problem *p;
    const struct qni_rnn *t;
    double *const *in;
    struct sizes s;
    int64_t n;
    double *h, *c, *fed, *next; /* fed: what enters the product */
    double size;                /* of the largest sum so far */
};

/* x + h W of a gate and unit; *w_only: without x. */
static double sum_of(struct row *r, int64_t at, int gate, int64_t u, const double *h, double *w_only)
{
    const int64_t columns = r->s.G * r->s.U, column = gate * r->s.U + u;
    const double x = r->in[QNI_RNN_X][at * columns + column];
    double sum = 0, size = fabs(x);

    for (int64_t k = 0; k < r->s.U; k++) {
        const double term = h[k] * r->in[QNI_RNN_W][k * columns + column];

        sum += term;
        size += fabs(term);
    }
    r->size = fmax(r->size, size);
    *w_only = sum;
    return x + sum;
}

static void save(const struct row *r, double **out, int64_t at, int which, int64_t u, double v)
{
    out[QNI_RNN_GATES][(at * r->s.S + which) * r->s.U + u] = v;
}

static void step_lstm(struct row *r, int64_t at, double **out)
{
    const double *p = r->in[QNI_RNN_EXTRA];
    const int64_t U = r->s.U;
    double rest;

    for (int64_t u = 0; u < U; u++) {
        const double i = activate(r->t, 0, sum_of(r, at, 0, u, r->fed, &rest) + (p ? p[u] * r->c[u] : 0));
        const double f = activate(r->t, 0, sum_of(r, at, 1, u, r->fed, &rest) + (p ? p[U + u] * r->c[u] : 0));
        const double g = activate(r->t, 1, sum_of(r, at, 2, u, r->fed, &rest)), c = f * r->c[u] + i * g;
        const double o = activate(r->t, 0, sum_of(r, at, 3, u, r->fed, &rest) + (p ? p[2 * U + u] * c : 0));

        r->size = fmax(r->size, fabs(c));
        r->c[u] = c;
        r->next[u] = o * optest_act(r->t->act[2], (double)r->t->alpha[2], c);
        save(r, out, at, 0, u, i);
        save(r, out, at, 1, u, f);
        save(r, out, at, 2, u, g);
        save(r, out, at, 3, u, o);
    }
}

static void step_gru(struct row *r, int64_t at, double **out)
{
    const bool before = r->p->op == &qni_op_gru_before;
    const double *b = r->in[QNI_RNN_EXTRA];
    const int64_t U = r->s.U;
    double *rh = calloc((size_t)U, sizeof(*rh)), rest;

    for (int64_t u = 0; before && u < U; u++) {
        rh[u] = activate(r->t, 0, sum_of(r, at, 1, u, r->fed, &rest)) * r->fed[u];
        out[QNI_RNN_CELLS][at * U + u] = rh[u];
    }
    for (int64_t u = 0; u < U; u++) {
        const double z = activate(r->t, 0, sum_of(r, at, 0, u, r->fed, &rest) + (b ? b[u] : 0));
        const double reset = activate(r->t, 0, sum_of(r, at, 1, u, r->fed, &rest) + (b ? b[U + u] : 0));
        const double x = sum_of(r, at, 2, u, before ? rh : r->fed, &rest) - rest, q = rest + (b ? b[2 * U + u] : 0);
        const double g = activate(r->t, 1, x + (before ? rest : reset * q));

        r->next[u] = z * r->h[u] + (1 - z) * g;
        save(r, out, at, 0, u, z);
        save(r, out, at, 1, u, reset);
        save(r, out, at, 2, u, g);
        if (!before)
            save(r, out, at, 3, u, q);
    }
    free(rh);
}

static void step_simple(struct row *r, int64_t at, double **out)
{
    double rest;

    for (int64_t u = 0; u < r->s.U; u++) {
        r->next[u] = activate(r->t, 1, sum_of(r, at, 0, u, r->fed, &rest));
        save(r, out, at, 0, u, r->next[u]);
    }
}

static void run_row(struct row *r, double **out)
{
    const struct qni_rnn *t = r->t;
    const double *mask = r->in[QNI_RNN_MASK], *drop = r->in[QNI_RNN_DROP];
    const int64_t U = r->s.U, T = r->s.T, n = r->n;
    bool seen = false;

    for (int64_t u = 0; u < U; u++) {
        r->h[u] = r->in[QNI_RNN_H0] ? r->in[QNI_RNN_H0][n * U + u] : 0;
        r->c[u] = r->in[QNI_RNN_C0] ? r->in[QNI_RNN_C0][n * U + u] : 0;
    }
    for (int64_t s = 0; s < T; s++) {
        const int64_t at = n * T + (t->reverse ? T - 1 - s : s), y = n * T + (t->reverse && !t->order ? T - 1 - s : s);
        const bool on = !mask || mask[at] != 0;

        for (int64_t u = 0; u < U; u++) {
            r->fed[u] = r->h[u] * (drop ? drop[n * U + u] : 1);
            out[QNI_RNN_PREVIOUS][at * U + u] = r->h[u];
        }
        if (on && r->s.G == 4)
            step_lstm(r, at, out);
        else if (on && r->s.G == 3)
            step_gru(r, at, out);
        else if (on)
            step_simple(r, at, out);
        for (int64_t u = 0; !on && u < U; u++) {
            for (int k = 0; k < r->s.S; k++)
                save(r, out, at, k, u, 0);
            if (r->p->op == &qni_op_gru_before)
                out[QNI_RNN_CELLS][at * U + u] = 0;
        }
        seen |= on;
        for (int64_t u = 0; u < U; u++) {
            if (on)
                r->h[u] = r->next[u];
            out[QNI_RNN_Y][y * U + u] = on || (seen && !t->zero) ? r->h[u] : 0;
            if (r->s.G == 4)
                out[QNI_RNN_CELLS][at * U + u] = r->c[u];
        }
    }
    for (int64_t u = 0; u < U; u++) {
        out[QNI_RNN_H][n * U + u] = r->h[u];
        if (r->s.G == 4)
            out[QNI_RNN_C][n * U + u] = r->c[u];
    }
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    struct row r = {.p = p, .t = p->attr, .in = in, .s = sizes_of(p), .size = 1};
    const size_t U = (size_t)r.s.U + 1;
    double *space = calloc(4 * U, sizeof(*space));

    r.h = space;
    r.c = space + U;
    r.fed = space + 2 * U;
    r.next = space + 3 * U;
    for (r.n = 0; r.n < r.s.N; r.n++)
        run_row(&r, out);
    /* Errors are carried from step to step, and fade; a sum's own error is that of its largest size. */
    for (int o = 0; o < p->outputs; o++) {
        terms[o] = (double)(r.s.U + 4);
        for (int64_t e = 0; e < qni_elements(&p->out[o].shape); e++)
            scale[o][e] = r.size;
    }
    free(space);
}

/* Recurrent kernels of such a size that states neither die out nor run away. */
static void prepare(const struct qni_problem *p, double *const *in)
{
    const int64_t U = p->in[QNI_RNN_W].shape.dim[0];

    for (int64_t i = 0; i < qni_elements(&p->in[QNI_RNN_W].shape); i++)
        in[QNI_RNN_W][i] = (double)(float)(in[QNI_RNN_W][i] / sqrt((double)U / 2 + 1));
    for (int64_t i = 0; in[QNI_RNN_DROP] && i < qni_elements(&p->in[QNI_RNN_DROP].shape); i++)
        in[QNI_RNN_DROP][i] *= 1.25;
}

#define SEQUENCE(N, T, D) {QN_F32, {3, {N, T, D}}}
#define STATE(N, U) {QN_F32, {2, {N, U}}}
#define PLAIN .act = {QN_SIGMOID, QN_TANH, QN_TANH}
#define SAVED (1u << QNI_RNN_PREVIOUS | 1u << QNI_RNN_GATES | 1u << QNI_RNN_CELLS)
#define CASE(n, o, g, N, T, U, extra, without, grad, left, ...) \
    {.name = n, .op = &qni_op_##o, .attr = &(const struct qni_rnn){__VA_ARGS__}, .inputs = QNI_RNN_INPUTS, \
     .in = {SEQUENCE(N, T, g * U), STATE(U, g * U), STATE(N, U), STATE(N, U), {QN_U8, {2, {N, T}}}, extra, STATE(N, U)}, \
     .fill = {[QNI_RNN_MASK] = OPTEST_ZERO_ONE, [QNI_RNN_DROP] = OPTEST_ZERO_ONE}, .absent = without, .ref = ref, \
     .prepare = prepare, .small_grad = grad, .no_grad = 1u << QNI_RNN_DROP, .saved = SAVED, .unwanted = left}
#define LSTM(n, N, T, U, without, grad, ...) CASE(n, lstm, 4, N, T, U, STATE(3, U), without, grad, 0, __VA_ARGS__)
#define BIAS(U) {QN_F32, {1, {3 * U}}}
#define GRU(n, N, T, U, without, grad, ...) CASE(n, gru, 3, N, T, U, BIAS(U), (without) | C0, grad, 0, __VA_ARGS__)
#define BEFORE(n, N, T, U, without, grad, ...) \
    CASE(n, gru_before, 3, N, T, U, BIAS(U), (without) | C0 | EXTRA, grad, 0, __VA_ARGS__)
#define SIMPLE(n, N, T, U, without, grad, ...) \
    CASE(n, simple_rnn, 1, N, T, U, BIAS(U), (without) | C0 | EXTRA, grad, 0, __VA_ARGS__)

enum {
    H0 = 1 << QNI_RNN_H0, C0 = 1 << QNI_RNN_C0, MASK = 1 << QNI_RNN_MASK, EXTRA = 1 << QNI_RNN_EXTRA,
    DROP = 1 << QNI_RNN_DROP, BARE = H0 | C0 | MASK | EXTRA | DROP
};

static const struct optest_case cases[] = {
    LSTM("1", 1, 1, 1, BARE, true, PLAIN),
    LSTM("no samples", 0, 3, 4, BARE, false, PLAIN),
    LSTM("no steps", 3, 0, 4, DROP, false, PLAIN),
    LSTM("no units", 3, 2, 0, BARE, false, PLAIN),
    LSTM("tiny", 2, 3, 3, BARE, true, PLAIN),
    LSTM("all", 2, 5, 3, 0, true, PLAIN),
    LSTM("all, reverse", 2, 5, 3, 0, true, PLAIN, .reverse = 1),
    LSTM("all, reverse, order of steps, zeros", 2, 5, 3, 0, true, PLAIN, .reverse = 1, .order = 1, .zero = 1),
    LSTM("mask without state", 3, 6, 2, BARE & ~(unsigned)MASK, true, PLAIN),
    LSTM("peepholes, reverse", 2, 3, 5, BARE & ~(unsigned)EXTRA, true, PLAIN, .reverse = 1),
    LSTM("clip", 2, 4, 3, BARE, true, PLAIN, .clip = 0.4f),
    LSTM("states alone", 2, 3, 3, MASK | EXTRA | DROP, true, PLAIN),
    LSTM("17 x 7 x 31", 17, 7, 31, BARE, false, PLAIN),
    LSTM("13 x 4 x 65", 13, 4, 65, EXTRA, false, PLAIN),
    LSTM("33 x 3 x 40", 33, 3, 40, 0, false, PLAIN, .reverse = 1),
    LSTM("64 x 9 x 128", 64, 9, 128, BARE, false, PLAIN),
    LSTM("1 x 3 x 270", 1, 3, 270, BARE, false, PLAIN),
    LSTM("2 x 2 x 300", 2, 2, 300, MASK, false, PLAIN),
    GRU("1", 1, 1, 1, BARE, true, PLAIN),
    GRU("no steps", 2, 0, 3, 0, false, PLAIN),
    GRU("tiny", 2, 3, 3, BARE, true, PLAIN),
    GRU("all", 2, 5, 3, 0, true, PLAIN),
    GRU("all, reverse, zeros", 3, 4, 2, 0, true, PLAIN, .reverse = 1, .zero = 1),
    GRU("reverse, order of steps, clip", 2, 4, 3, MASK | DROP, true, PLAIN, .reverse = 1, .order = 1, .clip = 0.5f),
    GRU("17 x 7 x 31", 17, 7, 31, BARE, false, PLAIN),
    GRU("35 x 3 x 65", 35, 3, 65, 0, false, PLAIN),
    GRU("1 x 3 x 310", 1, 3, 310, BARE, false, PLAIN),
    BEFORE("1", 1, 1, 1, BARE, true, PLAIN),
    BEFORE("no steps", 2, 0, 3, 0, false, PLAIN),
    BEFORE("tiny", 2, 3, 3, BARE, true, PLAIN),
    BEFORE("all", 2, 5, 3, 0, true, PLAIN),
    BEFORE("all, reverse, zeros", 3, 4, 2, 0, true, PLAIN, .reverse = 1, .zero = 1),
    BEFORE("reverse, order of steps, clip", 2, 4, 3, MASK | DROP, true, PLAIN, .reverse = 1, .order = 1, .clip = 0.5f),
    BEFORE("17 x 7 x 31", 17, 7, 31, BARE, false, PLAIN),
    BEFORE("35 x 3 x 65", 35, 3, 65, 0, false, PLAIN),
    BEFORE("1 x 3 x 310", 1, 3, 310, BARE, false, PLAIN),
    SIMPLE("1", 1, 1, 1, BARE, true, PLAIN),
    SIMPLE("no steps", 2, 0, 3, 0, false, PLAIN),
    SIMPLE("tiny", 2, 3, 3, BARE, true, PLAIN),
    SIMPLE("all", 2, 5, 3, 0, true, PLAIN),
    SIMPLE("all, reverse, zeros", 3, 4, 2, 0, true, PLAIN, .reverse = 1, .zero = 1),
    SIMPLE("softsign, clip", 2, 4, 3, MASK | DROP, true, .act = {0, QN_SOFTSIGN, 0}, .clip = 0.5f),
    SIMPLE("relu", 5, 4, 9, MASK | DROP, false, .act = {0, QN_RELU, 0}),
    SIMPLE("17 x 7 x 31", 17, 7, 31, BARE, false, PLAIN),
    SIMPLE("35 x 3 x 65", 35, 3, 65, 0, false, PLAIN),
    SIMPLE("1 x 3 x 600", 1, 3, 600, BARE, false, PLAIN),
    LSTM("hard sigmoid, elu, softplus", 3, 4, 5, MASK | DROP, true, .act = {QN_HARD_SIGMOID, QN_ELU, QN_SOFTPLUS},
         .alpha = {0, 0.7f, 0}),
    /* Of one sample the kernels are others, where nothing is saved for a gradient. */
    CASE("1 x 4 x 37, nothing saved", lstm, 4, 1, 4, 37, STATE(3, 37), 0, false, SAVED, PLAIN),
    CASE("1 x 4 x 37, nothing saved", gru, 3, 1, 4, 37, BIAS(37), C0, false, SAVED, PLAIN),
    CASE("1 x 4 x 37, nothing saved", gru_before, 3, 1, 4, 37, BIAS(37), C0 | EXTRA, false, SAVED, PLAIN),
    CASE("1 x 4 x 37, nothing saved", simple_rnn, 1, 1, 4, 37, BIAS(37), C0 | EXTRA, false, SAVED, PLAIN),
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
