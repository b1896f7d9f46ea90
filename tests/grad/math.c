/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Compositions of element-wise functions, reductions and moves, run through a plan: the loss against a float64
 * function, the gradients against its finite differences, and how many launches fusion leaves. */
#include <math.h>
#include <stdlib.h>

#include "graph/plan.h"
#include "test.h"

#define MOST 3
#define ELEMENTS 256

/* ---- a composition run through a plan ---- */

struct composition {
    const char *name;
    int inputs;
    qn_shape shape[MOST];
    qn_val (*build)(qn_graph *g, const qn_val *x);   /* gives the scalar loss */
    double (*loss)(double x[MOST][ELEMENTS]);
    size_t launches;                                 /* at most, forward and backward; 0: not counted */
    bool fixed;                                      /* the first axis is no batch of unknown size */
};

static void run_plan(const struct composition *c, double x[MOST][ELEMENTS], float *loss, float grad[MOST][ELEMENTS])
{
    qn_device *dev = test_device();
    qn_graph *g = NULL;
    struct qni_state *state = NULL;
    struct qni_plan *p = NULL;
    qn_val in[MOST], out;
    float feed[ELEMENTS];
    int slot;

    CHECK_OK(qni_graph_create(&g, dev->ctx, false));
    for (int i = 0; i < c->inputs; i++) {
        char name[2] = {(char)('a' + i), 0};
        qn_shape open = c->shape[i];

        /* The batch is unknown where there is one. */
        if (open.rank > 1 && open.dim[0] > 1 && !c->fixed)
            open.dim[0] = QN_ANY;
        in[i] = qni_input_add(g, name, QN_F32, &open);
    }
    out = c->build(g, in);
    CHECK_OK(qni_graph_status(g));
    CHECK_OK(qni_state_create(&state, dev, g, 0));
    if (!test_failed()) {
        struct qni_plan_request rq = {.state = state, .graph = g, .input_shape = c->shape, .training = true, .loss = out,
                                      .output = &out, .outputs = 1, .wrt = in, .wrts = c->inputs};

        CHECK_OK(qni_plan_create(&p, &rq));
    }
    if (p) {
        CHECK_OK(qni_plan_begin(p, &slot));
        for (int i = 0; i < c->inputs; i++) {
            int64_t n = qni_elements(&c->shape[i]);

            for (int64_t k = 0; k < n; k++)
                feed[k] = (float)x[i][k];
            CHECK_OK(qni_plan_feed(p, slot, (size_t)i, feed, (size_t)n * sizeof(*feed)));
            CHECK_OK(qni_plan_finish(p));
        }
        CHECK_OK(qni_plan_submit(p, slot));
        CHECK_OK(qni_plan_read(p, 0, loss, sizeof(*loss), true, NULL));
        for (int i = 0; i < c->inputs; i++)
            CHECK_OK(qni_plan_read(p, (size_t)i + 1, grad[i], (size_t)qni_elements(&c->shape[i]) * sizeof(float), true, NULL));
        if (c->launches && p->launches > c->launches)
            test_fail(__FILE__, __LINE__, "%zu launches, expected %zu at most", p->launches, c->launches);
    }
    qni_plan_destroy(&p);
    qni_state_release(&state);
    qni_graph_destroy(&g);
}

static void check(const void *arg)
{
    const struct composition *c = arg;
    static double x[MOST][ELEMENTS];
    static float grad[MOST][ELEMENTS];
    float loss = NAN;
    double want;

    for (int i = 0; i < c->inputs; i++)
        for (int64_t k = 0; k < qni_elements(&c->shape[i]); k++)
            x[i][k] = (double)(float)test_uniform();
    run_plan(c, x, &loss, grad);
    want = c->loss(x);
    if (!(fabs((double)loss - want) <= 1e-5 * (1 + fabs(want))))
        test_fail(__FILE__, __LINE__, "the loss is %g, not %g", (double)loss, want);
    for (int i = 0; i < c->inputs; i++)
        for (int64_t k = 0; k < qni_elements(&c->shape[i]) && !test_failed(); k++) {
            const double was = x[i][k], h = 1e-4;
            double up, down, slope;

            x[i][k] = was + h;
            up = c->loss(x);
            x[i][k] = was - h;
            down = c->loss(x);
            x[i][k] = was;
            slope = (up - down) / (2 * h);
            if (!(fabs((double)grad[i][k] - slope) <= 2e-4 * (1 + fabs(slope))))
                test_fail(__FILE__, __LINE__, "gradient %lld of input %d is %g, not %g", (long long)k, i,
                          (double)grad[i][k], slope);
        }
}

/* ---- compositions ---- */

static qn_val total(qn_graph *g, qn_val x) { return qn_graph_reduce_sum(g, x, NULL, 0, false); }

/* sum(tanh(a * b + c) * sigmoid(a)), c a bias */
static qn_val build_chain(qn_graph *g, const qn_val *x)
{
    qn_val t = qn_graph_tanh(g, qn_graph_add(g, qn_graph_mul(g, x[0], x[1]), x[2]));

    return total(g, qn_graph_mul(g, t, qn_graph_sigmoid(g, x[0])));
}

static double loss_chain(double x[MOST][ELEMENTS])
{
    double s = 0;

    for (int k = 0; k < 35; k++)
        s += tanh(x[0][k] * x[1][k] + x[2][k % 7]) / (1 + exp(-x[0][k]));
    return s;
}

/* r = relu(a); sum((r + swish(r * 3 - 1) * r) / (2 + r)) */
static qn_val build_residual(qn_graph *g, const qn_val *x)
{
    qn_val r = qn_graph_relu(g, x[0]);
    qn_val s = qn_graph_act(g, qn_graph_affine(g, r, 3, -1), QN_SWISH, 0);
    qn_val u = qn_graph_add(g, r, qn_graph_mul(g, s, r));

    return total(g, qn_graph_div(g, u, qn_graph_affine(g, r, 1, 2)));
}

static double loss_residual(double x[MOST][ELEMENTS])
{
    double sum = 0;

    for (int k = 0; k < 66; k++) {
        double r = fmax(x[0][k], 0), v = 3 * r - 1;

        sum += (r + v / (1 + exp(-v)) * r) / (2 + r);
    }
    return sum;
}

/* sum(softmax(a) * b), composed */
static qn_val build_softmax(qn_graph *g, const qn_val *x)
{
    qn_val m = qn_graph_reduce_max(g, x[0], (int[]){-1}, 1, true);
    qn_val e = qn_graph_exp(g, qn_graph_sub(g, x[0], m));
    qn_val p = qn_graph_div(g, e, qn_graph_reduce_sum(g, e, (int[]){-1}, 1, true));

    return total(g, qn_graph_mul(g, p, x[1]));
}

static double loss_softmax(double x[MOST][ELEMENTS])
{
    double sum = 0;

    for (int i = 0; i < 5; i++) {
        double s = 0, t = 0;

        for (int k = 0; k < 9; k++) {
            s += exp(x[0][i * 9 + k]);
            t += exp(x[0][i * 9 + k]) * x[1][i * 9 + k];
        }
        sum += t / s;
    }
    return sum;
}

/* Normalised over the batch, scaled and shifted by b's two rows, squared. */
static qn_val build_norm(qn_graph *g, const qn_val *x)
{
    qn_val mean = qn_graph_reduce_mean(g, x[0], (int[]){0}, 1, true);
    qn_val d = qn_graph_sub(g, x[0], mean);
    qn_val v = qn_graph_reduce_mean(g, qn_graph_square(g, d), (int[]){0}, 1, true);
    qn_val y = qn_graph_mul(g, d, qn_graph_rsqrt(g, qn_graph_affine(g, v, 1, 0.01f)));
    qn_val row[2];

    qn_graph_split(g, x[1], 0, NULL, 2, row);
    y = qn_graph_add(g, qn_graph_mul(g, y, row[0]), row[1]);
    return qn_graph_reduce_sum_squares(g, qn_graph_act(g, y, QN_ELU, 1), NULL, 0, false);
}

static double loss_norm(double x[MOST][ELEMENTS])
{
    double sum = 0;

    for (int k = 0; k < 6; k++) {
        double mean = 0, v = 0;

        for (int i = 0; i < 11; i++)
            mean += x[0][i * 6 + k] / 11;
        for (int i = 0; i < 11; i++)
            v += (x[0][i * 6 + k] - mean) * (x[0][i * 6 + k] - mean) / 11;
        for (int i = 0; i < 11; i++) {
            double y = (x[0][i * 6 + k] - mean) / sqrt(v + (double)0.01f) * x[1][k] + x[1][6 + k];

            y = y > 0 ? y : expm1(y);
            sum += y * y;
        }
    }
    return sum;
}

/* Turned over, reversed, padded, tiled, gathered and joined again. */
static qn_val build_moves(qn_graph *g, const qn_val *x)
{
    const int32_t numbers[3] = {2, 0, 2};
    qn_shape three = {.rank = 1, .dim = {3}};
    qn_val t = qn_graph_transpose(g, x[0], (int[]){1, 0}, 2);                                         /* [3, 4] */
    qn_val back = qn_graph_slice(g, t, 2, (int64_t[]){0, -1}, (int64_t[]){3, INT64_MIN}, (int64_t[]){1, -1});
    qn_val picked = qn_graph_gather(g, qn_graph_exp(g, t), qni_constant(g, QN_I32, &three, numbers), 0); /* [3, 4] */
    qn_val wide = qn_graph_concat(g, (qn_val[]){back, picked, qn_graph_pad_reflect(g, t, 1, 1, 2)}, 3, 1); /* [3, 15] */
    qn_val r = qn_graph_repeat(g, qn_graph_tile(g, x[1], (int64_t[]){3, 1}, 2), 1, 5);                 /* [1, 3] -> [3, 15] */

    return total(g, qn_graph_mul(g, wide, r));
}

static double loss_moves(double x[MOST][ELEMENTS])
{
    static const int numbers[3] = {2, 0, 2}, mirror[7] = {1, 0, 1, 2, 3, 2, 1};
    double sum = 0;

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 15; k++) {
            double v = k < 4 ? x[0][(3 - k) * 3 + i] : k < 8 ? exp(x[0][(k - 4) * 3 + numbers[i]]) : x[0][mirror[k - 8] * 3 + i];

            sum += v * x[1][k / 5];
        }
    return sum;
}

/* where(a > b, max(a, c), min(a * b, c)), clipped: the pieces' gradients go their own ways. */
static qn_val build_pieces(qn_graph *g, const qn_val *x)
{
    qn_val w = qn_graph_where(g, qn_graph_greater(g, x[0], x[1]), qn_graph_maximum(g, x[0], x[2]),
                              qn_graph_minimum(g, qn_graph_mul(g, x[0], x[1]), x[2]));

    return total(g, qn_graph_square(g, qn_graph_clip(g, w, -0.7f, 0.9f)));
}

static double loss_pieces(double x[MOST][ELEMENTS])
{
    double sum = 0;

    for (int k = 0; k < 42; k++) {
        double a = x[0][k], b = x[1][k % 14], c = x[2][0];
        double w = a > b ? fmax(a, c) : fmin(a * b, c);

        w = fmin(fmax(w, (double)-0.7f), (double)0.9f);
        sum += w * w;
    }
    return sum;
}

/* One chain longer than a program: sum(((a * b + a) * b + a) ...). */
static qn_val build_long(qn_graph *g, const qn_val *x)
{
    qn_val y = x[0];

    for (int i = 0; i < 20; i++)
        y = qn_graph_add(g, qn_graph_mul(g, y, x[1]), x[0]);
    return total(g, y);
}

static double loss_long(double x[MOST][ELEMENTS])
{
    double sum = 0;

    for (int k = 0; k < 40; k++) {
        double y = x[0][k];

        for (int i = 0; i < 20; i++)
            y = y * x[1][k] + x[0][k];
        sum += y;
    }
    return sum;
}

/* sum(logsumexp(a * 30) * b) */
static qn_val build_logsumexp(qn_graph *g, const qn_val *x)
{
    qn_val y = qn_graph_reduce_logsumexp(g, qn_graph_affine(g, x[0], 100, 0), (int[]){1}, 1, true);

    return total(g, qn_graph_mul(g, qn_graph_affine(g, y, 0.01f, 0), x[1]));
}

static double loss_logsumexp(double x[MOST][ELEMENTS])
{
    double sum = 0;

    for (int i = 0; i < 4; i++) {
        double s = 0, m = -INFINITY;

        for (int k = 0; k < 7; k++)
            m = fmax(m, 100 * x[0][i * 7 + k]);
        for (int k = 0; k < 7; k++)
            s += exp(100 * x[0][i * 7 + k] - m);
        sum += 0.01 * (log(s) + m) * x[1][i];
    }
    return sum;
}

static const struct composition compositions[] = {
    {"a chain with a bias", 3, {{2, {5, 7}}, {2, {5, 7}}, {1, {7}}}, build_chain, loss_chain, 4},
    {"one value read often", 1, {{2, {6, 11}}}, build_residual, loss_residual, 4},
    {"softmax composed", 2, {{2, {5, 9}}, {2, {5, 9}}}, build_softmax, loss_softmax, 0},
    {"batch normalisation composed", 2, {{2, {11, 6}}, {2, {2, 6}}}, build_norm, loss_norm, 0, true},
    {"moves", 2, {{2, {4, 3}}, {2, {1, 3}}}, build_moves, loss_moves, 0, true},
    {"log sum exp", 2, {{2, {4, 7}}, {2, {4, 1}}}, build_logsumexp, loss_logsumexp, 0},
    {"pieces", 3, {{2, {3, 14}}, {1, {14}}, {0, {0}}}, build_pieces, loss_pieces, 0},
    {"longer than a program", 2, {{2, {5, 8}}, {2, {5, 8}}}, build_long, loss_long, 12},
};

int main(void)
{
    for (size_t i = 0; test_device() && i < QNI_COUNT(compositions); i++)
        test_run_with(compositions[i].name, check, &compositions[i]);
    return test_end();
}
