/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The quern command as its user sees it: exit status, what it prints, the files it leaves. */
#include "command.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[512];

/* A name of a file in the test's own folder. */
static const char *file(const char *name)
{
    static char path[4][640];
    static int next;

    next = (next + 1) % 4;
    snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
    return path[next];
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (!f || fputs(text, f) < 0 || fclose(f))
        test_fail(__FILE__, __LINE__, "cannot write %s", path);
}

static bool same_files(const char *a, const char *b)
{
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    int c = 0, d = 0;

    while (f && g && c == d && c != EOF) {
        c = getc(f);
        d = getc(g);
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return f && g && c == d;
}

static const char *line(const char *format, const char *a, const char *b)
{
    static char text[1400];

    snprintf(text, sizeof(text), format, a, b);
    return text;
}

static void help(void)
{
    static const char *const commands[] = { "train", "evaluate", "predict", "generate", "inspect", "bench", "devices",
                                            "ops" };
    struct command_result r;

    if (command_run(&r, "--help", 0))
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
            CHECK(strstr(r.out, commands[i]));
    CHECK(strstr(r.out, "Exit status"));
    command_free(&r);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (command_run(&r, line("%s --help%s", commands[i], ""), 0))
            CHECK(strstr(r.out, line("Usage: quern %s%s", commands[i], "")) == r.out);
        CHECK_STR(r.err, "");
        command_free(&r);
    }
    /* The lists are whole, in the manual as well. */
    if (command_run(&r, "train --help", 0))
        CHECK(strstr(r.out, "\n  linear ") && strstr(r.out, " with 4 heads\n\nDATA is") && strstr(r.out, "\n  digits ") &&
              strstr(r.out, "\n  msweb ") && strstr(r.out, "\n\nOptions:\n"));
    command_free(&r);
    if (command_run(&r, "train --help=man", 0))
        CHECK(strstr(r.out, "\n  translate ") && strstr(r.out, "\n  arff:FILE ") && strstr(r.out, "\n.fi\n"));
    command_free(&r);
    command_run(&r, "--version", 0);
    CHECK_STR(r.out, "quern " QN_VERSION_STRING "\n");
    command_free(&r);
}

/* Words, exit status, what stderr must contain. */
struct refusal {
    const char *words;
    int code;
    const char *part;
};

static void refuse(const struct refusal *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct command_result r;

        command_run(&r, c[i].words, c[i].code);
        if (!strstr(r.err, c[i].part))
            test_fail(__FILE__, __LINE__, "%s: said %.200s without %s", c[i].words, r.err, c[i].part);
        CHECK_STR(r.out, "");
        if (command_lines(r.err) != 1)
            test_fail(__FILE__, __LINE__, "%s: said more than a line: %.300s", c[i].words, r.err);
        command_free(&r);
    }
}

static void usage(void)
{
    static const struct refusal cases[] = {
        { "", 2, "a command is missing" },
        { "grind", 2, "unknown command grind" },
        { "train", 2, "a model is missing" },
        { "train cnn", 2, "--data is missing" },
        { "train tower --data digits", 2, "choose one of linear, mlp, cnn" },
        { "train mlp --data digits --epochs -1", 2, "--epochs" },
        { "train mlp --data digits --batch -1", 2, "--batch" },
        { "train mlp --data digits --lr -1", 2, "--lr" },
        { "train mlp --data digits --split 1", 2, "--split" },
        { "train mlp --data digits --target word", 2, "class or number" },
        { "train mlp cnn --data digits", 2, "unexpected argument cnn" },
        { "evaluate", 2, "file is missing" },
        { "evaluate a.qn", 2, "--data is missing" },
        { "predict a.qn", 2, "one of INPUT, --data and --input" },
        { "predict a.qn --data digits --input b", 2, "one of INPUT, --data and --input" },
        { "bench tower", 2, "no workload tower" },
        { "bench cnn --runs -1", 2, "out of range" },
        { "ops conv2d", 2, "unexpected argument" },
        { "devices cpu", 2, "unexpected argument cpu" },
        { "train mlp --data digits --epochs ten", 2, "--epochs ten: expected a whole number" },
        { "train mlp --data digits --seed", 2, "--seed needs a whole number" },
        { "train mlp --data digits --speed 3", 2, "unknown option --speed" },
        { "train mlp --data digits -q", 2, "unknown option -q" },
        { "train mlp --data digits --json=yes", 2, "--json takes no value" },
        { "evaluate a.qn --data digits --batch 0", 2, "out of range" },
        { "predict a.qn --data digits --top 0", 2, "out of range" },
    };

    refuse(cases, sizeof(cases) / sizeof(cases[0]));
}

static void failures(void)
{
    struct command_result r;
    char damaged[700];

    write_file(file("damaged.qn"), "this is no model");
    write_file(file("bad.csv"), "a,b,c\n1,2,0\n1,x,1\n1,3,0\n1,4,1\n1,5,0\n1,6,1\n");
    snprintf(damaged, sizeof(damaged), "evaluate %s --data digits", file("damaged.qn"));
    refuse((const struct refusal[]){
               { "train mlp --data letters", 1, "letters" },
               { "train mlp --data csv:", 1, "needs a file's name" },
               { "train mlp --data mnist --data-dir /nonexistent", 1, "/nonexistent" },
               { "train mlp --data csv:/nonexistent.csv", 1, "/nonexistent.csv" },
               { "evaluate /nonexistent.qn --data digits", 1, "/nonexistent.qn" },
               { damaged, 1, "QN_E_FORMAT" },
               { "train mlp --data digits --device nonesuch", 3, "nonesuch" },
               { "bench cnn --device nonesuch", 3, "nonesuch" },
               { "predict /nonexistent.qn --data digits", 1, "/nonexistent.qn" },
               { "train mlp --data digits --resume /nonexistent.qn", 1, "/nonexistent.qn" },
               { "train mlp --data nothing", 1, "no data are called nothing: see quern train --help" },
               { "train mlp --data digits --save /nonexistent/a.qn", 1, "/nonexistent/a.qn: nothing can be saved there" },
               { "train mlp --data digits --save /tmp", 1, "Is a directory" },
               { "train mlp --data digits --save /tmp/", 1, "Is a directory" },
           },
           14);
    command_run(&r, line("train cnn --data csv:%s%s", file("bad.csv"), ""), 1);
    CHECK(strstr(r.err, "QN_E_FORMAT"));
    command_free(&r);
    write_file(file("table.csv"), "a,b,c\n1,2,0\n1,2,1\n3,4,1\n5,6,0\n1,1,1\n");
    command_run(&r, line("train cnn --data csv:%s%s", file("table.csv"), ""), 1);
    CHECK(strstr(r.err, "use mlp"));
    command_free(&r);
}

static void train_json(void)
{
    struct command_result r;
    struct qni_json *j;
    double loss, accuracy;

    if (!command_run(&r, line("train mlp --data digits --epochs 2 --json --save %s%s", file("a.qn"), ""), 0)) {
        command_free(&r);
        return;
    }
    CHECK_INT(command_lines(r.out), 3);
    CHECK(strstr(r.out, "{\"event\":\"epoch\",\"epoch\":1,\"loss\":") == r.out);
    j = command_line_json(r.out, 1);
    CHECK_INT(command_number(j, "epoch"), 2);
    CHECK(command_number(j, "accuracy") > 0.9);
    CHECK(command_number(j, "samples_per_s") > 0.0);
    loss = command_number(j, "val_loss");
    accuracy = command_number(j, "val_accuracy");
    qni_json_free(&j);
    j = command_line_json(r.out, 2);
    CHECK(strstr(r.out, "\"event\":\"done\""));
    CHECK(accuracy > 0.9 && fabs(command_number(j, "test_accuracy") - accuracy) < 1e-6);
    CHECK(fabs(command_number(j, "test_loss") - loss) < 1e-5);
    CHECK_INT(command_number(j, "steps"), 2 * 60);
    CHECK(command_number(j, "seconds") > 0.0);
    CHECK(command_number(j, "device_peak_bytes") > 0.0);
    CHECK(strstr(r.out, "\"device\":\""));
    qni_json_free(&j);
    command_free(&r);

    command_run(&r, line("evaluate %s --data digits --json%s", file("a.qn"), ""), 0);
    j = command_line_json(r.out, 0);
    CHECK_INT(command_number(j, "samples"), 1797);
    CHECK(fabs(command_number(j, "accuracy") - accuracy) < 1e-6);
    qni_json_free(&j);
    command_free(&r);

    command_run(&r, line("predict %s --data digits --count 3 --top 2 --json%s", file("a.qn"), ""), 0);
    CHECK_INT(command_lines(r.out), 3);
    j = command_line_json(r.out, 2);
    CHECK_INT(command_number(j, "sample"), 2);
    command_number(j, "label");
    CHECK(strstr(r.out, "\"classes\":[{\"class\":"));
    qni_json_free(&j);
    command_free(&r);

    command_run(&r, line("predict %s --input %s", file("a.qn"), file("table.csv")), 1);
    CHECK(strstr(r.err, "QN_E_SHAPE"));
    command_free(&r);
}

static void resume(void)
{
    struct command_result r;
    char words[1400];

    snprintf(words, sizeof(words), "train mlp --data digits --seed 3 --quiet --epochs 1 --save %s", file("half.qn"));
    if (command_run(&r, words, 0))
        CHECK(strstr(r.out, "Test accuracy") == r.out);
    command_free(&r);
    snprintf(words, sizeof(words), "train mlp --data digits --seed 3 --quiet --epochs 2 --save %s", file("whole.qn"));
    command_run(&r, words, 0);
    command_free(&r);
    snprintf(words, sizeof(words), "train --data digits --quiet --epochs 2 --resume %s --save %s", file("half.qn"),
             file("resumed.qn"));
    command_run(&r, words, 0);
    command_free(&r);
    CHECK(same_files(file("whole.qn"), file("resumed.qn")));
    CHECK(!same_files(file("whole.qn"), file("half.qn")));
    /* Another network under the saved one's name. */
    snprintf(words, sizeof(words), "train cnn --data digits --epochs 2 --resume %s", file("half.qn"));
    command_run(&r, words, 1);
    CHECK(strstr(r.err, "is not cnn"));
    command_free(&r);
}

static void signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM };

    for (int i = 0; i < 2; i++) {
        struct command_result r;
        struct qni_json *j;

        unlink(file("early.qn"));
        command_run_until(&r, line("train mlp --data digits --epochs 100000 --json --save %s%s", file("early.qn"), ""),
                          "\"event\":\"epoch\"", numbers[i]);
        CHECK_INT(r.code, 128 + numbers[i]);
        j = command_line_json(r.out, command_lines(r.out) - 1);
        CHECK(strstr(r.out, "\"event\":\"interrupted\""));
        CHECK_INT(command_number(j, "signal"), numbers[i]);
        CHECK(command_number(j, "steps") >= 60.0);
        qni_json_free(&j);
        command_free(&r);
        command_run(&r, line("evaluate %s --data digits%s", file("early.qn"), ""), 0);
        command_free(&r);
    }
}

/* Rows as they come, prepared as the training's, by the names of their columns; and what the file says of itself. */
static void rows_and_inspect(void)
{
    struct command_result r;
    struct qni_json *j;

    write_file(file("raw.csv"), "y,x\n0.9,0.8\n1\n-0.9,-0.8\n");
    command_run(&r, line("predict %s %s", file("c.qn"), file("raw.csv")), 1);
    CHECK(strstr(r.err, "raw.csv: line 3: 1 values, expected 2"));
    command_free(&r);
    command_run(&r, line("predict %s %s --json --skip-bad", file("c.qn"), file("raw.csv")), 0);
    CHECK_INT(command_lines(r.out), 2);
    CHECK(strstr(r.out, "raw.csv:2\",\"classes\":[{\"class\":1,\"name\":\"1\","));
    CHECK(strstr(r.out, "raw.csv:4\",\"classes\":[{\"class\":0,\"name\":\"0\","));
    CHECK(strstr(r.err, "skipped: ") && strstr(r.err, "1 skipped"));
    command_free(&r);
    command_run(&r, line("predict %s %s", file("a.qn"), file("raw.csv")), 1);
    CHECK(strstr(r.err, "raw.csv: neither PNG nor JPEG"));
    command_free(&r);
#if QND_PNG
    command_run(&r, line("predict %s %s --json", file("a.qn"), TEST_SOURCE_DIR "/tests/fixtures/media/grey.png"), 0);
    CHECK(strstr(r.out, "grey.png\",\"classes\":[{\"class\":"));
    command_free(&r);
#endif
    command_run(&r, line("inspect %s --json", file("c.qn"), ""), 0);
    j = command_line_json(r.out, 0);
    CHECK_INT(command_number(j, "epochs"), 15);
    qni_json_free(&j);
    CHECK(strstr(r.out, "\"task\":\"mlp\"") && strstr(r.out, "\"outputs\":[\"2 classes: 0, 1\"]"));
    CHECK(strstr(r.out, "\"history\":[{\"epoch\":1,") && strstr(r.out, "400 rows of 3 columns"));
    command_free(&r);
    command_run(&r, line("inspect %s%s", file("c.qn"), ""), 0);
    CHECK(strstr(r.out, "a row of 2: x less ") && strstr(r.out, "Epoch 15:"));
    command_free(&r);
    command_run(&r, line("inspect %s%s", file("raw.csv"), ""), 1);
    CHECK(strstr(r.err, "raw.csv"));
    command_free(&r);
}

static void tables(void)
{
    struct command_result r;
    struct qni_json *j;
    FILE *f = fopen(file("classes.csv"), "w"), *g = fopen(file("numbers.csv"), "w");
    FILE *h = fopen(file("features.csv"), "w");
    double loss;

    /* Two classes that one line divides, and a sum. */
    for (int i = 0; f && g && h && i < 400; i++) {
        double x = test_uniform(), y = test_uniform();

        fprintf(f, "%s%.5f,%.5f,%d\n", i ? "" : "x,y,class\n", x, y, x + y > 0.0);
        fprintf(g, "%.5f,%.5f,%.5f\n", 2.0 * x - y, x, y);
        fprintf(h, "%.5f,%.5f\n", x, y);
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    if (h)
        fclose(h);
    command_run(&r, line("train mlp --data csv:%s --batch 16 --lr 0.01 --epochs 15 --json --save %s",
                         file("classes.csv"), file("c.qn")), 0);
    j = command_line_json(r.out, command_lines(r.out) - 1);
    CHECK(command_number(j, "test_accuracy") > 0.9);
    qni_json_free(&j);
    command_free(&r);
    command_run(&r, line("evaluate %s --data csv:%s --label class --split 0.2 --json", file("c.qn"),
                         file("classes.csv")), 0);
    j = command_line_json(r.out, 0);
    CHECK_INT(command_number(j, "samples"), 80);
    loss = command_number(j, "loss");
    qni_json_free(&j);
    command_free(&r);
    command_run(&r, line("evaluate %s --data csv:%s --label class --split 0.2 --keep 0 --json", file("c.qn"),
                         file("classes.csv")), 0); /* the rows stay in the file */
    j = command_line_json(r.out, 0);
    CHECK(command_number(j, "samples") == 80 && command_number(j, "loss") == loss);
    qni_json_free(&j);
    command_free(&r);
    command_run(&r, line("predict %s --input %s --json", file("c.qn"), file("features.csv")), 0);
    CHECK_INT(command_lines(r.out), 400);
    command_free(&r);
    rows_and_inspect();

    command_run(&r,
                line("train mlp --data csv:%s --label 1 --target number --batch 16 --lr 0.01 --epochs 15 --json "
                     "--save %s", file("numbers.csv"), file("n.qn")), 0);
    j = command_line_json(r.out, command_lines(r.out) - 1);
    CHECK(command_number(j, "test_loss") < 0.05);
    CHECK(command_number(j, "test_mae") < 0.2);
    qni_json_free(&j);
    command_free(&r);
    command_run(&r, line("predict %s --data csv:%s --label 1 --target number --count 1 --json", file("n.qn"),
                         file("numbers.csv")), 0);
    j = command_line_json(r.out, 0);
    CHECK(fabs(command_number(j, "value") - command_number(j, "label")) < 0.5);
    qni_json_free(&j);
    command_free(&r);
}

static void ops(void)
{
    struct command_result r;
    struct qni_json *j = NULL;
    struct qni_json_at root, op = { 0 };
    qn_context *ctx = NULL;
    int count = 0;

    command_run(&r, "ops --json", 0);
    CHECK_OK(qn_context_create(&ctx, NULL));
    if (CHECK_OK(qni_json_parse(&j, ctx, "ops", r.out, strlen(r.out), 0))) {
        root = qni_json_root(j);
        while (qni_json_next(&root, &op)) {
            struct qni_json_at part;
            const char *name = "";
            size_t n = 0;
            bool gradient;

            CHECK_OK(qni_json_get_text(&op, "name", &name));
            CHECK_OK(qni_json_get_bool(&op, "gradient", &gradient));
            for (int k = 0; k < 3; k++) {
                static const char *const lists[] = { "algorithms", "dtypes", "tests" };

                if (!CHECK_OK(qni_json_member(&part, &op, lists[k])) || qni_json_count(&part, &n) || !n)
                    test_fail(__FILE__, __LINE__, "%s has no %s", name, lists[k]);
            }
            count++;
        }
        CHECK(count > 10);
    }
    qni_json_free(&j);
    qn_context_destroy(&ctx);
    command_free(&r);
    command_run(&r, "ops", 0);
    CHECK(strstr(r.out, "conv2d"));
    command_free(&r);
}

/* A model of text is trained, evaluated, writes, and writes the same again. */
static void text(void)
{
    static const char words[] = "the miller grinds the corn of the miller's wife\n";
    struct command_result r, again;
    struct qni_json *j;
    FILE *f = fopen(file("text.txt"), "w");

    for (int i = 0; f && i < 60; i++)
        fputs(words, f);
    if (f)
        fclose(f);
    command_run(&r, line("train gpt --data text:%s --epochs 6 --batch 4 --json --save %s", file("text.txt"), file("gpt.qn")), 0);
    j = command_line_json(r.out, 6);
    CHECK(command_number(j, "test_loss") < 2.0);
    qni_json_free(&j);
    command_free(&r);
    command_run(&r, line("evaluate %s --data text:%s --json", file("gpt.qn"), file("text.txt")), 0);
    command_free(&r);
    command_run(&r, line("generate %s --tokens 40 --prompt the --top-k 5 --top-p 0.9 --seed 3%s", file("gpt.qn"), ""), 0);
    command_run(&again, line("generate %s --tokens 40 --prompt the --top-k 5 --top-p 0.9 --seed 3%s", file("gpt.qn"), ""), 0);
    CHECK(strlen(r.out) == 44 && !strncmp(r.out, "the", 3));
    CHECK_STR(r.out, again.out);
    command_free(&again);
    command_run(&again, line("generate %s --tokens 40 --prompt the --top-k 5 --top-p 0.9 --seed 4%s", file("gpt.qn"), ""), 0);
    CHECK(strcmp(r.out, again.out));
    command_free(&again);
    command_free(&r);
    command_run(&r, line("train lstm-char --data text:%s --epochs 2 --json --save %s", file("text.txt"), file("lstm.qn")), 0);
    j = command_line_json(r.out, 2);
    CHECK(command_number(j, "test_loss") < 3.2 && command_number(j, "steps") == 4); /* of 16 samples, which a text has */
    qni_json_free(&j);
    command_free(&r);
    command_run(&r, line("generate %s --tokens 200 --prompt the --seed 3%s", file("lstm.qn"), ""), 0);
    CHECK(strlen(r.out) == 204 && !strncmp(r.out, "the", 3));
    command_free(&r);
    command_run(&r, line("train lstm-char --resume %s --data text:%s --epochs 1", file("gpt.qn"), file("text.txt")), 1);
    CHECK(strstr(r.err, "is not lstm-char"));
    command_free(&r);
    command_run(&r, line("generate %s --prompt xyz%s", file("gpt.qn"), ""), 1);
    CHECK(strstr(r.err, "not of the vocabulary"));
    command_free(&r);
    write_file(file("short.txt"), "too short");
    command_run(&r, line("predict %s %s", file("gpt.qn"), file("text.txt")), 1);
    CHECK(strstr(r.err, "how its inputs are prepared"));
    command_free(&r);
    command_run(&r, line("train gpt --data text:%s%s", file("short.txt"), ""), 1);
    CHECK(strstr(r.err, "QN_E_FORMAT"));
    command_free(&r);
    command_run(&r, "train gpt --data digits", 1);
    CHECK(strstr(r.err, "reads text"));
    command_free(&r);
}

/* "...: 93 launches and 1.234 ms a run on the device, 3 runs", then lines of which each says how many of these are its
 * own: a layer of 28 steps makes some once a step, and the run still counts once. */
static void profiled_runs(const char *text)
{
    const char *head = strstr(text, "lstm512 train, batch 1: "), *line = head;
    long launches = 0, runs = 0, sum = 0, own;

    CHECK(head && sscanf(head, "lstm512 train, batch 1: %ld launches and %*f ms a run on the device, %ld runs", &launches,
                         &runs) == 2);
    for (int i = 0; line && *line != '\n' && (line = strchr(line, '\n')); i++)
        if (*++line && i && sscanf(line, "%*f %*f %ld", &own) == 1)
            sum += own;
    CHECK(runs >= 1 && runs < 28);
    CHECK(sum > 2 * 28 && sum <= launches);
}

static void bench(void)
{
    struct command_result r;

    command_run(&r, "bench cnn conv --batch 2 --runs 1 --seconds 0 --json", 0);
    CHECK_INT(command_lines(r.out), 5);
    for (int i = 0; i < 5; i++) {
        struct qni_json *j = command_line_json(r.out, i);

        CHECK_INT(command_number(j, "batch"), 2);
        CHECK_INT(command_number(j, "runs"), 1);
        CHECK(command_number(j, "ms_median") >= command_number(j, "ms_min"));
        CHECK(command_number(j, "gflops") > 0.0);
        qni_json_free(&j);
    }
    CHECK(strstr(r.out, "\"phase\":\"filter_gradient\"") && strstr(r.out, "\"algorithm\":\""));
    command_free(&r);
    command_run(&r, "bench cnn --batch 2 --runs 1 --seconds 0 --profile", 0);
    CHECK(strstr(r.out, "cnn train, batch 2: ") && strstr(r.out, "conv2d_backward_filter"));
    command_free(&r);
    command_run(&r, "bench lstm512 --batch 1 --runs 1 --seconds 0 --profile", 0);
    profiled_runs(r.out);
    command_free(&r);
    command_run(&r, "bench memory --batch 2 --json", 0);
    if (r.code == 0) {
        struct qni_json *j = command_line_json(r.out, 0);

        CHECK(command_number(j, "process_peak_bytes") > command_number(j, "device_peak_bytes") / 2.0);
        qni_json_free(&j);
    }
    command_free(&r);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");

    command_path = argc > 1 ? argv[1] : "quern";
    setenv("QUERN_DATA", TEST_SOURCE_DIR "/examples/data", 1);
    snprintf(folder, sizeof(folder), "%.400s/quern-command-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    test_run("command: help for every command", help);
    test_run("command: a wrong command line", usage);
    test_run("command: failures and their exit status", failures);
    test_run("command: a model of text is trained and writes", text);
    test_run("command: train, evaluate and predict print JSON", train_json);
    test_run("command: a resumed training ends in the same bits", resume);
    test_run("command: a signal ends training, and what is trained is saved", signals);
    test_run("command: tables, classes and numbers", tables);
    test_run("command: every operation is listed with its tests", ops);
    test_run("command: bench", bench);
    for (size_t i = 0; i < 12; i++) {
        static const char *const left[] = { "damaged.qn", "bad.csv", "table.csv", "a.qn", "half.qn", "whole.qn",
                                            "resumed.qn", "early.qn", "classes.csv", "numbers.csv", "features.csv", "c.qn",
                                            "raw.csv" };

        unlink(file(left[i]));
    }
    unlink(file("n.qn"));
    rmdir(folder);
    return test_end();
}
