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

/** Options of qn_graph_rotary(). */
typedef struct qn_graph_rotary_opt {
    float base;            /**< default 10000 */
    int dims;              /**< elements of a head that are turned, the first; even; default all */
    bool interleaved;      /**< pairs are neighbours; default: element n goes with n + dims / 2 */
    uintptr_t reserved[4]; /**< must be zero */
} qn_graph_rotary_opt;

/**
 * Rotary positions: each pair of elements of a head is turned by (position + t) * base^(-2 n / dims), n the pair.
 *
 * @param x         [B,T,H,D] f32: queries or keys
 * @param position  i32 [1] or [B], of the first step; invalid (id 0): 0
 *
 * Gradient: of x. Source: the half form agrees with Llama's, the interleaved one with the paper's.
 */
QN_API qn_val qn_graph_rotary(qn_graph *g, qn_val x, qn_val position, const qn_graph_rotary_opt *opt);

/**
 * Keep keys and values of new steps in a cache, for generating step by step.
 *
 * Rows [position, position + T) of the caches become k and v; those from C on are lost.
 *
 * @param cache_k   [B,C,H,D] f32 variable, frozen; updated
 * @param cache_v   [B,C,H,Dv] f32 variable, frozen; updated
 * @param k         [B,T,H,D] f32
 * @param v         [B,T,H,Dv] f32
 * @param position  i32 [1] or [B]: how many steps are in the cache
 *
 * Returns position + T (at most C) of each sample, [B] i32: the lengths for qn_graph_attention() on the caches, with
 * QN_ATTENTION_LENGTH. The caches are written when this value is used.
 */
QN_API qn_val qn_graph_cache_append(qn_graph *g, qn_val cache_k, qn_val cache_v, qn_val k, qn_val v, qn_val position);

/** ALiBi's slopes of `heads` heads, f32 [heads], a constant: 2^(-8 i / heads), i from 1, for powers of two; for others
 *  those of the next smaller power, and every second of the next larger. */
QN_API qn_val qn_graph_alibi_slopes(qn_graph *g, int heads);

/**
 * Sinusoidal positions, f32 [time, size], a constant.
 *
 * Element 2 n of row t is sin(t / 10000^(2 n / size)), element 2 n + 1 the cosine of the same.
 */
QN_API qn_val qn_graph_sinusoidal(qn_graph *g, int64_t time, int64_t size);

QN_END_DECLS

#endif
