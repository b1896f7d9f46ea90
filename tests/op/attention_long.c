/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Attention over long sequences: memory grows with T, not with its square; and with the argument `all`, results of T = 8192
 * are right, on rows that were picked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quern/graph.h>
#include <quern/graph_attention.h>
#include <quern/graph_math.h>

#include "graph/plan.h"
#include "ops/attn/attn.h"
#include "test.h"

#define LONGEST 8192
#define HEADS   2
#define SIZE    32

struct model {
    qn_graph *g;
    struct qni_state *state;
    struct qni_plan *plan;
};

static void forget(struct model *m)
{
    qni_plan_destroy(&m->plan);
    qni_state_release(&m->state);
    qn_graph_destroy(&m->g);
}

/* Causal attention y, the loss sum y^2, and the gradients of q, k and v. */
static bool make(struct model *m, int64_t T)
{
    const qn_shape shape[3] = {{4, {1, T, HEADS, SIZE}}, {4, {1, T, HEADS, SIZE}}, {4, {1, T, HEADS, SIZE}}};
    struct qni_plan_request request = {.input_shape = shape, .training = true, .wrts = 3, .outputs = 1};
    qn_val in[3], y;

    *m = (struct model){0};
    if (!CHECK_OK(qn_graph_create(&m->g, NULL)))
        return false;
    for (int i = 0; i < 3; i++)
        in[i] = qn_graph_input(m->g, (const char *const[]){"q", "k", "v"}[i], QN_F32, 4, shape[i].dim);
    y = qn_graph_attention(m->g, in[0], in[1], in[2], &(qn_graph_attention_opt){.causal = true});
    request.graph = m->g;
    request.loss = qn_graph_reduce_sum(m->g, qn_graph_mul(m->g, y, y), NULL, 0, false);
    request.wrt = in;
    request.output = &y;
    if (!CHECK_OK(qn_graph_error(m->g)) || !CHECK_OK(qni_state_create(&m->state, test_device(), m->g, 0)))
        return false;
    request.state = m->state;
    return CHECK_OK(qni_plan_create(&m->plan, &request));
}

static void memory(void)
{
    uint64_t before = 0;

    for (int64_t T = LONGEST / 8; T <= LONGEST; T *= 2) {
        struct model m;

        if (make(&m, T)) {
            const uint64_t bytes = m.plan->arena_bytes;

            printf("# T %d: %llu bytes for forward and backward\n", (int)T, (unsigned long long)bytes);
            CHECK(bytes > 0 && bytes < (uint64_t)(T * T) * HEADS * sizeof(float));
            CHECK(!before || bytes <= before / 10 * 21);
            before = bytes;
        }
        forget(&m);
    }
}

/* The same of every algorithm's scratch, but for the plain one's, which has the matrix. */
static void scratch(const void *op)
{
    const struct qni_op *const *forward = op;
    const struct qni_attention a = {.causal = 1};

    for (int i = 0; (*forward)->algos[i + 1]; i++) {
        const struct qni_algo *algo = (*forward)->algos[i];
        size_t before = 0;

        for (int64_t T = LONGEST / 8; T <= LONGEST; T *= 2) {
            const struct qni_desc x = {QN_F32, {4, {1, T, HEADS, SIZE}}}, lse = {QN_F32, {3, {1, HEADS, T}}};
            const struct qni_desc none = {QN_I32, {1, {1}}};
            const struct qni_desc in[QNI_ATTN_GRAD_INPUTS] = {x, x, x, none, none, none, none, x, lse, x};
            struct qni_sizes sizes = {0};
            struct qni_problem p;

            if (!CHECK_OK(qni_problem_init(&p, *forward, &a, in, (*forward)->min_inputs, 0x78)))
                return;
            p.caps = &test_device()->caps;
            algo->sizes(&p, &sizes);
            CHECK(!before || sizes.scratch <= before / 10 * 21 + 4096);
            before = sizes.scratch;
        }
    }
}

/* y, and the gradient of q, of query i of head h, from the formula. */
static void row(float *const x[3], int64_t i, int h, double y[SIZE], double dq[SIZE])
{
    const float *q = x[0] + (i * HEADS + h) * SIZE;
    double *p = calloc((size_t)i + 1, sizeof(*p)), m = -INFINITY, sum = 0, delta = 0;

    for (int64_t j = 0; j <= i; j++) {
        for (int d = 0; d < SIZE; d++)
            p[j] += (double)q[d] * (double)x[1][(j * HEADS + h) * SIZE + d] / sqrt(SIZE);
        m = fmax(m, p[j]);
    }
    for (int64_t j = 0; j <= i; j++)
        sum += p[j] = exp(p[j] - m);
    for (int d = 0; d < SIZE; d++) {
        y[d] = dq[d] = 0;
        for (int64_t j = 0; j <= i; j++)
            y[d] += p[j] / sum * (double)x[2][(j * HEADS + h) * SIZE + d];
        delta += 2 * y[d] * y[d];
    }
    for (int64_t j = 0; j <= i; j++) {
        double dp = 0;

        for (int d = 0; d < SIZE; d++)
            dp += 2 * y[d] * (double)x[2][(j * HEADS + h) * SIZE + d];
        for (int d = 0; d < SIZE; d++)
            dq[d] += p[j] / sum * (dp - delta) / sqrt(SIZE) * (double)x[1][(j * HEADS + h) * SIZE + d];
    }
    free(p);
}

static void compare(const char *what, int64_t i, const float *got, const double *want)
{
    double most = 0;

    for (int d = 0; d < SIZE; d++)
        most = fmax(most, fabs(want[d]));
    for (int d = 0; d < SIZE; d++)
        if (!(fabs((double)got[d] - want[d]) <= 1e-4 * most + 1e-7))
            test_fail(__FILE__, __LINE__, "%s of query %d, element %d: %g, expected %g", what, (int)i, d, (double)got[d], want[d]);
}

static void longest(void)
{
    static const int64_t picked[] = {0, 1, 63, 64, 127, 4095, 4096, 6000, LONGEST - 1};
    const size_t n = (size_t)LONGEST * HEADS * SIZE;
    float *x[3], *out[4];
    struct model m;
    int slot;
    bool ok;

    for (int i = 0; i < 4; i++)
        out[i] = calloc(n, sizeof(float));
    for (int i = 0; i < 3; i++) {
        x[i] = calloc(n, sizeof(float));
        for (size_t e = 0; e < n; e++)
            x[i][e] = (float)(2 * test_uniform());
    }
    ok = make(&m, LONGEST) && CHECK_OK(qni_plan_begin(m.plan, &slot));
    for (size_t i = 0; i < 3 && ok; i++)
        ok = CHECK_OK(qni_plan_feed(m.plan, slot, i, x[i], n * sizeof(float)));
    ok = ok && CHECK_OK(qni_plan_submit(m.plan, slot));
    for (size_t i = 0; i < 4 && ok; i++)
        ok = CHECK_OK(qni_plan_read(m.plan, i, out[i], n * sizeof(float), true, NULL));
    for (size_t k = 0; k < QNI_COUNT(picked) && ok; k++)
        for (int h = 0; h < HEADS; h++) {
            const size_t at = (size_t)(picked[k] * HEADS + h) * SIZE;
            double y[SIZE], dq[SIZE];

            row(x, picked[k], h, y, dq);
            compare("y", picked[k], out[0] + at, y);
            compare("dq", picked[k], out[1] + at, dq);
        }
    forget(&m);
    for (int i = 0; i < 4; i++)
        free(out[i]);
    for (int i = 0; i < 3; i++)
        free(x[i]);
}

int main(int argc, char **argv)
{
    static const struct qni_op *const ops[2] = {&qni_op_attention, &qni_op_attention_grad};

    if (!test_device())
        return test_end();
    test_run("attention_long: a plan's memory grows with T", memory);
    test_run_with("attention_long: scratch of y grows with T", scratch, &ops[0]);
    test_run_with("attention_long: scratch of the gradient grows with T", scratch, &ops[1]);
    if (argc > 1 && strcmp(argv[1], "all") == 0)
        test_run("attention_long: T = 8192", longest);
    return test_end();
}
