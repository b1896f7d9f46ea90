/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "graph/plan.h"

static bool trained(const struct qni_variable *v)
{
    return v->trainable && v->dtype == QN_F32;
}

/* Trained variables lie in this order: those that weight decay may leave alone, and those of which a step updates a part,
 * are behind the others. */
static size_t rank(const struct qni_variable *v)
{
    return !trained(v) ? 0 : v->lazy ? 2 : v->no_decay;
}

/* Where each variable goes: the trained ones side by side in one storage; the rest in another. */
static qn_status lay_out(struct qni_state *s, size_t *weights, size_t *other)
{
    size_t align = s->dev->caps.align_bytes;

    *weights = *other = 0;
    for (size_t k = 0; k < 3 * s->variables; k++) {
        const size_t i = k % s->variables;
        const struct qni_variable *v = &s->g->variable[i];
        size_t *total = trained(v) ? weights : other;
        size_t bytes = (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype), end;

        if (rank(v) != k / s->variables)
            continue;
        s->place[i].offset = *total;
        if (qni_add_overflows(*total, bytes, &end) || qni_add_overflows(end, align - 1, &end))
            return qni_error(QN_E_HOST_MEMORY, "the variables need more bytes than there are addresses");
        *total = end / align * align;
    }
    return QN_OK;
}

static qn_status zeroed(struct qni_storage **out, qn_device *dev, size_t bytes)
{
    cl_uint zero = 0;
    cl_int err = CL_SUCCESS;
    qn_status st;

    if ((st = qni_storage_create(out, dev, bytes)))
        return st;
    if (bytes)
        err = dev->cl->EnqueueFillBuffer(dev->queue, (*out)->mem, &zero, sizeof(zero), (*out)->offset, bytes, 0, NULL, NULL);
    return err ? qni_device_error(dev, err, "zeroing %zu bytes", bytes) : QN_OK;
}

qn_status qni_state_create(struct qni_state **out, qn_device *dev, const qn_graph *g, int slots)
{
    struct qni_state *s = NULL;
    size_t weights, other;
    qn_status st;

    *out = NULL;
    if (slots > QNI_MAX_OPTIMIZER_SLOTS)
        return qni_error(QN_E_INTERNAL, "an optimizer has %d slots, at most %d", slots, QNI_MAX_OPTIMIZER_SLOTS);
    if ((st = qni_calloc(dev->ctx, &s, 1, sizeof(*s))))
        return st;
    atomic_init(&s->references, 1);
    s->dev = qni_device_retain(dev);
    s->g = g;
    s->variables = g->variables;
    s->slots = slots;
    s->version = 1;
    if ((st = qni_calloc(dev->ctx, &s->place, s->variables, sizeof(*s->place))) || (st = lay_out(s, &weights, &other)) ||
        (st = zeroed(&s->weights, dev, weights)) || (st = zeroed(&s->other, dev, other)) ||
        (st = zeroed(&s->device_block, dev, QNI_BLOCK_WORDS * sizeof(uint32_t))))
        goto done;
    s->weight_elements = (int64_t)(weights / sizeof(float));
    for (int k = 0; k < slots; k++)
        if ((st = zeroed(&s->slot[k], dev, weights)))
            goto done;
    for (size_t i = 0; i < s->variables; i++)
        s->place[i].storage = trained(&g->variable[i]) ? s->weights : s->other;
done:
    if (st)
        qni_state_release(&s);
    *out = s;
    return st;
}

/* The place of the variable of s's graph that v is, or NULL. */
static const struct qni_place *same_variable(const struct qni_state *s, const struct qni_variable *v)
{
    for (size_t i = 0; i < s->variables; i++)
        if (!strcmp(s->g->variable[i].name, v->name) && s->g->variable[i].dtype == v->dtype &&
            qni_shape_equal(&s->g->variable[i].shape, &v->shape))
            return &s->place[i];
    return NULL;
}

qn_status qni_state_share(struct qni_state **out, struct qni_state *with, const qn_graph *g)
{
    const size_t align = with->dev->caps.align_bytes;
    struct qni_state *s = NULL;
    size_t other = 0;
    qn_status st;

    *out = NULL;
    if ((st = qni_calloc(with->dev->ctx, &s, 1, sizeof(*s))))
        return st;
    atomic_init(&s->references, 1);
    s->dev = qni_device_retain(with->dev);
    s->g = g;
    s->variables = g->variables;
    s->version = 1;
    s->shared = qni_state_retain(with);
    if ((st = qni_calloc(s->dev->ctx, &s->place, s->variables, sizeof(*s->place))))
        goto done;
    for (size_t i = 0; i < s->variables; i++) {
        const struct qni_variable *v = &g->variable[i];
        const struct qni_place *at = same_variable(with, v);
        const size_t bytes = (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype);
        size_t end;

        s->place[i] = at ? *at : (struct qni_place){ .offset = other };
        if (at)
            continue;
        if (qni_add_overflows(other, bytes, &end) || qni_add_overflows(end, align - 1, &end)) {
            st = qni_error(QN_E_HOST_MEMORY, "the variables need more bytes than there are addresses");
            goto done;
        }
        other = end / align * align;
    }
    if ((st = zeroed(&s->other, s->dev, other)) ||
        (st = zeroed(&s->device_block, s->dev, QNI_BLOCK_WORDS * sizeof(uint32_t))))
        goto done;
    for (size_t i = 0; i < s->variables; i++)
        if (!s->place[i].storage)
            s->place[i].storage = s->other;
done:
    if (st)
        qni_state_release(&s);
    *out = s;
    return st;
}

struct qni_state *qni_state_retain(struct qni_state *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void qni_state_release(struct qni_state **state)
{
    struct qni_state *s = *state;
    qn_device *dev;

    *state = NULL;
    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
        return;
    dev = s->dev;
    if (s->shared)
        qni_state_release(&s->shared);
    qni_storage_release(&s->weights);
    qni_storage_release(&s->other);
    qni_storage_release(&s->gradients);
    qni_storage_release(&s->device_block);
    for (int k = 0; k < QNI_MAX_OPTIMIZER_SLOTS; k++)
        qni_storage_release(&s->slot[k]);
    for (size_t i = 0; i < s->chunks; i++)
        qni_storage_release(&s->chunk[i]);
    qni_free(dev->ctx, &s->chunk);
    qni_free(dev->ctx, &s->place);
    qni_free(dev->ctx, &s);
    qni_device_release(&dev);
}

/* Bytes of a variable, and where it or a slot of it stands. */
static qn_status find(const struct qni_state *s, size_t variable, int slot, struct qni_place *at, size_t *bytes)
{
    const struct qni_variable *v;

    if (variable >= s->variables)
        return qni_error(QN_E_ARG, "there is no variable %zu", variable);
    v = &s->g->variable[variable];
    if (slot >= s->slots || (slot >= 0 && !trained(v)))
        return qni_error(QN_E_ARG, "variable %s has no optimizer slot %d", v->name, slot);
    *at = s->place[variable];
    if (slot >= 0)
        at->storage = s->slot[slot];
    *bytes = (size_t)qni_elements(&v->shape) * qn_dtype_bytes(v->dtype);
    return QN_OK;
}

qn_status qni_state_write(struct qni_state *s, size_t variable, int slot, const void *from)
{
    struct qni_place at = { 0 };
    size_t bytes = 0;
    cl_int err;
    qn_status st;

    if ((st = find(s, variable, slot, &at, &bytes)) || (st = qni_device_check(s->dev)) || !bytes)
        return st;
    err = s->dev->cl->EnqueueWriteBuffer(s->dev->queue, at.storage->mem, CL_TRUE, at.storage->offset + at.offset, bytes,
                                         from, 0, NULL, NULL);
    s->version++;
    return err ? qni_device_error(s->dev, err, "writing variable %s", s->g->variable[variable].name) : QN_OK;
}

qn_status qni_state_read(struct qni_state *s, size_t variable, int slot, void *to)
{
    struct qni_place at = { 0 };
    size_t bytes = 0;
    cl_int err;
    qn_status st;

    if ((st = find(s, variable, slot, &at, &bytes)) || (st = qni_device_check(s->dev)) || !bytes)
        return st;
    err = s->dev->cl->EnqueueReadBuffer(s->dev->queue, at.storage->mem, CL_TRUE, at.storage->offset + at.offset, bytes, to,
                                        0, NULL, NULL);
    return err ? qni_device_error(s->dev, err, "reading variable %s", s->g->variable[variable].name) : QN_OK;
}

qn_status qni_state_reset_optimizer(struct qni_state *s, const struct qni_optimizer *o)
{
    const struct qni_cl *cl = s->dev->cl;
    const cl_float start[2] = { o->start, 0.0f };
    cl_uint zero = 0;
    cl_int err = CL_SUCCESS;
    size_t bytes = (size_t)s->weight_elements * sizeof(float);

    for (int k = 0; k < s->slots && !err && bytes; k++)
        err = cl->EnqueueFillBuffer(s->dev->queue, s->slot[k]->mem, &start[k > 0], sizeof(start[0]), s->slot[k]->offset, bytes,
                                    0, NULL, NULL);
    if (!err)
        err = cl->EnqueueFillBuffer(s->dev->queue, s->device_block->mem, &zero, sizeof(zero), s->device_block->offset,
                                    QNI_BLOCK_WORDS * sizeof(uint32_t), 0, NULL, NULL);
    return err ? qni_device_error(s->dev, err, "resetting the optimizer") : QN_OK;
}

qn_status qni_state_device_block(struct qni_state *s, uint32_t words[QNI_BLOCK_WORDS], bool write)
{
    const struct qni_cl *cl = s->dev->cl;
    size_t bytes = QNI_BLOCK_WORDS * sizeof(uint32_t);
    cl_int err;

    if (write)
        err = cl->EnqueueWriteBuffer(s->dev->queue, s->device_block->mem, CL_TRUE, s->device_block->offset, bytes, words, 0,
                                     NULL, NULL);
    else
        err = cl->EnqueueReadBuffer(s->dev->queue, s->device_block->mem, CL_TRUE, s->device_block->offset, bytes, words, 0,
                                    NULL, NULL);
    return err ? qni_device_error(s->dev, err, "copying the device's step block") : QN_OK;
}
