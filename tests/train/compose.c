/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The design carries the other families: an LSTM and an attention block made
 * of graph operations, with sequence lengths as data, train through the same
 * graph and plan as everything else, and their gradients are right. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/test.h"

#define ROWS 24
#define STEPS 7
#define FEATURES 3
#define UNITS 8

struct net {
    qn_graph *g;
    qn_val x, length, target, loss;
    const char *name[12];
    qn_val weight[12];
    int64_t size[12];
    int weights;
    qn_state *s;
};

static qn_val variable(struct net *n, const char *name, int64_t rows, int64_t columns, qn_init init)
{
    qn_variable_opt o = { .name = name, .rank = rows ? 2 : 1, .dim = { rows ? rows : columns, columns }, .init = init };

    n->name[n->weights] = name;
    n->size[n->weights] = (rows ? rows : 1) * columns;
    n->weight[n->weights] = qn_graph_variable(n->g, &o);
    return n->weight[n->weights++];
}

static qn_val column(qn_graph *g, qn_val x, int axis, int64_t from, int64_t to)
{
    int64_t start[3] = { 0 }, stop[3] = { INT64_MAX, INT64_MAX, INT64_MAX };

    start[axis] = from;
    stop[axis] = to;
    return qn_graph_slice(g, x, axis + 1, start, stop, NULL);
}

/* mask [N,1]: 1 where step t is inside the sequence; the lengths are data. */
static qn_val inside(struct net *n, int t)
{
    qn_val now = qn_graph_fill_like(n->g, n->length, QN_I32, (float)t);

    return qn_graph_expand_dims(n->g, qn_graph_cast(n->g, qn_graph_less(n->g, now, n->length), QN_F32), 1);
}

static qn_val keep(qn_graph *g, qn_val mask, qn_val fresh, qn_val old)
{
    return qn_graph_add(g, old, qn_graph_mul(g, mask, qn_graph_sub(g, fresh, old)));
}

/* h, c of the last step inside each sequence; padded steps change nothing. */
static qn_val lstm(struct net *n)
{
    qn_graph *g = n->g;
    qn_val wx = variable(n, "lstm/kernel", FEATURES, 4 * UNITS, QN_INIT_GLOROT_UNIFORM);
    qn_val wh = variable(n, "lstm/recurrent", UNITS, 4 * UNITS, QN_INIT_ORTHOGONAL);
    qn_val b = variable(n, "lstm/bias", 0, 4 * UNITS, QN_INIT_ZEROS);
    /* The input product of all steps is one matrix product. */
    qn_val z = qn_graph_dense(g, n->x, wx, b, QN_LINEAR, 0);
    qn_val h = { 0 }, c = { 0 };

    for (int t = 0; t < STEPS; t++) {
        qn_val a = qn_graph_squeeze(g, column(g, z, 1, t, t + 1), 1), gate[4], mask = inside(n, t), cn, hn;

        if (t)
            a = qn_graph_add(g, a, qn_graph_matmul(g, h, wh, false, false));
        for (int k = 0; k < 4; k++)
            gate[k] = column(g, a, 1, k * UNITS, (k + 1) * UNITS);
        cn = qn_graph_mul(g, qn_graph_sigmoid(g, gate[0]), qn_graph_tanh(g, gate[2]));
        if (t)
            cn = qn_graph_add(g, cn, qn_graph_mul(g, qn_graph_sigmoid(g, gate[1]), c));
        hn = qn_graph_mul(g, qn_graph_sigmoid(g, gate[3]), qn_graph_tanh(g, cn));
        c = t ? keep(g, mask, cn, c) : cn; /* every sequence has a first step */
        h = t ? keep(g, mask, hn, h) : hn;
    }
    return h;
}

/* One head over the sequence, padded keys masked, then the mean over the steps inside. */
static qn_val attention(struct net *n)
{
    qn_graph *g = n->g;
    qn_val q = qn_graph_matmul(g, n->x, variable(n, "query", FEATURES, UNITS, QN_INIT_GLOROT_UNIFORM), false, false);
    qn_val k = qn_graph_matmul(g, n->x, variable(n, "key", FEATURES, UNITS, QN_INIT_GLOROT_UNIFORM), false, false);
    qn_val v = qn_graph_matmul(g, n->x, variable(n, "value", FEATURES, UNITS, QN_INIT_GLOROT_UNIFORM), false, false);
    qn_val score = qn_graph_affine(g, qn_graph_matmul(g, q, k, false, true), 1.0f / sqrtf(UNITS), 0);
    int32_t position[STEPS];
    qn_val mask, y, e;

    for (int t = 0; t < STEPS; t++)
        position[t] = t;
    mask = qn_graph_constant(g, QN_I32, 2, (int64_t[]){ 1, STEPS }, position);
    mask = qn_graph_cast(g, qn_graph_less(g, mask, qn_graph_expand_dims(g, n->length, 1)), QN_F32); /* [N,T] */
    /* softmax(score + (mask - 1) * 1e9) by its parts */
    score = qn_graph_add(g, score, qn_graph_affine(g, qn_graph_expand_dims(g, mask, 1), 1e9f, -1e9f));
    e = qn_graph_exp(g, qn_graph_sub(g, score, qn_graph_reduce_max(g, score, (int[]){ 2 }, 1, true)));
    e = qn_graph_div(g, e, qn_graph_reduce_sum(g, e, (int[]){ 2 }, 1, true));
    y = qn_graph_matmul(g, e, v, false, false);
    y = qn_graph_mul(g, y, qn_graph_expand_dims(g, mask, 2));
    return qn_graph_div(g, qn_graph_reduce_sum(g, y, (int[]){ 1 }, 1, false),
                        qn_graph_expand_dims(g, qn_graph_cast(g, n->length, QN_F32), 1));
}

static void build(struct net *n, qn_device *dev, qn_val (*body)(struct net *))
{
    qn_optimizer adam = qn_adam(0.02f);
    qn_val y, d;

    memset(n, 0, sizeof(*n));
    CHECK_OK(qn_graph_create(&n->g, NULL));
    n->x = qn_graph_input(n->g, "x", QN_F32, 3, (int64_t[]){ QN_ANY, STEPS, FEATURES });
    n->length = qn_graph_input(n->g, "length", QN_I32, 1, (int64_t[]){ QN_ANY });
    n->target = qn_graph_input(n->g, "target", QN_F32, 2, (int64_t[]){ QN_ANY, 1 });
    y = body(n);
    y = qn_graph_dense(n->g, y, variable(n, "out/kernel", UNITS, 1, QN_INIT_GLOROT_UNIFORM),
                       variable(n, "out/bias", 0, 1, QN_INIT_ZEROS), QN_LINEAR, 0);
    d = qn_graph_sub(n->g, y, n->target);
    n->loss = qn_graph_reduce_mean(n->g, qn_graph_square(n->g, d), NULL, 0, false);
    CHECK_OK(qn_graph_error(n->g));
    CHECK_OK(qn_state_create(&n->s, n->g, dev, &adam, 3));
}

static void destroy(struct net *n)
{
    qn_state_destroy(&n->s);
    qn_graph_destroy(&n->g);
}

/* What to predict: the mean of feature 0 over the steps inside. Padding holds rubbish, which must not matter. */
static void make_batch(float (*x)[STEPS][FEATURES], int32_t *length, float *target, int rows)
{
    for (int i = 0; i < rows; i++) {
        /* The shortest and the longest first. */
        length[i] = i == 0 ? 1 : i == 1 ? STEPS : 1 + (int32_t)test_integer(STEPS);
        target[i] = 0;
        for (int t = 0; t < STEPS; t++)
            for (int k = 0; k < FEATURES; k++) {
                x[i][t][k] = (float)(t < length[i] ? test_uniform() : 50 * test_uniform());
                if (k == 0 && t < length[i])
                    target[i] += x[i][t][k] / (float)length[i];
            }
    }
}

static void trains(struct net *n)
{
    static float x[ROWS][STEPS][FEATURES], target[ROWS];
    static int32_t length[ROWS];
    qn_shape shape[3] = { { 3, { ROWS, STEPS, FEATURES } }, { 1, { ROWS } }, { 2, { ROWS, 1 } } };
    qn_plan *p = NULL;
    double first = 0, last = 0;

    CHECK_OK(qn_plan_create(&p, n->s, &(qn_plan_opt){ .input_shape = shape, .training = true, .loss = n->loss, .update = true,
                                                     .output = &n->loss, .outputs = 1 }));
    for (int i = 0; i < 400 && !test_failed(); i++) {
        float loss = NAN;
        bool look = i < 20 || i >= 380;

        make_batch(x, length, target, ROWS);
        CHECK_OK(qn_plan_run(p, (const void *[]){ x, length, target }, look ? (void *[]){ &loss } : NULL, 0));
        if (look)
            *(i < 20 ? &first : &last) += (double)loss / 20;
    }
    if (!(last < 0.2 * first))
        test_fail(__FILE__, __LINE__, "the loss went from %g to %g", first, last);
    qn_plan_destroy(&p);
}

/* Central differences of the loss itself, a few elements of every weight. */
static void gradients(struct net *n)
{
    enum { FEW = 5 };
    static float x[FEW][STEPS][FEATURES], target[FEW];
    static int32_t length[FEW];
    qn_shape shape[3] = { { 3, { FEW, STEPS, FEATURES } }, { 1, { FEW } }, { 2, { FEW, 1 } } };
    qn_plan *p = NULL;
    float *grad[12], loss, w[512];
    void *out[13] = { &loss };
    const void *in[] = { x, length, target };

    make_batch(x, length, target, FEW);
    for (int i = 0; i < n->weights; i++)
        out[i + 1] = grad[i] = calloc((size_t)n->size[i], sizeof(float));
    CHECK_OK(qn_plan_create(&p, n->s, &(qn_plan_opt){ .input_shape = shape, .training = true, .loss = n->loss,
                                                     .output = &n->loss, .outputs = 1, .wrt = n->weight,
                                                     .wrts = n->weights }));
    CHECK_OK(qn_plan_run(p, in, out, 0));
    for (int i = 0; i < n->weights && !test_failed(); i++) {
        size_t bytes = (size_t)n->size[i] * sizeof(float);

        CHECK_OK(qn_state_read(n->s, n->name[i], w, bytes));
        for (int64_t e = 0; e < n->size[i]; e += 1 + n->size[i] / 9) {
            const float h = 1e-2f, was = w[e];
            float up = NAN, down = NAN;
            double slope;

            w[e] = was + h;
            CHECK_OK(qn_state_write(n->s, n->name[i], w, bytes));
            CHECK_OK(qn_plan_run(p, in, (void *[]){ &up, [12] = NULL }, 0));
            w[e] = was - h;
            CHECK_OK(qn_state_write(n->s, n->name[i], w, bytes));
            CHECK_OK(qn_plan_run(p, in, (void *[]){ &down, [12] = NULL }, 0));
            w[e] = was;
            slope = ((double)up - (double)down) / (2 * (double)h);
            /* Rounding of two losses near 1, and the third derivative. */
            if (!(fabs(slope - (double)grad[i][e]) <= 2e-4 + 2e-3 * fabs(slope)))
                test_fail(__FILE__, __LINE__, "%s[%d]: gradient %g, differences %g", n->name[i], (int)e, (double)grad[i][e],
                          slope);
        }
        CHECK_OK(qn_state_write(n->s, n->name[i], w, bytes));
    }
    for (int i = 0; i < n->weights; i++)
        free(grad[i]);
    qn_plan_destroy(&p);
}

static void family(const void *arg)
{
    qn_val (*body)(struct net *);
    qn_device *dev = test_device();
    struct net n;

    memcpy(&body, arg, sizeof(body));
    if (!dev)
        return;
    build(&n, dev, body);
    if (!test_failed())
        gradients(&n);
    if (!test_failed())
        trains(&n);
    destroy(&n);
}

int main(void)
{
    qn_val (*recurrent)(struct net *) = lstm, (*attentive)(struct net *) = attention;

    test_run_with("compose: an LSTM with lengths: gradients, and it trains", family, &recurrent);
    test_run_with("compose: attention with lengths: gradients, and it trains", family, &attentive);
    return test_end();
}
