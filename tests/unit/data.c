/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "data/data.h"
#include "test.h"

static float images[10][3];
static int32_t labels[10];
static float weights[10];

static const qn_array three[] = {
    {{NULL, QN_FIELD_INPUT, QN_F32, {1, {3}}}, images},
    {{NULL, QN_FIELD_TARGET, QN_I32, {0, {0}}}, labels},
    {{NULL, QN_FIELD_WEIGHT, QN_F32, {0, {0}}}, weights},
};

static qn_dataset *ten(void)
{
    qn_dataset *ds = NULL;

    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 3; j++)
            images[i][j] = (float)(10 * i + j);
        labels[i] = i;
        weights[i] = (float)i / 2;
    }
    CHECK_OK(qn_dataset_arrays(&ds, 10, three, 3, NULL));
    return ds;
}

/* Samples `want` of the ten, at the numbers 0 to n - 1 and in reverse. */
static void expect(const qn_dataset *ds, const int32_t *want, int64_t n)
{
    float x[400][3], w[400];
    int32_t y[400];
    int64_t index[400];
    void *out[] = {x, y, w}, *labels_only[] = {NULL, y, NULL};

    CHECK_INT(qn_dataset_samples(ds), n);
    for (int reverse = 0; reverse < 2; reverse++) {
        for (int64_t i = 0; i < n; i++)
            index[i] = reverse ? n - 1 - i : i;
        memset(x, 0xff, sizeof(x));
        CHECK_OK(qn_dataset_read(ds, index, n, out));
        for (int64_t i = 0; i < n; i++) {
            int32_t k = want[index[i]];

            CHECK_INT(y[i], k);
            CHECK(x[i][0] == (float)(10 * k) && x[i][2] == (float)(10 * k + 2));
            CHECK(w[i] == (float)k / 2);
        }
        memset(y, 0xff, sizeof(y));
        CHECK_OK(qn_dataset_read(ds, index, n, labels_only));
        for (int64_t i = 0; i < n; i++)
            CHECK_INT(y[i], want[index[i]]);
    }
}

static const int32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static void arrays(void)
{
    qn_dataset *ds = ten(), *copy = NULL;

    CHECK_INT(qn_dataset_fields(ds), 3);
    CHECK_STR(qn_dataset_field(ds, 0)->name, "input");
    CHECK_STR(qn_dataset_field(ds, 1)->name, "target");
    CHECK_STR(qn_dataset_field(ds, 2)->name, "weight");
    CHECK(!qn_dataset_field(ds, 3) && !qn_dataset_field(ds, -1) && !qn_dataset_field(NULL, 0));
    expect(ds, all, 10);
    CHECK_OK(qn_dataset_arrays(&copy, 10, three, 3, &(qn_arrays_opt){.copy = true}));
    memset(images, 0, sizeof(images));
    memset(labels, 0, sizeof(labels));
    memset(weights, 0, sizeof(weights));
    expect(copy, all, 10);
    qn_dataset_close(&copy);
    qn_dataset_close(&ds);
    CHECK(!ds);
    qn_dataset_close(&ds);
    qn_dataset_close(NULL);
}

static void empty(void)
{
    qn_array none = {{NULL, QN_FIELD_INPUT, QN_F32, {2, {0, 5}}}, NULL};
    int64_t index[] = {0, 1};
    qn_dataset *ds = NULL;
    void *out[] = {&ds, NULL, NULL};

    CHECK_OK(qn_dataset_arrays(&ds, 0, three, 3, NULL));
    CHECK_INT(qn_dataset_samples(ds), 0);
    CHECK_OK(qn_dataset_read(ds, NULL, 0, out));
    CHECK_STATUS(qn_dataset_read(ds, index, 1, out), QN_E_ARG, "index[0]");
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_arrays(&ds, 2, &none, 1, &(qn_arrays_opt){.copy = true}));
    CHECK_OK(qn_dataset_read(ds, index, 2, out));
    qn_dataset_close(&ds);
}

static void wrong_arrays(void)
{
    static const struct {
        int64_t samples;
        int arrays;
        qn_array array[2];
        qn_status status;
        const char *part;
    } cases[] = {
        {-1, 1, {{{0}, images}}, QN_E_ARG, "-1 samples"},
        {1, 0, {{{0}, images}}, QN_E_ARG, "0 arrays"},
        {1, 33, {{{0}, images}}, QN_E_ARG, "33 arrays"},
        {1, 1, {{{0}, NULL}}, QN_E_ARG, "field 0 ('input') are NULL"},
        {1, 2, {{{.name = "a"}, images}, {{.name = "a"}, images}}, QN_E_ARG, "both named 'a'"},
        {1, 1, {{{.role = 7}, images}}, QN_E_ARG, "role 7"},
        {1, 1, {{{.dtype = 77}, images}}, QN_E_ARG, "dtype 77"},
        {1, 1, {{{.shape = {8, {1, 1, 1, 1, 1, 1, 1, 1}}}, images}}, QN_E_SHAPE, "rank 8"},
        {1, 1, {{{.shape = {-1, {0}}}, images}}, QN_E_SHAPE, "rank -1"},
        {1, 1, {{{.shape = {1, {-1}}}, images}}, QN_E_SHAPE, "negative"},
        {0, 1, {{{.shape = {2, {INT64_MAX, 2}}}, images}}, QN_E_SHAPE, "2^63"},
        {INT64_MAX / 2, 1, {{{.shape = {1, {3}}}, images}}, QN_E_SHAPE, "2^63"},
        {INT64_MAX, 1, {{{0}, images}}, QN_E_SHAPE, "2^63"},
        {1, 1, {{{.role = QN_FIELD_WEIGHT, .dtype = QN_I32}, images}}, QN_E_SHAPE, "i32, expected f32"},
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        qn_dataset *ds = (qn_dataset *)&ds;

        CHECK_STATUS(qn_dataset_arrays(&ds, cases[i].samples, cases[i].array, cases[i].arrays, NULL), cases[i].status,
                     cases[i].part);
        CHECK(!ds);
    }
    CHECK_STATUS(qn_dataset_arrays(NULL, 1, three, 3, NULL), QN_E_ARG, "out");
}

static void wrong_reads(void)
{
    qn_dataset *ds = ten();
    float x[3];
    void *out[] = {x, NULL, NULL};

    CHECK_STATUS(qn_dataset_read(NULL, (int64_t[]){0}, 1, out), QN_E_ARG, "dataset");
    CHECK_STATUS(qn_dataset_read(ds, NULL, 1, out), QN_E_ARG, "index");
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){0}, 1, NULL), QN_E_ARG, "out");
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){0}, -1, out), QN_E_ARG, "-1");
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){10}, 1, out), QN_E_ARG, "index[0] is 10, expected 0 to 9");
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){-1}, 1, out), QN_E_ARG, "index[0] is -1");
    qn_dataset_close(&ds);
}

static void slices(void)
{
    qn_dataset *ds = ten(), *s = NULL, *t = NULL, *u = NULL;

    CHECK_OK(qn_dataset_slice(&s, ds, 3, 4));
    expect(s, all + 3, 4);
    CHECK_OK(qn_dataset_slice(&t, s, 1, QN_ANY));
    qn_dataset_close(&ds); /* the slices keep it */
    qn_dataset_close(&s);
    expect(t, all + 4, 3);
    CHECK_OK(qn_dataset_take(&u, t, 2));
    expect(u, all + 4, 2);
    qn_dataset_close(&u);
    CHECK_OK(qn_dataset_take(&u, t, 99));
    expect(u, all + 4, 3);
    qn_dataset_close(&u);
    CHECK_OK(qn_dataset_slice(&u, t, 3, QN_ANY));
    expect(u, all, 0);
    qn_dataset_close(&u);
    CHECK_OK(qn_dataset_select(&u, t, (int64_t[]){2, 0, 2}, 3));
    expect(u, (int32_t[]){6, 4, 6}, 3);
    qn_dataset_close(&u);
    CHECK_STATUS(qn_dataset_slice(&u, t, 4, 0), QN_E_ARG, "first is 4");
    CHECK_STATUS(qn_dataset_slice(&u, t, 1, 3), QN_E_ARG, "3 samples from 1");
    CHECK_STATUS(qn_dataset_slice(&u, t, 1, INT64_MAX), QN_E_ARG, NULL);
    CHECK_STATUS(qn_dataset_slice(&u, t, 1, -2), QN_E_ARG, NULL);
    CHECK_STATUS(qn_dataset_take(&u, t, -1), QN_E_ARG, NULL);
    CHECK_STATUS(qn_dataset_select(&u, t, (int64_t[]){0, 3}, 2), QN_E_ARG, "index[1] is 3");
    CHECK_STATUS(qn_dataset_slice(&u, NULL, 0, 0), QN_E_ARG, NULL);
    CHECK(!u);
    qn_dataset_close(&t);
}

static void splits(void)
{
    static const struct {
        double fraction;
        int64_t first;
    } cases[] = {{0.2, 8}, {0.1, 9}, {0.89, 1}, {0.25, 7}, {0.01, 9}};
    qn_dataset *ds = ten(), *a = NULL, *b = NULL;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        CHECK_OK(qn_dataset_split(&a, &b, ds, cases[i].fraction));
        expect(a, all, cases[i].first);
        expect(b, all + cases[i].first, 10 - cases[i].first);
        qn_dataset_close(&a);
        qn_dataset_close(&b);
    }
    CHECK_STATUS(qn_dataset_split(&a, &b, ds, 0), QN_E_ARG, "fraction");
    CHECK_STATUS(qn_dataset_split(&a, &b, ds, 1), QN_E_ARG, "fraction");
    CHECK_STATUS(qn_dataset_split(&a, &b, ds, 0.9), QN_E_ARG, "empty"); /* 10 * (1 - 0.9) is below 1, for Keras too */
    CHECK(!a && !b);
    qn_dataset_close(&ds);
}

static void chains(void)
{
    qn_dataset *ds = ten(), *s = NULL, *none = NULL, *c = NULL, *other = NULL, *big = NULL;
    qn_dataset *list[40];
    int32_t want[400];

    CHECK_OK(qn_dataset_slice(&s, ds, 7, 2));
    CHECK_OK(qn_dataset_slice(&none, ds, 5, 0));
    CHECK_OK(qn_dataset_concat(&c, (qn_dataset *[]){none, s, none, none, ds, s, none}, 7));
    expect(c, (int32_t[]){7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 8}, 14);
    qn_dataset_close(&c);
    for (int i = 0; i < 400; i++) {
        list[i / 10] = ds;
        want[i] = i % 10;
    }
    CHECK_OK(qn_dataset_concat(&big, list, 40));
    expect(big, want, 400);
    CHECK_OK(qn_dataset_slice(&c, big, 5, 300)); /* longer than one chunk */
    expect(c, want + 5, 300);
    qn_dataset_close(&c);
    CHECK_OK(qn_dataset_concat(&c, &none, 1));
    expect(c, want, 0);
    qn_dataset_close(&c);
    CHECK_OK(qn_dataset_arrays(&other, 10, three, 2, NULL));
    CHECK_STATUS(qn_dataset_concat(&c, (qn_dataset *[]){ds, other}, 2), QN_E_SHAPE, "source 1 has 2 fields");
    qn_dataset_close(&other);
    CHECK_OK(qn_dataset_arrays(&other, 10, (qn_array[]){{{"input", 0, QN_F32, {1, {2}}}, images}, three[1], three[2]},
                               3, NULL));
    CHECK_STATUS(qn_dataset_concat(&c, (qn_dataset *[]){ds, other}, 2), QN_E_SHAPE, "expected f32 [3]");
    CHECK_STATUS(qn_dataset_concat(&c, (qn_dataset *[]){ds, NULL}, 2), QN_E_ARG, "source 1 is NULL");
    CHECK_STATUS(qn_dataset_concat(&c, NULL, 0), QN_E_ARG, NULL);
    qn_dataset_close(&other);
    qn_dataset_close(&big);
    qn_dataset_close(&s);
    qn_dataset_close(&none);
    qn_dataset_close(&ds);
}

struct counts {
    int reads, closed;
};

static qn_status make_numbers(void *user, const int64_t *index, int64_t count, void *const *out)
{
    int64_t *to = out[0];

    ((struct counts *)user)->reads++;
    for (int64_t i = 0; i < count; i++) {
        if (index[i] == 66)
            return qn_error_set(QN_E_IO, "the disk is on fire");
        if (index[i] == 67)
            return QN_E_DEVICE;
        if (to)
            to[i] = index[i] * index[i];
    }
    return QN_OK;
}

static void count_close(void *user)
{
    ((struct counts *)user)->closed++;
}

static void sources(void)
{
    struct counts n = {0};
    qn_field field = {NULL, QN_FIELD_INPUT, QN_I64, {0, {0}}};
    qn_source source = {100, &field, 1, make_numbers, count_close, &n, {0}};
    qn_dataset *ds = NULL;
    int64_t out[3];
    void *to[] = {out};

    CHECK_STATUS(qn_dataset_source(&ds, NULL, &(qn_source){.samples = 1, .field = &field, .fields = 1}), QN_E_ARG,
                 "read");
    source.fields = 0;
    CHECK_STATUS(qn_dataset_source(&ds, NULL, &source), QN_E_ARG, "0 fields");
    CHECK_INT(n.closed, 0);
    source.fields = 1;
    CHECK_OK(qn_dataset_source(&ds, NULL, &source));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){5, 99, 0}, 3, to));
    CHECK(out[0] == 25 && out[1] == 99 * 99 && out[2] == 0);
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){66}, 1, to), QN_E_IO, "on fire");
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){67}, 1, to), QN_E_DEVICE, "read function returned");
    CHECK_INT(n.reads, 3);
    qn_dataset_close(&ds);
    CHECK_INT(n.closed, 1);
}

static qn_status add_and_half(void *user, const qn_sample *s)
{
    const float *x = s->in[0];
    const int32_t *y = s->in[1];

    (void)user;
    if (s->out[0])
        ((float *)s->out[0])[0] = x[0] + x[1] + x[2];
    if (s->out[1])
        ((int32_t *)s->out[1])[0] = 2 * *y + (int32_t)s->index;
    return *y == 9 ? QN_E_SHAPE : QN_OK;
}

static qn_status twice(void *user, const qn_sample *s)
{
    (void)user;
    *(float *)s->out[0] = 2 * *(const float *)s->in[0];
    *(int32_t *)s->out[1] = *(const int32_t *)s->in[1];
    return QN_OK;
}

static void maps(void)
{
    static const qn_field field[] = {{"sum", QN_FIELD_INPUT, QN_F32, {1, {1}}},
                                     {"double", QN_FIELD_TARGET, QN_I32, {0, {0}}}};
    struct counts n = {0};
    qn_map_opt opt = {.field = field, .fields = 2, .map = add_and_half, .close = count_close, .user = &n};
    qn_dataset *ds = ten(), *s = NULL, *m = NULL, *mm = NULL;
    float x[9];
    int32_t y[9];
    void *out[] = {x, y};

    CHECK_OK(qn_dataset_slice(&s, ds, 1, QN_ANY));
    CHECK_OK(qn_dataset_map(&m, s, &opt));
    CHECK_STR(qn_dataset_field(m, 0)->name, "sum");
    CHECK_OK(qn_dataset_read(m, (int64_t[]){0, 4}, 2, out));
    CHECK(x[0] == 33 && x[1] == 153 && y[0] == 2 && y[1] == 14);
    out[0] = NULL;
    CHECK_OK(qn_dataset_read(m, (int64_t[]){3}, 1, out));
    CHECK_INT(y[0], 11);
    out[0] = x;
    CHECK_STATUS(qn_dataset_read(m, (int64_t[]){8}, 1, out), QN_E_SHAPE, "map function returned");
    CHECK_OK(qn_dataset_map(&mm, m, &(qn_map_opt){.map = twice})); /* a map of a map, the same fields */
    qn_dataset_close(&m);
    qn_dataset_close(&s);
    qn_dataset_close(&ds);
    CHECK_INT(n.closed, 0);
    CHECK_STR(qn_dataset_field(mm, 1)->name, "double");
    CHECK_OK(qn_dataset_read(mm, (int64_t[]){4, 0}, 2, out));
    CHECK(x[0] == 306 && x[1] == 66 && y[0] == 14 && y[1] == 2);
    qn_dataset_close(&mm);
    CHECK_INT(n.closed, 1);
    ds = ten();
    CHECK_STATUS(qn_dataset_map(&m, ds, &(qn_map_opt){.fields = 1, .map = twice}), QN_E_ARG, "field is NULL");
    CHECK_STATUS(qn_dataset_map(&m, ds, &(qn_map_opt){0}), QN_E_ARG, "map is NULL");
    CHECK_STATUS(qn_dataset_map(&m, ds, &(qn_map_opt){.map = twice, .reserved = {0, 1}}), QN_E_ARG, "reserved[1]");
    CHECK(!m);
    qn_dataset_close(&ds);
}

/* Every allocation fails once: an error each time, and nothing is lost (the sanitizers look). */
static int countdown;

static void *failing_alloc(void *user, size_t bytes)
{
    (void)user;
    return countdown-- > 0 ? malloc(bytes) : NULL;
}

static void *failing_realloc(void *user, void *p, size_t bytes)
{
    (void)user;
    return countdown-- > 0 ? realloc(p, bytes) : NULL;
}

static void plain_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static qn_status build_much(qn_context *ctx)
{
    qn_dataset *ds = NULL, *a = NULL, *b = NULL, *c = NULL, *m = NULL;
    float x[3];
    int32_t y;
    void *out[] = {x, &y, NULL};
    qn_status st;

    if ((st = qn_dataset_arrays(&ds, 10, three, 3, &(qn_arrays_opt){.context = ctx, .copy = true})) ||
        (st = qn_dataset_split(&a, &b, ds, 0.5)) || (st = qn_dataset_concat(&c, (qn_dataset *[]){b, a}, 2)) ||
        (st = qn_dataset_map(&m, c, &(qn_map_opt){.map = twice})))
        goto done;
    st = qn_dataset_read(m, (int64_t[]){1}, 1, out);
done:
    qn_dataset_close(&ds);
    qn_dataset_close(&a);
    qn_dataset_close(&b);
    qn_dataset_close(&c);
    qn_dataset_close(&m);
    return st;
}

static void no_memory(void)
{
    qn_context_opt opt = {.alloc = failing_alloc, .realloc = failing_realloc, .free = plain_free, .store_dir = ""};
    qn_context *ctx = NULL;
    qn_status st = QN_E_HOST_MEMORY;
    int n;

    countdown = 1000;
    CHECK_OK(qn_context_create(&ctx, &opt));
    for (n = 0; n < 100 && st == QN_E_HOST_MEMORY; n++) {
        countdown = n;
        st = build_much(ctx);
    }
    CHECK_OK(st);
    CHECK(n > 15);
    qn_context_destroy(&ctx);
}

int main(void)
{
    test_run("data: arrays, borrowed and copied", arrays);
    test_run("data: empty datasets and empty samples", empty);
    test_run("data: wrong arrays are refused", wrong_arrays);
    test_run("data: wrong reads are refused", wrong_reads);
    test_run("data: slices, take and select", slices);
    test_run("data: splits are Keras's", splits);
    test_run("data: one after another", chains);
    test_run("data: a callback as source", sources);
    test_run("data: map", maps);
    test_run("data: every failing allocation is an error", no_memory);
    return test_end();
}
