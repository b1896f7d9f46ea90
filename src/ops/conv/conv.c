/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "ops/act.h"
#include "ops/conv/conv.h"

/* Attributes with their defaults; those of the height do not count for a sequence. */
static qn_status begin(struct qni_conv_geometry *g, const struct qni_problem *p, int rank)
{
    const struct qni_conv *t = p->attr;
    const bool image = rank == 4;

    memset(g, 0, sizeof(*g));
    g->groups = t->groups ? t->groups : 1;
    g->stride_h = image && t->stride[0] ? t->stride[0] : 1;
    g->stride_w = t->stride[1] ? t->stride[1] : 1;
    g->dilation_h = image && t->dilation[0] ? t->dilation[0] : 1;
    g->dilation_w = t->dilation[1] ? t->dilation[1] : 1;
    if (g->stride_h < 1 || g->stride_w < 1 || g->dilation_h < 1 || g->dilation_w < 1 || g->groups < 1)
        return qni_error(QN_E_ARG, "%s: strides %d, %d, dilations %d, %d and groups %d must be positive", p->op->name,
                         g->stride_h, g->stride_w, g->dilation_h, g->dilation_w, g->groups);
    if (t->padding < QN_VALID || t->padding > QN_CAUSAL || t->pad[0] < 0 || t->pad[1] < 0 || t->pad[2] < 0 ||
        t->pad[3] < 0)
        return qni_error(QN_E_ARG, "%s: padding %d (%d, %d, %d, %d) is none", p->op->name, t->padding, t->pad[0],
                         t->pad[1], t->pad[2], t->pad[3]);
    return QN_OK;
}

static qn_status ranks(const struct qni_problem *p, const struct qni_desc *image, const struct qni_desc *other,
                       const char *other_name)
{
    const int rank = image->shape.rank;
    char a[160], b[160];

    if ((rank != 3 && rank != 4) || other->shape.rank != rank)
        return qni_error(QN_E_SHAPE, "%s takes [N,H,W,C] or [N,T,D], and %s of the same rank, found %s and %s",
                         p->op->name, other_name, qni_shape_text(&image->shape, a, sizeof(a)),
                         qni_shape_text(&other->shape, b, sizeof(b)));
    if (image->dtype != QN_F32 || other->dtype != QN_F32)
        return qni_error(QN_E_UNSUPPORTED, "%s takes f32, found %s and %s", p->op->name, qn_dtype_name(image->dtype),
                         qn_dtype_name(other->dtype));
    return QN_OK;
}

/* A value [N,H,W,C] or [N,T,D] taken apart. */
static void take(const qn_shape *s, int64_t *n, int64_t *h, int64_t *w, int64_t *c)
{
    const bool image = s->rank == 4;

    *n = s->dim[0];
    *h = image ? s->dim[1] : 1;
    *w = s->dim[s->rank - 2];
    *c = s->dim[s->rank - 1];
}

static qn_shape make(int rank, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return rank == 4 ? qni_shape(4, n, h, w, c) : qni_shape(3, n, w, c);
}

static int reach(int size, int dilation) /* pixels that a filter spans */
{
    return (size - 1) * dilation + 1;
}

/* One axis of convolution: the output's size, and the padding before. */
static qn_status axis(const struct qni_problem *p, int a, int64_t in, int size, int stride, int dilation, int64_t *out,
                      int *before)
{
    const struct qni_conv *t = p->attr;
    int64_t after = 0, total;

    *before = 0;
    if (size < 1 || (int64_t)(size - 1) * dilation >= INT32_MAX || in > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: a filter of %d by dilation %d on an image axis of %" PRId64, p->op->name,
                         size, dilation, in);
    if (t->padding == QN_SAME) {
        *out = qni_ceil_div(in, stride);
        total = QNI_MAX((*out - 1) * stride + reach(size, dilation) - in, 0);
        *before = (int)(total / 2);
        return QN_OK;
    }
    if (t->padding == QN_EXPLICIT) {
        *before = t->pad[2 * a];
        after = t->pad[2 * a + 1];
    } else if (t->padding == QN_CAUSAL && a == 1) {
        *before = reach(size, dilation) - 1;
    }
    total = in + *before + after - reach(size, dilation);
    if (total < 0)
        return qni_error(QN_E_SHAPE,
                         "%s: a filter that spans %d does not fit an image axis of %" PRId64 " with padding %d, %d",
                         p->op->name, reach(size, dilation), in, *before, (int)after);
    *out = total / stride + 1;
    return QN_OK;
}

static qn_status axes(struct qni_conv_geometry *g, const struct qni_problem *p, bool image)
{
    struct qni_problem flat = *p;
    struct qni_conv t = *(const struct qni_conv *)p->attr;
    qn_status st;

    t.pad[0] = image ? t.pad[0] : 0;
    t.pad[1] = image ? t.pad[1] : 0;
    flat.attr = &t;
    if ((st = axis(&flat, 0, g->H, g->R, g->stride_h, g->dilation_h, &g->P, &g->top)))
        return st;
    return axis(&flat, 1, g->W, g->S, g->stride_w, g->dilation_w, &g->Q, &g->left);
}

static qn_status channels(struct qni_conv_geometry *g, const struct qni_problem *p, int64_t filter_c)
{
    if (g->C % g->groups || g->K % g->groups || g->C < 1 || g->K < 1 || g->C > INT32_MAX || g->K > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: %" PRId64 " and %" PRId64 " channels cannot be parted in %d groups",
                         p->op->name, g->C, g->K, g->groups);
    g->group_c = g->C / g->groups;
    g->group_k = g->K / g->groups;
    if (filter_c >= 0 && filter_c != g->group_c)
        return qni_error(QN_E_SHAPE,
                         "%s: the filter is made for %" PRId64 " channels, the image has %" PRId64 " in %d group%s",
                         p->op->name, filter_c, g->C, g->groups, g->groups == 1 ? "" : "s");
    return QN_OK;
}

static qn_status filter_size(struct qni_conv_geometry *g, const struct qni_problem *p, const qn_shape *w)
{
    const int64_t R = w->rank == 4 ? w->dim[0] : 1, S = w->dim[w->rank - 3];

    if (R < 1 || S < 1 || R > INT32_MAX || S > INT32_MAX)
        return qni_error(QN_E_SHAPE, "%s: a filter of %" PRId64 " x %" PRId64, p->op->name, R, S);
    g->R = (int)R;
    g->S = (int)S;
    return QN_OK;
}

static qn_status forward_geometry(struct qni_conv_geometry *g, const struct qni_problem *p)
{
    const qn_shape *x = &p->in[0].shape, *w = &p->in[1].shape;
    qn_status st;

    if ((st = ranks(p, &p->in[0], &p->in[1], "a filter [R,S,C,K] or [R,D,K]")) || (st = begin(g, p, x->rank)) ||
        (st = filter_size(g, p, w)))
        return st;
    take(x, &g->N, &g->H, &g->W, &g->C);
    g->K = w->dim[w->rank - 1];
    if ((st = channels(g, p, w->dim[w->rank - 2])))
        return st;
    return axes(g, p, x->rank == 4);
}

/* The image's size along an axis that a transposed convolution makes from an output's. */
static int64_t transposed(const struct qni_conv *t, int a, int64_t out, int size, int stride, int dilation)
{
    const int span = reach(size, dilation), extra = t->output_padding[a];

    if (t->padding == QN_SAME)
        return extra ? (out - 1) * stride + span - 2 * (span / 2) + extra : out * stride;
    if (t->padding == QN_EXPLICIT)
        return (out - 1) * stride + span - t->pad[2 * a] - t->pad[2 * a + 1] + extra;
    if (t->padding == QN_CAUSAL && a == 1)
        return (out - 1) * stride + 1 + extra;
    return extra ? (out - 1) * stride + span + extra : out * stride + QNI_MAX(span - stride, 0);
}

static qn_status data_geometry(struct qni_conv_geometry *g, const struct qni_problem *p)
{
    const qn_shape *y = &p->in[0].shape, *w = &p->in[1].shape;
    const bool shaped = p->inputs > 2 && !(p->absent & 4u), image = y->rank == 4;
    int64_t n = 0, c = 0, P, Q;
    qn_status st;

    if ((st = ranks(p, &p->in[0], &p->in[1], "a filter [R,S,C,K] or [R,D,K]")) || (st = begin(g, p, y->rank)) ||
        (st = filter_size(g, p, w)))
        return st;
    take(y, &g->N, &P, &Q, &g->K);
    g->C = w->dim[w->rank - 2] * g->groups;
    if ((st = channels(g, p, -1)))
        return st;
    if (w->dim[w->rank - 1] != g->K)
        return qni_error(QN_E_SHAPE, "%s: the filter makes %" PRId64 " channels, its result's gradient has %" PRId64,
                         p->op->name, w->dim[w->rank - 1], g->K);
    if (shaped) {
        if (p->in[2].shape.rank != y->rank)
            return qni_error(QN_E_SHAPE, "%s: the image's rank is %d, expected %d", p->op->name, p->in[2].shape.rank,
                             y->rank);
        take(&p->in[2].shape, &n, &g->H, &g->W, &c);
        if (n != g->N || c != g->C)
            return qni_error(QN_E_SHAPE,
                             "%s: the image has %" PRId64 " x %" PRId64 " channels, expected %" PRId64 " x %" PRId64,
                             p->op->name, n, c, g->N, g->C);
    } else {
        g->H = image ? transposed(p->attr, 0, P, g->R, g->stride_h, g->dilation_h) : 1;
        g->W = transposed(p->attr, 1, Q, g->S, g->stride_w, g->dilation_w);
    }
    if (g->H < 0 || g->W < 0)
        return qni_error(QN_E_SHAPE, "%s: padding leaves no image", p->op->name);
    if ((st = axes(g, p, image)))
        return st;
    if (g->P != P || g->Q != Q)
        return qni_error(QN_E_SHAPE,
                         "%s: an image of %" PRId64 " x %" PRId64 " gives %" PRId64 " x %" PRId64
                         ", the gradient is of %" PRId64 " x %" PRId64,
                         p->op->name, g->H, g->W, g->P, g->Q, P, Q);
    return QN_OK;
}

static qn_status filter_geometry(struct qni_conv_geometry *g, const struct qni_problem *p)
{
    const struct qni_conv *t = p->attr;
    const qn_shape *x = &p->in[0].shape, *y = &p->in[1].shape;
    const bool image = x->rank == 4;
    int64_t n, P, Q;
    qn_status st;

    if ((st = ranks(p, &p->in[0], &p->in[1], "a gradient")) || (st = begin(g, p, x->rank)))
        return st;
    g->R = image ? t->filter[0] : 1;
    g->S = t->filter[1];
    if (g->R < 1 || g->S < 1)
        return qni_error(QN_E_ARG, "%s: a filter of %d x %d", p->op->name, g->R, g->S);
    take(x, &g->N, &g->H, &g->W, &g->C);
    take(y, &n, &P, &Q, &g->K);
    if ((st = channels(g, p, -1)) || (st = axes(g, p, image)))
        return st;
    if (g->P != P || g->Q != Q || g->N != n)
        return qni_error(QN_E_SHAPE,
                         "%s: %" PRId64 " images give %" PRId64 " x %" PRId64 ", the gradient is of %" PRId64
                         " of %" PRId64 " x %" PRId64,
                         p->op->name, g->N, g->P, g->Q, n, P, Q);
    return QN_OK;
}

static qn_status geometry(struct qni_conv_geometry *g, const struct qni_problem *p)
{
    return p->op == &qni_op_conv2d                 ? forward_geometry(g, p)
           : p->op == &qni_op_conv2d_backward_data ? data_geometry(g, p)
                                                   : filter_geometry(g, p);
}

void qni_conv_geometry(struct qni_conv_geometry *out, const struct qni_problem *p)
{
    struct qni_problem own = *p;

    own.inputs -= qni_epilogue_operands(&p->epilogue);
    if (geometry(out, &own))
        memset(out, 0, sizeof(*out));
}

qn_status qni_conv_shape(struct qni_problem *p)
{
    struct qni_conv_geometry g;
    const int rank = p->in[0].shape.rank;
    qn_status st;

    if ((st = geometry(&g, p)))
        return st;
    p->out[0].dtype = p->in[0].dtype;
    if (p->op == &qni_op_conv2d)
        p->out[0].shape = make(rank, g.N, g.P, g.Q, g.K);
    else if (p->op == &qni_op_conv2d_backward_data)
        p->out[0].shape = make(rank, g.N, g.H, g.W, g.C);
    else
        p->out[0].shape = rank == 4 ? qni_shape(4, (int64_t)g.R, (int64_t)g.S, g.group_c, g.K)
                                    : qni_shape(3, (int64_t)g.S, g.group_c, g.K);
    return QN_OK;
}

/* ---- shared by the algorithms ---- */

static int common_divisor(int a, int b)
{
    return b ? common_divisor(b, a % b) : a;
}

int qni_conv_step(int stride, int dilation)
{
    return stride / common_divisor(stride, dilation);
}

struct qni_conv_operands qni_conv_operands(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;
    int i = p->inputs - qni_epilogue_operands(e);
    struct qni_conv_operands o = {0};

    o.bias = e->bias ? i++ : 0;
    o.residual = e->residual ? i++ : 0;
    o.aux = e->act_grad ? i : 0;
    return o;
}

bool qni_conv_epilogue(const struct qni_problem *p)
{
    return qni_act_pointwise(p->epilogue.act) && qni_act_by_result(p->epilogue.act_grad, p->epilogue.alpha);
}

void qni_conv_define_epilogue(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l)
{
    qni_define(r, l, "QN_BIAS", p->epilogue.bias);
    qni_define(r, l, "QN_RESIDUAL", p->epilogue.residual);
    qni_define(r, l, "QN_ACT", p->epilogue.act);
    qni_define(r, l, "QN_ACT_GRAD", p->epilogue.act_grad);
}

void qni_conv_work(const struct qni_problem *p, struct qni_launch *l)
{
    struct qni_conv_geometry g;
    uint64_t elements = 0;

    qni_conv_geometry(&g, p);
    for (int i = 0; i < p->inputs; i++)
        elements += p->absent >> i & 1 ? 0 : (uint64_t)qni_elements(&p->in[i].shape);
    elements += (uint64_t)qni_elements(&p->out[0].shape);
    qni_work(l, 2 * (uint64_t)(g.N * g.P * g.Q) * (uint64_t)(g.K * g.group_c) * (uint64_t)g.R * (uint64_t)g.S,
             elements * qn_dtype_bytes(p->in[0].dtype));
}
