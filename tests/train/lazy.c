/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lazy tables: a step changes the rows of its batch as it would change all, and leaves the others as they are. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "harness/test.h"
#include "model/model.h"

enum { WORDS = 29, D = 5, T = 7, N = 6, STEPS = 4, PADDING = 3 };

static int32_t x[STEPS][N * T];
static float t[STEPS][N * T][D];
static const char table[] = "embedding/embeddings";

/* Words below `words`, each at least once a batch, some counted from the end. */
static void draw(int words)
{
    for (int s = 0; s < STEPS; s++)
        for (int i = 0; i < N * T; i++) {
            const int w = i < words ? i : (i * i + s) % words;

            x[s][i] = i % 3 ? w : w - WORDS;
            for (int d = 0; d < D; d++)
                t[s][i][d] = (float)test_uniform();
        }
}

static qn_model *network(bool lazy, bool twice, bool tied, qn_optimizer o)
{
    const qn_embedding_opt opt = {.words = WORDS, .units = D, .lazy = lazy, .padding = !tied, .padding_index = PADDING};
    qn_model *m = NULL;
    qn_val in, y;

    CHECK_OK(qn_model_create(&m, test_device()));
    in = qn_input(m, QN_I32, 1, (int64_t[]){T});
    y = qn_embedding(m, in, &opt);
    if (twice) {
        qn_embedding_opt again = opt;

        again.reuse = "embedding";
        y = qn_add(m, (qn_val[]){y, qn_embedding(m, in, &again)}, 2);
    }
    if (tied)
        y = qn_dense(m, qn_embedding_logits(m, y, "embedding"), &(qn_dense_opt){.units = D});
    qn_model_output(m, y);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = o, .loss = QN_MSE, .seed = 9}));
    return m;
}

static void train(qn_model *m, int first, int last)
{
    for (int s = first; s < last; s++)
        CHECK_OK(qn_model_train_batch(m, (const void *[]){x[s]}, (const void *[]){t[s]}, NULL, N, NULL));
}

static void read_table(qn_model *m, float w[WORDS][D])
{
    const char *name;

    for (int i = 0; i < qn_model_weights(m); i++) {
        CHECK_OK(qn_model_weight_info(m, i, &name, NULL, NULL));
        if (!strcmp(name, table))
            CHECK_OK(qn_model_weight_read(m, i, w[0], sizeof(float[WORDS][D])));
    }
}

static bool same(qn_model *a, qn_model *b)
{
    float wa[WORDS][D] = {{0}}, wb[WORDS][D] = {{1}};

    read_table(a, wa);
    read_table(b, wb);
    return !memcmp(wa, wb, sizeof(wa));
}

static qn_optimizer momentum(void)
{
    qn_optimizer o = qn_sgd_momentum(0.5f, 0.9f, true);

    o.global_clip_norm = 0.5f;
    return o;
}

/* Do a lazy table and another one come to the same bits? */
static bool as_dense(bool twice, bool tied, qn_optimizer o)
{
    qn_model *lazy = network(true, twice, tied, o), *dense = network(false, twice, tied, o);
    bool equal;

    train(lazy, 0, STEPS);
    train(dense, 0, STEPS);
    equal = same(lazy, dense);
    qn_model_destroy(&lazy);
    qn_model_destroy(&dense);
    return equal;
}

static void all_rows(void)
{
    if (!test_device())
        return;
    draw(WORDS);
    CHECK(as_dense(true, false, momentum()));
    CHECK(as_dense(false, false, qn_adam(0.02f)));
    for (int k = 0; k < N * T; k++)
        x[STEPS - 1][k] = 0;
    CHECK(!as_dense(false, false, qn_adam(0.02f)));
    CHECK(as_dense(false, true, qn_adam(0.02f))); /* something else reads the table: it is not lazy after all */
}

/* Adam with weight decay on the rows used, in float64. */
static void some_rows(void)
{
    const double lr = 0.02, decay = 0.1, b1 = 0.9, b2 = 0.999, e = 1e-7;
    static double w[WORDS][D], m1[WORDS][D], m2[WORDS][D];
    float start[WORDS][D], end[WORDS][D];
    qn_model *m;

    if (!test_device())
        return;
    m = network(true, false, false, qn_adamw((float)lr, (float)decay));
    read_table(m, start);
    for (int k = 0; k < WORDS * D; k++)
        (&w[0][0])[k] = (double)(&start[0][0])[k];
    draw(WORDS / 2);
    for (int s = 0; s < STEPS; s++) {
        const double alpha = lr * sqrt(1 - pow(b2, s + 1)) / (1 - pow(b1, s + 1));
        double g[WORDS][D] = {{0}};
        bool used[WORDS] = {false};

        for (int i = 0; i < N * T; i++) {
            int32_t *index = &x[s][i];
            int row;

            if (s % 2 && *index % 2) /* rows that rest in every other batch */
                *index = 100000;
            row = *index < 0 ? *index + WORDS : *index;
            if (*index == PADDING || row >= WORDS)
                continue;
            used[row] = true;
            for (int d = 0; d < D; d++)
                g[row][d] += 2.0 / (N * T * D) * (w[row][d] - (double)t[s][i][d]);
        }
        for (int row = 0; row < WORDS; row++)
            for (int d = 0; d < D && used[row]; d++) {
                w[row][d] -= w[row][d] * decay * lr;
                m1[row][d] += (g[row][d] - m1[row][d]) * (1 - b1);
                m2[row][d] += (g[row][d] * g[row][d] - m2[row][d]) * (1 - b2);
                w[row][d] -= alpha * m1[row][d] / (sqrt(m2[row][d]) + e);
            }
    }
    train(m, 0, STEPS);
    read_table(m, end);
    for (int row = 0; row < WORDS; row++)
        for (int d = 0; d < D; d++)
            if (!(fabs((double)end[row][d] - w[row][d]) <= 2e-5))
                test_fail(__FILE__, __LINE__, "row %d, column %d: %.9g, expected %.9g", row, d, (double)end[row][d], w[row][d]);
    CHECK(!memcmp(start[WORDS / 2], end[WORDS / 2], (WORDS - WORDS / 2) * sizeof(*start)));
    CHECK(memcmp(start[0], end[0], sizeof(*start)));
    qn_model_destroy(&m);
}

/* A table so large that the rows that are not used have no gradient at all: what earlier steps left there counts for nothing.
 * Gradient descent changes no row that is not used, lazy or not. */
static void large(void)
{
    enum { ROWS = 2003, UNITS = 67 };
    static float w[2][ROWS][UNITS], target[N * T][UNITS];

    if (!test_device())
        return;
    for (int k = 0; k < N * T * UNITS; k++)
        (&target[0][0])[k] = (float)test_uniform();
    for (int clip = 0; clip < 3; clip++) { /* by a norm, for which all rows count */
        qn_optimizer o = qn_sgd(0.5f);

        o.clip_norm = clip == 1 ? 0.01f : 0.0f;
        o.global_clip_norm = clip == 2 ? 0.01f : 0.0f;
        for (int lazy = 0; lazy < 2; lazy++) {
            const qn_embedding_opt opt = {.words = ROWS, .units = UNITS, .lazy = lazy};
            qn_model *m = NULL;

            CHECK_OK(qn_model_create(&m, test_device()));
            qn_model_output(m, qn_embedding(m, qn_input(m, QN_I32, 1, (int64_t[]){T}), &opt));
            CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.optimizer = o, .loss = QN_MSE, .seed = 9}));
            for (int s = 0; s < STEPS; s++) {
                int32_t index[N * T];

                for (int i = 0; i < N * T; i++)
                    index[i] = (i % 9 * 211 + s * 17) % ROWS;
                CHECK_OK(qn_model_train_batch(m, (const void *[]){index}, (const void *[]){target}, NULL, N, NULL));
            }
            CHECK_OK(qn_model_weight_read(m, 0, w[lazy][0], sizeof(w[lazy])));
            qn_model_destroy(&m);
        }
        CHECK(!memcmp(w[0], w[1], sizeof(w[0])));
    }
}

static void resumed(void)
{
    char path[64];
    qn_model *whole, *half, *again = NULL;

    if (!test_device())
        return;
    snprintf(path, sizeof(path), "/tmp/quern-lazy-%ld.qn", (long)getpid());
    draw(WORDS / 2);
    for (int s = 1; s < STEPS; s++)
        for (int i = 0; i < N * T; i++)
            x[s][i] = s + i % 3;
    whole = network(true, true, false, qn_adamw(0.02f, 0.1f));
    half = network(true, true, false, qn_adamw(0.02f, 0.1f));
    train(whole, 0, STEPS);
    train(half, 0, STEPS / 2);
    CHECK_OK(qn_model_save(half, path));
    if (CHECK_OK(qn_model_load(&again, test_device(), path))) {
        train(again, STEPS / 2, STEPS);
        CHECK(same(whole, again));
    }
    unlink(path);
    qn_model_destroy(&whole);
    qn_model_destroy(&half);
    qn_model_destroy(&again);
}

static void refused(void)
{
    qn_model *m = NULL;

    if (!test_device())
        return;
    CHECK_OK(qn_model_create(&m, test_device()));
    qn_embedding(m, qn_input(m, QN_I32, 1, (int64_t[]){T}), &(qn_embedding_opt){.words = 3, .units = 2, .lazy = true, .l2 = 1});
    CHECK_STATUS(qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_adam(0), .loss = QN_MSE}), QN_E_ARG, "no regulariser");
    qn_model_destroy(&m);
}

int main(void)
{
    test_run("lazy: the dense update where all rows are used", all_rows);
    test_run("lazy: rows that are not used stay as they are", some_rows);
    test_run("lazy: a large table", large);
    test_run("lazy: saved, loaded and resumed", resumed);
    test_run("lazy: no regulariser", refused);
    return test_end();
}
