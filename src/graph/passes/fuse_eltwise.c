/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/passes.h"

qn_status qni_pass_fuse_eltwise(qn_graph *g, const qn_val *root, size_t roots)
{
    (void)g;
    (void)root;
    (void)roots;
    return QN_OK;
}
