/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every allocation of the decoders and of datasets of files fails once: an error each time, nothing lost, and the next try
 * works. What libjpeg and libsndfile allocate themselves does not come through the context. */
#include <stdlib.h>
#include <string.h>

#include <quern/data_files.h>

#include "failing.h"
#include "test.h"

#define MEDIA TEST_SOURCE_DIR "/tests/fixtures/media/"
#define GZIP  TEST_SOURCE_DIR "/tests/fuzz/corpus/gz/"

static qn_status try_image(qn_context *ctx, const char *path)
{
    qn_image *image = NULL;
    qn_status st = qn_image_read(&image, path, &(qn_image_read_opt){.context = ctx});

    CHECK(!st == !!image);
    qn_image_destroy(&image);
    return st;
}

static qn_status try_png(qn_context *ctx)
{
    return try_image(ctx, MEDIA "palette.png");
}

static qn_status try_jpeg(qn_context *ctx)
{
    return try_image(ctx, MEDIA "progressive.jpg");
}

static qn_status try_wav(qn_context *ctx)
{
    const char *path[] = {MEDIA "stereo.wav", MEDIA "mono.wav"};
    static float x[2][700];
    qn_dataset *ds = NULL;
    qn_status st = qn_dataset_sounds(&ds, &(qn_files){.path = path, .files = 2},
                                     &(qn_sounds_opt){.context = ctx, .frames = 700, .rate = 8000});

    CHECK(!st == !!ds);
    if (!st)
        st = qn_dataset_read(ds, (int64_t[]){0, 1}, 2, (void *[]){x});
    qn_dataset_close(&ds);
    return st;
}

/* A preparation that is measured, finishes a dataset, and goes through JSON. */
static qn_status try_prep(qn_context *ctx)
{
    const char *path[] = {MEDIA "stereo.wav", MEDIA "mono.wav"};
    static char json[8192];
    float x[64 * 20];
    qn_prep *p = NULL, *fitted = NULL, *copy = NULL;
    qn_dataset *sounds = NULL, *ds = NULL;
    size_t n = 0;
    qn_status st;

    if (!(st = qn_prep_sound(&p, &(qn_prep_sound_opt){.context = ctx, .rate = 8000, .frames = 700, .high = 3000,
                                                      .features = {.kind = QN_FEATURE_MFCC, .fft = 64}})) &&
        !(st = qn_dataset_sounds(&sounds, &(qn_files){.path = path, .files = 2}, &(qn_sounds_opt){.context = ctx, .prep = p})) &&
        !(st = qn_prep_sound_fit(&fitted, p, sounds)) && !(st = qn_prep_to_json(fitted, json, sizeof(json), &n)) &&
        !(st = qn_prep_from_json(&copy, ctx, "json", json, n)) && !(st = qn_dataset_finish(&ds, sounds, copy)))
        st = qn_dataset_read(ds, (int64_t[]){1}, 1, (void *[]){x});
    CHECK(n < sizeof(json));
    qn_dataset_close(&ds);
    qn_dataset_close(&sounds);
    qn_prep_release(&copy);
    qn_prep_release(&fitted);
    qn_prep_release(&p);
    return st;
}

static qn_status try_images(qn_context *ctx)
{
    const char *path[] = {MEDIA "rgb.png", MEDIA "grey.png"};
    unsigned char x[2][5 * 5 * 3];
    qn_dataset *ds = NULL;
    qn_status st = qn_dataset_images(&ds, &(qn_files){.path = path, .files = 2},
                                     &(qn_images_opt){.context = ctx, .height = 5, .width = 5, .keep_u8 = true});

    CHECK(!st == !!ds);
    if (!st)
        st = qn_dataset_read(ds, (int64_t[]){0, 1}, 2, (void *[]){x});
    qn_dataset_close(&ds);
    return st;
}

static qn_status try_gz(qn_context *ctx)
{
    qn_dataset *idx = NULL, *csv = NULL;
    qn_status st = qn_dataset_idx_gz(&idx, GZIP "members", NULL, &(qn_idx_opt){.context = ctx});

    if (!st)
        st = qn_dataset_csv_gz(&csv, GZIP "csv", &(qn_csv_opt){.context = ctx});
    CHECK(!st == (idx && csv));
    qn_dataset_close(&csv);
    qn_dataset_close(&idx);
    return st;
}

static qn_status try_name(qn_context *ctx)
{
    qn_dataset *ds = NULL;
    qn_status st = qn_dataset_open(&ds, "digits:test", &(qn_dataset_opt){.context = ctx});

    CHECK(!st == !!ds);
    qn_dataset_close(&ds);
    return st;
}

struct attempt {
    const char *name;
    qn_status (*f)(qn_context *ctx);
    int least; /* allocations it surely makes */
    bool there;
};

static const struct attempt attempts[] = {
    {"no memory: png", try_png, 6, QND_PNG},
    {"no memory: jpeg", try_jpeg, 3, QND_JPEG},
    {"no memory: wav", try_wav, 12, QND_SNDFILE},
    {"no memory: recordings prepared", try_prep, 30, QND_SNDFILE},
    {"no memory: images", try_images, 14, QND_PNG},
    {"no memory: gzip", try_gz, 10, true},
    {"no memory: a name", try_name, 6, true},
};

static void fails_well(const void *arg)
{
    const struct attempt *a = arg;
    qn_context *ctx = NULL;
    qn_status st = QN_E_HOST_MEMORY;
    int n, before;

    if (!a->there) {
        test_skip("this build does not read such files");
        return;
    }
    countdown = 1000;
    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.alloc = failing_alloc, .realloc = failing_realloc,
                                                       .free = counting_free, .store_dir = "", .threads = 2}));
    before = blocks;
    for (n = 0; n < 1000 && st == QN_E_HOST_MEMORY; n++) {
        countdown = n;
        st = a->f(ctx);
        CHECK_INT(blocks, before);
        if (st)
            CHECK_STATUS(st, QN_E_HOST_MEMORY, "memory");
    }
    CHECK_OK(st);
    CHECK(n > a->least);
    qn_context_destroy(&ctx);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        test_run_with(attempts[i].name, fails_well, &attempts[i]);
    return test_end();
}
