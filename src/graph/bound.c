/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A program's own tensors as a plan's inputs and results: read and written where they are. */
#include "graph/passes.h"

qn_status qni_bound_check(const struct qn_tensor *t, const qn_device *dev, qn_dtype dtype, const qn_shape *shape)
{
    char a[160], b[160];

    if (t->dtype != dtype || !qni_shape_equal(&t->shape, shape))
        return qni_error(QN_E_SHAPE, "the tensor is %s %s, expected %s %s", qn_dtype_name(t->dtype),
                         qni_shape_text(&t->shape, a, sizeof(a)), qn_dtype_name(dtype),
                         qni_shape_text(shape, b, sizeof(b)));
    if (t->storage->dev->context != dev->context)
        return qni_error(QN_E_ARG, "the tensor is on another device");
    return QN_OK;
}

struct qni_bind qni_bound_place(const struct qn_tensor *t)
{
    return (struct qni_bind){ t->storage->mem, t->storage->offset + t->offset };
}

qn_status qni_bound_input(struct qni_plan_input *in, const qn_device *dev, const struct qn_tensor *t)
{
    qn_status st = qni_bound_check(t, dev, in->dtype, &in->shape);

    if (st)
        return st;
    in->bound = true;
    in->offset = t->offset;
    for (int s = 0; s < QNI_PLAN_SLOTS; s++)
        in->storage[s] = qni_storage_retain(t->storage);
    return QN_OK;
}

/* The value that a chain of views begins with. */
static qn_val viewed(const qn_graph *g, qn_val v)
{
    const struct qni_value *x = qni_value_get(g, v);

    while (x && x->kind == QNI_VALUE_NODE && g->node[x->node].op->flags & QNI_OP_VIEW) {
        v.id = g->node[x->node].in[0];
        x = qni_value_get(g, v);
    }
    return v;
}

void qni_bound_results(qn_graph *g, const struct qni_plan_request *rq, qn_val *root, size_t roots)
{
    for (size_t i = 0; rq->output_tensor && i < roots && !g->status; i++) {
        const qn_val base = viewed(g, root[i]);
        const struct qni_value *v = qni_value_get(g, base);
        bool alone = v && v->kind == QNI_VALUE_NODE && !v->gradient_of;

        for (size_t k = 0; k < roots && alone; k++)
            alone = k == i || viewed(g, root[k]).id != base.id;
        if (rq->output_tensor[i] && !alone)
            root[i] = qn_graph_identity(g, root[i]);
    }
}
