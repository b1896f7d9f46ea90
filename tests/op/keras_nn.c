/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Pooling, batch normalisation, softmax, losses and metrics give what Keras gives: tests/fixtures/keras_layers.txt,
 * through level 2 and plans. */
#include <math.h>
#include <stdlib.h>

#include <quern/graph.h>

#include "fixture.h"
#include "graph/plan.h"
#include "ops/metric/metric.h"

#define TOLERANCE 2e-6 /* of the largest element, and of the element */
#define LEAST     1e-7 /* what f32 leaves of numbers around 1 that cancel */

struct run {
    const struct fixture *x;
    qn_graph *g;
    const struct fixture_tensor *fed[20]; /* by the graph's input */
    int inputs;
    qn_val wrt[4], out[4];                /* out: values to compare */
    const char *wrt_name[4], *out_name[4];
    int wrts, outs;
    qn_val loss;
    struct qni_state *state;
    struct qni_plan *plan;
};

/* A tensor of the case as an input of the graph; invalid when it is not there. */
static qn_val feed(struct run *r, const char *name, qn_dtype dtype)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);

    if (!t)
        return (qn_val){0};
    r->fed[r->inputs++] = t;
    return qni_input_add(r->g, name, dtype, &t->shape);
}

static qn_val trained(struct run *r, const char *name, const char *gradient)
{
    const qn_val v = feed(r, name, QN_F32);

    if (v.id && fixture_tensor(r->x, gradient)) {
        r->wrt[r->wrts] = v;
        r->wrt_name[r->wrts++] = gradient;
    }
    return v;
}

static void compare_with(struct run *r, const char *name, qn_val v)
{
    r->out[r->outs] = v;
    r->out_name[r->outs++] = name;
}

static qn_val variable(struct run *r, const char *name)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);
    const struct qni_variable v = {.name = (char *)(uintptr_t)name, .dtype = QN_F32, .shape = t->shape};

    return qni_variable_add(r->g, &v);
}

/* ---- layers ---- */

static qn_val pool_layer(struct run *r, const char *layer, qn_val x)
{
    const bool flat = layer[strlen(layer) - 2] == '1', max = strstr(layer, "max") != NULL;
    qn_graph_pool_opt o = {.padding = strcmp(fixture_attr(r->x, "padding"), "same") == 0 ? QN_SAME : QN_VALID};

    if (strncmp(layer, "global", 6) == 0) {
        const int axes[2] = {1, 2};

        return (max ? qn_graph_reduce_max : qn_graph_reduce_mean)(r->g, x, axes, flat ? 1 : 2, false);
    }
    o.size[0] = (int)fixture_number(r->x, flat ? "size" : "size_h", 0);
    o.size[1] = (int)fixture_number(r->x, "size_w", 0);
    o.stride[0] = (int)fixture_number(r->x, flat ? "stride" : "stride_h", 0);
    o.stride[1] = (int)fixture_number(r->x, "stride_w", 0);
    return max ? qn_graph_maxpool(r->g, x, &o) : qn_graph_avgpool(r->g, x, &o);
}

static qn_val batch_norm_layer(struct run *r, qn_val x)
{
    const qn_graph_batch_norm_opt o = {.epsilon = (float)fixture_number(r->x, "epsilon", 0),
                                       .momentum = (float)fixture_number(r->x, "momentum", 0)};
    const qn_val gamma = trained(r, "gamma", "dgamma"), beta = trained(r, "beta", "dbeta");
    const qn_val mean = variable(r, "moving_mean"), variance = variable(r, "moving_variance");

    if (fixture_number(r->x, "training", 0) != 0)
        return qn_graph_batch_norm(r->g, x, gamma, beta, mean, variance, &o);
    return qn_graph_batch_norm_fixed(r->g, x, gamma, beta, mean, variance, &o);
}

static bool build_layer(struct run *r)
{
    const char *layer = fixture_attr(r->x, "layer"), *act = fixture_attr(r->x, "activation");
    qn_val x, y;

    if (!strstr(layer, "pool") && strcmp(layer, "batch_norm") != 0 && !strstr(act, "softmax"))
        return false;
    x = trained(r, "x", "dx");
    if (strstr(layer, "pool"))
        y = pool_layer(r, layer, x);
    else if (strcmp(layer, "batch_norm") == 0)
        y = batch_norm_layer(r, x);
    else
        y = strcmp(act, "softmax") == 0 ? qn_graph_softmax(r->g, x, -1) : qn_graph_log_softmax(r->g, x, -1);
    compare_with(r, "y", y);
    r->loss = qn_graph_reduce_sum(r->g, qn_graph_mul(r->g, y, feed(r, "dy", QN_F32)), NULL, 0, false);
    return true;
}

/* ---- losses ---- */

static qn_val loss_of(struct run *r, qn_val x, qn_val t, qn_val weight, qn_loss_reduction reduction)
{
    const char *loss = fixture_attr(r->x, "loss");
    const qn_graph_loss_opt o = {.reduction = reduction,
                                 .probabilities = fixture_number(r->x, "from_logits", 0) == 0,
                                 .label_smoothing = (float)fixture_number(r->x, "label_smoothing", 0),
                                 .delta = (float)fixture_number(r->x, "delta", 0)};

    if (strstr(loss, "categorical"))
        return qn_graph_cross_entropy(r->g, x, t, weight, &o);
    if (strcmp(loss, "binary_crossentropy") == 0)
        return qn_graph_binary_cross_entropy(r->g, x, t, weight, &o);
    if (strcmp(loss, "mean_squared_error") == 0)
        return qn_graph_squared_error(r->g, x, t, weight, &o);
    if (strcmp(loss, "mean_absolute_error") == 0)
        return qn_graph_absolute_error(r->g, x, t, weight, &o);
    return qn_graph_huber(r->g, x, t, weight, &o);
}

static bool build_loss(struct run *r)
{
    const bool sparse = strncmp(fixture_attr(r->x, "loss"), "sparse", 6) == 0;
    const qn_val x = trained(r, "y_pred", "dy_pred"), t = feed(r, "y_true", sparse ? QN_I32 : QN_F32);

    r->loss = loss_of(r, x, t, feed(r, "sample_weight", QN_F32), QN_LOSS_MEAN);
    compare_with(r, "loss", r->loss);
    compare_with(r, "per_sample", loss_of(r, x, t, (qn_val){0}, QN_LOSS_EACH));
    return true;
}

/* ---- a plan of it ---- */

static void compare(struct run *r, const char *name, size_t output)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);
    const int64_t n = qni_elements(&t->shape);
    float *got = calloc((size_t)n, sizeof(*got));
    /* Keras's gradient of the logits is softmax - t, which is exact only where t sums to 1. Ours is exact, and these
     * targets have four digits. */
    const double factor = strstr(r->x->name, "soft_targets") ? 500 : 1;
    double largest = 0;

    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(t->v[i]));
    if (CHECK_OK(qni_plan_read(r->plan, output, got, (size_t)n * sizeof(*got), true, NULL)))
        for (int64_t i = 0; i < n; i++)
            if (!(fabs((double)got[i] - t->v[i]) <= TOLERANCE * factor * (largest + fabs(t->v[i])) + LEAST))
                test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, Keras has %.9g", name, (long long)i, (double)got[i], t->v[i]);
    free(got);
}

static void compare_state(struct run *r)
{
    for (size_t k = 0; k < r->g->variables; k++) {
        const bool changes = fixture_number(r->x, "training", 0) != 0;
        const char *name = k == 0 ? changes ? "moving_mean_new" : "moving_mean" : changes ? "moving_variance_new"
            : "moving_variance";
        const struct fixture_tensor *t = fixture_tensor(r->x, name);
        float got[64];

        if (CHECK_OK(qni_state_read(r->state, k, -1, got)))
            for (int64_t i = 0; i < qni_elements(&t->shape); i++)
                if (!(fabs((double)got[i] - t->v[i]) <= TOLERANCE * (1 + fabs(t->v[i]))))
                    test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, Keras has %.9g", name, (long long)i, (double)got[i], t->v[i]);
    }
}

static void *encode(const struct fixture_tensor *t, qn_dtype dtype)
{
    const size_t n = (size_t)qni_elements(&t->shape);
    int32_t *out = calloc(n ? n : 1, sizeof(*out));

    for (size_t i = 0; i < n; i++) {
        const float f = (float)t->v[i];

        if (dtype == QN_I32)
            out[i] = (int32_t)t->v[i];
        else
            memcpy(&out[i], &f, sizeof(f));
    }
    return out;
}

static bool run_plan(struct run *r)
{
    qn_shape shape[20];
    struct qni_plan_request request = {.graph = r->g, .input_shape = shape, .training = true, .loss = r->loss,
                                       .wrt = r->wrt, .wrts = r->wrts, .output = r->out, .outputs = r->outs};
    void *bytes[20] = {NULL};
    int slot = 0;
    bool ok;

    for (int i = 0; i < r->inputs; i++)
        shape[i] = r->fed[i]->shape;
    ok = CHECK_OK(qni_state_create(&r->state, test_device(), r->g, 0));
    for (size_t k = 0; ok && k < r->g->variables; k++) {
        void *from = encode(fixture_tensor(r->x, r->g->variable[k].name), QN_F32);

        ok = CHECK_OK(qni_state_write(r->state, k, -1, from));
        free(from);
    }
    request.state = r->state;
    ok = ok && CHECK_OK(qni_plan_create(&r->plan, &request)) && CHECK_OK(qni_plan_begin(r->plan, &slot));
    for (size_t k = 0; ok && k < r->plan->inputs; k++) {
        const int i = r->plan->input[k].input;

        bytes[k] = encode(r->fed[i], r->g->value[r->g->input[i].value].dtype);
        ok = CHECK_OK(qni_plan_feed(r->plan, slot, k, bytes[k], r->plan->input[k].bytes));
    }
    if (ok) {
        memset(r->plan->words[slot], 0, sizeof(r->plan->words[slot]));
        ok = CHECK_OK(qni_plan_submit(r->plan, slot)) && CHECK_OK(qni_plan_finish(r->plan));
    }
    for (int i = 0; i < 20; i++)
        free(bytes[i]);
    return ok;
}

static void one(const void *arg)
{
    struct run r = {.x = arg};

    if (!test_device() || !CHECK_OK(qni_graph_create(&r.g, test_device()->ctx, false)))
        return;
    if (*fixture_attr(r.x, "layer") ? build_layer(&r) : build_loss(&r)) {
        if (CHECK_OK(qni_graph_status(r.g)) && run_plan(&r)) {
            for (int i = 0; i < r.outs; i++)
                compare(&r, r.out_name[i], (size_t)i);
            for (int i = 0; i < r.wrts; i++)
                compare(&r, r.wrt_name[i], (size_t)(r.outs + i));
            compare_state(&r);
        }
    }
    qni_plan_destroy(&r.plan);
    qni_state_release(&r.state);
    qni_graph_destroy(&r.g);
}

/* ---- metrics: two batches into one state, by primitives ---- */

static qn_tensor *tensor_of(const struct fixture *x, const char *name, int batch, bool classes)
{
    const struct fixture_tensor *t;
    qn_tensor *out = NULL;
    char full[32];
    void *bytes;

    snprintf(full, sizeof(full), "%s%d", name, batch);
    if (!(t = fixture_tensor(x, full)))
        return NULL;
    bytes = encode(t, classes ? QN_I32 : QN_F32);
    if (CHECK_OK(qn_tensor_create(&out, test_device(), classes ? QN_I32 : QN_F32, t->shape.rank, t->shape.dim)))
        CHECK_OK(qn_tensor_write(out, bytes, (size_t)qni_elements(&t->shape) * 4));
    free(bytes);
    return out;
}

static void measure(const struct fixture *x, int batch, qn_tensor *state)
{
    const char *metric = fixture_attr(x, "metric");
    const bool sparse = strncmp(metric, "sparse", 6) == 0, by_class = strstr(metric, "categorical") != NULL;
    const struct qni_metric_class class = {.dense = !sparse, .top = (int32_t)fixture_number(x, "k", 0)};
    const struct qni_metric_pointwise point = {
        .kind = strstr(metric, "squared") ? QNI_METRIC_SQUARED : strstr(metric, "absolute") ? QNI_METRIC_ABSOLUTE :
                QNI_METRIC_BINARY_ACCURACY, .delta = 0.5f};
    qn_tensor *in[4] = {state, tensor_of(x, "y_pred", batch, false), tensor_of(x, "y_true", batch, sparse),
                        tensor_of(x, "sample_weight", batch, false)};
    struct qni_desc d[4] = {{0}};
    qn_op *op = NULL;

    for (int i = 0; i < 4; i++)
        if (in[i])
            d[i] = (struct qni_desc){qn_tensor_dtype(in[i]), qn_tensor_shape(in[i])};
    if (CHECK_OK(qni_primitive_create(&op, test_device(), by_class ? &qni_op_metric_class : &qni_op_metric_pointwise,
                                      by_class ? (const void *)&class : &point, d, 4, in[3] ? 0 : 8, 0, NULL, NULL)))
        CHECK_OK(qn_op_run(op, in, 4, NULL, 0, NULL));
    qn_op_destroy(&op);
    for (int i = 1; i < 4; i++)
        qn_tensor_destroy(&in[i]);
}

static void metric(const void *arg)
{
    const struct fixture *x = arg;
    const double want = fixture_tensor(x, "result")->v[0];
    float state[QNI_METRIC_WORDS] = {0};
    qn_tensor *t = NULL;

    if (!CHECK_OK(qn_tensor_create(&t, test_device(), QN_F32, 1, (const int64_t[]){QNI_METRIC_WORDS})))
        return;
    CHECK_OK(qn_tensor_write(t, state, sizeof(state)));
    for (int batch = 0; batch < 2; batch++)
        measure(x, batch, t);
    CHECK_OK(qn_tensor_read(t, state, sizeof(state)));
    if (!(fabs(qni_metric_value(state) - want) <= TOLERANCE * fabs(want)))
        test_fail(__FILE__, __LINE__, "%.9g, Keras has %.9g", qni_metric_value(state), want);
    qn_tensor_destroy(&t);
}

static bool ours(const struct fixture *x)
{
    const char *layer = fixture_attr(x, "layer");

    return !*layer || strstr(layer, "pool") || strcmp(layer, "batch_norm") == 0 ||
           strstr(fixture_attr(x, "activation"), "softmax");
}

int main(void)
{
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/fixtures/keras_layers.txt", "r");
    struct fixture x;
    char name[128];

    if (!f)
        test_fail(__FILE__, __LINE__, "the fixtures cannot be read");
    while (f && fixture_next(f, &x)) {
        snprintf(name, sizeof(name), "keras: %s", x.name);
        if (ours(&x))
            test_run_with(name, *fixture_attr(&x, "metric") ? metric : one, &x);
        fixture_free(&x);
    }
    if (f)
        fclose(f);
    return test_end();
}
