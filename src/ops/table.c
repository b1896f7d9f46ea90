/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every operation. One line each: a declaration and an entry. */
#include "ops/op.h"

extern const struct qni_op qni_op_attention, qni_op_attention_grad, qni_op_cache_append, qni_op_rotary;
extern const struct qni_op qni_op_conv2d, qni_op_conv2d_backward_data, qni_op_conv2d_backward_filter;
extern const struct qni_op qni_op_dropout, qni_op_eltwise, qni_op_noise, qni_op_random;
extern const struct qni_op qni_op_matmul;
extern const struct qni_op qni_op_avgpool, qni_op_avgpool_grad, qni_op_maxpool, qni_op_maxpool_grad;
extern const struct qni_op qni_op_cross_entropy, qni_op_cross_entropy_grad;
extern const struct qni_op qni_op_pointwise_loss, qni_op_pointwise_loss_grad;
extern const struct qni_op qni_op_adadelta, qni_op_adagrad, qni_op_adam, qni_op_adamax, qni_op_advance, qni_op_clip_norms,
    qni_op_lion, qni_op_rmsprop, qni_op_sgd;
extern const struct qni_op qni_op_arg_reduce, qni_op_reduce;
extern const struct qni_op qni_op_metric_class, qni_op_metric_mean, qni_op_metric_pointwise;
extern const struct qni_op qni_op_batch_norm, qni_op_batch_norm_grad, qni_op_batch_norm_inference;
extern const struct qni_op qni_op_layer_norm, qni_op_layer_norm_grad, qni_op_rms_norm, qni_op_rms_norm_grad;
extern const struct qni_op qni_op_gru, qni_op_gru_grad, qni_op_gru_before, qni_op_gru_before_grad, qni_op_lstm,
    qni_op_lstm_grad, qni_op_simple_rnn, qni_op_simple_rnn_grad, qni_op_state_load, qni_op_state_store;
extern const struct qni_op qni_op_softmax, qni_op_softmax_grad;
extern const struct qni_op qni_op_concat, qni_op_gather, qni_op_mark, qni_op_one_hot, qni_op_pad, qni_op_reshape,
    qni_op_scatter_add, qni_op_slice, qni_op_tile, qni_op_transpose, qni_op_unslice;

const struct qni_op *const qni_ops[] = {
    &qni_op_attention, &qni_op_attention_grad, &qni_op_cache_append, &qni_op_rotary,
    &qni_op_conv2d, &qni_op_conv2d_backward_data, &qni_op_conv2d_backward_filter,
    &qni_op_avgpool, &qni_op_avgpool_grad, &qni_op_maxpool, &qni_op_maxpool_grad,
    &qni_op_cross_entropy, &qni_op_cross_entropy_grad, &qni_op_pointwise_loss, &qni_op_pointwise_loss_grad,
    &qni_op_adadelta, &qni_op_adagrad, &qni_op_adam, &qni_op_adamax, &qni_op_advance, &qni_op_clip_norms, &qni_op_lion,
    &qni_op_rmsprop, &qni_op_sgd,
    &qni_op_eltwise, &qni_op_dropout, &qni_op_random, &qni_op_noise,
    &qni_op_arg_reduce, &qni_op_reduce,
    &qni_op_metric_class, &qni_op_metric_mean, &qni_op_metric_pointwise,
    &qni_op_batch_norm, &qni_op_batch_norm_grad, &qni_op_batch_norm_inference,
    &qni_op_layer_norm, &qni_op_layer_norm_grad, &qni_op_rms_norm, &qni_op_rms_norm_grad,
    &qni_op_gru, &qni_op_gru_grad, &qni_op_gru_before, &qni_op_gru_before_grad, &qni_op_lstm, &qni_op_lstm_grad,
    &qni_op_simple_rnn, &qni_op_simple_rnn_grad, &qni_op_state_load, &qni_op_state_store,
    &qni_op_softmax, &qni_op_softmax_grad,
    &qni_op_concat, &qni_op_gather, &qni_op_mark, &qni_op_one_hot, &qni_op_pad, &qni_op_reshape,
    &qni_op_scatter_add, &qni_op_slice, &qni_op_tile, &qni_op_transpose, &qni_op_unslice,
    &qni_op_matmul,
    NULL
};
