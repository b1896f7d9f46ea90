/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sound: librosa's and SciPy's numbers, datasets of recordings, and what is refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/loader.h"
#include "data/sound/sound.h"
#include "fixture.h"
#include "test.h"

#define GUARD 16

static float *floats(const struct fixture_tensor *t, int64_t *n)
{
    float *v;

    *n = 1;
    for (int i = 0; i < t->shape.rank; i++)
        *n *= t->shape.dim[i];
    v = malloc((size_t)(*n ? *n : 1) * sizeof(*v));
    for (int64_t i = 0; i < *n; i++)
        v[i] = (float)t->v[i];
    return v;
}

/* NaN everywhere, and a guard behind. */
static float *blank(int64_t n)
{
    float *v = malloc((size_t)(n + GUARD) * sizeof(*v));

    for (int64_t i = 0; i < n + GUARD; i++)
        v[i] = i < n ? NAN : 77.0f;
    return v;
}

static void compare(const struct fixture *x, const float *got, int64_t n)
{
    const struct fixture_tensor *want = fixture_tensor(x, "y");
    double most = 0;
    int64_t m;

    free(floats(want, &m));
    CHECK_INT(n, m);
    for (int64_t i = 0; i < n && i < m; i++)
        most = fmax(most, fabs(want->v[i]));
    for (int64_t i = 0; i < n && i < m && !test_failed(); i++)
        if (!(fabs((double)got[i] - want->v[i]) <= 1e-4 * fabs(want->v[i]) + 1e-5 * most))
            test_fail(__FILE__, __LINE__, "%s: number %lld is %.7g, expected %.7g", x->name, (long long)i, (double)got[i],
                      want->v[i]);
    for (int i = 0; i < GUARD; i++)
        CHECK(got[n + i] == 77.0f);
}

static void replay_features(const struct fixture *x, const float *in, int64_t samples)
{
    qn_features_opt o = {
        .kind = (qn_feature_kind)fixture_number(x, "kind", 0),
        .rate = (int)fixture_number(x, "rate", 0),
        .fft = (int)fixture_number(x, "fft", 0),
        .hop = (int)fixture_number(x, "hop", 0),
        .length = (int)fixture_number(x, "length", 0),
        .window = (qn_window)fixture_number(x, "window", 0),
        .no_center = fixture_number(x, "no_center", 0) != 0,
        .reflect = fixture_number(x, "reflect", 0) != 0,
        .power = fixture_number(x, "power", 0),
        .mels = (int)fixture_number(x, "mels", 0),
        .low = fixture_number(x, "low", 0),
        .high = fixture_number(x, "high", 0),
        .htk = fixture_number(x, "htk", 0) != 0,
        .no_area = fixture_number(x, "no_area", 0) != 0,
        .top_db = fixture_number(x, "top_db", 0),
        .coefficients = (int)fixture_number(x, "coefficients", 0),
        .lifter = fixture_number(x, "lifter", 0),
        .deltas = (int)fixture_number(x, "deltas", 0),
        .delta_width = (int)fixture_number(x, "delta_width", 0),
        .scale = (qn_feature_scale)fixture_number(x, "scale", 0),
    };
    qn_features *f = NULL;
    float *out;
    int64_t n;

    if (!CHECK_OK(qn_features_create(&f, &o)))
        return;
    n = qn_features_frames(f, samples) * qn_features_width(f);
    for (int twice = 0; twice < 2; twice++) {
        out = blank(n);
        CHECK_OK(qn_features_run(f, out, in, samples));
        compare(x, out, n);
        free(out);
    }
    qn_features_destroy(&f);
}

static void replay_filter(const struct fixture *x, const float *in, int64_t n)
{
    float *out = blank(n);

    if (!strcmp(x->name, "preemphasis"))
        CHECK_OK(qn_sound_preemphasis(out, in, n, fixture_number(x, "coefficient", 0)));
    else
        CHECK_OK(qn_sound_band(out, in, n, (int)fixture_number(x, "rate", 0), fixture_number(x, "low", 0),
                               fixture_number(x, "high", 0), (int)fixture_number(x, "order", 0)));
    compare(x, out, n);
    free(out);
}

static void replay_resample(const struct fixture *x, const float *in, int64_t n)
{
    const int from = (int)fixture_number(x, "from", 0), to = (int)fixture_number(x, "to", 0);
    const int64_t m = qn_sound_resampled(n, from, to);
    float *out = blank(m);
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, NULL));
    CHECK_OK(qn_sound_resample(ctx, out, in, n, from, to));
    compare(x, out, m);
    qn_context_destroy(&ctx);
    free(out);
}

static void librosa(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/tests/fixtures/librosa_sound.txt", "r");
    struct fixture x;
    int cases = 0;

    CHECK(file != NULL);
    while (file && fixture_next(file, &x)) {
        int64_t n;
        float *in = floats(fixture_tensor(&x, "x"), &n);

        if (!strncmp(x.name, "features", 8))
            replay_features(&x, in, n);
        else if (!strncmp(x.name, "resample", 8))
            replay_resample(&x, in, n);
        else
            replay_filter(&x, in, n);
        cases++;
        free(in);
        fixture_free(&x);
    }
    CHECK(cases > 30);
    if (file)
        fclose(file);
}

/* Every length from 1 on, against the sum itself. */
static void transforms(void)
{
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, NULL));
    for (int64_t n = 1; n <= 260; n += n < 40 ? 1 : 19) {
        struct qni_fft *f = NULL;
        double in[300], out[310], *scratch;

        CHECK_OK(qni_fft_create(&f, ctx, n));
        scratch = malloc(qni_fft_scratch(f) * sizeof(*scratch)); /* exactly, so that a sanitizer sees a write beyond */
        for (int64_t i = 0; i < n; i++)
            in[i] = test_uniform();
        qni_fft_run(f, out, in, scratch);
        for (int64_t k = 0; k <= n / 2; k++) {
            double re = 0, im = 0;

            for (int64_t j = 0; j < n; j++) {
                re += in[j] * cos(2 * QNI_PI * (double)(j * k % n) / (double)n);
                im -= in[j] * sin(2 * QNI_PI * (double)(j * k % n) / (double)n);
            }
            if (!(fabs(re - out[2 * k]) < 1e-12 * (double)n && fabs(im - out[2 * k + 1]) < 1e-12 * (double)n))
                test_fail(__FILE__, __LINE__, "%lld numbers, line %lld: %g %g, expected %g %g", (long long)n, (long long)k,
                          out[2 * k], out[2 * k + 1], re, im);
        }
        free(scratch);
        qni_fft_destroy(&f, ctx);
    }
    qn_context_destroy(&ctx);
}

static void recordings(void)
{
    qn_sound *s = NULL, *mono = NULL;

    CHECK_OK(qn_sound_create(&s, NULL, 4, 2, 8000));
    for (int i = 0; i < 8; i++)
        s->sample[i] = (float)i;
    CHECK_OK(qn_sound_convert(&mono, NULL, s, 0));
    CHECK_INT(mono->channels, 1);
    for (int i = 0; i < 4; i++)
        CHECK(mono->sample[i] == (float)(2 * i) + 0.5f);
    qn_sound_destroy(&mono);
    CHECK_OK(qn_sound_convert(&mono, NULL, s, 16000));
    CHECK_INT(mono->frames, 8);
    CHECK_INT(mono->rate, 16000);
    qn_sound_destroy(&mono);
    qn_sound_destroy(&s);
    qn_sound_destroy(&s);
    CHECK_OK(qn_sound_create(&s, NULL, 0, 1, 1));
    CHECK_OK(qn_sound_convert(&mono, NULL, s, 48000));
    CHECK_INT(mono->frames, 0);
    qn_sound_destroy(&mono);
    qn_sound_destroy(&s);
    CHECK_STATUS(qn_sound_create(&s, NULL, -1, 1, 8000), QN_E_ARG, "-1 frames");
    CHECK_STATUS(qn_sound_create(&s, NULL, 1, 0, 8000), QN_E_ARG, "0 channels");
    CHECK_STATUS(qn_sound_create(&s, NULL, INT64_MAX, 1024, 8000), QN_E_HOST_MEMORY, "address space");
    CHECK_STATUS(qn_sound_convert(&mono, NULL, NULL, 0), QN_E_ARG, "NULL");
    CHECK_INT(qn_sound_resampled(INT64_MAX, 1, 2), 0);
    CHECK_INT(qn_sound_resampled(7, 2, 1), 4);
}

static void refused(void)
{
    static const struct {
        qn_features_opt opt;
        const char *part;
    } cases[] = {
        {{.kind = (qn_feature_kind)6}, "kind 6"}, {{.rate = -1}, "rate of -1"},       {{.fft = -4}, "-4"},
        {{.fft = 1 << 21}, "2097152"},            {{.fft = 64, .length = 65}, "65"},  {{.hop = -1}, "every -1"},
        {{.mels = 5000}, "5000"},                 {{.coefficients = 200}, "200"},     {{.low = 9e9}, "mel bands"},
        {{.high = 20000}, "20000"},               {{.low = NAN}, "mel bands"},        {{.power = -1}, "power -1"},
        {{.deltas = 3}, "3 derivatives"},         {{.delta_width = 4}, "width 4"},    {{.lifter = NAN}, "lifter"},
        {{.reserved = {0, 1}}, "reserved[1]"},    {{.top_db = INFINITY}, "top_db"},
    };
    float x[64] = {0}, y[64];
    qn_features *f = NULL;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        CHECK_STATUS(qn_features_create(&f, &cases[i].opt), QN_E_ARG, cases[i].part);
        CHECK(!f);
    }
    CHECK_STATUS(qn_features_create(NULL, NULL), QN_E_ARG, "NULL");
    CHECK_OK(qn_features_create(&f, &(qn_features_opt){.kind = QN_FEATURE_MAGNITUDE, .fft = 8, .no_center = true, .deltas = 1}));
    CHECK_INT(qn_features_frames(f, 7), 0);
    CHECK_INT(qn_features_frames(f, 8), 1);
    CHECK_STATUS(qn_features_run(f, y, x, 7), QN_E_SHAPE, "7 samples");
    CHECK_STATUS(qn_features_run(f, y, x, 10), QN_E_SHAPE, "expected 9");
    CHECK_STATUS(qn_features_run(f, NULL, x, 10), QN_E_ARG, "NULL");
    qn_features_destroy(&f);
    CHECK_STATUS(qn_sound_band(y, x, 64, 8000, 5000, 0, 2), QN_E_ARG, "5000");
    CHECK_STATUS(qn_sound_band(y, x, 64, 8000, 300, 200, 2), QN_E_ARG, "300");
    CHECK_STATUS(qn_sound_band(y, x, 64, 8000, 300, 0, 17), QN_E_ARG, "order 17");
    CHECK_STATUS(qn_window_make(y, (qn_window)9, 4), QN_E_ARG, "window 9");
    CHECK_STATUS(qn_sound_delta(y, x, 8, 1, 9, 1), QN_E_SHAPE, "8 frames");
}

#define SAMPLES 41
#define LENGTH  300

static qn_dataset *waves(void)
{
    static float wave[SAMPLES][LENGTH];
    static int32_t label[SAMPLES];
    const qn_array array[] = {{{"wave", QN_FIELD_INPUT, QN_F32, {1, {LENGTH}}}, wave},
                              {{"label", QN_FIELD_TARGET, QN_I32, {0, {0}}}, label}};
    qn_dataset *ds = NULL;

    test_seed("waves");
    for (int i = 0; i < SAMPLES; i++) {
        label[i] = i;
        for (int j = 0; j < LENGTH; j++)
            wave[i][j] = (float)test_uniform();
    }
    CHECK_OK(qn_dataset_arrays(&ds, SAMPLES, array, 2, NULL));
    return ds;
}

/* A whole epoch by workers, in the samples' order by their labels. */
static void collect(qn_dataset *ds, int threads, uint64_t seed, int64_t epoch, float *out, size_t numbers)
{
    struct qni_loader *l = NULL;
    struct qni_batch b;

    CHECK_OK(qni_loader_create(
        &l, ds, &(struct qni_loader_opt){.batch = 7, .threads = threads, .shuffle = threads > 0, .seed = seed}));
    CHECK_OK(qni_loader_start(l, epoch, 0));
    while (CHECK_OK(qni_loader_next(l, &b)) && b.samples) {
        for (int64_t i = 0; i < b.samples; i++)
            memcpy(out + (size_t)((int32_t *)b.field[1])[i] * numbers, (float *)b.field[0] + (size_t)i * numbers,
                   numbers * sizeof(float));
        qni_loader_release(l, b.slot);
    }
    qni_loader_destroy(&l);
}

/* Decibels between two recordings. */
static double louder(const float *a, const float *plain)
{
    return 20 * log10((double)a[7] / (double)plain[7]);
}

/* The deviation of what was added. */
static double noisy(const float *a, const float *plain)
{
    double sum = 0;

    for (int j = 0; j < LENGTH; j++)
        sum += pow((double)a[j] - (double)plain[j], 2);
    return sqrt(sum / LENGTH);
}

/* A measure of every sample lies in the range, up to chance, and some come near its ends. */
static void check_range(qn_dataset *changed, const float *plain, double (*measure)(const float *a, const float *plain), double from,
                        double to)
{
    static float a[SAMPLES * LENGTH];
    double least = INFINITY, most = -INFINITY;

    for (int epoch = 0; epoch < 4; epoch++) {
        collect(changed, 0, 5, epoch, a, LENGTH);
        for (int i = 0; i < SAMPLES; i++) {
            least = fmin(least, measure(a + i * LENGTH, plain + i * LENGTH));
            most = fmax(most, measure(a + i * LENGTH, plain + i * LENGTH));
        }
    }
    if (!(fabs(least - from) < 0.12 * (to - from) && fabs(most - to) < 0.12 * (to - from)))
        test_fail(__FILE__, __LINE__, "from %g to %g, expected from %g to %g", least, most, from, to);
}

static void augmented(void)
{
    static float a[SAMPLES * LENGTH], b[SAMPLES * LENGTH], plain[SAMPLES * LENGTH];
    qn_dataset *ds = waves(), *changed = NULL;
    int moved = 0;

    CHECK_OK(qn_dataset_sound_augment(&changed, ds, &(qn_sound_augment_opt){.shift = 0.2, .gain = 6, .noise = 0.1}));
    collect(ds, 0, 5, 1, plain, LENGTH);
    collect(changed, 0, 5, 1, a, LENGTH);
    for (int threads = 1; threads < 4; threads++) {
        collect(changed, threads, 5, 1, b, LENGTH);
        CHECK(!memcmp(a, b, sizeof(a)));
    }
    collect(changed, 0, 5, 2, b, LENGTH);
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    collect(changed, 0, 6, 1, b, LENGTH);
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    qn_dataset_close(&changed);

    CHECK_OK(qn_dataset_sound_augment(&changed, ds, &(qn_sound_augment_opt){.shift = 0.2}));
    collect(changed, 0, 5, 1, a, LENGTH);
    for (int i = 0; i < SAMPLES; i++) { /* a piece of what was, silence around it */
        int shift = -60;

        for (; shift <= 60; shift++) {
            int j = 0;

            for (; j < LENGTH; j++)
                if (a[i * LENGTH + j] != (j - shift < 0 || j - shift >= LENGTH ? 0 : plain[i * LENGTH + j - shift]))
                    break;
            if (j == LENGTH)
                break;
        }
        CHECK(shift <= 60);
        moved += shift != 0;
    }
    CHECK(moved > SAMPLES / 2);
    qn_dataset_close(&changed);
    CHECK_OK(qn_dataset_sound_augment(&changed, ds, &(qn_sound_augment_opt){0}));
    collect(changed, 0, 5, 1, a, LENGTH);
    CHECK(!memcmp(a, plain, sizeof(a)));
    qn_dataset_close(&changed);
    CHECK_OK(qn_dataset_sound_augment(&changed, ds, &(qn_sound_augment_opt){.gain = 6}));
    check_range(changed, plain, louder, -6, 6);
    qn_dataset_close(&changed);
    CHECK_OK(qn_dataset_sound_augment(&changed, ds, &(qn_sound_augment_opt){.noise = 0.1}));
    check_range(changed, plain, noisy, 0, 0.1);
    qn_dataset_close(&changed);
    CHECK_STATUS(qn_dataset_sound_augment(&changed, ds, &(qn_sound_augment_opt){.shift = 1.5}), QN_E_ARG, "shift 1.5");
    CHECK_STATUS(qn_dataset_sound_augment(&changed, NULL, &(qn_sound_augment_opt){0}), QN_E_ARG, "NULL");
    qn_dataset_close(&ds);
}

static void as_features(void)
{
    static float a[SAMPLES * 20 * 6], b[SAMPLES * 20 * 6];
    const qn_features_opt o = {
        .kind = QN_FEATURE_MFCC, .rate = 8000, .fft = 64, .hop = 30, .mels = 8, .coefficients = 3, .deltas = 1};
    qn_dataset *ds = waves(), *made = NULL, *again = NULL;
    qn_features *f = NULL;
    const qn_field *field;

    CHECK_OK(qn_features_create(&f, &o));
    CHECK_OK(qn_dataset_features(&made, ds, f));
    qn_features_destroy(&f);
    field = qn_dataset_field(made, 0);
    CHECK_INT(field->shape.rank, 2);
    CHECK_INT(field->shape.dim[0], 11);
    CHECK_INT(field->shape.dim[1], 6);
    CHECK_STR(field->name, "wave");
    collect(made, 0, 0, 0, a, 66);
    collect(made, 3, 0, 0, b, 66);
    CHECK(!memcmp(a, b, SAMPLES * 66 * sizeof(float)));
    CHECK_OK(qn_features_create(&f, &o));
    CHECK_STATUS(qn_dataset_features(&again, made, f), QN_E_SHAPE, "[11, 6]");
    qn_features_destroy(&f);
    CHECK_OK(qn_features_create(&f, &(qn_features_opt){.no_center = true}));
    CHECK_STATUS(qn_dataset_features(&again, ds, f), QN_E_SHAPE, "shorter than a frame");
    qn_features_destroy(&f);
    CHECK(!again);
    qn_dataset_close(&made);
    qn_dataset_close(&ds);
}

int main(void)
{
    test_run("sound: Fourier transforms of every length", transforms);
    test_run("sound: librosa's features, SciPy's filters", librosa);
    test_run("sound: recordings in memory", recordings);
    test_run("sound: options out of range", refused);
    test_run("sound: random changes by seed, epoch and number alone", augmented);
    test_run("sound: a dataset of features", as_features);
    return test_end();
}
