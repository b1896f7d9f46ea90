/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What docs/command.md promises of the command's output: each object's members, and that numbers which say the same
 * thing in two places agree. */
#include "command.h"
#include "device/qualify.h"
#include "ops/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS  1797 /* samples of digits' test part */
#define CLASSES 10

static char folder[512];

static const char *file(const char *name)
{
    static char path[4][640];
    static int next;

    next = (next + 1) % 4;
    snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
    return path[next];
}

static const char *line(const char *format, const char *a, const char *b)
{
    static char text[1400];

    snprintf(text, sizeof(text), format, a, b);
    return text;
}

/* An object's members, in order, with blanks between. */
static void check_members(const struct qni_json_at *object, const char *want)
{
    struct qni_json_at child = { 0 };
    char text[512] = "";

    while (qni_json_next(object, &child))
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "", qni_json_key(&child));
    CHECK_STR(text, want);
}

static void check_line(const char *out, int i, const char *want)
{
    struct qni_json *j = command_line_json(out, i);
    struct qni_json_at root;

    if (!j)
        return;
    root = qni_json_root(j);
    check_members(&root, want);
    qni_json_free(&j);
}

/* One model for all: an epoch of mlp on digits. */
static bool trained(void)
{
    struct command_result r;
    static int state;

    if (!state) {
        command_run(&r, line("train mlp --data digits --epochs 1 --seed 1 --json --save %s%s", file("m.qn"), ""), 0);
        state = r.code ? -1 : 1;
        command_free(&r);
    }
    if (state < 0)
        test_fail(__FILE__, __LINE__, "there is no model");
    return state > 0;
}

static void train(void)
{
    struct command_result r;

    command_run(&r, line("train mlp --data digits --epochs 2 --json%s%s", "", ""), 0);
    CHECK_INT(command_lines(r.out), 3);
    for (int i = 0; i < 2; i++)
        check_line(r.out, i, "event epoch loss accuracy val_loss val_accuracy samples_per_s waited");
    check_line(r.out, 2, "event test_loss test_accuracy seconds waited skipped steps device_peak_bytes device");
    CHECK(strstr(r.out, "{\"event\":\"epoch\",\"epoch\":1,\"loss\":") == r.out);
    CHECK_STR(r.err, "");
    command_free(&r);
}

static void bench(void)
{
    struct command_result r;

    command_run(&r, "bench gemm conv cnn convstack --runs 1 --batch 1 --seconds 0 --json", 0);
    CHECK_INT(command_lines(r.out), 4 + 3 + 2 + 2);
    for (int i = 0; i < command_lines(r.out); i++)
        check_line(r.out, i,
                   i < 4   ? "workload phase n ms_median ms_min runs gflops algorithm device"
                   : i < 7 ? "workload phase batch ms_median ms_min runs gflops algorithm device"
                           : "workload phase batch ms_median ms_min runs gflops device");
    for (int n = 256; n <= 2048; n *= 2) {
        char text[32];

        snprintf(text, sizeof(text), "\"n\":%d,", n);
        CHECK(strstr(r.out, text));
    }
    CHECK(strstr(r.out, "\"phase\":\"forward\"") && strstr(r.out, "\"phase\":\"data_gradient\""));
    CHECK(strstr(r.out, "\"phase\":\"filter_gradient\"") && strstr(r.out, "\"phase\":\"train\""));
    CHECK(strstr(r.out, "\"phase\":\"infer\""));
    command_free(&r);
}

static void devices(void)
{
    struct command_result r;
    struct qni_json *j = NULL;
    struct qni_json_at root, device = { 0 }, reason;
    const char *text = "";
    qn_context *ctx = NULL;
    int chosen = 0, n = 0;

    command_run(&r, "devices --json", 0);
    CHECK_OK(qn_context_create(&ctx, NULL));
    if (CHECK_OK(qni_json_parse(&j, ctx, "devices", r.out, strlen(r.out), 0))) {
        root = qni_json_root(j);
        while (qni_json_next(&root, &device)) {
            bool is = false;

            check_members(&device, "platform_index device_index platform name vendor type driver version global_bytes "
                                   "alloc_bytes local_bytes free_bytes compute_units clock_mhz usable chosen score reason select "
                                   "uuid pci gflops gbytes_per_s verdict verdict_text left_out "
                                   "wrong algorithms");
            CHECK_OK(qni_json_get_bool(&device, "chosen", &is));
            chosen += is;
            CHECK_OK(qni_json_member(&reason, &device, "reason"));
            CHECK_OK(qni_json_text(&reason, &text));
            CHECK(*text);
            n++;
        }
    }
    CHECK(n > 0);
    CHECK_INT(chosen, 1);
    qni_json_free(&j);
    qn_context_destroy(&ctx);
    command_free(&r);
}

/* What --select prints names the device that it was asked for. */
static void selecting(void)
{
    struct command_result r, again;
    char name[512];

    command_run(&r, "devices --select !mem<1K", 0);
    CHECK_INT(command_lines(r.out), 1);
    CHECK_STR(r.err, "");
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(r.out, "\n"), r.out);
    setenv("QUERN_DEVICE", name, 1);
    command_run(&again, "devices --json", 0);
    CHECK(strstr(again.out, "QUERN_DEVICE is '") && strstr(again.out, "\"chosen\": true"));
    command_free(&again);
    command_run(&again, "devices --select best", 0);
    CHECK_STR(again.out, r.out);
    command_free(&again);
    unsetenv("QUERN_DEVICE");
    command_free(&r);
    command_run(&r, "devices --select mem>100000T", 3);
    CHECK(strstr(r.err, "no device fits 'mem>100000T'"));
    CHECK_STR(r.out, "");
    command_free(&r);
    command_run(&r, "devices --select mem>>1", 2);
    CHECK(strstr(r.err, "column 5: a word is missing"));
    CHECK_INT(command_lines(r.err), 1);
    CHECK_STR(r.out, "");
    command_free(&r);
}

/* The table, and what is measured in it and everywhere after. */
static void benchmark(void)
{
    struct command_result r;
    char *old = getenv("QUERN_CACHE") ? strdup(getenv("QUERN_CACHE")) : NULL;

    setenv("QUERN_CACHE", file("store"), 1);
    command_run(&r, "devices", 0);
    CHECK(strstr(r.out, "GFLOP/s") && strstr(r.out, "\n* ") && strstr(r.out, "  -     -  "));
    CHECK(!strchr(r.out, '\033')); /* no colour outside a terminal */
    command_free(&r);
    command_run(&r, "devices --benchmark", 0);
    CHECK(strstr(r.out, "\n* ") && !strstr(r.out, "  -     -  "));
    command_free(&r);
    command_run(&r, "devices --json", 0);
    CHECK(strstr(r.out, "\"gflops\": ") && !strstr(r.out, "\"gflops\": null"));
    CHECK(!strstr(r.out, "\"gbytes_per_s\": null"));
    command_free(&r);
    setenv("QUERN_DEVICE", "fastest", 1);
    command_run(&r, "devices", 0);
    CHECK(strstr(r.out, "QUERN_DEVICE is 'fastest', by measured speed"));
    unsetenv("QUERN_DEVICE");
    command_free(&r);
    if (old)
        setenv("QUERN_CACHE", old, 1);
    else
        unsetenv("QUERN_CACHE");
    free(old);
    CHECK_INT(system(line("rm -r %s%s", file("store"), "")), 0);
}

/* Keep a verdict of the device in use. */
static bool keep_verdict(const struct qni_verdict *v)
{
    struct qni_found *found = NULL;
    qn_context *ctx = NULL;
    size_t i;
    bool ok = CHECK_OK(qn_context_create(&ctx, NULL)) && CHECK_OK(qni_qualify_find(&found, &i, ctx, NULL));

    if (ok)
        qni_verdict_put(ctx, &found[i].caps, v);
    qni_free(ctx, &found);
    qn_context_destroy(&ctx);
    return ok;
}

/* What `quern` says with these arguments holds all these texts; a "-" before one: and not that. */
static void check_says(const char *arguments, int code, const char *const texts[])
{
    struct command_result r;

    command_run(&r, arguments, code);
    for (int i = 0; texts[i]; i++)
        if (!strstr(r.out, texts[i] + (*texts[i] == '-')) != (*texts[i] == '-'))
            test_fail(__FILE__, __LINE__, "%s says %s %s", arguments, *texts[i] == '-' ? "what it should not," : "nothing of",
                      texts[i]);
    command_free(&r);
}

#define STATES 4000

static void keep_state(void *user, const qn_algorithm *a)
{
    char *text = user;
    const size_t used = strlen(text);

    if (a->state != QN_ALGORITHM_USED)
        snprintf(text + used, STATES - used, "%s/%s of %s is %s: %s\n", a->operation, a->name, a->family,
                qn_algorithm_state_name(a->state), a->reason);
}

#define NONE "the device has none of the instructions that it is made of"

/* What a self-test found of algorithms is told, with the reason, by every list and by the library. */
static void verdicts(void)
{
    const struct qni_verdict v = {
        .state = QN_VERDICT_PARTLY, .level = QNI_LEVEL_ALL, .passed = 7, .failed = 6, .findings = 6, .qualified = "matmul/matrix ",
        .finding = { { "matmul/cpu", "large: element 3 is 2, not 1", 1 }, { "device: two queues", "they do not wait", 0 },
                     { "reduce/group", "sum: nan", 1 }, { "softmax/lanes", "small: inf", 1 }, { "eltwise/vector", "relu: -1", 1 },
                     { "eltwise/coalesced", "relu: -1", 1 } },
    };
    char *old = getenv("QUERN_CACHE") ? strdup(getenv("QUERN_CACHE")) : NULL, text[STATES] = "";
    struct qni_caps caps = { .matrix = QNI_MATRIX_NVIDIA, .name = "one" };
    const struct qni_op *op = qni_op_find("matmul");
    const struct qni_algo *matrix = qni_algo_find(op, "matrix");
    struct qni_verdict quick = { .state = QN_VERDICT_GOOD, .level = QNI_LEVEL_QUICK };

    setenv("QUERN_CACHE", file("verdicts"), 1);
    check_says("ops", 0, (const char *[]){ "cpu, matrix_f16 (untried), ", " matrix (untried), gpu",
                                           "\nuntried, and off, on ", "\nmatmul/matrix: " NONE "\n",
                                           "-left out", "-qualified", NULL });
    check_says("devices", 0, (const char *[]){ "  not tested  ", "-untried", NULL });
    if (!keep_verdict(&v))
        goto done;
    check_says("ops", 0, (const char *[]){ "cpu (left out), ", " matrix (qualified), gpu, ", "\nleft out, by the self-test, on ",
                                           "\nmatmul/cpu: large: element 3 is 2, not 1\n", "\nsoftmax/lanes: small: inf\n",
                                           "\nqualified, by the self-test, on ", "\nmatmul/matrix\n",
                                           "\nattention/matrix: " NONE "\n", "-they do not wait", NULL });
    check_says("ops --json", 0,
               (const char *[]){ "\"state\": \"left out\", \"reason\": \"large: element 3 is 2, not 1\", \"left_out\": \"large: ",
                                 "\"state\": \"qualified\", \"reason\": null}", "\"state\": \"used\", \"reason\": null}", NULL });
    check_says("ops --device nothing-like-it", 3, (const char *[]){ "-matmul", NULL });
    check_says("ops --device !!", 2, (const char *[]){ "-matmul", NULL });
    check_says("ops --device 0:0", 0, (const char *[]){ "matmul", NULL });
    check_says("devices", 0, (const char *[]){ "  partly  ", "left out: eltwise/vector: relu: -1\n",
                                               "left out: 2 more: --long tells",
                                               "qualified: matmul/matrix\n", "-untried", NULL });
    check_says("devices --long", 0, (const char *[]){ "algorithm left out ", " matmul/cpu: large: element 3 is 2, not 1\n",
                                                      "algorithm qualified ", " matmul/matrix\n", "algorithm untried ",
                                                      " attention/matrix: " NONE "\n", " device: two queues: they do not wait\n",
                                                      "-2 more", NULL });
    check_says("devices --json", 0,
               (const char *[]){ "\"wrong\": [{\"name\": \"device: two queues\", \"reason\": \"they do not wait\"}]",
                                 "{\"name\": \"matmul/cpu\", \"state\": \"left out\", "
                                 "\"reason\": \"large: element 3 is 2, not 1\"}",
                                 "{\"name\": \"matmul/matrix\", \"state\": \"qualified\", \"reason\": null}", NULL });
    CHECK_OK(qn_device_algorithms(NULL, NULL, keep_state, text));
    CHECK(strstr(text, "matmul/cpu of gemm is left out: large: element 3 is 2, not 1\n"));
    CHECK(strstr(text, "matmul/matrix of gemm is qualified: \n"));
    CHECK(strstr(text, "attention/matrix of attention is untried: " NONE "\n"));
    setenv("QUERN_QUALIFY", "ignore", 1); /* what was found does not count */
    check_says("ops", 0, (const char *[]){ " matrix (untried), gpu", "-left out", NULL });
    unsetenv("QUERN_QUALIFY");
    CHECK_STATUS(qn_device_algorithms(NULL, NULL, NULL, NULL), QN_E_ARG, "visit");
    /* Where the device has the instructions, it depends on what was tested. */
    CHECK(strstr(qni_algo_offered(op, matrix, &caps, &quick).reason, "off until "));
    quick.level = QNI_LEVEL_ALL;
    CHECK(strstr(qni_algo_offered(op, matrix, &caps, &quick).reason, "nothing in the device's self-test"));
    CHECK_STR(qn_algorithm_state_name((qn_algorithm_state)5), "?");
done:
    if (old)
        setenv("QUERN_CACHE", old, 1);
    else
        unsetenv("QUERN_CACHE");
    free(old);
    CHECK_INT(system(line("rm -rf %s%s", file("verdicts"), "")), 0);
}

/* predict's line at text, for sample i: the classes with their probabilities, likeliest first. */
static bool read_answer(const char *text, int i, int class[], double probability[], int *n, double *label)
{
    struct qni_json *j = command_line_json(text, 0);
    struct qni_json_at root, classes, child = { 0 };
    int64_t v;

    *n = 0;
    if (!j)
        return false;
    root = qni_json_root(j);
    check_members(&root, "sample classes label");
    CHECK_OK(qni_json_get_int(&root, "sample", i, i, &v));
    CHECK_OK(qni_json_get_double(&root, "label", label));
    CHECK_OK(qni_json_member(&classes, &root, "classes"));
    while (*n < CLASSES && qni_json_next(&classes, &child)) {
        check_members(&child, "class probability");
        CHECK_OK(qni_json_get_int(&child, "class", 0, CLASSES - 1, &v));
        CHECK_OK(qni_json_get_double(&child, "probability", &probability[*n]));
        class[(*n)++] = (int)v;
    }
    qni_json_free(&j);
    return !test_failed();
}

/* evaluate's accuracy and loss, worked out from what predict says. */
static void agree(void)
{
    struct command_result r, e;
    struct qni_json *j;
    const char *at;
    double loss = 0.0;
    int right = 0, n, class[CLASSES];

    if (!trained())
        return;
    command_run(&r, line("predict %s --data digits --top 10 --json%s", file("m.qn"), ""), 0);
    CHECK_INT(command_lines(r.out), DIGITS);
    at = r.out;
    for (int i = 0; i < DIGITS && !test_failed(); i++) {
        double p[CLASSES], sum = 0.0, label = -1.0;

        if (!read_answer(at, i, class, p, &n, &label))
            break;
        at = strchr(at, '\n') + 1;
        CHECK_INT(n, CLASSES);
        for (int k = 0; k < n; k++) {
            sum += p[k];
            CHECK(!k || p[k] <= p[k - 1]);
            if (class[k] == (int)label)
                loss -= log(p[k] > 1e-7 ? p[k] : 1e-7) / DIGITS;
        }
        CHECK(fabs(sum - 1.0) < 1e-5);
        right += class[0] == (int)label;
    }
    command_run(&e, line("evaluate %s --data digits --json%s", file("m.qn"), ""), 0);
    CHECK_INT(command_lines(e.out), 1);
    check_line(e.out, 0, "event samples loss accuracy");
    if ((j = command_line_json(e.out, 0))) {
        CHECK_INT(command_number(j, "samples"), DIGITS);
        CHECK(fabs(command_number(j, "accuracy") - (double)right / DIGITS) < 1e-6);
        CHECK(fabs(command_number(j, "loss") - loss) < 1e-3 * loss);
        qni_json_free(&j);
    }
    command_free(&r);
    command_free(&e);
}

/* The first value of a line of plain text, "3: 7 (0.9912), is 7". */
static void plain(void)
{
    struct command_result r, e;
    int sample, class, label;
    double p;

    if (!trained())
        return;
    command_run(&r, line("predict %s --data digits --count 5%s", file("m.qn"), ""), 0);
    CHECK_INT(command_lines(r.out), 5);
    CHECK(sscanf(r.out, "%d: %d (%lf), is %d", &sample, &class, &p, &label) == 4 && sample == 0 && p > 0.1 && p <= 1.0);
    command_run(&e, line("predict %s --data digits --count 5 --batch 2%s", file("m.qn"), ""), 0);
    CHECK_STR(e.out, r.out);
    command_free(&e);
    command_free(&r);
    command_run(&r, line("predict %s --data digits --count 1 --top 3%s", file("m.qn"), ""), 0);
    CHECK_INT(command_lines(r.out), 1);
    CHECK(strchr(r.out, ',') && strchr(strchr(r.out, ',') + 1, ','));
    command_free(&r);
    command_run(&r, line("evaluate %s --data digits%s", file("m.qn"), ""), 0);
    CHECK(strstr(r.out, "1797 samples: loss 0.") == r.out && strstr(r.out, ", accuracy 0."));
    command_free(&r);
}

/* Images from a file of their own give what the same images give as a data set: idx, u8. */
static void images(void)
{
    static const unsigned char header[] = { 0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28 };
    struct command_result r;
    FILE *f = fopen(file("images.idx"), "wb");

    if (!trained() || !f)
        return;
    fwrite(header, 1, sizeof(header), f);
    for (int i = 0; i < 3 * 28 * 28; i++)
        putc(i / 784 ? i % 251 : 0, f);
    fclose(f);
    command_run(&r, line("predict %s --input %s --json", file("m.qn"), file("images.idx")), 0);
    CHECK_INT(command_lines(r.out), 3);
    check_line(r.out, 0, "sample classes");
    command_free(&r);
    truncate(file("images.idx"), 1000);
    command_run(&r, line("predict %s --input %s", file("m.qn"), file("images.idx")), 1);
    CHECK(strstr(r.err, "QN_E_FORMAT") && strstr(r.err, "images.idx"));
    CHECK_INT(command_lines(r.err), 1);
    CHECK_STR(r.out, "");
    command_free(&r);
}

/* Data that do not fit the model. */
static void misfit(void)
{
    struct command_result r;
    FILE *f = fopen(file("t.csv"), "w");

    if (!trained() || !f)
        return;
    fputs("a,b,class\n1,2,0\n3,4,1\n", f);
    fclose(f);
    for (int i = 0; i < 2; i++) {
        command_run(&r, line(i ? "evaluate %s --data csv:%s" : "predict %s --data csv:%s", file("m.qn"), file("t.csv")), 1);
        CHECK(strstr(r.err, "QN_E_SHAPE"));
        CHECK_INT(command_lines(r.err), 1);
        CHECK_STR(r.out, "");
        command_free(&r);
    }
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");

    command_path = argc > 1 ? argv[1] : "quern";
    setenv("QUERN_DATA", TEST_SOURCE_DIR "/examples/data", 1);
    snprintf(folder, sizeof(folder), "%.400s/quern-outputs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    test_run("outputs: train --json", train);
    test_run("outputs: bench --json", bench);
    test_run("outputs: devices --json", devices);
    test_run("outputs: devices --select", selecting);
    test_run("outputs: devices --benchmark", benchmark);
    test_run("outputs: what a self-test found is told, with reasons", verdicts);
    test_run("outputs: evaluate agrees with what predict says of each sample", agree);
    test_run("outputs: predict and evaluate in plain text", plain);
    test_run("outputs: predict for images of one's own", images);
    test_run("outputs: data that do not fit the model", misfit);
    unlink(file("m.qn"));
    unlink(file("images.idx"));
    unlink(file("t.csv"));
    rmdir(folder);
    return test_end();
}
