/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 3: attention, positions, and the blocks of a Transformer. The rules are
 * those of quern/layer.h, which includes this. */
#ifndef QUERN_LAYER_ATTENTION_H
#define QUERN_LAYER_ATTENTION_H

#include <quern/graph.h>

QN_BEGIN_DECLS

/** Options of qn_multi_head_attention() and qn_group_query_attention(). */
typedef struct qn_attention_opt {
    int heads;              /**< of queries, 1 or more; required */
    int kv_heads;           /**< grouped attention alone: heads of keys and values, a divisor of heads; required there */
    int key_dim;            /**< size of a head of queries and keys; required */
    int value_dim;          /**< size of a head of values; 0: key_dim */
    int output_dim;         /**< size of a step of the result; 0: that of query */
    float dropout;          /**< share of the attention weights dropped in training, in [0, 1) */
    bool causal;            /**< step t of query sees steps 0 to t of value only */
    int window;             /**< only steps nearer than this, itself counted; 0: all */
    bool rotary;            /**< queries and keys are turned by their places; see qn_graph_rotary() */
    bool alibi;             /**< scores fall with distance; see qn_graph_alibi_slopes() */
    bool no_bias;           /**< projections add nothing */
    qn_init kernel_init;    /**< default Glorot uniform */
    qn_init bias_init;      /**< default zeros */
    float init_scale;       /**< of the initialisers that have one; 0: its default */
    float kernel_l1;        /**< regulariser of all kernels: times the sum of the absolute values, added to the loss */
    float kernel_l2;        /**< regulariser of all kernels: times the sum of the squares */
    bool frozen;            /**< weights are not trained */
    const char *reuse;      /**< use the weights of the layer of that name instead of new ones */
    const char *name;       /**< default "multi_head_attention" or "grouped_query_attention", numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_attention_opt;

/**
 * Multi-head attention: y = concat over heads of softmax(q k^T / sqrt(key_dim)) v, projected.
 *
 * q = query Wq + bq, k = key Wk + bk, v = value Wv + bv, by heads. Weights, in order: query/kernel [D, heads, key_dim],
 * query/bias, key/kernel, key/bias, value/kernel, value/bias, attention_output/kernel [heads, value_dim, output],
 * attention_output/bias.
 *
 * @param query  [N,T,D] f32
 * @param value  [N,S,E] f32; the same as query for self-attention
 * @param key    [N,S,F] f32; invalid (id 0): value
 * @param mask   [N,T,S] or [N,heads,T,S] u8: where it is 0 a step is not seen; invalid (id 0): none
 *
 * Steps of value and key that are padding by their masks are not seen; a step that sees nothing gives the output's bias.
 * The result has the mask of query. Source: Keras 3 MultiHeadAttention; a step of query that is padding attends as any
 * other here.
 */
QN_API qn_val qn_multi_head_attention(qn_model *m, qn_val query, qn_val value, qn_val key, qn_val mask,
                                      const qn_attention_opt *opt);

/** The same with fewer heads of keys and values, each for heads / kv_heads of queries. Keras 3 GroupQueryAttention. */
QN_API qn_val qn_group_query_attention(qn_model *m, qn_val query, qn_val value, qn_val key, qn_val mask,
                                       const qn_attention_opt *opt);

/** Options of qn_position_embedding(). */
typedef struct qn_position_opt {
    int length;             /**< rows of the table; 0: the steps of x */
    bool sinusoidal;        /**< a constant; see qn_graph_sinusoidal(); default: a trained table */
    qn_init init;           /**< of the table; default Glorot uniform */
    float init_scale;       /**< of the initialisers that have one; 0: its default */
    bool frozen;            /**< the table is not trained */
    const char *name;       /**< default "position_embedding", numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_position_opt;

/**
 * x plus a row for each step: y[n,t] = x[n,t] + position_embeddings[t].
 *
 * x [N,T,D] f32, T fixed; position_embeddings [length, D]. The mask of x stays.
 * Source: x + KerasHub's PositionEmbedding, or its SinePositionEncoding.
 */
QN_API qn_val qn_position_embedding(qn_model *m, qn_val x, const qn_position_opt *opt);

/** Options of qn_transformer_encoder() and qn_transformer_decoder(). */
typedef struct qn_transformer_opt {
    int heads;              /**< 1 or more, a divisor of the size of a step; required */
    int kv_heads;           /**< heads of keys and values; 0: heads */
    int units;              /**< of the layer between, 1 or more; required */
    qn_act act;             /**< of the layer between; default ReLU */
    float dropout;          /**< of attention weights and of what is added, in [0, 1) */
    float epsilon;          /**< of the normalisations; 0: 1e-5 */
    bool norm_first;        /**< x + f(norm(x)); default: norm(x + f(x)) */
    bool rms;               /**< RMS normalisation instead of layer normalisation */
    bool causal;            /**< encoder alone: step t sees steps 0 to t only, as in a GPT; a decoder does so always */
    bool rotary;            /**< self-attention turns queries and keys by their places */
    bool alibi;             /**< self-attention's scores fall with distance */
    bool no_bias;           /**< no layer adds a bias */
    const char *name;       /**< what its layers' names begin with; default "transformer_encoder" or "_decoder", numbered */
    uintptr_t reserved[4];  /**< must be zero */
} qn_transformer_opt;

/**
 * A block of self-attention and two dense layers, each with its residual and normalisation.
 *
 * It is made of layers: NAME_attention, NAME_attention_norm, NAME_dense, NAME_dense_1, NAME_norm, and dropout and sums between
 * them. With norm_first, a model ends in a normalisation of its own.
 *
 * @param x  [N,T,D] f32; steps that are padding by its mask are not seen
 *
 * Source: KerasHub TransformerEncoder.
 */
QN_API qn_val qn_transformer_encoder(qn_model *m, qn_val x, const qn_transformer_opt *opt);

/**
 * The same with causal self-attention, followed by attention to an encoder's result (NAME_cross, NAME_cross_norm).
 *
 * @param x        [N,T,D] f32
 * @param encoded  [N,S,E] f32; invalid (id 0): no cross-attention
 *
 * Source: KerasHub TransformerDecoder.
 */
QN_API qn_val qn_transformer_decoder(qn_model *m, qn_val x, qn_val encoded, const qn_transformer_opt *opt);

QN_END_DECLS

#endif
