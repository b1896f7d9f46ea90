/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Preparations of recordings: beside their parts called one by one, measured over a dataset, and through JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "harness/test.h"

enum { RATE = 4000, LENGTH = 500, BANDS = 12, MOST = 4096 };

static const qn_prep_sound_opt plain = {.rate = RATE, .frames = LENGTH,
                                        .features = {.fft = 128, .hop = 64, .mels = BANDS}};

static qn_prep *make(const qn_prep_sound_opt *opt)
{
    qn_prep *p = NULL;

    CHECK_OK(qn_prep_sound(&p, opt));
    return p;
}

static qn_sound *record(int64_t frames, int channels, int rate)
{
    qn_sound *s = NULL;

    CHECK_OK(qn_sound_create(&s, NULL, frames, channels, rate));
    for (int64_t i = 0; i < frames * channels; i++)
        s->sample[i] = (float)(0.5 * test_uniform() + 0.3 * sin(0.2 * (double)i));
    return s;
}

static int64_t elements(const qn_prep *p)
{
    return qn_prep_field(p)->shape.dim[0] * qn_prep_field(p)->shape.dim[1];
}

/* Another one by way of JSON, which says the same. */
static qn_prep *again(const qn_prep *p)
{
    qn_prep *copy = NULL;
    size_t n = 0, m = 0;
    char *text, *second;

    CHECK_OK(qn_prep_to_json(p, NULL, 0, &n));
    text = malloc(n + 1);
    CHECK_OK(qn_prep_to_json(p, text, n + 1, &m));
    CHECK_OK(qn_prep_from_json(&copy, NULL, "text", text, n));
    second = malloc(n + 1);
    CHECK_OK(qn_prep_to_json(copy, second, n + 1, &m));
    CHECK_STR(second, text);
    free(text);
    free(second);
    return copy;
}

/* What the preparation is to make, of its parts. */
static void by_hand(const qn_prep_sound_opt *o, const qn_sound *s, float *sample, float *input)
{
    qn_features_opt opt = o->features;
    qn_features *features = NULL;
    qn_sound *mono = NULL;
    double loudest = 0;
    float x[LENGTH];

    CHECK_OK(qn_sound_convert(&mono, NULL, s, o->rate));
    for (int64_t i = 0; i < mono->frames; i++)
        loudest = fmax(loudest, fabs((double)mono->sample[i]));
    for (int64_t i = 0; i < mono->frames && o->peak > 0; i++)
        mono->sample[i] = (float)(o->peak / loudest * (double)mono->sample[i]);
    CHECK_OK(qn_sound_place(sample, LENGTH, mono->sample, mono->frames, o->middle));
    memcpy(x, sample, sizeof(x));
    if (o->preemphasis != 0)
        CHECK_OK(qn_sound_preemphasis(x, x, LENGTH, o->preemphasis));
    if (o->low > 0 || o->high > 0)
        CHECK_OK(qn_sound_band(x, x, LENGTH, o->rate, o->low, o->high, o->order ? o->order : 5));
    opt.rate = o->rate;
    CHECK_OK(qn_features_create(&features, &opt));
    CHECK_OK(qn_features_run(features, input, x, LENGTH));
    qn_features_destroy(&features);
    qn_sound_destroy(&mono);
}

static void check_halves(const qn_prep *p, const qn_prep_sound_opt *o, const qn_sound *s)
{
    float sample[LENGTH], input[MOST], halves[MOST], want_sample[LENGTH], want[MOST];
    const size_t bytes = (size_t)elements(p) * sizeof(float);

    CHECK_INT(qn_prep_get_kind(p), QN_PREP_SOUND);
    CHECK_INT(qn_prep_sample(p)->shape.dim[0], LENGTH);
    by_hand(o, s, want_sample, want);
    CHECK_OK(qn_prep_load(p, &(qn_raw){.sound = s}, sample));
    CHECK_OK(qn_prep_finish(p, sample, halves));
    CHECK_OK(qn_prep_run(p, &(qn_raw){.sound = s}, input));
    CHECK(!memcmp(sample, want_sample, sizeof(sample)));
    CHECK(!memcmp(halves, want, bytes) && !memcmp(input, want, bytes));
}

static void halves(void)
{
    static const qn_prep_sound_opt cases[] = {
        {.rate = RATE, .frames = LENGTH, .features = {.fft = 128, .hop = 64, .mels = BANDS}},
        {.rate = RATE, .frames = LENGTH, .middle = true, .peak = 0.7, .preemphasis = 0.97,
         .features = {.kind = QN_FEATURE_MFCC, .fft = 64, .hop = 50, .mels = 10, .coefficients = 5, .deltas = 2, .delta_width = 3}},
        {.rate = RATE, .frames = LENGTH, .low = 100, .high = 1500, .order = 3,
         .features = {.kind = QN_FEATURE_MAGNITUDE, .window = QN_WINDOW_HAMMING, .fft = 30, .hop = 31, .scale = QN_SCALE_WHOLE}},
        {.rate = RATE, .frames = LENGTH, .high = 1000, .features = {.kind = QN_FEATURE_FRAMES, .fft = 20, .no_center = true}},
    };
    /* longer, shorter, at another rate with two channels */
    qn_sound *sounds[] = {record(LENGTH + 33, 1, RATE), record(7, 1, RATE), record(300, 2, 2 * RATE), record(LENGTH, 1, RATE)};

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        qn_prep *p = make(&cases[i]), *copy = again(p);

        for (size_t k = 0; k < QNI_COUNT(sounds); k++) {
            check_halves(p, &cases[i], sounds[k]);
            check_halves(copy, &cases[i], sounds[k]);
        }
        qn_prep_release(&p);
        qn_prep_release(&copy);
    }
    for (size_t k = 0; k < QNI_COUNT(sounds); k++)
        qn_sound_destroy(&sounds[k]);
}

/* ---- standardised ---- */

#define SAMPLES 9

static qn_dataset *recordings(void)
{
    static float x[SAMPLES][LENGTH];
    static int32_t label[SAMPLES];
    const qn_array array[] = {{{"label", QN_FIELD_TARGET, QN_I32, {0, {0}}}, label},
                              {{"sound", QN_FIELD_INPUT, QN_F32, {1, {LENGTH}}}, x}};
    qn_dataset *ds = NULL;

    for (int i = 0; i < SAMPLES * LENGTH; i++)
        x[i / LENGTH][i % LENGTH] = (float)((1 + i / LENGTH) * test_uniform());
    CHECK_OK(qn_dataset_arrays(&ds, SAMPLES, array, 2, NULL));
    return ds;
}

/* Each column's mean and standard deviation over all frames of all samples. */
static void check_columns(qn_dataset *ds)
{
    static float got[SAMPLES][MOST];
    const qn_shape *shape = &qn_dataset_field(ds, 1)->shape;
    const int64_t width = shape->dim[1], n = shape->dim[0];
    int32_t label;

    for (int64_t i = 0; i < SAMPLES; i++)
        CHECK_OK(qn_dataset_read(ds, &i, 1, (void *const[]){&label, got[i]}));
    for (int64_t c = 0; c < width; c++) {
        double mean = 0, square = 0;

        for (int64_t k = 0; k < SAMPLES * n; k++)
            mean += (double)got[k / n][k % n * width + c] / (double)(SAMPLES * n);
        for (int64_t k = 0; k < SAMPLES * n; k++)
            square += pow((double)got[k / n][k % n * width + c] - mean, 2) / (double)(SAMPLES * n);
        CHECK(fabs(mean) < 1e-5 && fabs(sqrt(square) - 1) < 1e-5);
    }
}

static void standardised(void)
{
    qn_dataset *from = recordings(), *ds = NULL;
    qn_prep *p = make(&plain), *fitted = NULL, *twice = NULL, *copy;
    float a[MOST], b[MOST], sample[LENGTH] = {0};
    char text[160];

    CHECK_OK(qn_prep_sound_fit(&fitted, p, from));
    CHECK_OK(qn_prep_sound_fit(&twice, fitted, from));
    copy = again(fitted);
    CHECK_OK(qn_prep_finish(fitted, sample, a));
    CHECK_OK(qn_prep_finish(copy, sample, b));
    CHECK(!memcmp(a, b, (size_t)elements(p) * sizeof(float)));
    CHECK_OK(qn_prep_finish(twice, sample, b));
    CHECK(!memcmp(a, b, (size_t)elements(p) * sizeof(float)));
    CHECK_OK(qn_dataset_finish(&ds, from, fitted));
    check_columns(ds);
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_finish(&ds, from, copy));
    check_columns(ds);
    CHECK_STR(qn_prep_describe(fitted, text, sizeof(text)),
              "sound, 500 frames at 4000 a second, cut and filled behind; 8 times 12 mel bands in decibels, standardised");
    qn_prep_release(&twice);
    CHECK_STATUS(qn_prep_sound_fit(&twice, NULL, from), QN_E_ARG, "NULL");
    CHECK(!twice);
    CHECK_STATUS(qn_prep_sound_fit(&twice, p, ds), QN_E_SHAPE, "[8, 12]");
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_take(&ds, from, 0));
    CHECK_STATUS(qn_prep_sound_fit(&twice, p, ds), QN_E_ARG, "no recording");
    qn_dataset_close(&ds);
    qn_dataset_close(&from);
    qn_prep_release(&p);
    qn_prep_release(&fitted);
    qn_prep_release(&copy);
}

/* A column that never changes gives 0, not a division by nothing. */
static void constant_column(void)
{
    float x[LENGTH] = {0}, got[MOST];
    qn_dataset *ds = NULL;
    qn_prep *p = make(&(qn_prep_sound_opt){.rate = RATE, .frames = LENGTH, .features = {.kind = QN_FEATURE_MEL, .fft = 128}});
    qn_prep *fitted = NULL;

    CHECK_OK(qn_dataset_arrays(&ds, 1, &(qn_array){{"x", QN_FIELD_INPUT, QN_F32, {1, {LENGTH}}}, x}, 1, NULL));
    CHECK_OK(qn_prep_sound_fit(&fitted, p, ds));
    CHECK_OK(qn_prep_finish(fitted, x, got));
    for (int64_t i = 0; i < elements(p); i++)
        CHECK(got[i] == 0);
    qn_dataset_close(&ds);
    qn_prep_release(&p);
    qn_prep_release(&fitted);
}

/* ---- what is refused ---- */

static void refused(void)
{
    static const struct { qn_prep_sound_opt opt; const char *part; } cases[] = {
        {{.frames = LENGTH}, "at 0 a second"},
        {{.rate = RATE}, "0 frames"},
        {{.rate = RATE, .frames = -1}, "-1 frames"},
        {{.rate = RATE, .frames = LENGTH, .low = 2000}, "2000"},
        {{.rate = RATE, .frames = LENGTH, .low = 300, .high = 200}, "300 to 200"},
        {{.rate = RATE, .frames = LENGTH, .peak = -1}, "peak -1"},
        {{.rate = RATE, .frames = LENGTH, .order = 17}, "order 17"},
        {{.rate = RATE, .frames = LENGTH, .preemphasis = NAN}, "nan"},
        {{.rate = RATE, .frames = LENGTH, .features = {.mels = -1}}, "-1 mel"},
        {{.rate = RATE, .frames = 100, .features = {.fft = 128, .no_center = true}}, "too short"},
        {{.rate = RATE, .frames = 100, .features = {.fft = 128, .hop = 64, .deltas = 1}}, "too short"},
        {{.rate = RATE, .frames = 1 << 20, .features = {.kind = QN_FEATURE_FRAMES, .hop = 1}}, "too many"},
        {{.rate = RATE, .frames = LENGTH, .reserved = {1}}, "reserved"},
    };
    qn_sound empty = {.channels = 1, .rate = RATE, .sample = (float[]){0}};
    float sample[LENGTH];
    qn_prep *p;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        p = (qn_prep *)&p;
        CHECK_STATUS(qn_prep_sound(&p, &cases[i].opt), QN_E_ARG, cases[i].part);
        CHECK(!p);
    }
    CHECK_STATUS(qn_prep_sound(&p, NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_prep_sound(NULL, &plain), QN_E_ARG, "NULL");
    p = make(&plain);
    CHECK_STATUS(qn_prep_load(p, &(qn_raw){.text = "a"}, sample), QN_E_ARG, "a recording");
    CHECK_STATUS(qn_prep_load(p, &(qn_raw){.sound = &empty}, sample), QN_E_FORMAT, "empty");
    qn_prep_release(&p);
}

#define FEATURES                                                                                                         \
    "\"fft\":128,\"hop\":64,\"length\":128,\"window\":\"hann\",\"no_center\":false,\"reflect\":false,\"power\":2,"        \
    "\"mels\":12,\"low\":0,\"high\":2000,\"htk\":false,\"no_area\":false,\"top_db\":80,\"coefficients\":12,\"lifter\":0," \
    "\"deltas\":0,\"delta_width\":9,\"scale\":\"none\""
#define FRAME "{\"kind\":\"sound\",\"rate\":4000,\"frames\":500,\"middle\":false,\"peak\":0,\"preemphasis\":0," \
              "\"low\":0,\"high\":0,\"order\":5"

static void broken(void)
{
    static const struct { const char *json, *part; } cases[] = {
        {"{\"kind\":\"sound\"}", "rate"},
        {"{\"kind\":\"sound\",\"rate\":0}", "rate"},
        {"{\"kind\":\"sound\",\"rate\":4000,\"frames\":0}", "frames"},
        {"{\"kind\":\"sound\",\"rate\":4000,\"frames\":99999999999}", "frames"},
        {FRAME "}", "features"},
        {FRAME ",\"features\":[]}", "features"},
        {FRAME ",\"features\":{}}", "kind"},
        {FRAME ",\"features\":{\"kind\":\"smell\"," FEATURES "}}", "smell"},
        {FRAME ",\"features\":{\"kind\":2}}", "kind"},
        {FRAME ",\"features\":{\"kind\":\"log_mel\",\"fft\":-1}}", "fft"},
        {FRAME ",\"features\":{\"kind\":\"log_mel\"," FEATURES "},\"mean\":[1]}", "12 numbers"},
        {FRAME ",\"features\":{\"kind\":\"log_mel\"," FEATURES "},\"mean\":{}}", "12 numbers"},
        {FRAME ",\"features\":{\"kind\":\"log_mel\"," FEATURES "},\"mean\":[1,1,1,1,1,1,1,1,1,1,1,1]}", "deviation"},
        {FRAME ",\"features\":{\"kind\":\"log_mel\"," FEATURES "},\"mean\":[1,1,1,1,1,1,1,1,1,1,1,\"NaN\"]}", "mean[11]"},
        {FRAME ",\"features\":{\"kind\":\"log_mel\"," FEATURES "},\"mean\":[1,1,1,1,1,1,1,1,1,1,1,1],"
               "\"deviation\":[1,1,0,1,1,1,1,1,1,1,1,1]}", "deviation[2]"},
        {"{\"kind\":\"sound\",\"rate\":4000,\"frames\":500,\"middle\":false,\"peak\":0,\"preemphasis\":0,"
         "\"low\":9,\"high\":8,\"order\":5,"
         "\"features\":{\"kind\":\"log_mel\"," FEATURES "}}", "9 to 8"},
    };
    const char *right = FRAME ",\"features\":{\"kind\":\"log_mel\"," FEATURES "}}";
    qn_prep *p = NULL;

    CHECK_OK(qn_prep_from_json(&p, NULL, "file", right, strlen(right)));
    qn_prep_release(&p);
    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        p = (qn_prep *)&p;
        CHECK_STATUS(qn_prep_from_json(&p, NULL, "file", cases[i].json, strlen(cases[i].json)), QN_E_FORMAT, cases[i].part);
        CHECK(!p);
    }
}

int main(void)
{
    test_run("prep: recordings are filtered and made features as one by one", halves);
    test_run("prep: features are standardised as measured", standardised);
    test_run("prep: a feature that never changes becomes 0", constant_column);
    test_run("prep: options and recordings that do not fit are refused", refused);
    test_run("prep: broken JSON of recordings is refused with its place", broken);
    return test_end();
}
