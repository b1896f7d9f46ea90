/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "data/data.h"
#include "test.h"

static qn_status read_csv(qn_dataset **out, const char *text, size_t n, const qn_csv_opt *opt)
{
    struct bytes b = {text, n, 0};

    return qn_dataset_csv_from(out, &(qn_reader){"t.csv", 0, give, &b}, opt);
}

struct good {
    const char *name, *text;
    qn_csv_opt opt;
    int64_t rows, columns;
    float x[6]; /* the features, row by row */
    float y[3];
};

static const struct good good[] = {
    {"csv: plain", "1,2,3\n4,5,6\n", {0}, 2, 2, {1, 2, 4, 5}, {3, 6}},
    {"csv: no newline at the end", "1,2\n3,4", {0}, 2, 1, {1, 3}, {2, 4}},
    {"csv: CR LF, empty lines", "\r\n1,2\r\n\r\n3,4\r\n\r\n", {0}, 2, 1, {1, 3}, {2, 4}},
    {"csv: CR alone", "1,2\r3,4\r", {0}, 2, 1, {1, 3}, {2, 4}},
    {"csv: byte order mark",
     "\xef\xbb\xbf"
     "1,2\n",
     {0},
     1,
     1,
     {1},
     {2}},
    {"csv: a header is seen", "a,\"b,\"\"c\"\n1,2\n", {0}, 1, 1, {1}, {2}},
    {"csv: a header with an empty name", ",b\n1,2\n", {0}, 1, 1, {1}, {2}},
    {"csv: a header of numbers", "1,2\n3,4\n", {.header = QN_CSV_YES}, 1, 1, {3}, {4}},
    {"csv: quotes and blanks", " \"1\" ,\t2 , \" 3\"\n", {0}, 1, 2, {1, 2}, {3}},
    {"csv: a value over two lines", "\"1\n\",2\n3,4\n", {0}, 2, 1, {1, 3}, {2, 4}},
    {"csv: numbers",
     "-1.5e2,+.5,5.,1E-3,0.1,-0\n",
     {.label = QN_CSV_NO_LABEL},
     1,
     6,
     {-150, .5f, 5, .001f, .1f, -0.f},
     {0}},
    {"csv: exact numbers",
     "16777217.0000001,1e-45,340282346638528859811704183484516925440,3.4028235677973362e38\n",
     {.label = QN_CSV_NO_LABEL},
     1,
     4,
     {16777218, 1e-45f, 3.40282346638528859811704183484516925440e38f, 3.4028234e38f},
     {0}},
    {"csv: label first", "1,2,3\n", {.label = 1}, 1, 2, {2, 3}, {1}},
    {"csv: label in the middle", "1,2,3\n", {.label = 2}, 1, 2, {1, 3}, {2}},
    {"csv: label by name", "a, b ,c\n1,2,3\n", {.label_name = "b"}, 1, 2, {1, 3}, {2}},
    {"csv: no label", "1,2\n", {.label = QN_CSV_NO_LABEL}, 1, 2, {1, 2}, {0}},
    {"csv: one column", "1\n2\n", {.label = QN_CSV_NO_LABEL}, 2, 1, {1, 2}, {0}},
    {"csv: semicolons", "1;2\n", {.separator = ';'}, 1, 1, {1}, {2}},
    {"csv: tabs", "1\t2\n", {.separator = '\t'}, 1, 1, {1}, {2}},
    {"csv: classes", "1,2\n1,0\n1,3.0\n", {.label_dtype = QN_I32, .classes = 4}, 3, 1, {1, 1, 1}, {2, 0, 3}},
};

static void is_good(const void *arg)
{
    const struct good *g = arg;
    const int64_t index[] = {0, 1, 2};
    qn_dataset *ds = NULL;
    float x[6];
    union {
        float f[3];
        int32_t i[3];
    } y;
    void *out[] = {x, &y};

    if (!CHECK_OK(read_csv(&ds, g->text, strlen(g->text), &g->opt)))
        return;
    CHECK_INT(qn_dataset_samples(ds), g->rows);
    CHECK_INT(qn_dataset_fields(ds), g->opt.label == QN_CSV_NO_LABEL ? 1 : 2);
    CHECK_INT(qn_dataset_field(ds, 0)->shape.rank, 1);
    if (!CHECK_INT(qn_dataset_field(ds, 0)->shape.dim[0], g->columns))
        return;
    CHECK_OK(qn_dataset_read(ds, index, g->rows, out));
    for (int64_t i = 0; i < g->rows * g->columns; i++)
        if (memcmp(&x[i], &g->x[i], sizeof(x[i])) != 0)
            test_fail(__FILE__, __LINE__, "value %d is %.9g, not %.9g", (int)i, (double)x[i], (double)g->x[i]);
    for (int64_t i = 0; i < g->rows && qn_dataset_fields(ds) == 2; i++)
        CHECK(g->y[i] == (g->opt.label_dtype == QN_I32 ? (float)y.i[i] : y.f[i]));
    if (qn_dataset_fields(ds) == 2)
        CHECK_INT(qn_dataset_field(ds, 1)->shape.rank, g->opt.label_dtype == QN_I32 ? 0 : 1);
    qn_dataset_close(&ds);
}

struct broken {
    const char *name, *text;
    qn_csv_opt opt;
    qn_status status;
    const char *part;
};

static const struct broken broken[] = {
    {"csv: empty", "", {0}, QN_E_FORMAT, "t.csv: no line of numbers"},
    {"csv: empty lines only", "\n\r\n\n", {0}, QN_E_FORMAT, "no line of numbers"},
    {"csv: header only", "a,b\n", {0}, QN_E_FORMAT, "no line of numbers"},
    {"csv: a word", "1,2\n3,x\n", {0}, QN_E_FORMAT, "line 2, column 2: expected a number, found \"x\""},
    {"csv: a word in the first line",
     "1,x\n3,4\n",
     {0},
     QN_E_FORMAT,
     "line 1, column 2: expected a number, found \"x\" (if"},
    {"csv: a word after the header", "a,b\n3,x\n", {0}, QN_E_FORMAT, "line 2, column 2"},
    {"csv: a header that is none", "a,b\n3,4\n", {.header = QN_CSV_NO}, QN_E_FORMAT, "line 1, column 1"},
    {"csv: missing value", "1,2\n,3\n", {0}, QN_E_FORMAT, "line 2, column 1: no value"},
    {"csv: question mark", "1,2\n?,3\n", {0}, QN_E_FORMAT, "found \"?\""},
    {"csv: nan", "1,2\nnan,3\n", {0}, QN_E_FORMAT, "found \"nan\""},
    {"csv: infinity", "1,2\n1e999,3\n", {0}, QN_E_FORMAT, "found \"1e999\""},
    {"csv: too large for f32", "1,2\n1e39,3\n", {0}, QN_E_FORMAT, "found \"1e39\""},
    {"csv: hexadecimal", "1,2\n0x10,3\n", {0}, QN_E_FORMAT, "found \"0x10\""},
    {"csv: comma as point", "1;2\n1,5;3\n", {.separator = ';'}, QN_E_FORMAT, "found \"1,5\""},
    {"csv: two numbers", "1,2\n1 5,3\n", {0}, QN_E_FORMAT, "found \"1 5\""},
    {"csv: text after a quote", "1,2\n\"1\"x,3\n", {0}, QN_E_FORMAT, "found \"1x\""},
    {"csv: quotes twice", "1,2\n\"1\"\"2\",3\n", {0}, QN_E_FORMAT, "line 2, column 1"},
    {"csv: too few values", "1,2,3\n\n4,5\n", {0}, QN_E_FORMAT, "line 3: 2 values, expected 3"},
    {"csv: too many values", "1,2,3\n4,5,6,7\n", {0}, QN_E_FORMAT, "line 2: 4 values"},
    {"csv: lines are counted in quotes", "\"1\n\",2\n3,x\n", {0}, QN_E_FORMAT, "line 3, column 2"},
    {"csv: open quote", "1,2\n3,\"4\n5,6\n", {0}, QN_E_FORMAT, "line 2, column 2: a quote is not closed"},
    {"csv: one column and a label", "1\n2\n", {0}, QN_E_FORMAT, "one column only"},
    {"csv: label beyond", "1,2\n", {.label = 3}, QN_E_FORMAT, "label is column 3, but there are 2"},
    {"csv: label not found", "a,b\n1,2\n", {.label_name = "c"}, QN_E_FORMAT, "no column named \"c\""},
    {"csv: label without header", "1,2\n", {.label_name = "c"}, QN_E_FORMAT, "no header"},
    {"csv: class out of range",
     "1,4\n",
     {.label_dtype = QN_I32, .classes = 4},
     QN_E_FORMAT,
     "line 1, column 2: the class is 4, expected an integer, 0 to 3"},
    {"csv: negative class",
     "1,-1\n",
     {.label_dtype = QN_I32},
     QN_E_FORMAT,
     "class is -1, expected an integer, 0 or more"},
    {"csv: class and a half", "1,1.5\n", {.label_dtype = QN_I32}, QN_E_FORMAT, "class is 1.5"},
    {"csv: huge class", "1,3e9\n", {.label_dtype = QN_I32}, QN_E_FORMAT, "class is 3e+09"},
    {"csv: too long", "1,2\n3,4\n", {.max_bytes = 7}, QN_E_FORMAT, "limit of 7 bytes"},
    {"csv: label dtype", "1,2\n", {.label_dtype = QN_U8}, QN_E_ARG, "u8"},
    {"csv: separator", "1,2\n", {.separator = '.'}, QN_E_ARG, "separator"},
    {"csv: separator that is not ASCII", "1\xe9 2\n", {.separator = (char)0xe9}, QN_E_ARG, "separator"},
    {"csv: two labels", "1,2\n", {.label = 1, .label_name = "x"}, QN_E_ARG, "by number and by name"},
    {"csv: label -2", "1,2\n", {.label = -2}, QN_E_ARG, NULL},
    {"csv: reserved", "1,2\n", {.reserved = {0, 0, 1}}, QN_E_ARG, "reserved[2]"},
};

static void is_broken(const void *arg)
{
    const struct broken *b = arg;
    qn_dataset *ds = (qn_dataset *)&ds;

    CHECK_STATUS(read_csv(&ds, b->text, strlen(b->text), &b->opt), b->status, b->part);
    CHECK(!ds);
}

static void zero_bytes(void)
{
    qn_dataset *ds = NULL;

    CHECK_STATUS(read_csv(&ds, "1,2\n1\0,2\n", 9, NULL), QN_E_FORMAT, "line 2, column 1");
}

/* Longer than a piece, so that values, quotes and line ends fall on its edge. */
static void long_text(void)
{
    char *text = malloc(3000000);
    qn_dataset *ds = NULL;
    size_t n = 0;
    int64_t rows = 0, index[1];
    float x[2], y;
    void *out[] = {x, &y};

    while (n < 2900000) {
        n += (size_t)sprintf(text + n, rows % 3 ? "%d,\"%d\",-%d\r\n" : "%d,%d,-%d\n", (int)rows, (int)rows + 1,
                             (int)rows);
        rows++;
    }
    CHECK_OK(read_csv(&ds, text, n, NULL));
    CHECK_INT(qn_dataset_samples(ds), rows);
    for (index[0] = 0; index[0] < rows; index[0]++) {
        CHECK_OK(qn_dataset_read(ds, index, 1, out));
        CHECK(x[0] == (float)index[0] && x[1] == (float)(index[0] + 1) && y == -(float)index[0]);
    }
    qn_dataset_close(&ds);
    memset(text, '1', 3000000);
    CHECK_STATUS(read_csv(&ds, text, 3000000, NULL), QN_E_FORMAT, NULL);
    memset(text, ',', 3000000);
    CHECK_STATUS(read_csv(&ds, text, 3000000, NULL), QN_E_FORMAT, "no value");
    free(text);
    text = malloc((17 << 20) + 1);
    memset(text, 'x', 17 << 20);
    CHECK_STATUS(read_csv(&ds, text, 17 << 20, NULL), QN_E_FORMAT, "line 1: longer than");
    text[0] = '"';
    CHECK_STATUS(read_csv(&ds, text, 17 << 20, NULL), QN_E_FORMAT, "line 1: longer than");
    free(text);
}

/* An installed locale with a decimal comma, or one made for the moment. */
static bool comma_locale(char *dir, size_t bytes)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE"};
    char command[512];

    for (size_t i = 0; i < QNI_COUNT(names); i++)
        if (setlocale(LC_ALL, names[i]))
            return true;
    snprintf(dir, bytes, "/tmp/quern-locale-XXXXXX");
    if (!mkdtemp(dir)) {
        *dir = 0;
        return false;
    }
    snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", dir);
    if (system(command) != 0)
        return false;
    setenv("LOCPATH", dir, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static void locale(void)
{
    char dir[64] = "", text[64];
    double v;

    if (comma_locale(dir, sizeof(dir))) {
        snprintf(text, sizeof(text), "%.1f", 0.5);
        CHECK_STR(text, "0,5");
        for (size_t k = 0; k < QNI_COUNT(good); k++)
            is_good(&good[k]);
        CHECK(qni_parse_number("123456789.0123456789", 20, &v) && v == 123456789.0123456789);
        CHECK(!qni_parse_number("1,5", 3, &v));
        CHECK_STR(qni_double_text(-1234.5e-20, text, sizeof(text)), "-1.2345e-17");
        setlocale(LC_ALL, "C");
    } else {
        test_skip("no locale with a decimal comma, and none can be made");
    }
    if (*dir) {
        snprintf(text, sizeof(text), "rm -r %.50s", dir);
        CHECK_INT(system(text), 0);
    }
}

static void numbers(void)
{
    static const char *const wrong[] = {"",   "+",  "-",   ".",   "e5",    "1e", "1e+", "1.2.3",   "--1",
                                        " 1", "1 ", "0x1", "inf", "1e400", "1f", "1_0", "\xd9\xa1"};
    static const struct {
        double v;
        const char *text;
    } texts[] = {{0, "0"},
                 {-0.0, "-0"},
                 {0.1, "0.1"},
                 {1e21, "1e+21"},
                 {1.0 / 3, "0.3333333333333333"},
                 {5e-324, NULL},
                 {HUGE_VAL, "Infinity"},
                 {-HUGE_VAL, "-Infinity"},
                 {123456789, "123456789"},
                 {1.7976931348623157e308, NULL}};
    char text[64];
    double v;

    for (size_t i = 0; i < QNI_COUNT(wrong); i++)
        if (qni_parse_number(wrong[i], strlen(wrong[i]), &v))
            test_fail(__FILE__, __LINE__, "\"%s\" was taken for %g", wrong[i], v);
    for (size_t i = 0; i < QNI_COUNT(texts); i++) {
        qni_double_text(texts[i].v, text, 32);
        if (texts[i].text)
            CHECK_STR(text, texts[i].text);
        if (isfinite(texts[i].v))
            CHECK(qni_parse_number(text, strlen(text), &v) && memcmp(&v, &texts[i].v, sizeof(v)) == 0);
    }
    for (int i = 0; i < 20000; i++) {
        double want = test_uniform() * pow(10, (double)test_integer(40) - 20);

        snprintf(text, sizeof(text), "%.*g", 1 + (int)test_integer(20), want);
        CHECK(qni_parse_number(text, strlen(text), &v) && v == strtod(text, NULL));
        qni_double_text(want, text, 32);
        CHECK(qni_parse_number(text, strlen(text), &v) && v == want);
    }
}

static void file(void)
{
    qn_dataset *ds = NULL;

    CHECK_STATUS(qn_dataset_csv(&ds, "/nowhere/x.csv", NULL), QN_E_IO, "/nowhere/x.csv: cannot be opened");
    CHECK_STATUS(qn_dataset_csv(&ds, NULL, NULL), QN_E_ARG, NULL);
    CHECK_STATUS(qn_dataset_csv_from(&ds, NULL, NULL), QN_E_ARG, NULL);
    CHECK_STATUS(qn_dataset_csv(NULL, "x", NULL), QN_E_ARG, NULL);
}

int main(void)
{
    for (size_t i = 0; i < QNI_COUNT(good); i++)
        test_run_with(good[i].name, is_good, &good[i]);
    for (size_t i = 0; i < QNI_COUNT(broken); i++)
        test_run_with(broken[i].name, is_broken, &broken[i]);
    test_run("csv: a zero byte", zero_bytes);
    test_run("csv: long texts and long lines", long_text);
    test_run("csv: whatever the locale", locale);
    test_run("number: text and back", numbers);
    test_run("csv: files", file);
    return test_end();
}
