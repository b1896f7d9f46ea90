/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every operation. One line each: a declaration and an entry. */
#include "ops/op.h"

const struct qni_op *const qni_ops[] = {
    NULL
};
