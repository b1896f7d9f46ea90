/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUALIFY_OPERATIONS_H
#define QUALIFY_OPERATIONS_H

#include <stdbool.h>

#include <quern/device.h>

/* Is a test of this name, "op/algorithm: case", one of the checks? needed (may be NULL): no training does without op. */
bool operation_wanted(const char *name, bool *needed);
/* Where kernels are being collected to be built together: take a test's; false elsewhere. test: its struct optest_state. */
bool operation_collect(const void *test);
/* Is a test's algorithm off where it does not pass? */
bool operation_untried(const void *test);
/* After check_operations(): print the cases that no table has and the algorithms that no check runs; how many. */
int operations_gaps(void);
/* The device that is tested. */
qn_device *operations_device(void);

/* The programs of tests/op, whose tables are run: their main functions, under these names. */
int op_attention(int argc, char **argv);
int op_avgpool(void);
int op_batch_norm(void);
int op_cache_append(void);
int op_clip(void);
int op_conv2d(void);
int op_cross_entropy(void);
int op_eltwise(void);
int op_gemm(int argc, char **argv);
int op_layer_norm(void);
int op_maxpool(void);
int op_metric(void);
int op_pointwise_loss(void);
int op_random(void);
int op_reduce(void);
int op_rnn(void);
int op_rnn_grad(void);
int op_rotary(void);
int op_shape(void);
int op_softmax(void);
int op_state(void);
int op_update(void);

#endif
