/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrent layers in models: states kept from batch to batch, both directions, cells of one's own, every step by itself,
 * saving. What the cells compute is compared with Keras in tests/op/keras_rnn.c. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/test.h"
#include "model/model.h"

#define N 3
#define T 6
#define D 4
#define U 5

static float x[N][T][D];

static qn_model *begin(qn_val *v, int64_t steps)
{
    qn_model *m = NULL;

    if (!test_device())
        return NULL;
    for (int i = 0; i < N * T * D; i++)
        ((float *)x)[i] = (float)test_uniform();
    CHECK_OK(qn_model_create(&m, test_device()));
    *v = qn_input(m, QN_F32, 2, (int64_t[]){ steps, D });
    return m;
}

/* Declare y as the output and compile; weights begin by seed. */
static bool finish(qn_model *m, qn_val y, uint64_t seed)
{
    qn_model_output(m, y);
    return CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .seed = seed }));
}

static bool predict(qn_model *m, const float *from, int64_t rows, float *to)
{
    return CHECK_OK(qn_model_predict(m, (const void *[]){ from }, rows, (void *[]){ to }, (int)rows));
}

static void same(const float *a, const float *b, int n, double tolerance)
{
    for (int i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance))
            test_fail(__FILE__, __LINE__, "element %d: %.9g, expected %.9g", i, (double)a[i], (double)b[i]);
}

/* Two halves of a sequence in turn give what the whole gives. */
static void stateful(void)
{
    const qn_rnn_opt whole = { .units = U, .return_sequences = true }, parts = { .units = U, .stateful = N,
                                                                                 .return_sequences = true };
    float want[N][T][U], got[N][T / 2][U], half[N][T / 2][D], again[N][T / 2][U];
    qn_val v;
    qn_model *a = begin(&v, T), *b;

    if (!a || !finish(a, qn_lstm(a, v, &whole), 7) || !predict(a, &x[0][0][0], N, &want[0][0][0]))
        goto done;
    CHECK_OK(qn_model_create(&b, test_device()));
    v = qn_input(b, QN_F32, 2, (int64_t[]){ T / 2, D });
    if (finish(b, qn_lstm(b, v, &parts), 7)) {
        for (int part = 0; part < 2; part++) {
            for (int n = 0; n < N; n++)
                memcpy(half[n], x[n][part * T / 2], sizeof(half[n]));
            predict(b, &half[0][0][0], N, &got[0][0][0]);
            for (int n = 0; n < N; n++)
                same(&got[n][0][0], &want[n][part * T / 2][0], T / 2 * U, 2e-6);
        }
        CHECK_OK(qn_model_reset_states(b));
        predict(b, &half[0][0][0], N, &again[0][0][0]);
        CHECK(memcmp(again, got, sizeof(got)) != 0);
        CHECK_OK(qn_model_reset_states(b));
        predict(b, &half[0][0][0], N, &got[0][0][0]);
        CHECK(memcmp(again, got, sizeof(got)) == 0);
        CHECK_INT(qn_model_predict(b, (const void *[]){ x }, N + 1, (void *[]){ want }, N + 1), QN_E_SHAPE);
    }
    qn_model_destroy(&b);
done:
    qn_model_destroy(&a);
}

/* Training keeps states as well. */
static void stateful_training(void)
{
    const qn_rnn_opt o = { .units = U, .stateful = N };
    const float target[N][U] = { { 0 } };
    float first[N][U], second[N][U];
    qn_val v;
    qn_model *m = begin(&v, T);

    if (!m)
        return;
    qn_model_output(m, qn_gru(m, v, &o));
    if (CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .loss = QN_MSE, .optimizer = qn_sgd(1e-30f) }))) {
        predict(m, &x[0][0][0], N, &first[0][0]);
        CHECK_OK(qn_model_reset_states(m));
        CHECK_OK(qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ target }, NULL, N, NULL));
        predict(m, &x[0][0][0], N, &second[0][0]);
        CHECK(memcmp(first, second, sizeof(first)) != 0);
    }
    qn_model_destroy(&m);
}

static void directions(void)
{
    const qn_rnn_opt o = { .units = U, .return_sequences = true, .name = "r" };
    float joined[N][T][2 * U];
    qn_val v, both[2], none;
    qn_model *m = begin(&v, T);

    if (!m)
        return;
    none = qn_bidirectional(m, v, qn_lstm, &o, QN_MERGE_NONE, both);
    CHECK(none.id == both[0].id && both[1].id && both[0].id != both[1].id);
    if (finish(m, qn_concatenate(m, both, 2, NULL), 3)) {
        predict(m, &x[0][0][0], N, &joined[0][0][0]);
        CHECK_STR(m->g->variable[0].name, "forward_r/kernel");
        CHECK_STR(m->g->variable[3].name, "backward_r/kernel");
        CHECK_INT(qn_model_weights(m), 6);
    }
    qn_model_destroy(&m);
}

/* ---- a simple recurrence as a cell of one's own ---- */

struct own {
    qn_val kernel, recurrent;
};

static qn_val step(qn_model *m, qn_val in, const qn_val *state, qn_val *next, int number, void *user)
{
    const struct own *o = user;
    qn_graph *g = qn_model_graph(m);

    (void)number;
    next[0] = qn_graph_tanh(g, qn_graph_add(g, qn_graph_matmul(g, in, o->kernel, false, false),
                                            qn_graph_matmul(g, state[0], o->recurrent, false, false)));
    return next[0];
}

static void own_cell(void)
{
    float weight[2][U * U], want[N][T][U], got[N][T][U];
    struct own o;
    qn_val v, y;
    qn_model *m = begin(&v, T);

    if (!m)
        return;
    v = qn_masking(m, v, 9);
    x[1][0][0] = x[1][0][1] = x[1][0][2] = x[1][0][3] = 9;
    for (int d = 0; d < D; d++)
        x[2][3][d] = 9;
    for (int i = 0; i < U * U; i++)
        weight[0][i] = weight[1][i] = (float)test_uniform() - 0.5f;
    o.kernel = qn_graph_variable(qn_model_graph(m), &(qn_variable_opt){ .name = "own/kernel", .rank = 2, .dim = { D, U } });
    o.recurrent = qn_graph_variable(qn_model_graph(m), &(qn_variable_opt){ .name = "own/recurrent", .rank = 2, .dim = { U, U } });
    y = qn_rnn(m, v, &(qn_cell){ .states = 1, .units = { U }, .step = step, .user = &o, .return_sequences = true }, NULL);
    CHECK(qn_mask(m, y).id);
    if (finish(m, y, 1)) {
        CHECK_OK(qni_state_write(m->state, 0, -1, weight[0]));
        CHECK_OK(qni_state_write(m->state, 1, -1, weight[1]));
        predict(m, &x[0][0][0], N, &got[0][0][0]);
    }
    qn_model_destroy(&m);
    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_masking(m, qn_input(m, QN_F32, 2, (int64_t[]){ T, D }), 9);
    y = qn_simple_rnn(m, v, &(qn_rnn_opt){ .units = U, .no_bias = true, .return_sequences = true });
    if (finish(m, y, 1)) {
        CHECK_OK(qni_state_write(m->state, 0, -1, weight[0]));
        CHECK_OK(qni_state_write(m->state, 1, -1, weight[1]));
        predict(m, &x[0][0][0], N, &want[0][0][0]);
        same(&got[0][0][0], &want[0][0][0], N * T * U, 2e-6);
    }
    qn_model_destroy(&m);
}

static qn_val dense(qn_model *m, qn_val v, void *user)
{
    return qn_dense(m, v, user);
}

static void every_step(void)
{
    qn_dense_opt o = { .units = U, .act = QN_TANH };
    float a[N][T][U], b[N][T][U];
    qn_val v;
    qn_model *m = begin(&v, T);

    if (!m)
        return;
    if (finish(m, qn_time_distributed(m, v, dense, &o), 5))
        predict(m, &x[0][0][0], N, &a[0][0][0]);
    qn_model_destroy(&m);
    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_input(m, QN_F32, 2, (int64_t[]){ T, D });
    if (finish(m, qn_dense(m, v, &o), 5)) {
        predict(m, &x[0][0][0], N, &b[0][0][0]);
        same(&a[0][0][0], &b[0][0][0], N * T * U, 1e-6);
    }
    qn_model_destroy(&m);
}

/* A model of all kinds, saved and loaded, predicts the same bits. */
static void saved(void)
{
    char path[] = "/tmp/quern-rnn-XXXXXX";
    const int fd = mkstemp(path);
    const qn_rnn_opt sequences = { .units = U, .return_sequences = true, .act = QN_IDENTITY };
    float a[N][U], b[N][U];
    qn_val v, y, h;
    qn_model *m = begin(&v, T), *again = NULL;

    CHECK(fd >= 0);
    if (fd >= 0)
        close(fd);
    if (!m)
        return;
    y = qn_bidirectional(m, v, qn_gru, &sequences, QN_MERGE_AVE, NULL);
    y = qn_lstm(m, y, &(qn_rnn_opt){ .units = U });
    h = qn_rnn_state(m, y, 1);
    y = qn_simple_rnn(m, v, &(qn_rnn_opt){ .units = U, .initial_state = { h } });
    if (finish(m, y, 11) && predict(m, &x[0][0][0], N, &a[0][0]) && CHECK_OK(qn_model_save(m, path)) &&
        CHECK_OK(qn_model_load(&again, test_device(), path))) {
        predict(again, &x[0][0][0], N, &b[0][0]);
        CHECK(memcmp(a, b, sizeof(a)) == 0);
    }
    qn_model_destroy(&again);
    qn_model_destroy(&m);
    unlink(path);
}

static void first_weights(void)
{
    float bias[4 * U];
    qn_val v;
    qn_model *m = begin(&v, T);

    if (!m)
        return;
    if (finish(m, qn_lstm(m, v, &(qn_rnn_opt){ .units = U }), 2)) {
        CHECK_OK(qni_state_read(m->state, 2, -1, bias));
        for (int i = 0; i < 4 * U; i++)
            CHECK(bias[i] == (i / U == 1 ? 1.0f : 0.0f));
    }
    qn_model_destroy(&m);
}

/* What is dropped is dropped in training alone. */
static void dropouts(void)
{
    const qn_rnn_opt o = { .units = U, .dropout = 0.5f, .recurrent_dropout = 0.5f }, plain = { .units = U };
    float a[N][U], b[N][U];
    const float target[N][U] = { { 0 } };
    double loss[2];
    qn_val v;
    qn_model *m = begin(&v, T);

    if (!m)
        return;
    for (int i = 0; i < 2; i++) {
        qn_logs logs = { 0 };

        if (i) {
            CHECK_OK(qn_model_create(&m, test_device()));
            v = qn_input(m, QN_F32, 2, (int64_t[]){ T, D });
        }
        qn_model_output(m, qn_lstm(m, v, i ? &plain : &o));
        if (CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .loss = QN_MSE, .seed = 4, .optimizer = qn_sgd(1e-30f) }))) {
            predict(m, &x[0][0][0], N, i ? &b[0][0] : &a[0][0]);
            CHECK_OK(qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ target }, NULL, N, &logs));
        }
        loss[i] = logs.value[0];
        qn_model_destroy(&m);
    }
    CHECK(memcmp(a, b, sizeof(a)) == 0);
    CHECK(isfinite(loss[0]) && isfinite(loss[1]) && fabs(loss[0] - loss[1]) > 1e-6);
}

static void mistake(qn_val (*build)(qn_model *m, qn_val v), const char *text)
{
    qn_val v;
    qn_model *m = begin(&v, T);

    if (!m)
        return;
    qn_model_output(m, build(m, v));
    CHECK(qn_model_compile(m, NULL) != QN_OK);
    if (!strstr(qn_last_error(), text))
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", qn_last_error(), text);
    qn_model_destroy(&m);
}

static qn_val no_units(qn_model *m, qn_val v) { return qn_lstm(m, v, NULL); }
static qn_val flat(qn_model *m, qn_val v) { return qn_lstm(m, qn_flatten(m, v), &(qn_rnn_opt){ .units = 2 }); }
static qn_val gelu(qn_model *m, qn_val v) { return qn_gru(m, v, &(qn_rnn_opt){ .units = 2, .act = QN_GELU }); }
static qn_val no_state(qn_model *m, qn_val v) { return qn_rnn_state(m, v, 0); }
static qn_val gru_c(qn_model *m, qn_val v) { return qn_rnn_state(m, qn_gru(m, v, &(qn_rnn_opt){ .units = 2 }), 1); }
static qn_val one_state(qn_model *m, qn_val v)
{
    const qn_val h = qn_gru(m, v, &(qn_rnn_opt){ .units = 2 });

    return qn_lstm(m, v, &(qn_rnn_opt){ .units = 2, .initial_state = { h } });
}

static void mistakes(void)
{
    mistake(no_units, "units is 0");
    mistake(flat, "3 axes");
    mistake(gelu, "activation 6");
    mistake(no_state, "no state 0");
    mistake(gru_c, "no state 1");
    mistake(one_state, "1 first states are given, expected none or 2");
}

int main(void)
{
    test_run("states from batch to batch", stateful);
    test_run("states in training", stateful_training);
    test_run("both directions", directions);
    test_run("a cell of one's own", own_cell);
    test_run("every step by itself", every_step);
    test_run("saved and loaded", saved);
    test_run("first weights", first_weights);
    test_run("dropout", dropouts);
    test_run("mistakes", mistakes);
    return test_end();
}
