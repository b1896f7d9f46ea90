/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * States and plans for programs that work at level 2. */
#include "optim/optim.h"

struct qn_state {
    qn_device *dev;                  /* retained */
    const qn_graph *g;               /* borrowed */
    struct qni_state *state;
    qn_optimizer optimizer;          /* resolved */
    struct qni_optimizer update;
    uint64_t seed, step, samples;
    int plans;                       /* made and not destroyed */
};

struct qn_plan {
    qn_state *s;
    struct qni_plan *plan;
    void **staging[QNI_PLAN_SLOTS];  /* [plan inputs] copies while they are uploaded */
    bool update;
};

qn_status qn_state_create(qn_state **out, const qn_graph *g, qn_device *dev, const qn_optimizer *optimizer, uint64_t seed)
{
    static const qn_optimizer none;
    qn_state *s = NULL;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !g || !dev)
        return qni_error(QN_E_ARG, "out, g or dev is NULL");
    if ((st = qni_graph_status(g)) || (st = qni_calloc(dev->ctx, &s, 1, sizeof(*s))))
        return st;
    s->dev = qni_device_retain(dev);
    s->g = g;
    s->seed = seed;
    if (!(st = qni_optimizer_resolve(&s->optimizer, optimizer ? optimizer : &none))) {
        s->update = qni_optimizer_plan(&s->optimizer);
        st = qni_state_create(&s->state, dev, g, s->update.slots);
    }
    if (!st && !(st = qni_state_initialise(s->state, seed)))
        st = qni_state_reset_optimizer(s->state, &s->update);
    if (st)
        qn_state_destroy(&s);
    *out = s;
    return st;
}

void qn_state_destroy(qn_state **state)
{
    qn_state *s = state ? *state : NULL;
    qn_device *dev;

    if (!s)
        return;
    *state = NULL;
    dev = s->dev;
    qni_state_release(&s->state);
    qni_free(dev->ctx, &s);
    qni_device_release(&dev);
}

static qn_status find(const qn_state *s, const char *name, size_t bytes, size_t *index)
{
    if (!s || !name)
        return qni_error(QN_E_ARG, "the state or the name is NULL");
    for (size_t i = 0; i < s->state->variables; i++) {
        const struct qni_variable *v = &s->g->variable[i];
        size_t want = (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype);

        if (strcmp(v->name, name))
            continue;
        *index = i;
        return bytes == want ? QN_OK : qni_error(QN_E_SHAPE, "variable %s has %zu bytes, found %zu", name, want, bytes);
    }
    return qni_error(QN_E_ARG, "there is no variable %s", name);
}

qn_status qn_state_write(qn_state *s, const char *name, const float *from, size_t bytes)
{
    size_t i = 0;
    qn_status st = find(s, name, bytes, &i);

    return st ? st : qni_state_write(s->state, i, -1, from);
}

qn_status qn_state_read(qn_state *s, const char *name, float *to, size_t bytes)
{
    size_t i = 0;
    qn_status st = find(s, name, bytes, &i);

    return st ? st : qni_state_read(s->state, i, -1, to);
}

static qn_status check(const qn_state *s, const qn_plan_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->outputs < 0 || o->wrts < 0 || (o->outputs && !o->output) || (o->wrts && !o->wrt) ||
        (s->g->inputs && !o->input_shape))
        return qni_error(QN_E_ARG, "a list is missing");
    for (int i = 0; i < o->outputs; i++)
        if (!qni_value_get(s->g, o->output[i]))
            return qni_error(QN_E_ARG, "output %d is not a value of the graph", i);
    for (int i = 0; i < o->wrts; i++)
        if (!qni_value_get(s->g, o->wrt[i]))
            return qni_error(QN_E_ARG, "value %d to differentiate by is not of the graph", i);
    if ((o->update || o->wrts) && !qni_value_get(s->g, o->loss))
        return qni_error(QN_E_ARG, "there is no loss to differentiate");
    if (o->update && (o->wrts || s->optimizer.kind == QN_OPTIMIZER_NONE))
        return qni_error(QN_E_ARG, o->wrts ? "gradients are read from a plan that does not update"
                                           : "the state was made without an optimizer");
    if (s->g->variables != s->state->variables)
        return qni_error(QN_E_STATE, "the graph got variables after the state was made");
    return QN_OK;
}

qn_status qn_plan_create(qn_plan **out, qn_state *s, const qn_plan_opt *opt)
{
    struct qni_plan_request rq = { 0 };
    qn_plan *p = NULL;
    qn_status st;

    if (out)
        *out = NULL;
    if (!out || !s || !opt)
        return qni_error(QN_E_ARG, "out, s or opt is NULL");
    if ((st = qni_graph_status(s->g)) || (st = check(s, opt)) || (st = qni_calloc(s->dev->ctx, &p, 1, sizeof(*p))))
        return st;
    rq.state = s->state;
    rq.graph = s->g;
    rq.input_shape = opt->input_shape;
    rq.training = opt->training;
    rq.loss = opt->loss;
    rq.optimizer = opt->update ? &s->update : NULL;
    rq.output = opt->output;
    rq.outputs = opt->outputs;
    rq.wrt = opt->wrt;
    rq.wrts = opt->wrts;
    rq.input_tensor = opt->input_tensor;
    rq.output_tensor = opt->output_tensor;
    p->s = s;
    s->plans++;
    p->update = opt->update;
    st = qni_plan_create(&p->plan, &rq);
    for (int k = 0; k < QNI_PLAN_SLOTS && !st; k++) {
        st = qni_calloc(s->dev->ctx, &p->staging[k], p->plan->inputs, sizeof(*p->staging[k]));
        for (size_t i = 0; i < p->plan->inputs && !st; i++)
            if (!p->plan->input[i].bound)
                st = qni_calloc(s->dev->ctx, &p->staging[k][i], p->plan->input[i].bytes, 1);
    }
    if (st)
        qn_plan_destroy(&p);
    *out = p;
    return st;
}

void qn_plan_destroy(qn_plan **plan)
{
    qn_plan *p = plan ? *plan : NULL;
    const qn_context *ctx;
    size_t inputs;

    if (!p)
        return;
    *plan = NULL;
    ctx = p->s->dev->ctx;
    inputs = p->plan ? p->plan->inputs : 0;
    if (p->plan)
        qni_plan_destroy(&p->plan);
    for (int k = 0; k < QNI_PLAN_SLOTS; k++) {
        for (size_t i = 0; p->staging[k] && i < inputs; i++)
            qni_free(ctx, &p->staging[k][i]);
        qni_free(ctx, &p->staging[k]);
    }
    p->s->plans--;
    qni_free(ctx, &p);
}

static qn_status feed(qn_plan *p, int slot, const void *const *in, int64_t *rows)
{
    qn_status st = QN_OK;

    *rows = 0;
    for (size_t i = 0; i < p->plan->inputs && !st; i++) {
        const struct qni_plan_input *x = &p->plan->input[i];

        if (!*rows && x->shape.rank)
            *rows = x->shape.dim[0];
        if (x->bound)
            continue;
        if (!in || (!in[x->input] && x->bytes))
            return qni_error(QN_E_ARG, "there are no data for input %d", x->input);
        if (x->bytes)
            memcpy(p->staging[slot][i], in[x->input], x->bytes);
        st = qni_plan_feed(p->plan, slot, i, p->staging[slot][i], x->bytes);
    }
    return st;
}

qn_status qn_plan_run(qn_plan *p, const void *const *in, void *const *out, float lr)
{
    uint32_t *w;
    int64_t rows;
    int slot;
    bool waits = false;
    qn_status st, one;

    if (!p)
        return qni_error(QN_E_ARG, "the plan is NULL");
    if ((st = qni_plan_begin(p->plan, &slot)) || (st = feed(p, slot, in, &rows)))
        return st;
    w = p->plan->words[slot];
    memset(w, 0, sizeof(p->plan->words[slot]));
    lr = lr != 0.0f ? lr : p->s->optimizer.lr;
    lr = (float)((double)lr * qn_schedule_factor(&p->s->optimizer.schedule, (int64_t)p->s->step));
    memcpy(&w[QNI_STEP_LR], &lr, sizeof(lr));
    w[QNI_STEP_ROWS] = (uint32_t)rows;
    w[QNI_STEP_SAMPLE_LO] = (uint32_t)p->s->samples;
    w[QNI_STEP_SAMPLE_HI] = (uint32_t)(p->s->samples >> 32);
    w[QNI_STEP_SEED_LO] = (uint32_t)p->s->seed;
    w[QNI_STEP_SEED_HI] = (uint32_t)(p->s->seed >> 32);
    w[QNI_STEP_NUMBER] = (uint32_t)p->s->step;
    if (p->update) {
        p->s->step++;
        p->s->samples += (uint64_t)rows;
    }
    if ((st = qni_plan_submit(p->plan, slot)))
        return st;
    for (size_t i = 0; out && i < p->plan->outputs && !st; i++)
        if (out[i]) {
            st = qni_plan_read(p->plan, i, out[i], p->plan->output[i].bytes, false, NULL);
            waits = true;
        }
    /* Even when one failed: those before it write to the caller's memory. */
    if (waits && (one = qni_queue_finish(p->s->dev, p->s->dev->queue)) && !st)
        st = one;
    return st;
}
