/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Beam search finds what trying all sequences finds, and keeps to its rules where it is too narrow for that. */
#include <math.h>

#include <quern/generate.h>

#include "harness/test.h"
#include "model/model.h"

enum { T = 4, V = 4, BEGIN = 1, END = 3, PREFIXES = V * V * V, SOURCES = 6, ALL = 400 };

/* ---- models ---- */

/* What is next depends on the source's number there and on the last one: [2] tables [V, V]. */
static qn_model *tables(float table[2][V][V], qn_act act)
{
    const qn_embedding_opt o = { .words = V, .units = V };
    qn_model *m = NULL;
    qn_val v[2];

    CHECK_OK(qn_model_create(&m, test_device()));
    for (int i = 0; i < 2; i++)
        v[i] = qn_input(m, QN_I32, 1, (int64_t[]){ T });
    for (int i = 0; i < 2; i++)
        v[i] = qn_embedding(m, v[i], &o);
    qn_model_output(m, qn_activation(m, qn_add(m, v, 2), act, NULL));
    CHECK_OK(qn_model_compile(m, NULL));
    for (int i = 0; i < 2; i++)
        CHECK_OK(qn_model_weight_write(m, i, table[i][0], sizeof(table[i])));
    return m;
}

static qn_model *random_tables(qn_act act)
{
    float table[2][V][V];

    for (int i = 0; i < 2 * V * V; i++)
        table[i / V / V][i / V % V][i % V] = 3 * (float)test_uniform() - 1.5f;
    return tables(table, act);
}

/* An encoder's words, and a decoder that attends to them. */
static qn_model *decoder(void)
{
    const qn_embedding_opt o = { .words = V, .units = 8, .init_scale = 2 };
    qn_model *m = NULL;
    qn_val source, x;

    CHECK_OK(qn_model_create(&m, test_device()));
    source = qn_input(m, QN_I32, 1, (int64_t[]){ T });
    x = qn_input(m, QN_I32, 1, (int64_t[]){ T });
    source = qn_position_embedding(m, qn_embedding(m, source, &o), NULL);
    x = qn_position_embedding(m, qn_embedding(m, x, &o), NULL);
    x = qn_transformer_decoder(m, x, source, &(qn_transformer_opt){ .heads = 2, .units = 8 });
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = V, .init_scale = 6 }));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .seed = 5 }));
    return m;
}

/* ---- trying everything ---- */

/* Logarithms of chances of what follows each beginning of one source. */
struct chances {
    double log_p[PREFIXES][T][V];
};

static void all_chances(struct chances *c, qn_model *m, const int32_t *source, bool probabilities)
{
    static int32_t sources[PREFIXES][T], window[PREFIXES][T];
    static float y[PREFIXES][T][V];

    for (int p = 0; p < PREFIXES; p++) {
        memcpy(sources[p], source, sizeof(sources[p]));
        memcpy(window[p], (const int32_t[]){ BEGIN, p / V / V, p / V % V, p % V }, sizeof(window[p]));
    }
    CHECK_OK(qn_model_predict(m, (const void *[]){ sources, window }, PREFIXES, (void *[]){ y }, PREFIXES));
    for (int i = 0; i < PREFIXES * T; i++) {
        const float *row = y[i / T][i % T];
        double sum = 0;

        for (int v = 0; v < V; v++)
            sum += probabilities ? (double)row[v] : exp((double)row[v]);
        for (int v = 0; v < V; v++)
            c->log_p[i / T][i % T][v] = (probabilities ? log((double)row[v]) : (double)row[v]) - log(sum);
    }
}

struct result {
    int32_t number[T];
    int length;
    double sum, score;
};

/* What a result's next number has. */
static double next_log_p(const struct chances *c, const struct result *r, int32_t number)
{
    int p = 0;

    for (int i = 0; i < T - 1; i++)
        p = p * V + (i < r->length ? r->number[i] : 0);
    return c->log_p[p][r->length][number];
}

static struct result longer(const struct chances *c, const struct result *r, int32_t number, double alpha)
{
    struct result next = *r;

    next.sum += next_log_p(c, r, number);
    next.number[next.length++] = number;
    next.score = next.sum / pow((5.0 + next.length) / 6, alpha);
    return next;
}

static void try_all(struct result *best, const struct chances *c, const struct result *r, int most, double alpha)
{
    for (int32_t v = 0; v < V; v++) {
        const struct result next = longer(c, r, v, alpha);

        if (v != END && next.length < most)
            try_all(best, c, &next, most, alpha);
        else if (next.score > best->score)
            *best = next;
    }
}

/* The rule of generate.h, by sorting all ways to go on. */
static void narrow(struct result *best, const struct chances *c, int width, int most, double alpha)
{
    static struct result live[ALL], next[ALL];
    int lives = 1, finished = 0;

    live[0] = (struct result){ .length = 0 };
    while (lives && finished < width) {
        const int places = width - finished;
        int nexts = 0;

        for (int i = 0; i < lives * V; i++) {
            const struct result r = longer(c, &live[i / V], i % V, alpha);
            int at = nexts++;

            for (; at && next[at - 1].sum < r.sum; at--)
                next[at] = next[at - 1];
            next[at] = r;
        }
        lives = 0;
        for (int i = 0; i < nexts && i < places; i++) {
            if (next[i].number[next[i].length - 1] != END && next[i].length < most) {
                live[lives++] = next[i];
                continue;
            }
            finished++;
            if (next[i].score > best->score)
                *best = next[i];
        }
    }
}

/* ---- comparing ---- */

/* How often narrow searches missed the best. */
static int compare(qn_model *m, bool probabilities)
{
    static const int widths[] = { 0, 1, 2, 3, 7, ALL / V };
    int32_t source[SOURCES][T], out[SOURCES][T];
    static struct chances c[SOURCES];
    int64_t count[SOURCES];
    double score[SOURCES];
    int different = 0;

    for (int i = 0; i < SOURCES * T; i++)
        source[i / T][i % T] = (int32_t)test_integer(V);
    for (int i = 0; i < SOURCES; i++)
        all_chances(&c[i], m, source[i], probabilities);
    for (int at = 0; at < 6 * 3 * T && !test_failed(); at++) {
        const int width = widths[at % 6], most = at / 18 + 1;
        const float alpha = ((const float[]){ 0, 0.6f, 4 })[at / 6 % 3];
        const qn_beam_opt o = { .width = width, .most = most, .length_penalty = alpha, .begin = BEGIN, .end = END,
                                .batch = at % 2 ? 20 : 0 };

        memset(out, 0x55, sizeof(out));
        CHECK_OK(qn_beam_search(m, source, SOURCES, out[0], count, score, &o));
        for (int i = 0; i < SOURCES; i++) {
            struct result best = { .score = -HUGE_VAL }, all = best;
            const int32_t *got = out[0] + i * most;

            try_all(&all, &c[i], &(struct result){ .length = 0 }, most, (double)alpha);
            narrow(&best, &c[i], width ? width : 1, most, (double)alpha);
            if (width == ALL / V) /* wider than there are sequences */
                best = all;
            different += best.score < all.score - 1e-6;
            CHECK_INT(count[i], best.length);
            for (int k = 0; k < most; k++)
                CHECK_INT(got[k], k < best.length ? best.number[k] : 0);
            CHECK(fabs(score[i] - best.score) < 1e-5);
        }
    }
    return different;
}

static void search(void)
{
    int missed = 0;

    if (!test_device())
        return;
    for (int i = 0; i < 3; i++) {
        qn_model *m = i == 2 ? decoder() : random_tables(i ? QN_SOFTMAX : QN_LINEAR);

        missed += compare(m, i == 1);
        qn_model_destroy(&m);
    }
    CHECK(missed > 10);
}

/* All numbers are as likely: the smallest come first, and of equal scores the shortest. */
static void ties(void)
{
    static const struct { int width, end; int32_t want[T]; int count; float alpha; } cases[] = {
        { 1, 3, { 0, 0, 0, 0 }, 4, 0 }, { 2, 3, { 0, 0, 0, 0 }, 4, 0 }, { 4, 3, { 3 }, 1, 0 }, { 2, 1, { 1 }, 1, 0 },
        { 1, 0, { 0 }, 1, 0 }, { 9, -1, { 0, 0, 0, 0 }, 4, 0 }, { 2, 0, { 0 }, 1, 0 },
        { 3, 2, { 0, 0, 0, 0 }, 4, 10 }, { 2, 1, { 0, 0, 0, 0 }, 4, 10 },
    };
    float table[2][V][V] = { { { 0 } } };
    const int32_t source[T] = { 0 };
    qn_model *m;

    if (!test_device())
        return;
    m = tables(table, QN_LINEAR);
    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        const qn_beam_opt o = { .width = cases[i].width, .end = cases[i].end, .length_penalty = cases[i].alpha };
        int32_t out[T];
        int64_t count;

        CHECK_OK(qn_beam_search(m, source, 1, out, &count, NULL, &o));
        CHECK_INT(count, cases[i].count);
        for (int k = 0; k < T; k++)
            CHECK_INT(out[k], cases[i].want[k]);
    }
    qn_model_destroy(&m);
}

/* 0 is followed by 2 alone, 2 by the end alone; 1 by nothing. */
static void impossible(void)
{
    const float no = -INFINITY;
    float table[2][V][V] = { { { 0 } }, { { no, no, 0, no }, { no, no, no, no }, { no, no, no, 0 }, { NAN, 0, 0, 0 } } };
    const int32_t source[T] = { 0 };
    int32_t out[T];
    int64_t count;
    double score;
    qn_model *m;

    if (!test_device())
        return;
    m = tables(table, QN_LINEAR);
    CHECK_OK(qn_beam_search(m, source, 1, out, &count, &score, &(qn_beam_opt){ .width = 5, .end = END }));
    CHECK(count == 2 && out[0] == 2 && out[1] == END && out[2] == 0 && score == 0);
    CHECK_STATUS(qn_beam_search(m, source, 1, out, &count, NULL, &(qn_beam_opt){ .begin = 1, .end = END }), QN_E_ARG,
                 "-infinity");
    CHECK_STATUS(qn_beam_search(m, source, 1, out, &count, NULL, &(qn_beam_opt){ .begin = 3, .end = END }), QN_E_ARG,
                 "prediction 0");
    qn_model_destroy(&m);
}

static void mistakes(void)
{
    static const qn_beam_opt bad[] = {
        { .width = -1 }, { .width = 1025 }, { .length_penalty = -1 }, { .length_penalty = NAN }, { .length_penalty = 11 },
        { .most = -1 }, { .most = T + 1 }, { .end = V }, { .batch = -1 }, { .reserved = { 0, 0, 0, 1 } },
    };
    const qn_beam_opt good = { .end = END };
    const int32_t source[T] = { 0 };
    int32_t out[T];
    int64_t count;
    qn_model *m;
    qn_val v;

    if (!test_device())
        return;
    m = random_tables(QN_LINEAR);
    for (size_t i = 0; i < QNI_COUNT(bad); i++)
        CHECK_STATUS(qn_beam_search(m, source, 1, out, &count, NULL, &bad[i]), QN_E_ARG, NULL);
    CHECK_STATUS(qn_beam_search(NULL, source, 1, out, &count, NULL, &good), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_beam_search(m, NULL, 1, out, &count, NULL, &good), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_beam_search(m, source, 1, NULL, &count, NULL, &good), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_beam_search(m, source, 1, out, NULL, NULL, &good), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_beam_search(m, source, 1, out, &count, NULL, NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_beam_search(m, source, -1, out, &count, NULL, &good), QN_E_ARG, "-1");
    CHECK_OK(qn_beam_search(m, NULL, 0, NULL, NULL, NULL, &good));
    qn_model_destroy(&m);
    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_input(m, QN_I32, 1, (int64_t[]){ T });
    qn_model_output(m, qn_embedding(m, v, &(qn_embedding_opt){ .words = V, .units = V }));
    CHECK_STATUS(qn_beam_search(m, source, 1, out, &count, NULL, &good), QN_E_STATE, "compiled");
    CHECK_OK(qn_model_compile(m, NULL));
    CHECK_STATUS(qn_beam_search(m, source, 1, out, &count, NULL, &good), QN_E_SHAPE, "1 inputs");
    qn_model_destroy(&m);
}

int main(void)
{
    test_run("beam: what trying all sequences finds", search);
    test_run("beam: equal ones", ties);
    test_run("beam: numbers that never come", impossible);
    test_run("beam: models and options that are none", mistakes);
    return test_end();
}
