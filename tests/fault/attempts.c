/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the lives of tests/fault/life.c and stepper.c do not do: every host allocation fails once, and of the driver's calls
 * every one or some hundreds. An error each time, nothing lost, and the next try works. */
#include "blas/blas.h"
#include "failing.h"
#include "layer.h"
#include "model/model.h"
#include "program/program.h"
#include "test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <quern/cl.h>
#include <quern/generate.h>
#include <quern/graph_math.h>
#include <quern/op_plan.h>

enum { T = 3, V = 4, SAMPLES = 6, FAR = 1 << 20, POINTS = 120 };

static const struct layer *layer;
static const char *reason;

static char folder[64];

/* ---- level 1 and tensors ---- */

static qn_status try_operation(qn_device *dev)
{
    const qn_shape s = qni_shape(2, (int64_t)2, (int64_t)2);
    const float x[4] = { 1, 2, 3, 4 };
    float y[4] = { 0 };
    qn_tensor *t[4] = { NULL };
    int64_t scratch = 0;
    qn_op *op = NULL;
    qn_status st;

    if ((st = qn_op_matmul_plan(&op, dev, &s, &s, NULL)) || (st = qn_tensor_create(&t[0], dev, QN_F32, 2, s.dim)) ||
        (st = qn_tensor_create(&t[1], dev, QN_F32, 2, s.dim)) || (st = qn_tensor_write(t[0], x, sizeof(x))))
        goto done;
    scratch = (int64_t)qn_op_scratch_bytes(op);
    if ((scratch && (st = qn_tensor_create(&t[2], dev, QN_U8, 1, &scratch))) ||
        (st = qn_tensor_wrap(&t[3], dev, qn_tensor_cl_mem(t[1], NULL), 0, QN_F32, 2, s.dim)) ||
        (st = qn_op_run(op, (qn_tensor *[]){ t[0], t[0] }, 2, &t[3], 1, t[2])) || (st = qn_tensor_copy(t[0], t[3])) ||
        (st = qn_tensor_read(t[0], y, sizeof(y))))
        goto done;
    CHECK(y[0] == 7 && y[3] == 22);
done:
    for (int i = 4; i-- > 0;)
        qn_tensor_destroy(&t[i]);
    qn_op_destroy(&op);
    return st;
}

/* ---- level 2 ---- */

static qn_status try_graph(qn_device *dev)
{
    static const int64_t column[] = { -1, 1 };
    const qn_shape sizes[] = { qni_shape(2, (int64_t)4, (int64_t)1), qni_shape(2, (int64_t)4, (int64_t)1) };
    const qn_optimizer adam = qn_adam(0.1f);
    const float x[4] = { 1, 2, 3, 4 }, y[4] = { 2, 4, 6, 8 };
    float loss = 0, slope = 0;
    qn_plan *look = NULL, *train = NULL;
    qn_val vx, vy, vw, error;
    qn_state *state = NULL;
    qn_graph *g = NULL;
    qn_status st;

    if ((st = qn_graph_create(&g, dev->ctx)))
        goto done;
    vx = qn_graph_input(g, "x", QN_F32, 2, column);
    vy = qn_graph_input(g, "y", QN_F32, 2, column);
    vw = qn_graph_variable(g, &(qn_variable_opt){ .name = "w", .rank = 2, .dim = { 1, 1 } });
    error = qn_graph_square(g, qn_graph_sub(g, qn_graph_matmul(g, vx, vw, false, false), vy));
    error = qn_graph_reduce_mean(g, error, NULL, 0, false);
    if ((st = qn_state_create(&state, g, dev, &adam, 0)) ||
        (st = qn_plan_create(&look, state, &(qn_plan_opt){ .input_shape = sizes, .loss = error, .output = &error, .outputs = 1,
                                                           .wrt = &vw, .wrts = 1 })) ||
        (st = qn_plan_create(&train, state, &(qn_plan_opt){ .input_shape = sizes, .loss = error, .training = true,
                                                            .update = true })) ||
        (st = qn_plan_run(train, (const void *[]){ x, y }, NULL, 0)) ||
        (st = qn_plan_run(look, (const void *[]){ x, y }, (void *[]){ &loss, &slope }, 0)))
        goto done;
    CHECK(loss > 0 && slope != 0);
done:
    qn_plan_destroy(&train);
    qn_plan_destroy(&look);
    qn_state_destroy(&state);
    qn_graph_destroy(&g);
    return st;
}

/* A kernel that does not compile: its log needs memory too. */
static qn_status try_build(qn_device *dev)
{
    struct qni_recorder r;
    cl_kernel kernel = NULL;
    uint64_t key;
    size_t n;
    qn_status st;

    qni_recorder_init(&r, dev->ctx);
    qni_launch_add_text(&r, "this is no OpenCL C;\n", "wrong");
    st = r.status ? r.status : qni_kernels_get(dev, r.launch, r.launches, &kernel, &n, &key);
    qni_recorder_free(&r);
    return st == QN_E_BUILD ? QN_OK : st;
}

/* ---- level 3 ---- */

static int32_t words[SAMPLES][T] = { { 1, 2, 3 }, { 3, 0, 0 }, { 2, 2, 0 }, { 1, 1, 1 }, { 3, 2, 1 }, { 2, 0, 0 } }, next[SAMPLES];

/* The state is the sum of what came. */
static qn_val add_up(qn_model *m, qn_val x, const qn_val *state, qn_val *after, int number, void *user)
{
    (void)number;
    (void)user;
    return after[0] = qn_add(m, (qn_val[]){ x, state[0] }, 2);
}

/* own_cell: a part that is no layer, and a file of the model cannot have. */
static qn_status build(qn_model **out, qn_device *dev, bool own_cell)
{
    const qn_cell cell = { .states = 1, .units = { V }, .step = add_up, .return_sequences = true };
    qn_model *m;
    qn_val v;
    qn_status st;

    if ((st = qn_model_create(out, dev)))
        return st;
    m = *out;
    v = qn_embedding(m, qn_input(m, QN_I32, 1, (int64_t[]){ T }), &(qn_embedding_opt){ .words = V, .units = V, .mask_zero = true });
    v = qn_position_embedding(m, v, &(qn_position_opt){ .sinusoidal = true });
    if (own_cell)
        v = qn_rnn(m, v, &cell, NULL);
    v = qn_lstm(m, v, &(qn_rnn_opt){ .units = V });
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = V, .act = QN_SOFTMAX }));
    return qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(1e-2f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY });
}

static qn_status try_cell(qn_device *dev)
{
    qn_model *m = NULL;
    float y[SAMPLES][V];
    qn_status st;

    if (!(st = build(&m, dev, true)))
        st = qn_model_predict(m, (const void *[]){ words }, SAMPLES, (void *[]){ y }, SAMPLES);
    qn_model_destroy(&m);
    return st;
}

/* With every callback there is, a record of what happened, and a note. */
static qn_status try_fit(qn_device *dev)
{
    static const float weight[V] = { 1, 2, 1, 1 };
    const qn_array arrays[] = { { { NULL, QN_FIELD_INPUT, QN_I32, { 1, { T } } }, words },
                                { { NULL, QN_FIELD_TARGET, QN_I32, { 0, { 0 } } }, next } };
    char path[2][96];
    qn_callback call[3] = { { 0 } };
    qn_history *history = NULL;
    qn_dataset *ds = NULL;
    qn_model *m = NULL;
    qn_status st;

    snprintf(path[0], sizeof(path[0]), "%s/log.csv", folder);
    snprintf(path[1], sizeof(path[1]), "%s/m.qn", folder);
    if ((st = qn_dataset_arrays(&ds, SAMPLES, arrays, 2, &(qn_arrays_opt){ .context = dev->ctx })) ||
        (st = build(&m, dev, false)) ||
        (st = qn_early_stopping(&call[0], m, &(qn_early_stopping_opt){ .monitor = "loss", .patience = 1, .restore_best = true })) ||
        (st = qn_csv_log(&call[1], m, path[0])) || (st = qn_checkpoint(&call[2], m, path[1], "loss")) ||
        (st = qn_model_set_note(m, "key", "text")))
        goto done;
    st = qn_model_fit_history(m, ds, &(qn_fit_opt){ .epochs = 2, .batch = SAMPLES, .threads = -1, .class_weight = weight,
                                                    .classes = V, .callbacks = call, .callback_count = 3 }, &history);
    if (!st)
        CHECK(history && history->epochs == 2 && !access(path[1], F_OK));
done:
    for (int i = 0; i < 3; i++)
        qn_callback_close(&call[i]);
    qn_history_free(&history, m);
    qn_model_destroy(&m);
    qn_dataset_close(&ds);
    unlink(path[0]);
    unlink(path[1]);
    return st;
}

static qn_status try_beam(qn_device *dev)
{
    const qn_embedding_opt o = { .words = V, .units = V };
    qn_model *m = NULL;
    int32_t out[2][T];
    int64_t count[2];
    qn_val v[2];
    qn_status st;

    if (!(st = qn_model_create(&m, dev))) {
        for (int i = 0; i < 2; i++)
            v[i] = qn_input(m, QN_I32, 1, (int64_t[]){ T });
        for (int i = 0; i < 2; i++)
            v[i] = qn_embedding(m, v[i], &o);
        qn_model_output(m, qn_add(m, v, 2));
        if (!(st = qn_model_compile(m, NULL)))
            st = qn_beam_search(m, words, 2, out[0], count, NULL, &(qn_beam_opt){ .width = 2, .begin = 1, .end = 3 });
    }
    qn_model_destroy(&m);
    return st;
}

/* Numbers of another dtype, an optimizer that limits norms, and the way to a file and back. */
static qn_status try_dense(qn_device *dev)
{
    static const unsigned char x[SAMPLES][V] = { { 1, 2 }, { 0, 3, 1 }, { 5 } };
    const qn_array arrays[] = { { { NULL, QN_FIELD_INPUT, QN_U8, { 1, { V } } }, x },
                                { { NULL, QN_FIELD_TARGET, QN_I32, { 0, { 0 } } }, next } };
    qn_compile_opt opt = { .optimizer = qn_sgd_momentum(0.1f, 0.9f, false), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY };
    float y[2][SAMPLES][V];
    qn_model *m = NULL, *copy = NULL;
    qn_dataset *ds = NULL;
    char path[96];
    qn_val v;
    qn_status st;

    opt.optimizer.clip_norm = 1;
    snprintf(path, sizeof(path), "%s/dense.qn", folder);
    if ((st = qn_dataset_arrays(&ds, SAMPLES, arrays, 2, &(qn_arrays_opt){ .context = dev->ctx })) ||
        (st = qn_model_create(&m, dev)))
        goto done;
    v = qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){ V }), &(qn_dense_opt){ .units = V, .act = QN_RELU });
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = V, .act = QN_SOFTMAX }));
    if ((st = qn_model_compile(m, &opt)) ||
        (st = qn_model_fit(m, ds, &(qn_fit_opt){ .epochs = 1, .batch = SAMPLES, .threads = -1 })) ||
        (st = qn_model_save(m, path)) || (st = qn_model_load(&copy, dev, path)))
        goto done;
    for (int i = 0; i < 2 && !st; i++)
        st = qn_model_predict(i ? copy : m, (const void *[]){ (float[SAMPLES][V]){ { 1 } } }, SAMPLES, (void *[]){ y[i] }, SAMPLES);
    if (!st)
        CHECK(!memcmp(y[0], y[1], sizeof(y[0])));
done:
    qn_model_destroy(&copy);
    qn_model_destroy(&m);
    qn_dataset_close(&ds);
    unlink(path);
    return st;
}

/* ---- devices ---- */

/* Another one, its own or of somebody's driver objects; many small tensors, and a kernel that was never compiled before. */
static qn_status try_device(qn_device *dev)
{
    static int number;
    qn_tensor *t[40] = { NULL };
    qn_device *own[2] = { NULL };
    cl_kernel kernel = NULL;
    struct qni_recorder r;
    char text[160];
    uint64_t key;
    size_t n;
    qn_status st;

    qni_recorder_init(&r, dev->ctx);
    if ((st = qn_device_open(&own[0], dev->ctx, NULL)) ||
        (st = qn_device_wrap(&own[1], dev->ctx, qn_device_cl_context(dev), qn_device_cl_queue(dev))))
        goto done;
    for (size_t i = 0; i < QNI_COUNT(t); i++)
        if ((st = qn_tensor_create(&t[i], own[i % 2], QN_F32, 1, (int64_t[]){ 1 })))
            goto done;
    snprintf(text, sizeof(text), "#define CAT(a, b) a##b\n#define NAME(a, b) CAT(a, b)\n"
             "__kernel void NAME(f, QN_SUFFIX)(__global int *a) { *a = %d; }\n", number++);
    qni_launch_add_text(&r, text, "f");
    if (!(st = r.status) && !(st = qni_kernels_get(own[0], r.launch, r.launches, &kernel, &n, &key)))
        dev->cl->ReleaseKernel(kernel);
done:
    qni_recorder_free(&r);
    for (size_t i = 0; i < QNI_COUNT(t); i++)
        qn_tensor_destroy(&t[i]);
    qn_device_close(&own[1]);
    qn_device_close(&own[0]);
    return st;
}

static void ignore_property(void *user, const char *name, const char *value)
{
    (void)name;
    (void)value;
    ++*(int *)user;
}

static void ignore_algorithm(void *user, const qn_algorithm *a)
{
    (void)a;
    ++*(int *)user;
}

static qn_status try_telling(qn_device *dev)
{
    int properties = 0, algorithms = 0;
    qn_verdict v;
    qn_status st;

    if ((st = qn_device_algorithms(dev->ctx, NULL, ignore_algorithm, &algorithms)) ||
        (st = qn_device_verdict(&v, dev->ctx, NULL)))
        return st;
    st = qn_device_qualify(&v, dev->ctx, NULL, NULL); /* there is no such program */
    if (st != QN_E_IO)
        return st;
    st = qn_device_properties(dev->ctx, NULL, ignore_property, &properties); /* last: it compiles */
    CHECK(st || (properties > 50 && algorithms > 100));
    return st;
}

/* ---- all of them ---- */

static const struct attempt {
    const char *name;
    qn_status (*f)(qn_device *dev);
    int least;        /* allocations it surely makes */
    int spared;       /* those that are done without */
    const char *algo; /* what $QUERN_ALGO forces */
    bool measured;    /* with $QUERN_PROFILE */
    bool own_store;   /* one that is empty at first */
} attempts[] = {
    { "an operation", try_operation, 5, 0, NULL, false, false },
    { "states and plans", try_graph, 60, 0, NULL, false, false },
    { "a build that fails", try_build, 4, FAR, NULL, false, false }, /* its log may be missing */
    { "layers, callbacks and records", try_fit, 200, 0, "rnn=groups", false, false }, /* a launch a step: a loop of them */
    { "a cell of one's own", try_cell, 200, 0, NULL, false, false },
    { "a beam search", try_beam, 60, 0, NULL, false, false },
    { "numbers of bytes, and a file", try_dense, 200, 0, NULL, true, false },
    { "CLBlast", try_dense, 200, 0, "gemm=clblast", false, false },
    { "devices, and a new kernel", try_device, 100, 0, NULL, false, true },
    { "what is told of devices", try_telling, 100, 0, NULL, false, false },
};

static void set(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* A device for attempts; countdown is then far away. */
static bool begin(qn_context **ctx, qn_device **dev, const struct attempt *a)
{
    char store[96];
    const qn_context_opt opt = { .alloc = failing_alloc, .realloc = failing_realloc, .free = counting_free,
                                 .store_dir = a->own_store ? store : NULL };

    snprintf(store, sizeof(store), "%s/store", folder);
    set("QUERN_ALGO", a->algo);
    set("QUERN_PROFILE", a->measured ? "1" : NULL);
    countdown = FAR;
    return CHECK_OK(qn_context_create(ctx, &opt)) && CHECK_OK(qn_device_open(dev, *ctx, NULL));
}

static void end(qn_context **ctx, qn_device **dev)
{
    qn_device_close(dev);
    qn_context_destroy(ctx);
    CHECK_INT(blocks, 0);
}

static bool without_clblast(const struct attempt *a)
{
    return a->algo && strstr(a->algo, "clblast") && !qni_blas_usable();
}

static void memory(const void *arg)
{
    const struct attempt *a = arg;
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    int before, all, spared = 0;

    if (without_clblast(a)) {
        test_skip("CLBlast is not to be had");
        return;
    }
    if (begin(&ctx, &dev, a)) {
        CHECK_OK(a->f(dev)); /* now everything is compiled, and kept */
        before = blocks;
        countdown = FAR;
        CHECK_OK(a->f(dev));
        all = FAR - countdown;
        for (int n = 0; n < all && !test_failed(); n++) {
            qn_status st;

            countdown = n;
            st = a->f(dev);
            countdown = FAR;
            if (blocks > before)
                test_fail(__FILE__, __LINE__, "%d blocks are left after allocation %d failed", blocks - before, n);
            if (st)
                CHECK_STATUS(st, QN_E_HOST_MEMORY, "memory");
            spared += !st;
        }
        if (all <= a->least || spared > a->spared)
            test_fail(__FILE__, __LINE__, "of %d allocations %d may fail unnoticed", all, spared);
        CHECK_OK(a->f(dev));
    }
    end(&ctx, &dev);
}

/* A call that fails need not matter: a program is compiled again, a question is asked in another way. */
static void driver(const void *arg)
{
    const struct attempt *a = arg;
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    int64_t count, failed = 0;
    int before;

    if (!layer || without_clblast(a)) {
        test_skip("%s", layer ? "CLBlast is not to be had" : reason);
        return;
    }
    if (begin(&ctx, &dev, a) && CHECK_OK(a->f(dev))) {
        before = blocks;
        layer->reset();
        CHECK_OK(a->f(dev));
        count = layer->count(LAYER_ANY);
        for (int64_t p = 0; p < QNI_MIN(count, POINTS) && !test_failed(); p++) {
            const int64_t at = count <= POINTS ? p : p * (count - 1) / (POINTS - 1);
            qn_status st;

            layer->reset();
            layer->fail(LAYER_ANY, at, 1, CL_OUT_OF_RESOURCES);
            st = a->f(dev);
            failed += st != QN_OK;
            if (st && (!*qn_last_error() || strchr(qn_last_error(), '\n')))
                test_fail(__FILE__, __LINE__, "call %lld: %s, and no line that says why", (long long)at, qn_status_name(st));
            if (blocks > before)
                test_fail(__FILE__, __LINE__, "%d blocks are left after call %lld of %lld failed", blocks - before,
                          (long long)at, (long long)count);
        }
        layer->reset();
        CHECK_OK(a->f(dev));
        if (failed < QNI_MIN(count, POINTS) / 8)
            test_fail(__FILE__, __LINE__, "%d of %lld calls matter", (int)failed, (long long)QNI_MIN(count, POINTS));
    }
    end(&ctx, &dev);
}

int main(void)
{
    char name[96], command[200];

    layer = layer_open(&reason);
    snprintf(folder, sizeof(folder), "/tmp/quern-attempts-XXXXXX");
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    setenv("QUERN_HELPER", "/nonexistent/helper", 1);
    for (size_t i = 0; i < QNI_COUNT(attempts); i++) {
        snprintf(name, sizeof(name), "memory runs out: %s", attempts[i].name);
        test_run_with(name, memory, &attempts[i]);
        snprintf(name, sizeof(name), "the driver fails: %s", attempts[i].name);
        test_run_with(name, driver, &attempts[i]);
    }
    snprintf(command, sizeof(command), "rm -rf '%s/store' && rmdir '%s'", folder, folder);
    CHECK_INT(system(command), 0);
    return test_end();
}
