/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops/conv/conv.h"
#include "optest.h"

/* One product: element xi of the image, yi of the result, wi of the filter. */
typedef void (*visit)(void *state, int64_t xi, int64_t yi, int64_t wi);

static void products(const struct qni_conv_geometry *g, visit f, void *state)
{
    const int64_t pixels = g->N * g->P * g->Q;

    for (int64_t i = 0; i < pixels * g->R * g->S; i++) {
        const int64_t s = i % g->S, r = i / g->S % g->R, pixel = i / g->S / g->R;
        const int64_t q = pixel % g->Q, p = pixel / g->Q % g->P, n = pixel / g->Q / g->P;
        const int64_t h = p * g->stride_h - g->top + r * g->dilation_h, v = q * g->stride_w - g->left + s * g->dilation_w;

        for (int64_t k = 0; k < g->K && h >= 0 && h < g->H && v >= 0 && v < g->W; k++)
            for (int64_t c = 0; c < g->group_c; c++)
                f(state, ((n * g->H + h) * g->W + v) * g->C + k / g->group_k * g->group_c + c, pixel * g->K + k,
                  ((r * g->S + s) * g->group_c + c) * g->K + k);
    }
}

struct sums {
    double *const *in;
    double *out, *scale;
};

static void add(struct sums *t, int64_t i, double v)
{
    t->out[i] += v;
    t->scale[i] += fabs(v);
}

static void forward(void *state, int64_t xi, int64_t yi, int64_t wi)
{
    struct sums *t = state;

    add(t, yi, t->in[0][xi] * t->in[1][wi]);
}

static void data(void *state, int64_t xi, int64_t yi, int64_t wi)
{
    struct sums *t = state;

    add(t, xi, t->in[0][yi] * t->in[1][wi]);
}

static void filter(void *state, int64_t xi, int64_t yi, int64_t wi)
{
    struct sums *t = state;

    add(t, wi, t->in[0][xi] * t->in[1][yi]);
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const int64_t n = qni_elements(&p->out[0].shape);
    struct sums t = {.in = in, .out = out[0], .scale = scale[0]};
    struct qni_conv_geometry g;

    qni_conv_geometry(&g, p);
    for (int64_t i = 0; i < n; i++)
        out[0][i] = scale[0][i] = 0;
    products(&g, p->op == &qni_op_conv2d ? forward : p->op == &qni_op_conv2d_backward_data ? data : filter, &t);
    for (int64_t i = 0; i < n; i++)
        out[0][i] = optest_epilogue(p, in, i, out[0][i], &scale[0][i]);
    terms[0] = 4 + (p->op == &qni_op_conv2d                 ? (double)(g.R * g.S) * (double)g.group_c
                    : p->op == &qni_op_conv2d_backward_data ? (double)(g.R * g.S) * (double)g.group_k
                                                            : (double)(g.N * g.P * g.Q));
}

#define X(N, H, W, C) {QN_F32, {4, {N, H, W, C}}}
#define ATTR(...) .attr = &(const struct qni_conv){__VA_ARGS__}

/* n images H x W x C, a filter R x S x c x K, where c is C over the groups. */
#define CASE(n, N, H, W, C, R, S, c, K, ...) \
    {.name = n, .op = &qni_op_conv2d, .inputs = 2, .in = {X(N, H, W, C), X(R, S, c, K)}, .ref = ref, ATTR(__VA_ARGS__)}
#define GRAD(n, N, H, W, C, R, S, c, K, ...) \
    {.name = n, .op = &qni_op_conv2d, .inputs = 2, .in = {X(N, H, W, C), X(R, S, c, K)}, .ref = ref, .small_grad = true, \
     ATTR(__VA_ARGS__)}

static const struct optest_case forwards[] = {
    GRAD("1", 1, 1, 1, 1, 1, 1, 1, 1, .groups = 0),
    CASE("no images", 0, 4, 4, 3, 3, 3, 3, 5, .groups = 1),
    GRAD("1x1", 2, 3, 4, 5, 1, 1, 5, 3, .groups = 1),
    GRAD("3x3 valid", 2, 5, 4, 3, 3, 3, 3, 2, .groups = 1),
    GRAD("3x3 same", 2, 4, 5, 2, 3, 3, 2, 3, .padding = QN_SAME),
    GRAD("2x3 same, stride 2x3", 2, 5, 7, 2, 2, 3, 2, 2, .padding = QN_SAME, .stride = {2, 3}),
    GRAD("stride above filter", 2, 7, 8, 2, 2, 1, 2, 3, .stride = {3, 4}),
    GRAD("uneven padding", 1, 4, 3, 2, 3, 2, 2, 2, .padding = QN_EXPLICIT, .pad = {2, 0, 1, 3}),
    GRAD("padding above filter", 1, 2, 2, 2, 1, 2, 2, 2, .padding = QN_EXPLICIT, .pad = {1, 2, 3, 0}),
    GRAD("dilation", 1, 7, 6, 2, 3, 2, 2, 2, .dilation = {2, 3}),
    GRAD("dilation and stride, same", 1, 7, 8, 2, 3, 3, 2, 2, .dilation = {2, 3}, .stride = {2, 2}, .padding = QN_SAME),
    GRAD("dilation 2, stride 4", 1, 11, 9, 1, 3, 3, 1, 2, .dilation = {2, 2}, .stride = {4, 4}),
    GRAD("groups", 1, 4, 4, 6, 2, 2, 2, 6, .groups = 3),
    GRAD("depthwise", 2, 4, 5, 5, 3, 3, 1, 5, .groups = 5, .padding = QN_SAME),
    GRAD("depth multiplier", 1, 4, 4, 3, 2, 2, 1, 6, .groups = 3),
    CASE("first layer", 3, 28, 28, 1, 3, 3, 1, 32, .groups = 1),
    CASE("first layer of colour", 2, 13, 11, 3, 3, 3, 3, 64, .padding = QN_SAME),
    CASE("first layer, no images", 0, 5, 6, 1, 3, 3, 1, 16, .groups = 1),
    CASE("first layer, fewer columns than a tile", 3, 5, 4, 2, 1, 1, 2, 16, .groups = 1),
    CASE("first layer, 5x5 stride 2", 2, 11, 12, 1, 5, 5, 1, 32, .padding = QN_SAME, .stride = {2, 2}),
    CASE("first layer, stride above filter", 2, 9, 31, 3, 2, 2, 3, 48, .stride = {3, 4}),
    CASE("first layer, padding above filter", 2, 3, 5, 1, 1, 3, 1, 32, .padding = QN_EXPLICIT, .pad = {2, 3, 4, 7}),
    CASE("first layer, padding only", 1, 2, 1, 1, 2, 2, 1, 16, .padding = QN_EXPLICIT, .pad = {3, 0, 9, 9}),
    CASE("second layer", 3, 13, 13, 32, 3, 3, 32, 64, .groups = 1),
    CASE("7x7 stride 2", 2, 17, 19, 3, 7, 7, 3, 32, .padding = QN_SAME, .stride = {2, 2}),
    CASE("stride 2", 2, 9, 8, 64, 3, 3, 64, 128, .padding = QN_SAME, .stride = {2, 2}),
    CASE("wide filter", 2, 5, 40, 4, 1, 33, 4, 16, .padding = QN_SAME),
    CASE("a tile", 1, 1, 14, 16, 1, 1, 16, 32, .groups = 1),
    CASE("a tile and a pixel", 1, 1, 15, 17, 1, 1, 17, 33, .groups = 1),
    CASE("a tile less a pixel", 1, 1, 13, 15, 1, 1, 15, 31, .groups = 1),
    CASE("primes", 3, 7, 11, 13, 3, 5, 13, 47, .padding = QN_SAME),
    CASE("one channel out", 2, 6, 7, 37, 3, 3, 37, 1, .padding = QN_SAME),
    CASE("more images than a tile has pixels", 15, 4, 3, 16, 3, 3, 16, 40, .padding = QN_SAME),
    CASE("a filter larger than the image", 15, 2, 3, 16, 5, 4, 16, 20, .padding = QN_SAME),
    CASE("many pixels", 1, 256, 288, 2, 1, 1, 2, 33, .groups = 1),
    CASE("groups of 32", 2, 5, 6, 64, 3, 3, 32, 64, .groups = 2, .padding = QN_SAME),
    CASE("groups of 17 and 20", 2, 5, 6, 34, 3, 3, 17, 40, .groups = 2, .padding = QN_SAME),
    CASE("depthwise of 48", 2, 9, 10, 48, 3, 3, 1, 48, .groups = 48, .padding = QN_SAME),
    CASE("depthwise, a tile and its edges", 1, 3, 10, 16, 3, 3, 1, 16, .groups = 16),
    CASE("depthwise, tiles and their edges", 1, 3, 17, 16, 3, 3, 1, 16, .groups = 16, .padding = QN_SAME),
    CASE("depthwise of 37, stride 2", 2, 9, 10, 37, 3, 3, 1, 37, .groups = 37, .padding = QN_SAME, .stride = {2, 2}),
    CASE("depthwise of 19, 5x5, dilation", 1, 12, 11, 19, 5, 5, 1, 19, .groups = 19, .padding = QN_SAME, .dilation = {2, 2}),
    {.name = "sequence", .op = &qni_op_conv2d, .inputs = 2, .in = {{QN_F32, {3, {2, 9, 3}}}, {QN_F32, {3, {3, 3, 4}}}},
     .ref = ref, .small_grad = true, ATTR(.stride = {5, 2}, .padding = QN_SAME)},
    {.name = "causal sequence", .op = &qni_op_conv2d, .inputs = 2,
     .in = {{QN_F32, {3, {2, 8, 2}}}, {QN_F32, {3, {3, 2, 4}}}}, .ref = ref, .small_grad = true,
     ATTR(.dilation = {1, 2}, .padding = QN_CAUSAL)},
};

#define FUSED(n, K, operands, ...) \
    {.name = n, .op = &qni_op_conv2d, .inputs = 2 + (operands), .ref = ref, .slack = 4, ATTR(.padding = QN_SAME), \
     .in = {X(2, 5, 6, 16), X(3, 3, 16, K), __VA_ARGS__}}
#define FIRST(n, K, operands, ...) \
    {.name = n, .op = &qni_op_conv2d, .inputs = 2 + (operands), .ref = ref, .slack = 4, ATTR(.padding = QN_SAME), \
     .in = {X(2, 5, 13, 1), X(3, 3, 1, K), __VA_ARGS__}}
#define BIAS(K)     {QN_F32, {1, {K}}}
#define RESIDUAL(K) X(2, 5, 6, K)

static struct optest_case epilogues[] = {
    FUSED("bias", 32, 1, BIAS(32)),
    FUSED("bias and relu", 64, 1, BIAS(64)),
    FUSED("bias and relu, 21 channels", 21, 1, BIAS(21)),
    FUSED("bias and relu, 50 channels", 50, 1, BIAS(50)),
    FUSED("bias and leaky relu", 3, 1, BIAS(3)),
    FIRST("first layer, bias and relu", 32, 1, BIAS(32)),
    FIRST("first layer, relu6", 16, 0, BIAS(16)),
    FIRST("first layer, bias and sigmoid", 64, 1, BIAS(64)),
    FUSED("residual and elu", 37, 1, RESIDUAL(37)),
    FUSED("bias, residual and tanh", 32, 2, BIAS(32), RESIDUAL(32)),
    FUSED("sigmoid", 16, 0, BIAS(16)),
    FUSED("gradient of relu", 40, 1, RESIDUAL(40)),
    {.name = "depthwise, bias and relu", .op = &qni_op_conv2d, .inputs = 3, .ref = ref, .slack = 4,
     ATTR(.padding = QN_SAME, .groups = 21), .in = {X(2, 5, 19, 21), X(3, 3, 1, 21), BIAS(21)}},
    FUSED("all", 33, 3, BIAS(33), RESIDUAL(33), RESIDUAL(33)),
};
static const struct qni_epilogue epilogue[] = {
    {.bias = true},
    {.bias = true, .act = QN_RELU},
    {.bias = true, .act = QN_RELU},
    {.bias = true, .act = QN_RELU},
    {.bias = true, .act = QN_LEAKY_RELU, .alpha = 0.25f},
    {.bias = true, .act = QN_RELU},
    {.act = QN_RELU6},
    {.bias = true, .act = QN_SIGMOID},
    {.residual = true, .act = QN_ELU, .alpha = 1},
    {.bias = true, .residual = true, .act = QN_TANH},
    {.act = QN_SIGMOID},
    {.act_grad = QN_RELU},
    {.bias = true, .act = QN_RELU},
    {.bias = true, .residual = true, .act = QN_RELU6, .act_grad = QN_TANH},
};

/* dy of P x Q x K and the filter; the image's shape is given. */
#define DATA(n, N, H, W, C, P, Q, R, S, c, K, ...) \
    {.name = n, .op = &qni_op_conv2d_backward_data, .inputs = 3, .in = {X(N, P, Q, K), X(R, S, c, K), X(N, H, W, C)}, \
     .ref = ref, .no_grad = 4, ATTR(__VA_ARGS__)}
#define TRANSPOSED(n, N, C, P, Q, R, S, K, ...) \
    {.name = n, .op = &qni_op_conv2d_backward_data, .inputs = 2, .in = {X(N, P, Q, K), X(R, S, C, K)}, \
     .ref = ref, .small_grad = true, ATTR(__VA_ARGS__)}

static const struct optest_case datas[] = {
    DATA("1", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, .groups = 0),
    DATA("no images", 0, 4, 4, 3, 2, 2, 3, 3, 3, 5, .groups = 1),
    DATA("1x1", 2, 3, 4, 5, 3, 4, 1, 1, 5, 3, .groups = 1),
    DATA("3x3 valid", 2, 5, 4, 3, 3, 2, 3, 3, 3, 2, .groups = 1),
    DATA("second layer", 3, 13, 13, 32, 11, 11, 3, 3, 32, 64, .groups = 1),
    DATA("3x3 same", 2, 9, 8, 64, 9, 8, 3, 3, 64, 64, .padding = QN_SAME),
    DATA("stride 2", 2, 9, 8, 64, 5, 4, 3, 3, 64, 128, .padding = QN_SAME, .stride = {2, 2}),
    DATA("1x1 stride 2", 2, 9, 8, 32, 5, 4, 1, 1, 32, 48, .stride = {2, 2}),
    DATA("stride above filter", 2, 7, 8, 33, 2, 2, 2, 1, 33, 40, .stride = {3, 4}),
    DATA("dilation and stride, same", 1, 7, 8, 20, 4, 4, 3, 3, 20, 18, .dilation = {2, 3}, .stride = {2, 2}, .padding = QN_SAME),
    DATA("dilation 2, stride 4", 1, 11, 9, 17, 2, 2, 3, 3, 17, 19, .dilation = {2, 2}, .stride = {4, 4}),
    DATA("dilation 4, stride 6", 1, 20, 21, 17, 2, 3, 3, 2, 17, 19, .dilation = {4, 4}, .stride = {6, 6}),
    DATA("uneven padding", 1, 4, 3, 16, 4, 6, 3, 2, 16, 32, .padding = QN_EXPLICIT, .pad = {2, 0, 1, 3}),
    DATA("primes", 3, 7, 11, 47, 7, 11, 3, 5, 47, 13, .padding = QN_SAME),
    DATA("first layer of colour", 2, 13, 11, 3, 13, 11, 3, 3, 3, 64, .padding = QN_SAME),
    DATA("more images than a tile has pixels", 15, 5, 4, 40, 3, 2, 3, 3, 40, 16, .groups = 1),
    DATA("many images, stride 2", 16, 5, 4, 20, 3, 2, 3, 3, 20, 16, .stride = {2, 2}, .padding = QN_SAME),
    DATA("groups of 17 and 20", 2, 5, 6, 34, 5, 6, 3, 3, 17, 40, .groups = 2, .padding = QN_SAME),
    DATA("depthwise of 37, stride 2", 2, 9, 10, 37, 5, 5, 3, 3, 1, 37, .groups = 37, .padding = QN_SAME, .stride = {2, 2}),
    DATA("depthwise, tiles and their edges", 1, 3, 17, 16, 3, 17, 3, 3, 1, 16, .groups = 16, .padding = QN_SAME),
    DATA("depthwise of 48", 2, 9, 10, 48, 9, 10, 3, 3, 1, 48, .groups = 48, .padding = QN_SAME),
    DATA("depth multiplier", 1, 4, 4, 3, 3, 3, 2, 2, 1, 6, .groups = 3),
    TRANSPOSED("transposed, valid", 2, 2, 3, 2, 3, 3, 2, .stride = {2, 2}),
    TRANSPOSED("transposed, same", 1, 3, 3, 3, 3, 3, 2, .stride = {2, 2}, .padding = QN_SAME),
    TRANSPOSED("transposed, output padding", 1, 2, 3, 3, 3, 3, 2, .stride = {2, 2}, .padding = QN_SAME, .output_padding = {1, 1}),
    TRANSPOSED("transposed, stride above filter", 1, 2, 2, 3, 2, 2, 2, .stride = {3, 3}),
    TRANSPOSED("transposed, explicit", 1, 2, 3, 3, 3, 4, 2, .stride = {2, 1}, .padding = QN_EXPLICIT, .pad = {1, 0, 1, 2}),
    {.name = "transposed sequence", .op = &qni_op_conv2d_backward_data, .inputs = 2, .small_grad = true, .ref = ref,
     .in = {{QN_F32, {3, {2, 4, 3}}}, {QN_F32, {3, {3, 2, 3}}}}, ATTR(.stride = {1, 2}, .padding = QN_SAME)},
    {.name = "gradient of relu", .op = &qni_op_conv2d_backward_data, .inputs = 4, .ref = ref, ATTR(.padding = QN_SAME),
     .in = {X(2, 5, 6, 20), X(3, 3, 40, 20), X(2, 5, 6, 40), X(2, 5, 6, 40)}, .epilogue = {.act_grad = QN_RELU}},
    {.name = "transposed, bias and relu", .op = &qni_op_conv2d_backward_data, .inputs = 3, .ref = ref,
     ATTR(.padding = QN_SAME, .stride = {2, 2}), .in = {X(2, 5, 6, 20), X(3, 3, 40, 20), BIAS(40)},
     .epilogue = {.bias = true, .act = QN_RELU}},
};

#define FILTER(n, N, H, W, C, P, Q, K, ...) \
    {.name = n, .op = &qni_op_conv2d_backward_filter, .inputs = 2, .in = {X(N, H, W, C), X(N, P, Q, K)}, .ref = ref, \
     ATTR(__VA_ARGS__)}
#define FILTER_GRAD(n, N, H, W, C, P, Q, K, ...) \
    {.name = n, .op = &qni_op_conv2d_backward_filter, .inputs = 2, .in = {X(N, H, W, C), X(N, P, Q, K)}, .ref = ref, \
     .small_grad = true, ATTR(__VA_ARGS__)}

static const struct optest_case filters[] = {
    FILTER("1", 1, 1, 1, 1, 1, 1, 1, .filter = {1, 1}),
    FILTER("no images", 0, 4, 4, 3, 2, 2, 5, .filter = {3, 3}),
    FILTER_GRAD("1x1", 2, 3, 4, 5, 3, 4, 3, .filter = {1, 1}),
    FILTER_GRAD("3x3 same", 2, 4, 5, 2, 4, 5, 3, .filter = {3, 3}, .padding = QN_SAME),
    FILTER_GRAD("dilation and stride, same", 1, 7, 8, 2, 4, 4, 2, .filter = {3, 3}, .dilation = {2, 3}, .stride = {2, 2},
                .padding = QN_SAME),
    FILTER("3x3 valid", 2, 5, 4, 3, 3, 2, 2, .filter = {3, 3}),
    FILTER("first layer", 3, 28, 28, 1, 26, 26, 32, .filter = {3, 3}),
    FILTER("first layer of colour", 2, 13, 11, 3, 13, 11, 64, .filter = {3, 3}, .padding = QN_SAME),
    FILTER("second layer", 5, 13, 13, 32, 11, 11, 64, .filter = {3, 3}),
    FILTER("stride 2", 2, 9, 8, 64, 5, 4, 128, .filter = {3, 3}, .padding = QN_SAME, .stride = {2, 2}),
    FILTER("1x1 of 64", 3, 9, 8, 64, 9, 8, 32, .filter = {1, 1}),
    FILTER("stride above filter", 2, 7, 8, 33, 2, 2, 40, .filter = {2, 1}, .stride = {3, 4}),
    FILTER("uneven padding", 1, 4, 3, 16, 4, 6, 32, .filter = {3, 2}, .padding = QN_EXPLICIT, .pad = {2, 0, 1, 3}),
    FILTER("padding only", 1, 2, 2, 16, 4, 8, 16, .filter = {1, 1}, .padding = QN_EXPLICIT, .pad = {2, 0, 1, 5}),
    FILTER("primes", 3, 7, 11, 13, 7, 11, 47, .filter = {3, 5}, .padding = QN_SAME),
    FILTER("7x7 stride 2", 2, 17, 19, 3, 9, 10, 32, .filter = {7, 7}, .padding = QN_SAME, .stride = {2, 2}),
    FILTER("groups of 17 and 20", 2, 5, 6, 34, 5, 6, 40, .filter = {3, 3}, .groups = 2, .padding = QN_SAME),
    FILTER("depthwise of 37, stride 2", 2, 9, 10, 37, 5, 5, 37, .filter = {3, 3}, .groups = 37, .padding = QN_SAME, .stride = {2,
                                                                                                                               2}),
    FILTER("depthwise of 48", 9, 9, 10, 48, 9, 10, 48, .filter = {3, 3}, .groups = 48, .padding = QN_SAME),
    FILTER("depth multiplier", 1, 4, 4, 3, 3, 3, 6, .filter = {2, 2}, .groups = 3),
    FILTER("many images", 67, 6, 5, 16, 4, 3, 32, .filter = {3, 3}),
    {.name = "sequence", .op = &qni_op_conv2d_backward_filter, .inputs = 2, .ref = ref,
     .in = {{QN_F32, {3, {2, 9, 3}}}, {QN_F32, {3, {2, 5, 4}}}}, ATTR(.filter = {9, 3}, .stride = {1, 2}, .padding = QN_SAME)},
};

/* Shapes of what the public functions build. */
static void shapes(void)
{
    const qn_graph_conv_opt same2 = {.stride = {2}, .padding = QN_SAME, .act = QN_RELU};
    qn_graph *g = NULL;
    qn_val image, sequence, bias, y;
    char text[160];
    qn_shape s;

    if (!CHECK_OK(qn_graph_create(&g, NULL)))
        return;
    image = qn_graph_input(g, "image", QN_F32, 4, (int64_t[]){QN_ANY, 9, 8, 6});
    sequence = qn_graph_input(g, "sequence", QN_F32, 3, (int64_t[]){QN_ANY, QN_ANY, 6});
    bias = qn_graph_input(g, "bias", QN_F32, 1, (int64_t[]){5});
    y = qn_graph_conv(g, image, qn_graph_input(g, "w", QN_F32, 4, (int64_t[]){3, 3, 6, 5}), bias, &same2);
    s = qn_graph_shape(g, y);
    CHECK_STR(qni_shape_text(&s, text, sizeof(text)), "[None, 5, 4, 5]");
    y = qn_graph_conv_transpose(g, y, qn_graph_input(g, "t", QN_F32, 4, (int64_t[]){3, 3, 2, 5}), (qn_val){0}, &same2);
    s = qn_graph_shape(g, y);
    CHECK_STR(qni_shape_text(&s, text, sizeof(text)), "[None, 10, 8, 2]");
    y = qn_graph_conv(g, sequence, qn_graph_input(g, "v", QN_F32, 3, (int64_t[]){3, 6, 5}), bias,
                      &(qn_graph_conv_opt){.padding = QN_CAUSAL, .dilation = {2}});
    s = qn_graph_shape(g, y);
    CHECK_STR(qni_shape_text(&s, text, sizeof(text)), "[None, None, 5]");
    CHECK_OK(qn_graph_error(g));
    qn_graph_conv(g, image, qn_graph_input(g, "u", QN_F32, 4, (int64_t[]){3, 3, 4, 5}), bias, NULL);
    CHECK_STATUS(qn_graph_error(g), QN_E_SHAPE, "made for 4 channels");
    qn_graph_destroy(&g);
}

int main(void)
{
    for (size_t i = 0; i < QNI_COUNT(epilogues); i++)
        epilogues[i].epilogue = epilogue[i];
    test_run("conv2d: shapes of what the public functions build", shapes);
    optest_run(forwards, QNI_COUNT(forwards));
    optest_run(epilogues, QNI_COUNT(epilogues));
    optest_run(datas, QNI_COUNT(datas));
    optest_run(filters, QNI_COUNT(filters));
    return test_end();
}
