/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The self-test of a device with a helper program that plays parts: helper.c, whose path is the argument. */
#include "device/qualify.h"
#include "ops/gemm/gemm.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *player;
static bool cpu; /* the device that is tested */
static char folder[64], log_path[80], store[80];
static char logged[8000];
static char seen[2000]; /* the checks that were told, "name=result " each */
static int warnings;

static void keep_line(void *user, qn_log_level level, const char *line)
{
    size_t used = strlen(logged);

    (void)user;
    warnings += level == QN_LOG_WARNING;
    snprintf(logged + used, sizeof(logged) - used, "%s\n", line);
}

static void keep_check(void *user, const qn_check *check)
{
    size_t used = strlen(seen);

    (void)user;
    snprintf(seen + used, sizeof(seen) - used, "%s=%d(%s) ", check->name, (int)check->result, check->text);
}

static qn_context *context(bool qualify)
{
    qn_context *ctx = NULL;

    logged[0] = seen[0] = '\0';
    warnings = 0;
    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .log = keep_line, .store_dir = store, .qualify = qualify }));
    return ctx;
}

/* Forget every verdict, and play a part from now on. */
static void play(const char *part)
{
    char command[200];

    snprintf(command, sizeof(command), "rm -rf '%s' '%s'", store, log_path);
    CHECK_INT(system(command), 0);
    setenv("HELPER_PART", part, 1);
}

static qn_status qualify(qn_verdict *v, int limit_s)
{
    qn_context *ctx = context(false);
    qn_status st = qn_device_qualify(v, ctx, NULL, &(qn_qualify_opt){ .limit_s = limit_s, .visit = keep_check });

    qn_context_destroy(&ctx);
    return st;
}

/* What another context hears of it. */
static qn_verdict kept(void)
{
    qn_verdict v = { 0 };
    qn_context *ctx = context(false);

    CHECK_OK(qn_device_verdict(&v, ctx, NULL));
    qn_context_destroy(&ctx);
    return v;
}

/* Helpers that began like this. */
static int starts_as(const char *how)
{
    FILE *f = fopen(log_path, "r");
    char line[64];
    int n = 0;

    while (f && fgets(line, sizeof(line), f))
        n += !strncmp(line, how, strlen(how));
    if (f)
        fclose(f);
    return n;
}

static int starts(void)
{
    return starts_as("start");
}

static void good(void)
{
    qn_verdict v;

    play("good");
    CHECK_INT(kept().state, QN_VERDICT_UNTESTED);
    CHECK(strstr(kept().text, "not tested"));
    CHECK_OK(qualify(&v, 0));
    CHECK_INT(v.state, QN_VERDICT_GOOD);
    CHECK_INT(v.passed, 8);
    CHECK_INT(v.failed + v.skipped + v.left_out, 0);
    CHECK(strstr(seen, "device: opened=0() device: memory=0() ") == seen && strstr(seen, "softmax/lanes: small=0() "));
    CHECK_INT(starts(), 1);
    CHECK_INT(kept().state, QN_VERDICT_GOOD);
    CHECK_STR(kept().text, "good: all of 8 checks");
}

/* The name of the algorithm that a product gets on a device that is opened now. */
static void product_algorithm(char *name, size_t bytes)
{
    static const struct qni_matmul attr = { 0 };
    const struct qni_desc square = { QN_F32, qni_shape(2, (int64_t)8, (int64_t)8) }, in[2] = { square, square };
    struct qni_choices choices = { 0 };
    const struct qni_algo *a;
    struct qni_problem p;
    qn_device *dev = NULL;
    qn_context *ctx = context(false);

    name[0] = '\0';
    if (CHECK_OK(qn_device_open(&dev, ctx, NULL)) && CHECK_OK(qni_problem_init(&p, &qni_op_matmul, &attr, in, 2, 0))) {
        p.caps = &dev->caps;
        a = qni_algo_prefer(&p);
        snprintf(name, bytes, "%s", a ? a->name : "none");
        p.choices = &choices; /* as a model was saved with it */
        choices.ctx = ctx;
        CHECK(qni_algo_choose(&p) == a);
        if (a)
            snprintf(choices.choice[0].name, sizeof(choices.choice[0].name), "cpu");
        CHECK(qni_algo_choose(&p) == a);
        qni_choices_free(&choices);
    }
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
}

static void leaves_out(void)
{
    char name[40];
    qn_verdict v;

    play("good");
    CHECK_OK(qualify(&v, 0));
    product_algorithm(name, sizeof(name));
    CHECK_STR(name, "cpu");
    play("wrong:matmul/cpu: large device: two queues");
    CHECK_OK(qualify(&v, 0));
    CHECK_INT(v.state, QN_VERDICT_PARTLY);
    CHECK_STR(v.algorithms, "matmul/cpu");
    CHECK_INT(v.failed, 2);
    CHECK_INT(v.left_out, 1);
    CHECK(strstr(seen, "matmul/cpu: large=1(element 3 is \"nan\", not 1) "));
    product_algorithm(name, sizeof(name));
    CHECK(strcmp(name, "cpu") != 0 && strcmp(name, "none") != 0);
    CHECK(strstr(logged, "matmul/cpu is left out: large: element 3"));
    setenv("QUERN_ALGO", "gemm=cpu", 1); /* who asks for it by name gets it */
    product_algorithm(name, sizeof(name));
    CHECK_STR(name, "cpu");
    unsetenv("QUERN_ALGO");
}

/* A check of what a device may have takes that from it. */
static void takes_away(void)
{
    qn_context *ctx;
    qn_device *dev = NULL;
    qn_verdict v;

    play("wrong:device: two queues");
    CHECK_OK(qualify(&v, 0));
    ctx = context(false);
    if (CHECK_OK(qn_device_open(&dev, ctx, NULL))) {
        CHECK(dev->caps.quirks & QNI_QUIRK_ONE_QUEUE && dev->upload == dev->queue);
        CHECK(dev->caps.tested_quirks == QNI_QUIRK_ONE_QUEUE);
    }
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
}

static void survives(void)
{
    static const struct {
        const char *part, *told;
        qn_verdict_state state;
        int starts;
    } cases[] = {
        { "segv:softmax/vector: small", "softmax/vector: small=3(crashed, signal 11 (SIGSEGV): driver: something went wrong) ",
          QN_VERDICT_PARTLY, 2 },
        { "abort:matmul/cpu: small", "matmul/cpu: small=3(crashed, signal 6 (SIGABRT)) ", QN_VERDICT_PARTLY, 2 },
        { "exit:softmax/lanes: small", "softmax/lanes: small=3(crashed, status 7) ", QN_VERDICT_PARTLY, 2 },
        { "abort:device: memory", "device: memory=3(crashed, signal 6 (SIGABRT)) ", QN_VERDICT_BAD, 2 },
        { "segv:device: opened", "device: opened=3(crashed", QN_VERDICT_BAD, 2 },
        { "abort:*", "matmul/simple: small=3(crashed", QN_VERDICT_BAD, 9 },
        { "garbage", "device: memory=0() ", QN_VERDICT_GOOD, 1 },
    };

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        qn_verdict v = { 0 };

        play(cases[i].part);
        if (CHECK_OK(qualify(&v, 0)) && (!strstr(seen, cases[i].told) || v.state != cases[i].state || starts() != cases[i].starts))
            test_fail(__FILE__, __LINE__, "%s: verdict %d, %d starts, told %s", cases[i].part, (int)v.state, starts(), seen);
        CHECK_INT(kept().state, cases[i].state);
        CHECK_INT(v.passed + v.failed, 8);
    }
}

static bool is_gone(long pid)
{
    char path[64], line[256] = "";
    FILE *f;

    if (kill((pid_t)pid, 0) && errno == ESRCH)
        return true;
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid); /* ended, and nobody's to reap yet */
    f = fopen(path, "r");
    if (f) {
        if (!fgets(line, sizeof(line), f))
            line[0] = '\0';
        fclose(f);
    }
    return strstr(line, ") Z") != NULL;
}

static void ends_what_hangs(void)
{
    char line[64];
    long child = 0;
    qn_verdict v;
    FILE *f;

    play("hang:matmul/cpu: large");
    CHECK_OK(qualify(&v, 1));
    CHECK_INT(v.state, QN_VERDICT_PARTLY);
    CHECK_STR(v.algorithms, "matmul/cpu");
    CHECK(strstr(seen, "matmul/cpu: large=4(timed out, no end after 1 s) matmul/simple: small=0() "));
    CHECK_INT(starts(), 2);
    f = fopen(log_path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, "child ", 6))
            child = atol(line + 6);
    if (f)
        fclose(f);
    CHECK(child > 0);
    for (int i = 0; i < 100 && child > 0 && !is_gone(child); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    CHECK(child > 0 && is_gone(child));
}

/* Who reads was stopped himself for longer than the limit: that is not the helper's time. */
static void stops_meanwhile(void)
{
    int state = 0;
    pid_t pid;

    play("slow:matmul/cpu: small");
    pid = fork();
    if (pid == 0) {
        char *argv[] = { (char *)(uintptr_t)player, NULL }, line[500];
        struct qni_helper h;

        if (qni_helper_start(&h, player, argv))
            _exit(EXIT_FAILURE);
        while (qni_helper_line(&h, line, sizeof(line), 3))
            ;
        _exit(h.end == QNI_HELPER_ENDED ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
    CHECK(pid > 0 && !kill(pid, SIGSTOP));
    nanosleep(&(struct timespec){ .tv_sec = 3, .tv_nsec = 700000000 }, NULL);
    CHECK(pid > 0 && !kill(pid, SIGCONT));
    CHECK(pid > 0 && waitpid(pid, &state, 0) == pid && WIFEXITED(state) && WEXITSTATUS(state) == EXIT_SUCCESS);
}

/* A machine that has too much to do is no fault of the device's. */
static void starves(void)
{
    qn_verdict v;

    if (access("/proc/self/task", R_OK)) {
        test_skip("the system does not tell what a process gets of the processor");
        return;
    }
    play("starve:matmul/cpu: small");
    CHECK_OK(qualify(&v, 1));
    CHECK_INT(v.state, QN_VERDICT_GOOD);
    CHECK_INT(starts(), 1);
}

/* A device that cannot compute is not opened, and another one would be. */
static void rules_out(void)
{
    static const char *const parts[] = { "wrong:device: memory", "wrong:matmul/cpu: small matmul/simple: small" };
    static const char *const reasons[] = { "device: memory: element 3", "no algorithm computes matmul rightly" };

    for (int i = 0; i < 2; i++) {
        qn_device_info *list = NULL;
        qn_device *dev = NULL;
        qn_context *ctx;
        qn_verdict v;
        size_t n = 0;

        play(parts[i]);
        CHECK_OK(qualify(&v, 0));
        CHECK_INT(v.state, QN_VERDICT_BAD);
        CHECK(strstr(v.text, "bad: "));
        ctx = context(false);
        CHECK_OK(qn_device_list(&list, &n, ctx));
        if (n) {
            CHECK(!list[0].usable && list[0].verdict == QN_VERDICT_BAD);
            CHECK(strstr(list[0].reason, "not usable: it failed its self-test: ") && strstr(list[0].reason, reasons[i]) &&
                  strstr(list[0].reason, "; quern devices --qualify tests it again"));
        }
        qn_device_list_free(&list, ctx);
        CHECK_STATUS(qn_device_open(&dev, ctx, NULL), QN_E_NO_DEVICE, "it failed its self-test");
        CHECK_INT(kept().state, QN_VERDICT_BAD); /* it can still be asked for, and tested again */
        setenv("QUERN_QUALIFY", "ignore", 1);
        CHECK_OK(qn_device_open(&dev, ctx, NULL));
        unsetenv("QUERN_QUALIFY");
        qn_device_close(&dev);
        qn_context_destroy(&ctx);
        setenv("HELPER_PART", "good", 1);
        CHECK_OK(qualify(&v, 0));
        CHECK_INT(kept().state, QN_VERDICT_GOOD);
    }
}

static void explains(void)
{
    static const struct {
        const char *part, *message;
        qn_status status;
    } cases[] = {
        { "stranger", "is not Quern's helper program", QN_E_FORMAT },
        { "old", "is of Quern 0.0.1", QN_E_FORMAT },
        { "elsewhere", "sees another device", QN_E_DEVICE },
        { "gone", "ended at once, status 1: cannot open libsomething.so", QN_E_IO },
    };
    qn_context *ctx = NULL;
    qn_verdict v;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        play(cases[i].part);
        CHECK_STATUS(qualify(&v, 0), cases[i].status, cases[i].message);
        CHECK_INT(kept().state, QN_VERDICT_UNTESTED);
    }
    play("good");
    setenv("QUERN_HELPER", "/nonexistent/helper", 1);
    CHECK_STATUS(qualify(&v, 0), QN_E_IO, "/nonexistent/helper (QUERN_HELPER) cannot be run: No such file");
    setenv("QUERN_HELPER", player, 1);
    CHECK_STATUS(qn_device_qualify(NULL, NULL, NULL, NULL), QN_E_ARG, "out");
    CHECK_STATUS(qualify(&v, -1), QN_E_ARG, "limit_s");
    CHECK_STATUS(qn_device_qualify(&v, NULL, NULL, &(qn_qualify_opt){ .reserved = { 1 } }), QN_E_ARG, "reserved");
    CHECK_STATUS(qn_device_verdict(NULL, NULL, NULL), QN_E_ARG, "out");
    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_helper = true, .store_dir = store }));
    CHECK_STATUS(qn_device_qualify(&v, ctx, NULL, NULL), QN_E_UNSUPPORTED, "no helper");
    qn_context_destroy(&ctx);
    CHECK_INT(starts(), 0);
}

/* Where the context wants it, a device is tested when it is first opened, once: a CPU briefly. */
static void first_use(void)
{
    qn_device *dev = NULL;
    qn_context *ctx;

    for (int i = 0; i < 2; i++) {
        if (i == 0)
            play("good");
        ctx = context(true);
        CHECK_OK(qn_device_open(&dev, ctx, NULL));
        CHECK_INT(warnings, i == 0);
        CHECK_INT(starts_as(cpu ? "start 0 --brief" : "start 0 --quick"), 1);
        CHECK_INT(starts(), 1);
        qn_device_close(&dev);
        qn_context_destroy(&ctx);
        CHECK_STR(kept().text, cpu ? "good: all of 8 checks before its first use; quern devices --qualify makes more"
                                   : "good: all of 8 checks, only algorithms that are preferred here");
        CHECK(kept().quick);
    }
    CHECK_OK(qualify(&(qn_verdict){ 0 }, 0)); /* a longer one replaces it */
    CHECK_STR(kept().text, "good: all of 8 checks");
    CHECK(!kept().quick);
}

/* What the brief test finds is looked into by the quick one, and what that finds counts. */
static void first_use_finds(void)
{
    const int runs = cpu ? 2 : 1;
    qn_device *dev = NULL;
    qn_context *ctx;

    for (int i = 0; i < 2; i++) {
        if (i == 0)
            play("wrong:softmax/lanes: small");
        ctx = context(true);
        CHECK_OK(qn_device_open(&dev, ctx, NULL));
        CHECK_INT(warnings, i ? 0 : runs);
        CHECK(i || !cpu || strstr(logged, "softmax/lanes: small: element 3 is \"nan\", not 1: more is tested"));
        CHECK(dev && dev->caps.verdict == QN_VERDICT_PARTLY && qni_caps_left_out(&dev->caps, "softmax", "lanes"));
        CHECK(dev && !qni_caps_left_out(&dev->caps, "softmax", "vector") && !qni_caps_left_out(&dev->caps, "softmax", "lane"));
        /* One that is off where it has not passed. */
        CHECK(dev && qni_caps_qualified(&dev->caps, "softmax", "vector") && !qni_caps_qualified(&dev->caps, "softmax", "lanes"));
        CHECK(dev && !qni_caps_qualified(&dev->caps, "matmul", "cpu"));
        CHECK(dev && dev->info.verdict == QN_VERDICT_PARTLY);
        qn_device_close(&dev);
        qn_context_destroy(&ctx);
        CHECK_INT(starts(), runs);
        CHECK_INT(starts_as("start 0 --quick"), 1);
    }
    CHECK(strstr(kept().text, ", only algorithms that are preferred here, softmax/lanes: "));
    play("wrong:device: memory");
    ctx = context(true);
    CHECK_STATUS(qn_device_open(&dev, ctx, NULL), QN_E_NO_DEVICE, "failed its self-test");
    qn_context_destroy(&ctx);
    for (int i = 0; i < 2 && cpu; i++) { /* what the brief test finds is no verdict */
        play(i ? "wrong gone:device: memory" : "wrong once:device: memory");
        ctx = context(true);
        CHECK_OK(qn_device_open(&dev, ctx, NULL));
        qn_device_close(&dev);
        qn_context_destroy(&ctx);
        CHECK_INT(kept().state, i ? QN_VERDICT_UNTESTED : QN_VERDICT_GOOD);
    }
}

/* No helper, no place for its verdict, or nobody wants it: the device is used untested. */
static void first_use_without(void)
{
    qn_device *dev = NULL;
    qn_context *ctx = NULL;

    play("good");
    setenv("QUERN_HELPER", "/nonexistent/helper", 1);
    ctx = context(true);
    CHECK_OK(qn_device_open(&dev, ctx, NULL));
    CHECK(strstr(logged, "is used untested: the helper program /nonexistent/helper"));
    CHECK_INT(warnings, 1);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    setenv("QUERN_HELPER", player, 1);
    setenv("QUERN_QUALIFY", "never", 1);
    ctx = context(true);
    CHECK_OK(qn_device_open(&dev, ctx, NULL));
    unsetenv("QUERN_QUALIFY");
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    logged[0] = '\0';
    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .log = keep_line, .store_dir = "/dev/null/store", .qualify = true }));
    CHECK_OK(qn_device_open(&dev, ctx, NULL));
    CHECK(strstr(logged, "is used untested: /dev/null/store keeps no verdict"));
    CHECK_INT(starts(), 0);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
}

/* A verdict is of one device, driver and shape; a file that is damaged is none. */
static void belongs(void)
{
    char path[160];
    struct qni_verdict v;
    struct qni_caps caps;
    qn_context *ctx;
    qn_device *dev = NULL;
    qn_verdict out;
    FILE *f;

    play("wrong:softmax/lanes: small");
    CHECK_OK(qualify(&out, 0));
    ctx = context(false);
    if (!CHECK_OK(qn_device_open(&dev, ctx, NULL)))
        goto done;
    qni_verdict_get(&v, ctx, &dev->caps);
    CHECK_INT(v.state, QN_VERDICT_PARTLY);
    caps = dev->caps;
    snprintf(caps.driver, sizeof(caps.driver), "another");
    qni_verdict_get(&v, ctx, &caps);
    CHECK_INT(v.state, QN_VERDICT_UNTESTED);
    caps = dev->caps;
    caps.shape = caps.shape == QNI_CPU_SHAPED ? QNI_GPU_SHAPED : QNI_CPU_SHAPED;
    qni_verdict_get(&v, ctx, &caps);
    CHECK_INT(v.state, QN_VERDICT_UNTESTED);

    snprintf(path, sizeof(path), "%s/verdict-%016llx.bin", store, (unsigned long long)qni_verdict_key(&dev->caps));
    f = fopen(path, "r+");
    CHECK(f && !fseek(f, 60, SEEK_SET) && fputc('!', f) != EOF && !fclose(f));
    CHECK_INT(kept().state, QN_VERDICT_UNTESTED);
    CHECK(strstr(logged, "is damaged and is made anew") && access(path, F_OK));
    CHECK_OK(qualify(&out, 0));
    CHECK_INT(kept().state, QN_VERDICT_PARTLY);
    memset(&v, 0, sizeof(v)); /* sound as a file, but no verdict */
    v.state = 77;
    qni_store_put(ctx, qni_verdict_key(&dev->caps), "verdict", &v, offsetof(struct qni_verdict, finding));
    CHECK_INT(kept().state, QN_VERDICT_UNTESTED);
    v.state = QN_VERDICT_PARTLY;
    v.findings = 1u << 31;
    qni_store_put(ctx, qni_verdict_key(&dev->caps), "verdict", &v, sizeof(v));
    CHECK_INT(kept().state, QN_VERDICT_UNTESTED);
done:
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
}

/* What the part player says that it sees. */
static bool tell_device(void)
{
    qn_context *ctx = context(false);
    qn_device *dev = NULL;
    char key[24];
    bool ok = CHECK_OK(qn_device_open(&dev, ctx, NULL));

    if (ok) {
        snprintf(key, sizeof(key), "%016llx", (unsigned long long)qni_verdict_key(&dev->caps));
        setenv("HELPER_DEVICE", key, 1);
        cpu = dev->caps.type == CL_DEVICE_TYPE_CPU;
    }
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    return ok;
}

int main(int argc, char **argv)
{
    char command[100];

    if (argc < 2)
        return EXIT_FAILURE;
    player = argv[1];
    snprintf(folder, sizeof(folder), "/tmp/quern-qualify-XXXXXX");
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    snprintf(store, sizeof(store), "%s/store", folder);
    setenv("HELPER_LOG", log_path, 1);
    setenv("QUERN_HELPER", player, 1);
    setenv("QUERN_DEVICE", "0:0", 0);
    unsetenv("QUERN_QUALIFY");
    if (tell_device()) {
        test_run("qualify: all is well, and is kept", good);
        test_run("qualify: an algorithm that is wrong is left out", leaves_out);
        test_run("qualify: a feature that is wrong is taken away", takes_away);
        test_run("qualify: crashes and garbage", survives);
        test_run("qualify: what hangs is ended with its children", ends_what_hangs);
        test_run("qualify: time in which this program is stopped does not count", stops_meanwhile);
        test_run("qualify: time in which the helper gets no processor hardly counts", starves);
        test_run("qualify: a device that cannot compute is not used", rules_out);
        test_run("qualify: helpers that are none", explains);
        test_run("qualify: at the first use", first_use);
        test_run("qualify: at the first use, and something is wrong", first_use_finds);
        test_run("qualify: at the first use, and it cannot be tested", first_use_without);
        test_run("qualify: whose a verdict is, and files that are none", belongs);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    CHECK_INT(system(command), 0);
    return test_end();
}
