/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What users did: files of three kinds, sessions, samples of what comes next, ranks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <quern/data_events.h>
#include <quern/data_prep.h>

#include "base/base.h"
#include "data/data.h"
#include "harness/test.h"

/* ---- files ---- */

static qn_status give(void *user, void *to, size_t bytes, size_t *got)
{
    const char **at = user;
    const size_t left = strlen(*at);

    *got = QNI_MIN(QNI_MIN(bytes, left), (size_t)7); /* in small pieces */
    memcpy(to, *at, *got);
    *at += *got;
    return QN_OK;
}

static qn_status read_text(qn_events **out, const char *text, const qn_events_opt *opt)
{
    const qn_reader reader = {.name = "log", .read = give, .user = &text};

    return qn_events_read_from(out, &reader, opt);
}

/* Sessions as "a b|c": items by name. */
static const char *sessions_of(const qn_events *e, char text[400])
{
    size_t n = 0;

    text[0] = 0;
    for (int64_t i = 0; i < qn_events_sessions(e); i++) {
        int64_t count;
        const int32_t *item = qn_events_session(e, i, &count);

        for (int64_t k = 0; k < count; k++)
            n += (size_t)snprintf(text + n, 400 - n, "%s%s", k ? " " : i ? "|" : "", qn_events_item(e, item[k]));
    }
    return text;
}

static void check_sessions(const char *file, const qn_events_opt *opt, const char *want)
{
    qn_events *e = NULL;
    char text[400];

    CHECK_OK(read_text(&e, file, opt));
    CHECK_STR(sessions_of(e, text), want);
    qn_events_destroy(&e);
}

static const char csv[] = "time,user,\"item\",other\n5,u1,a,x\n"
                          "1,u2,\"b, \"\"c\"\"\",x\n\n3,u1,d,x\n3,u1,d,y\n9,u2,a,\n100,u1,a,\n3,u1,e,\n";

static void from_csv(void)
{
    check_sessions(csv, NULL, "d d e a a|b, \"c\" a");
    check_sessions(csv, &(qn_events_opt){.gap = 50}, "d d e a|a|b, \"c\" a");
    check_sessions(csv, &(qn_events_opt){.gap = 95}, "d d e a a|b, \"c\" a"); /* exactly the pause */
    check_sessions(csv, &(qn_events_opt){.drop_repeats = true}, "d e a|b, \"c\" a");
    check_sessions("user,item\nu,a\nv,a\nv,a\n", &(qn_events_opt){.drop_repeats = true}, "a|a");
    check_sessions(csv, &(qn_events_opt){.fewest = 2}, "d d e a a|b, \"c\" a");
    check_sessions(csv, &(qn_events_opt){.fewest = 3}, "d d e a a");
    check_sessions(csv, &(qn_events_opt){.rarest = 2}, "d d a a|a");
    check_sessions(csv, &(qn_events_opt){.rarest = 2, .fewest = 2}, "d d a a");
    /* items that are left out are no pause */
    check_sessions("user,item,time\nu,a,0\nu,b,10\nu,a,20\n", &(qn_events_opt){.rarest = 2, .gap = 15}, "a a");
    check_sessions("k;v\r\n1;2\r\n1;3\r\n", &(qn_events_opt){.user = "k", .item = "v", .separator = ';'}, "2 3");
    check_sessions("user,item\n", NULL, "");
    check_sessions("", NULL, "");
}

static void from_json(void)
{
    check_sessions("{\"session\":7,\"events\":[{\"aid\":5,\"ts\":2,\"type\":\"clicks\"},{\"aid\":\"x\",\"ts\":1.5}]}\n"
                   "{\"session\":\"8\",\"events\":[]}\n{\"session\":6,\"events\":[{\"aid\":5}]}\n",
                   &(qn_events_opt){.format = QN_EVENTS_JSON_LINES}, "x 5|5");
    check_sessions("{\"user\":\"u\",\"item\":\"b\",\"time\":2}\n{\"user\":\"u\",\"item\":\"a\",\"time\":1}\n",
                   &(qn_events_opt){.format = QN_EVENTS_JSON_LINES}, "a b");
    check_sessions("{\"who\":1,\"what\":2,\"do\":[{\"what\":3,\"when\":2},{\"what\":4,\"when\":1}]}",
                   &(qn_events_opt){.format = QN_EVENTS_JSON_LINES, .user = "who", .item = "what", .time = "when", .list = "do"},
                   "4 3");
}

static const char web[] = "I,4,\"www\",\"created\"\nT,1,\"VRoot\",0,0,\"VRoot\"\nN,0,\"0\"\nA,10,1,\"First, and best\",\"/one\"\n"
                          "A,11,1,\"Second\",\"/two\"\nC,\"1\",1\nV,11,1\nV,10,1\nC,\"2\",2\nC,\"3\",3\nV,10,1\n";

static void from_msweb(void)
{
    check_sessions(web, &(qn_events_opt){.format = QN_EVENTS_MSWEB}, "/two /one|/one");
}

static void broken(void)
{
    static const struct { qn_events_opt opt; const char *text; qn_status status; const char *part; } cases[] = {
        {{0}, "who,item\n", QN_E_FORMAT, "line 1: no column is called \"user\""},
        {{.time = "when"}, "user,item\n", QN_E_FORMAT, "\"when\""},
        {{0}, "user,item,time\na,b\n", QN_E_FORMAT, "line 2: 2 values, expected 3"},
        {{0}, "user,item,time\na,b,soon\n", QN_E_FORMAT, "\"soon\" is no number"},
        {{0}, "user,item\na,\n", QN_E_FORMAT, "empty"},
        {{0}, "user,item\n\"a,b\n", QN_E_FORMAT, "quote is not closed"},
        {{0}, "user,item\n\"a\"x,b\n", QN_E_FORMAT, "behind a closing quote"},
        {{0}, "user,item\na,\xff\n", QN_E_FORMAT, "log"},
        {{.format = QN_EVENTS_JSON_LINES}, "{\"session\":1,\"events\":[]}\n{\n", QN_E_FORMAT, "line 2"},
        {{.format = QN_EVENTS_JSON_LINES}, "{\"events\":[]}", QN_E_FORMAT, "session"},
        {{.format = QN_EVENTS_JSON_LINES}, "{\"session\":1,\"events\":5}", QN_E_FORMAT, "array of events"},
        {{.format = QN_EVENTS_JSON_LINES}, "{\"session\":1,\"events\":[{\"ts\":1}]}", QN_E_FORMAT, "events[0]"},
        {{.format = QN_EVENTS_JSON_LINES}, "{\"session\":1,\"events\":[{\"aid\":[]}]}", QN_E_FORMAT, "a text or a whole number"},
        {{.format = QN_EVENTS_JSON_LINES}, "{\"session\":1,\"events\":[{\"aid\":1,\"ts\":\"NaN\"}]}", QN_E_FORMAT, "finite"},
        {{.format = QN_EVENTS_JSON_LINES, .time = "ts"}, "{\"session\":1,\"events\":[{\"aid\":1}]}", QN_E_FORMAT, "ts"},
        {{.format = QN_EVENTS_MSWEB}, "V,1,1\n", QN_E_FORMAT, "before the first user"},
        {{.format = QN_EVENTS_MSWEB}, "C,1,1\nV,1,1\n", QN_E_FORMAT, "no page 1"},
        {{.format = QN_EVENTS_MSWEB}, "A,1,1,\"t\",\"/a\"\nA,1,1,\"t\",\"/b\"\n", QN_E_FORMAT, "twice"},
        {{.format = QN_EVENTS_MSWEB}, "A,1,1\n", QN_E_FORMAT, "3 values, expected 5"},
        {{.format = QN_EVENTS_MSWEB}, "hello\n", QN_E_FORMAT, "no line of such a file"},
        {{.format = (qn_events_format)3}, "", QN_E_ARG, NULL},
        {{.gap = -1}, "", QN_E_ARG, NULL},
        {{.max_bytes = 3}, "user,item\n", QN_E_FORMAT, "longer"},
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        qn_events *e = (qn_events *)&e;

        CHECK_STATUS(read_text(&e, cases[i].text, &cases[i].opt), cases[i].status, cases[i].part);
        CHECK(!e);
    }
    CHECK_INT(qn_events_sessions(NULL), 0);
    CHECK(!qn_events_session(NULL, 0, NULL) && !qn_events_item(NULL, 1));
}

static void note(void *user, const char *line)
{
    strcat(strcat((char *)user, line), ";");
}

/* Lines that cannot be used are told about and left out, with all that they say. */
static void passed_over(void)
{
    static const struct { qn_events_format format; const char *text, *want, *said; } cases[] = {
        {QN_EVENTS_CSV, "user,item,time\nu,a,1\nu,b\nu,c,soon\n\nu,d,0\nu,\xff,2\n", "d a",
         "log: line 7: byte 2 is not UTF-8;log: line 3: 2 values, expected 3 or more;log: line 4: the time \"soon\" is no number;"},
        {QN_EVENTS_JSON_LINES,
         "{\"session\":1,\"events\":[{\"aid\":5},{\"aid\":6}]}\n{\"session\":1,\"events\":[{\"aid\":7},{}]}\n"
         "{\"session\":1,\"events\":[{\"aid\":8}]}", "5 6 8", "log: line 2: events[1]: no \"aid\";"},
        {QN_EVENTS_MSWEB, "A,1,1,\"t\",\"/a\"\nC,1,1\nV,1,1\nV,9,1\nC,\"2\nV,1,1\nC,3,3\nV,1,1\nV,1,1\n", "/a|/a /a",
         "log: line 4: there is no page 9;log: line 5: a quote is not closed;log: line 6: a visit before the first user;"},
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        char said[500] = "", text[400];
        qn_events *e = NULL;

        CHECK_OK(read_text(&e, cases[i].text, &(qn_events_opt){.format = cases[i].format, .bad = note, .bad_context = said}));
        CHECK_STR(sessions_of(e, text), cases[i].want);
        CHECK_STR(said, cases[i].said);
        qn_events_destroy(&e);
        CHECK_STATUS(read_text(&e, "who,item\n", &(qn_events_opt){.bad = note, .bad_context = said}), QN_E_FORMAT, "\"user\"");
    }
}

/* ---- preparation ---- */

static void prepare(void)
{
    static const char *const names[] = {"/two", "/none", "/one", "/two"};
    qn_events *e = NULL, *again = NULL;
    char text[400];
    int32_t row[5];
    float hot[5][3];

    CHECK_OK(read_text(&e, web, &(qn_events_opt){.format = QN_EVENTS_MSWEB}));
    for (int one_hot = 0; one_hot < 2; one_hot++) {
        qn_prep *p = NULL, *copy = NULL;
        size_t n = 0;

        CHECK_OK(qn_prep_items(&p, e, 5, one_hot));
        CHECK_OK(qn_prep_to_json(p, text, sizeof(text), &n));
        CHECK_OK(qn_prep_from_json(&copy, NULL, "p", text, n));
        CHECK_STR(qn_prep_item(copy, 2), "/two");
        CHECK(!qn_prep_item(copy, 0) && !qn_prep_item(copy, 3) && qn_prep_item_count(copy) == 2);
        memset(row, 0xff, sizeof(row));
        memset(hot, 0xff, sizeof(hot));
        CHECK_OK(qn_prep_load(copy, &(qn_raw){.cell = names, .cells = 4}, row));
        CHECK(!memcmp(row, (const int32_t[]){0, 0, 2, 1, 2}, sizeof(row)));
        CHECK_STATUS(qn_prep_load(copy, &(qn_raw){.text = "/two"}, row), QN_E_ARG, "items");
        if (one_hot) {
            CHECK_OK(qn_prep_run(copy, &(qn_raw){.cell = names, .cells = 4}, hot));
            CHECK(!memcmp(hot, (const float[5][3]){{0}, {0}, {0, 0, 1}, {0, 1, 0}, {0, 0, 1}}, sizeof(hot)));
            CHECK_STATUS(qn_prep_finish(copy, (const int32_t[]){0, 0, 0, 3, 0}, hot), QN_E_ARG, "item 3");
            CHECK_INT(qn_prep_field(copy)->shape.rank, 2);
        }
        /* the same numbers for another file, whose other items are left out */
        CHECK_OK(read_text(&again, "user,item\nu,/two\nu,/three\nu,/one\n", &(qn_events_opt){.prep = copy}));
        CHECK_STR(sessions_of(again, text), "/two /one");
        CHECK_INT(qn_events_session(again, 0, NULL)[0], 2);
        CHECK_INT(qn_events_items(again), 2);
        qn_events_destroy(&again);
        CHECK_OK(read_text(&again, "A,5,1,\"x\",\"/two\"\nA,6,1,\"y\",\"/new\"\nC,1,1\nV,6,1\nV,5,1\n",
                           &(qn_events_opt){.prep = copy, .format = QN_EVENTS_MSWEB}));
        CHECK_STR(sessions_of(again, text), "/two");
        qn_events_destroy(&again);
        qn_prep_release(&p);
        qn_prep_release(&copy);
    }
    qn_events_destroy(&e);
}

/* ---- samples ---- */

enum { LENGTH = 3 };

static qn_dataset *samples(qn_events_part part, int negatives)
{
    static const char log[] = "user,item\nu,a\nu,b\nu,c\nu,d\nu,e\nv,a\nw,b\nw,a\n";
    qn_events *e = NULL;
    qn_dataset *ds = NULL;

    CHECK_OK(read_text(&e, log, NULL));
    CHECK_OK(qn_dataset_events(&ds, e, &(qn_events_dataset_opt){.length = LENGTH, .part = part, .negatives = negatives}));
    qn_events_destroy(&e);
    return ds;
}

struct want { int32_t items[LENGTH], next; };

static void check_samples(qn_events_part part, const struct want *want, int64_t count)
{
    qn_dataset *ds = samples(part, 0);

    CHECK_INT(qn_dataset_samples(ds), count);
    for (int64_t i = count; i-- > 0;) {
        int32_t items[LENGTH], next;

        CHECK_OK(qn_dataset_read(ds, &i, 1, (void *const[]){items, &next}));
        CHECK(!memcmp(items, want[i].items, sizeof(items)));
        CHECK_INT(next, want[i].next);
    }
    qn_dataset_close(&ds);
}

static void next_items(void)
{
    static const struct want each[] = {{{0, 0, 1}, 2}, {{0, 1, 2}, 3}, {{1, 2, 3}, 4}, {{2, 3, 4}, 5}, {{0, 0, 2}, 1}};
    static const struct want earlier[] = {{{0, 0, 1}, 2}, {{0, 1, 2}, 3}, {{1, 2, 3}, 4}};
    static const struct want last[] = {{{2, 3, 4}, 5}, {{0, 0, 2}, 1}};
    qn_dataset *ds = samples(QN_EVENTS_SHIFTED, 0);
    int32_t items[2][LENGTH], next[2][LENGTH];

    check_samples(QN_EVENTS_EACH, each, 5);
    check_samples(QN_EVENTS_EARLIER, earlier, 3);
    check_samples(QN_EVENTS_LAST, last, 2);
    CHECK_INT(qn_dataset_samples(ds), 2);
    CHECK_OK(qn_dataset_read(ds, (const int64_t[]){0, 1}, 2, (void *const[]){items, next}));
    CHECK(!memcmp(items, (const int32_t[2][LENGTH]){{2, 3, 4}, {0, 0, 2}}, sizeof(items)));
    CHECK(!memcmp(next, (const int32_t[2][LENGTH]){{3, 4, 5}, {0, 0, 1}}, sizeof(next)));
    qn_dataset_close(&ds);
}

static void negatives(void)
{
    enum { EACH = 40, COUNT = 2 * EACH };
    static const uint64_t seed[] = {5, 5, 5, 6}, epoch[] = {0, 1, 0, 0};
    qn_dataset *ds = samples(QN_EVENTS_LAST, EACH - 1);
    int32_t items[COUNT][LENGTH], item[4][COUNT];
    float wanted[COUNT];
    int64_t index[COUNT];
    unsigned char scratch[64];
    int drawn[2][6] = {{0}};

    CHECK_INT(qn_dataset_samples(ds), COUNT);
    for (int i = 0; i < COUNT; i++)
        index[i] = i;
    for (int run = 0; run < 4; run++)
        CHECK_OK(qni_dataset_read(ds, &(struct qni_read){.index = index, .count = COUNT, .scratch = scratch, .seed = seed[run],
                                                         .epoch = epoch[run], .out = (void *const[]){items, item[run], wanted}}));
    CHECK(memcmp(item[0], item[1], sizeof(item[0])));
    CHECK(!memcmp(item[0], item[2], sizeof(item[0])));
    CHECK(memcmp(item[0], item[3], sizeof(item[0])));
    for (int i = 0; i < COUNT; i++) {
        CHECK(wanted[i] == (i % EACH == 0));
        CHECK(!memcmp(items[i], items[i / EACH * EACH], sizeof(items[i])));
        CHECK(item[0][i] >= 1 && item[0][i] <= 5);
        if (i % EACH == 0)
            CHECK_INT(item[0][i], i ? 1 : 5);
        else if (item[0][i] >= 0 && item[0][i] <= 5)
            drawn[i / EACH][item[0][i]]++;
    }
    for (int k = 1; k <= 5; k++) { /* the first session has every item there is: any will do; the second one has 1 and 2 */
        CHECK(drawn[0][k]);
        CHECK(!drawn[1][k] == (k <= 2));
    }
    qn_dataset_close(&ds);
}

static void no_samples(void)
{
    qn_events *e = NULL;
    qn_dataset *ds = NULL;

    CHECK_OK(read_text(&e, "user,item\nu,a\n", NULL));
    CHECK_OK(qn_dataset_events(&ds, e, &(qn_events_dataset_opt){.length = 1}));
    CHECK_INT(qn_dataset_samples(ds), 0);
    qn_dataset_close(&ds);
    CHECK_STATUS(qn_dataset_events(&ds, e, &(qn_events_dataset_opt){.length = 0}), QN_E_ARG, "length 0");
    CHECK_STATUS(qn_dataset_events(&ds, e, &(qn_events_dataset_opt){.length = 1, .part = QN_EVENTS_SHIFTED, .negatives = 1}),
                 QN_E_ARG, "negatives");
    CHECK_STATUS(qn_dataset_events(&ds, e, NULL), QN_E_ARG, "NULL");
    qn_events_destroy(&e);
}

/* ---- ranks ---- */

static void check_rank(const float *score, int32_t wanted, int k, const int32_t *seen, int64_t length, int rank)
{
    qn_ranking got = {-1, -1, -1};

    CHECK_OK(qn_rank(&got, score, 1, 5, &wanted, k, seen, length));
    CHECK(got.hit == (rank <= k) && fabs(got.mrr - 1.0 / rank) < 1e-15);
    CHECK(fabs(got.ndcg - (rank <= k ? 1 / log2(1.0 + rank) : 0)) < 1e-15);
}

static void ranks(void)
{
    static const float score[5] = {9, 3, 1, 3, 2}, holes[5] = {0, NAN, 1, NAN, 0};
    qn_ranking got;

    check_rank(score, 4, 3, NULL, 0, 3); /* item 0, the best, does not count */
    check_rank(score, 4, 2, NULL, 0, 3);
    check_rank(score, 1, 1, NULL, 0, 2); /* equal scores earn nothing */
    check_rank(score, 4, 2, (const int32_t[]){0, 3}, 2, 2);
    check_rank(score, 4, 2, (const int32_t[]){1, 4}, 2, 2); /* the wanted one stays */
    check_rank(holes, 1, 5, NULL, 0, 4);
    check_rank(holes, 4, 5, NULL, 0, 2);
    CHECK_OK(qn_rank(&got, (const float[]){0, 1, 2, 0, 2, 1}, 2, 3, (const int32_t[]){1, 1}, 1, NULL, 0));
    CHECK(got.hit == 0.5 && got.mrr == 0.75 && got.ndcg == 0.5);
    CHECK_OK(qn_rank(&got, (const float[]){0, 3, 2, 1, 0, 3, 2, 1}, 2, 4, (const int32_t[]){3, 3}, 1,
                     (const int32_t[]){1, 2, 0, 1}, 2)); /* to each its own */
    CHECK(got.hit == 0.5 && got.mrr == 0.75);
    CHECK_OK(qn_rank(&got, NULL, 0, 2, NULL, 1, NULL, 0));
    CHECK(got.hit == 0 && got.mrr == 0);
    CHECK_STATUS(qn_rank(&got, score, 1, 5, (const int32_t[]){5}, 1, NULL, 0), QN_E_ARG, "item 5");
    CHECK_STATUS(qn_rank(&got, score, 1, 5, (const int32_t[]){0}, 1, NULL, 0), QN_E_ARG, "item 0");
    CHECK_STATUS(qn_rank(&got, score, 1, 5, (const int32_t[]){1}, 0, NULL, 0), QN_E_ARG, NULL);
}

/* ---- the real thing ---- */

static void real(void)
{
    const char *shared = getenv("QUERN_SHARED");
    qn_events *e = NULL;
    char path[1024];

    snprintf(path, sizeof(path), "%s/data/msweb/anonymous-msweb.data", shared ? shared : TEST_SOURCE_DIR "/../shared");
    if (qn_events_read(&e, path, &(qn_events_opt){.format = QN_EVENTS_MSWEB}) == QN_E_IO) {
        test_skip("no shared/data/msweb");
        return;
    }
    CHECK_INT(qn_events_items(e), 285); /* of 294 pages: nobody came to the others */
    CHECK_INT(qn_events_sessions(e), 32711);
    {
        int64_t visits = 0, count;

        for (int64_t i = 0; i < qn_events_sessions(e); i++) {
            qn_events_session(e, i, &count);
            visits += count;
        }
        CHECK_INT(visits, 98654);
    }
    qn_events_destroy(&e);
    snprintf(path, sizeof(path), "%s/data/otto-sample/sessions.jsonl", shared ? shared : TEST_SOURCE_DIR "/../shared");
    CHECK_OK(qn_events_read(&e, path, &(qn_events_opt){.format = QN_EVENTS_JSON_LINES}));
    CHECK_INT(qn_events_sessions(e), 20);
    qn_events_destroy(&e);
}

int main(void)
{
    test_run("events: from CSV", from_csv);
    test_run("events: from JSON lines", from_json);
    test_run("events: from msweb", from_msweb);
    test_run("events: broken files are refused with their line", broken);
    test_run("events: lines that cannot be used are passed over", passed_over);
    test_run("events: items as a network's input", prepare);
    test_run("events: samples of what comes next", next_items);
    test_run("events: drawn items are others, and the same again", negatives);
    test_run("events: sessions too short", no_samples);
    test_run("events: ranks by hand", ranks);
    test_run("events: msweb and otto have what their papers say", real);
    return test_end();
}
