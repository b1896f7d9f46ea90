/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Around recurrent layers: both directions, cells of one's own, layers applied to every step. */
#include <stdio.h>

#include "layer/types.h"

#define NONE ((qn_val){ 0 })

/* ---- both directions ---- */

static qn_val merged(qn_model *m, const qn_val both[2], qn_merge merge)
{
    switch (merge) {
    case QN_MERGE_CONCAT: return qn_concatenate(m, both, 2, NULL);
    case QN_MERGE_SUM: return qn_add(m, both, 2);
    case QN_MERGE_MUL: return qn_multiply(m, both, 2);
    case QN_MERGE_AVE: return qn_average(m, both, 2);
    case QN_MERGE_NONE: return both[0];
    }
    return qni_layer_fail(m, qni_error(QN_E_ARG, "there is no way %d to merge", (int)merge));
}

qn_val qn_bidirectional(qn_model *m, qn_val x, qn_rnn_layer *layer, const qn_rnn_opt *opt, qn_merge merge, qn_val both[2])
{
    static const qn_rnn_opt defaults;
    qn_rnn_opt one = opt ? *opt : defaults;
    qn_val made[2] = { NONE, NONE };
    char name[128], reuse[128];
    int given = 0, half;

    if (both)
        both[0] = both[1] = NONE;
    if (!m || m->g->status)
        return NONE;
    if (!layer)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "bidirectional: layer is NULL"));
    if ((one.name && strlen(one.name) > 100) || (one.reuse && strlen(one.reuse) > 100))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "bidirectional: a name is longer than 100 bytes"));
    while (given < 4 && one.initial_state[given].id)
        given++;
    half = given / 2;
    one.zero_output = one.return_sequences;
    one.time_order = true;
    for (int i = 0; i < 2; i++) {
        const char *side = i ? "backward" : "forward";

        for (int k = 0; k < 4; k++)
            one.initial_state[k] = opt && k < half ? opt->initial_state[i * half + k] : NONE;
        snprintf(name, sizeof(name), "%s_%s", side, opt && opt->name ? opt->name : "");
        snprintf(reuse, sizeof(reuse), "%s_%s", side, opt && opt->reuse ? opt->reuse : "");
        one.name = opt && opt->name ? name : NULL;
        one.reuse = opt && opt->reuse ? reuse : NULL;
        one.go_backwards = (opt && opt->go_backwards) != (i == 1);
        made[i] = layer(m, x, &one);
    }
    if (m->g->status)
        return NONE;
    if (both)
        memcpy(both, made, sizeof(made));
    return merged(m, made, merge);
}

/* ---- a cell of one's own ---- */

struct unrolled {
    qn_model *m;
    const qn_cell *cell;
    qn_val x, mask, state[QN_MAX_CELL_STATES], y;
    int64_t T;
};

static qn_val zeros(qn_model *m, qn_val x, const qn_shape *s, int64_t units)
{
    const int64_t start[QN_MAX_RANK] = { 0 };
    int64_t stop[QN_MAX_RANK] = { INT64_MAX };
    qn_val one;

    for (int i = 1; i < s->rank; i++)
        stop[i] = 1;
    one = qn_graph_reshape(m->g, qn_graph_slice(m->g, x, s->rank, start, stop, NULL), 2, (const int64_t[]){ -1, 1 });
    return qn_graph_fill_like(m->g, qn_graph_repeat(m->g, one, 1, units), QN_F32, 0.0f);
}

/* Step t of [N,T,..]. */
static qn_val at_step(qn_model *m, qn_val v, int64_t t)
{
    return qn_graph_squeeze(m->g, qn_graph_slice(m->g, v, 2, (const int64_t[]){ 0, t },
                                                 (const int64_t[]){ INT64_MAX, t + 1 }, NULL), 1);
}

/* The mask [N] of a step with axes of size 1 behind it, as many as v has. */
static qn_val chosen(struct unrolled *u, qn_val on, qn_val v, qn_val otherwise)
{
    const int rank = qni_value_shape(u->m->g, v).rank;

    for (int i = 1; i < rank; i++)
        on = qn_graph_expand_dims(u->m->g, on, i);
    return qn_graph_where(u->m->g, on, v, otherwise);
}

static qn_val one_step(struct unrolled *u, int number)
{
    const int64_t t = u->cell->go_backwards ? u->T - 1 - number : number;
    qn_val next[QN_MAX_CELL_STATES] = { { 0 } }, on, y;
    qn_model *m = u->m;

    y = u->cell->step(m, at_step(m, u->x, t), u->state, next, number, u->cell->user);
    if (m->g->status)
        return NONE;
    for (int i = 0; i < u->cell->states; i++)
        if (!next[i].id)
            return qni_layer_fail(m, qni_error(QN_E_ARG, "rnn: the cell gave no state %d", i));
    if (u->mask.id) {
        on = at_step(m, u->mask, t);
        if (!u->y.id || u->cell->zero_output)
            u->y = qn_graph_fill_like(m->g, y, QN_F32, 0.0f);
        y = chosen(u, on, y, u->y);
        for (int i = 0; i < u->cell->states; i++)
            next[i] = chosen(u, on, next[i], u->state[i]);
    }
    memcpy(u->state, next, sizeof(next));
    return u->y = y;
}

static bool check_cell(qn_model *m, const qn_cell *c)
{
    qn_status st = QN_OK;

    if (!c || !c->step || c->states < 1 || c->states > QN_MAX_CELL_STATES)
        st = qni_error(QN_E_ARG, "rnn: a cell has a step function and 1 to %d states", QN_MAX_CELL_STATES);
    for (int i = 0; !st && i < c->states; i++)
        if (c->units[i] < 1)
            st = qni_error(QN_E_ARG, "rnn: state %d has %d units", i, c->units[i]);
    for (int i = 0; !st && i < 4; i++)
        if (c->reserved[i])
            st = qni_error(QN_E_ARG, "reserved[%d] of the cell is not zero", i);
    if (st)
        qni_layer_fail(m, st);
    return !st;
}

qn_val qn_rnn(qn_model *m, qn_val x, const qn_cell *cell, qn_val *last)
{
    struct unrolled u = { .m = m, .cell = cell, .x = x };
    qn_val *y = NULL, all = NONE;
    qn_shape s;
    qn_status st;

    if (!m || m->g->status)
        return NONE;
    qn_model_graph(m);
    if (!check_cell(m, cell) || !qni_layer_rank(m, x, 3, QN_MAX_RANK, &s) || !(u.T = qni_layer_axis(m, &s, 1)))
        return NONE;
    u.mask = qni_layer_mask(m, x);
    for (int i = 0; i < cell->states; i++)
        u.state[i] = cell->initial_state[i].id ? cell->initial_state[i] : zeros(m, x, &s, cell->units[i]);
    if ((st = qni_calloc(m->ctx, &y, (size_t)u.T, sizeof(*y))))
        return qni_layer_fail(m, st);
    for (int64_t t = 0; t < u.T && !m->g->status; t++) {
        y[t] = one_step(&u, (int)t);
        /* Joined as it grows: a node has few inputs. */
        if (cell->return_sequences && !m->g->status) {
            const qn_val now = qn_graph_expand_dims(m->g, y[t], 1);

            all = t ? qn_graph_concat(m->g, (const qn_val[]){ all, now }, 2, 1) : now;
        }
    }
    qni_free(m->ctx, &y);
    if (m->g->status)
        return NONE;
    if (last)
        memcpy(last, u.state, (size_t)cell->states * sizeof(*last));
    if (!cell->return_sequences)
        return u.y;
    if (u.mask.id)
        qni_layer_mask_set(m, all, u.mask);
    return all;
}

/* ---- layers applied to every step ---- */

struct steps_opt { int steps; };

static const struct qni_field no_fields[] = { { 0 } };
static const struct qni_field steps_fields[] = { { "steps", QNI_FIELD_INT, offsetof(struct steps_opt, steps) }, { 0 } };

/* [N,T,..] to [N*T,..] */
static qn_val build_fold(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    int64_t dim[QN_MAX_RANK] = { -1 };
    qn_shape s;

    (void)l;
    (void)n;
    if (!qni_layer_rank(m, in[0], 3, QN_MAX_RANK, &s))
        return NONE;
    for (int i = 2; i < s.rank; i++)
        if (!(dim[i - 1] = qni_layer_axis(m, &s, i)))
            return NONE;
    return qn_graph_reshape(m->g, in[0], s.rank - 1, dim);
}

/* [N*T,..] to [N,T,..] */
static qn_val build_unfold(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct steps_opt *o = l->opt;
    int64_t dim[QN_MAX_RANK] = { -1, o->steps };
    qn_val y;
    qn_shape s;

    if (o->steps < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "steps is %d, expected 1 or more", o->steps));
    if (!qni_layer_rank(m, in[0], 1, QN_MAX_RANK - 1, &s))
        return NONE;
    for (int i = 1; i < s.rank; i++)
        if (!(dim[i + 1] = qni_layer_axis(m, &s, i)))
            return NONE;
    y = qn_graph_reshape(m->g, in[0], s.rank + 1, dim);
    if (n > 1 && qni_layer_mask(m, in[1]).id)
        qni_layer_mask_set(m, y, qni_layer_mask(m, in[1]));
    return y;
}

const struct qni_layer_type qni_layer_fold_steps = {
    .name = "fold_steps", .title = "FoldSteps", .opt_bytes = sizeof(struct steps_opt), .name_offset = SIZE_MAX,
    .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = no_fields, .build = build_fold,
};
const struct qni_layer_type qni_layer_unfold_steps = {
    .name = "unfold_steps", .title = "UnfoldSteps", .opt_bytes = sizeof(struct steps_opt), .name_offset = SIZE_MAX,
    .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = steps_fields, .build = build_unfold,
};

qn_val qn_time_distributed(qn_model *m, qn_val x, qn_val (*step)(qn_model *m, qn_val x, void *user), void *user)
{
    struct steps_opt o = { 0 };
    qn_val folded, made;
    qn_shape s;
    int64_t T;

    if (!m || m->g->status)
        return NONE;
    if (!step)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "time_distributed: step is NULL"));
    if (!qni_layer_rank(m, x, 3, QN_MAX_RANK, &s) || !(T = qni_layer_axis(m, &s, 1)))
        return NONE;
    o.steps = (int)QNI_MIN(T, INT32_MAX);
    folded = qni_layer_add(m, &qni_layer_fold_steps, &o, &x, 1);
    made = step(m, folded, user);
    return qni_layer_add(m, &qni_layer_unfold_steps, &o, (const qn_val[]){ made, x }, 2);
}
