/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/loader.h"
#include "test.h"

#define MOST 1000

static atomic_int allocations, slow_us, fail_at = -1;

static void *counting_alloc(void *user, size_t bytes)
{
    (void)user;
    atomic_fetch_add(&allocations, 1);
    return malloc(bytes);
}

static void *counting_realloc(void *user, void *p, size_t bytes)
{
    (void)user;
    atomic_fetch_add(&allocations, 1);
    return realloc(p, bytes);
}

static void plain_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static qn_status numbers(void *user, const int64_t *index, int64_t count, void *const *out)
{
    (void)user;
    if (slow_us)
        usleep((useconds_t)(slow_us + (index[0] % 3) * 20));
    for (int64_t i = 0; i < count; i++) {
        if (index[i] == fail_at)
            return qn_error_set(QN_E_IO, "sample on fire");
        ((int64_t *)out[0])[i] = index[i];
        ((unsigned char *)out[1])[i] = (unsigned char)index[i];
    }
    return QN_OK;
}

static qn_status pass(void *user, const qn_sample *s)
{
    (void)user;
    memcpy(s->out[0], s->in[0], 8);
    memcpy(s->out[1], s->in[1], 1);
    return s->seed == 7 ? QN_OK : QN_E_INTERNAL;
}

static qn_dataset *source(qn_context *ctx, int64_t samples)
{
    static const qn_field field[] = {{NULL, QN_FIELD_INPUT, QN_I64, {0, {0}}},
                                     {NULL, QN_FIELD_TARGET, QN_U8, {0, {0}}}};
    qn_dataset *ds = NULL, *mapped = NULL;

    CHECK_OK(
        qn_dataset_source(&ds, ctx, &(qn_source){.samples = samples, .field = field, .fields = 2, .read = numbers}));
    CHECK_OK(qn_dataset_map(&mapped, ds, &(qn_map_opt){.map = pass}));
    qn_dataset_close(&ds);
    return mapped;
}

static struct qni_loader *loader(qn_context *ctx, int64_t samples, const struct qni_loader_opt *opt)
{
    qn_dataset *ds = source(ctx, samples);
    struct qni_loader *l = NULL;
    struct qni_loader_opt seeded = *opt;

    seeded.seed = 7;
    CHECK_OK(qni_loader_create(&l, ds, &seeded));
    qn_dataset_close(&ds);
    return l;
}

/* The samples of an epoch from a batch on, in order; returns how many. */
static int64_t collect(struct qni_loader *l, int64_t epoch, int64_t batch, int64_t size, int64_t *out)
{
    struct qni_batch b;
    int64_t n = 0;

    if (!CHECK_OK(qni_loader_start(l, epoch, batch)))
        return -1;
    for (int64_t k = batch;; k++) {
        if (!CHECK_OK(qni_loader_next(l, &b)))
            return -1;
        CHECK_INT(b.number, k);
        if (!b.samples)
            return n;
        CHECK_INT(b.first, k * size);
        CHECK(b.samples == size || k == qni_loader_batches(l) - 1);
        for (int f = 0; f < 2; f++) {
            CHECK(b.field[f] == qni_loader_buffer(l, b.slot, f));
            CHECK((uintptr_t)b.field[f] % 4096 == 0);
        }
        for (int64_t i = 0; i < b.samples; i++) {
            out[n] = ((int64_t *)b.field[0])[i];
            CHECK_INT(((unsigned char *)b.field[1])[i], out[n] % 256);
            n++;
        }
        qni_loader_release(l, b.slot);
    }
}

static void in_order(void)
{
    static const struct {
        int64_t samples, batch;
        bool drop;
        int64_t want, batches;
    } cases[] = {{0, 4, false, 0, 0},  {1, 1, false, 1, 1},      {1, 4, false, 1, 1},   {1, 4, true, 0, 0},
                 {7, 7, false, 7, 1},  {7, 8, false, 7, 1},      {13, 5, false, 13, 3}, {13, 5, true, 10, 2},
                 {15, 5, true, 15, 3}, {997, 64, false, 997, 16}};

    for (size_t i = 0; i < QNI_COUNT(cases); i++)
        for (int threads = 0; threads < 4; threads++) {
            int64_t got[MOST];
            struct qni_loader *l = loader(
                NULL, cases[i].samples,
                &(struct qni_loader_opt){.batch = cases[i].batch, .threads = threads, .drop_remainder = cases[i].drop});

            CHECK_INT(qni_loader_batches(l), cases[i].batches);
            CHECK_INT(qni_loader_samples(l), cases[i].want);
            for (int epoch = 0; epoch < 2; epoch++) {
                CHECK_INT(collect(l, epoch, 0, cases[i].batch, got), cases[i].want);
                for (int64_t k = 0; k < cases[i].want; k++)
                    CHECK_INT(got[k], k);
            }
            qni_loader_destroy(&l);
        }
}

static void shuffled(void)
{
    int64_t first[2][MOST], got[MOST];
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.threads = 5, .store_dir = ""}));
    slow_us = 20;
    for (int threads = 0; threads <= 5; threads++)
        for (int slots = threads ? 0 : 1; slots < 4; slots++) {
            struct qni_loader *l = loader(
                ctx, 503, &(struct qni_loader_opt){.batch = 32, .threads = threads, .slots = slots, .shuffle = true});

            for (int epoch = 0; epoch < 2; epoch++) {
                bool seen[503] = {false};
                int64_t same = 0;

                CHECK_INT(collect(l, epoch, 0, 32, got), 503);
                for (int64_t i = 0; i < 503; i++) {
                    CHECK(!seen[got[i]]);
                    seen[got[i]] = true;
                    same += got[i] == i;
                }
                CHECK(same < 20);
                if (threads == 0 && slots == 1)
                    memcpy(first[epoch], got, sizeof(got));
                CHECK(!memcmp(first[epoch], got, 503 * sizeof(got[0])));
            }
            CHECK(memcmp(first[0], first[1], 503 * sizeof(got[0])));
            /* again from batch 9, then out of the middle */
            CHECK_INT(collect(l, 1, 9, 32, got), 503 - 9 * 32);
            CHECK(!memcmp(first[1] + 9 * 32, got, (503 - 9 * 32) * sizeof(got[0])));
            CHECK_INT(collect(l, 1, 16, 32, got), 0);
            CHECK_STATUS(qni_loader_start(l, 0, 17), QN_E_ARG, "batch 17");
            for (int i = 0; i < 20; i++) {
                struct qni_batch b;

                CHECK_OK(qni_loader_start(l, i % 2, i % 16));
                if (i % 3 == 0)
                    continue;
                CHECK_OK(qni_loader_next(l, &b));
                CHECK_INT(((int64_t *)b.field[0])[0], first[i % 2][(i % 16) * 32]);
                qni_loader_release(l, b.slot);
            }
            qni_loader_destroy(&l); /* in the middle of an epoch */
        }
    slow_us = 0;
    qn_context_destroy(&ctx);
}

static void permutations(void)
{
    static uint32_t a[100003];
    static uint64_t b[100003];
    static int where[8][8];
    const uint32_t sizes[] = {0, 1, 2, 3, 100003};

    for (size_t k = 0; k < QNI_COUNT(sizes); k++) {
        bool *seen = calloc(sizes[k] + 1, 1);

        qni_permutation32(a, sizes[k], 3, 4);
        qni_permutation64(b, sizes[k], 3, 4);
        for (uint32_t i = 0; i < sizes[k]; i++) {
            CHECK_INT(a[i], b[i]);
            if (a[i] >= sizes[k] || seen[a[i]])
                test_fail(__FILE__, __LINE__, "%u twice", a[i]);
            else
                seen[a[i]] = true;
        }
        free(seen);
    }
    /* Every number is everywhere about equally often: 8000 draws of 1/8, standard deviation 30. */
    for (int epoch = 0; epoch < 8000; epoch++) {
        qni_permutation32(a, 8, 99, epoch);
        for (int i = 0; i < 8; i++)
            where[i][a[i]]++;
    }
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            CHECK(where[i][j] > 850 && where[i][j] < 1150);
    qni_permutation32(a, 8, 1, 0);
    qni_permutation64(b, 8, 2, 0);
    CHECK(a[0] != b[0] || a[1] != b[1] || a[2] != b[2] || a[3] != b[3]);
    /* Frozen: a checkpoint of today resumes in the same order tomorrow. */
    qni_permutation32(a, 10, 42, 1);
    char text[64];
    int n = 0;
    for (int i = 0; i < 10; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%u ", a[i]);
    CHECK_STR(text, "3 2 8 6 4 5 7 9 1 0 ");
}

static void steady(void)
{
    qn_context_opt opt = {
        .alloc = counting_alloc, .realloc = counting_realloc, .free = plain_free, .threads = 3, .store_dir = ""};
    qn_context *ctx = NULL;
    int64_t got[MOST];

    CHECK_OK(qn_context_create(&ctx, &opt));
    for (int threads = 0; threads < 4; threads++) {
        struct qni_loader *l =
            loader(ctx, 700, &(struct qni_loader_opt){.batch = 16, .threads = threads, .shuffle = true});
        int before = allocations;

        for (int epoch = 0; epoch < 5; epoch++)
            CHECK_INT(collect(l, epoch, 0, 16, got), 700);
        CHECK_INT(allocations, before);
        qni_loader_destroy(&l);
    }
    qn_context_destroy(&ctx);
}

static void errors(void)
{
    for (int threads = 0; threads < 4; threads++) {
        struct qni_loader *l = loader(NULL, 100, &(struct qni_loader_opt){.batch = 10, .threads = threads});
        struct qni_batch b;

        CHECK_STATUS(qni_loader_next(l, &b), QN_E_STATE, "no epoch");
        fail_at = 35;
        CHECK_OK(qni_loader_start(l, 0, 0));
        for (int i = 0; i < 3; i++) {
            CHECK_OK(qni_loader_next(l, &b));
            CHECK_INT(b.number, i);
            qni_loader_release(l, b.slot);
        }
        CHECK_STATUS(qni_loader_next(l, &b), QN_E_IO, "sample on fire");
        qn_error_set(QN_OK, "");
        CHECK_STATUS(qni_loader_next(l, &b), QN_E_IO, "sample on fire");
        CHECK_INT(b.samples, 0);
        CHECK_INT(b.slot, -1);
        fail_at = -1;
        CHECK_OK(qni_loader_start(l, 0, 3));
        CHECK_OK(qni_loader_next(l, &b));
        CHECK_INT(b.first, 30);
        qni_loader_destroy(&l);
    }
    struct qni_loader *l = NULL;
    qn_dataset *ds = source(NULL, 3);
    CHECK_STATUS(qni_loader_create(&l, ds, &(struct qni_loader_opt){.batch = 0}), QN_E_ARG, NULL);
    CHECK_STATUS(qni_loader_create(&l, NULL, &(struct qni_loader_opt){.batch = 1}), QN_E_ARG, NULL);
    CHECK(!l);
    /* A batch larger than the data is all of them, and takes no more memory. */
    CHECK_OK(qni_loader_create(&l, ds, &(struct qni_loader_opt){.batch = INT64_MAX}));
    CHECK_INT(qni_loader_batches(l), 1);
    qn_dataset_close(&ds);
    qni_loader_destroy(&l);
}

static void *cancel_soon(void *arg)
{
    usleep(20000);
    qni_loader_cancel(arg);
    return NULL;
}

/* All slots are taken: next() waits until another thread cancels. */
static void cancelled(void)
{
    for (int threads = 0; threads < 3; threads++) {
        struct qni_loader *l = loader(NULL, 100, &(struct qni_loader_opt){.batch = 10, .threads = threads, .slots = 2});
        struct qni_batch b, c, d;
        pthread_t other;

        CHECK_OK(qni_loader_start(l, 0, 0));
        CHECK_OK(qni_loader_next(l, &b));
        CHECK_OK(qni_loader_next(l, &c));
        CHECK_INT(pthread_create(&other, NULL, cancel_soon, l), 0);
        CHECK_STATUS(qni_loader_next(l, &d), QN_E_CANCELLED, NULL);
        CHECK_STATUS(qni_loader_next(l, &d), QN_E_CANCELLED, NULL);
        pthread_join(other, NULL);
        CHECK(qni_loader_waited_ns(l) > 5000000);
        CHECK_OK(qni_loader_start(l, 0, 0)); /* b and c are still taken: */
        qni_loader_release(l, b.slot);
        CHECK_OK(qni_loader_next(l, &d));
        CHECK_INT(d.slot, b.slot);
        CHECK_INT(((int64_t *)c.field[0])[0], 10);
        qni_loader_release(l, d.slot);
        qni_loader_release(l, d.slot); /* twice does no harm */
        qni_loader_release(l, 99);
        qni_loader_destroy(&l);
    }
}

struct queue {
    struct qni_loader *l;
    pthread_mutex_t lock;
    pthread_cond_t more;
    int slot[64];
    int in, out;
};

static void *release_later(void *arg)
{
    struct queue *q = arg;

    for (;;) {
        int slot;

        pthread_mutex_lock(&q->lock);
        while (q->in == q->out)
            pthread_cond_wait(&q->more, &q->lock);
        slot = q->slot[q->out++ % 64];
        pthread_mutex_unlock(&q->lock);
        if (slot < 0)
            return NULL;
        usleep(100);
        qni_loader_release(q->l, slot);
    }
}

static void push(struct queue *q, int slot)
{
    pthread_mutex_lock(&q->lock);
    q->slot[q->in++ % 64] = slot;
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
}

/* Uploads end in another thread, as a driver's callbacks do. */
static void released_elsewhere(void)
{
    slow_us = 50;
    for (int threads = 0; threads < 3; threads++) {
        struct queue q = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
        pthread_t other;

        q.l = loader(NULL, 999, &(struct qni_loader_opt){.batch = 10, .threads = threads, .slots = 3});
        CHECK_INT(pthread_create(&other, NULL, release_later, &q), 0);
        for (int epoch = 0; epoch < 2; epoch++) {
            struct qni_batch b;
            int64_t n = 0;

            CHECK_OK(qni_loader_start(q.l, epoch, 0));
            while (CHECK_OK(qni_loader_next(q.l, &b)) && b.samples) {
                for (int64_t i = 0; i < b.samples; i++)
                    CHECK_INT(((int64_t *)b.field[0])[i], n++);
                push(&q, b.slot);
            }
            CHECK_INT(n, 999);
        }
        push(&q, -1);
        pthread_join(other, NULL);
        qni_loader_destroy(&q.l);
    }
    slow_us = 0;
}

static void bounded(void)
{
    qn_context *ctx = NULL;
    struct qni_loader *l;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.threads = 2, .store_dir = ""}));
    l = loader(ctx, 10, &(struct qni_loader_opt){.batch = 1, .threads = 100});
    CHECK_INT(qni_loader_threads(l), 2);
    CHECK_INT(qni_loader_slots(l), 4);
    CHECK_INT(qni_loader_buffer_bytes(l, 0), 4096);
    CHECK(!qni_loader_buffer(l, 4, 0) && !qni_loader_buffer(l, 0, 2));
    qni_loader_destroy(&l);
    qn_context_destroy(&ctx);
}

int main(void)
{
    test_run("loader: batches in order, short and dropped last ones", in_order);
    test_run("loader: the same shuffle whatever the threads and slots; resuming", shuffled);
    test_run("loader: permutations", permutations);
    test_run("loader: no allocation in the steady state", steady);
    test_run("loader: errors come in their batch's place", errors);
    test_run("loader: cancel", cancelled);
    test_run("loader: slots released by another thread", released_elsewhere);
    test_run("loader: the context bounds the threads", bounded);
    return test_end();
}
