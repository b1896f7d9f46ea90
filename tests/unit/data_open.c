/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <quern/data_open.h>

#include "data/data.h"
#include "test.h"

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static void write_file(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(in_dir(name), "wb");

    CHECK(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

/* One gzip member; returns its size. */
static size_t compress_gz(void *to, size_t room, const void *from, size_t n)
{
    z_stream z = {0};

    CHECK_INT(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)from;
    z.avail_in = (unsigned)n;
    z.next_out = to;
    z.avail_out = (unsigned)room;
    CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
    n = room - z.avail_out;
    deflateEnd(&z);
    return n;
}

static void write_gz(const char *name, const void *data, size_t n)
{
    size_t room = n + 1000;
    void *to = malloc(room);

    write_file(name, to, compress_gz(to, room, data, n));
    free(to);
}

/* An IDX file of n samples of side x side (side 0: labels), bytes that count up modulo `modulus`. */
static size_t make_idx(unsigned char *to, int n, int side, int modulus)
{
    const unsigned char head[16] = {
        0, 0, 8, side ? 3 : 1,       0, 0, (unsigned char)(n >> 8), (unsigned char)n, 0, 0, 0, (unsigned char)side,
        0, 0, 0, (unsigned char)side};
    size_t header = side ? 16 : 8, bytes = (size_t)n * (side ? (size_t)(side * side) : 1);

    memcpy(to, head, header);
    for (size_t i = 0; i < bytes; i++)
        to[header + i] = (unsigned char)(i % (size_t)modulus);
    return header + bytes;
}

static void digits(void)
{
    qn_dataset *ds = NULL;
    const int64_t samples[] = {3823, 1797};
    qn_dataset *raw = NULL;
    static float x[784];
    unsigned char in[64];
    int32_t y, z;
    void *out[] = {x, &y}, *raw_out[] = {in, &z};
    char path[2][512];

    for (int test = 0; test < 2; test++) {
        const char *part = test ? "test" : "train";

        CHECK_OK(qn_dataset_open(&ds, test ? "digits:test" : "digits:train", NULL));
        CHECK_INT(qn_dataset_samples(ds), samples[test]);
        CHECK_INT(qn_dataset_field(ds, 0)->shape.rank, 3);
        CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[0], 28);
        CHECK_INT(qn_dataset_field(ds, 1)->dtype, QN_I32);
        snprintf(path[0], sizeof(path[0]), "%s/examples/data/digits/digits-%s-images-idx3-ubyte", TEST_SOURCE_DIR,
                 part);
        snprintf(path[1], sizeof(path[1]), "%s/examples/data/digits/digits-%s-labels-idx1-ubyte", TEST_SOURCE_DIR,
                 part);
        CHECK_OK(qn_dataset_idx(&raw, path[0], path[1], &(qn_idx_opt){.keep_u8 = true}));
        for (int64_t k = 0; k < samples[test]; k += 199) {
            CHECK_OK(qn_dataset_read(ds, &k, 1, out));
            CHECK_OK(qn_dataset_read(raw, &k, 1, raw_out));
            CHECK_INT(y, z);
            for (int i = 0; i < 28; i++)
                for (int j = 0; j < 28; j++) {
                    /* Half-pixel centres, the edge clamped, in double. */
                    double v = fmin(fmax((i + 0.5) * 8 / 28 - 0.5, 0), 7),
                           u = fmin(fmax((j + 0.5) * 8 / 28 - 0.5, 0), 7);
                    int p = QNI_MIN((int)v, 6), q = QNI_MIN((int)u, 6);
                    double a = v - p, b = u - q;
                    double want = (1 - a) * ((1 - b) * in[8 * p + q] + b * in[8 * p + q + 1]) +
                                  a * ((1 - b) * in[8 * p + 8 + q] + b * in[8 * p + 9 + q]);

                    CHECK(fabs((double)x[28 * i + j] - want / 16) < 1e-7);
                }
        }
        qn_dataset_close(&raw);
        qn_dataset_close(&ds);
    }
}

static void fake_sets(void)
{
    static unsigned char images[16 + 784 * 300], labels[8 + 300];
    size_t nx = make_idx(images, 300, 28, 251), ny = make_idx(labels, 300, 0, 10);
    qn_dataset_opt opt = {.data_dir = dir};
    qn_dataset *ds = NULL;
    const int64_t index[] = {0, 299};
    static float x[2][784];
    int32_t y[2];
    void *out[] = {x, y};

    CHECK_STATUS(qn_dataset_open(&ds, "mnist:train", &opt), QN_E_IO, "train-images-idx3-ubyte not found in /");
    write_gz("train-images-idx3-ubyte.gz", images, nx);
    CHECK_STATUS(qn_dataset_open(&ds, "mnist:train", &opt), QN_E_IO, "but not train-labels-idx1-ubyte");
    write_gz("train-labels-idx1-ubyte.gz", labels, ny);
    CHECK_OK(qn_dataset_open(&ds, "mnist:train", &opt)); /* in the folder itself */
    CHECK_INT(qn_dataset_samples(ds), 300);
    CHECK_OK(qn_dataset_read(ds, index, 2, out));
    CHECK(x[0][250] == 250.0f / 255 && x[1][0] == (float)(299 * 784 % 251) / 255 && y[0] == 0 && y[1] == 9);
    qn_dataset_close(&ds);
    CHECK_INT(mkdir(in_dir("fashion-mnist"), 0777), 0);
    ny = make_idx(labels, 300, 0, 7);
    write_file("fashion-mnist/train-images-idx3-ubyte", images, nx); /* not compressed, in its folder */
    write_file("fashion-mnist/train-labels-idx1-ubyte", labels, ny);
    setenv("QUERN_DATA", dir, 1);
    CHECK_OK(qn_dataset_open(&ds, "fashion-mnist:train", NULL));
    CHECK_OK(qn_dataset_read(ds, index, 2, out));
    CHECK_INT(y[1], 299 % 7);
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_open(&ds, "fashion-mnist:test", NULL), QN_E_IO, "t10k-images-idx3-ubyte not found in /");
    unsetenv("QUERN_DATA");
    nx = make_idx(images, 300, 27, 251);
    write_file("fashion-mnist/train-images-idx3-ubyte", images, nx);
    CHECK_STATUS(qn_dataset_open(&ds, "fashion-mnist:train", &opt), QN_E_FORMAT, "not images of 28 x 28");
    nx = make_idx(images, 300, 28, 251);
    ny = make_idx(labels, 300, 0, 11);
    write_gz("fashion-mnist/train-images-idx3-ubyte", images, nx); /* the content decides, not the name */
    write_file("fashion-mnist/train-labels-idx1-ubyte", labels, ny);
    CHECK_STATUS(qn_dataset_open(&ds, "fashion-mnist:train", &opt), QN_E_FORMAT, "label 10 is 10, expected 0 to 9");
    CHECK(!ds);
}

static void names(void)
{
    static const char *const wrong[] = {
        "", "digits", "digits:", "digits:all", "digits:train ", "Digits:train", "mnist", "cifar:train", ":train"};
    qn_dataset *ds = NULL;

    for (size_t i = 0; i < QNI_COUNT(wrong); i++)
        CHECK_STATUS(qn_dataset_open(&ds, wrong[i], NULL), QN_E_ARG, "no dataset \"");
    CHECK_STATUS(qn_dataset_open(&ds, NULL, NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_dataset_open(NULL, "digits:test", NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_dataset_open(&ds, "digits:test", &(qn_dataset_opt){.reserved = {1}}), QN_E_ARG, "reserved[0]");
    CHECK_STATUS(qn_dataset_open(&ds, "csv:/nowhere", NULL), QN_E_IO, "/nowhere");
    CHECK(!ds);
}

static void csv(void)
{
    static const char text[] = "a,b\n1,2\n3,1\n";
    qn_dataset_opt opt = {.csv = {.label_dtype = QN_I32}};
    qn_dataset *ds = NULL;
    qn_table *t = NULL;
    char name[256];

    write_file("t.csv", text, sizeof(text) - 1);
    write_gz("t.csv.gz", text, sizeof(text) - 1);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "csv:%s", in_dir(i ? "t.csv.gz" : "t.csv"));
        CHECK_OK(qn_dataset_open(&ds, name, &opt));
        CHECK_INT(qn_dataset_samples(ds), 2);
        CHECK_INT(qn_dataset_field(ds, 1)->dtype, QN_I32);
        qn_dataset_close(&ds);
    }
    /* Rows of what is compressed cannot be read again: it is kept, or refused. */
    CHECK_OK(qn_table_gz(&t, in_dir("t.csv"), &(qn_table_opt){.keep_bytes = 5}));
    CHECK(qn_table_rows(t) == 2 && !qn_table_line(t, 0));
    qn_table_destroy(&t);
    CHECK_STATUS(qn_table_gz(&t, in_dir("t.csv.gz"), &(qn_table_opt){.keep_bytes = 5}), QN_E_FORMAT,
                 "t.csv.gz: longer than 5 bytes and compressed");
    CHECK_OK(qn_table_gz(&t, in_dir("t.csv.gz"), NULL));
    CHECK_INT(qn_table_line(t, 1), 3);
    qn_table_destroy(&t);
}

static unsigned char good[16 + 784 * 20], packed[100000];
static size_t good_bytes, packed_bytes;

struct broken {
    const char *name;
    int cut;          /* bytes left away at the end */
    int at, bits;     /* a byte changed: from the start, or from the end when negative */
    const char *more; /* bytes put behind */
    size_t more_bytes;
    qn_status status;
    const char *part;
};

static const struct broken broken[] = {
    {"gz: whole", 0, 0, 0, "", 0, QN_OK, NULL},
    {"gz: zeros behind", 0, 0, 0, "\0\0\0\0", 4, QN_OK, NULL},
    {"gz: truncated by one", 1, 0, 0, "", 0, QN_E_FORMAT, "truncated"},
    {"gz: truncated to its header", 100000, 0, 0, "\37\213\10\0", 4, QN_E_FORMAT, "truncated"},
    {"gz: two bytes", 100000, 0, 0, "\37\213", 2, QN_E_FORMAT, "truncated"},
    {"gz: wrong method", 0, 2, 8, "", 0, QN_E_FORMAT, "unknown compression method"},
    {"gz: damaged data", 0, 30, 255, "", 0, QN_E_FORMAT, "x.gz: "},
    {"gz: wrong checksum", 0, -8, 1, "", 0, QN_E_FORMAT, "incorrect data check"},
    {"gz: wrong length", 0, -4, 1, "", 0, QN_E_FORMAT, "incorrect length check"},
    {"gz: text behind", 0, 0, 0, "hello", 5, QN_E_FORMAT, "neither the end nor another gzip member"},
    {"gz: text behind zeros", 0, 0, 0, "\0\0hello", 7, QN_E_FORMAT, "neither the end"},
    {"gz: half a member behind", 0, 0, 0, "\37\213\10\0", 4, QN_E_FORMAT, "truncated"},
    {"gz: an empty file", 100000, 0, 0, "", 0, QN_E_FORMAT, "empty"},
    {"gz: one byte", 100000, 0, 0, "\37", 1, QN_E_FORMAT, "ends after 1 bytes"},
};

static void is_broken(const void *arg)
{
    const struct broken *b = arg;
    static unsigned char bytes[100100];
    size_t n = (size_t)b->cut > packed_bytes ? 0 : packed_bytes - (size_t)b->cut;
    qn_dataset *ds = NULL;

    memcpy(bytes, packed, packed_bytes);
    bytes[b->at < 0 ? (int)packed_bytes + b->at : b->at] ^= (unsigned char)b->bits;
    memcpy(bytes + n, b->more, b->more_bytes);
    write_file("x.gz", bytes, n + b->more_bytes);
    if (b->status)
        CHECK_STATUS(qn_dataset_idx_gz(&ds, in_dir("x.gz"), NULL, NULL), b->status, b->part);
    else
        CHECK_OK(qn_dataset_idx_gz(&ds, in_dir("x.gz"), NULL, NULL));
    qn_dataset_close(&ds);
}

/* A small file that decompresses to far more than it says. */
static void bombs(void)
{
    size_t n = 64 << 20;
    unsigned char *zeros = calloc(n, 1), *to = malloc(n);
    qn_dataset *ds = NULL;
    size_t bytes;

    make_idx(zeros, 2, 28, 1); /* more than the header says */
    write_gz("bomb.gz", zeros, n);
    CHECK_STATUS(qn_dataset_idx_gz(&ds, in_dir("bomb.gz"), NULL, NULL), QN_E_FORMAT, "goes on after the 1568 bytes");
    memcpy(zeros + 4, "\0\0\377\377\0\0\0\377\0\0\0\377", 12); /* more in the header than the file can give */
    bytes = compress_gz(to, n, zeros, 100000);
    write_file("bomb.gz", to, bytes);
    CHECK_STATUS(qn_dataset_idx_gz(&ds, in_dir("bomb.gz"), NULL, NULL), QN_E_FORMAT, "but there are at most");
    bytes = compress_gz(to, n, zeros, n);
    write_file("bomb.gz", to, bytes);
    CHECK_STATUS(qn_dataset_idx_gz(&ds, in_dir("bomb.gz"), NULL, &(qn_idx_opt){.max_bytes = 1 << 20}), QN_E_FORMAT,
                 "the limit is 1048576");
    memset(zeros, '\n', n);
    write_gz("bomb.gz", zeros, n);
    CHECK_STATUS(qn_dataset_csv_gz(&ds, in_dir("bomb.gz"), &(qn_csv_opt){.max_bytes = 1 << 20}), QN_E_FORMAT,
                 "longer than the limit");
    free(to);
    free(zeros);
}

static void members(void)
{
    qn_dataset *ds = NULL;
    size_t n = compress_gz(packed, sizeof(packed), good, 1000);

    n += compress_gz(packed + n, sizeof(packed) - n, good, 0);
    n += compress_gz(packed + n, sizeof(packed) - n, good + 1000, good_bytes - 1000);
    write_file("x.gz", packed, n);
    CHECK_OK(qn_dataset_idx_gz(&ds, in_dir("x.gz"), NULL, NULL));
    CHECK_INT(qn_dataset_samples(ds), 20);
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_idx_gz(&ds, dir, NULL, NULL), QN_E_IO, "is a folder");
    CHECK_STATUS(qn_dataset_idx_gz(&ds, "/nowhere", NULL, NULL), QN_E_IO, "/nowhere: cannot be opened");
}

static void lines(void)
{
    static const char text[] = "Go.\tVa !\r\n\xc3\xa9t\xc3\xa9";
    qn_lines *l = NULL;

    for (int packed_too = 0; packed_too < 2; packed_too++) {
        (packed_too ? write_gz : write_file)("lines.txt", text, sizeof(text) - 1);
        CHECK_OK(qn_lines_gz(&l, in_dir("lines.txt"), NULL));
        CHECK_INT(l->lines, 2);
        CHECK_STR(l->line[0], "Go.\tVa !");
        CHECK_STR(l->line[1], "\xc3\xa9t\xc3\xa9");
        qn_lines_destroy(&l);
        CHECK_STATUS(qn_lines_gz(&l, in_dir("lines.txt"), &(qn_lines_opt){.max_bytes = 8}), QN_E_FORMAT, "lines.txt");
        CHECK(!l);
    }
    CHECK_STATUS(qn_lines_gz(NULL, "x", NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_lines_gz(&l, NULL, NULL), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_lines_gz(&l, "/nowhere", NULL), QN_E_IO, "/nowhere");
}

int main(void)
{
    char command[128];

    snprintf(dir, sizeof(dir), "/tmp/quern-open-XXXXXX");
    if (!mkdtemp(dir))
        return 99;
    good_bytes = make_idx(good, 20, 28, 253);
    packed_bytes = compress_gz(packed, sizeof(packed), good, good_bytes);
    test_run("open: digits, enlarged", digits);
    test_run("open: mnist and fashion-mnist from folders", fake_sets);
    test_run("open: names", names);
    test_run("open: csv", csv);
    for (size_t i = 0; i < QNI_COUNT(broken); i++)
        test_run_with(broken[i].name, is_broken, &broken[i]);
    test_run("gz: bombs", bombs);
    test_run("gz: several members", members);
    test_run("gz: lines", lines);
    snprintf(command, sizeof(command), "rm -r %.60s", dir);
    return system(command) == 0 ? test_end() : 99;
}
