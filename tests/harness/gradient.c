/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * loss = sum over outputs of sum(r * out) with fixed random r. A plan gives its gradient; so do central differences of
 * the reference in double, whose own error (about 1e-10 of what they measure) disappears beside a float's. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/plan.h"
#include "optest_internal.h"

#include <quern/graph.h>

#define STEP            1e-5
#define MOST_MISMATCHES 5

struct gradient {
    const struct optest_state *r;
    double *weight[QNI_MAX_OUT]; /* r; NULL for outputs that do not count */
    double *x[QNI_MAX_IN];       /* the inputs, one of them moved */
    double *out[QNI_MAX_OUT], *scale[QNI_MAX_OUT];
    qn_graph *g;
    qn_val in[QNI_MAX_IN], loss, wrt[QNI_MAX_IN];
    int wrt_input[QNI_MAX_IN], wrts;
    struct qni_state *state;
    struct qni_plan *plan;
};

static int64_t elements(const struct qni_desc *d)
{
    return qni_elements(&d->shape);
}

/* The outputs at the moved inputs. */
static void forward(struct gradient *k, double **out)
{
    const struct qni_problem *p = &k->r->p;
    double terms[QNI_MAX_OUT] = {0};
    double *copy[QNI_MAX_IN] = {NULL};

    for (int i = 0; i < p->inputs; i++)
        if (k->x[i]) {
            copy[i] = optest_alloc((size_t)elements(&p->in[i]), sizeof(double));
            memcpy(copy[i], k->x[i], (size_t)elements(&p->in[i]) * sizeof(double));
        }
    for (int o = 0; o < p->outputs; o++)
        memset(k->scale[o], 0, (size_t)elements(&p->out[o]) * sizeof(double));
    k->r->c->ref(p, copy, out, k->scale, terms);
    for (int i = 0; i < p->inputs; i++)
        free(copy[i]);
}

/* ---- the same on the device ---- */

static void build(struct gradient *k)
{
    const struct qni_problem *p = &k->r->p;
    qn_val out[QNI_MAX_OUT] = {{0}};
    char name[16];

    for (int i = 0; i < p->inputs; i++) {
        const bool state = p->op->updates >> i & 1;
        struct qni_variable v = {.name = name, .dtype = p->in[i].dtype, .shape = p->in[i].shape};

        if (!k->r->in[i])
            continue;
        snprintf(name, sizeof(name), "in%d", i);
        k->in[i] = state ? qni_variable_add(k->g, &v) : qni_input_add(k->g, name, p->in[i].dtype, &p->in[i].shape);
        if (!state && optest_is_float(p->in[i].dtype) && !(k->r->c->no_grad >> i & 1)) {
            k->wrt_input[k->wrts] = i;
            k->wrt[k->wrts++] = k->in[i];
        }
    }
    qni_node_add_epilogue(k->g, p->op, p->attr, k->in, p->inputs, &p->epilogue, out);
    for (int o = 0; o < p->outputs; o++) {
        const size_t size = qn_dtype_bytes(p->out[o].dtype);
        unsigned char *bytes;
        qn_val term;

        if (!k->weight[o])
            continue;
        bytes = optest_alloc((size_t)elements(&p->out[o]), size);
        for (int64_t e = 0; e < elements(&p->out[o]); e++)
            optest_encode(bytes + (size_t)e * size, p->out[o].dtype, k->weight[o][e]);
        term = qni_constant(k->g, p->out[o].dtype, &p->out[o].shape, bytes);
        term = qn_graph_reduce_sum(k->g, qn_graph_mul(k->g, out[o], term), NULL, 0, false);
        k->loss = k->loss.id ? qn_graph_add(k->g, k->loss, term) : term;
        free(bytes);
    }
}

static void encode_input(unsigned char *to, const struct optest_state *r, int i)
{
    const size_t size = qn_dtype_bytes(r->p.in[i].dtype);

    for (int64_t e = 0; e < elements(&r->p.in[i]); e++)
        optest_encode(to + (size_t)e * size, r->p.in[i].dtype, r->in[i][e]);
}

static bool make_plan(struct gradient *k, qn_device *dev)
{
    const struct qni_problem *p = &k->r->p;
    qn_shape shape[QNI_MAX_IN];
    struct qni_plan_request request = {.graph = k->g,
                                       .input_shape = shape,
                                       .training = true,
                                       .loss = k->loss,
                                       .wrt = k->wrt,
                                       .wrts = k->wrts,
                                       .output = &k->loss,
                                       .outputs = 1};
    unsigned char *bytes;
    size_t inputs = 0, variable = 0;
    bool ok = true;

    for (int i = 0; i < p->inputs; i++)
        if (k->in[i].id && !(p->op->updates >> i & 1))
            shape[inputs++] = p->in[i].shape;
    if (!CHECK_OK(qni_state_create(&k->state, dev, k->g, 0)))
        return false;
    for (int i = 0; i < p->inputs && ok; i++)
        if (k->in[i].id && p->op->updates >> i & 1) {
            bytes = optest_alloc((size_t)elements(&p->in[i]), 8);
            encode_input(bytes, k->r, i);
            ok = CHECK_OK(qni_state_write(k->state, variable++, -1, bytes));
            free(bytes);
        }
    request.state = k->state;
    return ok && CHECK_OK(qni_plan_create(&k->plan, &request));
}

/* Index among the operation's inputs of a plan's input. */
static int operand_of(const struct gradient *k, int input)
{
    for (int i = 0; i < k->r->p.inputs; i++)
        if (k->in[i].id && !(k->r->p.op->updates >> i & 1) && input-- == 0)
            return i;
    return -1;
}

static bool run_plan(struct gradient *k)
{
    unsigned char *bytes[QNI_MAX_IN] = {NULL};
    int slot = 0;
    bool ok = CHECK_OK(qni_plan_begin(k->plan, &slot));

    for (size_t n = 0; n < k->plan->inputs && ok; n++) {
        const int i = operand_of(k, k->plan->input[n].input);

        bytes[n] = optest_alloc(k->plan->input[n].bytes, 1);
        encode_input(bytes[n], k->r, i);
        ok = CHECK_OK(qni_plan_feed(k->plan, slot, n, bytes[n], k->plan->input[n].bytes));
    }
    if (ok) {
        memset(k->plan->words[slot], 0, sizeof(k->plan->words[slot]));
        ok = CHECK_OK(qni_plan_submit(k->plan, slot)) && CHECK_OK(qni_plan_finish(k->plan));
    }
    for (int i = 0; i < QNI_MAX_IN; i++)
        free(bytes[i]);
    return ok;
}

/* ---- judging ---- */

/* d loss / d x[i][e] by central differences; *size the sum of the absolute values of its terms. */
static double difference(struct gradient *k, int i, int64_t e, double *size)
{
    const struct qni_problem *p = &k->r->p;
    const double x = k->x[i][e], h = STEP * fmax(1, fabs(x));
    double *low[QNI_MAX_OUT] = {NULL};
    double sum = 0;

    *size = 0;
    for (int o = 0; o < p->outputs; o++)
        low[o] = optest_alloc((size_t)elements(&p->out[o]), sizeof(double));
    k->x[i][e] = x - h;
    forward(k, low);
    k->x[i][e] = x + h;
    forward(k, k->out);
    k->x[i][e] = x;
    for (int o = 0; o < p->outputs; o++) {
        for (int64_t j = 0; k->weight[o] && j < elements(&p->out[o]); j++) {
            const double term = k->weight[o][j] * (k->out[o][j] - low[o][j]) / (2 * h);

            sum += term;
            *size += fabs(term);
        }
        free(low[o]);
    }
    return sum;
}

static void judge_input(struct gradient *k, int which)
{
    const int i = k->wrt_input[which];
    const struct qni_desc *d = &k->r->p.in[i];
    const struct qni_plan_output *o = &k->plan->output[1 + which];
    const int64_t n = elements(d);
    const size_t size = qn_dtype_bytes(d->dtype);
    const double slack = k->r->c->slack > 0 ? k->r->c->slack : 1;
    unsigned char *got = optest_alloc((size_t)n, size);
    double *want = optest_alloc((size_t)n, sizeof(double)), *sizes = optest_alloc((size_t)n, sizeof(double));
    double typical = 0;
    int wrong = 0;

    CHECK_INT(o->dtype, d->dtype);
    if (!qni_shape_equal(&o->shape, &d->shape))
        test_fail(__FILE__, __LINE__, "gradient of input %d has another shape than the input", i);
    else if (n && CHECK_OK(qni_plan_read(k->plan, (size_t)(1 + which), got, (size_t)n * size, true, NULL))) {
        for (int64_t e = 0; e < n; e++) {
            want[e] = difference(k, i, e, &sizes[e]);
            typical = fmax(typical, sizes[e]);
        }
        for (int64_t e = 0; e < n; e++) {
            const double v = optest_decode(got + (size_t)e * size, d->dtype);
            /* Terms may cancel within an operation (softmax, a mean taken away): so the largest counts as well. */
            double bound = slack * (sizes[e] + 0.25 * typical) * (32 * (double)FLT_EPSILON + 1e-7) + 1e-9;

            if (d->dtype != QN_F32)
                bound += (sizes[e] + 0.25 * typical) * (d->dtype == QN_F16 ? 0x1p-9 : 0x1p-6);
            if (!(fabs(v - want[e]) <= bound) && wrong++ < MOST_MISMATCHES)
                test_fail(__FILE__, __LINE__,
                          "gradient of input %d at element %lld of %lld: %.9g, not %.9g; off by "
                          "%.3g, allowed %.3g",
                          i, (long long)e, (long long)n, v, want[e], fabs(v - want[e]), bound);
        }
        if (wrong)
            test_fail(__FILE__, __LINE__, "gradient of input %d: %d of %lld wrong", i, wrong, (long long)n);
    }
    free(got);
    free(want);
    free(sizes);
}

static void prepare(struct gradient *k)
{
    const struct optest_state *r = k->r;

    for (int i = 0; i < r->p.inputs; i++)
        if (r->in[i]) {
            k->x[i] = optest_alloc((size_t)elements(&r->p.in[i]), sizeof(double));
            memcpy(k->x[i], r->in[i], (size_t)elements(&r->p.in[i]) * sizeof(double));
        }
    for (int o = 0; o < r->p.outputs; o++) {
        const size_t n = (size_t)elements(&r->p.out[o]);

        k->out[o] = optest_alloc(n, sizeof(double));
        k->scale[o] = optest_alloc(n, sizeof(double));
        if (!optest_is_float(r->p.out[o].dtype) || (r->p.unwanted | r->c->saved) >> o & 1)
            continue;
        k->weight[o] = optest_alloc(n, sizeof(double));
        optest_fill(k->weight[o], &r->p.out[o], OPTEST_UNIFORM, 0);
    }
}

void optest_gradient(const void *arg)
{
    struct gradient k = {.r = arg};
    qn_device *dev = test_device();

    prepare(&k);
    if (CHECK_OK(qni_graph_create(&k.g, dev->ctx, false))) {
        build(&k);
        if (!k.wrts)
            test_fail(__FILE__, __LINE__, "small_grad, but no input has a gradient to check");
        else if (CHECK_OK(qni_graph_status(k.g)) && make_plan(&k, dev) && run_plan(&k))
            for (int i = 0; i < k.wrts; i++)
                judge_input(&k, i);
    }
    if (k.plan)
        qni_plan_destroy(&k.plan);
    qni_state_release(&k.state);
    qni_graph_destroy(&k.g);
    for (int i = 0; i < QNI_MAX_IN; i++)
        free(k.x[i]);
    for (int o = 0; o < QNI_MAX_OUT; o++) {
        free(k.out[o]);
        free(k.scale[o]);
        free(k.weight[o]);
    }
}
