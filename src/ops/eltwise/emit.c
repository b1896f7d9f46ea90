/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The kernel of an element-wise program. Its text depends on the instructions,
 * on each input's dtype and way of broadcasting, and on how many axes are left
 * after merging; sizes, strides and numbers that may vary are arguments.
 *
 *   vector     work-groups of one; a work-item runs over a block of rows and
 *              columns in vectors as wide as the device's; what is left of a
 *              row at its right end goes element by element through an array
 *   coalesced  work-groups of many; neighbours compute neighbouring elements
 *
 * Input 0 and output 0 may be the same memory, so no argument is restrict:
 * every element is read before it is written, by one work-item. */
#include "ops/eltwise/kernel.h"

#define LEAST_RUN 8192 /* elements of a work-item on a CPU: more than the cost of handing it out */

static void add_arguments(const struct qni_elt_writer *w, const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *k)
{
    const struct qni_eltwise *e = w->e;
    const struct qni_elt_layout *l = &w->layout;
    int64_t sample = 1;

    for (int i = 0; i < e->inputs; i++)
        if (l->mode[i] != QNI_ELT_UNREAD)
            qni_in(r, k, i, w->in[i]);
    for (int o = 0; o < e->outputs; o++)
        if (qni_elt_writes(w, o))
            qni_out(r, k, o, qni_elt_output_dtype(w, o));
    if (w->random) {
        for (int a = 1; a < p->out[0].shape.rank; a++)
            sample *= p->out[0].shape.dim[a];
        qni_step(r, k);
        qni_i32(r, k, sample);
    }
    for (int j = 0; j < e->codes; j++) {
        if (qni_elt_draws(e->code[j].kind))
            qni_i32(r, k, e->code[j].stream);
        if (qni_elt_takes_numbers(e->code[j].kind))
            qni_f32(r, k, e->code[j].alpha);
        if (e->code[j].kind == QNI_ELT_AFFINE)
            qni_f32(r, k, e->code[j].beta);
    }
    if (!l->strided)
        return;
    for (int a = 1; a < l->rank - 1; a++)
        qni_i64(r, k, l->dim[a]);
    for (int i = 0; i < e->inputs; i++)
        for (int a = 0; a < l->rank - 1 && qni_elt_is_strided(l, i); a++)
            qni_i64(r, k, l->stride[i][a]);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, int lanes)
{
    struct qni_elt_writer w = { .text.ctx = p->ctx, .e = p->attr, .unwanted = p->unwanted, .lanes = lanes };
    struct qni_launch *k;
    int64_t n = qni_elements(&p->out[0].shape), columns, rows;
    uint64_t bytes = 0;

    if (!n)
        return;
    for (int i = 0; i < p->inputs; i++)
        w.in[i] = p->in[i].dtype;
    if (!r->status)
        r->status = qni_elt_types(w.e, w.in, w.result);
    if (r->status)
        return;
    qni_elt_lay_out(w.e, p->in, &p->out[0].shape, &w.layout);
    columns = w.layout.dim[w.layout.rank - 1];
    rows = n / columns;
    qni_elt_write(&w);
    if (w.text.status) {
        r->status = w.text.status;
        goto done;
    }
    k = qni_launch_add_text(r, w.text.data, "eltwise");
    add_arguments(&w, p, r, k);
    if (lanes > 1) {
        int64_t run = QNI_MAX(LEAST_RUN, n / (4 * (int64_t)p->caps->units));
        int64_t column_run = rows == 1 || columns > run ? qni_round_up(run, 64) : columns;
        int64_t row_run = column_run < columns ? 1 : QNI_MAX(1, run / columns);

        qni_define_text(r, k, "QN_INDEX", "long");
        qni_i64(r, k, rows);
        qni_i64(r, k, columns);
        qni_i64(r, k, row_run);
        qni_i64(r, k, column_run);
        qni_grid(r, k, 2, (int64_t[]){ qni_ceil_div(columns, column_run), qni_ceil_div(rows, row_run) }, (int64_t[]){ 1, 1 });
    } else {
        int64_t local = QNI_MIN(256, (int64_t)p->caps->group_items);
        int64_t groups = QNI_MIN(qni_ceil_div(n, local), 64 * (int64_t)QNI_MAX(p->caps->units, 16));

        qni_define_text(r, k, "QN_INDEX", n < INT32_MAX ? "uint" : "long");
        qni_i64(r, k, n);
        qni_i64(r, k, columns);
        qni_i64(r, k, groups * local);
        qni_grid(r, k, 1, (int64_t[]){ groups }, (int64_t[]){ local });
    }
    for (int i = 0; i < p->inputs; i++)
        bytes += w.layout.mode[i] == QNI_ELT_UNREAD ? 0 : (uint64_t)qni_elements(&p->in[i].shape) * qn_dtype_bytes(w.in[i]);
    for (int o = 0; o < p->outputs; o++)
        bytes += qni_elt_writes(&w, o) ? (uint64_t)n * qn_dtype_bytes(p->out[o].dtype) : 0;
    qni_work(k, (uint64_t)n * (uint64_t)w.e->codes, bytes);
done:
    qni_text_free(&w.text);
}

bool qni_elt_fits(const struct qni_eltwise *e, const struct qni_desc *in, const qn_shape *out)
{
    struct qni_elt_layout l;
    int args = 4 + 2 * e->outputs + (qni_elt_random(e) ? 3 : 0);

    qni_elt_lay_out(e, in, out, &l);
    for (int i = 0; i < e->inputs; i++)
        args += l.mode[i] == QNI_ELT_UNREAD ? 0 : qni_elt_is_strided(&l, i) ? 2 + l.rank - 1 : 2;
    for (int j = 0; j < e->codes; j++)
        args += qni_elt_draws(e->code[j].kind) || e->code[j].kind == QNI_ELT_FILL ? 1 : e->code[j].kind == QNI_ELT_AFFINE ? 2 : 0;
    return args + (l.strided ? l.rank - 2 : 0) <= QNI_MAX_ARGS;
}

static bool applies(const struct qni_problem *p)
{
    (void)p;
    return true;
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, p->caps->vector >= 16 ? 16 : p->caps->vector >= 8 ? 8 : 4);
}

static void emit_coalesced(const struct qni_problem *p, struct qni_recorder *r)
{
    emit(p, r, 1);
}

const struct qni_algo qni_elt_vector = { .name = "vector", .applies = applies, .emit = emit_vector, .cpu = true };
const struct qni_algo qni_elt_coalesced = { .name = "coalesced", .applies = applies, .emit = emit_coalesced, .gpu = true };
