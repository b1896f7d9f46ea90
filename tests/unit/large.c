/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sizes that no machine of ours holds: more than 2^31 elements, one axis above 2^31, products beyond 64 bits. Nothing is
 * allocated and nothing runs. Every operation's shape rule, sizes and launches are worked out for them, as for a CPU and
 * for a GPU, by every algorithm that applies: either all that is recorded is whole, or there is a status and one line
 * that names the operation. The sanitizers' run of it sees each sum that overflows. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "device/device.h"
#include "ops/attn/attn.h"
#include "ops/attn/rotary.h"
#include "ops/conv/conv.h"
#include "ops/eltwise/eltwise.h"
#include "ops/gemm/gemm.h"
#include "ops/loss/loss.h"
#include "ops/metric/metric.h"
#include "ops/norm/norm.h"
#include "ops/optim/optim.h"
#include "ops/pool/pool.h"
#include "ops/reduce/reduce.h"
#include "ops/rnn/rnn.h"
#include "ops/shape/shape.h"
#include "ops/softmax/softmax.h"
#include "test.h"

#define LEAST 6                        /* every axis in the first place: all problems are valid, and no product is 0 */
#define PLAUSIBLE (INT64_C(1) << 62)   /* what is above has wrapped */

/* A problem by letters: "N 4U" is [N, 4 * U], "1" is [1], "" a number, NULL an input that is absent. */
struct problem {
    const struct qni_op *op;
    const void *attr;
    const char *in[QNI_MAX_IN];
    const char *dtypes;                /* of the inputs: f, i (i32), l (i64) or u (u8); all f when NULL */
};

/* ---- the problems ---- */

#define ELT(n, ...) \
    &(struct qni_eltwise){ .inputs = n, .codes = 1, .outputs = 1, .out = { QNI_ELT_IN }, .code = { __VA_ARGS__ } }
#define UPDATE(...) \
    &(struct qni_update){ .beta1 = 0.9, .beta2 = 0.999, .rho = 0.9f, .epsilon = 1e-7f, .decay_end = -1, __VA_ARGS__ }

static const struct qni_conv same = { .padding = QN_SAME, .filter = { 3, 3 } };
static const struct qni_conv depthwise = { .padding = QN_SAME, .groups = 6, .filter = { 3, 3 } };
static const struct qni_conv strided = { .stride = { 2, 2 }, .filter = { 2, 2 } };
static const struct qni_pool window = { .size = { 2, 2 }, .padding = QN_SAME, .stride = { 1, 1 } };
static const struct qni_pool global = { .global = 1 };
static const struct qni_rnn tanh_cell = { .act = { QN_SIGMOID, QN_TANH, QN_TANH } };
static const struct qni_layer_norm last = { .epsilon = 1e-3f, .axes = 1 }, last_two = { .epsilon = 1e-3f, .axes = 2 };
static const struct qni_batch_norm batch = { .epsilon = 1e-3f, .momentum = 0.99f };
static const struct qni_attention attention = { .causal = 1 };

static const struct problem problems[] = {
    { &qni_op_matmul, &(struct qni_matmul){ 0 }, { "M K", "K N" }, NULL },
    { &qni_op_matmul, &(struct qni_matmul){ .transpose_a = 1 }, { "K M", "K N" }, NULL },
    { &qni_op_matmul, &(struct qni_matmul){ .transpose_b = 1 }, { "B M K", "B N K" }, NULL },
    { &qni_op_matmul, &(struct qni_matmul){ 0 }, { "B M K", "K N" }, NULL },
    { &qni_op_matmul, &(struct qni_matmul){ .transpose_a = 1, .flat = 1 }, { "B M K", "B M N" }, NULL },
    { &qni_op_matmul, &(struct qni_matmul){ .transpose_a = 1, .sum_batch = 1 }, { "B M K", "B M N" }, NULL },
    { &qni_op_conv2d, &same, { "N H W C", "3 3 C K" }, NULL },
    { &qni_op_conv2d, &same, { "N T C", "3 C K" }, NULL },
    { &qni_op_conv2d, &same, { "N H W C", "R S C K" }, NULL },
    { &qni_op_conv2d, &depthwise, { "N H W 6", "3 3 1 6" }, NULL },
    { &qni_op_conv2d, &same, { "N H W 3", "3 3 3 K" }, NULL },
    { &qni_op_conv2d_backward_data, &same, { "N H W K", "3 3 C K", "N H W C" }, NULL },
    { &qni_op_conv2d_backward_data, &strided, { "N H W K", "2 2 C K" }, NULL },
    { &qni_op_conv2d_backward_data, &depthwise, { "N H W 6", "3 3 1 6", "N H W 6" }, NULL },
    { &qni_op_conv2d_backward_filter, &same, { "N H W C", "N H W K" }, NULL },
    { &qni_op_conv2d_backward_filter, &depthwise, { "N H W 6", "N H W 6" }, NULL },
    { &qni_op_maxpool, &window, { "N H W C" }, NULL },
    { &qni_op_maxpool, &global, { "N H W C" }, NULL },
    { &qni_op_maxpool_grad, &window, { "N H W C", "N H W C", "N H W C" }, NULL },
    { &qni_op_avgpool, &window, { "N H W C" }, NULL },
    { &qni_op_avgpool, &global, { "N T C" }, NULL },
    { &qni_op_avgpool_grad, &window, { "N H W C", "N H W C" }, NULL },
    { &qni_op_avgpool_grad, &global, { "N 1 1 C", "N H W C" }, NULL },
    { &qni_op_attention, &attention, { "B Q G D", "B K H D", "B K H E", NULL, NULL, NULL, NULL }, NULL },
    { &qni_op_attention, &attention, { "B Q H D", "B K H D", "B K H E", "B", "B K", "B H Q K", "H" }, "fffiuff" },
    { &qni_op_attention_grad, &attention,
      { "B Q H D", "B K H D", "B K H E", NULL, NULL, NULL, NULL, "B Q H E", "B H Q", "B Q H E" }, NULL },
    { &qni_op_rotary, &(struct qni_rotary){ .base = 10000 }, { "B T H 2D", NULL }, NULL },
    { &qni_op_cache_append, NULL, { "B C H D", "B C H E", "B T H D", "B T H E", "B" }, "ffffi" },
    { &qni_op_cross_entropy, &(struct qni_cross_entropy){ 0 }, { "N T C", "N T", "N" }, "fif" },
    { &qni_op_cross_entropy, &(struct qni_cross_entropy){ .dense = 1 }, { "N T C", "N T C", NULL }, NULL },
    { &qni_op_cross_entropy_grad, &(struct qni_cross_entropy){ 0 }, { "", "N C", "N", NULL, "N 2", "" }, "ffifff" },
    { &qni_op_pointwise_loss, &(struct qni_pointwise){ 0 }, { "N T C", "N T C", "N" }, NULL },
    { &qni_op_pointwise_loss_grad, &(struct qni_pointwise){ 0 }, { "", "N T C", "N T C", NULL }, NULL },
    { &qni_op_metric_class, &(struct qni_metric_class){ 0 }, { "4", "N T C", "N T", NULL }, "ffif" },
    { &qni_op_metric_pointwise, &(struct qni_metric_pointwise){ 0 }, { "4", "N T C", "N T C", "N" }, NULL },
    { &qni_op_metric_mean, NULL, { "4", "N T", "N T", "N" }, NULL },
    { &qni_op_sgd, UPDATE(.momentum = 0.9f), { "N M", "N M", "N M", NULL, NULL, NULL }, NULL },
    { &qni_op_adam, UPDATE(.amsgrad = 1), { "N M", "N M", "N M", "N M", "N M", NULL }, NULL },
    { &qni_op_rmsprop, UPDATE(.centered = 0), { "N M", "N M", "N M", NULL, NULL, NULL }, NULL },
    { &qni_op_adagrad, UPDATE(.nesterov = 0), { "N M", "N M", "N M", NULL, NULL, NULL }, NULL },
    { &qni_op_adadelta, UPDATE(.nesterov = 0), { "N M", "N M", "N M", "N M", NULL, NULL }, NULL },
    { &qni_op_adamax, UPDATE(.nesterov = 0), { "N M", "N M", "N M", "N M", NULL, NULL }, NULL },
    { &qni_op_lion, UPDATE(.nesterov = 0), { "N M", "N M", "N M", NULL, NULL, NULL }, NULL },
    { &qni_op_clip_norms, &(struct qni_clip_norms){ 1 }, { "N", "M 2" }, "fl" },
    { &qni_op_eltwise, ELT(2, { QNI_ELT_ADD, { 0, 1, -1 } }), { "N M", "N M" }, NULL },
    { &qni_op_eltwise, ELT(2, { QNI_ELT_ADD, { 0, 1, -1 } }), { "N 1 M", "K M" }, NULL },
    { &qni_op_eltwise, ELT(2, { QNI_ELT_ADD, { 0, 1, -1 } }), { "N M", "N 1" }, NULL },
    { &qni_op_dropout, ELT(1, { QNI_ELT_DROPOUT, { 0, -1, -1 }, .alpha = 0.5f }), { "N M K" }, NULL },
    { &qni_op_reduce, &(struct qni_reduce){ QNI_REDUCE_SUM, 7, 0 }, { "N M K" }, NULL },
    { &qni_op_reduce, &(struct qni_reduce){ QNI_REDUCE_SUM, 1, 0 }, { "N M K" }, NULL },
    { &qni_op_reduce, &(struct qni_reduce){ QNI_REDUCE_MAX, 2, 0 }, { "N M K" }, NULL },
    { &qni_op_reduce, &(struct qni_reduce){ QNI_REDUCE_MEAN, 4, 4 }, { "N M K" }, NULL },
    { &qni_op_arg_reduce, &(struct qni_reduce){ QNI_REDUCE_ARGMAX, 2, 0 }, { "N M K" }, NULL },
    { &qni_op_batch_norm, &batch, { "N H C", "C", "C", "C", "C" }, NULL },
    { &qni_op_batch_norm_grad, &batch, { "N H C", "N H C", "C", "C", "C" }, NULL },
    { &qni_op_batch_norm_inference, &batch, { "N H C", "C", "C", "C", "C" }, NULL },
    { &qni_op_layer_norm, &last, { "N T C", "C", "C" }, NULL },
    { &qni_op_layer_norm, &last_two, { "N T C", "T C", "T C" }, NULL },
    { &qni_op_layer_norm_grad, &last, { "N T C", "N T C", "C", "N T", "N T" }, NULL },
    { &qni_op_rms_norm, &last, { "N T C", "C" }, NULL },
    { &qni_op_rms_norm_grad, &last, { "N T C", "N T C", "C", "N T" }, NULL },
    { &qni_op_lstm, &tanh_cell, { "N T 4U", "U 4U", "N U", "N U", "N T", "3 U", "N U" }, "ffffuff" },
    { &qni_op_gru, &tanh_cell, { "N T 3U", "U 3U", "N U", NULL, NULL, "3U", NULL }, NULL },
    { &qni_op_gru_before, &tanh_cell, { "N T 3U", "U 3U" }, NULL },
    { &qni_op_simple_rnn, &tanh_cell, { "N T U", "U U" }, NULL },
    { &qni_op_lstm_grad, &tanh_cell, { "N T 4U", "U 4U", "N T U", NULL, NULL, "N T U" }, NULL },
    { &qni_op_gru_grad, &tanh_cell, { "N T 4U", "U 3U", "N T U", NULL, NULL, NULL, NULL, "N T U" }, NULL },
    { &qni_op_gru_before_grad, &tanh_cell, { "N T 3U", "U 3U", "N T U", NULL, NULL, NULL, NULL, "N T U" }, NULL },
    { &qni_op_simple_rnn_grad, &tanh_cell, { "N T U", "U U", "N T U" }, NULL },
    { &qni_op_state_load, NULL, { "B U", "N U" }, NULL },
    { &qni_op_state_store, NULL, { "B U", "N U" }, NULL },
    { &qni_op_softmax, &(struct qni_softmax){ .axis = -1 }, { "N T C" }, NULL },
    { &qni_op_softmax, &(struct qni_softmax){ .axis = 1 }, { "N T C" }, NULL },
    { &qni_op_softmax_grad, &(struct qni_softmax){ .axis = -1 }, { "N T C", "N T C" }, NULL },
    { &qni_op_softmax_grad, &(struct qni_softmax){ .axis = 0 }, { "N T C", "N T C" }, NULL },
    { &qni_op_concat, &(struct qni_concat){ 1 }, { "N M K", "N M K", "N L K" }, NULL },
    { &qni_op_gather, &(struct qni_gather){ 0 }, { "N D", "B T" }, "fi" },
    { &qni_op_gather, &(struct qni_gather){ 1 }, { "M N D", "B T" }, "ul" },
    { &qni_op_scatter_add, &(struct qni_scatter_add){ .axis = 0 }, { "B T D", "B T", "N D" }, "fif" },
    { &qni_op_scatter_add, &(struct qni_scatter_add){ .axis = 1 }, { "M T D", "T", "M N D" }, "fif" },
    { &qni_op_one_hot, &(struct qni_one_hot){ INT64_C(1) << 33 }, { "N T" }, "i" },
    { &qni_op_mark, &(struct qni_mark){ .rows = INT64_C(1) << 33 }, { "N T", "B" }, "il" },
    { &qni_op_pad, &(struct qni_pad){ .axes = 2, .before = { 1, INT32_MAX }, .after = { 2, INT32_MAX } }, { "N M K" }, NULL },
    { &qni_op_slice, &(struct qni_slice){ .axes = 3, .start = { 0, -1, 1 }, .stop = { INT64_MAX, QNI_SLICE_BEGIN, INT64_MAX },
      .step = { 2, -1, INT64_MAX } }, { "N M K" }, NULL },
    { &qni_op_unslice, &(struct qni_unslice){ .slice = { .axes = 1, .stop = { INT64_MAX }, .step = { INT64_MAX } } },
      { "1 M K", "N M K" }, NULL },
    { &qni_op_tile, &(struct qni_tile){ .axis = 1, .times = INT64_C(1) << 32 }, { "N M K" }, NULL },
    { &qni_op_tile, &(struct qni_tile){ .axis = 1, .each = 1, .times = 3 }, { "N M K" }, "u" },
    { &qni_op_transpose, &(struct qni_transpose){ 3, { 2, 0, 1 } }, { "N M K" }, NULL },
    { &qni_op_transpose, &(struct qni_transpose){ 2, { 1, 0 } }, { "N M" }, "u" },
    { &qni_op_reshape, &(struct qni_reshape){ .mode = QNI_RESHAPE_TO, .rank = 2, .dim = { -1, 6 } }, { "N M 6" }, NULL },
};

/* ---- sizes for their letters ---- */

static int64_t size_of[26];

static struct qni_desc desc_of(const char *letters, char dtype)
{
    struct qni_desc d = { .dtype = dtype == 'i' ? QN_I32 : dtype == 'l' ? QN_I64 : dtype == 'u' ? QN_U8 : QN_F32 };

    for (const char *c = letters; *c; c++) {
        int64_t n = 1;

        if (*c == ' ')
            continue;
        if (isdigit((unsigned char)*c))
            n = *c++ - '0';
        if (isupper((unsigned char)*c)) {
            int64_t size = size_of[*c - 'A'];

            n = size > INT64_MAX / n ? INT64_MAX : n * size;
        } else {
            c--;
        }
        d.shape.dim[d.shape.rank++] = n;
    }
    return d;
}

static void set_inputs(const struct problem *of, struct qni_desc *in, int *inputs, unsigned *absent)
{
    *inputs = of->op->min_inputs;
    *absent = 0;
    for (int i = 0; i < of->op->max_inputs; i++)
        if (of->in[i])
            *inputs = QNI_MAX(*inputs, i + 1);
    for (int i = 0; i < *inputs; i++) {
        in[i] = (struct qni_desc){ 0 };
        if (of->in[i])
            in[i] = desc_of(of->in[i], of->dtypes && (size_t)i < strlen(of->dtypes) ? of->dtypes[i] : 'f');
        else
            *absent |= 1u << i;
    }
}

/* ---- judging ---- */

static struct {
    int planned, refused;
} tally;

static const char *describe(const struct qni_problem *p)
{
    static char text[600];
    char shape[160];
    int n = snprintf(text, sizeof(text), "%s", p->op->name);

    for (int i = 0; i < p->inputs && n < (int)sizeof(text) - 170; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", p->absent >> i & 1 ? "-" : qni_shape_text(&p->in[i].shape, shape,
                                                                                                        sizeof(shape)));
    return text;
}

/* A refusal says why, in one line, and of what. */
static void judge_refusal(const struct qni_problem *p, qn_status st, const char *by)
{
    const char *line = qn_last_error();

    tally.refused++;
    if (st != QN_E_SHAPE && st != QN_E_UNSUPPORTED && st != QN_E_DEVICE_MEMORY)
        test_fail(__FILE__, __LINE__, "%s, %s: %s: %s", describe(p), by, qn_status_name(st), line);
    else if (!strstr(line, p->op->name) || strchr(line, '\n'))
        test_fail(__FILE__, __LINE__, "%s, %s: the line \"%s\" does not say of what", describe(p), by, line);
}

static void judge_launch(const struct qni_problem *p, const struct qni_launch *l, const char *by)
{
    size_t local = 1, all = 1;

    for (int i = 0; i < 3 && !l->call; i++) {
        if (!l->local[i] || l->global[i] % l->local[i])
            test_fail(__FILE__, __LINE__, "%s, %s: kernel %s: %zu work-items in groups of %zu", describe(p), by, l->kernel,
                      l->global[i], l->local[i]);
        if (l->global[i] > PTRDIFF_MAX || (l->global[i] && qni_mul_overflows(all, l->global[i], &all)))
            test_fail(__FILE__, __LINE__, "%s, %s: kernel %s: a grid of %zu by %zu by %zu", describe(p), by, l->kernel,
                      l->global[0], l->global[1], l->global[2]);
        local *= l->local[i];
    }
    if (local > p->caps->group_items)
        test_fail(__FILE__, __LINE__, "%s, %s: kernel %s: work-groups of %zu", describe(p), by, l->kernel, local);
    for (int a = 0; a < l->args; a++) {
        const struct qni_arg *arg = &l->arg[a];

        if (arg->kind == QNI_ARG_F32)
            continue;
        if (arg->i > PLAUSIBLE || arg->i < -PLAUSIBLE ||
            (arg->kind == QNI_ARG_I32 && (arg->i < INT32_MIN || arg->i > INT32_MAX)) ||
            (arg->kind <= QNI_ARG_PACKED && arg->i < 0))
            test_fail(__FILE__, __LINE__, "%s, %s: kernel %s: argument %d is %lld", describe(p), by, l->kernel, a,
                      (long long)arg->i);
    }
}

static void judge_algorithm(const struct qni_problem *p, const struct qni_algo *algo)
{
    struct qni_sizes sizes = { 0 };
    struct qni_recorder r;

    qni_recorder_init(&r, p->ctx);
    r.of = p->op->name;
    if (algo->sizes)
        algo->sizes(p, &sizes);
    for (int i = 0; i < p->inputs; i++)
        if (sizes.packed[i])
            algo->pack(p, i, &r);
    algo->emit(p, &r);
    for (size_t i = 0; i < r.launches && !r.status; i++)
        judge_launch(p, &r.launch[i], algo->name);
    for (int i = 0; i < p->inputs && !r.status; i++)
        if (sizes.packed[i] > PLAUSIBLE)
            test_fail(__FILE__, __LINE__, "%s, %s: %zu bytes to pack input %d", describe(p), algo->name, sizes.packed[i], i);
    if (!r.status && sizes.scratch > PLAUSIBLE)
        test_fail(__FILE__, __LINE__, "%s, %s: %zu bytes of scratch", describe(p), algo->name, sizes.scratch);
    if (r.status)
        judge_refusal(p, r.status, algo->name);
    else
        tally.planned++;
    qni_recorder_free(&r);
}

static void judge(const struct problem *of, const struct qni_caps *caps)
{
    struct qni_desc in[QNI_MAX_IN];
    struct qni_problem p;
    unsigned absent;
    int inputs;
    qn_status st;

    set_inputs(of, in, &inputs, &absent);
    qni_error(QN_OK, "%s", "");
    if ((st = qni_problem_init(&p, of->op, of->attr, in, inputs, absent))) {
        judge_refusal(&p, st, "the shape rule");
        return;
    }
    p.caps = caps;
    p.ctx = test_device()->ctx;
    if (of->op->flags & QNI_OP_VIEW)
        return;
    if (!qni_algo_choose(&p)) {
        judge_refusal(&p, QN_E_UNSUPPORTED, "the choice");
        return;
    }
    for (size_t a = 0; of->op->algos[a]; a++)
        if (of->op->algos[a]->applies(&p))
            judge_algorithm(&p, of->op->algos[a]);
}

/* ---- the sweep ---- */

static void sweep(const struct problem *of, const struct qni_caps *caps)
{
    static const int64_t one[] = { INT32_MAX, INT64_C(2147483655), INT64_C(8589934593), INT64_C(1) << 40, INT64_C(1) << 62 };
    static const int64_t two[] = { 46342, 65537, INT64_C(8388608), INT64_C(4294967297) };

    for (int a = 0; a < 26; a++) {
        bool used = false;

        for (int i = 0; i < QNI_MAX_IN; i++)
            used |= of->in[i] && strchr(of->in[i], 'A' + a);
        for (size_t k = 0; used && k < QNI_COUNT(one); k++) {
            size_of[a] = one[k];
            judge(of, caps);
        }
        for (int b = 0; b < a && used; b++)
            for (size_t k = 0; k < QNI_COUNT(two); k++) {
                size_of[a] = size_of[b] = two[k];
                judge(of, caps);
                size_of[b] = LEAST;
            }
        size_of[a] = LEAST;
    }
    for (size_t k = 0; k < QNI_COUNT(two); k++) {
        for (int a = 0; a < 26; a++)
            size_of[a] = two[k];
        judge(of, caps);
    }
}

static void operation(const void *arg)
{
    const struct qni_op *op = arg;
    struct qni_caps caps[2];
    bool any = false;

    if (!test_device())
        return;
    caps[0] = caps[1] = test_device()->caps;
    caps[0].shape = QNI_CPU_SHAPED;
    caps[1].shape = QNI_GPU_SHAPED;
    caps[1].group_items = caps[1].group_size[0] = caps[1].group_size[1] = caps[1].group_size[2] = 256;
    caps[1].local_bytes = 48 << 10;
    caps[1].vector = 1;
    for (size_t i = 0; i < QNI_COUNT(problems); i++) {
        if (problems[i].op != op)
            continue;
        any = true;
        for (int k = 0; k < 2; k++) {
            for (int a = 0; a < 26; a++)
                size_of[a] = LEAST;
            tally.planned = 0;
            judge(&problems[i], &caps[k]);
            if (!tally.planned && !(op->flags & QNI_OP_VIEW))
                test_fail(__FILE__, __LINE__, "%s: problem %zu is not taken even where it is small: %s", op->name, i,
                          qn_last_error());
            tally.refused = 0;
            sweep(&problems[i], &caps[k]);
            CHECK(tally.refused > 0);
        }
    }
    if (!any)
        test_fail(__FILE__, __LINE__, "there is no large problem of %s", op->name);
}

/* ---- what a user says ---- */

#define TERA (INT64_C(1) << 40)

static void tensors(void)
{
    qn_device *dev = test_device();
    qn_tensor *t = NULL;

    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, 2, (int64_t[]){ INT64_C(1) << 31, INT64_C(1) << 31 }), QN_E_SHAPE, "2^63");
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_U8, 1, (int64_t[]){ INT64_MAX }), QN_E_DEVICE_MEMORY, NULL);
    CHECK_STATUS(qn_tensor_create(&t, dev, QN_F32, 3, (int64_t[]){ TERA, 6, 1 }), QN_E_DEVICE_MEMORY, NULL);
    CHECK(!t);
}

static void planners(void)
{
    const qn_shape tall = { 2, { INT64_C(1) << 33, 6 } }, wide = { 2, { 6, INT64_C(1) << 33 } };
    const qn_shape images = { 4, { 6, INT64_C(1) << 33, 6, 6 } }, filter = { 4, { 3, 3, 6, 6 } };
    qn_op *op = NULL;

    CHECK_STATUS(qn_op_matmul_plan(&op, test_device(), &tall, &wide, NULL), QN_E_SHAPE, "matmul");
    CHECK_STATUS(qn_op_conv2d_plan(&op, test_device(), &images, &filter, NULL), QN_E_SHAPE, "conv2d");
    CHECK_STATUS(qn_op_softmax_plan(&op, test_device(), &tall, -1, false), QN_E_UNSUPPORTED, "softmax");
    CHECK(!op);
}

static qn_val dense(qn_model *m, qn_val x) { return qn_dense(m, x, &(qn_dense_opt){ .units = INT32_MAX }); }
static qn_val conv(qn_model *m, qn_val x)
{
    x = qn_reshape(m, x, 3, (int64_t[]){ -1, 32, 1 });
    return qn_conv2d(m, x, &(qn_conv2d_opt){ .filters = INT32_MAX, .kernel = { 1 << 20, 1 << 20 }, .padding = QN_SAME });
}
static qn_val lstm(qn_model *m, qn_val x)
{
    return qn_lstm(m, qn_reshape(m, x, 2, (int64_t[]){ -1, 32 }), &(qn_rnn_opt){ .units = INT32_MAX });
}
static qn_val repeat(qn_model *m, qn_val x) { return qn_repeat_vector(m, x, INT32_MAX); }
static qn_val repeat_less(qn_model *m, qn_val x) { return qn_repeat_vector(m, x, 1 << 28); }

static const struct network {
    const char *name;
    int64_t width;
    qn_val (*layer)(qn_model *m, qn_val x);
    bool compiles;
    qn_status want;
    const char *part;
} networks[] = {
    { "input", INT64_C(1) << 60, NULL, false, QN_E_SHAPE, "input" },
    { "dense, beyond 64 bits", TERA, dense, false, QN_E_SHAPE, "dense" },
    { "dense", INT64_C(1) << 20, dense, false, QN_E_SHAPE, "matmul" },
    { "dense, beyond the device", 1024, dense, false, QN_E_DEVICE_MEMORY, NULL },
    { "convolution", 1024, conv, false, QN_E_SHAPE, "conv2d" },
    { "recurrence", 1024, lstm, false, QN_E_SHAPE, "lstm" },
    { "repetition", TERA, repeat, false, QN_E_SHAPE, "repeat_vector" },
    { "repetition, beyond the device", 1024, repeat_less, true, QN_E_DEVICE_MEMORY, "repeat_vector" },
};

static void model(const void *arg)
{
    const struct network *n = arg;
    static float x[1024];
    float y;
    qn_model *m = NULL;
    qn_val v;
    qn_status st;

    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_input(m, QN_F32, 1, &n->width);
    if (n->layer)
        v = n->layer(m, v);
    qn_model_output(m, v);
    st = qn_model_compile(m, NULL);
    if (n->compiles && CHECK_OK(st))
        st = qn_model_predict(m, (const void *[]){ x }, 1, (void *[]){ &y }, 1);
    CHECK_STATUS(st, n->want, n->part);
    qn_model_destroy(&m);
}

static void batches(void)
{
    static float x[20][8], t[20][1];
    const qn_array arrays[] = {
        { .field = { .role = QN_FIELD_INPUT, .dtype = QN_F32, .shape = { 1, { 8 } } }, .data = x },
        { .field = { .role = QN_FIELD_TARGET, .dtype = QN_F32, .shape = { 1, { 1 } } }, .data = t },
    };
    const void *in[] = { x }, *target[] = { t };
    void *out[] = { t };
    qn_dataset *data = NULL;
    qn_model *m = NULL;
    qn_val v;

    CHECK_OK(qn_model_create(&m, test_device()));
    v = qn_dense(m, qn_input(m, QN_F32, 1, (int64_t[]){ 8 }), &(qn_dense_opt){ .units = 1, .act = QN_SIGMOID });
    qn_model_output(m, v);
    CHECK_OK(qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_sgd(0.1f), .loss = QN_BINARY_CROSSENTROPY }));
    CHECK_STATUS(qn_model_train_batch(m, in, target, NULL, INT64_MAX, NULL), QN_E_SHAPE, "input");
    CHECK_STATUS(qn_model_train_batch(m, in, target, NULL, 4 * TERA, NULL), QN_E_UNSUPPORTED, "pointwise_loss");
    CHECK_STATUS(qn_model_test_batch(m, in, target, NULL, 4 * TERA, NULL), QN_E_UNSUPPORTED, "pointwise_loss");
    CHECK_OK(qn_dataset_arrays(&data, 20, arrays, 2, NULL));
    /* A batch larger than the data is the data. */
    CHECK_OK(qn_model_fit(m, data, &(qn_fit_opt){ .epochs = 1, .batch = INT32_MAX, .classes = 2,
                                                  .class_weight = (float[]){ 1, 2 } }));
    CHECK_OK(qn_model_evaluate(m, data, INT32_MAX, NULL));
    CHECK_OK(qn_model_predict(m, in, 20, out, INT32_MAX));
    qn_dataset_close(&data);
    qn_model_destroy(&m);
}

int main(void)
{
    for (size_t i = 0; qni_ops[i]; i++) {
        char name[96];

        if (qni_ops[i] == &qni_op_advance || qni_ops[i] == &qni_op_random || qni_ops[i] == &qni_op_noise)
            continue; /* a few words; and the same kernels as those of eltwise */
        snprintf(name, sizeof(name), "large: %s", qni_ops[i]->name);
        test_run_with(name, operation, qni_ops[i]);
    }
    test_run("large: a tensor that no device holds is refused", tensors);
    test_run("large: planners say what is too large", planners);
    for (size_t i = 0; i < QNI_COUNT(networks); i++) {
        char name[96];

        snprintf(name, sizeof(name), "large: models say what is too large: %s", networks[i].name);
        test_run_with(name, model, &networks[i]);
    }
    test_run("large: batches beyond the device, and beyond the data", batches);
    return test_end();
}
