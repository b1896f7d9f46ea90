/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the headers say of threads, done: two models on two threads, on one device and on two; and from several threads at
 * once what "Threads: any" says of contexts, devices, tensors and operations; threads_data.c has what it says of data.
 * ThreadSanitizer (./check threads) looks for what goes well by luck. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/device.h"
#include "device/qualify.h"
#include "test.h"

#include <quern/cl.h>

#define THREADS 4
#define ROUNDS  3
#define SAMPLES 48
#define N       1000

static float x[SAMPLES][4], y[SAMPLES][1];

/* Threads wait for one another, so that what follows really happens at once. */
static pthread_barrier_t together;

static void each_thread(int threads, void *(*work)(void *), void *arg, size_t bytes)
{
    pthread_t thread[THREADS];

    CHECK_INT(pthread_barrier_init(&together, NULL, (unsigned)threads), 0);
    for (int i = 0; i < threads; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, work, (char *)arg + (size_t)i * bytes), 0);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&together);
}

static bool one_thread(void)
{
    const qn_device *dev = test_device();

    if (dev && dev->caps.quirks & QNI_QUIRK_ONE_THREAD)
        test_skip("a driver for one thread");
    return !dev || dev->caps.quirks & QNI_QUIRK_ONE_THREAD;
}

/* ---- models ---- */

struct training {
    qn_device *dev;
    uint64_t seed;
    char path[64];
    float weights[4 * 16];
    double loss;
    qn_status status;
    char message[200];
};

static qn_status learn(qn_model **out, struct training *t, qn_dataset *data)
{
    float predicted[SAMPLES][1];
    qn_model *m = NULL, *copy = NULL;
    qn_logs logs;
    qn_val v;
    qn_status st;

    if ((st = qn_model_create(out, t->dev)))
        return st;
    m = *out;
    v = qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){4}), &(qn_dense_opt){.units = 16, .act = QN_TANH});
    v = qn_dropout(m, v, 0.1f, NULL);
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){.units = 1}));
    if ((st = qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_adam(1e-2f), .loss = QN_MSE, .seed = t->seed})) ||
        (st = qn_model_fit(m, data, &(qn_fit_opt){.epochs = 3, .batch = 16, .threads = 2})) ||
        (st = qn_model_evaluate(m, data, 16, &logs)) ||
        (st = qn_model_predict(m, (const void *[]){x}, SAMPLES, (void *[]){predicted}, 16)) ||
        (st = qn_model_save(m, t->path)) || (st = qn_model_load(&copy, t->dev, t->path)) ||
        (st = qn_model_weight_read(copy, 0, t->weights, sizeof(t->weights))))
        goto done;
    t->loss = qn_logs_get(&logs, "loss");
done:
    qn_model_destroy(&copy);
    return st;
}

static void *train(void *arg)
{
    const qn_array array[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {1, {4}}}, x}, {{NULL, QN_FIELD_TARGET, QN_F32, {1, {1}}}, y}};
    struct training *t = arg;
    qn_dataset *data = NULL;
    qn_model *m = NULL;

    pthread_barrier_wait(&together);
    if (!(t->status = qn_dataset_arrays(&data, SAMPLES, array, 2, NULL)))
        t->status = learn(&m, t, data);
    snprintf(t->message, sizeof(t->message), "%s", t->status ? qn_last_error() : "");
    qn_model_destroy(&m);
    qn_dataset_close(&data);
    unlink(t->path);
    return NULL;
}

static void begin(struct training *t, qn_device *dev, int which)
{
    *t = (struct training){.dev = dev, .seed = 1 + (uint64_t)which};
    snprintf(t->path, sizeof(t->path), "/tmp/quern-threads-%ld-%d.qn", (long)getpid(), which);
}

/* Each alone, then both at once: the same bits. */
static void both(qn_device *a, qn_device *b)
{
    struct training alone[2], at_once[2];

    for (int i = 0; i < 2; i++) {
        begin(&alone[i], i ? b : a, i);
        each_thread(1, train, &alone[i], sizeof(alone[i]));
        begin(&at_once[i], i ? b : a, i);
    }
    each_thread(2, train, at_once, sizeof(at_once[0]));
    for (int i = 0; i < 2; i++) {
        if (alone[i].status || at_once[i].status)
            test_fail(__FILE__, __LINE__, "%s%s", alone[i].message, at_once[i].message);
        CHECK(!memcmp(alone[i].weights, at_once[i].weights, sizeof(alone[i].weights)));
        CHECK(alone[i].loss == at_once[i].loss);
    }
    CHECK(memcmp(alone[0].weights, alone[1].weights, sizeof(alone[0].weights)) != 0);
}

static void one_device(void)
{
    if (!one_thread())
        both(test_device(), test_device());
}

static void two_devices(void)
{
    qn_device_info *list = NULL;
    qn_device *dev[2] = {NULL, NULL};
    qn_context *ctx = NULL;
    size_t n = 0, used = 0;

    if (one_thread())
        return;
    CHECK_OK(qn_context_create(&ctx, NULL));
    CHECK_OK(qn_device_list(&list, &n, ctx));
    for (size_t i = 0; i < n && used < 2; i++)
        if (list[i].usable && !qn_device_open(&dev[used], ctx, list[i].select))
            used++;
    if (used == 2)
        both(dev[0], dev[1]);
    else
        test_skip("one device only");
    for (int i = 0; i < 2; i++)
        qn_device_close(&dev[i]);
    qn_device_list_free(&list, ctx);
    qn_context_destroy(&ctx);
}

/* ---- "Threads: any." ---- */

struct shared {
    qn_context *ctx;
    qn_device *dev;
    qn_tensor *common;
    qn_dataset *data;
    qn_tokenizer *tokenizer;
    qn_features *features;
    int number, wrong;
};

#define EXPECT(x) (s->wrong += !(x) && fprintf(stderr, "# thread %d: not true: %s: %s\n", s->number, #x, qn_last_error()) > 0)

static void count_algorithm(void *user, const qn_algorithm *a)
{
    *(int *)user += *a->name != '\0';
}

static void count_property(void *user, const char *name, const char *value)
{
    *(int *)user += *name && value;
}

static void use_context(struct shared *s)
{
    qn_device_info *list = NULL;
    qn_device_info chosen;
    qn_verdict v;
    size_t n = 0;
    int algorithms = 0, properties = 0;
    void *p = qn_context_alloc(s->ctx, 100);

    EXPECT(p);
    qn_context_free(s->ctx, p);
    EXPECT(!qn_device_list(&list, &n, s->ctx) && n > 0);
    EXPECT(!qn_device_choose(&chosen, s->ctx, list[0].select) && !strcmp(chosen.name, list[0].name));
    qn_device_list_free(&list, s->ctx);
    EXPECT(!qn_device_verdict(&v, s->ctx, NULL) && *v.text);
    EXPECT(!qn_device_algorithms(s->ctx, NULL, count_algorithm, &algorithms) && algorithms > 100);
    EXPECT(!qn_device_get_info(s->dev, &chosen) && *chosen.name);
    EXPECT(!qn_device_properties(s->ctx, NULL, count_property, &properties) && properties > 50);
}

/* Every thread has its own message. */
static void fail(struct shared *s)
{
    char name[32];
    qn_device *dev = NULL;

    snprintf(name, sizeof(name), "no-such-device-%d", s->number);
    EXPECT(qn_device_open(&dev, s->ctx, name) == QN_E_NO_DEVICE);
    sched_yield();
    EXPECT(strstr(qn_last_error(), name));
}

/* Its own device of everybody's driver objects. */
static void wrap(struct shared *s)
{
    const int64_t n = N;
    float host[N], back[N] = {0};
    qn_device *own = NULL;
    qn_tensor *t = NULL;

    for (int i = 0; i < N; i++)
        host[i] = (float)(i * THREADS + s->number);
    EXPECT(!qn_device_wrap(&own, s->ctx, qn_device_cl_context(s->dev), qn_device_cl_queue(s->dev)));
    EXPECT(!qn_tensor_create(&t, own, QN_F32, 1, &n) && !qn_tensor_write(t, host, sizeof(host)));
    EXPECT(!qn_tensor_read(t, back, sizeof(back)) && !memcmp(back, host, sizeof(host)));
    qn_tensor_destroy(&t);
    qn_device_close(&own);
}

/* A device for all, and one of its own; tensors and an operation of its own. */
static void compute(struct shared *s, int round)
{
    static const int64_t dim[] = {N};
    float host[N], back[N];
    qn_device *own = NULL;
    qn_tensor *t[3] = {NULL}, *view = NULL, *wrapped = NULL;
    qn_op *op = NULL;
    uint64_t current = 0, peak = 0;
    bool same = true;

    for (int i = 0; i < N; i++)
        host[i] = (float)(i + 1000 * s->number + round);
    for (int i = 0; i < 3; i++)
        EXPECT(!qn_tensor_create(&t[i], s->dev, QN_F32, 1, dim));
    EXPECT(!qn_op_act_plan(&op, s->dev, &(qn_shape){1, {N}}, QN_RELU, 0));
    EXPECT(!qn_tensor_write(t[0], host, sizeof(host)) && !qn_tensor_copy(t[1], t[0]));
    EXPECT(!qn_tensor_view(&view, t[1], 0, 1, dim) && qn_tensor_shape(view).dim[0] == N);
    EXPECT(!qn_tensor_wrap(&wrapped, s->dev, qn_tensor_cl_mem(s->common, NULL), 0, QN_F32, 1, dim));
    if (op)
        EXPECT(*qn_op_algorithm(op) && !qn_op_run(op, &view, 1, &t[2], 1, NULL));
    EXPECT(!qn_tensor_read(t[2], back, sizeof(back)));
    for (int i = 0; i < N; i++)
        same = same && back[i] == host[i];
    EXPECT(same);
    EXPECT(!qn_device_memory(s->dev, &current, &peak) && current && peak >= current);
    EXPECT(qn_device_build_log(s->dev) && !qn_device_finish(s->dev));
    EXPECT(!qn_device_open(&own, s->ctx, NULL));
    qn_op_destroy(&op);
    qn_tensor_destroy(&wrapped);
    qn_tensor_destroy(&view);
    for (int i = 0; i < 3; i++)
        qn_tensor_destroy(&t[i]);
    qn_device_close(&own);
}

static void read_data(struct shared *s)
{
    const int64_t index[] = {s->number, SAMPLES - 1};
    float in[2][4], out[2][1], frames[64 * 4], sound[256] = {0};
    int32_t token[8];
    int64_t count = 0;

    EXPECT(!qn_dataset_read(s->data, index, 2, (void *[]){in, out}));
    EXPECT(!memcmp(in[0], x[s->number], sizeof(in[0])) && out[1][0] == y[SAMPLES - 1][0]);
    EXPECT(!qn_tokenizer_encode(s->tokenizer, "c a b", token, 8, &count) && count == 3);
    sound[s->number] = 1;
    EXPECT(qn_features_frames(s->features, 256) * qn_features_width(s->features) <= (int64_t)QNI_COUNT(frames));
    EXPECT(!qn_features_run(s->features, frames, sound, 256));
}

static void *do_all(void *arg)
{
    struct shared *s = arg;

    pthread_barrier_wait(&together);
    for (int i = 0; i < ROUNDS; i++) {
        use_context(s);
        fail(s);
        compute(s, i);
        wrap(s);
        read_data(s);
    }
    return NULL;
}

static void log_line(void *user, qn_log_level level, const char *line)
{
    (void)level;
    atomic_fetch_add((atomic_int *)user, line != NULL);
}

static void any(void)
{
    const qn_array array[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {1, {4}}}, x}, {{NULL, QN_FIELD_TARGET, QN_F32, {1, {1}}}, y}};
    struct shared s[THREADS] = {{0}};
    atomic_int lines = 0;

    if (one_thread())
        return;
    CHECK_OK(qn_context_create(&s[0].ctx, &(qn_context_opt){.log = log_line, .user = &lines}));
    CHECK_OK(qn_device_open(&s[0].dev, s[0].ctx, NULL));
    CHECK_OK(qn_tensor_create(&s[0].common, s[0].dev, QN_F32, 1, (int64_t[]){N}));
    CHECK_OK(qn_dataset_arrays(&s[0].data, SAMPLES, array, 2, NULL));
    CHECK_OK(qn_tokenizer_create(&s[0].tokenizer, NULL));
    CHECK_OK(qn_tokenizer_fit(s[0].tokenizer, (const char *const[]){"a b c"}, 1));
    CHECK_OK(qn_features_create(&s[0].features, &(qn_features_opt){.kind = QN_FEATURE_MFCC, .fft = 64, .mels = 8,
                                                                   .coefficients = 4}));
    for (int i = 1; i < THREADS; i++)
        s[i] = s[0];
    for (int i = 0; i < THREADS; i++)
        s[i].number = i;
    if (!test_failed())
        each_thread(THREADS, do_all, s, sizeof(s[0]));
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(s[i].wrong, 0);
    CHECK(lines > 0);
    qn_features_destroy(&s[0].features);
    qn_tokenizer_destroy(&s[0].tokenizer);
    qn_dataset_close(&s[0].data);
    qn_tensor_destroy(&s[0].common);
    qn_device_close(&s[0].dev);
    qn_context_destroy(&s[0].ctx);
}

/* ---- the self-test ---- */

static void *qualify(void *arg)
{
    struct shared *s = arg;
    qn_verdict v = {0}, kept = {0};

    pthread_barrier_wait(&together);
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT(!qn_device_qualify(&v, s->ctx, NULL, NULL) && v.state == QN_VERDICT_GOOD && v.passed == 8);
        EXPECT(!qn_device_verdict(&kept, s->ctx, NULL) && kept.state == QN_VERDICT_GOOD && kept.passed == 8);
    }
    return NULL;
}

/* The same device, by a helper program that plays one (helper.c) for each thread; all keep what they find in one place. */
static void tested(void)
{
    struct shared s[THREADS] = {{0}};
    char folder[] = "/tmp/quern-threads-XXXXXX", text[100];

    if (one_thread())
        return;
    CHECK(mkdtemp(folder));
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)qni_verdict_key(&test_device()->caps));
    setenv("HELPER_DEVICE", text, 1);
    setenv("HELPER_PART", "good", 1);
    for (int i = 0; i < THREADS; i++)
        s[i].number = i;
    if (CHECK_OK(qn_context_create(&s[0].ctx, &(qn_context_opt){.store_dir = folder}))) {
        for (int i = 1; i < THREADS; i++)
            s[i].ctx = s[0].ctx;
        each_thread(THREADS, qualify, s, sizeof(s[0]));
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(s[i].wrong, 0);
    qn_context_destroy(&s[0].ctx);
    snprintf(text, sizeof(text), "rm -rf '%s'", folder);
    CHECK_INT(system(text), 0);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return EXIT_FAILURE;
    setenv("QUERN_HELPER", argv[1], 1);
    setenv("POCL_DEVICES", "pthread pthread", 0);
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < 4; k++)
            x[i][k] = (float)((i >> k & 1) - 0.5);
        y[i][0] = x[i][0] * x[i][1];
    }
    test_run("threads: two models on one device", one_device);
    test_run("threads: two models on two devices", two_devices);
    test_run("threads: everything that any thread may do", any);
    test_run("threads: a device tested in several threads", tested);
    return test_end();
}
