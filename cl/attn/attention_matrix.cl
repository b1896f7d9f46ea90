/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * attention_group.cl, its products made by matrix instructions. Build parameters: those of attn/group.clh, QN_MATRIX not 0. */
#include "attn/attention_group.cl"
