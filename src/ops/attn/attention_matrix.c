/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs with matrix instructions: the work-groups of attention_group.c, their products made by waves. An algorithm for each
 * thing that operands may be rounded to. Who asks for one by name on a device that has no such instruction gets NVIDIA's,
 * played. */
#include "ops/attn/attn.h"

#define LOCAL_BYTES (32 * 1024)

/* Intel's work-items have few registers. */
static struct qni_attn_groups groups_of(const struct qni_caps *caps, qn_matmul operands)
{
    const enum qni_matrix matrix = qni_matrix_of(caps, operands);
    const bool few = matrix != QNI_MATRIX_NVIDIA && matrix != QNI_MATRIX_AMD && matrix != QNI_MATRIX_WMMA;

    return (struct qni_attn_groups){ .source = "attn/attention_matrix", .grad_source = "attn/attention_matrix_grad",
                                     .chunks = few ? 1 : 4, .grad_chunks = few ? 1 : 2, .matrix = true, .operands = operands };
}

static bool applies(const struct qni_problem *p, const struct qni_algo *a)
{
    return qni_attn_group_applies(p, LOCAL_BYTES) && qni_matrix_usable(p, a);
}

/* grad: as qni_attn_group_emit##grad is called. */
#define ALGORITHM(id, text, rounding, grad)                                             \
    static bool applies_##id(const struct qni_problem *p)                               \
    {                                                                                   \
        return applies(p, &qni_attn_##id);                                              \
    }                                                                                   \
    static void emit_##id(const struct qni_problem *p, struct qni_recorder *r)          \
    {                                                                                   \
        const struct qni_attn_groups groups = groups_of(p->caps, rounding);             \
                                                                                        \
        qni_attn_group_emit##grad(p, r, &groups);                                       \
    }                                                                                   \
    const struct qni_algo qni_attn_##id = { .name = (text), .applies = applies_##id,                     \
                                            .sizes = qni_attn_group_sizes##grad, .emit = emit_##id,      \
                                            .gpu = true, .operands = (rounding), .untried = true };

ALGORITHM(matrix, "matrix", QN_MATMUL_F32, )
ALGORITHM(matrix_tf32, "matrix_tf32", QN_MATMUL_TF32, )
ALGORITHM(matrix_bf16, "matrix_bf16", QN_MATMUL_BF16, )
ALGORITHM(matrix_f16, "matrix_f16", QN_MATMUL_F16, )
ALGORITHM(matrix_grad, "matrix", QN_MATMUL_F32, _grad)
ALGORITHM(matrix_tf32_grad, "matrix_tf32", QN_MATMUL_TF32, _grad)
ALGORITHM(matrix_bf16_grad, "matrix_bf16", QN_MATMUL_BF16, _grad)
ALGORITHM(matrix_f16_grad, "matrix_f16", QN_MATMUL_F16, _grad)
