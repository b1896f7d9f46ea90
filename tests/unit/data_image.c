/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Images: resizing and colours beside TensorFlow's, moving beside plain loops, random changes of datasets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/loader.h"
#include "fixture.h"
#include "test.h"

#define GUARD 16

static float *blank(int64_t n)
{
    float *v = malloc((size_t)(n + GUARD) * sizeof(*v));

    for (int64_t i = 0; i < n + GUARD; i++)
        v[i] = i < n ? NAN : 77.0f;
    return v;
}

static void compare(const char *name, const float *got, const double *want, int64_t n, double bound)
{
    for (int64_t i = 0; i < n && !test_failed(); i++)
        if (!(fabs((double)got[i] - want[i]) <= bound))
            test_fail(__FILE__, __LINE__, "%s: number %lld is %.7g, expected %.7g", name, (long long)i, (double)got[i], want[i]);
    for (int i = 0; i < GUARD; i++)
        CHECK(got[n + i] == 77.0f);
}

static float *random_image(const qn_image_size *s)
{
    const int64_t n = s->height * s->width * s->channels;
    float *v = blank(n);

    for (int64_t i = 0; i < n; i++)
        v[i] = (float)(test_uniform() / 2 + 0.5);
    return v;
}

static void replay(const struct fixture *x)
{
    const struct fixture_tensor *in = fixture_tensor(x, "x"), *want = fixture_tensor(x, "y");
    const qn_image_size from = {in->shape.dim[0], in->shape.dim[1], (int)in->shape.dim[2]};
    const int64_t height = want->shape.dim[0], width = want->shape.dim[1], n = from.height * from.width * from.channels;
    float *given = blank(n), *out = blank(height * width * from.channels);
    void *scratch;

    for (int64_t i = 0; i < n; i++)
        given[i] = (float)in->v[i];
    if (!strncmp(x->name, "hue", 3)) {
        CHECK_OK(qn_image_colour(given, &from, &(qn_image_tint){.hue = fixture_number(x, "hue", 0)}));
        compare(x->name, given, want->v, n, 2e-6);
    } else {
        scratch = malloc(qn_image_resize_scratch(&from, height, width)); /* exactly, so that a sanitizer sees a write beyond */
        CHECK_OK(qn_image_resize(out, height, width, given, &from, fixture_number(x, "antialias", 0) != 0, scratch));
        compare(x->name, out, want->v, height * width * from.channels, 2e-6);
        free(scratch);
    }
    free(given);
    free(out);
}

static void tensorflow(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/tests/fixtures/keras_image.txt", "r");
    struct fixture x;
    int cases = 0;

    CHECK(file != NULL);
    while (file && fixture_next(file, &x)) {
        replay(&x);
        cases++;
        fixture_free(&x);
    }
    CHECK_INT(cases, 20);
    if (file)
        fclose(file);
}

/* The pixel at a whole place, whatever lies there. */
static double at(const float *in, const qn_image_size *s, int64_t y, int64_t x, int c, const qn_image_move *m)
{
    if (m->fill == QN_FILL_CONSTANT && (y < 0 || y >= s->height || x < 0 || x >= s->width))
        return (double)m->value;
    while (m->fill == QN_FILL_REFLECT && (y < 0 || y >= s->height))
        y = y < 0 ? -1 - y : 2 * s->height - 1 - y;
    while (m->fill == QN_FILL_REFLECT && (x < 0 || x >= s->width))
        x = x < 0 ? -1 - x : 2 * s->width - 1 - x;
    y = y < 0 ? 0 : y >= s->height ? s->height - 1 : y;
    x = x < 0 ? 0 : x >= s->width ? s->width - 1 : x;
    return (double)in[(y * s->width + x) * s->channels + c];
}

static void warped(void)
{
    static const struct {
        qn_image_size size;
        qn_image_move move;
    } cases[] = {
        {{1, 1, 1}, {.degrees = 30}},
        {{5, 4, 3}, {.degrees = 0}},
        {{5, 4, 3}, {.down = 1, .right = -2}},
        {{5, 4, 3}, {.down = 1, .right = -2, .fill = QN_FILL_CONSTANT, .value = 0.5f}},
        {{3, 7, 1}, {.down = -0.25, .right = 19.5, .fill = QN_FILL_NEAREST}},
        {{3, 7, 1}, {.down = -7.25, .right = 40}},
        {{6, 6, 3}, {.degrees = 33, .down = 1.5, .fill = QN_FILL_CONSTANT, .value = -1}},
        {{9, 5, 1}, {.degrees = -77.7, .right = 0.3, .fill = QN_FILL_NEAREST}},
        {{4, 9, 3}, {.degrees = 180}},
    };

    for (size_t k = 0; k < QNI_COUNT(cases); k++) {
        const qn_image_size *s = &cases[k].size;
        const qn_image_move *m = &cases[k].move;
        const int64_t n = s->height * s->width * s->channels;
        const double angle = m->degrees * acos(-1) / 180;
        double *want = malloc((size_t)n * sizeof(*want));
        float *in = random_image(s), *out = blank(n);

        for (int64_t i = 0; i < n; i++) {
            const int c = (int)(i % s->channels);
            /* Where the pixel was: moved back, then turned back, y upwards. */
            const double x = (double)(i / s->channels % s->width) - m->right - (double)(s->width - 1) / 2;
            const double y = (double)(s->height - 1) / 2 - ((double)(i / s->channels / s->width) - m->down);
            const double u = cos(-angle) * x - sin(-angle) * y + (double)(s->width - 1) / 2;
            const double v = (double)(s->height - 1) / 2 - (sin(-angle) * x + cos(-angle) * y);
            const int64_t u0 = (int64_t)floor(u), v0 = (int64_t)floor(v);
            const double a = u - (double)u0, b = v - (double)v0;

            want[i] = (1 - b) * ((1 - a) * at(in, s, v0, u0, c, m) + a * at(in, s, v0, u0 + 1, c, m)) +
                      b * ((1 - a) * at(in, s, v0 + 1, u0, c, m) + a * at(in, s, v0 + 1, u0 + 1, c, m));
        }
        CHECK_OK(qn_image_warp(out, in, s, m));
        compare("warp", out, want, n, 1e-6);
        free(want);
        free(in);
        free(out);
    }
}

static void pieces(void)
{
    const qn_image_size s = {3, 2, 1};
    const float in[6] = {1, 2, 3, 4, 5, 6}, shifted[8] = {9, 9, 9, 1, 9, 3, 9, 5};
    float out[8], a[6], grey[2];
    qn_image *image = NULL;

    CHECK_OK(qn_image_crop(out, 4, 2, in, &s, -1, -1, 9));
    CHECK(!memcmp(out, shifted, sizeof(out)));
    memcpy(a, in, sizeof(a));
    CHECK_OK(qn_image_flip(a, &s, false));
    CHECK(a[0] == 2 && a[1] == 1 && a[4] == 6 && a[5] == 5);
    CHECK_OK(qn_image_flip(a, &s, true));
    CHECK(a[0] == 6 && a[2] == 4 && a[5] == 1);
    CHECK_OK(qn_image_create(&image, NULL, 1, 2, 3));
    memcpy(image->pixel, (unsigned char[]){255, 0, 0, 10, 20, 30}, 6);
    CHECK_OK(qn_image_floats(grey, image, 1));
    CHECK(fabsf(grey[0] - 0.299f) < 1e-6f && fabsf(grey[1] - 18.15f / 255) < 1e-6f);
    CHECK_OK(qn_image_floats(a, image, 0));
    CHECK(a[0] == 1 && a[5] == 30.0f / 255);
    CHECK_STATUS(qn_image_floats(a, image, 2), QN_E_ARG, "2 channels");
    qn_image_destroy(&image);
    qn_image_destroy(&image);
    CHECK_STATUS(qn_image_create(&image, NULL, 0, 1, 1), QN_E_ARG, "0 x 1");
    CHECK_STATUS(qn_image_create(&image, NULL, 1, 70000, 1), QN_E_ARG, "70000");
    CHECK_STATUS(qn_image_create(&image, NULL, 1, 1, 2), QN_E_ARG, "2 channels");
    CHECK_STATUS(qn_image_crop(out, 0, 1, in, &s, 0, 0, 0), QN_E_ARG, "0 x 1");
    CHECK_STATUS(qn_image_warp(out, in, &s, &(qn_image_move){.degrees = NAN}), QN_E_ARG, "nan degrees");
    CHECK_STATUS(qn_image_colour(a, &s, &(qn_image_tint){.hue = 2}), QN_E_ARG, "hue 2");
    CHECK_INT(qn_image_resize_scratch(&s, 0, 4), 0);
}

/* Brightness, contrast and saturation by their formulas. */
static void colours(void)
{
    const qn_image_size s = {4, 3, 3};
    float *x = random_image(&s), *y = blank(36), *first = random_image(&s);
    double want[36], mean = 0;

    memcpy(first, x, 36 * sizeof(*x));
    CHECK_OK(qn_image_colour(x, &s, &(qn_image_tint){.brightness = 0.5}));
    for (int i = 0; i < 36; i++)
        want[i] = fmin(1.5 * (double)first[i], 1);
    compare("brightness", x, want, 36, 1e-6);
    memcpy(x, first, 36 * sizeof(*x));
    CHECK_OK(qn_image_colour(x, &s, &(qn_image_tint){.contrast = -0.4}));
    for (int i = 0; i < 12; i++)
        mean += (0.2989 * (double)first[3 * i] + 0.587 * (double)first[3 * i + 1] + 0.114 * (double)first[3 * i + 2]) / 12;
    for (int i = 0; i < 36; i++)
        want[i] = 0.6 * (double)first[i] + 0.4 * mean;
    compare("contrast", x, want, 36, 1e-6);
    memcpy(x, first, 36 * sizeof(*x));
    CHECK_OK(qn_image_colour(x, &s, &(qn_image_tint){.saturation = -1}));
    for (int i = 0; i < 36; i++) {
        const float *p = first + i / 3 * 3;

        want[i] = 0.2989 * (double)p[0] + 0.587 * (double)p[1] + 0.114 * (double)p[2];
    }
    compare("saturation", x, want, 36, 1e-6);
    free(x);
    free(y);
    free(first);
}

#define SAMPLES 37
#define SIDE    9

static unsigned char pixels[SAMPLES][SIDE][SIDE][3];
static int32_t labels[SAMPLES];

static qn_dataset *images(void)
{
    const qn_array array[] = {{{"image", QN_FIELD_INPUT, QN_U8, {3, {SIDE, SIDE, 3}}}, pixels},
                              {{"label", QN_FIELD_TARGET, QN_I32, {0, {0}}}, labels}};
    qn_dataset *ds = NULL;

    test_seed("images");
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i;
        for (int j = 0; j < SIDE * SIDE * 3; j++)
            (&pixels[i][0][0][0])[j] = (unsigned char)test_integer(256);
    }
    CHECK_OK(qn_dataset_arrays(&ds, SAMPLES, array, 2, NULL));
    return ds;
}

/* An epoch by workers, the images in the samples' order. */
static void collect(qn_dataset *ds, int threads, uint64_t seed, int64_t epoch, float *out, size_t numbers)
{
    struct qni_loader *l = NULL;
    struct qni_batch b;

    CHECK_OK(qni_loader_create(
        &l, ds, &(struct qni_loader_opt){.batch = 5, .threads = threads, .shuffle = threads > 0, .seed = seed}));
    CHECK_OK(qni_loader_start(l, epoch, 0));
    while (CHECK_OK(qni_loader_next(l, &b)) && b.samples) {
        for (int64_t i = 0; i < b.samples; i++)
            memcpy(out + (size_t)((int32_t *)b.field[1])[i] * numbers, (float *)b.field[0] + (size_t)i * numbers,
                   numbers * sizeof(float));
        qni_loader_release(l, b.slot);
    }
    qni_loader_destroy(&l);
}

static void repeated(void)
{
    static const qn_image_augment_opt cases[] = {
        {.pad = 2, .height = SIDE, .width = SIDE},
        {.height = 4, .width = 7},
        {.flip = true},
        {.flip_vertical = true},
        {.rotate = 20},
        {.shift_height = 0.2, .shift_width = 0.1, .fill = QN_FILL_CONSTANT},
        {.brightness = 0.3, .contrast = 0.3, .saturation = 0.3, .hue = 0.1},
        {.cutout = 4, .value = 0.5f},
        {.pad = 1, .height = 8, .width = 8, .flip = true, .rotate = 5, .brightness = 0.2, .cutout = 3, .mean = {0.5f},
         .deviation = {0.25f, 0.5f}},
    };
    static float a[SAMPLES * SIDE * SIDE * 3], b[SAMPLES * SIDE * SIDE * 3];

    for (size_t k = 0; k < QNI_COUNT(cases); k++) {
        qn_dataset *ds = images(), *changed = NULL;
        const size_t n = (size_t)(cases[k].height ? cases[k].height * cases[k].width : SIDE * SIDE) * 3;

        CHECK_OK(qn_dataset_image_augment(&changed, ds, &cases[k]));
        qn_dataset_close(&ds);
        collect(changed, 0, 3, 1, a, n);
        for (int threads = 1; threads < 4; threads++) {
            collect(changed, threads, 3, 1, b, n);
            CHECK(!memcmp(a, b, SAMPLES * n * sizeof(float)));
        }
        collect(changed, 0, 3, 2, b, n);
        CHECK(memcmp(a, b, SAMPLES * n * sizeof(float)) != 0);
        collect(changed, 0, 4, 1, b, n);
        CHECK(memcmp(a, b, SAMPLES * n * sizeof(float)) != 0);
        qn_dataset_close(&changed);
    }
}

/* How a value is read; by way of a float, since x87 keeps a quotient longer. */
static float read_as(unsigned char value)
{
    const float x = (float)value / 255.0f;

    return x;
}

/* What comes out is a piece or a mirror of what went in, about as often as it should be. */
static void meant(void)
{
    static float x[SAMPLES * SIDE * SIDE * 3];
    const qn_image_augment_opt centre = {.height = 5, .width = 3, .centre = true, .mean = {0.5f, 0.25f, 0}, .deviation = {0.5f}};
    qn_dataset *ds = images(), *changed = NULL;
    bool seen[5][5] = {{false}};
    int flips = 0, places = 0;

    CHECK_OK(qn_dataset_image_augment(&changed, ds, &centre));
    collect(changed, 0, 1, 1, x, 45);
    for (int i = 0; i < SAMPLES; i++)
        for (int j = 0; j < 45; j++) {
            const int c = j % 3;
            const float v = read_as(pixels[i][2 + j / 9][3 + j / 3 % 3][c]);
            const float want = (v - centre.mean[c]) / (c ? 1.0f : 0.5f);

            CHECK(x[i * 45 + j] == want);
        }
    qn_dataset_close(&changed);
    CHECK_OK(qn_dataset_image_augment(&changed, ds, &(qn_image_augment_opt){.flip = true}));
    for (int epoch = 0; epoch < 4; epoch++) {
        collect(changed, 0, 1, epoch, x, SIDE * SIDE * 3);
        for (int i = 0; i < SAMPLES; i++) {
            const bool flipped = x[i * SIDE * SIDE * 3] != read_as(pixels[i][0][0][0]);

            flips += flipped;
            for (int j = 0; j < SIDE; j++)
                CHECK(x[(i * SIDE * SIDE + j) * 3] == read_as(pixels[i][0][flipped ? SIDE - 1 - j : j][0]));
        }
    }
    CHECK(flips > SAMPLES && flips < 3 * SAMPLES);
    qn_dataset_close(&changed);
    CHECK_OK(qn_dataset_image_augment(&changed, ds, &(qn_image_augment_opt){.pad = 2, .height = SIDE, .width = SIDE, .value = -1}));
    for (int epoch = 0; epoch < 8; epoch++) {
        collect(changed, 0, 1, epoch, x, SIDE * SIDE * 3);
        for (int i = 0; i < SAMPLES; i++)
            for (int p = 0; p < 25; p++) {
                const int top = p / 5 - 2, left = p % 5 - 2;
                int j = 0;

                for (; j < SIDE * SIDE; j++) {
                    const int v = j / SIDE + top, u = j % SIDE + left;
                    const bool inside = v >= 0 && v < SIDE && u >= 0 && u < SIDE;

                    if (x[(i * SIDE * SIDE + j) * 3 + 1] != (inside ? read_as(pixels[i][v][u][1]) : -1))
                        break;
                }
                places += j == SIDE * SIDE && !seen[top + 2][left + 2];
                seen[top + 2][left + 2] |= j == SIDE * SIDE;
            }
    }
    CHECK_INT(places, 25);
    qn_dataset_close(&changed);
    qn_dataset_close(&ds);
}

/* ---- how strong random changes are, read off images that rise to the right, whatever their sample ---- */

static float slope[SAMPLES][SIDE][SIDE][3];

#define AT(image, y, x, c) ((double)(image)[((y) * SIDE + (x)) * 3 + (c)])

/* What is added to a pixel for each step to the right and down, in the middle. */
static double to_right(const float *image) { return (AT(image, 4, 5, 0) - AT(image, 4, 3, 0)) / 2; }
static double to_down(const float *image) { return (AT(image, 5, 4, 0) - AT(image, 3, 4, 0)) / 2; }

static double turned(const float *image) { return atan2(to_down(image), to_right(image)) * 57.29577951308232; }
static double moved_right(const float *image) { return (0.4 - AT(image, 4, 4, 0)) / 0.05 / SIDE; }
static double brighter(const float *image) { return AT(image, 4, 4, 0) / 0.4 - 1; }
static double contrasted(const float *image) { return to_right(image) / 0.05 - 1; }
static double coloured(const float *image) { return (AT(image, 4, 4, 2) - AT(image, 4, 4, 0)) / 0.1 - 1; }

/* The share of a turn from blue, which is the slope's hue, as long as blue stays the largest. */
static double hue(const float *image)
{
    const double r = AT(image, 4, 4, 0), g = AT(image, 4, 4, 1), b = AT(image, 4, 4, 2);

    return (r - g) / (b - fmin(r, g)) / 6;
}

/* Of a hole: its share of a square of 3, which the edge may cut; 1 for what is no rectangle of zeros. */
static double hole(const float *image)
{
    int n = 0, top = SIDE, bottom = -1, left = SIDE, right = -1;

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            if (AT(image, y, x, 0) < 0) {
                top = y < top ? y : top;
                bottom = y > bottom ? y : bottom;
                left = x < left ? x : left;
                right = x > right ? x : right;
                n++;
            }
    if (!n || n != (bottom - top + 1) * (right - left + 1) || bottom - top > 2 || right - left > 2)
        return 9;
    return n / 9.0;
}

static void strong(void)
{
    static const struct {
        qn_image_augment_opt opt;
        double (*measure)(const float *image);
        double least, most; /* each measure lies between them, and some come within a tenth of either */
    } cases[] = {
        {{.rotate = 20, .fill = QN_FILL_NEAREST}, turned, -20, 20},
        {{.shift_width = 0.3, .fill = QN_FILL_NEAREST}, moved_right, -0.3, 0.3},
        {{.brightness = 0.5}, brighter, -0.5, 0.5},
        {{.contrast = 0.4}, contrasted, -0.4, 0.4},
        {{.saturation = 0.5}, coloured, -0.5, 0.5},
        {{.hue = 0.1}, hue, -0.1, 0.1},
        {{.cutout = 3, .value = -1}, hole, 4 / 9.0, 1},
    };
    static float x[SAMPLES][SIDE * SIDE * 3];
    const qn_array array[] = {{{"image", QN_FIELD_INPUT, QN_F32, {3, {SIDE, SIDE, 3}}}, slope},
                              {{"label", QN_FIELD_TARGET, QN_I32, {0, {0}}}, labels}};
    qn_dataset *ds = NULL, *changed = NULL;

    for (int i = 0; i < SAMPLES * SIDE * SIDE; i++) {
        float *p = &slope[0][0][0][0] + 3 * i;

        p[0] = p[1] = 0.2f + 0.05f * (float)(i % SIDE);
        p[2] = p[0] + 0.1f;
        labels[i / (SIDE * SIDE)] = i / (SIDE * SIDE);
    }
    CHECK_OK(qn_dataset_arrays(&ds, SAMPLES, array, 2, NULL));
    for (size_t k = 0; k < QNI_COUNT(cases); k++) {
        const double width = cases[k].most - cases[k].least;
        double least = INFINITY, most = -INFINITY;

        CHECK_OK(qn_dataset_image_augment(&changed, ds, &cases[k].opt));
        for (int epoch = 0; epoch < 4; epoch++) {
            collect(changed, 0, 1, epoch, x[0], SIDE * SIDE * 3);
            for (int i = 0; i < SAMPLES; i++) {
                least = fmin(least, cases[k].measure(x[i]));
                most = fmax(most, cases[k].measure(x[i]));
            }
        }
        if (!(least > cases[k].least - 1e-3 && least < cases[k].least + 0.1 * width && most < cases[k].most + 1e-3 &&
              most > cases[k].most - 0.1 * width))
            test_fail(__FILE__, __LINE__, "case %zu: from %g to %g, expected from %g to %g", k, least, most, cases[k].least,
                      cases[k].most);
        qn_dataset_close(&changed);
    }
    qn_dataset_close(&ds);
}

static void refused(void)
{
    static const struct {
        qn_image_augment_opt opt;
        qn_status st;
        const char *part;
    } cases[] = {
        {{.pad = -1}, QN_E_ARG, "pad -1"},
        {{.height = 4}, QN_E_ARG, "4 x 0"},
        {{.height = 10, .width = 9}, QN_E_SHAPE, "10 x 9"},
        {{.rotate = 181}, QN_E_ARG, "rotate 181"},
        {{.shift_width = NAN}, QN_E_ARG, "shift"},
        {{.fill = (qn_image_fill)3}, QN_E_ARG, "fill 3"},
        {{.hue = 0.6}, QN_E_ARG, "hue 0.6"},
        {{.deviation = {-1}}, QN_E_ARG, "deviation -1"},
        {{.reserved = {1}}, QN_E_ARG, "reserved[0]"},
    };
    qn_dataset *ds = images(), *changed = NULL, *mixed = NULL;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        CHECK_STATUS(qn_dataset_image_augment(&changed, ds, &cases[i].opt), cases[i].st, cases[i].part);
        CHECK(!changed);
    }
    CHECK_STATUS(qn_dataset_mixup(&mixed, ds, 0.2, SAMPLES), QN_E_SHAPE, "'image' is u8");
    CHECK_OK(qn_dataset_image_augment(&changed, ds, &(qn_image_augment_opt){0}));
    CHECK_STATUS(qn_dataset_mixup(&mixed, changed, 0.2, 0), QN_E_SHAPE, "number of classes");
    CHECK_STATUS(qn_dataset_mixup(&mixed, changed, 0, 4), QN_E_ARG, "alpha 0");
    CHECK_OK(qn_dataset_mixup(&mixed, changed, 0.2, SAMPLES - 1));
    {
        float x[SIDE * SIDE * 3], y[SAMPLES];

        CHECK_STATUS(qn_dataset_read(mixed, &(int64_t){SAMPLES - 1}, 1, (void *[]){x, y}), QN_E_ARG, "class 36");
    }
    qn_dataset_close(&mixed);
    qn_dataset_close(&changed);
    qn_dataset_close(&ds);
}

static void mixed_up(void)
{
    enum { N = SIDE * SIDE * 3, EPOCHS = 30 };
    static float x[SAMPLES][N], y[SAMPLES][SAMPLES], again[SAMPLES][N];
    qn_dataset *ds = images(), *floats = NULL, *mixed = NULL;
    int64_t index[SAMPLES];
    double squares = 0;

    for (int i = 0; i < SAMPLES; i++)
        index[i] = i;
    CHECK_OK(qn_dataset_image_augment(&floats, ds, &(qn_image_augment_opt){0}));
    CHECK_OK(qn_dataset_mixup(&mixed, floats, 0.4, SAMPLES));
    CHECK_INT(qn_dataset_field(mixed, 1)->dtype, QN_F32);
    CHECK_OK(qn_dataset_read(mixed, index, SAMPLES, (void *[]){x, y}));
    CHECK_OK(qn_dataset_read(mixed, index, SAMPLES, (void *[]){again, NULL}));
    CHECK(!memcmp(x, again, sizeof(x)));
    for (int i = 0; i < SAMPLES; i++) {
        double sum = 0;

        for (int k = 0; k < SAMPLES; k++)
            sum += (double)y[i][k];
        CHECK(fabs(sum - 1) < 1e-6);
        for (int j = 0; j < N; j++) { /* the same shares of the same two images */
            double want = 0;

            for (int k = 0; k < SAMPLES; k++)
                want += (double)y[i][k] * (&pixels[k][0][0][0])[j] / 255.0;
            CHECK(fabs(want - (double)x[i][j]) < 1e-5);
        }
    }
    /* Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)); 37 * 30 draws. */
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        struct qni_loader *l = NULL;
        struct qni_batch b;

        CHECK_OK(qni_loader_create(&l, mixed, &(struct qni_loader_opt){.batch = SAMPLES, .seed = 9}));
        CHECK_OK(qni_loader_start(l, epoch, 0));
        CHECK_OK(qni_loader_next(l, &b));
        for (int i = 0; i < SAMPLES; i++) {
            const double share = (double)((float *)b.field[1])[i * SAMPLES + i];

            squares += (share - 0.5) * (share - 0.5);
        }
        qni_loader_destroy(&l);
    }
    squares /= SAMPLES * EPOCHS;
    CHECK(fabs(squares - 1 / (4 * 1.8)) < 0.012);
    qn_dataset_close(&mixed);
    qn_dataset_close(&floats);
    qn_dataset_close(&ds);
}

int main(void)
{
    test_run("image: resizing and hues beside TensorFlow", tensorflow);
    test_run("image: turning and moving beside plain loops", warped);
    test_run("image: pieces, mirrors, grey", pieces);
    test_run("image: brightness, contrast, saturation", colours);
    test_run("image: random changes by seed, epoch and number alone", repeated);
    test_run("image: random changes are what they are called", meant);
    test_run("image: random changes are as strong as they are asked to be", strong);
    test_run("image: options out of range", refused);
    test_run("image: mixup", mixed_up);
    return test_end();
}
