/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "io/safetensors.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "test.h"

static qn_context *ctx;
static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[4][512];
    static int next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

/* Files in the folder, temporaries too. */
static int files_in_dir(void)
{
    DIR *d = opendir(dir);
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

static void clear_dir(void)
{
    char command[256];

    snprintf(command, sizeof(command), "rm -rf %.60s && mkdir %.60s", dir, dir);
    CHECK_INT(system(command), 0);
}

static qn_status save(const char *path, float stamp, int64_t n)
{
    struct qni_safetensors_out *o = NULL;
    qn_shape two = qni_shape(2, (int64_t)3, n), scalar = qni_shape(0), none = qni_shape(2, (int64_t)0, (int64_t)5);
    const unsigned char bytes[] = {1, 2, 3};
    const int64_t big = INT64_C(0x0102030405060708);
    float *x = malloc((size_t)(3 * n) * sizeof(float));
    qn_status st;

    for (int64_t i = 0; i < 3 * n; i++)
        x[i] = stamp + (float)i;
    if ((st = qni_safetensors_create(&o, ctx, path)) != QN_OK ||
        (st = qni_safetensors_put_metadata(o, "note", "quotes \" and \xe2\x82\xac")) != QN_OK ||
        (st = qni_safetensors_declare(o, "b.bytes", QN_U8, &(qn_shape){1, {3}})) != QN_OK ||
        (st = qni_safetensors_declare(o, "w \"1\"", QN_F32, &two)) != QN_OK ||
        (st = qni_safetensors_declare(o, "none", QN_F16, &none)) != QN_OK ||
        (st = qni_safetensors_declare(o, "big", QN_I64, &scalar)) != QN_OK ||
        (st = qni_safetensors_write(o, 1, x, 8)) != QN_OK || (st = qni_safetensors_write(o, 0, bytes, 3)) != QN_OK ||
        (st = qni_safetensors_write(o, 1, x + 2, (size_t)(3 * n - 2) * sizeof(float))) != QN_OK ||
        (st = qni_safetensors_write(o, 3, &big, 8)) != QN_OK)
        goto done;
    st = qni_safetensors_commit(&o);
done:
    qni_safetensors_discard(&o);
    free(x);
    return st;
}

/* What save() has written; its stamp. */
static float check_saved(const char *path)
{
    struct qni_safetensors *s = NULL;
    const struct qni_safetensors_entry *e;
    unsigned char bytes[3];
    int64_t big = 0;
    float *x, first = 0;

    if (!CHECK_OK(qni_safetensors_open(&s, ctx, path)))
        return -1;
    CHECK_INT(qni_safetensors_count(s), 4);
    CHECK_STR(qni_safetensors_metadata(s, "note"), "quotes \" and \xe2\x82\xac");
    CHECK_STR(qni_safetensors_metadata(s, "quern.format"), "1");
    CHECK(!qni_safetensors_metadata(s, "other"));
    for (size_t i = 1; i < 4; i++)
        CHECK(strcmp(qni_safetensors_get(s, i - 1)->name, qni_safetensors_get(s, i)->name) < 0);
    CHECK(!qni_safetensors_get(s, 4) && !qni_safetensors_find(s, "w"));
    e = qni_safetensors_find(s, "b.bytes");
    CHECK(e && e->bytes == 3 && e->dtype == QN_U8 && e->readable);
    CHECK_OK(qni_safetensors_read(s, e, 0, bytes, 3));
    CHECK(bytes[0] == 1 && bytes[2] == 3);
    CHECK_OK(qni_safetensors_read(s, e, 1, bytes, 2));
    CHECK(bytes[0] == 2);
    CHECK_STATUS(qni_safetensors_read(s, e, 1, bytes, 3), QN_E_SHAPE, "3 bytes from byte 1 on, but it has 3");
    e = qni_safetensors_find(s, "big");
    CHECK_STR(e->type, "I64");
    CHECK_INT(e->shape.rank, 0);
    CHECK_INT(e->offset % 8, 0);
    CHECK_OK(qni_safetensors_read(s, e, 0, &big, 8));
    CHECK_INT(big, INT64_C(0x0102030405060708));
    CHECK_STATUS(qni_safetensors_read(s, e, 4, &big, 4), QN_E_SHAPE, NULL);
    e = qni_safetensors_find(s, "none");
    CHECK(e && e->bytes == 0 && e->dtype == QN_F16 && e->shape.rank == 2 && e->shape.dim[1] == 5);
    CHECK_OK(qni_safetensors_read(s, e, 0, NULL, 0));
    e = qni_safetensors_find(s, "w \"1\"");
    if (e) {
        CHECK_INT(e->offset % 4, 0);
        x = malloc((size_t)e->bytes);
        CHECK_OK(qni_safetensors_read(s, e, 0, x, (size_t)e->bytes));
        first = x[0];
        for (int64_t i = 0; i < e->bytes / 4; i++)
            if (x[i] != first + (float)i) {
                test_fail(__FILE__, __LINE__, "value %d is %g", (int)i, (double)x[i]);
                break;
            }
        free(x);
    }
    qni_safetensors_close(&s);
    CHECK(!s);
    return first;
}

static void round_trip(void)
{
    clear_dir();
    CHECK_OK(save(in_dir("a"), 7, 5));
    CHECK(check_saved(in_dir("a")) == 7);
    CHECK_OK(save(in_dir("a"), 8, 1));
    CHECK(check_saved(in_dir("a")) == 8);
    CHECK_INT(files_in_dir(), 1);
}

/* The header as text, and the data; broken files are built of them. */
struct broken {
    const char *name, *header, *data;
    size_t bytes;
    qn_status status;
    const char *part;
};

#define DATA(s)           s, sizeof(s) - 1
#define A                 "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
#define ENTRY(t, s, b, e) "{\"a\":{\"dtype\":\"" t "\",\"shape\":" s ",\"data_offsets\":[" b "," e "]}}"

static const struct broken broken[] = {
    {"safetensors: good", A "}", DATA("1234"), QN_OK, NULL},
    {"safetensors: good, no tensors", "{}", DATA(""), QN_OK, NULL},
    {"safetensors: good, blanks behind", A "}    ", DATA("1234"), QN_OK, NULL},
    {"safetensors: good, unknown metadata", "{\"__metadata__\":{\"format\":\"pt\"}}", DATA(""), QN_OK, NULL},
    {"safetensors: good, f64", ENTRY("F64", "[1]", "0", "8"), DATA("12345678"), QN_OK, NULL},
    {"safetensors: no header", "", DATA(""), QN_E_FORMAT, "does not begin with '{'"},
    {"safetensors: array", "[]", DATA(""), QN_E_FORMAT, "does not begin with '{'"},
    {"safetensors: blank first", " {}", DATA(""), QN_E_FORMAT, "does not begin with '{'"},
    {"safetensors: not JSON", "{\"a\"", DATA(""), QN_E_FORMAT, "ends too early"},
    {"safetensors: text behind", "{} x", DATA(""), QN_E_FORMAT, "expected the end"},
    {"safetensors: two of one name", A ",\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
     DATA("12341234"), QN_E_FORMAT, "\"a\" twice"},
    {"safetensors: too deep", "{\"a\":[[[[1]]]]}", DATA(""), QN_E_FORMAT, "too deep"},
    {"safetensors: no object", "{\"a\":1}", DATA(""), QN_E_FORMAT, "a: expected an object, found 1"},
    {"safetensors: no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", DATA("1234"), QN_E_FORMAT,
     "a: no \"dtype\""},
    {"safetensors: no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", DATA("1234"), QN_E_FORMAT,
     "no \"shape\""},
    {"safetensors: no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", DATA("1234"), QN_E_FORMAT,
     "no \"data_offsets\""},
    {"safetensors: one more member", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}",
     DATA("1234"), QN_E_FORMAT, "4 members"},
    {"safetensors: dtype", ENTRY("f32", "[1]", "0", "4"), DATA("1234"), QN_E_FORMAT,
     "a.dtype: expected a type of values, found \"f32\""},
    {"safetensors: shape a number", ENTRY("F32", "1", "0", "4"), DATA("1234"), QN_E_FORMAT,
     "a.shape: expected an array"},
    {"safetensors: negative size", ENTRY("F32", "[-1]", "0", "4"), DATA("1234"), QN_E_FORMAT,
     "a.shape[0]: expected an integer, 0 or more"},
    {"safetensors: half a size", ENTRY("F32", "[0.5]", "0", "4"), DATA("1234"), QN_E_FORMAT, "found 0.5"},
    {"safetensors: nine axes", ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "0", "4"), DATA("1234"), QN_E_FORMAT, "9 axes"},
    {"safetensors: product overflows", ENTRY("F32", "[4294967296,4294967296]", "0", "4"), DATA("1234"), QN_E_FORMAT,
     "product overflows"},
    {"safetensors: bytes overflow", ENTRY("F32", "[4611686018427387904]", "0", "4"), DATA("1234"), QN_E_FORMAT,
     "product overflows"},
    {"safetensors: a zero hides no overflow", ENTRY("F32", "[0,4294967296,4294967296]", "0", "0"), DATA(""),
     QN_E_FORMAT, "overflows"},
    {"safetensors: shape needs more", ENTRY("F32", "[2]", "0", "4"), DATA("1234"), QN_E_FORMAT,
     "a.data_offsets: 4 bytes, but the shape needs 8"},
    {"safetensors: begin behind the end", ENTRY("F32", "[1]", "4", "0"), DATA("1234"), QN_E_FORMAT,
     "a.data_offsets[1]: expected an integer from 4 to 4, found 0"},
    {"safetensors: end outside", ENTRY("F32", "[2]", "0", "8"), DATA("1234"), QN_E_FORMAT,
     "expected an integer from 0 to 4, found 8"},
    {"safetensors: end far outside", ENTRY("F32", "[1]", "9223372036854775803", "9223372036854775807"), DATA("1234"),
     QN_E_FORMAT, "found 9223372036854775803"},
    {"safetensors: negative begin", ENTRY("F32", "[1]", "-4", "0"), DATA("1234"), QN_E_FORMAT, "found -4"},
    {"safetensors: one offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", DATA("1234"),
     QN_E_FORMAT, "no item 1"},
    {"safetensors: three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", DATA("1234"),
     QN_E_FORMAT, "expected two offsets"},
    {"safetensors: offsets an object", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{\"0\":0}}}",
     DATA("1234"), QN_E_FORMAT, "expected an array"},
    {"safetensors: gap", ENTRY("F32", "[1]", "4", "8"), DATA("12345678"), QN_E_FORMAT,
     "a: begins at byte 4 of the data, after a gap"},
    {"safetensors: data behind", A "}", DATA("12345"), QN_E_FORMAT, "5 bytes of data, but the tensors end at 4"},
    {"safetensors: data without tensors", "{}", DATA("1"), QN_E_FORMAT, "1 bytes of data, but the tensors end at 0"},
    {"safetensors: overlap", A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", DATA("123456"),
     QN_E_FORMAT, "b: begins at byte 2 of the data, but another tensor ends at 4"},
    {"safetensors: the same bytes twice", A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
     DATA("1234"), QN_E_FORMAT, "begins at byte 0"},
    {"safetensors: metadata a text", "{\"__metadata__\":\"x\"}", DATA(""), QN_E_FORMAT,
     "__metadata__: expected an object of texts"},
    {"safetensors: metadata a number", "{\"__metadata__\":{\"x\":1}}", DATA(""), QN_E_FORMAT,
     "__metadata__.x: expected a text, found 1"},
    {"safetensors: newer format", "{\"__metadata__\":{\"quern.format\":\"2\"},\"a\":1}", DATA(""), QN_E_UNSUPPORTED,
     "written by a newer Quern: format 2, this one reads up to 1"},
    {"safetensors: no format", "{\"__metadata__\":{\"quern.format\":\"x\"}}", DATA(""), QN_E_FORMAT,
     "expected a format's number"},
    {"safetensors: zero in a name", "{\"a\\u0000b\":{}}", DATA(""), QN_E_FORMAT, "stands for no character"},
};

static void write_raw(const char *path, uint64_t length, const char *header, const char *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");

    for (int i = 0; f && i < 8; i++)
        fputc((int)(length >> 8 * i & 255), f);
    CHECK(f && fwrite(header, 1, strlen(header), f) == strlen(header) && fwrite(data, 1, bytes, f) == bytes &&
          fclose(f) == 0);
}

static void is_broken(const void *arg)
{
    const struct broken *b = arg;
    struct qni_safetensors *s = (struct qni_safetensors *)&s;
    const char *path = in_dir("b");

    write_raw(path, strlen(b->header), b->header, b->data, b->bytes);
    if (!b->status) {
        CHECK_OK(qni_safetensors_open(&s, ctx, path));
        qni_safetensors_close(&s);
        return;
    }
    CHECK_STATUS(qni_safetensors_open(&s, ctx, path), b->status, b->part);
    CHECK(strstr(qn_last_error(), path));
    CHECK(!s);
}

static void lengths(void)
{
    static const uint64_t wrong[] = {19, 100000001, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 8};
    struct qni_safetensors *s = NULL;
    const char *path = in_dir("b");

    for (size_t i = 0; i < QNI_COUNT(wrong); i++) {
        write_raw(path, wrong[i], "{}", "0123456789abcdef", 16);
        CHECK_STATUS(qni_safetensors_open(&s, ctx, path), QN_E_FORMAT, "not a safetensors file, or damaged");
    }
    for (int n = 0; n < 8; n++) {
        CHECK_OK(qni_file_replace(ctx, path, "\2\0\0\0\0\0\0\0", (size_t)n));
        CHECK_STATUS(qni_safetensors_open(&s, ctx, path), QN_E_FORMAT, "too short");
    }
    CHECK_STATUS(qni_safetensors_open(&s, ctx, dir), QN_E_IO, "not a regular file");
    CHECK_STATUS(qni_safetensors_open(&s, ctx, "/nowhere"), QN_E_IO, "/nowhere: cannot be opened");
    CHECK_INT(mkfifo(in_dir("pipe"), 0600), 0);
    CHECK_STATUS(qni_safetensors_open(&s, ctx, in_dir("pipe")), QN_E_IO, "not a regular file");
    CHECK(!s);
    /* A type that is not ours, and a file that shrinks while it is open. */
    write_raw(path, 62, "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}        ", "12345678", 8);
    CHECK_OK(qni_safetensors_open(&s, ctx, path));
    double d;
    CHECK_STATUS(qni_safetensors_read(s, qni_safetensors_get(s, 0), 0, &d, 8), QN_E_UNSUPPORTED,
                 "a: values of type F64");
    qni_safetensors_close(&s);
    CHECK_OK(save(path, 1, 1000));
    CHECK_OK(qni_safetensors_open(&s, ctx, path));
    CHECK_INT(truncate(path, 600), 0);
    const struct qni_safetensors_entry *e = qni_safetensors_find(s, "w \"1\"");
    float *x = malloc((size_t)e->bytes);
    CHECK_STATUS(qni_safetensors_read(s, e, 0, x, (size_t)e->bytes), QN_E_FORMAT, "truncated: ends at byte 600");
    free(x);
    qni_safetensors_close(&s);
}

static void wrong_writes(void)
{
    struct qni_safetensors_out *o = NULL;
    qn_shape two = qni_shape(1, (int64_t)2), negative = qni_shape(1, (int64_t)-1);
    float x[3] = {0};

    clear_dir();
    CHECK_STATUS(qni_safetensors_create(&o, ctx, "/nowhere/x"), QN_E_IO, "cannot be created");
    CHECK_STATUS(qni_safetensors_create(&o, ctx, in_dir("")), QN_E_IO, NULL);
    CHECK(!o);
    CHECK_OK(qni_safetensors_create(&o, ctx, in_dir("c")));
    CHECK_STATUS(qni_safetensors_declare(o, "__metadata__", QN_F32, &two), QN_E_ARG, "__metadata__");
    CHECK_STATUS(qni_safetensors_declare(o, "a", QN_F32, &negative), QN_E_SHAPE, "negative");
    CHECK_STATUS(qni_safetensors_put_metadata(o, "quern.format", "9"), QN_E_ARG, "two texts");
    CHECK_OK(qni_safetensors_declare(o, "a", QN_F32, &two));
    CHECK_STATUS(qni_safetensors_write(o, 0, x, 12), QN_E_SHAPE, "a: 12 bytes after 0, but it has 8");
    CHECK_STATUS(qni_safetensors_write(o, 0, x, 3), QN_E_SHAPE, NULL);
    CHECK_STATUS(qni_safetensors_write(o, 1, x, 4), QN_E_ARG, "tensor 1");
    CHECK_OK(qni_safetensors_write(o, 0, x, 4));
    CHECK_STATUS(qni_safetensors_declare(o, "b", QN_F32, &two), QN_E_STATE, NULL);
    CHECK_STATUS(qni_safetensors_put_metadata(o, "k", "v"), QN_E_STATE, NULL);
    CHECK_STATUS(qni_safetensors_commit(&o), QN_E_STATE, "a: 4 bytes were written, it has 8");
    CHECK(!o);
    CHECK_INT(files_in_dir(), 0); /* nothing is left */
    CHECK_OK(qni_safetensors_create(&o, ctx, in_dir("c")));
    CHECK_OK(qni_safetensors_declare(o, "a", QN_F32, &two));
    CHECK_OK(qni_safetensors_declare(o, "a", QN_I32, &two));
    CHECK_STATUS(qni_safetensors_commit(&o), QN_E_ARG, "two tensors are named 'a'");
    CHECK_OK(qni_safetensors_create(&o, ctx, in_dir("c")));
    qni_safetensors_discard(&o);
    CHECK_INT(files_in_dir(), 0);
}

static void files(void)
{
    char *text = NULL;
    struct qni_file_out *a = NULL, *b = NULL;
    struct stat about;
    size_t n;

    clear_dir();
    CHECK_OK(qni_file_replace(ctx, in_dir("f"), "hello", 5));
    CHECK_OK(qni_file_read(ctx, in_dir("f"), 5, &text, &n));
    CHECK_INT(n, 5);
    CHECK_STR(text, "hello");
    qni_free(ctx, &text);
    CHECK_STATUS(qni_file_read(ctx, in_dir("f"), 4, &text, &n), QN_E_FORMAT, "5 bytes long, the limit is 4");
    CHECK_STATUS(qni_file_read(ctx, "/dev/zero", 1000000, &text, &n), QN_E_FORMAT, "longer than the limit");
    CHECK_STATUS(qni_file_read(ctx, dir, 5, &text, &n), QN_E_IO, "cannot be read");
    CHECK_STATUS(qni_file_read(ctx, in_dir("none"), 5, &text, &n), QN_E_IO, "cannot be opened");
    CHECK(!text);
    CHECK_OK(qni_file_read(ctx, "/dev/null", 5, &text, &n));
    CHECK_INT(n, 0);
    qni_free(ctx, &text);
    /* Two writers of one name: the old content stays until a commit, and the last commit wins. */
    CHECK_OK(qni_file_create(&a, ctx, in_dir("f")));
    CHECK_OK(qni_file_create(&b, ctx, in_dir("f")));
    CHECK_OK(qni_file_write_at(a, 0, "aaa", 3));
    CHECK_OK(qni_file_write_at(b, 2, "bb", 2));
    CHECK_OK(qni_file_write_at(b, 0, "cc", 2));
    CHECK_OK(qni_file_read(ctx, in_dir("f"), 5, &text, &n));
    CHECK_STR(text, "hello");
    qni_free(ctx, &text);
    CHECK_OK(qni_file_commit(&b));
    CHECK_OK(qni_file_read(ctx, in_dir("f"), 5, &text, &n));
    CHECK_STR(text, "ccbb");
    qni_free(ctx, &text);
    CHECK_OK(qni_file_commit(&a));
    CHECK_OK(qni_file_read(ctx, in_dir("f"), 5, &text, &n));
    CHECK_STR(text, "aaa");
    qni_free(ctx, &text);
    CHECK_INT(files_in_dir(), 1);
    /* Permissions stay; links are followed; other things are not replaced. */
    CHECK_INT(chmod(in_dir("f"), 0640), 0);
    CHECK_INT(symlink("f", in_dir("link")), 0);
    CHECK_OK(qni_file_replace(ctx, in_dir("link"), "x", 1));
    CHECK_INT(lstat(in_dir("link"), &about), 0);
    CHECK(S_ISLNK(about.st_mode));
    CHECK_INT(stat(in_dir("f"), &about), 0);
    CHECK_INT(about.st_size, 1);
    CHECK_INT(about.st_mode & 0777, 0640);
    CHECK_STATUS(qni_file_replace(ctx, "/dev/null", "x", 1), QN_E_IO, "not a regular file");
    CHECK_STATUS(qni_file_replace(ctx, dir, "x", 1), QN_E_IO, "not a regular file");
    CHECK_INT(files_in_dir(), 2);
    /* A relative name. */
    CHECK_INT(chdir(dir), 0);
    CHECK_OK(qni_file_replace(ctx, "g", "x", 1));
    CHECK_OK(qni_file_replace(ctx, "./g", "y", 1));
    CHECK_INT(chdir("/"), 0);
    CHECK_INT(files_in_dir(), 3);
}

/* A limit on the size of files stands in for a full disk. */
static void no_room(void)
{
    static char block[1 << 16];
    struct rlimit before, limit;
    struct qni_file_out *f = NULL;

    clear_dir();
    CHECK_OK(qni_file_replace(ctx, in_dir("f"), "old", 3));
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_OK(qni_file_create(&f, ctx, in_dir("f")));
    CHECK_OK(qni_file_write_at(f, 0, block, sizeof(block)));
    CHECK_STATUS(qni_file_write_at(f, sizeof(block), block, sizeof(block)), QN_E_IO,
                 "cannot be written: File too large");
    CHECK_STATUS(qni_file_write_at(f, 0, block, 1), QN_E_IO, "an earlier write failed");
    CHECK_STATUS(qni_file_commit(&f), QN_E_IO, "an earlier write failed");
    CHECK_STATUS(save(in_dir("f"), 0, 100000), QN_E_IO, "File too large");
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_INT(files_in_dir(), 1);
    struct stat about;
    CHECK(stat(in_dir("f"), &about) == 0 && about.st_size == 3);
}

/* A child saves one file after another and is killed at any instant: what is there always loads. */
static void kills(void)
{
    char path[128];
    int left;

    clear_dir();
    snprintf(path, sizeof(path), "%s/k", dir);
    CHECK_OK(save(path, 0, 10));
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();

        if (child == 0) {
            for (int k = 1;; k++)
                if (save(path, (float)(1000 * i + k % 1000), 1 + (k * 7919) % 60000))
                    _exit(1);
        }
        usleep((useconds_t)(500 + test_integer(20000)));
        kill(child, SIGKILL);
        waitpid(child, &left, 0);
        CHECK(WIFSIGNALED(left));
        check_saved(path);
        if (test_failed())
            return;
    }
    CHECK(files_in_dir() <= 2); /* temporaries are used again */
    CHECK_OK(save(path, 5, 10));
    CHECK(check_saved(path) == 5);
    CHECK_INT(files_in_dir(), 1);
}

/* Several processes save under one name at once. */
static void many_writers(void)
{
    pid_t child[4];
    int left;

    clear_dir();
    for (int i = 0; i < 4; i++)
        if ((child[i] = fork()) == 0) {
            for (int k = 0; k < 50; k++)
                if (save(in_dir("m"), (float)(1000 * i), 100 + 1000 * i))
                    _exit(1);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) {
        CHECK_INT(waitpid(child[i], &left, 0), child[i]);
        CHECK(WIFEXITED(left) && WEXITSTATUS(left) == 0);
    }
    check_saved(in_dir("m"));
    CHECK_INT(files_in_dir(), 1);
}

int main(void)
{
    char command[256];

    snprintf(dir, sizeof(dir), "/tmp/quern-safetensors-XXXXXX");
    if (!mkdtemp(dir) || qn_context_create(&ctx, &(qn_context_opt){.store_dir = ""}))
        return 99;
    test_run("safetensors: round trip", round_trip);
    for (size_t i = 0; i < QNI_COUNT(broken); i++)
        test_run_with(broken[i].name, is_broken, &broken[i]);
    test_run("safetensors: lengths, pipes, shrinking files", lengths);
    test_run("safetensors: wrong writes leave nothing", wrong_writes);
    test_run("file: bounded reading, whole writing", files);
    test_run("file: a full disk", no_room);
    test_run("safetensors: several processes, one name", many_writers);
    test_run("safetensors: killed a hundred times", kills);
    qn_context_destroy(&ctx);
    snprintf(command, sizeof(command), "rm -r %.60s", dir);
    return system(command) == 0 ? test_end() : 99;
}
