/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradients of recurrent cells by themselves: what they make of any saved numbers. That the forward pass saves the right
 * ones is seen in rnn.c. */
#include <math.h>
#include <stdlib.h>

#include "optest.h"
#include "ops/rnn/rnn.h"

/* A number, and the sum of the sizes of its terms. */
struct sum {
    double v, size;
};

static struct sum times(struct sum a, double f)
{
    return (struct sum){a.v * f, a.size * fabs(f)};
}

static struct sum plus(struct sum a, struct sum b)
{
    return (struct sum){a.v + b.v, a.size + b.size};
}

static struct sum number(double v)
{
    return (struct sum){v, fabs(v)};
}

struct run {
    const struct qni_problem *p;
    const struct qni_rnn *t;
    double *const *in;
    double **out, **scale;
    int64_t N, T, U, n;
    int G, S;
    struct sum *h, *c, *dr, *dx; /* carried on; [U], [U], [G*U], [G*U] */
};

static double saved(const struct run *r, int64_t at, int which, int64_t u)
{
    return r->in[QNI_RNN_G_GATES][(at * r->S + which) * r->U + u];
}

static struct sum back(const struct run *r, int which, struct sum g, double y)
{
    const double alpha = (double)r->t->alpha[which], clip = (double)r->t->clip;
    const int act = r->t->act[which];
    const double slope = optest_act_grad(act, alpha, y);

    g = (struct sum){g.v * slope, g.size * (act == QN_TANH ? 1 + y * y : fabs(slope))}; /* 1 - y y cancels */
    if (clip > 0 && ((float)y == (float)optest_act(act, alpha, clip) || (float)y == (float)optest_act(act, alpha, -clip)))
        g = (struct sum){0, 0};
    return g;
}

/* Columns [from, to) of dr times their rows of W. */
static struct sum through(const struct run *r, const struct sum *dr, int64_t u, int from, int to)
{
    struct sum s = {0, 0};

    for (int64_t k = from * r->U; k < to * r->U; k++)
        s = plus(s, times(dr[k], r->in[QNI_RNN_G_W][u * r->G * r->U + k]));
    return times(s, r->in[QNI_RNN_G_DROP] ? r->in[QNI_RNN_G_DROP][r->n * r->U + u] : 1);
}

static void put(const struct run *r, int o, int64_t e, struct sum v)
{
    r->out[o][e] = v.v;
    r->scale[o][e] = v.size;
}

static void step_lstm(struct run *r, int64_t at, int64_t before, int64_t u, struct sum dh)
{
    const double *peep = r->in[QNI_RNN_G_EXTRA], *cells = r->in[QNI_RNN_G_CELLS], *c0 = r->in[QNI_RNN_G_C0];
    const double i = saved(r, at, 0, u), f = saved(r, at, 1, u), g = saved(r, at, 2, u), o = saved(r, at, 3, u);
    const double hc = optest_act(r->t->act[2], (double)r->t->alpha[2], cells[at * r->U + u]);
    const double old = before >= 0 ? cells[before * r->U + u] : c0 ? c0[r->n * r->U + u] : 0;
    const double slope = optest_act_grad(r->t->act[2], (double)r->t->alpha[2], hc);
    struct sum dc = r->c[u], *dx = r->dx + u;
    const int64_t U = r->U;

    dx[3 * U] = back(r, 0, times(dh, hc), o);
    dc = plus(dc, (struct sum){dh.v * o * slope, dh.size * fabs(o)}); /* 1 - y y cancels */
    dc = plus(dc, times(dx[3 * U], peep ? peep[2 * U + u] : 0));
    dx[0] = back(r, 0, times(dc, g), i);
    dx[U] = back(r, 0, times(dc, old), f);
    dx[2 * U] = back(r, 1, times(dc, i), g);
    r->c[u] = plus(times(dc, f), plus(times(dx[0], peep ? peep[u] : 0), times(dx[U], peep ? peep[U + u] : 0)));
    r->h[u] = (struct sum){0, 0};
}

static void step_gru(struct run *r, int64_t at, int64_t u, struct sum dh)
{
    const double z = saved(r, at, 0, u), reset = saved(r, at, 1, u), g = saved(r, at, 2, u);
    const double h = r->in[QNI_RNN_G_PREVIOUS][at * r->U + u];
    struct sum *dx = r->dx + u;

    dx[0] = back(r, 0, (struct sum){dh.v * (h - g), dh.size * (fabs(h) + fabs(g))}, z);
    dx[2 * r->U] = back(r, 1, times(dh, 1 - z), g);
    r->h[u] = times(dh, z);
    if (r->S == 4) {
        dx[r->U] = back(r, 0, times(dx[2 * r->U], saved(r, at, 3, u)), reset);
        r->dr[2 * r->U + u] = times(dx[2 * r->U], reset);
    }
}

/* With the reset gate before the product its gradient comes through the kernel of the others'. */
static void reset_gates(struct run *r, int64_t at)
{
    for (int64_t u = 0; u < r->U; u++) {
        const struct sum d = through(r, r->dx, u, 2, 3);

        r->dx[r->U + u] = back(r, 0, times(d, r->in[QNI_RNN_G_PREVIOUS][at * r->U + u]), saved(r, at, 1, u));
        r->h[u] = plus(r->h[u], times(d, saved(r, at, 1, u)));
    }
}

static int64_t first_of(const struct run *r)
{
    const double *mask = r->in[QNI_RNN_G_MASK];
    int64_t s = 0;

    if (!mask || !r->in[QNI_RNN_G_START])
        return 0;
    while (s < r->T && mask[r->n * r->T + (r->t->reverse ? r->T - 1 - s : s)] == 0)
        s++;
    return s;
}

static void step(struct run *r, int64_t s, const struct sum *entering)
{
    const int64_t t = r->t->reverse ? r->T - 1 - s : s, at = r->n * r->T + t;
    const int64_t y = r->n * r->T + (r->t->reverse && !r->t->order ? r->T - 1 - s : s);
    const double *dy = r->in[QNI_RNN_G_DY];
    const bool on = !r->in[QNI_RNN_G_MASK] || r->in[QNI_RNN_G_MASK][at] != 0;
    const int64_t columns = r->G * r->U, before = s ? at + (r->t->reverse ? 1 : -1) : -1;

    for (int64_t k = 0; k < columns; k++)
        r->dx[k] = r->dr[k] = (struct sum){0, 0};
    for (int64_t u = 0; u < r->U; u++) {
        struct sum dh = plus(entering[u], r->h[u]);

        if (dy && (on || (!r->t->zero && s >= first_of(r))))
            dh = plus(dh, number(dy[y * r->U + u]));
        if (!on)
            r->h[u] = dh;
        else if (r->G == 4)
            step_lstm(r, at, before, u, dh);
        else if (r->G == 3)
            step_gru(r, at, u, dh);
        else {
            r->dx[u] = back(r, 1, dh, saved(r, at, 0, u));
            r->h[u] = (struct sum){0, 0};
        }
    }
    if (on && r->p->op == &qni_op_gru_before_grad)
        reset_gates(r, at);
    for (int64_t k = 0; k < columns; k++) {
        if (r->p->op != &qni_op_gru_grad || k < 2 * r->U)
            r->dr[k] = r->dx[k];
        put(r, QNI_RNN_G_DX, at * columns + k, r->dx[k]);
        if (r->p->op == &qni_op_gru_grad)
            put(r, QNI_RNN_G_LAST, at * columns + k, r->dr[k]);
    }
}

static void run_row(struct run *r, struct sum *entering)
{
    const double *dh = r->in[QNI_RNN_G_DH], *dc = r->in[QNI_RNN_G_DC];
    const int products = r->p->op == &qni_op_gru_before_grad ? 2 : r->G;
    const struct sum nothing = {0, 0};

    for (int64_t u = 0; u < r->U; u++) {
        entering[u] = nothing;
        r->h[u] = dh ? number(dh[r->n * r->U + u]) : nothing;
        r->c[u] = dc ? number(dc[r->n * r->U + u]) : nothing;
    }
    for (int64_t s = r->T - 1; s >= 0; s--) {
        step(r, s, entering);
        for (int64_t u = 0; u < r->U; u++)
            entering[u] = through(r, r->dr, u, 0, products);
    }
    for (int64_t u = 0; u < r->U; u++) {
        put(r, QNI_RNN_G_DH0, r->n * r->U + u, plus(entering[u], r->h[u]));
        if (r->G == 4)
            put(r, QNI_RNN_G_LAST, r->n * r->U + u, r->c[u]);
    }
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const qn_shape *g = &p->in[QNI_RNN_G_GATES].shape;
    struct run r = {.p = p, .t = p->attr, .in = in, .out = out, .scale = scale, .N = g->dim[0], .T = g->dim[1],
                    .U = p->in[QNI_RNN_G_W].shape.dim[0]};
    struct sum *space;

    r.G = p->op == &qni_op_lstm_grad ? 4 : p->op == &qni_op_simple_rnn_grad ? 1 : 3;
    r.S = p->op == &qni_op_gru_grad ? 4 : r.G;
    space = calloc((size_t)(3 + 2 * r.G) * (size_t)(r.U + 1), sizeof(*space));
    r.h = space;
    r.c = r.h + r.U;
    r.dr = r.c + r.U;
    r.dx = r.dr + r.G * r.U;
    for (r.n = 0; r.n < r.N; r.n++)
        run_row(&r, r.dx + r.G * r.U);
    for (int o = 0; o < p->outputs; o++)
        terms[o] = (double)(r.G * r.U + 8) * (double)(r.T + 1);
    free(space);
}

static void prepare(const struct qni_problem *p, double *const *in)
{
    const int64_t U = p->in[QNI_RNN_G_W].shape.dim[0];

    for (int64_t i = 0; i < qni_elements(&p->in[QNI_RNN_G_W].shape); i++)
        in[QNI_RNN_G_W][i] = (double)(float)(in[QNI_RNN_G_W][i] / sqrt((double)U / 2 + 1));
    for (int64_t i = 0; in[QNI_RNN_G_DROP] && i < qni_elements(&p->in[QNI_RNN_G_DROP].shape); i++)
        in[QNI_RNN_G_DROP][i] *= 1.25;
}

#define SEQUENCE(N, T, D) {QN_F32, {3, {N, T, D}}}
#define STATE(N, U) {QN_F32, {2, {N, U}}}
#define PLAIN .act = {QN_SIGMOID, QN_TANH, QN_TANH}
#define CASE(n, o, G, S, N, T, U, without, ...) \
    {.name = n, .op = &qni_op_##o##_grad, .attr = &(const struct qni_rnn){__VA_ARGS__}, .inputs = QNI_RNN_G_INPUTS, \
     .in = {SEQUENCE(N, T, S * U), STATE(U, G * U), SEQUENCE(N, T, U), STATE(N, U), STATE(N, U), SEQUENCE(N, T, U), \
            STATE(N, U), SEQUENCE(N, T, U), {QN_U8, {2, {N, T}}}, STATE(3, U), STATE(N, U), STATE(N, U)}, \
     .fill = {[QNI_RNN_G_MASK] = OPTEST_ZERO_ONE, [QNI_RNN_G_DROP] = OPTEST_ZERO_ONE}, .absent = without, .ref = ref, \
     .prepare = prepare}
#define LSTM(n, N, T, U, without, ...) CASE(n, lstm, 4, 4, N, T, U, (without) | PREVIOUS, __VA_ARGS__)
#define GRU(n, N, T, U, without, ...) CASE(n, gru, 3, 4, N, T, U, (without) | CELLS, __VA_ARGS__)
#define BEFORE(n, N, T, U, without, ...) CASE(n, gru_before, 3, 3, N, T, U, (without) | CELLS, __VA_ARGS__)
#define SIMPLE(n, N, T, U, without, ...) CASE(n, simple_rnn, 1, 1, N, T, U, (without) | CELLS | PREVIOUS, __VA_ARGS__)

enum {
    DY = 1 << QNI_RNN_G_DY, DH = 1 << QNI_RNN_G_DH, DC = 1 << QNI_RNN_G_DC, C0 = 1 << QNI_RNN_G_C0,
    PREVIOUS = 1 << QNI_RNN_G_PREVIOUS, MASK = 1 << QNI_RNN_G_MASK, EXTRA = 1 << QNI_RNN_G_EXTRA,
    DROP = 1 << QNI_RNN_G_DROP, START = 1 << QNI_RNN_G_START,
    CELLS = 1 << QNI_RNN_G_CELLS | DC | C0 | EXTRA, BARE = DH | DC | C0 | MASK | EXTRA | DROP | START
};

static const struct optest_case cases[] = {
    LSTM("1", 1, 1, 1, BARE, PLAIN),
    LSTM("no samples", 0, 2, 3, BARE, PLAIN),
    LSTM("no steps", 2, 0, 3, 0, PLAIN),
    LSTM("all", 3, 5, 4, 0, PLAIN),
    LSTM("all, reverse", 3, 5, 4, 0, PLAIN, .reverse = 1),
    LSTM("order of steps, zeros", 3, 5, 4, DC, PLAIN, .reverse = 1, .order = 1, .zero = 1),
    LSTM("no dy", 3, 5, 4, DY | C0, PLAIN),
    LSTM("clip", 3, 5, 4, BARE, PLAIN, .clip = 0.3f),
    LSTM("17 x 5 x 31", 17, 5, 31, BARE, PLAIN),
    LSTM("33 x 3 x 65", 33, 3, 65, EXTRA, PLAIN),
    LSTM("64 x 4 x 128", 64, 4, 128, BARE, PLAIN),
    LSTM("1 x 3 x 270", 1, 3, 270, BARE, PLAIN),
    LSTM("2 x 2 x 300", 2, 2, 300, MASK, PLAIN),
    LSTM("softsign, elu, relu", 3, 4, 5, 0, .act = {QN_SOFTSIGN, QN_ELU, QN_RELU}, .alpha = {0, 1.5f, 0}),
    GRU("1", 1, 1, 1, BARE, PLAIN),
    GRU("no steps", 2, 0, 3, 0, PLAIN),
    GRU("all", 3, 5, 4, 0, PLAIN),
    GRU("reverse, zeros", 3, 5, 4, 0, PLAIN, .reverse = 1, .zero = 1),
    GRU("17 x 5 x 31", 17, 5, 31, BARE, PLAIN),
    GRU("33 x 3 x 65", 33, 3, 65, 0, PLAIN, .reverse = 1, .order = 1),
    GRU("1 x 3 x 310", 1, 3, 310, BARE, PLAIN),
    BEFORE("1", 1, 1, 1, BARE, PLAIN),
    BEFORE("no steps", 2, 0, 3, 0, PLAIN),
    BEFORE("all", 3, 5, 4, 0, PLAIN),
    BEFORE("reverse, zeros", 3, 5, 4, 0, PLAIN, .reverse = 1, .zero = 1),
    BEFORE("17 x 5 x 31", 17, 5, 31, BARE, PLAIN),
    BEFORE("33 x 3 x 65", 33, 3, 65, 0, PLAIN, .reverse = 1, .order = 1),
    BEFORE("1 x 3 x 310", 1, 3, 310, BARE, PLAIN),
    SIMPLE("1", 1, 1, 1, BARE, PLAIN),
    SIMPLE("no steps", 2, 0, 3, 0, PLAIN),
    SIMPLE("all", 3, 5, 4, 0, PLAIN),
    SIMPLE("reverse, zeros", 3, 5, 4, 0, PLAIN, .reverse = 1, .zero = 1),
    SIMPLE("17 x 5 x 31", 17, 5, 31, BARE, PLAIN),
    SIMPLE("33 x 3 x 65", 33, 3, 65, 0, PLAIN, .reverse = 1, .order = 1),
    SIMPLE("1 x 3 x 600", 1, 3, 600, BARE, PLAIN),
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
