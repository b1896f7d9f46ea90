/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrent layers give what Keras gives: tests/fixtures/keras_rnn.txt, through models, forward and backward. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "graph/plan.h"
#include "model/model.h"

#define TOLERANCE 4e-6 /* of the largest element, and of the element */
#define LEAST     1e-6
#define MOST      24

struct run {
    const struct fixture *x;
    qn_model *m;
    const struct fixture_tensor *fed[MOST]; /* by input of the graph */
    qn_val out[4], wrt[MOST];
    const char *out_name[4];
    char wrt_name[MOST][16];
    int outs, wrts;
    qn_val loss;
    struct qni_plan *plan;
};

/* ---- the layer of a case ---- */

static qn_val feed(struct run *r, const char *name, qn_dtype dtype)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);

    if (!t)
        return (qn_val){0};
    r->fed[r->m->g->inputs] = t;
    return qni_input_add(r->m->g, name, dtype, &t->shape);
}

static void watch(struct run *r, const char *name, qn_val v)
{
    snprintf(r->wrt_name[r->wrts], sizeof(r->wrt_name[0]), "d%s", name);
    r->wrt[r->wrts++] = v;
}

/* A result, which goes into the loss with the gradient that the case gives it. */
static void result(struct run *r, const char *name, qn_val v)
{
    char gradient[16];
    qn_val term;

    snprintf(gradient, sizeof(gradient), "d%s", name);
    r->out[r->outs] = v;
    r->out_name[r->outs++] = name;
    term = qn_graph_reduce_sum(r->m->g, qn_graph_mul(r->m->g, v, feed(r, gradient, QN_F32)), NULL, 0, false);
    r->loss = r->loss.id ? qn_graph_add(r->m->g, r->loss, term) : term;
}

static qn_act activation(const char *name)
{
    static const struct {
        const char *name;
        qn_act act;
    } known[] = {{"linear", QN_IDENTITY}, {"tanh", QN_TANH}, {"sigmoid", QN_SIGMOID}, {"softsign", QN_SOFTSIGN},
                 {"elu", QN_ELU}, {"hard_sigmoid", QN_HARD_SIGMOID}};

    for (size_t i = 0; i < QNI_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].act;
    test_fail(__FILE__, __LINE__, "the activation %s is not known here", name);
    return QN_TANH;
}

static bool flag(const struct run *r, const char *name)
{
    return fixture_number(r->x, name, 0) != 0;
}

static bool build(struct run *r)
{
    const char *kind = fixture_attr(r->x, "layer"), *merge = fixture_attr(r->x, "merge");
    static const char *const merges[] = {"concat", "sum", "mul", "ave"};
    qn_rnn_layer *layer = *kind == 'l' ? qn_lstm : *kind == 'g' ? qn_gru : qn_simple_rnn;
    qn_rnn_opt o = {.units = (int)fixture_number(r->x, "units", 0), .return_sequences = flag(r, "sequences"),
                    .go_backwards = flag(r, "backwards"), .zero_output = flag(r, "zeros"), .no_bias = flag(r, "no_bias"),
                    .reset_before = flag(r, "before"), .act = activation(fixture_attr(r->x, "activation")), .act_alpha = 1};
    qn_val x = feed(r, "x", QN_F32), y;
    char name[8];
    int way = 0;

    if (*kind != 's')
        o.recurrent_act = activation(fixture_attr(r->x, "recurrent"));
    watch(r, "x", x);
    if (fixture_tensor(r->x, "mask"))
        x = qn_set_mask(r->m, x, feed(r, "mask", QN_U8));
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        if (!fixture_tensor(r->x, name))
            break;
        o.initial_state[i] = feed(r, name, QN_F32);
        watch(r, name, o.initial_state[i]);
    }
    while (*merge && way < 3 && strcmp(merge, merges[way]) != 0)
        way++;
    y = *merge ? qn_bidirectional(r->m, x, layer, &o, (qn_merge)way, NULL) : layer(r->m, x, &o);
    result(r, "y", y);
    if (fixture_tensor(r->x, "h"))
        result(r, "h", qn_rnn_state(r->m, y, 0));
    if (fixture_tensor(r->x, "c"))
        result(r, "c", qn_rnn_state(r->m, y, 1));
    for (size_t i = 0; i < r->m->g->variables; i++) {
        snprintf(name, sizeof(name), "w%d", (int)i);
        watch(r, name, (qn_val){r->m->g->variable[i].value});
    }
    qn_model_output(r->m, y);
    return CHECK_OK(qn_model_compile(r->m, NULL));
}

/* ---- run and compare ---- */

static void *encode(const struct fixture_tensor *t, qn_dtype dtype)
{
    const size_t n = (size_t)qni_elements(&t->shape);
    unsigned char *out = calloc(n + 1, sizeof(float));

    for (size_t i = 0; i < n; i++) {
        const float f = (float)t->v[i];

        if (dtype == QN_U8)
            out[i] = t->v[i] != 0;
        else
            memcpy(out + i * sizeof(f), &f, sizeof(f));
    }
    return out;
}

static void compare(struct run *r, const char *name, size_t output)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);
    const int64_t n = t ? qni_elements(&t->shape) : 0;
    float *got = calloc((size_t)n + 1, sizeof(*got));
    double largest = 0;

    if (!t)
        test_fail(__FILE__, __LINE__, "the case has no %s", name);
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(t->v[i]));
    if (t && CHECK_OK(qni_plan_read(r->plan, output, got, (size_t)n * sizeof(*got), true, NULL)))
        for (int64_t i = 0; i < n; i++)
            if (!(fabs((double)got[i] - t->v[i]) <= TOLERANCE * (largest + fabs(t->v[i])) + LEAST))
                test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, Keras has %.9g", name, (long long)i, (double)got[i], t->v[i]);
    free(got);
}

static bool make_plan(struct run *r)
{
    qn_shape shape[MOST] = {{0}};
    struct qni_plan_request request = {.graph = r->m->g, .state = r->m->state, .input_shape = shape, .training = true,
                                       .loss = r->loss, .wrt = r->wrt, .wrts = r->wrts, .output = r->out,
                                       .outputs = r->outs};
    bool ok = true;

    for (size_t i = 0; i < r->m->g->inputs; i++)
        shape[i] = r->fed[i]->shape;
    for (size_t i = 0; i < r->m->g->variables && ok; i++) {
        char name[8];
        void *from;

        snprintf(name, sizeof(name), "w%d", (int)i);
        from = encode(fixture_tensor(r->x, name), QN_F32);
        ok = CHECK_OK(qni_state_write(r->m->state, i, -1, from));
        free(from);
    }
    return ok && CHECK_OK(qni_plan_create(&r->plan, &request));
}

static void run_plan(struct run *r)
{
    void *bytes[MOST] = {NULL};
    int slot = 0;
    bool ok = CHECK_OK(qni_plan_begin(r->plan, &slot));

    for (size_t k = 0; ok && k < r->plan->inputs; k++) {
        bytes[k] = encode(r->fed[r->plan->input[k].input], r->plan->input[k].dtype);
        ok = CHECK_OK(qni_plan_feed(r->plan, slot, k, bytes[k], r->plan->input[k].bytes));
    }
    if (ok) {
        memset(r->plan->words[slot], 0, sizeof(r->plan->words[slot]));
        CHECK_OK(qni_plan_submit(r->plan, slot));
        for (int i = 0; i < r->outs; i++)
            compare(r, r->out_name[i], (size_t)i);
        for (int i = 0; i < r->wrts; i++)
            compare(r, r->wrt_name[i], (size_t)(r->outs + i));
        CHECK_OK(qni_plan_finish(r->plan));
    }
    for (size_t i = 0; i < QNI_COUNT(bytes); i++)
        free(bytes[i]);
}

static void one(const void *arg)
{
    struct run r = {.x = arg};

    if (!test_device() || !CHECK_OK(qn_model_create(&r.m, test_device())))
        return;
    if (build(&r) && make_plan(&r))
        run_plan(&r);
    qni_plan_destroy(&r.plan);
    qn_model_destroy(&r.m);
}

int main(void)
{
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/fixtures/keras_rnn.txt", "r");
    struct fixture x;
    char name[128];

    if (!f)
        test_fail(__FILE__, __LINE__, "the fixtures cannot be read");
    while (f && fixture_next(f, &x)) {
        snprintf(name, sizeof(name), "keras: %s", x.name);
        test_run_with(name, one, &x);
        fixture_free(&x);
    }
    if (f)
        fclose(f);
    return test_end();
}
