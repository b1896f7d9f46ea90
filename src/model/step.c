/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A batch, on the host or in tensors, becomes a step on the device, through a cached plan. */
#include "model/model.h"

/* ---- plans ---- */

static void release_slot(struct qni_cached_plan *c, int slot, struct qni_loader *loader)
{
    if (c->held[slot] >= 0 && loader)
        qni_loader_release(loader, c->held[slot]);
    c->held[slot] = -1;
}

static void plan_free(qn_model *m, struct qni_cached_plan *c)
{
    if (c->plan)
        qni_plan_destroy(&c->plan);
    for (int s = 0; s < QNI_PLAN_SLOTS; s++)
        for (size_t i = 0; i < QNI_COUNT(c->staging[s]); i++)
            qni_free(m->ctx, &c->staging[s][i]);
}

void qni_model_plans_free(qn_model *m)
{
    for (int i = 0; i < m->plans; i++)
        plan_free(m, &m->plan[i]);
    m->plans = 0;
}

/* Shapes of all the graph's inputs for a batch of `rows`. */
static void input_shapes(const qn_model *m, int64_t rows, qn_shape *shape)
{
    for (size_t i = 0; i < m->g->inputs; i++) {
        shape[i] = m->g->input[i].shape;
        if (shape[i].rank)
            shape[i].dim[0] = rows;
    }
}

static qn_status plan_make(qn_model *m, enum qni_mode mode, bool weighted, int64_t rows, qn_tensor *const *tensor,
                           struct qni_plan **out)
{
    struct qni_plan_request rq = { .state = m->state, .graph = m->g, .training = mode == QNI_MODE_TRAIN,
                                   .choices = &m->choices, .input_tensor = tensor };
    qn_shape *shape = NULL;
    qn_status st;

    if ((st = qni_calloc(m->ctx, &shape, m->g->inputs, sizeof(*shape))))
        return st;
    input_shapes(m, rows, shape);
    rq.input_shape = shape;
    if (mode == QNI_MODE_PREDICT) {
        rq.output = m->output;
        rq.outputs = m->outputs;
        rq.output_tensor = tensor ? tensor + m->g->inputs : NULL;
        rq.update_first = m->carry_first;
        rq.update_last = m->carry_last;
    } else {
        rq.update_first = m->update_first[weighted];
        rq.update_last = m->update_last[weighted];
        rq.loss = m->loss[weighted];
        rq.optimizer = mode == QNI_MODE_TRAIN ? &m->update : NULL;
    }
    st = qni_plan_create(out, &rq);
    qni_free(m->ctx, &shape);
    return st;
}

static struct qni_bind place_of(qn_tensor *const *tensor, size_t i)
{
    return tensor && tensor[i] ? qni_bound_place(tensor[i]) : (struct qni_bind){ 0 };
}

static bool same_places(const struct qni_cached_plan *c, qn_tensor *const *tensor)
{
    bool same = true;

    for (size_t i = 0; i < QNI_COUNT(c->place) && same; i++) {
        const struct qni_bind at = place_of(tensor, i);

        same = c->place[i].mem == at.mem && c->place[i].offset == at.offset;
    }
    return same;
}

static qn_status plan_get(qn_model *m, enum qni_mode mode, const struct qni_feed *f, struct qni_cached_plan **out)
{
    const bool weighted = f->tensor ? f->weighted : f->weight != NULL;
    struct qni_cached_plan *c = NULL;
    struct qni_plan *plan;
    qn_status st;

    for (int i = 0; i < m->plans; i++) {
        c = &m->plan[i];
        if (c->mode == mode && c->weighted == weighted && c->rows == f->rows && same_places(c, f->tensor)) {
            c->used = ++m->clock;
            *out = c;
            return QN_OK;
        }
    }
    /* The arena may move: what runs in the old one has to end first. Rare: once for each batch size. */
    if ((st = qni_model_drain(m, f->loader)) || (st = plan_make(m, mode, weighted, f->rows, f->tensor, &plan)))
        return st;
    if (m->plans < QNI_PLAN_CACHE) {
        c = &m->plan[m->plans++];
    } else {
        c = &m->plan[0];
        for (int i = 1; i < m->plans; i++)
            if (m->plan[i].used < c->used)
                c = &m->plan[i];
        plan_free(m, c);
    }
    *c = (struct qni_cached_plan){ .mode = mode, .weighted = weighted, .rows = f->rows, .plan = plan, .used = ++m->clock };
    for (size_t i = 0; i < QNI_COUNT(c->place); i++)
        c->place[i] = place_of(f->tensor, i);
    for (int s = 0; s < QNI_PLAN_SLOTS; s++)
        c->held[s] = -1;
    *out = c;
    return QN_OK;
}

qn_status qni_model_drain(qn_model *m, struct qni_loader *loader)
{
    qn_status st = QN_OK, one;

    for (int i = 0; i < m->plans; i++) {
        if ((one = qni_plan_finish(m->plan[i].plan)) && !st)
            st = one;
        for (int s = 0; s < QNI_PLAN_SLOTS; s++)
            release_slot(&m->plan[i], s, loader);
    }
    return st;
}

qn_status qni_model_end(qn_model *m, struct qni_loader *loader, qn_status st)
{
    char message[512];
    qn_status one;

    qni_error_take(message, sizeof(message));
    one = qni_model_drain(m, loader);
    if (!st)
        return one;
    qni_error_put(message);
    return st;
}

/* ---- feeding ---- */

int64_t qni_integer_at(const void *from, qn_dtype dtype, int64_t i)
{
    switch (dtype) {
    case QN_I32: return ((const int32_t *)from)[i];
    case QN_I64: return ((const int64_t *)from)[i];
    case QN_U8: return ((const uint8_t *)from)[i];
    case QN_F32: {
        /* A class number kept as a float; outside i32 it is no class. */
        float v = ((const float *)from)[i];

        return v >= -1.0f && v < 2147483520.0f ? (int64_t)v : -1;
    }
    case QN_F16:
    case QN_BF16: break;
    }
    return -1;
}

static qn_status convert(void *to, qn_dtype want, const void *from, qn_dtype have, int64_t n)
{
    if (have == QN_F16 || have == QN_BF16 || (want != QN_F32 && want != QN_I32 && want != QN_I64))
        return qni_error(QN_E_UNSUPPORTED, "data of %s for an input of %s", qn_dtype_name(have), qn_dtype_name(want));
    for (int64_t i = 0; i < n; i++) {
        if (want == QN_F32)
            ((float *)to)[i] = (float)qni_integer_at(from, have, i);
        else if (want == QN_I64)
            ((int64_t *)to)[i] = qni_integer_at(from, have, i);
        else
            ((int32_t *)to)[i] = (int32_t)QNI_MAX(QNI_MIN(qni_integer_at(from, have, i), INT32_MAX), -1);
    }
    return QN_OK;
}

/* The array behind a graph input: which of the feed's, and its dtype. */
static const void *find_array(const qn_model *m, const struct qni_feed *f, int32_t value, qn_dtype *dtype)
{
    for (int i = 0; i < m->inputs; i++)
        if (m->input[i].id == value) {
            *dtype = f->in_dtype[i];
            return f->in[i];
        }
    for (int i = 0; i < m->outputs; i++)
        if (m->target[i].id == value) {
            *dtype = f->target_dtype[i];
            return f->target[i];
        }
    *dtype = QN_F32;
    return f->weight;
}

/* What lies where the plan reads and writes must still be of the same type and shape. */
static qn_status check_tensors(const qn_model *m, const struct qni_cached_plan *c, const struct qni_feed *f)
{
    const struct qni_plan *p = c->plan;
    qn_status st = QN_OK;

    for (size_t i = 0; i < p->inputs && !st; i++) {
        const struct qni_plan_input *in = &p->input[i];

        if (in->bound && (st = qni_bound_check(f->tensor[in->input], m->dev, in->dtype, &in->shape)))
            qni_error_prefix("%s: ", m->g->input[in->input].name);
    }
    for (size_t i = 0; f->tensor && i < p->outputs && !st; i++) {
        const qn_tensor *t = f->tensor[m->g->inputs + i];

        if (t && (st = qni_bound_check(t, m->dev, p->output[i].dtype, &p->output[i].shape)))
            qni_error_prefix("output %zu: ", i);
    }
    return st;
}

static qn_status feed_input(qn_model *m, struct qni_cached_plan *c, int slot, size_t i, const struct qni_feed *f)
{
    const struct qni_plan_input *in = &c->plan->input[i];
    const struct qni_input *declared = &m->g->input[in->input];
    qn_dtype dtype;
    const void *from = find_array(m, f, declared->value, &dtype);
    void **staging = &c->staging[slot][i];
    qn_status st;

    if (in->bound)
        return QN_OK;
    if (!from && in->bytes)
        return qni_error(QN_E_ARG, "there are no data for %s", declared->name);
    if (f->copy || dtype != in->dtype) {
        if (!*staging && (st = qni_calloc(m->ctx, staging, in->bytes, 1)))
            return st;
        if (dtype != in->dtype)
            st = convert(*staging, in->dtype, from, dtype, qni_elements(&in->shape));
        else {
            st = QN_OK;
            if (in->bytes)
                memcpy(*staging, from, in->bytes);
        }
        if (st) {
            qni_error_prefix("%s: ", declared->name);
            return st;
        }
        from = *staging;
    }
    return qni_plan_feed(c->plan, slot, i, from, in->bytes);
}

static void fill_block(qn_model *m, enum qni_mode mode, int64_t rows, uint32_t *words)
{
    const float lr = (float)((double)m->lr * qn_schedule_factor(&m->optimizer.schedule, (int64_t)m->step));

    memset(words, 0, QNI_BLOCK_WORDS * sizeof(*words));
    memcpy(&words[QNI_STEP_LR], &lr, sizeof(lr));
    words[QNI_STEP_ROWS] = (uint32_t)rows;
    words[QNI_STEP_SAMPLE_LO] = (uint32_t)m->samples;
    words[QNI_STEP_SAMPLE_HI] = (uint32_t)(m->samples >> 32);
    words[QNI_STEP_SEED_LO] = (uint32_t)m->opt.seed;
    words[QNI_STEP_SEED_HI] = (uint32_t)(m->opt.seed >> 32);
    words[QNI_STEP_NUMBER] = (uint32_t)m->step;
    if (mode == QNI_MODE_TRAIN) {
        m->step++;
        m->samples += (uint64_t)rows;
    }
}

qn_status qni_model_step(qn_model *m, enum qni_mode mode, const struct qni_feed *feed, struct qni_cached_plan **plan_out)
{
    struct qni_cached_plan *c = NULL;
    int slot = 0;
    qn_status st;

    if (!(st = qni_model_whole(m)) && !(st = plan_get(m, mode, feed, &c)) && !(st = check_tensors(m, c, feed)))
        st = qni_plan_begin(c->plan, &slot);
    if (st) {
        if (feed->loader)
            qni_loader_release(feed->loader, feed->loader_slot);
        return st;
    }
    release_slot(c, slot, feed->loader);
    if (feed->loader)
        c->held[slot] = feed->loader_slot;
    for (size_t i = 0; i < c->plan->inputs && !st; i++)
        st = feed_input(m, c, slot, i, feed);
    if (st)
        return st;
    fill_block(m, mode, feed->rows, c->plan->words[slot]);
    if (plan_out)
        *plan_out = c;
    c->plan->cancel = feed->run ? &m->cancel : NULL;
    st = qni_plan_submit(c->plan, slot);
    if (st && mode == QNI_MODE_TRAIN && !m->state->torn) { /* it left the weights as they were */
        m->step--;
        m->samples -= (uint64_t)feed->rows;
    }
    return st;
}
