/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Preparations: what they make, by themselves, of datasets, through JSON and through a model's file. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "harness/test.h"

#define LENGTH 6

static const char *const colours[] = {"red", "grün", "blue \"sky\""};

static qn_prep *make_classes(void)
{
    qn_prep *p = NULL;

    CHECK_OK(qn_prep_classes(&p, NULL, colours, 3));
    return p;
}

static qn_prep *make_text(bool pad, bool cut)
{
    static const char *const texts[] = {"a b b c c c", "这是一个示例文本"};
    qn_tokenizer *t = NULL;
    qn_prep *p = NULL;

    CHECK_OK(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.unknown = "<?>"}));
    CHECK_OK(qn_tokenizer_fit(t, texts, 2));
    CHECK_OK(qn_prep_text(&p, t, LENGTH, &(qn_pad_opt){.pad_behind = pad, .cut_behind = cut, .value = 7}));
    qn_tokenizer_destroy(&t);
    return p;
}

/* Another one by way of JSON, which says the same. */
static qn_prep *again(const qn_prep *p)
{
    qn_prep *copy = NULL;
    size_t n = 0, m = 0;
    char *text, *second;

    CHECK_OK(qn_prep_to_json(p, NULL, 0, &n));
    text = malloc(n + 1);
    CHECK_OK(qn_prep_to_json(p, text, n + 1, &m));
    CHECK(n == m && strlen(text) == n);
    CHECK_OK(qn_prep_from_json(&copy, NULL, "text", text, n));
    second = malloc(n + 1);
    CHECK_OK(qn_prep_to_json(copy, second, n + 1, &m));
    CHECK_STR(second, text);
    free(text);
    free(second);
    return copy;
}

static void check_classes(const qn_prep *p)
{
    int32_t label = -1;

    CHECK_INT(qn_prep_get_kind(p), QN_PREP_CLASSES);
    CHECK_INT(qn_prep_class_count(p), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_STR(qn_prep_class(p, i), colours[i]);
        CHECK_OK(qn_prep_run(p, &(qn_raw){.text = colours[i]}, &label));
        CHECK_INT(label, i);
    }
    CHECK(!qn_prep_class(p, -1) && !qn_prep_class(p, 3));
    CHECK_INT(qn_prep_field(p)->role, QN_FIELD_TARGET);
}

static void classes(void)
{
    qn_prep *p = make_classes(), *copy = again(p), *bad = p;
    char text[96];
    int32_t label;

    check_classes(p);
    check_classes(copy);
    CHECK_STR(qn_prep_describe(p, text, sizeof(text)), "3 classes: red, grün, blue \"sky\"");
    CHECK_STR(qn_prep_describe(p, text, 19), "3 classes: red, gr"); /* the half of a character stays away */
    CHECK_STATUS(qn_prep_run(p, &(qn_raw){.text = "green"}, &label), QN_E_FORMAT, "green");
    CHECK_STATUS(qn_prep_run(p, &(qn_raw){.cells = 0}, &label), QN_E_ARG, "class's name");
    CHECK_STATUS(qn_prep_classes(&bad, NULL, (const char *[]){"a", "a"}, 2), QN_E_ARG, "twice");
    CHECK(!bad);
    CHECK_STATUS(qn_prep_classes(&bad, NULL, NULL, 2), QN_E_ARG, "NULL");
    CHECK_STATUS(qn_prep_classes(&bad, NULL, colours, 0), QN_E_ARG, "0 classes");
    qn_prep_release(&p);
    qn_prep_release(&p);
    qn_prep_release(&copy);
}

static void check_text(const qn_prep *p, bool pad, bool cut)
{
    /* c 2, b 3, a 4; the unknown word 1; the Chinese characters 5 and on, in their order */
    static const int32_t before[LENGTH] = {7, 7, 4, 1, 3, 2}, after[LENGTH] = {4, 1, 3, 2, 7, 7};
    static const int32_t most[LENGTH] = {5, 6, 7, 8, 9, 10};
    int32_t row[LENGTH] = {0};

    CHECK_INT(qn_prep_field(p)->shape.dim[0], LENGTH);
    CHECK_OK(qn_prep_run(p, &(qn_raw){.text = "A nobody b, C"}, row));
    CHECK(!memcmp(row, pad ? after : before, sizeof(row)));
    CHECK_OK(qn_prep_load(p, &(qn_raw){.text = cut ? "这是一个示例文本" : "a a a 这是一个示例"}, row));
    CHECK(!memcmp(row, most, sizeof(row)));
    CHECK_STATUS(qn_prep_run(p, &(qn_raw){.text = "a\xff"}, row), QN_E_FORMAT, "UTF-8");
    CHECK_STATUS(qn_prep_run(p, &(qn_raw){.text = NULL}, row), QN_E_ARG, "a text");
    CHECK(qn_tokenizer_size(qn_prep_tokenizer(p)) == 13);
}

static void text_as_numbers(void)
{
    static const char *const sides[] = {"before", "behind"};
    char text[96], want[96];

    for (int k = 0; k < 4; k++) {
        const bool pad = k & 1, cut = k >> 1;
        qn_prep *p = make_text(pad, cut), *copy = again(p);

        check_text(p, pad, cut);
        check_text(copy, pad, cut);
        snprintf(want, sizeof(want), "text as 6 words of 13, padded %s and cut %s", sides[pad], sides[cut]);
        CHECK_STR(qn_prep_describe(p, text, sizeof(text)), want);
        qn_prep_release(&p);
        qn_prep_release(&copy);
    }
}

/* A number of its own before and behind each text. */
static void text_marked(void)
{
    static const char *const texts[] = {"a b b c c c"};
    static const int32_t both[LENGTH] = {5, 2, 3, 6, 0, 0}, cut[LENGTH] = {5, 2, 2, 2, 2, 2};
    const qn_pad_opt behind = {.pad_behind = true, .cut_behind = true};
    qn_tokenizer *t = NULL;
    qn_prep *p = NULL, *copy;
    int32_t row[LENGTH];
    char text[96];

    CHECK_OK(qn_tokenizer_create(&t, &(qn_tokenizer_opt){.unknown = "<?>"}));
    CHECK_OK(qn_tokenizer_fit(t, texts, 1));
    CHECK_OK(qn_prep_text_marked(&p, t, LENGTH, &behind, 5, 6));
    copy = again(p);
    CHECK_OK(qn_prep_run(copy, &(qn_raw){.text = "c b"}, row));
    CHECK(!memcmp(row, both, sizeof(row)));
    CHECK_OK(qn_prep_run(copy, &(qn_raw){.text = "c c c c c c c"}, row));
    CHECK(!memcmp(row, cut, sizeof(row)));
    CHECK_OK(qn_prep_run(copy, &(qn_raw){.text = ""}, row));
    CHECK(row[0] == 5 && row[1] == 6 && row[2] == 0);
    CHECK(qn_prep_text_begin(copy) == 5 && qn_prep_text_end(copy) == 6 && !qn_prep_text_begin(NULL));
    CHECK_STR(qn_prep_describe(p, text, sizeof(text)),
              "text as 6 words of 5, padded behind and cut behind, begun by 5, ended by 6");
    qn_prep_release(&copy);
    qn_prep_release(&p);
    CHECK_OK(qn_prep_text_marked(&p, t, LENGTH, &behind, 0, 6));
    CHECK_OK(qn_prep_run(p, &(qn_raw){.text = "c b"}, row));
    CHECK(row[0] == 2 && row[2] == 6 && !qn_prep_text_begin(p));
    qn_prep_release(&p);
    CHECK_STATUS(qn_prep_text_marked(&p, t, LENGTH, &behind, -1, 6), QN_E_ARG, "-1 begins");
    qn_tokenizer_destroy(&t);
}

/* ---- datasets ---- */

static void datasets(void)
{
    qn_prep *p = make_text(false, false);
    int32_t in[3][LENGTH], label[3] = {4, 5, 6}, got[2][LENGTH], labels[2];
    qn_dataset *from = NULL, *ds = NULL, *wrong = NULL;

    for (int i = 0; i < 3 * LENGTH; i++)
        in[i / LENGTH][i % LENGTH] = i;
    const qn_array array[] = {{{"label", QN_FIELD_TARGET, QN_I32, {0, {0}}}, label},
                              {{"text", QN_FIELD_INPUT, QN_I32, {1, {LENGTH}}}, in}};

    CHECK_OK(qn_dataset_arrays(&from, 3, array, 2, NULL));
    CHECK_OK(qn_dataset_finish(&ds, from, p));
    qn_dataset_close(&from);
    CHECK_STATUS(qn_dataset_finish(&wrong, NULL, p), QN_E_ARG, "NULL");
    qn_prep_release(&p);
    CHECK_OK(qn_dataset_read(ds, (const int64_t[]){2, 0}, 2, (void *const[]){labels, got}));
    CHECK(labels[0] == 6 && labels[1] == 4 && !memcmp(got[0], in[2], sizeof(in[2])) && !memcmp(got[1], in[0], sizeof(in[0])));
    CHECK_OK(qn_dataset_read(ds, (const int64_t[]){1}, 1, (void *const[]){labels, NULL}));
    CHECK_INT(labels[0], 5);
    CHECK_OK(qn_dataset_read(ds, (const int64_t[]){1}, 1, (void *const[]){NULL, got}));
    CHECK(!memcmp(got[0], in[1], sizeof(in[1])));
    qn_dataset_close(&ds);
    p = make_text(false, false);
    CHECK_OK(qn_dataset_arrays(&from, 3, &(qn_array){{"text", QN_FIELD_INPUT, QN_I32, {1, {LENGTH - 1}}}, in}, 1, NULL));
    CHECK_STATUS(qn_dataset_finish(&wrong, from, p), QN_E_SHAPE, "[6]");
    CHECK(!wrong);
    qn_dataset_close(&from);
    qn_prep_release(&p);
}

/* ---- with models ---- */

static qn_model *make_model(void)
{
    qn_model *m = NULL;
    qn_val x;

    CHECK_OK(qn_model_create(&m, test_device()));
    x = qn_input(m, QN_I32, 1, (int64_t[]){LENGTH});
    x = qn_embedding(m, x, &(qn_embedding_opt){.words = 13, .units = 2});
    qn_model_output(m, qn_dense(m, qn_flatten(m, x), &(qn_dense_opt){.units = 3, .act = QN_SOFTMAX}));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY}));
    return m;
}

static void models(void)
{
    char path[] = "/tmp/quern_prep_XXXXXX";
    qn_prep *in = make_text(true, true), *target = make_classes();
    qn_model *m = make_model(), *copy = NULL;
    const int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    CHECK(!qn_model_prep(m, QN_FIELD_INPUT, 0));
    CHECK_STATUS(qn_model_set_prep(m, QN_FIELD_INPUT, 0, target), QN_E_SHAPE, "input 0");
    CHECK_STATUS(qn_model_set_prep(m, QN_FIELD_INPUT, 1, in), QN_E_ARG, "1");
    CHECK_STATUS(qn_model_set_prep(m, QN_FIELD_WEIGHT, 0, in), QN_E_ARG, NULL);
    CHECK_OK(qn_model_set_prep(m, QN_FIELD_INPUT, 0, in));
    CHECK_OK(qn_model_set_prep(m, QN_FIELD_INPUT, 0, in));
    CHECK_OK(qn_model_set_prep(m, QN_FIELD_TARGET, 0, target));
    CHECK(qn_model_prep(m, QN_FIELD_INPUT, 0) == in && !qn_model_prep(m, QN_FIELD_INPUT, 1));
    qn_prep_release(&in);
    qn_prep_release(&target);
    CHECK_OK(qn_model_save(m, path));
    CHECK_OK(qn_model_load(&copy, test_device(), path));
    check_text(qn_model_prep(copy, QN_FIELD_INPUT, 0), true, true);
    check_classes(qn_model_prep(copy, QN_FIELD_TARGET, 0));
    CHECK_OK(qn_model_set_prep(copy, QN_FIELD_INPUT, 0, NULL));
    CHECK(!qn_model_prep(copy, QN_FIELD_INPUT, 0));
    CHECK_OK(qn_model_save(copy, path));
    qn_model_destroy(&copy);
    CHECK_OK(qn_model_load(&copy, test_device(), path));
    CHECK(!qn_model_prep(copy, QN_FIELD_INPUT, 0) && qn_model_prep(copy, QN_FIELD_TARGET, 0));
    unlink(path);
    qn_model_destroy(&m);
    qn_model_destroy(&copy);
}

/* Four inputs and two targets, of which some have a preparation. */
static qn_model *make_wide_model(void)
{
    static const int64_t any = QN_ANY, one = 1, longer = LENGTH + 1;
    const qn_embedding_opt table = {.words = 13, .units = 2};
    qn_model *m = NULL;
    qn_val x[4];

    CHECK_OK(qn_model_create(&m, test_device()));
    x[0] = qn_embedding(m, qn_input(m, QN_I32, 1, &any), &table);
    x[1] = qn_embedding(m, qn_input(m, QN_I32, 1, &longer), &table);
    x[2] = qn_embedding(m, qn_input(m, QN_I32, 1, &one), &table);
    x[3] = qn_dense(m, qn_input(m, QN_F32, 1, &one), &(qn_dense_opt){.units = 2});
    for (int i = 0; i < 3; i++)
        x[i] = qn_global_maxpool(m, x[i], NULL);
    x[0] = qn_add(m, x, 4);
    qn_model_output(m, qn_dense(m, x[0], &(qn_dense_opt){.units = 1}));
    qn_model_output(m, qn_dense(m, x[0], &(qn_dense_opt){.units = 3}));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){.loss = QN_MSE}));
    return m;
}

/* The parts of a file's text, each behind the one before. */
static void check_order(const char *path, const char *const *part, size_t parts)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    const char *at = text + 8; /* behind the header's length */

    if (f)
        fclose(f);
    text[n] = 0;
    CHECK(n > 8);
    for (size_t i = 0; i < parts && at; i++)
        if (!(at = strstr(at, part[i])))
            test_fail(__FILE__, __LINE__, "%s is not there, or before %s", part[i], i ? part[i - 1] : "");
}

static void places(void)
{
    static const char *const order[] = {"preparation", "inputs", "litres", "targets", "classes"};
    char path[] = "/tmp/quern_prep_XXXXXX";
    qn_prep *text = make_text(true, false), *colour = make_classes(), *number = NULL;
    qn_model *m = make_wide_model(), *copy = NULL;
    const int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    CHECK_OK(qn_prep_number(&number, NULL, "litres", 1, 2));
    CHECK_OK(qn_model_set_prep(m, QN_FIELD_INPUT, 0, text)); /* which takes any length */
    CHECK_STATUS(qn_model_set_prep(m, QN_FIELD_INPUT, 2, number), QN_E_SHAPE, "input 2"); /* of another type */
    CHECK_STATUS(qn_model_set_prep(m, QN_FIELD_INPUT, 1, text), QN_E_SHAPE, "input 1");   /* too short for it */
    CHECK_STATUS(qn_model_set_prep(m, QN_FIELD_INPUT, 4, number), QN_E_ARG, "4");
    CHECK_STATUS(qn_model_set_prep(m, QN_FIELD_TARGET, 2, number), QN_E_ARG, "2");
    CHECK_OK(qn_model_set_prep(m, QN_FIELD_INPUT, 0, NULL));
    CHECK_OK(qn_model_set_prep(m, QN_FIELD_INPUT, 3, number));
    CHECK_OK(qn_model_set_prep(m, QN_FIELD_TARGET, 1, colour));
    CHECK_OK(qn_model_save(m, path));
    check_order(path, order, QNI_COUNT(order));
    CHECK_OK(qn_model_load(&copy, test_device(), path));
    for (int i = 0; i < 4; i++)
        CHECK((qn_model_prep(copy, QN_FIELD_INPUT, i) != NULL) == (i == 3));
    CHECK_STR(qn_prep_name(qn_model_prep(copy, QN_FIELD_INPUT, 3)), "litres");
    CHECK(!qn_model_prep(copy, QN_FIELD_TARGET, 0));
    check_classes(qn_model_prep(copy, QN_FIELD_TARGET, 1));
    unlink(path);
    qn_prep_release(&text);
    qn_prep_release(&number);
    qn_prep_release(&colour);
    qn_model_destroy(&m);
    qn_model_destroy(&copy);
}

/* ---- broken texts ---- */

static void broken(void)
{
    static const struct { const char *json; qn_status status; const char *part; } cases[] = {
        {"", QN_E_FORMAT, NULL},
        {"[]", QN_E_FORMAT, "an object"},
        {"{}", QN_E_FORMAT, "kind"},
        {"{\"kind\":1}", QN_E_FORMAT, "kind"},
        {"{\"kind\":\"smell\"}", QN_E_UNSUPPORTED, "smell"},
        {"{\"kind\":\"classes\"}", QN_E_FORMAT, "classes"},
        {"{\"kind\":\"classes\",\"classes\":3}", QN_E_FORMAT, "array"},
        {"{\"kind\":\"classes\",\"classes\":[]}", QN_E_FORMAT, "one class"},
        {"{\"kind\":\"classes\",\"classes\":[\"a\",1]}", QN_E_FORMAT, "classes[1]"},
        {"{\"kind\":\"classes\",\"classes\":[\"a\",\"b\",\"a\"]}", QN_E_FORMAT, "twice"},
        {"{\"kind\":\"text\",\"length\":0}", QN_E_FORMAT, "length"},
        {"{\"kind\":\"text\",\"length\":4,\"pad_behind\":true,\"cut_behind\":true,\"value\":0}", QN_E_FORMAT, "tokenizer"},
        {"{\"kind\":\"text\",\"length\":4,\"pad_behind\":true,\"cut_behind\":true,\"value\":0,\"end\":0}", QN_E_FORMAT, "end"},
        {"{\"kind\":\"text\",\"length\":4,\"pad_behind\":true,\"cut_behind\":true,\"value\":0,\"tokenizer\":"
         "{\"quern.tokenizer\":1,\"kind\":\"words\",\"limit\":0,\"filters\":\"\",\"keep_case\":false,\"join_ideographs\":false,"
         "\"words\":[\"a\"],\"counts\":[]}}", QN_E_FORMAT, "counts"},
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        qn_prep *p = (qn_prep *)&p;

        CHECK_STATUS(qn_prep_from_json(&p, NULL, "file", cases[i].json, strlen(cases[i].json)), cases[i].status, cases[i].part);
        CHECK(!p);
    }
}

int main(void)
{
    test_run("prep: classes by name", classes);
    test_run("prep: texts as numbers", text_as_numbers);
    test_run("prep: texts with a beginning and an end", text_marked);
    test_run("prep: datasets are finished sample by sample", datasets);
    test_run("prep: a model's file keeps them", models);
    test_run("prep: a model's file keeps them apart by input and target", places);
    test_run("prep: broken JSON is refused with its place", broken);
    return test_end();
}
