/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_REDUCE_H
#define QNI_REDUCE_H

#include "graph/graph.h"
#include "ops/op.h"

/* Order is that of cl/reduce/kind.clh. */
enum qni_reduce_kind {
    QNI_REDUCE_SUM, QNI_REDUCE_MEAN, QNI_REDUCE_MAX, QNI_REDUCE_MIN, QNI_REDUCE_PROD, QNI_REDUCE_SUM_SQUARES,
    QNI_REDUCE_SUM_ABS, QNI_REDUCE_ARGMAX, QNI_REDUCE_ARGMIN, QNI_REDUCE_KINDS
};

struct qni_reduce {
    int32_t kind;
    uint32_t axes;  /* bit a: axis a is reduced */
    uint32_t keep;  /* bit a: and stays, with size 1 */
};

extern const struct qni_op qni_op_reduce, qni_op_arg_reduce;

/* The result's shape, of the input's dtype. */
qn_status qni_reduce_shape(struct qni_problem *p);
qn_status qni_reduce_grad(struct qni_grad *c);
qn_val qni_reduce_add(qn_graph *g, qn_val x, enum qni_reduce_kind kind, uint32_t axes, uint32_t keep);

#endif
