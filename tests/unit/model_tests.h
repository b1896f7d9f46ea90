/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The parts of unit/model that have files of their own. */
#ifndef MODEL_TESTS_H
#define MODEL_TESTS_H

#include "harness/test.h"

void test_layer_types(void);
void test_layer_regular(void);

#endif
