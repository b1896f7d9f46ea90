/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * How many kernels a training plan needs: each costs a cold start its compilation, and PoCL keeps 128 of them loaded.
 * Plans are made here and not run, so that nothing but the compiler's first half is waited for. */
#include "harness/test.h"
#include "model/model.h"
#include "../../tools/quern/models.h"

#define ANY_PLAN 120

struct plan_case {
    const char *name;
    qn_status (*build)(qn_model **out, qn_device *dev, const struct plan_case *c);
    qn_shape sample;
    int64_t classes, batch;
    size_t most;
};

static qn_status named(qn_model **out, qn_device *dev, const struct plan_case *c)
{
    return models_build(out, dev, c->name, &c->sample, c->classes);
}

/* What `quern bench` calls so: recurrent layers and classes. */
static qn_status recurrent(qn_model **out, qn_device *dev, const struct plan_case *c)
{
    qn_status st = qn_model_create(out, dev);
    qn_val x;

    if (st)
        return st;
    x = qn_input(*out, QN_F32, c->sample.rank, c->sample.dim);
    if (!strcmp(c->name, "bigru"))
        x = qn_bidirectional(*out, x, qn_gru, &(qn_rnn_opt){ .units = 128 }, QN_MERGE_CONCAT, NULL);
    else
        x = qn_lstm(*out, x, &(qn_rnn_opt){ .units = 512 });
    qn_model_output(*out, qn_dense(*out, x, &(qn_dense_opt){ .units = (int)c->classes, .act = QN_SOFTMAX }));
    return QN_OK;
}

static const struct plan_case cases[] = {
    { "cnn", named, { 3, { 28, 28, 1 } }, 10, 64, 25 },
    { "convstack", named, { 3, { 32, 32, 3 } }, 10, 32, ANY_PLAN },
    { "gpt", named, { 1, { 128 } }, 65, 16, ANY_PLAN },
    { "bigru", recurrent, { 2, { 28, 28 } }, 10, 64, ANY_PLAN },
    { "lstm512", recurrent, { 2, { 28, 28 } }, 10, 64, ANY_PLAN },
};

static qn_status plan_training(struct qni_plan **out, const qn_model *m, int64_t rows)
{
    qn_shape shape[3 * QNI_MAX_MODEL_IO];
    struct qni_plan_request rq = { .state = m->state, .graph = m->g, .input_shape = shape, .training = true,
                                   .update_first = m->update_first[0], .update_last = m->update_last[0],
                                   .loss = m->loss[0], .optimizer = &m->update };

    for (size_t i = 0; i < m->g->inputs; i++) {
        shape[i] = m->g->input[i].shape;
        if (shape[i].rank)
            shape[i].dim[0] = rows;
    }
    return qni_plan_create(out, &rq);
}

static void kernels(const void *arg)
{
    const struct plan_case *c = arg;
    struct qni_plan *plan = NULL;
    qn_device *dev = test_device();
    qn_model *m = NULL;

    if (!dev)
        return;
    if (!CHECK_OK(c->build(&m, dev, c)) || !CHECK_OK(models_compile(m, c->name, c->classes, 0.0f, 0, 0)) ||
        !CHECK_OK(plan_training(&plan, m, c->batch)))
        goto done;
    printf("# %s: %zu kernels, %zu launches\n", c->name, plan->kernels, plan->launches);
    CHECK(plan->kernels > 5 && plan->kernels <= plan->launches);
    if (plan->kernels > c->most)
        test_fail(__FILE__, __LINE__, "%s trains with %zu kernels, at most %zu are meant to do", c->name, plan->kernels,
                  c->most);
done:
    if (plan)
        qni_plan_destroy(&plan);
    qn_model_destroy(&m);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];

        snprintf(name, sizeof(name), "kernels: %s trains with few", cases[i].name);
        test_run_with(name, kernels, &cases[i]);
    }
    return test_end();
}
