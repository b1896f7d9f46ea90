/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The passes over a plan's concrete graph, each one small file under passes/.
 * A pass marks nodes dead and appends others with the position of what they
 * replace. */
#ifndef QNI_PASSES_H
#define QNI_PASSES_H

#include "graph/plan.h"

/* Copy what of the template the request needs into a new concrete graph. map: [template values], the copy of each. */
qn_status qni_instantiate(qn_graph **out, const struct qni_plan_request *request, qn_val **map);
/* Append the gradients and the optimizer's update; marks the final gradients. wrt_out: [request->wrts]. */
qn_status qni_append_training(qn_graph *g, const struct qni_plan_request *request, const qn_val *map, qn_val *wrt_out);
/* Results that go to tensors: one that is no node's own, or that is also another result, is copied. */
void qni_bound_results(qn_graph *g, const struct qni_plan_request *request, qn_val *root, size_t roots);
/* Mark nodes dead that lead to none of the roots, to no final gradient and update no state. */
qn_status qni_pass_dead(qn_graph *g, const qn_val *root, size_t roots);
/* Sums, activations and gradients of activations (dx = dy * act'(y)) into the epilogue of the node before them. */
qn_status qni_pass_fuse_epilogues(qn_graph *g, const struct qni_caps *caps, const qn_val *root, size_t roots);
/* Chains of element-wise nodes into one. */
qn_status qni_pass_fuse_eltwise(qn_graph *g, const qn_val *root, size_t roots);
/* Nodes whose algorithm declines their epilogue: the epilogue becomes nodes of its own. */
qn_status qni_pass_split_epilogues(qn_graph *g, const struct qni_caps *caps);

/* Which value's storage each value lives in; *storage_of from qni_calloc. Views, and outputs in place. */
qn_status qni_share_storage(const qn_graph *g, const int *order, size_t n, const qn_val *root, size_t roots,
                            int32_t **storage_of);
/* Indices of the live nodes in the order they run; *order from qni_calloc. */
qn_status qni_node_order(const qn_graph *g, int **order, size_t *n);
/* The problem of a node on a device; unwanted is 0. */
qn_status qni_node_problem(struct qni_problem *p, const qn_graph *g, const struct qni_node *node, const struct qni_caps *caps);

#endif
