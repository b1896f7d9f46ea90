/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Plans: a small net made of graph operations trains, two plans share state,
 * what is packed or bound stays right from step to step. */
#include <math.h>
#include <stdlib.h>

#include "graph/plan.h"
#include "ops/conv/conv.h"
#include "ops/loss/loss.h"
#include "ops/pool/pool.h"
#include "optim/optim.h"
#include "harness/test.h"

#define ROWS 16
#define SIDE 8
#define CLASSES 3

struct net {
    qn_graph *g;
    qn_val x, t, logits, loss;
    struct qni_state *state;
    qn_optimizer adam;
    struct qni_optimizer update;
};

static qn_val weight(struct net *n, const char *name, qn_shape shape)
{
    struct qni_variable v = { .name = (char *)name, .dtype = QN_F32, .shape = shape, .trainable = true };

    return qni_variable_add(n->g, &v);
}

static void build(struct net *n, qn_device *dev)
{
    qn_shape image = { .rank = 4, .dim = { QN_ANY, SIDE, SIDE, 1 } }, label = { .rank = 1, .dim = { QN_ANY } };
    struct qni_conv conv = { .padding = QN_SAME }, full = { .padding = QN_VALID };
    struct qni_pool pool = { .size = { 2, 2 } };
    struct qni_cross_entropy ce = { 0 };
    qn_val in[6], y;
    float *value;

    memset(n, 0, sizeof(*n));
    CHECK_OK(qni_graph_create(&n->g, dev->ctx, false));
    n->x = qni_input_add(n->g, "x", QN_F32, &image);
    n->t = qni_input_add(n->g, "t", QN_I32, &label);
    in[0] = n->x;
    in[1] = weight(n, "k1", qni_shape(4, (int64_t)3, (int64_t)3, (int64_t)1, (int64_t)5));
    y = qni_node_bias_act(n->g, &qni_op_conv2d, &conv, in, 2, weight(n, "b1", qni_shape(1, (int64_t)5)), QN_RELU, 0);
    y = qni_node_add(n->g, &qni_op_maxpool, &pool, &y, 1, NULL);
    in[0] = y;
    in[1] = weight(n, "k2", qni_shape(4, (int64_t)4, (int64_t)4, (int64_t)5, (int64_t)CLASSES));
    y = qni_node_bias_act(n->g, &qni_op_conv2d, &full, in, 2, weight(n, "b2", qni_shape(1, (int64_t)CLASSES)), QN_LINEAR, 0);
    n->logits = qn_graph_flatten(n->g, y);
    in[0] = n->logits;
    in[1] = n->t;
    n->loss = qni_node_add(n->g, &qni_op_cross_entropy, &ce, in, 2, NULL);
    CHECK_OK(qni_graph_status(n->g));
    n->adam = qn_adam(0.01f);
    CHECK_OK(qni_optimizer_resolve(&n->adam, &n->adam));
    n->update = qni_optimizer_plan(&n->adam);
    CHECK_OK(qni_state_create(&n->state, dev, n->g, n->update.slots));
    for (size_t i = 0; i < n->g->variables; i++) {
        int64_t k = qni_elements(&n->g->variable[i].shape);

        value = calloc((size_t)k, sizeof(*value));
        for (int64_t j = 0; j < k; j++)
            value[j] = (float)(0.2 * test_uniform());
        CHECK_OK(qni_state_write(n->state, i, -1, value));
        free(value);
    }
}

static void destroy(struct net *n)
{
    qni_state_release(&n->state);
    qni_graph_destroy(&n->g);
}

/* Class c has a bright bar in column 2c. */
static void make_batch(float *x, int32_t *t, int rows)
{
    for (int i = 0; i < rows; i++) {
        t[i] = (int32_t)test_integer(CLASSES);
        for (int k = 0; k < SIDE * SIDE; k++)
            x[i * SIDE * SIDE + k] = (float)(0.3 * test_uniform() + (k % SIDE == 2 * t[i]));
    }
}

static struct qni_plan *make_plan(struct net *n, int rows, bool training)
{
    qn_shape shape[2] = { { .rank = 4, .dim = { rows, SIDE, SIDE, 1 } }, { .rank = 1, .dim = { rows } } };
    struct qni_plan_request rq = { .state = n->state, .graph = n->g, .input_shape = shape, .training = training,
                                   .loss = n->loss, .output = &n->loss, .outputs = 1,
                                   .optimizer = training ? &n->update : NULL };
    struct qni_plan *p = NULL;

    CHECK_OK(qni_plan_create(&p, &rq));
    return p;
}

static float step(struct net *n, struct qni_plan *p, const float *x, const int32_t *t, int rows)
{
    float loss = NAN;
    int slot = 0;

    CHECK_OK(qni_plan_begin(p, &slot));
    CHECK_OK(qni_plan_feed(p, slot, 0, x, (size_t)rows * SIDE * SIDE * sizeof(*x)));
    CHECK_OK(qni_plan_feed(p, slot, 1, t, (size_t)rows * sizeof(*t)));
    memset(p->words[slot], 0, sizeof(p->words[slot]));
    memcpy(&p->words[slot][QNI_STEP_LR], &n->adam.lr, sizeof(n->adam.lr));
    CHECK_OK(qni_plan_submit(p, slot));
    CHECK_OK(qni_plan_read(p, 0, &loss, sizeof(loss), true, NULL));
    return loss;
}

static void trains(void)
{
    qn_device *dev = test_device();
    static float x[ROWS * SIDE * SIDE];
    static int32_t t[ROWS];
    struct qni_plan *train, *test;
    struct net n;
    float first = 0, last = 0, checked;

    if (!dev)
        return;
    build(&n, dev);
    train = make_plan(&n, ROWS, true);
    test = make_plan(&n, ROWS, false);
    for (int i = 0; i < 60 && train && test && !test_failed(); i++) {
        make_batch(x, t, ROWS);
        checked = step(&n, test, x, t, ROWS);
        last = step(&n, train, x, t, ROWS);
        if (i == 0)
            first = last;
        /* The loss before the update is the same in both plans. */
        if (fabsf(checked - last) > 1e-5f)
            test_fail(__FILE__, __LINE__, "step %d: loss %g in training, %g in test", i, (double)last, (double)checked);
    }
    if (!(last < 0.3f * first))
        test_fail(__FILE__, __LINE__, "the loss went from %g to %g", (double)first, (double)last);
    if (train)
        qni_plan_destroy(&train);
    if (test)
        qni_plan_destroy(&test);
    destroy(&n);
}

/* ---- outputs that take over an input's storage ---- */

#define A 16
#define B 32
#define BYTES ((uint64_t)(A * B) * sizeof(float))

static double softplus(double v) { return log1p(exp(v)); }

static qn_val turned(qn_graph *g, qn_val x) { return qn_graph_transpose(g, x, (int[]){ 1, 0 }, 2); }

/* Builds up to two outputs of x [A,B]; want: their values, and the arena's size in values of x's size. */
struct in_place {
    const char *name;
    int outputs, arena;
    void (*build)(qn_graph *g, qn_val x, qn_val *out);
    double (*want[2])(const float *x, int i);
};

/* turned(x): [B,A], element i is x[i % A][i / A]. */
static double at_turned(const float *x, int i) { return (double)x[i % A * B + i / A]; }

static void build_last(qn_graph *g, qn_val x, qn_val *out) { out[0] = qn_graph_act(g, turned(g, x), QN_SOFTPLUS, 0); }
static double want_last(const float *x, int i) { return softplus(at_turned(x, i)); }

static void build_root(qn_graph *g, qn_val x, qn_val *out)
{
    out[0] = turned(g, x);
    out[1] = qn_graph_act(g, out[0], QN_SOFTPLUS, 0);
}

/* Read again after it would have been overwritten. */
static void build_again(qn_graph *g, qn_val x, qn_val *out)
{
    qn_val h = turned(g, x), s = turned(g, qn_graph_act(g, h, QN_SOFTPLUS, 0));

    out[0] = qn_graph_sub(g, s, turned(g, h));
}
static double want_again(const float *x, int i) { return softplus((double)x[i]) - (double)x[i]; }

/* Through a view. */
static void build_view(qn_graph *g, qn_val x, qn_val *out)
{
    qn_val r = qn_graph_reshape(g, turned(g, x), 1, (int64_t[]){ A * B });

    out[0] = qn_graph_reshape(g, qn_graph_act(g, r, QN_SOFTPLUS, 0), 2, (int64_t[]){ B, A });
}

/* The input itself is fed, not the arena's. */
static void build_fed(qn_graph *g, qn_val x, qn_val *out) { out[0] = qn_graph_act(g, x, QN_SOFTPLUS, 0); }
static double want_fed(const float *x, int i) { return softplus((double)x[i]); }

static void in_place(const void *arg)
{
    const struct in_place *c = arg;
    qn_device *dev = test_device();
    qn_shape shape = { .rank = 2, .dim = { A, B } };
    qn_val x, out[2] = { { 0 } };
    struct qni_state *state = NULL;
    struct qni_plan *p = NULL;
    qn_graph *g = NULL;
    float v[A * B];
    int slot;

    for (int i = 0; i < A * B; i++)
        v[i] = (float)test_uniform();
    CHECK_OK(qni_graph_create(&g, dev->ctx, false));
    x = qni_input_add(g, "x", QN_F32, &shape);
    c->build(g, x, out);
    CHECK_OK(qni_state_create(&state, dev, g, 0));
    if (!CHECK_OK(qni_plan_create(&p, &(struct qni_plan_request){ .state = state, .graph = g, .input_shape = &shape,
                                                                  .output = out, .outputs = c->outputs })))
        return;
    if (c->arena && !qni_env(dev->ctx, "QUERN_DEBUG_ALLOC"))
        CHECK_INT(p->arena_bytes, (uint64_t)c->arena * BYTES);
    for (int run = 0; run < 2; run++) {
        CHECK_OK(qni_plan_begin(p, &slot));
        CHECK_OK(qni_plan_feed(p, slot, 0, v, sizeof(v)));
        CHECK_OK(qni_plan_submit(p, slot));
        for (int o = 0; o < c->outputs; o++) {
            static float y[A * B];
            size_t bytes = p->output[o].bytes;

            CHECK_OK(qni_plan_read(p, (size_t)o, y, bytes, true, NULL));
            for (int i = 0; i < (int)(bytes / sizeof(*y)) && !test_failed(); i++)
                if (!(fabs((double)y[i] - c->want[o](v, i)) <= 1e-5))
                    test_fail(__FILE__, __LINE__, "output %d, element %d is %g, not %g", o, i, (double)y[i], c->want[o](v, i));
        }
    }
    qni_plan_destroy(&p);
    qni_state_release(&state);
    qni_graph_destroy(&g);
}

static const struct in_place in_places[] = {
    { "plan: in place, the last reader", 1, 1, build_last, { want_last } },
    { "plan: in place, not over an output", 2, 2, build_root, { at_turned, want_last } },
    { "plan: in place, not over what is read again", 1, 0, build_again, { want_again } },
    { "plan: in place, through views", 1, 1, build_view, { want_last } },
    { "plan: in place, not over what is fed", 1, 1, build_fed, { want_fed } },
};

int main(void)
{
    for (size_t i = 0; test_device() && i < QNI_COUNT(in_places); i++)
        test_run_with(in_places[i].name, in_place, &in_places[i]);

    test_run("plan: a small net trains, and a test plan follows", trains);
    return test_end();
}
