/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Work on the rows of [.., C]: losses, metrics, softmax. cl/common/lanes.clh is the kernels' side. */
#ifndef QNI_ROWS_H
#define QNI_ROWS_H

#include "ops/op.h"

/* How rows are shared out. */
struct qni_rows {
    int64_t rows, C;
    int64_t every;           /* rows that share a weight */
    int64_t rows_each, groups;
    int64_t items, lanes;    /* of a group; on a row */
    int vector;
};

/* C the last axis of in[x], rows all the others; in[weights] checked when given. */
qn_status qni_rows_shape(struct qni_rows *out, const struct qni_problem *p, int x, int weights);
/* Groups, lanes and vector width; wide: work-groups of a GPU. */
void qni_rows_plan(struct qni_rows *rows, const struct qni_problem *p, bool wide);
bool qni_rows_wide_apply(const struct qni_problem *p);
/* QN_DTYPE, QN_V, QN_LANES, then the grid with QN_L0..2. */
void qni_rows_define(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r,
                     struct qni_launch *l);
void qni_rows_grid(const struct qni_rows *rows, struct qni_recorder *r, struct qni_launch *l, int64_t groups);
#endif
