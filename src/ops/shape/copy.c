/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Strided copies and fills. */
#include "ops/shape/shape.h"

#define LEAST_RUN 16384 /* elements of a work-item on a CPU */

const char *const qni_shape_tests[] = { "op/shape", "grad/math", NULL };

bool qni_shape_applies(const struct qni_problem *p)
{
    return qni_epilogue_empty(&p->epilogue);
}

int qni_axis(int axis, int rank)
{
    if (axis < -rank || axis >= rank) {
        qni_error(QN_E_SHAPE, "axis %d of a value with %d axes", axis, rank);
        return -1;
    }
    return axis < 0 ? axis + rank : axis;
}

void qni_strides(const qn_shape *shape, int64_t *stride)
{
    int64_t s = 1;

    for (int a = shape->rank - 1; a >= 0; a--) {
        stride[a] = s;
        s *= shape->dim[a];
    }
}

void qni_copy_simplify(const struct qni_copy *c, struct qni_copy *out)
{
    int n = 0;

    *out = (struct qni_copy){ .in_at = c->in_at, .out_at = c->out_at };
    for (int a = c->rank - 1; a >= 0; a--) {
        if (c->dim[a] == 1)
            continue;
        if (n && c->in_stride[a] == out->in_stride[n - 1] * out->dim[n - 1] &&
            c->out_stride[a] == out->out_stride[n - 1] * out->dim[n - 1]) {
            out->dim[n - 1] *= c->dim[a];
            continue;
        }
        out->dim[n] = c->dim[a];
        out->in_stride[n] = c->in_stride[a];
        out->out_stride[n++] = c->out_stride[a];
    }
    if (!n) {
        out->dim[0] = out->in_stride[0] = out->out_stride[0] = 1;
        n = 1;
    }
    out->rank = n;
}

static void emit_vector(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l, const struct qni_copy *c,
                        int64_t n)
{
    int64_t columns = c->dim[0], rows = n / columns;
    int64_t run = QNI_MAX(LEAST_RUN, n / (4 * (int64_t)p->caps->units));
    int64_t column_run = rows == 1 || columns > run ? qni_round_up(run, 64) : columns;
    int64_t row_run = column_run < columns ? 1 : QNI_MAX(1, run / columns);

    qni_i32(r, l, c->rank);
    qni_i64(r, l, rows);
    qni_i64(r, l, columns);
    qni_i64(r, l, c->in_stride[0]);
    qni_i64(r, l, c->out_stride[0]);
    qni_i64(r, l, row_run);
    qni_i64(r, l, column_run);
    for (int a = 1; a < 8; a++)
        qni_i64(r, l, c->dim[a]);
    for (int a = 1; a < 9; a++)
        qni_i64(r, l, c->in_stride[a]);
    for (int a = 1; a < 9; a++)
        qni_i64(r, l, c->out_stride[a]);
    qni_grid(r, l, 2, (int64_t[]){ qni_ceil_div(columns, column_run), qni_ceil_div(rows, row_run) }, NULL);
}

static void emit_group(const struct qni_problem *p, struct qni_recorder *r, struct qni_launch *l, const struct qni_copy *c,
                       int64_t n)
{
    int64_t local = QNI_MIN(256, (int64_t)p->caps->group_items);
    int64_t groups = QNI_MIN(qni_ceil_div(n, local), 64 * (int64_t)QNI_MAX(p->caps->units, 16));

    qni_define_text(r, l, "QN_INDEX", n < INT32_MAX ? "uint" : "long");
    qni_i32(r, l, c->rank);
    qni_i64(r, l, n);
    qni_i64(r, l, groups * local);
    for (int a = 0; a < 8; a++)
        qni_i64(r, l, c->dim[a]);
    for (int a = 0; a < 9; a++)
        qni_i64(r, l, c->in_stride[a]);
    for (int a = 0; a < 9; a++)
        qni_i64(r, l, c->out_stride[a]);
    qni_grid(r, l, 1, (int64_t[]){ groups }, (int64_t[]){ local });
}

void qni_copy_emit(const struct qni_problem *p, struct qni_recorder *r, int input, int output, const struct qni_copy *copy,
                   bool vector)
{
    const char *name = vector ? "copy_vector" : "copy_group";
    qn_dtype d = p->in[input].dtype;
    struct qni_copy c;
    struct qni_launch *l;
    int64_t n = 1;

    for (int a = 0; a < copy->rank; a++)
        n *= copy->dim[a];
    if (!n)
        return;
    qni_copy_simplify(copy, &c);
    l = qni_launch_add(r, vector ? "shape/copy_vector" : "shape/copy_group", name);
    qni_define(r, l, "QN_BYTES", (int64_t)qn_dtype_bytes(d));
    qni_in_at(r, l, input, d, c.in_at);
    qni_out_at(r, l, output, d, c.out_at);
    if (vector)
        emit_vector(p, r, l, &c, n);
    else
        emit_group(p, r, l, &c, n);
    qni_work(l, 0, 2 * (uint64_t)n * qn_dtype_bytes(d));
}

/* To nearest, ties to even. */
static uint32_t half_bits(uint32_t u)
{
    uint32_t sign = u >> 16 & 0x8000u, e = u >> 23 & 0xffu, m = u & 0x7fffffu, h;
    int shift;

    if (e == 255)
        return sign | 0x7c00u | (m ? 0x200u : 0u);
    if (e > 142)
        return sign | 0x7c00u;
    if (e < 102)
        return sign;
    shift = e < 113 ? 126 - (int)e : 13;
    m |= 0x800000u;
    h = m >> shift;
    m &= (1u << shift) - 1u;
    if (m > 1u << (shift - 1) || (m == 1u << (shift - 1) && (h & 1u)))
        h++;
    return sign | (e < 113 ? h : h + ((e - 113u) << 10));
}

/* The bits of a number in a dtype. */
static int64_t bits_of(qn_dtype d, double value)
{
    float f = (float)value;
    uint32_t u;

    memcpy(&u, &f, sizeof(u));
    switch (d) {
    case QN_F32: return (int64_t)u;
    case QN_BF16: return (int64_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
    case QN_F16: return (int64_t)half_bits(u);
    case QN_I32:
    case QN_I64:
    case QN_U8: break;
    }
    return (int64_t)value;
}

void qni_fill_emit(const struct qni_problem *p, struct qni_recorder *r, int output, double value, bool vector)
{
    qn_dtype d = p->out[output].dtype;
    int64_t n = qni_elements(&p->out[output].shape);
    int64_t local = vector ? 1 : QNI_MIN(256, (int64_t)p->caps->group_items);
    int64_t run = QNI_MAX(LEAST_RUN, n / (4 * (int64_t)p->caps->units)), groups = qni_ceil_div(n, run);
    struct qni_launch *l;

    if (!n)
        return;
    if (!vector) {
        groups = QNI_MIN(qni_ceil_div(n, local), 64 * (int64_t)QNI_MAX(p->caps->units, 16));
        run = groups * local;
    }
    l = qni_launch_add(r, "shape/fill", "fill");
    qni_define(r, l, "QN_BYTES", (int64_t)qn_dtype_bytes(d));
    qni_out(r, l, output, d);
    qni_i64(r, l, n);
    qni_i64(r, l, run);
    qni_i64(r, l, bits_of(d, value));
    qni_grid(r, l, 1, (int64_t[]){ groups }, (int64_t[]){ local });
    qni_work(l, 0, (uint64_t)n * qn_dtype_bytes(d));
}
