/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Preparations of pictures and numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "harness/test.h"
#include <quern/data_prep.h>

/* Another one by way of JSON, which says the same. */
static qn_prep *again(const qn_prep *p)
{
    char text[512], second[512];
    qn_prep *copy = NULL;
    size_t n = 0, m = 0;

    CHECK_OK(qn_prep_to_json(p, text, sizeof(text), &n));
    CHECK_OK(qn_prep_from_json(&copy, NULL, "text", text, n));
    CHECK_OK(qn_prep_to_json(copy, second, sizeof(second), &m));
    CHECK_STR(second, text);
    return copy;
}

static qn_image *make_picture(int64_t height, int64_t width, int channels)
{
    qn_image *image = NULL;

    CHECK_OK(qn_image_create(&image, NULL, height, width, channels));
    for (int64_t i = 0; i < height * width * channels; i++)
        image->pixel[i] = (unsigned char)(i * 37 % 256);
    return image;
}

/* How a value is read; by way of a float, since x87 keeps a quotient longer. */
static float read_as(unsigned char value)
{
    const float x = (float)value / 255.0f;

    return x;
}

/* Of its own size: value / 255, less the mean, divided by the deviation. */
static void check_same_size(const qn_prep *p, const qn_prep_image_opt *o)
{
    qn_image *image = make_picture(o->height, o->width, 3);
    float x[5 * 3 * 3], y[5 * 3 * 3];

    CHECK_OK(qn_prep_load(p, &(qn_raw){.image = image}, x));
    CHECK_OK(qn_prep_run(p, &(qn_raw){.image = image}, y));
    for (int i = 0; i < 5 * 3 * 3; i++) {
        const float want = (x[i] - o->mean[i % 3]) / (o->deviation[i % 3] != 0.0f ? o->deviation[i % 3] : 1.0f);

        CHECK(x[i] == read_as(image->pixel[i]));
        CHECK(y[i] == want);
    }
    qn_image_destroy(&image);
}

/* A picture of one colour stays so; what a fit leaves is black. */
static void check_other_size(const qn_prep *p, qn_image_fit fit)
{
    qn_image *image = make_picture(10, 40, 3);
    float x[5 * 3 * 3];

    memset(image->pixel, 51, 10 * 40 * 3);
    CHECK_OK(qn_prep_load(p, &(qn_raw){.image = image}, x));
    for (int i = 0; i < 5 * 3 * 3; i++) {
        const int row = i / 9;
        const bool black = fit == QN_FIT_PAD && row != 2; /* 3 wide and 1 high, in the middle of 5 */

        CHECK(fabsf(x[i] - (black ? 0.0f : 0.2f)) < 1e-6f);
    }
    qn_image_destroy(&image);
}

static void pictures(void)
{
    qn_prep_image_opt o = {.height = 5, .width = 3, .antialias = true, .mean = {0.5f, 0.25f, 0}, .deviation = {0.5f, 0, 2}};
    qn_dataset *from = NULL, *ds = NULL;
    float sample[45] = {0}, input[45];
    char text[160];

    for (int fit = QN_FIT_STRETCH; fit <= QN_FIT_PAD; fit++) {
        qn_prep *p = NULL, *copy;

        o.fit = (qn_image_fit)fit;
        CHECK_OK(qn_prep_image(&p, NULL, &o));
        copy = again(p);
        CHECK_INT(qn_prep_get_kind(copy), QN_PREP_IMAGE);
        for (int k = 0; k < 2; k++) {
            check_same_size(k ? copy : p, &o);
            check_other_size(k ? copy : p, o.fit);
        }
        CHECK_STATUS(qn_prep_load(p, &(qn_raw){.text = "a"}, sample), QN_E_ARG, "a picture");
        CHECK_OK(qn_dataset_arrays(&from, 1, &(qn_array){*qn_prep_sample(p), sample}, 1, NULL));
        CHECK_OK(qn_dataset_finish(&ds, from, p));
        CHECK_OK(qn_dataset_read(ds, (const int64_t[]){0}, 1, (void *const[]){input}));
        CHECK(input[0] == -1.0f && input[1] == -0.25f && input[2] == 0.0f);
        qn_dataset_close(&ds);
        qn_dataset_close(&from);
        if (fit == QN_FIT_CROP)
            CHECK_STR(qn_prep_describe(p, text, sizeof(text)),
                      "colour picture of 5 x 3, cut to its middle and antialiased, 0 to 1, less 0.5, 0.25, 0 and divided by "
                      "0.5, 1, 2");
        qn_prep_release(&p);
        qn_prep_release(&copy);
    }
}

static void numbers(void)
{
    const char *const wrong[] = {"", "3,5", "word", "1e60", "nan"};
    qn_prep *p = NULL, *copy, *same;
    char text[96];
    float y = 0;

    CHECK_OK(qn_prep_number(&p, NULL, "litres", 20, 4));
    copy = again(p);
    CHECK_OK(qn_prep_run(copy, &(qn_raw){.text = "26"}, &y));
    CHECK(y == 1.5f && qn_prep_undo(copy, 1.5) == 26.0 && qn_prep_undo(NULL, 1.5) == 1.5);
    CHECK_STR(qn_prep_name(copy), "litres");
    CHECK_STR(qn_prep_name(NULL), "");
    CHECK_STR(qn_prep_describe(copy, text, sizeof(text)), "litres, less 20 and divided by 4");
    for (size_t i = 0; i < QNI_COUNT(wrong); i++)
        CHECK_STATUS(qn_prep_run(p, &(qn_raw){.text = wrong[i]}, &y), QN_E_FORMAT, "expected a number");
    CHECK_INT(qn_prep_field(p)->role, QN_FIELD_TARGET);
    same = qn_prep_retain(p);
    qn_prep_release(&p);
    CHECK_STR(qn_prep_name(same), "litres");
    qn_prep_release(&same);
    qn_prep_release(&copy);
    CHECK(!qn_prep_retain(NULL));
}

static void refused(void)
{
    static const qn_prep_image_opt wrong[] = {
        {.height = 0, .width = 3}, {.height = 3, .width = QN_IMAGE_MOST + 1}, {.height = 65536, .width = 65536},
        {.height = 3, .width = 3, .channels = 2}, {.height = 3, .width = 3, .fit = (qn_image_fit)3},
        {.height = 3, .width = 3, .deviation = {-1}}, {.height = 3, .width = 3, .mean = {NAN}},
        {.height = 3, .width = 3, .reserved = {1}},
    };
    static const struct { const char *json, *part; } broken[] = {
        {"{\"kind\":\"image\"}", "height"},
        {"{\"kind\":\"image\",\"height\":65536,\"width\":65536,\"channels\":1,\"fit\":\"crop\",\"antialias\":true,"
         "\"mean\":[0],\"deviation\":[0]}", "out of range"},
        {"{\"kind\":\"image\",\"height\":3,\"width\":3,\"channels\":2,\"fit\":\"crop\",\"antialias\":true,"
         "\"mean\":[0,0],\"deviation\":[0,0]}", "channels"},
        {"{\"kind\":\"image\",\"height\":3,\"width\":3,\"channels\":1,\"fit\":\"bend\",\"antialias\":true,"
         "\"mean\":[0],\"deviation\":[0]}", "fit"},
        {"{\"kind\":\"image\",\"height\":3,\"width\":3,\"channels\":3,\"fit\":\"crop\",\"antialias\":true,"
         "\"mean\":[0],\"deviation\":[0,0,0]}", "each channel"},
        {"{\"kind\":\"image\",\"height\":3,\"width\":3,\"channels\":1,\"fit\":\"crop\",\"antialias\":true,"
         "\"mean\":[0],\"deviation\":[-1]}", "deviation"},
        {"{\"kind\":\"number\",\"name\":\"a\",\"mean\":0,\"deviation\":0}", "deviation"},
        {"{\"kind\":\"number\",\"name\":\"a\",\"mean\":\"NaN\",\"deviation\":1}", "mean"},
        {"{\"kind\":\"number\",\"mean\":0,\"deviation\":1}", "name"},
    };
    qn_prep *p = NULL;

    for (size_t i = 0; i < QNI_COUNT(wrong); i++)
        CHECK_STATUS(qn_prep_image(&p, NULL, &wrong[i]), QN_E_ARG, NULL);
    CHECK_STATUS(qn_prep_image(&p, NULL, NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_prep_number(&p, NULL, "a", 0, 0), QN_E_ARG, "deviation");
    CHECK_STATUS(qn_prep_number(&p, NULL, "a", INFINITY, 1), QN_E_ARG, "mean");
    for (size_t i = 0; i < QNI_COUNT(broken); i++)
        CHECK_STATUS(qn_prep_from_json(&p, NULL, "file", broken[i].json, strlen(broken[i].json)), QN_E_FORMAT, broken[i].part);
    CHECK(!p);
}

int main(void)
{
    test_run("prep: pictures of one size", pictures);
    test_run("prep: numbers and their units", numbers);
    test_run("prep: pictures and numbers that are refused", refused);
    return test_end();
}
