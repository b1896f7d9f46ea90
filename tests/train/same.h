/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What tests that train beside another framework have in common with its scripts: tests/fixtures/README.md. */
#ifndef QN_TEST_TRAIN_SAME_H
#define QN_TEST_TRAIN_SAME_H

#include "harness/test.h"
#include "model/model.h"

/* Weights of kernels and tables, as keras_parity.py makes them; the others start as Keras's do. */
void same_weights(qn_model *m, uint64_t seed);
/* Numerical Recipes' generator: 0 to n - 1 from the upper bits of a 32-bit state. */
int same_below(uint32_t *state, int n);
/* The difference of a loss from the other framework's, relative to max(f32, first / 10); fails the test where it is over the
 * rule's bound. */
double same_loss(const char *run, int step, double loss, double f32, double f64, double first);

#endif
