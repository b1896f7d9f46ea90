/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layers and losses around sequences give what Keras gives: tests/fixtures/keras_sequence.txt and keras_attention.txt, through
 * models, forward and backward. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "graph/plan.h"
#include "model/model.h"

#define TOLERANCE 3e-6 /* of the largest element, and of the element */
#define LEAST     1e-7

struct run {
    const struct fixture *x;
    qn_model *m;
    qn_val y, loss;
    struct qni_plan *plan;
};

static qn_dtype dtype_of(const struct fixture *x, const char *name)
{
    const bool classes = strncmp(fixture_attr(x, "kind"), "loss", 4) == 0 && strcmp(name, "y_true") == 0;

    if (strcmp(name, "mask") == 0 || strcmp(name, "padding") == 0)
        return QN_U8;
    return classes || (strcmp(name, "x") == 0 && strcmp(fixture_attr(x, "layer"), "embedding") == 0) ? QN_I32 : QN_F32;
}

static qn_val input(struct run *r, const char *name)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);

    return qn_input(r->m, dtype_of(r->x, name), t->shape.rank - 1, t->shape.dim + 1);
}

/* ---- what the cases are ---- */

static qn_val norm(struct run *r, const char *layer)
{
    const qn_layernorm_opt o = {
        .epsilon = (float)fixture_number(r->x, "epsilon", 0), .groups = (int)fixture_number(r->x, "groups", 0),
        .axes = *layer == 'g' ? 0 : (int)fixture_number(r->x, "axes", 0),
        .no_scale = !fixture_tensor(r->x, "gamma") && !fixture_tensor(r->x, "scale"), .no_center = !fixture_tensor(r->x, "beta"),
    };
    const qn_val x = input(r, "x");

    return (*layer == 'l' ? qn_layernorm : *layer == 'r' ? qn_rmsnorm : qn_groupnorm)(r->m, x, &o);
}

static qn_val masked(struct run *r, const char *kind)
{
    const qn_val x = qn_masking(r->m, input(r, "x"), 0);
    qn_val y[2] = {qn_dense(r->m, x, &(qn_dense_opt){.units = (int)fixture_tensor(r->x, "bias")->shape.dim[0]})};

    if (fixture_tensor(r->x, "other"))
        y[1] = qn_masking(r->m, input(r, "other"), 0.25f);
    if (strcmp(kind, "multiplied") == 0)
        y[0] = qn_multiply(r->m, y, 2);
    if (strcmp(kind, "concatenated") == 0)
        y[0] = qn_concatenate(r->m, y, 2, &(qn_layer_opt){.axis = 1});
    if (strcmp(kind, "pooled_normalised") == 0)
        y[0] = qn_layernorm(r->m, y[0], NULL);
    return fixture_tensor(r->x, "dy") ? qn_global_avgpool(r->m, y[0], NULL) : y[0];
}

static qn_val embedding(struct run *r)
{
    const qn_shape table = fixture_tensor(r->x, "embeddings")->shape;
    const bool pooled = strcmp(fixture_attr(r->x, "kind"), "pooled") == 0;
    const qn_embedding_opt o = {.words = (int)table.dim[0], .units = (int)table.dim[1], .mask_zero = pooled};
    const qn_val y = qn_embedding(r->m, input(r, "x"), &o);

    if (fixture_number(r->x, "tied", 0) != 0)
        return qn_embedding_logits(r->m, y, "embedding");
    return pooled ? qn_global_avgpool(r->m, y, NULL) : y;
}

static qn_val attention(struct run *r)
{
    const struct fixture *f = r->x;
    const qn_attention_opt o = {
        .heads = (int)fixture_number(f, "heads", 0), .kv_heads = (int)fixture_number(f, "kv_heads", 0),
        .key_dim = (int)fixture_number(f, "key_dim", 0), .value_dim = (int)fixture_number(f, "value_dim", 0),
        .output_dim = (int)fixture_number(f, "output_dim", 0), .window = (int)fixture_number(f, "window", 0),
        .causal = fixture_number(f, "causal", 0) != 0, .no_bias = fixture_number(f, "no_bias", 0) != 0,
    };
    const qn_val x = input(r, "x"), none = {0};
    qn_val value = fixture_tensor(f, "other") ? input(r, "other") : x;
    const qn_val key = fixture_tensor(f, "third") ? input(r, "third") : none;
    const qn_val mask = fixture_tensor(f, "mask") ? input(r, "mask") : none;

    if (fixture_tensor(f, "padding"))
        value = qn_set_mask(r->m, value, input(r, "padding"));
    return (o.kv_heads ? qn_group_query_attention : qn_multi_head_attention)(r->m, x, value, key, mask, &o);
}

static bool build(struct run *r)
{
    const char *layer = fixture_attr(r->x, "layer"), *kind = fixture_attr(r->x, "kind");
    const struct fixture_tensor *dy = fixture_tensor(r->x, "dy");
    const qn_compile_opt losses = {.loss = *kind == 'l' ? QN_SPARSE_CATEGORICAL_CROSSENTROPY : QN_MSE, .from_logits = true};
    qn_graph *g = r->m->g;

    if (strcmp(layer, "attention") == 0)
        r->y = attention(r);
    else
        r->y = strcmp(layer, "masked") == 0 ? masked(r, kind) : *layer == 'e' ? embedding(r) : norm(r, layer);
    if (dy) {
        const qn_shape shape = qni_value_shape(g, r->y);

        r->loss = qn_graph_reduce_sum(g, qn_graph_mul(g, r->y, qni_input_add(g, "dy", QN_F32, &shape)), NULL, 0, false);
    }
    qn_model_output(r->m, r->y);
    if (!CHECK_OK(qn_model_compile(r->m, dy ? NULL : &losses)))
        return false;
    if (!dy)
        r->y = r->loss = r->m->loss[fixture_tensor(r->x, "sample_weight") != NULL];
    return true;
}

/* ---- run and compare ---- */

static void *encode(const struct fixture_tensor *t, qn_dtype dtype)
{
    const size_t n = (size_t)qni_elements(&t->shape);
    int32_t *out = calloc(n ? n : 1, sizeof(*out));

    for (size_t i = 0; i < n; i++) {
        const float f = (float)t->v[i];

        if (dtype == QN_U8)
            ((uint8_t *)out)[i] = (uint8_t)t->v[i];
        else if (dtype == QN_I32)
            out[i] = (int32_t)t->v[i];
        else
            memcpy(&out[i], &f, sizeof(f));
    }
    return out;
}

/* The case's tensor behind an input of the graph. */
static const struct fixture_tensor *fed(const struct run *r, size_t input)
{
    static const char *const names[][2] = {{"input", "x"}, {"input_1", "other"}, {"dy", "dy"}, {"target", "y_true"},
                                           {"weight", "sample_weight"}};

    static const char *const more[] = {"third", "mask", "padding"};
    int number = 0;

    for (size_t i = 0; i < QNI_COUNT(names); i++)
        if (strcmp(r->m->g->input[input].name, names[i][0]) == 0 && fixture_tensor(r->x, names[i][1]))
            return fixture_tensor(r->x, names[i][1]);
    /* An attention case's inputs are those it has, in this order. */
    if (sscanf(r->m->g->input[input].name, "input_%d", &number) != 1)
        return NULL;
    number -= 1 + (fixture_tensor(r->x, "other") != NULL);
    for (size_t i = 0; i < QNI_COUNT(more); i++)
        if (fixture_tensor(r->x, more[i]) && number-- == 0)
            return fixture_tensor(r->x, more[i]);
    return NULL;
}

static const char *short_name(const struct run *r, int weight)
{
    return strchr(r->m->g->variable[weight].name, '/') + 1;
}

static void compare(struct run *r, const char *name, size_t output)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);
    /* The gradients of these biases are sums of terms such as their kernels', which cancel: what is added to all keys alike
     * changes no weight, and of the queries' terms each is a difference. */
    const struct fixture_tensor *like = strcmp(name, "dkey/bias") == 0     ? fixture_tensor(r->x, "dkey/kernel")
                                        : strcmp(name, "dquery/bias") == 0 ? fixture_tensor(r->x, "dquery/kernel")
                                                                           : t;
    const int64_t n = t ? qni_elements(&t->shape) : 0;
    float *got = calloc((size_t)n + 1, sizeof(*got));
    double largest = 0;

    CHECK(t != NULL);
    for (int64_t i = 0; like && i < qni_elements(&like->shape); i++)
        largest = fmax(largest, fabs(like->v[i]));
    if (t && CHECK_OK(qni_plan_read(r->plan, output, got, (size_t)n * sizeof(*got), true, NULL)))
        for (int64_t i = 0; i < n; i++)
            if (!(fabs((double)got[i] - t->v[i]) <= TOLERANCE * (largest + fabs(t->v[i])) + LEAST))
                test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, Keras has %.9g", name, (long long)i, (double)got[i], t->v[i]);
    free(got);
}

static void run_plan(struct run *r)
{
    const int weights = qn_model_weights(r->m);
    static const char *const inputs[] = {"dx", "dother", "dthird"};
    int given = 0;
    qn_shape shape[8];
    qn_val wrt[16];
    struct qni_plan_request request = {.graph = r->m->g, .state = r->m->state, .input_shape = shape, .training = true,
                                       .loss = r->loss, .wrt = wrt, .output = &r->y, .outputs = 1};
    void *bytes[8] = {NULL};
    int slot = 0;
    bool ok = true;

    for (size_t i = 0; i < r->m->g->inputs; i++) {
        const struct fixture_tensor *t = fed(r, i);

        shape[i] = t ? t->shape : (qn_shape){0};
    }
    for (int i = 0; i < weights; i++) {
        const struct fixture_tensor *t = fixture_tensor(r->x, short_name(r, i));
        void *from = t ? encode(t, QN_F32) : NULL;

        wrt[i].id = r->m->g->variable[i].value;
        /* One that the case does not give starts as Keras starts it. */
        ok = ok && (!t || CHECK_OK(qni_state_write(r->m->state, (size_t)i, -1, from)));
        free(from);
    }
    while (given < (int)QNI_COUNT(inputs) && fixture_tensor(r->x, inputs[given])) {
        wrt[weights + given] = r->m->input[given];
        given++;
    }
    request.wrts = weights + given;
    ok = ok && CHECK_OK(qni_plan_create(&r->plan, &request)) && CHECK_OK(qni_plan_begin(r->plan, &slot));
    for (size_t k = 0; ok && k < r->plan->inputs; k++) {
        const size_t i = (size_t)r->plan->input[k].input;

        bytes[k] = encode(fed(r, i), r->plan->input[k].dtype);
        ok = CHECK_OK(qni_plan_feed(r->plan, slot, k, bytes[k], r->plan->input[k].bytes));
    }
    if (ok) {
        char name[64];

        memset(r->plan->words[slot], 0, sizeof(r->plan->words[slot]));
        CHECK_OK(qni_plan_submit(r->plan, slot));
        compare(r, "y", 0);
        for (int i = 0; i < weights; i++) {
            snprintf(name, sizeof(name), "d%s", short_name(r, i));
            if (fixture_tensor(r->x, short_name(r, i)))
                compare(r, name, (size_t)(1 + i));
        }
        for (int i = 0; i < given; i++)
            compare(r, inputs[i], (size_t)(1 + weights + i));
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
    if (build(&r))
        run_plan(&r);
    qni_plan_destroy(&r.plan);
    qn_model_destroy(&r.m);
}

static void replay(const char *path)
{
    FILE *f = fopen(path, "r");
    struct fixture x;
    char name[128];

    if (!f)
        test_fail(__FILE__, __LINE__, "%s cannot be read", path);
    while (f && fixture_next(f, &x)) {
        snprintf(name, sizeof(name), "keras: %s", x.name);
        test_run_with(name, one, &x);
        fixture_free(&x);
    }
    if (f)
        fclose(f);
}

int main(void)
{
    replay(TEST_SOURCE_DIR "/tests/fixtures/keras_sequence.txt");
    replay(TEST_SOURCE_DIR "/tests/fixtures/keras_attention.txt");
    return test_end();
}
