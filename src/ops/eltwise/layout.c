/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Which way each input is read: axes along which nothing changes are merged first. Axes of one are left out, but for the first:
 * it may be the batch, and a batch of one is to have the kernel that other batches have. */
#include "ops/eltwise/kernel.h"

static void mark_read(const struct qni_eltwise *e, struct qni_elt_layout *l)
{
    for (int j = 0; j < e->codes; j++)
        for (int n = 0; n < qni_elt_info(e->code[j].kind)->arity; n++)
            if (e->code[j].operand[n] < QNI_ELT_IN)
                l->mode[e->code[j].operand[n]] = QNI_ELT_FULL;
    for (int o = 0; o < e->outputs; o++)
        if (e->out[o] < QNI_ELT_IN)
            l->mode[e->out[o]] = QNI_ELT_FULL;
}

static void input_strides(const qn_shape *in, const qn_shape *out, const int *axis, int axes, int64_t *stride)
{
    int64_t whole[QN_MAX_RANK], s = 1;

    for (int a = out->rank - 1; a >= 0; a--) {
        int i = a - (out->rank - in->rank);

        whole[a] = i < 0 || (in->dim[i] == 1 && (a > 0 || out->dim[0] != 1)) ? 0 : s;
        s *= i < 0 ? 1 : in->dim[i];
    }
    for (int a = 0; a < axes; a++)
        stride[a] = whole[axis[a]];
}

static bool mergeable(const struct qni_elt_layout *l, int inputs, int a, int b)
{
    for (int i = 0; i < inputs; i++)
        if (l->mode[i] != QNI_ELT_UNREAD && l->stride[i][a] != l->stride[i][b] * l->dim[b])
            return false;
    return true;
}

static void merge(struct qni_elt_layout *l, int inputs, int axes)
{
    int last = 0;

    for (int a = 1; a < axes; a++) {
        if (mergeable(l, inputs, last, a)) {
            l->dim[last] *= l->dim[a];
        } else {
            last++;
            l->dim[last] = l->dim[a];
        }
        for (int i = 0; i < inputs; i++)
            l->stride[i][last] = l->stride[i][a];
    }
    l->rank = last + 1;
}

static enum qni_elt_mode mode_of(const struct qni_elt_layout *l, const int64_t *stride)
{
    bool full = true, scalar = true;
    int64_t whole = 1;

    for (int a = l->rank - 1; a >= 0; a--) {
        full = full && stride[a] == whole;
        scalar = scalar && stride[a] == 0;
        whole *= l->dim[a];
    }
    return full ? QNI_ELT_FULL : scalar ? QNI_ELT_SCALAR : stride[l->rank - 1] ? QNI_ELT_VECTOR : QNI_ELT_SPLAT;
}

void qni_elt_lay_out(const struct qni_eltwise *e, const struct qni_desc *in, const qn_shape *out, struct qni_elt_layout *l)
{
    int axis[QN_MAX_RANK], axes = 0;

    memset(l, 0, sizeof(*l));
    mark_read(e, l);
    for (int a = 0; a < out->rank; a++)
        if (a == 0 || out->dim[a] != 1) {
            l->dim[axes] = out->dim[a];
            axis[axes++] = a;
        }
    for (int i = 0; i < e->inputs; i++)
        if (l->mode[i] != QNI_ELT_UNREAD)
            input_strides(&in[i].shape, out, axis, axes, l->stride[i]);
    if (!axes) {
        l->dim[0] = 1;
        axes = 1;
    }
    merge(l, e->inputs, axes);
    for (int i = 0; i < e->inputs; i++)
        if (l->mode[i] != QNI_ELT_UNREAD) {
            l->mode[i] = mode_of(l, l->stride[i]);
            l->strided = l->strided || l->mode[i] == QNI_ELT_VECTOR || l->mode[i] == QNI_ELT_SPLAT;
        }
}

bool qni_elt_is_strided(const struct qni_elt_layout *l, int i)
{
    return l->mode[i] == QNI_ELT_VECTOR || l->mode[i] == QNI_ELT_SPLAT;
}
