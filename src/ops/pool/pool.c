/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "ops/pool/pool.h"

#define GROUP_ITEMS 128
#define ITEM_ELEMENTS 32768 /* what one work-item of a CPU should read at least */

/* One axis: its output size and the padding before it. */
static qn_status axis(const struct qni_problem *p, int a, int64_t in, int64_t *out, int *size, int *stride, int *before)
{
    const struct qni_pool *t = p->attr;
    int64_t after = 0, total;

    *before = 0;
    if (t->global) {
        if (in < 1 || in > INT32_MAX)
            return qni_error(QN_E_SHAPE, "%s: an image axis of %" PRId64 " has no global pool", p->op->name, in);
        *size = *stride = (int)in;
        *out = 1;
        return QN_OK;
    }
    *size = t->size[a];
    *stride = t->stride[a] ? t->stride[a] : t->size[a];
    if (*size < 1 || *stride < 1)
        return qni_error(QN_E_ARG, "%s: size %d and stride %d must be positive", p->op->name, *size, *stride);
    if (t->padding == QN_SAME) {
        *out = qni_ceil_div(in, *stride);
        total = QNI_MAX((*out - 1) * *stride + *size - in, 0);
        *before = (int)(total / 2);
    } else {
        if (t->padding == QN_EXPLICIT) {
            *before = t->pad[2 * a];
            after = t->pad[2 * a + 1];
            if (*before < 0 || *before >= *size || after < 0 || after >= *size)
                return qni_error(QN_E_ARG, "%s: padding %d and %d must be smaller than the size %d", p->op->name,
                                 *before, (int)after, *size);
        }
        total = in + *before + after - *size;
        *out = total < 0 ? 0 : total / *stride + 1;
    }
    if (*out < 1 || in > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: a window of %d does not fit an image axis of %" PRId64, p->op->name, *size, in);
    return QN_OK;
}

qn_status qni_pool_geometry(struct qni_pool_geometry *g, const struct qni_problem *p, const struct qni_desc *x)
{
    const qn_shape *s = &x->shape;
    const int padding = ((const struct qni_pool *)p->attr)->padding;
    const bool image = s->rank == 4;
    char text[160];
    qn_status st;

    if (s->rank != 3 && s->rank != 4)
        return qni_error(QN_E_SHAPE, "%s takes [N,H,W,C] or [N,T,C], found %s", p->op->name,
                         qni_shape_text(s, text, sizeof(text)));
    if (x->dtype != QN_F32)
        return qni_error(QN_E_UNSUPPORTED, "%s takes f32, found %s", p->op->name, qn_dtype_name(x->dtype));
    if (padding < QN_VALID || padding > QN_EXPLICIT)
        return qni_error(QN_E_ARG, "%s: padding %d is none of a pool", p->op->name, padding);
    memset(g, 0, sizeof(*g));
    g->N = s->dim[0];
    g->H = image ? s->dim[1] : 1;
    g->W = s->dim[image ? 2 : 1];
    g->C = s->dim[image ? 3 : 2];
    if (g->C > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: %" PRId64 " channels are too many", p->op->name, g->C);
    if ((st = axis(p, 0, g->H, &g->P, &g->R, &g->stride_h, &g->top)) ||
        (st = axis(p, 1, g->W, &g->Q, &g->S, &g->stride_w, &g->left)))
        return st;
    g->overlap = (g->stride_h < g->R && g->P > 1) || (g->stride_w < g->S && g->Q > 1);
    return QN_OK;
}

qn_status qni_pool_shape(struct qni_problem *p)
{
    struct qni_pool_geometry g;
    qn_status st;

    if ((st = qni_pool_geometry(&g, p, &p->in[0])))
        return st;
    p->out[0].dtype = p->in[0].dtype;
    p->out[0].shape = p->in[0].shape.rank == 4 ? qni_shape(4, g.N, g.P, g.Q, g.C) : qni_shape(3, g.N, g.Q, g.C);
    return QN_OK;
}

qn_status qni_pool_grad_shape(struct qni_problem *p)
{
    struct qni_problem forward = *p;
    char a[160], b[160];
    qn_status st;

    forward.in[0] = p->in[1];
    if ((st = qni_pool_shape(&forward)))
        return st;
    if (!qni_shape_equal(&p->in[0].shape, &forward.out[0].shape))
        return qni_error(QN_E_SHAPE, "%s: the result's gradient is %s, expected %s", p->op->name,
                         qni_shape_text(&p->in[0].shape, a, sizeof(a)),
                         qni_shape_text(&forward.out[0].shape, b, sizeof(b)));
    p->out[0] = p->in[1];
    return QN_OK;
}

bool qni_pool_lanes_apply(const struct qni_problem *p)
{
    return p->caps->group_items >= GROUP_ITEMS && p->caps->group_size[0] >= 64 && p->caps->group_size[1] >= GROUP_ITEMS;
}

static int vector_width(const struct qni_problem *p, int64_t C, bool lanes)
{
    int v = 1;

    if (lanes)
        return C % 4 == 0 ? 4 : 1;
    while (2 * v <= p->caps->vector && 2 * v <= C)
        v *= 2;
    return v;
}

void qni_pool_begin(struct qni_pool_launch *pl, const struct qni_problem *p, struct qni_recorder *r, const char *source,
                    const char *kernel, const struct qni_desc *x, bool lanes, bool over_input)
{
    const struct qni_pool *t = p->attr;
    struct qni_pool_geometry *g = &pl->g;
    struct qni_launch *l;

    if (!r->status)
        r->status = qni_pool_geometry(g, p, x);
    if (r->status)
        memset(g, 0, sizeof(*g));
    pl->l = l = qni_launch_add(r, source, kernel);
    pl->rows = g->N * (over_input ? g->H : g->P);
    qni_define(r, l, "QN_DTYPE", x->dtype);
    qni_define(r, l, "QN_V", vector_width(p, g->C, lanes));
    qni_define(r, l, "QN_R", t->global ? 0 : g->R);
    qni_define(r, l, "QN_S", t->global ? 0 : g->S);
    qni_define(r, l, "QN_STRIDE_H", t->global ? 0 : g->stride_h);
    qni_define(r, l, "QN_STRIDE_W", t->global ? 0 : g->stride_w);
    qni_define(r, l, "QN_PAD", !t->global && t->padding != QN_VALID);
    qni_define(r, l, "QN_ACT_GRAD", p->epilogue.act_grad);
}

void qni_pool_finish(struct qni_pool_launch *pl, const struct qni_problem *p, struct qni_recorder *r, bool lanes,
                     bool over_input)
{
    const struct qni_pool_geometry *g = &pl->g;
    struct qni_launch *l = pl->l;
    const int64_t columns = over_input ? g->W : g->Q;
    const uint64_t pixels = (uint64_t)(g->N * g->C) * (uint64_t)(g->H * g->W + 2 * g->P * g->Q);
    int64_t groups[3] = { 1, 1, 0 }, local[3] = { 1, 1, 1 }, vectors;

    pl->rows_each = 1;
    if (lanes) {
        vectors = qni_ceil_div(QNI_MAX(g->C, 1), vector_width(p, g->C, lanes));
        while (local[0] < 64 && local[0] < vectors)
            local[0] *= 2;
        local[1] = GROUP_ITEMS / local[0];
    } else if (columns * g->C > 0) {
        pl->rows_each = qni_ceil_div(ITEM_ELEMENTS, columns * g->C * QNI_MIN((int64_t)g->R * g->S, 64));
    }
    qni_i32(r, l, pl->rows);
    qni_i32(r, l, pl->rows_each);
    qni_i32(r, l, g->H);
    qni_i32(r, l, g->W);
    qni_i32(r, l, g->C);
    qni_i32(r, l, g->P);
    qni_i32(r, l, g->Q);
    qni_i32(r, l, g->R);
    qni_i32(r, l, g->S);
    qni_i32(r, l, g->stride_h);
    qni_i32(r, l, g->stride_w);
    qni_i32(r, l, g->top);
    qni_i32(r, l, g->left);
    groups[2] = g->C ? qni_ceil_div(pl->rows, pl->rows_each) : 0;
    qni_grid(r, l, 3, groups, local);
    qni_work(l, 0, pixels * qn_dtype_bytes(p->in[0].dtype));
}
