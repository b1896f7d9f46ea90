/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Attention alone: forward as for inference, and forward and backward together. */
#include <stdlib.h>

#include "bench.h"
#include "ops/attn/attn.h"
#include "ops/primitive.h"

#define HEADS 8
#define TIME 512
#define SIZE 64

struct work {
    struct bench *b;
    qn_op *forward, *backward;  /* backward NULL: forward alone */
    qn_tensor *q, *k, *v, *y, *lse, *dy, *dq, *dk, *dv, *scratch[2];
};

static qn_status step(void *user)
{
    struct work *w = user;
    qn_tensor *in[QNI_ATTN_GRAD_INPUTS] = { w->q, w->k, w->v, NULL, NULL, NULL, NULL, w->y, w->lse, w->dy };
    qn_tensor *out[] = { w->y, w->lse }, *gradient[] = { w->dq, w->dk, w->dv };
    qn_status st = qn_op_run(w->forward, in, QNI_ATTN_INPUTS, out, w->backward ? 2 : 1, w->scratch[0]);

    if (!st && w->backward)
        st = qn_op_run(w->backward, in, QNI_ATTN_GRAD_INPUTS, gradient, 3, w->scratch[1]);
    return st ? st : qn_device_finish(w->b->dev);
}

static qn_status make_tensor(qn_tensor **out, struct bench *b, int rank, const int64_t *dim)
{
    size_t n = 1;
    float *values;
    qn_status st;

    for (int i = 0; i < rank; i++)
        n *= (size_t)dim[i];
    if ((st = qn_tensor_create(out, b->dev, QN_F32, rank, dim)))
        return st;
    if (!(values = malloc(n * sizeof(*values))))
        return qn_error_set(QN_E_HOST_MEMORY, "no memory for the operands");
    bench_fill(values, n);
    st = qn_tensor_write(*out, values, n * sizeof(*values));
    free(values);
    return st;
}

static qn_status make_scratch(qn_tensor **out, struct bench *b, qn_op *op)
{
    if (!op || !qn_op_scratch_bytes(op))
        return QN_OK;
    return qn_tensor_create(out, b->dev, QN_U8, 1, &(int64_t){ (int64_t)qn_op_scratch_bytes(op) });
}

static qn_status measure(struct bench *b, bool train)
{
    const struct qni_attention causal = { .causal = 1 };
    const unsigned absent = 1u << QNI_ATTN_LENGTHS | 1u << QNI_ATTN_PADDING | 1u << QNI_ATTN_BIAS | 1u << QNI_ATTN_SLOPES;
    const int64_t B = b->batch ? b->batch : 4;
    const struct qni_desc x = { QN_F32, { 4, { B, TIME, HEADS, SIZE } } }, lse = { QN_F32, { 3, { B, HEADS, TIME } } };
    const struct qni_desc in[QNI_ATTN_GRAD_INPUTS] = { x, x, x, { 0 }, { 0 }, { 0 }, { 0 }, x, lse, x };
    struct work w = { .b = b };
    qn_tensor **const tensor[] = { &w.q, &w.k, &w.v, &w.y, &w.dy, &w.dq, &w.dk, &w.dv };
    /* Two products forwards, five backwards; half the scores are seen. */
    struct figure f = { .workload = "attention", .phase = train ? "train" : "forward", .batch = B,
                        .flops = (double)(B * HEADS) * TIME * TIME * SIZE * (train ? 7 : 2) };
    qn_status st;

    if ((st = qni_primitive_create(&w.forward, b->dev, &qni_op_attention, &causal, in, QNI_ATTN_INPUTS, absent,
                                   train ? 0 : 2, NULL, NULL)) ||
        (train && (st = qni_primitive_create(&w.backward, b->dev, &qni_op_attention_grad, &causal, in,
                                             QNI_ATTN_GRAD_INPUTS, absent, 0, NULL, NULL))))
        goto done;
    for (size_t i = 0; i < sizeof(tensor) / sizeof(tensor[0]) && !st; i++)
        st = make_tensor(tensor[i], b, 4, x.shape.dim);
    if (st || (st = make_tensor(&w.lse, b, 3, lse.shape.dim)) || (st = make_scratch(&w.scratch[0], b, w.forward)) ||
        (st = make_scratch(&w.scratch[1], b, w.backward)))
        goto done;
    f.algorithm = qn_op_algorithm(w.forward);
    if (!(st = bench_measure(b, &f, step, &w)) && b->profile) {
        profile_op(stdout, w.forward, "attention");
        if (train)
            profile_op(stdout, w.backward, "attention, gradient");
    }
done:
    for (size_t i = 0; i < sizeof(tensor) / sizeof(tensor[0]); i++)
        qn_tensor_destroy(tensor[i]);
    qn_tensor_destroy(&w.lse);
    qn_tensor_destroy(&w.scratch[0]);
    qn_tensor_destroy(&w.scratch[1]);
    qn_op_destroy(&w.forward);
    qn_op_destroy(&w.backward);
    return st;
}

qn_status bench_attention(struct bench *b)
{
    qn_status st = measure(b, false);

    return st ? st : measure(b, true);
}
