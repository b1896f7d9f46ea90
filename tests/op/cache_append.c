/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include <quern/graph.h>

#include "ops/attn/rotary.h"
#include "optest.h"

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const int64_t B = p->in[2].shape.dim[0], T = p->in[2].shape.dim[1], C = p->in[0].shape.dim[1];

    (void)scale;
    terms[0] = 0;
    for (int64_t b = 0; b < B; b++) {
        const int64_t first = (int64_t)in[4][p->in[4].shape.dim[0] == 1 ? 0 : b];

        out[0][b] = (double)QNI_MIN(first + T, C);
        for (int i = 0; i < 2; i++) {
            const int64_t n = p->in[i].shape.dim[2] * p->in[i].shape.dim[3];

            for (int64_t t = 0; t < T && first + t < C; t++)
                for (int64_t d = 0; d < n; d++)
                    in[i][(b * C + first + t) * n + d] = in[2 + i][(b * T + t) * n + d];
        }
    }
}

#define CASE(name_text, B, C, T, H, D, Dv, P) \
    {.name = name_text, .op = &qni_op_cache_append, .inputs = 5, \
     .in = {{QN_F32, {4, {B, C, H, D}}}, {QN_F32, {4, {B, C, H, Dv}}}, {QN_F32, {4, {B, T, H, D}}}, \
            {QN_F32, {4, {B, T, H, Dv}}}, {QN_I32, {1, {P}}}}, \
     .fill = {[4] = OPTEST_INTEGER}, .fill_max = {[4] = (C) + 1}, .ref = ref}

static const struct optest_case cases[] = {
    CASE("1", 1, 1, 1, 1, 1, 1, 1),
    CASE("no samples", 0, 4, 1, 2, 3, 2, 1),
    CASE("nothing new", 2, 4, 0, 2, 3, 2, 1),
    CASE("one step", 2, 5, 1, 2, 3, 2, 1),
    CASE("each at its place", 5, 6, 1, 2, 3, 2, 5),
    CASE("several steps, some beyond the end", 7, 6, 4, 2, 3, 2, 7),
    CASE("wide", 2, 9, 3, 4, 32, 40, 2),
};

/* ---- step by step through one plan, against all at once ---- */

enum { B = 2, T = 7, C = 9, H = 4, HKV = 2, D = 8 };

static void steps(void)
{
    static float q[B][T][H][D], k[B][T][HKV][D], v[B][T][HKV][D], whole[B][T][H][D], x[3][B * H * D], y[B][H][D];
    const int64_t all_q[] = { B, T, H, D }, all_k[] = { B, T, HKV, D }, one_q[] = { B, 1, H, D }, one_k[] = { B, 1, HKV, D };
    qn_device *dev = test_device();
    qn_graph *g = NULL;
    qn_state *s = NULL;
    qn_plan *once = NULL, *step = NULL;
    qn_shape shape[7];
    qn_val in[7], ck, cv, out[2], lengths;

    for (int i = 0; i < B * T * H * D; i++)
        (&q[0][0][0][0])[i] = sinf((float)i * 0.7f);
    for (int i = 0; i < B * T * HKV * D; i++) {
        (&k[0][0][0][0])[i] = cosf((float)i * 0.3f);
        (&v[0][0][0][0])[i] = sinf((float)i * 0.2f + 1);
    }
    if (!dev || !CHECK_OK(qn_graph_create(&g, NULL)))
        return;
    for (int i = 0; i < 6; i++) {
        const int64_t *dim = i == 0 ? all_q : i < 3 ? all_k : i == 3 ? one_q : one_k;

        in[i] = qn_graph_input(g, (const char *[]){ "q", "k", "v", "q1", "k1", "v1" }[i], QN_F32, 4, dim);
        shape[i] = qn_graph_shape(g, in[i]);
    }
    in[6] = qn_graph_input(g, "position", QN_I32, 1, (int64_t[]){ 1 });
    shape[6] = qn_graph_shape(g, in[6]);
    ck = qn_graph_variable(g, &(qn_variable_opt){ .name = "keys", .rank = 4, .dim = { B, C, HKV, D }, .frozen = true });
    cv = qn_graph_variable(g, &(qn_variable_opt){ .name = "values", .rank = 4, .dim = { B, C, HKV, D }, .frozen = true });
    out[0] = qn_graph_attention(g, qn_graph_rotary(g, in[0], (qn_val){ 0 }, NULL),
                                qn_graph_rotary(g, in[1], (qn_val){ 0 }, NULL), in[2],
                                &(qn_graph_attention_opt){ .causal = true });
    lengths = qn_graph_cache_append(g, ck, cv, qn_graph_rotary(g, in[4], in[6], NULL), in[5], in[6]);
    out[1] = qn_graph_attention(g, qn_graph_rotary(g, in[3], in[6], NULL), ck, cv,
                                &(qn_graph_attention_opt){ .causal = true, .anchor = QN_ATTENTION_LENGTH,
                                                           .lengths = lengths });
    CHECK_OK(qn_graph_error(g));
    CHECK_OK(qn_state_create(&s, g, dev, NULL, 1));
    if (!test_failed() &&
        CHECK_OK(qn_plan_create(&once, s, &(qn_plan_opt){ .input_shape = shape, .output = &out[0], .outputs = 1 })) &&
        CHECK_OK(qn_plan_create(&step, s, &(qn_plan_opt){ .input_shape = shape, .output = &out[1], .outputs = 1 }))) {
        CHECK_OK(qn_plan_run(once, (const void *[]){ q, k, v, NULL, NULL, NULL, NULL }, (void *[]){ whole }, 0));
        for (int32_t t = 0; t < T; t++) {
            for (int b = 0; b < B; b++) {
                memcpy(x[0] + b * H * D, q[b][t], sizeof(q[b][t]));
                memcpy(x[1] + b * HKV * D, k[b][t], sizeof(k[b][t]));
                memcpy(x[2] + b * HKV * D, v[b][t], sizeof(v[b][t]));
            }
            CHECK_OK(qn_plan_run(step, (const void *[]){ NULL, NULL, NULL, x[0], x[1], x[2], &t }, (void *[]){ y }, 0));
            for (int i = 0; i < B * H * D; i++)
                if (!(fabsf((&y[0][0][0])[i] - (&whole[i / (H * D)][t][0][0])[i % (H * D)]) < 1e-5f))
                    test_fail(__FILE__, __LINE__, "step %d, element %d: %g, all at once %g", (int)t, i,
                              (double)(&y[0][0][0])[i], (double)(&whole[i / (H * D)][t][0][0])[i % (H * D)]);
        }
    }
    qn_plan_destroy(&once);
    qn_plan_destroy(&step);
    qn_state_destroy(&s);
    qn_graph_destroy(&g);
}

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    test_run("a cache filled step by step gives what all at once gives", steps);
    return test_end();
}
