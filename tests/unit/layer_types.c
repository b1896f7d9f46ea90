/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every layer type: a model of it is saved and loaded, and predicts the same bits. Options differ from their defaults. */
#include "model_tests.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/model.h"
#include "../../src/layer/layer.h" /* tests/layer has a file of that name */

#define ROWS 3

/* ---- one layer each ---- */

static qn_val dense(qn_model *m, const qn_val *x)
{
    return qn_dense(m, x[0], &(qn_dense_opt){.units = 3, .act = QN_LEAKY_RELU, .act_alpha = 0.1f, .no_bias = true,
                                             .kernel_init = QN_INIT_HE_NORMAL, .kernel_l2 = 1e-3f, .name = "mine"});
}

/* The same weights twice. */
static qn_val shared(qn_model *m, const qn_val *x)
{
    qn_dense_opt o = {.units = 6, .act = QN_TANH, .name = "first"};
    qn_val y = qn_dense(m, x[0], &o);

    o.name = NULL;
    o.reuse = "first";
    return qn_dense(m, y, &o);
}

static const qn_conv_opt conv = {.filters = 4, .kernel = {3, 2}, .stride = {2, 1}, .padding = QN_SAME, .groups = 2,
                                 .act = QN_SWISH};
static const qn_conv_opt causal = {.filters = 4, .kernel = {3}, .dilation = {2}, .padding = QN_CAUSAL,
                                   .bias_init = QN_INIT_ONES};
static const qn_conv_opt channels = {.kernel = {2}, .depth_multiplier = 2, .padding = QN_EXPLICIT, .pad = {1, 0, 2, 1}};
static const qn_conv_opt separable = {.filters = 3, .kernel = {2}, .depth_multiplier = 2, .stride = {2}};
static const qn_conv_opt transposed = {.filters = 3, .kernel = {3}, .stride = {2}, .padding = QN_SAME,
                                       .output_padding = {1, 1}};

static qn_val conv2d(qn_model *m, const qn_val *x)
{
    return qn_conv2d(m, x[0], &conv);
}

static qn_val conv1d(qn_model *m, const qn_val *x)
{
    return qn_conv1d(m, x[0], &causal);
}

static qn_val depthwise2d(qn_model *m, const qn_val *x)
{
    return qn_depthwise_conv2d(m, x[0], &channels);
}

static qn_val depthwise1d(qn_model *m, const qn_val *x)
{
    return qn_depthwise_conv1d(m, x[0], &channels);
}

static qn_val separable2d(qn_model *m, const qn_val *x)
{
    return qn_separable_conv2d(m, x[0], &separable);
}

static qn_val separable1d(qn_model *m, const qn_val *x)
{
    return qn_separable_conv1d(m, x[0], &separable);
}

static qn_val transpose2d(qn_model *m, const qn_val *x)
{
    return qn_conv2d_transpose(m, x[0], &transposed);
}

static qn_val transpose1d(qn_model *m, const qn_val *x)
{
    return qn_conv1d_transpose(m, x[0], &transposed);
}

static const qn_pool_opt window = {.size = {3, 2}, .stride = {1, 2}, .padding = QN_SAME}, kept = {.keepdims = true};

static qn_val maxpool2d(qn_model *m, const qn_val *x)
{
    return qn_maxpool2d(m, x[0], &window);
}

static qn_val avgpool2d(qn_model *m, const qn_val *x)
{
    return qn_avgpool2d(m, x[0], &window);
}

static qn_val maxpool1d(qn_model *m, const qn_val *x)
{
    return qn_maxpool1d(m, x[0], &window);
}

static qn_val avgpool1d(qn_model *m, const qn_val *x)
{
    return qn_avgpool1d(m, x[0], &window);
}

static qn_val global_max(qn_model *m, const qn_val *x)
{
    return qn_global_maxpool(m, x[0], &kept);
}

static qn_val global_avg(qn_model *m, const qn_val *x)
{
    return qn_global_avgpool(m, x[0], &kept);
}

static qn_val batchnorm(qn_model *m, const qn_val *x)
{
    return qn_batchnorm(m, x[0], &(qn_batchnorm_opt){.momentum = 0.5f, .epsilon = 1e-2f, .no_center = true});
}

static const qn_layernorm_opt parts = {.epsilon = 0.1f, .axes = 2, .no_center = true}, thirds = {.groups = 3};

static qn_val layernorm(qn_model *m, const qn_val *x)
{
    return qn_layernorm(m, x[0], &parts);
}

static qn_val rmsnorm(qn_model *m, const qn_val *x)
{
    return qn_rmsnorm(m, x[0], &parts);
}

static qn_val groupnorm(qn_model *m, const qn_val *x)
{
    return qn_groupnorm(m, x[0], &thirds);
}

static qn_val softmax(qn_model *m, const qn_val *x)
{
    return qn_activation(m, x[0], QN_SOFTMAX, &(qn_layer_opt){.axis = 1});
}

static qn_val elu(qn_model *m, const qn_val *x)
{
    return qn_activation(m, x[0], QN_ELU, &(qn_layer_opt){.act_alpha = 0.25f});
}

static qn_val prelu(qn_model *m, const qn_val *x)
{
    return qn_prelu(m, x[0], &(qn_layer_opt){.shared_axes = 1 << 1 | 1 << 2});
}

static qn_val dropout(qn_model *m, const qn_val *x)
{
    return qn_dropout(m, x[0], 0.25f, NULL);
}

static qn_val spatial1d(qn_model *m, const qn_val *x)
{
    return qn_spatial_dropout1d(m, x[0], 0.25f, NULL);
}

static qn_val spatial2d(qn_model *m, const qn_val *x)
{
    return qn_spatial_dropout2d(m, x[0], 0.25f, NULL);
}

static qn_val noise(qn_model *m, const qn_val *x)
{
    return qn_gaussian_noise(m, x[0], 0.5f, NULL);
}

static qn_val gaussian_dropout(qn_model *m, const qn_val *x)
{
    return qn_gaussian_dropout(m, x[0], 0.25f, NULL);
}

static qn_val activity(qn_model *m, const qn_val *x)
{
    return qn_activity_regularization(m, x[0], 0.25f, 0.5f, NULL);
}

static qn_val rescaling(qn_model *m, const qn_val *x)
{
    return qn_rescaling(m, x[0], 0.1f, 3.0f, NULL);
}

static qn_val normalization(qn_model *m, const qn_val *x)
{
    return qn_normalization(m, x[0], &(qn_normalization_opt){.mean = (const float[]){1, 2, 3, 4, 5, 6},
                                                             .variance = (const float[]){1, 2, 3, 0, 5, 6}});
}

static qn_val flatten(qn_model *m, const qn_val *x)
{
    return qn_flatten(m, x[0]);
}

static qn_val reshape(qn_model *m, const qn_val *x)
{
    return qn_reshape(m, x[0], 2, (const int64_t[]){-1, 5});
}

static qn_val permute(qn_model *m, const qn_val *x)
{
    return qn_permute(m, x[0], 3, (const int[]){3, 1, 2});
}

static qn_val repeat_vector(qn_model *m, const qn_val *x)
{
    return qn_repeat_vector(m, x[0], 4);
}

static const qn_layer_opt uneven = {.pad = {1, 0, 0, 2}}, ends = {.pad = {2, 1}};

static qn_val padding2d(qn_model *m, const qn_val *x)
{
    return qn_zero_padding2d(m, x[0], &uneven);
}

static qn_val padding1d(qn_model *m, const qn_val *x)
{
    return qn_zero_padding1d(m, x[0], &ends);
}

static qn_val cropping2d(qn_model *m, const qn_val *x)
{
    return qn_cropping2d(m, x[0], &uneven);
}

static qn_val cropping1d(qn_model *m, const qn_val *x)
{
    return qn_cropping1d(m, x[0], &ends);
}

static qn_val upsampling2d(qn_model *m, const qn_val *x)
{
    return qn_upsampling2d(m, x[0], &(qn_upsampling_opt){.size = {2, 3}, .interpolation = QN_BILINEAR});
}

static qn_val upsampling1d(qn_model *m, const qn_val *x)
{
    return qn_upsampling1d(m, x[0], &(qn_upsampling_opt){.size = {3}});
}

static qn_val add(qn_model *m, const qn_val *x)
{
    return qn_add(m, x, 2);
}

static qn_val subtract(qn_model *m, const qn_val *x)
{
    return qn_subtract(m, x[0], x[1]);
}

static qn_val multiply(qn_model *m, const qn_val *x)
{
    return qn_multiply(m, x, 2);
}

static qn_val average(qn_model *m, const qn_val *x)
{
    return qn_average(m, x, 2);
}

static qn_val maximum(qn_model *m, const qn_val *x)
{
    return qn_maximum(m, x, 2);
}

static qn_val minimum(qn_model *m, const qn_val *x)
{
    return qn_minimum(m, x, 2);
}

static qn_val concatenate(qn_model *m, const qn_val *x)
{
    return qn_concatenate(m, x, 2, &(qn_layer_opt){.axis = 1});
}

static qn_val dot(qn_model *m, const qn_val *x)
{
    return qn_dot(m, x[0], x[1], &(qn_dot_opt){.axes = {1, 1}, .normalize = true});
}

static qn_val attention(qn_model *m, const qn_val *x)
{
    const qn_attention_opt o = {.heads = 2, .key_dim = 3, .value_dim = 2, .output_dim = 5, .dropout = 0.25f, .causal = true,
                                .window = 3, .alibi = true, .no_bias = true, .kernel_init = QN_INIT_NORMAL,
                                .init_scale = 0.5f, .kernel_l2 = 1e-3f};

    return qn_multi_head_attention(m, x[0], x[1], (qn_val){0}, (qn_val){0}, &o);
}

static qn_val group_attention(qn_model *m, const qn_val *x)
{
    const qn_attention_opt o = {.heads = 4, .kv_heads = 2, .key_dim = 2, .rotary = true, .bias_init = QN_INIT_ONES};

    return qn_group_query_attention(m, x[0], x[1], x[0], (qn_val){0}, &o);
}

static qn_val position(qn_model *m, const qn_val *x)
{
    const qn_position_opt o = {.length = 7, .init = QN_INIT_NORMAL, .init_scale = 0.5f};

    return qn_position_embedding(m, x[0], &o);
}

/* The blocks are layers with names of their own; positions are sines. */
static qn_val blocks(qn_model *m, const qn_val *x)
{
    const qn_transformer_opt o = {.heads = 2, .units = 5, .act = QN_GELU, .dropout = 0.25f, .norm_first = true, .alibi = true};
    const qn_transformer_opt grouped = {.heads = 2, .kv_heads = 1, .units = 4, .rms = true, .no_bias = true, .name = "second"};
    qn_val y = qn_position_embedding(m, x[0], &(qn_position_opt){.sinusoidal = true});

    y = qn_transformer_encoder(m, qn_transformer_encoder(m, y, &o), &o);
    return qn_transformer_decoder(m, x[1], y, &grouped);
}

/* Whole numbers from -5 to 5, some outside the table. */
static qn_val tied(qn_model *m, const qn_val *x)
{
    const qn_embedding_opt o = {.words = 4, .units = 3, .mask_zero = true, .padding = true, .padding_index = 2,
                                .init = QN_INIT_NORMAL, .init_scale = 0.5f, .l2 = 1e-3f, .name = "table"};
    qn_val y = qn_add(m, (const qn_val[]){x[0], x[0], x[0], x[0], x[0]}, 5);

    y = qn_embedding(m, y, &o);
    return qn_embedding_logits(m, y, "table");
}

static qn_val masks(qn_model *m, const qn_val *x)
{
    return qn_global_avgpool(m, qn_set_mask(m, x[0], qn_mask(m, qn_masking(m, x[1], 0.5f))), NULL);
}

static qn_val lstm(qn_model *m, const qn_val *x)
{
    const qn_val y = qn_lstm(m, x[0], &(qn_rnn_opt){.units = 3, .act = QN_IDENTITY, .recurrent_act = QN_HARD_SIGMOID,
                                                    .return_sequences = true, .go_backwards = true, .kernel_l2 = 1e-3f});

    return qn_lstm(m, x[1], &(qn_rnn_opt){.units = 3, .initial_state = {qn_rnn_state(m, y, 0), qn_rnn_state(m, y, 1)}});
}

static qn_val gru(qn_model *m, const qn_val *x)
{
    return qn_bidirectional(m, x[0], qn_gru, &(qn_rnn_opt){.units = 3, .reset_before = true, .no_bias = true},
                            QN_MERGE_SUM, NULL);
}

static qn_val simple_rnn(qn_model *m, const qn_val *x)
{
    return qn_simple_rnn(m, x[0], &(qn_rnn_opt){.units = 3, .act = QN_SOFTSIGN, .dropout = 0.2f, .recurrent_dropout = 0.2f});
}

static qn_val every(qn_model *m, qn_val x, void *user)
{
    return qn_dense(m, x, user);
}

static qn_val time_distributed(qn_model *m, const qn_val *x)
{
    return qn_time_distributed(m, x[0], every, &(qn_dense_opt){.units = 2});
}

#define ROW      1, {6}
#define SEQUENCE 2, {5, 6}
#define IMAGE    3, {5, 4, 6}

static const struct type {
    const char *name;            /* the layer type it has */
    qn_val (*build)(qn_model *, const qn_val *);
    int rank;
    int64_t dim[3];              /* of one sample of each of two inputs */
} types[] = {
    {"dense", dense, ROW}, {"dense", shared, ROW}, {"conv2d", conv2d, IMAGE}, {"conv1d", conv1d, SEQUENCE},
    {"depthwise_conv2d", depthwise2d, IMAGE}, {"depthwise_conv1d", depthwise1d, SEQUENCE},
    {"separable_conv2d", separable2d, IMAGE}, {"separable_conv1d", separable1d, SEQUENCE},
    {"conv2d_transpose", transpose2d, IMAGE}, {"conv1d_transpose", transpose1d, SEQUENCE},
    {"max_pooling2d", maxpool2d, IMAGE}, {"average_pooling2d", avgpool2d, IMAGE}, {"max_pooling1d", maxpool1d, SEQUENCE},
    {"average_pooling1d", avgpool1d, SEQUENCE}, {"global_max_pooling", global_max, IMAGE},
    {"global_average_pooling", global_avg, SEQUENCE}, {"batch_normalization", batchnorm, IMAGE},
    {"activation", softmax, SEQUENCE}, {"activation", elu, ROW}, {"p_re_lu", prelu, IMAGE}, {"dropout", dropout, ROW},
    {"spatial_dropout1d", spatial1d, SEQUENCE}, {"spatial_dropout2d", spatial2d, IMAGE}, {"gaussian_noise", noise, ROW},
    {"gaussian_dropout", gaussian_dropout, ROW}, {"activity_regularization", activity, IMAGE},
    {"rescaling", rescaling, ROW}, {"normalization", normalization, SEQUENCE}, {"flatten", flatten, IMAGE},
    {"reshape", reshape, SEQUENCE}, {"permute", permute, IMAGE}, {"repeat_vector", repeat_vector, ROW},
    {"zero_padding2d", padding2d, IMAGE}, {"zero_padding1d", padding1d, SEQUENCE}, {"cropping2d", cropping2d, IMAGE},
    {"cropping1d", cropping1d, SEQUENCE}, {"up_sampling2d", upsampling2d, IMAGE}, {"up_sampling1d", upsampling1d, SEQUENCE},
    {"add", add, ROW}, {"subtract", subtract, ROW}, {"multiply", multiply, SEQUENCE}, {"average", average, ROW},
    {"maximum", maximum, ROW}, {"minimum", minimum, ROW}, {"concatenate", concatenate, SEQUENCE}, {"dot", dot, SEQUENCE},
    {"layer_normalization", layernorm, IMAGE}, {"rms_normalization", rmsnorm, SEQUENCE},
    {"group_normalization", groupnorm, IMAGE},
    {"multi_head_attention", attention, SEQUENCE}, {"grouped_query_attention", group_attention, SEQUENCE},
    {"position_embedding", position, SEQUENCE}, {"position_embedding", blocks, SEQUENCE},
    {"embedding", tied, SEQUENCE}, {"embedding_logits", tied, SEQUENCE},
    {"lstm", lstm, SEQUENCE}, {"rnn_state", lstm, SEQUENCE}, {"gru", gru, SEQUENCE}, {"simple_rnn", simple_rnn, SEQUENCE},
    {"fold_steps", time_distributed, SEQUENCE}, {"unfold_steps", time_distributed, SEQUENCE},
    {"masking", masks, SEQUENCE}, {"mask", masks, SEQUENCE}, {"set_mask", masks, SEQUENCE},
};

/* ---- there and back ---- */

static float *predict(qn_model *m, const float *const x[2], size_t *count)
{
    const void *in[2] = {x[0], x[1]};
    qn_shape s;
    float *y;

    CHECK_OK(qn_model_output_shape(m, 0, &s, NULL));
    *count = ROWS;
    for (int i = 1; i < s.rank; i++)
        *count *= (size_t)s.dim[i];
    y = malloc(*count * sizeof(*y) + 1);
    memset(y, 0xff, *count * sizeof(*y));
    CHECK_OK(qn_model_predict(m, in, ROWS, (void *[]){y}, ROWS));
    return y;
}

/* Weights that are not what a new model would have. */
static void change(qn_model *m)
{
    float w[1024];

    for (int i = 0; i < qn_model_weights(m); i++) {
        size_t n = (size_t)qni_elements(&m->g->variable[i].shape);

        for (size_t k = 0; k < n; k++)
            w[k] = 0.25f + fabsf((float)test_uniform());
        CHECK_OK(qn_model_weight_write(m, i, w, n * sizeof(*w)));
    }
}

static void round_trip(const void *arg)
{
    const struct type *t = arg;
    qn_model *m = NULL, *again = NULL;
    float *x[2], *a = NULL, *b = NULL;
    qn_val in[2];
    size_t each = 1, n = 0, k = 0;
    char path[64];
    bool found = false;

    if (!test_device())
        return;
    snprintf(path, sizeof(path), "/tmp/quern-layer-%ld.qn", (long)getpid());
    for (int i = 0; i < t->rank; i++)
        each *= (size_t)t->dim[i];
    for (int i = 0; i < 2; i++) {
        x[i] = malloc(ROWS * each * sizeof(float));
        for (size_t j = 0; j < ROWS * each; j++)
            x[i][j] = (float)test_uniform() - 0.5f;
    }
    CHECK_OK(qn_model_create(&m, test_device()));
    for (int i = 0; i < 2; i++)
        in[i] = qn_input(m, QN_F32, t->rank, t->dim);
    qn_model_output(m, t->build(m, in));
    if (CHECK_OK(qn_model_compile(m, NULL))) {
        for (size_t i = 0; i < m->layers; i++)
            found |= strcmp(m->layer[i].type->name, t->name) == 0;
        CHECK(found);
        change(m);
        a = predict(m, (const float *const *)x, &n);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(a[i])) {
                test_fail(__FILE__, __LINE__, "element %zu is %g", i, (double)a[i]);
                break;
            }
        if (CHECK_OK(qn_model_save(m, path)) && CHECK_OK(qn_model_load(&again, test_device(), path))) {
            b = predict(again, (const float *const *)x, &k);
            CHECK(n == k && !memcmp(a, b, n * sizeof(*a)));
            CHECK_STR(again->layer[0].name, m->layer[0].name);
        }
    }
    unlink(path);
    free(a);
    free(b);
    free(x[0]);
    free(x[1]);
    qn_model_destroy(&m);
    qn_model_destroy(&again);
}

/* A new type gets a line above. */
static void all_types(void)
{
    for (size_t i = 0; qni_layer_types[i]; i++) {
        bool found = false;

        for (size_t k = 0; k < QNI_COUNT(types); k++)
            found |= strcmp(types[k].name, qni_layer_types[i]->name) == 0;
        if (!found)
            test_fail(__FILE__, __LINE__, "layer type %s has no line in tests/unit/layer_types.c", qni_layer_types[i]->name);
    }
}

void test_layer_types(void)
{
    char name[96];

    test_run("layer types: all are here", all_types);
    for (size_t i = 0; i < QNI_COUNT(types); i++) {
        snprintf(name, sizeof(name), "layer types: %s is saved and loaded", types[i].name);
        test_run_with(name, round_trip, &types[i]);
    }
}
