/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * More of level 1's public planners, on numbers worked out by hand: operations of several outputs, other dtypes, and
 * operands that are updated where they lie. */
#include "test.h"

#include <math.h>

#include <quern/op_plan.h>

#define MOST 12
#define ROOM 64

/* An operand on the host: f32 elements, i32 or u8; NULL where it is absent. */
struct operand {
    const void *data;
    qn_shape shape;
    qn_dtype dtype;
};

#define F(...) ((const float[]){__VA_ARGS__})
#define I(...) ((const int32_t[]){__VA_ARGS__})
#define U(...) ((const uint8_t[]){__VA_ARGS__})

static size_t count(const qn_shape *s)
{
    size_t n = 1;

    for (int a = 0; a < s->rank; a++)
        n *= (size_t)s->dim[a];
    return n;
}

static void near(const char *what, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; want && i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-5f * (1 + fabsf(want[i]))))
            test_fail(__FILE__, __LINE__, "%s %zu is %g, expected %g", what, i, (double)got[i], (double)want[i]);
}

/* Run and give the operation up. want: [outputs] f32, NULL where not compared; moved: what input 0 is afterwards, or NULL.
 * Outputs are left in `out`. */
static void run(qn_op *op, const struct operand *in, int inputs, const float *const *want, const float *moved,
                float out[][ROOM])
{
    static float scrap[MOST][ROOM];
    qn_tensor *t[MOST] = {NULL}, *y[MOST] = {NULL}, *scratch = NULL;
    float back[ROOM];

    if (!op)
        return;
    if (!out)
        out = scrap;
    for (int i = 0; i < inputs; i++)
        if (in[i].data) {
            CHECK_OK(qn_tensor_create(&t[i], test_device(), in[i].dtype, in[i].shape.rank, in[i].shape.dim));
            CHECK_OK(qn_tensor_write(t[i], in[i].data, count(&in[i].shape) * qn_dtype_bytes(in[i].dtype)));
        }
    for (int i = 0; i < qn_op_outputs(op); i++) {
        qn_shape s;
        qn_dtype d;

        CHECK_OK(qn_op_output_shape(op, i, &s, &d));
        CHECK_OK(qn_tensor_create(&y[i], test_device(), d, s.rank, s.dim));
    }
    if (qn_op_scratch_bytes(op))
        CHECK_OK(qn_tensor_create(&scratch, test_device(), QN_U8, 1, &(int64_t){(int64_t)qn_op_scratch_bytes(op)}));
    if (CHECK_OK(qn_op_run(op, t, inputs, y, qn_op_outputs(op), scratch)))
        for (int i = 0; i < qn_op_outputs(op); i++) {
            const qn_shape s = qn_tensor_shape(y[i]);
            uint8_t bytes[ROOM];

            if (qn_tensor_dtype(y[i]) == QN_U8) {
                CHECK_OK(qn_tensor_read(y[i], bytes, count(&s)));
                for (size_t k = 0; k < count(&s); k++)
                    out[i][k] = bytes[k];
            } else {
                CHECK_OK(qn_tensor_read(y[i], out[i], count(&s) * sizeof(float)));
            }
            near("element", out[i], want ? want[i] : NULL, count(&s));
        }
    if (moved && CHECK_OK(qn_tensor_read(t[0], back, count(&in[0].shape) * sizeof(float))))
        near("updated element", back, moved, count(&in[0].shape));
    for (int i = 0; i < MOST; i++) {
        qn_tensor_destroy(&t[i]);
        qn_tensor_destroy(&y[i]);
    }
    qn_tensor_destroy(&scratch);
    qn_op_destroy(&op);
}

static const qn_shape two = {1, {2}}, square = {2, {2, 2}}, single = {0};

static void transposed(void)
{
    const qn_shape x = {4, {1, 2, 2, 1}}, w = {4, {2, 2, 1, 1}};
    qn_op *op = NULL;

    CHECK_OK(qn_op_conv2d_transpose_plan(&op, test_device(), &x, &w, &(qn_op_conv2d_opt){.bias = true}));
    run(op, (struct operand[]){{F(1, 2, 3, 4), x, QN_F32}, {F(1, 0, 0, -1), w, QN_F32}, {F(10), {1, {1}}, QN_F32}}, 3,
        (const float *[]){F(11, 12, 10, 13, 13, 8, 10, 7, 6)}, NULL, NULL);
    CHECK_STATUS(qn_op_conv2d_transpose_plan(&op, test_device(), &x, &w, &(qn_op_conv2d_opt){.groups = 2}), QN_E_ARG,
                 "no groups");
}

static void batch_norm(void)
{
    const qn_op_batch_norm_opt o = {.epsilon = 1e-9f, .momentum = 0.5f};
    const struct operand x = {F(1, 0, 3, 4), square, QN_F32}, gamma = {F(2, 1), two, QN_F32}, beta = {F(1, 0), two, QN_F32};
    float out[3][ROOM];
    qn_op *op = NULL;

    CHECK_OK(qn_op_batch_norm_plan(&op, test_device(), &square, &o));
    run(op, (struct operand[]){x, gamma, beta, {F(0, 0), two, QN_F32}, {F(1, 1), two, QN_F32}}, 5,
        (const float *[]){F(-1, -1, 3, 1), F(2, 2), F(1, 0.5f)}, NULL, out);
    CHECK_OK(qn_op_batch_norm_backward_plan(&op, test_device(), &square, &o));
    run(op, (struct operand[]){{F(1, 2, 3, -1), square, QN_F32}, x, gamma, {out[1], two, QN_F32}, {out[2], two, QN_F32}}, 5,
        (const float *[]){F(0, 0, 0, 0), F(2, -3), F(4, 1)}, NULL, NULL);
    CHECK_OK(qn_op_batch_norm_inference_plan(&op, test_device(), &square, &(qn_op_batch_norm_opt){.epsilon = 1e-9f,
                                                                                                  .no_beta = true}));
    run(op, (struct operand[]){x, gamma, {0}, {F(1, 1), two, QN_F32}, {F(4, 4), two, QN_F32}}, 5,
        (const float *[]){F(0, -0.5f, 2, 1.5f)}, NULL, NULL);
    CHECK_STATUS(qn_op_batch_norm_plan(&op, test_device(), &single, NULL), QN_E_ARG, "no axis");
}

static void elements(void)
{
    const struct operand x = {F(-2, 3), two, QN_F32}, dy = {F(5, 7), two, QN_F32};
    qn_op *op = NULL;

    CHECK_OK(qn_op_unary_plan(&op, test_device(), QN_UNARY_SQUARE, &two));
    run(op, &x, 1, (const float *[]){F(4, 9)}, NULL, NULL);
    CHECK_OK(qn_op_binary_plan(&op, test_device(), QN_BINARY_SUB, &square, &two));
    run(op, (struct operand[]){{F(1, 2, 3, 4), square, QN_F32}, x}, 2, (const float *[]){F(3, -1, 5, 1)}, NULL, NULL);
    CHECK_OK(qn_op_binary_plan(&op, test_device(), QN_BINARY_LESS, &two, &two));
    run(op, (struct operand[]){x, dy}, 2, (const float *[]){F(1, 1)}, NULL, NULL);
    CHECK_OK(qn_op_where_plan(&op, test_device(), &two, &two, &two));
    run(op, (struct operand[]){{U(0, 1), two, QN_U8}, x, dy}, 3, (const float *[]){F(5, 3)}, NULL, NULL);
    CHECK_OK(qn_op_clip_plan(&op, test_device(), &two, -1, INFINITY));
    run(op, &x, 1, (const float *[]){F(-1, 3)}, NULL, NULL);
    CHECK_OK(qn_op_act_backward_plan(&op, test_device(), &two, QN_RELU, 0));
    run(op, (struct operand[]){dy, x, {F(0, 3), two, QN_F32}}, 3, (const float *[]){F(0, 7)}, NULL, NULL);
    CHECK_OK(qn_op_act_backward_plan(&op, test_device(), &two, QN_EXPONENTIAL, 0));
    run(op, (struct operand[]){dy, x, {F(2, 3), two, QN_F32}}, 3, (const float *[]){F(10, 21)}, NULL, NULL);
    CHECK_STATUS(qn_op_unary_plan(&op, test_device(), (qn_unary)99, &two), QN_E_ARG, "function 99");
    CHECK_STATUS(qn_op_act_backward_plan(&op, test_device(), &two, QN_SOFTMAX, 0), QN_E_ARG, "activation");
}

static void shapes(void)
{
    const qn_shape x = {2, {2, 3}}, part = {2, {2, 1}};
    const struct operand v = {F(1, 2, 3, 4, 5, 6), x, QN_F32}, index = {I(2, 0), two, QN_I32};
    qn_op *op = NULL;

    CHECK_OK(qn_op_transpose_plan(&op, test_device(), QN_F32, &x, NULL));
    run(op, &v, 1, (const float *[]){F(1, 4, 2, 5, 3, 6)}, NULL, NULL);
    CHECK_OK(qn_op_concat_plan(&op, test_device(), QN_F32, (qn_shape[]){x, part}, 2, -1));
    run(op, (struct operand[]){v, {F(7, 8), part, QN_F32}}, 2, (const float *[]){F(1, 2, 3, 7, 4, 5, 6, 8)}, NULL, NULL);
    CHECK_OK(qn_op_slice_plan(&op, test_device(), QN_F32, &x, 2, (int64_t[]){0, 1}, (int64_t[]){INT64_MAX, INT64_MAX}, NULL));
    run(op, &v, 1, (const float *[]){F(2, 3, 5, 6)}, NULL, NULL);
    CHECK_OK(qn_op_pad_plan(&op, test_device(), QN_F32, &x, 2, (int64_t[]){0, 1}, (int64_t[]){0, 0}, 9));
    run(op, &v, 1, (const float *[]){F(9, 1, 2, 3, 9, 4, 5, 6)}, NULL, NULL);
    CHECK_OK(qn_op_gather_plan(&op, test_device(), QN_F32, &x, &two, 1));
    run(op, (struct operand[]){v, index}, 2, (const float *[]){F(3, 1, 6, 4)}, NULL, NULL);
    CHECK_OK(qn_op_scatter_add_plan(&op, test_device(), &square, &two, &x, -1));
    run(op, (struct operand[]){{F(1, 2, 3, 4), square, QN_F32}, index}, 2, (const float *[]){F(2, 0, 1, 4, 0, 3)}, NULL, NULL);
    CHECK_OK(qn_op_one_hot_plan(&op, test_device(), &two, 3));
    run(op, &index, 1, (const float *[]){F(0, 0, 1, 1, 0, 0)}, NULL, NULL);
    CHECK_STATUS(qn_op_transpose_plan(&op, test_device(), QN_F32, &x, (int[]){1, 1}), QN_E_ARG, "axes[1] is 1");
    CHECK_STATUS(qn_op_gather_plan(&op, test_device(), QN_F32, &x, &two, 2), QN_E_ARG, "out of range");
    CHECK(!op);
}

/* Cells without activations, one unit. */
static void recurrence(void)
{
    const qn_shape one = {2, {1, 1}}, three = {1, {3}}, steps = {3, {1, 2, 1}}, step = {3, {1, 1, 1}};
    const qn_shape lstm = {3, {1, 1, 4}}, lstm_w = {2, {1, 4}}, gru = {3, {1, 1, 3}}, gru_w = {2, {1, 3}};
    qn_op_rnn_opt o = {.act = QN_IDENTITY};
    qn_op *op = NULL;

    CHECK_OK(qn_op_rnn_plan(&op, test_device(), QN_OP_SIMPLE_RNN, &steps, &o));
    run(op, (struct operand[]){{F(1, 2), steps, QN_F32}, {F(3), one, QN_F32}, {0}, {0}, {0}, {0}, {0}}, 7,
        (const float *[]){F(1, 5), F(5), F(0, 1), F(1, 5)}, NULL, NULL);
    CHECK_OK(qn_op_rnn_backward_plan(&op, test_device(), QN_OP_SIMPLE_RNN, &steps, &o));
    run(op, (struct operand[]){{F(1, 5), steps, QN_F32}, {F(3), one, QN_F32}, {F(1, 1), steps, QN_F32}, {0}, {0}, {0}, {0},
                               {0}, {0}, {0}, {0}, {0}}, 12, (const float *[]){F(4, 1), F(12)}, NULL, NULL);

    o.recurrent_act = QN_IDENTITY;
    o.c0 = true;
    CHECK_OK(qn_op_rnn_plan(&op, test_device(), QN_OP_LSTM, &lstm, &o));
    run(op, (struct operand[]){{F(2, 3, 5, 7), lstm, QN_F32}, {F(1, 0, 0, 0), lstm_w, QN_F32}, {0}, {F(1), one, QN_F32}, {0},
                               {0}, {0}}, 7, (const float *[]){F(91), F(91), F(0), F(2, 3, 5, 7), F(13), F(13)}, NULL, NULL);
    CHECK_OK(qn_op_rnn_backward_plan(&op, test_device(), QN_OP_LSTM, &lstm, &o));
    run(op, (struct operand[]){{F(2, 3, 5, 7), lstm, QN_F32}, {F(1, 0, 0, 0), lstm_w, QN_F32}, {F(1), step, QN_F32}, {0},
                               {0}, {F(13), step, QN_F32}, {F(1), one, QN_F32}, {0}, {0}, {0}, {0}, {0}}, 12,
        (const float *[]){F(35, 7, 14, 13), F(35), F(21)}, NULL, NULL);
    CHECK_STATUS(qn_op_rnn_plan(&op, test_device(), QN_OP_GRU, &gru, &o), QN_E_ARG, "LSTM's");

    o.c0 = false;
    o.h0 = o.recurrent_bias = true;
    CHECK_OK(qn_op_rnn_plan(&op, test_device(), QN_OP_GRU, &gru, &o));
    run(op, (struct operand[]){{F(0.5f, 2, 4), gru, QN_F32}, {F(0, 0, 1), gru_w, QN_F32}, {F(8), one, QN_F32}, {0}, {0},
                               {F(0, 0, 1), three, QN_F32}, {0}}, 7,
        (const float *[]){F(15), F(15), F(8), F(0.5f, 2, 22, 9)}, NULL, NULL);
    CHECK_OK(qn_op_rnn_backward_plan(&op, test_device(), QN_OP_GRU, &gru, &o));
    run(op, (struct operand[]){{F(0.5f, 2, 22, 9), lstm, QN_F32}, {F(0, 0, 1), gru_w, QN_F32}, {F(1), step, QN_F32}, {0}, {0},
                               {0}, {0}, {F(8), step, QN_F32}, {0}, {0}, {0}, {F(8), one, QN_F32}}, 12,
        (const float *[]){F(-14, 4.5f, 0.5f), F(1.5f), F(-14, 4.5f, 1)}, NULL, NULL);
    CHECK_STATUS(qn_op_rnn_plan(&op, test_device(), QN_OP_GRU, &lstm, NULL), QN_E_SHAPE, "3*units");
    CHECK_STATUS(qn_op_rnn_plan(&op, test_device(), (qn_op_rnn)9, &lstm, NULL), QN_E_ARG, "cell 9");
    CHECK(!op);
}

static void losses(void)
{
    const float l = logf(3.0f);
    const struct operand x = {F(0, logf(3.0f), 0, 0), square, QN_F32}, classes = {I(1, 0), two, QN_I32};
    const struct operand one = {F(1), single, QN_F32};
    float out[3][ROOM];
    qn_op *op = NULL;

    /* Probabilities (1/4, 3/4) and (1/2, 1/2). */
    CHECK_OK(qn_op_loss_plan(&op, test_device(), QN_OP_SPARSE_CROSS_ENTROPY, &square, NULL));
    run(op, (struct operand[]){x, classes, {0}}, 3, (const float *[]){F((logf(4.0f / 3) + logf(2)) / 2), NULL, NULL}, NULL, out);
    CHECK_OK(qn_op_loss_backward_plan(&op, test_device(), QN_OP_SPARSE_CROSS_ENTROPY, &square, NULL));
    run(op, (struct operand[]){one, x, classes, {0}, {out[1], {1, {4}}, QN_F32}, {out[2], single, QN_F32}}, 6,
        (const float *[]){F(0.125f, -0.125f, -0.25f, 0.25f)}, NULL, NULL);
    CHECK_OK(qn_op_loss_plan(&op, test_device(), QN_OP_SQUARED_ERROR, &square, &(qn_op_loss_opt){.each = true, .weights = true}));
    run(op, (struct operand[]){x, {F(1, 0, 2, 0), square, QN_F32}, {F(2, 3), two, QN_F32}}, 3,
        (const float *[]){F(1 + l * l, 6)}, NULL, NULL);
    CHECK_OK(qn_op_loss_backward_plan(&op, test_device(), QN_OP_ABSOLUTE_ERROR, &square, NULL));
    run(op, (struct operand[]){one, x, {F(1, 0, 2, -1), square, QN_F32}, {0}}, 4,
        (const float *[]){F(-0.25f, 0.25f, -0.25f, 0.25f)}, NULL, NULL);
    CHECK_STATUS(qn_op_loss_plan(&op, test_device(), (qn_op_loss)9, &square, NULL), QN_E_ARG, "no loss 9");
    CHECK_OK(qn_op_metric_plan(&op, test_device(), QN_OP_SPARSE_ACCURACY, &square, 0));
    run(op, (struct operand[]){{F(0, 0, 0, 0), {1, {4}}, QN_F32}, x, {I(1, 1), two, QN_I32}}, 3, NULL, F(1, 0, 2, 0), NULL);
    CHECK_OK(qn_op_metric_plan(&op, test_device(), QN_OP_METRIC_SQUARED_ERROR, &square, 0));
    run(op, (struct operand[]){{F(1, 0, 1, 0), {1, {4}}, QN_F32}, x, {F(2, logf(3.0f), 0, 0), square, QN_F32}}, 3, NULL,
        F(3, 0, 3, 0), NULL);
}

static void updates(void)
{
    const qn_optimizer adam = qn_adam(0);
    const struct operand zeros = {F(0, 0), two, QN_F32}, w = {F(1, 2), two, QN_F32}, g = {F(4, -0.5f), two, QN_F32};
    qn_optimizer bad = qn_sgd(0);
    qn_op *op = NULL;
    int slots = -1;

    CHECK_OK(qn_op_update_plan(&op, test_device(), &adam, 2, &slots));
    CHECK_INT(slots, 2);
    CHECK_OK(qn_op_set_step(op, &(qn_op_step){.lr = 0.5f}));
    /* Adam's first step is lr in the direction of the gradient. */
    run(op, (struct operand[]){w, g, zeros, zeros, {0}}, 5, NULL, F(0.5f, 2.5f), NULL);
    bad.clip_norm = 1;
    CHECK_STATUS(qn_op_update_plan(&op, test_device(), &bad, 2, NULL), QN_E_ARG, "clips by norm");
    CHECK(!op);
}

static void dropout(void)
{
    const qn_shape rows = {2, {4, 16}};
    const qn_op_step step = {.seed = 3, .step = 5, .sample = 100};
    float ones[ROOM], out[2][1][ROOM];
    int kept = 0;

    for (int i = 0; i < ROOM; i++)
        ones[i] = 1;
    for (int twice = 0; twice < 2; twice++) {
        qn_op *op = NULL;

        CHECK_OK(qn_op_dropout_plan(&op, test_device(), &rows, 0.5f));
        CHECK_OK(qn_op_set_step(op, &step));
        run(op, &(struct operand){ones, rows, QN_F32}, 1, NULL, NULL, out[twice]);
    }
    for (int i = 0; i < ROOM; i++) {
        CHECK(out[0][0][i] == 0.0f || out[0][0][i] == 2.0f);
        CHECK(out[0][0][i] == out[1][0][i]);
        kept += out[0][0][i] != 0.0f;
    }
    CHECK(kept > 16 && kept < 48);
}

/* Products that are all 0 make equal weights. */
static void attention(void)
{
    const qn_shape q = {4, {1, 2, 1, 1}}, k = {4, {1, 3, 1, 1}}, v = {4, {1, 3, 1, 2}}, sums = {3, {1, 1, 2}};
    const qn_shape y = {4, {1, 2, 1, 2}}, wrong = {4, {1, 3, 2, 1}};
    const float log_2 = logf(2), log_3 = logf(3);
    const qn_op_attention_opt causal = {.causal = true}, window = {.window = 1, .lengths = true};
    struct operand in[10] = {
        {F(0, 0), q, QN_F32}, {F(1, 2, 3), k, QN_F32}, {F(1, 2, 3, 4, 8, 9), v, QN_F32}, [7] = {F(2, 3, 4, 5), y, QN_F32},
        [8] = {F(log_2, log_3), sums, QN_F32}, [9] = {F(1, 0, 0, 3), y, QN_F32},
    };
    qn_op *op = NULL;

    CHECK_OK(qn_op_attention_plan(&op, test_device(), &q, &k, &v, &causal));
    run(op, in, 7, (const float *const[]){F(2, 3, 4, 5), F(log_2, log_3)}, NULL, NULL);
    CHECK_OK(qn_op_attention_backward_plan(&op, test_device(), &q, &k, &v, &causal));
    run(op, in, 10, (const float *const[]){F(0.5f, 7), F(0, 0, 0), F(0.5f, 1, 0.5f, 1, 0, 1)}, NULL, NULL);
    in[3] = (struct operand){I(2), {1, {1}}, QN_I32};
    CHECK_OK(qn_op_attention_plan(&op, test_device(), &q, &k, &v, &window));
    run(op, in, 7, (const float *const[]){F(3, 4, 0, 0), F(0, 0)}, NULL, NULL);
    CHECK_INT(qn_op_attention_plan(&op, test_device(), &q, &wrong, &v, NULL), QN_E_SHAPE);
    CHECK_INT(qn_op_attention_plan(&op, test_device(), &q, NULL, &v, NULL), QN_E_ARG);
    CHECK_INT(qn_op_attention_plan(&op, test_device(), &q, &k, &v, &(qn_op_attention_opt){.algorithm = "none"}), QN_E_ARG);
    CHECK(!op);
}

static void positions(void)
{
    const qn_shape x = {4, {1, 2, 1, 2}}, cache = {4, {1, 3, 1, 1}}, new = {4, {1, 1, 1, 1}};
    const struct operand turned[2] = {{F(1, 0, 1, 0), x, QN_F32}, {I(1), {1, {1}}, QN_I32}};
    const struct operand kept[5] = {{F(1, 2, 3), cache, QN_F32}, {F(4, 5, 6), cache, QN_F32}, {F(7), new, QN_F32},
                                    {F(8), new, QN_F32}, {I(1), {1, {1}}, QN_I32}};
    qn_op *op = NULL;

    CHECK_OK(qn_op_rotary_plan(&op, test_device(), &x, NULL));
    run(op, turned, 2, (const float *const[]){F(1, 0, cosf(1), sinf(1))}, NULL, NULL);
    CHECK_OK(qn_op_rotary_plan(&op, test_device(), &x, &(qn_op_rotary_opt){.positions = 1, .inverse = true}));
    run(op, turned, 2, (const float *const[]){F(cosf(1), -sinf(1), cosf(2), -sinf(2))}, NULL, NULL);
    CHECK_OK(qn_op_cache_append_plan(&op, test_device(), &cache, &cache, 1, 1));
    run(op, kept, 5, NULL, F(1, 7, 3), NULL);
    CHECK_INT(qn_op_rotary_plan(&op, test_device(), &x, &(qn_op_rotary_opt){.dims = 1}), QN_E_ARG);
    CHECK(!op);
}

int main(void)
{
    if (!test_device())
        return test_end();
    test_run("op_plan: transposed convolution", transposed);
    test_run("op_plan: batch normalisation and its gradient", batch_norm);
    test_run("op_plan: element by element", elements);
    test_run("op_plan: shapes", shapes);
    test_run("op_plan: recurrence and its gradient", recurrence);
    test_run("op_plan: losses and metrics", losses);
    test_run("op_plan: an optimizer step", updates);
    test_run("op_plan: dropout repeats", dropout);
    test_run("op_plan: attention and its gradient", attention);
    test_run("op_plan: rotary positions and the cache", positions);
    return test_end();
}
