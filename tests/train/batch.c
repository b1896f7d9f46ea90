/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Another batch size plans again, and compiles nothing. */
#include "model/model.h"
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS  8
#define STEPS 12
#define WORDS 50

static float picture[ROWS][12][12][1];
static int32_t sentence[ROWS][STEPS], t[ROWS];

static qn_val convolutions(qn_model *m)
{
    qn_val v = qn_input(m, QN_F32, 3, (int64_t[]){ 12, 12, 1 });

    v = qn_conv2d(m, v, &(qn_conv2d_opt){ .filters = 4, .kernel = { 3 }, .no_bias = true });
    v = qn_activation(m, qn_batchnorm(m, v, NULL), QN_RELU, NULL);
    v = qn_conv2d(m, v, &(qn_conv2d_opt){ .filters = 33, .kernel = { 3 }, .act = QN_RELU, .padding = QN_SAME });
    v = qn_dropout(m, qn_flatten(m, qn_maxpool2d(m, v, NULL)), 0.2f, NULL);
    /* Large enough for a batch of one to spend its time in reading the matrix. */
    return qn_dense(m, v, &(qn_dense_opt){ .units = 640, .act = QN_RELU });
}

static qn_val words(qn_model *m)
{
    return qn_embedding(m, qn_input(m, QN_I32, 1, (int64_t[]){ STEPS }),
                        &(qn_embedding_opt){ .words = WORDS, .units = 20, .mask_zero = true });
}

static qn_val recurrence(qn_model *m)
{
    return qn_bidirectional(m, words(m), qn_lstm, &(qn_rnn_opt){ .units = 24, .dropout = 0.2f }, QN_MERGE_CONCAT, NULL);
}

static qn_val attention(qn_model *m)
{
    const qn_transformer_opt block = { .heads = 2, .units = 40, .dropout = 0.1f, .norm_first = true };

    return qn_global_avgpool(m, qn_transformer_encoder(m, qn_position_embedding(m, words(m), NULL), &block), NULL);
}

struct net {
    const char *name;
    qn_val (*build)(qn_model *m);
    const void *input;
};

static const struct net nets[] = {
    { "convolutions", convolutions, picture },
    { "recurrence", recurrence, sentence },
    { "attention", attention, sentence },
};

static size_t built(qn_model *m, const struct net *net, int rows)
{
    const int plans = m->plans;

    CHECK_OK(qn_model_train_batch(m, &net->input, (const void *[]){ t }, NULL, rows, NULL));
    CHECK_INT(m->plans, plans + 1);
    return m->plan[m->plans - 1].plan->exec->built;
}

static void other_batch(const void *arg)
{
    const struct net *net = arg;
    qn_device *dev = test_device();
    qn_model *m = NULL;

    if (!dev)
        return;
    CHECK_OK(qn_model_create(&m, dev));
    qn_model_output(m, qn_dense(m, net->build(m), &(qn_dense_opt){ .units = 3, .act = QN_SOFTMAX }));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(1e-3f), .metrics = { QN_ACCURACY },
                                                    .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY }));
    CHECK(built(m, net, ROWS) > 0);
    for (int rows = 1; rows < ROWS; rows++) {
        const size_t units = built(m, net, rows);

        if (units)
            test_fail(__FILE__, __LINE__, "a batch of %d: %zu units compiled", rows, units);
    }
    qn_model_destroy(&m);
}

int main(void)
{
    char name[80];

    for (int i = 0; i < ROWS * STEPS; i++)
        sentence[i / STEPS][i % STEPS] = i % STEPS < 5 + i / STEPS ? 1 + i % (WORDS - 1) : 0;
    /* Nothing comes from the store: what is built is counted, whoever built it before. */
    setenv("QUERN_QUIRKS", "no_binaries", 1);
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
        snprintf(name, sizeof(name), "batch: another size of %s compiles nothing", nets[i].name);
        test_run_with(name, other_batch, &nets[i]);
    }
    return test_end();
}
