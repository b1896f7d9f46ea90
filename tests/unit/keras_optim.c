/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Optimizers go where Keras's go: six steps each on gradients from tests/fixtures/keras_model.txt, through level 2. */
#include "fixture.h"

#include <math.h>

#include <quern/graph.h>

#include "base/base.h"

#define STEPS 6
#define MOST 16

static const struct {
    const char *name;
    qn_optimizer (*make)(float lr);
} optimizers[] = {{"sgd", qn_sgd}, {"adam", qn_adam}, {"rmsprop", qn_rmsprop}, {"adagrad", qn_adagrad},
                  {"adadelta", qn_adadelta}, {"adamax", qn_adamax}, {"lion", qn_lion}};

static float number(const struct fixture *x, const char *key)
{
    return (float)fixture_number(x, key, 0);
}

/* Keras's arguments; those that a case does not have stay 0. */
static qn_optimizer make(const struct fixture *x)
{
    const char *kind = fixture_attr(x, "optimizer");
    const float lr = number(x, "learning_rate");
    qn_optimizer o = {.kind = QN_OPTIMIZER_NONE};

    for (size_t i = 0; i < QNI_COUNT(optimizers); i++)
        if (strcmp(kind, optimizers[i].name) == 0)
            o = optimizers[i].make(lr);
    if (strcmp(kind, "adamw") == 0)
        o = qn_adamw(lr, 0);
    CHECK(o.kind != QN_OPTIMIZER_NONE);
    o.momentum = number(x, "momentum");
    o.nesterov = number(x, "nesterov") != 0;
    o.amsgrad = number(x, "amsgrad") != 0;
    o.centered = number(x, "centered") != 0;
    o.rho = number(x, "rho");
    o.initial = number(x, "initial_accumulator_value");
    o.beta1 = fixture_number(x, "beta_1", 0);
    o.beta2 = fixture_number(x, "beta_2", 0);
    o.epsilon = number(x, "epsilon");
    if (*fixture_attr(x, "weight_decay"))
        o.weight_decay = number(x, "weight_decay");
    return o;
}

static void copy(const struct fixture *x, const char *name, float *to)
{
    const struct fixture_tensor *t = fixture_tensor(x, name);

    for (int64_t i = 0; i < t->shape.dim[0]; i++)
        to[i] = (float)t->v[i];
}

static void compare(const struct fixture *x, int step, const float *w)
{
    const struct fixture_tensor *first = fixture_tensor(x, "w"), *want;
    char name[8];

    snprintf(name, sizeof(name), "w%d", step);
    want = fixture_tensor(x, name);
    for (int64_t i = 0; i < want->shape.dim[0]; i++) {
        /* f32 weights, and steps from f32 numbers such as 0.999 */
        const double bound = 3e-7 * (1 + fabs(want->v[i])) + 1e-5 * fabs(want->v[i] - first->v[i]);

        if (!(fabs((double)w[i] - want->v[i]) <= bound))
            test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, Keras has %.9g", name, (long long)i, (double)w[i], want->v[i]);
    }
}

/* The loss is the product of a variable and an input, so the input is the gradient. */
static void one(const void *arg)
{
    const struct fixture *x = arg;
    const qn_shape shape = fixture_tensor(x, "w")->shape;
    const size_t bytes = (size_t)shape.dim[0] * sizeof(float);
    const qn_optimizer o = make(x);
    float w[MOST], g[MOST];
    qn_graph *graph = NULL;
    qn_state *s = NULL;
    qn_plan *p = NULL;
    qn_val variable, input, loss;
    bool ok;

    if (!test_device() || !CHECK_OK(qn_graph_create(&graph, NULL)))
        return;
    variable = qn_graph_variable(graph, &(qn_variable_opt){.name = "w", .rank = 1, .dim = {shape.dim[0]}});
    input = qn_graph_input(graph, "g", QN_F32, 1, shape.dim);
    loss = qn_graph_reduce_sum(graph, qn_graph_mul(graph, variable, input), NULL, 0, false);
    copy(x, "w", w);
    ok = CHECK_OK(qn_state_create(&s, graph, test_device(), &o, 1)) && CHECK_OK(qn_state_write(s, "w", w, bytes)) &&
         CHECK_OK(qn_plan_create(&p, s, &(qn_plan_opt){.input_shape = &shape, .training = true, .loss = loss,
                                                       .update = true}));
    for (int i = 0; i < STEPS && ok; i++) {
        char name[8];

        snprintf(name, sizeof(name), "g%d", i);
        copy(x, name, g);
        ok = CHECK_OK(qn_plan_run(p, (const void *[]){g}, NULL, 0)) && CHECK_OK(qn_state_read(s, "w", w, bytes));
        if (ok)
            compare(x, i, w);
    }
    qn_plan_destroy(&p);
    qn_state_destroy(&s);
    qn_graph_destroy(&graph);
}

int main(void)
{
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/fixtures/keras_model.txt", "r");
    struct fixture x;
    char name[128];

    if (!f)
        test_fail(__FILE__, __LINE__, "the fixtures cannot be read");
    while (f && fixture_next(f, &x)) {
        snprintf(name, sizeof(name), "keras: %s", x.name);
        if (*fixture_attr(&x, "optimizer"))
            test_run_with(name, one, &x);
        fixture_free(&x);
    }
    if (f)
        fclose(f);
    return test_end();
}
