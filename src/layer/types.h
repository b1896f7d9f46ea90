/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * For the files that define layer types. */
#ifndef QNI_LAYER_TYPES_H
#define QNI_LAYER_TYPES_H

#include "model/model.h"

extern const struct qni_layer_type qni_layer_attention, qni_layer_group_attention, qni_layer_position;
extern const struct qni_layer_type qni_layer_dense, qni_layer_conv2d, qni_layer_conv1d, qni_layer_depthwise,
    qni_layer_conv2d_transpose, qni_layer_maxpool2d, qni_layer_avgpool2d, qni_layer_maxpool1d, qni_layer_avgpool1d,
    qni_layer_global_maxpool, qni_layer_global_avgpool, qni_layer_batchnorm, qni_layer_activation, qni_layer_prelu,
    qni_layer_dropout, qni_layer_flatten, qni_layer_reshape, qni_layer_add_type, qni_layer_multiply,
    qni_layer_concatenate, qni_layer_zero_padding2d, qni_layer_mask_type, qni_layer_masking, qni_layer_set_mask,
    qni_layer_layernorm, qni_layer_rmsnorm, qni_layer_groupnorm, qni_layer_embedding, qni_layer_embedding_logits,
    qni_layer_depthwise1d, qni_layer_separable1d,
    qni_layer_separable2d, qni_layer_conv1d_transpose, qni_layer_zero_padding1d, qni_layer_cropping1d,
    qni_layer_cropping2d, qni_layer_upsampling1d, qni_layer_upsampling2d, qni_layer_permute, qni_layer_repeat_vector,
    qni_layer_subtract, qni_layer_average, qni_layer_maximum, qni_layer_minimum, qni_layer_dot,
    qni_layer_spatial_dropout1d, qni_layer_spatial_dropout2d, qni_layer_gaussian_noise, qni_layer_gaussian_dropout,
    qni_layer_fold_steps, qni_layer_unfold_steps, qni_layer_gru, qni_layer_lstm, qni_layer_rnn_state,
    qni_layer_simple_rnn, qni_layer_activity, qni_layer_rescaling, qni_layer_normalization;

/* Layers whose options are a qn_layer_opt. */
#define QNI_PLAIN(kind, member) { #member, kind, offsetof(qn_layer_opt, member) }
#define QNI_PLAIN_TYPE(id, title_text, table, build_function) \
    QNI_PLAIN_MASKED(id, title_text, table, build_function, QNI_MASK_STOP)
#define QNI_PLAIN_MASKED(id, title_text, table, build_function, mask_rule) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(qn_layer_opt), .name_offset = offsetof(qn_layer_opt, name), \
      .reuse_offset = SIZE_MAX, .reserved_offset = offsetof(qn_layer_opt, reserved), .fields = table, \
      .mask = mask_rule, .build = build_function }

#endif
