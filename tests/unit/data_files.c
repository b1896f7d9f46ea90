/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Files of images and sound: what Pillow reads in them, folders as datasets, and files that are broken. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/loader.h"
#include "fixture.h"
#include "test.h"

#define MEDIA TEST_SOURCE_DIR "/tests/fixtures/media/"

static char folder[] = "/tmp/quern-files-XXXXXX";

/* Whether this build reads files of that ending; otherwise the refusal must say so. */
static bool reads(const char *name)
{
    const char *end = strrchr(name, '.');

    return strcmp(end, ".png") == 0 ? QND_PNG : strcmp(end, ".wav") == 0 ? QND_SNDFILE : QND_JPEG;
}

static size_t load(const char *path, unsigned char *out, size_t most)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, most, f) : 0;

    CHECK(f != NULL && n < most);
    if (f)
        fclose(f);
    return n;
}

static void store(const char *name, const void *data, size_t bytes)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "wb");
    CHECK(f && fwrite(data, 1, bytes, f) == bytes);
    if (f)
        fclose(f);
}

static void copy_media(const char *from, const char *to)
{
    unsigned char data[4096];
    char path[256];

    snprintf(path, sizeof(path), MEDIA "%s", from);
    store(to, data, load(path, data, sizeof(data)));
}

static void make_folder(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void pillow(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/tests/fixtures/media.txt", "r");
    struct fixture x;
    int cases = 0;

    CHECK(file != NULL);
    while (file && fixture_next(file, &x)) {
        const struct fixture_tensor *y = fixture_tensor(&x, "y");
        /* JPEG's arithmetic is not fixed to the last bit. */
        const int bound = strstr(x.name, ".jpg") ? 2 : 0;
        qn_image *image = NULL;
        char path[256];

        snprintf(path, sizeof(path), MEDIA "%s", x.name);
        if (!reads(x.name)) {
            CHECK_STATUS(qn_image_read(&image, path, NULL), QN_E_UNSUPPORTED, "was built without");
        } else if (CHECK_OK(qn_image_read(&image, path, NULL))) {
            CHECK_INT(image->height, y->shape.dim[0]);
            CHECK_INT(image->width, y->shape.dim[1]);
            CHECK_INT(image->channels, y->shape.dim[2]);
            for (int64_t i = 0; i < y->shape.dim[0] * y->shape.dim[1] * y->shape.dim[2] && !test_failed(); i++)
                if (fabs(image->pixel[i] - y->v[i]) > bound)
                    test_fail(__FILE__, __LINE__, "%s: value %lld is %d, expected %g", x.name, (long long)i, image->pixel[i],
                              y->v[i]);
        }
        qn_image_destroy(&image);
        cases++;
        fixture_free(&x);
    }
    CHECK_INT(cases, 11);
    if (file)
        fclose(file);
}

/* "fact" after "fact" before the samples. */
static void long_head(void)
{
    unsigned char data[2048] = "RIFF\0\0\0\0WAVE";
    size_t n = 12;
    qn_sound *s = NULL;

    while (n < 1200) {
        memcpy(data + n, "fact\x04\0\0\0\x01\0\0\0", 12);
        n += 12;
    }
    memcpy(data + n, "data\0\0\0\0", 8);
    CHECK_STATUS(qn_sound_decode(&s, "long", data, n + 8, NULL), QN_E_FORMAT, "long: damaged: more than 1004 bytes of \"fmt \"");
    CHECK(!s);
}

static void wav(void)
{
    qn_sound *s = NULL;

    if (!reads(".wav")) {
        CHECK_STATUS(qn_sound_read(&s, MEDIA "mono.wav", NULL), QN_E_UNSUPPORTED, "without libsndfile");
        return;
    }
    CHECK_OK(qn_sound_read(&s, MEDIA "mono.wav", NULL));
    CHECK_INT(s->frames, 400);
    CHECK_INT(s->rate, 8000);
    for (int i = 0; i < 400; i++)
        CHECK(fabs((double)s->sample[i] - round(20000 * sin(i / 5.0)) / 32768) < 1e-6);
    qn_sound_destroy(&s);
    CHECK_OK(qn_sound_read(&s, MEDIA "stereo.wav", NULL));
    CHECK_INT(s->channels, 2);
    CHECK(fabs((double)s->sample[3] + floor(round(20000 * sin(0.2)) / 2) / 32768) < 1e-4);
    qn_sound_destroy(&s);
    for (int k = 0; k < 3; k++) { /* in the last two there are chunks that libsndfile may not see */
        CHECK_OK(qn_sound_read(&s, (const char *const[]){MEDIA "float.wav", MEDIA "behind.wav", MEDIA "circles.wav"}[k], NULL));
        CHECK_INT(s->frames, 4);
        CHECK(s->sample[0] == 0.5f && s->sample[1] == -1.0f && s->sample[2] == 0.25f);
        qn_sound_destroy(&s);
    }
    CHECK_OK(qn_sound_read(&s, MEDIA "empty.wav", NULL));
    CHECK_INT(s->frames, 0);
    qn_sound_destroy(&s);
    CHECK_OK(qn_sound_read(&s, MEDIA "bytes.wav", NULL));
    CHECK(fabsf(s->sample[0]) < 0.01f);
    qn_sound_destroy(&s);
    long_head();
    CHECK_STATUS(qn_sound_read(&s, MEDIA "nan.wav", NULL), QN_E_FORMAT, "sample 1 is not finite");
    CHECK_STATUS(qn_sound_read(&s, MEDIA "mono.wav", &(qn_sound_read_opt){.max_samples = 399}), QN_E_FORMAT, "limit is 399");
    CHECK_STATUS(qn_sound_read(&s, MEDIA "mono.wav", &(qn_sound_read_opt){.max_bytes = 50}), QN_E_FORMAT, "limit is 50");
    CHECK_STATUS(qn_sound_read(&s, MEDIA "rgb.png", NULL), QN_E_FORMAT, "not a WAV file");
    CHECK_STATUS(qn_sound_read(&s, MEDIA "none.wav", NULL), QN_E_IO, "none.wav");
    CHECK(!s);
}

/* Every file cut at every place is refused, in one line that names it. */
static void truncated(void)
{
    static const char *const names[] = {"rgb.png", "palette.png", "rgb.jpg", "progressive.jpg", "mono.wav", "float.wav"};
    unsigned char data[4096];

    for (size_t k = 0; k < QNI_COUNT(names); k++) {
        const bool sound = strstr(names[k], ".wav") != NULL;
        /* After the last pixel nothing is missed: JPEG's end mark, PNG's end chunk's checksum. */
        const size_t spare = strstr(names[k], ".jpg") ? 2 : 0;
        char path[256];
        size_t n;

        if (!reads(names[k]))
            continue;
        snprintf(path, sizeof(path), MEDIA "%s", names[k]);
        n = load(path, data, sizeof(data));
        for (size_t cut = 0; cut + spare < n && !test_failed(); cut++) {
            unsigned char *exact = malloc(cut ? cut : 1);
            qn_image *image = NULL;
            qn_sound *s = NULL;
            qn_status st;

            memcpy(exact, data, cut);
            st = sound ? qn_sound_decode(&s, "cut", exact, cut, NULL) : qn_image_decode(&image, "cut", exact, cut, NULL);
            CHECK(st == QN_E_FORMAT && !image && !s);
            CHECK(!strncmp(qn_last_error(), "cut: ", 5) && !strchr(qn_last_error(), '\n'));
            free(exact);
        }
    }
}

static void refused(void)
{
    static const unsigned char huge_png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0\xe3\x5c\x36\x9f";
    unsigned char data[4096];
    qn_image *image = NULL;
    size_t n;

    CHECK_STATUS(qn_image_read(&image, MEDIA "mono.wav", NULL), QN_E_FORMAT, "neither PNG nor JPEG");
    CHECK_STATUS(qn_image_read(&image, MEDIA "none.png", NULL), QN_E_IO, "none.png");
    CHECK_STATUS(qn_image_read(&image, MEDIA, NULL), QN_E_IO, "is no file");
    CHECK_STATUS(qn_image_read(&image, NULL, NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_image_read(&image, MEDIA "rgb.png", &(qn_image_read_opt){.max_bytes = -1}), QN_E_ARG, "negative");
    store("empty.png", "", 0);
    snprintf((char *)data, sizeof(data), "%s/empty.png", folder);
    CHECK_STATUS(qn_image_read(&image, (char *)data, NULL), QN_E_FORMAT, "empty");
    if (reads(".png")) {
        CHECK_STATUS(qn_image_read(&image, MEDIA "rgb.png", &(qn_image_read_opt){.max_pixels = 107}), QN_E_FORMAT,
                     "12 x 9 pixels, the limit is 107");
        CHECK_OK(qn_image_read(&image, MEDIA "rgb.png", &(qn_image_read_opt){.max_pixels = 108}));
        qn_image_destroy(&image);
        CHECK_STATUS(qn_image_decode(&image, "huge", huge_png, sizeof(huge_png) - 1, NULL), QN_E_FORMAT, "huge: ");
    }
    if (reads(".jpg")) {
        CHECK_STATUS(qn_image_read(&image, MEDIA "cmyk.jpg", NULL), QN_E_UNSUPPORTED, "CMYK");
        n = load(MEDIA "rgb.jpg", data, sizeof(data));
        memset(data + n - 40, 0x5a, 20);
        data[n - 30] = 0xff;
        data[n - 29] = 0xd3;
        CHECK_STATUS(qn_image_decode(&image, "hurt", data, n, NULL), QN_E_FORMAT, "hurt: damaged JPEG");
    }
    CHECK(!image);
}

static int bad_files;
static char bad_line[512];

static void count_bad(void *user, const char *line)
{
    CHECK(user == &bad_files);
    bad_files++;
    snprintf(bad_line, sizeof(bad_line), "%s", line);
}

static void folders(void)
{
    const qn_files files = {.folder = folder};
    const qn_images_opt small = {.height = 6, .width = 4};
    float x[3][6 * 4 * 3];
    unsigned char u[6 * 4 * 3];
    int32_t y[3];
    qn_dataset *ds = NULL, *part = NULL;

    if (!reads(".png")) {
        test_skip("this build reads no PNG");
        return;
    }
    make_folder("cats");
    make_folder("ants");
    copy_media("rgb.png", "cats/b.png");
    copy_media("grey.png", "cats/a.PNG");
    copy_media("alpha.png", "ants/c.png");
    store("cats/notes.txt", "no image", 8);
    CHECK_OK(qn_dataset_images(&ds, &files, &small));
    CHECK_INT(qn_dataset_samples(ds), 3);
    CHECK_INT(qn_dataset_classes(ds), 2);
    CHECK_STR(qn_dataset_class(ds, 0), "ants");
    CHECK_STR(qn_dataset_class(ds, 1), "cats");
    CHECK(!qn_dataset_class(ds, 2));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0, 1, 2}, 3, (void *[]){x, y}));
    CHECK(y[0] == 0 && y[1] == 1 && y[2] == 1);
    for (int i = 0; i < 24; i++) /* a.PNG comes before b.png, and is grey */
        CHECK(x[1][3 * i] == x[1][3 * i + 1] && x[1][3 * i] == x[1][3 * i + 2]);
    CHECK_OK(qn_dataset_slice(&part, ds, 1, 2));
    qn_dataset_close(&ds);
    CHECK_STR(qn_dataset_class(part, 1), "cats");
    qn_dataset_close(&part);
    for (int fit = QN_FIT_STRETCH; fit <= QN_FIT_PAD; fit++) {
        qn_images_opt o = {.height = 6, .width = 4, .fit = (qn_image_fit)fit, .keep_u8 = true};

        CHECK_OK(qn_dataset_images(&ds, &files, &o));
        CHECK_OK(qn_dataset_read(ds, (int64_t[]){2}, 1, (void *[]){u, y}));
        if (fit == QN_FIT_PAD) /* 12 x 9 becomes 6 x 4.5, cut by nothing */
            CHECK(u[0] || u[1] || u[2]);
        qn_dataset_close(&ds);
    }
    CHECK_OK(qn_dataset_images(&ds, &files, &(qn_images_opt){.channels = 1}));
    CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[0], 6); /* the first file's size */
    CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[1], 7);
    CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[2], 1);
    qn_dataset_close(&ds);

    store("ants/broken.png", "\x89PNG\r\n\x1a\nnothing", 15);
    CHECK_OK(qn_dataset_images(&ds, &files, &small));
    CHECK_INT(qn_dataset_samples(ds), 4);
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){0}, 1, (void *[]){x, y}), QN_E_FORMAT, "ants/broken.png");
    qn_dataset_close(&ds);
    bad_files = 0;
    CHECK_OK(qn_dataset_images(&ds, &(qn_files){.folder = folder, .bad = count_bad, .user = &bad_files}, &small));
    CHECK_INT(bad_files, 1);
    CHECK(strstr(bad_line, "ants/broken.png") != NULL);
    CHECK_INT(qn_dataset_samples(ds), 3);
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0}, 1, (void *[]){x, y}));
    CHECK_INT(y[0], 0);
    qn_dataset_close(&ds);
}

/* Stripes along one axis: what is cut off, and what is black. */
static void fitted(void)
{
    const char *path = MEDIA "rgb.png"; /* 12 x 9 */
    const qn_files files = {.path = &path, .files = 1};
    static float whole[12][9][3], x[12][12][3], y[9][9][3];
    qn_dataset *ds = NULL;

    if (!reads(".png")) {
        test_skip("this build reads no PNG");
        return;
    }
    CHECK_OK(qn_dataset_images(&ds, &files, NULL));
    CHECK_INT(qn_dataset_fields(ds), 1);
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0}, 1, (void *[]){whole}));
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_images(&ds, &files, &(qn_images_opt){.height = 9, .width = 9, .fit = QN_FIT_CROP}));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0}, 1, (void *[]){y}));
    CHECK(!memcmp(y, whole[1], sizeof(y))); /* 12 x 9 gives 9 x 9 from row 1 on, not scaled */
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_images(&ds, &files, &(qn_images_opt){.height = 12, .width = 12, .fit = QN_FIT_PAD}));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0}, 1, (void *[]){x}));
    for (int v = 0; v < 12; v++)
        for (int u = 0; u < 12; u++)
            for (int c = 0; c < 3; c++)
                CHECK(x[v][u][c] == (u < 1 || u > 9 ? 0 : whole[v][u - 1][c]));
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_images(&ds, &(qn_files){0}, NULL), QN_E_ARG, "no file");
    CHECK_STATUS(qn_dataset_images(&ds, &(qn_files){.folder = "/nowhere/at/all"}, NULL), QN_E_IO, "/nowhere/at/all");
    CHECK_STATUS(qn_dataset_images(&ds, &(qn_files){.folder = MEDIA}, NULL), QN_E_FORMAT, "one for each class");
    CHECK_STATUS(qn_dataset_images(&ds, &files, &(qn_images_opt){.height = 3}), QN_E_ARG, "3 x 0");
    CHECK(!ds);
}

static void sounds(void)
{
    const char *path[] = {MEDIA "stereo.wav", MEDIA "empty.wav", MEDIA "mono.wav"};
    const int32_t label[] = {4, 0, 7};
    const qn_files files = {.path = path, .label = label, .files = 3};
    static float x[3][600];
    int32_t y[3];
    qn_dataset *ds = NULL;

    if (!reads(".wav")) {
        test_skip("this build reads no WAV");
        return;
    }
    CHECK_OK(qn_dataset_sounds(&ds, &files, &(qn_sounds_opt){.rate = 8000, .frames = 600, .middle = true}));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0, 1, 2}, 3, (void *[]){x, y}));
    CHECK(y[0] == 4 && y[1] == 0 && y[2] == 7);
    CHECK(x[2][99] == 0 && x[2][500] == 0 && fabs((double)x[2][105] - 20000 * sin(1) / 32768) < 1e-4);
    CHECK(x[0][199] == 0 && x[0][400] == 0 && x[1][300] == 0);
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_sounds(&ds, &files, NULL));
    CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[0], 16000);
    qn_dataset_close(&ds);
    CHECK_OK(qn_dataset_sounds(&ds, &files, &(qn_sounds_opt){.rate = 8000, .frames = 100}));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){2}, 1, (void *[]){x, NULL}));
    CHECK(fabs((double)x[0][5] - 20000 * sin(1) / 32768) < 1e-4);
    qn_dataset_close(&ds);
    path[1] = MEDIA "nan.wav";
    bad_files = 0;
    CHECK_OK(qn_dataset_sounds(
        &ds, &(qn_files){.path = path, .label = label, .files = 3, .bad = count_bad, .user = &bad_files}, NULL));
    CHECK_INT(qn_dataset_samples(ds), 2);
    CHECK_INT(bad_files, 1);
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){1}, 1, (void *[]){NULL, y}));
    CHECK_INT(y[0], 7);
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_sounds(&ds, &files, &(qn_sounds_opt){.rate = -1}), QN_E_ARG, "-1 a second");
}

/* As the preparation has them, which says rate and length. */
static void prepared_sounds(void)
{
    const char *path[] = {MEDIA "stereo.wav", MEDIA "empty.wav"};
    float x[600], want[600];
    qn_dataset *ds = NULL;
    qn_prep *prep = NULL, *other = NULL;
    qn_sound *sound = NULL;

    if (!reads(".wav")) {
        test_skip("this build reads no WAV");
        return;
    }
    CHECK_OK(qn_prep_sound(&prep, &(qn_prep_sound_opt){.rate = 8000, .frames = 600, .middle = true, .peak = 0.5}));
    CHECK_OK(qn_prep_classes(&other, NULL, (const char *[]){"a"}, 1));
    CHECK_OK(qn_sound_read(&sound, path[0], NULL));
    CHECK_OK(qn_prep_load(prep, &(qn_raw){.sound = sound}, want));
    CHECK_OK(qn_dataset_sounds(&ds, &(qn_files){.path = path, .files = 2}, &(qn_sounds_opt){.rate = 1, .prep = prep}));
    CHECK_OK(qn_dataset_read(ds, (int64_t[]){0}, 1, (void *[]){x}));
    CHECK(!memcmp(x, want, sizeof(x)));
    CHECK_STATUS(qn_dataset_read(ds, (int64_t[]){1}, 1, (void *[]){x}), QN_E_FORMAT, "empty.wav: the recording is empty");
    qn_dataset_close(&ds);
    bad_files = 0;
    CHECK_OK(qn_dataset_sounds(&ds, &(qn_files){.path = path, .files = 2, .bad = count_bad, .user = &bad_files},
                               &(qn_sounds_opt){.prep = prep}));
    CHECK(bad_files == 1 && qn_dataset_samples(ds) == 1);
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_sounds(&ds, &(qn_files){.path = path, .files = 2}, &(qn_sounds_opt){.prep = other}), QN_E_ARG,
                 "no recordings");
    qn_sound_destroy(&sound);
    qn_prep_release(&prep);
    qn_prep_release(&other);
}

/* Workers decode at the same time. */
static void threads(void)
{
    const char *path[40];
    static float x[2][40][12 * 9 * 3];
    qn_dataset *ds = NULL;

    if (!reads(".png") || !reads(".jpg")) {
        test_skip("this build reads no PNG or no JPEG");
        return;
    }
    for (int i = 0; i < 40; i++)
        path[i] = i % 2 ? MEDIA "rgb.png" : MEDIA "rgb.jpg";
    CHECK_OK(qn_dataset_images(&ds, &(qn_files){.path = path, .files = 40}, &(qn_images_opt){.height = 12, .width = 9}));
    for (int k = 0; k < 2; k++) {
        struct qni_loader *l = NULL;
        struct qni_batch b;

        CHECK_OK(qni_loader_create(&l, ds, &(struct qni_loader_opt){.batch = 3, .threads = 3 * k}));
        CHECK_OK(qni_loader_start(l, 0, 0));
        while (CHECK_OK(qni_loader_next(l, &b)) && b.samples) {
            memcpy(x[k][b.first], b.field[0], (size_t)b.samples * sizeof(x[0][0]));
            qni_loader_release(l, b.slot);
        }
        qni_loader_destroy(&l);
    }
    CHECK(!memcmp(x[0], x[1], sizeof(x[0])));
    qn_dataset_close(&ds);
}

int main(void)
{
    char command[300];

    CHECK(mkdtemp(folder) != NULL);
    test_run("files: images as Pillow reads them", pillow);
    test_run("files: WAV", wav);
    test_run("files: truncated anywhere", truncated);
    test_run("files: images that are refused", refused);
    test_run("files: a folder for each class", folders);
    test_run("files: images of other sizes", fitted);
    test_run("files: recordings as a dataset", sounds);
    test_run("files: recordings as a preparation has them", prepared_sounds);
    test_run("files: several threads", threads);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK(system(command) == 0);
    return test_end();
}
