/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>

#include "optest.h"
#include "ops/optim/optim.h"

#define SEGMENTS 5

/* First element and number of each segment; between them lie gaps that must stay as they are. */
static const int64_t bounds[SEGMENTS][2] = {{0, 1}, {16, 0}, {16, 33}, {64, 5000}, {5120, 17}};

static void prepare(const struct qni_problem *p, double *const *in)
{
    for (int64_t i = 0; i < p->in[1].shape.dim[0]; i++) {
        in[1][2 * i] = (double)bounds[i][0];
        in[1][2 * i + 1] = (double)bounds[i][1];
    }
    for (int64_t i = 16; i < 49 && i < qni_elements(&p->in[0].shape); i++)
        in[0][i] = (double)(float)(in[0][i] / 100); /* a norm below the limit */
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_clip_norms *t = p->attr;

    (void)out;
    (void)scale;
    terms[0] = 0;
    for (int64_t s = 0; s < p->in[1].shape.dim[0]; s++) {
        const int64_t first = (int64_t)in[1][2 * s], last = first + (int64_t)in[1][2 * s + 1];
        double sum = 0;

        for (int64_t i = first; i < last; i++)
            sum += in[0][i] * in[0][i];
        for (int64_t i = first; i < last; i++)
            in[0][i] *= (double)t->limit / fmax(sqrt(sum), (double)t->limit);
        terms[0] = fmax(terms[0], (double)(last - first));
    }
}

static const struct optest_case cases[] = {
    {.name = "no segments", .op = &qni_op_clip_norms, .attr = &(const struct qni_clip_norms){0.25f}, .inputs = 2,
     .in = {{QN_F32, {1, {7}}}, {QN_I64, {2, {0, 2}}}}, .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 1}, .ref = ref},
    {.name = "segments", .op = &qni_op_clip_norms, .attr = &(const struct qni_clip_norms){0.25f}, .inputs = 2,
     .in = {{QN_F32, {1, {5137}}}, {QN_I64, {2, {SEGMENTS, 2}}}}, .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 1},
     .ref = ref, .prepare = prepare},
};

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    return test_end();
}
