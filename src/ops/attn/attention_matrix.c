/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For GPUs with matrix instructions: the work-groups of attention_group.c, their products made by waves. Who asks for it by
 * name on a device that has none gets NVIDIA's, played. */
#include "ops/attn/attn.h"

#define LOCAL_BYTES (32 * 1024)

#define SOURCES(n, grad_n) \
    { .source = "attn/attention_matrix", .grad_source = "attn/attention_matrix_grad", .chunks = (n), .grad_chunks = (grad_n), \
      .matrix = true }

/* By enum qni_matrix. Intel's work-items have few registers. */
static const struct qni_attn_groups groups[] = {
    [QNI_MATRIX_NVIDIA] = SOURCES(4, 2),
    [QNI_MATRIX_AMD] = SOURCES(4, 2),
    [QNI_MATRIX_INTEL] = SOURCES(1, 1),
};

static bool applies(const struct qni_problem *p)
{
    return qni_attn_group_applies(p, LOCAL_BYTES) && qni_matrix_usable(p, &qni_attn_matrix);
}

static bool applies_grad(const struct qni_problem *p)
{
    return qni_attn_group_applies(p, LOCAL_BYTES) && qni_matrix_usable(p, &qni_attn_matrix_grad);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    qni_attn_group_emit(p, r, &groups[qni_matrix_of(p->caps)]);
}

static void emit_grad(const struct qni_problem *p, struct qni_recorder *r)
{
    qni_attn_group_emit_grad(p, r, &groups[qni_matrix_of(p->caps)]);
}

const struct qni_algo qni_attn_matrix = {
    .name = "matrix", .applies = applies, .sizes = qni_attn_group_sizes, .emit = emit, .gpu = true, .untried = true
};
const struct qni_algo qni_attn_matrix_grad = {
    .name = "matrix", .applies = applies_grad, .sizes = qni_attn_group_sizes_grad, .emit = emit_grad, .gpu = true, .untried = true
};
