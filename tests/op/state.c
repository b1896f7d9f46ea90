/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * States kept from batch to batch: rows taken and put back. */
#include "optest.h"
#include "ops/rnn/rnn.h"

static void ref_load(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    (void)scale;
    (void)terms;
    for (int64_t i = 0; i < qni_elements(&p->out[0].shape); i++)
        out[0][i] = in[0][i];
}

static void ref_store(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    (void)out;
    (void)scale;
    (void)terms;
    for (int64_t i = 0; i < qni_elements(&p->in[1].shape); i++)
        in[0][i] = in[1][i];
}

#define LOAD(n, B, U, N) \
    {.name = n, .op = &qni_op_state_load, .inputs = 2, .in = {{QN_F32, {2, {B, U}}}, {QN_F32, {3, {N, 2, 3}}}}, .ref = ref_load}
#define STORE(n, B, U, N) \
    {.name = n, .op = &qni_op_state_store, .inputs = 2, .in = {{QN_F32, {2, {B, U}}}, {QN_F32, {2, {N, U}}}}, .ref = ref_store}

static const struct optest_case cases[] = {
    LOAD("1", 1, 1, 1),     LOAD("no samples", 3, 4, 0),  LOAD("all", 5, 7, 5),  LOAD("some", 64, 33, 17),
    STORE("1", 1, 1, 1),    STORE("no samples", 3, 4, 0), STORE("all", 5, 7, 5), STORE("some", 64, 33, 17),
};

/* More samples than there are states. */
static void too_many(void)
{
    const struct qni_desc in[2] = {{QN_F32, {2, {3, 4}}}, {QN_F32, {2, {4, 4}}}};
    qn_op *op = NULL;

    if (!test_device())
        return;
    CHECK_INT(qni_primitive_create(&op, test_device(), &qni_op_state_load, NULL, in, 2, 0, 0, NULL, NULL), QN_E_SHAPE);
    qn_op_destroy(&op);
    CHECK_INT(qni_primitive_create(&op, test_device(), &qni_op_state_store, NULL, in, 2, 0, 0, NULL, NULL), QN_E_SHAPE);
    qn_op_destroy(&op);
}

int main(void)
{
    optest_run(cases, QNI_COUNT(cases));
    test_run("too many samples", too_many);
    return test_end();
}
