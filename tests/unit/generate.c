/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Draws from logits have the probabilities they should, sequences go on as they should, notes are saved. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <quern/generate.h>

#include "harness/test.h"
#include "model/model.h"

#define V 6
#define T 4

static const float logits[V] = {0.5f, -1, 2, 2, -INFINITY, 1};

/* Chi-square of many draws against what is expected; 5 degrees of freedom at most, so 25 is far out. */
static void check_draws(const qn_sampling *s, const double *want)
{
    enum { DRAWS = 20000 };
    int count[V] = {0};
    double chi = 0;

    for (int i = 0; i < DRAWS; i++) {
        int32_t k = -1;

        CHECK_OK(qn_sampling_draw(&k, logits, V, s, (uint64_t)i));
        if (k >= 0 && k < V)
            count[k]++;
    }
    for (int k = 0; k < V; k++) {
        if (want[k] == 0)
            CHECK_INT(count[k], 0);
        else
            chi += (count[k] - DRAWS * want[k]) * (count[k] - DRAWS * want[k]) / (DRAWS * want[k]);
    }
    CHECK(chi < 25);
}

static void draws(void)
{
    const double e = exp(1);
    double all[V] = {exp(0.5), exp(-1), e * e, e * e, 0, e}, sum = 0, hot[V], hot_sum = 0;
    int32_t a = 9, b = 9;

    for (int k = 0; k < V; k++) {
        hot[k] = isinf(logits[k]) ? 0 : exp((double)logits[k] / 2.5);
        sum += all[k];
        hot_sum += hot[k];
    }
    for (int k = 0; k < V; k++) {
        all[k] /= sum;
        hot[k] /= hot_sum;
    }
    check_draws(NULL, all);
    check_draws(&(qn_sampling){.temperature = 2.5f, .seed = 3}, hot);
    check_draws(&(qn_sampling){.top_k = 2}, (const double[V]){0, 0, 0.5, 0.5, 0, 0});
    check_draws(&(qn_sampling){.top_k = 3}, (const double[V]){0, 0, e / (2 * e + 1), e / (2 * e + 1), 0, 1 / (2 * e + 1)});
    /* 2 and 3 have 0.379 each: 0.4 needs both, 0.85 the next too. */
    check_draws(&(qn_sampling){.top_p = 0.4f}, (const double[V]){0, 0, 0.5, 0.5, 0, 0});
    check_draws(&(qn_sampling){.top_p = 0.85f}, (const double[V]){0, 0, e / (2 * e + 1), e / (2 * e + 1), 0, 1 / (2 * e + 1)});
    check_draws(&(qn_sampling){.top_p = 1e-6f}, (const double[V]){0, 0, 1, 0, 0, 0});
    check_draws(&(qn_sampling){.greedy = true}, (const double[V]){0, 0, 1, 0, 0, 0});
    CHECK_OK(qn_sampling_draw(&a, logits, V, &(qn_sampling){.seed = 5}, 17));
    CHECK_OK(qn_sampling_draw(&b, logits, V, &(qn_sampling){.seed = 5}, 17));
    CHECK(a == b);
}

/* ---- against loops in double ---- */

enum { MANY = 37 };

/* Which of n is the largest that is not taken, the first of equal ones. */
static int largest(const float *x, const bool *taken, int n)
{
    int best = -1;

    for (int i = 0; i < n; i++)
        if (!taken[i] && (best < 0 || x[i] > x[best]))
            best = i;
    return best;
}

/* Chances of all numbers, by generate.md's list; order: the largest logit first. */
static void chances(const float *x, const qn_sampling *s, double *p, int *order)
{
    const double heat = s->temperature != 0 ? (double)s->temperature : 1;
    bool taken[MANY] = { false };
    double sum = 0, kept = 0;
    int n = s->top_k && s->top_k < MANY ? s->top_k : MANY, last = 0;

    for (int i = 0; i < MANY; i++) {
        order[i] = largest(x, taken, MANY);
        taken[order[i]] = true;
        p[order[i]] = i < n ? exp((double)x[order[i]] / heat) : 0;
        sum += p[order[i]];
    }
    while (last < n && (!last || (s->top_p != 0 && kept < (double)s->top_p * sum) || s->top_p == 0))
        kept += p[order[last++]];
    for (int i = 0; i < MANY; i++)
        p[order[i]] = i < last ? p[order[i]] / kept : 0;
}

/* Uniform in [0, 1), as generate.md says: 53 bits of Philox's first two words. */
static double uniform(uint64_t seed, uint64_t draw)
{
    const uint32_t counter[4] = { (uint32_t)draw, (uint32_t)(draw >> 32), 0, UINT32_C(0x6e657874) };
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t word[4];

    qni_philox(word, counter, key);
    return ldexp((double)((uint64_t)word[0] << 21 | word[1] >> 11), -53);
}

static void reference(void)
{
    static const float heats[] = { 0, 0.3f, 0.8f, 3 }, shares[] = { 0, 1e-3f, 0.5f, 0.9f, 1 };
    static const int counts[] = { 0, 1, 5, MANY, 100 };
    float x[MANY];
    double p[MANY];
    int order[MANY], drawn = 0;

    for (int c = 0; c < 4 * 5 * 5 && !test_failed(); c++) {
        const qn_sampling s = { .temperature = heats[c % 4], .top_k = counts[c / 4 % 5], .top_p = shares[c / 20],
                                .seed = UINT64_C(0x100000001) * (uint64_t)c };

        for (int i = 0; i < MANY; i++) /* some of them equal */
            x[i] = rintf((float)test_uniform() * 30) / 8;
        chances(x, &s, p, order);
        for (uint64_t draw = 0; draw < 40; draw++) {
            const uint64_t number = draw << (draw & 32);
            const double u = uniform(s.seed, number);
            double at = 0, edge = 1;
            int want = order[0];
            int32_t got = -1;
            bool found = false;

            for (int i = 0; i < MANY && p[order[i]] > 0; i++) {
                at += p[order[i]];
                edge = fmin(edge, fabs(u - at));
                if (!found && u < at) {
                    want = order[i];
                    found = true;
                }
            }
            CHECK_OK(qn_sampling_draw(&got, x, MANY, &s, number));
            if (edge > 1e-12) { /* where rounding cannot decide */
                CHECK_INT(got, want);
                drawn++;
            }
        }
    }
    CHECK(drawn > 3900);
}

static void mistakes(void)
{
    const float nan[2] = {0, NAN}, none[2] = {-INFINITY, -INFINITY}, huge[2] = {INFINITY, 0};
    int32_t k;

    CHECK_STATUS(qn_sampling_draw(&k, nan, 2, NULL, 0), QN_E_ARG, "logit 1");
    CHECK_STATUS(qn_sampling_draw(&k, huge, 2, NULL, 0), QN_E_ARG, "logit 0");
    CHECK_STATUS(qn_sampling_draw(&k, none, 2, NULL, 0), QN_E_ARG, "-infinity");
    CHECK_STATUS(qn_sampling_draw(&k, logits, 0, NULL, 0), QN_E_ARG, "0 logits");
    CHECK_STATUS(qn_sampling_draw(&k, logits, V, &(qn_sampling){.top_p = 1.5f}, 0), QN_E_ARG, "top_p");
    CHECK_STATUS(qn_sampling_draw(&k, logits, V, &(qn_sampling){.temperature = -1}, 0), QN_E_ARG, "temperature");
    CHECK_STATUS(qn_sampling_draw(&k, logits, V, &(qn_sampling){.top_k = -1}, 0), QN_E_ARG, "top_k");
}

/* A table of what follows what: k is followed by k + 1 round and round, by far the likeliest. */
static qn_model *counter(qn_act act)
{
    float table[V][V];
    qn_model *m = NULL;
    qn_val v;

    for (int i = 0; i < V; i++)
        for (int k = 0; k < V; k++)
            table[i][k] = k == (i + 1) % V ? 30 : 0;
    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_input(m, QN_I32, 1, (int64_t[]){T});
    v = qn_embedding(m, v, &(qn_embedding_opt){.words = V, .units = V});
    qn_model_output(m, qn_activation(m, v, act, NULL));
    CHECK_OK(qn_model_compile(m, NULL));
    CHECK_OK(qn_model_weight_write(m, 0, table[0], sizeof(table)));
    return m;
}

static qn_status stop_at_four(void *user, int32_t number, bool *stop)
{
    ++*(int *)user;
    *stop = number == 4;
    return QN_OK;
}

static void sequences(void)
{
    int32_t out[20];
    int64_t drawn = 0;
    int calls = 0;

    if (!test_device())
        return;
    for (int act = 0; act < 2; act++) {
        qn_model *m = counter(act ? QN_SOFTMAX : QN_LINEAR);

        CHECK_OK(qn_generate(m, (const int32_t[]){3}, 1, out, 20, &drawn, NULL));
        CHECK_INT(drawn, 20);
        for (int i = 0; i < 20; i++)
            CHECK_INT(out[i], (4 + i) % V);
        CHECK_OK(qn_generate(m, (const int32_t[]){0, 0, 0, 5, 5, 1}, 6, out, 2, &drawn, NULL)); /* longer than T */
        CHECK(out[0] == 2 && out[1] == 3);
        qn_model_destroy(&m);
    }
    {
        qn_model *m = counter(QN_LINEAR);
        qn_val v;

        CHECK_OK(qn_generate(m, (const int32_t[]){0}, 1, NULL, 20, &drawn,
                             &(qn_generate_opt){.call = stop_at_four, .user = &calls}));
        CHECK(calls == 4 && drawn == 4);
        CHECK_STATUS(qn_generate(m, out, 0, out, 1, NULL, NULL), QN_E_ARG, "prompt");
        qn_model_destroy(&m);
        CHECK_OK(qn_model_create(&m, test_device()));
        v = qn_input(m, QN_F32, 1, (int64_t[]){T});
        qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){.units = 2}));
        CHECK_STATUS(qn_generate(m, out, 1, out, 1, NULL, NULL), QN_E_STATE, "compiled");
        CHECK_OK(qn_model_compile(m, NULL));
        CHECK_STATUS(qn_generate(m, out, 1, out, 1, NULL, NULL), QN_E_SHAPE, "expected i32 [N,T]");
        qn_model_destroy(&m);
    }
}

static void notes(void)
{
    char path[] = "/tmp/quern_notes_XXXXXX", key[16];
    const int fd = mkstemp(path);
    qn_model *m;

    if (!test_device())
        return;
    m = counter(QN_LINEAR);
    CHECK_OK(qn_model_set_note(m, "vocabulary", "\n\"\\\xe2\x82\xac"));
    CHECK_OK(qn_model_set_note(m, "gone", "x"));
    CHECK_OK(qn_model_set_note(m, "gone", NULL));
    CHECK_OK(qn_model_set_note(m, "twice", "one"));
    CHECK_OK(qn_model_set_note(m, "twice", "two"));
    CHECK_OK(qn_model_save(m, path));
    qn_model_destroy(&m);
    CHECK_OK(qn_model_load(&m, test_device(), path));
    CHECK_STR(qn_model_note(m, "vocabulary"), "\n\"\\\xe2\x82\xac");
    CHECK_STR(qn_model_note(m, "twice"), "two");
    CHECK(!qn_model_note(m, "gone") && !qn_model_note(NULL, "twice"));
    for (int i = 2; i < 16; i++) {
        snprintf(key, sizeof(key), "%d", i);
        CHECK_OK(qn_model_set_note(m, key, ""));
    }
    CHECK_STATUS(qn_model_set_note(m, "one more", ""), QN_E_ARG, "at most 16");
    CHECK_STATUS(qn_model_set_note(m, "", "x"), QN_E_ARG, "key");
    qn_model_destroy(&m);
    close(fd);
    unlink(path);
}

int main(void)
{
    test_run("generate: draws have their probabilities", draws);
    test_run("generate: draws are those of loops in double", reference);
    test_run("generate: logits and options that are none", mistakes);
    test_run("generate: sequences go on", sequences);
    test_run("generate: notes are saved with a model", notes);
    return test_end();
}
