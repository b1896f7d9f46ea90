/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The quern command on sentences and recordings as they come: trained on, asked about, and refused where they are broken.
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

/* ---- trained, evaluated, asked ---- */

static void sentences(void)
{
    refused("train text --data digits --save %/a.qn", "QN_E_SHAPE", "lines:FILE");
    CHECK(result("train text-cnn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --epochs 20 --batch 16 --lr 0.005 --json "
                 "--save %/a.qn", 20, "test_accuracy") > 0.5);
    CHECK_INT(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --json", 0, "samples"), 200);
    CHECK(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --json", 0, "accuracy") > 0.9);
    CHECK_INT(result("evaluate %/a.qn --data lines:" DATA "/sentences/yelp.tsv --split 0.1 --json", 0, "samples"), 20);
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
    CHECK(result("train speech-cnn --data sounds:" DATA "/spoken --hold-out 3 --epochs 20 --batch 6 --json --save %/s.qn", 20,
                 "test_accuracy") > 0.8);
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
