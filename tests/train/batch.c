/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Another batch size plans again, and compiles nothing. */
#include "model/model.h"
#include "harness/test.h"

#define ROWS 8

static float x[ROWS][12][12][1];
static int32_t t[ROWS];

static size_t built(qn_model *m, int rows)
{
    const struct qni_cached_plan *c;

    CHECK_OK(qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ t }, NULL, rows, NULL));
    c = &m->plan[m->plans - 1];
    return c->plan->exec->built;
}

static void other_batch(void)
{
    qn_device *dev = test_device();
    qn_model *m = NULL;
    qn_val v;

    if (!dev)
        return;
    CHECK_OK(qn_model_create(&m, dev));
    v = qn_input(m, QN_F32, 3, (int64_t[]){ 12, 12, 1 });
    v = qn_conv2d(m, v, &(qn_conv2d_opt){ .filters = 4, .kernel = { 3 }, .no_bias = true });
    v = qn_activation(m, qn_batchnorm(m, v, NULL), QN_RELU, NULL);
    v = qn_conv2d(m, v, &(qn_conv2d_opt){ .filters = 33, .kernel = { 3 }, .act = QN_RELU, .padding = QN_SAME });
    v = qn_dropout(m, qn_flatten(m, qn_maxpool2d(m, v, NULL)), 0.2f, NULL);
    /* Large enough for a batch of one to spend its time in reading the matrix. */
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 640, .act = QN_RELU });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 3, .act = QN_SOFTMAX });
    qn_model_output(m, v);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(1e-3f), .metrics = { QN_ACCURACY },
                                                    .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY }));
    built(m, ROWS);
    CHECK_INT(m->plans, 1);
    for (int rows = 1; rows < ROWS; rows++)
        if (built(m, rows))
            test_fail(__FILE__, __LINE__, "a batch of %d: %zu units compiled", rows, m->plan[m->plans - 1].plan->exec->built);
    qn_model_destroy(&m);
}

int main(void)
{
    test_run("batch: another size compiles nothing", other_batch);
    return test_end();
}
