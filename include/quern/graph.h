/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: operations on symbolic values. Every function here appends to the
 * graph and returns a value; the first mistake is remembered by the graph, the
 * value returned is invalid (id 0), and planning or compiling reports it. A
 * function given an invalid value does nothing more. One thread per graph. */
#ifndef QUERN_GRAPH_H
#define QUERN_GRAPH_H

#include <quern/graph_math.h>
#include <quern/op.h>

QN_BEGIN_DECLS

/* The operation families' functions stand here, each family's in its own header. */

QN_END_DECLS

#endif
