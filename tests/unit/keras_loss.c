/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Losses that are made of other operations, and metrics of level 3, give what Keras gives: keras_model.txt. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>

#include <quern/model.h>

#include "base/base.h"

#define TOLERANCE 3e-6

static const struct {
    const char *name;
    qn_val (*graph)(qn_graph *, qn_val, qn_val, qn_val, const qn_graph_loss_opt *);
    qn_loss model;
} losses[] = {
    {"log_cosh", qn_graph_log_cosh, QN_LOG_COSH}, {"hinge", qn_graph_hinge, QN_HINGE},
    {"squared_hinge", qn_graph_squared_hinge, QN_SQUARED_HINGE},
    {"categorical_hinge", qn_graph_categorical_hinge, QN_CATEGORICAL_HINGE},
    {"kl_divergence", qn_graph_kl_divergence, QN_KL_DIVERGENCE}, {"poisson", qn_graph_poisson, QN_POISSON},
    {"cosine_similarity", qn_graph_cosine_similarity, QN_COSINE_SIMILARITY},
    {"mean_squared_logarithmic_error", qn_graph_squared_logarithmic_error, QN_MSLE},
    {"mean_absolute_percentage_error", qn_graph_absolute_percentage_error, QN_MAPE},
};

/* The elements of all batches one after the other; NULL where there are none. */
static float *elements(const struct fixture *x, const char *name, int batches)
{
    float *out = NULL;
    int64_t at = 0;

    for (int b = 0; b < QNI_MAX(batches, 1); b++) {
        const struct fixture_tensor *t;
        char full[32];
        int64_t n;

        snprintf(full, sizeof(full), batches ? "%s%d" : "%s", name, b);
        if (!(t = fixture_tensor(x, full)))
            return NULL;
        n = qni_elements(&t->shape);
        out = realloc(out, (size_t)(at + n) * sizeof(*out));
        for (int64_t i = 0; i < n; i++)
            out[at++] = (float)t->v[i];
    }
    return out;
}

static void compare(const char *name, const struct fixture_tensor *t, const float *got)
{
    double largest = 0;

    for (int64_t i = 0; i < qni_elements(&t->shape); i++)
        largest = fmax(largest, fabs(t->v[i]));
    for (int64_t i = 0; i < qni_elements(&t->shape); i++)
        if (!(fabs((double)got[i] - t->v[i]) <= TOLERANCE * (largest + fabs(t->v[i]))))
            test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, Keras has %.9g", name, (long long)i, (double)got[i], t->v[i]);
}

/* A model that gives its input back, of the batch's axis 0. */
static qn_model *mirror(const qn_shape *shape, const qn_compile_opt *opt)
{
    qn_model *m = NULL;

    if (!CHECK_OK(qn_model_create(&m, test_device())))
        return NULL;
    qn_model_output(m, qn_activation(m, qn_input(m, QN_F32, shape->rank - 1, shape->dim + 1), QN_LINEAR, NULL));
    if (!CHECK_OK(qn_model_compile(m, opt)))
        qn_model_destroy(&m);
    return m;
}

static void by_graph(const struct fixture *x, size_t kind, const float *p, const float *y, const float *w)
{
    const struct fixture_tensor *t = fixture_tensor(x, "y_pred");
    const qn_shape rows = {1, {t->shape.dim[0]}}, shapes[3] = {t->shape, t->shape, rows};
    float loss = 0, *dx = calloc((size_t)qni_elements(&t->shape), sizeof(*dx));
    qn_graph *g = NULL;
    qn_state *s = NULL;
    qn_plan *plan = NULL;
    qn_val in[3] = {{0}}, out;

    CHECK_OK(qn_graph_create(&g, NULL));
    in[0] = qn_graph_input(g, "x", QN_F32, t->shape.rank, t->shape.dim);
    in[1] = qn_graph_input(g, "t", QN_F32, t->shape.rank, t->shape.dim);
    if (w)
        in[2] = qn_graph_input(g, "w", QN_F32, 1, rows.dim);
    out = losses[kind].graph(g, in[0], in[1], in[2], NULL);
    if (CHECK_OK(qn_state_create(&s, g, test_device(), NULL, 1)) &&
        CHECK_OK(qn_plan_create(&plan, s, &(qn_plan_opt){.input_shape = shapes, .training = true, .loss = out,
                                                         .output = &out, .outputs = 1, .wrt = in, .wrts = 1})) &&
        CHECK_OK(qn_plan_run(plan, (const void *[]){p, y, w}, (void *[]){&loss, dx}, 0))) {
        compare("loss", fixture_tensor(x, "loss"), &loss);
        compare("dy_pred", fixture_tensor(x, "dy_pred"), dx);
    }
    free(dx);
    qn_plan_destroy(&plan);
    qn_state_destroy(&s);
    qn_graph_destroy(&g);
}

static void one_loss(const void *arg)
{
    const struct fixture *x = arg;
    const struct fixture_tensor *t = fixture_tensor(x, "y_pred");
    float *p = elements(x, "y_pred", 0), *y = elements(x, "y_true", 0), *w = elements(x, "sample_weight", 0), got;
    qn_model *m = NULL;
    qn_logs logs;
    size_t kind = 0;

    while (kind < QNI_COUNT(losses) && strcmp(losses[kind].name, fixture_attr(x, "loss")) != 0)
        kind++;
    CHECK(kind < QNI_COUNT(losses));
    if (test_device() && kind < QNI_COUNT(losses)) {
        by_graph(x, kind, p, y, w);
        m = mirror(&t->shape, &(qn_compile_opt){.loss = losses[kind].model});
        if (m && CHECK_OK(qn_model_test_batch(m, (const void *[]){p}, (const void *[]){y}, w, t->shape.dim[0], &logs))) {
            got = (float)qn_logs_get(&logs, "loss");
            compare("the model's loss", fixture_tensor(x, "loss"), &got);
        }
    }
    free(p);
    free(y);
    free(w);
    qn_model_destroy(&m);
}

static void one_metric(const void *arg)
{
    const struct fixture *x = arg;
    const struct fixture_tensor *t = fixture_tensor(x, "y_pred0");
    const char *name = fixture_attr(x, "metric");
    const bool error = strcmp(name, "rmse") == 0;
    float *p = elements(x, "y_pred", 2), *y = elements(x, "y_true", 2), *w = elements(x, "sample_weight", 2), got;
    const qn_shape sample = {1, {t->shape.dim[1]}};
    qn_array arrays[3] = {
        {.field = {.role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = sample}, .data = p},
        {.field = {.role = QN_FIELD_TARGET, .dtype = QN_F32, .shape = sample}, .data = y},
        {.field = {.role = QN_FIELD_WEIGHT, .dtype = QN_F32}, .data = w},
    };
    qn_dataset *ds = NULL;
    qn_model *m = NULL;
    qn_logs logs;

    if (test_device()) {
        m = mirror(&t->shape, &(qn_compile_opt){
            .loss = error ? QN_MSE : QN_BINARY_CROSSENTROPY, .weighted_metrics = w != NULL,
            .metrics = {error ? QN_METRIC_RMSE : strcmp(name, "recall") == 0 ? QN_RECALL : QN_PRECISION}});
        CHECK_OK(qn_dataset_arrays(&ds, 2 * t->shape.dim[0], arrays, w ? 3 : 2, NULL));
        if (m && ds && CHECK_OK(qn_model_evaluate(m, ds, (int)t->shape.dim[0], &logs))) {
            got = (float)qn_logs_get(&logs, name);
            compare(name, fixture_tensor(x, "result"), &got);
        }
        /* Without weighted_metrics the weights are the loss's alone. */
        if (m && w && strcmp(name, "precision") != 0) {
            qn_model_destroy(&m);
            m = mirror(&t->shape, &(qn_compile_opt){.loss = QN_MSE, .metrics = {error ? QN_METRIC_RMSE : QN_RECALL}});
            CHECK_OK(qn_model_evaluate(m, ds, 5, &logs));
            CHECK(fabs(qn_logs_get(&logs, name) - fixture_tensor(x, "result")->v[0]) > 1e-3);
        }
    }
    free(p);
    free(y);
    free(w);
    qn_dataset_close(&ds);
    qn_model_destroy(&m);
}

static qn_val shorter(qn_graph *g)
{
    return qn_graph_hinge(g, qn_graph_input(g, "x", QN_F32, 2, (int64_t[]){3, 4}),
                          qn_graph_input(g, "t", QN_F32, 2, (int64_t[]){3, 1}), (qn_val){0}, NULL);
}

static void mistakes(void)
{
    qn_graph *g = NULL;
    qn_model *m = NULL;

    if (!test_device() || !CHECK_OK(qn_graph_create(&g, NULL)))
        return;
    CHECK_INT(shorter(g).id, 0);
    CHECK_STATUS(qn_graph_error(g), QN_E_SHAPE, "hinge: predictions [3, 4] and targets [3, 1]");
    qn_graph_destroy(&g);
    CHECK_OK(qn_model_create(&m, test_device()));
    qn_model_output(m, qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){2}), &(qn_dense_opt){.units = 3}));
    CHECK_STATUS(qn_model_compile(m, &(qn_compile_opt){.loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY, .from_logits = true,
                                                       .metrics = {QN_PRECISION}}), QN_E_ARG,
                 "the metric precision does not fit the loss");
    qn_model_destroy(&m);
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
        if (*fixture_attr(&x, "loss"))
            test_run_with(name, one_loss, &x);
        else if (*fixture_attr(&x, "metric"))
            test_run_with(name, one_metric, &x);
        fixture_free(&x);
    }
    if (f)
        fclose(f);
    test_run("losses: mistakes are named", mistakes);
    return test_end();
}
