/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Training and prediction on tensors of the program's own: the same bits as on arrays, and no copy. */
#include <stdio.h>
#include <string.h>

#include <quern/cl.h>

#include "layer.h"
#include "test.h"

#define ROWS  6
#define D     5
#define C     3
#define STEPS 8

static const struct layer *layer;
static const char *reason;

static float x[ROWS][D], weight[ROWS];
static int32_t target[ROWS];

static void make_batch(void)
{
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < D; k++)
            x[i][k] = (float)test_uniform();
        target[i] = (int32_t)test_integer(C);
        weight[i] = 1.5f + (float)test_uniform();
    }
}

static qn_model *make_model(qn_device *dev)
{
    qn_model *m = NULL;
    qn_val v;

    if (!CHECK_OK(qn_model_create(&m, dev)))
        return NULL;
    v = qn_input(m, QN_F32, 1, (int64_t[]){ D });
    v = qn_dense(m, v, &(qn_dense_opt){ .units = 7, .act = QN_TANH });
    qn_model_output(m, qn_dense(m, v, &(qn_dense_opt){ .units = C, .act = QN_SOFTMAX }));
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.01f), .seed = 5,
                                                    .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                    .metrics = { QN_ACCURACY } }));
    return m;
}

/* A tensor in the middle of a larger one, so that it starts at no round place. */
static qn_tensor *make(qn_device *dev, qn_dtype dtype, int rank, const int64_t *dim, const void *from)
{
    qn_tensor *whole = NULL, *part = NULL;
    const int64_t n = (rank ? dim[0] : 1) * (rank > 1 ? dim[1] : 1);

    CHECK_OK(qn_tensor_create(&whole, dev, dtype, 1, (int64_t[]){ n + 7 }));
    if (whole && CHECK_OK(qn_tensor_view(&part, whole, 3, rank, dim)) && from)
        CHECK_OK(qn_tensor_write(part, from, (size_t)n * qn_dtype_bytes(dtype)));
    qn_tensor_destroy(&whole);
    return part;
}

struct tensors {
    qn_tensor *x, *target, *weight, *y;
};

static bool make_tensors(struct tensors *t, qn_device *dev)
{
    make_batch();
    *t = (struct tensors){ make(dev, QN_F32, 2, (int64_t[]){ ROWS, D }, x),
                           make(dev, QN_I32, 1, (int64_t[]){ ROWS }, target),
                           make(dev, QN_F32, 1, (int64_t[]){ ROWS }, weight),
                           make(dev, QN_F32, 2, (int64_t[]){ ROWS, C }, NULL) };
    return !test_failed();
}

static void free_tensors(struct tensors *t)
{
    qn_tensor_destroy(&t->x);
    qn_tensor_destroy(&t->target);
    qn_tensor_destroy(&t->weight);
    qn_tensor_destroy(&t->y);
}

static void same_weights(qn_model *a, qn_model *b)
{
    float u[64], v[64];

    for (int i = 0; i < qn_model_weights(a); i++) {
        qn_shape s;
        size_t bytes = sizeof(float);

        CHECK_OK(qn_model_weight_info(a, i, NULL, &s, NULL));
        for (int k = 0; k < s.rank; k++)
            bytes *= (size_t)s.dim[k];
        CHECK_OK(qn_model_weight_read(a, i, u, bytes));
        CHECK_OK(qn_model_weight_read(b, i, v, bytes));
        CHECK(!memcmp(u, v, bytes));
    }
}

static void same_bits(void)
{
    qn_device *dev = test_device();
    qn_model *a, *b;
    struct tensors t;
    qn_logs la, lb;
    float y[ROWS][C], z[ROWS][C];

    if (!dev || !make_tensors(&t, dev))
        return;
    a = make_model(dev);
    b = make_model(dev);
    for (int i = 0; i < STEPS && !test_failed(); i++) {
        bool weighted = i % 2;

        CHECK_OK(qn_model_train_batch(a, (const void *[]){ x }, (const void *[]){ target }, weighted ? weight : NULL, ROWS, &la));
        CHECK_OK(qn_model_train_tensors(b, &t.x, &t.target, weighted ? t.weight : NULL, &lb));
        CHECK(la.n == lb.n && !memcmp(la.value, lb.value, (size_t)la.n * sizeof(la.value[0])));
    }
    same_weights(a, b);
    CHECK_OK(qn_model_test_batch(a, (const void *[]){ x }, (const void *[]){ target }, NULL, ROWS, &la));
    CHECK_OK(qn_model_test_tensors(b, &t.x, &t.target, NULL, &lb));
    CHECK(!memcmp(la.value, lb.value, (size_t)la.n * sizeof(la.value[0])));
    CHECK_OK(qn_model_predict(a, (const void *[]){ x }, ROWS, (void *[]){ y }, ROWS));
    CHECK_OK(qn_model_predict_tensors(b, &t.x, &t.y));
    CHECK_OK(qn_tensor_read(t.y, z, sizeof(z)));
    CHECK(!memcmp(y, z, sizeof(y)));
    /* The program writes there again, and the same plan reads it. */
    make_batch();
    CHECK_OK(qn_tensor_write(t.x, x, sizeof(x)));
    CHECK_OK(qn_model_predict(a, (const void *[]){ x }, ROWS, (void *[]){ y }, ROWS));
    CHECK_OK(qn_model_predict_tensors(b, &t.x, &t.y));
    CHECK_OK(qn_tensor_read(t.y, z, sizeof(z)));
    CHECK(!memcmp(y, z, sizeof(y)));
    qn_model_destroy(&a);
    qn_model_destroy(&b);
    free_tensors(&t);
}

static void refused(void)
{
    qn_device *dev = test_device();
    qn_model *m;
    struct tensors t;
    qn_tensor *none = NULL, *as_float = NULL;
    size_t offset;

    if (!dev || !make_tensors(&t, dev) || !(m = make_model(dev)))
        return;
    CHECK_OK(qn_model_train_tensors(m, &t.x, &t.target, NULL, NULL));
    CHECK_STATUS(qn_model_train_tensors(m, &t.y, &t.target, NULL, NULL), QN_E_SHAPE, "input: the tensor is f32 [6, 3]");
    CHECK_STATUS(qn_model_train_tensors(m, &t.x, &t.weight, NULL, NULL), QN_E_SHAPE, "the tensor is f32 [6], expected i32 [6]");
    CHECK_STATUS(qn_model_train_tensors(m, &t.x, &none, NULL, NULL), QN_E_ARG, "no data");
    CHECK_STATUS(qn_model_train_tensors(m, &none, &t.target, NULL, NULL), QN_E_ARG, "no tensor for input 0");
    CHECK_STATUS(qn_model_predict_tensors(m, &t.x, &t.x), QN_E_SHAPE, "output 0: the tensor is f32 [6, 5]");
    CHECK_STATUS(qn_model_predict_tensors(m, NULL, &t.y), QN_E_ARG, "in or out");
    CHECK_STATUS(qn_model_predict_tensors(NULL, &t.x, &t.y), QN_E_STATE, "not compiled");
    /* The place is known, but what lies there is of another type. */
    CHECK(qn_tensor_cl_mem(t.target, &offset) != NULL);
    CHECK_OK(qn_tensor_wrap(&as_float, dev, qn_tensor_cl_mem(t.target, NULL), offset, QN_F32, 1, (int64_t[]){ ROWS }));
    CHECK_STATUS(qn_model_train_tensors(m, &t.x, &as_float, NULL, NULL), QN_E_SHAPE, "expected i32");
    CHECK_OK(qn_model_train_tensors(m, &t.x, &t.target, NULL, NULL));
    qn_tensor_destroy(&as_float);
    qn_model_destroy(&m);
    free_tensors(&t);
}

static void no_copy(void)
{
    static const enum layer_call never[] = { LAYER_READ, LAYER_COPY, LAYER_FILL, LAYER_MAP, LAYER_CREATE_BUFFER,
                                             LAYER_SET_KERNEL_ARG, LAYER_BLOCKING, LAYER_FINISH };
    qn_device *dev = test_device();
    qn_model *m;
    struct tensors t;

    if (!layer) {
        test_skip("%s", reason);
        return;
    }
    if (!dev || !make_tensors(&t, dev) || !(m = make_model(dev)))
        return;
    CHECK_OK(qn_model_train_tensors(m, &t.x, &t.target, NULL, NULL));
    CHECK_OK(qn_model_predict_tensors(m, &t.x, &t.y));
    CHECK_OK(qn_device_finish(dev));
    layer->reset();
    for (int i = 0; i < STEPS; i++) {
        CHECK_OK(qn_model_train_tensors(m, &t.x, &t.target, NULL, NULL));
        CHECK_OK(qn_model_predict_tensors(m, &t.x, &t.y));
    }
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (layer->count(never[i]))
            test_fail(__FILE__, __LINE__, "%lld calls of %s", (long long)layer->count(never[i]), layer->name(never[i]));
    CHECK_INT(layer->count(LAYER_WRITE), 2 * STEPS); /* the step blocks, 64 bytes each */
    qn_model_destroy(&m);
    free_tensors(&t);
}

/* ---- level 2: every kind of result ---- */

/* A graph's results: a node's own, twice the same, a view of it, an input, a variable, a constant, the gradients. */
static void results(void)
{
    const float c[4] = { 1, 2, 3, 4 }, in[4] = { 0.5f, -1, 2, 0.25f };
    const float w[4] = { 1, 0.5f, -2, 4 };
    qn_device *dev = test_device();
    qn_graph *g = NULL;
    qn_state *s = NULL;
    qn_plan *p = NULL;
    qn_tensor *out[9] = { 0 }, *from = NULL;
    qn_val v, vw, vc, y, loss, output[8];
    float got[4], back[4];

    if (!dev || !CHECK_OK(qn_graph_create(&g, NULL)))
        return;
    v = qn_graph_input(g, "x", QN_F32, 1, (int64_t[]){ 4 });
    vw = qn_graph_variable(g, &(qn_variable_opt){ .name = "w", .rank = 1, .dim = { 4 } });
    vc = qn_graph_constant(g, QN_F32, 1, (int64_t[]){ 4 }, c);
    y = qn_graph_add(g, qn_graph_mul(g, v, vw), vc);
    loss = qn_graph_reduce_sum(g, qn_graph_mul(g, y, y), NULL, 0, false);
    memcpy(output, (qn_val[]){ y, y, qn_graph_reshape(g, y, 2, (int64_t[]){ 2, 2 }), v, vw, vc, loss, y }, sizeof(output));
    CHECK_OK(qn_state_create(&s, g, dev, NULL, 0));
    CHECK_OK(qn_state_write(s, "w", w, sizeof(w)));
    from = make(dev, QN_F32, 1, (int64_t[]){ 4 }, in);
    for (int i = 0; i < 9; i++)
        if (i != 7) /* that one is read by the host */
            out[i] = i == 2 ? make(dev, QN_F32, 2, (int64_t[]){ 2, 2 }, NULL)
                            : make(dev, QN_F32, i != 6, (int64_t[]){ 4 }, NULL);
    const qn_plan_opt opt = { .input_shape = &(qn_shape){ 1, { 4 } }, .loss = loss, .output = output, .outputs = 8, .wrt = &v,
                              .wrts = 1, .input_tensor = &from, .output_tensor = out };
    if (test_failed() || !CHECK_OK(qn_plan_create(&p, s, &opt)))
        goto done;
    for (int run = 0; run < 2; run++) {
        CHECK_OK(qn_plan_run(p, NULL, (void *[9]){ [7] = back }, 0));
        for (int i = 0; i < 9; i++) {
            memcpy(got, back, sizeof(got));
            if (out[i])
                CHECK_OK(qn_tensor_read(out[i], got, i == 6 ? sizeof(float) : sizeof(got)));
            for (int k = 0; k < (i == 6 ? 1 : 4); k++) {
                const float yk = in[k] * w[k] + c[k];
                const float want = i == 3 ? in[k] : i == 4 ? w[k] : i == 5 ? c[k] : i == 8 ? 2 * yk * w[k] : yk;

                if (i == 6 ? got[0] != 30.5f : got[k] != want)
                    test_fail(__FILE__, __LINE__, "run %d, result %d, element %d: %g, expected %g", run, i, k, (double)got[k],
                              i == 6 ? 30.5 : (double)want);
            }
        }
    }
done:
    for (int i = 0; i < 9; i++)
        qn_tensor_destroy(&out[i]);
    qn_tensor_destroy(&from);
    qn_plan_destroy(&p);
    qn_state_destroy(&s);
    qn_graph_destroy(&g);
}

int main(void)
{
    layer = layer_open(&reason);
    test_run("tensors: a model trains and predicts as on arrays, bit for bit", same_bits);
    test_run("tensors: what does not fit is refused", refused);
    test_run("tensors: nothing is copied", no_copy);
    test_run("tensors: every kind of result ends in its tensor", results);
    return test_end();
}
