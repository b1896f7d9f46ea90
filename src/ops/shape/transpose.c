/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Axes in another order. Most permutations are, once neighbours are merged, a
 * batch of matrices turned over: those go by tiles. The rest, and those whose
 * last axis stays last, are strided copies. */
#include "ops/shape/shape.h"

static qn_status shape(struct qni_problem *p)
{
    const struct qni_transpose *t = p->attr;
    const qn_shape *x = &p->in[0].shape;
    uint32_t seen = 0;
    char text[160];

    p->outputs = 1;
    p->out[0].dtype = p->in[0].dtype;
    p->out[0].shape.rank = x->rank;
    for (int a = 0; a < x->rank && t->rank == x->rank; a++) {
        if (t->from[a] < 0 || t->from[a] >= x->rank)
            break;
        seen |= 1u << t->from[a];
        p->out[0].shape.dim[a] = x->dim[t->from[a]];
    }
    if (t->rank != x->rank || seen != (1u << x->rank) - 1u)
        return qni_error(QN_E_SHAPE, "transpose of %s needs each of its axes once", qni_shape_text(x, text, sizeof(text)));
    return QN_OK;
}

static qn_status grad(struct qni_grad *c)
{
    const struct qni_transpose *t = c->attr;
    struct qni_transpose back = { .rank = t->rank };
    qn_val dy = qni_grad_dy(c, 0);

    for (int a = 0; a < t->rank; a++)
        back.from[t->from[a]] = a;
    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0, qni_node_add(c->g, &qni_op_transpose, &back, &dy, 1, NULL));
    return QN_OK;
}

static void as_copy(const struct qni_problem *p, struct qni_copy *c)
{
    const struct qni_transpose *t = p->attr;
    int64_t stride[QN_MAX_RANK];

    memset(c, 0, sizeof(*c));
    qni_strides(&p->in[0].shape, stride);
    qni_strides(&p->out[0].shape, c->out_stride);
    c->rank = t->rank;
    for (int a = 0; a < t->rank; a++) {
        c->dim[a] = p->out[0].shape.dim[a];
        c->in_stride[a] = stride[t->from[a]];
    }
}

/* Is it [A, M, N] to [A, N, M], with matrices worth a tile? */
static bool as_matrices(const struct qni_problem *p, int64_t *a, int64_t *m, int64_t *n)
{
    struct qni_copy c, s;

    as_copy(p, &c);
    qni_copy_simplify(&c, &s); /* innermost first: M, N, A of the result */
    if (s.rank < 2 || s.rank > 3 || s.in_stride[1] != 1)
        return false;
    *m = s.dim[0];
    *n = s.dim[1];
    *a = s.rank == 3 ? s.dim[2] : 1;
    return s.in_stride[0] == *n && (s.rank == 2 || s.in_stride[2] == *m * *n) && *m >= 4 && *n >= 4;
}

static bool tile_applies(const struct qni_problem *p)
{
    int64_t a, m, n;

    return qni_elements(&p->out[0].shape) > 0 && as_matrices(p, &a, &m, &n);
}

static bool group_applies(const struct qni_problem *p)
{
    return tile_applies(p) && p->caps->group_items >= 256;
}

static void emit_tiles(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    int64_t a = 0, m = 0, n = 0;
    struct qni_launch *l = qni_launch_add(r, vector ? "shape/transpose_vector" : "shape/transpose_group",
                                          vector ? "transpose_vector" : "transpose_group");
    qn_dtype d = p->in[0].dtype;

    as_matrices(p, &a, &m, &n);
    qni_define(r, l, "QN_BYTES", (int64_t)qn_dtype_bytes(d));
    qni_in(r, l, 0, d);
    qni_out(r, l, 0, d);
    qni_i64(r, l, m);
    qni_i64(r, l, n);
    if (vector) {
        int64_t bands = qni_ceil_div(m, 16), run = QNI_MAX(1, qni_ceil_div(16384, 16 * n));

        qni_i64(r, l, a * bands);
        qni_i64(r, l, run);
        qni_grid(r, l, 1, (int64_t[]){ qni_ceil_div(a * bands, run) }, NULL);
    } else {
        int64_t tiles = qni_ceil_div(n, 32);

        qni_i64(r, l, tiles);
        qni_i64(r, l, qni_ceil_div(m, 32));
        qni_grid(r, l, 2, (int64_t[]){ a * tiles * qni_ceil_div(m, 32), 1 }, (int64_t[]){ 32, 8 });
    }
    qni_work(l, 0, 2 * (uint64_t)(a * m * n) * qn_dtype_bytes(d));
}

static void emit_vector_tiles(const struct qni_problem *p, struct qni_recorder *r) { emit_tiles(p, r, true); }
static void emit_group_tiles(const struct qni_problem *p, struct qni_recorder *r) { emit_tiles(p, r, false); }

static void emit_strided(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_copy c;

    as_copy(p, &c);
    qni_copy_emit(p, r, 0, 0, &c, p->caps->shape == QNI_CPU_SHAPED);
}

static const struct qni_algo tile_vector = {
    .name = "tile_vector", .applies = tile_applies, .emit = emit_vector_tiles, .cpu = true };
static const struct qni_algo tile_group = {
    .name = "tile_group", .applies = group_applies, .emit = emit_group_tiles, .gpu = true };
static const struct qni_algo strided = { .name = "strided", .applies = qni_shape_applies, .emit = emit_strided };
static const struct qni_algo *const algos[] = { &tile_group, &tile_vector, &strided, NULL };

const struct qni_op qni_op_transpose = {
    .name = "transpose", .family = "shape", .attr_bytes = sizeof(struct qni_transpose), .min_inputs = 1,
    .max_inputs = 1, .outputs = 1, .shape = shape, .grad = grad, .algos = algos, .tests = qni_shape_tests,
    .dtypes = QNI_SHAPE_DTYPES,
};

/* ---- level 2 ---- */

qn_val qn_graph_transpose(qn_graph *g, qn_val x, const int *axes, int n)
{
    const struct qni_value *v = qni_value_get(g, x);
    struct qni_transpose t = { 0 };

    if (!v)
        return (qn_val){ 0 };
    t.rank = v->shape.rank;
    if (n && n != t.rank)
        return qni_graph_fail(g, qni_error(QN_E_SHAPE, "transpose of a value with %d axes by %d", t.rank, n));
    for (int a = 0; a < t.rank; a++)
        if ((t.from[a] = n ? qni_axis(axes[a], t.rank) : t.rank - 1 - a) < 0)
            return qni_graph_fail(g, QN_E_SHAPE);
    return qni_node_add(g, &qni_op_transpose, &t, &x, 1, NULL);
}
