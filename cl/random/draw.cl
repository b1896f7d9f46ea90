/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * No kernel of its own: what generated kernels that draw random numbers begin with. */
#include "common/types.clh"
#include "common/step.clh"
#include "common/philox.clh"
