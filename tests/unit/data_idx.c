/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "bytes.h"
#include "data/data.h"
#include "test.h"

#define TEXT(s) s, sizeof(s) - 1

static qn_status read_idx(qn_dataset **out, const char *x, size_t xn, const char *y, size_t yn, const qn_idx_opt *opt)
{
    struct bytes xs = {x, xn, 0}, ys = {y, yn, 0};
    qn_reader xr = {"x.idx", 0, give, &xs}, yr = {"y.idx", 0, give, &ys};

    return qn_dataset_idx_from(out, &xr, y ? &yr : NULL, opt);
}

#define IMAGES "\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3\0\1\2\3\4\5\377\376\375\374\373\372"
#define LABELS "\0\0\10\1\0\0\0\2\7\3"

static void good(void)
{
    float x[12];
    unsigned char raw[12];
    int32_t y[2];
    void *out[] = {x, y};
    qn_dataset *ds = NULL;
    const int64_t both[] = {1, 0};

    CHECK_OK(read_idx(&ds, TEXT(IMAGES), TEXT(LABELS), NULL));
    CHECK_INT(qn_dataset_samples(ds), 2);
    CHECK_STR(qn_dataset_field(ds, 0)->name, "image");
    CHECK_INT(qn_dataset_field(ds, 0)->shape.rank, 3);
    CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[0], 2);
    CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[1], 3);
    CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[2], 1);
    CHECK_INT(qn_dataset_field(ds, 1)->dtype, QN_I32);
    CHECK_INT(qn_dataset_field(ds, 1)->shape.rank, 0);
    CHECK_OK(qn_dataset_read(ds, both, 2, out));
    CHECK(x[0] == 1.0f && x[1] == 254.0f / 255.0f && x[6] == 0 && x[11] == 5.0f / 255.0f);
    CHECK(y[0] == 3 && y[1] == 7);
    qn_dataset_close(&ds);
    CHECK_OK(read_idx(&ds, TEXT(IMAGES), NULL, 0, &(qn_idx_opt){.divisor = 1}));
    CHECK_INT(qn_dataset_fields(ds), 1);
    CHECK_OK(qn_dataset_read(ds, both, 2, out));
    CHECK(x[0] == 255 && x[11] == 5);
    qn_dataset_close(&ds);
    out[0] = raw;
    CHECK_OK(read_idx(&ds, TEXT(IMAGES), TEXT(LABELS), &(qn_idx_opt){.keep_u8 = true, .classes = 8}));
    CHECK_INT(qn_dataset_field(ds, 0)->dtype, QN_U8);
    CHECK_OK(qn_dataset_read(ds, both, 2, out));
    CHECK(raw[0] == 255 && raw[11] == 5);
    qn_dataset_close(&ds);
    out[0] = x; /* f32, vectors, signed 16-bit labels */
    CHECK_OK(
        read_idx(&ds, TEXT("\0\0\15\2\0\0\0\2\0\0\0\1\77\200\0\0\300\0\0\0"), TEXT("\0\0\13\1\0\0\0\2\1\2\0\7"), NULL));
    CHECK_INT(qn_dataset_field(ds, 0)->shape.rank, 1);
    CHECK_OK(qn_dataset_read(ds, both, 2, out));
    CHECK(x[0] == -2 && x[1] == 1 && y[0] == 7 && y[1] == 258);
    qn_dataset_close(&ds);
    CHECK_OK(read_idx(&ds, TEXT("\0\0\10\3\0\0\0\0\0\0\0\2\0\0\0\3"), TEXT("\0\0\10\1\0\0\0\0"), NULL));
    CHECK_INT(qn_dataset_samples(ds), 0);
    qn_dataset_close(&ds);
}

struct broken {
    const char *name;
    const char *x;
    size_t xn;
    const char *y;
    size_t yn;
    qn_status status;
    const char *part;
};

static const struct broken broken[] = {
    {"idx: empty file", TEXT(""), TEXT(LABELS), QN_E_FORMAT, "x.idx: empty"},
    {"idx: empty labels", TEXT(IMAGES), TEXT(""), QN_E_FORMAT, "y.idx: empty"},
    {"idx: three bytes", TEXT("\0\0\10"), TEXT(LABELS), QN_E_FORMAT, "x.idx: ends after 3 bytes"},
    {"idx: half a size", TEXT("\0\0\10\3\0\0\0\2\0\0"), TEXT(LABELS), QN_E_FORMAT, "ends after 10 bytes"},
    {"idx: other magic", TEXT("\211PNG\0\0\0\0"), TEXT(LABELS), QN_E_FORMAT, "begins with bytes 89 50"},
    {"idx: a gzip file", TEXT("\37\213\10\10\0\0\0\0"), TEXT(LABELS), QN_E_FORMAT, "begins with bytes 1f 8b"},
    {"idx: unknown type", TEXT("\0\0\7\1\0\0\0\0"), TEXT(LABELS), QN_E_FORMAT, "type code 0x07 at byte 2"},
    {"idx: rank 0", TEXT("\0\0\10\0"), TEXT(LABELS), QN_E_FORMAT, "rank 0 at byte 3"},
    {"idx: rank 9", TEXT("\0\0\10\11"), TEXT(LABELS), QN_E_FORMAT, "rank 9"},
    {"idx: rank 255", TEXT("\0\0\10\377"), TEXT(LABELS), QN_E_FORMAT, "rank 255"},
    {"idx: product overflows", TEXT("\0\0\10\3\377\377\377\377\377\377\377\377\377\377\377\377"), TEXT(LABELS),
     QN_E_FORMAT, "overflows at axis 1"},
    {"idx: bytes overflow", TEXT("\0\0\15\2\177\377\377\377\377\377\377\377"), TEXT(LABELS), QN_E_FORMAT, "overflows"},
    {"idx: huge header", TEXT("\0\0\10\2\377\377\377\377\0\1\0\0"), TEXT(LABELS), QN_E_FORMAT,
     "announces 281474976645120 bytes"},
    {"idx: no height", TEXT("\0\0\10\3\0\0\0\2\0\0\0\0\0\0\0\3"), TEXT(LABELS), QN_E_FORMAT, "axis 1 has size 0"},
    {"idx: truncated", IMAGES, sizeof(IMAGES) - 2, TEXT(LABELS), QN_E_FORMAT,
     "truncated: the header announces 12 bytes of values, found 11"},
    {"idx: no values", TEXT("\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3"), TEXT(LABELS), QN_E_FORMAT, "found 0"},
    {"idx: more values", TEXT(IMAGES "x"), TEXT(LABELS), QN_E_FORMAT, "goes on after the 12 bytes"},
    {"idx: f64 images", TEXT("\0\0\16\1\0\0\0\0"), TEXT(LABELS), QN_E_UNSUPPORTED, "f64, expected u8 or f32"},
    {"idx: i32 images", TEXT("\0\0\14\1\0\0\0\0"), TEXT(LABELS), QN_E_UNSUPPORTED, "i32, expected u8 or f32"},
    {"idx: f32 labels", TEXT(IMAGES), TEXT("\0\0\15\1\0\0\0\2\0\0\0\0\0\0\0\0"), QN_E_UNSUPPORTED,
     "f32, expected integers"},
    {"idx: images as labels", TEXT(IMAGES), TEXT(IMAGES), QN_E_FORMAT, "y.idx: rank 3, expected labels"},
    {"idx: fewer labels", TEXT(IMAGES), TEXT("\0\0\10\1\0\0\0\1\7"), QN_E_FORMAT, "y.idx: 1 labels, but x.idx has 2"},
    {"idx: label out of range", TEXT(IMAGES), TEXT("\0\0\10\1\0\0\0\2\7\12"), QN_E_FORMAT,
     "label 1 is 10, expected 0 to 9"},
    {"idx: negative label", TEXT(IMAGES), TEXT("\0\0\11\1\0\0\0\2\7\377"), QN_E_FORMAT, "label 1 is -1"},
    {"idx: negative 32-bit label", TEXT(IMAGES), TEXT("\0\0\14\1\0\0\0\2\0\0\0\7\377\377\377\376"), QN_E_FORMAT,
     "label 1 is -2"},
};

static void is_broken(const void *arg)
{
    const struct broken *b = arg;
    qn_dataset *ds = (qn_dataset *)&ds;

    CHECK_STATUS(read_idx(&ds, b->x, b->xn, b->y, b->yn, &(qn_idx_opt){.classes = 10}), b->status, b->part);
    CHECK(!ds);
}

static qn_status fail_read(void *user, void *to, size_t bytes, size_t *got)
{
    (void)to;
    *got = user ? bytes + 1 : 0;
    return user ? QN_OK : QN_E_IO;
}

static void files(void)
{
    static const char dir[] = TEST_SOURCE_DIR "/examples/data/digits/";
    char images[1024], labels[1024];
    qn_dataset *ds = NULL;
    int64_t index[3823];
    int32_t y[3823];
    void *out[] = {NULL, y};
    int count[10] = {0};

    snprintf(images, sizeof(images), "%sdigits-train-images-idx3-ubyte", dir);
    snprintf(labels, sizeof(labels), "%sdigits-train-labels-idx1-ubyte", dir);
    CHECK_OK(qn_dataset_idx(&ds, images, labels, NULL));
    CHECK_INT(qn_dataset_samples(ds), 3823);
    for (int i = 0; i < 3823; i++)
        index[i] = i;
    CHECK_OK(qn_dataset_read(ds, index, 3823, out));
    for (int i = 0; i < 3823; i++)
        count[y[i]]++;
    CHECK_INT(count[0], 376); /* UCI's own table */
    CHECK_INT(count[9], 382);
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_idx(&ds, labels, images, NULL), QN_E_FORMAT, "rank 3");
    CHECK_STATUS(qn_dataset_idx(&ds, images, labels, &(qn_idx_opt){.max_bytes = 1000}), QN_E_FORMAT, "limit is 1000");
    CHECK_STATUS(qn_dataset_idx(&ds, "/nowhere/x", labels, NULL), QN_E_IO, "/nowhere/x: cannot be opened");
    CHECK_STATUS(qn_dataset_idx(&ds, "/", labels, NULL), QN_E_IO, "/: is a folder");
    CHECK_STATUS(qn_dataset_idx(&ds, "/dev/null", labels, NULL), QN_E_FORMAT, "/dev/null: empty");
    CHECK_STATUS(qn_dataset_idx(&ds, NULL, labels, NULL), QN_E_ARG, NULL);
    CHECK_STATUS(qn_dataset_idx_from(&ds, &(qn_reader){"bad", 0, fail_read, NULL}, NULL, NULL), QN_E_IO,
                 "bad: the read function returned -10 (QN_E_IO)");
    CHECK_STATUS(qn_dataset_idx_from(&ds, &(qn_reader){"liar", 0, fail_read, index}, NULL, NULL), QN_E_ARG,
                 "liar: the read function gave 5 bytes where 4");
    CHECK_STATUS(qn_dataset_idx_from(&ds, &(qn_reader){"x", 0, NULL, NULL}, NULL, NULL), QN_E_ARG, NULL);
    /* What a header announces is compared with what a reader can give before memory is asked for. */
    struct bytes b = {TEXT("\0\0\10\1\1\0\0\0"), 0};
    CHECK_STATUS(qn_dataset_idx_from(&ds, &(qn_reader){"short", 100, give, &b}, NULL, NULL), QN_E_FORMAT,
                 "announces 16777216 bytes of values, but there are at most 92");
    CHECK(!ds);
}

int main(void)
{
    test_run("idx: images and labels of several types", good);
    for (size_t i = 0; i < QNI_COUNT(broken); i++)
        test_run_with(broken[i].name, is_broken, &broken[i]);
    test_run("idx: files", files);
    return test_end();
}
