/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The quern command on raw things as they come: trained on, asked about, and refused where they are broken.
 * Arguments: the command, and "all" to train as well. */
#include "command.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA  TEST_SOURCE_DIR "/examples/data"
#define MEDIA TEST_SOURCE_DIR "/tests/fixtures/media"

static char folder[512];

/* Words for the command: % stands for the test's own folder. */
static const char *words(const char *format)
{
    static char text[2048];
    size_t n = 0;

    for (; *format && n + sizeof(folder) < sizeof(text); format++)
        if (*format == '%')
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", folder);
        else
            text[n++] = *format;
    text[n] = '\0';
    return text;
}

static void write_bytes(const char *name, const void *data, size_t bytes)
{
    FILE *f = fopen(words(name), "wb");

    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f))
        test_fail(__FILE__, __LINE__, "cannot write %s", name);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static void copy(const char *name, const char *from, size_t most)
{
    static unsigned char data[1 << 16];
    FILE *f = fopen(from, "rb");
    const size_t n = f ? fread(data, 1, sizeof(data), f) : 0;

    if (!n)
        test_fail(__FILE__, __LINE__, "cannot read %s", from);
    if (f)
        fclose(f);
    write_bytes(name, data, n < most ? n : most);
}

/* Fails with status 1 and a single line that has both parts. */
static void refused(const char *line, const char *part, const char *other)
{
    struct command_result r;

    command_run(&r, words(line), 1);
    if (!strstr(r.err, part) || !strstr(r.err, other) || command_lines(r.err) != 1)
        test_fail(__FILE__, __LINE__, "%s: said %.300s without %s and %s, or more than a line", line, r.err, part, other);
    command_free(&r);
}

static void says(const char *line, const char *part)
{
    struct command_result r;

    command_run(&r, words(line), 0);
    if (!strstr(r.out, part))
        test_fail(__FILE__, __LINE__, "%s: said %.300s without %s", line, r.out, part);
    command_free(&r);
}

/* What is skipped is told about in a line each, then counted. */
static void skips(const char *line, int n, const char *part)
{
    struct command_result r;

    command_run(&r, words(line), 0);
    if (!strstr(r.err, part) || command_lines(r.err) != n + 1)
        test_fail(__FILE__, __LINE__, "%s: said %.300s", line, r.err);
    command_free(&r);
}

/* An object of predict --json without its name and its label; gives the length. */
static size_t answer_in(const char *line, const char **begin)
{
    const char *end = line + strcspn(line, "\n"), *label = strstr(line, ",\"label\":");

    *begin = line + strcspn(line, ",");
    return (size_t)((label && label < end ? label : end - 1) - *begin);
}

/* What the model makes of a dataset's samples, as they were prepared in training, and of the same things as they come: the same,
 * digit for digit. */
static void same_answers(const char *samples, const char *things, int n)
{
    struct command_result a, b;

    command_run(&a, words(samples), 0);
    command_run(&b, words(things), 0);
    CHECK_INT(command_lines(a.out), n);
    CHECK_INT(command_lines(b.out), n);
    for (const char *at = a.out, *to = b.out; *at && *to && !test_failed(); at = strchr(at, '\n') + 1, to = strchr(to, '\n') + 1) {
        const char *x, *y;
        const size_t bytes = answer_in(at, &x);

        if (answer_in(to, &y) != bytes || memcmp(x, y, bytes))
            test_fail(__FILE__, __LINE__, "%s: said %.*s, but of the thing as it comes %.200s", samples, (int)bytes, x, to);
    }
    command_free(&a);
    command_free(&b);
}

/* The saved model's result of the test part is the one that training ended with. */
static void same_result(const char *train, int epochs, const char *evaluate)
{
    struct command_result r;
    struct qni_json *j;
    double loss;

    command_run(&r, words(train), 0);
    j = command_line_json(r.out, epochs);
    loss = command_number(j, "test_loss");
    qni_json_free(&j);
    command_free(&r);
    command_run(&r, words(evaluate), 0);
    j = command_line_json(r.out, 0);
    CHECK(command_number(j, "loss") == loss);
    qni_json_free(&j);
    command_free(&r);
}

static double result(const char *line, int i, const char *key)
{
    struct command_result r;
    struct qni_json *j;
    double v;

    command_run(&r, words(line), 0);
    j = command_line_json(r.out, i);
    v = command_number(j, key);
    qni_json_free(&j);
    command_free(&r);
    return v;
}

/* ---- what is refused before anything is trained ---- */

static void bad_visits(void)
{
    write_text("%/who.csv", "who,item\n1,2\n");
    write_text("%/cut.jsonl", "{\"session\":1,\"events\":[{\"aid\":5}]}\n{\"session\":2,\n");
    write_text("%/plain.csv", "user,item\n");
    refused("train recsys --data events:/nowhere.csv", "QN_E_IO", "/nowhere.csv");
    refused("train recsys --data events:%/who.csv", "QN_E_FORMAT", "who.csv: line 1: no column is called \"user\"");
    refused("train recsys --data events:%/cut.jsonl", "QN_E_FORMAT", "cut.jsonl: line 2");
    refused("train recsys --data events:%/plain.csv", "QN_E_FORMAT", "plain.csv: 0 items");
    refused("train cnn --data events:%/plain.csv", "QN_E_SHAPE", "use recsys");
    refused("train recsys --data digits", "QN_E_SHAPE", "events:FILE");
    refused("train recsys --data msweb --data-dir /nowhere", "QN_E_IO", "/nowhere/msweb/anonymous-msweb.data");
}

static void bad_pairs(void)
{
    write_text("%/pairs.txt", "Go.\tVa !\nno translation here\n");
    write_text("%/half.txt", "Go.\t\tVa !\n");
    write_text("%/empty.txt", "");
    write_text("%/mark.txt", "Go.\tVa\xa0!\n");
    refused("train translate --data pairs:/nowhere.txt", "QN_E_IO", "/nowhere.txt");
    refused("train translate --data pairs:%/pairs.txt", "QN_E_FORMAT", "pairs.txt:2: expected a sentence, a TAB and its");
    refused("train translate --data pairs:%/half.txt", "QN_E_FORMAT", "half.txt:1: expected");
    refused("train translate --data pairs:%/empty.txt", "QN_E_FORMAT", "there is no pair");
    refused("train translate --data pairs:%/mark.txt", "QN_E_FORMAT", "UTF-8");
    refused("train translate --data pairs:%/pairs.txt --keep 0", "QN_E_FORMAT", "pairs.txt:2: expected a sentence, a TAB and its");
    refused("train translate --data pairs:%/mark.txt --keep 0", "QN_E_FORMAT", "UTF-8");
    refused("train cnn --data pairs:%/half.txt", "QN_E_SHAPE", "use translate");
    refused("train translate --data digits", "QN_E_SHAPE", "pairs:FILE");
    refused("train translate --data fra-eng --data-dir /nowhere", "QN_E_IO", "/nowhere/fra-eng/fra.txt.gz");
}

static void bad_sentences(void)
{
    write_text("%/empty.txt", "");
    write_text("%/blank.txt", "\n \n\t\n");
    write_text("%/plain.txt", "good\t1\nno class here\n");
    write_text("%/nothing.txt", "good\t\n");
    write_text("%/alone.txt", "\t1\n");
    write_text("%/one.txt", "good\t1\nfine\t1\nbetter\t1\n");
    write_text("%/latin.txt", "caf\xe9\t1\nbad\t0\n");
    refused("train text --data lines:", "needs a file's name", "lines:");
    refused("train text --data lines:/nowhere.txt", "QN_E_IO", "/nowhere.txt");
    refused("train text --data lines:%", "QN_E_IO", "is a folder, expected a file");
    refused("train text --data lines:%/empty.txt", "QN_E_FORMAT", "empty.txt:0: there is no sentence");
    refused("train text --data lines:%/blank.txt", "QN_E_FORMAT", "blank.txt:3: there is no sentence");
    refused("train text --data lines:%/plain.txt", "QN_E_FORMAT", "plain.txt:2: expected a sentence, a TAB and a class");
    refused("train text --data lines:%/nothing.txt", "QN_E_FORMAT", "nothing.txt:1: there is no class");
    refused("train text --data lines:%/alone.txt", "QN_E_FORMAT", "alone.txt:1: there is no sentence");
    refused("train text --data lines:%/one.txt", "QN_E_FORMAT", "one class");
    refused("train text --data lines:%/latin.txt", "QN_E_FORMAT", "latin.txt: byte 3 is not UTF-8");
    refused("train text --data lines:%/latin.txt --encoding KLINGON", "QN_E_UNSUPPORTED", "KLINGON");
    refused("train text --data lines:=%/one.txt", "QN_E_ARG", "CLASS=FILE");
    /* The same of files that are not kept. */
    refused("train text --data lines:%/blank.txt --keep 0", "QN_E_FORMAT", "blank.txt:3: there is no sentence");
    refused("train text --data lines:%/plain.txt --keep 0", "QN_E_FORMAT", "plain.txt:2: expected a sentence, a TAB and a class");
    refused("train text --data lines:%/alone.txt --keep 0", "QN_E_FORMAT", "alone.txt:1: there is no sentence");
    refused("train text --data lines:%/one.txt --keep 0", "QN_E_FORMAT", "one class");
    refused("train text --data lines:%/latin.txt --keep 0", "QN_E_FORMAT", "latin.txt: byte 3 is not UTF-8");
    refused("train text --data lines:%/latin.txt --encoding KLINGON --keep 0", "QN_E_UNSUPPORTED", "KLINGON");
    refused("train text --data lines:=%/one.txt --keep 0", "QN_E_ARG", "CLASS=FILE");
    refused("train text --data digits", "QN_E_SHAPE", "lines:FILE");
    refused("train mlp --data lines:" DATA "/sentences/yelp.tsv", "QN_E_SHAPE", "use text");
    copy("%/sound.txt", MEDIA "/mono.wav", 1 << 16);
    refused("train text --data lines:a=%/sound.txt,b=%/one.txt", "QN_E_FORMAT", "sound.txt");
}

static void bad_recordings(void)
{
    CHECK(!mkdir(words("%/none"), 0777) && !mkdir(words("%/bad"), 0777));
    copy("%/bad/0_a_1.wav", DATA "/spoken/0_nicolas_0.wav", 1 << 16);
    copy("%/bad/0_a_2.wav", DATA "/spoken/0_nicolas_0.wav", 1000);
    copy("%/bad/1_a_1.wav", DATA "/spoken/1_nicolas_0.wav", 1 << 16);
    copy("%/bad/1_a_2.wav", DATA "/spoken/1_nicolas_0.wav", 1 << 16);
    refused("train speech --data sounds:", "needs a file's name", "sounds:");
    refused("train speech --data sounds:/nowhere", "QN_E_IO", "/nowhere");
    refused("train speech --data sounds:%/none", "QN_E_FORMAT", "CLASS_NAME.wav");
    refused("train speech --data sounds:%/bad --hold-out 1", "QN_E_FORMAT", "0_a_2.wav: truncated");
    refused("train speech --data sounds:%/bad --hold-out 3", "QN_E_FORMAT", "held out");
    refused("train speech --data sounds:" DATA "/spoken --hold-out wav", "QN_E_FORMAT", "all have");
    refused("train mlp --data sounds:%/bad", "QN_E_SHAPE", "speech");
    refused("train speech --data digits", "QN_E_SHAPE", "sounds:FOLDER");
    copy("%/bad/0_a_2.wav", MEDIA "/rgb.png", 1 << 16);
    refused("train speech --data sounds:%/bad --hold-out 1", "QN_E_FORMAT", "0_a_2.wav: not a WAV file");
    copy("%/bad/0_a_2.wav", MEDIA "/empty.wav", 1 << 16);
    refused("train speech --data sounds:%/bad --hold-out 1", "QN_E_FORMAT", "0_a_2.wav: the recording is empty");
    write_text("%/bad/0_a_2.wav", "");
    refused("train speech --data sounds:%/bad --hold-out 1", "QN_E_FORMAT", "0_a_2.wav: empty");
}

#if QND_PNG

static void bad_pictures(void)
{
    CHECK(!mkdir(words("%/some"), 0777) && !mkdir(words("%/some/a"), 0777) && !mkdir(words("%/some/b"), 0777));
    for (int i = 0; i < 8; i++) {
        char name[32], from[] = DATA "/digit-pictures/zero/00.png";

        from[sizeof(from) - 6] = (char)('0' + i);
        snprintf(name, sizeof(name), "%%/some/%c/%d.png", i % 2 ? 'a' : 'b', i);
        copy(name, from, 1 << 16);
    }
    copy("%/some/a/other.jpg", MEDIA "/rgb.png", 1 << 16); /* wrongly named, and of another size */
    refused("train mlp --data images:/nowhere", "QN_E_IO", "/nowhere");
    refused("train mlp --data images:%/some/a", "QN_E_FORMAT", "there is no folder in it");
    refused("train resnet20 --data flowers --data-dir /nowhere", "QN_E_IO", "/nowhere/flowers: there is no such folder");
    refused("train text --data images:%/some", "QN_E_SHAPE", "lines:FILE");
    copy("%/some/b/cut.png", MEDIA "/rgb.png", 100);
    refused("train mlp --data images:%/some", "QN_E_FORMAT", "cut.png: truncated");
    write_text("%/some/b/cut.png", "");
    refused("train mlp --data images:%/some", "QN_E_FORMAT", "cut.png: empty");
    copy("%/some/b/cut.png", MEDIA "/mono.wav", 1 << 16);
    refused("train mlp --data images:%/some", "QN_E_FORMAT", "cut.png: neither PNG nor JPEG");
    skips("train mlp --data images:%/some --split 0.5 --epochs 1 --quiet --skip-bad", 1, "cut.png: neither PNG nor JPEG");
    unlink(words("%/some/b/cut.png"));
}

#endif

static void bad_tables(void)
{
    write_text("%/rows.csv", "a,b,class\n1,2,x\n2,3,y\n3\n4,4,x\nfour,4,y\n5,5,\n6,7,x\n7,7,y\n8,9,x\n9,9,y\n");
    write_text("%/wide.arff", "@relation r\n@attribute a real\n@attribute b {x,y\n@data\n1,x\n");
    write_bytes("%/sixteen.csv", "a\0,\0b\0\n\0", 8);
    refused("train linear --data csv:/nowhere.csv", "QN_E_IO", "/nowhere.csv");
    refused("train linear --data csv:%/empty.txt", "QN_E_FORMAT", "empty.txt: there is no row");
    refused("train linear --data csv:%/rows.csv", "QN_E_FORMAT", "rows.csv: line 4: 1 values, expected 3");
    refused("train linear --data arff:%/wide.arff", "QN_E_FORMAT", "wide.arff: line 3");
    refused("train linear --data csv:%/sixteen.csv", "QN_E_FORMAT", "a zero byte");
    refused("train linear --data csv:" MEDIA "/rgb.png", "QN_E_FORMAT", "rgb.png: byte 0 is not UTF-8");
    says("train linear --data csv:%/rows.csv --epochs 1 --skip-bad", "3 rows are left out");
    skips("train linear --data csv:%/rows.csv --epochs 1 --quiet --skip-bad", 3, "column \"a\": expected a number, found \"four\"");
}

/* ---- prepared as training did ---- */

#if QND_PNG

/* bad_pictures() left them there: grey ones, and a larger one of colours. */
static void pictures_alike(void)
{
    same_result("train mlp --data images:%/some --split 0.5 --epochs 1 --json --save %/p.qn", 1,
                "evaluate %/p.qn --data images:%/some --split 0.5 --json");
    same_answers("predict %/p.qn --data images:%/some --json --top 2",
                 "predict %/p.qn --json --top 2 %/some/a/1.png %/some/a/3.png %/some/a/5.png %/some/a/7.png %/some/a/other.jpg "
                 "%/some/b/0.png %/some/b/2.png %/some/b/4.png %/some/b/6.png", 9);
}

#endif

/* Categories, missing numbers and all; a number in its own units. */
static void rows_alike(void)
{
    char text[4096] = "colour,size,weight,price\n";

    for (int i = 0; i < 40; i++) {
        char size[16] = "?";

        if (i % 4)
            sprintf(size, "%d.5", i * i % 17);
        sprintf(text + strlen(text), "%s,%s,%d,%d\n", i % 3 ? "red" : i % 2 ? "blue" : "", size, i * 5 % 13, i * 3 % 50);
    }
    write_text("%/goods.csv", text);
    same_result("train linear --data csv:%/goods.csv --target number --epochs 2 --json --save %/g.qn", 2,
                "evaluate %/g.qn --data csv:%/goods.csv --target number --split 0.2 --json");
    says("inspect %/g.qn", "missing values: 17 (colour 7, size 10)");
    says("inspect %/g.qn", "done: missing numbers become their column's mean");
    same_answers("predict %/g.qn --data csv:%/goods.csv --target number --json", "predict %/g.qn %/goods.csv --json", 40);
}

/* ---- trained, evaluated, asked ---- */

static void sentences(void)
{
    refused("train text --data digits --save %/a.qn", "QN_E_SHAPE", "lines:FILE");
    same_result("train text-cnn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --epochs 20 --batch 16 --lr 0.005 --json "
                "--save %/a.qn", 20, "evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --batch 16 --json");
    CHECK(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --json", 0, "accuracy") > 0.5);
    CHECK(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --json", 0, "loss") ==
          result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --keep 0 --json", 0, "loss"));
    CHECK_INT(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --json", 0, "samples"), 200);
    CHECK(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --json", 0, "accuracy") > 0.9);
    CHECK_INT(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --json", 0, "samples"), 20);
    write_text("%/said.txt", "The food was great!\t1\nNot good, very slow.\t0\nSo-so; \"fine\"\t1\n");
    write_text("%/heard.txt", "The food was great!\nNot good, very slow.\nSo-so; \"fine\"\n");
    same_answers("predict %/a.qn --data lines:%/said.txt --json --top 2", "predict %/a.qn %/heard.txt --json --top 2", 3);
    write_bytes("%/zero.txt", "bad\t0\nwor\0se\t0\nf\xe9te\t1\ngood\t1\n", 28);
    CHECK_INT(result("evaluate %/a.qn --data lines:%/zero.txt --skip-bad --json", 0, "samples"), 2);
    skips("evaluate %/a.qn --data lines:%/zero.txt --skip-bad", 2, "zero.txt: line 3: byte 1 is not UTF-8");
    write_text("%/ask.txt", "The food was great!\n\nNot good, very slow.\n");
    says("predict %/a.qn %/ask.txt", "ask.txt:1: 1 (");
    says("predict %/a.qn %/ask.txt", "ask.txt:3: 0 (");
    write_text("%/other.txt", "good\t1\nso-so\tperhaps\nbad\t0\n");
    refused("evaluate %/a.qn --data lines:%/other.txt", "QN_E_FORMAT", "other.txt:2: there is no class \"perhaps\"");
    CHECK_INT(result("evaluate %/a.qn --data lines:%/other.txt --skip-bad --json", 0, "samples"), 2);
    skips("evaluate %/a.qn --data lines:%/other.txt --skip-bad", 1, "quern: 1 skipped");
    refused("predict %/a.qn %/empty.txt", "QN_E_FORMAT", "empty.txt: nothing is in it");
    refused("predict %/a.qn /nowhere.txt", "QN_E_IO", "/nowhere.txt");
    write_text("%/latin.txt", "caf\xe9 good\n");
    refused("predict %/a.qn %/latin.txt", "QN_E_FORMAT", "latin.txt:1");
    says("predict %/a.qn %/latin.txt --encoding ISO-8859-1", "latin.txt:1: ");
    refused("predict %/a.qn %/latin.txt --encoding KLINGON", "QN_E_UNSUPPORTED", "KLINGON");
    refused("predict %/a.qn " DATA "/spoken/0_nicolas_0.wav", "QN_E_FORMAT", "zero byte");
    write_text("%/huge.txt", "");
    if (!truncate(words("%/huge.txt"), INT64_C(1) << 40)) /* zeros that take no room; reading them all would take an hour */
        refused("predict %/a.qn %/huge.txt", "QN_E_FORMAT", "huge.txt:1: the line is too long");
}

/* Each character is a word: one that says which class is found among others that were never side by side with it. */
static void chinese(void)
{
    static const char *const before[] = {"这是一个", "一个", "文本是", "这个示例", ""};
    static const char *const behind[] = {"的示例文本", "示例", "的", "", "文本"};
    FILE *f = fopen(words("%/chinese.txt"), "w");

    for (int i = 0; f && i < 60; i++)
        fprintf(f, "%s%s%s\t%s\n", before[i % 5], i % 2 ? "好" : "坏", behind[i % 5], i % 2 ? "正" : "负");
    if (f)
        fclose(f);
    CHECK(result("train text-cnn --data lines:%/chinese.txt --epochs 8 --batch 8 --json --save %/zh.qn", 8, "test_accuracy") >
          0.99);
    write_text("%/ask.txt", "好！这是一个文本\n示例是坏的，这是文本\n这是一个示例文本\n");
    says("predict %/zh.qn %/ask.txt", "ask.txt:1: 正 (");
    says("predict %/zh.qn %/ask.txt", "ask.txt:2: 负 (");
    says("predict %/zh.qn %/ask.txt", "ask.txt:3: ");
    write_bytes("%/gb.txt", "\xba\xc3\xce\xc4\xb1\xbe\n", 7); /* 好文本 in GB18030 */
    says("predict %/zh.qn %/gb.txt --encoding GB18030", "gb.txt:1: 正 (");
}

static void recordings(void)
{
    char line[1024] = "predict %/s.qn --json --top 3";

    same_result("train speech-cnn --data sounds:" DATA "/spoken --hold-out 3 --epochs 20 --batch 6 --json --save %/s.qn", 20,
                "evaluate %/s.qn --data sounds:" DATA "/spoken --hold-out 3 --batch 6 --json");
    CHECK(result("evaluate %/s.qn --data sounds:" DATA "/spoken --hold-out 3 --json", 0, "accuracy") > 0.8);
    for (int i = 0; i < 4; i++)
        sprintf(line + strlen(line), " " DATA "/spoken/0_nicolas_%d.wav", i);
    same_answers("predict %/s.qn --data sounds:" DATA "/spoken --count 4 --json --top 3", line, 4);
    CHECK_INT(result("evaluate %/s.qn --data sounds:" DATA "/spoken --hold-out yweweler --json", 0, "samples"), 12);
    CHECK(result("evaluate %/s.qn --data sounds:" DATA "/spoken --json", 0, "accuracy") > 0.9);
    says("predict %/s.qn " DATA "/spoken/2_nicolas_1.wav " DATA "/spoken/0_yweweler_2.wav", "2_nicolas_1.wav: 2 (");
    says("predict %/s.qn " DATA "/spoken/2_nicolas_1.wav " DATA "/spoken/0_yweweler_2.wav", "0_yweweler_2.wav: 0 (");
    copy("%/cut.wav", DATA "/spoken/0_nicolas_0.wav", 1000);
    write_text("%/void.wav", "");
    refused("predict %/s.qn %/cut.wav", "QN_E_FORMAT", "cut.wav: truncated");
    refused("predict %/s.qn %/void.wav", "QN_E_FORMAT", "void.wav: empty");
    refused("predict %/s.qn " MEDIA "/empty.wav", "QN_E_FORMAT", "empty.wav: the recording is empty");
    refused("predict %/s.qn " MEDIA "/nan.wav", "QN_E_FORMAT", "nan.wav: sample");
    refused("predict %/s.qn " MEDIA "/rgb.png", "QN_E_FORMAT", "rgb.png: not a WAV file");
    refused("predict %/s.qn /nowhere.wav", "QN_E_IO", "/nowhere.wav");
    says("predict %/s.qn " MEDIA "/stereo.wav", "stereo.wav: "); /* another rate, two channels */
    skips("train speech-cnn --data sounds:%/bad --hold-out 2 --skip-bad --epochs 1", 1, "quern: 1 skipped");
    skips("predict %/s.qn --skip-bad %/cut.wav " DATA "/spoken/1_nicolas_0.wav", 1, "cut.wav: truncated");
    says("predict %/s.qn --skip-bad %/cut.wav " DATA "/spoken/1_nicolas_0.wav", "1_nicolas_0.wav: 1 (");
}

static void visits(void)
{
    CHECK(result("train recsys --data events:" DATA "/visits/msweb.data --epochs 4 --json --save %/v.qn", 4, "test_hr@10") > 0.65);
    CHECK(result("evaluate %/v.qn --data events:" DATA "/visits/msweb.data --json", 0, "hr@10") > 0.65);
    CHECK(result("evaluate %/v.qn --data events:" DATA "/visits/msweb.data --keep 0 --json", 0, "hr@10") > 0.65);
    write_text("%/log.csv", "user,item\na,/products\na,/msdownload\nb,/ie\nb,/products\nb,/ie\nb\nc,/ie\n");
    write_text("%/before.txt", "/products\n/ie,/products\n");
    same_answers("predict %/v.qn --data events:%/log.csv --json --top 3 --skip-bad",
                 "predict %/v.qn %/before.txt --json --top 3", 2);
    skips("evaluate %/v.qn --data events:%/log.csv --skip-bad", 1, "log.csv: line 7: 1 values, expected 2 or more");
    write_text("%/who.txt", "/products,/msdownload\nnothing that is known\n");
    says("predict %/v.qn %/who.txt --top 2", "who.txt:1: /");
    says("predict %/v.qn %/who.txt --json", "\"name\":\"/");
    refused("evaluate %/v.qn --data digits", "QN_E_SHAPE", "the model takes [20]");
}

/* A few sentences by heart. */
static void pairs(void)
{
    char text[4096] = "";

    for (int i = 0; i < 60; i++)
        sprintf(text + strlen(text), "%s %d times\t%s vite %d fois !\n", i % 2 ? "run" : "go", i / 2 % 10,
                i % 2 ? "cours" : "va", i / 2 % 10);
    write_text("%/pairs.tsv", text);
    CHECK(result("train translate --data pairs:%/pairs.tsv --split 0.1 --epochs 60 --batch 8 --json --save %/t.qn", 60,
                 "test_bleu") >= 0);
    CHECK(result("evaluate %/t.qn --data pairs:%/pairs.tsv --json", 0, "bleu") > 50);
    CHECK(result("evaluate %/t.qn --data pairs:%/pairs.tsv --json", 0, "loss") ==
          result("evaluate %/t.qn --data pairs:%/pairs.tsv --keep 0 --json", 0, "loss"));
    write_text("%/said.txt", "go 3 times\nrun 5 times\n");
    says("predict %/t.qn %/said.txt", "said.txt:2: cours vite ");
    says("predict %/t.qn %/said.txt --beam 3 --json", "\"text\":\"va vite ");
    refused("predict %/t.qn --data pairs:%/pairs.tsv", "QN_E_UNSUPPORTED", "INPUT");
    refused("evaluate %/t.qn --data digits", "QN_E_SHAPE", "2");
}

static int clear(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about, (void)kind, (void)where;
    return remove(path);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");

    command_path = argc > 1 ? argv[1] : "quern";
    snprintf(folder, sizeof(folder), "%.400s/quern-raw-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    test_run("raw: broken sentences are refused in a line", bad_sentences);
    test_run("raw: broken pairs of sentences are refused in a line", bad_pairs);
    test_run("raw: broken recordings are refused in a line", bad_recordings);
    test_run("raw: broken logs of visits are refused in a line", bad_visits);
    test_run("raw: broken tables are refused in a line, or their rows skipped", bad_tables);
#if QND_PNG
    test_run("raw: broken pictures are refused in a line, or skipped", bad_pictures);
    test_run("raw: pictures are prepared for an answer as in training", pictures_alike);
#endif
    test_run("raw: rows are prepared for an answer as in training", rows_alike);
    if (argc > 2) {
        test_run("raw: sentences, from a file to predictions", sentences);
        test_run("raw: Chinese, from a file to predictions", chinese);
        test_run("raw: recordings, from files to predictions", recordings);
        test_run("raw: translations, from a file to predictions", pairs);
        test_run("raw: visits, from a file to predictions", visits);
    }
    nftw(folder, clear, 8, FTW_DEPTH | FTW_PHYS);
    return test_end();
}
