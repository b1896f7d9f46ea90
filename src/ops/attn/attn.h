/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Scaled dot-product attention: the operation's parameters, a problem's numbers, and what its algorithms share. */
#ifndef QNI_ATTN_H
#define QNI_ATTN_H

#include "ops/op.h"

/* Where query 0 stands among the keys; a causal mask, a window and ALiBi count from there. */
enum qni_attn_anchor {
    QNI_ATTN_END,    /* the last query stands at the last key: Tk - Tq */
    QNI_ATTN_START,  /* at key 0 */
    QNI_ATTN_LENGTH  /* the last query stands at the sample's last key: lengths[b] - Tq */
};

struct qni_attention {
    float scale;     /* of q k; 0: 1 / sqrt(D) */
    float softcap;   /* 0: none; s = softcap * tanh(s / softcap) before anything is added */
    float rate;      /* dropout of the weights */
    uint32_t stream; /* its random stream */
    int32_t causal;
    int32_t anchor;
    int32_t window;  /* 0: none; else keys nearer than this to the query's place */
};

/* Inputs of both operations. Those after V are optional. */
enum qni_attn_in {
    QNI_ATTN_Q,       /* [B,Tq,Hq,D] */
    QNI_ATTN_K,       /* [B,Tk,Hkv,D] */
    QNI_ATTN_V,       /* [B,Tk,Hkv,Dv] */
    QNI_ATTN_LENGTHS, /* [B] i32: keys from there on are not seen */
    QNI_ATTN_PADDING, /* [B,Tk] u8: keys with 0 are not seen */
    QNI_ATTN_BIAS,    /* [B or 1, Hq or 1, Tq or 1, Tk] f32, added to the scores */
    QNI_ATTN_SLOPES,  /* [Hq] f32: slope * distance is taken from the scores */
    QNI_ATTN_INPUTS,
    /* and of the gradient */
    QNI_ATTN_Y = QNI_ATTN_INPUTS, /* [B,Tq,Hq,Dv] */
    QNI_ATTN_LSE,                 /* [B,Hq,Tq]: log of the sum of exp(scores); 0 where no key is seen */
    QNI_ATTN_DY,
    QNI_ATTN_GRAD_INPUTS
};

extern const struct qni_op qni_op_attention;      /* -> y, lse */
extern const struct qni_op qni_op_attention_grad; /* -> dq, dk, dv */

extern const struct qni_algo qni_attn_tile, qni_attn_tile_grad, qni_attn_matrix, qni_attn_matrix_tf32, qni_attn_matrix_bf16,
    qni_attn_matrix_f16, qni_attn_matrix_grad, qni_attn_matrix_tf32_grad, qni_attn_matrix_bf16_grad, qni_attn_matrix_f16_grad,
    qni_attn_group, qni_attn_group_grad, qni_attn_plain, qni_attn_plain_grad;

struct qni_attn {
    int64_t B, Tq, Tk, Hq, Hkv, D, Dv;
    int64_t bias_b, bias_h, bias_i; /* strides of the bias, 0 where it has one for all */
    bool lengths, padding, bias, slopes;
};

void qni_attn_numbers(struct qni_attn *out, const struct qni_problem *p);
/* Do all sizes, and places inside one sample, fit in an int? */
bool qni_attn_fits_int(const struct qni_attn *n);
/* The build parameters of score.clh; and with them its arguments, those of QN_ATTN_PARAMETERS. */
void qni_attn_flags(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, const struct qni_attn *n);
void qni_attn_arguments(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p,
                        const struct qni_attn *n);
/* Output o; one that nobody wants goes to the scratch, `spare` elements from its start. */
void qni_attn_out(struct qni_recorder *r, struct qni_launch *l, const struct qni_problem *p, int o, int64_t spare);
/* Elements of the outputs that nobody wants: the scratch that qni_attn_out needs from `spare` on. */
int64_t qni_attn_spare(const struct qni_problem *p);
/* Of attention_group.c, which attention_matrix.c shares: how its work-groups are, and the sources of their kernels. */
struct qni_attn_groups {
    const char *source, *grad_source;
    /* Chunks of a result in registers at most: the gradient of keys has two results. */
    int64_t chunks, grad_chunks;
    bool matrix; /* the kernels take the parameters of matrix instructions */
    qn_matmul operands;
};

/* Are work-groups and local memory large enough? */
bool qni_attn_group_applies(const struct qni_problem *p, int64_t local_bytes);
void qni_attn_group_sizes(const struct qni_problem *p, struct qni_sizes *out);
void qni_attn_group_sizes_grad(const struct qni_problem *p, struct qni_sizes *out);
void qni_attn_group_emit(const struct qni_problem *p, struct qni_recorder *r, const struct qni_attn_groups *t);
void qni_attn_group_emit_grad(const struct qni_problem *p, struct qni_recorder *r, const struct qni_attn_groups *t);
/* Multiply-adds of one score over all that are seen, times 2: for profiles. */
uint64_t qni_attn_flops(const struct qni_problem *p, const struct qni_attn *n, int64_t products);

#endif
