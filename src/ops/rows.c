/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "ops/rows.h"

#define GROUP_ITEMS 128
#define ITEM_ELEMENTS 8192 /* what one work-item of a CPU should get at least */
#define MOST_GROUPS 1024   /* partial sums that one group adds up in the end */

qn_status qni_rows_shape(struct qni_rows *out, const struct qni_problem *p, int x, int weights)
{
    const qn_shape *s = &p->in[x].shape, *w = &p->in[weights].shape;
    char a[160], b[160];

    memset(out, 0, sizeof(*out));
    if (p->in[x].dtype != QN_F32)
        return qni_error(QN_E_UNSUPPORTED, "%s takes f32 predictions, found %s", p->op->name, qn_dtype_name(p->in[x].dtype));
    if (s->rank < 1 || s->dim[s->rank - 1] < 1 || s->dim[s->rank - 1] > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s takes predictions [.., C] with C of 1 or more, found %s", p->op->name,
                         qni_shape_text(s, a, sizeof(a)));
    out->C = s->dim[s->rank - 1];
    out->rows = out->every = 1;
    for (int i = 0; i < s->rank - 1; i++)
        out->rows *= s->dim[i];
    if (weights >= p->inputs || p->absent >> weights & 1)
        return QN_OK;
    if (p->in[weights].dtype != QN_F32)
        return qni_error(QN_E_UNSUPPORTED, "%s takes f32 weights, found %s", p->op->name,
                         qn_dtype_name(p->in[weights].dtype));
    for (int i = 0; i < w->rank; i++) {
        const bool extra = i >= s->rank - 1;

        if (w->dim[i] != (extra ? 1 : s->dim[i]))
            return qni_error(QN_E_SHAPE, "%s: weights %s do not fit predictions %s", p->op->name,
                             qni_shape_text(w, a, sizeof(a)), qni_shape_text(s, b, sizeof(b)));
    }
    for (int i = w->rank; i < s->rank - 1; i++)
        out->every *= s->dim[i];
    return QN_OK;
}

bool qni_rows_wide_apply(const struct qni_problem *p)
{
    return p->caps->group_items >= GROUP_ITEMS && p->caps->group_size[0] >= GROUP_ITEMS;
}

void qni_rows_plan(struct qni_rows *rows, const struct qni_problem *p, bool wide)
{
    int64_t slots, most;

    rows->vector = 1;
    rows->items = rows->lanes = 1;
    if (wide) {
        rows->items = GROUP_ITEMS;
        while (rows->lanes < rows->C && rows->lanes < (rows->C > 1024 ? GROUP_ITEMS : 32))
            rows->lanes *= 2;
    } else {
        while (2 * rows->vector <= p->caps->vector && 2 * rows->vector <= rows->C)
            rows->vector *= 2;
    }
    slots = rows->items / rows->lanes;
    most = qni_ceil_div(rows->rows, MOST_GROUPS);
    rows->rows_each = wide ? most : QNI_MAX(qni_ceil_div(ITEM_ELEMENTS, rows->C), most);
    rows->rows_each = qni_round_up(QNI_MAX(rows->rows_each, 1), slots);
    rows->groups = qni_ceil_div(rows->rows, rows->rows_each);
}

void qni_rows_define(const struct qni_rows *rows, const struct qni_problem *p, struct qni_recorder *r,
                     struct qni_launch *l)
{
    (void)p;
    qni_define(r, l, "QN_DTYPE", QN_F32);
    qni_define(r, l, "QN_V", rows->vector);
    qni_define(r, l, "QN_LANES", rows->lanes);
}

void qni_rows_grid(const struct qni_rows *rows, struct qni_recorder *r, struct qni_launch *l, int64_t groups)
{
    const int64_t grid[1] = { groups }, local[1] = { rows->items };

    qni_grid(r, l, 1, grid, local);
}
