/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The self-test of a device whose driver crashes, hangs, refuses or computes wrongly: by the real quern-qualify, on which
 * tests/layer does that. Arguments: the programs helper (which leaves out checks), quern-qualify and quern, a CLBlast that is
 * wrong or "", and "every". */
#include "device/qualify.h"
#include "layer.h"
#include "test.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAMPLES 24
#define IN      5
#define OUT     3
#define STEPS   20

/* What only one algorithm's kernel says. */
#define CPU    "int mc, int nc, int kc_most"
#define GPU    "tile_b[2]"
#define SIMPLE "long row_a, long column_a, long row_b"

static const struct layer *layer;
static const char *reason, *tool, *wrong_blas;
static char folder[64], log_path[80], store[80];
static char seen[1 << 16];   /* the checks that failed, "name=result(text) " each */
static char passed[1 << 16]; /* those of an algorithm that did not, "name " each */

static void keep_check(void *user, const qn_check *check)
{
    const size_t used = strlen(seen), more = strlen(passed);

    (void)user;
    if (check->result != QN_CHECK_PASSED && check->result != QN_CHECK_SKIPPED)
        snprintf(seen + used, sizeof(seen) - used, "%s=%d(%s) ", check->name, (int)check->result, check->text);
    else if (check->result == QN_CHECK_PASSED && strchr(check->name, '/'))
        snprintf(passed + more, sizeof(passed) - more, "%s\n", check->name);
}

static qn_context *context(void)
{
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .store_dir = store }));
    return ctx;
}

static void forget(void)
{
    char command[200];

    snprintf(command, sizeof(command), "rm -rf '%s' '%s'", store, log_path);
    CHECK_INT(system(command), 0);
}

/* Forget every verdict, and test the device on a driver that does this harm; only: the checks that are made. */
static bool qualify(qn_verdict *v, const char *harm, const char *only, int limit_s)
{
    qn_context *ctx;
    bool ok;

    forget();
    seen[0] = passed[0] = '\0';
    setenv("LAYER_HARM", harm, 1);
    setenv("HELPER_ONLY", only, 1);
    ctx = context();
    ok = CHECK_OK(qn_device_qualify(v, ctx, NULL, &(qn_qualify_opt){ .limit_s = limit_s, .visit = keep_check }));
    qn_context_destroy(&ctx);
    unsetenv("LAYER_HARM");
    return ok;
}

static int starts(void)
{
    FILE *f = fopen(log_path, "r");
    char line[64];
    int n = 0;

    while (f && fgets(line, sizeof(line), f))
        n += !strncmp(line, "start", 5);
    if (f)
        fclose(f);
    return n;
}

/* What another process says: `quern` with these arguments. */
static int ask(const char *arguments, char *text, size_t bytes)
{
    char command[1024];
    FILE *p;
    int status;

    snprintf(command, sizeof(command), "QUERN_CACHE='%s' '%s' %s 2>&1", store, tool, arguments);
    p = popen(command, "r");
    if (!p)
        return -1;
    text[fread(text, 1, bytes - 1, p)] = '\0';
    status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool ready(void)
{
    if (!layer)
        test_skip("%s", reason);
    return layer;
}

/* ---- one fault, and the verdict ---- */

struct fault {
    const char *name, *harm, *only;
    const char *told;  /* of the check that failed */
    const char *left_out;
    qn_verdict_state state;
    int starts, failed, limit_s;
};

#define SMALL "opened|matmul/cpu: 7x17x13|matmul/gpu: 7x17x13|matmul/simple: 7x17x13"
#define CALLS "opened|device: compiles|device: memory|device: integers|device: vectors"
#define ALL   ": "

static const struct fault quick_faults[] = {
    { "a program that is not built", "refuse:clBuildProgram:0:" CPU, SMALL,
      "matmul/cpu: 7x17x13=1(QN_E_BUILD: ", "matmul/cpu", QN_VERDICT_PARTLY, 1, 1, 0 },
    { "a work-group that is left out", "skip:clEnqueueNDRangeKernel:0:" GPU, SMALL,
      "matmul/gpu: 7x17x13=1(output 0 [7, 17] at [0,0]: not written", "matmul/gpu", QN_VERDICT_PARTLY, 1, 1, 0 },
    { "a compiler that crashes", "crash:clBuildProgram:0:" SIMPLE, SMALL,
      "matmul/simple: 7x17x13=3(crashed, signal 11 (SIGSEGV)", "matmul/simple", QN_VERDICT_PARTLY, 2, 1, 0 },
    { "a second launch that crashes", "crash:clEnqueueNDRangeKernel:1:" CPU, SMALL,
      "matmul/cpu: 7x17x13=3(crashed, signal 11 (SIGSEGV)", "matmul/cpu", QN_VERDICT_PARTLY, 2, 1, 0 },
    { "a launch that hangs", "hang:clEnqueueNDRangeKernel:0:" GPU, "opened|matmul/gpu: 7x17x13|matmul/simple: 7x17x13",
      "matmul/gpu: 7x17x13=4(timed out, no end after 8 s", "matmul/gpu", QN_VERDICT_PARTLY, 2, 1, 8 },
    { "a kernel that is no algorithm's", "crash:clEnqueueNDRangeKernel:0:vload16(0, a)", CALLS,
      "device: vectors=3(crashed, signal 11 (SIGSEGV)", "", QN_VERDICT_BAD, 2, 1, 0 },
    { "a context that crashes", "crash:clCreateContext:0:", CALLS,
      "device: opened=3(crashed, signal 11 (SIGSEGV)", "", QN_VERDICT_BAD, 16, 16, 0 },
};

static const struct fault slow_faults[] = {
    { "a context that hangs", "hang:clCreateContext:0:", CALLS,
      "device: opened=4(timed out, no end after 2 s", "", QN_VERDICT_BAD, 3, 3, 2 },
    { "a compiler that crashes again and again", "crash:clBuildProgram:0:", CALLS,
      "device: compiles and runs a kernel=3(crashed, signal 11 (SIGSEGV)", "", QN_VERDICT_BAD, 5, 4, 0 },
    { "a product that no algorithm of ours makes", "skip:clEnqueueNDRangeKernel:0:long c0", SMALL,
      "matmul/cpu: 7x17x13=1(output 0 [7, 17] at [0,0]: not written", "matmul/gpu matmul/simple matmul/cpu", QN_VERDICT_BAD, 1, 3,
      0 }, /* what rules it out goes first */
};

static void judges(const void *arg)
{
    const struct fault *f = arg;
    qn_verdict v;

    if (!ready() || !qualify(&v, f->harm, f->only, f->limit_s))
        return;
    CHECK_INT(v.state, f->state);
    CHECK_STR(v.algorithms, f->left_out);
    CHECK_INT(v.failed, f->failed);
    CHECK_INT(starts(), f->starts);
    if (strncmp(seen, f->told, strlen(f->told)) != 0)
        test_fail(__FILE__, __LINE__, "told %s", seen);
}

/* ---- what follows ---- */

/* Train a model of one layer; its weights. */
static bool train(float w[(IN + 1) * OUT], const char *harm)
{
    static float x[SAMPLES][IN], t[SAMPLES][OUT];
    qn_context *ctx = context();
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_logs logs;
    bool ok;

    test_seed("driver");
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < IN; k++)
            x[i][k] = (float)test_uniform();
        for (int k = 0; k < OUT; k++)
            t[i][k] = x[i][k] - 2 * x[i][k + 1] + 0.5f;
    }
    layer->harm(harm);
    ok = CHECK_OK(qn_device_open(&dev, ctx, NULL)) && CHECK_OK(qn_model_create(&m, dev));
    if (ok)
        qn_model_output(m, qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){ IN }), &(qn_dense_opt){ .units = OUT }));
    ok = ok && CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_sgd(0.2f), .loss = QN_MSE, .seed = 3 }));
    for (int i = 0; ok && i < STEPS; i++)
        ok = CHECK_OK(qn_model_train_batch(m, (const void *[]){ x }, (const void *[]){ t }, NULL, SAMPLES, &logs));
    ok = ok && CHECK_OK(qn_model_weight_read(m, 0, w, IN * OUT * sizeof(*w))) &&
         CHECK_OK(qn_model_weight_read(m, 1, w + IN * OUT, OUT * sizeof(*w)));
    layer->harm(NULL);
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    return ok;
}

static double distance(const float *a, const float *b)
{
    double most = 0;

    for (int i = 0; i < (IN + 1) * OUT; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* The preferred algorithm is wrong: the model that trains without it comes to the weights of a sound driver. */
static void trains_without(void)
{
    static const char harm[] = "flip:clEnqueueNDRangeKernel:0:" CPU;
    static char text[1 << 16];
    float sound[(IN + 1) * OUT], wrong[(IN + 1) * OUT], saved[(IN + 1) * OUT];
    qn_verdict v;

    if (!ready())
        return;
    forget();
    if (!train(sound, NULL) || !train(wrong, harm) || !qualify(&v, harm, SMALL, 0) || !train(saved, harm))
        return;
    CHECK_INT(v.state, QN_VERDICT_PARTLY);
    CHECK_STR(v.algorithms, "matmul/cpu");
    CHECK(strstr(seen, "matmul/cpu: 7x17x13=1(output 0 [7, 17] at [0,0]: ") == seen);
    CHECK(!(distance(wrong, sound) < 0.01)); /* or NaN */
    CHECK(distance(saved, sound) < 1e-4);
    CHECK_INT(ask("devices --json", text, sizeof(text)), 0);
    CHECK(strstr(text, "\"verdict\": \"partly\"") && strstr(text, "\"left_out\": \"matmul/cpu\""));
    CHECK_INT(ask("ops --json", text, sizeof(text)), 0);
    CHECK(strstr(text, "7x17x13: output 0 [7, 17] at [0,0]: "));
}

/* What every kernel stands on is wrong: the device is not chosen, by this process or another. */
static void is_not_chosen(void)
{
    static char text[1 << 16];
    qn_context *ctx;
    qn_device *dev = NULL;
    qn_verdict v;

    if (!ready() || !qualify(&v, "flip:clEnqueueNDRangeKernel:0:mul_hi(x, 0xd2511f53u)", CALLS, 0))
        return;
    CHECK_INT(v.state, QN_VERDICT_BAD);
    CHECK_INT(v.failed, 1);
    CHECK(strstr(seen, "device: integers=1(32 and 64 bits: element 0 is ") == seen);
    ctx = context();
    CHECK_STATUS(qn_device_open(&dev, ctx, NULL), QN_E_NO_DEVICE, "it failed its self-test: device: integers: 32 and 64 bits");
    qn_context_destroy(&ctx);
    CHECK_INT(ask("devices --json", text, sizeof(text)), 3);
    CHECK(strstr(text, "\"verdict\": \"bad\"") && strstr(text, "\"usable\": false") && strstr(text, "\"chosen\": false"));
    CHECK(qualify(&v, "", CALLS, 0) && v.state == QN_VERDICT_GOOD);
    CHECK_INT(ask("devices --json", text, sizeof(text)), 0);
    CHECK(strstr(text, "\"verdict\": \"good\"") && strstr(text, "\"chosen\": true"));
}

/* Where every kernel is wrong, no algorithm passes a check. */
static void all_can_fail(void)
{
    qn_verdict v;

    if (!ready() || !qualify(&v, "flip:clEnqueueNDRangeKernel:0:", ALL, 0))
        return;
    CHECK_INT(v.state, QN_VERDICT_BAD);
    CHECK(v.failed > 300);
    CHECK_STR(passed, "");
}

/* A sound driver passes them all, one after another and CLBlast's included. */
static void all_pass(void)
{
    qn_verdict v;

    if (!ready() || !qualify(&v, "", ALL, 0))
        return;
    CHECK_INT(v.state, QN_VERDICT_GOOD);
    CHECK(v.passed > 300);
    CHECK_STR(seen, "");
}

/* The command tests a CPU briefly before its first use, and further when that finds something. */
static void first_use(void)
{
    static const char only[] = "opened|matmul/cpu: 65x129x31|matmul/simple: 65x129x31";
    static char text[1 << 16];
    qn_verdict v = { 0 };
    qn_context *ctx;

    if (!ready())
        return;
    forget();
    setenv("HELPER_ONLY", ALL, 1);
    CHECK_INT(ask("inspect /nonexistent", text, sizeof(text)), 1);
    CHECK(strstr(text, "is tested before its first use"));
    CHECK_INT(ask("inspect /nonexistent", text, sizeof(text)), 1);
    CHECK(!strstr(text, "tested"));
    CHECK_INT(starts(), 1);
    CHECK_INT(ask("devices --json", text, sizeof(text)), 0);
    CHECK(strstr(text, "\"verdict_text\": \"good: all of 10 checks before its first use"));
    forget();
    setenv("HELPER_ONLY", only, 1);
    setenv("LAYER_HARM", "flip:clEnqueueNDRangeKernel:0:" CPU, 1);
    CHECK_INT(ask("inspect /nonexistent", text, sizeof(text)), 1);
    unsetenv("LAYER_HARM");
    CHECK(strstr(text, "matmul/cpu: 65x129x31, B transposed: output 0 [65, 129] at [0,0]: ") && strstr(text, "more is tested"));
    CHECK_INT(starts(), 2);
    ctx = context();
    CHECK_OK(qn_device_verdict(&v, ctx, NULL));
    CHECK_INT(v.state, QN_VERDICT_PARTLY);
    CHECK_STR(v.algorithms, "matmul/cpu");
    qn_context_destroy(&ctx);
}

/* CLBlast with the parameters that it computes wrongly is left out; with ours it passes the same check. */
static void blas_is_left_out(void)
{
    static const char only[] = "opened|matmul/clblast: a large product|matmul/simple: 7x17x13";
    char link[100], *wrong = realpath(wrong_blas, NULL);
    qn_verdict v;
    Dl_info real;
    void *library = wrong ? dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL) : NULL, *symbol;

    if (!ready())
        goto done;
    if (!library || !(symbol = dlsym(library, "CLBlastSgemmWithTempBuffer")) || !dladdr(symbol, &real)) {
        test_skip("CLBlast is not installed");
        goto done;
    }
    if (qualify(&v, "", only, 0)) {
        CHECK_STR(seen, "");
        CHECK_INT(v.passed, 3);
    }
    snprintf(link, sizeof(link), "%s/libclblast.so.1", folder);
    CHECK_INT(symlink(wrong, link), 0);
    setenv("CLBLAST_REAL", real.dli_fname, 1);
    setenv("LD_LIBRARY_PATH", folder, 1);
    if (qualify(&v, "", only, 0)) {
        CHECK_STR(v.algorithms, "matmul/clblast");
        if (strstr(seen, "matmul/clblast: a large product=1(element ") != seen)
            test_fail(__FILE__, __LINE__, "told %s", seen);
    }
    unsetenv("LD_LIBRARY_PATH");
done:
    if (library)
        dlclose(library);
    free(wrong);
}

static void run_faults(const struct fault *fault, size_t n)
{
    char name[100];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "driver: %s", fault[i].name);
        test_run_with(name, judges, &fault[i]);
    }
}

int main(int argc, char **argv)
{
    char command[100];

    if (argc < 5)
        return EXIT_FAILURE;
    tool = argv[3];
    wrong_blas = argv[4];
    layer = layer_open(&reason);
    snprintf(folder, sizeof(folder), "/tmp/quern-driver-XXXXXX");
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    snprintf(store, sizeof(store), "%s/store", folder);
    setenv("HELPER_LOG", log_path, 1);
    setenv("HELPER_PART", "real", 1);
    setenv("HELPER_REAL", argv[2], 1);
    setenv("QUERN_HELPER", argv[1], 1);
    setenv("QUERN_DEVICE", "0:0", 0);
    setenv("QUERN_QUIRKS", "no_binaries", 0); /* the layer goes by sources */
    unsetenv("QUERN_QUALIFY");
    if (argc > 5) {
        run_faults(slow_faults, QNI_COUNT(slow_faults));
        test_run("driver: a sound one passes every check", all_pass);
        test_run("driver: one that is wrong everywhere fails every algorithm", all_can_fail);
    } else {
run_faults(quick_faults, QNI_COUNT(quick_faults));
        test_run("driver: an algorithm that is wrong is left out, and a model trains right", trains_without);
        test_run("driver: a device that cannot compute is not chosen", is_not_chosen);
        test_run("driver: before the first use", first_use);
        test_run("driver: a CLBlast whose tiles are computed wrongly is left out", blas_is_left_out);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    CHECK_INT(system(command), 0);
    return test_end();
}
