/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "layer/types.h"

const struct qni_layer_type *const qni_layer_types[] = {
    &qni_layer_activation,
    &qni_layer_add_type,
    &qni_layer_avgpool1d,
    &qni_layer_avgpool2d,
    &qni_layer_batchnorm,
    &qni_layer_concatenate,
    &qni_layer_conv1d,
    &qni_layer_conv2d,
    &qni_layer_conv2d_transpose,
    &qni_layer_dense,
    &qni_layer_depthwise,
    &qni_layer_dropout,
    &qni_layer_flatten,
    &qni_layer_global_avgpool,
    &qni_layer_global_maxpool,
    &qni_layer_groupnorm,
    &qni_layer_layernorm,
    &qni_layer_mask_type,
    &qni_layer_masking,
    &qni_layer_maxpool1d,
    &qni_layer_maxpool2d,
    &qni_layer_multiply,
    &qni_layer_prelu,
    &qni_layer_reshape,
    &qni_layer_rmsnorm,
    &qni_layer_set_mask,
    &qni_layer_zero_padding2d,
    NULL
};
