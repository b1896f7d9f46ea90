/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: recurrence. As all of level 2: nodes are appended to g, the first
 * mistake is remembered there and an invalid value returned; one thread per
 * graph. Options may be NULL for the defaults. */
#ifndef QUERN_GRAPH_RNN_H
#define QUERN_GRAPH_RNN_H

#include <quern/op.h>

QN_BEGIN_DECLS

/** Options of the recurrent operations; values of id 0 are absent. U is the number of units. */
typedef struct qn_graph_rnn_opt {
    qn_act act;             /**< of the cell; default tanh; QN_IDENTITY: none */
    float act_alpha;        /**< its parameter, as it is */
    qn_act recurrent_act;   /**< of the gates; default sigmoid; QN_IDENTITY: none */
    float recurrent_alpha;  /**< its parameter, as it is */
    qn_act hidden_act;      /**< LSTM: of the cell state on its way out; default: as act */
    float hidden_alpha;     /**< its parameter, as it is */
    qn_val h0;              /**< [N,U] f32: the state before the first step; absent: 0 */
    qn_val c0;              /**< LSTM: [N,U] f32, likewise of the cell state */
    qn_val mask;            /**< [N,T] u8; 0: the step changes no state and repeats the output before it */
    qn_val recurrent_bias;  /**< GRU, reset after the product: [3U] f32, added to the recurrent product */
    qn_val peephole;        /**< LSTM: [3,U] f32, of i, f and o */
    qn_val recurrent_drop;  /**< [N,U] f32: factors of the state where it enters the recurrent product; in training alone,
                               no gradient */
    bool reverse;           /**< from the last time to the first */
    bool order;             /**< with reverse: outputs in the order of the steps, not of time */
    bool zero_output;       /**< outputs of masked steps are 0 */
    bool reset_before;      /**< GRU: the reset gate acts before the recurrent product */
    float clip;             /**< sums are limited to +-clip before their activation; 0: they are not */
    uintptr_t reserved[4];  /**< must be zero */
} qn_graph_rnn_opt;

/** What a recurrent operation gives. */
typedef struct qn_rnn_result {
    qn_val y; /**< [N,T,U]: the output of each step */
    qn_val h; /**< [N,U]: the state after the last step */
    qn_val c; /**< LSTM: [N,U]: the cell state after the last step */
} qn_rnn_result;

/**
 * LSTM over sequences.
 *
 * z = x kernel + bias + h recurrent, in columns i f g o of U each;
 * i, f, o = recurrent_act(z), g = act(z); c = f c + i g; h = o hidden_act(c).
 *
 * Steps before a sample's first one that is not masked give outputs of 0, whatever h0 is.
 *
 * @param x          [N,T,D] f32
 * @param kernel     [D,4U] f32, or absent: x is [N,T,4U], the product already
 * @param recurrent  [U,4U] f32
 * @param bias       [4U] f32 or absent
 * @param out        receives the results, where not NULL
 * @return           out->y
 *
 * Gradient: of x, kernel, recurrent, bias, h0, c0, peephole. Activations are those whose derivative is a function of their
 * result: linear, relu, leaky relu, relu6, elu, selu, sigmoid, hard sigmoid, tanh, softplus, softsign, exponential.
 * Source: Keras 3 LSTM; ONNX LSTM, whose columns are i o f g.
 */
QN_API qn_val qn_graph_lstm(qn_graph *g, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias,
                            const qn_graph_rnn_opt *opt, qn_rnn_result *out);

/**
 * GRU over sequences; otherwise as qn_graph_lstm().
 *
 * In columns z r g of U each: z, r = recurrent_act(x kernel + bias + h recurrent + recurrent_bias);
 * g = act(x kernel_g + bias_g + r (h recurrent_g + recurrent_bias_g)), or with reset_before
 * act(x kernel_g + bias_g + (r h) recurrent_g); h = z h + (1 - z) g.
 *
 * @param kernel     [D,3U] f32, or absent: x is [N,T,3U]
 * @param recurrent  [U,3U] f32
 * @param bias       [3U] f32 or absent
 *
 * Source: Keras 3 GRU; ONNX GRU, where reset_before is linear_before_reset 0; PyTorch's columns are r z g.
 */
QN_API qn_val qn_graph_gru(qn_graph *g, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias,
                           const qn_graph_rnn_opt *opt, qn_rnn_result *out);

/**
 * Simple recurrence: h = act(x kernel + bias + h recurrent); otherwise as qn_graph_lstm().
 *
 * @param kernel     [D,U] f32, or absent: x is [N,T,U]
 * @param recurrent  [U,U] f32
 * @param bias       [U] f32 or absent
 *
 * Source: Keras 3 SimpleRNN; ONNX RNN.
 */
QN_API qn_val qn_graph_simple_rnn(qn_graph *g, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias,
                                  const qn_graph_rnn_opt *opt, qn_rnn_result *out);

QN_END_DECLS

#endif
