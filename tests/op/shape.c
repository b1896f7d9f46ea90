/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * References find, for every element of the result, the element of an input it must be: moving must be exact. */
#include <math.h>

#include "ops/shape/shape.h"
#include "optest.h"

static void index_of(const qn_shape *s, int64_t e, int64_t *index)
{
    for (int a = s->rank - 1; a >= 0; a--) {
        index[a] = e % s->dim[a];
        e /= s->dim[a];
    }
}

static int64_t element_of(const qn_shape *s, const int64_t *index)
{
    int64_t e = 0;

    for (int a = 0; a < s->rank; a++)
        e = e * s->dim[a] + index[a];
    return e;
}

static void ref_reshape(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++) {
        out[0][e] = in[0][e];
        scale[0][e] = 0;
    }
    terms[0] = 0;
}

static void ref_transpose(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_transpose *t = p->attr;
    int64_t i[QN_MAX_RANK], j[QN_MAX_RANK];

    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++) {
        index_of(&p->out[0].shape, e, i);
        for (int a = 0; a < t->rank; a++)
            j[t->from[a]] = i[a];
        out[0][e] = in[0][element_of(&p->in[0].shape, j)];
        scale[0][e] = 0;
    }
    terms[0] = 0;
}

static void ref_concat(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_concat *c = p->attr;
    int64_t i[QN_MAX_RANK];

    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++) {
        int k = 0;

        index_of(&p->out[0].shape, e, i);
        for (; i[c->axis] >= p->in[k].shape.dim[c->axis]; k++)
            i[c->axis] -= p->in[k].shape.dim[c->axis];
        out[0][e] = in[k][element_of(&p->in[k].shape, i)];
        scale[0][e] = 0;
    }
    terms[0] = 0;
}

/* The numbers of an axis that Python's slice names, by walking. */
static int64_t nth(const struct qni_slice *s, int a, int64_t size, int64_t n)
{
    int64_t at = s->start[a] < 0 ? s->start[a] + size : s->start[a];

    if (a >= s->axes)
        return n;
    if (s->step[a] < 0 && at > size - 1)
        at = size - 1;
    return at + n * s->step[a];
}

static void ref_slice(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    int64_t i[QN_MAX_RANK];

    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++) {
        index_of(&p->out[0].shape, e, i);
        for (int a = 0; a < p->out[0].shape.rank; a++)
            i[a] = nth(p->attr, a, p->in[0].shape.dim[a], i[a]);
        out[0][e] = in[0][element_of(&p->in[0].shape, i)];
        scale[0][e] = 0;
    }
    terms[0] = 0;
}

static void ref_unslice(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_unslice *u = p->attr;
    int64_t i[QN_MAX_RANK];

    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++)
        out[0][e] = scale[0][e] = 0;
    for (int64_t e = 0; e < qni_elements(&p->in[0].shape); e++) {
        index_of(&p->in[0].shape, e, i);
        for (int a = 0; a < p->in[0].shape.rank; a++)
            i[a] = nth(&u->slice, a, p->out[0].shape.dim[a], i[a]);
        out[0][element_of(&p->out[0].shape, i)] = in[0][e];
    }
    terms[0] = 0;
}

static void ref_pad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_pad *d = p->attr;
    int64_t i[QN_MAX_RANK];

    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++) {
        out[0][e] = (double)d->value;
        scale[0][e] = 0;
    }
    for (int64_t e = 0; e < qni_elements(&p->in[0].shape); e++) {
        index_of(&p->in[0].shape, e, i);
        for (int a = 0; a < d->axes; a++)
            i[a] += d->before[a];
        out[0][element_of(&p->out[0].shape, i)] = in[0][e];
    }
    terms[0] = 0;
}

static void ref_tile(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_tile *t = p->attr;
    int64_t i[QN_MAX_RANK];

    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++) {
        index_of(&p->out[0].shape, e, i);
        i[t->axis] = t->each ? i[t->axis] / t->times : i[t->axis] % p->in[0].shape.dim[t->axis];
        out[0][e] = in[0][element_of(&p->in[0].shape, i)];
        scale[0][e] = 0;
    }
    terms[0] = 0;
}

/* ---- by index ---- */

static void around(const qn_shape *x, int axis, int64_t *a, int64_t *b)
{
    *a = *b = 1;
    for (int k = 0; k < axis; k++)
        *a *= x->dim[k];
    for (int k = axis + 1; k < x->rank; k++)
        *b *= x->dim[k];
}

static int64_t wrapped(double index, int64_t size)
{
    int64_t k = (int64_t)index;

    k += k < 0 ? size : 0;
    return k < 0 || k >= size ? -1 : k;
}

static void ref_gather(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_gather *g = p->attr;
    int64_t A, B, L = p->in[0].shape.dim[g->axis], I = qni_elements(&p->in[1].shape);

    around(&p->in[0].shape, g->axis, &A, &B);
    for (int64_t a = 0; a < A; a++)
        for (int64_t i = 0; i < I; i++)
            for (int64_t b = 0; b < B; b++) {
                int64_t k = wrapped(in[1][i], L), e = (a * I + i) * B + b;

                out[0][e] = k < 0 ? 0 : in[0][(a * L + k) * B + b];
                scale[0][e] = 0;
            }
    terms[0] = 0;
}

static void ref_scatter(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_scatter_add *s = p->attr;
    int64_t A, B, L = p->out[0].shape.dim[s->axis], I = qni_elements(&p->in[1].shape);

    around(&p->out[0].shape, s->axis, &A, &B);
    for (int64_t e = 0; e < A * L * B; e++)
        out[0][e] = scale[0][e] = 0;
    for (int64_t a = 0; a < A; a++)
        for (int64_t i = 0; i < I; i++)
            for (int64_t b = 0; b < B; b++) {
                int64_t k = wrapped(in[1][i], L);

                if (k < 0)
                    continue;
                out[0][(a * L + k) * B + b] += in[0][(a * I + i) * B + b];
                scale[0][(a * L + k) * B + b] += fabs(in[0][(a * I + i) * B + b]);
            }
    terms[0] = (double)I;
}

static void ref_one_hot(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const struct qni_one_hot *o = p->attr;

    for (int64_t e = 0; e < qni_elements(&p->out[0].shape); e++) {
        out[0][e] = (double)((int64_t)in[0][e / o->depth] == e % o->depth);
        scale[0][e] = 0;
    }
    terms[0] = 0;
}

/* Some indices count from the end, some are out of range. */
static void stray(const struct qni_problem *p, double *const *in)
{
    int k = p->op == &qni_op_one_hot ? 0 : 1;
    int64_t n = qni_elements(&p->in[k].shape);

    if (n > 2) {
        in[k][0] = -1;
        in[k][1] = -100;
        in[k][2] = 1000000;
    }
}

/* Most are the same, as padding is. */
static void crowded(const struct qni_problem *p, double *const *in)
{
    int64_t n = qni_elements(&p->in[1].shape);

    for (int64_t i = 0; i < n; i++)
        if (i % 8)
            in[1][i] = 3;
    stray(p, in);
}

/* Each row is spoken of, some more than once. */
static void each_row(const struct qni_problem *p, double *const *in)
{
    const int64_t rows = p->out[0].shape.dim[0];

    for (int64_t i = 0; i < qni_elements(&p->in[1].shape); i++)
        in[1][i] = (double)(i * 7 % rows);
}

static void ref_mark(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    const int64_t rows = qni_elements(&p->out[0].shape);

    for (int64_t e = 0; e < rows; e++)
        out[0][e] = scale[0][e] = 0;
    for (int k = 0; k < p->inputs; k++)
        for (int64_t i = 0; i < qni_elements(&p->in[k].shape); i++) {
            int64_t row = wrapped(in[k][i], rows);

            if (row >= 0)
                out[0][row] = 1;
        }
    terms[0] = 0;
}

#define F32(...) optest_f32(__VA_ARGS__)
#define ONE(o, r, n, t, x, ...) \
    {.name = n, .op = &qni_op_##o, .attr = &(const struct qni_##o)t, .inputs = 1, .in = {x}, .ref = r, __VA_ARGS__}
#define BRACES(...) {__VA_ARGS__}
#define TURN(n, x, r, ...) \
    {.name = n, .op = &qni_op_transpose, .inputs = 1, .in = {x}, .ref = ref_transpose, \
     .attr = &(const struct qni_transpose){.rank = (r), .from = {__VA_ARGS__}}, .small_grad = true}

static void moves(void)
{
    const struct optest_case cases[] = {
        ONE(reshape, ref_reshape, "rest", BRACES(.rank = 3, .dim = {0, -1, 2}), F32(2, 3, 10), .small_grad = true),
        ONE(reshape, ref_reshape, "to a scalar", BRACES(.rank = 0), F32(2, 1, 1), .small_grad = true),
        ONE(reshape, ref_reshape, "empty batch", BRACES(.rank = 2, .dim = {0, -1}), F32(3, 0, 3, 5)),
        ONE(reshape, ref_reshape, "insert", BRACES(.mode = QNI_RESHAPE_INSERT, .mask = 5), F32(2, 3, 5), .small_grad = true),
        ONE(reshape, ref_reshape, "remove", BRACES(.mode = QNI_RESHAPE_REMOVE, .mask = 5), F32(3, 1, 5, 1), .small_grad = true),
        ONE(reshape, ref_reshape, "u8", BRACES(.rank = 1, .dim = {-1}), optest_desc(QN_U8, 2, 3, 5), .fill = {OPTEST_INTEGER},
            .fill_max = {256}),
        TURN("scalar", F32(0), 0, 0),
        TURN("vector", F32(1, 5), 1, 0),
        TURN("3 by 5", F32(2, 3, 5), 2, 1, 0),
        TURN("16 by 16", F32(2, 16, 16), 2, 1, 0),
        TURN("17 by 33", F32(2, 17, 33), 2, 1, 0),
        TURN("NHWC to NCHW", F32(4, 2, 5, 7, 18), 4, 0, 3, 1, 2),
        TURN("NCHW to NHWC", F32(4, 2, 18, 5, 7), 4, 0, 2, 3, 1),
        TURN("heads", F32(4, 2, 5, 3, 4), 4, 0, 2, 1, 3),
        TURN("reversed", F32(4, 2, 3, 4, 5), 4, 3, 2, 1, 0),
        TURN("eight axes", F32(8, 2, 2, 2, 2, 2, 2, 2, 2), 8, 3, 1, 7, 2, 0, 6, 5, 4),
        {.name = "large", .op = &qni_op_transpose, .inputs = 1, .in = {F32(2, 301, 517)}, .ref = ref_transpose,
         .attr = &(const struct qni_transpose){.rank = 2, .from = {1, 0}}},
        {.name = "i64", .op = &qni_op_transpose, .inputs = 1, .in = {optest_desc(QN_I64, 2, 21, 35)}, .ref = ref_transpose,
         .fill = {OPTEST_INTEGER}, .fill_max = {1000}, .attr = &(const struct qni_transpose){.rank = 2, .from = {1, 0}}},
        {.name = "u8", .op = &qni_op_transpose, .inputs = 1, .in = {optest_desc(QN_U8, 2, 21, 35)}, .ref = ref_transpose,
         .fill = {OPTEST_INTEGER}, .fill_max = {256}, .attr = &(const struct qni_transpose){.rank = 2, .from = {1, 0}}},
        {.name = "empty", .op = &qni_op_transpose, .inputs = 1, .in = {F32(2, 0, 5)}, .ref = ref_transpose,
         .attr = &(const struct qni_transpose){.rank = 2, .from = {1, 0}}},
        ONE(tile, ref_tile, "first axis", BRACES(.axis = 0, .times = 3), F32(2, 3, 5), .small_grad = true),
        ONE(tile, ref_tile, "last axis", BRACES(.axis = 1, .times = 3), F32(2, 3, 5), .small_grad = true),
        ONE(tile, ref_tile, "each", BRACES(.axis = 1, .each = 1, .times = 3), F32(3, 3, 5, 2), .small_grad = true),
        ONE(tile, ref_tile, "no times", BRACES(.axis = 1, .times = 0), F32(2, 3, 5)),
        ONE(pad, ref_pad, "zeros", BRACES(.axes = 2, .before = {1, 2}, .after = {0, 3}), F32(3, 3, 5, 2), .small_grad = true),
        ONE(pad, ref_pad, "a value", BRACES(.axes = 1, .before = {3}, .after = {1}, .value = -2.5f), F32(1, 5), .small_grad = true),
        ONE(pad, ref_pad, "f16", BRACES(.axes = 1, .before = {3}, .after = {1}, .value = -2.5f), optest_desc(QN_F16, 1, 5)),
        ONE(pad, ref_pad, "bf16", BRACES(.axes = 1, .before = {3}, .after = {1}, .value = 0.5f), optest_desc(QN_BF16, 1, 5)),
        ONE(pad, ref_pad, "i32", BRACES(.axes = 1, .before = {3}, .after = {1}, .value = 7), optest_desc(QN_I32, 1, 5),
            .fill = {OPTEST_INTEGER}, .fill_max = {100}),
        ONE(pad, ref_pad, "nothing there", BRACES(.axes = 1, .before = {3}, .after = {1}, .value = 7), F32(2, 0, 3)),
    };

    optest_run(cases, QNI_COUNT(cases));
}

static void parts(void)
{
    static const struct qni_slice middle = {.axes = 2, .start = {1, -4}, .stop = {3, -1}, .step = {1, 1}};
    static const struct qni_slice steps = {.axes = 2, .start = {0, 1}, .stop = {INT64_MAX, INT64_MAX}, .step = {2, 3}};
    static const struct qni_slice back = {.axes = 2, .start = {-1, 100}, .stop = {0, QNI_SLICE_BEGIN}, .step = {-2, -1}};
    static const struct qni_slice none = {.axes = 1, .start = {2}, .stop = {2}, .step = {1}};
    const struct optest_case cases[] = {
        {.name = "middle", .op = &qni_op_slice, .attr = &middle, .inputs = 1, .in = {F32(3, 4, 6, 2)}, .ref = ref_slice,
         .small_grad = true},
        {.name = "steps", .op = &qni_op_slice, .attr = &steps, .inputs = 1, .in = {F32(2, 5, 11)}, .ref = ref_slice,
         .small_grad = true},
        {.name = "backwards", .op = &qni_op_slice, .attr = &back, .inputs = 1, .in = {F32(2, 5, 7)}, .ref = ref_slice,
         .small_grad = true},
        {.name = "nothing", .op = &qni_op_slice, .attr = &none, .inputs = 1, .in = {F32(2, 5, 7)}, .ref = ref_slice},
        {.name = "large", .op = &qni_op_slice, .attr = &steps, .inputs = 1, .in = {F32(3, 301, 50, 17)}, .ref = ref_slice},
        {.name = "u8", .op = &qni_op_slice, .attr = &back, .inputs = 1, .in = {optest_desc(QN_U8, 2, 5, 7)}, .ref = ref_slice,
         .fill = {OPTEST_INTEGER}, .fill_max = {256}},
        {.name = "steps", .op = &qni_op_unslice, .inputs = 1, .in = {F32(2, 3, 4)}, .ref = ref_unslice, .small_grad = true,
         .attr = &(const struct qni_unslice){.slice = steps, .has_shape = 1, .shape = {.rank = 2, .dim = {5, 11}}}},
        {.name = "of another's shape", .op = &qni_op_unslice, .inputs = 2, .in = {F32(2, 3, 7), F32(2, 5, 7)}, .ref = ref_unslice,
         .attr = &(const struct qni_unslice){.slice = {.axes = 1, .stop = {INT64_MAX}, .step = {2}}}, .small_grad = true,
          .no_grad = 2},
        {.name = "one", .op = &qni_op_concat, .attr = &(const struct qni_concat){0}, .inputs = 1, .in = {F32(2, 3, 5)},
         .ref = ref_concat, .small_grad = true},
        {.name = "last axis", .op = &qni_op_concat, .attr = &(const struct qni_concat){1}, .inputs = 3,
         .in = {F32(2, 3, 5), F32(2, 3, 1), F32(2, 3, 17)}, .ref = ref_concat, .small_grad = true},
        {.name = "first axis, one empty", .op = &qni_op_concat, .attr = &(const struct qni_concat){0}, .inputs = 3,
         .in = {F32(2, 3, 5), F32(2, 0, 5), F32(2, 7, 5)}, .ref = ref_concat, .small_grad = true, .no_grad = 2},
        {.name = "middle axis", .op = &qni_op_concat, .attr = &(const struct qni_concat){1}, .inputs = 2,
         .in = {F32(3, 3, 2, 5), F32(3, 3, 4, 5)}, .ref = ref_concat, .small_grad = true},
        {.name = "large, channels", .op = &qni_op_concat, .attr = &(const struct qni_concat){3}, .inputs = 2,
         .in = {F32(4, 4, 25, 25, 32), F32(4, 4, 25, 25, 19)}, .ref = ref_concat},
        {.name = "i32", .op = &qni_op_concat, .attr = &(const struct qni_concat){0}, .inputs = 2,
         .fill = {OPTEST_INTEGER, OPTEST_INTEGER},
         .fill_max = {9, 9}, .in = {optest_desc(QN_I32, 1, 3), optest_desc(QN_I32, 1, 5)}, .ref = ref_concat},
    };

    optest_run(cases, QNI_COUNT(cases));
}

#define GATHER(n, x, i, a, ...) \
    {.name = n, .op = &qni_op_gather, .attr = &(const struct qni_gather){a}, .inputs = 2, .in = {x, i}, .no_grad = 2, \
     .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .ref = ref_gather, __VA_ARGS__}
#define SCATTER(n, dy, i, ...) \
    {.name = n, .op = &qni_op_scatter_add, .attr = &(const struct qni_scatter_add)__VA_ARGS__, .inputs = 2, .in = {dy, i}, \
     .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 5}, .ref = ref_scatter, .no_grad = 2, .small_grad = true}

static void by_index(void)
{
    const struct optest_case cases[] = {
        GATHER("rows", F32(2, 5, 3), optest_desc(QN_I32, 1, 7), 0, .fill_max = {0, 5}, .small_grad = true),
        GATHER("rows, two axes of indices", F32(2, 5, 19), optest_desc(QN_I64, 2, 3, 2), 0, .fill_max = {0, 5}, .small_grad = true),
        GATHER("stray indices", F32(2, 5, 19), optest_desc(QN_I32, 1, 9), 0, .fill_max = {0, 5}, .prepare = stray),
        GATHER("last axis", F32(2, 3, 5), optest_desc(QN_I32, 1, 4), 1, .fill_max = {0, 5}, .small_grad = true),
        GATHER("middle axis", F32(3, 3, 5, 2), optest_desc(QN_U8, 1, 4), 1, .fill_max = {0, 5}, .small_grad = true),
        GATHER("one index", F32(2, 5, 3), optest_desc(QN_I32, 0), 0, .fill_max = {0, 5}, .small_grad = true),
        GATHER("no index", F32(2, 5, 3), optest_desc(QN_I32, 1, 0), 0, .fill_max = {0, 5}),
        GATHER("embedding", F32(2, 997, 64), optest_desc(QN_I32, 2, 16, 33), 0, .fill_max = {0, 997}),
        SCATTER("rows", F32(2, 7, 3), optest_desc(QN_I32, 1, 7), {.axis = 0, .has_shape = 1, .shape = {.rank = 2, .dim = {5, 3}}}),
        SCATTER("middle", F32(3, 2, 7, 3), optest_desc(QN_I64, 1, 7), {.axis = 1, .has_shape = 1, .shape = {.rank = 3,
         .dim = {2, 5, 3}}}),
        SCATTER("no index", F32(2, 0, 3), optest_desc(QN_I32, 1, 0), {.axis = 0, .has_shape = 1, .shape = {.rank = 2,
         .dim = {5, 3}}}),
        {.name = "embedding", .op = &qni_op_scatter_add, .inputs = 2, .in = {F32(3, 32, 65, 130), optest_desc(QN_I32, 2, 32, 65)},
         .attr = &(const struct qni_scatter_add){.has_shape = 1, .shape = {.rank = 2, .dim = {211, 130}}}, .ref = ref_scatter,
         .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 211}},
        {.name = "stray indices", .op = &qni_op_scatter_add, .inputs = 2, .in = {F32(2, 9, 3), optest_desc(QN_I32, 1, 9)},
         .attr = &(const struct qni_scatter_add){.has_shape = 1, .shape = {.rank = 2, .dim = {5, 3}}}, .ref = ref_scatter,
         .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 5}, .prepare = stray},
        /* Sorted by one digit, above too, by two and by three. */
        {.name = "crowded, few rows", .op = &qni_op_scatter_add, .inputs = 2, .in = {F32(2, 2051, 1), optest_desc(QN_I32, 1, 2051)},
         .attr = &(const struct qni_scatter_add){.has_shape = 1, .shape = {.rank = 2, .dim = {90, 1}}}, .ref = ref_scatter,
         .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 90}, .prepare = crowded},
        {.name = "crowded", .op = &qni_op_scatter_add, .inputs = 2, .in = {F32(2, 2087, 3), optest_desc(QN_I32, 1, 2087)},
         .attr = &(const struct qni_scatter_add){.has_shape = 1, .shape = {.rank = 2, .dim = {997, 3}}}, .ref = ref_scatter,
         .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 997}, .prepare = crowded},
        {.name = "crowded, many rows", .op = &qni_op_scatter_add, .inputs = 2,
         .in = {F32(3, 2, 2048, 1), optest_desc(QN_I64, 1, 2048)}, .attr = &(const struct qni_scatter_add){.axis = 1,
         .has_shape = 1, .shape = {.rank = 3, .dim = {2, 70001, 1}}}, .ref = ref_scatter,
         .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .fill_max = {0, 70001}, .prepare = crowded},
        /* Rows that no index speaks of need not become zero: here each has one. */
        {.name = "named", .op = &qni_op_scatter_add, .inputs = 2, .in = {F32(2, 200, 4400), optest_desc(QN_I32, 1, 200)},
         .attr = &(const struct qni_scatter_add){.has_shape = 1, .shape = {.rank = 2, .dim = {31, 4400}}, .named = 1},
         .ref = ref_scatter, .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .prepare = each_row},
        {.name = "named, crowded", .op = &qni_op_scatter_add, .inputs = 2, .in = {F32(2, 2087, 3), optest_desc(QN_I32, 1, 2087)},
         .attr = &(const struct qni_scatter_add){.has_shape = 1, .shape = {.rank = 2, .dim = {997, 3}}, .named = 1},
         .ref = ref_scatter, .fill = {OPTEST_UNIFORM, OPTEST_INTEGER}, .prepare = each_row},
        {.name = "two", .op = &qni_op_mark, .inputs = 2, .in = {optest_desc(QN_I32, 2, 30, 70), optest_desc(QN_I64, 1, 5)},
         .attr = &(const struct qni_mark){4000}, .fill = {OPTEST_INTEGER, OPTEST_INTEGER}, .fill_max = {4000, 4000},
         .prepare = stray, .ref = ref_mark},
        {.name = "no index", .op = &qni_op_mark, .inputs = 1, .in = {optest_desc(QN_I32, 1, 0)},
         .attr = &(const struct qni_mark){7}, .fill = {OPTEST_INTEGER}, .ref = ref_mark},
        {.name = "labels", .op = &qni_op_one_hot, .attr = &(const struct qni_one_hot){10}, .inputs = 1,
         .in = {optest_desc(QN_I32, 1, 33)},
         .fill = {OPTEST_INTEGER}, .fill_max = {10}, .ref = ref_one_hot},
        {.name = "stray", .op = &qni_op_one_hot, .attr = &(const struct qni_one_hot){3}, .inputs = 1,
         .in = {optest_desc(QN_I64, 2, 3, 3)},
         .fill = {OPTEST_INTEGER}, .fill_max = {3}, .ref = ref_one_hot, .prepare = stray},
        {.name = "large, u8", .op = &qni_op_one_hot, .attr = &(const struct qni_one_hot){101}, .inputs = 1,
         .in = {optest_desc(QN_U8, 1, 733)},
         .fill = {OPTEST_INTEGER}, .fill_max = {120}, .ref = ref_one_hot},
    };

    optest_run(cases, QNI_COUNT(cases));
}

int main(void)
{
    moves();
    parts();
    by_index();
    return test_end();
}
