/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Files that are not kept in memory: what is made of them is what is made of the same file in memory, to the bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/loader.h"
#include "harness/test.h"
#include <quern/data_events.h>
#include <quern/data_table.h>
#include <quern/data_text.h>

#define ROWS 3000

static char path[64];

/* ---- a context that counts ---- */

static atomic_llong bytes_now, bytes_most;

static void *count(void *p, size_t bytes)
{
    size_t *block = p;

    if (!block)
        return NULL;
    *block = bytes;
    if (atomic_fetch_add(&bytes_now, (long long)bytes) + (long long)bytes > atomic_load(&bytes_most))
        atomic_store(&bytes_most, atomic_load(&bytes_now));
    return block + 2;
}

static void *counting_alloc(void *user, size_t bytes)
{
    (void)user;
    return count(malloc(bytes + 2 * sizeof(size_t)), bytes);
}

static void counting_free(void *user, void *p)
{
    (void)user;
    if (!p)
        return;
    atomic_fetch_sub(&bytes_now, (long long)((size_t *)p)[-2]);
    free((size_t *)p - 2);
}

static void *counting_realloc(void *user, void *p, size_t bytes)
{
    void *q = counting_alloc(user, bytes);

    if (p && q) {
        memcpy(q, p, ((size_t *)p)[-2] < bytes ? ((size_t *)p)[-2] : bytes);
        counting_free(user, p);
    }
    return q;
}

static qn_context *counting_context(void)
{
    qn_context *ctx = NULL;

    atomic_store(&bytes_now, 0);
    atomic_store(&bytes_most, 0);
    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){.alloc = counting_alloc, .realloc = counting_realloc,
                                                       .free = counting_free, .no_environment = true}));
    return ctx;
}

/* ---- a file ---- */

static void begin_file(FILE **f)
{
    int fd;

    strcpy(path, "/tmp/quern-stream-XXXXXX");
    fd = mkstemp(path);
    *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!*f) {
        test_fail(__FILE__, __LINE__, "no temporary file");
        exit(1);
    }
}

/* All that a row may be: quotes with line ends in them, missing cells, other ends of lines, empty lines, too few cells,
 * a number that is none, a label that is missing; repeated rows and far numbers. */
static void write_table(bool faults)
{
    static const char *const colours[] = {"red", "\"dark\nred\"", "green", "?", "\"blue, or so\""};
    FILE *f;

    begin_file(&f);
    fprintf(f, "\xef\xbb\xbflength,colour,width,quality\r\n");
    for (int i = 0; i < ROWS; i++) {
        const int k = i % 7 == 3 ? i - 1 : i;

        if (i % 50 == 13)
            fprintf(f, "\r\n");
        if (faults && i % 97 == 5)
            fprintf(f, "1,red\n");
        fprintf(f, "%g,%s,", (double)(k * 37 % 1000) / 8 - 3, colours[k * 31 % 5]);
        fprintf(f, "%s,", faults && i % 113 == 50 ? "wide" : i % 17 == 2 ? "" : i % 1000 == 7 ? "1e5" : k % 2 ? "0.25" : "-7");
        if (!faults || i % 211 != 9)
            fprintf(f, "%d", k % 3 + 4);
        fprintf(f, i % 5 ? "\n" : "\r\n");
    }
    fclose(f);
}

static void write_arff(void)
{
    FILE *f;

    begin_file(&f);
    fprintf(f, "@relation a\n@attribute 'length' real\n@attribute colour {red,green}\n@attribute name string\n"
               "@attribute quality integer\n@data\n");
    for (int i = 0; i < ROWS; i++)
        fprintf(f, "%s%d.5, %s, 'no. %d', %d\n", i % 9 ? "" : "% a comment\n", i * 7 % 50, i % 4 ? "red" : "green", i % 3, i % 5);
    fclose(f);
}

struct told {
    int lines;
    uint64_t hash;
};

static void tell(void *user, const char *line)
{
    struct told *t = user;

    t->lines++;
    t->hash = qni_hash_text(t->hash, line);
}

/* ---- both ways ---- */

struct way {
    qn_table *table;
    qn_prep *input, *quality;
    qn_dataset *ds;
    struct told told;
    char report[1024], json[2048];
};

static void open_way(struct way *w, int64_t keep_bytes, bool skip, const int64_t *row, int64_t rows)
{
    const qn_table_opt opt = {.keep_bytes = keep_bytes, .bad = skip ? tell : NULL, .user = &w->told};
    size_t n;

    CHECK_OK(qn_table_read(&w->table, path, &opt));
    CHECK_OK(qn_table_report(w->table, w->report, sizeof(w->report), &n));
    CHECK_OK(qn_prep_table(&w->input, w->table, row, rows, &(qn_prep_table_opt){.label = 4, .skip_bad = skip}));
    CHECK_OK(qn_prep_to_json(w->input, w->json, sizeof(w->json), &n));
    CHECK_OK(qn_prep_number(&w->quality, NULL, "quality", 0.5, 1));
    CHECK_OK(qn_dataset_table(&w->ds, w->table, w->input,
                              &(qn_dataset_table_opt){.row = row, .rows = rows, .target = w->quality, .label = 4,
                                                      .bad = skip ? tell : NULL, .user = &w->told}));
}

static void close_way(struct way *w)
{
    qn_dataset_close(&w->ds);
    qn_prep_release(&w->input);
    qn_prep_release(&w->quality);
    qn_table_destroy(&w->table);
}

static void same_cells(const qn_table *kept, const qn_table *read)
{
    const int64_t rows = qn_table_rows(kept);
    qn_table_cursor *a = NULL, *b = NULL;

    CHECK_INT(qn_table_rows(read), rows);
    CHECK(!qn_table_cell(read, 0, 0) && !qn_table_line(read, 0));
    CHECK_OK(qn_table_cursor_open(&a, kept));
    CHECK_OK(qn_table_cursor_open(&b, read));
    CHECK(!qn_table_cursor_cell(b, 0) && !qn_table_cursor_line(b));
    for (int64_t i = 0; i < 3 * rows && !test_failed(); i++) {
        const int64_t row = i < rows ? i : i < 2 * rows ? 2 * rows - 1 - i : test_integer(rows);

        CHECK_OK(qn_table_cursor_go(a, row));
        CHECK_OK(qn_table_cursor_go(b, row));
        CHECK_INT(qn_table_cursor_line(b), qn_table_cursor_line(a));
        for (int c = 0; c < qn_table_columns(kept); c++) {
            const char *x = qn_table_cursor_cell(a, c), *y = qn_table_cursor_cell(b, c);

            CHECK(!x == !y && (!x || !strcmp(x, y)));
            CHECK(x == qn_table_cell(kept, row, c));
        }
        CHECK(!qn_table_cursor_cell(b, qn_table_columns(kept)));
    }
    CHECK_STATUS(qn_table_cursor_go(b, rows), QN_E_ARG, "row");
    CHECK_STATUS(qn_table_cursor_go(a, -1), QN_E_ARG, "row");
    qn_table_cursor_close(&a);
    qn_table_cursor_close(&b);
}

/* Two shuffled epochs through worker threads. */
static void same_batches(qn_dataset *a, qn_dataset *b)
{
    const struct qni_loader_opt opt = {.batch = 33, .shuffle = true, .seed = 5, .threads = 2};
    struct qni_loader *l[2] = {NULL};
    struct qni_batch batch[2];

    CHECK_OK(qni_loader_create(&l[0], a, &opt));
    CHECK_OK(qni_loader_create(&l[1], b, &opt));
    for (int epoch = 0; epoch < 2 && !test_failed(); epoch++) {
        for (int i = 0; i < 2; i++)
            CHECK_OK(qni_loader_start(l[i], epoch, 0));
        do {
            for (int i = 0; i < 2; i++)
                CHECK_OK(qni_loader_next(l[i], &batch[i]));
            if (test_failed() || !batch[0].samples)
                break;
            CHECK_INT(batch[1].samples, batch[0].samples);
            for (int f = 0; f < qn_dataset_fields(a); f++)
                CHECK(!memcmp(batch[0].field[f], batch[1].field[f], (size_t)batch[0].samples * a->sample_bytes[f]));
            for (int i = 0; i < 2; i++)
                qni_loader_release(l[i], batch[i].slot);
        } while (!test_failed());
    }
    for (int i = 0; i < 2; i++)
        qni_loader_destroy(&l[i]);
}

static void compare(bool skip, const int64_t *row, int64_t rows)
{
    struct way kept = {.told.hash = 1}, read = {.told.hash = 1};

    open_way(&kept, 0, skip, row, rows);
    open_way(&read, 1, skip, row, rows);
    CHECK_STR(read.report, kept.report);
    CHECK_STR(read.json, kept.json);
    CHECK(read.told.lines == kept.told.lines && read.told.hash == kept.told.hash && skip == (kept.told.lines > 0));
    CHECK_INT(qn_dataset_samples(read.ds), qn_dataset_samples(kept.ds));
    if (!test_failed()) {
        same_cells(kept.table, read.table);
        qn_table_destroy(&read.table); /* the dataset keeps what it needs */
        same_batches(kept.ds, read.ds);
    }
    close_way(&kept);
    close_way(&read);
}

static void tables(void)
{
    static int64_t row[ROWS];

    for (int pass = 0; pass < 3; pass++) {
        if (pass == 2)
            write_arff();
        else
            write_table(pass);
        compare(pass == 1, NULL, 0);
        qni_permutation64((uint64_t *)row, ROWS, 3, 0);
        compare(pass == 1, row, ROWS / 3);
        unlink(path);
    }
}

/* The same faults in the same words. */
static void faults(void)
{
    static const int64_t row[] = {2500, 9, 1500, 50, 7}; /* 9: no label; 50: not wide */
    const qn_dataset_table_opt opt = {.row = row, .rows = 5};
    char said[2][3][256];

    write_table(true);
    for (int way = 0; way < 2; way++) {
        struct told told = {0, 1};
        qn_table *t = NULL;
        qn_prep *p = NULL, *quality = NULL;
        qn_dataset *ds = NULL;
        qn_dataset_table_opt o = opt;

        CHECK_STATUS(qn_table_read(&t, path, &(qn_table_opt){.keep_bytes = way}), QN_E_FORMAT, "2 values, expected 4");
        snprintf(said[way][0], sizeof(said[way][0]), "%s", qn_last_error());
        CHECK_OK(qn_table_read(&t, path, &(qn_table_opt){.keep_bytes = way, .bad = tell, .user = &told}));
        CHECK_STATUS(qn_prep_table(&p, t, row, 5, &(qn_prep_table_opt){.label = 4}), QN_E_FORMAT, "wide");
        snprintf(said[way][1], sizeof(said[way][1]), "%s", qn_last_error());
        CHECK_OK(qn_prep_table(&p, t, row, 5, &(qn_prep_table_opt){.label = 4, .skip_bad = true}));
        CHECK_OK(qn_prep_number(&quality, NULL, "quality", 0, 1));
        o.target = quality;
        o.label = 4;
        CHECK_STATUS(qn_dataset_table(&ds, t, p, &o), QN_E_FORMAT, "the label is missing");
        snprintf(said[way][2], sizeof(said[way][2]), "%s", qn_last_error());
        qn_prep_release(&p);
        qn_prep_release(&quality);
        qn_table_destroy(&t);
    }
    for (int i = 0; i < 3; i++)
        CHECK_STR(said[1][i], said[0][i]);
    unlink(path);
}

/* It grows, shrinks, or is another one: an error from whoever reads next. */
static void changes(void)
{
    for (int how = 0; how < 3; how++) {
        struct way w = {0};
        float x[8], y;
        FILE *f;

        write_table(false);
        open_way(&w, 1, false, NULL, 0);
        CHECK_OK(qn_dataset_read(w.ds, &(int64_t){ROWS - 1}, 1, (void *const[]){x, &y}));
        f = fopen(path, how == 1 ? "w" : "r+");
        if (how == 0)
            CHECK(!fseek(f, 0, SEEK_END) && fprintf(f, "1,red,2,3\n") > 0);
        else if (how == 2)
            CHECK(!ftruncate(fileno(f), 30000));
        fclose(f);
        CHECK_STATUS(qn_dataset_read(w.ds, &(int64_t){5}, 1, (void *const[]){x, &y}), QN_E_IO, "changed while it was read");
        CHECK_STATUS(qn_table_report(w.table, NULL, 0, &(size_t){0}), QN_E_IO, path);
        close_way(&w);
        unlink(path);
    }
}

/* ---- lines ---- */

static void write_lines(bool faults)
{
    static const char *const ends[] = {"\n", "\r\n", "\r", "\n\n"};
    FILE *f;

    begin_file(&f);
    fputs("\xef\xbb\xbf", f);
    for (int i = 0; i < ROWS; i++) {
        fprintf(f, "line %d \xe4\xb8\xad%.*s%s", i, i % 60, "of some words and of no great length at all, as they are here", "");
        if (faults && i % 91 == 6)
            fputs(i % 2 ? "\xff\xfe" : "\xe4", f);
        if (i + 1 < ROWS)
            fputs(ends[i * 5 % 4], f);
    }
    fclose(f);
}

struct expected {
    const char *text;
    int seen;
};

static qn_status is_expected(void *user, char *text)
{
    struct expected *e = user;

    CHECK_STR(text, e->text);
    e->seen++;
    text[0] = 'x'; /* which nobody else sees */
    return text[1] == 'z' ? QN_E_CANCELLED : QN_OK;
}

static void same_lines(const qn_lines *kept, const qn_line_file *read)
{
    struct expected e = {0};

    CHECK_INT(qn_line_file_lines(read), kept->lines);
    for (int64_t i = 0; i < 3 * kept->lines && !test_failed(); i++) {
        const int64_t line = i < kept->lines ? i : i < 2 * kept->lines ? 2 * kept->lines - 1 - i : test_integer(kept->lines);

        e.text = kept->line[line];
        CHECK_OK(qn_line_file_read(read, line, is_expected, &e));
    }
    CHECK_INT(e.seen, 3 * kept->lines);
    CHECK_STATUS(qn_line_file_read(read, kept->lines, is_expected, &e), QN_E_ARG, "row");
}

static void lines(void)
{
    qn_line_file *read = NULL;
    qn_lines *kept = NULL;
    char said[256];

    for (int faults = 0; faults < 2; faults++) {
        struct told told[2] = {{0, 1}, {0, 1}};

        write_lines(faults);
        CHECK_OK(qn_lines_read(&kept, path, &(qn_lines_opt){.bad = faults ? tell : NULL, .user = &told[0]}));
        CHECK_OK(qn_line_file_open(&read, path, &(qn_lines_opt){.keep_bytes = 1, .bad = faults ? tell : NULL, .user = &told[1]}));
        CHECK(told[0].lines == told[1].lines && told[0].hash == told[1].hash && faults == (told[0].lines > 0));
        if (!test_failed())
            same_lines(kept, read);
        qn_lines_destroy(&kept);
        if (!faults) {
            qn_line_file_close(&read);
            unlink(path);
        }
    }
    CHECK_STATUS(qn_lines_read(&kept, path, NULL), QN_E_FORMAT, "is not UTF-8");
    snprintf(said, sizeof(said), "%s", qn_last_error());
    qn_line_file_close(&read);
    CHECK_STATUS(qn_line_file_open(&read, path, NULL), QN_E_FORMAT, said);
    CHECK_STATUS(qn_line_file_open(&read, path, &(qn_lines_opt){.encoding = "UTF-16"}), QN_E_UNSUPPORTED, "convert it from UTF-16");
    CHECK_STATUS(qn_line_file_open(&read, path, &(qn_lines_opt){.keep_bytes = -1}), QN_E_ARG, "negative");
    CHECK_STATUS(qn_line_file_open(&read, "/nowhere/at/all", NULL), QN_E_IO, "/nowhere/at/all");
    CHECK_STATUS(qn_line_file_read(NULL, 0, is_expected, NULL), QN_E_ARG, "NULL");
    CHECK(qn_line_file_lines(NULL) == 0 && !read);
    unlink(path);
}

/* ---- events ---- */

static void write_events(qn_events_format format)
{
    FILE *f;

    begin_file(&f);
    if (format == QN_EVENTS_CSV)
        fputs("user,item,time\n", f);
    for (int i = 0; i < 20 && format == QN_EVENTS_MSWEB; i++)
        fprintf(f, "A,%d,1,\"page\",\"/p%d\"\n", i, i);
    for (int i = 0; i < ROWS; i++) {
        const int user = i / 7 % 40, item = i * i % 20;

        if (format == QN_EVENTS_MSWEB)
            fprintf(f, i % 7 ? "V,%d,1%s\n" : "C,\"%d\",1%s\n", i % 7 ? item : user, i % 5 ? "" : "\r");
        else if (format == QN_EVENTS_CSV)
            fprintf(f, i % 99 ? "u%d,\"p%d\",%d\n" : "u%d,p%d\n", user, item, i * 37 % 1000);
        else
            fprintf(f, i % 99 ? "{\"user\":%d,\"item\":\"p%d\",\"time\":%d}\n" : "{\"user\":%d,\xff%d %d\n", user, item,
                    i * 37 % 1000);
    }
    fclose(f);
}

static void same_sessions(const qn_events *a, const qn_events *b)
{
    CHECK(qn_events_sessions(a) == qn_events_sessions(b) && qn_events_sessions(a) > 10);
    CHECK_INT(qn_events_items(b), qn_events_items(a));
    for (int64_t i = 1; i <= qn_events_items(a) && !test_failed(); i++)
        CHECK_STR(qn_events_item(b, i), qn_events_item(a, i));
    for (int64_t i = 0; i < qn_events_sessions(a) && !test_failed(); i++) {
        int64_t n, m;
        const int32_t *x = qn_events_session(a, i, &n), *y = qn_events_session(b, i, &m);

        CHECK(n == m && !memcmp(x, y, (size_t)n * sizeof(*x)));
    }
}

static void events(void)
{
    for (int format = 0; format <= QN_EVENTS_MSWEB; format++) {
        struct told told[2] = {{0, 1}, {0, 1}};
        qn_events *e[2] = {NULL};

        write_events((qn_events_format)format);
        for (int way = 0; way < 2; way++)
            CHECK_OK(qn_events_read(&e[way], path, &(qn_events_opt){.format = (qn_events_format)format, .keep_bytes = way,
                                                                    .fewest = 2, .bad = tell, .bad_context = &told[way]}));
        CHECK(told[0].lines == told[1].lines && told[0].hash == told[1].hash && (format == QN_EVENTS_MSWEB) == !told[0].lines);
        same_sessions(e[0], e[1]);
        for (int way = 0; way < 2; way++)
            qn_events_destroy(&e[way]);
        unlink(path);
    }
}

static qn_status give_text(void *user, int64_t i, const char **text)
{
    static char one[64]; /* lent until the next */

    if (i == *(int64_t *)user)
        return qn_error_set(QN_E_CANCELLED, "enough");
    snprintf(one, sizeof(one), "word%d and word%d of %d", (int)(i % 17), (int)(i * i % 5), (int)(i % 3));
    *text = one;
    return QN_OK;
}

/* Words from texts that come one at a time, and from a list. */
static void words(void)
{
    static char text[200][64], json[2][8192];
    const char *list[200];
    qn_text_source source = {.texts = 200, .text = give_text, .user = &(int64_t){-1}};

    for (int kind = 0; kind < 3; kind++) {
        const qn_tokenizer_opt opt = {.kind = (qn_token_kind)kind, .limit = 400};
        size_t n;

        for (int i = 0; i < 200; i++) {
            const char *one;

            CHECK_OK(give_text(source.user, i, &one));
            list[i] = strcpy(text[i], one);
        }
        for (int way = 0; way < 2; way++) {
            qn_tokenizer *t = NULL;

            CHECK_OK(qn_tokenizer_create(&t, &opt));
            CHECK_OK(way ? qn_tokenizer_fit_from(t, &source) : qn_tokenizer_fit(t, list, 200));
            CHECK_OK(qn_tokenizer_to_json(t, json[way], sizeof(json[way]), &n));
            CHECK(n < sizeof(json[way]));
            if (kind != QN_TOKENS_PAIRS)
                CHECK_STATUS(qn_tokenizer_fit_from(t, &(qn_text_source){9, give_text, &(int64_t){4}}), QN_E_CANCELLED, "enough");
            CHECK_STATUS(qn_tokenizer_fit_from(t, NULL), QN_E_ARG, "NULL");
            qn_tokenizer_destroy(&t);
        }
        CHECK_STR(json[1], json[0]);
    }
}

/* Four MB in a fraction of that, with a file whose rows are short: the worst for what is kept about them. */
static void bounded(void)
{
    enum { MANY = 400000, LIMIT = 220000 }; /* of which 100000 are a bit a row, twice */
    qn_context *ctx = counting_context();
    const qn_table_opt opt = {.context = ctx, .keep_bytes = 1 << 16};
    const qn_dataset_table_opt label = {.label = 3};
    qn_dataset_table_opt o = label;
    qn_table *t = NULL;
    qn_prep *p = NULL, *target = NULL;
    qn_dataset *ds = NULL;
    double sum = 0;
    char said[512];
    size_t n;
    FILE *f;

    begin_file(&f);
    for (int i = 0; i < MANY; i++)
        fprintf(f, "%d,%d,%d\n", i % 991, i % 7, i % 10);
    fclose(f);
    CHECK_OK(qn_table_read(&t, path, &opt));
    CHECK_OK(qn_table_report(t, said, sizeof(said), &n));
    CHECK(strstr(said, "in the first") != NULL);
    CHECK_OK(qn_prep_table(&p, t, NULL, 0, &(qn_prep_table_opt){.label = 3}));
    CHECK_OK(qn_prep_number(&target, ctx, "t", 0, 1));
    o.target = target;
    CHECK_OK(qn_dataset_table(&ds, t, p, &o));
    for (int64_t i = 0; i < 1000 && !test_failed(); i++) {
        const int64_t row = test_integer(MANY);
        float x[2], y = -1;

        CHECK_OK(qn_dataset_read(ds, &row, 1, (void *const[]){x, &y}));
        CHECK(y == (float)(row % 10));
        sum += y;
    }
    CHECK(sum > 0);
    if (atomic_load(&bytes_most) > LIMIT)
        test_fail(__FILE__, __LINE__, "%lld bytes at a time, expected at most %d", (long long)atomic_load(&bytes_most), LIMIT);
    qn_dataset_close(&ds);
    qn_prep_release(&p);
    qn_prep_release(&target);
    qn_table_destroy(&t);
    qn_context_destroy(&ctx);
    CHECK_INT(atomic_load(&bytes_now), 0);
    unlink(path);
}

int main(void)
{
    test_run("data_stream: tables are what they are in memory", tables);
    test_run("data_stream: faults are said in the same words", faults);
    test_run("data_stream: files that change", changes);
    test_run("data_stream: lines are what they are in memory", lines);
    test_run("data_stream: events are what they are in memory", events);
    test_run("data_stream: words of texts that are not in memory", words);
    test_run("data_stream: memory is bounded", bounded);
    return test_end();
}
