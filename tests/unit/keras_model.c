/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 3's layers give what Keras gives, forward and backward: tests/fixtures/keras_layers.txt and keras_model.txt. */
#include <math.h>
#include <stdlib.h>

#include "fixture.h"
#include "model/model.h"
#include "../../src/layer/layer.h" /* tests/layer has a file of that name */

#define TOLERANCE 2e-6 /* of the largest element, and of the element */
#define LEAST     2e-7 /* what f32 leaves of numbers around 1 that cancel */

struct run {
    const struct fixture *x;
    qn_model *m;
    qn_graph *g;
    const struct fixture_tensor *fed[4]; /* by the graph's input */
    qn_val in[4], wrt[8], out;
    const char *wrt_name[8];
    int inputs, wrts;
    struct qni_state *state;
    struct qni_plan *plan;
};

static int number(const struct run *r, const char *key)
{
    return (int)fixture_number(r->x, key, 0);
}

static float real(const struct run *r, const char *key)
{
    return (float)fixture_number(r->x, key, 0);
}

static qn_padding padding_of(const struct run *r)
{
    const char *name = fixture_attr(r->x, "padding");

    return strcmp(name, "same") == 0 ? QN_SAME : strcmp(name, "causal") == 0 ? QN_CAUSAL : QN_VALID;
}

/* ---- the layers ---- */

static qn_val convolution(struct run *r)
{
    const char *layer = fixture_attr(r->x, "layer");
    const bool flat = strstr(layer, "conv1d") != NULL, channels = strncmp(layer, "depthwise", 9) == 0;
    const bool separable = strncmp(layer, "separable", 9) == 0, back = strstr(layer, "transpose") != NULL;
    const struct fixture_tensor *k = fixture_tensor(r->x, separable ? "depthwise_kernel" : "kernel");
    const struct fixture_tensor *last = separable ? fixture_tensor(r->x, "pointwise_kernel") : k;
    qn_conv_opt o = {.padding = padding_of(r), .groups = number(r, "groups"),
                     .depth_multiplier = number(r, "depth_multiplier"), .no_bias = !fixture_tensor(r->x, "bias")};

    o.kernel[0] = (int)k->shape.dim[0];
    o.kernel[1] = flat ? 0 : (int)k->shape.dim[1];
    o.stride[0] = number(r, flat ? "stride" : "stride_h");
    o.stride[1] = number(r, "stride_w");
    o.dilation[0] = number(r, flat ? "dilation" : "dilation_h");
    o.dilation[1] = number(r, "dilation_w");
    o.filters = channels ? 0 : (int)last->shape.dim[last->shape.rank - (back ? 2 : 1)];
    if (channels)
        return (flat ? qn_depthwise_conv1d : qn_depthwise_conv2d)(r->m, r->in[0], &o);
    if (separable)
        return (flat ? qn_separable_conv1d : qn_separable_conv2d)(r->m, r->in[0], &o);
    if (back)
        return (flat ? qn_conv1d_transpose : qn_conv2d_transpose)(r->m, r->in[0], &o);
    return (flat ? qn_conv1d : qn_conv2d)(r->m, r->in[0], &o);
}

static qn_val pooling(struct run *r)
{
    const char *layer = fixture_attr(r->x, "layer");
    const bool flat = layer[strlen(layer) - 2] == '1', max = strstr(layer, "max") != NULL;
    qn_pool_opt o = {.padding = padding_of(r)};

    if (strncmp(layer, "global", 6) == 0)
        return (max ? qn_global_maxpool : qn_global_avgpool)(r->m, r->in[0], NULL);
    o.size[0] = number(r, flat ? "size" : "size_h");
    o.size[1] = number(r, "size_w");
    o.stride[0] = number(r, flat ? "stride" : "stride_h");
    o.stride[1] = number(r, "stride_w");
    if (flat)
        return (max ? qn_maxpool1d : qn_avgpool1d)(r->m, r->in[0], &o);
    return (max ? qn_maxpool2d : qn_avgpool2d)(r->m, r->in[0], &o);
}

static qn_val dense(struct run *r)
{
    return qn_dense(r->m, r->in[0], &(qn_dense_opt){.units = (int)fixture_tensor(r->x, "kernel")->shape.dim[1],
                                                    .no_bias = !fixture_tensor(r->x, "bias")});
}

static qn_val batch_norm(struct run *r)
{
    return qn_batchnorm(r->m, r->in[0], &(qn_batchnorm_opt){.momentum = real(r, "momentum"), .epsilon = real(r, "epsilon"),
                                                            .no_scale = !fixture_tensor(r->x, "gamma"),
                                                            .no_center = !fixture_tensor(r->x, "beta")});
}

static qn_val activation(struct run *r)
{
    const char *name = fixture_attr(r->x, "activation");
    char text[32];
    int act;

    snprintf(text, sizeof(text), "%s", name);
    if (strcmp(name, "gelu") == 0 && number(r, "approximate"))
        snprintf(text, sizeof(text), "gelu_tanh");
    act = qni_act_find(text);
    CHECK(act >= 0);
    return qn_activation(r->m, r->in[0], (qn_act)act,
                         &(qn_layer_opt){.act_alpha = act == QN_LEAKY_RELU ? real(r, "negative_slope") : real(r, "alpha")});
}

static qn_val layer_activation(struct run *r)
{
    const char *layer = fixture_attr(r->x, "layer");
    const qn_act act = strcmp(layer, "softmax") == 0 ? QN_SOFTMAX : strcmp(layer, "elu") == 0 ? QN_ELU : QN_LEAKY_RELU;

    return qn_activation(r->m, r->in[0], act, &(qn_layer_opt){.act_alpha = real(r, "alpha"), .axis = number(r, "axis")});
}

static qn_val prelu(struct run *r)
{
    const struct fixture_tensor *alpha = fixture_tensor(r->x, "alpha");
    qn_layer_opt o = {0};

    for (int i = 0; i < alpha->shape.rank; i++)
        if (alpha->shape.dim[i] == 1 && r->fed[0]->shape.dim[i + 1] != 1)
            o.shared_axes |= 1u << (i + 1);
    return qn_prelu(r->m, r->in[0], &o);
}

static qn_val border(struct run *r)
{
    const char *layer = fixture_attr(r->x, "layer");
    const qn_layer_opt o = {.pad = {number(r, "pad0"), number(r, "pad1"), number(r, "pad2"), number(r, "pad3")}};

    if (strncmp(layer, "zero", 4) == 0)
        return (strstr(layer, "1d") ? qn_zero_padding1d : qn_zero_padding2d)(r->m, r->in[0], &o);
    return (strstr(layer, "1d") ? qn_cropping1d : qn_cropping2d)(r->m, r->in[0], &o);
}

static qn_val upsampling(struct run *r)
{
    const bool flat = strstr(fixture_attr(r->x, "layer"), "1d") != NULL;
    const qn_upsampling_opt o = {
        .size = {number(r, flat ? "size" : "size_h"), number(r, "size_w")},
        .interpolation = strcmp(fixture_attr(r->x, "interpolation"), "bilinear") == 0 ? QN_BILINEAR : QN_NEAREST};

    return (flat ? qn_upsampling1d : qn_upsampling2d)(r->m, r->in[0], &o);
}

static qn_val permute(struct run *r)
{
    const int axis[3] = {number(r, "axis0"), number(r, "axis1"), number(r, "axis2")};

    return qn_permute(r->m, r->in[0], r->fed[0]->shape.rank - 1, axis);
}

static qn_val repeat_vector(struct run *r)
{
    return qn_repeat_vector(r->m, r->in[0], number(r, "times"));
}

static qn_val rescaling(struct run *r)
{
    return qn_rescaling(r->m, r->in[0], real(r, "scale"), real(r, "offset"), NULL);
}

static qn_val normalization(struct run *r)
{
    const struct fixture_tensor *mean = fixture_tensor(r->x, "mean"), *variance = fixture_tensor(r->x, "variance");
    float a[8], b[8];

    for (int64_t i = 0; i < mean->shape.dim[0]; i++) {
        a[i] = (float)mean->v[i];
        b[i] = (float)variance->v[i];
    }
    return qn_normalization(r->m, r->in[0], &(qn_normalization_opt){.mean = a, .variance = b});
}

static qn_val merge(struct run *r)
{
    static const struct {
        const char *name;
        qn_val (*f)(qn_model *, const qn_val *, int);
    } table[] = {{"add", qn_add}, {"multiply", qn_multiply}, {"average", qn_average}, {"maximum", qn_maximum},
                 {"minimum", qn_minimum}};
    const char *layer = fixture_attr(r->x, "layer");

    for (size_t i = 0; i < QNI_COUNT(table); i++)
        if (strcmp(layer, table[i].name) == 0)
            return table[i].f(r->m, r->in, r->inputs);
    if (strcmp(layer, "subtract") == 0)
        return qn_subtract(r->m, r->in[0], r->in[1]);
    if (strcmp(layer, "concatenate") == 0)
        return qn_concatenate(r->m, r->in, r->inputs, &(qn_layer_opt){.axis = number(r, "axis")});
    return qn_dot(r->m, r->in[0], r->in[1], &(qn_dot_opt){.axes = {number(r, "axis0"), number(r, "axis1")},
                                                          .normalize = number(r, "normalize") != 0});
}

static qn_val penalty(struct run *r)
{
    qn_activity_regularization(r->m, r->in[0], real(r, "l1"), real(r, "l2"), NULL);
    return r->m->penalty;
}

/* The first whose name begins the layer's. */
static const struct {
    const char *name;
    qn_val (*build)(struct run *r);
} layers[] = {
    {"conv", convolution}, {"depthwise", convolution}, {"separable", convolution}, {"max_pool", pooling},
    {"average_pool", pooling}, {"global", pooling}, {"dense", dense}, {"batch_norm", batch_norm},
    {"activation", activation}, {"prelu", prelu}, {"leaky_relu", layer_activation}, {"elu", layer_activation},
    {"softmax", layer_activation}, {"zero_padding", border}, {"cropping", border}, {"up_sampling", upsampling},
    {"permute", permute}, {"repeat_vector", repeat_vector}, {"rescaling", rescaling}, {"normalization", normalization},
    {"activity", penalty}, {"add", merge}, {"subtract", merge}, {"multiply", merge}, {"average", merge},
    {"maximum", merge}, {"minimum", merge}, {"concatenate", merge}, {"dot", merge},
};

static bool build(struct run *r)
{
    const char *layer = fixture_attr(r->x, "layer");

    for (size_t i = 0; i < QNI_COUNT(layers); i++)
        if (strncmp(layer, layers[i].name, strlen(layers[i].name)) == 0) {
            r->out = layers[i].build(r);
            return true;
        }
    test_fail(__FILE__, __LINE__, "there is no layer %s here", layer);
    return false;
}

/* ---- a plan of one ---- */

static void want_gradient(struct run *r, qn_val v, const char *name)
{
    char text[40];
    const struct fixture_tensor *t;

    snprintf(text, sizeof(text), "d%s", name);
    if (!(t = fixture_tensor(r->x, text)))
        return;
    r->wrt[r->wrts] = v;
    r->wrt_name[r->wrts++] = t->name;
}

static bool feed(struct run *r, const char *name)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);

    if (!t)
        return false;
    r->in[r->inputs] = qn_input(r->m, QN_F32, t->shape.rank - 1, t->shape.dim + 1);
    r->fed[r->inputs] = t;
    want_gradient(r, r->in[r->inputs++], name);
    return true;
}

static float *encode(const struct fixture_tensor *t)
{
    const size_t n = (size_t)qni_elements(&t->shape);
    float *out = calloc(n ? n : 1, sizeof(*out));

    for (size_t i = 0; i < n; i++)
        out[i] = (float)t->v[i];
    return out;
}

static void check(const char *name, const struct fixture_tensor *t, const float *got)
{
    double largest = 0;

    for (int64_t i = 0; i < qni_elements(&t->shape); i++)
        largest = fmax(largest, fabs(t->v[i]));
    for (int64_t i = 0; i < qni_elements(&t->shape); i++)
        if (!(fabs((double)got[i] - t->v[i]) <= TOLERANCE * (largest + fabs(t->v[i])) + LEAST))
            test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, Keras has %.9g", name, (long long)i, (double)got[i], t->v[i]);
}

static void compare(struct run *r, const char *name, size_t output)
{
    const struct fixture_tensor *t = fixture_tensor(r->x, name);
    const size_t bytes = (size_t)qni_elements(&t->shape) * sizeof(float);
    float *got = calloc(1, bytes);

    CHECK_INT(r->plan->output[output].bytes, (int64_t)bytes);
    if (CHECK_OK(qni_plan_read(r->plan, output, got, bytes, true, NULL)))
        check(name, t, got);
    free(got);
}

static const char *weight_name(const struct run *r, size_t i)
{
    return strchr(r->g->variable[i].name, '/') + 1;
}

static bool run_plan(struct run *r, qn_val loss)
{
    qn_shape shape[5];
    struct qni_plan_request request = {.graph = r->g, .input_shape = shape, .training = number(r, "training") != 0,
                                       .loss = loss, .wrt = r->wrt, .wrts = r->wrts, .output = &r->out, .outputs = 1};
    void *bytes[5] = {NULL};
    int slot = 0;
    bool ok;

    for (int i = 0; i < r->inputs; i++)
        shape[i] = r->fed[i]->shape;
    ok = CHECK_OK(qni_state_create(&r->state, test_device(), r->g, 0)) && CHECK_OK(qni_state_initialise(r->state, 1));
    for (size_t k = 0; ok && k < r->g->variables; k++) {
        const struct fixture_tensor *t = fixture_tensor(r->x, weight_name(r, k));
        float *from;

        if (!t || !qni_shape_equal(&t->shape, &r->g->variable[k].shape)) {
            test_fail(__FILE__, __LINE__, "weight %s is not Keras's, or of another shape", r->g->variable[k].name);
            return false;
        }
        from = encode(t);
        if (!r->g->variable[k].values) /* those that are given are there already */
            ok = CHECK_OK(qni_state_write(r->state, k, -1, from));
        free(from);
    }
    request.state = r->state;
    ok = ok && CHECK_OK(qni_plan_create(&r->plan, &request)) && CHECK_OK(qni_plan_begin(r->plan, &slot));
    for (size_t k = 0; ok && k < r->plan->inputs; k++) {
        bytes[k] = encode(r->fed[r->plan->input[k].input]);
        ok = CHECK_OK(qni_plan_feed(r->plan, slot, k, bytes[k], r->plan->input[k].bytes));
    }
    if (ok) {
        memset(r->plan->words[slot], 0, sizeof(r->plan->words[slot]));
        ok = CHECK_OK(qni_plan_submit(r->plan, slot)) && CHECK_OK(qni_plan_finish(r->plan));
    }
    for (int i = 0; i < 5; i++)
        free(bytes[i]);
    return ok;
}

static void compare_moved(struct run *r)
{
    for (size_t k = 0; k < r->g->variables; k++) {
        const struct fixture_tensor *t;
        char name[48];
        float got[64];

        snprintf(name, sizeof(name), "%s_new", weight_name(r, k));
        if ((t = fixture_tensor(r->x, name)) && CHECK_OK(qni_state_read(r->state, k, -1, got)))
            check(name, t, got);
    }
}

static void one(const void *arg)
{
    struct run r = {.x = arg};
    const bool alone = fixture_tensor(arg, "penalty") != NULL;
    qn_val loss;

    if (!test_device() || !CHECK_OK(qn_model_create(&r.m, test_device())))
        return;
    r.g = r.m->g;
    if (!feed(&r, "x"))
        for (int i = 0; i < 4; i++) {
            char name[8];

            snprintf(name, sizeof(name), "x%d", i);
            if (!feed(&r, name))
                break;
        }
    if (build(&r) && CHECK_OK(qni_graph_status(r.g))) {
        for (size_t i = 0; i < r.g->variables; i++)
            want_gradient(&r, (qn_val){r.g->variable[i].value}, weight_name(&r, i));
        if ((loss = r.out, !alone)) {
            const struct fixture_tensor *dy = fixture_tensor(r.x, "dy");
            qn_shape shape = dy->shape;

            shape.dim[0] = QN_ANY;
            r.fed[r.inputs++] = dy;
            loss = qn_graph_reduce_sum(r.g, qn_graph_mul(r.g, r.out, qni_input_add(r.g, "dy", QN_F32, &shape)), NULL,
                                       0, false);
        }
        if (CHECK_OK(qni_graph_status(r.g)) && run_plan(&r, loss)) {
            compare(&r, alone ? "penalty" : "y", 0);
            for (int i = 0; i < r.wrts; i++)
                compare(&r, r.wrt_name[i], (size_t)i + 1);
            compare_moved(&r);
        }
    }
    qni_plan_destroy(&r.plan);
    qni_state_release(&r.state);
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
        snprintf(name, sizeof(name), "keras model: %s", x.name);
        if (*fixture_attr(&x, "layer"))
            test_run_with(name, one, &x);
        fixture_free(&x);
    }
    if (f)
        fclose(f);
}

int main(void)
{
    replay(TEST_SOURCE_DIR "/tests/fixtures/keras_layers.txt");
    replay(TEST_SOURCE_DIR "/tests/fixtures/keras_model.txt");
    return test_end();
}
