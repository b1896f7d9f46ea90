/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * From a concrete graph to launches whose every argument is bound. */
#include <inttypes.h>

#include "graph/passes.h"

/* What making a plan needs and the plan does not keep. */
struct making {
    struct qni_plan *plan;
    const struct qni_plan_request *rq;
    qn_graph *g;
    qn_val *root;            /* outputs, then gradients of wrt: concrete values */
    size_t roots;
    int *order;
    size_t nodes;
    int32_t *storage_of;     /* [values] the value whose storage a value lives in */
    struct qni_life *life;   /* [values], then temporaries */
    size_t temporaries, temporary_capacity;
    struct temporary { size_t bytes; int at; bool persistent; } *temporary;
    struct qni_recorder recorder;
    struct qni_recorder prepare;
    bool *slotted;
    struct qni_bind *bind;   /* [values + temporaries + 2]: the last two are the blocks */
    size_t binds;
    const struct qni_algo **algo; /* [graph nodes] */
};

/* ---- choosing algorithms and recording launches ---- */

static qn_status add_temporary(struct making *m, size_t bytes, int at, bool persistent, int *index)
{
    qn_status st;

    *index = -1;
    if (!bytes)
        return QN_OK;
    if ((st = qni_reserve(m->g->ctx, &m->temporary, &m->temporary_capacity, m->temporaries, sizeof(*m->temporary))))
        return st;
    m->temporary[m->temporaries] = (struct temporary){ bytes, at, persistent };
    *index = (int)(m->g->values + m->temporaries++);
    return QN_OK;
}

/* Turn operand numbers of launches [first,...) into indices of the bind table. */
static void resolve(struct qni_recorder *r, size_t first, const struct making *m, const struct qni_node *node, int index,
                    int scratch, const int packed[])
{
    for (size_t i = first; i < r->launches; i++) {
        struct qni_launch *l = &r->launch[i];

        l->node = index;
        for (int a = 0; a < l->args; a++) {
            struct qni_arg *arg = &l->arg[a];

            switch (arg->kind) {
            case QNI_ARG_IN: arg->index = node->in[arg->index]; break;
            case QNI_ARG_OUT: arg->index = node->out[arg->index]; break;
            case QNI_ARG_SCRATCH: arg->index = scratch; break;
            case QNI_ARG_PACKED: arg->index = packed[arg->index]; break;
            case QNI_ARG_STEP: arg->index = -2; break;   /* known when all temporaries are */
            case QNI_ARG_DEVICE: arg->index = -3; break;
            case QNI_ARG_I32:
            case QNI_ARG_I64:
            case QNI_ARG_F32:
            case QNI_ARG_LOCAL: break;
            }
        }
    }
    (void)m;
}

static bool is_state(const struct making *m, int32_t value)
{
    const struct qni_value *v = &m->g->value[m->storage_of[value]];

    return v->kind == QNI_VALUE_STATE || v->kind == QNI_VALUE_CONSTANT;
}

static qn_status record_node(struct making *m, int at, const int *readers)
{
    int index = m->order[at];
    const struct qni_node *node = &m->g->node[index];
    int scratch, packed[QNI_MAX_IN];
    struct qni_problem p;
    struct qni_sizes sizes = { 0 };
    const struct qni_algo *algo;
    size_t first;
    qn_status st;

    if (node->op->flags & QNI_OP_VIEW)
        return QN_OK;
    if ((st = qni_node_problem(&p, m->g, node, &m->plan->dev->caps)))
        return st;
    for (int k = 0; k < node->outputs; k++)
        if (!readers[node->out[k]])
            p.unwanted |= 1u << k;
    if (!(algo = qni_algo_choose(&p)))
        return QN_E_UNSUPPORTED;
    m->recorder.of = m->prepare.of = node->op->name;
    if (algo->sizes)
        algo->sizes(&p, &sizes);
    if ((st = add_temporary(m, sizes.scratch, at, false, &scratch)))
        return st;
    for (int i = 0; i < node->inputs; i++) {
        /* What does not change during a run of the plan is packed when it changes. */
        bool persistent = !m->rq->optimizer && sizes.packed[i] && is_state(m, node->in[i]);
        struct qni_recorder *r = persistent ? &m->prepare : &m->recorder;

        if ((st = add_temporary(m, sizes.packed[i], at, persistent, &packed[i])))
            return st;
        if (!sizes.packed[i])
            continue;
        first = r->launches;
        algo->pack(&p, i, r);
        resolve(r, first, m, node, index, -1, packed);
        if (r->status)
            return r->status;
    }
    first = m->recorder.launches;
    algo->emit(&p, &m->recorder);
    resolve(&m->recorder, first, m, node, index, scratch, packed);
    m->algo[index] = algo;
    return m->recorder.status;
}

static qn_status count_uses(const struct making *m, int **readers)
{
    qn_status st;

    if ((st = qni_calloc(m->g->ctx, readers, m->g->values, sizeof(**readers))))
        return st;
    for (size_t i = 0; i < m->nodes; i++)
        for (int k = 0; k < m->g->node[m->order[i]].inputs; k++)
            (*readers)[m->g->node[m->order[i]].in[k]]++;
    for (size_t i = 0; i < m->roots; i++)
        (*readers)[m->root[i].id]++;
    for (size_t i = 1; i < m->g->values; i++)
        (*readers)[i] += m->g->value[i].gradient_of != 0;
    return QN_OK;
}

static qn_status record(struct making *m)
{
    int segment = 0, *readers = NULL;
    qn_status st;

    if ((st = count_uses(m, &readers)))
        return st;
    for (size_t at = 0; at < m->nodes && !st; at++) {
        const struct qni_node *node = &m->g->node[m->order[at]];

        while (segment < node->segment)
            m->plan->segment[++segment] = m->recorder.launches;
        st = record_node(m, (int)at, readers);
        if (st && m->g->label[node->label])
            qni_error_prefix("%s: ", m->g->label[node->label]);
    }
    while (segment < QNI_SEGMENTS)
        m->plan->segment[++segment] = m->recorder.launches;
    qni_free(m->g->ctx, &readers);
    return st;
}

/* ---- memory ---- */

static size_t value_bytes(const struct qni_value *v)
{
    return (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype);
}

/* From its node to its last reader, each value is alive. */
static qn_status find_lives(struct making *m)
{
    size_t n = m->g->values + m->temporaries;
    qn_status st;

    if ((st = qni_calloc(m->g->ctx, &m->life, n, sizeof(*m->life))))
        return st;
    for (size_t i = 0; i < n; i++)
        m->life[i].first = -1;
    for (size_t at = 0; at < m->nodes; at++) {
        const struct qni_node *node = &m->g->node[m->order[at]];

        for (int k = 0; k < node->inputs; k++)
            m->life[m->storage_of[node->in[k]]].last = (int)at;
        for (int k = 0; k < node->outputs; k++) {
            struct qni_life *l = &m->life[m->storage_of[node->out[k]]];
            const struct qni_value *v = &m->g->value[node->out[k]];

            if (l->first >= 0 || v->kind != QNI_VALUE_NODE || node->op->flags & QNI_OP_VIEW || v->gradient_of)
                continue;
            l->first = l->last = (int)at;
            l->bytes = value_bytes(v);
        }
    }
    for (size_t i = 0; i < m->roots; i++)
        m->life[m->storage_of[m->root[i].id]].last = (int)m->nodes;
    for (size_t i = 0; i < m->temporaries; i++) {
        struct qni_life *l = &m->life[m->g->values + i];

        if (m->temporary[i].persistent)
            continue;
        l->first = l->last = m->temporary[i].at;
        l->bytes = m->temporary[i].bytes;
    }
    return QN_OK;
}

static qn_status keep(struct qni_plan *p, struct qni_storage *s)
{
    qn_status st;

    if ((st = qni_reserve(p->dev->ctx, &p->storage, &p->storage_capacity, p->storages, sizeof(*p->storage)))) {
        qni_storage_release(&s);
        return st;
    }
    p->storage[p->storages++] = s;
    return QN_OK;
}

/* The state's arena, made larger where this plan needs more. Other plans keep the chunks they were made with. */
static qn_status grow_arena(struct qni_plan *p, const size_t *bytes, size_t chunks)
{
    struct qni_state *s = p->state;
    qn_status st = QN_OK;

    if (chunks > s->chunks) {
        if ((st = qni_realloc(p->dev->ctx, &s->chunk, chunks, sizeof(*s->chunk))))
            return st;
        while (s->chunks < chunks)
            s->chunk[s->chunks++] = NULL;
    }
    for (size_t i = 0; i < chunks; i++) {
        p->arena_bytes += bytes[i];
        if (!s->chunk[i] || s->chunk[i]->bytes < bytes[i]) {
            qni_storage_release(&s->chunk[i]);
            if ((st = qni_storage_create(&s->chunk[i], p->dev, bytes[i]))) {
                qni_error_prefix("the plan's arena: ");
                return st;
            }
        }
        if ((st = keep(p, qni_storage_retain(s->chunk[i]))))
            return st;
    }
    return QN_OK;
}

/* The arena would refuse it too, but not say what it is for. */
static qn_status check_life(const struct making *m, const struct qni_life *l)
{
    const struct qni_node *node = &m->g->node[m->order[l->first]];
    const uint64_t most = m->plan->dev->caps.alloc_bytes;

    if (l->bytes <= most)
        return QN_OK;
    qni_error(QN_E_DEVICE_MEMORY, "%s: one buffer of %zu bytes is needed, the device's largest has %" PRIu64, node->op->name,
              l->bytes, most);
    if (m->g->label[node->label])
        qni_error_prefix("%s: ", m->g->label[node->label]);
    return QN_E_DEVICE_MEMORY;
}

static qn_status place_lives(struct making *m)
{
    const qn_context *ctx = m->g->ctx;
    size_t n = m->g->values + m->temporaries, lives = 0, chunks = 0, *chunk_bytes = NULL, *index = NULL;
    struct qni_life *live = NULL;
    struct qni_plan *p = m->plan;
    bool alone = qni_env(ctx, "QUERN_DEBUG_ALLOC") != NULL;
    qn_status st;

    if ((st = qni_calloc(ctx, &live, n, sizeof(*live))) || (st = qni_calloc(ctx, &index, n, sizeof(*index))))
        goto done;
    for (size_t i = 1; i < n; i++)
        if (m->life[i].first >= 0 && m->life[i].bytes) {
            if ((st = check_life(m, &m->life[i])))
                goto done;
            live[lives] = m->life[i];
            index[lives++] = i;
        }
    if (!alone && ((st = qni_memory_plan(ctx, live, lives, p->dev->caps.align_bytes, (size_t)p->dev->caps.alloc_bytes,
                                         &chunk_bytes, &chunks)) ||
                   (st = grow_arena(p, chunk_bytes, chunks))))
        goto done;
    for (size_t i = 0; i < lives; i++) {
        struct qni_bind *b = &m->bind[index[i]];

        if (alone) {
            struct qni_storage *s;

            if ((st = qni_storage_create_alone(&s, p->dev, live[i].bytes)) || (st = keep(p, s)))
                goto done;
            *b = (struct qni_bind){ s->mem, s->offset };
            p->arena_bytes += live[i].bytes;
        } else {
            const struct qni_storage *s = p->state->chunk[live[i].chunk];

            *b = (struct qni_bind){ s->mem, s->offset + live[i].offset };
        }
    }
done:
    qni_free(ctx, &live);
    qni_free(ctx, &index);
    qni_free(ctx, &chunk_bytes);
    return st;
}

static qn_status place_gradients(struct making *m)
{
    struct qni_state *s = m->plan->state;
    qn_device *dev = m->plan->dev;
    size_t bytes = (size_t)s->weight_elements * sizeof(float);
    cl_uint zero = 0;
    cl_int err = CL_SUCCESS;
    qn_status st;

    if (!m->rq->optimizer || s->gradients)
        return QN_OK;
    if ((st = qni_storage_create(&s->gradients, dev, bytes)) || !bytes)
        return st;
    /* Gaps between variables, and variables no gradient reaches, stay zero. */
    err = dev->cl->EnqueueFillBuffer(dev->queue, s->gradients->mem, &zero, sizeof(zero), s->gradients->offset, bytes, 0,
                                     NULL, NULL);
    if (!err)
        return QN_OK;
    qni_storage_release(&s->gradients); /* the next plan zeroes them anew */
    return qni_device_error(dev, err, "zeroing the gradients");
}

static qn_status place_constant(struct making *m, size_t i)
{
    const struct qni_value *v = &m->g->value[i];
    qn_device *dev = m->plan->dev;
    struct qni_storage *s;
    size_t bytes = value_bytes(v);
    cl_int err;
    qn_status st;

    if (!bytes)
        return QN_OK;
    if ((st = qni_storage_create(&s, dev, bytes)) || (st = keep(m->plan, s)))
        return st;
    m->bind[i] = (struct qni_bind){ s->mem, s->offset };
    m->plan->persistent_bytes += bytes;
    err = dev->cl->EnqueueWriteBuffer(dev->queue, s->mem, CL_TRUE, s->offset, bytes, v->bytes, 0, NULL, NULL);
    return err ? qni_device_error(dev, err, "uploading a constant") : QN_OK;
}

static void place_state(struct making *m, size_t i)
{
    const struct qni_value *v = &m->g->value[i];
    struct qni_state *s = m->plan->state;
    const struct qni_storage *storage = NULL;
    size_t offset = 0;

    if (v->variable >= 0) {
        storage = s->place[v->variable].storage;
        offset = s->place[v->variable].offset;
    } else if (v->variable == QNI_STATE_WEIGHTS) {
        storage = s->weights;
    } else if (v->variable == QNI_STATE_GRADIENTS) {
        storage = s->gradients;
    } else if (v->variable == QNI_STATE_DEVICE) {
        storage = s->device_block;
    } else {
        storage = s->slot[QNI_STATE_SLOT - v->variable];
    }
    m->bind[i] = (struct qni_bind){ storage->mem, storage->offset + offset };
}

/* Everything that is not in the arena. Inputs are bound slot by slot later. */
static qn_status place_rest(struct making *m)
{
    struct qni_plan *p = m->plan;
    qn_status st = QN_OK;

    for (size_t i = 1; i < m->g->values && !st; i++) {
        const struct qni_value *v = &m->g->value[i];

        if (v->kind == QNI_VALUE_STATE)
            place_state(m, i);
        else if (v->kind == QNI_VALUE_CONSTANT)
            st = place_constant(m, i);
        else if (v->gradient_of)
            m->bind[i] = (struct qni_bind){ p->state->gradients->mem,
                                            p->state->gradients->offset + p->state->place[v->gradient_of - 1].offset };
    }
    for (size_t i = 0; i < m->temporaries && !st; i++) {
        struct qni_storage *s;

        if (!m->temporary[i].persistent)
            continue;
        if (!(st = qni_storage_create(&s, p->dev, m->temporary[i].bytes)) && !(st = keep(p, s))) {
            m->bind[m->g->values + i] = (struct qni_bind){ s->mem, s->offset };
            p->persistent_bytes += m->temporary[i].bytes;
        }
    }
    return st;
}

/* Results that the program wants in its tensors are no part of the arena, nor is what they took over storage from. */
static qn_status place_results(struct making *m)
{
    qn_status st = QN_OK;

    for (size_t i = 0; m->rq->output_tensor && i < m->roots && !st; i++) {
        const qn_tensor *t = m->rq->output_tensor[i];
        const struct qni_value *v = &m->g->value[m->root[i].id];
        const int32_t storage = m->storage_of[m->root[i].id];

        if (!t)
            continue;
        if ((st = qni_bound_check(t, m->plan->dev, v->dtype, &v->shape))) {
            qni_error_prefix("output %zu: ", i);
            return st;
        }
        m->life[storage].first = -1;
        m->bind[storage] = qni_bound_place(t);
        st = keep(m->plan, qni_storage_retain(t->storage));
    }
    return st;
}

/* Written through the upload queue, so never a part of a chunk: see the pool in device/device.h. */
static qn_status make_inputs(struct making *m)
{
    struct qni_plan *p = m->plan;
    qn_status st;

    if ((st = qni_calloc(p->dev->ctx, &p->input, m->g->inputs, sizeof(*p->input))))
        return st;
    for (size_t i = 0; i < m->g->inputs; i++) {
        struct qni_plan_input *in = &p->input[p->inputs++];
        const struct qni_value *v = &m->g->value[m->g->input[i].value];

        in->input = v->input;
        in->dtype = v->dtype;
        in->shape = v->shape;
        in->bytes = value_bytes(v);
        if (m->rq->input_tensor && m->rq->input_tensor[v->input])
            st = qni_bound_input(in, p->dev, m->rq->input_tensor[v->input]);
        for (int s = 0; s < QNI_PLAN_SLOTS && !st && !in->bound; s++)
            st = qni_storage_create_alone(&in->storage[s], p->dev, in->bytes);
        if (st) {
            qni_error_prefix("input %s: ", m->g->input[i].name);
            return st;
        }
    }
    for (int s = 0; s < QNI_PLAN_SLOTS; s++)
        if ((st = qni_storage_create_alone(&p->step[s], p->dev, QNI_BLOCK_WORDS * sizeof(uint32_t))))
            return st;
    return QN_OK;
}

static void bind_slot(struct making *m, int slot)
{
    struct qni_plan *p = m->plan;

    for (size_t i = 0; i < p->inputs; i++) {
        const struct qni_storage *s = p->input[i].storage[slot];

        m->bind[m->g->input[i].value] = (struct qni_bind){ s->mem, s->offset + p->input[i].offset };
    }
    m->bind[m->binds - 2] = (struct qni_bind){ p->step[slot]->mem, p->step[slot]->offset };
    m->bind[m->binds - 1] = (struct qni_bind){ p->state->device_block->mem, p->state->device_block->offset };
    for (size_t i = 1; i < m->g->values; i++)
        if (m->storage_of[i] != (int32_t)i)
            m->bind[i] = m->bind[m->storage_of[i]];
}

/* ---- putting it together ---- */

/* One list: the launches that pack, then the run. Blocks get their bind index; slotted ones are found. */
static qn_status join(struct making *m)
{
    const qn_context *ctx = m->g->ctx;
    struct qni_recorder *r = &m->recorder;
    size_t n = m->prepare.launches + r->launches;
    struct qni_launch *all = NULL;
    qn_status st;

    if (m->prepare.loops)
        return qni_error(QN_E_INTERNAL, "packing uses no loops");
    if ((st = qni_calloc(ctx, &all, n, sizeof(*all))) || (st = qni_calloc(ctx, &m->slotted, n, sizeof(*m->slotted)))) {
        qni_free(ctx, &all);
        return st;
    }
    if (m->prepare.launches)
        memcpy(all, m->prepare.launch, m->prepare.launches * sizeof(*all));
    if (r->launches)
        memcpy(all + m->prepare.launches, r->launch, r->launches * sizeof(*all));
    for (size_t i = 0; i < r->loops; i++) {
        r->loop[i].first += (int)m->prepare.launches;
        r->loop[i].last += (int)m->prepare.launches;
    }
    m->plan->prepare = m->prepare.launches;
    for (int i = 0; i <= QNI_SEGMENTS; i++)
        m->plan->segment[i] += m->prepare.launches;
    qni_free(ctx, &r->launch);
    r->launch = all;
    r->launches = r->capacity = n;
    for (size_t i = 0; i < m->prepare.texts; i++) {
        if ((st = qni_reserve(ctx, &r->text, &r->text_capacity, r->texts, sizeof(*r->text))))
            return st;
        r->text[r->texts++] = m->prepare.text[i];
        m->prepare.text[i] = NULL;
    }
    m->prepare.launches = 0;
    for (size_t i = 0; i < n; i++)
        for (int a = 0; a < all[i].args; a++) {
            struct qni_arg *arg = &all[i].arg[a];

            if (arg->kind == QNI_ARG_STEP)
                arg->index = (int)m->binds - 2;
            else if (arg->kind == QNI_ARG_DEVICE)
                arg->index = (int)m->binds - 1;
            if (arg->kind == QNI_ARG_STEP ||
                (arg->kind <= QNI_ARG_PACKED && arg->index >= 0 && (size_t)arg->index < m->g->values &&
                 m->g->value[m->storage_of[arg->index]].kind == QNI_VALUE_INPUT))
                m->slotted[i] = true;
        }
    return QN_OK;
}

static qn_status make_outputs(struct making *m)
{
    struct qni_plan *p = m->plan;
    qn_status st;

    if ((st = qni_calloc(p->dev->ctx, &p->output, m->roots, sizeof(*p->output))))
        return st;
    for (size_t i = 0; i < m->roots; i++) {
        const struct qni_value *v = &m->g->value[m->root[i].id];
        const struct qni_bind *b = &m->bind[m->root[i].id];

        p->output[i] = (struct qni_plan_output){ .dtype = v->dtype, .shape = v->shape, .mem = b->mem, .offset = b->offset,
                                                 .bytes = value_bytes(v) };
        p->outputs++;
    }
    return QN_OK;
}

/* An input lies in a slot of its own each run, where nobody reads a result: what is one, or a view of one, is copied. */
static qn_val readable(qn_graph *g, qn_val root)
{
    const struct qni_value *v = qni_value_get(g, root);

    while (v && v->kind == QNI_VALUE_NODE && g->node[v->node].op->flags & QNI_OP_VIEW)
        v = qni_value_get(g, (qn_val){ g->node[v->node].in[0] });
    return v && v->kind == QNI_VALUE_INPUT ? qn_graph_identity(g, root) : root;
}

static qn_status passes(struct making *m, const qn_val *map)
{
    const struct qni_plan_request *rq = m->rq;
    const struct qni_caps *caps = &m->plan->dev->caps;
    const qn_context *ctx = m->g->ctx;
    qn_status st;

    m->roots = (size_t)rq->outputs + (size_t)rq->wrts;
    if ((st = qni_calloc(ctx, &m->root, m->roots, sizeof(*m->root))))
        return st;
    for (int i = 0; i < rq->outputs; i++)
        m->root[i] = map[rq->output[i].id];
    if (rq->loss.id && (rq->optimizer || rq->wrts) && (st = qni_append_training(m->g, rq, map, m->root + rq->outputs)))
        return st;
    for (size_t i = 0; i < m->roots; i++)
        m->root[i] = readable(m->g, m->root[i]);
    qni_bound_results(m->g, rq, m->root, m->roots);
    if ((st = qni_graph_status(m->g)) || (st = qni_pass_dead(m->g, m->root, m->roots)) ||
        (st = qni_pass_fuse_epilogues(m->g, caps, m->root, m->roots)) || (st = qni_pass_split_epilogues(m->g, caps)) ||
        (st = qni_pass_fuse_eltwise(m->g, m->root, m->roots)))
        return st;
    return qni_node_order(m->g, &m->order, &m->nodes);
}

static qn_status make(struct making *m)
{
    struct qni_plan *p = m->plan;
    const qn_context *ctx = p->dev->ctx;
    qn_val *map = NULL;
    qn_status st;

    if ((st = qni_instantiate(&p->g, m->rq, &map)))
        goto done;
    m->g = p->g;
    m->g->choices = m->rq->choices;
    if (m->rq->choices)
        m->rq->choices->status = QN_OK; /* of this plan, not of one that failed before */
    if ((st = passes(m, map)) || (st = qni_calloc(ctx, &m->algo, m->g->nodes, sizeof(*m->algo))) ||
        (st = qni_share_storage(m->g, m->order, m->nodes, m->root, m->roots, &m->storage_of)) ||
        (st = record(m)) || (st = find_lives(m)))
        goto done;
    m->binds = m->g->values + m->temporaries + 2;
    if ((st = qni_calloc(ctx, &m->bind, m->binds, sizeof(*m->bind))) || (st = place_gradients(m)) ||
        (st = place_results(m)) || (st = place_lives(m)) || (st = place_rest(m)) || (st = make_inputs(m)) || (st = join(m)))
        goto done;
    for (size_t i = p->prepare; i < m->recorder.launches; i++) {
        p->launches += m->recorder.launch[i].call == NULL;
        p->calls += m->recorder.launch[i].call != NULL;
        p->flops += m->recorder.launch[i].flops;
    }
    p->kernels = qni_recorder_kernels(&m->recorder);
    if ((st = qni_exec_create(&p->exec, p->dev, &m->recorder, QNI_PLAN_SLOTS, m->slotted)))
        goto done;
    p->compiled = !p->exec->built || !(p->dev->caps.quirks & QNI_QUIRK_OWN_CACHE);
    for (int s = 0; s < QNI_PLAN_SLOTS && !st; s++) {
        bind_slot(m, s);
        st = qni_exec_bind(p->exec, s, m->bind, m->binds);
    }
    if (!st)
        st = make_outputs(m);
    if (!st && m->rq->choices)
        st = m->rq->choices->status;
done:
    if (m->g)
        m->g->choices = NULL;
    qni_free(ctx, &map);
    return st;
}

qn_status qni_plan_create(struct qni_plan **out, const struct qni_plan_request *request)
{
    qn_device *dev = request->state->dev;
    struct making m = { .rq = request };
    struct qni_plan *p = NULL;
    qn_status st;

    *out = NULL;
    if ((st = qni_calloc(dev->ctx, &p, 1, sizeof(*p))))
        return st;
    p->dev = qni_device_retain(dev);
    p->state = qni_state_retain(request->state);
    p->updates_weights = request->optimizer != NULL;
    m.plan = p;
    qni_recorder_init(&m.recorder, dev->ctx);
    qni_recorder_init(&m.prepare, dev->ctx);
    st = make(&m);
    qni_recorder_free(&m.recorder);
    qni_recorder_free(&m.prepare);
    qni_free(dev->ctx, &m.root);
    qni_free(dev->ctx, &m.order);
    qni_free(dev->ctx, &m.storage_of);
    qni_free(dev->ctx, &m.life);
    qni_free(dev->ctx, &m.temporary);
    qni_free(dev->ctx, &m.slotted);
    qni_free(dev->ctx, &m.bind);
    qni_free(dev->ctx, &m.algo);
    if (st)
        qni_plan_destroy(&p);
    *out = p;
    return st;
}

void qni_plan_destroy(struct qni_plan **plan)
{
    struct qni_plan *p = *plan;
    qn_device *dev;

    *plan = NULL;
    if (!p)
        return;
    dev = p->dev;
    /* Uploads read the plan's own memory. */
    qni_plan_finish(p);
    qni_exec_destroy(&p->exec);
    for (size_t i = 0; i < p->storages; i++)
        qni_storage_release(&p->storage[i]);
    for (int s = 0; s < QNI_PLAN_SLOTS; s++) {
        for (size_t i = 0; i < p->inputs; i++)
            qni_storage_release(&p->input[i].storage[s]);
        qni_storage_release(&p->step[s]);
    }
    qni_free(dev->ctx, &p->storage);
    qni_free(dev->ctx, &p->input);
    qni_free(dev->ctx, &p->output);
    if (p->g)
        qni_graph_destroy(&p->g);
    qni_state_release(&p->state);
    qni_free(dev->ctx, &p);
    qni_device_release(&dev);
}
