/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The gradient of elements by number where there are many numbers or many rows: sort the numbers, then add up what
 * lies together. */
#include "ops/shape/shape.h"

#define DIGIT_BITS 8
#define DIGITS (1 << DIGIT_BITS)
#define MOST_BLOCKS 64 /* each looks at the counts of all */
#define FEWEST 2048    /* positions: below, to walk over all of them for each row takes less than so many launches */
#define LARGE (1 << 17) /* elements: to write so many takes a CPU longer than the launches, if they need not be written */

struct plan {
    struct qni_index_sizes n;
    int64_t local, each, blocks;         /* of the sort: positions of a block */
    int64_t window, windows;             /* of the sums */
    int64_t width, column_blocks;
    int64_t counts, order[2], partial;   /* where they lie in the scratch, in elements of 4 bytes */
    int64_t words;
};

static bool make_plan(const struct qni_problem *p, bool vector, struct plan *t)
{
    const struct qni_scatter_add *attr = p->attr;
    int64_t least = vector ? 1024 : 256, fewest = FEWEST, partials;

    *t = (struct plan){ .local = vector ? 1 : 64, .window = vector ? 64 : 32 };
    qni_index_sizes(&p->out[0].shape, &p->in[1].shape, attr->axis, &t->n);
    if (vector && attr->named && t->n.a * t->n.l * t->n.b >= LARGE)
        fewest = 1;
    if (t->n.i < FEWEST) /* one: rows are summed up as by the algorithms that do not sort */
        t->window = t->n.i;
    if (t->n.i < fewest || t->n.i >= INT32_MAX - t->window || t->n.l >= INT32_MAX)
        return false;
    t->each = QNI_MAX(least, qni_ceil_div(qni_ceil_div(t->n.i, MOST_BLOCKS), t->local) * t->local);
    t->blocks = qni_ceil_div(t->n.i, t->each);
    t->windows = qni_ceil_div(t->n.i, t->window);
    t->width = vector ? QNI_MAX(1, QNI_MIN(t->n.b, 256)) : 1;
    t->column_blocks = qni_ceil_div(t->n.b, t->width * t->local);
    t->order[0] = t->blocks * DIGITS;
    t->order[1] = t->order[0] + t->n.i;
    t->partial = t->order[1] + t->n.i;
    return !__builtin_mul_overflow(t->windows * t->n.a, t->n.b, &partials) &&
           !__builtin_add_overflow(t->partial, partials, &t->words) && t->words < INT64_MAX / 4;
}

static bool applies(const struct qni_problem *p, bool vector)
{
    struct plan t;

    return qni_shape_applies(p) && make_plan(p, vector, &t);
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out, bool vector)
{
    struct plan t;

    if (make_plan(p, vector, &t))
        out->scratch = (size_t)t.words * 4;
}

static struct qni_launch *launch(const struct qni_problem *p, struct qni_recorder *r, const char *kernel)
{
    struct qni_launch *l = qni_launch_add(r, "shape/scatter_sort", kernel);

    qni_define_text(r, l, "QN_I", qni_index_type(p->in[1].dtype));
    return l;
}

/* One kernel of one pass of the sort. */
static void sort_pass(const struct qni_problem *p, struct qni_recorder *r, const struct plan *t, bool place, int pass)
{
    struct qni_launch *l = launch(p, r, place ? "sort_place" : "sort_count");
    const int64_t from = t->order[(pass + 1) % 2], to = t->order[pass % 2];

    qni_in(r, l, 1, p->in[1].dtype);
    if (place)
        qni_scratch(r, l, QN_I32, t->counts);
    qni_scratch(r, l, QN_I32, from); /* not read by the first */
    qni_scratch(r, l, QN_I32, place ? to : t->counts);
    qni_i64(r, l, t->n.l);
    qni_i64(r, l, t->n.i);
    qni_i64(r, l, t->each);
    if (place)
        qni_i32(r, l, t->blocks);
    qni_i32(r, l, pass * DIGIT_BITS);
    qni_grid(r, l, 1, &t->blocks, &t->local);
    qni_work(l, 0, (uint64_t)t->n.i * 4);
}

static void sum_rows(const struct qni_problem *p, struct qni_recorder *r, const struct plan *t, int64_t order, bool join)
{
    struct qni_launch *l = launch(p, r, join ? "scatter_join" : "scatter_rows");

    if (!join)
        qni_in(r, l, 0, QN_F32);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_scratch(r, l, QN_I32, order);
    if (join)
        qni_scratch(r, l, QN_F32, t->partial);
    qni_out(r, l, 0, QN_F32);
    if (!join)
        qni_scratch(r, l, QN_F32, t->partial);
    qni_i64(r, l, t->n.l);
    qni_i64(r, l, t->n.b);
    if (!join)
        qni_i64(r, l, t->n.i);
    qni_i64(r, l, t->width);
    qni_i64(r, l, t->column_blocks);
    qni_i32(r, l, t->window);
    qni_i64(r, l, t->windows);
    qni_grid(r, l, 1, (int64_t[]){ t->n.a * t->column_blocks * (t->windows - join) }, &t->local);
    if (!join)
        qni_work(l, (uint64_t)(t->n.a * t->n.i * t->n.b), (uint64_t)(2 * t->n.a * t->n.i * t->n.b) * 4);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r, bool vector)
{
    const struct qni_scatter_add *attr = p->attr;
    struct plan t;
    int pass = 0;

    if (!make_plan(p, vector, &t))
        return;
    if (!attr->named)
        qni_fill_emit(p, r, 0, 0, vector);
    if (t.n.a * t.n.l * t.n.b == 0)
        return;
    do { /* L, which stands for indices outside the table, is sorted too */
        sort_pass(p, r, &t, false, pass);
        sort_pass(p, r, &t, true, pass);
    } while (t.n.l >> (++pass * DIGIT_BITS));
    sum_rows(p, r, &t, t.order[(pass - 1) % 2], false);
    if (t.windows > 1)
        sum_rows(p, r, &t, t.order[(pass - 1) % 2], true);
}

static bool vector_applies(const struct qni_problem *p) { return applies(p, true); }
static void vector_sizes(const struct qni_problem *p, struct qni_sizes *out) { sizes(p, out, true); }
static void vector_emit(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, true); }
static bool group_applies(const struct qni_problem *p) { return applies(p, false); }
static void group_sizes(const struct qni_problem *p, struct qni_sizes *out) { sizes(p, out, false); }
static void group_emit(const struct qni_problem *p, struct qni_recorder *r) { emit(p, r, false); }

const struct qni_algo qni_scatter_sort_vector = {
    .name = "sort_vector", .applies = vector_applies, .sizes = vector_sizes, .emit = vector_emit, .cpu = true };
const struct qni_algo qni_scatter_sort_group = {
    .name = "sort_group", .applies = group_applies, .sizes = group_sizes, .emit = group_emit, .gpu = true };
