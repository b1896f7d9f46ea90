/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/graph.h"
#include "ops/act.h"
#include "ops/gemm/gemm.h"

static const char *const tests[] = {"op/gemm", NULL};

/* ---- shapes ---- */

static int64_t product(const qn_shape *s, int from, int to)
{
    int64_t n = 1;

    for (int i = from; i < to; i++)
        n *= s->dim[i];
    return n;
}

/* The last two axes, or with flat all but the last as rows. */
static void matrix(const qn_shape *s, bool flat, int64_t *rows, int64_t *columns)
{
    *columns = s->dim[s->rank - 1];
    *rows = flat ? product(s, 0, s->rank - 1) : s->dim[s->rank - 2];
}

/* The batch's axes: those of the operand that has more than one matrix. */
static const qn_shape *batch_shape(const qn_shape *a, const qn_shape *b)
{
    const int64_t na = product(a, 0, a->rank - 2), nb = product(b, 0, b->rank - 2);

    if (na == nb)
        return a->rank >= b->rank ? a : b;
    return na == 1 ? b : a;
}

static bool same_batch(const qn_shape *a, const qn_shape *b)
{
    if (product(a, 0, a->rank - 2) == 1 || product(b, 0, b->rank - 2) == 1)
        return true;
    for (int i = 0; i < a->rank - 2 && a->rank == b->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return a->rank == b->rank;
}

static qn_status check_operands(const struct qni_problem *p)
{
    for (int i = 0; i < 2; i++) {
        if (p->in[i].dtype != QN_F32)
            return qni_error(QN_E_UNSUPPORTED, "%s: operand %d is %s, expected f32", p->op->name, i,
                             qn_dtype_name(p->in[i].dtype));
        if (p->in[i].shape.rank < 2)
            return qni_error(QN_E_SHAPE, "%s: operand %d has %d axes, expected 2 or more", p->op->name, i,
                             p->in[i].shape.rank);
    }
    return QN_OK;
}

static qn_status shape(struct qni_problem *p)
{
    const struct qni_matmul *t = p->attr;
    const qn_shape *a = &p->in[0].shape, *b = &p->in[1].shape;
    int64_t rows_a, columns_a, rows_b, columns_b;
    char text_a[160], text_b[160];
    struct qni_desc *out = &p->out[0];
    qn_shape *s = &out->shape;
    qn_status st;

    if ((st = check_operands(p)))
        return st;
    matrix(a, t->flat, &rows_a, &columns_a);
    matrix(b, t->flat, &rows_b, &columns_b);
    if ((t->transpose_a ? rows_a : columns_a) != (t->transpose_b ? columns_b : rows_b) ||
        (!t->flat && !same_batch(a, b)))
        return qni_error(QN_E_SHAPE, "%s: %s%s and %s%s do not fit", p->op->name,
                         qni_shape_text(a, text_a, sizeof(text_a)), t->transpose_a ? " transposed" : "",
                         qni_shape_text(b, text_b, sizeof(text_b)), t->transpose_b ? " transposed" : "");
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < t->lead; i++)
        s->dim[s->rank++] = 1;
    if (!t->flat && !t->sum_batch) {
        const qn_shape *batch = batch_shape(a, b);

        for (int i = 0; i < batch->rank - 2 && s->rank < QN_MAX_RANK; i++)
            s->dim[s->rank++] = batch->dim[i];
    }
    if (s->rank + 2 > QN_MAX_RANK)
        return qni_error(QN_E_SHAPE, "%s: the result has more than %d axes", p->op->name, QN_MAX_RANK);
    s->dim[s->rank++] = t->transpose_a ? columns_a : rows_a;
    s->dim[s->rank++] = t->transpose_b ? rows_b : columns_b;
    return QN_OK;
}

/* ---- numbers ---- */

void qni_gemm_numbers(struct qni_gemm *out, const struct qni_problem *p)
{
    const struct qni_matmul *t = p->attr;
    const qn_shape *a = &p->in[0].shape, *b = &p->in[1].shape;
    int64_t rows_a, columns_a, rows_b, columns_b, batch_a = 1, batch_b = 1;

    matrix(a, t->flat, &rows_a, &columns_a);
    matrix(b, t->flat, &rows_b, &columns_b);
    if (!t->flat) {
        batch_a = product(a, 0, a->rank - 2);
        batch_b = product(b, 0, b->rank - 2);
    }
    *out = (struct qni_gemm){.batch = batch_a == 1 ? batch_b : batch_a, .sums = 1, .lda = columns_a, .ldb = columns_b};
    out->ta = t->transpose_a;
    out->tb = t->transpose_b;
    if (batch_b == 1 && !t->transpose_a && !t->sum_batch) {
        /* One B serves all: the rows of every A are rows of one matrix. */
        rows_a *= batch_a;
        out->batch = 1;
        batch_a = 1;
    }
    out->M = t->transpose_a ? columns_a : rows_a;
    out->K = t->transpose_a ? rows_a : columns_a;
    out->N = t->transpose_b ? rows_b : columns_b;
    out->stride_a = batch_a == 1 ? 0 : rows_a * columns_a;
    out->stride_b = batch_b == 1 ? 0 : rows_b * columns_b;
    if (t->sum_batch) {
        out->sums = out->batch;
        out->batch = 1;
        if (!out->sums) {
            /* A sum of nothing is 0, as one product over no terms is. */
            out->sums = 1;
            out->K = 0;
        }
    }
}

bool qni_gemm_fits_int(const struct qni_gemm *g)
{
    const int64_t most = INT32_MAX - 65536;

    return g->M <= most && g->N <= most && g->K <= most && g->batch <= most && g->sums <= 65536;
}

bool qni_gemm_epilogue(const struct qni_problem *p)
{
    return qni_act_pointwise(p->epilogue.act) && qni_act_by_result(p->epilogue.act_grad, p->epilogue.alpha);
}

/* ---- gradient ----
 *
 * C = A B: dA = dC B', dB = A' dC, each written so that nothing is transposed in memory. */

static bool one_matrix(const struct qni_value *v)
{
    return product(&v->shape, 0, v->shape.rank - 2) == 1 && product(&v->shape2, 0, v->shape2.rank - 2) == 1;
}

static qn_val add(struct qni_grad *c, qn_val a, bool transpose_a, qn_val b, bool transpose_b,
                  const struct qni_matmul *more)
{
    struct qni_matmul t = *more;

    t.transpose_a = transpose_a;
    t.transpose_b = transpose_b;
    return qni_node_add(c->g, &qni_op_matmul, &t, (qn_val[]){a, b}, 2, NULL);
}

/* An operand of one matrix may have served a batch; then its gradient is the sum over that. Where the batch can be part
 * of the rows that are summed over anyway, it is one long product. */
static struct qni_matmul gather(const struct qni_value *operand, bool flat)
{
    struct qni_matmul t = {0};

    if (one_matrix(operand)) {
        t.flat = flat;
        t.sum_batch = !flat;
        t.lead = operand->shape.rank - 2;
    }
    return t;
}

static qn_status grad(struct qni_grad *c)
{
    const struct qni_matmul *t = c->attr;
    const qn_val a = qni_grad_in(c, 0), b = qni_grad_in(c, 1), dy = qni_grad_dy(c, 0);
    const struct qni_matmul for_a = gather(qni_value_get(c->g, a), false);
    const struct qni_matmul for_b = gather(qni_value_get(c->g, b), !t->transpose_a);

    if (t->flat || t->sum_batch || t->lead)
        return qni_error(QN_E_UNSUPPORTED, "matmul: the gradient of a gradient is not known");
    if (qni_grad_wants(c, 0))
        qni_grad_set(c, 0,
                     t->transpose_a ? add(c, b, t->transpose_b, dy, true, &for_a)
                                    : add(c, dy, false, b, !t->transpose_b, &for_a));
    if (qni_grad_wants(c, 1))
        qni_grad_set(c, 1,
                     t->transpose_b ? add(c, dy, true, a, t->transpose_a, &for_b)
                                    : add(c, a, !t->transpose_a, dy, false, &for_b));
    return c->g->status;
}

static const struct qni_algo *const algos[] = {
    &qni_gemm_cpu,     /* sizes below 2^31 */
    &qni_gemm_matrix_f16, /* the same where operands may be rounded, */
    &qni_gemm_matrix_bf16,
    &qni_gemm_matrix_tf32,
    &qni_gemm_matrix,  /* matrix instructions, where the self-test has passed it; not the smallest products */
    &qni_gemm_gpu,     /* sizes below 2^31; work-groups of 64 */
    &qni_gemm_clblast, /* by name only; no epilogue */
    &qni_gemm_simple,  /* always applies; keep it last */
    NULL};

const struct qni_op qni_op_matmul = {
    .flags = QNI_OP_EPILOGUE,
    .name = "matmul",
    .family = "gemm",
    .attr_bytes = sizeof(struct qni_matmul),
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .shape = shape,
    .grad = grad,
    .algos = algos,
    .tests = tests,
    .dtypes = "f32",
};
