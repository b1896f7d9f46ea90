/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A model's whole life, from opening the device to saving, with a driver that fails at its k-th call of a kind and with
 * host memory that runs out at the k-th allocation. Whatever fails: there is a status and a line that says what, nothing
 * leaks, and the checkpoint on the disk holds what a run without faults wrote, bit for bit. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/device.h"
#include "layer.h"
#include "test.h"

#define N       20
#define BATCH   8 /* so the last one is smaller: two plans */
#define SIDE    6
#define CLASSES 3
#define EPOCHS  2
#define EVERY   600 /* of a kind of call, so many are "every": a life sets thousands of arguments, all in the same way */
#define MOST    (1 << 16)

static const struct layer *layer;
static const char *reason;
static float x[N][SIDE][SIDE][1];
static int32_t t[N];
static char folder[64];

/* The file before training, and after each epoch of a run without faults. */
static struct {
    char bytes[MOST];
    size_t n;
} known[1 + EPOCHS];

static bool every;   /* every call (up to EVERY) and allocation, not some of each kind: an argument of the program */
static bool gone;    /* the fault lasts: the device is lost for good */
static bool changed; /* the device says less of itself: other algorithms, and so other bits */
static bool asked;   /* are programs asked for their binaries? */

/* ---- host memory that can run out ---- */

static atomic_bool scarce, once; /* are allocations to fail, and a single one alone? */
static atomic_long left;         /* that still succeed */
static atomic_long blocks;       /* live */

static bool refuse(void)
{
    long n = scarce ? atomic_fetch_sub(&left, 1) : 1;

    return n == 0 || (n < 0 && !once);
}

static void *give(void *user, size_t bytes)
{
    void *p = refuse() ? NULL : malloc(bytes);

    (void)user;
    blocks += p != NULL;
    return p;
}

static void *regive(void *user, void *old, size_t bytes)
{
    void *p = refuse() ? NULL : realloc(old, bytes);

    (void)user;
    blocks += p && !old;
    return p;
}

static void take(void *user, void *p)
{
    (void)user;
    blocks -= p != NULL;
    free(p);
}

static qn_status open_context(qn_context **out)
{
    return qn_context_create(out, &(qn_context_opt){.alloc = give, .realloc = regive, .free = take});
}

/* ---- files ---- */

static const char *file(const char *name)
{
    static char path[2][128];
    static int next;

    next = !next;
    snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
    return path[next];
}

static size_t read_file(const char *path, char *to)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(to, 1, MOST, f) : 0;

    if (f)
        fclose(f);
    return n;
}

static void write_file(const char *path, const char *from, size_t n)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(from, 1, n, f) != n || fclose(f))
        test_fail(__FILE__, __LINE__, "cannot write %s", path);
}

/* What of a file makes the state: the tensors, and the counters in its header, where the choices of algorithms may be more
 * or fewer. */
struct part {
    const char *counters, *tensors;
    size_t counters_bytes, tensors_bytes;
};

static bool find_parts(const char *bytes, size_t n, struct part *out)
{
    uint64_t header = 0;

    memcpy(&header, bytes, n < 8 ? 0 : 8);
    if (n < 8 || !header || header > n - 8)
        return false;
    out->counters = memmem(bytes, 8 + (size_t)header, "training", 8);
    out->tensors = bytes + 8 + header;
    out->tensors_bytes = n - 8 - (size_t)header;
    out->counters_bytes = out->counters ? strcspn(out->counters, "}") : 0;
    return out->counters_bytes > 30;
}

/* Which of the known states a file holds; -1: none. */
static int which(const char *path)
{
    static char bytes[MOST];
    size_t n = read_file(path, bytes);
    struct part a, b;

    for (int i = 0; i <= EPOCHS && find_parts(bytes, n, &a); i++)
        if (find_parts(known[i].bytes, known[i].n, &b) && a.tensors_bytes == b.tensors_bytes &&
            !memcmp(a.tensors, b.tensors, a.tensors_bytes) && a.counters_bytes == b.counters_bytes &&
            !memcmp(a.counters, b.counters, a.counters_bytes))
            return i;
    return -1;
}

/* ---- the life ---- */

static qn_status build(qn_model **out, qn_device *dev)
{
    qn_model *m = NULL;
    qn_val v;
    qn_status st;

    if ((st = qn_model_create(out, dev)))
        return st;
    m = *out;
    v = qn_input(m, QN_F32, 3, (int64_t[]){SIDE, SIDE, 1});
    v = qn_conv2d(m, v, &(qn_conv2d_opt){.filters = 4, .kernel = {3, 3}});
    v = qn_activation(m, qn_batchnorm(m, v, NULL), QN_RELU, NULL);
    v = qn_flatten(m, qn_maxpool2d(m, v, NULL));
    v = qn_dropout(m, v, 0.2f, NULL);
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){.units = CLASSES, .act = QN_SOFTMAX}));
    return qn_model_compile(m, &(qn_compile_opt){.optimizer = qn_adam(1e-2f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                 .metrics = {QN_ACCURACY}, .seed = 5});
}

static bool copied; /* fit has come to its first epoch, so it has a copy on the host */

/* user: NULL, or the file to copy after each epoch. */
static qn_status watch(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    (void)m;
    (void)stop;
    copied = true;
    if (user && p->event == QN_EVENT_EPOCH_END)
        known[1 + p->epoch].n = read_file(user, known[1 + p->epoch].bytes);
    return QN_OK;
}

/* What is left of a model whose training failed: it answers, what it saves is whole, and it trains on. */
static void aftermath(qn_model *m, qn_dataset *data, qn_status why)
{
    static float w[4096];
    qn_shape shape;
    qn_status st;
    int state;

    scarce = false;
    if (!gone)
        layer->reset();
    unlink(file("after.qn"));
    st = qn_model_save(m, file("after.qn"));
    CHECK(st == QN_OK || (st == QN_E_DEVICE_LOST && !copied));
    if (st)
        CHECK(access(file("after.qn"), F_OK));
    state = which(file("after.qn"));
    if ((why == QN_E_DEVICE_LOST || why == QN_E_DEVICE) && st == QN_OK && state < 0)
        test_fail(__FILE__, __LINE__, "after %s the model is in the state after no epoch", qn_status_name(why));
    if (!qn_model_weight_info(m, 0, NULL, &shape, NULL))
        CHECK(qn_model_weight_read(m, 0, w, (size_t)qni_elements(&shape) * sizeof(float)) == st);
    st = qn_model_fit(m, data, &(qn_fit_opt){.epochs = state >= 0 && state < EPOCHS ? EPOCHS - state : 1, .batch = BATCH});
    CHECK(st == QN_OK || st == QN_E_DEVICE_LOST);
    /* From a state between epochs, to the bits of the run without faults. */
    if (!st && state >= 0 && state < EPOCHS) {
        CHECK_OK(qn_model_save(m, file("after.qn")));
        CHECK_INT(which(file("after.qn")), EPOCHS);
    }
}

/* keep_file: copy the checkpoint after each epoch. */
static qn_status live(qn_context *ctx, const char *path, bool keep_file)
{
    const qn_array arrays[] = {
        {.field = {.role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = {3, {SIDE, SIDE, 1}}}, .data = x},
        {.field = {.role = QN_FIELD_TARGET, .dtype = QN_I32}, .data = t},
    };
    qn_callback callback[2] = {{0}, {.call = watch, .user = keep_file ? (void *)(uintptr_t)path : NULL}};
    float out[N][CLASSES];
    qn_device *dev = NULL;
    qn_dataset *data = NULL;
    qn_model *m = NULL, *copy = NULL;
    qn_logs logs;
    qn_status st;

    copied = false;
    if ((st = qn_device_open(&dev, ctx, NULL)) || (st = qn_dataset_arrays(&data, N, arrays, 2,
                                                                                     &(qn_arrays_opt){.context = ctx})) ||
        (st = build(&m, dev)) || (st = qn_checkpoint(&callback[0], m, path, NULL)))
        goto done;
    st = qn_model_fit(m, data, &(qn_fit_opt){.epochs = EPOCHS, .batch = BATCH, .validation = data, .callbacks = callback,
                                             .callback_count = 2});
    if (!st && !(st = qn_model_evaluate(m, data, BATCH, &logs)))
        st = qn_model_predict_dataset(m, data, (void *[]){out}, BATCH);
    if (!st && !(st = qn_model_predict(m, (const void *[]){x}, N, (void *[]){out}, BATCH)) &&
        !(st = qn_model_save(m, path)) && !(st = qn_model_load(&copy, dev, path)) &&
        !(st = qn_model_load_weights(copy, path)))
        st = qn_model_train_batch(copy, (const void *[]){x}, (const void *[]){t}, NULL, BATCH, &logs);
    qn_model_destroy(&copy);
    if (st) {
        char message[512];

        snprintf(message, sizeof(message), "%s", qn_last_error());
        aftermath(m, data, st);
        qn_error_set(st, message);
    }
done:
    qn_callback_close(&callback[0]);
    qn_model_destroy(&m);
    qn_dataset_close(&data);
    qn_device_close(&dev);
    return st;
}

/* Bytes on the device, once the driver has let go of what it has to. */
static int64_t bytes_left(void)
{
    for (int i = 0; i < 2000 && layer->bytes(); i++)
        usleep(1000);
    return layer->bytes();
}

static bool loads(const char *path)
{
    qn_device *dev = NULL;
    qn_model *m = NULL;
    bool ok = CHECK_OK(qn_device_open(&dev, NULL, NULL)) && CHECK_OK(qn_model_load(&m, dev, path));

    qn_model_destroy(&m);
    qn_device_close(&dev);
    return ok;
}

/* One life under a fault that was just set; the status it ended with. */
static qn_status suffer(const char *what)
{
    qn_context *ctx = NULL;
    qn_status st;
    int state;

    write_file(file("m.qn"), known[0].bytes, known[0].n);
    st = open_context(&ctx);
    if (!st)
        st = live(ctx, file("m.qn"), false);
    scarce = false;
    layer->reset();
    if (st && (!*qn_last_error() || strchr(qn_last_error(), '\n')))
        test_fail(__FILE__, __LINE__, "%s: %s, and no line that says why", what, qn_status_name(st));
    qn_context_destroy(&ctx);
    if (blocks || bytes_left())
        test_fail(__FILE__, __LINE__, "%s: %s; %ld blocks and %lld bytes on the device are left", what, qn_status_name(st),
                  (long)blocks, (long long)layer->bytes());
    state = which(file("m.qn"));
    if (changed && !st)
        CHECK(loads(file("m.qn")));
    else if (state < 0 || (!st && state != EPOCHS))
        test_fail(__FILE__, __LINE__, "%s: %s: %s; the file is state %d", what, qn_status_name(st), qn_last_error(), state);
    blocks = 0;
    return st;
}

/* A life without faults, for its files and counts. */
static bool ready(void)
{
    static int state;
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;

    if (state)
        return state > 0;
    for (int i = 0; i < N; i++) {
        t[i] = i % CLASSES;
        for (int k = 0; k < SIDE * SIDE; k++)
            x[i][k / SIDE][k % SIDE][0] = (float)test_uniform() + (float)(k % CLASSES == t[i]);
    }
    CHECK_OK(open_context(&ctx));
    if (CHECK_OK(qn_device_open(&dev, ctx, NULL)) && CHECK_OK(build(&m, dev)) && CHECK_OK(qn_model_save(m, file("m.qn"))))
        known[0].n = read_file(file("m.qn"), known[0].bytes);
    asked = dev && dev->caps.binaries;
    qn_model_destroy(&m);
    qn_device_close(&dev);
    /* The second time everything is compiled. */
    for (int i = 0; i < 2 && !test_failed(); i++) {
        layer->reset();
        CHECK_OK(live(ctx, file("m.qn"), true));
    }
    qn_context_destroy(&ctx);
    CHECK_INT(blocks, 0);
    CHECK_INT(bytes_left(), 0);
    for (int i = 0; i <= EPOCHS; i++)
        CHECK(known[i].n > 1000 && which(file("m.qn")) == EPOCHS);
    state = test_failed() ? -1 : 1;
    return state > 0;
}

/* ---- the driver fails ---- */

struct fault {
    enum layer_call call;
    int error[3];        /* each in turn; 0 ends */
    int points;          /* at how many calls of the life */
    bool survives;       /* a single failure need not end the life */
    bool cold;           /* each life begins with an empty store */
    int us;              /* calls take as long, at most */
};

static const struct fault faults[] = {
    {LAYER_CREATE_CONTEXT, {CL_OUT_OF_HOST_MEMORY, CL_DEVICE_NOT_AVAILABLE}, 1, false},
    {LAYER_CREATE_QUEUE, {CL_OUT_OF_RESOURCES}, 2, false},
    {LAYER_CREATE_BUFFER, {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES}, 8, false},
    {LAYER_CREATE_PROGRAM, {CL_OUT_OF_HOST_MEMORY}, 3, true},
    {LAYER_BUILD_PROGRAM, {CL_BUILD_PROGRAM_FAILURE}, 3, true},
    {LAYER_CREATE_KERNEL, {CL_OUT_OF_RESOURCES}, 6, false},
    {LAYER_SET_KERNEL_ARG, {CL_OUT_OF_RESOURCES}, 6, false},
    {LAYER_ND_RANGE, {CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE}, 14, false},
    {LAYER_READ, {CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE}, 14, false},
    {LAYER_WRITE, {CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE}, 9, false},
    {LAYER_FILL, {CL_OUT_OF_RESOURCES}, 8, false},
    {LAYER_MARKER, {CL_OUT_OF_RESOURCES, CL_INVALID_COMMAND_QUEUE}, 8, false},
    {LAYER_WAIT, {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, CL_DEVICE_NOT_AVAILABLE}, 8, true},
    {LAYER_FLUSH, {CL_OUT_OF_RESOURCES}, 8, false},
    {LAYER_FINISH, {CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE}, 9, true},
    {LAYER_EVENT_INFO, {CL_OUT_OF_RESOURCES}, 1, true, .us = 600}, /* fit asks a few times a second */
    {LAYER_PLATFORM_INFO, {CL_OUT_OF_HOST_MEMORY}, 3, true},
    {LAYER_DEVICE_INFO, {CL_OUT_OF_RESOURCES}, 6, true},
    {LAYER_BUILD_PROGRAM, {CL_BUILD_PROGRAM_FAILURE}, 2, true, .cold = true},
    {LAYER_PROGRAM_INFO, {CL_OUT_OF_RESOURCES}, 3, true, .cold = true},
    {LAYER_ANY, {CL_INVALID_OPERATION}, 12, true},
};

static void empty_store(void)
{
    char command[160];

    snprintf(command, sizeof(command), "rm -rf '%s'", file("store"));
    CHECK_INT(system(command), 0);
}

/* Before a life with a fault of this kind, or without. */
static void prepare(const struct fault *f)
{
    layer->reset();
    if (f->us)
        layer->delay(f->us);
    if (f->cold) {
        empty_store();
        CHECK_INT(setenv("QUERN_CACHE", file("store"), 1), 0);
    }
}

/* Calls of its kind in a life without faults. */
static int64_t rehearse(const struct fault *f)
{
    qn_context *ctx = NULL;
    int64_t count;

    prepare(f);
    CHECK_OK(open_context(&ctx));
    CHECK_OK(live(ctx, file("m.qn"), false));
    qn_context_destroy(&ctx);
    count = layer->count(f->call);
    CHECK(count > 0 || (f->call == LAYER_PROGRAM_INFO && !asked));
    return count;
}

/* At how many of count calls. */
static int64_t points_of(int64_t count, int64_t some)
{
    return QNI_MIN(count, every ? EVERY : some);
}

/* The p-th of some of count calls. */
static int64_t at_point(int64_t p, int64_t points, int64_t count)
{
    return points < count ? p * (count - 1) / QNI_MAX(points - 1, 1) : p;
}

static void driver(const void *arg)
{
    const struct fault *f = arg;
    char *warm = NULL;
    int64_t count, points;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    if (!ready())
        return;
    if (f->cold && getenv("QUERN_CACHE"))
        warm = strdup(getenv("QUERN_CACHE"));
    layer->reset();
    CHECK_OK(suffer("no fault"));
    count = rehearse(f);
    points = points_of(count, f->points);
    changed = f->call == LAYER_DEVICE_INFO || f->call == LAYER_ANY;
    for (int e = 0; e < 3 && f->error[e]; e++)
        for (int64_t p = 0; p < points && !test_failed(); p++)
            for (int all = 0; all < 2; all++) {
                int64_t at = at_point(p, points, count);
                char what[128];
                qn_status st;

                /* From source is a matter of seconds: once is enough. */
                if (f->call == LAYER_BUILD_PROGRAM || f->call == LAYER_CREATE_PROGRAM)
                    all = p > 0 ? 1 : all;
                snprintf(what, sizeof(what), "%s number %lld%s fails with %d", layer->name(f->call), (long long)at,
                         all ? " and all after it" : "", f->error[e]);
                prepare(f);
                layer->fail(f->call, at, !all, f->error[e]);
                st = suffer(what);
                /* When the device is lost at the very end, the copy on the host is what is saved. */
                if (!st && !f->survives && f->error[e] != CL_DEVICE_NOT_AVAILABLE)
                    test_fail(__FILE__, __LINE__, "%s, and nobody noticed", what);
                if (f->error[e] == CL_DEVICE_NOT_AVAILABLE && st && f->call != LAYER_CREATE_CONTEXT)
                    CHECK_INT(st, QN_E_DEVICE_LOST);
            }
    changed = false;
    if (warm)
        setenv("QUERN_CACHE", warm, 1);
    free(warm);
}

/* The device is lost and stays so: what was saved loads elsewhere, and the model says what happened. */
static void lost(void)
{
    int64_t count, points;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    if (!ready())
        return;
    count = rehearse(&(struct fault){.call = LAYER_ANY});
    points = points_of(count, 16);
    gone = true;
    for (int64_t p = 0; p < points && !test_failed(); p++) {
        const int64_t at = at_point(p, points, count);
        char what[96];
        qn_status st;

        snprintf(what, sizeof(what), "the device is lost after %lld of %lld calls", (long long)at, (long long)count);
        layer->reset();
        layer->lose(at);
        st = suffer(what);
        if (st && st != QN_E_DEVICE_LOST && st != QN_E_NO_DEVICE)
            test_fail(__FILE__, __LINE__, "%s: %s: %s", what, qn_status_name(st), qn_last_error());
    }
    gone = false;
}

/* Whatever the driver takes its time for, the result has the same bits; suffer() looks. */
static void slow(void)
{
    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    if (!ready())
        return;
    for (int us = 50; us <= (every ? 3200 : 200); us *= 4) {
        layer->reset();
        layer->delay(us);
        CHECK_OK(suffer("every call is slow"));
    }
}

/* ---- host memory runs out ---- */

static void allocations(void)
{
    long total = 1 << 20, step;
    int runs = 0;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    if (!ready())
        return;
    once = false;
    left = total;
    scarce = true;
    {
        qn_context *ctx = NULL;

        CHECK_OK(open_context(&ctx));
        CHECK_OK(live(ctx, file("m.qn"), false));
        qn_context_destroy(&ctx);
    }
    scarce = false;
    total -= left;
    step = every ? 1 : QNI_MAX(total / 100, 1);
    for (long n = 0; n < total; n += n < 40 ? 1 : step, runs++) {
        char what[96];
        qn_status st;

        snprintf(what, sizeof(what), "allocation %ld of %ld%s fails", n, total, runs % 2 ? "" : ", and all after it");
        once = runs % 2;
        left = n;
        scarce = true;
        st = suffer(what);
        if (st && st != QN_E_HOST_MEMORY)
            test_fail(__FILE__, __LINE__, "%s: %s: %s", what, qn_status_name(st), qn_last_error());
    }
    CHECK(runs > 100);
}

int main(int argc, char **argv)
{
    every = argc > 1 && !strcmp(argv[1], "every");
    layer = layer_open(&reason);
    snprintf(folder, sizeof(folder), "/tmp/quern-life-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    for (size_t i = 0; i < QNI_COUNT(faults); i++) {
        char name[96];

        snprintf(name, sizeof(name), "life: %s fails%s", layer ? layer->name(faults[i].call) : "a call",
                 faults[i].cold ? ", store empty" : "");
        test_run_with(name, driver, &faults[i]);
    }
    test_run("life: the device is lost", lost);
    test_run("life: the driver is slow", slow);
    test_run("life: host memory runs out", allocations);
    unlink(file("m.qn"));
    unlink(file("after.qn"));
    empty_store();
    rmdir(folder);
    return test_end();
}
