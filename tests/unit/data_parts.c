/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Parts drawn at random, and samples that are kept in memory. */
#include <string.h>

#include "base/base.h"
#include "harness/test.h"
#include <quern/data.h>

#define SAMPLES 101

static int32_t label_of(int64_t i)
{
    return i % 10 == 0 ? 2 : (int32_t)(i & 1); /* 40, 50 and 11 of the classes */
}

static qn_dataset *numbered(void)
{
    static int32_t x[SAMPLES], y[SAMPLES];
    qn_dataset *ds = NULL;

    for (int i = 0; i < SAMPLES; i++) {
        x[i] = i;
        y[i] = label_of(i);
    }
    const qn_array array[] = {{{"x", QN_FIELD_INPUT, QN_I32, {1, {1}}}, x}, {{"y", QN_FIELD_TARGET, QN_I32, {0}}, y}};

    CHECK_OK(qn_dataset_arrays(&ds, SAMPLES, array, 2, NULL));
    return ds;
}

/* Every sample is in one part; how many of each class each part has. */
static void count(qn_dataset *const part[3], int64_t of[3][3], unsigned char first[SAMPLES])
{
    bool seen[SAMPLES] = {false};
    int64_t total = 0;

    memset(of, 0, 9 * sizeof(of[0][0]));
    for (int p = 0; p < 3; p++)
        for (int64_t i = 0; i < qn_dataset_samples(part[p]); i++, total++) {
            int32_t x = -1, y = -1;

            CHECK_OK(qn_dataset_read(part[p], &i, 1, (void *const[]){&x, &y}));
            CHECK(x >= 0 && x < SAMPLES && !seen[x] && y == label_of(x));
            if (x < 0 || x >= SAMPLES)
                return;
            seen[x] = true;
            first[x] = (unsigned char)p;
            of[p][y]++;
        }
    CHECK_INT(total, SAMPLES);
}

static void parts(void)
{
    static const double share[3] = {0.6, 0.2, 0.2};
    unsigned char place[3][SAMPLES];
    qn_dataset *from = numbered(), *part[3];
    int64_t of[3][3];

    for (int k = 0; k < 3; k++) { /* the same seed twice, then another one */
        CHECK_OK(qn_dataset_divide(part, share, 3, from, true, k == 2));
        count(part, of, place[k]);
        CHECK(of[0][0] == 24 && of[1][0] == 8 && of[2][0] == 8);
        CHECK(of[0][1] == 30 && of[1][1] == 10 && of[2][1] == 10);
        CHECK(of[0][2] == 7 && of[1][2] == 2 && of[2][2] == 2);
        for (int p = 0; p < 3; p++)
            qn_dataset_close(&part[p]);
    }
    CHECK(!memcmp(place[0], place[1], SAMPLES) && memcmp(place[0], place[2], SAMPLES));
    CHECK_OK(qn_dataset_divide(part, share, 3, from, false, 0));
    count(part, of, place[0]);
    CHECK(qn_dataset_samples(part[0]) == 61 && qn_dataset_samples(part[1]) == 20);
    for (int p = 0; p < 3; p++)
        qn_dataset_close(&part[p]);
    CHECK_STATUS(qn_dataset_divide(part, (const double[]){0.5, 0.6}, 2, from, false, 0), QN_E_ARG, "1.1");
    CHECK_STATUS(qn_dataset_divide(part, (const double[]){1, 0}, 2, from, false, 0), QN_E_ARG, "above 0");
    CHECK_STATUS(qn_dataset_divide(part, (const double[]){0.999, 0.001}, 2, from, false, 0), QN_E_ARG, "empty");
    CHECK(!part[0] && !part[1]);
    CHECK_STATUS(qn_dataset_divide(part, share, 3, NULL, false, 0), QN_E_ARG, "NULL");
    qn_dataset_close(&from);
}

/* ---- keeping ---- */

struct reads {
    int of[SAMPLES];
};

static qn_status read_counted(void *user, const int64_t *index, int64_t count, void *const *out)
{
    struct reads *r = user;

    for (int64_t i = 0; i < count; i++) {
        if (out[0]) {
            r->of[index[i]]++;
            ((int64_t *)out[0])[2 * i] = index[i];
            ((int64_t *)out[0])[2 * i + 1] = -index[i];
        }
        if (out[1])
            ((int32_t *)out[1])[i] = label_of(index[i]);
    }
    return QN_OK;
}

static void kept(void)
{
    const qn_field field[2] = {{"x", QN_FIELD_INPUT, QN_I64, {1, {2}}}, {"y", QN_FIELD_TARGET, QN_I32, {0}}};
    struct reads r = {{0}};
    qn_dataset *from = NULL, *ds = NULL;
    int64_t index[SAMPLES], x[SAMPLES][2];
    int32_t y[SAMPLES];

    CHECK_OK(qn_dataset_source(&from, NULL, &(qn_source){.samples = SAMPLES, .field = field, .fields = 2, .read = read_counted,
                                                         .user = &r}));
    CHECK_OK(qn_dataset_cache(&ds, from, 60 * 20 + 19)); /* 20 bytes each */
    qn_dataset_close(&from);
    for (int i = 0; i < SAMPLES; i++)
        index[i] = SAMPLES - 1 - i;
    CHECK_OK(qn_dataset_read(ds, index, SAMPLES, (void *const[]){NULL, y})); /* labels alone: nothing is kept */
    for (int k = 0; k < 3; k++) {
        memset(x, 0, sizeof(x));
        CHECK_OK(qn_dataset_read(ds, index, SAMPLES, (void *const[]){x, y}));
        for (int i = 0; i < SAMPLES; i++)
            CHECK(x[i][0] == index[i] && x[i][1] == -index[i] && y[i] == label_of(index[i]));
    }
    CHECK_OK(qn_dataset_read(ds, index, SAMPLES, (void *const[]){x, NULL}));
    for (int i = 0; i < SAMPLES; i++)
        CHECK_INT(r.of[i], i < 60 ? 1 : 4);
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_cache(&ds, NULL, 0), QN_E_ARG, "NULL");
}

int main(void)
{
    test_run("data: parts drawn at random", parts);
    test_run("data: samples that are kept", kept);
    return test_end();
}
