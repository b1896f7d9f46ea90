/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Draws against the host's Philox, under every algorithm; and that neither a batch's split nor its place matters. */
#include <math.h>
#include <stdlib.h>

#include "ops/eltwise/eltwise.h"
#include "ops/primitive.h"
#include "graph/step.h"
#include "optest.h"

static uint32_t draw(int64_t element, uint64_t sample, uint32_t stream, const uint32_t *step)
{
    const uint32_t e = (uint32_t)element;
    const uint64_t s = sample + (step[QNI_STEP_SAMPLE_LO] | (uint64_t)step[QNI_STEP_SAMPLE_HI] << 32);
    const uint32_t counter[4] = {(e >> 6) << 4 | (e & 15), (uint32_t)s, ((uint32_t)(s >> 32) & 0xffff) | stream << 16,
                                 step[QNI_STEP_NUMBER]};
    const uint32_t key[2] = {step[QNI_STEP_SEED_LO], step[QNI_STEP_SEED_HI]};
    uint32_t out[4];

    qni_philox(out, counter, key);
    return out[e >> 4 & 3];
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    static const uint32_t step[QNI_STEP_WORDS];
    const struct qni_elt_code *c = &((const struct qni_eltwise *)p->attr)->code[0];
    const qn_shape *y = &p->out[0].shape;
    const int64_t n = qni_elements(y), size = y->rank ? n / QNI_MAX(1, y->dim[0]) : 1;

    terms[0] = 1;
    for (int64_t e = 0; e < n; e++) {
        const double u = (double)qni_uniform(draw(e % size, (uint64_t)(e / size), c->stream, step));
        const double v = (double)qni_uniform(draw(e % size, (uint64_t)(e / size), c->stream ^ 0x8000, step));

        if (c->kind == QNI_ELT_DROPOUT)
            out[0][e] = u < (double)c->alpha ? 0 : in[0][e] / (1 - (double)c->alpha);
        else if (c->kind == QNI_ELT_UNIFORM)
            out[0][e] = (double)c->alpha + (double)c->beta * u;
        else
            out[0][e] = (double)c->alpha + (double)c->beta * sqrt(-2 * log(1 - u)) * cos(2 * M_PI * v);
        scale[0][e] = 4 * (fabs(out[0][e]) + fabs((double)c->alpha) + fabs((double)c->beta));
    }
}

#define PROGRAM(k, s, a, b, n, ...) \
    &(const struct qni_eltwise){.inputs = (n), .codes = 1, .outputs = 1, .out = {QNI_ELT_IN}, \
        .code = {{.kind = QNI_ELT_##k, .operand = {0, -1, -1}, .alpha = (a), .beta = (b), .stream = (s)}}, __VA_ARGS__}
#define DROP(name_, shape_, ...) \
    {.name = name_, .op = &qni_op_dropout, .inputs = 1, .attr = PROGRAM(DROPOUT, 7, 0.3f, 1.0f / 0.7f, 1), .in = {shape_}, \
     .ref = ref, __VA_ARGS__}
#define FILL(name_, k, ...) \
    {.name = name_, .op = strcmp(name_, "noise") ? &qni_op_random : &qni_op_noise, .inputs = 0, .ref = ref, \
     .attr = PROGRAM(k, 3, 0.5f, 2, 0, .has_shape = 1, .shape = __VA_ARGS__)}

static void draws(void)
{
    const struct optest_case cases[] = {
        DROP("one", optest_f32(1, 1)),
        DROP("a scalar", optest_f32(0)),
        DROP("vector of samples", optest_f32(1, 67)),
        DROP("samples of 3", optest_f32(2, 21, 3)),
        DROP("samples of 16", optest_f32(2, 5, 16)),
        DROP("samples of 17", optest_f32(2, 9, 17)),
        DROP("samples of 64", optest_f32(2, 5, 64)),
        DROP("samples of 200", optest_f32(3, 5, 10, 20)),
        DROP("several runs", optest_f32(2, 31, 1111)),
        DROP("empty batch", optest_f32(2, 0, 7)),
        FILL("uniform", UNIFORM, {.rank = 2, .dim = {7, 33}}),
        FILL("normal", NORMAL, {.rank = 2, .dim = {7, 33}}),
        FILL("noise", NORMAL, {.rank = 3, .dim = {5, 3, 17}}),
    };

    optest_run(cases, QNI_COUNT(cases));
}

/* ---- a batch in one piece and in two ---- */

#define SAMPLES 12
#define SIZE 45

static void run(float *y, const struct qni_algo *algo, int64_t first, int64_t rows, uint64_t seed)
{
    static float ones[SAMPLES * SIZE];
    const struct qni_eltwise *e = PROGRAM(DROPOUT, 5, 0.5f, 2, 1);
    const struct qni_desc d = optest_f32(2, (int)rows, SIZE);
    uint32_t step[QNI_STEP_WORDS] = {0}, device[QNI_STEP_WORDS] = {0};
    const uint64_t sample = 0xfffffffaull + (uint64_t)first; /* the low word overflows on the way */
    qn_device *dev = test_device();
    qn_tensor *x = NULL, *t = NULL;
    qn_op *op = NULL;

    for (int i = 0; i < SAMPLES * SIZE; i++)
        ones[i] = 1;
    step[QNI_STEP_SAMPLE_LO] = (uint32_t)sample;
    step[QNI_STEP_SAMPLE_HI] = (uint32_t)(sample >> 32);
    step[QNI_STEP_SEED_LO] = (uint32_t)seed;
    step[QNI_STEP_SEED_HI] = (uint32_t)(seed >> 32);
    step[QNI_STEP_NUMBER] = 3;
    CHECK_OK(qn_tensor_create(&x, dev, QN_F32, 2, d.shape.dim));
    CHECK_OK(qn_tensor_create(&t, dev, QN_F32, 2, d.shape.dim));
    CHECK_OK(qn_tensor_write(x, ones, (size_t)(rows * SIZE) * sizeof(float)));
    CHECK_OK(qni_primitive_create(&op, dev, &qni_op_dropout, e, &d, 1, 0, 0, NULL, algo));
    if (!test_failed()) {
        CHECK_OK(qni_primitive_set_blocks(op, step, device));
        CHECK_OK(qn_op_run(op, &x, 1, &t, 1, NULL));
        CHECK_OK(qn_tensor_read(t, y, (size_t)(rows * SIZE) * sizeof(float)));
    }
    for (int64_t i = 0; i < rows * SIZE && !test_failed(); i++) {
        bool kept = qni_uniform(draw(i % SIZE, (uint64_t)(i / SIZE), 5, step)) >= 0.5f;

        if (y[i] != (kept ? 2.0f : 0.0f))
            test_fail(__FILE__, __LINE__, "sample %lld, element %lld is %g", (long long)(first + i / SIZE),
                      (long long)(i % SIZE), (double)y[i]);
    }
    qn_op_destroy(&op);
    qn_tensor_destroy(&x);
    qn_tensor_destroy(&t);
}

static void split(void)
{
    static float whole[SAMPLES * SIZE], parts[SAMPLES * SIZE];

    for (int i = 0; test_device() && qni_op_dropout.algos[i]; i++) {
        const struct qni_algo *algo = qni_op_dropout.algos[i];

        run(whole, algo, 0, SAMPLES, 42);
        run(parts, algo, 0, 5, 42);
        run(parts + 5 * SIZE, algo, 5, SAMPLES - 5, 42);
        CHECK(!memcmp(whole, parts, sizeof(whole)));
        run(parts, algo, 0, SAMPLES, 0x100000000ull + 42);
        CHECK(memcmp(whole, parts, sizeof(whole)) != 0);
    }
}

int main(void)
{
    draws();
    test_run("random: a split batch draws the same numbers", split);
    return test_end();
}
