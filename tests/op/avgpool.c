/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/pool/pool.h"

struct pixels {
    const struct qni_pool *t;
    struct qni_pool_geometry g;
    int64_t h0, h1, w0, w1; /* of a window, inside the image */
    double share;
};

static void window(struct pixels *a, int64_t p, int64_t q)
{
    const struct qni_pool_geometry *g = &a->g;
    const int64_t h = p * g->stride_h - g->top, w = q * g->stride_w - g->left;

    a->h0 = QNI_MAX(h, 0);
    a->h1 = QNI_MIN(h + g->R, g->H);
    a->w0 = QNI_MAX(w, 0);
    a->w1 = QNI_MIN(w + g->S, g->W);
    a->share = 1 / (double)(a->t->count_include_pad ? g->R * g->S : QNI_MAX((a->h1 - a->h0) * (a->w1 - a->w0), 1));
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    struct pixels a = {.t = p->attr};
    const struct qni_pool_geometry *g = &a.g;

    CHECK_OK(qni_pool_geometry(&a.g, p, &p->in[0]));
    terms[0] = g->R * g->S;
    for (int64_t i = 0; i < qni_elements(&p->out[0].shape); i++) {
        const int64_t c = i % g->C, q = i / g->C % g->Q, y = i / g->C / g->Q % g->P, n = i / g->C / g->Q / g->P;

        window(&a, y, q);
        out[0][i] = scale[0][i] = 0;
        for (int64_t h = a.h0; h < a.h1; h++)
            for (int64_t w = a.w0; w < a.w1; w++) {
                out[0][i] += in[0][((n * g->H + h) * g->W + w) * g->C + c] * a.share;
                scale[0][i] += fabs(in[0][((n * g->H + h) * g->W + w) * g->C + c]) * a.share;
            }
    }
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    struct pixels a = {.t = p->attr};
    const struct qni_pool_geometry *g = &a.g;

    CHECK_OK(qni_pool_geometry(&a.g, p, &p->in[1]));
    terms[0] = g->R * g->S;
    for (int64_t i = 0; i < qni_elements(&p->out[0].shape); i++)
        out[0][i] = scale[0][i] = 0;
    for (int64_t i = 0; i < qni_elements(&p->in[0].shape); i++) {
        const int64_t c = i % g->C, q = i / g->C % g->Q, y = i / g->C / g->Q % g->P, n = i / g->C / g->Q / g->P;

        window(&a, y, q);
        for (int64_t h = a.h0; h < a.h1; h++)
            for (int64_t w = a.w0; w < a.w1; w++) {
                out[0][((n * g->H + h) * g->W + w) * g->C + c] += in[0][i] * a.share;
                scale[0][((n * g->H + h) * g->W + w) * g->C + c] += fabs(in[0][i]) * a.share;
            }
    }
    for (int64_t i = 0; p->epilogue.act_grad && i < qni_elements(&p->out[0].shape); i++)
        out[0][i] *= in[2][i] > 0;
}

#define BOTH(n, N, H, W, P, Q, C, ...) \
    {.name = n, .op = &qni_op_avgpool, .attr = &(const struct qni_pool){__VA_ARGS__}, .inputs = 1, \
     .in = {{QN_F32, {4, {N, H, W, C}}}}, .ref = ref, .small_grad = (N) * (H) * (W) * (C) < 100}, \
    {.name = n, .op = &qni_op_avgpool_grad, .attr = &(const struct qni_pool){__VA_ARGS__}, .inputs = 2, \
     .in = {{QN_F32, {4, {N, P, Q, C}}}, {QN_F32, {4, {N, H, W, C}}}}, .ref = ref_grad}

static const struct optest_case cases[] = {
    BOTH("1", 1, 1, 1, 1, 1, 1, .size = {1, 1}),
    BOTH("no images", 0, 4, 4, 2, 2, 3, .size = {2, 2}),
    BOTH("2x2, border left over", 3, 11, 11, 5, 5, 17, .size = {2, 2}),
    BOTH("2x2", 2, 4, 5, 2, 2, 3, .size = {2, 2}),
    BOTH("3x3 stride 2 same", 2, 7, 8, 4, 4, 5, .size = {3, 3}, .stride = {2, 2}, .padding = QN_SAME),
    BOTH("3x3 stride 1 same", 1, 5, 4, 5, 4, 2, .size = {3, 3}, .stride = {1, 1}, .padding = QN_SAME),
    BOTH("padding counts", 1, 5, 4, 5, 4, 2, .size = {3, 3}, .stride = {1, 1}, .padding = QN_SAME, .count_include_pad = 1),
    BOTH("uneven padding", 2, 6, 5, 3, 2, 4, .size = {3, 4}, .stride = {2, 3}, .padding = QN_EXPLICIT, .pad = {2, 0, 1, 3}),
    BOTH("windows with gaps", 2, 11, 13, 4, 3, 7, .size = {2, 3}, .stride = {3, 5}),
    BOTH("global", 3, 5, 4, 1, 1, 19, .global = 1),
    BOTH("global 64", 2, 7, 7, 1, 1, 64, .global = 1),
    {.name = "sequence", .op = &qni_op_avgpool, .attr = &(const struct qni_pool){.size = {1, 3}, .stride = {1, 2}}, .inputs = 1,
     .in = {{QN_F32, {3, {2, 9, 5}}}}, .ref = ref, .small_grad = true},
    {.name = "relu", .op = &qni_op_avgpool_grad, .attr = &(const struct qni_pool){.size = {2, 2}}, .inputs = 3,
     .in = {{QN_F32, {4, {2, 3, 2, 16}}}, {QN_F32, {4, {2, 7, 4, 16}}}, {QN_F32, {4, {2, 7, 4, 16}}}}, .ref = ref_grad,
     .epilogue = {.act_grad = QN_RELU}},
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
