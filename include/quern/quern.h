/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Everything but the opt-in OpenCL interop of quern/cl.h. */
#ifndef QUERN_QUERN_H
#define QUERN_QUERN_H

#include <quern/context.h>
#include <quern/data.h>
#include <quern/data_events.h>
#include <quern/data_files.h>
#include <quern/data_image.h>
#include <quern/data_open.h>
#include <quern/data_prep.h>
#include <quern/data_sound.h>
#include <quern/data_table.h>
#include <quern/data_text.h>
#include <quern/device.h>
#include <quern/generate.h>
#include <quern/graph.h>
#include <quern/layer.h>
#include <quern/model.h>
#include <quern/op.h>
#include <quern/op_plan.h>
#include <quern/optim.h>
#include <quern/status.h>
#include <quern/tensor.h>
#include <quern/types.h>
#include <quern/version.h>

#endif
