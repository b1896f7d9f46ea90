/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/pool/pool.h"

struct window {
    struct qni_pool_geometry g;
    int64_t n, p, q, c;
};

/* The first largest pixel of a window, as an index of x; -1 when the window holds none. */
static int64_t winner(const struct window *w, const double *x)
{
    const struct qni_pool_geometry *g = &w->g;
    int64_t best = -1;

    for (int r = 0; r < g->R; r++)
        for (int s = 0; s < g->S; s++) {
            const int64_t h = w->p * g->stride_h - g->top + r, v = w->q * g->stride_w - g->left + s;
            const int64_t i = ((w->n * g->H + h) * g->W + v) * g->C + w->c;

            if (h >= 0 && h < g->H && v >= 0 && v < g->W && (best < 0 || x[i] > x[best]))
                best = i;
        }
    return best;
}

static bool next(struct window *w)
{
    const struct qni_pool_geometry *g = &w->g;

    if (++w->c < g->C)
        return true;
    w->c = 0;
    if (++w->q < g->Q)
        return true;
    w->q = 0;
    if (++w->p < g->P)
        return true;
    w->p = 0;
    return ++w->n < g->N;
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    struct window w = {{0}};
    int64_t i = 0;

    CHECK_OK(qni_pool_geometry(&w.g, p, &p->in[0]));
    terms[0] = 1;
    if (!qni_elements(&p->out[0].shape))
        return;
    do {
        const int64_t best = winner(&w, in[0]);

        out[0][i] = in[0][best];
        scale[0][i++] = fabs(in[0][best]);
    } while (next(&w));
}

static double act_grad(const struct qni_epilogue *e, double y)
{
    switch (e->act_grad) {
    case QN_RELU: return y > 0;
    case QN_LEAKY_RELU: return y > 0 ? 1 : (double)e->alpha;
    case QN_TANH: return 1 - y * y;
    default: return 1;
    }
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const int64_t n = qni_elements(&p->out[0].shape);
    struct window w = {{0}};
    int64_t i = 0;

    CHECK_OK(qni_pool_geometry(&w.g, p, &p->in[1]));
    terms[0] = w.g.R * w.g.S;
    for (int64_t k = 0; k < n; k++)
        out[0][k] = scale[0][k] = 0;
    if (!n)
        return;
    do {
        const int64_t best = winner(&w, in[1]);

        out[0][best] += in[0][i];
        scale[0][best] += fabs(in[0][i++]);
    } while (next(&w));
    for (int64_t k = 0; k < n && p->epilogue.act_grad; k++)
        out[0][k] *= act_grad(&p->epilogue, in[3][k]);
}

#define CASE(n, N, H, W, C, how, ...) \
    {.name = n, .op = &qni_op_maxpool, .attr = &(const struct qni_pool){__VA_ARGS__}, .inputs = 1, \
     .in = {{QN_F32, {4, {N, H, W, C}}}}, .fill = {how}, .ref = ref, .small_grad = (how) == OPTEST_DISTINCT}

static const struct optest_case forward[] = {
    CASE("1", 1, 1, 1, 1, OPTEST_DISTINCT, .size = {1, 1}),
    CASE("no images", 0, 4, 4, 3, OPTEST_UNIFORM, .size = {2, 2}),
    CASE("no channels", 2, 4, 4, 0, OPTEST_UNIFORM, .size = {2, 2}),
    CASE("2x2", 2, 6, 8, 16, OPTEST_UNIFORM, .size = {2, 2}),
    CASE("2x2, border left over, ties", 3, 11, 11, 17, OPTEST_TIES, .size = {2, 2}),
    CASE("2x2 distinct", 2, 5, 5, 3, OPTEST_DISTINCT, .size = {2, 2}),
    CASE("13 channels", 2, 5, 7, 13, OPTEST_UNIFORM, .size = {2, 2}),
    CASE("31 channels", 5, 7, 4, 31, OPTEST_UNIFORM, .size = {3, 2}),
    CASE("64 channels", 2, 26, 26, 64, OPTEST_UNIFORM, .size = {2, 2}),
    CASE("260 channels", 1, 5, 5, 260, OPTEST_UNIFORM, .size = {2, 2}),
    CASE("3x3 stride 2 same", 2, 7, 8, 5, OPTEST_UNIFORM, .size = {3, 3}, .stride = {2, 2}, .padding = QN_SAME),
    CASE("3x3 stride 1 same, distinct", 1, 5, 4, 2, OPTEST_DISTINCT, .size = {3, 3}, .stride = {1, 1}, .padding = QN_SAME),
    CASE("2x2 same", 2, 7, 7, 16, OPTEST_TIES, .size = {2, 2}, .padding = QN_SAME),
    CASE("2x3 stride 3x5", 2, 11, 13, 7, OPTEST_DISTINCT, .size = {2, 3}, .stride = {3, 5}),
    CASE("uneven padding", 2, 6, 5, 4, OPTEST_DISTINCT, .size = {3, 4}, .stride = {2, 3}, .padding = QN_EXPLICIT,
     .pad = {2, 0, 1, 3}),
    CASE("padding, windows apart", 2, 6, 5, 4, OPTEST_TIES, .size = {3, 3}, .stride = {3, 4}, .padding = QN_EXPLICIT,
     .pad = {1, 2, 2, 2}),
    CASE("global", 3, 5, 4, 19, OPTEST_DISTINCT, .global = 1),
    CASE("large window", 1, 20, 20, 2, OPTEST_TIES, .size = {17, 17}, .stride = {1, 1}),
    {.name = "sequence", .op = &qni_op_maxpool, .attr = &(const struct qni_pool){.size = {1, 3}, .stride = {1, 2}}, .inputs = 1,
     .in = {{QN_F32, {3, {2, 9, 5}}}}, .fill = {OPTEST_DISTINCT}, .ref = ref, .small_grad = true},
};

/* y is what pooling makes of x; and aux, where there is one, is x as after an activation. */
static void prepare(const struct qni_problem *p, double *const *in)
{
    struct window w = {{0}};
    int64_t i = 0;

    CHECK_OK(qni_pool_geometry(&w.g, p, &p->in[1]));
    if (qni_elements(&p->in[0].shape))
        do
            in[2][i++] = in[1][winner(&w, in[1])];
        while (next(&w));
}

#define GRAD(n, N, H, W, P, Q, C, how, ...) \
    {.name = n, .op = &qni_op_maxpool_grad, .attr = &(const struct qni_pool){__VA_ARGS__}, .inputs = 3, \
     .in = {{QN_F32, {4, {N, P, Q, C}}}, {QN_F32, {4, {N, H, W, C}}}, {QN_F32, {4, {N, P, Q, C}}}}, \
     .fill = {OPTEST_UNIFORM, how, OPTEST_UNIFORM}, .ref = ref_grad, .prepare = prepare}

#define FUSED(n, N, H, W, P, Q, C, a, ...) \
    {.name = n, .op = &qni_op_maxpool_grad, .attr = &(const struct qni_pool){__VA_ARGS__}, .inputs = 4, \
     .in = {{QN_F32, {4, {N, P, Q, C}}}, {QN_F32, {4, {N, H, W, C}}}, {QN_F32, {4, {N, P, Q, C}}}, {QN_F32, {4, {N, H, W, C}}}}, \
     .fill = {OPTEST_UNIFORM, OPTEST_TIES, OPTEST_UNIFORM, OPTEST_UNIFORM}, .ref = ref_grad, .prepare = prepare, \
     .epilogue = {.act_grad = a, .alpha = 0.25f}}

static const struct optest_case backward[] = {
    GRAD("1", 1, 1, 1, 1, 1, 1, OPTEST_DISTINCT, .size = {1, 1}),
    GRAD("no images", 0, 4, 4, 2, 2, 3, OPTEST_UNIFORM, .size = {2, 2}),
    GRAD("2x2", 2, 6, 8, 3, 4, 16, OPTEST_UNIFORM, .size = {2, 2}),
    GRAD("2x2, border left over, ties", 3, 11, 11, 5, 5, 17, OPTEST_TIES, .size = {2, 2}),
    GRAD("13 channels", 2, 5, 7, 2, 3, 13, OPTEST_TIES, .size = {2, 2}),
    GRAD("64 channels", 2, 26, 26, 13, 13, 64, OPTEST_TIES, .size = {2, 2}),
    GRAD("2x2 same", 2, 7, 7, 4, 4, 16, OPTEST_TIES, .size = {2, 2}, .padding = QN_SAME),
    GRAD("windows with gaps", 2, 11, 13, 4, 3, 7, OPTEST_TIES, .size = {2, 3}, .stride = {3, 5}),
    GRAD("padding, windows apart", 2, 6, 5, 3, 2, 4, OPTEST_TIES, .size = {3, 3}, .stride = {3, 4}, .padding = QN_EXPLICIT,
     .pad = {1, 2, 2, 2}),
    GRAD("3x3 stride 2 same", 2, 7, 8, 4, 4, 5, OPTEST_TIES, .size = {3, 3}, .stride = {2, 2}, .padding = QN_SAME),
    GRAD("3x3 stride 1 same", 1, 5, 4, 5, 4, 18, OPTEST_TIES, .size = {3, 3}, .stride = {1, 1}, .padding = QN_SAME),
    GRAD("uneven padding", 2, 6, 5, 3, 2, 4, OPTEST_DISTINCT, .size = {3, 4}, .stride = {2, 3}, .padding = QN_EXPLICIT,
     .pad = {2, 0, 1, 3}),
    GRAD("global", 3, 5, 4, 1, 1, 19, OPTEST_TIES, .global = 1),
    GRAD("large window", 1, 20, 20, 4, 4, 2, OPTEST_TIES, .size = {17, 17}, .stride = {1, 1}),
    FUSED("relu", 2, 7, 6, 3, 3, 16, QN_RELU, .size = {2, 2}),
    FUSED("leaky relu, overlap", 2, 7, 6, 3, 2, 5, QN_LEAKY_RELU, .size = {3, 3}, .stride = {2, 2}),
    FUSED("tanh", 1, 4, 4, 2, 2, 3, QN_TANH, .size = {2, 2}),
};

int main(void)
{
    optest_run(forward, QNI_COUNT(forward));
    optest_run(backward, QNI_COUNT(backward));
    return test_end();
}
