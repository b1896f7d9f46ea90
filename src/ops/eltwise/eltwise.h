/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Element-wise work is one operation: a small program that is run for every
 * element of the result, and whose kernel is generated from the program. */
#ifndef QNI_ELTWISE_H
#define QNI_ELTWISE_H

#include "graph/graph.h"
#include "ops/op.h"

#define QNI_ELT_CODES 24
#define QNI_ELT_IN 12
#define QNI_ELT_OUT QNI_MAX_OUT

/* Order is that of kinds.c. */
enum qni_elt_kind {
    QNI_ELT_IDENTITY, QNI_ELT_STOP_GRADIENT, QNI_ELT_NEG, QNI_ELT_ABS, QNI_ELT_SIGN, QNI_ELT_EXP, QNI_ELT_LOG, QNI_ELT_LOG1P,
        QNI_ELT_EXPM1,
    QNI_ELT_SQRT, QNI_ELT_RSQRT, QNI_ELT_SQUARE, QNI_ELT_RECIPROCAL, QNI_ELT_SIN, QNI_ELT_COS, QNI_ELT_FLOOR,
    QNI_ELT_CEIL, QNI_ELT_ROUND, QNI_ELT_ERF,
    /* activations */
    QNI_ELT_RELU, QNI_ELT_LEAKY_RELU, QNI_ELT_RELU6, QNI_ELT_ELU, QNI_ELT_SELU, QNI_ELT_GELU, QNI_ELT_GELU_TANH,
    QNI_ELT_SIGMOID, QNI_ELT_HARD_SIGMOID, QNI_ELT_TANH, QNI_ELT_SOFTPLUS, QNI_ELT_SOFTSIGN, QNI_ELT_SWISH,
    QNI_ELT_HARD_SWISH, QNI_ELT_MISH, QNI_ELT_LOG_SIGMOID,
    /* their gradients: (dy, y) or (dy, x), as kinds.c says */
    QNI_ELT_RELU_GRAD, QNI_ELT_LEAKY_RELU_GRAD, QNI_ELT_RELU6_GRAD, QNI_ELT_ELU_GRAD, QNI_ELT_SELU_GRAD,
    QNI_ELT_GELU_GRAD, QNI_ELT_GELU_TANH_GRAD, QNI_ELT_SIGMOID_GRAD, QNI_ELT_HARD_SIGMOID_GRAD, QNI_ELT_TANH_GRAD,
    QNI_ELT_SOFTPLUS_GRAD, QNI_ELT_SOFTSIGN_GRAD, QNI_ELT_SWISH_GRAD, QNI_ELT_HARD_SWISH_GRAD, QNI_ELT_MISH_GRAD,
    QNI_ELT_SQRT_GRAD, QNI_ELT_RSQRT_GRAD, QNI_ELT_SQUARE_GRAD, QNI_ELT_RECIPROCAL_GRAD, QNI_ELT_ERF_GRAD,
    QNI_ELT_ABS_GRAD, QNI_ELT_CLIP_GRAD, QNI_ELT_POW_GRAD, QNI_ELT_POW_GRAD_EXPONENT,
    QNI_ELT_PRELU_GRAD, QNI_ELT_PRELU_GRAD_SLOPE,
    /* two operands */
    QNI_ELT_ADD, QNI_ELT_SUB, QNI_ELT_MUL, QNI_ELT_DIV, QNI_ELT_POW, QNI_ELT_MIN, QNI_ELT_MAX, QNI_ELT_PRELU,
    QNI_ELT_EQ, QNI_ELT_NE, QNI_ELT_LT, QNI_ELT_LE, QNI_ELT_GT, QNI_ELT_GE, QNI_ELT_AND, QNI_ELT_OR, QNI_ELT_NOT,
    QNI_ELT_IS_FINITE,
    QNI_ELT_WHERE,           /* (condition, x, y): x where condition is not 0 */
    /* with parameters */
    QNI_ELT_CLIP,            /* alpha: least, beta: most */
    QNI_ELT_AFFINE,          /* alpha * x + beta; the two are kernel arguments */
    QNI_ELT_FILL,            /* no operand: alpha, of the code's dtype; an argument */
    QNI_ELT_CAST,            /* to the code's dtype */
    QNI_ELT_DROPOUT,         /* alpha: rate; drawn by stream */
    QNI_ELT_UNIFORM,         /* no operand: alpha + beta * uniform in [0, 1); drawn by stream */
    QNI_ELT_NORMAL,          /* no operand: mean alpha, standard deviation beta; drawn by stream */
    QNI_ELT_KINDS
};

/* One instruction. An operand is an input (0 .. QNI_ELT_IN-1), or the result of an earlier instruction j
 * (QNI_ELT_IN + j); -1 where there is none. */
struct qni_elt_code {
    uint8_t kind;
    int8_t operand[3];
    uint32_t dtype;          /* CAST and FILL: enum qn_dtype */
    float alpha, beta;
    uint32_t stream;
};

struct qni_eltwise {
    int32_t inputs;          /* those that no instruction reads count for the shape alone */
    int32_t codes, outputs;
    int8_t out[QNI_ELT_OUT]; /* operand that output o stores */
    int32_t has_shape;       /* the result has `shape`; else it has the inputs' broadcast shape */
    qn_shape shape;
    struct qni_elt_code code[QNI_ELT_CODES];
};

/* noise is random in training, and its mean in a plan for inference. */
extern const struct qni_op qni_op_eltwise, qni_op_dropout, qni_op_random, qni_op_noise;

/* ---- kinds.c ---- */

enum qni_elt_result { QNI_ELT_AS_OPERAND, QNI_ELT_BOOL, QNI_ELT_OWN_DTYPE, QNI_ELT_FLOAT, QNI_ELT_AS_SECOND };

/* What a derivative rule sees: operands, result and its gradient; it fills d[] where wants[] is set. */
struct qni_elt_rule {
    qn_graph *g;
    const struct qni_elt_code *code;
    qn_val x[3], y, dy;
    bool wants[3];
    qn_val d[3];
};

struct qni_elt_info {
    const char *name;
    int arity;
    enum qni_elt_result result;
    bool ints;               /* also for i32, i64 and u8 */
    /* OpenCL C for scalar and vector operands. $a $b $c: operands, $p $q: alpha and beta, $T: type of operand a,
     * $E its element, $0 $1: constants of that type, $u $v: draws, $M: operand a as a condition for the result's type. An
     * expression, or a block
     * in braces that sets $y. */
    const char *text;
    const char *int_text;    /* where integers need another one */
    /* The derivative: dx = grad_kind(dy, x or y), or a rule; none: not differentiable. */
    int grad_kind;           /* 0: none */
    char grad_of;            /* 'x' or 'y' */
    void (*grad)(struct qni_elt_rule *r);
};

const struct qni_elt_info *qni_elt_info(int kind);
/* The kind of an activation with one operand; -1 for those over an axis. QN_LINEAR is IDENTITY. */
int qni_elt_act_kind(int act);
bool qni_elt_random(const struct qni_eltwise *e);

/* ---- eltwise.c ---- */

/* Dtype of every instruction's result; checks operands too. in: dtypes of the inputs. */
qn_status qni_elt_types(const struct qni_eltwise *e, const qn_dtype *in, qn_dtype *out);
/* Numpy's rule; what: for the message. */
qn_status qni_broadcast(const qn_shape *a, const qn_shape *b, qn_shape *out, const char *what);

/* ---- emit.c ---- */

extern const struct qni_algo qni_elt_vector, qni_elt_coalesced;
/* Can a kernel be made for it: do its arguments fit? The fusion pass asks. */
bool qni_elt_fits(const struct qni_eltwise *e, const struct qni_desc *in, const qn_shape *out);

/* ---- build.c: nodes of one instruction ---- */

qn_val qni_elt1(qn_graph *g, int kind, qn_val a, float alpha, float beta);
qn_val qni_elt2(qn_graph *g, int kind, qn_val a, qn_val b, float alpha, float beta);
qn_val qni_elt3(qn_graph *g, int kind, qn_val a, qn_val b, qn_val c);
/* alpha everywhere, of v's shape. */
qn_val qni_elt_fill_like(qn_graph *g, qn_val v, qn_dtype dtype, float alpha);
/* A scalar. */
qn_val qni_elt_scalar(qn_graph *g, qn_dtype dtype, float alpha);
/* x with the shape of `like`, by broadcasting. */
qn_val qni_elt_broadcast_like(qn_graph *g, qn_val x, qn_val like);
/* dx summed over the axes along which `like` was broadcast, so that it has like's shape. */
qn_val qni_sum_to(qn_graph *g, qn_val dx, qn_val like);

#endif
