/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tables: CSV and ARFF, what is remarkable about them, and what is made of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "harness/test.h"
#include <quern/data_table.h>

struct bytes {
    const char *text;
    size_t left;
};

static qn_status give(void *user, void *to, size_t bytes, size_t *got)
{
    struct bytes *b = user;

    *got = QNI_MIN(bytes, b->left);
    memcpy(to, b->text, *got);
    b->text += *got;
    b->left -= *got;
    return QN_OK;
}

static qn_status read_text(qn_table **out, const char *text, const qn_table_opt *opt)
{
    struct bytes b = {text, strlen(text)};

    return qn_table_from(out, &(qn_reader){.name = "t", .read = give, .user = &b}, opt);
}

static qn_table *table(const char *text)
{
    qn_table *t = NULL;

    CHECK_OK(read_text(&t, text, NULL));
    return t;
}

static const char wine[] = "\xef\xbb\xbf" "acid,colour,quality\r\n1,red,5\r\n\r\n3,white,6\n?,red,7\n5, \"ros\"\"e\" ,5\n1,red,5\n";
static const char cars[] = "% cars\n\n@relation 'a b'\n% more\n@attribute cylinders { 8, 4, 'six six'}\n"
                           "@ATTRIBUTE \"horse power\" REAL\n"
                           "@attribute class integer\n@data\n8, 130.5, 18\n% no row\n'six six',?,20\n4,90,31\n";

static void cells(void)
{
    qn_table *t = table(wine);

    CHECK(qn_table_rows(t) == 5 && qn_table_columns(t) == 3);
    CHECK_STR(qn_table_column(t, 1), "colour");
    CHECK_STR(qn_table_cell(t, 3, 1), "ros\"e");
    CHECK(!qn_table_cell(t, 2, 0) && !qn_table_cell(t, 5, 0) && !qn_table_cell(t, 0, 3) && !qn_table_column(t, 3));
    CHECK(qn_table_line(t, 0) == 2 && qn_table_line(t, 1) == 4 && qn_table_line(t, 5) == 0);
    CHECK(qn_table_find(t, "quality") == 2 && qn_table_find(t, "3") == 2);
    CHECK(qn_table_find(t, "4") == -1 && qn_table_find(t, "1.5") == -1);
    qn_table_destroy(&t);
    qn_table_destroy(&t);
    t = table("1,2\n3,4\n");
    CHECK(qn_table_rows(t) == 2);
    CHECK_STR(qn_table_column(t, 1), "2");
    qn_table_destroy(&t);
    CHECK_OK(read_text(&t, "a;b\n1;2", &(qn_table_opt){.header = QN_CSV_NO, .separator = ';'}));
    CHECK(qn_table_rows(t) == 2 && qn_table_rows(NULL) == 0 && !qn_table_cell(NULL, 0, 0));
    qn_table_destroy(&t);
    t = table(cars);
    CHECK(qn_table_rows(t) == 3 && qn_table_columns(t) == 3);
    CHECK_STR(qn_table_column(t, 1), "horse power");
    CHECK_STR(qn_table_cell(t, 1, 0), "six six");
    CHECK(!qn_table_cell(t, 1, 1) && qn_table_line(t, 1) == 11);
    qn_table_destroy(&t);
}

static void skip(void *user, const char *line)
{
    CHECK(strstr(line, "t: line 2"));
    ++*(int *)user;
}

static void broken(void)
{
    static const struct { const char *text; qn_status status; const char *part; } cases[] = {
        {"", QN_E_FORMAT, "no row"},
        {"a,b\n", QN_E_FORMAT, "no row"},
        {"a,b\n1,2,3\n", QN_E_FORMAT, "line 2: 3 values, expected 2"},
        {"a,a\n1,2\n", QN_E_FORMAT, "two columns are named"},
        {"a,\xff\n1,2\n", QN_E_FORMAT, "UTF-8"},
        {"a,b\n1,\"2\n", QN_E_FORMAT, "not closed"},
        {"@relation r\n@attribute a real\n", QN_E_FORMAT, "before @data"},
        {"@relation r\n@data\n1\n", QN_E_FORMAT, "no attribute"},
        {"@relation r\n@attribute a date\n@data\n1\n", QN_E_UNSUPPORTED, "type date"},
        {"@relation r\n@attribute a {x,y\n@data\nx\n", QN_E_FORMAT, "line 2: expected a comma"},
        {"@relation r\n@attribute a {x,x}\n@data\nx\n", QN_E_FORMAT, "twice"},
        {"@relation r\n@attribute 'a real\n@data\nx\n", QN_E_FORMAT, "not closed"},
        {"@relation r\n@attribute a\n@data\nx\n", QN_E_FORMAT, "missing"},
        {"@relation r\n@whatever a\n@data\nx\n", QN_E_FORMAT, "expected @attribute"},
        {"@relation r\n@attribute a real\n@data\n{0 1}\n", QN_E_UNSUPPORTED, "sparse"},
        {"@relation r\n@attribute a real\n@data\n1,2\n", QN_E_FORMAT, "2 values, expected 1"},
    };
    qn_table *t = NULL;
    int skipped = 0;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        CHECK_STATUS(read_text(&t, cases[i].text, NULL), cases[i].status, cases[i].part);
        CHECK(!t);
    }
    CHECK_STATUS(read_text(&t, "a\n1\n", &(qn_table_opt){.max_bytes = 2}), QN_E_FORMAT, "limit");
    CHECK_STATUS(read_text(&t, "a\n1\n", &(qn_table_opt){.separator = '1'}), QN_E_ARG, "separator");
    CHECK_STATUS(qn_table_read(&t, "/nonexistent.csv", NULL), QN_E_IO, "/nonexistent.csv");
    CHECK_STATUS(qn_table_from(&t, NULL, NULL), QN_E_ARG, "NULL");
    CHECK_OK(read_text(&t, "a,b\n1,2,3\n4,5\n", &(qn_table_opt){.bad = skip, .user = &skipped}));
    CHECK(skipped == 1 && qn_table_rows(t) == 1);
    qn_table_destroy(&t);
}

static void report(void)
{
    char text[4096] = "x\n", said[512];
    qn_table *t;
    size_t n;

    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d\n", i);
    strcat(text, "?\n7\n9000\n8\n");
    t = table(text);
    CHECK_OK(qn_table_report(t, said, sizeof(said), &n));
    CHECK_STR(said, "64 rows of 1 columns\nmissing values: 1 (x 1)\nrows that are there before: 2 (the first in line 63)\n"
                    "values beyond 5 standard deviations: x 1 (as 9000 in line 64)\n");
    CHECK_INT((int64_t)n, (int64_t)strlen(said));
    qn_table_destroy(&t);
}

/* ---- preparations ---- */

static qn_prep *again(qn_prep *p)
{
    char text[1024], second[1024];
    qn_prep *copy = NULL;
    size_t n = 0, m = 0;

    CHECK_OK(qn_prep_to_json(p, text, sizeof(text), &n));
    CHECK_OK(qn_prep_from_json(&copy, NULL, "text", text, n));
    CHECK_OK(qn_prep_to_json(copy, second, sizeof(second), &m));
    CHECK_STR(second, text);
    qn_prep_release(&p);
    return copy;
}

static void check_row(const qn_prep *p, const char *a, const char *b, const float *expected, int width)
{
    float x[8] = {0};

    CHECK_INT(qn_prep_field(p)->shape.dim[0], width);
    CHECK_OK(qn_prep_run(p, &(qn_raw){.cell = (const char *const[]){a, b}, .cells = 2}, x));
    for (int i = 0; i < width; i++)
        if (!(fabsf(x[i] - expected[i]) < 1e-6f))
            test_fail(__FILE__, __LINE__, "%s, %s: %d is %g, not %g", a ? a : "-", b ? b : "-", i, (double)x[i],
                      (double)expected[i]);
}

static void fitted(void)
{
    static const char *const acid[] = {"acid"}, *const no[] = {"no"};
    static const int64_t rows[] = {0, 1, 2, 3}; /* acid 1 3 ? 5; colour red white red ros"e */
    const float scale = sqrtf(8.0f / 3.0f);
    qn_prep_table_opt opt;
    qn_table *t = table(wine);
    qn_prep *p = NULL;
    char text[160];

    CHECK_OK(qn_prep_table(&p, t, rows, 4, &(qn_prep_table_opt){.label = 3}));
    p = again(p);
    CHECK_INT(qn_prep_get_kind(p), QN_PREP_TABLE);
    CHECK(qn_prep_columns(p) == 2 && !strcmp(qn_prep_column(p, 1), "colour") && !qn_prep_column(p, 2));
    check_row(p, "5", "red", (const float[]){2 / scale, 1, 0, 0}, 4); /* red, ros"e, white */
    check_row(p, "?", "white", (const float[]){0, 0, 0, 1}, 4);
    check_row(p, NULL, "blue", (const float[]){0, 0, 0, 0}, 4);
    CHECK_STR(qn_prep_describe(p, text, sizeof(text)), "a row of 2: acid less 3 and divided by 1.63299; colour, one of 3");
    qn_prep_release(&p);
    CHECK_OK(qn_prep_table(&p, t, rows, 4, &(qn_prep_table_opt){.label = 3, .scale = QN_TABLE_MINMAX, .numbered = true}));
    p = again(p);
    check_row(p, "5", "ros\"e", (const float[]){1, 2}, 2);
    check_row(p, "", "", (const float[]){0.5f, 0}, 2);
    qn_prep_release(&p);
    opt = (qn_prep_table_opt){.label = 3, .scale = QN_TABLE_AS_IS, .category = acid, .categories = 1};
    CHECK_OK(qn_prep_table(&p, t, NULL, 0, &opt));
    p = again(p);
    check_row(p, "3", "red", (const float[]){0, 1, 0, 1, 0, 0}, 6);
    qn_prep_release(&p);
    CHECK_STATUS(qn_prep_table(&p, t, rows, 4, &(qn_prep_table_opt){.most_values = 2}), QN_E_FORMAT, "more than 2");
    CHECK_STATUS(qn_prep_table(&p, t, rows, 0, NULL), QN_E_FORMAT, "no row");
    CHECK_STATUS(qn_prep_table(&p, t, NULL, 0, &(qn_prep_table_opt){.label = 4}), QN_E_ARG, NULL);
    opt.category = no;
    CHECK_STATUS(qn_prep_table(&p, t, NULL, 0, &opt), QN_E_ARG, "no column \"no\"");
    CHECK(!p);
    qn_table_destroy(&t);
    t = table(cars);
    CHECK_OK(qn_prep_table(&p, t, NULL, 0, &(qn_prep_table_opt){.label = 3, .scale = QN_TABLE_AS_IS}));
    p = again(p);
    check_row(p, "4", "90", (const float[]){0, 1, 0, 90}, 4);
    check_row(p, "six six", NULL, (const float[]){0, 0, 1, 110.25f}, 4);
    qn_prep_release(&p);
    qn_table_destroy(&t);
}

/* A cell that is no number spoils neither the fit nor the rows beside it. */
static void passed_over(void)
{
    qn_table *t = table("1,7\nfour,8\n3,9\n?,9\n");
    qn_prep *p = NULL;
    float x[1];

    CHECK_STATUS(qn_prep_table(&p, t, NULL, 0, &(qn_prep_table_opt){.label = 2}), QN_E_FORMAT, "line 2, column \"1\"");
    CHECK_OK(qn_prep_table(&p, t, NULL, 0, &(qn_prep_table_opt){.label = 2, .skip_bad = true, .scale = QN_TABLE_AS_IS}));
    CHECK_OK(qn_prep_run(p, &(qn_raw){.cell = (const char *const[]){"?"}, .cells = 1}, x));
    CHECK(x[0] == 2);
    CHECK_STATUS(qn_prep_run(p, &(qn_raw){.cell = (const char *const[]){"four"}, .cells = 1}, x), QN_E_FORMAT, "\"four\"");
    qn_prep_release(&p);
    qn_table_destroy(&t);
}

static void datasets(void)
{
    qn_table *t = table(wine), *other = NULL;
    qn_prep *p = NULL, *number = NULL;
    qn_dataset *ds = NULL;
    float x[5][4], y[5];
    qn_dataset_table_opt opt;
    int column[2];

    CHECK_OK(qn_prep_table(&p, t, NULL, 0, &(qn_prep_table_opt){.label = 3, .scale = QN_TABLE_AS_IS}));
    CHECK_OK(qn_prep_number(&number, NULL, "quality", 5, 2));
    CHECK_OK(qn_dataset_table(&ds, t, p, &(qn_dataset_table_opt){.target = number, .label = 3}));
    CHECK_OK(qn_dataset_read(ds, (const int64_t[]){0, 1, 2, 3, 4}, 5, (void *const[]){x, y}));
    CHECK(x[1][0] == 3 && x[1][3] == 1 && y[1] == 0.5f && x[2][0] == 2.5f && x[4][1] == 1 && y[2] == 1);
    qn_dataset_close(&ds);
    other = table("quality,colour,extra,acid\n5,white,1,2\n");
    CHECK_OK(qn_prep_table_match(p, other, column));
    CHECK(column[0] == 3 && column[1] == 1);
    qn_table_destroy(&other);
    other = table("7,red\n"); /* as predict may get it */
    CHECK_OK(qn_prep_table_match(p, other, column));
    CHECK(column[0] == 0 && column[1] == 1);
    CHECK_OK(qn_dataset_table(&ds, other, p, NULL));
    CHECK_INT(qn_dataset_fields(ds), 1);
    qn_dataset_close(&ds);
    qn_table_destroy(&other);
    other = table("7\n");
    CHECK_STATUS(qn_prep_table_match(p, other, column), QN_E_FORMAT, "1 columns, expected 2");
    qn_table_destroy(&other);
    other = table("acid,colour,quality\n2,red,1\nx,red,2\n3,red,4\n4,red,?\n");
    CHECK_STATUS(qn_dataset_table(&ds, other, p, NULL), QN_E_FORMAT, "t: line 3: column \"acid\": expected a number, found \"x\"");
    opt = (qn_dataset_table_opt){.target = number, .label = 3, .row = (const int64_t[]){3}, .rows = 1};
    CHECK_STATUS(qn_dataset_table(&ds, other, p, &opt), QN_E_FORMAT, "line 5: the label is missing");
    opt.row = (const int64_t[]){4};
    CHECK_STATUS(qn_dataset_table(&ds, other, p, &opt), QN_E_ARG, "row 4 of 4");
    CHECK_STATUS(qn_dataset_table(&ds, other, number, NULL), QN_E_ARG, "of no table");
    CHECK(!ds);
    qn_table_destroy(&other);
    qn_table_destroy(&t);
    qn_prep_release(&p);
    qn_prep_release(&number);
}

#define HEAD "{\"kind\":\"table\",\"named\":true,\"numbered\":false,"

static void wrong_json(void)
{
    static const struct { const char *json, *part; } cases[] = {
        {HEAD "\"label\":0,\"columns\":[]}", "0 columns"},
        {HEAD "\"label\":-1,\"columns\":[]}", "label"},
        {HEAD "\"label\":0,\"columns\":{}}", "array"},
        {HEAD "\"label\":0,\"columns\":[{\"name\":\"a\",\"values\":[]}]}", "makes anything"},
        {HEAD "\"label\":0,\"columns\":[{\"name\":\"a\",\"values\":[\"x\",\"x\"]}]}", "twice"},
        {HEAD "\"label\":0,\"columns\":[{\"name\":\"a\",\"mean\":0,\"deviation\":0,\"fill\":0}]}", "out of range"},
    };
    qn_prep *p = NULL;

    for (size_t i = 0; i < QNI_COUNT(cases); i++)
        CHECK_STATUS(qn_prep_from_json(&p, NULL, "file", cases[i].json, strlen(cases[i].json)), QN_E_FORMAT, cases[i].part);
    CHECK(!p);
}

int main(void)
{
    test_run("table: cells of CSV and ARFF", cells);
    test_run("table: broken files", broken);
    test_run("table: what is remarkable", report);
    test_run("table: preparations fitted to rows", fitted);
    test_run("table: cells that are no numbers are passed over", passed_over);
    test_run("table: datasets", datasets);
    test_run("table: broken preparations", wrong_json);
    return test_end();
}
