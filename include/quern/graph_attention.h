/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: attention. As all of level 2: nodes are appended to g, the first
 * mistake is remembered there and an invalid value returned; one thread per
 * graph. Options may be NULL for the defaults. */
#ifndef QUERN_GRAPH_ATTENTION_H
#define QUERN_GRAPH_ATTENTION_H

#include <quern/op.h>

QN_BEGIN_DECLS

/** Where query 0 stands among the keys: a causal mask, a window and slopes count from there. */
typedef enum qn_attention_anchor {
    QN_ATTENTION_END = 0, /**< the last query stands at the last key */
    QN_ATTENTION_START,   /**< query 0 stands at key 0 */
    QN_ATTENTION_LENGTH   /**< the last query stands at the last key that the sample's length leaves */
} qn_attention_anchor;

/** Options of qn_graph_attention(). */
typedef struct qn_graph_attention_opt {
    float scale;                /**< of the products; default 1 / sqrt(D) */
    float softcap;              /**< scores become softcap * tanh(score / softcap), before anything is added; default none */
    float dropout;              /**< share of the weights dropped in training, in [0, 1) */
    bool causal;                /**< a query sees the keys up to its own place only */
    qn_attention_anchor anchor; /**< default: the last query stands at the last key */
    int window;                 /**< only keys nearer than this to the query's place, itself counted; default all */
    qn_val lengths;             /**< [B] i32: keys from there on are not seen; default invalid (id 0): all are */
    qn_val mask;                /**< [B,Tk] u8: keys with 0 are not seen; default invalid */
    qn_val bias;                /**< [B or 1, Hq or 1, Tq or 1, Tk] f32, added to the scores; default invalid */
    qn_val slopes;              /**< [Hq] f32, ALiBi: slope times distance is taken from the scores; default invalid */
    uintptr_t reserved[4];      /**< must be zero */
} qn_graph_attention_opt;

/**
 * Scaled dot-product attention.
 *
 * y[b,i,h] = sum over j of p[b,h,i,j] v[b,j,g], p the softmax over j of scale * sum over d of q[b,i,h,d] k[b,j,g,d], with
 * g = h / (Hq / Hkv): so many heads of queries share one of keys. A query that sees no key gives 0 and has gradient 0; a
 * score of -1e38 or less counts as not seen. Keys and values that are masked must still be numbers; those behind a
 * length are not read. No matrix of Tq x Tk is kept, forwards or backwards.
 *
 * @param q  [B,Tq,Hq,D] f32
 * @param k  [B,Tk,Hkv,D] f32; Hkv divides Hq
 * @param v  [B,Tk,Hkv,Dv] f32
 *
 * Returns y [B,Tq,Hq,Dv]. Gradient: of q, k and v; bias and slopes may not be trained.
 * Source: agrees with PyTorch's scaled_dot_product_attention and Keras 3's MultiHeadAttention.
 */
QN_API qn_val qn_graph_attention(qn_graph *g, qn_val q, qn_val k, qn_val v, const qn_graph_attention_opt *opt);

QN_END_DECLS

#endif
