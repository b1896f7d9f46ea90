/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 3: recurrent layers and wrappers around sequences; quern/layer.h, which
 * includes this, says what all layers have in common. */
#ifndef QUERN_LAYER_RNN_H
#define QUERN_LAYER_RNN_H

#include <quern/graph.h>

QN_BEGIN_DECLS

/** Options of the recurrent layers. */
typedef struct qn_rnn_opt {
    int units;                 /**< 1 or more; required */
    qn_act act;                /**< of the cell; default tanh; QN_IDENTITY: none */
    float act_alpha;           /**< its parameter, as it is */
    qn_act recurrent_act;      /**< of the gates; default sigmoid; QN_IDENTITY: none */
    float recurrent_alpha;     /**< its parameter, as it is */
    bool no_bias;              /**< nothing is added */
    bool no_unit_forget_bias;  /**< LSTM: the forget gate's bias begins at 0, not 1 */
    bool reset_before;         /**< GRU: the reset gate acts before the recurrent product: Keras's reset_after=False */
    qn_init kernel_init;       /**< default Glorot uniform */
    qn_init recurrent_init;    /**< default orthogonal */
    qn_init bias_init;         /**< default zeros; another one is for the forget gate's too */
    float init_scale;          /**< of the initialisers that have one; 0: its default */
    float kernel_l1;           /**< regulariser: times the sum of the absolute values, added to the loss */
    float kernel_l2;           /**< regulariser: times the sum of the squares */
    float recurrent_l1;        /**< the same for the recurrent kernel */
    float recurrent_l2;        /**< the same for the recurrent kernel */
    float bias_l1;             /**< the same for the bias */
    float bias_l2;             /**< the same for the bias */
    float dropout;             /**< of the input: one draw a sample for all its steps; in [0, 1) */
    float recurrent_dropout;   /**< of the state in the recurrent product, likewise, and for all gates */
    bool return_sequences;     /**< every output [N,T,units], not the last [N,units] */
    bool go_backwards;         /**< from the last time to the first; outputs in the order of the steps */
    bool time_order;           /**< with go_backwards: outputs in the order of time */
    bool zero_output;          /**< outputs of masked steps are 0: Keras's zero_output_for_mask */
    int stateful;              /**< samples of a batch at most: sample i of a batch goes on where sample i of the batch
                                  before ended, and no gradient flows there; 0: every batch begins anew */
    qn_val initial_state[4];   /**< [N,units] each: h, and LSTM's c; id 0: zeros. Bidirectional: forward's, then backward's */
    bool frozen;               /**< weights are not trained */
    const char *reuse;         /**< use the weights of the layer of that name instead of new ones */
    const char *name;          /**< default "lstm", "gru", "simple_rnn", numbered */
    uintptr_t reserved[4];     /**< must be zero */
} qn_rnn_opt;

/**
 * Long short-term memory over x [N,T,D]; qn_graph_lstm() has the formula.
 *
 * kernel [D,4*units], recurrent_kernel [units,4*units], bias [4*units], in the order i f c o. A mask of x is used: a masked
 * step leaves the state and repeats the output; with return_sequences the result has it too.
 * Source: agrees with Keras 3 LSTM, whose recurrent dropout draws for each gate.
 */
QN_API qn_val qn_lstm(qn_model *m, qn_val x, const qn_rnn_opt *opt);

/**
 * Gated recurrent unit over x [N,T,D]; qn_graph_gru() has the formula.
 *
 * kernel [D,3*units], recurrent_kernel [units,3*units], bias [2,3*units] (of the input and of the recurrent product), or
 * with reset_before [3*units], in the order z r h; otherwise as qn_lstm(). Source: Keras 3 GRU.
 */
QN_API qn_val qn_gru(qn_model *m, qn_val x, const qn_rnn_opt *opt);

/**
 * Simple recurrence over x [N,T,D]: h = act(x kernel + bias + h recurrent_kernel).
 *
 * kernel [D,units], recurrent_kernel [units,units], bias [units]; otherwise as qn_lstm(). Source: Keras 3 SimpleRNN.
 */
QN_API qn_val qn_simple_rnn(qn_model *m, qn_val x, const qn_rnn_opt *opt);

/**
 * A state after the last step of the recurrent layer whose result y is: Keras's return_state.
 *
 * @param y      result of qn_lstm(), qn_gru() or qn_simple_rnn()
 * @param which  0: h; 1: LSTM's c
 * @return       [N,units]
 */
QN_API qn_val qn_rnn_state(qn_model *m, qn_val y, int which);

/** Set the states of all stateful layers to zero. @retval QN_E_STATE the model is not compiled */
QN_API qn_status qn_model_reset_states(qn_model *m);

/** qn_lstm, qn_gru or qn_simple_rnn. */
typedef qn_val qn_rnn_layer(qn_model *m, qn_val x, const qn_rnn_opt *opt);

/** How the results of both directions are joined. */
typedef enum qn_merge {
    QN_MERGE_CONCAT = 0, /**< side by side: [..,2*units] */
    QN_MERGE_SUM,
    QN_MERGE_MUL,
    QN_MERGE_AVE,
    QN_MERGE_NONE        /**< not at all: see qn_bidirectional() */
} qn_merge;

/**
 * A recurrent layer in both directions of time.
 *
 * @param layer  qn_lstm, qn_gru or qn_simple_rnn; made twice; a name or reuse in opt becomes "forward_..." and "backward_..."
 * @param opt    of both; the second one runs backwards
 * @param both   receives the results of the forward and of the backward layer, the latter in the order of time; may be NULL
 * @return       the results joined; with QN_MERGE_NONE the forward layer's
 *
 * With return_sequences outputs of masked steps are 0. Source: Keras 3 Bidirectional.
 */
QN_API qn_val qn_bidirectional(qn_model *m, qn_val x, qn_rnn_layer *layer, const qn_rnn_opt *opt, qn_merge merge,
                               qn_val both[2]);

/** At most so many states of a cell of one's own. */
#define QN_MAX_CELL_STATES 8

/** A cell of one's own, made of a model's layers or graph operations. */
typedef struct qn_cell {
    int states;                        /**< 1 to QN_MAX_CELL_STATES */
    int units[QN_MAX_CELL_STATES];     /**< of each state, [N,units] */
    /**
     * One step: x [N,..], state [states] as it enters, next [states] to be set. Returns the step's output. Called once for
     * every step: weights are made before, or are of layers named and reused.
     */
    qn_val (*step)(qn_model *m, qn_val x, const qn_val *state, qn_val *next, int number, void *user);
    void *user;                        /**< handed to step */
    bool return_sequences;             /**< every output, [N,T,..] */
    bool go_backwards;                 /**< from the last time to the first; outputs in the order of the steps */
    bool zero_output;                  /**< outputs of masked steps are 0 */
    qn_val initial_state[QN_MAX_CELL_STATES]; /**< [N,units]; id 0: zeros */
    uintptr_t reserved[4];             /**< must be zero */
} qn_cell;

/**
 * A cell of one's own over x [N,T,..], T being fixed: its steps one after the other, in the graph.
 *
 * @param last  receives the states [states] after the last step; may be NULL
 *
 * A mask of x is used as by qn_lstm(). A model with such a part saves weights, not its architecture. Source: Keras 3 RNN.
 */
QN_API qn_val qn_rnn(qn_model *m, qn_val x, const qn_cell *cell, qn_val *last);

/**
 * Layers applied to every step of x [N,T,..], T being fixed, by itself.
 *
 * @param step  given [N*T,..], returns [N*T,..]; called once, with user
 *
 * Dense layers and activations need no such wrapper. A mask of x goes on. Source: Keras 3 TimeDistributed.
 */
QN_API qn_val qn_time_distributed(qn_model *m, qn_val x, qn_val (*step)(qn_model *m, qn_val x, void *user), void *user);

QN_END_DECLS

#endif
